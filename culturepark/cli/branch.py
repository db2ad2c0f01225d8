"""The command that goes on from the middle of a stored dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from culturepark.cli import consent, run
from culturepark.models import prices
from culturepark.models.registry import check_specs
from culturepark.run import plan
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.terminal.safe import tell


def branch(
    turn_id: str,
    text: str | None,
    *,
    model: str | None,
    roles: list[str],
    store_url: str,
    seed: int | None,
    limits: Mapping[str, Any],
    as_json: bool,
    endpoints: list[str],
) -> int:
    trust = consent.trust_in(consent.named_in(roles, model).values(), endpoints)
    prices.table()  # a wrong list is told now, and not at the first answer
    store = Store(store_url, must_exist=True)
    parent = store.spoken(turn_id)[2]
    models = run.replaced(parent, roles, model)
    consent.check_used(trust, models.values(), parent.id)
    check_specs(models, run.roles_until("dialogue", edition_of(parent).scenario, models), trust)
    threshold = run.kept_threshold(parent, models)
    settings = replace(plan.settings_of(parent), until="dialogue", threshold=threshold, **limits)
    begun = plan.branch(store, turn_id, text, models=models, seed=seed, settings=settings)
    (dialogue,) = store.dialogues(begun.id)
    with run.alone(store, begun.id) as row:
        code = run.carry_on(store, row, as_json, trust, {"dialogue": dialogue.id, "parent": dialogue.parent_id})
    where = run.where_is(store)
    tell(f"watch it, and beside its parent (v): culturepark replay {dialogue.id}{where}")
    tell(f"mine it: culturepark resume {begun.id}{where}")
    return code
