"""Did an arm come nearer than the base, than a control, than to others? Paired over items, and said in words. Pure.

A difference is of the values of one item, averaged over the seeds of the trainings. Its interval is a bootstrap over
items. So it speaks of these trainings on other questions, not of other trainings: the differences of single seeds stand
beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from culturepark.domain import Noun
from culturepark.evaluate.figures import rounded
from culturepark.evaluate.intervals import PairedDifference, bootstrap, holm, paired_difference
from culturepark.evaluate.paired import LEVEL, WORDS, fewest_items, holds_from, rivals_of
from culturepark.loop.values import Place, Values

ALL = "all"
"""All cultures of the loop together."""
BASE = "base"
SOME_SEEDS = ", though not with every seed of the trainings"
OPPOSITES = {"nearer": "farther", "better": "worse", "higher": "lower"}
Word = Literal["nearer", "farther", "better", "worse", "higher", "lower", "no difference", "too few"]
Who = tuple[str, str]
"""Arm, as `talk`, and the culture that its adapter is of."""
Trained = Mapping[Who, Mapping[int, Values]]
"""Adapters of an arm and a culture -> seed of the training -> values."""


class Contrast(Noun):
    """One difference between two sides, over the items of one split."""

    family: str
    """The tests that share one error rate with it."""
    split: str
    culture: str
    """About whose people it is; `all` for all of the loop together."""
    a: str
    b: str
    value_a: float
    value_b: float
    difference: float
    """`value_a` - `value_b`, in units of the measure."""
    low: float | None
    high: float | None
    """Ends of its interval of 95% over items; None with too few of them."""
    p: float
    """Of the sign-flip test, over items."""
    p_holm: float
    """The same, for all tests of its family together."""
    tests: int
    """Number of tests in its family."""
    n: int
    """Items."""
    by_seed: dict[int, float]
    """Seed of the trainings -> difference."""
    by_culture: dict[str, float] = {}  # noqa: RUF012 - frozen
    """Culture -> difference, where it is of all together."""
    low_cultures: float | None = None
    high_cultures: float | None = None
    """Ends of its interval over cultures in place of items; None with fewer than five of them."""
    could_see: float | None
    """About the smallest difference that would have been seen beside the other tests of its family; None with too few
    items, and where the test has found otherwise."""
    word: Word
    """What `a` is, beside `b`."""
    verdict: str


@dataclass(frozen=True)
class Test:
    """Values of both sides before anything is computed: of each seed, by culture and item."""

    split: str
    culture: str
    a: str
    b: str
    first: Mapping[int, Values]
    second: Mapping[int, Values]
    """The base has one set of values, which is that of every seed."""

    @property
    def seeds(self) -> list[int]:
        return [seed for seed in self.first if seed in self.second]

    def places(self, seeds: Iterable[int]) -> list[Place]:
        """Return the culture and item of what both sides have with each of these seeds, in their order."""
        sides = [side[seed] for seed in seeds for side in (self.first, self.second)]
        return [place for place in sides[0] if all(place in side for side in sides)] if sides else []


def only(values: Values, cultures: Collection[str], items: Collection[str]) -> dict[Place, float]:
    return {place: value for place, value in values.items() if place[0] in cultures and place[1] in items}


def together(
    of: Mapping[str, Mapping[int, Values]], cultures: Sequence[str], items: Collection[str]
) -> dict[int, dict[Place, float]]:
    """Return the values of each culture's own adapters about its own people, by seed; only seeds that all have.

    Args:
        of: culture -> seed -> values.
    """
    seeds = [seed for seed in next(iter(of.values()), {}) if all(seed in of[culture] for culture in cultures)]
    return {
        seed: {place: v for culture in cultures for place, v in only(of[culture][seed], [culture], items).items()}
        for seed in seeds
    }


def sided(
    pairs: Sequence[tuple[str, str]],
    trained: Trained,
    base: Values,
    cultures: Sequence[str],
    split: str,
    items: Collection[str],
) -> list[Test]:
    """Return the tests of some pairs of sides: of each culture, and of all together where there are several.

    Args:
        pairs: arm, and another arm or `base`.
    """
    found = []
    for a, b in pairs:
        whom = [
            culture for culture in cultures if trained.get((a, culture)) and (b == BASE or trained.get((b, culture)))
        ]
        groups = [(culture, [culture]) for culture in whom] + ([(ALL, whom)] if len(whom) > 1 else [])
        for name, those in groups:
            first = together({c: trained[a, c] for c in those}, those, items)
            if b == BASE:
                second = {seed: only(base, those, items) for seed in first}
            else:
                second = together({c: trained[b, c] for c in those}, those, items)
            test = Test(split, name, a, b, first, second)
            if test.places(test.seeds):
                found.append(test)
    return found


def contrasts(tests: Sequence[Test], metric: str, smaller_is_better: bool, family: str) -> list[Contrast]:
    """Return what came of the tests of one family; they share one error rate (Holm)."""
    computed: list[tuple[Test, PairedDifference, float, float]] = []
    for test in tests:
        places = test.places(test.seeds)
        first, second = ([mean_of(side, test.seeds, place) for place in places] for side in (test.first, test.second))
        pair = paired_difference(
            first, second, "loop", metric, family, test.split, test.culture, test.a, test.b,
            clusters=[item for _, item in places],
        )  # fmt: skip
        assert pair is not None
        computed.append((test, pair, fmean(first), fmean(second)))
    ps = [pair.p for _, pair, *_ in computed]
    adjusted, rivals = holm(ps), rivals_of(ps)
    found = []
    for (test, pair, value_a, value_b), p_holm, against in zip(computed, adjusted, rivals, strict=True):
        fewest = fewest_items(against)
        seen = None
        is_seen = p_holm < LEVEL and pair.value != 0
        if pair.low is not None and pair.high is not None and pair.clusters >= fewest:
            seen = (pair.high - pair.low) / 2 * holds_from(against)
            if (abs(pair.value) >= seen) != is_seen:
                seen = None
        word = word_of(metric, pair.value, smaller_is_better, is_seen, pair.clusters < fewest)
        by_seed = {seed: rounded(difference_of(test, seed)) or 0.0 for seed in test.seeds}
        by_culture = differences_by_culture(test) if test.culture == ALL else {}
        over = (
            bootstrap(list(by_culture.values()), "cultures", family, test.split, test.a, test.b) if by_culture else None
        )
        found.append(
            Contrast(
                family=family,
                split=test.split,
                culture=test.culture,
                a=test.a,
                b=test.b,
                value_a=rounded(value_a) or 0.0,
                value_b=rounded(value_b) or 0.0,
                difference=rounded(pair.value) or 0.0,
                low=rounded(pair.low),
                high=rounded(pair.high),
                p=pair.p,
                p_holm=p_holm,
                tests=len(computed),
                n=pair.clusters,
                by_seed=by_seed,
                by_culture={culture: rounded(value) or 0.0 for culture, value in by_culture.items()},
                low_cultures=rounded(over.low) if over else None,
                high_cultures=rounded(over.high) if over else None,
                could_see=rounded(seen),
                word=word,
                verdict=sentence(test.a, test.b, word, seen, fewest, list(by_seed.values())),
            )
        )
    return found


def mean_of(side: Mapping[int, Values], seeds: Sequence[int], place: Place) -> float:
    return fmean(side[seed][place] for seed in seeds)


def difference_of(test: Test, seed: int) -> float:
    return fmean(test.first[seed][place] - test.second[seed][place] for place in test.places([seed]))


def differences_by_culture(test: Test) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for place in test.places(test.seeds):
        found[place[0]].append(mean_of(test.first, test.seeds, place) - mean_of(test.second, test.seeds, place))
    return {culture: fmean(values) for culture, values in found.items()}


def word_of(metric: str, difference: float, smaller_is_better: bool, is_seen: bool, too_few: bool) -> Word:
    if is_seen:
        good = WORDS.get(metric, "higher")
        is_good = (difference < 0) if smaller_is_better else (difference > 0)
        return good if is_good else OPPOSITES[good]  # type: ignore[return-value]
    return "too few" if too_few else "no difference"


def sentence(a: str, b: str, word: Word, seen: float | None, fewest: int, by_seed: Sequence[float]) -> str:
    """Return a verdict in words."""
    if word == "too few":
        return f"too few items to tell: {fewest} and more are needed"
    if word == "no difference":
        limit = "" if seen is None else f" (it would have seen {seen:.4f} or more)"
        return f"no difference that this test could see{limit}"
    agree = len({value > 0 for value in by_seed}) <= 1
    doubt = "" if agree else SOME_SEEDS
    return f"{a} is {word} than {b}{doubt}"


# --- its own people ----------------------------------------------------------------------------------


class Cell(Noun):
    """An adapter of one culture, asked about the people of one."""

    arm: str
    adapter: str
    """The culture that it was trained on."""
    about: str
    difference: float
    """Of the measure from the base, over held-out items."""
    low: float | None
    high: float | None
    n: int


def matrix(arm: str, trained: Trained, base: Values, cultures: Sequence[str], items: Collection[str]) -> list[Cell]:
    """Return how far each adapter of an arm moved from the base, about each culture that it was asked about."""
    cells = []
    for adapter in cultures:
        for about in cultures:
            test = side_about(arm, adapter, about, trained, base, items)
            places = test.places(test.seeds)
            if not places:
                continue
            pair = paired_difference(
                [mean_of(test.first, test.seeds, place) for place in places],
                [mean_of(test.second, test.seeds, place) for place in places],
                "matrix", arm, adapter, about, clusters=[item for _, item in places],
            )  # fmt: skip
            assert pair is not None
            cells.append(
                Cell(
                    arm=arm,
                    adapter=adapter,
                    about=about,
                    difference=rounded(pair.value) or 0.0,
                    low=rounded(pair.low),
                    high=rounded(pair.high),
                    n=pair.clusters,
                )
            )
    return cells


def side_about(arm: str, adapter: str, about: str, trained: Trained, base: Values, items: Collection[str]) -> Test:
    own = {seed: only(values, [about], items) for seed, values in trained.get((arm, adapter), {}).items()}
    return Test("held-out", about, arm, BASE, own, {seed: only(base, [about], items) for seed in own})


def own_people(arm: str, trained: Trained, base: Values, cultures: Sequence[str], items: Collection[str]) -> list[Test]:
    """Return for each culture the test whether its adapter moved nearer to its own people than to the others.

    Both sides are changes from the base on one item: about its own people, and on average about those of the other
    cultures. An adapter that came nearer to everybody has not learned whose rows it saw.
    """
    tests = []
    pooled: tuple[dict[int, dict[Place, float]], dict[int, dict[Place, float]]] = (defaultdict(dict), defaultdict(dict))
    complete = 0
    for adapter in cultures:
        own: dict[int, dict[Place, float]] = {}
        others: dict[int, dict[Place, float]] = {}
        for seed, values in trained.get((arm, adapter), {}).items():
            moved = {
                place: value - base[place] for place, value in values.items() if place in base and place[1] in items
            }
            for (culture, item), change in moved.items():
                elsewhere = [moved[other, item] for other in cultures if other != culture and (other, item) in moved]
                if culture == adapter and elsewhere:
                    own.setdefault(seed, {})[adapter, item] = change
                    others.setdefault(seed, {})[adapter, item] = fmean(elsewhere)
        if own:
            complete += 1
            tests.append(Test("held-out", adapter, f"{arm}, its own people", f"{arm}, the others", own, others))
            for side, values_of_seed in zip(pooled, (own, others), strict=True):
                for seed, of in values_of_seed.items():
                    side[seed].update(of)
    if complete > 1:
        first, second = (
            {seed: of for seed, of in side.items() if {place[0] for place in of} >= {t.culture for t in tests}}
            for side in pooled
        )
        if first:
            tests.append(Test("held-out", ALL, f"{arm}, its own people", f"{arm}, the others", first, second))
    return tests


# --- what it comes to --------------------------------------------------------------------------------


def reading(found: Sequence[Contrast], culture: str, arm: str = "talk") -> str:
    """Return what the contrasts of a culture on held-out items come to, in a sentence or two."""
    own = [c for c in found if c.culture == culture and c.split == "held-out" and c.a == arm]
    against_base = next((c for c in own if c.b == BASE), None)
    if against_base is None:
        return "not measured yet"
    controls = [c for c in own if c.b != BASE]
    good = {"nearer", "better", "higher"}
    beaten = [c.b for c in controls if c.word in good]
    worse = [c.b for c in controls if c.word in set(OPPOSITES.values())]
    even = [c.b for c in controls if c.b not in (*beaten, *worse)]
    if against_base.word in good:
        said = f"{arm} is {against_base.word} than the base"
        if not controls:
            return f"{said}; without controls nobody can say what did it"
        if not even and not worse:
            return f"{said}, and than every control"
        rest = [f"not told apart from {', '.join(even)}"] if even else []
        rest += [f"behind {', '.join(worse)}"] if worse else []
        return f"{said}, but {' and '.join(rest)}: what those rows have in common with the talk may have done it"
    if against_base.word in set(OPPOSITES.values()):
        said = f"{arm} is {against_base.word} than the base: training on these rows did harm here"
    elif against_base.word == "too few":
        return against_base.verdict
    else:
        said = against_base.verdict
    more = [f"it is ahead of {', '.join(beaten)}"] if beaten else []
    more += [f"it is behind {', '.join(worse)}"] if worse else []
    return "; ".join([said, *more])
