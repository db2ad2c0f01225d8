"""Evaluations beside each other, item by item: does one of them come nearer than another?

Two are paired over the items that both answered, under the same condition and about the same people. Each measure,
culture and condition is one test; all tests of a comparison share one error rate (Holm).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, get_args

from culturepark.catalog.suites import Item
from culturepark.domain import JsonObject, Noun, Status
from culturepark.errors import UsageError
from culturepark.evaluate.answers import Sheet, group_key
from culturepark.evaluate.evaluation import record_of, score_of, sheet_of
from culturepark.evaluate.figures import ItemValue, Score, rounded
from culturepark.evaluate.intervals import holm, paired_difference
from culturepark.evaluate.scorers import scorer_of
from culturepark.glossary import counted
from culturepark.store import evaluations as kept
from culturepark.store.store import Store

Across = Literal["arm", "language", "framing", "reasoning"]
ACROSS: tuple[Across, ...] = get_args(Across)
USUAL = {"arm": "plain", "reasoning": "no"}
"""What a condition does not name, because it is as usual."""
LEVEL = 0.05
TOO_FEW = "too few items to tell"
WHOLE_SAMPLES = ("vsm13",)
"""Scorers that have no value of a single item."""
WORDS = dict.fromkeys(("nvas", "jsd", "wasserstein", "top", "sva"), "nearer") | dict.fromkeys(
    ("choice", "moderation", "bias"), "better"
)
"""Measure -> what the side with the better value is called; of another one it is only higher."""
Condition = tuple[tuple[str, str], ...]
Place = tuple[str, str, str]
"""Culture, group and key of an item."""


class Difference(Noun):
    """One measure of two evaluations, or of two conditions of one, over the items that both answered."""

    metric: str
    group: str
    """As in the group of a figure: `culture=german,framing=persona,language=en`."""
    a: str
    b: str
    """Ids of evaluations, or parts of a condition such as `arm=plain`."""
    value_a: float
    value_b: float
    difference: float
    """`value_b` - `value_a`, in the metric's units."""
    low: float | None
    high: float | None
    """Ends of its interval of 95% over items; None with too few of them."""
    p: float
    """Of the sign-flip test, over items."""
    p_holm: float
    """The same, for all tests of the comparison together."""
    n: int
    """Items that both answered."""
    only_a: int
    only_b: int
    """Items that only one answered; they are left out."""
    could_see: float | None
    """About the smallest difference that would have been seen beside all other tests: half the width of the interval,
    times what the correction for their number asks for (see `holds_from`). None with too few items, and where the
    test has found otherwise, since it is by the test that a difference is seen."""
    better: Literal["a", "b"] | None
    """The side with the better value, where the adjusted p is below .05."""
    verdict: str


class Side(Noun):
    """One of the evaluations that are compared."""

    evaluation: str
    suite: str
    """Id of the suite as the store has it."""
    model: str
    status: str
    answers: int
    conditions: tuple[str, ...]


class Comparison(Noun):
    """What `compare --json` prints of evaluations."""

    evaluations: tuple[Side, ...]
    across: str | None
    """The part of the condition by which one evaluation is compared with itself; None for several evaluations."""
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def as_json(self) -> JsonObject:
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class Test:
    """Values of both sides before anything is computed."""

    metric: str
    parts: tuple[tuple[str, str], ...]
    a: str
    b: str
    first: Mapping[Place, float]
    second: Mapping[Place, float]
    smaller_is_better: bool

    @property
    def shared(self) -> list[Place]:
        return [place for place in self.first if place in self.second]


# --- values ------------------------------------------------------------------------------------------


