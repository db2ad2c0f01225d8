"""What is settled of a person, what is lacking, and whether a whole card agrees with it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from pydantic import BaseModel, ValidationError, create_model

from culturepark.catalog.cultures import NONE, Known, culture_of, no_culture
from culturepark.catalog.files import dotted, explain, without_consequences
from culturepark.catalog.personas import contradictions
from culturepark.domain import Draft, Noun, Persona, Source, shipped_cultures
from culturepark.files import clipped

OPTIONAL = ("household", "sayings", "episodes")
"""Keys that a card may lack, and that a model writes all the same."""
KEPT = ("gender", "age", "settlement", "faith")
"""What a card may not contradict, where it is settled."""
YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
BORN = re.compile(r"\bborn\b[^.;]{0,40}?(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


@cache
def given_keys() -> type[BaseModel]:
    """Return the model of a card of which any key may be lacking."""
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation() | None, None) for name, field in Persona.model_fields.items()
    }
    return create_model("Given", __base__=Noun, **fields)


def completed(given: Mapping[str, Any], source: Source, known: Known = NONE) -> dict[str, Any]:
    """Return the keys of a draft with those that follow from the others: key, role and country.

    Args:
        known: cultures beside the shipped ones; so in all functions here.
    """
    whole = dict(given)
    culture = str(whole.get("culture", ""))
    own = culture_of(culture, known)
    whole.setdefault("role", own.role if own else "delegate")
    if own and own.role == "delegate":
        whole.setdefault("country", own.countries[0])
    name = re.sub(r"[^a-z0-9]+", "-", source.name.lower()).strip("-")[:30].strip("-")
    whole.setdefault("key", f"{culture or 'person'}-{name or 'people'}-{source.row or 0:05}")
    return whole


def mistakes(given: Mapping[str, Any], known: Known = NONE) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with some keys of a card, each with its key."""
    try:
        given_keys().model_validate(dict(given))
    except ValidationError as error:
        yield from named(error)
    key = given.get("culture")
    if isinstance(key, str) and culture_of(key, known) is None:
        yield "culture", no_culture(key, {*shipped_cultures(), *known})


def named(error: ValidationError) -> Iterator[tuple[str, str]]:
    for detail in without_consequences(error.errors(include_url=False, include_context=True)):
        yield dotted(detail["loc"]), explain(detail, Persona)


def checked(given: Mapping[str, Any], known: Known = NONE) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of a draft as a card has them (`34` for the text `34`), and what is wrong with them."""
    try:
        sketch = given_keys().model_validate(dict(given))
    except ValidationError as error:
        return {}, [f"{key}: {what}" for key, what in named(error)]
    whole = sketch.model_dump(mode="json", exclude_unset=True)
    if "culture" not in whole:
        return whole, ["culture: is missing"]
    person = cast("Persona", SimpleNamespace(**{"country": None, "called": "x"} | whole))
    return whole, [f"{key}: {what}" for key, what in contradictions(person, culture_of(person.culture, known), known)]


def lacking(given: Mapping[str, Any]) -> list[str]:
    """Return the keys without which no card is whole."""
    return [
        name
        for name, field in Persona.model_fields.items()
        if field.is_required() and name not in given and not (name == "country" and given.get("role") == "main")
    ]


def card(draft: Draft, written: Mapping[str, Any], known: Known = NONE) -> tuple[Persona | None, list[str]]:
    """Return the card of a draft and of what a model has written, or what is wrong with it.

    What is settled stands; a model's words for the same are not used.
    """
    whole = {"country": None} | dict(written) | draft.given | {"source": draft.source}
    try:
        persona = Persona.model_validate(whole)
    except ValidationError as error:
        return None, [f"{key}: {what}" for key, what in named(error)]
    if wrong := [f"{key}: {what}" for key, what in contradictions(persona, culture_of(persona.culture, known), known)]:
        return None, wrong
    return persona, []


def disagreements(draft: Draft, persona: Persona, echo: Mapping[str, Any], year: int) -> list[str]:
    """Return where a whole card, or the model's echo of what was settled, contradicts the draft.

    Args:
        echo: the model's own gender, age, settlement and faith, as it had them in mind.
        year: the present one.
    """
    wrong = []
    for key in KEPT:
        settled, meant = draft.given.get(key), echo.get(key)
        if settled is None or meant is None or same(str(settled), str(meant)):
            continue
        wrong.append(f"{key}: written for {clipped(meant)!r}, and settled is {clipped(settled)!r}")
    birth = year - persona.age
    if (born := BORN.search(persona.generation)) and abs(int(born[1]) - birth) > 1:
        wrong.append(f"generation: born in {born[1]}, and at {persona.age} it was about {birth}")
    for scene in persona.episodes.scenes if persona.episodes else ():
        years = [int(found) for found in YEAR.findall(scene.when)]
        if years and not all(birth - 1 <= when <= year for when in years):
            wrong.append(f"episodes: a scene of {clipped(scene.when)!r} in a life that began about {birth}")
    return wrong


def same(settled: str, meant: str) -> bool:
    """Whether the words of one are among those of the other: `Muslim` and `Sunni Muslim` agree."""
    one, other = (set(re.findall(r"\w+", text.casefold())) for text in (settled, meant))
    return one <= other or other <= one


def namesakes(people: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the names by which several people of one culture are called, with their number.

    Args:
        people: the culture of each, and the name that others use.
    """
    return {f"{called} ({culture})": n for (culture, called), n in sorted(Counter(people).items()) if n > 1}
