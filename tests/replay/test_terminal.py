"""`culturepark replay` as people meet it: the real program in a real terminal, key by key."""

from __future__ import annotations

import re
import sqlite3
import termios
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Status
from tests.support.fakes import ELIF, MODERATOR, RUN, FakeModel, begin, edition, hold, hold_said, shipped, turns_of
from tests.support.terminal import KEYS, Terminal
from tests.terminal.test_safe import ATTACKS, BIDI

TURN = re.compile(r"turn (\d+) of (\d+)")
ARABIC = "السلام عليكم (أهلا) كيف الحال؟"
SENT = re.compile(
    rb"\x1b\[[0-9;]*m"  # colour and emphasis
    rb"|\x1b\[[0-9;]*H"  # to a place
    rb"|\x1b\[\?(?:1049|1000|1002|1003|1004|1006|1015|1016|2004|2026|2048|25|7)[hl]"  # modes, and back
    rb"|\x1b\[\?(?:1016|2026|2048)\$p"  # whether it knows a mode
    rb"|\x1b\[[<>][0-9]*u"  # keys told apart, and back
    rb"|\x1b\]22;[a-z-]*\x07"  # the shape of the pointer
    rb"|\x1b\[8[hl]"  # who turns lines round
)
"""All that may reach a terminal beside what is to be read."""


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with one run of two dialogues, a Turkish and a German one."""
    folder: Path = tmp_path_factory.mktemp("terminal")
    hold(folder, shipped("quickstart"), FakeModel()).store.close()
    return packed(folder)


@pytest.fixture
def folder(tmp_path: Path, quickstart: bytes) -> Path:
    (tmp_path / "runs.db").write_bytes(quickstart)
    return tmp_path


def packed(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "runs.db")) as db:
        db.execute("VACUUM INTO ?", (str(folder / "packed.db"),))
    return (folder / "packed.db").read_bytes()


def replay(folder: Path, *arguments: str, **options: Any) -> Terminal:
    return Terminal("replay", *arguments, "--store", f"sqlite:///{folder / 'runs.db'}", **options)


def opened(terminal: Terminal, dialogue: int = 1) -> None:
    """The stage, at the first turn."""
    terminal.wait("✓ done")
    for _ in range(dialogue - 1):
        terminal.press("down")
    terminal.press("enter")
    terminal.wait("turn 1 of ")


def go_to(terminal: Terminal, turn: int) -> None:
    """Steps to a turn from the first one."""
    terminal.press("home", *["right"] * (turn - 1))
    terminal.wait(f"turn {turn} of ")


def search(terminal: Terminal, words: str) -> None:
    terminal.press("/")
    terminal.wait("words that were said")
    terminal.press(*words)


def turn_of(terminal: Terminal) -> int:
    found = TURN.search(terminal.text)
    return int(found[1]) if found else 0


def rows(folder: Path, table: str, order: str = "id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "runs.db")) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f'SELECT * FROM "{table}" ORDER BY {order}')]


def first_mined(folder: Path) -> int:
    """Position of the first turn of the first dialogue that has a statement."""
    turns = {row["id"]: row["position"] for row in rows(folder, "turn") if row["dialogue_id"] == f"{RUN}.d1"}
    return min(turns[row["turn_id"]] for row in rows(folder, "statement") if row["turn_id"] in turns)


# --- play -----------------------------------------------------------------------------------------


def test_a_run_is_opened_and_its_dialogue_played_to_the_end(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        terminal.wait(
            "Lowell Vander Zee (american), Furkan Kılınç (turkish)", "Steffen Pietschmann (german)", "18 turns"
        )
        opened(terminal)
        assert "Moderator" in terminal.text
        terminal.press("end", "left", "left", *"+" * 8, "space")
        terminal.wait_until(lambda: turn_of(terminal) == 18, "the last turn")
        terminal.wait("Closing" if "Closing" in terminal.text else "closing")


@pytest.mark.torture
def test_a_key_that_comes_before_the_store_is_open_waits_for_it(folder: Path) -> None:
    for key, screen in (("enter", "turn 1 of "), ("f", "○ german"), ("/", "words that were said")):
        with replay(folder, RUN) as terminal:
            terminal.wait("Lowell Vander Zee")
            terminal.press(key)
            terminal.wait(screen)


@pytest.mark.torture
def test_speech_appears_by_itself_and_stops_when_asked(folder: Path) -> None:
    with replay(folder, f"{RUN}.d1") as terminal:
        terminal.wait("turn 1 of 18")
        terminal.press(*"+" * 8, "space")
        terminal.wait_until(lambda: turn_of(terminal) >= 3, "the third turn")
        terminal.press("space")
        terminal.wait("paused")
        here = turn_of(terminal)
        terminal.press("right", "right")  # the first may only let the speaker finish
        terminal.wait_until(lambda: turn_of(terminal) > here, "the next turn")


@pytest.mark.torture
def test_steps_go_turn_by_turn_and_phase_by_phase(folder: Path) -> None:
    phases = [row["phase"] for row in rows(folder, "turn", "position") if row["dialogue_id"] == f"{RUN}.d1"]
    with replay(folder, RUN) as terminal:
        opened(terminal)
        terminal.press("right", "right", "left")
        terminal.wait("turn 2 of ")
        terminal.press("p")
        terminal.wait(f"turn {next(n for n, phase in enumerate(phases, 1) if phase != phases[0])} of ")
        terminal.press("end")
        terminal.wait(f"turn {len(phases)} of ")
        terminal.press("home")
        terminal.wait("turn 1 of ")


@pytest.mark.torture
def test_a_search_leads_to_the_turn_that_has_the_words(folder: Path) -> None:
    found = [row for row in rows(folder, "turn") if "funeral" in row["text"]]
    first = min(found, key=lambda row: (row["dialogue_id"], row["position"]))
    with replay(folder, RUN) as terminal:
        terminal.wait("✓ done")
        search(terminal, "funeral")
        terminal.wait(f"{len(found)} hit{'s' * (len(found) > 1)}")
        terminal.press("enter")
        terminal.wait("open")
        terminal.press("enter")
        terminal.wait(f"turn {first['position']} of ", "funeral")


@pytest.mark.torture
def test_a_filter_leaves_those_that_are_wanted(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        terminal.wait("✓ done")
        terminal.press("f")
        terminal.wait("○ german")
        terminal.click_on("○ german")
        terminal.press("escape")
        terminal.wait("only culture: german", "Steffen Pietschmann", gone=("Furkan",))
        terminal.press("F")
        terminal.wait("Furkan", gone=("only culture",))


@pytest.mark.torture
def test_a_click_goes_to_a_dialogue_and_one_more_opens_it(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        terminal.wait("Steffen Pietschmann")
        column, row = terminal.find("Steffen Pietschmann")
        terminal.click(column, row)
        terminal.click(column, row)
        terminal.wait("turn 1 of ", "Steffen")


@pytest.mark.torture
def test_who_follows_sees_what_another_process_writes(tmp_path: Path) -> None:
    held = begin(tmp_path, edition(), FakeModel())
    dialogue_id = f"{held.run_id}.d1"
    first, second, third = turns_of([(MODERATOR, "Welcome, both."), (ELIF, "Merhaba to you."), (ELIF, "And goodbye.")])
    held.store.set_dialogue(dialogue_id, Status.RUNNING)
    held.store.add_turn(dialogue_id, first)
    with replay(tmp_path, dialogue_id, "--follow") as terminal:
        terminal.wait("Welcome, both.")
        held.store.add_turn(dialogue_id, second)
        terminal.wait("Merhaba to you.")
        terminal.press("x")
        terminal.wait("read-only")
        held.store.add_turn(dialogue_id, third)
        held.store.set_dialogue(dialogue_id, Status.DONE, "completed")
        terminal.wait("And goodbye.")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    assert rows(tmp_path, "review") == []


# --- look behind ------------------------------------------------------------------------------------


@pytest.mark.torture
def test_beside_a_turn_stands_what_came_of_it_and_its_quote_is_marked_in_the_speech(folder: Path) -> None:
    at = first_mined(folder)
    mined = [row for row in rows(folder, "statement") if row["turn_id"] == f"{RUN}.d1.t{at}"]
    statement = min(mined, key=lambda row: row["id"])
    with replay(folder, RUN, columns=130) as terminal:
        opened(terminal)
        go_to(terminal, at)
        terminal.wait(f"{len(mined)} statement{'s' * (len(mined) > 1)}", statement["kind"])
        terminal.press("tab", "down")
        terminal.wait("Carried by")
        others = [row["text"] for row in rows(folder, "turn") if row["id"] != statement["turn_id"]]
        quoted = max((word for word in statement["quote"].split() if word not in " ".join(others)), key=len)
        emphasis = terminal.at(*terminal.find(quoted, columns=range(65)))
        assert emphasis.bold or emphasis.underscore or emphasis.reverse or emphasis.italics


@pytest.mark.torture
def test_one_key_opens_the_card_and_one_the_prompt_and_the_reply(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        opened(terminal)
        go_to(terminal, 4)
        terminal.press("i")
        terminal.wait("Furkan Kılınç, 23", "turkish-furkan")
        terminal.press("escape")
        terminal.wait("turn 4 of ", gone=("Persona ─",))
        terminal.press("c")
        terminal.wait(f"{RUN}.d1.t4.c1", "Tokens")
        terminal.press("escape")
        terminal.wait("turn 4 of ", gone=("Calls ─",))
        terminal.press("?")
        terminal.wait("play", "undo", "quit the app")


# --- judge --------------------------------------------------------------------------------------------


@pytest.mark.torture
def test_a_review_is_in_the_store_when_the_screen_says_so_even_if_the_program_is_killed_at_once(folder: Path) -> None:
    at = first_mined(folder)
    with replay(folder, RUN) as terminal:
        opened(terminal)
        go_to(terminal, at)
        terminal.press("x")
        terminal.wait("rejected")
        terminal.kill()
    (review,) = rows(folder, "review")
    assert (review["decision"], review["withdrawn_at"]) == ("reject", None)
    assert review["subject_id"].startswith(f"{RUN}.d1.t{at}")
    with replay(folder, RUN) as terminal:
        opened(terminal)
        go_to(terminal, at)
        terminal.wait("rejected")
        terminal.press("u")
        terminal.wait("taken back")
        terminal.kill()
    (review,) = rows(folder, "review")
    assert review["withdrawn_at"] is not None


@pytest.mark.torture
def test_a_rating_and_a_correction_with_its_reason_are_kept(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        opened(terminal)
        go_to(terminal, 4)
        terminal.press("4")
        terminal.wait("4 of 5")
        terminal.press("e")
        terminal.wait("note: why")
        terminal.click(*terminal.find("I am Furkan", columns=range(8, 100)))
        terminal.press(*"Better: ")
        terminal.wait("Better: ")
        terminal.press("ctrl+s")
        terminal.wait("turn 4 of ", gone=("note: why",))
        terminal.wait_until(lambda: terminal.process.poll() is None and len(rows(folder, "review")) == 2)
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    newest = max(rows(folder, "review"), key=lambda row: row["created_at"])
    assert newest["rating"] == 4
    assert "Better: " in newest["wording"]


@pytest.mark.torture
def test_keys_that_come_all_at_once_are_taken_in_their_order(folder: Path) -> None:
    with replay(folder, f"{RUN}.d1") as terminal:
        terminal.wait("turn 1 of ")
        terminal.press("".join(KEYS.get(key, key) for key in ("a", "right", "x", "right", "3", "left", "left", "u")))
        terminal.wait("turn 1 of ", "taken back")
        terminal.press("".join(KEYS.get(key, key) for key in ("right", "a", "end", "x", "ctrl+q")))
        assert terminal.ended() == 0
    said = {}
    for row in rows(folder, "review", "created_at"):
        if row["withdrawn_at"] is None:
            said[row["subject_id"].removeprefix(f"{RUN}.d1.")] = row["decision"]
    assert said == {"t2": "accept", "t18": "reject"}  # turn 1 is a fixed cue, which takes no judgement


@pytest.mark.parametrize("name", ["bad\tname", "x" * 81, " "])
@pytest.mark.sampled
def test_a_name_that_no_reviewer_can_have_is_told_before_anything_is_shown(folder: Path, name: str) -> None:
    with replay(folder, RUN, "--reviewer", name) as terminal:
        assert terminal.ended() == 2
        assert "a reviewer's name has 1 to 80 printable characters" in " ".join(terminal.text.split())


# --- works for everyone -------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "height"), [(60, 20), (80, 24), (200, 50)])
@pytest.mark.sampled
@pytest.mark.torture
def test_it_can_be_used_in_a_window_of_any_size(folder: Path, columns: int, height: int) -> None:
    at = first_mined(folder)
    with replay(folder, RUN, columns=columns, rows=height) as terminal:
        opened(terminal)
        go_to(terminal, at)
        terminal.press("tab", "down")
        terminal.wait("statement" if columns < 100 else "Carried by")
        terminal.press("x")
        terminal.wait("rejected")
        assert rows(folder, "review")


@pytest.mark.torture
def test_another_size_keeps_the_turn_that_is_shown(folder: Path) -> None:
    with replay(folder, RUN, columns=120) as terminal:
        opened(terminal)
        go_to(terminal, 4)
        for columns, height in ((60, 20), (200, 50), (40, 12), (100, 30)):
            terminal.resize(columns, height)
            terminal.wait("turn 4 of ", "Furkan")
        assert "seen" not in terminal.text or "opening" in terminal.text


def test_leaving_gives_the_terminal_back_as_it_was(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        before = termios.tcgetattr(terminal._front)
        opened(terminal)
        terminal.press("escape")
        terminal.wait("✓ done")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        assert termios.tcgetattr(terminal._front) == before
        sent = terminal.received
    for mode in (b"1049", b"1000", b"1003", b"1004", b"1006", b"2004"):
        assert sent.rindex(b"\x1b[?" + mode + b"l") > sent.rindex(b"\x1b[?" + mode + b"h"), mode
    assert sent.rindex(b"\x1b[?25h") > sent.rindex(b"\x1b[?25l")
    assert sent.rfind(b"\x1b[?7l") < sent.rindex(b"\x1b[?7h")
    assert (b"\x1b[8l" in sent) == (b"\x1b[8h" in sent)
    assert b"Traceback" not in sent


@pytest.mark.torture
def test_what_a_model_said_cannot_control_the_terminal(tmp_path: Path) -> None:
    said = [
        (ELIF if number % 2 else MODERATOR, f"{name}: {attack} and on.".replace("\x00", ""))
        for number, (name, attack) in enumerate(ATTACKS.items())
        if not set(attack) & set("\ud800\udfff")
    ]
    held = hold_said(tmp_path, said, FakeModel())
    with replay(tmp_path, held.run_id, rows=50) as terminal:
        opened(terminal)
        for number in range(2, len(said) + 1):
            terminal.press("right")
            terminal.wait(f"turn {number} of ")
        go_to(terminal, 2)
        for key, screen in (("i", "Persona ─"), ("e", "Judge ─")):
            terminal.press(key)
            terminal.wait(screen)
            terminal.press("escape")
            terminal.wait("turn", gone=(screen,))
        search(terminal, "owned")
        terminal.wait("hit")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        sent = terminal.received
    left = SENT.sub(b"", sent)
    assert b"\x1b" not in left, left[max(0, left.index(b"\x1b") - 40) :][:90]
    assert not [c for c in left.decode() if (ord(c) < 32 and c not in "\r\n") or 0x7F <= ord(c) < 0xA0 or c in BIDI]
    assert terminal.screen.title == terminal.screen.icon_name == ""


@pytest.mark.torture
def test_no_colour_means_none_and_the_cursor_is_still_seen(folder: Path) -> None:
    with replay(folder, RUN, env={"NO_COLOR": "1"}) as terminal:
        opened(terminal)
        go_to(terminal, first_mined(folder))
        terminal.wait("▌")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        colours = {
            code for found in re.findall(rb"\x1b\[([0-9;]+)m", terminal.received) for code in found.split(b";")
        } - {b"0", b"1", b"2", b"3", b"4", b"7", b"9", b"22", b"23", b"24", b"27", b"29", b"39", b"49"}
    assert colours == set()


@pytest.mark.torture
def test_a_terminal_that_cannot_place_a_cursor_gets_plain_text(folder: Path) -> None:
    with replay(folder, RUN, env={"TERM": "dumb"}) as terminal:
        assert terminal.ended() == 0
        assert b"\x1b" not in terminal.received
        assert "A conversation between simulated people" in terminal.received.decode()


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        ({}, "؟ﻝﺎﺤﻟﺍ ﻒﻴﻛ (ﻼﻫﺃ) ﻢﻜﻴﻠﻋ ﻡﻼﺴﻟﺍ"),
        ({"CULTUREPARK_BIDI": "off"}, ARABIC),
        ({"KONSOLE_VERSION": "230800"}, ARABIC),
    ],
)
@pytest.mark.sampled
@pytest.mark.torture
def test_arabic_is_turned_round_unless_the_terminal_does_it(tmp_path: Path, environ: dict[str, str], seen: str) -> None:
    held = hold_said(tmp_path, [(MODERATOR, "Welcome."), (ELIF, ARABIC)], FakeModel(), until="dialogue")
    with replay(tmp_path, held.run_id, env=environ) as terminal:
        opened(terminal)
        go_to(terminal, 2)
        terminal.wait(seen)


@pytest.mark.torture
def test_wide_characters_leave_the_columns_where_they_are(tmp_path: Path) -> None:
    chinese = "我们去吃饭，然后回家！" * 12
    held = hold_said(tmp_path, [(MODERATOR, "Welcome."), (ELIF, chinese)], FakeModel(), until="dialogue")
    with replay(tmp_path, held.run_id) as terminal:
        opened(terminal)
        border = next(column for column in range(100) if terminal.at(column, 15).data in "│▌|" and column > 30)
        go_to(terminal, 2)
        terminal.wait("我们")
        bordered = {column for row in range(8, 20) for column in range(30, 100) if terminal.at(column, row).data == "│"}
        assert bordered == {border}


# --- what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["nothing", f"{RUN}.d99", f"{RUN}.d99.t1"])
@pytest.mark.sampled
@pytest.mark.torture
def test_a_wrong_name_is_told_on_the_terminal_as_it_was(folder: Path, target: str) -> None:
    with replay(folder, target) as terminal:
        assert terminal.ended() == 2
        assert "no such" in terminal.text
        assert "Traceback" not in terminal.received.decode()
        assert "a bug, sorry" not in terminal.text


@pytest.mark.torture
def test_a_store_that_is_destroyed_meanwhile_is_told_in_a_line(folder: Path) -> None:
    with replay(folder, RUN) as terminal:
        opened(terminal)
        terminal.press("right")
        terminal.wait("turn 2 of ")
        for path in folder.glob("runs.db*"):
            path.write_bytes(b"nothing of a database" * 400)
        terminal.press("x")
        terminal.wait("not stored")
        terminal.press("right")  # what is at hand is still there
        terminal.wait("turn 3 of ")
        terminal.press("escape")  # to what has to be read
        assert terminal.ended() == 5
        assert "a bug, sorry" not in terminal.text
        assert "Traceback" not in terminal.received.decode()
