"""Rows of talks in other languages, as they are and in English."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from culturepark.export.english import DIFFERENT, NO_ENGLISH, REWORDED
from culturepark.languages import load_language
from culturepark.models.scripted import quoting
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from culturepark.store.tables import SampleRow, StatementRow
from tests.cli.test_cli import Done, cli, rows_of
from tests.cli.test_cli import away as away  # a fixture
from tests.export.test_export import lines, metadata
from tests.support.fakes import ELIF, FakeModel, Held, answering, edition, hold_said, judged, proposals
from tests.support.scratch import made_once

pytestmark = pytest.mark.usefixtures("away")
STORE = "runs/culturepark.db"
SCENARIO = {
    "name": "iki",
    "title": "Two",
    "setting": "in-cultural",
    "protocol": "self-guidance",
    "seeds": [{"survey": "wvs7/Q33"}],
    "dialogues_per_seed": 1,
}


@cache
@made_once
def store_of_tongues() -> bytes:
    """The run `tr` in Turkish, and `en` in English, each of which has rows of several shapes."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "runs.db"), Path(folder, "copy.db")
        for code, culture in (("tr", "turkish"), ("en", "german")):
            scenario = Path(folder, f"{code}.yaml")
            scenario.write_text(json.dumps(SCENARIO | {"language": code, "cultures": [culture]}), "utf-8")
            done = cli("simulate", scenario, "--model", "scripted", "--run-id", code, "--store", f"sqlite:///{path}")
            assert done.code == 0, done.err
        with closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
        return copy.read_bytes()


@pytest.fixture(autouse=True)
def store() -> None:
    Path("runs").mkdir()
    Path(STORE).write_bytes(store_of_tongues())


def export(language: str, *more: object, runs: Sequence[str] = ("tr",), form: str = "trl") -> Done:
    return cli("export", *runs, "--format", form, "--language", language, "--out", language, *more)


def manifest(folder: str) -> Any:
    return json.loads(Path(folder, "manifest.json").read_text("utf-8"))


def change(statement: str, **values: object) -> None:
    with closing(sqlite3.connect(STORE)) as db:
        for name, value in values.items():
            db.execute(f"UPDATE statement_rendering SET {name} = ? WHERE statement_id = ?", (value, statement))
        db.commit()


def kept(run: str = "tr") -> dict[str, dict[str, Any]]:
    found = [row for row in rows_of("sample") if row["status"] == "kept"]
    return {row["id"]: row for row in found if row["id"].startswith(f"{run}.")}


def url_of(held: Held) -> str:
    return str(held.store.database.engine.url)


def english_of(text: str) -> str:
    """What the script makes of a text."""
    return quoting(text, load_language("en"))


def statements() -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows_of("statement")}


# --- rows --------------------------------------------------------------------------------------------


def test_rows_are_as_they_were_said_unless_english_is_asked_for() -> None:
    assert export("original").code == 0
    assert cli("export", "tr", "--format", "trl", "--out", "plain").code == 0
    assert lines("original/all.jsonl") == lines("plain/all.jsonl")
    for row in lines("original/all.jsonl"):
        assert row["messages"] == json.loads(kept()[row["id"]]["messages"])
    assert not any("language" in entry for entry in lines("original/all.index.jsonl"))
    assert (manifest("original")["language"], manifest("original")["renderings"]) == ("original", None)


def test_in_english_each_row_has_its_id_and_shape_and_words_of_the_rendering() -> None:
    assert export("en").code == 0
    rows = lines("en/all.jsonl")
    assert {row["id"] for row in rows} == set(kept())
    assert {sample["kind"] for sample in kept().values()} == {"own", "norm"}
    for row in rows:
        sample = kept()[row["id"]]
        said = statements()[sample["statement_id"]]["first_person"]
        before, now = (
            [message["content"] for message in messages]
            for messages in (json.loads(sample["messages"]), row["messages"])
        )
        assert (english_of(said) in now[-1]) == (said in before[-1])
        assert "Türkiye" in now[0]
        assert before[0] != now[0]
    for entry in lines("en/all.index.jsonl"):
        assert entry["language"] == "en"


