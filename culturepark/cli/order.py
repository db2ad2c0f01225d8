"""The commands that keep a store in order: runs."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from culturepark.cli.options import STORE, Json, StoreUrl, decodable

if TYPE_CHECKING:
    from culturepark.store.runs import Hanging
    from culturepark.store.store import Store

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
        str | None, typer.Option(metavar="NAME", help="Only runs of this scenario.", callback=decodable)
    ] = None,
    status: Annotated[State | None, typer.Option(help="Only runs in this state.")] = None,
    culture: Annotated[str | None, typer.Option(help="Only runs in which somebody of this one takes part.")] = None,
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
        typer.Option(metavar="RUN NAME", help='Name a run; "" takes its name away.', callback=pair),
    ] = None,
    note: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="RUN TEXT", help='Note something on a run; "" takes its note away.', callback=pair),
    ] = None,
    delete: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Delete a run, by its whole id or name, with all that came of it.", callback=decodable
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """List what is in the store; name, note or delete a run."""
    from culturepark.cli.personas import one_of
    from culturepark.domain import CULTURES, MAIN_CULTURE
    from culturepark.errors import UsageError
    from culturepark.redact import redact
    from culturepark.store.database import exists
    from culturepark.store.runs import Wanted
    from culturepark.store.runs import runs as list_runs
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

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
        culture=one_of("--culture", [culture], [*CULTURES, MAIN_CULTURE])[0] if culture else None,
        model=model or "",
        since=None if since is None else moment_of(since),
        named=named or "",
        limit=limit,
    )
    listed = list_runs(Store(store_url, must_exist=True), wanted) if exists(store_url) else []
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


def show(listed: list[dict[str, object]]) -> None:
    """Print runs as a table; columns that all of them leave empty are left out."""
    from culturepark.cli.table import print_table

    more = [(key, heading) for key, heading in MORE.items() if any(run[key] for run in listed)]
    print_table(
        ("run", "scenario", "status", "dialogues", "samples", "stopped by", *(heading for _, heading in more)),
        [
            (
                run["run"],
                run["scenario"],
                run["status"],
                f"{run['dialogues_done']}/{run['dialogues']}",
                run["samples_kept"],
                "" if run["status"] == "done" else run["stop_reason"] or "",
                *(run[key] or "" for key, _ in more),
            )
            for run in listed
        ],
    )


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
        store.delete_run(run.id)
    tell(f"deleted {what}")
    return 0


def in_words(hanging: "Hanging") -> str:
    """Say what goes with a run, and what would lead nowhere then."""
    from culturepark.glossary import counted

    by = ", ".join(f"{reviewer} {number:,}" for reviewer, number in hanging.reviews.items())
    reviews = counted(sum(hanging.reviews.values()), "review") + (f" (by {by})" if by else "")
    parts = [
        counted(hanging.dialogues, "dialogue"),
        counted(hanging.statements, "statement"),
        counted(hanging.samples_kept, "kept sample"),
        counted(hanging.calls, "call"),
        *([counted(hanging.draws, "draw for a review")] if hanging.draws else []),
    ]
    held = "".join(
        f"; {row_id} keeps {counted(number, 'row')} of it, which then lead nowhere"
        for row_id, number in hanging.held.items()
    )
    return f"{', '.join(parts)} and {reviews}{held}"
