"""The selections of a store: sets of samples that were picked out of its runs."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy
from sqlmodel import and_, case, col, delete, func, select

from culturepark import __version__
from culturepark.domain import shipped_cultures
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.models.ledger import now
from culturepark.store.exports import Look, only
from culturepark.store.integrity import hangs_on, of_columns
from culturepark.store.lineage import of_run
from culturepark.store.store import MOST_NAMED, Store
from culturepark.store.tables import (
    DialogueRow,
    DrawnRow,
    DrawRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    SelectedRow,
    SelectionRow,
    StatementRow,
    VerdictRow,
)

PREFIX = "sel-"
"""Ids of selections begin with it, and names of selections do not."""
LONGEST_NAME = 80
RESERVED = ("last", "demo")


# --- which one -------------------------------------------------------------------------------------


def find_selection(store: Store, name: str) -> SelectionRow | None:
    """Return a selection by its id, its name, or the beginning of its id; None if there is none.

    Raises:
        UsageError: if several ids begin like that.
    """
    with store.database.reading() as look:
        if row := look.get(SelectionRow, name):
            return row
        if row := look.exec(select(SelectionRow).where(SelectionRow.name == name)).first():
            return row
        if not name.startswith(PREFIX):
            return None
        # LIKE ignores case in SQLite.
        matching = select(SelectionRow).where(func.substr(SelectionRow.id, 1, len(name)) == name)
        rows = look.exec(matching.order_by(SelectionRow.id).limit(MOST_NAMED + 1)).all()
    if len(rows) > 1:
        names = ", ".join(row.id for row in rows[:MOST_NAMED]) + (", ..." if len(rows) > MOST_NAMED else "")
        raise UsageError(f"the id of more than one selection begins with {name[:100]!r}: {names}")
    return rows[0] if rows else None


def selection(store: Store, name: str) -> SelectionRow:
    """Return a selection as `find_selection` does.

    Raises:
        UsageError: if there is none, or if several ids begin like that.
    """
    if row := find_selection(store, name):
        return row
    raise UsageError(f"no such selection: {name[:100]!r}; `culturepark selections` lists them")


def runs_or_selection(store: Store, names: Sequence[str]) -> tuple[list[str], SelectionRow | None]:
    """Return the ids of the runs that are named, sorted, or the selection, with those of its runs that are left.

    Raises:
        UsageError: if there is no such run or selection, or if a selection is named beside something else.
    """
    found = [find_selection(store, name) for name in names]
    row = next(filter(None, found), None)
    if row is None:
        return sorted({store.run(name).id for name in names}), None
    if len(names) > 1:
        raise UsageError(
            f"{row.name or row.id} is a selection, which stands alone; `culturepark select RUN... --extend {row.id}` "
            "makes one that holds more"
        )
    there = [run_id for run_id in json.loads(row.runs) if store.find_run(run_id)]
    if not there:
        raise UsageError(f"all runs of {row.id} have been deleted: {', '.join(json.loads(row.runs)[:MOST_NAMED])}")
    return there, row


def selections(store: Store) -> list[tuple[SelectionRow, int]]:
    """Return all selections with the numbers of their samples, the newest first."""
    counts = select(SelectedRow.selection_id, func.count()).group_by(SelectedRow.selection_id)
    with store.database.reading() as look:
        held = dict(look.exec(counts).all())
        newest = select(SelectionRow).order_by(col(SelectionRow.created_at).desc(), col(SelectionRow.id).desc())
        return [(row, held.get(row.id, 0)) for row in look.exec(newest)]


def check_name(store: Store, name: str) -> str:
    """Return a name for a new selection, without blanks around it.

    Raises:
        UsageError: if it is empty, long, or means something else already.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "." in name:
        raise UsageError(f"--name {clipped(name)!r}: up to {LONGEST_NAME} characters on one line, without full stops")
    if name.startswith(PREFIX) or name in RESERVED:
        raise UsageError(f"--name {name!r} means something else already")
    if row := find_selection(store, name):
        raise UsageError(f"--name {name!r}: {row.id} has it; `culturepark selections --delete {row.id}` frees it")
    with store.database.reading() as look:
        if run := look.exec(select(RunRow.id).where((RunRow.id == name) | (RunRow.name == name))).first():
            raise UsageError(f"--name {name!r}: the run {run} has it")
    return name


# --- what is in one --------------------------------------------------------------------------------


def sample_ids(look: Look, selection_id: str) -> list[str]:
    """Return the ids of a selection's samples in its order. Some of them may be gone from the store."""
    query = select(SelectedRow.sample_id).where(SelectedRow.selection_id == selection_id)
    return list(look.exec(query.order_by(col(SelectedRow.position))))


def fates(look: Look, selection_id: str) -> Counter[str]:
    """Count what has become of a selection's samples: `kept`, `rejected` by reviewers, or `gone`."""
    status = col(SampleRow.status)
    fate = case((status.in_(("kept", "rejected")), status), else_="gone")
    query = sqlalchemy.select(fate, func.count()).select_from(SelectedRow)
    query = query.join(SampleRow, col(SampleRow.id) == col(SelectedRow.sample_id), isouter=True)
    query = query.where(col(SelectedRow.selection_id) == selection_id).group_by(fate)
    return Counter(dict(map(tuple, of_columns(look.execute(query)))))


def in_common(store: Store, selection_ids: Sequence[str]) -> int:
    """Count the samples that all of some selections hold."""
    with store.database.reading() as look:
        return len(set.intersection(*(set(sample_ids(look, one)) for one in selection_ids)))


