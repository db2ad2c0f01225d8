"""Finds statements in a dialogue: what each speaker thinks, expects and does, with the exact words it rests on.

A model proposes statements with quotes, or rules pick the speakers' own sentences. Either way a statement is mined only
from parts of a turn that are the speaker's own; the rules of the language say which those are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal, get_args

from pydantic import BaseModel

from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch, in_parts
from culturepark.distill.quotes import LONGEST, SHORTEST
from culturepark.domain import Casting, Kind, Mined, Statement, Turn, storable
from culturepark.languages import Language, Part
from culturepark.languages.words import plain
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
    """A statement, with the place of its quote in a turn."""

    turn: Turn
    kind: Kind
    text: str
    first_person: str
    quote_start: int
    quote_end: int
    call_id: str | None
    verbatim: bool
    """The statement is the speaker's own words and nothing else."""

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
    """The number of other parts or proposals, by the reason for which they were refused."""


class ProposedStatement(BaseModel):
    """One statement in a model's answer."""

    turn: int
    kind: Literal["opinion", "norm", "custom"]
    quote: str
    statement: str
    first_person: str


class StatementsAnswer(BaseModel):
    statements: list[ProposedStatement]


Mode = Literal["auto", "quotes", "sentences"]


async def extract(
    asker: Asker,
    turns: Sequence[Turn],
    mode: Mode,
    after: int = 0,
    roles: Collection[Mined] = get_args(Mined),
    without: Collection[int] = (),
) -> Extraction:
    """Return all statements of a dialogue, in the order of its turns.

    `auto` means `sentences` for small models and `quotes` for others. Where an answer to `quotes` does not parse, its
    turns are mined by `sentences`.

    Args:
        after: turns up to this position are only context. In a branch they are the parent's, and are mined there.
        roles: of the speakers who are mined; turns of others are context too.
        without: positions of turns with slips, which are not mined; each counts as rejected.
    """
    speakers = speakers_of(asker.casting, turns, asker.language)
    mined = [turn for turn in turns if turn.position > after and turn.role in roles]
    slips = Counter({"slip": spoiled} if (spoiled := sum(turn.position in without for turn in mined)) else {})
    mined = [turn for turn in mined if turn.position not in without]
    if mode == "sentences" or (mode == "auto" and asker.model.traits.labels):
        extraction = by_sentence(asker.casting, mined, speakers)
        return replace(extraction, rejected=extraction.rejected + slips)
    extractions = [part for stretch in stretches(mined) for part in await mine_stretch(asker, stretch, speakers, mode)]
    rejected = sum((extraction.rejected for extraction in extractions), slips)
    proposals = [proposal for extraction in extractions for proposal in extraction.proposals]
    return Extraction(without_repeats(proposals, rejected), rejected)


# --- speakers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speaker:
    """A speaker, as far as it matters to whose words a sentence holds."""

    country: str
    """ISO 3166 alpha-3."""
    others: tuple[str, ...]
    """The names of the other people at the table."""
    language: Language


Speakers = Mapping[int, Speaker]
"""The speaker of each persona turn, by position."""


def speakers_of(casting: Casting, turns: Sequence[Turn], language: Language) -> Speakers:
    """Return the speakers. Others at the table include the user of a talk and people whom the last cue mentions."""
    speakers: dict[int, Speaker] = {}
    cue = ""
    visitor = [language.frame("visitor").text] if any(turn.role == "user" for turn in turns) else []
    for turn in turns:
        if turn.role not in ("main", "delegate"):
            cue = turn.text
            continue
        persona = casting.by_key(turn.speaker).persona
        others = [p.persona.called for p in casting.participants if p.persona.key != turn.speaker]
        others += visitor + language.rules.people_in(cue, persona.called)
        speakers[turn.position] = Speaker(persona.country or AMERICA, tuple(dict.fromkeys(others)), language)
    return speakers


# --- by a model ------------------------------------------------------------------------------------------


