"""Dimension scores of the Values Survey Module 2013: hand-worked means, constants, distances and the flat null."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culturepark.catalog.hofstede import hofstede
from culturepark.evaluate import vsm

KNOWN = {country: scores.by_dimension() for country, scores in hofstede().countries.items()}
EQUAL_ANSWERS = {"ARG": 48.9, "BGD": 53.2, "BRA": 36.0, "CHN": 67.1, "DEU": 46.7, "KOR": 73.6, "TUR": 41.1}
"""Euclidean distance of 50 on every dimension, which any model has that gives one answer to all items."""


def test_scores_by_hand() -> None:
    means = dict.fromkeys(vsm.ITEMS, 3.0) | {7: 2.4, 2: 2.0, 20: 3.1, 23: 2.7, 5: 2.0, 8: 2.5, 18: 1.0, 17: 5.0}
    raw = vsm.raw_scores(means)
    assert raw["pdi"] == pytest.approx(35 * 0.4 + 25 * 0.4)
    assert raw["idv"] == 0
    assert raw["mas"] == pytest.approx(35 * -1.0 + 35 * -0.5)
    assert raw["uai"] == pytest.approx(40 * -2.0)
    assert raw["lto"] == 0
    assert raw["ivr"] == pytest.approx(40 * 2.0)
    assert vsm.raw_scores(means, vsm.AS_PUBLISHED)["mas"] == pytest.approx(35 * -1.0 + 25 * -0.5)


def test_each_item_moves_its_own_dimension() -> None:
    factors = {7: ("pdi", 35), 2: ("pdi", -35), 20: ("pdi", 25), 23: ("pdi", -25)}
    factors |= {4: ("idv", 35), 1: ("idv", -35), 9: ("idv", 35), 6: ("idv", -35)}
    factors |= {5: ("mas", 35), 3: ("mas", -35), 8: ("mas", 35), 10: ("mas", -35)}
    factors |= {18: ("uai", 40), 15: ("uai", -40), 21: ("uai", 25), 24: ("uai", -25)}
    factors |= {13: ("lto", 40), 14: ("lto", -40), 19: ("lto", 25), 22: ("lto", -25)}
    factors |= {12: ("ivr", 35), 11: ("ivr", -35), 17: ("ivr", 40), 16: ("ivr", -40)}
    assert sorted(factors) == list(vsm.ITEMS)
    for item, (dimension, factor) in factors.items():
        raw = vsm.raw_scores(dict.fromkeys(vsm.ITEMS, 3.0) | {item: 4.0})
        assert raw == {name: factor if name == dimension else 0 for name in vsm.DIMENSIONS}, item


def test_means_are_over_those_who_answered() -> None:
    assert vsm.item_means([{1: 1, 2: 5}, {1: 4}, {}]) == {1: 2.5, 2: 5}
    for answer in ({25: 3.0}, {1: 6.0}, {1: 0.0}, {1: float("nan")}):
        with pytest.raises(ValueError, match="item"):
            vsm.item_means([answer])


def test_a_dimension_with_a_missing_item_is_missing() -> None:
    means = dict.fromkeys(vsm.ITEMS, 3.0)
    del means[23]
    raw = vsm.raw_scores(means)
    assert [name for name, score in raw.items() if score is None] == ["pdi"]
    scores = vsm.index_scores(raw, vsm.published_constants())
    assert scores == dict.fromkeys(vsm.DIMENSIONS, 50.0) | {"pdi": None}
    found = vsm.distance(scores, KNOWN["TUR"])
    assert found is not None
    assert found.dimensions == 5


@pytest.mark.parametrize(("country", "away"), EQUAL_ANSWERS.items())
def test_equal_answers_are_this_far_as_published(country: str, away: float) -> None:
    means = vsm.item_means([dict.fromkeys(vsm.ITEMS, 2.0)])
    scores = vsm.index_scores(vsm.raw_scores(means, vsm.AS_PUBLISHED), vsm.published_constants())
    found = vsm.distance(scores, KNOWN[country])
    assert found is not None
    assert found.euclidean == pytest.approx(away, abs=0.05)
    assert found.dimensions == 6


def test_jordan_has_two_dimensions() -> None:
    found = vsm.distance(vsm.published_constants(), KNOWN["JOR"])
    assert found is not None
    assert found.dimensions == 2
    assert found.euclidean == pytest.approx((34**2 + 7**2) ** 0.5)
    assert found.mean_absolute == pytest.approx(20.5)
    nothing: dict[str, float | None] = dict.fromkeys(vsm.DIMENSIONS)
    assert vsm.distance(nothing, KNOWN["TUR"]) is None


def test_groups_are_no_countries() -> None:
    assert "ARAB" not in KNOWN
    assert hofstede().groups["ARAB"].pdi == 80
    assert "Hofstede" in hofstede().source


def test_constants_move_a_shifted_truth_back() -> None:
    cultures = ["ARG", "DEU", "KOR"]
    raw = {c: {name: score - 40 if score else None for name, score in KNOWN[c].items()} for c in cultures}
    constants = vsm.fit_constants(raw, KNOWN)
    assert constants == pytest.approx(dict.fromkeys(vsm.DIMENSIONS, 40.0))
    found = vsm.distance(vsm.index_scores(raw["KOR"], constants), KNOWN["KOR"])
    assert found == vsm.Distance(pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9), 6)


def test_one_culture_cannot_fit_its_own_constant() -> None:
    raw = {"TUR": vsm.flat_scores()}
    assert vsm.fit_constants(raw, KNOWN) == dict.fromkeys(vsm.DIMENSIONS)
    assert vsm.distance(vsm.index_scores(raw["TUR"], vsm.fit_constants(raw, KNOWN)), KNOWN["TUR"]) is None


def test_a_culture_left_out_does_not_help_itself() -> None:
    raw = {country: vsm.flat_scores() for country in ("TUR", "DEU")}
    assert vsm.fit_constants(raw, KNOWN, leave_out="TUR") == KNOWN["DEU"]


def test_jordan_fits_only_what_it_has() -> None:
    raw = {country: vsm.flat_scores() for country in ("JOR", "DEU")}
    constants = vsm.fit_constants(raw, KNOWN)
    assert constants["pdi"] is None
    assert constants["lto"] == pytest.approx((16 + 83) / 2)


def test_equal_answers_with_fitted_constants_are_the_mean_culture() -> None:
    cultures = {country: KNOWN[country] for country in EQUAL_ANSWERS}
    null = vsm.equal_answers(cultures)
    assert null["pdi"] == pytest.approx(fmean(scores["pdi"] or 0 for scores in cultures.values()))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.floats(1, 5), min_size=24, max_size=24), min_size=2, max_size=5), st.floats(-30, 30))
def test_no_other_constant_brings_scores_nearer(answers: list[list[float]], shift: float) -> None:
    means = [dict(zip(vsm.ITEMS, row, strict=True)) for row in answers]
    raw = {country: vsm.raw_scores(one) for country, one in zip(EQUAL_ANSWERS, means, strict=False)}
    constants = vsm.fit_constants(raw, KNOWN)
    moved = {name: None if constant is None else constant + shift for name, constant in constants.items()}
    assert squared(raw, constants) <= squared(raw, moved) + 1e-6


def squared(raw: dict[str, dict[str, float | None]], constants: dict[str, float | None]) -> float:
    away = [vsm.distance(vsm.index_scores(scores, constants), KNOWN[country]) for country, scores in raw.items()]
    return sum(one.euclidean**2 for one in away if one)
