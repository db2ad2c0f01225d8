"""Groups statements that say the same, and lets one stand for each group. Nothing is deleted.

Statements are compared only inside a block. Opinions have the block of their seed, culture, language, sample shapes and
side of the question; norms and customs that of their culture, language and shapes, whatever the seed. Sentence
embeddings hardly see on which side of a question a statement is, so opposites must not meet. The side is the scale's
and not that of the speaker's own stance: people of one culture draw different stances, and a yes and a no can each be
in line with their speaker's.

Inside a block equal texts are grouped first. The others need a high cosine similarity, and must pass the guards of
`paraphrase`. Below the similarity that is sure lies a band in which a model may be asked: `decide` returns the pairs
that it would like to know about, and takes the answers. A group is a star: each duplicate is similar to its
representative itself, never through a third statement. The result does not depend on the order in which statements are
given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from culturepark.distill.nearest import near
from culturepark.distill.paraphrase import Likeness, Reading, compare, key, read, shared_letters, shared_words
from culturepark.domain import Duplicate
from culturepark.ids import by_number, run_of
from culturepark.languages import PACKAGES, load_language
from culturepark.models.embedder import Method, Vectors

THRESHOLDS: dict[Method, float] = {"e5": 0.96, "minilm": 0.70, "lexical": 0.60, "endpoint": 0.93}
"""The least cosine similarity of two texts that surely say the same, by embedding method; of `e5` for a language that
is not in `BY_LANGUAGE`."""
BY_LANGUAGE: dict[Method, dict[str, float]] = {
    "e5": {
        "en": 0.93, "ar": 0.955, "bn": 0.935, "de": 0.945, "es": 0.945, "ko": 0.955, "pt": 0.955, "tr": 0.935,
        "zh": 0.95,
    }
}  # fmt: skip
"""The same by language. Each lies above the similarity of any two different statements of that language, of those that
no guard tells apart, among some thousand pairs (docs/deduplication.md). Languages differ more in it than paraphrases
differ from other texts."""
BAND = 0.05
"""So far below its threshold, where that is by language, a model is asked."""
LOOKS = 2
"""The most pairs of one text about which a model is asked at a time."""
MARGIN = 0.04
"""A text must be closer by this to its representative than to any rival of the representative."""
SHARED_WORDS = 0.2
"""Weight of the share of common words in `Block.closeness`, in cosine."""
NEGATION = 0.05
"""Weight there of agreement in negation, where the side of both texts is known. Their common side weighs more."""
SHARED_LETTERS: dict[Method, float] = {"minilm": 0.4}
"""The least share of common letter pairs in scripts that a method does not know (Hangul, Arabic, Bengali). Unrelated
sentences in them have cosines of .7 to .9 with MiniLM, and share up to .34 of their letter pairs."""
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

    @property
    def across_questions(self) -> bool:
        """Whether statements on other questions may be in its block: those of norms and customs, which name no seed."""
        return not self.block[0]


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


TextPair = tuple[str, str]
"""Two texts, in the order of their characters."""


def pair_of(one: str, other: str) -> TextPair:
    return (one, other) if one <= other else (other, one)


def band(method: Method, language: str, threshold: float | None = None) -> tuple[float, float]:
    """Return the similarities from which on a model is asked whether two texts say the same, and from which on they do.

    The two are equal where nobody is asked: with a threshold of the user's own, and for methods without a band.
    """
    if threshold is not None:
        return threshold, threshold
    sure = BY_LANGUAGE.get(method, {}).get(language.partition("-")[0])
    return (sure - BAND, sure) if sure else (THRESHOLDS[method], THRESHOLDS[method])


@dataclass
class Decision:
    duplicates: list[Duplicate] = field(default_factory=list)
    unsure: list[TextPair] = field(default_factory=list)
    """Pairs that the duplicates hang on and that nobody has been asked about yet, each once."""


def deduplicate(
    entries: Sequence[Entry],
    vectors: Vectors,
    method: Method,
    threshold: float | None = None,
    *,
    across_runs: bool = False,
) -> list[Duplicate]:
    """Return the duplicates that are found without asking anybody; the arguments are those of `Blocks`."""
    return Blocks(entries, vectors, method, threshold, across_runs=across_runs).decide().duplicates


def same(one: str, other: str, vectors: Vectors, method: Method, language: str, answer: bool | None = None) -> bool:
    """Return whether a run would take two norms that stand alone in their block for the same.

    Args:
        vectors: of both, shape (2, d), unit rows.
        answer: a model's, if one was asked.
    """
    decision = pair_alone(one, other, vectors, method, language)
    return bool(decision.duplicates) or (bool(decision.unsure) and bool(answer))


def pair_alone(one: str, other: str, vectors: Vectors, method: Method, language: str) -> Decision:
    """Decide about two norms that stand alone in their block; `unsure` tells whether a model would be asked."""
    code = language.partition("-")[0]
    entries = [Entry(f"pair.d1.t{n}.s1", ("norm", SIDES[0]), text, code) for n, text in enumerate((one, other), 1)]
    return Blocks(entries, vectors, method).decide()


class Blocks:
    """Statements in their blocks, with what is near to each. Near ones are looked up once, however often it decides."""

    def __init__(
        self,
        entries: Sequence[Entry],
        vectors: Vectors,
        method: Method,
        threshold: float | None = None,
        *,
        across_runs: bool = False,
    ) -> None:
        """
        Args:
            entries: in any order; the first of a group by its id stands for it.
            vectors: shape (len(entries), d), unit rows.
            threshold: the least cosine similarity of two texts that say the same; None for the method's own.
            across_runs: compare only statements of different runs; each run has decided about its own.
        """
        self.blocks = [
            Block([entries[i] for i in block], vectors[block], method, threshold, across_runs)
            for block in blocks(entries)
        ]

    def decide(self, answers: Mapping[TextPair, bool] | None = None) -> Decision:
        """
        Args:
            answers: whether texts say the same, as far as a model was asked. None are needed.
        """
        decision = Decision()
        for block in self.blocks:
            block.decide(answers or {}, decision)
        decision.unsure = list(dict.fromkeys(decision.unsure))
        return decision


class Block:
    """The statements of a block, and its different texts in the order of their ids."""

    def __init__(
        self, entries: Sequence[Entry], vectors: Vectors, method: Method, threshold: float | None, across_runs: bool
    ) -> None:
        self.entries = entries
        self.method = method
        first_with: dict[str, int] = {}
        """The first entry with each text."""
        self.exact: list[tuple[int, int]] = []
        """An entry, and the first one with the same text."""
        for index in sorted(range(len(entries)), key=lambda i: by_number(entries[i].statement_id)):
            first = first_with.setdefault(key(entries[index].text), index)
            if first != index:
                self.exact.append((index, first))
        self.firsts = list(first_with.values())
        code = entries[0].language
        language = load_language(code) if code in PACKAGES else code
        self.readings: list[Reading] = [read(text, language) for text in first_with]
        self.sided = entries[0].block[-1] in (SIDES[1], SIDES[-1])
        self.least_letters = SHARED_LETTERS.get(method, 0.0)
        self.possible, self.sure = band(method, code, threshold)
        self.near = near(vectors[self.firsts], vectors[self.firsts], self.possible, self.sure)
        self.runs = [run_of(entry.statement_id) for entry in entries] if across_runs else None
        """Of each entry; statements of one run are not compared. None where all are."""
        self.known: dict[tuple[int, int], Likeness] = {}

    def decide(self, answers: Mapping[TextPair, bool], decision: Decision) -> None:
        firsts = self.firsts
        stars = self.stars(answers, decision.unsure)
        joined = {firsts[text]: (firsts[head], similarity) for text, head, similarity in stars}
        pairs: list[tuple[int, int, Literal["exact"] | Method, float]]
        pairs = [(index, head, self.method, similarity) for index, (head, similarity) in joined.items()]
        for index, first in self.exact:
            head, similarity = joined.get(first, (first, 1.0))
            pairs.append((index, head, "exact" if head == first else self.method, similarity))
        decision.duplicates += [
            Duplicate(
                statement_id=self.entries[index].statement_id,
                cluster_id=self.entries[head].statement_id,
                representative_id=self.entries[head].statement_id,
                method=how,
                similarity=round(min(similarity, 1.0), 4),
            )
            for index, head, how, similarity in pairs
            if self.runs is None or self.runs[index] != self.runs[head]
        ]

    def stars(self, answers: Mapping[TextPair, bool], unsure: list[TextPair]) -> Iterator[tuple[int, int, float]]:
        """Yield each text that repeats another, with its representative and their similarity.

        Texts are taken in order. Each joins the closest representative; if it repeats none, it becomes one itself.

        Args:
            unsure: gets the pairs that a model should be asked about.
        """
        heads: set[int] = set()
        for one in range(len(self.readings)):
            open_to = [(s, head) for s, head in self.near.of(one) if head in heads and self.may_meet(one, head)]
            ranked = sorted(open_to, key=lambda it: (-self.closeness(one, it[1], it[0]), it[1]))
            if found := self.sure_one(one, ranked) or self.asked_one(one, ranked, answers, unsure):
                yield one, found[1], found[0]
            else:
                heads.add(one)

    def sure_one(self, one: int, ranked: Sequence[tuple[float, int]]) -> tuple[float, int] | None:
        """Return the similarity and place of the representative that a text surely repeats."""
        closest = next((it for it in ranked if it[0] >= self.sure), None)
        return closest if closest and self.repeats(one, closest[1], closest[0]) else None

    def asked_one(
        self, one: int, ranked: Sequence[tuple[float, int]], answers: Mapping[TextPair, bool], unsure: list[TextPair]
    ) -> tuple[float, int] | None:
        """Return the representative that a model finds a text to repeat; without an answer, ask for one.

        The guards come first, as with a sure one: a model is not asked to overrule them.
        """
        if self.possible == self.sure:
            return None
        doubtful = [it for it in ranked if it[0] < self.sure and self.repeats(one, it[1], it[0])][:LOOKS]
        pairs = [pair_of(self.text(one), self.text(head)) for _, head in doubtful]
        if found := next((it for it, pair in zip(doubtful, pairs, strict=True) if answers.get(pair)), None):
            return found
        unsure += [pair for pair in pairs if pair not in answers]
        return None

    def text(self, one: int) -> str:
        return self.entries[self.firsts[one]].text

    def may_meet(self, one: int, other: int) -> bool:
        if self.runs is not None and self.runs[self.firsts[one]] == self.runs[self.firsts[other]]:
            return False
        return self.likeness(one, other) in (Likeness.SAME, Likeness.OPEN)

    def repeats(self, one: int, other: int, similarity: float) -> bool:
        if self.likeness(one, other) is Likeness.SAME:
            return True
        if shared_letters(self.readings[one], self.readings[other]) < self.least_letters:
            return False
        close = self.closeness(one, other, similarity)
        floor = self.sure if similarity >= self.sure else self.possible
        return not self.taken(one, other, close, floor) and not self.taken(other, one, close, floor)

    def taken(self, one: int, other: int, close: float, floor: float) -> bool:
        """Return whether `other` is about as close to a rival of `one`: it may repeat either of the two.

        Args:
            floor: the least similarity of a rival that counts.
        """
        for similarity, third in self.near.of(other):
            if similarity < floor or similarity + SHARED_WORDS + NEGATION <= close - MARGIN:
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
