"""Reads turns with what the interpreter made of them. Read-only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import Session, col, select

from culturepark.domain import Rendering, Turn
from culturepark.store.integrity import hangs_on
from culturepark.store.tables import RenderingRow


def with_renderings(look: Session, dialogue_id: str, turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns of a dialogue with what the interpreter made of them."""
    heard: dict[str, list[Rendering]] = defaultdict(list)
    below = hangs_on(col(RenderingRow.turn_id), dialogue_id)
    for row in look.exec(select(RenderingRow).where(below).order_by(col(RenderingRow.language))):
        heard[row.turn_id].append(row.noun())
    found = (tuple(heard[f"{dialogue_id}.t{turn.position}"]) for turn in turns)
    return [turn.model_copy(update={"renderings": own}) for turn, own in zip(turns, found, strict=True)]
