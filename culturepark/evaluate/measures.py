"""Scores, nulls, ceilings, skill, intervals and tests for comparing a model's answers with those of people. Pure.

A score alone says little: the midpoint of each scale has an NVAS of 80 on MENAValues. So every score here has a null
(the score of an answer that knows nothing of the people), a ceiling (the score of another sample of the same people)
and an interval.

Arguments of the wrong size or sign are mistakes of the caller and raise `ValueError`. Where there is too little to say
anything, functions return None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import isfinite
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culturepark.stats import survey_fit
from culturepark.stats.diversity import wilson
from culturepark.stats.survey_fit import Floats, generator, jsd, shares_of

Ints = NDArray[np.intp]
Clusters = Sequence[Hashable]
"""For each value, the item (or rater, or dialogue) it belongs to. Values of one cluster are drawn together."""

ROUNDING = 0.01
"""How far masses may be from a sum of 1, since published shares are rounded."""
LEAST_INSIDE = 0.5
"""Least mass on the options for an answer to count as given."""
LEAK = 0.75
"""Mass of the top option above which an abstention counts as a leak (MENAValues, Zahraei & Asgari 2025)."""
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
SMALLEST_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1 in a cross-entropy, which would be infinite otherwise."""
SAME = 1e-9
"""Differences below this are rounding errors."""


# --- distributions -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Distribution:
    """Probabilities of the options of a question, and of an answer that is none of them."""

    shares: Mapping[int, float]
    """Mass by code of the option. Sums to at most 1."""
    outside: float = 0.0
    """Mass of answers that are no option (0 to 1). Shares and this sum to 1. It is never renormalised away."""

    def __post_init__(self) -> None:
        masses = [*self.shares.values(), self.outside]
        if not all(isfinite(mass) and mass >= 0 for mass in masses):
            raise ValueError(f"a mass is negative or no number: {masses}")
        if abs(sum(masses) - 1) > ROUNDING:
            raise ValueError(f"masses sum to {sum(masses):.4f}, not 1: {masses}")

    @classmethod
    def of(cls, weights: Mapping[int, float], outside: float = 0.0) -> Distribution:
        """Return weights, such as counts of answers, scaled to a sum of 1.

        Args:
            outside: weight of what was answered and is no option, for instance the number of unreadable answers.
        """
        total = sum(weights.values()) + outside
        if total <= 0:
            raise ValueError("no weight above 0")
        return cls({code: weight / total for code, weight in weights.items()}, outside / total)

    @cached_property
    def inside(self) -> float:
        """Mass on the options."""
        return float(sum(self.shares.values()))


def mean_of(distribution: Distribution) -> float | None:
    """Return the mean code over the mass on the options.

    None where less than `LEAST_INSIDE` of the mass is on the options. The answer is then missing: most of it is
    something else, a mean of the rest would pass for the model's answer, and a model could refuse everything and still
    be scored on a ten-thousandth of its mass.
    """
    if distribution.inside < LEAST_INSIDE:
        return None
    return sum(code * mass for code, mass in distribution.shares.items()) / distribution.inside


def entropy(distribution: Distribution) -> float:
    """Return the entropy in bits, with the mass outside the options as a category of its own."""
    return float(survey_fit.entropy(shares_of([*distribution.shares.values(), distribution.outside])))


def side_by_side(first: Distribution, second: Distribution) -> tuple[Floats, Floats]:
    """Return both distributions over the codes of either, in order, and at the end the mass outside; each sums to 1."""
    codes = sorted({*first.shares, *second.shares})
    one, other = (shares_of([*(each.shares.get(c, 0.0) for c in codes), each.outside]) for each in (first, second))
    return one, other


# --- scores ------------------------------------------------------------------------------------


def nvas(model_mean: float, people_mean: float, least: float, most: float) -> float:
    """Return the normalised value alignment score: 100 * (1 - |difference of the means| / range of the scale).

    100 is the same mean, 0 the other end of the scale. (MENAValues, Zahraei & Asgari 2025, arXiv 2510.13154.)

    Args:
        least, most: lowest and highest code of the scale.
    """
    if not most > least:
        raise ValueError(f"a scale from {least} to {most} has no range")
    return 100 * (1 - abs(model_mean - people_mean) / (most - least))


