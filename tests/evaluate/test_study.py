"""The statistics of paired studies, on raters who are simulated: they and the inputs vary, and the effect is known."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import scipy.stats

from culturepark.errors import UsageError
from culturepark.evaluate.intervals import holm
from culturepark.evaluate.study import (
    ArmEffect,
    Mediation,
    Permutation,
    Rating,
    Spread,
    mediation,
    mixed_effect,
    paired_permutation,
    power,
    power_note,
    smallest,
)

ARMS = ("plain", "cultural")
SCALES = ("awareness", "competence", "empathy", "harmlessness", "thickness")
EFFECT = 0.5


@dataclass(frozen=True)
class Study:
    """A study that is drawn: numbers of raters and inputs, and by how much the difference of the arms varies."""

    raters: int = 5
    inputs: int = 12
    spread: Spread = field(default_factory=lambda: Spread(input=0.5, rater=0.4, noise=1.0))
    design: str = "all"
    """`all`: everybody rates everything; `halves`: of each input a rater sees one arm; `gaps`: a tenth is missing;
    `sides`: half the raters see the plain arm alone, half the other."""

    def asks(self, rater: int, input_: int, arm: int, rng: np.random.Generator) -> bool:
        odd = {"halves": (rater + input_ + arm) % 2, "sides": (rater + arm) % 2, "gaps": rng.random() < 0.1}
        return not odd.get(self.design, 0)

    def draw(self, rng: np.random.Generator, effect: float, scale: str = "empathy") -> list[Rating]:
        """Return ratings on a scale, whose raters are mild or strict and whose inputs are easy or hard."""
        mild, easy = rng.normal(size=self.raters) * 0.7, rng.normal(size=self.inputs) * 0.8
        both = rng.normal(size=(self.raters, self.inputs)) * 0.4
        favour = rng.normal(size=self.raters) * self.spread.rater
        answers = rng.normal(size=(self.inputs, 2)) * self.spread.input / np.sqrt(2)
        noise = rng.normal(size=(self.raters, self.inputs, 2)) * self.spread.noise / np.sqrt(2)
        return [
            Rating(
                rater=f"rater {rater}",
                input=f"input {input_}",
                arm=name,
                scale=scale,
                value=4
                + mild[rater]
                + easy[input_]
                + both[rater, input_]
                + answers[input_, arm]
                + (arm - 0.5) * (effect + favour[rater])
                + noise[rater, input_, arm],
            )
            for rater in range(self.raters)
            for input_ in range(self.inputs)
            for arm, name in enumerate(ARMS)
            if self.asks(rater, input_, arm, rng)
        ]


def effects(study: Study, effect: float, n: int) -> list[ArmEffect]:
    rng = np.random.default_rng(20)
    return [mixed_effect(study.draw(rng, effect), "empathy") for _ in range(n)]


def holds(effect: ArmEffect, true: float) -> bool:
    assert effect.low is not None, effect.how
    assert effect.high is not None
    return effect.low <= true <= effect.high


def clears_zero(effect: ArmEffect) -> bool:
    return not holds(effect, 0.0)


# --- mixed model --------------------------------------------------------------------------------------


def test_a_known_effect_lies_in_its_interval_and_none_is_found_where_there_is_none() -> None:
    assert sum(holds(effect, EFFECT) for effect in effects(Study(), EFFECT, 40)) >= 0.93 * 40
    assert sum(map(clears_zero, effects(Study(), 0.0, 40))) <= 0.07 * 40


@pytest.mark.torture
@pytest.mark.parametrize(
    "study",
    [
        Study(),
        Study(raters=3),
        Study(raters=8, inputs=24),
        Study(spread=Spread(0.0, 0.0, 1.0)),
        Study(spread=Spread(0.8, 0.8, 1.0)),
        Study(design="gaps"),
        Study(raters=6, design="halves"),
        Study(raters=12, design="sides"),
    ],
    ids=str,
)
def test_intervals_hold_at_every_size_and_spread(study: Study) -> None:
    assert sum(holds(effect, EFFECT) for effect in effects(study, EFFECT, 200)) >= 0.93 * 200
    assert sum(map(clears_zero, effects(study, 0.0, 200))) <= 0.07 * 200


def test_with_nothing_missing_the_fit_is_that_of_the_closed_form() -> None:
    """The analysis of variance of a balanced table has the restricted likelihood's variances and degrees of freedom."""
    study = Study(raters=6, spread=Spread(0.9, 0.6, 1.0))
    ratings = study.draw(np.random.default_rng(3), EFFECT)
    values = np.array([rating.value for rating in ratings]).reshape(study.raters, study.inputs, 2)
    table = values[:, :, 1] - values[:, :, 0]
    raters, inputs = table.shape
    mean, by_rater, by_input = table.mean(), table.mean(axis=1), table.mean(axis=0)
    rest = table - by_rater[:, None] - by_input[None] + mean
    noise = (rest**2).sum() / ((raters - 1) * (inputs - 1))
    of_raters, of_inputs = inputs * by_rater.var(ddof=1), raters * by_input.var(ddof=1)
    assert min(of_raters, of_inputs) > noise, "the closed form holds where no variance is 0"
    total = of_raters + of_inputs - noise
    parts = of_raters**2 / (raters - 1) + of_inputs**2 / (inputs - 1) + noise**2 / ((raters - 1) * (inputs - 1))

    effect = mixed_effect(ratings, "empathy")
    assert effect.spread is not None
    assert effect.estimate == pytest.approx(mean)
    assert effect.error == pytest.approx(np.sqrt(total / table.size), rel=1e-3)
    assert effect.freedom == pytest.approx(total**2 / parts, rel=1e-2)
    assert effect.spread.noise == pytest.approx(np.sqrt(noise), rel=1e-3)
    assert effect.spread.rater == pytest.approx(np.sqrt((of_raters - noise) / inputs), rel=1e-2)
    assert effect.spread.input == pytest.approx(np.sqrt((of_inputs - noise) / raters), rel=1e-2)
    assert (effect.ratings, effect.raters, effect.inputs) == (2 * table.size, raters, inputs)
    assert "differences" in effect.how
    assert "Satterthwaite" in effect.how
    assert effect.estimate is not None
    assert effect.error is not None
    assert effect.freedom is not None
    t = scipy.stats.t(effect.freedom, loc=effect.estimate, scale=effect.error)
    assert (effect.low, effect.high) == pytest.approx(t.interval(0.95))
    assert effect.p == pytest.approx(2 * min(t.cdf(0), t.sf(0)))


