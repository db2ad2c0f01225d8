"""Scores and figures, and the interface of those that compute them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from culturepark.catalog.suites import Suite
from culturepark.domain import JsonObject
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.measures import skill

Headline = tuple[tuple[str, Literal["larger", "smaller"]], ...]


@dataclass(frozen=True)
class Score:
    """What one scorer says of one answer."""

    answer_id: str
    scorer: str
    value: float | None
    detail: JsonObject | None = None
    judge: str | None = None
    """Spec of the model that judged, or `person:NAME`; None where it was computed."""
    call_id: str | None = None


@dataclass(frozen=True)
class Figure:
    """One aggregate with all that is needed to read it."""

    metric: str
    group: str
    """`culture=german,framing=persona,language=en`; `all` for everything."""
    value: float | None
    n: int
    """Items that it rests on."""
    low: float | None = None
    high: float | None = None
    """Ends of its interval of 95% over items."""
    null_name: str | None = None
    """Who knows nothing of the people and yet scores `null_value`."""
    null_value: float | None = None
    ceiling: float | None = None
    """What another sample of the same people would score."""
    skill: float | None = None
    """(value - null) / (ceiling - null): 0 knows as little as the null, 1 is as near as the people themselves."""

    def beside(self, name: str, value: float | None, *, larger_is_better: bool = True) -> Figure:
        """Return the figure beside a null."""
        share = None
        if self.value is not None and value is not None and self.ceiling is not None:
            share = rounded(skill(self.value, value, self.ceiling, larger_is_better))
        return replace(self, null_name=name, null_value=value, skill=share)

    def as_json(self) -> JsonObject:
        return dict(vars(self))


@dataclass(frozen=True)
class ItemValue:
    """What the answers to one item under one condition are worth, by one measure: what comparisons pair by."""

    metric: str
    condition: tuple[tuple[str, str], ...]
    culture: str
    """Key of the culture that it is about, else the group; `all` where nobody is named."""
    group: str
    item: str
    """Key of the item."""
    value: float
    smaller_is_better: bool = False


class Scorer(Protocol):
    """Says what answers to a suite are worth. A new one is registered as a plugin (docs/extending.md).

    It may have `item_values(sheet, scores)`, which yields an `ItemValue` for each item; without, its scores are
    averaged over the answers to an item.
    """

    name: str
    """By which suites name it."""
    judged: bool
    """Its scores come from judges (`culturepark judge`), not from the answers alone."""
    headline: Headline
    """Metrics by which a model is said to beat its first null, and which of their values are better. None of them where
    the scorer is compared item by item, or where no value is better than another."""

    def problem(self, suite: Suite) -> str | None:
        """Return why a suite cannot be scored; None if it can."""
        ...

    def scores(self, sheet: Sheet) -> Iterable[Score]:
        """Return what is said of single answers."""
        ...

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:
        """Return the aggregates, each beside its null.

        Args:
            scores: all scores of the answers, judges' too.
        """
        ...


def rounded(value: float | None, places: int = 6) -> float | None:
    return None if value is None else round(float(value), places)
