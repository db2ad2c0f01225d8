"""An engine works on items, a few at once, and ends with the error that stops the run."""

from __future__ import annotations

import asyncio

import pytest

from culturepark.errors import BudgetReached, CultureparkError, Interrupted
from culturepark.run.engine import Engine


async def test_no_more_are_worked_on_at_once_than_may_be_and_all_in_their_order() -> None:
    begun, flying, most = [], 0, 0

    async def work(item: int) -> None:
        nonlocal flying, most
        begun.append(item)
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0)
        flying -= 1

    await Engine().map(work, range(10), at_once=3, halt=lambda error: error)
    assert begun == list(range(10))
    assert most == 3


async def test_the_first_error_halts_the_rest_and_what_is_under_way_goes_on_to_its_end() -> None:
    done, halted = [], asyncio.Event()
    first = Interrupted("by the user")

    def halt(_: CultureparkError) -> CultureparkError:
        halted.set()
        return first

    async def work(item: int) -> None:
        if item == 0:
            raise BudgetReached("no more", "--max-cost")
        if halted.is_set():
            raise first
        await halted.wait()
        done.append(item)

    with pytest.raises(Interrupted, match="by the user"):
        await Engine().map(work, range(10), at_once=3, halt=halt)
    assert done == [1, 2]


async def test_a_bug_cancels_all_others_before_it_is_raised() -> None:
    cancelled = []

    async def work(item: int) -> None:
        if item == 0:
            await asyncio.sleep(0)
            raise ZeroDivisionError
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(ZeroDivisionError):
        await Engine().map(work, range(4), at_once=4, halt=lambda error: error)
    assert sorted(cancelled) == [1, 2, 3]
