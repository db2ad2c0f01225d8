"""The nouns that all other modules use, frozen and validated. No I/O, but for the shipped cultures."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sized
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from culturepark.errors import StoreError

T = TypeVar("T")

Setting = Literal["in-cultural", "cross-cultural", "panel"]
TalkSetting = Literal["one-to-one", "moderated"]
"""A talk is between the user and one persona, or has a moderator too."""
ProtocolName = Literal["self-guidance", "free-chat", "talk", "people", "evaluation", "mined", "registry"]
"""`talk` belongs to `culturepark talk` alone: a user takes part, and there is no schedule. `people` belongs to
`culturepark people` and `evaluation` to `culturepark evaluate`, which hold no dialogues. `mined` belongs to
`culturepark mine`: a model is asked, and nobody talks; `registry` to `culturepark mine registry`, which compares what
is there."""
Kind = Literal["opinion", "norm", "custom"]
Settlement = Literal["city", "town", "village"]
Relation = Literal["entail", "contradict", "irrelevant", "unparsable"]
Criterion = Literal[
    "faithful", "stance", "carried", "answers", "answers-seed", "answers-case", "answers-other", "stands-alone",
    "distinctive",    "harmlessness", "awareness", "cross-check",
]  # fmt: skip
"""`faithful` and `stance` are asked of a statement, `carried` of the line of the card that it is said to come from. The
next six are asked of the row that it would make, without the talk: does it answer its own question, the seed's, that of
the case, and somebody from another country who says how it is there; can it be understood alone; would it not pass for
most other countries. The last three are options."""
Scored = Literal["harmlessness", "awareness"]
"""Criteria on which a panel of judges gives scores."""
Heard = Literal["shared", "varies", "unknown", "denied"]
"""A second persona's answer about a norm of the same culture."""
Shape = Literal["survey", "open", "norm", "own", "situation", "limit", "contrast", "decline", "reasoned"]
"""How a statement is put as a row. `survey`: the seed's question with its options; `open`: the seed's question alone;
`norm`: a bare request for a rule or custom; `own`: the statement's own question; `situation`: the case, and what one
does; `limit`: for whom it is not so; `contrast`: which of two answers is from which country; `decline`: a custom of
another country, and what is done instead; `reasoned`: the seed's question with its options, and an answer that ends
with the choice."""
About = Literal["seed", "case", "else"]
"""What a statement speaks of: the seed's question, the case at the table, or something else."""
Reach = Literal["general", "personal"]
"""Whether a statement tells of people around the speaker, or of the speaker alone."""
Attribute = Literal["age", "sex", "place", "settlement", "faith", "work", "schooling", "household"]
"""What of a person an answer may hang on."""
StancesFrom = Literal["shares", "joint", "none"]
"""`shares`: each answer is dealt from the country's shares. `joint`: each person holds one respondent's answers.
`none`: nobody is dealt an answer."""
Role = Literal["main", "delegate", "moderator", "user"]
"""`user` is the person at the keyboard, who has neither card nor culture and is never mined."""
Measure = Literal["stance", "understanding"]
"""What is asked of models after a talk to measure it. `stance`: a judge who sees what was said guesses each person's
answer; `understanding`: with and without the talk, a reader predicts what each person would do in a new situation."""
Stage = Literal["seat", "dialogue", "examine", "extract", "verify", "measure", "dedup", "render", "samples"]
"""A step of a run. The first and the last two are done once for all dialogues."""
BATCHES: Mapping[str, tuple[str, ...]] = {
    "seat": ("seat",),
    "dialogue": ("dialogue",),
    "extract": ("examine", "extract"),
    "verify": ("verify",),
    "judge": ("check",),
    "measure": ("measure",),
}
"""What may be asked in batches, by the word for it -> the stages of the calls. Requests of other stages are few, and
each hangs on the one before."""
ALL, NONE = "all", "none"
"""Stand for all of these words, and for none of them."""
Mined = Literal["delegate", "main"]
"""Role of a speaker whose words are mined."""
Origin = Literal["model", "picked", "cue", "fallback", "typed", "edited"]
Moderation = Literal["scripted", "balanced", "led"]
"""The moderator's policy. `scripted`: fixed phases; `balanced`: rules choose its next act from the talk so far; `led`:
a model chooses among the acts that the rules allow."""
Memory = Literal["window", "whole"]
"""What a speaker is shown of a talk. `window`: the last turns word by word, and a line of each one before them;
`whole`: every turn."""
STEERED: tuple[ProtocolName, ...] = ("self-guidance",)
"""Protocols whose moderator may have a policy other than `scripted`."""
Act = Literal[
    "welcome", "ask", "bring-in", "pass-on", "scene", "rule", "exception", "otherwise", "contrast", "say-back",
    "move-on", "close",
]  # fmt: skip
"""What a moderator does with a turn; `dialogue.policy` says what each is for."""
Told = Literal["answer", "scene", "rule", "consequence", "exception", "reaction"]
"""What a speech holds, by its speaker's mark."""
Provenance = Literal["card", "episode", "model"]
"""Where content comes from: the person's card, a scene on it, or the model that speaks."""
SlipKind = Literal["contradiction", "addressee", "task", "unanswered", "unfounded"]
"""What a turn did wrong, as the verifier found after the talk. `contradiction`: of the card, a scene or an earlier turn
of the speaker; `addressee`: it takes somebody for somebody else; `task`: it speaks of the task or the prompt;
`unanswered`: it does not answer what was asked of it; `unfounded`: it tells a rule or custom of a place as a fact, and
neither card nor scene holds it."""
SlipOutcome = Literal["not mined", "flagged", "mined"]
SLIP_OUTCOMES: dict[SlipKind, SlipOutcome] = {
    "contradiction": "not mined",
    "addressee": "not mined",
    "task": "not mined",
    "unanswered": "mined",
    "unfounded": "flagged",
}
"""What becomes of a turn with a slip; `flagged`: it is mined, and all samples of it say so."""
Decision = Literal["accept", "reject", "comment"]
"""A reviewer's; `comment` where there is only a rating, a wording or a note."""
ModelRole = Literal[
    "speaker", "moderator", "interpreter", "extractor", "verifier", "embedder", "judge", "judge-2", "judge-3"
]
JUDGES: tuple[ModelRole, ...] = ("judge", "judge-2", "judge-3")
"""The second and third exist only where several models were named for `judge`."""


