"""A run carried on by workers on a Ray cluster, in front of its user."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from culturepark.cli.execution import tell_outcome
from culturepark.cli.options import Fleet
from culturepark.cli.progress import EVERY
from culturepark.domain import Status
from culturepark.glossary import counted
from culturepark.run import cluster
from culturepark.run.workers import check_shared, is_over
from culturepark.store.crew import Crew
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, tell

WORKERS = 4
"""Workers, unless the user names a number."""


def carry_on_with(
    fleet: Fleet,
    store: Store,
    row: RunRow,
    as_json: bool,
    *,
    concurrency: int | None = None,
    lease: float | None = None,
    alone: bool = False,
) -> int:
    """Let Ray start workers for a run, wait until nothing is left, print its outcome, and return the exit code.

    Args:
        concurrency, lease: as `work` takes them.
        alone: this process holds the run alone so far. One that has ended is carried on nevertheless.
    """
    check_shared(store, row)
    url = store.database.url.render_as_string(hide_password=False)
    job = cluster.Job(url, row.id, row.models, concurrency, lease)
    count = fleet.workers or WORKERS
    failures: list[tuple[str, int]] = []
    if alone:
        Crew(store, row.id).forget()
        store.set_run(row.id, Status.PENDING, None)
    with cluster.connected(fleet.address) as ray, store.database.share(row.id, patience=10), heard() as stopped:
        if not is_over(store, store.run(row.id)):
            at_work = counted(count, "worker")
            tell(f"run {row.id}: {at_work} on Ray; simulated people, no evidence of what real people think")
            failures = cluster.supervise(ray, job, count, lambda text: tell(safe(text)), stopped, progress(store, row))
    return tell_outcome(store, row, cluster.worst(failures), as_json, {})


def progress(store: Store, row: RunRow) -> cluster.Look:
    """Return what says now and then how far a run is."""
    last = monotonic()

    def look() -> None:
        nonlocal last
        if monotonic() - last >= EVERY:
            last = monotonic()
            rows = store.dialogues(row.id)
            tell(f"{sum(one.status in (Status.DONE, Status.FAILED) for one in rows)}/{len(rows)} dialogues held")

    return look


@contextmanager
def heard() -> Iterator[threading.Event]:
    """Give what Ctrl-C sets in the block; a second Ctrl-C ends the command at once."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        tell("stopping after the calls in flight; press Ctrl-C again to stop now")
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
