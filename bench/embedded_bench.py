"""The embedded model through the program, and the same prompts by a bare client: `python -m bench.embedded_bench`.

A run is held and timed from its first request to its last answer. Then a bare HTTP client sends the very requests of
its talks to a server started in the same way: each dialogue's one after the other, as many dialogues at once. Both
start with nothing in the server's prompt cache. Printed are prompt and completion tokens a second of both, their ratio,
and the share of prompt tokens that came out of the cache.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx2

from culturepark.cli.app import run
from culturepark.models import local
from culturepark.models.spec import parse


def hold(scenario: str, model: str, folder: Path) -> tuple[float, list[tuple[str, str, int, int, int]]]:
    """Hold a run; return its seconds and, of each call: dialogue, request, prompt, cached and completion tokens."""
    store = folder / "run.db"
    with contextlib.redirect_stdout(sys.stderr):
        code = run(["simulate", scenario, "--model", model, "--store", f"sqlite:///{store}", "--until", "dialogue"])
    if code:
        raise SystemExit(f"simulate ended with {code}")
    with contextlib.closing(sqlite3.connect(store)) as rows:
        calls = rows.execute(
            "SELECT subject_id, request, prompt_tokens, cached_tokens, completion_tokens, started_at, duration_ms "
            "FROM call WHERE error IS NULL ORDER BY started_at"
        ).fetchall()
        span = "SELECT (julianday(max(started_at)) - julianday(min(started_at))) * 86400 FROM call"
        seconds = rows.execute(span).fetchone()[0] + calls[-1][6] / 1000
    return seconds, [(call[0].rpartition(".t")[0], call[1], call[2], call[3] or 0, call[4]) for call in calls]


async def ask_bare(model: str, calls: list[tuple[str, str, int, int, int]]) -> tuple[float, int, int, int]:
    """Send the same requests; return seconds, prompt, cached and completion tokens."""
    served = await local.start(parse(model), 4, lambda *_: None)
    dialogues: defaultdict[str, list[str]] = defaultdict(list)
    for dialogue, request, *_ in calls:
        dialogues[dialogue].append(request)
    prompt = cached = completion = 0
    headers = {"Authorization": f"Bearer {served.server.token}", "Content-Type": "application/json"}
    async with httpx2.AsyncClient(trust_env=False, timeout=None, headers=headers) as client:

        async def talk(requests: list[str]) -> None:
            nonlocal prompt, cached, completion
            for request in requests:
                body = json.loads(request) | {"stream": False}
                body.pop("stream_options", None)
                answer = await client.post(f"{served.server.url}/v1/chat/completions", json=body)
                usage = answer.json()["usage"]
                prompt += usage["prompt_tokens"]
                cached += usage["prompt_tokens_details"]["cached_tokens"]
                completion += usage["completion_tokens"]

        began = time.monotonic()
        await asyncio.gather(*map(talk, dialogues.values()))
        seconds = time.monotonic() - began
    await served.close()
    return seconds, prompt, cached, completion


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenario", default="quickstart")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, calls = hold(options.scenario, options.model, Path(folder))
    bare, *counts = asyncio.run(ask_bare(options.model, calls))
    own = [sum(call[place] for call in calls) for place in (2, 3, 4)]
    print(f"{len(calls)} requests; load {os.getloadavg()[0]:.1f}\n")
    print("| client | seconds | prompt tokens | cached | completion tokens | tokens a second |")
    print("|---|---:|---:|---:|---:|---:|")
    speeds = []
    for name, seconds, (prompt, cached, completion) in (("culturepark", ours, own), ("bare", bare, counts)):
        speeds.append((prompt + completion) / seconds)
        share = f"{cached / prompt:.0%}"
        print(f"| {name} | {seconds:.1f} | {prompt:,} | {share} | {completion:,} | {speeds[-1]:.0f} |")
    print(f"\nculturepark has {speeds[0] / speeds[1]:.0%} of the bare client's tokens a second.")


if __name__ == "__main__":
    main()
