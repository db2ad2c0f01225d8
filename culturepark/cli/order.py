"""The commands that keep a store in order: runs, calls, merge."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Json, StoreUrl, decodable

if TYPE_CHECKING:
    from culturepark.store.calls import Line
    from culturepark.store.merge import Merged
    from culturepark.store.runs import Hanging
    from culturepark.store.store import Store
    from culturepark.store.tables import CallRow

app = typer.Typer()
State = Literal["pending", "running", "done", "failed", "stopped"]


def pair(given: tuple[str, str] | None) -> tuple[str, str] | None:
    return given and (decodable(given[0]), decodable(given[1]))


@app.command(
    epilog="""\b
What was held with one model since the first of the month:
Example: culturepark runs --since 2026-11-01 --model gpt-4o
\b
A name, which every command takes in place of the id, and a note:
Example: culturepark runs --rename last pilot --note last "prompts as in the paper"
\b
What hangs on a run, and then without it:
Example: culturepark runs --delete pilot
"""
)
def runs(
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only runs of this scenario.",
            callback=decodable,
            autocompletion=completion.scenarios,
        ),
    ] = None,
    status: Annotated[State | None, typer.Option(help="Only runs in this state.")] = None,
    culture: Annotated[
        str | None,
        typer.Option(
            help="Only runs in which somebody of this one takes part, and evaluations of it.",
            autocompletion=completion.cultures,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Only runs with this in the spec of one of their models.", callback=decodable
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Only runs made from then on: 2026-11-21, or with a time, in UTC."),
    ] = None,
    named: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only runs with these words in name or note.", callback=decodable),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the newest.")] = None,
    rename: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="RUN NAME",
            help='Name a run; "" takes its name away.',
            callback=pair,
            autocompletion=completion.runs,
        ),
    ] = None,
    note: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="RUN TEXT",
            help='Note something on a run; "" takes its note away.',
            callback=pair,
            autocompletion=completion.runs,
        ),
    ] = None,
    delete: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Delete a run, by its whole id or name, with all that came of it.",
            callback=decodable,
            autocompletion=completion.runs,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """List what is in the store; name, note or delete a run."""
    from culturepark.store import first_look
    from culturepark.terminal.safe import write

    asked = (scenario, status, culture, model, since, named, rename, note, delete)
    if all(value is None for value in asked) and (known := first_look.listed(store_url, limit)):
        as_known = [run | {"answers_planned": run["answers"]} for run in known]
        if as_json:
            write(json.dumps(as_known))
        else:
            show(as_known)
        return 0
    from culturepark.cli.personas import known_cultures, one_of
    from culturepark.errors import UsageError
    from culturepark.redact import redact
    from culturepark.store.database import exists
    from culturepark.store.runs import Wanted
    from culturepark.store.runs import runs as list_runs
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell

    filters = (scenario, status, culture, model, since, named, limit)
    if any(value is not None for value in filters) and (delete or rename or note):
        raise UsageError("--delete, --rename and --note take a run; filters are for the list")
    if delete:
        return delete_run(Store(store_url, must_exist=True), delete, yes)
    if rename or note:
        return change(Store(store_url, must_exist=True), rename, note, as_json)
    wanted = Wanted(
        scenario=scenario,
        status=status,
        culture=one_of("--culture", [culture], known_cultures(store_url))[0] if culture else None,
        model=model or "",
        since=None if since is None else moment_of(since),
        named=named or "",
        limit=limit,
    )
    store = Store(store_url, must_exist=True) if exists(store_url) else None
    listed = [as_listed(store, run) for run in list_runs(store, wanted)] if store else []
    if as_json:
        write(json.dumps(listed))
    elif listed:
        show(listed)
    elif wanted != Wanted():
        tell(f"no run in {redact(store_url)} is like that; `culturepark runs` lists all")
    else:
        tell(
            f"no runs yet in {redact(store_url)}; `culturepark simulate quickstart` makes one\n"
            "until then there is `demo`, recorded with a large language model: `culturepark replay demo`"
        )
    return 0


def moment_of(since: str) -> str:
    """Return a date or time as the store writes times.

    Raises:
        UsageError: if it is neither.
    """
    from datetime import UTC, datetime

    from culturepark.errors import UsageError
    from culturepark.files import clipped
    from culturepark.models.ledger import moment

    try:
        when = datetime.fromisoformat(since.strip())
        return moment(when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {clipped(since)!r}: a date, as 2026-11-21, or with a time, 2026-11-21T18:30"
        ) from None


def as_listed(store: "Store", run: dict[str, Any]) -> dict[str, Any]:
    """Return a run with the number of answers that its evaluation plans; None where it evaluates nothing."""
    planned = None
    if run["suite"] is not None:
        planned = run["answers"]
        if run["status"] != "done":
            from culturepark.evaluate.evaluation import answers_planned

            planned = answers_planned(store, run["run"])
    return run | {"answers_planned": planned}


def show(listed: list[dict[str, Any]]) -> None:
    """Print runs as a table; columns that all of them leave empty are left out."""
    from culturepark.cli.table import print_table

    more = [(key, heading) for key, heading in MORE.items() if any(run[key] for run in listed)]
    print_table(
        ("run", "scenario", "status", "dialogues", "samples", "stopped by", *(heading for _, heading in more)),
        [
            (
                run["run"],
                run["scenario"] if run["suite"] is None else f"{run['scenario']}, {answerer_of(run)}",
                run["status"],
                progress_of(run),
                run["samples_kept"] if run["suite"] is None else "",
                "" if run["status"] == "done" else run["stop_reason"] or "",
                *(run[key] or "" for key, _ in more),
            )
            for run in listed
        ],
    )


def answerer_of(run: dict[str, Any]) -> str:
    """Return the spec of the model that answers in an evaluation; texts that were given are nobody's."""
    return str(run["models"].get("speaker", "given texts"))