def item_values(sheet: Sheet, stored: Sequence[Score] = ()) -> list[ItemValue]:
    """Return what the answers to each item are worth, by each scorer of the suite.

    Args:
        stored: scores that the store keeps; those of judges are taken from them, all others computed from the answers.
    """
    found: list[ItemValue] = []
    for name in sheet.suite.scorers:
        scorer = scorer_of(name)
        scores = stored if scorer.judged else [*scorer.scores(sheet)]
        own = getattr(scorer, "item_values", None)
        found += own(sheet, scores) if own else averaged(sheet, scores)
    return found


def averaged(sheet: Sheet, scores: Iterable[Score]) -> Iterator[ItemValue]:
    """Yield the mean of each scorer's values over the answers to an item."""
    answers = {answer.id: answer for answer in sheet.answers}
    by_cell: dict[tuple[str, Condition, str, str], list[float]] = defaultdict(list)
    for score in scores:
        answer = answers.get(score.answer_id)
        if answer is not None and score.value is not None:
            group = str((score.detail or {}).get("group") or answer.group)
            by_cell[score.scorer, answer.condition, group, answer.item].append(score.value)
    for (metric, condition, group, item), values in by_cell.items():
        culture = sheet.culture_of.get(group) or group or "all"
        yield ItemValue(metric, condition, culture, group, item, sum(values) / len(values))


def values_of(store: Store, run_id: str, sheet: Sheet) -> list[ItemValue]:
    return item_values(sheet, [score_of(row) for row in kept.scores(store, run_id)])


# --- comparing ---------------------------------------------------------------------------------------


def compare(sides: Sequence[tuple[Store, str]]) -> Comparison:
    """Compare evaluations with the first of them.

    Raises:
        UsageError: if one of them is none, or two have nothing in common.
    """
    if len(sides) < 2:
        raise UsageError(
            f"compare takes two evaluations, or one and --across {'|'.join(ACROSS)}, which sets its conditions beside "
            "each other"
        )
    sheets = [sheet_of(store, run_id) for store, run_id in sides]
    values = [values_of(store, run_id, sheet) for (store, run_id), sheet in zip(sides, sheets, strict=True)]
    base = sides[0][1]
    notes: list[str] = []
    tests: list[Test] = []
    for (where, other), sheet, own in zip(sides[1:], sheets[1:], values[1:], strict=True):
        same = same_items(sheets[0], sheet)
        unlike = (sheets[0].items.keys() & sheet.items.keys()) - same
        if left_out := unlike & answered_items(sheets[0]) & answered_items(sheet):
            items = counted(len(left_out), "item")
            notes.append(f"left out for being other than in {base}, though of the same key: {items} of {other}")
        pairs = condition_pairs(values[0], own)
        if not same or not pairs:
            raise UsageError(nothing_in_common((base, other), bool(same), (sheets[0], sheet), (values[0], own)))
        notes += method_notes(base, sheets[0], other, sheet)
        of_pair: list[Test] = []
        for first, second in pairs:
            if first != second:
                notes.append(f"{base} was asked as {group_key(*first)}, and {other} as {group_key(*second)}")
            of_pair += tests_of(
                [value for value in values[0] if value.condition == first and value.item not in unlike],
                [value for value in own if value.condition == second and value.item not in unlike],
                between(first, second),
                base,
                other,
            )
        if not any(test.shared for test in of_pair):
            are_done = all(store.run(run_id).status == Status.DONE for store, run_id in (sides[0], (where, other)))
            raise UsageError(nothing_shared((base, other), (values[0], own), are_done=are_done))
        tests += of_pair
    return comparison([*zip(sides, sheets, strict=True)], None, tests, sheets[0].seed, notes)


