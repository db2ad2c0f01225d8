"""Kills whole runs, carries them on, and compares what came of them with a run that nobody disturbed.

    python -m tests.crash --instants 200

A run is a process of its own, forked from one that has everything imported, so that a kill meets the program's work and
not Python's start. It dies at a commit (before it, and right after it) of a run on the scripted model, or at a random
instant of a run against a local endpoint that fails every tenth request, four dialogues at once: by SIGKILL, or by
Ctrl-C once or twice. What carries it on may be killed as well. Where a run does not exist yet, the same `simulate
--run-id` goes on with it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

SCENARIO = """\
name: crash
title: Crash
setting: cross-cultural
cultures: [turkish, german]
protocol: self-guidance
max_turns: 6
seeds:
  - survey: wvs7/Q33
  - {key: guest, question: "What do you do when a guest arrives without notice?"}
"""
AGAIN = 0.3
"""Share of those that die at a random instant whose next process dies too."""
VOLATILE = {"created_at", "finished_at", "started_at", "duration_ms", "attempt"}
Call = tuple[str, str]
"""What a call was made for, and the digest of what was asked."""


@dataclass(frozen=True)
class Death:
    """One way for a process to end before its time."""

    kind: Literal["before a commit", "after a commit", "random instant", "Ctrl-C", "Ctrl-C twice"]
    at: float
    """Number of the commit, or seconds from the beginning."""


@dataclass
class Figures:
    """What came of all of it."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    """Processes that did die of it; others had finished before."""
    rows_lost: int = 0
    rows_doubled: int = 0
    asked_again: int = 0
    """Calls that were sent though their answer had been committed."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Outcome:
    """What a finished run left behind."""

    rows: dict[str, Counter[str]]
    files: dict[str, bytes]


# --- processes -------------------------------------------------------------------------------------


def fork(work: Callable[[], int], log: Path) -> int:
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


def command(*arguments: str) -> int:
    """One command, as the program's entry point does it."""
    from culturepark.cli import main
    from culturepark.models import limits

    limits.pause_before = lambda attempt, error: 0.01
    sys.argv = ["culturepark", *arguments]
    try:
        main()
    except SystemExit as done:
        return int(done.code or 0)


def die(work: Callable[[], int], death: Death, log: Path) -> int:
    """Does `work` in a process that comes to that end."""
    if death.kind.endswith("commit"):
        return ended(fork(partial(with_a_deadly_commit, work, death), log))
    child = fork(work, log)
    time.sleep(death.at)
    os.kill(child, signal.SIGKILL if death.kind == "random instant" else signal.SIGINT)
    if death.kind == "Ctrl-C twice":
        time.sleep(0.02)
        os.kill(child, signal.SIGINT)
    return ended(child)


def with_a_deadly_commit(work: Callable[[], int], death: Death) -> int:
    from sqlalchemy.engine.default import DefaultDialect

    count, real = 0, DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        nonlocal count
        count += 1
        if count == death.at and death.kind == "before a commit":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, connection)
        if count == death.at:
            os.kill(os.getpid(), signal.SIGKILL)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    return work()


