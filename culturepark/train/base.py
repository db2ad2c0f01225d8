"""Base models in torch: a GGUF, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from culturepark.errors import Lacking, Unreachable, UsageError
from culturepark.export import licences
from culturepark.files import clipped, expanded, is_folder
from culturepark.models.extras import how_to_install
from culturepark.models.spec import ModelSpec, kinds, parse
from culturepark.models.weights import Progress

NEEDED = ("torch", "transformers", "peft", "trl", "gguf")
UPSTREAM = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Weights that are always the same -> the repository that they come from."""


@dataclass(frozen=True)
class Base:
    """A model that is trained from."""

    given: str
    """As the user wrote it: `embedded`, `gguf:PATH`, `hf:REPO/FILE`, a folder, or `ORGANISATION/NAME`."""
    source: str
    """A path, or a repository; empty for a GGUF that was not fetched yet."""
    gguf: Path | None
    """The file, if it is a GGUF, and here."""
    name: str
    """What an adapter names as its base; never a path of this machine but for a folder that the user gave."""
    licence: str

    @property
    def here(self) -> bool:
        """Whether its files are on this disk, as far as can be told without the hub."""
        return self.gguf is not None or (bool(self.source) and is_folder(Path(self.source)))


def require() -> None:
    """
    Raises:
        Lacking: if the packages are not there.
    """
    if missing := [module for module in NEEDED if find_spec(module) is None]:
        raise Lacking(f"training needs {', '.join(missing)}: {how_to_install('train')}")


def base_of(text: str, progress: Progress | None) -> Base:
    """Return the base of `--base`, fetched where it has to be.

    Args:
        progress: None to fetch nothing, and return the base without its file where it would have to be fetched.
    Raises:
        UsageError: if it is none that can be trained.
        Unreachable: if it cannot be fetched.
    """
    text = text.strip()
    folder = expanded(text)
    if is_folder(folder):
        if not (folder / "config.json").is_file():
            raise UsageError(f"--base {clipped(text)}: the folder holds no config.json; is it a model's?")
        return Base(text, str(folder), None, text, licences.of_model(f"hf:{text}"))
    if text.partition(":")[0] not in kinds() and re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return Base(text, text, None, text, licences.of_model(f"hf:{text}"))
    if text.partition(":")[0].partition("+")[0] not in kinds():
        raise UsageError(
            f"--base {clipped(text)}: no such folder; name embedded, gguf:PATH, a model's folder, or a repository "
            "of the hub as ORGANISATION/NAME"
        )
    spec = parse(text)
    if not spec.local:
        raise UsageError(
            f"--base {clipped(text)}: its weights are not here; name embedded, gguf:PATH, a model's folder, or a "
            "repository as ORGANISATION/NAME"
        )
    return of_gguf(spec, progress)


def of_gguf(spec: ModelSpec, progress: Progress | None) -> Base:
    from culturepark.models.local import check_gguf, weights_here, weights_of

    if getattr(spec, "adapter", ""):
        raise UsageError(f"--base {clipped(str(spec))}: an adapter is trained on a base without one")
    path = weights_here(spec) if progress is None else weights_of(spec, progress)
    if path and progress is None:
        check_gguf(path)
        path = path.absolute()
    name = UPSTREAM.get(spec.of.weights) or (path.name if path and spec.kind != "hf" else spec.name)
    return Base(str(spec), str(path or ""), path, name, licences.of_model(str(spec)))


def load(base: Base, dtype: Any) -> tuple[Any, Any]:
    """Return model and tokenizer.

    Raises:
        UsageError: if they cannot be read, or there is no chat template.
        Unreachable: if the hub cannot be reached.
    """
    from transformers import AutoModelForCausalLM

    tokenizer = tokenizer_of(base)
    with loading(base) as (where, more):
        model = AutoModelForCausalLM.from_pretrained(where, dtype=dtype, **more)
    if base.gguf:
        as_any_other(model)
    return model, tokenizer


def tokenizer_of(base: Base) -> Any:
    """Return the tokenizer alone.

    Raises:
        UsageError: if it cannot be read, or there is no chat template.
        Unreachable: if the hub cannot be reached.
    """
    from transformers import AutoTokenizer

    with loading(base) as (where, more):
        tokenizer = AutoTokenizer.from_pretrained(where, **more)
    if not tokenizer.chat_template:
        raise UsageError(f"--base {clipped(base.given)} has no chat template; train from an instruct model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@contextmanager
def loading(base: Base) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where a base is loaded from and with which options; what goes wrong is an error of ours."""
    where, more = base.source, {}
    if base.gguf:
        where, more = str(base.gguf.parent), {"gguf_file": base.gguf.name}
    try:
        with hushed(), redirect_stderr(StringIO()):  # its progress bar asks nobody
            yield where, more
    except OSError as error:
        if not is_folder(Path(where)):
            raise Unreachable(f"--base {clipped(base.given)}: {first_line(error)}") from None
        raise UsageError(f"--base {clipped(base.given)}: {first_line(error)}") from None
    except (ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise UsageError(f"--base {clipped(base.given)} cannot be loaded: {first_line(error)}") from None


def as_any_other(model: Any) -> None:
    """Take off the marks of a quantized model: its weights were decompressed while they were loaded."""
    for holder, names in ((model.config, ("quantization_config",)), (model, ("hf_quantizer", "quantization_method"))):
        for name in names:
            if hasattr(holder, name):
                delattr(holder, name)
    model.is_quantized = False


def first_line(error: BaseException) -> str:
    return clipped(next(iter(str(error).strip().splitlines()), type(error).__name__), 300)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what these libraries say to themselves; what a user must know is an error or a note of ours."""
    import transformers

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    bars = transformers.utils.logging.is_progress_bar_enabled()
    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    import datasets

    datasets.disable_progress_bars()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        transformers.utils.logging.set_verbosity(level)
        if bars:
            transformers.utils.logging.enable_progress_bar()
