"""An adapter made out of a description: a small network scales the ranks of one LoRA that all communities share.

With a module's weights W, W x + alpha/r · B diag(z) A x, where A and B are shared by all communities and z, of r
numbers, is what a small network makes of a description's vector, the module's layer and its kind. This is the
factorized hypernetwork of Zhyper (Abdalla et al. 2025, arXiv:2510.19733); here z is 1 plus what the network says, so
that training begins as that of one ordinary adapter for everybody.

The network is written with operators alone, so that torch (to train it) and numpy (to make an adapter of it) compute
the same. Folding diag(z) into B leaves an ordinary PEFT adapter, so whatever serves one serves these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from culturepark.catalog.files import read_text, shown
from culturepark.errors import CatalogError, Lacking, Problem, UsageError
from culturepark.files import clipped, part, put_json
from culturepark.models.extras import how_to_install
from culturepark.stats.figures import Figures

Floats = NDArray[np.float32]
TENSORS, SETTINGS = "hyper.safetensors", "hyper.json"
ADAPTER, ADAPTER_CONFIG, MADE_FROM = "adapter_model.safetensors", "adapter_config.json", "made_from.json"
TARGETS = ("q_proj", "v_proj")
"""Kinds of modules that are adapted by default, as in the paper."""
Encoder = Literal["e5", "minilm", "lexical"]
"""Encoders of descriptions. All run in this process: a folder that somebody sent must not decide where a text goes."""
MOST_BYTES = 2_000_000_000
"""A file of tensors that is still read."""


class Module(Figures):
    """One linear module of the base that is adapted."""

    name: str
    """Its path in the base: `model.layers.0.self_attn.q_proj`."""
    layer: int = Field(ge=0)
    """Index among the adapted layers, from nought."""
    kind: int = Field(ge=0)
    """Index among the kinds of modules."""
    inputs: int = Field(ge=1)
    outputs: int = Field(ge=1)


class Shape(Figures):
    """Which modules are adapted, and how large everything is."""

    modules: tuple[Module, ...]
    targets: tuple[str, ...]
    """Kinds of modules: the last parts of their names."""
    layers: tuple[int, ...]
    """Numbers of the adapted layers in the base."""
    every_layer: bool = True
    """Whether those are all the layers of the base."""
    rank: int = Field(ge=1, le=4096)
    alpha: float = Field(gt=0, allow_inf_nan=False)
    hidden: int = Field(ge=1, le=65536)
    """Width of the network."""
    width: int = Field(ge=1, le=65536)
    """Numbers of a description's vector."""

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    @property
    def adapter_parameters(self) -> int:
        """Numbers in A and B: those of one adapter of this rank."""
        return sum(self.rank * (module.inputs + module.outputs) for module in self.modules)

    @property
    def network_parameters(self) -> int:
        """Numbers in the network that makes z."""
        return sum(int(np.prod(size)) for size in sizes(self).values())


def sizes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the sizes of the network's tensors."""
    hidden = shape.hidden
    return {
        "encoder.weight": (shape.width, hidden),
        "encoder.bias": (hidden,),
        "trunk.weight": (hidden, hidden),
        "trunk.bias": (hidden,),
        "layer": (len(shape.layers), hidden),
        "kind": (len(shape.targets), hidden),
        "head.weight": (hidden, shape.rank),
    }


def modulation(tensors: Mapping[str, Any], vectors: Any, shape: Shape, exp: Callable[[Any], Any]) -> Any:
    """Return z of every description and module, of the same library as its input; sizes (n, modules, rank).

    Args:
        tensors: those of `sizes`, and `centre` and `spread`, which bring vectors to a mean of 0 and a spread of 1.
        vectors: of descriptions, sizes (n, width), each of length 1.
        exp: of the library, `torch.exp` or `numpy.exp`.
    """
    x = (vectors - tensors["centre"]) / tensors["spread"]
    x = x @ tensors["encoder.weight"] + tensors["encoder.bias"]
    x = x - x.mean(-1)[:, None]  # to mean 0 and spread 1, so that no text reaches further than others
    x = x / ((x**2).mean(-1)[:, None] + 1e-5) ** 0.5
    x = x @ tensors["trunk.weight"] + tensors["trunk.bias"]
    layers = tensors["layer"][[module.layer for module in shape.modules]]
    kinds = tensors["kind"][[module.kind for module in shape.modules]]
    x = x[:, None, :] + layers[None] + kinds[None]
    x = x / (1 + exp(-x))  # SiLU
    return 1 + x @ tensors["head.weight"]