def storable(text: str) -> str:
    """Replace NUL and lone surrogates, which no database column and no UTF-8 file can hold, by U+FFFD."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def without_nul(text: str) -> str:
    """Refuse the one character that PostgreSQL cannot hold."""
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


def not_blank(value: Any) -> Any:
    """Refuse a key without a value, which is neither on nor off."""
    if value is None:
        raise ValueError("has nothing behind it; what is not wanted is left out")
    return value


def not_a_seat(key: str) -> str:
    """Refuse the two keys of speakers who are no personas."""
    if key in ("moderator", "user"):
        raise ValueError(f"must not be `{key}`, which is the {key}'s own")
    return key


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(without_nul)
]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
PersonaKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=80), AfterValidator(not_a_seat)]
"""Begins with a letter, since with `_` for `-` it is a part of the agent's name, a Python identifier."""
CultureKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
"""The key of a culture file. Whether there is such a culture is checked where files are read."""
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""BCP 47; `languages.PACKAGES` has all there are."""
DEFAULT_LANGUAGE: LanguageCode = "en"
NATIVE: Literal["native"] = "native"
"""A scenario's language where everybody is held in the own one."""
Spoken = LanguageCode | Literal["native"]
Across = Literal["interpreter", "lingua-franca"]
"""How people without a common mother tongue talk. `interpreter`: each in the own language, and the others hear a
rendering; `lingua-franca`: in a language that all cards at the table allow, or else with an interpreter."""
SEVERAL_LANGUAGES: LanguageCode = "mul"
"""ISO 639-2, for a dialogue in which several languages are spoken."""
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
TEXT_OR_NUMBER = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
"""What editors are told of a text that may be a bare number in YAML."""
Group = Annotated[
    str,
    BeforeValidator(lambda name: str(name) if isinstance(name, int) else name),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
    AfterValidator(without_nul),
    WithJsonSchema(TEXT_OR_NUMBER),
]
"""A grouping of people, as `education`, or a group in it, as `higher`."""
AGE_GROUP = re.compile(r"(\d{1,3})(?:-(\d{1,3})|(\+))?")
"""`30-49`, `60+` or `18`."""
Named = Annotated[T | None, BeforeValidator(not_blank), Field(exclude_if=lambda value: value is None)]
"""Off unless it is named. A check that is off leaves no trace in a scenario's digest."""


def is_empty(value: Sized) -> bool:
    return not value


class Status(StrEnum):
    """The state of a run or a dialogue."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Noun(BaseModel):
    """Frozen; unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False, defer_build=True)


# --- cultures ----------------------------------------------------------------------------------


Level = Literal["first", "fluent", "fair", "little"]
SPOKEN_AT_A_TABLE: tuple[Level, ...] = ("first", "fluent", "fair")
"""How well somebody must speak a language to hold a talk in it."""


class Tongue(Noun):
    """A language that a person, or people of a culture, speak."""

    language: LanguageCode
    """BCP 47, as `pt` or `de-AT`."""
    level: Annotated[Level, Field(exclude_if=lambda level: level == "first")] = "first"
    """`first`: a mother tongue."""
    variety: Named[Text] = None
    """Dialect or standard, as `Jordanian Arabic`, and the forms of address in it."""
    with_whom: Annotated[Named[Text], Field(alias="with")] = None
    """With whom it is spoken, where that is not everybody."""


SurveyCode = Annotated[
    str,
    BeforeValidator(lambda code: str(code) if isinstance(code, int) else code),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=40),
    WithJsonSchema(TEXT_OR_NUMBER),
]


class Culture(Noun):
    """A culture file: what people of one culture share in a run, and the countries that may ground it."""

    culture: CultureKey
    """The key, by which cards and scenarios name it."""
    name: Text
    """What the culture is called in lists."""
    adjective: Text
    """What its people are called, before a noun: `Japanese`."""
    countries: Annotated[tuple[Country, ...], Field(min_length=1, max_length=40)]
    """ISO 3166 alpha-3. A person of the culture is from one of them, whose survey answers are dealt to that person; the
    first is the default."""
    role: Literal["delegate", "main"] = "delegate"
    """`main`: its people are main contacts, who sit beside a delegate in a cross-cultural dialogue."""
    address: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000), AfterValidator(without_nul)
    ]
    """How people address each other: who is called what by whom, and when that changes."""
    languages: Annotated[tuple[Tongue, ...], Field(min_length=1, max_length=20)]
    """The languages spoken there, the most usual first."""
    surveys: Annotated[dict[Group, dict[Country, SurveyCode]], Field(max_length=40, exclude_if=is_empty)] = {}
    """Survey -> country -> its code in that survey's files, where that is not the alpha-3."""
    names: Annotated[dict[Country, dict[LanguageCode, Text]], Field(max_length=40, exclude_if=is_empty)] = {}
    """Country -> language -> its name in a sentence, where CLDR has one that nobody would say."""


@cache
def shipped_cultures() -> Mapping[str, Culture]:
    """Return the shipped cultures by their keys, in the order of the keys."""
    from ruamel.yaml import YAML

    folder = Path(__file__).parent / "catalog" / "data" / "cultures"
    texts = (path.read_text("utf-8") for path in sorted(folder.glob("*.yaml")))
    found = [Culture.model_validate(YAML(typ="safe").load(text)) for text in texts]
    return MappingProxyType({culture.culture: culture for culture in found})


