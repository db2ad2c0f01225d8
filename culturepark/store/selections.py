"""The selections of a store: sets of samples that were picked out of its runs."""

from __future__ import annotations

from sqlmodel import col, func, select

from culturepark.errors import UsageError
from culturepark.store.exports import Look
from culturepark.store.store import MOST_NAMED, Store
from culturepark.store.tables import SelectedRow, SelectionRow

PREFIX = "sel-"
"""Ids of selections begin with it, and names of selections do not."""


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


def sample_ids(look: Look, selection_id: str) -> list[str]:
    """Return the ids of a selection's samples in its order. Some of them may be gone from the store."""
    query = select(SelectedRow.sample_id).where(SelectedRow.selection_id == selection_id)
    return list(look.exec(query.order_by(col(SelectedRow.position))))
