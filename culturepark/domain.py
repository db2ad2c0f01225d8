"""The nouns. Frozen, validated, and free of any I/O; every other module speaks in these."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from culturepark.errors import StoreError

T = TypeVar("T")

CULTURES = {
    "arabic": "JOR",
    "bengali": "BGD",
    "chinese": "CHN",
    "german": "DEU",
    "korean": "KOR",
    "portuguese": "BRA",
    "spanish": "ARG",
    "turkish": "TUR",
}
"""The eight cultures and the country (ISO 3166 alpha-3) that grounds each."""

MAIN_CULTURE = "american"
"""Culture of every main contact: mined and exported, but not one of the eight."""

COUNTRY_NAMES = {
    "JOR": "Jordan",
    "BGD": "Bangladesh",
    "CHN": "China",
    "DEU": "Germany",
    "KOR": "South Korea",
    "BRA": "Brazil",
    "ARG": "Argentina",
    "TUR": "Türkiye",
}

EightCulture = Literal["arabic", "bengali", "chinese", "german", "korean", "portuguese", "spanish", "turkish"]
Culture = Literal[EightCulture, "american"]
Setting = Literal["in-cultural", "cross-cultural", "panel"]
TalkSetting = Literal["one-to-one", "moderated"]
"""Of a talk: whether only the user and one persona are there, or a moderator too."""
ProtocolName = Literal["self-guidance", "free-chat", "talk"]
"""`talk` is that of `culturepark talk` alone: a user sits there, who has no schedule."""
Kind = Literal["opinion", "norm", "custom"]
Relation = Literal["entail", "contradict", "irrelevant", "unparsable"]
Criterion = Literal["faithful", "stance", "harmlessness", "awareness", "cross-check"]
Scored = Literal["harmlessness", "awareness"]
"""Criteria on which a panel of judges gives scores."""
Heard = Literal["shared", "varies", "unknown", "denied"]
"""What a second persona of the same culture says of a norm."""
Shape = Literal["survey", "open", "norm"]
Role = Literal["main", "delegate", "moderator", "user"]
"""`user` is the person at the keyboard, who has neither card nor culture here and is never mined."""
Origin = Literal["model", "cue", "fallback", "typed", "edited"]
Decision = Literal["accept", "reject", "comment"]
"""A reviewer's; `comment` where there is a rating, a wording or a note and no more."""
ModelRole = Literal["speaker", "moderator", "extractor", "verifier", "embedder", "judge", "judge-2", "judge-3"]
JUDGES: tuple[ModelRole, ...] = ("judge", "judge-2", "judge-3")
"""The second and third are there only where somebody has named several models for `judge`."""


def without_nul(text: str) -> str:
    """PostgreSQL holds any character but this one."""
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


def not_blank(value: Any) -> Any:
    """A key with nothing behind it is neither on nor off."""
    if value is None:
        raise ValueError("has nothing behind it; what is not wanted is left out")
    return value


def not_a_seat(key: str) -> str:
    """A turn's speaker is a persona's key, `moderator` or `user`; nobody may be two of them."""
    if key in ("moderator", "user"):
        raise ValueError(f"must not be `{key}`, which is the {key}'s own")
    return key


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(without_nul)
]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
PersonaKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=80), AfterValidator(not_a_seat)]
"""Begins with a letter: with `_` for `-` it is the agent's name, which must be a Python identifier."""
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""BCP 47; `languages` knows which there are."""
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Named = Annotated[T | None, BeforeValidator(not_blank), Field(exclude_if=lambda value: value is None)]
"""Off unless it is named; what is off leaves no trace in a scenario's digest."""


class Status(StrEnum):
    """Of a run and of a dialogue."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Noun(BaseModel):
    """Frozen; an unknown key is an error, and so is a number that is none (NaN, infinity)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


# --- people ------------------------------------------------------------------------------------


class Value(Noun):
    value: Text
    """What matters to this person."""
    why: Text
    """One sentence from this person's life."""


class Speech(Noun):
    directness: Literal["direct", "indirect", "mixed"]
    formality: Literal["formal", "familiar", "mixed"]
    manner: Text
    """How this person talks, in a sentence or two."""


class Custom(Noun):
    """A norm (what one is expected to do) or a custom (what people regularly do), known from the inside."""

    kind: Literal["norm", "custom"]
    topic: Text
    text: Text
    """In the first person, as this person would tell it."""
    source: Text | None = None
    """Where a reader can check it."""


