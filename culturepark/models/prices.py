"""What a call cost, where the price is known. An unknown price is None, never zero."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from culturepark.errors import UsageError
from culturepark.models.chat import Usage


class Price(NamedTuple):
    """US dollars per million tokens."""

    prompt: float
    cached: float
    completion: float


@cache
def table() -> dict[tuple[str, str], Price]:
    """(endpoint, model) -> price, the user's own file laid over the shipped one."""
    found: dict[tuple[str, str], Price] = {}
    own = os.environ.get("CULTUREPARK_PRICES")
    for path in [Path(__file__).with_name("prices.toml"), *([Path(own)] if own else [])]:
        try:
            for entry in tomllib.loads(path.read_text("utf-8"))["price"]:
                for model, three in entry["models"].items():
                    found[entry["endpoint"].rstrip("/"), model] = Price(*map(float, three))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"CULTUREPARK_PRICES={path}: not a price file: {error}") from None
    return found


def price(endpoint: str, model: str) -> Price | None:
    """The model's price; a dated version (`gpt-4o-2024-08-06`) costs what its family does unless listed."""
    known = table()
    family = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    return known.get((endpoint, model)) or known.get((endpoint, family))


def cost(endpoint: str, model: str, usage: Usage) -> float | None:
    """US dollars for one call."""
    known = price(endpoint, model)
    if known is None or usage.prompt_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
    dollars = (usage.prompt_tokens - cached) * known.prompt + cached * known.cached
    return (dollars + (usage.completion_tokens or 0) * known.completion) / 1e6
