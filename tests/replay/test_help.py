"""The page with all keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.dom import DOMNode

from culturepark.replay.compare import CompareScreen
from culturepark.replay.dialogues import DialoguesScreen
from culturepark.replay.filter_form import FilterScreen
from culturepark.replay.help import AREAS, COLUMN, KEYS, HelpScreen, Page, bindings, key_lines
from culturepark.replay.persona import PersonaScreen
from culturepark.replay.search import SearchScreen
from culturepark.replay.stage import StageScreen
from tests.support.fakes import Held
from tests.support.replaying import app_on, press, settled, shown, small_run

RUN = "20261121-everyday-norms-7f3a"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return small_run(tmp_path_factory.mktemp("helping"))


def ours(base: type = DOMNode) -> Iterator[type]:
    for one in base.__subclasses__():
        if one.__module__.startswith("culturepark.replay."):  # `review` has a page of its own
            yield one
        yield from ours(one)


def test_every_key_of_every_screen_and_widget_is_on_the_page() -> None:
    having = {one for one in ours() if bindings(one)} - {HelpScreen}
    assert {CompareScreen, StageScreen, FilterScreen} <= having
    for owner in having:
        listed = [one for area in AREAS if owner in area.owners for one in area.bindings]
        for binding in bindings(owner):
            assert binding in listed, (owner, binding)
            assert binding.description, (owner, binding)
            assert len(binding.description) <= COLUMN - KEYS - 2
            assert binding.description == binding.description.lower() or "JSON" in binding.description


def test_keys_of_one_meaning_are_told_together() -> None:
    play, behind = AREAS[0].bindings, AREAS[1].bindings
    assert ("1-5", "rate, 5 is best", "1") in key_lines(behind)
    assert ("+", "faster", "plus") in key_lines(play)
    assert ("q", "back", "q") in key_lines(behind)


async def pressed(app: object, pilot: object, what: str, *, there: bool = True) -> None:
    """A click on a line of the page."""
    await press(pilot, "question_mark")  # type: ignore[arg-type]
    page, below = app.screen.query_one(Page), app.screen_stack[-2]  # type: ignore[attr-defined]
    places = [
        (number * COLUMN + KEYS, row)
        for number, column in enumerate(page.columns())
        for row, (line, area, _) in enumerate(column)
        if what in line.plain and area.works_on(below) is there
    ]
    await pilot.click(Page, offset=places[0])  # type: ignore[attr-defined]
    await settled(pilot)  # type: ignore[arg-type]


@pytest.mark.torture
async def test_a_click_on_a_line_presses_its_key_where_one_came_from(held: Held) -> None:
    app = app_on(held.store, RUN)
    async with shown(app, size=(130, 60)) as pilot:
        await pressed(app, pilot, "next phase", there=False)
        assert isinstance(app.screen, HelpScreen)  # there is nothing to play yet
        await press(pilot, "escape")
        await pressed(app, pilot, "search")
        assert isinstance(app.screen, SearchScreen)
        await press(pilot, "escape", "enter")
        stage = app.screen
        assert isinstance(stage, StageScreen)
        await pressed(app, pilot, "a turn on")
        assert (app.screen, stage.playback.position) == (stage, 2)
        await pressed(app, pilot, "card")
        assert isinstance(app.screen, PersonaScreen)
        await press(pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "question_mark", "q")
        await pressed(app, pilot, "q           back")
        assert isinstance(app.screen, DialoguesScreen)


async def test_the_palette_of_the_library_beneath_is_not_there(held: Held) -> None:
    app = app_on(held.store, RUN)
    async with shown(app) as pilot:
        await press(pilot, "ctrl+p")
        assert isinstance(app.screen, DialoguesScreen)
