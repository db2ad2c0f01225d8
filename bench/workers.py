"""What a second worker gives, and what sharing a run costs: the same run by one process and by several.

    python -m bench.workers [--workers 2] [--dialogues 8] [--latency 0.5] [--concurrency 4]

The runs go to an endpoint of this script that answers after the same time always; the several have a PostgreSQL server
in memory, which has to be installed. One JSON document on stdout: for a file, for one process on the server, and for
the workers, the wall time, processor seconds of all processes of culturepark, and requests. Each process takes about
two processor seconds to start, so small runs say little. With enough cores, the wall time of N workers comes near 1/N
of that of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.test_cli import TINY
from tests.support.endpoint import Endpoint
from tests.support.postgres import missing, running

ROOT = Path(__file__).parents[1]


def measured(commands: list[list[str]], endpoint: Endpoint, folder: Path) -> dict[str, float]:
    """Return what some commands took that were begun together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    endpoint.requests.clear()
    began = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    children = [
        subprocess.Popen([sys.executable, "-m", "culturepark", *one], cwd=folder, env=environment, stderr=-3, stdout=-3)
        for one in commands
    ]
    codes = [child.wait() for child in children]
    if any(codes):
        raise SystemExit(f"ended with {codes}: {commands}")
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    requests = len(endpoint.chats)
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "requests": requests,
        "cpu_ms_a_request": round(1000 * cpu / requests, 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--dialogues", type=int, default=8)
    options.add_argument("--latency", type=float, default=0.5)
    options.add_argument("--concurrency", type=int, default=4)
    given = options.parse_args()
    if why := missing():
        raise SystemExit(why)
    with Endpoint(latency=given.latency) as endpoint, running() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(TINY)
        simulate = ["simulate", "tiny.yaml", "--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical"]
        simulate += ["--run-id", "a", "--dialogues", str(given.dialogues), "--concurrency", str(given.concurrency)]
        work = ["work", "a", "--idle", "60", "--concurrency", str(given.concurrency)]
        found = {"in a file": measured([[*simulate, "--store", "sqlite:///file.db"]], endpoint, folder)}
        found["one on a server"] = measured([[*simulate, "--store", server.database()]], endpoint, folder)
        together = [simulate, *[work] * (given.workers - 1)]
        url = server.database()
        found[f"{given.workers} workers"] = measured([[*one, "--store", url] for one in together], endpoint, folder)
    print(json.dumps({"settings": vars(given), "load": round(os.getloadavg()[0], 1), **found}, indent=1))


if __name__ == "__main__":
    main()
