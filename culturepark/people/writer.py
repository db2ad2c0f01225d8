"""Has a model write what a draft does not say: one call a person, and one more if the card contradicts the draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, create_model

from culturepark.catalog.cultures import Known
from culturepark.dialogue.stance import shuffled, unit
from culturepark.distill.ask import SubjectAsker, TooMuch
from culturepark.domain import Draft, JsonObject, Persona, SchwartzValue, Settlement, home_of
from culturepark.languages import Language
from culturepark.languages.countries import country_name
from culturepark.people import drafts

PROMPT = "people"
MOST_TOKENS = 6000
TEMPERATURE = 0.9
MOST_NAMES = 150
"""Names that a request lists as taken."""
ECHOED = drafts.KEPT
BENT = ("conviction", "temper", "station")
INITIALS = "ABDEFGHIJKLMNORSTUVYZ"
"""Letters that names are dealt, since people who are asked for at once do not know of each other's names."""

Words = Annotated[str, Field(min_length=1, max_length=2000)]


class WrittenValue(BaseModel):
    value: Words
    schwartz: SchwartzValue
    why: Words


class WrittenSpeech(BaseModel):
    directness: Literal["direct", "indirect", "mixed"]
    formality: Literal["formal", "familiar", "mixed"]
    manner: Words


class WrittenSaying(BaseModel):
    text: Words
    english: Words
    language: Annotated[str, Field(min_length=2, max_length=35)]


class WrittenNorm(BaseModel):
    """A norm or custom without a source: nobody can check what a model cites."""

    kind: Literal["norm", "custom"]
    topic: Words
    text: Words


class WrittenScene(BaseModel):
    when: Words
    where: Words
    who: Words
    topics: Annotated[list[Words], Field(min_length=1, max_length=8)]
    text: Words


FIELDS: dict[str, Any] = {
    **dict.fromkeys(("name", "called", "region", "place", "household", "work", "schooling", "faith"), Words),
    **dict.fromkeys(("observance", "generation", "scope"), Words),
    "gender": Literal["woman", "man", "nonbinary"],
    "age": Annotated[int, Field(ge=16, le=110)],
    "settlement": Settlement,
    "languages": Annotated[list[Words], Field(min_length=1, max_length=8)],
    "values": Annotated[list[WrittenValue], Field(min_length=1, max_length=8)],
    "speech": WrittenSpeech,
    "sayings": Annotated[list[WrittenSaying], Field(max_length=6)],
    "norms": Annotated[list[WrittenNorm], Field(min_length=3, max_length=6)],
    "scenes": Annotated[list[WrittenScene], Field(min_length=3, max_length=8)],
}
"""What can be asked for, in the order in which it is written: first who it is, then what follows from it."""
WRITABLE = {"episodes" if name == "scenes" else name for name in FIELDS}


@dataclass(frozen=True)
class Outcome:
    """What came of one person."""

    persona: Persona | None
    why: str = ""
    """The reason why there is no card."""
    detail: str = ""


def unwritable(given: JsonObject) -> list[str]:
    """Return the keys that are lacking and that no model may decide: culture, role, country."""
    return [key for key in drafts.lacking(given) if key not in WRITABLE]


@cache
def shape_of(names: tuple[str, ...]) -> type[BaseModel]:
    """Return the model of an answer with these keys."""
    return create_model("Written", **{name: (FIELDS[name], ...) for name in names})  # type: ignore[call-overload, no-any-return]


def wanted(draft: Draft) -> tuple[str, ...]:
    """Return the keys that a model is asked for."""
    missing = {*drafts.lacking(draft.given), *(key for key in drafts.OPTIONAL if key not in draft.given), *ECHOED}
    return tuple(name for name in FIELDS if ("episodes" if name == "scenes" else name) in missing)


def bent(language: Language, number: int, seed: int) -> dict[str, Any]:
    """Return the leanings of a person, dealt so that all come equally often: three basic values, and a few words.

    Args:
        number: from 1.
    """
    schwartz = get_args(SchwartzValue)
    first, step = (number - 1) % len(schwartz), (3, 4, 7)[int(unit("step", seed, number) * 3)]
    leanings: dict[str, Any] = {"values": [schwartz[(first + i * step) % len(schwartz)] for i in range(3)]}
    for name in BENT:
        leanings[name] = dealt(language.phrases[f"person_{name}"], name, number, seed)
    return leanings


def dealt(words: Sequence[str], name: str, number: int, seed: int) -> str:
    """Return a person's word: each comes once before any comes again, in an order that is hashed."""
    block, place = divmod(number - 1, len(words))
    return words[shuffled(len(words), name, seed, block)[place]]


def material(
    draft: Draft, language: Language, seed: int, year: int, names: Sequence[str], faults: Sequence[str]
) -> JsonObject:
    hidden = ("key", "weight", "role", "country")
    settled = {key: value for key, value in draft.given.items() if key not in hidden}
    asked: JsonObject = {
        "year": year,
        "country": country_name(home_of(draft.given.get("country"), str(draft.given.get("culture", "")))),
        "settled": settled,
        "bent": bent(language, draft.number, seed),
        "not_called": list(names)[-MOST_NAMES:],
    }
    if not {"name", "called"} & settled.keys():
        asked["initial"] = dealt(INITIALS, "initial", draft.number, seed)
    return asked | ({"told": draft.about} if draft.about else {}) | ({"faults": list(faults)} if faults else {})


async def write(
    asker: SubjectAsker, draft: Draft, *, seed: int, year: int, names: Sequence[str], known: Known
) -> Outcome:
    """Return the card of a person.

    A card that is wrong, or that contradicts what is settled, is asked for once more.

    Args:
        year: the present one, by which ages and years are compared.
        names: the names that others are called by.
        known: cultures beside the shipped ones.
    Raises:
        ModelError, BudgetReached: as the ledger does.
    """
    shape, faults = shape_of(wanted(draft)), list[str]()
    template = asker.language.prompt(PROMPT)
    for attempt in range(2):
        asked = material(draft, asker.language, seed, year, names, faults)
        number = int(unit("person", seed, draft.number, attempt) * 2**31)
        try:
            answer, reply = await asker.json(
                template, asked, shape, name="person", max_tokens=MOST_TOKENS, temperature=TEMPERATURE, seed=number
            )
        except TooMuch as much:
            return Outcome(None, much.reason)
        if answer is None or reply is None:
            return Outcome(None, "unparsable")
        persona, faults = judged(draft, answer, f"{asker.model.spec}, call {reply.call_id}", year, known)
        if not faults:
            return Outcome(persona)
        await asker.ledger.refuse(reply, "contradiction" if persona else "no-card")
    return Outcome(None, "contradiction" if persona else "no-card", "; ".join(faults[:3]))


def judged(draft: Draft, answer: BaseModel, writer: str, year: int, known: Known) -> tuple[Persona | None, list[str]]:
    """Return the card of a draft and an answer, with what is wrong with it."""
    written = answer.model_dump(mode="json")
    echo = {key: written[key] for key in ECHOED}
    if scenes := written.pop("scenes", None):
        origin = f"written from the rest of this card by {writer}; nobody has read them yet"
        written["episodes"] = {"origin": origin, "scenes": scenes}
    source = draft.source.model_copy(update={"completed_by": writer})
    persona, faults = drafts.card(draft.model_copy(update={"source": source}), written, known)
    return persona, faults or (drafts.disagreements(draft, persona, echo, year) if persona else [])
