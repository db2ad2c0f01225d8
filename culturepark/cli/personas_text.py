"""The text of `culturepark personas`: the list, a card in full, and what a culture covers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from rich.theme import Theme

from culturepark.catalog import card
from culturepark.catalog.countries import countries
from culturepark.catalog.coverage import Aspect, Coverage, Group
from culturepark.cli.table import GAP, print_folded, print_table
from culturepark.domain import Persona
from culturepark.languages.countries import country_name
from culturepark.terminal.bidi import left_to_us
from culturepark.terminal.blocks import Block, Para
from culturepark.terminal.safe import clip, out, safe, tell

LOOKS = Theme({"title": "bold", "label": "bold", "muted": "dim", "quote": "italic"})
WIDEST = 100
"""Cells of a line of a card; longer ones are hard to read."""
PARTS = (
    card.about,
    card.values,
    card.speech,
    card.customs,
    card.scope,
    card.episodes,
)
HEADINGS = ("persona", "name", "age", "place", "work", "faith", "values")
VALUE = 14
"""Cells of the longest name of a basic value."""
WIDE, MIDDLE = 110, 76
"""Cells from which on each fact, or only faith and values, have a column of their own."""
ASPECTS: tuple[Aspect, ...] = ("values", "age", "gender", "settlement", "faith")


# --- the list ------------------------------------------------------------------------------------------


def show_list(people: Sequence[Persona]) -> None:
    """Print a table that folds with the width of the terminal; on a pipe each person is one line."""
    console = out()
    if not console.is_terminal:
        print_table(HEADINGS, [(*facts(person), ", ".join(values(person))) for person in people])
        return
    headings, widths = columns(console.width, people)
    with left_to_us(sys.stdout, os.environ):
        print_folded(headings, [cells(person, len(headings)) for person in people], widths)
    tell(f"{len(people)} people; `culturepark personas KEY` shows a card in full, --coverage counts them")


def facts(person: Persona) -> tuple[str, ...]:
    place = f"{person.place}, {person.country_name}"
    return person.key, person.name, str(person.age), place, person.work, person.faith


def values(person: Persona) -> list[str]:
    """Return the basic values that a person holds, each once."""
    return list(dict.fromkeys(value.schwartz for value in person.values if value.schwartz))


def columns(width: int, people: Sequence[Persona]) -> tuple[tuple[str, ...], list[int]]:
    """Return headings and widths of as many columns as can be read in a width."""
    key = min(max(len(person.key) for person in people), max(20, width // 3))
    if width >= WIDE:
        left = width - key - 16 - 3 - VALUE - 6 * GAP
        return HEADINGS, [key, 16, 3, left * 28 // 100, left * 42 // 100, left * 30 // 100, VALUE]
    if width >= MIDDLE:
        left = width - key - VALUE - 3 * GAP
        return ("persona", "name, age, place; work", "faith", "values"), [key, left * 3 // 5, left * 2 // 5, VALUE]
    return ("persona", "name, age, place; work; faith; values"), [key, width - key - GAP]


def cells(person: Persona, count: int) -> Sequence[str]:
    key, name, age, place, work, faith = (clip(fact, 500) for fact in facts(person))
    if count == len(HEADINGS):
        return key, name, age, place, work, faith, "\n".join(values(person))
    who = f"{name}, {age}, {place}\n{work}"
    if count > 2:
        return key, who, faith, "\n".join(values(person))
    return key, "\n".join(filter(None, [who, faith, ", ".join(values(person))]))


# --- a card ----------------------------------------------------------------------------------------------


def show_cards(people: Sequence[Persona]) -> None:
    """Print cards: laid out for a terminal, or on a pipe with a line for each thing."""
    console = out()
    console.push_theme(LOOKS)
    with left_to_us(sys.stdout, os.environ):
        for number, person in enumerate(people):
            if number:
                console.print()
            for blocks in sections(person):
                for block in blocks:
                    if console.is_terminal:
                        for line in block.lines(min(console.width, WIDEST)):
                            console.print(line, no_wrap=True, overflow="ignore", crop=False)
                    elif isinstance(block, Para):
                        console.print(" " * block.indent + block.head + safe(block.text), soft_wrap=True)


def sections(person: Persona) -> Iterator[list[Block]]:
    """Yield the parts of a card, with an empty line before each but the first."""
    for number, part in enumerate(PARTS):
        if blocks := list(part(person)):
            yield [Para(""), *blocks] if number else blocks


# --- coverage ------------------------------------------------------------------------------------------


def show_coverage(cultures: Sequence[Coverage]) -> None:
    """Print what the people of each culture cover, beside the country's shares."""
    console = out()
    headings = ("of", "group", "people", "share", "country")
    if not console.is_terminal:
        print_table(("culture", *headings), [(each.culture, *row) for each in cultures for row in coverage_rows(each)])
        return
    for number, each in enumerate(cultures):
        land = country_name(each.country) if each.country else "no country"
        lacking = f"; nobody holds a value about {', '.join(each.lacking)}" if each.lacking else ""
        title = f"{each.culture}: {each.people} {'person' if each.people == 1 else 'people'}, beside {land}{lacking}"
        for line in [*([Para("")] if number else []), Para(title)]:
            for text in line.lines(console.width):
                console.print(text, style="bold")
        rows = coverage_rows(each)
        once = [row if not i or rows[i - 1][0] != row[0] else ("", *row[1:]) for i, row in enumerate(rows)]
        print_table(headings, once)
    for aspect, source in countries().sources.items():
        tell(f"country, {aspect}: {source}")


def coverage_rows(each: Coverage) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            aspect if group.people is not None else f"faith in {each.faith_year or 'country'}",
            group.group,
            "" if group.people is None else str(group.people),
            "" if group.share is None else f"{group.share:.0%}",
            "" if group.country_share is None else f"{group.country_share:.1%}",
        )
        for aspect in ASPECTS
        for group in groups_of(each, aspect)
    ]


def groups_of(each: Coverage, aspect: Aspect) -> tuple[Group, ...]:
    groups: tuple[Group, ...] = getattr(each, aspect)
    return groups
