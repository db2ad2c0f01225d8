"""The page of `culturepark report` in a real browser, with the network off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from culturepark.languages.words import folded, terms
from culturepark.report import page as pages
from culturepark.store.dialogue_view import Scenes
from culturepark.store.search import Filters
from culturepark.store.tables import CallRow, ReviewRow, SampleRow, StatementRow, TurnRow
from tests.support.browser import opened, visit
from tests.support.reports import Outline, Shown

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(shown: Shown, hostile: Shown) -> Iterator[Browser]:
    """After the runs have been held: Playwright keeps an event loop of its own going, in which no other can begin."""
    with opened() as chromium:
        yield chromium


def mined(shown: Shown) -> StatementRow:
    """A statement with a kept sample."""
    kept = {row.statement_id for row in shown.held.of(SampleRow, status="kept")}
    turns = {row.id: row.text for row in shown.held.rows(TurnRow)}
    return next(
        row
        for row in shown.held.rows(StatementRow)
        if row.id in kept and row.culture != "american" and not turns[row.turn_id].startswith(row.quote)
    )


def test_a_sentence_is_looked_behind(shown: Shown, browser: Browser) -> None:
    statement = mined(shown)
    turn = shown.held.of(TurnRow, id=statement.turn_id)[0]
    with visit(browser) as seen:
        page = seen.open(shown.path)
        expect(page.locator(".line")).to_have_count(len(shown.lists.find()))
        page.locator(f"a.to-dialogue[href='#{turn.dialogue_id}']").click()
        copy = page.locator("#reader header").get_by_role("button", name=f"Copy {turn.dialogue_id}")
        assert copy.inner_text() == "copy"  # a sign of two boxes looks like a letter that the font lacks
        copy.click()
        expect(page.locator("#live")).to_have_text(re.compile(f"^(Copied|Could not copy) {turn.dialogue_id}$"))
        spoken = page.locator(f".turn[data-id='{turn.id}']")
        assert spoken.locator(".speech").text_content() == turn.text
        spoken.locator(".speech").click(position={"x": 4, "y": 8})  # on its first words, which are no quote
        panel = page.locator(".behind")
        expect(panel.locator(".statement").first).to_be_visible()
        card = panel.locator(f".statement[data-id='{statement.id}']")
        assert card.locator(".said").text_content() == statement.text
        marked = spoken.locator(f"mark[data-statements~='{statement.id}']").all_text_contents()
        assert "".join(marked) == statement.quote
        assert "✓" in card.locator(".samples").inner_text()
        page.get_by_role("tab", name="Speaker").click()
        expect(panel.locator(".scope")).to_contain_text("Speaks for whom")
        page.get_by_role("tab", name="Prompt and reply").click()
        call = shown.held.of(CallRow, id=turn.call_id)[0]
        expect(panel.locator(".call").first).to_be_visible()
        bodies = panel.locator(".call pre").all_text_contents()
        assert call.request in bodies
        assert call.response in bodies
        assert page.url.endswith(f"#{turn.id}")
        spoken.locator("mark").first.click()
        assert page.url.endswith(f"#{statement.id}")


def test_a_review_is_shown_and_one_taken_back_is_not(shown: Shown, browser: Browser) -> None:
    subject = shown.held.rows(ReviewRow)[0].subject_id
    with visit(browser) as seen:
        page = seen.open(shown.path, f"#{subject}")
        card = page.locator(".statement.chosen")
        assert card.get_attribute("data-id") == subject
        review = " ".join(card.locator(".review").first.inner_text().split())
        assert "✗ rejected by reviewer 1, 2 of 5: not so" in review
        assert "Say it thus." in card.inner_text()
        assert "taken back" not in page.locator("#reader").inner_text()


def test_search_and_filters_find_what_the_store_finds(shown: Shown, browser: Browser) -> None:
    lists = shown.lists

    def listed() -> list[str]:
        return [str(a.get_attribute("href"))[1:] for a in page.locator("a.to-dialogue").all()]

    with visit(browser) as seen:
        page = seen.open(shown.path)
        for field, values in lists.choices().items():
            for value in values:
                page.locator(f"select[data-filter={field}]").select_option(value)
                assert listed() == lists.find(Filters(**{field: value})), (field, value)
            page.locator(f"select[data-filter={field}]").select_option("")
        for query in ("GUEST", "çay", '"in our house"', "the of", '"one  more"', "nobodysaidthis"):
            page.locator("#search").fill(query)
            found = list(lists.search(query))
            dialogues = list(dict.fromkeys(hit.dialogue_id for hit in found))
            expect(page.locator("p.status")).to_have_text(
                re.compile(rf"^{len(found)} turns? in {len(dialogues)} dialogues? of {len(lists.find())}$")
            )
            assert listed() == dialogues, query
        page.locator("#search").fill("home")
        page.locator(".hits a").first.click()
        expect(page.locator(".turn.chosen")).to_contain_text(re.compile("home", re.I))


SAYINGS = (
    "Çay içer misin?", "KIZ kız KİZ kiz", "Straße STRASSE STRAẞE", "ὈΔΟΣ ὁδός", "ﬁne ﬃ", "ﾊﾝｸﾞﾙ ｶﾞ", "한국어 집에서",
    "سَلامٌ عليكـــم", "الرَّحْمَٰن ۖ", "שָׁלוֹם בֵּית־סֵפֶר", "আমি বাংলায় গান গাই", "two\n\twords\xa0and\u3000three\x1f\x85four\ufeff5",
    "  an ´accent¨ alone ", 'a "b  c" d"e" "" f', '"open at the end', "x² ㎏ ª ŉ ΐ", "\U0001d50b\U0001f1f9\U0001f1f7",
)  # fmt: skip


RANGES = (
    (0, 0x17F), (0x2B0, 0x6FF), (0x8A0, 0x8FF), (0x980, 0x9FF), (0x1AB0, 0x1ACE), (0x1DC0, 0x206F), (0x20D0, 0x20F0),
    (0xFB50, 0xFEFF),
)  # fmt: skip


def test_the_page_and_the_terminal_compare_words_by_one_rule(browser: Browser) -> None:
    letters = [chr(code) for first, last in RANGES for code in range(first, last + 1)]
    texts = [*SAYINGS, *(f"a{letter}b" for letter in letters)]
    script = f"(texts) => {{ {pages.part('js/search.js')}; return texts.map((text) => [folded(text), terms(text)]); }}"
    with visit(browser) as seen:
        found = seen.page.evaluate(script, texts)
    assert [one for one in zip(texts, found, strict=True) if one[1] != [folded(one[0]), terms(one[0])]] == []


def test_an_address_leads_to_a_sentence_and_back_leads_back(shown: Shown, browser: Browser) -> None:
    statement = mined(shown)
    with visit(browser) as seen:
        page = seen.open(shown.path, f"#{statement.id}")
        expect(page.locator(".turn.chosen")).to_have_attribute("data-id", statement.turn_id)
        expect(page.locator(".turn.chosen mark.chosen").first).to_be_visible()
        page.locator(".back").click()
        expect(page.locator("#overview")).to_be_visible()
        page.go_back()
        expect(page.locator(".turn.chosen")).to_have_attribute("data-id", statement.turn_id)
        for nowhere in ("#held.d999.t1", "#%E0%A4%A", "#constructor", "#__proto__.d1", "#held.d1.t999"):
            seen.open(shown.path, nowhere)
            page.evaluate(f"location.hash = {json.dumps(nowhere)}")


def test_a_duplicate_leads_to_the_one_that_stands_for_it(shown: Shown, browser: Browser) -> None:
    scenes = Scenes(shown.held.store, shown.held.run_id)
    one = next(
        one
        for name in shown.lists.find()
        for turn in scenes.scene(name).turns
        for one in turn.statements
        if one.cluster and one.cluster.similarity is not None
    )
    assert one.cluster is not None
    with visit(browser) as seen:
        page = seen.open(shown.path, f"#{one.row.id}")
        card = page.locator(".statement.chosen")
        card.get_by_role("link", name=one.cluster.representative_id, exact=True).first.click()
        expect(page.locator(".statement.chosen")).to_have_attribute("data-id", one.cluster.representative_id)


def test_everything_can_be_done_with_keys(shown: Shown, browser: Browser) -> None:
    with visit(browser) as seen:
        page = seen.open(shown.path)
        keys = page.keyboard
        keys.press("/")
        expect(page.locator("#search")).to_be_focused()
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            keys.press(key)
        expect(page.locator("#reader")).to_be_visible()
        second = shown.lists.find()[1]
        assert page.url.endswith(f"#{second}")
        keys.press("ArrowRight")
        keys.press("ArrowRight")
        expect(page.locator(".turn.chosen")).to_have_attribute("data-id", f"{second}.t2")
        expect(page.locator(".turn.chosen .at")).to_be_focused()
        keys.press("ArrowLeft")
        expect(page.locator(".turn.chosen")).to_have_attribute("data-id", f"{second}.t1")
        expect(page.locator("#live")).to_contain_text("Turn 1 of")
        keys.press("]")
        expect(page.locator("#reader .eyebrow")).to_contain_text("Dialogue 3")
        keys.press("?")
        expect(page.locator("dialog")).to_be_visible()
        keys.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        keys.press("ArrowRight")
        keys.press("Escape")
        expect(page.locator(".behind")).to_be_hidden()
        keys.press("Escape")
        expect(page.locator("#overview")).to_be_visible()


CONTRAST = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const scale = (color) => color.startsWith("color(") ? 255 : 1;
  const rgb = (color) => numbers(color).map((n, at) => at < 3 ? scale(color) * n : n);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(rgb(getComputedStyle(one).backgroundColor));
    let at = [255, 255, 255];
    for (const [r, g, b, a = 1] of layers.reverse()) at = at.map((c, n) => c * (1 - a) + [r, g, b][n] * a);
    return at;
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".sr, .skip")) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.sampled
def test_text_stands_out_in_light_and_dark(shown: Shown, browser: Browser, scheme: str) -> None:
    with visit(browser, color_scheme=scheme, reduced_motion="reduce") as seen:
        page = seen.open(shown.path)
        paper = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(paper) == {"light": "rgb(250, 249, 246)", "dark": "rgb(20, 23, 27)"}[scheme]
        assert page.evaluate(CONTRAST) == []
        page.evaluate(f"location.hash = '{mined(shown).id}'")
        expect(page.locator(".statement.chosen")).to_be_visible()
        assert page.evaluate(CONTRAST) == []
        other = {"light": "dark", "dark": "light"}[scheme]
        page.locator("#theme").click()  # as the system has it, light, dark
        if other == "dark":
            page.locator("#theme").click()
        expect(page.locator("#theme")).to_have_attribute("aria-label", f"Theme: {other}")
        assert page.evaluate(paper) == {"light": "rgb(250, 249, 246)", "dark": "rgb(20, 23, 27)"}[other]


@pytest.mark.parametrize("which", ["shown", "hostile"])
@pytest.mark.sampled
def test_a_phone_scrolls_only_down(which: str, browser: Browser, request: pytest.FixtureRequest) -> None:
    one: Shown = request.getfixturevalue(which)
    wide = "document.documentElement.scrollWidth"
    first = one.held.rows(StatementRow)[0]
    with visit(browser, viewport={"width": 360, "height": 740}) as seen:
        page = seen.open(one.path)
        assert page.evaluate(wide) <= 360
        page.evaluate(f"location.hash = '{first.id}'")
        expect(page.locator(f".turn[data-id='{first.turn_id}'] .behind")).to_be_visible()
        assert page.evaluate(wide) <= 360
        for tab in ("Speaker", "Prompt and reply"):
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate(wide) <= 360


BROKEN = """() => {
  const broken = [], cut = [];
  const walker = document.createTreeWalker(document.getElementById("overview"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(".sr, select, thead")) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}’']+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 0);
      if (new Set(boxes.map((box) => Math.round(box.top))).size > 1) broken.push(word[0]);
    }
  }
  for (const element of document.querySelectorAll("#overview *")) {
    if (!element.checkVisibility() || element.closest(".sr, select, svg, thead")) continue;
    const wide = element.getBoundingClientRect().right > innerWidth + 1;
    const scrolls = element.clientWidth && element.scrollWidth > element.clientWidth + 1;
    if (wide || scrolls) cut.push(element.outerHTML.slice(0, 90));
  }
  return { broken, cut };
}"""


def test_a_phone_breaks_no_word_and_cuts_no_table(shown: Shown, browser: Browser) -> None:
    with visit(browser, viewport={"width": 390, "height": 844}) as seen:
        page = seen.open(shown.path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate(BROKEN) == {"broken": [], "cut": []}


def test_talks_begin_at_most_two_screens_down_a_phone(shown: Shown, browser: Browser) -> None:
    with visit(browser, viewport={"width": 390, "height": 844}) as seen:
        page = seen.open(shown.path)
        top = "document.querySelector('{}').getBoundingClientRect().top + scrollY"
        assert page.evaluate(top.format("#dialogues")) <= 2 * 844
        assert page.evaluate(top.format(".example")) < page.evaluate(top.format("#dialogues"))
        assert page.evaluate(top.format("#funnel")) > page.evaluate(top.format(".line:last-child"))


def test_a_hostile_run_does_nothing_in_a_browser(hostile: Shown, browser: Browser) -> None:
    with visit(browser, reduced_motion="reduce") as seen:
        page = seen.open(hostile.path)
        page.locator("#search").fill("window.pwned")
        expect(page.locator(".hits li").first).to_be_visible()
        page.locator("a.to-dialogue").click()
        everything = "document.querySelectorAll('#reader details').forEach((one) => { one.open = true; })"
        expect(page.locator("#reader details").first).to_be_attached()  # the dialogue is unpacked first
        page.evaluate(everything)
        expect(page.locator(".whole pre").first).to_be_attached()
        turns = hostile.held.rows(TurnRow)
        assert page.locator(".turn .speech").evaluate_all("(those) => those.map((one) => one.textContent)") == [
            turn.text for turn in turns
        ]
        for turn in turns[:4]:
            page.evaluate(f"location.hash = '{turn.id}'")
            expect(page.locator(".turn.chosen")).to_have_attribute("data-id", turn.id)
            for name in ("speaker", "calls", "statements"):
                page.locator(f"[data-tab={name}]").click()
                page.evaluate(everything)
        page.mouse.move(400, 400)
        assert page.evaluate("window.pwned") is None
        piled = page.locator(".turn").filter(has_text="\u0301" * 50).evaluate("(one) => getComputedStyle(one).overflow")
        assert piled == "clip"  # or three hundred accents would be painted over the neighbours' words
        ours = {"script": len(Outline(hostile.html).packs) + 1, "style": 1, "img": 0, "iframe": 0, "link": 0}
        assert {tag: page.locator(tag).count() for tag in ours} == ours
        assert page.locator("a:not([href^='#'])").count() == 0


def test_without_scripts_the_figures_are_there(shown: Shown, browser: Browser) -> None:
    with visit(browser, java_script_enabled=False) as seen:
        page = seen.open(shown.path, ready=False)
        expect(page.locator("noscript .note")).to_contain_text("culturepark replay")
        expect(page.locator("#funnel")).to_contain_text(f"{shown.held.stats()['samples']['kept']}")
        expect(page.locator(".caution")).to_be_visible()
        expect(page.locator("#theme")).to_be_hidden()


@pytest.mark.parametrize("kind", ["old", "damaged"])
@pytest.mark.sampled
def test_a_browser_that_cannot_unpack_says_so(shown: Shown, browser: Browser, kind: str) -> None:
    path = shown.path
    if kind == "damaged":
        path = shown.path.with_name("damaged.html")
        path.write_text(shown.html.replace('id="index">', 'id="index">AAAA'))
    with visit(browser) as seen:
        if kind == "old":
            seen.page.add_init_script("delete globalThis.DecompressionStream")
        page = seen.open(path, ready=False)
        expect(page.locator("#trouble")).to_contain_text("too old" if kind == "old" else "damaged")
        expect(page.locator("#funnel")).to_be_visible()
