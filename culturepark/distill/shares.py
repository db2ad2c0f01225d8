"""Thins rows until their shapes have the shares that are wanted. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from culturepark.dialogue.stance import unit
from culturepark.domain import Shape

SCARCE = 0.5
"""A shape with less than this of its share is left out of account: the others share among themselves."""


def wanted_shape(shares: Mapping[Shape, float], among: Sequence[Shape], *parts: str) -> Shape | None:
    """Return one of some shapes by a hash of the parts, weighted by the shares; None if there are none."""
    weights = [shares[shape] for shape in among]
    point = unit(*parts) * sum(weights)
    for shape, weight in zip(among, weights, strict=True):
        point -= weight
        if point < 0:
            return shape
    return among[-1] if among else None


def thinned(rows: Sequence[tuple[str, Shape]], shares: Mapping[Shape, float], *, exact: bool = False) -> set[str]:
    """Return the ids of the rows that have to go, chosen by hash, so that no shape has more than its share.

    Args:
        rows: id and shape. Which rows of a shape go hangs on their ids.
        shares: shape -> share; they need not sum to 1. Rows of a shape without a share all go.
        exact: thin on until the shares hold among all shapes that have rows. Else a shape keeps at most its share of
            the rows that there are, and what another one lacks is not taken from it.
    """
    by_shape: dict[Shape, list[str]] = defaultdict(list)
    for row_id, shape in rows:
        by_shape[shape].append(row_id)
    counts = {shape: len(by_shape[shape]) for shape in shares if by_shape[shape]}
    gone = {row_id for shape, ids in by_shape.items() if shape not in shares for row_id in ids}
    measure = scarcest(counts, shares) if exact else even(counts, shares)
    for shape in counts:
        ids = sorted(by_shape[shape], key=lambda row_id: (unit("share", row_id), row_id))
        gone.update(ids[max(1, round(measure * shares[shape])) :])
    return gone


def scarcest(counts: Mapping[Shape, int], shares: Mapping[Shape, float]) -> float:
    """Return the rows for each unit of share of the shape that has the fewest."""
    return min((count / shares[shape] for shape, count in counts.items()), default=0.0)


def even(counts: Mapping[Shape, int], shares: Mapping[Shape, float]) -> float:
    """Return the rows for each unit of share, over all shapes but those that are scarce."""
    measure, left = 0.0, list(counts)
    while left:
        measure = sum(counts[shape] for shape in left) / sum(shares[shape] for shape in left)
        enough = [shape for shape in left if counts[shape] / shares[shape] >= SCARCE * measure]
        if len(enough) == len(left):
            break
        left = enough
    return measure
