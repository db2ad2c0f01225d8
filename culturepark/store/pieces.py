"""Requests in pieces: what requests have in common is stored once, and the view `call` puts them together again.

Each turn of a dialogue sends the talk so far, and extraction and verification send it again in another form. A request
is cut at the ends of sentences and lines; most of its pieces are in the store already. Joined they are the exact body,
for whatever reads SQL, with no function of ours. On PostgreSQL a request stays whole: it compresses long texts itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from culturepark.models.chat import without_unused_logprobs

if TYPE_CHECKING:
    from culturepark.store.database import Database

Execute = Callable[[str, Mapping[str, Any]], Any]
"""Runs a statement on the driver's connection, and returns its cursor."""
ENDS = re.compile(r"""\\n|\\"|\},|\],|[.?!:] """)
LEAST = 40
"""Characters of a piece at least, but for the last. Shorter ones cost more in the list of pieces than they save."""
SHORT = 200
"""Characters of a request that is not cut."""
MOST = 64
"""Pieces that one number of the list can stand for."""
MOST_KNOWN = 20_000
"""Pieces whose ids are kept in memory, some 4 MB."""
PORTION = 200
"""Rows of an older store that are taken apart in one transaction."""
COLUMNS = (
    "id", "run_id", "stage", "subject_id", "model", "endpoint", "prompt_digest", "request_digest", "request",
    "response", "prompt_tokens", "cached_tokens", "completion_tokens", "tokens_from", "cost_usd", "finish_reason",
    "seed", "attempt", "error", "refused", "started_at", "duration_ms", "reasoning_tokens",
)  # fmt: skip
"""The columns of `call`, in the order in which older stores have them."""
JOINED = """CASE WHEN call_log.pieces IS NULL OR call_log.pieces = '' THEN call_log.request ELSE (
SELECT group_concat(text, '') FROM (
SELECT piece.text AS text FROM json_each(call_log.pieces) AS part CROSS JOIN piece
WHERE piece.id BETWEEN part.value / 64 AND part.value / 64 + part.value % 64 ORDER BY part.key, piece.id
)) END AS request"""


def view_sql(*, sqlite: bool) -> str:
    """Return the statement that makes the view `call`."""
    columns = [JOINED if name == "request" and sqlite else f"call_log.{name} AS {name}" for name in COLUMNS]
    return f'CREATE VIEW "call" AS SELECT {", ".join(columns)} FROM call_log'  # noqa: S608 - our own names


def cut(text: str) -> list[str]:
    """Return a text in pieces, which joined are the text."""
    pieces, start = [], 0
    for end in (match.end() for match in ENDS.finditer(text)):
        if end - start >= LEAST:
            pieces.append(text[start:end])
            start = end
    return [*pieces, text[start:]] if start < len(text) else pieces


def digest_of(piece: str) -> int:
    """Return six bytes of its sha256; of ten million pieces one in thirty million meets another with its digest."""
    return int.from_bytes(hashlib.sha256(piece.encode()).digest()[:6])


def listed(ids: Iterable[int]) -> str:
    """Return ids as the column `pieces` has them."""
    numbers: list[int] = []
    after = -1
    for number in ids:
        if numbers and number == after and numbers[-1] % MOST < MOST - 1:
            numbers[-1] += 1
        else:
            numbers.append(number * MOST)
        after = number + 1
    return json.dumps(numbers, separators=(",", ":"))


