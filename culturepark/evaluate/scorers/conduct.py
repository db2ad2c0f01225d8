"""How a model answers, whatever it is asked: how often it does, what it holds back, and what an option's place does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from culturepark.evaluate import intervals, measures
from culturepark.evaluate.answers import Answer, Sheet, group_key
from culturepark.evaluate.figures import Figure, rounded
from culturepark.evaluate.measures import Distribution
from culturepark.evaluate.scorers.aggregate import Condition, about, by, interval_figure

WITH_CONDUCT = ("survey", "choice", "moderation", "bias", "sva", "vsm13")
"""Scorers that yield these figures. Where a suite has several of them, its first one does."""

ENOUGH = 5
"""Items from which on a model is said to take one place whatever stands there."""


def is_first(sheet: Sheet, name: str) -> bool:
    """Return whether a scorer is the one of its suite that yields the figures of conduct, so that none stands twice."""
    return next((other for other in sheet.suite.scorers if other in WITH_CONDUCT), name) == name


def coverage(sheet: Sheet, name: str) -> Iterator[Figure]:
    """Yield by culture the share of answers that choose an option, and then how the model answers."""
    if not is_first(sheet, name):
        return
    for condition, pools in sheet.by_condition(pool for pool in sheet.pools if pool.item.options).items():
        every = by(pools, about)
        for culture, own in [*every.items(), *([("all", pools)] if len(every) > 1 else [])]:
            shares = [sum(a.choice is not None for a in pool.answers) / len(pool.answers) for pool in own]
            yield interval_figure("answered", (("culture", culture), *condition), shares, own, sheet)
    yield from conduct(sheet)


def conduct(sheet: Sheet) -> Iterator[Figure]:
    """Yield by condition how often no option was chosen, what leaks, and what the place of an option does."""
    answers: dict[Condition, list[Answer]] = defaultdict(list)
    for answer in sheet.answers:
        if answer.shown:
            answers[answer.condition].append(answer)
    for condition, given in answers.items():
        keys = [answer.item for answer in given]
        yield interval_figure("abstained", condition, [float(a.abstained) for a in given], given, sheet, clusters=keys)
        weighed = [a for a in given if a.probabilities is not None and a.outside is not None]
        if weighed:
            outside = [float(a.outside or 0.0) for a in weighed]
            own_keys = [a.item for a in weighed]
            yield interval_figure("outside_mass", condition, outside, weighed, sheet, clusters=own_keys)
        declined = [a for a in weighed if a.abstained]
        if declined:
            leaking = [float(measures.leaks(masses(a), a.abstained)) for a in declined]
            yield interval_figure("leakage", condition, leaking, declined, sheet, clusters=[a.item for a in declined])
        yield from places(condition, given, sheet)


def masses(answer: Answer) -> Distribution:
    """Return what an answer gives to each option, out of everything."""
    given = dict(answer.probabilities or {})
    return Distribution(given, max(0.0, 1.0 - sum(given.values())))


def places(condition: Condition, given: Sequence[Answer], sheet: Sheet) -> Iterator[Figure]:
    """Yield the share of the first place in the answers, by number of options; by content alone it is 1 of k.

    Only items count of which each order was shown about equally often: else place and content are one. A model that
    takes one place whatever stands there is named by a figure of its own, such as `always_first`.
    """
    even = evenly_shown(given)
    rows: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for answer in given:
        shown = [code for code in answer.shown if code >= 0]
        if answer.item not in even:
            continue
        if answer.probabilities is not None:
            rows[len(shown)].append((answer.item, [answer.probabilities.get(code, 0.0) for code in shown]))
        elif answer.choice in shown:
            rows[len(shown)].append((answer.item, [float(code == answer.choice) for code in shown]))
    for count, own in sorted(rows.items()):
        keys = [key for key, _ in own]
        bias = intervals.position_shares([row for _, row in own], sheet.seed, condition, clusters=keys)
        if bias is None:
            continue
        places = [("first_place", bias.shares[0])]
        if bias.verdict and bias.always is not None and len(set(keys)) >= ENOUGH:
            places.append((bias.verdict, bias.shares[bias.always]))
        for metric, share in places:
            yield Figure(
                metric=metric,
                group=group_key(*condition, ("options", str(count))),
                value=rounded(share.value),
                n=share.clusters,
                low=rounded(share.low),
                high=rounded(share.high),
                null_name="content alone",
                null_value=rounded(bias.chance),
            )


def evenly_shown(given: Sequence[Answer]) -> set[str]:
    """Return the items whose options were shown in several orders, each about as often as any other."""
    orders: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for answer in given:
        orders[answer.item][answer.shown] += 1
    return {item for item, times in orders.items() if len(times) > 1 and min(times.values()) * 2 >= max(times.values())}
