"""A store kept in order: runs filtered, named, noted and deleted; calls searched; what the shell completes."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import away as away  # autouse
from tests.cli.test_cli import cli, counts, dump, kept_sample, place_store, rows_of, untouched

PATH = "runs/culturepark.db"

pytestmark = pytest.mark.usefixtures("finished")


@pytest.fixture
def finished() -> None:
    """The default store, with the finished run `a`."""
    place_store()


def change(sql: str, *values: object) -> None:
    with closing(sqlite3.connect(PATH)) as db, db:
        db.execute(sql, values)


def copied(new: str, **columns: str) -> None:
    """Add a run that has nothing but a row, like that of `a` with other values."""
    (row,) = (row for row in rows_of("run") if row["id"] == "a")
    row |= {"id": new, "name": None, **columns}
    change(f"INSERT INTO run ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())


def listed(*options: str) -> list[str]:
    return [run["run"] for run in cli("runs", "--json", *options).json]


# --- the list --------------------------------------------------------------------------------------


def test_runs_are_filtered_by_what_is_known_of_them() -> None:
    copied("b", created_at="2030-01-02T00:00:00.000Z", status="stopped", scenario_name="short", note="Zweiter Versuch")
    copied("c", created_at="2030-01-03T00:00:00.000Z", models='{"speaker": "openai:GPT-4o"}', name="Ölprobe", note="x")
    assert listed() == ["c", "b", "a"]
    assert listed("--limit", "2") == ["c", "b"]
    assert listed("--scenario", "short") == ["b"]
    assert listed("--status", "stopped") == ["b"]
    assert listed("--culture", "German") == ["a"]
    assert listed("--culture", "korean") == []
    assert listed("--model", "gpt-4o") == ["c"]
    assert listed("--since", "2030-01-02") == ["c", "b"]
    assert listed("--since", "2030-01-03T01:00:00+02:00") == ["c"]
    assert listed("--named", "versuch ZWEITER") == ["b"]
    assert listed("--named", "ölprobe") == ["c"]
    assert listed("--status", "done", "--model", "scripted", "--limit", "5") == ["a"]
    done = cli("runs", "--status", "failed")
    assert (done.code, done.out) == (0, "")
    assert "is like that" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--since yesterday", "--since 'yesterday': a date, as 2026-11-21"),
        ("--culture klingon", "must be one of american, arabic, bengali"),
        ("--status finished", "'pending', 'running', 'done', 'failed', 'stopped'"),
        ("--delete a --limit 3", "filters are for the list"),
        ("--rename b x", "no such run: 'b'"),
        ("--rename a a-name.d1", "cannot be a name"),
        ("--rename a last", "cannot be a name"),
        ("--rename a demo", "cannot be a name"),
        ("--rename a 20261121-x", "cannot be a name"),
        ("--rename a sel-1", "cannot be a name"),
        ("--rename a a\x1b[31m", "printable characters"),
        (f"--rename a {'n' * 81}", "1 to 80"),
        (f"--note a {'n' * 2001}", "2,001 characters"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(options: str, message: str) -> None:
    done = cli("runs", *options.split(" "))
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert untouched()


def test_a_user_without_runs_is_led_to_the_recorded_one() -> None:
    done = cli("runs", "--store", "sqlite:///none.db")
    assert (done.code, done.out) == (0, "")
    assert "`culturepark replay demo`" in done.err


def test_ratings_of_given_texts_are_listed_though_no_model_speaks() -> None:
    Path("runs").rename("elsewhere")
    assert cli("judge", "judged", "--scale", "thickness", "--items", "2", "--model", "scripted").code == 0
    done = cli("runs")
    assert done.code == 0
    assert "judged, given texts" in done.out
    (run,) = cli("runs", "--json").json
    assert (run["suite"] is not None, run["models"]) == (True, {})


def test_runs_of_a_culture_are_also_evaluations_of_it() -> None:
    def evaluated(run_id: str, *options: str) -> None:
        done = cli("evaluate", "judged", "--items", "1", "--model", "scripted", "--run-id", run_id, *options)
        assert done.code == 0, done.err

    evaluated("of-germans", "--culture", "german")
    evaluated("of-koreans", "--culture", "korean")
    assert sorted(listed("--culture", "german")) == ["a", "of-germans"]
    assert listed("--culture", "korean") == ["of-koreans"]
    change("DELETE FROM answer WHERE evaluation_id = 'of-koreans'")
    assert listed("--culture", "korean") == ["of-koreans"]  # it asks for the culture, answered or not


# --- names and notes -------------------------------------------------------------------------------


def test_a_name_stands_for_the_run_in_every_command() -> None:
    done = cli("runs", "--rename", "last", " Üç kişi ", "--note", "last", "as in the paper")
    assert (done.code, done.out) == (0, "")
    assert done.err == "a is now called Üç kişi\nnoted on a\n"
    (run,) = cli("runs", "--json").json
    assert (run["name"], run["note"]) == ("Üç kişi", "as in the paper")
    assert cli("runs").out.rstrip("\n").split("\t")[6:] == ["Üç kişi", "as in the paper"]
    decomposed = "U\u0308c\u0327 kis\u0327i"
    for command in (["stats", "--json"], ["queue", "--json"], ["replay"], ["report", "-o", "-"], ["resume"]):
        name, *options = command
        assert cli(name, decomposed, *options) == cli(name, "a", *options), name
    assert "the run a stands there twice" in cli("compare", "Üç kişi", "a").err
    assert cli("export", "Üç kişi", "--format", "trl", "--out", "out").code == 0
    below = kept_sample().partition(".")[2]
    assert cli("trace", f"Üç kişi.{below}", "--json").json == cli("trace", f"a.{below}", "--json").json
    assert cli("replay", "Üç kişi.d2") == cli("replay", "a.d2")
    assert "no such dialogue: 'a.d99'" in cli("replay", "Üç kişi.d99").err
    branch = cli("branch", "Üç kişi.d1.t4", "--text", "Hello.").out
    assert branch.startswith("a-b")


def test_a_name_is_given_once_and_can_be_taken_away() -> None:
    copied("b")
    assert cli("runs", "--rename", "a", "pilot").code == 0
    assert cli("runs", "--rename", "pilot", "pilot").code == 0
    assert "'pilot' is taken: it stands for a" in cli("runs", "--rename", "b", "pilot").err
    assert "'a' is taken: it stands for a" in cli("runs", "--rename", "b", "a").err
    done = cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "pilot")
    assert done.code == 2
    assert "pilot is the name of the run a" in done.err
    assert "did you mean pilot?" in cli("stats", "pilott").err
    assert cli("runs", "--rename", "pilot", "", "--json").json[0]["name"] is None
    assert cli("runs", "--rename", "b", "pilot").code == 0
    assert cli("runs", "--note", "pilot", "one\ntwo").code == 0
    assert cli("runs", "--note", "pilot", " ").err == "b has no note now\n"
    assert {row["id"]: (row["name"], row["note"]) for row in rows_of("run")} == {
        "a": (None, None),
        "b": ("pilot", None),
    }


def test_an_id_comes_before_a_name_and_a_name_before_the_beginning_of_an_id() -> None:
    copied("pilot-1")
    assert cli("stats", "pilot", "--json").json["run"] == "pilot-1"
    assert cli("runs", "--rename", "a", "pilot").code == 0
    assert cli("stats", "pilot", "--json").json["run"] == "a"
    change("UPDATE run SET name = 'pilot-1' WHERE id = 'a'")
    assert cli("stats", "pilot-1", "--json").json["run"] == "pilot-1"


# --- deleting --------------------------------------------------------------------------------------


def hang(sample: str) -> None:
    """A selection, a draw over it and one over the run, and two reviewers' judgements."""
    columns = "(id, created_at, version, runs, wanted, funnel, unfilled)"
    change(f"INSERT INTO selection {columns} VALUES ('sel-20300101-abcd', 't', '1', '[\"a\"]', '{{}}', '[]', '[]')")
    change("INSERT INTO selected VALUES ('sel-20300101-abcd', ?, 1, '{}')", sample)
    for draw, over in (("draw-20300101-0001", "a"), ("draw-20300101-0002", "sel-20300101-abcd")):
        change("INSERT INTO draw VALUES (?, ?, 't', 0, 1)", draw, over)
        change("INSERT INTO drawn VALUES (?, ?, 1)", draw, sample)
    for number, reviewer in enumerate(("anna", "anna", "ben")):
        columns = "(id, subject_id, reviewer, decision, created_at)"
        values = (f"{sample}.r0000000{number}", sample, reviewer, f"2030-01-01T00:00:00.00{number}Z")
        change(f"INSERT INTO review {columns} VALUES (?, ?, ?, 'accept', ?)", *values)


