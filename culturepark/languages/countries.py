"""Names of countries and languages in any language: CLDR's, but for those that a language's own table has.

CLDR comes with Babel: the names, and which alpha-2 code is meant by an alpha-3 code.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from culturepark.languages import PACKAGES, load_language

if TYPE_CHECKING:
    from babel import Locale

ENGLISH = "en"
RETIRED = frozenset(("BUR", "DDR", "FXX", "TMP", "YMD", "ZAR"))
"""Codes of states that are no more, which CLDR leads to a country of today."""


@cache
def alpha3_codes() -> dict[str, str]:
    """Return each country's alpha-3 code (ISO 3166) with its alpha-2 code."""
    from babel import Locale
    from babel.core import get_global

    territories = Locale.parse(ENGLISH).territories
    return {
        code: two[0]
        for code, two in sorted(get_global("territory_aliases").items())
        if len(code) == 3 and code.isalpha() and code not in RETIRED and len(two) == 1 and two[0] in territories
    }


def alpha2(alpha3: str) -> str | None:
    """Return the alpha-2 code of a country; None if there is no such country."""
    return alpha3_codes().get(alpha3)


@cache
def country_name(alpha3: str, language: str = ENGLISH) -> str:
    """Return a country's name as it stands in a sentence of a language; the code itself if nobody knows it.

    Args:
        alpha3: ISO 3166.
        language: BCP 47. Where CLDR lacks the language, the name is English.
    """
    for code in tags(language):
        if code in PACKAGES and (own := load_language(code).country(alpha3)):
            return own
    two, locale = alpha2(alpha3), locale_of(language)
    name = locale.territories.get(two) if locale and two else None
    return name or (alpha3 if language == ENGLISH else country_name(alpha3))


@cache
def language_name(code: str, language: str = ENGLISH) -> str:
    """Return a language's name in a language; the code itself if CLDR has none.

    Args:
        code: BCP 47, as `pt-BR`. A part that CLDR has no name for is left out.
    """
    if locale := locale_of(language):
        for tag in tags(code):
            if name := locale.languages.get(tag.replace("-", "_")):
                return str(name)
    return code if language == ENGLISH else language_name(code)


def knows_language(code: str) -> bool:
    """Return whether CLDR has the language of a code, whatever its region or script."""
    return language_name(code.partition("-")[0]) != code.partition("-")[0]


def language_called(name: str) -> str | None:
    """Return the code of a language by its English name; None if there is none."""
    locale = locale_of(ENGLISH)
    named = {text.casefold(): code.replace("_", "-") for code, text in locale.languages.items()} if locale else {}
    return named.get(name.casefold())


def home_of_language(code: str) -> str | None:
    """Return the country (alpha-3) in which a language is most spoken, by CLDR; None if it has none."""
    from babel.core import get_global

    known = get_global("likely_subtags")
    likely = next((str(known[tag]) for tag in (part.replace("-", "_") for part in tags(code)) if tag in known), "")
    two = likely.rpartition("_")[2]
    return next((three for three, country in alpha3_codes().items() if country == two), None)


def near_countries(alpha3: str) -> list[str]:
    """Return codes that may have been meant, each with its country."""
    codes = alpha3_codes()
    named = {country_name(code).casefold(): code for code in codes}
    near = [code for code, two in codes.items() if two == alpha3.upper()]
    near += [code for name, code in named.items() if len(alpha3) > 2 and name.startswith(alpha3.casefold())]
    near += [named[name] for name in get_close_matches(alpha3.casefold(), named, n=2, cutoff=0.7)]
    near = list(dict.fromkeys(near)) or get_close_matches(alpha3.upper(), codes, n=3)
    return [f"{code} ({country_name(code)})" for code in near[:3]]


def tags(code: str) -> Iterator[str]:
    """Yield a code, and then what is left of it without its last part: `zh-Hant-TW`, `zh-Hant`, `zh`."""
    while code:
        yield code
        code = code.rpartition("-")[0]


@cache
def locale_of(language: str) -> Locale | None:
    """Return CLDR's names in a language, or in that of which it is a kind; None if it has neither."""
    from babel import Locale, UnknownLocaleError

    for code in tags(language):
        try:
            return Locale.parse(code, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return None
