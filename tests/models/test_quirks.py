"""Every behaviour of real servers that was reported, and what culturepark makes of it. Slow ones: `make torture`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.quirks import QUIRKS, Quirk
from tests.quirks.hurry import REAL, Clock
from tests.quirks.trial import line, memory, tried


@pytest.mark.parametrize(
    "quirk",
    [pytest.param(quirk, id=name, marks=[pytest.mark.torture] * quirk.slow) for name, quirk in QUIRKS.items()],
)
def test_a_run_makes_the_best_of_it(quirk: Quirk, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(memory() or tmp_path_factory.getbasetemp())
    out = tried(quirk, folder / f"quirks-{time.monotonic_ns()}")
    assert not out.wrong, f"{quirk.imitates} ({quirk.source})\n{line(out)}\n{out.said[-2000:]}\n{out.calls}"


def test_each_behaviour_says_what_it_imitates_and_where_that_was_reported() -> None:
    for quirk in QUIRKS.values():
        assert quirk.imitates.endswith("."), quirk.name
        assert len(quirk.source) > 5, quirk.name


def test_waiting_takes_no_time_but_counts() -> None:
    async def story() -> list[float]:
        """Two timers and a thread; the thread's time is real."""
        began = asyncio.get_running_loop().time()
        seen = []
        await asyncio.gather(asyncio.sleep(30), asyncio.sleep(3600))
        seen.append(asyncio.get_running_loop().time() - began)
        await asyncio.to_thread(time.sleep, 0.05)
        seen.append(asyncio.get_running_loop().time() - began - seen[0])
        return seen

    real = REAL()
    with Clock().kept():
        slept, worked = asyncio.run(story())
    assert REAL() - real < 5
    assert 3600 <= slept < 3605
    assert 0.04 < worked < 3
    assert time.monotonic is REAL
