"""Suites and evaluations in the store: written once, in order, deleted with their run, checked row by row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.domain import Status
from culturepark.errors import StoreError, UsageError
from culturepark.ids import kind_of
from culturepark.store import evaluations, runs
from culturepark.store.integrity import Checkup
from culturepark.store.names import sound_name
from culturepark.store.store import Store
from culturepark.store.tables import ScoreRow
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli
from tests.support.evaluations import DEFINITION, ITEMS, a_figure, a_score, an_answer, put_evaluation, rows_of

OF_EVALUATIONS = ("suite", "item", "evaluation", "answer", "score", "figure")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{path}")
    yield opened
    opened.close()


def counts(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in OF_EVALUATIONS]


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


# --- suites ----------------------------------------------------------------------------------------


def test_a_suite_is_known_by_what_it_holds(store: Store, path: Path) -> None:
    suite_id = evaluations.put_suite(store, "guests", DEFINITION, ITEMS)
    row = evaluations.suite_row(store, suite_id)
    assert row is not None
    assert suite_id == f"guests-{row.digest[:8]}"
    spelled = json.dumps(json.loads(DEFINITION), indent=2, sort_keys=True)
    assert evaluations.put_suite(store, "guests", spelled, ITEMS) == suite_id
    assert counts(path)[:2] == [1, 3]
    other_target = (*ITEMS[:2], (*ITEMS[2][:3], "2", None))
    others = {
        evaluations.put_suite(store, "guests", DEFINITION, other_target),
        evaluations.put_suite(store, "guests", DEFINITION, ITEMS[::-1]),
        evaluations.put_suite(store, "guests", '{"title": "Hosts"}', ITEMS),
        suite_id,
    }
    assert len(others) == 4


def test_items_keep_their_order_and_what_they_hold(store: Store) -> None:
    many = tuple((f"k{number}", "en", '{"question": "?"}', "null", None) for number in range(1, 13))
    rows = evaluations.item_rows(store, evaluations.put_suite(store, "many", "{}", many))
    assert [row.key for row in rows] == [item[0] for item in many]
    assert [row.id.rpartition(".")[2] for row in rows] == [f"i{number}" for number in range(1, 13)]
    assert {kind_of(row.id) for row in rows} == {"item"}
    assert json.loads(rows[0].target) is None


@pytest.mark.parametrize("name", ["", "Guests", "a.b", "../x", "a" * 81])
def test_what_cannot_be_a_suites_name_is_told(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a suite's name"):
        evaluations.put_suite(store, name, DEFINITION, ITEMS)


def test_two_suites_whose_digests_begin_alike_are_not_one(store: Store, path: Path) -> None:
    suite_id = evaluations.put_suite(store, "guests", DEFINITION, ITEMS)
    change(path, "UPDATE suite SET digest = substr(digest, 1, 8) || 'no'")
    with pytest.raises(UsageError, match=f"another suite of the id {suite_id}"):
        evaluations.put_suite(store, "guests", DEFINITION, ITEMS)


# --- evaluations -----------------------------------------------------------------------------------


def test_an_evaluation_is_a_run_and_has_its_status(store: Store) -> None:
    suite_id = put_evaluation(store, "e7f3a9")
    assert (store.run("e7f3").id, store.run("last").id) == ("e7f3a9", "e7f3a9")
    for status in (Status.RUNNING, Status.STOPPED, Status.DONE):
        store.set_run("e7f3a9", status, None)
        row, run = evaluations.evaluation_of(store, "e7f3a9"), store.run("e7f3a9")
        assert row is not None
        assert (row.status, row.finished_at) == (run.status, run.finished_at) == (status, run.finished_at)
    evaluations.set_evaluation(store, "e7f3a9", Status.FAILED, "2030-01-01")
    row, run = evaluations.evaluation_of(store, "e7f3a9"), store.run("e7f3a9")
    assert row is not None
    assert (row.status, row.finished_at) == (run.status, run.finished_at) == ("failed", "2030-01-01")
    assert row.suite_id == suite_id
    assert evaluations.evaluation_of(store, "other") is None
    assert not [*Checkup(store.database).problems()]


def test_evaluations_are_listed_the_newest_first(store: Store, path: Path) -> None:
    for number in (1, 2, 3):
        put_evaluation(store, f"e00000{number}")
    change(path, "UPDATE evaluation SET created_at = '2020' || id")
    assert [row.id for row in evaluations.evaluations(store)] == ["e000003", "e000002", "e000001"]


def test_an_evaluation_that_cannot_be_written_leaves_no_run(store: Store) -> None:
    with pytest.raises(StoreError, match="the suite guests-00000000 is gone"):
        evaluations.create_evaluation(store, *rows_of("e1", "guests-00000000"))
    assert store.find_run("e1") is None
    suite_id = put_evaluation(store, "e1")
    with pytest.raises(UsageError, match="a run e1 exists already"):
        evaluations.create_evaluation(store, *rows_of("e1", suite_id))
    row, run = rows_of("e2", suite_id)
    run.id = "e3"
    with pytest.raises(ValueError, match="one id"):
        evaluations.create_evaluation(store, row, run)


def test_a_new_id_is_no_runs_id_and_no_runs_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_evaluation(store, "e000001")
    given = iter(["000001", "000002"])
    monkeypatch.setattr(evaluations.secrets, "token_hex", lambda _: next(given))
    assert evaluations.free_evaluation_id(store) == "e000002"
    with pytest.raises(UsageError, match="cannot be a name"):
        sound_name("e000002")
    assert sound_name("e00000g") == "e00000g"


# --- answers, scores, figures ----------------------------------------------------------------------


def test_answers_come_in_the_order_of_their_numbers_and_are_written_once(store: Store) -> None:
    suite_id = evaluations.put_suite(store, "guests", DEFINITION, ITEMS)
    evaluations.create_evaluation(store, *rows_of("e1", suite_id))
    for number in (10, 2, 1):
        evaluations.add_answer(store, an_answer("e1", suite_id, number, item_id=f"{suite_id}.i1"))
    evaluations.add_answer(store, an_answer("e1", suite_id, 2, text="Another."))
    assert [row.id for row in evaluations.answers(store, "e1")] == ["e1.a1", "e1.a2", "e1.a10"]
    assert evaluations.answer_ids(store, "e1") == {"e1.a1", "e1.a2", "e1.a10"}
    assert {row.text for row in evaluations.answers(store, "e1")} == {"B"}
    assert {kind_of(row.id) for row in evaluations.answers(store, "e1")} == {"answer"}


def test_an_answer_keeps_what_is_missing_and_what_is_odd(store: Store) -> None:
    suite_id = evaluations.put_suite(store, "guests", DEFINITION, ITEMS)
    evaluations.create_evaluation(store, *rows_of("e1", suite_id))
    nothing = dict.fromkeys(("shown", "choice", "probabilities", "outside_mass", "culture", "country"))
    evaluations.add_answer(store, an_answer("e1", suite_id, 1, text="a\0b\ud800", abstained=True, **nothing))
    (row,) = evaluations.answers(store, "e1")
    assert row.text == "a\ufffdb\ufffd"
    assert [getattr(row, name) for name in nothing] == [None] * len(nothing)
    assert (row.abstained, row.reasoning) == (True, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"framing": "stranger"}, "framing is 'stranger'"),
        ({"probabilities": '{"1": 1.5}'}, "1.5 of '1' is no probability"),
        ({"probabilities": '{"1": "much"}'}, "much of '1' is no probability"),
        ({"outside_mass": -0.1}, "outside_mass is -0.1"),
        ({"outside_mass": float("nan")}, "outside_mass is nan"),
        ({"shown": "{}"}, "shown holds JSON of another kind"),
    ],
)
def test_an_answer_that_could_not_be_read_is_not_written(
    store: Store, changes: dict[str, object], message: str
) -> None:
    suite_id = put_evaluation(store, "e1")
    with pytest.raises(StoreError, match=message):
        evaluations.add_answer(store, an_answer("e1", suite_id, 99, **changes))
    assert "e1.a99" not in evaluations.answer_ids(store, "e1")


def test_scores_are_numbered_below_their_answers_and_replaced_by_scorer_and_judge(store: Store) -> None:
    put_evaluation(store, "e1")
    given = [a_score("e1.a1", "warmth", value, judge) for judge, value in (("person:anna", 4.0), ("person:bert", 2.0))]
    evaluations.add_scores(store, given)
    assert [(row.id, row.scorer) for row in evaluations.scores(store, "e1")] == [
        ("e1.a1.s1", "choice"), ("e1.a1.s2", "warmth"), ("e1.a1.s3", "warmth"), ("e1.a2.s1", "choice"),
        ("e1.a3.s1", "choice"),
    ]  # fmt: skip
    evaluations.add_scores(store, [ScoreRow(id="e1.a1.s3", answer_id="e1.a1", scorer="warmth", value=1.0)])
    again = [a_score(f"e1.a{number}", value=0.0) for number in (1, 2, 3)]
    evaluations.replace_scores(store, "e1", "choice", again)
    assert [(row.id, row.value) for row in evaluations.scores(store, "e1", "choice")] == [
        ("e1.a1.s1", 0.0), ("e1.a2.s1", 0.0), ("e1.a3.s1", 0.0),
    ]  # fmt: skip
    new = [a_score("e1.a1", "warmth", 5.0, "person:anna")]
    evaluations.replace_scores(store, "e1", "warmth", new, judge="person:anna")
    warmth = {row.judge: row.value for row in evaluations.scores(store, "e1", "warmth")}
    assert warmth == {"person:anna": 5.0, "person:bert": 2.0}
    with pytest.raises(ValueError, match="does not belong"):
        evaluations.replace_scores(store, "e1", "choice", new)
    assert {kind_of(row.id) for row in evaluations.scores(store, "e1")} == {"score"}


def test_figures_replace_those_before_and_an_unknown_one_is_null(store: Store) -> None:
    put_evaluation(store, "e1")
    put_evaluation(store, "e12")
    evaluations.set_figures(store, "e1", [a_figure(f"m{number}", None) for number in range(11)])
    assert [(row.id, row.metric, row.value) for row in evaluations.figures(store, "e1")] == [
        (f"e1.f{number + 1}", f"m{number}", None) for number in range(11)
    ]
    assert {kind_of(row.id) for row in evaluations.figures(store, "e12")} == {"figure"}
    with pytest.raises(StoreError, match="skill is inf"):
        evaluations.set_figures(store, "e1", [a_figure("m").model_copy(update={"skill": float("inf")})])
    assert len(evaluations.figures(store, "e1")) == 11


# --- deleting --------------------------------------------------------------------------------------


def test_a_suite_goes_with_the_last_evaluation_that_uses_it(store: Store, path: Path) -> None:
    for evaluation_id in ("e1", "e12"):
        put_evaluation(store, evaluation_id)
    put_evaluation(store, "other", ITEMS[:1])
    rating = a_score("e1.a1", "warmth", 3.0, "person:anna")
    evaluations.add_scores(store, [rating, a_score("e12.a1", "warmth", 3.0, "openai:judge")])
    told = runs.hanging(store, "e1")
    assert (told.answers, told.calls, told.ratings) == (3, 1, {"anna": 1})
    store.delete_run("e1")
    assert counts(path) == [2, 4, 2, 4, 5, 4]
    store.delete_run("e12")
    assert counts(path) == [1, 1, 1, 1, 1, 2]
    store.delete_run("other")
    assert counts(path) == [0] * 6
    assert not [*Checkup(store.database).problems()]


# --- doctor ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE suite SET name = 'hosts'", "the id does not spell its name and digest"),
        ("UPDATE suite SET definition = '{}'", "definition and items are not what digest was taken of"),
        ("UPDATE suite SET definition = '['", "definition is no JSON"),
        ("UPDATE item SET target = '2' WHERE key = 'q3'", "definition and items are not what digest was taken of"),
        ("UPDATE item SET target = '1e999' WHERE key = 'q3'", "definition and items are not what digest was taken of"),
        ("UPDATE item SET id = 'x.i1' WHERE key = 'q1'", "the id does not spell its suite_id"),
        ("UPDATE item SET payload = '3' WHERE key = 'q1'", "payload holds JSON of another kind"),
        ("UPDATE evaluation SET status = 'failed'", "status is 'failed', and that of its run 'done'"),
        ("UPDATE evaluation SET status = 'odd'", "status is 'odd'"),
        ("UPDATE evaluation SET id = 'e9'", "its run is 'e1'; the two have one id"),
        ("DELETE FROM evaluation", "run 'e1': it has no evaluation"),
        ("UPDATE answer SET framing = 'odd'", "framing is 'odd'"),
        ("UPDATE answer SET probabilities = '{\"1\": NaN}'", "probabilities is no JSON"),
        ("UPDATE answer SET probabilities = '{\"1\": 1e999}'", "inf of '1' is no probability"),
        ("UPDATE answer SET outside_mass = 9e999", "outside_mass is inf"),
        ("UPDATE answer SET choice = 7", "choice is 7, which was not shown"),
        ("UPDATE answer SET id = 'e2.a1' WHERE id = 'e1.a1'", "the id does not spell its evaluation_id"),
        ("UPDATE answer SET item_id = 'gone.i1'", "answer row 1 points at a missing item"),
        ("UPDATE answer SET item_id = 'gone.i1'", "answers 'gone.i1', which is not of its evaluation's suite"),
        ("UPDATE score SET value = 'good'", "value is str, not float"),
        ("UPDATE score SET detail = 'null'", "detail holds JSON of another kind"),
        ("UPDATE score SET id = 'e1.a1.x1' WHERE id = 'e1.a1.s1'", "the id does not spell its answer_id"),
        ("DELETE FROM answer", "score row 1 points at a missing answer"),
        ("UPDATE figure SET low = -9e999", "low is -inf"),
        ("UPDATE figure SET n = 'few'", "n is str, not int"),
        ("UPDATE figure SET id = 'e1.f1.f2' WHERE id = 'e1.f1'", "the id does not spell its evaluation_id"),
        ("DELETE FROM call_log", "points at a missing call"),
    ],
)
def test_doctor_names_each_damaged_row(store: Store, path: Path, damage: str, problem: str) -> None:
    put_evaluation(store, "e1")
    assert not [*Checkup(store.database).problems()]
    change(path, damage)
    assert any(problem in found for found in Checkup(store.database).problems())


def test_a_run_that_evaluates_nothing_can_have_no_evaluation(store: Store, path: Path) -> None:
    suite_id = put_evaluation(store, "e1")
    row, run = rows_of("e2", suite_id)
    run.scenario = run.scenario.replace('"protocol":"evaluation"', '"protocol":"people"')
    with pytest.raises(ValueError, match="protocol people evaluates nothing"):
        evaluations.create_evaluation(store, row, run)


def test_a_damaged_answer_is_named_where_it_is_read(store: Store, path: Path) -> None:
    put_evaluation(store, "e1")
    change(path, "UPDATE answer SET probabilities = '{\"1\": 2}' WHERE id = 'e1.a2'")
    with pytest.raises(StoreError, match=r"answer 'e1\.a2' is damaged: probabilities: 2 of '1' is no probability"):
        evaluations.answers(store, "e1")


# --- commands --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("away")
def test_commands_of_runs_take_an_evaluation_or_say_why_not() -> None:
    store = Store("sqlite:///runs/culturepark.db")
    put_evaluation(store, "e7f3a9")
    store.close()
    assert [run["run"] for run in cli("runs", "--json").json] == ["e7f3a9"]
    assert cli("runs", "--rename", "e7f3a9", "first").code == 0
    assert [call["id"] for call in cli("calls", "first", "--json").json] == ["e7f3a9.c1"]
    assert cli("calls", "first.a1").code == 0
    done = cli("distill", "first", "--from", "verify")
    assert done.code == 2
    assert "e7f3a9 evaluated a model (`culturepark evaluate`), and holds no dialogues" in done.err
    done = cli("runs", "--delete", "first", "--yes")
    assert "1 call, 3 answers and 0 reviews" in done.err
    assert cli("doctor", "--model", "scripted").code == 0
    assert sum(counts(Path("runs/culturepark.db"))) == 0
