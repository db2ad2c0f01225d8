"""Scores of verification and of deduplication against labelled rows. Pure; rates are 0-1, None where undefined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.quality.rows import RELATIONS, Row
from bench.quality.shares import majority, share
from culturepark.domain import JsonObject

BINS = 10
OPPOSITES = ("polarity-flip", "role-swap")
"""Notes in the rows that mark a statement as the opposite of its cluster's neighbour."""


@dataclass(frozen=True)
class Judged:
    """What was found about one row."""

    relation: str
    """One of `RELATIONS`, or `unparsable`."""
    confidence: float | None
    kept: bool


def verification(rows: Sequence[Row], found: Mapping[str, Judged]) -> JsonObject:
    """
    accuracy, macro_f1: over the three relations; what cannot be parsed is wrong.
    kept_precision: share of kept rows whose gold is entail; `kept_precision_95` are the bounds of its interval.
    kept_share: of all rows.
    calibration_error: expected calibration error over ten bins of confidence (Naeini et al., AAAI 2015).
    """
    gold = [row["relation"] for row in rows]
    said = [found[row["id"]].relation for row in rows]
    kept = [g for g, row in zip(gold, rows, strict=True) if found[row["id"]].kept]
    right = [g == s for g, s in zip(gold, said, strict=True)]
    f1 = {relation: f1_of(gold, said, relation) for relation in RELATIONS}
    tags = sorted({tag for row in rows for tag in row.get("hard", [])})
    return {
        "rows": len(rows),
        **share("accuracy", sum(right), len(rows)),
        "majority": majority(gold),
        "macro_f1": round(sum(f1.values()) / len(f1), 4),
        "f1": f1,
        "said": dict(sorted(Counter(said).items())),
        **share("kept_precision", kept.count("entail"), len(kept)),
        "kept_share": round(len(kept) / len(rows), 4),
        "calibration_error": calibration_error(rows, right, found),
        "by_tag": {
            tag: {
                "rows": sum(tag in row.get("hard", []) for row in rows),
                "accuracy": mean([ok for ok, row in zip(right, rows, strict=True) if tag in row.get("hard", [])]),
            }
            for tag in tags
        },
    }


def f1_of(gold: Sequence[str], said: Sequence[str], relation: str) -> float:
    both = sum(g == s == relation for g, s in zip(gold, said, strict=True))
    either = sum((g == relation) + (s == relation) for g, s in zip(gold, said, strict=True))
    return round(2 * both / either, 4) if either else 0.0


def calibration_error(rows: Sequence[Row], right: Sequence[bool], found: Mapping[str, Judged]) -> float | None:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, ok in zip(rows, right, strict=True):
        confidence = found[row["id"]].confidence
        if confidence is not None:
            bins.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, ok))
    total = sum(len(some) for some in bins.values())
    if not total:
        return None
    gaps = [abs(sum(ok for _, ok in some) - sum(confidence for confidence, _ in some)) for some in bins.values()]
    return round(sum(gaps) / total, 4)


def deduplication(rows: Sequence[Row], clusters: Mapping[str, str]) -> JsonObject:
    """
    precision, recall: over pairs of rows that share a cluster.
    distinct_lost: gold clusters of which no row stands for its found cluster; the first row of each stands for it.
    opposites_merged: pairs of one found cluster, but of two gold ones, of which one is noted to be an opposite.
    """
    true_pairs = pairs({row["id"]: row["cluster"] for row in rows})
    found_pairs = pairs(clusters)
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(clusters[row["id"]], row)
    notes = {row["id"]: row.get("note") for row in rows}
    standing = {row["cluster"] for row in first.values()}
    hits = len(true_pairs & found_pairs)
    return {
        "rows": len(rows),
        "clusters": len(first),
        "precision": round(hits / len(found_pairs), 4) if found_pairs else None,
        "recall": round(hits / len(true_pairs), 4) if true_pairs else None,
        "distinct_lost": len({row["cluster"] for row in rows} - standing),
        "opposites_merged": sum(any(notes[one] in OPPOSITES for one in pair) for pair in found_pairs - true_pairs),
    }


def pairs(clusters: Mapping[str, str]) -> set[frozenset[str]]:
    members: dict[str, list[str]] = {}
    for row_id, cluster in clusters.items():
        members.setdefault(cluster, []).append(row_id)
    return {frozenset(pair) for some in members.values() for pair in combinations(some, 2)}


def mean(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
