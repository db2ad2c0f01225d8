"""Which seeds train and which validate: whole seeds, so that no question is seen on both sides. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from culturepark.dialogue.stance import unit


def validation_seeds(rows: Mapping[str, int], train_share: float) -> frozenset[str]:
    """
    Args:
        rows: seed key -> how many rows it has.
        train_share: the share of rows that should train, 0-1.
    Returns:
        Seeds held out; one at least stays in training, so with a single seed none is held out.
    """
    wanted = (1 - train_share) * sum(rows.values())
    held: set[str] = set()
    reached = 0
    for seed in sorted(rows, key=lambda key: unit("split", key)):
        if len(held) + 1 == len(rows) or reached >= wanted:
            break
        if reached and abs(reached + rows[seed] - wanted) > abs(reached - wanted):
            continue
        held.add(seed)
        reached += rows[seed]
    return frozenset(held)
