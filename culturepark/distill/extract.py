"""Finds statements in a dialogue: what each speaker thinks, expects and does, with the exact words it rests on.

Turns are cut into numbered pieces. A model says of every piece whose words it holds and of what kind, and puts what is
the speaker's own as a row that stands alone. It points at pieces by their numbers, so it copies nothing and every quote
is exact. For models too small for that, heads over an encoder read the clauses (`heads`). A turn that a small speaker
picked from its card is what stands on the card, and nobody is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel

from culturepark.dialogue.memory import scenes_of
from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch, in_parts
from culturepark.distill.pieces import Piece, numbered, pieces
from culturepark.domain import (
    About,
    Attribute,
    Casting,
    JsonObject,
    Kind,
    LanguageCode,
    Mined,
    Participant,
    Persona,
    Provenance,
    Reach,
    Scene,
    Statement,
    Turn,
    storable,
)
from culturepark.languages import Language, load_language
from culturepark.models.chat import Traits
from culturepark.models.thoughts import unfit

if TYPE_CHECKING:
    from culturepark.distill.heads import Encode

TURNS_A_CALL = 14
"""Persona turns: those of a dialogue of the usual length. Their answer takes some 4,000 tokens; more, and it grows past
what models write reliably."""
ANSWER_TOKENS, TOKENS_A_TURN = 300, 600
"""Limits on an answer: about three statements a turn, and the labels of what is left."""
MOST_TOKENS = 8000
"""The most that is asked for: many models write no more than 8,192 tokens."""
NOT_PICKED = ("opening", "closing")
"""Phases in which a picked form holds nothing but a name or a goodbye."""
KINDS: dict[str, Kind] = {"view": "opinion", "rule": "norm", "practice": "custom"}
"""What a statement is called in prompts."""
ABOUT: dict[str, About] = {"question": "seed", "case": "case", "else": "else"}
ANSWER = "answer"
"""The name of the line that holds the answer a speaker was dealt."""
Scenes = Mapping[str, Sequence[Scene]]
"""By the persona's key, those of which the dialogue has words."""


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
    question: str | None = None
    about: About | None = None
    reach: Reach | None = None
    exception: str | None = None
    hangs_on: tuple[Attribute, ...] = ()
    provenance: Provenance | None = None
    source: str | None = None
    unlike: Proposal | None = None
    """The statement from another country that it says is not so at home."""

    @property
    def quote(self) -> str:
        return self.turn.text[self.quote_start : self.quote_end]

    def as_statement(
        self, statement_id: str, turn_id: str, casting: Casting, language: LanguageCode, unlike: str | None = None
    ) -> Statement:
        """
        Args:
            language: the one that the turn was said in.
            unlike: the id of the statement that `unlike` became.
        """
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
            question=self.question,
            about=self.about,
            reach=self.reach,
            exception=self.exception,
            hangs_on=self.hangs_on,
            provenance=self.provenance,
            source=self.source,
            unlike=unlike,
            language=language,
        )


@dataclass(frozen=True)
class Extraction:
    proposals: list[Proposal]
    rejected: Counter[str]
    """The number of other stretches or proposals, by the reason for which they were left."""

    def __add__(self, other: Extraction) -> Extraction:
        return Extraction(self.proposals + other.proposals, self.rejected + other.rejected)


NOTHING = Extraction([], Counter())
Mode = Literal["auto", "batch", "heads"]