def compare_within(store: Store, run_id: str, across: Across) -> Comparison:
    """Compare the conditions of one evaluation that differ in one part alone, with the first value of that part.

    Raises:
        UsageError: if it has only one value of that part.
    """
    sheet = sheet_of(store, run_id)
    values = values_of(store, run_id, sheet)
    conditions = list(dict.fromkeys(value.condition for value in values))
    names = list(dict.fromkeys(part_of(condition, across) for condition in conditions))
    if not names:
        raise UsageError(f"--across {across}: {nothing_of_items(run_id, sheet)}")
    if len(names) < 2:
        only = f"only {names[0]}"
        raise UsageError(f"--across {across}: {run_id} has {only}; evaluate with more than one to compare them")
    tests: list[Test] = []
    for first in conditions:
        if part_of(first, across) != names[0]:
            continue
        for second in conditions:
            if part_of(second, across) != names[0] and rest_of(first, across) == rest_of(second, across):
                tests += tests_of(
                    [value for value in values if value.condition == first],
                    [value for value in values if value.condition == second],
                    rest_of(first, across),
                    f"{across}={names[0]}",
                    f"{across}={part_of(second, across)}",
                )
    return comparison([((store, run_id), sheet)], across, tests, sheet.seed, [])


def comparison(
    sides: Sequence[tuple[tuple[Store, str], Sheet]],
    across: str | None,
    tests: Sequence[Test],
    seed: int,
    notes: Sequence[str],
) -> Comparison:
    told = []
    for (store, run_id), sheet in sides:
        record = record_of(store, run_id)
        told.append(
            Side(
                evaluation=run_id,
                suite=record.suite_id,
                model=record.model,
                status=store.run(run_id).status,
                answers=len(sheet.answers),
                conditions=tuple(group_key(*condition) for condition in sheet.conditions),
            )
        )
    found = tuple(differences(tests, seed))
    if not found:
        are_done = all(side.status == Status.DONE for side in told)
        raise UsageError(f"no item was answered on both sides{'' if are_done else UNFINISHED}")
    unfinished = [f"{side.evaluation} is not done: it counts as far as it is answered" for side in told
                  if side.status != Status.DONE]  # fmt: skip
    return Comparison(
        evaluations=tuple(told), across=across, differences=found, notes=(*dict.fromkeys(notes), *unfinished)
    )


def same_items(first: Sheet, second: Sheet) -> set[str]:
    """Return the keys of the items that are the same in both: in their words, their options and their target."""
    return {key for key, item in first.items.items() if key in second.items and alike(item, second.items[key])}


def alike(first: Item, second: Item) -> bool:
    names = ("question", "options", "scale", "answer", "answers", "shares", "reference")
    return all(getattr(first, name) == getattr(second, name) for name in names)


def condition_pairs(first: Iterable[ItemValue], second: Iterable[ItemValue]) -> list[tuple[Condition, Condition]]:
    """Return the conditions that both have; or, where they have none in common and one each, those two."""
    own = list(dict.fromkeys(value.condition for value in first))
    other = list(dict.fromkeys(value.condition for value in second))
    if both := [(condition, condition) for condition in own if condition in other]:
        return both
    return [(own[0], other[0])] if len(own) == len(other) == 1 else []


def answered_items(sheet: Sheet) -> set[str]:
    return {answer.item for answer in sheet.answers}


def method_notes(base: str, first: Sheet, other: str, second: Sheet) -> list[str]:
    """Say where the options of one evaluation were weighed by probabilities, and those of the other were drawn.

    A sample is the coarser of the two, so that it alone can move a distance between shares.
    """
    methods = [method_of(first), method_of(second)]
    if None in methods or methods[0] == methods[1]:
        return []
    return [
        f"the methods differ: {base} has {methods[0]}, and {other} {methods[1]}; part of a difference may come of "
        "that. Evaluate both with the same --method"
    ]


def method_of(sheet: Sheet) -> str | None:
    """Return how the options were read; None where nothing was asked with options."""
    shown = [answer for answer in sheet.answers if answer.shown and answer.says_something]
    if not shown:
        return None
    return "probabilities" if any(answer.probabilities is not None for answer in shown) else "sampled answers"


UNFINISHED = "; `culturepark resume` goes on with what is unfinished"


