"""Whole runs in processes of their own, for tests that disturb them: how to begin, to carry on and to compare them.

Processes are forked from one that has everything imported, so that what is disturbed is the program's work and not
Python's start.
"""

from __future__ import annotations

import importlib
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from culturepark.domain import JsonObject
from tests.endpoint import Endpoint

Work = Callable[[], int]
Call = tuple[str, str]
"""What a call was made for, and what was asked."""
VOLATILE = {"created_at", "finished_at", "started_at", "duration_ms", "attempt", "request_digest"}
"""Columns that differ from run to run; the digest, because it covers the endpoint's port."""


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


def command(timeout: float, *arguments: str) -> int:
    """One command, as the program's entry point does it, but with short pauses.

    Args:
        timeout: seconds that it waits for an endpoint.
    """
    from culturepark.cli import main
    from culturepark.models import client, limits

    limits.pause_before = lambda attempt, error: error.retry_after or 0.01
    client.TIMEOUT = httpx2.Timeout(timeout)
    sys.argv = ["culturepark", *arguments]
    try:
        main()
    except SystemExit as done:
        return int(done.code or 0)


def at_each_commit(work: Work, before: Callable[[int], None], after: Callable[[int], None]) -> int:
    """Does `work`, and calls the two with the number of each commit to the database."""
    from sqlalchemy.engine.default import DefaultDialect

    count, real = 0, DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        nonlocal count
        count += 1
        before(count)
        real(self, connection)
        after(count)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    return work()


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
        return sum((rows - self.rows[table]).total() for table, rows in undisturbed.rows.items())

    def doubled(self, undisturbed: Outcome) -> int:
        """Rows too many, be it twice the same or one that is not as it should be."""
        return sum((self.rows[table] - rows).total() for table, rows in undisturbed.rows.items())


@dataclass(frozen=True)
class Trial:
    """A folder with a store of its own, and the commands of one run in it."""

    folder: Path
    scenario: Path
    model: str
    timeout: float = 60

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def database(self) -> Path:
        return self.folder / "runs.db"

    def work(self, *arguments: str) -> Work:
        return partial(command, self.timeout, *arguments, "--store", f"sqlite:///{self.database}")

    def do(self, work: Work) -> int:
        return ended(fork(work, self.log))

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

    def outcome(self) -> Outcome:
        out = self.folder / "export"
        if self.do(self.work("export", "r", "--format", "trl", "--out", str(out))):
            raise AssertionError(self.log.read_text("utf-8", "replace"))
        return Outcome(self.contents(), {path.name: path.read_bytes() for path in out.glob("*.jsonl")})

    def contents(self) -> dict[str, Counter[str]]:
        """All rows of all tables but for times, durations and call attempts: a call is what was asked and answered."""
        calls = dict(self.query("SELECT id, subject_id || request FROM call"))
        found: dict[str, Counter[str]] = {}
        for (table,) in self.query("SELECT name FROM sqlite_master WHERE type = 'table'"):
            columns = [row[1] for row in self.query(f"PRAGMA table_info({table})") if row[1] not in VOLATILE]
            where = " WHERE response IS NOT NULL" if table == "call" else ""
            rows = self.query(f'SELECT {", ".join(columns)} FROM "{table}"{where}')
            named = [dict(zip(columns, row, strict=True)) for row in rows]
            for row in named:
                if table == "call":
                    del row["id"]
                if row.get("call_id"):
                    row["call_id"] = calls[row["call_id"]]
            url = self.model.partition("@")[2] or "no URL"
            found[table] = Counter(repr(row).replace(url, "URL") for row in named)
        return found


def undisturbed(trial: Trial) -> tuple[Outcome, int, float]:
    """What a run leaves that nobody disturbs, how many commits it makes, and how many seconds it takes.

    What it imported is imported here too, so that later processes need not.
    """
    trial.folder.mkdir(parents=True, exist_ok=True)
    report = trial.folder / "report"
    began = time.monotonic()
    code = trial.do(partial(reporting, trial.begin(), report))
    assert code == 0, trial.log.read_text("utf-8", "replace")
    seconds = time.monotonic() - began
    commits, *modules = report.read_text().split()
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)
    return trial.outcome(), int(commits), seconds


def reporting(work: Work, report: Path) -> int:
    """Does `work`, and writes down how many commits it made and which modules it imported."""
    commits = 0

    def count(number: int) -> None:
        nonlocal commits
        commits = number

    code = at_each_commit(work, lambda number: None, count)
    report.write_text(" ".join([str(commits), *sys.modules]))
    return code
