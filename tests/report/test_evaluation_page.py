"""The page of an evaluation, and what other commands say of one: an endpoint answers in a known way."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import culturepark
from culturepark.evaluate.answer_trace import AnswerTrace
from culturepark.evaluate.document import AgainstConstant
from culturepark.report import evaluation as pages
from tests.cli.test_cli import cli
from tests.support.browser import opened
from tests.support.endpoint import Endpoint, weighed

ATTACK = '<script>alert("x")</script> & "quoted"'
ARABIC = "هل تستقبل الضيوف في بيتك؟"
SHARES = {1: 0.7, 2: 0.25, 3: 0.05}
ITEMS = [
    {"key": "bad", "question": f"{ATTACK} Do guests come?", "shares": {"EGY": {1: 0.02, 2: 0.03, 3: 0.95}}},
    {"key": "fine", "question": "Do they stay?", "shares": {"EGY": SHARES, "DEU": {1: 0.1, 2: 0.2, 3: 0.7}}},
    {"key": "arabic", "question": ARABIC, "language": "ar", "shares": {"EGY": {1: 0.4, 2: 0.3, 3: 0.3}},
     "words": {"en": {"question": "Do you receive guests?",
                      "options": {1: "<b>often</b>", 2: "at times", 3: "never"}}}},
]  # fmt: skip
OPTIONS = [{"code": 1, "label": "<b>often</b>"}, {"code": 2, "label": "at times"}, {"code": 3, "label": "never"}]
IN_ARABIC = [{"code": 1, "label": "كثيرا"}, {"code": 2, "label": "أحيانا"}, {"code": 3, "label": "أبدا"}]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    options = {"ar": IN_ARABIC}
    items = [{"options": options.get(str(item.get("language")), OPTIONS), "scale": "ordinal"} | item for item in ITEMS]
    card = {
        "by": "A <u>writer</u>", "written_for": "a test", "language": "English", "correct": "shares",
        "not_asked": "everybody who was away", "licence": "CC0-1.0", "source": "made up",
    }  # fmt: skip
    suite = {"suite": "guests", "title": f"Guests {ATTACK}", "card": card, "scorers": ["survey"], "items": items}
    (tmp_path / "guests.yaml").write_text(json.dumps(suite, ensure_ascii=False), "utf-8")  # JSON is YAML too
    return tmp_path


def held(*options: str, run_id: str = "seen") -> None:
    """An evaluation in which the first-coded option has .6, another .2, and .2 is on no option."""

    def reply(body: dict[str, object], _: int) -> object:
        text = str(body["messages"][-1]["content"])  # type: ignore[index]
        # Prompts spell out what looks like a tag, so labels are known by a word of theirs.
        letters = {word: letter for letter, label in re.findall(r"^([A-Z])\. (.+)$", text, re.M)
                   for word in ("often", "at times", "كثيرا", "أحيانا") if word in label}  # fmt: skip
        first = letters.get("often") or letters["كثيرا"]
        second = letters.get("at times") or letters["أحيانا"]
        return weighed({first: 0.6, second: 0.2, "Well": 0.2}, first)

    with Endpoint(reply=reply) as endpoint:  # type: ignore[arg-type]
        done = cli("evaluate", "guests.yaml", "--culture", "arabic", "--model", f"openai:m@{endpoint.url}",
                   "--framing", "persona", "--run-id", run_id, *options)  # fmt: skip
    assert done.code == 0, done.err


class Page(HTMLParser):
    """Texts, tags and attributes of a page, and whether anything in it is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def page_of(run_id: str = "seen") -> tuple[str, Page]:
    done = cli("report", run_id, "-o", f"{run_id}.html")
    assert done.code == 0, done.err
    html = Path(f"{run_id}.html").read_text("utf-8")
    return html, Page(html)


