"""The command that makes people: from a table, or to quotas."""

from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, StoreUrl, gather

app = typer.Typer()


@app.command(
    epilog="""\b
People of a table that says everything a card needs, without a model:
Example: culturepark people --from people.csv --map map.yaml --out my-people.jsonl
\b
A thousand rows of a table of personas; a model writes what the table does not say:
Example: culturepark people --from people.parquet --map map.yaml --out my-people --count 1000 --model openai:gpt-4o-mini
\b
People to quotas, without any table:
Example: culturepark people --quotas quotas.yaml --out my-people --count 1000 --model openai:gpt-4o-mini
"""
)
@gather
def people(
    table: Annotated[
        Path | None, typer.Option("--from", metavar="TABLE", help="A table of people: CSV, TSV, JSONL or Parquet.")
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="Which columns of the table become which keys.")
    ] = None,
    quotas: Annotated[
        Path | None, typer.Option("--quotas", metavar="FILE", help="Shares by age, gender, region and the like.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="A folder for the cards, or one file that ends with .jsonl."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="So many people; else all rows, or 100 to quotas.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws rows, people and leanings.", min=0, max=2**62)] = 1,
    model: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Writes what table or quotas do not say, as openai:NAME[@BASE_URL]."),
    ] = None,
    store_url: StoreUrl = STORE,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="People asked for at once (4 local, 16 remote).")
    ] = None,
    limits: Limits = UNLIMITED,
    run_id: Annotated[str | None, typer.Option(metavar="ID", help="Name the run; if it exists, go on with it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    as_json: Json = False,
) -> int:
    """Make cards of people from a table, or to quotas."""
    from culturepark.cli.execution import check_run_id
    from culturepark.cli.population import Wanted, copy_cards, forecast_people, make_people, of_quotas, of_table

    check_run_id(run_id)
    wanted = Wanted(table, map_file, quotas, out, count, seed, model)
    wanted.check()
    source = of_table(wanted) if table else of_quotas(wanted)
    if model is None:
        return copy_cards(wanted, source, as_json)
    if dry_run:
        return forecast_people(wanted, source, as_json)
    return make_people(wanted, source, store_url, concurrency, limits, run_id, as_json)
