"""Where somebody could be stuck, the command line says what to do, or does what was meant."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rich.cells import cell_len

from culturepark.domain import JsonObject
from culturepark.store import first_look
from tests.cli.test_cli import (
    SHORT,
    TINY,
    away,  # noqa: F401 - a fixture for all
    cli,
    closed_port,
    finished,  # noqa: F401 - a fixture
    on_a_terminal,
    rows_of,
)
from tests.support.endpoint import Endpoint
from tests.support.fakes import shape_of

SURVEY = """\
title: Mine
source: Made up
scales: {yes-no: [{code: 1, label: "Yes", side: 0}, {code: 2, label: "No", side: 1}]}
items:
  Q1: {topic: tea, question: "Do you drink tea?", scale: yes-no, poles: [It is good., It is bad.], countries: COUNTRIES}
"""
SHARES = "{n: 10, shares: {1: 0.5, 2: 0.5}}"


def dialogue_only(run_id: str) -> None:
    done = cli("simulate", "short.yaml", "--model", "scripted", "--run-id", run_id, "--until", "dialogue")
    assert done.code == 0, done.err


def counts_of(run_id: str) -> dict[str, int]:
    """How many rows of each table hang on a run."""
    columns = {"run": "id", "dialogue": "run_id", "call": "run_id", "participant": "dialogue_id"}
    columns |= {"duplicate": "statement_id", "review": "subject_id"}
    columns |= dict.fromkeys(("turn", "statement", "verdict", "sample"), "id")
    rows = {table: [str(row[column]) for row in rows_of(table)] for table, column in columns.items()}
    return {table: sum(name.partition(".")[0] == run_id for name in names) for table, names in rows.items()}


# --- which run is meant ----------------------------------------------------------------------------


def test_a_run_is_found_by_the_beginning_of_its_id() -> None:
    dialogue_only("20260101-short-7f3a")
    assert cli("stats", "20260101", "--json").json["run"] == "20260101-short-7f3a"
    assert cli("replay", "2026").out == cli("replay", "20260101-short-7f3a").out
    dialogue_only("20260101-short-8f3a")
    done = cli("stats", "20260101-short-")
    assert (done.code, done.out) == (2, "")
    assert "begins with '20260101-short-': 20260101-short-7f3a, 20260101-short-8f3a" in done.err
    assert cli("stats", "20260101-short-8", "--json").json["run"] == "20260101-short-8f3a"


def test_an_id_is_no_pattern() -> None:
    dialogue_only("a-b")
    for name in ("a_b", "a%", "%", ""):
        done = cli("stats", name)
        assert (done.code, done.out) == (2, "")
        assert "no such run" in done.err


def test_a_mistyped_id_gets_the_likely_one() -> None:
    dialogue_only("20260101-short-7f3a")
    done = cli("stats", "20260101-shotr-7f3a")
    assert (done.code, done.out) == (2, "")
    assert "no such run: '20260101-shotr-7f3a'; did you mean 20260101-short-7f3a?" in done.err
    assert "did you mean" not in cli("stats", "tomorrow").err


@pytest.mark.usefixtures("no_pauses")
def test_a_run_that_never_reached_its_endpoint_is_not_the_last_but_can_be_resumed_as_that() -> None:
    lost = ("simulate", "short.yaml", "--model", f"openai:x@http://127.0.0.1:{closed_port()}/v1", "--run-id", "lost")
    assert cli(*lost).code == 3
    assert cli("stats", "last", "--json").json["run"] == "lost"  # there is no other
    assert first_look.dialogues("sqlite:///runs/culturepark.db", "last") is None
    dialogue_only("found")
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        db.execute("UPDATE run SET created_at = '2020-01-01T00:00:00+00:00' WHERE id = 'found'")
    assert cli("stats", "last", "--json").json["run"] == "found"
    shown = first_look.dialogues("sqlite:///runs/culturepark.db", "last")
    assert shown is not None
    assert shown.run.id == "found"
    assert cli("resume", "last").out == "lost\n"


@pytest.mark.usefixtures("finished")
def test_a_turn_is_traced_to_its_speaker_and_call_and_on_to_what_was_mined() -> None:
    statement = rows_of("statement")[0]
    turn = next(row for row in rows_of("turn") if row["id"] == statement["turn_id"])
    traced = cli("trace", turn["id"], "--json").json
    assert [row["id"] for row in traced["turns"]] == [turn["id"]]
    assert [row["persona_key"] for row in traced["participants"]] == [turn["speaker"]]
    assert traced["call"]["id"] == turn["call_id"]
    assert statement["id"] in [row["id"] for row in traced["statements"]]
    assert traced["survey_item"] or traced["seed"]["key"] == "guests"
    text = cli("trace", turn["id"]).out
    for part in (turn["text"], turn["speaker"], turn["call_id"], statement["id"]):
        assert part in text
    opening = next(row["id"] for row in rows_of("turn") if row["role"] == "moderator")
    assert "nothing was mined from it" in cli("trace", opening).out
    done = cli("trace", "a.d1.t99")
    assert (done.code, done.out) == (2, "")
    assert "no such turn: 'a.d1.t99'" in done.err


@pytest.mark.usefixtures("finished")
def test_a_run_is_deleted_with_all_that_hangs_on_it_and_nothing_else() -> None:
    dialogue_only("a-b")
    kept = counts_of("a-b")
    assert kept["turn"]
    done = cli("runs", "--delete", "a")
    assert (done.code, done.out) == (2, "")
    assert "--yes deletes a with 4 dialogues" in done.err
    assert "whole id: a-b" in cli("runs", "--delete", "a-").err
    assert cli("runs", "--delete", "a", "--yes").err.startswith("deleted a with 4 dialogues")
    assert counts_of("a") == dict.fromkeys(kept, 0)
    assert counts_of("a-b") == kept
    assert cli("doctor").code == 0
    assert cli("stats", "a-b").code == 0


@pytest.mark.usefixtures("finished")
def test_a_run_whose_turns_a_branch_holds_is_not_deleted() -> None:
    branch = cli("branch", "a.d1.t4", "--text", "Hello.").out.partition(".")[0]
    done = cli("runs", "--delete", "a", "--yes")
    assert (done.code, done.out) == (2, "")
    assert f"{branch} branched off a and holds turns of it" in done.err
    assert cli("runs", "--delete", branch, "--yes").code == 0
    assert cli("runs", "--delete", "a", "--yes").code == 0
    assert cli("runs", "--json").json == []


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(("answer", "left"), [(b"y\n", []), (b"n\n", ["a"]), (b"\n", ["a"])])
@pytest.mark.sampled
def test_a_run_is_deleted_if_its_user_says_so(answer: bytes, left: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.cli.consent.may_ask", lambda: True)
    done = cli("runs", "--delete", "a", typed=answer)
    assert done.code == 0
    assert "Delete a with 4 dialogues" in done.err
    assert [run["run"] for run in cli("runs", "--json").json] == left


# --- what comes next -------------------------------------------------------------------------------


def test_a_resume_says_that_a_run_went_as_far_as_asked_and_goes_no_further_than_asked() -> None:
    dialogue_only("a")
    done = cli("resume", "last", "--until", "extract")
    assert "a went as far as it was asked to, until dialogue; now the rest: extract\n" in done.err
    assert rows_of("statement")
    assert not rows_of("verdict")
    assert rows_of("run")[0]["stop_reason"] == "until extract"
    done = cli("resume", "a")
    assert "until extract; now the rest: verify, dedup, samples\n" in done.err
    assert rows_of("run")[0]["stop_reason"] == "completed"
    assert "as far as it was asked" not in cli("resume", "a").err


def test_a_stopped_run_ends_where_it_was_asked_to_end() -> None:
    command = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue")
    assert cli(*command, "--max-tokens", 2000).code == 4
    assert cli("resume", "a", "--max-tokens", 10**6).code == 0
    assert rows_of("run")[0]["stop_reason"] == "until dialogue"
    assert not rows_of("statement")


def test_a_talk_without_samples_offers_no_export() -> None:
    def reply(body: JsonObject, _: int) -> str | None:
        return '{"left": [], "statements": []}' if shape_of(body) == "statements" else None

    with Endpoint(reply=reply) as endpoint:
        model = f"openai:test@{endpoint.url}"
        done = cli("talk", "turkish-elif", "--model", model, "--role", "embedder=lexical", "--run-id", "t", typed=b"")
    assert "culturepark export" not in done.out
    assert "nothing to export; why: culturepark stats t\n" in done.out
    assert cli("export", "t", "--format", "trl", "--out", "out").code == 2


def test_pairs_that_cannot_be_made_say_what_a_pair_takes() -> None:
    Path("norms.yaml").write_text(SHORT.replace("survey: wvs7/Q33", "key: guests\n    question: What do guests bring?"))
    assert cli("simulate", "norms.yaml", "--model", "scripted", "--run-id", "a").code == 0
    done = cli("export", "a", "--format", "preference", "--out", "out")
    assert (done.code, done.out) == (2, "")
    assert "two people who stand on different sides of a survey question" in done.err


@pytest.mark.usefixtures("finished")
def test_a_report_says_that_it_made_a_folder() -> None:
    done = cli("report", "a", "-o", "not/yet/talks.html")
    assert done.code == 0
    assert "the folder not/yet was not there and has been made" in done.err
    assert "has been made" not in cli("report", "a", "-o", "not/yet/talks.html").err
    assert "has been made" not in cli("report", "a").err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("culturepark sim", "simulate"),
        ("culturepark distill last --from ", "extract verify dedup"),
        (
            "culturepark export last --format ",
            "openai trl sharegpt alpaca cot preference alpaca-preference kto label-studio argilla inspect",
        ),
        ("culturepark stats --sta", "--stances"),
    ],
)
def test_a_shell_is_told_what_can_come_next(typed: str, offered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CULTUREPARK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    done = cli()
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == offered.split()


# --- lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
@pytest.mark.sampled
def test_personas_stand_under_a_head_with_an_empty_line_between_at_any_width(columns: int) -> None:
    people = cli("personas", "--json").json
    code, received = on_a_terminal(columns, "personas")
    assert code == 0
    text = re.sub(r"\x1b\[(\d+m|8[hl])", "", received).replace("\r\n", "\n")
    head, rest = re.split(rf"\n(?={people[0]['key']})", text, maxsplit=1)  # a head of several lines where it is narrow
    assert head.split()[0] == "persona"
    *shown, last = rest.strip("\n").split("\n\n")
    last, _, told = last.partition(f"\n{len(people)} people; ")  # what is said at the end, on stderr
    assert told
    for person, block in zip(people, [*shown, last], strict=True):
        first, *others = block.splitlines()
        assert first.split()[0] == person["key"]
        assert all(line.startswith(" ") for line in others)
        assert re.search(rf"\b{person['age']}\b", block)
    assert all(cell_len(line.rstrip()) <= columns for line in text.splitlines()[:-1])


@pytest.mark.parametrize("command", ["personas", "scenarios", "runs"])
@pytest.mark.usefixtures("finished")
def test_on_a_pipe_the_columns_are_named_beside_the_rows(command: str) -> None:
    done = cli(command)
    names = done.err.removeprefix("columns: ").rstrip("\n").split(", ")
    assert names[0] == command.removesuffix("s")
    assert {len(line.split("\t")) for line in done.out.splitlines()} == {len(names)}


# --- files -----------------------------------------------------------------------------------------


def test_a_survey_without_its_name_is_told_that_it_needs_one() -> None:
    Path("mine.yaml").write_text(SURVEY.replace("COUNTRIES", f"{{TUR: {SHARES}}}"))
    done = cli("check", "mine.yaml")
    assert (done.code, done.out) == (2, "")
    assert "survey: " in done.err
    assert "setting" not in done.err


def test_a_file_that_could_be_either_is_told_what_either_needs() -> None:
    Path("mine.yaml").write_text("name: mine\ntitle: Mine\n")
    done = cli("check", "mine.yaml")
    assert (done.code, done.out) == (2, "")
    assert "a scenario needs `name`, `title`, `setting`, `cultures`, `seeds`" in done.err
    assert "a survey needs `survey`, `title`, `source`, `scales`, `items`" in done.err
    Path("typo.yaml").write_text(TINY + "sedes: []\n")
    assert "a survey needs" not in cli("check", "typo.yaml").err


def test_shares_of_a_country_that_nobody_comes_from_are_named() -> None:
    survey = "survey: mine\n" + SURVEY
    Path("fine.yaml").write_text(survey.replace("COUNTRIES", f"{{TUR: {SHARES}}}"))
    Path("odd.yaml").write_text(survey.replace("COUNTRIES", f"{{TUR: {SHARES}, TRU: {SHARES}}}"))
    done = cli("check", "fine.yaml", "odd.yaml")
    assert done.code == 0
    fine, odd = done.out.splitlines()
    assert fine == "fine.yaml: survey, fine"
    assert "shares of TRU, from where no shipped persona comes" in odd
    assert json.loads(cli("personas", "--json").out)[-1]["country"] in odd
