"""Requests and tokens of the last minute to one endpoint, counted for all workers in the database.

A request is counted before it is made, with an estimate of its tokens, and one worker at a time looks whether it fits;
so no two take the last place. All times are the server's.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import text

from culturepark.models.pace import MINUTE, Entry
from culturepark.store.database import Database

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
FORGET = "DELETE FROM paced WHERE endpoint = :endpoint AND at < extract(epoch FROM clock_timestamp()) - 60"
LAST_MINUTE = (
    "SELECT 60 + at - extract(epoch FROM clock_timestamp()), tokens FROM paced WHERE endpoint = :endpoint ORDER BY at"
)
COUNT = (
    "INSERT INTO paced (id, endpoint, at, tokens) "
    "VALUES (:id, :endpoint, extract(epoch FROM clock_timestamp()) - :age, :tokens)"
)
SETTLE = "UPDATE paced SET tokens = :tokens WHERE id = :id"


class Booked(Entry):
    """A request that is counted in the database."""

    def __init__(self, database: Database, id_: str, tokens: int) -> None:
        super().__init__(0, tokens)
        self.database, self.id = database, id_

    def settle(self, amount: float) -> None:
        super().settle(amount)
        with self.database.guard(), self.database.engine.begin() as connection:
            connection.execute(text(SETTLE), {"id": self.id, "tokens": int(amount)})


class SharedWindow:
    """The limits of one endpoint, for all workers of all runs that name them."""

    def __init__(self, database: Database, endpoint: str, rpm: int | None, tpm: int | None) -> None:
        self.database, self.endpoint = database, endpoint
        self.rpm, self.tpm = rpm, tpm

    def take(self, tokens: int) -> tuple[float, Entry | None]:
        with self.database.guard(), self.database.engine.begin() as connection:
            past = self._last_minute(connection)
            wait = until_it_fits(past, tokens, self.rpm, self.tpm)
            if wait > 0:
                return wait, None
            booked = Booked(self.database, secrets.token_hex(16), tokens)
            self._count(connection, booked.id, 0, tokens)
        return 0.0, booked

    def remember(self, past: list[tuple[float, int]]) -> None:
        with self.database.guard(), self.database.engine.begin() as connection:
            if not self._last_minute(connection):
                for age, tokens in past:
                    self._count(connection, secrets.token_hex(16), age, tokens)

    def _last_minute(self, connection: Any) -> list[tuple[float, int]]:
        """Return of each request in how many seconds it is a minute old, and its tokens; the oldest first."""
        connection.execute(text(LOCK), {"name": f"culturepark pace {self.endpoint}"})
        connection.execute(text(FORGET), {"endpoint": self.endpoint})
        rows = connection.execute(text(LAST_MINUTE), {"endpoint": self.endpoint})
        return [(min(MINUTE, float(left)), tokens) for left, tokens in rows]

    def _count(self, connection: Any, id_: str, age: float, tokens: int) -> None:
        values = {"id": id_, "endpoint": self.endpoint, "age": age, "tokens": tokens}
        connection.execute(text(COUNT), values)


def until_it_fits(past: list[tuple[float, int]], tokens: int, rpm: int | None, tpm: int | None) -> float:
    """Return the seconds until one more request fits; one larger than the limit itself goes when all are old.

    Args:
        past: of each request in how many seconds it counts no more, and its tokens; the oldest first.
    """
    wait = 0.0
    for most, amounts, amount in (
        (rpm, [1] * len(past), 1),
        (tpm, [used for _, used in past], tokens),
    ):
        over = sum(amounts) + amount - most if most else 0
        for (left, _), used in zip(past, amounts, strict=True):
            if over <= 0:
                break
            over -= used
            wait = max(wait, left)
    return wait
