"""Which scenes come to a person's mind: by topic and talk, each told once in a run."""

from collections import Counter

import pytest

from culturepark.dialogue import memory
from culturepark.dialogue.casting import plan
from culturepark.domain import Scene, Seed
from tests.support.fakes import shipped


def scene(topics: str, text: str) -> Scene:
    return Scene(when="long ago", where="at home", who="nobody else", topics=tuple(topics.split()), text=text)


GOATS = scene("goats milk", "The brown goat climbed on the roof and would not come down before evening.")
WEDDING = scene(
    "weddings dance",
    "My cousin married in the rain and the drummer lost both his sticks in the mud. Grandmother danced with an "
    "umbrella, the musicians wanted double wages for their shoes, and somebody's motorcycle carried the bride over "
    "the river.",
)
SCHOOL = scene("school teachers", "The inspector asked me for the capital of France and I answered with a song.")
MONEY = scene("money debts", "Uncle Selim counted the coins twice and gave me back the torn banknote.")
ALL = (GOATS, WEDDING, SCHOOL, MONEY)
SEED = Seed(key="wedding", topic="weddings", question="Who pays for a wedding?")
INTRODUCTION = ([], "I am Nil and I live in the hills.")


def test_the_question_and_the_last_words_bring_scenes_to_mind() -> None:
    assert memory.called_to_mind(ALL, SEED, [], ["Tell us, who came?", "The drummer?"]) is WEDDING
    assert (
        memory.called_to_mind(ALL, SEED, [], ["At our school the teachers ask for the capital of every country."])
        is SCHOOL
    )


def test_nothing_comes_to_mind_where_nothing_fits_what_was_said() -> None:
    assert memory.called_to_mind(ALL, SEED, [], ["Hm."]) is None
    assert memory.called_to_mind((), SEED, [], ["Anything?"]) is None


def test_a_scene_that_was_told_does_not_come_again() -> None:
    told = "It rained when my cousin married, the drummer lost his sticks, and Grandmother danced with an umbrella."
    again = memory.called_to_mind(
        ALL, SEED, [INTRODUCTION, (["What about weddings?"], told)], ["And then, at weddings?"]
    )
    assert again is not WEDDING


def test_a_scene_comes_once_whether_it_is_told_or_not() -> None:
    silent = (["Who pays for weddings?"], "I would rather not say.")
    assert memory.called_to_mind(ALL, SEED, [INTRODUCTION], ["Weddings?"]) is WEDDING
    assert memory.called_to_mind(ALL, SEED, [INTRODUCTION, silent], ["Weddings?"]) is not WEDDING


def test_in_a_run_each_scene_belongs_to_one_dialogue() -> None:
    whole = shipped("everyday-norms")
    castings = plan(whole, 1).castings
    given = memory.allotted(castings, 1)
    for persona in whole.personas:
        scenes = [place for (_, key), places in given.items() if key == persona.key for place in places]
        assert max(Counter(scenes).values(), default=0) <= 1
        sits = sum(persona.key == p.persona.key for casting in castings for p in casting.participants)
        if sits:
            assert len(scenes) == len(memory.scenes_of(persona))
    assert given == memory.allotted(castings, 1)


def test_a_person_of_one_dialogue_may_tell_everything_there() -> None:
    castings = plan(shipped("quickstart"), 1).castings[:1]
    given = memory.allotted(castings, 1)
    for participant in castings[0].participants:
        assert len(given[1, participant.persona.key]) == len(memory.scenes_of(participant.persona))


def test_scripts_without_spaces_are_compared_too() -> None:
    rice = scene("米飯 節日", "那年中秋我們在屋頂上吃月餅，爺爺把最後一個讓給了鄰居的孩子。")
    boat = scene("船 河", "父親的船在河口擱淺，我們等到潮水回來才推動它。")
    assert memory.called_to_mind((boat, rice), SEED, [], ["中秋的月餅你們怎麼吃？"]) is rice


# --- words of other languages --------------------------------------------------------------------------

FORMS = {
    "Bengali": [("অতিথিরা এলেন", "অতিথি"), ("মিষ্টিটা খাও", "মিষ্টি"), ("বাড়িতে", "বা\u09a1\u09bcি")],
    "Arabic": [("وبالضيوف", "ضيوف"), ("للبيت القديم", "والبيت"), ("الضَّيْف", "والضيف"), ("والقهوة", "قهوة")],
    "Korean": [("손님이 오시면", "손님"), ("할머니께서", "할머니")],
    "Chinese": [("客人进门先喝茶", "喝茶"), ("老人家说的", "老人")],
    "Turkish": [
        ("Misafirlere", "misafirin"),
        ("İşçiler geldi", "işçiler"),
        ("İSTASYON", "istasyonda"),
        ("ÇAYLARI", "çaylar"),
    ],
    "German": [("Großmutters", "GROSSMUTTER")],
}
"""Language -> words, and another form of one of them."""


@pytest.mark.parametrize("language", FORMS)
def test_two_forms_of_a_word_are_the_same_in_each_language(language: str) -> None:
    for text, other in FORMS[language]:
        assert memory.words(text) & memory.words(other), (text, other)


def test_words_of_other_languages_that_are_other_words_stay_so() -> None:
    for one, other in (
        ("অতিথি এলেন", "মিষ্টি খাও"),
        ("الضيوف", "البيوت"),
        ("손님", "할머니"),
        ("客人", "老人"),
        ("misafir", "istasyon"),
    ):
        assert memory.words(one)
        assert not memory.words(one) & memory.words(other), (one, other)