def test_people_stand_beside_the_model_item_by_item_the_worst_first() -> None:
    held()
    html, _ = page_of()
    keys = [html.index(f">{key}</code>") for key in ("bad", "fine")]
    assert keys == sorted(keys)
    cells = re.search(r">fine</code>.*?</table>", html, re.S)
    assert cells
    rows = re.findall(r"<tr>.*?</tr>", cells[0], re.S)[1:]
    shares = [re.findall(r'data-label="(?:people|model|others)">([^<]*)<', row) for row in rows]
    assert shares == [["70%", "60%", "10%"], ["25%", "20%", "20%"], ["5%", "0%", "70%"], ["–", "20%", "–"]]
    assert "none of the options" in rows[-1]
    assert 'class="hatched"' in rows[-1]
    widths = re.findall(r'class="(people-bar|model-bar)"[^>]*width="([\d.]+)%"', rows[0])
    assert widths == [("people-bar", "70.0"), ("model-bar", "60.0")]
    marks = dict(re.findall(r'<line class="(\w+)" x1="([\d.]+)%"', rows[1]))
    assert marks == {"uniform": "33.3", "midpoint": "100.0", "others": "20.0"}


def test_what_suites_and_models_wrote_is_text_and_nothing_else() -> None:
    held()
    _, page = page_of()
    assert not list(page.of("script"))
    assert not list(page.of("b"))
    assert not list(page.of("u"))
    assert any(ATTACK in text for text in page.texts)
    policy = next(one["content"] for one in page.of("meta") if one.get("http-equiv"))
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    outward = [a for _, attributes in page.tags for a in attributes.items() if a[0] in ("src", "href", "style")]
    assert all(name == "href" and str(value).startswith("#") for name, value in outward)


def test_the_opening_says_whether_a_constant_is_beaten_and_the_card_whom_nobody_asked() -> None:
    held()
    html, page = page_of()
    opening = html.partition("</header>")[0]
    assert "to people than a constant answer" in opening
    assert "such as the middle of the scale" in opening
    assert "to 3 items;" in opening
    assert html.count("means alike, 0-100") == 1 + html.count('title="means alike, 0-100"')
    assert re.search(r'<th scope="row">nvas</th>', html)  # as the terminal calls it
    assert any("everybody who was away" in text for text in page.texts)
    assert any("A <u>writer</u>" in text for text in page.texts)
    anchors = {one["href"] for one in page.of("a")}
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {str(anchor).removeprefix("#") for anchor in anchors} <= ids


def test_words_from_right_to_left_have_their_direction_and_language() -> None:
    held("--language", "en", "--language", "ar")
    html, page = page_of()
    question = next(a for tag, a in page.tags if tag == "h3" and a.get("lang") == "ar")
    assert question["dir"] == "auto"
    assert re.search(r'<th scope="row" dir="auto" lang="ar">كثيرا', html)
    assert html.count('<details class="part"') == 2  # one for each language
    assert html.count('<details class="part" open') == 1


def test_a_large_page_shows_the_worst_and_says_how_many_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    held()
    monkeypatch.setattr(pages, "WORST", (1, 1))
    html, _ = page_of()
    assert "2 items where it does better are left out" in html
    assert ">bad</code>" in html
    assert ">fine</code>" not in html


def test_a_page_replaces_no_file_that_is_not_ours() -> None:
    held()
    Path("mine.html").write_text("my own", "utf-8")
    assert cli("report", "seen", "-o", "mine.html").code == 2
    assert Path("mine.html").read_text("utf-8") == "my own"
    first = cli("report", "seen", "-o", "-")
    assert first.out.startswith("<!doctype html>")
    assert first.err == ""
    assert "replaced" not in cli("report", "seen").err
    assert "seen.html was an earlier page of culturepark, and has been replaced" in cli("report", "seen").err


def test_pages_of_evaluations_are_in_english_and_say_so_once() -> None:
    held()
    done = cli("report", "seen", "--lang", "de", "-o", "german.html")
    assert done.err.count("pages of evaluations are in English") == 1
    german, english = (re.sub(r"on \d{4}-.*? UTC", "", html) for html in
                       (Path("german.html").read_text("utf-8"), page_of()[0]))  # fmt: skip
    assert german == english


def test_what_was_asked_is_counted_and_not_the_whole_suite() -> None:
    held("--items", "2")
    html, _ = page_of()
    assert "to 2 of 3 items;" in html


