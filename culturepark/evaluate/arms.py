"""What ratings say of two arms: the paired study of `study`, on the scores of an evaluation.

People and judges are kept apart. People are a draw from those who could have been asked, and a mixed model says what
others would find; two or three judges are no draw from anything, so of them only the test over inputs is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from culturepark.domain import JsonObject
from culturepark.errors import CultureparkError, UsageError
from culturepark.evaluate import study
from culturepark.evaluate.answers import Sheet, group_key
from culturepark.evaluate.figures import Figure, Score, rounded
from culturepark.evaluate.intervals import holm
from culturepark.evaluate.ratings import plain_name, rated
from culturepark.glossary import counted

MEDIATOR, OUTCOME = "awareness", "empathy"
"""The arm may raise the second because it raises the first."""
ASSUMED = study.Spread(input=0.5, rater=0.4, noise=1.0)
"""Standard deviations of the difference that a power note takes for granted, in points of the scale. They are a guess
for scales of five steps, since nobody has rated these answers yet."""
NULL = "zero"
"""What differences and paths stand beside: a number, and no verdict."""
PLANNED_RATERS = (3, 5, 10)


@dataclass(frozen=True)
class ArmStudy:
    """All that is known of the difference between two arms, by one kind of raters."""

    kind: str
    """`people` or `judges`."""
    arms: study.Arms
    effects: tuple[study.ArmEffect, ...] = ()
    tests: tuple[study.Permutation, ...] = ()
    holm: dict[str, float] = field(default_factory=dict)
    """Scale -> p of its test, adjusted for the number of scales."""
    mediation: study.Mediation | None = None
    lacking: tuple[str, ...] = ()
    """What could not be computed, and why."""

    def as_json(self) -> JsonObject:
        return asdict(self)


def study_ratings(sheet: Sheet, scores: Sequence[Score], kind: str) -> list[study.Rating]:
    """Return the ratings of people or of judges as those of a study; a judge's two passes are one rating."""
    by_id = {answer.id: answer for answer in sheet.answers}
    ratings = []
    for on_scale in rated(score for score in scores if score.answer_id in by_id):
        raters = on_scale.people if kind == "people" else on_scale.judges
        for rater, own in raters.items():
            for answer_id, value in own.items():
                answer = by_id[answer_id]
                rest = group_key(*(part for part in answer.condition if part[0] != "arm"), ("as", answer.respondent))
                where = f"{answer.item} {answer.culture or answer.group} {rest}"
                ratings.append(study.Rating(rater, where, answer.arm, on_scale.scale, value))
    return ratings


def studies(sheet: Sheet, scores: Sequence[Score]) -> Iterator[ArmStudy]:
    """Yield the study of each further arm against the first, by people and by judges, where there are ratings."""
    arms = list(dict.fromkeys(answer.arm for answer in sheet.answers))
    for kind in ("people", "judges"):
        ratings = study_ratings(sheet, scores, kind)
        rated_arms = {rating.arm for rating in ratings}
        for arm in arms[1:]:
            if {arms[0], arm} <= rated_arms:
                yield study_of(ratings, kind, (arms[0], arm))


def study_of(ratings: Sequence[study.Rating], kind: str, arms: study.Arms) -> ArmStudy:
    effects, tests, lacking, mediation = [], [], [], None
    scales = sorted({rating.scale for rating in ratings})
    for scale in scales:
        try:
            tests.append(study.paired_permutation(ratings, scale, arms))
            if kind == "people":
                effects.append(study.mixed_effect(ratings, scale, arms))
        except CultureparkError as error:
            lacking.append(f"{scale}: {error}")
    if kind == "people" and {MEDIATOR, OUTCOME} <= set(scales):
        try:
            mediation = study.mediation(ratings, MEDIATOR, OUTCOME, arms)
        except CultureparkError as error:
            lacking.append(f"{MEDIATOR} and {OUTCOME}: {error}")
    known = {test.scale: test.p for test in tests if test.p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    return ArmStudy(kind, arms, tuple(effects), tuple(tests), adjusted, mediation, tuple(dict.fromkeys(lacking)))


def study_figures(sheet: Sheet, scores: Sequence[Score]) -> Iterator[Figure]:
    """Yield the estimates of the studies as figures: the effect, the adjusted p, and the paths of the mediation."""
    for found in studies(sheet, scores):
        group = group_key(
            ("arm", plain_name(found.arms[1])), ("over", plain_name(found.arms[0])), ("raters", found.kind)
        )
        for effect in found.effects:
            if effect.estimate is not None:
                name, ends = f"{effect.scale}_effect", (rounded(effect.low), rounded(effect.high))
                yield Figure(name, group, rounded(effect.estimate), effect.inputs, *ends).beside(NULL, 0.0)
        for test in found.tests:
            if test.scale in found.holm:
                yield Figure(f"{test.scale}_p", group, rounded(found.holm[test.scale]), test.inputs)
        if found.mediation and found.mediation.indirect:
            for part in ("indirect", "direct", "total"):
                path = getattr(found.mediation, part)
                name = f"{found.mediation.outcome}_{part}_{found.mediation.mediator}"
                ends = rounded(path.low), rounded(path.high)
                yield Figure(name, group, rounded(path.value), found.mediation.inputs, *ends).beside(NULL, 0.0)


def study_lines(found: ArmStudy) -> Iterator[str]:
    """Yield a study in words."""
    first, second = found.arms
    yield f"{second} against {first}, by {found.kind}:"
    for effect in found.effects:
        if effect.estimate is None:
            yield f"  {effect.scale}: {effect.how}"
        else:
            yield (
                f"  {effect.scale}: {effect.estimate:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}] as other raters "
                f"would rate other inputs ({counted(effect.raters, 'rater')}, {counted(effect.inputs, 'input')}; "
                f"{effect.how})"
            )
    for test in found.tests:
        p = "" if test.p is None else f", p {test.p:.3g}, {found.holm[test.scale]:.3g} for all scales together (Holm)"
        yield f"  {test.scale}: {test.difference:+.2f} by these raters{p} ({test.how})"
    if found.mediation:
        yield from mediation_lines(found.mediation)
    for why in found.lacking:
        yield f"  not computed: {why}"


def mediation_lines(found: study.Mediation) -> Iterator[str]:
    if found.indirect is None or found.direct is None:
        yield f"  {found.outcome} by way of {found.mediator}: {found.how}"
        return
    share = "" if found.proportion is None else f", {found.proportion:.0%} of the whole"
    yield (
        f"  {found.outcome} by way of {found.mediator}: {path_text(found.indirect)}{share}; the rest "
        f"{path_text(found.direct)}. That the one causes the other is assumed, not shown ({found.how})"
    )


def path_text(path: study.Path) -> str:
    return f"{path.value:+.2f} [{path.low:+.2f}, {path.high:+.2f}]"


def power_lines(inputs: int) -> Iterator[str]:
    """Yield what a study of so many inputs can find, before anybody is asked; nothing where it is too small for any."""
    if inputs < study.FEWEST_INPUTS:
        yield f"{counted(inputs, 'input')} in both arms: a study needs {study.FEWEST_INPUTS} at least"
        return
    for raters in PLANNED_RATERS:
        try:
            yield study.power_note(inputs, raters, ASSUMED)
        except UsageError as error:
            yield str(error)
