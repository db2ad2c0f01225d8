"""Writes calls and turns in plain SQL, and commits together what waits at the same time.

A run writes three times for each answer: the call before it leaves, its outcome, and the turn. Objects and a
transaction for each of them took 7 ms of CPU a call. Here the statements are fixed texts on one open connection of the
driver, and all writes of one round of the event loop are one transaction. Each writer waits for its own commit, so
that an answer is on the disk before the next request of its dialogue leaves.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import NoResultFound
from sqlmodel import SQLModel, col, select

from culturepark.domain import Turn
from culturepark.errors import StoreError
from culturepark.models.chat import Usage, canonical
from culturepark.models.ledger import Answered, Call, Outcome, moment, now
from culturepark.store.database import Database, Driver
from culturepark.store.pieces import Pieces
from culturepark.store.tables import (
    AbilityRow,
    CallRow,
    RenderingRow,
    TurnRow,
    renderings_of,
    standard_json,
    storable_number,
    turn_values,
)

TABLES = SQLModel.metadata.tables
BEGUN = tuple(Call.__dataclass_fields__)
OUTCOME = (
    "response", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "tokens_from", "cost_usd",
    "finish_reason", "error", "duration_ms",
)  # fmt: skip
VALUES = ", ".join(f":{name}" for name in BEGUN)
BEGIN = f"""INSERT INTO call_log (id, {", ".join(BEGUN)}, pieces)
    VALUES (CAST(:subject_id AS VARCHAR) || '.c' ||
        (SELECT count(*) + 1 FROM call_log WHERE subject_id = :subject_id), {VALUES}, :pieces)
    RETURNING id"""  # noqa: S608 - the id counts on from the last call of its subject
SPEND = (
    "UPDATE worker SET tokens = tokens + :tokens, "
    "cost_usd = coalesce(cost_usd + :cost_usd, cost_usd, :cost_usd) WHERE id = :worker"
)
"""What a worker has used, in its own row, so that no two wait for each other."""
IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(:subject_id, 0))"
"""Lets one worker after the other count the calls of what all of them may ask about."""
FINISH = f"UPDATE call_log SET {', '.join(f'{name} = :{name}' for name in OUTCOME)} WHERE id = :id"  # noqa: S608
REFUSE = "UPDATE call_log SET refused = :refused WHERE id = :id"
ANSWERED = """
SELECT id, response, prompt_tokens, cached_tokens, completion_tokens, tokens_from, reasoning_tokens
FROM call_log WHERE subject_id = :subject_id AND request_digest = :request_digest
AND response IS NOT NULL AND error IS NULL LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement."""

    sql: str
    values: Mapping[str, Any]
    changes_one: bool = False
    """It has to change exactly one row."""
    returns: bool = False
    """It returns a row, whose first column is the result of the write."""
    packs: bool = False
    """Its `request` is stored in pieces."""


Write = Sequence[Step]
"""Statements that are done together or not at all."""


def begin_call(call: Call) -> Write:
    """Return the write of a call's row; its result is the call's id, which counts on from the subject's last call."""
    values = {name: getattr(call, name) for name in BEGUN}
    values |= {"request": standard_json(call.request), "pieces": ""}
    return (Step(BEGIN, values, returns=True, packs=True),)


def finish_call(call_id: str, outcome: Outcome) -> Write:
    usage = outcome.usage
    values = {
        "id": call_id,
        "response": outcome.response and standard_json(outcome.response),
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "tokens_from": usage.source,
        "cost_usd": storable_number(outcome.cost_usd),
        "finish_reason": outcome.finish_reason,
        "error": outcome.error,
        "duration_ms": outcome.duration_ms,
    }
    return (Step(FINISH, values, changes_one=True),)


def refuse_call(call_id: str, guard: str) -> Write:
    return (Step(REFUSE, {"id": call_id, "refused": guard}, changes_one=True),)


