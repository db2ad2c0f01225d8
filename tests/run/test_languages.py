"""Whole runs in other languages than English, and across languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import culturepark
from culturepark.dialogue.casting import plan
from culturepark.domain import DistillPolicy, Edition, JsonObject
from culturepark.errors import Interrupted, UsageError
from culturepark.models import scripted
from culturepark.models.spec import parse_roles
from culturepark.replay import plain
from culturepark.run.forecast import Forecast, forecast
from culturepark.run.plan import branch, with_interpreter
from culturepark.store.tables import CallRow, DialogueRow, RenderingRow, TurnRow
from tests.cli.test_cli import away, cli, rows_of  # noqa: F401 - `away` is for all
from tests.support.fakes import FakeModel, Held, begin, edition, hold
from tests.support.tongues import CEVDET, ELIF, EMRE, MARION, MINJAE, SAID, laid_out, panel

TABLE = (MARION, MINJAE, CEVDET)
SCENARIO = """
name: stairs
title: Stairs
setting: in-cultural
cultures: [turkish]
protocol: self-guidance
language: tr
seeds:
  - {key: stairs, topic: merdivenin boyası, question: "Merdiveni kim boyasın?"}
max_turns: 8
"""


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "languages"
    folder.mkdir()
    yield from laid_out(folder, monkeypatch, "de", "ko", "tr")


def across() -> Edition:
    return panel(*TABLE, max_turns=9, moderation="balanced")


def rows(held: Held) -> list[JsonObject]:
    tables = (DialogueRow, TurnRow, RenderingRow, CallRow)
    times = {"started_at", "duration_ms", "created_at"}
    found = [row.model_dump(exclude=times) for table in tables for row in held.rows(table)]
    return sorted(found, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def test_a_scenario_in_a_language_is_held_offline_with_people_of_whom_nobody_wrote_in_it() -> None:
    Path("mine.yaml").write_text(SCENARIO, "utf-8")
    done = cli("simulate", "mine.yaml", "--model", "scripted", "--until", "dialogue", "--run-id", "t")
    assert done.code == 0, done.err
    assert {(row["status"], row["language"]) for row in rows_of("dialogue")} == {("done", "tr")}
    assert {row["stop_reason"] for row in rows_of("dialogue")} <= {"completed", "repeating"}
    assert {row["language"] for row in rows_of("turn")} == {None}
    assert not rows_of("rendering")
    assert "scripted has no words of its own in tr" in done.err


def test_across_languages_a_run_keeps_what_was_said_and_what_was_heard(tmp_path: Path) -> None:
    held = hold(tmp_path, across(), FakeModel(), until="dialogue")
    (dialogue,) = held.store.dialogues("held")
    assert (dialogue.language, dialogue.status) == ("mul", "done")
    assert dialogue.stop_reason in ("completed", "repeating")
    turns = held.store.turns("held.d1")
    calls = {call.id: call for call in held.rows(CallRow)}
    for turn in turns:
        assert {turn.language, *(heard.language for heard in turn.renderings)} == {"de", "ko", "tr"}
        for heard in turn.renderings:
            if heard.call_id:
                assert calls[heard.call_id].subject_id == f"held.d1.t{turn.position}.{heard.language}"
                assert calls[heard.call_id].stage == "dialogue"


@pytest.mark.parametrize("after", [0, 1, 2, 3, 7, 8])
def test_killed_anywhere_a_run_goes_on_to_the_same_rows_and_asks_nothing_twice(tmp_path: Path, after: int) -> None:
    (tmp_path / "whole").mkdir()
    whole = hold(tmp_path / "whole", across(), FakeModel(), until="dialogue")

    def dies(body: JsonObject) -> str:
        if len(first.bodies) > after:
            raise Interrupted("killed")
        return scripted.answer(body)

    first, second = FakeModel(dies), FakeModel()
    held = begin(tmp_path, across(), first, until="dialogue")
    with pytest.raises(Interrupted):
        held.carry_on()
    held.model = second
    held.carry_on()
    answered = [json.dumps(body) for body in [*first.bodies[:after], *second.bodies]]
    assert len(set(answered)) == len(answered)
    assert sorted(answered) == sorted(json.dumps(body) for body in whole.model.bodies)
    for table in (TurnRow, RenderingRow):
        words = [(row.model_dump(exclude={"call_id"})) for row in held.rows(table)]
        assert words == [row.model_dump(exclude={"call_id"}) for row in whole.rows(table)]


def test_the_same_run_twice_has_the_same_rows(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found.append(rows(hold(tmp_path / name, across(), FakeModel(), until="dialogue")))
    assert found[0] == found[1]


def test_a_branch_keeps_renderings_and_renders_what_is_put_in_place_of_a_turn(tmp_path: Path) -> None:
    held = hold(tmp_path, across(), FakeModel(), until="dialogue")
    parent = held.store.turns("held.d1")
    speech = next(turn for turn in parent if turn.is_own and turn.position > 3)
    said = SAID[str(speech.language)][8]
    row = branch(held.store, f"held.d1.t{speech.position}", said)
    (dialogue,) = held.store.dialogues(row.id)
    assert dialogue.language == "mul"
    *copied, edited = held.store.turns(dialogue.id)
    assert copied == parent[: speech.position - 1]
    assert (edited.text, edited.language, edited.renderings) == (said, speech.language, ())
    Held(held.store, row.id, FakeModel()).carry_on()
    turns = held.store.turns(dialogue.id)
    assert held.store.dialogues(row.id)[0].status == "done"
    assert all(len(turn.renderings) == 2 for turn in turns)
    assert all(said.rstrip(".") in heard.text for heard in turns[speech.position - 1].renderings)


def test_a_reader_is_shown_the_english_rendering_below_what_was_said(tmp_path: Path) -> None:
    held = hold(tmp_path, panel(EMRE, MINJAE, CEVDET, max_turns=9), FakeModel(), until="dialogue")
    lines = list(plain.replay(held.store, "held", follow=False))
    for turn in held.store.turns("held.d1"):
        at = lines.index(turn.text)
        assert (lines[at + 1] == f"  In English: {turn.rendered_for('en')}") == (turn.language != "en")


# --- who interprets ------------------------------------------------------------------------------------


def test_a_run_names_an_interpreter_only_where_one_may_be_needed() -> None:
    models = parse_roles("scripted", ["speaker=openai:good"])
    assert "interpreter" not in with_interpreter(models, edition())
    alone = panel(CEVDET, ELIF)
    assert str(with_interpreter(models, alone)["interpreter"]) == "openai:good"  # for rows in English
    kept = alone.scenario.model_copy(update={"distill": DistillPolicy(english=False)})
    assert "interpreter" not in with_interpreter(models, alone.model_copy(update={"scenario": kept}))
    assert str(with_interpreter(models, across())["interpreter"]) == "openai:good"
    named = parse_roles("scripted", ["interpreter=openai:better"])
    assert str(with_interpreter(named, across())["interpreter"]) == "openai:better"
    with pytest.raises(UsageError, match="--role interpreter: there is nothing to interpret"):
        with_interpreter(named, edition())


def test_a_model_too_small_to_interpret_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(UsageError, match=r"embedded is too small to interpret .* --role interpreter=openai:NAME"):
        culturepark.simulate(across(), store=store)
    assert not (tmp_path / "none.db").exists()


def test_a_small_model_that_turns_out_to_interpret_stops_the_run(tmp_path: Path) -> None:
    model = FakeModel()
    model.traits = type(model.traits)(small=True)
    held = begin(tmp_path, across(), model, until="dialogue")
    with pytest.raises(UsageError, match="is too small to interpret"):
        held.carry_on()
    assert not model.bodies


def test_a_dry_run_counts_what_the_interpreter_is_asked() -> None:
    models = parse_roles("openai:gpt-4o-mini", [])
    one = across()
    told = Edition(scenario=one.scenario.model_copy(update={"language": "de"}), personas=one.personas)
    alone, through = (forecast(plan(each, 1), each.scenario, with_interpreter(models, each)) for each in (told, one))
    spoken = through.persona_turns
    assert alone.persona_turns == spoken
    assert through.calls[0] >= alone.calls[0] + spoken
    assert through.prompt_tokens[1] > alone.prompt_tokens[1]


def test_a_forecast_counts_the_english_of_rows() -> None:
    one = across()

    def told(english: bool) -> Forecast:
        distilled = one.scenario.distill.model_copy(update={"english": english})
        each = Edition(scenario=one.scenario.model_copy(update={"distill": distilled}), personas=one.personas)
        return forecast(plan(each, 1), each.scenario, with_interpreter(parse_roles("openai:gpt-4o-mini", []), each))

    with_english, without = told(True), told(False)
    assert with_english.calls[0] >= without.calls[0] + 2
    assert with_english.completion_tokens[1] > without.completion_tokens[1]
    assert with_english.persona_turns == without.persona_turns


def test_a_run_without_an_interpreter_takes_none_when_it_is_resumed() -> None:
    assert cli("simulate", "quickstart", "--model", "scripted", "--until", "dialogue", "--run-id", "e").code == 0
    done = cli("resume", "e", "--role", "interpreter=scripted")
    assert done.code == 2
    assert "--role interpreter: there is nothing to interpret" in done.err


def test_a_run_tells_where_people_share_no_language_after_all(tmp_path: Path) -> None:
    edition = across()
    shared = Edition(
        scenario=edition.scenario.model_copy(update={"across": "lingua-franca"}), personas=edition.personas
    )
    told = hold(tmp_path, shared, FakeModel(), until="dialogue").notes
    assert any("share no language" in note and "they have an interpreter" in note for note in told)
