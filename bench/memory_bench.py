"""What `simulate` holds in memory, and what a call costs: `python -m bench.memory_bench [DIALOGUES ...]`.

Questions of `wvs7` in all eight cultures are talked about by the scripted model, which asks nobody; each size in a
process of its own, from its start to the last figure that it prints. Memory is the largest that the process had in RAM.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
CULTURES = 8
SIZES = (8, 104, 200, 1000)


def write_scenario(dialogues: int, path: Path) -> int:
    """Write a scenario with so many dialogues, and return how often each question is talked about in a culture."""
    at_most = max(1, dialogues // CULTURES)
    questions = next(n for n in range(min(25, at_most), 0, -1) if at_most % n == 0)
    yaml = YAML(typ="safe")
    data = yaml.load((ROOT / "scenarios" / "wvs7.yaml").read_text("utf-8"))
    yaml.dump(data | {"name": "memory", "seeds": data["seeds"][:questions]}, path)
    return at_most // questions


def measured(dialogues: int, folder: Path) -> tuple[int, float, float]:
    """Return the calls of a run, its CPU seconds, and its largest size in MiB."""
    times = write_scenario(dialogues, folder / "memory.yaml")
    store = folder / f"{dialogues}.db"
    command = [sys.executable, "-W", "ignore", "-m", "culturepark", "simulate", str(folder / "memory.yaml")]
    command += ["--model", "scripted", "--dialogues", str(times), "--seed", "1", "--store", f"sqlite:///{store}"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: ended with {status}")
    with sqlite3.connect(store) as base:
        (calls,) = base.execute("SELECT count(*) FROM call").fetchone()
    return calls, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dialogues", nargs="*", type=int, default=SIZES, help="multiples of eight")
    print("| dialogues | calls | CPU s | ms a call | peak MiB |\n|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for dialogues in parser.parse_args().dialogues:
            calls, cpu, peak = measured(dialogues, Path(folder))
            print(f"| {dialogues:,} | {calls:,} | {cpu:.1f} | {cpu / calls * 1000:.1f} | {peak:.0f} |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; page {resource.getpagesize():,} bytes")


if __name__ == "__main__":
    main()
