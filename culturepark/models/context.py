"""Finds the size of an endpoint's context, which each kind of server tells in a place of its own, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from culturepark.models.providers import provider_of

Look = Callable[[str, Any], Awaitable[Any]]
"""Asks an address, with a JSON body or None, for JSON; None where there is none."""
SERVED = ("loaded_context_length", "max_model_len", "n_ctx", "context_length", "context_window", "max_context_length")
"""Names of a model's context in lists of models, those of the context as it is served first."""


class Context(NamedTuple):
    tokens: int
    told_by: str
    """The address, and the name in its answer."""
    raised_by: str = ""
    """The setting by which the server's owner makes it larger."""


async def context_of(url: str, name: str, look: Look) -> Context | None:
    """Return the smallest context that an endpoint tells of a model; it is the one that holds.

    Args:
        url: its base URL. Other addresses of the host are asked only if it is no known service.
    """
    contexts = [context async for context in contexts_of(url, name, look)]
    return min(contexts, key=lambda context: context.tokens, default=None)


async def contexts_of(url: str, name: str, look: Look) -> AsyncIterator[Context]:
    entry = entry_of(await look(f"{url}/models", None), name)
    for key in SERVED:
        if tokens := whole(entry.get(key)):
            yield Context(tokens, f"/models, {key}", "--max-model-len" if key == "max_model_len" else "")
            break
    parts = urlsplit(url)
    if provider_of(parts.hostname or ""):
        return
    root = f"{parts.scheme}://{parts.netloc}"
    props = as_table(await look(f"{root}/props", None))  # llama-server
    settings = as_table(props.get("default_generation_settings"))
    if tokens := whole(settings.get("n_ctx")) or whole(props.get("n_ctx")):
        yield Context(tokens, "/props, n_ctx of one slot", "--ctx-size, which all slots share, or fewer --parallel")
    loaded = entry_of(await look(f"{root}/api/ps", None), name)  # Ollama, once it has loaded the model
    if tokens := whole(loaded.get("context_length")):
        yield Context(tokens, "/api/ps, context_length", "OLLAMA_CONTEXT_LENGTH")
    elif tokens := num_ctx(as_table(await look(f"{root}/api/show", {"model": name}))):
        yield Context(tokens, "/api/show, num_ctx", "num_ctx in the model's file")
    studio = as_table(await look(f"{root}/api/v0/models/{name}", None))  # LM Studio
    if tokens := whole(studio.get("loaded_context_length")) or whole(studio.get("max_context_length")):
        yield Context(tokens, "/api/v0/models, context length", "the context length with which the model is loaded")
    info = as_table(await look(f"{root}/info", None))  # TGI
    if tokens := whole(info.get("max_total_tokens")):
        yield Context(tokens, "/info, max_total_tokens", "--max-total-tokens")


def entry_of(listed: Any, name: str) -> dict[str, Any]:
    """Return a model's entry in a list of models, under any of the usual keys."""
    rows = listed if isinstance(listed, list) else None
    if isinstance(listed, dict):
        rows = next((listed[key] for key in ("data", "models") if isinstance(listed.get(key), list)), None)
    tables = [row for row in rows or [] if isinstance(row, dict)]
    for row in tables:
        if name in (row.get("id"), row.get("name"), row.get("model"), row.get("key")):
            return row
    return tables[0] if len(tables) == 1 else {}


def num_ctx(shown: dict[str, Any]) -> int | None:
    """Return the context that a model's own file asks Ollama for."""
    for line in str(shown.get("parameters") or "").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "num_ctx" and words[1].isdecimal():
            return int(words[1])
    return None


def as_table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def whole(value: Any) -> int | None:
    """Return a number of tokens that makes sense."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None
