"""Ways to compare text of any language. The results are never stored. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Return the words in lower case, without punctuation, in one Unicode form."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.findall(r"[\w']+", folded))


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Return whether any of the regular expressions matches somewhere in the text in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    return any(re.search(pattern, folded) for pattern in patterns)


def starts_with(text: str, beginnings: Iterable[str]) -> bool:
    """Return whether a text starts so with whole words: `his mother` does not start with `hi`."""
    return f"{plain(text)} ".startswith(tuple(f"{plain(beginning)} " for beginning in beginnings))


def contains(text: str, phrases: Sequence[str]) -> bool:
    """Return whether a text contains any of the phrases, as whole words."""
    padded = f" {plain(text)} "
    return any(f" {plain(phrase)} " in padded for phrase in phrases)
