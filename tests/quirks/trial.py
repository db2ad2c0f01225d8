"""Runs culturepark against one behaviour, in this process, and says what was not as expected."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

from culturepark.cli.app import explain, run
from tests.quirks import QUIRKS, Quirk
from tests.quirks.hurry import Clock
from tests.quirks.kinds import STAIN
from tests.quirks.server import Server
from tests.support.scratch import memory

SCENARIO = """\
name: odd-servers
title: Work when there is not enough of it
setting: cross-cultural
cultures: [CULTURES]
protocol: self-guidance
language: en
seeds:
  - survey: wvs7/Q33
dialogues_per_seed: 1
max_turns: 6
mine: [delegate, main]
distill: {keep: [entail]}
samples: [survey, open, norm]
"""
TOGETHER = {"waits"}
"""Kinds in which it matters that dialogues are held at the same time; for the others one shows all."""
KEY = "sk-quirks-0123456789abcdef"


@dataclass
class Outcome:
    """What became of a run."""

    quirk: str
    exit: int = 0
    requests: int = 0
    turns: int = 0
    statements: int = 0
    samples: int = 0
    waited: float = 0.0
    """Seconds on the common clock, from beginning to end."""
    took: float = 0.0
    """Seconds of processor, the server's among them."""
    grew: float = 0.0
    """Megabytes."""
    strayed: int = 0
    stained: dict[str, list[str]] = field(default_factory=dict)
    """What was found where it may not be."""
    calls: dict[str, int] = field(default_factory=dict)
    """How calls ended -> how many."""
    said: str = ""
    doctor: str = ""
    bugs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@contextmanager
def surroundings() -> Iterator[None]:
    """No key but one, no proxy, no store, whatever the machine has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CULTUREPARK_"))}
    own = {"OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1,localhost", "COLUMNS": "400", "NO_COLOR": "1"}
    with patch.dict(os.environ, kept | own, clear=True):
        yield


@contextmanager
def quick_catalog() -> Iterator[None]:
    """Shipped personas and surveys are read once, not once a run."""
    from culturepark.catalog import scenarios

    with ExitStack() as stack:
        for name in ("load_all", "load_items"):
            if original := getattr(scenarios, name, None):
                stack.enter_context(patch.object(scenarios, name, once(original)))
        yield


def once(load: Any) -> Any:
    return lambda paths=(), cultures=None, *_, **__: cached(
        load, tuple(map(str, paths)), cultures and frozenset(cultures)
    )


@cache
def cached(load: Any, paths: tuple[str, ...], cultures: frozenset[str] | None) -> Any:
    return load([Path(path) for path in paths], *([cultures] if cultures else []))


def culturepark(*arguments: str) -> tuple[int, str]:
    """One command as `main` does it: its exit code, and all that it said."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with redirect_stdout(said), redirect_stderr(said):
        try:
            code = run(list(arguments))
        except Exception as error:
            code = explain(error)
    return code, said.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


def try_out(quirk: Quirk, folder: Path, *, doctor: bool = False) -> Outcome:
    """Runs all stages against the behaviour, exports what came of it, and asks `doctor` if the run said too little."""
    folder.mkdir(parents=True, exist_ok=True)
    scenario, base, store = folder / "odd.yaml", folder / "runs.db", f"sqlite:///{folder}/runs.db"
    scenario.write_text(SCENARIO.replace("CULTURES", "turkish, german" if together(quirk) else "turkish"), "utf-8")
    out = Outcome(quirk.name)
    began = process_time()
    with surroundings(), quick_catalog(), Clock().kept() as clock:
        with Server(quirk) as server:
            roles = quirk.arguments or ("--role", "embedder=lexical")
            roles = tuple(argument.replace("SPEC", server.spec) for argument in roles)
            before, size = clock(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            out.exit, out.said = culturepark(
                "simulate",
                str(scenario),
                "--model",
                server.spec,
                *roles,
                "--run-id",
                "r",
                "--store",
                store,
                "--seed",
                "2",
            )
            out.waited = clock() - before
            out.grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size) / 1000
            out.requests, out.strayed, out.bugs = len(server.requests), len(server.strayed), server.bugs
        look_into(base, quirk, out)
        if out.samples and (out.stained or quirk.expect.never):
            _, said = culturepark("export", "r", "--format", "trl", "--out", str(folder / "export"), "--store", store)
            out.said += said
            look_at_files(folder / "export", quirk, out)
        if doctor or not told(quirk, out):
            with Server(quirk) as server:
                _, out.doctor = culturepark("doctor", "--model", server.spec, "--store", store)
                out.strayed += len(server.strayed)
    out.took = process_time() - began
    return out


def together(quirk: Quirk) -> bool:
    return quirk.kind in TOGETHER


def told(quirk: Quirk, out: Outcome) -> bool:
    return re.search(quirk.expect.says, f"{out.said}\n{out.doctor}", re.IGNORECASE) is not None


