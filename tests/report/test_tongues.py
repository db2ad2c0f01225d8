"""The page of a talk in several languages, and the page in another language, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from culturepark import interface
from culturepark.report import page as pages
from culturepark.store.search import Lists
from tests.cli.test_cli import cli
from tests.support.browser import opened, visit
from tests.support.fakes import Held
from tests.support.talks_of_tongues import ARABIC, BENGALI, ENGLISH, GERMAN, SAID, hold_tongues


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold_tongues(tmp_path_factory.mktemp("tongues"))


@pytest.fixture(scope="module")
def browser(held: Held) -> Iterator[Browser]:
    with opened() as chromium:
        yield chromium


def written(held: Held, code: str, folder: Path) -> Path:
    with interface.showing(code):
        pages.write(held.store, held.run_id, folder / f"{code}.html", lambda *_: None)
    return folder / f"{code}.html"


@pytest.mark.browser
def test_a_turn_has_its_language_its_direction_and_its_rendering(held: Held, browser: Browser, tmp_path: Path) -> None:
    with visit(browser, viewport={"width": 390, "height": 844}) as seen:
        page = seen.open(written(held, "en", tmp_path), f"#{held.run_id}.d1")
        speeches = page.locator(".speech")
        assert [one.get_attribute("lang") for one in speeches.all()] == [code for code, _ in SAID]
        assert page.locator(".turn > .rendering").all_text_contents() == [ENGLISH[code] for code, _ in SAID]
        for number, (text, direction) in enumerate(((ARABIC, "rtl"), (BENGALI, "ltr"))):
            assert speeches.nth(number).text_content() == text
            assert speeches.nth(number).evaluate("(one) => getComputedStyle(one).direction") == direction
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.locator(".turn .at").first.click()
        statement = page.locator(".behind .statement")
        assert statement.locator(".said").get_attribute("lang") == "ar"
        expect(statement.locator(".rendering")).to_have_text(ENGLISH["ar"])
        expect(page.locator(".behind")).to_contain_text(f"Heard in German: {GERMAN['ar']}")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.goto(f"{page.url.partition('#')[0]}#{held.run_id}.d1.t3")
        expect(page.locator(".behind")).to_contain_text("it does not say the same: the elders")


@pytest.mark.browser
def test_a_search_finds_words_of_every_script_and_renderings(held: Held, browser: Browser, tmp_path: Path) -> None:
    lists = Lists(held.store, held.run_id)
    with visit(browser) as seen:
        page = seen.open(written(held, "en", tmp_path))
        for query in (
            "ISIK",
            "الضَّيف",
            "مرات",
            "আতিথেয়তা",
            "热茶",
            "어른이",
            "plain coffee",
            "Auf Deutsch",
            "nobodysaidthis",
        ):
            page.locator("#search").fill(query)
            found = len(list(lists.search(query)))
            word = "turn" if found == 1 else "turns"
            expect(page.locator("p.status")).to_have_text(
                f"{found} {word} in {min(found, 1)} dialogue{'s' if not found else ''} of 1"
            )
            if found:
                expect(page.locator(".hits mark").first).to_be_visible()


@pytest.mark.browser
def test_the_german_page_is_german(held: Held, browser: Browser, tmp_path: Path) -> None:
    with visit(browser) as seen:
        page = seen.open(written(held, "de", tmp_path))
        assert page.locator("html").get_attribute("lang") == "de"
        expect(page.locator("h2").first).to_have_text("Dialoge")
        expect(page.locator("p.status")).to_have_text("1 Dialog")
        expect(page.locator("#search")).to_have_attribute("placeholder", "Alles Gesagte durchsuchen")
        expect(page.locator(".question").first).to_have_attribute("lang", "en")
        page.locator("a.to-dialogue").click()
        expect(page.locator(".turn > .rendering").first).to_have_text(GERMAN["ar"])
        page.locator(".turn .at").first.click()
        expect(page.get_by_role("tab", name="Aussagen 1")).to_be_visible()
        expect(page.locator(".behind")).to_contain_text("Vom Zitat getragen? ja – behalten")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_contain_text("alles Gesagte durchsuchen")


def test_the_pages_text_in_english_is_that_of_its_messages(held: Held, tmp_path: Path) -> None:
    html = written(held, "en", tmp_path).read_text("utf-8")
    assert '<html lang="en">' in html
    assert 'id="words"' not in html
    assert '<h2 id="dialogues-h">Dialogues</h2>' in html


def test_the_command_writes_the_page_in_the_language_that_is_wanted(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = held.store.database.url.render_as_string()
    out = tmp_path / "page.html"
    assert cli("report", "held", "-o", str(out), "--lang", "de", "--store", url).code == 0
    assert '<html lang="de">' in out.read_text("utf-8")
    monkeypatch.setenv("CULTUREPARK_LANG", "tlh")
    refused = cli("report", "held", "-o", str(out), "--store", url)
    assert (refused.code, "CULTUREPARK_LANG 'tlh': the screens are in" in refused.err) == (2, True)
    monkeypatch.setenv("CULTUREPARK_LANG", "de")
    assert "kein Beleg dafür" in cli("replay", "held", "--plain", "--store", url).out
    assert "dialogues" in cli("stats", "held", "--store", url).out
