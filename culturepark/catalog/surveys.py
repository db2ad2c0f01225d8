"""Survey files: items, scales, and each country's shares of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from culturepark.catalog.files import load, shown
from culturepark.domain import Country, Noun, Option, SurveyItem, Text
from culturepark.errors import CatalogError, Problem

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class CountryShares(Noun):
    n: Annotated[int, Field(gt=0)]
    """Valid answers."""
    shares: dict[int, Annotated[float, Field(ge=0, le=1)]]


class ItemFile(Noun):
    topic: Text
    question: Text
    scale: str
    countries: dict[Country, CountryShares]


class SurveyFile(Noun):
    """One survey as it stands in a file."""

    survey: Key
    title: Text
    source: Text
    note: Text | None = None
    scales: dict[str, tuple[Option, ...]]
    items: dict[Key, ItemFile]

    @model_validator(mode="after")
    def check_codes(self) -> SurveyFile:
        for key, item in self.items.items():
            if item.scale not in self.scales:
                raise ValueError(f"item {key}: no scale {item.scale!r}; there are {', '.join(self.scales)}")
            codes = {option.code for option in self.scales[item.scale]}
            for country, cell in item.countries.items():
                if not set(cell.shares) <= codes:
                    raise ValueError(f"item {key}, {country}: a share for a code that is not on the scale")
                if abs(sum(cell.shares.values()) - 1) > 0.01:
                    raise ValueError(f"item {key}, {country}: the shares do not sum to 1")
        return self


def load_items(extra: list[Path]) -> dict[str, SurveyItem]:
    """All items of the shipped surveys and of `extra`, by `survey/item`."""
    items: dict[str, SurveyItem] = {}
    for path in [*sorted((Path(__file__).parent / "data").glob("*.yaml")), *extra]:
        survey = load(path, SurveyFile)
        for key, item in survey.items.items():
            full_key = f"{survey.survey}/{key}"
            if full_key in items:
                raise CatalogError([Problem(shown(path), None, "survey", f"{full_key} exists already")])
            items[full_key] = SurveyItem(
                key=full_key,
                topic=item.topic,
                question=item.question,
                options=survey.scales[item.scale],
                shares={country: cell.shares for country, cell in item.countries.items()},
                source=survey.source,
            )
    return items
