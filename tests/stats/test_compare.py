"""`culturepark compare`: how dialogues are paired, what is said of differences, the table and the page."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Edition
from culturepark.languages import load_language
from culturepark.report import compare as pages
from culturepark.stats.compare import compare, pairs_of
from culturepark.stats.compare_text import comparison_lines, signed
from culturepark.stats.figures import Comparison
from culturepark.store.store import Store
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli, on_a_terminal, rows_of
from tests.stats.test_talks import ELIF, KOREAN, TERRENCE, casting
from tests.support.fakes import FakeModel, begin, hold, shipped
from tests.support.reports import TRAPS

STORE = "runs/culturepark.db"


def edition(**changes: Any) -> Edition:
    """Six dialogues of Turks and Americans on three questions."""
    whole = shipped("wvs7")
    base = {
        "setting": "cross-cultural", "cultures": ("turkish",), "seeds": whole.scenario.seeds[:3],
        "dialogues_per_seed": 2, "max_turns": 8, "moderation": "scripted",
    }  # fmt: skip
    people = tuple(persona for persona in whole.personas if persona.culture in ("turkish", "american"))
    return whole.model_copy(update={"scenario": whole.scenario.model_copy(update=base | changes), "personas": people})


@cache
def made() -> bytes:
    """A store with a run `base`; `chat` in another protocol, `steered` by another policy, `apart` with other people,
    `without` answers, and `few` with two dialogues; `unheld` has none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = edition()
        variants: dict[str, tuple[Edition, int]] = {
            "base": (one, 1),
            "chat": (edition(protocol="free-chat"), 1),
            "steered": (edition(moderation="balanced"), 1),
            "apart": (edition(setting="in-cultural"), 1),
            "without": (edition(stances="none"), 1),
            "few": (edition(seeds=one.scenario.seeds[:1]), 1),
        }
        for run_id, (variant, seed) in variants.items():
            hold(folder, variant, FakeModel(), run_id=run_id, seed=seed, until="dialogue").store.close()
        begin(folder, one, FakeModel(), run_id="unheld").store.close()
        return (folder / "runs.db").read_bytes()


@pytest.fixture(autouse=True)
def runs(away: Path) -> None:
    Path("runs").mkdir()
    Path(STORE).write_bytes(made())


def compared(*names: str) -> Comparison:
    store = Store(f"sqlite:///{STORE}")
    return compare([(store, store.run(name)) for name in names])


# --- pairs -------------------------------------------------------------------------------------------


def test_dialogues_are_paired_by_question_people_and_answers() -> None:
    own, other = casting(ELIF, TERRENCE), casting(ELIF, TERRENCE, stance=2)
    first, second = [own, other, own], [other, own, casting(KOREAN, TERRENCE), own]
    assert pairs_of(first, second) == ("question, people and answers", [(1, 0), (0, 1), (2, 3)])


def test_few_pairs_are_pairs_only_where_there_are_no_more_dialogues() -> None:
    same, other = casting(ELIF, TERRENCE), casting(ELIF, KOREAN)
    assert pairs_of([same, other], [other, same]) == ("question, people and answers", [(1, 0), (0, 1)])
    assert pairs_of([same] + [other] * 5, [same] * 6) == ("nothing", [])
    assert pairs_of([same] * 5 + [other], [same] * 6)[1] == [(n, n) for n in range(5)]


def test_people_with_other_answers_are_paired_too_if_nobody_has_the_same() -> None:
    assert pairs_of([casting(ELIF, TERRENCE)], [casting(TERRENCE, ELIF, stance=None)]) == (
        "question and people",
        [(0, 0)],
    )
    elsewhere = casting(ELIF, TERRENCE, seed=shipped("wvs7").scenario.seeds[0].key)
    assert pairs_of([casting(ELIF, TERRENCE)], [elsewhere]) == ("nothing", [])


# --- two runs ----------------------------------------------------------------------------------------


def test_another_protocol_is_named_and_its_dialogues_are_paired() -> None:
    both = compared("base", "chat")
    assert both.differ == {"protocol": ["self-guidance", "free-chat"]}
    base, chat = both.runs
    assert (chat.paired_by, chat.pairs, base.differences) == ("question, people and answers", 6, {})
    calls = chat.differences["calls"]
    assert calls.pairs == 6
    assert calls.verdict == "lower"
    assert calls.high is not None
    assert calls.value <= calls.high < 0
    means = [one.talks.measures["calls"].value for one in both.runs]
    assert calls.value == pytest.approx(means[1] - means[0], abs=2e-4)
    assert chat.differences["echo_longest"].verdict == "not told apart"
    # The fake model reports 10 and 5 tokens for each call, and refuses none.
    costs = [chat.talks.measures[name].value for name in ("prompt_tokens", "completion_tokens")]
    assert costs == [10.0, 5.0]


def test_another_policy_is_named() -> None:
    both = compared("base", "steered")
    assert both.differ == {"moderation": ["scripted", "balanced"]}
    assert both.runs[1].pairs == 6
    assert set(both.runs[1].differences) >= {"uptake", "in_words", "echo", "prompt_tokens", "completion_tokens"}


