"""When to try again, how many at once, and when the money is spent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from culturepark.errors import BudgetReached, ModelError

ATTEMPTS = 5
"""How often one request is sent at most before its failure counts."""
LONGEST_PAUSE = 60.0


def pause_before(attempt: int, error: ModelError) -> float:
    """Seconds to wait before attempt number `attempt` (from 2 on): the server's wish, or full jitter on 0.5 s * 2^n.

    Source of the jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    if error.retry_after is not None:
        return min(error.retry_after, LONGEST_PAUSE) + random.uniform(0, 0.25)
    return random.uniform(0, min(LONGEST_PAUSE, 0.5 * 2 ** (attempt - 1)))


class Pace:
    """How many requests one endpoint gets at once: one more after each round of successes, half after a refusal."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self._in_flight = 0
        self._not_before = 0.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._in_flight < max(1, int(self.allowed)))
            self._in_flight += 1
        try:
            # One by one after a pause: no storm when it ends.
            while (wait := self._not_before - monotonic()) > 0:
                await asyncio.sleep(wait + random.uniform(0, 0.1) * self._in_flight)
            yield
        finally:
            async with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def went_well(self) -> None:
        self.allowed = min(self.most, self.allowed + 1 / max(1.0, self.allowed))

    def was_refused(self, pause: float) -> None:
        self.allowed = max(1.0, self.allowed / 2)
        self._not_before = max(self._not_before, monotonic() + pause)


@dataclass
class Budget:
    """What a run may spend, and what it has spent. Calls in flight may overshoot it; no call is begun beyond it."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None
    cost_usd: float | None = None
    """None as long as no call with a known price has been made."""
    tokens: int = 0

    def check(self) -> None:
        """
        Raises:
            BudgetReached: before a call that may not be made any more.
        """
        if self.max_cost_usd is not None and (self.cost_usd or 0.0) >= self.max_cost_usd:
            raise BudgetReached(
                f"the budget of ${self.max_cost_usd:.2f} is spent (${self.cost_usd or 0:.4f})", "--max-cost USD"
            )
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            raise BudgetReached(
                f"the budget of {self.max_tokens:,} tokens is spent ({self.tokens:,})", "--max-tokens N"
            )

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self.tokens += tokens
        if cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost_usd
