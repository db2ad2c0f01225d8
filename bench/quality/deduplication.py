"""Three ways to tell which statements say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.kmeans import k_means
from bench.quality.rows import Row
from culturepark.distill.dedup import SIDES, Entry, deduplicate, key
from culturepark.domain import DedupPolicy
from culturepark.models.embedder import Embedder

PUBLISHED_CLUSTERS = 10


def block(row: Row) -> tuple[str, ...]:
    """The rows of one seed and culture are told of one stance, the scale's +1 let us say."""
    side = {"entail": 1, "contradict": -1}.get(row.get("relation", "none"), 0)
    return (row["seed"], f"{row['culture']}, {row.get('language', 'en')}", "en", SIDES[side])


async def ours(rows: Sequence[Row], embedder: Embedder) -> dict[str, str]:
    """The deduplication of a run, under its default policy. Row -> the row that stands for it."""
    entries = [Entry(row["id"], block(row), row["text"], "en") for row in rows]
    vectors = await embedder.embed([row["text"] for row in rows])
    duplicates = deduplicate(entries, vectors, embedder.method, DedupPolicy().threshold)
    return {row["id"]: row["id"] for row in rows} | {d.statement_id: d.representative_id for d in duplicates}


async def reference(rows: Sequence[Row], embedder: Embedder) -> dict[str, str]:
    """As the published code: k-means into ten clusters for each seed and culture, whatever stands in them."""
    vectors = await embedder.embed([row["text"] for row in rows])
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row["seed"], row["culture"]].append(index)
    clusters: dict[str, str] = {}
    for name, members in groups.items():
        some = np.ascontiguousarray(vectors[members])
        count = min(PUBLISHED_CLUSTERS, len(members))
        nearest = k_means(some, count, rounds=25, seed=1)
        clusters |= {rows[i]["id"]: f"{'/'.join(name)}/{c}" for i, c in zip(members, nearest, strict=True)}
    return clusters


def baseline(rows: Sequence[Row]) -> dict[str, str]:
    """Equal texts alone: case, punctuation and spaces aside."""
    return {row["id"]: "/".join((*block(row), key(row["text"]))) for row in rows}
