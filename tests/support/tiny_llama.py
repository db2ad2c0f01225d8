"""A tiny random model with a chat template, for training in tests: nothing is fetched, a step takes milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
MARKS = ["<system>", "<user>", "<assistant>", "<end>", "<unk>"]


def tiny_tokenizer(words: Sequence[str]) -> Any:
    """Return a tokenizer that knows these words, and no others."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*MARKS, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", eos_token="<end>", pad_token="<end>")
    fast.chat_template = TEMPLATE
    return fast


def tiny_llama(vocabulary: int, seed: int = 0) -> Any:
    """Return a random Llama of two layers, always the same one for a seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
        )
    )
