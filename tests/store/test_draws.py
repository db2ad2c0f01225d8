"""Random samples of rows: every beginning is one, and what comes or goes later moves no other row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import delete, select

from culturepark.errors import UsageError
from culturepark.store.draws import draw, drawn, over_of
from culturepark.store.tables import DrawnRow, DrawRow, SampleRow, SelectedRow, SelectionRow
from tests.support.fakes import Held
from tests.support.judging import drawn_from, ids, judge, many


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return many(tmp_path)


def again(held: Held) -> list[str]:
    with held.store.database.reading() as look:
        found = drawn(look, over_of(held.store, held.run_id))
    assert found
    return ids(found.rows)


def test_a_draw_goes_on_as_it_began_and_is_made_longer_at_its_end(held: Held) -> None:
    first = drawn_from(held, 10)
    assert (len(first.rows), first.population, first.over_id) == (10, 40, held.run_id)
    assert ids(drawn_from(held, 10).rows) == ids(first.rows) == again(held)
    longer = drawn_from(held, 25)
    assert (longer.id, len(longer.rows)) == (first.id, 25)
    assert ids(longer.rows)[:10] == ids(first.rows)
    assert ids(drawn_from(held, 10).rows) == ids(longer.rows)  # nothing that was drawn is given up
    assert len(drawn_from(held, 1000).rows) == 40
    stored = held.store.database.rows(select(DrawnRow).order_by(DrawnRow.position))  # type: ignore[arg-type]
    assert [row.position for row in stored] == list(range(1, 41))


def test_another_seed_draws_other_rows_and_there_is_no_second_draw_to_choose_from(held: Held, tmp_path: Path) -> None:
    mine = ids(drawn_from(held, 10, seed=7).rows)
    with pytest.raises(UsageError, match="has a draw already, with --seed 7"):
        drawn_from(held, 10, seed=8)
    assert ids(drawn_from(held, 10).rows) == mine
    other = tmp_path / "other"
    other.mkdir()
    assert ids(drawn_from(many(other), 10, seed=8).rows) != mine


def test_a_rejected_row_stays_in_the_draw_that_it_was_drawn_in_and_in_no_other(held: Held) -> None:
    first = ids(drawn_from(held, 10).rows)
    behind = ids(drawn_from(held, 11).rows)[10]
    with held.store.database.writing() as session:
        session.execute(delete(DrawnRow).where(DrawnRow.sample_id == behind))  # type: ignore[arg-type]
    judge(held, [first[3], behind], wrong=[first[3], behind])
    longer = drawn_from(held, 20)
    assert ids(longer.rows)[:10] == first
    assert behind not in ids(longer.rows)
    assert longer.population == 39


def test_what_is_gone_leaves_and_what_has_come_takes_the_place_it_would_have_had(held: Held) -> None:
    rows = ids(drawn_from(held, 20).rows)
    with held.store.database.writing() as session:
        session.get_one(SampleRow, rows[0]).status = "dropped"
        session.get_one(SampleRow, rows[5]).status = "dropped"
    assert again(held)[:18] == [row for row in rows if row not in (rows[0], rows[5])]
    with held.store.database.writing() as session:  # the run is distilled further
        session.get_one(SampleRow, rows[5]).status = "kept"
    assert again(held)[:19] == rows[1:]


def test_a_selection_is_drawn_from_alone(held: Held) -> None:
    chosen = ids(drawn_from(held, 40).rows)[10:22]
    with held.store.database.writing() as session:
        session.add(
            SelectionRow(
                id="sel-20261130-0a1b",
                name="mine",
                created_at="2026-11-30T12:00:00.000+00:00",
                version="0",
                runs=json.dumps([held.run_id]),
                wanted="{}",
                funnel="[]",
                unfilled="[]",
            )
        )
        session.flush()
        for place, name in enumerate(chosen, start=1):
            session.add(SelectedRow(selection_id="sel-20261130-0a1b", sample_id=name, position=place, cell="{}"))
    found = draw(held.store, over_of(held.store, "mine"), 5)
    assert (found.over_id, found.population, len(found.rows)) == ("sel-20261130-0a1b", 12, 5)
    assert set(ids(found.rows)) <= set(chosen)
    assert len(held.store.database.rows(select(DrawRow))) == 2


def test_a_run_without_kept_rows_says_so(held: Held) -> None:
    with held.store.database.writing() as session:
        for row in session.exec(select(SampleRow)):
            row.status = "dropped"
    with pytest.raises(UsageError, match="no kept samples to draw from"):
        drawn_from(held, 10)
    assert held.store.database.rows(select(DrawRow)) == []
