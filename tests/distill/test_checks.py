"""Checks beside stance: a panel's scores, a second persona's word, and what follows from them."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

from culturepark.cli.app import explain, run
from culturepark.cli.trace_text import statement_lines
from culturepark.dialogue.casting import plan
from culturepark.distill.ask import LONGEST_REASON, as_reason
from culturepark.distill.checks import BRIEFS, alone, expected, panel_score, second
from culturepark.distill.samples import settled
from culturepark.domain import Edition, JsonObject, Persona, Relation
from culturepark.errors import UsageError
from culturepark.models.chat import Reply
from culturepark.models.spec import parse_roles
from culturepark.stats.agreement import Judged, Scale, alpha, kappa
from culturepark.stats.text import stats_lines
from culturepark.store import lineage
from culturepark.store.tables import CallRow, SampleRow, StatementRow, VerdictRow
from tests.support.endpoint import Endpoint
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    Held,
    answering,
    edition,
    hold_said,
    judged,
    letter,
    material,
    proposals,
    reply,
    shape_of,
    shipped,
)

TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
SHOES = "One takes off one's shoes before one steps on anybody's carpet."
JOB = "I think a job belongs to whoever does it best, man or woman."
BAD = "I think people from the villages are lazy, all of them."
TALK = [(JENNA, JOB), (ELIF, f"{TEA} {SHOES} {BAD}")]
FOUR = ((1, "opinion", JOB), (2, "custom", TEA), (2, "norm", SHOES), (2, "opinion", BAD))
HARM = {"harmlessness": {"at_least": 4}}
PEOPLE = (JENNA, ELIF, "turkish-mert", "turkish-hediye")

Scoring = Callable[[str, int], int]
"""A score from a text and the number of the judge, from 0."""


def brief_of(body: JsonObject) -> str:
    """Which judge a request is for."""
    system = body["messages"][0]["content"]
    return next(name for name, word in zip(BRIEFS, ("lived", "anthrop", "editor"), strict=True) if word in system[:60])


class Panel(FakeModel):
    """A model of which every judge answers from what it is shown; it keeps what each was asked about."""

    def __init__(
        self, score: Scoring = lambda text, judge: 5, said: Callable[[str], str] = lambda text: "shared", **more: Any
    ):
        self.shown: list[tuple[str, list[str]]] = []

        def answer(body: JsonObject) -> str | Reply:
            if shape_of(body) != "scores":
                return rest(body)
            items, name = material(body)["items"], brief_of(body)
            self.shown.append((name, [item["text"] for item in items]))
            given = [(item["id"], score(item["text"], BRIEFS.index(name))) for item in items]
            return json.dumps({"items": [{"id": i, "reason": f"{name} says {s}", "score": s} for i, s in given]})

        def cross_check(asked: JsonObject) -> JsonObject:
            answers = [(item["id"], said(item["text"])) for item in asked["items"]]
            return {"items": [{"id": i, "words": f"With us it is {a}.", "answer": a} for i, a in answers]}

        rest = answering(
            **{"statements": lambda _: proposals(*FOUR), "verdicts": judged, "cross_check": cross_check, **more}
        )
        super().__init__(answer)


def checked(**checks: Any) -> Edition:
    return edition(people=PEOPLE[:2] if "cross_check" not in checks else PEOPLE, distill={"checks": checks})


def by_claims(text: Callable[[JsonObject], Reply], *found: tuple[int, str, str]) -> FakeModel:
    """A model too small for JSON but for extraction, which takes what is found in the speaker's own words."""
    own = [proposals(one, first_person=one[2])["statements"][0] for one in found]
    return FakeModel(answering(statements=lambda _: {"statements": own}, text=text), labels=True)


def small(**checks: Any) -> Edition:
    return edition(
        people=PEOPLE[:2] if "cross_check" not in checks else PEOPLE, distill={"checks": checks, "extract": "batch"}
    )


def talked(tmp_path: Path, model: FakeModel, one: Edition | None = None) -> Held:
    """The talk above, distilled. Its people are those who were cast: Jenna and Elif."""
    return hold_said(tmp_path, TALK, model, one or checked(**HARM))


def by_quote(held: Held) -> dict[str, str]:
    """Quote -> why its samples were dropped, or `kept`; the first sample speaks for all."""
    quotes = {s.id: s.quote for s in held.rows(StatementRow)}
    return {quotes[s.statement_id]: s.drop_reason or s.status for s in reversed(held.rows(SampleRow))}


def harsh(text: str, judge: int) -> int:
    return 1 if BAD in text else 5


# --- nothing is asked that is not wanted -----------------------------------------------------------


def test_a_run_without_checks_asks_and_stores_nothing_of_them(tmp_path: Path) -> None:
    model = Panel()
    held = talked(tmp_path, model, edition())
    assert {shape_of(body) for body in model.bodies} == {"slips", "statements", "verdicts", "rows"}
    assert not {row.criterion for row in held.rows(VerdictRow)} & {"harmlessness", "awareness", "cross-check"}
    columns = ("score", "answer", "reason", "judge")
    assert all(getattr(row, name) is None for row in held.rows(VerdictRow) for name in columns)
    assert held.stats()["checks"] == {}
    assert "check" not in held.row.scenario.replace(
        "checked", ""
    )  # and its digest is what it was before there were any


