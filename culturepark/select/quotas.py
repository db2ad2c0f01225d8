"""Quotas: which cells a selection has, and how many rows each of them gets. Pure.

The axes are nested in the order in which they are named. Each divides the rows that the axes before it leave to it:
evenly, in shares, or so many of each value. Only where it is even does a value take the room that another one cannot
fill; shares and numbers are kept, and what is missing is missing.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import floor, isfinite, prod

from culturepark.dialogue.stance import unit
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.select.candidates import AXES, FIXES, Candidate

Cell = tuple[str, ...]
"""A value for each axis of the quotas, in their order."""
MOST_CELLS = 100_000
MOST_EACH = 10**9
FORM = (
    "--quota: AXIS=even, AXIS=20 (so many of each value) or AXIS=own:3,survey:1 (shares), with commas between; axes "
    f"are {', '.join(AXES)}"
)


@dataclass(frozen=True)
class Quota:
    """How one axis divides rows. Without a number and without shares: evenly."""

    axis: str
    each: int | None = None
    """So many rows of each value, in every cell of the axes before."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Value -> weight; rows with other values are not selected."""

    def __str__(self) -> str:
        shares = ",".join(f"{value}:{share:g}" for value, share in self.shares.items())
        return f"{self.axis}={shares or self.each or 'even'}"


def quotas_of(texts: Iterable[str]) -> list[Quota]:
    """Read quotas; several may stand in one text, and a part without `=` goes on with the axis before it.

    Raises:
        UsageError: if one cannot be read, or if two are about the same axis.
    """
    parts: list[tuple[str, list[str]]] = []
    for text in texts:
        for position, token in enumerate(text.split(",")):
            axis, equals, value = (part.strip() for part in token.partition("="))
            if equals:
                parts.append((axis, [value]))
            elif position and parts:
                parts[-1][1].append(axis)
            else:
                raise UsageError(f"{FORM}; not {clipped(text)!r}")
    found = [quota_of(axis, values) for axis, values in parts]
    for number, quota in enumerate(found):
        if quota.axis in [other.axis for other in found[:number]]:
            raise UsageError(f"--quota names {quota.axis} twice")
    return found


def quota_of(axis: str, values: Sequence[str]) -> Quota:
    if axis in AXES:
        if values == ["even"]:
            return Quota(axis)
        if len(values) == 1 and values[0].isdecimal() and 0 < int(values[0][:20]) <= MOST_EACH:
            return Quota(axis, each=int(values[0]))
        shares = dict(share_of(value) for value in values)
        if len(shares) == len(values) and all(name and isfinite(share) and share > 0 for name, share in shares.items()):
            return Quota(axis, shares=shares)
    given = f"{axis}={','.join(values)}"
    raise UsageError(f"{FORM}; not {clipped(given)!r}")


def share_of(text: str) -> tuple[str, float]:
    """Return the value and its weight of `own:3`; the weight is 0 where there is none."""
    value, _, share = text.rpartition(":")
    try:
        return value.strip(), float(share)
    except ValueError:
        return "", 0.0


def check(quotas: Sequence[Quota], size: int | None) -> None:
    """
    Raises:
        UsageError: if the quotas and the size do not say how many rows are wanted, or say it twice.
    """
    numbered = [place for place, quota in enumerate(quotas) if quota.each]
    if len(numbered) > 1:
        raise UsageError(f"only one axis has a number of its own, not {', '.join(quotas[at].axis for at in numbered)}")
    if numbered and size is not None:
        raise UsageError(f"--size and {quotas[numbered[0]]} both say how many rows there are; leave one out")
    if numbered and any(quota.shares for quota in quotas[: numbered[0]]):
        raise UsageError(f"{quotas[numbered[0]]} leaves nothing to share out before it; name it first")
    if quotas and not numbered and size is None:
        raise UsageError("--quota needs a number of rows: --size 200, or AXIS=20 for so many of each value")


# --- cells -----------------------------------------------------------------------------------------