def holding(store: Store, run_id: str) -> int:
    """Count the selections that hold samples of a run; whoever deletes it should know."""
    query = sqlalchemy.select(func.count(func.distinct(SelectedRow.selection_id)))
    with store.database.reading() as look:
        return int(look.execute(query.where(hangs_on(col(SelectedRow.sample_id), run_id))).scalar_one())


class Facts(NamedTuple):
    """What is known of a kept sample beside its row of an export."""

    sample_id: str
    statement_id: str
    flags: str
    kind: str
    country: str | None
    stance_code: int | None


def facts(look: Look, run: RunRow) -> dict[str, Facts]:
    """Return the facts of a run's kept samples by their ids."""
    chosen: list[Any] = [SampleRow.id, StatementRow.id, SampleRow.flags, StatementRow.kind]
    homes = {key: culture.countries[0] for key, culture in shipped_cultures().items() if culture.role == "main"}
    country = func.coalesce(col(ParticipantRow.country), case(homes, value=col(StatementRow.culture)))
    speaker = and_(
        col(ParticipantRow.dialogue_id) == col(DialogueRow.id),
        col(ParticipantRow.persona_key) == col(StatementRow.persona_key),
    )
    query = of_run(sqlalchemy.select(*chosen, country, col(ParticipantRow.stance_code)))
    query = only(query.join(ParticipantRow, speaker, isouter=True), run.id, "kept", ())
    return {row[0]: Facts(*row) for row in of_columns(look.execute(query))}


def fallen(look: Look, run_id: str) -> Counter[str]:
    """Count the samples of a run that count: all, and of those that are not kept by status."""
    query = sqlalchemy.select(col(SampleRow.status), func.count()).select_from(SampleRow)
    superseded = func.coalesce(SampleRow.drop_reason, "") == "superseded"
    query = query.where(hangs_on(col(SampleRow.id), run_id), ~superseded).group_by(col(SampleRow.status))
    return Counter(dict(map(tuple, of_columns(look.execute(query)))))


def confidences(look: Look, run: RunRow) -> dict[str, float]:
    """Return for each statement the least confidence of the verdicts that keep it, where any has one."""
    query = sqlalchemy.select(col(VerdictRow.statement_id), func.min(VerdictRow.confidence))
    query = query.where(standing(run), col(VerdictRow.decision) == "keep", col(VerdictRow.confidence).is_not(None))
    return dict(map(tuple, of_columns(look.execute(query.group_by(col(VerdictRow.statement_id))))))


def scores(look: Look, run: RunRow) -> list[tuple[str, str, float]]:
    """Return statement, criterion and score of every score that a judge gave."""
    query = sqlalchemy.select(col(VerdictRow.statement_id), col(VerdictRow.criterion), col(VerdictRow.score))
    return of_columns(look.execute(query.where(standing(run), col(VerdictRow.score).is_not(None))))


def standing(run: RunRow) -> Any:
    return and_(hangs_on(col(VerdictRow.id), run.id), col(VerdictRow.round) == run.verify_round)


# --- writing ---------------------------------------------------------------------------------------


def add_selection(
    store: Store,
    run_ids: Sequence[str],
    picked: Sequence[tuple[str, Mapping[str, str]]],
    *,
    wanted: Mapping[str, Any],
    funnel: Sequence[Mapping[str, Any]],
    unfilled: Sequence[Mapping[str, Any]],
    name: str | None,
    extends: str | None,
) -> SelectionRow:
    """Store a selection.

    Args:
        picked: samples in their order, each with its cell (axis -> value).
    """
    day = f"{datetime.now(UTC):%Y%m%d}"
    with store.database.writing() as session:
        while session.get(SelectionRow, selection_id := f"{PREFIX}{day}-{secrets.token_hex(2)}"):
            pass
        row = SelectionRow(
            id=selection_id,
            name=name,
            created_at=now(),
            version=__version__,
            runs=json.dumps(sorted(run_ids)),
            wanted=json.dumps(wanted),
            funnel=json.dumps(funnel),
            unfilled=json.dumps(unfilled),
            extends=extends,
        )
        session.add(row)
        session.flush()
        rows = [
            {"selection_id": selection_id, "sample_id": sample_id, "position": position, "cell": json.dumps(cell)}
            for position, (sample_id, cell) in enumerate(picked, start=1)
        ]
        if rows:
            session.execute(sqlalchemy.insert(SelectedRow), rows)
    return row


def hanging_on(store: Store, selection_id: str) -> tuple[int, int]:
    """Count the draws over a selection, which are deleted with it, and the selections that extend it, which stay."""
    draws = select(func.count()).select_from(DrawRow).where(DrawRow.over_id == selection_id)
    extending = select(func.count()).select_from(SelectionRow).where(SelectionRow.extends == selection_id)
    with store.database.reading() as look:
        return look.exec(draws).one(), look.exec(extending).one()


def delete_selection(store: Store, selection_id: str) -> None:
    """Delete a selection with the draws over it. Samples and reviews stay."""
    draws = select(DrawRow.id).where(DrawRow.over_id == selection_id)
    with store.database.writing() as session:
        session.exec(delete(DrawnRow).where(col(DrawnRow.draw_id).in_(draws)))
        session.exec(delete(DrawRow).where(col(DrawRow.over_id) == selection_id))
        session.exec(delete(SelectedRow).where(col(SelectedRow.selection_id) == selection_id))
        session.exec(delete(SelectionRow).where(col(SelectionRow.id) == selection_id))
