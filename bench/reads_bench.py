"""What reading a large store takes: `python bench/reads_bench.py [--samples 41000] [--db FILE] [--commands NAME...]`.

A store is filled straight through its tables with one run that has so many kept samples, with the turns, calls,
statements, verdicts, duplicates and vectors that belong to them (about 1.1 MB for 100 samples). Then real commands run,
each in a process of its own, and so do `python -c pass` and `culturepark --help`: what every command takes before it
does anything. CPU is user and system time of the process, and memory the most that was resident, both by the kernel.

With `--db` the store is kept, and filled only if it is not there.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
RUN, A_DIALOGUE = "bench", 18
"""Those of the store that is filled: its run, and its kept samples of a dialogue."""
SCENARIO = str(HERE.parent / "scenarios" / "quickstart.yaml")
BARE = {"python -c pass": ["-c", "pass"], "culturepark --help": ["-m", "culturepark", "--help"]}
SEARCH = """
import sys
from culturepark.store.search import Lists
from culturepark.store.store import Store
store = Store(sys.argv[1])
print(sum(1 for _ in Lists(store, sys.argv[2]).search("ashamed neighbour")))
"""


def measure(command: list[str]) -> tuple[float, float, float, int]:
    """Run a command in a process of its own; return its CPU seconds, wall seconds, MB at most and exit code."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, child.returncode


def commands(url: str, sample: str, out: Path) -> dict[str, list[str]]:
    ours = ["-m", "culturepark"]
    at = ["--store", url]
    return {
        **BARE,
        "check SCENARIO": [*ours, "check", SCENARIO],
        "runs": [*ours, "runs", *at],
        "trace SAMPLE": [*ours, "trace", sample, *at],
        "trace SAMPLE --json": [*ours, "trace", sample, "--json", *at],
        "stats RUN, reckoned": [*ours, "stats", RUN, *at],
        "stats RUN": [*ours, "stats", RUN, *at],
        "stats RUN --json": [*ours, "stats", RUN, "--json", *at],
        "search": ["-c", SEARCH, url, RUN],
        "export --format trl": [*ours, "export", RUN, "--format", "trl", "--out", str(out), *at],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=41_000)
    parser.add_argument("--db", type=Path)
    parser.add_argument("--commands", nargs="+", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.db or Path(folder, "bench.db")
        if not path.exists():
            # By another process: the most memory of a child counts what its parent had when it began.
            subprocess.run([sys.executable, str(HERE / "reads_store.py"), str(path), str(given.samples)], check=True)
        with sqlite3.connect(path) as db:
            (kept,) = db.execute("SELECT count(*) FROM sample WHERE status = 'kept'").fetchone()
            sample = f"{RUN}.d{max(kept // A_DIALOGUE // 2, 1)}.t2.s1.x1"
        size = path.stat().st_size / 1e6
        print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {os.getloadavg()[0]:.1f}")
        print(f"{kept:,} kept samples, {size:,.0f} MB, {size * 1e3 / kept:.1f} kB a sample\n")
        print("| command | CPU s | wall s | MB at most | exit |")
        print("|---|---:|---:|---:|---:|")
        out = Path(folder, "out")
        for name, command in commands(f"sqlite:///{path}", sample, out).items():
            if given.commands and name.split()[0] not in given.commands:
                continue
            cpu, wall, peak, code = measure([sys.executable, *command])
            shutil.rmtree(out, ignore_errors=True)
            print(f"| `{name}` | {cpu:.2f} | {wall:.2f} | {peak:.0f} | {code} |", flush=True)


if __name__ == "__main__":
    main()