@pytest.mark.torture
def test_a_run_without_checks_imports_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(SMALL.partition("distill:")[0], "utf-8")
    program = (
        "import sys; from culturepark.cli.app import run; "
        "print(run(['simulate', 'plain.yaml', '--model', 'scripted']), *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert "culturepark.distill.verify" in modules
    assert not {f"culturepark.distill.{name}" for name in ("checks", "panel", "items", "cross_check")} & set(modules)


def test_a_check_that_is_on_is_in_the_scenario_of_the_run(tmp_path: Path) -> None:
    held = talked(tmp_path, Panel())
    policy = json.loads(held.row.scenario)["scenario"]["distill"]
    assert policy["checks"] == {"harmlessness": {"at_least": 4.0}, "judges": 3}


# --- a panel ---------------------------------------------------------------------------------------


def test_every_judge_gives_a_score_with_its_reason_and_the_panel_decides(tmp_path: Path) -> None:
    held = talked(tmp_path, Panel(lambda text, judge: (5, 2, 4)[judge] if TEA in text else harsh(text, judge)))
    quotes = {s.id: s.quote for s in held.rows(StatementRow)}
    rows = [row for row in held.of(VerdictRow, criterion="harmlessness") if quotes[row.statement_id] == TEA]
    found = [(r.judge, r.score, r.relation, r.decision, r.reason) for r in rows]
    assert found == [
        ("neighbour", 5.0, "entail", "keep", "neighbour says 5"),
        ("anthropologist", 2.0, "contradict", "keep", "anthropologist says 2"),
        ("editor", 4.0, "entail", "keep", "editor says 4"),
    ]
    calls = {call.id: call for call in held.of(CallRow, stage="check")}
    assert all(json.loads(calls[row.call_id or ""].request)["messages"] for row in rows)
    assert by_quote(held) == {JOB: "kept", TEA: "kept", SHOES: "kept", BAD: "harmlessness"}


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ((5.0, 2.0, 4.0), 4.0),
        ((1.0, 1.0, 5.0), 1.0),
        ((4.0, 3.0), 3.5),
        ((2.0,), 2.0),
        ((None, 5.0, 4.0), 4.5),
        ((None, 5.0), 5.0),
        ((None, None, 5.0), None),
        ((None, None), None),
        ((None,), None),
    ],
)
def test_a_panel_says_its_median_and_nothing_if_less_than_half_of_it_is_heard(
    given: tuple[float | None, ...], score: float | None
) -> None:
    assert panel_score(given) == score


@pytest.mark.parametrize(
    ("verdicts", "as_one"),
    [
        ([("irrelevant", "drop")], ("irrelevant", "drop")),
        ([("contradict", "keep"), ("entail", "keep"), ("entail", "keep")], ("entail", "keep")),
        ([("entail", "drop"), ("contradict", "drop"), ("contradict", "drop")], ("contradict", "drop")),
        ([("entail", "drop"), ("unparsable", "drop"), ("contradict", "drop")], ("contradict", "drop")),
        ([("entail", "drop"), ("unparsable", "drop"), ("unparsable", "drop")], ("unparsable", "drop")),
        ([("contradict", "drop"), ("unparsable", "drop")], ("contradict", "drop")),
    ],
)
def test_the_verdicts_of_a_panel_settle_into_one(
    verdicts: list[tuple[Relation, str]], as_one: tuple[Relation, str]
) -> None:
    assert settled(verdicts) == as_one


def test_no_judge_is_asked_what_another_was_asked(tmp_path: Path) -> None:
    model = Panel()
    talked(tmp_path, model, checked(**HARM, awareness={"at_least": 3}))
    asked = [json.dumps(body["messages"]) for body in model.bodies if shape_of(body) == "scores"]
    assert len(asked) == len(set(asked)) == 6
    first, turned, third = (texts for _, texts in model.shown[:3])
    assert first == third == turned[::-1]
    assert len(first) == 4
    scales = [re.findall(r"(?m)^([1-5]): ", body["messages"][0]["content"]) for body in model.bodies[-3:]]
    assert scales == [list("12345"), list("54321"), list("12345")]


@pytest.mark.parametrize("judges", [1, 2, 3])
def test_a_panel_has_as_many_judges_as_the_scenario_says(tmp_path: Path, judges: int) -> None:
    held = talked(tmp_path, Panel(), checked(**HARM, judges=judges))
    assert Counter(row.judge for row in held.of(VerdictRow, criterion="harmlessness")) == dict.fromkeys(
        BRIEFS[:judges], 4
    )


def test_a_judge_sees_what_would_be_trained_on_and_four_at_a_time(tmp_path: Path) -> None:
    many = [(1, "custom", f"We bring {n} loaves of bread to the house of the dead.") for n in range(20)]
    talk = [(ELIF, " ".join(quote for _, _, quote in many))]
    model = Panel(statements=lambda _: proposals(*many))
    hold_said(tmp_path, talk, model, checked(**HARM, judges=1))
    assert [len(texts) for _, texts in model.shown] == [4, 4, 4, 4, 4]
    folder = tmp_path / "other"
    folder.mkdir()
    model = Panel()
    talked(folder, model)
    assert model.shown[0][1] == [f"I say it like this: {quote}" for quote in (JOB, TEA, SHOES, BAD)]


def test_only_what_has_passed_so_far_is_asked_about(tmp_path: Path) -> None:
    def verdicts(asked: JsonObject) -> JsonObject:
        found = judged(asked)
        for item, verdict in zip(asked["items"], found["verdicts"], strict=True):
            verdict["faithful"] = "irrelevant" if item["quote"] == SHOES else "entail"
        return found

    model = Panel(harsh, verdicts=verdicts)
    held = talked(tmp_path, model, checked(awareness={"at_least": 3}, **HARM, cross_check={}))
    seen = [sum(any(quote in text for quote in (SHOES,)) for text in texts) for _, texts in model.shown]
    assert seen == [0] * 6
    assert [len(texts) for _, texts in model.shown] == [3, 3, 3, 2, 2, 2]  # harmlessness, then awareness
    (asked,) = model.asked("cross_check")
    assert [TEA in item["text"] for item in asked["items"]] == [True]
    assert by_quote(held) == {JOB: "kept", TEA: "kept", SHOES: "unfaithful", BAD: "harmlessness"}


def test_each_check_has_its_own_reason_to_drop(tmp_path: Path) -> None:
    def score(text: str, judge: int) -> int:
        return harsh(text, judge)

    model = Panel(score, lambda text: "denied" if TEA in text else "varies")
    held = talked(tmp_path, model, checked(**HARM, cross_check={}))
    assert by_quote(held) == {JOB: "kept", TEA: "cross-check", SHOES: "kept", BAD: "harmlessness"}
    folder = tmp_path / "other"
    folder.mkdir()
    held = talked(folder, Panel(harsh), checked(awareness={"at_least": 3}))
    assert by_quote(held)[BAD] == "awareness"


