"""Suite files: what a model is asked, in whose name, and what counts as near. A suite is a YAML file beside its items.

    suite: food-customs
    title: Customs at table
    card: {by: ..., written_for: ..., language: en, correct: ..., not_asked: ..., licence: ..., source: ...}
    items: food-customs.jsonl
    scorers: [choice]

An item is a flat row: `key`, `question`, `options`, and one target (`answer`, `answers`, `shares` or `reference`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from culturepark.catalog import Framing, Marks, Method
from culturepark.catalog.files import MAX_PROBLEMS, Loc, begins_with, load, placed, shown
from culturepark.catalog.item_files import Columns, read_rows
from culturepark.catalog.scenarios import beside, load_edition, shipped_files, words_of_survey
from culturepark.catalog.scenarios import find as find_scenario
from culturepark.catalog.suite_digest import canonical_json, suite_digest
from culturepark.catalog.surveys import Survey, load_surveys
from culturepark.catalog.words import seed_in
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    CultureKey,
    Group,
    Key,
    LanguageCode,
    Noun,
    Seed,
    Spoken,
    Text,
    is_empty,
)
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.files import clipped, exists
from culturepark.languages import PACKAGES

Scale = Literal["ordinal", "nominal"]
PLAIN = "plain"
"""The arm without a prompt of its own."""
SURVEY = "survey"
"""The suite of survey items, for how far answers lie from people's."""
OF_SURVEYS: dict[str, str] = {
    SURVEY: "Distance from {title}",
    "sva": "Share of people who would choose the model's answer, of {title}",
}
"""Suites that are made of survey items: name, which is that of the scorer too -> title."""
FOLDER = Path(__file__).parent / "data" / "suites"
Long = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
ItemKey = Annotated[
    str,
    BeforeValidator(lambda key: str(key) if isinstance(key, int) else key),
    StringConstraints(pattern=r"^[^\s,=]+$", max_length=120),
]
Shares = Annotated[dict[Group, dict[int, Annotated[float, Field(ge=0, le=1)]]], Field(exclude_if=is_empty)]
TARGETS = ("answer", "answers", "shares", "reference")
TARGET_KEYS = (*TARGETS, "n", "signals", "avoid")
"""Keys of an item that say what counts as right or near."""
MOST_OPTIONS = 24


class Card(Noun):
    """What a reader of a suite's figures has to know of it."""

    by: Text
    """Who wrote the items."""
    written_for: Text
    """For whom they were written, and what for."""
    language: Text
    """The language in which they were written first."""
    correct: Text
    """What counts as right or near, and who says so."""
    not_asked: Text
    """Who was not asked, and what the items leave out."""
    licence: Text
    source: Text
    """Where the items and the figures come from."""


class ItemOption(Noun):
    code: Annotated[int, Field(ge=0, le=99_999)]
    label: Text


class ItemWords(Noun):
    """An item in another language."""

    question: Long
    options: Annotated[dict[int, Text], Field(exclude_if=is_empty)] = {}  # noqa: RUF012 - frozen
    """Code -> label: of every option, or of none."""


