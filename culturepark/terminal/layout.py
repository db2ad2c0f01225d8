"""Text of any script as lines of a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from culturepark.terminal.bidi import levels, mirrors, reorders, runs_from_right, seen, shaped
from culturepark.terminal.linebreak import Piece, lines, pieces
from culturepark.terminal.safe import safe

Mark = tuple[int, int, str]
"""Code points from, to, and a style."""

LINE_END = re.compile("[\n\u2028\u2029]")
EASY = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u20a0-\u20bf]*")
"""One cell each, from left to right, and lines end at spaces alone."""


def lay_out(text: str, width: int, marks: Sequence[Mark] = (), *, reorder: bool | None = None) -> list[Text]:
    """Lines of at most `width` cells; nothing in them can control the terminal.

    A paragraph that begins from right to left is put in the order in which it is seen, and to the right.

    Args:
        marks: what is to stand out in it.
        reorder: whether that is for us to do; None asks the environment.
    """
    width = max(1, width)
    reorder = reorders(os.environ) if reorder is None else reorder
    found: list[Text] = []
    start = 0
    for paragraph in LINE_END.split(text):
        end = start + len(paragraph)
        inside = [(max(0, a - start), b - start, style) for a, b, style in marks if a < end and b > start]
        if paragraph.isprintable() and EASY.fullmatch(paragraph):
            found += easy(paragraph, width, inside)
        else:
            found += hard(safe(paragraph), width, inside, reorder)
        start = end + 1
    return found


def easy(text: str, width: int, marks: Sequence[Mark]) -> Iterator[Text]:
    """What `hard` does, for most of what is said in this part of the world, in a tenth of the time."""
    at, whole = 0, len(text.rstrip(" "))
    while True:
        end = following = whole
        if whole - at > width:
            end = text.rfind(" ", at, at + width + 1)
            following = end = at + width if end < 0 else end
            while text[following] == " ":
                following += 1
            while end > at and text[end - 1] == " ":
                end -= 1
        line = Text(text[at:end])
        for one, other, style in marks:
            if one < end and other > at:
                line.stylize(style, max(0, one - at), other - at)
        yield line
        if following == whole:
            return
        at = following


def hard(text: str, width: int, marks: Sequence[Mark], reorder: bool) -> Iterator[Text]:
    """Any script: nothing is torn from its marks, and what runs from the right may be turned round."""
    if not (reorder and runs_from_right(text)):
        for line in lines(pieces(text, text), width):
            yield drawn(line, marks)
        return
    base, *nested = levels(text)
    for line in lines(pieces(text, shaped(text)), width):
        of_line = [nested[piece.start] for piece in line]
        for piece, level in zip(line, of_line, strict=True):
            if level % 2:
                piece.text = piece.text.translate(mirrors())
        spare = width - sum(piece.width for piece in line) if base else 0
        yield drawn([line[place] for place in seen(of_line)], marks, max(0, spare))


def drawn(line: Sequence[Piece], marks: Sequence[Mark], indent: int = 0) -> Text:
    """Pieces as they stand from left to right."""
    text = Text(" " * indent + "".join(piece.text for piece in line))
    for start, end, style in marks:
        at = since = indent
        for piece in line:
            if not (start < piece.end and end > piece.start):
                text.stylize(style, since, at)
                since = at + len(piece.text)
            at += len(piece.text)
        text.stylize(style, since, at)
    return text
