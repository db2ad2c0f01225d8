"""How often and after which pause a failed request is sent again, and the budget of a run."""

from __future__ import annotations

import random
from dataclasses import dataclass

from culturepark.errors import BudgetReached, ModelError

ATTEMPTS = 5
"""How often one request is sent at most before its failure counts."""
LONGEST_PAUSE = 60.0
"""Seconds that we choose to wait at most."""
LONGEST_WISH = 600.0
"""Seconds that an endpoint may ask us to wait; whoever asks for more is down for this run."""
TOLD = 20
"""How often one request may be told when to come again before that counts as a failure: many wait for one window."""
TOO_MUCH = {"http-429", "http-502", "http-503", "http-504", "http-529", "timeout"}
"""Failures that time alone cures."""
LOADING, LOADING_PAUSE = 900.0, 5.0
"""Seconds that a model may take to be loaded, and between two looks whether it is."""


def pause_before(attempt: int, error: ModelError) -> float:
    """Seconds to wait before attempt number `attempt` (from 2 on): the server's wish, or a random time that grows.

    An endpoint that has too much to do gets half to all of 2 s, 4 s, 8 s, ...: four pauses outlast 15 s at least. All
    other failures get none to all of 1 s, 2 s, 4 s, ...

    Source of both kinds of jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    if error.retry_after is not None:
        return error.retry_after + random.uniform(0, 0.25)
    longest = min(LONGEST_PAUSE, 0.5 * 2 ** (attempt - 1))
    if error.kind in TOO_MUCH:
        longest = min(LONGEST_PAUSE, 2 * longest)
        return random.uniform(longest / 2, longest)
    return random.uniform(0, longest)


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
                f"the budget of ${self.max_cost_usd:.4f} is spent (${self.cost_usd or 0:.4f})", "--max-cost USD"
            )
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            raise BudgetReached(
                f"the budget of {self.max_tokens:,} tokens is spent ({self.tokens:,})", "--max-tokens N"
            )

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        self.tokens += tokens
        if cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost_usd
