"""By what an answer is preferred to another, or labelled as good or bad. Pure.

*Pairs.* Two answers to one prompt are compared by each rater who has rated both, and the differences are averaged: a
strict rater and a lenient one who rank alike agree. *Labels* (KTO). An answer is good if it was rated above a
threshold, bad if below; without a threshold each rater's own middle, the median of all that the rater gave on this
scale, is taken, and the distances from it are averaged.

People come before models. A model's ratings count only if they are asked for, and only where no person can decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from culturepark.domain import PERSON, JsonObject
from culturepark.errors import UsageError
from culturepark.export.formats import RATINGS, Format
from culturepark.files import clipped
from culturepark.glossary import counted

REVIEW_SCALE, REVIEW_LEAST, REVIEW_MOST = "review", 1.0, 5.0
"""The scale of ratings in reviews."""
TIED, UNDER = "pairs that are rated alike", "pairs that are rated less than the margin apart"
NOT_SHARED = "pairs of which nobody has rated both"
SAME_WORDS = "pairs of the same words"
NOT_KEPT = "pairs of which the better rated answer is not kept, or not selected"
UNLIKE = "pairs of which one answer cannot stand under the prompt of the other"
ALONE = "rated answers without another to their prompt"
NO_PROMPT = "rated answers of which the prompt is not known"
UNUSABLE = "rated answers that a row cannot hold"
OTHER_WORDS = "rated answers whose words have changed since"
IN_THE_MIDDLE = "rated answers in the middle, or nearer to it than the margin"
UNDECIDED = "answers that nobody has accepted or rejected"
ACCEPTED_UNKEPT = "answers that are accepted or well rated, but not kept, or not selected"
NO_VERDICT = "answers that were dropped for another reason than a verdict"
"""Reasons for which there is no pair or no label."""
NEAR = 1e-9
"""Means of ratings differ by as much for reasons of arithmetic."""

Raters = Mapping[str, float]
"""Rater (`person:NAME` or a model's spec) -> rating of one answer."""


@dataclass(frozen=True)
class Labels:
    """The options of an export that say by what answers are preferred or labelled."""

    basis: str | None = None
    """One of `formats.BASES`; None for that of the format."""
    scale: str | None = None
    """The scale whose ratings count; None where there is only one."""
    margin: float | None = None
    """Least difference of two answers, or distance from the middle, in steps of the scale; None for 1 or 0."""
    threshold: float | None = None
    """Rating above which an answer is good, and below which it is bad; None for each rater's own middle."""
    judges: bool = False
    """Models' ratings count too, where people have not decided."""

    def basis_for(self, form: Format) -> str | None:
        """Return what preferences or labels come from; None for a format that has neither."""
        return self.basis or form.bases[0] if form.bases else None

    def check(self, form: Format) -> None:
        """
        Raises:
            UsageError: if an option is wrong, or does not fit the format.
        """
        usual = form.bases
        if not usual and self != Labels():
            raise UsageError(
                f"--from, --margin, --threshold, --scale and --judges are for preferences and labels, and --format "
                f"{form.name} has none"
            )
        if usual and self.basis is not None and self.basis not in usual:
            raise UsageError(f"--from {clipped(self.basis)!r}: --format {form.name} takes {' or '.join(usual)}")
        if self.basis_for(form) != RATINGS:
            given = {"--margin": self.margin, "--threshold": self.threshold, "--scale": self.scale}
            names = [name for name, value in given.items() if value is not None] + ["--judges"] * self.judges
            if names:
                raise UsageError(f"{names[0]} goes with --from {RATINGS}")
        if self.threshold is not None and form.pairs:
            raise UsageError("--threshold is for --format kto; pairs have a --margin")
        if self.margin is not None and not 0 <= self.margin < float("inf"):
            raise UsageError("--margin: steps of the scale are wanted, as in --margin 1.5")

    @property
    def least_difference(self) -> float:
        return 1.0 if self.margin is None else self.margin

    @property
    def least_distance(self) -> float:
        return self.margin or 0.0


@dataclass(frozen=True)
class Difference:
    """How far two answers, or an answer and the middle, are apart."""

    value: float
    """Mean over the raters, in steps of the scale."""
    raters: Raters
    """Rater -> difference."""

    @property
    def by_people(self) -> bool:
        return all(rater.startswith(PERSON) for rater in self.raters)

    def as_json(self, scale: str) -> JsonObject:
        """Return what the index says of it."""
        raters = {name: round(value, 4) for name, value in sorted(self.raters.items())}
        return {"scale": scale, "margin": round(abs(self.value), 4), "raters": raters}


@dataclass(frozen=True)
class Scale:
    """The ratings on one scale."""

    name: str
    least: float
    most: float
    ratings: Mapping[str, Raters]
    """Id of an answer -> its ratings."""
    texts: Mapping[str, str]
    """Id of an answer -> the words that were rated, where they were kept with the ratings."""

    @property
    def middles(self) -> dict[str, float]:
        """Rater -> median of all that the rater gave."""
        given: dict[str, list[float]] = defaultdict(list)
        for raters in self.ratings.values():
            for rater, value in raters.items():
                given[rater].append(value)
        return {rater: median(values) for rater, values in given.items()}


def between(one: Raters, other: Raters) -> Difference | None:
    """Return by how much the first answer is rated higher; None if nobody has rated both.

    Where people have rated both, what models say does not count.
    """
    return averaged({rater: value - other[rater] for rater, value in one.items() if rater in other})


def from_middle(raters: Raters, middles: Raters, threshold: float | None) -> Difference | None:
    """Return how far an answer is rated above the threshold, or above its raters' own middles; None if by nobody."""
    return averaged(
        {rater: value - (middles[rater] if threshold is None else threshold) for rater, value in raters.items()}
    )


def averaged(by_rater: Raters) -> Difference | None:
    people = {rater: value for rater, value in by_rater.items() if rater.startswith(PERSON)}
    counted = people or dict(by_rater)
    return Difference(fmean(counted.values()), counted) if counted else None


def one_scale(scales: Mapping[str, int], wanted: str | None, judges: bool, over: str) -> str:
    """Return the name of the scale whose ratings count.

    Args:
        scales: name -> number of answers that are rated on it.
        over: the runs and evaluations, for messages.
    Raises:
        UsageError: if there are no ratings, or none on the wanted scale, or if it has to be named.
    """
    there = ", ".join(f"{name} ({counted(count, 'answer')})" for name, count in sorted(scales.items()))
    if not scales:
        who = "nobody" if judges else "no person"
        how = "`culturepark review` and `culturepark judge --sheet` ask people"
        more = "" if judges else "; --judges takes ratings by models, if there are any"
        raise UsageError(f"{who} has rated an answer of {over}: {how}{more}")
    if wanted is None and len(scales) > 1:
        raise UsageError(f"answers of {over} are rated on several scales, {there}: --scale NAME says which counts")
    if wanted is not None and wanted not in scales:
        raise UsageError(f"--scale {clipped(wanted)!r}: no rating of {over} is on it; there are {there}")
    return wanted or next(iter(scales))


# --- pairs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """Two answers to one prompt, of which the first is rated higher by the margin."""

    chosen: str
    rejected: str
    difference: Difference


def compared(
    prompts: Mapping[str, Collection[object]],
    ratings: Mapping[str, Raters],
    least: float,
) -> tuple[list[Compared], dict[str, int]]:
    """Return all pairs of answers to one prompt that are rated apart, and why others are none.

    Args:
        prompts: id of an answer -> its prompts, of which two answers must have one in common.
        least: least difference in steps of the scale.
    """
    by_prompt: dict[object, list[str]] = defaultdict(list)
    for name, own in prompts.items():
        for prompt in own:
            by_prompt[prompt].append(name)
    order = {name: number for number, name in enumerate(prompts)}
    rivals: dict[str, set[str]] = defaultdict(set)
    for names in by_prompt.values():
        for name in names:
            rivals[name].update(other for other in names if other != name)
    counts: dict[str, int] = defaultdict(int)
    pairs = []
    for name in prompts:
        if not rivals[name]:
            counts[ALONE] += 1
        for other in sorted(rivals[name], key=order.__getitem__):
            found = between(ratings[name], ratings[other])
            first = order[name] < order[other]  # each two meet twice
            if found is None:
                counts[NOT_SHARED] += first
            elif abs(found.value) < NEAR:
                counts[TIED] += first
            elif abs(found.value) < least - NEAR:
                counts[UNDER] += first
            elif found.value > 0:
                pairs.append(Compared(name, other, found))
    return pairs, dict(counts)


def together(values: Iterable[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """Return answer -> rater -> mean of what the rater gave it, out of all that was given."""
    given: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for subject, rater, value in values:
        given[subject][rater].append(value)
    return {subject: {rater: fmean(own) for rater, own in raters.items()} for subject, raters in given.items()}


def only_people(ratings: Mapping[str, Raters]) -> dict[str, Raters]:
    """Return the ratings without those of models, and without answers that only models have rated."""
    people = {
        subject: {rater: value for rater, value in raters.items() if rater.startswith(PERSON)}
        for subject, raters in ratings.items()
    }
    return {subject: raters for subject, raters in people.items() if raters}
