"""Intervals over items by bootstrap, tests of differences, and what the place of an option does. Pure.

Where there is too little to say anything, functions return None.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from culturepark.evaluate.measures import SAME
from culturepark.stats.survey_fit import Floats, generator

Ints = NDArray[np.intp]
Clusters = Sequence[Hashable]
"""For each value, the item (or rater, or dialogue) it belongs to. Values of one cluster are drawn together."""

ALWAYS = 0.9
"""Mass on one position from which a model is said to choose by position alone."""
DRAWS = 2000
"""Bootstrap draws behind an interval."""
PERMUTATIONS = 9999
"""Random sign flips behind a p-value, so that the smallest is .0001 and survives Holm's correction for many tests."""
ENUMERATED = 14
"""Up to this many clusters, all sign flips are tried (16,384)."""
FEWEST_CLUSTERS = 5
"""With fewer clusters there is no interval: the percentiles of a bootstrap would be far too narrow."""
AT_ONCE = 2_000_000
"""Random numbers held in memory at a time."""


# --- intervals and tests -------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval."""

    value: float
    low: float | None
    """None where there is too little for an interval."""
    high: float | None
    n: int
    """Number of values."""
    clusters: int
    """Number of clusters the values come from: what the interval's width depends on."""


@dataclass(frozen=True)
class PairedDifference:
    """A mean difference between paired values, with its 95% interval and a test."""

    value: float
    """Mean of first minus second."""
    low: float | None
    high: float | None
    p: float
    """Two-sided p-value of sign flips by cluster, above 0."""
    n: int
    clusters: int


def bootstrap(
    values: Sequence[float],
    *parts: object,
    weights: Sequence[float] | None = None,
    clusters: Clusters | None = None,
    draws: int = DRAWS,
) -> Interval | None:
    """Return the (weighted) mean with its percentile bootstrap interval over clusters; None without values.

    Clusters are drawn whole, since answers to one item are not independent. The ends are None with fewer than
    `FEWEST_CLUSTERS` clusters.

    Args:
        parts: seed of the draws; the same parts give the same interval.
        weights: not negative, with a sum above 0.
        clusters: by default each value is a cluster.
    """
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        return None
    weighing = np.ones(len(numbers)) if weights is None else np.asarray(weights, np.float64)
    places, count = placed(clusters, len(numbers))
    if len(weighing) != len(numbers) or (weighing < 0).any() or not weighing.sum() > 0:
        raise ValueError("weights must be as many as the values, not negative, and not all 0")
    totals = np.bincount(places, weighing * numbers, minlength=count)
    masses = np.bincount(places, weighing, minlength=count)
    value = float(totals.sum() / masses.sum())
    if count < FEWEST_CLUSTERS:
        return Interval(value, None, None, len(numbers), count)
    rng = generator("bootstrap", *parts)
    means = []
    for size in portions(draws, count):
        drawn = rng.integers(count, size=(size, count))  # four times as fast as `multinomial` for 20,000 clusters
        mass, total = masses[drawn].sum(axis=1), totals[drawn].sum(axis=1)
        means.append(total[mass > 0] / mass[mass > 0])
    low, high = percentiles(np.concatenate(means))
    return Interval(value, low, high, len(numbers), count)


