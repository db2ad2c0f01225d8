"""What each command does, between the command line and the program proper."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from culturepark.catalog import scenarios
from culturepark.catalog.files import shown
from culturepark.catalog.personas import load_all
from culturepark.domain import Edition, ModelRole, Status
from culturepark.errors import CatalogError, CultureparkError, Interrupted, Problem, UsageError
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.show import clip, err, out, plain, safe, write
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

if TYPE_CHECKING:
    from culturepark.export.formats import Format
    from culturepark.pipeline import Run, Until

RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"


def simulate(
    scenario: str,
    *,
    model: str | None,
    roles: list[str],
    store_url: str,
    seed: int,
    dialogues: int | None,
    concurrency: int | None,
    max_cost: float | None,
    max_tokens: int | None,
    until: Until,
    run_id: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    import re

    from culturepark.pipeline import Settings, new_run

    if run_id and (not re.match(RUN_ID, run_id) or run_id == "last"):
        raise UsageError("--run-id: letters, digits, - and _, at most 100 of them, and not `last`")
    edition = scenarios.load_edition(scenarios.find(scenario), dialogues)
    specs = parse_roles(model, roles)
    if dry_run:
        return show_forecast(edition, specs, seed, as_json)
    check_specs(specs, roles_until(until))
    limits = edition.scenario.limits
    settings = Settings(
        concurrency=concurrency or (4 if specs["speaker"].kind != "openai" else 16),
        until=until,
        max_cost_usd=max_cost if max_cost is not None else limits.max_cost_usd,
        max_tokens=max_tokens if max_tokens is not None else limits.max_tokens,
    )
    warn_of_limits(specs, settings.max_cost_usd)
    store = Store(store_url)
    row = new_run(store, edition, seed=seed, models=specs, settings=settings, run_id=run_id)
    return carry_on(store, row, as_json)


def roles_until(until: Until) -> tuple[ModelRole, ...]:
    """The roles that are asked anything before the run ends."""
    stages: dict[Until, tuple[ModelRole, ...]] = {
        "dialogue": ("speaker", "moderator"),
        "extract": ("speaker", "moderator", "extractor"),
        "verify": ("speaker", "moderator", "extractor", "verifier"),
    }
    return stages.get(until, ("speaker", "moderator", "extractor", "verifier", "embedder"))


def warn_of_limits(specs: dict[ModelRole, ModelSpec], max_cost: float | None) -> None:
    from culturepark.models import prices
    from culturepark.models.client import OPENAI_URL

    remote = [spec for spec in specs.values() if spec.kind == "openai"]
    unknown = [s for s in dict.fromkeys(remote) if prices.price(s.where or OPENAI_URL, s.name) is None]
    if max_cost is not None and unknown:
        names = ", ".join(str(spec) for spec in unknown)
        tell(f"no price is known for {names}: the limit of ${max_cost:.2f} cannot be watched (see CULTUREPARK_PRICES)")


def show_forecast(edition: Edition, specs: dict[ModelRole, ModelSpec], seed: int, as_json: bool) -> int:
    from culturepark.dialogue.casting import plan
    from culturepark.forecast import forecast

    figures = forecast(plan(edition, seed), edition.scenario, specs)
    if as_json:
        write(json.dumps(figures))
        return 0
    console = out()
    console.print(
        f"{figures['dialogues']} dialogues with {figures['persona_turns']} turns of personas; nothing was asked yet"
    )
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = figures[name]
        console.print(f"{name.replace('_', ' '):>18}  {low:,} to {high:,}")
    cost = figures["cost_usd"]
    console.print(f"{'cost':>18}  " + (f"${cost[0]:.2f} to ${cost[1]:.2f}" if cost else "no known price"))
    for skip in figures["skipped"]:
        console.print(f"{'skipped':>18}  {safe(skip)}", soft_wrap=True)
    return 0


def resume(run_id: str, store_url: str, as_json: bool, max_cost: float | None, max_tokens: int | None) -> int:
    from culturepark.pipeline import models_of, settings_of

    store = Store(store_url, must_exist=True)
    row = store.run(run_id)
    settings = settings_of(row)
    settings = replace(
        settings,
        max_cost_usd=max_cost if max_cost is not None else settings.max_cost_usd,
        max_tokens=max_tokens if max_tokens is not None else settings.max_tokens,
        # A run that has reached the stage it was made for goes on to the end.
        until="samples" if row.status == Status.DONE else settings.until,
    )
    check_specs(models_of(row), roles_until(settings.until))
    store.set_settings(row.id, vars(settings))
    return carry_on(store, store.run(row.id), as_json)


def distill(run_id: str, stage: str, roles: list[str], store_url: str, as_json: bool) -> int:
    from culturepark.pipeline import models_of, settings_of

    store = Store(store_url, must_exist=True)
    row = store.run(run_id)
    models = models_of(row)
    given = parse_roles(None, roles)
    models |= {role: spec for role, spec in given.items() if any(r.startswith(f"{role}=") for r in roles)}
    needed: dict[str, tuple[ModelRole, ...]] = {
        "extract": ("extractor", "verifier", "embedder"),
        "verify": ("extractor", "verifier", "embedder"),
        "dedup": ("embedder",),
    }
    check_specs(models, needed[stage])
    unfinished = [d.number for d in store.dialogues(row.id) if d.status not in (Status.DONE, Status.STOPPED)]
    if unfinished:
        raise UsageError(f"{row.id} has {len(unfinished)} unfinished dialogues; `culturepark resume {row.id}` first")
    store.begin_round(
        row.id,
        extract=stage == "extract",
        verify=stage == "verify",
        models={role: str(spec) for role, spec in models.items()},
    )
    store.set_settings(row.id, vars(replace(settings_of(row), until="samples")))
    return carry_on(store, store.run(row.id), as_json)


def carry_on(store: Store, row: RunRow, as_json: bool) -> int:
    """Carries a run on in front of whoever watches, and says how it ended."""
    from culturepark.pipeline import Run
    from culturepark.progress import watching
    from culturepark.store import queries

    failure: CultureparkError | None = None
    with watching() as watcher:
        run = Run(store, row, watcher)
        for skip in run.plan.skipped[:10]:
            watcher.note(f"skipped: {skip}")
        if len(run.plan.skipped) > 10:
            watcher.note(f"skipped: {len(run.plan.skipped)} cells in all; `culturepark stats {row.id}` counts them")
        try:
            asyncio.run(until_stopped(run))
        except CultureparkError as error:
            failure = error
    stats = queries.stats(store, store.run(row.id))
    if as_json:
        write(json.dumps(stats))
    else:
        write(row.id)
    summary(stats, failure)
    if failure:
        return failure.exit_code
    return 1 if stats["status"] == Status.FAILED else 0


async def until_stopped(run: Run) -> None:
    """Ctrl-C once lets the calls in flight finish; twice stops now."""
    task = asyncio.ensure_future(run.carry_on())
    presses = 0

    def stop() -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            run.interrupt()
            run.watcher.note("stopping after the calls in flight; press Ctrl-C again to stop now")
        else:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            break
    try:
        await task
    except asyncio.CancelledError:
        raise Interrupted("stopped at once") from None


def summary(stats: dict[str, object], failure: CultureparkError | None) -> None:
    """A few lines on stderr: what came of it, and what to do next."""
    samples, tokens = stats["samples"], stats["tokens"]
    assert isinstance(samples, dict) and isinstance(tokens, dict)  # noqa: PT018
    dropped = sum(samples["dropped"].values())
    cost = stats["cost_usd"]
    price = f", ${cost:.4f}" if isinstance(cost, float) else ""
    tell(
        f"{stats['run']}: {stats['status']}; {samples['kept']} samples kept, {dropped} dropped; "
        f"{tokens['prompt']:,} prompt and {tokens['completion']:,} completion tokens{price}"
    )
    if failure:
        tell(f"{safe(failure)}\ngo on with: culturepark resume {stats['run']}")
    elif samples["kept"]:
        tell(f"next: culturepark export {stats['run']} --format trl --out runs/{stats['run']}")
    models = stats["models"]
    assert isinstance(models, dict)
    if "embedded" in models.values():
        tell("the embedded model is tiny: it shows how the tool works, and writes nothing worth training on")
    if "scripted" in models.values():
        tell("the model was scripted: what it says comes from the persona cards, and is nothing to train on")


def tell(text: str) -> None:
    console = err()
    console.print(plain(text), soft_wrap=not console.is_terminal)


# --- looking ---------------------------------------------------------------------------------------


def runs(store_url: str, as_json: bool) -> int:
    from culturepark.store import queries

    found = queries.runs(Store(store_url, must_exist=True)) if store_exists(store_url) else []
    if as_json:
        write(json.dumps(found))
    elif not found:
        tell("no runs yet; `culturepark simulate quickstart` makes one")
    else:
        table(
            ("run", "scenario", "status", "dialogues", "samples", "stopped by"),
            [
                (
                    r["run"],
                    r["scenario"],
                    r["status"],
                    f"{r['dialogues_done']}/{r['dialogues']}",
                    r["samples_kept"],
                    "" if r["status"] == "done" else r["stop_reason"] or "",
                )
                for r in found
            ],
        )
    return 0


def store_exists(url: str) -> bool:
    from culturepark.store.database import parsed

    made = parsed(url)
    return made.get_backend_name() != "sqlite" or Path(made.database or "").exists()


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns; on a pipe, tab-separated and whole."""
    console = out()
    if not console.is_terminal:
        for row in rows:
            write("\t".join(clip(cell, 10_000) for cell in row))
        return
    from rich.table import Table

    shown_table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        shown_table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        shown_table.add_row(*(plain(cell) for cell in row))
    console.print(shown_table)


