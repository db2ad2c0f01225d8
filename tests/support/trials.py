"""Whole runs in processes of their own, for tests that disturb them: how to begin, to carry on and to compare them.

Processes are forked from one that has everything imported, so that what is disturbed is the program's work and not
Python's start.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from culturepark.domain import JsonObject
from culturepark.models.chat import canonical, digest
from tests.support.endpoint import Endpoint

Work = Callable[[], int]
Call = tuple[str, str]
"""What a call was made for, and what was asked."""
VOLATILE = {"created_at", "finished_at", "started_at", "duration_ms", "attempt", "request_digest"}
"""Columns that differ from run to run; the digest, because it covers the endpoint's port."""
TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:[\d:.]+(?:Z| UTC)")


# --- processes -------------------------------------------------------------------------------------


def fork(work: Work, log: Path) -> int:
    """A process that does `work`, with its output in `log`; its id."""
    if child := os.fork():
        return child
    code = 99
    try:
        with log.open("ab") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        code = work()
    except BaseException as error:
        os.write(2, f"the work itself failed: {error!r}\n".encode())
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How a process ended: its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(timeout: float, *arguments: str, folder: Path, typed: Sequence[str] = ()) -> int:
    """One command, as the program's entry point does it, but with short pauses.

    Args:
        timeout: seconds that it waits for an endpoint.
        folder: where it is given.
        typed: lines that are waiting at its standard input.
    """
    import secrets

    from culturepark.cli.app import main
    from culturepark.models import client, ledger

    os.chdir(folder)
    sys.stdin = io.TextIOWrapper(io.BytesIO("".join(f"{line}\n" for line in typed).encode()), "utf-8")
    secrets.token_hex = lambda size=32: "7f3a7f3a"[: 2 * size]  # the name of a branch
    ledger.pause_before = lambda attempt, error: error.retry_after or 0.01
    client.TIMEOUT = httpx2.Timeout(timeout)
    sys.argv = ["culturepark", *arguments]
    try:
        main()
    except SystemExit as done:
        return int(done.code or 0)


def at_each_commit(work: Work, before: Callable[[int], None], after: Callable[[int], None]) -> int:
    """Does `work`, and calls the two with the number of each commit to the database."""

    def strike(kind: str, number: int, _: str) -> None:
        if kind == "before a commit":
            before(number)
        elif kind == "after a commit":
            after(number)

    return at_each_instant(work, strike, Path("nowhere"))


READ = "type IN ('table', 'view') AND name NOT IN ('call_log', 'piece', 'tally')"
"""Tables as they are read: `call` is a view, and how its rows are stored depends on what else was stored before.
Kept figures hold times."""
Strike = Callable[[str, int, str], None]
"""Told the kind of an instant, its number among those of the kind, and what it is about."""
WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM|CREATE \w+|ALTER TABLE|DROP \w+)\s+\W?(\w+)")


