"""Checks of stored rows: SQLite keeps whatever it is given, and a disk may give back something else.

Every row is checked when it is read, so that no code after this point meets a value that was never written.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy
from pydantic import ValidationError
from sqlalchemy import Row, TypeDecorator, event, exists, func, inspect
from sqlmodel import Session, SQLModel, col, select

from culturepark.domain import (
    CULTURES,
    MAIN_CULTURE,
    Duplicate,
    Edition,
    JsonObject,
    Noun,
    Review,
    Statement,
    Status,
    Turn,
    Verdict,
)
from culturepark.errors import StoreError
from culturepark.ids import dialogue_of, last_part, parent_of, run_of
from culturepark.models.chat import digest
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

PAGE = 500
"""Ids in one query."""

JSON: dict[type[SQLModel], dict[str, type | tuple[type, ...]]] = {
    AbilityRow: {"value": (str, bool, int, list, dict)},
    RunRow: {"models": dict, "settings": dict},
    DialogueRow: {"rejected": dict},
    CallRow: {"request": dict, "response": dict},
    SampleRow: {"messages": list},
}
"""Columns that hold JSON, and what it unpacks to."""

NOUNS: dict[type[SQLModel], type[Noun]] = {
    TurnRow: Turn,
    StatementRow: Statement,
    VerdictRow: Verdict,
    DuplicateRow: Duplicate,
    ReviewRow: Review,
}
"""Rows whose values are those of a noun."""

ONE_OF: dict[type[SQLModel], dict[str, tuple[str, ...]]] = {
    RunRow: {"status": tuple(Status)},
    DialogueRow: {"status": tuple(Status)},
    SampleRow: {"status": ("kept", "dropped", "rejected"), "culture": (*CULTURES, MAIN_CULTURE)},
    ParticipantRow: {"role": ("main", "delegate", "moderator"), "culture": (*CULTURES, MAIN_CULTURE)},
}
"""Columns that hold one of a few words."""


def faults(table: type[SQLModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with those values of one row that were read."""
    json_columns, one_of = JSON.get(table, {}), ONE_OF.get(table, {})
    for name, (kind, nullable) in columns(table).items():
        value = values.get(name)
        if value is None:
            if name in values and not nullable:
                yield f"{name} is missing"
        elif not isinstance(value, (int, float) if kind is float else kind):
            yield f"{name} is {type(value).__name__}, not {kind.__name__}"
        elif kind is float and not math.isfinite(float(str(value))):
            yield f"{name} is {value}"
        elif name in json_columns:
            try:
                found = json.loads(str(value), parse_constant=refuse)
            except ValueError:
                yield f"{name} is no JSON"
            else:
                if not isinstance(found, json_columns[name]):
                    yield f"{name} holds JSON of another kind"
        elif name in one_of and value not in one_of[name]:
            yield f"{name} is {str(value)[:40]!r}"
    scenario = values.get("scenario") if table is RunRow else None
    if isinstance(scenario, str) and digest(scenario) != values.get("scenario_digest"):
        yield "scenario is not what scenario_digest was taken of"
    if table is VectorRow and values.get("checksum") != checksum(values):
        yield "its checksum is another; it will be made anew where it is wanted"
    if noun := NOUNS.get(table):
        try:
            noun.model_validate({name: values.get(name) for name in noun.model_fields})
        except ValidationError as error:
            yield "; ".join(f"{wrong['loc'][0]}: {wrong['msg']}" for wrong in error.errors())


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def checksum(vector: Mapping[str, Any]) -> int | None:
    """Return the checksum that a `vector` row should have; None if it holds no vector."""
    named = f"{vector.get('embedder')}{vector.get('text_sha256')}".encode("utf-8", "surrogatepass")
    blob = vector.get("vector")
    return zlib.crc32(blob, zlib.crc32(named)) if isinstance(blob, bytes) else None


def threshold_of(run: RunRow, edition: Edition) -> float | None:
    """Return the similarity from which on statements of a run are duplicates: as last decided, else its scenario's.

    None: the default of the method.
    """
    given = json.loads(run.settings).get("threshold")
    return float(given) if given else edition.scenario.distill.dedup.threshold


def edition_of(run: RunRow) -> Edition:
    """Return the scenario and the cards that a run was begun with.

    Raises:
        StoreError: if this version of the program cannot read it.
    """
    try:
        return Edition.model_validate_json(run.scenario)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise StoreError(
            f"run {run.id}: its scenario, written by culturepark {run.version}, cannot be read by this one: "
            f"{place}: {wrong['msg']}"
        ) from None


@cache
def columns(table: type[SQLModel]) -> dict[str, tuple[type, bool]]:
    """Return type and nullability of every column."""
    by_name = {}
    for column in inspect(table).columns:
        kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
        by_name[column.key] = kind.python_type, bool(column.nullable)
    return by_name


def of_columns(result: Iterable[Row[Any]]) -> list[Any]:
    """Return rows of single columns and figures, which no table's check covers, if they hold text where they should."""
    rows = list(result)
    if odd := next((value for row in rows for value in row if isinstance(value, bytes)), None):
        raise StoreError(f"{odd[:40]!r} stands where text should; `culturepark doctor` lists all damage")
    return rows


def paged(session: Session, table: Any, column: Any, ids: Sequence[str]) -> Iterator[Any]:
    """Yield rows whose column is one of many ids, in the order of their own ids."""
    for start in range(0, len(ids), PAGE):
        query = select(table).where(col(column).in_(ids[start : start + PAGE]))
        yield from session.exec(query.order_by(func.length(table.id), col(table.id)))


