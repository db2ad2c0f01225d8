"""Takes secrets out of text, once, before it is kept or shown.

The message of every error of ours comes through here (`errors`), every answer of a model (`models.client`), and every
traceback (`show`).
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import quote

SHORTEST = 8
"""Characters. Anything shorter is no secret but a word for a server that wants any (`x`, `none`, `ollama`); blotting it
out would garble what people say."""
SHORTEST_WORD = 16
"""Characters of a secret of letters alone."""
PLACEHOLDERS = {"not-needed", "not_needed", "no-key-required", "lm-studio", "sk-no-key-required"}
KNOWN: dict[str, None] = {}
"""Every spelling of every secret that this process has read, the longest first: one may be the beginning of another."""
IN_PLACE_OF_IT = "[key]"
MARGIN = 600
"""Characters. No password is known for one unless the URL around it is seen up to its `@`, which may be so far off."""

URL = re.compile(r"\w://\S+")
USER = re.compile(r"(?<=://)([^\s/:@]{0,200})(:[^\s@]{0,200})?@(?:[^\s/@]{0,200}@)*")
QUERY = re.compile(r"(?i)([?&][\w.-]*(?:key|token|secret|passw(?:or)?d|pwd|auth|signature|sig)=)[^&#\s'\"]+")


def remember(secret: str | None) -> None:
    """To be called wherever a secret is read, before it is used."""
    if not secret or secret in PLACEHOLDERS:
        return
    if len(secret) >= (SHORTEST_WORD if secret.isalpha() else SHORTEST):
        known = {*KNOWN, *spellings(secret)}
        KNOWN.clear()
        KNOWN.update(dict.fromkeys(sorted(known, key=len, reverse=True)))


def spellings(secret: str) -> set[str]:
    """The secret as it is, and as it stands in URLs, JSON, HTML, and anywhere in a longer text in base64."""
    quoted = {quote(secret), quote(secret, safe="")}
    lower = {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), one) for one in quoted}
    found = {secret, *quoted, *lower, json.dumps(secret)[1:-1], html.escape(secret)}
    data = secret.encode()
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
        encoded = base64.b64encode(bytes(before) + data).decode()[first:end]
        found |= {encoded, encoded.translate(str.maketrans("+/", "-_"))}
    return found


def without_secrets(value: Any) -> Any:
    """Text, or JSON with text in it, without the secrets that this process knows; all else stays as it is."""
    if isinstance(value, str):
        for secret in KNOWN:
            value = value.replace(secret, IN_PLACE_OF_IT)
        return value
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(item) for key, item in value.items()}
    return value


def redact(text: str) -> str:
    """A message without secrets: neither those known, nor passwords in URLs."""
    return URL.sub(lambda match: bare(match[0]), without_secrets(text))


def shortened(text: str, most: int) -> str:
    """The beginning of a text, without secrets. They go before it is cut: half a secret is not known for one."""
    longest = max(MARGIN, *(len(secret) for secret in KNOWN), 0)
    cleaned = redact(text[: most + longest])  # not all of it, which may be megabytes
    return (cleaned if len(text) <= most + longest else cleaned[:-longest])[:most]


def bare(url: str) -> str:
    """The URL without password and keys; a user without a password may be a token."""
    url = USER.sub(lambda match: f"{match[1]}:***@" if match[2] else "***@", url)
    return QUERY.sub(r"\1***", url)
