"""Text of any script as lines of a terminal: no line too wide, nothing lost, every mark on its own characters."""

from __future__ import annotations

import io
import re
import unicodedata
from contextlib import suppress
from typing import Any

import pyte
import pytest
import regex
from bidi import get_display
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from culturepark.terminal import layout as module
from culturepark.terminal.bidi import LEAVE_IT, TAKE_IT_BACK, left_to_us, levels, reorders, shape_letters, visual_order
from culturepark.terminal.layout import SIMPLE, lay_out
from culturepark.terminal.linebreak import NOT_FIRST, NOT_LAST, may_break, pieces
from culturepark.terminal.safe import safe
from tests.terminal.test_safe import EVERYTHING, controls

ARABIC = "أهلا وسهلا بكم في Amman (عمّان)، كيف الحال اليوم؟ لا إله إلا الله 123"
CHINESE = "他说：「你好。」我们去吃饭（很好吃），然后回家！人々"
BENGALI = "আমি বাংলায় কথা বলি, ক্ষমা করবেন। র\u200d্যাব ত্\u200dক শ্রীমতী"
KOREAN = "안녕하세요. 저는 서울에 삽니다"
PERSIAN = "می\u200cخواهم به خانه بروم ه\u200d.ق"
EMOJI = "👩\u200d👩\u200d👧 ❤\ufe0f 🇧🇩🇯🇴 👍🏽"
SAMPLES = (
    ARABIC,
    CHINESE,
    BENGALI,
    KOREAN,
    PERSIAN,
    EMOJI,
    "שלום עולם (כן) a",
    "हिन्दी में",
    "ไม่มีช่องว่าง",
    "naïve — “yes”",
    EVERYTHING,
)

characters = st.one_of(
    st.sampled_from("".join(SAMPLES)),
    st.sampled_from(" \n\t-.,()[]\u200b\u200c\u200d\ufe0f\u0301\u00a0\u3000\u2028\u00ad\u202e\x1b\r"),
    st.characters(),
)
words = st.lists(characters, max_size=60).map("".join)
widths = st.integers(1, 30)


def inner(text: str) -> str:
    """What must be there again: all but spaces, joiners, and what letters look like."""
    kept = "".join(c for c in safe(text) if not c.isspace() and c not in "\u200b\u200d\u2028\u2029")
    return unicodedata.normalize("NFKC", kept)


@settings(max_examples=100, deadline=None)
@given(words, widths, st.booleans())
def test_no_line_is_wider_than_it_may_be_unless_one_character_is(text: str, width: int, reorder: bool) -> None:
    for line in lay_out(text, width, reorder=reorder):
        assert cell_len(line.plain) <= width or len(regex.findall(r"\X", line.plain.strip())) == 1
        assert "\n" not in line.plain
        assert not controls(line.plain)


@settings(max_examples=100, deadline=None)
@given(words, widths)
def test_in_the_order_of_the_talk_nothing_is_lost_or_added(text: str, width: int) -> None:
    assert inner("".join(line.plain for line in lay_out(text, width, reorder=False))) == inner(text)


@settings(max_examples=100, deadline=None)
@given(words, widths)
def test_turned_round_it_is_the_same_characters(text: str, width: int) -> None:
    turned = "".join(line.plain for line in lay_out(text, width, reorder=True))
    mirrored = str.maketrans({c: "(" for c in turned + text if unicodedata.mirrored(c)})
    assert sorted(inner(turned.translate(mirrored))) == sorted(inner(text.translate(mirrored)))


@settings(max_examples=100, deadline=None)
@given(words, widths, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_a_mark_stands_on_its_own_characters(text: str, width: int, one: int, other: int, reorder: bool) -> None:
    start, end = sorted((one, other))
    lines = lay_out(text, width, [(start, end, "bold")], reorder=reorder)
    marked = "".join(line.plain[span.start : span.end] for line in lines for span in line.spans)
    of_whole_clusters = "".join(
        text[found.start() : found.end()]
        for paragraph in re.finditer("[^\n\u2028\u2029]+", text)
        for found in regex.compile(r"\X").finditer(safe(text), *paragraph.span())
        if start < found.end() and end > found.start()
    )
    assert sum(c in "ﻻﻼﻷﻸﻹﻺﻵﻶ" for c in marked) or len(inner(marked)) == len(inner(of_whole_clusters))
    assert [line.plain for line in lines] == [line.plain for line in lay_out(text, width, reorder=reorder)]


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("ab  -é’…€я"), max_size=80), widths, st.integers(0, 80), st.integers(0, 80))
def test_the_quick_way_gives_what_the_long_one_gives(text: str, width: int, one: int, other: int) -> None:
    marks = [(min(one, other), max(one, other), "bold")]
    easy, hard = (
        list(way(text, width, marks, *more))
        for way, more in ((module.lay_out_simple, ()), (module.lay_out_complex, (True,)))
    )

    def told(lines: list[Text]) -> list[tuple[str, list[Any]]]:
        return [(line.plain, [span for span in line.spans if span]) for line in lines]

    assert told(easy) == told(hard)


