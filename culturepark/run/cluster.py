"""Workers on a Ray cluster: each is an actor that claims dialogues like any other worker of the run.

Ray starts them, spreads them over the machines, and starts one again elsewhere when its process or its machine is lost.
It knows nothing of dialogues. What was claimed and what was answered stands in the store, so a worker that begins
anew finds all of it there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from culturepark.errors import CultureparkError, Interrupted, Lacking, UsageError
from culturepark.models.extras import how_to_install
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import models_of, with_concurrency
from culturepark.run.workers import Workers, is_over
from culturepark.store.crew import Crew, LeaseLost
from culturepark.store.store import Store

Look = Callable[[], None]
EVERY: float = 1.0
"""Seconds between two looks at the workers."""


@dataclass(frozen=True)
class Job:
    """What one worker is told."""

    url: str
    """Of the store, as the worker's machine reaches it."""
    run_id: str
    models: str
    """The run's models, as the user who started the workers has allowed them to be asked."""
    concurrency: int | None
    lease: float | None


class Worker:
    """One worker, in a process of its own. Ray makes an actor of it."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._stopped = False

    async def work(self, job: Job) -> tuple[str, int] | None:
        """Work on a run until nothing is left; return the message and exit code of what stopped it, if anything did."""
        try:
            await self._work(job)
        except CultureparkError as error:
            return str(error), error.exit_code
        return None

    async def stop(self) -> None:
        """Let the calls in flight finish, and make no new ones."""
        self._stopped = True
        if self._run:
            self._run.interrupt()

    async def _work(self, job: Job) -> None:
        store = Store(job.url, must_exist=True)
        try:
            row = store.run(job.run_id)
            if row.models != job.models:
                raise UsageError(f"{row.id} has other models by now; start its workers anew")
            if job.concurrency is not None:
                row.settings = with_concurrency(row.settings, job.concurrency)
            with store.database.share(row.id, patience=10):
                while not is_over(store, store.run(row.id)) and not self._stopped:
                    crew = Workers(Crew(store, row.id, lease=job.lease))
                    self._run = Run(store, row, Watcher(), Trust(models_of(row).values()), crew=crew)
                    try:
                        await self._run.carry_on()
                    except LeaseLost:  # this machine was away for too long; what it had claimed others do
                        continue
                    return
        finally:
            self._run = None
            store.close()


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Give the library, connected to a cluster.

    Args:
        address: `auto` or HOST:PORT of its head; None for the one of `RAY_ADDRESS`, or one on this machine alone.
    Raises:
        Lacking: if Ray is not installed.
        UsageError: if there is no such cluster.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of what it will do in future
    try:
        import ray
    except ImportError:
        raise Lacking(f"--engine ray: needs the extra `scale`: {how_to_install('scale')}") from None
    if ray.is_initialized():  # a program that has its own connection
        yield ray
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"--address {address or ''}: no Ray cluster there: {str(error).splitlines()[0]}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def supervise(
    ray: Any, job: Job, count: int, told: Callable[[str], None], stopped: threading.Event, look: Look
) -> list[tuple[str, int]]:
    """Start workers and keep them going until the run has nothing left to do; return what stopped those that stopped.

    Args:
        count: number of workers.
        told: called with news.
        stopped: set by whoever wants the run to stop.
        look: called every second.
    """
    actor = ray.remote(Worker).options(
        num_cpus=0,  # a worker waits for models, and one for which there is no core would never begin
        max_restarts=-1,
        max_task_retries=-1,
        scheduling_strategy="SPREAD",
    )
    workers = [actor.remote() for _ in range(count)]
    left: dict[Any, Any] = {worker.work.remote(job): worker for worker in workers}
    failures: list[tuple[str, int]] = []
    asked_to_stop = False
    while left:
        done, _ = ray.wait(list(left), num_returns=1, timeout=EVERY)
        look()
        for one in done:
            left.pop(one)
            try:
                failure: tuple[str, int] | None = ray.get(one)
            except ray.exceptions.RayError as error:
                failure = f"a worker was lost for good: {str(error).strip().splitlines()[-1]}", 1
            if failure:
                failures.append(failure)
                told(failure[0])
        if stopped.is_set() and not asked_to_stop:
            asked_to_stop = True
            for worker in left.values():
                worker.stop.remote()
    for worker in workers:
        ray.kill(worker)
    return failures


def worst(failures: list[tuple[str, int]]) -> CultureparkError | None:
    """Return the error with which a command ends whose workers were stopped by these; None if there were none."""
    if not failures:
        return None
    message, code = max(failures, key=lambda failure: failure[1])
    known: Mapping[int, type[CultureparkError]] = {130: Interrupted}
    error = known.get(code, CultureparkError)(message)
    error.exit_code = code
    return error
