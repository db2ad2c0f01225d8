"""Shares of people in a country by age, gender, settlement and faith, with their sources (`data/countries.toml`)."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from culturepark.domain import Country, Noun

FILE = Path(__file__).parent / "data" / "countries.toml"
AGE_BANDS: dict[str, tuple[int, int]] = {"15-24": (15, 24), "25-54": (25, 54), "55-64": (55, 64), "65+": (65, 200)}
"""The first and last year of each age band of the source."""
Share = Annotated[float, Field(ge=0, le=1)]


class CountryFigures(Noun):
    age: dict[str, Share]
    """By `AGE_BANDS`, of all people of 15 and older."""
    gender: dict[str, Share]
    """Of all people of 15 and older."""
    urban: Share
    """Share of the population in what the country calls urban."""
    faith: dict[str, Share]
    """In the words of the source, the largest first."""
    faith_year: int | None = None
    """None where the source names none."""


class Countries(Noun):
    sources: dict[str, str]
    """What the shares by `age`, `gender`, `settlement` and `faith` are taken from."""
    figures: dict[Country, CountryFigures]


@cache
def countries() -> Countries:
    entries = tomllib.loads(FILE.read_text("utf-8"))
    return Countries(sources=entries.pop("sources"), figures=entries)
