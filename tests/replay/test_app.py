"""The terminal app: what its keys do, over real stores."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from rich.text import Text
from sqlmodel import update
from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Input

import culturepark
from culturepark.domain import Status
from culturepark.errors import StoreError, UsageError
from culturepark.replay.app import Replay
from culturepark.replay.calls import CallsScreen
from culturepark.replay.dialogues import DialogueList, DialoguesScreen
from culturepark.replay.evidence_panel import EvidencePanel
from culturepark.replay.filter_form import FilterScreen
from culturepark.replay.help import HelpScreen
from culturepark.replay.persona import PersonaScreen
from culturepark.replay.review_form import ReviewScreen
from culturepark.replay.runs import RunsScreen
from culturepark.replay.search import HitList, SearchScreen, places
from culturepark.replay.session import CACHED_SCENES, Session
from culturepark.replay.stage import StageScreen
from culturepark.replay.widgets.lists import PAGE, PAGES, Listing, fitted
from culturepark.replay.widgets.speeches import Speeches
from culturepark.replay.widgets.track import SeekBar
from culturepark.run import plan
from culturepark.store import first_look
from culturepark.store.dialogue_view import Scene
from culturepark.store.reviews import Reviews
from culturepark.store.search import Lists
from culturepark.store.store import Store
from culturepark.store.tables import ParticipantRow, ReviewRow, RunRow, TurnRow
from tests.support.fakes import FakeModel, Held, begin, edition, hold, shipped, turns_of
from tests.support.replaying import Clock, app_on, pass_time, press, sees, settled, shown, small_run, text_of, until

RUN = "20261121-everyday-norms-7f3a"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Read by all tests, written by none."""
    return small_run(tmp_path_factory.mktemp("replay"))


@pytest.fixture
def own(held: Held, tmp_path: Path) -> Held:
    """A copy for one test alone."""
    held.store.close()
    shutil.copy(str(held.store.database.url.database), tmp_path / "own.db")
    return Held(Store(f"sqlite:///{tmp_path / 'own.db'}"), held.run_id, held.model)


def stage_of(app: Replay) -> StageScreen:
    assert isinstance(app.screen, StageScreen)
    return app.screen


# --- from screen to screen -----------------------------------------------------------------------------


async def test_runs_lead_to_dialogues_and_these_to_the_stage_and_back(held: Held) -> None:
    app = app_on(held.store)
    async with shown(app) as pilot:
        assert isinstance(app.screen, RunsScreen)
        await sees(pilot, "4 dialogues")
        await press(pilot, "enter")
        assert isinstance(app.screen, DialoguesScreen)
        await press(pilot, "down", "enter")
        assert stage_of(app).dialogue_id == f"{RUN}.d2"
        await press(pilot, "right_square_bracket", "escape")
        assert app.screen.query_one(DialogueList).cursor == 2  # where one came from
        await press(pilot, "q")
        assert isinstance(app.screen, RunsScreen)
        await press(pilot, "q")
        assert not app.is_running
    assert app.trouble is None


@pytest.mark.parametrize("target", ["last", RUN])
async def test_a_run_may_be_named_to_begin_with(held: Held, target: str) -> None:
    app = app_on(held.store, target)
    async with shown(app) as pilot:
        assert isinstance(app.screen, DialoguesScreen)
        assert app.screen.query_one(DialogueList).count() == 4
        await press(pilot, "escape")
        assert not app.is_running


async def test_a_dialogue_may_be_named_to_begin_with(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d3")
    async with shown(app) as pilot:
        assert stage_of(app).dialogue_id == f"{RUN}.d3"
        await press(pilot, "q")
        assert app.screen.query_one(DialogueList).cursor == 2


@pytest.mark.parametrize("target", ["nobody", f"{RUN}.d99"])
async def test_what_is_not_there_ends_as_wrong_use(held: Held, target: str) -> None:
    app = app_on(held.store, target)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.trouble)
    assert isinstance(app.trouble, UsageError)


