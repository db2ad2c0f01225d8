"""Finds what each speaker thinks, expects and does, with the exact words it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.dialogue.guards import contains, phrases, storable
from culturepark.distill import letters, quotes
from culturepark.distill.answers import Asker, CutOff
from culturepark.domain import Casting, Kind, Language, Persona, Turn

TURNS_A_CALL = 8
"""Persona turns; more, and the answer grows past what models write reliably."""
ANSWER_TOKENS, TOKENS_A_TURN = 200, 480
"""Limits on an answer: about five statements a turn."""
NOT_LABELLED = ("opening", "closing")
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
    """Whether it is a whole sentence of the speaker, word by word."""

    @property
    def quote(self) -> str:
        return self.turn.text[self.quote_start : self.quote_end]


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


async def extract(asker: Asker, turns: Sequence[Turn], mode: Mode) -> Extraction:
    """All statements of a dialogue, in the order of its turns.

    `auto` is `sentences` for small models and `quotes` for the rest; where `quotes` gives nothing that parses, it is
    `sentences` too.

    Raises:
        CultureparkError: as the ledger does.
    """
    if mode == "sentences" or (mode == "auto" and asker.model.traits.labels):
        return await by_sentence(asker, turns)
    found = [await one_part(asker, part, mode) for part in parts(list(turns))]
    whole = together(found)
    return Extraction(without_repeats(whole.proposals, whole.rejected), whole.rejected)


async def one_part(asker: Asker, turns: list[Turn], mode: Mode) -> Extraction:
    """By quotes; in halves where the answer does not fit; by sentences where nothing parses, if that is allowed."""
    spoken = [turn for turn in turns if turn.role != "moderator"]
    try:
        found = await by_quote(asker, spoken)
    except CutOff:
        if len(spoken) == 1:
            return Extraction([], Counter({"cut-off": 1}))
        middle = len(spoken) // 2
        return together([await one_part(asker, half, mode) for half in (spoken[:middle], spoken[middle:])])
    if found is not None:
        return found
    if mode == "auto":
        return await by_sentence(asker, spoken)
    return Extraction([], Counter({"unparsable": 1}))


def together(parts_of_it: Sequence[Extraction]) -> Extraction:
    rejected: Counter[str] = Counter()
    for part in parts_of_it:
        rejected.update(part.rejected)
    return Extraction([proposal for part in parts_of_it for proposal in part.proposals], rejected)


def parts(turns: list[Turn]) -> list[list[Turn]]:
    """Stretches of the talk with at most `TURNS_A_CALL` persona turns each, of about the same length."""
    spoken = [i for i, turn in enumerate(turns) if turn.role != "moderator"]
    if not spoken:
        return []
    count = -(-len(spoken) // TURNS_A_CALL)
    size = -(-len(spoken) // count)
    cuts = [spoken[i] for i in range(size, len(spoken), size)]
    return [turns[a:b] for a, b in zip([0, *cuts], [*cuts, len(turns)], strict=True)]


async def by_quote(asker: Asker, spoken: list[Turn]) -> Extraction | None:
    """Asks for statements with quotes, and keeps those whose quotes are there. None if nothing parsed.

    Raises:
        CutOff: if the answer did not fit.
    """
    casting = asker.casting
    answer, reply = await asker.json(
        asker.prompt("extract"),
        {"question": casting.seed.question, "turns": [told(turn, casting) for turn in spoken]},
        StatementsAnswer,
        name="statements",
        max_tokens=ANSWER_TOKENS + TOKENS_A_TURN * len(spoken),
    )
    if answer is None or reply is None:
        return None
    rejected: Counter[str] = Counter()
    proposals = []
    for found in answer.statements:
        grounded = ground(found, spoken, casting, asker.language, reply.call_id)
        if isinstance(grounded, str):
            rejected[grounded] += 1
        else:
            proposals.append(grounded)
    return Extraction(sorted(proposals, key=lambda p: (p.turn.position, p.quote_start)), rejected)


def ground(found: Found, turns: Sequence[Turn], casting: Casting, language: Language, call_id: str) -> Proposal | str:
    """The proposal with its quote found in a turn, or why it is rejected. Pure.

    A quote counts where it stands: if it is in another turn than the model says, that turn's speaker owns it.
    """
    statement, first_person = storable(found.statement.strip()), storable(found.first_person.strip())
    if not (quotes.readable(statement) and quotes.readable(first_person)):
        return "no-statement"
    spoken = [turn for turn in turns if turn.role != "moderator"]
    for turn in sorted(spoken, key=lambda t: t.position != found.turn):
        if span := quotes.locate(found.quote, turn.text):
            others = [p.persona.called for p in casting.participants if p.persona.key != turn.speaker]
            reason = quotes.objection(*span, turn.text, others, language)
            return reason or Proposal(turn, found.kind, statement, first_person, *span, call_id, verbatim=False)
    return "quote-not-in-turn"


async def by_sentence(asker: Asker, turns: Sequence[Turn]) -> Extraction:
    """Labels the speakers' own sentences: for models that cannot be trusted to copy one."""
    casting, language = asker.casting, asker.language
    rejected: Counter[str] = Counter()
    candidates: list[tuple[Turn, int, int]] = []
    unsure: list[str] = []
    for turn in turns:
        if turn.role == "moderator" or turn.phase in NOT_LABELLED:
            continue
        others = [p.persona.called for p in casting.participants if p.persona.key != turn.speaker]
        for start, end in quotes.sentences(turn.text, language):
            reason = quotes.objection(start, end, turn.text, others, language)
            if reason is None and not quotes.readable(turn.text[start:end]):
                reason = "no-statement"
            if reason:
                rejected[reason] += 1
            else:
                candidates.append((turn, start, end))
                if not contains(turn.text[start:end], phrases(language)["opinion"]):
                    unsure.append(turn.text[start:end])
    template = asker.prompt("label")
    questions = [(template.text, f"Sentence: {letters.as_data(sentence)} Letter:") for sentence in unsure]
    choices = await letters.choose(asker, template, questions, "ABC")
    kinds: dict[str | None, Kind] = {"A": "norm", "B": "custom"}
    chosen = dict(zip(unsure, choices, strict=True))
    proposals = []
    for turn, start, end in candidates:
        sentence = turn.text[start:end]
        choice = chosen.get(sentence)  # none for what calls itself an opinion
        kind = kinds.get(choice.letter) if choice else "opinion"
        if kind is None:
            rejected["something-else"] += 1
            continue
        text = attributed(casting.by_key(turn.speaker).persona, sentence)
        proposals.append(
            Proposal(turn, kind, text, sentence, start, end, choice.call_id if choice else None, verbatim=True)
        )
    return Extraction(without_repeats(proposals, rejected), rejected)


def attributed(persona: Persona, sentence: str) -> str:
    """A sentence as a stand-alone statement: said by whom, and from where. Nothing inside it is touched."""
    return f"{persona.name} from {persona.place}, {persona.country_name}, says: “{sentence}”"


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


def told(turn: Turn, casting: Casting) -> dict[str, object]:
    """A turn as the extractor and the verifier are shown it."""
    persona = casting.by_key(turn.speaker).persona
    return {
        "turn": turn.position,
        "speaker": persona.called,
        "place": persona.place,
        "country": persona.country_name,
        "text": turn.text,
    }
