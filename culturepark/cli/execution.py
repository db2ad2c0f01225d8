"""A run carried on in front of its user: progress, Ctrl-C, and at the end what came of it and what to do next."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress

from culturepark.cli.options import store_option
from culturepark.cli.progress import watching
from culturepark.cli.roles import warn_of_unknown_prices
from culturepark.dialogue.protocol import Protocol, protocol_of
from culturepark.domain import ModelRole, Status
from culturepark.errors import BudgetReached, CultureparkError, Interrupted, UsageError
from culturepark.ids import is_run_id
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.batching import check_batches
from culturepark.run.pipeline import Run, still_open
from culturepark.run.plan import with_concurrency
from culturepark.run.workers import Alone, Workers, is_over, may_be_shared
from culturepark.stats.figures import RunStats
from culturepark.stats.run_stats import stats as stats_of
from culturepark.stats.text import distinct_answers, few_answers
from culturepark.store.castings import skipped
from culturepark.store.crew import Crew, LeaseLost
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell, write

OPEN = (Status.PENDING, Status.RUNNING)


def check_run_id(run_id: str | None) -> None:
    """
    Raises:
        UsageError: if this cannot be a run's id.
    """
    if run_id and not is_run_id(run_id):
        raise UsageError("--run-id: letters, digits, - and _, at most 100 of them, and not `last`")


def check_batches_now(words: Sequence[str], models: Mapping[ModelRole, ModelSpec], trust: Trust) -> None:
    """Ask before anything is begun whether the endpoints take batches; nothing is asked where none are wanted.

    Raises:
        UsageError: if one takes none.
        ModelError: if one cannot be asked.
    """
    if words:
        asyncio.run(check_batches(words, models, trust))


def check_ended(store: Store, row: RunRow) -> None:
    """
    Raises:
        UsageError: if the run is a talk that only its user can go on with.
    """
    open_talks = [d for d in store.dialogues(row.id) if protocol_of(d.protocol).user_sits and d.status in OPEN]
    if open_talks:
        raise UsageError(still_open(row.id, store_option(store)))


def protocol_in(row: RunRow) -> Protocol:
    """Return the protocol of a run: whether somebody talks in it, or what it did in place of that."""
    return protocol_of(edition_of(row).scenario.protocol)


def check_dialogues(row: RunRow) -> None:
    """
    Raises:
        UsageError: if nobody talks in the run.
    """
    protocol = protocol_in(row)
    if not protocol.holds_dialogues:
        raise UsageError(f"{row.id} {protocol.did}, and holds no dialogues")


@contextmanager
def held(store: Store, run_id: str) -> Iterator[RunRow]:
    """Give the run's row, and lock the run against other processes in the block."""
    run_id = store.run(run_id).id
    with store.database.hold(run_id):
        yield store.run(run_id)


def carry_on(store: Store, row: RunRow, as_json: bool, trust: Trust, more: Mapping[str, str | None] = {}) -> int:
    """Carry on a run that this process holds, print its outcome, and return the exit code.

    Args:
        more: further values for stdout: with `--json` all beside the figures, else the first in place of the run's id.
    """
    shared = may_be_shared(store, row)
    if shared:  # until here the run is held alone: workers that are still on the list have been killed
        Crew(store, row.id).forget()
    with store.database.share(row.id) if shared else nullcontext():
        failure = carried_on_to_its_end(store, row, trust) if shared else carried_on(store, row, trust)
    return tell_outcome(store, row, failure, as_json, more)


def join(
    store: Store, row: RunRow, trust: Trust, as_json: bool, *, concurrency: int | None, lease: float | None
) -> int:
    """Carry a run on as one of its workers, print its outcome, and return the exit code.

    Args:
        concurrency: requests in flight at once; None for the run's own number.
        lease: seconds after which this worker has ended if it was not heard of; None for the usual.
    """
    failure = None
    if not is_over(store, row):
        row.settings = row.settings if concurrency is None else with_concurrency(row.settings, concurrency)
        failure = carried_on_to_its_end(store, row, trust, lease)
    return tell_outcome(store, row, failure, as_json, {})


def carried_on_to_its_end(
    store: Store, row: RunRow, trust: Trust, lease: float | None = None
) -> CultureparkError | None:
    """Carry a run on as one of its workers; one that was taken for dead begins again. Return what stopped it."""
    failure = carried_on(store, row, trust, lease=lease)
    while isinstance(failure, LeaseLost) and not is_over(store, store.run(row.id)):
        tell(f"{safe(failure)}; this one begins again")
        failure = carried_on(store, row, trust, lease=lease)
    return None if isinstance(failure, LeaseLost) else failure


def tell_outcome(
    store: Store, row: RunRow, failure: CultureparkError | None, as_json: bool, more: Mapping[str, str | None]
) -> int:
    option = store_option(store)
    stats = stats_of(store, store.run(row.id))
    if failure and stats.status == Status.RUNNING and not may_be_shared(store, row):  # it could not be written
        stats = stats.model_copy(update={"status": Status.STOPPED})
    if as_json:
        write(json.dumps(stats.as_json() | dict(more)))
    else:
        write(next(iter(more.values()), None) or row.id)
    tell_summary(stats, failure, option)
    if failure:
        show_origin(failure)
        return failure.exit_code
    return 1 if stats.status == Status.FAILED else 0


