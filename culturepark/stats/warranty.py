"""The error rate of a set of rows, from a random sample of them that people judged. Pure, but for `warranty_of`.

The interval is Clopper and Pearson's, which holds in at least 95 of 100 sets whatever their rate is. Wilson's holds in
95 on average, and in fewer where good sets lie, near nought; a warrant that is too good now and then is none. Nothing
is taken off for a sample that is most of its set, so the interval is too wide there and never too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, log

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

    def rate(rows: Iterable[Member]) -> ErrorRate:
        return error_rate([outcomes[row.id] for row in rows])

    def by(name: Callable[[Member], str]) -> dict[str, ErrorRate]:
        values = sorted({name(row) for row in counted})
        return {value: rate(row for row in counted if name(row) == value) for value in values}

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
        rows=rate(counted),
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


def error_rate(outcomes: Sequence[bool | None]) -> ErrorRate:
    """
    Args:
        outcomes: for each row whether it is wrong; None if nobody judged it.
    """
    unjudged, wrong = outcomes.count(None), outcomes.count(True)
    judged = len(outcomes) - unjudged
    low, high = interval(wrong, len(outcomes))
    return ErrorRate(
        judged=judged,
        wrong=wrong,
        unjudged=unjudged,
        rate=round(wrong / judged, 4) if judged else None,
        low=low,
        high=interval(wrong + unjudged, len(outcomes))[1] if unjudged else high,
    )


def interval(wrong: int, rows: int) -> tuple[float, float]:
    """Return the bounds as quantiles of beta distributions; `scipy.stats`, which has them by name, imports slowly."""
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = betaincinv(wrong, rows - wrong + 1, tail) if wrong else 0.0
    high = betaincinv(wrong + 1, rows - wrong, 1 - tail) if wrong < rows else 1.0
    return round(float(low), 4), round(float(high), 4)


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


def check_error(found: Warranty | None, over: str, most: float) -> None:
    """
    Args:
        most: the highest error rate that somebody accepts, 0-1.
    Raises:
        UsageError: if people's judgements do not show that the rate is at most that.
    """
    if found is None:
        raise UsageError(
            f"--max-error {most:g}: nobody has judged a random sample of these rows of {over}; "
            f"`culturepark review {over} --sample {rows_needed(most)}` draws one, which is enough if all of it is right"
        )
    rows = found.rows
    if rows.high > most:
        unjudged = f", {rows.unjudged} that nobody judged count as wrong" if rows.unjudged else ""
        raise UsageError(
            f"--max-error {most:g}: of {rows.judged} rows of {over} that were drawn and judged {rows.wrong} are wrong"
            f"{unjudged}; so the rate may be as high as {rows.high:.3f}. "
            f"`culturepark review {over} --sample N` with more rows narrows that; fewer wrong rows need a stricter run"
        )


def rows_needed(most: float) -> int:
    """Return the least number of rows, all of them right, whose upper bound is at most a rate."""
    return ceil(log((1 - CONFIDENCE) / 2) / log(1 - most)) if 0 < most < 1 else 100
