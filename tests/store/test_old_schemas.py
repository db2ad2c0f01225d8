"""A store of every released schema is opened by the newest program, and gives what a store of today would give."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.store.database import REVISIONS
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli

SCHEMAS = Path(__file__).parent / "schemas"

pytestmark = pytest.mark.usefixtures("away")


def opened(revision: str) -> None:
    """The default store, as the program of that schema left it."""
    path = Path("runs/culturepark.db")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript((SCHEMAS / f"{revision}.sql").read_text("utf-8"))
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)


def exported(out: str, *arguments: str) -> dict[str, bytes]:
    done = cli("export", "old", "--out", out, *arguments)
    assert done.code == 0, done.err
    return {path.name: path.read_bytes() for path in sorted(Path(out).glob("*.jsonl"))}


def test_every_schema_has_a_store_that_is_kept() -> None:
    assert sorted(path.stem for path in SCHEMAS.glob("*.sql")) == sorted(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.sampled
def test_a_store_of_an_old_schema_is_listed_counted_shown_and_traced(revision: str) -> None:
    opened(revision)
    runs = {run["run"]: run for run in cli("runs", "--json").json}
    assert (runs["old"]["status"], runs["old"]["dialogues_done"]) == ("done", 1)
    assert runs["old"]["samples_kept"] > 0
    added = {"0004": "a branch", "0011": "an evaluation"}
    assert len(runs) == 1 + sum(revision >= since for since in added)
    if revision >= "0011":
        assert cli("runs", "--delete", "e7f3a9", "--yes").err.count("3 answers") == 1
    figures = cli("stats", "old", "--json").json
    assert figures["samples"]["kept"] == runs["old"]["samples_kept"]
    assert figures["reviews"]["total"] == 1
    assert cli("stats", "old").code == 0
    played = cli("replay", "old", "--plain", "--behind")
    assert played.code == 0
    rows = exported("out", "--format", "trl")["all.jsonl"].splitlines()
    assert len(rows) == runs["old"]["samples_kept"]
    trace = cli("trace", "out/all.jsonl:1", "--json").json
    assert trace["sample"]["messages"] == json.loads(rows[0])["messages"]
    assert trace["calls"]["turn"]["response"]
    assert " ".join(trace["turn"]["text"].split()) in " ".join(played.out.split())
    doctor = {finding["what"]: finding for finding in cli("doctor", "--model", "scripted", "--json").json}
    assert doctor["store"]["state"] == "ok", doctor["store"]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
@pytest.mark.sampled
def test_the_rows_of_an_old_store_are_the_bytes_of_the_newest(revision: str) -> None:
    opened(REVISIONS[-1])
    kinds = (("--format", "trl"), ("--format", "sharegpt", "--dialogues"))
    newest = [exported(f"newest{number}", *arguments) for number, arguments in enumerate(kinds)]
    opened(revision)
    assert [exported(f"old{number}", *arguments) for number, arguments in enumerate(kinds)] == newest