def ids_in(pieces: str) -> Iterator[range]:
    for number in json.loads(pieces):
        yield range(number // MOST, number // MOST + number % MOST + 1)


class Pieces:
    """The pieces of one database as a writer knows them, from one transaction to the next."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._fresh: dict[str, int] = {}
        """Learnt in the transaction that goes on, which may be rolled back."""
        self._sweeps = -1
        """How often pieces have been deleted from the store; ids that were known before are worth nothing after it."""
        self._last: int | None = None
        """The highest id; None until it is needed in a transaction."""

    def begin(self, execute: Execute) -> None:
        """Take note that a transaction has begun which will write."""
        (sweeps,) = execute("PRAGMA user_version", {}).fetchone()
        if sweeps != self._sweeps or len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._sweeps, self._last = sweeps, None
        self._fresh.clear()

    def committed(self) -> None:
        self._known.update(self._fresh)
        self._fresh.clear()

    def pack(self, execute: Execute, request: str) -> dict[str, str]:
        """Store what is new of a request, and return the columns `request` and `pieces`."""
        whole = {"request": request, "pieces": ""}
        if len(request) < SHORT or "\0" in request:
            return whole
        ids = []
        for piece in cut(request):
            number = self._known.get(piece) or self._fresh.get(piece) or self._id_of(execute, piece)
            if number is None:
                return whole
            ids.append(number)
        return {"request": "", "pieces": listed(ids)}

    def _id_of(self, execute: Execute, piece: str) -> int | None:
        """Return the id of a piece, which is added if it is new; None if another one has its digest."""
        digest = digest_of(piece)
        known = execute("SELECT id, text FROM piece WHERE digest = :digest", {"digest": digest}).fetchone()
        if known and known[1] != piece:
            return None
        if known:
            number = int(known[0])
        else:
            if self._last is None:
                (self._last,) = execute("SELECT coalesce(max(id), 0) FROM piece", {}).fetchone()
            number = self._last = self._last + 1
            values = {"id": number, "digest": digest, "text": piece}
            execute("INSERT INTO piece (id, digest, text) VALUES (:id, :digest, :text)", values)
        self._fresh[piece] = number
        return number


def packed(session: Session, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `call` as rows of `call_log`, within the session's transaction."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return [row | {"pieces": ""} for row in rows]
    pieces = Pieces()
    execute = connection.connection.driver_connection.execute  # type: ignore[union-attr]
    pieces.begin(execute)
    return [row | pieces.pack(execute, row["request"]) for row in rows]


def sweep(session: Session) -> int:
    """Delete the pieces that no call has any more; return their number."""
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return 0
    execute: Execute = connection.connection.driver_connection.execute  # type: ignore[union-attr]
    (last,) = execute("SELECT coalesce(max(id), 0) FROM piece", {}).fetchone()
    used = bytearray(last + 1)
    for (pieces,) in execute("SELECT pieces FROM call_log WHERE pieces <> ''", {}):
        for ids in ids_in(pieces):
            used[ids.start : ids.stop] = b"\1" * len(ids)
    unused = [number for (number,) in execute("SELECT id FROM piece", {}) if not used[number]]
    for number in unused:
        execute("DELETE FROM piece WHERE id = :id", {"id": number})
    if unused:
        (sweeps,) = execute("PRAGMA user_version", {}).fetchone()
        execute(f"PRAGMA user_version = {sweeps + 1}", {})  # writers forget the ids that they know
    return len(unused)


def unpacked(database: Database) -> bool:
    """Return whether an SQLite store holds rows of an older version that have not been taken apart."""
    if database.inode is None:
        return False
    with database.driver() as driver:
        query = "SELECT 1 FROM call_log INDEXED BY ix_call_log_unpacked WHERE pieces IS NULL LIMIT 1"
        return driver.execute(query, {}).fetchone() is not None


def pack_old_rows(database: Database, notice: Callable[[str], None]) -> int:
    """Take the requests of an older version apart, portion by portion, and return their number.

    Each portion is a transaction: killed at any time, the store is whole, and the next process goes on. The file does
    not grow by more than a portion, since what is freed is used again.
    """
    done, pieces, began, told = 0, Pieces(), time.monotonic(), 0.0
    left = None
    while True:
        with database.alone(), database.driver() as driver:
            if left is None:
                query = "SELECT count(*) FROM call_log INDEXED BY ix_call_log_unpacked WHERE pieces IS NULL"
                (left,) = driver.execute(query, {}).fetchone()
            driver.begin()
            pieces.begin(driver.execute)
            query = """SELECT id, request, response FROM call_log INDEXED BY ix_call_log_unpacked
                WHERE pieces IS NULL ORDER BY id LIMIT :portion"""
            rows = driver.execute(query, {"portion": PORTION}).fetchall()
            for call_id, request, response in rows:
                values = pieces.pack(driver.execute, request) if isinstance(request, str) else {
                    "request": request, "pieces": ""
                }  # fmt: skip
                values |= {"id": call_id, "response": reduced(request, response)}
                driver.execute(
                    "UPDATE call_log SET request = :request, pieces = :pieces, response = :response WHERE id = :id",
                    values,
                )
            driver.commit()
            pieces.committed()
        done += len(rows)
        if len(rows) < PORTION:
            return done
        if time.monotonic() - max(began, told) > 1:
            told = time.monotonic()
            notice(
                f"storing older requests in pieces: {done:,} of {max(left, done):,}; Ctrl-C is safe, it goes on later"
            )


def reduced(request: Any, response: Any) -> Any:
    """Return a stored answer with no more of its log-probabilities than is read again."""
    if not isinstance(response, str) or '"logprobs"' not in response:
        return response
    try:
        body, answer = json.loads(request), json.loads(response)
        return json.dumps(without_unused_logprobs(answer, body), ensure_ascii=True)
    except (ValueError, TypeError, AttributeError, RecursionError):  # damaged, which `doctor` tells
        return response