# --- the files of a trained one ------------------------------------------------------------------


class Trained(Figures):
    """`hyper.json`: what a description's adapter is made with, beside the tensors."""

    culturepark: str
    """Version."""
    base: str
    base_path: str | None = None
    """What PEFT is to load the base from; None where only its name is known."""
    embedder: str
    """Identity of the encoder of descriptions: vectors of another one mean nothing here."""
    embedder_spec: Encoder
    communities: tuple[str, ...]
    """Those it was trained on."""
    sentences: dict[str, tuple[str, ...]]
    """Community -> its description."""
    shape: Shape
    tensors_sha256: str


class Hyper:
    """A trained hypernetwork, to make adapters of descriptions. Needs no torch."""

    def __init__(self, trained: Trained, tensors: Mapping[str, Floats]) -> None:
        self.trained = trained
        self.tensors = tensors

    @property
    def shape(self) -> Shape:
        return self.trained.shape

    def z(self, vector: Floats) -> Floats:
        """Return z of a description, sizes (modules, rank).

        Args:
            vector: of the description, sizes (width,); see `described`.
        """
        with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf is 0, as it should be
            made: Floats = modulation(self.tensors, vector[None], self.shape, np.exp)[0]
        return made.astype(np.float32)

    @property
    def mean_z(self) -> Floats:
        """The mean of z over the communities trained on: the adapter of nobody in particular."""
        return self.tensors["mean_z"]

    def adapter(self, z: Floats) -> dict[str, Floats]:
        """Return the tensors of an ordinary adapter, by PEFT's names: A as it is, and B with diag(z) folded in."""
        made: dict[str, Floats] = {}
        for number, module in enumerate(self.shape.modules):
            name = f"base_model.model.{module.name}"
            made[f"{name}.lora_A.weight"] = self.tensors[f"A.{number}"]
            made[f"{name}.lora_B.weight"] = self.tensors[f"B.{number}"] * z[number][None]
        return made


def described(vectors: Floats) -> Floats:
    """Return the vector of a description out of those of its sentences: their mean, at length 1."""
    mean = vectors.mean(0)
    unit: Floats = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return unit


def materialise(hyper: Hyper, vector: Floats, sentences: Sequence[str], out: Path) -> Path:
    """Write the adapter of a description as an ordinary PEFT folder.

    Args:
        vector: of the description.
        sentences: the description, kept beside the adapter.
        out: a folder that is new or empty.

    Raises:
        UsageError: if there is something in it.
    """
    fresh_folder(out)
    write_adapter(out, hyper.adapter(hyper.z(vector)), hyper.shape, hyper.trained.base_path or hyper.trained.base)
    beside = {
        "hyper_sha256": hyper.trained.tensors_sha256,
        "base": hyper.trained.base,
        "embedder": hyper.trained.embedder,
        "description": list(sentences),
        "trained_on": list(hyper.trained.communities),
    }
    put_json(out / MADE_FROM, beside)
    return out


def write_adapter(out: Path, tensors: Mapping[str, Floats], shape: Shape, base: str) -> None:
    """Write the two files that PEFT loads a LoRA adapter from."""
    save_tensors(out / ADAPTER, tensors)
    put_json(out / ADAPTER_CONFIG, peft_config(shape, base))


