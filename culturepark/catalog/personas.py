"""Persona cards: the shipped ones, and those that a scenario adds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from culturepark.catalog.coverage import ENOUGH_VALUES, SCHWARTZ, coverage
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
from culturepark.domain import CULTURES, MAIN_COUNTRY, MAIN_CULTURE, Persona, SurveyItem
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, is_folder

LINES = ".jsonl"
"""The ending of a file with many cards, one on a line, each with its `key`."""
MOST = 50_000
"""Cards in one file. A run keeps the cards of all its people."""


def none(_: Iterable[Persona]) -> Collection[str]:
    return ()


def load_persona(path: Path) -> Persona:
    """Read a card; its key is the file's stem."""
    persona = load(path, Persona, key=path.stem)
    if problems := contradictions(persona):
        raise CatalogError(placed(path, [((key,), what) for key, what in problems]))
    return persona


def contradictions(persona: Persona) -> list[tuple[str, str]]:
    """Return mistakes that only several keys together show, each with its key."""
    problems = []
    if (persona.role == "main") != (persona.culture == MAIN_CULTURE):
        problems.append(("role", f"`main` goes with the culture {MAIN_CULTURE}, `delegate` with the other eight"))
    if persona.role == "main" and persona.country not in (None, MAIN_COUNTRY):
        problems.append(("country", f"must be {MAIN_COUNTRY} for a main contact, or null"))
    if persona.role == "delegate" and persona.country is None:
        suggestion = CULTURES.get(persona.culture, "an ISO 3166 alpha-3 code")
        problems.append(("country", f"is missing; the grounding country is {suggestion}"))
    if len(persona.called.split()) != 1:
        problems.append(("called", "must be one word"))
    return problems


def load_people(path: Path) -> Iterator[Persona]:
    """Yield the cards of a JSONL file, one on each line.

    Raises:
        CatalogError: at the end, or when there are too many problems.
    """
    problems: list[Problem] = []
    count = 0
    for number, line in read_lines(path):
        count += 1
        if count > MOST:
            raise CatalogError([Problem(shown(path), number, "", f"holds more than {MOST:,} cards")])
        persona, mistakes = card_in(line)
        if persona and not mistakes:
            yield persona
        problems += (Problem(shown(path), number, key, what) for key, what in mistakes)
        if len(problems) >= MAX_PROBLEMS:
            break
    if not count:
        problems.append(Problem(shown(path), None, "", "holds no cards"))
    if problems:
        raise CatalogError(problems)


def card_in(text: str) -> tuple[Persona | None, list[tuple[str, str]]]:
    """Return the card in a JSON text, with its mistakes, each with its key."""
    try:
        persona = Persona.model_validate_json(text)
    except ValidationError as error:
        details = without_consequences(error.errors(include_url=False, include_context=True))
        if details[0]["type"] == "json_invalid":
            return None, [("", f"is no JSON: {clipped((details[0].get('ctx') or {}).get('error'), 120)}")]
        return None, [(dotted(detail["loc"]), explain(detail, Persona)) for detail in details]
    return persona, contradictions(persona)


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
    extra: list[Path], cultures: Collection[str] = (), languages: Callable[[Iterable[Persona]], Collection[str]] = none
) -> tuple[Persona, ...]:
    """Return the shipped personas and those under `extra` (files or folders), in the order of their keys.

    Args:
        cultures: of the shipped ones only these; of all, if empty. A card takes some ten milliseconds to read.
        languages: those in which words of the cards are wanted, given all of them.
    """
    shipped = shipped_cards()
    files = [path for path in shipped if not cultures or path.stem.partition("-")[0] in cultures]
    for path in extra:
        inside = sorted([*path.glob("*.y*ml"), *path.glob(f"*{LINES}")]) if is_folder(path) else [path]
        files += [one for one in inside if one.suffix == LINES or not is_words(one)]
    taken = {path.stem: path for path in shipped}
    personas: dict[str, Persona] = {}
    path_of: dict[str, Path | None] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            for persona in load_people(path) if path.suffix == LINES else [load_persona(path)]:
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
