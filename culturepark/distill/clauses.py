"""Cuts a speech into pieces that can stand for themselves, and says of each whether it may be mined. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from culturepark.dialogue.guards import contains, phrases, plain, starts_with
from culturepark.distill import ownership
from culturepark.distill.quotes import LONGEST, SHORTEST, readable, sentences
from culturepark.domain import Kind

PART = 5
"""Words; a sentence is not cut into parts with fewer."""
SHORT = 12
"""Words; a longer sentence may begin like a greeting and go on to say something."""
STRONG = re.compile(r"\s*[;:]\s+|\s+[-–—]+\s+|—|,\s+but\s+")
QUESTION_MARKS = ("?", "？", "؟")
SPEAKS_UP = re.compile(r"(?:I|we|our|my own|in (?:my|our)|for (?:me|us)|to my mind|with us|here)\b", re.I)
"""How a speaker takes the word back after telling what others say."""


@dataclass(frozen=True)
class Speaker:
    """What may be known of who speaks, and with whom."""

    country: str
    """ISO 3166 alpha-3."""
    others: tuple[str, ...] = ()
    """What the others are called."""
    language: str = "en"


@dataclass(frozen=True)
class Piece:
    """A part of a sentence, in code points of the speech."""

    start: int
    end: int
    reason: str | None
    """Why it is not the speaker's own."""


@dataclass(frozen=True)
class Candidate:
    """What may be a statement, in code points of the speech."""

    start: int
    end: int
    kind: Kind


def objection(start: int, end: int, text: str, who: Speaker) -> str | None:
    """Why a quote may not be mined as the speaker's own; None if it may.

    A quote is judged by the whole pieces that it is cut from: `a job is a duty` is not the speaker's own if the piece
    is `My uncle says that a job is a duty`.
    """
    quote = text[start:end]
    if len(quote) < SHORTEST or len(plain(quote).split()) < 3:
        return "too-short"
    if len(quote) > LONGEST:
        return "too-long"
    touched = [piece for sentence in pieces(text, who) for piece in sentence if piece.start < end and start < piece.end]
    return next((piece.reason for piece in touched if piece.reason), None)


def candidates(text: str, who: Speaker) -> tuple[list[Candidate], list[str]]:
    """What may be a statement, in the order it was said, and why each other piece is none."""
    found: list[Candidate] = []
    rejected: list[str] = []
    for sentence in pieces(text, who):
        kept = []
        for part in sentence:
            piece = text[part.start : part.end]
            if reason := part.reason or unfit(piece, who.language):
                rejected.append(reason)
                continue
            start = part.start + ownership.opening(piece, who.language)
            # What is neither a rule nor done anywhere in particular is most often a view without an `I think`.
            kept.append(Candidate(start, part.end, ownership.kind_of(piece, who.language) or "opinion"))
        found += together(kept, text)
    return found, rejected


def unfit(piece: str, language: str) -> str | None:
    """Why what is the speaker's own is no statement all the same."""
    if len(piece) < SHORTEST:
        return "too-short"
    if len(piece) > LONGEST:
        return "too-long"
    return ownership.aside(piece, language) or (None if readable(piece) else "no-statement")


def together(kept: Sequence[Candidate], text: str) -> list[Candidate]:
    """Neighbouring pieces of one sentence and one kind make one statement."""
    joined: list[Candidate] = []
    for one in kept:
        last = joined[-1] if joined else None
        if last and last.kind == one.kind and len(text[last.end : one.start].split()) < 3:
            joined[-1] = Candidate(last.start, one.end, one.kind)
        else:
            joined.append(one)
    return joined


@lru_cache(maxsize=64)
def pieces(text: str, who: Speaker) -> list[list[Piece]]:
    """The speech in sentences, each in its pieces."""
    spans = sentences(text, who.language)
    return [
        parted(text[start:end], start, text[after:until], who)
        for (start, end), (after, until) in pairwise([*spans, (len(text), len(text))])
    ]


def parted(sentence: str, at: int, following: str, who: Speaker) -> list[Piece]:
    reason = talk(sentence, following, who.language)
    parts = []
    reported = False  # what follows a report goes on with it, until the speaker takes the word back
    for start, end in cuts(sentence, who.language):
        piece = sentence[start:end]
        why = reason or ownership.objection(piece, who.others, who.country, who.language)
        if why in ("another-speaker", "hearsay"):
            reported = True
        elif why is None and reported and not SPEAKS_UP.match(ownership.bare(ownership.seen(piece), who.language)):
            why = "another-speaker"
        parts.append(Piece(at + start, at + end, why))
    return parts


def talk(sentence: str, following: str, language: str) -> str | None:
    """Why a whole sentence is none: it asks, greets, speaks about who is to speak, or is taken back as a joke."""
    said, lists = ownership.seen(sentence), phrases(language)
    if said.rstrip("\"')] ").endswith(QUESTION_MARKS):
        return "question"
    may_greet = len(plain(said).split()) < SHORT or ownership.kind_of(sentence, language) is None
    if may_greet and any(starts_with(start, lists["small_talk"]) for start in (said, ownership.bare(said, language))):
        return "small-talk"
    if contains(said, lists["joking"]) or starts_with(ownership.seen(following), lists["joking"]):
        return "not-meant"
    return None


def cuts(sentence: str, language: str) -> list[tuple[int, int]]:
    """Where a sentence falls into parts: at strong marks, before `but`, and before `I think` and its like."""
    views = ownership.either(view for view in phrases(language)["opinion"] if view.startswith(("I ", "I'")))
    turns = re.compile(rf",\s+(?:(?:and|but|so|yet|though)\s+)?(?=(?:[\w ]{{1,12}},?\s+)?(?:{views})\b)")
    marks = sorted({m.span() for pattern in (STRONG, turns) for m in pattern.finditer(sentence)})
    spans, at = [], 0
    for start, end in marks:
        if start >= at and sentence[at:start].strip() and len(sentence[end:].split()) >= PART:
            spans.append((at, start))
            at = end
    return [*spans, (at, len(sentence))]


def named(cue: str, speaker: str, language: str) -> list[str]:
    """Of whom a moderator speaks: words with a capital that are no places and do not just begin a sentence."""
    verbs = ownership.either([*phrases(language)["minds"], *phrases(language)["reports"], "has", "is", "was"])
    found = []
    for start, end in sentences(cue, language):
        said = ownership.seen(cue[start:end])
        for match in re.finditer(ownership.NAME, said):
            word = match[0].removesuffix("'s")
            before, after = said[: match.start()], said[match.end() :]
            somewhere = re.search(r"\b(?:in|from|at|to|near|on) (?:the )?$", before)
            if word == speaker or somewhere or not ownership.is_name(word, language):
                continue
            if before or re.match(rf",| (?:{verbs})\b", after):
                found.append(word)
    return found
