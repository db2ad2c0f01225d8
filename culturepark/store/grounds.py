"""What is known of a statement beside its words, and the line of the card that it comes from, in words. Pure.

Traces, the screen, plain text and the report page all show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from culturepark.domain import JsonObject, Persona, Statement, SurveyItem
from culturepark.glossary import GROUNDS, REACHES, SUBJECTS, in_words
from culturepark.interface import tr


@dataclass(frozen=True)
class CardLine:
    """A line of somebody's card."""

    name: str
    """As `Statement.source` has it: `norm 2`, `scene 1` ..."""
    what: str
    """Of what kind it is, and about what."""
    text: str
    source: str | None
    """Where the line itself comes from, by the card; None where the card does not say."""

    def as_json(self) -> JsonObject:
        return vars(self).copy()


@dataclass(frozen=True)
class Fact:
    """One thing that is known of a statement."""

    label: str
    text: str
    leads_to: str | None = None
    """Id of the statement that it is about, where that is another one."""


def card_line(
    name: str, persona: Persona, stance: str | None = None, item: SurveyItem | None = None
) -> CardLine | None:
    """Return the line of a card that a statement names as its source; None if the card has no such line.

    Args:
        stance: the answer that the person was given, which is a line too.
        item: the item that it answers.
    """
    match = re.fullmatch(r"([a-z]+)(?: ([1-9]\d{0,3}))?", name)
    if match is None:
        return None
    if match[2] is None:
        own = stance and CardLine(
            name, tr("the answer that the person was given"), stance, item.source if item else None
        )
        return own or None if match[1] in ANSWERS else None
    place, find = int(match[2]) - 1, LINES.get(match[1])
    found = find(persona, place) if find else None
    return CardLine(name, *found) if found else None


ANSWERS = ("answer", "stance")
"""Names of the line that holds the answer which somebody was given."""
Found = tuple[str, str, str | None] | None
"""Of what kind a line is, the line, and its own source."""


def norm(persona: Persona, place: int) -> Found:
    if place >= len(persona.norms):
        return None
    one = persona.norms[place]
    return f"{one.kind}, {one.topic}", one.text, one.source


def value(persona: Persona, place: int) -> Found:
    if place >= len(persona.values):
        return None
    one = persona.values[place]
    return tr("what matters to the person"), f"{one.value}: {one.why}", None


def saying(persona: Persona, place: int) -> Found:
    if place >= len(persona.sayings):
        return None
    one = persona.sayings[place]
    return (
        tr("what the person would say aloud"),
        one.text if one.text == one.english else f"{one.text} ({one.english})",
        None,
    )


def scene(persona: Persona, place: int) -> Found:
    if persona.episodes is None or place >= len(persona.episodes.scenes):
        return None
    one = persona.episodes.scenes[place]
    return (
        tr("scene; {when}, {where}, with {who}", when=one.when, where=one.where, who=one.who),
        one.text,
        persona.episodes.origin,
    )


LINES: dict[str, Callable[[Persona, int], Found]] = {"norm": norm, "value": value, "saying": saying, "scene": scene}
"""Name of a part of the card -> the line at a place in it, from 0."""


def comes_from(statement: Statement, line: CardLine | None) -> Iterator[Fact]:
    """Yield where the content of a statement comes from, with the very line of the card."""
    where = in_words(GROUNDS, statement.provenance or "unknown")
    if statement.source is None:
        yield Fact(tr("comes from"), where)
        return
    named = f"{line.name} ({line.what})" if line else tr("{line}, and the card has no such line", line=statement.source)
    if statement.provenance == "model":
        yield Fact(
            tr("comes from"),
            tr("{where}; it was said to be from {line}, which was not found to carry it", where=where, line=named),
        )
    else:
        yield Fact(tr("comes from"), f"{where}: {named}")
    if line:
        yield Fact(tr("that line"), line.text)
        if line.source:
            yield Fact(tr("its source"), line.source)


def facts(statement: Statement, line: CardLine | None, unlike: str | None = None) -> Iterator[Fact]:
    """Yield all that is known of a statement, in the order in which it is shown.

    Args:
        line: the line of the card that its source names.
        unlike: the words of the statement that it says is not so at home.
    """
    yield from comes_from(statement, line)
    if statement.question:
        yield Fact(tr("question"), statement.question)
    if statement.about:
        yield Fact(tr("about"), in_words(SUBJECTS, statement.about))
    if statement.reach:
        yield Fact(tr("tells of"), in_words(REACHES, statement.reach))
    if statement.exception:
        yield Fact(tr("but not"), statement.exception)
    if statement.hangs_on:
        yield Fact(tr("hangs on"), tr("the speaker's {traits}", traits=", ".join(statement.hangs_on)))
    if statement.unlike:
        words = f": {unlike}" if unlike else ""
        yield Fact(tr("unlike"), f"{statement.unlike}{words}", leads_to=statement.unlike)
