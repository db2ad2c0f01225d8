"""Writes a comparison of runs as one page: no script, nothing that a browser would fetch, every value escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from culturepark import __version__
from culturepark.glossary import TALKS
from culturepark.models.ledger import now
from culturepark.redact import without_secrets
from culturepark.report.overview import talk_interval
from culturepark.report.page import MARK, digest, environment, part, put, refuse_what_is_not_ours
from culturepark.stats.compare_text import NOTE, listed, paired, said, shown, signed, size
from culturepark.stats.figures import Comparison
from culturepark.stats.text import measured, talk_figure


@dataclass(frozen=True)
class Cell:
    """A measure of one run."""

    run: str
    value: str
    interval: str
    """Empty where there are too few dialogues."""
    null: str
    """Empty where there is no such thing; `≈` before it where it cannot be told apart."""
    difference: str
    """To the first run; empty for that one, and where one of them does not have the measure."""
    between: str
    """Its interval."""
    verdict: str


def write(comparison: Comparison, place: Path, mode: int) -> None:
    """
    Args:
        mode: permissions of the store, the most that the page gets.
    Raises:
        UsageError: if the file exists and is no page of culturepark.
        StoreError: if it cannot be written.
    """
    refuse_what_is_not_ours(place)
    put(page(comparison), place, mode)


def page(comparison: Comparison) -> Iterator[str]:
    first, *others = comparison.runs
    style = part("page.css")
    values = {
        "version": __version__,
        "made": now(),
        "style": style,
        "style_digest": digest(style),
        "runs": comparison.runs,
        "title": f"{first.run} beside {listed([one.run for one in others])}",
        "differ": comparison.differ,
        "alike": comparison.alike,
        "sizes": [size(one) for one in comparison.runs],
        "paired": [(one.run, paired(one)) for one in others],
        "rows": [(TALKS[name], name, list(cells(name, comparison))) for name in shown(comparison)],
        "note": NOTE,
    }
    yield MARK
    yield from (without_secrets(piece) for piece in environment().get_template("compare.html").generate(values))


def cells(name: str, comparison: Comparison) -> Iterator[Cell]:
    for one in comparison.runs:
        found, against = one.talks.measures.get(name), one.differences.get(name)
        value, null = measured(name, found) if found else (talk_figure(name, None), "")
        ends = "" if against is None or against.low is None else signed(name, against.low)
        yield Cell(
            run=one.run,
            value=value,
            interval=talk_interval(name, found) if found else "",
            null=null,
            difference=signed(name, against.value) if against else "",
            between=f"{ends} to {signed(name, against.high)}" if against and ends else "",
            verdict=said(against) if against else "",
        )
