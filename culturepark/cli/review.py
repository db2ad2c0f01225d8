"""The command with which people judge rows, in the terminal or in a browser."""

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from culturepark.cli.inspect import login_name, on_terminal
from culturepark.cli.options import STORE, Json, Lang, RunOrSelection, StoreUrl, decodable, show_in, store_option

if TYPE_CHECKING:
    from culturepark.review.desk import Desk
    from culturepark.store.store import Store

app = typer.Typer()
LANGUAGES = "CULTUREPARK_REVIEW_LANGUAGES"


@app.command(
    epilog="""\b
A hundred rows at random, from which the error rate is known; the same command goes on with them later:
Example: culturepark review last --sample 100 --reviewer anna
\b
The same in a browser, for several people:
Example: culturepark review last --sample 100 --serve
\b
Rows for somebody who reads Arabic and Turkish:
Example: culturepark review last --language ar,tr
"""
)
def review(
    context: typer.Context,
    target: RunOrSelection,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, metavar="N", help="N rows at random; without it the queue, what a model made up first."
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option(envvar="CULTUREPARK_REVIEWER", metavar="NAME", help="Who judges; else the login name."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            envvar=LANGUAGES,
            metavar="LANGUAGES",
            help="Only rows in any of these languages, as de,tr or German,Turkish.",
            callback=decodable,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(min=0, metavar="K", help="The first K rows of a sample are judged by everybody. [default: 20]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of the sample, when it is first drawn. [default: 0]")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="In a browser on this machine; each reviewer gives a name there.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="For --serve; without it, one that is free.")
    ] = None,
    lang: Lang = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Judge rows one at a time, with what is behind each; from a random sample their error rate is known."""
    from culturepark.errors import UsageError
    from culturepark.files import clipped
    from culturepark.glossary import counted
    from culturepark.languages import code_meant
    from culturepark.store.recorded import store_with
    from culturepark.store.reviewer import named
    from culturepark.terminal.safe import tell

    for name, given in (("--seed", seed), ("--overlap", overlap)):
        if given is not None and sample is None:
            raise UsageError(f"{name} is for a random sample; --sample N draws one")
    if port is not None and not serve:
        raise UsageError("--port is for --serve")
    if not (serve or as_json or on_terminal()):
        raise UsageError(
            f"review shows rows on a terminal, and there is none here; `culturepark review {target} --serve` shows "
            f"them in a browser, and `culturepark queue {target} --json` lists them"
        )
    show_in(lang)
    reviewer = named(reviewer) if reviewer else login_name()

    from culturepark.review.desk import OVERLAP, Desk, queued
    from culturepark.store.draws import draw, over_of
    from culturepark.store.evaluations import refuse_evaluation
    from culturepark.store.store import Store

    store = Store(store_with(store_url, target), must_exist=True)
    refuse_evaluation(store, target)
    over = over_of(store, target)
    if sample is None:
        rows = queued(store, over, "" if serve else reviewer)
    else:
        found = draw(store, over, sample, seed)
        rows = list(found.rows[:sample])
        if found.population < sample:
            tell(f"note: {over.id} has {counted(found.population, 'kept row')}, and all of them are in the sample")
    shared = rows[: 0 if sample is None else OVERLAP if overlap is None else overlap]
    wanted = dict.fromkeys(code_meant(name.strip()) for name in language.split(",")) if language is not None else {}
    there = sorted({row.language for row in rows})
    if rows and wanted and not wanted.keys() & there:
        source = context.get_parameter_source("language")
        said = LANGUAGES if source is not None and source.name == "ENVIRONMENT" else "--language"
        raise UsageError(f"{said} {clipped(language or '')!r}: the rows are in {', '.join(there)}")
    if wanted:
        rows, shared = ([row for row in some if row.language in wanted] for some in (rows, shared))
    desk = Desk(store, rows, overlap=len(shared))
    for each in wanted:
        rows_there, judged, mine = desk.counted(each, reviewer)
        who = "" if serve else f", {mine} by {reviewer}"
        tell(f"{each}: {counted(rows_there, 'row')} to judge, {judged} judged{who}")
    if as_json:
        return show_json(desk, over.id)
    if not rows:
        tell(f"{over.id}: nothing that is kept waits for a review")
        return 0
    code = in_browser(desk, over.id, port or 0) if serve else in_terminal(desk, store_url, reviewer)
    tell_rate(store, over.id)
    return code


def in_terminal(desk: "Desk", store_url: str, reviewer: str) -> int:
    from culturepark.replay.session import Session
    from culturepark.review.app import ReviewApp
    from culturepark.terminal.bidi import left_to_us
    from culturepark.terminal.safe import tell

    shown = ReviewApp(desk, Session(store_url, reviewer, store=desk.store))
    with left_to_us(sys.stdout, os.environ):
        shown.run()
    shown.session.finish()
    if shown.trouble:
        raise shown.trouble
    tell(desk.progress(reviewer).line(reviewer))
    return shown.return_code or 0


def in_browser(desk: "Desk", title: str, port: int) -> int:
    from culturepark.review.server import ReviewServer
    from culturepark.terminal.safe import tell, write

    server = ReviewServer(desk, title, port)
    tell("Open this in a browser on this machine. Whoever has the link can judge; it is valid until Ctrl-C.")
    write(server.url)
    server.serve()
    tell(f"{desk.judged} of {len(desk.rows)} rows are judged")
    return 0


def show_json(desk: "Desk", over_id: str) -> int:
    """Write which rows there are to judge, and what is known of the error rate."""
    from culturepark.stats.warranty import warranty_of
    from culturepark.store.draws import over_of
    from culturepark.terminal.safe import write

    over = over_of(desk.store, over_id)
    with desk.store.database.reading() as look:
        known = warranty_of(look, over)
    by_language = {code: dict(zip(("rows", "judged"), desk.counted(code), strict=False)) for code in desk.languages}
    shown = {"over": over_id, "rows": list(desk.rows), "judged": desk.judged, "languages": by_language}
    write(json.dumps(shown | {"warranty": known.as_json() if known else None}))
    return 0


def tell_rate(store: "Store", over_id: str) -> None:
    from culturepark.stats.text import error_lines
    from culturepark.stats.warranty import warranty_of
    from culturepark.store.draws import over_of
    from culturepark.terminal.safe import tell

    with store.database.reading() as look:
        known = warranty_of(look, over_of(store, over_id))
    for line in error_lines(known, over_id, store_option(store)):
        tell(line)