# --- people ------------------------------------------------------------------------------------


SchwartzValue = Literal[
    "self-direction", "stimulation", "hedonism", "achievement", "power",
    "security", "conformity", "tradition", "benevolence", "universalism",
]  # fmt: skip
"""The ten basic values of Schwartz (1992), in the order of his circle."""


class Value(Noun):
    value: Text
    """Something that matters to this person."""
    schwartz: Named[SchwartzValue] = None
    """The basic value that it is about."""
    why: Text
    """One sentence from this person's life."""


class Speech(Noun):
    directness: Literal["direct", "indirect", "mixed"]
    formality: Literal["formal", "familiar", "mixed"]
    manner: Text
    """The way this person talks, in a sentence or two."""


class Custom(Noun):
    """A norm (what one is expected to do) or a custom (what people regularly do), known from the inside."""

    kind: Literal["norm", "custom"]
    topic: Text
    text: Text
    """In the first person, as this person would tell it."""
    source: Text | None = None
    """A reference to check it by."""


class Saying(Noun):
    """Words that this person would say aloud."""

    text: Text
    """In the person's own language."""
    english: Text
    """A rendering."""
    language: LanguageCode


class Scene(Noun):
    """A scene that this person remembers. It may be told once in a run."""

    when: Text
    where: Text
    who: Text
    """The others who were there."""
    topics: Annotated[tuple[Text, ...], Field(min_length=1, max_length=8)]
    """Nouns by which the scene comes to mind."""
    text: Text
    """In the first person, with something that was said."""


class Episodes(Noun):
    origin: Text
    """Who wrote the scenes, from what, and who has read them."""
    scenes: Annotated[tuple[Scene, ...], Field(min_length=1, max_length=40)]


class ValueWords(Noun):
    value: Text
    why: Text


class SceneWords(Noun):
    when: Text
    where: Text
    who: Text
    topics: Annotated[tuple[Text, ...], Field(min_length=1, max_length=8)]
    text: Text


class PersonaWords(Noun):
    """A card in another language than its own. What is absent is shown as it stands on the card."""

    origin: Named[Text] = None
    """Who wrote it, and who has read it."""
    name: Named[Text] = None
    addressed: Named[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]] = None
    """How others at a table address this person in the language, such as `Emine Hanım`."""
    region: Named[Text] = None
    place: Named[Text] = None
    household: Named[Text] = None
    work: Named[Text] = None
    schooling: Named[Text] = None
    faith: Named[Text] = None
    observance: Named[Text] = None
    generation: Named[Text] = None
    languages: Annotated[tuple[Text, ...], Field(exclude_if=is_empty)] = ()
    values: Annotated[tuple[ValueWords, ...], Field(exclude_if=is_empty)] = ()
    """In the order of the card; so are `norms` and `scenes`."""
    manner: Named[Text] = None
    how: Named[Text] = None
    """The variety and the forms of address that this person uses, said to the person."""
    norms: Annotated[tuple[Text, ...], Field(exclude_if=is_empty)] = ()
    scope: Named[Text] = None
    scenes: Annotated[tuple[SceneWords, ...], Field(exclude_if=is_empty)] = ()

    @property
    def is_whole(self) -> bool:
        """Whether somebody wrote the card in the language, not only what can be looked up."""
        return bool(self.norms)


class Source(Noun):
    """Where a card comes from that nobody wrote by hand."""

    name: Text
    """The table, or the source of the quotas."""
    licence: Text
    row: Named[Annotated[int, Field(ge=1)]] = None
    """The row of the table, or the number among those who were drawn to the quotas."""
    completed_by: Named[Text] = None
    """The model that wrote what the table does not say, with its call."""


