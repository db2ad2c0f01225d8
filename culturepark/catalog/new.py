"""New files to begin with: a culture, a person, a survey, a scenario or a suite that is sound as it stands.

The texts are in `data/new`. What they name fits what lies in the folder: a card is of a culture whose file is there,
and a scenario seats the people of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from culturepark.catalog.cultures import NONE, culture_of, delegates, file_beside_card, no_culture, own_cultures
from culturepark.catalog.files import begins_with, read_text, shown
from culturepark.catalog.personas import cards_in, load_persona, shipped_keys
from culturepark.catalog.schemas import schema_text
from culturepark.catalog.surveys import Key as SurveyKey
from culturepark.catalog.surveys import load_survey
from culturepark.domain import Culture, CultureKey, Key, Persona, PersonaKey, shipped_cultures
from culturepark.errors import CatalogError, UsageError
from culturepark.files import clipped, exists
from culturepark.languages import HOLE
from culturepark.languages.countries import country_name, home_of_language, language_called, language_name
from culturepark.languages.words import folded

TEMPLATES = Path(__file__).parent / "data" / "new"
KEYS: dict[str, TypeAdapter[Any]] = {
    "culture": TypeAdapter(CultureKey), "persona": TypeAdapter(PersonaKey),
    "survey": TypeAdapter(SurveyKey), "scenario": TypeAdapter(Key), "suite": TypeAdapter(Key),
    "loop": TypeAdapter(Key),
}  # fmt: skip
"""Kind of file -> the form of its key."""
PLAIN = str.maketrans({"ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th"})
"""Latin letters that stay when a text is `folded`."""
REMARK = re.compile(r"([^#\n]*\S) {2,}(# .*)")
COLUMN = 34
SCHEMA_FOLDER = ".culturepark"
"""Lies beside the files, so that the line that names a schema holds on every machine."""


def write(kind: str, name: str, folder: Path) -> tuple[Path, list[str]]:
    """Write a new file with its schema, and return its path and the commands to go on with.

    Raises:
        UsageError: if there is such a file already, the name is no key, or the folder takes no file.
        CatalogError: if a culture file in the folder that is meant is wrong.
    """
    path = folder / f"{name}.yaml"
    check_name(kind, name)
    if exists(path):
        raise UsageError(f"{shown(path)} is there already, and stays as it is; take another name, or another --out")
    values = {"key": scalar(name), "schema": f"{SCHEMA_FOLDER}/{kind}.json", **VALUES[kind](path)}
    text = aligned(HOLE.sub(lambda match: values[match[1]], TEMPLATES.joinpath(f"{kind}.yaml").read_text("utf-8")))
    schema = folder / SCHEMA_FOLDER / f"{kind}.json"
    try:
        schema.parent.mkdir(parents=True, exist_ok=True)
        schema.write_text(schema_text(kind), "utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"{shown(path)} cannot be written: {error.strerror}; name another folder with --out") from None
    return path, [
        f"culturepark check {shown(path)}",
        *(step.format(name=name, path=shown(path)) for step in NEXT[kind]),
    ]


NEXT = {
    "culture": ("culturepark new persona {name}-NAME",),
    "persona": ("culturepark personas --personas {path} {name}", "culturepark talk {path}"),
    "survey": ("culturepark new scenario NAME",),
    "suite": ("culturepark suites show {path}", "culturepark evaluate {path} --model scripted"),
    "loop": ("culturepark loop {path} --dry-run", "culturepark loop {path} --until rows"),
    "scenario": ("culturepark simulate {path} --model scripted", "culturepark simulate {path} --dry-run --model SPEC"),
}
"""Kind -> commands for which the file is good when it is filled in."""


def scalar(text: str) -> str:
    """Return a text as a scalar of YAML, in quotes where it would be a number or a truth."""
    return text if YAML(typ="safe").load(text) == text else json.dumps(text)


def aligned(text: str) -> str:
    """Put the remarks behind values into one column, as far as the values leave room."""
    return "".join(
        f"{found[1]:<{COLUMN}} {found[2]}\n" if (found := REMARK.fullmatch(line)) else f"{line}\n"
        for line in text.splitlines()
    )


def check_name(kind: str, name: str) -> None:
    try:
        KEYS[kind].validate_python(name)
    except ValidationError as error:
        what = error.errors()[0]
        form = (what.get("ctx") or {}).get("pattern")
        why = f"must match {form}" if form else what["msg"]
        raise UsageError(f"NAME {clipped(name)!r}: a {kind}'s key {why}, as in {name_like(name)}") from None
    if kind == "culture" and name in shipped_cultures():
        raise UsageError(f"{name} is a shipped culture; cards and scenarios name it without a file. Take another name")
    if kind == "persona" and name in shipped_keys():
        raise UsageError(f"{name} is a shipped person; take another name")


def name_like(name: str) -> str:
    """Return a key that is like a name."""
    letters = (c if c.isascii() and c.isalnum() else " " for c in folded(name).lower().translate(PLAIN))
    return "-".join("".join(letters).split()) or "tea"


NOT_FOUND = "TODO a stand-in, not found by the name;"


def culture_values(path: Path) -> dict[str, str]:
    """Return country and language of a culture that is called like a language; of another one, any that exist."""
    name = path.stem.replace("-", " ")
    code = language_called(name)
    country = home_of_language(code) if code else None
    if code and country:
        remark = f"ISO 3166 alpha-3 ({country_name(country)})"
        return {"name": name.title(), "country": country, "countries_remark": remark, "language": code,
                "language_remark": f"BCP 47 ({language_name(code)})"}  # fmt: skip
    stand_in = next(iter(delegates().values()))
    return {"name": name.title(), "country": stand_in.countries[0], "countries_remark": f"{NOT_FOUND} ISO 3166 alpha-3",
            "language": stand_in.languages[0].language, "language_remark": f"{NOT_FOUND} BCP 47"}  # fmt: skip


def persona_values(path: Path) -> dict[str, str]:
    """
    Raises:
        UsageError: if the name begins with no culture's key.
    """
    parts = path.stem.split("-")
    keys = ["-".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
    culture = next((found for key in keys if (found := culture_of(key, NONE, path))), None)
    called = path.stem.removeprefix(culture.culture).strip("-") if culture else ""
    if culture and not called:
        raise UsageError(f"NAME {clipped(path.stem)!r} is lacking the person's own name behind the culture's key")
    if culture is None:
        told = no_culture(keys[-1] if keys else path.stem, shipped_cultures())
        raise UsageError(f"NAME begins with the key of the culture, as `{next(iter(delegates()))}-NAME`: {told}")
    tongue = culture.languages[0].language
    countries = ", ".join(culture.countries)
    is_stand_in = NOT_FOUND in (read_text(file) if (file := file_beside_card(path, culture.culture)) else "")
    return {
        "culture": culture.culture,
        "called": scalar(called.replace("-", " ").title().replace(" ", "")),
        "role": culture.role,
        "country": culture.countries[0],
        "country_remark": f"TODO a stand-in in the culture's file: {countries}"
        if is_stand_in
        else f"one of the culture's: {countries}",
        "language": "TODO a language" if is_stand_in else language_name(tongue),
        "code": tongue,
    }


def survey_values(path: Path) -> dict[str, str]:
    culture = next(iter([*own_cultures(path.parent).values(), *delegates().values()]))
    return {"country": culture.countries[0]}


def scenario_values(path: Path) -> dict[str, str]:
    """Return what seats the people of a culture whose file lies in the folder; without one, those of shipped ones."""
    folder = path.parent
    for file, culture in own_cultures(folder).items():
        if people := people_of(folder, culture):
            surveys = surveys_on(folder, culture.countries[0])
            return {
                "cultures": file.relative_to(folder).as_posix(),
                "setting": "in-cultural" if len(people) > 1 else "cross-cultural",
                "own": listed("personas", (f"{person.key}.yaml" for person in people)) + listed("surveys", surveys),
                "seeds": "".join(f"  - survey: {key}\n" for keys in surveys.values() for key in keys),
            }
    return {"cultures": ", ".join([*delegates()][-2:]), "setting": "cross-cultural", "own": "", "seeds": ""}


def loop_values(_: Path) -> dict[str, str]:
    """Return the cultures of the scenario that the template names."""
    from culturepark.catalog.scenarios import find, load_edition

    return {"cultures": ", ".join(load_edition(find("quickstart")).scenario.cultures)}


def listed(key: str, names: Iterable[str]) -> str:
    """Return a line of YAML with a list; nothing for an empty one."""
    text = ", ".join(names)
    return f"{key}: [{text}]\n" if text else ""


def people_of(folder: Path, culture: Culture) -> list[Persona]:
    """Return the people of a culture whose cards lie in a folder. What is no sound card is left to `check`."""
    found = []
    for path in cards_in(folder):
        with suppress(CatalogError):
            person = load_persona(path, {culture.culture: culture})
            found += [person] if person.culture == culture.culture else []
    return found


def surveys_on(folder: Path, country: str) -> dict[str, list[str]]:
    """Return the survey files in a folder that have shares of a country, each with the keys of these items."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        with suppress(CatalogError):
            if begins_with(path, "survey"):
                found[path.name] = [key for key, item in load_survey(path).items.items() if country in item.shares]
    return {name: keys for name, keys in found.items() if keys}


VALUES = {
    "culture": culture_values,
    "persona": persona_values,
    "survey": survey_values,
    "scenario": scenario_values,
    "suite": survey_values,
    "loop": loop_values,
}
"""Kind -> what returns the values of the holes in its text."""
