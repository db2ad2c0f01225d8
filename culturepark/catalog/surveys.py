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
"""Two of them with a slash between are a seed's key, which holds 120 characters."""


class CountryShares(Noun):
    n: Annotated[int, Field(gt=0)]
    """Valid answers."""
    shares: dict[int, Annotated[float, Field(ge=0, le=1)]]
    """Code of an answer -> its share of the valid answers."""


class ItemFile(Noun):
    topic: Text
    """The question in a few words, as it stands in prompts for norms."""
    question: Text
    scale: str
    """One of `scales`."""
    poles: tuple[Text, Text] | None = None
    """What people on the +1 side and on the -1 side hold, each as one plain sentence. Small models tell the sides apart
    by them."""
    countries: dict[Country, CountryShares]
    """By ISO 3166 alpha-3, as `TUR`. A culture whose country is missing skips the item."""


class SurveyFile(Noun):
    """One survey as it stands in a file."""

    survey: Key
    """The survey's name in `survey: NAME/ITEM`."""
    title: Text
    source: Text
    """The reference that samples and reports give."""
    note: Text | None = None
    scales: dict[str, Annotated[tuple[Option, ...], Field(min_length=2)]]
    items: dict[Key, ItemFile]


def load_survey(path: Path) -> SurveyFile:
    """One survey file.

    Raises:
        CatalogError: with all problems found.
    """
    survey = load(path, SurveyFile)
    if found := contradictions(survey):
        raise CatalogError(placed(path, found))
    return survey


def contradictions(survey: SurveyFile) -> list[tuple[Loc, str]]:
    """What no single key shows to be wrong, each with its place in the file."""
    found: list[tuple[Loc, str]] = []
    for name, scale in survey.scales.items():
        codes = [option.code for option in scale]
        found += [
            (("scales", name, index, "code"), f"the code {clipped(code)} stands for another answer already")
            for index, code in enumerate(codes)
            if code in codes[:index]
        ]
    for key, item in survey.items.items():
        if item.scale not in survey.scales:
            names = ", ".join(clipped(name) for name in list(survey.scales)[:20])
            found.append((("items", key, "scale"), f"no scale {clipped(item.scale)!r}; there are: {names}"))
            continue
        known = {option.code for option in survey.scales[item.scale]}
        for country, cell in item.countries.items():
            loc = ("items", key, "countries", country, "shares")
            if unknown := sorted(set(cell.shares) - known):
                found.append((loc, f"the code {clipped(unknown[0])} is not on the scale {clipped(item.scale)}"))
            elif abs(sum(cell.shares.values()) - 1) > 0.01:
                found.append((loc, f"the shares sum to {sum(cell.shares.values()):.4g}; they must sum to 1"))
    return found


def load_items(extra: list[Path]) -> dict[str, SurveyItem]:
    """All items of the shipped surveys and of `extra`, by `survey/item`."""
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
