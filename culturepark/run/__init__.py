"""Carries a run from its plan to its samples.

What stands here is imported for every command, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from culturepark.domain import Casting, Status, Turn
    from culturepark.store.tables import RunRow

Until = Literal["dialogue", "extract", "verify", "dedup", "samples"]
"""The last stage that a run does."""
UNTIL: tuple[Until, ...] = get_args(Until)


class Watcher:
    """Is told of everything that happens in a run. Every method does nothing; a subclass has those that it needs."""

    def started(self, run: RunRow, castings: Collection[Casting], done: int) -> None: ...
    def fetching(self, name: str, done: int, total: int) -> None: ...
    def turn(self, casting: Casting, turn: Turn) -> None: ...
    def talked(self, casting: Casting, status: Status, reason: str) -> None: ...
    def dialogue_done(self, casting: Casting) -> None: ...
    def figures(self, tokens: int, cost_usd: float | None, samples: int) -> None: ...
    def note(self, text: str) -> None: ...
