"""No answer of validation stands in train, in the same words or nearly."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.cli.app import run
from culturepark.distill.paraphrase import key
from culturepark.domain import Edition, JsonObject
from culturepark.export.leaks import answer_key, leaking
from culturepark.export.manifest import Wanted
from culturepark.export.rows import Row
from tests.export.test_repeats import hold_run
from tests.support.fakes import edition

SAID = "I think that a job is for whoever does it best."
NEARLY = "I think, really, that a job is for whoever does it best."
OTHER = "I think that the street should sweep its own pavement."
THIRD = "I think that nobody needs a second car in our town."


def asked(question: str) -> Edition:
    """The shipped quickstart, with a question of its own."""
    one = edition(samples=("open",))
    (seed,) = one.scenario.seeds
    seeds = (seed.model_copy(update={"key": question, "question": f"What of {question}?", "item": None}),)
    return one.model_copy(update={"scenario": one.scenario.model_copy(update={"seeds": seeds})})


def exported(folder: Path, *options: str) -> tuple[dict[str, list[JsonObject]], JsonObject, str]:
    out = folder / "out"
    store = f"sqlite:///{folder / 'runs.db'}"
    assert run(["export", "a", "b", "c", "--format", "trl", "--out", str(out), "--store", store, *options]) == 0
    files = {path.stem: list(rows(path)) for path in out.glob("all.*.jsonl") if "index" not in path.name}
    return files, json.loads((out / "manifest.json").read_text("utf-8")), (out / "README.md").read_text("utf-8")


def rows(path: Path) -> Iterator[JsonObject]:
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def hold(folder: Path, *, again: str) -> None:
    """Three runs, each about a question of its own; whichever of them validates, the others have its answer."""
    hold_run(folder, "a", [SAID, OTHER], kind="opinion", one=asked("work"))
    hold_run(folder, "b", [again, THIRD], kind="opinion", one=asked("streets"))
    hold_run(folder, "c", [SAID, "I think that a child should learn to swim early."], kind="opinion", one=asked("cars"))


@pytest.mark.parametrize("again", [SAID, SAID.upper(), NEARLY])
def test_an_answer_of_validation_does_not_stand_in_train(tmp_path: Path, again: str) -> None:
    hold(tmp_path, again=again)
    files, manifest, card = exported(tmp_path, "--split", "0.5")
    told = {half: {key(row["messages"][-1]["content"]) for row in some} for half, some in files.items()}
    assert told["all.train"]
    assert told["all.validation"]
    assert not any("does it best" in text for text in told["all.validation"])
    assert any("does it best" in text for text in told["all.train"])
    assert told["all.train"].isdisjoint(told["all.validation"])
    left = manifest["left_out"]["the same as an answer in train, or nearly"]
    assert left == 6 - sum(map(len, files.values())) > 0
    assert "of held-out questions validate nothing and are left out" in card


def test_without_a_split_nothing_is_left_out(tmp_path: Path) -> None:
    hold(tmp_path, again=SAID)
    _, manifest, card = exported(tmp_path)
    assert "the same as an answer in train, or nearly" not in manifest["left_out"]
    assert manifest["answers"] == 4
    assert "6 rows, 4 distinct answers" in card


def test_what_is_left_out_is_on_neither_side_in_the_store(tmp_path: Path) -> None:
    hold(tmp_path, again=SAID)
    files, _, _ = exported(tmp_path, "--split", "0.5")
    assert run(["stats", "a", "--store", f"sqlite:///{tmp_path / 'runs.db'}"]) == 0
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        sides = [split for (split,) in db.execute("SELECT split FROM sample WHERE status = 'kept'")]
    assert {half: sides.count(half.removeprefix("all.")) for half in files} == {
        half: len(some) for half, some in files.items()
    }
    assert sides.count(None) > 0


def test_whole_dialogues_are_compared_word_for_word(tmp_path: Path) -> None:
    held = hold_run(tmp_path, "a", [SAID])

    def row(seed: str, said: str) -> Row:
        return Row({}, {"id": f"{seed}.{said}"}, "turkish", seed, (), (said,))

    told = [row("train", SAID), row("train", OTHER), row("held", SAID.upper()), row("held", NEARLY)]
    wanted = Wanted("trl", dialogues=True)
    found = leaking(held.store, told, [held.row], frozenset({"held"}), wanted, held.notes.append)
    assert found == {answer_key(SAID)}


def test_signs_alone_are_their_own_key() -> None:
    assert answer_key("🙂") != answer_key("🙃")
    assert answer_key("A job!") == answer_key("a job")
