"""Which models need packages beyond the core: `pip install 'culturepark[local]'`."""

from __future__ import annotations

from importlib.util import find_spec

from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec

LOCAL = "pip install 'culturepark[local]'"
NEEDED = {
    "embedded": ("xllamacpp",),
    "gguf": ("xllamacpp",),
    "hf": ("xllamacpp", "huggingface_hub"),
    "minilm": ("onnxruntime", "tokenizers"),
}
"""Modules by the kind of a spec."""


def missing(kind: str) -> list[str]:
    """The modules that a kind of model needs and that are not installed."""
    return [module for module in NEEDED.get(kind, ()) if find_spec(module) is None]


def require(spec: ModelSpec) -> None:
    """
    Raises:
        UsageError: with what to install, if the spec needs packages that are not there.
    """
    if missing(spec.kind):
        other = "--role embedder=lexical" if spec.kind == "minilm" else "--model openai:NAME[@BASE_URL]"
        raise UsageError(f"{spec} needs the extra `local`: {LOCAL}; or use {other}")
