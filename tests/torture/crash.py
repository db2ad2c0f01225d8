"""Kills whole commands, carries them on, and compares what came of them with those that nobody disturbed.

A process dies at an instant that is the same one each time: before or right after a commit to the database, inside
one (between two of its statements), before a file is opened, moved or deleted, or at the n-th call of a function.
It dies by SIGKILL, or by Ctrl-C once or twice. What carries it on may be killed as well.

`simulate` dies on the scripted model and on a local endpoint that fails every tenth request, four dialogues at once;
`distill`, `export`, `report`, `branch`, `talk`, reviews and migrations die as well. Going on is what a user would do:
`resume` where the run is there, and otherwise the same command again.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from culturepark.domain import JsonObject
from culturepark.models.chat import canonical, digest
from tests.support.endpoint import BAD_CHUNK, DROP, HTML, NO_FINISH, RESET, Fault, status
from tests.support.trials import (
    TIME,
    Call,
    Outcome,
    Trial,
    Whole,
    Work,
    at_each_instant,
    ended,
    fork,
    hearing,
    serving,
    shown,
    told,
    unbilled,
    undisturbed,
)

SCENARIO = """\
name: crash
title: Crash
setting: cross-cultural
cultures: [turkish, german]
protocol: self-guidance
max_turns: 6
distill: {checks: {harmlessness: {at_least: 3}, judges: 2, cross_check: {}}}
seeds:
  - survey: wvs7/Q33
  - {key: guest, question: "What do you do when a guest arrives without notice?"}
"""
AGAIN = 0.3
"""Share of those that die at a random instant whose next process dies too."""
FAULTS = (status(503), RESET, status(429), HTML, DROP, status(500), NO_FINISH, BAD_CHUNK)
Kind = Literal[
    "before a commit", "after a commit", "inside a commit", "at a file", "at a call", "Ctrl-C", "Ctrl-C twice"
]
COMMITS: tuple[Kind, ...] = ("before a commit", "after a commit", "inside a commit")
SURELY = 0.6
"""Share of a run's instants that it surely reaches, however its dialogues overlap."""


@dataclass(frozen=True)
class Death:
    """One way for a process to end before its time."""

    kind: Kind
    at: int
    """Number of the instant."""


@dataclass
class Figures:
    """What came of all of it."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    """Processes that did die of it; others had finished before."""
    rows_lost: int = 0
    """Requests without a row, and answers without their tokens, are among them."""
    rows_doubled: int = 0
    asked_again: int = 0
    """Calls that were sent though their answer had been committed."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


# --- what is disturbed -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Distilling(Trial):
    """`distill` on a run that is finished."""

    name: ClassVar[str] = "distill"

    def begin(self) -> Work:
        return self.work("distill", "r", "--from", "extract")

    def go_on(self) -> Work:
        return self.work("resume", "r") if self.query("SELECT 1 FROM run WHERE extract_round > 1") else self.begin()


@dataclass(frozen=True)
class Exporting(Trial):
    """`export` of a run into a new folder, or over the export of other files that stands there."""

    name: ClassVar[str] = "export"

    def begin(self) -> Work:
        return self.work("export", "r", "--format", "trl", "--split", "0.5", "--out", "out")

    def go_on(self) -> Work:
        return self.begin()

    def outcome(self) -> Outcome:
        if not told(self.folder / "out"):
            raise AssertionError("the export is not what its manifest says")
        files = shown(self.folder / "out")
        return Outcome(self.contents(), {name: data for name, data in files.items() if name.endswith(".jsonl")})

    def half_done(self, whole: Outcome) -> list[str]:
        out = self.folder / "out"
        rows = {name: data for name, data in shown(out).items() if name.endswith(".jsonl")}
        if told(out) and rows not in (whole.files, older(self.folder)):
            return ["half an export is taken for whole"]
        if rows and "manifest.json" not in shown(out):
            return ["half an export that is not known for one"]
        return []