def peft_config(shape: Shape, base: str) -> dict[str, Any]:
    """Return `adapter_config.json` of a LoRA of this shape, as PEFT reads it."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": shape.rank,
        "lora_alpha": shape.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": list(shape.targets),
        "layers_to_transform": None if shape.every_layer else list(shape.layers),
    }


def save(folder: Path, trained: Trained, tensors: Mapping[str, Floats]) -> Hyper:
    """Write `hyper.safetensors` and `hyper.json`; the digest in the second is that of the first."""
    save_tensors(folder / TENSORS, tensors)
    whole = trained.model_copy(update={"tensors_sha256": sha256_of(folder / TENSORS)})
    put_json(folder / SETTINGS, whole.as_json())
    return Hyper(whole, dict(tensors))


def load(folder: Path) -> Hyper:
    """Read a trained hypernetwork. Its files may come from anybody: only numbers are read, and all sizes are checked.

    Raises:
        UsageError: if the folder holds none.
        CatalogError: if a file is damaged, or does not fit the other.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise UsageError(f"{shown(folder)} holds no hypernetwork ({SETTINGS}); `train --method hyper` makes one")
    try:
        trained = Trained.model_validate_json(read_text(path, 64_000_000))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CatalogError([Problem(shown(path), None, clipped(key), clipped(first["msg"], 200))]) from None
    tensors = load_tensors(folder / TENSORS)
    if sha256_of(folder / TENSORS) != trained.tensors_sha256:
        raise CatalogError([Problem(shown(folder / TENSORS), None, "", f"is not the file that {SETTINGS} was made of")])
    check_sizes(folder / TENSORS, tensors, trained.shape, len(trained.communities))
    return Hyper(trained, tensors)


def check_sizes(path: Path, tensors: Mapping[str, Floats], shape: Shape, communities: int) -> None:
    wanted = {
        **sizes(shape),
        "centre": (shape.width,),
        "spread": (1,),
        "mean_z": (len(shape.modules), shape.rank),
        "known": (communities, shape.width),
        **{f"A.{n}": (shape.rank, module.inputs) for n, module in enumerate(shape.modules)},
        **{f"B.{n}": (module.outputs, shape.rank) for n, module in enumerate(shape.modules)},
    }
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in wanted.keys() | found.keys():
        if wanted.get(name) != found.get(name):
            raise CatalogError([
                Problem(shown(path), None, clipped(name), f"has sizes {found.get(name)}, not {wanted.get(name)}")
            ])  # fmt: skip
    if len(shape.layers) <= max((m.layer for m in shape.modules), default=-1) or len(shape.targets) <= max(
        (m.kind for m in shape.modules), default=-1
    ):
        raise CatalogError([Problem(shown(path), None, "", "names layers or kinds of modules that it does not have")])
    if bad := next((name for name, tensor in tensors.items() if not np.isfinite(tensor).all()), None):
        raise CatalogError([Problem(shown(path), None, clipped(bad), "holds what is no number")])


def save_tensors(path: Path, tensors: Mapping[str, Floats]) -> None:
    """Write tensors beside the file and move them to its place, so that a killed process leaves no half of one."""
    # not `save_file`, whose files nobody but their owner may read
    part(path).write_bytes(numpy_files().save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))
    part(path).replace(path)


def load_tensors(path: Path) -> dict[str, Floats]:
    """
    Raises:
        CatalogError: if it is no file of tensors.
    """
    files = numpy_files()
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"is larger than {MOST_BYTES // 10**9} GB")
        return {name: np.asarray(tensor, np.float32) for name, tensor in files.load_file(path).items()}
    except Exception as error:  # safetensors raises its own for whatever is wrong in a file
        what = clipped(getattr(error, "strerror", None) or error, 200)
        raise CatalogError([Problem(shown(path), None, "", f"cannot be read: {what}")]) from None


def numpy_files() -> Any:
    """
    Raises:
        Lacking: if safetensors is not installed.
    """
    try:
        import safetensors.numpy
    except ImportError:
        raise Lacking(f"adapters need the extra `train`: {how_to_install('train')}") from None
    return safetensors.numpy


def fresh_folder(out: Path) -> None:
    """
    Raises:
        UsageError: if there is something at the place already, or it cannot be made.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {shown(out)}: there is something already; name a new folder")
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--out {shown(out)}: {getattr(error, 'strerror', None) or error}") from None


def sha256_of(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""
