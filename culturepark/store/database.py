"""Opens a database: pragmas, schema version, and every driver error as a StoreError that says what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    MultipleResultsFound,
    NoResultFound,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from culturepark.errors import StoreError, UsageError
from culturepark.files import clipped, readable
from culturepark.models.extras import how_to_install
from culturepark.redact import redact, remember
from culturepark.shortage import shortage
from culturepark.store.locks import Inode, held_by_range, inode_of, users
from culturepark.store.watches import watch

DEFAULT_URL = "sqlite:///runs/culturepark.db"
REVISIONS = (
    "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0016", "0017",
    "0018", "0019",
)  # fmt: skip
"""Schema versions that this program knows, oldest first; a test holds them against the migration files."""

BUSY_SECONDS: float = 30
MIGRATIONS = Path(__file__).parent / "migrations"
READ_ONLY = "the file or its folder is read-only for this user; copy it, or name another with --store"
DAMAGED = "the file is damaged; `sqlite3 FILE .recover` saves what can be read"

T = TypeVar("T")


@dataclass(frozen=True)
class Fence:
    """A statement that returns a row as long as this process may write."""

    sql: str
    values: Mapping[str, Any]
    closed: Callable[[], StoreError]
    """Makes the error where it returns none."""


class Database:
    """An open database with the current schema."""

    def __init__(self, url: str, *, must_exist: bool = False, upgrade: bool = True) -> None:
        """
        Args:
            url: an SQLAlchemy URL, e.g. `sqlite:///runs/culturepark.db`.
            must_exist: make no database where there is none.
            upgrade: bring an older schema up to date.
        Raises:
            StoreError: if the database cannot be opened, or belongs to another program or a newer version.
            UsageError: if `must_exist` and there is no database.
        """
        self.url = parsed(url)
        self.path = ""
        """Absolute path of the database file; empty for a server."""
        self.inode: Inode | None = None
        remember(self.url.password and str(self.url.password))
        self.shown = redact(self.url.render_as_string(hide_password=True))
        opener: dict[str, Any] = {}
        if self.url.get_backend_name() == "sqlite":
            self._prepare_file(must_exist)
            self.inode = inode_of(self.path)
            users.add(self)
            opener["creator"] = partial(connect, self.path, options(self.path), self.inode, self.shown)
        try:
            self.engine = create_engine(self.url, **opener)
        except ImportError:
            need = f"the extra `postgres`: {how_to_install('postgres')}"
            raise UsageError(
                f"--store {self.shown}: needs {need}, and a URL that begins with postgresql+psycopg://"
            ) from None
        except (NoSuchModuleError, TypeError, ValueError) as error:
            raise UsageError(f"--store {self.shown}: no driver for it: {error}") from None
        if self.engine.dialect.name == "sqlite":
            tune_sqlite(self.engine)
        self.turnstile = threading.Lock()
        """Held by the thread of this process that writes into an SQLite file. Others wait for it as long as they have
        to; SQLite itself would let them try again every now and then, up to a tenth of a second later."""
        self.fence: Fence | None = None
        """Passed at the beginning of each transaction that writes."""
        self.worker: str | None = None
        """Id of the worker that this process is, while several are at work on a run."""
        self._held: dict[str, Connection] = {}
        """Name -> the connection that holds its lock."""
        self._upgrade = upgrade
        self._writer = self.engine.execution_options(culturepark_write=True)
        with self.guard():
            self._bring_up_to_date()
            if self.engine.dialect.name == "sqlite":
                self._use_wal()
                if upgrade:
                    self._take_old_rows_apart()

    def _prepare_file(self, must_exist: bool) -> None:
        name = self.url.database
        if not name or name == ":memory:":
            raise UsageError("--store: name a database file; a run that lives in memory cannot be resumed")
        path = Path(name)
        try:
            self.path = os.path.abspath(name)
        except FileNotFoundError:
            raise StoreError(f"--store {name}: the working folder is gone; name the file from the root on") from None
        if path.is_file():
            return
        if path.exists():
            raise StoreError(f"unable to open database file {name}: it is a folder, a pipe or a device; name a file")
        if must_exist:
            raise UsageError(f"there is no store at {name} yet; `culturepark simulate quickstart` makes one")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Dialogues may be private: readable by their owner alone. SQLite gives its side files the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            raise StoreError(f"cannot make the store {name}: {error.strerror}") from None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn errors of the driver into StoreErrors."""
        try:
            yield
        except DBAPIError as error:
            raise shortage(error) or StoreError(f"the store {self.shown}: {advice(error)}") from error
        except self.engine.dialect.loaded_dbapi.Error as plain:  # from a statement in plain SQL
            wrapped = DBAPIError.instance("", None, plain, self.engine.dialect.loaded_dbapi.Error)
            assert isinstance(wrapped, DBAPIError)
            raise shortage(plain) or StoreError(f"the store {self.shown}: {advice(wrapped)}") from wrapped
        except (NoResultFound, MultipleResultsFound) as error:
            raise StoreError(f"the store {self.shown}: a row that another one names is missing; {DAMAGED}") from error
        except SQLAlchemyError as error:
            raise StoreError(f"the store {self.shown}: {str(error).splitlines()[0]}") from error
        except UnicodeDecodeError as error:  # raised by the driver as it quotes a damaged value
            raise StoreError(f"the store {self.shown}: not UTF-8; {DAMAGED}") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self.guard(), Session(self.engine) as session:
            yield session

    def rows(self, query: SelectOfScalar[T]) -> list[T]:
        """Return all rows of one query, in a transaction of its own."""
        with self.reading() as session:
            return list(session.exec(query))

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open one transaction, committed at the end of the block or not at all."""
        with (
            self.guard(),
            self.alone(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            self.check_place()
            if self.fence and session.connection().execute(text(self.fence.sql), self.fence.values).first() is None:
                raise self.fence.closed()
            yield session
            session.flush()
            self.check_place(session.connection().info)  # a file that was moved meanwhile gets no commit

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads of this process from writing into an SQLite file; PostgreSQL takes many writers."""
        holds = self.wait_for_turn()
        try:
            yield
        finally:
            if holds:
                self.turnstile.release()

    def wait_for_turn(self) -> bool:
        """Return whether this thread now holds `turnstile`; it goes on without it where it waited too long."""
        return self.inode is not None and self.turnstile.acquire(timeout=BUSY_SECONDS)

    def driver(self, *, kept: bool = False, reads: bool = False) -> Driver:
        """Open a connection for plain SQL.

        Args:
            kept: it stays open for long, and does not come out of the pool.
            reads: every statement is a transaction of its own; only for a kept one.
        """
        return Driver(self, kept=kept, reads=reads)

    @property
    def mode(self) -> int:
        """Permissions for files made of this database: those of the database file, or for a server the owner's only."""
        return mode_of(self.path) if self.path else 0o600

    def check_place(self, connection: dict[Any, Any] | None = None) -> None:
        """
        Args:
            connection: `info` of a connection that has the file open; its write-ahead log is checked too, which exists
                as long as any connection has the file open.
        Raises:
            StoreError: if the opened file was deleted, moved or replaced.
        """
        if self.inode is None:
            return
        if inode_of(self.path) != self.inode:
            raise gone(self.shown)
        if connection is not None:
            log = inode_of(f"{self.path}-wal")
            if connection.setdefault("log", log) not in (log, None):
                raise gone(self.shown)
            connection["log"] = log

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Keep other processes from holding `name` in this database, until the block or the process ends.

        Raises:
            StoreError: if another process holds it.
        """
        held = {"sqlite": held_by_file, "postgresql": held_by_advisory_lock}[self.engine.dialect.name]
        with held(self, name) as holds:
            if not holds:
                beside = "" if self.engine.dialect.name == "sqlite" else f", or join it: culturepark work {name}"
                raise StoreError(f"another process is at work on {name}; let it finish, or stop it first{beside}")
            yield

    @contextmanager
    def share(self, name: str, *, patience: float = 0) -> Iterator[None]:
        """Let others share `name` in the block, and keep out those who want to hold it alone.

        Where this database holds it alone, that is given up for good. Only PostgreSQL has locks that are shared; a file
        stays with whoever holds it.

        Args:
            patience: seconds to wait for a process that holds it alone.
        Raises:
            StoreError: if another process still holds it alone.
        """
        if self.engine.dialect.name != "postgresql":
            yield
            return
        key = {"name": f"culturepark {name}"}
        if held := self._held.get(name):
            with self.guard():
                held.execute(text("SELECT pg_advisory_lock_shared(hashtextextended(:name, 0))"), key)
                held.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), key)
            yield
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            until = time.monotonic() + patience
            query = text("SELECT pg_try_advisory_lock_shared(hashtextextended(:name, 0))")
            with self.guard():
                missed_soon(connection)
            try:
                while True:
                    with self.guard():
                        if connection.execute(query, key).scalar():
                            break
                    if time.monotonic() >= until:
                        raise StoreError(f"another process is at work on {name} alone; let it finish, or stop it first")
                    time.sleep(0.1)
                yield
            finally:
                connection.invalidate()  # in the pool it would keep the lock

    def problems(self) -> list[str]:
        """Return the findings of the database's own integrity checks."""
        if self.engine.dialect.name != "sqlite":
            return []
        with self.guard(), self.engine.connect() as connection:
            problems = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        return problems + [f"{row[0]} row {row[1]} points at a missing {row[2]}" for row in broken]

    def close(self) -> None:
        self.engine.dispose()

    def _bring_up_to_date(self) -> None:
        with self.engine.connect() as connection:
            if self._version(connection) == REVISIONS[-1]:
                return
        if not self._upgrade:
            raise StoreError(f"{self.shown} has an older schema; `culturepark runs` with it as --store upgrades it")
        with self._writer.begin() as connection:
            if self.engine.dialect.name == "postgresql":  # SQLite's transaction begins with the only write lock
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('culturepark schema', 0))"))
            version = self._version(connection)  # another process may have been faster
            if version != REVISIONS[-1]:
                migrate(connection)
                watch(connection)

    def _take_old_rows_apart(self) -> None:
        """Store requests of an older version in pieces. Who may not write the file reads them as they are."""
        from culturepark.store.pieces import pack_old_rows, unpacked

        with suppress(sqlite3.OperationalError):
            if unpacked(self):
                pack_old_rows(self, told_on_a_terminal)

    def _use_wal(self) -> None:
        """Turn on the write-ahead log, with which readers and the writer do not wait for each other.

        The mode is written into the file, so this comes after the check of the schema. A file that is read-only, or in
        use in the old mode, keeps its mode and can still be read.
        """
        raw = self.engine.raw_connection()
        try:
            with suppress(sqlite3.OperationalError):
                raw.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()

    def _version(self, connection: Connection) -> str | None:
        tables = set(inspect(connection).get_table_names())
        if "alembic_version" not in tables:
            if tables:
                raise StoreError(f"{self.shown} holds another program's tables; name another file")
            return None
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version is not None and version not in REVISIONS:
            raise StoreError(
                f"{self.shown} was written by a newer culturepark (schema {version}; this one knows up to "
                f"{REVISIONS[-1]}); upgrade with `pip install -U culturepark`"
            )
        return str(version) if version else None


