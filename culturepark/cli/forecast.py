"""The text of `simulate --dry-run`: calls, tokens and cost of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping

from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, ModelRole
from culturepark.errors import StoreError
from culturepark.glossary import counted
from culturepark.models.spec import ModelSpec
from culturepark.run.forecast import Past, forecast
from culturepark.run.plan import models_column
from culturepark.run.rating import known
from culturepark.store import runs
from culturepark.store.database import exists
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.terminal.safe import out, safe, tell, write

MOST_PAST_RUNS = 10


def show_forecast(
    edition: Edition, models: Mapping[ModelRole, ModelSpec], seed: int, store_url: str, as_json: bool
) -> int:
    past = past_runs(store_url, edition.scenario.protocol, models)
    figures = forecast(plan(edition, seed, known(edition)), edition.scenario, models, past)
    if as_json:
        write(json.dumps(figures.model_dump()))
        return 0
    console = out()
    console.print(
        f"{counted(figures.dialogues, 'dialogue')} with {figures.persona_turns} turns of personas; "
        "nothing has been sent"
    )
    for name, (low, high) in (
        ("calls", figures.calls),
        ("prompt tokens", figures.prompt_tokens),
        ("completion tokens", figures.completion_tokens),
    ):
        console.print(f"{name:>18}  {low:,} to {high:,}")
    if figures.measure_calls:
        console.print(f"{'to measure talks':>18}  {figures.measure_calls:,} of the calls")
    cost = figures.cost_usd
    console.print(f"{'cost':>18}  " + (f"${cost[0]:.2f} to ${cost[1]:.2f}" if cost else "no known price"))
    if past:
        ids = ", ".join(run.run_id for run in past[:3]) + (", ..." if len(past) > 3 else "")
        console.print(f"{'judged by':>18}  {ids}", soft_wrap=True)
    for skip in figures.skipped:
        console.print(f"{'skipped':>18}  {safe(skip)}", soft_wrap=True)
    return 0


def past_runs(store_url: str, protocol: str, models: Mapping[ModelRole, ModelSpec]) -> list[Past]:
    """Return the last complete runs with the same protocol and models."""
    if not exists(store_url):
        return []
    past: list[Past] = []
    try:
        store = Store(store_url, must_exist=True)
        for row in runs.completed(store, models_column(models)):
            edition = edition_of(row)
            if edition.scenario.protocol == protocol and len(past) < MOST_PAST_RUNS:
                spent = runs.spent_by_stage(store, row.id)
                past.append(Past(row.id, edition, row.seed, spent, store.spent(row.id).cost_usd))
    except StoreError as error:
        tell(f"note: not all past runs can be learnt from: {safe(error)}")
    return past
