"""What an export takes: `python bench/export_bench.py [--rows 10000 100000 1000000]`.

A store is filled straight through its tables with so many kept samples (and the dropped ones, verdicts and turns that
belong to them); then each format is exported from it by a process of its own, and so are the same rows by the shortest
program there is: one SELECT, and `json.dumps` and `write` for each row, with no order, no index and no checks. Peak
memory is the resident set that the kernel reports for that process. On a machine with other work CPU seconds compare,
and wall seconds do not.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import insert
from sqlmodel import SQLModel

from culturepark import __version__
from culturepark.catalog import scenarios
from culturepark.dialogue.stance import unit
from culturepark.domain import Edition, Persona, Seed
from culturepark.models.chat import canonical, digest
from culturepark.store.store import Store
from culturepark.store.tables import (
    DialogueRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

RUN = "bench"
SPEECHES = 10
"""Turns of the delegate in a dialogue; each makes one opinion, in two shapes."""
A_DIALOGUE = 18
"""Kept samples: one opinion in ten goes against its speaker's stance and is dropped."""
JOBS = {
    "openai": ["--format", "openai"],
    "trl": ["--format", "trl"],
    "trl --split": ["--format", "trl", "--split", "0.9"],
    "trl --parquet": ["--format", "trl", "--parquet"],
    "sharegpt": ["--format", "sharegpt"],
    "alpaca": ["--format", "alpaca"],
    "preference": ["--format", "preference"],
    "trl --dialogues": ["--format", "trl", "--dialogues"],
}
WORDS = """at home we wait until the oldest has begun and nobody says a word about it because that is how my mother kept
it and her mother before her so when a neighbour knocks there is always something warm on the table even if it is only
soup from yesterday and I would be ashamed to let anybody go away hungry from my door in the evening""".split()


def sentence(*parts: object) -> str:
    """Some twenty words that depend on the parts alone."""
    start = int(unit("words", *parts) * 10**9)
    return "I think that " + " ".join(WORDS[(start >> 3 * i) % len(WORDS)] for i in range(18)) + f" {parts[-1]}."


