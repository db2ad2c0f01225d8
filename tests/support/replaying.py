"""The terminal app over real stores, driven by keys and by a clock of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlmodel import update
from textual.pilot import Pilot

from culturepark.replay.app import Replay
from culturepark.replay.session import Session
from culturepark.replay.stage import StageScreen
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from tests.support.fakes import FakeModel, Held, hold, shipped
from tests.support.scratch import made_once

FRAME = 0.25
"""Seconds: the longest that a stage takes for one."""
WHEN = "2026-11-21T09:30:00.000+00:00"


RUN = "20261121-everyday-norms-7f3a"


def small_run(folder: Path) -> Held:
    """Four dialogues: two questions in two cultures."""
    (folder / "runs.db").write_bytes(small_store())
    return Held(Store(f"sqlite:///{folder}/runs.db"), RUN, FakeModel())


@cache
@made_once
def small_store() -> bytes:
    """The database of the small run, held once for all that show it."""
    one = shipped("everyday-norms")
    few = one.scenario.model_copy(update={"seeds": one.scenario.seeds[:2], "cultures": one.scenario.cultures[:2]})
    with TemporaryDirectory() as folder:
        held = hold(Path(folder), one.model_copy(update={"scenario": few}), FakeModel(), run_id=RUN)
        with held.store.database.writing() as session:
            session.execute(update(RunRow).values(created_at=WHEN, finished_at=WHEN))
        held.store.close()
        return Path(folder, "runs.db").read_bytes()


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def app_on(store: Store, target: str | None = None, *, follow: bool = False, reviewer: str = "anna") -> Replay:
    app = Replay(Session(store.database.url.render_as_string(), reviewer, follow=follow, store=store), target)
    app.clock = Clock()
    return app


@asynccontextmanager
async def shown(app: Replay, *, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    """The app, once what it shows first has come."""
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def settled(pilot: Pilot[None]) -> None:
    """Everything that was asked of the store has come and is on the screen."""
    await pilot.pause()
    while not all(worker.is_finished for worker in pilot.app.workers):
        await pilot.pause(0.005)
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Each key once all is done that the one before began."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    """What somebody else's doing must bring about, soon."""
    for _ in range(3000):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came")


async def pass_time(pilot: Pilot[None], seconds: float) -> None:
    """On the app's clock, frame by frame."""
    app = pilot.app
    assert isinstance(app, Replay)
    assert isinstance(app.clock, Clock)
    assert isinstance(app.screen, StageScreen)
    while seconds > 0:
        app.clock.now += min(seconds, FRAME)
        seconds -= FRAME
        app.screen._tick()
    await pilot.pause()


def text_of(app: Replay) -> str:
    """What is on the screen."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in lines)


async def sees(pilot: Pilot[None], what: str) -> None:
    """It is on the screen, or will be once all is drawn."""
    app = pilot.app
    assert isinstance(app, Replay)
    await until(pilot, lambda: what in text_of(app))