def test_the_quick_way_is_for_characters_of_one_cell_that_stand_alone() -> None:
    for character in map(chr, range(0x3000)):
        if SIMPLE.fullmatch(character) and character.isprintable():
            assert cell_len(character) == 1
            assert unicodedata.bidirectional(character) not in ("R", "AL", "AN", "NSM", "BN")
            assert len(regex.findall(r"\X", f"a{character}")) == 2


@pytest.mark.parametrize(
    "text", ["", " ", "\t", "\n", "a\n\nb", "a \n b", "x" * 10_000, "中" * 10_000, "م" * 10_000, "ক" * 10_000]
)
def test_there_is_a_line_for_every_line_however_long_its_words(text: str) -> None:
    lines = lay_out(text, 20, reorder=True)
    wide = 20 // max(1, cell_len(text[:1]))
    assert len(lines) == sum(max(1, -(-len(part) // wide)) for part in text.split("\n"))


def test_lines_in_chinese_and_japanese_neither_begin_with_a_closing_mark_nor_end_with_an_opening_one() -> None:
    for width in range(6, 40):
        lines = [line.plain for line in lay_out(CHINESE * 3, width)]
        assert not [line for line in lines if line[0] in NOT_FIRST or line[-1] in NOT_LAST]
        assert all(cell_len(line) > width - 8 for line in lines[:-1])


def test_korean_is_broken_at_spaces() -> None:
    assert [line.plain for line in lay_out(KOREAN, 12)] == ["안녕하세요.", "저는 서울에", "삽니다"]


@pytest.mark.parametrize("text", [BENGALI, "हिन्दी में क्षत्रिय", "ไม่มีช่องว่างเลย", EMOJI, "e\u0301\u0323" * 9])
def test_no_line_begins_or_ends_inside_what_readers_take_for_one_character(text: str) -> None:
    whole = [found for found in regex.findall(r"\X", text) if found.strip()]
    for width in (1, 2, 3, 7):
        lines = [line.plain for line in lay_out(text, width)]
        broken = [found for line in lines for found in regex.findall(r"\X", line) if found.strip()]
        assert [inner(found) for found in broken] == [inner(found) for found in whole]


def test_joiners_survive_where_they_shape_a_word() -> None:
    for text in ("র\u200d্যাব", "می\u200cخواهم", "👩\u200d👩\u200d👧"):
        assert "".join(line.plain for line in lay_out(text, 20, reorder=False)) == text
    assert "\u200c" in lay_out(PERSIAN, 40, reorder=True)[0].plain


# --- from right to left ----------------------------------------------------------------------------


def test_arabic_stands_at_the_right_in_the_order_in_which_it_is_read() -> None:
    assert [line.plain for line in lay_out("سلام Amman (أب) 12", 20, reorder=True)] == ["   12 (ﺏﺃ) Amman ﻡﻼﺳ"]
    assert [line.plain for line in lay_out("سلام Amman", 6, reorder=True)] == ["   ﻡﻼﺳ", " Amman"]


def test_english_with_arabic_in_it_stays_at_the_left() -> None:
    assert lay_out("he said شكرا (جدا) twice", 40, reorder=True)[0].plain == "he said (ﺍﺪﺟ) ﺍﺮﻜﺷ twice"


def test_letters_are_joined_and_an_alef_goes_into_the_lam_before_it() -> None:
    assert "".join(shape_letters("سلام")) == "\ufeb3\ufefc\ufee1"
    assert "".join(shape_letters("لا")) == "\ufefb"
    assert "".join(shape_letters("لَا")) == "\ufefb\u064e"
    assert "".join(shape_letters("ه\u200d")) == "\ufeeb\u200d"
    assert "".join(shape_letters("می\u200cخ")) == "\ufee3\ufbfd\u200c\ufea5"
    assert "".join(shape_letters("پچگک")) == "\ufb58\ufb7d\ufb95\ufb8f"
    assert "".join(shape_letters("دب دب")) == "\ufea9\ufe8f \ufea9\ufe8f"


def test_a_mark_on_a_word_in_arabic_stands_on_that_word() -> None:
    text = "قال كلمة واحدة"
    (line,) = lay_out(text, 30, [(4, 8, "bold")], reorder=True)
    (span,) = line.spans
    assert unicodedata.normalize("NFKC", line.plain[span.start : span.end])[::-1] == "كلمة"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("he said שלום twice", "0000000001111000000"),
        ("שלום (hello) עולם", "111111122222111111"),
        ("قال محمد (Ahmad) إن 12 شيئا", "1111111111122222111112211111"),
        ("مرحبا (abc) 123", "1111111122211222"),
        ("אבג abc (def) אבג", "111112222222221111"),
        ("a אב (גד) b", "000111111100"),
        ("قال abc (def [x]) ثم", "111112222222222222111"),
        ("من 10-12 إلى 3.5% ٣٤،٥", "11112212211111222112222"),
        ("אב) (cd", "11111122"),
        ("می\u200cخواهم a", "11111111112"),
        ("(أ\u0651) b", "1111112"),
        ("[א (ב] c)", "1111111121"),
    ],
)
def test_levels_of_mixed_lines_are_those_of_the_standard(text: str, known: str) -> None:
    """The paragraph's, then each character's. Both brackets of a pair go one way, as by rule N0."""
    assert "".join(map(str, levels(text))) == known


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("abאבגد عس12٣.,-+()[]%$ !"), min_size=1, max_size=30))
def test_lines_are_turned_as_unicode_has_it(text: str) -> None:
    """The same as the other implementation in the library has it, which gives no levels away."""
    _, *nested = levels(text)
    body = text.rstrip(" ")
    ours = "".join(body[place] for place in visual_order(nested[: len(body)]))
    assert ours.strip() == str(get_display(text)).strip()


