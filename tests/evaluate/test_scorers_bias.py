"""`bias`: pairs of fillers, a near and a far one."""

from __future__ import annotations

from math import log

import pytest

from culturepark.catalog.suites import Item
from culturepark.evaluate.document import by_figures
from culturepark.evaluate.paired import item_values
from culturepark.evaluate.scorers import scorer_of
from tests.support.sheets import a_sheet, a_suite, an_item, figure, figures

NEAR, FAR = 1, 2
PAIRS = [an_item(f"c{n}", ("tea", "whisky"), group="arabic", answer=NEAR, topic="drink") for n in range(8)]
AGNOSTIC = [an_item(f"a{n}", ("tea", "whisky"), group="arabic", answer=NEAR, topic="drink/agnostic") for n in range(8)]


def by_context(item: Item, *_: object) -> dict[int, float]:
    return {NEAR: 0.2, FAR: 0.6} if item.topic.endswith("/agnostic") else {NEAR: 0.6, FAR: 0.2}


def test_contexts_and_topics_are_told_apart() -> None:
    found = figures(a_sheet(PAIRS + AGNOSTIC, by_context, "bias"))
    assert not [f for f in found if "contextualised" in f.group]
    assert figure(found, "bias", "coin", culture="arabic", context="agnostic").value == 100
    asked = figure(found, "bias", "coin", culture="arabic")
    assert (asked.value, asked.n, asked.ceiling, asked.skill) == (0, 8, 0, 1)
    assert asked.high is not None
    assert 0 < asked.high < 50  # eight pairs do not say that there is never a ninth
    assert figure(found, "log_odds", "coin", culture="arabic").value == pytest.approx(log(3), abs=1e-6)
    assert figure(found, "log_odds", "coin", culture="arabic", context="agnostic").value == pytest.approx(
        -log(3), abs=1e-6
    )


def test_the_headline_is_of_pairs_that_ask_for_the_near_filler() -> None:
    """Of agnostic pairs neither end is good, so that nothing says whether they beat a coin."""
    sheet = a_sheet(PAIRS + AGNOSTIC, by_context, "bias")
    (row,) = by_figures(sheet, figures(sheet))
    assert (row.metric, row.value, row.n, row.verdict) == ("bias", 0, 8, "nearer")
    alone = a_sheet(AGNOSTIC, by_context, "bias")
    assert by_figures(alone, figures(alone)) == []


def test_comparisons_hold_contexts_apart() -> None:
    sheet = a_sheet(PAIRS + AGNOSTIC, by_context, "bias")
    values = {(one.metric, one.value, one.smaller_is_better) for one in item_values(sheet)}
    assert values == {("bias", 0, True), ("bias_agnostic", 100, False)}


def test_the_place_of_a_filler_is_no_bias() -> None:
    def reply(_: Item, __: str, shown: tuple[int, ...]) -> dict[int, float]:
        return {shown[0]: 0.95, shown[1]: 0.05}

    found = figures(a_sheet(PAIRS, reply, "bias"))
    row = figure(found, "bias", "coin", culture="arabic")
    assert row.value == 50
    assert row.skill == 0
    assert figure(found, "log_odds", "coin", culture="arabic").value == pytest.approx(0, abs=1e-6)
    assert figure(found, "always_first", options="2").value == pytest.approx(0.95)


def test_choices_without_probabilities_count_and_missing_ones_do_not() -> None:
    def reply(item: Item, _: str, shown: tuple[int, ...]) -> int | None:
        return None if item.key == "c0" else FAR if item.key in ("c1", "c2") else shown[0]

    found = figures(a_sheet(PAIRS, reply, "bias"))
    row = figure(found, "bias", "coin", culture="arabic")
    assert row.n == 7
    assert row.value == pytest.approx((2 * 100 + 5 * 50) / 7, abs=1e-6)
    assert not [f for f in found if f.metric == "log_odds"]
    assert figure(found, "answered", culture="arabic").value == pytest.approx(7 / 8)


def test_an_endless_preference_stays_finite() -> None:
    row = figure(figures(a_sheet(PAIRS, lambda *_: {NEAR: 0.0, FAR: 1.0}, "bias")), "log_odds", culture="arabic")
    assert row.value == pytest.approx(log(1e-6), abs=1e-5)


def test_three_options_are_no_pair() -> None:
    problem = scorer_of("bias").problem(a_suite([an_item("q", ("a", "b", "c"), answer=1)], "bias"))
    assert problem
    assert "3 options" in problem
