"""Thins rows until those of each kind, as of a shape or a culture, have the share that is wanted. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from culturepark.dialogue.stance import unit
from culturepark.domain import Shape

Kind = TypeVar("Kind", bound=Hashable)
SCARCE = 0.5
"""A kind with less than this of its share is left out of account: the others share among themselves."""


def wanted_shape(shares: Mapping[Shape, float], among: Sequence[Shape], *parts: str) -> Shape | None:
    """Return one of some shapes by a hash of the parts, weighted by the shares; None if there are none."""
    weights = [shares[shape] for shape in among]
    point = unit(*parts) * sum(weights)
    for shape, weight in zip(among, weights, strict=True):
        point -= weight
        if point < 0:
            return shape
    return among[-1] if among else None


def rank_of(row_id: str) -> float:
    return unit("share", row_id)


def thinned(
    rows: Sequence[tuple[str, Kind]],
    shares: Mapping[Kind, float],
    *,
    exact: bool = False,
    rank: Callable[[str], float] = rank_of,
) -> set[str]:
    """Return the ids of the rows that have to go, chosen by hash, so that no kind has more than its share.

    Args:
        rank: of a row's id; the rows of a kind with the highest ones go.
        rows: id and kind. Which rows of a kind go hangs on their ids.
        shares: kind -> share; they need not sum to 1. Rows of a kind without a share all go.
        exact: thin on until the shares hold among all kinds that have rows. Else a kind keeps at most its share of
            the rows that there are, and what another one lacks is not taken from it.
    """
    by_kind: dict[Kind, list[str]] = defaultdict(list)
    for row_id, kind in rows:
        by_kind[kind].append(row_id)
    counts = {kind: len(by_kind[kind]) for kind in shares if by_kind[kind]}
    gone = {row_id for kind, ids in by_kind.items() if kind not in shares for row_id in ids}
    measure = scarcest(counts, shares) if exact else even(counts, shares)
    for kind in counts:
        ids = sorted(by_kind[kind], key=lambda row_id: (rank(row_id), row_id))
        gone.update(ids[max(1, round(measure * shares[kind])) :])
    return gone


def scarcest(counts: Mapping[Kind, int], shares: Mapping[Kind, float]) -> float:
    """Return the rows for each unit of share of the kind that has the fewest."""
    return min((count / shares[kind] for kind, count in counts.items()), default=0.0)


def even(counts: Mapping[Kind, int], shares: Mapping[Kind, float]) -> float:
    """Return the rows for each unit of share, over all kinds but those that are scarce."""
    measure, left = 0.0, list(counts)
    while left:
        measure = sum(counts[kind] for kind in left) / sum(shares[kind] for kind in left)
        enough = [kind for kind in left if counts[kind] / shares[kind] >= SCARCE * measure]
        if len(enough) == len(left):
            break
        left = enough
    return measure
