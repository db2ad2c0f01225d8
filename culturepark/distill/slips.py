"""Looks through a dialogue that is over for slips: turns in which somebody is not true to card and talk.

The verifier's model reads the whole dialogue with everybody's card, in one call. A slip marks its turn for good: some
kinds keep the turn from being mined, one goes with all that is made of it (`domain.SLIP_OUTCOMES`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from culturepark.dialogue.memory import own_words, words
from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch, as_reason, in_parts
from culturepark.distill.extract import as_line
from culturepark.domain import Casting, JsonObject, Participant, Scene, Slip, SlipKind, Turn
from culturepark.languages import Language

ANSWER_TOKENS, TOKENS_A_TURN = 300, 60
"""Limits on an answer: a slip takes some 80 tokens, and few turns have one."""
TOUCHED = 3
"""Words of a scene's own, in one turn, from which on the scene is shown to the judge."""
SMALLEST_PART = 4
"""Turns. A part this small that is too much is given up: what is too long then is the cards."""
FACTS = (
    "age", "gender", "place", "region", "household", "work", "schooling", "faith", "observance",
    "languages",
)  # fmt: skip
"""Keys of a card that say who somebody is."""
FLAG = "unfounded"
"""Flag of samples from a turn whose rule or custom nobody vouches for."""


class ProposedSlip(BaseModel):
    """One slip in a model's answer."""

    turn: int
    kind: SlipKind
    quote: str
    note: str


class SlipsAnswer(BaseModel):
    slips: list[ProposedSlip]


@dataclass(frozen=True)
class Examination:
    slips: list[Slip]
    unread: int
    """Number of turns about which the model gave no answer that could be read."""


def examined(turns: Sequence[Turn], after: int = 0) -> list[Turn]:
    """Return the turns that are looked through: those that personas said themselves.

    Args:
        after: turns up to this position are only context. In a branch they are the parent's.
    """
    return [turn for turn in turns if turn.is_own and turn.position > after]


async def examine(
    asker: Asker, turns: Sequence[Turn], scenes: Mapping[str, Sequence[Scene]], after: int = 0
) -> Examination:
    """Return the slips of a dialogue, in the order of its turns; in parts where it is too long to be read at once.

    Args:
        turns: all turns of the dialogue.
        scenes: by the persona's key, those that each could tell in this dialogue.
        after: as in `examined`.
    """
    wanted = {turn.position for turn in examined(turns, after)}

    async def ask(part: Sequence[Turn]) -> Examination:
        judged = [turn for turn in part if turn.position in wanted]
        if not judged:
            return Examination([], 0)
        before = [turn for turn in turns if turn.position == part[0].position - 1]  # it may have asked something
        try:
            answer, reply = await asker.json(
                asker.language.prompt("slips"),
                material(asker.casting, [*before, *part], judged, scenes, asker.language),
                SlipsAnswer,
                name="slips",
                max_tokens=ANSWER_TOKENS + TOKENS_A_TURN * len(judged),
            )
        except TooMuch as much:
            if much.reason == "withheld" or len(part) <= SMALLEST_PART:  # a filter objects to cards as well
                return Examination([], len(judged))
            raise
        if answer is None or reply is None:
            return Examination([], len(judged))
        return Examination(grounded(answer.slips, judged, asker.subject_id, reply.call_id), 0)

    def give_up(_: TooMuch, part: Sequence[Turn]) -> Examination:
        return Examination([], sum(turn.position in wanted for turn in part))

    parts = await in_parts(turns, ask, give_up) if wanted else []
    return Examination([slip for part in parts for slip in part.slips], sum(part.unread for part in parts))


def material(
    casting: Casting,
    turns: Sequence[Turn],
    judged: Sequence[Turn],
    scenes: Mapping[str, Sequence[Scene]],
    language: Language,
) -> JsonObject:
    """Return what the model reads. Pure."""
    names = {p.persona.key: p.persona.called for p in casting.participants}
    names |= {"moderator": language.frame("moderator").text, "user": language.frame("visitor").text}
    return {
        "question": casting.seed.question,
        "people": [
            card(p, touched(scenes.get(p.persona.key, ()), said_by(p.persona.key, turns)), language)
            for p in casting.participants
        ],
        "turns": [as_told(turn, names) for turn in turns],
        "judge": [turn.position for turn in judged],
    }


def as_told(turn: Turn, names: Mapping[str, str]) -> JsonObject:
    told: JsonObject = {"turn": turn.position, "speaker": names.get(turn.speaker, turn.speaker)}
    if asked := turn.addressee or (turn.mark and turn.mark.asks):
        told["to"] = names.get(asked, asked)
    if turn.mark and turn.mark.grounds:
        told["rules_from"] = list(turn.mark.grounds)
    return told | {"text": turn.text}


def said_by(key: str, turns: Sequence[Turn]) -> list[str]:
    return [turn.text for turn in turns if turn.speaker == key]


def touched(scenes: Sequence[Scene], said: Sequence[str]) -> list[Scene]:
    """Return the scenes of which some turn has words. The others can neither be told wrong nor bear a custom out."""
    return [scene for scene in scenes if any(len(own_words(scene, scenes) & words(turn)) >= TOUCHED for turn in said)]


def card(participant: Participant, scenes: Sequence[Scene], language: Language) -> JsonObject:
    """Return what of a person's card a slip can go against. The manner of speaking is no part of it."""
    persona = participant.persona
    facts = {name: value for name in FACTS if (value := getattr(persona, name)) is not None}
    own: JsonObject = {"name": persona.name, "called": persona.called, "country": persona.country_name, **facts}
    own["values"] = [f"{value.value}: {value.why}" for value in persona.values]
    own["from_home"] = [norm.text for norm in persona.norms]
    if participant.stance:
        own["answer"] = participant.stance.text
    if scenes:
        own["scenes"] = [as_line(scene, language) for scene in scenes]
    return own


def grounded(
    proposed: Iterable[ProposedSlip], judged: Sequence[Turn], dialogue_id: str, call_id: str | None
) -> list[Slip]:
    """Return the slips whose words stand in a turn that was to be judged, one of a kind in each turn. Pure.

    A judge that sees slips everywhere often cannot say where: what it cannot quote is dropped.
    """
    by_position = {turn.position: turn for turn in judged}
    slips: dict[tuple[int, SlipKind], Slip] = {}
    for slip in proposed:
        turn = by_position.get(slip.turn)
        span = quotes.locate(slip.quote, turn.text) if turn else None
        if turn is None or span is None or not any(sign.isalnum() for sign in turn.text[slice(*span)]):
            continue
        found = Slip(
            turn_id=f"{dialogue_id}.t{turn.position}",
            kind=slip.kind,
            quote=turn.text[slice(*span)],
            note=as_reason(slip.note) or "",
            call_id=call_id,
        )
        slips.setdefault((turn.position, slip.kind), found)
    return [slips[key] for key in sorted(slips)]


def spoiled(slips: Iterable[Slip]) -> set[str]:
    """Return the ids of turns that are not mined."""
    return {slip.turn_id for slip in slips if slip.outcome == "not mined"}


def flagged(slips: Iterable[Slip]) -> set[str]:
    """Return the ids of turns of which everything that is made carries `FLAG`."""
    return {slip.turn_id for slip in slips if slip.outcome == "flagged"}
