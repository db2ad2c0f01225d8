"""Two steps of training on an export, in a process of its own: `python -m tests.support.training sft|dpo|kto FILE`.

The model is a tiny one with random weights, the tokenizer is trained on the file itself; nothing is fetched. Prints
JSON: the losses, how many weights changed, and the versions.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKS = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def texts(value: Any) -> Iterator[str]:
    """All texts of a row, however deep."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)


def tokenizer_of(path: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    rows = (json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator((text for row in rows for text in texts(row)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=MARKS[0], eos_token=MARKS[1], chat_template=CHAT, model_max_length=1024
    )


def model_for(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def train(kind: str, path: Path, folder: str) -> dict[str, Any]:
    import datasets
    import torch
    import trl

    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    rows = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=folder)
    tokenizer = tokenizer_of(path)
    model = model_for(tokenizer)
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    options = {
        "output_dir": folder,
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "max_length": 512,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
        "seed": 1,
    }
    config, trainer = {
        "sft": (trl.SFTConfig, trl.SFTTrainer),
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
        "kto": (trl.KTOConfig, trl.KTOTrainer),
    }[kind]
    # What DPO and KTO compare with; TRL would load it again by the model's name, and this one has none.
    reference = {"ref_model": copy.deepcopy(model)} if kind != "sft" else {}
    running = trainer(model=model, args=config(**options), train_dataset=rows, processing_class=tokenizer, **reference)
    running.train()
    losses = [entry["loss"] for entry in running.state.log_history if "loss" in entry]
    changed = sum(not torch.equal(before[name], weights.detach()) for name, weights in model.named_parameters())
    return {
        "rows": rows.num_rows,
        "steps": running.state.global_step,
        "losses": losses,
        "changed": changed,
        "parameters": len(before),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "trl", "datasets")},
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(train(sys.argv[1], Path(sys.argv[2]), scratch)))
