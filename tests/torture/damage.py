"""Damages databases in every way that comes to mind, and watches what the reading commands make of them.

`python -m tests.torture.damage CASES SEED` tries many; the tests try a few. A case is told by its number and the seed
alone.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.cli.test_cli import Done, cli, tiny_store

SIDES = ("", "-wal", "-shm")
COMMANDS = (
    "runs",
    "stats a",
    "stats a --json",
    "trace STATEMENT --json",
    "trace SAMPLE",
    "replay a --plain",
    "report a -o -",
    "export a --format trl --split 0.5 --out out",
    "doctor",
)
PATIENCE = 60
"""Seconds after which a command hangs."""
ODD = (None, 5, -1, 0.5, 1 << 62, b"\xff\xfe", "", "x", "{", "[]", "null", "{}", "5", '"x"', '[{"role": 1}]', "\ud800")
"""What may stand in a column in place of what was written; the last becomes text that is not UTF-8."""


@cache
def steady_store() -> bytes:
    """The finished run `a`, the same bytes each time: places in them are drawn by number."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "made.db"), Path(folder, "copy.db")
        path.write_bytes(tiny_store())
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for column in [info[1] for info in db.execute(f'PRAGMA table_info("{table}")')]:
                    if column.endswith("_at") and column != "branched_at":
                        same = "'2026-11-21T12:00:00.000Z'"
                        db.execute(f'UPDATE "{table}" SET "{column}" = {same} WHERE "{column}" IS NOT NULL')
                    elif column == "duration_ms":
                        db.execute(f'UPDATE "{table}" SET duration_ms = 7 WHERE duration_ms IS NOT NULL')
            db.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        return copy.read_bytes()


def place_store(path: str = "runs/culturepark.db") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(steady_store())


