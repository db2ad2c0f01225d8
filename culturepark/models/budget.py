"""The budget of a run: what it may spend, and what it has spent."""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.errors import BudgetReached


@dataclass
class Budget:
    """Limits on cost and tokens. Calls in flight may overshoot them; no call is begun beyond them."""

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