class Driver:
    """A connection of the driver itself, which takes plain SQL and costs a tenth of a Session."""

    def __init__(self, database: Database, *, kept: bool, reads: bool) -> None:
        self._database = database
        self._pooled = database.engine.raw_connection()
        connection: Any = self._pooled.driver_connection
        self._connection = connection
        if kept:
            self._pooled.detach()
        self._sqlite = database.engine.dialect.name == "sqlite"
        if reads and not self._sqlite:
            connection.autocommit = True

    def execute(self, sql: str, values: Mapping[str, Any]) -> Any:
        """Return the driver's cursor."""
        return self._connection.execute(sql, values)

    def begin(self) -> None:
        if self._sqlite:
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.check_place()  # a file that was moved meanwhile gets no commit
        if self._sqlite:
            self._connection.execute("COMMIT")
        else:
            self._connection.commit()

    def check_place(self) -> None:
        self._database.check_place(self._pooled.info)

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        with suppress(Exception):  # the server may be gone, and the file too
            self._pooled.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def held_by_file(database: Database, name: str) -> Iterator[bool]:
    """Lock a file beside the database; the kernel drops the lock when the process ends.

    All users who may write the database may lock the file. A file that was left by a user under other permissions
    cannot be opened; then a lock on a byte of the database itself decides. Each process takes both locks.
    """
    from filelock import FileLock, Timeout

    path = f"{Path(database.path).resolve()}.{quote(name, safe='')}.lock"
    lock = FileLock(path, timeout=0, mode=mode_of(database.path))
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        with held_by_range(database.path, name) as free:
            if free is None or not (isinstance(error, PermissionError) and os.path.lexists(path)):
                raise StoreError(f"the store {database.shown}: cannot lock {path}: {why(error, path)}") from None
            yield free
        return
    with suppress(OSError):
        os.chown(path, -1, Path(database.path).stat().st_gid)
    try:
        with held_by_range(database.path, name) as free:
            yield free is not False
    finally:
        # Deleted while locked: a process that has opened the file meanwhile sees that it is gone, and makes another
        # (filelock >= 4).
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)
        lock.release()