def stains(quirk: Quirk, text: str) -> list[str]:
    """What is in a text, plain or escaped as in JSON, and should not be."""
    escaped = {mark: json.dumps(mark)[1:-1] for mark in (STAIN, "{this} card", *quirk.expect.never)}
    return [mark for mark, spelled in escaped.items() if mark in text or spelled in text]


def look_into(base: Path, quirk: Quirk, out: Outcome) -> None:
    """Counts what lies in the store, and what of it is stained."""
    if not base.exists():
        return
    with closing(sqlite3.connect(base)) as connection:
        for table, kept in (("turn", "1"), ("statement", "1"), ("sample", "status = 'kept'")):
            rows = connection.execute(f"SELECT * FROM {table} WHERE {kept}").fetchall()
            setattr(out, f"{table}s", len(rows))
            found = {mark for row in rows for mark in stains(quirk, "\n".join(map(str, row)))}
            if found:
                out.stained[table] = sorted(found)
        for error, refused in connection.execute("SELECT error, refused FROM call"):
            ended = error.partition(":")[0] if error else refused or "ok"
            out.calls[ended] = out.calls.get(ended, 0) + 1


def look_at_files(folder: Path, quirk: Quirk, out: Outcome) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and (found := stains(quirk, path.read_text("utf-8", "replace"))):
            out.stained[path.name] = found


# --- judging ---------------------------------------------------------------------------------------


def judge(quirk: Quirk, out: Outcome, plain: Outcome) -> list[str]:
    """What was not as expected; nothing if all was."""
    expect, wrong = quirk.expect, []
    if out.exit not in expect.exits:
        wrong.append(f"exit {out.exit}, not {' or '.join(map(str, expect.exits))}")
    if out.stained:
        wrong.append(
            "stained: " + ", ".join(f"{where} ({' '.join(map(repr, what))})" for where, what in out.stained.items())
        )
    if out.samples < expect.samples * plain.samples:
        wrong.append(f"{out.samples} samples of {plain.samples}")
    most = expect.most if expect.most is not None else round(expect.requests * plain.requests) + 4
    if out.requests > most:
        wrong.append(f"{out.requests} requests, more than {most}")
    if not told(quirk, out):
        wrong.append(f"nobody is told: {expect.says}")
    if out.strayed:
        wrong.append(f"{out.strayed} requests went to another origin")
    if out.waited > expect.seconds:
        wrong.append(f"over after {out.waited:.0f} s, later than {expect.seconds:.0f} s")
    if expect.megabytes and out.grew > expect.megabytes:
        wrong.append(f"grew by {out.grew:.0f} MB")
    if "a bug, sorry" in out.said + out.doctor or "Traceback" in out.said + out.doctor or "bug" in out.calls:
        wrong.append("a crash")
    return wrong + [f"the behaviour's own bug: {bug}" for bug in out.bugs[:1]]


@cache
def plain(arguments: tuple[str, ...], kind: str) -> Outcome:
    """The run beside which others are measured: as large, and with the endpoint's embeddings where asked for."""
    quirk = QUIRKS["plain-embeddings" if arguments else "plain"]
    folder = Path(tempfile.mkdtemp(prefix="quirks-plain-"))
    try:
        return try_out(replace(quirk, kind=kind), folder)
    finally:
        shutil.rmtree(folder)


def tried(quirk: Quirk, folder: Path) -> Outcome:
    """What became of it, judged."""
    beside = plain(quirk.arguments, "waits" if together(quirk) else "chats")
    out = try_out(quirk, folder)
    out.wrong = judge(quirk, out, beside)
    return out


def check(names: list[str], keep: str | None, into: str | None) -> int:
    """All of them, one after the other; one line each, and a table of kinds. 0 if all was as expected."""
    folder = Path(keep or tempfile.mkdtemp(prefix="quirks-", dir=memory()))
    found = []
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
        out = tried(QUIRKS[name], folder / name)
        found.append(out)
        print(line(out), flush=True)
        if not out.wrong and not keep:
            shutil.rmtree(folder / name)
    kinds = {quirk.kind: [out for out in found if QUIRKS[out.quirk].kind == quirk.kind] for quirk in QUIRKS.values()}
    print()
    for kind, outs in kinds.items():
        if outs:
            print(f"{kind:12} {sum(not out.wrong for out in outs):>4} of {len(outs):>4} as expected")
    bad = sum(bool(out.wrong) for out in found)
    print(f"{'all':12} {len(found) - bad:>4} of {len(found):>4} as expected" + (f"; see {folder}" if bad else ""))
    if into:
        Path(into).write_text(json.dumps([asdict(out) for out in found], indent=1, ensure_ascii=False), "utf-8")
    return 1 if bad else 0


def line(out: Outcome) -> str:
    figures = f"exit {out.exit:>3}  {out.requests:>4} requests  {out.samples:>3} samples"
    figures += f"  {out.waited:>7.1f} s  {out.took:>5.1f} s"
    return f"{'ok  ' if not out.wrong else 'FAIL'} {out.quirk:38} {figures}  {'; '.join(out.wrong)}".rstrip()
