"""`simulate --preview`: a few rows of a run in full, what they cost, and what the whole run will cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from culturepark.cli.execution import carried_on, tell_failure, tell_what_to_expect
from culturepark.cli.forecast import figure_lines, past_runs
from culturepark.cli.options import store_option
from culturepark.cli.progress import counting
from culturepark.cli.trace_text import quoted, sample_lines
from culturepark.dialogue.casting import Plan
from culturepark.domain import Edition, JsonObject, Noun, Status
from culturepark.errors import CultureparkError
from culturepark.glossary import counted
from culturepark.models.trust import Trust
from culturepark.report.page import refuse_what_is_not_ours
from culturepark.report.page import write as write_page
from culturepark.run.forecast import FORESEEN, Forecast, Past, forecast
from culturepark.run.plan import models_of
from culturepark.run.preview import KeptRow, most_varied
from culturepark.stats.figures import RunStats
from culturepark.stats.run_stats import stats as stats_of
from culturepark.stats.text import funnel_lines
from culturepark.store import runs
from culturepark.store.castings import castings, skipped
from culturepark.store.integrity import edition_of
from culturepark.store.lineage import trace_statement
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.store.traced import Trace
from culturepark.terminal.safe import out, plain, show_origin, tell, write

PARTS = ("sample", "statement", "card_line", "turn", "participant", "seed")


class Spent(Noun):
    """What the preview took."""

    dialogues: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class Preview(Noun):
    """Rows of a run, and the figures to decide by, as `--preview --json` prints them."""

    run: str
    status: str
    stop_reason: str | None
    wanted: int
    rows: list[JsonObject]
    """Each has the parts of `trace --json` that are named in `PARTS`."""
    kept: int
    """Number of all rows so far; `rows` has the most varied of them."""
    dropped: dict[str, int]
    """Samples by the reason for which they were dropped."""
    spent: Spent
    estimate: Forecast
    """Of the whole run, as `--dry-run` would have it, without what was held."""
    rest: Forecast | None
    """Of the dialogues that are left, judged by those that were held; None where nothing is left."""
    page: str | None
    go_on: str
    """The command that goes on with the run."""


def show_preview(store: Store, row: RunRow, wanted: int, page: Path | None, as_json: bool, trust: Trust) -> int:
    """Hold as little of a run as shows some rows, print them, and return the exit code.

    Args:
        page: where the report of what was held goes; None for no report.
    """
    if page:  # before anything is paid for
        refuse_what_is_not_ours(page)
    edition = edition_of(row)
    others = past_runs(lambda: store, edition.scenario.protocol, models_of(row))
    others = [past for past in others if past.run_id != row.id]
    failure = carried_on(store, row, trust, preview=wanted)
    row = store.run(row.id)
    stats = stats_of(store, row)
    kept = [KeptRow(*found) for found in runs.kept_rows(store, row.id)]
    traces = [trace_statement(store, chosen.id) for chosen in most_varied(kept, wanted)]
    place = written(store, row, page) if page else None
    estimate, rest = forecasts(store, row, edition, others)
    preview = Preview(
        run=row.id,
        status=stats.status,
        stop_reason=stats.stop_reason,
        wanted=wanted,
        rows=[row_of(trace) for trace in traces],
        kept=len(kept),
        dropped=dict(stats.samples.dropped),
        spent=spent_on(store, row, stats),
        estimate=estimate,
        rest=rest,
        page=place,
        go_on=f"culturepark resume {row.id}{store_option(store)}",
    )
    if as_json:
        write(json.dumps(preview.model_dump(mode="json")))
    else:
        console = out()
        for line in lines_of(preview, traces, stats):
            console.print(line, soft_wrap=True)
    return told(preview, stats, failure, store_option(store))


def forecasts(store: Store, row: RunRow, edition: Edition, others: list[Past]) -> tuple[Forecast, Forecast | None]:
    """Return the forecast of the whole run by other runs, and that of what is left by what was held."""
    scenario, models = edition.scenario, models_of(row)
    statuses = {dialogue.number: dialogue.status for dialogue in store.dialogues(row.id)}
    every = castings(store, row, edition)
    whole = forecast(Plan(every, skipped(row)), scenario, models, others)
    left = tuple(casting for casting in every if statuses[casting.number] == Status.PENDING)
    if not left:
        return whole, None
    held = tuple(casting for casting in every if statuses[casting.number] == Status.DONE)
    spent, cost = runs.spent_by_stage(store, row.id), runs.cost_of(store, row.id, FORESEEN)
    own = [Past(row.id, Plan(held, ()), scenario, spent, cost)] if held else others
    return whole, forecast(Plan(left, ()), scenario, models, own)


def spent_on(store: Store, row: RunRow, stats: RunStats) -> Spent:
    return Spent(
        dialogues=sum(dialogue.status != Status.PENDING for dialogue in store.dialogues(row.id)),
        calls=stats.calls.total,
        prompt_tokens=stats.tokens.prompt,
        completion_tokens=stats.tokens.completion,
        cost_usd=stats.cost_usd,
    )


def written(store: Store, row: RunRow, page: Path) -> str | None:
    with counting("dialogues") as progress:
        place = write_page(store, row.id, page, progress).place
    return None if place is None else str(place)


def row_of(trace: Trace) -> JsonObject:
    whole = trace.as_json()
    return {part: whole[part] for part in PARTS}


# --- the text --------------------------------------------------------------------------------------


def lines_of(preview: Preview, traces: list[Trace], stats: RunStats) -> Iterator[Text]:
    for number, trace in enumerate(traces, start=1):
        yield plain(f"row {number} of {len(traces)}", "bold reverse")
        yield from row_lines(trace)
        yield plain("")
    if len(traces) < preview.wanted:
        yield plain(f"{counted(len(traces), 'row')} in place of {preview.wanted}: what became of what was said", "bold")
        yield from map(plain, funnel_lines(stats))
        yield plain("")
    yield from cost_lines(preview)


def row_lines(trace: Trace) -> Iterator[Text]:
    """Yield a row in full, who holds it, and the turn behind it with its quote marked."""
    yield from sample_lines(trace)
    person = trace.persona
    yield plain(
        f"          {person.name}, {person.age}, {person.place}; {person.culture}, {person.country_name}", "dim"
    )
    for fact in trace.facts:
        yield Text.assemble("    ", (f"{fact.label:<12}", "dim"), plain(fact.text))
    yield from quoted(trace)


def cost_lines(preview: Preview) -> Iterator[Text]:
    """Yield what was spent beside the forecasts: before anything was held, and by what was held."""
    spent, rest = preview.spent, preview.rest
    yield plain(f"{'':>18}  {'spent':>12}  {'still to come':>24}  {'estimate of the whole run':>26}", "bold")
    yield plain(
        f"{'dialogues':>18}  {spent.dialogues:>12,}  {rest.dialogues if rest else 0:>24,}  "
        f"{preview.estimate.dialogues:>26,}"
    )
    to_come = figure_lines(rest) if rest else {}
    took = {
        "calls": f"{spent.calls:,}",
        "prompt tokens": f"{spent.prompt_tokens:,}",
        "completion tokens": f"{spent.completion_tokens:,}",
        "cost": "no known price" if spent.cost_usd is None else f"${spent.cost_usd:.4f}",
    }
    for name, before in figure_lines(preview.estimate).items():
        yield plain(f"{name:>18}  {took[name]:>12}  {to_come.get(name, 'nothing'):>24}  {before:>26}")


def told(preview: Preview, stats: RunStats, failure: CultureparkError | None, option: str) -> int:
    """Say on stderr how to go on, and return the exit code."""
    if preview.rest and preview.rest.past_runs == [preview.run]:
        tell(f"still to come: judged by what was held, {counted(preview.spent.dialogues, 'dialogue')}")
    if preview.page:
        tell(f"{preview.page}: every turn of it, with what is behind each sentence")
    if failure:
        tell_failure(failure, preview.run, option)
        show_origin(failure)
        return failure.exit_code
    if preview.rest and len(preview.rows) < preview.wanted:
        tell(f"a preview holds as many dialogues as rows are wanted, and no more: {preview.spent.dialogues} were held")
    if preview.rest:
        tell(f"go on with the rest: {preview.go_on}")
    else:
        tell(f"all of {preview.run} has been held")
    tell_what_to_expect(stats)
    return 1 if stats.dialogues.get(Status.FAILED) else 0
