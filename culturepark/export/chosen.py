"""How the rows of a selection were chosen, for the manifest, the card and screens."""

from __future__ import annotations

import json
from collections.abc import Iterator

from culturepark.stats.figures import Figures, Stored
from culturepark.store.exports import Look
from culturepark.store.selections import fates
from culturepark.store.tables import SelectionRow


class Step(Figures):
    """One step of the funnel."""

    step: Stored
    left: int
    """Samples after it."""
    unknown: int = 0
    """Of those that fell here, samples of which nobody knows what the gate asks."""


class Cell(Figures):
    """A cell of which there were too few samples."""

    cell: dict[str, Stored]
    """Axis -> value."""
    wanted: int
    found: int


class Chosen(Figures):
    """A selection, and how its samples were chosen."""

    selection: str
    name: Stored | None
    created_at: str
    culturepark: str
    """Version of the program that made it."""
    runs: list[str]
    size: int | None
    """Number of samples that were wanted; None where the quotas say it, or for all that passed."""
    quotas: list[Stored]
    """As they were given, such as `culture=even`; one for each axis."""
    gates: list[Stored]
    """As they were given, in their order."""
    seed: int
    """Of the draw."""
    extends: str | None
    """The selection whose samples it holds too."""
    samples: int
    gone: int
    """Samples that the store no longer keeps: their run was deleted or distilled again."""
    rejected: int
    """Samples that reviewers have rejected since."""
    funnel: list[Step]
    unfilled: list[Cell]


def chosen(look: Look, row: SelectionRow) -> Chosen:
    wanted, fate = json.loads(row.wanted), fates(look, row.id)
    return Chosen(
        selection=row.id,
        name=row.name,
        created_at=row.created_at,
        culturepark=row.version,
        runs=json.loads(row.runs),
        **{name: wanted.get(name) for name in ("size", "quotas", "gates", "seed")},
        extends=row.extends,
        samples=fate.total(),
        gone=fate["gone"],
        rejected=fate["rejected"],
        funnel=json.loads(row.funnel),
        unfilled=json.loads(row.unfilled),
    )


def losses(one: Chosen) -> Iterator[str]:
    """Yield what a selection has lost since it was made."""
    for count, why in (
        (one.gone, "are gone: their runs were deleted, or distilled again"),
        (one.rejected, "were rejected by reviewers since"),
    ):
        if count:
            yield f"{count} of the {one.samples} samples of {one.selection} {why}"
