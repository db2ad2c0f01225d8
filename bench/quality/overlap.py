"""Scores extracted statements against labelled turns, by the words they quote. Pure.

A row holds `turn`, `gold` (each with `kind` and `quote`) and `not_statements`, pieces that must not be mined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.quality.shares import interval
from culturepark.domain import JsonObject

Row = JsonObject
Span = tuple[int, int]
SAME = 0.5
"""Intersection over union from which two quotes are of the same statement; likewise the share that is wrongly mined."""


def score(rows: Sequence[Row], predicted: Mapping[str, Sequence[JsonObject]]) -> JsonObject:
    """
    precision, recall, f1: of statements, matched with gold one to one by overlap of their quotes, whatever the kind;
        `precision_95` and `recall_95` are the bounds of their intervals.
    kind_accuracy: share of the matched whose kind is the gold's; None without any.
    with_kind: the three again, where a statement of another kind is no match.
    quote_exact: share of statements whose quote stands in the turn, letter by letter; a `lent` quote does not count.
    wrongly_attributed: statements whose quote shares half of itself, or of it, with what must not be mined.
    empty: statements without words or without a quote.
    """
    found = [(row, list(predicted.get(row["id"], []))) for row in rows]
    pairs = [(one, gold) for row, mine in found for one, gold in matched(row["turn"], mine, row["gold"])]
    right_kind = sum(one["kind"] == gold["kind"] for one, gold in pairs)
    said = sum(len(mine) for _, mine in found)
    true = sum(len(row["gold"]) for row in rows)
    exact = sum(
        bool(one["quote"]) and one["quote"] in row["turn"] and not one.get("lent") for row, m in found for one in m
    )
    return {
        **rates(len(pairs), said, true),
        "precision_95": interval(len(pairs), said),
        "recall_95": interval(len(pairs), true),
        "kind_accuracy": right_kind / len(pairs) if pairs else None,
        "with_kind": rates(right_kind, said, true),
        "quote_exact": exact / said if said else None,
        "wrongly_attributed": sum(len(wrong(row, mine)) for row, mine in found),
        "empty": sum(not one["statement"].strip() or not one["quote"].strip() for _, mine in found for one in mine),
        "statements": said,
        "gold": true,
    }


def rates(right: int, said: int, true: int) -> JsonObject:
    precision = right / said if said else None
    recall = right / true if true else None
    both = (precision or 0) + (recall or 0)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * (precision or 0) * (recall or 0) / both if both else 0.0,
    }


def matched(turn: str, mine: Sequence[JsonObject], gold: Sequence[JsonObject]) -> list[tuple[JsonObject, JsonObject]]:
    """Pairs of a statement and a gold one, the closest first, each of them in one pair at most."""
    close = [
        (overlap(a, b), i, j)
        for i, one in enumerate(mine)
        for j, true in enumerate(gold)
        for a in spans(one["quote"], turn)
        for b in spans(true["quote"], turn)
    ]
    pairs = []
    taken: set[tuple[str, int]] = set()
    for much, i, j in sorted(close, key=lambda c: (-c[0], c[1], c[2])):
        if much >= SAME and not {("mine", i), ("gold", j)} & taken:
            taken |= {("mine", i), ("gold", j)}
            pairs.append((mine[i], gold[j]))
    return pairs


def wrong(row: Row, mine: Sequence[JsonObject]) -> list[JsonObject]:
    """Statements that rest on words that are none of the speaker's own culture."""
    turn = row["turn"]
    barred = [span for piece in row.get("not_statements", []) for span in spans(piece, turn)]
    return [one for one in mine if any(shared(a, b) >= SAME for a in spans(one["quote"], turn) for b in barred)]


def spans(quote: str, turn: str) -> Iterator[Span]:
    """Everywhere the quote stands."""
    at = turn.find(quote) if quote else -1
    while at >= 0:
        yield at, at + len(quote)
        at = turn.find(quote, at + 1)


def common(a: Span, b: Span) -> int:
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


def overlap(a: Span, b: Span) -> float:
    """Intersection over union, in code points."""
    return common(a, b) / (a[1] - a[0] + b[1] - b[0] - common(a, b))


def shared(a: Span, b: Span) -> float:
    """Intersection over the shorter of the two: stricter against us than over the union."""
    return common(a, b) / min(a[1] - a[0], b[1] - b[0])
