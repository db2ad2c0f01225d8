"""How far the people of a culture cover values, ages, genders, settlements and faiths. Pure.

A handful of people is no sample. What is counted shows whom a culture lacks, beside the country's shares where they are
known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from culturepark.catalog.countries import AGE_BANDS, CountryFigures, countries
from culturepark.domain import Country, CultureKey, Noun, Persona, SchwartzValue, Settlement

SCHWARTZ: tuple[SchwartzValue, ...] = get_args(SchwartzValue)
ENOUGH_VALUES = 8
"""Of the ten, that the people of a culture should hold between them."""
Aspect = Literal["values", "age", "gender", "settlement", "faith"]


class Group(Noun):
    """People of one kind."""

    group: str
    people: int | None
    """None where the country is counted otherwise than the cards."""
    share: float | None
    """Of the people of the culture."""
    country_share: float | None = None
    """In the country that grounds the culture; None where it is not known."""


class Coverage(Noun):
    """The people of one culture, counted."""

    culture: CultureKey
    country: Country | None
    """The country from which most of them come."""
    people: int
    values: tuple[Group, ...]
    """People who hold a value about each of Schwartz's ten; one person counts for several."""
    age: tuple[Group, ...]
    gender: tuple[Group, ...]
    settlement: tuple[Group, ...]
    faith: tuple[Group, ...]
    """In the words of the cards; after them, without people, those of the country's figures."""
    faith_year: int | None = None
    """Year of the country's shares of faiths."""

    @property
    def lacking(self) -> list[str]:
        """Schwartz's values that nobody holds."""
        return [group.group for group in self.values if not group.people]


def coverage(people: Iterable[Persona]) -> list[Coverage]:
    """Count the people of each culture, in the order of the cultures' names."""
    of_cultures: dict[CultureKey, list[Persona]] = {}
    for person in people:
        of_cultures.setdefault(person.culture, []).append(person)
    return [covered(culture, of_cultures[culture]) for culture in sorted(of_cultures)]


def covered(culture: CultureKey, people: Sequence[Persona]) -> Coverage:
    country = Counter(person.country for person in people).most_common(1)[0][0]
    figures = countries().figures.get(country) if country else None
    holders = Counter(value for person in people for value in held_values(person))
    return Coverage(
        culture=culture,
        country=country,
        people=len(people),
        values=tuple(Group(group=v, people=holders[v], share=holders[v] / len(people)) for v in SCHWARTZ),
        age=groups([band_of(p.age) for p in people], AGE_BANDS, figures.age if figures else {}),
        gender=groups([p.gender for p in people], ("woman", "man"), figures.gender if figures else {}),
        settlement=settlements(people, figures),
        faith=faiths(people, figures),
        faith_year=figures.faith_year if figures else None,
    )


def held_values(person: Persona) -> set[SchwartzValue]:
    return {value.schwartz for value in person.values if value.schwartz}


def band_of(age: int) -> str:
    return next(band for band, (first, last) in AGE_BANDS.items() if first <= age <= last)


def groups(kinds: Sequence[str], named: Iterable[str], shares: dict[str, float]) -> tuple[Group, ...]:
    """Count people by kind: first those that are named, then the others as they come."""
    counts = Counter(kinds)
    return tuple(
        Group(group=kind, people=counts[kind], share=counts[kind] / len(kinds), country_share=shares.get(kind))
        for kind in dict.fromkeys([*named, *kinds])
    )


def settlements(people: Sequence[Persona], figures: CountryFigures | None) -> tuple[Group, ...]:
    """Count people by settlement. Countries tell urban from rural alone, so city and town stand together for that."""
    kinds = [person.settlement for person in people]
    urban = sum(kind != "village" for kind in kinds)
    shares = {"village": 1 - figures.urban} if figures else {}
    together = Group(
        group="city or town",
        people=urban,
        share=urban / len(people),
        country_share=figures.urban if figures else None,
    )
    return (together, *groups(kinds, get_args(Settlement), shares))


def faiths(people: Sequence[Persona], figures: CountryFigures | None) -> tuple[Group, ...]:
    """Count people by faith, in the cards' own words, which are not those in which a country is counted."""
    counted = groups([person.faith for person in people], (), {})
    told = figures.faith.items() if figures else ()
    return (
        *sorted(counted, key=lambda group: -(group.people or 0)),
        *(Group(group=faith, people=None, share=None, country_share=share) for faith, share in told),
    )
