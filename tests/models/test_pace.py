"""How fast an endpoint is asked. Time is the test's own: it passes when everybody waits."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import pytest

from culturepark.models import pace as module
from culturepark.models.pace import Latency, Pace, Window


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Instant(selectors.DefaultSelector):
    """Waits no time, but moves the clock on."""

    clock: Clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self.clock.now += timeout
        return super().select(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic", made)
    return made


def played(clock: Clock, story: Any) -> Any:
    """A coroutine's result, in a loop whose time is the clock's."""
    selector = Instant()
    selector.clock = clock
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = clock  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(story)
    finally:
        loop.close()


async def asked(pace: Pace, clock: Clock, number: int, *, seconds: float = 1.0, tokens: int = 0) -> list[float]:
    """When each of so many requests began, all of them wanted at once, each answered in `seconds`."""
    began: list[float] = []

    async def one() -> None:
        async with pace.place(tokens) as place:
            began.append(clock())
            await asyncio.sleep(seconds)
            place.used(tokens)
            pace.went_well(place)

    await asyncio.gather(*(one() for _ in range(number)))
    return began


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(start <= time < start + seconds for time in times) for start in times)


# --- how many at once ----------------------------------------------------------------------------


def test_a_refusal_leaves_one_and_then_quickly_half_and_then_slowly_all(clock: Clock) -> None:
    async def story() -> list[float]:
        pace, allowed = Pace(16), []
        async with pace.place() as place:
            pace.was_refused(place, 0)
        for _ in range(200):
            allowed.append(pace.allowed)
            async with pace.place() as place:
                pace.went_well(place)
        return allowed

    allowed = played(clock, story())
    assert allowed[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert allowed[8:11] == pytest.approx([8 + 1 / 8, 8.248, 8.369], abs=0.01)
    assert allowed[-1] == 16


def test_refusals_of_requests_that_were_under_way_together_count_once(clock: Clock) -> None:
    async def story() -> float:
        pace = Pace(16)

        async def refused() -> None:
            async with pace.place() as place:
                await asyncio.sleep(1)
                pace.was_refused(place, 0)

        await asyncio.gather(*(refused() for _ in range(16)))
        return pace._steady

    assert played(clock, story()) == 8


def test_there_is_always_one_that_may_go(clock: Clock) -> None:
    async def story() -> float:
        pace = Pace(4)
        for _ in range(10):
            async with pace.place() as place:
                await asyncio.sleep(1)
                pace.was_refused(place, 0)
        return pace.allowed

    assert played(clock, story()) == 1


def test_no_storm_follows_a_pause(clock: Clock) -> None:
    async def story() -> tuple[float, list[float]]:
        pace = Pace(64)
        async with pace.place() as place:
            pace.was_refused(place, 30)
        began = clock()
        return began, await asked(pace, clock, 200)

    began, times = played(clock, story())
    after = [time - began for time in times]
    assert min(after) >= 30
    assert [sum(30 + n <= time < 31 + n for time in after) for n in range(4)] == [1, 2, 4, 8]


def test_no_storm_follows_a_pause_in_which_earlier_requests_come_back(clock: Clock) -> None:
    async def story() -> list[float]:
        pace = Pace(64)

        async def early(number: int) -> None:
            async with pace.place() as place:
                await asyncio.sleep(1 if number == 0 else 2)
                if number == 0:
                    pace.was_refused(place, 30)
                else:
                    pace.went_well(place)

        await asyncio.gather(*(early(number) for number in range(64)))
        began = clock()
        return [time - began for time in await asked(pace, clock, 200)]

    times = played(clock, story())
    start = min(times)
    assert start > 25
    assert [sum(start + n <= time < start + n + 1 for time in times) for n in range(4)] == [1, 2, 4, 8]


def test_a_goal_is_halved_and_not_forgotten_when_the_first_after_a_refusal_is_refused_too(clock: Clock) -> None:
    async def story() -> float:
        pace = Pace(16)
        for _ in range(2):
            async with pace.place() as place:
                await asyncio.sleep(1)
                pace.was_refused(place, 0)
        return pace._steady

    assert played(clock, story()) == 4


def test_who_came_first_goes_first(clock: Clock) -> None:
    async def story() -> list[int]:
        pace, order = Pace(1), []

        async def dialogue(number: int) -> None:
            for _ in range(3):
                async with pace.place():
                    order.append(number)
                    await asyncio.sleep(1)

        await asyncio.gather(*(dialogue(number) for number in range(3)))
        return order

    assert played(clock, story()) == [0, 1, 2] * 3


def test_answers_that_grow_slow_are_a_reason_to_ask_less(clock: Clock) -> None:
    async def story(patient: bool) -> tuple[float, float]:
        pace = Pace(8, patient=patient)
        await asked(pace, clock, 80, seconds=1.0)
        before = pace.allowed
        await asked(pace, clock, 8, seconds=20.0)
        return before, pace.allowed

    before, after = played(clock, story(patient=False))
    assert before == 8
    assert after < 6
    assert played(clock, story(patient=True)) == (8, 8)


def test_what_stays_slow_becomes_usual() -> None:
    latency = Latency()
    assert not any(latency.add(1.0) for _ in range(50))
    assert sum(latency.add(30.0) for _ in range(500)) <= 3
    assert latency.usual == pytest.approx(30, rel=0.05)


def test_one_slow_answer_means_nothing() -> None:
    latency = Latency()
    assert not any(latency.add(seconds) for seconds in [1.0] * 30 + [6.0] + [1.0] * 30)


# --- how many a minute ---------------------------------------------------------------------------


def test_no_minute_holds_more_requests_than_the_limit(clock: Clock) -> None:
    times = played(clock, asked(Pace(16, rpm=20), clock, 70, seconds=0.1))
    assert most_within(times, 60) == 20
    assert 180 <= times[-1] - times[0] < 181  # and no minute is wasted


def test_no_minute_holds_more_tokens_than_the_limit(clock: Clock) -> None:
    times = played(clock, asked(Pace(16, tpm=1000), clock, 30, seconds=0.1, tokens=100))
    assert most_within(times, 60) == 10


def test_what_was_estimated_too_high_is_given_back(clock: Clock) -> None:
    async def story() -> int:
        pace = Pace(1, tpm=1000)
        for number in range(20):
            began = clock()
            async with pace.place(tokens=500) as place:
                if clock() > began:
                    return number
                place.used(50)
        return 20

    assert played(clock, story()) == 11  # 11 * 50 + 500 > 1000


def test_a_request_beyond_the_limit_goes_alone(clock: Clock) -> None:
    times = played(clock, asked(Pace(4, tpm=100), clock, 3, tokens=500))
    assert [round(time - times[0]) for time in times] == [0, 60, 120]


@pytest.mark.parametrize("most", [1, 7])
def test_a_window_says_how_long_to_wait(clock: Clock, most: int) -> None:
    window = Window(most)
    for _ in range(50):
        clock.now += window.wait(1)
        assert window.wait(1) == 0
        window.add(1)
        assert sum(entry.when > clock.now - 60 for entry in window.entries) <= most


# --- stopping ------------------------------------------------------------------------------------


def test_whoever_waits_is_told_at_once_that_nothing_may_be_asked_any_more(clock: Clock) -> None:
    halted = False

    def may() -> None:
        if halted:
            raise InterruptedError

    async def story() -> float:
        nonlocal halted
        pace = Pace(4)
        async with pace.place() as place:
            pace.was_refused(place, 500)
        began = clock()

        async def wait() -> None:
            async with pace.place(may=may):
                raise AssertionError

        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(1)
        halted = True
        pace.stir()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, InterruptedError) for result in results)
        return clock() - began

    assert played(clock, story()) == pytest.approx(1)


# --- who goes first ------------------------------------------------------------------------------


def test_of_those_that_wait_the_one_of_the_least_rank_goes_first(clock: Clock) -> None:
    async def story() -> list[int]:
        pace, order = Pace(1), []

        async def one(rank: int) -> None:
            async with pace.place(rank=lambda: (rank,)):
                order.append(rank)
                await asyncio.sleep(1)

        await asyncio.gather(*map(one, [5, 4, 1, 3, 2]))
        return order

    assert played(clock, story()) == [5, 1, 2, 3, 4]


def test_whoever_has_just_had_an_answer_may_go_before_those_that_wait(clock: Clock) -> None:
    async def story() -> list[str]:
        pace, order = Pace(1), []

        async def talk(name: str, rank: int) -> None:
            for _ in range(3):
                async with pace.place(rank=lambda: (rank,)):
                    order.append(name)
                    await asyncio.sleep(1)

        await asyncio.gather(talk("first", 1), talk("second", 2))
        return order

    assert played(clock, story()) == ["first"] * 3 + ["second"] * 3


@pytest.mark.parametrize("seconds", [0.5, 1.0])  # before it gets its place, and in the very moment
def test_one_that_is_cancelled_while_it_waits_leaves_its_place_to_others(clock: Clock, seconds: float) -> None:
    async def story() -> tuple[float, int]:
        pace = Pace(1)

        async def one() -> None:
            async with pace.place():
                await asyncio.sleep(1)

        tasks = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(seconds)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return clock() - 1000, pace.in_flight

    assert played(clock, story()) == (pytest.approx(2), 0)


def test_room_is_told_of_only_where_nobody_waits(clock: Clock) -> None:
    told: list[int] = []

    async def story() -> None:
        pace = Pace(2)
        pace.on_room = lambda: told.append(pace.room)
        await asked(pace, clock, 5)

    played(clock, story())
    assert told
    assert min(told) == 1
