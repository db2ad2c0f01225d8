"""One process of several that carry a run on together. Each claims a dialogue before it asks for anything in it.

What one process does for itself when it begins, ends or stops a run, `Alone` does for `run/pipeline`; `Workers` does
the same where others may be at work too. The claims themselves are in `store/crew`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import Status
from culturepark.errors import CultureparkError, UsageError
from culturepark.models.budget import Budget
from culturepark.models.ledger import DOWN_AFTER
from culturepark.run.engine import AtOnce, Door, Engine
from culturepark.run.plan import settings_of
from culturepark.store.batches import has_open_batches
from culturepark.store.castings import castings
from culturepark.store.crew import Crew, LeaseLost, Work
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, RunRow

if TYPE_CHECKING:
    from culturepark.run.pipeline import Run

POLL: float = 0.5
"""Seconds between two looks at what others do, for a worker that finds nothing to claim."""


class Alone:
    """The only process at work on a run."""

    engine: Engine | None = None
    """Spreads the dialogues; None for the run's own."""

    def begin(self, run: Run) -> None:
        run.store.close_open_calls(run.row.id)
        run.store.set_run(run.row.id, Status.RUNNING, None)

    async def seat(self, run: Run, work: Callable[[], Awaitable[None]]) -> None:  # noqa: ARG002
        """Do what plans the run."""
        await work()

    async def finish(self, run: Run, work: Callable[[], Awaitable[None]]) -> None:  # noqa: ARG002
        """Do what comes after all dialogues."""
        await work()

    def end(self, run: Run, status: Status, reason: str) -> None:
        run.store.set_run(run.row.id, status, reason)

    def stop(self, run: Run, reason: str) -> None:
        run.store.set_run(run.row.id, Status.STOPPED, reason)

    def close(self) -> None:
        """Called last, whatever came of it."""


class Workers(Alone):
    """One of the workers of a run."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.engine = Claiming(self)
        self._finishes = False
        """This worker does what comes after all dialogues."""
        self.run: Run | None = None

    def begin(self, run: Run) -> None:
        self.run = run
        if self.crew.enter(lambda: open_work(run)):
            run.store.set_run(run.row.id, Status.RUNNING, None)
        run.ledger.share = self.crew.pace
        budget = run.ledger.budget
        run.ledger.budget = SharedBudget(
            budget.max_cost_usd, budget.max_tokens, budget.cost_usd, budget.tokens, total=self.crew.spent
        )

    async def seat(self, run: Run, work: Callable[[], Awaitable[None]]) -> None:
        while not self.crew.take_rest():
            if self.crew.standing().ended or castings(run.store, run.store.run(run.row.id), run.edition):
                break
            await self.wait(run)
        else:
            try:
                if not castings(run.store, run.store.run(run.row.id), run.edition):
                    await work()
                    self.crew.add(open_work(run))
            finally:
                self.crew.give_back(run.row.id)
        run.row = run.store.run(run.row.id)
        run.castings = {casting.number: casting for casting in castings(run.store, run.row, run.edition)}
        run.ledger.down_after = min(DOWN_AFTER, len(run.castings))

    async def finish(self, run: Run, work: Callable[[], Awaitable[None]]) -> None:
        await self._compare(run)
        while not self.crew.standing().ended:
            if self.crew.take_rest():
                self._finishes = True
                await work()
                return
            await self.wait(run)

    async def _compare(self, run: Run) -> None:
        """Compare the statements on one question after the other, each by whoever claims it.

        What comes of it is in the store, as vectors and calls, where whoever finishes the run finds it.
        """
        questions = run.questions()
        self.crew.add([Work(f"{run.row.id}.q{number}", -number) for number in range(1, len(questions) + 1)])
        while (standing := self.crew.standing()).questions and not standing.ended:
            if subject := self.crew.take_next(question=True):
                await run.distil_question(questions[int(subject.rpartition(".q")[2]) - 1])
                self.crew.done(subject)
            else:
                await self.wait(run)

    def end(self, run: Run, status: Status, reason: str) -> None:  # noqa: ARG002
        if self._finishes:
            self.crew.end(status, reason)
        else:
            self.crew.leave()

    def stop(self, run: Run, reason: str) -> None:
        try:
            last = self.crew.leave()
        except LeaseLost:  # others have taken over
            return
        if last:
            run.store.set_run(run.row.id, Status.STOPPED, reason)

    def close(self) -> None:
        self.crew.rest()

    async def wait(self, run: Run) -> None:
        """Give others time.

        Raises:
            CultureparkError: if the run was stopped.
        """
        until = asyncio.get_running_loop().time() + POLL
        while asyncio.get_running_loop().time() < until:
            if run.ledger.halted:
                raise run.ledger.halted
            await asyncio.sleep(POLL / 10)


class Claiming(Engine):
    """Works on the dialogues that it could claim, until nobody has any left to do."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    async def map(
        self,
        work: Callable[[Any], Awaitable[None]],
        items: Sequence[Any],  # noqa: ARG002
        *,
        at_once: int | Door,
        halt: Callable[[CultureparkError], CultureparkError],
    ) -> None:
        """Work on dialogues, as `Engine` does; which ones, the claims decide, and not `items`."""
        crew, run = self.workers.crew, self.workers.run
        assert run is not None

        async def do(dialogue_id: str) -> None:
            row = run.store.dialogue(dialogue_id)
            run.look_again(row)
            if run.lacks(row):
                await work(row)
            crew.done(dialogue_id)

        door = AtOnce(at_once) if isinstance(at_once, int) else at_once
        tasks: set[asyncio.Task[None]] = set()
        changed = asyncio.Event()
        door.on_change = changed.set
        stopped_by: CultureparkError | None = None
        loop = asyncio.get_running_loop()
        looked, standing, free = 0.0, crew.standing(), 0
        try:
            while True:
                if not tasks or loop.time() >= looked + POLL:
                    looked, standing = loop.time(), crew.standing()
                    free = standing.free
                    run.agenda.expect(free)
                while free and not stopped_by and not run.ledger.halted and door.may_open(len(tasks)):
                    if (dialogue_id := crew.take_next()) is None:
                        free = 0
                        break
                    free -= 1
                    tasks.add(task := asyncio.create_task(do(dialogue_id)))
                    task.add_done_callback(lambda _: changed.set())
                    await asyncio.sleep(0)  # it says what it will ask before the next is opened
                if not tasks and (stopped_by or run.ledger.halted or not standing.left):
                    break
                with suppress(TimeoutError):  # others may have freed something meanwhile
                    await asyncio.wait_for(changed.wait(), POLL)
                changed.clear()
                for task in [task for task in tasks if task.done()]:
                    tasks.remove(task)
                    try:
                        task.result()
                    except CultureparkError as error:
                        halted = halt(error)
                        stopped_by = stopped_by or halted
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        finally:
            door.on_change = lambda: None
        if stopped_by or run.ledger.halted:
            raise stopped_by or cast("CultureparkError", run.ledger.halted)


