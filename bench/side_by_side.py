"""This program beside the ways there are to ask for the same: `python -m bench.side_by_side [--in-flight 8]`.

One local endpoint answers all of them, in a process of its own. Each client is a process too, so that its CPU time and
its memory are its own. What is compared are ratios of one run; the load of the machine is printed with them.

- culturepark: `simulate`, from the first request to the last row.
- bare HTTP, bare SDK: the very requests that culturepark sent, again, independent of one another. Nothing asks faster.
- published pattern: what the published code asks for a question (14 turns, 7 extractions, 32 verifications, 4
  rewordings, 24 embeddings), one after the other and with a new client each. Its prompts are not imitated; tokens and
  requests a kept sample are those that were measured of the published code itself.
- AutoGen team: the talks alone, as AgentChat's `SelectorGroupChat` with AutoGen's own client. Nothing is kept.
- distilabel: its pipeline with one text generation a row, as many rows as culturepark sent requests. It has no talks.

The last two are measured where they can be imported: `make bench` installs them into an environment of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCENARIO = """\
name: beside
title: The same questions for everybody
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
PUBLISHED_KEPT, PUBLISHED_PROMPT, PUBLISHED_REQUESTS = 10, 1748, 7.5
"""Kept samples a question, and prompt tokens and requests a kept sample, of the published code as it was measured."""
PUBLISHED = {"turn": 14, "extract": 7, "verify": 32, "reword": 4, "embed": 24}
"""Its requests for one question, by what they are for."""


@dataclass(frozen=True)
class Work:
    """What a client is to do."""

    url: str
    in_flight: int
    dialogues: int
    """For each of the three questions."""
    bodies: Path
    """JSON lines: the requests that culturepark sent."""
    folder: Path


# --- the clients, each in a process of its own ------------------------------------------------------------------


def culturepark(work: Work) -> dict[str, Any]:
    import sqlite3

    from culturepark.cli.app import run

    scenario, store = work.folder / "beside.yaml", work.folder / "beside.db"
    scenario.write_text(SCENARIO.format(dialogues=work.dialogues), "utf-8")
    model = f"openai:test@{work.url}"
    options = ["--model", model, "--role", f"embedder={model}", "--concurrency", str(work.in_flight)]
    began = started()
    with contextlib.redirect_stdout(sys.stderr):
        code = run(["simulate", str(scenario), "--store", f"sqlite:///{store}", *options])
    said = began()
    if code:
        raise SystemExit(f"simulate ended with {code}")
    with contextlib.closing(sqlite3.connect(store)) as rows:
        kept = rows.execute("SELECT count(DISTINCT statement_id) FROM sample WHERE status = 'kept'").fetchone()[0]
        with work.bodies.open("w", encoding="utf-8") as out:
            out.writelines(
                f"{request}\n" for (request,) in rows.execute("SELECT request FROM call ORDER BY started_at")
            )
    return said | {"kept": kept}


def bare_http(work: Work) -> dict[str, Any]:
    import httpx2 as httpx

    limits = httpx.Limits(max_connections=work.in_flight)
    client = httpx.AsyncClient(limits=limits, timeout=600, headers={"Authorization": f"Bearer {KEY}"})

    async def ask(body: dict[str, Any]) -> None:
        path = "embeddings" if "input" in body else "chat/completions"
        async with client.stream("POST", f"{work.url}/{path}", json=body) as answer:
            async for _ in answer.aiter_lines():
                pass

    return asyncio.run(at_once(ask, bodies_of(work), work.in_flight))


def bare_sdk(work: Work) -> dict[str, Any]:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=work.url, api_key=KEY, max_retries=0)

    async def ask(body: dict[str, Any]) -> None:
        if "input" in body:
            await client.embeddings.create(**body)
            return
        async for _ in await client.chat.completions.create(**body):
            pass

    return asyncio.run(at_once(ask, bodies_of(work), work.in_flight))