def at_each_instant(work: Work, strike: Strike, folder: Path, *, calls: bool = False) -> int:
    """Does `work`, and strikes at instants that are the same ones every time, as seconds are not.

    `before a commit` and `after a commit`: of each transaction that writes or only reads.
    `inside a commit`: before each statement that writes, but for the first of its transaction.
    `at a file`: before a file in the folder is opened to be written, renamed or deleted, or a folder made or deleted.
    `at a call`: of any function of Python's in the main thread, if `calls`.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.default import DefaultDialect

    from culturepark.store.database import Driver

    counts: Counter[str] = Counter()
    written: dict[int, list[str]] = {}
    commit, rollback = DefaultDialect.do_commit, DefaultDialect.do_rollback
    plain_commit, plain_execute, plain_close = Driver.commit, Driver.execute, Driver.close
    here = str(folder.resolve())

    def reach(kind: str, what: str = "") -> None:
        counts[kind] += 1
        strike(kind, counts[kind], what)

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        what = " ".join(dict.fromkeys(written.pop(id(connection.dbapi_connection), [])))
        reach("before a commit", what)
        commit(self, connection)
        reach("after a commit", what)

    def do_rollback(self: DefaultDialect, connection: Any) -> None:
        written.pop(id(connection.dbapi_connection), None)
        rollback(self, connection)

    def statement(connection: Any, _: Any, sql: str, *__: Any) -> None:
        write(id(connection.connection.dbapi_connection), sql)

    def write(connection: int, sql: str) -> None:
        if found := WRITES.match(sql):
            before = written.setdefault(connection, [])
            if before:
                reach("inside a commit", " ".join(dict.fromkeys(before)))
            before.append(f"{found[1].partition(' ')[0]} {found[2]}")

    def execute(self: Driver, sql: str, values: Any) -> Any:
        write(id(self), sql)
        return plain_execute(self, sql, values)

    def commit_plain(self: Driver) -> None:
        what = " ".join(dict.fromkeys(written.pop(id(self), [])))
        reach("before a commit", what)
        plain_commit(self)
        reach("after a commit", what)

    def close_plain(self: Driver) -> None:
        written.pop(id(self), None)
        plain_close(self)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        if not isinstance(arguments[0], (str, os.PathLike)) or not absolute(arguments[0]).startswith(here):
            return
        flags = arguments[2] if name == "open" else os.O_RDWR
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            reach("at a file", name)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    DefaultDialect.do_rollback = do_rollback  # type: ignore[method-assign]
    Driver.commit, Driver.execute = commit_plain, execute  # type: ignore[method-assign]
    Driver.close = close_plain  # type: ignore[method-assign]
    event.listen(Engine, "before_cursor_execute", statement)
    sys.addaudithook(audit)
    if calls:
        sys.setprofile(lambda frame, what, _: reach("at a call") if what == "call" else None)
    try:
        return work()
    finally:
        sys.setprofile(None)


def absolute(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    return name if isinstance(name, str) and name.startswith("/") else f"{os.getcwd()}/{name}"


@contextmanager
def serving(folder: Path, reply: Callable[[JsonObject, int], Any], port: int = 0) -> Iterator[str]:
    """An endpoint in a process of its own; its URL."""
    report = folder / "endpoint"
    report.unlink(missing_ok=True)

    def work() -> int:
        with Endpoint(latency=0.005, reply=reply, port=port) as endpoint:
            report.with_suffix(".new").write_text(endpoint.url)
            report.with_suffix(".new").rename(report)
            while True:
                signal.pause()

    child = fork(work, folder / "endpoint.log")
    try:
        while not report.exists():
            time.sleep(0.01)
        yield report.read_text()
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)


# --- one run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a finished run left behind."""

    rows: dict[str, Counter[str]]
    files: dict[str, bytes]

    def lost(self, undisturbed: Outcome) -> int:
        return sum((rows - self.rows.get(table, Counter())).total() for table, rows in undisturbed.rows.items())

    def doubled(self, undisturbed: Outcome) -> int:
        """Rows too many, be it twice the same or one that is not as it should be."""
        return sum((rows - undisturbed.rows.get(table, Counter())).total() for table, rows in self.rows.items())


