"""The command that sets runs beside each other: compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Json, StoreUrl, decodable

if TYPE_CHECKING:
    from culturepark.store.store import Store
    from culturepark.store.tables import RunRow

app = typer.Typer()


class Across(StrEnum):
    """By what part of its conditions an evaluation is compared with itself."""

    arm = "arm"
    language = "language"
    framing = "framing"
    reasoning = "reasoning"


@app.command(
    epilog="""\b
Two policies of the moderator, with the same seed:
Example: culturepark compare RUN1 RUN2
\b
Two models and two settings, as one page:
Example: culturepark compare RUN1 RUN2 RUN3 --html runs/compared.html
\b
What is in two selections, and what they have in common:
Example: culturepark compare first second
\b
Whether one of two models is nearer to people's answers, item by item (ids of evaluations):
Example: culturepark compare e7f3a9c e1b2c3d --html runs/nearer.html
\b
Whether a prompt, or asking in another language, changes anything within one evaluation:
Example: culturepark compare e7f3a9c --across arm
"""
)
def compare(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...",
            help="Ids or names of runs, of evaluations, or of selections; the first is the base.",
            autocompletion=completion.runs,
        ),
    ],
    across: Annotated[
        Across | None,
        typer.Option(help="Of one evaluation: compare its conditions that differ in this part alone."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write one page, to be read without a network.")
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Compare runs by what happens in their talks, evaluations item by item, and selections by what is in them."""
    from culturepark.cli.select import show
    from culturepark.cli.table import print_lines
    from culturepark.errors import UsageError
    from culturepark.report import compare as page
    from culturepark.stats.compare import compare as compare_runs
    from culturepark.stats.compare_text import comparison_lines
    from culturepark.store.recorded import store_with
    from culturepark.store.selections import find_selection
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    if html and str(html) == "-":
        raise UsageError("--html: a file, as in --html runs/compared.html; stdout has the table")
    names = [decodable(name) for name in run]
    urls = [store_with(store_url, name) for name in names]
    stores = {url: Store(url, must_exist=True) for url in dict.fromkeys(urls)}
    found = [find_selection(stores[url], name) for url, name in zip(urls, names, strict=True)]
    if any(found):
        if across or html or len(stores) > 1 or not all(found):
            raise UsageError("selections are compared with selections of the same store, without --html")
        return show(stores[urls[0]], [row.id for row in found if row], as_json)
    rows = [(stores[url], stores[url].run(name)) for url, name in zip(urls, names, strict=True)]
    if across or are_evaluations(rows):
        return compare_evaluations(rows, across, html, as_json)
    comparison = compare_runs(rows)
    if html:
        page.write(comparison, html, min(store.database.mode for store in stores.values()))
        tell(f"wrote {html}")
    if as_json:
        write(json.dumps(comparison.as_json()))
        return 0
    print_lines(partial(comparison_lines, comparison))
    return 0


def are_evaluations(rows: Sequence[tuple[Store, RunRow]]) -> bool:
    """
    Raises:
        UsageError: if some are evaluations and others are not.
    """
    from culturepark.errors import UsageError
    from culturepark.store.evaluations import evaluation_of

    kinds = {row.id: evaluation_of(store, row.id) is not None for store, row in rows}
    if len(set(kinds.values())) > 1:
        one, other = (next(name for name, is_one in kinds.items() if is_one is kind) for kind in (True, False))
        raise UsageError(
            f"{one} is an evaluation and {other} a run of talks: there is nothing to compare; "
            "name evaluations alone, or runs alone"
        )
    return all(kinds.values())


def compare_evaluations(
    rows: Sequence[tuple[Store, RunRow]], across: Across | None, html: Path | None, as_json: bool
) -> int:
    """Compare evaluations with the first, or the conditions of one with each other."""
    from culturepark.cli.table import print_lines
    from culturepark.errors import UsageError
    from culturepark.evaluate.paired import compare as compare_pairs
    from culturepark.evaluate.paired import compare_within
    from culturepark.evaluate.paired_text import comparison_lines
    from culturepark.report import paired as page
    from culturepark.terminal.safe import tell, write

    if across and len(rows) > 1:
        raise UsageError("--across compares one evaluation with itself; name that one alone")
    if across:
        ((store, row),) = rows
        comparison = compare_within(store, row.id, across.value)
    else:
        comparison = compare_pairs([(store, row.id) for store, row in rows])
    if html:
        page.write(comparison, html, min(store.database.mode for store, _ in rows))
        tell(f"wrote {html}")
    if as_json:
        write(json.dumps(comparison.as_json()))
        return 0
    print_lines(partial(comparison_lines, comparison))
    return 0
