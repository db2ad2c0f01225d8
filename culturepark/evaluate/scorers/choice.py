"""How often a model chooses the right option, and whether its probabilities say how often it does.

The right option is one for everybody (`answer`), or another for each culture (`answers`). An answer that chooses no
option is missing: `accuracy` is over the answers that chose one, `accuracy_of_all` counts the missing as wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from culturepark.catalog.suites import Item, Suite
from culturepark.evaluate import classification
from culturepark.evaluate.answers import Pool, Sheet, group_key
from culturepark.evaluate.figures import Figure, Headline, Score, rounded
from culturepark.evaluate.scorers.aggregate import (
    Cell,
    Condition,
    about,
    beside_all,
    by_condition,
    ends_of,
    figures_of,
    labels_in,
    mean_beside_nulls,
    resampled_sums,
)
from culturepark.evaluate.scorers.conduct import coverage

BINS = 10
"""Bins of a calibration error."""
SMALLER = ("brier", "calibration_error")
Weighed = tuple[str, float, bool, int]
"""Key of an item, the probability of one of its options, whether that is the right one, and the number of options."""


class ChoiceScorer:
    """Accuracy and calibration against right answers."""

    name = "choice"
    judged = False
    headline: Headline = (("accuracy", "larger"),)

    def problem(self, suite: Suite) -> str | None:
        if not any(item.options and (item.answer is not None or item.answers) for item in suite.items):
            return "no item has options and a right one of them (`answer`, or `answers` by group)"
        return None

    def scores(self, sheet: Sheet) -> Iterable[Score]:
        """Return 1 for each answer that chose the right option and 0 for a wrong one; nothing for a missing one."""
        for pool in sheet.pools:
            right = right_code(pool)
            if right is None:
                continue
            for answer in pool.answers:
                if answer.choice is not None:
                    yield Score(answer.id, self.name, float(answer.choice == right), {"group": pool.group})

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:  # noqa: ARG002 - the interface
        asked = [pool for pool in sheet.pools if right_code(pool) is not None]
        for condition, pools in by_condition(asked, sheet).items():
            cells = [cell for pool in pools for cell in cells_of(pool)]
            yield from figures_of(cells, condition, sheet, SMALLER)
            yield from macro(cells, condition, sheet)
            yield from calibration(pools, condition, sheet)
        yield from coverage(sheet, self.name)


def right_code(pool: Pool) -> int | None:
    """Return the code of the option that is right for the group that was asked about; None if nobody said which."""
    item = pool.item
    if not item.options:
        return None
    return item.answer if item.answer is not None else item.answers.get(pool.group)


def cells_of(pool: Pool) -> Iterator[Cell]:
    """Yield the scores of an item: the share of its answers that is right, and the error of its probabilities."""
    right = right_code(pool)
    assert right is not None
    hits = [float(answer.choice == right) for answer in pool.answers if answer.choice is not None]
    nulls = nulls_of(pool, right)
    if hits:
        yield Cell("accuracy", pool, sum(hits) / len(hits), nulls, ceiling=1.0, most=1.0)
    yield Cell("accuracy_of_all", pool, sum(hits) / len(pool.answers), nulls, ceiling=1.0, most=1.0)
    masses = mean_masses(pool)
    if masses is not None:
        is_right = [code == right for code in pool.item.codes]
        error = classification.brier(masses, is_right)
        chance = classification.brier([1 / len(masses)] * len(masses), is_right)
        assert error is not None
        assert chance is not None
        yield Cell("brier", pool, error, {"chance": chance}, ceiling=0.0)


def nulls_of(pool: Pool, right: int) -> dict[str, float]:
    """Return what is scored by drawing an option, by taking the longest, and by the other groups' commonest answer."""
    condition = dict(pool.condition)
    nulls = {
        "chance": 1 / len(pool.item.codes),
        "longest option": by_length(pool.item, condition.get("language", pool.item.language), right),
    }
    others = Counter(code for group, code in pool.item.answers.items() if group != pool.group)
    if others:
        commonest = [code for code, times in others.items() if times == max(others.values())]
        nulls["others"] = (right in commonest) / len(commonest)
    return nulls