def test_a_reworded_statement_is_checked_as_reworded(tmp_path: Path) -> None:
    model = Panel(
        harsh,
        verdicts=lambda asked: judged(
            asked, stance="entail" if asked["items"][0]["first_person"].startswith("I mean this") else "contradict"
        ),
        rewording=lambda asked: {
            "statement": f"Anew: {asked['quote']}",
            "first_person": f"I mean this: {asked['quote']}",
        },
    )
    held = talked(tmp_path, model)
    assert f"I mean this: {BAD}" in model.shown[0][1]
    assert f"I say it like this: {BAD}" not in model.shown[0][1]
    (new,) = [row for row in held.rows(StatementRow) if row.rewritten_from]
    assert {row.drop_reason for row in held.of(SampleRow, statement_id=new.id)} == {"harmlessness"}


def test_what_is_kept_as_published_is_checked_all_the_same(tmp_path: Path) -> None:
    model = Panel(
        harsh,
        verdicts=lambda asked: judged(asked, stance="contradict"),
        rewording=lambda asked: {
            "statement": f"Anew: {asked['quote']}",
            "first_person": f"I mean this: {asked['quote']}",
        },
    )
    one = edition(distill={"checks": HARM, "rewrite": "as-published"})
    held = talked(tmp_path, model, one)
    (new,) = [row for row in held.rows(StatementRow) if row.rewritten_from]
    reasons = {(row.drop_reason, row.flags) for row in held.of(SampleRow, statement_id=new.id)}
    assert reasons == {("harmlessness", "as-published")}


# --- what cannot be read ---------------------------------------------------------------------------


def garbled(*names: str, said: str = "I would rather not.") -> FakeModel:
    """These judges answer nothing that can be read."""
    panel = Panel()
    inner = panel.answer

    def answer(body: JsonObject) -> str | Reply:
        if shape_of(body) == "scores" and brief_of(body) in names:
            return said
        return inner(body)

    panel.answer = answer
    return panel


@pytest.mark.parametrize(
    "said",
    [
        "I would rather not.",
        '{"items": [{"id": 1, "reason": "fine", "score": 6}]}',
        '{"items": [{"id": 1, "reason": "fine", "score": "5"}]}',
        '{"items": [{"id": 1, "reason": "fine", "score": null}]}',
        '{"items": [{"id": 1, "score": 5}]}',
        '{"items": []}',
        "[]",
    ],
)
def test_a_panel_of_which_less_than_half_can_be_read_is_undecided_and_drops(tmp_path: Path, said: str) -> None:
    model = garbled("neighbour", "editor", said=said)
    held = talked(tmp_path, model)
    rows = held.of(VerdictRow, criterion="harmlessness")
    assert {(r.judge, r.relation, r.decision) for r in rows} == {
        ("neighbour", "unparsable", "drop"),
        ("anthropologist", "entail", "drop"),
        ("editor", "unparsable", "drop"),
    }
    assert all((row.score is None) == (row.relation == "unparsable") and row.call_id for row in rows)
    assert set(by_quote(held).values()) == {"undecided"}
    asked = Counter(brief_of(body) for body in model.bodies if shape_of(body) == "scores")
    assert asked["anthropologist"] == 1
    assert (
        said in ('{"items": []}', "[]") or asked["neighbour"] == asked["editor"] == 2
    )  # the second time with some chance in it


def test_two_judges_of_three_are_a_panel(tmp_path: Path) -> None:
    held = talked(tmp_path, garbled("editor"))
    assert set(by_quote(held).values()) == {"kept"}


def test_a_statement_that_an_answer_left_out_or_judged_twice_is_asked_about_once_more(tmp_path: Path) -> None:
    def scores(asked: JsonObject) -> JsonObject:
        items = [{"id": item["id"], "reason": "so", "score": 5} for item in asked["items"]]
        return {"items": [*items[:2], items[2], items[2]] if len(items) == 4 else items}

    model = FakeModel(answering(statements=lambda _: proposals(*FOUR), verdicts=judged, scores=scores))
    held = talked(tmp_path, model, checked(**HARM, judges=1))
    first, again = model.asked("scores")
    assert [item["text"] for item in again["items"]] == [item["text"] for item in first["items"][2:]]
    assert [item["id"] for item in again["items"]] == [1, 2]
    assert [row.score for row in held.of(VerdictRow, criterion="harmlessness")] == [5.0] * 4


def test_a_statement_left_out_twice_is_unparsable_and_the_others_count(tmp_path: Path) -> None:
    def scores(asked: JsonObject) -> JsonObject:
        items = [i for i in asked["items"] if TEA not in i["text"]]
        return {"items": [{"id": item["id"], "reason": "so", "score": 5} for item in items]}

    model = FakeModel(answering(statements=lambda _: proposals(*FOUR), verdicts=judged, scores=scores))
    held = talked(tmp_path, model, checked(**HARM, judges=1))
    assert by_quote(held) == {JOB: "kept", TEA: "undecided", SHOES: "kept", BAD: "kept"}


def test_scores_that_were_cut_off_are_asked_for_again_in_halves(tmp_path: Path) -> None:
    def scores(asked: JsonObject) -> JsonObject | Reply:
        if len(asked["items"]) > 1:
            return reply('{"items": [{"id": 1, "rea', "length")
        return {"items": [{"id": 1, "reason": "so", "score": 5}]}

    model = FakeModel(answering(statements=lambda _: proposals(*FOUR), verdicts=judged, scores=scores))
    held = talked(tmp_path, model, checked(**HARM, judges=1))
    assert [len(asked["items"]) for asked in model.asked("scores")] == [4, 2, 1, 1, 2, 1, 1]
    assert set(by_quote(held).values()) == {"kept"}


