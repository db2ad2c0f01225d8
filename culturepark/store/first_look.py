"""What is read from an SQLite file without SQLAlchemy, whose import takes most of the start-up.

That is the first screen, the list of runs, and the figures of a run where they are kept. The functions return None if
anything is unexpected: the store is then asked, which has messages for errors. The screen reads its lines again from
the store once that is imported.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from culturepark import __version__

PREFIX = "sqlite:///"
PLAIN = re.compile(r"sqlite:///[\w./-]+")
"""URLs that are shown as they are written."""
WHERE = "\ue000"
"""Stands in kept lines for the option that names the store."""
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


# --- figures of a run ------------------------------------------------------------------------------


@cache
def made_by() -> str:
    """Return what reckons figures here: the version of the program, and the state of the modules of `stats`.

    Figures of another version are reckoned anew. The modules count too, for those who change them.
    """
    state = hashlib.sha256()
    for module in sorted((Path(__file__).parents[1] / "stats").glob("*.py")):
        status = module.stat()
        state.update(f"{module.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{__version__} {state.hexdigest()[:16]}"


TALLY = (
    "SELECT tally.document, tally.lines, tally.complete FROM tally WHERE tally.run_id = ? AND tally.made_by = ? "
    "AND NOT EXISTS (SELECT 1 FROM evaluation WHERE evaluation.id = tally.run_id)"
)


def figures(url: str, run_id: str) -> str | None:
    """Return the kept figures of a run as JSON text.

    Args:
        run_id: an id, a name, or `last`.
    """
    found = look(url, lambda db: kept(db, run_id))
    return found[0] if found else None


def figure_lines(url: str, run_id: str, which: str, default_url: str) -> list[str] | None:
    """Return the lines of a run's kept figures.

    Lines of figures that lack something say what is installed here, and are made anew.

    Args:
        which: `short`, or `all` with every stance.
        default_url: the store that needs no option in the commands that lines name.
    """
    if not PLAIN.fullmatch(url) or not (found := look(url, lambda db: kept(db, run_id))) or not found[2]:
        return None
    where = "" if url == default_url else f" --store {shlex.quote(url)}"
    lines = json.loads(found[1])[which]
    return [str(line).replace(WHERE, where) for line in lines]


def kept(db: sqlite3.Connection, name: str) -> tuple[str, str, int] | None:
    if name == "last":
        row = db.execute(RUNS + ANSWERED + NEWEST, (1,)).fetchone()
    else:
        by_id = "SELECT id FROM run WHERE id = ?", (name,)
        row = db.execute(*by_id).fetchone() or db.execute("SELECT id FROM run WHERE name = ?", (nfc(name),)).fetchone()
    found = db.execute(TALLY, (row[0], made_by())).fetchone() if row else None
    if not found or not (isinstance(found[0], str) and isinstance(found[1], str)):
        return None
    return str(found[0]), str(found[1]), int(found[2])


def nfc(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name)


# --- the list of runs ------------------------------------------------------------------------------

LISTED = (
    "SELECT id, name, note, scenario_name, status, stop_reason, models, seed, created_at, finished_at FROM run "
    "ORDER BY created_at DESC, id DESC LIMIT ?"
)
KEPT = "SELECT count(*) FROM sample WHERE status = 'kept' AND id > ? AND id < ?"
"""All of it is in an index: an id is below a run's if it lies between the id with a dot and with a slash."""
TYPES: tuple[tuple[type, bool], ...] = (
    (str, False), (str, True), (str, True), (str, False), (str, False), (str, True), (str, False), (int, False),
    (str, False), (str, True),
)  # fmt: skip
"""Of the columns, and whether they may be null."""


def schema() -> str:
    """Return the newest schema that this program knows."""
    return max(path.name for path in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))[:4]


def listed(url: str, limit: int | None = None) -> list[dict[str, Any]] | None:
    """Return runs as `store.runs.runs` does; None if the schema is another, or an evaluation is under way."""
    return look(url, lambda db: list_of(db, limit))


def list_of(db: sqlite3.Connection, limit: int | None) -> list[dict[str, Any]] | None:
    if db.execute("SELECT version_num FROM alembic_version").fetchone() != (schema(),):
        return None
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for run_id, status, count in db.execute("SELECT run_id, status, count(*) FROM dialogue GROUP BY run_id, status"):
        counts[run_id][0] += count
        counts[run_id][1] += count if status == "done" else 0
    parents = dict(db.execute("SELECT run_id, parent_id FROM dialogue WHERE parent_id IS NOT NULL ORDER BY run_id"))
    suites = dict(db.execute("SELECT id, suite_id FROM evaluation"))
    runs = []
    for row in db.execute(LISTED, (-1 if limit is None else limit,)):
        for value, (kind, nullable) in zip(row, TYPES, strict=True):
            if not isinstance(value, kind) and not (value is None and nullable):
                return None
        run_id, name, note, scenario, status, stop_reason, models, seed, created_at, finished_at = row
        answers = None
        if run_id in suites:
            if status != "done":
                return None
            query = "SELECT count(*) FROM answer WHERE evaluation_id = ?"
            (answers,) = db.execute(query, (run_id,)).fetchone()
        (kept_samples,) = db.execute(KEPT, (f"{run_id}.", f"{run_id}/")).fetchone()
        runs.append(
            {
                "run": run_id,
                "name": name,
                "note": note,
                "scenario": scenario,
                "status": status,
                "stop_reason": stop_reason,
                "dialogues": counts[run_id][0],
                "dialogues_done": counts[run_id][1],
                "samples_kept": kept_samples,
                "suite": suites.get(run_id),
                "answers": answers,
                "models": json.loads(models),
                "seed": seed,
                "created_at": created_at,
                "finished_at": finished_at,
                "parent": parents.get(run_id),
            }
        )
    return runs


# --- values ----------------------------------------------------------------------------------------


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
