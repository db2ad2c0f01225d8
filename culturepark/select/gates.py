"""Gates: what a row must meet to be selected. Each is one entry of `GATES`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import NamedTuple, get_args

from culturepark.domain import Scored
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.select.candidates import AXES, Candidate

Test = Callable[[Candidate], bool | None]
"""Tells whether a row passes; None where what is asked is not known of it, which falls too."""


class Kind(NamedTuple):
    """A kind of gate."""

    asks: str
    """What is asked of a row, in words."""
    example: str
    read: Callable[[str], Test] | None
    """Makes the test of the value; raises ValueError with what is wanted. None: one row of each answer passes."""


@dataclass(frozen=True)
class Gate:
    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    @property
    def test(self) -> Test | None:
        """
        Raises:
            UsageError: if the value cannot be read.
        """
        kind = GATES[self.name]
        try:
            if kind.read:
                return kind.read(self.value)
            only_answers(self.value)
            return None
        except ValueError as error:
            raise UsageError(f"--gate {clipped(str(self))}: {error}, as in {kind.example}") from None


def gates_of(texts: Iterable[str]) -> list[Gate]:
    """Read gates, in their order.

    Raises:
        UsageError: if one cannot be read.
    """
    gates = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in GATES:
            raise UsageError(f"--gate {clipped(text)!r}: NAME=VALUE, where NAME is one of {', '.join(GATES)}")
        gates.append(Gate(name, value))
        _ = gates[-1].test
    return gates


def passing(gate: Gate, candidates: Sequence[Candidate]) -> tuple[list[Candidate], int]:
    """Return the candidates that pass a gate, in their order, and how many fell because nobody knows.

    Raises:
        UsageError: if it is known of none of them, or if it names a value that none of them has.
    """
    test = gate.test
    if test is None:
        first: dict[str, Candidate] = {}
        for candidate in candidates:
            first.setdefault(candidate.answer, candidate)
        return list(first.values()), 0
    results = [test(candidate) for candidate in candidates]
    unknown = results.count(None)
    if candidates and unknown == len(candidates):
        if gate.name == "reviewed":
            raise UsageError(f"--gate {gate}: nobody has reviewed these rows; `culturepark review` does")
        raise UsageError(f"--gate {gate}: nothing of what is left is known for it ({GATES[gate.name].asks})")
    return [c for c, passes in zip(candidates, results, strict=True) if passes], unknown


def check_values(gate: Gate, candidates: Iterable[Candidate]) -> None:
    """
    Raises:
        UsageError: if the gate names a value of an axis that no candidate has.
    """
    if gate.name in AXES:
        check_named(f"--gate {gate}", gate.name, gate.value.split(","), candidates)


def check_named(where: str, axis: str, values: Iterable[str], candidates: Iterable[Candidate]) -> None:
    there = {candidate.axes[axis] for candidate in candidates if axis in candidate.axes}
    if missing := [value for value in values if value not in there]:
        known = ", ".join(sorted(there)[:20]) + (", ..." if len(there) > 20 else "")
        raise UsageError(
            f"{clipped(where)}: no row has the {axis} {clipped(missing[0])!r}; there are {known or 'none'}"
        )


# --- the kinds -------------------------------------------------------------------------------------


def one_of(axis: str) -> Kind:
    def read(value: str) -> Test:
        names = frozenset(value.split(","))
        if "" in names:
            raise ValueError("values with commas between")
        return lambda candidate: candidate.axes[axis] in names if axis in candidate.axes else None

    examples = {
        "provenance": "card,episode",
        "shape": "own,norm",
        "culture": "KEY,KEY",
        "kind": "norm,custom",
    }
    return Kind(f"{AXES[axis]} is one of these", f"{axis}={examples.get(axis, 'VALUE')}", read)


def confidence(value: str) -> Test:
    least = number(value, 0, 1)
    return lambda candidate: None if candidate.confidence is None else candidate.confidence >= least


def flags(value: str) -> Test:
    banned = frozenset(value.split(","))
    if not value or "" in banned:
        raise ValueError("flags that it must not have, or none")
    if value == "none":
        return lambda candidate: not candidate.flags
    return lambda candidate: not banned & candidate.flags


def reviewed(value: str) -> Test:
    if value == "accepted":
        return lambda candidate: "accept" in candidate.decisions if candidate.decisions else None
    if value == "not-rejected":
        return lambda candidate: "reject" not in candidate.decisions
    raise ValueError("accepted, or not-rejected")


def words(value: str) -> Test:
    least, dots, most = value.partition("..")
    if not dots or not (least or most):
        raise ValueError("a range of words")
    low, high = number(least, 0, inf) if least else 0, number(most, 0, inf) if most else inf
    if low > high:
        raise ValueError(f"{low:g} is more than {high:g}")
    return lambda candidate: low <= candidate.words <= high


def score(value: str) -> Test:
    name, _, least = value.partition(":")
    criterion = next((full for full in get_args(Scored) if name and full.startswith(name)), None)
    if criterion is None:
        raise ValueError(f"{' or '.join(get_args(Scored))}, and the least median of the judges' scores")
    low = number(least, 1, 5)
    return lambda candidate: candidate.scores[criterion] >= low if criterion in candidate.scores else None


def only_answers(value: str) -> None:
    if value != "answer":
        raise ValueError("answer")


def number(text: str, low: float, high: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = inf
    if not isfinite(found) or not low <= found <= high:
        raise ValueError(f"a number from {low:g}" + (f" to {high:g}" if isfinite(high) else ""))
    return found


GATES: dict[str, Kind] = {
    **{axis: one_of(axis) for axis in AXES},
    "confidence": Kind("the least confidence of the verdicts that keep it", "confidence=.9", confidence),
    "flags": Kind("it has none of these flags", "flags=generic,unfounded or flags=none", flags),
    "reviewed": Kind("somebody accepted it, or nobody rejected it", "reviewed=accepted", reviewed),
    "words": Kind("the number of words of the answer", "words=5..60", words),
    "score": Kind("the median of the judges' scores", "score=harmlessness:4", score),
    "distinct": Kind("no other selected row has its answer", "distinct=answer", None),
}