def test_a_score_that_a_filter_kept_back_is_none(tmp_path: Path) -> None:
    full = json.dumps({"items": [{"id": n, "reason": "so", "score": 5} for n in range(1, 5)]})
    model = Panel(statements=lambda _: proposals(*FOUR), verdicts=judged)
    inner = model.answer
    model.answer = lambda body: reply(full, "content_filter") if shape_of(body) == "scores" else inner(body)
    held = talked(tmp_path, model)
    assert {row.score for row in held.of(VerdictRow, criterion="harmlessness")} == {None}
    assert set(by_quote(held).values()) == {"undecided"}


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        ("  It names\n a   custom. ", "It names a custom."),
        ("", None),
        (" \n", None),
        ("a\0b \ud800", "a\ufffdb \ufffd"),
        ("x" * 5000, "x" * (LONGEST_REASON - 1) + "…"),
    ],
)
def test_a_reason_is_kept_on_one_line_and_not_at_length(words: str, stored: str | None) -> None:
    assert as_reason(words) == stored


def test_a_reason_never_moves_the_cursor(tmp_path: Path) -> None:
    def scores(asked: JsonObject) -> JsonObject:
        reason = "\x1b[2J\x1b]0;owned\x07 [bold]so[/] \u202egnihton"
        return {"items": [{"id": item["id"], "reason": reason, "score": 5} for item in asked["items"]]}

    model = FakeModel(answering(statements=lambda _: proposals(*FOUR), verdicts=judged, scores=scores))
    held = talked(tmp_path, model)
    first = held.rows(StatementRow)[0].id
    shown = "\n".join(line.plain for line in statement_lines(lineage.trace_statement(held.store, first)))
    assert "[bold]so[/]" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", shown)


# --- small models ----------------------------------------------------------------------------------


def test_the_expected_score_is_the_mean_over_the_probabilities_of_the_digits() -> None:
    def logs(*shares: float) -> dict[str, float]:
        return {str(n): math.log(share) for n, share in enumerate(shares, start=1)}

    assert expected(logs(0.2, 0.2, 0.2, 0.2, 0.2)) == 3.0
    assert expected(logs(1e-9, 1e-9, 1e-9, 0.5, 0.5)) == 4.5
    assert expected(logs(0.1, 0.1, 0.1, 0.1, 0.1)) == 3.0  # what falls on other words does not count
    assert expected(dict.fromkeys("12345", -900.0)) == 3.0


def digits(body: JsonObject) -> Reply:
    """Kinds by letter; a digit of which the probabilities are known, none for what is kept back."""
    asked = body["messages"][-1]["content"]
    if "one number from 1 to 5" not in asked:
        best = "B" if SHOES in asked or TEA in asked else "C"
        return letter(best, **{name: 0.8 if name == best else 0.1 for name in "ABC"})
    if SHOES in asked:
        return reply("5", "content_filter", tokens=[("5", 0.0)])
    shares = {"1": 0.1, "2": 0.1, "3": 0.1, "4": 0.1, "5": 0.6} if TEA in asked else {"1": 0.6, "5": 0.4}
    return letter("5", **shares)


def test_a_small_model_gives_one_digit_and_its_probabilities_make_the_score(tmp_path: Path) -> None:
    talk = [(JENNA, JOB), (ELIF, f"{TEA} {SHOES}")]
    model = by_claims(digits, *FOUR[:3])
    held = hold_said(tmp_path, talk, model, small(**HARM))
    quotes = {s.id: s.quote for s in held.rows(StatementRow)}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in held.of(VerdictRow, criterion="harmlessness"):
        found.setdefault(quotes[row.statement_id], []).append((row.judge, row.score, row.reason, row.decision))
    assert found[TEA] == [(name, 4.0, None, "keep") for name in BRIEFS]
    assert {row[3] for row in found[JOB]} == {"drop"}
    assert found[JOB][0][1] < 3
    assert found[SHOES] == [(name, None, None, "drop") for name in BRIEFS]
    assert by_quote(held)[SHOES] == "undecided"
    asked = [b["messages"][-1]["content"] for b in model.bodies if "one number" in b["messages"][-1]["content"]]
    assert len(asked) == len(set(asked)) == 9
    assert all(body["max_tokens"] == 1 for body in model.bodies if shape_of(body) != "statements")
    assert re.findall(r"(?m)^([1-5]): ", asked[4]) == list("54321")
    assert [note for note in held.notes if "no judge" in note] == [
        "a model this small is no judge: its scores hardly tell harm from none; see docs/checks.md"
    ]


def test_without_log_probabilities_the_digit_itself_is_the_score(tmp_path: Path) -> None:
    said = iter(["4", "five", " 5"])

    def text(body: JsonObject) -> Reply:
        return reply(next(said)) if "one number" in body["messages"][-1]["content"] else digits(body)

    held = hold_said(tmp_path, [(ELIF, TEA)], by_claims(text, (1, "custom", TEA)), small(**HARM))
    assert [row.score for row in held.of(VerdictRow, criterion="harmlessness")] == [4.0, None, 5.0]


# --- a second persona ------------------------------------------------------------------------------


def test_a_norm_is_put_to_somebody_else_of_the_culture_on_their_own_card(tmp_path: Path) -> None:
    model = Panel(said=lambda text: "varies" if TEA in text else "shared")
    held = talked(tmp_path, model, checked(cross_check={}))
    (body,) = [body for body in model.bodies if shape_of(body) == "cross_check"]
    assert [item["kind"] for item in material(body)["items"]] == ["custom", "norm"]
    rows = held.of(VerdictRow, criterion="cross-check")
    asked = {row.judge for row in rows}
    assert asked <= {"turkish-mert", "turkish-hediye"}
    person = next(p for p in checked(cross_check={}).personas if p.key in asked)
    system = body["messages"][0]["content"]
    assert system.startswith(f"You are {person.name}.")
    assert all(norm.text in system for norm in person.norms)
    assert [(r.answer, r.relation, r.decision, r.reason) for r in rows] == [
        ("varies", "entail", "keep", "With us it is varies."),
        ("shared", "entail", "keep", "With us it is shared."),
    ]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (None, {"shared", "varies"}),
        (["shared"], {"shared"}),
        (["denied", "unknown"], {"denied", "unknown"}),
    ],
)
@pytest.mark.sampled
def test_the_scenario_says_which_answers_are_kept(tmp_path: Path, keep: list[str] | None, kept: set[str]) -> None:
    for answer in ("shared", "varies", "unknown", "denied"):
        folder = tmp_path / answer
        folder.mkdir()
        one = checked(cross_check={"keep": keep} if keep else {})
        held = talked(folder, Panel(said=lambda text, answer=answer: answer), one)
        assert by_quote(held)[TEA] == ("kept" if answer in kept else "cross-check")


