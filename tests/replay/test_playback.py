"""How far a dialogue has been played, told by a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.replay.playback import PAUSE, SPEEDS, WORDS_PER_SECOND, Part, Playback
from culturepark.replay.widgets.track import state_of

TEXTS = [
    ("opening", "Hello there, both of you."),
    ("opening", "Hi."),
    ("opinion", "I see it in another way."),
    ("closing", ""),
]


def playback(**more: object) -> Playback:
    return Playback([Part.of(phase, text) for phase, text in TEXTS], **more)  # type: ignore[arg-type]


def test_at_first_it_rests_at_the_first_turn_said_to_its_end() -> None:
    one = playback()
    assert (one.position, one.shown, one.playing, one.phase) == (1, None, False, "opening")
    assert not one.tick(100)


def test_words_appear_one_by_one_and_turns_follow_each_other_to_the_end() -> None:
    one = playback()
    one.toggle()
    assert one.tick(0)
    assert (one.position, one.shown) == (2, 0)
    assert one.tick(1 / WORDS_PER_SECOND)
    assert (one.position, one.shown) == (2, None)
    assert one.tick(PAUSE)
    seen = []
    while one.position == 3 and not one.whole:
        seen.append(TEXTS[2][1][: one.shown])
        one.tick(1 / WORDS_PER_SECOND + 1e-9)
    assert seen == ["", "I ", "I see ", "I see it ", "I see it in ", "I see it in another "]
    one.tick(60)
    assert (one.position, one.playing, one.at_end) == (4, False, True)


def test_twice_the_speed_takes_half_the_time() -> None:
    slow, fast = playback(elapsed=0.0, playing=True), playback(elapsed=0.0, playing=True)
    fast.faster()
    assert fast.speed == 2
    slow.tick(0.8)
    fast.tick(0.4)
    assert (slow.position, slow.shown) == (fast.position, fast.shown) != (1, None)
    for _ in range(10):
        fast.faster()
        slow.faster(-1)
    assert (slow.speed, fast.speed) == (SPEEDS[0], SPEEDS[-1])


def test_pausing_keeps_what_was_said_and_a_step_says_it_to_its_end() -> None:
    one = playback(elapsed=0.0, playing=True)
    one.tick(2 / WORDS_PER_SECOND)
    one.toggle()
    assert TEXTS[0][1][: one.shown] == "Hello there, "
    one.step(1)
    assert (one.position, one.shown) == (1, None)
    one.step(1)
    assert (one.position, one.shown) == (2, None)
    one.step(-5)
    assert one.position == 1
    one.step(9)
    one.step(1)
    assert (one.position, one.whole) == (4, True)


def test_a_step_while_it_plays_begins_the_next_turn() -> None:
    one = playback(playing=True)
    one.step(1)
    assert (one.position, one.shown, one.playing) == (2, 0, True)


def test_playing_from_the_end_begins_anew() -> None:
    one = playback(position=4)
    one.toggle()
    assert (one.position, one.shown, one.playing) == (1, 0, True)


def test_phases_are_stepped_through_both_ways() -> None:
    one = playback()
    assert one.starts() == [1, 3, 4]
    one.step_phase(1)
    assert (one.position, one.phase) == (3, "opinion")
    one.step_phase(1)
    one.step_phase(1)
    assert one.position == 4
    one.step_phase(-1)
    one.step_phase(-1)
    one.step_phase(-1)
    assert one.position == 1


def test_nothing_said_yet_is_nothing_to_play() -> None:
    one = Playback([])
    one.toggle()
    one.step(1)
    one.step_phase(1)
    assert (one.position, one.shown, one.phase, one.playing, one.tick(5)) == (0, None, "", False, False)
    assert one.grow([Part.of("opening", "Now")])
    assert one.position == 1


def test_live_goes_with_the_newest_turn_until_somebody_steps_back() -> None:
    parts = playback().parts
    one = Playback(parts[:1])
    one.go_live()
    assert one.live
    assert one.playing
    one.tick(1000)
    assert (one.position, one.playing) == (1, True)
    assert one.grow(parts[:3])
    assert (one.position, one.shown) == (3, 0)
    one.tick(1000)
    assert one.at_end
    assert one.playing
    one.step(-1)
    assert (one.live, one.playing, one.position) == (False, False, 2)
    assert not one.grow(parts)
    assert one.position == 2
    one.go_live()
    one.leave_live()
    assert (one.position, one.live, one.playing) == (4, False, False)


@pytest.mark.parametrize("text", ["山路を登りながら、こう考えた。", "ไปไหนมา", "a" * 100])
def test_what_has_no_spaces_grows_all_the_same(text: str) -> None:
    part = Part.of("opening", text)
    assert len(part.beats) > 4
    assert part.beats[-1] == len(text)


@given(st.text())
def test_every_text_is_said_to_its_end_in_growing_pieces(text: str) -> None:
    beats = Part.of("opening", text).beats
    assert list(beats) == sorted(set(beats))
    assert (beats[-1] if beats else 0) == len(text)


@given(st.lists(st.sampled_from(["toggle", "step", "back", "faster", "phase", "tick", "grow", "live", "seek"])))
def test_no_order_of_keys_leads_out_of_the_dialogue(keys: list[str]) -> None:
    one = playback()
    for key in keys:
        match key:
            case "toggle":
                one.toggle()
            case "step" | "back":
                one.step(1 if key == "step" else -1)
            case "faster":
                one.faster()
            case "phase":
                one.step_phase(1)
            case "tick":
                one.tick(0.7)
            case "grow":
                one.grow([*one.parts, Part.of("more", "One more.")])
            case "live":
                one.go_live()
            case "seek":
                one.seek(99)
        assert 1 <= one.position <= len(one.parts)
        assert one.shown is None or 0 <= one.shown <= one.parts[one.position - 1].beats[-1]


def test_a_pause_while_it_is_live_is_a_pause_and_playing_on_is_live_again() -> None:
    one = playback()
    one.go_live()
    assert state_of(one, finished=False).startswith("● live")
    one.toggle()
    assert (one.live, one.playing) == (False, False)
    assert state_of(one, finished=False).startswith("‖ paused")
    there = one.position
    one.grow([*one.parts, *one.parts])
    assert (one.position, one.tick(5)) == (there, False)
    one.toggle()
    assert (one.live, one.playing) == (True, True)
    one.toggle()
    one.seek(1)
    one.toggle()
    assert (one.live, one.playing) == (False, True)