class Persona(Noun):
    """One particular person. Only the person's own agent is shown the card."""

    key: PersonaKey
    """The file's name without its ending."""
    name: Text
    called: Annotated[str, Field(pattern=r"^[\w'’.-]{1,40}$")]
    """The one word by which the others address this person."""
    culture: CultureKey
    """The key of a culture file."""
    role: Literal["main", "delegate"]
    gender: Literal["woman", "man", "nonbinary"]
    age: Annotated[int, Field(ge=16, le=110)]
    country: Country | None
    """One of the culture's countries (ISO 3166 alpha-3); stances are drawn from its answers. A main contact may do
    without, and is then dealt none."""
    country_names: Annotated[dict[LanguageCode, Text], Field(max_length=40, exclude_if=is_empty)] = {}
    """Language -> the country's name in a sentence, where CLDR has one that nobody would say. A culture's `names` fill
    it in."""
    groups: Annotated[dict[Group, Group], Field(max_length=20, exclude_if=is_empty)] = {}
    """Groups of surveys that this person belongs to, as `education: higher`. Sex and age follow from the card."""
    region: Text
    place: Text
    settlement: Settlement
    household: Named[Text] = None
    """The people this person lives with."""
    work: Text
    schooling: Text
    faith: Text
    observance: Text
    generation: Text
    languages: Annotated[tuple[Text, ...], Field(min_length=1)]
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=8)]
    speech: Speech
    sayings: Annotated[tuple[Saying, ...], Field(max_length=6, exclude_if=is_empty)] = ()
    norms: Annotated[tuple[Custom, ...], Field(min_length=3, max_length=6)]
    scope: Text
    """People for whom this person does not speak."""
    episodes: Named[Episodes] = None
    weight: Annotated[float, Field(gt=0, le=1_000_000, exclude_if=lambda weight: weight == 1)] = 1
    """How often this person sits at a table beside the others of the culture."""
    source: Named[Source] = None
    """For a card from a table of people."""
    speaks: Annotated[tuple[Tongue, ...], Field(max_length=12, exclude_if=is_empty)] = ()
    """Languages that this person would talk in, the mother tongue first."""
    words: Annotated[dict[LanguageCode, PersonaWords], Field(exclude_if=is_empty)] = {}
    """The card in other languages, from the files `KEY.LANGUAGE.yaml` beside it."""
    told_in: Named[LanguageCode] = None
    """The language that `in_language` has put the card in; never in a file."""
    nobody: Annotated[bool, Field(exclude_if=lambda nobody: not nobody)] = False
    """Nobody speaks: a model was asked without a talk, and its rows name the country alone; never in a file."""

    def in_language(self, code: LanguageCode) -> Persona:
        """Return the card as it reads in a language, as far as there are words of it."""
        if code == self.told_in or (code == DEFAULT_LANGUAGE and code not in self.words):
            return self
        words = self.words.get(code, PersonaWords())
        plain = ("name", "region", "place", "household", "work", "schooling", "faith", "observance", "generation")
        new: dict[str, Any] = {name: text for name in (*plain, "scope") if (text := getattr(words, name))}
        manner = " ".join(part for part in (words.manner or self.speech.manner, words.how) if part)
        new |= {"speech": self.speech.model_copy(update={"manner": manner}), "told_in": code}
        if words.addressed:
            new["called"] = words.addressed
        if words.languages:
            new["languages"] = words.languages
        if words.values:
            pairs = zip(self.values, words.values, strict=True)
            new["values"] = tuple(value.model_copy(update=dict(told)) for value, told in pairs)
        if words.norms:
            told_norms = zip(self.norms, words.norms, strict=True)
            new["norms"] = tuple(norm.model_copy(update={"text": text}) for norm, text in told_norms)
        if words.scenes and self.episodes:
            scenes = zip(self.episodes.scenes, words.scenes, strict=True)
            told_anew = tuple(scene.model_copy(update=dict(text)) for scene, text in scenes)
            new["episodes"] = self.episodes.model_copy(update={"scenes": told_anew})
        return self.model_copy(update=new)

    @property
    def own_language(self) -> LanguageCode:
        """The mother tongue, or where the card is not written in that, another one that comes as easily and has words.

        English, in which all cards are written, is somebody's own only as a mother tongue, or if the card names none.
        """
        easy = [
            t.language for t in self.speaks if t.level == "first" or (t.level == "fluent" and t.language in self.words)
        ]
        easy = easy or [DEFAULT_LANGUAGE]
        return next(filter(self.is_written_in, easy), easy[0])

    def is_written_in(self, code: LanguageCode) -> bool:
        """Whether the card is there in a language."""
        return code == DEFAULT_LANGUAGE or (code in self.words and self.words[code].is_whole)

    def holds_talks_in(self, code: LanguageCode) -> bool:
        """Whether this person can talk at a table in a language; in English alone, if the card names no languages."""
        if not self.speaks:
            return code == DEFAULT_LANGUAGE
        return any(tongue.language == code and tongue.level in SPOKEN_AT_A_TABLE for tongue in self.speaks)

    def group(self, grouping: str, groups: Collection[str]) -> str | None:
        """Return this person's group in a grouping of a survey that has `groups`; None if the person is in none."""
        if grouping == "age":
            return next((group for group in groups if self.age in ages(group)), None)
        own = self.gender if grouping == "sex" else self.groups.get(grouping)
        return own if own in groups else None

    @property
    def country_name(self) -> str:
        """The country in a sentence; for a main contact without one, that of the culture."""
        return self.country_in(self.told_in or DEFAULT_LANGUAGE)

    def country_in(self, language: str) -> str:
        """Return the name of the country in a sentence of a language."""
        from culturepark.languages.countries import country_name

        return self.country_names.get(language) or country_name(self.home, language)

    @property
    def home(self) -> str:
        """The country; for a main contact without one, the first of the culture."""
        return home_of(self.country, self.culture)


def home_of(country: str | None, culture: str) -> str:
    """Return the country of a person; where the card names none, the first of the shipped culture."""
    if country or culture not in shipped_cultures():
        return country or ""
    return shipped_cultures()[culture].countries[0]


@cache
def ages(group: str) -> range:
    """Return the ages of a group like `30-49`, `60+` or `18`; none for other words."""
    if not (parts := AGE_GROUP.fullmatch(group)):
        return range(0)
    first, last, upwards = parts.groups()
    return range(int(first), 1 + (130 if upwards else int(last or first)))


class Draft(Noun):
    """What a table or quotas say of one person. A model writes the rest of the card."""

    number: Annotated[int, Field(ge=1)]
    """From 1. The person's calls are those of `RUN.p1`."""
    given: dict[str, Any]
    """Keys of a card, its `key` among them."""
    about: Annotated[str, Field(exclude_if=is_empty)] = ""
    """What else the table says, for the model that writes."""
    source: Source


# --- questions ---------------------------------------------------------------------------------


GroupShares = dict[Country, dict[Group, dict[Group, dict[int, float]]]]


class Option(Noun):
    code: Annotated[int, Field(ge=0, le=99_999)]
    """As in the survey; never a missing-value code, which is below zero."""
    label: Text
    side: Literal[-1, 0, 1]
    """The side of the scale; 0 is the middle, which nothing contradicts."""


class SurveyItem(Noun):
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    """`survey/item`, e.g. `wvs7/Q33`."""
    topic: Text
    question: Text
    options: Annotated[tuple[Option, ...], Field(min_length=2)]
    shares: dict[Country, dict[int, float]]
    """For each country where the item was asked: share of valid answers by code; they sum to 1 within rounding."""
    by: Annotated[GroupShares, Field(exclude_if=is_empty)] = {}
    """Country -> grouping -> group -> share of valid answers by code."""
    source: Text
    poles: tuple[Text, Text] | None = None
    """The views of the +1 side and of the -1 side, each as one plain sentence. Small models tell the sides apart by
    them; without, the question and the ends of the scale stand in."""


