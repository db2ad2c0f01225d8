"""Text of any script as lines of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from culturepark.show import safe

Mark = tuple[int, int, str]
"""Code points from, to, and a style."""

RULER = Console(width=10_000, legacy_windows=False)


def lay_out(text: str, width: int, marks: Sequence[Mark] = ()) -> list[Text]:
    """Lines of at most `width` cells; nothing in them can control the terminal.

    Args:
        marks: what is to stand out in it.
    """
    line = Text("".join(safe(character, lines=True) or " " for character in text))
    for start, end, style in marks:
        line.stylize(style, start, end)
    return list(line.wrap(RULER, max(1, width)))