async def extract(
    asker: Asker,
    turns: Sequence[Turn],
    mode: Mode,
    scenes: Scenes,
    encode: Encode | None = None,
    after: int = 0,
    roles: Collection[Mined] = get_args(Mined),
    without: Collection[int] = (),
) -> Extraction:
    """Return all statements of a dialogue, in the order of its turns.

    `auto` means `heads` for models that cannot be trusted with JSON, and `batch` for others.

    Args:
        encode: for `heads`; None where the encoder cannot be had, and then nothing is found so.
        after: turns up to this position are only context. In a branch they are the parent's, and are mined there.
        roles: of the speakers who are mined; turns of others are context too.
        without: positions of turns with slips, which are not mined; each counts as rejected.
    """
    mined = [turn for turn in turns if turn.position > after and turn.role in roles and turn.is_own]
    rejected = Counter({"slip": spoiled} if (spoiled := sum(turn.position in without for turn in mined)) else {})
    mined = [turn for turn in mined if turn.position not in without]
    picked = [turn for turn in mined if turn.origin == "picked"]
    free = [turn for turn in mined if turn.origin != "picked"]
    found = Extraction(from_cards(asker.casting, picked, asker.language), rejected)
    if by_heads_alone(asker.model.traits, mode):
        from culturepark.distill.heads import by_heads

        found += await by_heads(encode, asker.casting, free, asker.language) if encode else NOTHING
    else:
        for stretch in stretches(free):
            for part in await mine_stretch(asker, turns, stretch, scenes):
                found += part
    proposals = sorted(found.proposals, key=lambda p: (p.turn.position, p.quote_start))
    return Extraction(without_repeats(proposals, found.rejected), found.rejected)


def by_heads_alone(traits: Traits, mode: Mode) -> bool:
    """Return whether heads read the turns, and not the model."""
    return mode == "heads" or (mode == "auto" and traits.labels)


