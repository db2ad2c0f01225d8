"""TRL trains on what is exported. Slow, and needs the extra `train`: `make slow`."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import away  # noqa: F401 - used by every test
from tests.export.test_export import export, lines
from tests.export.test_preference import asked

ROOT = Path(__file__).parents[2]

FILES = {
    "a file of single samples": ("sft", "trl", ()),
    "a file of whole dialogues": ("sft", "trl", ("--dialogues",)),
    "a file of OpenAI's form": ("sft", "openai", ()),
    "a file of pairs": ("dpo", "preference", ()),
    "a file of labelled answers": ("kto", "kto", ()),
}


def train(kind: str, path: Path, cache: Path) -> Any:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.support.training", kind, str(path.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **offline})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form", "more"), FILES.values(), ids=FILES.keys())
def test_two_steps_on_an_export_change_the_model(kind: str, form: str, more: tuple[str, ...], tmp_path: Path) -> None:
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())
    assert export(*more, form=form, runs=("a", "b")).code == 0
    found = train(kind, Path("out/all.jsonl"), tmp_path / "hub")
    print(json.dumps(found))
    assert found["rows"] == len(lines("out/all.jsonl"))
    assert found["steps"] == len(found["losses"]) == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in found["losses"])
    assert found["changed"] == found["parameters"]
    if kind == "dpo":  # a model that has not been trained yet prefers nothing: -log(1/2)
        assert found["losses"][0] == pytest.approx(math.log(2), abs=1e-3)
    if kind == "kto":  # nor does it value anything: 1 - 1/2
        assert found["losses"][0] == pytest.approx(0.5, abs=1e-3)


# --- the recipes in examples/train, and what other trainers' own code reads --------------------------


def tried(kind: str, folder: str, cache: Path) -> Any:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.support.recipes", kind, str(Path(folder).resolve())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **offline})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())
    return tmp_path / "hub"


def answers(row: Any) -> list[str]:
    return [message["content"] for message in row["messages"] if message["role"] == "assistant"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--no-system",), ("--dialogues",)], ids=["samples", "no system", "dialogues"])
def test_trl_learns_the_answers_and_nothing_else(more: tuple[str, ...], hub: Path) -> None:
    assert export(*more, runs=("a", "b")).code == 0
    found = tried("sft", "out", hub)
    assert found["steps"] == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in found["losses"])
    # Qwen's template has a line break before an answer, and its end after it; TRL has both learned.
    wanted = ["".join(f"\n{answer}<|im_end|>\n" for answer in answers(row)) for row in lines("out/all.jsonl")]
    assert len(found["learned"]) == len(wanted)
    assert all(whole.startswith(part) for part, whole in zip(found["learned"], wanted, strict=True))
    if "--dialogues" not in more:  # these can be longer than the recipe's 1024 tokens
        assert found["learned"] == wanted


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form"), [("dpo", "preference"), ("kto", "kto")])
def test_the_recipes_for_pairs_and_labels_train(kind: str, form: str, hub: Path) -> None:
    assert export(form=form, runs=("a", "b")).code == 0
    found = tried(kind, "out", hub)
    assert found["steps"] == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in found["losses"])


@pytest.mark.slow
def test_a_template_without_a_system_role_takes_rows_without_system_messages(hub: Path) -> None:
    assert export(out="with").code == 0
    assert tried("gemma", "with", hub) == [None] * len(lines("with/all.jsonl"))
    assert export("--no-system").code == 0
    for text, row in zip(tried("gemma", "out", hub), lines("out/all.jsonl"), strict=True):
        assert all(message["content"].strip() in text for message in row["messages"])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["openai", "trl", "sharegpt", "alpaca"])
def test_llama_factory_reads_rows_as_they_were_meant(form: str, hub: Path) -> None:
    assert export("--split", "0.5", out="plain").code == 0
    assert export("--split", "0.5", form=form).code == 0
    found = tried("llamafactory", "out", hub)
    assert set(found) == {"all_train", "all_validation"}
    for half in ("train", "validation"):
        for read, row in zip(found[f"all_{half}"], lines(f"plain/all.{half}.jsonl"), strict=True):
            system, user, assistant = row["messages"]
            assert (read["_system"], read["_prompt"], read["_response"]) == (system["content"], [user], [assistant])


@pytest.mark.slow
def test_llama_factory_reads_pairs_as_they_were_meant(hub: Path) -> None:
    assert export(form="preference", runs=("a", "b"), out="plain").code == 0
    assert export(form="alpaca-preference", runs=("a", "b")).code == 0
    for read, row in zip(tried("llamafactory", "out", hub)["all"], lines("plain/all.jsonl"), strict=True):
        assert [{"role": "system", "content": read["_system"]}, *read["_prompt"]] == row["prompt"]
        assert read["_response"] == [*row["chosen"], *row["rejected"]]


@pytest.mark.slow
def test_axolotl_takes_the_recipe_and_learns_the_answers_and_nothing_else(hub: Path) -> None:
    assert export().code == 0
    assert tried("axolotl", "out", hub) == [f"{answers(row)[0]}<|im_end|>" for row in lines("out/all.jsonl")]