@dataclass(frozen=True)
class Trial:
    """A folder with a store of its own, and the commands of one run in it."""

    folder: Path
    scenario: Path
    model: str
    timeout: float = 60

    name: ClassVar[str] = ""
    """What is disturbed, behind the kind of death; empty for `simulate`."""

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def database(self) -> Path:
        return self.folder / "runs.db"

    def work(self, *arguments: str, typed: Sequence[str] = ()) -> Work:
        store = ("--store", "sqlite:///runs.db")
        return partial(command, self.timeout, *arguments, *store, folder=self.folder, typed=typed)

    def do(self, work: Work) -> int:
        return ended(fork(work, self.log))

    def must(self, work: Work) -> None:
        if self.do(work):
            raise AssertionError(self.log.read_text("utf-8", "replace"))

    def begin(self) -> Work:
        given = ("--model", self.model, "--role", "embedder=lexical", "--run-id", "r", "--concurrency", "4")
        return self.work("simulate", str(self.scenario), *given)

    def go_on(self) -> Work:
        return self.work("resume", "r") if self.query("SELECT id FROM run") else self.begin()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, read as any other program would; none where there is no such table yet."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def sent(self, which: str = "1") -> Counter[Call]:
        return Counter(self.query(f"SELECT subject_id, request FROM call WHERE {which}"))

    def bill(self) -> dict[str, tuple[Any, ...]]:
        """Every call and what is known of it: what was asked, answered, used and paid."""
        columns = "request, response, prompt_tokens, completion_tokens, cached_tokens, tokens_from, cost_usd, error"
        return {row[0]: row[1:] for row in self.query(f"SELECT id, {columns} FROM call")}

    def outcome(self) -> Outcome:
        out = self.folder / "export"
        self.must(self.work("export", "r", "--format", "trl", "--out", "export"))
        return Outcome(self.contents(), {path.name: path.read_bytes() for path in out.glob("*.jsonl")})

    def half_done(self, whole: Outcome) -> list[str]:
        """What can be taken for whole and is not, right after a death."""
        return []

    def contents(self) -> dict[str, Counter[str]]:
        """All rows of all tables but for times, durations and call attempts: a call is what was asked and answered."""
        calls = dict(self.query("SELECT id, subject_id || request FROM call"))
        found: dict[str, Counter[str]] = {}
        for (table,) in self.query(f"SELECT name FROM sqlite_master WHERE {READ} ORDER BY name"):
            columns = [row[1] for row in self.query(f"PRAGMA table_info({table})") if row[1] not in VOLATILE]
            where = " WHERE response IS NOT NULL" if table == "call" else ""
            rows = self.query(f'SELECT {", ".join(columns)} FROM "{table}"{where}')
            named = [dict(zip(columns, row, strict=True)) for row in rows]
            for row in named:
                if table == "call":
                    del row["id"]
                if row.get("call_id"):
                    row["call_id"] = calls[row["call_id"]]
                if "withdrawn_at" in row:
                    row["withdrawn_at"] = row["withdrawn_at"] is not None
            url = self.model.partition("@")[2] or "no URL"
            found[table] = Counter(repr(row).replace(url, "URL") for row in named)
        return found


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbs."""

    outcome: Outcome
    instants: Counter[str]
    """How many there are of each kind."""
    about: dict[str, list[str]]
    """By kind, what each of them is about."""


def undisturbed(
    trial: Trial, prepare: Callable[[Trial], None] = lambda trial: None, *, twice: bool = False, calls: bool = False
) -> Whole:
    """What a run leaves that nobody disturbs, and the instants at which it can be.

    What it imports is imported here too, so that later processes need not.

    Args:
        twice: so that it imports nothing the second time, as those that die will not.
        calls: whether calls of functions are counted, which takes its time.
    """
    folders = [trial.folder.with_name(f"{trial.folder.name}-first")] if twice else []
    for folder in [*folders, trial.folder]:
        trial = replace(trial, folder=folder)
        folder.mkdir(parents=True)
        prepare(trial)
        report = folder.with_name(f"{folder.name}.report")
        trial.must(partial(reporting, trial.begin(), report, folder, calls))
        told = json.loads(report.read_text())
        for module in told["modules"]:
            with suppress(ImportError):
                importlib.import_module(module)
    return Whole(trial.outcome(), Counter(told["counts"]), told["about"])


def reporting(work: Work, report: Path, folder: Path, calls: bool) -> int:
    """Does `work`, and writes down which instants there were and which modules it imported."""
    counts: Counter[str] = Counter()
    about: dict[str, list[str]] = {}

    def note(kind: str, number: int, what: str) -> None:
        counts[kind] = number
        if kind != "at a call":
            about.setdefault(kind, []).append(what)

    code = at_each_instant(work, note, folder, calls=calls)
    report.write_text(json.dumps({"counts": counts, "about": about, "modules": [*sys.modules]}))
    return code


# --- what an endpoint heard ------------------------------------------------------------------------


def hearing(log: Path, reply: Callable[[JsonObject, int], Any]) -> Callable[[JsonObject, int], Any]:
    """A hook for an endpoint that writes down every request before it answers."""

    def note(body: JsonObject, number: int) -> Any:
        with log.open("a") as file:
            file.write(digest(canonical(body)) + "\n")
        return reply(body, number)

    return note


def unbilled(log: Path, trial: Trial) -> int:
    """How many requests an endpoint has heard of which the store has no row."""
    heard = Counter(log.read_text().split() if log.exists() else [])
    return (heard - Counter(digest(request) for (request,) in trial.query("SELECT request FROM call"))).total()


# --- what can be read as whole ---------------------------------------------------------------------


def shown(out: Path) -> dict[str, bytes]:
    """The files of a folder; what a killed process left aside is hidden."""
    if not out.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if not path.name.startswith(".")}


def told(out: Path) -> bool:
    """Whether a folder holds an export and just what its manifest says."""
    files = shown(out)
    if "manifest.json" not in files:
        return False
    manifest = json.loads(files.pop("manifest.json"))
    wanted = {file["name"]: file["sha256"] for file in manifest["files"]}
    wanted |= {file["index"]: file["index_sha256"] for file in manifest["files"] if "index" in file}
    wanted |= {one["name"]: one["sha256"] for one in (manifest["card"], manifest.get("duplicates")) if one}
    wanted |= {one["name"]: one["sha256"] for one in (*manifest["settings"], *manifest["beside"])}
    return wanted == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