def sound(session: Session, table: type[SQLModel], query: Any) -> Iterator[dict[str, Any]]:
    """Yield some columns of a table, with figures beside them, checked as every row is.

    They are no objects, which take more than twice as long.
    """
    for mapping in session.execute(query).mappings():
        row = dict(mapping)
        for fault in faults(table, row):
            raise StoreError(f"{named(table, row)} is damaged: {fault}; `culturepark doctor` lists all damage")
        if odd := next((value for value in row.values() if isinstance(value, bytes)), None):
            raise StoreError(
                f"{named(table, row)}: {odd[:40]!r} stands where text should; `culturepark doctor` lists all damage"
            )
        yield row


def hangs_on(column: Any, row_id: str) -> Any:
    """Return the condition that an id is below another. Not by LIKE: in SQLite `Demo.d1` would be below `demo`."""
    return func.substr(column, 1, len(row_id) + 1) == f"{row_id}."


def named(table: type[SQLModel], values: Mapping[str, Any]) -> str:
    """Return table and key of a row, for messages."""
    key = ", ".join(str(values.get(column.key)) for column in inspect(table).primary_key)
    return f"{table.__tablename__} {key[:120]!r}"


@event.listens_for(SQLModel, "load", propagate=True)
def on_load(row: SQLModel, _: Any) -> None:
    values = row.__dict__
    for fault in faults(type(row), values):
        raise StoreError(f"{named(type(row), values)} is damaged: {fault}; `culturepark doctor` lists all damage")


# --- all of a database: for `culturepark doctor` ----------------------------------------------------

TABLES: tuple[type[SQLModel], ...] = (
    RunRow, DialogueRow, ParticipantRow, CallRow, TurnRow, StatementRow, VerdictRow, DuplicateRow, SampleRow, ReviewRow,
    VectorRow, AbilityRow,
)  # fmt: skip
"""A table comes after those that its rows hang on."""

PATHS: dict[type[SQLModel], tuple[str, str]] = {
    DialogueRow: ("run_id", r"d\d+"),
    CallRow: ("subject_id", r"c\d+"),
    TurnRow: ("dialogue_id", r"t\d+"),
    StatementRow: ("turn_id", r"s\d+"),
    VerdictRow: ("statement_id", r"v\d+"),
    SampleRow: ("statement_id", r"x\d+"),
    ReviewRow: ("subject_id", r"r[0-9a-f]{8}"),
}
"""The column with the id that a row's id begins with, and the form of its last part."""
REVIEWED = (TurnRow, StatementRow, SampleRow)


class Checkup:
    """A check of all of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counts: dict[str, int] = {}
        self.running: list[str] = []
        """Runs that say they are going on; if no process carries them on, they can be resumed."""
        self._known: dict[tuple[str, str], set[str | None]] = {}
        """The `seed`s, `persona`s and their `country`s of each run whose scenario can be read."""
        self._run_of: dict[str, str] = {}
        """Dialogue -> its run."""

    def problems(self) -> Iterator[str]:
        """Yield everything that is wrong; one fault does not hide others."""
        for faults_found in (self._integrity(), self._schema(), *map(self._rows, TABLES), self._of_nothing()):
            try:
                yield from faults_found
            except StoreError as error:
                yield str(error)

    def _integrity(self) -> Iterator[str]:
        yield from self.database.problems()

    def _schema(self) -> Iterator[str]:
        """Yield the tables and columns that are missing."""
        with self.database.guard(), self.database.engine.connect() as connection:
            there = inspect(connection)
            for table in TABLES:
                name = str(table.__tablename__)
                if not there.has_table(name):
                    yield f"there is no table {name}; {DAMAGED}"
                    continue
                missing = set(columns(table)) - {column["name"] for column in there.get_columns(name)}
                yield from (f"the table {name} has no column {column}; {DAMAGED}" for column in sorted(missing))

    def _rows(self, table: type[SQLModel]) -> Iterator[str]:
        """Check every row by itself, and against the rows it names without a foreign key."""
        name = str(table.__tablename__)
        with self.database.guard(), self.database.engine.connect() as connection:
            columns = inspect(table).columns
            result = connection.execution_options(yield_per=500).execute(sqlalchemy.select(*columns))
            self.counts[name] = 0
            for row in map(dict, result.mappings()):
                self.counts[name] += 1
                faults_of_row = [*faults(table, row)] or [*self._stray(table, row)]
                yield from (f"{named(table, row)}: {fault}" for fault in faults_of_row)

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
        """Yield reviews of rows that are not there; they may be of several tables, so no foreign key can tell."""
        not_there = [~exists().where(col(table.id) == col(ReviewRow.subject_id)) for table in REVIEWED]
        with self.database.guard(), self.database.engine.connect() as connection:
            for review_id, subject_id in connection.execute(
                sqlalchemy.select(col(ReviewRow.id), col(ReviewRow.subject_id)).where(*not_there)
            ):
                yield f"review {str(review_id)[:120]!r}: there is no {str(subject_id)[:120]!r}"

    def _take(self, row: JsonObject) -> None:
        if row["status"] == Status.RUNNING:
            self.running.append(row["id"])
        edition = edition_of(RunRow(**row))
        self._known[row["id"], "seed"] = {seed.key for seed in edition.scenario.seeds}
        self._known[row["id"], "persona"] = {persona.key for persona in edition.personas}
        self._known[row["id"], "country"] = {persona.country for persona in edition.personas}

    def _unknown(self, run_id: str, what: str, key: str | None) -> Iterator[str]:
        if key not in self._known.get((run_id, what), {key}):
            yield f"its run knows no {what} {str(key)[:120]!r}"
