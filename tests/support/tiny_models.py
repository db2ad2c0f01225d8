"""Random language models of a few thousand weights as GGUF, adapters over them, and what both say, by numpy alone.

The weights are kept in the layout of transformers, from which a file is written as llama.cpp's own converter would.
`log_probabilities` follows transformers' `LlamaForCausalLM` and knows nothing of the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Matrix = NDArray[np.float32]
LAYERS, WIDTH, INNER, HEADS, HEADS_KV, CONTEXT = 2, 64, 96, 4, 2, 2048
HEAD = WIDTH // HEADS
THETA, EPSILON = 10_000.0, 1e-5
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGED = "Ġt"
"""The one token of two bytes: llama.cpp wants at least one merge. Prompts of tests have no word with a t in front."""
SHAPES = {
    "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (HEADS_KV * HEAD, WIDTH),
    "self_attn.v_proj": (HEADS_KV * HEAD, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH), "mlp.up_proj": (INNER, WIDTH), "mlp.down_proj": (WIDTH, INNER),
}  # fmt: skip
"""Module of a layer -> its outputs and inputs."""
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip
BIASED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
"""Modules with a bias in Qwen 2."""
HEAD_NORMS = {"q_norm": "attn_q_norm", "k_norm": "attn_k_norm"}
"""What Qwen 3 does to queries and keys before they are turned."""


BYTES = [10, *range(32, 127)]
"""A line break and the printable letters of ASCII; of other bytes alone the server would not make a text."""
VOCABULARY = ["Ċ", "Ġ", *map(chr, BYTES[2:]), MERGED, *SPECIAL]
"""In the spelling of byte-level vocabularies."""


@dataclass
class TinyModel:
    """A model, and the adapters that lie over it."""

    seed: int = 0
    architecture: str = "llama"
    tied: bool = False
    width: float = 0.15
    """Standard deviation of the weights: large enough that prompts and adapters make a difference."""
    weights: dict[str, Matrix] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)

        def drawn(*shape: int) -> Matrix:
            return rng.normal(0, self.width, shape).astype(np.float32)

        self.weights["model.embed_tokens"] = drawn(len(VOCABULARY), WIDTH) * 4
        self.weights["model.norm"] = 1 + drawn(WIDTH)
        if not self.tied:
            self.weights["lm_head"] = drawn(len(VOCABULARY), WIDTH)
        for layer in range(LAYERS):
            at = f"model.layers.{layer}"
            for module, shape in SHAPES.items():
                self.weights[f"{at}.{module}"] = drawn(*shape)
                if module in BIASED and self.architecture == "qwen2":
                    self.weights[f"{at}.{module}.bias"] = drawn(shape[0])
            if self.architecture == "qwen3":
                for norm in HEAD_NORMS:
                    self.weights[f"{at}.self_attn.{norm}"] = 1 + drawn(HEAD)
            for norm in ("input_layernorm", "post_attention_layernorm"):
                self.weights[f"{at}.{norm}"] = 1 + drawn(WIDTH)

    def write(self, path: Path) -> Path:
        """Write the model as llama.cpp's `convert_hf_to_gguf.py` does."""
        writer = gguf.GGUFWriter(path, self.architecture)
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_block_count(LAYERS)
        writer.add_context_length(CONTEXT)
        writer.add_embedding_length(WIDTH)
        writer.add_feed_forward_length(INNER)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(HEADS_KV)
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_rope_freq_base(THETA)
        writer.add_file_type(gguf.LlamaFileType.ALL_F32)
        writer.add_vocab_size(len(VOCABULARY))
        if self.architecture == "llama":
            writer.add_rope_dimension_count(HEAD)
        if self.architecture == "qwen3":
            writer.add_key_length(HEAD)
            writer.add_value_length(HEAD)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(VOCABULARY)
        writer.add_token_types([1] * (len(VOCABULARY) - len(SPECIAL)) + [3] * len(SPECIAL))
        writer.add_token_merges(["Ġ t"])
        writer.add_bos_token_id(VOCABULARY.index(SPECIAL[0]))
        writer.add_eos_token_id(VOCABULARY.index(SPECIAL[2]))
        writer.add_add_bos_token(False)
        writer.add_chat_template(TEMPLATE)
        for name, tensor in self.tensors():
            writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def tensors(self) -> list[tuple[str, Matrix]]:
        named = [("token_embd.weight", self.weights["model.embed_tokens"]),
                 ("output_norm.weight", self.weights["model.norm"])]  # fmt: skip
        if not self.tied:
            named.append(("output.weight", self.weights["lm_head"]))
        for layer in range(LAYERS):
            at, block = f"model.layers.{layer}", f"blk.{layer}"
            for module, name in NAMES.items():
                turns = self.architecture == "llama" and name in ("attn_q", "attn_k")
                weight = self.weights[f"{at}.{module}"]
                named.append((f"{block}.{name}.weight", as_neighbours(weight) if turns else weight))
                if (bias := self.weights.get(f"{at}.{module}.bias")) is not None:
                    named.append((f"{block}.{name}.bias", bias))
            for norm, name in HEAD_NORMS.items():
                if (weight := self.weights.get(f"{at}.self_attn.{norm}")) is not None:
                    named.append((f"{block}.{name}.weight", weight))
            named.append((f"{block}.attn_norm.weight", self.weights[f"{at}.input_layernorm"]))
            named.append((f"{block}.ffn_norm.weight", self.weights[f"{at}.post_attention_layernorm"]))
        return named

    def config(self) -> dict[str, Any]:
        """The model's `config.json`, as far as it matters."""
        return {
            "model_type": self.architecture, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS_KV,
        }  # fmt: skip

    def log_probabilities(self, tokens: Sequence[int], changes: Mapping[str, Matrix] | None = None) -> Matrix:
        """The log-probabilities of the next token after each of some tokens.

        Args:
            changes: what an adapter adds to the weight of a module.
        """
        changes = changes or {}

        def linear(module: str, x: Matrix) -> Matrix:
            out: Matrix = x @ (self.weights[module] + changes.get(module, np.float32(0))).T
            bias = self.weights.get(f"{module}.bias")
            return out if bias is None else out + bias

        x = self.weights["model.embed_tokens"][list(tokens)]
        for layer in range(LAYERS):
            at = f"model.layers.{layer}"
            h = normed(x, self.weights[f"{at}.input_layernorm"])
            q, k, v = (linear(f"{at}.self_attn.{name}_proj", h).reshape(len(tokens), -1, HEAD) for name in "qkv")
            if self.architecture == "qwen3":
                q, k = (normed(x, self.weights[f"{at}.self_attn.{n}"]) for x, n in ((q, "q_norm"), (k, "k_norm")))
            x = x + linear(f"{at}.self_attn.o_proj", attended(rotated(q), rotated(k), v))
            h = normed(x, self.weights[f"{at}.post_attention_layernorm"])
            gate = linear(f"{at}.mlp.gate_proj", h)
            x = x + linear(f"{at}.mlp.down_proj", gate / (1 + np.exp(-gate)) * linear(f"{at}.mlp.up_proj", h))
        head = self.weights.get("lm_head", self.weights["model.embed_tokens"]) + changes.get("lm_head", np.float32(0))
        logits = normed(x, self.weights["model.norm"]) @ head.T
        logits = logits - logits.max(-1, keepdims=True)
        result: Matrix = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return result


