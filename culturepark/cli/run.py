"""The commands that hold dialogues and distil them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from culturepark.catalog import scenarios
from culturepark.cli import look
from culturepark.cli.consent import check_used, named_in, trust_in
from culturepark.domain import JUDGES, ModelRole, Scenario, Status
from culturepark.errors import BudgetReached, CultureparkError, Interrupted, UsageError
from culturepark.models import prices
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.models.trust import Trust
from culturepark.redact import redact
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell, write

if TYPE_CHECKING:
    from culturepark.run.pipeline import Run
    from culturepark.run.plan import Until
    from culturepark.stats.figures import RunStats

OPEN = (Status.PENDING, Status.RUNNING)
RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"


def simulate(
    scenario: str,
    *,
    model: str | None,
    roles: list[str],
    store_url: str,
    seed: int,
    dialogues: int | None,
    concurrency: int | None,
    limits: Mapping[str, Any],
    until: Until,
    run_id: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    from culturepark.dialogue.casting import plan
    from culturepark.run.plan import Settings, free_run_id, new_run

    check_run_id(run_id)
    edition = scenarios.load_edition(scenarios.find(scenario), dialogues)
    specs = parse_roles(model, roles)
    prices.table()  # a wrong list is told now, and not at the first answer
    if dry_run:
        return look.show_forecast(edition, specs, seed, store_url, as_json)
    trust = trust_in(specs.values(), [])
    check_specs(specs, roles_until(until, edition.scenario, specs), trust)
    settings = Settings(
        concurrency=concurrency or (4 if specs["speaker"].kind != "openai" else 16),
        until=until,
        **(edition.scenario.limits.model_dump() | dict(limits)),
    )
    plan(edition, seed)  # before there is a store: a scenario with nothing to talk about leaves nothing behind
    store = Store(store_url)
    run_id = run_id or free_run_id(store, edition)
    with store.database.hold(run_id):
        row = new_run(store, edition, seed=seed, models=specs, settings=settings, run_id=run_id)
        return carry_on(store, row, as_json, trust)


def check_run_id(run_id: str | None) -> None:
    """
    Raises:
        UsageError: if no run may be called that.
    """
    if run_id and (not re.fullmatch(RUN_ID, run_id) or run_id == "last"):
        raise UsageError("--run-id: letters, digits, - and _, at most 100 of them, and not `last`")


def judges_of(scenario: Scenario, specs: Mapping[ModelRole, ModelSpec]) -> tuple[ModelRole, ...]:
    """The judges' roles that are asked anything.

    Raises:
        UsageError: if more models are named than the panel has judges.
    """
    checks = scenario.distill.checks
    named = tuple(role for role in JUDGES if role in specs)
    if checks and len(named) > checks.judges:
        raise UsageError(f"--role judge: {len(named)} models for a panel of {checks.judges} (distill.checks.judges)")
    return named if checks else ()


def roles_until(until: Until, scenario: Scenario, specs: Mapping[ModelRole, ModelSpec]) -> tuple[ModelRole, ...]:
    """The roles that are asked anything before the run ends."""
    judges = judges_of(scenario, specs)
    stages: dict[Until, tuple[ModelRole, ...]] = {
        "dialogue": ("speaker", "moderator"),
        "extract": ("speaker", "moderator", "extractor"),
        "verify": ("speaker", "moderator", "extractor", "verifier", *judges),
    }
    return stages.get(until, ("speaker", "moderator", "extractor", "verifier", *judges, "embedder"))


def watch_prices(store: Store, row: RunRow) -> None:
    """
    Raises:
        UsageError: if a limit on cost could be watched when the run began, and no longer can.
    """
    from culturepark.models.connections import base_url_of
    from culturepark.run.plan import models_of, settings_of

    limit = settings_of(row).max_cost_usd
    remote = [spec for spec in dict.fromkeys(models_of(row).values()) if spec.kind == "openai"]
    unknown = [spec for spec in remote if prices.price(base_url_of(spec), spec.name) is None]
    if limit is None or not unknown:
        return
    names = ", ".join(str(spec) for spec in unknown)
    if store.priced(row.id) & {spec.name for spec in unknown}:
        raise UsageError(
            f"{names} had a price before and has none now: the limit of ${limit:,.2f} cannot be watched; "
            "set CULTUREPARK_PRICES to the list that was used"
        )
    tell(
        f"no price is known for {names}: the limit of ${limit:,.2f} (--max-cost, or the scenario's) cannot be watched; "
        "set CULTUREPARK_PRICES or --max-tokens"
    )


def resume(
    run_id: str,
    roles: list[str],
    store_url: str,
    as_json: bool,
    limits: Mapping[str, Any],
    endpoints: list[str],
) -> int:
    from culturepark.run.plan import models_column, models_of, settings_of
    from culturepark.store.integrity import edition_of

    prices.table()
    trust = trust_in(named_in(roles).values(), endpoints)
    store = Store(store_url, must_exist=True)
    with alone(store, run_id) as row:
        check_ended(store, row)
        others = [r.id for r in store.unfinished() if r.id != row.id] if row.status == Status.DONE else []
        if run_id == "last" and others:
            tell(f"{row.id} is the last run, and done; unfinished are {', '.join(others[:5])}")
        models = replaced(row, roles)
        settings = replace(settings_of(row), threshold=kept_threshold(row, models), **limits)
        if row.status == Status.DONE:  # it has reached the stage it was made for, and goes on to the end
            settings = replace(settings, until="samples")
        for role in ("speaker", "moderator"):
            if models[role] != models_of(row)[role]:
                raise UsageError(f"--role {role}: a run's talk is one model's; begin another run with another {role}")
        check_used(trust, models.values(), row.id)
        check_specs(models, roles_until(settings.until, edition_of(row).scenario, models), trust)
        store.set_plan(row.id, vars(settings), models_column(models))
        return carry_on(store, store.run(row.id), as_json, trust)


def check_ended(store: Store, row: RunRow) -> None:
    """
    Raises:
        UsageError: if the run is a talk that only its user can go on with.
    """
    from culturepark.dialogue.protocol import protocol_of
    from culturepark.run.pipeline import still_open

    open_talks = [d for d in store.dialogues(row.id) if protocol_of(d.protocol).user_sits and d.status in OPEN]
    if open_talks:
        raise UsageError(still_open(row.id, where_is(store)))


@contextmanager
def alone(store: Store, run_id: str) -> Iterator[RunRow]:
    """A run that no other process is at work on, as long as the block lasts."""
    run_id = store.run(run_id).id
    with store.database.hold(run_id):
        yield store.run(run_id)


def distill(
    run_id: str,
    stage: str,
    roles: list[str],
    store_url: str,
    as_json: bool,
    limits: Mapping[str, Any],
    endpoints: list[str],
    threshold: float | None = None,
) -> int:
    from culturepark.run.plan import models_column, settings_of
    from culturepark.store.integrity import edition_of

    needed: dict[str, tuple[ModelRole, ...]] = {
        "extract": ("extractor", "verifier", "embedder"),
        "verify": ("extractor", "verifier", "embedder"),
        "dedup": ("embedder",),
    }
    prices.table()
    trust = trust_in(named_in(roles).values(), endpoints)
    store = Store(store_url, must_exist=True)
    with alone(store, run_id) as row:
        check_ended(store, row)
        models = replaced(row, roles)
        scenario = edition_of(row).scenario
        judges = judges_of(scenario, models)
        asked = needed[stage] + (JUDGES[:1] if scenario.distill.checks and stage != "dedup" else ())
        if stray := [role for role in words_of(roles) if role not in asked]:  # the run would name who never did a thing
            raise UsageError(f"--role {stray[0]}: nobody is asked as that from {stage} on; only {', '.join(asked)}")
        check_used(trust, models.values(), row.id)
        check_specs(models, needed[stage] + (judges if stage != "dedup" else ()), trust)
        unfinished = [d.number for d in store.dialogues(row.id) if d.status not in (Status.DONE, Status.STOPPED)]
        if unfinished:
            first = f"`culturepark resume {row.id}{where_is(store)}` first"
            raise UsageError(f"{row.id} has {len(unfinished)} unfinished dialogues; {first}")
        threshold = threshold or kept_threshold(row, models)
        settings = replace(settings_of(row), until="samples", threshold=threshold, **limits)
        again = {"extract": stage == "extract", "verify": stage == "verify"}
        store.set_plan(row.id, vars(settings), models_column(models), **again)
        return carry_on(store, store.run(row.id), as_json, trust)


def replaced(row: RunRow, roles: list[str], model: str | None = None) -> dict[ModelRole, ModelSpec]:
    """The run's models, with others in the roles that were named; judges, if one is named, with all of them anew.

    Args:
        model: for all chat roles that are not named.
    """
    from culturepark.run.plan import models_of, models_with

    words, named = words_of(roles), named_in(roles)
    kept = {role: spec for role, spec in models_of(row).items() if role not in JUDGES or JUDGES[0] not in words}
    return (models_with(row, model) if model else kept) | named


def words_of(roles: list[str]) -> list[str]:
    """The roles that are named, each once, `judge` for all judges."""
    return list(dict.fromkeys(text.partition("=")[0] for text in roles))


def kept_threshold(row: RunRow, models: Mapping[ModelRole, ModelSpec]) -> float | None:
    """The run's threshold of similarity, unless it is to have another embedder, whose similarities differ."""
    from culturepark.run.plan import models_of, settings_of

    return settings_of(row).threshold if models["embedder"] == models_of(row)["embedder"] else None


