"""Who speaks what at a table, and how a table looks to those who hear it."""

from pathlib import Path

import pytest

from culturepark.dialogue.policy import expected_slots
from culturepark.dialogue.tongues import as_heard, as_spoken, heard_in, listening, may_be_interpreted, tongues_of
from culturepark.domain import Casting, Persona, Rendering, Situation, SituationWords, Turn
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
