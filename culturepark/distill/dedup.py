"""Groups statements that say the same, and lets one stand for each group. Nothing is deleted.

Statements are compared only inside a block: those with the same seed, culture, language, sample shapes and side of the
question. Statements that answer the question have other shapes than those that do not, so neither kind stands for the
other. Sentence embeddings hardly see on which side of the question a statement is, so opposites must not meet. The side
is the scale's and not that of the speaker's own stance: people of one culture draw different stances, and a yes and a
no can each be in line with their speaker's.

Inside a block equal texts are grouped first. The others need a high cosine similarity, and must pass the guards of
`paraphrase`. A group is a star: each duplicate is similar to its representative itself, never through a third
statement. The result does not depend on the order in which statements are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from culturepark.distill.nearest import near
from culturepark.distill.paraphrase import Likeness, Reading, compare, key, read, shared_letters, shared_words
from culturepark.domain import Duplicate
from culturepark.ids import by_number, run_of
from culturepark.languages import load_language
from culturepark.models.embedder import Method, Vectors

THRESHOLDS: dict[Method, float] = {"minilm": 0.70, "lexical": 0.60, "endpoint": 0.93}
"""The least cosine similarity of two texts that may say the same, by embedding method."""
MARGIN = 0.04
"""A text must be closer by this to its representative than to any rival of the representative."""
SHARED_WORDS = 0.2
"""Weight of the share of common words in `Block.closeness`, in cosine."""
NEGATION = 0.05
"""Weight there of agreement in negation, where the side of both texts is known. Their common side weighs more."""
SHARED_LETTERS = 0.4
"""The least share of common letter pairs in scripts that MiniLM does not know (Hangul, Arabic, Bengali). Unrelated
sentences in them have cosines of .7 to .9, and share up to .34 of their letter pairs."""
SIDES = {1: "plus", -1: "minus", 0: "none"}
"""Names of the sides of a scale in blocks; `none` is its middle, and every statement whose side is not known."""


@dataclass(frozen=True)
class Entry:
    """A statement that has passed verification."""

    statement_id: str
    block: tuple[str, ...]
    """All that must be equal, the side (one of SIDES) last. The language is equal in a block as well."""
    text: str
    """The first-person form, which names nobody."""
    language: str
    """Its word lists read the text."""


def blocks(entries: Sequence[Entry]) -> list[list[int]]:
    """Return the indices of the entries of each block, in the entries' order."""
    indices: dict[tuple[str, ...], list[int]] = {}
    for index, entry in enumerate(entries):
        indices.setdefault(entry.block, []).append(index)
    return list(indices.values())


def portions(entries: Sequence[Entry], size: int = 10_000) -> Iterator[list[Entry]]:
    """Yield whole blocks, together at least `size` entries: as much as has to be in memory at once."""
    portion: list[Entry] = []
    for block in blocks(entries):
        portion += [entries[i] for i in block]
        if len(portion) >= size:
            yield portion
            portion = []
    if portion:
        yield portion


def deduplicate(
    entries: Sequence[Entry],
    vectors: Vectors,
    method: Method,
    threshold: float | None = None,
    *,
    across_runs: bool = False,
) -> list[Duplicate]:
    """
    Args:
        entries: in any order; the first of a group by its id stands for it.
        vectors: shape (len(entries), d), unit rows.
        threshold: the least cosine similarity of two texts that may say the same; None for the method's own.
        across_runs: compare only statements of different runs; each run has decided about its own.
    """
    duplicates: list[Duplicate] = []
    for block in blocks(entries):
        duplicates += deduplicate_block([entries[i] for i in block], vectors[block], method, threshold, across_runs)
    return duplicates


