"""What `culturepark mine registry` does: compares, says what came of it, and writes the registry."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from culturepark.cli.consent import check_used, trust_in
from culturepark.cli.execution import check_run_id, ended_by
from culturepark.cli.options import Limits, store_option
from culturepark.cli.progress import Quiet, counting
from culturepark.cli.roles import warn_of_unknown_prices
from culturepark.cli.table import print_lines
from culturepark.domain import JsonObject, ModelRole, Status
from culturepark.errors import BudgetReached, UsageError
from culturepark.export.files import files_of_an_export
from culturepark.files import clipped
from culturepark.glossary import GROUNDS_SHORT, counted, in_words
from culturepark.mine.entries import STATUSES, Entry, ToldBy
from culturepark.mine.merging import (
    JUDGE,
    Compared,
    Merging,
    Registry,
    Wanted,
    compared,
    forecast,
    known_before,
    new_registry,
    runs_for,
    too_small,
    wanted_of,
)
from culturepark.mine.registry_files import write_registry
from culturepark.models import prices
from culturepark.models.chat import Reply, Request
from culturepark.models.embedder import open_embedder
from culturepark.models.kinds import is_tiny
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.models.trust import Trust
from culturepark.run.plan import Settings, models_of, settings_of
from culturepark.store.evaluations import refuse_evaluation
from culturepark.store.recorded import store_with
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell, write

NOBODY = "a model alone"
"""In place of a person, where a model was asked without a talk."""
NO_MODEL = (
    "no model compared them: only what is said in the same or nearly the same words is one entry, and nothing is known "
    "of variations and denials but what was found when people were asked (cross-check) and by reviewers"
)


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    runs: list[str]
    cultures: list[str]
    model: str | None
    roles: list[str]
    no_model: bool
    personal: bool
    nearest: int
    out: Path | None
    licence: str | None
    run_id: str | None
    concurrency: int | None
    dry_run: bool
    as_json: bool
    command: str
    """For the manifest."""

    def models(self) -> dict[ModelRole, ModelSpec]:
        """Return the embedder, and the judge if there is one.

        Raises:
            UsageError: if roles are named that nobody has here, or a model and none.
        """
        named = [text.partition("=")[0].strip() for text in self.roles]
        if stray := sorted({*named} - {JUDGE, "embedder"}):
            raise UsageError(f"--role {clipped(stray[0])}: a registry asks a judge and an embedder alone")
        if named.count(JUDGE) > 1:
            raise UsageError("--role judge: one model compares the pairs; name one")
        if self.no_model and (self.model or JUDGE in named):
            raise UsageError("--no-model asks nobody; leave out --model and --role judge")
        if not (self.no_model or self.model or JUDGE in named):
            raise UsageError(
                "--model: name the model that says which norms are the same, vary or deny each other; or --no-model, "
                "which merges what is said in the same words"
            )
        specs = parse_roles(self.model, self.roles)
        roles: tuple[ModelRole, ...] = ("embedder",) if self.no_model else ("embedder", JUDGE)
        specs = {JUDGE: specs["verifier"], **specs}
        return {role: specs[role] for role in roles}


def make_registry(asked: Asked, limits: Limits, store_url: str) -> int:
    """Make a registry and carry it on, or say what it would take."""
    check_run_id(asked.run_id)
    models = asked.models()
    if JUDGE in models and is_tiny(str(models[JUDGE])):
        raise too_small(models[JUDGE])  # before a run is made
    prices.table()  # an error in the price list is reported now, and not at the first answer
    place = store_with(store_url, *asked.runs)
    store = Store(place, must_exist=True)
    for name in asked.runs:
        refuse_evaluation(store, name)
    runs = tuple(row.id for row in runs_for(store, asked.runs))
    wanted = Wanted(runs, tuple(sorted(set(asked.cultures))), asked.personal, asked.nearest)
    if asked.dry_run:
        return show_forecast(store, wanted, models, asked.as_json)
    if asked.out:
        files_of_an_export(asked.out)  # before anybody is asked
    trust = trust_in(models.values(), [])
    check_specs(models, list(models), trust)
    remote = any(spec.remote for spec in models.values())
    settings = Settings(concurrency=asked.concurrency or (16 if remote else 4), **limits.given)
    if place != store_url:
        tell(
            "note: this registry is kept beside the recorded runs, in the cache, and not in a store of yours: `runs` "
            f"does not list it; `culturepark merge {shlex.quote(asked.runs[0])}` copies recorded runs into yours first"
        )
    row = new_registry(store, wanted, models=models, settings=settings, run_id=asked.run_id)
    with store.database.hold(row.id):
        return carry_on(store, store.run(row.id), asked, trust)


def resume_registry(store: Store, row: RunRow, limits: Limits, trust: Trust, as_json: bool) -> int:
    """Go on with a registry that was stopped or killed, and print it."""
    specs = models_of(row)
    check_used(trust, specs.values(), row.id)
    check_specs(specs, list(specs), trust)
    columns = vars(replace(settings_of(row), **limits.given)) | {"registry": wanted_of(row).as_json()}
    store.set_plan(row.id, columns, row.models)
    asked = Asked([], [], None, [], JUDGE not in specs, False, 0, None, None, None, None, False, as_json, "")
    return carry_on(store, store.run(row.id), asked, trust)


def show_forecast(store: Store, wanted: Wanted, models: Mapping[ModelRole, ModelSpec], as_json: bool) -> int:
    """Say how many pairs there are to compare, and what that would cost."""
    spec = models["embedder"]
    if spec.remote:
        raise UsageError(f"--dry-run asks nobody, and {spec} would be asked for vectors; take --role embedder=e5")

    async def nobody(_: Request) -> Reply:
        raise AssertionError("an embedder on this machine asks nobody")

    async def compare() -> Compared:
        embedder = open_embedder(spec, lambda *_: None, tell, nobody)
        return await compared(store, embedder, wanted, keep=False)

    found = asyncio.run(compare())
    known = known_before(store, models, found) if JUDGE in models else {}
    figures = forecast(found, known, models.get(JUDGE))
    if as_json:
        write(json.dumps({"runs": wanted.runs} | figures))
        return 0
    pairs, before = figures["pairs"], figures["judged_before"]
    write(
        f"{counted(figures['statements'], 'norm or custom', 'norms and customs')} of "
        f"{counted(len(wanted.runs), 'run')}, {figures['groups']:,} in different words; {counted(pairs, 'pair')} to "
        f"compare, {before:,} of them compared before; nothing has been sent"
    )
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = figures[name]
        write(f"{name.replace('_', ' '):<18} {low:,} to {high:,}")
    cost = figures["cost_usd"]
    write("cost               unknown" if cost is None else f"cost               ${cost[0]:.4f} to ${cost[1]:.4f}")
    return 0


def carry_on(store: Store, row: RunRow, asked: Asked, trust: Trust) -> int:
    """Have the pairs compared, print the registry and write it, and return the exit code."""
    warn_of_unknown_prices(store, row)
    watcher = Quiet()
    with counting("pairs") as progress:
        run = Merging(store, row, watcher, trust, progress)
        watcher.note(f"run {row.id}: {run.scenario.title}. What simulated people tell; no evidence about real ones.")
        failure = ended_by(run)
    row = store.run(row.id)
    registry = run.registry
    files = []
    if registry and not failure and row.status == Status.DONE and asked.out:
        files = write_registry(store, row, registry, asked.out, command=asked.command, licence=asked.licence)
    budget = run.ledger.budget
    if registry and not (failure and asked.out):
        show(row, registry, run, files, asked)
    cost = "" if budget.cost_usd is None else f", ${budget.cost_usd:.4f}"
    if registry:
        tell_registry(registry, run, asked, done=failure is None)
    tell(f"{row.id}: {row.status}; {budget.tokens:,} tokens{cost}")
    again = f"culturepark resume {row.id}"
    if failure:
        extra = f" {failure.option}" if isinstance(failure, BudgetReached) else ""
        tell(f"{safe(failure)}\ngo on with: {again}{extra}{store_option(store)}")
        show_origin(failure)
        return failure.exit_code
    if run.failed:
        tell(f"{counted(len(run.failed), 'call')} failed; go on with: {again}{store_option(store)}")
    return 1 if row.status == Status.FAILED else 0


# --- what came of it ---------------------------------------------------------------------------------


def show(row: RunRow, registry: Registry, run: Merging, files: list[Path], asked: Asked) -> None:
    """Print the registry: one JSON document, the folder that it was written to, or the entries for people."""
    if asked.as_json:
        write(json.dumps(document(row, registry, run, files)))
    elif files and asked.out:
        write(safe(str(asked.out)))
    else:
        print_lines(lambda _: lines_of(registry))


def document(row: RunRow, registry: Registry, run: Merging, files: list[Path]) -> JsonObject:
    budget = run.ledger.budget
    return {
        "run": row.id,
        "status": row.status,
        "runs": list(run.wanted.runs),
        "statements": registry.statements,
        "left_out": dict(registry.left_out),
        "repeats": registry.repeats,
        "personal_left_out": registry.personal,
        "pairs": registry.pairs,
        "judged": registry.judged,
        "relations": dict(registry.relations),
        "calls_not_believed": run.not_believed,
        "by_status": {status: registry.by_status.get(status, 0) for status in STATUSES},
        "tokens": budget.tokens,
        "cost_usd": budget.cost_usd,
        "files": [str(path) for path in files],
        "entries": [entry.as_json() for entry in registry.entries],
    }


def lines_of(registry: Registry) -> Iterator[str]:
    """Yield the entries for people, each with who confirms, varies and denies it."""
    for entry in registry.entries:
        yield f"{entry.culture} {entry.kind}: {safe(entry.text)}"
        for line in facts_of(entry):
            yield f"    {line}"


def facts_of(entry: Entry) -> Iterator[str]:
    people = counted(entry.people, "person", "people")
    by = names(entry.told) if entry.people < 2 else f"{people}, {entry.independent} independent: {names(entry.told)}"
    origins = ", ".join(
        in_words(GROUNDS_SHORT, name) if part == 1 else f"{in_words(GROUNDS_SHORT, name)} {part:.0%}"
        for name, part in entry.provenance.items()
    )
    status = entry.status if not entry.people else f"{entry.status}, by {by}"
    yield f"{status} (origin: {origins}) {entry.told[0].statement}"
    if places := "; ".join(safe(", ".join(dict.fromkeys((p.place, p.region, p.country or "")))) for p in entry.places):
        yield f"told in {places}"
    if entry.shared:
        yield f"shared when asked, by {', '.join(word.person for word in entry.shared)}"
    for variant in entry.variants:
        differs = f" ({safe(variant.differs)})" if variant.differs else ""
        yield f"varied by {names(variant.told)}{differs}: {safe(variant.text)}"
        for one in variant.denied:
            yield f"  which {one.told.person or NOBODY} denies: {safe(one.told.text)}"
    for word in entry.varies:
        yield f"varies, says {word.person}: {safe(word.words or '')}"
    for one in entry.denied:
        where = " (of another country)" if one.elsewhere else ""
        reason = f" ({safe(one.reason)})" if one.reason else ""
        yield f"denied by {one.told.person or NOBODY}{where}{reason}: {safe(one.told.text)}"
    for word in entry.denied_when_asked:
        yield f"denied when asked, by {word.person}: {safe(word.words or '')}"
    for other in entry.not_so_elsewhere:
        yield f"not so elsewhere ({other.culture}): {safe(other.text)}"
    if entry.reviewers.accepted or entry.reviewers.rejected:
        yield f"reviewers: {entry.reviewers.accepted} accept, {entry.reviewers.rejected} reject"


def names(told: Sequence[ToldBy]) -> str:
    return ", ".join(dict.fromkeys(one.person or NOBODY for one in told))


def tell_registry(registry: Registry, run: Merging, asked: Asked, *, done: bool) -> None:
    statuses = ", ".join(f"{registry.by_status[s]} {s}" for s in STATUSES if s in registry.by_status)
    tell(
        f"{counted(len(registry.entries), 'entry', 'entries')} out of "
        f"{counted(registry.statements, 'norm or custom', 'norms and customs')}" + (f": {statuses}" if statuses else "")
    )
    if registry.personal:
        tell(
            f"{registry.personal} more are told of nobody but the speaker, and confirm or vary no entry; --personal "
            "gives them entries of their own"
        )
    if asked.no_model:
        tell(NO_MODEL)
        return
    if run.models.specs[JUDGE].scripted:
        tell("the judge was scripted: it compares words, and shows how the command works")
    tell(f"{registry.judged} of {counted(registry.pairs, 'pair')} judged; {relations_of(registry)}")
    if run.not_believed:
        tell(
            f"{counted(run.not_believed, 'call was', 'calls were')} not believed: the model told the relations of the "
            "known pairs wrongly"
        )
    if registry.unread and done and not run.failed:
        tell(f"{counted(registry.unread, 'pair counts', 'pairs count')} as unrelated, because no answer could be read")


def relations_of(registry: Registry) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(registry.relations.items())) or "none related"