def progress_of(run: dict[str, Any]) -> str:
    """Return how many dialogues are done of how many, or answers of an evaluation."""
    if run["suite"] is None:
        return f"{run['dialogues_done']}/{run['dialogues']}"
    return f"{run['answers']}/{run['answers_planned']} answers"


MORE = {"parent": "branch of", "name": "name", "note": "note"}


def change(store: "Store", rename: tuple[str, str] | None, note: tuple[str, str] | None, as_json: bool) -> int:
    """Name a run, note something on a run, or both."""
    from culturepark.store.names import name_run, note_run
    from culturepark.store.runs import runs as list_runs
    from culturepark.terminal.safe import tell, write

    renamed, noted = (store.run(given[0]).id if given else None for given in (rename, note))
    if rename and renamed:
        name = name_run(store, renamed, rename[1])
        tell(f"{renamed} is now called {name}" if name else f"{renamed} has no name now")
    if note and noted:
        note_run(store, noted, note[1])
        tell(f"noted on {noted}" if note[1].strip() else f"{noted} has no note now")
    if as_json:
        write(json.dumps([run for run in list_runs(store) if run["run"] in (renamed, noted)]))
    return 0


def delete_run(store: "Store", named: str, yes: bool) -> int:
    """Say what hangs on a run that is named in full, ask, and delete it."""
    from culturepark.cli.consent import ask, may_ask
    from culturepark.cli.execution import held
    from culturepark.errors import UsageError
    from culturepark.glossary import counted
    from culturepark.store.runs import hanging
    from culturepark.terminal.safe import tell

    run = store.run(named)
    if named not in (run.id, run.name):
        raise UsageError(f"--delete takes a run's whole id: {run.id}")
    with held(store, run.id):
        what = f"{run.id}{f' ({run.name})' if run.name else ''} with {in_words(hanging(store, run.id))}"
        if not yes and not may_ask():
            raise UsageError(f"--delete asks on a terminal; without one, --yes deletes {what}")
        if not yes and not ask(f"Delete {what}, for good?"):
            tell("nothing was deleted")
            return 0
        swept = store.delete_run(run.id)
    tell(f"deleted {what}")
    freed = f"{counted(swept, 'piece')} of its requests that no other call has went along; " if swept else ""
    tell(
        f"{freed}left behind: vectors of its texts, which other runs may use, and what you exported of it, if anything"
    )
    return 0


