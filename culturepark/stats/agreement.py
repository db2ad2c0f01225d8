"""Agreement between judges, models or people. Pure.

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
"""Decimals of numeric labels. All pairs of different labels are compared, so there must be few."""


def alpha(judged: Iterable[Judged], scale: Scale) -> float | None:
    """Return Krippendorff's alpha with three decimals: 1 is full agreement, 0 chance, below 0 worse than chance.

    Returns:
        None if fewer than two subjects have two judgements, or if all judgements are the same.
    """
    pairable = shared(judged)
    if not varied(pairable):
        return None
    far = distance(scale, [label for _, _, label in pairable])
    units: dict[str, Counter[Label]] = defaultdict(Counter)
    for _, subject, label in pairable:
        units[subject][label] += 1
    observed = sum(disagreement(labels, far) / (labels.total() - 1) for labels in units.values())
    pooled = sum(units.values(), Counter[Label]())
    return rounded(1 - (pooled.total() - 1) * observed / disagreement(pooled, far))


def disagreement(labels: Counter[Label], far: Callable[[Label, Label], float]) -> float:
    """Return the sum of the distances of all ordered pairs of judgements."""
    return sum(n * m * far(first, second) for first, n in labels.items() for second, m in labels.items())


def agreed(judged: Iterable[Judged]) -> tuple[float, float] | None:
    """Return the share of pairs of judgements that agree, and the share that would by chance, with three decimals.

    Both are those from which `alpha` is computed on a nominal scale.

    Returns:
        None if nothing was judged twice.
    """
    units: dict[str, Counter[Label]] = defaultdict(Counter)
    for _, subject, label in shared(judged):
        units[subject][label] += 1
    if not units:
        return None
    far, pooled = distance("nominal", []), sum(units.values(), Counter[Label]())
    observed = sum(disagreement(labels, far) / (labels.total() - 1) for labels in units.values()) / pooled.total()
    by_chance = disagreement(pooled, far) / (pooled.total() * (pooled.total() - 1))
    return rounded(1 - observed), rounded(1 - by_chance)


def kappa(judged: Iterable[Judged], one: str, other: str, scale: Scale) -> float | None:
    """Return Cohen's kappa of two judges with three decimals, weighted by squares unless the scale is nominal.

    Returns:
        None in the same cases as `alpha`.
    """
    both = shared([judgement for judgement in judged if judgement[0] in (one, other)])
    if not varied(both):
        return None
    far = distance("nominal" if scale == "nominal" else "interval", [])
    first, second = ({subject: label for judge, subject, label in both if judge == by} for by in (one, other))
    observed = sum(far(label, second[subject]) for subject, label in first.items()) / len(first)
    labels, others = Counter(first.values()), Counter(second.values())
    chance = sum(n * m * far(a, b) for a, n in labels.items() for b, m in others.items()) / len(first) ** 2
    return rounded(1 - observed / chance)


def rounded(figure: float) -> float:
    return round(float(figure), 3)


def shared(judged: Iterable[Judged]) -> list[Judged]:
    """Return the judgements of subjects that were judged at least twice."""
    by_subject: dict[str, list[Judged]] = defaultdict(list)
    for judge, subject, label in judged:
        by_subject[subject].append((judge, subject, label if isinstance(label, str) else round(label, PLACES)))
    return [judgement for judgements in by_subject.values() if len(judgements) > 1 for judgement in judgements]


def varied(pairable: Sequence[Judged]) -> bool:
    """Tell whether there are two subjects and two labels, without which agreement is not defined."""
    return len({subject for _, subject, _ in pairable}) > 1 and len({label for _, _, label in pairable}) > 1


def distance(scale: Scale, labels: Sequence[Label]) -> Callable[[Label, Label], float]:
    """Return the squared distance between two labels as a function.

    Args:
        labels: all labels that were given; an ordinal distance counts those between two labels.
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
