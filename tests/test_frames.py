"""Data frames of runs: what is in them, that they fit together, and what is said where they cannot be had."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas
import pytest

import culturepark
from culturepark import frames
from culturepark.distill.samples import AFTER_VERIFYING
from tests.cli.test_cli import place_store

STORE = "sqlite:///runs/culturepark.db"
FRAMES = {
    culturepark.samples: frames.SampleLine,
    culturepark.statements: frames.StatementLine,
    culturepark.dialogues: frames.DialogueLine,
}


@pytest.fixture(scope="module")
def demo() -> culturepark.StoredRun:
    return culturepark.demo()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[culturepark.RunStore]:
    """A store with the finished run `a`."""
    monkeypatch.chdir(tmp_path)
    place_store()
    with culturepark.open_store(STORE) as store:
        yield store


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.__name__)
def test_columns_and_dtypes_are_always_the_same(frame: Any, demo: culturepark.StoredRun) -> None:
    wanted = dict(frames.dtypes(FRAMES[frame]))
    for runs in (demo, [demo], []):
        found = frame(runs)
        assert {name: str(dtype) for name, dtype in found.dtypes.items()} == wanted
        assert list(found.index) == list(range(len(found)))


def test_samples_are_those_of_the_run_with_their_words(demo: culturepark.StoredRun) -> None:
    frame = culturepark.samples(demo)
    kept = demo.samples()
    assert [tuple(messages) for messages in frame["messages"]] == [sample.messages for sample in kept]
    for column, values in {
        "statement_id": [sample.statement_id for sample in kept],
        "shape": [sample.kind for sample in kept],
        "culture": [sample.culture for sample in kept],
        "answer": [sample.messages[-1]["content"] for sample in kept],
        "prompt": [sample.messages[-2]["content"] for sample in kept],
        "status": ["kept"] * len(kept),
    }.items():
        assert list(frame[column]) == values
    row = frame[frame["sample_id"] == "demo.d1.t11.s5.x3"].iloc[0]
    facts = ("persona", "country", "kind", "provenance", "source", "stance_code", "stance", "model", "flags")
    assert [row[name] for name in facts] == [
        "turkish-elif", "TUR", "custom", "card", "norm 3", 3, "neither agree nor disagree", "large-language-model", "",
    ]  # fmt: skip


def test_frames_can_be_merged_by_their_ids(demo: culturepark.StoredRun) -> None:
    samples, statements, dialogues = (frame(demo) for frame in FRAMES)
    for frame, others, key in (
        (samples, statements, "statement_id"),
        (samples, dialogues, "dialogue_id"),
        (statements, dialogues, "dialogue_id"),
    ):
        assert len(frame.merge(others, on=key, validate="many_to_one")) == len(frame)
    by_statement, by_dialogue = samples["statement_id"].value_counts(), samples["dialogue_id"].value_counts()
    assert list(statements["samples"]) == [by_statement.get(name, 0) for name in statements["statement_id"]]
    assert list(dialogues["samples"]) == [by_dialogue.get(name, 0) for name in dialogues["dialogue_id"]]
    of_dialogue = statements["dialogue_id"].value_counts()
    assert list(dialogues["statements"]) == [of_dialogue[name] for name in dialogues["dialogue_id"]]
    talks = demo.dialogues()
    assert list(dialogues["turns"]) == [len(talk.turns) for talk in talks]
    assert [[person["name"] for person in people] for people in dialogues["people"]] == [
        [person.name for person in talk.people] for talk in talks
    ]


def test_what_was_dropped_has_the_reason_that_the_store_has(demo: culturepark.StoredRun) -> None:
    every = culturepark.samples(demo, dropped=True)
    assert every["status"].value_counts().to_dict() == {"dropped": len(every) - 16, "kept": 16}
    statements = culturepark.statements(demo).set_index("statement_id")
    turned_down = 0
    for _, row in every[every["status"] == "dropped"].iterrows():
        if row["drop_reason"] in AFTER_VERIFYING:
            assert pandas.isna(statements["drop_reason"][row["statement_id"]])
        else:
            turned_down += 1
            assert statements["drop_reason"][row["statement_id"]] == row["drop_reason"]
    assert turned_down


def test_frames_of_several_runs_stand_below_each_other(tiny: culturepark.RunStore, demo: culturepark.StoredRun) -> None:
    run = tiny.run("a")
    frame = culturepark.statements([run, demo])
    assert list(dict.fromkeys(frame["run_id"])) == ["a", "demo"]
    assert len(frame) == len(culturepark.statements(tiny)) + len(culturepark.statements(demo))
    assert {*culturepark.samples([run, demo])["model"]} == {"scripted", "large-language-model"}
    duplicates = frame[frame["drop_reason"] == "duplicate"]
    assert len(duplicates) == frame["repeats"].notna().sum() == run.stats().samples.dropped.get("duplicate", 0)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("messages", "[{", r"sample 'a\.d1.*messages is no JSON.*doctor"),
        ("messages", "[]", r"run a is damaged: .*doctor"),
        ("flags", b"\xff", r"sample 'a\.d1.*doctor"),
    ],
)
def test_damage_is_told_as_an_error_of_the_store(
    tiny: culturepark.RunStore, column: str, value: object, message: str
) -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        first = "SELECT min(id) FROM sample WHERE status = 'kept'"
        db.execute(f"UPDATE sample SET {column} = ? WHERE id = ({first})", (value,))
    with pytest.raises(culturepark.StoreError, match=message):
        culturepark.samples(tiny)


def test_without_pandas_the_extra_is_named(demo: culturepark.StoredRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(culturepark.UsageError, match=r"a data frame needs the extra `frames`: pip install .*frames"):
        culturepark.samples(demo)


def test_chosen_rows_are_lines_that_trainers_read(demo: culturepark.StoredRun, tmp_path: Path) -> None:
    frame = culturepark.samples(demo)
    chosen = frame[frame["culture"] == "korean"]
    chosen[["messages"]].to_json(tmp_path / "rows.jsonl", orient="records", lines=True, force_ascii=False)
    lines = (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["messages"] for line in lines] == [list(s.messages) for s in demo.samples(["korean"])]
