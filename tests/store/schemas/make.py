"""Writes `NNNN.sql` beside it, a small store of the newest schema; `python -m tests.store.schemas.make` in the root.

Run it once for each migration that is added, before that is released, and keep the file for good: what stands in the
others was written by the program of their time, and no program of today may write it anew. The first five were made
when 0005 was the newest, by migrating up to each and copying what that schema has columns for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from culturepark.cli.app import run
from culturepark.store.database import MIGRATIONS, REVISIONS
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from culturepark.store.vectors import remember

HERE = Path(__file__).parent
SCENARIO = """\
name: old
title: A talk of long ago
setting: cross-cultural
cultures: [turkish]
seeds:
  - survey: wvs7/Q33
max_turns: 4
"""


def newest(folder: Path) -> Path:
    """A store of today's schema with a run, a branch of it, a review, a vector and an ability."""
    path = folder / "newest.db"
    url = f"sqlite:///{path}"
    Path(folder, "old.yaml").write_text(SCENARIO)
    simulate = ["simulate", str(folder / "old.yaml"), "--model", "scripted", "--run-id", "old", "--seed", "1"]
    assert run([*simulate, "--store", url]) == 0
    assert run(["branch", "old.d1.t3", "--seed", "2", "--store", url]) == 0
    store = Store(url)
    statement_id = store.statements(store.run("old"))[0].id
    Reviews(store, "Ann").add(statement_id, "accept", rating=4, note="Well said.")
    store.learn("http://localhost:1/v1", "old", "seed", "refused", "I take no seed.")
    remember(store, "minilm old", {"A text.": np.array([1, 0], np.float32)})
    store.close()
    return path


def at(revision: str, path: Path) -> None:
    """An empty database of one schema."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def copy(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Every row, of those tables and with those columns that the old schema has."""
    for (table,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table == "alembic_version":
            continue
        known, wanted = (
            [row[1] for row in db.execute(f"SELECT * FROM pragma_table_info('{table}')")] for db in (new, old)
        )
        names = ", ".join(f'"{name}"' for name in wanted if name in known)
        rows = new.execute(f'SELECT {names} FROM "{table}"').fetchall()
        marks = ", ".join("?" for _ in names.split(","))
        old.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', rows)
    if "parent_id" not in [row[1] for row in old.execute("SELECT * FROM pragma_table_info('dialogue')")]:
        forget_branches(old)
    old.commit()


def forget_branches(db: sqlite3.Connection) -> None:
    """Before there were branches, there was no run that is one."""
    for table, column in (
        ("sample", "id"), ("duplicate", "statement_id"), ("verdict", "id"), ("statement", "id"), ("turn", "id"),
        ("call", "run_id"), ("participant", "dialogue_id"), ("dialogue", "run_id"), ("run", "id"),
    ):  # fmt: skip
        db.execute(f'DELETE FROM "{table}" WHERE {column} NOT LIKE ? AND {column} != ?', ("old.%", "old"))


def dump(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as db:
        yield from (f"{statement}\n" for statement in db.iterdump())


def make(revisions: tuple[str, ...] = REVISIONS[-1:]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = newest(folder)
        for revision in revisions:
            path = folder / f"{revision}.db"
            at(revision, path)
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(source)) as new:
                copy(old, new)
            with (HERE / f"{revision}.sql").open("x", encoding="utf-8") as file:
                file.writelines(dump(path))


if __name__ == "__main__":
    make()