def a_row(verdict: str, constant: str = "midpoint", metric: str = "jsd") -> AgainstConstant:
    return AgainstConstant.model_validate(
        {"culture": "german", "condition": "", "metric": metric, "value": 1.0, "constant": constant,
         "constant_value": 1.0, "difference": 0.0, "low": None, "high": None, "p": None, "n": 3, "verdict": verdict}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "constant", "words"),
    [
        (["nearer", "nearer"], "midpoint", "Nearer to people than a constant answer"),
        (["nearer", "farther"], "uniform", "Nearer to people than a constant answer in 1 of 2 comparisons"),
        (["farther", "farther"], "midpoint", "Farther from people than a constant answer"),
        (["farther", "no difference seen"], "midpoint", "Not shown to be nearer to people than a constant answer"),
        (["no difference seen"], "swapped answers", "Not shown to be better than answers to other items"),
        (["nearer"], "swapped answers", "Better than answers to other items"),
        (["farther"], "chance", "Worse than chance"),
        (["no difference seen"], "equal answers", "Not shown to be better than equal answers"),
        ([], "", ""),
    ],
)
def test_a_headline_says_what_was_shown_beside_the_null_that_is_there(
    verdicts: list[str], constant: str, words: str
) -> None:
    rows = [a_row(verdict, constant) for verdict in verdicts]
    assert pages.headline(rows) == words
    assert ("middle of the scale" in pages.what_stands_beside(rows)) == (constant in ("midpoint", "uniform", ""))


def test_free_text_has_no_method_of_options(folder: Path) -> None:
    suite = json.loads((folder / "guests.yaml").read_text("utf-8"))
    suite |= {
        "scorers": ["judged"],
        "scales": ["empathy"],
        "items": [{"key": "a", "question": "What do guests bring?"}],
    }
    (folder / "free.yaml").write_text(json.dumps(suite), "utf-8")
    assert cli("evaluate", "free.yaml", "--model", "scripted", "--run-id", "free").code == 0
    html, _ = page_of("free")
    assert "answers in free text;" in html
    assert "options by" not in html
    assert "culturepark compare" not in html  # there is nothing to pair before somebody has rated


def test_an_answer_leads_to_question_call_scores_and_card() -> None:
    held()
    document = json.loads(cli("trace", "seen.a1", "--json").out)
    assert document["item"]["key"] == "bad"
    assert document["answer"]["framing"] == "persona"
    codes = [option["code"] for option in document["options"]]
    assert codes == document["answer"]["shown"]
    assert [option["mark"] for option in document["options"]] == ["A", "B", "C"]
    by_code = {option["code"]: option for option in document["options"]}
    assert by_code[3]["share"] == 0.95
    assert by_code[1]["probability"] == pytest.approx(0.6, abs=1e-4)
    assert document["call"]["id"] == "seen.a1.c1"
    assert document["scores"][0]["scorer"] == "survey"
    assert document["suite"]["card"]["licence"] == "CC0-1.0"
    told = cli("trace", "seen.a1.s1").out
    assert "everybody who was away" in told
    assert "people 95.0%" in told
    assert "no answer 'seen.a99'" in cli("trace", "seen.a99").err


def test_commands_for_talks_say_what_to_use_instead() -> None:
    held()
    for command in (
        ("replay", "seen"), ("replay", "seen.a1"), ("queue", "seen"), ("trace", "seen"), ("select", "seen"),
        ("review", "seen", "--serve"), ("export", "seen", "--format", "trl", "--out", "rows"),
        ("export", "seen", "--format", "inspect", "--out", "logs"),
    ):  # fmt: skip
        done = cli(*command)
        assert done.code == 2, command
        assert "seen is an evaluation" in done.err
        assert "culturepark stats seen" in done.err
    assert not Path("rows").exists()


def test_stats_and_runs_show_an_evaluation_as_one() -> None:
    held()
    document = json.loads(cli("stats", "seen", "--json").out)
    assert document["evaluation"] == "seen"
    assert document["answers"]["planned"] == document["answers"]["given"] == 6
    assert "Does it beat a constant?" in cli("stats", "seen").out
    (run,) = json.loads(cli("runs", "--json").out)
    assert (run["answers"], run["answers_planned"]) == (6, 6)
    assert run["suite"].startswith("guests-")
    assert "6/6 answers" in cli("runs").out
    assert "seen.a1.c1" in cli("calls", "seen").out


