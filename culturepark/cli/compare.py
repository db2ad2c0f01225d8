"""The command that sets runs beside each other: compare."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Json, StoreUrl, decodable

app = typer.Typer()
WHOLE = 100_000
"""Columns of a pipe: one line for each measure."""


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
"""
)
def compare(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...",
            help="Ids or names of runs, or selections; the first is the base.",
            autocompletion=completion.runs,
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write one page, to be read without a network.")
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Compare what happens in the talks of runs, dialogue by dialogue where they have people and question in common."""
    from culturepark.cli.select import show
    from culturepark.errors import UsageError
    from culturepark.report import compare as page
    from culturepark.stats.compare import compare as compare_runs
    from culturepark.stats.compare_text import comparison_lines
    from culturepark.store.recorded import store_with
    from culturepark.store.selections import find_selection
    from culturepark.store.store import Store
    from culturepark.terminal.safe import out, plain, tell, write

    if html and str(html) == "-":
        raise UsageError("--html: a file, as in --html runs/compared.html; stdout has the table")
    names = [decodable(name) for name in run]
    urls = [store_with(store_url, name) for name in names]
    stores = {url: Store(url, must_exist=True) for url in dict.fromkeys(urls)}
    found = [find_selection(stores[url], name) for url, name in zip(urls, names, strict=True)]
    if any(found):
        if html or len(stores) > 1 or not all(found):
            raise UsageError("selections are compared with selections of the same store, without --html")
        return show(stores[urls[0]], [row.id for row in found if row], as_json)
    comparison = compare_runs([(stores[url], stores[url].run(name)) for url, name in zip(urls, names, strict=True)])
    if html:
        page.write(comparison, html, min(store.database.mode for store in stores.values()))
        tell(f"wrote {html}")
    if as_json:
        write(json.dumps(comparison.as_json()))
        return 0
    console = out()
    for line in comparison_lines(comparison, console.width if console.is_terminal else WHOLE):
        console.print(plain(line), soft_wrap=not console.is_terminal)
    return 0