def new_turn(dialogue_id: str, turn: Turn) -> Write:
    """Return the write of a turn and of what the interpreter made of it."""
    values = turn_values(dialogue_id, turn)
    return (Step(insertion(TurnRow), values), *new_renderings(dialogue_id, turn))


def new_renderings(dialogue_id: str, turn: Turn) -> Write:
    rows = renderings_of(dialogue_id, turn) if turn.renderings else ()
    return tuple(Step(insertion(RenderingRow), row.model_dump()) for row in rows)


@cache
def insertion(table: type[SQLModel]) -> str:
    name = str(table.__tablename__)
    columns = [column.name for column in TABLES[name].columns]
    values = ", ".join(f":{column}" for column in columns)
    return f'INSERT INTO "{name}" ({", ".join(columns)}) VALUES ({values})'  # noqa: S608 - names of our own tables


@cache
def pyformat(sql: str) -> str:
    """Return a statement with `%(name)s` in place of `:name`, as psycopg wants it."""
    return re.sub(r":(\w+)", r"%(\1)s", sql)


@dataclass(slots=True)
class Waiting:
    """A write that somebody waits for."""

    write: Write
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Journal:
    """The writes of a run in their order. It is the call log of the ledger.

    On SQLite the statements run in the event loop, where each takes some hundredths of a millisecond, and the commit,
    which waits for the disk, in a thread. In the thread each statement would wait for the interpreter's lock, up to
    5 ms while the loop is busy. On PostgreSQL every statement waits for the server, and all of them run in the thread.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._pyformat = database.engine.dialect.name == "postgresql"
        self._driver: Driver | None = None
        """The connection of the writer; None until the first write, and after one that failed."""
        self._reader: Driver | None = None
        self._lock = threading.Lock()
        """Guards what follows: results come from the thread."""
        self._queue: list[Waiting] = []
        self._busy = False
        """A group is being written, or is about to be."""
        self._threads: ThreadPoolExecutor | None = None
        self._pieces = Pieces()
        self._has_turn = False
        """This journal holds the database's `turnstile`."""
        self.commits = 0
        """Number of transactions so far."""

    # --- the log of the ledger ------------------------------------------------------------------------

    def answered(self, subject_id: str, request_digest: str) -> Answered | None:
        """Return the stored answer to a request for a subject; None if there is none."""
        with self.database.guard():
            if self._reader is None:
                self._reader = self.database.driver(kept=True, reads=True)
            values = {"subject_id": subject_id, "request_digest": request_digest}
            try:
                row = self._execute(self._reader, ANSWERED, values).fetchone()
            except BaseException:
                self._reader.close()
                self._reader = None
                raise
        if row is None:
            return None
        call_id, response, prompt, cached, completion, source, reasoning = row
        return Answered(call_id, response, Usage(prompt, cached, completion, source, reasoning))

    def begin(self, call: Call) -> asyncio.Future[str]:
        return self.write(self.begun(call))

    def begun(self, call: Call) -> Write:
        """Return the write of a call's row, whose number is counted by one worker at a time.

        A dialogue has one worker. Only of the run itself may several ask something.
        """
        steps = begin_call(call)
        if self.database.worker and call.subject_id == call.run_id:
            return (Step(IN_TURN, {"subject_id": call.subject_id}), *steps)
        return steps

    def finish(self, call_id: str, outcome: Outcome) -> asyncio.Future[None]:
        return self.write(self.finished(call_id, outcome))

    def finished(self, call_id: str, outcome: Outcome) -> Write:
        """Return the write of a call's outcome, and of what it cost where several workers share a budget."""
        steps = finish_call(call_id, outcome)
        if not self.database.worker:
            return steps
        spent = {"tokens": outcome.usage.total, "cost_usd": outcome.cost_usd, "worker": self.database.worker}
        return (*steps, Step(SPEND, spent))

    def refuse(self, call_id: str, guard: str) -> asyncio.Future[None]:
        return self.write(refuse_call(call_id, guard))

    def add_turn(self, dialogue_id: str, turn: Turn) -> asyncio.Future[None]:
        return self.write(new_turn(dialogue_id, turn))

    def add_renderings(self, dialogue_id: str, turn: Turn) -> asyncio.Future[None]:
        """Add what the interpreter made of a turn that is there."""
        return self.write(new_renderings(dialogue_id, turn))

    def lately(self, endpoint: str) -> list[tuple[float, int]]:
        """Return age in seconds and tokens of all runs' requests to an endpoint in the last minute."""
        since = datetime.now(UTC) - timedelta(minutes=1)
        with self.database.reading() as session:
            query = select(CallRow.started_at, CallRow.prompt_tokens, CallRow.completion_tokens)
            query = query.where(CallRow.endpoint == endpoint, CallRow.started_at >= moment(since))
            calls = session.exec(query.order_by(col(CallRow.started_at))).all()
        return [
            ((datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds(), (prompt or 0) + (completion or 0))
            for began, prompt, completion in calls
        ]

    def abilities(self, endpoint: str, model: str) -> dict[str, Any]:
        """Return name -> value of the known abilities of a model at an endpoint."""
        query = select(AbilityRow).where(AbilityRow.endpoint == endpoint, AbilityRow.model == model)
        return {row.name: json.loads(row.value) for row in self.database.rows(query.order_by(col(AbilityRow.name)))}

    def learn(self, endpoint: str, model: str, name: str, value: Any, said: str) -> None:
        """Store one ability of a model at an endpoint, in place of its earlier value."""
        dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[self.database.engine.dialect.name]
        row = AbilityRow(endpoint=endpoint, model=model, name=name, value=canonical(value), said=said, learned_at=now())
        values = row.model_dump()
        add = dialect.insert(TABLES["ability"]).values(values)  # another worker may learn the same at this moment
        with self.database.writing() as session:
            session.connection().execute(
                add.on_conflict_do_update(index_elements=TABLES["ability"].primary_key.columns.keys(), set_=values)
            )

    # --- groups ----------------------------------------------------------------------------------------

    def write(self, write: Write) -> asyncio.Future[Any]:
        """Return the result of a write, once it is committed.

        A write is not taken back when its caller is cancelled: what was paid for is kept.

        Raises:
            StoreError: as `Database` does; other writes of the group go on.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(write, loop, loop.create_future())
        with self._lock:
            self._queue.append(waiting)
            first, self._busy = not self._busy, True
        if first:
            loop.call_soon(self._next_group)  # so that all of this round come with it
        return waiting.future

    def now(self, write: Write) -> Any:
        """Do one write at once, in a transaction of its own, for callers outside an event loop."""
        with self.database.guard(), self.database.alone(), self.database.driver() as driver:
            driver.check_place()
            pieces = Pieces()
            self._begin(driver, pieces)
            self._pass_fence(driver)
            result = self._statements(driver, write, pieces)
            driver.commit()
        self.commits += 1
        return result

    def close(self) -> None:
        """Commit what waits, and close the connections."""
        if self._threads:
            self._threads.shutdown(wait=True)
            self._threads = None
        self._take_and_commit()
        for driver in (self._driver, self._reader):
            if driver:
                driver.close()
        self._driver = self._reader = None

    def _next_group(self) -> None:
        """Begin with what waits now; runs in an event loop."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="journal")
        try:
            if self._pyformat:
                self._threads.submit(self._take_and_commit)
                return
            group = self._take()
            if self._do_statements(group):
                self._threads.submit(self._commit, group)
            else:
                self._deliver(group)
        except RuntimeError:  # no thread can be started, or the program ends
            self._take_and_commit()

    def _take(self) -> list[Waiting]:
        with self._lock:
            group, self._queue = self._queue, []
        return group

    def _take_and_commit(self) -> None:
        group = self._take()
        if self._do_statements(group):
            self._commit(group)
        else:
            self._deliver(group)

    def _do_statements(self, group: list[Waiting]) -> bool:
        """Execute a group up to its commit; return whether there is something to commit.

        If one write fails, each is done in a transaction of its own, so that it is the only one to fail.
        """
        if not group:
            return False
        try:
            with self.database.guard():
                self._open()
                for waiting in group:
                    waiting.result = self._statements(self._writer, waiting.write, self._pieces)
        except Exception as error:
            self._give_up()
            one_by_one = len(group) > 1 and not hopeless(error)
            for waiting in group:
                waiting.error = self._alone(waiting) if one_by_one else error
            return False
        except BaseException:  # Ctrl-C; `close` writes what waits
            self._give_up()
            with self._lock:
                self._queue[:0] = group
                self._busy = False
            raise
        return True

    def _alone(self, waiting: Waiting) -> Exception | None:
        try:
            with self.database.guard():
                self._open()
                waiting.result = self._statements(self._writer, waiting.write, self._pieces)
                self._writer.commit()
                self._pieces.committed()
                self.commits += 1
                self._pass_turn()
        except Exception as error:
            self._give_up()
            return error
        return None

    def _commit(self, group: list[Waiting]) -> None:
        try:
            with self.database.guard():
                self._writer.commit()
            self._pieces.committed()
            self.commits += 1
            self._pass_turn()
        except Exception as error:
            self._give_up()
            for waiting in group:
                waiting.error = error
        self._deliver(group)

    def _deliver(self, group: list[Waiting]) -> None:
        """Tell all who wait for a group, and begin with the next one if there is one."""
        loops: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
        for waiting in group:
            loops.setdefault(waiting.loop, []).append(waiting)
        with self._lock:
            self._busy = bool(self._queue)
            successor = self._queue[0].loop if self._queue else None
        for loop, own in loops.items():
            with suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(resolve, own)
        if successor:
            with suppress(RuntimeError):  # `close` writes what is left
                successor.call_soon_threadsafe(self._next_group)

    @property
    def _writer(self) -> Driver:
        if self._driver is None:
            self._driver = self.database.driver(kept=True)
        return self._driver

    def _open(self) -> None:
        self._has_turn = self.database.wait_for_turn()
        self._writer.check_place()
        self._begin(self._writer, self._pieces)
        self._pass_fence(self._writer)

    def _pass_fence(self, driver: Driver) -> None:
        fence = self.database.fence
        if fence and self._execute(driver, fence.sql, fence.values).fetchone() is None:
            raise fence.closed()

    def _begin(self, driver: Driver, pieces: Pieces) -> None:
        driver.begin()
        if not self._pyformat:
            pieces.begin(driver.execute)

    def _pass_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self.database.turnstile.release()

    def _give_up(self) -> None:
        """Roll back; the next write opens another connection."""
        driver, self._driver = self._driver, None
        if driver:
            driver.close()
        self._pass_turn()

    def _statements(self, driver: Driver, write: Write, pieces: Pieces) -> Any:
        result = None
        for step in write:
            values = step.values
            if step.packs and not self._pyformat:
                values = {**values, **pieces.pack(driver.execute, values["request"])}
            cursor = self._execute(driver, step.sql, values)
            if step.returns:
                ((result, *_),) = cursor.fetchall()
            if step.changes_one and cursor.rowcount != 1:
                raise NoResultFound(step.values["id"])
        return result

    def _execute(self, driver: Driver, sql: str, values: Mapping[str, Any]) -> Any:
        return driver.execute(pyformat(sql) if self._pyformat else sql, values)


def resolve(group: Sequence[Waiting]) -> None:
    for waiting in group:
        if waiting.future.done():  # cancelled
            continue
        if waiting.error:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def hopeless(error: Exception) -> bool:
    """Return whether an error hits every write: the disk is full, the file is gone, the server does not answer."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    cause = error.__cause__
    return isinstance(error, StoreError) and (cause is None or isinstance(cause, OperationalError | InterfaceError))
