"""A comparison of runs as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from culturepark.glossary import TALKS, counted
from culturepark.stats.figures import ComparedRun, Comparison, Difference
from culturepark.stats.text import COUNTS, RATES, measured, talk_figure
from culturepark.terminal.safe import safe

NOTE = "Simulated talk is no evidence about real people. Of twenty figures, one is told apart by chance alone."
INDENT = "  "
CELL = 14
"""Columns of a figure with its null."""


def comparison_lines(comparison: Comparison, width: int) -> Iterator[str]:
    """
    Args:
        width: columns of the terminal. In few of them each measure has a line for each run.
    """
    first, *others = comparison.runs
    head = [f"{first.run} beside {listed([one.run for one in others])}", *differing(comparison), ""]
    head += [f"  {one.run}: {size(one)}" for one in comparison.runs]
    head += [f"  {one.run}: {paired(one)}" for one in others]
    for line in head:
        yield from wrap(line, width, subsequent_indent="    ") or [""]
    yield ""
    widest = [max(CELL, len(one.run) + 1) for one in comparison.runs]
    lines = list(table(comparison, widest))
    yield from lines if max(map(len, lines)) <= width else stacked(comparison)
    yield ""
    yield "  In brackets what chance makes, ≈ where it cannot be told"
    yield "  apart. Differences of shares are in percentage points."
    yield from (f"  {line}." for line in NOTE.rstrip(".").split(". "))


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def differing(comparison: Comparison) -> Iterator[str]:
    if not comparison.differ:
        yield "  settings    the same in all"
    for name, values in comparison.differ.items():
        if len(set(map(str, values))) == 1:
            yield f"  {name:<13} not the same ({safe(values[0])} each)"
            continue
        for run, value in zip(comparison.runs, values, strict=True):
            yield f"  {name if run is comparison.runs[0] else '':<13} {run.run}: {safe(value)}"


def size(one: ComparedRun) -> str:
    talks = one.talks
    of = "" if talks.dialogues == talks.of else f" of {talks.of:,}"
    dialogues = f"{talks.dialogues:,}{of} dialogues" if of else counted(talks.dialogues, "dialogue")
    return f"{dialogues}, {counted(talks.speeches, 'speech', 'speeches')}"


def paired(one: ComparedRun) -> str:
    if not one.pairs:
        return "too few dialogues have question and people in common with the first run's; compared as wholes"
    return f"{one.pairs:,} of {one.talks.dialogues:,} dialogues paired by {one.paired_by}"


def table(comparison: Comparison, widths: Sequence[int]) -> Iterator[str]:
    first, *others = comparison.runs
    heads = "".join(f"{one.run:>{width}}" for one, width in zip(comparison.runs, widths, strict=True))
    yield f"  {'':<37}{heads}  " + "  ".join(f"{f'{one.run} less {first.run}':<36}" for one in others).rstrip()
    for name in shown(comparison):
        cells = "".join(f"{cell(name, one):>{width}}" for one, width in zip(comparison.runs, widths, strict=True))
        told = "  ".join(f"{in_words(name, one):<36}" for one in others)
        yield f"  {TALKS[name]:<37}{cells}  {told}".rstrip()


def stacked(comparison: Comparison) -> Iterator[str]:
    for name in shown(comparison):
        yield f"  {TALKS[name]}"
        for one in comparison.runs:
            yield f"    {one.run}: {cell(name, one)}"
            if one is not comparison.runs[0]:
                yield f"      {in_words(name, one)}"


def shown(comparison: Comparison) -> list[str]:
    return [name for name in TALKS if any(name in one.talks.measures for one in comparison.runs)]


def cell(name: str, one: ComparedRun) -> str:
    if not (found := one.talks.measures.get(name)):
        return "-"
    value, null = measured(name, found)
    return f"{value} ({null})" if null else value


def in_words(name: str, one: ComparedRun) -> str:
    """Return a difference with its interval, and whether it can be told from none."""
    found = one.differences.get(name)
    if found is None:
        return "not in both"
    between = "" if found.low is None else f" ({signed(name, found.low)} to {signed(name, found.high)})"
    return f"{signed(name, found.value)}{between} {said(found)}"


def said(found: Difference) -> str:
    return f"{found.verdict}" + ("" if found.pairs else ", as wholes")


def signed(name: str, figure: float | None) -> str:
    """Return a difference in the unit of its measure, with its sign; of shares in percentage points."""
    if figure is None:
        return "-"
    if name in COUNTS:
        return f"{figure:+,.0f}" if abs(figure) >= 100 else f"{round(figure, 1) + 0.0:+.1f}"
    if name in RATES or name == "drift":
        return talk_figure("drift", figure)
    points = round(100 * figure, 1) + 0.0
    return f"{points:+.1f}" if 0 < abs(points) < 1 else f"{points:+.0f}"