class Respondents(Noun):
    """Respondents of one survey and country, drawn with their weights, so that each of them counts the same."""

    survey: str
    country: Country
    items: tuple[str, ...]
    """Keys of the items, in the order of `answers`."""
    groupings: tuple[str, ...]
    """Names of the groupings, in the order of `groups`."""
    bands: tuple[str, ...] = ()
    """The groups of the grouping `age`."""
    answers: tuple[tuple[int | None, ...], ...]
    """For each respondent a code for each item; None where the respondent gave no answer."""
    groups: tuple[tuple[str | None, ...], ...]
    """For each respondent a group in each grouping; None where it is not known."""


class Choice(Noun):
    """One thing that somebody may do in a situation."""

    text: Text
    side: Named[Literal[-1, 0, 1]] = None
    """The side of the survey item's scale that it belongs to."""


class Situation(Noun):
    """A case that is put to people, in which a view shows in what they would do."""

    place: Text
    relation: Text
    """The others in it, and what they are to the person who is asked."""
    stake: Text
    unsaid: Text
    """What everybody there knows and nobody says."""
    told: Text
    """The case in the moderator's words, without a question."""
    choices: Annotated[tuple[Choice, ...], Field(max_length=6, exclude_if=is_empty)] = ()
    """By these a model predicts what somebody would do (`measure: [understanding]`)."""

    @property
    def is_open(self) -> bool:
        """Whether it says what one may do there."""
        return len(self.choices) > 1


Situations = Annotated[tuple[Situation, ...], Field(max_length=20, exclude_if=is_empty)]


LEAST_SITUATIONS = 2
"""With choices, for a question of which understanding can be measured: one is talked about, another one is new."""


class SituationWords(Noun):
    told: Text
    unsaid: Text


class QuestionWords(Noun):
    """A question in another language."""

    topic: Text
    question: Text
    options: Annotated[dict[int, Text], Field(exclude_if=is_empty)] = {}
    """By the codes of the survey item's options: all of them, or none."""
    poles: Named[tuple[Text, Text]] = None
    situations: Annotated[tuple[SituationWords, ...], Field(exclude_if=is_empty)] = ()
    """Of the question's own situations the first, in their order."""
    back: Named[Text] = None
    """The question put back into English by somebody who had not seen the English one."""


class Seed(Noun):
    """A question that a dialogue is about, with the survey item behind it if there is one."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w./-]*$", max_length=120)]
    topic: Text
    question: Text
    item: SurveyItem | None = None
    situations: Situations = ()
    words: Annotated[dict[LanguageCode, QuestionWords], Field(exclude_if=is_empty)] = {}
    """The question in other languages."""

    @classmethod
    def of(cls, item: SurveyItem, situations: tuple[Situation, ...] = ()) -> Seed:
        return cls(key=item.key, topic=item.topic, question=item.question, item=item, situations=situations)

    def in_language(self, code: LanguageCode) -> Seed:
        """Return the question as it is put in a language. Situations of which there are no words are left out."""
        words = self.words.get(code)
        if words is None:
            return self
        new: dict[str, Any] = {"topic": words.topic, "question": words.question}
        new["situations"] = tuple(
            case.model_copy(update=dict(told)) for case, told in zip(self.situations, words.situations, strict=False)
        )
        if self.item:
            options = tuple(
                option.model_copy(update={"label": words.options.get(option.code, option.label)})
                for option in self.item.options
            )
            told = {"topic": words.topic, "question": words.question, "options": options}
            new["item"] = self.item.model_copy(update=told | ({"poles": words.poles} if words.poles else {}))
        return self.model_copy(update=new)


class Limits(Noun):
    max_cost_usd: Annotated[float, Field(gt=0, le=1e9)] | None = None
    max_tokens: Annotated[int, Field(gt=0, le=10**15)] | None = None
    rpm: Annotated[int, Field(gt=0, le=10**9)] | None = None
    """Requests a minute to each remote endpoint."""
    tpm: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """Tokens a minute, sent and received, to each remote endpoint."""


class DedupPolicy(Noun):
    threshold: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """The least cosine similarity of two statements of a block that may say the same; None for the embedder's own."""


class ScorePolicy(Noun):
    at_least: Annotated[float, Field(ge=1, le=5)]
    """The lowest score of the panel (the median of its judges, 1 to 5) that keeps a statement."""


class CrossCheckPolicy(Noun):
    keep: Annotated[tuple[Heard, ...], Field(min_length=1)] = ("shared", "varies")
    """The second persona's answers that keep a norm or custom."""


class ChecksPolicy(Noun):
    """Checks beside stance, asked in this order and only of statements that have passed so far."""

    harmlessness: Named[ScorePolicy] = None
    awareness: Named[ScorePolicy] = None
    judges: Annotated[int, Field(ge=1, le=3)] = 3
    """Number of judges. Each has its own brief, and its own model if several are named."""
    cross_check: Named[CrossCheckPolicy] = None

    @model_validator(mode="after")
    def one_at_least(self) -> ChecksPolicy:
        if not (self.harmlessness or self.awareness or self.cross_check):
            raise ValueError("names no check: harmlessness, awareness or cross_check")
        return self


OLD_MODES = {"quotes": "batch", "sentences": "heads"}
"""The two ways of extraction, by their names in runs of old."""


