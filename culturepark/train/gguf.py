"""Adapters as GGUF, which llama.cpp serves, and adapters merged into their base.

Adapters are written as llama.cpp's own `convert_lora_to_gguf.py` writes them, with the package `gguf` alone: neither
torch nor a copy of llama.cpp is needed. The mathematics is PEFT's (`peft/tuners/lora/layer.py`): a module's output is
W x + s B A x, where s = alpha / r, or alpha / sqrt(r) with rsLoRA. llama.cpp computes s as alpha / r from one alpha
for the whole file, so what differs between modules goes into their B.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from culturepark.domain import JsonObject
from culturepark.errors import Lacking, UsageError
from culturepark.files import clipped, is_folder, readable, some_of
from culturepark.models.extras import how_to_install
from culturepark.models.gguf_file import ADAPTER_TYPE, GgufFile, read_head
from culturepark.models.local import check_fits

if TYPE_CHECKING:
    from gguf import GGUFReader, GGUFWriter, ReaderField, ReaderTensor

Matrix = NDArray[np.float32]
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Files of a PEFT adapter."""
LARGEST_CONFIG = 10_000_000
ALPHA = "adapter.lora.alpha"
PREFIX = "base_model.model."
"""PEFT's name for the model that it has wrapped."""
A, B = ".lora_A.weight", ".lora_B.weight"
UNLIKE_LORA = (
    "use_dora", "use_qalora", "use_bdlora", "kasa_config", "velora_config", "arrow_config", "lora_bias",
    "fan_in_fan_out", "layer_replication", "modules_to_save", "target_parameters", "trainable_token_indices",
    "alora_invocation_tokens",
)  # fmt: skip
"""Settings of PEFT under which an adapter is more than two matrices beside a weight, or acts at times only."""
INSTEAD = "the PEFT folder itself serves on vLLM (`--enable-lora`)"
DTYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}


@dataclass(frozen=True)
class Architecture:
    """An architecture whose tensors are known to be the same in transformers and in llama.cpp, but for their names."""

    gguf: str
    """llama.cpp's name of it."""
    permutes: bool = False
    """Whether llama.cpp keeps the rows of q and k in another order: it turns neighbours, and transformers halves."""


ARCHITECTURES = {
    "llama": Architecture("llama", permutes=True),
    "mistral": Architecture("llama", permutes=True),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
}
"""`model_type` of transformers, or llama.cpp's name -> the architecture."""


@dataclass(frozen=True)
class BaseModel:
    """What has to be known of a base."""

    shown: str
    architecture: Architecture
    layers: int
    heads: int
    heads_kv: int
    file: GgufFile | None
    """Its head, if it is a GGUF."""


@dataclass(frozen=True)
class Pair:
    """The two matrices of one module."""

    a: Matrix
    """r rows, as many columns as the module has inputs."""
    b: Matrix
    """As many rows as the module has outputs, r columns."""


def require() -> None:
    """
    Raises:
        Lacking: if the packages are not there.
    """
    if missing := [module for module in ("gguf", "safetensors") if find_spec(module) is None]:
        raise Lacking(f"adapters as GGUF need {' and '.join(missing)}: {how_to_install('train')}")


# --- writing an adapter ------------------------------------------------------------------------------


