"""The command that goes from rows to a verdict: loop."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, StoreUrl, decodable, gather

if TYPE_CHECKING:
    from culturepark.loop.doing import Hands
    from culturepark.loop.plan import Plan, Step
    from culturepark.models.trust import Trust
    from culturepark.store.store import Store
    from culturepark.store.tables import RunRow

app = typer.Typer()


@app.command(
    epilog="""\b
What it would do: each step as a command, which of them are done, and how long the others take:
Example: culturepark loop my-loop.yaml --dry-run
\b
All of it; after Ctrl-C the same command goes on:
Example: culturepark loop my-loop.yaml --out runs/loops/mine
\b
Only the rows of all arms, to look at; and later what can be said while it is still going on:
Example: culturepark loop my-loop.yaml --until rows
Example: culturepark loop my-loop.yaml --so-far
"""
)
@gather
def loop(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A loop file, as `culturepark new loop NAME` writes; `loop` is shipped."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For rows, adapters and verdict. [default: runs/loops/NAME]")
    ] = None,
    until: Annotated[
        Literal["simulate", "rows", "train", "evaluate", "verdict"], typer.Option(help="Last stage to do.")
    ] = "verdict",
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Do nothing more; say what can be said of what is done.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Name the steps; do nothing.")] = False,
    store_url: StoreUrl = STORE,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Questions at once (4 local, 16 remote).")
    ] = None,
    limits: Limits = UNLIMITED,
    as_json: Json = False,
) -> int:
    """Train on rows and on controls, ask all of them, and say whether a model came nearer to the people.

    A loop file names rows, cultures, trainings and controls. What is done is not done again: after a stop the same
    command goes on where it was.
    """
    from culturepark.errors import CultureparkError, Interrupted, UsageError
    from culturepark.loop.plan import read_plan
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    plan = read_plan(found(decodable(file)), out)
    if dry_run:
        return forecast(plan, store_url, as_json)
    if so_far:
        return show(plan, Store(store_url, must_exist=True), as_json)
    from culturepark.loop.doing import Doing
    from culturepark.models import prices

    prices.table()
    store = Store(store_url)
    try:
        Doing(plan, store, hands(concurrency, limits)).do(until)
    except KeyboardInterrupt:  # between two steps, or while a model is being loaded
        raise Interrupted("stopped; the same command goes on where it was") from None
    except CultureparkError as error:
        if not isinstance(error, UsageError):
            tell("what is done is kept: the same command goes on where it was, and --so-far says what is known by now")
        raise
    if until != "verdict":
        tell(f"done until {until}; the same command without --until goes on")
        write(json.dumps([step.model_dump(mode="json") for step in steps(plan, store)]) if as_json else str(plan.out))
        return 0
    return show(plan, store, as_json)


def found(file: str) -> Path:
    """Return the path of a loop file, or of a shipped one."""
    from culturepark.catalog import loops
    from culturepark.errors import UsageError
    from culturepark.files import clipped, exists

    path = Path(file)
    if exists(path) or loops.is_file_name(file):
        return path
    shipped = {one.stem: one for one in loops.shipped_loops()}
    if file not in shipped:
        raise UsageError(f"no loop {clipped(file)!r}: neither a file nor a shipped one ({', '.join(shipped)})")
    return shipped[file]


def show(plan: "Plan", store: "Store", as_json: bool) -> int:
    """Write what came of a loop, and print it."""
    from functools import partial
    from textwrap import wrap

    from culturepark.cli.table import print_lines
    from culturepark.loop.document import written
    from culturepark.loop.text import screen
    from culturepark.terminal.safe import tell, write

    made = written(plan, store)
    if as_json:
        write(json.dumps(made.as_json()))
    else:

        def lines(made: Any, width: int) -> Any:
            for line in screen(made):
                # Rows of tables stay whole.
                yield from [line] if line.startswith("  ") or not line else wrap(line, width, subsequent_indent="    ")

        print_lines(partial(lines, made))
    tell(f"{plan.out / 'README.md'} has all tables, {plan.out / 'loop.json'} the same for programs")
    return 0


# --- beforehand --------------------------------------------------------------------------------------


def steps(plan: "Plan", store: "Store | None") -> "list[Step]":
    from culturepark.cli.options import store_option
    from culturepark.loop.plan import steps_of_loop

    return steps_of_loop(plan, store, store_option(store) if store else "")


UNITS = {"train": "step", "evaluate": "question"}
"""Stage with many steps -> what each of them is counted in."""


def forecast(plan: "Plan", store_url: str, as_json: bool) -> int:
    """Print the steps of a loop, and how long those take that are not done."""
    from culturepark.cli.train import duration
    from culturepark.errors import CatalogError, StoreError, UsageError
    from culturepark.files import clipped, some_of
    from culturepark.glossary import counted
    from culturepark.loop.plan import missing_runs, problems_of_base
    from culturepark.store.store import Store
    from culturepark.terminal.safe import safe, tell, write

    try:
        store = Store(store_url, must_exist=True)
    except (StoreError, UsageError):
        store = None  # nothing is done yet
    if missing := missing_runs(plan.file, store):
        raise UsageError(
            f"{plan.path}: rows.runs: not in this store: {some_of([clipped(name) for name in missing], 5)}"
        )
    if wrong := problems_of_base(plan.path):
        raise CatalogError(wrong)
    found = steps(plan, store)
    if as_json:
        write(json.dumps([step.model_dump(mode="json") for step in found]))
        return 0
    told: set[str] = set()
    for step in found:
        state = "done" if step.done else "begun" if step.begun else "to do"
        amount = "" if step.amount is None else f", {counted(step.amount, UNITS[step.stage])}"
        takes = "" if step.done or step.seconds is None else f", about {duration(step.seconds)}"
        write(f"{state:5}  {step.stage}: {safe(step.what)}{amount}{takes}")
        if step.stage not in UNITS or step.stage not in told:
            write(f"       {safe(step.command)}")
        told.add(step.stage)
    tell("the other trainings and evaluations are commands like their first; --json has them all")
    left = [step for step in found if not step.done and step.stage in ("train", "evaluate")]
    known = [step.seconds for step in left if step.seconds is not None]
    unknown = (
        f"; how long {len(left) - len(known)} of them take is not known yet: it is once this store has a training on "
        "this base and an evaluation of it"
        if len(known) < len(left)
        else ""
    )
    sums = f", about {duration(sum(known))} for those that are known" if known else ""
    tell(f"{len(left)} trainings and evaluations to do{sums}{unknown}")
    return 0


# --- doing it ----------------------------------------------------------------------------------------


def hands(concurrency: int | None, limits: Limits) -> "Hands":
    """Return what a loop asks of a command: progress on stderr, and runs carried on in front of the user."""
    from culturepark.cli.consent import trust_in
    from culturepark.cli.train import fetching, watched
    from culturepark.loop.doing import Hands
    from culturepark.terminal.safe import tell

    return Hands(
        talk=talk,
        ask=ask,
        trust=lambda specs: trust_in(specs, []),
        watch=watched,
        fetching=fetching,
        tell=tell,
        limits=limits.given,
        concurrency=concurrency,
    )


def talk(store: "Store", row: "RunRow", trust: "Trust") -> None:
    """Carry a run of dialogues on to its end.

    Raises:
        CultureparkError: what stopped it.
    """
    from culturepark.cli.execution import carried_on
    from culturepark.domain import Status

    if failure := carried_on(store, row, trust):
        raise failure
    not_done(store, row.id, Status.DONE)


def ask(store: "Store", row: "RunRow", trust: "Trust") -> None:
    """Carry an evaluation on to its end.

    Raises:
        CultureparkError: what stopped it.
    """
    import asyncio

    from culturepark.cli.execution import until_stopped
    from culturepark.cli.progress import Quiet, counting
    from culturepark.cli.roles import warn_of_unknown_prices
    from culturepark.domain import Status
    from culturepark.evaluate.evaluation import Evaluation

    warn_of_unknown_prices(store, row)
    with counting("answers") as progress:
        asyncio.run(until_stopped(Evaluation(store, row, Quiet(), trust, progress)))
    not_done(store, row.id, Status.DONE)


def not_done(store: "Store", run_id: str, done: str) -> None:
    """
    Raises:
        CultureparkError: if a run is not done though nothing stopped it; the same command tries again.
    """
    from culturepark.errors import CultureparkError

    row = store.run(run_id)
    if row.status != done:
        raise CultureparkError(f"{run_id}: {row.status}, {row.stop_reason}; the same command goes on with it")
