"""What waits for a review, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select, update

from culturepark.replay.evidence_panel import EvidencePanel
from culturepark.replay.stage import StageScreen
from culturepark.store.review_queue import next_to_review, queue
from culturepark.store.reviews import Reviews
from culturepark.store.selections import add_selection
from culturepark.store.tables import ReviewRow, SampleRow, StatementRow
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli
from tests.stats.test_rows import placed
from tests.support.fakes import Held
from tests.support.grounded import CARDS, JENNAS, MADE_UP, UNKNOWN, UNLIKE, grounded
from tests.support.replaying import app_on, press, shown

IN_ORDER = [MADE_UP, JENNAS, CARDS, UNLIKE, UNKNOWN]
"""Made up; unfounded; then the rest in the order of the talk."""


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return grounded(tmp_path)


def waiting(held: Held, reviewer: str = "") -> list[str]:
    return [one.id for one in queue(held.store, held.row, reviewer)]


def test_what_a_model_made_up_comes_first_then_the_unfounded_then_the_rest(held: Held) -> None:
    found = queue(held.store, held.row)
    assert [one.id for one in found] == IN_ORDER
    assert [one.why for one in found] == ["made up", "scene, unfounded", "card", "card", "not known"]
    assert found[3].samples == (f"{UNLIKE}.x1",)  # the generic one is not kept


def test_a_row_of_two_statements_is_as_sure_as_the_less_sure_one(held: Held) -> None:
    with held.store.database.writing() as session:
        session.execute(update(SampleRow).where(SampleRow.id == f"{UNLIKE}.x1").values(provenance="model"))  # type: ignore[arg-type]
    assert waiting(held)[:2] == [MADE_UP, UNLIKE]


def test_what_is_not_kept_or_was_judged_does_not_wait(held: Held) -> None:
    reviews = Reviews(held.store, "anna")
    reviews.add(MADE_UP, "accept")
    reviews.add(f"{JENNAS}.x1", "comment", note="perhaps")
    reviews.add("held.d1.t4", "accept")
    assert waiting(held) == [CARDS, UNKNOWN]
    reviews.add(CARDS, "reject")
    assert waiting(held) == [UNKNOWN]
    reviews.undo(f"{JENNAS}.x1.")
    assert waiting(held) == [JENNAS, UNKNOWN]


def test_what_somebody_else_judged_still_waits_for_a_reviewer(held: Held) -> None:
    Reviews(held.store, "anna").add(MADE_UP, "accept")
    assert waiting(held, "ben") == IN_ORDER
    assert waiting(held, "anna") == waiting(held) == IN_ORDER[1:]


def test_the_order_within_a_rank_is_that_of_the_talk_and_not_of_letters(held: Held) -> None:
    with held.store.database.writing() as session:
        one = session.get_one(StatementRow, CARDS).model_dump()
        sample = session.get_one(SampleRow, f"{CARDS}.x1").model_dump()
        for number in (10, 4):
            name = f"held.d1.t3.s{number}"
            session.add(StatementRow(**one | {"id": name, "first_person": f"{number}", "unlike": None}))
            session.flush()
            session.add(SampleRow(**sample | {"id": f"{name}.x1", "statement_id": name}))
    assert waiting(held)[2:5] == [CARDS, "held.d1.t3.s4", "held.d1.t3.s10"]


def test_the_next_one_follows_the_present_one_and_the_first_follows_the_last(held: Held) -> None:
    def after(subject: str) -> str | None:
        one = next_to_review(held.store, held.row, "anna", subject)
        return one.id if one else None

    assert after(MADE_UP) == after(f"{MADE_UP}.x1") == JENNAS
    assert after(UNKNOWN) == after("held.d1.t1") == after("") == MADE_UP
    Reviews(held.store, "anna").add(JENNAS, "accept")
    assert after(JENNAS) == CARDS  # it keeps its place, so that what was passed over does not come back at once
    assert after(MADE_UP) == CARDS
    for name in IN_ORDER[1:]:
        Reviews(held.store, "anna").add(name, "accept")
    assert (after(MADE_UP), after(UNKNOWN)) == (None, MADE_UP)


def test_the_command_lists_it_for_people_and_for_programs(away: Path) -> None:
    placed(away)
    rows = [line.split("\t") for line in cli("queue", "held").out.splitlines()]
    assert [row[0] for row in rows] == IN_ORDER
    assert rows[0][1:2] + rows[0][3:] == ["made up", "norm", "turkish"]
    found = cli("queue", "last", "--json").json
    assert found["run"] == "held"
    assert [one["id"] for one in found["waiting"]] == IN_ORDER
    assert [one["provenance"] for one in found["waiting"]] == ["model", "episode", "card", "card", None]
    assert found["waiting"][1]["flags"] == ["unfounded"]
    assert cli("queue", "held", "--reviewer", "").code == 0
    assert cli("queue", "held", "--reviewer", "\x1b[31m").code == 2


def test_a_selection_has_a_queue_of_its_own_rows_and_is_no_run(away: Path) -> None:
    run = placed(away)
    store = type(run.store)("sqlite:///runs/culturepark.db")
    picked = [(f"{CARDS}.x1", {})]
    made = add_selection(store, ["held"], picked, wanted={}, funnel=[], unfilled=[], name="few", extends=None)
    store.close()
    found = cli("queue", "few", "--json").json
    assert (found["selection"], [one["id"] for one in found["waiting"]]) == (made.id, [CARDS])
    assert found["waiting"][0]["samples"] == [f"{CARDS}.x1"]
    refused = cli("stats", "few")
    assert refused.code == 2
    assert "'few' is a selection, and no run: `culturepark selections few` shows it" in refused.err


def test_where_nothing_waits_the_command_says_so(away: Path) -> None:
    run = placed(away)
    store = type(run.store)("sqlite:///runs/culturepark.db")
    for name in IN_ORDER:
        Reviews(store, "anna").add(name, "accept")
    store.close()
    done = cli("queue", "held")
    assert (done.code, done.out, done.err) == (0, "", "held: nothing that is kept waits for a review\n")
    assert cli("queue", "held", "--reviewer", "ben").out.count("\n") == len(IN_ORDER)
    assert cli("queue", "held", "--json").json["waiting"] == []


async def test_r_goes_from_one_to_the_next_and_what_is_judged_leaves_the_queue(held: Held) -> None:
    app = app_on(held.store, "held.d1")
    async with shown(app) as pilot:
        stage = app.screen
        assert isinstance(stage, StageScreen)
        seen = []
        for _ in range(3):
            await press(pilot, "r")
            seen.append(stage.subject)
        assert seen == IN_ORDER[:3]
        assert stage.query_one(EvidencePanel).has_focus
        await press(pilot, "a", "r")
        assert stage.subject == UNLIKE
        await press(pilot, "r", "r", "x")
    assert [(row.subject_id, row.decision) for row in held.store.database.rows(reviews_by_time())] == [
        (CARDS, "accept"),
        (MADE_UP, "reject"),
    ]


async def test_where_nothing_waits_r_says_so(held: Held) -> None:
    for name in IN_ORDER:
        Reviews(held.store, "anna").add(name, "accept")
    app = app_on(held.store, "held.d1")
    async with shown(app) as pilot:
        before = app.screen.subject  # type: ignore[attr-defined]
        await press(pilot, "r")
        assert app.screen.subject == before  # type: ignore[attr-defined]
        assert "nothing else that is kept waits for a review by anna" in str(
            app.screen.query_one("StatusLine").render()
        )


def reviews_by_time() -> Any:
    return select(ReviewRow).order_by(col(ReviewRow.created_at))
