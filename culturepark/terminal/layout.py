"""Text of any script as lines of a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from culturepark.terminal.bidi import levels, mirrors, reorders, runs_from_right, shape_letters, visual_order
from culturepark.terminal.linebreak import CLUSTER, Piece, break_lines, pieces
from culturepark.terminal.safe import safe

Mark = tuple[int, int, str]
"""First code point, last one plus 1, and a style."""

HEAD = re.compile(r" *(?:\S+(?: \S+)*? {2,}(?=\S))?")
"""The indent of a line, and a label with two spaces behind it."""
LEAST_ROOM = 20
"""Columns that a line needs beside its indent."""

LINE_END = re.compile("[\n\u2028\u2029]")
SIMPLE = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u20a0-\u20bf]*")
"""Characters of one cell, from left to right, in scripts whose lines end only at spaces."""


def lay_out(text: str, width: int, marks: Sequence[Mark] = (), *, reorder: bool | None = None) -> list[Text]:
    """Return lines of at most `width` cells, safe for a terminal.

    Text from right to left is put into visual order, and a paragraph that begins with it is aligned right.

    Args:
        marks: styles of parts of the text.
        reorder: put lines into visual order; None decides by the environment.
    """
    width = max(1, width)
    reorder = reorders(os.environ) if reorder is None else reorder
    lines: list[Text] = []
    start = 0
    for paragraph in LINE_END.split(text):
        end = start + len(paragraph)
        inside = [(max(0, a - start), b - start, style) for a, b, style in marks if a < end and b > start]
        if paragraph.isprintable() and SIMPLE.fullmatch(paragraph):
            lines += lay_out_simple(paragraph, width, inside)
        else:
            lines += lay_out_complex(safe(paragraph), width, inside, reorder)
        start = end + 1
    return lines


def one_line(text: object, width: int, *, reorder: bool | None = None) -> str:
    """Return safe text on one line of at most `width` cells, in visual order; `…` stands for what has no room."""
    line = " ".join(safe(text).split())
    if width < 1:
        return ""
    if cell_len(line) > width:
        used = end = 0
        for cluster in CLUSTER.finditer(line):
            used += cell_len(cluster[0])
            if used >= width:
                break
            end = cluster.end()
        line = line[:end].rstrip() + "…"
    if SIMPLE.fullmatch(line):
        return line
    return "".join(part.plain for part in lay_out(line, max(1, cell_len(line)), reorder=reorder))


def hung(line: Text, width: int) -> Text:
    """Break a line that is too long for a terminal. What follows the first line is indented below its label.

    Lines that fit stay as they are. Nothing is put into visual order.
    """
    return Text("\n").join(hung_paragraph(part, width) for part in line.split("\n", allow_blank=True))


def hung_paragraph(line: Text, width: int) -> Text:
    if line.cell_len <= width:
        return line
    head = HEAD.match(line.plain)
    start = len(line.plain) - len(line.plain.lstrip(" "))
    indent = head.end() if head else start
    longest = max(map(len, line.plain[indent:].split()), default=0)
    if indent > start and width - indent < max(LEAST_ROOM, longest):  # an address would be broken in the middle
        indent = start + 2
    indent = min(indent, max(0, width - LEAST_ROOM))
    marks = [(span.start, span.end, str(span.style)) for span in line.spans]
    first, *_ = lay_out(line.plain, width, marks, reorder=False)
    rest = line[len(first.plain) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip(" ")) :]
    marks = [(span.start, span.end, str(span.style)) for span in rest.spans]
    pieces = lay_out(rest.plain, width - indent, marks, reorder=False)
    return Text("\n").join([first, *(Text(" " * indent) + piece for piece in pieces if piece.plain)])


def lay_out_simple(text: str, width: int, marks: Sequence[Mark]) -> Iterator[Text]:
    """Lay out text in scripts like Latin: the same lines as `lay_out_complex`, in a tenth of the time."""
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
        for first, last, style in marks:
            if first < end and last > at:
                line.stylize(style, max(0, first - at), last - at)
        yield line
        if following == whole:
            return
        at = following


def lay_out_complex(text: str, width: int, marks: Sequence[Mark], reorder: bool) -> Iterator[Text]:
    """Lay out text in any script; with `reorder`, text from right to left is put into visual order."""
    if not (reorder and runs_from_right(text)):
        for line in break_lines(pieces(text, text), width):
            yield assemble(line, marks)
        return
    base, *nested = levels(text)
    for line in break_lines(pieces(text, shape_letters(text)), width):
        of_line = [nested[piece.start] for piece in line]
        for piece, level in zip(line, of_line, strict=True):
            if level % 2:
                piece.text = piece.text.translate(mirrors())
        spare = width - sum(piece.width for piece in line) if base else 0
        yield assemble([line[place] for place in visual_order(of_line)], marks, max(0, spare))


def assemble(line: Sequence[Piece], marks: Sequence[Mark], indent: int = 0) -> Text:
    """Join the pieces of a line, from left to right, and style them."""
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
