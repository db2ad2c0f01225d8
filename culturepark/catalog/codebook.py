"""The codebook of a respondent-level file: the columns that a survey file names, and the meaning of their cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from culturepark.catalog.files import Loc
from culturepark.domain import TEXT_OR_NUMBER, Country, Group, Named, Noun, Text, ages
from culturepark.files import clipped

FEWEST = 30
"""Answers of a group to an item, below which its shares say too little."""
Code = Annotated[
    str,
    BeforeValidator(lambda code: str(code) if isinstance(code, (int, float)) else code),
    WithJsonSchema(TEXT_OR_NUMBER),
]
"""A cell as a codebook writes it: `1`, `-2`, `NA`."""


class CountryColumn(Noun):
    column: Named[Text] = None
    """The column with the country."""
    values: Annotated[dict[Code, Country], Field(max_length=400)] = {}  # noqa: RUF012 - frozen
    """Cell -> ISO 3166 alpha-3, where the column has codes. Respondents with other cells are left out. Codes that
    culture files give under `surveys` need no naming."""
    only: Named[Country] = None
    """In place of `column`: the country of all respondents."""


class SexColumn(Noun):
    column: Text
    values: Annotated[dict[Code, Literal["woman", "man", "nonbinary"]], Field(min_length=1, max_length=100)]
    """Cell -> sex."""


class AgeColumn(Noun):
    column: Text
    """The column with the age in years."""


class GroupColumn(Noun):
    column: Text
    values: Annotated[dict[Code, Group], Field(min_length=1, max_length=1000)]
    """Cell -> group. Several cells may be of one group."""


class RespondentsFile(Noun):
    file: Text
    """A CSV file, plain or gzipped, relative to the survey file: UTF-8, a head line, cells divided by `,`, `;`, `|` or
    tabs."""
    country: CountryColumn
    weight: Named[Text] = None
    """The column with each respondent's weight. Without it each counts the same."""
    missing: Annotated[tuple[Code, ...], Field(max_length=100)] = ()
    """Cells that are no answer in any column. Other cells that are not on an item's scale are none either."""
    sex: Named[SexColumn] = None
    age: Named[AgeColumn] = None
    age_bands: Annotated[tuple[tuple[int, int], ...], Field(min_length=1, max_length=40)] = (
        (16, 29),
        (30, 49),
        (50, 110),
    )
    """First and last age of each group of the grouping `age`."""
    groups: Annotated[dict[Group, GroupColumn], Field(max_length=20)] = {}  # noqa: RUF012 - frozen
    """Further groupings, as `education`."""


def contradictions(file: RespondentsFile) -> list[tuple[Loc, str]]:
    """Return mistakes of the codebook that only several keys together show."""
    problems: list[tuple[Loc, str]] = []
    if (file.country.column is None) == (file.country.only is None):
        problems.append((("country",), "wants either `column`, or `only` where all respondents are of one country"))
    if file.country.only and file.country.values:
        problems.append((("country", "values"), "goes with `column` alone"))
    problems += [
        (("groups", name), f"stands at `respondents.{name}`, since it follows from a card")
        for name in ("sex", "age")
        if name in file.groups
    ]
    ages = set[int]()
    for index, (first, last) in enumerate(file.age_bands):
        if not 0 <= first <= last <= 130:
            problems.append((("age_bands", index), f"must be two ages, the first and the last, not {first} and {last}"))
        elif ages & set(range(first, last + 1)):
            problems.append((("age_bands", index), f"{first} to {last} overlaps with a band before it"))
        else:
            ages |= set(range(first, last + 1))
    return problems


def overlapping(groups: Sequence[str]) -> str | None:
    """Return what is wrong with the names of age groups; None if they are fine."""
    known = set[int]()
    for group in groups:
        own = set(ages(group))
        if not own:
            return f"{clipped(group)!r} is no age group; write `30-49`, `60+` or `18`"
        if known & own:
            return f"{clipped(group)} overlaps with another age group"
        known |= own
    return None


def number(cell: str, *, comma: bool = False) -> float | None:
    """Return the number in a cell; None if there is none.

    Args:
        comma: whether a decimal comma is read.
    """
    try:
        value = float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None


def plain(cell: str) -> str:
    """Return a cell as codebooks write it: `1` for ` 1 `, `1.0` and `01`."""
    value = number(cell)
    return str(int(value)) if value is not None and value.is_integer() else cell.strip()
