"""Rewords an opinion that contradicts its speaker's stance, once. It keeps its quote, and is verified as reworded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch
from culturepark.distill.extract import as_shown
from culturepark.distill.judgement import Case
from culturepark.domain import DistillPolicy, Verdict, storable
from culturepark.models.thoughts import unfit


class Rewording(BaseModel):
    statement: str
    first_person: str


@dataclass(frozen=True)
class Reworded:
    case: Case
    text: str
    first_person: str
    call_id: str


def candidates(cases: Sequence[Case], verdicts: Sequence[Verdict], policy: DistillPolicy) -> list[Case]:
    """Return faithful opinions that contradict their speaker's stance, where contradictions are not kept. Pure.

    A sentence taken word by word is left out: no wording of the extractor can be at fault.
    """
    if policy.rewrite == "off" or "contradict" in policy.keep:
        return []
    relations = {(v.statement_id, v.criterion): v.relation for v in verdicts}
    return [
        case
        for case in cases
        if relations.get((case.statement.id, "faithful")) == "entail"
        and relations.get((case.statement.id, "stance")) == "contradict"
        and not case.verbatim
    ]


async def reword(asker: Asker, cases: Sequence[Case], policy: DistillPolicy) -> list[Reworded]:
    """Return new wordings. A case whose wording came back empty, unchanged or unfit is left out."""
    casting = asker.casting
    name = "reword-as-published" if policy.rewrite == "as-published" else "reword"
    reworded = []
    for case in cases:
        statement = case.statement
        assert case.stance is not None  # only contradictions of a stance get here
        speaker = casting.by_key(statement.persona_key).persona
        material = {
            "question": casting.seed.question,
            "speaker": speaker.called,
            "stance": case.stance.text,
            "turn": as_shown(case.turn, casting, asker.language),
            "quote": statement.quote,
            "statement": statement.text,
            "first_person": statement.first_person,
        }
        try:
            answer, reply = await asker.json(
                asker.language.prompt(name), material, Rewording, name="rewording", max_tokens=400
            )
        except TooMuch:
            continue
        if answer is None or reply is None:
            continue
        text, first_person = storable(answer.statement.strip()), storable(answer.first_person.strip())
        changed = (text, first_person) != (statement.text, statement.first_person)
        sound = not (unfit(text) or unfit(first_person))
        if changed and sound and quotes.readable(text) and quotes.readable(first_person):
            reworded.append(Reworded(case, text, first_person, reply.call_id))
    return reworded
