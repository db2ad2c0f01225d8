"""Takes people from a table: row by row, with a count of what could not be used, and a draw where fewer are wanted."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from culturepark.catalog.cultures import Known
from culturepark.dialogue.stance import unit
from culturepark.domain import Draft, JsonObject, Persona
from culturepark.people import drafts
from culturepark.people.mapping import PeopleMap, drafted
from culturepark.people.tables import Table

EVERY = 100_000
SHOWN = 10
"""Bad rows that are named with their reason."""


@dataclass
class Intake:
    """What was read of a table so far."""

    rows: int = 0
    unwanted: int = 0
    """Rows that `where` leaves out."""
    bad: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Reason without the value at fault -> number of bad rows."""
    first: list[tuple[int, str]] = field(default_factory=list)
    """The first bad rows with their reasons."""
    lacking: Counter[str] = field(default_factory=Counter)
    """Key -> number of people whose card lacks it."""
    progress: Callable[[int], None] = lambda rows: None  # noqa: ARG005
    """Called with the number of rows so far, every `EVERY` rows."""

    def drafts(self, table: Table, people_map: PeopleMap, count: int | None, seed: int) -> Iterator[Draft]:
        """Yield the people of a table: all, or so many of them, hashed from the seed, in the order of their rows."""
        people = self._usable(table, people_map)
        if count is None:
            yield from people
            return
        chosen: list[tuple[float, int, Draft]] = []
        for draft in people:
            entry = (unit("row", seed, draft.number), -draft.number, draft)
            if len(chosen) < count:
                heapq.heappush(chosen, entry)
            else:
                heapq.heappushpop(chosen, entry)
        yield from sorted((draft for _, _, draft in chosen), key=lambda draft: draft.number)

    def _usable(self, table: Table, people_map: PeopleMap) -> Iterator[Draft]:
        rows_of: dict[str, int] = {}
        """Key of a person -> row."""
        for number, draft in drafted(table, people_map):
            self.rows += 1
            if self.rows % EVERY == 0:
                self.progress(self.rows)
            if draft is None:
                self.unwanted += 1
            elif isinstance(draft, str):
                self.refuse(number, draft)
            elif (key := str(draft.given["key"])) in rows_of:
                self.refuse(number, f"key: {key} is that of row {rows_of[key]} too")
            else:
                rows_of[key] = number
                yield draft

    def refuse(self, number: int, reason: str) -> None:
        self.bad += 1
        self.reasons[reason.partition(", not ")[0].partition(": '")[0].partition(" is that of row")[0]] += 1
        if len(self.first) < SHOWN:
            self.first.append((number, reason))

    def cards(self, people: Iterator[Draft], known: Known) -> Iterator[Persona]:
        """Yield the cards that are whole as they stand, and count what the others lack.

        Args:
            known: cultures beside the shipped ones.
        """
        for draft in people:
            if lacking := drafts.lacking(draft.given):
                self.lacking.update(lacking)
                continue
            persona, faults = drafts.card(draft, {}, known)
            if persona is None:
                self.refuse(draft.number, faults[0])
            else:
                yield persona

    def as_json(self) -> JsonObject:
        return {
            "rows": self.rows,
            "unwanted": self.unwanted,
            "bad": self.bad,
            "reasons": dict(self.reasons.most_common()),
            "first_bad": [{"row": row, "why": why} for row, why in self.first],
            "lacking": dict(self.lacking.most_common()),
        }
