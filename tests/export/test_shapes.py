"""Exports that choose among shapes of rows, and among where their content comes from."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import SHAPE_SHARES
from culturepark.errors import UsageError
from culturepark.export.mixes import checked_mix, shape_mix_of
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from tests.cli.test_cli import away, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import another_run, change_sample, export, kept, lines

URL = "sqlite:///runs/culturepark.db"


@pytest.fixture(autouse=True)
def store(away: None) -> Store:  # noqa: F811
    Path("runs").mkdir()
    another_run()
    return Store(URL)


def of_b() -> list[str]:
    return [name for name in kept() if name.startswith("b.")]


def in_shapes(*shapes: str) -> dict[str, str]:
    """Give the kept samples of the run `b` these shapes in turn; return id -> shape."""
    given = {name: shapes[number % len(shapes)] for number, name in enumerate(of_b())}
    for name, shape in given.items():
        change_sample(name, kind=shape)
    return given


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out/manifest.json").read_text("utf-8"))
    return found


def ids() -> list[str]:
    return [row["id"] for row in lines("out/all.jsonl")]


# --- which shapes ------------------------------------------------------------------------------------


def test_rows_have_exactly_the_shares_that_are_asked_for() -> None:
    given = in_shapes("own", "survey", "limit")
    there = Counter(given.values())
    done = export("--shape-mix", "own=3,survey=1", runs=("b",))
    assert done.code == 0, done.err
    counts = Counter(given[name] for name in ids())
    assert counts == {"own": there["own"], "survey": round(there["own"] / 3)}
    left_out = manifest()["left_out"]
    assert left_out["more than the share of its shape"] == there["survey"] - counts["survey"]
    assert left_out["of a shape that was not asked for"] == there["limit"]
    assert "so that the shapes have the shares of --shape-mix" in done.err
    first = ids()
    assert export("--shape-mix", "own=3,survey=1", runs=("b",)).code == 0
    assert ids() == first


def test_shapes_without_shares_give_all_their_rows_and_one_without_rows_is_named() -> None:
    given = in_shapes("own", "survey", "limit")
    done = export("--shape-mix", "own, limit,decline", runs=("b",))
    assert done.code == 0, done.err
    assert set(ids()) == {name for name, shape in given.items() if shape in ("own", "limit")}
    assert "--shape-mix: there are no rows of the shape decline" in done.err


def test_a_split_is_made_of_the_rows_that_are_left() -> None:
    in_shapes("own", "survey")
    assert export("--shape-mix", "own=1", "--split", "0.6", runs=("b",)).code == 0
    split = {row["id"]: row["split"] for row in rows_of("sample") if row["split"]}
    written = [*lines("out/all.train.jsonl"), *lines("out/all.validation.jsonl")]
    assert set(split) == {row["id"] for row in written}


@pytest.mark.parametrize(
    "wrong", ["", "own=0", "own=-1", "own=x", "own=3,survey", "opne", "own=1,own=2", "own=inf", "own=", "=", ",,"]
)
def test_a_mix_that_cannot_be_is_named(wrong: str) -> None:
    with pytest.raises(UsageError, match="--shape-mix"):
        shape_mix_of(wrong)


def test_a_mix_is_read() -> None:
    assert shape_mix_of("own=3,survey=1.5") == {"own": 3.0, "survey": 1.5}
    assert shape_mix_of("own, survey") == ("own", "survey")
    assert checked_mix(SHAPE_SHARES) == SHAPE_SHARES
    assert checked_mix(()) == ()


@pytest.mark.parametrize(("more", "form"), [(("--dialogues",), "trl"), ((), "preference")])
def test_pairs_and_dialogues_have_no_shapes(more: tuple[str, ...], form: str) -> None:
    done = export("--shape-mix", "own", *more, runs=("b",), form=form)
    assert done.code == 2
    assert "--shape-mix is for single samples" in done.err


# --- where it comes from ---------------------------------------------------------------------------------


def test_only_what_is_on_a_card_is_grounded_and_what_nobody_looked_at_is_said_to_be_left_out() -> None:
    given = dict(zip(of_b(), ["card", "episode", "model", None] * 100, strict=False))
    for name, provenance in given.items():
        change_sample(name, provenance=provenance)
    counts = Counter(given.values())
    done = export("--grounded", runs=("b",))
    assert done.code == 0, done.err
    assert set(ids()) == {name for name, provenance in given.items() if provenance in ("card", "episode")}
    left_out = manifest()["left_out"]
    assert left_out["the model's own"] == counts["model"]
    assert left_out["of an origin that nobody has looked at"] == counts[None]
    assert "of an origin that nobody has looked at" in done.err
    assert export("--grounded", "--dialogues", runs=("b",)).code == 2


# --- rows of two statements, and reviewers ------------------------------------------------------------------


def two_statements() -> tuple[str, str, str, str]:
    """Make a kept sample one of two statements; return its id, the other statement, and the words of both."""
    words = {row["id"]: row["first_person"] for row in rows_of("statement")}
    name, other = next(
        (one, another.rpartition(".")[0])
        for one in of_b()
        for another in of_b()
        if words[one.rpartition(".")[0]] != words[another.rpartition(".")[0]]
    )
    own_words, others = words[name.rpartition(".")[0]], words[other]
    messages = [
        {"role": "system", "content": "You read answers."},
        {"role": "user", "content": f"One said: “{own_words}” The other said: “{others}” Which is from which country?"},
        {"role": "assistant", "content": "The first is from Türkiye, the second from Germany."},
    ]
    change_sample(name, kind="contrast", beside=other, messages=json.dumps(messages))
    return name, other, own_words, others


def row(name: str) -> list[dict[str, str]]:
    assert export(runs=("b",)).code == 0
    messages: list[dict[str, str]] = next(row["messages"] for row in lines("out/all.jsonl") if row["id"] == name)
    return messages


def test_a_reviewers_wording_stands_where_a_prompt_quotes_the_statement(store: Store) -> None:
    name, other, own_words, others = two_statements()
    stored = row(name)
    Reviews(store, "Ann").add(other, "accept", wording="In other words.")
    system, user, answer = row(name)
    assert user["content"] == stored[1]["content"].replace(others, "In other words.")
    assert own_words in user["content"]
    assert (system, answer) == (stored[0], stored[2])
    Reviews(store, "Ann").add(name.rpartition(".")[0], "accept", wording="In words of my own.")
    assert row(name)[1]["content"] == (
        "One said: “In words of my own.” The other said: “In other words.” Which is from which country?"
    )
    corrections = manifest()["reviews"]["corrections"]
    assert len([one for one in corrections if one["id"] == name]) == 2


def test_a_row_of_two_statements_is_left_out_where_reviewers_reject_the_other_one(store: Store) -> None:
    name, other, *_ = two_statements()
    Reviews(store, "Ann").add(other, "reject")
    assert export(runs=("b",)).code == 0
    assert name not in ids()
    assert manifest()["left_out"]["rejected by reviewers"] == 1
