"""Adapters as GGUF: what llama.cpp serves is what was trained, in every layout that PEFT knows and GGUF can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf as library
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from culturepark.errors import UsageError
from culturepark.models import local, weights
from culturepark.models.chat import Reply, Request
from culturepark.models.spec import EMBEDDED, ModelSpec, parse
from culturepark.train.gguf import merge, write_adapter
from tests.support.tiny_models import SHAPES, VOCABULARY, Matrix, TinyAdapter, TinyModel, tokens_of

QUESTION = {"role": "user", "content": "What do you do when a guest comes?"}
NEAR = 0.05
"""Nats. llama.cpp keeps keys and values in 16 bits; it was .018 at most, where another adapter is 3 away and more."""


def asked(*messages: dict[str, str]) -> Request:
    return Request(messages, max_tokens=1, temperature=0.0, seed=1, top_logprobs=len(VOCABULARY))


def distribution(reply: Reply) -> dict[int, float]:
    """The log-probabilities of the first token of an answer, by token."""
    (token,) = reply.response["choices"][0]["logprobs"]["content"]
    return {rival["id"]: rival["logprob"] for rival in token["top_logprobs"]}


async def served(*texts: object) -> list[dict[int, float]]:
    """What models of one server say to the question."""
    specs = [parse(str(text)) for text in texts]
    models = await local.start_together(specs, 2, lambda *_: None)
    try:
        return [distribution(await models[spec].send(models[spec].body(asked(QUESTION)))) for spec in specs]
    finally:
        for model in models.values():
            await model.close()


def apart(of_server: Mapping[int, float], by_hand: Matrix) -> float:
    assert len(of_server) == len(VOCABULARY)
    return max(abs(float(by_hand[token]) - value) for token, value in of_server.items())


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
async def test_what_is_served_is_what_was_trained(architecture: str, tmp_path: Path) -> None:
    model = TinyModel(architecture=architecture)
    base = model.write(tmp_path / "base.gguf")
    adapters = [
        TinyAdapter(1),
        TinyAdapter(2, rslora=True, ranks={"q_proj": 8}, alphas={"down_proj": 3}, modules=(*SHAPES, "lm_head")),
    ]
    for number, adapter in enumerate(adapters):
        folder = adapter.write(tmp_path / str(number))
        write_adapter(folder, base, folder / "adapter.gguf")
    said = await served(f"gguf:{base}", *(f"gguf:{base}+{tmp_path / str(number)}" for number in range(2)))
    changes = [{}, *(adapter.changes() for adapter in adapters)]
    by_hand = [model.log_probabilities(tokens_of(QUESTION), change)[-1] for change in changes]
    for number, of_server in enumerate(said):
        distances = [apart(of_server, other) for other in by_hand]
        assert distances.pop(number) < NEAR
        assert min(distances) > 1


async def test_merged_weights_say_the_same_without_the_adapter(tmp_path: Path) -> None:
    model, adapter = TinyModel(), TinyAdapter(1)
    base, folder = model.write(tmp_path / "base.gguf"), adapter.write(tmp_path / "adapter")
    write_adapter(folder, base, folder / "adapter.gguf")
    counted: list[tuple[int, int]] = []
    merge(base, folder / "adapter.gguf", tmp_path / "merged.gguf", lambda *count: counted.append(count))
    (of_server,) = await served(f"gguf:{tmp_path / 'merged.gguf'}")
    assert apart(of_server, model.log_probabilities(tokens_of(QUESTION), adapter.changes())[-1]) < NEAR
    assert apart(of_server, model.log_probabilities(tokens_of(QUESTION))[-1]) > 1

    before, after = (library.GGUFReader(path) for path in (base, tmp_path / "merged.gguf"))
    of_file = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.file_type"}
    assert {name: field.contents() for name, field in after.fields.items() if name not in of_file} == {
        name: field.contents() for name, field in before.fields.items() if name not in of_file
    }
    assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
    assert {tensor.tensor_type.name for tensor in after.tensors} == {"F16", "F32"}
    assert counted[-1] == (len(after.tensors), len(after.tensors))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base.gguf", "merged.gguf"]


def test_a_base_may_be_a_folder_of_transformers_and_gives_the_same_file(tmp_path: Path) -> None:
    model = TinyModel()
    base, folder = model.write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter")
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text(json.dumps(model.config()))
    write_adapter(folder, base, tmp_path / "one.gguf")
    write_adapter(folder, tmp_path / "hf", tmp_path / "two.gguf")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def test_weights_in_16_bits_are_read(tmp_path: Path) -> None:
    """Of bfloat16, as trainers on GPUs write it, numpy knows nothing."""
    base, folder = TinyModel().write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter")
    write_adapter(folder, base, tmp_path / "whole.gguf")
    file = folder / "adapter_model.safetensors"
    whole = load_file(file)
    header: dict[str, Any] = {}
    data = b""
    for name, tensor in whole.items():
        upper = (tensor.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [len(data), len(data) + len(upper)]}
        data += upper
    head = json.dumps(header).encode()
    file.write_bytes(len(head).to_bytes(8, "little") + head + data)
    write_adapter(folder, base, tmp_path / "cut.gguf")
    tensors = [
        {tensor.name: tensor.data for tensor in library.GGUFReader(tmp_path / name).tensors}
        for name in ("whole.gguf", "cut.gguf")
    ]
    for name, tensor in tensors[0].items():
        assert 0 < np.abs(tensors[1][name] - tensor).max() < np.abs(tensor).max() / 128


# --- what GGUF cannot hold ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"use_dora": True}, "GGUF cannot hold use_dora"),
        ({"bias": "all"}, "GGUF cannot hold bias"),
        ({"modules_to_save": ["embed_tokens"]}, "GGUF cannot hold modules_to_save"),
        ({"trainable_token_indices": [1]}, "vLLM"),
        ({"peft_type": "IA3"}, "peft_type is IA3, not LORA"),
        ({"lora_alpha": "much"}, "have to be numbers"),
        ({"alpha_pattern": {"(": 3}}, "alpha_pattern in adapter_config.json"),
        ({"alpha_pattern": [3]}, "have to be numbers"),
    ],
)
def test_settings_that_gguf_cannot_hold_are_named(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    base, folder = TinyModel().write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter", **settings)
    refused(folder, base, words)


def refused(folder: Path, base: Path, words: str) -> None:
    """Nothing is written, and one line says why."""
    out = folder / "adapter.gguf"
    with pytest.raises(UsageError) as told:
        write_adapter(folder, base, out)
    assert words in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert [path for path in folder.iterdir() if "gguf" in path.name] == []


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"base_model.model.model.embed_tokens.lora_embedding_A": (4, 64)}, "GGUF cannot hold base_model"),
        ({"base_model.model.lm_head.weight": (100, 64)}, "GGUF cannot hold base_model.model.lm_head.weight"),
        ({"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": (4, 64)}, "no pair of matrices"),
        (
            {
                "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": (4, 64),
                "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight": (96, 5),
            },
            "no pair of matrices",
        ),
        (
            {
                "base_model.model.model.layers.0.mlp.router.lora_A.weight": (4, 64),
                "base_model.model.model.layers.0.mlp.router.lora_B.weight": (96, 4),
            },
            "cannot lay an adapter over model.layers.0.mlp.router",
        ),
        (
            {
                "base_model.model.model.layers.7.mlp.up_proj.lora_A.weight": (4, 64),
                "base_model.model.model.layers.7.mlp.up_proj.lora_B.weight": (96, 4),
            },
            "cannot lay an adapter over model.layers.7.mlp.up_proj",
        ),
        (
            {
                "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": (4, 32),
                "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight": (96, 4),
            },
            "blk.0.ffn_up.weight is 64x96 there, and 32x96 in the adapter",
        ),
        ({}, "holds no adapter"),
    ],
)
def test_tensors_that_llama_cpp_cannot_lay_over_the_base_are_named(
    tensors: dict[str, tuple[int, int]], words: str, tmp_path: Path
) -> None:
    base, folder = TinyModel().write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter")
    made = {name: np.ones(shape, np.float32) for name, shape in tensors.items()}
    save_file(made, folder / "adapter_model.safetensors")
    refused(folder, base, words)


def test_an_adapter_over_the_head_of_a_model_that_has_none_is_an_error(tmp_path: Path) -> None:
    base = TinyModel(tied=True).write(tmp_path / "base.gguf")
    refused(TinyAdapter(1, modules=("lm_head",)).write(tmp_path / "adapter"), base, "over lm_head")


def test_a_training_that_diverged_is_an_error(tmp_path: Path) -> None:
    base, folder = TinyModel().write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter")
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor * np.float32("nan") for name, tensor in load_file(file).items()}, file)
    refused(folder, base, "the training diverged")


def test_another_architecture_says_what_can_be_used_instead(tmp_path: Path) -> None:
    folder = TinyAdapter(1).write(tmp_path / "adapter")
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text(json.dumps({**TinyModel().config(), "model_type": "gpt_neox"}))
    refused(folder, tmp_path / "hf", "vLLM")
    write_adapter(folder, TinyModel().write(tmp_path / "base.gguf"), tmp_path / "adapter.gguf")
    refused(folder, tmp_path / "adapter.gguf", "is an adapter; its base is wanted")
    refused(folder, tmp_path / "none.gguf", "No such file")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff" * 64])
def test_files_that_are_damaged_or_missing_are_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    base, folder = TinyModel().write(tmp_path / "base.gguf"), TinyAdapter(1).write(tmp_path / "adapter")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    refused(folder, base, name)


def test_merging_what_does_not_fit_writes_nothing(tmp_path: Path) -> None:
    base = TinyModel().write(tmp_path / "base.gguf")
    other = TinyModel(architecture="qwen2").write(tmp_path / "other.gguf")
    write_adapter(TinyAdapter(1).write(tmp_path / "adapter"), other, tmp_path / "adapter.gguf")
    with pytest.raises(UsageError, match="for the architecture qwen2, and the base is llama"):
        merge(base, tmp_path / "adapter.gguf", tmp_path / "merged.gguf")
    assert not (tmp_path / "merged.gguf").exists()


# --- against torch -----------------------------------------------------------------------------------

PROMPTS = (
    "What do you do when a guest arrives without notice?",
    "Should children live near their parents when they are grown?",
    "Name three things that are on the table at breakfast.",
    "Is it all right to be late for a meeting with friends?",
    "Who decides in a family how money is spent?",
)
ANSWER = 24
"""Tokens of each answer that are compared."""


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.filterwarnings("ignore")  # peft and transformers warn of each other
async def test_the_embedded_model_answers_with_an_adapter_as_torch_does(tmp_path: Path) -> None:
    """Torch scores each token of llama.cpp's greedy answers. The base's own distance is the noise of its 4 bits.

    llama.cpp multiplies compressed weights by activations that it rounds to 8 bits. So both are also asked on the
    merged weights in 16 bits, where nothing is rounded but keys and values.
    """
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    path = weights.fetch(weights.SMOLLM2, lambda *_: None)
    load = transformers.AutoModelForCausalLM.from_pretrained
    model = load(str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()
    del model.config.quantization_config  # the weights are decompressed
    torch.manual_seed(1)
    over = peft.get_peft_model(model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear")).eval()
    for name, parameter in over.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path / "adapter"
    over.save_pretrained(str(folder))
    write_adapter(folder, path, folder / "adapter.gguf")
    merge(path, folder / "adapter.gguf", tmp_path / "merged.gguf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)

    def by_torch(prompt: str, answer: list[int], adapted: bool) -> list[float]:
        messages = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        before = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            if adapted:
                logits = over(torch.tensor([before + answer])).logits[0]
            else:
                with over.disable_adapter():
                    logits = over(torch.tensor([before + answer])).logits[0]
        scores = torch.log_softmax(logits, -1)[len(before) - 1 : -1]
        return [float(row[token]) for row, token in zip(scores, answer, strict=True)]

    async def compared(spec: ModelSpec, adapted: bool) -> tuple[list[float], list[float]]:
        """How far torch's log-probabilities of a served answer are from the server's: with its weights, with others."""
        server = await local.start(spec, 1, lambda *_: None)
        same, other = [], []
        try:
            for prompt in PROMPTS:
                request = Request(({"role": "user", "content": prompt},), ANSWER, 0.0, 1, top_logprobs=1)
                reply = await server.send(server.body(request))
                tokens = reply.response["choices"][0]["logprobs"]["content"]
                answer, said = [token["id"] for token in tokens], [token["logprob"] for token in tokens]
                for distances, with_adapter in ((same, adapted), (other, not adapted)):
                    scores = by_torch(prompt, answer, with_adapter)
                    distances += [abs(a - b) for a, b in zip(scores, said, strict=True)]
        finally:
            await server.close()
        return same, other

    for spec, adapted, most_mean, most_of_one in (
        (EMBEDDED, False, 0.1, 0.5),
        (parse(f"embedded+{folder}"), True, 0.1, 0.5),
        (parse(f"gguf:{tmp_path / 'merged.gguf'}"), True, 0.02, 0.1),
    ):
        same, other = await compared(spec, adapted)
        print(f"{spec}: mean {np.mean(same):.4f}, most {max(same):.4f}; null {np.mean(other):.3f}, {max(other):.2f}")
        assert np.mean(same) < most_mean
        assert max(same) < most_of_one
        assert np.mean(other) > 5 * np.mean(same)
