"""What stands behind a sentence: the panel, the persona's card, the calls, and the form for judging."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from textual.geometry import Offset
from textual.widgets import Button

from culturepark.domain import Seed
from culturepark.replay import evidence
from culturepark.replay.call_text import exactly, in_parts, overview, readable
from culturepark.replay.calls import CallsScreen
from culturepark.replay.evidence import wording_of
from culturepark.replay.evidence_panel import CHOSEN, QUOTE, EvidencePanel
from culturepark.replay.persona import PersonaScreen, card
from culturepark.replay.review_form import LONGEST, Choice, Judgement, ReviewScreen, Words, judged, part_of
from culturepark.replay.widgets.sheet import AT_ONCE, Sheet
from culturepark.store.dialogue_view import Mined, Scene, Scenes, Seated
from culturepark.store.tables import CallRow, StatementRow, VerdictRow
from culturepark.terminal.blocks import LONGEST as PIECE
from culturepark.terminal.blocks import Bar, Para, Stop, bar, percent, word_changes
from culturepark.terminal.safe import editable
from tests.support.behind import BAD, JOB, NO, RIGHT, RIGHT_I, TEA, Alone, Over, call, held, review, reviewed, scene_of
from tests.support.fakes import Held, shipped

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 [red]x[/red] [@click=app.quit]y[/] \u202eevil\u2066 \x00\x9b2J\r\n\ta " + "w" * 10_000
)
SHARES = (
    (1, "agree strongly", 0.1),
    (2, "agree", 0.2136),
    (3, "neither", 0.0004),
    (4, "disagree", 0.5),
    (5, "no", 0.186),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return held(tmp_path_factory.mktemp("behind"))


@pytest.fixture(scope="module")
def scene(run: Held) -> Scene:
    return scene_of(run)


def text_of(stops: list[Stop], width: int = 200) -> str:
    return "\n".join(line.plain.rstrip() for stop in stops for block in stop.blocks for line in block.lines(width))


def panel(scene: Scene, position: int, unfolded: bool = False) -> str:
    return text_of(evidence.stops(scene, position, unfolded))


def changed(scene: Scene, position: int, **changes: Any) -> Scene:
    """The scene with another turn at a position."""
    turns = tuple(
        replace(one, turn=one.turn.model_copy(update=changes), statements=()) if one.turn.position == position else one
        for one in scene.turns
    )
    return replace(scene, turns=turns)


def with_statement(scene: Scene, position: int, change: Callable[[Mined], Mined]) -> Scene:
    """The scene in which the first statement of a turn is another."""
    turns = tuple(
        replace(one, statements=(change(one.statements[0]), *one.statements[1:]))
        if one.turn.position == position
        else one
        for one in scene.turns
    )
    return replace(scene, turns=turns)


def row(one: StatementRow, **changes: Any) -> StatementRow:
    return StatementRow(**one.model_dump() | changes)


def verdict(one: VerdictRow, **changes: Any) -> VerdictRow:
    return VerdictRow(**one.model_dump() | changes)


# --- the panel as text -----------------------------------------------------------------------------


def test_a_statement_is_shown_with_its_quote_and_every_verdict_that_counts(scene: Scene) -> None:
    shown = panel(scene, 3)
    assert "Turn 3  Elif Yıldız, turkish · Own views" in shown
    assert "3 statements; 3 samples kept" in shown
    assert "1  ✓ custom, kept" in shown
    assert f"   “ {TEA}" in shown
    assert "✓ Carried by the quote: yes; not known how sure; kept" in shown
    assert "✓ Harmless: kept by the judges together\n     neighbour gives 5 of 5\n       “ That deserves a 5." in shown
    second = (
        r"✓ Known to somebody else of the culture: kept on a second persona's word\n     turkish-(\w+) says: shared\n"
    )
    assert (found := re.search(second + r"       “ With us too\.", shown))
    assert found[1] != "elif"
    assert "✗ In line with the speaker's own answer: no, the opposite; not known how sure; dropped" in shown


def test_a_rewording_shows_what_it_was_before_with_marks_on_what_differs(scene: Scene) -> None:
    shown = panel(scene, 3)
    assert "→ reworded; statement 3 stands in its place" in shown
    assert (
        "   reworded from statement 2: − taken out, + put in\n   − Elif from Konya says that men come first.\n" in shown
    )
    assert f"   + {RIGHT}\n   − I want men first.\n   + {RIGHT_I}\n   “ {NO}" in shown
    paras = [block for stop in evidence.stops(scene, 3) for block in stop.blocks if isinstance(block, Para)]
    before, after = (next(p for p in paras if p.head == head) for head in ("− ", "+ "))
    assert [before.text[start:end] for start, end, _ in before.marks] == ["men", "first."]
    assert {style for _, _, style in before.marks} == {"cut"}
    assert {style for _, _, style in after.marks} == {"put"}


def test_a_statement_says_for_whom_it_stands_and_by_whom_it_is_represented(scene: Scene) -> None:
    first, second = scene.turns[2].statements[0].row.id, scene.turns[3].statements[1].row.id
    assert (
        "stands for 1 other that says the same (the same words; enter goes there)\n     ≈ 1.00  The speaker holds"
        in panel(scene, 3)
    )
    assert (
        "says the same as (similarity 1.00, the same words; enter goes there)\n     ≈ The speaker holds this: When"
        in panel(scene, 4)
    )
    assert [stop.go for stop in evidence.stops(scene, 3) if stop.go] == [second]
    assert {stop.go for stop in evidence.stops(scene, 4) if stop.go} == {first}


def test_of_many_whom_a_statement_stands_for_three_are_shown_until_they_are_unfolded(scene: Scene) -> None:
    def popular(one: Mined) -> Mined:
        assert one.cluster is not None
        members = tuple((f"held.d{n}.t1.s1", f"text {n}", 0.9) for n in range(2, 52))
        return replace(one, cluster=replace(one.cluster, members=members, size=80))

    many = with_statement(scene, 3, popular)
    assert "stands for 79 others that say the same" in panel(many, 3)
    assert "text 4\n     and 76 more (o opens)" in panel(many, 3)
    assert "text 51\n     and 29 more\n" in panel(many, 3, unfolded=True)


def test_a_sample_shows_its_messages_and_in_plain_words_why_it_is_dropped(scene: Scene) -> None:
    shown = panel(scene, 4)
    demeans = "✗ sample, survey answer: dropped: judges found that it demeans a group of people; content: made up\n"
    said = shown[shown.index(demeans) + len(demeans) :].splitlines()
    assert said[0].startswith("     system     ")
    assert said[1].startswith("     user       ")
    assert "✗ sample, norm or custom: dropped: the run has another statement that says the same" in shown
    assert f"     assistant  I say it like this: {BAD}" in shown


def test_verdicts_of_earlier_rounds_are_folded_until_they_are_asked_for(scene: Scene) -> None:
    def judged_twice(one: Mined) -> Mined:
        old = verdict(one.verdicts[0], id="old", round=7, confidence=0.714, relation="irrelevant", decision="drop")
        return replace(one, verdicts=(old, *one.verdicts))

    twice = with_statement(scene, 3, judged_twice)
    assert "▸ 1 verdict of earlier rounds, which no longer count (o opens)" in panel(twice, 3)
    assert "71%" not in panel(twice, 3)
    assert "round 7\n       ✗ Carried by the quote: no, it is about something else; 71% sure; dropped" in panel(
        twice, 3, unfolded=True
    )


def test_a_verdict_that_nobody_was_asked_for_says_so(scene: Scene) -> None:
    own = with_statement(
        scene, 3, lambda one: replace(one, verdicts=(verdict(one.verdicts[0], call_id=None), *one.verdicts[1:]))
    )
    assert "✓ Carried by the quote: yes; word by word the speaker's own; kept" in panel(own, 3)


def test_a_judge_who_cannot_be_read_is_shown_as_such(scene: Scene) -> None:
    def unread(one: Mined) -> Mined:
        return replace(
            one, verdicts=tuple(verdict(v, score=None, answer=None, reason=None, decision="drop") for v in one.verdicts)
        )

    shown = panel(with_statement(scene, 3, unread), 3)
    assert "✗ Harmless: dropped by the judges together\n     neighbour could not be read\n" in shown
    assert re.search(r"turkish-\w+ gave an answer that could not be read", shown)


def test_what_is_not_verified_or_has_no_sample_yet_says_so(scene: Scene) -> None:
    early = with_statement(scene, 2, lambda one: replace(one, samples=()))
    assert "1  · opinion, passed so far; no sample of it yet" in panel(early, 2)
    shapeless = replace(early, shapes=("norm",))
    assert "1  · opinion, passed; no shape of this run fits it" in panel(shapeless, 2)
    earlier = with_statement(scene, 2, lambda one: replace(one, samples=(), verdicts=()))
    assert "1  · opinion, not verified yet" in panel(earlier, 2)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": "moderator", "origin": "cue"}, "A fixed cue of the moderator's"),
        (
            {"role": "moderator", "origin": "fallback"},
            "A fixed follow-up, put in because the moderator's own was refused",
        ),
        ({"role": "moderator"}, "The moderator's words are not mined"),
        ({"role": "user", "origin": "typed"}, "Typed by the person at the keyboard"),
        ({"origin": "edited"}, "Edited: this was put in place of what was said"),
        ({}, "Nothing was mined: no statement was found in it whose quote may stand."),
    ],
)
def test_a_turn_without_a_statement_says_why(scene: Scene, changes: dict[str, str], why: str) -> None:
    assert why in panel(changed(scene, 5, **changes), 5)


def test_a_dialogue_that_has_not_been_mined_says_so(scene: Scene) -> None:
    def with_dialogue(**changes: Any) -> Scene:
        return replace(scene, dialogue=scene.dialogue.model_copy(update=changes))

    assert "Not mined yet." in panel(with_dialogue(extracted=0), 5)
    stopped = with_dialogue(extracted=0, status="stopped", stop_reason="refused-turns: refusal")
    assert "Not mined: the dialogue was broken off (refused-turns: refusal)." in panel(stopped, 5)
    turned_down = with_dialogue(rejected='{"question": 2, "another-speaker": 1}')
    assert "these proposals were turned down: another-speaker 1, question 2." in panel(turned_down, 5)


def test_a_turn_says_how_many_before_it_were_refused(scene: Scene) -> None:
    assert "left out" not in panel(scene, 5)
    assert "Before it 2 turns left out: refused by the guards each time." in panel(changed(scene, 5, slot=7), 5)
    assert "Before it 1 turn left out" in panel(changed(scene, 1, slot=2), 1)


def test_a_turn_of_a_talk_may_also_be_missing_because_it_was_broken_off(scene: Scene) -> None:
    talk = replace(scene, dialogue=scene.dialogue.model_copy(update={"protocol": "talk"}))
    shown = panel(changed(talk, 5, slot=7), 5)
    assert "Before it 2 turns left out: refused by the guards, broken off, or never answered." in shown


def test_copied_turns_of_a_branch_are_mined_in_its_parent(scene: Scene) -> None:
    row = scene.dialogue.model_copy(update={"parent_id": "first.d1", "branched_at": 4, "extracted": 0})
    branch = replace(scene, dialogue=row, turns=tuple(replace(one, statements=()) for one in scene.turns))
    assert "Taken over from first.d1; what was said there is mined there." in panel(branch, 4)
    assert "fixed cue" in panel(branch, 1)
    assert "Not mined yet." in panel(branch, 5)


def test_a_position_at_which_nobody_has_spoken_is_empty_and_no_error(scene: Scene) -> None:
    assert panel(scene, 99) == "Nothing has been said yet."
    assert panel(replace(scene, turns=()), 0) == "Nothing has been said yet."


def test_every_reviewer_has_a_line(scene: Scene) -> None:
    one = scene.turns[2].statements[0]
    shown = panel(
        reviewed(
            scene,
            review(one.row.id, "ana", "accept", 2, rating=4, note="after all"),
            review(one.row.id, "bo", "accept", wording="We pour tea."),
            review(one.samples[0].id, "bo", "comment", rating=2),
            review(scene.turns[2].id, "bo", "reject"),
        ),
        3,
    )
    assert "   ✓ review: accepted by ana, 4 of 5\n     note  after all\n   ✓ review: accepted by bo\n" in shown
    assert "     should say  We pour tea." in shown
    assert "     ✎ review: noted by bo, 2 of 5" in shown
    assert "✗ review: rejected by bo" in shown.splitlines()[2]


def test_what_may_be_corrected_of_each_subject(scene: Scene) -> None:
    turn = scene.turns[2]
    last = turn.statements[-1]
    assert wording_of(scene, turn.id) == turn.turn.text
    assert wording_of(scene, last.row.id) == RIGHT_I
    survey, opened = (wording_of(scene, sample.id) for sample in last.samples)
    assert survey == "2"  # on a scale from 1, `strongly disagree`, and without a reason
    assert opened == RIGHT_I
    assert wording_of(scene, "nobody") == ""


def test_a_form_names_what_of_a_subject_may_be_put_in_other_words(scene: Scene) -> None:
    found = {one.row.kind: part_of(scene, one.row.id) for turn in scene.turns for one in turn.statements}
    assert found.pop("opinion") == "words in the first person"
    assert all(part == f"{kind}, as it is said" for kind, part in found.items())
    assert [part_of(scene, name) for name in (scene.turns[0].id, "held.d1.t1.s1.x1")] == ["text", "answer"]


def test_a_subject_s_calls_are_its_extraction_and_the_verdicts_that_count(run: Held, scene: Scene) -> None:
    turn = scene.turns[3]
    one = turn.statements[0]
    scenes = Scenes(run.store, run.run_id)
    assert scenes.calls(scene, turn.id) == []  # nobody was asked for it
    calls = scenes.calls(scene, one.row.id)
    assert calls == scenes.calls(scene, one.samples[0].id)
    assert [row.stage for row in calls] == ["extract", "verify", "verify", "check", "check"]
    assert scenes.calls(scene, "nobody") == []


# --- foreign text ------------------------------------------------------------------------------------


def harmless(text: str) -> bool:
    bad = {"\u202e", "\u2066", "\x9b"}
    return not any((unicodedata.category(c) == "Cc" and c != "\n") or c in bad for c in text)


def hostile(scene: Scene) -> Scene:
    """Everything that a model or a reviewer wrote is hostile."""

    def mined(one: Mined) -> Mined:
        return replace(
            one,
            row=row(one.row, text=HOSTILE, first_person=HOSTILE + "!", quote=HOSTILE),
            verdicts=tuple(verdict(v, reason=HOSTILE, judge=v.judge and HOSTILE) for v in one.verdicts),
            cluster=one.cluster and replace(one.cluster, representative=HOSTILE, members=(("x", HOSTILE, 0.9),)),
            samples=tuple(
                type(x)(**x.model_dump() | {"messages": '[{"role": "\\u001b[2Jrole", "content": "\\u001b[2J"}]'})
                for x in one.samples
            ),
        )

    turns = tuple(replace(one, name=HOSTILE, statements=tuple(map(mined, one.statements))) for one in scene.turns)
    subject = scene.turns[2].statements[0].row.id
    note = review(subject, HOSTILE, "reject", note=HOSTILE, wording=HOSTILE)
    return reviewed(replace(scene, turns=turns), note)


@pytest.mark.parametrize("width", [24, 57])
@pytest.mark.torture
def test_foreign_text_is_shown_and_does_nothing_else(scene: Scene, width: int) -> None:
    for position in (3, 4):
        for stop in evidence.stops(hostile(scene), position, unfolded=True):
            for block in stop.blocks:
                for line in block.lines(width):
                    assert harmless(line.plain)
                    assert cell_len(line.plain) <= width, block
    assert "[@click=app.quit]y[/]" in panel(hostile(scene), 3)


async def test_markup_in_a_statement_is_no_markup(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 40)) as pilot:
        app.widget.show(hostile(scene), 3)
        await pilot.pause()
        for y in range(40):
            strip = app.widget.render_line(y)
            assert harmless(strip.text)
            assert all(not (segment.style and segment.style.meta) for segment in strip)
        await pilot.click(offset=(20, 5))
        assert app.is_running


# --- the panel as a widget ---------------------------------------------------------------------------


@pytest.mark.torture
async def test_the_cursor_goes_from_the_turn_to_statements_and_samples(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(80, 200)) as pilot:
        app.widget.show(scene, 3)
        app.widget.focus()
        await pilot.pause()
        wanted = ["t3", "t3.s1", "t3.s1", "t3.s1.x1", "t3.s2", "t3.s2.x1", "t3.s2.x2", "t3.s3", "t3.s3.x1", "t3.s3.x2"]
        found = []
        for _ in wanted:
            found.append(app.widget.subject.removeprefix("held.d1."))
            await pilot.press("down")
        assert found == wanted  # what one may go to from a statement is of that statement
        assert [name.removeprefix("held.d1.") for name in app.heard] == list(dict.fromkeys(wanted))
        await pilot.press(*["up"] * 12)
        assert app.widget.subject == "held.d1.t3"


async def test_the_quote_of_the_selected_statement_stands_out_from_the_others(scene: Scene) -> None:
    text = scene.turns[2].turn.text
    app = Alone(EvidencePanel())
    async with app.run_test(size=(80, 60)) as pilot:
        app.widget.show(scene, 3)
        await pilot.pause()
        assert {style for _, _, style in app.widget.marks(3)} == {QUOTE}
        assert app.widget.select("held.d1.t3.s1.x1")
        marks = app.widget.marks(3)
        assert [text[start:end] for start, end, style in marks if style == CHOSEN] == [TEA]
        assert {text[start:end] for start, end, style in marks if style == QUOTE} == {NO}
        assert app.widget.marks(2) == [(0, len(JOB), QUOTE)]
        assert app.widget.marks(1) == app.widget.marks(77) == []
        assert not app.widget.select("held.d1.t2.s1")


async def test_enter_and_a_click_where_the_cursor_stands_go_to_the_statement_that_says_the_same(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(80, 120)) as pilot:
        app.widget.show(scene, 4)
        app.widget.focus()
        await pilot.press("enter")
        assert app.widget.select("held.d1.t4.s2")
        await pilot.press("enter")
        there = next(y for y in range(120) if "says the same as" in app.widget.render_line(y).text)
        await pilot.click(offset=(10, 0))
        await pilot.click(offset=(10, there))
        assert [heard for heard in app.heard if isinstance(heard, tuple)] == [("go", "held.d1.t3.s1")]
        await pilot.click(offset=(10, there))
        assert [heard for heard in app.heard if isinstance(heard, tuple)] == [("go", "held.d1.t3.s1")] * 2


async def test_a_click_moves_the_cursor(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(80, 60)) as pilot:
        app.widget.show(scene, 3)
        await pilot.pause()
        there = next(y for y in range(60) if "sample, norm or custom" in app.widget.render_line(y).text)
        await pilot.click(offset=(10, there))
        assert app.widget.subject == "held.d1.t3.s1.x1"
        await pilot.click(offset=(10, there - 1))  # between two of them
        assert app.widget.subject == "held.d1.t3.s1.x1"


async def test_the_cursor_stays_where_it_was_when_the_same_turn_is_shown_with_new_reviews(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 12)) as pilot:
        app.widget.show(scene, 3)
        app.widget.select("held.d1.t3.s3")
        await pilot.pause()
        before = app.widget.scroll_offset
        assert app.widget.render_line(0).text.startswith("› 3  ✓ opinion, kept")
        app.widget.show(reviewed(scene, review("held.d1.t3.s3", "ana", "accept")), 3)
        await pilot.pause()
        assert app.widget.subject == "held.d1.t3.s3"
        assert app.widget.scroll_offset == before
        app.widget.show(scene, 4)
        await pilot.pause()
        assert app.widget.subject == "held.d1.t4"
        assert app.widget.scroll_offset == Offset(0, 0)


async def test_down_shows_the_rest_of_what_is_longer_than_the_window_before_it_goes_on(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 6)) as pilot:
        app.widget.show(scene, 3)
        app.widget.focus()
        await pilot.press("down")
        await pilot.press("down")
        assert app.widget.subject == "held.d1.t3.s1"
        seen = set()
        while app.widget.at == 1:
            seen |= {app.widget.render_line(y).text.strip("›┃ ") for y in range(6)}
            await pilot.press("down")
        assert "“ With us too." in seen
        assert app.widget.at == 2


async def test_a_cursor_out_of_sight_goes_on_from_what_can_be_seen(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 12)) as pilot:
        app.widget.show(scene, 3)
        app.widget.focus()
        app.widget.scroll_to(y=45, animate=False, force=True)
        await pilot.pause()
        assert app.widget.subject == "held.d1.t3"
        there = app.widget.stop_at(0)
        await pilot.press("down")
        assert app.widget.at == there
        assert "›" in app.widget.render_line(0).text


async def test_the_cursor_is_seen_after_the_window_has_another_size(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(100, 20)) as pilot:
        app.widget.show(scene, 3)
        app.widget.select("held.d1.t3.s3.x2")
        await pilot.resize_terminal(40, 20)
        await pilot.pause()
        assert any("›" in app.widget.render_line(y).text for y in range(20))


async def test_a_sign_says_whether_the_panel_has_the_focus(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 12)) as pilot:
        app.widget.show(scene, 3)
        app.widget.focus()
        await pilot.pause()
        assert app.widget.render_line(0).text.startswith("› Turn 3")
        app.set_focus(None)
        await pilot.pause()
        assert app.widget.render_line(0).text.startswith("│ Turn 3")


async def test_text_can_be_read_on_a_light_ground_too(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(60, 80)) as pilot:
        app.widget.show(scene, 3)
        app.theme = "textual-light"
        await pilot.pause()
        for segment in (segment for y in range(80) for segment in app.widget.render_line(y) if segment.text.strip()):
            assert segment.style
            assert segment.style.color
            assert sum(segment.style.color.get_truecolor()) < 3 * 140, segment


async def test_left_right_home_and_end_are_left_to_the_stage(scene: Scene) -> None:
    bound = {key for binding in EvidencePanel._merged_bindings.key_to_bindings for key in [binding]}  # type: ignore[union-attr]
    assert not bound & {"left", "right", "home", "end", "space", "tab"}
    assert {"up", "down", "enter", "o"} <= bound


# --- a sheet -----------------------------------------------------------------------------------------


async def test_a_very_long_text_is_there_whole_and_its_beginning_at_once() -> None:
    app = Alone(Sheet([Stop("x", (Para("one word\n" * 5_000),))]))
    async with app.run_test(size=(60, 10)) as pilot:
        app.widget.fill(app.widget.stops)
        assert AT_ONCE <= len(app.widget._lines) < 5_001
        while len(app.widget._lines) < 5_001:
            await pilot.pause()
        assert app.widget.virtual_size.height == 5_001
        app.widget.scroll_to(y=5_001, animate=False, force=True)
        await pilot.pause()
        assert app.widget.scroll_offset.y == 5_001 - 10
        assert app.widget.render_line(8).text.strip() == "one word"


def test_a_long_text_is_cut_at_line_ends_and_nothing_of_it_is_lost() -> None:
    text = "\n".join(["a" * 3000, "", "b" * 9000, "c\n", "d" * 100])
    pieces = [piece.text for piece in Para(text, head="x ").pieces()]
    assert max(map(len, pieces)) <= PIECE
    assert "".join(pieces).replace("\n", "") == text.replace("\n", "")
    assert [piece.head for piece in Para(text, head="x ").pieces()] == ["x ", *["  "] * (len(pieces) - 1)]


@pytest.mark.parametrize(
    ("share", "width", "drawn"),
    [(0, 10, ""), (1, 10, "█" * 10), (0.5, 10, "█" * 5), (0.55, 10, "█████▌"), (0.0001, 10, "▏"), (2, 4, "████")],
)
def test_a_bar_is_as_long_as_its_share(share: float, width: int, drawn: str) -> None:
    assert bar(share, width) == drawn


def test_a_share_is_a_percentage_and_what_is_more_than_nothing_is_not_nothing() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.214, 1)] == ["0.0%", "<0.1%", "21.4%", "100.0%"]


def test_bars_stand_beside_their_labels_only_where_there_is_room() -> None:
    wide, narrow = (Bar("disagree [4]", 0.5, True, 12).lines(width) for width in (80, 40))
    assert [line.plain.split("%")[0] for line in wide] == ["▶ disagree [4] (drawn) 50.0"]
    assert [line.plain.split("%")[0] for line in narrow] == ["▶ disagree [4] (drawn)", "   50.0"]


@pytest.mark.parametrize(
    ("before", "after", "cut", "put"),
    [
        ("a b c", "a b c", [], []),
        ("We pour tea.", "We never pour tea.", [], ["never"]),
        ("We never pour hot tea.", "We pour tea.", ["never", "hot"], []),
        ("我们喝茶", "我们不喝茶", [], ["不"]),
        ("", "new", [], ["new"]),
        ("x " * 2000, "y", [], []),
    ],
)
def test_a_rewording_is_compared_word_by_word(before: str, after: str, cut: list[str], put: list[str]) -> None:
    taken, given = word_changes(before, after)
    assert [before[start:end] for start, end, _ in taken] == cut
    assert [after[start:end] for start, end, _ in given] == put


# --- the persona -------------------------------------------------------------------------------------


def elif_of(scene: Scene) -> Seated:
    return replace(scene.people[1], shares=SHARES)


def test_a_card_is_shown_whole_with_the_shares_its_stance_was_drawn_from(scene: Scene) -> None:
    seated = elif_of(scene)
    shown = text_of(card(seated, scene.seed))
    persona = seated.persona
    for fact in (
        persona.work,
        persona.faith,
        persona.observance,
        persona.generation,
        persona.scope,
        persona.speech.manner,
    ):
        assert fact in shown
    for value in persona.values:
        assert value.value in shown
        assert value.why in shown
    for custom in persona.norms:
        assert custom.text in shown
        assert (custom.source or "") in shown
    assert "no evidence about real people" in shown.splitlines()[1]
    assert "▶ disagree (drawn for this dialogue; the reasons are the model's)" in shown
    assert "Valid answers in Türkiye, in percent, item wvs7/Q33:" in shown
    assert re.search(r"▶ disagree \[4\] \(drawn\) +50\.0% █", shown)
    assert re.search(r"  neither \[3\] +<0\.1% ▏", shown)
    assert "doi:10.14281/18241" in shown


@pytest.mark.parametrize("label", ["Agree,\nmore or less", "Agree,\u2028or not", "👩‍👩‍👧‍👦 " * 9, "\x1b[2J"])
@pytest.mark.parametrize("width", [30, 80, 200])
def test_a_label_of_a_survey_s_answers_may_be_anything(scene: Scene, label: str, width: int) -> None:
    person = replace(elif_of(scene), shares=((1, label, 0.5), (4, "disagree", 0.5)))
    assert text_of(card(person, scene.seed), width).count("50.0%") == 2


def test_a_card_without_a_stance_says_why(scene: Scene) -> None:
    jenna = scene.people[0]
    assert "None is drawn: the survey has no answers from the United States." in text_of(card(jenna, scene.seed))
    free: Seed = shipped("everyday-norms").scenario.seeds[0]
    unasked = replace(scene.people[1], stance_code=None, stance_text=None, shares=())
    assert "no survey stands behind this question" in text_of(card(unasked, free))
    assert "None was drawn in this dialogue." in text_of(card(unasked, scene.seed))
    lost = replace(scene.people[1], shares=())
    assert "are not in this run's scenario" in text_of(card(lost, scene.seed))


# --- calls -------------------------------------------------------------------------------------------

FAILED: dict[str, Any] = {
    "error": "http-500: the server had a bad day",
    "response": None,
    "cost_usd": None,
    "prompt_tokens": None,
    "cached_tokens": None,
    "completion_tokens": None,
    "tokens_from": None,
    "finish_reason": None,
}


def three_calls() -> list[CallRow]:
    return [call(1, refused="same-words"), call(2, **FAILED), call(3, attempt=2)]


def test_an_attempt_is_told_with_messages_tokens_cost_and_time() -> None:
    shown = text_of(in_parts(call()))
    for line in (
        "✓ answered, finish reason stop",
        "Made for    held.d1.t3, stage dialogue",
        "Model       gpt-4o-mini at https://api.openai.com/v1",
        "Attempt     1 of this request; seed 7",
        "Tokens      1,490 prompt (1,024 of them cached), 38 completion; counted by the server",
        "Cost        $0.000246",
        "Started     2026-11-21 10:00:00 UTC",
        "Took        1.23 s",
        "── Asked as system\n  You are Elif.",
        "── Answered as assistant\n  I earn my own money.",
    ):
        assert line in shown
    assert call().request in text_of(exactly(call()), 2000)


def test_what_is_not_known_of_an_attempt_is_unknown_and_never_nought() -> None:
    shown = text_of(in_parts(call(**FAILED | {"seed": None, "duration_ms": None})))
    assert "✗ failed: http-500: the server had a bad day" in shown
    assert "Tokens      unknown" in shown
    assert "Cost        unknown" in shown
    assert "Took        unknown" in shown
    assert "seed none" in shown
    assert "── Reply\n  None came." in shown
    assert "$0" not in shown


def test_an_attempt_says_which_guard_refused_it_and_whether_it_still_waits() -> None:
    refused, _, _ = three_calls()
    assert "✗ held.d1.t3.c1  dialogue, answered, and turned down: same-words" in text_of([overview(refused)])
    assert "· no answer yet" in text_of(in_parts(call(response=None)))


@pytest.mark.parametrize(
    "response",
    ["{}", '{"choices": []}', '{"choices": [7]}', '{"choices": 7}', '{"choices": [{"message": "x"}]}'],
)
def test_a_reply_of_an_unknown_form_is_shown_as_it_came(response: str) -> None:
    assert f"── Reply, of a form that is not known\n  {response}" in text_of(in_parts(call(response=response)))


def test_parts_of_a_reply_beside_its_text_are_shown_too() -> None:
    message = '{"role": "assistant", "content": null, "refusal": "I will not.", "tool_calls": [1]}'
    reply = f'{{"choices": [{{"message": {message}}}]}}'
    shown = text_of(in_parts(call(response=reply)))
    assert "── refusal\n  I will not." in shown
    assert "── tool_calls\n  [\n    1\n  ]" in shown


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('{"a":["\\u00e7"]}', '{\n  "a": [\n    "ç"\n  ]\n}'),
        ("{no JSON}", "{no JSON}"),
        ("[" * 100_000, "[" * 100_000),
        ([1], "[\n  1\n]"),
        (None, "null"),
        ("7", "7"),
    ],
)
def test_a_message_in_json_is_laid_out(content: object, shown: str) -> None:
    assert readable(content) == shown


def test_a_hostile_call_does_nothing_but_be_shown() -> None:
    escape = "\\u001b[2J\\u202e[red]"
    request = (
        f'{{"messages": [{{"role": "{escape}", "content": "{escape}"}}, 7, {{"content": [1]}}], "seed": "{escape}"}}'
    )
    reply = f'{{"choices": [{{"message": {{"{escape}": "{escape}", "role": "{escape}", "content": "{escape}"}}}}]}}'
    text = "\x1b[2J\u202e[red]"
    wild = call(
        request=request, response=reply, model=text, endpoint=text, finish_reason=text, started_at=text, refused=text
    )
    for stops in (in_parts(wild), exactly(wild), [overview(wild)]):
        assert harmless(text_of(stops, 40))
        assert "[red]" in text_of(stops)


async def test_arrows_go_through_the_attempts_and_j_shows_the_exact_json() -> None:
    app = Over(CallsScreen(three_calls()))
    async with app.run_test(size=(100, 40)) as pilot:
        sheet = app.shown.query_one("#call", Sheet)
        assert "Call held.d1.t3.c3" in sheet.plain  # the last is the one that stood
        await pilot.press("left")
        assert "failed: http-500" in sheet.plain
        await pilot.press("left", "left", "left")
        assert "turned down" in sheet.plain
        await pilot.press("j")
        assert "".join(call().request.split()) in "".join(sheet.plain.split())
        await pilot.press("right", "j")
        assert "failed: http-500" in sheet.plain
        await pilot.click("#attempts", offset=(10, 2))
        assert "Call held.d1.t3.c3" in sheet.plain
        await pilot.press("escape")
        assert app.results == [None]


async def test_a_turn_without_a_call_says_so() -> None:
    app = Over(CallsScreen([]))
    async with app.run_test(size=(60, 20)) as pilot:
        assert "No call was made" in app.shown.query_one("#call", Sheet).plain
        await pilot.press("left", "right", "j", "q")
        assert app.results == [None]


# --- judging -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filled_in", "judgement"),
    [
        (("accept", "none", "as it is", ""), Judgement("accept", None, None, None)),
        (("reject", "1", " as it is \n", " because "), Judgement("reject", 1, None, "because")),
        (("comment", "none", "better", ""), Judgement("comment", None, "better", None)),
        (("comment", "none", "as it is", " "), "A comment needs a rating, another wording or a note."),
        (("accept", "5", " ", ""), "The wording is empty; what is to go altogether is rejected."),
        (("accept", "5", "x" * 4001, ""), "The wording has 4,001 characters; 4,000 are the most."),
        (("accept", "5", "as it is", "x" * 4001), "The note has 4,001 characters; 4,000 are the most."),
    ],
)
def test_a_form_is_a_judgement_or_says_what_is_wrong(filled_in: tuple[str, str, str, str], judgement: object) -> None:
    assert judged(*filled_in, present="as it is") == judgement


def test_a_text_to_be_edited_holds_nothing_that_cannot_be_seen_or_stored() -> None:
    assert editable("a\r\nb\rc\u2028d\te\x00\x1b[1m\u202e\ud800") == "a\nb\nc\nd e[1m"
    assert editable("سلام‌ها ক্ষ 你好\n") == "سلام‌ها ক্ষ 你好\n"


async def judge(
    keys: list[str], standing: Any = None, text: str = TEA, size: tuple[int, int] = (60, 20)
) -> tuple[list[Any], str]:
    shown = ReviewScreen("held.d1.t3.s1", text, standing)
    app = Over(shown)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for button in shown.query(Button):
            button.active_effect_duration = 0  # for so long a button takes no second click
        shown.query_one("#decision").focus()
        for key in keys:
            await (pilot.click(key) if key.startswith("#") else pilot.press(key))
        await pilot.pause()
        return app.results, "".join(str(said.render()) for said in shown.query("#word"))


async def test_a_judgement_can_be_given_with_the_keyboard_alone() -> None:
    results, _ = await judge(["a", "tab", "4", "tab", "pagedown", "end", "!", "tab", *"so quite", "ctrl+s"])
    assert results == [Judgement("accept", 4, f"{TEA}!", "so quite")]


async def test_a_judgement_can_be_given_with_the_mouse_alone() -> None:
    shown = ReviewScreen("held.d1.t3.s1", TEA, None)
    app = Over(shown)
    async with app.run_test(size=(60, 20)) as pilot:
        for name, word in (("decision", "reject"), ("rating", "2")):
            at = shown.query_one(f"#{name}", Choice).render().plain.index(f" {word}")
            await pilot.click(f"#{name}", offset=(at, 0))
        await pilot.click("#save")
    assert app.results == [Judgement("reject", 2, None, None)]


async def test_the_form_begins_with_the_standing_judgement() -> None:
    was = review("held.d1.t3.s1", "ana", "reject", rating=2, wording="We pour tea.", note="too long")
    results, _ = await judge(["up", "ctrl+s"], was)
    assert results == [Judgement("accept", 2, "We pour tea.", "too long")]
    results, _ = await judge(["ctrl+s"], was)
    assert results == [None]  # nothing is new


async def test_a_wording_taken_back_to_the_original_is_none() -> None:
    was = review("held.d1.t3.s1", "ana", "accept", wording=f"{TEA}!")
    results, _ = await judge(["tab", "tab", "pagedown", "end", "backspace", "ctrl+s"], was)
    assert results == [Judgement("accept", None, None, None)]


@pytest.mark.parametrize("cancel", ["escape", "#cancel"])
@pytest.mark.sampled
async def test_cancelling_asks_once_where_something_would_be_lost(cancel: str) -> None:
    assert (await judge([cancel]))[0] == [None]
    assert (await judge(["a", cancel]))[0] == []
    assert (await judge(["a", cancel, cancel]))[0] == [None]


async def test_cancelling_asks_again_where_something_else_would_be_lost() -> None:
    assert (await judge(["a", "escape", "r", "escape"]))[0] == []
    assert (await judge(["a", "escape", "c", "escape"]))[0] == [None]  # back to where it began


async def test_what_is_wrong_with_a_form_is_said_and_nothing_is_lost() -> None:
    results, said = await judge(["ctrl+s"])
    assert results == []
    assert "A comment needs a rating" in said


async def test_hostile_text_in_the_form_is_harmless_and_no_correction() -> None:
    results, _ = await judge(["a", "ctrl+s"], text=HOSTILE)
    assert results == [Judgement("accept", None, None, None)]


async def test_what_is_pasted_into_the_form_is_harmless() -> None:
    shown = ReviewScreen("held.d1.t3.s1", TEA, None)
    async with Over(shown).run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        area = shown.query_one("#note", Words)
        area.insert("\x1b[31mred\x00\u202e\r\nnext")
        assert area.text == "[31mred\nnext"
        area.undo()
        assert area.text == ""


def test_the_limit_of_a_wording_is_what_a_speech_may_have() -> None:
    from culturepark.dialogue.guards import LONGEST as LONGEST_SPEECH

    assert LONGEST == LONGEST_SPEECH


# --- how it looks ------------------------------------------------------------------------------------


def shown_with_reviews(scene: Scene, position: int) -> EvidencePanel:
    one = scene.turns[2].statements[0]
    rows = [
        review(one.row.id, "ana", "accept", rating=4, note="I know it so."),
        review(one.row.id, "bo", "reject", wording="We pour tea."),
        review(scene.turns[2].id, "ana", "comment", note="Well said."),
    ]
    widget = EvidencePanel()
    widget.call_later(widget.show, reviewed(scene, *rows), position)
    return widget


def test_how_the_panel_looks(scene: Scene, snap_compare: Any) -> None:
    assert snap_compare(Alone(shown_with_reviews(scene, 3)), terminal_size=(60, 40), press=["tab", "down"])


def test_how_the_persona_looks(scene: Scene, snap_compare: Any) -> None:
    assert snap_compare(Over(PersonaScreen(elif_of(scene), scene.seed)), terminal_size=(60, 40))


def test_how_the_calls_look(snap_compare: Any) -> None:
    assert snap_compare(Over(CallsScreen(three_calls())), terminal_size=(60, 24))


def test_how_the_form_for_judging_looks(snap_compare: Any) -> None:
    assert snap_compare(Over(ReviewScreen("held.d1.t3.s1", TEA, None)), terminal_size=(60, 20))
