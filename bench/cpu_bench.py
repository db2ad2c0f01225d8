"""CPU time of the client, a request: `python -m bench.cpu_bench [--dialogues 4 --in-flight 8 --a-chunk 2]`.

A local endpoint in a process of its own answers after 50 ms, with a chunk for each word and the usage at the end. Each
client is a process too. What is printed is the CPU time of that process alone, user and system, and its ratio to the
bare HTTP client of the same run. The bare ones and the ledger send the requests that a small run has sent.

- bare HTTP: httpx2, which reads the bytes of the answers.
- bare SDK: the client of `openai`, which streams.
- model: one of our models, without ledger and store.
- ledger: a model through the ledger, which keeps nothing.
- talk: dialogues with all that belongs to them but the wire and the store; the model answers in this process.
- pipeline: `simulate`, from the start of the process to the last row. The figure a request is that of what is added
  between a small and a larger run; what both have in common, as imports and a first migration, is printed beside it.

`--profile CLIENT` prints where a client's time goes, by functions; by samples.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

SCENARIO = """\
name: cpu
title: What a request costs
setting: cross-cultural
cultures: [turkish]
protocol: self-guidance
seeds:
  - survey: wvs7/Q33
  - survey: wvs7/Q28
  - survey: wvs7/Q35
dialogues_per_seed: {dialogues}
max_turns: 14
"""
KEY = "sk-nobody"
EVERY = 0.004
"""Seconds of CPU time between two samples of a profile."""
SHOWN = 70
"""Functions that a profile shows."""


@dataclass(frozen=True)
class Work:
    """What a client is to do."""

    url: str
    in_flight: int
    dialogues: int
    """For each of three questions; of the pipeline alone."""
    requests: int
    """Of all other clients."""
    bodies: Path
    """JSON lines: requests that the pipeline sent."""
    folder: Path
    profile: bool = False


# --- the clients, each in a process of its own ------------------------------------------------------------------


def bare_http(work: Work) -> float:
    import httpx2

    client = httpx2.AsyncClient(timeout=600, headers={"Authorization": f"Bearer {KEY}"})

    async def ask(body: dict[str, Any]) -> None:
        async with client.stream("POST", f"{work.url}/chat/completions", json=body) as answer:
            async for _ in answer.aiter_raw():
                pass

    return spent(work, ask)


def bare_sdk(work: Work) -> float:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=work.url, api_key=KEY, max_retries=0)

    async def ask(body: dict[str, Any]) -> None:
        async for _ in await client.chat.completions.create(**body):
            pass

    return spent(work, ask)


def model(work: Work) -> float:
    of = model_at(work.url)

    async def ask(body: dict[str, Any]) -> None:
        await of.send(body)

    return spent(work, ask)


def ledger(work: Work) -> float:
    from culturepark.models.budget import Budget
    from culturepark.models.chat import Request, Schema
    from culturepark.models.ledger import Ledger

    of = model_at(work.url)
    asks = Ledger("cpu", Nothing(), Budget(), work.in_flight)
    count = iter(range(10**9))

    async def ask(body: dict[str, Any]) -> None:
        schema = (body.get("response_format") or {}).get("json_schema")
        request = Request(
            messages=tuple(body["messages"]),
            max_tokens=body["max_tokens"],
            temperature=body["temperature"],
            seed=body["seed"],
            schema=schema and Schema(schema["name"], schema["schema"]),
            top_logprobs=body.get("top_logprobs", 0),
        )
        await asks.ask(of, request, stage="dialogue", subject_id=f"cpu.{next(count)}", prompt_digest="")

    return spent(work, ask)


def talk(work: Work) -> float:
    import culturepark
    from culturepark.dialogue.casting import plan
    from culturepark.dialogue.loop import converse
    from culturepark.models.budget import Budget
    from culturepark.models.ledger import Ledger

    scenario = work.folder / "talk.yaml"
    scenario.write_text(SCENARIO.format(dialogues=max(1, work.requests // 45)), "utf-8")
    edition = culturepark.load_scenario(scenario)
    of = Answering()
    asks = Ledger("cpu", Nothing(), Budget(), work.in_flight)

    async def hold(casting: Any) -> None:
        course = converse(
            casting, edition.scenario, f"cpu.d{casting.number}", [], run_seed=1, speaker=of, moderator=of, ledger=asks
        )
        async for _ in course:
            pass

    castings = plan(edition, 1).castings

    async def measured() -> float:
        await hold(castings[0])
        before, began = of.asked, time.process_time()
        with profiled(work.profile):
            await at_once(hold, castings, work.in_flight)
        return (time.process_time() - began) / (of.asked - before) * work.requests

    return asyncio.run(measured())


class Answering:
    """A model in this process that answers as the endpoint does."""

    def __init__(self) -> None:
        from culturepark.models.chat import Traits
        from culturepark.models.spec import parse

        self.spec, self.endpoint, self.traits, self.asked = parse("scripted"), "here", Traits(), 0

    def body(self, request: Any) -> dict[str, Any]:
        return {"model": "test", "messages": list(request.messages), "seed": request.seed}

    async def send(self, body: dict[str, Any]) -> Any:
        from culturepark.models.chat import Reply, Usage
        from tests.support.endpoint import reference_answer

        self.asked += 1
        message = {"role": "assistant", "content": reference_answer(body)}
        prompt = sum(len(m["content"]) for m in body["messages"]) // 4
        usage = Usage(prompt, 0, len(message["content"]) // 4, "server")
        return Reply.of({"choices": [{"message": message, "finish_reason": "stop"}]}, usage)

    async def close(self) -> None: ...


class Nothing:
    """A log that keeps nothing."""

    def answered(self, *_: str) -> None: ...
    def lately(self, *_: str) -> list[Any]:
        return []

    async def begin(self, *_: Any) -> str:
        return "call"

    async def finish(self, *_: Any) -> None: ...
    async def refuse(self, *_: str) -> None: ...
    def abilities(self, *_: str) -> dict[str, Any]:
        return {}

    def learn(self, *_: Any) -> None: ...


def model_at(url: str) -> Any:
    from culturepark.models.client import OpenAIModel
    from culturepark.models.spec import parse

    return OpenAIModel(parse(f"openai:test@{url}"))


def pipeline(work: Work) -> float:
    from culturepark.cli.app import run

    scenario = work.folder / f"cpu{work.dialogues}.yaml"
    store = work.folder / f"cpu{work.dialogues}.db"
    scenario.write_text(SCENARIO.format(dialogues=work.dialogues), "utf-8")
    at = f"openai:test@{work.url}"
    command = ["simulate", str(scenario), "--store", f"sqlite:///{store}", "--model", at]
    command += ["--role", f"embedder={at}", "--concurrency", str(work.in_flight)]
    with contextlib.redirect_stdout(sys.stderr), profiled(work.profile):
        code = run(command)
    if code:
        raise SystemExit(f"simulate ended with {code}")
    keep_bodies(store, work.bodies)
    return time.process_time()


def keep_bodies(store: Path, bodies: Path) -> None:
    """Write the chat requests of a store to a file, unless that is there."""
    import sqlite3

    if bodies.exists():
        return
    with contextlib.closing(sqlite3.connect(store)) as rows, bodies.open("w", encoding="utf-8") as out:
        out.writelines(
            f"{request}\n"
            for (request,) in rows.execute("SELECT request FROM call ORDER BY started_at")
            if "messages" in json.loads(request)
        )


CLIENTS: dict[str, Callable[[Work], float]] = {
    "bare HTTP": bare_http,
    "bare SDK": bare_sdk,
    "model": model,
    "ledger": ledger,
    "talk": talk,
    "pipeline": pipeline,
}


def spent(work: Work, ask: Callable[[dict[str, Any]], Awaitable[None]]) -> float:
    """Return the CPU seconds of all requests. As many again come first, so that all connections stand."""
    known = [json.loads(line) for line in work.bodies.read_text("utf-8").splitlines()]
    bodies = [known[number % len(known)] for number in range(work.requests)]

    async def measured() -> float:
        await at_once(ask, bodies[: 2 * work.in_flight], work.in_flight)
        began = time.process_time()
        with profiled(work.profile):
            await at_once(ask, bodies, work.in_flight)
        return time.process_time() - began

    return asyncio.run(measured())


async def at_once(work: Callable[[Any], Awaitable[None]], items: Sequence[Any], most: int) -> None:
    """Work on items, at most so many at the same time."""
    queue = iter(items)

    async def take_turns() -> None:
        for item in queue:
            await work(item)

    await asyncio.gather(*(take_turns() for _ in range(most)))


@contextlib.contextmanager
def profiled(wanted: bool) -> Iterator[None]:
    """Print on stderr which functions took the CPU time of a block: themselves, and with all that they call.

    The stack is looked at every few milliseconds of CPU time, which hardly slows it; a profiler that traces doubles it.
    """
    if not wanted:
        yield
        return
    alone, within = Counter[str](), Counter[str]()

    def look(_: int, frame: FrameType | None) -> None:
        names = []
        while frame:
            code = frame.f_code
            names.append(f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_firstlineno} {code.co_qualname}")
            frame = frame.f_back
        alone[names[0]] += 1
        within.update(set(names))

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples = max(1, alone.total())
        for title, counts in (("themselves", alone), ("with what they call", within)):
            print(f"\nfunctions {title}, percent of {samples} samples:", file=sys.stderr)
            for name, count in counts.most_common(SHOWN):
                print(f"{100 * count / samples:5.1f}  {name}", file=sys.stderr)


# --- the endpoint, and the table ---------------------------------------------------------------------------------


def serve(latency: float, a_chunk: int) -> None:
    """Answer until stdin ends, and print on each line of it how many requests came since the last."""
    from tests.support.endpoint import Endpoint

    with Endpoint(latency=latency, reference=True, a_chunk=a_chunk) as endpoint:
        print(endpoint.url, flush=True)
        for _ in sys.stdin:
            print(len(endpoint.requests), sum(count for _, count in endpoint.tokens), flush=True)
            endpoint.requests.clear()
            endpoint.tokens.clear()


@contextlib.contextmanager
def endpoint(latency: float, a_chunk: int) -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
    """Start the endpoint; give its address, and a function that returns the requests and tokens since its last call."""
    command = [sys.executable, "-m", "bench.cpu_bench", "--serve", "--latency", str(latency), "--a-chunk", str(a_chunk)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        out, said = child.stdin, child.stdout

        def seen() -> tuple[int, int]:
            print(file=out, flush=True)
            requests, tokens = said.readline().split()
            return int(requests), int(tokens)

        yield said.readline().strip(), seen
        out.close()


def measure(name: str, work: Work) -> float:
    """Run a client in a process of its own, and return the CPU seconds that it tells."""
    command = [sys.executable, "-m", "bench.cpu_bench", "--client", name, "--url", work.url]
    command += ["--in-flight", str(work.in_flight), "--dialogues", str(work.dialogues)]
    command += ["--requests", str(work.requests), "--folder", str(work.folder)]
    if work.profile:
        command += ["--profile", name]
    with (work.folder / "log").open("w+", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
        log.seek(0)
        said = log.read()
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {said[-2000:]}")
    if work.profile:
        print(said, file=sys.stderr)
    return float(done.stdout.splitlines()[-1])


def compare(options: argparse.Namespace) -> str:
    """Measure all clients one after the other, and return a table in Markdown."""
    before = os.getloadavg()[0]
    rows: list[tuple[str, int, float, str]] = []
    with tempfile.TemporaryDirectory() as place, endpoint(options.latency, options.a_chunk) as (url, seen):
        folder = Path(place)

        def work(name: str, dialogues: int = 0) -> Work:
            profile = name == options.profile
            return Work(url, options.in_flight, dialogues, options.requests, folder / "bodies.jsonl", folder, profile)

        small = measure("pipeline", work("", max(1, options.dialogues // 4)))
        first, tokens = seen()
        for name in CLIENTS:
            if options.only and name not in {*options.only, "bare HTTP"}:
                continue
            if name == "pipeline":
                whole, asked = measure(name, work(name, options.dialogues)), seen()[0]
                common = small - (whole - small) / (asked - first) * first
                rows.append((name, asked - first, whole - small, f"and {common:.1f} s once"))
            else:
                rows.append((name, options.requests, measure(name, work(name)), ""))
                seen()
    bare = next(cpu / requests for name, requests, cpu, _ in rows if name == "bare HTTP")
    lines = [
        f"{options.in_flight} in flight, latency {options.latency:g} s, {tokens / first:.0f} tokens an answer, chunks "
        f"of {options.a_chunk or 'a sixth'}; load before {before:.1f}, after {os.getloadavg()[0]:.1f}; "
        f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "",
        "| client | requests | CPU ms a request | times bare HTTP | |",
        "|---|---:|---:|---:|---|",
    ]
    for name, requests, cpu, also in rows:
        each = cpu / requests
        lines.append(f"| {name} | {requests} | {1000 * each:.2f} | {each / bare:.1f} | {also} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds until an answer begins")
    parser.add_argument(
        "--a-chunk", type=int, default=2, help="words and spaces in a chunk; 0 for six chunks an answer"
    )
    parser.add_argument("--dialogues", type=int, default=8, help="for each of three questions, of the larger run")
    parser.add_argument("--requests", type=int, default=400, help="of all clients but the pipeline")
    parser.add_argument("--only", action="append", default=[], choices=list(CLIENTS), help="beside bare HTTP")
    parser.add_argument("--profile", choices=list(CLIENTS), help="show where this client's time goes")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", choices=list(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.latency, options.a_chunk)
    elif options.client:
        folder, asked = options.folder, (options.in_flight, options.dialogues, options.requests)
        work = Work(options.url, *asked, folder / "bodies.jsonl", folder, bool(options.profile))
        print(CLIENTS[options.client](work))
    else:
        print(compare(options))


if __name__ == "__main__":
    main()