async def test_help_shows_every_key_of_every_screen_and_goes_away(held: Held) -> None:
    app = app_on(held.store)
    async with shown(app, size=(124, 50)) as pilot:
        await press(pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        for what in ("a turn on", "rate, 5 is best", "1-5", "next hit", "filter", "quit the app", "slower"):
            await sees(pilot, what)
        await press(pilot, "question_mark", "escape")
        assert isinstance(app.screen, RunsScreen)


# --- lists -----------------------------------------------------------------------------------------------


class Row:
    def __init__(self, name: str) -> None:
        self.id = name


class Numbers(Listing):
    def draw(self, row: Row, width: int) -> list[Text]:
        return [fitted(row.id, width)]


class Long(App[None]):
    """A list of a hundred thousand rows."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.chosen: list[int] = []

    def compose(self) -> ComposeResult:
        yield Numbers()

    def on_mount(self) -> None:
        self.query_one(Numbers).show([f"row {n}" for n in range(100_000)], self.fetch)

    async def fetch(self, ids: Sequence[str]) -> list[Row]:
        self.fetched += ids
        return [Row(name) for name in ids]

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.chosen.append(event.index)


@pytest.mark.torture
async def test_a_list_of_a_hundred_thousand_rows_reads_and_keeps_only_what_is_near() -> None:
    app = Long()
    async with app.run_test(size=(60, 20)) as pilot:
        listing = app.query_one(Numbers)
        await pilot.pause()
        assert len(app.fetched) == 2 * PAGE  # what is in sight, and the next
        for key, cursor in (("end", 99_999), ("up", 99_998), ("home", 0), ("pagedown", 19), ("down", 20), ("up", 19)):
            await pilot.press(key)
            await pilot.pause()
            assert listing.cursor == cursor
            assert listing.row(cursor).id == f"row {cursor}"
        for cursor in range(0, 50_000, 2_000):
            listing.cursor = cursor
            await pilot.pause()
            assert listing.row(cursor).id == f"row {cursor}"
        assert len(listing._pages) <= PAGES
        assert len(app.fetched) < 12_000
        await pilot.click(Numbers, offset=(5, 3))
        assert app.chosen == []
        await pilot.click(Numbers, offset=(5, 3))
        assert app.chosen == [listing.cursor] == [listing.scroll_offset.y + 3]


async def test_rows_that_are_not_here_yet_have_a_quiet_place() -> None:
    class Slow(Long):
        async def fetch(self, ids: Sequence[str]) -> list[Row]:
            return []  # gone meanwhile

    app = Slow()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        assert strips[0].text.strip() == "› ···"


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (109, 30), (110, 30), (160, 50)])
@pytest.mark.sampled
async def test_nothing_is_wider_than_the_terminal(held: Held, size: tuple[int, int]) -> None:
    app = app_on(held.store, "last")
    async with shown(app, size=size) as pilot:
        for keys in ((), ("f",), ("escape", "enter"), ("tab",), ("slash", "g", "u"), ("question_mark",)):
            await press(pilot, *keys)
            assert not app.screen.show_horizontal_scrollbar
            for widget in app.screen.walk_children():
                assert widget.region.right <= size[0], (keys, widget)


@pytest.mark.torture
async def test_a_filter_says_how_many_it_finds_and_is_shown_and_cleared(held: Held) -> None:
    app = app_on(held.store, "last")
    async with shown(app) as pilot:
        await press(pilot, "f")
        assert isinstance(app.screen, FilterScreen)
        await sees(pilot, "arabic")
        await press(pilot, "down", "enter", "escape")
        listing = app.screen.query_one(DialogueList)
        assert list(listing.ids) == Lists(held.store, RUN).find(app.screen.filters)  # type: ignore[attr-defined]
        await sees(pilot, "only culture: arabic")
        await sees(pilot, "2 of 4 dialogues")
        await press(pilot, "F")
        assert listing.count() == 4
        await until(pilot, lambda: "only culture" not in text_of(app))
        await press(pilot, "f", "down", "space", "space", "F", "q")  # taken and dropped again
        assert listing.count() == 4


# --- search ----------------------------------------------------------------------------------------------


@pytest.mark.torture
async def test_a_search_opens_the_stage_at_the_turn_and_goes_from_hit_to_hit(held: Held) -> None:
    app = app_on(held.store, "last")
    wanted = list(Lists(held.store, RUN).search("guest"))
    assert len(wanted) > 3
    async with shown(app) as pilot:
        await press(pilot, "slash", *"guest")
        await sees(pilot, f"{len(wanted)} hits")
        await press(pilot, "enter", "down", "enter")
        stage, number = stage_of(app), 1
        for key, by in (("n", 1), ("n", 1), ("N", -1)):
            hit = wanted[number]
            assert (stage.dialogue_id, stage.playback.position) == (hit.dialogue_id, hit.position)
            assert stage.spoken
            assert stage.spoken.turn.text == hit.text
            await press(pilot, key)
            number += by
        await press(pilot, "N", "N", "N", "escape")
        assert isinstance(app.screen, SearchScreen)
        assert app.screen.query_one(HitList).cursor == 0
        await press(pilot, "slash")
        assert isinstance(app.focused, Input)
        await press(pilot, "x")
        await sees(pilot, "0 hits")
        await press(pilot, "escape")
        assert isinstance(app.screen, DialoguesScreen)


async def test_a_search_that_nobody_wants_any_more_stops(held: Held) -> None:
    asked: list[str] = []
    lists = Lists(held.store, RUN)
    found = list(lists.search("guest", lambda: bool(asked.append("page"))))
    assert found
    assert list(lists.search("guest", lambda: True)) == []
    assert asked == ["page"]


def test_hits_are_marked_where_they_stand_whatever_their_case_and_marks() -> None:
    text = "Çay? ﬁne ÇAY, straße"
    assert [text[start:end] for start, end in places(text, "cay")] == ["Çay", "ÇAY"]
    assert [text[start:end] for start, end in places(text, "fine STRASSE")] == ["ﬁne", "straße"]
    assert [text[start:end] for start, end in places(text, '"Cay, strasse"')] == ["ÇAY, straße"]
    assert places(text, '""') == []


# --- the stage -------------------------------------------------------------------------------------------


async def test_keys_go_from_turn_to_turn_and_what_is_behind_goes_along(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        total = len(stage.playback.parts)
        for key, position in (("right", 2), ("right", 3), ("left", 2), ("end", total), ("home", 1), ("p", 4), ("P", 1)):
            await press(pilot, key)
            assert stage.playback.position == position
            assert stage.spoken
            assert stage.query_one(EvidencePanel).subject == stage.spoken.id
            await sees(pilot, f"turn {position} of {total}")
        await press(pilot, "tab", "right", "tab", "right")
        assert stage.playback.position == 3
        width = stage.query_one(SeekBar).outer_size.width
        await pilot.click(SeekBar, offset=(width - 3, 0))
        assert stage.playback.position == total


async def test_it_plays_by_the_clock_and_pauses(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        await press(pilot, "space")
        await pass_time(pilot, 1)
        assert stage.playback.position == 2
        await sees(pilot, "▶ playing at 1x")
        await pass_time(pilot, 1)
        assert stage.playback.shown
        assert stage.query_one(Speeches).shown == stage.playback.shown
        await press(pilot, "space", "plus")
        await pass_time(pilot, 600)
        await sees(pilot, "‖ paused, 2x, turn 2 of")
        await press(pilot, "space")
        await pass_time(pilot, 600)
        await sees(pilot, "■ the end, 2x")


@pytest.mark.torture
async def test_stepping_through_dialogues_keeps_few_of_them_and_finds_the_next_at_hand(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        for number in (2, 3, 4):
            assert stage.run_cache.cached(f"{RUN}.d{number}")
            await press(pilot, "right_square_bracket")
            assert stage.scene
            assert stage.scene.dialogue.number == number
        assert len(stage.run_cache._cached) <= CACHED_SCENES
        await press(pilot, "right_square_bracket")
        await sees(pilot, "no other dialogue")


@pytest.mark.torture
async def test_where_it_is_narrow_the_panel_takes_the_place_of_the_speech(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app, size=(60, 20)) as pilot:
        stage = stage_of(app)
        seen = [(stage.query_one(Speeches).display, stage.query_one(EvidencePanel).display)]
        for _ in range(2):
            await press(pilot, "tab")
            seen.append((stage.query_one(Speeches).display, stage.query_one(EvidencePanel).display))
        assert seen == [(True, False), (False, True), (True, False)]
        await pilot.resize_terminal(140, 30)
        assert stage.query_one(EvidencePanel).display


@pytest.mark.torture
async def test_the_card_and_the_calls_open_over_the_stage_and_close(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        await press(pilot, "i")
        await sees(pilot, "has no card")
        await press(pilot, "c")
        await sees(pilot, "no model was asked")
        await press(pilot, "right")
        for key in ("i", "c", "v"):
            await press(pilot, key)
            if key == "v":
                await sees(pilot, "no parent and no branch")
            else:
                assert not isinstance(app.screen, StageScreen)
                await press(pilot, "escape")
        assert isinstance(app.screen, StageScreen)


# --- judging ---------------------------------------------------------------------------------------------


async def test_judgements_are_stored_at_once_and_shown_and_taken_back(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1")
    turn = f"{RUN}.d1.t2"
    async with shown(app) as pilot:
        await press(pilot, "right", "a")
        await sees(pilot, "✓ accepted by anna")
        await press(pilot, "4")
        await sees(pilot, "✓ accepted by anna, 4 of 5")
        newest = own.rows(ReviewRow)[-1]
        told = (newest.subject_id, newest.reviewer, newest.decision, newest.rating)
        assert told == (turn, "anna", "accept", 4)
        await press(pilot, "u", "x")
        await sees(pilot, "✗ rejected by anna")
        await press(pilot, "u", "u")
        await until(pilot, lambda: "by anna" not in text_of(app))
        await press(pilot, "u")
        await sees(pilot, "nothing here that could be taken back")
    assert [row.withdrawn_at is not None for row in own.rows(ReviewRow)] == [True] * 3


async def test_the_subject_is_what_the_cursor_stands_on(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        while stage.spoken and not stage.spoken.statements:
            await press(pilot, "right")
        await press(pilot, "tab", "down", "x")
        assert stage.spoken
        statement = stage.spoken.statements[0].row.id
        assert [row.subject_id for row in own.rows(ReviewRow)] == [statement]
        await sees(pilot, "✗ s1 rejected by anna")


async def test_a_judgement_is_not_lost_if_one_quits_in_the_same_moment(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        await pilot.press("a", "right", "2", "ctrl+q")
    app.session.finish()
    assert [(row.subject_id, row.decision, row.rating) for row in own.rows(ReviewRow)] == [
        (f"{RUN}.d1.t2", "accept", None),
        (f"{RUN}.d1.t3", "comment", 2),
    ]


async def test_what_cannot_be_stored_is_said_and_the_app_goes_on(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2", reviewer="a\x1b[2J")
    async with shown(app) as pilot:
        await press(pilot, "a")
        await sees(pilot, "not stored: a reviewer's name has")
        assert own.rows(ReviewRow) == []
        assert app.trouble is None


def slowed(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> Event:
    """Whoever calls it waits until the event is set."""
    gate, plain = Event(), getattr(owner, name)

    def wait(*args: Any, **kwargs: Any) -> Any:
        assert gate.wait(20)
        return plain(*args, **kwargs)

    monkeypatch.setattr(owner, name, wait)
    return gate


def judged(held: Held) -> list[tuple[str, str, int | None]]:
    """What stands, in the order it was said."""
    rows = sorted(held.rows(ReviewRow), key=lambda row: row.created_at)
    return [(row.subject_id.removeprefix(f"{RUN}."), row.decision, row.rating) for row in rows if not row.withdrawn_at]


@pytest.mark.parametrize("leave", ["q", "ctrl+q"])
@pytest.mark.sampled
async def test_judgements_that_wait_to_be_written_are_written_whoever_leaves(
    own: Held, leave: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        gate = slowed(monkeypatch, Reviews, "add")
        await pilot.press("a", "right", "x", "right", "right", "4", leave)
        gate.set()
        if leave == "q":
            await settled(pilot)
            assert isinstance(app.screen, DialoguesScreen)
    app.session.finish()
    assert app.trouble is None
    assert judged(own) == [("d1.t2", "accept", None), ("d1.t3", "reject", None), ("d1.t5", "comment", 4)]


async def test_a_write_that_fails_when_nobody_looks_any_more_is_told_at_the_end(
    own: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")

    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    async with shown(app) as pilot:
        monkeypatch.setattr(Reviews, "add", full)
        await press(pilot, "x")
        await sees(pilot, "not stored: the disk is full")
        app.session.finish()  # this one has been told
        app.session._writer = ThreadPoolExecutor(1)
        gate = slowed(monkeypatch, Reviews, "add")
        await pilot.press("a", "ctrl+q")
        gate.set()
    with pytest.raises(StoreError, match="not stored: the disk is full"):
        app.session.finish()


@pytest.mark.torture
async def test_a_form_that_could_not_be_stored_is_there_again_as_it_was_filled_in(
    own: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    add, fails = Reviews.add, [True, True]

    def locked(*args: Any, **kwargs: Any) -> Any:
        if fails and fails.pop():
            raise StoreError("the store is locked")
        return add(*args, **kwargs)

    monkeypatch.setattr(Reviews, "add", locked)
    async with shown(app) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press(*"shorter, ", "tab", *"why", "shift+tab", "shift+tab", "3", "shift+tab", "r")
        for _ in range(2):
            form = app.screen
            await pilot.press("ctrl+s")
            await until(pilot, lambda form=form: isinstance(app.screen, ReviewScreen) and app.screen is not form)
            await sees(pilot, "! not stored: the store is locked")
        await pilot.press("escape")
        await sees(pilot, "Not saved")  # it is still somebody's work
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, StageScreen))
        await sees(pilot, "note  why")
    assert judged(own) == [("d1.t2", "reject", 3)]


@pytest.mark.torture
async def test_a_judgement_is_on_the_turn_from_the_speech_and_on_the_cursor_from_the_panel(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t6")
    async with shown(app) as pilot:
        await sees(pilot, "turn 6 of")
        await press(pilot, "tab", "down")
        await sees(pilot, "on t6.s1")
        await press(pilot, "a", "tab", "x", "q")
        await pilot.pause()
    assert judged(own) == [("d1.t6.s1", "accept", None), ("d1.t6", "reject", None)]


async def test_an_id_of_a_statement_leads_to_it(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t6.s1")
    async with shown(app) as pilot:
        await sees(pilot, "turn 6 of")
        assert app.screen.query_one(EvidencePanel).subject == f"{RUN}.d1.t6.s1"


async def test_in_a_narrow_window_escape_leads_from_what_is_behind_to_the_speech(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1")
    async with shown(app, size=(60, 20)) as pilot:
        await press(pilot, "tab", "escape")
        assert isinstance(app.screen, StageScreen)
        assert app.screen.focused is app.screen.query_one(Speeches)


@pytest.mark.torture
async def test_what_was_typed_before_a_form_is_saved_is_saved_with_it(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        for note, last in (("well put", "ctrl+s"), ("but", "escape")):
            await pilot.press("e")
            await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
            app.screen.query_one("#note").focus()
            await pilot.pause()
            for character in note:  # as fast as they can come
                app.post_message(events.Key("space" if character == " " else character, character))
            app.post_message(events.Key(last, None))
            await sees(pilot, "t2 noted" if last == "ctrl+s" else "Not saved")
        await pilot.press("ctrl+q")  # over a modal screen too
    assert [row.note for row in own.rows(ReviewRow)] == ["well put"]


async def test_a_form_knows_what_was_judged_just_before(own: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        gate = slowed(monkeypatch, Reviews, "add")
        await pilot.press("4", "e")
        await pilot.pause()
        gate.set()
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await sees(pilot, "(•) 4")


async def test_a_form_is_about_what_was_on_stage_when_it_was_asked_for(
    own: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(own.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        await press(pilot, "right")
        assert stage.spoken
        text = stage.spoken.turn.text
        gate = slowed(monkeypatch, Reviews, "standing")
        await pilot.press("e", "right_square_bracket")
        gate.set()
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        assert isinstance(app.screen, ReviewScreen)
        assert (app.screen.subject_id, app.screen.text) == (f"{RUN}.d1.t2", text)


async def test_undo_takes_back_what_was_done_here_and_says_where_it_was(own: Held) -> None:
    before = Reviews(own.store, "anna")
    before.add(f"{RUN}.d3.t1", "accept")
    before.add(f"{RUN}.d2.t1", "accept")
    Reviews(own.store, "bo").add(f"{RUN}.d2.t1", "reject")
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app, size=(160, 40)) as pilot:
        await press(pilot, "a", "right_square_bracket", "right", "x", "u")
        await sees(pilot, "taken back: ✗ t2 rejected")
        await press(pilot, "u")
        await sees(pilot, f"taken back: ✓ {RUN}.d1.t2 accepted")
        await press(pilot, "u")
        await sees(pilot, "taken back: ✓ t1 accepted")  # of this dialogue, if of another day
        await press(pilot, "u")
        await sees(pilot, "nothing here")
        await press(pilot, "left_square_bracket")  # which was held, with the judgement
        assert stage_of(app).scene
        assert "by anna" not in text_of(app)
    assert judged(own) == [("d3.t1", "accept", None), ("d2.t1", "reject", None)]


@pytest.mark.torture
async def test_a_fixed_cue_is_not_reviewed_since_nothing_is_mined_from_it(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t1")
    async with shown(app) as pilot:
        for key in ("a", "x", "3", "e"):
            stage_of(app)._say("")
            await press(pilot, key)
            await sees(pilot, "a fixed cue: nothing is mined from it")
        await press(pilot, "tab", "x")  # nor from the panel
        await press(pilot, "tab", "right", "x")
        await sees(pilot, "✗ t2 rejected")
    assert judged(own) == [("d1.t2", "reject", None)]


@pytest.mark.torture
async def test_what_was_said_goes_with_the_next_move_and_with_the_turns_that_pass(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        await press(pilot, "x", "u")
        await sees(pilot, "taken back: ✗ t2 rejected")
        await press(pilot, "right")
        assert "taken back" not in text_of(app)
        await press(pilot, "space", "x")
        stage = stage_of(app)
        said = f"✗ t{stage.playback.position} rejected"
        await sees(pilot, said)
        position, seen = stage.playback.position, []
        while stage.playback.position < position + 3:
            await pass_time(pilot, 1.0)
            seen.append((stage.playback.position, said in text_of(app)))
        assert seen[0][1]
        assert not seen[-1][1]


async def test_the_same_judgement_is_stored_once(own: Held) -> None:
    app = app_on(own.store, f"{RUN}.d1.t2")
    async with shown(app) as pilot:
        await press(pilot, "a", "a", "a")
        await sees(pilot, "already so: ✓ t2 accepted")
        assert len(own.rows(ReviewRow)) == 1
        await press(pilot, "u")
        await sees(pilot, "taken back: ✓ t2 accepted")
    assert judged(own) == []


@pytest.mark.torture
async def test_going_on_and_back_at_once_shows_one_dialogue(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        stage.run_cache.forget(f"{RUN}.d2")
        gate = slowed(monkeypatch, stage.run_cache, "scene")
        await pilot.press("right_square_bracket")
        assert stage.subject == ""  # nothing is judged by mistake
        await pilot.press("left_square_bracket")
        gate.set()
        await settled(pilot)
        assert stage.scene
        assert stage.dialogue_id == stage.scene.dialogue.id == f"{RUN}.d1"


@pytest.mark.parametrize(("key", "owner", "name"), [("c", "scenes", "calls"), ("v", "session", "comparison_of")])
@pytest.mark.sampled
@pytest.mark.torture
async def test_what_comes_late_opens_over_nothing_else(
    held: Held, key: str, owner: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        await press(pilot, "right")
        gate = slowed(monkeypatch, {"scenes": stage.run_cache.scenes, "session": app.session}[owner], name)
        await pilot.press(key, "i")
        gate.set()
        await settled(pilot)
        assert [type(screen) for screen in app.screen_stack[-2:]] == [StageScreen, PersonaScreen]


@pytest.mark.torture
async def test_whoever_chooses_twice_gets_one_stage(held: Held) -> None:
    app = app_on(held.store)
    async with shown(app) as pilot:
        for screen in (RunsScreen, DialoguesScreen):
            assert isinstance(app.screen, screen)
            listing = app.screen.query_one(Listing)
            listing.action_choose()
            listing.action_choose()
            await settled(pilot)
        assert [type(one) for one in app.screen_stack] == [RunsScreen, DialoguesScreen, StageScreen]


async def test_a_statement_of_another_run_is_shown_on_a_stage_of_its_own(own: Held) -> None:
    row = plan.branch(own.store, f"{RUN}.d1.t4", "Something else.", models=plan.models_of(own.store.run(RUN)))
    app = app_on(own.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        stage.post_message(EvidencePanel.Go(f"{row.id}.d1.t2.s1"))
        await settled(pilot)
        there = stage_of(app)
        assert (there.dialogue_id, there.playback.position) == (f"{row.id}.d1", 2)
        await press(pilot, "q")
        assert app.screen is stage
        stage.post_message(EvidencePanel.Go("elsewhere.d1.t2.s1"))
        await sees(pilot, "no such run")
        assert app.screen is stage


async def test_the_calls_of_a_turn_that_a_branch_copied_are_those_of_its_parent(own: Held) -> None:
    row = plan.branch(own.store, f"{RUN}.d1.t4", "Something else.", models=plan.models_of(own.store.run(RUN)))
    app = app_on(own.store, f"{row.id}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        await press(pilot, "right")
        assert stage.spoken
        await press(pilot, "c")
        assert isinstance(app.screen, CallsScreen)
        assert [call.id for call in app.screen.rows] == [stage.spoken.turn.call_id]


@pytest.mark.torture
async def test_the_runs_are_looked_at_again_when_one_comes_back(own: Held) -> None:
    app = app_on(own.store)
    async with shown(app) as pilot:
        await press(pilot, "enter")
        plan.branch(own.store, f"{RUN}.d1.t4", "Something else.", models=plan.models_of(own.store.run(RUN)))
        await press(pilot, "q")
        await sees(pilot, "2 runs")
        assert app.screen.query_one(Listing).ids[app.screen.query_one(Listing).cursor] == RUN


# --- what is held ------------------------------------------------------------------------------------------


def test_an_older_scene_never_takes_the_place_of_a_newer_one(own: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    run_cache, name = Session("", store=own.store).run_cache(RUN), f"{RUN}.d1"
    read = run_cache.scenes.scene

    def overtaken(dialogue_id: str) -> Scene:
        """Somebody else reads it meanwhile, once there is a judgement."""
        old = read(dialogue_id)
        monkeypatch.setattr(run_cache.scenes, "scene", read)
        Reviews(own.store, "anna").add(f"{name}.t1", "accept")
        run_cache.reload(dialogue_id)
        return old

    monkeypatch.setattr(run_cache.scenes, "scene", overtaken)
    assert run_cache.scene(name).reviews
    held = run_cache.cached(name)
    assert held
    assert held.reviews


def test_what_was_read_before_something_was_written_is_not_held(own: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    run_cache = Session("", store=own.store).run_cache(RUN)
    read = run_cache.scenes.scene

    def written(dialogue_id: str) -> Scene:
        scene = read(dialogue_id)
        run_cache.forget(f"{RUN}.d1")
        return scene

    monkeypatch.setattr(run_cache.scenes, "scene", written)
    run_cache.prefetch([f"{RUN}.d1", f"{RUN}.d99", f"{RUN}.d2"])  # one of them is gone
    assert run_cache.cached(f"{RUN}.d1") is None
    assert run_cache.cached(f"{RUN}.d2")


# --- trouble -----------------------------------------------------------------------------------------------


async def test_a_store_that_breaks_ends_the_app_with_what_is_wrong(own: Held) -> None:
    app = app_on(own.store, "last")
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        with own.store.database.writing() as session:
            session.execute(update(TurnRow).where(TurnRow.dialogue_id == f"{RUN}.d2").values(role="king"))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.trouble)
    assert isinstance(app.trouble, StoreError)
    assert app.return_code == 5


async def test_a_file_that_is_no_store_ends_the_app_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all, but long enough" * 40)
    app = Replay(Session(f"sqlite:///{tmp_path / 'x.db'}"))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.trouble)
    assert isinstance(app.trouble, StoreError)


@pytest.mark.parametrize("where", ["a handler", "a worker"])
def test_a_bug_is_told_in_a_line_and_leaves_the_terminal_alone(
    held: Held, where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a model's words"

    def broken(*_: object) -> None:
        raise ZeroDivisionError(secret)

    app = app_on(held.store)
    monkeypatch.setattr(*((RunsScreen, "_show") if where == "a handler" else (app.session, "runs")), broken)
    app.run(headless=True, size=(80, 24))
    assert isinstance(app.trouble, ZeroDivisionError)
    assert secret not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("private", "place"),
    [
        (
            r"_handle_exception|_exception_event|_close_messages_no_wait",
            ["replay/app.py"],
        ),  # the test above fails without
        (r"\b_environ\b", ["terminal/safe.py"]),  # see tests/terminal/test_safe.py
        (r"(from|import) (textual|rich)[\w.]*\._", []),
    ],
)
def test_private_names_of_a_library_stand_in_one_file(private: str, place: list[str]) -> None:
    package = Path(culturepark.__file__).parent
    found = [path for path in package.rglob("*.py") if re.search(private, path.read_text("utf-8"))]
    assert [path.relative_to(package).as_posix() for path in found] == place


@pytest.mark.torture
async def test_a_dialogue_that_is_gone_leaves_an_empty_row_and_is_named_when_opened(own: Held) -> None:
    app = app_on(own.store, "last")
    async with shown(app) as pilot:
        with closing(sqlite3.connect(str(own.store.database.url.database))) as db:
            db.execute("DELETE FROM dialogue WHERE number = 4")
            db.commit()
        await press(pilot, "end", "enter")
        await sees(pilot, "no such dialogue")
        await press(pilot, "a", "space", "e", "c", "i", "v", "b", "q", "up", "enter")
        assert stage_of(app).dialogue_id == f"{RUN}.d3"
        await press(pilot, "right_square_bracket")
        await sees(pilot, "no such dialogue")
        await press(pilot, "right", "a")
        await sees(pilot, "t2 accepted")
    assert [row.subject_id for row in own.rows(ReviewRow)] == [f"{RUN}.d3.t2"]
    assert app.trouble is None


async def test_names_that_would_control_the_terminal_are_shown_harmless(own: Held) -> None:
    evil = "\x1b]0;owned\x07[bold]Eve[/bold]\u202e\n"
    with own.store.database.writing() as session:
        session.execute(update(ParticipantRow).where(ParticipantRow.position == 2).values(name=evil))
        session.execute(update(RunRow).values(scenario_name=evil))
    app = app_on(own.store)
    async with shown(app) as pilot:
        for key in ("enter", "enter", "right"):
            told = text_of(app)
            assert "\x1b" not in told
            assert "\u202e" not in told
            await press(pilot, key)
    assert app.trouble is None


# --- a run that goes on ------------------------------------------------------------------------------------


@pytest.fixture
def going(tmp_path: Path) -> Held:
    """Somebody else is holding dialogues 1 and 2 of four, and has got as far as a turn in each."""
    one = shipped("everyday-norms")
    few = one.scenario.model_copy(update={"seeds": one.scenario.seeds[:2], "cultures": one.scenario.cultures[:2]})
    begun = begin(tmp_path, one.model_copy(update={"scenario": few}), FakeModel(), run_id="going")
    begun.store.set_run("going", Status.RUNNING, None)
    for number in (1, 2):
        begun.store.set_dialogue(f"going.d{number}", Status.RUNNING)
        say(begun, number, "Welcome, both of you.")
    return begun


def say(held: Held, number: int, *said: str) -> None:
    """As another process would."""
    before = len(held.store.turns(f"going.d{number}"))
    for turn in turns_of([("moderator", text) for text in said], "opening"):
        place = {"position": turn.position + before, "slot": turn.slot + before}
        held.store.add_turn(f"going.d{number}", turn.model_copy(update=place))


async def ready(app: Replay, pilot: Any) -> StageScreen:
    await until(pilot, lambda: isinstance(app.screen, StageScreen) and app.screen.scene)
    return stage_of(app)


async def test_following_shows_what_is_said_as_it_is_said(going: Held) -> None:
    app = app_on(going.store, "last", follow=True)
    async with app.run_test(size=(120, 40)) as pilot:
        stage = await ready(app, pilot)
        assert stage.dialogue_id == "going.d1"
        assert stage.playback.live
        say(going, 1, "And now to our question.")
        await until(pilot, lambda: stage.playback.position == 2)
        await pass_time(pilot, 60)
        await sees(pilot, "And now to our question.")
        await sees(pilot, "● live, waiting, turn 2 of 2")
        await sees(pilot, "following, 1 other in progress")
        await pilot.press("left")
        say(going, 1, "Who begins?")
        await until(pilot, lambda: len(stage.playback.parts) == 3)
        assert stage.playback.position == 1  # whoever looks back is left in peace
        await pilot.press("end")
        await pass_time(pilot, 60)
        await sees(pilot, "● live, waiting, turn 3 of 3")


@pytest.mark.torture
async def test_following_goes_on_to_the_next_dialogue_and_ends_with_the_run(going: Held) -> None:
    app = app_on(going.store, "going", follow=True)
    async with app.run_test(size=(120, 40)) as pilot:
        stage = await ready(app, pilot)
        going.store.set_dialogue("going.d1", Status.DONE, "completed")
        await until(pilot, lambda: stage.dialogue_id == "going.d2")
        await until(pilot, lambda: stage.playback.live)
        going.store.set_dialogue("going.d2", Status.FAILED, "bug", "of some kind")
        going.store.set_run("going", Status.FAILED, "failed")
        await until(pilot, lambda: not stage.playback.live)
        await sees(pilot, "the run has ended")
        await pilot.press("left")
    assert app.trouble is None


@pytest.mark.torture
async def test_following_a_list_shows_which_dialogues_are_alive(going: Held) -> None:
    app = app_on(going.store, "going", follow=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, pilot)
        await pilot.press("escape")
        await until(pilot, lambda: text_of(app).count("▸ running") == 2 + 1)  # and the run
        going.store.set_dialogue("going.d3", Status.RUNNING)
        await until(pilot, lambda: text_of(app).count("▸ running") == 3 + 1)
        await sees(pilot, "following, read-only")


@pytest.mark.torture
async def test_who_follows_sees_what_is_mined(tmp_path: Path) -> None:
    begun = await asyncio.to_thread(lambda: hold(tmp_path, edition(), FakeModel(), until="dialogue"))
    begun.store.set_run(begun.run_id, Status.RUNNING, None)
    app = app_on(begun.store, f"{begun.run_id}.d1", follow=True)
    async with app.run_test(size=(120, 40)) as pilot:
        stage = await ready(app, pilot)
        assert stage.scene
        assert not any(spoken.statements for spoken in stage.scene.turns)
        await press(pilot, "right")
        with begun.store.database.writing() as session:
            settings = json.dumps(json.loads(begun.row.settings) | {"until": "samples"})
            session.execute(update(RunRow).values(settings=settings))
        await asyncio.to_thread(begun.carry_on)
        await until(pilot, lambda: stage.scene and any(spoken.statements for spoken in stage.scene.turns))
        assert stage.playback.position == 2


@pytest.mark.torture
async def test_a_dialogue_that_goes_on_is_read_whenever_one_comes_to_it(going: Held) -> None:
    app = app_on(going.store, "going.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        say(going, 1, "And now to our question.")
        await press(pilot, "right_square_bracket", "left_square_bracket")
        assert len(stage.playback.parts) == 2


@pytest.mark.torture
async def test_after_a_stall_nothing_has_been_left_out(held: Held) -> None:
    app = app_on(held.store, f"{RUN}.d1")
    async with shown(app) as pilot:
        stage = stage_of(app)
        await press(pilot, "space")
        assert isinstance(app.clock, Clock)
        app.clock.now += 3600  # a lid was closed
        await until(pilot, lambda: stage.playback.elapsed != float("inf") or stage.playback.position > 1)
        assert stage.playback.position <= 2


async def test_who_follows_only_reads(going: Held) -> None:
    app = app_on(going.store, "going", follow=True)
    async with app.run_test(size=(120, 40)) as pilot:
        stage = await ready(app, pilot)
        for key in ("a", "x", "3", "e", "u", "b"):
            stage._say("")
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, StageScreen), key
            await sees(pilot, "read-only")
    assert going.rows(ReviewRow) == []


# --- the first glance ------------------------------------------------------------------------------------


def test_a_glance_shows_what_the_store_says_but_for_what_takes_counting(held: Held) -> None:
    url = held.store.database.url.render_as_string()
    lists = Lists(held.store, RUN)
    shown = first_look.dialogues(url, "last")
    assert shown == first_look.dialogues(url, RUN)
    assert shown
    assert list(shown.ids) == lists.find()
    uncounted = {"turns": None, "statements": None, "kept": None}
    assert list(shown.lines) == [replace(line, **uncounted) for line in lists.lines(shown.ids)]
    (run,) = Session(url).runs()
    assert first_look.runs(url) == [replace(run, dialogues=None, done=None, kept=None)] == [shown.run]


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://nowhere/x", "sqlite:////nowhere/x.db", "sqlite:///", "\0", "sqlite:///\0"]
)
def test_a_glance_leaves_what_it_cannot_see_to_the_store(url: str) -> None:
    assert first_look.runs(url) is None
    assert first_look.dialogues(url, "last") is None


def test_a_glance_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.db")
    assert first_look.runs(f"sqlite:///{tmp_path / 'pipe.db'}") is None
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert first_look.runs("sqlite:///runs.db") is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET status = x'00'",
        "UPDATE run SET scenario = '{'",
        "UPDATE run SET scenario = '{\"scenario\": []}'",
        "UPDATE dialogue SET number = 'many' WHERE number = 1",
        "UPDATE dialogue SET seed_key = 'no such'",
        "ALTER TABLE dialogue DROP COLUMN stop_reason",
        "DROP TABLE participant",
        "DELETE FROM run",
    ],
)
def test_a_glance_at_damage_sees_nothing(own: Held, damage: str) -> None:
    path = str(own.store.database.url.database)
    own.store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(damage)
        db.commit()
    assert first_look.dialogues(f"sqlite:///{path}", "last") is None


@pytest.mark.parametrize(("target", "row"), [(None, RUN), ("last", "(arabic)")])
async def test_the_first_rows_are_there_before_the_store_is_opened(held: Held, target: str | None, row: str) -> None:
    app = Replay(Session(held.store.database.url.render_as_string()), target)
    with app.session._opening:  # so that nobody gets at it
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: row in text_of(app))
            app.exit()