def test_without_answers_the_same_people_sit_at_the_same_tables() -> None:
    both = compared("base", "without")
    assert both.differ == {"stances": ["shares", "none"]}
    without = both.runs[1]
    assert (without.paired_by, without.pairs) == ("question and people", 6)
    assert "labels" in both.runs[0].talks.measures
    assert "labels" not in without.talks.measures
    assert "labels" not in without.differences
    rows = {row["dialogue_id"] + row["persona_key"]: row["stance_code"] for row in rows_of("participant")}
    dealt = {key.partition(".")[2] for key, code in rows.items() if key.startswith("base.") and code is not None}
    assert dealt
    assert {code for key, code in rows.items() if key.startswith("without.")} == {None}
    english = load_language("en")
    told = english.prompt("stance").text.partition("{{")[0].strip(), english.prompt("listener").text.strip()
    for run in ("base", "without"):
        asked = [row["request"] for row in rows_of("call") if row["run_id"] == run and row["stage"] == "dialogue"]
        cards = [json.loads(body)["messages"][0]["content"] for body in asked]
        assert any(part in card for card in cards for part in told) == (run == "base")


def test_a_run_beside_itself_in_another_store_differs_in_nothing() -> None:
    store = Store(f"sqlite:///{STORE}")
    Path("copy.db").write_bytes(made())
    other = Store("sqlite:///copy.db")
    both = compare([(store, store.run("base")), (other, other.run("base"))])
    assert both.differ == {}
    assert {(one.value, one.verdict) for one in both.runs[1].differences.values()} == {(0.0, "not told apart")}


def test_runs_without_pairs_are_compared_as_wholes_and_say_so() -> None:
    both = compared("base", "apart")
    apart = both.runs[1]
    assert (apart.paired_by, apart.pairs) == ("nothing", 0)
    assert {one.pairs for one in apart.differences.values()} == {0}
    text = "\n".join(comparison_lines(both, 200))
    assert (
        "apart: too few dialogues have question and people in common with the first run's; compared as wholes" in text
    )
    assert text.count(", as wholes") == len(apart.differences)


def test_few_dialogues_are_too_few_to_say() -> None:
    few = compared("base", "few").runs[1]
    assert few.pairs == 2
    assert {one.verdict for one in few.differences.values()} == {"too few to say"}
    assert {one.low for one in few.differences.values()} == {None}


def test_the_same_store_gives_the_same_figures() -> None:
    assert compared("base", "chat") == compared("base", "chat")


# --- the command -------------------------------------------------------------------------------------


def test_the_command_prints_one_document() -> None:
    found = cli("compare", "base", "chat", "apart", "--json").json
    assert list(found) == ["differ", "alike", "runs"]
    assert [one["run"] for one in found["runs"]] == ["base", "chat", "apart"]
    assert found["runs"][1]["differences"]["calls"]["verdict"] == "lower"
    assert (
        found["runs"][0]["talks"]["measures"]["uptake"]
        == cli("stats", "base", "--json").json["talks"]["measures"]["uptake"]
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("base",), "compare takes two runs or more"),
        (("base", "base"), "the run base stands there twice"),
        (("base", "nobody"), "no such run: 'nobody'"),
        (("base", "unheld"), "the run unheld has no finished dialogue"),
    ],
)
def test_what_cannot_be_compared(names: tuple[str, ...], message: str) -> None:
    done = cli("compare", *names)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_on_a_narrow_terminal_no_line_is_wider() -> None:
    code, seen = on_a_terminal(60, "compare", "base", "chat", "apart")
    assert code == 0
    lines = [line.rstrip() for line in seen.replace("\r", "").splitlines()]
    assert max(map(len, lines)) <= 60
    assert "  answers in the words of the question" in lines
    assert any(line.startswith("      ") and line.endswith("not told apart") for line in lines)
    wide = cli("compare", "base", "chat").out.splitlines()
    assert any(line.startswith("  answers in the words of the question  ") and "not told" in line for line in wide)


def test_differences_keep_their_unit() -> None:
    assert [signed("uptake", 0.123), signed("uptake", -0.004), signed("uptake", -0.0)] == ["+12", "-0.4", "+0"]
    assert [signed("drift", -0.05), signed("words", 12.34), signed("prompt_tokens", 640.2)] == ["-.05", "+12.3", "+640"]


# --- the page ----------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_script_and_escapes_what_others_named() -> None:
    both = compared("base", "chat")
    trap = "".join(TRAPS[:10])
    hostile = both.model_copy(
        update={
            "differ": {"speaker": [trap, "fine"], trap: ["a", "b"]},
            "alike": {"scenario": trap},
            "runs": [both.runs[0].model_copy(update={"run": trap}), both.runs[1]],
        }
    )
    seen = Tags("".join(pages.page(hostile)))
    assert not seen.found & {"script", "img", "svg", "iframe", "link", "form", "input", "object"}
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert trap in seen.text
    assert "Simulated people." in seen.text


def test_the_page_is_written_and_replaces_no_other_file() -> None:
    done = cli("compare", "base", "chat", "--html", "out/compared.html", "--json")
    assert done.code == 0
    html = Path("out/compared.html").read_text("utf-8")
    seen = Tags(html)
    assert "script" not in seen.found
    assert "color-scheme: light dark" in html
    words = " ".join(seen.text.split())
    for part in ("base beside chat", "6 of 6 dialogues paired by question, people and answers", "free-chat"):
        assert part in words
    assert json.loads(done.out)["runs"][1]["pairs"] == 6
    Path("mine.html").write_text("mine")
    refused = cli("compare", "base", "chat", "--html", "mine.html")
    assert refused.code == 2
    assert Path("mine.html").read_text() == "mine"