def by_length(item: Item, language: str, right: int) -> float:
    """Return the score of the longest option, in the language that it is shown in; of equally long ones any is taken.

    In hand-written tests the right option is often the most carefully worded.
    """
    lengths = {code: len(label) for code, label in labels_in(item, language).items()}
    longest = [code for code, length in lengths.items() if length == max(lengths.values())]
    return (right in longest) / len(longest)


def mean_masses(pool: Pool) -> list[float] | None:
    """Return the probability of each option, averaged over the orders in which they were shown; None without any."""
    weighed = [answer.probabilities for answer in pool.answers if answer.probabilities is not None]
    if not weighed:
        return None
    return [min(1.0, sum(given.get(code, 0.0) for given in weighed) / len(weighed)) for code in pool.item.codes]


def macro(cells: Sequence[Cell], condition: Condition, sheet: Sheet) -> Iterator[Figure]:
    """Yield the mean of the cultures' accuracies, in which a culture with few items counts as much as one with many."""
    rows = [cell for cell in cells if cell.metric == "accuracy"]
    items = Counter(about(cell.pool) for cell in rows)
    if len(items) > 1:
        weights = [1 / items[about(cell.pool)] for cell in rows]
        parts = (("culture", "all"), *condition)
        yield from mean_beside_nulls("accuracy_macro", parts, rows, sheet, weights=weights)


# --- calibration -------------------------------------------------------------------------------------


def calibration(pools: Sequence[Pool], condition: Condition, sheet: Sheet) -> Iterator[Figure]:
    """Yield the calibration error of all options' probabilities, and of those shown at each place.

    Over all, the probabilities are averaged over orders, so that what is left is no effect of the place. A constant
    that gives each option the same is well calibrated and knows nothing: the error has to be read beside `brier`.
    """
    averaged: list[Weighed] = []
    shown: dict[int, list[Weighed]] = defaultdict(list)
    for pool in pools:
        right, key, count = right_code(pool), pool.item.key, len(pool.item.codes)
        for code, mass in zip(pool.item.codes, mean_masses(pool) or (), strict=False):
            averaged.append((key, mass, code == right, count))
        for answer in pool.answers:
            if answer.probabilities is not None:
                for place, code in enumerate((code for code in answer.shown if code >= 0), start=1):
                    mass = min(1.0, answer.probabilities.get(code, 0.0))
                    shown[place].append((key, mass, code == right, count))
    if averaged:
        parts = (("culture", "all"), *condition)
        yield from calibration_figures(parts, averaged, sheet)
        for place, rows in sorted(shown.items()):
            yield from calibration_figures((*parts, ("place", str(place))), rows, sheet)


def calibration_figures(parts: Condition, rows: Sequence[Weighed], sheet: Sheet) -> Iterator[Figure]:
    group = group_key(*parts)
    masses = np.array([mass for _, mass, _, _ in rows])
    hits = np.array([float(hit) for _, _, hit, _ in rows])
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key, *_ in rows))}
    items = np.array([numbers[key] for key, *_ in rows])
    # The error is a sum over bins, so the draws need no more of an item than what it has in each bin.
    bins = np.minimum((masses * BINS).astype(np.intp), BINS - 1)
    totals = np.zeros((len(numbers), BINS + 1))
    np.add.at(totals, (items, bins), masses - hits)
    np.add.at(totals[:, BINS], items, 1.0)
    drawn = resampled_sums(totals, sheet.seed, "calibration_error", group)
    low, high = ends_of(None if drawn is None else np.abs(drawn[:, :BINS]).sum(axis=1) / drawn[:, BINS])
    error = classification.expected_calibration_error(masses, hits, BINS)
    chance = classification.expected_calibration_error([1 / count for *_, count in rows], hits, BINS)
    assert chance is not None
    figure = Figure("calibration_error", group, rounded(error), len(numbers), low, high)
    yield from beside_all(figure, {"chance": chance}, smaller=True)
