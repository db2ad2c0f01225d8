"""The commands that show what is in a store: stats, replay, queue, trace."""

import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import (
    STORE,
    Endpoints,
    Json,
    RunId,
    RunOrSelection,
    StoreUrl,
    decodable,
    show_in,
    store_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from culturepark.store.store import Store

app = typer.Typer()


@app.command(epilog="Example: culturepark stats last --stances | less")
def stats(
    run_id: RunId,
    store_url: StoreUrl = STORE,
    stances: Annotated[
        bool, typer.Option("--stances", help="Show every stance drawn, not only the worst fits.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show how varied a run's voices are, how judges agree, stances, funnel, cost; of an evaluation its figures."""
    if show_kept(run_id, store_url, stances, as_json):
        return 0
    from culturepark.stats.run_stats import stats as stats_of
    from culturepark.stats.text import stats_lines
    from culturepark.store.evaluations import evaluation_named
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    store = Store(store_with(store_url, run_id), must_exist=True)
    if evaluation := evaluation_named(store, run_id):
        from culturepark.cli.evaluation import show as show_evaluation

        show_evaluation(store, evaluation.id, as_json)
        return 0
    figures = stats_of(store, store.run(run_id), tell)
    if as_json:
        write(json.dumps(figures.as_json()))
        return 0
    print_lines(stats_lines(figures, stances, store_option(store)))
    return 0


def show_kept(run_id: str, store_url: str, stances: bool, as_json: bool) -> bool:
    """Print the figures of a run as they are kept in the store; return whether there are any."""
    from culturepark.store import first_look
    from culturepark.terminal.safe import write

    if as_json:
        if document := first_look.figures(store_url, run_id):
            write(document)
        return bool(document)
    lines = first_look.figure_lines(store_url, run_id, "all" if stances else "short", STORE)
    print_lines(lines or ())
    return bool(lines)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of text; on a terminal those that are too long are continued under their second column."""
    from culturepark.terminal.layout import hung
    from culturepark.terminal.safe import out, plain

    console = out()
    for line in lines:
        shown = hung(plain(line), console.width) if console.is_terminal else plain(line)
        console.print(shown, soft_wrap=True)


@app.command(
    epilog="""\b
In the app, ? shows all keys:
Example: culturepark replay last
\b
On a pipe, and with --plain, it is text:
Example: culturepark replay last | less
"""
)
def replay(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|DIALOGUE",
            help="What to show, `demo` for the recorded run; without, the list of runs, and as plain text the newest.",
            callback=decodable,
            autocompletion=completion.runs,
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain text, for pipes and screen readers; as without a terminal.")
    ] = False,
    behind: Annotated[
        bool, typer.Option("--behind", help="In plain text, also what came of each turn, and how.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go with a run that another process carries on; read-only.")
    ] = False,
    reviewer: Annotated[
        str | None,
        typer.Option(envvar="CULTUREPARK_REVIEWER", metavar="NAME", help="Who judges; else the login name."),
    ] = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
) -> int:
    """Play stored dialogues, look behind every sentence, and judge it."""
    from culturepark.errors import UsageError
    from culturepark.store.recorded import store_with

    show_in()
    store_url = store_with(store_url, target)
    if plain or behind or not on_terminal():
        if endpoints:
            raise UsageError("--endpoint is for branches in the app; plain text asks no model")
        from culturepark.replay import plain as plain_text
        from culturepark.store.evaluations import refuse_evaluation
        from culturepark.store.store import Store

        store = Store(store_url, must_exist=True)
        refuse_evaluation(store, target or "last")
        plain_text.show(plain_text.replay(store, target or "last", follow=follow, behind=behind))
        return 0
    from culturepark.replay.app import Replay
    from culturepark.replay.session import Session
    from culturepark.store.reviewer import named
    from culturepark.terminal.bidi import left_to_us

    reviewer = named(reviewer) if reviewer else login_name()
    session = Session(store_url, reviewer, follow=follow, endpoints=endpoints or [])
    if endpoints:
        _ = session.trust  # errors are reported now, and not at the first branch
    replay_app = Replay(session, target or ("last" if follow else None))
    with left_to_us(sys.stdout, os.environ):
        replay_app.run()
    replay_app.session.finish()
    if replay_app.trouble:
        raise replay_app.trouble
    return replay_app.return_code or 0


@app.command(epilog="Example: culturepark queue last --reviewer anna | head")
def queue(
    target: RunOrSelection,
    reviewer: Annotated[
        str | None,
        typer.Option(envvar="CULTUREPARK_REVIEWER", metavar="NAME", help="Whose reviews count; without it anybody's."),
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """List the kept statements that nobody has judged yet, first what a model made up."""
    from culturepark.cli.table import print_table
    from culturepark.store.draws import over_of
    from culturepark.store.evaluations import refuse_evaluation
    from culturepark.store.recorded import store_with
    from culturepark.store.review_queue import queue_over
    from culturepark.store.reviewer import named
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    reviewer = named(reviewer) if reviewer else ""
    store = Store(store_with(store_url, target), must_exist=True)
    refuse_evaluation(store, target)
    over = over_of(store, target)
    waiting = queue_over(store, over, reviewer)
    if as_json:
        of = "run" if over.samples is None else "selection"
        write(json.dumps({of: over.id, "waiting": [one.as_json() for one in waiting]}))
    elif not waiting:
        tell(f"{over.id}: nothing that is kept waits for a review" + (f" by {reviewer}" if reviewer else ""))
    else:
        print_table(
            ("statement", "content", "says", "kind", "culture"),
            [(one.id, one.why, one.text, one.kind, one.culture) for one in waiting],
            cut=True,
        )
    return 0


def trained_at(subject: str) -> str | None:
    """Return the id of the artefact that is meant, by its id or its folder; None if something else is."""
    from pathlib import Path

    from culturepark.files import is_folder
    from culturepark.ids import is_artefact_id

    if is_artefact_id(subject):
        return subject
    if is_folder(Path(subject)):
        from culturepark.train.artefact import id_in

        return id_in(Path(subject))
    return None


def show_trained(store: "Store", name: str, as_json: bool) -> int:
    """Print what is known of an artefact, and the rows that it was trained on."""
    from collections import Counter

    from culturepark.cli.options import store_option
    from culturepark.ids import run_of
    from culturepark.store.artefacts import artefact, trained_on
    from culturepark.store.artefacts import as_json as facts_of
    from culturepark.terminal.safe import safe, tell, write

    row = artefact(store, name)
    facts, rows = facts_of(row), trained_on(store, row.id)
    if as_json:
        write(json.dumps(facts | {"rows": [one._asdict() for one in rows]}))
        return 0
    write(f"{row.kind} {row.id}")
    for label, value in (("folder", row.path), ("base", row.base or "none"), ("weights", f"sha256 {row.sha256}")):
        write(f"    {label:<12}{safe(value)}")
    for label in ("settings", "figures"):
        if words := values_of(facts[label]):
            write(f"    {label:<12}{safe(words)}")
    write(f"    {'export':<12}manifest sha256 {row.export_manifest_sha256 or 'unknown'}")
    write(f"trained on {len(rows):,} rows")
    for run, count in Counter(run_of(one.row_id) for one in rows).items():
        write(f"    {count:,} of {safe(run) if run else 'no run that is named'}")
    for one in rows:
        if one.row_id:
            write(f"    {safe(one.row_id)}")
    if first := next((one.row_id for one in rows if one.row_id), None):
        tell(f"next: culturepark trace {safe(first)}{store_option(store)}")
    return 0


def values_of(settings: "Mapping[str, Any]") -> str:
    """Return named values as a sentence has them; those without a value, and what holds more than one, are left out."""
    told = {name.replace("_", " "): f"{value:g}" if isinstance(value, float) else value
            for name, value in settings.items() if isinstance(value, str | int | float) and value != ""}  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in told.items())


def on_terminal() -> bool:
    """Tell whether stdin and stdout are a terminal on which an app can be shown."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def login_name() -> str:
    """Return the name of a reviewer who has given none."""
    import getpass

    from culturepark.errors import UsageError
    from culturepark.store.reviewer import named

    try:
        return named(getpass.getuser())
    except (KeyError, OSError, UsageError):  # in some containers the user has no name, or an odd one
        return "reviewer"


@app.command(
    epilog="""\b
What is behind the third line of an export:
Example: culturepark trace runs/mine/all.jsonl:3
\b
What is behind the twelfth answer of an evaluation: the question as it was put, the call, the scores:
Example: culturepark trace e7f3a9c.a12
\b
The rows that an adapter was trained on:
Example: culturepark trace runs/adapters/mine-sft-1 | less
"""
)
def trace(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="ID|FILE:LINE",
            help="A sample, a statement, a turn, a dialogue, an exported line, a model's answer to a suite, or what "
            "was trained: its id or its folder.",
            autocompletion=completion.runs,
        ),
    ],
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Lead a sample, or an answer to a suite, back to the words, the call, the persona and the item it comes from."""
    from culturepark.cli.trace_text import lines_of
    from culturepark.store import quick_trace
    from culturepark.terminal.layout import hung
    from culturepark.terminal.safe import out, write

    console = out()
    if quick := quick_trace.trace(store_url, subject, bodies=as_json):
        if as_json:
            write(json.dumps(quick.as_json()))
            return 0
        for line in lines_of(quick):
            console.print(hung(line, console.width) if console.is_terminal else line, soft_wrap=True)
        return 0
    from culturepark.evaluate.answer_trace import is_of_evaluation, trace_answer
    from culturepark.export.line_trace import find_line
    from culturepark.store.evaluations import refuse_evaluation
    from culturepark.store.lineage import trace as trace_of
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store

    if artefact_id := trained_at(subject):
        return show_trained(Store(store_url, must_exist=True), artefact_id, as_json)
    sides = find_line(subject) or {"chosen": decodable(subject)}
    store = Store(store_with(store_url, *sides.values()), must_exist=True)
    for name in sides.values():
        if "." not in name:
            refuse_evaluation(store, name)
    traces = [trace_answer(store, name) if is_of_evaluation(name) else trace_of(store, name) for name in sides.values()]
    if as_json:
        # The document of a pair is that of the chosen sample, with that of the rejected one inside; of an entry of a
        # registry, that of the telling which gives it its words, with all others inside.
        first, *others = (traced.as_json() for traced in traces)
        write(json.dumps(first | dict(zip([*sides][1:], others, strict=True))))
        return 0
    for traced, side in zip(traces, sides, strict=True):
        if len(traces) > 1:
            console.print(f"{side}:")
        for line in lines_of(traced):
            console.print(hung(line, console.width) if console.is_terminal else line, soft_wrap=True)
    return 0
