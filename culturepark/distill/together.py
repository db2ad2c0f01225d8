"""Looks for slips and finds statements in one call, so that the turns and the cards are sent once.

Only where one model does both. Where its answer cannot be used, the caller asks for each apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from culturepark.distill import extract, slips
from culturepark.distill.ask import Asker, TooMuch
from culturepark.distill.extract import Extraction, Scenes, StatementsAnswer
from culturepark.distill.slips import Examination, ProposedSlip
from culturepark.domain import JsonObject, Mined, Scene, Slip, Turn
from culturepark.languages import Language, Prompt

NUMBER = re.compile(r"\s*\[\d+\]\s*")
"""The number of a piece, as it stands in a turn."""


class BothAnswer(StatementsAnswer):
    slips: list[ProposedSlip]


async def examine_and_extract(
    asker: Asker,
    turns: Sequence[Turn],
    scenes: Mapping[str, Sequence[Scene]],
    roles: Collection[Mined],
    after: int = 0,
) -> tuple[Examination, Extraction] | None:
    """Return the slips of a dialogue and its statements, as `examine` and `extract` do; None to ask for each apart.

    Args:
        scenes: by the persona's key, those that each could tell in this dialogue.
        roles: of the speakers who are mined; all are examined.
        after: turns up to this position are only context.
    """
    judged = slips.examined(turns, after)
    mined = [turn for turn in judged if turn.role in roles]
    near = {key: slips.touched(told, slips.said_by(key, turns)) for key, told in scenes.items()}
    found: list[Slip] = []
    extraction = extract.NOTHING
    stretches = extract.stretches(mined)
    begin = after
    for number, stretch in enumerate(stretches, start=1):
        end = stretch[-1].position if number < len(stretches) else turns[-1].position
        part = [turn for turn in judged if begin < turn.position <= end]
        begin = end
        made = await ask(asker, turns, stretch, part, near)
        if made is None:
            return None
        found += made[0]
        extraction += made[1]
    if not stretches:
        return None
    spoiled = {slip.turn_id for slip in found if slip.outcome == "not mined"}
    bad = {turn.position for turn in mined if f"{asker.subject_id}.t{turn.position}" in spoiled}
    rejected = extraction.rejected + Counter({"slip": len(bad)} if bad else {})
    proposals = sorted(
        (proposal for proposal in extraction.proposals if proposal.turn.position not in bad),
        key=lambda proposal: (proposal.turn.position, proposal.quote_start),
    )
    return Examination(found, 0), Extraction(extract.without_repeats(proposals, rejected), rejected)


async def ask(
    asker: Asker, turns: Sequence[Turn], mined: Sequence[Turn], judged: Sequence[Turn], scenes: Scenes
) -> tuple[list[Slip], Extraction] | None:
    """Ask for the labels of some turns and the slips of others; None where the answer is none, or is too long."""
    language = asker.language
    cut = extract.cut_up(mined, language)
    try:
        answer, reply = await asker.json(
            prompt(language),
            material(asker, turns, cut, judged, scenes),
            BothAnswer,
            name="slips_and_statements",
            max_tokens=extract.room(len(mined)) + slips.ANSWER_TOKENS,
        )
    except TooMuch:
        return None
    if answer is None or reply is None:
        return None
    bare = [slip.model_copy(update={"quote": NUMBER.sub(" ", slip.quote).strip()}) for slip in answer.slips]
    found = slips.grounded(bare, judged, asker.subject_id, reply.call_id)
    cards = {turn.speaker: extract.lines_of(asker.casting.by_key(turn.speaker), scenes, language) for turn in mined}
    return found, extract.grounded(answer, mined, cut, cards, asker.casting, reply.call_id)


def prompt(language: Language) -> Prompt:
    """Return one prompt out of those of both tasks."""
    body, _, shape = language.prompt("extract").text.rpartition("\n\n")
    what = language.prompt("slips").text.partition("A slip is one of these:")
    kinds = (what[1] + what[2]).rpartition("\n\n")[0]
    template = language.prompt("slips-too")
    return Prompt(template.render(extract=body, slips=kinds, shape=shape.partition("{")[2]))


def material(
    asker: Asker, turns: Sequence[Turn], cut: extract.Cut, judged: Sequence[Turn], scenes: Scenes
) -> JsonObject:
    """Return what the model reads: what the extractor does, with whom turns ask and the facts of everybody's card."""
    casting, language = asker.casting, asker.language
    shown = extract.material(casting, turns, cut, scenes, language, until=judged[-1].position)
    by_position = {turn.position: turn for turn in turns}
    names = {p.persona.key: p.persona.called for p in casting.participants}
    people = [
        {
            **extract.who(p.persona),
            **{name: value for name in slips.FACTS if (value := getattr(p.persona, name)) is not None},
            "card": extract.lines_of(p, scenes, language),
        }
        for p in casting.participants
    ]
    told = [
        {**slips.as_told(by_position[number], names), "speaker": turn["speaker"], "text": turn["text"]}
        for turn in shown["turns"]
        for number in (turn["turn"],)
    ]
    return {**shown, "people": people, "turns": told, "judge": [turn.position for turn in judged]}
