"""Several workers on one run: who is there, who has claimed what, and what all of them have spent and asked.

A run is carried on in passes. Whoever comes first opens one and writes down what there is to do, a row of `claim` for
each dialogue, for each question, and for what comes after them. Each worker takes the next row that nobody has (`FOR
UPDATE SKIP LOCKED`), and says every few seconds that it is still there. One that has not been heard of for the time of
its lease has ended: what it had claimed is free again.

A worker that was only slow must not write beside the one that took over from it. So every transaction in which it
writes begins with a look at its own row, and locks it against being ended (`FOR KEY SHARE`) until the commit. All times
are the server's.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from culturepark.domain import Status, storable
from culturepark.errors import CultureparkError, StoreError, UsageError
from culturepark.models.ledger import now
from culturepark.store.database import Fence
from culturepark.store.pacing import SharedWindow
from culturepark.store.store import Store

LEASE: float = 30
"""Seconds after which a worker that was not heard of has ended."""
BEATS = 4
"""How often a worker says within that time that it is there."""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
FENCE = "SELECT 1 FROM worker WHERE id = :worker AND ended = 0 FOR KEY SHARE"
NEXT = (
    "SELECT subject_id FROM claim WHERE run_id = :run AND worker_id IS NULL AND done = 0 AND number > 0 "
    "ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED"
)
NEXT_QUESTION = (
    "SELECT subject_id FROM claim WHERE run_id = :run AND worker_id IS NULL AND done = 0 AND number < 0 "
    "ORDER BY number DESC LIMIT 1 FOR UPDATE SKIP LOCKED"
)
REST = "SELECT 1 FROM claim WHERE subject_id = :run AND worker_id IS NULL FOR UPDATE SKIP LOCKED"
CLAIM = "UPDATE claim SET worker_id = :worker WHERE subject_id = :subject"
ADD = "INSERT INTO claim (subject_id, run_id, number, done) VALUES (:subject, :run, :number, 0) ON CONFLICT DO NOTHING"
SIGN_ON = (
    "INSERT INTO worker (id, run_id, host, process, joined_at, until, tokens, cost_usd, ended) VALUES (:worker, :run, "
    ":host, :process, :joined, extract(epoch FROM clock_timestamp()) + :lease, :tokens, :cost, :ended)"
)
STILL_THERE = (
    "UPDATE worker SET until = extract(epoch FROM clock_timestamp()) + :lease WHERE id = :worker AND ended = 0"
)
OTHERS = (
    "SELECT count(*) FROM worker WHERE run_id = :run AND id <> :worker AND ended = 0 "
    "AND until >= extract(epoch FROM clock_timestamp())"
)
GONE = (
    "SELECT id FROM worker WHERE run_id = :run AND ended = 0 AND until < extract(epoch FROM clock_timestamp()) "
    "FOR UPDATE SKIP LOCKED"
)
FREE = "UPDATE claim SET worker_id = NULL WHERE worker_id = ANY(:ended) AND done = 0 RETURNING subject_id"
LEFT = (
    "SELECT count(*) FILTER (WHERE done = 0 AND number > 0), "
    "count(*) FILTER (WHERE done = 0 AND number > 0 AND worker_id IS NULL), "
    "count(*) FILTER (WHERE done = 0 AND number < 0), count(*) FROM claim WHERE run_id = :run"
)
SPENT = "SELECT coalesce(sum(tokens), 0), sum(cost_usd) FROM worker WHERE run_id = :run"


class LeaseLost(StoreError):
    """This worker was not heard of for too long, and others have taken over what it had claimed."""


@dataclass(frozen=True)
class Work:
    """One thing to be claimed."""

    subject_id: str
    """A dialogue's id; the run's and `.q` with a number for the statements on one question; or the run's, for what
    comes after all of them."""
    number: int
    """Of a dialogue, from 1; of a question, from -1 down; 0 for the rest."""


@dataclass(frozen=True)
class Standing:
    """How far a pass has come."""

    left: int
    """Dialogues that nobody has done yet, those that are claimed among them."""
    free: int
    """Those of them that nobody has claimed."""
    questions: int
    """Questions that are to be compared, and that nobody has done yet."""
    ended: bool
    """The pass is over, and with it the run for now."""


class Crew:
    """The workers of one run, as one of them sees the others. Every method is one transaction."""

    def __init__(self, store: Store, run_id: str, *, lease: float | None = None) -> None:
        """
        Raises:
            UsageError: if the store is a file: one process writes it, and the lock of a run keeps all others out.
        """
        if store.database.engine.dialect.name != "postgresql":
            raise UsageError(
                f"{store.database.shown} is a file, and a run in a file is one process's; several workers need a "
                "store on a PostgreSQL server (docs/howto/workers.md)"
            )
        self.store, self.run_id = store, run_id
        self.lease = lease or LEASE
        self.id = f"{run_id}.w{secrets.token_hex(4)}"
        self._over = threading.Event()
        self._pulse: threading.Thread | None = None

    # --- coming and going ----------------------------------------------------------------------------

    def enter(self, work: Callable[[], Sequence[Work]]) -> bool:
        """Join the workers of the run; return whether this one is the first, and has opened a pass.

        Args:
            work: what there is to do, asked of the first alone, before any other may join.
        """
        with self.store.database.writing() as session:
            connection = session.connection()
            self._lock(connection)
            first = not self._others(connection)
            if first:
                self._clear(connection)
                # In transactions of their own, which is right: nobody else is there, and nobody comes before this ends.
                self.store.close_open_calls(self.run_id)
                self._queue(connection, [*work(), Work(self.run_id, 0)])
                spent = self.store.spent(self.run_id)
                self._sign_on(connection, f"{self.run_id}.w0", spent.tokens, spent.cost_usd, lease=0, ended=1)
            self._sign_on(connection, self.id, 0, None, lease=self.lease, ended=0)
        self.store.database.fence = Fence(FENCE, {"worker": self.id}, self.lost)
        self.store.database.worker = self.id
        self._over.clear()
        self._pulse = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._pulse.start()
        return first

    def forget(self) -> None:
        """Begin with a new pass, whatever workers have left; only for a process that holds the run alone."""
        with self.store.database.writing() as session:
            self._clear(session.connection())

    def leave(self) -> bool:
        """Go, and free what this worker had claimed; return whether nobody else is there, so that the pass is over."""
        self.rest()
        with self.store.database.writing() as session:
            connection = session.connection()
            self._lock(connection)
            self._run(connection, "UPDATE claim SET worker_id = NULL WHERE worker_id = :worker AND done = 0")
            self._run(connection, "UPDATE worker SET ended = 1 WHERE id = :worker")
            if last := not self._others(connection):
                self._clear(connection)
        return last

    def end(self, status: Status, reason: str) -> None:
        """Store what came of the run, and end the pass, for all."""
        self.store.set_run(self.run_id, status, reason)
        self.rest()
        with self.store.database.writing() as session:
            connection = session.connection()
            self._lock(connection)
            self._clear(connection)

    def lost(self) -> LeaseLost:
        return LeaseLost(
            f"this worker was not heard of for {self.lease:g} s, and others have taken over what it was at; "
            "what was committed is kept"
        )

    # --- claims --------------------------------------------------------------------------------------

    def add(self, work: Sequence[Work]) -> None:
        """Add to what there is to do in this pass, unless it is over."""
        with self._unless_over(), self.store.database.writing() as session:
            self._queue(session.connection(), work)

    def take_next(self, *, question: bool = False) -> str | None:
        """Claim the next dialogue, or the next question; return its id, or None if none is free."""
        subject_id: str | None = None
        with self._unless_over(), self.store.database.writing() as session:
            connection = session.connection()
            subject_id = self._run(connection, NEXT_QUESTION if question else NEXT).scalar()
            if subject_id is not None:
                self._claim(connection, subject_id)
        return subject_id

    def take_rest(self) -> bool:
        """Claim what comes after all dialogues, or before them; return whether that succeeded."""
        took = False
        with self._unless_over(), self.store.database.writing() as session:
            connection = session.connection()
            if took := self._run(connection, REST).first() is not None:
                self._claim(connection, self.run_id)
        return took

    def give_back(self, subject_id: str) -> None:
        """Free a claim, so that another worker can take it."""
        with self.store.database.writing() as session:
            free = "UPDATE claim SET worker_id = NULL WHERE subject_id = :subject AND worker_id = :worker"
            self._run(session.connection(), free, subject=subject_id)

    def done(self, subject_id: str) -> None:
        """Say that a claimed dialogue needs nothing more in this pass, whatever came of it."""
        with self.store.database.writing() as session:
            finish = "UPDATE claim SET done = 1 WHERE subject_id = :subject AND worker_id = :worker"
            self._run(session.connection(), finish, subject=subject_id)

    @contextmanager
    def _unless_over(self) -> Iterator[None]:
        """Do nothing where the pass has ended meanwhile, which ends its workers too."""
        try:
            yield
        except LeaseLost:
            if not self.standing().ended:
                raise

    def standing(self) -> Standing:
        """Free what workers had claimed that are gone, and return how far the pass has come."""
        with self.store.database.guard(), self.store.database.engine.begin() as connection:
            ended: list[str] = list(self._run(connection, GONE).scalars())
            freed: list[str] = []
            if ended:
                self._run(connection, "UPDATE worker SET ended = 1 WHERE id = ANY(:ended)", ended=ended)
                freed = list(self._run(connection, FREE, ended=ended).scalars())
            dialogues, free, questions, known = self._run(connection, LEFT).one()
        if ended:
            self.store.close_open_calls(self.run_id, freed)
        return Standing(dialogues, free, questions, ended=known == 0)

    # --- what all have spent and asked ---------------------------------------------------------------

    def spent(self) -> tuple[int, float | None]:
        """Return tokens and cost of all calls of the run; the cost is None if no price is known."""
        with self.store.database.guard(), self.store.database.engine.connect() as connection:
            tokens, cost = self._run(connection, SPENT).one()
        return int(tokens), cost

    def pace(self, endpoint: str, rpm: int | None, tpm: int | None) -> SharedWindow:
        """Return what keeps limits of an endpoint for all workers."""
        return SharedWindow(self.store.database, endpoint, rpm, tpm)

    # --- inside --------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Say again and again that this worker is there. In a thread: the loop may be busy for longer than a lease."""
        while not self._over.wait(self.lease / BEATS):
            # A server that cannot be reached may be there again in time; if not, the next write says so.
            with suppress(CultureparkError), self.store.database.guard():
                with self.store.database.engine.begin() as connection:
                    alive = self._run(connection, STILL_THERE, lease=self.lease).rowcount
                if not alive:
                    return

    def rest(self) -> None:
        """End the heartbeat, and let this process write without a claim again."""
        self._over.set()
        if self._pulse:
            self._pulse.join()
        self.store.database.fence = None
        self.store.database.worker = None

    def _run(self, connection: Connection, sql: str, **values: Any) -> Any:
        known = {"run": self.run_id, "worker": self.id} | values
        return connection.execute(text(sql), {name: value for name, value in known.items() if f":{name}" in sql})

    def _lock(self, connection: Connection) -> None:
        """Let one worker at a time come or go."""
        connection.execute(text(LOCK), {"name": f"culturepark crew {self.run_id}"})

    def _others(self, connection: Connection) -> int:
        return int(self._run(connection, OTHERS).scalar())

    def _clear(self, connection: Connection) -> None:
        self._run(connection, "DELETE FROM claim WHERE run_id = :run")
        self._run(connection, "DELETE FROM worker WHERE run_id = :run")

    def _queue(self, connection: Connection, work: Sequence[Work]) -> None:
        if work:
            rows = [{"subject": one.subject_id, "run": self.run_id, "number": one.number} for one in work]
            connection.execute(text(ADD), rows)

    def _sign_on(
        self, connection: Connection, worker: str, tokens: int, cost_usd: float | None, *, lease: float, ended: int
    ) -> None:
        self._run(
            connection, SIGN_ON, worker=worker, host=storable(platform.node())[:200], process=os.getpid(), joined=now(),
            lease=lease, tokens=tokens, cost=cost_usd, ended=ended,
        )  # fmt: skip

    def _claim(self, connection: Connection, subject_id: str) -> None:
        self._run(connection, CLAIM, subject=subject_id)
