"""Ways to compare text of any language. The results are never stored. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

MARKS = str.maketrans(dict.fromkeys("‘’", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("–—−", "-"))


def plain(text: str) -> str:
    """Return the words in lower case, without punctuation, in one Unicode form."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.findall(r"[\w']+", folded))


def visible(text: str) -> str:
    """Return the text on one line, without invisible characters, with one form of each mark."""
    folded = unicodedata.normalize("NFKC", text).translate(MARKS)
    return " ".join("".join(c for c in folded if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")).split())


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


def either(words: Iterable[str]) -> str:
    """Return the words as alternatives of a regular expression, the longest first."""
    return alternatives(tuple(words))


@cache
def alternatives(words: Sequence[str]) -> str:
    return "|".join(re.escape(visible(word)) for word in sorted(words, key=len, reverse=True))
