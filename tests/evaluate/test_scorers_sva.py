"""`sva`: how many people would choose the model's option."""

from __future__ import annotations

import pytest

from tests.support.sheets import a_sheet, an_item, figure, figures

AGREE = ("strongly disagree", "disagree", "neither", "agree", "strongly agree")


def five(key: str, *shares: float, **others: dict[int, float]) -> object:
    own = dict(enumerate(shares, start=1))
    return an_item(key, AGREE, scale="ordinal", shares={"KOR": own, **others}, n={"KOR": 219})


def test_by_hand() -> None:
    items = [five(f"q{n}", 0.1, 0.2, 0.1, 0.35, 0.25) for n in range(5)]
    found = figures(a_sheet(items, lambda *_: 5, "sva"))  # type: ignore[arg-type]
    plain = figure(found, "sva", "uniform", culture="korean")
    assert (plain.value, plain.null_value, plain.ceiling) == (0.25, pytest.approx(0.2), 0.35)
    assert plain.skill == pytest.approx(0.05 / 0.15, abs=1e-5)
    assert figure(found, "sva", "midpoint", culture="korean").null_value == pytest.approx(0.1)
    merged = figure(found, "sva_merged", "uniform", culture="korean")
    assert (merged.value, merged.ceiling) == (pytest.approx(0.6), pytest.approx(0.6))
    assert merged.null_value == pytest.approx((2 * 0.3 + 0.1 + 2 * 0.6) / 5)
    assert figure(found, "sva_neutral", culture="korean").value == pytest.approx(0.6)  # there is a majority


def test_where_no_side_has_a_majority_the_middle_gets_the_credit() -> None:
    items = [five(f"q{n}", 0.2, 0.25, 0.1, 0.25, 0.2) for n in range(5)]
    for code, credit in ((3, 1), (4, 0)):
        found = figures(a_sheet(items, lambda *_, code=code: code, "sva"))  # type: ignore[arg-type]
        assert figure(found, "sva_neutral", "uniform", culture="korean").value == credit
        assert figure(found, "sva_merged", "uniform", culture="korean").value == pytest.approx(
            0.1 if code == 3 else 0.45
        )


def test_an_even_scale_has_two_sides_and_no_middle() -> None:
    shares = {"DEU": {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}}
    items = [an_item(f"q{n}", ("a", "b", "c", "d"), scale="ordinal", shares=shares) for n in range(5)]
    found = figures(a_sheet(items, lambda *_: 2, "sva"))
    assert figure(found, "sva_merged", "midpoint", culture="german").value == pytest.approx(0.7)
    assert figure(found, "sva_merged", "midpoint", culture="german").null_value == pytest.approx(0.5)
    assert not [f for f in found if f.metric == "sva_neutral"]


def test_codes_need_not_be_places() -> None:
    options = [{"code": code, "label": str(code)} for code in (10, 7, 3, 2, 1)]
    shares = {"DEU": {10: 0.1, 7: 0.2, 3: 0.3, 2: 0.0, 1: 0.4}}
    item = an_item("q").model_copy(update={}).model_dump() | {"options": options, "scale": "ordinal", "shares": shares}
    found = figures(a_sheet([type(an_item("q")).model_validate(item)], lambda *_: 7, "sva"))
    assert figure(found, "sva_merged", "midpoint", culture="german").value == pytest.approx(0.3)
    assert figure(found, "sva_merged", "midpoint", culture="german").null_value == pytest.approx(0.3)


def test_other_countries_are_a_null_and_scales_without_order_are_not_merged() -> None:
    shares = {"DEU": {1: 0.6, 2: 0.4}, "KOR": {1: 0.1, 2: 0.9}, "TUR": {1: 0.3, 2: 0.7}}
    items = [an_item(f"q{n}", shares=shares) for n in range(5)]
    found = figures(a_sheet(items, lambda _, group, __: 1 if group == "DEU" else 2, "sva"))
    german = figure(found, "sva", "others", culture="german")
    assert (german.value, german.null_value, german.ceiling, german.skill) == (0.6, 0.4, 0.6, 1)
    assert figure(found, "sva", "others", culture="all").value == pytest.approx((0.6 + 0.9 + 0.7) / 3, abs=1e-6)
    assert {f.metric for f in found if f.metric.startswith("sva")} == {"sva"}


def test_missing_answers_are_left_out() -> None:
    items = [an_item(f"q{n}", shares={"DEU": {1: 0.8, 2: 0.2}}) for n in range(6)]
    found = figures(a_sheet(items, lambda item, *_: None if item.key == "q0" else 1, "sva"))
    row = figure(found, "sva", "uniform", culture="german")
    assert (row.value, row.n) == (pytest.approx(0.8), 5)
    assert figure(found, "answered", culture="german").value == pytest.approx(5 / 6, abs=1e-6)


def test_the_commonest_answer_of_others_may_be_two() -> None:
    shares = {"DEU": {1: 0.7, 2: 0.3, 3: 0.0}, "KOR": {1: 0.6, 2: 0.4}, "TUR": {2: 0.4, 3: 0.6}, "BRA": {1: 1.0}}
    items = [an_item(f"q{n}", ("a", "b", "c"), shares=shares) for n in range(5)]
    found = figures(a_sheet(items, lambda *_: 1, "sva"))
    assert figure(found, "sva", "others", culture="german").null_value == pytest.approx(0.7)
    assert figure(found, "sva", "others", culture="turkish").null_value == 0
    # Germans, Koreans and Turks: 1.3 for the first, 1.1 for the second; without Koreans and Brazilians .7, .7 and .6.
    two = [an_item(f"q{n}", ("a", "b", "c"), shares={k: shares[k] for k in ("DEU", "TUR", "KOR")}) for n in range(5)]
    found = figures(a_sheet(two, lambda *_: 1, "sva"))
    assert figure(found, "sva", "others", culture="korean").null_value == pytest.approx((0.6 + 0.4) / 2)