# --- one run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A folder with a store of its own, and the commands of one run in it."""

    folder: Path
    scenario: Path
    model: str

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def work(self, *arguments: str) -> Callable[[], int]:
        return partial(command, *arguments, "--store", f"sqlite:///{self.folder}/runs.db")

    def begin(self) -> Callable[[], int]:
        given = ("--model", self.model, "--role", "embedder=lexical", "--run-id", "r", "--concurrency", "4")
        return self.work("simulate", str(self.scenario), *given)

    def go_on(self) -> Callable[[], int]:
        return self.work("resume", "r") if self.query("SELECT id FROM run") else self.begin()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, read as any other program would; none where there is no such table yet."""
        database = self.folder / "runs.db"
        if not database.exists():
            return []
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def sent(self, which: str = "1") -> Counter[Call]:
        return Counter(self.query(f"SELECT subject_id, request_digest FROM call WHERE {which}"))

    def contents(self) -> dict[str, Counter[str]]:
        """All rows of all tables but for times, durations and call attempts: a call is what was asked and answered."""
        calls = dict(self.query("SELECT id, subject_id || request_digest FROM call"))
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
            found[table] = Counter(map(repr, named))
        return found

    def outcome(self) -> Outcome:
        out = self.folder / "export"
        if ended(fork(self.work("export", "r", "--format", "trl", "--out", str(out)), self.log)):
            raise AssertionError(self.log.read_text("utf-8", "replace"))
        return Outcome(self.contents(), {path.name: path.read_bytes() for path in out.glob("*.jsonl")})


def endure(trial: Trial, deaths: list[Death], undisturbed: Outcome) -> Figures:
    """Lets a run die of one cause after the other, carries it on to its end, and compares."""
    trial.folder.mkdir(parents=True)
    kind = deaths[0].kind
    found = Figures(tried=Counter([kind]))
    work, answered, sent = trial.begin(), Counter[Call](), Counter[Call]()
    problems = []
    for death in [*deaths, None]:
        code = die(work, death, trial.log) if death else ended(fork(work, trial.log))
        if code not in ((0, 130, -signal.SIGKILL) if death else (0,)):
            problems.append(f"exit {code}")
        found.deaths += code != 0
        now = trial.sent()
        found.asked_again += sum(now[call] - sent[call] for call in answered)
        answered, sent = trial.sent("response IS NOT NULL"), now
        work = trial.go_on()
    if not problems:
        got = trial.outcome()
        for table, rows in undisturbed.rows.items():
            found.rows_lost += (rows - got.rows[table]).total()
            found.rows_doubled += (got.rows[table] - rows).total()
        if got.files != undisturbed.files:
            problems.append("another export")
    if found.asked_again or found.rows_lost or found.rows_doubled:
        problems.append(f"asked again {found.asked_again}, lost {found.rows_lost}, doubled {found.rows_doubled}")
    if problems:
        found.wrong.append(f"{deaths}: {', '.join(problems)}; see {trial.folder}")
    else:
        found.survived[kind] += 1
        shutil.rmtree(trial.folder)
    return found


# --- many of them ----------------------------------------------------------------------------------


def torture(folder: Path, *, commits: int | None, instants: int, seed: int = 1, workers: int = 2) -> Figures:
    """
    Args:
        commits: how many commits to die at, spread over the run; None for every single one.
        instants: how many random instants.
    """
    scenario = folder / "crash.yaml"
    scenario.write_text(SCENARIO, "utf-8")
    server, url = serve(folder)
    try:
        scripted, remote = (
            partial(Trial, scenario=scenario, model="scripted"),
            partial(Trial, scenario=scenario, model=f"openai:test@{url}"),
        )
        plans: list[tuple[Callable[..., Trial], Outcome, list[Death]]] = []
        whole, total, _ = undisturbed(scripted(folder / "scripted"))
        undisturbed(remote(folder / "first"))  # for what it imports
        numbers = range(1, total + 1)
        if commits is not None:
            numbers = sorted(random.Random(seed).sample(numbers, min(commits, total)))
        plans += [
            (scripted, whole, [Death(kind, n)]) for n in numbers for kind in ("before a commit", "after a commit")
        ]
        whole, _, seconds = undisturbed(remote(folder / "remote"))
        draw = random.Random(seed)
        for _ in range(instants):
            kind = draw.choices(("random instant", "Ctrl-C", "Ctrl-C twice"), (0.7, 0.15, 0.15))[0]
            deaths = [Death(kind, draw.uniform(0, seconds))]
            while draw.random() < AGAIN:
                deaths.append(Death("random instant", draw.uniform(0, seconds)))
            plans.append((remote, whole, deaths))
        figures = Figures()
        with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
            jobs = [
                pool.submit(endure, trial(folder / f"{n:04}"), deaths, whole)
                for n, (trial, whole, deaths) in enumerate(plans)
            ]
            for number, job in enumerate(jobs, start=1):
                figures.add(job.result())
                if sys.stderr.isatty():
                    print(f"\r{number}/{len(jobs)} runs", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    finally:
        os.kill(server, signal.SIGKILL)
        ended(server)
    return figures


def undisturbed(trial: Trial) -> tuple[Outcome, int, float]:
    """What a run leaves that nobody disturbs, how many commits it makes, and how many seconds it takes.

    What it imported is imported here too, so that later processes need not.
    """
    trial.folder.mkdir()
    report = trial.folder / "report"
    began = time.monotonic()
    code = ended(fork(partial(reporting, trial.begin(), report), trial.log))
    assert code == 0, trial.log.read_text("utf-8", "replace")
    seconds = time.monotonic() - began
    commits, *modules = report.read_text().split()
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)
    print(f"{trial.folder.name}: {commits} commits, {seconds:.1f} s", file=sys.stderr)
    return trial.outcome(), int(commits), seconds


def reporting(work: Callable[[], int], report: Path) -> int:
    """Does `work`, and writes down how many commits it made and which modules it imported."""
    from sqlalchemy.engine.default import DefaultDialect

    count, real = 0, DefaultDialect.do_commit

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        nonlocal count
        count += 1
        real(self, connection)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    code = work()
    report.write_text(" ".join([str(count), *(name for name in sys.modules if name != "__mp_main__")]))
    return code


def serve(folder: Path) -> tuple[int, str]:
    """The endpoint, in a process of its own; its process id and URL."""
    from tests.endpoint import BAD_CHUNK, DROP, HTML, NO_FINISH, RESET, Endpoint, status

    faults = (status(503), RESET, status(429), HTML, DROP, status(500), NO_FINISH, BAD_CHUNK)
    url = folder / "url"

    def work() -> int:
        def reply(body: Any, n: int) -> Any:
            return faults[n // 10 % len(faults)] if n % 10 == 0 else None

        with Endpoint(latency=0.005, reply=reply) as endpoint:
            url.with_suffix(".new").write_text(endpoint.url)
            url.with_suffix(".new").rename(url)
            while True:
                signal.pause()

    child = fork(work, folder / "endpoint.log")
    while not url.exists():
        time.sleep(0.01)
    return child, url.read_text()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commits", type=int, help="die at so many commits (default: at every one)")
    parser.add_argument("--instants", type=int, default=200, help="die at so many random instants (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    figures = torture(folder, commits=options.commits, instants=options.instants, seed=options.seed)
    print(json.dumps(vars(figures), indent=2))
    if not figures.wrong:
        shutil.rmtree(folder)
    return bool(figures.wrong)


if __name__ == "__main__":
    sys.exit(main())
