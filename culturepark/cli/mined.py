"""What `culturepark mine` does: reads its options, forecasts, and carries a mine on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.cli.consent import trust_in
from culturepark.cli.evaluation import between
from culturepark.cli.execution import carry_on, check_run_id
from culturepark.cli.options import Limits
from culturepark.domain import Mining, ModelRole
from culturepark.errors import UsageError
from culturepark.evaluate.asked import cultures_named
from culturepark.files import clipped
from culturepark.glossary import counted
from culturepark.mine.forecast import forecast
from culturepark.mine.mining import check_size, new_mine
from culturepark.mine.plan import Questions, edition_for, plan
from culturepark.models import prices
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.run import Until
from culturepark.run.plan import Settings, free_run_id, mined_roles
from culturepark.store.store import Store
from culturepark.terminal.safe import safe, tell, write


@dataclass(frozen=True)
class Wanted:
    """The options that both commands have."""

    cultures: Sequence[str]
    language: str
    model: str | None
    roles: list[str]
    seed: int
    concurrency: int | None
    until: Until
    run_id: str | None
    dry_run: bool
    as_json: bool


def keys_and_share(texts: Sequence[str]) -> tuple[list[str], float | None]:
    """Return the keys of `--hold-out`, and the share if there is one.

    Raises:
        UsageError: if a share is none, or there are two.
    """
    keys, shares = [], []
    for text in texts:
        try:
            shares.append(float(text))
        except ValueError:
            keys.append(text)
    if len(shares) > 1 or any(not 0 < share < 1 for share in shares):
        raise UsageError(f"--hold-out {clipped(texts[0])}: one share between 0 and 1, and keys of questions")
    return keys, shares[0] if shares else None


def carry_out(questions: Questions, mining: Mining, wanted: Wanted, limits: Limits, store_url: str) -> int:
    """Make a mine and carry it on, or say what it would take."""
    check_run_id(wanted.run_id)
    cultures, known = cultures_named(wanted.cultures)
    edition = edition_for(questions, mining, cultures, known, language=wanted.language)
    specs = parse_roles(wanted.model, wanted.roles)
    named = {text.partition("=")[0] for text in wanted.roles}
    roles = mined_roles(edition.scenario)
    if stray := sorted(named - {"speaker", "verifier", "embedder"}):
        raise UsageError(f"--role {stray[0]}: a mine asks speaker, verifier and embedder alone")
    if not roles and (wanted.model or named):
        raise UsageError("--how none asks no model; leave out --model and --role")
    models: dict[ModelRole, ModelSpec] = {role: specs[role] for role in (*roles, "embedder")}
    check_size(models, roles)
    prices.table()  # an error in the price list is reported now, and not at the first answer
    planned = plan(edition)
    if wanted.dry_run:
        figures = forecast(planned, edition.scenario, specs, bool(roles))
        if wanted.as_json:
            write(json.dumps(figures))
            return 0
        write(f"{safe(edition.scenario.title)}: {counted(figures['dialogues'], 'dialogue')}; nothing has been sent")
        for name in ("calls", "prompt_tokens", "completion_tokens"):
            write(f"{name.replace('_', ' '):<18} {between(figures[name])}")
        cost = figures["cost_usd"]
        write("cost               unknown" if cost is None else f"cost               ${cost[0]:.4f} to ${cost[1]:.4f}")
        for skip in figures["skipped"][:5]:
            write(f"skipped            {safe(skip)}")
        return 0
    trust = trust_in([models[role] for role in roles], [])
    check_specs(models, roles, trust)
    settings = Settings(
        concurrency=wanted.concurrency or (16 if specs["speaker"].remote else 4), until=wanted.until, **limits.given
    )
    store = Store(store_url)
    run_id = wanted.run_id or free_run_id(store, edition)
    with store.database.hold(run_id):
        row = new_mine(store, edition, seed=wanted.seed, models=models, settings=settings, run_id=run_id)
        if edition.scenario.rows_are_questions and not roles:
            tell("the answers are drawn, and nobody is asked")
        return carry_on(store, row, wanted.as_json, trust)