def in_words(hanging: "Hanging") -> str:
    """Say what goes with a run, and what would lead nowhere then."""
    from culturepark.glossary import counted

    def of_people(given: Mapping[str, int], noun: str) -> str:
        by = ", ".join(f"{person} {number:,}" for person, number in given.items())
        return counted(sum(given.values()), noun) + (f" (by {by})" if by else "")

    parts = [
        counted(hanging.dialogues, "dialogue"),
        counted(hanging.statements, "statement"),
        counted(hanging.samples_kept, "kept sample"),
        counted(hanging.calls, "call"),
        *([counted(hanging.answers, "answer")] if hanging.answers else []),
        *([of_people(hanging.ratings, "rating")] if hanging.ratings else []),
        *([counted(hanging.draws, "draw for a review")] if hanging.draws else []),
    ]
    held = "".join(
        f"; {row_id} keeps {counted(number, 'row')} of it, which then lead nowhere"
        for row_id, number in hanging.held.items()
    )
    return f"{', '.join(parts)} and {of_people(hanging.reviews, 'review')}{held}"


@app.command(
    epilog="""\b
What was asked and answered with these words in it, newest first:
Example: culturepark calls last --grep "kola nut"
\b
One call whole:
Example: culturepark calls RUN.d1.t4.c1
\b
What guards turned down in one dialogue:
Example: culturepark calls demo.d1 --refused
"""
)
def calls(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|DIALOGUE|ID",
            help="Only calls of a run, a dialogue or a turn; or a call, which is shown whole.",
            callback=decodable,
            autocompletion=completion.runs,
        ),
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Only calls with this text in request or answer, in any case.", callback=decodable
        ),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only calls of this stage.", callback=decodable)] = None,
    model: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only calls of models with this in the name.", callback=decodable)
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that failed.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Only calls whose answer a guard refused.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 50,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Search the log of calls, or show one call whole."""
    from culturepark.cli.progress import counting
    from culturepark.errors import UsageError
    from culturepark.ids import kind_of
    from culturepark.store.calls import Wanted, call, subject_of
    from culturepark.store.calls import calls as calls_of
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    store = Store(store_with(store_url, subject) if subject else store_url, must_exist=True)
    wanted = Wanted(subject_of(store, subject) if subject else None, stage, model, failed, refused)
    if wanted.subject and kind_of(wanted.subject) == "call":
        if grep or stage or model or failed or refused:
            raise UsageError("the id of a call shows it whole; --grep and the others are for lists")
        show_call(call(store, wanted.subject), as_json)
        return 0
    with counting("calls searched") as progress:
        lines = list(calls_of(store, wanted, grep, limit, progress))
    if as_json:
        write(json.dumps([line.as_json() for line in lines]))
    elif not lines:
        tell("no call is like that")
    else:
        show_calls(lines, searched=grep is not None)
    if len(lines) == limit:
        tell(f"the newest {limit}; --limit shows more")
    return 0


def show_calls(lines: "list[Line]", *, searched: bool) -> None:
    """Print calls as a table.

    Args:
        searched: show where the words were found.
    """
    from culturepark.cli.table import print_table

    def tokens(row: dict[str, Any]) -> str:
        counts = (row["prompt_tokens"], row["completion_tokens"])
        return " + ".join("?" if count is None else str(count) for count in counts)

    print_table(
        ("call", *(("found",) if searched else ()), "stage", "model", "tokens", "cost", "took", "ended"),
        [
            (
                line.row["id"],
                *((" | ".join(f"{p.where}: {p.before}«{p.words}»{p.after}" for p in line.found),) if searched else ()),
                line.row["stage"],
                line.row["model"],
                tokens(line.row),
                "" if line.row["cost_usd"] is None else f"${line.row['cost_usd']:.6f}",
                "" if line.row["duration_ms"] is None else f"{line.row['duration_ms'] / 1000:.2f} s",
                ended(line.row),
            )
            for line in lines
        ],
        cut=True,
    )


def ended(row: dict[str, Any]) -> str:
    """Say how a call ended: its error, the guard that refused the answer, or the server's reason."""
    if row["error"]:
        return f"failed: {row['error']}"
    return f"refused: {row['refused']}" if row["refused"] else row["finish_reason"] or ""


def show_call(row: "CallRow", as_json: bool) -> None:
    from textwrap import indent

    from culturepark.replay.call_text import in_parts
    from culturepark.store.traced import whole
    from culturepark.terminal.blocks import Para
    from culturepark.terminal.safe import out, plain, write

    if as_json:
        write(json.dumps(whole(row, decode=("request", "response"))))
        return
    console = out()
    for stop in in_parts(row):
        for para in stop.blocks:
            if isinstance(para, Para):
                text = indent(f"{para.head}{para.text}", " " * para.indent)
                console.print(plain(text), soft_wrap=not console.is_terminal)