def test_a_word_that_cannot_be_read_is_never_kept(tmp_path: Path) -> None:
    held = talked(tmp_path, Panel(cross_check=lambda _: "Yes, of course!"), checked(cross_check={}))
    rows = held.of(VerdictRow, criterion="cross-check")
    assert {(row.relation, row.answer, row.decision) for row in rows} == {("unparsable", None, "drop")}
    assert by_quote(held)[TEA] == "undecided"
    assert held.stats()["checks"]["cross-check"]["answers"] == {"unparsable": 2}


def test_where_there_is_nobody_else_nobody_is_asked_and_it_is_said(tmp_path: Path) -> None:
    model = Panel()
    held = talked(tmp_path, model, edition(distill={"checks": {"cross_check": {}}}))
    assert model.asked("cross_check") == []
    assert by_quote(held)[TEA] == "kept"
    found = held.stats()["checks"]["cross-check"]
    assert found == {"statements": 0, "kept": 0, "answers": {}, "not_asked": 2}
    assert "  cross-check 0 of 0 passed (none); not asked 2" in list(stats_lines(held.figures()))


def people_of(name: str, **update: Any) -> tuple[Edition, list[Any]]:
    one = shipped(name)
    scenario = one.scenario.model_copy(update=update)
    one = one.model_copy(update={"scenario": scenario})
    return one, list(plan(one, 7).castings)


@pytest.mark.parametrize("setting", ["cross-cultural", "in-cultural"])
def test_a_second_persona_is_of_the_culture_and_did_not_sit_there(setting: str) -> None:
    one, castings = people_of("everyday-norms", setting=setting, people=2)
    asked: dict[str, Counter[str]] = {}
    for casting in castings:
        seated = {p.persona.key for p in casting.participants}
        for participant in casting.participants:
            person = second(one, casting, participant.persona, 7)
            assert person == second(one, casting, participant.persona, 7)
            assert person is not None
            assert person.key not in seated
            assert person.culture == participant.persona.culture
            asked.setdefault(person.culture, Counter())[person.key] += 1
    assert all(len(counts) >= 3 for counts in asked.values())  # it is not always the same one
    assert alone(one, castings, 7) == []


def test_somebody_of_the_same_country_is_asked_first() -> None:
    one, castings = people_of("everyday-norms", cultures=("arabic",))
    casting = castings[0]
    speaker = casting.participants[1].persona
    others = [p for p in one.personas if p.culture == "arabic" and p.key != speaker.key]

    def moved(stay: Persona | None) -> Edition:
        people = [p if p in (stay, speaker) else p.model_copy(update={"country": "EGY"}) for p in others]
        return one.model_copy(update={"personas": (speaker, *people)})

    for other in others:
        found = second(moved(other), casting, speaker, 7)
        assert found is not None
        assert found.key == other.key
    far = second(moved(None), casting, speaker, 7)
    assert far is not None
    assert far.country == "EGY"


def test_what_a_small_second_persona_denies_throughout_is_denied(tmp_path: Path) -> None:
    """Calibrated over the dialogue, as letters on stances are, a word that never changes would say nothing."""

    def text(body: JsonObject) -> Reply:
        if "people around you" in body["messages"][-1]["content"]:
            return letter("D", A=0.1, B=0.1, C=0.1, D=0.7)
        return letter("Yes", Yes=0.8, No=0.2)

    said = [f"We bring {n} loaves of bread to the house of the dead." for n in range(2, 8)]
    model = by_claims(text, *((1, "custom", one) for one in said))
    held = hold_said(tmp_path, [(ELIF, " ".join(said))], model, small(cross_check={}))
    assert [row.answer for row in held.of(VerdictRow, criterion="cross-check")] == ["denied"] * 6


def test_a_small_second_persona_answers_with_a_letter(tmp_path: Path) -> None:
    def text(body: JsonObject) -> Reply:
        asked = body["messages"][-1]["content"]
        if "people around you" in asked:
            return (
                letter("D", A=0.1, B=0.1, C=0.1, D=0.7) if SHOES in asked else letter("A", A=0.7, B=0.1, C=0.1, D=0.1)
            )
        return letter("Yes", Yes=0.8, No=0.2)

    model = by_claims(text, *FOUR)
    held = talked(tmp_path, model, small(cross_check={}))
    rows = held.of(VerdictRow, criterion="cross-check")
    assert [(row.answer, row.relation, row.reason) for row in rows] == [
        ("shared", "entail", None),
        ("denied", "contradict", None),
    ]
    assert all(row.confidence == pytest.approx(0.7) for row in rows)
    cards = {b["messages"][0]["content"] for b in model.bodies if "people around you" in b["messages"][-1]["content"]}
    assert len(cards) == 1
    assert cards.pop().startswith("You are ")


# --- agreement -------------------------------------------------------------------------------------

NOTHING = None
PUBLISHED = [
    (1, 1, NOTHING, 1), (2, 2, 3, 2), (3, 3, 3, 3), (3, 3, 3, 3), (2, 2, 2, 2), (1, 2, 3, 4), (4, 4, 4, 4),
    (1, 1, 2, 1), (2, 2, 2, 2), (NOTHING, 5, 5, 5), (NOTHING, NOTHING, 1, 1), (NOTHING, NOTHING, 3, NOTHING),
]  # fmt: skip
"""Example C of Krippendorff 2011: four observers, twelve units."""


