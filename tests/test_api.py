"""The package as a library: its names, the examples, and what happens where an event loop is running already."""

from __future__ import annotations

import asyncio
import json
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import culturepark
from culturepark import events
from culturepark.api import Listener
from tests.cli.test_cli import SHORT, TINY, cli

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, without any settings of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("CULTUREPARK_STORE", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    Path("tiny.yaml").write_text(TINY)
    Path("short.yaml").write_text(SHORT)
    return tmp_path


def test_importing_the_package_imports_nothing_of_it_until_a_name_is_used() -> None:
    ask = (
        "import sys, culturepark; print(sorted(m for m in sys.modules if m.startswith('culturepark')));"
        "culturepark.CultureparkError; print('sqlalchemy' in sys.modules, 'pydantic' in sys.modules);"
        "print([name for name in dir(culturepark) if getattr(culturepark, name) is None])"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["['culturepark']", "False False", "[]"]
    with pytest.raises(AttributeError, match="no attribute 'simulated'"):
        culturepark.simulated  # noqa: B018


def test_the_script_goes_from_a_question_to_files(capsys: pytest.CaptureFixture[str]) -> None:
    used = runpy.run_path(str(EXAMPLES / "quickstart.py"))
    out = capsys.readouterr().out
    assert f"{len(used['samples'])} samples, the first of them:" in out
    assert len(Path("runs/quickstart-in-python/all.jsonl").read_text("utf-8").splitlines()) == used["exported"].rows


def test_examples_use_the_public_names_alone() -> None:
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    text = "\n".join([(EXAMPLES / "quickstart.py").read_text("utf-8"), *cells])
    assert {line for line in text.splitlines() if line.startswith(("import ", "from "))} == {
        "import culturepark", "from culturepark import events", "from pathlib import Path",
    }  # fmt: skip


def test_a_run_from_python_has_the_rows_of_one_from_the_command_line() -> None:
    run = culturepark.simulate("tiny.yaml", model="scripted", run_id="r", seed=3, store="sqlite:///python.db")
    run.export("trl", "python", cultures=["turkish"], split=0.5)
    asked = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "r", "--seed", "3")
    assert cli(*asked, "--store", "sqlite:///shell.db").code == 0
    more = ("--culture", "turkish", "--split", "0.5", "--store", "sqlite:///shell.db")
    assert cli("export", "r", "--format", "trl", "--out", "shell", *more).code == 0
    names = sorted(path.name for path in Path("shell").glob("*.jsonl"))
    assert names
    assert [Path("python", name).read_bytes() for name in names] == [Path("shell", name).read_bytes() for name in names]
    stats = json.loads(cli("stats", "r", "--json", "--store", "sqlite:///shell.db").out)
    assert run.stats().as_json()["samples"] == stats["samples"]
    assert len(run.samples()) == stats["samples"]["kept"]
    assert {sample.culture for sample in run.samples(["german"])} == {"german"}


def test_several_runs_are_exported_without_what_one_says_like_another() -> None:
    with culturepark.open_store("sqlite:///two.db", must_exist=False) as store:
        for name in ("a", "b"):
            culturepark.simulate("short.yaml", model="scripted", run_id=name, store=store)
        first, second = store
        assert (first.id, second.id) == ("b", "a")

        async def kernel() -> int:
            return culturepark.export_runs(store, "trl", "both").rows

        # The second says nothing new, but may put it in another shape.
        samples = [*first.samples(), *second.samples()]
        told = {
            (sample.statement_id.removeprefix(f"{run.id}."), sample.kind) for run in store for sample in run.samples()
        }
        assert asyncio.run(kernel()) == len(told) < len(samples)
    with pytest.raises(culturepark.UsageError, match="there is no run to export"):
        culturepark.export_runs([], "trl", "none")


def test_a_run_that_was_stopped_is_gone_on_with() -> None:
    limits = culturepark.Limits(max_tokens=500)
    with pytest.raises(culturepark.BudgetReached):
        culturepark.simulate("tiny.yaml", model="scripted", run_id="r", limits=limits)
    run = culturepark.open_store().run()
    assert (run.id, run.status, run.samples()) == ("r", "stopped", [])
    notes: list[str] = []
    assert run.resume(max_tokens=1_000_000, tell=notes.append).status == "done"
    assert any("repeat another one" in note for note in notes)
    assert [dialogue.status for dialogue in run.dialogues()] == ["done"] * 4
    assert run.samples()


def test_interrupting_a_cell_stops_the_run_after_the_calls_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def turn(_: object, __: object, said: culturepark.Turn) -> None:
        heard.append(said.text)
        if len(heard) == 3:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # as a notebook does
            time.sleep(1)

    monkeypatch.setattr("culturepark.api.Listener.turn", turn)

    async def kernel() -> None:
        with pytest.raises(KeyboardInterrupt):
            culturepark.simulate("tiny.yaml", model="scripted", run_id="r", concurrency=1)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(kernel())
    loop.close()
    run = culturepark.open_store().run("r")
    assert (run.status, run.stop_reason) == ("stopped", "interrupted: stopped by Ctrl-C")
    assert sum(len(dialogue.turns) for dialogue in run.dialogues()) < 10
    assert run.resume().status == "done"


def simulation(run_id: str = "r", **more: Any) -> culturepark.Simulation:
    return culturepark.simulate_async("tiny.yaml", model="scripted", run_id=run_id, concurrency=1, **more)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[culturepark.Sample]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(TINY)
    url = f"sqlite:///{folder}/runs.db"
    return culturepark.simulate(folder / "tiny.yaml", model="scripted", run_id="r", store=url).samples()


async def test_events_tell_what_the_store_has_at_the_end(undisturbed: list[culturepark.Sample]) -> None:
    held = simulation()
    with pytest.raises(culturepark.UsageError, match="has not begun"):
        held.run  # noqa: B018
    heard = [event async for event in held]
    run = held.run
    assert heard[0] == events.RunBegun("r", "A short talk", 4, 0)
    spent = run.stats().tokens
    tokens = spent.prompt + spent.completion
    assert heard[-1] == events.RunEnded("r", run.status, "completed", len(undisturbed), tokens, None)
    assert run.samples() == undisturbed
    for dialogue in run.dialogues():
        own = [event for event in heard if getattr(event, "dialogue_id", None) == dialogue.id]
        people = tuple(person.name for person in dialogue.people)
        assert own[0] == events.DialogueBegun(dialogue.id, dialogue.question, people)
        names = {person.persona: person.name for person in dialogue.people} | {"moderator": "Moderator"}
        assert [event for event in own if isinstance(event, events.TurnSpoken)] == [
            events.TurnSpoken(dialogue.id, names[turn.speaker], turn) for turn in dialogue.turns
        ]
        stages = [event.stage for event in own if isinstance(event, events.StageDone)]
        assert stages == ["dialogue", "examine", "extract", "verify"]
    assert [e.stage for e in heard if isinstance(e, events.StageDone) and not e.dialogue_id] == ["dedup", "samples"]
    assert any(isinstance(event, events.Remarked) and "repeat another one" in event.text for event in heard)
    found = culturepark.statements(run).astype({"drop_reason": object})
    reasons = dict(
        zip(found["statement_id"], found["drop_reason"].where(found["drop_reason"].notna(), None), strict=True)
    )
    judged = {event.statement.id: event.drop_reason for event in heard if isinstance(event, events.StatementJudged)}
    assert judged == {name: None if reason == "duplicate" else reason for name, reason in reasons.items()}
    assert any(judged.values())


async def test_a_simulation_is_held_once_and_awaiting_it_gives_the_run(undisturbed: list[culturepark.Sample]) -> None:
    held = simulation()
    assert "not begun" in repr(held)
    run = await held
    assert (run.id, run.status, run.samples()) == ("r", "done", undisturbed)
    with pytest.raises(culturepark.UsageError, match="held once"):
        await held


async def test_cancelling_the_task_stops_the_run_and_it_can_be_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, undisturbed: list[culturepark.Sample]
) -> None:
    held, heard = simulation(), []

    async def hold() -> None:
        await held

    task = asyncio.create_task(hold())
    tell = Listener.turn

    def turn(self: Listener, casting: Any, said: culturepark.Turn) -> None:
        heard.append(said)
        tell(self, casting, said)
        if len(heard) == 3:
            task.cancel()

    monkeypatch.setattr("culturepark.api.Listener.turn", turn)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert (held.run.status, held.run.stop_reason) == (
        "stopped", "interrupted: stopped by the program that held it",
    )  # fmt: skip
    assert sum(len(dialogue.turns) for dialogue in held.run.dialogues()) < 10
    assert (await held.run.resume_async()).samples() == undisturbed


