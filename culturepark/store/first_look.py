"""The lines of the first screen, read from an SQLite file without SQLAlchemy, whose import takes most of the start-up.

The functions return None if anything is unexpected: the store is then asked, which has messages for errors. The screen
reads its lines again from the store once that is imported.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

PREFIX = "sqlite:///"
MOST = 100
"""Lines of a first screen at most."""

T = TypeVar("T")


@dataclass(frozen=True)
class RunLine:
    """One run in a list."""

    id: str
    scenario: str
    status: str
    stop_reason: str | None
    created_at: str
    dialogues: int | None = None
    """None, like `done` and `kept`, until the store has counted."""
    done: int | None = None
    kept: int | None = None
    """Samples kept."""


@dataclass(frozen=True)
class Line:
    """One dialogue in a list."""

    id: str
    number: int
    seed_key: str
    question: str
    status: str
    stop_reason: str | None
    people: tuple[tuple[str, str], ...]
    """Name and culture of each participant."""
    turns: int | None
    """None, like `statements` and `kept`, until the store has counted."""
    statements: int | None
    kept: int | None
    """Samples kept."""
    parent_id: str | None
    branches: int
    """Number of dialogues that branched off this one."""


@dataclass(frozen=True)
class Shown:
    """A run and its first dialogues."""

    run: RunLine
    ids: tuple[str, ...]
    """Ids of all its dialogues."""
    lines: tuple[Line, ...]
    """Lines of its first dialogues."""


def runs(url: str) -> list[RunLine] | None:
    return look(url, newest)


def dialogues(url: str, run_id: str) -> Shown | None:
    """Return a run by its id, or `last`, with its first dialogues."""
    return look(url, lambda db: shown(db, run_id))


def names(url: str, begin: str) -> list[str]:
    """Return what a shell may complete: ids and names of runs and selections; below a run, the ids of its dialogues.

    Only words that every shell reads as words: a store may come from anywhere.
    """
    run_id, below, _ = begin.partition(".")
    found: list[tuple[Any]] = []
    for query in DIALOGUE_IDS if below else NAMES:
        found += look(url, lambda db, query=query: read(db, query, (run_id,) if below else ())) or []  # type: ignore[misc]
    return [name for (name,) in found if isinstance(name, str) and WORD.fullmatch(name) and name.startswith(begin)]


def read(db: sqlite3.Connection, query: str, values: tuple[str, ...]) -> list[tuple[Any]]:
    return db.execute(query, values).fetchmany(MOST_COMPLETED)


MOST_COMPLETED = 1000
DIALOGUE_IDS = ("SELECT id FROM dialogue WHERE run_id = ? ORDER BY number",)
NAMES = (
    "SELECT id FROM run ORDER BY created_at DESC, id DESC",
    "SELECT name FROM run WHERE name IS NOT NULL ORDER BY name",
    "SELECT id FROM selection ORDER BY created_at DESC, id DESC",
    "SELECT name FROM selection WHERE name IS NOT NULL ORDER BY name",
)
"""Each asked by itself: an older store has no names, and no selections."""
WORD = re.compile(r"\w[\w.-]{0,199}")


def look(url: str, read: Callable[[sqlite3.Connection], T]) -> T | None:
    if not url.startswith(PREFIX):
        return None
    try:
        path = Path(unquote(url.removeprefix(PREFIX))).absolute()
        if not path.is_file():  # reading a pipe would block
            return None
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=0.1)) as db:
            return read(db)
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


RUNS = "SELECT id, scenario_name, status, stop_reason, created_at FROM run "
NEWEST = "ORDER BY created_at DESC, id DESC LIMIT ?"
ANSWERED = (
    "WHERE NOT (coalesce(stop_reason, '') LIKE 'unreachable%' AND NOT EXISTS "
    "(SELECT 1 FROM call WHERE call.run_id = run.id AND call.response IS NOT NULL)) "
)
"""The runs of which the newest is `last`, by the rule of `Store.run`."""


def newest(db: sqlite3.Connection) -> list[RunLine]:
    return [checked(RunLine(*row)) for row in db.execute(RUNS + NEWEST, (MOST,))]


def shown(db: sqlite3.Connection, run_id: str) -> Shown | None:
    if run_id == "last":
        row = db.execute(RUNS + ANSWERED + NEWEST, (1,)).fetchone()
    else:
        row = db.execute(RUNS + "WHERE id = ?", (run_id,)).fetchone()
    if not row:
        return None
    run = checked(RunLine(*row))
    ids = [name for (name,) in db.execute("SELECT id FROM dialogue WHERE run_id = ? ORDER BY number", (run.id,))]
    (scenario,) = db.execute("SELECT scenario FROM run WHERE id = ?", (run.id,)).fetchone()
    questions = {seed["key"]: seed["question"] for seed in json.loads(scenario)["scenario"]["seeds"]}
    first_ids = ids[:MOST]
    inside = f"IN ({','.join('?' * len(first_ids))})"
    people: dict[str, list[tuple[str, str]]] = defaultdict(list)
    participants = f"SELECT dialogue_id, name, culture FROM participant WHERE dialogue_id {inside} ORDER BY position"  # noqa: S608
    for dialogue_id, name, culture in db.execute(participants, first_ids):
        people[dialogue_id].append((str(name), str(culture)))
    rows = db.execute(
        f"SELECT id, number, seed_key, status, stop_reason, parent_id FROM dialogue WHERE id {inside} ORDER BY number",  # noqa: S608
        first_ids,
    )
    lines = [
        checked(Line(name, number, key, questions[key], status, why, tuple(people[name]), None, None, None, parent, 0))
        for name, number, key, status, why, parent in rows
    ]
    return Shown(run, tuple(map(str, ids)), tuple(lines))


def checked(line: Any) -> Any:
    """
    Raises:
        ValueError: if a field has a value of another type than its own.
    """
    for field in fields(line):
        value = getattr(line, field.name)
        kind: Any = int if field.name in ("number", "branches") else tuple if field.name == "people" else str
        if not isinstance(value, kind) and not (value is None and "None" in str(field.type)):
            raise ValueError(field.name)
    return line
