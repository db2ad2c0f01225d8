"""The kept statements that nobody has judged, what a model made up before the rest. Read-only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy
from sqlmodel import col, func

from culturepark.domain import JsonObject
from culturepark.glossary import GROUNDS_SHORT, in_words
from culturepark.ids import by_number, statement_of, turn_of
from culturepark.store.draws import Over, among
from culturepark.store.integrity import of_columns
from culturepark.store.lineage import of_run
from culturepark.store.standing import standing_reviews
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, RunRow, SampleRow, StatementRow

MADE_UP, UNSUPPORTED, OTHER = range(3)
"""Ranks. Made up: no line of the card carries it. Unsupported: it has a flag of `DOUBTS`."""
DOUBTS = ("unfounded", "ungrounded")
"""Flags of samples that make a statement worth a look."""


@dataclass(frozen=True)
class Waiting:
    """A statement with kept samples that waits for a review."""

    id: str
    culture: str
    kind: str
    text: str
    """What its speaker says, as it is trained on."""
    provenance: str | None
    """Of its samples the least sure one."""
    flags: tuple[str, ...]
    samples: tuple[str, ...]
    """Ids of its kept samples."""

    @property
    def rank(self) -> int:
        if self.provenance == "model":
            return MADE_UP
        return UNSUPPORTED if any(flag in DOUBTS for flag in self.flags) else OTHER

    @property
    def why(self) -> str:
        """Where its content comes from, and its flags, in short words."""
        return ", ".join([in_words(GROUNDS_SHORT, self.provenance or "unknown"), *self.flags])

    def as_json(self) -> JsonObject:
        return {
            "id": self.id,
            "culture": self.culture,
            "kind": self.kind,
            "text": self.text,
            "provenance": self.provenance,
            "flags": list(self.flags),
            "samples": list(self.samples),
        }


def queue(store: Store, run: RunRow, reviewer: str = "", with_also: str = "") -> list[Waiting]:
    """Return the statements of a run that wait for a review, by rank, and within a rank in the order of the talk.

    A review of a statement, its turn or one of its samples is one.

    Args:
        reviewer: whose reviews count; empty for anybody's.
        with_also: id of a statement that keeps its place, judged or not.
    """
    facts: list[Any] = [StatementRow.id, StatementRow.culture, StatementRow.kind, StatementRow.first_person]
    facts += [SampleRow.id, func.coalesce(SampleRow.provenance, StatementRow.provenance), SampleRow.flags]
    query = of_run(sqlalchemy.select(*facts)).where(col(DialogueRow.run_id) == run.id, col(SampleRow.status) == "kept")
    with store.database.reading() as session:
        rows = of_columns(session.execute(query))
        given = standing_reviews(session, run.id)
    judged = {subject for subject, reviews in given.items() if any(reviewer in ("", r.reviewer) for r in reviews)}
    judged |= {statement_of(subject) for subject in judged}
    samples: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: by_number(row[4])):
        samples[row[0]].append(row)
    judged_too = {name for name in samples if {name, turn_of(name)} & judged} - {with_also}
    waiting = [waiting_of(rows) for name, rows in samples.items() if name not in judged_too]
    return sorted(waiting, key=lambda one: (one.rank, by_number(one.id)))


def queue_over(store: Store, over: Over, reviewer: str = "") -> list[Waiting]:
    """Return what waits in a run or selection, as `queue` does; of a selection, with its own samples alone."""
    there = [run for run_id in over.runs if (run := store.find_run(run_id))]
    waiting = [
        replace(one, samples=samples)
        for run in there
        for one in queue(store, run, reviewer)
        if (samples := tuple(name for name in one.samples if among(over, name)))
    ]
    return sorted(waiting, key=lambda one: one.rank)


def next_to_review(store: Store, run: RunRow, reviewer: str, subject: str) -> Waiting | None:
    """Return the statement that follows a subject's in the queue, judged or not; after the last comes the first.

    Args:
        subject: id of a turn, statement or sample.
    Returns:
        None where nothing else waits.
    """
    here = statement_of(subject)
    waiting = queue(store, run, reviewer, here)
    place = next((number for number, one in enumerate(waiting) if one.id == here), -1) + 1
    return next((one for one in [*waiting[place:], *waiting[:place]] if one.id != here), None)


def waiting_of(rows: list[Any]) -> Waiting:
    """
    Args:
        rows: of one statement, one for each kept sample.
    """
    name, culture, kind, text, *_ = rows[0]
    origins = {row[5] for row in rows}
    flags = dict.fromkeys(flag for row in rows for flag in row[6].split())
    return Waiting(
        id=name,
        culture=culture,
        kind=kind,
        text=text,
        provenance=next((origin for origin in ("model", None, "episode", "card") if origin in origins), None),
        flags=tuple(flags),
        samples=tuple(row[4] for row in rows),
    )