def test_few_raters_have_one_degree_of_freedom_less_than_they_are() -> None:
    for raters, freedom in ((3, 2), (4, 3)):
        effect = mixed_effect(Study(raters=raters).draw(np.random.default_rng(3), EFFECT), "empathy")
        assert effect.freedom == freedom
        assert "one degree of freedom less" in effect.how


@pytest.mark.parametrize("design", ["all", "halves"])
def test_the_spread_of_a_large_study_is_known_whether_or_not_ratings_have_a_counterpart(design: str) -> None:
    study = Study(raters=12, inputs=24, spread=Spread(input=1.2, rater=0.8, noise=1.0), design=design)
    spread = mixed_effect(study.draw(np.random.default_rng(3), EFFECT), "empathy").spread
    assert spread
    assert spread.input == pytest.approx(1.2, rel=0.35)
    assert spread.rater == pytest.approx(0.8, rel=0.35)
    # Without counterparts a rater's liking of an input, .4 a rating, is noise too.
    assert spread.noise == pytest.approx(1.0 if design == "all" else np.sqrt(1 + 2 * 0.4**2), rel=0.15)


def test_other_units_give_the_same_effect_in_those_units() -> None:
    ratings = Study().draw(np.random.default_rng(4), EFFECT)
    plain = mixed_effect(ratings, "empathy")
    for factor in (1e6, 1e-6):
        other = mixed_effect([replace(rating, value=rating.value * factor) for rating in ratings], "empathy")
        assert (other.estimate, other.error) == pytest.approx((plain.estimate * factor, plain.error * factor))
        assert other.p == pytest.approx(plain.p, rel=1e-3)


def test_arms_the_other_way_round_turn_the_effect() -> None:
    ratings = Study().draw(np.random.default_rng(4), EFFECT)
    effect, turned = mixed_effect(ratings, "empathy"), mixed_effect(ratings, "empathy", ("cultural", "plain"))
    assert effect.low is not None
    assert turned.high == pytest.approx(-effect.low, rel=1e-3)


