"""Culture files: the shipped ones, and those that a scenario or a card brings along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from culturepark.catalog.files import Loc, begins_with, load, placed, read_mapping
from culturepark.domain import Country, Culture, Edition, shipped_cultures
from culturepark.errors import CatalogError
from culturepark.files import clipped, exists
from culturepark.languages.countries import alpha2, country_name, knows_language, near_countries

ALL = "all"
"""In a scenario's `cultures`: the shipped cultures of delegates."""
ENDINGS = (".yaml", ".yml")
Known = Mapping[str, Culture]
NONE: Known = {}


def load_culture(path: Path) -> Culture:
    """
    Raises:
        CatalogError: with all problems of the file.
    """
    culture = load(path, Culture)
    if problems := list(contradictions(culture)):
        raise CatalogError(placed(path, problems))
    return culture


def contradictions(culture: Culture) -> Iterator[tuple[Loc, str]]:
    """Yield codes of countries and languages that do not exist, and what stands there twice."""
    for index, country in enumerate(culture.countries):
        if alpha2(country) is None:
            yield ("countries", index), no_country(country)
        elif country in culture.countries[:index]:
            yield ("countries", index), f"{country} stands here twice"
    spoken = [(tongue.language, tongue.variety, tongue.with_whom) for tongue in culture.languages]
    for index, tongue in enumerate(culture.languages):
        # CLDR has every language of two letters; of the others it lacks some that are spoken by few.
        if len(tongue.language.partition("-")[0]) == 2 and not knows_language(tongue.language):
            yield ("languages", index, "language"), f"there is no language {clipped(tongue.language)!r}; write BCP 47"
        elif spoken[index] in spoken[:index]:
            yield ("languages", index), f"{tongue.language} stands here twice"
    for survey, codes in culture.surveys.items():
        yield from foreign(culture, ("surveys", survey), codes)
        if twice := [code for code in codes.values() if [*codes.values()].count(code) > 1]:
            yield ("surveys", survey), f"{clipped(twice[0])} is the code of two countries"
    yield from foreign(culture, ("names",), culture.names)


def foreign(culture: Culture, loc: Loc, countries: Iterable[Country]) -> Iterator[tuple[Loc, str]]:
    for country in countries:
        if country not in culture.countries:
            yield (*loc, country), f"{country} is none of `countries`: {', '.join(culture.countries)}"


def notes(culture: Culture) -> Iterator[str]:
    """Yield what is likely a slip, and no error."""
    for tongue in culture.languages:
        if not knows_language(tongue.language):
            yield f"CLDR has no language {clipped(tongue.language)}; its code is shown in place of a name"


def no_country(code: str) -> str:
    near = near_countries(code)
    hint = f"; perhaps {' or '.join(near)}" if near else ""
    return f"there is no country {clipped(code)!r} in ISO 3166 alpha-3{hint}"


def no_culture(key: str, known: Iterable[str]) -> str:
    """Say which cultures there are, where this one is none of them, and how to bring one along."""
    known = sorted(known)
    near = get_close_matches(key.casefold(), known, n=2)
    hint = f"; did you mean {' or '.join(near)}" if near else ""
    return (
        f"must be one of {', '.join(known)}, not {clipped(key)!r}{hint}; another culture is a file "
        "(`culturepark new culture NAME`)"
    )


def delegates() -> dict[str, Culture]:
    """Return the shipped cultures but those of main contacts."""
    return {key: culture for key, culture in shipped_cultures().items() if culture.role == "delegate"}


def main_cultures(known: Known) -> dict[str, Culture]:
    """Return the cultures of main contacts: those that are not shipped, if there are any."""
    mains = {key: culture for key, culture in known.items() if culture.role == "main"}
    own = {key: culture for key, culture in mains.items() if shipped_cultures().get(key) != culture}
    return own or mains


def is_path(name: str) -> bool:
    return name.endswith(ENDINGS) or "/" in name


def files_at(path: Path) -> list[Path]:
    """Return a culture file, or the culture files in a folder; other files may lie there too."""
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.glob("*.y*ml")) if is_culture(file)]


def is_culture(path: Path) -> bool:
    """Whether a file begins with the key `culture`, and is no person's card that does.

    Raises:
        CatalogError: if the file is no mapping.
    """
    return begins_with(path, "culture") and "called" not in read_mapping(path)


def cultures_among(files: Iterable[Path]) -> dict[str, Culture]:
    """Return the cultures of those files that are sound culture files, by their keys."""
    found: dict[str, Culture] = {}
    for file in files:
        with suppress(CatalogError):
            if file.suffix in ENDINGS and is_culture(file):
                culture = load_culture(file)
                found[culture.culture] = culture
    return found


def own_cultures(folder: Path) -> dict[Path, Culture]:
    """Return the delegates' cultures whose files lie in a folder, or in its `cultures`, each by its file."""
    files = [*sorted(folder.glob("*.y*ml")), *sorted(folder.joinpath("cultures").glob("*.y*ml"))]
    found = {file: culture for file in files for culture in cultures_among([file]).values()}
    return {file: culture for file, culture in found.items() if culture.role == "delegate"}


def beside(path: Path) -> dict[str, Culture]:
    """Return these cultures of the folder in which a file lies, by their keys."""
    return {culture.culture: culture for culture in own_cultures(path.parent).values()}


def beside_card(card: Path, key: str) -> Culture | None:
    """Return the culture of a card from its file.

    Raises:
        CatalogError: if there is such a file, and it is wrong.
    """
    path = file_beside_card(card, key)
    culture = load_culture(path) if path else None
    return culture if culture and culture.culture == key else None


def file_beside_card(card: Path, key: str) -> Path | None:
    """Return the culture file that is named after the culture of a card: in the card's folder, in that above, or in the
    folder `cultures` of either.
    """
    if not key or not key.replace("-", "").isalnum():
        return None
    here = card.parent.absolute()
    for folder in (here, here.parent, here / "cultures", here.parent / "cultures"):
        for ending in ENDINGS:
            path = folder / f"{key}{ending}"
            if exists(path) and is_culture(path):
                return path
    return None


def culture_of(key: str, known: Known, card: Path | None = None) -> Culture | None:
    """Return a culture by its key: one of those that are known, a shipped one, or one whose file lies by the card."""
    return known.get(key) or shipped_cultures().get(key) or (beside_card(card, key) if card else None)


def known_in(edition: Edition) -> dict[str, Culture]:
    """Return the cultures of a run and the shipped ones, by their keys."""
    return {**shipped_cultures(), **{culture.culture: culture for culture in edition.cultures}}


@cache
def default_countries() -> dict[str, str]:
    """Return the first country of each shipped culture, delegates' cultures first."""
    ordered = sorted(shipped_cultures().values(), key=lambda culture: culture.role == "main")
    return {culture.culture: culture.countries[0] for culture in ordered}


@cache
def default_names() -> tuple[str, ...]:
    """Return the English names of these countries, each once."""
    return tuple(dict.fromkeys(country_name(country) for country in default_countries().values()))
