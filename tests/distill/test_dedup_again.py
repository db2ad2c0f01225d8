"""Duplicates decided again with another threshold: from what is kept, without a model, and the same for everybody."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.cli.app import run
from tests.cli.test_cli import away as away  # fixtures
from tests.cli.test_cli import cli, dump, place_store
from tests.support.endpoint import Endpoint

pytestmark = pytest.mark.usefixtures("away", "no_pauses")
AGAIN = ("distill", "a", "--from", "dedup")


def stored(query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        return db.execute(query).fetchall()


def settings() -> dict[str, Any]:
    ((text,),) = stored("SELECT settings FROM run WHERE id = 'a'")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.torture
def test_another_threshold_asks_nobody_and_calls_no_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Endpoint() as endpoint:
        role = f"embedder=openai:test@{endpoint.url}"
        assert cli("simulate", "tiny.yaml", "--model", "scripted", "--role", role, "--run-id", "a").code == 0
        assert endpoint.requests
    calls, vectors = stored("SELECT * FROM call"), stored("SELECT * FROM vector")
    texts = stored("SELECT DISTINCT first_person FROM statement")
    assert 0 < len(vectors) <= len(texts) + 1  # and the question, for `stats`
    before = dump()["duplicate"]
    assert cli(*AGAIN).code == 0  # the endpoint is gone
    assert dump()["duplicate"] == before
    done = cli(*AGAIN, "--threshold", "0.5")
    assert done.code == 0
    assert "(similarity 0.50 and more, by endpoint)" in done.err
    assert stored("SELECT * FROM call") == calls
    assert stored("SELECT * FROM vector") == vectors
    # A vector that is damaged is the only one that is asked for again.
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        db.execute("UPDATE vector SET vector = x'00' WHERE rowid = 1")
    assert cli(*AGAIN).code == 3
    with Endpoint(port=endpoint.port) as endpoint:
        assert cli(*AGAIN).code == 0
        (asked,) = endpoint.requests
        assert len(asked.body["input"]) == 1
    assert sorted(stored("SELECT * FROM vector")) == sorted(vectors)


def test_what_was_decided_is_the_same_everywhere_and_can_be_taken_back() -> None:
    with Path("tiny.yaml").open("a") as scenario:
        # So main contacts say things twice.
        scenario.write("mine: [delegate, main]\nmoderation: scripted\ndialogues_per_seed: 2\n")
    assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a", "--seed", "1").code == 0
    first = dump()
    assert settings()["threshold"] is None
    strict = cli(*AGAIN, "--threshold", "1")
    assert strict.code == 0
    found = dump()
    assert settings()["threshold"] == 1
    assert {row["method"] for row in found["duplicate"]} <= {"exact"}
    repeats = {row["statement_id"] for row in found["duplicate"]}
    assert repeats
    assert f"{len(repeats)} of " in strict.err
    stats = cli("stats", "a", "--json").json
    assert stats["duplicates"] == {"threshold": 1, "by_method": {"exact": len(repeats)}}
    dropped = {row["statement_id"] for row in found["sample"] if row["drop_reason"] == "duplicate"}
    assert dropped <= repeats
    for row in found["duplicate"]:
        trace = cli("trace", row["statement_id"], "--json").json
        assert trace["duplicate"] == row
        assert row["representative_id"] == row["cluster_id"]
        assert row["similarity"] == 1
    # Back to the scenario's: nothing was lost.
    assert cli(*AGAIN, "--threshold", "0.6").code == 0
    again = dump()
    for table in ("duplicate", "sample"):
        assert again[table] == first[table]
    assert cli(*AGAIN, "--threshold", "1").code == 0
    # The stages before it done again, and a run that goes on, keep to it; so does the run's id named again.
    for command in (("distill", "a", "--from", "verify"), ("resume", "a"), AGAIN):
        assert cli(*command).code == 0
        assert settings()["threshold"] == 1
        assert dump()["duplicate"] == found["duplicate"]
    assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a", "--seed", "1").code == 0
    assert settings()["threshold"] == 1


def test_a_threshold_is_not_taken_over_to_another_embedder() -> None:
    place_store()
    assert cli(*AGAIN, "--threshold", "0.9").code == 0
    assert settings()["threshold"] == 0.9
    assert cli(*AGAIN, "--role", "embedder=minilm").code == 0  # without weights it goes on by words, and says so
    assert settings()["threshold"] is None


@pytest.mark.torture
def test_nor_is_it_by_a_run_that_is_resumed() -> None:
    place_store()
    assert cli(*AGAIN, "--threshold", "0.9").code == 0
    assert cli("resume", "a").code == 0
    assert settings()["threshold"] == 0.9
    assert cli("resume", "a", "--role", "embedder=minilm").code == 0
    assert settings()["threshold"] is None


@pytest.mark.parametrize("value", ["0.3", "1.2", "nan", "much"])
def test_a_threshold_that_is_none_is_wrong_use(value: str) -> None:
    place_store()
    before = Path("runs/culturepark.db").read_bytes()
    done = cli(*AGAIN, "--threshold", value)
    assert done.code == 2
    assert "threshold" in done.err
    assert Path("runs/culturepark.db").read_bytes() == before


def test_the_scenarios_own_threshold_is_used_until_another_is_given() -> None:
    Path("own.yaml").write_text(Path("tiny.yaml").read_text() + "distill: {dedup: {threshold: 0.93}}\n")
    assert run(["simulate", "own.yaml", "--model", "scripted", "--run-id", "a"]) == 0
    assert cli("stats", "a", "--json").json["duplicates"]["threshold"] == 0.93
    assert "(similarity 0.93 and more, by lexical)" in cli(*AGAIN).err