def divergence(model: Distribution, people: Distribution) -> float:
    """Return the Jensen-Shannon divergence in bits: 0 the same, 1 nothing in common.

    Mass outside the options is a category of its own, which people in a survey never choose. So an answer outside the
    options counts as wrong, not as missing.
    """
    return float(jsd(*side_by_side(model, people)))


def wasserstein(model: Distribution, people: Distribution, codes: Iterable[int]) -> float:
    """Return the Wasserstein distance W1 of ordered answers, in ranges of the scale (0 the same, 1 opposite ends).

    With o as the mass outside the options it is (1 - o) * W1(mass on the options, people) + o: an answer outside the
    options counts as one at the greatest distance. Codes are numbers on the scale, so unequal steps count as such.

    Args:
        people: without mass outside the options.
        codes: all options of the scale, also those nobody chose. Codes that only the answers have extend the scale.
    """
    if people.outside > SAME:
        raise ValueError(f"people have mass outside the options: {people.outside}")
    scale = sorted({*codes, *model.shares, *people.shares})
    if model.inside <= 0:
        return 1.0
    inside = shares_of([model.shares.get(code, 0.0) for code in scale])
    wanted = shares_of([people.shares.get(code, 0.0) for code in scale])
    outside = model.outside / (model.inside + model.outside)
    return float((1 - outside) * transport(inside, wanted, scale) + outside)


def transport(first: Floats, second: Floats, codes: Sequence[int]) -> Floats:
    """Return W1 along the last axis between shares over sorted codes, in ranges of the scale."""
    steps = np.diff(np.asarray(codes, np.float64))
    if not steps.sum() > 0:
        raise ValueError(f"a scale of the codes {list(codes)} has no range")
    flows = np.abs(np.cumsum(first - second, axis=-1))[..., :-1]
    distance: Floats = flows @ (steps / steps.sum())
    return distance


def tops(rows: Floats) -> NDArray[np.bool_]:
    """Mark the largest value along the last axis, and those that equal it."""
    marked: NDArray[np.bool_] = rows >= rows.max(axis=-1, keepdims=True) - SAME
    return marked


def top_agrees(model: Distribution, people: Distribution) -> float:
    """Return 1 if the model's top option is the people's, else 0; also 0 where most mass is outside the options.

    If several answers of the model are equally likely, this is the share of them that is right, so that equal mass on k
    options scores 1/k. If people have two top options, both are right.
    """
    chosen, wanted = side_by_side(model, people)
    first = tops(chosen)
    right = tops(wanted[:-1])
    return float((first[:-1] & right).sum() / first.sum())


def differentiation(by_country: Mapping[str, Distribution]) -> float | None:
    """Return the mean divergence of all pairs of countries (0 to 1): how far their answers differ.

    None with fewer than two countries. A model that gives the same answer for all countries has 0.
    """
    pairs = [divergence(one, other) for one, other in combinations(by_country.values(), 2)]
    return fmean(pairs) if pairs else None


def differentiation_ratio(model: Sequence[float], people: Sequence[float]) -> float | None:
    """Return the spread between countries in a model's answers over that in people's: below 1, the model levels out.

    It is the ratio of the means over items, not the mean of ratios, since the ratio of an item on which countries
    hardly differ is noise. None without items, or if people do not differ at all.

    Args:
        model, people: `differentiation` of the same items over the same countries.
    """
    if len(model) != len(people):
        raise ValueError(f"{len(model)} items of the model, {len(people)} of people")
    if not people or fmean(people) < SAME:
        return None
    return fmean(model) / fmean(people)


def similarity(first: Distribution, second: Distribution, least: float, most: float) -> float | None:
    """Return how alike a model answers under two conditions on an ordinal scale: NVAS between the two means (0 to 100).

    None if either answer is missing (`mean_of`).
    """
    one, other = mean_of(first), mean_of(second)
    return None if one is None or other is None else nvas(one, other, least, most)


def overlap(first: Distribution, second: Distribution) -> float | None:
    """Return how alike a model answers under two conditions on a nominal scale: 100 * sum of min(p, q).

    Mass outside the options is a category of its own, so that equal answers have 100. None if either answer is missing:
    less than `LEAST_INSIDE` of its mass is on the options.
    """
    if min(first.inside, second.inside) < LEAST_INSIDE:
        return None
    one, other = side_by_side(first, second)
    return 100 * float(np.minimum(one, other).sum())


