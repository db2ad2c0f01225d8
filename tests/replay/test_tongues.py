"""Talks in several languages on the screen and as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import regex
from rich.cells import cell_len

from culturepark import interface
from culturepark.replay import plain
from culturepark.replay.playback import Part
from culturepark.replay.search import HitList, Hits
from culturepark.replay.stage import StageScreen
from culturepark.store.search import Lists
from culturepark.terminal.layout import one_line
from culturepark.terminal.linebreak import whole
from culturepark.terminal.safe import clip
from tests.support.fakes import Held
from tests.support.replaying import app_on, press, shown, text_of
from tests.support.talks_of_tongues import ARABIC, BENGALI, CHINESE, ENGLISH, GERMAN, KOREAN, SAID, hold_tongues


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold_tongues(tmp_path_factory.mktemp("tongues"))


@pytest.fixture
def german() -> Iterator[None]:
    with interface.showing("de"):
        yield


def squeezed(text: str) -> str:
    return re.sub(r"[\s│▌]+", "", text)


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_each_speech_stands_whole_with_its_rendering_below(held: Held, width: int) -> None:
    async with shown(app_on(held.store, "last"), size=(width, 60)) as pilot:
        await press(pilot, "enter", "end")
        assert isinstance(pilot.app.screen, StageScreen)
        screen = text_of(pilot.app)  # type: ignore[arg-type]
        speeches = [line.partition("│")[0] for line in screen.splitlines()]  # not what is behind them
        seen = squeezed("".join(speeches))
        for text in (BENGALI, CHINESE, KOREAN, *ENGLISH.values()):
            assert squeezed(text) in seen
        assert squeezed(GERMAN["ko"]) not in seen
        assert "WhatsApp" in seen
        assert max(cell_len(line) for line in screen.splitlines()) <= width
        for line in speeches:
            assert not regex.match(r"[\s▌]*[\p{M}、，；。]", line)  # no mark and no stop begins a line


async def test_the_screen_speaks_german(held: Held, german: None) -> None:
    async with shown(app_on(held.store, "last"), size=(120, 60)) as pilot:
        await press(pilot, "enter", "end")
        screen = text_of(pilot.app)  # type: ignore[arg-type]
        assert squeezed(GERMAN["ko"]) in squeezed("".join(line.partition("│")[0] for line in screen.splitlines()))
        assert "■ das Ende, 1x, Beitrag 5 von 5" in screen
        assert "Eigene Ansichten" in screen
        assert "dahinter" in screen
        await press(pilot, "question_mark")
        assert "Alle Tasten" in text_of(pilot.app)  # type: ignore[arg-type]


def test_plain_text_says_statements_in_the_readers_language(held: Held) -> None:
    lines = list(plain.replay(held.store, held.run_id, follow=False, behind=True))
    assert f"    In English: {ENGLISH['ar']}" in lines
    assert f"    In English: {ENGLISH['zh']} (it does not say the same: the elders)" in lines
    with interface.showing("de"):
        assert "Dialog 1 ist fertig: completed." in list(plain.replay(held.store, held.run_id, follow=False))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("ISIK", "tr"),
        ("الضَّيف القهوه", "ar"),
        ("আতিথেয়তা", "bn"),
        ("热茶", "zh"),
        ("어른이", "ko"),
        ("plain coffee", "ar"),
    ],
)
def test_a_search_finds_every_script_and_marks_it(held: Held, words: str, code: str) -> None:
    class Plain(HitList):
        def ink(self, name: str) -> str:  # type: ignore[override]  # no app, no styles
            return name

    hits = list(Lists(held.store, held.run_id).search(words))
    number = [known for known, _ in SAID].index(code) + 1
    if words == "الضَّيف القهوه":  # `بالقهوة` holds it
        words = "الضَّيف"
    assert [hit.turn_id for hit in hits] in ([f"{held.run_id}.d1.t{number}"], [])
    assert hits or words == "الضَّيف"
    listing = Plain()
    for hit in hits:
        listing.hits = Hits(words)
        assert any(span.style == "bold reverse" for line in listing.draw(hit, 60) for span in line.spans)


def test_no_letter_is_cut_from_its_marks() -> None:
    clusters = regex.compile(r"\X")
    ends = {0, *(match.end() for match in clusters.finditer(BENGALI))}
    for end in range(len(BENGALI) + 1):
        assert whole(BENGALI, end) == max(place for place in ends if place <= end)
    assert set(Part.of("opinion", "ক্ষ্ম" * 30 + " " + BENGALI).beats[-20:]) <= {
        match.end() for match in clusters.finditer("ক্ষ্ম" * 30 + " " + BENGALI)
    }
    for width in range(2, 60):
        kept = clip(BENGALI, width).removesuffix("…")
        assert len(kept) in ends
        assert cell_len(one_line(BENGALI, width)) <= width
        assert len(one_line(BENGALI, width).removesuffix("…")) in ends | {place - 1 for place in ends}
    assert one_line(CHINESE, 9) == "在我们家…"
    assert one_line(ARABIC, 200, reorder=False) == ARABIC
    assert one_line("شاي", 10, reorder=True) != "شاي"