@pytest.mark.parametrize(
    ("environ", "ours"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"VTE_VERSION": "6800"}, True),  # asked to leave it
        ({"VTE_VERSION": "6800", "TMUX": "/tmp/tmux"}, False),  # which does not hand the request on
        ({"KONSOLE_VERSION": "230800"}, False),
        ({"MLTERM": "3.9.3"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal", "CULTUREPARK_BIDI": "on"}, True),
        ({"CULTUREPARK_BIDI": "OFF"}, False),
        ({"KONSOLE_VERSION": "1", "CULTUREPARK_BIDI": "auto"}, False),
        ({"CULTUREPARK_BIDI": "nonsense"}, True),
    ],
)
def test_who_turns_lines_round_is_told_by_the_environment(environ: dict[str, str], ours: bool) -> None:
    assert reorders(environ) is ours


def test_a_terminal_that_turns_lines_round_is_asked_not_to_and_gets_it_back() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with suppress(KeyboardInterrupt), left_to_us(stream, {}):
        assert stream.getvalue() == LEAVE_IT
        raise KeyboardInterrupt
    assert stream.getvalue() == LEAVE_IT + TAKE_IT_BACK
    for quiet, environ in ((Terminal(), {"CULTUREPARK_BIDI": "off"}), (io.StringIO(), {})):
        with left_to_us(quiet, environ):
            pass
        assert quiet.getvalue() == ""


# --- on a terminal -----------------------------------------------------------------------------------


def cells(line: Text) -> int:
    """How far a terminal goes to the right. Character by character: pyte drops what follows one of no width."""
    screen = pyte.Screen(80, 2)
    for character in line.plain:
        pyte.Stream(screen).feed(character)
    return int(screen.cursor.x)


@pytest.mark.parametrize("text", [ARABIC, CHINESE, KOREAN, PERSIAN, "naïve — “yes” €", "שלום עולם", BENGALI])
def test_a_terminal_gives_a_line_the_cells_that_are_counted(text: str) -> None:
    for width in (9, 24, 60):
        for line in lay_out(text, width, reorder=True):
            assert cells(line) == cell_len(line.plain)


def test_a_joiner_that_is_not_counted_rightly_is_left_out_where_it_would_move_the_rest() -> None:
    """Rich counts nothing for whatever stands after a joiner; terminals do."""
    for text in ("ত্\u200dক", "ه\u200d.ق"):
        (line,) = lay_out(text, 20, reorder=True)
        assert cells(line) == cell_len(line.plain)


def test_may_end_is_asked_of_neighbours() -> None:
    one, other = pieces("中a", "中a")
    assert may_break(one, other)
    assert may_break(other, one)
