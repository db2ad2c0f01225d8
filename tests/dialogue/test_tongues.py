"""Who speaks what at a table, and how a table looks to those who hear it."""

from pathlib import Path
from typing import get_args

import pytest

from culturepark.dialogue.policy import expected_slots
from culturepark.dialogue.tongues import as_heard, as_spoken, heard_in, listening, may_be_interpreted, tongues_of
from culturepark.domain import (
    SPOKEN_AT_A_TABLE,
    Casting,
    Persona,
    QuestionWords,
    Rendering,
    Situation,
    SituationWords,
    Tongue,
    Turn,
)
from tests.support.fakes import edition, only_casting, shipped
from tests.support.tongues import CEVDET, ELIF, EMRE, FOLK, MARION, MIGYEONG, MINJAE, STAIRS, panel, speaking, table


@pytest.mark.parametrize(
    ("people", "language", "across", "spoken", "moderator", "dialogue"),
    [
        ((CEVDET, ELIF), "native", "interpreter", ("tr", "tr"), "tr", "tr"),
        ((MARION, MINJAE), "native", "interpreter", ("de", "ko"), "de", "mul"),
        ((MINJAE, MARION), "native", "interpreter", ("ko", "de"), "ko", "mul"),
        ((MINJAE, MARION), "tr", "interpreter", ("tr", "tr"), "tr", "tr"),
        ((MINJAE, MARION), "en", "interpreter", ("en", "en"), "en", "en"),
        ((MARION, MINJAE), "native", "lingua-franca", ("de", "ko"), "de", "mul"),
        ((EMRE, MINJAE), "native", "interpreter", ("en", "ko"), "en", "mul"),
    ],
)
def test_everybody_speaks_the_language_of_the_table_or_the_own_one(
    people: tuple[Persona, ...], language: str, across: str, spoken: tuple[str, ...], moderator: str, dialogue: str
) -> None:
    casting, scenario = table(*people, language=language, across=across)
    tongues = tongues_of(scenario, casting)
    assert tuple(tongues.speaks(person.key) for person in people) == spoken
    assert (tongues.moderator, tongues.speaks("moderator"), tongues.speaks("user")) == (moderator,) * 3
    assert (tongues.dialogue, tongues.interpreted) == (dialogue, dialogue == "mul")


def test_a_common_language_is_found_and_somebodys_mother_tongue_comes_first() -> None:
    marion = speaking("german-marion", "de", "Frau Noack", "en", "ko")
    minjae = speaking("korean-minjae", "ko", "민재 씨", "en")
    casting, scenario = table(marion, minjae, across="lingua-franca")
    assert tongues_of(scenario, casting).all == ("ko",)
    foreign = speaking("german-marion", "de", "Frau Noack", "en")
    casting, scenario = table(foreign, minjae, across="lingua-franca")
    assert tongues_of(scenario, casting).all == ("en",)


def test_a_table_is_shown_in_one_language_and_spoken_in_each() -> None:
    casting, scenario = table(MARION, MINJAE)
    tongues = tongues_of(scenario, casting)
    heard, told = listening(casting, scenario, "ko", tongues)
    assert told.language == "ko"
    assert [p.persona.called for p in heard.participants] == ["마리온 씨", "민재 씨"]
    assert heard.seed.question == "계단은 누가 칠해야 할까요?"
    spoken = as_spoken(casting, tongues)
    assert [p.persona.called for p in spoken.participants] == ["Frau Noack", "민재 씨"]
    assert spoken.seed.question == "Wer streicht das Treppenhaus?"


def test_a_table_in_english_is_shown_as_it_is() -> None:
    casting, scenario = table(FOLK["turkish-elif"], FOLK["korean-minjae"], language="en")
    assert listening(casting, scenario, "en", tongues_of(scenario, casting)) == (casting, scenario)


def test_a_case_without_words_in_one_of_the_languages_is_put_to_nobody() -> None:
    case = Situation(place="x", relation="x", stake="x", unsaid="x", told="One.")
    words = {
        code: asked.model_copy(update={"situations": (SituationWords(told=code, unsaid=code),) * count})
        for (code, asked), count in zip(STAIRS.words.items(), (2, 1, 0), strict=True)
    }
    seed = STAIRS.model_copy(update={"situations": (case, case.model_copy(update={"told": "Two."})), "words": words})
    casting, scenario = table(MARION, MINJAE, moderation="balanced")
    casting = Casting(number=1, seed=seed, participants=casting.participants)
    tongues = tongues_of(scenario, casting)
    german, korean = (heard_in(casting, code, tongues) for code in ("de", "ko"))
    assert [german.seed.situations[0].told, korean.seed.situations[0].told] == ["de", "ko"]
    assert (len(german.seed.situations), len(korean.seed.situations)) == (1, 1)
    assert expected_slots(scenario, german) == expected_slots(scenario, korean)


def test_a_turn_is_heard_in_the_listeners_language_and_read_in_the_readers() -> None:
    turn = Turn(
        position=1,
        slot=1,
        speaker=MARION.key,
        role="delegate",
        phase="opinion",
        text="Guten Tag.",
        origin="model",
        language="de",
        renderings=(Rendering(language="ko", text="안녕하세요."),),
    )
    assert [one.text for one in as_heard([turn], "ko")] == ["안녕하세요."]
    assert [one.text for one in as_heard([turn], "de")] == ["Guten Tag."]
    assert (turn.rendered_for("ko"), turn.rendered_for("en")) == ("안녕하세요.", None)