def older(folder: Path) -> dict[str, bytes]:
    """The rows that stood in the folder at first."""
    return {name: data for name, data in shown(folder / "older").items() if name.endswith(".jsonl")}


@dataclass(frozen=True)
class ExportingAgain(Exporting):
    name: ClassVar[str] = "export over another"


@dataclass(frozen=True)
class Reporting(Trial):
    """`report` of a run into a new file, or over an older one."""

    name: ClassVar[str] = "report"

    def begin(self) -> Work:
        return self.work("report", "r", "--out", "page.html")

    def go_on(self) -> Work:
        return self.begin()

    def page(self, name: str = "page.html") -> bytes:
        path = self.folder / name
        return TIME.sub(b"TIME", path.read_bytes()) if path.exists() else b""

    def outcome(self) -> Outcome:
        return Outcome(self.contents(), {"page.html": self.page()})

    def half_done(self, whole: Outcome) -> list[str]:
        fine = (b"", whole.files["page.html"], self.page("older.html"))
        return [] if self.page() in fine else ["half a report is taken for whole"]


@dataclass(frozen=True)
class ReportingAgain(Reporting):
    name: ClassVar[str] = "report over another"


@dataclass(frozen=True)
class Branching(Trial):
    """`branch` off a dialogue of a run that is finished; the branch is mined at the end."""

    name: ClassVar[str] = "branch"
    BRANCH: ClassVar[str] = "r-b7f3a"

    def begin(self) -> Work:
        return self.work("branch", "r.d1.t3", "--model", "scripted", "--seed", "7")

    def go_on(self) -> Work:
        there = self.query(f"SELECT 1 FROM run WHERE id = '{self.BRANCH}'")
        return self.work("resume", self.BRANCH) if there else self.begin()

    def outcome(self) -> Outcome:
        self.must(self.go_on())
        return super().outcome()


@dataclass(frozen=True)
class Talking(Trial):
    """`talk` with a moderator; who goes on types what is not there yet."""

    name: ClassVar[str] = "talk"
    LINES: ClassVar[tuple[str, ...]] = ("Good evening.", "Why do you say so?", "And what did your mother think?")

    def begin(self) -> Work:
        with_whom = ("turkish-elif", "--moderated", "--model", "scripted", "--run-id", "r")
        return self.work("talk", *with_whom, typed=self.LINES)

    def go_on(self) -> Work:
        if not self.query("SELECT id FROM run"):
            return self.begin()
        typed = len(self.query("SELECT id FROM turn WHERE origin = 'typed'"))
        return self.work("talk", "--run-id", "r", typed=self.LINES[typed:])


@dataclass(frozen=True)
class Reviewing(Trial):
    """Judgements as they are made in `replay`; who goes on makes those that are not there yet."""

    name: ClassVar[str] = "review"

    def begin(self) -> Work:
        return partial(judge, self.folder)

    def go_on(self) -> Work:
        return self.begin()


def judge(folder: Path) -> int:
    """Turns, statements and samples are judged, and some of it is taken back."""
    from culturepark.store import reviews
    from culturepark.store.store import Store

    os.chdir(folder)
    store = Store("sqlite:///runs.db")
    with closing(sqlite3.connect("runs.db")) as db:
        kept = [name for (name,) in db.execute("SELECT id FROM sample WHERE status = 'kept' OR drop_reason = 'review'")]

        def done() -> int:
            return int(db.execute("SELECT count(*) + count(withdrawn_at) FROM review").fetchone()[0])

        reviews.token_hex = lambda size: f"{done():08x}"  # type: ignore[attr-defined]
        ann, ben = (reviews.Reviews(store, name) for name in ("ann", "ben"))
        samples = sorted(kept, key=lambda name: digest(name.partition(".x")[0]))[:4]
        statements = [name.rpartition(".")[0] for name in samples]
        turns = [name.rpartition(".")[0] for name in statements]
        steps: list[Callable[[], object]] = [
            lambda: ann.add(turns[0], "reject", note="no"),
            lambda: ben.add(samples[0], "accept", rating=4),
            lambda: ann.add(statements[1], "comment", wording="Guests are always welcome at our table."),
            lambda: ann.add(samples[2], "reject"),
            ann.undo,
            lambda: ben.add(turns[3], "reject"),
            lambda: ann.add(samples[3], "accept"),
            lambda: ben.undo(),
        ]
        for step in steps[done() :]:
            step()
    store.close()
    return 0