async def test_leaving_the_loop_stops_the_run_however_it_is_left(undisturbed: list[culturepark.Sample]) -> None:
    async with simulation() as held:
        async for event in held:
            if isinstance(event, events.TurnSpoken):
                break
    assert held.run.status == "stopped"

    async def broken() -> None:
        async with held.run.resume_async() as again:
            async for event in again:
                if isinstance(event, events.DialogueEnded):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert held.run.status == "stopped"
    assert (await held.run.resume_async()).samples() == undisturbed


async def test_a_run_that_is_told_to_stop_ends_after_the_calls_in_flight() -> None:
    held, said = simulation(), 0

    async def until_told() -> None:
        nonlocal said
        async for event in held:
            said += isinstance(event, events.TurnSpoken)
            if said == 3:
                held.stop()

    with pytest.raises(culturepark.Interrupted, match="stopped by the program"):
        await until_told()
    assert (held.run.status, said) == ("stopped", sum(len(dialogue.turns) for dialogue in held.run.dialogues()))
    before = simulation("never")
    before.stop()
    with pytest.raises(culturepark.Interrupted):
        await before
    assert all(turn.role == "moderator" for dialogue in before.run.dialogues() for turn in dialogue.turns)


async def test_what_stops_a_run_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(culturepark.BudgetReached):
        await simulation("a", limits=culturepark.Limits(max_tokens=500))
    heard: list[events.Event] = []

    async def listen() -> None:
        async for event in simulation("b", limits=culturepark.Limits(max_tokens=500)):
            heard.append(event)

    with pytest.raises(culturepark.BudgetReached):
        await listen()
    assert isinstance(heard[0], events.RunBegun)
    assert not any(isinstance(event, events.RunEnded) for event in heard)
    with pytest.raises(culturepark.UsageError, match="must be embedded, gguf:PATH"):
        culturepark.simulate_async("tiny.yaml", model="gpt-4o")


def test_what_is_wrong_is_told_in_one_line_before_a_store_is_made() -> None:
    Path("bad.yaml").write_text("titel: x\n")
    with pytest.raises(culturepark.CatalogError, match=r"bad\.yaml:1: titel: "):
        culturepark.load_scenario("bad.yaml")
    with pytest.raises(culturepark.UsageError, match="must be embedded, gguf:PATH"):
        culturepark.simulate("tiny.yaml", model="gpt-4o")
    with pytest.raises(culturepark.UsageError, match="load_scenario, which has read"):
        culturepark.simulate(culturepark.load_scenario("tiny.yaml"), model="scripted", dialogues=2)
    with pytest.raises(culturepark.UsageError):
        culturepark.open_store()
    assert not Path("runs").exists()
