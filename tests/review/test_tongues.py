"""Rows in several languages are handed to those who read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import update

from culturepark import interface
from culturepark.replay.session import Session
from culturepark.review.app import ReviewApp
from culturepark.review.desk import Desk, queued
from culturepark.review.server import ReviewServer, answer, page
from culturepark.store.draws import over_of
from culturepark.store.tables import StatementRenderingRow
from tests.cli.test_cli import cli
from tests.support.fakes import Held
from tests.support.judging import drawn_from, many
from tests.support.replaying import press, settled, text_of
from tests.support.talks_of_tongues import ENGLISH, SAID, hold_tongues


@pytest.fixture
def held(tmp_path: object) -> Held:
    return hold_tongues(tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def desk(held: Held) -> Desk:
    return Desk(held.store, queued(held.store, over_of(held.store, held.run_id), ""), overlap=0)


def asked(desk: Desk, place: str, offered: tuple[str, ...] = (), **sent: object) -> dict[str, object]:
    return answer(desk, place, {"reviewer": "amal", "languages": [], **sent}, offered)


def test_rows_go_to_whoever_reads_their_language(desk: Desk) -> None:
    assert desk.languages == sorted(code for code, _ in SAID)
    row = desk.here("amal", ["ar", "bn"])
    assert row is not None
    assert row.language == "ar"
    assert desk.counted("ar", "amal") == (1, 0, 0)
    desk.judge("amal", row.id, "accept")
    assert desk.counted("ar", "amal") == (1, 1, 1)
    assert desk.counted("ar", "deniz") == (1, 1, 0)
    following = desk.here("amal", ["ar", "bn"])
    assert following is not None
    assert following.language == "bn"
    desk.judge("amal", following.id, "reject")
    assert desk.here("amal", ["ar", "bn"]) is None


def test_a_served_row_says_its_language_and_has_its_rendering_beside_it(desk: Desk) -> None:
    got = asked(desk, "next", languages=["zh"])["row"]
    assert isinstance(got, dict)
    assert (got["language"], got["rendering"]["language"]) == ("zh", "en")
    assert "".join(got["rendering"]["text"]) == f"What do guests get?\n{ENGLISH['zh']}"
    said = got["behind"][0]["paras"]
    assert [para["language"] for para in said] == [None, "zh", "en", "bn", "en"]


def test_a_server_of_some_languages_hands_out_no_others(desk: Desk) -> None:
    for wanted in ([], ["ko", "tr"], ["zh"]):
        got = asked(desk, "next", offered=("ko",), languages=wanted)["row"]
        assert isinstance(got, dict)
        assert got["language"] == "ko"
    server = ReviewServer(desk, "held", languages=["ko"])
    try:
        assert server.languages == ("ko",)
    finally:
        server.server_close()


def test_the_page_is_in_the_language_that_is_shown() -> None:
    assert '<html lang="en">' in page("held", ("de",), "en")
    with interface.showing("de"):
        told = page("held", ("ar", "de"), "de")
    assert '<html lang="de">' in told
    assert "Zeilen beurteilen" in told
    block = told.partition('id="words">')[2].partition("</script>")[0]
    assert json.loads(block)["texts"]["Why not?"] == "Warum nicht?"


async def test_the_terminal_shows_a_rendering_when_it_is_wanted(held: Held, desk: Desk) -> None:
    app = ReviewApp(desk, Session(held.store.database.url.render_as_string(), "amal", store=held.store), ["ar"])
    async with app.run_test(size=(80, 50)) as pilot:
        await settled(pilot)
        assert "What do guests get?" not in text_of(app)
        await press(pilot, "t")
        assert "What do guests get?" in text_of(app)
        await press(pilot, "t", "y")
        assert "Nothing is left for you to judge here." in text_of(app)


def test_the_command_counts_rows_by_language(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    url = held.store.database.url.render_as_string()
    found = cli("review", "held", "--language", "ar,tr", "--reviewer", "amal", "--json", "--store", url)
    assert "ar: 1 row to judge, 0 judged, 0 by amal\ntr: 1 row to judge, 0 judged, 0 by amal\n" in found.err
    assert json.loads(found.out)["languages"]["ar"] == {"rows": 1, "judged": 0}
    monkeypatch.setenv("CULTUREPARK_REVIEW_LANGUAGES", "ko")
    assert "ko: 1 row to judge" in cli("review", "held", "--json", "--store", url).err


def test_rows_in_any_of_the_named_languages_are_handed_out(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    url = held.store.database.url.render_as_string()
    found = cli("review", "held", "--language", "ar,ja,tr,ar", "--reviewer", "amal", "--json", "--store", url)
    assert found.code == 0, found.err
    assert found.err.splitlines()[:3] == [
        f"{code}: {count} to judge, 0 judged, 0 by amal"
        for code, count in (("ar", "1 row"), ("ja", "0 rows"), ("tr", "1 row"))
    ]
    assert (len(found.json["rows"]), sorted(found.json["languages"])) == (2, ["ar", "tr"])
    named = cli("review", "held", "--language", "AR, Türkçe,turkish", "--json", "--store", url)
    assert sorted(named.json["languages"]) == ["ar", "tr"]
    monkeypatch.setenv("CULTUREPARK_REVIEW_LANGUAGES", "ko,ja")
    assert list(cli("review", "held", "--json", "--store", url).json["languages"]) == ["ko"]


def test_where_no_row_is_in_them_it_says_who_named_the_languages(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    url = held.store.database.url.render_as_string()
    refused = cli("review", "held", "--language", "ja,fr", "--json", "--store", url)
    assert (refused.code, refused.out) == (2, "")
    assert "--language 'ja,fr': the rows are in ar, bn" in refused.err
    monkeypatch.setenv("CULTUREPARK_REVIEW_LANGUAGES", "ja")
    refused = cli("review", "held", "--json", "--store", url)
    assert "CULTUREPARK_REVIEW_LANGUAGES 'ja': the rows are in ar, bn" in refused.err


async def test_only_rows_that_are_handed_out_are_counted(held: Held, desk: Desk) -> None:
    app = ReviewApp(desk, Session(held.store.database.url.render_as_string(), "amal", store=held.store), ["ar", "tr"])
    async with app.run_test(size=(80, 50)) as pilot:
        await settled(pilot)
        assert "0 of 2 · amal · 0 no" in text_of(app)
        await press(pilot, "n")
        assert "1 of 2 · amal · 1 no" in text_of(app)
    assert asked(desk, "next", languages=["zh"])["line"] == "0 of 1 · amal · 0 no"


@pytest.mark.parametrize(
    ("width", "shown", "key"),
    [(40, "en", "t in your language"), (120, "en", "t in your language"), (60, "de", "t in Ihrer Sprache")],
)
async def test_the_foot_names_the_key_of_renderings_where_a_row_has_one(
    held: Held, desk: Desk, width: int, shown: str, key: str
) -> None:
    with held.store.database.writing() as session:
        session.execute(update(StatementRenderingRow).values(language=shown))
    app = ReviewApp(desk, Session(held.store.database.url.render_as_string(), "amal", store=held.store), ["ar"])
    with interface.showing(shown):
        async with app.run_test(size=(width, 50)) as pilot:
            await settled(pilot)
            foot = text_of(app).splitlines()[-2:]
    assert any(key in line for line in foot), foot


async def test_the_foot_is_silent_of_renderings_where_a_row_has_none(tmp_path: Path) -> None:
    held = many(tmp_path, 2)
    desk = Desk(held.store, drawn_from(held, 2).rows)
    app = ReviewApp(desk, Session(held.store.database.url.render_as_string(), "amal", store=held.store))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "n no" in text_of(app)
        assert "t in your language" not in text_of(app)