def published_pattern(work: Work) -> dict[str, Any]:
    from openai import OpenAI

    began, asked = started(), 0
    talk = [body for body in bodies_of(work) if "messages" in body and not body.get("response_format")]
    for number in range(3):  # the published code does one question after the other; three are enough for a ratio
        for what, times in PUBLISHED.items():
            for turn in range(times):
                body = talk[(number * 40 + turn) % len(talk)] | {"stream": False}
                body.pop("stream_options", None)
                client = OpenAI(base_url=work.url, api_key=KEY, max_retries=0)
                if what == "embed":
                    client.embeddings.create(model="test", input="an opinion of some ten words that is to be compared")
                else:
                    client.chat.completions.create(**body)
                asked += 1
    return began() | {"kept": 3 * PUBLISHED_KEPT, "asked": asked}


def autogen_team(work: Work) -> dict[str, Any]:
    from autogen_core.models import ModelFamily
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    import culturepark
    from culturepark.dialogue.agents import as_team
    from culturepark.dialogue.casting import plan

    scenario = work.folder / "team.yaml"
    scenario.write_text(SCENARIO.format(dialogues=work.dialogues) + "moderation: scripted\n", "utf-8")
    edition = culturepark.load_scenario(scenario)
    castings = plan(edition, 1).castings
    info = {"vision": False, "function_calling": False, "json_output": True, "structured_output": True,
            "family": ModelFamily.UNKNOWN, "multiple_system_messages": False}  # fmt: skip
    client = OpenAIChatCompletionClient(model="test", base_url=work.url, api_key=KEY, model_info=info)

    async def hold(casting: Any) -> None:
        await as_team(casting, edition.scenario, client, client).run(task="Please begin.")

    return asyncio.run(at_once(hold, castings, work.in_flight))


def distilabel(work: Work) -> dict[str, Any]:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    talks = [body for body in bodies_of(work) if "messages" in body]
    rows = [{"instruction": "\n\n".join(str(m["content"]) for m in body["messages"])} for body in talks]
    began = started()
    os.environ["DISTILABEL_LOG_LEVEL"] = "ERROR"
    with Pipeline(name="beside", cache_dir=work.folder / "distilabel") as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=work.in_flight)
        model = OpenAILLM(model="test", base_url=work.url, api_key=KEY, max_retries=0, structured_output=None)
        load >> TextGeneration(llm=model, input_batch_size=work.in_flight)
    with contextlib.redirect_stdout(sys.stderr):
        pipeline.run(use_cache=False)
    return began()


CLIENTS: dict[str, Callable[[Work], dict[str, Any]]] = {
    "culturepark": culturepark,
    "bare HTTP": bare_http,
    "bare SDK": bare_sdk,
    "published pattern": published_pattern,
    "AutoGen team": autogen_team,
    "distilabel": distilabel,
}
NEEDS = {"AutoGen team": "autogen_ext", "distilabel": "distilabel"}
"""What has to be installed for a client."""


def bodies_of(work: Work) -> list[dict[str, Any]]:
    return [json.loads(line) for line in work.bodies.read_text("utf-8").splitlines()]


def started() -> Callable[[], dict[str, Any]]:
    """Return a function that tells wall and CPU seconds since now; children that have ended count."""

    def cpu() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    wall, before = time.perf_counter(), cpu()
    return lambda: {"wall": time.perf_counter() - wall, "cpu": cpu() - before}


async def at_once(work: Callable[[Any], Awaitable[None]], items: Sequence[Any], most: int) -> dict[str, Any]:
    """Work on items, at most so many at the same time."""
    began, queue = started(), iter(items)

    async def take_turns() -> None:
        for item in queue:
            await work(item)

    await asyncio.gather(*(take_turns() for _ in range(most)))
    return began()


# --- the endpoint, and the table ---------------------------------------------------------------------------------


def serve(latency: float) -> None:
    """Answer until stdin ends, and print on each line of it what came since the last."""
    from tests.support.endpoint import Endpoint

    with Endpoint(latency=latency, reference=True) as endpoint:
        print(endpoint.url, flush=True)
        for _ in sys.stdin:
            prompt = sum(count for count, _ in endpoint.tokens)
            seen = {"requests": len(endpoint.requests), "prompt": prompt, "most": endpoint.most_in_flight}
            endpoint.requests.clear()
            endpoint.tokens.clear()
            endpoint.most_in_flight = 0
            print(json.dumps(seen), flush=True)


