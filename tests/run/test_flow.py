"""Whether an endpoint always has something to do, to the end of a run. Time is the test's own, and nobody waits."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlmodel import select

from culturepark.distill.ask import side_by_side
from culturepark.domain import JsonObject, Status
from culturepark.errors import ModelError
from culturepark.ids import dialogue_of
from culturepark.models import pace as pace_module
from culturepark.models.chat import Reply
from culturepark.models.pace import Pace
from culturepark.models.spec import LEXICAL, MINILM
from culturepark.run.agenda import MOST_OPEN, Agenda
from culturepark.run.ahead import Ahead
from culturepark.run.engine import Engine
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, new_run
from culturepark.store.store import Store
from culturepark.store.tables import CallRow
from tests.cli.test_cli import dump
from tests.support.fakes import Cast, FakeModel, Listener, edition, shipped
from tests.support.virtual import played, without_threads

LATENCY = 1.5
"""Seconds from a request to its answer."""
NEAR = 0.9
"""The least share of the ideal: the larger of all requests over those in flight, and the longest dialogue."""


# --- the structure alone -------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize(
    ("dialogues", "in_flight"),
    [(200, 64), (90, 64), (64, 64), (128, 64), (140, 64), (300, 64), (40, 8), (13, 8), (9, 1)],
)
def test_a_run_takes_hardly_longer_than_it_must(
    dialogues: int, in_flight: int, jitter: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dialogues of 35 to 57 requests in a row; how many, nobody knows before they are over."""
    draw = random.Random(1)
    alone: dict[int, float] = {}
    most_open = 0

    async def story() -> None:
        nonlocal most_open
        monkeypatch.setattr(pace_module, "monotonic", asyncio.get_running_loop().time)
        agenda = Agenda(in_flight, in_flight // 2)
        agenda.expect(dialogues)
        pace = Pace(in_flight, patient=True, on_room=agenda.has_room)
        open_now: set[int] = set()

        async def dialogue(number: int) -> None:
            nonlocal most_open
            open_now.add(number)
            most_open = max(most_open, len(open_now))
            requests = {"dialogue": draw.randint(24, 34), "examine": 1, "extract": 2, "verify": draw.randint(8, 20)}
            agenda.open(f"r.d{number}", {"dialogue": 27, "examine": 1, "extract": 2, "verify": 8})
            for stage, count in requests.items():
                agenda.begin(f"r.d{number}", stage)
                for _ in range(count):
                    seconds = LATENCY * draw.uniform(1 - jitter, 1 + jitter)
                    alone[number] = alone.get(number, 0.0) + seconds
                    async with pace.place(rank=agenda.asks(f"r.d{number}.t1", stage, pace)):
                        await asyncio.sleep(seconds)
            agenda.close(f"r.d{number}", is_whole=True)
            open_now.remove(number)

        await Engine().map(dialogue, range(dialogues), at_once=agenda, halt=lambda error: error)

    seconds, _ = played(story())
    ideal = max(sum(alone.values()) / in_flight, *alone.values())
    assert len(alone) == dialogues
    assert ideal / seconds >= NEAR
    assert most_open <= min(dialogues, MOST_OPEN * in_flight)


# --- a whole run ---------------------------------------------------------------------------------


class Slow(FakeModel):
    """The script behind a latency."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight = self.most_in_flight = 0

    async def send(self, body: JsonObject) -> Reply:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(LATENCY)
        self.in_flight -= 1
        return await super().send(body)


@pytest.mark.parametrize(
    ("dialogues", "in_flight", "turns"), [(14, 4, 6), pytest.param(200, 64, 14, marks=pytest.mark.torture)]
)
def test_a_whole_run_takes_hardly_longer_than_it_must(
    dialogues: int, in_flight: int, turns: int, tmp_path: Path
) -> None:
    model, store = Slow(), Store(f"sqlite:///{tmp_path}/runs.db")
    cast, settings = Cast(model, LEXICAL), Settings(concurrency=in_flight)
    new_run(
        store,
        edition(dialogues_per_seed=dialogues, max_turns=turns),
        seed=1,
        models=cast.specs,
        settings=settings,
        run_id="r",
    )
    run = Run(store, store.run("r"), Listener([]))
    run.models = cast  # type: ignore[assignment]
    with without_threads():
        seconds, status = played(run.carry_on())
    assert status == Status.DONE
    assert model.most_in_flight == in_flight
    with store.database.reading() as session:
        requests = Counter(dialogue_of(subject) for subject in session.exec(select(CallRow.subject_id)))
    ideal = LATENCY * max(requests.total() / in_flight, *requests.values())
    assert len(requests) >= dialogues
    assert ideal / seconds >= NEAR


# --- distilling while others talk ----------------------------------------------------------------


def test_questions_are_compared_once_their_dialogues_are_over_and_in_their_order() -> None:
    done: list[object] = []

    async def embed(texts: Sequence[str]) -> None:
        done.append(list(texts))

    async def distil(question: str) -> None:
        await asyncio.sleep(1)
        done.append(question)

    async def story() -> None:
        ahead = Ahead(["a", "b", "c", "d"], ["b", "b", "c"], embed, distil)
        work = asyncio.create_task(ahead.work())
        await asyncio.sleep(5)
        assert done == ["a"]
        ahead.over("c")
        ahead.verified(["one", "two"])
        ahead.over("b")
        await asyncio.sleep(5)
        assert done == ["a", ["one", "two"]]  # the last dialogue on b still goes on
        ahead.verified(["three"])
        ahead.over("b")
        await work

    played(story())
    assert done == ["a", ["one", "two"], ["three"], "b", "c", "d"]


def test_an_error_ends_what_is_done_ahead_and_nothing_else() -> None:
    async def embed(_: Sequence[str]) -> None:
        raise AssertionError

    async def distil(question: str) -> None:
        raise ModelError(f"nobody answers about {question}")

    played(Ahead(["a"], [], embed, distil).work())


def test_rows_are_the_same_whatever_is_in_flight(tmp_path: Path) -> None:
    """Calls, too, have the same ids: dialogues of three questions, compared while others still talk."""
    dumps = []
    for in_flight in (1, 7):
        folder = tmp_path / str(in_flight)
        folder.mkdir()
        store = Store(f"sqlite:///{folder}/runs.db")
        cast, settings = Cast(FakeModel(), MINILM), Settings(concurrency=in_flight)
        one = edition(dialogues_per_seed=2, max_turns=4, seeds=shipped("everyday-norms").scenario.seeds[:3])
        new_run(store, one, seed=1, models=cast.specs, settings=settings, run_id="r")
        run = Run(store, store.run("r"), Listener([]))
        run.models = cast  # type: ignore[assignment]
        assert asyncio.run(run.carry_on()) == Status.DONE
        store.close()
        dumps.append(dump(folder / "runs.db"))
    first, second = dumps
    assert first["vector"]
    for table in first.keys() - {"run"}:  # which holds the setting itself
        assert first[table] == second[table], table


# --- calls side by side --------------------------------------------------------------------------


def test_parts_are_asked_about_side_by_side_and_told_in_their_order() -> None:
    async def ask(part: int) -> int:
        await asyncio.sleep(10 - part)
        return part * part

    assert played(side_by_side(range(10), ask, at_once=10)) == (10, [n * n for n in range(10)])
    assert played(side_by_side(range(4), ask, at_once=1))[0] == 10 + 9 + 8 + 7


def test_after_an_error_no_more_are_asked_and_those_under_way_are_awaited() -> None:
    begun, done = [], []

    async def ask(part: int) -> None:
        begun.append(part)
        await asyncio.sleep(1 + part)
        if part == 0:
            raise ModelError("no")
        done.append(part)

    async def story() -> None:
        with pytest.raises(ModelError):
            await side_by_side(range(9), ask, at_once=3)

    assert played(story())[0] == 3
    assert (begun, done) == ([0, 1, 2], [1, 2])
