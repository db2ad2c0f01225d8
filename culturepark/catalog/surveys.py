"""Survey files: items, scales, and each country's shares of answers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from culturepark.catalog import codebook
from culturepark.catalog.codebook import RespondentsFile
from culturepark.catalog.cultures import NONE, Known
from culturepark.catalog.files import Loc, load, placed, shown
from culturepark.catalog.words import is_words
from culturepark.domain import (
    Country,
    Group,
    GroupShares,
    Named,
    Noun,
    Option,
    Situations,
    SurveyItem,
    Text,
    shipped_cultures,
)
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped

if TYPE_CHECKING:
    from culturepark.catalog.respondents import ItemFigures, RespondentTable

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=59)]
"""Two keys and a slash make a seed's key, which has 120 characters at the most."""


Shares = dict[int, Annotated[float, Field(ge=0, le=1)]]


class GroupSharesFile(Noun):
    n: Annotated[int, Field(gt=0)]
    """Valid answers of the group."""
    shares: Shares


class CountryShares(Noun):
    n: Annotated[int, Field(gt=0)]
    """Valid answers."""
    shares: Shares
    """Code of an answer -> its share of the valid answers."""
    by: dict[Group, dict[Group, GroupSharesFile]] = {}  # noqa: RUF012 - frozen
    """Grouping -> group -> its shares. The groups of `sex` are `woman`, `man` and `nonbinary`, those of `age` like
    `16-29` and `60+`; others, as `education`, are named on cards under `groups`."""


class ItemFile(Noun):
    topic: Text
    """The question in a few words, for prompts about norms."""
    question: Text
    section: Named[Text] = None
    """The part of the survey that the item is in, as `family`; figures of evaluations are also given by it."""
    scale: str
    """One of `scales`."""
    poles: tuple[Text, Text] | None = None
    """The views of the +1 side and of the -1 side, each as one plain sentence. Small models tell the sides apart by
    them."""
    countries: dict[Country, CountryShares] = {}  # noqa: RUF012 - frozen
    """By ISO 3166 alpha-3, as `TUR`. A culture whose country is missing skips the item. Required without `column`."""
    column: Named[Text] = None
    """The column of the `respondents` with the answers, in place of `countries`."""
    situations: Situations = ()
    """Cases in which an answer shows in what one would do; dialogues on the item take them in turn."""


class SurveyFile(Noun):
    survey: Key
    """The survey's name in `survey: NAME/ITEM`."""
    title: Text
    source: Text
    """The reference that samples and reports give."""
    note: Text | None = None
    scales: dict[str, Annotated[tuple[Option, ...], Field(min_length=2)]]
    respondents: Named[RespondentsFile] = None
    """A file with a row for each respondent, from which shares are computed."""
    items: dict[Key, ItemFile]


@dataclass(frozen=True)
class Survey:
    """A survey file, with the respondents that it names."""

    path: Path
    file: SurveyFile
    items: dict[str, SurveyItem]
    """By `survey/item`."""
    table: RespondentTable | None
    figures: dict[str, ItemFigures]
    """Figures of the items that are computed from respondents, by the item's own key."""
    situations: dict[str, Situations]
    """By `survey/item`."""


def load_survey(path: Path, known: Known = NONE) -> Survey:
    """
    Args:
        known: cultures beside the shipped ones; all of them may say by which codes a survey calls countries.
    Raises:
        CatalogError: with all problems of the file; those of its respondents come after all others are mended.
    """
    file = load(path, SurveyFile)
    if problems := contradictions(file):
        raise CatalogError(placed(path, problems))
    table: RespondentTable | None = None
    computed: dict[str, ItemFigures] = {}
    if file.respondents:
        from culturepark.catalog.respondents import Reader, figures  # numpy

        columns = {
            key: (item.column, [option.code for option in file.scales[item.scale]])
            for key, item in file.items.items()
            if item.column
        }
        table = Reader(path, file.respondents, columns, country_codes(file.survey, known)).read()
        computed = {key: figures(table, key) for key in columns}
    items = {}
    for key, item in file.items.items():
        own = computed.get(key)
        full_key = f"{file.survey}/{key}"
        items[full_key] = SurveyItem(
            key=full_key,
            topic=item.topic,
            question=item.question,
            options=file.scales[item.scale],
            shares=own.shares if own else {country: cell.shares for country, cell in item.countries.items()},
            by=own.by if own else group_shares(item),
            source=file.source,
            poles=item.poles,
        )
    situations = {f"{file.survey}/{key}": item.situations for key, item in file.items.items()}
    return Survey(path, file, items, table, computed, situations)