class DistillPolicy(Noun):
    keep: tuple[Literal["entail", "contradict", "irrelevant"], ...] = ("entail",)
    """Relations to the speaker's stance that are kept."""
    extract: Annotated[Literal["auto", "batch", "heads"], BeforeValidator(lambda mode: OLD_MODES.get(mode, mode))] = (
        "auto"
    )
    """`batch`: the model labels many pieces a call, as JSON; `heads`: an encoder with heads reads the clauses."""
    slips: Annotated[Literal["apart", "together"], Field(exclude_if=lambda slips: slips == "apart")] = "apart"
    """`together`: slips are looked for in the call that finds statements, where one model does both; `apart`: in a call
    of their own before it."""
    verify: Annotated[
        Literal["auto", "batch", "claims"],
        BeforeValidator(lambda mode: "claims" if mode == "letters" else mode),  # its name in runs of old
    ] = "auto"
    """`batch`: many statements a call, as JSON; `claims`: yes or no, one claim at a time."""
    rewrite: Literal["checked", "off", "as-published"] = "checked"
    """Rewording of contradicting opinions. `as-published` keeps a rewording unchecked, and flags it."""
    generic: Annotated[Literal["drop", "keep"], Field(exclude_if=lambda generic: generic == "drop")] = "drop"
    """What becomes of norms and customs that would pass for most other countries. Opinions are only flagged."""
    paraphrases: Annotated[int, Field(ge=0, le=50, exclude_if=lambda count: count == 0)] = 0
    """More wordings of each prompt, for which the extractor's model is asked once a run."""
    english: Annotated[bool, Field(exclude_if=lambda english: english)] = True
    """Whether statements in other languages are put into English too, for `export --language en` and readers."""
    checks: Named[ChecksPolicy] = None
    dedup: DedupPolicy = DedupPolicy()


Weight = Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
Listed = Annotated[tuple[Shape, ...], Field(min_length=1)]
Shares = Annotated[dict[Shape, Weight], Field(min_length=1)]
LISTED: TypeAdapter[Any] = TypeAdapter(Listed)
SHARES: TypeAdapter[Any] = TypeAdapter(Shares)


def as_listed_or_shares(value: Any, _: Any) -> Any:
    """Validate shapes as the one of their two forms that they are in, so that a mistake is named once, at its place."""
    if not isinstance(value, dict | list | tuple):
        raise ValueError("must be a list of shapes, or a map of shapes to their shares")
    return (SHARES if isinstance(value, dict) else LISTED).validate_python(value)


Shapes = Annotated[Listed | Shares, WrapValidator(as_listed_or_shares)]
"""A list: every row of these shapes that fits. A map to numbers: the shares of the shapes among the rows."""
SHAPE_SHARES: dict[Shape, float] = {
    "own": 4.0, "norm": 3.0, "open": 2.0, "situation": 2.0,
    "survey": 3.0, "limit": 1.0, "contrast": 1.0, "decline": 1.0,
}  # fmt: skip
"""The shares of a scenario that says nothing. Two thirds are shapes of which a statement gets one; so there are fewer
than two rows for each answer."""


Mine = Literal["seeds", "norms"]
"""What is mined without a talk: survey questions in other words, or norms of a topic."""
How = Literal["none", "paraphrase", "topic", "top", "sampled"]
"""How. Of seeds, `none`: the questions as they stand; `paraphrase`: in other words. Of norms, what the model is shown:
`topic` its name alone; `top` its questions too, each with the commonest answer in the country; `sampled` with several
answers that are drawn from the country's shares."""


class Topic(Noun):
    """Something that norms are about, with the survey questions that a model may be shown."""

    key: Key
    name: Text
    questions: tuple[str, ...]
    """Keys of the scenario's seeds."""

    @property
    def seed_key(self) -> str:
        """The key of the seed under which its norms stand."""
        return f"topic/{self.key}"


class Mining(Noun):
    """What a run mines without a talk."""

    what: Mine
    how: How
    rows: Annotated[int, Field(ge=1, le=1000)]
    """Of seeds: other sentences for each question, or with `none` rows of each; of norms: how many of each topic."""
    synonyms: bool = False
    """Whether each sentence is put a second time, with synonyms."""
    topics: Annotated[tuple[Topic, ...], Field(exclude_if=is_empty)] = ()
    held_out: Annotated[tuple[str, ...], Field(exclude_if=is_empty)] = ()
    """Keys of questions that no model is shown, and of which no row is made."""
    answers: Annotated[int, Field(ge=1, le=50)] = 5
    """Answers to each question that `sampled` shows."""
    reasons: Annotated[int, Field(ge=0, le=50)] = 0
    """Answers to each question that are reached by a reasoning from norms; each has a drawn answer."""


class Scenario(Noun):
    """A scenario file with everything it names resolved."""

    name: Key
    title: Text
    setting: Setting | TalkSetting
    cultures: Annotated[tuple[CultureKey, ...], Field(min_length=1)]
    """Main contacts' culture only in a talk."""
    protocol: ProtocolName
    moderation: Annotated[Moderation, Field(exclude_if=lambda moderation: moderation == "scripted")] = "scripted"
    """Scenarios stored by version 0.1 do not say it, and were scripted."""
    memory: Annotated[Memory, Field(exclude_if=lambda memory: memory == "window")] = "window"
    measure: Annotated[tuple[Measure, ...], Field(exclude_if=is_empty)] = ()
    language: Spoken = DEFAULT_LANGUAGE
    """All talk in it; `native`: everybody in the own language."""
    across: Annotated[Across, Field(exclude_if=lambda across: across == "interpreter")] = "interpreter"
    """Where the language is `native`."""
    seeds: tuple[Seed, ...]
    """None where nothing is talked about: people are made, or a suite is put to a model."""
    dialogues_per_seed: Annotated[int, Field(ge=1, le=10_000)] = 1
    people: Annotated[int, Field(ge=1, le=8)] = 2
    """Personas in a dialogue; more than two only in a panel, and one in a talk."""
    max_turns: Annotated[int, Field(ge=4, le=200)] = 14
    """Persona turns in a dialogue."""
    stances: Annotated[StancesFrom, Field(exclude_if=lambda stances: stances == "shares")] = "shares"
    limits: Limits = Limits()
    distill: DistillPolicy = DistillPolicy()
    samples: Shapes = SHAPE_SHARES
    mine: Annotated[tuple[Mined, ...], Field(min_length=1)] = ("delegate",)
    """Whose words are mined: main contacts' only where they are named."""
    mining: Named[Mining] = None
    """What is mined, where there is no talk."""

    @property
    def rows_are_questions(self) -> bool:
        """Whether what varies in its rows is the question, and the answer is drawn from the country's shares."""
        return self.mining is not None and self.mining.what == "seeds"

    def topic(self, seed_key: str) -> Topic | None:
        """Return the topic whose norms stand under a seed; None for a question, and where nothing is mined."""
        topics = self.mining.topics if self.mining else ()
        return next((topic for topic in topics if topic.seed_key == seed_key), None)

    def questions_shown(self, seed_key: str, country: str) -> tuple[Seed, ...]:
        """Return the questions on which the norms under a seed rest: those that the model was shown for a country.

        None where the topic's name is all that it was shown, and never a question that is held out.
        """
        topic = self.topic(seed_key)
        if topic is None or self.mining is None or self.mining.how == "topic":
            return ()
        wanted = set(topic.questions) - set(self.mining.held_out)
        return tuple(s for s in self.seeds if s.key in wanted and s.item and country in s.item.shares)


