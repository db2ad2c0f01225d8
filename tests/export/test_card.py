"""What the card and the manifest of an export say of how its rows came about: every figure is the one that was used."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.distill.dedup import THRESHOLDS
from culturepark.distill.verify import SURE_ENOUGH
from culturepark.export.card import as_text
from culturepark.models.chat import canonical, digest
from tests.cli.test_cli import TINY, cli, place_store, rows_of
from tests.cli.test_cli import away as away  # fixtures
from tests.export.test_preference import asked
from tests.stats.test_rows import placed
from tests.support.endpoint import Endpoint

pytestmark = pytest.mark.usefixtures("away", "no_pauses")

CHECKED = """\
name: small
title: One question
setting: cross-cultural
cultures: [turkish, german]
seeds:
  - key: guests
    question: What do you do when a guest comes without notice?
max_turns: 4
distill:
  checks: {harmlessness: {at_least: 2}, judges: 2, cross_check: {keep: [shared, varies]}}
"""


def exported(*arguments: object, runs: tuple[str, ...] = ("a",), form: str = "trl") -> tuple[str, dict[str, Any]]:
    """The card on one line, and the manifest."""
    done = cli("export", *runs, "--format", form, "--out", "out", *arguments)
    assert done.code == 0, done.err
    card = Path("out/README.md").read_text("utf-8")
    return " ".join(card.split()), json.loads(Path("out/manifest.json").read_bytes())


def two_runs_of_two_questions() -> None:
    """In the default store, as `a` and `b`; their answers contrast, and some of `b` repeat some of `a`."""
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())


def sql(query: str) -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        db.execute(query)


def test_the_threshold_of_duplicates_is_the_one_that_was_used() -> None:
    place_store()
    card, manifest = exported()
    assert f"from a similarity of {THRESHOLDS['lexical']:.2f} on" in card
    assert manifest["runs"][0]["duplicates"] == {
        "method": "lexical",
        "threshold": THRESHOLDS["lexical"],
        "by_method": cli("stats", "a", "--json").json["duplicates"]["by_method"],
    }
    assert cli("distill", "a", "--from", "dedup", "--threshold", "0.9").code == 0
    card, manifest = exported()
    assert "from a similarity of 0.90 on" in card
    assert manifest["runs"][0]["duplicates"]["threshold"] == 0.9


def test_where_words_had_to_do_for_an_embedder_the_card_says_so() -> None:
    Path("both.yaml").write_text(
        TINY + "mine: [delegate, main]\nmoderation: scripted\n"
    )  # or nothing would be said twice
    assert cli("simulate", "both.yaml", "--model", "scripted", "--run-id", "a").code == 0
    assert cli("distill", "a", "--from", "dedup", "--role", "embedder=minilm").code == 0  # there are no weights
    assert rows_of("duplicate")
    sql("UPDATE duplicate SET method = 'lexical', similarity = 0.8")
    card, manifest = exported()
    assert manifest["runs"][0]["duplicates"]["threshold"] == THRESHOLDS["lexical"]
    assert "duplicates by words alone (minilm was not there), from a similarity of 0.60 on" in card


def test_the_card_says_how_sure_a_judge_had_to_be_and_counts_one_question_as_one() -> None:
    place_store()
    card, _ = exported()
    assert f"less than {SURE_ENOUGH:.0%} sure of is dropped" in card
    assert "even chance" not in card
    sql("UPDATE sample SET status = 'dropped' WHERE statement_id NOT LIKE 'a.d1.%'")
    card, _ = exported()
    assert " 1 question, seed" in card


def test_the_card_tells_what_the_checks_found_and_who_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Path("small.yaml").write_text(CHECKED)
    with Endpoint() as endpoint:
        judges = [part for name in "xy" for part in ("--role", f"judge=openai:{name}@{endpoint.url}")]
        model = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "a")
        assert cli("simulate", "small.yaml", *model, *judges).code == 0
    card, manifest = exported()
    found = cli("stats", "a", "--json").json["checks"]
    assert manifest["runs"][0]["checks"] == found
    assert found["harmlessness"]["statements"] > 0
    passed = {name: f"{of['kept']} of {of['statements']}" for name, of in found.items()}
    assert f"harmlessness of at least 2 by 2 judges (openai:x@{endpoint.url}, openai:y@{endpoint.url})" in unescaped(
        card
    )
    assert f"passed by {passed['harmlessness']} statements" in card
    assert "cross-check by openai:x@" in card
    assert f"kept if shared, varies: passed by {passed['cross-check']} statements" in card
    assert f"{found['cross-check']['not_asked']} not asked" in card
    assert f"| harmlessness {passed['harmlessness']}, cross-check {passed['cross-check']} |" in card
    assert "a small model is no judge" in card
    assert "no evidence about people" in card


def unescaped(card: str) -> str:
    return card.replace("\\", "")


def test_a_run_without_checks_is_not_said_to_have_any() -> None:
    place_store()
    card, manifest = exported()
    assert manifest["runs"][0]["checks"] == {}
    assert "Harmlessness" not in card


def test_figures_of_whole_runs_beside_rows_of_one_culture_are_said_to_be_that() -> None:
    place_store()
    said = "The figures here, and those of what was dropped and turned down, are of whole runs"
    assert said not in exported()[0]
    assert said in exported("--culture", "turkish")[0]


def test_a_card_says_how_many_different_answers_its_rows_hold() -> None:
    place_store()
    card, manifest = exported()
    texts = {row["first_person"] for row in rows_of("statement")}
    assert 0 < manifest["answers"] <= len(texts)
    assert f"{sum(manifest['rows_by_culture'].values())} rows, {manifest['answers']} distinct answers" in card


def test_pairs_and_repetitions_are_given_no_side() -> None:
    two_runs_of_two_questions()
    assert cli("export", "a", "b", "--format", "preference", "--out", "pairs", "--split", "0.5").code == 0
    assert {row["split"] for row in rows_of("sample")} == {None}
    assert cli("export", "b", "--format", "trl", "--out", "alone", "--split", "0.5").code == 0
    assert {row["split"] for row in rows_of("sample") if row["id"].startswith("b.") and row["status"] == "kept"} >= {
        "train", "validation",
    }  # fmt: skip
    exported("--split", "0.5", runs=("a", "b"))
    sides = {row["id"]: row["split"] for row in rows_of("sample") if row["status"] == "kept"}
    repeats = {json.loads(line)["id"] for line in Path("out/duplicates.jsonl").read_text("utf-8").splitlines()}
    assert repeats
    assert {sides.pop(one) for one in repeats} == {None}
    assert set(sides.values()) - {None} == {"train", "validation"}


@pytest.mark.parametrize("stage", ["extract", "verify"])
@pytest.mark.sampled
def test_a_run_that_was_stopped_while_it_was_distilled_again_is_not_exported(stage: str) -> None:
    place_store()
    assert cli("distill", "a", "--from", stage).code == 0
    exported()
    column = {"extract": "extracted", "verify": "verified"}[stage]
    sql(f"UPDATE dialogue SET {column} = 1 WHERE number = 1")  # as it is before the second round has come to it
    done = cli("export", "a", "--format", "trl", "--out", "again")
    assert (done.code, done.out) == (2, "")
    assert "1 dialogues still have the samples of the round before; `culturepark resume a` finishes it" in done.err
    assert not Path("again").exists()
    assert cli("export", "a", "--format", "trl", "--dialogues", "--out", "talks").code == 0
    assert cli("resume", "a").code == 0
    exported()


def test_rejected_answers_that_no_check_has_seen_are_owned_up_to() -> None:
    two_runs_of_two_questions()
    said = "were never put to the checks"
    assert said not in exported(runs=("a", "b"), form="preference")[0]
    add_checks("b")
    assert said in exported(runs=("a", "b"), form="preference")[0]
    assert said not in exported(runs=("a", "b"))[0]


def add_checks(run_id: str) -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        ((text,),) = db.execute("SELECT scenario FROM run WHERE id = ?", (run_id,))
        edition = json.loads(text)
        edition["scenario"]["distill"]["checks"] = {"harmlessness": {"at_least": 3}}
        new = canonical(edition)
        db.execute("UPDATE run SET scenario = ?, scenario_digest = ? WHERE id = ?", (new, digest(new), run_id))


def test_dialogues_of_two_runs_that_are_the_same_are_counted() -> None:
    place_store()
    assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "c").code == 0
    first, again = (set(messages_of(run)) for run in "ac")
    card, manifest = exported("--dialogues", runs=("a", "c"))
    assert any(f": {len(first & again)} rows have word for word" in note for note in manifest["notes"])
    assert first & again
    assert "not deduplicated across runs" in card
    assert "deduplicated" not in exported("--dialogues")[0]


def messages_of(run_id: str) -> list[str]:
    exported("--dialogues", runs=(run_id,))
    return [json.dumps(json.loads(line)["messages"]) for line in Path("out/all.jsonl").read_text("utf-8").splitlines()]


def test_links_and_formulas_in_names_are_only_text() -> None:
    assert as_text("see https://x.example, WWW.y.example or $5 and $6$") == (
        "see https\\://x.example, WWW\\.y.example or \\$5 and \\$6\\$"
    )
    assert as_text("18:30, w.w, a://b") == "18:30, w.w, a\\://b"


def test_the_card_says_what_a_model_made_up_and_what_was_asked_of_rows(away: Path) -> None:
    held = placed(away)
    card, manifest = exported(runs=("held",))
    stats = held_stats()
    (run,) = manifest["runs"]
    assert run["provenance"] == stats["provenance"]
    assert run["row_questions"] == stats["row_questions"]
    assert manifest["rows_by_provenance"] == stats["provenance"]["samples"]["all"]
    assert "| stands on the speaker's card | 2 | 40% |" in card
    assert "| **was made up by the model**: no line of the card carries it | 1 | 20% |" in card
    assert "| is of unknown origin: nobody has looked | 1 | 20% |" in card
    assert "A rule or custom that a model made up is no rule or custom of the place" in card
    assert f"| `{held.run_id}` | 1 of 2 | 1 of 2 | 1 of 1 | 1 of 1 | 4 of 5 | 2 of 5, 1 unread |" in card
    told = "country told in 50% (15% to 85%), by guessing 25%, which it cannot be told apart from"
    assert f"{told}. Generic: Türkiye 33% (1 of 3); the United States 100% (1 of 1)" in unescaped(card)
    assert f"Dropped: generic {stats['samples']['dropped']['generic']}." in card


def test_rows_of_one_culture_are_counted_by_what_they_hold(away: Path) -> None:
    placed(away)
    _, manifest = exported("--culture", "turkish", runs=("held",))
    assert manifest["rows_by_provenance"] == held_stats()["provenance"]["samples"]["by_culture"]["turkish"]


def test_the_card_of_an_older_run_says_that_nobody_has_looked() -> None:
    place_store()
    sql("UPDATE sample SET provenance = NULL")
    sql("DELETE FROM verdict WHERE criterion NOT IN ('faithful', 'stance')")
    card, manifest = exported()
    assert "**Whether the persona cards carry what the rows say is not known**: nobody has looked." in card
    assert "made up by the model" not in card
    assert "country told" not in card
    found = manifest["rows_by_provenance"]
    assert found["unknown"] == sum(manifest["rows_by_culture"].values())


def test_whole_dialogues_come_from_no_one_line() -> None:
    place_store()
    card, manifest = exported("--dialogues")
    assert manifest["rows_by_provenance"] is None
    assert "nobody has looked" not in card


def held_stats() -> Any:
    return cli("stats", "held", "--json").json
