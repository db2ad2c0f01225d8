"""Which parts of a turn are the speaker's own and may be mined. The language's rules read each part; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from culturepark.distill.quotes import LONGEST, SHORTEST, readable
from culturepark.domain import Kind
from culturepark.languages import Language, Part
from culturepark.languages.words import plain


@dataclass(frozen=True)
class Speaker:
    """Who speaks, and with whom, as far as it matters to whose words these are."""

    country: str
    """ISO 3166 alpha-3."""
    others: tuple[str, ...]
    """What the others are called."""
    language: Language


@dataclass(frozen=True)
class Candidate:
    """Words that may be a statement, in code points of the turn."""

    start: int
    end: int
    kind: Kind


def objection(start: int, end: int, text: str, speaker: Speaker) -> str | None:
    """Why a quote may not be mined as the speaker's own; None if it may.

    A quote is judged by the whole parts that it is cut from: `a job is a duty` is not the speaker's own if the part
    is `My uncle says that a job is a duty`.
    """
    quote = text[start:end]
    if len(quote) < SHORTEST or len(plain(quote).split()) < 3:
        return "too-short"
    if len(quote) > LONGEST:
        return "too-long"
    touched = [part for sentence in parts(text, speaker) for part in sentence if part.start < end and start < part.end]
    return next((part.not_own for part in touched if part.not_own), None)


def candidates(text: str, speaker: Speaker) -> tuple[list[Candidate], list[str]]:
    """Return what may be a statement, in the order it was said, and why each other part is none."""
    statements: list[Candidate] = []
    rejected: list[str] = []
    for sentence in parts(text, speaker):
        kept = []
        for part in sentence:
            if reason := part.not_own or unfit(text[part.start : part.end], part):
                rejected.append(reason)
                continue
            # What is neither a rule nor done anywhere in particular is most often a view without an `I think`.
            kept.append(Candidate(part.begins, part.end, part.kind or "opinion"))
        statements += together(kept, text)
    return statements, rejected


def unfit(words: str, part: Part) -> str | None:
    """Why a part that is the speaker's own is no statement all the same."""
    if len(words) < SHORTEST:
        return "too-short"
    if len(words) > LONGEST:
        return "too-long"
    return part.no_statement or (None if readable(words) else "no-statement")


def together(kept: Sequence[Candidate], text: str) -> list[Candidate]:
    """Join neighbouring parts of one sentence and one kind: they make one statement."""
    joined: list[Candidate] = []
    for candidate in kept:
        last = joined[-1] if joined else None
        if last and last.kind == candidate.kind and len(text[last.end : candidate.start].split()) < 3:
            joined[-1] = Candidate(last.start, candidate.end, candidate.kind)
        else:
            joined.append(candidate)
    return joined


@lru_cache(maxsize=64)
def parts(text: str, speaker: Speaker) -> list[list[Part]]:
    """The turn in sentences, each in its parts."""
    spans = [*speaker.language.sentences(text), (len(text), len(text))]
    rules = speaker.language.rules
    return [
        [
            replace(part, start=start + part.start, end=start + part.end, begins=start + part.begins)
            for part in rules.parts(text[start:end], text[after:until], speaker.others, speaker.country)
        ]
        for (start, end), (after, until) in pairwise(spans)
    ]