def test_what_hangs_on_a_run_is_said_before_it_is_deleted() -> None:
    hang(kept_sample())
    change("UPDATE run SET name = 'pilot'")
    held = counts()
    done = cli("runs", "--delete", "pilot")
    assert (done.code, done.out) == (2, "")
    kept = sum(row["status"] == "kept" for row in rows_of("sample"))
    assert (
        f"--yes deletes a (pilot) with 4 dialogues, {held['statement']} statements, {kept} kept samples, "
        f"{held['call']} calls, 1 draw for a review and 3 reviews (by anna 2, ben 1); "
        "sel-20300101-abcd keeps 1 row of it, which then lead nowhere; draw-20300101-0002 keeps 1 row of it"
    ) in done.err
    assert counts() == held
    assert cli("runs", "--delete", "pilot", "--yes").code == 0
    left = {table for table, number in counts().items() if number}
    assert left == {"alembic_version", "selection", "selected", "draw", "drawn"}
    assert [row["over_id"] for row in dump()["draw"]] == ["sel-20300101-abcd"]
    assert cli("doctor").code == 0


# --- the log of calls ------------------------------------------------------------------------------


def say(call_id: str, content: str, answer: str, **columns: object) -> None:
    """Put a request and an answer in place of what a call holds, as ASCII JSON."""
    request = {"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": content}]}
    response = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
    values = columns | {"request": json.dumps(request), "response": json.dumps(response), "pieces": ""}
    change(f"UPDATE call_log SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?", *values.values(), call_id)


