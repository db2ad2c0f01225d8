"""Applies the English lists to whole turns: what may be mined, and why the rest may not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from bench.quality.lists.english import English, Part
from culturepark.distill import quotes
from culturepark.domain import Casting, Kind, Turn
from culturepark.languages import load_language
from culturepark.languages.words import plain
from culturepark.models.thoughts import unfit

ENGLISH = load_language("en")
RULES = English(ENGLISH)
SHORTEST = 12
"""Characters of a statement."""


@dataclass(frozen=True)
class Speaker:
    """A speaker, as far as it matters to whose words a sentence holds."""

    country: str
    """ISO 3166 alpha-3."""
    others: tuple[str, ...] = ()
    """The names of the other people at the table."""


@dataclass(frozen=True)
class Candidate:
    """Words that may be a statement, in code points of the turn."""

    start: int
    end: int
    kind: Kind


def speaker_of(casting: Casting, turns: Sequence[Turn]) -> Speaker:
    """Return the speaker of the last turn. Others at the table include people whom the cue before it mentions."""
    persona = casting.by_key(turns[-1].speaker).persona
    cue = turns[-2].text if len(turns) > 1 else ""
    return Speaker(persona.home, tuple(dict.fromkeys(RULES.people_in(cue, persona.called))))


def objection(start: int, end: int, text: str, speaker: Speaker) -> str | None:
    """Return why a quote may not be mined as the speaker's own; None if it may.

    A quote is judged by the whole parts that it is cut from: `a job is a duty` is not the speaker's own if the part
    is `My uncle says that a job is a duty`.
    """
    quote = text[start:end]
    if len(quote) < SHORTEST or len(plain(quote).split()) < 3:
        return "too-short"
    if len(quote) > quotes.LONGEST:
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
            if reason := part.not_own or no_statement(text[part.start : part.end], part):
                rejected.append(reason)
                continue
            # A part that is neither a rule nor done anywhere in particular is most often a view without `I think`.
            kept.append(Candidate(part.begins, part.end, part.kind or "opinion"))
        statements += join_neighbours(kept, text)
    return statements, rejected


def no_statement(words: str, part: Part) -> str | None:
    """Return why a part is no statement although it is the speaker's own; None if it may be one."""
    if len(words) < SHORTEST:
        return "too-short"
    if len(words) > quotes.LONGEST:
        return "too-long"
    return part.no_statement or unfit(words) or (None if quotes.readable(words) else "no-statement")


def join_neighbours(kept: Sequence[Candidate], text: str) -> list[Candidate]:
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
    """Return the sentences of a turn, each as its parts, placed in the turn."""
    spans = [*ENGLISH.sentences(text), (len(text), len(text))]
    return [
        [
            replace(part, start=start + part.start, end=start + part.end, begins=start + part.begins)
            for part in RULES.parts(text[start:end], text[after:until], speaker.others, speaker.country)
        ]
        for (start, end), (after, until) in pairwise(spans)
    ]
