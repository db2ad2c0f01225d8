"""Finds statements that say the same, inside a block, and leaves one to stand for each group.

A block is (seed, culture, language, how it is told, side taken). What answers the question and what does not have
samples of different shapes, and neither stands for the other. Sentence embeddings hardly see which side of the
question a statement takes, so statements on different sides never meet. The side is the scale's, not the speaker's own:
people of one culture draw different stances, and a yes and a no can both hold to theirs. Inside a block: equal texts
first, then cosine similarity over all pairs, then guards (turning.py). Clusters are stars: every duplicate is similar
to its representative itself, never through a third. Nothing is deleted, and nothing hangs on the order in which
statements are given.
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
"""From which cosine similarity on two texts may be the same, by what made the vectors."""
MARGIN = 0.04
"""By how much a text must be closer to the one it repeats than to that one's rivals."""
SHARED_WORDS = 0.2
"""What all words in common are worth where closeness is compared, in cosine."""
NEGATION = 0.05
"""What it is worth there if both have a negation, or neither; where their side is known, which matters more."""
SHARED_LETTERS = 0.4
"""MiniLM knows neither Hangul nor Arabic nor Bengali: unrelated sentences have cosines of .7 to .9 in them, and up to
.34 of their pairs of letters in common."""
SIDES = {1: "plus", -1: "minus", 0: "none"}
"""What a block calls the sides of a scale; `none` is the middle too, and whatever takes no side that is known."""


@dataclass(frozen=True)
class Entry:
    """A statement that has passed verification."""

    statement_id: str
    block: tuple[str, ...]
    """Seed, culture, language and whatever else must be alike; last, which of SIDES is taken."""
    text: str
    """What is compared: the first-person form, which names nobody."""
    language: str = "en"
    """By whose word lists it is read; alike in a block."""


def blocks(entries: Sequence[Entry]) -> list[list[int]]:
    """Indices of the entries of each block, in the entries' order."""
    found: dict[tuple[str, ...], list[int]] = {}
    for index, entry in enumerate(entries):
        found.setdefault(entry.block, []).append(index)
    return list(found.values())


def portions(entries: Sequence[Entry], size: int = 10_000) -> Iterator[list[Entry]]:
    """Whole blocks, so many together that they have `size` entries: what has to be in memory at once."""
    some: list[Entry] = []
    for block in blocks(entries):
        some += [entries[i] for i in block]
        if len(some) >= size:
            yield some
            some = []
    if some:
        yield some


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
        threshold: cosine similarity from which two texts may be the same; None for the method's own.
        across_runs: only statements of different runs may be the same; each run has decided about its own.
    """
    duplicates: list[Duplicate] = []
    for block in blocks(entries):
        duplicates += deduplicate_block([entries[i] for i in block], vectors[block], method, threshold, across_runs)
    return duplicates


def deduplicate_block(
    entries: Sequence[Entry], vectors: Vectors, method: Method, threshold: float | None, across_runs: bool
) -> list[Duplicate]:
    """Of one block; see `deduplicate`."""
    firsts: dict[str, int] = {}
    """Of every text the first entry that has it."""
    exact: list[tuple[int, int]] = []
    for index in sorted(range(len(entries)), key=lambda i: by_number(entries[i].statement_id)):
        first = firsts.setdefault(key(entries[index].text), index)
        if first != index:
            exact.append((index, first))
    texts = list(firsts.values())
    language = load_language(entries[0].language)
    readings = [read(text, language) for text in firsts]
    least = THRESHOLDS[method] if threshold is None else threshold
    block = Block(readings, vectors[texts], least, entries[0].block[-1], method)
    if across_runs:
        block.runs = [run_of(entries[i].statement_id) for i in texts]
    joined = {texts[one]: (texts[head], similarity) for one, head, similarity in block.stars()}
    found: list[tuple[int, int, Literal["exact"] | Method, float]]
    found = [(one, head, method, similarity) for one, (head, similarity) in joined.items()]
    for index, first in exact:
        head, similarity = joined.get(first, (first, 1.0))
        found.append((index, head, "exact" if head == first else method, similarity))
    return [
        Duplicate(
            statement_id=entries[one].statement_id,
            cluster_id=entries[head].statement_id,
            representative_id=entries[head].statement_id,
            method=how,
            similarity=round(min(similarity, 1.0), 4),
        )
        for one, head, how, similarity in found
        if not across_runs or run_of(entries[one].statement_id) != run_of(entries[head].statement_id)
    ]


class Block:
    """The different texts of a block, in the order in which they may stand for others."""

    def __init__(
        self, readings: Sequence[Reading], vectors: Vectors, threshold: float, side: str, method: Method
    ) -> None:
        self.readings = readings
        self.sided = side in (SIDES[1], SIDES[-1])
        self.least_letters = SHARED_LETTERS if method == "minilm" else 0.0
        self.near = near(vectors, vectors, threshold)
        self.runs: Sequence[str] | None = None
        """Where it is given, a text repeats none of its own run."""
        self.known: dict[tuple[int, int], Likeness] = {}

    def stars(self) -> Iterator[tuple[int, int, float]]:
        """Texts that repeat another, each with the one that stands for it and how similar they are.

        One after the other either joins the closest of those that stand for others, or is another such.
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
        """Whether `other` is as close to a rival of `one`, or nearly: of the two it may repeat either."""
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
