"""The error rate of a set of rows, from a random sample of them that people judged. Pure, but for `warranty_of`.

The interval is exact for a sample without replacement: it holds every number of wrong rows in the whole set that would
give as many in the sample, or more, or as many or fewer, in more than 2.5 of 100 draws (hypergeometric tails). It holds
in at least 95 of 100 draws whatever the rate is. Of a large set it is Clopper and Pearson's; once all rows are judged
its bounds are the share itself. Wilson's holds in 95 on average, and in fewer where good sets lie, near nought; a
warrant that is too good now and then is none. How many rows a culture or a shape has in the set is known only where all
are drawn; else all rows that are not drawn are taken for its own, which makes its interval wider and never narrower.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from culturepark.errors import UsageError
from culturepark.stats.agreement import Judged, agreed, alpha
from culturepark.stats.figures import ErrorRate, RowsJudgedTwice, Warranty
from culturepark.stats.reviews import subjects_shared
from culturepark.store.draws import Draw, Member, Over, drawn, reviews_of
from culturepark.store.exports import Look
from culturepark.store.standing import Standing, found_wrong

CONFIDENCE = 0.95
MOST_UNJUDGED = 0.1
"""Share of the counted rows that may be judged by nobody. They count as wrong in the upper bound."""
UNKNOWN = "unknown"
Asked = Callable[[Member], bool]
"""Tells which rows are asked about. It may look at what a row is, and not at what people said of it."""


def everything(_: Member) -> bool:
    return True


def warranty_of(look: Look, over: Over, asked: Asked = everything) -> Warranty | None:
    """Return what people's judgements say of a run or selection, or of a part of it; None as `warranty` does."""
    draw = drawn(look, over)
    return warranty(draw, reviews_of(look, over), asked) if draw else None


def warranty(draw: Draw, reviews: Standing, asked: Asked = everything) -> Warranty | None:
    """Return what a draw says of its set, or of a part of the set.

    Args:
        reviews: the standing reviews of its samples, their statements and turns.
    Returns:
        None if no beginning of the draw was judged, so that what was judged is no random sample.
    """
    part = [row for row in draw.rows if asked(row)]
    outcomes = {row.id: found_wrong(reviews, row.id) for row in part}
    counted = part[: reached([outcomes[row.id] is not None for row in part])]
    if not counted:
        return None

    def rate(name: Callable[[Member], str] = lambda _: "", value: str = "") -> ErrorRate:
        drawn_of_it = sum(name(row) == value for row in part)
        population = draw.population - len(draw.rows) + drawn_of_it
        return error_rate([outcomes[row.id] for row in counted if name(row) == value], population)

    def by(name: Callable[[Member], str]) -> dict[str, ErrorRate]:
        values = sorted({name(row) for row in counted})
        return {value: rate(name, value) for value in values}

    given = judgements(counted, reviews)
    return Warranty(
        over=draw.over_id,
        draw=draw.id,
        drawn_at=draw.created_at,
        seed=draw.seed,
        population=draw.population,
        drawn=len(part),
        counted=len(counted),
        reviewers=len({reviewer for reviewer, _, _ in given}),
        rows=rate(),
        by_culture=by(lambda row: row.culture),
        by_shape=by(lambda row: row.shape),
        by_provenance=by(lambda row: row.provenance or UNKNOWN),
        judged_twice=judged_twice(given),
        unjudged=[row.id for row in counted if outcomes[row.id] is None],
    )


def reached(judged: Sequence[bool]) -> int:
    """Return the length of the longest beginning that ends with a judged row and has few unjudged ones.

    What people said of the rows does not matter for it. Rows that were judged out of turn, in `replay` or because the
    queue put them first, are therefore counted only once those before them are judged too.
    """
    length = unjudged = 0
    for number, is_judged in enumerate(judged, start=1):
        unjudged += not is_judged
        if is_judged and unjudged <= MOST_UNJUDGED * number:
            length = number
    return length