class Edition(Noun):
    """A scenario with its people: the whole plan of a run, over which its digest is taken."""

    scenario: Scenario
    personas: tuple[Persona, ...]
    respondents: Annotated[tuple[Respondents, ...], Field(exclude_if=is_empty)] = ()
    """From whom people's answers are taken, where `stances` is `joint`."""
    drafts: Annotated[tuple[Draft, ...], Field(exclude_if=is_empty)] = ()
    """People who are to be made; there are no others in such a run."""
    cultures: Annotated[tuple[Culture, ...], Field(exclude_if=is_empty)] = ()
    """Definitions of the cultures of the run. Runs of old have none, and were of shipped cultures."""

    def persona(self, key: str) -> Persona:
        return the_one(key, (p for p in self.personas if p.key == key))

    def culture(self, key: str) -> Culture:
        known = {**shipped_cultures(), **{culture.culture: culture for culture in self.cultures}}
        return the_one(key, (culture for name, culture in known.items() if name == key))

    def seed(self, key: str) -> Seed:
        """Return the question of a dialogue; without its survey item where nobody is dealt an answer."""
        seed = the_one(key, (s for s in self.scenario.seeds if s.key == key))
        return seed.model_copy(update={"item": None}) if self.scenario.stances == "none" else seed


def the_one(key: str, matches: Iterator[T]) -> T:
    """Return the only match of a key. Keys come from rows of the run, so one without a match is damage."""
    match = next(matches, None)
    if match is None:
        raise StoreError(f"the run has no {key[:120]!r}; the row that names it is damaged")
    return match


# --- a dialogue --------------------------------------------------------------------------------


class Stance(Noun):
    """A delegate's own answer to the seed, drawn from its country's shares."""

    code: int
    text: str


class Participant(Noun):
    persona: Persona
    stance: Stance | None = None
    fit: int | None = None
    """How well the stance fits the card, 0-3 (`dialogue.seating.Ratings`); None where nobody has rated it."""

    def in_language(self, code: LanguageCode, seed: Seed) -> Participant:
        """
        Args:
            seed: in that language.
        """
        stance = self.stance
        options = seed.item.options if seed.item and stance else ()
        if stance and (label := next((option.label for option in options if option.code == stance.code), None)):
            stance = stance.model_copy(update={"text": label})
        return self.model_copy(update={"persona": self.persona.in_language(code), "stance": stance})


class Casting(Noun):
    """The plan of one dialogue."""

    number: int
    seed: Seed
    participants: tuple[Participant, ...]

    @property
    def situation(self) -> Situation | None:
        """The case that is put to these people: a question's situations take turns."""
        situations = self.seed.situations
        return situations[self.number % len(situations)] if situations else None

    @property
    def untold_situation(self) -> Situation | None:
        """The next case with choices after the one that is put to these people; None if the question has but one."""
        situations = self.seed.situations
        if sum(situation.is_open for situation in situations) < LEAST_SITUATIONS:
            return None
        others = (situations[(self.number + step) % len(situations)] for step in range(1, len(situations)))
        return next(situation for situation in others if situation.is_open)

    def by_key(self, persona_key: str) -> Participant:
        return the_one(persona_key, (p for p in self.participants if p.persona.key == persona_key))

    def in_language(self, code: LanguageCode, table: Collection[LanguageCode] = ()) -> Casting:
        """Return the same plan with people and question as they read in a language.

        Args:
            table: the other languages of the table; a case of which one of them has no words is not put.
        """
        seed = self.seed.in_language(code)
        cases = min(len(self.seed.in_language(other).situations) for other in (code, *table))
        seed = seed.model_copy(update={"situations": seed.situations[:cases]})
        people = tuple(p.in_language(code, seed) for p in self.participants)
        return Casting(number=self.number, seed=seed, participants=people)


class Mark(Noun):
    """What a speaker says of its own turn."""

    told: tuple[Told, ...] = ()
    grounds: tuple[Provenance, ...] = ()
    """Where the rules and customs in it come from; `model` is said as a guess."""
    asks: str | None = None
    """Key of the person to whom it puts a question."""


class Slip(Noun):
    """What the verifier found wrong in a turn, after the talk."""

    turn_id: str
    kind: SlipKind
    quote: str
    """The words in question, as they stand in the turn."""
    note: str
    """In the model's words."""
    call_id: str | None

    @property
    def outcome(self) -> SlipOutcome:
        return SLIP_OUTCOMES[self.kind]


