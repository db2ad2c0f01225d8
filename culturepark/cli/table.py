"""Rows on stdout: aligned columns on a terminal, tab-separated and whole on a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from culturepark.terminal.safe import clip, out, plain, write

LONGEST_CELL = 10_000


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console = out()
    if not console.is_terminal:
        for row in rows:
            write("\t".join(clip(cell, LONGEST_CELL) for cell in row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print(table)
