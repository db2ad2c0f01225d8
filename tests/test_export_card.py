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
from tests.endpoint import Endpoint
from tests.test_cli import away as away  # fixtures
from tests.test_cli import cli, place_store, rows_of
from tests.test_cli import no_pauses as no_pauses

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
    place_store()
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