def cell_of(candidate: Candidate, quotas: Sequence[Quota]) -> Cell | None:
    """Return a candidate's cell; None where it has no value on an axis, or one that the quotas do not name."""
    cell = tuple(candidate.axes.get(quota.axis, "") for quota in quotas)
    fits = (value and (not quota.shares or value in quota.shares) for quota, value in zip(quotas, cell, strict=True))
    return cell if all(fits) else None


def cells_of(quotas: Sequence[Quota], candidates: Collection[Candidate]) -> list[Cell]:
    """Return all cells: every combination of values, those too of which there is no candidate, but no impossible ones.

    Raises:
        UsageError: if there are too many.
    """
    axes = [quota.axis for quota in quotas]
    there = [sorted({c.axes[axis] for c in candidates if axis in c.axes}) for axis in axes]
    if empty := next((axis for axis, known in zip(axes, there, strict=True) if not known), None):
        raise UsageError(f"--quota {empty}: no row has one ({AXES[empty]})")
    values = [list(quota.shares) or known for quota, known in zip(quotas, there, strict=True)]
    if prod(map(len, values)) > MOST_CELLS:
        raise UsageError(f"{' x '.join(axes)} make {prod(map(len, values))} cells; {MOST_CELLS} are the most")
    pairs = [(a, b) for a in axes for b in axes if b in FIXES.get(a, ())]
    seen = {(a, b): {(c.axes.get(a), c.axes.get(b)) for c in candidates} for a, b in pairs}

    def possible(cell: Cell) -> bool:
        by_axis = dict(zip(axes, cell, strict=True))
        return all((by_axis[a], by_axis[b]) in found for (a, b), found in seen.items())

    return [cell for cell in product(*values) if possible(cell)]


# --- how many of each --------------------------------------------------------------------------------


def allot(
    quotas: Sequence[Quota], size: int | None, least: Mapping[Cell, int], most: Mapping[Cell, int], seed: int = 0
) -> dict[Cell, int]:
    """Return how many rows each cell gets.

    Args:
        size: number of rows; None where a quota says it, or for as many as there are.
        least: for each cell the rows that it holds already.
        most: for each cell the rows that there are, those that it holds among them.
        seed: decides which of equal values get the rows that do not divide.
    """
    if not quotas:
        return {cell: limit if size is None else max(least[cell], min(size, limit)) for cell, limit in most.items()}
    quota, *rest = quotas
    depth = len(next(iter(most), ())) - len(quotas)
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(most, key=lambda cell: unit("select", seed, *cell[: depth + 1])):
        groups.setdefault(cell[depth], []).append(cell)
    held, there = ([sum(of[cell] for cell in cells) for cells in groups.values()] for of in (least, most))
    budgets: Sequence[int | None]
    if quota.each:
        budgets = [quota.each] * len(groups)
    elif size is None:
        budgets = [None] * len(groups)
    elif quota.shares:
        budgets = apportioned(size, [quota.shares[value] for value in groups])
    else:
        budgets = filled(size, held, there)
    found: dict[Cell, int] = {}
    for cells, budget in zip(groups.values(), budgets, strict=True):
        found |= allot(rest, budget, {cell: least[cell] for cell in cells}, {cell: most[cell] for cell in cells}, seed)
    return found


def apportioned(size: int, weights: Sequence[float]) -> list[int]:
    """Divide whole rows in shares, by largest remainders."""
    exact = [size * weight / sum(weights) for weight in weights]
    whole = [floor(part) for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: (whole[place] - exact[place], place))
    for place in by_remainder[: size - sum(whole)]:
        whole[place] += 1
    return whole


def filled(size: int, held: Sequence[int], there: Sequence[int]) -> list[int]:
    """Divide rows as evenly as it goes: whoever has the least gets the next one, as long as there are any.

    A value that can give no more leaves its room to the others.
    """
    counts = list(held)
    lowest = [(count, place) for place, count in enumerate(counts) if count < there[place]]
    heapq.heapify(lowest)
    for _ in range(size - sum(counts)):
        if not lowest:
            break
        count, place = heapq.heappop(lowest)
        counts[place] = count + 1
        if count + 1 < there[place]:
            heapq.heappush(lowest, (count + 1, place))
    return counts
