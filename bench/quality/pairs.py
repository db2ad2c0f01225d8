"""Whether two statements say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.quality.harness import Ask, casting
from bench.quality.rows import Row
from bench.quality.shares import share
from culturepark.distill.dedup import Decision, pair_alone
from culturepark.distill.same import same
from culturepark.domain import JsonObject
from culturepark.models.embedder import Embedder

Found = Mapping[str, bool]


async def ours(ask: Ask, rows: Sequence[Row], embedder: Embedder) -> Found:
    """Whether a run would take two norms for the same that stand alone in their block; in doubt it asks the model."""
    decided = await alone(rows, embedder)
    doubtful = [row for row in rows if decided[row["id"]].unsure]
    asker = ask.asker("dedup", casting(ask.personas[0], "pairs"), "pairs")
    answers = await same(asker, [pair for row in doubtful for pair in decided[row["id"]].unsure])
    told = {row["id"]: any(answers[pair] for pair in decided[row["id"]].unsure) for row in rows}
    return {row["id"]: bool(decided[row["id"]].duplicates) or told[row["id"]] for row in rows}


async def encoder(rows: Sequence[Row], embedder: Embedder) -> Found:
    """The same, and nobody is asked."""
    return {name: bool(decision.duplicates) for name, decision in (await alone(rows, embedder)).items()}


async def alone(rows: Sequence[Row], embedder: Embedder) -> dict[str, Decision]:
    vectors = await embedder.embed([row[side] for side in "ab" for row in rows])
    both = (np.ascontiguousarray(vectors[[n, len(rows) + n]]) for n in range(len(rows)))
    return {
        row["id"]: pair_alone(row["a"], row["b"], two, embedder.method, row["language"])
        for row, two in zip(rows, both, strict=True)
    }


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
