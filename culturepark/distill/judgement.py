"""A statement to be judged, with all that the judge may know, and the judgement on it."""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.distill import quotes
from culturepark.distill.extract import line_of
from culturepark.domain import Casting, Criterion, Relation, Stance, Statement, Turn
from culturepark.languages import Language


@dataclass(frozen=True)
class Case:
    statement: Statement
    turn: Turn
    stance: Stance | None
    """Only where the criterion `stance` is to be asked."""
    verbatim: bool = False
    """The statement is the speaker's own words, word by word."""
    before: Turn | None = None
    """The turn before; it may have asked what this one answers."""
    line: str | None = None
    """The line of the card that is said to carry it, where that is to be asked."""


@dataclass(frozen=True)
class Judgement:
    relation: Relation
    confidence: float | None
    call_id: str | None


Judgements = dict[tuple[str, Criterion], Judgement]
"""By statement and criterion."""


def case(statement: Statement, turn: Turn, casting: Casting, language: Language, before: Turn | None = None) -> Case:
    """
    Args:
        turn: the statement's. What was picked from a card stands on it, and nobody has to look.
        before: the turn before.
    """
    speaker = casting.by_key(statement.persona_key)
    stance = speaker.stance if statement.kind == "opinion" else None
    verbatim = statement.first_person == quotes.as_sentence(statement.quote)
    line = None
    if statement.source and turn.origin != "picked":
        line = line_of(casting, speaker, statement.source, language)
    return Case(statement, turn, stance, verbatim, before, line)


def criteria(case: Case) -> tuple[Criterion, ...]:
    asked: dict[Criterion, object] = {"faithful": True, "stance": case.stance, "carried": case.line}
    return tuple(criterion for criterion, material in asked.items() if material)