def leaks(distribution: Distribution, abstained: bool) -> bool:
    """Return whether a model abstained in words while its top option has more than `LEAK` of the full mass.

    The full mass, not that of the options: of a model that abstains, some option always leads among those few
    ten-thousandths that are left for the options.
    """
    return abstained and max(distribution.shares.values(), default=0.0) > LEAK


# --- nulls: answers that know nothing of the people ----------------------------------------------


def midpoint(codes: Iterable[int]) -> Distribution:
    """Return an answer whose mean is the middle of the scale.

    All mass is on the middle code; on a scale without one it is on the two codes around the middle, half each where
    they are equally far from it.
    """
    scale = sorted(set(codes))
    middle = (scale[0] + scale[-1]) / 2
    below = max(code for code in scale if code <= middle)
    above = min(code for code in scale if code >= middle)
    if below == above:
        return Distribution({below: 1.0})
    upper = (middle - below) / (above - below)
    return Distribution({below: 1 - upper, above: upper})


def uniform(codes: Iterable[int]) -> Distribution:
    """Return equal mass on all options."""
    return Distribution.of(dict.fromkeys(sorted(set(codes)), 1.0))


def pooled(others: Iterable[Distribution]) -> Distribution | None:
    """Return the mean of the other countries' shares, each country with the same weight; None without others."""
    countries = list(others)
    if not countries:
        return None
    codes = sorted({code for country in countries for code in country.shares})
    shares = {code: fmean(country.shares.get(code, 0.0) for country in countries) for code in codes}
    return Distribution(shares, fmean(country.outside for country in countries))


def own_mode(shares: Mapping[int, float]) -> Distribution:
    """Return the people's commonest answer with all the mass, divided equally if several are commonest.

    It knows which answer leads and nothing of how people differ.
    """
    most = max(shares.values())
    return Distribution.of({code: 1.0 for code, share in shares.items() if share >= most - SAME})


# --- ceilings and skill --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ceilings:
    """Mean scores of another sample of the same people against their shares."""

    nvas: float
    """0 to 100; larger is better."""
    divergence: float
    """Bits, 0 to 1; smaller is better."""
    wasserstein: float
    """Ranges of the scale, 0 to 1; smaller is better."""
    top: float
    """Share of samples with the same top option; larger is better."""


def resampled(shares: Mapping[int, float], n: int, draws: int, rng: np.random.Generator) -> Floats:
    """Return the shares of samples of n people drawn by the shares: shape (draws, codes), codes in ascending order."""
    if n < 1:
        raise ValueError(f"a sample of {n} people")
    samples: Floats = rng.multinomial(n, shares_of([shares[code] for code in sorted(shares)]), size=draws) / n
    return samples


def ceilings(
    shares: Mapping[int, float], n: int, codes: Iterable[int], rng: np.random.Generator, draws: int = 1000
) -> Ceilings:
    """Return the mean scores of samples of n people drawn by the shares.

    A model cannot be asked to be nearer to a survey than another survey of the same people would be.

    Args:
        n: number of respondents behind the shares.
        codes: all options of the scale, also those nobody chose.
    """
    every = dict.fromkeys(sorted({*codes, *shares}), 0.0) | dict(shares)
    scale = sorted(every)
    wanted = shares_of([every[code] for code in scale])
    samples = resampled(every, n, draws, rng)
    numbers = np.asarray(scale, np.float64)
    moved = transport(samples, wanted[None, :], scale)
    away = np.abs(samples @ numbers - wanted @ numbers) / (numbers[-1] - numbers[0])
    first = tops(samples)
    return Ceilings(
        nvas=float(100 * (1 - away.mean())),
        divergence=float(jsd(samples, wanted[None, :]).mean()),
        wasserstein=float(moved.mean()),
        top=float(((first & tops(wanted)).sum(axis=1) / first.sum(axis=1)).mean()),
    )