def nothing_in_common(
    names: tuple[str, str],
    items: bool,
    sheets: tuple[Sheet, Sheet],
    values: tuple[Sequence[ItemValue], Sequence[ItemValue]],
) -> str:
    base, other = names
    if not items:
        return f"{base} and {other} have no item in common; compare evaluations of the same suite"
    for name, sheet, own in zip(names, sheets, values, strict=True):
        if not own:
            return nothing_of_items(name, sheet)
    first, second = ("; ".join(dict.fromkeys(group_key(*value.condition) for value in own)) for own in values)
    return f"{base} and {other} have no condition in common: {first} against {second}"


def nothing_of_items(name: str, sheet: Sheet) -> str:
    """Say why an evaluation has nothing to pair by items."""
    if not sheet.answers:
        return f"{name} has no answer yet{UNFINISHED}"
    scorers = [scorer_of(scorer) for scorer in sheet.suite.scorers]
    if all(scorer.judged for scorer in scorers):
        return f"{name} has no ratings yet, and those are what is compared: `culturepark judge {name}` first"
    if whole := [scorer.name for scorer in scorers if scorer.name in WHOLE_SAMPLES]:
        return (
            f"{whole[0]} compares a whole sample of respondents with Hofstede's scores and says nothing of single "
            f"items, so {name} has nothing to pair; set the intervals that `culturepark stats {name}` shows beside "
            "those of the other"
        )
    return f"{name} has no answer that can be scored; `culturepark stats {name}` says how many chose no option"


def nothing_shared(
    names: tuple[str, str], values: tuple[Sequence[ItemValue], Sequence[ItemValue]], *, are_done: bool
) -> str:
    """Say why two evaluations of the same items have no value in common."""
    base, other = names
    one, two = (list(dict.fromkeys(value.culture for value in own)) for own in values)
    if not set(one) & set(two):
        return (
            f"{base} is about {', '.join(one)}, and {other} about {', '.join(two)}: there is nothing to pair; compare "
            "evaluations of the same cultures"
        )
    one, two = (list(dict.fromkeys(value.metric for value in own)) for own in values)
    if not set(one) & set(two):
        return f"{base} and {other} have no score in common: {', '.join(one)} against {', '.join(two)}"
    return "no item was answered on both sides" + (
        "; evaluate both with the same --items and --seed" if are_done else UNFINISHED
    )


def part_of(condition: Condition, name: str) -> str:
    return dict(condition).get(name, USUAL.get(name, ""))


def rest_of(condition: Condition, name: str) -> Condition:
    return tuple((part, value) for part, value in condition if part != name)


def between(first: Condition, second: Condition) -> Condition:
    """Return what stands in the group of a difference: the parts of both conditions, with `|` where they differ."""
    names = list(dict.fromkeys(name for name, _ in (*first, *second)))
    pairs = [(name, part_of(first, name), part_of(second, name)) for name in names]
    return tuple((name, one if one == other else f"{one}|{other}") for name, one, other in pairs)


def tests_of(
    first: Sequence[ItemValue], second: Sequence[ItemValue], condition: Condition, a: str, b: str
) -> Iterator[Test]:
    """Yield a test for each measure and culture, and for all cultures together where there are several."""
    metrics = [metric for metric in dict.fromkeys(v.metric for v in first) if any(v.metric == metric for v in second)]
    for metric in metrics:
        one, other = ([v for v in side if v.metric == metric] for side in (first, second))
        cultures = [c for c in dict.fromkeys(v.culture for v in one) if any(v.culture == c for v in other)]
        whole = Test(
            metric=metric,
            parts=(("culture", "all"), *condition),
            a=a,
            b=b,
            first={(v.culture, v.group, v.item): v.value for v in one},
            second={(v.culture, v.group, v.item): v.value for v in other},
            smaller_is_better=one[0].smaller_is_better,
        )
        for culture in cultures:
            yield replace(
                whole,
                parts=(("culture", culture), *condition) if culture != "all" else condition,
                first={place: value for place, value in whole.first.items() if place[0] == culture},
                second={place: value for place, value in whole.second.items() if place[0] == culture},
            )
        if len(cultures) > 1:
            yield whole


