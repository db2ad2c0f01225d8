"""A dialogue that goes on from the middle of another: what it takes along, what it asks, and what it leaves alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from culturepark.dialogue.casting import plan
from culturepark.dialogue.guards import LONGEST
from culturepark.domain import JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.models.spec import SCRIPTED
from culturepark.run.plan import branch
from culturepark.run.rating import known
from culturepark.store import lineage, runs
from culturepark.store.castings import castings, skipped
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, ParticipantRow, TurnRow
from tests.cli.test_cli import Done, away, cli, dump, place_store, rows_of  # noqa: F401 - `away` is for all
from tests.support.endpoint import Endpoint, status
from tests.support.fakes import FakeModel, Held, begin, edition, hold, shipped
from tests.support.fakes import mined as to_be_mined

TEXT = "At our table nobody would have asked that.\nModerator: nor would I."
HEARD = "At our table nobody would have asked that. Moderator: nor would I."
DB = "runs/culturepark.db"


@pytest.fixture
def finished() -> None:
    """The default store, with the finished run `a`."""
    place_store()


def branched(done: Done) -> str:
    """The new dialogue's id, as the command prints it."""
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    return done.out.strip()


def turns(dialogue_id: str) -> list[dict[str, Any]]:
    return sorted((r for r in rows_of("turn") if r["dialogue_id"] == dialogue_id), key=lambda r: r["position"])


def said(dialogue_id: str) -> list[tuple[Any, ...]]:
    """A dialogue without its ids."""
    return [(r["slot"], r["speaker"], r["phase"], r["origin"], r["text"]) for r in turns(dialogue_id)]


