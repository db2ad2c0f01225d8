"""Text as it is compared, whatever its language: never for storing. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

MARKS = str.maketrans(dict.fromkeys("‘’", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("–—−", "-"))


def plain(text: str) -> str:
    """Lower case, no accents of composition, no punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.findall(r"[\w']+", folded))


def visible(text: str) -> str:
    """The text as a reader sees it, on one line, with like marks made alike."""
    folded = unicodedata.normalize("NFKC", text).translate(MARKS)
    return " ".join("".join(c for c in folded if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")).split())


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether any of the regular expressions is found in the text in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    return any(re.search(pattern, folded) for pattern in patterns)


def starts_with(text: str, beginnings: Iterable[str]) -> bool:
    """Whole words: `hi` does not begin `his mother`."""
    return f"{plain(text)} ".startswith(tuple(f"{plain(beginning)} " for beginning in beginnings))


def contains(text: str, phrases: Sequence[str]) -> bool:
    """Whole words, in their order, wherever they stand."""
    padded = f" {plain(text)} "
    return any(f" {plain(phrase)} " in padded for phrase in phrases)


def either(words: Iterable[str]) -> str:
    """The words as alternatives of a regular expression, the longest first."""
    return alternatives(tuple(words))


@cache
def alternatives(words: Sequence[str]) -> str:
    return "|".join(re.escape(visible(word)) for word in sorted(words, key=len, reverse=True))
