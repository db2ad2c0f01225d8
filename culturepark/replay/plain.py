"""A dialogue as plain text: for pipes, screen readers, and people in a hurry."""

from __future__ import annotations

import time
from collections.abc import Iterator

from culturepark.domain import Edition, Turn
from culturepark.show import safe
from culturepark.store import queries
from culturepark.store.rows import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, ParticipantRow

POLL_SECONDS = 0.5


def replay(store: Store, run_or_dialogue: str, *, follow: bool) -> Iterator[str]:
    """Line by line; with `follow`, goes on as long as the dialogues do.

    Raises:
        UsageError: if there is no such run or dialogue.
    """
    rows = queries.dialogue(store, run_or_dialogue)
    edition = edition_of(store.run(rows[0].run_id))
    yield "A conversation between simulated people; no evidence of what real people think."
    for row in rows:
        people = queries.participants(store, row.id)
        if row.status == "pending" and not follow:
            continue
        yield from heading(row, people, edition)
        yield from turns(store, row, people, follow=follow)


def heading(row: DialogueRow, people: list[ParticipantRow], edition: Edition) -> Iterator[str]:
    seed = edition.seed(row.seed_key)
    yield ""
    yield safe(f"=== {row.id} · {row.setting} · {row.protocol}")
    yield safe(f"    {seed.question}")
    for person in people:
        persona = edition.persona(person.persona_key)
        stance = f"; own answer: {person.stance_text}" if person.stance_text else ""
        yield safe(f"    {person.name}, {persona.age}, {persona.place} ({person.culture} {person.role}){stance}")


def turns(store: Store, row: DialogueRow, people: list[ParticipantRow], *, follow: bool) -> Iterator[str]:
    names = {person.persona_key: person.name for person in people} | {"moderator": "Moderator", "user": "You"}
    phase, shown = "", 0
    while True:
        current = next(d for d in store.dialogues(row.run_id) if d.id == row.id) if follow else row
        for turn in store.turns(row.id)[shown:]:
            if turn.phase != phase:
                phase = turn.phase
                yield f"\n--- {safe(phase)}"
            yield f"\n{safe(names.get(turn.speaker, turn.speaker))}{mark(turn)}:"
            yield safe(turn.text, lines=True)
            shown += 1
        if not follow or current.status in ("done", "failed", "stopped"):
            yield f"\n=== {current.status}" + (f": {safe(current.stop_reason)}" if current.stop_reason else "")
            return
        time.sleep(POLL_SECONDS)


def mark(turn: Turn) -> str:
    """A fixed cue is told from what a model said."""
    return {"cue": " (cue)", "fallback": " (cue, after two refused follow-ups)"}.get(turn.origin, "")
