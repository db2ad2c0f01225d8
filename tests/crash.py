"""Kills whole runs, carries them on, and compares what came of them with a run that nobody disturbed.

A run dies at a commit (before it, and right after it) of a run on the scripted model, or at a random instant of a run
against a local endpoint that fails every tenth request, four dialogues at once: by SIGKILL, or by Ctrl-C once or twice.
What carries it on may be killed as well. Where a run does not exist yet, the same `simulate --run-id` goes on with it.
`distill` on a finished run dies at its commits too.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from culturepark.domain import JsonObject
from tests.endpoint import BAD_CHUNK, DROP, HTML, NO_FINISH, RESET, Fault, status
from tests.trials import Call, Outcome, Trial, Work, at_each_commit, ended, fork, serving, undisturbed

SCENARIO = """\
name: crash
title: Crash
setting: cross-cultural
cultures: [turkish, german]
protocol: self-guidance
max_turns: 6
distill: {checks: {harmlessness: {at_least: 4}, judges: 2, cross_check: {}}}
seeds:
  - survey: wvs7/Q33
  - {key: guest, question: "What do you do when a guest arrives without notice?"}
"""
AGAIN = 0.3
"""Share of those that die at a random instant whose next process dies too."""
FAULTS = (status(503), RESET, status(429), HTML, DROP, status(500), NO_FINISH, BAD_CHUNK)


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
class Distilling(Trial):
    """`distill` on a run that is finished."""

    def begin(self) -> Work:
        return self.work("distill", "r", "--from", "extract")

    def go_on(self) -> Work:
        return self.work("resume", "r") if self.query("SELECT 1 FROM run WHERE extract_round > 1") else self.begin()


def now_and_then(body: JsonObject, number: int) -> Fault | None:
    return FAULTS[number // 10 % len(FAULTS)] if number % 10 == 0 else None


def die(work: Work, death: Death, log: Path) -> int:
    """Does `work` in a process that comes to that end."""

    def kill(number: int) -> None:
        if number == death.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def spare(number: int) -> None:
        pass

    if death.kind == "before a commit":
        return ended(fork(partial(at_each_commit, work, kill, spare), log))
    if death.kind == "after a commit":
        return ended(fork(partial(at_each_commit, work, spare, kill), log))
    child = fork(work, log)
    time.sleep(death.at)
    os.kill(child, signal.SIGKILL if death.kind == "random instant" else signal.SIGINT)
    if death.kind == "Ctrl-C twice":
        time.sleep(0.02)
        os.kill(child, signal.SIGINT)
    return ended(child)


def endure(trial: Trial, beginning: Path | None, deaths: Sequence[Death], whole: Outcome) -> Figures:
    """Lets a run die of one cause after the other, carries it on to its end, and compares.

    Args:
        beginning: the store to begin with; None for none.
    """
    trial.folder.mkdir()
    if beginning:
        shutil.copy(beginning, trial.database)
    kind = f"{deaths[0].kind} of distill" if beginning else deaths[0].kind
    found, problems = Figures(tried=Counter([kind])), []
    work, answered, sent = trial.begin(), Counter[Call](), Counter[Call]()
    for death in [*deaths, None]:
        code = die(work, death, trial.log) if death else trial.do(work)
        if code not in ((0, 130, -signal.SIGKILL) if death else (0,)):
            problems.append(f"exit {code}")
        found.deaths += code != 0
        now = trial.sent()
        found.asked_again += sum(now[call] - sent[call] for call in answered)
        answered, sent = trial.sent("response IS NOT NULL"), now
        work = trial.go_on()
    if not problems:
        got = trial.outcome()
        found.rows_lost, found.rows_doubled = got.lost(whole), got.doubled(whole)
        if got.files != whole.files:
            problems.append("another export")
    if found.asked_again or found.rows_lost or found.rows_doubled:
        problems.append(f"asked again {found.asked_again}, lost {found.rows_lost}, doubled {found.rows_doubled}")
    if problems:
        found.wrong.append(f"{deaths}: {', '.join(problems)}; see {trial.folder}")
    else:
        found.survived[kind] += 1
        shutil.rmtree(trial.folder)
    return found


def torture(folder: Path, *, commits: int | None, instants: int, seed: int = 1, workers: int = 2) -> Figures:
    """
    Args:
        commits: how many commits to die at, spread over the run; None for every single one.
        instants: how many random instants.
    """
    scenario = folder / "crash.yaml"
    scenario.write_text(SCENARIO, "utf-8")
    draw = random.Random(seed)

    def numbers(total: int) -> Sequence[int]:
        every = range(1, total + 1)
        return every if commits is None else sorted(draw.sample(every, min(commits, total)))

    plans: list[tuple[Callable[..., Trial], str, Path | None, list[Death], Outcome]] = []
    with serving(folder, now_and_then) as url:
        kinds: tuple[Literal["before a commit", "after a commit"], ...] = ("before a commit", "after a commit")
        simulated = Trial(folder / "simulated", scenario, "scripted")
        whole, total, _ = undisturbed(simulated)
        plans += [(Trial, "scripted", None, [Death(kind, n)], whole) for n in numbers(total) for kind in kinds]
        finished = shutil.copy(simulated.database, folder / "finished.db")
        whole, total, _ = undisturbed(Distilling(simulated.folder, scenario, "scripted"))
        plans += [(Distilling, "scripted", finished, [Death(k, n)], whole) for n in numbers(total) for k in kinds]
        remote = f"openai:test@{url}"
        undisturbed(Trial(folder / "first", scenario, remote))  # for what it imports
        whole, _, seconds = undisturbed(Trial(folder / "remote", scenario, remote))
        for _ in range(instants):
            kind = draw.choices(("random instant", "Ctrl-C", "Ctrl-C twice"), (0.7, 0.15, 0.15))[0]
            deaths = [Death(kind, draw.uniform(0, seconds))]
            while draw.random() < AGAIN:
                deaths.append(Death("random instant", draw.uniform(0, seconds)))
            plans.append((Trial, remote, None, deaths, whole))
        figures = Figures()
        with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
            jobs = [
                pool.submit(endure, make(folder / f"{n:04}", scenario, model), beginning, deaths, whole)
                for n, (make, model, beginning, deaths, whole) in enumerate(plans)
            ]
            for number, job in enumerate(jobs, start=1):
                figures.add(job.result())
                if sys.stderr.isatty():
                    print(f"\rdeaths: {number} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    return figures