@app.command(
    epilog="""\b
A copy beside the store, with the time in its name, while a run goes on:
Example: culturepark backup
\b
Into a file of that name, which must not exist:
Example: culturepark backup /mnt/disk/culturepark.db
"""
)
def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="File to make; by default beside the store, with the time in its name."),
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Copy the store into one file and check the copy; runs may go on meanwhile."""
    from culturepark.glossary import counted
    from culturepark.store.backup import backup as copy_of
    from culturepark.terminal.safe import tell, write

    done = copy_of(store_url, file)
    if as_json:
        write(json.dumps(done.as_json()))
    else:
        write(done.file)
    tell(f"copied {counted(done.runs, 'run')} and {counted(done.samples, 'kept sample')}, {done.bytes / 1e6:,.1f} MB")
    return 0


@app.command(
    epilog="""\b
What a colleague's store would bring, and then all of it:
Example: culturepark merge theirs.db --dry-run
\b
The recorded run, to be used together with your own:
Example: culturepark merge demo
\b
Two of its runs:
Example: culturepark merge theirs.db --run pilot --run 20261121-quickstart-7f3a
"""
)
def merge(
    other: Annotated[
        str,
        typer.Argument(
            metavar="STORE",
            help="The other store, a file or a URL, or `demo` or `demo-ko`, recorded ones; it is only read.",
            callback=decodable,
        ),
    ],
    run: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this run of it, by id or name. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken; write nothing.")] = False,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Copy runs from another store into this one, with reviews, selections and draws."""
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from culturepark.cli.progress import counting
    from culturepark.ids import DEMO
    from culturepark.store.database import exists
    from culturepark.store.merge import merge as merge_from
    from culturepark.store.merge import opened
    from culturepark.store.recorded import is_demo, unpacked
    from culturepark.store.store import Store
    from culturepark.terminal.safe import write

    if is_demo(other) and not Path(other).exists():
        run = run or ([other] if other != DEMO else None)
        other = str(unpacked(DEMO if other == DEMO else f"{DEMO}-"))
    with ExitStack() as stack:
        theirs = stack.enter_context(opened(other, store_url))
        nowhere = dry_run and not exists(store_url)
        folder = stack.enter_context(TemporaryDirectory(prefix="culturepark-")) if nowhere else None
        mine = Store(f"sqlite:///{folder}/new.db" if folder else store_url)
        stack.callback(mine.close)
        progress = stack.enter_context(counting("runs"))
        merged = merge_from(mine, theirs, [decodable(name) for name in run or []], dry_run=dry_run, progress=progress)
    if as_json:
        write(json.dumps(merged.as_json() | {"dry_run": dry_run}))
    show_merged(merged, dry_run=dry_run, silent=as_json)
    refused = [one for one in merged.runs if one.outcome == "refused"]
    return 5 if any(one.damaged for one in refused) else 2 if refused else 0


def show_merged(merged: "Merged", *, dry_run: bool, silent: bool) -> None:
    """Print what became of each run, and on stderr why something was not taken.

    Args:
        silent: leave the table out.
    """
    from culturepark.cli.table import print_table
    from culturepark.glossary import counted
    from culturepark.terminal.safe import tell

    if not silent and merged.runs:
        rows = [(one.run, one.outcome, one.dialogues, one.reviews) for one in merged.runs]
        print_table(("run", "outcome", "dialogues taken", "reviews taken"), rows)
    for one in merged.runs:
        for line in (*([f"refused: {one.why}"] if one.why else []), *one.notes):
            tell(f"{one.run}: {line}")
    for line in merged.left_out:
        tell(f"left out: {line}")
    taken = (
        counted(sum(one.outcome in ("added", "updated") for one in merged.runs), "run"),
        counted(sum(one.reviews for one in merged.runs), "review"),
        counted(len(merged.selections), "selection"),
        counted(len(merged.draws), "draw"),
        counted(merged.fits, "rating"),
        counted(merged.vectors, "vector"),
        *([counted(merged.artefacts, "artefact")] if merged.artefacts else []),
    )
    tell(f"{'would be taken' if dry_run else 'taken'}: {', '.join(taken)}")