@pytest.mark.parametrize(
    ("people", "changes", "needed"),
    [
        ((MARION, MINJAE, MIGYEONG), {}, True),
        ((MARION, MINJAE, MIGYEONG), {"language": "de"}, False),
        ((MINJAE, MIGYEONG), {}, False),
        ((MARION, MINJAE), {"setting": "in-cultural"}, False),
        ((MARION, EMRE), {"setting": "in-cultural"}, True),
        ((MARION,), {"people": 1}, False),
    ],
)
def test_an_interpreter_is_needed_where_people_without_a_common_language_may_meet(
    people: tuple[Persona, ...], changes: dict[str, object], needed: bool
) -> None:
    edition = panel(*people)
    edition = edition.model_copy(update={"scenario": edition.scenario.model_copy(update=changes)})
    assert may_be_interpreted(edition) is needed


def test_nothing_here_reads_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", None)
    casting, scenario = table(MARION, MINJAE)
    assert tongues_of(scenario, casting).interpreted


# --- cards, questions and plans in a language ----------------------------------------------------------


def tongue(code: str, level: str = "first") -> Tongue:
    return Tongue.model_validate({"language": code, "level": level})


@pytest.mark.parametrize(
    ("speaks", "written", "own"),
    [
        ((), (), "en"),
        ((("tr", "first"),), (), "tr"),
        ((("tr", "first"), ("de", "fluent")), ("de",), "de"),  # only there somebody wrote the card
        ((("tr", "first"), ("de", "fluent")), ("tr", "de"), "tr"),
        ((("tr", "first"), ("de", "fluent")), (), "tr"),
        ((("ku", "first"), ("tr", "first")), ("tr",), "tr"),
        ((("tr", "first"), ("en", "fluent")), (), "tr"),  # English is nobody's own because it is spoken well
        ((("en", "first"), ("tr", "fluent")), ("tr",), "en"),
    ],
)
def test_the_own_language_is_the_mother_tongue_or_one_as_easy_that_the_card_is_written_in(
    speaks: tuple[tuple[str, str], ...], written: tuple[str, ...], own: str
) -> None:
    card = FOLK["turkish-elif"].model_copy(
        update={"speaks": tuple(tongue(*one) for one in speaks), "words": dict.fromkeys(written, ELIF.words["tr"])}
    )
    assert card.own_language == own


@pytest.mark.parametrize(
    ("speaks", "code", "holds"),
    [
        ((), "en", True), ((), "tr", False),
        ((("tr", "first"),), "tr", True), ((("tr", "first"),), "en", False),
        ((("tr", "first"), ("de", "fluent")), "de", True),
    ],
)  # fmt: skip
def test_a_person_holds_talks_in_what_the_card_says_that_it_speaks(
    speaks: tuple[tuple[str, str], ...], code: str, holds: bool
) -> None:
    card = FOLK["turkish-elif"].model_copy(update={"speaks": tuple(tongue(*one) for one in speaks)})
    assert card.holds_talks_in(code) == holds


def test_the_level_that_is_too_low_for_a_table_is_none_at_which_talks_are_held() -> None:
    levels = get_args(Tongue.model_fields["level"].annotation)
    assert set(SPOKEN_AT_A_TABLE) < set(levels)
    for level in levels:
        card = FOLK["turkish-elif"].model_copy(update={"speaks": (tongue("tr"), tongue("de", level))})
        assert card.holds_talks_in("de") == (level in SPOKEN_AT_A_TABLE)


def test_a_card_in_a_language_keeps_what_it_has_no_words_of_and_turns_twice_into_the_same() -> None:
    told = ELIF.in_language("tr")
    assert (told.told_in, told.called) == ("tr", "Elif Hanım")
    assert [norm.text for norm in told.norms] == list(ELIF.words["tr"].norms)
    assert [norm.topic for norm in told.norms] == [norm.topic for norm in ELIF.norms]
    assert (told.work, told.key) == (ELIF.work, ELIF.key)
    assert told.in_language("tr") is told
    assert ELIF.in_language("en") is ELIF
    bare = ELIF.in_language("ko")
    assert (bare.told_in, bare.called, bare.norms) == ("ko", ELIF.called, ELIF.norms)
    assert (told.country_name, bare.country_name, ELIF.country_name) == ("Türkiye", "튀르키예", "Türkiye")


def test_a_question_in_a_language_has_its_options_and_without_words_is_the_same() -> None:
    (seed,) = shipped("quickstart").scenario.seeds
    assert seed.item
    first, *others = seed.item.options
    words = QuestionWords(topic="iş", question="İş kimin?", options={first.code: "evet"}, poles=("a", "b"))
    told = seed.model_copy(update={"words": {"tr": words}}).in_language("tr")
    assert told.item
    assert (told.topic, told.question, told.item.question) == ("iş", "İş kimin?", "İş kimin?")
    assert [option.label for option in told.item.options] == ["evet", *(option.label for option in others)]
    assert [option.code for option in told.item.options] == [option.code for option in seed.item.options]
    assert tuple(told.item.poles or ()) == ("a", "b")
    assert seed.in_language("tr") is seed


def test_a_plan_in_a_language_says_the_answer_that_somebody_was_dealt_in_it() -> None:
    casting = only_casting(edition())
    item = casting.seed.item
    assert item
    labels = {option.code: f"cevap {option.code}" for option in item.options}
    words = QuestionWords(topic="iş", question="İş kimin?", options=labels)
    seed = casting.seed.model_copy(update={"words": {"tr": words}})
    told = casting.model_copy(update={"seed": seed}).in_language("tr")
    assert told.seed.question == "İş kimin?"
    dealt = [
        (before.stance, after.stance) for before, after in zip(casting.participants, told.participants, strict=True)
    ]
    assert any(before for before, _ in dealt)
    for before, after in dealt:
        assert (before and before.code) == (after and after.code)
        assert (after and after.text) == (before and labels[before.code])