def error_rate(outcomes: Sequence[bool | None], population: int) -> ErrorRate:
    """
    Args:
        outcomes: for each row of the sample whether it is wrong; None if nobody judged it.
        population: rows of which these are a random sample.
    """
    unjudged, wrong = outcomes.count(None), outcomes.count(True)
    judged = len(outcomes) - unjudged
    low, high = interval(wrong, len(outcomes), population)
    return ErrorRate(
        judged=judged,
        wrong=wrong,
        unjudged=unjudged,
        rate=round(wrong / judged, 4) if judged else None,
        low=low,
        high=interval(wrong + unjudged, len(outcomes), population)[1] if unjudged else high,
    )


def interval(wrong: int, rows: int, population: int) -> tuple[float, float]:
    """Return the bounds of the share of wrong rows in a set, from those of a sample without replacement."""
    low, high = population - most_there(rows - wrong, rows, population), most_there(wrong, rows, population)
    return round(low / population, 4), round(high / population, 4)


def most_there(found: int, rows: int, population: int) -> int:
    """Return the highest number of some kind in a set of which so few in a sample are not too unlikely.

    `scipy.stats` has the distribution by name, and imports slowly.
    """
    tail = (1 - CONFIDENCE) / 2
    there = range(found, population - (rows - found) + 1)
    return there[bisect_left(there, True, key=lambda one: at_most(found, rows, one, population) <= tail) - 1]


def at_most(found: int, rows: int, there: int, population: int) -> float:
    """Return the probability that a sample holds at most so many of those that are there."""
    import numpy as np
    from scipy.special import gammaln

    def log_ways(of: Any, some: Any) -> Any:
        return gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)

    count = np.arange(max(0, rows - (population - there)), min(found, there) + 1)
    ways = log_ways(there, count) + log_ways(population - there, rows - count)
    return float(np.exp(ways - log_ways(population, rows)).sum())


def judgements(rows: Sequence[Member], reviews: Standing) -> list[Judged]:
    """Return who found which row right or wrong, looking at the row itself."""
    return [
        (review.reviewer, row.id, "wrong" if review.decision == "reject" or review.wording else "right")
        for row in rows
        for review in reviews.get(row.id, ())
        if review.decision != "comment" or review.wording
    ]


def judged_twice(given: Sequence[Judged]) -> RowsJudgedTwice | None:
    found = agreed(given)
    if found is None:
        return None
    return RowsJudgedTwice(
        rows=subjects_shared(given),
        agreed=found[0],
        by_chance=found[1],
        krippendorff_alpha=alpha(given, "nominal"),
    )


def check_error(found: Warranty | None, over: str, most: float, population: int) -> None:
    """
    Args:
        most: the highest error rate that somebody accepts, 0-1.
        population: rows that could be drawn.
    Raises:
        UsageError: if people's judgements do not show that the rate is at most that.
    """
    if found is None:
        raise UsageError(
            f"--max-error {most:g}: nobody has judged a random sample of these rows of {over}; "
            f"`culturepark review {over} --sample {rows_needed(most, population)}` draws one, which is enough if all "
            "of it is right"
        )
    rows = found.rows
    if rows.high > most:
        unjudged = f", {rows.unjudged} that nobody judged count as wrong" if rows.unjudged else ""
        more = f"`culturepark review {over} --sample N` with more rows narrows that; "
        raise UsageError(
            f"--max-error {most:g}: of {rows.judged} rows of {over} that were drawn and judged {rows.wrong} are wrong"
            f"{unjudged}; so the rate may be as high as {rows.high:.3f}. "
            f"{more if rows.low < rows.high else ''}fewer wrong rows need a stricter run"
        )


def rows_needed(most: float, population: int) -> int:
    """Return the least number of rows, all of them right, whose upper bound is at most a rate."""
    rows = range(1, population)
    return 1 + bisect_left(rows, True, key=lambda count: interval(0, count, population)[1] <= most)
