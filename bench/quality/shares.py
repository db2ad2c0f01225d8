"""Shares with their uncertainty. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from culturepark.domain import JsonObject

Z = 1.96
"""Standard deviations on either side that hold 95% of a normal distribution."""


def share(name: str, right: int, of: int) -> JsonObject:
    """Return a share under its name, and its 95% interval under `NAME_95`; both None where there is nothing."""
    return {name: round(right / of, 4) if of else None, f"{name}_95": interval(right, of)}


def interval(right: int, of: int) -> list[float] | None:
    """Return the bounds of Wilson's 95% interval (JASA 22, 1927), which holds for small numbers and near 0 and 1."""
    if not of:
        return None
    rate, z2 = right / of, Z * Z
    middle = (rate + z2 / (2 * of)) / (1 + z2 / of)
    half = Z * math.sqrt(rate * (1 - rate) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def majority(gold: Sequence[Hashable]) -> float | None:
    """Return the accuracy of saying the commonest label always."""
    return round(max(map(gold.count, set(gold))) / len(gold), 4) if gold else None