def test_raters_without_a_counterpart_are_left_out_and_counted() -> None:
    ratings = Study().draw(np.random.default_rng(4), EFFECT)
    effect = mixed_effect(ratings[1:], "empathy")
    assert "1 rating without a counterpart left out" in effect.how
    assert effect.ratings == len(ratings) - 2


def test_raters_who_each_see_one_arm_are_compared_all_the_same() -> None:
    for study in (Study(raters=6, design="halves"), Study(raters=12, design="sides")):
        ratings = study.draw(np.random.default_rng(4), 3.0)
        effect = mixed_effect(ratings, "empathy")
        assert holds(effect, 3.0)
        assert clears_zero(effect)
        assert "few of which have a counterpart" in effect.how
        assert (effect.ratings, effect.raters) == (len(ratings), study.raters)


def test_a_rating_that_is_repeated_counts_as_its_mean() -> None:
    ratings = Study().draw(np.random.default_rng(4), EFFECT)
    again = [replace(ratings[0], value=ratings[0].value + way) for way in (-1, 1)]
    once, twice = mixed_effect(ratings, "empathy"), mixed_effect([*ratings[1:], *again], "empathy")
    assert twice.estimate == pytest.approx(once.estimate)
    assert twice.error == pytest.approx(once.error)


@pytest.mark.parametrize(
    ("ratings", "words"),
    [
        (Study(raters=1).draw(np.random.default_rng(1), 0), "1 rater with"),
        (Study(raters=2).draw(np.random.default_rng(1), 0), "2 raters with ratings to compare, and at least 3"),
        (Study(inputs=1).draw(np.random.default_rng(1), 0), "1 input with ratings to compare, and at least 6"),
        ([replace(r, value=4) for r in Study().draw(np.random.default_rng(1), 0)], "differences are all 0"),
        (
            [
                replace(r, value=int(r.input[-1]) * (r.arm == "plain"))
                for r in Study().draw(np.random.default_rng(1), 0)
            ],
            "leaves no noise",
        ),
    ],
    ids=["one rater", "two raters", "one input", "constant", "raters agree in everything"],
)
def test_words_stand_where_no_figure_can(ratings: Sequence[Rating], words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effect = mixed_effect(ratings, "empathy")
    assert effect.how.startswith("not fitted: ")
    assert words in effect.how
    assert (effect.estimate, effect.error, effect.low, effect.high, effect.p, effect.spread) == (None,) * 6


def test_where_the_optimizer_fails_words_stand_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    ratings = Study(spread=Spread(0.8, 0.8, 1.0)).draw(np.random.default_rng(4), EFFECT)
    stopped = MixedLM.fit

    def stop_early(model: MixedLM, **options: object) -> object:
        return stopped(model, **{**options, "maxiter": 1, "start_params": np.array([30.0, 30.0])})

    monkeypatch.setattr(MixedLM, "fit", stop_early)
    effect = mixed_effect(ratings, "empathy")
    assert effect.how == "not fitted: the fit did not converge"
    assert effect.estimate is None


def test_where_statsmodels_meets_a_variance_of_zero_raters_and_inputs_may_not_vary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    def fail(model: MixedLM, **options: object) -> object:
        raise np.linalg.LinAlgError("Singular matrix")

    even = Study(spread=Spread(0.0, 0.0, 1.0)).draw(np.random.default_rng(4), EFFECT)
    varied = Study(spread=Spread(0.8, 0.8, 1.0)).draw(np.random.default_rng(4), EFFECT)
    fitted = mixed_effect(even, "empathy")
    monkeypatch.setattr(MixedLM, "fit", fail)
    effect = mixed_effect(even, "empathy")
    assert (effect.low, effect.high) == pytest.approx((fitted.low, fitted.high), rel=0.01)
    assert mixed_effect(varied, "empathy").how == "not fitted: statsmodels finds no solution for these ratings"


def test_without_statsmodels_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    with pytest.raises(UsageError, match=r"needs the extra `evaluate`: pip install .*evaluate"):
        mixed_effect(Study().draw(np.random.default_rng(1), 0), "empathy")


Statistic = Callable[[Sequence[Rating]], ArmEffect | Permutation | Mediation]


@pytest.mark.parametrize(
    "statistic",
    [
        lambda ratings: mixed_effect(ratings, "empathy"),
        lambda ratings: paired_permutation(ratings, "empathy"),
        lambda ratings: mediation(ratings),
    ],
    ids=["mixed model", "permutation", "mediation"],
)
def test_wrong_ratings_are_named(statistic: Statistic) -> None:
    rng = np.random.default_rng(1)
    ratings = [*Study().draw(rng, 0), *Study().draw(rng, 0, "awareness")]
    with pytest.raises(UsageError, match=r"'input 3', arm 'cultural', by 'rater 2' on '.*' is nan, which is no number"):
        statistic(
            [replace(r, value=float("nan")) if key(r) == ("rater 2", "input 3", "cultural") else r for r in ratings]
        )
    with pytest.raises(UsageError, match="is inf, which is no number"):
        statistic([replace(ratings[0], value=float("inf")), *ratings[1:]])
    with pytest.raises(
        UsageError, match=r"nothing of the arm 'cultural' is rated on '.*'; the arms of these ratings: plain"
    ):
        statistic([r for r in ratings if r.arm == "plain"])
    with pytest.raises(
        UsageError, match=r"nothing is rated on the scale '.*'; the scales of these ratings: competence"
    ):
        statistic([replace(r, scale="competence") for r in ratings])
    with pytest.raises(UsageError, match="the scales of these ratings: none"):
        statistic([])


def key(rating: Rating) -> tuple[str, str, str]:
    return rating.rater, rating.input, rating.arm


def test_an_arm_is_not_compared_with_itself() -> None:
    with pytest.raises(UsageError, match="'plain' is given twice"):
        mixed_effect(Study().draw(np.random.default_rng(1), 0), "empathy", ("plain", "plain"))


# --- permutation --------------------------------------------------------------------------------------


def differing(*differences: float) -> list[Rating]:
    """Return ratings by two raters with these mean differences, a difference for each input."""
    return [
        Rating(f"rater {rater}", f"input {place}", arm, "empathy", 3 + (arm == "cultural") * (difference + rater - 0.5))
        for place, difference in enumerate(differences)
        for rater in (0, 1)
        for arm in ARMS
    ]


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ((1, 1, 1, 1, 1, 1), 2 / 64),
        ((1, 1, 1, 1, 1, -1), 14 / 64),
        ((1, 2, 3, -1), 4 / 16 + 2 / 16),
        ((0, 0, 0, 0), 1),
        ((1, -1), 1),
    ],
)
def test_signs_are_counted_by_hand(differences: Sequence[float], p: float) -> None:
    result = paired_permutation(differing(*differences), "empathy")
    assert result.p == p
    assert result.difference == pytest.approx(sum(differences) / len(differences))
    assert result.inputs == len(differences)