def stats(run_id: str, store_url: str, as_json: bool) -> int:
    from culturepark.store import queries

    store = Store(store_url, must_exist=True)
    figures = queries.stats(store, store.run(run_id))
    if as_json:
        write(json.dumps(figures))
        return 0
    from culturepark.present import stats_lines

    for line in stats_lines(figures):
        out().print(plain(line), soft_wrap=True)
    return 0


def trace(subject: str, store_url: str, as_json: bool) -> int:
    from culturepark.export.writer import find_line
    from culturepark.store import queries

    found = find_line(subject)
    data = queries.trace(Store(store_url, must_exist=True), found[0] if found else subject)
    if as_json:
        write(json.dumps(data))
        return 0
    from culturepark.present import trace_lines

    for line in trace_lines(data):
        out().print(line, soft_wrap=True)
    return 0


def export(
    run_ids: list[str], form: Format, folder: Path, cultures: list[str], split: float | None, store_url: str
) -> int:
    from culturepark.domain import CULTURES, MAIN_CULTURE
    from culturepark.export.writer import export as write_export

    allowed = [*CULTURES, MAIN_CULTURE]
    if unknown := [culture for culture in cultures if culture not in allowed]:
        raise UsageError(f"--culture {unknown[0][:60]!r}: must be one of {', '.join(allowed)}")
    if split is not None and not 0 < split < 1:
        raise UsageError("--split: the share that trains, between 0 and 1, as in --split 0.9")
    done = write_export(
        Store(store_url, must_exist=True),
        run_ids,
        folder,
        form=form,
        cultures=cultures,
        train_share=split,
        command=shlex.join(["culturepark", *sys.argv[1:]]),
    )
    for note in done.notes:
        tell(f"note: {note}")
    tell(f"{done.rows} rows in {folder}; `culturepark trace {done.files[0]}:1` shows where a row comes from")
    for path in done.files:
        write(str(path))
    return 0


