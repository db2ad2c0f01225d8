"""Figures of conduct in suites with several scorers, and what all scorers have in common."""

from __future__ import annotations

from collections import Counter

import pytest

from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.scorers import SCORERS
from culturepark.evaluate.scorers.conduct import WITH_CONDUCT
from tests.support.sheets import a_sheet, a_suite, an_item

SHARES = {"DEU": {1: 0.6, 2: 0.4}, "TUR": {1: 0.2, 2: 0.8}}
ITEMS = [an_item(f"q{n}", shares=SHARES, topic="trust") for n in range(6)]


@pytest.mark.parametrize("names", [("survey", "sva"), ("sva", "survey"), ("moderation", "sva", "survey")])
def test_no_figure_stands_twice(names: tuple[str, ...]) -> None:
    asked = a_sheet(ITEMS, lambda *_: {1: 0.7, 2: 0.2}, names[0])
    sheet = Sheet(a_suite(ITEMS, *names), asked.answers, 1, culture_of=asked.culture_of)
    found = [figure for name in names for figure in SCORERS[name].figures(sheet, [])]
    times = Counter((f.metric, f.group, f.null_name) for f in found)
    assert [key for key, count in times.items() if count > 1] == []
    metrics = {f.metric for f in found}
    assert {"abstained", "outside_mass", "answered", "sva", "jsd"} <= metrics


def test_scorers_with_conduct_are_scorers() -> None:
    assert set(WITH_CONDUCT) <= {name for name, scorer in SCORERS.items() if not scorer.judged}
