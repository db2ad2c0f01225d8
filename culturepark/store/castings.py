"""The castings of a stored run, read back from its rows. Read-only.

A run is planned once; branches are never planned. So the rows say who sits where, and `run.skipped` says what the plan
had to leave out.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy
from sqlmodel import Session, col

from culturepark.dialogue.casting import Skip
from culturepark.domain import Casting, Edition, Participant, Stance
from culturepark.errors import StoreError
from culturepark.store.integrity import sound
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, ParticipantRow, RunRow

DIALOGUE = tuple(col(getattr(DialogueRow, name)) for name in ("id", "number", "seed_key"))
PERSON = tuple(
    col(getattr(ParticipantRow, name))
    for name in ("dialogue_id", "position", "persona_key", "stance_code", "stance_text", "fit")
)


def castings(store: Store, run: RunRow, edition: Edition, only: str | None = None) -> tuple[Casting, ...]:
    """Return the castings of a run in the order of their numbers.

    Participants with the same persona and stance are one object: 10,000 dialogues have some hundreds.

    Args:
        only: the id of the one dialogue to return; the run does not matter then.
    Raises:
        StoreError: if a dialogue has no participant, or one that the run's scenario does not know.
    """
    with store.database.reading() as session:
        return sitting_in(session, col(DialogueRow.id) == only if only else col(DialogueRow.run_id) == run.id, edition)


def castings_of_run(look: Session, run_id: str, edition: Edition) -> tuple[Casting, ...]:
    """Return the castings of a run, as `castings` does."""
    return sitting_in(look, col(DialogueRow.run_id) == run_id, edition)


def sitting_in(session: Session, condition: Any, edition: Edition) -> tuple[Casting, ...]:
    """Return the castings of the dialogues that meet a condition; see `castings`."""
    seeds = {seed.key: edition.seed(seed.key) for seed in edition.scenario.seeds}
    people: dict[tuple[str, int | None, str | None, int | None], Participant] = {}
    sitting: dict[str, list[Participant]] = {}
    dialogues = sqlalchemy.select(*DIALOGUE).where(condition).order_by(col(DialogueRow.number))
    persons = sqlalchemy.select(*PERSON).join(DialogueRow, col(DialogueRow.id) == col(ParticipantRow.dialogue_id))
    rows = list(sound(session, DialogueRow, dialogues))
    for row in sound(session, ParticipantRow, persons.where(condition).order_by(col(ParticipantRow.position))):
        key = row["persona_key"], row["stance_code"], row["stance_text"], row["fit"]
        if key not in people:
            stance = None if key[1] is None else Stance(code=key[1], text=key[2] or "")
            people[key] = Participant(persona=edition.persona(key[0]), stance=stance, fit=row["fit"])
        sitting.setdefault(row["dialogue_id"], []).append(people[key])
    if empty := next((row["id"] for row in rows if row["id"] not in sitting), None):
        raise StoreError(f"nobody sits in the dialogue {empty[:120]!r}; `culturepark doctor` lists all damage")
    return tuple(
        Casting(
            number=row["number"],
            seed=seeds.get(row["seed_key"]) or edition.seed(row["seed_key"]),
            participants=tuple(sitting[row["id"]]),
        )
        for row in rows
    )


def skipped(run: RunRow) -> tuple[Skip, ...]:
    """Return what the run's plan had to leave out; nothing for a branch."""
    return tuple(Skip(**skip) for skip in json.loads(run.skipped or "[]"))