def scored(units: Sequence[Sequence[float | None]]) -> list[Judged]:
    """Scores of each unit in the order of its judges."""
    scores = [(f"judge {j}", f"unit {i}", score) for i, unit in enumerate(units) for j, score in enumerate(unit)]
    return [(who, what, score) for who, what, score in scores if score is not None]


@pytest.mark.parametrize(("scale", "found"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_agreement_is_that_of_the_published_example(scale: Scale, found: float) -> None:
    assert alpha(scored(PUBLISHED), scale) == found


@pytest.mark.parametrize("scale", get_args(Scale))
@pytest.mark.parametrize(
    ("units", "found"),
    [
        ([[1, 1], [5, 5]], 1.0),
        ([[1, 5], [5, 1]], -0.5),
        ([[5, 5, 5], [5, 5, 5]], None),
        ([[5], [1]], None),
        ([], None),
        ([[1, 5]], None),
        ([[1, 1], [3], []], None),
        ([[1, 1], [5, 5], [3], []], 1.0),
    ],
)
def test_agreement_needs_two_units_with_two_scores_and_a_difference(
    units: list[list[float]], found: float | None, scale: Scale
) -> None:
    assert alpha(scored(units), scale) == found
    in_pairs = {None: None, 1.0: 1.0, -0.5: -1.0}[found]
    assert kappa(scored(units), "judge 0", "judge 1", scale) == in_pairs


def test_kappa_is_that_of_the_textbook() -> None:
    # Both yes 20, only the first 5, only the second 10, neither 15: .70 observed, .50 by chance.
    units = [["yes", "yes"]] * 20 + [["yes", "no"]] * 5 + [["no", "yes"]] * 10 + [["no", "no"]] * 15
    assert kappa(scored(units), "judge 0", "judge 1", "nominal") == 0.4  # type: ignore[arg-type]
    # Squares of 1, 1, 0 and 2, against 32 in all sixteen ways to pair the two: 1 - (6 / 4) / (32 / 16).
    assert kappa(scored([[1, 2], [2, 1], [3, 3], [2, 4]]), "judge 0", "judge 1", "ordinal") == pytest.approx(0.25)


@pytest.mark.torture
def test_expected_scores_of_many_decimals_are_compared_too() -> None:
    steady = [[1 + 4 * i / 30_000, 1 + 4 * i / 30_000, 5 - 1e-9 * i] for i in range(30_000)]
    found = alpha(scored(steady), "interval")
    assert found is not None
    assert -1 < found < 0.5


def test_stats_count_and_say_how_far_judges_agree(tmp_path: Path) -> None:
    held = talked(tmp_path, Panel(lambda text, judge: (5, 4, 5)[judge] if TEA in text else harsh(text, judge)))
    found = held.stats()["checks"]["harmlessness"]
    units = [[5, 4, 5], [5, 5, 5], [5, 5, 5], [1, 1, 1]]
    agreement = alpha(scored(units), "interval")
    assert agreement is not None
    assert 0.9 < agreement < 1
    assert found == {
        "statements": 4,
        "kept": 3,
        "mean_by_judge": {"anthropologist": 3.75, "editor": 4.0, "neighbour": 4.0},
        "agreement": {"krippendorff_alpha": agreement, "statements": 4},
    }
    lines = list(stats_lines(held.figures()))
    assert "  harmlessness 3 of 4 passed; mean scores: anthropologist 3.75, editor 4.00, neighbour 4.00" in lines
    assert f"    agreement Krippendorff's alpha {agreement:.2f}, from 4 statements with two scores or more" in lines
    assert any("harmlessness 1" in line or "harmlessness 2" in line for line in lines if "dropped" in line)


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({**HARM, "judges": 1}, "no statement has two scores"),
        (HARM, "all scores are the same"),
    ],
)
def test_where_agreement_cannot_be_told_it_is_null_and_said(tmp_path: Path, checks: Any, said: str) -> None:
    held = talked(tmp_path, Panel(), checked(**checks))
    assert held.stats()["checks"]["harmlessness"]["agreement"]["krippendorff_alpha"] is None
    assert f"    agreement unknown: {said}" in list(stats_lines(held.figures()))


def test_a_trace_shows_every_judge_with_score_reason_and_what_the_panel_decided(tmp_path: Path) -> None:
    one = checked(**HARM, cross_check={})
    held = talked(tmp_path, garbled("editor"), one)
    tea = next(s.id for s in held.rows(StatementRow) if s.quote == TEA)
    found = lineage.trace_statement(held.store, tea)
    shown = "\n".join(line.plain for line in statement_lines(found))
    assert "harmlessness: 5 of 5 by neighbour, kept by the panel, call held.d1.c" in shown
    assert "    neighbour: “neighbour says 5”" in shown
    assert "harmlessness: unparsable by editor, kept by the panel" in shown
    assert re.search(r"cross-check: shared by turkish-\w+, kept, call", shown)
    assert "“With us it is shared.”" in shown
    judges = [verdict.judge for verdict in found.verdicts if verdict.criterion in ("faithful", "harmlessness")]
    assert judges == [None, *BRIEFS]
    assert len(found.as_json()["calls"]["verdicts"]) == len(found.verdicts)


# --- which models judge ----------------------------------------------------------------------------


def test_a_judge_that_is_named_again_is_another_judge() -> None:
    specs = parse_roles("scripted", ["judge=openai:a", "speaker=embedded", "judge=openai:b"])
    assert {role: str(spec) for role, spec in specs.items() if role.startswith("judge")} == {
        "judge": "openai:a",
        "judge-2": "openai:b",
    }
    assert str(parse_roles("scripted", [])["judge"]) == "scripted"
    assert "judge-2" not in parse_roles("scripted", ["judge=openai:a"])
    with pytest.raises(UsageError, match="at most 3"):
        parse_roles("scripted", ["judge=scripted"] * 4)
    with pytest.raises(
        UsageError, match=r"ROLE one of speaker, moderator, interpreter, extractor, verifier, embedder, judge$"
    ):
        parse_roles("scripted", ["judge-2=scripted"])