def carry_on(store: Store, row: RunRow, as_json: bool, trust: Trust, more: Mapping[str, str | None] = {}) -> int:
    """Carries a run on in front of whoever watches, and says how it ended.

    Args:
        more: what else there is to say on stdout: without `--json` the first of it, in place of the run's id.
    """
    from culturepark.cli.progress import watching
    from culturepark.run.pipeline import Run
    from culturepark.stats.run_stats import stats as stats_of
    from culturepark.store.castings import skipped

    watch_prices(store, row)
    where = where_is(store)
    failure: CultureparkError | None = None
    with watching() as watcher:
        run = Run(store, row, watcher, trust)
        left_out = skipped(store, row, run.edition)
        for skip in left_out[:3]:
            watcher.note(f"skipped: {skip}")
        if len(left_out) > 3:
            watcher.note(f"skipped: {len(left_out)} cells in all; `culturepark stats {row.id}{where}` names them")
        if people := run.without_a_second():
            watcher.note(f"cross-check: nobody else to ask about norms of {people}; they are kept without")
        try:
            asyncio.run(until_stopped(run))
        except CultureparkError as error:
            failure = error
    stats = stats_of(store, store.run(row.id))
    if failure and stats.status == Status.RUNNING:  # that it has stopped could not be written down
        stats = stats.model_copy(update={"status": Status.STOPPED})
    if as_json:
        write(json.dumps(stats.as_json() | dict(more)))
    else:
        write(next(iter(more.values()), None) or row.id)
    summary(stats, failure, where)
    if failure:
        show_origin(failure)
        return failure.exit_code
    return 1 if stats.status == Status.FAILED else 0