def test_an_unfinished_evaluation_says_how_many_answers_are_planned() -> None:
    done = cli("evaluate", "guests.yaml", "--culture", "arabic", "--model", "openai:m@http://127.0.0.1:9/v1",
               "--run-id", "cut")  # fmt: skip
    assert done.code == 3
    (run,) = json.loads(cli("runs", "--json").out)
    assert run["answers"] == 0
    assert run["answers_planned"] > 0
    html, _ = page_of("cut")
    assert "This evaluation is" in html


def test_items_with_one_right_answer_stand_without_people_and_the_wrong_ones_first(folder: Path) -> None:
    options = [{"code": 1, "label": "yes"}, {"code": 2, "label": "no"}]
    items = [
        {"key": key, "question": f"Is {key} so?", "options": options, "answer": right}
        for key, right in (("known", 1), ("unknown", 2))
    ]
    suite = json.loads((folder / "guests.yaml").read_text("utf-8")) | {"scorers": ["choice"], "items": items}
    (folder / "quiz.yaml").write_text(json.dumps(suite), "utf-8")

    def always_yes(body: dict[str, object], _: int) -> object:
        text = str(body["messages"][-1]["content"])  # type: ignore[index]
        return weighed({re.findall(r"^([A-Z])\. yes$", text, re.M)[0]: 1.0})

    with Endpoint(reply=always_yes) as endpoint:  # type: ignore[arg-type]
        done = cli("evaluate", "quiz.yaml", "--model", f"openai:m@{endpoint.url}", "--run-id", "quiz")
    assert done.code == 0, done.err
    html, _ = page_of("quiz")
    assert html.index(">unknown</code>") < html.index(">known</code>")
    assert 'data-label="people"' not in html
    right = re.findall(r'<tr class="own"><th[^>]*>(\w+) ✓', html)
    assert right == ["no", "yes"]


@pytest.mark.browser
def test_a_phone_shows_the_page_without_its_script(folder: Path) -> None:
    held("--language", "en", "--language", "ar")
    page_of()
    with opened() as browser:
        phone = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False).new_page()
        phone.goto((folder / "seen.html").as_uri())
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
        closed = phone.locator("details.part").nth(1).locator("h3").first
        assert not closed.is_visible()
        phone.goto(f"{(folder / 'seen.html').as_uri()}#part-2")
        assert closed.is_visible()  # a link opens what it leads to


# --- Python ----------------------------------------------------------------------------------------


def test_python_evaluates_shows_and_goes_on() -> None:
    pytest.importorskip("pandas")
    evaluation = culturepark.evaluate_model("guests.yaml", model="scripted", cultures=["arabic"], run_id="python")
    assert (evaluation.id, evaluation.status) == ("python", "done")
    assert evaluation.document.answers["given"] > 0
    first = evaluation.figures[0]
    frame = evaluation.frame()
    assert len(frame) == len(evaluation.figures)
    assert frame.metric[0] == first.metric
    assert set(frame.culture.dropna()) == {"arabic"}
    with culturepark.open_store() as store:
        assert store.evaluation("python").figures == evaluation.figures
        traced = store.trace("python.a1")
        assert isinstance(traced, AnswerTrace)
        assert traced.answer.id == "python.a1"
        with pytest.raises(culturepark.UsageError, match="is no evaluation"):
            store.evaluation(culturepark.simulate("quickstart", model="scripted", until="dialogue", store=store).id)


def test_python_evaluates_in_a_running_loop_and_finds_what_is_there() -> None:
    async def both() -> tuple[str, str]:
        one = culturepark.evaluate_model("guests.yaml", model="scripted", cultures=["arabic"])
        other = await culturepark.evaluate_model_async("guests.yaml", model="scripted", cultures=["arabic"])
        return one.id, other.id

    one, other = asyncio.run(both())
    assert one == other  # nothing is asked twice
