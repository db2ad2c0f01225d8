"""The words of screens and pages, in the language of whoever reads them.

Messages stand in English where they are shown: `tr("Turn {number}", number=3)`. `messages.pot` lists them all, and
`CODE.po` has them in another language; `docs/generate.py` writes the former and keeps the latter in step. One language
is shown at a time in a process, and it is English until a command with screens chooses another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from culturepark.errors import UsageError

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

FOLDER = Path(__file__).parent
ENGLISH = "en"
CHOSEN_BY = "CULTUREPARK_LANG"
COUNTED = 200
"""Numbers for which a page's script is told the plural's form; in no language does it depend on more than the last two
digits and whether there are more."""

_shown: tuple[str, NullTranslations] = (ENGLISH, NullTranslations())


def language() -> str:
    """Return the language that is shown now (BCP 47)."""
    return _shown[0]


def languages() -> list[str]:
    """Return all languages there are words in."""
    return sorted({ENGLISH, *(file.stem for file in FOLDER.glob("*.po"))})


def wanted(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the language that a reader wants.

    Args:
        option: what the command line says; None if it says nothing.
        environ: of the process. What it says of the system's language counts if there are words in it.
    Raises:
        UsageError: if the option, or `CULTUREPARK_LANG`, names a language that is not there.
    """
    for name, given in (("--lang", option), (CHOSEN_BY, environ.get(CHOSEN_BY) or None)):
        if given is not None:
            if found := known(given):
                return found
            raise UsageError(f"{name} {given[:40]!r}: the screens are in {', '.join(languages())}")
    system = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return known(system) or ENGLISH


def known(code: str) -> str | None:
    """Return the language that is meant by `de`, `de-AT` or `de_DE.UTF-8`; None if it is not there."""
    parts = re.split(r"[-_]", re.split(r"[.@]", code)[0])
    tags = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
    there = {name.casefold(): name for name in languages()}
    return next((there[tag.casefold()] for tag in tags if tag.casefold() in there), None)


def show_in(code: str) -> None:
    """Show a language of `languages()` from now on."""
    global _shown
    _shown = code, translations(code)


@contextmanager
def showing(code: str) -> Iterator[None]:
    """Show a language for a while."""
    before = language()
    show_in(code)
    try:
        yield
    finally:
        show_in(before)


def tr(message: str, **holes: object) -> str:
    """Return a message in the language that is shown, with its holes filled."""
    told = _shown[1].gettext(message)
    if told == message:  # a message that is counted elsewhere has its words there
        told = _shown[1].ngettext(message, message, 1)
    return told.format(**holes) if holes else told


def later(message: str) -> str:
    """Mark a message that `tr` will be given where it is shown."""
    return message


def plural(number: int, one: str, many: str, **holes: object) -> str:
    """Return the form of a message that goes with a number, with its holes filled."""
    return _shown[1].ngettext(one, many, number).format(**holes)


def grouped(number: int) -> str:
    """Return a number with its thousands set apart."""
    if language() == ENGLISH:
        return f"{number:,}"
    from babel.numbers import format_decimal

    return str(format_decimal(number, locale=language().replace("-", "_")))


def decimal(number: float) -> str:
    """Return a number with two decimals."""
    if language() == ENGLISH:
        return f"{number:.2f}"
    from babel.numbers import format_decimal

    return str(format_decimal(number, "0.00", locale=language().replace("-", "_")))


def words_of(place: str) -> dict[str, Any]:
    """Return what a script needs to show the messages that stand under a folder: texts, forms of counted words, and
    the number of the form for each number below `COUNTED`. All are empty in English."""
    if language() == ENGLISH:
        return {"texts": {}, "forms": {}, "form": []}
    texts: dict[str, str] = {}
    forms: dict[str, list[str]] = {}
    told = translations(language())
    for message in catalog(language()):
        if not message.id or not any(file.startswith(place) for file, _ in message.locations):
            continue
        if isinstance(message.id, str):
            texts[message.id] = told.gettext(message.id)
        else:
            one = message.id[0]
            forms[one] = list(map(str, message.string or ()))
            texts[one] = told.ngettext(one, one, 1)
    return {"texts": texts, "forms": forms, "form": [told.plural(n) for n in range(COUNTED)]}  # type: ignore[attr-defined]


@cache
def translations(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = BytesIO()
    write_mo(compiled, catalog(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def catalog(code: str) -> Catalog:
    from babel.messages.pofile import read_po

    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code.replace("-", "_"))