class Persona(Noun):
    """One particular person. A card is shown to its own agent and to nobody else's."""

    key: PersonaKey
    """The file's name without its ending."""
    name: Text
    called: Annotated[str, Field(pattern=r"^[\w'’.-]{1,40}$")]
    """How the others in a talk address this person: one word."""
    culture: Culture
    role: Literal["main", "delegate"]
    gender: Literal["woman", "man", "nonbinary"]
    age: Annotated[int, Field(ge=16, le=110)]
    country: Country | None
    """Whose survey answers the stance is drawn from (ISO 3166 alpha-3). None for a main contact."""
    region: Text
    place: Text
    settlement: Literal["city", "town", "village"]
    work: Text
    schooling: Text
    faith: Text
    observance: Text
    generation: Text
    languages: Annotated[tuple[Text, ...], Field(min_length=1)]
    values: Annotated[tuple[Value, ...], Field(min_length=1, max_length=8)]
    speech: Speech
    norms: Annotated[tuple[Custom, ...], Field(min_length=3, max_length=6)]
    scope: Text
    """Whom this person does not speak for."""

    @property
    def country_name(self) -> str:
        """As used in a sentence; the United States for a main contact."""
        return COUNTRY_NAMES.get(self.country or "", self.country or "the United States")


# --- questions ---------------------------------------------------------------------------------


class Option(Noun):
    code: Annotated[int, Field(ge=0, le=99_999)]
    """As in the survey; never a missing-value code, which surveys give numbers below zero."""
    label: Text
    side: Literal[-1, 0, 1]
    """Which side of the scale: -1, the middle, +1. A neutral stance has no contradiction."""


class SurveyItem(Noun):
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    """`survey/item`, e.g. `wvs7/Q33`."""
    topic: Text
    question: Text
    options: Annotated[tuple[Option, ...], Field(min_length=2)]
    shares: dict[Country, dict[int, float]]
    """For each country where the item was asked: share of valid answers by code; they sum to 1 within rounding."""
    source: Text
    poles: tuple[Text, Text] | None = None
    """What people on the +1 side and on the -1 side hold, each as one plain sentence. Small models tell the sides apart
    by them; without, the question and the ends of the scale have to do."""


class Seed(Noun):
    """A question that a dialogue is about, with the survey item behind it if there is one."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w./-]*$", max_length=120)]
    topic: Text
    question: Text
    item: SurveyItem | None = None


class Limits(Noun):
    max_cost_usd: Annotated[float, Field(gt=0, le=1e9)] | None = None
    max_tokens: Annotated[int, Field(gt=0, le=10**15)] | None = None
    rpm: Annotated[int, Field(gt=0, le=10**9)] | None = None
    """Requests a minute to each remote endpoint."""
    tpm: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """Tokens a minute, sent and received, to each remote endpoint."""


class DedupPolicy(Noun):
    threshold: Annotated[float, Field(ge=0.5, le=1.0)] | None = None
    """Cosine similarity from which two statements of a block may be the same; None for the embedder's own, measured."""


class ScorePolicy(Noun):
    at_least: Annotated[float, Field(ge=1, le=5)]
    """The lowest score of the panel (its judges' median, 1 to 5) with which a statement is kept."""


class CrossCheckPolicy(Noun):
    keep: Annotated[tuple[Heard, ...], Field(min_length=1)] = ("shared", "varies")
    """What a second persona may say of a norm or custom that is kept."""


class ChecksPolicy(Noun):
    """Checks beside stance, asked in this order and only of what has passed so far."""

    harmlessness: Named[ScorePolicy] = None
    awareness: Named[ScorePolicy] = None
    judges: Annotated[int, Field(ge=1, le=3)] = 3
    """How many judges give scores: each with a brief of its own, and a model of its own if several are named."""
    cross_check: Named[CrossCheckPolicy] = None

    @model_validator(mode="after")
    def one_at_least(self) -> ChecksPolicy:
        if not (self.harmlessness or self.awareness or self.cross_check):
            raise ValueError("names no check: harmlessness, awareness or cross_check")
        return self


class DistillPolicy(Noun):
    keep: tuple[Literal["entail", "contradict", "irrelevant"], ...] = ("entail",)
    """Relations to the speaker's stance that are kept."""
    extract: Literal["auto", "quotes", "sentences"] = "auto"
    """`quotes`: the model proposes statements with their quotes; `sentences`: rules pick the speakers' own."""
    verify: Annotated[
        Literal["auto", "batch", "claims"],
        BeforeValidator(lambda mode: "claims" if mode == "letters" else mode),  # its name in runs of old
    ] = "auto"
    """`batch`: many statements a call, as JSON; `claims`: yes or no, one claim at a time."""
    rewrite: Literal["checked", "off", "as-published"] = "checked"
    """What becomes of a contradicting opinion. `as-published` keeps a rewording unchecked, and flags it."""
    checks: Named[ChecksPolicy] = None
    dedup: DedupPolicy = DedupPolicy()


