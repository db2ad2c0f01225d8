"""Keeps the figures of a run beside its rows until one of the rows changes, so that `stats` need not reckon them again.

`watches` has the triggers that forget them.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from sqlmodel import col, delete, select, update

from culturepark.errors import StoreError
from culturepark.store.first_look import made_by
from culturepark.store.store import Store
from culturepark.store.tables import TallyRow


def kept(store: Store, run_id: str) -> TallyRow | None:
    """Return the kept figures of a run; None where a row has changed since, or this version has made none."""
    query = select(TallyRow).where(TallyRow.run_id == run_id, TallyRow.made_by == made_by())
    with suppress(StoreError), store.database.reading() as session:  # damaged ones are reckoned anew
        return session.exec(query.where(col(TallyRow.document).is_not(None))).first()
    return None


def begin(store: Store, run_id: str) -> str | None:
    """Announce that a run's figures are being reckoned, before any of its rows is read.

    Returns:
        A token for `keep`; None where the store cannot be written, so that nothing can be kept.
    """
    token = secrets.token_hex(8)
    with suppress(StoreError), store.database.writing() as session:
        session.exec(delete(TallyRow).where(col(TallyRow.run_id) == run_id))
        session.add(TallyRow(run_id=run_id, complete=0, made_by=made_by(), token=token))
        return token
    return None


def keep(store: Store, run_id: str, token: str | None, document: str, lines: str, complete: bool) -> None:
    """Keep figures, unless a row has changed since they were begun: then their announcement is gone.

    Args:
        complete: whether nothing was missing that may still come, such as a vector.
    """
    if token is None:
        return
    values = {"document": document, "lines": lines, "complete": int(complete), "token": ""}
    with suppress(StoreError), store.database.writing() as session:
        begun = col(TallyRow.run_id) == run_id, col(TallyRow.token) == token
        session.execute(update(TallyRow).where(*begun).values(values))
