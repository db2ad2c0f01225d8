"""Ways to compare text of any language. The results are never stored. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import regex

parser: Any = import_module("re._parser")  # no stubs know it
constants: Any = import_module("re._constants")
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
    return next(matching(text, patterns), None) is not None


def matching(text: str, patterns: Iterable[str]) -> Iterator[str]:
    """Yield the regular expressions that match somewhere in the text in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    for pattern in patterns:
        needed = needed_by(pattern)
        if (not needed or any(part in folded for part in needed)) and compiled(pattern).search(folded):
            yield pattern


MOST_NEEDED = 8
"""Parts that are looked for before a pattern is tried; more would cost as much as the pattern."""


@lru_cache(maxsize=4096)
def needed_by(pattern: str) -> tuple[str, ...]:
    """Return texts of which every match of a pattern holds one; empty if none are known.

    To look for them takes a tenth of the time of the pattern, and few texts hold one. A pattern for the beginning of a
    text is fast by itself.
    """
    if pattern.startswith("^"):
        return ()
    parsed = parser.parse(pattern)
    return () if parsed.state.flags & re.IGNORECASE else needed_in(parsed)


def needed_in(items: Iterable[tuple[Any, Any]]) -> tuple[str, ...]:
    """Return the same for a part of a parsed pattern, as `re` parses it: pairs of an operation and what it is about."""
    best: tuple[str, ...] = ()
    run = ""
    for operation, of in (*items, (None, None)):
        if operation is constants.LITERAL:
            run += chr(of)
            continue
        if operation is constants.AT:
            continue  # takes no room between letters
        found = (run,) if run else ()
        run = ""
        best = max(best, found, key=worth)
        if operation is constants.SUBPATTERN and not of[1]:  # without flags of its own
            best = max(best, needed_in(of[3]), key=worth)
        elif operation is constants.BRANCH:
            ways = [needed_in(way) for way in of[1]]
            if all(ways):
                best = max(best, tuple(dict.fromkeys(part for way in ways for part in way)), key=worth)
        elif operation in (constants.MAX_REPEAT, constants.MIN_REPEAT) and of[0]:
            best = max(best, needed_in(of[2]), key=worth)
    return best


def worth(parts: tuple[str, ...]) -> tuple[int, int]:
    """Return how rarely a text holds one of some parts: by the shortest of them, and then by their number."""
    return (min(map(len, parts)), -len(parts)) if 0 < len(parts) <= MOST_NEEDED else (0, 0)


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
