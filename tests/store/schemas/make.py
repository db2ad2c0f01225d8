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

from culturepark.store import tallies
from culturepark.store.database import REVISIONS
from culturepark.store.store import Store

HERE = Path(__file__).parent


def add_new_rows(store: Store) -> None:
    """What the newest schema holds and the one before did not."""
    figures = {"run": "old"}
    tallies.keep(store, "old", tallies.begin(store, "old"), json.dumps(figures), '{"short": [], "all": []}', True)


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
