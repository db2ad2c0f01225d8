"""Dimension scores of the Values Survey Module 2013, and their distance from those that Hofstede published.

The 24 items are known by the number at the end of their keys (`m07`, `vsm13/7`), and answered from 1 to 5. Means are
over respondents: people whom the model plays, or repeated answers of the model itself. Intervals are over people: a
card that answers several times is drawn with all of its answers. The constants of the formulas
are fitted over the cultures that were asked (see `culturepark.evaluate.vsm`), which takes at least three; with fewer
only differences between cultures have a meaning. Beside them stands the way in which language models have been scored
in print: one answer an item, 25 in place of the second 35 of MAS, and 50 for every constant.

Where a culture has fewer than 30 respondents, the groups of its figures say `respondents=few`: one random respondent
lies some 240 points away from anywhere, and the mean of a few is mostly noise.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from culturepark.catalog.cultures import default_countries
from culturepark.catalog.hofstede import hofstede
from culturepark.catalog.suites import Item, Suite
from culturepark.evaluate import intervals, measures, vsm
from culturepark.evaluate.answers import Answer, Pool, Sheet, group_key
from culturepark.evaluate.figures import Figure, Headline, Score, rounded
from culturepark.evaluate.plan import LEAST_RESPONDENTS
from culturepark.evaluate.scorers.aggregate import NATIVE, Condition, about, beside_all, ends_of, mean
from culturepark.evaluate.scorers.conduct import coverage, masses
from culturepark.evaluate.vsm import DIMENSIONS, Scores
from culturepark.stats.survey_fit import Floats, generator

LEAST_CULTURES = 3
"""Cultures behind a constant: with two, two errors can only be opposite."""
DRAWS = 1000
BY_HOFSTEDE = "_by_hofstede"
"""Ends the metric of what he published for the country; its n is 0, since no answer is behind it."""
NULL = "equal answers"
"""One answer to all items of all cultures: every raw score is 0."""


@dataclass(frozen=True)
class Sample:
    """The answers of one culture under one condition."""

    culture: str
    answers: Floats
    """Shape (respondents, items); no number where somebody did not answer."""
    first: Mapping[int, float]
    """Item -> the first answer to it."""
    people: tuple[int, ...]
    """Row -> number of the person who answered, from 0: a card that was asked several times is one person. Of a model
    that plays nobody, each repeat is a person."""

    @property
    def persons(self) -> int:
        """Different people, of whom intervals are drawn."""
        return len(set(self.people))

    @cached_property
    def means(self) -> dict[int, float]:
        rows = [{n + 1: float(a) for n, a in enumerate(row) if not np.isnan(a)} for row in self.answers]
        return vsm.item_means(rows)

    @cached_property
    def raw(self) -> dict[str, float | None]:
        return vsm.raw_scores(self.means)

    @property
    def is_few(self) -> bool:
        return len(self.answers) < LEAST_RESPONDENTS

    @property
    def known(self) -> dict[str, float | None]:
        """Hofstede's scores of the culture's country; empty if there are none."""
        country = self.culture if self.culture in hofstede().countries else default_countries().get(self.culture)
        scores = hofstede().countries.get(country) if country else None
        return scores.by_dimension() if scores else {}


Samples = Mapping[str, Sample]
"""By culture, under one condition."""


class Vsm13Scorer:
    """Distances from Hofstede's dimensions."""

    name = "vsm13"
    judged = False
    headline: Headline = (("vsm_distance", "smaller"), ("vsm_distance_as_published", "smaller"))

    def problem(self, suite: Suite) -> str | None:
        numbers = [number for item in suite.items if (number := number_of(item))]
        if twice := [number for number in numbers if numbers.count(number) > 1]:
            return f"two items have the number {twice[0]} at the end of their keys"
        if lacking := [number for number in vsm.ITEMS if number not in numbers]:
            return f"item {lacking[0]} of the 24 is missing; its key must end in {lacking[0]}, as in m{lacking[0]:02d}"
        scale = tuple(range(vsm.LEAST, vsm.MOST + 1))
        if odd := next((item for item in suite.items if number_of(item) and sorted(item.codes) != [*scale]), None):
            return f"item {odd.key} has options other than {scale[0]} to {scale[-1]}"
        return None

    def scores(self, sheet: Sheet) -> Iterable[Score]:  # noqa: ARG002 - the interface
        """Return nothing: the module compares samples, and says nothing of a single answer."""
        return ()

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:  # noqa: ARG002 - the interface
        for condition, samples in samples_of(sheet).items():
            yield from fitted_figures(condition, samples, sheet)
            yield from as_published(condition, samples)
        yield from coverage(sheet, self.name)

    def notes(self, sheet: Sheet) -> Iterable[str]:
        """Return what a reader has to know of the figures of too few cultures."""
        if len({answer.culture for answer in sheet.answers if answer.culture}) < LEAST_CULTURES:
            yield (
                f"the formulas' constants are fitted over the cultures that are asked, {LEAST_CULTURES} at least; with "
                "fewer there is only the distance as published"
            )