def dialogue(
    number: int, edition: Edition, people: list[Persona]
) -> Iterator[tuple[type[SQLModel], dict[str, object]]]:
    """All rows of one dialogue, each with its table."""
    seeds = edition.scenario.seeds
    seed: Seed = seeds[number % len(seeds)]
    delegate = people[number // len(seeds) % len(people)]
    main = next(p for p in edition.personas if p.role == "main")
    assert seed.item is not None
    option = seed.item.options[int(unit("stance", number) * len(seed.item.options))]
    dialogue_id = f"{RUN}.d{number}"
    yield DialogueRow, dict(
        id=dialogue_id, run_id=RUN, number=number, seed_key=seed.key, setting="cross-cultural",
        protocol="self-guidance", language="en", status="done", extracted=1, verified=1, rejected="{}",
    )  # fmt: skip
    for position, person in enumerate((main, delegate), start=1):
        own = option if person is delegate else None
        yield ParticipantRow, dict(
            dialogue_id=dialogue_id, position=position, persona_key=person.key, name=person.name, role=person.role,
            culture=person.culture, country=person.country, stance_code=own and own.code, stance_text=own and own.label,
        )  # fmt: skip
    for place in range(1, SPEECHES * 2 + 1):
        speaker = delegate if place % 2 == 0 else main
        said = sentence(number, place)
        turn_id = f"{dialogue_id}.t{place}"
        yield TurnRow, dict(
            id=turn_id, dialogue_id=dialogue_id, position=place, slot=place, speaker=speaker.key, role=speaker.role,
            phase="opinion", text=said, origin="model",
        )  # fmt: skip
        if speaker is main:
            continue
        statement_id, against = f"{turn_id}.s1", place == SPEECHES
        yield StatementRow, dict(
            id=statement_id, turn_id=turn_id, persona_key=speaker.key, culture=speaker.culture, kind="opinion",
            text=f"{speaker.name} thinks so: {said}", first_person=said, quote=said, quote_start=0,
            quote_end=len(said), round=1,
        )  # fmt: skip
        for n, (criterion, relation) in enumerate(
            (("faithful", "entail"), ("stance", "contradict" if against else "entail")), start=1
        ):
            decision = "drop" if relation == "contradict" else "keep"
            yield VerdictRow, dict(
                id=f"{statement_id}.v{n}", statement_id=statement_id, criterion=criterion, relation=relation,
                confidence=0.9, decision=decision, round=1,
            )  # fmt: skip
        for n, shape in enumerate(("survey", "open"), start=1):
            answer = said if shape == "open" else f"My answer is: {option.label}. {said}"
            messages = [
                {"role": "system", "content": f"You answer as one person from {speaker.country_name} would."},
                {"role": "user", "content": seed.question},
                {"role": "assistant", "content": answer},
            ]
            yield SampleRow, dict(
                id=f"{statement_id}.x{n}", statement_id=statement_id, culture=speaker.culture, kind=shape,
                messages=json.dumps(messages), status="dropped" if against else "kept",
                drop_reason="contradicts-stance" if against else None, flags="",
            )  # fmt: skip


def fill(path: Path, kept: int) -> int:
    """A store with at least so many kept samples of one run; how many they are."""
    store = Store(f"sqlite:///{path}")
    edition = scenarios.load_edition(scenarios.find("wvs7"))
    people = [p for p in edition.personas if p.role == "delegate"]
    scenario = canonical(edition.model_dump(mode="json"))
    run = RunRow(
        id=RUN, scenario_name="wvs7", scenario_digest=digest(scenario), scenario=scenario, seed=1, status="done",
        stop_reason="completed", version=__version__, created_at="2026-01-01T00:00:00Z",
        models='{"speaker": "scripted"}', settings="{}",
    )  # fmt: skip
    numbers = iter(range(1, -(-kept // A_DIALOGUE) + 1))
    with store.database.writing() as session:
        session.add(run)
    tables = (DialogueRow, ParticipantRow, TurnRow, StatementRow, VerdictRow, SampleRow)
    while batch := list(islice(numbers, 500)):
        rows = [row for number in batch for row in dialogue(number, edition, people)]
        with store.database.writing() as session:
            for table in tables:
                session.execute(insert(table), [row for of, row in rows if of is table])
    store.close()
    return -(-kept // A_DIALOGUE) * A_DIALOGUE


def naive(path: Path, out: Path) -> None:
    """The shortest program that writes the rows."""
    out.mkdir(parents=True)
    with sqlite3.connect(path) as db, (out / "all.jsonl").open("w", encoding="utf-8") as file:
        for sample_id, messages in db.execute("SELECT id, messages FROM sample WHERE status = 'kept'"):
            file.write(json.dumps({"id": sample_id, "messages": json.loads(messages)}, ensure_ascii=False) + "\n")


def child(job: str, path: Path, out: Path) -> None:
    """One export in this process; says how long it took and how much memory there was at most."""
    from culturepark.cli.app import run

    began, at_work = time.perf_counter(), time.process_time()
    if job == "naive":
        naive(path, out)
    else:
        sys.stdout = sys.stderr
        if code := run(["export", RUN, *JOBS[job], "--out", str(out), "--store", f"sqlite:///{path}"]):
            sys.exit(f"the export of {job} ended with {code}")
        sys.stdout = sys.__stdout__
    seconds, cpu = time.perf_counter() - began, time.process_time() - at_work
    rows = 0
    for path in out.glob("*.jsonl"):
        if not path.name.endswith(".index.jsonl"):
            with path.open("rb") as file:
                rows += sum(1 for _ in file)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": rows, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Of this process alone: what `getrusage` gives has the parent's in it, which a child begins as a copy of."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def measure(job: str, path: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", job, "--db", str(path), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    shutil.rmtree(out)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--child")
    parser.add_argument("--db", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.db, given.out)
        return
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n")
    print("| kept samples | export | rows | wall s | CPU s | rows per CPU s | CPU, times the shortest | peak MiB |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "bench.db")
            kept = fill(path, rows)
            base = measure("naive", path, Path(folder, "naive"))
            for job in ("naive", *JOBS):
                one = base if job == "naive" else measure(job, path, Path(folder, "out"))
                pace, ratio = one["rows"] / one["cpu"], one["cpu"] / base["cpu"]
                times = f"{one['seconds']:.1f} | {one['cpu']:.1f}"
                figures = f"{times} | {pace:,.0f} | {ratio:.1f} | {one['peak_mib']:.0f}"
                print(f"| {kept:,} | {job} | {one['rows']:,.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