@dataclass(frozen=True)
class Migrating(Trial):
    """A store of an older schema, opened by the program of today."""

    name: ClassVar[str] = "migration"

    def begin(self) -> Work:
        return self.work("stats", "r", "--json")

    def go_on(self) -> Work:
        return self.begin()


def older_store(path: Path, revision: str, rows: Path) -> None:
    """A store as the program of that schema version would have left it, with rows as far as it had places for them."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    from culturepark.store.database import MIGRATIONS

    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("ATTACH ? AS today", (str(rows),))
        for (table,) in db.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
        ):
            names = [{row[1] for row in db.execute(f"PRAGMA {of}.table_info({table})")} for of in ("main", "today")]
            columns = ", ".join(f'"{name}"' for name in sorted(names[0] & names[1]))
            db.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM today."{table}"')


# --- dying -----------------------------------------------------------------------------------------


def now_and_then() -> Callable[[JsonObject, int], Fault | None]:
    """Every tenth request fails the first time that it is made; it hangs on nothing else which that is."""
    seen: set[str] = set()

    def reply(body: JsonObject, number: int) -> Fault | None:
        asked = digest(canonical(body))
        fails = int(asked[:8], 16) % 10 == 0 and asked not in seen
        seen.add(asked)
        return FAULTS[int(asked[8:16], 16) % len(FAULTS)] if fails else None

    return reply


def die(work: Work, death: Death, trial: Trial) -> int:
    """Does `work` in a process that comes to that end."""
    interrupts = [death.at] + ([death.at + 1] if death.kind == "Ctrl-C twice" else [])

    def strike(kind: str, number: int, _: str) -> None:
        if kind == death.kind and number == death.at:
            os.kill(os.getpid(), signal.SIGKILL)
        if death.kind.startswith("Ctrl-C") and kind == "after a commit" and number in interrupts:
            os.kill(os.getpid(), signal.SIGINT)

    calls = death.kind == "at a call"
    return ended(fork(partial(at_each_instant, work, strike, trial.folder, calls=calls), trial.log))


def endure(trial: Trial, template: Path | None, deaths: Sequence[Death], whole: Outcome) -> Figures:
    """Lets a command die of one cause after the other, carries it on to its end, and compares.

    Args:
        template: a folder with what is there to begin with; None for nothing.
    """
    prepare(template, trial)
    kind = f"{deaths[0].kind} of {trial.name}" if trial.name else deaths[0].kind
    found, problems = Figures(tried=Counter([kind])), []
    heard = trial.folder / "heard"
    remote = trial.model.startswith("openai")
    with serving(trial.folder, hearing(heard, now_and_then())) if remote else nullcontext("") as url:
        if remote:
            trial = replace(trial, model=f"openai:test@{url}")
        work, answered, sent = trial.begin(), Counter[Call](), Counter[Call]()
        bill = trial.bill()
        for death in [*deaths, None]:
            code = die(work, death, trial) if death else trial.do(work)
            if code not in ((0, 130, -signal.SIGKILL) if death else (0,)):
                problems.append(f"exit {code}")
            found.deaths += code != 0
            if death:
                problems += trial.half_done(whole)
            now = trial.sent()
            found.asked_again += sum(now[call] - sent[call] for call in answered)
            answered, sent = trial.sent("response IS NOT NULL"), now
            found.rows_lost += forgotten(bill, bill := trial.bill())
            work = trial.go_on()
        found.rows_lost += unbilled(heard, trial)
    if not problems:
        try:
            got = trial.outcome()
        except AssertionError as error:
            problems.append(str(error)[-500:])
        else:
            found.rows_lost += got.lost(whole)
            found.rows_doubled += got.doubled(whole)
            if got.files != whole.files:
                problems.append("other files")
    if found.asked_again or found.rows_lost or found.rows_doubled:
        problems.append(f"asked again {found.asked_again}, lost {found.rows_lost}, doubled {found.rows_doubled}")
    if problems:
        found.wrong.append(f"{deaths}: {', '.join(problems)}; see {trial.folder.parent.name}/{trial.folder.name}")
    else:
        found.survived[kind] += 1
        shutil.rmtree(trial.folder)
    return found


def forgotten(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> int:
    """Calls that are no longer in the store, or of which something is no longer known that was."""
    return sum(
        name not in after or any(one not in (None, other) for one, other in zip(known, after[name], strict=True))
        for name, known in before.items()
    )


# --- all of them -----------------------------------------------------------------------------------


def prepare(template: Path | None, trial: Trial) -> None:
    trial.folder.mkdir(exist_ok=True)
    if template:
        shutil.copytree(template, trial.folder, dirs_exist_ok=True)


@dataclass(frozen=True)
class Subject:
    """A command that is to die: what it begins with, and what comes of it undisturbed."""

    make: Callable[[Path, Path, str], Trial]
    template: Path | None
    whole: Whole
    model: str = "scripted"

    @property
    def instants(self) -> Counter[str]:
        return self.whole.instants


def subjects(folder: Path, scenario: Path, *, share: bool) -> list[Subject]:
    """All commands; of those that have two forms only the harder one, if a share is enough."""
    from culturepark.store.database import REVISIONS

    def of(make: Callable[[Path, Path, str], Trial], template: Path | None = None) -> Subject:
        trial = make(folder / f"whole-{len(list(folder.iterdir())):02}", scenario, "scripted")
        whole = undisturbed(trial, partial(prepare, template), twice=not share, calls=not share)
        return Subject(make, template, whole)

    def begun(name: str, database: Path) -> Path:
        made = folder / f"begun-{name}"
        made.mkdir()
        shutil.copy(database, made / "runs.db")
        return made

    simulated = of(Trial)
    made = max(folder.glob("whole-*/runs.db"))
    finished = folder / "finished.db"
    with closing(sqlite3.connect(made)) as db:
        db.execute("VACUUM INTO ?", (str(finished),))
    with closing(sqlite3.connect(finished)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    plain, exported, reported = (begun(name, finished) for name in ("plain", "exported", "reported"))
    Trial(exported, scenario, "scripted").must(
        Trial(exported, scenario, "scripted").work(
            "export", "r", "--format", "openai", "--culture", "german", "--out", "out"
        )
    )
    shutil.copytree(exported / "out", exported / "older")
    Reporting(reported, scenario, "scripted").must(Reporting(reported, scenario, "scripted").begin())
    with (reported / "page.html").open("a") as page:
        page.write("<!-- an older one -->\n")
    shutil.copy(reported / "page.html", reported / "older.html")
    found = [simulated, of(Distilling, plain), of(ExportingAgain, exported), of(ReportingAgain, reported)]
    found += [] if share else [of(Exporting, plain), of(Reporting, plain)]
    found += [of(Branching, plain), of(Talking), of(Reviewing, plain)]
    for revision in REVISIONS[:1] if share else REVISIONS[:-1]:
        old = folder / f"begun-{revision}"
        old.mkdir()
        older_store(old / "runs.db", revision, finished)
        found.append(of(Migrating, old))
    return found


def remote_subject(folder: Path, scenario: Path, *, share: bool) -> Subject:
    """`simulate` against an endpoint."""
    for name in ("remote",) if share else ("first", "remote"):  # the first for what it imports
        with serving(folder, now_and_then()) as url:
            trial = Trial(folder / name, scenario, f"openai:test@{url}")
            whole = undisturbed(trial, calls=not share)
    return Subject(Trial, None, whole, "openai:test@later")


def torture(
    folder: Path, *, commits: int | None, instants: int, seed: int = 1, workers: int = 2, share: bool = False
) -> Figures:
    """
    Args:
        commits: at how many instants of each kind each command dies; None for every single one.
        instants: how many deaths at random calls, and on the endpoint.
        share: what is done in the tests: at least one transaction of every sort is cut off.
    """
    scenario = folder / "crash.yaml"
    scenario.write_text(SCENARIO, "utf-8")
    draw = random.Random(seed)
    plans: list[tuple[Subject, list[Death]]] = []
    some = subjects(folder, scenario, share=share)
    for subject in some:
        kinds: tuple[Kind, ...] = (*COMMITS, "at a file")
        if share:  # the one file of the others is their lock
            kinds = kinds[1:] if subject.make in (ExportingAgain, ReportingAgain) else COMMITS[1:]
        for kind in kinds:
            about = subject.whole.about.get(kind, [])
            sorts = len(set(about)) if share and subject is some[0] and kind == "after a commit" else 0
            most = None if commits is None else max(commits, sorts)
            plans += [(subject, [Death(kind, number)]) for number in spread(about, most, draw)]
        for _ in range(0 if share else max(1, instants // 2 // len(some))):
            at = one_of(subject.instants["at a call"] * SURELY, draw)
            deaths = [Death("at a call", at)]
            while draw.random() < AGAIN:
                deaths.append(Death("at a call", one_of(at / 2, draw)))
            plans.append((subject, deaths))
    remote = remote_subject(folder, scenario, share=share)
    surely = {kind: number * SURELY for kind, number in remote.instants.items()}
    for _ in range(instants // 2):
        how: tuple[Kind, ...] = (*COMMITS, "Ctrl-C", "Ctrl-C twice", "at a call")
        kind = draw.choices(how, (2, 2, 2, 1, 1, 0 if share else 3))[0]
        among = "after a commit" if kind.startswith("Ctrl-C") else kind
        deaths = [Death(kind, one_of(surely[among], draw))]
        while draw.random() < AGAIN:
            # What is left when a run goes on hangs on what was under way; the first few commits there are always.
            deaths.append(Death("after a commit", one_of(surely["after a commit"] / 4, draw)))
        plans.append((remote, deaths))
    figures = Figures()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        jobs = [
            pool.submit(
                endure,
                subject.make(folder / f"{number:04}", scenario, subject.model),
                subject.template,
                deaths,
                subject.whole.outcome,
            )
            for number, (subject, deaths) in enumerate(plans)
        ]
        for number, job in enumerate(jobs, start=1):
            figures.add(job.result())
            if sys.stderr.isatty():
                print(f"\rdeaths: {number} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    return figures


def one_of(most: float, draw: random.Random) -> int:
    """A number from 1 to `most`; one draw whatever that is, so that counts that hang on time shift no later one."""
    return 1 + int(draw.random() * max(0.0, most - 1))


def spread(about: Sequence[str], most: int | None, draw: random.Random) -> list[int]:
    """Numbers of instants, from 1: one at least of every sort while there is room, and others at random."""
    every = range(1, len(about) + 1)
    if most is None or most >= len(about):
        return list(every)
    by_sort: dict[str, list[int]] = {}
    for number, what in zip(every, about, strict=True):
        by_sort.setdefault(what, []).append(number)
    chosen = [draw.choice(numbers) for numbers in by_sort.values()]
    draw.shuffle(chosen)
    rest = [number for number in every if number not in chosen]
    draw.shuffle(rest)
    return sorted((chosen + rest)[:most])
