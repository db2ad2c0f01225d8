"""Begins runs, and reads back what a run was begun with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Literal

from culturepark import __version__
from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, ModelRole, Status
from culturepark.errors import UsageError
from culturepark.models.chat import canonical, digest
from culturepark.models.ledger import now
from culturepark.models.spec import ModelSpec, parse
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

Until = Literal["dialogue", "extract", "verify", "dedup", "samples"]
UNTIL: tuple[Until, ...] = ("dialogue", "extract", "verify", "dedup", "samples")


@dataclass(frozen=True)
class Settings:
    """How a run is carried out; of all this only `threshold` changes what a finished run holds."""

    concurrency: int = 4
    until: Until = "samples"
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    threshold: float | None = None
    """For duplicates, in place of the scenario's; given to `distill`, and kept from then on."""


def new_run(
    store: Store,
    edition: Edition,
    *,
    seed: int,
    models: Mapping[ModelRole, ModelSpec],
    settings: Settings,
    run_id: str,
) -> RunRow:
    """The run's row, made now or, where it exists with the same digest, seed and models, taken up again.

    Raises:
        UsageError: if the run exists but is another.
    """
    scenario = canonical(edition.model_dump(mode="json"))
    scenario_digest = digest(scenario)
    specs = models_column(models)
    if row := store.find_run(run_id):
        different = [
            name
            for name, mine, stored in (
                ("another scenario or --dialogues", scenario_digest, row.scenario_digest),
                ("another --seed", seed, row.seed),
                ("other models", specs, row.models),
            )
            if mine != stored
        ]
        if different:
            raise UsageError(f"the run {run_id} exists with {' and '.join(different)}; name another --run-id")
        kept = replace(settings, threshold=settings_of(row).threshold)
        store.set_plan(row.id, vars(kept), row.models)
        return store.run(row.id)
    row = RunRow(
        id=run_id,
        scenario_name=edition.scenario.name,
        scenario_digest=scenario_digest,
        scenario=scenario,
        seed=seed,
        status=Status.PENDING,
        version=__version__,
        created_at=now(),
        models=specs,
        settings=json.dumps(vars(settings), sort_keys=True),
    )
    store.create_run(row, plan(edition, seed).castings, edition)
    return row


def free_run_id(store: Store, edition: Edition) -> str:
    """`20261121-quickstart-7f3a`: the day, the scenario, and four letters that tell runs of a day apart."""
    while True:
        run_id = f"{datetime.now(UTC):%Y%m%d}-{edition.scenario.name}-{secrets.token_hex(2)}"
        if store.find_run(run_id) is None:
            return run_id


def models_column(models: Mapping[ModelRole, ModelSpec]) -> str:
    return json.dumps({role: str(spec) for role, spec in models.items()}, sort_keys=True)


def models_of(row: RunRow) -> dict[ModelRole, ModelSpec]:
    return {role: parse(spec, role) for role, spec in json.loads(row.models).items()}


def settings_of(row: RunRow) -> Settings:
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in json.loads(row.settings).items() if name in known})
