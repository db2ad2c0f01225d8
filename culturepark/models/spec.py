"""Model specs as users write them: `embedded`, `gguf:PATH`, `hf:REPO/FILE`, `openai:NAME[@BASE_URL]`, `scripted`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args
from urllib.parse import urlsplit

from culturepark.domain import JUDGES, ModelRole
from culturepark.errors import UsageError
from culturepark.models.providers import is_azure, provider_of
from culturepark.redact import bare, shortened

ChatKind = Literal["embedded", "gguf", "hf", "openai", "scripted"]
EmbedderKind = Literal["minilm", "lexical", "openai"]
ROLES: tuple[ModelRole, ...] = tuple(role for role in get_args(ModelRole) if role not in JUDGES[1:])
CHAT_ROLES: tuple[ModelRole, ...] = tuple(role for role in ROLES if role != "embedder")

HERE, EMBEDDERS, PREFIXES = ("embedded", "scripted"), ("minilm", "lexical"), ("gguf", "hf", "openai")
FORMS = "embedded, gguf:PATH, hf:REPO/FILE[@REVISION], openai:NAME[@BASE_URL] or scripted"
EMBEDDER_FORMS = "minilm, lexical or openai:NAME[@BASE_URL]"


@dataclass(frozen=True)
class ModelSpec:
    """A parsed spec; `str()` gives back what the user wrote."""

    kind: ChatKind | EmbedderKind
    name: str = ""
    """Model name, file path, or `REPO/FILE`."""
    where: str = ""
    """Base URL, or the revision of a repository."""

    def __str__(self) -> str:
        at = f"@{self.where}" if self.where else ""
        return f"{self.kind}:{self.name}{at}" if self.name else self.kind

    @property
    def local(self) -> bool:
        """Whether llama.cpp serves it here."""
        return self.kind in ("embedded", "gguf", "hf")


EMBEDDED, SCRIPTED = ModelSpec("embedded"), ModelSpec("scripted")
MINILM, LEXICAL = ModelSpec("minilm"), ModelSpec("lexical")


def parse(text: str, role: ModelRole = "speaker") -> ModelSpec:
    """
    Raises:
        UsageError: with the forms that are allowed.
    """
    text = text.strip()
    kind, _, rest = text.partition(":")
    forms = EMBEDDER_FORMS if role == "embedder" else FORMS
    wrong = UsageError(f"model spec {shortened(text, 100)!r} for the {role}: must be {forms}{likely(text, role)}")
    if role == "embedder" and text in ("minilm", "lexical"):
        return MINILM if text == "minilm" else LEXICAL
    if kind == "openai" and rest:
        return parse_openai(rest, wrong)
    if role == "embedder":
        raise wrong
    if text in ("embedded", "scripted"):
        return EMBEDDED if text == "embedded" else SCRIPTED
    if kind == "gguf" and rest:
        return ModelSpec("gguf", rest)
    if kind == "hf" and rest:
        path, revision = (part.strip() for part in rest.partition("@")[::2])
        if len(path.split("/")) < 3 or not path.endswith(".gguf"):
            raise UsageError(f"model spec {shortened(text, 100)!r}: hf: takes ORGANISATION/NAME/FILE.gguf[@REVISION]")
        return ModelSpec("hf", path, revision)
    raise wrong


def likely(text: str, role: ModelRole) -> str:
    """Return the spec that was probably meant by a text that is none; empty where nothing suggests itself."""
    words = EMBEDDERS if role == "embedder" else HERE
    if close := get_close_matches(text.lower(), words, 1, 0.8):
        meant = close[0]
    elif text.lower().startswith(("http://", "https://")):
        meant = f"openai:NAME@{bare(text)}"
    elif text.endswith(".gguf"):
        meant = f"gguf:{text}"
    elif re.fullmatch(r"[\w./:-]+(@https?://\S+)?", text) and text.partition(":")[0] not in PREFIXES + HERE + EMBEDDERS:
        meant = f"openai:{bare(text)}"
    else:
        return ""
    return f"; did you mean {shortened(meant, 120)}?"


def parse_openai(rest: str, wrong: UsageError) -> ModelSpec:
    whole = re.fullmatch(r"(.+?)@(\s*(?i:https?)://.*)", rest, re.DOTALL)  # names may hold @, as Cloudflare's do
    name, at, url = (whole[1], "@", whole[2]) if whole else rest.partition("@")
    name, url = name.strip(), url.strip()
    if not name or (at and not url):
        raise wrong
    if not at:
        return ModelSpec("openai", name)
    return ModelSpec("openai", name, check_url(url, "the base URL after @"))


TAILS = ("/chat/completions", "/embeddings")
"""What the library appends to a base URL, and people paste with it."""
EXAMPLE = "http://localhost:8000/v1"
API_VERSION = re.compile(r"api-version=([A-Za-z0-9.-]{1,40})")


def check_url(url: str, what: str) -> str:
    """Return the base URL as it is stored and shown: no last slash, no `/chat/completions`, no default port.

    A known service whose URL has no path gets the one that its API begins with.

    Args:
        what: names the URL in an error.
    Raises:
        UsageError: if it is no URL, or holds a secret; without repeating it.
    """
    if fault := fault_of(url):
        raise UsageError(f"{what} {fault}")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    version = API_VERSION.fullmatch(parts.query) if parts.query and is_azure(host) else None
    if parts.query == "api-version=" and is_azure(host):
        raise UsageError(f"{what}: the value of api-version is empty; write ?api-version=2024-10-21, or leave it out")
    if "@" in parts.netloc or (parts.query and not version) or parts.fragment:
        raise UsageError(f"{what} may hold no user, password or query; {key_advice(host)}")
    at = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    path = parts.path.rstrip("/")
    for tail in TAILS:
        path = path.removesuffix(tail).rstrip("/")
    if not path and parts.scheme == "https" and (provider := provider_of(host)):
        path = provider.path
    query = f"?{parts.query}" if version else ""
    return f"{parts.scheme}://{at}{f':{port}' if port and port != default else ''}{path}{query}"


def fault_of(url: str) -> str:
    """Return what keeps a text from being a base URL, to follow its name in an error; empty if nothing does."""
    if not re.match(r"(?i)https?://", url):
        return f"must start with http:// or https://, as in {suggestion(url)}"
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        return f"holds a space or another character that no URL has, unlike {EXAMPLE}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"names no host, as in {EXAMPLE}"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        digits = re.search(r":(\d{1,9})$", parts.netloc)
        return (
            f"port {digits[1]} is out of range (1 to 65535)"
            if digits
            else f"holds a port that is no number, unlike {EXAMPLE}"
        )
    return "" if is_host(host) else f"names no host, as in {EXAMPLE}"


def is_host(host: str) -> bool:
    """Return whether it is a name or an address, so that no two libraries read two hosts in one URL."""
    return 0 < len(host) <= 253 and all(c.isalnum() or c in ("-._:%" if ":" in host else "-._") for c in host)


def suggestion(url: str) -> str:
    """Return an example of a URL, made of what was written where that is a host without `http://`."""
    bare = re.fullmatch(r"(localhost|127(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)+)(:\d{1,5})?((?:/[\w.-]+)*)/?", url)
    if not bare:
        return EXAMPLE
    here = bare[1] == "localhost" or bare[1].startswith("127.")
    provider = provider_of(bare[1])
    path = bare[3] or (provider.path if provider else "/v1")
    return f"{'http' if here else 'https'}://{bare[1]}{bare[2] or ''}{path}"


def key_advice(host: str) -> str:
    provider = provider_of(host)
    return f"the key goes into {provider.variables[0] if provider else 'OPENAI_API_KEY'}"


def parse_roles(model: str | None, roles: list[str]) -> dict[ModelRole, ModelSpec]:
    """`--model` and `--role ROLE=SPEC` as a spec for every role; `judge`, named again, is another judge's.

    The embedder's own default needs no network: `minilm`, or `lexical` beside a scripted speaker.
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
        if specs[known] == MINILM:
            from culturepark.models.extras import require

            require(MINILM)  # the default falls back to words; who asks for it is told that it cannot be had
    specs.setdefault("embedder", LEXICAL if specs["speaker"] == SCRIPTED else MINILM)
    return specs
