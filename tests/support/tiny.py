"""A tiny model with random weights in a folder, as a base to train from: some hundred tokens, two layers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = ("What do you do when a guest arrives without notice?", "I put the kettle on and lay another plate.")


def make(folder: Path, chat: str | None = CHAT) -> Path:
    """Write config, weights and tokenizer; return the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    torch.set_num_threads(1)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS * 3, trainer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        set_seed(7)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=made, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
        )
        tokenizer.chat_template = chat
        tokenizer.save_pretrained(folder)
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                initializer_range=0.3,  # of frozen embeddings: with the usual .02 no answer can be likely
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=None,  # else its row is zeros, and no answer can learn to end
                tie_word_embeddings=True,
            )
        ).save_pretrained(folder)
    return folder


def rows(folder: Path, count: int = 12, name: str = "all", **more: object) -> Path:
    """Write an export of single samples with its index; return the folder."""
    import hashlib

    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        messages = [
            {"role": "system", "content": "You speak for one person only."},
            {"role": "user", "content": f"What is your number, {number}?"},
            {"role": "assistant", "content": f"It is {number * 7}."},
        ]
        lines.append(json.dumps({"id": f"r.d1.t{number}.s1.x1", "messages": messages, **more}))
    (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    index = [
        {"line": n, "id": json.loads(line)["id"], "sha256": hashlib.sha256(line.encode()).hexdigest()}
        for n, line in enumerate(lines, 1)
    ]
    (folder / f"{name}.index.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in index), "utf-8")
    return folder
