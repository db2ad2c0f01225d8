"""Takes secrets out of text before it is stored or shown: of all errors' messages, models' answers and tracebacks."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import quote

SHORTEST = 8
"""Characters. A shorter key is a placeholder for a server that wants any (`x`, `none`, `ollama`); taking it out would
garble what people say."""
SHORTEST_WORD = 16
"""Characters of a secret of letters alone."""
PLACEHOLDERS = {"not-needed", "not_needed", "no-key-required", "lm-studio", "sk-no-key-required"}
KNOWN: dict[str, None] = {}
"""All spellings of all secrets that this process has read, the longest first: one may be the beginning of another."""
IN_PLACE_OF_IT = "[key]"
MARGIN = 600
"""Characters that a URL's password may have: it is recognised only with the `@` after it."""
URL = re.compile(r"(?:postgresql(?:\+\w{1,20})?|\w)://\S+")
USER = re.compile(r"(?<=://)([^\s/:@]{0,200})(:[^\s@]{0,200})?@(?:[^\s/@]{0,200}@)*")
QUERY = re.compile(r"(?i)([?&][\w.-]*(?:key|token|secret|passw(?:or)?d|pwd|auth|signature|sig)=)[^&#\s'\"]+")


def remember(secret: str | None) -> None:
    """Know a secret from now on. Called wherever one is read, before it is used."""
    if not secret or secret in PLACEHOLDERS:
        return
    if len(secret) >= (SHORTEST_WORD if secret.isalpha() else SHORTEST):
        known = {*KNOWN, *spellings(secret)}
        KNOWN.clear()
        KNOWN.update(dict.fromkeys(sorted(known, key=len, reverse=True)))


def spellings(secret: str) -> set[str]:
    """Return a secret as it is, and as it is written in URLs, JSON, HTML, and base64 of a longer text."""
    quoted = {quote(secret), quote(secret, safe="")}
    lower = {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in quoted}
    spelled = {secret, *quoted, *lower, json.dumps(secret)[1:-1], html.escape(secret)}
    data = secret.encode()
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
        encoded = base64.b64encode(bytes(before) + data).decode()[first:end]
        spelled |= {encoded, encoded.translate(str.maketrans("+/", "-_"))}
    return spelled


def without_secrets(value: Any) -> Any:
    """Return text, or JSON with text in it, without the secrets that this process knows."""
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
    """Return a message without known secrets and without passwords in URLs."""
    return URL.sub(lambda match: bare(match[0]), without_secrets(text))


def shortened(text: str, most: int) -> str:
    """Return the beginning of a text without secrets. They are taken out before the cut: half a secret is not found."""
    longest = max(MARGIN, *(len(secret) for secret in KNOWN), 0)
    cleaned = redact(text[: most + longest])  # the whole text may be megabytes
    return (cleaned if len(text) <= most + longest else cleaned[:-longest])[:most]


def bare(url: str) -> str:
    """Return a URL without password and keys.

    A user without a password may be a token, and goes too; but not that of a database, whose address would be useless.
    """
    named = url.startswith("postgresql") and url.count("@") == 1
    url = USER.sub(lambda match: f"{match[1]}:***@" if match[2] else match[0] if named else "***@", url)
    return QUERY.sub(r"\1***", url)
