"""Rows on stdout: aligned columns on a terminal, tab-separated and whole on a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from culturepark.terminal.layout import lay_out
from culturepark.terminal.safe import clip, out, plain, tell, write

LONGEST_CELL = 10_000
NARROWEST = 12
"""Least width of a column that is cut; below it a column is left out."""
GAP = 2
WHOLE = 100_000
"""Columns of a pipe."""


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], cut: bool = False) -> None:
    """
    Args:
        cut: give each row one line, with long cells cut and the last columns left out where a terminal is narrow.
    """
    console = out()
    if not console.is_terminal:
        tell(f"columns: {', '.join(headings)}")  # on stderr: scripts read stdout
        for row in rows:
            write("\t".join(clip(cell, LONGEST_CELL) for cell in row))
        return
    widths = widths_within(console.width, headings, rows) if cut else [None] * len(headings)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, (heading, width) in enumerate(zip(headings, widths, strict=False)):
        overflow = "ellipsis" if cut else "fold"
        table.add_column(heading, overflow=overflow, no_wrap=cut or number == 0, max_width=width)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(plain(clip(cell, LONGEST_CELL)) for cell in row[: len(widths)]))
    console.print(table)


def print_lines(lines: Callable[[int], Iterable[str]]) -> None:
    """Print lines of text: laid out for a terminal's columns, each whole on a pipe.

    Args:
        lines: makes them for a number of columns.
    """
    console = out()
    for line in lines(console.width if console.is_terminal else WHOLE):
        console.print(plain(line), soft_wrap=not console.is_terminal)


def print_folded(headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """Print a table for people, with text of any script folded into its columns and an empty line between rows."""
    console = out()
    for number, row in enumerate([headings, *rows]):
        if number > 1:
            console.print()
        columns = [lay_out(cell, width) for cell, width in zip(row, widths, strict=True)]
        for height in range(max(map(len, columns))):
            line = Text()
            for lines, width in zip(columns, widths, strict=True):
                cell = lines[height] if height < len(lines) else Text()
                line.append_text(cell)
                line.append(" " * (width - cell.cell_len + GAP))
            line.rstrip()
            console.print(line, style="" if number else "bold", no_wrap=True, overflow="ignore", crop=False)


def widths_within(width: int, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[int]:
    """Return the widths of as many columns as fit; the first is never cut."""
    natural = [max(cell_len(str(cell)) for cell in column) for column in zip(headings, *rows, strict=True)]
    widths = natural
    for count in range(len(natural), 0, -1):
        widths = natural[:count]
        while sum(widths) + GAP * count > width and max(widths[1:], default=0) > NARROWEST:
            widest = widths.index(max(widths[1:]), 1)
            widths[widest] -= 1
        if sum(widths) + GAP * count <= width:
            break
    return widths