# --- from answers to samples -----------------------------------------------------------------------


def number_of(item: Item) -> int | None:
    """Return which of the 24 items it is, by the number at the end of its key; None if it is none of them."""
    match = re.search(r"(\d+)$", item.key)
    return int(match[1]) if match and int(match[1]) in vsm.ITEMS else None


def samples_of(sheet: Sheet) -> dict[Condition, dict[str, Sample]]:
    """Return the samples by condition and culture.

    Where cultures were asked in their own languages, these stand together as `language=native`, since constants are
    fitted over all of them. Answers in whose question nobody was named count for all cultures that were asked for, or
    for those whose language it is.
    """
    answers: dict[Condition, dict[str, list[tuple[int, Answer]]]] = defaultdict(lambda: defaultdict(list))
    several = len({dict(pool.condition)["language"] for pool in sheet.pools}) > 1
    for pool in sheet.pools:
        number = number_of(pool.item)
        if number is None:
            continue
        language = dict(pool.condition)["language"]
        for culture in cultures_of(pool, language, sheet):
            is_own = several and sheet.language_of.get(culture) == language
            condition = tuple(
                (name, NATIVE if name == "language" and is_own else value) for name, value in pool.condition
            )
            answers[condition][culture] += [(number, answer) for answer in pool.answers]
    return {
        condition: {
            culture: sample
            for culture, given in by_culture.items()
            if (sample := sample_of(culture, given)) is not None
        }
        for condition, by_culture in answers.items()
    }


def cultures_of(pool: Pool, language: str, sheet: Sheet) -> list[str]:
    if culture := about(pool):
        return [culture]
    native = [key for key in sheet.cultures if sheet.language_of.get(key) == language]
    return native or list(sheet.cultures)


def sample_of(culture: str, given: Sequence[tuple[int, Answer]]) -> Sample | None:
    """Return the sample of a culture; None if nobody answered anything."""
    rows: dict[tuple[str, int], int] = {}
    persons: dict[tuple[str, int], int] = {}
    values: list[tuple[int, int, float]] = []
    first: dict[int, float] = {}
    for number, answer in sorted(given, key=lambda pair: pair[1].repeat):
        value = value_of(answer)
        if value is None or answer.choice is None:
            continue
        row = rows.setdefault((answer.respondent, answer.repeat), len(rows))
        values.append((row, number - 1, value))
        first.setdefault(number, float(answer.choice))
    if not rows:
        return None
    answers = np.full((len(rows), len(vsm.ITEMS)), np.nan)
    for row, column, value in values:
        answers[row, column] = value
    people = tuple(
        persons.setdefault((respondent, 0 if respondent else repeat), len(persons)) for respondent, repeat in rows
    )
    return Sample(culture, answers, first, people)


def value_of(answer: Answer) -> float | None:
    """Return an answer as a number from 1 to 5: its mean over the options where they have probabilities.

    None where it chose no option, or most of its mass is on none.
    """
    if answer.choice is None:
        return None
    mean_code = measures.mean_of(masses(answer)) if answer.probabilities is not None else float(answer.choice)
    return None if mean_code is None else min(max(mean_code, float(vsm.LEAST)), float(vsm.MOST))


# --- with fitted constants -------------------------------------------------------------------------


def constants_of(raw: Mapping[str, Scores], known: Mapping[str, Scores]) -> dict[str, float | None]:
    """Return the constants fitted over cultures; None for a dimension that fewer than three of them have."""
    fitted = vsm.fit_constants(raw, known)
    for dimension in DIMENSIONS:
        both = [c for c in raw if raw[c].get(dimension) is not None and known.get(c, {}).get(dimension) is not None]
        if len(both) < LEAST_CULTURES:
            fitted[dimension] = None
    return fitted