def of_run(run_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a run, whole."""
    return {
        table: [
            r for r in rows if any(str(v) == run_id or str(v).startswith(f"{run_id}.") for v in list(r.values())[:2])
        ]
        for table, rows in dump(without=set()).items()
    }


def request(call_id: str) -> JsonObject:
    (row,) = [r for r in rows_of("call") if r["id"] == call_id]
    found: JsonObject = json.loads(row["request"])
    return found


def a_speech(dialogue_id: str = "a.d1", after: int = 3) -> dict[str, Any]:
    """A turn of a persona's with something before it."""
    return next(r for r in turns(dialogue_id) if r["role"] != "moderator" and r["position"] > after)


# --- who sits where, from rows -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["quickstart", "everyday-norms", "wvs7"])
@pytest.mark.sampled
def test_the_rows_of_a_run_say_what_its_plan_said(tmp_path: Path, name: str) -> None:
    held = begin(tmp_path, shipped(name), FakeModel())
    made = plan(shipped(name), 1, known(shipped(name)))
    assert castings(held.store, held.row, edition_of(held.row)) == made.castings
    (one,) = castings(held.store, held.row, edition_of(held.row), f"{held.run_id}.d2")
    assert one == made.castings[1]


def test_the_rows_of_a_panel_keep_its_order(tmp_path: Path) -> None:
    base = shipped("everyday-norms")
    changes = {"setting": "panel", "people": 5, "seeds": base.scenario.seeds[:3]}
    panel = base.model_copy(update={"scenario": base.scenario.model_copy(update=changes)})
    held = begin(tmp_path, panel, FakeModel())
    assert castings(held.store, held.row, edition_of(held.row)) == plan(panel, 1).castings


def test_a_dialogue_in_which_nobody_sits_any_more_is_damage(tmp_path: Path) -> None:
    held = begin(tmp_path, edition(), FakeModel())
    with held.store.database.writing() as session:
        for row in held.of(ParticipantRow, dialogue_id="held.d1"):
            session.delete(row)
    with pytest.raises(StoreError, match=r"nobody sits in the dialogue 'held\.d1'"):
        castings(held.store, held.row, edition_of(held.row))


@pytest.mark.usefixtures("finished")
def test_somebody_who_speaks_and_does_not_sit_there_is_damage_and_no_bug() -> None:
    import sqlite3

    with sqlite3.connect(DB) as db:
        db.execute("DELETE FROM participant WHERE dialogue_id = 'a.d1' AND position = 2")
    db.close()
    done = cli("distill", "a", "--from", "extract")
    assert done.code == 5, done.err
    assert "a bug" not in done.err


# --- in the store ------------------------------------------------------------------------------------


def whole(tmp_path: Path) -> Held:
    return hold(tmp_path, edition(), FakeModel())


def test_a_branch_is_a_run_of_its_own_that_knows_its_parent(tmp_path: Path) -> None:
    held = whole(tmp_path)
    parent = held.store.turns("held.d1")
    row = branch(held.store, "held.d1.t6", TEXT)
    (dialogue,) = held.store.dialogues(row.id)
    assert row.id.startswith("held-b")
    assert len(row.id) == len("held-b0000")
    assert (dialogue.id, dialogue.parent_id, dialogue.branched_at) == (f"{row.id}.d1", "held.d1", 5)
    assert (row.scenario, row.models, row.status) == (held.row.scenario, held.row.models, "pending")
    assert row.seed != held.row.seed
    assert json.loads(row.settings)["until"] == "dialogue"
    *copied, edited = held.store.turns(dialogue.id)
    assert copied == parent[:5]
    assert edited == parent[5].model_copy(update={"text": TEXT, "origin": "edited", "call_id": None})
    one = edition_of(row)
    assert castings(held.store, row, one) == castings(held.store, held.row, one)
    assert skipped(row) == ()
    assert lineage.parents(held.store) == {row.id: "held.d1"}


def test_asked_anew_or_left_as_it_is_a_branch_holds_no_edited_turn(tmp_path: Path) -> None:
    held = whole(tmp_path)
    parent = held.store.turns("held.d1")
    anew = branch(held.store, "held.d1.t6", seed=5)
    left = branch(held.store, "held.d1.t6", f"  {parent[5].text}\n")
    assert anew.seed == 5
    for row, copied in ((anew, 5), (left, 6)):
        (dialogue,) = held.store.dialogues(row.id)
        assert held.store.turns(dialogue.id) == parent[:copied]
        assert dialogue.branched_at == copied


def test_a_branch_of_a_branch_and_of_the_first_turn_and_of_a_moderators(tmp_path: Path) -> None:
    held = whole(tmp_path)
    first = branch(held.store, "held.d1.t1", "Good evening.")
    again = Held(held.store, first.id, FakeModel()).carry_on()
    (dialogue,) = again.store.dialogues(first.id)
    assert (dialogue.branched_at, dialogue.status) == (0, "done")
    second = branch(held.store, f"{dialogue.id}.t4", "And again.")
    (grandchild,) = again.store.dialogues(second.id)
    assert (grandchild.parent_id, grandchild.branched_at) == (dialogue.id, 3)
    assert again.store.turns(grandchild.id)[0].origin == "edited"
    assert second.id.startswith(f"{first.id}-b")


def test_the_id_of_a_long_lineage_stays_an_id(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), run_id="r" * 100, until="dialogue")
    row = branch(held.store, f"{'r' * 100}.d1.t2")
    assert len(row.id) == 100


def test_the_last_turn_of_all_can_be_edited_and_nothing_is_asked(tmp_path: Path) -> None:
    held = whole(tmp_path)
    last = held.store.turns("held.d1")[-1]
    row = branch(held.store, f"held.d1.t{last.position}", "So much for today.")
    model = FakeModel()
    Held(held.store, row.id, model).carry_on()
    (dialogue,) = held.store.dialogues(row.id)
    assert (dialogue.status, model.bodies) == ("done", [])


@pytest.mark.parametrize(
    ("turn_id", "text", "why"),
    [
        ("held.d1.t99", None, "no such turn: 'held.d1.t99'"),
        ("held.d1", None, "no such turn"),
        ("held.d1.t4", " \n", "is empty"),
        ("held.d1.t4", "a" * (LONGEST + 1), "a turn has 4,000 at the most"),
        ("held.d1.t4", "half \ud83d", "half a surrogate pair"),
        ("held.d1.t4", "a\0b", "NUL"),
    ],
)
@pytest.mark.sampled
def test_what_cannot_be_said_makes_no_branch(tmp_path: Path, turn_id: str, text: str | None, why: str) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    with pytest.raises(UsageError, match=why):
        branch(held.store, turn_id, text)
    assert len(runs.runs(held.store)) == 1


