"""Answers in free text, as judges and people rate them. The ratings come from `culturepark judge`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from culturepark.catalog.scales import shipped_scales
from culturepark.catalog.suites import Suite
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.figures import Figure, Headline, ItemValue, Score
from culturepark.evaluate.ratings import rating_figures, rating_values


class JudgedScorer:
    """Mean ratings by scale, with the agreement of those who gave them. Without ratings there are no figures."""

    name = "judged"
    judged = True
    headline: Headline = tuple((scale, "larger") for scale in shipped_scales())

    def problem(self, suite: Suite) -> str | None:
        if not any(not item.options for item in suite.items):
            return "all items have options, and judges rate answers in free text"
        return None

    def scores(self, sheet: Sheet) -> Iterable[Score]:  # noqa: ARG002 - the interface
        return ()

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:
        return rating_figures(sheet, scores)

    def item_values(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[ItemValue]:
        return rating_values(sheet, scores)