@contextlib.contextmanager
def endpoint(latency: float) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """Start the endpoint; give its address, and a function that returns what it saw since it was last called."""
    command = [sys.executable, "-m", "bench.side_by_side", "--serve", "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        out, said = child.stdin, child.stdout

        def seen() -> dict[str, int]:
            print(file=out, flush=True)
            return dict(json.loads(said.readline()))

        yield said.readline().strip(), seen
        out.close()


def measure(name: str, work: Work) -> dict[str, Any]:
    """Run a client in a process of its own, and return what it said and the most memory that it had, in MB."""
    command = [sys.executable, "-m", "bench.side_by_side", "--client", name, "--url", work.url]
    command += ["--in-flight", str(work.in_flight), "--dialogues", str(work.dialogues), "--folder", str(work.folder)]
    log = (work.folder / f"{name}.log").open("w", encoding="utf-8")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert child.stdout
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = (work.folder / f"{name}.log").read_text("utf-8")[-600:]
        raise SystemExit(f"{name} ended with {child.returncode}: {tail}")
    return dict(json.loads(said.splitlines()[-1])) | {"peak": usage.ru_maxrss / 1024}


def compare(in_flight: int, latency: float, dialogues: int, only: Sequence[str]) -> str:
    """Measure all clients one after the other, and return a table in Markdown."""
    missing = [name for name, module in NEEDS.items() if importlib.util.find_spec(module) is None]
    chosen = [name for name in CLIENTS if name not in missing and (not only or name in {*only, "culturepark"})]
    results: dict[str, dict[str, Any]] = {}
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place, endpoint(latency) as (url, seen):
        folder = Path(place)
        work = Work(url, in_flight, dialogues, folder / "bodies.jsonl", folder)
        for name in chosen:
            print(f"{name} ...", file=sys.stderr)
            seen()
            results[name] = measure(name, work) | seen()
    lines = [
        f"{in_flight} in flight, latency {latency:g} s, {3 * dialogues} dialogues; load before {before:.1f}, after "
        f"{os.getloadavg()[0]:.1f}; {os.cpu_count()} cores, Python {platform.python_version()}. Bare clients send the "
        "requests of culturepark.",
        "",
        "| client | requests | in flight at most | wall s | of the ideal | CPU ms a request | times bare HTTP "
        "| peak MB | kept | prompt tokens a kept | requests a kept |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    bare = results.get("bare HTTP")
    for name, one in results.items():
        each, kept = 1000 * one["cpu"] / one["requests"], one.get("kept")
        ratio = f"{each / (1000 * bare['cpu'] / bare['requests']):.1f}" if bare else "-"
        ideal = one["requests"] * latency / in_flight / one["wall"]
        tokens = f"{one['prompt'] / kept:,.0f}" if kept else "-"
        asked = f"{one['requests'] / kept:.2f}" if kept else "-"
        if name == "published pattern":
            tokens, asked = f"{PUBLISHED_PROMPT:,} (measured)", f"{PUBLISHED_REQUESTS} (measured)"
        lines.append(
            f"| {name} | {one['requests']} | {one['most']} | {one['wall']:.1f} | {ideal:.2f} | {each:.1f} | {ratio} | "
            f"{one['peak']:.0f} | {kept or '-'} | {tokens} | {asked} |"
        )
    lines += [f"\n{name} is not installed and was not measured." for name in missing]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds until an answer begins")
    parser.add_argument("--dialogues", type=int, default=8, help="for each of three questions")
    parser.add_argument("--only", action="append", default=[], choices=list(CLIENTS), help="beside culturepark")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", choices=list(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.latency)
    elif options.client:
        folder = options.folder
        work = Work(options.url, options.in_flight, options.dialogues, folder / "bodies.jsonl", folder)
        print(json.dumps(CLIENTS[options.client](work)))
    else:
        print(compare(options.in_flight, options.latency, options.dialogues, options.only))


if __name__ == "__main__":
    main()
