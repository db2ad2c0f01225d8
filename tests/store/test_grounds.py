"""Where a statement comes from: the very line of the card, what else is known of it, and who says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from culturepark.cli.trace_text import lines_of
from culturepark.domain import Statement
from culturepark.store.dialogue_view import Scenes
from culturepark.store.grounds import card_line, facts
from culturepark.store.integrity import Checkup
from culturepark.store.lineage import trace, trace_statement
from culturepark.store.reasons import no_sample
from culturepark.store.tables import SampleRow
from culturepark.store.traced import Trace
from tests.support.fakes import ELIF, JENNA, Held, edition
from tests.support.grounded import CARDS, EXCEPTION, JENNAS, MADE_UP, QUESTION, TEA, UNKNOWN, UNLIKE, grounded

EDITION = edition()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return grounded(tmp_path_factory.mktemp("grounded"))


def text(held: Held, name: str) -> str:
    return "\n".join(line.plain for line in lines_of(trace(held.store, name)))


def statement(**changes: object) -> Statement:
    values = {"id": "a.d1.t1.s1", "turn_id": "a.d1.t1", "persona_key": ELIF, "culture": "turkish", "kind": "custom"}
    words = {"text": TEA, "first_person": TEA, "quote": TEA, "quote_start": 0, "quote_end": len(TEA)}
    return Statement.model_validate({**values, **words, **changes})


def test_every_line_of_a_card_can_be_named_and_no_other() -> None:
    for persona in (EDITION.persona(ELIF), EDITION.persona(JENNA)):
        for number, custom in enumerate(persona.norms, start=1):
            line = card_line(f"norm {number}", persona)
            assert line
            assert (line.text, line.source) == (custom.text, custom.source)
            assert custom.topic in line.what
        for number, value in enumerate(persona.values, start=1):
            line = card_line(f"value {number}", persona)
            assert line
            assert value.why in line.text
        for number, saying in enumerate(persona.sayings, start=1):
            line = card_line(f"saying {number}", persona)
            assert line
            assert saying.english in line.text
        assert persona.episodes
        for number, scene in enumerate(persona.episodes.scenes, start=1):
            line = card_line(f"scene {number}", persona)
            assert line
            assert (line.text, line.source) == (scene.text, persona.episodes.origin)
        counts = {"norm": len(persona.norms), "value": len(persona.values), "saying": len(persona.sayings)}
        counts["scene"] = len(persona.episodes.scenes)
        for part, count in counts.items():
            assert [card_line(f"{part} {number}", persona) for number in (0, count + 1, 99999)] == [None] * 3
    for odd in ("", "norm", "norm two", "norm -1", "scope 1", "norm 1 ", "answer", "answer 1", "Norm 1"):
        assert card_line(odd, EDITION.persona(ELIF)) is None, odd


def test_the_answer_that_somebody_was_given_is_a_line_too_and_its_source_is_the_survey() -> None:
    (seed,) = EDITION.scenario.seeds
    for name in ("answer", "stance"):
        line = card_line(name, EDITION.persona(ELIF), "disagree", seed.item)
        assert line
        assert seed.item
        assert (line.text, line.source) == ("disagree", seed.item.source)


def test_what_a_model_made_up_is_said_to_be_made_up() -> None:
    persona = EDITION.persona(ELIF)
    (alone,) = facts(statement(provenance="model"), None)
    assert alone.text == "made up by the model; no line of the card carries it"
    claimed = card_line("value 1", persona)
    said, line, *_ = facts(statement(provenance="model", source="value 1"), claimed)
    assert said.text.startswith("made up by the model; ")
    assert "it was said to be from value 1 (what matters to the person), which was not found to carry it" in said.text
    assert claimed
    assert line.text == claimed.text
    (unknown,) = facts(statement(), None)
    assert unknown.text.startswith("not known")


def test_a_line_that_the_card_does_not_have_is_named_as_such() -> None:
    (said,) = facts(statement(provenance="card", source="norm 9"), None)
    assert said.text == "on the speaker's card: norm 9, and the card has no such line"


def test_a_trace_shows_the_very_line_and_the_line_s_own_source(held: Held) -> None:
    custom = EDITION.persona(ELIF).norms[1]
    shown = text(held, CARDS)
    assert f"    comes from  on the speaker's card: norm 2 ({custom.kind}, {custom.topic})\n" in shown
    assert f"    that line   {custom.text}\n" in shown
    assert f"    its source  {custom.source}\n" in shown if custom.source else "its source" not in shown
    assert f"    question    {QUESTION}\n" in shown
    assert "    about       the case at the table\n    tells of    people around the speaker\n" in shown
    assert f"    but not     {EXCEPTION}\n    hangs on    the speaker's faith, age\n" in shown
    episodes = EDITION.persona(JENNA).episodes
    assert episodes
    shown = text(held, f"{JENNAS}.x1")
    assert "; content: scene; unfounded: " in shown.splitlines()[0]
    assert "in a scene on the card: scene 1 (scene; " in shown
    assert f"    that line   {episodes.scenes[0].text}\n    its source  {episodes.origin}\n" in shown
    assert "comes from  made up by the model; no line of the card carries it" in text(held, f"{MADE_UP}.x1")
    assert "comes from  not known; nobody has looked" in text(held, f"{UNKNOWN}.x1")


def test_a_turn_says_of_each_statement_in_it_whether_it_is_made_up(held: Held) -> None:
    shown = text(held, "held.d1.t3")
    assert f"statement {CARDS}  custom; content: card\n" in shown
    assert f"statement {MADE_UP}  norm; content: made up\n" in shown
    assert f"statement {UNKNOWN}  opinion\n" in text(held, "held.d1.t5")


def test_of_a_row_of_two_statements_both_are_traced(held: Held) -> None:
    shown = text(held, f"{UNLIKE}.x1")
    assert shown.startswith(f"sample    {UNLIKE}.x1  decline, kept; content: card\n")
    first, second = shown.split(f"\nbeside    {CARDS}  the sample is made of this statement too\n")
    assert f"unlike      {CARDS}: {TEA}\n" in first
    for part, name in ((first, JENNA), (second, ELIF)):
        persona = EDITION.persona(name)
        assert f"persona   {name}  {persona.name}" in part
        assert part.count("\nturn      ") == 1
    assert second.startswith(f"statement {CARDS}  custom\n")
    assert shown.count("\nrun       held") == 1
    assert shown.splitlines()[-1].startswith("run       held")
    assert "beside" not in text(held, UNLIKE)  # a statement alone is made of nothing else


def test_the_json_of_a_trace_has_the_line_and_both_statements(held: Held) -> None:
    found = trace_statement(held.store, f"{UNLIKE}.x1").as_json()
    json.dumps(found)
    assert found["statement"]["hangs_on"] == []
    assert found["card_line"] is None  # the card has no such line
    assert found["unlike"]["id"] == found["beside"]["statement"]["id"] == CARDS
    beside = found["beside"]
    assert beside["statement"]["hangs_on"] == ["faith", "age"]
    assert beside["card_line"]["text"] == EDITION.persona(ELIF).norms[1].text
    assert beside["persona"]["key"] == ELIF
    assert (beside["sample"], beside["beside"]) == (None, None)


def test_where_the_other_statement_is_gone_the_rest_is_traced(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    with held.store.database.writing() as session:
        session.get_one(SampleRow, f"{UNLIKE}.x1").beside = "held.d1.t9.s9"
    assert "beside    held.d1.t9.s9  the sample is made of this statement too, which is gone" in text(
        held, f"{UNLIKE}.x1"
    )
    found = trace(held.store, f"{UNLIKE}.x1")
    assert isinstance(found, Trace)
    assert found.as_json()["beside"] is None


def test_the_run_of_these_tests_is_one_that_the_program_could_have_written(held: Held) -> None:
    assert list(Checkup(held.store.database).problems()) == []


def test_a_question_about_rows_lets_no_statement_fall(held: Held) -> None:
    scene = Scenes(held.store, held.run_id).scene("held.d1")
    for mined in scene.statements:
        assert no_sample(scene, mined) != "dropped", mined.row.id