class Scenario(Noun):
    """What is talked about, by whom and how, with everything it names resolved."""

    name: Key
    title: Text
    setting: Setting | TalkSetting
    cultures: Annotated[tuple[Culture, ...], Field(min_length=1)]
    """Of the eight, but in a talk, which may be with a main contact."""
    protocol: ProtocolName
    language: LanguageCode = "en"
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    dialogues_per_seed: Annotated[int, Field(ge=1, le=10_000)] = 1
    people: Annotated[int, Field(ge=1, le=8)] = 2
    """Personas in a dialogue; more than two only in a panel, and one in a talk."""
    max_turns: Annotated[int, Field(ge=4, le=200)] = 14
    """Persona turns in a dialogue."""
    limits: Limits = Limits()
    distill: DistillPolicy = DistillPolicy()
    samples: Annotated[tuple[Shape, ...], Field(min_length=1)] = ("survey", "open", "norm")


class Edition(Noun):
    """A scenario with its people: all that a run needs to be told, and what its digest is taken over."""

    scenario: Scenario
    personas: tuple[Persona, ...]

    def persona(self, key: str) -> Persona:
        return the_one(key, (p for p in self.personas if p.key == key))

    def seed(self, key: str) -> Seed:
        return the_one(key, (s for s in self.scenario.seeds if s.key == key))


def the_one(key: str, those: Iterator[T]) -> T:
    """The one; whoever asks has the key from a row of the run."""
    one = next(those, None)
    if one is None:
        raise StoreError(f"the run has no {key[:120]!r}; the row that names it is damaged")
    return one


# --- a dialogue --------------------------------------------------------------------------------


class Stance(Noun):
    """A delegate's own answer to the seed, drawn from its country's shares."""

    code: int
    text: str


class Participant(Noun):
    persona: Persona
    stance: Stance | None = None


class Casting(Noun):
    """One dialogue to be held: who sits there, and about what."""

    number: int
    seed: Seed
    participants: tuple[Participant, ...]

    def by_key(self, persona_key: str) -> Participant:
        return the_one(persona_key, (p for p in self.participants if p.persona.key == persona_key))


class Turn(Noun):
    position: int
    """1, 2, 3 ... in the order of speech."""
    slot: int
    """Which slot of the schedule it fills; a slot whose turn was refused leaves a gap."""
    speaker: str
    """A persona's key, `moderator` or `user`."""
    role: Role
    phase: str
    text: str
    origin: Origin
    """`cue`: a fixed cue; `fallback`: a fixed follow-up, because the model's own was refused twice; `typed` by the
    user of a talk; `edited`: put in place of what was said, in a branch."""
    call_id: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether a persona said it by itself: nothing else is mined."""
        return self.role in ("main", "delegate") and self.origin != "edited"


# --- distillation ------------------------------------------------------------------------------


def trained_form(kind: str) -> Literal["first_person", "text"]:
    """Which form of a statement samples hold: it is the one that judges see, and that reviewers word anew."""
    return "first_person" if kind == "opinion" else "text"


class Statement(Noun):
    id: str
    turn_id: str
    persona_key: str
    culture: Culture
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

    @property
    def trained_on(self) -> str:
        """What samples hold of it."""
        return str(getattr(self, trained_form(self.kind)))


class Verdict(Noun):
    statement_id: str
    criterion: Criterion
    relation: Relation
    confidence: float | None
    """Probability the verifier gave its own answer, 0-1; None where the endpoint gives no log-probabilities."""
    decision: Literal["keep", "drop"]
    """What the policy makes of it; on a panel's scores, of all of them together."""
    call_id: str | None
    score: Annotated[float, Field(ge=1, le=5)] | None = None
    """A judge's, where the criterion has a scale."""
    answer: Heard | None = None
    """A second persona's, of a norm or custom."""
    reason: str | None = None
    """In the model's words."""
    judge: str | None = None
    """Who of a panel gave it, or the second persona's key."""


class Duplicate(Noun):
    statement_id: str
    cluster_id: str
    representative_id: str
    method: Literal["exact", "minilm", "lexical", "endpoint"]
    similarity: float


class Sample(Noun):
    statement_id: str
    culture: Culture
    kind: Shape
    messages: tuple[dict[str, str], ...]
    status: Literal["kept", "dropped"]
    drop_reason: str | None = None
    flags: str = ""


# --- reviews -----------------------------------------------------------------------------------

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
    """What it should say instead."""
    note: Remark | None = None
    created_at: str
    withdrawn_at: str | None = None
    """When its reviewer took it back."""


JsonObject = dict[str, Any]
