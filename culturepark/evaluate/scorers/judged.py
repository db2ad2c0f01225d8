"""Answers in free text, as judges and people rate them. The ratings come from `culturepark judge`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from culturepark.catalog.suites import Suite
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.figures import Figure, Score
from culturepark.evaluate.ratings import rating_figures


class JudgedScorer:
    """Mean ratings by scale, with the agreement of those who gave them. Without ratings there are no figures."""

    name = "judged"
    judged = True

    def problem(self, suite: Suite) -> str | None:
        if not any(not item.options for item in suite.items):
            return "all items have options, and judges rate answers in free text"
        return None

    def scores(self, sheet: Sheet) -> Iterable[Score]:  # noqa: ARG002 - the interface
        return ()

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:
        return rating_figures(sheet, scores)