def group_shares(item: ItemFile) -> GroupShares:
    return {
        country: {
            grouping: {group: of_group.shares for group, of_group in groups.items()}
            for grouping, groups in cell.by.items()
        }
        for country, cell in item.countries.items()
        if cell.by
    }


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
    if survey.respondents:
        problems += [(("respondents", *loc), what) for loc, what in codebook.contradictions(survey.respondents)]
        if not any(item.column for item in survey.items.values()):
            problems.append((("respondents",), "no item names a `column` of them"))
    for key, item in survey.items.items():
        if item.column and not survey.respondents:
            problems.append((("items", key, "column"), "needs `respondents`, the file with the column"))
        elif item.column and item.countries:
            problems.append((("items", key, "countries"), "stands beside `column`; shares come from one of them"))
        elif not item.column and "countries" not in item.model_fields_set:
            what = ", and so is `column`" if survey.respondents else ""
            problems.append((("items", key, "countries"), f"is missing{what}"))
        if item.scale not in survey.scales:
            names = ", ".join(clipped(name) for name in list(survey.scales)[:20])
            problems.append((("items", key, "scale"), f"no scale {clipped(item.scale)!r}; there are: {names}"))
            continue
        known = {option.code for option in survey.scales[item.scale]}
        for country, cell in item.countries.items():
            loc = ("items", key, "countries", country)
            problems += wrong_shares((*loc, "shares"), cell.shares, known, item.scale)
            for grouping, groups in cell.by.items():
                if what := wrong_groups(grouping, groups):
                    problems.append(((*loc, "by", grouping), what))
                for group, of_group in groups.items():
                    place = (*loc, "by", grouping, group, "shares")
                    problems += wrong_shares(place, of_group.shares, known, item.scale)
    return problems


def wrong_shares(loc: Loc, shares: Mapping[int, float], known: Container[int], scale: str) -> list[tuple[Loc, str]]:
    if unknown := sorted(code for code in shares if code not in known):
        return [(loc, f"the code {clipped(unknown[0])} is not on the scale {clipped(scale)}")]
    if abs(sum(shares.values()) - 1) > 0.01:
        return [(loc, f"the shares sum to {sum(shares.values()):.4g}; they must sum to 1")]
    return []


def wrong_groups(grouping: str, groups: Iterable[str]) -> str:
    """Return what is wrong with the names of groups, which persons must be found in; empty if they are fine."""
    if grouping == "age":
        return codebook.overlapping(list(groups)) or ""
    odd = [group for group in groups if grouping == "sex" and group not in ("woman", "man", "nonbinary")]
    return f"{clipped(odd[0])!r} is none of woman, man, nonbinary" if odd else ""


def country_codes(survey: str, known: Known) -> dict[str, Country]:
    """Return the codes by which a survey calls countries, as culture files have them."""
    cultures = {**shipped_cultures(), **known}.values()
    return {code: country for own in cultures for country, code in own.surveys.get(survey, {}).items()}


def load_surveys(extra: Sequence[Path], known: Known = NONE) -> list[Survey]:
    """Return the shipped surveys and those of `extra`.

    Args:
        known: as for `load_survey`.
    Raises:
        CatalogError: also if an item is in two of them.
    """
    surveys: list[Survey] = []
    shipped = sorted((Path(__file__).parent / "data").glob("*.yaml"))
    for path in [*shipped, *(path for path in extra if not is_words(path))]:
        survey = load_survey(path, known)
        if again := next((key for key in survey.items if any(key in other.items for other in surveys)), None):
            raise CatalogError([Problem(shown(path), None, "survey", f"{again} exists already")])
        surveys.append(survey)
    return surveys


def load_items(extra: Sequence[Path]) -> dict[str, SurveyItem]:
    """Return all items of the shipped surveys and of `extra`, by `survey/item`."""
    return {key: item for survey in load_surveys(extra) for key, item in survey.items.items()}