def fitted_figures(condition: Condition, samples: Samples, sheet: Sheet) -> Iterator[Figure]:
    """Yield scores and distances by culture with their means, or differences between cultures where these are few.

    Intervals are over people, each culture's drawn with replacement, with all that they answered. A distance is never
    below 0, so that the noise of a few respondents makes it larger and moves its interval up.
    """
    for culture, sample in samples.items():
        group = group_key(("culture", culture), *condition)
        yield Figure("vsm_respondents", group, float(len(sample.answers)), len(sample.means))
        if sample.persons < len(sample.answers):
            yield Figure("vsm_cards", group, float(sample.persons), len(sample.means))
    raw = {culture: sample.raw for culture, sample in samples.items()}
    known = {culture: sample.known for culture, sample in samples.items()}
    constants = constants_of(raw, known)
    if not any(constant is not None for constant in constants.values()):
        yield from differences(condition, samples)
        return
    flat = {culture: vsm.flat_scores() for culture in samples}
    null_scores = vsm.index_scores(vsm.flat_scores(), constants_of(flat, known))
    drawn = drawn_scores(samples, known, constants, sheet.seed, condition)
    distances: list[tuple[vsm.Distance, vsm.Distance, Floats | None]] = []
    for culture, sample in samples.items():
        parts = (("culture", culture), *condition, *few([sample]))
        scores = vsm.index_scores(sample.raw, constants)
        own = None if drawn is None else drawn[culture]
        yield from dimension_figures(parts, scores, null_scores, sample, own)
        apart, null = vsm.distance(scores, known[culture]), vsm.distance(null_scores, known[culture])
        if apart is None or null is None:
            continue
        away = None if own is None else drawn_distances(own, scores, known[culture])
        distances.append((apart, null, away))
        yield from distance_figures(parts, [distances[-1]], len(sample.means))
    if len(distances) > 1:
        parts = (("culture", "all"), *condition, *few(samples.values()))
        yield from distance_figures(parts, distances, max(len(sample.means) for sample in samples.values()))


def dimension_figures(
    parts: Condition, scores: Scores, null: Scores, sample: Sample, drawn: Floats | None
) -> Iterator[Figure]:
    """Yield scores beside those of equal answers, and Hofstede's as figures of their own, which rest on no answer."""
    for place, dimension in enumerate(DIMENSIONS):
        if scores[dimension] is not None:
            low, high = ends_of(None if drawn is None else drawn[:, place])
            yield Figure(
                metric=f"vsm_{dimension}",
                group=group_key(*parts),
                value=rounded(scores[dimension]),
                n=len(sample.means),
                low=low,
                high=high,
                null_name=NULL,
                null_value=rounded(null[dimension]),
            )
            if (published := sample.known.get(dimension)) is not None:
                yield Figure(f"vsm_{dimension}{BY_HOFSTEDE}", group_key(*parts), rounded(published), 0)


def few(samples: Iterable[Sample]) -> Condition:
    return (("respondents", "few"),) if any(sample.is_few for sample in samples) else ()


def distance_figures(
    parts: Condition, rows: Sequence[tuple[vsm.Distance, vsm.Distance, Floats | None]], items: int
) -> Iterator[Figure]:
    """Yield the mean distance of some cultures beside that of equal answers, and the number of dimensions."""
    group = group_key(*parts)
    drawn = [away for _, _, away in rows if away is not None]
    low, high = ends_of(np.mean(drawn, axis=0) if len(drawn) == len(rows) else None)
    figure = Figure(
        "vsm_distance", group, rounded(mean(apart.euclidean for apart, *_ in rows)), items, low, high, ceiling=0.0
    )
    yield from beside_all(figure, {NULL: mean(null.euclidean for _, null, _ in rows)}, smaller=True)
    # A culture with two of six dimensions has a smaller distance for that alone; the mean error has not.
    error = Figure(
        "vsm_mean_error", group, rounded(mean(apart.mean_absolute for apart, *_ in rows)), items, ceiling=0.0
    )
    yield from beside_all(error, {NULL: mean(null.mean_absolute for _, null, _ in rows)}, smaller=True)
    if len(rows) == 1:
        yield Figure("vsm_dimensions", group, float(rows[0][0].dimensions), items)


