"""Goes through a whole database and says what is wrong with it; for `culturepark doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import exists, inspect, select
from sqlmodel import SQLModel, col

from culturepark.domain import JsonObject, Status
from culturepark.errors import StoreError
from culturepark.ids import dialogue_of, last_part, parent_of, run_of
from culturepark.store import integrity
from culturepark.store.database import DAMAGED, Database
from culturepark.store.tables import (
    AbilityRow,
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    ReviewRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VectorRow,
    VerdictRow,
)

TABLES: tuple[type[SQLModel], ...] = (
    RunRow, DialogueRow, ParticipantRow, CallRow, TurnRow, StatementRow, VerdictRow, DuplicateRow, SampleRow, ReviewRow,
    VectorRow, AbilityRow,
)  # fmt: skip
"""In such an order that a row comes after those it hangs on."""

PATHS: dict[type[SQLModel], tuple[str, str]] = {
    DialogueRow: ("run_id", r"d\d+"),
    CallRow: ("subject_id", r"c\d+"),
    TurnRow: ("dialogue_id", r"t\d+"),
    StatementRow: ("turn_id", r"s\d+"),
    VerdictRow: ("statement_id", r"v\d+"),
    SampleRow: ("statement_id", r"x\d+"),
    ReviewRow: ("subject_id", r"r[0-9a-f]{8}"),
}
"""Where an id comes from: that of another row, and what stands behind it."""
REVIEWED = (TurnRow, StatementRow, SampleRow)


class Checkup:
    """One look at all of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counts: dict[str, int] = {}
        self.running: list[str] = []
        """Runs that say they are going on; if no process carries them on, they can be resumed."""
        self._known: dict[tuple[str, str], set[str | None]] = {}
        """The `seed`s, `persona`s and their `country`s of each run whose scenario can be read."""
        self._run_of: dict[str, str] = {}
        """Which run a dialogue belongs to."""

    def problems(self) -> Iterator[str]:
        """Everything that is wrong, whatever else is."""
        for found in (self._integrity(), self._schema(), *map(self._rows, TABLES), self._of_nothing()):
            try:
                yield from found
            except StoreError as error:
                yield str(error)

    def _integrity(self) -> Iterator[str]:
        yield from self.database.problems()

    def _schema(self) -> Iterator[str]:
        """Tables and columns that a database of this version has."""
        with self.database.guard(), self.database.engine.connect() as connection:
            there = inspect(connection)
            for table in TABLES:
                name = str(table.__tablename__)
                if not there.has_table(name):
                    yield f"there is no table {name}; {DAMAGED}"
                    continue
                missing = set(integrity.columns(table)) - {column["name"] for column in there.get_columns(name)}
                yield from (f"the table {name} has no column {column}; {DAMAGED}" for column in sorted(missing))

    def _rows(self, table: type[SQLModel]) -> Iterator[str]:
        """Every row by itself, and against the rows it names that no foreign key ties it to."""
        name = str(table.__tablename__)
        with self.database.guard(), self.database.engine.connect() as connection:
            columns = inspect(table).columns
            found = connection.execution_options(yield_per=500).execute(select(*columns))
            self.counts[name] = 0
            for row in map(dict, found.mappings()):
                self.counts[name] += 1
                wrong = [*integrity.faults(table, row)] or [*self._stray(table, row)]
                yield from (f"{integrity.named(table, row)}: {fault}" for fault in wrong)

    def _stray(self, table: type[SQLModel], row: JsonObject) -> Iterator[str]:
        if path := PATHS.get(table):
            parent, form = path
            if parent_of(row["id"]) != row[parent] or not re.fullmatch(form, last_part(row["id"])):
                yield f"the id does not spell its {parent} {row[parent]!r}"
        if table is RunRow:
            try:
                self._take(row)
            except StoreError as error:
                yield str(error)
        elif table is DialogueRow:
            self._run_of[row["id"]] = row["run_id"]
            yield from self._unknown(row["run_id"], "seed", row["seed_key"])
        elif table is ParticipantRow:
            run_id = self._run_of.get(row["dialogue_id"], "")
            yield from self._unknown(run_id, "persona", row["persona_key"])
            yield from self._unknown(run_id, "country", row["country"])
        elif table is StatementRow:
            dialogue_id = dialogue_of(row["turn_id"])
            yield from self._unknown(self._run_of.get(dialogue_id, ""), "persona", row["persona_key"])
        elif table is CallRow and run_of(row["subject_id"]) != row["run_id"]:
            yield f"it was made for {row['subject_id'][:120]!r}, which is not of its run {row['run_id']!r}"

    def _of_nothing(self) -> Iterator[str]:
        """Reviews of what is not there; no foreign key can tell, since they may be of one of several tables."""
        missing = [~exists().where(col(table.id) == col(ReviewRow.subject_id)) for table in REVIEWED]
        with self.database.guard(), self.database.engine.connect() as connection:
            for review_id, subject_id in connection.execute(
                select(col(ReviewRow.id), col(ReviewRow.subject_id)).where(*missing)
            ):
                yield f"review {str(review_id)[:120]!r}: there is no {str(subject_id)[:120]!r}"

    def _take(self, row: JsonObject) -> None:
        if row["status"] == Status.RUNNING:
            self.running.append(row["id"])
        edition = integrity.edition_of(RunRow(**row))
        self._known[row["id"], "seed"] = {seed.key for seed in edition.scenario.seeds}
        self._known[row["id"], "persona"] = {persona.key for persona in edition.personas}
        self._known[row["id"], "country"] = {persona.country for persona in edition.personas}

    def _unknown(self, run_id: str, what: str, key: str | None) -> Iterator[str]:
        if key not in self._known.get((run_id, what), {key}):
            yield f"its run knows no {what} {str(key)[:120]!r}"