def differences(tests: Sequence[Test], seed: int) -> Iterator[Difference]:
    """Yield what the tests find, each in the light of their number."""
    found = []
    for test in tests:
        shared = test.shared
        group = group_key(*test.parts)
        pair = paired_difference(
            [test.second[place] for place in shared],
            [test.first[place] for place in shared],
            seed,
            test.metric,
            group,
            clusters=[item for _, _, item in shared],
        )
        if pair is not None:
            found.append((test, group, pair))
    rivals = rivals_of([pair.p for _, _, pair in found])
    adjusted = holm([pair.p for _, _, pair in found])
    for (test, group, pair), p_holm, against in zip(found, adjusted, rivals, strict=True):
        shared = test.shared
        better: Literal["a", "b"] | None = None
        if p_holm < LEVEL and pair.value:
            better = "b" if (pair.value > 0) != test.smaller_is_better else "a"
        seen = None
        if pair.low is not None and pair.high is not None and pair.clusters >= fewest_items(against):
            seen = (pair.high - pair.low) / 2 * holds_from(against)
            if (abs(pair.value) >= seen) != (better is not None):
                seen = None
        yield Difference(
            metric=test.metric,
            group=group,
            a=test.a,
            b=test.b,
            value_a=sum(test.first[place] for place in shared) / len(shared),
            value_b=sum(test.second[place] for place in shared) / len(shared),
            difference=pair.value,
            low=rounded(pair.low),
            high=rounded(pair.high),
            p=pair.p,
            p_holm=p_holm,
            n=pair.clusters,
            only_a=number_of_items(test.first.keys() - test.second.keys()),
            only_b=number_of_items(test.second.keys() - test.first.keys()),
            could_see=rounded(seen),
            better=better,
            verdict=verdict(test, better, pair.clusters, fewest_items(against)),
        )


def number_of_items(places: Iterable[Place]) -> int:
    return len({item for _, _, item in places})


def rivals_of(pvalues: Sequence[float]) -> list[int]:
    """Return for each test by how many its p is multiplied where Holm's steps decide on it, from 1.

    All tests are in the way of the first that is seen, and each that is seen is out of the way of the others.
    """
    adjusted = holm(pvalues)
    seen = sum(p < LEVEL for p in adjusted)
    rivals = []
    for place, p in enumerate(adjusted):
        others = seen
        if p < LEVEL:
            without = holm([1.0 if at == place else own for at, own in enumerate(pvalues)])
            others = sum(own < LEVEL for own in without)
        rivals.append(len(pvalues) - others)
    return rivals


def holds_from(rivals: int) -> float:
    """Return by how much more than half an interval of 95% a difference must be to hold beside other tests.

    That is z(1 - .025 / rivals) / z(.975), from Bonferroni's share of the error rate.
    """
    normal = NormalDist()
    return normal.inv_cdf(1 - LEVEL / 2 / rivals) / normal.inv_cdf(1 - LEVEL / 2)


def fewest_items(rivals: int) -> int:
    """Return from how many items on the sign-flip test can be below `LEVEL` beside other tests, if all point one way.

    Of n items its p is 2 / 2**n at the least: six items for one test, nine for ten.
    """
    items = 1
    while rivals * 2.0 ** (1 - items) >= LEVEL:
        items += 1
    return items


def verdict(test: Test, better: str | None, n: int, fewest: int) -> str:
    if better is not None:
        return f"{test.b if better == 'b' else test.a} is {WORDS.get(test.metric, 'higher')}"
    if n < fewest:
        return f"{TOO_FEW}: {fewest} and more are needed"
    return "no difference that this test could see"
