"""Dimension scores by the Values Survey Module 2013, and their distance from those of a country. Pure.

Source: Hofstede, G. & Minkov, M. (2013), Values Survey Module 2013 Manual. Each dimension is a sum over four of 24
items (means of answers from 1 to 5) plus a constant that moves a sample's scores onto the published ones. By the manual
the module compares samples of respondents, never individuals, and only differences between samples have a meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

DIMENSIONS = ("pdi", "idv", "mas", "uai", "lto", "ivr")
"""Power distance, individualism, masculinity, uncertainty avoidance, long-term orientation, indulgence."""
ITEMS = range(1, 25)
LEAST, MOST = 1, 5
"""The answers' scale."""

Term = tuple[float, int, int]
"""A factor, and the items whose means are subtracted: factor * (mean of the first - mean of the second)."""
Formulas = Mapping[str, tuple[Term, Term]]
Scores = Mapping[str, float | None]
"""By dimension; None where it was not measured, or where an item has no answer."""

MANUAL: Formulas = {
    "pdi": ((35, 7, 2), (25, 20, 23)),
    "idv": ((35, 4, 1), (35, 9, 6)),
    "mas": ((35, 5, 3), (35, 8, 10)),
    "uai": ((40, 18, 15), (25, 21, 24)),
    "lto": ((40, 13, 14), (25, 19, 22)),
    "ivr": ((35, 12, 11), (40, 17, 16)),
}
"""The manual's formulas."""
AS_PUBLISHED: Formulas = {**MANUAL, "mas": ((35, 5, 3), (25, 8, 10))}
"""The formulas as used in evaluations of language models, with 25 for the second 35 of MAS."""
AS_PUBLISHED_CONSTANT = 50.0
"""What those evaluations add to every dimension, to one answer an item."""
FEWEST_CULTURES = 2
"""With one culture, a fitted constant makes any answers exactly right."""


@dataclass(frozen=True)
class Distance:
    """How far scores lie from the known ones, in points, over the dimensions that both have."""

    euclidean: float
    """Square root of the sum of squared differences. It grows with the number of dimensions."""
    mean_absolute: float
    """Mean absolute difference, which does not."""
    dimensions: int
    """Number of dimensions compared, of six."""


def item_means(respondents: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean answer by item (1 to 24), over the respondents who answered it; items nobody answered are absent.

    Args:
        respondents: for each, answers from 1 to 5 by item; a mean over options is one too.
    """
    answers: dict[int, list[float]] = {}
    for respondent in respondents:
        for item, answer in respondent.items():
            if item not in ITEMS or not LEAST <= answer <= MOST:
                raise ValueError(f"item {item}: answer {answer}; items are 1 to 24, answers 1 to 5")
            answers.setdefault(item, []).append(answer)
    return {item: fmean(answers[item]) for item in sorted(answers)}


def raw_scores(means: Mapping[int, float], formulas: Formulas = MANUAL) -> dict[str, float | None]:
    """Return the scores before a constant is added; None for a dimension of which an item is missing."""
    return {
        name: None
        if any(item not in means for _, *pair in terms for item in pair)
        else sum(factor * (means[first] - means[second]) for factor, first, second in terms)
        for name, terms in formulas.items()
    }


def fit_constants(
    raw: Mapping[str, Scores], known: Mapping[str, Scores], leave_out: str | None = None
) -> dict[str, float | None]:
    """Return the constant of each dimension that brings raw scores nearest to the known ones (least squares).

    That is the mean of the known minus the mean of the raw scores, over the cultures that have both. A constant uses up
    one degree of freedom: with two cultures, two errors can only be opposite. `leave_out` fits without a culture, for
    a distance that its own scores did not help to shrink.

    Args:
        raw, known: by culture.

    Returns:
        None for a dimension with fewer than `FEWEST_CULTURES` cultures (one, if a culture is left out).
    """
    least = FEWEST_CULTURES if leave_out is None else 1
    constants: dict[str, float | None] = {}
    for dimension in DIMENSIONS:
        shifts = [
            there - here
            for culture, scores in raw.items()
            if culture != leave_out
            and (here := scores.get(dimension)) is not None
            and (there := known.get(culture, {}).get(dimension)) is not None
        ]
        constants[dimension] = fmean(shifts) if len(shifts) >= least else None
    return constants


def published_constants() -> dict[str, float | None]:
    """Return the 50 of the published evaluations for every dimension."""
    return dict.fromkeys(DIMENSIONS, AS_PUBLISHED_CONSTANT)


def index_scores(raw: Scores, constants: Scores) -> dict[str, float | None]:
    """Return raw scores plus constants; None for a dimension without either."""
    return {
        dimension: None if here is None or constant is None else here + constant
        for dimension in DIMENSIONS
        for here, constant in [(raw.get(dimension), constants.get(dimension))]
    }


def distance(scores: Scores, known: Scores) -> Distance | None:
    """Return the distance over the dimensions that both sides have; None without any.

    Published evaluations give the Euclidean distance.
    """
    gaps = [
        here - there
        for dimension in DIMENSIONS
        if (here := scores.get(dimension)) is not None and (there := known.get(dimension)) is not None
    ]
    if not gaps:
        return None
    return Distance(sqrt(sum(gap * gap for gap in gaps)), fmean(abs(gap) for gap in gaps), len(gaps))


def equal_answers(known: Mapping[str, Scores]) -> dict[str, float | None]:
    """Return the scores of the null that gives the same answer to every item, with constants fitted as a model's are.

    All its raw scores are 0, so it has the mean of the known scores on each dimension: the best that can be done
    without telling cultures apart. With `published_constants` the same null has 50 on every dimension.
    """
    return index_scores(flat_scores(), fit_constants(dict.fromkeys(known, flat_scores()), known))


def flat_scores() -> dict[str, float | None]:
    """Return the raw scores of equal answers to all items: 0 on every dimension."""
    return dict.fromkeys(DIMENSIONS, 0.0)