class SharedBudget(Budget):
    """The budget of a run on which several workers spend: what all have spent is read before each request."""

    def __init__(self, *limits: Any, total: Callable[[], tuple[int, float | None]]) -> None:
        super().__init__(*limits)
        self.total = total

    def check(self) -> None:
        if self.max_cost_usd is not None or self.max_tokens is not None:
            self.tokens, self.cost_usd = self.total()
        super().check()


def awaited(store: Store, run_id: str, seconds: float) -> RunRow:
    """Return a run, and wait for it if there is none of that name yet.

    Raises:
        UsageError: if there is none after so many seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return store.run(run_id)
        except UsageError:
            if time.monotonic() >= until:
                raise
        time.sleep(min(POLL, seconds))


def may_be_shared(store: Store, row: RunRow) -> bool:
    """Return whether several workers can be at work on a run: its people talk, and a server keeps it.

    Batches are one process's: two would hold each other's answers.
    """
    if settings_of(row).batch or has_open_batches(store, row.id):
        return False
    protocol = protocol_of(edition_of(row).scenario.protocol)
    talks = protocol.holds_dialogues and not protocol.mines and not protocol.user_sits
    return store.database.engine.dialect.name == "postgresql" and talks


def check_server(store: Store) -> None:
    """
    Raises:
        UsageError: if the store is a file: one process writes it, and the lock of a run keeps all others out.
    """
    Crew(store, "")


def check_shared(store: Store, row: RunRow) -> None:
    """
    Raises:
        UsageError: if only one process at a time can be at work on a run.
    """
    Crew(store, row.id)
    if not may_be_shared(store, row):
        which = "only dialogues between people are shared among workers, and none that are asked in batches"
        raise UsageError(f"{row.id} is one process's: {which}")


def is_over(store: Store, row: RunRow) -> bool:
    """Return whether a run has ended, and nobody is at work on it again."""
    return row.status in (Status.DONE, Status.FAILED) and Crew(store, row.id).standing().ended


def open_work(run: Run) -> list[Work]:
    """Return the dialogues of a run that lack something."""
    rows: list[DialogueRow] = run.store.dialogues(run.row.id)
    return [Work(row.id, row.number) for row in rows if run.castings and run.lacks(row)]
