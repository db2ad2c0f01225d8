"""Finds statements that say the same, inside a block, and leaves one to stand for each group.

A block is (seed, culture, language, relation to the stance): sentence embeddings hardly see which side a statement
takes, so statements on different sides never meet. Inside a block: equal texts first, then cosine similarity over all
pairs, then guards against pairs that differ in a word that turns the meaning. Clusters are stars: every duplicate is
similar to its representative itself, never through a third. Nothing is deleted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import faiss
import numpy as np

from culturepark.dialogue.guards import phrases
from culturepark.domain import Duplicate
from culturepark.models.embedder import Method, Vectors

# Blocks are small; more threads would spend their time waiting for each other.
faiss.omp_set_num_threads(1)


ENDINGS = {"", "s", "es", "d", "ed", "ing", "e", "y", "ies", "ied", "'s"}


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
    same: dict[str, list[int]] = {}
    for index, text in enumerate(keys):
        same.setdefault(text, []).append(index)
    limits, similarities, neighbours = pairs(vectors, threshold)
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
        near |= dict.fromkeys(same[keys[head]], 1.0)
        for other in sorted(near):
            if other <= head or other in taken:
                continue
            exact = keys[other] == keys[head]
            if not exact and turned(entries[head].text, entries[other].text):
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
    found: tuple[np.ndarray, np.ndarray, np.ndarray] = index.range_search(
        vectors,
        float(np.nextafter(np.float32(threshold), np.float32(-1))),  # FAISS leaves out the limit itself
    )
    return found


def key(text: str) -> str:
    """Texts with the same key are the same text: case, punctuation, spaces and Unicode form aside.

    Marks, currencies and a point between digits count: without them other words and other sums would be the same.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    kept = []
    for index, char in enumerate(folded):
        before, after = folded[index - 1 : index], folded[index + 1 : index + 2]
        inside = (before.isdigit() and after.isdigit()) or (char == "'" and before.isalpha() and after.isalpha())
        kept.append(" " if unicodedata.category(char)[0] in "PZC" and not inside else char)
    return " ".join("".join(kept).split())


def turned(one: str, other: str, language: str = "en") -> bool:
    """Whether two texts that look alike differ in what turns their meaning. For texts, not keys."""
    return (
        turning_words(one, language) != turning_words(other, language)
        or roles_swapped(words_of(one, language), words_of(other, language), language)
        or substituted(heavy_words(one, language), heavy_words(other, language))
    )


def words_of(text: str, language: str) -> list[str]:
    """The words of a text, with set phrases for one thing put as one word."""
    found = key(text)
    for pair in phrases(language)["as_one_word"]:
        phrase, word = pair.split(" = ")
        found = f" {found} ".replace(f" {phrase} ", f" {word} ").strip()
    return found.split()


def without_negations(text: str, language: str) -> list[str]:
    """The words, with every negation alike: `don't` and `never` are for counting, not for comparing."""
    negations = set(phrases(language)["negation"])
    return ["not" if word in negations or word.endswith("n't") else word for word in words_of(text, language)]


def heavy_words(text: str, language: str) -> list[str]:
    light = set(phrases(language)["light"])
    return [word for word in without_negations(text, language) if word not in light]


def turning_words(text: str, language: str) -> tuple[int, frozenset[str]]:
    """How many negations, and which quantifiers, numbers and groups of people."""
    turning = set(phrases(language)["turning"])
    words = without_negations(text, language)
    count = words.count("not")
    return count, frozenset(word for word in words if word in turning or word[0].isdigit())


def roles_swapped(first: list[str], second: list[str], language: str) -> bool:
    """The same words in another order: `parents owe children` is not `children owe parents`."""
    light = set(phrases(language)["light"])
    stems = [[word.rstrip("s")[:5] for word in words if word not in light] for words in (first, second)]
    if len(set(stems[0]) ^ set(stems[1])) > 1:
        return False
    common = [stem for stem in stems[0] if stems[0].count(stem) == 1 and stems[1].count(stem) == 1]
    return [stem for stem in stems[1] if stem in set(common)] != common


def substituted(first: list[str], second: list[str]) -> bool:
    """One word, or two, put in the place of another and nothing else changed: before / after, rude / polite.

    A paraphrase seldom looks like that; an opposite often does, and no list knows them all.
    """
    changes = [c for c in SequenceMatcher(None, first, second, autojunk=False).get_opcodes() if c[0] != "equal"]
    if not changes or len(changes) > 2:
        return False
    return all(
        what == "replace" and b - a == d - c == 1 and not inflected(first[a], second[c]) for what, a, b, c, d in changes
    )


def inflected(one: str, other: str) -> bool:
    """Two forms of one word, as far as endings show: `day` and `days`, not `employer` and `employee`."""
    pairs_of_letters = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (a, b) in pairs_of_letters if a != b), min(len(one), len(other)))
    return shared >= 3 and {one[shared:], other[shared:]} <= ENDINGS
