"""The panel and the plain text say where a statement comes from, and lead to the one it is unlike."""

from __future__ import annotations

import pytest

from culturepark.replay import evidence
from culturepark.replay.evidence_panel import EvidencePanel
from culturepark.replay.plain import statement as in_plain_text
from culturepark.replay.stage import StageScreen
from culturepark.store.dialogue_view import Scene, Scenes
from tests.support.behind import Alone
from tests.support.fakes import ELIF, Held, edition
from tests.support.grounded import CARDS, EXCEPTION, MADE_UP, QUESTION, TEA, UNKNOWN, UNLIKE, grounded
from tests.support.replaying import app_on, press, shown


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return grounded(tmp_path_factory.mktemp("grounded"))


@pytest.fixture(scope="module")
def scene(held: Held) -> Scene:
    return Scenes(held.store, held.run_id).scene("held.d1")


def panel(scene: Scene, position: int, width: int = 200) -> str:
    stops = evidence.stops(scene, position)
    return "\n".join(line.plain.rstrip() for stop in stops for block in stop.blocks for line in block.lines(width))


def test_the_panel_shows_the_very_line_of_the_card_and_what_else_is_known(scene: Scene) -> None:
    text, custom = panel(scene, 3), edition().persona(ELIF).norms[1]
    assert f"   comes from  on the speaker's card: norm 2 ({custom.kind}, {custom.topic})\n" in text
    assert f"   that line  {custom.text}\n" in text
    assert f"   question  {QUESTION}\n" in text
    assert f"   but not  {EXCEPTION}\n   hangs on  the speaker's faith, age\n" in text
    assert "   comes from  made up by the model; no line of the card carries it; it was said to be from value 1" in text
    assert "sample, norm or custom: kept; content: made up\n" in text
    assert "   comes from  not known; nobody has looked whether the card carries it\n" in panel(scene, 5)


def test_a_question_about_a_row_is_answered_with_yes_or_no(scene: Scene) -> None:
    text = panel(scene, 4)
    assert "✗ Tells its country, with names masked: no; " in text
    assert "✓ Answers somebody who tells another country's custom: yes; " in text
    assert "✗ sample, norm or custom: dropped: it would pass for most other countries; content: card\n" in text
    assert "no, the opposite" not in text


@pytest.mark.parametrize("width", [24, 40])
def test_on_a_narrow_panel_nothing_is_lost(scene: Scene, width: int) -> None:
    narrow = panel(scene, 3, width)
    assert max(map(len, narrow.splitlines())) <= width
    assert "".join(narrow.split()) == "".join(panel(scene, 3).split())


async def test_enter_leads_to_the_statement_that_it_is_unlike_and_that_a_row_is_made_of(scene: Scene) -> None:
    app = Alone(EvidencePanel())
    async with app.run_test(size=(100, 60)) as pilot:
        app.widget.show(scene, 4)
        app.widget.focus()
        stops = evidence.stops(scene, 4)
        led = [number for number, stop in enumerate(stops) if stop.go == CARDS]
        assert [stops[number].subject for number in led] == [UNLIKE, f"{UNLIKE}.x1"]
        for number in led:
            app.widget.move(number)
            await pilot.press("enter")
            await pilot.pause()
    assert [heard for heard in app.heard if isinstance(heard, tuple)] == [("go", CARDS)] * 2


async def test_on_the_stage_enter_goes_there(held: Held) -> None:
    app = app_on(held.store, "held.d1")
    async with shown(app) as pilot:
        stage = app.screen
        assert isinstance(stage, StageScreen)
        await press(pilot, "right", "right", "right", "tab", "down", "down")
        assert stage.subject == UNLIKE
        await press(pilot, "enter")
        assert stage.subject == CARDS


def test_plain_text_says_the_same(scene: Scene) -> None:
    said = {
        mined.row.id: "\n".join(in_plain_text(scene, mined, "1 of 1")) for mined in scene.statements
    }  # what --behind prints
    assert "    Comes from: made up by the model; no line of the card carries it" in said[MADE_UP]
    assert "    Comes from: not known; nobody has looked" in said[UNKNOWN]
    assert f"    Unlike: {CARDS}: {TEA}" in said[UNLIKE]
    assert f"kept, {UNLIKE}.x1, content: card, made of {CARDS} too:" in said[UNLIKE]
    assert "Tells its country, with names masked: no; dropped" in said[UNLIKE]
