"""The figures of a run are kept until a row changes that they rest on, whoever changes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.cli.app import run as culturepark
from culturepark.stats import run_stats
from culturepark.stats.run_stats import stats
from culturepark.store import first_look, tallies, watches
from culturepark.store.integrity import edition_of
from culturepark.store.runs import runs
from culturepark.store.store import Store
from tests.cli.test_cli import tiny_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.db"
    path.write_bytes(tiny_store())
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{path}")
    stats(store, store.run("a"))
    yield store
    store.close()


def is_kept(store: Store) -> bool:
    return tallies.kept(store, "a") is not None


CHANGES = {
    "run": "UPDATE run SET stop_reason = 'completed'",
    "settings": "UPDATE run SET settings = '{\"threshold\": 0.5}'",
    "dialogue": "UPDATE dialogue SET stop_reason = 'completed' WHERE number = 1",
    "participant": "UPDATE participant SET stance_text = 'x' WHERE dialogue_id = 'a.d1'",
    "call": "UPDATE call_log SET prompt_tokens = 9 WHERE id = (SELECT min(id) FROM call_log)",
    "turn": "UPDATE turn SET origin = 'edited' WHERE id = 'a.d1.t1'",
    "slip": "INSERT INTO slip (turn_id, kind, quote, note) VALUES ('a.d1.t1', 'task', '', 'x')",
    "statement": "UPDATE statement SET kind = 'norm' WHERE id = (SELECT min(id) FROM statement)",
    "a new verdict": "INSERT INTO verdict (id, statement_id, criterion, relation, decision, round) "
    "SELECT id || '.v99', id, 'faithful', 'entail', 'keep', 1 FROM statement LIMIT 1",
    "verdict": "DELETE FROM verdict WHERE id = (SELECT min(id) FROM verdict)",
    "duplicate": "INSERT OR REPLACE INTO duplicate SELECT max(id), min(id), min(id), 'exact', 1 FROM statement",
    "sample": "UPDATE sample SET status = 'dropped' WHERE id = (SELECT min(id) FROM sample)",
    "a sample that is gone": "DELETE FROM sample WHERE id = (SELECT min(id) FROM sample)",
    "review": "INSERT INTO review (id, subject_id, reviewer, decision, created_at) "
    "VALUES ('a.d1.t1.r0123abcd', 'a.d1.t1', 'anna', 'reject', '2026-01-01T00:00:00Z')",
    "probe": "INSERT INTO probe (dialogue_id, kind, moment, about, by, options, choice) "
    "VALUES ('a.d1', 'stance', 'after', 'x', 'judge', 2, 1)",
    "draw": "INSERT INTO draw (id, over_id, created_at, seed, population) VALUES ('draw-1', 'a', '2026', 1, 1)",
    "ability": "INSERT INTO ability (endpoint, model, name, value, said, learned_at) "
    "VALUES ('x', 'y', 'seed', '\"refused\"', '', '2026')",
    "another vector": "UPDATE vector SET checksum = 2",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_a_row_by_anybody_forgets_the_figures(store: Store, path: Path, what: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO vector (embedder, text_sha256, vector, checksum) VALUES ('e', 'x', x'00', 1)")
    stats(store, store.run("a"))
    assert is_kept(store)
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(CHANGES[what]).rowcount
    assert not is_kept(store)


def test_every_table_that_hangs_on_a_run_is_watched(path: Path) -> None:
    """A new table is to be entered in `watches`, or here with a reason."""
    none_rests_on = {
        "alembic_version", "tally", "fit", "selection", "selected", "suite", "item", "evaluation", "answer", "score",
        "figure", "artefact", "trained", "piece", "worker", "claim", "paced",
    }  # fmt: skip
    with closing(sqlite3.connect(path)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        triggers = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    watched = {*watches.WATCHED, *watches.SHARED, "drawn"}
    assert tables - none_rests_on <= watched
    for table in tables & watched:
        assert {f"tally_{table}_{event}" for event in ("insert", "update", "delete")} <= triggers


def test_a_trigger_is_known_word_for_word(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    assert triggers
    for name, sql in triggers:
        assert watches.is_watch(name, sql), name
        assert not watches.is_watch(name, sql.replace("; END", "; DELETE FROM sample; END"))
        assert not watches.is_watch(f"{name}_too", sql)


def test_names_notes_splits_and_other_runs_change_no_figure(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE run SET name = 'x', note = 'y'")
        db.execute("UPDATE sample SET split = 'train'")
        columns = [row[1] for row in db.execute("PRAGMA table_info(run)") if row[1] != "id"]
        db.execute(f"INSERT INTO run (id, {', '.join(columns)}) SELECT 'b', {', '.join(columns)} FROM run")
        db.execute("UPDATE run SET status = 'failed' WHERE id = 'b'")
    assert is_kept(store)


def test_a_new_vector_matters_only_where_one_was_missing(store: Store, path: Path) -> None:
    for complete in (1, 0):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE tally SET complete = ?", (complete,))
            db.execute(
                "INSERT INTO vector (embedder, text_sha256, vector, checksum) VALUES (?, 'x', x'00', 1)", (complete,)
            )
        assert is_kept(store) == bool(complete)


def test_kept_figures_are_those_that_are_reckoned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reckoned = run_stats.run_stats(store, store.run("a"), edition_of(store.run("a")))
    monkeypatch.setattr(run_stats, "run_stats", None)  # not needed
    assert stats(store, store.run("a")) == reckoned


def test_figures_are_not_kept_if_a_row_changes_while_they_are_reckoned(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckon = run_stats.run_stats

    def reckon_and_change(*values: object) -> object:
        figures = reckon(*values)  # type: ignore[arg-type]
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(CHANGES["sample"])
        return figures

    with closing(sqlite3.connect(path)) as db, db:
        db.execute(CHANGES["run"])
    monkeypatch.setattr(run_stats, "run_stats", reckon_and_change)
    stats(store, store.run("a"))
    assert not is_kept(store)
    monkeypatch.undo()
    stats(store, store.run("a"))
    assert is_kept(store)


def test_a_run_that_is_held_keeps_no_figures(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE run SET status = 'running'")
    assert stats(store, store.run("a")).status == "running"
    assert not is_kept(store)


def test_the_command_prints_kept_figures_as_it_prints_reckoned_ones(
    store: Store, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--store", f"sqlite:///{path}")
    told = []
    for forget in (True, False):
        for more in ((), ("--stances",), ("--json",)):
            if forget:
                with closing(sqlite3.connect(path)) as db, db:
                    db.execute("DELETE FROM tally")
            assert culturepark(["stats", "a", *more, *at]) == 0
            told.append(capsys.readouterr().out)
    assert told[:3] == told[3:]
    assert json.loads(told[2])["run"] == "a"


def test_kept_figures_that_are_damaged_or_of_another_version_are_reckoned_again(store: Store, path: Path) -> None:
    figures = stats(store, store.run("a"))
    for damage in ("document = '{\"run\": 3}'", "document = '[]', lines = '{}'", "made_by = 'another'"):
        with closing(sqlite3.connect(path)) as db, db:
            assert db.execute(f"UPDATE tally SET {damage}").rowcount == 1
        if "made_by" in damage:
            assert first_look.figures(f"sqlite:///{path}", "a") is None
        assert stats(store, store.run("a")) == figures


def test_the_list_of_runs_is_the_store_s(store: Store, path: Path) -> None:
    assert first_look.listed(f"sqlite:///{path}") == runs(store)
    assert first_look.listed(f"sqlite:///{path}", 1) == runs(store)[:1]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '0001'")
    assert first_look.listed(f"sqlite:///{path}") is None
