"""Reads turns and rows for models too small to be asked for JSON: linear heads over the multilingual encoder.

A head is a logistic fit from an encoder's vector of some words to what they are. `piece` says whether a clause, beside
the clauses around it, is the speaker's own view, rule or practice, or none of these; `quote` whether words that
somebody chose are the speaker's own; `alone` and `distinctive` read an answer whose names are masked; `relevant` says
whether a statement is about what the two sides of a question disagree on. They were fitted on rows of several writers
(`make heads` fits them anew), all but the last in nine languages. What is not sure enough is not kept;
docs/quality.md says on which rows the bounds were chosen, and what the heads are worth on others.

The encoder is multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672), whatever embedder a run has. It takes about
25 ms for a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from culturepark.dialogue.memory import scenes_of, words
from culturepark.dialogue.policy import QUESTION_MARKS
from culturepark.distill import quotes
from culturepark.distill.extract import Extraction, Proposal, lines_of, provenance_of, spoken_in
from culturepark.distill.pieces import Spans, clauses, length
from culturepark.distill.row_checks import Relations, RowCase, masked
from culturepark.domain import Casting, Criterion, Kind, Turn
from culturepark.languages import Language
from culturepark.models.embedder import Vectors
from culturepark.models.thoughts import unfit

Encode = Callable[[Sequence[str]], Awaitable[Vectors]]
"""Returns unit vectors of texts by multilingual-e5-small, shape (len(texts), 384)."""
Matrix = NDArray[np.float64]
KINDS: tuple[Kind, ...] = ("custom", "norm", "opinion")
"""The classes of the head `piece`; the last one, without a name, is none of them."""
OWN_AT_LEAST = 0.6
"""Probability from which a clause counts as the speaker's own."""
QUOTE_AT_LEAST = 0.7
"""Probability from which a quote is faithful."""
ALONE_AT_LEAST, DISTINCTIVE_AT_LEAST = 0.5, 0.5
FEWEST = 4
"""Words of a clause that is read; less can hardly be understood."""
SHARED = 0.5
"""Share of a clause's longer words that stand in a line of the card, from which the line carries it."""


# --- the heads -----------------------------------------------------------------------------------------


@cache
def weights() -> dict[str, Matrix]:
    """Return the arrays of `heads.npz`: `mean`, shape (384,), and for each head a matrix (1 + features, classes)."""
    with np.load(BytesIO(files("culturepark.distill").joinpath("heads.npz").read_bytes())) as arrays:
        return {name: arrays[name].astype(np.float64) for name in arrays.files}


def centred(vectors: Vectors, mean: Matrix | None = None) -> Matrix:
    """Return vectors without what all texts share, of length 1."""
    rows = vectors.astype(np.float64) - (weights()["mean"] if mean is None else mean)
    shortened: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return shortened


def chances(features: Matrix, head: Matrix) -> Matrix:
    """Return the probability of each class, shape (n, classes)."""
    logits = head[0] + features @ head[1:]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    sure: Matrix = shares / shares.sum(axis=1, keepdims=True)
    return sure


def piece_features(texts: Sequence[str], here: Matrix, before: Matrix, after: Matrix) -> Matrix:
    """Return what the head `piece` sees of clauses, shape (n, 3 * 384 + 2)."""
    form = [[asks(text), min(length(text), 20) / 10] for text in texts]
    return np.concatenate([2 * here, 2 * before, 2 * after, 2 * np.array(form, float).reshape(-1, 2)], axis=1)


def row_features(texts: Sequence[str], vectors: Matrix) -> Matrix:
    """Return what the heads of rows see of answers, shape (n, 384 + 1)."""
    lengths = np.array([[min(length(text), 60) / 20] for text in texts], float).reshape(-1, 1)
    return np.concatenate([4 * vectors, lengths], axis=1)


def relevance_features(statement: Matrix, own: Matrix, other: Matrix, question: Matrix) -> Matrix:
    """Return what the head `relevant` sees of statements, sides and questions, shape (n, 384 + 3)."""
    near = np.stack([(statement * text).sum(1) for text in (own, other, question)], axis=1)
    return np.concatenate([4 * near, 2 * statement], axis=1)


def asks(text: str) -> bool:
    return text.rstrip("\"'”’»)] ").endswith(tuple(QUESTION_MARKS))


# --- turns ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Read:
    """A clause, with the probability of each kind; the rest to 1 is that it is none."""

    start: int
    end: int
    chances: Mapping[Kind, float]

    @property
    def own(self) -> float:
        return sum(self.chances.values())

    @property
    def kind(self) -> Kind:
        return max(self.chances, key=lambda kind: self.chances[kind])


async def by_heads(encode: Encode, casting: Casting, turns: Iterable[Turn], language: Language) -> Extraction:
    """Return the clauses that are the speakers' own with some certainty, in their own words."""
    proposals: list[Proposal] = []
    rejected: Counter[str] = Counter()
    for turn in turns:
        language = spoken_in(turn, language)
        kept: list[Read] = []
        for clause in await read(encode, turn.text, language):
            words = turn.text[clause.start : clause.end]
            flaw = flaw_of(words) or ("unsure" if clause.own < OWN_AT_LEAST else None)
            if flaw:
                rejected[flaw] += 1
            else:
                kept.append(clause)
        for start, end, kind in joined(kept, turn.text, language.sentences(turn.text)):
            proposals.append(proposed(casting, turn, kind, start, end, language))
    return Extraction(proposals, rejected)


