"""Finds statements that say the same, inside a block, and leaves one to stand for each group.

A block is (seed, culture, language, relation to the stance): sentence embeddings hardly see which side a statement
takes, so statements on different sides never meet. Inside a block: equal texts first, then cosine similarity over all
pairs, then guards against pairs that differ in a word that turns the meaning. Clusters are stars: every duplicate is
similar to its representative itself, never through a third. Nothing is deleted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from culturepark.dialogue.guards import phrases
from culturepark.domain import Duplicate
from culturepark.models.embedder import Method, Vectors


@dataclass(frozen=True)
class Entry:
    """A statement that has passed verification."""

    statement_id: str
    block: tuple[str, ...]
    text: str
    """What is compared: the first-person form, which names nobody."""


def blocks(entries: Sequence[Entry]) -> list[list[int]]:
    """Indices of the entries of each block, in the entries' order."""
    found: dict[tuple[str, ...], list[int]] = {}
    for index, entry in enumerate(entries):
        found.setdefault(entry.block, []).append(index)
    return list(found.values())


def deduplicate(entries: Sequence[Entry], vectors: Vectors, method: Method, threshold: float) -> list[Duplicate]:
    """
    Args:
        entries: in the order in which representatives are chosen; the first of a group stands for it.
        vectors: shape (len(entries), d), unit rows.
        threshold: cosine similarity from which two texts may be the same.
    """
    duplicates: list[Duplicate] = []
    for block in blocks(entries):
        duplicates += deduplicate_block([entries[i] for i in block], vectors[block], method, threshold)
    return duplicates


def deduplicate_block(entries: Sequence[Entry], vectors: Vectors, method: Method, threshold: float) -> list[Duplicate]:
    keys = [key(entry.text) for entry in entries]
    first: dict[str, int] = {}
    for index, text in enumerate(keys):
        first.setdefault(text, index)
    limits, similarities, neighbours = pairs(vectors, threshold)
    marks = [turning_words(entry.text) for entry in entries]
    taken: set[int] = set()
    duplicates = []
    for head in range(len(entries)):
        if head in taken:
            continue
        near = {
            int(n): float(s)
            for n, s in zip(
                neighbours[limits[head] : limits[head + 1]],
                similarities[limits[head] : limits[head + 1]],
                strict=True,
            )
        }
        near |= {i: 1.0 for i in range(head + 1, len(entries)) if keys[i] == keys[head]}
        for other in sorted(near):
            if other <= head or other in taken:
                continue
            exact = keys[other] == keys[head]
            if not exact and (marks[head] != marks[other] or roles_swapped(keys[head], keys[other])):
                continue
            taken.add(other)
            duplicates.append(
                Duplicate(
                    statement_id=entries[other].statement_id,
                    cluster_id=entries[head].statement_id,
                    representative_id=entries[head].statement_id,
                    method="exact" if exact else method,
                    similarity=round(near[other], 4),
                )
            )
    return duplicates


def pairs(vectors: Vectors, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs at least as similar as `threshold`, in FAISS's form: limits (n + 1), similarities, neighbours."""
    if len(vectors) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    found: tuple[np.ndarray, np.ndarray, np.ndarray] = index.range_search(vectors, threshold)
    return found


def key(text: str) -> str:
    """Texts with the same key are the same text: case, punctuation and Unicode form aside."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def turning_words(text: str, language: str = "en") -> frozenset[str]:
    """Negations, quantifiers, numbers, groups of people: where two texts differ in one, they do not say the same."""
    words = re.findall(r"\d+(?:[.,:]\d+)*|[\w']+", unicodedata.normalize("NFKC", text).replace("’", "'").casefold())
    turning, negations = set(phrases(language)["turning"]), set(phrases(language)["negation"])
    return frozenset(
        "not" if word in negations or word.endswith("n't") else word
        for word in words
        if word in turning or word in negations or word.endswith("n't") or word[0].isdigit()
    )


def roles_swapped(one: str, other: str) -> bool:
    """Nearly the same words in another order: `parents owe children` is not `children owe parents`."""
    first, second = one.split(), other.split()
    if len(set(first) ^ set(second)) > 2:
        return False
    common = [word for word in first if first.count(word) == 1 and second.count(word) == 1]
    return [word for word in second if word in set(common)] != common
