"""Persona cards: the shipped ones, and those that a scenario adds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from culturepark.catalog.coverage import ENOUGH_VALUES, SCHWARTZ, coverage
from culturepark.catalog.cultures import NONE, Known, culture_of, is_culture, no_culture
from culturepark.catalog.files import (
    MAX_PROBLEMS,
    dotted,
    explain,
    load,
    package_dir,
    placed,
    read_lines,
    shown,
    without_consequences,
)
from culturepark.catalog.fits import shipped
from culturepark.catalog.words import is_words, with_words
from culturepark.domain import Culture, Persona, SurveyItem, shipped_cultures
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, is_folder

LINES = ".jsonl"
"""The ending of a file with many cards, one on a line, each with its `key`."""
MOST = 50_000
"""Cards in one file. A run keeps the cards of all its people."""


def none(_: Iterable[Persona]) -> Collection[str]:
    return ()


def load_persona(path: Path, known: Known = NONE) -> Persona:
    """Read a card; its key is the file's stem.

    Args:
        known: cultures beside the shipped ones, and those whose files lie by the card.
    """
    persona = load(path, Persona, key=path.stem)
    culture = culture_of(persona.culture, known, path)
    if problems := contradictions(persona, culture, known):
        raise CatalogError(placed(path, [((key,), what) for key, what in problems]))
    return named(persona, culture)


def named(persona: Persona, culture: Culture | None) -> Persona:
    """Return a card with the names that its culture has for the country."""
    names = culture.names.get(persona.home, {}) if culture else {}
    if all(persona.country_names.get(language) for language in names):
        return persona
    return persona.model_copy(update={"country_names": {**names, **persona.country_names}})


def contradictions(persona: Persona, culture: Culture | None, known: Known = NONE) -> list[tuple[str, str]]:
    """Return mistakes that only several keys together show, each with its key.

    Args:
        culture: the person's; None if there is none of that key.
        known: cultures beside the shipped ones.
    """
    problems = []
    if culture is None:
        problems.append(("culture", no_culture(persona.culture, {*shipped_cultures(), *known})))
    else:
        if persona.role != culture.role:
            problems.append(("role", f"must be {culture.role}, as all people of the culture {culture.culture} are"))
        problems += [("country", what) for what in wrong_country(persona, culture)]
    if len(persona.called.split()) != 1:
        problems.append(("called", "must be one word"))
    return problems


def wrong_country(persona: Persona, culture: Culture) -> Iterator[str]:
    countries = ", ".join(culture.countries)
    is_main = culture.role == "main"
    if persona.country is None:
        # A name for the country is wanted all the same, and only a shipped culture is at hand wherever the card is.
        if not is_main or culture.culture not in shipped_cultures():
            more = f"; the culture {culture.culture} has {countries}" if len(culture.countries) > 1 else ""
            yield f"is missing; the grounding country is {culture.countries[0]}{more}"
    elif persona.country not in culture.countries:
        yield f"must be one of the culture's countries ({countries}), not {clipped(persona.country)}" + (
            ", or null" if is_main else ""
        )


def load_people(path: Path, known: Known = NONE) -> Iterator[Persona]:
    """Yield the cards of a JSONL file, one on each line.

    Args:
        known: cultures beside the shipped ones, and those whose files lie by this file.
    Raises:
        CatalogError: at the end, or when there are too many problems.
    """
    problems: list[Problem] = []
    count = 0
    nearby: dict[str, Culture | None] = {}
    for number, line in read_lines(path):
        count += 1
        if count > MOST:
            raise CatalogError([Problem(shown(path), number, "", f"holds more than {MOST:,} cards")])
        persona, mistakes = card_in(line)
        if persona:
            key = persona.culture
            if key not in nearby:
                nearby[key] = culture_of(key, known, path)
            mistakes = contradictions(persona, nearby[key], known)
            if not mistakes:
                yield named(persona, nearby[key])
        problems += (Problem(shown(path), number, key, what) for key, what in mistakes)
        if len(problems) >= MAX_PROBLEMS:
            break
    if not count:
        problems.append(Problem(shown(path), None, "", "holds no cards"))
    if problems:
        raise CatalogError(problems)


def card_in(text: str) -> tuple[Persona | None, list[tuple[str, str]]]:
    """Return the card in a JSON text; if there is none, what is wrong with it, each with its key."""
    try:
        persona = Persona.model_validate_json(text)
    except ValidationError as error:
        details = without_consequences(error.errors(include_url=False, include_context=True))
        if details[0]["type"] == "json_invalid":
            return None, [("", f"is no JSON: {clipped((details[0].get('ctx') or {}).get('error'), 120)}")]
        return None, [(dotted(detail["loc"]), explain(detail, Persona)) for detail in details]
    return persona, []


def shipped_keys() -> set[str]:
    return {path.stem for path in shipped_cards()}


def shipped_cards() -> list[Path]:
    return [path for path in sorted(package_dir("personas").glob("*.yaml")) if not is_words(path)]


FEWEST_SCENES = 8
"""With fewer remembered scenes a person has soon told them all."""
SEVERAL = 3
"""Cards of a culture of which it is worth saying what they cover between them."""


def card_notes(persona: Persona, items: Mapping[str, SurveyItem]) -> Iterator[str]:
    """Yield notes on what a card lacks that it need not have.

    Args:
        items: the shipped ones.
    """
    if persona.household is None:
        yield "no `household`"
    if not persona.sayings:
        yield "no `sayings`"
    scenes = len(persona.episodes.scenes) if persona.episodes else 0
    if scenes < FEWEST_SCENES:
        told = f"only {scenes}" if scenes else "no"
        yield f"{told} scene{'s' * (scenes != 1)} in `episodes`; {FEWEST_SCENES} to 12 are good"
    if bare := sum(value.schwartz is None for value in persona.values):
        yield f"{bare} of {len(persona.values)} values without `schwartz`"
    if not any(norm.source for norm in persona.norms):
        yield "no norm with a `source`"
    asked = [key for key, item in items.items() if persona.country in item.shares]
    if unrated := sum((persona.key, key) not in shipped() for key in asked):
        which = f"{unrated} of the {len(asked)} shipped" if unrated < len(asked) else f"the {len(asked)} shipped"
        yield f"no ratings for {which} survey items: a model gives them before the first run that needs them"


def cast_notes(people: Iterable[Persona]) -> Iterator[str]:
    """Yield notes on cultures of which several people were given that leave out many of Schwartz's values."""
    for of_culture in coverage(people):
        held = len(SCHWARTZ) - len(of_culture.lacking)
        if of_culture.people >= SEVERAL and held < ENOUGH_VALUES:
            yield (
                f"{of_culture.culture}: these {of_culture.people} people hold values about {held} of Schwartz's ten; "
                f"{ENOUGH_VALUES} or more are good. Nobody holds one about {', '.join(of_culture.lacking)}"
            )


