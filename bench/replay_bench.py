"""How fast `culturepark replay` is with many dialogues: `python bench/replay_bench.py [DIALOGUES] [--steps N]`.

Makes a store of its own: a scripted run of two dialogues, copied until there are so many. The real program runs in a
pseudo-terminal; wall time counts from the start of the process until rows can be read on the screen. Machines
differ, so each round also starts Python alone, an empty Textual app and `culturepark runs`, and the ratio compares.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.terminal import ROOT, Terminal

ROUNDS = 5
EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("rows")
Empty().run()
"""
SLOW = """
import sys, time
from contextlib import contextmanager
from culturepark.store import database
reading = database.Database.reading
@contextmanager
def slowly(self):
    time.sleep({seconds})
    with reading(self) as session:
        yield session
database.Database.reading = slowly
from culturepark.cli import main
sys.argv[0] = "culturepark"
main()
"""
TICK = os.sysconf("SC_CLK_TCK")


def fill(path: Path, dialogues: int) -> None:
    """Copies of two dialogues, without their calls, which nobody reads until they are asked for."""
    command = [sys.executable, "-m", "culturepark", "simulate", "quickstart", "--model", "scripted", "--run-id", "b"]
    subprocess.run([*command, "--store", f"sqlite:///{path}"], check=True, capture_output=True, env=surroundings())
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        tables = ("dialogue", "participant", "turn", "statement", "verdict", "duplicate", "sample")
        for table in tables:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            found = [dict(zip(names, row, strict=True)) for row in db.execute(f"SELECT * FROM {table}")]  # noqa: S608
            marks = ", ".join("?" * len(names))
            for number in range(3, dialogues + 1):
                old, new = f"b.d{2 - number % 2}", f"b.d{number}"
                rows = [
                    [number if name == "number" else moved(value, old, new, name) for name, value in row.items()]
                    for row in found
                    if belongs(next(iter(row.values())), old)
                ]
                db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
        db.commit()
        db.execute("ANALYZE")


def moved(value: object, old: str, new: str, name: str) -> object:
    return new + str(value)[len(old) :] if name != "call_id" and belongs(value, old) else value


def belongs(value: object, dialogue_id: str) -> bool:
    return isinstance(value, str) and (value == dialogue_id or value.startswith(f"{dialogue_id}."))


def surroundings() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def cpu(terminal: Terminal) -> float:
    """Seconds of processor so far, user and system."""
    fields = Path(f"/proc/{terminal.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(terminal: Terminal) -> float:
    """MB."""
    status = Path(f"/proc/{terminal.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def first_screen(start: Callable[[], Terminal], *texts: str) -> tuple[float, float]:
    """Wall and CPU seconds until these can be read."""
    with start() as terminal:
        terminal.wait(*texts)
        return time.perf_counter() - terminal.began, cpu(terminal)


def until_done(*command: str) -> tuple[float, float]:
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True, env=surroundings())
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, spent


def starting(url: str) -> None:
    python = (sys.executable, "-c")
    measures: dict[str, Callable[[], tuple[float, float]]] = {
        "python, nothing": lambda: until_done(*python, "pass"),
        "python, import textual.app": lambda: until_done(*python, "import textual.app"),
        "an empty Textual app": lambda: first_screen(lambda: Terminal(command=(*python, EMPTY)), "rows"),
        "culturepark runs": lambda: until_done(sys.executable, "-m", "culturepark", "runs", "--store", url),
        "culturepark replay, rows": lambda: first_screen(lambda: Terminal("replay", "--store", url), "✓ done"),
        "culturepark replay, whole": lambda: first_screen(lambda: Terminal("replay", "--store", url), " dialogues"),
        "culturepark replay b, rows": lambda: first_screen(lambda: Terminal("replay", "b", "--store", url), "Elif Y"),
        "culturepark replay b, whole": lambda: first_screen(
            lambda: Terminal("replay", "b", "--store", url), "Elif Y", " turns"
        ),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
    base = statistics.median(wall for wall, _ in found["an empty Textual app"])
    print(f"{'first screen':32} {'wall s':>7} {'CPU s':>6} {'times an empty app':>19}")
    for name, times in found.items():
        wall, spent = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"{name:32} {wall:7.2f} {spent:6.2f} {wall / base:19.2f}")


def stepping(url: str, steps: int, seconds: float) -> None:
    """From key to repaint, with a store that takes long over everything."""
    command = (sys.executable, "-c", SLOW.format(seconds=seconds))
    times: list[float] = []
    with Terminal("replay", "b.d1", "--store", url, command=command, columns=120) as terminal:
        terminal.wait("turn 1 of ")
        at, forward = 1, True
        while len(times) < steps:
            last = 24
            forward = at == 1 or (forward and at < last)
            at += 1 if forward else -1
            began = time.perf_counter()
            terminal.press("right" if forward else "left")
            terminal.wait(f"turn {at} of ")
            times.append(time.perf_counter() - began)
    ordered = sorted(times)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(
        f"{steps} steps with a store that waits {seconds} s before every question: "
        f"median {statistics.median(times) * 1000:.0f} ms, 95% {p95 * 1000:.0f} ms, at most {ordered[-1] * 1000:.0f} ms"
    )


def remembering(url: str, dialogues: int) -> None:
    """Memory after so many dialogues have been on stage."""
    with Terminal("replay", "b.d1", "--store", url, columns=120) as terminal:
        terminal.wait("turn 1 of ", " d1")
        told = []
        for number in range(2, dialogues + 1):
            terminal.press("]")
            terminal.wait(f" d{number}\n")
            if number in (50, dialogues // 2, dialogues):
                told.append(f"{resident(terminal):.0f} MB after {number:,}")
    print(f"\nmemory with dialogues on stage, one after the other: {', '.join(told)}")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dialogues", nargs="?", type=int, default=10_000)
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--shown", type=int, default=1000)
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.db")
        began = time.perf_counter()
        fill(path, wanted.dialogues)
        size = path.stat().st_size / 1e6
        print(f"{wanted.dialogues:,} dialogues, {size:,.0f} MB, made in {time.perf_counter() - began:.0f} s\n")
        url = f"sqlite:///{path}"
        starting(url)
        print()
        for seconds in (0.0, 0.5):
            stepping(url, wanted.steps, seconds)
        remembering(url, min(wanted.shown, wanted.dialogues))


if __name__ == "__main__":
    main()
