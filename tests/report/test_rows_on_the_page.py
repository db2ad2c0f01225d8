"""The report page says where rows come from, what was asked of them, and what a model made up."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from culturepark.glossary import GROUNDS_SHORT, ROW_QUESTIONS
from culturepark.report.pack import talk_of
from culturepark.store.dialogue_view import Scenes
from tests.support.browser import opened, visit
from tests.support.grounded import CARDS, MADE_UP, UNLIKE, grounded
from tests.support.reports import Outline, Shown, show


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return show(grounded(tmp_path_factory.mktemp("rows")))


def test_every_figure_of_rows_is_that_of_stats(page: Shown) -> None:
    stats = page.held.stats()
    found = dict(Outline(page.html).figures)
    for path, value in found.items():
        if not path.startswith(("row_questions", "provenance")):
            continue
        assert value == str(functools.reduce(operator.getitem, path.split("."), stats)), path
    for criterion in ROW_QUESTIONS:
        assert {f"row_questions.{criterion}.{name}" for name in ("asked", "kept", "turned_down", "unread")} <= {*found}
    for name in ("statements", "samples"):
        for by in ("all", "by_kind.norm", "by_culture.turkish"):
            assert {f"provenance.{name}.{by}.{origin}" for origin in GROUNDS_SHORT} <= {*found}


def test_the_share_of_told_countries_stands_beside_guessing(page: Shown) -> None:
    text = re.sub(r"<[^>]*>|\s+", " ", page.html)
    assert "told the country among four: 50% (15% to 85%), by guessing 25%, which it cannot be told apart from." in text
    generic = text[text.index("Generic, by country") :].split()
    assert " ".join(generic).startswith(
        "Generic, by country 100% the United States, 1 of 1 33% Türkiye, 1 of 3"
    )  # the most generic first


def test_a_page_of_an_older_run_says_that_nobody_has_looked(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    with held.store.database.writing() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE statement SET provenance = NULL")
        connection.exec_driver_sql("DELETE FROM verdict WHERE criterion != 'faithful'")
    html = show(held).html
    assert "nobody has looked whether the cards carry it" in html
    assert 'id="rows"' not in html
    assert 'id="origins"' not in html


def test_the_page_holds_of_each_statement_what_the_trace_says(page: Shown) -> None:
    scene = Scenes(page.held.store, page.held.run_id).scene("held.d1")
    statements = {one["id"]: one for turn in talk_of(scene)["turns"] for one in turn["statements"]}
    for mined in scene.statements:
        assert [(one["label"], one["text"]) for one in statements[mined.row.id]["facts"]] == [
            (fact.label, fact.text) for fact in scene.facts(mined.row)
        ]
    assert [one["id"] for one in statements[UNLIKE]["facts"] if one["id"]] == [CARDS]
    first, *_ = statements[UNLIKE]["samples"]
    assert (first["beside"], first["content"]) == (CARDS, "card")
    words = {one["criterion"]: one["words"] for one in statements[UNLIKE]["verdicts"]}
    assert words["distinctive"] == "no"


@pytest.mark.browser
def test_a_reader_sees_what_was_made_up_and_goes_to_the_other_statement(page: Shown, browser: Browser) -> None:
    with visit(browser) as seen:
        reader = seen.open(page.path, f"#{MADE_UP}")
        card = reader.locator(".statement.chosen")
        assert "made up by the model; no line of the card carries it" in card.inner_text()
        assert "; content: made up" in card.locator(".samples").inner_text()
        reader = seen.open(page.path, f"#{UNLIKE}")
        card = reader.locator(".statement.chosen")
        assert "Tells its country, with names masked? no – dropped" in card.locator(".verdicts").inner_text()
        card.locator(f".samples a[href='#{CARDS}']").click()
        assert reader.url.endswith(f"#{CARDS}")
        assert "norm 2 (" in reader.locator(f".statement[data-id='{CARDS}']").inner_text()
