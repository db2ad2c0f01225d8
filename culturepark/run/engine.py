"""Spreads the dialogues of a run over tasks of one event loop. A subclass could spread them over machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from culturepark.errors import CultureparkError

Item = TypeVar("Item")


class Engine:
    """Works on items in this event loop, in their order. Waiting for models is nearly all there is to do."""

    async def map(
        self,
        work: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        at_once: int,
        halt: Callable[[CultureparkError], CultureparkError],
    ) -> None:
        """
        Args:
            work: done with each item. It handles failures of the item alone, and raises only those of the whole.
            at_once: most items that are worked on at the same time.
            halt: called with an error that `work` raises. It keeps other items from asking for more, and returns the
                error that the whole ends with. Requests under way go on to their end.
        Raises:
            CultureparkError: the first that `halt` returned.
        """
        queue = iter(items)

        async def take_turns() -> None:
            for item in queue:
                await work(item)

        workers = [asyncio.create_task(take_turns()) for _ in range(min(at_once, len(items)))]
        stopped_by: CultureparkError | None = None
        try:
            for finished in asyncio.as_completed(workers):
                try:
                    await finished
                except CultureparkError as error:
                    halted = halt(error)
                    stopped_by = stopped_by or halted
        except BaseException:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        if stopped_by:
            raise stopped_by
