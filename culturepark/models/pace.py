"""Limits how fast one endpoint is asked: requests at once, requests a minute, tokens a minute.

Among the requests that wait, the one of the least rank goes first. Each is woken when it is its turn, and no other.

Congestion is controlled as in TCP (RFC 5681): one more request at a time while all goes well, half as many after a
refusal or when answers grow slow, and a single one after a pause, so that no storm follows it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Protocol

from culturepark.errors import CultureparkError

MINUTE = 60.0
LOOK_AGAIN = 5.0
"""Seconds at most between two looks at limits that several processes keep together."""
SLOW = 3.0
"""Ratio to the usual time of an answer from which the endpoint has too much to do."""
WARM_UP = 10
"""Answers of a kind from which the usual time is known."""


@dataclass
class Entry:
    """One request in a window."""

    when: float
    amount: float

    def settle(self, amount: float) -> None:
        """Replace an estimate."""
        self.amount = amount


class Shared(Protocol):
    """The requests that several processes make to one endpoint, against limits that they keep together."""

    def take(self, tokens: int) -> tuple[float, Entry | None]:
        """Return the seconds until a request fits; where it fits now, 0 and its entry, which is made."""
        ...

    def remember(self, past: list[tuple[float, int]]) -> None:
        """Count requests that were made before, unless some are counted already; as `Pace.remember` takes them."""
        ...


class Window:
    """A limit on an amount in any sixty seconds."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.entries: deque[Entry] = deque()

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` fits. One larger than the limit itself goes when the window is empty."""
        now = monotonic()
        while self.entries and self.entries[0].when <= now - MINUTE:
            self.entries.popleft()
        over = sum(entry.amount for entry in self.entries) + amount - self.most
        wait = 0.0
        for entry in self.entries:
            if over <= 0:
                break
            over -= entry.amount
            wait = entry.when + MINUTE - now
        return wait

    def add(self, amount: float) -> Entry:
        self.entries.append(Entry(monotonic(), amount))
        return self.entries[-1]


@dataclass
class Latency:
    """Times of answers of one kind: the calls of a stage are alike."""

    usual: float = 0.0
    recent: float = 0.0
    answers: int = 0

    def add(self, seconds: float) -> bool:
        """Return whether answers have begun to take long. From then on, that is usual."""
        self.answers += 1
        if self.answers <= WARM_UP:
            self.usual += (seconds - self.usual) / self.answers
            self.recent = self.usual
            return False
        self.recent += 0.3 * (seconds - self.recent)
        self.usual += 0.02 * (seconds - self.usual)
        if self.recent <= SLOW * self.usual:
            return False
        self.usual = self.recent
        return True


@dataclass
class Place:
    """One request under way."""

    began: float
    reserved: Entry | None = None

    def used(self, tokens: int) -> None:
        """Replace the estimate of the request's tokens."""
        if self.reserved and tokens:
            self.reserved.settle(tokens)


Rank = tuple[float, ...]
"""Says who goes first among those that wait: the least."""


@dataclass(eq=False)
class Waiting:
    """A request that waits for a place."""

    tokens: int
    may: Callable[[], None]
    rank: Callable[[], Rank]
    number: int
    """Of two with the same rank, the one that came first goes first."""
    place: asyncio.Future[Place]


def is_allowed(request: Waiting) -> bool:
    """Return whether a request may still be made. If not, it is told why."""
    if request.place.done():  # it was cancelled, and has not run since
        return False
    try:
        request.may()
    except Exception as error:
        request.place.set_exception(error)
        return False
    return True


def as_they_come() -> Rank:
    """Return the same rank for all."""
    return ()


@dataclass
class Pace:
    """The pace at which one endpoint is asked."""

    most: int
    rpm: int | None = None
    """Requests in any sixty seconds."""
    tpm: int | None = None
    """Tokens, sent and received, in any sixty seconds."""
    patient: bool = False
    """Whether slow answers are no reason to ask less: a local server has as many slots as are asked at once."""
    on_room: Callable[[], None] = lambda: None
    """Called whenever one more request could go, and none waits."""
    shared: Shared | None = None
    """Keeps the two limits in place of this process alone."""
    allowed: float = 0.0
    in_flight: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    _steady: float = 0.0
    """Below it, one more request is allowed after every success; above it, after a round of them."""
    _not_before: float = 0.0
    _last_cut: float = 0.0
    _latency: dict[str, Latency] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: count[int] = field(default_factory=count)
    _looks: bool = False
    """Free places are about to be given away."""
    _timer: asyncio.TimerHandle | None = None
    """Looks again when a pause is over, or a minute has room."""

    def __post_init__(self) -> None:
        self.allowed = self._steady = float(self.most)
        self._requests = Window(self.rpm) if self.rpm and not self.shared else None
        self._tokens = Window(self.tpm) if self.tpm and not self.shared else None
        self._taken: Entry | None = None
        """Of the request that may go now."""
        self._full_until = 0.0
        """When to look again whether the limits that are shared have room."""

    @property
    def room(self) -> int:
        """How many more requests could go at once; below 0, so many wait."""
        return int(self.allowed) - self.in_flight - len(self.waiting)

    @asynccontextmanager
    async def place(
        self, tokens: int = 0, may: Callable[[], None] = lambda: None, rank: Callable[[], Rank] = as_they_come
    ) -> AsyncIterator[Place]:
        """Give a place among the requests in flight, as soon as there is one.

        Args:
            tokens: an estimate of what the request will use.
            may: raises if the request may not be made any more; called at first, and after every wait.
            rank: of the request; asked whenever there is a place to give.
        """
        may()
        place = await self._wait_for_place(tokens, may, rank)
        try:
            may()  # it may have been forbidden between the moment in which it got its place and this one
            yield place
        finally:
            self._give_back()

    async def _wait_for_place(self, tokens: int, may: Callable[[], None], rank: Callable[[], Rank]) -> Place:
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        waiting = Waiting(tokens, may, rank, next(self._numbers), future)
        self.waiting.append(waiting)
        if len(self.waiting) > 1 or self._looks:
            self._serve_soon()
        else:
            self._serve()
        try:
            return await future
        except BaseException:
            if waiting in self.waiting:
                self.waiting.remove(waiting)
                self._serve_soon()  # another one may have waited behind it
            elif future.done() and not future.cancelled() and not future.exception():
                self._give_back()  # cancelled after it had got its place
            raise

    def _serve_soon(self) -> None:
        """Give free places away once those whose answers have just come had the time to ask on.

        Their own next requests may be more urgent than all that wait. What an answer leads to takes one round of the
        loop, and the next request is there in the second.
        """
        if not self._looks:
            self._looks = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._serve)

    def _serve(self) -> None:
        """Give places to those that wait, as far as there are any; then look again when time alone makes room."""
        self._looks = False
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self.waiting:
            first = min(self.waiting, key=lambda one: (one.rank(), one.number))
            try:
                wait = self._wait(first.tokens)
            except CultureparkError as error:  # of the store, which keeps the limits
                self.waiting.remove(first)
                first.place.set_exception(error)
                continue
            if wait == 0:
                self.waiting.remove(first)
                if is_allowed(first):
                    self._admit(first)
                continue
            if wait is not None:
                self._timer = asyncio.get_running_loop().call_later(wait, self._serve)
            return
        if self.room > 0:
            self.on_room()

    def _admit(self, request: Waiting) -> None:
        self.in_flight += 1
        place = Place(monotonic())
        if self._requests:
            self._requests.add(1)
        if self._tokens:
            place.reserved = self._tokens.add(request.tokens)
        elif self.shared:
            place.reserved = self._taken
        request.place.set_result(place)

    def _give_back(self) -> None:
        self.in_flight -= 1
        self._serve_soon()

    def remember(self, past: list[tuple[float, int]]) -> None:
        """Count requests that were made before this process began.

        Args:
            past: how many seconds ago a request began, and its tokens; the oldest first.
        """
        if self.shared:
            self.shared.remember(past)
        for age, tokens in past:
            for window, amount in ((self._requests, 1), (self._tokens, tokens)):
                if window:
                    window.add(amount).when -= age

    def went_well(self, place: Place, kind: str = "") -> None:
        """
        Args:
            kind: requests of one kind take about the same time.
        """
        if place.began < self._last_cut:  # it was sent before the refusal, and says nothing about later ones
            return
        self.allowed = min(self.most, self.allowed + (1 if self.allowed < self._steady else 1 / self.allowed))
        slow = self._latency.setdefault(kind, Latency()).add(monotonic() - place.began)
        if slow and not self.patient and self._cut(place):
            self.allowed = self._steady

    def was_refused(self, place: Place, pause: float) -> None:
        """
        Args:
            pause: seconds in which nothing is asked.
        """
        self._not_before = max(self._not_before, monotonic() + pause)
        if self._cut(place):
            self.allowed = 1.0

    def _cut(self, place: Place) -> bool:
        """Halve the requests at once, but only once for all that were in flight together."""
        if place.began < self._last_cut:
            return False
        self._last_cut = monotonic()
        # If refused again on the way up from one, halve the goal, and not what has been reached so far.
        self._steady = max(1.0, (self.allowed if self.allowed > 1 else self._steady) / 2)
        return True

    def _wait(self, tokens: int) -> float | None:
        """Return the seconds until one more request may go; None if that depends on those in flight."""
        if self.in_flight >= int(self.allowed):
            return None
        waits = [self._not_before - monotonic(), self._full_until - monotonic()]
        if self._requests:
            waits.append(self._requests.wait(1))
        if self._tokens:
            waits.append(self._tokens.wait(tokens))
        wait = max(0.0, *waits)
        if wait == 0 and self.shared:
            wait, self._taken = self.shared.take(tokens)
            wait = min(wait, LOOK_AGAIN)  # others may use less than they have reserved
            self._full_until = monotonic() + wait
        return wait

    async def rest(self, seconds: float | None) -> None:
        """Wait until the time is over, or something has changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def stir(self) -> None:
        """Let all requests that wait look again: whether they still may be made, and whether they may go."""
        self._changed.set()
        self._changed = asyncio.Event()
        for request in list(self.waiting):
            if not is_allowed(request):
                self.waiting.remove(request)
        self._serve()
