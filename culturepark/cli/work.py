"""The command that joins the workers of a run."""

from typing import Annotated

import typer

from culturepark.cli.options import ALONE, STORE, Endpoints, Fleet, Json, RunId, StoreUrl, gather

app = typer.Typer()


@app.command(
    epilog="""\b
On a second machine, beside the `simulate` or `resume` that began the run:
Example: culturepark work last --store postgresql+psycopg://park@db.example.org/park
\b
On a machine that is ready before the run is:
Example: culturepark work pilot --idle 600 --store postgresql+psycopg://park@db.example.org/park
"""
)
@gather
def work(
    run_id: RunId,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=512, help="Requests in flight at once of this worker; else the run's own number."),
    ] = None,
    idle: Annotated[
        float, typer.Option(min=0, max=86_400, metavar="SECONDS", help="Wait so long for a run that is not there yet.")
    ] = 0,
    lease: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=3600,
            metavar="SECONDS",
            help="Not heard of for so long, this worker loses its dialogues to others. [default: 30]",
        ),
    ] = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
    fleet: Fleet = ALONE,
    as_json: Json = False,
) -> int:
    """Work on a run together with other processes, on any machine, until nothing is left to do; needs PostgreSQL."""
    from culturepark.cli.consent import check_used, trust_in
    from culturepark.cli.execution import check_ended, join
    from culturepark.domain import Status
    from culturepark.errors import UsageError
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.run.plan import models_of, roles_until, settings_of
    from culturepark.run.workers import awaited, check_shared, is_over
    from culturepark.store.integrity import edition_of
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell

    prices.table()
    fleet.check()
    trust = trust_in([], endpoints or [])
    store = Store(store_url, must_exist=True)
    row = awaited(store, run_id, idle)
    check_shared(store, row)
    check_ended(store, row)
    models = models_of(row)
    check_used(trust, models.values(), row.id)
    check_specs(models, roles_until(settings_of(row).until, edition_of(row).scenario, models), trust)
    with store.database.share(row.id, patience=max(idle, 10)):
        row = store.run(row.id)
        if is_over(store, row):
            if row.status == Status.FAILED:
                raise UsageError(f"{row.id}: {row.stop_reason}; `culturepark resume {row.id}` tries them again")
            tell(f"{row.id} is done; nothing is left to work on")
        if fleet.engine != "local":
            from culturepark.cli.cluster import carry_on_with

            return carry_on_with(fleet, store, row, as_json, concurrency=concurrency, lease=lease)
        return join(store, row, trust, as_json, concurrency=concurrency, lease=lease)
