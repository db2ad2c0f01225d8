"""What an evaluation asks: every item under every condition, of everybody, in every order. Pure.

The plan is a function of suite, settings and cultures. So answers have the same ids when it is made again, and a
resumed evaluation knows which of them it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from culturepark.catalog import Framing, Method
from culturepark.catalog.suites import Arm, Conditions, Elicitation, Item, Suite
from culturepark.dialogue.stance import shuffled, unit
from culturepark.domain import NATIVE, Culture, LanguageCode, Noun, Persona
from culturepark.languages.countries import alpha2, country_name

DECLINED = -1
"""The code of the option not to answer."""
LEAST_RESPONDENTS = 30
"""People of a culture below whom the mean of their answers is mostly noise."""


class Settings(Noun):
    """What was asked for, as the store keeps it."""

    cultures: tuple[str, ...] = ()
    """Keys of the cultures that are asked for; none: the groups that the items are about."""
    conditions: Conditions
    elicitation: Elicitation
    items: int | None = None
    """Number of items drawn at random; None for all."""
    method: Method = "auto"
    """How options were got out of the model; settled by its first answer."""


@dataclass(frozen=True)
class Place:
    """Whom an item is asked about, or in whose name."""

    group: str = ""
    """The group of the item's target: a country's code, a culture's key, or a name; empty for the model alone."""
    culture: str | None = None
    country: str | None = None
    """ISO 3166 alpha-3."""

    def named(self, language: LanguageCode) -> str:
        """Return what the country or community is called in a language."""
        return country_name(self.country, language) if self.country else self.group


@dataclass(frozen=True)
class Condition:
    """The circumstances of an answer."""

    framing: Framing
    language: LanguageCode
    reasoning: bool
    arm: Arm

    @property
    def parts(self) -> dict[str, str]:
        """Its parts by name, without those that are as usual."""
        parts = {"framing": self.framing, "language": self.language}
        if self.reasoning:
            parts["reasoning"] = "yes"
        return parts | ({} if self.arm.prompt is None and self.arm.name == "plain" else {"arm": self.arm.name})


@dataclass(frozen=True)
class Ask:
    """One question to the model."""

    number: int
    """From 1, in the order of the plan; the answer's id ends with it."""
    item: Item
    """In the language of the condition."""
    condition: Condition
    place: Place
    respondent: str
    """Key of a person of the catalogue; empty for the model itself."""
    repeat: int
    """From 1: each shows the options in another order, or draws another answer."""
    shown: tuple[int, ...]
    """Codes in the order in which the options are shown, `DECLINED` last; none for free text."""
    sampled: bool
    """The answer is drawn at temperature 1; else the likeliest is taken."""

    @property
    def parts(self) -> tuple[object, ...]:
        """What its seed is hashed from."""
        c = self.condition
        who = (self.place.group, self.respondent, self.repeat)
        return (self.item.key, c.framing, c.language, c.reasoning, c.arm.name, *who)