def some_calls(number: int) -> list[str]:
    return [row["id"] for row in rows_of("call")][:number]


@pytest.mark.parametrize(
    ("grep", "found"),
    [
        ("kola nut", "Kola\n nut"),
        ("GRÜSSE", "Grüße"),
        ("grusse", "Grüße"),
        ("السلام", "السلام"),
        ("👩🏽‍🌾 at", "👩🏽‍🌾 at"),
        ("İSTANBUL", "istanbul"),
        ("a.c", "a.c"),
        ("100%", "100%"),
        ('he said "no"', 'he said "no"'),
    ],
)
@pytest.mark.sampled
def test_words_are_found_in_requests_and_answers_of_any_script(grep: str, found: str) -> None:
    asked, answered, inside = some_calls(3)
    say(asked, f"before {found} after", "nothing")
    say(answered, "nothing", f"before {found} after")
    say(inside, "nothing", json.dumps({"text": f"before {found} after"}))
    lines = {line["id"]: line["found"] for line in cli("calls", "--grep", grep, "--json").json}
    assert set(lines) >= {asked, answered, inside}
    assert lines[asked][0] == {"where": "asked as user", "before": "before ", "words": found, "after": " after"}
    assert lines[answered][0]["where"] == "answered"
    assert cli("calls", "--grep", "axc").out == ""