async def read(encode: Encode, text: str, language: Language) -> list[Read]:
    """Return every clause of a turn with its probabilities."""
    spans = clauses(text, language.sentences)
    return await read_spans(encode, text, spans)


async def read_spans(encode: Encode, text: str, spans: Spans) -> list[Read]:
    if not spans:
        return []
    texts = [text[start:end] for start, end in spans]
    vectors = centred(await encode(texts))
    nothing = np.zeros((1, vectors.shape[1]))
    before, after = np.concatenate([nothing, vectors[:-1]]), np.concatenate([vectors[1:], nothing])
    found = chances(piece_features(texts, vectors, before, after), weights()["piece"])
    return [
        Read(start, end, dict(zip(KINDS, map(float, row), strict=False)))
        for (start, end), row in zip(spans, found, strict=True)
    ]


async def own(encode: Encode, turn: str, start: int, end: int) -> float:
    """Return the probability that a quote may stand as the view or practice of the speaker, or of the speaker's people.

    Args:
        start, end: of the quote, in code points of the turn.
    """
    texts = around(turn, start, end)
    vectors = centred(await encode([text or NOTHING_SAID for text in texts]))
    return float(chances(quote_features(texts, vectors), weights()["quote"])[0, 1])


NOTHING_SAID = "-"
NEAR = 160
"""Code points before and after a quote by which it is read."""


def around(turn: str, start: int, end: int) -> list[str]:
    """Return a quote, and what stands before and after it."""
    return [turn[start:end], turn[max(0, start - NEAR) : start].strip(), turn[end : end + NEAR].strip()]


def quote_features(texts: Sequence[str], vectors: Matrix) -> Matrix:
    """Return what the head `quote` sees of one quote and what stands around it, shape (1, 3 * 384 + 2)."""
    here, before, after = (vectors[n : n + 1] * bool(text) for n, text in enumerate(texts))
    return piece_features(texts[:1], here, before, after)


def flaw_of(clause: str) -> str | None:
    """Return why a clause is no statement by its form; None if it may be one."""
    if length(clause) < FEWEST:
        return "too-short"
    if asks(clause):
        return "question"
    return unfit(clause) or (None if quotes.readable(clause) else "no-statement")


def joined(kept: Sequence[Read], text: str, sentences: Spans) -> list[tuple[int, int, Kind]]:
    """Return start, end and kind of statements: clauses of a sentence that follow each other make one."""
    stretches = [[clause] for clause in kept[:1]]
    for last, clause in pairwise(kept):
        same = any(start <= last.start and clause.end <= end for start, end in sentences)
        if same and not text[last.end : clause.start].strip():
            stretches[-1].append(clause)
        else:
            stretches.append([clause])
    return [(stretch[0].start, stretch[-1].end, surest(stretch).kind) for stretch in stretches]


def surest(clauses: Sequence[Read]) -> Read:
    return max(clauses, key=lambda clause: clause.chances[clause.kind])


def proposed(casting: Casting, turn: Turn, kind: Kind, start: int, end: int, language: Language) -> Proposal:
    """Return a clause as a statement, in the speaker's own words."""
    speaker = casting.by_key(turn.speaker)
    quote = turn.text[start:end]
    lines = lines_of(speaker, {turn.speaker: scenes_of(speaker.persona)}, language)
    source = nearest_line(quote, lines)
    return Proposal(
        turn,
        kind,
        quotes.attributed(speaker.persona, quote, language),
        quotes.as_sentence(quote),
        start,
        end,
        None,
        provenance=provenance_of(source),
        source=source,
    )


def nearest_line(quote: str, lines: Mapping[str, str]) -> str | None:
    """Return the line of a card that has most of a clause's words, if it has enough of them."""
    shares = {name: shared(quote, line) for name, line in lines.items()}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best and shares[best] >= SHARED else None


def shared(quote: str, line: str) -> float:
    """Return the share of a quote's longer words that stand in a line."""
    own = words(quote)
    return len(own & words(line)) / max(1, len(own))


async def relevance(encode: Encode, statement: str, own: str, other: str, question: str) -> float:
    """Return the probability that a statement is about what the two sides of a question disagree on."""
    vectors = centred(await encode([statement, own, other, question]))
    features = relevance_features(*(vectors[n : n + 1] for n in range(4)))
    return float(chances(features, weights()["relevant"])[0, 1])


# --- rows ----------------------------------------------------------------------------------------------

ROW_HEADS: dict[Criterion, tuple[str, float]] = {
    "stands-alone": ("alone", ALONE_AT_LEAST),
    "distinctive": ("distinctive", DISTINCTIVE_AT_LEAST),
}
"""Criterion -> its head, and the probability from which it is met."""


async def read_rows(encode: Encode, cases: Sequence[RowCase]) -> list[Relations]:
    """Return for each answer whether it stands alone and is distinctive. Whether it answers no head can tell."""
    if not cases:
        return []
    answers = [masked(case.answer, case) for case in cases]
    features = row_features(answers, centred(await encode(answers)))
    relations: list[Relations] = [{} for _ in cases]
    for criterion, (head, at_least) in ROW_HEADS.items():
        for row, chance in zip(relations, chances(features, weights()[head])[:, 1].tolist(), strict=True):
            met = chance >= at_least
            row[criterion] = ("entail" if met else "contradict", chance if met else 1 - chance)
    return relations
