"""Runs of another store: taken whole, once, and never from what is damaged or somebody else's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.store import merge as merging
from tests.cli.test_cli import away as away  # autouse
from tests.cli.test_cli import cli, counts, dump, kept_sample, place_store, rows_of, tiny_store
from tests.store.test_old_schemas import SCHEMAS

OURS, THEIRS = "runs/culturepark.db", "theirs.db"


@pytest.fixture(autouse=True)
def theirs() -> None:
    """A store of somebody else's with the finished run `a`; there is none of our own yet."""
    place_store(THEIRS)


def change(sql: str, *values: object, path: str = THEIRS) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def review(name: str, subject: str, decision: str = "accept", at: str = "2030-01-01", path: str = THEIRS) -> None:
    columns = "(id, subject_id, reviewer, decision, created_at)"
    change(
        f"INSERT INTO review {columns} VALUES (?, ?, 'anna', ?, ?)",
        f"{subject}.r{name}",
        subject,
        decision,
        at,
        path=path,
    )


def outcome(*options: str) -> dict[str, object]:
    """What became of the run `a`."""
    (run,) = cli("merge", THEIRS, "--json", *options).json["runs"]
    return run


def contents(path: str = OURS) -> dict[str, list[dict[str, object]]]:
    return dump(path, without=set())


def side_files() -> list[str]:
    return sorted(path.name for path in Path().glob(f"{THEIRS}*"))


def test_a_run_is_copied_whole_and_a_second_time_nothing_changes() -> None:
    review("00000001", kept_sample(THEIRS))
    before = Path(THEIRS).read_bytes()
    dry = cli("merge", THEIRS, "--dry-run")
    assert (dry.code, dry.out) == (0, "a\tadded\t4\t1\n")
    assert not Path("runs").exists()
    done = cli("merge", THEIRS)
    assert (done.code, done.out) == (0, dry.out)
    assert contents() == contents(THEIRS)
    again = cli("merge", THEIRS)
    assert (again.code, again.out) == (0, "a\tsame\t0\t0\n")
    assert contents() == contents(THEIRS)
    assert Path(THEIRS).read_bytes() == before
    assert side_files() == [THEIRS]
    assert cli("doctor").code == 0


def test_what_hangs_on_a_run_comes_with_it_and_abilities_do_not() -> None:
    sample = kept_sample(THEIRS)
    columns = "(id, name, created_at, version, runs, wanted, funnel, unfilled)"
    for name, runs in (("sel-20300101-abcd", '["a"]'), ("sel-20300101-0000", '["a", "b"]')):
        change(f"INSERT INTO selection {columns} VALUES (?, 'mine', 't', '1', ?, '{{}}', '[]', '[]')", name, runs)
        change("INSERT INTO selected VALUES (?, ?, 1, '{}')", name, sample)
    change("INSERT INTO draw VALUES ('draw-20300101-0001', 'sel-20300101-abcd', 't', 0, 1)")
    change("INSERT INTO drawn VALUES ('draw-20300101-0001', ?, 1)", sample)
    change("INSERT INTO fit VALUES ('p', 'i', 'm', '[1]', 'a.c1', 't'), ('q', 'i', 'm', '[1]', 'other.c1', 't')")
    change("INSERT INTO ability VALUES ('http://evil.example/v1', 'm', 'leaks', '\"refused\"', '', 't')")
    done = cli("merge", THEIRS, "--json")
    assert done.json["selections"] == ["sel-20300101-abcd"]
    assert done.json["draws"] == ["draw-20300101-0001"]
    assert done.json["left_out"] == ["sel-20300101-0000: b is not here"]
    assert done.json["fits"] == 1
    held = counts(OURS)
    assert [held[t] for t in ("selection", "selected", "draw", "drawn", "fit", "ability")] == [1, 1, 1, 1, 1, 0]
    assert cli("merge", THEIRS, "--json").json["selections"] == []


