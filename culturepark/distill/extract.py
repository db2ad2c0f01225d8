"""Finds what each speaker thinks, expects and does, with the exact words it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.dialogue.guards import storable
from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch
from culturepark.distill.ownership import Speaker, candidates, objection
from culturepark.domain import Casting, Kind, Statement, Turn
from culturepark.languages import Language
from culturepark.models.thoughts import unfit

TURNS_A_CALL = 8
"""Persona turns; more, and the answer grows past what models write reliably."""
ANSWER_TOKENS, TOKENS_A_TURN = 200, 480
"""Limits on an answer: about five statements a turn."""
AMERICA = "USA"
"""The country of main contacts, whose cards name none."""
NOT_MINED = ("opening", "closing")
"""Phases that sentence mode leaves out: introductions and goodbyes hold next to nothing else."""


@dataclass(frozen=True)
class Proposal:
    """A statement that has been found in its turn."""

    turn: Turn
    kind: Kind
    text: str
    first_person: str
    quote_start: int
    quote_end: int
    call_id: str | None
    verbatim: bool
    """Whether it is the speaker's own words and nothing else."""

    @property
    def quote(self) -> str:
        return self.turn.text[self.quote_start : self.quote_end]

    def as_statement(self, statement_id: str, turn_id: str, casting: Casting) -> Statement:
        return Statement(
            id=statement_id,
            turn_id=turn_id,
            persona_key=self.turn.speaker,
            culture=casting.by_key(self.turn.speaker).persona.culture,
            kind=self.kind,
            text=self.text,
            first_person=self.first_person,
            quote=self.quote,
            quote_start=self.quote_start,
            quote_end=self.quote_end,
        )


@dataclass(frozen=True)
class Extraction:
    proposals: list[Proposal]
    rejected: Counter[str]
    """Why the model's other proposals do not count, and how many."""


class Found(BaseModel):
    """One statement as a model proposes it."""

    turn: int
    kind: Literal["opinion", "norm", "custom"]
    quote: str
    statement: str
    first_person: str


class StatementsAnswer(BaseModel):
    statements: list[Found]


Mode = Literal["auto", "quotes", "sentences"]


async def extract(asker: Asker, turns: Sequence[Turn], mode: Mode, after: int = 0) -> Extraction:
    """All statements of a dialogue, in the order of its turns.

    `auto` is `sentences` for small models and `quotes` for the rest; where `quotes` gives nothing that parses, it is
    `sentences` too.

    Args:
        after: up to this position turns are heard and not mined: in a branch they are the parent's, and mined there.
    Raises:
        CultureparkError: as the ledger does.
    """
    who = speakers(asker.casting, turns, asker.language)
    own = [turn for turn in turns if turn.position > after]
    if mode == "sentences" or (mode == "auto" and asker.model.traits.labels):
        return by_sentence(asker.casting, own, who)
    found = [await one_part(asker, part, who, mode) for part in parts(own)]
    whole = together(found)
    return Extraction(without_repeats(whole.proposals, whole.rejected), whole.rejected)


Speakers = Mapping[int, Speaker]
"""Who speaks in which turn, by position."""


def speakers(casting: Casting, turns: Sequence[Turn], language: Language) -> Speakers:
    """With whom each speaker talks: those at the table, and whoever the moderator has just spoken of."""
    found: dict[int, Speaker] = {}
    cue = ""
    visitor = [language.frame("visitor").text] if any(turn.role == "user" for turn in turns) else []
    for turn in turns:
        if turn.role not in ("main", "delegate"):
            cue = turn.text
            continue
        persona = casting.by_key(turn.speaker).persona
        others = [p.persona.called for p in casting.participants if p.persona.key != turn.speaker]
        others += visitor + language.rules.people_in(cue, persona.called)
        found[turn.position] = Speaker(persona.country or AMERICA, tuple(dict.fromkeys(others)), language)
    return found


async def one_part(asker: Asker, turns: list[Turn], who: Speakers, mode: Mode) -> Extraction:
    """By quotes; in halves where it is too much at once; by sentences where nothing parses, if that is allowed."""
    spoken = [turn for turn in turns if turn.is_own]
    try:
        found = await by_quote(asker, spoken, who)
    except TooMuch as much:
        if len(spoken) == 1:
            if much.reason == "withheld" and mode == "auto":  # the rules read what a filter keeps from the model
                return by_sentence(asker.casting, spoken, who)
            return Extraction([], Counter({much.reason: 1}))
        middle = len(spoken) // 2
        return together([await one_part(asker, half, who, mode) for half in (spoken[:middle], spoken[middle:])])
    if found is not None:
        return found
    if mode == "auto":
        return by_sentence(asker.casting, spoken, who)
    return Extraction([], Counter({"unparsable": 1}))


