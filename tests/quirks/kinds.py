"""What a behaviour is, what is expected of culturepark under it, and the register of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.quirks.asking import Answer, Ask

STAIN = "Qxstain"
"""Stands in all that may be in no turn, statement, sample or exported line: thoughts, halves of answers, errors."""


@dataclass(frozen=True)
class Expect:
    """What a good client makes of it. Figures are measured beside a run in which nothing is odd."""

    exits: tuple[int, ...] = (0,)
    samples: float = 0.8
    """At least this share of the plain run's samples."""
    requests: float = 1.4
    """At most so many times the plain run's requests, and four."""
    most: int | None = None
    """At most so many requests, whatever the plain run needs."""
    says: str = ""
    """What the user must be told, by the run or by `doctor`: a regular expression, in any case."""
    never: tuple[str, ...] = ()
    """What else, besides the stain, no turn, statement, sample or exported line may hold."""
    seconds: float = 600.0
    """In which the run is over, on the clock of run and server; their waiting takes no time of the tests'."""
    megabytes: float | None = None
    """By which the process may grow."""


@dataclass(frozen=True)
class Quirk:
    """One behaviour."""

    name: str
    kind: str
    imitates: str
    source: str
    answer: Callable[[Ask], Answer]
    expect: Expect
    arguments: tuple[str, ...] = ()
    slow: bool = False
    """Left to `make torture`."""


QUIRKS: dict[str, Quirk] = {}
PLAIN = "plain"


def quirk(
    expect: Expect | None = None, *arguments: str, slow: bool = False
) -> Callable[[Callable[[Ask], Answer]], Callable[[Ask], Answer]]:
    """Registers a behaviour under its function's name."""

    def add(answer: Callable[[Ask], Answer]) -> Callable[[Ask], Answer]:
        name = answer.__name__.strip("_").replace("_", "-")
        text, found, source = " ".join((answer.__doc__ or "").split()).partition(" Source: ")
        if name in QUIRKS or not found:
            raise ValueError(f"{name}: a behaviour of this name exists, or its docstring names no source")
        kind = answer.__module__.rpartition(".")[2]
        QUIRKS[name] = Quirk(name, kind, text, source.rstrip("."), answer, expect or Expect(), arguments, slow)
        return answer

    return add


def stops(says: str, *, most: int = 8, exits: tuple[int, ...] = (3,)) -> Expect:
    """Nothing can be done about it: the run ends soon, and the user is told why."""
    return Expect(exits, samples=0, most=most, says=says)