def test_a_talk_with_a_user_does_not_branch(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    with held.store.database.writing() as session:
        session.get_one(DialogueRow, "held.d1").protocol = "talk"
    with pytest.raises(UsageError, match="only dialogues between personas"):
        branch(held.store, "held.d1.t4")


def test_nothing_of_a_branch_exists_if_not_all_of_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = whole(tmp_path)
    before = {table: len(held.rows(table)) for table in (DialogueRow, ParticipantRow, TurnRow)}

    def breaks(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("culturepark.store.store.TurnRow", breaks)
    with pytest.raises(OSError, match="full"):
        branch(held.store, "held.d1.t6", TEXT)
    monkeypatch.undo()
    assert {table: len(held.rows(table)) for table in before} == before
    assert len(runs.runs(held.store)) == 1


def test_a_branch_is_no_measure_of_what_a_whole_run_costs(tmp_path: Path) -> None:
    held = whole(tmp_path)
    row = branch(held.store, "held.d1.t6", TEXT)
    held.store.set_plan(row.id, json.loads(row.settings) | {"until": "samples"}, row.models)
    Held(held.store, row.id, FakeModel()).carry_on()
    assert held.store.run(row.id).stop_reason == "completed"
    assert [run.id for run in runs.completed(held.store, row.models)] == ["held"]


def test_a_branch_mines_its_own_turns_alone_and_no_edited_one(tmp_path: Path) -> None:
    held = whole(tmp_path)
    speech = next(t for t in held.store.turns("held.d1") if t.role == "delegate" and t.position > 5)
    custom = "At home we always take our shoes off before we step inside, and so do all our guests."
    row = branch(held.store, f"held.d1.t{speech.position}", custom)
    held.store.set_plan(row.id, json.loads(row.settings) | {"until": "samples"}, row.models)
    model = FakeModel()
    mined = Held(held.store, row.id, model).carry_on()
    shown = [turn["turn"] for asked in model.asked("statements") for turn in to_be_mined(asked)]
    assert shown
    assert min(shown) > speech.position
    found = {s.turn_id for s in mined.store.statements(mined.row)}
    assert found
    assert all(int(name.rpartition(".t")[2]) > speech.position for name in found)
    figures = mined.stats()
    assert figures["samples"]["kept"]
    assert figures["skipped"] == []


# --- through the command ------------------------------------------------------------------------------


@pytest.mark.usefixtures("finished")
def test_a_branch_leaves_its_parent_byte_for_byte_as_it_was() -> None:
    def exported(folder: str) -> list[bytes]:
        assert cli("export", "a", "--format", "trl", "--out", folder).code == 0
        return [(Path(folder) / name).read_bytes() for name in ("all.jsonl", "all.index.jsonl", "README.md")]

    files, rows, figures = exported("before"), of_run("a"), cli("stats", "a", "--json").json
    dialogue = branched(cli("branch", a_speech()["id"], "--text", TEXT))
    assert of_run("a") == rows
    assert cli("stats", "a", "--json").json == figures
    assert exported("after") == files
    assert dialogue.startswith("a-b")


@pytest.mark.usefixtures("finished")
def test_whoever_speaks_after_an_edited_turn_has_heard_it_on_one_line_and_not_the_old_one() -> None:
    speech = a_speech()
    dialogue = branched(cli("branch", speech["id"], "--text", TEXT))
    position = speech["position"]
    new = turns(dialogue)
    assert [r["text"] for r in new[:position]] == [r["text"] for r in turns("a.d1")[: position - 1]] + [TEXT]
    assert {r["call_id"].split(".")[0] for r in new if r["call_id"] and r["position"] > position} == {dialogue[:-3]}
    asked = [json.dumps(request(r["call_id"]), ensure_ascii=False) for r in new[position:] if r["call_id"]]
    with_it = [body for body in asked if HEARD in json.loads(json.dumps(body))]
    assert with_it
    assert HEARD in asked[0] or HEARD in asked[1]  # a follow-up hears the last speech alone
    assert not any(json.dumps(speech["text"])[1:-1] in body for body in asked)
    assert not any("\\nModerator: nor would I" in body for body in asked)


@pytest.mark.usefixtures("finished")
def test_a_turn_that_is_asked_anew_is_another_draw_of_the_same_question() -> None:
    speech = a_speech()
    dialogue = branched(cli("branch", speech["id"]))
    new = turns(dialogue)[speech["position"] - 1]
    assert (new["slot"], new["speaker"], new["origin"]) == (speech["slot"], speech["speaker"], "model")
    old_request, new_request = request(speech["call_id"]), request(new["call_id"])
    assert old_request.pop("seed") != new_request.pop("seed")
    assert old_request == new_request


@pytest.mark.usefixtures("finished")
def test_the_same_seed_gives_the_same_branch() -> None:
    one, other = (branched(cli("branch", a_speech()["id"], "--text", TEXT, "--seed", 7)) for _ in range(2))
    assert one != other
    assert said(one) == said(other)


@pytest.mark.usefixtures("finished")
@pytest.mark.torture
def test_a_branch_is_listed_with_its_parent_and_can_be_read_resumed_exported_and_traced() -> None:
    done = cli("branch", a_speech()["id"], "--text", TEXT, "--json")
    assert done.code == 0
    dialogue, run_id = done.json["dialogue"], done.json["run"]
    assert (done.json["parent"], done.json["stop_reason"]) == ("a.d1", "until dialogue")
    assert f"culturepark replay {dialogue}" in done.err
    assert {r["run"]: r["parent"] for r in cli("runs", "--json").json} == {run_id: "a.d1", "a": None}
    assert [line.split("\t")[-1] for line in cli("runs").out.splitlines()] == ["a.d1", ""]
    read = cli("replay", dialogue).out
    assert "branched off a.d1" in read
    assert ", edited by a person:" in read
    assert cli("resume", run_id).code == 0
    figures = cli("stats", run_id, "--json").json
    assert figures["samples"]["kept"]
    assert cli("distill", run_id, "--from", "extract").code == 0
    assert cli("stats", run_id, "--json").json["samples"]["kept"] == figures["samples"]["kept"]
    done = cli("export", run_id, "--format", "trl", "--out", "out")
    assert done.code == 0, done.err
    assert cli("export", run_id, "--format", "trl", "--out", "talks", "--dialogues").code == 0
    line = json.loads(Path("out/all.jsonl").read_text().splitlines()[0])
    assert line["id"].startswith(f"{run_id}.d1.t")
    assert cli("trace", "out/all.jsonl:1").code == 0
    assert "1 turn of it is what a real person typed" in cli("report", run_id).err
    doctor = cli("doctor")
    assert doctor.code == 0, doctor.out


@pytest.mark.usefixtures("finished", "no_pauses")
def test_another_model_can_be_asked_and_what_was_copied_is_not_asked_again() -> None:
    speech = a_speech()
    with Endpoint() as endpoint:
        spec = f"openai:test@{endpoint.url}"
        dialogue = branched(cli("branch", speech["id"], "--model", spec, "--role", "moderator=scripted"))
        speeches = [r for r in turns(dialogue) if r["position"] >= speech["position"] and r["role"] != "moderator"]
        assert len(endpoint.chats) >= len(speeches)
        assert not any(body["messages"][0]["content"].startswith("You moderate") for body in endpoint.chats)
    (run,) = [r for r in rows_of("run") if r["id"] != "a"]
    models = json.loads(run["models"])
    assert (models["speaker"], models["verifier"], models["moderator"]) == (spec, spec, str(SCRIPTED))
    assert models["embedder"] == "lexical"


@pytest.mark.usefixtures("finished", "no_pauses")
def test_a_branch_that_fails_can_be_resumed_and_says_how() -> None:
    with Endpoint(reply=lambda body, number: status(401, "no") if number > 2 else None) as endpoint:
        done = cli("branch", a_speech()["id"], "--text", TEXT, "--model", f"openai:test@{endpoint.url}")
        assert done.code == 3
        endpoint.reply = None
        dialogue = done.out.strip()
        run_id = dialogue.rpartition(".")[0]
        assert f"culturepark resume {run_id}" in done.err
        assert len(turns(dialogue)) > 4
        assert cli("resume", run_id).code == 0
    assert rows_of("dialogue")[-1]["status"] == "done"
    assert said(dialogue)[a_speech()["position"] - 1][-1] == TEXT


@pytest.mark.usefixtures("finished")
def test_a_budget_stops_a_branch() -> None:
    done = cli("branch", a_speech()["id"], "--max-tokens", 1)
    assert done.code == 4
    assert "--max-tokens" in done.err


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.d1.t99"], "no such turn: 'a.d1.t99'"),
        (["a.d1"], "no such turn: 'a.d1'"),
        (["last"], "no such turn: 'last'"),
        (["a.d1.t4\udcff"], "no such turn"),
        (["a.d1.t4", "--text", ""], "is empty"),
        (["a.d1.t4", "--text", "half \udcff"], "half a surrogate"),
        (["a.d1.t4", "--text", "x" * 5000], "5,000 characters"),
        (["a.d1.t4", "--model", "gpt-4o"], "must be embedded, gguf:PATH"),
        (["a.d1.t4", "--model", "openai:gpt-4o-mini"], "set OPENAI_API_KEY"),
        (["a.d1.t4", "--role", "chief=scripted"], "ROLE=SPEC"),
        (["a.d1.t4", "--store", "sqlite:///nowhere.db"], "there is no store"),
        (["a.d1.t4", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_use_makes_no_run(arguments: list[str], message: str) -> None:
    done = cli("branch", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert [r["id"] for r in rows_of("run")] == ["a"]


def branching(endpoint: Endpoint, speech: str) -> list[str]:
    command = ["branch", speech, "--text", TEXT, "--seed", "11", "--model", f"openai:test@{endpoint.url}"]
    return [sys.executable, "-m", "culturepark", *command]


@pytest.mark.usefixtures("finished", "no_pauses")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.torture
def test_a_branch_that_dies_in_the_middle_is_resumed_to_what_an_undisturbed_one_holds(by: signal.Signals) -> None:
    speech = a_speech()["id"]
    root = str(Path(__file__).parents[2])
    with Endpoint(latency=0.02) as endpoint:
        undisturbed = branched(cli(*branching(endpoint, speech)[3:]))
        before = len(endpoint.requests)
        with subprocess.Popen(
            branching(endpoint, speech),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": root, "NO_PROXY": "127.0.0.1"},
        ) as process:
            deadline = time.monotonic() + 60
            while len(endpoint.requests) < before + 3:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal(by)
            _, err = process.communicate(timeout=60)
        assert process.returncode in (130, -signal.SIGKILL), err
        assert b"Traceback" not in err
        (run_id,) = [r["id"] for r in rows_of("run") if r["id"] not in ("a", undisturbed.rpartition(".")[0])]
        assert len(said(f"{run_id}.d1")) < len(said(undisturbed))
        assert cli("resume", run_id).code == 0
    assert said(f"{run_id}.d1") == said(undisturbed)


def test_a_run_that_is_going_on_can_be_branched_where_it_has_been(tmp_path: Path) -> None:
    held = begin(tmp_path, edition(), FakeModel(), until="dialogue")
    from tests.support.fakes import turns_of

    for turn in turns_of([("moderator", "Welcome."), ("american-jenna", "I am Jenna, and I like it here.")]):
        held.store.add_turn("held.d1", turn)
    row = branch(held.store, "held.d1.t2", "I am Jenna, and I do not like it here.")
    Held(held.store, row.id, FakeModel()).carry_on()
    assert held.store.run("held").status == "pending"
    assert held.store.run(row.id).status == "done"


def test_branches_of_two_processes_do_not_meet(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    other = Store(f"sqlite:///{tmp_path}/runs.db")
    ids = {branch(store, "held.d1.t4").id for store in (held.store, other) for _ in range(20)}
    assert len(ids) == 40


@pytest.mark.usefixtures("finished")
def test_a_branch_is_not_taken_up_as_if_it_were_the_whole_scenario() -> None:
    run_id = branched(cli("branch", a_speech()["id"], "--seed", 1)).rpartition(".")[0]
    done = cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", run_id)
    assert done.code == 2
    assert f"the run {run_id} exists with one dialogue that branched off a.d1" in done.err
