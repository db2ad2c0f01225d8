"""How a model answers, whatever it is asked: how often it does, what it holds back, and what an option's place does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from culturepark.evaluate import measures
from culturepark.evaluate.answers import Answer, Sheet, group_key
from culturepark.evaluate.figures import Figure, rounded
from culturepark.evaluate.measures import Distribution
from culturepark.evaluate.scorers.aggregate import Condition, about, by, interval_figure

WITH_CONDUCT = ("survey", "choice", "moderation", "bias", "sva", "vsm13")
"""Scorers that yield these figures. Where a suite has several of them, its first one does."""


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
    """Yield the share of the first place in the answers, by number of options; by content alone it is 1 of k."""
    rows: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for answer in given:
        shown = [code for code in answer.shown if code >= 0]
        if answer.probabilities is not None:
            rows[len(shown)].append((answer.item, [answer.probabilities.get(code, 0.0) for code in shown]))
        elif answer.choice in shown:
            rows[len(shown)].append((answer.item, [float(code == answer.choice) for code in shown]))
    for count, own in sorted(rows.items()):
        bias = measures.position_shares(
            [row for _, row in own], sheet.seed, condition, clusters=[key for key, _ in own]
        )
        if bias is None:
            continue
        first = bias.shares[0]
        yield Figure(
            metric=bias.verdict or "first_place",
            group=group_key(*condition, ("options", str(count))),
            value=rounded(first.value if bias.always is None else bias.shares[bias.always].value),
            n=first.clusters,
            low=rounded(first.low),
            high=rounded(first.high),
            null_name="content alone",
            null_value=rounded(bias.chance),
        )