def unpacked(value: Any) -> Any:
    """Return the value of JSON text; anything else as it is."""
    return json.loads(value) if isinstance(value, str) else value


class Rendering(Noun):
    """A turn in another language, by the interpreter."""

    language: LanguageCode
    text: str
    call_id: str | None = None
    """None where the words are fixed, and there are such in the language."""


class Turn(Noun):
    position: int
    """1, 2, 3 ... in the order of speech."""
    slot: int
    """The slot of the schedule that it fills; a slot whose turn was refused leaves a gap."""
    speaker: str
    """A persona's key, `moderator` or `user`."""
    role: Role
    phase: str
    text: str
    origin: Origin
    """`picked`: a model too small to speak freely chose it among sentences of the card; `cue`: a fixed cue;
    `fallback`: a fixed follow-up, because the model's own was refused twice; `typed` by the user of a talk; `edited`:
    put in place of another turn, in a branch."""
    call_id: str | None = None
    act: Act | None = None
    """The moderator's; None for others and in a scripted dialogue."""
    addressee: str | None = None
    """Key of the person whom it asks; None where it asks nobody."""
    reason: str | None = None
    """Why the moderator chose this act."""
    mark: Annotated[Mark | None, BeforeValidator(unpacked)] = None
    """None where the speaker gave none."""
    language: LanguageCode | None = None
    """The one in which it was said; None in a dialogue of one language."""
    renderings: Annotated[tuple[Rendering, ...], Field(exclude=True)] = ()
    """What those heard who do not speak its language."""

    def heard_in(self, code: LanguageCode) -> str:
        """Return what a listener of a language heard; the words as they were said where nothing was rendered."""
        return self.rendered_for(code) or self.text

    def rendered_for(self, code: LanguageCode) -> str | None:
        """Return the rendering for a reader of a language; None where there is none, as for what was said in it."""
        return next((rendering.text for rendering in self.renderings if rendering.language == code), None)

    @property
    def is_own(self) -> bool:
        """A persona said it by itself. No other turn is mined."""
        return self.role in ("main", "delegate") and self.origin != "edited"


# --- distillation ------------------------------------------------------------------------------


class Statement(Noun):
    id: str
    turn_id: str
    persona_key: str
    culture: CultureKey
    kind: Kind
    text: str
    """Stand-alone, in the third person."""
    first_person: str
    """The same in the speaker's own voice."""
    quote: str
    quote_start: int
    quote_end: int
    """Code points into the turn's text."""
    rewritten_from: str | None = None
    question: str | None = None
    """A question that it answers, asked of somebody who was not there."""
    about: About | None = None
    reach: Reach | None = None
    exception: str | None = None
    """For whom or when it is not so, in the speaker's voice, where the speaker said so."""
    hangs_on: Annotated[tuple[Attribute, ...], BeforeValidator(unpacked)] = ()
    provenance: Provenance | None = None
    """Where its content comes from. None: nobody has looked, as in stores of older versions."""
    source: str | None = None
    """The line of the card that carries it: `norm 2`, `scene 1` ... ; None where no line does."""
    unlike: str | None = None
    """Id of a statement of somebody from another country, of which its speaker says that it is not so at home."""
    language: LanguageCode | None = None
    """The one that it is worded in; None in stores of older versions, where it is the dialogue's."""

    @property
    def worded_in(self) -> LanguageCode:
        return self.language or DEFAULT_LANGUAGE


class StatementRendering(Noun):
    """A statement in another language."""

    statement_id: str
    language: LanguageCode
    text: str
    first_person: str
    question: str | None = None
    exception: str | None = None
    call_id: str | None = None
    agrees: bool | None = None
    """Whether a second call found that it says the same as the original; None where none was made."""
    difference: str | None = None
    """In that call's words."""
    checked_by: str | None = None
    """That call."""


class Verdict(Noun):
    statement_id: str
    criterion: Criterion
    relation: Relation
    confidence: float | None
    """The verifier's probability of its own answer, 0-1; None where the endpoint gives no log-probabilities."""
    decision: Literal["keep", "drop"]
    """By the policy; all scores of a panel are decided together."""
    call_id: str | None
    score: Annotated[float, Field(ge=1, le=5)] | None = None
    """A judge's, where the criterion has a scale."""
    answer: Heard | None = None
    """A second persona's, of a norm or custom."""
    reason: str | None = None
    """In the model's words."""
    judge: str | None = None
    """The judge's name in the panel, or the second persona's key."""


class Duplicate(Noun):
    statement_id: str
    cluster_id: str
    representative_id: str
    method: Literal["exact", "e5", "minilm", "lexical", "endpoint"]
    similarity: float


class Sample(Noun):
    statement_id: str
    culture: CultureKey
    kind: Shape
    messages: tuple[dict[str, str], ...]
    status: Literal["kept", "dropped"]
    drop_reason: str | None = None
    flags: str = ""
    provenance: Provenance | None = None
    """Of its statement; of two, the less sure one."""
    beside: str | None = None
    """Id of the other statement, where a row is made of two."""
    language: LanguageCode | None = None
    """The one that it is worded in; None in stores of older versions, where it is the dialogue's."""


# --- ratings and reviews -----------------------------------------------------------------------

PERSON = "person:"
"""Begins `score.judge` where a person judged."""
SWAPPED = "@swapped"
"""Ends the scorer of a rating of another item's answer."""

Remark = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(without_nul)
]


class Review(Noun):
    """One person's judgement of a turn, a statement or a sample."""

    id: str
    subject_id: str
    reviewer: str
    decision: Decision
    rating: Annotated[int, Field(ge=1, le=5, strict=True)] | None = None
    """1 (poor) to 5."""
    wording: Remark | None = None
    """The text that should stand instead."""
    note: Remark | None = None
    created_at: str
    withdrawn_at: str | None = None
    """The time at which its reviewer took it back."""


JsonObject = dict[str, Any]
