"""How far a model's answers lie from the shares of answers that people gave.

Four scores a question: `nvas` (of the means, 0-100), `jsd` (of the shares, 0-1, smaller is nearer), `wasserstein` (of
the shares along an ordered scale, 0-1, smaller is nearer) and `top` (whether the commonest answer is the same, 0-1).
Each stands beside four nulls: the middle of the scale, all options alike, the other countries together, and the
country's own commonest answer.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from culturepark.catalog.suites import Item, Suite
from culturepark.evaluate import intervals, measures
from culturepark.evaluate.answers import Pool, Sheet, group_key
from culturepark.evaluate.figures import Figure, Headline, ItemValue, Score, rounded
from culturepark.evaluate.measures import Ceilings, Distribution
from culturepark.evaluate.scorers.aggregate import (
    NATIVE,
    TOPIC,
    Condition,
    by,
    by_condition,
    interval_figure,
    mean,
    plain,
    without_shares,
)
from culturepark.evaluate.scorers.conduct import coverage
from culturepark.stats.survey_fit import generator

METRICS = ("nvas", "jsd", "wasserstein", "top")
SMALLER_IS_NEARER = ("jsd", "wasserstein")
CONSTANTS = ("midpoint", "uniform")
"""The nulls that know nothing of any country."""
PEOPLE = 1000
"""Respondents behind shares of which nobody says how many there were; only the ceiling hangs on it."""
MOST_BESIDE = 60
"""Questions that are set beside each other to see how alike answers to different ones are."""
DRAWS_APART = 20
"""Draws behind the expected distance between countries, of each question."""


@dataclass(frozen=True)
class Distance:
    """One question's scores for one country, and those of whoever knows nothing."""

    item: str
    topic: str
    group: str
    culture: str | None
    values: Mapping[str, float]
    """Metric -> score; without `nvas` where most of the mass is on no option."""
    nulls: Mapping[str, Mapping[str, float]]
    """Null -> metric -> its score."""
    ceilings: Ceilings

    def ceiling(self, metric: str) -> float:
        return float(getattr(self.ceilings, {"jsd": "divergence"}.get(metric, metric)))