def stretches(turns: list[Turn]) -> list[list[Turn]]:
    """Divide turns into stretches of about the same length, of at most `TURNS_A_CALL` turns."""
    if not turns:
        return []
    count = -(-len(turns) // TURNS_A_CALL)
    size = -(-len(turns) // count)
    return [turns[start : start + size] for start in range(0, len(turns), size)]


# --- by numbers ----------------------------------------------------------------------------------------


class Left(BaseModel):
    """Pieces in which there is nothing to be learned, in a model's answer."""

    first: int
    last: int
    why: Literal["others", "question", "courtesy", "again", "unmeant", "fact"]


class Labelled(BaseModel):
    """Pieces that hold a statement of the speaker's own, in a model's answer."""

    first: int
    last: int
    kind: Literal["view", "rule", "practice"]
    about: Literal["question", "case", "else"]
    reach: Literal["general", "personal"]
    source: str
    hangs_on: list[Attribute]
    question: str
    first_person: str
    statement: str
    exception: str
    unlike: int


class StatementsAnswer(BaseModel):
    left: list[Left] = []
    """Asked for, so that the model looks at every piece; an answer without it is one."""
    statements: list[Labelled]


async def mine_stretch(
    asker: Asker, turns: Sequence[Turn], stretch: Sequence[Turn], scenes: Scenes
) -> list[Extraction]:
    """Mine a stretch of turns, in halves where it is too much."""

    async def ask(part: Sequence[Turn]) -> Extraction:
        return await by_numbers(asker, turns, part, scenes)

    def give_up(much: TooMuch, _: Sequence[Turn]) -> Extraction:
        return Extraction([], Counter({much.reason: 1}))

    return await in_parts(stretch, ask, give_up)


async def by_numbers(asker: Asker, turns: Sequence[Turn], mined: Sequence[Turn], scenes: Scenes) -> Extraction:
    """Ask for the labels of all pieces of some turns, and for the statements in them.

    Args:
        turns: all turns of the dialogue; those up to the last mined one are shown, to understand it by.
    Raises:
        TooMuch: if it has to be asked in parts.
    """
    cut = cut_up(mined, asker.language)
    answer, reply = await asker.json(
        asker.language.prompt("extract"),
        material(asker.casting, turns, cut, scenes, asker.language),
        StatementsAnswer,
        name="statements",
        max_tokens=room(len(mined)),
    )
    if answer is None or reply is None:
        return Extraction([], Counter({"unparsable": 1}))
    cards = {turn.speaker: lines_of(asker.casting.by_key(turn.speaker), scenes, asker.language) for turn in mined}
    return grounded(answer, mined, cut, cards, asker.casting, reply.call_id)


def room(turns: int) -> int:
    """Return the most tokens of an answer about so many turns."""
    return min(ANSWER_TOKENS + TOKENS_A_TURN * turns, MOST_TOKENS)


def spoken_in(turn: Turn, language: Language) -> Language:
    """
    Args:
        language: of the dialogue, where it has but one.
    """
    return load_language(turn.language) if turn.language else language


Cut = Mapping[int, Sequence[Piece]]
"""The pieces of each mined turn, by its position; the numbers go on from turn to turn."""


def cut_up(turns: Iterable[Turn], language: Language) -> dict[int, list[Piece]]:
    cut: dict[int, list[Piece]] = {}
    first = 1
    for turn in turns:
        cut[turn.position] = pieces(turn.text, spoken_in(turn, language).sentences, first)
        first += len(cut[turn.position])
    return cut


def material(
    casting: Casting, turns: Sequence[Turn], cut: Cut, scenes: Scenes, language: Language, until: int = 0
) -> dict[str, Any]:
    """Return what the model reads. Pure.

    Args:
        until: position of the last turn that is shown, where that is not the last one that is cut.
    """
    speakers = {turn.speaker for turn in turns if turn.position in cut}
    shown: dict[str, Any] = {"question": casting.seed.question}
    if casting.situation:
        shown["case"] = casting.situation.told
    shown["people"] = [
        {**who(p.persona), "card": lines_of(p, scenes, language)}
        for p in casting.participants
        if p.persona.key in speakers
    ]
    shown["turns"] = [
        {
            "turn": turn.position,
            "speaker": called(turn, casting, language),
            "text": numbered(turn.text, cut[turn.position]) if turn.position in cut else turn.text,
        }
        for turn in turns
        if turn.position <= max(until, *cut)
        and turn.role != "user"  # what a real person typed is shown to the speaker alone
    ]
    return shown


def who(persona: Persona) -> dict[str, object]:
    return {"name": persona.called, "place": persona.place, "country": persona.country_name}


def called(turn: Turn, casting: Casting, language: Language) -> str:
    frames = {"moderator": "moderator", "user": "visitor"}
    if turn.speaker in frames:
        return language.frame(frames[turn.speaker]).text
    return casting.by_key(turn.speaker).persona.called


def lines_of(participant: Participant, scenes: Scenes, language: Language) -> dict[str, str]:
    """Return the lines of a card that may carry a statement, by the names under which `Statement.source` keeps them.

    Args:
        scenes: of the scenes on the card those that could be told.
    """
    persona = participant.persona
    told = scenes.get(persona.key, ())
    lines = {f"norm {n}": norm.text for n, norm in enumerate(persona.norms, start=1)}
    lines |= {f"value {n}": f"{value.value}: {value.why}" for n, value in enumerate(persona.values, start=1)}
    own = persona.told_in
    language = load_language(own) if own else language
    lines |= {
        f"saying {n}": saying.text if own and saying.language.partition("-")[0] == own else saying.english
        for n, saying in enumerate(persona.sayings, start=1)
    }
    lines |= {f"scene {n}": as_line(scene, language) for n, scene in enumerate(scenes_of(persona), 1) if scene in told}
    return lines | ({ANSWER: participant.stance.text} if participant.stance else {})


def line_of(casting: Casting, participant: Participant, source: str, language: Language) -> str | None:
    """Return the line that a source names, as it is understood by itself; None if the card has none of that name."""
    persona = participant.persona
    line = lines_of(participant, {persona.key: scenes_of(persona)}, language).get(source)
    if line and source == ANSWER:
        return language.frame("answered").render(question=casting.seed.question, answer=line)
    return line


def as_line(scene: Scene, language: Language) -> str:
    return language.frame("scene").render(**scene.model_dump()).removeprefix("- ")


def provenance_of(source: str | None, *, carried: bool = True) -> Provenance:
    """Return where a statement comes from.

    Args:
        source: the line that is said to carry it.
        carried: whether the verifier found that it does.
    """
    if source is None or not carried:
        return "model"
    return "episode" if source.startswith("scene") else "card"


def grounded(
    answer: StatementsAnswer,
    turns: Sequence[Turn],
    cut: Cut,
    cards: Mapping[str, Mapping[str, str]],
    casting: Casting,
    call_id: str,
) -> Extraction:
    """Return the statements of an answer with their places in the turns; count the others, and what was left. Pure.

    Args:
        cards: speaker -> the lines that may carry a statement.
    """
    by_number = {piece.number: (turn, piece) for turn in turns for piece in cut[turn.position]}
    left = {number: part.why for part in answer.left for number in within(part, by_number)}
    rejected = Counter(LEFT[part.why] for part in answer.left if within(part, by_number))
    made: dict[int, Proposal] = {}
    for place, labelled in enumerate(answer.statements, start=1):
        proposal = located(labelled, by_number, left, cards, call_id)
        if isinstance(proposal, str):
            rejected[proposal] += 1
            continue
        other = made.get(labelled.unlike)
        if other and country_of(other, casting) != country_of(proposal, casting):
            proposal = replace(proposal, unlike=other)
        made[place] = proposal
    return Extraction(list(made.values()), rejected)


LEFT = {
    "others": "another-speaker", "question": "question", "courtesy": "small-talk", "again": "repeated",
    "unmeant": "not-meant", "fact": "personal",
}  # fmt: skip
"""Why pieces are left, as runs count it."""


def within(part: Left | Labelled, known: Collection[int]) -> list[int]:
    """Return the numbers of a part, as far as there are such pieces."""
    first, last = max(part.first, min(known, default=1)), min(part.last, max(known, default=0))
    return [n for n in range(first, last + 1) if n in known]


def located(
    labelled: Labelled,
    by_number: Mapping[int, tuple[Turn, Piece]],
    left: Mapping[int, str],
    cards: Mapping[str, Mapping[str, str]],
    call_id: str,
) -> Proposal | str:
    """Return a statement with its quote, or the reason why it is rejected. Pure."""
    numbers = within(labelled, by_number)
    if not numbers:
        return "no-such-piece"
    (turn, first), (last_turn, last) = by_number[numbers[0]], by_number[numbers[-1]]
    if last_turn is not turn:
        return "across-turns"
    if any(number in left for number in numbers):
        return "labelled-twice"
    statement, first_person = as_row(labelled.statement), as_row(labelled.first_person)
    if statement is None or first_person is None:
        return "no-statement"
    if flaw := unfit(statement) or unfit(first_person):
        return flaw
    source = labelled.source.strip()
    known = source if source in cards[turn.speaker] else None
    return Proposal(
        turn,
        KINDS[labelled.kind],
        statement,
        first_person,
        first.start,
        last.end,
        call_id,
        question=as_row(labelled.question),
        about=ABOUT[labelled.about],
        reach=labelled.reach,
        exception=as_row(labelled.exception),
        hangs_on=tuple(dict.fromkeys(labelled.hangs_on)),
        provenance=provenance_of(known),
        source=known,
    )


def as_row(words: str) -> str | None:
    """Return a model's sentence as it is stored; None if it is none, or is unfit to train on."""
    said = storable(" ".join(words.split()))
    return said if quotes.readable(said) else None


def country_of(proposal: Proposal, casting: Casting) -> str:
    return casting.by_key(proposal.turn.speaker).persona.country_name


# --- by the card ---------------------------------------------------------------------------------------


def from_cards(casting: Casting, turns: Iterable[Turn], language: Language) -> list[Proposal]:
    """Return the norms and customs of the card that stand in turns which were picked from it. Pure."""
    proposals = []
    for turn in turns:
        if turn.phase in NOT_PICKED:
            continue
        persona = casting.by_key(turn.speaker).persona
        for number, norm in enumerate(persona.norms, start=1):
            start = turn.text.find(norm.text)
            if start < 0:
                continue
            proposals.append(
                Proposal(
                    turn,
                    norm.kind,
                    quotes.attributed(persona, norm.text, spoken_in(turn, language)),
                    quotes.as_sentence(norm.text),
                    start,
                    start + len(norm.text),
                    None,
                    reach="general",
                    provenance="card",
                    source=f"norm {number}",
                )
            )
    return proposals


def without_repeats(proposals: list[Proposal], rejected: Counter[str]) -> list[Proposal]:
    """Return the first proposal of each that rest on the very same words; count the others as rejected."""
    first: dict[tuple[str, str, Kind], Proposal] = {}
    for proposal in proposals:
        same = (proposal.turn.speaker, proposal.quote.casefold(), proposal.kind)
        if first.setdefault(same, proposal) is not proposal:
            rejected["repeated"] += 1
    return list(first.values())


def as_shown(turn: Turn, casting: Casting, language: Language) -> JsonObject:
    """Return a turn as the verifier is shown it."""
    return {"turn": turn.position, "speaker": called(turn, casting, language), "text": turn.text}
