"""A comparison of evaluations as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from culturepark.evaluate.paired import TOO_FEW, Comparison, Difference
from culturepark.evaluate.text import interval, number
from culturepark.glossary import counted
from culturepark.terminal.safe import safe

WIDTH = 78
NOTE = (
    "Differences are b - a over the items that both answered, with 95% intervals by bootstrap over items; p is of a "
    "sign-flip test, after Holm for all rows together. `could see` is about the smallest difference that would have "
    "held beside all other rows."
)


def comparison_lines(comparison: Comparison, width: int = WIDTH) -> Iterator[str]:
    """
    Args:
        width: columns of the terminal.
    """
    for side in comparison.evaluations:
        told = f"{side.evaluation}: {side.model} on {side.suite}, {counted(side.answers, 'answer')}"
        yield from wrap(safe(told), width, subsequent_indent="    ")
    yield ""
    yield from wrap(headline(comparison), width)
    for note in comparison.notes:
        yield from wrap(f"  note: {safe(note)}", width, subsequent_indent="    ", drop_whitespace=True)
    pairs = list(dict.fromkeys((row.a, row.b) for row in comparison.differences))
    for a, b in pairs:
        own = [row for row in comparison.differences if (row.a, row.b) == (a, b)]
        yield ""
        yield f"a = {safe(a)}, b = {safe(b)}"
        yield from rows_of(own, width)
    yield ""
    yield from wrap(NOTE, width)


def headline(comparison: Comparison) -> str:
    """Say whether they differ, before any row."""
    rows = comparison.differences
    seen = [row for row in rows if row.better]
    tests = counted(len(rows), "test")
    few = sum(row.verdict.startswith(TOO_FEW) for row in rows)
    if few == len(rows):
        return f"Too few items to tell, in {'each of ' if few > 1 else ''}{tests}."
    if not seen:
        too_few = f"; in {few} of them there are too few items to tell" if few else ""
        return f"No difference that {tests} could see{too_few}."
    by = list(dict.fromkeys(row.verdict for row in seen))
    told = "; ".join(f"{safe(words)} in {sum(row.verdict == words for row in seen)}" for words in by)
    return f"They differ: {told} of {tests}."


def rows_of(rows: list[Difference], width: int) -> Iterator[str]:
    heads = ("of", "score", "a", "b", "b - a", "95%", "p", "n", "only a", "only b", "could see", "in words")
    cells = [heads, *(cells_of(row) for row in rows)]
    used = [place for place in range(len(heads)) if any(row[place] not in ("", "0") for row in cells[1:])]
    widths = {place: max(len(row[place]) for row in cells) for place in used}
    left = (0, 1, 11)
    lines = [
        "  " + "  ".join(f"{row[i]:<{widths[i]}}" if i in left else f"{row[i]:>{widths[i]}}" for i in used).rstrip()
        for row in cells
    ]
    if max(map(len, lines)) <= width:
        yield from lines
        return
    for row in cells[1:]:
        yield from wrap(f"  {row[0]}: {row[1]}, {row[11]}", width, subsequent_indent="    ", drop_whitespace=True)
        rest = ", ".join(f"{heads[i]} {row[i]}" for i in used if i not in left and row[i])
        yield from wrap(f"    {rest}", width, subsequent_indent="    ", drop_whitespace=True)


def cells_of(row: Difference) -> tuple[str, ...]:
    places = places_of(row)
    return (
        safe(who(row.group)),
        safe(row.metric),
        number(row.value_a, places),
        number(row.value_b, places),
        f"{row.difference:+.{places}f}",
        interval(row.low, row.high, places),
        p_value(row.p_holm),
        str(row.n),
        str(row.only_a),
        str(row.only_b),
        number(row.could_see, places),
        safe(row.verdict),
    )


def places_of(row: Difference) -> int:
    return 1 if max(abs(row.value_a), abs(row.value_b)) > 2 else 3


def who(group: str) -> str:
    """Return a group in few words: `german persona en`, and `german persona en reasoning`."""
    return " ".join(in_short(*part.partition("=")[::2]) for part in group.split(","))


def in_short(name: str, value: str) -> str:
    """Return what a part of a group is; one that only says yes or no, by its name."""
    if not value or value == "yes":
        return name
    return f"{name} {value}" if {"yes", "no"} & set(value.split("|")) else value


def p_value(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"
