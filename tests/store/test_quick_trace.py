"""A trace that is read without SQLAlchemy is the one of the store, or there is none."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.cli.app import run as culturepark
from culturepark.store import quick_trace
from culturepark.store.lineage import trace
from culturepark.store.store import Store
from tests.cli.test_cli import rows_of, tiny_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.db"
    path.write_bytes(tiny_store())
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


def test_every_sample_and_statement_has_the_trace_of_the_store(store: Store, path: Path) -> None:
    ids = [row["id"] for table in ("sample", "statement") for row in rows_of(table, path)]
    assert ids
    for name in ids:
        quick = quick_trace.trace(f"sqlite:///{path}", name, bodies=True)
        assert quick is not None
        wanted = trace(store, name).as_json()
        assert quick.as_json() | {"samples": sorted(wanted["samples"])} == wanted | {
            "samples": sorted(wanted["samples"])
        }


def test_the_command_prints_what_it_prints_of_the_store(
    store: Store, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = rows_of("sample", path)[0]["id"]
    told = []
    for _ in range(2):
        for more in ((), ("--json",)):
            assert culturepark(["trace", sample, *more, "--store", f"sqlite:///{path}"]) == 0
            out = capsys.readouterr().out
            told.append(json.loads(out) if more else out)
        monkeypatch.setattr(quick_trace, "trace", lambda *_, **__: None)
    assert told[:2] == told[2:]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE verdict SET confidence = 'high'",
        "UPDATE statement SET quote_start = 'x'",
        "UPDATE statement SET kind = 'x'",
        "UPDATE run SET scenario_digest = 'x'",
        "UPDATE turn SET text = x'ff'",
        "UPDATE alembic_version SET version_num = '0001'",
        "DELETE FROM participant",
        "INSERT INTO review (id, subject_id, reviewer, decision, created_at) "
        "SELECT turn_id || '.r0123abcd', turn_id, 'anna', 'reject', '2026' FROM statement GROUP BY turn_id",
    ],
)
def test_the_store_is_asked_where_anything_is_unexpected(path: Path, change: str) -> None:
    sample = rows_of("sample", path)[0]["id"]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(change)
    assert quick_trace.trace(f"sqlite:///{path}", sample, bodies=False) is None


def test_what_there_is_not_is_left_to_the_store(path: Path) -> None:
    for name in ("a.d1.t1.s99.x1", "a.d1", "a.d1.t1", "demo.d1.t1.s1", "nothing", "x.jsonl:3"):
        assert quick_trace.trace(f"sqlite:///{path}", name, bodies=False) is None
    assert quick_trace.trace("sqlite:///nowhere.db", "a.d1.t1.s1", bodies=False) is None


def test_the_first_looks_do_without_the_database_s_library() -> None:
    """Importing it takes longer than the commands have."""
    code = (
        "import sys, culturepark.cli.trace_text, culturepark.store.quick_trace, culturepark.store.first_look, "
        "culturepark.terminal.layout; sys.exit('sqlalchemy' in sys.modules or 'sqlmodel' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