def bootstrap_statistic(
    statistic: Callable[[Ints], float | None], clusters: Clusters, *parts: object, draws: int = 500
) -> Interval | None:
    """Return any statistic of rows, such as a macro-F1, with its percentile bootstrap interval over clusters.

    Args:
        statistic: takes positions of rows (some several times) and returns its value, or None where it has none.
        clusters: of each row.

    Returns:
        None if the statistic of all rows is None. The ends are None with fewer than `FEWEST_CLUSTERS` clusters.
    """
    value = statistic(np.arange(len(clusters)))
    if value is None:
        return None
    places, count = placed(clusters, len(clusters))
    if count < FEWEST_CLUSTERS:
        return Interval(value, None, None, len(clusters), count)
    members = [np.flatnonzero(places == place) for place in range(count)]
    rng = generator("bootstrap", *parts)
    drawn = (statistic(np.concatenate([members[i] for i in rng.integers(count, size=count)])) for _ in range(draws))
    low, high = percentiles(np.array([one for one in drawn if one is not None]))
    return Interval(value, low, high, len(clusters), count)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    *parts: object,
    clusters: Clusters | None = None,
    draws: int = DRAWS,
) -> PairedDifference | None:
    """Return the mean of first minus second with a bootstrap interval and a sign-flip test, both over clusters.

    If neither is better, the sign of a cluster's summed difference is as likely to be the other one. The p-value is
    the share of sign flips with a sum at least as far from 0: of all of them with up to `ENUMERATED` clusters, else of
    `PERMUTATIONS` random ones and the observed one.

    Args:
        first, second: values of the same answers in the same order. A pair with a missing value must be left out.

    Returns:
        None without values.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values against {len(second)}")
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    mean = bootstrap(differences.tolist(), *parts, clusters=clusters, draws=draws)
    if mean is None:
        return None
    places, count = placed(clusters, len(differences))
    sums: Floats = np.bincount(places, differences, minlength=count).astype(np.float64)
    p = sign_flips(sums, *parts)
    return PairedDifference(mean.value, mean.low, mean.high, p, mean.n, mean.clusters)


def sign_flips(sums: Floats, *parts: object) -> float:
    """Return the two-sided p-value of a sum under random signs of its terms."""
    count = len(sums)
    least = abs(sums.sum()) - SAME * np.abs(sums).sum()
    if count <= ENUMERATED:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((1 - 2 * bits) @ sums) >= least).mean())
    rng = generator("sign flips", *parts)
    far = 1  # the observed signs
    for size in portions(PERMUTATIONS, count):
        signs = 1.0 - 2.0 * rng.integers(2, size=(size, count), dtype=np.int8)
        far += int(np.count_nonzero(np.abs(signs @ sums) >= least))
    return far / (1 + PERMUTATIONS)


def placed(clusters: Clusters | None, count: int) -> tuple[Ints, int]:
    """Return the number of each value's cluster, and how many clusters there are."""
    if clusters is None:
        return np.arange(count), count
    if len(clusters) != count:
        raise ValueError(f"{len(clusters)} clusters for {count} values")
    numbers = {cluster: number for number, cluster in enumerate(sorted(set(clusters), key=str))}
    return np.array([numbers[cluster] for cluster in clusters], np.intp), len(numbers)


def portions(draws: int, width: int) -> list[int]:
    """Divide draws of so many numbers each into portions that fit in memory."""
    size = max(1, AT_ONCE // max(1, width))
    return [min(size, draws - start) for start in range(0, draws, size)]


def percentiles(values: Floats) -> tuple[float | None, float | None]:
    """Return the ends of the middle 95%; None without values."""
    if not len(values):
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several (Holm 1979, doi:10.2307/4615733), in the order given."""
    adjusted = [0.0] * len(pvalues)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        largest = max(largest, min(1.0, (len(pvalues) - rank) * pvalues[place]))
        adjusted[place] = largest
    return adjusted


# --- bias by position ----------------------------------------------------------------------------


@dataclass(frozen=True)
class PositionBias:
    """How the mass on the options is divided over the positions they were shown at."""

    shares: tuple[Interval, ...]
    """Share of the mass on the options by position, first to last; they sum to 1."""
    outside: float
    """Mean mass outside the options."""

    @property
    def chance(self) -> float:
        """The share of every position for a model that chooses by content, if orders are balanced."""
        return 1 / len(self.shares)

    @property
    def always(self) -> int | None:
        """The position (from 0) with at least `ALWAYS` of the mass on options, whatever stands there; None if none."""
        return next((i for i, share in enumerate(self.shares) if share.value >= ALWAYS - SAME), None)

    @property
    def verdict(self) -> str | None:
        """`always_first`, `always_last` or `always_position_3` (from 1) for a model that chooses by position alone."""
        if self.always is None:
            return None
        names = {0: "always_first", len(self.shares) - 1: "always_last"}
        return names.get(self.always, f"always_position_{self.always + 1}")


def chosen(position: int, count: int) -> tuple[float, ...]:
    """Return an answer that chose one of so many positions (from 0) as mass by position."""
    if not 0 <= position < count:
        raise ValueError(f"position {position} of {count}")
    return tuple(float(place == position) for place in range(count))


def position_shares(
    masses: Sequence[Sequence[float]], *parts: object, clusters: Clusters | None = None
) -> PositionBias | None:
    """Return the share of each shown position in the mass on the options, with intervals.

    Orders must be balanced: each option of an item is shown equally often at each position. Then a model that chooses
    by content has 1/k everywhere, whatever it chooses. An answer weighs as much as its mass on the options.

    Args:
        masses: for each answer, the full mass of the option shown at each position (see `chosen`). All have the same
            number of positions, at least two.

    Returns:
        None if no answer has mass on an option.
    """
    rows = [list(row) for row in masses]
    if len({len(row) for row in rows}) > 1 or any(len(row) < 2 for row in rows):
        raise ValueError("answers must have the same number of positions, at least two")
    weights = [sum(row) for row in rows]
    if not sum(weights) > 0:
        return None
    found = [
        bootstrap(
            [row[i] / weight if weight > 0 else 0.0 for row, weight in zip(rows, weights, strict=True)],
            "position", i, *parts, weights=weights, clusters=clusters,
        )
        for i in range(len(rows[0]))
    ]  # fmt: skip
    return PositionBias(tuple(share for share in found if share is not None), 1 - fmean(weights))