def test_newer_dialogues_and_reviews_are_taken_and_older_ones_are_not() -> None:
    sample = kept_sample(THEIRS)
    whole = contents(THEIRS)
    shutil.copy(THEIRS, "early.db")
    for table in ("duplicate", "verdict", "sample", "statement"):
        change(f"DELETE FROM {table}", path="early.db")
    change("DELETE FROM turn WHERE dialogue_id = 'a.d4'", path="early.db")
    change("UPDATE run SET status = 'stopped', finished_at = '2000-01-01', name = 'ours'", path="early.db")
    assert cli("merge", "early.db").code == 0
    assert outcome("--dry-run")["outcome"] == "updated"
    assert outcome()["outcome"] == "updated"
    ours = contents()
    assert ours["run"][0]["name"] == "ours"
    assert {table: rows for table, rows in ours.items() if table != "run"} == {
        t: r for t, r in whole.items() if t != "run"
    }
    assert cli("merge", "early.db").out == "a\tsame\t0\t0\n"
    assert contents() == ours
    review("00000001", sample, "reject")
    assert (outcome()["outcome"], outcome()["reviews"]) == ("same", 0)
    assert next(row for row in rows_of("sample") if row["id"] == sample)["status"] == "rejected"
    change("UPDATE review SET withdrawn_at = '2031-01-01'")
    assert outcome()["reviews"] == 1
    assert next(row for row in rows_of("sample") if row["id"] == sample)["status"] == "kept"


@pytest.mark.parametrize(
    ("there", "here", "message"),
    [
        ("UPDATE run SET seed = 2", "", "is another one: another seed"),
        ("UPDATE turn SET text = 'Other.' WHERE id = 'a.d1.t2'", "", "has other words here: turn a.d1.t2"),
        (
            "DELETE FROM verdict WHERE id LIKE 'a.d1.%'",
            "DELETE FROM verdict WHERE id LIKE 'a.d2.%'",
            "carried on in both",
        ),
    ],
)
def test_another_run_of_the_same_id_is_refused_with_what_differs(there: str, here: str, message: str) -> None:
    place_store()
    change(there)
    if here:
        change(here, path=OURS)
    before = contents()
    done = cli("merge", THEIRS)
    assert (done.code, done.out) == (2, "a\trefused\t0\t0\n")
    assert message in done.err
    assert contents() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE turn SET role = 'chief' WHERE id = 'a.d1.t2'", "is damaged: role"),
        ("UPDATE call SET request = '{' WHERE id IN (SELECT max(id) FROM call)", "request is no JSON"),
        ("UPDATE run SET scenario = scenario || ' '", "scenario is not what scenario_digest"),
        ("UPDATE sample SET id = 'mine.d1.t2.s1.x1' WHERE id IN (SELECT min(id) FROM sample)", "does not spell its"),
        ("DELETE FROM call", "points at a missing call"),
        ("UPDATE run SET id = 'a/../b'", "cannot be the id of a run"),
        ("UPDATE statement SET persona_key = 'nobody'", "knows no persona 'nobody'"),
        ("CREATE TRIGGER t AFTER UPDATE ON run BEGIN DELETE FROM call; END", "has a trigger 't'"),
        ("DROP TABLE verdict", "no such table"),
    ],
)
def test_a_store_that_is_damaged_or_means_harm_leaves_ours_as_it_is(damage: str, message: str) -> None:
    place_store()
    change("DELETE FROM duplicate", path=OURS)
    change("DELETE FROM verdict", path=OURS)
    before = contents()
    change(damage)
    done = cli("merge", THEIRS)
    assert done.code == 5
    assert message in done.err
    assert contents() == before


def test_of_several_runs_the_sound_ones_are_taken() -> None:
    assert (
        cli(
            "simulate",
            "short.yaml",
            "--model",
            "scripted",
            "--run-id",
            "b",
            "--until",
            "dialogue",
            "--store",
            f"sqlite:///{THEIRS}",
        ).code
        == 0
    )
    change("UPDATE turn SET role = 'chief' WHERE dialogue_id LIKE 'a.%'")
    done = cli("merge", THEIRS)
    assert done.code == 5
    assert [line.split("\t")[:2] for line in done.out.splitlines()] == [["a", "refused"], ["b", "added"]]
    assert {row["id"] for row in rows_of("run")} == {"b"}
    assert cli("merge", THEIRS, "--run", "b", "--json").json["runs"][0]["outcome"] == "same"
    assert "no such run: 'c'" in cli("merge", THEIRS, "--run", "c").err