@dataclass(frozen=True)
class Plan:
    """All that a suite asks under some settings."""

    suite: Suite
    settings: Settings
    cultures: Mapping[str, Culture]
    """All known ones, by key."""
    people: Sequence[Persona] = ()
    """Of whom respondents are taken."""
    seed: int = 1

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items that can be asked: all of them, or a random part in the suite's order."""
        wanted = self.settings.items
        if wanted is None:
            return self.suite.items
        able = [item for item in self.suite.items if self.places(item)]
        return tuple(able[index] for index in sorted(shuffled(len(able), "items", self.seed)[:wanted]))

    @cached_property
    def asks(self) -> list[Ask]:
        return list(self._asks())

    def places(self, item: Item) -> list[Place]:
        """Return whom an item can be asked about: groups of its target that belong to the cultures that are wanted."""
        if item.group:
            place = self.place_of(item.group)
            return [place] if self._is_wanted(place) else []
        groups = list(item.shares or item.answers)
        if groups:
            return [place for place in map(self.place_of, groups) if self._is_wanted(place)]
        cultures = [self.cultures[key] for key in self.settings.cultures]
        return [Place(c.culture, c.culture, c.countries[0]) for c in cultures] or [Place()]

    def place_of(self, group: str) -> Place:
        """Return the place that a group is: a culture, a country of one, another country, or only a name."""
        if group in self.cultures:
            return Place(group, group, self.cultures[group].countries[0])
        if len(group) == 3 and group.isupper() and alpha2(group):
            owner = next((key for key, c in self.cultures.items() if group in c.countries), None)
            return Place(group, owner, group)
        return Place(group)

    def _is_wanted(self, place: Place) -> bool:
        return not self.settings.cultures or place.culture in self.settings.cultures

    def _asks(self) -> Iterator[Ask]:
        number = 0
        for condition, place, item in self._cells():
            for respondent, repeat, shown, sampled in self._repeats(item, place):
                number += 1
                yield Ask(number, item, condition, place, respondent, repeat, shown, sampled)

    def _cells(self) -> Iterator[tuple[Condition, Place, Item]]:
        """Yield each condition with each item. What is alike for a long time stands first, for servers' caches."""
        c = self.settings.conditions
        for arm, reasoning, framing, spoken in product(c.arms, c.reasoning, c.framings, c.languages):
            seen: set[tuple[LanguageCode, str, str]] = set()
            for place, item in product(self._all_places(), self.items):
                if place not in self._places[item.key]:
                    continue
                code = self._language(spoken, place, item)
                worded = item.in_language(code) if code else None
                # Nobody is named in a neutral framing, so it is the same question for every place.
                named = Place() if framing == "neutral" and not item.group and not c.respondents else place
                if worded is None or (cell := (worded.language, named.group, item.key)) in seen:
                    continue
                seen.add(cell)
                yield Condition(framing, worded.language, reasoning, arm), named, worded

    @cached_property
    def _places(self) -> dict[str, dict[Place, None]]:
        """Key of an item -> its places, in their order."""
        return {item.key: dict.fromkeys(self.places(item)) for item in self.items}

    def _all_places(self) -> list[Place]:
        return list(dict.fromkeys(place for places in self._places.values() for place in places))

    def _language(self, spoken: str, place: Place, item: Item) -> LanguageCode | None:
        if spoken != NATIVE:
            return spoken
        if place.culture is None:
            return item.language
        return self.cultures[place.culture].languages[0].language.partition("-")[0]

    def _repeats(self, item: Item, place: Place) -> Iterator[tuple[str, int, tuple[int, ...], bool]]:
        """Yield respondent, repeat, order of the options, and whether the answer is drawn."""
        how = self.settings.elicitation
        orders = [(*order, *((DECLINED,) if how.decline else ())) for order in orders_of(item, how.balanced)]
        if self.settings.conditions.respondents:
            people = [person for person in self.people if person.culture == place.culture]
            for n in range(self.settings.conditions.respondents if people else 0):
                person = people[n % len(people)]
                start = int(unit("order", self.seed, item.key, person.key, n) * len(orders)) if orders else 0
                yield person.key, 1 + n // len(people), orders[start] if orders else (), True
        elif not orders:
            yield "", 1, (), False
        elif self.settings.method == "samples":
            for n in range(how.samples):
                yield "", n + 1, orders[n % len(orders)], True
        else:
            for n, order in enumerate(orders, start=1):
                yield "", n, order, False


def orders_of(item: Item, balanced: bool) -> list[tuple[int, ...]]:
    """Return the orders in which an item's options are shown.

    Balanced, each option stands in each place equally often: an ordinal scale from both of its ends, since one in
    disorder is hard to read, and others turned round by one place at a time. None for free text.
    """
    codes = item.codes
    if not codes:
        return []
    if not balanced:
        return [codes]
    if item.is_ordinal:
        return [codes, codes[::-1]]
    return [codes[n:] + codes[:n] for n in range(len(codes))]
