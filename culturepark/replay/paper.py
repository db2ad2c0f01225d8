"""What the screens beside the speech are written on: paragraphs with a look, and bars. Pure.

A look is a word, as `good` or `cut`; whoever puts the lines on a screen gives it a style, and our own words or a sign
always say the same, so that nothing hangs on colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.text import Text

from culturepark.replay.text import Mark, lay_out

Look = Literal["", "title", "label", "muted", "good", "bad", "quote", "cut", "put", "bar"]
"""`cut` and `put`: what a rewording took out and put in."""

NARROWEST = 16
"""Cells that a text has at least; where a head leaves less, the text begins on the next line."""
LONGEST = 4000
"""Characters of a paragraph that are laid out at a time."""
BLOCKS = " ▏▎▍▌▋▊▉"
"""Eighths of a cell."""


@dataclass(frozen=True)
class Para:
    """A paragraph: a head in our own words, and a text that may be anybody's."""

    text: str
    look: Look = ""
    """Of the head too, unless that has one of its own."""
    head: str = ""
    """In front of the first line; the others are indented by its width."""
    indent: int = 0
    marks: tuple[Mark, ...] = ()
    """Looks of parts of the text."""
    head_look: Look | None = None

    def lines(self, width: int) -> list[Text]:
        look = self.look if self.head_look is None else self.head_look
        head = Text(" " * self.indent).append(self.head, look)
        start = self.indent + cell_len(self.head)
        if width - start < NARROWEST and self.head:
            start = min(self.indent + 2, max(0, width - NARROWEST))
            body = self._body(width - start)
            return [head, *(Text(" " * start).append_text(line) for line in body)] if self.text else [head]
        body = self._body(width - start)
        return [head.append_text(body[0]), *(Text(" " * start).append_text(line) for line in body[1:])]

    def _body(self, width: int) -> list[Text]:
        whole = [(0, len(self.text), self.look)] if self.look and self.text else []
        return lay_out(self.text, max(1, width), (*whole, *self.marks)) or [Text()]

    def pieces(self) -> Iterator[Para]:
        """The same in parts that can be laid out one after the other, cut at line ends where there are any."""
        rest, head, head_look, start = self.text, self.head, self.head_look, 0
        while len(rest) > LONGEST and not self.marks:
            cut = rest.rfind("\n", 0, LONGEST) + 1
            yield Para(rest[: cut - 1 if cut else LONGEST], self.look, head, self.indent, (), head_look)
            start = cut or LONGEST
            rest, head = rest[start:], " " * cell_len(head)
        yield Para(rest, self.look, head, self.indent, self.marks, head_look)


@dataclass(frozen=True)
class Bar:
    """A share as a horizontal bar, with its figure."""

    label: str
    share: float
    """0 to 1."""
    chosen: bool = False
    """The one that was drawn: it has a sign in front and a word behind."""

    def lines(self, width: int) -> list[Text]:
        look = "title" if self.chosen else ""
        label = Para(self.label + (" (drawn)" if self.chosen else ""), look, "▶ " if self.chosen else "  ")  # type: ignore[arg-type]
        line = Text("  ").append(f"{self.share:6.1%} ", look)
        return [*label.lines(width), line.append(bar(self.share, width - len(line.plain) - 1), "bar")]

    def pieces(self) -> Iterator[Bar]:
        yield self


Block = Para | Bar


@dataclass(frozen=True)
class Stop:
    """Something a cursor can stand on."""

    subject: str
    """What it is about: the id of a turn, statement or sample."""
    blocks: tuple[Block, ...]
    apart: bool = True
    """An empty line stands before it."""
    go: str | None = None
    """Id of a statement elsewhere that one may go to from here."""


def bar(share: float, width: int) -> str:
    """Of at most `width` cells for a share of 1; whatever is more than nothing can be seen."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    eighths = max(eighths, 1 if share > 0 else 0)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()
