"""Spreads the dialogues of a run over tasks of one event loop. A subclass could spread them over machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from culturepark.errors import CultureparkError

Item = TypeVar("Item")


class Door(Protocol):
    """Decides when work on one more item begins."""

    on_change: Callable[[], None]
    """Set by the engine; to be called when another item may perhaps be begun."""

    def may_open(self, open_now: int) -> bool:
        """Return whether one more is to be begun, while so many are worked on."""
        ...


class AtOnce:
    """Lets a fixed number of items be worked on at the same time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.on_change: Callable[[], None] = lambda: None

    def may_open(self, open_now: int) -> bool:
        return open_now < self.most


class Engine:
    """Works on items in this event loop, in their order. Waiting for models is nearly all there is to do."""

    async def map(
        self,
        work: Callable[[Item], Awaitable[None]],
        items: Sequence[Item],
        *,
        at_once: int | Door,
        halt: Callable[[CultureparkError], CultureparkError],
    ) -> None:
        """
        Args:
            work: done with each item. It handles failures of the item alone, and raises only those of the whole.
            at_once: most items that are worked on at the same time, or what decides about it.
            halt: called with an error that `work` raises. It keeps other items from asking for more, and returns the
                error that the whole ends with. Requests under way go on to their end.
        Raises:
            CultureparkError: the first that `halt` returned.
        """
        door = AtOnce(at_once) if isinstance(at_once, int) else at_once
        begun = 0
        workers: list[asyncio.Task[None]] = []
        changed = asyncio.Event()
        door.on_change = changed.set
        stopped_by: CultureparkError | None = None

        async def do(item: Item) -> None:
            await work(item)

        try:
            while True:
                while begun < len(items) and not stopped_by and door.may_open(len(workers)):
                    workers.append(asyncio.create_task(do(items[begun])))
                    workers[-1].add_done_callback(lambda _: changed.set())
                    begun += 1
                if not workers:
                    break
                await changed.wait()
                changed.clear()
                for worker in [worker for worker in workers if worker.done()]:
                    workers.remove(worker)
                    try:
                        worker.result()
                    except CultureparkError as error:
                        halted = halt(error)
                        stopped_by = stopped_by or halted
        except BaseException:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        finally:
            door.on_change = lambda: None
        if stopped_by:
            raise stopped_by
