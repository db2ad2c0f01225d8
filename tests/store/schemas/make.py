"""Writes `NNNN.sql` beside it, a small store of the newest schema; `python -m tests.store.schemas.make` in the root.

Run it once for each migration that is added, before that is released, and keep the file for good: what stands in the
others was written by the program of their time, and no program of today may write it anew. The store is the one of the
schema before, brought up to date, with a row in each table that is new.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlmodel import select

from culturepark.store.database import REVISIONS
from culturepark.store.store import Store
from culturepark.store.tables import DrawnRow, DrawRow, RunRow, SampleRow, SelectedRow, SelectionRow

HERE = Path(__file__).parent


def add_new_rows(store: Store) -> None:
    """What the newest schema holds and the one before did not."""
    at, wanted = "2026-11-30T12:00:00.000Z", {"size": 1, "quotas": [], "gates": [], "seed": 1}
    with store.database.writing() as session:
        run = session.exec(select(RunRow).order_by(RunRow.id)).first()
        sample = session.exec(select(SampleRow).where(SampleRow.status == "kept").order_by(SampleRow.id)).first()
        assert run is not None
        assert sample is not None
        run.name, run.note = "the first", "a trial"
        session.add(
            SelectionRow(
                id="sel-20261130-0001",
                name="best",
                created_at=at,
                version="0.1.0",
                runs=json.dumps([run.id]),
                wanted=json.dumps(wanted),
                funnel="[]",
                unfilled="[]",
            )
        )
        session.add(DrawRow(id="draw-20261130-0001", over_id=run.id, created_at=at, seed=1, population=1))
        session.flush()
        session.add(SelectedRow(selection_id="sel-20261130-0001", sample_id=sample.id, position=1, cell="{}"))
        session.add(DrawnRow(draw_id="draw-20261130-0001", sample_id=sample.id, position=1))


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
