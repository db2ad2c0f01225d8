"""Persona cards: the shipped ones, and those that a scenario adds."""

from __future__ import annotations

from pathlib import Path

from culturepark.catalog.files import load, package_dir, placed, shown
from culturepark.domain import CULTURES, MAIN_COUNTRY, MAIN_CULTURE, Persona
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, is_folder


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


def load_all(extra: list[Path]) -> tuple[Persona, ...]:
    """Return the shipped personas and those under `extra` (files or folders), in the order of their keys."""
    files = sorted(package_dir("personas").glob("*.yaml"))
    for path in extra:
        files += sorted(path.glob("*.y*ml")) if is_folder(path) else [path]
    personas: dict[str, Persona] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            persona = load_persona(path)
        except CatalogError as error:
            problems += error.problems
            continue
        if persona.key in personas:
            problems.append(Problem(shown(path), None, "", f"a persona {clipped(persona.key)} exists already"))
        personas[persona.key] = persona
    if problems:
        raise CatalogError(problems)
    return tuple(personas[key] for key in sorted(personas))
