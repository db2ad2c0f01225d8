"""Cells of other people's files: lists and maps that a text spells out, names of countries, codes and numbers."""

from __future__ import annotations

import ast
import json
import re
import tomllib
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from culturepark.languages.countries import alpha3_codes, country_name, language_called, locale_of


@cache
def aliases() -> dict[str, str]:
    """Return the names of countries that data sets use and CLDR does not, in small letters, with their codes."""
    return tomllib.loads(Path(__file__).with_name("data").joinpath("country_names.toml").read_text("utf-8"))


class Unusable(Exception):
    """A row that does not say what its map needs. The message is the reason, the same for all rows of its kind."""


def cell(row: Mapping[str, Any], path: str) -> Any:
    """Return what stands in a column, or below it where the path has dots; None if there is nothing."""
    if path in row:
        return row[path]
    name, dot, rest = path.partition(".")
    while dot:
        if name in row:
            return below(row[name], rest)
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def below(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = structured(value)
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and re.fullmatch(r"-?[0-9]{1,9}", part):
            value = value[int(part)] if -len(value) <= int(part) < len(value) else None
        else:
            return None
    return value


def structured(value: Any) -> Any:
    """Return the list or map that a text spells out, as JSON or as Python writes it; other values as they are."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("defaultdict(") and "{" in text:
        text = text[text.index("{") : text.rindex("}") + 1] if "}" in text else text
    if text[:1] not in "[{(" or len(text) > 1_000_000:
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python, at escapes that it does not know
                found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return list(found) if isinstance(found, tuple) else found
    return value


def words(value: Any) -> str:
    """Return a cell as text; empty where there is nothing."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found == found and abs(found) != float("inf") else None


def code_in(value: Any) -> int | None:
    """Return the whole number in a cell; None if there is none."""
    found = number(value) if not isinstance(value, bool) else None
    return int(found) if found is not None and found.is_integer() else None


@cache
def country_names() -> Mapping[str, str]:
    locale = locale_of("en")
    assert locale is not None
    names = {locale.territories[two].casefold(): code for code, two in alpha3_codes().items()}
    names |= {country_name(code).casefold(): code for code in alpha3_codes()}
    return names | {two.casefold(): code for code, two in alpha3_codes().items()} | aliases()


@cache
def group_name(name: str) -> str:
    """Return a country as ISO 3166 alpha-3, and another group as it is called."""
    if name in alpha3_codes():
        return name
    plain = " ".join(name.replace("_", " ").split()).casefold()
    # Two letters are a country's code only in capitals.
    return country_names().get(plain, name) if len(plain) > 2 or name.isupper() else name


@cache
def language_code(name: str) -> str:
    if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*", name):
        return name
    found = language_called(name.replace("_", " "))
    if found is None:
        raise Unusable("its language is neither a code nor a language's English name")
    return found


def as_key(text: object) -> str:
    """Return a text as the key of an item, which has no blanks, commas and equality signs."""
    return re.sub(r"[\s,=]+", "-", str(text))


def letters(name: str) -> str:
    """Return a name's letters and digits alone, without case: `Names (Male)` is `Names-Male`."""
    return "".join(c for c in name.casefold() if c.isalnum())
