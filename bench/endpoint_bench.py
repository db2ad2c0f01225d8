"""Requests and tokens per kept sample as the published code was measured: `python bench/endpoint_bench.py`.

One culture, three seed questions, 14 persona turns, under both protocols; the endpoint answers after 50 ms with four
opinions a turn, and finds 70% of them in line with their speaker's stance, 15% against it, 15% neither. Tokens are the
endpoint's own count, characters / 4.
"""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from culturepark.cli.app import run
from tests.support.endpoint import Endpoint

SCENARIO = """\
name: reference
title: The case that the published code was measured on
setting: cross-cultural
cultures: [{culture}]
protocol: {protocol}
seeds:
  - survey: wvs7/Q33
  - survey: wvs7/Q28
  - survey: wvs7/Q35
max_turns: 14
"""
PUBLISHED = {
    "self-guidance": ("7.5", "1748", "198", "1"),
    "free-chat": ("7.8", "2516", "205", "1"),
}
"""The published code: requests, prompt tokens and completion tokens per kept sample, most requests in flight."""


@dataclass(frozen=True)
class Measured:
    protocol: str
    requests: int
    prompt: int
    completion: int
    most_in_flight: int
    statements: int
    """Found, as extracted."""
    kept_statements: int
    """Different ones among the kept samples: one statement may be told in two shapes."""
    samples: int
    seconds: float


def measure(protocol: str, folder: Path, culture: str = "turkish") -> Measured:
    path = folder / f"{protocol}.yaml"
    path.write_text(SCENARIO.format(protocol=protocol, culture=culture), "utf-8")
    store = f"sqlite:///{folder}/{protocol}.db"
    said = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with Endpoint(reference=True) as endpoint, contextlib.redirect_stdout(said):
        model = f"openai:reference@{endpoint.url}"
        command = ["simulate", str(path), "--store", store, "--model", model, "--role", f"embedder={model}", "--json"]
        began = time.perf_counter()
        code = run(command)
        seconds = time.perf_counter() - began
    if code != 0:
        sys.exit(f"the run of {protocol} ended with {code}")
    stats = json.loads(said.buffer.getvalue())
    return Measured(
        protocol,
        len(endpoint.requests),
        sum(prompt for prompt, _ in endpoint.tokens),
        sum(completion for _, completion in endpoint.tokens),
        endpoint.most_in_flight,
        sum(stats["statements"]["by_kind"].values()) - stats["statements"]["reworded"],
        kept_statements(store),
        stats["samples"]["kept"],
        seconds,
    )


def kept_statements(store: str) -> int:
    with contextlib.closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as connection:
        query = "SELECT count(DISTINCT statement_id) FROM sample WHERE status = 'kept'"
        return int(connection.execute(query).fetchone()[0])


def table(measured: list[Measured]) -> str:
    """Markdown: what the published code needs, and what this program needs, per kept sample and per kept statement."""
    lines = [
        "| protocol | per | requests | prompt tokens | completion tokens | in flight at most |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for one in measured:
        lines.append(f"| {one.protocol} | sample, as published | {' | '.join(PUBLISHED[one.protocol])} |")
        for what, count in (("sample", one.samples), ("statement", one.kept_statements)):
            figures = f"{one.requests / count:.2f} | {one.prompt / count:.0f} | {one.completion / count:.0f}"
            lines.append(f"| {one.protocol} | kept {what}, culturepark | {figures} | {one.most_in_flight} |")
    lines.append("")
    for one in measured:
        spent = f"{one.requests} requests, {one.prompt:,} prompt and {one.completion:,} completion tokens"
        found = f"{one.statements} statements found, {one.kept_statements} kept, in {one.samples} samples"
        lines.append(f"- {one.protocol}: {spent}, {one.seconds:.1f} s; {found}.")
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(table([measure(protocol, Path(folder)) for protocol in PUBLISHED]))


if __name__ == "__main__":
    main()
