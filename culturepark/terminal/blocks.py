"""Blocks of text for a screen: paragraphs and bars, each with a look. Pure.

A look is a word such as `good` or `cut`, to which the widget gives a style. A sign or a word always says the same as
the look, so that nothing depends on colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal, Protocol

from rich.cells import cell_len
from rich.text import Text

from culturepark.terminal.layout import Mark, lay_out

Look = Literal["", "title", "label", "muted", "good", "bad", "quote", "cut", "put", "bar"]
"""`cut` and `put` mark the words that a rewording took out and put in."""

NARROWEST = 40
"""Cells that a text needs beside a head in words; with fewer, the text begins on the next line."""
SIGN = 8
"""Cells of a head at most that is a sign or a number, and no words."""
LONGEST = 4000
"""Characters of a paragraph that are laid out at a time."""
BLOCKS = " ▏▎▍▌▋▊▉"
"""Eighths of a cell."""
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""A word; in scripts without spaces, a character."""
MOST_WORDS = 1000
"""Words of a text at most in which changes are marked; comparing takes the product of both lengths."""


@dataclass(frozen=True)
class Para:
    """A paragraph: a head in the program's own words, and a text that a model or person may have written."""

    text: str
    look: Look = ""
    """Look of the text, and of the head without `head_look`."""
    head: str = ""
    """Words before the first line; other lines are indented by their width."""
    indent: int = 0
    marks: tuple[Mark, ...] = ()
    """Looks of parts of the text."""
    head_look: Look | None = None
    one_line: bool = False
    """Show only the first line, with `…` for the rest."""
    language: str | None = None
    """Of the text (BCP 47); None where nobody knows it, and for our own words."""

    def lines(self, width: int) -> list[Text]:
        look = self.look if self.head_look is None else self.head_look
        head = Text(" " * self.indent).append(self.head, look)
        start = self.indent + cell_len(self.head)
        if cell_len(self.head) > SIGN and width - start < NARROWEST and self.text:
            body = self._body(width - self.indent - 2)
            return [head, *(Text(" " * (self.indent + 2)).append_text(line) for line in body)]
        if self.one_line:
            first, *others = self._body(width - start - 1)
            return [head.append_text(first).append("…" if others else "")]
        first, *others = self._body(width - start)
        return [head.append_text(first), *(Text(" " * start).append_text(line) for line in others)]

    def _body(self, width: int) -> list[Text]:
        whole = [(0, len(self.text), self.look)] if self.look and self.text else []
        lines = lay_out(self.text, max(1, width), (*whole, *self.marks)) or [Text()]
        for line in lines:
            line.rstrip()
        return lines

    def pieces(self) -> Iterator[Para]:
        """Divide a long paragraph into parts that are laid out one by one, at line ends if there are any."""
        rest = self
        while len(rest.text) > LONGEST and not self.marks:
            line_end = rest.text.rfind("\n", 0, LONGEST)
            cut = line_end if line_end >= 0 else LONGEST
            yield replace(rest, text=rest.text[:cut])
            rest = replace(rest, text=rest.text[cut + (line_end >= 0) :], head=" " * cell_len(rest.head))
        yield rest


@dataclass(frozen=True)
class Bar:
    """A share as a horizontal bar, with its figure."""

    label: str
    share: float
    """0 to 1."""
    chosen: bool = False
    """True if this answer was drawn; a sign before it and a word after it say so."""
    column: int = 0
    """Cells of the longest label; bars are beside the labels if there is room."""

    def lines(self, width: int) -> list[Text]:
        look: Look = "title" if self.chosen else ""
        words = Para(self.label + (" (drawn)" if self.chosen else ""), look, "▶ " if self.chosen else "  ")
        column = self.column + len("▶  (drawn)")
        above: list[Text] = []
        if beside := width - column >= NARROWEST:
            *above, line = words.lines(column)
            line.pad_right(column - line.cell_len)
        else:
            line = Text("  ")
        line.append(f"{percent(self.share):>6} ", look)
        line.append(bar(self.share, width - line.cell_len), "bar")
        return [*above, line] if beside else [*words.lines(width), line]

    def pieces(self) -> Iterator[Bar]:
        yield self


class Block(Protocol):
    """A part of a sheet."""

    def lines(self, width: int) -> list[Text]: ...
    def pieces(self) -> Iterator[Block]: ...


@dataclass(frozen=True)
class Stop:
    """A group of blocks on which the cursor stops."""

    subject: str
    """Id of the turn, statement or sample that it shows."""
    blocks: tuple[Block, ...]
    apart: bool = True
    """True if there is an empty line before it."""
    go: str | None = None
    """Id of the statement to which `enter` leads."""


def bar(share: float, width: int) -> str:
    """Draw a share; 1 takes `width` cells, and any share above 0 is visible."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    eighths = max(eighths, 1 if share > 0 else 0)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def word_changes(before: str, after: str) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Return marks in the first text for words taken out (`cut`), and in the second for words put in (`put`)."""
    old, new = list(WORD.finditer(before)), list(WORD.finditer(after))
    if max(len(old), len(new)) > MOST_WORDS:
        return (), ()
    matcher = SequenceMatcher(None, [word[0] for word in old], [word[0] for word in new], autojunk=False)
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    cut = tuple((old[i].start(), old[j - 1].end(), "cut") for _, i, j, _, _ in changes if i < j)
    put = tuple((new[i].start(), new[j - 1].end(), "put") for _, _, _, i, j in changes if i < j)
    return cut, put