def stretches(turns: list[Turn]) -> list[list[Turn]]:
    """Divide persona turns into stretches of about the same length, of at most `TURNS_A_CALL` turns."""
    own = [turn for turn in turns if turn.is_own]
    if not own:
        return []
    count = -(-len(own) // TURNS_A_CALL)
    size = -(-len(own) // count)
    return [own[start : start + size] for start in range(0, len(own), size)]


async def mine_stretch(asker: Asker, stretch: list[Turn], speakers: Speakers, mode: Mode) -> list[Extraction]:
    """Mine turns by quotes, in halves where a stretch is too much; in `auto` by sentences where that fails."""

    async def ask(turns: Sequence[Turn]) -> Extraction:
        extraction = await by_quote(asker, turns, speakers)
        if extraction is not None:
            return extraction
        if mode == "auto":
            return by_sentence(asker.casting, turns, speakers)
        return Extraction([], Counter({"unparsable": 1}))

    def give_up(much: TooMuch, turns: Sequence[Turn]) -> Extraction:
        if much.reason == "withheld" and mode == "auto":  # the rules read what a filter keeps from the model
            return by_sentence(asker.casting, turns, speakers)
        return Extraction([], Counter({much.reason: 1}))

    return await in_parts(stretch, ask, give_up)


async def by_quote(asker: Asker, turns: Sequence[Turn], speakers: Speakers) -> Extraction | None:
    """Ask for statements with quotes, and keep those whose quotes are there. None if nothing parsed.

    Raises:
        TooMuch: if it has to be asked in parts.
    """
    casting = asker.casting
    answer, reply = await asker.json(
        asker.language.prompt("extract"),
        {"question": casting.seed.question, "turns": [as_shown(turn, casting) for turn in turns]},
        StatementsAnswer,
        name="statements",
        max_tokens=ANSWER_TOKENS + TOKENS_A_TURN * len(turns),
    )
    if answer is None or reply is None:
        return None
    rejected: Counter[str] = Counter()
    proposals = []
    for statement in answer.statements:
        grounded = ground(statement, turns, speakers, reply.call_id)
        if isinstance(grounded, str):
            rejected[grounded] += 1
        else:
            proposals.append(grounded)
    return Extraction(sorted(proposals, key=lambda p: (p.turn.position, p.quote_start)), rejected)


def ground(proposed: ProposedStatement, turns: Sequence[Turn], speakers: Speakers, call_id: str) -> Proposal | str:
    """Return the proposal with its quote located in a turn, or the reason why it is rejected. Pure.

    If the quote stands in another turn than the model says, that turn's speaker owns it.
    """
    statement, first_person = storable(proposed.statement.strip()), storable(proposed.first_person.strip())
    if not (quotes.readable(statement) and quotes.readable(first_person)):
        return "no-statement"
    if flaw := unfit(statement) or unfit(first_person):
        return flaw
    for turn in sorted(turns, key=lambda t: t.position != proposed.turn):
        if span := quotes.locate(proposed.quote, turn.text):
            reason = objection(*span, turn.text, speakers[turn.position])
            return reason or Proposal(turn, proposed.kind, statement, first_person, *span, call_id, verbatim=False)
    return "quote-not-in-turn"


def objection(start: int, end: int, text: str, speaker: Speaker) -> str | None:
    """Return why a quote may not be mined as the speaker's own; None if it may.

    A quote is judged by the whole parts that it is cut from: `a job is a duty` is not the speaker's own if the part
    is `My uncle says that a job is a duty`.
    """
    quote = text[start:end]
    if len(quote) < SHORTEST or len(plain(quote).split()) < 3:
        return "too-short"
    if len(quote) > LONGEST:
        return "too-long"
    touched = [part for sentence in parts(text, speaker) for part in sentence if part.start < end and start < part.end]
    return next((part.not_own for part in touched if part.not_own), None)


def as_shown(turn: Turn, casting: Casting) -> dict[str, object]:
    """Return a turn as the extractor and the verifier are shown it."""
    persona = casting.by_key(turn.speaker).persona
    return {
        "turn": turn.position,
        "speaker": persona.called,
        "place": persona.place,
        "country": persona.country_name,
        "text": turn.text,
    }


# --- by rules ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """Words that may be a statement, in code points of the turn."""

    start: int
    end: int
    kind: Kind


def by_sentence(casting: Casting, turns: Iterable[Turn], speakers: Speakers) -> Extraction:
    """Take the speakers' own sentences, whole or in parts, by rules alone. Pure.

    For models that cannot be trusted to copy a sentence. Asked for the kind of a sentence, they did worse than rules.
    """
    rejected: Counter[str] = Counter()
    proposals = []
    for turn in turns:
        if not turn.is_own or turn.phase in NOT_MINED:
            continue
        speaker = speakers[turn.position]
        statements, reasons = candidates(turn.text, speaker)
        rejected.update(reasons)
        for statement in statements:
            quote = turn.text[statement.start : statement.end]
            if flaw := unfit(quote):
                rejected[flaw] += 1
                continue
            text = quotes.attributed(casting.by_key(turn.speaker).persona, quote, speaker.language)
            span = statement.start, statement.end
            proposals.append(
                Proposal(turn, statement.kind, text, quotes.as_sentence(quote), *span, None, verbatim=True)
            )
    return Extraction(without_repeats(proposals, rejected), rejected)


def candidates(text: str, speaker: Speaker) -> tuple[list[Candidate], list[str]]:
    """Return what may be a statement, in the order it was said, and why each other part is none."""
    statements: list[Candidate] = []
    rejected: list[str] = []
    for sentence in parts(text, speaker):
        kept = []
        for part in sentence:
            if reason := part.not_own or no_statement(text[part.start : part.end], part):
                rejected.append(reason)
                continue
            # A part that is neither a rule nor done anywhere in particular is most often a view without `I think`.
            kept.append(Candidate(part.begins, part.end, part.kind or "opinion"))
        statements += join_neighbours(kept, text)
    return statements, rejected


def no_statement(words: str, part: Part) -> str | None:
    """Return why a part is no statement although it is the speaker's own; None if it may be one."""
    if len(words) < SHORTEST:
        return "too-short"
    if len(words) > LONGEST:
        return "too-long"
    return part.no_statement or (None if quotes.readable(words) else "no-statement")


def join_neighbours(kept: Sequence[Candidate], text: str) -> list[Candidate]:
    """Join neighbouring parts of one sentence and one kind: they make one statement."""
    joined: list[Candidate] = []
    for candidate in kept:
        last = joined[-1] if joined else None
        if last and last.kind == candidate.kind and len(text[last.end : candidate.start].split()) < 3:
            joined[-1] = Candidate(last.start, candidate.end, candidate.kind)
        else:
            joined.append(candidate)
    return joined


@lru_cache(maxsize=64)
def parts(text: str, speaker: Speaker) -> list[list[Part]]:
    """Return the sentences of a turn, each as its parts, placed in the turn."""
    spans = [*speaker.language.sentences(text), (len(text), len(text))]
    rules = speaker.language.rules
    return [
        [
            replace(part, start=start + part.start, end=start + part.end, begins=start + part.begins)
            for part in rules.parts(text[start:end], text[after:until], speaker.others, speaker.country)
        ]
        for (start, end), (after, until) in pairwise(spans)
    ]


def without_repeats(proposals: list[Proposal], rejected: Counter[str]) -> list[Proposal]:
    """Return the first proposal of each that rest on the very same words; count the others as rejected."""
    first: dict[tuple[str, str], Proposal] = {}
    for proposal in proposals:
        if first.setdefault((proposal.turn.speaker, proposal.quote.casefold()), proposal) is not proposal:
            rejected["repeated"] += 1
    return list(first.values())