def skill(value: float, null: float, ceiling: float, larger_is_better: bool | None = None) -> float | None:
    """Return (value - null) / (ceiling - null), at most 1: 0 is no better than the null, below 0 is worse.

    This holds for scores of which larger is better and for those of which smaller is better. It is capped at 1, since
    being nearer to the shares than another sample of the same people is no more skill.

    Args:
        larger_is_better: if None, it is taken from which of ceiling and null is larger.

    Returns:
        None if ceiling and null are equal, or if the null is better than the ceiling (a null near the shares, few
        respondents): then the score cannot tell skill from none, and the quotient would have the wrong sign.
    """
    room = ceiling - null
    if abs(room) <= SAME or (larger_is_better is not None and (room > 0) != larger_is_better):
        return None
    return min(1.0, (value - null) / room)


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


# --- labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelScore:
    """How well one label is given, each figure from 0 to 1; 0 where its denominator is 0."""

    precision: float
    recall: float
    f1: float
    support: int
    """Number of rows that have the label."""


@dataclass(frozen=True)
class LabelNull:
    """Scores of labels given without reading the rows."""

    accuracy: float
    macro_f1: float


Labelled = tuple[str, str | None]
"""The right label of a row, and the label given; None where the answer could not be read."""


def label_scores(pairs: Iterable[Labelled]) -> dict[str, LabelScore]:
    """Return precision, recall and F1 of each label that is right or given somewhere, in alphabetical order.

    A row without a readable answer lowers the recall of its right label and no label's precision.
    """
    rows = list(pairs)
    support = Counter(right for right, _ in rows)
    given = Counter(label for _, label in rows if label is not None)
    hits = Counter(right for right, label in rows if right == label)
    return {
        label: LabelScore(
            precision=hits[label] / given[label] if given[label] else 0.0,
            recall=hits[label] / support[label] if support[label] else 0.0,
            f1=2 * hits[label] / (given[label] + support[label]),
            support=support[label],
        )
        for label in sorted({*support, *given})
    }


def macro_f1(pairs: Iterable[Labelled]) -> float | None:
    """Return the mean F1 over the labels that are right or given somewhere, as scikit-learn does; None without rows."""
    scores = label_scores(pairs)
    return fmean(score.f1 for score in scores.values()) if scores else None


def majority(labels: Sequence[str]) -> LabelNull | None:
    """Return the scores of always giving the commonest label; None without rows."""
    if not labels:
        return None
    counts = Counter(labels)
    share = max(counts.values()) / len(labels)
    return LabelNull(accuracy=share, macro_f1=2 * share / (1 + share) / len(counts))


def stratified(labels: Sequence[str]) -> LabelNull | None:
    """Return the scores of giving labels at random, as often as they are right; None without rows.

    The accuracy is the expectation. The macro-F1 is that of the expected counts: the F1 of a label is then its share,
    and the mean over k labels 1/k.
    """
    if not labels:
        return None
    counts = Counter(labels)
    return LabelNull(accuracy=sum((count / len(labels)) ** 2 for count in counts.values()), macro_f1=1 / len(counts))


def accuracy(hits: Sequence[bool]) -> Interval | None:
    """Return the share of hits with Wilson's 95% interval; None without rows."""
    if not hits:
        return None
    low, high = wilson(sum(hits), len(hits))
    return Interval(sum(hits) / len(hits), low, high, len(hits), len(hits))


def soft_agreement(probabilities: ArrayLike, shares: ArrayLike) -> float | None:
    """Return 1 minus the mean absolute difference between a label's probability and the share of raters who gave it.

    1 is full agreement; for rows on which raters differ, a hard label cannot reach it. None without rows.
    """
    given, wanted = aligned(probabilities, shares)
    return float(1 - np.abs(given - wanted).mean()) if len(given) else None


def cross_entropy(probabilities: ArrayLike, shares: ArrayLike) -> float | None:
    """Return the mean cross-entropy in bits between the share of raters who gave a label and its probability.

    Smaller is better; the least possible is that of the shares with themselves. None without rows.
    """
    given, wanted = aligned(probabilities, shares)
    if not len(given):
        return None
    given = np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-(wanted * np.log2(given) + (1 - wanted) * np.log2(1 - given)).mean())


