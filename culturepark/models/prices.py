"""What a call cost, where the price is known. An unknown price is None, never zero."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from culturepark.errors import UsageError
from culturepark.files import clipped, readable
from culturepark.models.chat import Usage


class Price(NamedTuple):
    """US dollars per million tokens."""

    prompt: float
    cached: float
    completion: float


MOST = 1e9
"""Dollars; no price of a million tokens is higher, and neither `nan` nor `inf` is below it."""


@cache
def table() -> dict[tuple[str, str], Price]:
    """(endpoint, model) -> price, the user's own file laid over the shipped one."""
    found: dict[tuple[str, str], Price] = {}
    own = os.environ.get("CULTUREPARK_PRICES")
    for path in [Path(__file__).with_name("prices.toml"), *([Path(own)] if own else [])]:
        try:
            for entry in tomllib.loads(readable(path).read_text("utf-8"))["price"]:
                for model, three in entry["models"].items():
                    found[entry["endpoint"].rstrip("/"), model] = Price(*map(dollars, three))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"CULTUREPARK_PRICES={clipped(path, 400)}: not a price file: {clipped(error, 400)}"
            ) from None
    return found


def dollars(figure: float) -> float:
    """A price as it stands in a file."""
    if not 0 <= figure <= MOST:
        raise ValueError(f"a price must lie between 0 and {MOST:,.0f}, not {clipped(figure)}")
    return float(figure)


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