def check(files: list[Path]) -> int:
    problems: list[Problem] = []
    for path in files:
        try:
            kind = scenarios.check(path)
            write(f"{shown(path)}: {kind}, fine")
        except CatalogError as error:
            problems += error.problems
        except UsageError as error:
            problems.append(Problem(shown(path), None, "", str(error)))
    if problems:
        raise CatalogError(problems)
    return 0


def personas(as_json: bool) -> int:
    people = load_all([])
    if as_json:
        write(json.dumps([p.model_dump(mode="json") for p in people]))
        return 0
    table(
        ("persona", "name", "age", "place", "work", "faith"),
        [(p.key, p.name, p.age, f"{p.place}, {p.country_name}", p.work, p.faith) for p in people],
    )
    return 0


def list_scenarios(as_json: bool) -> int:
    found = [(path, scenarios.load_edition(path).scenario) for path in scenarios.shipped_files()]
    if as_json:
        write(json.dumps([s.model_dump(mode="json", exclude={"seeds"}) | {"seeds": len(s.seeds)} for _, s in found]))
        return 0
    table(
        ("scenario", "title", "setting", "cultures", "seeds"),
        [(s.name, s.title, s.setting, len(s.cultures), len(s.seeds)) for _, s in found],
    )
    return 0


def replay(target: str, store_url: str, follow: bool) -> int:
    from culturepark.replay.plain import replay as lines

    for line in lines(Store(store_url, must_exist=True), target, follow=follow):
        out().print(plain(line), soft_wrap=not sys.stdout.isatty())
        sys.stdout.flush()
    return 0


def doctor(model: str | None, store_url: str, as_json: bool) -> int:
    from culturepark.doctor import examine

    findings = asyncio.run(examine(model, store_url, dict(os.environ)))
    if as_json:
        write(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            out().print(plain(f"{finding.state:5} {finding.what}: {finding.detail}"), soft_wrap=True)
    worst = next((finding for finding in findings if finding.state == "bad"), None)
    return worst.exit_code if worst else 0