@cache
def killed_store() -> tuple[bytes, ...]:
    """The finished run `a` as a killed process leaves it: the file, its -wal and its -shm."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        path.write_bytes(steady_store())
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            for table in ("turn", "sample", "statement", "dialogue"):
                db.execute(f'UPDATE "{table}" SET id = id')
            return tuple(Path(f"{path}{side}").read_bytes() for side in SIDES)


def place_killed_store(path: str = "runs/culturepark.db") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    for side, data in zip(SIDES, killed_store(), strict=True):
        Path(f"{path}{side}").write_bytes(data)


def damage(cases: int, seed: int, folder: Path) -> dict[str, int]:
    """Damages a finished store `cases` times and gives each to every reading command.

    Returns:
        `tried` and `survived` cases, and how many of them were `refused` by some command (exit 5).
    """
    done = {"tried": 0, "survived": 0, "refused": 0}
    with inside(folder):
        for number in range(cases):
            what, said = one(random.Random(f"{seed}.{number}"))
            wrong = {command: why for command, got in said.items() if (why := amiss(got))}
            codes = {got.code for got in said.values()}
            if 5 in codes - {said["doctor"].code} and said["doctor"].code != 5:
                wrong["doctor"] = "saw nothing bad"
            for command, why in wrong.items():
                print(f"case {seed}.{number}, {what}: {command}: {why}", file=sys.stderr)
            done["tried"] += 1
            done["survived"] += not wrong
            done["refused"] += 5 in codes
    return done


def one(draw: random.Random) -> tuple[str, dict[str, Done]]:
    """One damaged store: what was done to it, and what every command said."""
    for side in SIDES:
        Path(f"runs/culturepark.db{side}").unlink(missing_ok=True)
    return draw.choice((header, cut, flip, page, log, shared_memory, row, row, row, schema))(draw), look()


def look() -> dict[str, Done]:
    """What every command says of the store."""
    subjects = {"STATEMENT": "a.d1.t5.s1", "SAMPLE": "a.d1.t5.s1.x1"}
    said = {}
    for command in COMMANDS:
        words = [subjects.get(word, word) for word in command.split()]
        with patience():
            said[command] = cli(*words)
    return said


def amiss(done: Done) -> str | None:
    """What is wrong with how a command ended; nothing if it worked or said clearly why not."""
    if done.code not in (0, 2, 5):
        return f"exit {done.code}: {done.err[-300:]}"
    if "Traceback" in done.err or "a bug, sorry" in done.err:
        return done.err[-300:]
    if done.code and not done.err.strip() and not done.out.strip():
        return f"exit {done.code} without a word"
    return f"{len(done.err.splitlines())} lines" if len(done.err.splitlines()) > 6 else None


# --- ways to damage a store ------------------------------------------------------------------------


def header(draw: random.Random) -> str:
    place_store()
    return overwrite("", [draw.randrange(100)], draw)


def flip(draw: random.Random) -> str:
    place_store()
    return overwrite("", [draw.randrange(len(steady_store())) for _ in range(draw.randint(1, 8))], draw)


def cut(draw: random.Random) -> str:
    place_store()
    return truncate("", draw)


def page(draw: random.Random) -> str:
    place_store()
    size, data = 4096, bytearray(steady_store())
    number, other = draw.randrange(len(data) // size), draw.randrange(len(data) // size)
    fillings = (bytes(size), b"\xff" * size, draw.randbytes(size), bytes(data[other * size : (other + 1) * size]))
    kind = draw.randrange(len(fillings))
    data[number * size : (number + 1) * size] = fillings[kind]
    Path("runs/culturepark.db").write_bytes(data)
    return f"page {number} filled with {('zeros', 'ones', 'noise', f'page {other}')[kind]}"


def log(draw: random.Random) -> str:
    place_killed_store()
    if draw.random() < 0.5:
        return truncate("-wal", draw)
    return overwrite("-wal", [draw.randrange(len(killed_store()[1])) for _ in range(4)], draw)


def shared_memory(draw: random.Random) -> str:
    place_killed_store()
    if draw.random() < 0.5:
        return truncate("-shm", draw)
    return overwrite("-shm", [draw.randrange(len(killed_store()[2])) for _ in range(64)], draw)


def row(draw: random.Random) -> str:
    """A value that no version of the program writes."""
    table = draw.choice(
        [name for name in sorted(good_schema()) if name not in ("ability", "review", "duplicate", "vector")]
    )
    columns = good_schema()[table][1]
    return put(table, draw.choice(columns), draw.choice(ODD), draw)


def put(table: str, column: str, value: Any, draw: random.Random) -> str:
    place_store()
    sql, _ = good_schema()[table]
    define = "UPDATE sqlite_master SET sql = ? WHERE name = ? AND type = 'table'"
    with closing(sqlite3.connect("runs/culturepark.db", isolation_level=None)) as db:
        chosen = draw.choice([found[0] for found in db.execute(f'SELECT rowid FROM "{table}" ORDER BY rowid')])
        db.execute("PRAGMA writable_schema = ON")  # what a schema forbids happens on a disk all the same
        db.execute(define, (sql.replace("NOT NULL", ""), table))
    with closing(sqlite3.connect("runs/culturepark.db", isolation_level=None)) as db:
        with suppress(sqlite3.IntegrityError):
            if value == "\ud800":
                db.execute(f'UPDATE "{table}" SET "{column}" = CAST(x\'7bff7d\' AS TEXT) WHERE rowid = ?', (chosen,))
            else:
                db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (value, chosen))
        db.execute("PRAGMA writable_schema = ON")
        db.execute(define, (sql, table))
    return f"{table}.{column} of row {chosen} is {value!r}"


@cache
def good_schema() -> dict[str, tuple[str, list[str]]]:
    """The statement that makes each table, and its columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        path.write_bytes(steady_store())
        with closing(sqlite3.connect(path)) as db:
            made = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
            return {name: (sql, [c[1] for c in db.execute(f'PRAGMA table_info("{name}")')]) for name, sql in made}


def schema(draw: random.Random) -> str:
    """A table, a column or an index is missing, or the version."""
    place_store()
    with closing(sqlite3.connect("runs/culturepark.db", isolation_level=None)) as db:
        found = sorted(db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        kind, name = draw.choice(found)
        if kind == "index" or draw.random() < 0.5:
            db.execute(f'DROP {kind} "{name}"')
            return f"no {kind} {name}"
        column = draw.choice([info[1] for info in db.execute(f'PRAGMA table_info("{name}")')])
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?",
            (f"\t{column} ", f"\t{column}_ ", name),
        )
        return f"no column {name}.{column}"


def overwrite(side: str, places: list[int], draw: random.Random) -> str:
    path = Path(f"runs/culturepark.db{side}")
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= draw.randint(1, 255)
    path.write_bytes(data)
    return f"other bytes{side and f' in {side}'} at {', '.join(map(str, places[:8]))}"


def truncate(side: str, draw: random.Random) -> str:
    path = Path(f"runs/culturepark.db{side}")
    size = path.stat().st_size
    left = draw.choice((0, 1, 16, 100, 512, 4096, size - 1, size - 4096, draw.randrange(size), draw.randrange(size)))
    os.truncate(path, max(0, left))
    return f"{side or 'the file'} cut to {left} of {size} bytes"


# --- around it -------------------------------------------------------------------------------------


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def patience() -> Iterator[None]:
    """A command that hangs is an error."""

    def over(*_: object) -> None:
        raise TimeoutError(f"no end after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as here:
        print(damage(int(sys.argv[1]), int(sys.argv[2]), Path(here)))
