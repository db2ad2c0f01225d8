"""Who speaks which language at a table, and how the others see what is said. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from culturepark.domain import (
    DEFAULT_LANGUAGE,
    NATIVE,
    SEVERAL_LANGUAGES,
    Casting,
    Edition,
    LanguageCode,
    Scenario,
    Turn,
)


@dataclass(frozen=True)
class Tongues:
    """The languages of one table."""

    of: Mapping[str, LanguageCode]
    """Persona's key -> the language that this person speaks and hears."""
    moderator: LanguageCode
    """The one in which the moderator speaks: the first person's."""

    @property
    def all(self) -> tuple[LanguageCode, ...]:
        return tuple(dict.fromkeys((self.moderator, *self.of.values())))

    @property
    def interpreted(self) -> bool:
        """Whether people hear each other through an interpreter."""
        return len(self.all) > 1

    @property
    def dialogue(self) -> LanguageCode:
        """The language of the dialogue as a whole."""
        return SEVERAL_LANGUAGES if self.interpreted else self.moderator

    def speaks(self, speaker: str) -> LanguageCode:
        """
        Args:
            speaker: a persona's key, `moderator` or `user`.
        """
        return self.of.get(speaker, self.moderator)


def tongues_of(scenario: Scenario, casting: Casting) -> Tongues:
    """Return the languages of a table."""
    people = [p.persona for p in casting.participants]
    if scenario.language != NATIVE:
        return Tongues({person.key: scenario.language for person in people}, scenario.language)
    own = {person.key: person.own_language for person in people}
    first = people[0].own_language if people else DEFAULT_LANGUAGE
    if len(set(own.values())) > 1 and scenario.across == "lingua-franca":
        # Somebody's mother tongue comes before a language that is foreign to all.
        candidates = dict.fromkeys((*own.values(), *(t.language for person in people for t in person.speaks)))
        common = next((code for code in candidates if all(p.holds_talks_in(code) for p in people)), None)
        if common:
            return Tongues(dict.fromkeys(own, common), common)
    return Tongues(own, first)


def languages_of(edition: Edition) -> tuple[LanguageCode, ...]:
    """Return the languages that may be spoken in an edition, the first one that of most."""
    if edition.scenario.language != NATIVE:
        return (edition.scenario.language,)
    own = Counter(person.own_language for person in edition.personas)
    return tuple(code for code, _ in sorted(own.items(), key=lambda found: (-found[1], found[0]))) or (
        DEFAULT_LANGUAGE,
    )


def as_spoken(casting: Casting, tongues: Tongues) -> Casting:
    """Return the plan with each person in the own language, and the question in the moderator's."""
    whole = heard_in(casting, tongues.moderator, tongues)
    people = tuple(
        p.in_language(tongues.of[p.persona.key], casting.seed.in_language(tongues.of[p.persona.key]))
        for p in casting.participants
    )
    return whole.model_copy(update={"participants": people})


def told(casting: Casting, tongues: Tongues) -> Casting:
    """Return the plan as it was written, with the cases that were put at the table."""
    return heard_in(casting, DEFAULT_LANGUAGE, tongues)


def heard_in(casting: Casting, code: LanguageCode, tongues: Tongues) -> Casting:
    """Return the plan as somebody sees it who hears everything in one language."""
    return casting.in_language(code, tongues.all)


def listening(casting: Casting, scenario: Scenario, code: LanguageCode, tongues: Tongues) -> tuple[Casting, Scenario]:
    """Return plan and scenario for somebody who hears, and is told, everything in one language."""
    return heard_in(casting, code, tongues), scenario.model_copy(update={"language": code})


def as_heard(turns: Sequence[Turn], code: LanguageCode) -> list[Turn]:
    """Return turns with the words that a listener of a language heard."""
    return [turn.model_copy(update={"text": turn.heard_in(code)}) if turn.renderings else turn for turn in turns]


def may_be_interpreted(edition: Edition) -> bool:
    """Whether people without a common mother tongue may sit at one table of a scenario."""
    scenario = edition.scenario
    if scenario.language != NATIVE or scenario.people < 2:
        return False
    tables: dict[str | None, set[LanguageCode]] = defaultdict(set)
    for person in edition.personas:
        tables[person.culture if scenario.setting == "in-cultural" else None].add(person.own_language)
    return any(len(spoken) > 1 for spoken in tables.values())
