"""A statement to be judged, with all that the judge may know, and the judgement on it."""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.distill import quotes
from culturepark.domain import Casting, Criterion, Relation, Stance, Statement, Turn
from culturepark.languages import Language


@dataclass(frozen=True)
class Case:
    statement: Statement
    turn: Turn
    stance: Stance | None
    """Only where the criterion `stance` is to be asked."""
    verbatim: bool = False
    """The statement is the speaker's whole sentence, word by word."""


@dataclass(frozen=True)
class Judgement:
    relation: Relation
    confidence: float | None
    call_id: str | None


Judgements = dict[tuple[str, Criterion], Judgement]
"""By statement and criterion."""


def case(statement: Statement, turn: Turn, casting: Casting, language: Language) -> Case:
    speaker = casting.by_key(statement.persona_key)
    stance = speaker.stance if statement.kind == "opinion" else None
    # A statement that adds only the speaker's name to the quote is faithful without being asked.
    own_words = quotes.attributed(speaker.persona, statement.quote, language)
    verbatim = statement.first_person == quotes.as_sentence(statement.quote) and statement.text == own_words
    return Case(statement, turn, stance, verbatim)


def criteria(case: Case) -> tuple[Criterion, ...]:
    return ("faithful", "stance") if case.stance else ("faithful",)
