"""Runs in which somebody told of norms and customs, written by hand, and a judge who compares them by a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import select

from culturepark.domain import JsonObject, Kind, Statement, Status
from culturepark.store.tables import ParticipantRow, StatementRow, VerdictRow
from tests.support.endpoint import Hook
from tests.support.fakes import ELIF, JENNA, FakeModel, begin, edition, turns_of

CEVDET, GULSAH = "turkish-cevdet", "turkish-gulsah"
PEOPLE = (JENNA, ELIF, CEVDET, GULSAH)
KNOWN = 3
"""Items of a call that everybody knows, before the others."""


@dataclass
class Tell:
    """One telling."""

    speaker: str
    text: str
    kind: Kind = "custom"
    known: dict[str, Any] = field(
        default_factory=lambda: {"reach": "general", "provenance": "card", "source": "norm 1"}
    )
    heard: Mapping[str, str] = field(default_factory=dict)
    """Persona who was asked about it later -> the answer."""
    faithful: bool = True


def planted(folder: Path, run_id: str, tellings: Sequence[Tell]) -> list[str]:
    """Leave a finished run with these tellings in one dialogue, each in a turn of its own; return their ids."""
    one_edition = edition(people=PEOPLE)
    held = begin(folder, one_edition, FakeModel(), run_id=run_id)
    turns = turns_of([(one.speaker, one.text) for one in tellings])
    dialogue = f"{run_id}.d1"
    for turn in turns:
        held.store.add_turn(dialogue, turn)
    for row in held.store.dialogues(run_id):
        held.store.set_dialogue(row.id, Status.DONE, "completed")
    held.store.set_run(run_id, Status.DONE, "completed")
    ids = [f"{dialogue}.t{turn.position}.s1" for turn in turns]
    with held.store.database.writing() as session:
        seats = {
            row.persona_key: row
            for row in session.exec(select(ParticipantRow).where(ParticipantRow.dialogue_id == dialogue))
        }
        for position, key in enumerate(sorted({one.speaker for one in tellings} - {*seats}), start=len(seats) + 1):
            person = next(persona for persona in one_edition.personas if persona.key == key)
            session.add(
                ParticipantRow(
                    dialogue_id=dialogue, position=position, persona_key=key, name=person.name, role=person.role,
                    culture=person.culture, country=person.country,
                )
            )  # fmt: skip
        for name, one in zip(ids, tellings, strict=True):
            statement = Statement(
                id=name,
                turn_id=name.rpartition(".")[0],
                persona_key=one.speaker,
                culture=one.speaker.partition("-")[0],
                kind=one.kind,
                text=one.text,
                first_person=one.text,
                quote=one.text,
                quote_start=0,
                quote_end=len(one.text),
                **one.known,
            )
            session.add(StatementRow.of(statement, 1, None))
        session.flush()
        for name, one in zip(ids, tellings, strict=True):
            verdicts: list[JsonObject] = [
                {
                    "criterion": "faithful",
                    "relation": "entail" if one.faithful else "contradict",
                    "decision": "keep" if one.faithful else "drop",
                }
            ]
            verdicts += [
                {
                    "criterion": "cross-check",
                    "relation": "contradict" if answer == "denied" else "entail",
                    "decision": "drop" if answer == "denied" else "keep",
                    "answer": answer,
                    "judge": person,
                    "reason": f"I say {answer}.",
                }
                for person, answer in one.heard.items()
            ]
            for number, verdict in enumerate(verdicts, start=1):
                session.add(VerdictRow(id=f"{name}.v{number}", statement_id=name, round=1, **verdict))
    held.store.close()
    return ids


Table = Mapping[frozenset[str], tuple[str, str]]
"""The texts of a pair -> relation, and what differs; other pairs are unrelated."""


def table(*relations: tuple[str, str, str]) -> Table:
    """
    Args:
        relations: two texts and their relation.
    """
    return {frozenset((one, other)): (relation, f"so says the judge: {relation}") for one, other, relation in relations}


def compares(relations: Table, *, knows: bool = True) -> Hook:
    """A judge who tells relations by a table.

    Args:
        knows: whether it tells those of the known pairs too; otherwise it takes all pairs for the same.
    """

    def reply(body: JsonObject, number: int) -> str | None:
        if "response_format" not in body:
            return None
        items = json.loads(body["messages"][-1]["content"])["items"]
        told = []
        for place, item in enumerate(items):
            relation, differs = relations.get(texts(item), ("unrelated", ""))
            if place < KNOWN:
                relation = ("same", "denies", "unrelated")[place]
            if not knows:
                relation = "same"
            told.append({"id": item["id"], "differs": differs, "relation": relation})
        return json.dumps({"items": told})

    return reply


def texts(item: JsonObject) -> frozenset[str]:
    return frozenset((item["one"]["text"], item["other"]["text"]))


def pairs_in(bodies: Sequence[JsonObject]) -> list[frozenset[str]]:
    """The pairs of some requests, without the known ones."""
    found = []
    for body in bodies:
        if "response_format" in body:
            found += [texts(item) for item in json.loads(body["messages"][-1]["content"])["items"][KNOWN:]]
    return found
