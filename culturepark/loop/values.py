"""What base and adapters are worth on each item, read from their evaluations; and which items the rows asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from culturepark.catalog.suites import Item
from culturepark.distill.paraphrase import key as words_key
from culturepark.evaluate.evaluation import sheet_of
from culturepark.evaluate.paired import values_of
from culturepark.evaluate.scorers import scorer_of
from culturepark.store.store import Store

Place = tuple[str, str]
"""Culture and key of an item."""
Values = Mapping[Place, float]
Split = Literal["asked", "same-topic", "other-topics", "held-out"]
SPLITS: tuple[Split, ...] = ("held-out", "same-topic", "other-topics", "asked")
USUAL_METRIC = "jsd"


@dataclass(frozen=True)
class Measured:
    """One evaluation, by measure."""

    run_id: str
    values: Mapping[str, Values]
    """Measure -> culture and item -> value: the mean over the culture's countries."""
    smaller_is_better: Mapping[str, bool]
    nulls: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)
    """Measure -> null -> culture and item -> what it scores; empty for suites without nulls of single items."""
    ceilings: Mapping[str, Values] = field(default_factory=dict)
    """Measure -> culture and item -> what another sample of the same people would score."""
    outside_mass: float | None = None
    """Mean probability of everything that is no option, 0-1; None where the endpoint gives no probabilities."""


def measured(store: Store, run_id: str, *, nulls_too: bool = False) -> Measured:
    """Read an evaluation, finished or not.

    Args:
        nulls_too: with nulls and ceilings, which are those of the items and so the same for all models.
    """
    sheet = sheet_of(store, run_id)
    found: dict[str, dict[Place, list[float]]] = defaultdict(lambda: defaultdict(list))
    smaller: dict[str, bool] = {}
    for value in values_of(store, run_id, sheet):
        found[value.metric][value.culture, value.item].append(value.value)
        smaller[value.metric] = value.smaller_is_better
    nulls: dict[str, dict[str, dict[Place, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    ceilings: dict[str, dict[Place, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in sheet.suite.scorers:
        of_items = getattr(scorer_of(name), "item_nulls", None) if nulls_too else None
        for distance in of_items(sheet) if of_items else ():
            place = (distance.culture or distance.group, distance.item)
            for metric in distance.values:
                ceilings[metric][place].append(distance.ceiling(metric))
                for null, scores in distance.nulls.items():
                    if metric in scores:
                        nulls[metric][null][place].append(scores[metric])
    outside = [answer.outside for answer in sheet.answers if answer.outside is not None]
    return Measured(
        run_id,
        {metric: means(of) for metric, of in found.items()},
        smaller,
        {metric: {null: means(of) for null, of in by_null.items()} for metric, by_null in nulls.items()},
        {metric: means(of) for metric, of in ceilings.items()},
        fmean(outside) if outside else None,
    )


def means(of: Mapping[Place, Sequence[float]]) -> dict[Place, float]:
    return {place: fmean(values) for place, values in of.items()}


def metric_of(wanted: str | None, there: Iterable[str]) -> str | None:
    """Return the measure of which verdicts are given: the one that is wanted, else the usual, else the first."""
    names = list(there)
    if wanted is not None:
        return wanted if wanted in names else None
    return USUAL_METRIC if USUAL_METRIC in names else next(iter(names), None)


def split_items(
    items: Sequence[Item], seeds: Collection[str], questions: Collection[str]
) -> dict[Split, frozenset[str]]:
    """Return split -> keys of its items.

    `asked` are those that a question behind the rows is, by its key or its words; `same-topic` others on a topic of one
    of these; `other-topics` those on topics that no row is about. `held-out` is all but the asked ones: items without a
    topic are in it, and in no other.

    Args:
        seeds: keys of the questions behind the rows.
        questions: their words.
    """
    told = {words_key(question) for question in questions}
    asked = {item.key for item in items if item.key in seeds or words_key(item.question) in told}
    topics = {item.topic for item in items if item.key in asked and item.topic}
    held = [item for item in items if item.key not in asked]
    return {
        "held-out": frozenset(item.key for item in held),
        "same-topic": frozenset(item.key for item in held if item.topic in topics),
        "other-topics": frozenset(item.key for item in held if item.topic and item.topic not in topics),
        "asked": frozenset(asked),
    }
