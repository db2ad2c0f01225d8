"""Decides which dialogue asks first, and when another one is opened, so that an endpoint always has something to do.

Requests are what is limited, and a dialogue makes most of its own one after the other. A run cannot be shorter than
all of its requests over those that are in flight at once, nor than the longest dialogue. It comes close to the larger
of the two if no place in flight is ever free. So another dialogue is opened as soon as there is room for a request;
and a dialogue that would end last, were it left waiting, goes before all others. All others go in their order: then
rows come early, and few dialogues are open.

Source of the second rule, for chains of equal tasks: T. C. Hu, "Parallel Sequencing and Assembly Line Problems",
Operations Research 9 (6), 1961.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from culturepark.ids import dialogue_of
from culturepark.models.ledger import Order
from culturepark.models.pace import Pace, Rank

FIRST: Rank = (-1.0, 0.0)
"""Rank of requests that belong to no dialogue: others wait for what they lead to."""
MARGIN = 0.2
"""Share of a whole dialogue's requests by which one is taken for the last to end before it surely is: what it still
has to ask is a guess. In simulations of 13 to 300 dialogues .2 and .3 came closest to the shortest time there is."""
MOST_OPEN = 3
"""Times as many dialogues as requests in flight that are open at most. With twice as many, some would be left that
could only be opened when nearly all others were over."""


@dataclass(eq=False)
class Course:
    """The requests that an open dialogue still has to make, about."""

    number: int
    """The place in the order in which dialogues were opened."""
    guesses: dict[str, float]
    """Stage -> requests, as they were guessed, of the stages that are not over; in their order."""
    made: int = 0
    """Requests of the stage that it is in."""
    has_asked: bool = False
    left: dict[str, float] = field(default_factory=dict)
    """Stage -> requests still to come, by what other dialogues took."""
    total: float = 0.0


class Agenda(Order):
    """The dialogues of a run that are open, and how much is to be done."""

    def __init__(self, in_flight: int, spare: int = 0) -> None:
        """
        Args:
            in_flight: most requests in flight at one endpoint.
            spare: dialogues that may be open beyond so many if an endpoint has room, since others are busy with
                themselves. Those that would end last are opened besides.
        """
        self.in_flight = in_flight
        self.spare = spare
        self.on_change: Callable[[], None] = lambda: None
        """Called when another dialogue may perhaps be opened."""
        self._unopened = 0
        self._opened = 0
        self._courses: dict[str, Course] = {}
        self._asking = 0
        """Open dialogues that have made a request."""
        self._paces: dict[str, Pace] = {}
        """Stage -> the pace of the endpoint that it asks."""
        self._guessed: defaultdict[str, float] = defaultdict(float)
        """Stage -> requests that were guessed for all dialogues opened so far."""
        self._over: dict[str, tuple[float, float]] = {}
        """Stage -> requests guessed, and made, where it is over."""
        self._left: defaultdict[str, float] = defaultdict(float)
        """Stage -> requests still to come in open dialogues."""
        self._last: float | None = None
        """Requests in a row within which all can be done; None if it has to be reckoned again."""

    def expect(self, dialogues: int) -> None:
        """Say how many dialogues will be opened."""
        self._unopened = dialogues
        self._last = None

    # --- a dialogue --------------------------------------------------------------------------------

    def open(self, dialogue_id: str, guesses: Mapping[str, float]) -> None:
        """
        Args:
            guesses: stage -> requests that it takes, about; in the order of the stages.
        """
        self._unopened = max(0, self._unopened - 1)
        self._opened += 1
        course = self._courses[dialogue_id] = Course(self._opened, dict(guesses))
        for stage, guess in guesses.items():
            self._guessed[stage] += guess
        self._reckon(course)

    def begin(self, dialogue_id: str, stage: str) -> None:
        """Begin a stage; those before it are over."""
        course = self._courses[dialogue_id]
        over = next(iter(course.guesses), stage)
        if over != stage:
            self._end_stage(course, over)
        course.made = 0

    def close(self, dialogue_id: str, *, is_whole: bool) -> None:
        """
        Args:
            is_whole: whether it went through its last stage; one that failed says nothing about others.
        """
        course = self._courses.pop(dialogue_id)
        self._asking -= course.has_asked
        self._set_left(course, {})
        if is_whole and len(course.guesses) == 1:
            self._end_stage(course, next(iter(course.guesses)))
        self._last = None

    def _end_stage(self, course: Course, stage: str) -> None:
        guessed, made = self._over.get(stage, (0.0, 0.0))
        self._over[stage] = guessed + course.guesses.pop(stage), made + course.made
        course.made = 0
        for other in (*self._courses.values(), course):
            self._reckon(other)

    def _reckon(self, course: Course) -> None:
        """Reckon what a dialogue still has to ask."""
        left = {stage: guess * self._factor(stage) for stage, guess in course.guesses.items()}
        if left:
            stage = next(iter(left))
            left[stage] = max(1.0, left[stage] - course.made)
        self._set_left(course, left)

    def _set_left(self, course: Course, left: dict[str, float]) -> None:
        for stage, requests in course.left.items():
            self._left[stage] -= requests
        for stage, requests in left.items():
            self._left[stage] += requests
        course.left, course.total = left, sum(left.values())
        self._last = None

    def _factor(self, stage: str) -> float:
        """Return by how many times more is asked in a stage than was guessed."""
        guessed, made = self._over.get(stage, (0.0, 0.0))
        return made / guessed if guessed else 1.0

    # --- requests ----------------------------------------------------------------------------------

    def asks(self, subject_id: str, stage: str, pace: Pace) -> Callable[[], Rank]:
        """Count a request that is about to be made, and return its rank."""
        course = self._courses.get(dialogue_of(subject_id))
        if course is None:
            return lambda: FIRST
        own = next(iter(course.guesses), stage)
        self._paces[own] = pace
        course.made += 1
        self._asking += not course.has_asked
        course.has_asked = True
        if course.left.get(own, 0.0) > 1.0:
            less = min(1.0, course.left[own] - 1.0)
            course.left[own] -= less
            course.total -= less
            self._left[own] -= less
            self._last = None
            if self._next_would_be_last:
                self.on_change()
        return lambda: self._rank(course)

    def has_room(self) -> None:
        """Say that an endpoint has room for one more request."""
        if self._unopened:
            self.on_change()

    def _rank(self, course: Course) -> Rank:
        if course.total >= self._reckon_last():
            return (0.0, -course.total)
        return (1.0, float(course.number))

    def _reckon_last(self) -> float:
        """Return the requests in a row from which on a dialogue would be the last to end."""
        if self._last is None:
            by_endpoint: defaultdict[int, float] = defaultdict(float)
            likely = next(iter(self._paces.values()), None)  # of a stage that no dialogue has reached yet
            for stage in self._guessed:
                left = self._left[stage] + self._unopened * self._usual(stage)
                by_endpoint[id(self._paces.get(stage, likely))] += left
            self._last = max(by_endpoint.values(), default=0.0) / self.in_flight - MARGIN * self._whole()
        return self._last

    # --- whether another dialogue is opened --------------------------------------------------------

    def may_open(self, open_now: int) -> bool:
        """Return whether one more dialogue is to be opened.

        Args:
            open_now: how many are open.
        """
        if open_now < self.in_flight:
            return True
        if open_now < MOST_OPEN * self.in_flight and self._next_would_be_last:
            return True
        pace = self._paces.get(next(iter(self._guessed), ""))
        silent = open_now - self._asking  # they are about to ask
        return open_now < self.in_flight + self.spare and pace is not None and pace.room > silent

    @property
    def _next_would_be_last(self) -> bool:
        """Whether the dialogue that is opened next would end last, if it waited."""
        return self._unopened > 0 and self._opened > 0 and self._whole() >= self._reckon_last()

    def _whole(self) -> float:
        """Return the requests of a whole dialogue, about."""
        return sum(map(self._usual, self._guessed))

    def _usual(self, stage: str) -> float:
        """Return the requests that a dialogue makes in a stage, about."""
        return self._guessed[stage] / max(1, self._opened) * self._factor(stage)