def test_calls_are_listed_newest_first_by_what_is_asked_for() -> None:
    first, second, third = some_calls(3)
    say(first, "x", "y", error="no-connection", started_at="2031-01-01T00:00:00.000Z")
    say(second, "x", "y", refused="repeat", started_at="2031-01-02T00:00:00.000Z", model="Qwen-x", stage="verify")
    say(third, "x", "y", started_at="2031-01-03T00:00:00.000Z", cost_usd=0.5, prompt_tokens=7, completion_tokens=8)

    def of(*options: object) -> list[str]:
        return [line["id"] for line in cli("calls", *options, "--json").json]

    assert of()[:3] == [third, second, first]
    assert of("a", "--limit", 2) == [third, second]
    assert of("--failed") == [first]
    assert of("--refused") == [second]
    assert of("last", "--failed", "--refused") == [second, first]
    assert of("--model", "qwen") == of("--stage", "verify", "--model", "QWEN-X") == [second]
    turn = next(row["subject_id"] for row in rows_of("call") if ".t" in row["subject_id"])
    dialogue = turn.rpartition(".")[0]
    assert of(turn) == [row["id"] for row in rows_of("call") if row["subject_id"] == turn]
    of_dialogue = of(dialogue, "--limit", 500)
    assert set(of(turn)) < set(of_dialogue)
    assert all(re.match(rf"{dialogue}\.(t\d+\.)?c\d+$", name) for name in of_dialogue)
    done = cli("calls", "--limit", "1")
    name, stage, model, tokens, cost, _, ended = done.out.split("\t")
    assert (name, stage, model) == (third, rows_of("call")[2]["stage"], "scripted")
    assert (tokens, cost, ended) == ("7 + 8", "$0.500000", "stop\n")
    assert "--limit shows more" in done.err
    assert "no call is like that" in cli("calls", "--stage", "nothing").err


def test_a_call_is_shown_whole_and_can_do_nothing_to_a_terminal() -> None:
    (call,) = some_calls(1)
    say(call, "Was sagt\nman \x1b[2Jda?", "Grüß Gott \u202eabc")
    shown = cli("calls", call).out
    for part in (f"Call {call}", "Asked as user", "Was sagt", "Answered as assistant", "Grüß Gott"):
        assert part in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert cli("calls", call, "--json").json["request"]["messages"][0] == {"role": "system", "content": "S"}
    assert "\x1b" not in cli("calls", "--grep", "da?").out
    assert "it whole" in cli("calls", call, "--grep", "x").err
    assert "no such call" in cli("calls", "a.d1.c999").err
    assert "`culturepark trace`" in cli("calls", kept_sample()).err
    assert "no such run: 'b'" in cli("calls", "b.d1").err
    assert "nothing to search for" in cli("calls", "--grep", " ").err
    assert cli("calls", "demo.d1", "--limit", "3", "--json").json[0]["run_id"] == "demo"


# --- the shell -------------------------------------------------------------------------------------


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What bash offers where the cursor stands at the end of a line."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_CULTUREPARK_COMPLETE", "complete_bash")
    done = cli()
    said = capfd.readouterr()
    assert (done.code, done.err + said.err) == (0, "")
    return (done.out + said.out).split()


def test_the_shell_completes_runs_names_people_and_words(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    copied("b-long", name="pilot")
    copied("c", name="$(touch gone)")
    change("UPDATE run SET name = 'two words' WHERE id = 'a'")

    def offered(line: str) -> list[str]:
        return completed(f"culturepark {line}", monkeypatch, capfd)

    assert offered("stats ") == ["c", "b-long", "a", "pilot", "last", "demo"]
    assert offered("export a p") == ["pilot"]
    assert offered("runs --rename b") == ["b-long"]
    assert offered("replay a.d") == ["a.d1", "a.d2", "a.d3", "a.d4"]
    assert offered("simulate q") == ["quickstart"]
    assert offered("talk turkish-el") == ["turkish-elif"]
    assert offered("runs --culture ge") == ["german"]
    assert offered("distill a --role ju") == ["judge="]
    assert offered("export a --format tr") == ["trl"]
    assert offered("stats --store sqlite:///none.db ") == ["last", "demo"]
    Path("odd.db").write_text("no database")
    for place in ("sqlite:///odd.db", "nonsense", "postgresql://nobody@127.0.0.1:1/x"):
        assert offered(f"stats --store {place} l") == ["last"]
    assert sorted(path.name for path in Path().iterdir()) == ["odd.db", "runs", "short.yaml", "tiny.yaml"]


def test_completing_imports_no_database_library() -> None:
    script = (
        "import sys\nfrom culturepark.cli import completion\nfrom culturepark.cli.app import app\n"
        "from types import SimpleNamespace\nassert completion.runs(SimpleNamespace(params={}), '')[0] == 'a'\n"
        "completion.scenarios(None, ''); completion.personas(None, '')\n"
        "print(sorted({'sqlalchemy', 'sqlmodel', 'pydantic', 'numpy', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
