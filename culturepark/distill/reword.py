"""A contradicting opinion may be worded anew, once. It rests on the same quote, and is verified as reworded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from culturepark.dialogue.guards import storable
from culturepark.distill import quotes
from culturepark.distill.ask import Asker, TooMuch
from culturepark.distill.extract import as_shown
from culturepark.distill.judgement import Case
from culturepark.domain import DistillPolicy, Verdict
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
    """Faithful opinions that contradict their speaker's stance, where contradictions are not kept. Pure.

    A sentence taken word by word has no wording of ours that could be at fault.
    """
    if policy.rewrite == "off":
        return []
    found = {(v.statement_id, v.criterion): v.relation for v in verdicts}
    return [
        one
        for one in cases
        if found.get((one.statement.id, "faithful")) == "entail"
        and found.get((one.statement.id, "stance")) == "contradict"
        and "contradict" not in policy.keep
        and not one.verbatim
    ]


async def reword(asker: Asker, cases: Sequence[Case], policy: DistillPolicy) -> list[Reworded]:
    """New wordings; a case whose wording came back empty, unchanged or unfit is left out.

    Raises:
        CultureparkError: as the ledger does.
    """
    casting = asker.casting
    name = "reword-as-published" if policy.rewrite == "as-published" else "reword"
    done = []
    for one in cases:
        assert one.stance is not None  # only contradictions of a stance get here
        speaker = casting.by_key(one.statement.persona_key).persona
        material = {
            "question": casting.seed.question,
            "speaker": speaker.called,
            "stance": one.stance.text,
            "turn": as_shown(one.turn, casting),
            "quote": one.statement.quote,
            "statement": one.statement.text,
            "first_person": one.statement.first_person,
        }
        try:
            answer, reply = await asker.json(asker.prompt(name), material, Rewording, name="rewording", max_tokens=400)
        except TooMuch:
            continue
        if answer is None or reply is None:
            continue
        text, first_person = storable(answer.statement.strip()), storable(answer.first_person.strip())
        changed = (text, first_person) != (one.statement.text, one.statement.first_person)
        sound = not (unfit(text) or unfit(first_person))
        if changed and sound and quotes.readable(text) and quotes.readable(first_person):
            done.append(Reworded(one, text, first_person, reply.call_id))
    return done
