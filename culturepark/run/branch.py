"""Makes and holds a branch on a thread with its own event loop, while an app stays responsive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from culturepark.domain import Casting, Status, Turn
from culturepark.errors import CultureparkError, Interrupted
from culturepark.models import prices
from culturepark.models.registry import check_specs
from culturepark.models.trust import Trust
from culturepark.run import Watcher, plan
from culturepark.run.pipeline import Run, describe
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import show_origin


@dataclass(frozen=True)
class Wish:
    """The wish that a dialogue goes on otherwise from one of its turns."""

    turn_id: str
    text: str | None
    """Replaces the turn; None asks for the turn anew."""
    model: str
    """For all chat roles; empty for the run's own models."""


@dataclass(frozen=True)
class End:
    """The end of a branch."""

    dialogue_id: str | None
    """None where no branch was made."""
    words: str
    """The message of the command line."""
    fine: bool


class Going(Watcher):
    """One branch, and the watcher of its run. `run` is called on the thread, `stop` on any."""

    def __init__(
        self, store: Store, said: Callable[[Turn], object], told: Callable[[str], object], trust: Trust
    ) -> None:
        """
        Args:
            trust: the models that may be asked; the wished-for one is added.
            said, told: called on the thread, with every turn and with every remark.
        """
        self.store, self._trust = store, trust
        self._said, self._told = said, told
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Status] | None = None
        self._pipeline: Run | None = None
        self.stops = 0
        """Number of calls of `stop`."""

    def run(self, wish: Wish) -> End:
        """Make the branch, and hold it until it ends or is stopped."""
        made: RunRow | None = None
        dialogue_id: str | None = None
        try:
            prices.table()
            parent = self.store.turn(wish.turn_id)[2]
            models = plan.models_with(parent, wish.model) if wish.model else plan.models_of(parent)
            if wish.model:
                self._trust.name([models["speaker"]])
            check_specs(models, plan.roles_until("dialogue", edition_of(parent).scenario, models), self._trust)
            made = plan.branch(self.store, wish.turn_id, wish.text, models=models)
            (dialogue,) = self.store.dialogues(made.id)
            dialogue_id = dialogue.id
            with self.store.database.hold(made.id):
                status = asyncio.run(self._hold(made))
            (dialogue,) = self.store.dialogues(made.id)
        except CultureparkError as error:
            on = f"\ngo on with: culturepark resume {made.id}" if made else ""
            show_origin(error)
            return End(dialogue_id, f"{error}{on}", fine=isinstance(error, Interrupted))
        except Exception as bug:  # the app goes on; the run says the same
            show_origin(bug)
            return End(dialogue_id, f"a bug, sorry, please report it: {describe(bug)}", fine=False)
        if status == Status.FAILED:
            return End(dialogue_id, f"failed: {dialogue.error}\ngo on with: culturepark resume {made.id}", fine=False)
        spent = self.store.spent(made.id)
        cost = f", ${spent.cost_usd:.4f}" if spent.cost_usd is not None else ""
        words = f"{dialogue.status}, {dialogue.stop_reason}; {spent.tokens:,} tokens{cost}"
        return End(dialogue_id, words, fine=True)

    async def _hold(self, row: RunRow) -> Status:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._pipeline = Run(self.store, row, self, self._trust)
        if self.stops:
            self._pipeline.interrupt()
        return await self._pipeline.carry_on()

    def stop(self, *, now: bool = False) -> None:
        """Stop after the call in flight, or at once. All turns so far are stored, and the run can be resumed."""
        self.stops += 1
        if self._loop and self._task and self._pipeline:
            with suppress(RuntimeError):  # it is over
                self._loop.call_soon_threadsafe(self._task.cancel if now else self._pipeline.interrupt)

    # --- the watcher ---------------------------------------------------------------------------------

    def turn(self, casting: Casting, turn: Turn) -> None:  # noqa: ARG002
        self._said(turn)

    def note(self, text: str) -> None:
        self._told(text)

    def fetching(self, name: str, done: int, total: int) -> None:
        self._told(f"fetching {name}: {done / 1e6:.0f}/{total / 1e6:.0f} MB")
