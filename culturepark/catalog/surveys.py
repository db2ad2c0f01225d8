"""Survey files: items, scales, and each country's shares of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from culturepark.catalog.files import Loc, load, placed, shown
from culturepark.domain import Country, Noun, Option, SurveyItem, Text
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=59)]
"""Two keys and a slash make a seed's key, which has 120 characters at the most."""


class CountryShares(Noun):
    n: Annotated[int, Field(gt=0)]
    """Valid answers."""
    shares: dict[int, Annotated[float, Field(ge=0, le=1)]]
    """Code of an answer -> its share of the valid answers."""


class ItemFile(Noun):
    topic: Text
    """The question in a few words, for prompts about norms."""
    question: Text
    scale: str
    """One of `scales`."""
    poles: tuple[Text, Text] | None = None
    """The views of the +1 side and of the -1 side, each as one plain sentence. Small models tell the sides apart by
    them."""
    countries: dict[Country, CountryShares]
    """By ISO 3166 alpha-3, as `TUR`. A culture whose country is missing skips the item."""


class SurveyFile(Noun):
    survey: Key
    """The survey's name in `survey: NAME/ITEM`."""
    title: Text
    source: Text
    """The reference that samples and reports give."""
    note: Text | None = None
    scales: dict[str, Annotated[tuple[Option, ...], Field(min_length=2)]]
    items: dict[Key, ItemFile]


def load_survey(path: Path) -> SurveyFile:
    """
    Raises:
        CatalogError: with all problems of the file.
    """
    survey = load(path, SurveyFile)
    if problems := contradictions(survey):
        raise CatalogError(placed(path, problems))
    return survey


def contradictions(survey: SurveyFile) -> list[tuple[Loc, str]]:
    """Return mistakes that only several keys together show, each with its place in the file."""
    problems: list[tuple[Loc, str]] = []
    for name, scale in survey.scales.items():
        codes = [option.code for option in scale]
        problems += [
            (("scales", name, index, "code"), f"the code {clipped(code)} stands for another answer already")
            for index, code in enumerate(codes)
            if code in codes[:index]
        ]
    for key, item in survey.items.items():
        if item.scale not in survey.scales:
            names = ", ".join(clipped(name) for name in list(survey.scales)[:20])
            problems.append((("items", key, "scale"), f"no scale {clipped(item.scale)!r}; there are: {names}"))
            continue
        known = {option.code for option in survey.scales[item.scale]}
        for country, cell in item.countries.items():
            loc = ("items", key, "countries", country, "shares")
            if unknown := sorted(set(cell.shares) - known):
                problems.append((loc, f"the code {clipped(unknown[0])} is not on the scale {clipped(item.scale)}"))
            elif abs(sum(cell.shares.values()) - 1) > 0.01:
                problems.append((loc, f"the shares sum to {sum(cell.shares.values()):.4g}; they must sum to 1"))
    return problems


def load_items(extra: list[Path]) -> dict[str, SurveyItem]:
    """Return all items of the shipped surveys and of `extra`, by `survey/item`."""
    items: dict[str, SurveyItem] = {}
    for path in [*sorted((Path(__file__).parent / "data").glob("*.yaml")), *extra]:
        survey = load_survey(path)
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
                poles=item.poles,
            )
    return items