def differences(condition: Condition, samples: Samples) -> Iterator[Figure]:
    """Yield how much higher the first of two cultures lies than the second by dimension, which takes no constant."""
    for one, other in combinations(samples.values(), 2):
        parts = (("culture", one.culture), ("against", other.culture), *condition, *few([one, other]))
        items = len({*one.means} & {*other.means})
        for dimension in DIMENSIONS:
            first, second = one.raw[dimension], other.raw[dimension]
            if first is None or second is None:
                continue
            here, there = one.known.get(dimension), other.known.get(dimension)
            yield Figure(
                metric=f"vsm_difference_{dimension}",
                group=group_key(*parts),
                value=rounded(first - second),
                n=items,
                null_name=NULL,
                null_value=0.0,
            )
            if here is not None and there is not None:
                name = f"vsm_difference_{dimension}{BY_HOFSTEDE}"
                yield Figure(name, group_key(*parts), rounded(here - there), 0)


def as_published(condition: Condition, samples: Samples) -> Iterator[Figure]:
    """Yield the distance as it stands in print: from one answer an item, with 25 for 35 in MAS, and +50 everywhere."""
    constants = vsm.published_constants()
    flat = vsm.index_scores(vsm.flat_scores(), constants)
    rows: dict[str, list[tuple[float, float]]] = {}
    for culture, sample in samples.items():
        scores = vsm.index_scores(vsm.raw_scores(sample.first, vsm.AS_PUBLISHED), constants)
        apart, null = vsm.distance(scores, sample.known), vsm.distance(flat, sample.known)
        if apart is not None and null is not None:
            rows[culture] = [(apart.euclidean, null.euclidean)]
    if len(rows) > 1:
        rows["all"] = [row for own in rows.values() for row in own]
    for culture, own in rows.items():
        group, value = group_key(("culture", culture), *condition), mean(away for away, _ in own)
        items = max(len(s.first) for c, s in samples.items() if culture in (c, "all"))
        figure = Figure("vsm_distance_as_published", group, rounded(value), items, ceiling=0.0)
        yield from beside_all(figure, {NULL: mean(null for _, null in own)}, smaller=True)


# --- intervals over people ----------------------------------------------------------------------------


def drawn_scores(
    samples: Samples, known: Mapping[str, Scores], constants: Scores, seed: int, condition: Condition
) -> dict[str, Floats] | None:
    """Return the scores of each culture in samples of its people, with constants fitted in each of them anew.

    Returns:
        By culture an array of shape (draws, dimensions), with no number for what is missing; None if a culture has too
        few people for an interval, since its answers move all constants.
    """
    if any(sample.persons < intervals.FEWEST_CLUSTERS for sample in samples.values()):
        return None
    raw = {
        culture: drawn_raw(sample, generator("vsm", seed, culture, *condition)) for culture, sample in samples.items()
    }
    shift = np.full((DRAWS, len(DIMENSIONS)), np.nan)
    for place, dimension in enumerate(DIMENSIONS):
        if constants[dimension] is not None:
            shifts = [
                there - raw[culture][:, place]
                for culture in samples
                if (there := known[culture].get(dimension)) is not None and samples[culture].raw[dimension] is not None
            ]
            shift[:, place] = np.mean(shifts, axis=0)
    return {culture: scores + shift for culture, scores in raw.items()}


def drawn_raw(sample: Sample, rng: np.random.Generator) -> Floats:
    """Return raw scores of samples of the people, each with all rows of theirs: shape (draws, dimensions)."""
    count = sample.persons
    times = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)[:, sample.people]
    answered = ~np.isnan(sample.answers)
    people = times @ answered
    sums = times @ np.where(answered, sample.answers, 0.0)
    means = np.where(people > 0, sums / np.where(people > 0, people, 1), np.nan)
    columns = [
        sum(factor * (means[:, first - 1] - means[:, second - 1]) for factor, first, second in vsm.MANUAL[dimension])
        for dimension in DIMENSIONS
    ]
    return np.stack(columns, axis=1)


def drawn_distances(drawn: Floats, scores: Scores, known: Scores) -> Floats:
    """Return the distance in each draw, over the dimensions of the figure itself."""
    there = [
        (place, value)
        for place, dimension in enumerate(DIMENSIONS)
        if scores[dimension] is not None and (value := known.get(dimension)) is not None
    ]
    gaps = np.stack([drawn[:, place] - value for place, value in there], axis=1)
    away: Floats = np.sqrt((gaps**2).sum(axis=1))
    return away
