"""What `culturepark people` does: reads, asks, writes, and says what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from culturepark.catalog.cultures import Known
from culturepark.cli.consent import trust_in
from culturepark.cli.execution import ended_by
from culturepark.cli.options import Limits, store_option
from culturepark.cli.progress import Quiet, counting
from culturepark.cli.roles import warn_of_unknown_prices
from culturepark.domain import Draft, JsonObject, Persona, Status
from culturepark.errors import BudgetReached, UsageError
from culturepark.files import clipped
from culturepark.models import prices
from culturepark.models.kinds import is_tiny
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse
from culturepark.models.trust import Trust
from culturepark.people import drafts as rules
from culturepark.people.files import check_out, write_cards
from culturepark.people.intake import Intake
from culturepark.people.mapping import load_map
from culturepark.people.quotas import counted, drawn, fitted, load_quotas, misses, quota_drafts
from culturepark.people.tables import open_table
from culturepark.people.writer import unwritable
from culturepark.run.plan import Settings, models_of, settings_of
from culturepark.run.population import Population, edition_for, forecast, keep, new_population, out_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell, write

TO_QUOTAS = 100
"""People who are drawn to quotas if no number is given."""
WHY = {
    "contradiction": "contradict what is settled of them",
    "no-card": "would be no whole card",
    "unparsable": "came as nothing that can be read",
    "cut-off": "were cut off by the limit on tokens",
    "withheld": "were withheld by a filter",
    "too-long": "do not fit into the model's context",
}


@dataclass(frozen=True)
class Wanted:
    """The options of the command."""

    table: Path | None
    map_file: Path | None
    quotas: Path | None
    out: Path | None
    count: int | None
    seed: int
    model: str | None

    def check(self) -> None:
        """
        Raises:
            UsageError: if options are missing or do not go together.
        """
        if (self.table is None) == (self.quotas is None):
            raise UsageError("name either a table (--from TABLE --map FILE), or quotas (--quotas FILE)")
        if self.table and not self.map_file:
            raise UsageError(
                "--from: say with --map FILE which columns become which keys of a card; see docs/howto/people.md"
            )
        if self.map_file and not self.table:
            raise UsageError("--map goes with --from TABLE")
        if self.quotas and not self.model:
            raise UsageError(
                "--quotas: nothing but the quotas is known of these people; name the --model that writes them"
            )
        if self.out is None:
            raise UsageError("--out: name a folder for the cards, or a file that ends with .jsonl")
        if self.model:
            check_writer(parse(self.model))

    @property
    def place(self) -> Path:
        assert self.out is not None
        return self.out


@dataclass
class Source:
    """Where the people come from, and what was counted on the way."""

    title: str
    drafts: Iterator[Draft]
    cultures: Known
    """Those beside the shipped ones."""
    intake: Intake | None = None
    notes: list[str] = field(default_factory=list)
    quotas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        return (self.intake.as_json() if self.intake else {}) | ({"quotas": self.quotas} if self.quotas else {})


def check_writer(spec: ModelSpec) -> None:
    """
    Raises:
        UsageError: if the kind of model alone shows that it cannot write people.
    """
    if spec.scripted:
        raise UsageError("--model scripted: it speaks from cards, and cannot write any; name a model")
    if is_tiny(str(spec)):
        raise UsageError(f"--model {spec}: is too small to write people; one of three billion parameters or more can")


def of_table(wanted: Wanted) -> Source:
    assert wanted.table is not None
    assert wanted.map_file is not None
    table = open_table(wanted.table)
    people_map = load_map(wanted.map_file, table)
    intake = Intake(progress=lambda rows: tell(f"{rows:,} rows read so far"))
    title = f"People from {people_map.table}"
    drafts = intake.drafts(table, people_map, wanted.count, wanted.seed)
    return Source(title, drafts, people_map.cultures, intake)


def of_quotas(wanted: Wanted) -> Source:
    """
    Raises:
        UsageError: if the shares cannot all hold at once.
    """
    assert wanted.quotas is not None
    quotas = load_quotas(wanted.quotas)
    shares, off = fitted(quotas)
    if off:
        raise UsageError(f"{clipped(wanted.quotas, 200)}: the shares contradict each other: {'; '.join(off)}")
    people = drawn(quotas, shares, wanted.count or TO_QUOTAS, wanted.seed)
    notes = [f"quota missed: {miss}" for miss in misses(quotas, people)]
    drafts = quota_drafts(quotas, people, wanted.seed)
    title = f"People to quotas of {quotas.source}"
    return Source(title, iter(drafts), quotas.cultures, notes=notes, quotas=counted(quotas, people))


# --- without a model ---------------------------------------------------------------------------------


def copy_cards(wanted: Wanted, source: Source, as_json: bool) -> int:
    """Write the cards that are whole as the table has them."""
    assert source.intake is not None
    check_out(wanted.place, wanted.count or 0, again=False)
    kept: list[tuple[str, str]] = []

    def passed(people: Iterator[Persona]) -> Iterator[Persona]:
        for persona in people:
            kept.append((persona.culture, persona.called))
            yield persona

    count = write_cards(wanted.place, passed(source.intake.cards(source.drafts, source.cultures)))
    tell_intake(source)
    if not count:
        leave_nothing(wanted.place)
        raise UsageError(nothing_of(source.intake))
    if lacking := source.intake.lacking:
        tell(f"left out, since their cards lack keys: {listed(lacking)}; a --model can write them")
    report(wanted.place, count, rules.namesakes(kept), source.as_json(), as_json)
    return 0


def leave_nothing(out: Path) -> None:
    """Take away what holds no card."""
    with suppress(OSError):
        out.unlink() if out.is_file() else out.rmdir()


def nothing_of(intake: Intake) -> str:
    if intake.lacking:
        keys = ", ".join(intake.lacking)
        return (
            f"no card is whole: the table, as it is mapped, lacks {keys}; map them, or name a --model that writes them"
        )
    return "no row of the table became a person" + (
        ": none is wanted by `where`" if intake.unwanted == intake.rows else ""
    )


# --- with a model ------------------------------------------------------------------------------------


def settled(source: Source) -> list[Draft]:
    """Return all drafts.

    Raises:
        UsageError: if there are none, or they lack what no model may decide.
    """
    drafts = list(source.drafts)
    if not drafts:
        if source.intake:
            tell_intake(source)
            raise UsageError(nothing_of(source.intake))
        raise UsageError("the quotas give no people")
    if keys := sorted({key for draft in drafts for key in unwritable(draft.given)}):
        raise UsageError(f"the map must say {', '.join(keys)}: that is not for a model to decide")
    return drafts


def forecast_people(wanted: Wanted, source: Source, as_json: bool) -> int:
    drafts = settled(source)
    figures = forecast(drafts, parse(wanted.model or ""), wanted.seed)
    tell_intake(source)
    if as_json:
        write(json.dumps(figures | source.as_json()))
        return 0
    lines = [f"{len(drafts):,} people; nothing has been sent"]
    for name, words in (
        ("calls", "calls"),
        ("prompt_tokens", "prompt tokens"),
        ("completion_tokens", "completion tokens"),
    ):
        low, high = figures[name]
        lines.append(f"{words:>18}  {low:,} to {high:,}")
    cost = figures["cost_usd"]
    lines.append(f"{'cost':>18}  " + (f"${cost[0]:.2f} to ${cost[1]:.2f}" if cost else "no known price"))
    write("\n".join(lines))
    return 0


def make_people(
    wanted: Wanted,
    source: Source,
    store_url: str,
    concurrency: int | None,
    limits: Limits,
    run_id: str | None,
    as_json: bool,
) -> int:
    spec = parse(wanted.model or "")
    prices.table()
    trust = trust_in([spec], [])
    check_specs({"speaker": spec}, ["speaker"], trust)
    edition = edition_for(settled(source), source.title, source.cultures)
    check_out(wanted.place, len(edition.drafts), again=True)
    settings = Settings(concurrency=concurrency or (16 if spec.remote else 4), **limits.given)
    store = Store(store_url)
    row, again = new_population(
        store, edition, seed=wanted.seed, model=spec, settings=settings, out=str(wanted.place.resolve()), run_id=run_id
    )
    if not again:
        try:
            check_out(wanted.place, len(edition.drafts), again=False)
        except UsageError:
            store.delete_run(row.id)
            raise
    tell_intake(source)
    with store.database.hold(row.id):
        return carry_on_people(store, store.run(row.id), wanted.place, trust, as_json, source.as_json())


def resume_people(store: Store, row: RunRow, limits: Limits, trust: Trust, as_json: bool) -> int:
    """Finish a run that makes people, or write its cards again."""
    check_specs(models_of(row), ["speaker"], trust)
    out = Path(out_of(row))
    check_out(out, 0, again=True)
    keep(store, row, replace(settings_of(row), **limits.given), str(out))
    return carry_on_people(store, store.run(row.id), out, trust, as_json, {})


def carry_on_people(
    store: Store, row: RunRow, out: Path, trust: Trust, as_json: bool, more: Mapping[str, object]
) -> int:
    """Have people made, write the cards that there are, say what came of it, and return the exit code."""
    warn_of_unknown_prices(store, row)
    watcher = Quiet()
    with counting("people") as progress:
        run = Population(store, row, watcher, trust, progress)
        watcher.note(f"run {row.id}: {run.scenario.title}. Made-up people; no sample of a population.")
        failure = ended_by(run)
    people = [run.people[number] for number in sorted(run.people)]
    if people or not failure:
        write_cards(out, people)
    budget = run.ledger.budget
    figures: JsonObject = {
        "run": row.id,
        "status": store.run(row.id).status,
        "wanted": len(run.drafts),
        "dropped": dict(run.why_dropped),
        "first_dropped": [
            {"person": number, "why": outcome.why, "detail": outcome.detail}
            for number, outcome in sorted(run.dropped.items())[:10]
        ],
        "failed": len(run.failed),
        "tokens": budget.tokens,
        "cost_usd": budget.cost_usd,
    }
    report(out, len(people), rules.namesakes([(p.culture, p.called) for p in people]), figures | dict(more), as_json)
    tell_dropped(run)
    cost = "" if budget.cost_usd is None else f", ${budget.cost_usd:.4f}"
    tell(f"{row.id}: {len(people):,} of {len(run.drafts):,} people; {budget.tokens:,} tokens{cost}")
    again = f"culturepark resume {row.id}"
    if failure:
        extra = f" {failure.option}" if isinstance(failure, BudgetReached) else ""
        tell(f"{safe(failure)}\ngo on with: {again}{extra}{store_option(store)}")
        show_origin(failure)
        return failure.exit_code
    if run.failed:
        tell(f"{len(run.failed)} people failed; go on with: {again}{store_option(store)}")
    return 1 if store.run(row.id).status == Status.FAILED else 0


# --- what came of it ---------------------------------------------------------------------------------


def tell_intake(source: Source) -> None:
    for note in source.notes[:10]:
        tell(note)
    intake = source.intake
    if intake is None:
        return
    tell(f"{intake.rows:,} rows read; {intake.unwanted:,} not wanted (`where`), {intake.bad:,} cannot be used")
    for number, why in intake.first:
        tell(f"  row {number}: {clipped(why, 200)}")
    if intake.bad > len(intake.first):
        tell(f"  in all: {listed(intake.reasons)}")


def tell_dropped(run: Population) -> None:
    for why, number in run.why_dropped.most_common():
        tell(f"dropped: {number} whose cards, asked for twice, {WHY.get(why, why)}")
    for number, outcome in sorted(run.dropped.items())[:3]:
        if outcome.detail:
            tell(f"  person {number}: {clipped(outcome.detail, 300)}")


def report(out: Path, count: int, namesakes: Mapping[str, int], figures: Mapping[str, object], as_json: bool) -> None:
    """Print where the cards are, and a remark on people who are called the same."""
    if as_json:
        write(json.dumps({"out": str(out), "people": count, "called_the_same": dict(namesakes), **figures}))
    else:
        write(str(out))
    if namesakes:
        tell(f"called the same, and never at one table: {listed(namesakes)}")
    if count:
        shown = clipped(out, 200)
        tell(f"{count:,} people in {shown}; a scenario takes them with `personas: [{shown}]` and `cast: own` or `all`")


def listed(counts: Mapping[str, int], most: int = 6) -> str:
    first: Sequence[tuple[str, int]] = sorted(counts.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{safe(name)} {number:,}" for name, number in first) + (", ..." if len(counts) > most else "")
