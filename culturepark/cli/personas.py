"""The command that shows who there is: personas."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import Json, decodable

app = typer.Typer()


@app.command(
    epilog="""\b
Devout women in villages:
Example: culturepark personas --value tradition --gender woman --settlement village
\b
One card in full:
Example: culturepark personas turkish-hediye
\b
Whom a culture lacks, beside the country's figures:
Example: culturepark personas --coverage --culture korean
"""
)
def personas(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY...",
            help="Whose card to show: a key, its beginning, a name, or a persona file; else a list.",
            autocompletion=completion.personas,
        ),
    ] = None,
    culture: Annotated[
        list[str] | None,
        typer.Option(
            help="Only people of this one. Repeatable.",
            autocompletion=completion.cultures,
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="SCHWARTZ", help="Only who holds this basic value, as tradition. Repeatable."),
    ] = None,
    age: Annotated[
        str | None, typer.Option(metavar="AGES", help="Only people of these ages: 20-35, or 60- for 60 and older.")
    ] = None,
    settlement: Annotated[
        list[str] | None, typer.Option(help="Only people in a city, town or village. Repeatable.")
    ] = None,
    gender: Annotated[list[str] | None, typer.Option(help="Only a woman, man or nonbinary. Repeatable.")] = None,
    faith: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only people whose faith has this in it.", callback=decodable)
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only people whose place or region has this in it.", callback=decodable),
    ] = None,
    paths: Annotated[
        list[Path] | None,
        typer.Option("--personas", metavar="PATH", help="Cards beside the shipped ones: a file or folder. Repeatable."),
    ] = None,
    covered: Annotated[
        bool, typer.Option("--coverage", help="Count values, ages, places and faiths of each culture.")
    ] = False,
    as_json: Json = False,
) -> int:
    """List people, show a card in full, or count whom each culture has."""
    from culturepark.catalog.countries import countries
    from culturepark.catalog.coverage import SCHWARTZ, coverage
    from culturepark.catalog.filters import Filter, ages
    from culturepark.catalog.personas import load_all
    from culturepark.catalog.talks import find_persona
    from culturepark.cli import personas_text as text
    from culturepark.domain import shipped_cultures
    from culturepark.errors import UsageError
    from culturepark.terminal.safe import tell, write

    given = [culture, value, age, settlement, gender, faith, place]
    if keys and (covered or any(given)):
        raise UsageError("KEY shows one card in full; --coverage and filters are for the list, without a KEY")
    everybody = () if keys else load_all(paths or [])
    wanted = Filter(
        cultures=one_of("--culture", culture, sorted({*shipped_cultures(), *(p.culture for p in everybody)})),
        values=one_of("--value", value, SCHWARTZ),
        ages=ages(decodable(age)) if age else Filter.ages,
        settlements=one_of("--settlement", settlement, ("city", "town", "village")),
        genders=one_of("--gender", gender, ("woman", "man", "nonbinary")),
        faith=faith or "",
        place=place or "",
    )
    if keys:
        among = load_all(paths) if paths else None
        people = [find_persona(decodable(key), among) for key in keys]
    else:
        people = [person for person in everybody if wanted.passes(person)]
    if as_json:
        counted = {
            "sources": countries().sources,
            "cultures": [of_culture.model_dump(mode="json") for of_culture in coverage(people)],
        }
        write(json.dumps(counted if covered else [person.model_dump(mode="json") for person in people]))
    elif not people:
        tell("nobody is like that; `culturepark personas` lists all, --coverage counts them")
    elif covered:
        text.show_coverage(coverage(people))
    elif keys:
        text.show_cards(people)
    else:
        text.show_list(people)
    return 0


def known_cultures(store_url: str) -> list[str]:
    """Return the keys of the shipped cultures, and of those in a store."""
    from culturepark.domain import shipped_cultures
    from culturepark.store.database import exists
    from culturepark.store.runs import cultures_in
    from culturepark.store.store import Store

    held = cultures_in(Store(store_url, must_exist=True)) if exists(store_url) else ()
    return sorted({*shipped_cultures(), *held})


def one_of(option: str, named: list[str] | None, allowed: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return words of an option, which are all among those allowed.

    Raises:
        UsageError: for another word; names the allowed ones.
    """
    from culturepark.errors import UsageError
    from culturepark.files import clipped

    words = tuple(decodable(word).strip().casefold().replace("_", "-") for word in named or ())
    if unknown := [word for word in words if word not in allowed]:
        raise UsageError(f"{option} {clipped(unknown[0])!r}: must be one of {', '.join(allowed)}")
    return words
