"""Model specs as users write them: `embedded`, `gguf:PATH`, `hf:REPO/FILE`, `openai:NAME[@BASE_URL]`, `scripted`.

A model of llama.cpp may have an adapter laid over it: `embedded+ADAPTER`, `gguf:PATH+ADAPTER`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from culturepark.domain import JUDGES, ModelRole
from culturepark.errors import UsageError
from culturepark.redact import bare, shortened

if TYPE_CHECKING:
    from culturepark.models.kinds import ModelKind
    from culturepark.plugins import Registry

ROLES: tuple[ModelRole, ...] = tuple(role for role in get_args(ModelRole) if role not in JUDGES[1:])
CHAT_ROLES: tuple[ModelRole, ...] = tuple(role for role in ROLES if role not in ("embedder", "interpreter"))
"""Those that every run has; an interpreter is there only where people may need one."""


@dataclass(frozen=True)
class ModelSpec:
    """A parsed spec; `str()` gives back what the user wrote."""

    kind: str
    """The name of a `ModelKind`, which describes the properties below."""
    name: str = ""
    """Model name, file path, or `REPO/FILE`."""
    where: str = ""
    """Base URL, or the revision of a repository."""
    adapter: str = ""
    """Path of the adapter that is laid over the model: a GGUF file, or a folder with `adapter.gguf`. Empty without."""

    def __str__(self) -> str:
        at = f"@{self.where}" if self.where else ""
        over = f"+{self.adapter}" if self.adapter else ""
        return f"{self.kind}:{self.name}{at}{over}" if self.name else f"{self.kind}{over}"

    @property
    def base(self) -> ModelSpec:
        """The model without its adapter."""
        return replace(self, adapter="") if self.adapter else self

    @property
    def of(self) -> ModelKind:
        return kinds()[self.kind]

    @property
    def local(self) -> bool:
        return self.of.local

    @property
    def remote(self) -> bool:
        return self.of.remote

    @property
    def paid(self) -> bool:
        return self.of.paid

    @property
    def needs_key(self) -> bool:
        return self.of.needs_key

    @property
    def scripted(self) -> bool:
        return self.of.scripted

    @property
    def endpoint(self) -> str:
        return self.of.endpoint(self)


EMBEDDED, SCRIPTED = ModelSpec("embedded"), ModelSpec("scripted")
E5, MINILM, LEXICAL = ModelSpec("e5"), ModelSpec("minilm"), ModelSpec("lexical")


def kinds() -> Registry[ModelKind]:
    from culturepark.models.kinds import KINDS  # it imports this module

    return KINDS


def parse(text: str, role: ModelRole = "speaker") -> ModelSpec:
    """
    Raises:
        UsageError: with the forms that are allowed.
    """
    text = text.strip()
    of_base, adapter = adapter_in(text)
    name, colon, rest = of_base.partition(":")
    if name in kinds():
        kind = kinds()[name]
        if kind.filters and role not in JUDGES and rest:
            named = shortened(text, 100)
            raise UsageError(f"{named} is a filter and can be no {role}: it rates texts, as --role judge={named}")
        if serves(kind, role) and kind.takes_name == bool(colon) == bool(rest):
            try:
                return replace(kind.parse(rest), adapter=adapter)
            except ValueError:
                pass
    forms = forms_for(role)
    allowed = f"{', '.join(forms[:-1])} or {forms[-1]}"
    raise UsageError(f"model spec {shortened(text, 100)!r} for the {role}: must be {allowed}{likely(text, role)}")


def adapter_in(text: str) -> tuple[str, str]:
    """Return a spec's text without its adapter, and the path of the adapter; empty if it names none."""
    name = re.split("[:+]", text, maxsplit=1)[0]
    if "+" not in text or name not in kinds() or not kinds()[name].adapts:
        return text, ""
    of_base, adapter = kinds()[name].split(text)
    return (of_base, adapter) if of_base and adapter else (text, "")


def serves(kind: ModelKind, role: ModelRole) -> bool:
    """Whether models of a kind can have a role."""
    if role == "embedder":
        return kind.embeds
    return kind.chats or (kind.filters and role in JUDGES)


def forms_for(role: ModelRole) -> list[str]:
    """Return the forms of specs that a role can have; of a plugin that is not imported yet, its name."""
    forms = [kind.form for kind in kinds().values() if serves(kind, role)]
    plugins = [f"{name}:..." for name in kinds().names() if name not in set(kinds().keys())]
    return forms + (plugins if role != "embedder" else [])


def likely(text: str, role: ModelRole) -> str:
    """Return the spec that a wrong text probably meant, as words for the error; empty if none suggests itself."""
    words = [form for form in forms_for(role) if ":" not in form]
    if close := get_close_matches(text.lower(), words, 1, 0.8):
        meant = close[0]
    elif text.lower().startswith(("http://", "https://")):
        meant = f"openai:NAME@{bare(text)}"
    elif text.endswith(".gguf"):
        meant = f"gguf:{text}"
    elif re.fullmatch(r"[\w./:-]+(@https?://\S+)?", text) and text.partition(":")[0] not in kinds():
        meant = f"openai:{bare(text)}"
    else:
        return ""
    return f"; did you mean {shortened(meant, 120)}?"


def parse_roles(model: str | None, roles: list[str]) -> dict[ModelRole, ModelSpec]:
    """Return a spec for every role, of `--model` and `--role ROLE=SPEC`. Every further `judge=` is another judge.

    The embedder's own default needs no network: `e5`, or `lexical` beside a scripted speaker.
    """
    chat = parse(model or "embedded")
    specs: dict[ModelRole, ModelSpec] = dict.fromkeys(CHAT_ROLES, chat)
    judges = 0
    for text in roles:
        role, equals, spec = text.partition("=")
        known = next((name for name in ROLES if name == role.strip()), None)
        if known is None or not equals:
            raise UsageError(f"--role {shortened(text, 100)!r}: must be ROLE=SPEC with ROLE one of {', '.join(ROLES)}")
        if known == "judge":
            if judges == len(JUDGES):
                raise UsageError(f"--role judge: a panel has at most {len(JUDGES)} judges")
            known = JUDGES[judges]
            judges += 1
        specs[known] = parse(spec, known)
        if specs[known] in (E5, MINILM):
            from culturepark.models.extras import require

            require(specs[known])  # as a default it falls back to words; asked for by name, it must be there
    specs.setdefault("embedder", LEXICAL if specs["speaker"] == SCRIPTED else E5)
    return specs
