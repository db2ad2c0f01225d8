"""The text of `simulate --dry-run`: calls, tokens and cost of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, ModelRole
from culturepark.errors import StoreError
from culturepark.glossary import counted
from culturepark.models.spec import ModelSpec
from culturepark.run.forecast import FORESEEN, Forecast, Past, forecast
from culturepark.run.plan import models_column
from culturepark.run.rating import known
from culturepark.store import runs
from culturepark.store.database import exists
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.terminal.safe import out, safe, tell, write

MOST_PAST_RUNS = 10
DAY = 24
"""Hours after which a service gives up on a batch."""


def show_forecast(
    edition: Edition,
    models: Mapping[ModelRole, ModelSpec],
    seed: int,
    store_url: str,
    as_json: bool,
    batched: Sequence[str] = (),
) -> int:
    """
    Args:
        batched: what is asked in batches.
    """
    past: list[Past] = []
    if exists(store_url):
        past = past_runs(lambda: Store(store_url, must_exist=True), edition.scenario.protocol, models)
    figures = forecast(plan(edition, seed, known(edition)), edition.scenario, models, past, batched)
    if as_json:
        write(json.dumps(figures.model_dump()))
        return 0
    console = out()
    console.print(
        f"{counted(figures.dialogues, 'dialogue')} with {figures.persona_turns} turns of personas; "
        "nothing has been sent"
    )
    for name, ends in figure_lines(figures).items():
        console.print(f"{name:>18}  {ends}")
    if figures.measure_calls:
        console.print(f"{'to measure talks':>18}  {figures.measure_calls:,} of the calls")
    if figures.batches:
        low, high = figures.batches
        console.print(
            f"{'batches':>18}  {low:,} to {high:,}, one after the other; each takes minutes to hours, at most {DAY} h",
            soft_wrap=True,
        )
    if past:
        ids = ", ".join(run.run_id for run in past[:3]) + (", ..." if len(past) > 3 else "")
        console.print(f"{'judged by':>18}  {ids}", soft_wrap=True)
    for skip in figures.skipped:
        console.print(f"{'skipped':>18}  {safe(skip)}", soft_wrap=True)
    return 0


def figure_lines(figures: Forecast) -> dict[str, str]:
    """Return the ranges of a forecast in words."""
    counts = {
        "calls": figures.calls,
        "prompt tokens": figures.prompt_tokens,
        "completion tokens": figures.completion_tokens,
    }
    cost = figures.cost_usd
    return {name: f"{low:,} to {high:,}" for name, (low, high) in counts.items()} | {
        "cost": f"${cost[0]:.2f} to ${cost[1]:.2f}" if cost else "no known price"
    }


def past_runs(opened: Callable[[], Store], protocol: str, models: Mapping[ModelRole, ModelSpec]) -> list[Past]:
    """Return the last complete runs with the same protocol and models; of a damaged store, those that can be read."""
    past: list[Past] = []
    try:
        store = opened()
        for row in runs.completed(store, models_column(models)):
            edition = edition_of(row)
            if edition.scenario.protocol == protocol and len(past) < MOST_PAST_RUNS:
                held = plan(edition, row.seed, known(edition))
                spent, cost = runs.spent_by_stage(store, row.id), runs.cost_of(store, row.id, FORESEEN)
                past.append(Past(row.id, held, edition.scenario, spent, cost))
    except StoreError as error:
        tell(f"note: not all past runs can be learnt from: {safe(error)}")
    return past
