"""Who gets which row next, and what is stored of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import select

from culturepark.errors import UsageError
from culturepark.review.desk import CLAIM_SECONDS, Desk, queued
from culturepark.store.draws import members, over_of
from culturepark.store.reviews import Reviews
from culturepark.store.tables import ReviewRow, SampleRow
from tests.support.fakes import Held
from tests.support.grounded import CARDS, JENNAS, MADE_UP, TEA, UNKNOWN, UNLIKE, grounded
from tests.support.judging import drawn_from, ids, many
from tests.support.replaying import Clock


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return many(tmp_path, 12)


def at(desk: Desk, reviewer: str, *languages: str) -> str:
    row = desk.here(reviewer, languages)
    return row.id if row else ""


def test_a_row_is_in_front_of_one_person_at_a_time_and_stays_there_until_it_is_judged(held: Held) -> None:
    rows = drawn_from(held, 5).rows
    desk = Desk(held.store, rows, overlap=0)
    assert [at(desk, "anna"), at(desk, "ben"), at(desk, "anna")] == [rows[0].id, rows[1].id, rows[0].id]
    desk.judge("anna", rows[0].id, "reject", note="too broad")
    assert [at(desk, "anna"), at(desk, "ben")] == [rows[2].id, rows[1].id]
    assert desk.progress("anna").line("anna") == "1 of 5 · anna · 1 no"
    assert desk.progress("ben").line("ben") == "1 of 5 · ben · 0 no"
    (stored,) = held.store.database.rows(select(ReviewRow))
    assert (stored.subject_id, stored.reviewer, stored.decision, stored.note) == (
        rows[0].id, "anna", "reject", "too broad",
    )  # fmt: skip
    assert held.store.database.rows(select(SampleRow).where(SampleRow.id == rows[0].id))[0].status == "rejected"


def test_the_first_rows_are_judged_by_everybody_and_the_others_once(held: Held) -> None:
    rows = drawn_from(held, 4).rows
    desk = Desk(held.store, rows, overlap=2)
    seen: dict[str, list[str]] = {"anna": [], "ben": []}
    for _ in range(4):
        for reviewer, mine in seen.items():
            if name := at(desk, reviewer):
                mine.append(name)
                desk.judge(reviewer, name, "accept")
    assert seen == {"anna": ids(rows)[:3], "ben": [*ids(rows)[:2], rows[3].id]}


def test_who_goes_away_does_not_keep_a_row_for_ever(held: Held) -> None:
    clock = Clock()
    rows = drawn_from(held, 2).rows
    desk = Desk(held.store, rows, overlap=0, clock=clock)
    assert [at(desk, "anna"), at(desk, "ben"), at(desk, "cem")] == [rows[0].id, rows[1].id, ""]
    clock.now += CLAIM_SECONDS
    assert at(desk, "cem") == rows[0].id
    desk.judge("cem", rows[0].id, "accept")
    desk.judge("anna", rows[0].id, "accept")  # she came back; a judgement is never thrown away
    assert at(desk, "anna") == rows[1].id


def test_rows_in_other_languages_are_handed_to_those_who_read_them(held: Held) -> None:
    desk = Desk(held.store, drawn_from(held, 3).rows)
    assert desk.languages == ["en"]
    assert at(desk, "anna", "de") == ""
    assert at(desk, "anna", "de", "en") != ""


def test_undo_takes_back_skips_and_judgements_the_last_first_in_a_later_sitting_too(held: Held) -> None:
    first, second, third, *_ = drawn_from(held, 6).rows
    desk = Desk(held.store, [first, second, third], overlap=0)
    desk.judge("anna", first.id, "reject")
    desk.skip("anna", second.id)
    assert at(desk, "anna") == third.id
    assert desk.progress("anna").skipped == 1
    assert (desk.undo("anna"), at(desk, "anna")) == (second.id, second.id)
    assert (desk.undo("anna"), at(desk, "anna"), desk.judged) == (first.id, first.id, 0)
    assert desk.undo("anna") is None
    desk.judge("anna", first.id, "accept")
    later = Desk(held.store, [first, second, third], overlap=0)
    assert later.undo("ben") is None
    assert later.undo("anna") == first.id


def test_what_was_skipped_is_left_to_others_and_comes_back_when_it_is_asked_for(held: Held) -> None:
    (row,) = drawn_from(held, 1).rows
    desk = Desk(held.store, [row])
    desk.skip("anna", row.id)
    assert (at(desk, "anna"), at(desk, "ben")) == ("", row.id)
    desk.unskip("anna")
    assert at(desk, "anna") == row.id


def test_what_was_judged_in_the_replay_is_not_handed_out_again(held: Held) -> None:
    first, second, third, *_ = drawn_from(held, 6).rows
    Reviews(held.store, "anna").add(first.id, "accept")
    Reviews(held.store, "ben").add(second.id.rpartition(".")[0], "reject")  # its statement
    Reviews(held.store, "ben").add(third.id.rpartition(".")[0], "accept")  # who accepts that has not seen the row
    assert at(Desk(held.store, [first, second, third], overlap=3), "anna") == third.id


def test_a_row_that_is_gone_is_passed_over_and_one_of_elsewhere_refused(held: Held) -> None:
    first, second, *_ = drawn_from(held, 6).rows
    desk = Desk(held.store, [first, second], overlap=0)
    with held.store.database.writing() as session:
        session.delete(session.get_one(SampleRow, first.id))
    assert at(desk, "anna") == second.id
    with pytest.raises(UsageError, match="none of the rows"):
        desk.judge("anna", f"{UNKNOWN}.x1", "accept")
    with pytest.raises(UsageError, match="printable characters"):
        desk.here("\x1b[31m")


def test_without_a_sample_the_rows_come_in_the_order_of_the_queue(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    over = over_of(held.store, held.run_id)
    assert ids(queued(held.store, over, "")) == [f"{name}.x1" for name in (MADE_UP, JENNAS, CARDS, UNLIKE, UNKNOWN)]
    Reviews(held.store, "anna").add(MADE_UP, "accept")
    assert ids(queued(held.store, over, "anna"))[0] == f"{JENNAS}.x1"


def test_a_row_shows_what_is_trained_on_and_what_is_behind_it_and_not_what_others_said(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    Reviews(held.store, "ben").add(f"{CARDS}.x1", "reject", note="never heard of it")
    with held.store.database.reading() as look:
        rows = [row for row in members(look, over_of(held.store, held.run_id)) if row.id == f"{CARDS}.x1"]
    desk = Desk(held.store, rows)
    row = desk.here("anna")
    assert row
    assert (row.answer, [role for role, _ in row.prompt]) == (TEA, ["user"])
    paras = [para for section in row.behind for para in section.paras]
    (turn,) = (para for para in paras if para.marks)
    start, end, _ = turn.marks[0]
    assert turn.text[start:end] == TEA
    shown = " ".join(para.head + para.text for para in paras)
    assert "that line" in shown
    assert "never heard of it" not in shown
