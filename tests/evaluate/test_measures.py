"""Scores, nulls, ceilings, skill, intervals and tests, by construction and on released figures.

`golden_nvas.jsonl` holds 400 scores and `mena_means.json` the countries' means of 380 questions, both as MENAValues
released them (Zahraei & Asgari 2025, arXiv 2510.13154; MIT, LLM Lab, QCRI; commit 6b47213). Figures only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise, permutations
from math import log2, pi, sqrt
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culturepark.evaluate import classification, intervals, measures
from culturepark.evaluate.measures import Distribution

DATA = Path(__file__).parents[1] / "data"
SCALE = range(1, 5)
PEOPLE = Distribution({1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1})

weights = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
people = weights.map(lambda four: Distribution.of(dict(zip(SCALE, four, strict=True))))
models = st.tuples(weights, st.integers(0, 1000)).map(
    lambda drawn: Distribution.of(dict(zip(SCALE, drawn[0], strict=True)), drawn[1])
)
quick = settings(deadline=None, max_examples=60)


# --- distributions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "outside"),
    [({1: 0.5}, 0.0), ({1: 0.9, 2: 0.9}, 0.0), ({1: 1.5, 2: -0.5}, 0.0), ({1: float("nan")}, 1.0), ({1: 1.0}, 0.5)],
)
def test_mass_that_is_lost_or_invented_is_refused(shares: dict[int, float], outside: float) -> None:
    with pytest.raises(ValueError, match=r"mass"):
        Distribution(shares, outside)


def test_published_shares_may_be_rounded() -> None:
    assert Distribution({1: 0.3333, 2: 0.3333, 3: 0.3333}).inside == pytest.approx(0.9999)


def test_unreadable_samples_are_mass_outside() -> None:
    assert Distribution.of({1: 6, 2: 2}, 2) == Distribution({1: 0.6, 2: 0.2}, 0.2)


def test_the_mean_is_over_the_mass_on_options() -> None:
    assert measures.mean_of(Distribution({1: 0.3, 4: 0.3}, 0.4)) == pytest.approx(2.5)


def test_an_answer_mostly_outside_the_options_is_missing() -> None:
    assert measures.mean_of(Distribution({1: 0.0, 4: 0.5}, 0.5)) == 4
    assert measures.mean_of(Distribution({1: 0.0, 4: 0.49}, 0.51)) is None
    assert measures.mean_of(Distribution({}, 1.0)) is None


def test_entropy_counts_the_outside_as_a_category() -> None:
    assert measures.entropy(Distribution({1: 0.25, 2: 0.25}, 0.5)) == pytest.approx(1.5)


# --- scores ------------------------------------------------------------------------------------


def released() -> Iterator[dict[str, float]]:
    return (json.loads(line) for line in (DATA / "golden_nvas.jsonl").read_text("utf-8").splitlines())


def test_released_scores_are_reproduced() -> None:
    rows = list(released())
    assert len(rows) == 400
    for row in rows:
        score = measures.nvas(row["model_answer"], row["human_mean"], row["min"], row["max"])
        assert score == pytest.approx(row["nvas"], abs=0.02), row


def questions() -> list[tuple[range, dict[str, float]]]:
    rows = json.loads((DATA / "mena_means.json").read_text("utf-8"))["questions"]
    return [(range(row["least"], row["most"] + 1), row["means"]) for row in rows]


def test_the_midpoint_scores_eighty_and_has_no_skill() -> None:
    scores = []
    for codes, means in questions():
        answer = measures.mean_of(measures.midpoint(codes))
        assert answer is not None
        scores += [measures.nvas(answer, mean, codes[0], codes[-1]) for mean in means.values()]
    assert len(scores) == 3895
    assert fmean(scores) == pytest.approx(80.1, abs=0.05)
    null = fmean(scores)
    assert measures.skill(fmean(scores), null, 99.0) == 0


def test_other_countries_score_ninety() -> None:
    scores = []
    for codes, means in questions():
        for country, mean in means.items():
            if others := [other for name, other in means.items() if name != country]:
                scores.append(measures.nvas(fmean(others), mean, codes[0], codes[-1]))
    assert fmean(scores) == pytest.approx(90.2, abs=0.1)


def test_a_scale_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no range"):
        measures.nvas(1, 1, 1, 1)
    with pytest.raises(ValueError, match="no range"):
        measures.ceilings({3: 1.0}, 10, [3], np.random.default_rng(0))


def test_the_outside_is_a_category_that_people_never_choose() -> None:
    assert measures.divergence(Distribution({}, 1.0), PEOPLE) == pytest.approx(1)
    half = Distribution({code: share / 2 for code, share in PEOPLE.shares.items()}, 0.5)
    # P = people/2 and 1/2 outside, Q = people: H(.25 outside, .75) + .75 H(people) - ... = h(.25) - .5 h(.5)
    assert measures.divergence(half, PEOPLE) == pytest.approx(-(0.25 * log2(0.25) + 0.75 * log2(0.75)) - 0.5)


def test_transport_is_scaled_by_the_range_and_by_steps() -> None:
    one, other = Distribution({1: 1.0}), Distribution({5: 1.0})
    assert measures.wasserstein(one, other, range(1, 6)) == 1
    assert measures.wasserstein(one, Distribution({2: 1.0}), range(1, 6)) == pytest.approx(0.25)
    assert measures.wasserstein(one, Distribution({2: 1.0}), [1, 2, 10]) == pytest.approx(1 / 9)
    spread = Distribution({1: 0.5, 3: 0.5})
    assert measures.wasserstein(spread, Distribution({2: 1.0}), [1, 2, 3]) == pytest.approx(0.5)


def test_mass_outside_counts_as_the_greatest_distance() -> None:
    same = {code: 0.7 * share for code, share in PEOPLE.shares.items()}
    assert measures.wasserstein(Distribution(same, 0.3), PEOPLE, SCALE) == pytest.approx(0.3)
    assert measures.wasserstein(Distribution({}, 1.0), PEOPLE, SCALE) == 1


def test_people_do_not_answer_outside_the_options() -> None:
    with pytest.raises(ValueError, match="people"):
        measures.wasserstein(PEOPLE, Distribution({1: 0.5}, 0.5), SCALE)


@pytest.mark.parametrize(
    ("shares", "outside", "agreement"),
    [
        ({1: 0.6, 2: 0.4}, 0.0, 1),
        ({1: 0.4, 2: 0.6}, 0.0, 0),
        ({1: 0.3, 2: 0.3, 3: 0.2, 4: 0.2}, 0.0, 1 / 2),
        ({1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}, 0.0, 1 / 4),
        ({1: 0.4}, 0.6, 0),
        ({1: 0.5}, 0.5, 1 / 2),
        ({}, 1.0, 0),
    ],
)
def test_top_answer_agreement_shares_ties(shares: dict[int, float], outside: float, agreement: float) -> None:
    assert measures.top_agrees(Distribution(shares, outside), PEOPLE) == pytest.approx(agreement)


def test_either_of_two_top_answers_of_people_is_right() -> None:
    assert measures.top_agrees(Distribution({2: 1.0}), Distribution({1: 0.4, 2: 0.4, 3: 0.2})) == 1


def test_one_answer_for_all_countries_differentiates_nothing() -> None:
    apart = {"JOR": Distribution({1: 1.0}), "DEU": Distribution({2: 1.0}), "TUR": Distribution({1: 1.0})}
    assert measures.differentiation(apart) == pytest.approx(2 / 3)
    assert measures.differentiation(dict.fromkeys(apart, PEOPLE)) == 0
    assert measures.differentiation({"JOR": PEOPLE}) is None
    assert measures.differentiation_ratio([0.1, 0.0], [0.3, 0.1]) == pytest.approx(0.25)
    assert measures.differentiation_ratio([0.1], [0.0]) is None
    assert measures.differentiation_ratio([], []) is None


def test_consistency_across_conditions() -> None:
    assert measures.similarity(PEOPLE, PEOPLE, 1, 4) == 100
    assert measures.similarity(Distribution({1: 1.0}), Distribution({4: 1.0}), 1, 4) == 0
    assert measures.similarity(PEOPLE, Distribution({1: 0.2}, 0.8), 1, 4) is None
    assert measures.overlap(Distribution({1: 0.8, 2: 0.2}), Distribution({1: 0.5, 2: 0.5})) == pytest.approx(70)
    refusing = Distribution({1: 0.6}, 0.4)
    assert measures.overlap(refusing, refusing) == pytest.approx(100)
    assert measures.overlap(refusing, Distribution({1: 0.4}, 0.6)) is None


def test_a_leak_is_measured_in_the_full_mass() -> None:
    assert measures.leaks(Distribution({1: 0.9, 2: 0.1}), abstained=True)
    assert not measures.leaks(Distribution({1: 0.9, 2: 0.1}), abstained=False)
    assert not measures.leaks(Distribution({1: 0.9e-4, 2: 0.1e-4}, 1 - 1e-4), abstained=True)
    assert not measures.leaks(Distribution({1: 0.75, 2: 0.25}), abstained=True)
    assert not measures.leaks(Distribution({}, 1.0), abstained=True)


@quick
@given(models, people)
def test_scores_stay_in_their_range(model: Distribution, target: Distribution) -> None:
    assert 0 <= measures.divergence(model, target) <= 1
    assert -1e-9 <= measures.wasserstein(model, target, SCALE) <= 1 + 1e-9
    assert measures.wasserstein(model, target, SCALE) >= model.outside - 1e-9
    assert 0 <= measures.top_agrees(model, target) <= 1
    mean, wanted = measures.mean_of(model), measures.mean_of(target)
    assert wanted is not None
    assert (mean is None) == (model.inside < 0.5)
    if mean is not None:
        assert -1e-9 <= measures.nvas(mean, wanted, 1, 4) <= 100 + 1e-9
        # the means are at most as far apart as the distributions
        near = Distribution.of(model.shares)
        assert 100 - measures.nvas(mean, wanted, 1, 4) <= 100 * measures.wasserstein(near, target, SCALE) + 1e-9


@quick
@given(people)
def test_true_shares_are_no_distance_away(target: Distribution) -> None:
    assert measures.divergence(target, target) == pytest.approx(0, abs=1e-9)
    assert measures.wasserstein(target, target, SCALE) == 0
    assert measures.top_agrees(target, target) == 1
    assert measures.overlap(target, target) == pytest.approx(100)


# --- nulls, ceilings, skill ----------------------------------------------------------------------


@quick
@given(st.sets(st.integers(-3, 12), min_size=1, max_size=11))
def test_the_midpoint_has_the_middle_as_its_mean(codes: set[int]) -> None:
    mean = measures.mean_of(measures.midpoint(codes))
    assert mean == pytest.approx((min(codes) + max(codes)) / 2)


def test_nulls() -> None:
    assert measures.midpoint(range(1, 6)).shares == {3: 1.0}
    assert measures.midpoint(range(1, 11)).shares == {5: 0.5, 6: 0.5}
    assert measures.uniform([3, 1, 2, 2]).shares == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1 / 3})
    assert measures.own_mode({1: 0.2, 2: 0.5, 3: 0.3}).shares == {2: 1.0}
    assert measures.own_mode({1: 0.4, 2: 0.4, 3: 0.2}).shares == {1: 0.5, 2: 0.5}
    others = measures.pooled([Distribution({1: 1.0}), Distribution({1: 0.5, 2: 0.5})])
    assert others is not None
    assert others.shares == {1: 0.75, 2: 0.25}
    assert measures.pooled([]) is None


def test_samples_of_the_survey() -> None:
    samples = measures.resampled({2: 0.25, 1: 0.75}, 50, 400, np.random.default_rng(1))
    assert samples.shape == (400, 2)
    assert samples.sum(axis=1) == pytest.approx(np.ones(400))
    assert np.allclose((samples * 50).round(), samples * 50)
    assert samples[:, 0].mean() == pytest.approx(0.75, abs=0.01)
    with pytest.raises(ValueError, match="0 people"):
        measures.resampled({1: 1.0}, 0, 1, np.random.default_rng(1))


def test_ceilings_are_what_sampling_theory_says() -> None:
    n, shares = 1000, {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}
    ceilings = measures.ceilings(shares, n, SCALE, np.random.default_rng(2), draws=4000)
    mean = sum(code * share for code, share in shares.items())
    deviation = sqrt(sum((code - mean) ** 2 * share for code, share in shares.items()))
    # a mean of n answers is off by deviation * sqrt(2 / (pi n)) on average
    assert 100 - ceilings.nvas == pytest.approx(100 * deviation * sqrt(2 / (pi * n)) / 3, rel=0.05)
    # the divergence of a sample is chi-square with k - 1 degrees of freedom over 8 n ln 2
    assert ceilings.divergence == pytest.approx(3 / (8 * n * np.log(2)), rel=0.05)
    assert 0 < ceilings.wasserstein < 0.02
    assert ceilings.top > 0.999


def test_options_nobody_chose_widen_the_scale_of_a_ceiling() -> None:
    narrow = measures.ceilings({1: 0.5, 2: 0.5}, 50, [1, 2], np.random.default_rng(3))
    wide = measures.ceilings({1: 0.5, 2: 0.5}, 50, range(1, 5), np.random.default_rng(3))
    assert 100 - narrow.nvas == pytest.approx(3 * (100 - wide.nvas), rel=0.2)
    assert narrow.wasserstein == pytest.approx(3 * wide.wasserstein, rel=0.2)


def test_true_shares_have_all_the_skill_and_nulls_none() -> None:
    ceilings = measures.ceilings(PEOPLE.shares, 1200, SCALE, np.random.default_rng(4))
    for null in (measures.uniform(SCALE), measures.midpoint(SCALE), measures.own_mode(PEOPLE.shares)):
        reference = measures.divergence(null, PEOPLE)
        assert measures.skill(measures.divergence(PEOPLE, PEOPLE), reference, ceilings.divergence, False) == 1
        assert measures.skill(reference, reference, ceilings.divergence, False) == 0
        far = measures.divergence(Distribution({4: 1.0}), PEOPLE)
        worse = measures.skill(far, reference, ceilings.divergence)
        assert worse is not None
        assert worse < 0


def test_skill() -> None:
    assert measures.skill(90, 80, 100) == 0.5
    assert measures.skill(0.2, 0.3, 0.1) == pytest.approx(0.5)
    assert measures.skill(70, 80, 100) == -0.5
    assert measures.skill(120, 80, 100) == 1
    assert measures.skill(80, 80, 80) is None


def test_a_null_nearer_than_another_sample_leaves_no_room_for_skill() -> None:
    # .02 is nearer than the ceiling of .05: without its direction, a far answer would seem to have skill
    assert measures.skill(0.3, 0.02, 0.05, larger_is_better=False) is None
    assert measures.skill(90, 99.5, 99, larger_is_better=True) is None


# --- intervals and tests -------------------------------------------------------------------------


def test_an_interval_is_the_same_each_time() -> None:
    values = np.random.default_rng(11).random(50).tolist()
    assert intervals.bootstrap(values, "nvas", "TUR") == intervals.bootstrap(values, "nvas", "TUR")
    assert intervals.bootstrap(values, "nvas", "TUR") != intervals.bootstrap(values, "nvas", "DEU")


def test_too_little_for_an_interval() -> None:
    assert intervals.bootstrap([]) is None
    few = intervals.bootstrap([1.0, 2.0])
    assert few == intervals.Interval(1.5, None, None, 2, 2)
    copies = intervals.bootstrap([1.0] * 10 + [2.0] * 10, clusters=["a"] * 10 + ["b"] * 10)
    assert copies == intervals.Interval(1.5, None, None, 20, 2)


def test_a_large_bootstrap_is_drawn_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).random(300).tolist()
    whole = intervals.bootstrap(values)
    monkeypatch.setattr(intervals, "AT_ONCE", 1000)
    assert intervals.bootstrap(values) == whole


def test_weights_count() -> None:
    found = intervals.bootstrap([1.0, 0.0], weights=[3, 1])
    assert found is not None
    assert found.value == 0.75
    # clusters of unequal weight: what is the same everywhere has no width
    same = intervals.bootstrap([2.0] * 8, weights=[1, 9] * 4, clusters=[0, 1, 2, 3, 4, 5, 5, 5])
    assert same == intervals.Interval(2, 2, 2, 8, 6)
    with pytest.raises(ValueError, match="weights"):
        intervals.bootstrap([1.0], weights=[0])
    with pytest.raises(ValueError, match="clusters"):
        intervals.bootstrap([1.0, 2.0], clusters=["a"])


def test_intervals_hold_the_truth_in_nineteen_of_twenty_draws() -> None:
    rng = np.random.default_rng(6)
    simple = clustered = naive = 0
    for draw in range(300):
        effects = rng.normal(0, 1, 40)
        answers = (effects[:, None] + rng.normal(0, 1, (40, 4))).ravel().tolist()
        items = np.repeat(np.arange(40), 4).tolist()
        simple += holds(intervals.bootstrap(effects.tolist(), draw, draws=500))
        clustered += holds(intervals.bootstrap(answers, draw, clusters=items, draws=500))
        naive += holds(intervals.bootstrap(answers, draw, draws=500))
    assert simple / 300 >= 0.91
    assert clustered / 300 >= 0.91
    assert naive / 300 < 0.85  # answers to one item are not independent


def holds(interval: intervals.Interval | None) -> bool:
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= 0 <= interval.high


def test_any_statistic_has_an_interval() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(3, 1, 60)
    middle = intervals.bootstrap_statistic(lambda places: float(np.median(values[places])), list(range(60)), "median")
    assert middle is not None
    assert middle.low is not None
    assert middle.high is not None
    assert middle.low < 3 < middle.high
    assert 0.2 < middle.high - middle.low < 1.2
    assert intervals.bootstrap_statistic(lambda places: None, [1, 2]) is None
    few = intervals.bootstrap_statistic(lambda places: float(len(places)), [1, 1, 2])
    assert few == intervals.Interval(3.0, None, None, 3, 2)


def test_a_paired_difference_by_hand() -> None:
    # all eight sign flips of 1, 2, 3: two of them have a sum as far from 0 as 6
    found = intervals.paired_difference([2.0, 3.0, 4.0], [1.0, 1.0, 1.0])
    assert found is not None
    assert (found.value, found.p, found.low) == (2.0, 2 / 8, None)
    # two answers to one item flip together
    clustered = intervals.paired_difference([2.0, 3.0, 4.0], [1.0, 1.0, 1.0], clusters=["a", "a", "b"])
    assert clustered is not None
    assert clustered.p == 1 / 2
    assert intervals.paired_difference([], []) is None
    with pytest.raises(ValueError, match="1 values against 2"):
        intervals.paired_difference([1.0], [1.0, 2.0])


def test_the_sign_flip_test_finds_effects_and_seldom_invents_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "PERMUTATIONS", 499)
    rng = np.random.default_rng(8)
    found, invented = 0, 0
    for draw in range(200):
        base = rng.normal(0, 1, 30)
        again, better = (base + rng.normal(shift, 1, 30) for shift in (0, 0.8))
        for other, shift in ((again, 0), (better, 1)):
            pair = intervals.paired_difference(other.tolist(), base.tolist(), draw, draws=50)
            assert pair is not None
            found += shift and pair.p < 0.05
            invented += (not shift) and pair.p < 0.05
    assert invented / 200 <= 0.09
    assert found / 200 >= 0.9


def test_equal_answers_do_not_differ() -> None:
    values = [float(i) for i in range(20)]
    same = intervals.paired_difference(values, values)
    assert same is not None
    assert (same.value, same.p) == (0, 1)


def test_holm() -> None:
    assert intervals.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.holm([]) == []


@quick
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_nor_reorders(pvalues: list[float]) -> None:
    adjusted = intervals.holm(pvalues)
    for plain, one in zip(pvalues, adjusted, strict=True):
        assert plain <= one <= 1
    order = sorted(range(len(pvalues)), key=lambda i: pvalues[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in pairwise(order))


# --- bias by position ----------------------------------------------------------------------------


def test_always_the_first_letter_is_named() -> None:
    answers = [intervals.chosen(0, 4)] * 95 + [intervals.chosen(2, 4)] * 5
    bias = intervals.position_shares(answers, clusters=[i // 4 for i in range(100)])
    assert bias is not None
    assert [share.value for share in bias.shares] == pytest.approx([0.95, 0, 0.05, 0])
    assert (bias.chance, bias.always, bias.verdict) == (0.25, 0, "always_first")


@pytest.mark.parametrize(("position", "verdict"), [(1, "always_position_2"), (2, "always_last")])
def test_other_positions_are_named_too(position: int, verdict: str) -> None:
    bias = intervals.position_shares([intervals.chosen(position, 3)] * 6)
    assert bias is not None
    assert bias.verdict == verdict


def test_a_choice_by_content_has_no_bias_in_balanced_orders() -> None:
    mass = {"yes": 0.7, "no": 0.1, "perhaps": 0.1}
    rows = [[mass[option] for option in order] for order in permutations(mass)]
    bias = intervals.position_shares(rows)
    assert bias is not None
    assert [share.value for share in bias.shares] == pytest.approx([1 / 3] * 3)
    assert bias.outside == pytest.approx(0.1)
    assert bias.verdict is None


def test_answers_weigh_as_much_as_their_mass_on_options() -> None:
    bias = intervals.position_shares([(0.90, 0.05), (0.0, 0.01)])
    assert bias is not None
    assert [share.value for share in bias.shares] == pytest.approx([0.90 / 0.96, 0.06 / 0.96])
    assert bias.outside == pytest.approx(1 - 0.96 / 2)


def test_positions_without_mass_have_no_bias() -> None:
    assert intervals.position_shares([]) is None
    assert intervals.position_shares([(0.0, 0.0)]) is None
    with pytest.raises(ValueError, match="positions"):
        intervals.position_shares([(1.0, 0.0), (1.0, 0.0, 0.0)])
    with pytest.raises(ValueError, match="position 3 of 3"):
        intervals.chosen(3, 3)


# --- labels --------------------------------------------------------------------------------------


def test_label_scores_by_hand() -> None:
    pairs = [("hate", "hate"), ("hate", "fine"), ("hate", None), ("fine", "fine"), ("fine", "hate"), ("fine", "fine")]
    scores = classification.label_scores(pairs)
    assert scores["hate"] == classification.LabelScore(1 / 2, 1 / 3, pytest.approx(0.4), 3)
    assert scores["fine"] == classification.LabelScore(2 / 3, 2 / 3, pytest.approx(2 / 3), 3)
    assert classification.macro_f1(pairs) == pytest.approx((0.4 + 2 / 3) / 2)


def test_labels_that_are_never_right_count_against_a_model() -> None:
    pairs = [("hate", "hate"), ("fine", "spam")]
    assert classification.label_scores(pairs)["spam"] == classification.LabelScore(0, 0, 0, 0)
    assert classification.macro_f1(pairs) == pytest.approx(1 / 3)
    assert classification.macro_f1([]) is None


def test_nulls_of_labels() -> None:
    labels = ["fine"] * 8 + ["hate"] * 2
    always = classification.majority(labels)
    assert always is not None
    assert always.accuracy == 0.8
    assert always.macro_f1 == pytest.approx(classification.macro_f1([(label, "fine") for label in labels]))
    random = classification.stratified(labels)
    assert random is not None
    assert random == classification.LabelNull(pytest.approx(0.68), 0.5)
    rng = np.random.default_rng(9)
    many = labels * 2000
    guessed = classification.macro_f1([*zip(many, rng.permutation(many).tolist(), strict=True)])
    assert guessed == pytest.approx(random.macro_f1, abs=0.01)
    assert classification.majority([]) is None
    assert classification.stratified([]) is None


def test_accuracy_has_wilsons_interval() -> None:
    found = classification.accuracy([True] * 8 + [False] * 2)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.8, pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert classification.accuracy([]) is None


def test_soft_labels() -> None:
    assert classification.soft_agreement([0.2, 1.0], [0.4, 1.0]) == pytest.approx(0.9)
    assert classification.cross_entropy([0.5, 0.5], [0.0, 1.0]) == pytest.approx(1)
    assert classification.cross_entropy([1.0], [0.0]) == pytest.approx(log2(1e6), rel=1e-6)
    shares = [0.1, 0.5, 0.9]
    least = classification.cross_entropy(shares, shares)
    other = classification.cross_entropy([0.2, 0.5, 0.9], shares)
    assert least is not None
    assert other is not None
    assert least < other
    assert classification.soft_agreement([], []) is None
    with pytest.raises(ValueError, match="0 to 1"):
        classification.soft_agreement([1.2], [1.0])
    with pytest.raises(ValueError, match="shapes"):
        classification.brier([0.5], [1, 0])


def test_calibration_by_hand() -> None:
    assert classification.expected_calibration_error([0.9] * 10, [1] * 9 + [0]) == pytest.approx(0)
    assert classification.expected_calibration_error([1.0] * 4, [0, 0, 0, 0]) == 1
    # bins .2-.3 and .8-.9: (2 * |.25 - .5| + 2 * |.85 - .5|) / 4
    assert classification.expected_calibration_error([0.25, 0.25, 0.85, 0.85], [0, 1, 0, 1]) == pytest.approx(0.3)
    assert classification.brier([0.5, 0.5], [0, 1]) == 0.25
    assert classification.brier([0.8, 0.3], [1, 0]) == pytest.approx((0.04 + 0.09) / 2)
    assert classification.brier([], []) is None


# --- judges and people ---------------------------------------------------------------------------


def test_each_rater_against_the_others() -> None:
    ratings = {
        "ann": {"a": 1.0, "b": 2.0, "c": 3.0},
        "bob": {"a": 2.0, "b": 4.0, "c": 6.0},
        "eve": {"a": 3.0, "b": 2.0, "c": 1.0, "d": 5.0},
    }
    found = classification.leave_one_out(ratings)
    # the others of ann: 2.5, 3, 3.5; of bob: 2, 2, 2; of eve: 1.5, 3, 4.5
    assert found["ann"] == classification.LeftOut(pytest.approx(1), pytest.approx(1.0), 3)
    assert found["bob"] == classification.LeftOut(None, pytest.approx(2.0), 3)
    assert found["eve"] == classification.LeftOut(pytest.approx(-1), pytest.approx(2.0), 3)
    assert classification.leave_one_out({"ann": {"a": 1.0}}) == {}


def test_ranks_share_ties() -> None:
    ratings = {"ann": {"a": 1.0, "b": 5.0, "c": 5.0, "d": 100.0}, "bob": {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}}
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
    assert classification.leave_one_out(ratings, method="spearman")["ann"].correlation == pytest.approx(
        4.5 / sqrt(22.5)
    )


def test_a_judge_that_answers_like_a_person_is_no_nearer_than_one() -> None:
    rng = np.random.default_rng(10)
    quality = rng.normal(5, 1, 400)
    people = {f"p{i}": rated(quality + rng.normal(0, 1, 400)) for i in range(4)}
    judges = {"model": rated(quality + rng.normal(0, 1, 400)), "mean": rated(quality)}
    found = classification.leave_one_out(people, judges)
    person = fmean(found[name].correlation or 0 for name in people)
    assert found["model"].correlation == pytest.approx(person, abs=0.05)
    assert found["model"].difference == pytest.approx(fmean(found[name].difference for name in people), abs=0.06)
    assert (found["mean"].correlation or 0) > person + 0.1
    assert found["model"].n == 1600


def test_a_judge_is_compared_on_the_items_of_the_person_left_out() -> None:
    people = {"ann": {"a": 1.0, "b": 1.0}, "bob": {"a": 3.0, "b": 3.0, "c": 9.0}}
    found = classification.leave_one_out(people, {"model": {"a": 2.0, "c": 1.0}, "other": {"z": 1.0}})
    assert found["model"] == classification.LeftOut(None, 1.0, 2)
    assert "other" not in found
    with pytest.raises(ValueError, match="ann"):
        classification.leave_one_out(people, {"ann": {}})


def rated(values: np.ndarray) -> dict[str, float]:
    return {str(i): float(value) for i, value in enumerate(values)}