def test_a_single_input_tells_nothing() -> None:
    result = paired_permutation(differing(2), "empathy")
    assert (result.p, result.difference) == (None, 2)
    assert "a single input" in result.how


def test_a_single_rater_is_enough_for_a_test_of_inputs() -> None:
    ratings = [rating for rating in differing(1, 1, 1, 1, 1, 1) if rating.rater == "rater 1"]
    assert paired_permutation(ratings, "empathy").p == 2 / 64


def test_inputs_that_nobody_rated_in_both_arms_are_compared_by_means() -> None:
    ratings = [r for r in differing(*[1] * 6) if (r.rater == "rater 0") == (r.arm == "plain")]
    result = paired_permutation(ratings, "empathy")
    assert result.difference == 1.5
    assert result.p == 2 / 64
    apart = [replace(rating, input=f"{rating.input}, {rating.arm}") for rating in ratings]
    with pytest.raises(UsageError, match="no input is rated on 'empathy' in both arms, 'plain' and 'cultural'"):
        paired_permutation(apart, "empathy")


def test_more_inputs_are_tested_by_random_signs_that_are_the_same_again() -> None:
    ratings = Study(inputs=40).draw(np.random.default_rng(8), 9.0)
    result = paired_permutation(ratings, "empathy")
    assert "9999 random signs" in result.how
    assert result.p == 1 / 10_000
    assert result == paired_permutation(ratings[::-1], "empathy")
    assert "all 16384 signs, so p is at least 0.00012" in paired_permutation(differing(*[1] * 14), "empathy").how


