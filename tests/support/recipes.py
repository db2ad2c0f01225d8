"""Recipes and loaders of trainers, tried in a process of their own: `python -m tests.support.recipes KIND FOLDER`.

The model is the tiny one of `training`, under Qwen's chat template as TRL has it. Prints JSON.

sft, dpo, kto: two steps of the recipe in examples/train; what of each row is learned.
gemma: what a template without a system role makes of each row, or null.
llamafactory: what its converter makes of each row of each set that `dataset_info.json` names.
axolotl: what of each row is learned by examples/train/axolotl.yaml, once its schema has taken that.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support import training

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "train"
TRAINERS = Path(sys.prefix) / "trainers"
"""Where `make slow` puts LLaMA-Factory and axolotl."""


def template(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")


def tokenizer_of(folder: Path) -> Any:
    training.MARKS = ["<|pad|>", "<|im_end|>", "<|im_start|>"]
    tokenizer = training.tokenizer_of(folder / "all.jsonl")
    tokenizer.chat_template = template("qwen2_5")
    return tokenizer


def train(kind: str, folder: Path, scratch: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    tokenizer = tokenizer_of(folder)
    training.model_for(tokenizer).save_pretrained(scratch / "tiny")
    tokenizer.save_pretrained(scratch / "tiny")
    sys.argv = [kind, str(scratch / "tiny"), str(folder), str(scratch / "out"), "2"]
    trainer = runpy.run_path(str(RECIPES / f"{kind}.py"))["trainer"]
    found = {"losses": [entry["train_loss"] for entry in trainer.state.log_history if "train_loss" in entry]}
    found["steps"] = trainer.state.global_step
    if kind == "sft":
        batches = [trainer.data_collator([row]) for row in trainer.train_dataset]  # as the model gets them
        found["learned"] = [
            learned(tokenizer, batch["input_ids"][0].tolist(), batch["labels"][0].tolist()) for batch in batches
        ]
    return found


def learned(tokenizer: Any, ids: list[int], labels: list[int]) -> str:
    """The text of the tokens that count in the loss."""
    return str(tokenizer.decode([one for one, label in zip(ids, labels, strict=True) if label != -100]))


def gemma(folder: Path, _: Path) -> list[str | None]:
    from jinja2.exceptions import TemplateError

    tokenizer = tokenizer_of(folder)
    tokenizer.chat_template = template("gemma")

    def rendered(messages: Any) -> str | None:
        try:
            return str(tokenizer.apply_chat_template(messages, tokenize=False))
        except TemplateError:
            return None

    return [rendered(row["messages"]) for row in rows_of(folder / "all.jsonl")]


def rows_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


def llamafactory(folder: Path, _: Path) -> dict[str, Any]:
    sys.path.append(str(TRAINERS))
    from llamafactory.data.converter import get_dataset_converter
    from llamafactory.data.parser import get_dataset_list

    names = list(json.loads((folder / "dataset_info.json").read_bytes()))
    arguments = SimpleNamespace(media_dir=None)
    return {
        name: [
            get_dataset_converter(described.formatting, described, arguments)(row)
            for row in rows_of(folder / described.dataset_name)
        ]
        for name, described in zip(names, get_dataset_list(names, str(folder)), strict=True)
    }


def axolotl(folder: Path, _: Path) -> list[str]:
    sys.path.append(str(TRAINERS))
    from axolotl.prompt_strategies.chat_template import load
    from axolotl.utils.dict import DictDefault
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from ruamel.yaml import YAML

    given = YAML(typ="safe").load(RECIPES / "axolotl.yaml")
    config = AxolotlInputConfig(**given).model_dump(exclude_none=True)
    tokenizer = tokenizer_of(folder)
    strategy = load(tokenizer, DictDefault(config), DictDefault(config["datasets"][0]))
    made = [strategy.tokenize_prompt(row) for row in rows_of(folder / "all.jsonl")]
    return [learned(tokenizer, row["input_ids"], row["labels"]) for row in made]


if __name__ == "__main__":
    kind, place = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        does = {"gemma": gemma, "llamafactory": llamafactory, "axolotl": axolotl}
        result = does[kind](place, Path(scratch)) if kind in does else train(kind, place, Path(scratch))
    print(json.dumps(result))
