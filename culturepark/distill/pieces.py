"""Cuts a turn into pieces that a model can point at by number. Pure.

Sentences are cut by sentencex, which knows the marks of each script. A sentence is cut further at marks that part
clauses, and what is still long at spaces (in scripts without them after so many signs), since a speaker may pass from
somebody else's words to his own without a mark. What a statement rests on is a stretch of pieces, so every quote is
exact by construction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Spans = list[tuple[int, int]]
MARKS = re.compile(r"[;:,،؛]+[\"'”’»)\]]*\s+|\s+[-–—]+\s+|—|[；：，、]+|(?<=[…])\s+")
"""Marks that may part two clauses."""
WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Signs of scripts that put no space between words: Thai, Lao, Japanese, Chinese."""
FEWEST = 3
"""Words of a piece that a mark parts; a list of single words is not cut."""
MOST = 7
"""Words of a piece."""
SIGNS_A_WORD = 2
"""Signs that count as a word in scripts without spaces."""


@dataclass(frozen=True)
class Piece:
    """A piece of a turn, in code points of the turn."""

    number: int
    start: int
    end: int


def clauses(text: str, sentences: Callable[[str], Spans]) -> Spans:
    """Return start and end of each clause: a sentence, or what stands between two marks in it."""
    return [span for start, end in sentences(text) for span in parted(text, start, end)]


def pieces(text: str, sentences: Callable[[str], Spans], first: int = 1) -> list[Piece]:
    """
    Args:
        first: the number of the first piece.
    """
    spans = [span for clause in clauses(text, sentences) for span in shortened(text, *clause)]
    return [Piece(number, *span) for number, span in enumerate(spans, start=first)]


def parted(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a sentence's clauses. A part that is too short stays with the one before."""
    at = start
    for mark in MARKS.finditer(text, start, end):
        if length(text[at : mark.end()]) >= FEWEST and length(text[mark.end() : end]) >= FEWEST:
            yield trimmed(text, at, mark.end())
            at = mark.end()
    yield trimmed(text, at, end)


def shortened(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a clause in parts of about the same length, of at most `MOST` words."""
    words = [
        match.span()
        for match in re.finditer(
            rf"{WITHOUT_SPACES.pattern}{{1,{SIGNS_A_WORD}}}|\S+?(?=\s|$|{WITHOUT_SPACES.pattern})", text[start:end]
        )
    ]
    count = -(-len(words) // MOST)
    if count < 2:
        yield start, end
        return
    size = -(-len(words) // count)
    begins = [start, *(start + words[i][0] for i in range(size, len(words), size)), end]
    begins = [behind_signs(text, at) for at in begins]
    for at, until in pairwise(begins):
        yield trimmed(text, at, until)


def behind_signs(text: str, at: int) -> int:
    """Return the place behind vowels and accents that compose with the letter before them."""
    while at < len(text) and unicodedata.category(text[at]).startswith("M"):
        at += 1
    return at


def length(text: str) -> int:
    """Return the number of words, or of pairs of signs in scripts without spaces."""
    signs = len(WITHOUT_SPACES.findall(text))
    return signs // SIGNS_A_WORD + len(WITHOUT_SPACES.sub(" ", text).split()) if signs else len(text.split())


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))


def numbered(text: str, cut: Sequence[Piece]) -> str:
    """Return the turn with each piece's number before it, as `[3] `."""
    return " ".join(f"[{piece.number}] {text[piece.start : piece.end]}" for piece in cut)
