"""Means of scores by culture, country and topic and over all, each with its interval over items and beside its nulls.

A scorer says what the answers to one item are worth (a `Cell`); everything that is done with such values is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from culturepark.catalog.suites import Item, Suite
from culturepark.evaluate import classification, intervals
from culturepark.evaluate.answers import Answer, Pool, Sheet, group_key
from culturepark.evaluate.figures import Figure, rounded
from culturepark.evaluate.intervals import Interval
from culturepark.stats.survey_fit import Floats, generator

TOPIC = 5
"""Items of a topic from which on it has figures of its own."""
FEWEST_DRAWS = 400
MOST_DRAWN = 4_000_000
"""Items drawn in all behind an interval. With many items there are fewer draws: all of them would take seconds a figure
for a suite of 25,000 items, whose intervals are narrow anyway."""
NATIVE = "native"
"""In the group of a figure: each culture was asked in its own language."""
LAST_NULLS = ("others",)
"""Nulls that know something of the peoples. They stand after those that know nothing."""
Condition = tuple[tuple[str, str], ...]
Parts = tuple[tuple[str, str], ...]
"""Parts of a figure's group, by name."""
T = TypeVar("T")


def without_shares(suite: Suite) -> str | None:
    """Return why a suite cannot be held against people's answers; None if it can."""
    return None if any(item.shares for item in suite.items) else "no item has `shares` of people's answers"


@dataclass(frozen=True)
class Cell:
    """What the answers to one item, under one condition and about one group, are worth by one metric."""

    metric: str
    pool: Pool
    value: float
    nulls: Mapping[str, float] = field(default_factory=dict)
    """Null -> its score on the item."""
    ceiling: float | None = None
    most: float | None = None
    """Score of an item whose answers are all right, for shares of right answers; None for other scores."""


def by_condition(pools: Iterable[Pool], sheet: Sheet) -> dict[Condition, list[Pool]]:
    """Return the pools of each condition, and once more together those of cultures asked in languages of their own.

    The latter stand under `language=native`. Without them a suite that asks every culture in its language would have no
    figure over all cultures.
    """
    conditions = sheet.by_condition(pools)
    native: dict[Condition, list[Pool]] = defaultdict(list)
    for condition, own in conditions.items():
        language = dict(condition)["language"]
        together = tuple((name, NATIVE if name == "language" else value) for name, value in condition)
        native[together] += [pool for pool in own if sheet.language_of.get(about(pool)) == language]
    several = {c: own for c, own in native.items() if len({dict(pool.condition)["language"] for pool in own}) > 1}
    return conditions | several


def slices(rows: Sequence[T], condition: Condition, pool_of: Callable[[T], Pool]) -> Iterator[tuple[Parts, list[T]]]:
    """Yield the rows of each culture, of its countries and of its topics, then of all cultures together.

    A topic has a slice of its own from `TOPIC` items on. Rows about nobody in particular are only among all. Of those
    under `language=native` there are only all, since each culture's stand under its language.
    """
    cultures = by(rows, lambda row: about(pool_of(row)))
    for culture, own in cultures.items():
        if not culture or ("language", NATIVE) in condition:
            continue
        yield (("culture", culture), *condition), own
        countries = by(own, lambda row: pool_of(row).group)
        for country, there in countries.items() if len(countries) > 1 else ():
            yield (("culture", culture), ("country", country), *condition), there
        yield from topics(own, (("culture", culture),), condition, pool_of)
    if len(cultures) > 1 or "" in cultures:
        yield (("culture", "all"), *condition), list(rows)
        yield from topics(rows, (("culture", "all"),), condition, pool_of)


def topics(
    rows: Sequence[T], parts: Parts, condition: Condition, pool_of: Callable[[T], Pool]
) -> Iterator[tuple[Parts, list[T]]]:
    for topic, on_it in by(rows, lambda row: pool_of(row).item.topic).items():
        if topic and len(on_it) < len(rows) and len({pool_of(row).item.key for row in on_it}) >= TOPIC:
            yield (*parts, ("topic", plain(topic)), *condition), on_it


def about(pool: Pool) -> str:
    """Return the culture that answers are about: its key, else its group; empty if they are about nobody."""
    return pool.culture or next((a.culture for a in pool.answers if a.culture), None) or pool.group or pool.item.group


# --- figures -----------------------------------------------------------------------------------------


def figures_of(
    cells: Sequence[Cell], condition: Condition, sheet: Sheet, smaller: Collection[str] = ()
) -> Iterator[Figure]:
    """Yield the mean of each metric in each slice, once beside each null; once alone if there is none.

    Args:
        smaller: metrics of which smaller is better.
    """
    for metric, own in by(cells, lambda cell: cell.metric).items():
        for parts, rows in slices(own, condition, lambda cell: cell.pool):
            yield from mean_beside_nulls(metric, parts, rows, sheet, metric in smaller)


