"""Chooses which dialogues of a run a preview holds, and which of its rows it shows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from culturepark.domain import Casting


@dataclass(frozen=True)
class KeptRow:
    """What distinguishes a kept sample from others."""

    id: str
    statement_id: str
    shape: str
    culture: str
    persona_key: str
    provenance: str | None


def first_held(castings: Sequence[Casting], most: int, begun: Collection[int] = ()) -> list[Casting]:
    """Return the dialogues to hold first, in that order: each adds as many cultures as it can, then a question.

    Args:
        begun: numbers of the dialogues that were begun before; they come first.
    """
    chosen = [casting for casting in castings if casting.number in begun]
    rest = [casting for casting in castings if casting.number not in begun]
    while rest and len(chosen) < most:
        heard = {culture for casting in chosen for culture in cultures_of(casting)}
        asked = {casting.seed.key for casting in chosen}
        best = max(rest, key=lambda one: (len(cultures_of(one) - heard), one.seed.key not in asked, -one.number))
        chosen.append(best)
        rest.remove(best)
    return chosen


def cultures_of(casting: Casting) -> set[str]:
    return {participant.persona.culture for participant in casting.participants}


def most_varied(rows: Sequence[KeptRow], most: int) -> list[KeptRow]:
    """Choose rows that share as little as they can: of other cultures, shapes, statements, people and provenances."""
    rest, chosen = list(rows), list[KeptRow]()
    met: Counter[tuple[str, str | None]] = Counter()
    while rest and len(chosen) < most:
        best = min(rest, key=lambda row: sum(met[trait] for trait in traits(row)))  # the first of equals
        rest.remove(best)
        chosen.append(best)
        met.update(traits(best))
    return chosen


def traits(row: KeptRow) -> tuple[tuple[str, str | None], ...]:
    return (
        ("culture", row.culture),
        ("shape", row.shape),
        ("statement", row.statement_id),
        ("persona", row.persona_key),
        ("provenance", row.provenance),
    )