# --- whole runs through the command line -----------------------------------------------------------

SMALL = """\
name: small
title: Small
setting: cross-cultural
cultures: [turkish]
protocol: free-chat
max_turns: 4
mine: [delegate, main]
seeds:
  - survey: wvs7/Q33
distill: {checks: {harmlessness: {at_least: 4}, awareness: {at_least: 3}, cross_check: {}}}
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CULTUREPARK_PRICES", "CULTUREPARK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CULTUREPARK_STORE", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL, "utf-8")
    return tmp_path / "runs.db"


def culturepark(*arguments: str) -> int:
    try:
        return run(list(arguments))
    except Exception as error:
        return explain(error)


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query).fetchall()


WHAT_IS_FOUND = "SELECT id, criterion, relation, decision, score, answer, reason, judge, round FROM verdict ORDER BY id"


def simulate(endpoint: Endpoint, *more: str, judges: tuple[str, ...] = ()) -> int:
    roles = [part for name in judges for part in ("--role", f"judge=openai:{name}@{endpoint.url}")]
    model = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "r")
    return culturepark("simulate", "small.yaml", *model, *roles, *more)


def judging(endpoint: Endpoint) -> dict[str, set[str]]:
    """Which model was asked by which judge's brief; `second` for a second persona's."""
    found: dict[str, set[str]] = {}
    for received in endpoint.requests:
        shape = shape_of(received.body)
        if shape in ("scores", "cross_check"):
            name = brief_of(received.body) if shape == "scores" else "second"
            found.setdefault(name, set()).add(received.body["model"])
    return found


@pytest.mark.parametrize(
    ("judges", "models"),
    [
        ((), ("test", "test", "test", "test")),
        (("a",), ("a", "a", "a", "a")),
        (("a", "b"), ("a", "b", "a", "a")),
        (("a", "b", "c"), ("a", "b", "c", "a")),
    ],
)
@pytest.mark.sampled
def test_the_models_that_are_named_take_turns_as_judges(
    store: Path, judges: tuple[str, ...], models: tuple[str, ...]
) -> None:
    with Endpoint() as endpoint:
        assert simulate(endpoint, judges=judges) == 0
        assert judging(endpoint) == {name: {model} for name, model in zip((*BRIEFS, "second"), models, strict=True)}
    (stored,) = rows(store, "SELECT models FROM run")[0]
    specs = json.loads(stored)
    assert [specs[role].partition("@")[0] for role in sorted(specs) if role.startswith("judge")] == [
        f"openai:{name}" for name in judges or ("test",)
    ]


@pytest.mark.usefixtures("store")
def test_more_models_than_judges_are_refused_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("small.yaml").write_text(SMALL.replace("checks: {", "checks: {judges: 2, "), "utf-8")
    with Endpoint() as endpoint:
        assert simulate(endpoint, judges=("a", "b", "c")) == 2
        assert endpoint.requests == []
    assert "--role judge: 3 models for a panel of 2 (distill.checks.judges)" in capsys.readouterr().err


def test_a_judge_without_its_key_is_told_at_once_and_only_where_it_is_asked(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--model", "scripted", "--role", "judge=openai:gpt-4o")
    assert culturepark("simulate", "small.yaml", *given) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    assert not store.exists()
    assert culturepark("simulate", "small.yaml", *given, "--until", "extract") == 0
    assert culturepark("resume", "last") == 2
    (run_id,) = rows(store, "SELECT id FROM run")[0]
    assert culturepark("distill", run_id, "--from", "verify") == 2


@pytest.mark.torture
def test_other_judges_on_a_finished_run_make_another_round_and_earlier_scores_stay(store: Path) -> None:
    with Endpoint() as endpoint:
        assert simulate(endpoint, judges=("a", "b")) == 0
        before, asked = rows(store, WHAT_IS_FOUND), len(endpoint.requests)
        judge = ("--role", f"judge=openai:c@{endpoint.url}")
        assert culturepark("distill", "r", "--from", "verify", *judge) == 0
        new = endpoint.requests[asked:]
        assert {received.body["model"] for received in new} == {"c"}  # and what had been answered was not asked again
    assert set(before) < set(rows(store, WHAT_IS_FOUND))
    specs = json.loads(rows(store, "SELECT models FROM run")[0][0])
    assert [role for role in specs if role.startswith("judge")] == ["judge"]
    stats = "SELECT count(*) FROM verdict WHERE round = 2 AND criterion = 'harmlessness'"
    assert rows(store, stats) == rows(store, stats.replace("round = 2", "round = 1")) != [(0,)]


def test_distilling_again_with_the_same_judges_asks_nothing_and_finds_the_same(store: Path) -> None:
    # Without ids: a statement that is worded anew is another row, and the one before it is superseded.
    what_is_kept = """
        SELECT one.turn_id, one.text, one.first_person, sample.kind, sample.messages, sample.status, sample.drop_reason
        FROM sample JOIN statement AS one ON one.id = sample.statement_id
        WHERE sample.drop_reason IS NOT 'superseded' ORDER BY 1, 2, 3, 4, 5
    """
    with Endpoint() as endpoint:
        assert simulate(endpoint) == 0
        asked, kept = len(endpoint.requests), rows(store, what_is_kept)
        assert culturepark("distill", "r", "--from", "verify") == 0
        assert len(endpoint.requests) == asked
    again = rows(store, WHAT_IS_FOUND)
    first = [row[1:-1] for row in again if row[-1] == 1]
    assert sorted(first, key=repr) == sorted((row[1:-1] for row in again if row[-1] == 2), key=repr)
    assert rows(store, what_is_kept) == kept != []


@pytest.mark.torture
def test_a_budget_that_ends_among_the_checks_is_gone_on_from_there(store: Path, tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        assert simulate(endpoint) == 0
        undisturbed, whole = rows(store, WHAT_IS_FOUND), len(endpoint.requests)
        spent = rows(store, "SELECT sum(prompt_tokens + completion_tokens) FROM call WHERE stage != 'check'")[0][0]
    store.unlink()
    with Endpoint() as endpoint:
        assert simulate(endpoint, "--max-tokens", str(spent + 2000)) == 4
        done = rows(store, "SELECT count(*) FROM call WHERE stage = 'check'")[0][0]
        assert 0 < done < whole
        assert rows(store, "SELECT count(*) FROM verdict") == [(0,)]  # a dialogue's verdicts come all or not at all
        assert culturepark("resume", "r", "--max-tokens", str(10 * spent)) == 0
        assert len(endpoint.requests) == whole
    assert rows(store, WHAT_IS_FOUND) == undisturbed


def test_a_dry_run_counts_what_the_checks_will_ask(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("plain.yaml").write_text(SMALL.partition("distill:")[0], "utf-8")

    def forecast(name: str, *more: str) -> JsonObject:
        assert culturepark("simulate", name, *more, "--dry-run", "--json") == 0
        found: JsonObject = json.loads(capsys.readouterr().out)
        return found

    plain, whole = forecast("plain.yaml", "--model", "scripted"), forecast("small.yaml", "--model", "scripted")
    assert all(whole[name][end] > plain[name][end] for name in ("calls", "prompt_tokens") for end in (0, 1))
    with Endpoint() as endpoint:
        assert simulate(endpoint) == 0
        assert whole["calls"][0] <= len(endpoint.requests) <= whole["calls"][1]
    capsys.readouterr()
    mini, dear = ("--model", "openai:gpt-4o-mini"), ("--role", "judge=openai:gpt-4o")
    cheap, costly = forecast("small.yaml", *mini)["cost_usd"], forecast("small.yaml", *mini, *dear)["cost_usd"]
    assert cheap[1] < costly[1]
    unknown = ("--role", "judge=openai:gpt-4o", "--role", "judge=openai:some@http://127.0.0.1:1/v1")
    assert forecast("small.yaml", *mini, *unknown)["cost_usd"] is None
    assert forecast("plain.yaml", *mini, *unknown)["cost_usd"] is not None  # nobody will ask them


def test_a_run_with_nobody_to_cross_check_says_so_before_it_begins(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL.replace("setting: cross-cultural", "setting: panel\npeople: 8").replace(
        "max_turns: 4", "max_turns: 16"
    )
    Path("small.yaml").write_text(text, "utf-8")
    assert culturepark("simulate", "small.yaml", "--model", "scripted") == 0
    assert "cross-check: nobody else to ask about norms of" in capsys.readouterr().err
    assert rows(store, "SELECT count(*) FROM verdict WHERE criterion = 'cross-check'") == [(0,)]
    assert rows(store, "SELECT count(*) > 0 FROM sample WHERE status = 'kept'") == [(1,)]


def test_a_store_from_before_the_checks_is_brought_up_to_date_with_its_verdicts(store: Path) -> None:
    Path("plain.yaml").write_text(SMALL.partition("distill:")[0], "utf-8")
    assert culturepark("simulate", "plain.yaml", "--model", "scripted", "--run-id", "r") == 0
    before = rows(store, WHAT_IS_FOUND)
    with closing(sqlite3.connect(store)) as db, db:
        later = {
            "verdict": ("score", "answer", "reason", "judge"),
            "review": ("wording", "withdrawn_at"),
            "dialogue": ("parent_id", "branched_at", "examined"),
            "turn": ("act", "addressee", "reason", "mark", "language"),
            "participant": ("fit",),
            "run": ("skipped", "name", "note"),
            "call": ("reasoning_tokens",),
            "statement": (
                "question", "about", "reach", "exception", "hangs_on", "provenance", "source", "unlike",
                "language",
            ),
            "sample": ("provenance", "beside", "language"),
        }  # fmt: skip
        for name in (
            "ability", "fit", "slip", "probe", "selected", "selection", "drawn", "draw", "rendering",
            "statement_rendering", "figure", "score", "answer", "evaluation", "item", "suite", "trained", "artefact",
            "claim", "worker", "paced", "tally", "batched", "batch",
        ):  # fmt: skip
            db.execute(f"DROP TABLE {name}")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for name in ("dialogue_parent_id", "dialogue_run_id_status", "sample_status_id"):
            db.execute(f"DROP INDEX ix_{name}")
        db.execute("UPDATE call_log SET request = (SELECT request FROM call WHERE call.id = call_log.id)")
        db.execute("DROP VIEW call")
        db.execute("DROP INDEX ix_call_log_unpacked")
        db.execute("ALTER TABLE call_log RENAME TO call")
        db.execute("ALTER TABLE call DROP COLUMN pieces")
        db.execute("DROP TABLE piece")
        db.execute("CREATE INDEX ix_call_request_digest ON call (request_digest)")
        for table, columns in later.items():
            for column in columns:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("UPDATE alembic_version SET version_num = '0002'")
    assert culturepark("resume", "r") == 0
    assert rows(store, WHAT_IS_FOUND) == before != []
    assert culturepark("doctor") == 0


@pytest.mark.parametrize(
    ("change", "column"), [("score = 7", "score"), ("answer = 'perhaps'", "answer"), ("score = 'high'", "score")]
)
@pytest.mark.sampled
def test_doctor_sees_scores_and_answers_that_mean_nothing(
    store: Path, capsys: pytest.CaptureFixture[str], change: str, column: str
) -> None:
    assert culturepark("simulate", "small.yaml", "--model", "scripted", "--run-id", "r") == 0
    with closing(sqlite3.connect(store)) as db, db:
        db.execute(f"UPDATE verdict SET {change} WHERE judge IS NOT NULL")
    capsys.readouterr()
    assert culturepark("doctor") == 5
    assert re.search(rf"verdict 'r.*: {column}", capsys.readouterr().out)
