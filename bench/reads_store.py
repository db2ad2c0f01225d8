"""Fills a store for `reads_bench.py`: `python bench/reads_store.py FILE SAMPLES`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from sqlalchemy import insert
from sqlmodel import SQLModel

from bench import export_bench
from bench.export_bench import A_DIALOGUE, RUN
from culturepark import __version__
from culturepark.catalog import scenarios
from culturepark.domain import Edition, Persona
from culturepark.models.chat import canonical, digest
from culturepark.models.embedder import MiniLM, unit_rows
from culturepark.store import vectors
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

A_DUPLICATE = 10
"""Of so many statements one repeats another."""
PROMPT = "You are somebody, and these are your views. " * 60
"""A prompt of some 700 tokens."""


def a_call(call_id: str, stage: str, subject: str, answer: str) -> dict[str, object]:
    request = {"model": "some-model", "messages": [{"role": "system", "content": PROMPT + call_id}], "max_tokens": 300}
    response = {"choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]}
    body = json.dumps(request)
    return dict(
        id=call_id, run_id=RUN, stage=stage, subject_id=subject, model="some-model", endpoint="http://localhost/v1",
        prompt_digest="0" * 64, request_digest=digest(body), request=body, response=json.dumps(response),
        prompt_tokens=700, cached_tokens=350, completion_tokens=60, tokens_from="server", cost_usd=None,
        finish_reason="stop", attempt=1, started_at="2026-01-01T00:00:00.000Z", duration_ms=900,
    )  # fmt: skip


def dialogue(
    number: int, edition: Edition, people: list[Persona]
) -> Iterator[tuple[type[SQLModel], dict[str, object]]]:
    """Yield all rows of one dialogue, each with its table: those of the export's bench, and calls and duplicates."""
    dialogue_id = f"{RUN}.d{number}"
    calls = 0
    seed = edition.scenario.seeds[number % len(edition.scenario.seeds)]
    for table, row in export_bench.dialogue(number, edition, people):
        if table is ParticipantRow and row["stance_code"] is not None and seed.item:
            shares = seed.item.shares.get(str(row["country"]), {})
            code = int(str(row["stance_code"]))
            row["stance_code"] = code if shares.get(code) else max(shares, key=lambda one: shares[one], default=None)
        if table is TurnRow:
            calls += 1
            call = f"{dialogue_id}.c{calls}"
            yield CallRow, a_call(call, "dialogue", dialogue_id, str(row["text"]))
            row = row | {"call_id": call}
        yield table, row
        statement = str(row.get("id"))
        if table is StatementRow and number % A_DUPLICATE == 0:
            first = statement.replace(f".d{number}.", f".d{number + 1}.")
            yield (
                DuplicateRow,
                dict(
                    statement_id=statement, cluster_id=first, representative_id=first, method="minilm", similarity=0.9
                ),
            )
    for stage in ("extract", "verify", "verify"):
        calls += 1
        yield CallRow, a_call(f"{dialogue_id}.c{calls}", stage, dialogue_id, "[]" * 200)


def fill(path: Path, kept: int) -> None:
    """Make a store with a run of at least so many kept samples."""
    store = Store(f"sqlite:///{path}")
    edition = scenarios.load_edition(scenarios.find("wvs7"))
    people = [p for p in edition.personas if p.role == "delegate"]
    scenario = canonical(edition.model_dump(mode="json"))
    run = RunRow(
        id=RUN, scenario_name="wvs7", scenario_digest=digest(scenario), scenario=scenario, seed=1, status="done",
        stop_reason="completed", version=__version__, created_at="2026-01-01T00:00:00Z",
        models='{"embedder": "minilm", "speaker": "scripted"}', settings="{}",
    )  # fmt: skip
    count = -(-kept // A_DIALOGUE)
    with store.database.writing() as session:
        session.add(run)
    random = np.random.default_rng(1)
    middle = {seed.key: random.normal(size=384) for seed in edition.scenario.seeds}
    identity = MiniLM.identity or ""
    vectors.remember(store, identity, {s.question: unit_rows(middle[s.key][None])[0] for s in edition.scenario.seeds})
    tables = (CallRow, DialogueRow, ParticipantRow, TurnRow, StatementRow, VerdictRow, SampleRow)
    numbers = iter(range(1, count + 1))
    repeats: list[dict[str, object]] = []
    while batch := list(islice(numbers, 200)):
        rows = [row for number in batch for row in dialogue(number, edition, people)]
        with store.database.writing() as session:
            for table in tables:
                # Requests are taken apart when the store is opened next, as those of an older version are.
                into = SQLModel.metadata.tables["call_log"] if table is CallRow else table
                session.execute(insert(into), [row for of, row in rows if of is table])
        repeats += [row for of, row in rows if of is DuplicateRow]
        seed_of = {row["id"]: str(row["seed_key"]) for of, row in rows if of is DialogueRow}
        said = {
            str(row["first_person"]): middle[seed_of[str(row["turn_id"]).rpartition(".")[0]]]
            for of, row in rows
            if of is StatementRow
        }
        made = unit_rows(np.stack(list(said.values())) + random.normal(size=(len(said), 384)))
        vectors.remember(store, identity, dict(zip(said, made, strict=True)))
    with store.database.writing() as session:
        last = f"{RUN}.d{count + 1}."
        session.execute(insert(DuplicateRow), [row for row in repeats if not str(row["cluster_id"]).startswith(last)])
    store.close()
    Store(f"sqlite:///{path}").close()


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
