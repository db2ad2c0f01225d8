"""What reviewers say of turns, statements and samples, and what follows from it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from culturepark.cli.trace_text import statement_lines, talk_lines
from culturepark.distill.review_outcome import Outcome, outcome, standing
from culturepark.domain import Review
from culturepark.errors import StoreError, UsageError
from culturepark.export.formats import FORMATS, line, multi_turn, problem
from culturepark.models.thoughts import unfit
from culturepark.stats.reviews import review_counts
from culturepark.stats.text import stats_lines
from culturepark.store import lineage, reviews
from culturepark.store.dialogue_view import Scenes
from culturepark.store.integrity import Checkup
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from culturepark.store.tables import DuplicateRow, ReviewRow, SampleRow
from tests.cli.test_cli import away, cli, rows_of  # noqa: F401 - `away` is used by the tests that export
from tests.export.test_export import export, lines
from tests.export.test_preference import asked
from tests.support.fakes import ELIF, JENNA, FakeModel, Held, answering, edition, hold, hold_said, judged, proposals
from tests.support.trials import ended, fork

URL = "sqlite:///runs/culturepark.db"
HOSTILE = [
    "\u202eright to left\u202c \u2066and isolated",
    "one\u2028two\u2029three\u0085four\nfive\r\nsix",
    'quotes " and \\ and {"messages": []} and <|im_start|>system',
    "\x1b[2J\x1b]0;title\x07 and \ud7ff \uffff \U0010ffff",
    "ع" * 4000,
    "| `a` | **b** | [c](http://d) |",
]


# --- what follows from reviews: no store -----------------------------------------------------------


def said(reviewer: str, decision: str = "comment", at: int = 0, wording: str | None = None, **more: Any) -> Review:
    values = {"id": f"{reviewer}{at}", "subject_id": "s", "created_at": f"{at:03}", "note": "because", **more}
    return Review(reviewer=reviewer, decision=decision, wording=wording, **values)  # type: ignore[arg-type]


A, R, C = "accept", "reject", "comment"


@pytest.mark.parametrize(
    ("sample", "statement", "turn", "rejected"),
    [
        ([], [], [], False),
        ([said("ann", C)], [], [], False),
        ([said("ann", A)], [], [], False),
        ([said("ann", R)], [], [], True),
        ([], [said("ann", R)], [], True),
        ([], [], [said("ann", R)], True),
        ([said("ann", A)], [said("ann", R)], [said("ann", R)], False),
        ([], [said("ann", A)], [said("ann", R)], False),
        ([said("ann", C)], [], [said("ann", R)], True),  # a comment decides nothing
        ([said("ann", R), said("ben", A)], [], [], True),  # a tie
        ([said("ann", R), said("ben", A), said("cem", A)], [], [], False),
        ([said("ann", R), said("ben", A)], [said("cem", A), said("ann", A)], [said("ben", R)], False),
        ([said("ann", R), said("ben", A)], [said("cem", A)], [said("dee", R)], True),
    ],
)
def test_each_reviewers_most_specific_decision_counts_and_a_doubt_is_enough(
    sample: list[Review], statement: list[Review], turn: list[Review], rejected: bool
) -> None:
    assert outcome([sample, statement, turn]) == Outcome(rejected)


@pytest.mark.parametrize(
    ("sample", "statement", "wording"),
    [
        ([said("ann", A, 1, "x")], [], "x"),
        ([said("ann", C, 1, "x"), said("ben", A, 2, "y")], [], "y"),
        ([said("ann", C, 1, "x")], [said("ben", A, 2, "y")], "x"),
        ([said("ann", C, 1)], [said("ben", A, 2, "y")], "y"),
        ([said("ann", R, 1, "x")], [], None),
        ([said("ann", R, 1, "x"), said("ben", A, 0, "y"), said("cem", A, 0)], [], "y"),
        ([said("ann", R, 2)], [said("ann", A, 1, "x"), said("ben", C, 0, "y")], "y"),
    ],
)
def test_the_wording_is_the_newest_of_those_who_do_not_reject(
    sample: list[Review], statement: list[Review], wording: str | None
) -> None:
    found = outcome([sample, statement, []]).wording
    assert (found and found.wording) == wording


def test_the_newest_that_was_not_withdrawn_is_a_reviewers_whole_judgement() -> None:
    given = [said("ann", A, 1, "x"), said("ben", A, 2), said("ann", R, 3), said("ann", C, 4, "y", withdrawn_at="9")]
    assert [(r.reviewer, r.decision, r.wording) for r in standing(given)] == [("ben", A, None), ("ann", R, None)]


def test_figures_of_agreement_are_those_computed_by_hand() -> None:
    # Accept or reject of four subjects; Cem has judged one of them, and with that one Ann and Ben differ.
    ann, ben, cem = [A, A, R, R], [A, A, R, A], [None, None, None, R]
    rated = {"ann": [5, 4, 1, 2], "ben": [5, 4, 1, 4], "cem": [None, None, None, None]}
    given = {
        f"s{i}": [
            said(name, decisions[i], i, subject_id=f"s{i}", rating=rated[name][i])
            for name, decisions in (("ann", ann), ("ben", ben), ("cem", cem))
            if decisions[i]
        ]
        for i in range(4)
    }
    found = review_counts(given).as_json()
    assert (found["total"], found["subjects"], found["by_reviewer"]) == (9, 4, {"ann": 4, "ben": 4, "cem": 1})
    assert found["by_decision"] == {"accept": 5, "reject": 4}
    decisions = found["agreement"]["decisions"]
    # Nine judgements, five and four: by chance 40 of 72 ordered pairs differ; of those within a subject (each weighted
    # by one over the others on it) 4 / 2 of 9. 1 - (2 / 9) / (40 / 72).
    assert decisions["krippendorff_alpha"] == 0.6
    assert decisions["subjects"] == 4
    # Ann and Ben: three of four the same; by chance .5 * .75 + .5 * .25. With Cem each shares one subject.
    assert decisions["pairs"] == [
        {"reviewers": ["ann", "ben"], "cohen_kappa": 0.5, "subjects": 4},
        {"reviewers": ["ann", "cem"], "cohen_kappa": None, "subjects": 1},
        {"reviewers": ["ben", "cem"], "cohen_kappa": None, "subjects": 1},
    ]
    ratings = found["agreement"]["ratings"]
    # Of 1 1 2 4 4 4 5 5 the middle ranks are 1, 2.5, 4.5 and 7. Within subjects only 2 and 4 differ, by two ranks:
    # 2 * 4 / 8. By chance 2 * (2 * 1.5² + 6 * 3.5² + 4 * 6² + 3 * 2² + 2 * 4.5² + 6 * 2.5²) / 56 = 624 / 56.
    assert ratings["krippendorff_alpha"] == round(1 - 56 / 624, 3)
    # Quadratic weights: 4 within four pairs, against 80 within sixteen.
    assert ratings["pairs"] == [{"reviewers": ["ann", "ben"], "cohen_kappa": 0.8, "subjects": 4}]


@pytest.mark.parametrize(
    ("given", "alpha"),
    [
        ({}, "nobody"),
        ({"s1": [said("ann", A)], "s2": [said("ann", R)]}, "nobody"),
        ({"s1": [said("ann", A)], "s2": [said("ben", R)]}, None),
        ({"s1": [said("ann", A), said("ben", R)]}, None),
        ({"s1": [said("ann", A), said("ben", A)], "s2": [said("ann", A), said("ben", A)]}, None),
        ({"s1": [said("ann", C), said("ben", C)], "s2": [said("ann", A), said("ben", C)]}, None),
        ({"s1": [said("ann", A), said("ben", A)], "s2": [said("ann", R), said("ben", R)]}, 1.0),
    ],
)
def test_where_agreement_cannot_be_told_it_is_null(given: dict[str, list[Review]], alpha: object) -> None:
    named = {name: [one.model_copy(update={"subject_id": name}) for one in some] for name, some in given.items()}
    found = review_counts(named).as_json()["agreement"]
    if alpha == "nobody":
        assert found is None
        return
    assert found["decisions"]["krippendorff_alpha"] == alpha
    assert all(pair["cohen_kappa"] == alpha for pair in found["decisions"]["pairs"])
    assert found["ratings"] == {"krippendorff_alpha": None, "subjects": 0, "pairs": []}


# --- the store -------------------------------------------------------------------------------------

TEA, BREAD = "We offer tea to every guest at once.", "I think old people should be served first."


def talk(folder: Path) -> Held:
    """One turn with a norm (one sample) and an opinion (two samples), all kept."""
    found = proposals((2, "norm", TEA), (2, "opinion", BREAD))
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    return hold_said(folder, [(JENNA, "How is it at your home?"), (ELIF, f"{TEA} {BREAD}")], model)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return talk(tmp_path)


NORM, SURVEY, OPEN = "held.d1.t2.s1.x1", "held.d1.t2.s2.x1", "held.d1.t2.s2.x2"
TURN, OPINION = "held.d1.t2", "held.d1.t2.s2"


def statuses(held: Held) -> dict[str, tuple[str, str | None]]:
    return {row.id: (row.status, row.drop_reason) for row in held.rows(SampleRow)}


KEPT, REJECTED = ("kept", None), ("rejected", "review")


def test_an_undone_review_lets_the_one_before_it_count_again(held: Held) -> None:
    ann = Reviews(held.store, "Ann")
    steps = [ann.add(NORM, "accept", rating=4), ann.add(NORM, "reject", note="no"), ann.add(SURVEY, "reject")]
    assert statuses(held) == {NORM: REJECTED, SURVEY: REJECTED, OPEN: KEPT}
    assert ann.standing(NORM) == steps[1]
    found = []
    while taken := ann.undo():
        found.append((taken.id, taken.withdrawn_at is not None, statuses(held)[NORM], statuses(held)[SURVEY]))
    assert found == [
        (steps[2].id, True, REJECTED, KEPT),
        (steps[1].id, True, KEPT, KEPT),
        (steps[0].id, True, KEPT, KEPT),
    ]
    assert ann.standing(NORM) is None
    assert len(held.rows(ReviewRow)) == 3  # nothing is deleted
    assert all(re.fullmatch(rf"{row.subject_id}\.r[0-9a-f]{{8}}", row.id) for row in held.rows(ReviewRow))


def test_two_reviewers_are_kept_apart(held: Held) -> None:
    ann, ben, cem = (Reviews(held.store, name) for name in ("Ann", " Ben ", "Cem"))
    mine = ann.add(NORM, "reject")
    assert statuses(held)[NORM] == REJECTED
    other = ben.add(NORM, "accept", rating=5)
    assert statuses(held)[NORM] == REJECTED
    cem.add(NORM, "accept")
    assert statuses(held)[NORM] == KEPT
    assert (ann.standing(NORM), ben.standing(NORM), other.reviewer) == (mine, other, "Ben")
    taken = ben.undo()
    assert taken is not None
    assert (taken.id, ben.undo()) == (other.id, None)
    assert statuses(held)[NORM] == REJECTED
    assert Reviews(held.store, "Dee").undo() is None


def test_a_rejected_turn_takes_its_samples_along_but_for_those_its_reviewer_accepts(held: Held) -> None:
    ann = Reviews(held.store, "Ann")
    ann.add(TURN, "reject")
    assert set(statuses(held).values()) == {REJECTED}
    ann.add(OPINION, "accept")
    assert statuses(held) == {NORM: REJECTED, SURVEY: KEPT, OPEN: KEPT}
    ann.add(OPEN, "reject")
    assert statuses(held) == {NORM: REJECTED, SURVEY: KEPT, OPEN: REJECTED}


def test_what_is_dropped_for_another_reason_stays_as_it_is(held: Held) -> None:
    change(held, "UPDATE sample SET status = 'dropped', drop_reason = 'duplicate' WHERE id = ?", NORM)
    ann = Reviews(held.store, "Ann")
    for decision in ("reject", "accept"):
        ann.add(NORM, decision)
        assert statuses(held)[NORM] == ("dropped", "duplicate")


def test_distilling_again_respects_what_stands(held: Held) -> None:
    ann = Reviews(held.store, "Ann")
    ann.add(NORM, "reject")
    ann.add(OPINION, "reject")
    ann.undo()
    held.carry_on()
    assert statuses(held) == {NORM: REJECTED, SURVEY: KEPT, OPEN: KEPT}
    assert held.stats()["samples"]["dropped"] == {"review": 1}
    ann.undo()
    assert set(statuses(held).values()) == {KEPT}
    ann.add(TURN, "reject")
    held.store.set_plan("held", json.loads(held.row.settings), held.row.models, extract=True)
    held.carry_on()
    found = statuses(held)
    assert {found.pop(name) for name in (NORM, SURVEY, OPEN)} == {("dropped", "superseded")}
    assert list(found.values()) == [REJECTED] * 3  # new samples of the same words


@pytest.mark.torture
def test_distill_on_the_command_line_keeps_what_is_rejected_out(store: Store) -> None:
    ann = Reviews(store, "Ann")
    stand_for_others = {row["representative_id"] for row in rows_of("duplicate")}
    gone = min(name for name in kept_ids() if name.rpartition(".")[0] not in stand_for_others)
    ann.add(gone, "reject")
    before = rows_of("sample")
    assert cli("distill", "a", "--from", "dedup").code == 0
    assert rows_of("sample") == before
    assert cli("distill", "a", "--from", "verify").code == 0
    assert next(row for row in rows_of("sample") if row["id"] == gone)["status"] == "rejected"
    ann.undo()
    assert gone in kept_ids()


def extracted_again(held: Held) -> list[str]:
    """What a watcher was told."""
    held.notes.clear()
    held.store.set_plan("held", json.loads(held.row.settings), held.row.models, extract=True)
    return held.carry_on().notes


def test_what_is_said_of_words_holds_as_long_as_the_words_are_the_same(held: Held) -> None:
    ann, ben = Reviews(held.store, "Ann"), Reviews(held.store, "Ben")
    ann.add(NORM, "reject")
    ann.add(OPINION, "accept", wording="I would say it so.")
    ben.add(OPEN, "reject")
    told = held.stats()["reviews"]
    notes = extracted_again(held)
    assert not [note for note in notes if "count no longer" in note]
    new = {one: f"{TURN}.{tail}" for one, tail in ((NORM, "s3.x1"), (SURVEY, "s4.x1"), (OPEN, "s4.x2"))}
    found = statuses(held)
    assert {found[name] for name in new} == {("dropped", "superseded")}
    assert {one: found[name] for one, name in new.items()} == {NORM: REJECTED, SURVEY: KEPT, OPEN: REJECTED}
    assert held.stats()["reviews"] == told
    standing_now = ann.standing(f"{TURN}.s4")
    assert standing_now is not None
    assert standing_now.wording == "I would say it so."
    scene = Scenes(held.store, "held").scene("held.d1")
    assert {subject: [row.reviewer for row in rows] for subject, rows in scene.reviews.items()} == {
        new[NORM]: ["Ann"],
        f"{TURN}.s4": ["Ann"],
        new[OPEN]: ["Ben"],
    }
    assert [r["standing"] for r in lineage.trace_statement(held.store, new[NORM]).as_json()["reviews"]] == [True]
    ann.add(new[NORM], "accept")  # a judgement of the same words, in place of the one before
    assert statuses(held)[new[NORM]] == KEPT
    ann.undo()
    assert statuses(held)[new[NORM]] == REJECTED
    while ann.undo():
        pass
    assert statuses(held)[new[NORM]] == KEPT
    assert statuses(held)[new[OPEN]] == REJECTED
    ben.undo()
    assert statuses(held)[new[OPEN]] == KEPT


def test_a_judgement_of_other_words_counts_no_longer_and_distilling_says_how_many(tmp_path: Path) -> None:
    held = talk(tmp_path)
    ann = Reviews(held.store, "Ann")
    ann.add(NORM, "reject")
    ann.add(OPINION, "reject")
    ann.add(OPEN, "reject")
    ann.add("held.d1.t1", "accept")
    change(held, "UPDATE statement SET first_person = 'In other words.' WHERE id = ?", OPINION)
    notes = extracted_again(held)
    assert [note for note in notes if "reviews that count no longer" in note and note.endswith(": 2")]
    assert [statuses(held)[f"{TURN}.{tail}"] for tail in ("s3.x1", "s4.x1", "s4.x2")] == [REJECTED, KEPT, KEPT]


SHOES = "In our house everyone takes off their shoes before they come in, and guests get slippers."
AGAIN = "In our house everyone takes off their shoes before they come in, and the guests get slippers."


@pytest.mark.parametrize("again", [AGAIN, SHOES])
def test_what_a_rejected_statement_stood_for_takes_its_place_but_not_with_the_same_words(
    tmp_path: Path, again: str
) -> None:
    found = proposals((2, "norm", SHOES), (4, "norm", AGAIN))
    for one, words in zip(found["statements"], (SHOES, again), strict=True):
        one["statement"] = one["first_person"] = words
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    held = hold_said(tmp_path, [(JENNA, "?"), (ELIF, SHOES), (JENNA, "And?"), (ELIF, AGAIN)], model)
    first, second = "held.d1.t2.s1.x1", "held.d1.t4.s1.x1"
    assert statuses(held) == {first: KEPT, second: ("dropped", "duplicate")}
    ann = Reviews(held.store, "Ann")
    ann.add(first, "reject", note="a slip")
    assert statuses(held) == {first: REJECTED, second: ("dropped", "duplicate")}
    held.carry_on()
    assert statuses(held) == {first: REJECTED, second: KEPT if again == AGAIN else ("dropped", "same-words")}
    assert held.rows(DuplicateRow) == []
    ann.undo()
    held.carry_on()
    assert statuses(held) == {first: KEPT, second: ("dropped", "duplicate")}


def test_a_statement_rejected_in_one_shape_does_not_stand_for_others_in_that_shape(tmp_path: Path) -> None:
    again = "I do think old people should be served first."
    found = proposals((2, "opinion", BREAD), (4, "opinion", again))
    for one, words in zip(found["statements"], (BREAD, again), strict=True):
        one["statement"] = one["first_person"] = words
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    held = hold_said(tmp_path, [(JENNA, "?"), (ELIF, BREAD), (JENNA, "And?"), (ELIF, again)], model)
    assert {row.statement_id for row in held.rows(DuplicateRow)} == {"held.d1.t4.s1"}
    Reviews(held.store, "Ann").add("held.d1.t2.s1.x1", "reject")
    held.carry_on()
    assert statuses(held)["held.d1.t4.s1.x1"] == KEPT


@pytest.mark.torture
def test_runs_whose_names_differ_in_case_alone_are_two(held: Held, tmp_path: Path) -> None:
    Reviews(held.store, "Ann").add(NORM, "reject")
    other = hold(tmp_path, edition(), FakeModel(), run_id="HELD")
    assert statuses(held)[NORM] == REJECTED
    assert {row.status for row in held.rows(SampleRow) if row.id.startswith("held.")} == {"kept", "rejected"}
    assert (held.stats()["reviews"]["total"], other.stats()["reviews"]["total"]) == (1, 0)


def test_quick_hands_and_clocks_that_are_set_back_lose_no_order(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(["2026-01-01T00:00:01.999Z", "2026-01-01T00:00:01.999Z", "2025-12-31T23:00:00.000Z"])
    monkeypatch.setattr(reviews, "now", lambda: next(times))
    ann = Reviews(held.store, "Ann")
    found = [
        ann.add(NORM, decision).created_at for decision in ("accept", "comment", "reject") if decision != "comment"
    ]
    found.append(ann.add(NORM, "accept", rating=1).created_at)
    assert found == ["2026-01-01T00:00:01.999Z", "2026-01-01T00:00:02.000Z", "2026-01-01T00:00:02.001Z"]
    standing_now = ann.standing(NORM)
    assert standing_now is not None
    assert standing_now.rating == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"rating": 0},
        {"rating": 6},
        {"rating": True},
        {"rating": "5"},
        {"wording": "a\0b"},
        {"note": "\ud800"},
        {"note": "x" * 4001},
        {"wording": "x" * 4001},
        {"decision": "maybe"},
        {"decision": "comment"},
        {"decision": "comment", "note": " \n", "wording": "\t"},
        {"subject_id": ""},
        {"subject_id": "held"},
        {"subject_id": "held.d1"},
        {"subject_id": "held.d1.t2.c1"},
        {"subject_id": "other.d1.t2"},
        {"subject_id": "held.d1.t2\0"},
        {"subject_id": "held_d1_t2"},
    ],
)
@pytest.mark.sampled
def test_whatever_cannot_be_kept_is_wrong_use(held: Held, bad: dict[str, Any]) -> None:
    given = {"subject_id": NORM, "decision": "accept"} | bad
    with pytest.raises(UsageError):
        Reviews(held.store, "Ann").add(given.pop("subject_id"), given.pop("decision"), **given)
    assert held.rows(ReviewRow) == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "\ud800", "\u200b"])
@pytest.mark.sampled
def test_a_name_that_cannot_be_told_from_others_is_wrong_use(held: Held, name: str) -> None:
    with pytest.raises(UsageError):
        Reviews(held.store, name)


@pytest.mark.parametrize(
    ("name", "kept_as"), [("র‍্যাবেয়া", None), ("李 小龙", None), ("Zoe\u0308", "Zoë"), (" O'Neil; -- ", "O'Neil; --")]
)
@pytest.mark.sampled
def test_names_of_all_scripts_can_review(held: Held, name: str, kept_as: str | None) -> None:
    assert Reviews(held.store, name).add(TURN, "accept").reviewer == (kept_as or name)


def change(held: Held, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(str(held.store.database.url.database))) as db, db:
        assert db.execute(statement, values).rowcount


# --- processes -------------------------------------------------------------------------------------


def test_a_review_outlives_the_process_that_gave_it(held: Held, tmp_path: Path) -> None:
    def work() -> int:
        ann = Reviews(Store(f"sqlite:///{held.store.database.url.database}"), "Ann")
        ann.add(NORM, "reject", wording="Better.", note="so")
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert ended(fork(work, tmp_path / "log")) == -signal.SIGKILL
    (row,) = held.rows(ReviewRow)
    assert (row.decision, row.wording, row.note, statuses(held)[NORM]) == ("reject", "Better.", "so", REJECTED)


@pytest.mark.torture
def test_reviewers_may_be_at_work_at_the_same_time(held: Held, tmp_path: Path) -> None:
    def work(name: str) -> int:
        mine = Reviews(Store(f"sqlite:///{held.store.database.url.database}"), name)
        for number in range(10):
            mine.add(NORM, "reject" if number % 2 else "accept", rating=1 + number % 5)
            mine.add(OPINION, "comment", note=f"{number}")
            mine.undo()
        return 0

    children = [fork(lambda name=name: work(name), tmp_path / name) for name in ("Ann", "Ben", "Cem")]  # type: ignore[misc]
    assert [ended(child) for child in children] == [0, 0, 0]
    rows = held.rows(ReviewRow)
    assert len(rows) == 60
    assert sum(row.withdrawn_at is not None for row in rows) == 30
    assert statuses(held)[NORM] == REJECTED
    assert all(Reviews(held.store, name).standing(OPINION) is None for name in ("Ann", "Ben", "Cem"))


# --- told ------------------------------------------------------------------------------------------


def test_a_trace_shows_reviews_and_marks_what_no_longer_counts(held: Held) -> None:
    ann = Reviews(held.store, "Ann")
    ann.add(NORM, "accept", rating=2)
    ann.add(NORM, "reject", wording="Say it so.\x1b[2J", note="because")
    ann.add(TURN, "accept")
    ann.undo()
    found = lineage.trace_statement(held.store, NORM).as_json()["reviews"]
    assert [(r["decision"], r["standing"], r["withdrawn_at"] is None) for r in found] == [
        ("accept", False, True),
        ("reject", True, True),
        ("accept", False, False),
    ]
    shown = "\n".join(line.plain for line in statement_lines(lineage.trace_statement(held.store, NORM)))
    assert "Ann: accept, 2 of 5 (superseded)\n" in shown
    assert "Ann: reject\n    wording: Say it so.␛[2J\n    note: because\n" in shown
    assert "Ann: accept (withdrawn)\n" in shown
    assert f"sample    {NORM}  norm, rejected (review); content: made up\n" in shown
    talk_shown = "\n".join(line.plain for line in talk_lines(lineage.trace_talk(held.store, "held.d1")))
    assert "Ann: accept (withdrawn)\n" in talk_shown


def test_stats_tell_of_reviews_only_where_there_are_any(held: Held) -> None:
    assert held.stats()["reviews"]["total"] == 0
    assert not [text for text in stats_lines(held.figures()) if "reviews" in text]
    for name, norm, opinion in (
        ("Ann", "reject", "accept"),
        ("Ben\t", "reject", "reject"),
        ("Cem", "accept", "accept"),
    ):
        Reviews(held.store, name.strip()).add(NORM, norm, rating=3)
        Reviews(held.store, name.strip()).add(OPINION, opinion, wording="x")
    told = list(stats_lines(held.figures()))
    start = told.index("  reviews     6 (accept 3, reject 3), 3 with a wording")
    assert told[start + 1 : start + 8] == [
        "    by        Ann 2, Ben 2, Cem 2",
        "    decisions Krippendorff's alpha -0.11, from 2 judged by two or more",
        "      Ann and Ben: Cohen's kappa 0.00, from 2 judged by both",
        "      Ann and Cem: Cohen's kappa 0.00, from 2 judged by both",
        "      Ben and Cem: Cohen's kappa 0.00, from 2 judged by both",
        "    ratings   agreement unknown: 1 judged by two or more",
        "      Ann and Ben: agreement unknown: 1 judged by both",
    ]
    samples = held.stats()["samples"]
    assert samples["kept"] + sum(samples["dropped"].values()) == 3
    assert samples["dropped"] == {"review": 1}
    representation = held.stats()["representation"]["run"]["statements"]
    assert (representation["accepted"], representation["kept"]) == (2, 1)


def test_a_row_that_another_program_wrote_is_read_or_named(held: Held) -> None:
    Reviews(held.store, "Ann").add(NORM, "accept", note="x")
    change(held, "UPDATE review SET decision = 'comment', note = NULL")  # says nothing, and harms nobody
    assert Reviews(held.store, "Ann").standing(NORM) is not None
    assert list(Checkup(held.store.database).problems()) == []
    change(held, "UPDATE review SET wording = '  '")
    with pytest.raises(StoreError, match="is damaged: wording: String should have at least 1 character"):
        Reviews(held.store, "Ann").standing(NORM)


def test_doctor_names_reviews_of_what_is_not_there_and_odd_ones(held: Held) -> None:
    ann = Reviews(held.store, "Ann")
    for subject in (NORM, TURN, OPINION):
        ann.add(subject, "accept", rating=3)
    assert list(Checkup(held.store.database).problems()) == []
    change(held, "UPDATE review SET subject_id = 'held.d9.t1', id = 'held.d9.t1.r0123abcd' WHERE subject_id = ?", TURN)
    change(held, "UPDATE review SET id = 'elsewhere.r1' WHERE subject_id = ?", NORM)
    change(held, "UPDATE review SET rating = 9 WHERE subject_id = ?", OPINION)
    found = sorted(Checkup(held.store.database).problems())
    assert [re.sub(r"r[0-9a-f]{8}'", "r'", problem) for problem in found] == [
        "review 'elsewhere.r1': the id does not spell its subject_id 'held.d1.t2.s1.x1'",
        "review 'held.d1.t2.s2.r': rating: Input should be less than or equal to 5",
        "review 'held.d9.t1.r': there is no 'held.d9.t1'",
    ]


# --- exports ---------------------------------------------------------------------------------------


@pytest.fixture
def store(away: None) -> Store:  # noqa: F811
    """The default store with two runs, `a` and `b`, of which every format can be made."""
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())
    return Store(URL)


ANSWER: dict[str, Callable[[Any], Any]] = {
    "openai": lambda row: row["messages"][-1],
    "trl": lambda row: row["messages"][-1],
    "sharegpt": lambda row: row["conversations"][-1],
    "alpaca": lambda row: row,
    "preference": lambda row: row["chosen"][0],
}
"""Where the answer of a row stands, under one of three names."""


def reworded(form: str, row: Any, text: str) -> Any:
    place = ANSWER[form](row)
    place[next(name for name in ("content", "value", "output") if name in place)] = text
    return row


def exported(
    form: str, out: str, *more: object, runs: tuple[str, ...] = ("a",)
) -> tuple[list[str], list[Any], dict[str, Any], str]:
    """Lines, index, manifest, card."""
    done = export("--parquet", *more, runs=runs, form=form, out=out)
    assert done.code == 0, done.err
    text = Path(out, "all.jsonl").read_bytes().decode()
    rows = pyarrow.parquet.read_table(f"{out}/all.parquet").to_pylist()
    assert "".join(f"{line(row)}\n" for row in rows) == text  # Parquet says the same
    manifest = json.loads(Path(out, "manifest.json").read_bytes())
    for note in manifest["notes"]:
        assert f"note: {note}\n" in done.err
    return text.splitlines(), lines(f"{out}/all.index.jsonl"), manifest, Path(out, "README.md").read_text("utf-8")


@pytest.mark.parametrize("form", [form for form in FORMATS if not (FORMATS[form].bundle or FORMATS[form].labels)])
@pytest.mark.sampled
def test_an_export_differs_from_one_without_reviews_in_what_was_reviewed_alone(store: Store, form: str) -> None:
    before, index, manifest, card = exported(form, "before")
    nothing = {"reviewers": [], "reviews": 0, "rejected": 0, "corrected": 0, "corrections": []}
    assert manifest["reviews"] == nothing
    assert "review" not in card.lower()
    ann = Reviews(store, "Ann | `x`")
    gone, other = index[0]["id"], index[-1]["id"]
    ann.add(gone, "reject")
    ann.undo()
    ann.add(gone, "accept", rating=5, note="fine")
    assert exported(form, "same")[0] == before
    store.database.close()
    row = ann.add(other, "accept", wording="Said by a person.")
    after, _, manifest, card = exported(form, "worded")
    at = [number for number, entry in enumerate(index) if other in entry.values()]
    assert [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == at
    expected = reworded(form, json.loads(before[-1]), "Said by a person.")
    if form == "preference":  # in other words it may have another contrast
        expected["rejected"] = json.loads(after[-1])["rejected"]
    assert after[-1] == line(expected)
    assert manifest["reviews"] == {
        "reviewers": ["Ann | `x`"],
        "reviews": 2,
        "rejected": 0,
        "corrected": 1,
        "corrections": [{"id": other, "review": row.id, "reviewer": "Ann | `x`"}],
    }
    assert "(reviewers 1, reviews 2)" in card
    assert "Worded by them in place of the model: rows 1" in card
    trace = cli("trace", f"worded/all.jsonl:{len(after)}")
    assert trace.code == 0
    assert "wording: Said by a person." in trace.out
    ann.add(gone, "reject")
    after, index, manifest, card = exported(form, "rejected")
    assert gone not in {name for entry in index for name in entry.values()}
    assert manifest["reviews"]["rejected"] == 1
    assert "they rejected it: samples 1." in card
    if form != "preference":  # others find another contrast
        assert after[:-1] == before[1:-1]
    while ann.undo():
        pass
    assert exported(form, "undone")[0] == before
    assert rows_of("sample")[0]["messages"]


def test_a_statement_in_other_words_stands_where_its_own_stood(store: Store) -> None:
    before = {row["id"]: row["messages"] for row in lines_of("before")}
    ann = Reviews(store, "Ann")
    wording = "I would say it {{stance}} like this."
    for statement in {name.rpartition(".")[0] for name in before}:
        ann.add(statement, "accept", wording=wording)
    after = {row["id"]: row["messages"] for row in lines_of("after")}
    shapes = {row["id"]: row["kind"] for row in rows_of("sample")}
    stances = {(row["dialogue_id"], row["persona_key"]): row["stance_text"] for row in rows_of("participant")}
    persons = {row["id"]: row["persona_key"] for row in rows_of("statement")}
    assert {shapes[name] for name in after} >= {"survey", "open", "norm"}
    for name, messages in after.items():
        if shapes[name] == "limit":
            continue
        assert messages[:-1] == before[name][:-1]
        stance = stances[".".join(name.split(".")[:2]), persons[name.rpartition(".")[0]]]
        said, told = messages[-1]["content"], before[name][-1]["content"]
        if shapes[name] != "survey":
            assert said == wording
        elif said != told:  # one that has no reason stays as it is
            begin = said.removesuffix(f". {wording}")
            assert begin != said
            assert begin.endswith(stance)
            assert told.startswith(f"{begin}. ")
    survey = next(name for name in after if shapes[name] == "survey" and after[name] != before[name])
    ann.add(survey, "accept", wording="The answer itself.")
    assert {row["id"]: row for row in lines_of("itself")}[survey]["messages"][-1]["content"] == "The answer itself."


def lines_of(out: str, *more: object, form: str = "trl") -> list[Any]:
    assert export(*more, form=form, out=out).code == 0
    return lines(f"{out}/all.jsonl")


@pytest.mark.parametrize("form", multi_turn())
@pytest.mark.sampled
def test_a_turn_in_other_words_is_told_in_the_rows_of_its_dialogue_alone(store: Store, form: str) -> None:
    before, index, manifest, _ = exported(form, "before", "--dialogues")
    assert manifest["reviews"]["corrected"] == 0
    ann = Reviews(store, "Ann")
    samples = lines_of("samples")
    said_by = {row["id"]: row for row in rows_of("turn") if row["id"].startswith("a.d2.")}
    own = next(row for row in said_by.values() if row["role"] == "delegate")
    last = list(said_by.values())[-1]
    assert last["role"] == "main"  # in nobody's row: it comes after the delegate's last word
    row = ann.add(own["id"], "accept", wording="A person would say this.")
    ann.add(last["id"], "comment", wording="Unseen.")
    after, _, manifest, _ = exported(form, "after", "--dialogues")
    changed = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert [index[number]["id"] for number in changed] == ["a.d2.p2"]
    assert manifest["reviews"]["corrections"] == [{"id": "a.d2.p2", "review": row.id, "reviewer": "Ann"}]
    assert manifest["reviews"]["corrected"] == 1
    assert "A person would say this." in after[changed[0]]
    assert "Unseen." not in "".join(after)
    assert lines_of("samples-after") == samples  # statements rest on what was said
    ann.add(last["id"], "reject")
    without, _, manifest, card = exported(form, "without", "--dialogues")
    assert without == [text for number, text in enumerate(before) if index[number]["id"] != "a.d2.p2"]
    assert manifest["reviews"]["rejected"] == manifest["left_out"]["with a turn that reviewers rejected"] == 1
    assert manifest["reviews"]["corrected"] == 0
    assert "they rejected it: rows 1." in card


def test_where_every_dialogue_holds_a_rejected_turn_there_is_nothing_to_export(store: Store) -> None:
    ann = Reviews(store, "Ann")
    for row in rows_of("turn"):
        if row["position"] == 1:
            ann.add(row["id"], "reject")
    for more in ((), ("--split", 0.5)):
        done = export("--dialogues", *more)
        assert done.code == 2
        assert "no dialogues that are done and hold no rejected turn in a;" in done.err


def test_neither_side_of_a_pair_is_rejected_and_no_pair_says_twice_the_same(store: Store) -> None:
    ann = Reviews(store, "Ann")
    assert export(runs=("b",), form="preference", out="before").code == 0
    before, index = lines("before/all.jsonl"), lines("before/all.index.jsonl")
    chosen, against = index[0]["id"], next(entry["rejected"] for entry in index if entry["rejected"] not in kept_ids())
    ann.add(chosen, "reject")
    ann.add(against, "reject")
    after, index, manifest, _ = exported("preference", "after", runs=("b",))
    used = {entry[name] for entry in index for name in ("id", "rejected")}
    assert not {chosen, against} & used
    assert manifest["reviews"]["rejected"] == 2
    assert manifest["left_out"]["rejected by reviewers"] == 1
    assert len(after) < len(before)
    for row in rows_of("sample"):
        if row["id"].startswith("b."):
            ann.add(row["id"], "accept", wording="All the same.")
    done = export(runs=("b",), form="preference", out="same")
    assert done.code == 2
    assert "no answers that another one contrasts with" in done.err


def test_of_pairs_rejected_are_answers_and_no_norms(store: Store) -> None:
    norm = next(row["id"] for row in rows_of("sample") if row["kind"] == "norm" and row["status"] == "kept")
    Reviews(store, "Ann").add(norm, "reject")
    assert exported("preference", "pairs")[2]["reviews"]["rejected"] == 0
    assert exported("trl", "samples")[2]["reviews"]["rejected"] == 1


def kept_ids() -> set[str]:
    return {row["id"] for row in rows_of("sample") if row["status"] == "kept"}


@pytest.mark.parametrize("form", [form for form in FORMATS if not (FORMATS[form].bundle or FORMATS[form].labels)])
@pytest.mark.sampled
def test_no_wording_breaks_what_a_format_can_hold(store: Store, form: str) -> None:
    ann = Reviews(store, "Ann")
    _, index, _, _ = exported(form, "before")
    for number, text in enumerate(HOSTILE):
        ann.add(index[number]["id"], "accept", wording=text, note=text)
        ann.add(index[number]["id"].rpartition(".")[0], "accept", wording=text, note=text)
        ann.add(".".join(index[number]["id"].split(".")[:3]), "accept", wording=text, note=text)
    found, index, manifest, _ = exported(form, "after")
    fit = [text for text in HOSTILE if not unfit(text)]  # a wording with control tokens is left out
    assert manifest["reviews"]["corrected"] >= len(fit) >= len(HOSTILE) - 1
    for text, row in zip(fit, found, strict=False):
        place = ANSWER[form](json.loads(row))
        assert text.strip() in (place.get("content"), place.get("value"), place.get("output"))
    if FORMATS[form].multi_turn:
        for row in lines_of("talks", "--dialogues"):
            assert problem(row["messages"]) is None
            assert [m["role"] for m in row["messages"][1:]] == ["user", "assistant"] * ((len(row["messages"]) - 1) // 2)
    assert cli("trace", "after/all.jsonl:1").code == 0
    assert cli("stats", "a").code == cli("doctor").code == 0


def test_a_split_leaves_rejected_samples_and_dialogues_out_of_account(store: Store) -> None:
    ann = Reviews(store, "Ann")
    for row in rows_of("turn"):
        if row["id"].startswith("a.d1.") and row["role"] == "delegate":
            ann.add(row["id"], "reject")
    for more in ((), ("--dialogues",)):
        assert export("--split", 0.5, *more, out="out").code == 0
        ids = [row["id"] for half in ("train", "validation") for row in lines(f"out/all.{half}.jsonl")]
        assert ids
        assert not [name for name in ids if name.startswith("a.d1.") and "p" in name.rpartition(".")[2]]
    assert not [row for row in rows_of("sample") if row["status"] == "rejected" and row["split"]]
