"""How the dialogues of a run are spread: here, as tasks of one event loop. Another engine could have other machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from culturepark.errors import CultureparkError

Item = TypeVar("Item")


class Engine(Protocol):
    """Does one piece of work for each of many items, several at once."""

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
            work: what to do with an item. A failure that is the item's own does not leave it.
            at_once: how many items are worked on at the same time, at most.
            halt: called with an error that leaves `work`; keeps all others from asking for more, and returns the error
                that the whole ends with. What is under way goes on to its end.
        Raises:
            CultureparkError: what `halt` returned first.
        """


class Local:
    """Works on items in this event loop, in their order. Waiting for models is nearly all there is to do."""

    async def map(
        self,
        work: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        at_once: int,
        halt: Callable[[CultureparkError], CultureparkError],
    ) -> None:
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