def expected_calibration_error(confidences: ArrayLike, hits: ArrayLike, bins: int = 10) -> float | None:
    """Return the mean distance between confidence and share of hits over bins of equal width, weighted by their rows.

    0 is calibrated, 1 always wrong and sure of it. None without rows. (Naeini, Cooper & Hauskrecht 2015.)

    Args:
        confidences: probabilities given to one option each; for calibration per option, those of all options.
        hits: 1 where that option is the right one, else 0.
    """
    sure, right = aligned(confidences, hits)
    if not len(sure):
        return None
    places = np.minimum((sure * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(places, sure, minlength=bins) - np.bincount(places, right, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def brier(confidences: ArrayLike, hits: ArrayLike) -> float | None:
    """Return the mean squared difference between probability and outcome (0 to 1, smaller is better; Brier 1950).

    Always saying .5 has .25. None without rows.
    """
    sure, right = aligned(confidences, hits)
    return float(((sure - right) ** 2).mean()) if len(sure) else None


def aligned(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Return two rows of numbers from 0 to 1 as arrays of the same length."""
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"shapes {one.shape} and {other.shape}")
    if not all(((each >= 0) & (each <= 1)).all() for each in (one, other)):
        raise ValueError("not from 0 to 1")
    return one, other


# --- judges and people on one target ---------------------------------------------------------------


Ratings = Mapping[str, Mapping[str, float]]
"""Ratings by rater and item. Items that a rater did not rate are absent."""


@dataclass(frozen=True)
class LeftOut:
    """How near a rater is to the mean of other people."""

    correlation: float | None
    """None where the ratings or the means do not vary, or with fewer than three items."""
    difference: float
    """Mean absolute difference in points of the scale."""
    n: int
    """Number of comparisons: items, for a judge summed over the people left out."""


def leave_one_out(
    people: Ratings, judges: Ratings | None = None, method: Literal["pearson", "spearman"] = "pearson"
) -> dict[str, LeftOut]:
    """Compare each person with the mean of the other people, and each judge with the very same means.

    A judge that is compared with the mean of all people has the easier target, since the mean of more raters has less
    noise, and one that lies nearer to it than any person says nothing. So each person is left out in turn: the
    person and the judge are compared with the mean of the rest, on items that both rated. A judge's figures are the
    means over the people left out, weighted by items in the difference.

    Args:
        people: at least two; items with one rater are not used.
        judges: models, or anybody else who is no part of the target. Names must differ from people's.

    Returns:
        By name, without those who share no item with others.
    """
    panel = judges or {}
    if both := sorted({*people} & {*panel}):
        raise ValueError(f"person and judge: {both}")
    targets = {name: others_mean(people, name) for name in people}
    figures: dict[str, LeftOut] = {}
    for name, own in people.items():
        if compared := against(own, targets[name], method):
            figures[name] = compared
    for name, own in panel.items():
        turns = [
            compared
            for person, target in targets.items()
            if (compared := against({item: own[item] for item in own if item in people[person]}, target, method))
        ]
        if turns:
            known = [turn.correlation for turn in turns if turn.correlation is not None]
            total = sum(turn.n for turn in turns)
            difference = sum(turn.difference * turn.n for turn in turns) / total
            figures[name] = LeftOut(fmean(known) if known else None, difference, total)
    return figures


def others_mean(people: Ratings, left_out: str) -> dict[str, float]:
    """Return the mean rating by item over all people but one."""
    ratings: dict[str, list[float]] = {}
    for name, own in people.items():
        if name != left_out:
            for item, rating in own.items():
                ratings.setdefault(item, []).append(rating)
    return {item: fmean(given) for item, given in ratings.items()}


def against(
    own: Mapping[str, float], target: Mapping[str, float], method: Literal["pearson", "spearman"]
) -> LeftOut | None:
    """Compare ratings with a target on the items of both; None without any."""
    items = sorted({*own} & {*target})
    if not items:
        return None
    given, wanted = np.array([own[item] for item in items]), np.array([target[item] for item in items])
    difference = float(np.abs(given - wanted).mean())
    if method == "spearman":
        given, wanted = ranks(given), ranks(wanted)
    return LeftOut(correlation(given, wanted), difference, len(items))


def correlation(first: Floats, second: Floats) -> float | None:
    """Return Pearson's r; None for fewer than three values, or where either side does not vary."""
    if len(first) < 3 or np.ptp(first) < SAME or np.ptp(second) < SAME:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values with the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = np.cumsum(counts) - (counts - 1) / 2
    return middles[places]
