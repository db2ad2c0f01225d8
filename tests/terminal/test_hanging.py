"""Lines that are too long for a terminal hang below their label, and lose nothing."""

from __future__ import annotations

import pytest
from rich.text import Text

from culturepark.terminal.layout import hung

ADDRESS = "openai:large-language-model@http://127.0.0.1:8745/v1"
LINES = (
    "  samples     18 kept (open 7, survey 7, norm 4), and a few more words that do not fit into one line",
    f"  models      minilm (embedder); {ADDRESS} (extractor, judge, moderator)",
    "    He gets it, hocam, but with the whole queue watching, my hand would be slower, I won't hide it from you.",
    "statement a.d1.t11.s2  a custom of which much more is said than there is room for in sixty columns",
    "    في بيتنا نقدم القهوة للضيف ثلاث مرات قبل أن يتحدث أحد عن سبب زيارته، وهذا ما علمتنا إياه جدتنا",
    "    客人起身要走的时候我们总要再倒一杯茶，他们就又坐下来了，谁也不会催谁，这在我们这里是再平常不过的事情了。",
    "    আমাদের বাড়িতে অতিথি উঠতে চাইলে আমরা আরেক কাপ চা ঢালি, আর তিনি আবার বসে পড়েন, কেউ তাড়া দেয় না।",
    "one" * 50,
    "",
    "   ",
    "  short",
)


def shown(line: str, width: int) -> list[str]:
    return hung(Text(line), width).plain.split("\n")


@pytest.mark.parametrize("width", [1, 10, 24, 40, 60, 80, 300])
@pytest.mark.parametrize("line", LINES)
def test_every_line_fits_and_no_word_is_lost(line: str, width: int) -> None:
    lines = shown(line, width)
    assert max(Text(one).cell_len for one in lines) <= max(width, 2)  # a wide sign needs two columns
    assert "".join("".join(lines).split()) == "".join(line.split())
    if Text(line).cell_len <= width:
        assert lines == [line]


def test_what_does_not_fit_stands_below_what_it_follows() -> None:
    assert shown(LINES[0], 60) == [
        "  samples     18 kept (open 7, survey 7, norm 4), and a few",
        "              more words that do not fit into one line",
    ]
    assert shown(LINES[2], 60)[1] == "    hand would be slower, I won't hide it from you."
    assert shown(LINES[3], 50)[1].startswith(" " * len("statement a.d1.t11.s2  "))


def test_an_address_is_not_broken_where_it_need_not_be() -> None:
    assert f"    {ADDRESS}" in shown(LINES[1], 60)
    assert shown(LINES[1], 60)[0] == "  models      minilm (embedder);"


def test_styles_stay_on_their_words() -> None:
    line = Text.assemble("    ", ("first words of it ", "dim"), ("[the quote, which is long enough]", "bold"), " rest")
    whole = hung(line, 30)
    bold = "".join(whole.plain[span.start : span.end] for span in whole.spans if span.style == "bold")
    assert "".join(bold.split()) == "[thequote,whichislongenough]"


def test_line_ends_stay() -> None:
    assert shown("    one\n\n    two", 60) == ["    one", "", "    two"]
