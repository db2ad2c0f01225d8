"""How well labels and probabilities fit what people said, and raters each other. Pure.

Where there is too little to say anything, functions return None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from culturepark.evaluate.intervals import Interval
from culturepark.evaluate.measures import SAME
from culturepark.stats.diversity import wilson
from culturepark.stats.survey_fit import Floats

SMALLEST_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1 in a cross-entropy, which would be infinite otherwise."""


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


def pooled(people: Ratings, judges: Ratings | None = None) -> dict[str, LeftOut]:
    """Compare people and judges with the mean of the other people, over all pairs of a person and an item at once.

    The targets are those of `leave_one_out`. Where each person rated only a few items, correlations of single people
    mean little; here the pairs of all people make one. `one person` stands for all people.
    """
    panel = judges or {}
    targets = {name: others_mean(people, name) for name in people}
    pairs = [(name, item) for name, own in people.items() for item in own if item in targets[name]]
    given: dict[str, Ratings] = {
        "one person": people,
        **{name: dict.fromkeys(people, own) for name, own in panel.items()},
    }
    figures = {}
    for rater, ratings in given.items():
        known = [(name, item) for name, item in pairs if item in ratings[name]]
        if known:
            own = np.array([ratings[name][item] for name, item in known])
            wanted = np.array([targets[name][item] for name, item in known])
            figures[rater] = LeftOut(correlation(own, wanted), float(np.abs(own - wanted).mean()), len(known))
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
