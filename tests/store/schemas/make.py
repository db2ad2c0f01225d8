"""Writes `NNNN.sql` beside it, a small store of the newest schema; `python -m tests.store.schemas.make` in the root.

Run it once for each migration that is added, before that is released, and keep the file for good: what stands in the
others was written by the program of their time, and no program of today may write it anew. The store is the one of the
schema before, brought up to date, with a row in each table that is new.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlmodel import col, select

from culturepark.store.batches import StoredBatches
from culturepark.store.database import REVISIONS
from culturepark.store.store import Store
from culturepark.store.tables import CallRow

HERE = Path(__file__).parent


def add_new_rows(store: Store) -> None:
    """What the newest schema holds and the one before did not."""
    batches = StoredBatches(store, "old")
    call_ids = store.database.rows(select(CallRow.id).where(CallRow.run_id == "old").order_by(col(CallRow.id)))
    done = batches.begin_batch("https://api.openai.com/v1", "gpt-4o-mini", "openai", "old-1", call_ids)
    batches.set_batch(done, status="done", remote_id="batch_1", finished_at="2026-12-01T00:00:00.000Z")


def make() -> None:
    with TemporaryDirectory() as name:
        path = Path(name, "newest.db")
        with closing(sqlite3.connect(path)) as db, db:
            db.executescript((HERE / f"{REVISIONS[-2]}.sql").read_text("utf-8"))
        store = Store(f"sqlite:///{path}")
        add_new_rows(store)
        store.close()
        with closing(sqlite3.connect(path)) as db, (HERE / f"{REVISIONS[-1]}.sql").open("x", encoding="utf-8") as file:
            file.writelines(f"{statement}\n" for statement in db.iterdump())


if __name__ == "__main__":
    make()
