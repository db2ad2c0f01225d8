"""Ways to compare text of any language. The results are never stored. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import regex

ASCII_WORDS = re.compile(r"[\w']+")


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Return the words in lower case, without punctuation, in one Unicode form."""
    if text.isascii():
        return " ".join(ASCII_WORDS.findall(text.lower()))
    folded = unicodedata.normalize("NFKC", text).replace("İ", "i").casefold().replace("’", "'")
    return " ".join(regex.findall(r"[\w\p{M}']+", folded))


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Return whether any of the regular expressions matches somewhere in the text in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    return any(compiled(pattern).search(folded) for pattern in patterns)


@lru_cache(maxsize=4096)
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a compiled pattern, and keep it: `re` keeps 512, and a run has some for each person."""
    return re.compile(pattern, flags)


def starts_with(text: str, beginnings: Iterable[str]) -> bool:
    """Return whether a text starts so with whole words: `his mother` does not start with `hi`."""
    return f"{plain(text)} ".startswith(tuple(f"{plain(beginning)} " for beginning in beginnings))


def contains(text: str, phrases: Sequence[str]) -> bool:
    """Return whether a text contains any of the phrases, as whole words."""
    padded = f" {plain(text)} "
    return any(f" {plain(phrase)} " in padded for phrase in phrases)


# --- what a person searches for ------------------------------------------------------------------------

MARKS = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # accents
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08e1\u08e3-\u08ff"  # Arabic
    "\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe00-\ufe0f\ufeff]"  # unseen
)
"""Accents, the marks of Arabic and Hebrew that people usually do not write, and characters that nobody sees (joiners,
directions, variants). Nuktas and vowel signs of Bengali are letters. `report/js/search.js` has the same, and `SAME`
too."""
SAME = {
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ة": "ه",
    "ہ": "ه",
    "ک": "ك",
    "’": "'",
    "‘": "'",
    "ʼ": "'",
    "Ø": "O",
    "Ł": "L",
    "Đ": "D",
}
"""Letters that people write for each other, and that Unicode takes for different ones."""
SAME_LETTERS = re.compile(f"[{''.join(SAME)}]")


def folded(text: str) -> str:
    """Return a text on one line as a search compares it: without case, width, accents and `MARKS`."""
    line = text.upper() if text.isascii() else folded_letters(text)
    return " ".join(line.split())


def folded_letters(text: str) -> str:
    # Lower case first, or ẞ would stay; upper case last, in which ı and i are one, and both Greek sigmas.
    bare = MARKS.sub("", unicodedata.normalize("NFKD", text)).lower().upper()
    return SAME_LETTERS.sub(lambda match: SAME[match[0]], bare)


def folded_with_places(text: str) -> tuple[str, list[int]]:
    """Return `folded(text)`, and for each of its letters the place of its origin in the text."""
    line, places = " ", [0]
    for place, letter in enumerate(text):
        for folded_letter in folded_letters(letter):
            space = folded_letter.isspace()
            if not (space and line[-1] == " "):
                line += " " if space else folded_letter
                places.append(place)
    return line[1:], places[1:]


def terms(words: str) -> list[str]:
    """Return the terms of a search: single words, and quoted words as one term."""
    parts = enumerate(folded(words).split('"'))
    return [term for number, part in parts for term in ([part.strip()] if number % 2 else part.split()) if term]
