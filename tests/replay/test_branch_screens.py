"""The screens on which a dialogue branches, and on which a branch is compared with its parent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from culturepark.domain import Turn
from culturepark.models.trust import Trust
from culturepark.replay.branch_form import BranchScreen, outlook
from culturepark.replay.compare import Beside, CompareScreen, Pair, align, beside, end_of, grouped, same_turns, speech
from culturepark.replay.review_form import Choice, Words
from culturepark.replay.widgets.sheet import Sheet
from culturepark.run.plan import branch
from culturepark.store.dialogue_view import Scene, Scenes, Spoken
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow
from tests.support.behind import Themed
from tests.support.endpoint import Endpoint, status
from tests.support.fakes import FakeModel, Held, edition, hold

WIDE, NARROW = (120, 40), (60, 30)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CULTUREPARK_PRICES", "CULTUREPARK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("culturepark.models.ledger.pause_before", lambda attempt, error: 0.0)
    letters = iter(f"{n:04x}" for n in range(0xA0, 0xFFFF))
    monkeypatch.setattr("culturepark.run.plan.secrets.token_hex", lambda _: next(letters))


@pytest.fixture
def held(tmp_path: Path) -> Held:
    one = edition()
    return hold(
        tmp_path, one.model_copy(update={"scenario": one.scenario.model_copy(update={"max_turns": 8})}), FakeModel()
    )


def scene(store: Store, dialogue_id: str) -> Scene:
    return Scenes(store, dialogue_id.rpartition(".")[0]).scene(dialogue_id)


def carried_on(store: Store, run_id: str) -> None:
    """A run, to its end, also where a loop is running already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(Held(store, run_id, FakeModel()).carry_on).result()


def with_branch(held: Held, text: str | None = None) -> tuple[Scene, Scene]:
    """The dialogue and a branch of it, which is over."""
    old = held.store.turns("held.d1")[3].text
    row = branch(held.store, "held.d1.t4", text or f"Well, {old} That is all I have to say.", seed=3)
    carried_on(held.store, row.id)
    return scene(held.store, "held.d1"), scene(held.store, f"{row.id}.d1")