def as_neighbours(weight: Matrix) -> Matrix:
    """A q or k matrix with the rows that are turned together beside each other, head by head, counted out."""
    rows = []
    for head in range(weight.shape[0] // HEAD):
        for number in range(HEAD // 2):
            rows += [weight[head * HEAD + number], weight[head * HEAD + HEAD // 2 + number]]
    return np.stack(rows)


def normed(x: Matrix, weight: Matrix) -> Matrix:
    result: Matrix = x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight
    return result


def rotated(x: Matrix) -> Matrix:
    """Positions in the manner of transformers: the first half of a head turns with the second."""
    angles = np.arange(len(x))[:, None] / THETA ** (np.arange(0, HEAD, 2) / HEAD)
    cos, sin = (np.tile(turn(angles), 2)[:, None, :] for turn in (np.cos, np.sin))
    halves = np.concatenate([-x[..., HEAD // 2 :], x[..., : HEAD // 2]], -1)
    return (x * cos + halves * sin).astype(np.float32)


def attended(q: Matrix, k: Matrix, v: Matrix) -> Matrix:
    k, v = (np.repeat(part, HEADS // HEADS_KV, axis=1) for part in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(HEAD)
    scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", shares, v).reshape(len(q), -1).astype(np.float32)


# --- adapters ----------------------------------------------------------------------------------------


@dataclass
class TinyAdapter:
    """A LoRA over the modules of a tiny model, as PEFT keeps it."""

    seed: int
    rank: int = 4
    alpha: float = 8
    rslora: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)
    alphas: Mapping[str, float] = field(default_factory=dict)
    """By the last part of a module's name, as `rank_pattern` and `alpha_pattern`."""
    modules: Sequence[str] = tuple(SHAPES)
    pairs: dict[str, tuple[Matrix, Matrix]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        shapes = {f"model.layers.{layer}.{name}": SHAPES[name] for layer in range(LAYERS) for name in self.modules
                  if name in SHAPES}  # fmt: skip
        if "lm_head" in self.modules:
            shapes["lm_head"] = (len(VOCABULARY), WIDTH)
        for module, (outputs, inputs) in shapes.items():
            rank = self.ranks.get(module.rpartition(".")[2], self.rank)
            a, b = rng.normal(0, 0.15, (rank, inputs)), rng.normal(0, 0.15, (outputs, rank))
            self.pairs[module] = a.astype(np.float32), b.astype(np.float32)

    def changes(self) -> dict[str, Matrix]:
        """What it adds to each weight, by the formula of PEFT's documentation."""
        added = {}
        for module, (a, b) in self.pairs.items():
            rank, alpha = len(a), self.alphas.get(module.rpartition(".")[2], self.alpha)
            added[module] = (b @ a) * np.float32(alpha / rank**0.5 if self.rslora else alpha / rank)
        return added

    def config(self) -> dict[str, Any]:
        return {
            "peft_type": "LORA", "r": self.rank, "lora_alpha": self.alpha, "use_rslora": self.rslora, "bias": "none",
            "rank_pattern": dict(self.ranks), "alpha_pattern": dict(self.alphas), "use_dora": False,
            "modules_to_save": None, "target_modules": [name.rpartition(".")[2] for name in self.modules],
        }  # fmt: skip

    def write(self, folder: Path, **settings: Any) -> Path:
        """Write it as PEFT's `save_pretrained` does."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for module, (a, b) in self.pairs.items():
            tensors[f"base_model.model.{module}.lora_A.weight"] = a
            tensors[f"base_model.model.{module}.lora_B.weight"] = b
        save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps({**self.config(), **settings}), "utf-8")
        return folder


def tokens_of(*messages: Mapping[str, str], answered: str = "") -> list[int]:
    """The tokens of a rendered prompt, with the beginning of an answer."""
    tokens: list[int] = []
    _, start, end = (VOCABULARY.index(word) for word in SPECIAL)
    for message in messages:
        text = f"{message['role']}\n{message['content']}".encode()
        assert b" t" not in text
        tokens += [start, *map(BYTES.index, text), end, BYTES.index(10)]
    return [*tokens, start, *map(BYTES.index, b"assistant\n"), *map(BYTES.index, answered.encode())]
