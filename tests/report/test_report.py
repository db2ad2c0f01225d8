"""`culturepark report`: the page as a file, and the command."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import inspect
import json
import operator
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest

from culturepark import glossary
from culturepark.dialogue import guards, protocol
from culturepark.distill import extract, heads, samples
from culturepark.domain import Kind, Provenance
from culturepark.redact import KNOWN, remember
from culturepark.report import page as pages
from culturepark.report.overview import by_model
from culturepark.report.pack import Packer, talk_of
from culturepark.stats.figures import Checks, CrossCheck, PanelCheck, ScoreAgreement
from culturepark.store import reasons
from culturepark.store.dialogue_view import Scene, Scenes, Spoken
from culturepark.store.reviews import Reviews
from culturepark.store.tables import CallRow, SampleRow, StatementRow, TurnRow
from tests.cli.test_cli import away, cli, place_store  # noqa: F401 - a fixture
from tests.support.fakes import ELIF, JENNA, FakeModel, begin, edition, hold, hold_said, shipped
from tests.support.reports import LONG_WORD, TRAPS, Outline, Shown, show

# --- the file ----------------------------------------------------------------------------------------


def test_every_figure_is_that_of_stats(shown: Shown) -> None:
    stats = json.loads(json.dumps(shown.held.stats()))
    found = Outline(shown.html).figures
    assert len({path for path, _ in found}) > 10
    for path, value in found:
        expected = functools.reduce(operator.getitem, path.split("."), stats)
        assert value == ("" if expected is None else str(expected)), path
    for counts in (stats["samples"]["dropped"], stats["statements"]["rejected"], stats["calls"]["refused_by_guard"]):
        for name, count in counts.items():
            assert re.search(rf">{count:,}</td><td dir=\"auto\">[^<]*(<code>{name}</code>)?</td>", shown.html), name


def test_the_page_carries_every_dialogue_whole(shown: Shown) -> None:
    outline, scenes = Outline(shown.html), Scenes(shown.held.store, shown.held.run_id)
    index = outline.unpacked("index")
    assert [line["id"] for line in index["dialogues"]] == shown.lists.find()
    for line in index["dialogues"]:
        scene = scenes.scene(line["id"])
        (talk,) = [one for one in outline.unpacked(line["talk"]) if one["id"] == line["id"]]
        assert [turn["text"] for turn in talk["turns"]] == [turn.turn.text for turn in scene.turns]
        calls = [call for those in outline.unpacked(line["calls"]).values() for call in those]
        stored = [
            row
            for row in shown.held.rows(CallRow)
            if row.subject_id.startswith(f"{line['id']}.") or row.subject_id == line["id"]
        ]
        assert {call["id"]: call["request"] for call in calls} == {row.id: row.request for row in stored}
        assert {call["id"]: call["response"] for call in calls} == {row.id: row.response for row in stored}


def test_the_page_says_why_nothing_came_of_a_turn_as_the_terminal_does(shown: Shown) -> None:
    scene = Scenes(shown.held.store, shown.held.run_id).scene(shown.lists.find()[0])
    turns = talk_of(scene)["turns"]
    assert [turn["why"] for turn in turns] == [
        None if one.statements else reasons.no_statement(scene, one.turn) for one in scene.turns
    ]
    assert {turn["why"][:13] for turn in turns if turn["role"] == "moderator"} <= {"A fixed cue o", "The moderator"}
    (unsampled,) = {
        one["why"]
        for turn in talk_of(replace(scene, shapes=("survey",), turns=without_samples(scene)))["turns"]
        for one in turn["statements"]
        if one["kind"] == "norm"
    }
    assert unsampled == "passed; no shape of this run fits it"


def without_samples(scene: Scene) -> tuple[Spoken, ...]:
    return tuple(
        replace(turn, statements=tuple(replace(one, samples=()) for one in turn.statements)) for turn in scene.turns
    )


def test_nothing_runs_but_our_own_script_and_nothing_is_fetched(shown: Shown, hostile: Shown) -> None:
    for one in (shown, hostile):
        outline = Outline(one.html)
        (script,), (style,) = outline.inline["script"], outline.inline["style"]
        (policy,) = [str(found["content"]) for tag, found in outline.tags if found.get("http-equiv")]
        for kind, text in (("script-src", script), ("style-src", style)):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{kind} 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        tags = {tag for tag, _ in outline.tags}
        assert tags & {"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "b-x"} == set()
        for tag, attributes in outline.tags:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcdoc")], tag
            assert str(attributes.get("href", "#")).startswith("#")
            assert tag != "script" or attributes.keys() in (set(), {"type", "id"})
        assert {re.fullmatch(r"[A-Za-z0-9+/=]*", data) is not None for data in outline.packs.values()} == {True}


@pytest.mark.parametrize(
    "name", ["innerHTML", "outerHTML", "insertAdjacent", "eval(", "new Function", "document.write", "import(", "fetch("]
)
def test_our_script_makes_no_html_of_text(name: str) -> None:
    assert name not in pages.script()


def test_our_script_and_style_cannot_end_themselves_early() -> None:
    assert "</" not in pages.script().replace("</=", "")
    assert "</" not in pages.part("page.css")


def test_hostile_text_is_there_and_means_nothing(hostile: Shown) -> None:
    outline = Outline(hostile.html)
    talk = outline.unpacked("talk-0")[0]
    texts = [turn["text"] for turn in talk["turns"]]
    assert f"I think that {TRAPS[0]}" in texts
    assert any(LONG_WORD in text for text in texts)
    assert "<script>window" not in hostile.html
    assert "<img src=x" not in hostile.html
    assert "&lt;script&gt;window.pwned" in hostile.html


def test_every_word_of_the_store_has_words_for_people() -> None:
    def told(*modules: Any) -> set[str]:
        source = "\n".join(inspect.getsource(module) for module in modules)
        return {a or b for a, b in re.findall(r'return (?:reason or )?"([a-z-]+)"|rejected\["([a-z-]+)"\]', source)}

    assert told(guards) <= glossary.REFUSED.keys()
    left = {*extract.LEFT.values()} | told(extract, heads) - {*get_args(Kind), *get_args(Provenance)}
    assert left <= glossary.REJECTED.keys()
    why = {*samples.REASONS.values(), *samples.CHECKS, *samples.AFTER_VERIFYING}
    assert why | {"not-verified", "unsure", "undecided", "superseded", "review"} <= glossary.DROPPED.keys()
    phases = {phase for one in protocol.PROTOCOLS.values() for phase in one.phases}
    assert phases == glossary.PHASES.keys()


class Nesting(HTMLParser):
    """Whether every element ends where it should, and no id is there twice."""

    VOID = ("meta", "br", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


def test_every_element_ends_where_it_should(shown: Shown, hostile: Shown) -> None:
    for one in (shown, hostile):
        found = Nesting(one.html)
        assert found.open == []
        assert len(found.ids) == len(set(found.ids))


def test_a_report_of_a_run_that_was_only_planned_says_so(tmp_path: Path) -> None:
    page = show(begin(tmp_path, edition(), FakeModel())).html
    assert "not begun yet" in page
    assert Outline(page).unpacked("talk-0")[0]["turns"] == []


def test_a_report_of_a_run_that_was_only_talked_can_be_read(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    page = show(held).html
    assert "No statements yet" in page
    assert "fell away" not in page
    assert Outline(page).unpacked("index")["dialogues"][0]["statements"] == 0


def test_the_page_counts_who_sits_there_and_not_who_is_quoted(tmp_path: Path, shown: Shown) -> None:
    assert "At the table: 2 cultures and American main contacts, in 4 dialogues." in in_one_line(shown.html)
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    assert "At the table: 1 culture and American main contacts, in 1 dialogue." in in_one_line(show(held).html)


def in_one_line(page: str) -> str:
    return " ".join(page.split())


def test_a_quote_and_the_rows_it_became_stand_before_all_figures(shown: Shown) -> None:
    kept = {row.id: row for row in shown.held.of(SampleRow, status="kept")}
    first, second = re.findall(r'<figure class="example">.*?</figure>', shown.html, re.S)
    for example in (first, second):
        (statement,) = [
            row
            for row in shown.held.rows(StatementRow)
            if f"<mark>{html.escape(row.quote)}</mark>" in example and f'href="#{row.turn_id}"' in example
        ][:1]
        answers = [json.loads(row.messages)[-1]["content"] for row in kept.values() if row.statement_id == statement.id]
        assert any(html.escape(answer[:200], quote=False) in html.unescape(example) for answer in answers)
    places = [shown.html.index(part) for part in ("<figure", 'id="dialogues"', "data-figure")]
    assert places == sorted(places)


def test_a_run_without_rows_begins_with_a_speech(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    (example,) = re.findall(r'<figure class="example">.*?</figure>', show(held).html, re.S)
    spoken = [row for row in held.rows(TurnRow) if row.role in ("main", "delegate")]
    assert f'href="#{spoken[0].id}"' in example
    assert "The row that it became" not in example


def test_the_page_does_not_contradict_itself(tmp_path: Path) -> None:
    whole = shipped("everyday-norms")
    scenario = whole.scenario.model_copy(update={"seeds": whole.scenario.seeds[:1], "cultures": ("turkish",)})
    place = tmp_path / "runs.db"
    begun = cli("simulate", "quickstart", "--model", "scripted", "--store", f"sqlite:///{place}", "--run-id", "a")
    assert begun.code == 0
    assert cli("report", "a", "--store", f"sqlite:///{place}", "-o", str(tmp_path / "a.html")).code == 0
    scripted = in_one_line((tmp_path / "a.html").read_text("utf-8"))
    assert "no language model spoke" in scripted
    assert "a language model was told" not in scripted
    page = show(hold(tmp_path, whole.model_copy(update={"scenario": scenario}), FakeModel())).html
    without_survey = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)
    assert "nobody’s answer was drawn" in without_survey
    assert "survey answers" not in without_survey
    assert "verified" not in without_survey


@pytest.mark.torture
def test_only_roles_that_were_asked_stand_beside_their_model(tmp_path: Path, shown: Shown) -> None:
    asked = "the people at the table, the moderator, who finds statements, who verifies them"
    assert f"<dd>{asked}</dd>" in shown.html
    assert "<dd>what compares them</dd>" in shown.html
    page = show(hold(tmp_path, edition(), FakeModel(), until="dialogue")).html
    assert "<dd>the people at the table, the moderator</dd>" in page
    assert "what compares them" not in page
    begun = show(begin(tmp_path, edition(), FakeModel(), run_id="begun")).html
    assert "Models, and what each was asked for" not in begun


def test_judges_are_named_where_they_were_asked(shown: Shown) -> None:
    whole = shown.held.figures()
    judges = {
        "models": {"judge": "scripted", "judge-2": "scripted"},
        "calls": whole.calls.model_copy(update={"by_stage": {"check": 1}}),
    }
    agreement = ScoreAgreement(krippendorff_alpha=None, statements=0)
    panel = PanelCheck(statements=1, kept=1, mean_by_judge={}, agreement=agreement)
    second = CrossCheck(statements=1, kept=1, answers={}, not_asked=0)

    def named(checks: Checks) -> list[tuple[str, str]]:
        return by_model(whole.model_copy(update={**judges, "checks": checks}), edition().scenario)

    assert named({"harmlessness": panel}) == [("scripted", "a judge, a second judge")]
    assert named({"cross-check": second}) == [("scripted", "a judge")]


def test_reviews_are_told_and_reviewers_are_not_named(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    first, second = (row.id for row in held.rows(StatementRow)[:2])
    for name, decision in (("login-zoe", "accept"), ("login-amy", "reject")):
        for subject in (first, second):
            Reviews(held.store, name).add(subject, decision, note="Hm.")
    one = show(held)
    outline = Outline(one.html)
    everything = one.html + "".join(json.dumps(outline.unpacked(name)) for name in outline.packs)
    assert "login-" not in everything
    reviews = [
        review["reviewer"]
        for talk in outline.unpacked("talk-0")
        for turn in talk["turns"]
        for statement in turn["statements"]
        for review in statement["reviews"]
    ]
    assert reviews == ["reviewer 2", "reviewer 1"] * 2
    words = " ".join(one.html.split())
    assert "reviews 4 (accept 2, reject 2), 0 with a wording" in words
    assert "by reviewer 1: 2, reviewer 2: 2" in words
    assert "reviewer 1 and reviewer 2: Cohen&#39;s kappa 0.00" in words
    assert "their notes are on this page" in words


def test_a_known_secret_gets_into_no_page(tmp_path: Path) -> None:
    known = dict(KNOWN)
    secret = "sk-canary-0123456789-report"
    held = hold_said(
        tmp_path, [(ELIF, f"I think that {secret} is a good key."), (JENNA, f"I take {secret} too.")], FakeModel()
    )
    try:
        remember(secret)
        outline = Outline(show(held).html)
        assert secret not in outline.rawdata + "".join(json.dumps(outline.unpacked(name)) for name in outline.packs)
        assert "[key]" in json.dumps(outline.unpacked("talk-0"))
    finally:
        KNOWN.clear()
        KNOWN.update(known)


def test_packs_are_closed_long_before_memory_is_full(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.report.pack.TALK_DIALOGUES", 2)
    scenes = Scenes(shown.held.store, shown.held.run_id)
    ids = shown.lists.find()
    names = [pack.name for pack in Packer(scenes).packs(ids)]
    assert [name for name in names if name.startswith("talk")] == [f"talk-{n}" for n in range(-(-len(ids) // 2))]
    assert names[-1] == "index"


# --- the command -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("away")
def test_report_writes_a_file_named_after_the_run_and_says_so() -> None:
    place_store()
    done = cli("report", "last")
    assert (done.code, done.out) == (0, "a.html\n")
    assert Path("a.html").read_text("utf-8").startswith(pages.MARK)
    assert "loads nothing" in done.err
    assert "real person" not in done.err
    assert [path.name for path in Path().glob(".*part*")] == []


@pytest.mark.usefixtures("away")
def test_a_report_takes_the_place_of_a_report_and_of_nothing_else() -> None:
    place_store()
    Path("mine.html").write_text("<!doctype html>\n<p>mine")
    Path("folder").mkdir()
    for name in ("mine.html", "folder", "/dev/null"):
        done = cli("report", "a", "-o", name)
        assert (done.code, "no report of culturepark" in done.err) == (2, True), name
    assert Path("mine.html").read_text() == "<!doctype html>\n<p>mine"
    assert [cli("report", "a", "-o", "deep/b.html").code for _ in range(2)] == [0, 0]


@pytest.mark.usefixtures("away")
def test_a_report_on_stdout_is_the_page_and_no_more() -> None:
    place_store()
    done = cli("report", "a", "-o", "-")
    assert done.code == 0
    assert done.out.startswith(pages.MARK)
    assert done.out.rstrip().endswith("</html>")
    assert not list(Path().glob("*.html"))


@pytest.mark.usefixtures("away")
def test_what_cannot_be_reported_on_is_told_and_leaves_no_file() -> None:
    assert cli("report", "last").code == 2
    place_store()
    assert cli("report", "nobody").code == 2
    Path("file").write_text("x")
    assert cli("report", "a", "-o", "file/report.html").code == 5
    assert cli("report", "a", "-o", "x" * 300 + ".html").code == 5
    assert not list(Path().glob("*.html"))


@pytest.mark.usefixtures("away")
def test_a_report_that_fails_half_way_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    place_store()
    assert cli("report", "a").code == 0
    before = Path("a.html").read_bytes()

    def full(*_: object, **__: object) -> Iterator[str]:
        yield pages.MARK
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pages, "page", full)
    done = cli("report", "a")
    assert (done.code, "No space left" in done.err) == (5, True)
    assert Path("a.html").read_bytes() == before
    assert not list(Path().glob(".*"))


def test_every_part_of_the_page_is_used_and_every_one_used_is_there() -> None:
    names = {path.name for path in pages.HERE.rglob("*") if path.suffix in (".html", ".css", ".js")}
    fixed = {
        "page.html",
        "compare.html",
        "paired.html",
        "evaluation.html",
        "notebook.html",
        "notebook_run.html",
        "page.css",
    }
    assert names == {*fixed, *(f"{name}.js" for name in pages.SCRIPTS)}
