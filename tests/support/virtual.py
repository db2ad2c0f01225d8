"""An event loop whose time is its own: when everybody waits, the clock jumps to the next timer.

    seconds, result = played(story())

Work in threads takes no time: it is done at once, in the loop's own thread.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from culturepark.run import pipeline
from culturepark.store import journal

Result = TypeVar("Result")


class Jumping(selectors.DefaultSelector):
    """Waits no time, but moves the clock on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self.now += timeout
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("everybody waits, and no timer is set")
        return ready


class Inline(Executor):
    """Does work at once; also in place of a `ThreadPoolExecutor`."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = Jumping()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        return asyncio.wrap_future(Inline().submit(func, *args), loop=self)


async def at_once(work: Callable[..., Result], *arguments: Any) -> Result:
    """Stands where work is `detached`."""
    return work(*arguments)


def played(story: Coroutine[Any, Any, Result]) -> tuple[float, Result]:
    """Return the seconds that a coroutine took by the loop's own time, and its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(story)
        return runner.get_loop().time(), result


@contextmanager
def without_threads() -> Iterator[None]:
    """In the block a run does at once what it would do in threads, and does not look for its store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "ThreadPoolExecutor", Inline)
        patch.setattr(pipeline, "detached", at_once)
        patch.setattr(pipeline, "LOOK_EVERY", 1e9)
        yield