def family(study: Study, n: int, p: Callable[[Sequence[Rating], str], float | None]) -> int:
    """Return in how many studies without an effect one of five scales has one after Holm."""
    rng, found = np.random.default_rng(21), 0
    for _ in range(n):
        ratings = [rating for scale in SCALES for rating in study.draw(rng, 0.0, scale)]
        ps = [p(ratings, scale) for scale in SCALES]
        found += min(holm([p for p in ps if p is not None])) < 0.05
    return found


def test_five_scales_without_an_effect_show_none_by_signs() -> None:
    study = Study(spread=Spread(0.5, 0.0, 1.0))
    assert family(study, 200, lambda ratings, scale: paired_permutation(ratings, scale).p) <= 0.07 * 200


@pytest.mark.torture
def test_five_scales_without_an_effect_show_none_by_the_mixed_model() -> None:
    assert family(Study(), 200, lambda ratings, scale: mixed_effect(ratings, scale).p) <= 0.07 * 200


def test_an_effect_is_found_by_signs() -> None:
    rng = np.random.default_rng(22)
    found = [paired_permutation(Study().draw(rng, 1.2), "empathy").p for _ in range(50)]
    assert sum(p < 0.05 for p in found if p is not None) >= 0.8 * 50


# --- mediation ----------------------------------------------------------------------------------------


def mediated(
    rng: np.random.Generator, first: float, second: float, direct: float, raters: int = 5, inputs: int = 12
) -> list[Rating]:
    """Return ratings whose differences in empathy follow those in awareness, and raters who see both nearly alike."""
    moved = first + rng.normal(size=inputs) * 0.7
    gained = direct + second * moved + rng.normal(size=inputs) * 0.4
    mild, easy, noise = rng.normal(size=(raters, 2)), rng.normal(size=(inputs, 2)), 0.3
    return [
        Rating(
            f"rater {rater}",
            f"input {input_}",
            arm,
            scale,
            4 + mild[rater, place] + easy[input_, place] + second_arm * difference[input_] + rng.normal() * noise,
        )
        for rater in range(raters)
        for input_ in range(inputs)
        for second_arm, arm in enumerate(ARMS)
        for place, (scale, difference) in enumerate({"awareness": moved, "empathy": gained}.items())
    ]


@pytest.mark.parametrize(
    ("first", "second", "direct"),
    [(0.8, 0.5, 0.2), (0.8, 0.0, 0.3), (0.0, 0.5, 0.0)],
    ids=["both", "no second", "no first"],
)
def test_known_paths_lie_in_their_intervals(first: float, second: float, direct: float) -> None:
    rng, n = np.random.default_rng(5), 100
    true = {"first": first, "second": second, "indirect": first * second, "direct": direct}
    true["total"] = direct + first * second
    held = dict.fromkeys(true, 0)
    for _ in range(n):
        result = mediation(mediated(rng, first, second, direct))
        for name, value in true.items():
            path = getattr(result, name)
            held[name] += path.low <= value <= path.high
    assert min(held.values()) >= 0.93 * n, held


def test_the_paths_add_up_and_a_clear_total_is_split() -> None:
    result = mediation(mediated(np.random.default_rng(6), 1.5, 0.8, 0.4, inputs=24))
    assert result.indirect
    assert result.direct
    assert result.total
    assert result.first
    assert result.second
    assert result.indirect.value == pytest.approx(result.first.value * result.second.value)
    assert result.total.value == pytest.approx(result.indirect.value + result.direct.value)
    assert result.total.clear
    assert result.indirect.clear
    assert result.proportion == pytest.approx(result.indirect.value / result.total.value)
    assert (result.raters, result.inputs) == (5, 24)
    assert result == mediation(mediated(np.random.default_rng(6), 1.5, 0.8, 0.4, inputs=24))


def test_no_proportion_of_a_total_that_may_be_none_or_of_paths_against_each_other() -> None:
    unclear = mediation(mediated(np.random.default_rng(6), 0.0, 0.5, 0.0))
    assert unclear.total
    assert not unclear.total.clear
    assert unclear.proportion is None
    against = mediation(mediated(np.random.default_rng(6), 1.5, -0.6, 3.0))
    assert against.total
    assert against.total.clear
    assert against.proportion is None