def together(parts_of_it: Sequence[Extraction]) -> Extraction:
    rejected: Counter[str] = Counter()
    for part in parts_of_it:
        rejected.update(part.rejected)
    return Extraction([proposal for part in parts_of_it for proposal in part.proposals], rejected)


def parts(turns: list[Turn]) -> list[list[Turn]]:
    """Stretches of the talk with at most `TURNS_A_CALL` persona turns each, of about the same length."""
    spoken = [i for i, turn in enumerate(turns) if turn.is_own]
    if not spoken:
        return []
    count = -(-len(spoken) // TURNS_A_CALL)
    size = -(-len(spoken) // count)
    cuts = [spoken[i] for i in range(size, len(spoken), size)]
    return [turns[a:b] for a, b in zip([0, *cuts], [*cuts, len(turns)], strict=True)]


async def by_quote(asker: Asker, spoken: list[Turn], who: Speakers) -> Extraction | None:
    """Asks for statements with quotes, and keeps those whose quotes are there. None if nothing parsed.

    Raises:
        TooMuch: if it has to be asked in parts.
    """
    casting = asker.casting
    answer, reply = await asker.json(
        asker.prompt("extract"),
        {"question": casting.seed.question, "turns": [as_shown(turn, casting) for turn in spoken]},
        StatementsAnswer,
        name="statements",
        max_tokens=ANSWER_TOKENS + TOKENS_A_TURN * len(spoken),
    )
    if answer is None or reply is None:
        return None
    rejected: Counter[str] = Counter()
    proposals = []
    for found in answer.statements:
        grounded = ground(found, spoken, who, reply.call_id)
        if isinstance(grounded, str):
            rejected[grounded] += 1
        else:
            proposals.append(grounded)
    return Extraction(sorted(proposals, key=lambda p: (p.turn.position, p.quote_start)), rejected)


def ground(found: Found, spoken: Sequence[Turn], who: Speakers, call_id: str) -> Proposal | str:
    """The proposal with its quote found in a turn, or why it is rejected. Pure.

    A quote counts where it stands: if it is in another turn than the model says, that turn's speaker owns it.
    """
    statement, first_person = storable(found.statement.strip()), storable(found.first_person.strip())
    if not (quotes.readable(statement) and quotes.readable(first_person)):
        return "no-statement"
    if amiss := unfit(statement) or unfit(first_person):
        return amiss
    for turn in sorted(spoken, key=lambda t: t.position != found.turn):
        if span := quotes.locate(found.quote, turn.text):
            reason = objection(*span, turn.text, who[turn.position])
            return reason or Proposal(turn, found.kind, statement, first_person, *span, call_id, verbatim=False)
    return "quote-not-in-turn"


def by_sentence(casting: Casting, turns: Sequence[Turn], who: Speakers) -> Extraction:
    """Takes the speakers' own sentences, whole or in parts, by rules alone. Pure.

    For models that cannot be trusted to copy a sentence: asked of what kind one is, those did worse than the rules.
    """
    rejected: Counter[str] = Counter()
    proposals = []
    for turn in turns:
        if not turn.is_own or turn.phase in NOT_MINED:
            continue
        found, reasons = candidates(turn.text, who[turn.position])
        rejected.update(reasons)
        for one in found:
            quote = turn.text[one.start : one.end]
            if reason := unfit(quote):
                rejected[reason] += 1
                continue
            text = quotes.attributed(casting.by_key(turn.speaker).persona, quote, who[turn.position].language)
            own_words = quotes.as_sentence(quote)
            proposals.append(Proposal(turn, one.kind, text, own_words, one.start, one.end, None, verbatim=True))
    return Extraction(without_repeats(proposals, rejected), rejected)


def without_repeats(proposals: list[Proposal], rejected: Counter[str]) -> list[Proposal]:
    """The first of those that rest on the very same words."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for proposal in proposals:
        key = (proposal.turn.speaker, proposal.quote.casefold())
        if key in seen:
            rejected["repeated"] += 1
            continue
        seen.add(key)
        kept.append(proposal)
    return kept


def as_shown(turn: Turn, casting: Casting) -> dict[str, object]:
    """A turn as the extractor and the verifier are shown it."""
    persona = casting.by_key(turn.speaker).persona
    return {
        "turn": turn.position,
        "speaker": persona.called,
        "place": persona.place,
        "country": persona.country_name,
        "text": turn.text,
    }
