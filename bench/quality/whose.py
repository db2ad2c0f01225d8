"""Whose words a turn holds, and of what kind: turns in which pieces are labelled, in English and other languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.quality import extraction
from bench.quality.overlap import Span, common, spans
from bench.quality.rows import Row
from bench.quality.shares import majority, share
from bench.quality.turns import Asks, cut_as, kept
from culturepark.domain import JsonObject

Found = Mapping[str, Sequence[JsonObject]]
"""By row, the pieces that are kept: `quote` and `kind`."""
ALIKE = {"norm": "custom"}
"""Kinds between which the border is soft: what people are expected to do is often told as what they do."""


async def ours(ask: Asks, rows: Sequence[Row]) -> Found:
    """What a run keeps of each turn."""
    return {
        row_id: [{"quote": one.quote, "kind": one.kind} for one in statements]
        for row_id, statements in (await kept(rows, ask)).items()
    }


def lists(rows: Sequence[Row]) -> Found:
    """By the English word lists that the product once had."""
    return {
        row_id: [{"quote": one["quote"], "kind": one["kind"]} for one in pieces]
        for row_id, pieces in extraction.lists(rows).items()
    }


def baseline(rows: Sequence[Row]) -> Found:
    """No model and no list: all sentences, as customs."""
    return {
        row["id"]: [
            {"quote": row["turn"][start:end], "kind": "custom"}
            for start, end in cut_as(row.get("language") or "en").sentences(row["turn"])
        ]
        for row in rows
    }


def score(rows: Sequence[Row], found: Found) -> JsonObject:
    """
    precision: share of the kept pieces that are right: they hold a cue, or touch nothing that is labelled.
    with_cue, unlabelled, partly, wrong: counts of the kept pieces that hold a cue; that touch nothing labelled; that
        touch a cue and hold none; that touch no cue, but what is not own. The first two are right.
    with_cue_share: the first alone, of all kept pieces. mixed: how many of them cover what is not own as well.
    recall: share of the labelled statements whose cue a kept piece holds.
    kind: share of those that have the right kind in the shortest such piece; `majority` names the commonest always.
    kind_border: the same, with norm and custom as one.
    not_own_kept: share of the labelled pieces that are not own of which a kept piece covers more than half.
    """
    places: Counter[str] = Counter()
    kinds: list[tuple[str, str]] = []
    statements = not_own = covered = mixed = 0
    for row in rows:
        pieces, barred = found[row["id"]], row.get("not_own", [])
        places.update(place_of(piece["quote"], row) for piece in pieces)
        kinds += list(kinds_of(row, pieces))
        statements += len(row["gold"])
        not_own += len(barred)
        covering = [[covers(piece["quote"], one, row["turn"]) for one in barred] for piece in pieces]
        covered += sum(map(any, zip(*covering, strict=True)))
        mixed += sum(any(c) and place_of(p["quote"], row) == "with_cue" for p, c in zip(pieces, covering, strict=True))
    count = places.total()
    return {
        "rows": len(rows),
        "statements": statements,
        "kept": count,
        **share("precision", places["with_cue"] + places["unlabelled"], count),
        **share("with_cue_share", places["with_cue"], count),
        **{place: places[place] for place in ("with_cue", "unlabelled", "partly", "wrong")},
        "mixed": mixed,
        **share("recall", len(kinds), statements),
        **share("kind", sum(gold == said for gold, said in kinds), len(kinds)),
        "kind_majority": majority([gold for gold, _ in kinds]),
        **share("kind_border", sum(ALIKE.get(g, g) == ALIKE.get(s, s) for g, s in kinds), len(kinds)),
        "not_own": not_own,
        **share("not_own_kept", covered, not_own),
    }


def place_of(quote: str, row: Row) -> str:
    """Return where a kept piece lies among what is labelled."""
    cues = [gold["cue"] for gold in row["gold"]]
    if any(cue in quote for cue in cues):
        return "with_cue"
    if any(touches(quote, cue, row["turn"]) for cue in cues):
        return "partly"
    return "wrong" if any(touches(quote, piece, row["turn"]) for piece in row.get("not_own", [])) else "unlabelled"


def kinds_of(row: Row, pieces: Sequence[JsonObject]) -> Iterator[tuple[str, str]]:
    """Yield the labelled and the found kind of each statement that is found."""
    for gold in row["gold"]:
        holding = [piece for piece in pieces if gold["cue"] in piece["quote"]]
        if holding:
            yield gold["kind"], min(holding, key=lambda piece: len(piece["quote"]))["kind"]


def touches(quote: str, piece: str, turn: str) -> bool:
    return any(common(a, b) for a, b in meetings(quote, piece, turn))


def covers(quote: str, piece: str, turn: str) -> bool:
    return any(2 * common(a, b) > b[1] - b[0] for a, b in meetings(quote, piece, turn))


def meetings(quote: str, piece: str, turn: str) -> Iterator[tuple[Span, Span]]:
    for a in spans(quote, turn):
        for b in spans(piece, turn):
            yield a, b
