"""A clock for everybody in the process on which nobody waits: while all event loops wait, it jumps to the next timer.

    with Clock().kept():
        ...                     # asyncio.run, also in threads; time.monotonic; asyncio.sleep

Work takes as long as it takes; only waiting is passed over. A loop that waits for a thread counts as
working, and after bytes came or went time runs as usual for a moment, since the other side may be about to answer.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REAL = time.monotonic
QUIET = 0.01
"""Seconds without a byte after which it is believed that everybody waits."""
LOOK = 0.002
"""Seconds between two looks at the others."""


class Clock:
    """The time that all see: the real one, and what was jumped over."""

    def __init__(self) -> None:
        self.jumped = 0.0
        self.waiting: dict[Waits, float] = {}
        """Each loop that waits, and until when."""
        self.loops = 0
        self.threads = 0
        """Jobs that loops have given to executors."""
        self.known = set(threading.enumerate())
        self.idents: set[int] = set()
        """Threads on which loops run."""
        self.stirred = REAL()
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return REAL() + self.jumped

    def stir(self) -> None:
        self.stirred = REAL()

    def jump(self) -> None:
        """To the next timer of anybody, if everybody waits."""
        with self.lock:
            idle = len(self.waiting) == self.loops and not self.threads and REAL() - self.stirred > QUIET
            if (
                not idle
                or self.others_work()
                or select.select([waits.fileno() for waits in self.waiting], [], [], 0)[0]
            ):
                return  # somebody works, or has bytes that it has not seen yet
            if (next_one := min(self.waiting.values())) < float("inf"):
                self.jumped += max(0.0, next_one - self())

    def others_work(self) -> bool:
        """Whether somebody has begun a thread that is not yet over."""
        return any(
            thread not in self.known
            and thread.ident not in self.idents
            and not thread.name.startswith(("asyncio_", "ThreadPoolExecutor"))  # they wait for jobs
            for thread in threading.enumerate()
        )

    @contextmanager
    def kept(self) -> Iterator[Clock]:
        """This clock is everybody's."""
        new_loop = asyncio.events.new_event_loop
        asyncio.events.new_event_loop = lambda: Loop(self)
        give(self)
        try:
            yield self
        finally:
            asyncio.events.new_event_loop = new_loop
            give(REAL)


def give(clock: Any) -> None:
    """Puts a clock where `time.monotonic` is used: in `time`, and where ours have taken it by name."""
    time.monotonic = clock
    for name, module in list(sys.modules.items()):
        if name.startswith(("culturepark.", "tests.quirks.")):
            taken = getattr(module, "monotonic", None)
            if taken is REAL or isinstance(taken, Clock):  # another's, if it was imported while that was kept
                module.monotonic = clock  # type: ignore[attr-defined]


class Waits(selectors.DefaultSelector):
    """Waits for bytes, or until the clock has come to the next timer."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        self.clock.idents.add(threading.get_ident())
        until = self.clock() + (float("inf") if timeout is None else timeout)
        with self.clock.lock:
            self.clock.waiting[self] = until
        try:
            while True:
                if events := super().select(min(LOOK, max(0.0, until - self.clock()))):
                    self.clock.stir()
                    return events
                if self.clock() >= until:
                    return []
                self.clock.jump()
        finally:
            with self.clock.lock:
                del self.clock.waiting[self]


class Loop(asyncio.SelectorEventLoop):
    """An event loop on the common clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        super().__init__(Waits(clock))
        with clock.lock:
            clock.loops += 1

    def time(self) -> float:
        return self.clock()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        def over(_: object) -> None:
            with self.clock.lock:
                self.clock.threads -= 1

        with self.clock.lock:
            self.clock.threads += 1
        job = super().run_in_executor(executor, func, *args)
        job.add_done_callback(over)  # on this loop, which waits no longer then
        return job

    def close(self) -> None:
        if not self.is_closed():
            with self.clock.lock:
                self.clock.loops -= 1
        super().close()
