"""Line breaking in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex
from rich.cells import cell_len

CLUSTER = regex.compile(r"\X")
"""A grapheme cluster: a letter with marks, a conjunct, a family of emoji."""
JOINER = regex.compile(r"\u200d(?=[\p{L}\p{N}]|$)")
"""A joiner before a letter: terminals give the letter a cell, and Rich does not count it."""
NOT_FIRST = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー〻’”）〕］｝〉》」』】〙〗〟｠»％‰℃‥…—–～〜"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ!%),.:;?]}'\"\u00b0"
)
"""Characters that begin no line, in scripts whose lines may end between any two characters."""
NOT_LAST = frozenset("‘“（〔［｛〈《「『【〘〖〝｟«([{$£¥＄￡￥#")
FARTHEST = 64
"""Code points around a place that are looked at to see whether it is inside a cluster."""
HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))
SPACES = frozenset(" \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000")
"""Spaces after which a line may end; one of them has no width."""


@dataclass(slots=True)
class Piece:
    """A part of a paragraph that is never broken."""

    start: int
    end: int
    """Start and end in code points of the paragraph."""
    text: str
    """The characters that are shown."""
    width: int
    """Width in cells."""
    space: bool
    free: bool
    """True if a line may end before and after it, as between Chinese characters."""


def pieces(text: str, glyphs: Sequence[str]) -> list[Piece]:
    """Divide a paragraph into pieces.

    Args:
        glyphs: each of its characters in the form that is shown.
    """
    parts: list[Piece] = []
    for cluster in CLUSTER.finditer(text):
        start, end = cluster.span()
        shown = JOINER.sub("", "".join(glyphs[start:end]))
        if parts and not shown:
            parts[-1].end = end
        else:
            parts.append(Piece(start, end, shown, cell_len(shown), cluster[0] in SPACES, free(text[start])))
    return parts


def whole(text: str, end: int) -> int:
    """Return the last place up to `end` where a text can be cut without cutting a letter from its marks."""
    if not 0 < end < len(text) or text[end - 1 : end + 1].isascii():
        return max(0, min(end, len(text)))
    start = max(0, text.rfind(" ", 0, end), end - FARTHEST)
    return max(
        (cluster.start() for cluster in CLUSTER.finditer(text, start, end + FARTHEST) if cluster.start() <= end),
        default=end,
    )


@lru_cache(maxsize=8192)
def free(character: str) -> bool:
    """Tell whether a character is an emoji, or of a script that is written without spaces."""
    wide = unicodedata.east_asian_width(character) in ("W", "F")
    return wide and not any(low <= ord(character) <= high for low, high in HANGUL)


def may_break(before: Piece, after: Piece) -> bool:
    """Tell whether a line may end between two pieces."""
    if after.space:
        return False
    if before.space:
        return True
    if not (before.free or after.free):
        return False
    return after.text[:1] not in NOT_FIRST and before.text[-1:] not in NOT_LAST


def break_lines(parts: Sequence[Piece], width: int) -> Iterator[Sequence[Piece]]:
    """Yield the pieces of each line, without the spaces at its end. A word longer than a line is broken."""
    first = 0
    while True:
        used, break_at, place = 0, 0, first
        while place < len(parts):
            piece = parts[place]
            if place > first and may_break(parts[place - 1], piece):
                break_at = place
            if place > first and used + piece.width > width and not piece.space:
                break
            used += piece.width
            place += 1
        end = last = place if place == len(parts) else break_at or place
        while last > first and parts[last - 1].space:
            last -= 1
        yield parts[first:last]
        if place == len(parts):
            return
        first = end