def write_adapter(peft_folder: Path, base: Path, out: Path) -> None:
    """Write a LoRA of PEFT as a GGUF file, in 32 bits.

    Args:
        peft_folder: with `adapter_config.json` and `adapter_model.safetensors`.
        base: what it was trained on: a GGUF file, or a folder of transformers with `config.json`.
        out: the file; one that is there is replaced.
    Raises:
        UsageError: if the adapter or its base is nothing that llama.cpp can hold. Nothing is left out in silence.
        Lacking: without the extra `train`.
    """
    require()
    model = base_model(base)
    config = read_config(peft_folder)
    pairs = pairs_of(peft_folder, read_tensors(peft_folder / WEIGHTS))
    alpha = float(config["lora_alpha"])
    names = names_for(model, pairs, peft_folder)
    with writer_of(out, model.architecture.gguf) as writer:
        import gguf

        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(ADAPTER_TYPE, "lora")
        writer.add_float32(ALPHA, alpha)
        writer.add_name(peft_folder.resolve().name)
        for module, pair in sorted(pairs.items(), key=lambda entry: names[entry[0]]):
            rank = pair.a.shape[0]
            # llama.cpp scales by alpha / r, where an alpha of 0 stands for a scale of 1.
            by_llama_cpp = alpha / rank if alpha else 1.0
            b = turned(model, module, pair.b) * np.float32(scale_of(config, module, rank) / by_llama_cpp)
            writer.add_tensor(f"{names[module]}.lora_a", np.ascontiguousarray(pair.a))
            writer.add_tensor(f"{names[module]}.lora_b", np.ascontiguousarray(b, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    if model.file:
        try:
            check_fits(read_head(out), model.file)
        except UsageError:
            out.unlink(missing_ok=True)
            raise


def base_model(base: Path) -> BaseModel:
    """
    Raises:
        UsageError: if it is neither a GGUF nor a folder of transformers, or of an unknown architecture.
    """
    shown = clipped(base, 400)
    if not is_folder(base):
        file = read_head(base)
        if file.is_adapter:
            raise UsageError(f"{shown} is an adapter; its base is wanted")
        architecture = known(file.architecture, shown)
        heads = file.number("attention.head_count")
        return BaseModel(
            shown,
            architecture,
            file.number("block_count"),
            heads,
            file.number("attention.head_count_kv") or heads,
            file,
        )
    config = json_of(base / "config.json")
    numbers = [config.get(name, 0) for name in ("num_hidden_layers", "num_attention_heads")]
    architecture = known(str(config.get("model_type", "")), shown)
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise UsageError(f"{shown}/config.json tells no num_hidden_layers or num_attention_heads")
    layers, heads = map(int, numbers)
    heads_kv = config.get("num_key_value_heads") or heads
    if not isinstance(heads_kv, int) or heads_kv < 1:
        raise UsageError(f"{shown}/config.json: num_key_value_heads is {clipped(heads_kv)}")
    return BaseModel(shown, architecture, layers, heads, heads_kv, None)


def known(name: str, shown: str) -> Architecture:
    if name not in ARCHITECTURES:
        raise UsageError(
            f"{shown} is of the architecture {clipped(name) or 'unknown'}; adapters are written as GGUF for "
            f"{', '.join(ARCHITECTURES)}; for others {INSTEAD}"
        )
    return ARCHITECTURES[name]


def read_config(folder: Path) -> JsonObject:
    """Return the settings of a LoRA.

    Raises:
        UsageError: if it is something else than two matrices beside each weight.
    """
    path = folder / CONFIG
    config = json_of(path)
    if config.get("peft_type") != "LORA":
        raise UsageError(f"{clipped(path, 400)}: peft_type is {clipped(config.get('peft_type'))}, not LORA")
    unlike = [name for name in UNLIKE_LORA if config.get(name)]
    unlike += ["bias"] if config.get("bias", "none") != "none" else []
    if unlike:
        raise UsageError(f"{clipped(path, 400)}: GGUF cannot hold {some_of(unlike, 5)}; {INSTEAD}")
    patterns = config.get("alpha_pattern") or {}
    alphas = [config.get("lora_alpha"), *(patterns.values() if isinstance(patterns, dict) else [patterns])]
    if not all(isinstance(alpha, int | float) and math.isfinite(alpha) for alpha in alphas):
        raise UsageError(f"{clipped(path, 400)}: lora_alpha, and the values of alpha_pattern, have to be numbers")
    return config


def json_of(path: Path) -> JsonObject:
    try:
        if readable(path).stat().st_size > LARGEST_CONFIG:
            raise UsageError(f"{clipped(path, 400)} is far too large")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        said = getattr(error, "strerror", None) or "is no JSON"
        raise UsageError(f"{clipped(path, 400)}: {said}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{clipped(path, 400)}: an object is wanted")
    return found


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file of safetensors. bfloat16, which numpy lacks, comes as 32 bits.

    Raises:
        UsageError: if it cannot be read, or holds tensors of another type.
    """
    import safetensors

    read: Any = safetensors.deserialize  # it has no types
    try:
        entries = read(readable(path).read_bytes())
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        said = getattr(error, "strerror", None) or clipped(error)
        raise UsageError(f"{clipped(path, 400)}: {said}") from None
    tensors: dict[str, NDArray[Any]] = {}
    for name, entry in entries:
        kind, data = entry["dtype"], bytes(entry["data"])
        if kind == "BF16":  # the upper half of a number of 32 bits
            flat = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
        elif kind in DTYPES:
            flat = np.frombuffer(data, DTYPES[kind])
        else:
            raise UsageError(
                f"{clipped(path, 400)}: {clipped(name)} is of type {kind}; numbers with a point are wanted"
            )
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def pairs_of(folder: Path, tensors: Mapping[str, NDArray[Any]]) -> dict[str, Pair]:
    """Return the matrices of each module, by its name in the base, as `model.layers.0.self_attn.q_proj`.

    Raises:
        UsageError: if there are tensors of another kind, or halves of a pair.
    """
    halves: dict[str, dict[str, Matrix]] = {}
    others: list[str] = []
    for name, tensor in tensors.items():
        half = next((suffix for suffix in (A, B) if name.endswith(suffix)), None)
        if half is None or tensor.ndim != 2:
            others.append(name)
            continue
        halves.setdefault(name.removeprefix(PREFIX).removesuffix(half), {})[half] = tensor.astype(np.float32)
    shown = clipped(folder, 400)
    if others:
        raise UsageError(f"{shown}: GGUF cannot hold {clipped(some_of(sorted(others), 3), 300)}; {INSTEAD}")
    if not halves:
        raise UsageError(f"{shown}/{WEIGHTS} holds no adapter")
    for module, matrices in halves.items():
        if set(matrices) != {A, B} or not 0 < matrices[A].shape[0] == matrices[B].shape[1]:
            raise UsageError(f"{shown}: {clipped(module, 100)} has no pair of matrices that fit each other")
        if not all(np.isfinite(matrix).all() for matrix in matrices.values()):
            raise UsageError(f"{shown}: {clipped(module, 100)} holds numbers that are none; the training diverged")
    return {module: Pair(matrices[A], matrices[B]) for module, matrices in halves.items()}


def names_for(model: BaseModel, pairs: Mapping[str, Pair], folder: Path) -> dict[str, str]:
    """Return llama.cpp's names of the modules' weights.

    Raises:
        UsageError: if a module is none that llama.cpp knows there.
    """
    import gguf

    number = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == model.architecture.gguf)
    table = gguf.get_tensor_name_map(number, model.layers)
    names = {module: table.get_name(f"{module}.weight", try_suffixes=(".weight",)) for module in pairs}
    unknown = [module for module, name in names.items() if name is None]
    # Beside the input embedding llama.cpp wants other shapes, and with tied weights it would act at the output too.
    unknown += [module for module, name in names.items() if name == "token_embd.weight"]
    if model.file:
        unknown += [module for module, name in names.items() if name and name not in model.file.shapes]
    if unknown:
        listed = clipped(some_of(list(dict.fromkeys(unknown)), 3), 300)
        raise UsageError(
            f"{clipped(folder, 400)}: llama.cpp cannot lay an adapter over {listed} of {model.shown}; train without "
            f"them, or {INSTEAD}"
        )
    return {module: str(name) for module, name in names.items()}


def scale_of(config: JsonObject, module: str, rank: int) -> float:
    """Return s in W x + s B A x, as PEFT computes it.

    Args:
        rank: of this module, which `rank_pattern` may have set.
    Raises:
        UsageError: if `alpha_pattern` holds no patterns.
    """
    patterns: Mapping[str, float] = config.get("alpha_pattern") or {}
    try:
        fitting = [alpha for form, alpha in patterns.items() if re.match(rf"(.*\.)?({form})$", module)]
    except re.error as error:
        raise UsageError(f"alpha_pattern in {CONFIG}: {clipped(error)}") from None
    alpha = fitting[0] if fitting else config["lora_alpha"]
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def turned(model: BaseModel, module: str, rows: Matrix) -> Matrix:
    """Return the rows of B in llama.cpp's order.

    Raises:
        UsageError: if they cannot be dealt out to the heads.
    """
    last = module.rpartition(".")[2]
    if not model.architecture.permutes or last not in ("q_proj", "k_proj"):
        return rows
    heads = model.heads if last == "q_proj" else model.heads_kv
    if not heads or rows.shape[0] % (2 * heads):
        raise UsageError(f"{clipped(module, 100)} has {rows.shape[0]} rows, which {heads} heads cannot share")
    return permuted(rows, heads)


def permuted(rows: Matrix, heads: int) -> Matrix:
    """Return the rows of a q or k matrix in the order of llama.cpp's rotary embedding.

    transformers turns row i of a head together with row i + d/2, llama.cpp row 2i with row 2i + 1. From
    `LlamaModel.permute` in llama.cpp's `convert_hf_to_gguf.py`.
    """
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


@contextmanager
def writer_of(out: Path, architecture: str) -> Iterator[GGUFWriter]:
    """Give a writer whose file takes its place when all is written.

    Raises:
        UsageError: if it cannot be written.
    """
    import gguf

    aside = out.with_name(f".{out.name}.part")
    try:
        writer = gguf.GGUFWriter(aside, architecture)
        try:
            yield writer
        finally:
            writer.close()
        aside.replace(out)
    except OSError as error:
        raise UsageError(f"{clipped(out, 400)} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


# --- merging -----------------------------------------------------------------------------------------


def merge(base: Path, adapter: Path, out: Path, progress: Callable[[int, int], None] = lambda *_: None) -> None:
    """Write a base with an adapter in its weights, as a GGUF in 16 bits that needs no adapter.

    All metadata of the base are kept, its tokenizer and chat template among them. Weights of the base that are
    compressed are decompressed; matrices become 16 bits, vectors stay in 32.

    Args:
        base: a GGUF file.
        adapter: a GGUF adapter for it.
        out: the file; one that is there is replaced.
        progress: called with the number of tensors so far, and in all.
    Raises:
        UsageError: if they do not fit together, or a tensor is compressed in a way that `gguf` cannot undo.
        Lacking: without the extra `train`.
    """
    require()
    import gguf

    head = read_head(base)
    check_fits(read_head(adapter), head)
    source, changes = gguf.GGUFReader(base), changes_of(gguf.GGUFReader(adapter))
    with writer_of(out, head.architecture) as writer:
        for field in source.fields.values():
            copy_field(writer, field)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        for tensor in source.tensors:
            shape, dtype = shape_of(tensor), kept_as(tensor)
            writer.add_tensor_info(tensor.name, shape, np.dtype(dtype), math.prod(shape) * np.dtype(dtype).itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, tensor in enumerate(source.tensors, start=1):  # one at a time: a base may be larger than memory
            weight, change = weight_of(tensor, base), changes.get(tensor.name)
            merged = weight if change is None else weight + change
            writer.write_tensor_data(np.ascontiguousarray(merged, dtype=kept_as(tensor)))
            progress(number, len(source.tensors))


def shape_of(tensor: ReaderTensor) -> tuple[int, ...]:
    """Return the shape of a tensor as numpy has it, the slowest extent first."""
    return tuple(int(extent) for extent in reversed(tensor.shape))


def kept_as(tensor: ReaderTensor) -> type[np.float16] | type[np.float32]:
    return np.float16 if len(tensor.shape) > 1 else np.float32


def changes_of(adapter: GGUFReader) -> dict[str, Matrix]:
    """Return s B A of each weight that an adapter changes."""
    halves: dict[str, dict[str, Matrix]] = {}
    for tensor in adapter.tensors:
        name, _, half = tensor.name.rpartition(".")
        halves.setdefault(name, {})[half] = dequantised(tensor)
    alpha = float(adapter.fields[ALPHA].contents()) if ALPHA in adapter.fields else 0.0
    return {
        name: (half["lora_b"] @ half["lora_a"]) * np.float32(alpha / half["lora_a"].shape[0] if alpha else 1.0)
        for name, half in halves.items()
        if len(half) == 2
    }


def weight_of(tensor: ReaderTensor, base: Path) -> Matrix:
    try:
        return dequantised(tensor)
    except NotImplementedError:
        kind = tensor.tensor_type.name
        raise UsageError(
            f"{clipped(base, 400)}: {tensor.name} is compressed as {kind}, which cannot be undone"
        ) from None


def dequantised(tensor: ReaderTensor) -> Matrix:
    """Return a tensor in 32 bits, its rows first."""
    from gguf.quants import dequantize

    return np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)


def copy_field(writer: GGUFWriter, field: ReaderField) -> None:
    """Copy one entry of the metadata, but for those that a writer makes itself, and the type of file."""
    import gguf

    if field.name.startswith("GGUF.") or field.name in (gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.FILE_TYPE):
        return
    kind = field.types[0]
    inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
