"""How near a run comes to the shortest time it can take: `python -m bench.flow_bench [--in-flight 8] [--simulate]`.

A local endpoint in a process of its own answers after `--latency` seconds. The ideal is the larger of two: the
latencies of all requests over those in flight, and the longest dialogue, which makes its requests one after the other.
Measured is from the first request to the last row. The endpoint tells how long each request was there, so that waiting
for the processor inside the endpoint counts for the ideal as well.

With `--simulate` nothing waits: the run goes through on an event loop whose time jumps, so that it shows the structure
alone, whatever the machine does. At 64 in flight a real run wants a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

SCENARIO = """\
name: flow
title: Dialogues that take their time
setting: cross-cultural
cultures: [turkish]
protocol: self-guidance
seeds:
  - survey: wvs7/Q33
  - survey: wvs7/Q28
  - survey: wvs7/Q35
  - survey: wvs7/Q27
dialogues_per_seed: {dialogues}
max_turns: {turns}
"""
QUESTIONS = 4
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Flow:
    """One run."""

    dialogues: int
    in_flight: int
    latency: float
    requests: int
    area: float
    """Seconds that all requests were there, over those in flight."""
    longest: float
    """Seconds that the requests of the longest dialogue were there."""
    seconds: float
    """From the first request to the last row."""
    after: float
    """Seconds of these after the last answer of a dialogue."""
    cpu: float
    """Seconds of the processor that the client took, start-up included."""
    failed_calls: int
    load: str
    """Of the machine, before and after."""

    @property
    def ideal(self) -> float:
        return max(self.area, self.longest)

    @property
    def ratio(self) -> float:
        return self.ideal / self.seconds


def measure(dialogues: int, in_flight: int, latency: float, turns: int, *, is_simulated: bool) -> Flow:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = folder / "flow.yaml"
        scenario.write_text(SCENARIO.format(dialogues=-(-dialogues // QUESTIONS), turns=turns), "utf-8")
        load = os.getloadavg()[0]
        if is_simulated:
            seconds, after_talk, cpu = simulated(scenario, folder, in_flight, latency)
        else:
            seconds, after_talk, cpu = run(scenario, folder, in_flight, latency)
        after = os.getloadavg()[0]
        area, longest, requests, failed = in_store(folder / "flow.db", latency if is_simulated else None)
    return Flow(
        dialogues=-(-dialogues // QUESTIONS) * QUESTIONS,
        in_flight=in_flight,
        latency=latency,
        requests=requests,
        area=area / in_flight,
        longest=longest,
        seconds=seconds,
        after=after_talk,
        cpu=cpu,
        failed_calls=failed,
        load=f"{load:.1f} to {after:.1f} on {os.cpu_count()} cores",
    )


def in_store(path: Path, latency: float | None) -> tuple[float, float, int, int]:
    """Return the seconds of all requests, those of the longest dialogue, and the numbers of all and of failed ones.

    Args:
        latency: of each request; None for as long as each took.
    """
    by_dialogue: Counter[str] = Counter()
    with contextlib.closing(sqlite3.connect(path)) as store:
        rows = store.execute("SELECT subject_id, duration_ms, error FROM call").fetchall()
    for subject, milliseconds, _ in rows:
        by_dialogue[".".join(subject.split(".")[:2])] += latency if latency is not None else (milliseconds or 0) / 1000
    return sum(by_dialogue.values()), max(by_dialogue.values()), len(rows), sum(bool(error) for *_, error in rows)


def run(scenario: Path, folder: Path, in_flight: int, latency: float) -> tuple[float, float, float]:
    """Return the seconds from the first request to the last row, those after the last dialogue, and the processor's."""
    serve = [sys.executable, "-m", "tests.support.endpoint", "--port", "0", "--latency", str(latency), "--reference"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout
        spec = server.stdout.readline().strip()
        store = f"sqlite:///{folder / 'flow.db'}"
        command = [sys.executable, "-m", "culturepark", "simulate", str(scenario), "--model", spec, "--store", store]
        command += ["--concurrency", str(in_flight), "--json"]
        began = os.times()
        try:
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
            ended, spent = time.time(), os.times()
        finally:
            server.terminate()
    if done.returncode:
        sys.exit(f"the run ended with {done.returncode}")
    with contextlib.closing(sqlite3.connect(folder / "flow.db")) as rows:
        (first,) = rows.execute("SELECT min(started_at) FROM call").fetchone()
        (last,) = rows.execute("SELECT finished_at FROM run").fetchone()
        calls = rows.execute("SELECT started_at, duration_ms FROM call WHERE subject_id LIKE '%.d%'").fetchall()
    ended = min(ended, datetime.fromisoformat(last).timestamp())
    talked = max(datetime.fromisoformat(start).timestamp() + (took or 0) / 1000 for start, took in calls)
    cpu = spent.children_user + spent.children_system - began.children_user - began.children_system
    return ended - datetime.fromisoformat(first).timestamp(), ended - talked, cpu


def simulated(scenario: Path, folder: Path, in_flight: int, latency: float) -> tuple[float, float, float]:
    """Return the seconds of the loop's own time, 0, and those of the processor."""
    from culturepark.catalog.scenarios import load_edition
    from culturepark.models import chat
    from culturepark.models.spec import LEXICAL
    from culturepark.run.pipeline import Run
    from culturepark.run.plan import Settings, new_run
    from culturepark.store.store import Store
    from tests.support.fakes import Cast, FakeModel, Listener
    from tests.support.virtual import played, without_threads

    class Slow(FakeModel):
        async def send(self, body: dict[str, object]) -> chat.Reply:
            await asyncio.sleep(latency)
            return await super().send(body)

    store, cast = Store(f"sqlite:///{folder / 'flow.db'}"), Cast(Slow(), LEXICAL)
    settings = Settings(concurrency=in_flight)
    new_run(store, load_edition(scenario), seed=1, models=cast.specs, settings=settings, run_id="flow")
    carried = Run(store, store.run("flow"), Listener([]))
    carried.models = cast  # type: ignore[assignment]
    began = time.process_time()
    with without_threads():
        seconds, _ = played(carried.carry_on())
    store.close()
    return seconds, 0.0, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--dialogues", type=int, help="3 for each request in flight, about")
    parser.add_argument("--latency", type=float, default=1.5)
    parser.add_argument("--turns", type=int, default=14)
    parser.add_argument("--simulate", action="store_true", help="on a clock that jumps")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    dialogues = options.dialogues or (200 if options.in_flight == 64 else 3 * options.in_flight)
    flow = measure(dialogues, options.in_flight, options.latency, options.turns, is_simulated=options.simulate)
    if options.json:
        print(json.dumps(asdict(flow) | {"ideal": flow.ideal, "ratio": flow.ratio}))
        return
    print(
        f"{flow.dialogues} dialogues, {flow.requests} requests of {flow.latency} s, {flow.in_flight} in flight\n"
        f"ideal {flow.ideal:.1f} s (all requests {flow.area:.1f}, longest dialogue {flow.longest:.1f})\n"
        f"{'simulated' if options.simulate else 'measured'} {flow.seconds:.1f} s: {flow.ratio:.3f} of the ideal; "
        f"{flow.after:.1f} s after the last dialogue\n"
        f"client {1000 * flow.cpu / flow.requests:.1f} ms of CPU a request; {flow.failed_calls} calls failed; "
        f"load {flow.load}"
    )


if __name__ == "__main__":
    main()