def load_all(
    extra: list[Path],
    cultures: Collection[str] = (),
    known: Known = NONE,
    languages: Callable[[Iterable[Persona]], Collection[str]] = none,
) -> tuple[Persona, ...]:
    """Return the shipped personas and those under `extra` (files or folders), in the order of their keys.

    Args:
        cultures: of the shipped ones only these; of all, if empty. A card takes some ten milliseconds to read.
        known: cultures beside the shipped ones, and those whose files lie by the cards.
        languages: those in which words of the cards are wanted, given all of them.
    """
    shipped = shipped_cards()
    files = [path for path in shipped if not cultures or path.stem.partition("-")[0] in cultures]
    for path in extra:
        files += cards_in(path) if is_folder(path) else [path]
    taken = {path.stem: path for path in shipped}
    personas: dict[str, Persona] = {}
    path_of: dict[str, Path | None] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            for persona in load_people(path, known) if path.suffix == LINES else [load_persona(path, known)]:
                if persona.key in personas or taken.get(persona.key, path) != path:
                    what = f"a persona {clipped(persona.key)} exists already"
                    problems.append(Problem(shown(path), None, "", what))
                personas[persona.key] = persona
                path_of[persona.key] = None if path.suffix == LINES else path
        except CatalogError as error:
            problems += error.problems
    codes = () if problems else languages(personas.values())
    for key, persona in personas.items() if codes else ():
        try:
            personas[key] = with_words(persona, path_of[key], codes)
        except CatalogError as error:
            problems += error.problems
    if problems:
        raise CatalogError(problems)
    return tuple(personas[key] for key in sorted(personas))


def cards_in(folder: Path) -> list[Path]:
    """Return the files with cards in a folder, in which the files of their cultures may lie too."""
    cards = [path for path in folder.glob("*.y*ml") if not is_words(path) and not of_culture(path)]
    return sorted([*cards, *folder.glob(f"*{LINES}")])


def of_culture(path: Path) -> bool:
    try:
        return path.suffix != LINES and is_culture(path)
    except CatalogError:  # which is told when the file is read as a card
        return False
