"""Whether two statements say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.quality.rows import Row
from bench.quality.shares import share
from culturepark.distill.dedup import SIDES, Entry, deduplicate
from culturepark.domain import DedupPolicy, JsonObject
from culturepark.models.embedder import Embedder

Found = Mapping[str, bool]


async def ours(rows: Sequence[Row], embedder: Embedder) -> Found:
    """Whether a run would take two norms for the same that stand alone in their block."""
    vectors = await embedder.embed([row[side] for side in "ab" for row in rows])
    found = {}
    for index, row in enumerate(rows):
        block = ("pair", row["language"], SIDES[0])
        entries = [Entry(f"pair.d1.t{n}.s1", block, row[side], "en") for n, side in enumerate("ab", start=1)]
        both = np.ascontiguousarray(vectors[[index, len(rows) + index]])
        found[row["id"]] = bool(deduplicate(entries, both, embedder.method, DedupPolicy().threshold))
    return found


def baseline(rows: Sequence[Row]) -> Found:
    """All say the same."""
    return {row["id"]: True for row in rows}


def score(rows: Sequence[Row], found: Found) -> JsonObject:
    """`scores` of all rows, and by language."""
    languages = sorted({row["language"] for row in rows})
    parts = {code: scores([row for row in rows if row["language"] == code], found) for code in languages}
    return {**scores(rows, found), "by_language": parts}


def scores(rows: Sequence[Row], found: Found) -> JsonObject:
    """
    precision: share of paraphrases among the merged. recall: share of the paraphrases that are merged.
    opposites_merged, unrelated_merged: counts.
    """
    merged = [row["what"] for row in rows if found[row["id"]]]
    same = merged.count("paraphrase")
    return {
        "rows": len(rows),
        **share("precision", same, len(merged)),
        **share("recall", same, sum(row["what"] == "paraphrase" for row in rows)),
        "opposites_merged": merged.count("opposite"),
        "unrelated_merged": merged.count("unrelated"),
    }
