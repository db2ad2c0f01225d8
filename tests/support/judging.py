"""Runs with many rows to draw from, and people who judge them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from culturepark.store.draws import Draw, Member, draw, over_of
from culturepark.store.reviews import Reviews
from culturepark.store.tables import SampleRow, StatementRow
from tests.support.fakes import Held
from tests.support.grounded import CARDS, grounded


def many(folder: Path, count: int = 40) -> Held:
    """The run written by hand, with more statements of one turn; each has one kept row."""
    held = grounded(folder)
    with held.store.database.writing() as session:
        statement = session.get_one(StatementRow, CARDS).model_dump()
        sample = session.get_one(SampleRow, f"{CARDS}.x1").model_dump()
        for number in range(10, 10 + count - 5):  # five are there
            name = f"held.d1.t3.s{number}"
            session.add(StatementRow(**statement | {"id": name, "first_person": f"I do {number}."}))
            session.flush()
            session.add(SampleRow(**sample | {"id": f"{name}.x3", "statement_id": name, "kind": "own"}))
    return held


def drawn_from(held: Held, size: int, seed: int | None = None) -> Draw:
    return draw(held.store, over_of(held.store, held.run_id), size, seed)


def ids(rows: Iterable[Member]) -> list[str]:
    return [row.id for row in rows]


def judge(held: Held, names: Iterable[str], wrong: Iterable[str] = (), by: str = "anna") -> None:
    """Say yes to rows, and no to some of them."""
    reviews = Reviews(held.store, by)
    for name in names:
        reviews.add(name, "reject" if name in set(wrong) else "accept")