class Item(Noun):
    """One question, and what counts as right or near."""

    key: ItemKey
    question: Long
    options: Annotated[tuple[ItemOption, ...], Field(max_length=MOST_OPTIONS, exclude_if=is_empty)] = ()
    """None of them for an answer in free text."""
    scale: Scale = "nominal"
    """`ordinal`: the options are steps, and stand in their order."""
    language: LanguageCode = DEFAULT_LANGUAGE
    group: Annotated[str, Field(max_length=60)] = ""
    """The culture, country or community that the item is about; empty if it is about none, or about all in `shares`."""
    topic: Annotated[str, Field(max_length=200)] = ""
    words: Annotated[dict[LanguageCode, ItemWords], Field(exclude_if=is_empty)] = {}  # noqa: RUF012 - frozen
    """The item in further languages."""
    answer: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    """Code of the right option."""
    answers: Annotated[dict[Group, int], Field(exclude_if=is_empty)] = {}  # noqa: RUF012 - frozen
    """Group of people -> code of the option that is right for them."""
    shares: Shares = {}  # noqa: RUF012 - frozen
    """Group of people (a country as ISO 3166 alpha-3, or another name) -> code -> share of those who chose it."""
    n: Annotated[dict[Group, Annotated[int, Field(gt=0)]], Field(exclude_if=is_empty)] = {}  # noqa: RUF012 - frozen
    """Group of people -> how many were asked."""
    reference: Annotated[Long | None, Field(exclude_if=lambda value: value is None)] = None
    """An answer in free text that somebody who knows would give."""
    signals: Annotated[tuple[Text, ...], Field(exclude_if=is_empty)] = ()
    """What a good answer in free text takes up; for judges."""
    avoid: Annotated[tuple[Text, ...], Field(exclude_if=is_empty)] = ()
    """What it does not do; for judges."""
    split: Annotated[str | None, Field(max_length=20, exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Item:
        codes = [option.code for option in self.options]
        if len(set(codes)) < len(codes):
            raise ValueError("has two options of the same code")
        if len(codes) == 1:
            raise ValueError("has one option; none, or two and more, are wanted")
        named = [name for name in TARGETS if getattr(self, name) not in (None, {})]
        if len(named) > 1:
            raise ValueError(f"has {' and '.join(named)}; an item has one target")
        chosen = {*self.answers.values(), *([] if self.answer is None else [self.answer])}
        chosen.update(code for shares in self.shares.values() for code in shares)
        if odd := sorted(chosen - set(codes)):
            raise ValueError(f"the target names the option {odd[0]}, which it does not have")
        for group, shares in self.shares.items():
            if abs(sum(shares.values()) - 1) > 0.01:
                raise ValueError(f"the shares of {group} sum to {sum(shares.values()):.4g}; they must sum to 1")
        for code, words in self.words.items():
            if words.options and set(words.options) != set(codes):
                raise ValueError(f"words.{code}.options must have a label for each option")
        return self

    @property
    def target_kind(self) -> str | None:
        """The name of its target; None if it has none, and is only asked or judged."""
        return next((name for name in TARGETS if getattr(self, name) not in (None, {})), None)

    @property
    def codes(self) -> tuple[int, ...]:
        return tuple(option.code for option in self.options)

    @property
    def is_ordinal(self) -> bool:
        return self.scale == "ordinal"

    def in_language(self, code: LanguageCode) -> Item | None:
        """Return the item as it is put in a language; None if nobody has written it."""
        if code == self.language:
            return self
        words = self.words.get(code)
        if words is None or (self.options and not words.options):
            return None
        options = tuple(ItemOption(code=o.code, label=words.options[o.code]) for o in self.options)
        return self.model_copy(update={"question": words.question, "options": options, "language": code})


class Elicitation(Noun):
    """How an option is got out of a model."""

    method: Method = "auto"
    """`probabilities`: those of the options at the answer's token; `samples`: answers drawn at temperature 1. `auto`
    takes the first where the endpoint sends log-probabilities."""
    marks: Marks = "letters"
    samples: Annotated[int, Field(ge=1, le=1000)] = 10
    """Answers a question, where they are sampled."""
    balanced: bool = True
    """Each option is shown in each place equally often; an ordinal scale from both of its ends."""
    decline: bool = False
    """Not to answer is offered as a last option."""
    max_tokens: Annotated[int, Field(ge=16, le=8000)] = 400
    """Of an answer in free text, or of the reasoning before an option."""


class ArmNorm(Noun):
    """A norm that is given before an item."""

    text: Long
    culture: CultureKey
    shown: Annotated[tuple[ItemKey, ...], Field(exclude_if=is_empty)] = ()
    """The items that the model saw which wrote it; it is never given before one of them."""


class Arm(Noun):
    """A prompt that goes before everything else, or norms that go before each item."""

    name: Key
    prompt: Annotated[Long | None, Field(exclude_if=lambda value: value is None)] = None
    """May hold {{country}} and {{culture}}."""
    norms: Annotated[tuple[ArmNorm, ...], Field(max_length=100_000, exclude_if=is_empty)] = ()
    """Each item gets those of its culture that are nearest to it, of those that do not rest on it."""
    of_run: Annotated[str, Field(max_length=100, exclude_if=is_empty)] = ""
    """The run that mined the norms."""


class Conditions(Noun):
    """The circumstances under which each item is asked: every framing in every language, and so on."""

    framings: Annotated[tuple[Framing, ...], Field(min_length=1)] = ("neutral",)
    languages: Annotated[tuple[Spoken, ...], Field(min_length=1)] = (DEFAULT_LANGUAGE,)
    """`native`: the language of the culture that is asked for."""
    reasoning: Annotated[tuple[bool, ...], Field(min_length=1)] = (False,)
    """Whether the model thinks aloud before it answers."""
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = (Arm(name=PLAIN),)
    respondents: Annotated[int, Field(ge=0, le=1000)] = 0
    """People of the catalogue, of each culture, who are asked in place of the model; 0 for the model itself."""

    @model_validator(mode="after")
    def _has_each_arm_once(self) -> Conditions:
        names = [arm.name for arm in self.arms]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two arms are called {twice[0]}")
        if any(arm.name == PLAIN and arm.prompt is not None for arm in self.arms):
            raise ValueError(f"{PLAIN} is the arm without a prompt")
        return self


class SuiteFile(Noun):
    suite: Key
    title: Text
    note: Text | None = None
    card: Card
    items: Annotated[
        Annotated[Text, Tag("<file>")] | Annotated[tuple[Item, ...], Tag("<list>")],
        Discriminator(lambda items: "<list>" if isinstance(items, (list, tuple)) else "<file>"),
    ]
    """A file beside this one (JSON lines or CSV), or the items themselves."""
    columns: Columns = {}  # noqa: RUF012 - frozen
    """Key of an item -> column of the file; without, the columns are called like the keys."""
    scorers: Annotated[tuple[Key, ...], Field(min_length=1)]
    elicitation: Elicitation = Elicitation()
    conditions: Conditions = Conditions()
    scales: tuple[Key, ...] = ()
    """Scales on which judges rate answers in free text (`culturepark judge`)."""


class Suite(Noun):
    """A suite with its items: all that an evaluation needs of the files."""

    name: Key
    title: Text
    note: Text | None = None
    card: Card
    scorers: tuple[Key, ...]
    elicitation: Elicitation = Elicitation()
    conditions: Conditions = Conditions()
    scales: tuple[Key, ...] = ()
    items: Annotated[tuple[Item, ...], Field(min_length=1)]

    @property
    def definition(self) -> str:
        """All but the items, as canonical JSON."""
        return canonical_json(self.model_dump(mode="json", exclude={"items"}))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The columns of its items in the store: key, language, payload and target as JSON, and split."""
        return [
            {
                "key": item.key,
                "language": item.language,
                "payload": canonical_json(
                    item.model_dump(mode="json", exclude={"key", "language", "split", *TARGET_KEYS})
                ),
                "target": canonical_json(item.model_dump(mode="json", include=set(TARGET_KEYS), exclude_defaults=True)),
                "split": item.split,
            }
            for item in self.items
        ]

    @property
    def digest(self) -> str:
        """The sha256 over definition and items, as hex; the store has the same."""
        return suite_digest(self.definition, self.rows)

    @classmethod
    def of_rows(cls, definition: str, rows: Iterable[Mapping[str, Any]]) -> Suite:
        """Return the suite that the store holds."""
        items = [
            {"key": row["key"], "language": row["language"], "split": row["split"]}
            | json.loads(row["payload"])
            | json.loads(row["target"])
            for row in rows
        ]
        return cls.model_validate(json.loads(definition) | {"items": items})


# --- files -----------------------------------------------------------------------------------------


def load_suite(path: Path) -> Suite:
    """
    Raises:
        CatalogError: with all problems of the file; those of its items come after all others are mended.
    """
    file = load(path, SuiteFile)
    if problems := list(contradictions(file)):
        raise CatalogError(placed(path, problems))
    where = beside(path, file.items) if isinstance(file.items, str) else path
    numbered: list[tuple[int | None, Item]] = (
        [*read_rows(where, file.columns, Item)]
        if isinstance(file.items, str)
        else [(None, item) for item in file.items]
    )
    items = [item for _, item in numbered]
    if not items:
        raise CatalogError([Problem(shown(where), None, "items", "there are none")])
    if twice := said_again(items):
        wrong = [(index, f"{clipped(items[index].key)} is the key of two items") for index in twice]
        if isinstance(file.items, str):
            problems_of_rows = [Problem(shown(where), numbered[index][0], "key", what) for index, what in wrong]
            raise CatalogError(problems_of_rows[:MAX_PROBLEMS])
        raise CatalogError(placed(path, [(("items", index, "key"), what) for index, what in wrong]))
    values = {name: getattr(file, name) for name in SuiteFile.model_fields if name in Suite.model_fields}
    return Suite(**values | {"name": file.suite, "items": tuple(items)})


def said_again(items: Sequence[Item]) -> list[int]:
    """Return the places, from 0, of the items whose key an item before them has."""
    first: dict[str, int] = {}
    return [index for index, item in enumerate(items) if first.setdefault(item.key, index) != index]


def contradictions(file: SuiteFile) -> Iterator[tuple[Loc, str]]:
    if file.columns and not isinstance(file.items, str):
        yield ("columns",), "names columns of a file, and the items stand here"
    for index, code in enumerate(file.conditions.languages):
        if code != "native" and code not in PACKAGES:
            yield ("conditions", "languages", index), f"there are no prompts in {clipped(code)}"


def shipped_suites() -> dict[str, Path]:
    """Return the files of the shipped suites by their names; `survey` is made of survey files, and has none."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find_suite(name: str, scenario: str | None = None) -> Suite:
    """Return a suite by its name, or by the path of its file; or that of a scenario's or a survey's questions.

    Args:
        scenario: whose questions the suite `survey` puts; None for those of the shipped surveys.
    Raises:
        UsageError: if there is none, or a file is wrong.
    """
    if name in OF_SURVEYS:
        return survey_suite(scenario, name)
    if scenario is not None:
        raise UsageError(
            f"--scenario goes with the suites {' and '.join(OF_SURVEYS)}; {clipped(name)!r} has its own items"
        )
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or exists(path):
        return of_file(path)
    if found := shipped_suites().get(name):
        return load_suite(found)
    if name in {file.stem for file in shipped_files()}:
        return survey_suite(name)
    names = [*OF_SURVEYS, *shipped_suites()]
    near = get_close_matches(name, names, n=2)
    hint = f"; did you mean {' or '.join(near)}" if near else ""
    raise UsageError(
        f"no suite {clipped(name)!r}: neither a file nor one of the shipped ones ({', '.join(names)}){hint}"
    )


def of_file(path: Path) -> Suite:
    return load_suite(path) if begins_with(path, "suite") else survey_suite(str(path))


SURVEY_CARD = Card(
    by="culturepark contributors: the questions are paraphrases in our own words, not the survey's wording",
    written_for="measuring how far a model's answers lie from those that people of a country gave",
    language="English",
    correct="the shares of answers that people gave; nothing is right or wrong",
    not_asked="people who were not sampled or did not answer; shares are unweighted, and the fieldwork is years old",
    licence="Apache-2.0 for the wording; the figures are cited from the survey",
    source="as the survey's file says",
)


def survey_suite(scenario: str | None = None, name: str = SURVEY) -> Suite:
    """Return the suite of all shipped survey items, or of those that a scenario or survey file holds.

    Args:
        name: one of `OF_SURVEYS`.
    Raises:
        UsageError: if there are no surveyed questions in it.
    """
    surveys = load_surveys([])
    if scenario is None:
        seeds = [seed for survey in surveys for seed in seeds_of(survey)]
        title = "the shipped surveys"
    elif is_survey(path := find_scenario(scenario)):
        surveys = [survey for survey in load_surveys([path]) if survey.path == path]
        seeds = [seed for survey in surveys for seed in seeds_of(survey)]
        title = surveys[0].file.title
    else:
        edition = load_edition(path)
        worded = {seed.key: seed.words for survey in surveys for seed in seeds_of(survey)}
        seeds = [
            seed.model_copy(update={"words": worded.get(seed.key, {}) | seed.words})
            for seed in edition.scenario.seeds
            if seed.item
        ]
        title = f"the surveyed questions of {edition.scenario.title}"
        if not seeds:
            raise UsageError(f"{clipped(scenario)}: none of its questions is of a survey, so none has people's answers")
    source = "; ".join(sorted({seed.item.source for seed in seeds if seed.item}))
    asked = asked_of(surveys)
    sections = {
        f"{survey.file.survey}/{key}": item.section or ""
        for survey in surveys
        for key, item in survey.file.items.items()
    }
    return Suite(
        name=name,
        title=OF_SURVEYS[name].format(title=title)[:2000],
        card=SURVEY_CARD.model_copy(update={"source": source[:2000]}),
        scorers=(name,),
        conditions=Conditions(framings=("persona", "observer", "neutral") if name == SURVEY else ("persona",)),
        items=tuple(item_of(seed, asked.get(seed.key, {}), sections.get(seed.key, "")) for seed in seeds),
    )


def is_survey(path: Path) -> bool:
    return exists(path) and begins_with(path, "survey")


def seeds_of(survey: Survey) -> list[Seed]:
    """Return the items of a survey as questions, with their words in all languages that there are."""
    words = words_of_survey(survey, [code for code in PACKAGES if code != DEFAULT_LANGUAGE])
    prefix = f"{survey.file.survey}/"
    return [seed_in(Seed.of(item), words, key.removeprefix(prefix)) for key, item in survey.items.items()]


def item_of(seed: Seed, asked: Mapping[str, int], section: str) -> Item:
    """Return a survey item as an item of a suite: its options are the survey's, and its groups countries.

    Args:
        asked: country -> number of valid answers, as far as it is known.
        section: the part of the survey that it is in; empty if it has none.
    """
    item = seed.item
    assert item is not None
    words = {
        code: ItemWords(question=w.question, options=dict(w.options)) for code, w in seed.words.items() if w.options
    }
    return Item(
        key=item.key,
        question=item.question,
        options=tuple(ItemOption(code=o.code, label=o.label) for o in item.options),
        scale="ordinal",
        topic=section,
        words=words,
        shares={country: dict(shares) for country, shares in item.shares.items()},
        n=dict(asked),
    )


def asked_of(surveys: Sequence[Survey]) -> dict[str, dict[str, int]]:
    """Return the number of valid answers of each item, by country."""
    return {
        f"{survey.file.survey}/{key}": {country: cell.n for country, cell in item.countries.items()}
        for survey in surveys
        for key, item in survey.file.items.items()
    }
