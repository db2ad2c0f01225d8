"""Scores, nulls, ceilings and skill for comparing a model's answers with those of people. Pure.

A score alone says little: the midpoint of each scale has an NVAS of 80 on MENAValues. So every score here has a null
(the score of an answer that knows nothing of the people), a ceiling (the score of another sample of the same people)
and an interval.

Arguments of the wrong size or sign are mistakes of the caller and raise `ValueError`. Where there is too little to say
anything, functions return None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import isfinite
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from culturepark.stats import survey_fit
from culturepark.stats.survey_fit import Floats, jsd, shares_of

ROUNDING = 0.01
"""How far masses may be from a sum of 1, since published shares are rounded."""
LEAST_INSIDE = 0.5
"""Least mass on the options for an answer to count as given."""
LEAK = 0.75
"""Mass of the top option above which an abstention counts as a leak (MENAValues, Zahraei & Asgari 2025)."""
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
    return drawn_scores(shares, shares, n, codes, rng, draws)


def drawn_scores(
    given: Mapping[int, float],
    shares: Mapping[int, float],
    n: int,
    codes: Iterable[int],
    rng: np.random.Generator,
    draws: int = 1000,
) -> Ceilings:
    """Return the mean scores of n answers drawn from a distribution, against shares of people.

    Args:
        given: mass of each option, which sums to 1.
        shares: of the people.
        codes: all options of the scale.
    """
    scale = sorted({*codes, *shares, *given})
    wanted = shares_of([shares.get(code, 0.0) for code in scale])
    samples = resampled({code: given.get(code, 0.0) for code in scale}, n, draws, rng)
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
