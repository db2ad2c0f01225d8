"""The commands that look at what is there, and hand it on."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from culturepark.catalog import scenarios
from culturepark.catalog.files import shown
from culturepark.catalog.personas import load_all
from culturepark.domain import Edition, ModelRole
from culturepark.errors import CatalogError, Problem, StoreError, UsageError
from culturepark.models.spec import ModelSpec
from culturepark.redact import redact
from culturepark.store.store import Store
from culturepark.terminal.safe import clip, out, plain, safe, tell, write

if TYPE_CHECKING:
    from culturepark.run.forecast import Past


def show_forecast(edition: Edition, specs: dict[ModelRole, ModelSpec], seed: int, store_url: str, as_json: bool) -> int:
    from culturepark.dialogue.casting import plan
    from culturepark.run.forecast import forecast

    past = past_runs(store_url, edition.scenario.protocol, specs)
    figures = forecast(plan(edition, seed), edition.scenario, specs, past)
    if as_json:
        write(json.dumps(figures.model_dump()))
        return 0
    console = out()
    console.print(
        f"{figures.dialogues} dialogues with {figures.persona_turns} turns of personas; nothing has been sent"
    )
    for name, (low, high) in (
        ("calls", figures.calls),
        ("prompt tokens", figures.prompt_tokens),
        ("completion tokens", figures.completion_tokens),
    ):
        console.print(f"{name:>18}  {low:,} to {high:,}")
    cost = figures.cost_usd
    console.print(f"{'cost':>18}  " + (f"${cost[0]:.2f} to ${cost[1]:.2f}" if cost else "no known price"))
    if past:
        ids = ", ".join(run.run_id for run in past[:3]) + (", ..." if len(past) > 3 else "")
        console.print(f"{'judged by':>18}  {ids}", soft_wrap=True)
    for skip in figures.skipped:
        console.print(f"{'skipped':>18}  {safe(skip)}", soft_wrap=True)
    return 0


def past_runs(store_url: str, protocol: str, specs: dict[ModelRole, ModelSpec]) -> list[Past]:
    """The last ten runs that went the whole way by the same protocol and with the same models."""
    from culturepark.run.forecast import Past
    from culturepark.run.plan import models_column
    from culturepark.store import runs
    from culturepark.store.integrity import edition_of

    if not store_exists(store_url):
        return []
    found: list[Past] = []
    try:
        store = Store(store_url, must_exist=True)
        for row in runs.completed(store, models_column(specs)):
            edition = edition_of(row)
            if edition.scenario.protocol == protocol and len(found) < 10:
                spent = runs.spent_by_stage(store, row.id)
                found.append(Past(row.id, edition, row.seed, spent, store.spent(row.id).cost_usd))
    except StoreError as error:
        tell(f"note: not all past runs can be learnt from: {safe(error)}")
    return found


def runs(store_url: str, as_json: bool) -> int:
    from culturepark.store.runs import runs as list_runs

    found = list_runs(Store(store_url, must_exist=True)) if store_exists(store_url) else []
    if as_json:
        write(json.dumps(found))
    elif not found:
        tell(f"no runs yet in {redact(store_url)}; `culturepark simulate quickstart` makes one")
    else:
        branches = any(r["parent"] for r in found)
        table(
            ("run", "scenario", "status", "dialogues", "samples", "stopped by", *(["branch of"] if branches else [])),
            [
                (
                    r["run"],
                    r["scenario"],
                    r["status"],
                    f"{r['dialogues_done']}/{r['dialogues']}",
                    r["samples_kept"],
                    "" if r["status"] == "done" else r["stop_reason"] or "",
                    *([r["parent"] or ""] if branches else []),
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


def stats(run_id: str, store_url: str, stances: bool, as_json: bool) -> int:
    from culturepark.cli.run import where_is
    from culturepark.stats.run_stats import stats as stats_of

    store = Store(store_url, must_exist=True)
    figures = stats_of(store, store.run(run_id))
    if as_json:
        write(json.dumps(figures.as_json()))
        return 0
    from culturepark.stats.text import stats_lines

    console = out()
    for line in stats_lines(figures, stances, where_is(store)):
        console.print(plain(line), soft_wrap=not console.is_terminal)
    return 0


def trace(subject: str, store_url: str, as_json: bool) -> int:
    from culturepark.cli.trace_text import lines_of
    from culturepark.export.line_trace import find_line
    from culturepark.store.lineage import trace as trace_of

    names = find_line(subject) or [subject.encode("utf-8", "replace").decode()]
    store = Store(store_url, must_exist=True)
    found = [trace_of(store, name) for name in names]
    if as_json:
        # Of a pair, the one document is the chosen sample's, with the rejected one's inside.
        write(json.dumps(found[0].as_json() | dict(zip(["rejected"], (t.as_json() for t in found[1:]), strict=False))))
        return 0
    console = out()
    for data, what in zip(found, ("chosen", "rejected"), strict=False):
        if len(found) > 1:
            console.print(f"{what}:")
        for line in lines_of(data):
            console.print(line, soft_wrap=not console.is_terminal)
    return 0


def export(
    run_ids: list[str],
    form: str,
    folder: Path,
    cultures: list[str],
    split: float | None,
    store_url: str,
    *,
    dialogues: bool = False,
    parquet: bool = False,
    licence: str | None = None,
) -> int:
    from culturepark.domain import CULTURES, MAIN_CULTURE
    from culturepark.export.manifest import Wanted
    from culturepark.export.writer import export as write_export

    allowed = [*CULTURES, MAIN_CULTURE]
    if unknown := [culture for culture in cultures if culture not in allowed]:
        raise UsageError(f"--culture {unknown[0][:60]!r}: must be one of {', '.join(allowed)}")
    if split is not None and not 0 < split < 1:
        raise UsageError("--split: the share that trains, between 0 and 1, as in --split 0.9")
    store = Store(store_url, must_exist=True)
    wanted = Wanted(form, tuple(dict.fromkeys(cultures)), split, dialogues, parquet, licence)
    if len({store.run(run_id).id for run_id in run_ids}) > 1 and not dialogues:
        from culturepark.export.repeats import repeats_across

        repeats = repeats_across(store, run_ids, tell)
        wanted = replace(wanted, left_out={repeat.statement_id: repeat for repeat in repeats})
    done = write_export(store, run_ids, folder, wanted, command=shlex.join(["culturepark", *sys.argv[1:]]))
    for note in done.notes:
        tell(f"note: {note}")
    first = shlex.quote(f"{done.files[0]}:1")
    rows = "1 row" if done.rows == 1 else f"{done.rows} rows"
    tell(f"{rows} in {folder}; `culturepark trace {first}` shows where a row comes from")
    for path in done.files:
        write(str(path))
    return 0


def report(run_id: str, out: Path | None, store_url: str) -> int:
    from culturepark.cli.progress import counting
    from culturepark.report.page import write as write_page

    store = Store(store_url, must_exist=True)
    with counting("dialogues") as progress:
        done = write_page(store, run_id, out, progress)
    if done.typed:
        many = f"{done.typed} turns of it are" if done.typed > 1 else "1 turn of it is"
        tell(f"note: {many} what a real person typed, word for word; look through the page before you pass it on")
    if place := done.place:
        tell(f"{place}: {place.stat().st_size / 1e6:.1f} MB, for any browser; it loads nothing and sends nothing")
        write(str(place))
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


def doctor(model: str | None, store_url: str, as_json: bool) -> int:
    from culturepark.cli.doctor import examine

    findings = asyncio.run(examine(model, store_url, dict(os.environ)))
    if as_json:
        write(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            out().print(plain(f"{finding.state:5} {finding.what}: {finding.detail}"), soft_wrap=True)
    worst = next((finding for finding in findings if finding.state == "bad"), None)
    return worst.exit_code if worst else 0
