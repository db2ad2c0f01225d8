"""Views of a store. Datasette and DuckDB open them too, where they are installed: `make slow`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.store import recorded
from culturepark.store.store import Store
from culturepark.store.tables import SQLModel
from culturepark.store.views import SQL, datasette_metadata, views
from tests.cli.test_cli import away, cli  # noqa: F401 - used by every test
from tests.support.evaluations import put_evaluation


@pytest.fixture
def store() -> Path:
    """The recorded store with an evaluation; it may only be read."""
    path = Path("store.db")
    shutil.copy(recorded.unpacked(), path)
    own = Store(f"sqlite:///{path}")  # brings it up to date
    put_evaluation(own, "e7f3a9")
    own.close()
    path.chmod(0o440)
    return path


def test_the_views_are_read_from_a_file_that_may_not_be_written(store: Path) -> None:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        db.executescript(cli("views").out)
        found = {view.name: db.execute(f"SELECT * FROM {view.name}").fetchall() for view in views()}
        kept = {row["id"]: row for row in db.execute("SELECT * FROM sample WHERE status = 'kept'")}
        spent = db.execute('SELECT sum(prompt_tokens) FROM "call"').fetchone()[0]
    rows = found["row_view"]
    assert {row["sample"] for row in rows} == set(kept)
    assert len(rows) == len(kept)
    for row in rows:
        system, *_, answer = json.loads(kept[row["sample"]]["messages"])
        assert (row["system"], row["answer"]) == (system["content"], answer["content"])
        assert row["quote"] in row["said"]
    assert sum(row["samples_kept"] for row in found["funnel_view"]) == len(kept)
    assert sum(row["prompt_tokens"] for row in found["cost_view"]) == spent
    assert [(row["suite"], row["metric"], row["value"]) for row in found["figure_view"]] == [
        ("guests", "accuracy", 0.5), ("guests", "nvas", 0.5),
    ]  # fmt: skip
    assert [(row["item"], row["choice"], row["scorer"], row["score"]) for row in found["answer_view"]] == [
        (f"q{number}", 1, "choice", 1.0) for number in (1, 2, 3)
    ]
    made_up = {row["statement"] for row in found["made_up_view"]}
    assert made_up == {row["statement_id"] for row in kept.values() if row["provenance"] == "model"}
    assert made_up


def test_the_metadata_names_columns_that_there_are_and_every_view() -> None:
    (of,) = json.loads(cli("views", "--datasette", "--store", "sqlite:///somewhere/mine.db").out)["databases"].items()
    name, described = of
    assert name == "mine"
    tables = SQLModel.metadata.tables
    for table, facts in described["tables"].items():
        columns = set(tables[table].columns.keys())
        used = {
            *facts["columns"],
            *facts.get("facets", ()),
            facts.get("sort_desc", "id"),
            facts.get("label_column", "id"),
        }
        assert used - {"id"} <= columns
        assert facts["description"] or table == "alembic_version"
    assert described["tables"]["sample"]["columns"]["provenance"].startswith("Where its content comes from")
    assert list(described["queries"]) == [view.name for view in views()]
    assert SQL.read_text("utf-8").count("CREATE TEMP VIEW") == len(views())
    assert cli("views", "--datasette", "--store", "postgresql+psycopg://u:p@localhost/db").code == 2


@pytest.mark.slow
def test_datasette_answers_every_canned_query_on_a_file_that_may_not_be_written(store: Path) -> None:
    pytest.importorskip("datasette")
    Path("metadata.json").write_text(json.dumps(datasette_metadata(store.stem)), "utf-8")
    for view in views():
        page = f"/{store.stem}/{view.name}.json"
        command = [sys.executable, "-m", "datasette", "-i", str(store), "-m", "metadata.json", "--get", page]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["ok"]


@pytest.mark.slow
def test_duckdb_takes_the_views(store: Path) -> None:
    """Its extension for SQLite is fetched from the net; here the tables are copied."""
    duckdb = pytest.importorskip("duckdb")
    with closing(sqlite3.connect(store)) as db, duckdb.connect() as duck:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
            kinds = {"INTEGER": "BIGINT", "BIGINT": "BIGINT", "FLOAT": "DOUBLE", "BLOB": "BLOB"}
            made = ", ".join(f'"{column[1]}" {kinds.get(column[2], "VARCHAR")}' for column in columns)
            duck.execute(f'CREATE TABLE "{table}" ({made})')
            if rows := db.execute(f'SELECT * FROM "{table}"').fetchall():
                duck.executemany(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(columns))})', rows)
        db.executescript(SQL.read_text("utf-8"))
        duck.execute(SQL.read_text("utf-8"))
        for view in views():
            query = f"SELECT count(*) FROM {view.name}"
            assert duck.execute(query).fetchone() == db.execute(query).fetchone()
