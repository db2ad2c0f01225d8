"""Rows are judged in the terminal by keys; each judgement is in the store before the next row is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import col, select

from culturepark.replay.session import Session
from culturepark.review.app import ReviewApp, RowScreen
from culturepark.review.desk import Desk
from culturepark.store.tables import ReviewRow
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli
from tests.stats.test_rows import placed
from tests.support.fakes import Held
from tests.support.judging import drawn_from, ids, many
from tests.support.replaying import press, shown, text_of


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return many(tmp_path, 12)


def app_over(held: Held, count: int) -> ReviewApp:
    desk = Desk(held.store, drawn_from(held, count).rows)
    url = held.store.database.url.render_as_string()
    return ReviewApp(desk, Session(url, "anna", store=held.store))


def stored(held: Held) -> list[tuple[str, str, str | None]]:
    rows = held.store.database.rows(select(ReviewRow).order_by(col(ReviewRow.created_at)))
    return [(row.subject_id, row.decision, row.wording or row.note) for row in rows if not row.withdrawn_at]


async def test_keys_judge_row_by_row_on_a_narrow_terminal(held: Held) -> None:
    rows = ids(drawn_from(held, 5).rows)
    app = app_over(held, 5)
    async with shown(app, size=(40, 24)) as pilot:
        assert isinstance(app.screen, RowScreen)
        assert "0 of 5 · anna · 0 no" in text_of(app)
        assert all(len(line) <= 40 for line in text_of(app).splitlines())
        await press(pilot, "y", "n")
        assert "2 of 5 · anna · 1 no" in text_of(app)
        assert stored(held) == [(rows[0], "accept", None), (rows[1], "reject", None)]
        await press(pilot, "u")
        assert app.screen.row
        assert (app.screen.row.id, stored(held)) == (rows[1], [(rows[0], "accept", None)])
        await press(pilot, "s")
        assert app.screen.row.id == rows[2]
        await press(pilot, "question_mark")
        assert "Judge the row" in text_of(app)
        await press(pilot, "escape", "q")
    app.session.finish()
    assert app.return_code == 0


async def test_a_row_is_worded_anew_or_refused_with_a_reason(held: Held) -> None:
    rows = ids(drawn_from(held, 2).rows)
    app = app_over(held, 2)
    async with shown(app) as pilot:
        assert isinstance(app.screen, RowScreen)
        assert "What was said" in text_of(app)
        await press(pilot, "r", "h", "o", "ctrl+s")
        await press(pilot, "N")
        assert "corrected or as it is" not in text_of(app)
        await press(pilot, "n", "o", "ctrl+s")
        assert "Nothing is left for you to judge here." in text_of(app)
        await press(pilot, "y", "s", "q")
    app.session.finish()
    found = stored(held)
    assert [(name, decision) for name, decision, _ in found] == [(rows[0], "accept"), (rows[1], "reject")]
    assert (found[0][2] or "").startswith("ho")
    assert found[1][2] == "no"


def test_without_a_terminal_the_command_says_what_to_do(away: Path) -> None:
    placed(away)
    none = cli("review", "held", "--sample", "3")
    assert none.code == 2
    assert "`culturepark review held --serve`" in none.err
    assert "`culturepark queue held --json`" in none.err
    assert cli("review", "held", "--seed", "3", "--json").code == 2
    assert cli("review", "held", "--port", "80").code == 2
    assert cli("review", "held", "--sample", "3", "--language", "tlh", "--json").err.count("the rows are in en") == 1


def test_as_json_it_names_the_rows_and_what_is_known(away: Path) -> None:
    placed(away)
    found = cli("review", "last", "--sample", "3", "--json").json
    assert (found["over"], len(found["rows"]), found["judged"], found["warranty"]) == ("held", 3, 0, None)
    longer = cli("review", "held", "--sample", "5", "--json").json["rows"]
    assert longer[:3] == found["rows"]
    waiting = cli("review", "held", "--json").json["rows"]
    assert sorted(waiting) == sorted(longer)
    assert waiting != longer  # the queue has an order of its own
    export = cli("export", "held", "--format", "trl", "--out", "x", "--max-error", "0.05")
    assert (export.code, export.out) == (2, "")
    assert "`culturepark review held --sample 5`" in export.err  # there are no more
