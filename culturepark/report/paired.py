"""Writes a comparison of evaluations as one page: no script, nothing that a browser would fetch, all values escaped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from culturepark import __version__
from culturepark.evaluate.paired import Comparison
from culturepark.evaluate.paired_text import NOTE, cells_of, headline
from culturepark.models.ledger import now
from culturepark.redact import without_secrets
from culturepark.report.page import MARK, digest, environment, part, put, refuse_what_is_not_ours

HEADS = ("of", "score", "a", "b", "b - a", "95%", "p", "items", "only a", "only b", "could see", "in words")


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
    style = part("page.css")
    pairs = list(dict.fromkeys((row.a, row.b) for row in comparison.differences))
    values = {
        "version": __version__,
        "made": now(),
        "style": style,
        "style_digest": digest(style),
        "sides": comparison.evaluations,
        "across": comparison.across,
        "headline": headline(comparison),
        "notes": comparison.notes,
        "heads": HEADS,
        "pairs": [
            (a, b, [(cells_of(row), row.better) for row in comparison.differences if (row.a, row.b) == (a, b)])
            for a, b in pairs
        ],
        "note": NOTE,
    }
    yield MARK
    yield from (without_secrets(piece) for piece in environment().get_template("paired.html").generate(values))
