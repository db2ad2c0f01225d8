"""The command that lists what the items of a suite take for granted: suites audit."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, StoreUrl, decodable, gather
from culturepark.cli.suites import suites


@suites.command(
    epilog="""\b
A model lists what each item takes for granted, in a file for a person to confirm:
Example: culturepark suites audit judged --model openai:gpt-4o-mini --out runs/assumptions.csv
\b
What became of it, once somebody has written yes or no into the column `confirmed`:
Example: culturepark suites audit judged --import runs/assumptions.csv
"""
)
@gather
def audit(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A suite's name, or its file.", autocompletion=completion.suites)
    ],
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="The model that looks for them.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the list: FILE.csv or FILE.json.")] = None,
    confirmed: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Count what a person has confirmed in a list.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N items.")] = None,
    store_url: StoreUrl = STORE,
    concurrency: Annotated[int | None, typer.Option(min=1, max=512, help="Calls at once (4 local, 16 remote).")] = None,
    limits: Limits = UNLIMITED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    as_json: Json = False,
) -> int:
    """List what the items of a suite take for granted (families, feasts, money, names, a West), for you to confirm."""
    from dataclasses import replace

    from culturepark.catalog.suites import find_suite
    from culturepark.cli.consent import trust_in
    from culturepark.cli.execution import ended_by
    from culturepark.cli.panel import warn_of_prices
    from culturepark.cli.progress import Quiet, counting
    from culturepark.cli.table import print_table
    from culturepark.errors import BudgetReached, UsageError
    from culturepark.evaluate.audit import COLUMNS, ITEMS_A_CALL, Audit, forecast, read_confirmed, run_of_audit, written
    from culturepark.files import some_of
    from culturepark.glossary import counted
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.models.spec import parse
    from culturepark.run.plan import Settings
    from culturepark.store.store import Store
    from culturepark.terminal.safe import safe, show_origin, tell, write

    found = find_suite(decodable(suite))
    if confirmed:
        read = read_confirmed(confirmed, found)
        for line in [json.dumps(read.as_json())] if as_json else read.lines():
            write(safe(line))
        return 0
    if model is None:
        raise UsageError("--model SPEC names the model that looks for assumptions, --import FILE a list to count")
    if out and out.exists():
        raise UsageError(f"--out {safe(out)}: the file exists, and may hold what was confirmed")
    spec = parse(model, "judge")
    prices.table()
    chosen = found.items[:items]
    if dry_run:
        figures = forecast(chosen, spec)
        lines = [json.dumps(figures)] if as_json else [f"{name.replace('_', ' ')}: {v}" for name, v in figures.items()]
        for line in lines:
            write(line)
        return 0
    trust = trust_in([spec], [])
    check_specs({"judge": spec}, ["judge"], trust)
    warn_of_prices([spec], limits)
    if spec.scripted or spec.of.tiny:
        tell(f"note: {spec} cannot tell what is taken for granted; its list shows how the command works")
    store = Store(store_url)
    row = run_of_audit(store, found, spec)
    settings = replace(Settings(concurrency=concurrency or (16 if spec.remote else 4)), **limits.given)
    with store.database.hold(row.id), counting("items") as progress:
        work = Audit(store, row, Quiet(), trust, spec, settings, chosen, progress)
        failure = ended_by(work)
    if out and not failure:
        written(work.found, out)
    if as_json:
        write(json.dumps({
            "suite": found.name, "model": str(spec), "run": row.id, "items": len(chosen), "unread": work.unread,
            "assumptions": [one.as_json() for one in work.found],
        }))  # fmt: skip
    elif out and not failure:
        write(str(out))
    else:
        print_table(COLUMNS[:-1], [[getattr(one, name) for name in COLUMNS[:-1]] for one in work.found])
    if failure:
        more = f" with {failure.option}" if isinstance(failure, BudgetReached) else ""
        tell(f"{safe(failure)}\nthe same command{more} goes on; nothing that was answered is asked again")
        show_origin(failure)
        return failure.exit_code
    if work.unread:
        tell(f"note: no answer could be read for {safe(some_of(work.unread, ITEMS_A_CALL))}")
    with_some = len({one.item for one in work.found})
    tell(
        f"{counted(len(work.found), 'assumption')} in {with_some} of {counted(len(chosen), 'item')}, by {safe(spec)}: "
        "a model's view, which a person has to confirm"
    )
    return 1 if work.failed else 0