def carried_on(
    store: Store, row: RunRow, trust: Trust, preview: int = 0, lease: float | None = None
) -> CultureparkError | None:
    """Carry a run on and show its progress; return what stopped it, if anything did.

    Args:
        preview: number of rows that are enough; 0 for all.
        lease: as `join` takes it.
    """
    warn_of_unknown_prices(store, row)
    option = store_option(store)
    with watching() as watcher:
        crew = Workers(Crew(store, row.id, lease=lease)) if not preview and may_be_shared(store, row) else None
        run = run_of(store, row, watcher, trust, preview, crew)
        note_skipped(watcher, row, option)
        if people := run.without_a_second():
            watcher.note(f"cross-check: nobody else to ask about norms of {people}; they are kept without")
        failure = ended_by(run)
        if row.skipped is None:  # it has been planned meanwhile
            note_skipped(watcher, store.run(row.id), option)
    return failure


def run_of(
    store: Store, row: RunRow, watcher: Watcher, trust: Trust, preview: int = 0, crew: Alone | None = None
) -> Run:
    """Return what carries a run on: one whose people talk, or one that is asked of a model alone."""
    if protocol_in(row).mines:
        from culturepark.mine.mining import MinedRun

        return MinedRun(store, row, watcher, trust)
    return Run(store, row, watcher, trust, preview=preview, crew=crew)


def note_skipped(watcher: Watcher, row: RunRow, option: str) -> None:
    left_out = skipped(row)
    for skip in left_out[:3]:
        watcher.note(f"skipped: {skip}")
    if len(left_out) > 3:
        watcher.note(f"skipped: {len(left_out)} cells in all; `culturepark stats {row.id}{option}` names them")


def ended_by(run: Run) -> CultureparkError | None:
    """Carry a run on until it is done or stopped; return the error that ended it, if one did."""
    try:
        asyncio.run(until_stopped(run))
    except CultureparkError as error:
        return error
    return None


async def until_stopped(run: Run) -> None:
    """Carry a run on. Ctrl-C once lets the calls in flight finish; twice stops at once."""
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


def tell_summary(stats: RunStats, failure: CultureparkError | None, option: str) -> None:
    """Print on stderr the outcome of a run, and what to do next.

    Args:
        option: names the store (`store_option`).
    """
    least = "at least " if stats.unpriced_calls else ""
    price = "" if stats.cost_usd is None else f", {least}${stats.cost_usd:.4f}"
    dropped = sum(stats.samples.dropped.values())
    tell(
        f"{stats.run}: {stats.status}; {distinct_answers(stats.samples)}, {dropped} samples dropped; "
        f"{stats.tokens.prompt:,} prompt and {stats.tokens.completion:,} completion tokens{price}"
    )
    if stats.status == Status.FAILED:
        tell(f"{stats.stop_reason}; go on with: culturepark resume {stats.run}{option}")
    if failure:
        # A run that goes on is in the hands of other workers.
        tell_failure(failure, stats.run, option, "work" if stats.status == Status.RUNNING else "resume")
    elif not stats.samples.kept and stats.stop_reason == "completed":
        refused = stats.calls.refused_by_guard
        why = ""
        if refused and not stats.turns.personas:
            reasons = ", ".join(f"{reason} {count}" for reason, count in refused.items())
            why = f": no answer could stand as a turn ({reasons})"
        elif unparsable := refused.get("unparsable"):
            why = f": {unparsable} answers held no JSON in the form that was asked for"
        tell(f"no samples came of it{why}; `culturepark stats {stats.run}{option}` says why")
    elif stats.samples.kept:
        if few := few_answers(stats.samples):
            tell(few)
        collapse = stats.representation.run.collapse
        if collapse.verdict == "collapsed":
            tell(f"one voice: {'; '.join(collapse.reasons)}; `culturepark stats {stats.run}{option}` shows more")
        tell(f"next: culturepark export {stats.run} --format trl --out runs/{stats.run}{option}")
    tell_what_to_expect(stats)


def tell_failure(failure: CultureparkError, run_id: str, option: str, again: str = "resume") -> None:
    more = f" {failure.option}" if isinstance(failure, BudgetReached) else ""
    tell(f"{safe(failure)}\ngo on with: culturepark {again} {run_id}{more}{option}")


def tell_what_to_expect(stats: RunStats) -> None:
    """Say of the smallest models that their rows are nothing to train on."""
    if any(map(is_tiny, stats.models.values())):
        tell(
            "the embedded model is tiny: it picks sentences from cards and takes in nothing that is said; no view is "
            "kept; `culturepark replay demo` shows what a large model makes of it"
        )
    if any(map(is_scripted, stats.models.values())):
        tell("the model was scripted: what it says comes from the persona cards, and is nothing to train on")
