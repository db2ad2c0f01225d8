"""Measures how far judges agree, whether models or people. Pure.

Krippendorff's alpha is computed from coincidences (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"),
kappa from a table of two judges (Cohen 1960; weighted: Cohen 1968). Both are None where too little was judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

Scale = Literal["nominal", "ordinal", "interval"]
Label = str | float
Judged = tuple[str, str, Label]
"""A judge, a subject, and the label it was given."""

PLACES = 2
"""Decimals to which numbers are rounded: every pair of different labels is compared, so there must be few."""


def alpha(judged: Iterable[Judged], scale: Scale) -> float | None:
    """Krippendorff's alpha, three decimals.

    1 is full agreement, 0 what chance would bring, below 0 is worse than chance.

    Returns:
        None if fewer than two subjects have two judgements, or if all judgements are the same.
    """
    pairable = shared(judged)
    if not varied(pairable):
        return None
    apart = distance(scale, [label for _, _, label in pairable])
    units: dict[str, Counter[Label]] = defaultdict(Counter)
    for _, what, label in pairable:
        units[what][label] += 1
    observed = sum(disagreement(labels, apart) / (labels.total() - 1) for labels in units.values())
    whole = sum(units.values(), Counter[Label]())
    return rounded(1 - (whole.total() - 1) * observed / disagreement(whole, apart))


def disagreement(labels: Counter[Label], apart: Callable[[Label, Label], float]) -> float:
    """Sum of the distances of all ordered pairs of judgements."""
    return sum(n * m * apart(first, second) for first, n in labels.items() for second, m in labels.items())


def kappa(judged: Iterable[Judged], one: str, other: str, scale: Scale) -> float | None:
    """Cohen's kappa of two judges over what both have judged, three decimals; weighted by squares unless nominal.

    Returns:
        None as `alpha` does.
    """
    both = shared([by for by in judged if by[0] in (one, other)])
    if not varied(both):
        return None
    apart = distance("nominal" if scale == "nominal" else "interval", [])
    first, second = ({what: label for who, what, label in both if who == judge} for judge in (one, other))
    observed = sum(apart(label, second[what]) for what, label in first.items()) / len(first)
    mine, theirs = Counter(first.values()), Counter(second.values())
    chance = sum(n * m * apart(a, b) for a, n in mine.items() for b, m in theirs.items()) / len(first) ** 2
    return rounded(1 - observed / chance)


def rounded(figure: float) -> float:
    return round(float(figure), 3)


def shared(judged: Iterable[Judged]) -> list[Judged]:
    """The judgements of subjects that were judged twice or more."""
    by_subject: dict[str, list[Judged]] = defaultdict(list)
    for judge, subject, label in judged:
        by_subject[subject].append((judge, subject, label if isinstance(label, str) else round(label, PLACES)))
    return [judgement for judgements in by_subject.values() if len(judgements) > 1 for judgement in judgements]


def varied(pairable: Sequence[Judged]) -> bool:
    """Whether two subjects and two labels are among them; else agreement is not defined."""
    return len({what for _, what, _ in pairable}) > 1 and len({label for _, _, label in pairable}) > 1


def distance(scale: Scale, labels: Sequence[Label]) -> Callable[[Label, Label], float]:
    """The squared distance between two labels on a scale.

    Args:
        labels: all that were given. On an ordinal scale, the distance counts the labels between two.
    """
    if scale == "nominal":
        return lambda a, b: float(a != b)
    if scale == "interval":
        return lambda a, b: (float(a) - float(b)) ** 2
    count, below, rank = Counter(map(float, labels)), 0, {}
    for label in sorted(count):
        rank[label] = below + count[label] / 2
        below += count[label]
    return lambda a, b: (rank[float(a)] - rank[float(b)]) ** 2