def mean_beside_nulls(
    metric: str,
    parts: Parts,
    rows: Sequence[Cell],
    sheet: Sheet,
    smaller: bool = False,
    weights: Sequence[float] | None = None,
) -> Iterator[Figure]:
    """Yield the (weighted) mean of cells beside each null that has a score for all of them."""
    group = group_key(*parts)
    weighing = np.ones(len(rows)) if weights is None else np.asarray(weights)
    keys = [cell.pool.item.key for cell in rows]
    values = [cell.value for cell in rows]
    interval = interval_of(values, keys, sheet.seed, metric, group, weights=weights, most=rows[0].most)
    if interval is None:
        return
    known = [cell.ceiling for cell in rows if cell.ceiling is not None]
    figure = Figure(
        metric=metric,
        group=group,
        value=rounded(interval.value),
        n=len(rows),
        low=rounded(interval.low),
        high=rounded(interval.high),
        ceiling=rounded(float(np.average(known, weights=weighing))) if len(known) == len(rows) else None,
    )
    means = {
        name: float(np.average([cell.nulls[name] for cell in rows], weights=weighing))
        for name in dict.fromkeys(name for cell in rows for name in cell.nulls)
        if all(name in cell.nulls for cell in rows)
    }
    yield from beside_all(figure, means, smaller)


def beside_all(figure: Figure, nulls: Mapping[str, float], smaller: bool = False) -> Iterator[Figure]:
    """Yield a figure beside each null, the strongest that knows nothing first; the figure alone if there is none."""
    ordered = sorted(nulls, key=lambda name: (name in LAST_NULLS, round(nulls[name] if smaller else -nulls[name], 9)))
    for name in ordered:
        yield figure.beside(name, rounded(nulls[name]), larger_is_better=not smaller)
    if not ordered:
        yield figure


def interval_of(
    values: Sequence[float],
    keys: Sequence[str],
    *parts: object,
    weights: Sequence[float] | None = None,
    most: float | None = None,
) -> Interval | None:
    """Return the (weighted) mean of values with its interval over items; None without values.

    It is a bootstrap over items. Of shares of right answers whose items are all right or all wrong it is Wilson's: the
    bootstrap of a model without mistakes would be sure that it never makes any.

    Args:
        keys: for each value, the key of its item.
        most: score of an item whose answers are all right (see `Cell`).
    """
    if most and weights is None and len(keys) == len(set(keys)) and all(value in (0, most) for value in values):
        share = classification.accuracy([value > 0 for value in values])
        if share and len(values) >= intervals.FEWEST_CLUSTERS:
            low, high = (None if end is None else end * most for end in (share.low, share.high))
            return Interval(share.value * most, low, high, share.n, share.clusters)
    return intervals.bootstrap(values, *parts, weights=weights, clusters=keys, draws=draws_for(len(set(keys))))


def draws_for(items: int) -> int:
    """Return how many draws the interval of a figure over so many items takes."""
    return max(FEWEST_DRAWS, min(intervals.DRAWS, MOST_DRAWN // max(1, items)))


def interval_figure(
    metric: str,
    parts: Sequence[tuple[str, str]],
    values: Sequence[float],
    rows: Sequence[Pool] | Sequence[Answer],
    sheet: Sheet,
    clusters: Sequence[str] | None = None,
) -> Figure:
    """Return the mean of some values with its interval over items."""
    group = group_key(*parts)
    keys = clusters or [row.item.key if isinstance(row, Pool) else row.item for row in rows]
    interval = interval_of(values, keys, sheet.seed, metric, group)
    if interval is None:
        return Figure(metric, group, None, 0)
    return Figure(metric, group, rounded(interval.value), len(values), rounded(interval.low), rounded(interval.high))


# --- intervals of what is no mean ------------------------------------------------------------------


def resampled_sums(totals: Floats, *parts: object) -> Floats | None:
    """Return the sums over items drawn with replacement, of which statistics such as a macro-F1 are made.

    Args:
        totals: one row an item, with its counts in columns.

    Returns:
        Shape (draws, columns); None with too few items for an interval.
    """
    count = len(totals)
    if count < intervals.FEWEST_CLUSTERS:
        return None
    rng = generator("bootstrap", *parts)
    sums = [
        rng.multinomial(count, np.full(count, 1 / count), size=size) @ totals
        for size in intervals.portions(draws_for(count), count)
    ]
    return np.concatenate(sums)


def ends_of(values: Floats | None) -> tuple[float | None, float | None]:
    """Return the ends of an interval, rounded, from what the draws gave; None without draws."""
    if values is None:
        return None, None
    low, high = intervals.percentiles(values[~np.isnan(values)])
    return rounded(low), rounded(high)


# --- small things ----------------------------------------------------------------------------------


def by(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def labels_in(item: Item, language: str) -> dict[int, str]:
    """Return the labels of an item's options by code, in a language or, if nobody wrote them in it, in its own."""
    words = item.words.get(language)
    if language != item.language and words is not None and words.options:
        return dict(words.options)
    return {option.code: option.label for option in item.options}


def plain(text: str) -> str:
    """Return a topic or label as a group of a figure may hold it."""
    return text.replace(",", ";").replace("=", ":")
