"""Which people are meant: by culture, value, age, settlement, gender, faith and place. Pure."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from culturepark.catalog.coverage import held_values
from culturepark.domain import Persona
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.languages.words import folded

AGES = re.compile(r"(?P<first>\d{1,3})?\s*(?P<range>[-–])?\s*(?P<last>\d{1,3})?")
OLDEST = 999


@dataclass(frozen=True)
class Filter:
    """People must pass all that is set; of several words for one thing any will do."""

    cultures: Container[str] = ()
    values: Iterable[str] = ()
    """Basic values of Schwartz."""
    ages: tuple[int, int] = (0, OLDEST)
    settlements: Container[str] = ()
    genders: Container[str] = ()
    faith: str = ""
    """A part of the card's line, as `words.folded` compares it."""
    place: str = ""
    """A part of place, region or country, in the same way."""

    def passes(self, person: Persona) -> bool:
        first, last = self.ages
        return (
            (not self.cultures or person.culture in self.cultures)
            and (not self.values or not held_values(person).isdisjoint(self.values))
            and first <= person.age <= last
            and (not self.settlements or person.settlement in self.settlements)
            and (not self.genders or person.gender in self.genders)
            and folded(self.faith) in folded(person.faith)
            and folded(self.place) in folded(f"{person.place}, {person.region}, {person.country_name}")
        )


def ages(text: str) -> tuple[int, int]:
    """Read `20-35`, `60-` (60 and older), `-30` (up to 30) or `44`.

    Raises:
        UsageError: if it is none of them.
    """
    found = AGES.fullmatch(text.strip())
    if not found or not (found["first"] or found["last"]):
        raise UsageError(f"--age {clipped(text)!r}: two ages, as in 20-35, or 60- for 60 and older")
    first = int(found["first"] or 0)
    last = int(found["last"] or OLDEST) if found["range"] else first
    if first > last:
        raise UsageError(f"--age {clipped(text)!r}: the first age is above the last")
    return first, last
