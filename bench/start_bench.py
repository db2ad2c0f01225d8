"""CPU seconds of commands that are over at once: `python -m bench.start_bench [TIMES]`.

Each is run so many times in turn with the others, in a process of its own; the median is printed, and its ratio to
`--help`. Before that each is run once, which writes the bytecode of what it imports.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "--help",
    "check",
    "check scenarios/quickstart.yaml",
    "check culturepark/catalog/data/wvs7.yaml",
    "check scenarios/wvs7.yaml",
)


def cpu_seconds(command: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = [sys.executable, "-m", "culturepark", *command.split()]
    child = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, used = os.wait4(child.pid, 0)
    return used.ru_utime + used.ru_stime


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for command in COMMANDS:
        cpu_seconds(command)
    rounds = [{command: cpu_seconds(command) for command in COMMANDS} for _ in range(times)]
    found = {command: median(one[command] for one in rounds) for command in COMMANDS}
    print("| `culturepark` ... | CPU s | times `--help` |\n|---|---:|---:|")
    for command, seconds in found.items():
        print(f"| `{command}` | {seconds:.2f} | {seconds / found['--help']:.1f} |")
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {times} rounds")


if __name__ == "__main__":
    main()