class SurveyScorer:
    """Distances from shares, and how steady the answers are across conditions."""

    name = "survey"
    judged = False
    headline: Headline = ()

    def problem(self, suite: Suite) -> str | None:
        return without_shares(suite)

    def scores(self, sheet: Sheet) -> Iterable[Score]:
        """Return the divergence of each answer that chose an option, or weighs them; all scores are in its detail."""
        for pool in sheet.pools:
            if not pool.item.shares:
                continue
            people = people_of(pool.item, pool.group)
            for answer in pool.valid:
                single = Pool(pool.item, pool.group, pool.culture, pool.condition, (answer,)).distribution
                if single is not None:
                    values = distances(single, people, pool.item)
                    detail = {"group": pool.group, **{name: rounded(value) for name, value in values.items()}}
                    yield Score(answer.id, self.name, rounded(values["jsd"]), detail)

    def item_values(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[ItemValue]:  # noqa: ARG002 - the interface
        """Yield the distances of each question from the people of each group, without nulls and ceilings."""
        for pool in sheet.pools:
            if pool.distribution is None or pool.group not in pool.item.shares:
                continue
            found = distances(pool.distribution, people_of(pool.item, pool.group), pool.item)
            for metric in METRICS:
                if metric not in found:
                    continue
                yield ItemValue(
                    metric=metric,
                    condition=pool.condition,
                    culture=pool.culture or pool.group,
                    group=pool.group,
                    item=pool.item.key,
                    value=found[metric],
                    smaller_is_better=metric in SMALLER_IS_NEARER,
                )

    def item_nulls(self, sheet: Sheet) -> Iterator[Distance]:
        """Yield the scores of each question beside its nulls and what another sample of the people would score."""
        yield from distances_of((pool for pool in sheet.pools if pool.item.shares), sheet)

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:  # noqa: ARG002 - the interface
        asked = [pool for pool in sheet.pools if pool.item.shares]
        for condition, pools in by_condition(asked, sheet).items():
            yield from near(condition, pools, sheet)
            yield from told_apart(condition, pools, sheet)
        yield from consistency(asked, sheet)
        yield from coverage(sheet, self.name)


# --- distances -----------------------------------------------------------------------------------


def people_of(item: Item, group: str) -> Distribution:
    return Distribution.of(dict.fromkeys(item.codes, 0.0) | dict(item.shares[group]))


def distances(model: Distribution, people: Distribution, item: Item) -> dict[str, float]:
    """Return the scores of one distribution of answers beside that of people."""
    values = {"jsd": measures.divergence(model, people), "top": measures.top_agrees(model, people)}
    if item.is_ordinal:
        values["wasserstein"] = measures.wasserstein(model, people, item.codes)
        mean, theirs = measures.mean_of(model), measures.mean_of(people)
        if mean is not None and theirs is not None:
            values["nvas"] = measures.nvas(mean, theirs, min(item.codes), max(item.codes))
    return values


def nulls_of(item: Item, group: str) -> dict[str, dict[str, float]]:
    """Return what each null scores on a question."""
    people = people_of(item, group)
    others = measures.pooled([people_of(item, other) for other in item.shares if other != group])
    guesses = {
        "midpoint": measures.midpoint(item.codes) if item.is_ordinal else None,
        "uniform": measures.uniform(item.codes),
        "others": others,
        "own mode": measures.own_mode(item.shares[group]),
    }
    return {name: distances(guess, people, item) for name, guess in guesses.items() if guess is not None}


def drawing(item: Item, group: str) -> dict[str, Distribution]:
    """Return the nulls whose answers differ from draw to draw."""
    others = measures.pooled([people_of(item, other) for other in item.shares if other != group])
    return {"uniform": measures.uniform(item.codes), **({"others": others} if others else {})}


def as_drawn(guess: Distribution, item: Item, group: str, n: int, rng: np.random.Generator) -> dict[str, float]:
    """Return what a null scores that is asked as often as the model: a few draws lie off whatever they are drawn from.

    An exact null beside a few sampled answers would make every model look farther than it.
    """
    found = measures.drawn_scores(guess.shares, item.shares[group], n, item.codes, rng, draws=200)
    scores = {"jsd": found.divergence, "top": found.top}
    return scores | ({"nvas": found.nvas, "wasserstein": found.wasserstein} if item.is_ordinal else {})


class Nulls:
    """Nulls and ceilings of questions, each computed once."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._known: dict[tuple[str, str, int], tuple[dict[str, dict[str, float]], Ceilings]] = {}

    def of(self, item: Item, group: str, drawn: int | None) -> tuple[dict[str, dict[str, float]], Ceilings]:
        """
        Args:
            drawn: number of answers where they were sampled. Whoever holds the true shares and is asked so often would
                come no nearer than a sample of that size; None where probabilities are known.
        """
        n = min(filter(None, (item.n.get(group, PEOPLE), drawn)))
        key = item.key, group, drawn or 0
        if key not in self._known:
            rng = generator("ceiling", self.seed, *key)
            ceilings = measures.ceilings(item.shares[group], n, item.codes, rng)
            nulls = nulls_of(item, group)
            if drawn is not None:
                nulls |= {
                    name: as_drawn(guess, item, group, drawn, rng) for name, guess in drawing(item, group).items()
                }
            self._known[key] = nulls, ceilings
        return self._known[key]


def distances_of(pools: Iterable[Pool], sheet: Sheet) -> list[Distance]:
    """Return the distances of all questions that were answered; a question without an answer is missing."""
    nulls = sheet_nulls(sheet)
    found = []
    for pool in pools:
        if pool.distribution is None or pool.group not in pool.item.shares:
            continue
        drawn = drawn_in(pool)
        beside, ceilings = nulls.of(pool.item, pool.group, drawn)
        values = distances(pool.distribution, people_of(pool.item, pool.group), pool.item)
        found.append(Distance(pool.item.key, pool.item.topic, pool.group, pool.culture, values, beside, ceilings))
    return found


def sheet_nulls(sheet: Sheet) -> Nulls:
    """Return the nulls of a sheet; the same object for all its conditions."""
    cache = sheet.__dict__.setdefault("_nulls", Nulls(sheet.seed))
    assert isinstance(cache, Nulls)
    return cache


def near(condition: Condition, pools: Sequence[Pool], sheet: Sheet) -> Iterator[Figure]:
    """Yield the mean scores by culture, country and topic, and over all.

    Of cultures that were asked in languages of their own there are only all together, since each stands under its
    language.
    """
    every = distances_of(pools, sheet)
    cultures = by(every, lambda d: d.culture or d.group)
    together = ("language", NATIVE) in condition
    for culture, own in cultures.items() if not together else ():
        yield from beside_nulls((("culture", culture), *condition), own, sheet)
        countries = by(own, lambda d: d.group)
        for country, there in countries.items() if len(countries) > 1 else ():
            yield from beside_nulls((("culture", culture), ("country", country), *condition), there, sheet)
        for topic, on_it in by(own, lambda d: d.topic).items():
            if topic and len(on_it) >= TOPIC and len(on_it) < len(own):
                yield from beside_nulls((("culture", culture), ("topic", plain(topic)), *condition), on_it, sheet)
    if len(cultures) > 1:
        yield from beside_nulls((("culture", "all"), *condition), every, sheet)


def beside_nulls(parts: Sequence[tuple[str, str]], own: Sequence[Distance], sheet: Sheet) -> Iterator[Figure]:
    """Yield a figure for each score and null, the strongest constant first."""
    group = group_key(*parts)
    for metric in METRICS:
        rows = [d for d in own if metric in d.values]
        if not rows:
            continue
        interval = intervals.bootstrap(
            [d.values[metric] for d in rows], sheet.seed, metric, group, clusters=[d.item for d in rows]
        )
        assert interval is not None
        figure = Figure(
            metric=metric,
            group=group,
            value=rounded(interval.value),
            n=len(rows),
            low=rounded(interval.low),
            high=rounded(interval.high),
            ceiling=rounded(mean(d.ceiling(metric) for d in rows)),
        )
        means = {
            name: mean(d.nulls[name][metric] for d in rows)
            for name in rows[0].nulls
            if all(metric in d.nulls.get(name, {}) for d in rows)
        }
        for name in sorted(means, key=lambda name: (name not in CONSTANTS, strength(metric, means[name], name))):
            yield figure.beside(name, rounded(means[name]), larger_is_better=metric not in SMALLER_IS_NEARER)


def strength(metric: str, value: float, name: str) -> tuple[float, int]:
    """Return a key by which the strongest null comes first; of equal ones the middle of the scale."""
    nearer = value if metric in SMALLER_IS_NEARER else -value
    return round(nearer, 9), 0 if name == "midpoint" else 1


# --- other countries, other conditions ---------------------------------------------------------------


def told_apart(condition: Condition, pools: Sequence[Pool], sheet: Sheet) -> Iterator[Figure]:
    """Yield how far apart the model holds the countries, as a share of how far apart their people are.

    A few sampled answers lie apart by chance alone. So the null is what as many draws from one and the same answer
    would show, and the ceiling what as many draws from the people themselves would.
    """
    model: list[float] = []
    people: list[float] = []
    nulls: list[float] = []
    ceilings: list[float] = []
    rng = generator("apart", sheet.seed, condition)
    for own in by(pools, lambda pool: pool.item.key).values():
        given = {pool.group: pool.distribution for pool in own if pool.distribution is not None}
        truth = {group: people_of(own[0].item, group) for group in given}
        apart, theirs = measures.differentiation(given), measures.differentiation(truth)
        together = measures.pooled(given.values())
        if apart is None or theirs is None or together is None:
            continue
        drawn = {pool.group: drawn_in(pool) for pool in own if pool.group in given}
        model.append(apart)
        people.append(theirs)
        nulls.append(by_draws(dict.fromkeys(given, together), drawn, rng))
        ceilings.append(by_draws(truth, drawn, rng))
    ratio = measures.differentiation_ratio(model, people)
    if ratio is not None:
        null, ceiling = (measures.differentiation_ratio(values, people) for values in (nulls, ceilings))
        figure = Figure(
            "differentiation",
            group_key(("culture", "all"), *condition),
            rounded(ratio),
            len(model),
            ceiling=rounded(ceiling),
        )
        yield figure.beside("the same for all", rounded(null))


def drawn_in(pool: Pool) -> int | None:
    """Return the number of answers that were drawn; None where probabilities are known."""
    return None if any(a.probabilities is not None for a in pool.answers) else len(pool.answers)


def by_draws(given: Mapping[str, Distribution], drawn: Mapping[str, int | None], rng: np.random.Generator) -> float:
    """Return how far apart draws from some distributions lie on average; the distributions, where nothing is drawn."""
    if all(number is None for number in drawn.values()):
        return measures.differentiation(given) or 0.0
    found = []
    for _ in range(DRAWS_APART):
        sample = {}
        for group, whole in given.items():
            codes = [*whole.shares]
            masses = np.array([*whole.shares.values(), whole.outside])
            counts = rng.multinomial(drawn[group] or PEOPLE, masses / masses.sum())
            sample[group] = Distribution.of(dict(zip(codes, map(float, counts), strict=False)), float(counts[-1]))
        found.append(measures.differentiation(sample) or 0.0)
    return mean(found)


PAIRS: tuple[tuple[str, str, tuple[str, str]], ...] = (
    ("fcs", "framing", ("observer", "persona")),
    ("spd", "framing", ("neutral", "persona")),
)
"""Metric, part of the condition, and its two values; the language is the same on both sides."""


def consistency(pools: Sequence[Pool], sheet: Sheet) -> Iterator[Figure]:
    """Yield how alike the answers of two conditions are, 0 to 100, by culture.

    `fcs`: observer and persona; `spd`: neutral and persona; `clcs`: English and the culture's own language, as persona.
    """
    cells = {
        (dict(pool.condition)["framing"], dict(pool.condition)["language"], rest_of(pool), pool.culture or pool.group,
         pool.group, pool.item.key): pool
        for pool in pools
        if pool.distribution is not None
    }  # fmt: skip
    pairs: dict[tuple[str, str, Condition], list[tuple[Pool, Pool]]] = defaultdict(list)
    for (framing, language, rest, culture, group, key), pool in cells.items():
        if framing != "persona":
            continue
        for metric, _, (other, _persona) in PAIRS:
            if beside := cells.get((other, language, rest, culture, group, key)):
                pairs[metric, culture, (("language", language), *rest)].append((beside, pool))
        if language != "en" and (beside := cells.get((framing, "en", rest, culture, group, key))):
            pairs["clcs", culture, (("language", language), *rest)].append((beside, pool))
    for (metric, culture, rest), both in pairs.items():
        found = [(value, one.item.key) for one, other in both if (value := alike(one, other)) is not None]
        if not found:
            continue
        parts = (("culture", culture), *rest)
        figure = interval_figure(metric, parts, [v for v, _ in found], [one for one, _ in both], sheet,
                                 clusters=[key for _, key in found])  # fmt: skip
        yield Figure(**vars(figure) | {"ceiling": 100.0}).beside("other questions", rounded(by_chance(both)))


def rest_of(pool: Pool) -> Condition:
    return tuple((name, value) for name, value in pool.condition if name not in ("framing", "language"))


def alike(one: Pool, other: Pool) -> float | None:
    """Return how alike two pools' answers are: by the means of an ordered scale, else by what they have in common."""
    first, second = one.distribution, other.distribution
    if first is None or second is None:
        return None
    if one.item.is_ordinal:
        return measures.similarity(first, second, min(one.item.codes), max(one.item.codes))
    return measures.overlap(first, second)


def by_chance(both: Sequence[tuple[Pool, Pool]]) -> float | None:
    """Return how alike answers to different questions with the same options are: what is alike without being the same.

    None if no two questions have the same options.
    """
    found = [
        value
        for (one, _), (third, other) in pairs_of(both)
        if one.item.codes == third.item.codes and (value := alike(one, other)) is not None
    ]
    return mean(found) if found else None


def pairs_of(both: Sequence[tuple[Pool, Pool]]) -> Iterator[tuple[tuple[Pool, Pool], tuple[Pool, Pool]]]:
    every = combinations(both, 2)
    if len(both) > MOST_BESIDE:  # a few thousand of them say as much as a million
        chosen = random.Random(len(both)).sample(range(len(both)), MOST_BESIDE)
        every = combinations([both[index] for index in sorted(chosen)], 2)
    for first, second in every:
        if first[0].item.key != second[0].item.key:
            yield first, second
            yield second, first
