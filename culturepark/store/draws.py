"""Random samples of kept rows for people to judge: drawn, extended, and read again.

The order of a draw is hashed from its seed and the ids of samples. So every beginning of it is a random sample, a draw
that is extended keeps its beginning, and rows that come or go later move no other row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import sqlalchemy
from sqlmodel import col, delete, func, or_, select

from culturepark.dialogue.stance import unit
from culturepark.errors import UsageError
from culturepark.ids import by_number
from culturepark.models.ledger import now
from culturepark.store.exports import Look
from culturepark.store.integrity import of_columns
from culturepark.store.lineage import of_run
from culturepark.store.selections import find_selection, sample_ids
from culturepark.store.standing import Standing, standing_reviews
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, DrawnRow, DrawRow, SampleRow, SelectionRow

SEED = 0
"""Of a draw for which none is given."""


@dataclass(frozen=True)
class Over:
    """What rows are drawn from."""

    id: str
    """Of a run or a selection."""
    runs: tuple[str, ...]
    samples: frozenset[str] | None = None
    """Ids of a selection's samples; None for all of a run's."""


@dataclass(frozen=True)
class Member:
    """A sample that is kept, or was until reviewers rejected it."""

    id: str
    culture: str
    shape: str
    provenance: str | None
    language: str
    kept: bool


@dataclass(frozen=True)
class Draw:
    id: str
    over_id: str
    created_at: str
    seed: int
    population: int
    """Number of samples from which these are a random one."""
    rows: tuple[Member, ...]
    """In the order in which they were drawn. Samples that are gone have left it; one that has come since, and would
    have been drawn, has its place in it."""


def over_of(store: Store, name: str) -> Over:
    """Return the run or selection of a name.

    Raises:
        UsageError: if there is neither.
    """
    if selection := find_selection(store, name):
        with store.database.reading() as look:
            return over_of_selection(look, selection)
    run_id = store.run(name).id
    return Over(run_id, (run_id,))


def over_of_selection(look: Look, selection: SelectionRow) -> Over:
    return Over(selection.id, tuple(json.loads(selection.runs)), frozenset(sample_ids(look, selection.id)))


def members(look: Look, over: Over) -> list[Member]:
    """Return the samples of a run or selection that are kept, or were until reviewers rejected them, by id."""
    facts: list[Any] = [SampleRow.id, SampleRow.culture, SampleRow.kind, SampleRow.provenance]
    language = func.coalesce(SampleRow.language, DialogueRow.language)
    query = of_run(sqlalchemy.select(*facts, language, col(SampleRow.status))).where(
        col(DialogueRow.run_id).in_(over.runs)
    )
    query = query.where(or_(col(SampleRow.status) == "kept", col(SampleRow.status) == "rejected"))
    rows = of_columns(look.execute(query))
    found = [
        Member(name, culture, shape, provenance, language, status == "kept")
        for name, culture, shape, provenance, language, status in rows
        if among(over, name)
    ]
    return sorted(found, key=lambda member: by_number(member.id))


def among(over: Over, sample_id: str) -> bool:
    return over.samples is None or sample_id in over.samples


def reviews_of(look: Look, over: Over) -> Standing:
    """Return the standing reviews of the runs behind a run or selection, by subject."""
    return {subject: given for run_id in over.runs for subject, given in standing_reviews(look, run_id).items()}


def draw(store: Store, over: Over, size: int, seed: int | None = None) -> Draw:
    """Draw rows, or go on with the draw that there is; it is made longer where it has fewer.

    Raises:
        UsageError: if there is nothing to draw, or if there is a draw with another seed.
    """
    with store.database.writing() as session:
        row = newest(session, over.id)
        if row and seed not in (None, row.seed):
            raise UsageError(
                f"{over.id} has a draw already, with --seed {row.seed}; with a second one anybody could choose the "
                "one that looks better"
            )
        before = drawn_ids(session, row.id) if row else []
        ordered = in_order(members(session, over), row.seed if row else seed or SEED, before)
        if not ordered:
            raise UsageError(f"{over.id} has no kept samples to draw from; `culturepark stats` says why")
        if row is None:
            at = now()
            name = f"draw-{at[:10].replace('-', '')}-{token_hex(2)}"
            row = DrawRow(id=name, over_id=over.id, created_at=at, seed=seed or SEED, population=0)
        chosen = ordered[: max(size, len(before))]
        ids = [member.id for member in chosen]
        if ids != before or row.population != len(ordered):
            row.population = len(ordered)
            session.add(row)
            session.flush()
            session.exec(delete(DrawnRow).where(col(DrawnRow.draw_id) == row.id))
            session.add_all(DrawnRow(draw_id=row.id, sample_id=one, position=n) for n, one in enumerate(ids, start=1))
        return Draw(row.id, over.id, row.created_at, row.seed, len(ordered), tuple(chosen))


def drawn(look: Look, over: Over) -> Draw | None:
    """Return the draw over a run or selection as it is now; None if there is none."""
    row = newest(look, over.id)
    if row is None:
        return None
    before = drawn_ids(look, row.id)
    ordered = in_order(members(look, over), row.seed, before)
    return Draw(row.id, over.id, row.created_at, row.seed, len(ordered), tuple(ordered[: len(before)]))


def newest(look: Look, over_id: str) -> DrawRow | None:
    query = select(DrawRow).where(DrawRow.over_id == over_id)
    return look.exec(query.order_by(col(DrawRow.created_at).desc(), col(DrawRow.id).desc()).limit(1)).first()


def drawn_ids(look: Look, draw_id: str) -> list[str]:
    query = select(DrawnRow.sample_id).where(DrawnRow.draw_id == draw_id).order_by(col(DrawnRow.position))
    return list(look.exec(query))


def in_order(found: Iterable[Member], seed: int, before: Iterable[str]) -> list[Member]:
    """Return in the order of a draw what is kept, and of what reviewers rejected that which had been drawn.

    A row that somebody rejected out of the queue, and that was not drawn, is in no export, and not in the population.
    One that was drawn stays, and counts as wrong. So the error rate can only be too high.
    """
    known = set(before)
    there = (member for member in found if member.kept or member.id in known)
    return sorted(there, key=lambda member: (unit("draw", seed, member.id), member.id))