async def until_stopped(run: Run) -> None:
    """Ctrl-C once lets the calls in flight finish; twice stops now."""
    task = asyncio.ensure_future(run.carry_on())
    presses = 0

    def stop() -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            run.interrupt()
            flying = run.ledger.in_flight
            lost = f" ({flying} under way, which would be asked again and may be billed twice)" if flying else ""
            run.watcher.note(f"stopping after the calls in flight; press Ctrl-C again to stop now{lost}")
        else:
            task.cancel()

    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows
            loop.add_signal_handler(getattr(signal, name), stop)
    try:
        await task
    except asyncio.CancelledError:
        raise Interrupted("stopped at once") from None


def where_is(store: Store) -> str:
    """The option that names the store, if it has to be named."""
    from culturepark.store.database import DEFAULT_URL

    shown = store.database.shown
    return "" if shown == DEFAULT_URL else f" --store {shlex.quote(redact(shown))}"


def summary(stats: RunStats, failure: CultureparkError | None, where: str) -> None:
    """A few lines on stderr: what came of it, and what to do next.

    Args:
        where: the option that names the store, if it has to be named.
    """
    least = "at least " if stats.unpriced_calls else ""
    price = "" if stats.cost_usd is None else f", {least}${stats.cost_usd:.4f}"
    dropped = sum(stats.samples.dropped.values())
    tell(
        f"{stats.run}: {stats.status}; {stats.samples.kept} samples kept, {dropped} dropped; "
        f"{stats.tokens.prompt:,} prompt and {stats.tokens.completion:,} completion tokens{price}"
    )
    if failure:
        more = f" {failure.option}" if isinstance(failure, BudgetReached) else ""
        tell(f"{safe(failure)}\ngo on with: culturepark resume {stats.run}{more}{where}")
    elif not stats.samples.kept and stats.stop_reason == "completed":
        tell(f"no samples came of it; `culturepark stats {stats.run}{where}` says why")
    elif stats.samples.kept:
        collapse = stats.representation.run.collapse
        if collapse.verdict == "collapsed":
            tell(f"one voice: {'; '.join(collapse.reasons)}; `culturepark stats {stats.run}{where}` shows more")
        tell(f"next: culturepark export {stats.run} --format trl --out runs/{stats.run}{where}")
    models = stats.models
    if "embedded" in models.values():
        tell("the embedded model is tiny: it shows how the tool works, and writes nothing worth training on")
    if "scripted" in models.values():
        tell("the model was scripted: what it says comes from the persona cards, and is nothing to train on")