def test_a_branch_without_its_parent_gets_its_calls_when_the_parent_comes() -> None:
    branch = cli("branch", "a.d1.t4", "--text", "Hello.", "--store", f"sqlite:///{THEIRS}").out.partition(".")[0]
    done = cli("merge", THEIRS, "--run", branch)
    assert done.code == 0
    assert "merge the parent too" in done.err
    assert cli("doctor").code == 0
    assert cli("merge", THEIRS).code == 0
    assert cli("merge", THEIRS).code == 0
    assert contents()["turn"] == contents(THEIRS)["turn"]


def test_names_that_are_taken_here_stay_here() -> None:
    change("UPDATE run SET name = 'pilot', note = 'theirs'")
    place_store()
    change("UPDATE run SET name = 'pilot', id = 'mine'", path=OURS)
    for table in counts(OURS):
        if table not in ("run", "alembic_version"):
            change(f"DELETE FROM {table}", path=OURS)
    done = cli("merge", THEIRS)
    assert "its name 'pilot' was left out: here it stands for mine" in done.err
    assert {row["id"]: (row["name"], row["note"]) for row in rows_of("run")} == {
        "mine": ("pilot", None),
        "a": (None, "theirs"),
    }
    change("UPDATE run SET name = 'b' WHERE id = 'mine'", path=OURS)
    change("DELETE FROM sample"), change("UPDATE run SET id = 'b'")
    assert "b is the name of your run mine" in cli("merge", THEIRS).err


@pytest.mark.usefixtures("migrations")
def test_an_older_store_is_upgraded_in_a_copy() -> None:
    Path(THEIRS).unlink()
    with closing(sqlite3.connect(THEIRS)) as db:
        db.executescript((SCHEMAS / "0004.sql").read_text("utf-8"))
    before = Path(THEIRS).read_bytes()
    done = cli("merge", THEIRS, "--run", "old")
    assert done.out.startswith("old\tadded\t")
    assert (Path(THEIRS).read_bytes(), side_files()) == (before, [THEIRS])
    assert cli("stats", "old").code == 0


def test_a_store_that_somebody_writes_to_is_read_with_its_log() -> None:
    with closing(sqlite3.connect(THEIRS)) as db:
        db.execute("UPDATE run SET note = 'in the log'")
        db.commit()
        assert cli("merge", THEIRS).code == 0
    assert rows_of("run")[0]["note"] == "in the log"


def test_a_merge_that_is_broken_off_leaves_whole_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    place_store()
    change("UPDATE run SET name = 'x'", path=OURS)
    assert (
        cli(
            "simulate",
            "short.yaml",
            "--model",
            "scripted",
            "--run-id",
            "b",
            "--until",
            "dialogue",
            "--store",
            f"sqlite:///{THEIRS}",
        ).code
        == 0
    )
    before, put = contents(), merging.put

    def broken(session: object, table: type, rows: object) -> None:
        if table.__name__ == "TurnRow":
            raise KeyboardInterrupt
        put(session, table, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(merging, "put", broken)
    assert cli("merge", THEIRS).code == 130
    assert contents() == before
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("other", "message"),
    [("none.db", "there is no store at none.db"), (OURS, "is the store itself"), ("notes.txt", "cannot be read")],
)
def test_what_is_no_other_store_is_told(other: str, message: str) -> None:
    place_store()
    Path("notes.txt").write_text("notes " * 400)
    done = cli("merge", other)
    assert done.code in (2, 5)
    assert message in done.err
    assert Path(OURS).read_bytes() == tiny_store()
    assert json.dumps(done.out) == '""'
