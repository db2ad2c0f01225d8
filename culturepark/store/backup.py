"""A copy of a store, taken while runs write into it, and checked before it is called one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from culturepark.domain import JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.models.ledger import now
from culturepark.store.database import REVISIONS, Database, exists, parsed


@dataclass(frozen=True)
class Backup:
    file: str
    """Absolute path of the copy."""
    bytes: int
    runs: int
    samples: int
    """Those that are kept."""

    def as_json(self) -> JsonObject:
        return dict(vars(self))


def backup(url: str, target: Path | None) -> Backup:
    """Copy a store as it is at one moment; runs go on writing meanwhile.

    Args:
        target: the file to make; None for one beside the store, with the time in its name.
    Raises:
        UsageError: if there is no store, the file exists already, or the store is a server's.
        StoreError: if it cannot be read or written, or the copy is not sound; then no file is left.
    """
    made = parsed(url)
    if made.get_backend_name() != "sqlite":
        shown = made.set(drivername="postgresql").render_as_string(hide_password=True)
        raise UsageError(
            f"a store in PostgreSQL is copied with its own tool: pg_dump --format=custom --file=FILE {shown}"
        )
    if not exists(url):
        raise UsageError(f"there is no store at {made.database}")
    database = Database(url, must_exist=True)
    try:
        path = Path(database.path)
        stamp = now()[:19].replace("-", "").replace(":", "")
        file = (target or path.with_name(f"{path.stem}-{stamp}{path.suffix}")).absolute()
        new_file(file, database.mode)
        try:
            copy(path, file)
            return checked(file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
    finally:
        database.close()


def new_file(file: Path, mode: int) -> None:
    """
    Raises:
        UsageError: if it exists; no copy is ever written over anything.
        StoreError: if it cannot be made.
    """
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    except FileExistsError:
        raise UsageError(f"{file} exists already; name another file") from None
    except OSError as error:
        raise StoreError(f"cannot make {file}: {error.strerror}") from None


def copy(path: Path, file: Path) -> None:
    """Copy all pages in one step, which sees one moment of the store and holds up no writer.

    Raises:
        StoreError: if the store cannot be read, or the copy not be written.
    """
    try:
        source = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(file)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        with file.open("rb+") as written:
            os.fsync(written.fileno())
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path} could not be copied to {file}: {error}") from error


def checked(file: Path) -> Backup:
    """Return what a copy holds.

    Raises:
        StoreError: if it is not sound.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as db:
            faults = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
            faults += [
                f"a row of {row[0]} points at a missing {row[2]}" for row in db.execute("PRAGMA foreign_key_check")
            ]
            (version,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
            if version != REVISIONS[-1]:
                faults.append(f"its schema is {version}")
            (runs,) = db.execute("SELECT count(*) FROM run").fetchone()
            (samples,) = db.execute("SELECT count(*) FROM sample WHERE status = 'kept'").fetchone()
    except sqlite3.Error as error:
        faults = [str(error)]
    if faults:
        raise StoreError(
            f"the copy is damaged, and most likely the store too: {'; '.join(faults[:3])}; "
            "`culturepark doctor` lists all damage"
        )
    return Backup(str(file), file.stat().st_size, runs, samples)