def mode_of(path: str | os.PathLike[str]) -> int:
    """Return the mode of files made beside a database: read and write bits of the database, and always the owner's."""
    return stat.S_IMODE(os.stat(path).st_mode) & 0o666 | 0o600


def why(error: OSError, path: str) -> str:
    """Say why a lock file cannot be made, and what to do."""
    if isinstance(error, PermissionError) and os.path.lexists(path):
        return f"it belongs to user {os.lstat(path).st_uid}; if no process of theirs is at work on the run, delete it"
    return READ_ONLY if isinstance(error, PermissionError) or error.errno == errno.EROFS else str(error.strerror)


@contextmanager
def held_by_advisory_lock(database: Database, name: str) -> Iterator[bool]:
    """Take a lock of the session in the server, which drops it with the connection."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        query = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
        with database.guard():
            missed_soon(connection)
            holds = bool(connection.execute(query, {"name": f"culturepark {name}"}).scalar())
        if holds:
            database._held[name] = connection
        try:
            yield holds
        finally:
            if holds:
                database._held.pop(name, None)
            connection.invalidate()  # in the pool it would keep the lock


def missed_soon(connection: Connection) -> None:
    """Let the server notice within a minute that the machine at the other end is gone; it would take two hours."""
    for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
        connection.execute(text(f"SET tcp_keepalives_{name} = {value}"))


def parsed(url: str) -> URL:
    """
    Raises:
        UsageError: if the text is no database URL, or one of SQLite with more than a file's name. The text is not
            repeated in the message, since it may hold a password.
        StoreError: if the file it names cannot be opened.
    """
    form = "for a file write sqlite:///path/to/file.db"
    try:
        made = make_url(url)
        if made.drivername.count("+") > 1:
            raise ValueError
    except (ArgumentError, ValueError):
        raise UsageError(f"--store: this is not a database URL; {form}") from None
    if made.get_backend_name() == "postgresql":
        return made
    if made.get_backend_name() != "sqlite":
        server = "for a server postgresql+psycopg://USER@HOST/DATABASE"
        raise UsageError(f"--store: a store is SQLite's or PostgreSQL's; {form}, {server}")
    if (
        made.database and "?" in url and "=" not in url.partition("?")[2]
    ):  # the question mark is part of the file's name
        made = made.set(database=f"{made.database}?{unquote(url.partition('?')[2])}", query={})
    if made.host or made.query or ("?" in url and "?" not in str(made.database)):
        raise UsageError(f"--store: SQLite takes a file and nothing else; {form}")
    name = made.database or "."
    try:
        readable(Path(name.encode().decode()))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise StoreError(f"cannot open the store {clipped(name, 400)}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"--store: no file can be called {clipped(name, 400)}; {form}") from None
    return made


def exists(url: str) -> bool:
    """Return whether there is a store to open; always true for PostgreSQL."""
    made = parsed(url)
    return made.get_backend_name() != "sqlite" or Path(made.database or "").exists()


def connect(path: str, how: str, inode: Inode | None, shown: str) -> sqlite3.Connection:
    """Open an existing SQLite file.

    The URI quotes the file's name, so that no letter of it is read as an option, and `how` never creates a file.

    Raises:
        StoreError: if another file has taken its place.
    """
    if inode_of(path) != inode:
        raise gone(shown)
    return sqlite3.connect(f"file:{quote(path)}?{how}", uri=True, check_same_thread=False)


def gone(shown: str) -> StoreError:
    return StoreError(
        f"the store {shown}: its file was deleted, moved or replaced while it was in use, so nothing more is written; "
        "what was committed is in the file that was moved, if it was not deleted"
    )


def options(path: str) -> str:
    """Return the URI options to open a file with.

    SQLite opens a file in WAL mode only if side files exist or can be made. In a folder that cannot be written, a file
    without side files does not change, and is opened as immutable.
    """
    if os.access(Path(path).parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return "mode=rw"
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True)) as db:
            db.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError as error:
        left = any(side.exists() and side.stat().st_size for side in (Path(f"{path}-wal"), Path(f"{path}-journal")))
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and not left:
            return "mode=ro&immutable=1"
    except (sqlite3.Error, UnicodeDecodeError):  # reported when the file is opened
        pass
    return "mode=rw"


def tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")  # answers that were paid for outlive a power cut
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A transaction that reads and then writes must hold the write lock from its start, or two of them deadlock.
        writes = connection.get_execution_options().get("culturepark_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def told_on_a_terminal(text: str) -> None:
    from culturepark.terminal.safe import err, plain

    if (console := err()).is_terminal:
        console.print(plain(text))


def migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def advice(error: DBAPIError) -> str:
    """Return the driver's message and a hint what to do."""
    message = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    hints = {
        "database or disk is full": "free some space, then go on; what was committed is safe",
        "disk I/O error": "check the disk; what was committed is safe",
        "database is locked": f"another process held it for {BUSY_SECONDS} s; try again",
        "readonly": READ_ONLY,
        "unable to open": "check that the folder exists and may be written; a file with a -wal beside it needs that",
        "not a database": "this file is not an SQLite database; name another with --store",
        "malformed": DAMAGED,
        "no such": DAMAGED,
        "already exists": DAMAGED,
        "decode": DAMAGED,
    }
    return next((f"{message}; {hint}" for key, hint in hints.items() if key in message), message)
