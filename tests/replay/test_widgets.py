"""Parts of the screens by themselves: in any room, and as what they show goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult

from culturepark.domain import Status
from culturepark.replay.dialogues import STATE, DialogueList
from culturepark.replay.filter_form import FilterScreen
from culturepark.replay.help import HelpScreen
from culturepark.replay.persona import PersonaScreen
from culturepark.replay.widgets.frame import Keys
from culturepark.replay.widgets.lists import Columns
from culturepark.replay.widgets.speeches import Speeches
from culturepark.store.dialogue_view import Scenes
from culturepark.store.store import Store
from tests.support.fakes import Held
from tests.support.replaying import app_on, press, sees, settled, shown, small_run, text_of, until

RUN = "20261121-everyday-norms-7f3a"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return small_run(tmp_path_factory.mktemp("widgets"))


@pytest.mark.parametrize(
    "keys", [(), ("f",), ("slash", "g", "enter"), ("enter",), ("enter", "right", "i"), ("question_mark",)]
)
@pytest.mark.sampled
async def test_every_screen_stands_in_the_smallest_terminal(held: Held, keys: tuple[str, ...]) -> None:
    app = app_on(held.store, RUN)
    async with shown(app) as pilot:
        await press(pilot, *keys)
        for size in ((1, 1), (2, 3), (3, 1), (4, 4), (5, 2), (6, 30), (9, 5), (13, 8), (60, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
    assert app.trouble is None


@pytest.mark.parametrize(("size", "rows"), [((160, 50), 1), ((80, 24), 1), ((60, 20), 2), ((44, 20), 2)])
@pytest.mark.sampled
async def test_the_keys_of_a_stage_are_all_at_its_foot(held: Held, size: tuple[int, int], rows: int) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app, size=size) as pilot:
        for _ in range(2):
            for words in ("space play", "tab behind", "i card", "c calls", "a accept", "x reject", "q back", "? help"):
                await until(pilot, lambda words=words: words in "\n".join(text_of(app).splitlines()[-rows:]))
            assert app.screen.query_one(Keys).size.height == rows
            await press(pilot, "tab")


@pytest.mark.torture
async def test_a_key_at_the_foot_can_be_clicked_in_either_row(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1.t2")
    async with shown(app, size=(60, 20)) as pilot:
        for words, screen in (("? help", HelpScreen), ("i card", PersonaScreen)):
            await sees(pilot, "? help")
            lines = text_of(app).splitlines()
            row = next(number for number in (18, 19) if words in lines[number])
            await pilot.click(offset=(lines[row].index(words) + 2, row))
            await settled(pilot)
            assert isinstance(app.screen, screen)
            await press(pilot, "escape")


@pytest.mark.parametrize("width", [160, 200])
@pytest.mark.sampled
async def test_in_a_wide_window_a_question_has_the_room_that_nobody_else_needs(held: Held, width: int) -> None:
    app = app_on(held.store, RUN)
    async with shown(app, size=(width, 24)):
        heads, *lines = text_of(app).splitlines()[4:9]
        question = Scenes(held.store, RUN).scene(f"{RUN}.d1").seed.question
        assert question in lines[0]
        assert lines[0].index(question) == heads.index("question")
        assert lines[0].index("✓ done") == heads.index("state")
        assert heads.index("turns") - heads.index("state") < 2 * STATE  # no empty column


async def test_the_state_has_more_room_where_a_dialogue_ended_early(held: Held, tmp_path: Path) -> None:
    held.store.close()
    shutil.copy(str(held.store.database.url.database), tmp_path / "own.db")
    store = Store(f"sqlite:///{tmp_path / 'own.db'}")
    store.set_dialogue(f"{RUN}.d3", Status.FAILED, "refused-turns")
    app = app_on(store, RUN)
    async with shown(app, size=(160, 24)):
        text = text_of(app)
        assert "✗ failed: refused-turns" in text
        heads, *lines = text.splitlines()[4:9]
        assert {line.index(sign) for line, sign in zip(lines, "✓✓✗✓", strict=True)} == {heads.index("state")}


async def test_headings_of_columns_come_back_with_the_room(held: Held) -> None:
    app = app_on(held.store, RUN)
    async with shown(app, size=(130, 24)) as pilot:
        seen = []
        for width in (130, 60, 130):
            await pilot.resize_terminal(width, 24)
            await settled(pilot)
            seen.append("question" in text_of(app))
            assert app.screen.query_one(Columns).size.height == seen[-1]
        assert seen == [True, False, True]


async def test_a_click_moves_the_cursor_of_a_list_and_one_more_opens(held: Held) -> None:
    app = app_on(held.store, RUN)
    async with shown(app) as pilot:
        listing = app.screen.query_one(DialogueList)
        await pilot.click(DialogueList, offset=(10, 2))
        await settled(pilot)
        assert (listing.cursor, app.screen) == (2, listing.screen)
        await pilot.click(DialogueList, offset=(10, 2))
        await settled(pilot)
        assert app.screen.scene.dialogue.id == listing.ids[2]  # type: ignore[attr-defined]


async def test_every_choice_of_a_filter_is_one_line_with_its_count_at_the_end(held: Held) -> None:
    app = app_on(held.store, RUN)
    async with shown(app, size=(60, 14)) as pilot:
        await press(pilot, "f")
        assert isinstance(app.screen, FilterScreen)
        for height in (14, 50):
            await pilot.resize_terminal(60, height)
            await settled(pilot)
            rows = [line for line in text_of(app).splitlines() if "○" in line]
            assert len(rows) > 3
            assert all(line.rstrip("│ ▁▂▃▄▅▆▇█").endswith(tuple("0123456789")) for line in rows)


class Told(App[None]):
    def compose(self) -> ComposeResult:
        yield Speeches()


async def test_who_scrolls_back_is_left_there_while_the_dialogue_is_read_anew(held: Held) -> None:
    scenes = Scenes(held.store, RUN)
    first: Any = scenes.scene(f"{RUN}.d1")
    last = len(first.turns)
    async with Told().run_test(size=(60, 20)) as pilot:
        speeches = pilot.app.query_one(Speeches)
        speeches.show(first, last, None, [])
        await pilot.pause()
        laid = speeches._past[first.turns[0].id]
        speeches.scroll_to(y=3, animate=False)
        await pilot.pause()
        for shown_now in (None, None, 5, 9):  # polls, and one that speaks on
            speeches.show(scenes.scene(f"{RUN}.d1"), last, shown_now, [])
            await pilot.pause()
            assert speeches.scroll_offset.y == 3
            assert speeches._past[first.turns[0].id] is laid
        speeches.show(first, last - 1, None, [])
        await pilot.pause()
        assert speeches.scroll_offset.y > 3
        assert speeches._past[first.turns[0].id] is laid
        speeches.show(replace(first, reviews={}), last, 1, [])
        speeches.show(first, last, 40, [])
        await pilot.pause()
        assert speeches.scroll_offset.y == speeches._top > 3