class Stage(Themed):
    """Shows one screen, and keeps what it gives."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self.shown = screen
        self.given: list[Any] = []

    async def on_mount(self) -> None:
        await self.push_screen(self.shown, self.given.append)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await pilot.pause(0.02)


def word(app: Stage) -> str:
    return str(app.shown.query_one("#word", Static).content)


# --- side by side, without an app ---------------------------------------------------------------------


def spoken(position: int, slot: int, text: str, origin: Any = "model", speaker: str = "a") -> Spoken:
    turn = Turn(position=position, slot=slot, speaker=speaker, role="delegate", phase="chat", text=text, origin=origin)
    return Spoken(f"r.d1.t{position}", turn, "Ayşe", "turkish")


LEFT = [spoken(1, 1, "One."), spoken(2, 2, "Two."), spoken(3, 4, "Four."), spoken(4, 5, "Five."), spoken(5, 6, "Six.")]
RIGHT = [spoken(1, 1, "One."), spoken(2, 2, "Two!", "edited"), spoken(3, 3, "Three."), spoken(4, 5, "Five.")]


def test_turns_stand_beside_each_other_by_slot_and_gaps_stay() -> None:
    pairs = align(LEFT, RIGHT)
    slots = [(p.left and p.left.turn.slot, p.right and p.right.turn.slot) for p in pairs]
    assert slots == [(1, 1), (2, 2), (None, 3), (4, None), (5, 5), (6, None)]
    assert [p.same for p in pairs] == [True, False, False, False, True, False]
    assert [p.edited for p in pairs] == [False, True, False, False, False, False]


def test_the_same_words_of_another_speaker_are_not_the_same() -> None:
    assert not Pair(spoken(1, 1, "One."), spoken(1, 1, "One.", speaker="b")).same


def test_what_is_the_same_and_follows_each_other_is_folded_into_one_line() -> None:
    four = [spoken(n, n, f"{n}.") for n in range(1, 5)]
    pairs = align([*four, spoken(5, 5, "Old.")], [*four, spoken(5, 5, "New.")])
    assert [len(those) for those in grouped(pairs)] == [4, 1]
    assert same_turns(grouped(pairs)[0]) == "turns 1-4 are the same"
    assert same_turns([Pair(four[0], four[0])]) == "turn 1 is the same"
    assert same_turns([Pair(spoken(9, 9, "x"), spoken(8, 9, "x"))]) == "turn 9 here and turn 8 there are the same"


def test_the_words_that_differ_in_an_edited_turn_are_marked() -> None:
    pair = Pair(spoken(2, 2, "I like tea with you."), spoken(2, 2, "I like coffee with all of you.", "edited"))
    found = beside(pair, ("Parent", "Branch"))
    left, right = found.left[1], found.right[1]
    assert [left.text[start:end] for start, end, _ in left.marks] == ["tea"]
    assert [right.text[start:end] for start, end, _ in right.marks] == ["coffee", "all of"]
    assert "edited by a person" in found.right[0].text
    other = beside(Pair(spoken(1, 1, "Quite other words."), spoken(1, 1, "Nothing of it stays!", "edited")), ("", ""))
    assert not other.left[1].marks
    assert not other.right[1].marks
    asked = beside(Pair(spoken(1, 1, "I like tea."), spoken(1, 1, "I like coffee.")), ("", ""))
    assert not asked.left[1].marks


def test_two_columns_become_one_where_there_is_no_room_and_no_line_is_too_long() -> None:
    long = "word " * 60 + "杯子" * 40 + " שלום"
    both = Beside(speech(spoken(1, 1, long)), speech(None), ("Parent", "Branch"))
    for width in (20, 56, 89, 90, 200):
        lines = both.lines(width)
        assert max(line.cell_len for line in lines) <= width
        assert ("│" in lines[0].plain) == (width >= 90)
    assert both.lines(56)[0].plain.startswith("Parent  1  Ayşe · Free talk")


# --- compare ------------------------------------------------------------------------------------------


def test_a_branch_beside_its_parent(held: Held, snap_compare: Any) -> None:
    assert snap_compare(Stage(CompareScreen(*with_branch(held))), terminal_size=WIDE)


async def test_what_is_the_same_can_be_seen_and_folded_again(held: Held) -> None:
    pair = with_branch(held)
    app = Stage(CompareScreen(*pair))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        both = app.shown.query_one("#both", Sheet)
        assert "turns 1-3 are the same" in both.plain
        first = pair[0].turns[0].turn.text[:30]
        assert first not in both.plain
        await pilot.press("o")
        assert both.plain.count(first) == 1
        await pilot.press("o")
        assert first not in both.plain
        await pilot.press("end")
        await pilot.pause()
        assert both.scroll_offset.y > 0
        await pilot.resize_terminal(60, 30)
        await pilot.pause()
        assert "Parent  4  " in both.plain
        await pilot.press("escape")
        assert app.given == [None]


def test_the_foot_tells_what_came_of_each(held: Held) -> None:
    left, right = with_branch(held)
    assert end_of(right) == "done · nothing mined yet"
    statements = sum(len(turn.statements) for turn in left.turns)
    kept = sum(x.status == "kept" for turn in left.turns for one in turn.statements for x in one.samples)
    assert statements
    assert end_of(left) == f"done · {statements} statements · {kept} samples kept"


async def test_text_that_would_move_the_cursor_is_shown_and_does_nothing(held: Held) -> None:
    left, right = with_branch(held, "Look: \x1b[2J\x1b]0;title\x07 and \u202etxt.exe")
    app = Stage(CompareScreen(left, right))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        assert not {"\x1b", "\x07", "\u202e"} & set(app.export_screenshot())


# --- branch -------------------------------------------------------------------------------------------


def form(held: Held, position: int = 4) -> BranchScreen:
    return BranchScreen(scene(held.store, "held.d1"), position, held.store, Trust())


def test_the_form_of_a_branch(held: Held, snap_compare: Any) -> None:
    assert snap_compare(Stage(form(held)), terminal_size=(100, 30))


@pytest.mark.torture
def test_a_branch_that_is_over(held: Held, snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.run.plan.another", lambda seed: 5)
    app = Stage(form(held))

    async def over(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.shown.has_class("-over"))

    assert snap_compare(app, terminal_size=(100, 30), run_before=over)


async def test_an_edited_turn_is_heard_by_those_who_follow_and_the_screen_gives_the_new_dialogue(held: Held) -> None:
    app = Stage(form(held))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(*"Hello! ")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.shown.has_class("-over"))
        assert "✓ held-b00a0.d1: done, completed" in word(app)
        log = app.shown.query_one("#said", Sheet).plain
        assert "Hello! " in log
        assert "edited by a person" in log
        await pilot.press("enter")
    assert app.given == ["held-b00a0.d1"]
    made = held.store.turns("held-b00a0.d1")
    assert made[3].text.startswith("Hello! ")
    assert [turn.origin for turn in made[:4]] == [*(t.origin for t in held.store.turns("held.d1")[:3]), "edited"]
    assert held.store.run("held-b00a0").stop_reason == "until dialogue"


async def test_a_turn_can_be_asked_anew_with_keys_alone(held: Held) -> None:
    app = Stage(form(held))
    async with app.run_test(size=NARROW) as pilot:
        await pilot.press("shift+tab", "a")
        assert not app.shown.query_one("#text").display
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.shown.has_class("-over"))
        await pilot.press("escape")
    assert app.given == [None]
    assert "edited" not in {turn.origin for turn in held.store.turns("held-b00a0.d1")}


@pytest.mark.parametrize("keys", [("escape",), ("x", "escape", "escape"), ("x", "escape", "y", "escape", "escape")])
@pytest.mark.sampled
async def test_a_form_that_is_left_makes_nothing_and_asks_before_words_are_lost(
    held: Held, keys: tuple[str, ...]
) -> None:
    app = Stage(form(held))
    async with app.run_test() as pilot:
        for key in keys:
            assert app.given == []
            await pilot.press(key)
    assert app.given == [None]
    assert held.store.find_run("held-b00a0") is None


@pytest.mark.parametrize(
    ("text", "model", "why"),
    [
        ("", "", "is empty"),
        ("x" * 4001, "", "a turn has 4,000 at the most"),
        ("Fine.", "gpt-4o", "must be embedded"),
        ("Fine.", "openai:gpt-4o-mini", "set OPENAI_API_KEY"),
        ("Fine.", "gguf:nowhere.gguf", "No such file"),
    ],
    ids=["empty", "long", "no spec", "no key", "no file"],
)
@pytest.mark.sampled
async def test_what_cannot_be_done_is_told_in_the_form_and_makes_nothing(
    held: Held, text: str, model: str, why: str
) -> None:
    app = Stage(form(held))
    async with app.run_test(size=WIDE) as pilot:
        app.shown.query_one("#text", Words).text = text
        app.shown.query_one("#model", Words).text = model
        await pilot.press("ctrl+r")
        await until(pilot, lambda: word(app).startswith("!"))
        assert why in word(app)
        assert not app.shown.has_class("-going")
        assert app.shown.query_one("#text", Words).text == text
        assert held.store.find_run("held-b00a0") is None
        app.shown.query_one("#text", Words).text = "Fine."
        app.shown.query_one("#model", Words).text = "scripted"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.shown.has_class("-over"))
    assert (
        held.store.turns("held-b00a1.d1" if held.store.find_run("held-b00a1") else "held-b00a0.d1")[3].text == "Fine."
    )


async def test_a_model_that_fails_is_told_as_on_the_command_line_and_the_branch_can_be_resumed(held: Held) -> None:
    app = Stage(form(held))
    with Endpoint(reply=lambda body, number: status(401, "who are you") if number > 2 else None) as endpoint:
        async with app.run_test(size=WIDE) as pilot:
            app.shown.query_one("#model", Words).text = f"openai:test@{endpoint.url}"
            await pilot.pause()
            assert "That may cost." in str(app.shown.query_one("#plan", Static).content)
            await pilot.press("ctrl+r")
            await until(pilot, lambda: app.shown.has_class("-over"))
            assert "who are you" in word(app)
            assert "culturepark resume held-b00a0" in word(app)
    assert held.store.run("held-b00a0").status == "stopped"
    carried_on(held.store, "held-b00a0")
    assert held.store.run("held-b00a0").status == "done"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.sampled
async def test_escape_stops_what_is_going_on_and_what_was_said_stays(held: Held, times: int) -> None:
    app = Stage(form(held))
    pressed = threading.Event()

    def once_pressed(body: dict[str, Any], number: int) -> None:
        if number >= 2:  # an answer between two presses would end it, and the second press would close the screen
            pressed.wait(9)

    with Endpoint(latency=0.15, reply=once_pressed) as endpoint:
        async with app.run_test(size=WIDE) as pilot:
            app.shown.query_one("#model", Words).text = f"openai:test@{endpoint.url}"
            await pilot.press("ctrl+r")
            await until(pilot, lambda: len(endpoint.requests) >= 2)
            await pilot.press(*["escape"] * times)
            pressed.set()
            await until(pilot, lambda: app.shown.has_class("-over"))
            assert "culturepark resume held-b00a0" in word(app)
            assert "stopped" in word(app)
            asked = len(endpoint.requests)
            await pilot.press("escape")
        assert app.given == [None]
        assert len(endpoint.requests) == asked
    row = held.store.run("held-b00a0")
    assert (row.status, str(row.stop_reason)[:11]) == ("stopped", "interrupted")
    carried_on(held.store, row.id)
    assert held.store.run(row.id).status == "done"


async def test_an_app_that_ends_does_not_wait_for_a_branch(held: Held) -> None:
    app = Stage(form(held))
    with Endpoint(latency=20) as endpoint:
        began = time.monotonic()
        async with app.run_test(size=WIDE) as pilot:
            app.shown.query_one("#model", Words).text = f"openai:test@{endpoint.url}"
            await pilot.press("ctrl+r")
            await until(pilot, lambda: len(endpoint.requests) >= 1)
            app.exit()
        deadline = began + 15
        while held.store.run("held-b00a0").status == "running":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
    assert held.store.run("held-b00a0").status == "stopped"


async def test_a_talk_is_refused_in_the_form(held: Held) -> None:
    with held.store.database.writing() as session:
        session.get_one(DialogueRow, "held.d1").protocol = "talk"
    app = Stage(form(held))
    async with app.run_test(size=WIDE) as pilot:
        assert "only dialogues between personas" in str(app.shown.query_one("#plan", Static).content)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "only dialogues between personas" in word(app))
        assert not app.shown.has_class("-going")


@pytest.mark.torture
async def test_a_store_that_fails_is_told_and_the_app_lives(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr("culturepark.run.plan.branch", broken)
    app = Stage(form(held))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "disk is gone" in word(app))
        await pilot.press("escape")
    assert app.given == [None]


def test_the_form_tells_what_will_be_asked_of_whom(held: Held) -> None:
    from culturepark.models.spec import parse

    one = scene(held.store, "held.d1")
    scripted, paid = parse("scripted"), parse("openai:gpt-4o")
    both: dict[Any, Any] = {"speaker": scripted, "moderator": scripted}
    second, last = one.turns[1].turn, one.turns[-1].turn
    assert outlook(one, second, both, anew=False).startswith("Turn 1 is taken over. 7 speeches and 1 question")
    assert outlook(one, second, both, anew=True).startswith("Turn 1 is taken over. 8 speeches and 1 question")
    assert outlook(one, second, both, anew=True).endswith("asked of scripted. That costs nothing.")
    mixed = outlook(one, second, {**both, "speaker": paid}, anew=False)
    assert "7 speeches will be asked of openai:gpt-4o, and 1 question of scripted. That may cost." in mixed
    assert "Nothing follows it, and nothing is asked" in outlook(one, last, both, anew=False)
    assert "is a fixed cue, and stays what it is" in outlook(one, one.turns[0].turn, both, anew=True)
    assert outlook(one, one.turns[0].turn, both, anew=True).startswith("Nothing is taken over")


async def test_a_turn_whose_control_characters_the_form_cannot_show_stands_as_it_was_if_nobody_touches_it(
    held: Held,
) -> None:
    left, right = with_branch(held, "Tab\there, bell\x07 there.")
    app = Stage(BranchScreen(right, 4, held.store, Trust()))
    async with app.run_test(size=WIDE) as pilot:
        assert app.shown.query_one("#text", Words).text == "Tab here, bell there."
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.shown.has_class("-over"))
    made = held.store.turns("held-b00a0-b00a1.d1")
    assert made[3] == right.turns[3].turn
    assert left.turns[3].turn.origin != "edited"


def test_a_choice_is_told_by_a_sign(held: Held) -> None:
    choice = Choice("Turn", ("edit it", "ask it anew"), "edit it", id="what")
    assert choice.parts == ["(•) edit it", "( ) ask it anew"]
