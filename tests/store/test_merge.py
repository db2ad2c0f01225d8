"""Runs of another store: taken whole, once, and never from what is damaged or somebody else's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.store import evaluations
from culturepark.store import merge as merging
from culturepark.store.store import Store
from tests.cli.test_cli import away as away  # autouse
from tests.cli.test_cli import cli, counts, dump, kept_sample, place_store, rows_of, tiny_store
from tests.store.test_old_schemas import SCHEMAS
from tests.support.evaluations import ITEMS, a_score, put_evaluation

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
        ("UPDATE call_log SET request = '{', pieces = '' WHERE id IN (SELECT max(id) FROM call)", "request is no JSON"),
        ("UPDATE run SET scenario = scenario || ' '", "scenario is not what scenario_digest"),
        ("UPDATE sample SET id = 'mine.d1.t2.s1.x1' WHERE id IN (SELECT min(id) FROM sample)", "does not spell its"),
        ("DELETE FROM call_log", "points at a missing call"),
        ("UPDATE run SET id = 'a/../b'", "cannot be the id of a run"),
        ("UPDATE statement SET persona_key = 'nobody'", "knows no persona 'nobody'"),
        ("CREATE TRIGGER t AFTER UPDATE ON run BEGIN DELETE FROM call_log; END", "has a trigger 't'"),
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
            change(f"DELETE FROM {'call_log' if table == 'call' else table}", path=OURS)
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


# --- evaluations -----------------------------------------------------------------------------------

OF_EVALUATIONS = ("suite", "item", "evaluation", "answer", "score", "figure")


def evaluated(path: str, *evaluation_ids: str) -> None:
    """Put evaluations of one suite into a store."""
    store = Store(f"sqlite:///{path}")
    for evaluation_id in evaluation_ids:
        put_evaluation(store, evaluation_id)
    store.close()


def rated(path: str, answer_id: str, person: str, value: float = 4.0) -> None:
    store = Store(f"sqlite:///{path}")
    evaluations.add_scores(store, [a_score(answer_id, "warmth", value, f"person:{person}")])
    store.close()


def outcomes() -> dict[str, tuple[str, int]]:
    return {run["run"]: (run["outcome"], run["answers"]) for run in cli("merge", THEIRS, "--json").json["runs"]}


def test_an_evaluation_comes_with_its_suite_which_is_shared() -> None:
    evaluated(THEIRS, "e1", "e2")
    dry = cli("merge", THEIRS, "--run", "e1", "--dry-run", "--json").json["runs"]
    assert [(run["outcome"], run["answers"]) for run in dry] == [("added", 3)]
    assert cli("merge", THEIRS, "--run", "e1").code == 0
    assert [counts(OURS)[table] for table in OF_EVALUATIONS] == [1, 3, 1, 3, 3, 2]
    change("UPDATE suite SET created_at = '1999-01-01'", path=OURS)
    assert outcomes() == {"a": ("added", 0), "e1": ("same", 0), "e2": ("added", 3)}
    ours, theirs = contents(), contents(THEIRS)
    assert [row.pop("created_at") for row in ours["suite"]] == ["1999-01-01"]
    assert [row.pop("id") for row in theirs["suite"]] == [row.pop("id") for row in ours["suite"]]
    assert [ours[table] for table in OF_EVALUATIONS[1:]] == [theirs[table] for table in OF_EVALUATIONS[1:]]
    assert cli("doctor").code == 0


def test_answers_and_ratings_that_are_newer_are_taken_and_none_is_lost() -> None:
    evaluated(THEIRS, "e1")
    shutil.copy(THEIRS, "early.db")
    for sql in ("DELETE FROM score", "DELETE FROM figure", "DELETE FROM answer WHERE id = 'e1.a3'"):
        change(sql, path="early.db")
    for table in ("run", "evaluation"):
        change(f"UPDATE {table} SET status = 'stopped', finished_at = '2000-01-01' WHERE id = 'e1'", path="early.db")
    assert cli("merge", "early.db").code == 0
    assert cli("doctor").code == 0
    assert outcomes()["e1"] == ("updated", 3)
    assert contents()["evaluation"] == contents(THEIRS)["evaluation"]
    rated(OURS, "e1.a1", "anna")
    whole = contents()
    assert outcomes()["e1"] == ("same", 0)
    assert contents() == whole
    rated(THEIRS, "e1.a1", "anna", 1.0)
    assert outcome_of("e1") == ("refused", "the run e1 has other words here: score e1.a1.s2")
    change("DELETE FROM score WHERE judge IS NOT NULL")
    rated(THEIRS, "e1.a2", "bert")
    assert outcome_of("e1") == (
        "refused",
        "e1 was carried on in both stores: there score e1.a2.s2; here score e1.a1.s2",
    )
    assert contents() == whole
    change("DELETE FROM score WHERE judge IS NOT NULL", path=OURS)
    assert outcome_of("e1") == ("updated", None)
    assert [row["judge"] for row in rows_of("score") if row["judge"]] == ["person:bert"]


def outcome_of(run_id: str) -> tuple[str, str | None]:
    (run,) = cli("merge", THEIRS, "--run", run_id, "--json").json["runs"]
    return run["outcome"], run["why"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE item SET target = '2' WHERE key = 'q3'", "definition and items are not what digest was taken of"),
        ("UPDATE item SET payload = '{' WHERE key = 'q1'", "payload is no JSON"),
        ("DELETE FROM item WHERE key = 'q1'", "definition and items are not what digest was taken of"),
        ("UPDATE suite SET id = 'mine-00000000'", "points at a missing suite"),
        ("UPDATE answer SET item_id = 'mine.i1' WHERE id = 'e1.a1'", "not of its evaluation's suite"),
        ("UPDATE answer SET probabilities = '{\"1\": 1e999}'", "is no probability"),
        ("UPDATE answer SET call_id = 'a.d1.t2.c1'", "points at a missing call"),
        ("UPDATE score SET id = 'a.a1.s1', answer_id = 'a.a1' WHERE id = 'e1.a1.s1'", ""),
        ("UPDATE figure SET skill = 9e999", "skill is inf"),
        ("UPDATE evaluation SET status = 'running'", "that of its run 'done'"),
        ("DELETE FROM evaluation", "points at a missing"),
    ],
)
def test_a_damaged_evaluation_is_refused_and_leaves_ours_as_it_is(damage: str, message: str) -> None:
    place_store()
    evaluated(THEIRS, "e1")
    change(damage)
    before = contents()
    done = cli("merge", THEIRS, "--run", "e1")
    if not message:  # a row below another run is no part of this one
        assert done.code == 0
        assert not [row for row in rows_of("score") if row["answer_id"] == "a.a1"]
        return
    assert (done.code, done.out) == (5, "e1\trefused\t0\t0\n")
    assert message in done.err
    assert contents() == before


def test_a_run_that_should_evaluate_and_does_not_is_refused() -> None:
    evaluated(THEIRS, "e1")
    for table in ("score", "answer", "figure", "evaluation"):
        change(f"DELETE FROM {table}")
    assert outcome_of("e1") == ("refused", "run 'e1' is damaged: it has no evaluation")


def test_another_suite_of_the_same_id_is_refused() -> None:
    place_store()
    evaluated(THEIRS, "e1")
    (theirs,) = rows_of("suite", THEIRS)
    ours = Store(f"sqlite:///{OURS}")
    evaluations.put_suite(ours, "guests", '{"title": "Others"}', ITEMS)
    ours.close()
    with closing(sqlite3.connect(OURS)) as db, db:  # its digest begins like theirs
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("UPDATE item SET id = replace(id, suite_id, ?), suite_id = ?", (theirs["id"], theirs["id"]))
        db.execute("UPDATE suite SET id = ?", (theirs["id"],))
    before = contents()
    assert outcome_of("e1") == ("refused", f"the suite {theirs['id']} of this store is another one")
    assert contents() == before