def deduplicate_block(
    entries: Sequence[Entry], vectors: Vectors, method: Method, threshold: float | None, across_runs: bool
) -> list[Duplicate]:
    first_with: dict[str, int] = {}
    """The first entry with each text."""
    exact: list[tuple[int, int]] = []
    for index in sorted(range(len(entries)), key=lambda i: by_number(entries[i].statement_id)):
        first = first_with.setdefault(key(entries[index].text), index)
        if first != index:
            exact.append((index, first))
    firsts = list(first_with.values())
    language = load_language(entries[0].language)
    readings = [read(text, language) for text in first_with]
    least = THRESHOLDS[method] if threshold is None else threshold
    runs = [run_of(entry.statement_id) for entry in entries]
    block = Block(
        readings,
        vectors[firsts],
        least,
        entries[0].block[-1],
        method,
        [runs[i] for i in firsts] if across_runs else None,
    )
    joined = {firsts[text]: (firsts[head], similarity) for text, head, similarity in block.stars()}
    pairs: list[tuple[int, int, Literal["exact"] | Method, float]]
    pairs = [(index, head, method, similarity) for index, (head, similarity) in joined.items()]
    for index, first in exact:
        head, similarity = joined.get(first, (first, 1.0))
        pairs.append((index, head, "exact" if head == first else method, similarity))
    return [
        Duplicate(
            statement_id=entries[index].statement_id,
            cluster_id=entries[head].statement_id,
            representative_id=entries[head].statement_id,
            method=how,
            similarity=round(min(similarity, 1.0), 4),
        )
        for index, head, how, similarity in pairs
        if not across_runs or runs[index] != runs[head]
    ]


class Block:
    """The different texts of a block, in the order of their ids."""

    def __init__(
        self,
        readings: Sequence[Reading],
        vectors: Vectors,
        threshold: float,
        side: str,
        method: Method,
        runs: Sequence[str] | None,
    ) -> None:
        """
        Args:
            runs: of each text; texts of one run are not compared. None where all are.
        """
        self.readings = readings
        self.sided = side in (SIDES[1], SIDES[-1])
        self.least_letters = SHARED_LETTERS if method == "minilm" else 0.0
        self.near = near(vectors, vectors, threshold)
        self.runs = runs
        self.known: dict[tuple[int, int], Likeness] = {}

    def stars(self) -> Iterator[tuple[int, int, float]]:
        """Yield each text that repeats another, with its representative and their similarity.

        Texts are taken in order. Each joins the closest representative; if it repeats none, it becomes one itself.
        """
        heads: set[int] = set()
        for one in range(len(self.readings)):
            open_to = [(s, head) for s, head in self.near.of(one) if head in heads and self.may_meet(one, head)]
            similarity, head = max(
                open_to, key=lambda it: (self.closeness(one, it[1], it[0]), -it[1]), default=(0.0, one)
            )
            if head != one and self.repeats(one, head, similarity):
                yield one, head, similarity
            else:
                heads.add(one)

    def may_meet(self, one: int, other: int) -> bool:
        if self.runs is not None and self.runs[one] == self.runs[other]:
            return False
        return self.likeness(one, other) in (Likeness.SAME, Likeness.OPEN)

    def repeats(self, one: int, other: int, similarity: float) -> bool:
        if self.likeness(one, other) is Likeness.SAME:
            return True
        if shared_letters(self.readings[one], self.readings[other]) < self.least_letters:
            return False
        close = self.closeness(one, other, similarity)
        return not self.taken(one, other, close) and not self.taken(other, one, close)

    def taken(self, one: int, other: int, close: float) -> bool:
        """Return whether `other` is about as close to a rival of `one`: it may repeat either of the two."""
        for similarity, third in self.near.of(other):
            if similarity + SHARED_WORDS + NEGATION <= close - MARGIN:
                return False
            if third in (one, other) or self.closeness(third, other, similarity) <= close - MARGIN:
                continue
            if self.readings[other].numbers != self.readings[third].numbers:
                continue
            if self.likeness(one, third) is Likeness.RIVAL:
                return True
        return False

    def closeness(self, one: int, other: int, similarity: float) -> float:
        first, second = self.readings[one], self.readings[other]
        agree = self.sided and first.negated == second.negated
        return similarity + SHARED_WORDS * shared_words(first, second) + NEGATION * agree

    def likeness(self, one: int, other: int) -> Likeness:
        pair = (one, other) if one < other else (other, one)
        if pair not in self.known:
            self.known[pair] = compare(self.readings[pair[0]], self.readings[pair[1]], self.sided)
        return self.known[pair]