def test_a_survey_answer_gives_its_reason_in_english_where_the_original_does(tmp_path: Path) -> None:
    views = [f"Bence işi {number} yıl çalışan almalı, ağabeyim de öyle düşünür." for number in range(2, 10)]

    def mined(asked: dict[str, Any]) -> dict[str, Any]:
        found = [(turn["turn"], "opinion", turn["text"]) for turn in asked["turns"]]
        said = proposals(*found)
        for one in said["statements"]:
            one["first_person"] = one["quote"]
        return said

    model = FakeModel(answering(statements=mined, verdicts=judged))
    held = hold_said(tmp_path, [(ELIF, view) for view in views], model, edition(language="tr"))
    done = cli("export", "held", "--format", "trl", "--language", "en", "--out", "en", "--store", url_of(held))
    assert done.code == 0, done.err
    english = {row["id"]: row["messages"] for row in lines("en/all.jsonl")}
    said = {row.id: row.first_person for row in held.rows(StatementRow)}
    reasons = {True: 0, False: 0}
    for sample in held.of(SampleRow, kind="survey", status="kept"):
        reason = said[sample.statement_id]
        has_reason = reason in json.loads(sample.messages)[-1]["content"]
        assert (english_of(reason) in english[sample.id][-1]["content"]) == has_reason
        reasons[has_reason] += 1
    assert all(reasons.values()), reasons


def test_both_put_each_row_before_its_english_under_an_id_of_its_own() -> None:
    for language in ("original", "en", "both"):
        assert export(language).code == 0
    own, english, both = (lines(f"{name}/all.jsonl") for name in ("original", "en", "both"))
    assert both[::2] == own
    assert both[1::2] == [row | {"id": f"{row['id']}@en"} for row in english]
    index = lines("both/all.index.jsonl")
    assert [entry["id"] for entry in index] == [row["id"].removesuffix("@en") for row in both]
    assert [entry.get("language") for entry in index] == [None, "en"] * len(own)
    assert manifest("both")["answers"] == 2 * manifest("original")["answers"]


def test_rows_that_are_in_english_anyway_stand_there_once() -> None:
    for language in ("en", "both"):
        assert export(language, runs=("en", "tr")).code == 0
        found = [row["id"] for row in lines(f"{language}/all.jsonl")]
        assert {name for name in found if name.startswith("en.")} == set(kept("en"))
        assert len(set(found)) == len(found)
    assert "@en" not in "".join(name for name in found if name.startswith("en."))


# --- rows that are not there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [({"language": "de"}, NO_ENGLISH), ({"agrees": 0, "difference": "the aunt"}, DIFFERENT)],
)
def test_what_has_no_english_that_may_stand_is_left_out_and_counted(values: dict[str, object], why: str) -> None:
    statement = next(iter(kept().values()))["statement_id"]
    of_it = [name for name, row in kept().items() if row["statement_id"] == statement]
    change(statement, **values)
    done = export("en")
    assert done.code == 0
    rows = "1 row is" if len(of_it) == 1 else f"{len(of_it)} rows are"
    assert f"note: {rows} left out, {why}\n" in done.err
    assert manifest("en")["left_out"] == {why: len(of_it)}
    assert {row["id"] for row in lines("en/all.jsonl")} == kept().keys() - set(of_it)
    done = export("both")
    assert done.code == 0
    assert f"note: {rows.replace(' is', ' stands').replace(' are', ' stand')} alone, {why}\n" in done.err
    found = {row["id"] for row in lines("both/all.jsonl")}
    assert found >= kept().keys()  # the original stays
    assert not found & {f"{name}@en" for name in of_it}


def say(words: Callable[[int], str], english: str) -> None:
    """Let the statements of all kept rows say other words, by their numbers, and in English all the same."""
    with closing(sqlite3.connect(STORE)) as db:
        for number, statement in enumerate(dict.fromkeys(row["statement_id"] for row in kept().values())):
            db.execute("UPDATE statement SET first_person = ? WHERE id = ?", (words(number), statement))
        db.execute("UPDATE statement_rendering SET first_person = ?", (english,))
        db.commit()


def test_distinct_answers_are_counted_among_the_rows_as_they_were_said() -> None:
    say(lambda number: f"Çay veririz, {number // 2} kere.", "We give tea.")
    own, both = export("original"), export("both")
    assert 2 * manifest("original")["answers"] >= len(kept())
    assert 2 * manifest("both")["answers"] < len(lines("both/all.jsonl"))
    assert "rows have only" not in own.err + both.err
    say(lambda _: "Çay veririz.", "We give tea.")
    assert f"{len(kept())} rows have only 1 distinct answer\n" in export("original").err
    assert f"{len(kept())} rows have only 1 distinct answer, their English not counted\n" in export("both").err