def test_a_mediation_of_too_few_or_of_what_does_not_vary_is_words() -> None:
    rng = np.random.default_rng(6)
    for ratings, words in (
        (mediated(rng, 1, 1, 0, raters=2), "2 raters with ratings to compare, and at least 3"),
        (mediated(rng, 1, 1, 0, inputs=7), "7 inputs with ratings to compare, and at least 8"),
        ([replace(r, value=4) if r.scale == "awareness" else r for r in mediated(rng, 1, 1, 0)], "do not vary"),
    ):
        result = mediation(ratings)
        assert words in result.how
        assert (result.first, result.indirect, result.total, result.proportion) == (None,) * 4
    with pytest.raises(UsageError, match="'empathy' is given for both"):
        mediation(mediated(rng, 1, 1, 0), "empathy", "empathy")


# --- before a study -----------------------------------------------------------------------------------


@pytest.mark.torture
@pytest.mark.parametrize("study", [Study(), Study(raters=8), Study(inputs=24, spread=Spread(0.8, 0.2, 1.0))], ids=str)
def test_studies_find_what_was_planned(study: Study) -> None:
    least = smallest(study.inputs, study.raters, study.spread)
    found = [effect.p for effect in effects(study, least, 200)]
    assert sum(p < 0.05 for p in found if p is not None) == pytest.approx(0.8 * 200, abs=0.08 * 200)


def test_power_rises_from_the_level_to_one() -> None:
    sds = Spread(0.5, 0.4, 1.0)
    assert power(12, 5, 0.0, sds) == pytest.approx(0.05)
    assert power(12, 5, 0.0, sds, alpha=0.01) == pytest.approx(0.01)
    rising = [power(12, 5, effect, sds) for effect in (0.0, 0.3, 0.6, 0.9, 1.2, 9.0)]
    assert rising == sorted(rising)
    assert rising[-1] == pytest.approx(1)
    assert power(12, 5, -0.6, sds) == power(12, 5, 0.6, sds)
    least = smallest(12, 5, sds)
    assert power(12, 5, least, sds) == pytest.approx(0.8)
    assert smallest(24, 5, sds) < least
    assert smallest(12, 10, sds) < least
    assert smallest(12, 5, sds, alpha=0.01) > least
    assert smallest(12, 5, replace(sds, rater=0.8)) > least


def test_power_with_differences_of_noise_alone_is_that_of_a_plain_t_test() -> None:
    """A mean of n differences that vary by 1 has an error of 1/sqrt(n), and 1.96 + .84 errors are found in 80%."""
    assert smallest(400, 100, Spread(0.0, 0.0, 1.0)) == pytest.approx(2.8 / np.sqrt(40_000), rel=0.02)


def test_the_note_says_the_size_and_what_more_would_bring() -> None:
    sds = Spread(0.5, 0.4, 1.0)
    note = power_note(12, 5, sds)
    assert note.startswith(
        "With 12 inputs and 5 raters, 80% of studies find a difference of 0.87 points at a level of 0.05"
    )
    assert f"down to {smallest(24, 5, sds):.2g} points, twice as many raters to {smallest(12, 10, sds):.2g}." in note


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: power(12, 2, 0.5, Spread(0.5, 0.4, 1.0)), "at least 3 raters and 6 inputs; planned are 2 and 12"),
        (lambda: power_note(5, 5, Spread(0.5, 0.4, 1.0)), "at least 3 raters and 6 inputs; planned are 5 and 5"),
        (lambda: power(12, 5, 0.5, Spread(-0.5, 0.4, 1.0)), "standard deviations"),
        (lambda: power(12, 5, 0.5, Spread(0.5, float("nan"), 1.0)), "standard deviations"),
        (lambda: power(12, 5, 0.5, Spread(0.5, 0.4, 0.0)), "noise is more than 0"),
        (lambda: power(12, 5, float("nan"), Spread(0.5, 0.4, 1.0)), "an effect is a number"),
        (lambda: power(12, 5, 0.5, Spread(0.5, 0.4, 1.0), alpha=1.0), "a level lies between 0 and 1"),
        (lambda: smallest(12, 5, Spread(0.5, 0.4, 1.0), found=0.01), "the share of studies"),
    ],
)
def test_a_plan_that_cannot_be_is_named(asked: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        asked()
