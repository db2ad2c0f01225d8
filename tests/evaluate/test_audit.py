"""`culturepark suites audit`: what a model says that items take for granted, and what a person makes of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import JsonObject
from tests.cli.test_cli import cli, rows_of
from tests.support.endpoint import Endpoint
from tests.support.rating import MESSAGES, suite

STORE = Path("runs/culturepark.db")


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return suite(tmp_path)


def auditor(body: JsonObject, _: int) -> str:
    """Finds a shop in one item, and in another words that do not stand there."""
    items = []
    for item in json.loads(body["messages"][-1]["content"])["items"]:
        found: list[dict[str, Any]] = []
        if "shop" in item["question"]:
            found = [{"kind": "place", "quote": "My  Shop", "assumption": "People have shops."}]
        if "dog" in item["question"]:
            found = [{"kind": "family", "quote": "my cat", "assumption": "=People keep pets."}]
        items.append({"id": item["id"], "assumptions": found})
    return json.dumps({"items": items})


def test_assumptions_are_listed_once_paid_for_and_confirmed_by_a_person(path: Path) -> None:
    with Endpoint(reply=auditor) as endpoint:
        command = ("suites", "audit", path, "--model", f"openai:a@{endpoint.url}")
        done = cli(*command, "--json")
        assert done.code == 0, done.err
        asked = len(endpoint.requests)
        written = cli(*command, "--out", "list.csv")
        assert len(endpoint.requests) == asked == 2
    found = {one["item"]: one for one in done.json["assumptions"]}
    assert (found["q6"]["kind"], found["q6"]["quote"]) == ("place", "My Shop")
    assert found["q1"]["quote"] == ""  # words that the item does not have
    assert (written.code, written.out) == (0, "list.csv\n")
    assert {row["status"] for row in rows_of("run", STORE)} == {"done"}
    with Path("list.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["item", "assumption", "quote", "kind", "confirmed"]
    assert rows[0]["assumption"] == "'=People keep pets."
    for row, said in zip(rows, ("no", "yes"), strict=True):
        row["confirmed"] = said
    with Path("back.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    counted = cli("suites", "audit", path, "--import", "back.csv", "--json")
    assert counted.json == {"confirmed": 1, "rejected": 1, "open": 0, "kinds": {"place": 1}, "items": ["q6"]}
    assert cli(*command, "--out", "list.csv").code == 2  # it may hold what was confirmed


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("q99,a,,place,yes", "back.csv:2: item: 'q99' is no item of letters"),
        ("q1,a,,place,perhaps", "back.csv:2: confirmed: 'perhaps' is neither yes nor no"),
        ("q1,a,,weather,yes", "back.csv:2: kind: 'weather' is none of family"),
    ],
)
def test_a_wrong_list_is_named(row: str, words: str, path: Path) -> None:
    Path("back.csv").write_text(f"item,assumption,quote,kind,confirmed\n{row}\n")
    done = cli("suites", "audit", path, "--import", "back.csv")
    assert done.code == 2
    assert words in done.err


def test_an_item_without_a_readable_answer_is_named_and_not_taken_for_clean(path: Path) -> None:
    with Endpoint(reply=lambda *_: "I see nothing wrong.") as endpoint:
        done = cli("suites", "audit", path, "--model", f"openai:a@{endpoint.url}", "--json")
    assert done.code == 0, done.err
    assert len(done.json["unread"]) == len(MESSAGES)


def test_a_forecast_asks_nobody_and_a_model_has_to_be_named(path: Path) -> None:
    done = cli("suites", "audit", path, "--model", "openai:gpt-4o-mini@http://127.0.0.1:9/v1", "--dry-run", "--json")
    assert done.json["calls"] == [2, 4]
    assert cli("suites", "audit", path).code == 2
    assert not STORE.exists()