def test_a_rendering_that_nobody_compared_may_stand() -> None:
    statement = next(iter(kept().values()))["statement_id"]
    change(statement, agrees=None, checked_by=None)
    assert export("en").code == 0
    assert {row["id"] for row in lines("en/all.jsonl")} == set(kept())
    counts = manifest("en")["renderings"]
    assert counts["compared"] == counts["made"] - 1


def test_what_a_reviewer_reworded_has_no_english() -> None:
    name = next(iter(kept()))
    own = Store(f"sqlite:///{STORE}", must_exist=True)
    Reviews(own, "Ayşe").add(name, "accept", wording="Bambaşka bir söz.")
    own.close()
    assert export("both").code == 0
    found = {row["id"]: row for row in lines("both/all.jsonl")}
    assert found[name]["messages"][-1]["content"] == "Bambaşka bir söz."
    assert f"{name}@en" not in found
    assert manifest("both")["left_out"] == {REWORDED: 1}


def test_where_nothing_is_rendered_there_is_nothing_to_export_in_english() -> None:
    with closing(sqlite3.connect(STORE)) as db:
        db.execute("DELETE FROM statement_rendering")
        db.commit()
    assert export("en").code == 2
    assert not Path("en").exists()


@pytest.mark.parametrize("language", ["en", "both"])
@pytest.mark.parametrize("more", [("--format", "trl", "--dialogues"), ("--format", "preference")])
def test_pairs_and_dialogues_are_not_put_into_english(language: str, more: tuple[str, ...]) -> None:
    done = cli("export", "tr", "--out", "out", "--language", language, *more)
    assert done.code == 2
    assert f"--language {language} is for single samples" in done.err


def test_an_unknown_language_is_refused_with_those_that_there_are() -> None:
    done = export("tr")
    assert done.code == 2
    assert "must be one of original, en, both" in done.err


# --- what is told of them ----------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "spoken"), [("original", ["tr"]), ("en", ["en"]), ("both", ["en", "tr"])])
def test_the_card_and_croissant_name_the_languages_of_the_rows(language: str, spoken: list[str]) -> None:
    assert export(language).code == 0
    assert metadata(language)["language"] == spoken
    assert metadata(language)["multilinguality"] == ["monolingual" if len(spoken) == 1 else "multilingual"]
    assert json.loads(Path(language, "croissant.json").read_text("utf-8"))["inLanguage"] == spoken
    card = " ".join(Path(language, "README.md").read_text("utf-8").split())
    assert ("a model's rendering" in card) == (language != "original")


def test_both_names_no_english_where_nothing_was_rendered() -> None:
    with closing(sqlite3.connect(STORE)) as db:
        db.execute("DELETE FROM statement_rendering")
        db.commit()
    assert export("both").code == 0
    assert metadata("both")["language"] == ["tr"]


def test_a_line_in_english_leads_to_the_statement_its_rendering_and_the_calls_behind_it() -> None:
    assert export("both").code == 0
    english = lines("both/all.jsonl")[1]
    found = cli("trace", "both/all.jsonl:2", "--json").json
    assert f"{found['sample']['id']}@en" == english["id"]
    rendering = found["rendering"]
    assert rendering["statement_id"] == found["statement"]["id"]
    assert rendering["first_person"] == english_of(found["statement"]["first_person"])
    assert (found["calls"]["rendering"]["id"], found["calls"]["comparison"]["id"]) == (
        rendering["call_id"],
        rendering["checked_by"],
    )
    assert cli("trace", english["id"], "--json").json == found
    shown = cli("trace", english["id"]).out
    assert "in English " in shown
    assert "a second call agrees" in shown
    assert rendering["first_person"] in shown


def test_a_trace_says_what_a_second_call_found_to_differ_or_that_nobody_compared() -> None:
    name, sample = next(iter(kept().items()))
    change(sample["statement_id"], agrees=0, difference="the aunt is missing")
    shown = cli("trace", name).out
    assert "a second call disagrees" in shown
    assert "the aunt is missing" in shown
    change(sample["statement_id"], agrees=None, difference=None, checked_by=None)
    assert "not compared by a second call" in cli("trace", name).out
    assert cli("trace", name, "--json").json["calls"]["comparison"] is None


def test_a_statement_in_english_itself_has_no_rendering() -> None:
    name = next(iter(kept("en")))
    assert cli("trace", name, "--json").json["rendering"] is None
    assert "in English" not in cli("trace", name).out


def test_a_row_that_is_not_there_is_named_as_it_was_asked_for() -> None:
    done = cli("trace", "tr.d1.t99.s1.x1@en")
    assert done.code == 2
    assert "no sample or statement" in done.err
