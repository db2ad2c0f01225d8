"""What a row must hold to be used: SQLite keeps whatever it is given, and a disk may give back something else.

Every row is looked at when it is read, so that nobody after this point meets a value that was never written.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row, TypeDecorator, event, func, inspect
from sqlmodel import Session, SQLModel, col, select

from culturepark.domain import (
    CULTURES,
    MAIN_CULTURE,
    Duplicate,
    Edition,
    Noun,
    Review,
    Statement,
    Status,
    Turn,
    Verdict,
)
from culturepark.errors import StoreError
from culturepark.models.chat import digest
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
    """What is wrong with the values of one row, of those that were read; nothing if all is well."""
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
    """What `checksum` should be in a `vector` row; None where the row holds no vector."""
    named = f"{vector.get('embedder')}{vector.get('text_sha256')}".encode("utf-8", "surrogatepass")
    blob = vector.get("vector")
    return zlib.crc32(blob, zlib.crc32(named)) if isinstance(blob, bytes) else None


def threshold_of(run: RunRow, edition: Edition) -> float | None:
    """From which similarity the run's duplicates count: as last decided, or as its scenario has it; None: by method."""
    given = json.loads(run.settings).get("threshold")
    return float(given) if given else edition.scenario.distill.dedup.threshold


def edition_of(run: RunRow) -> Edition:
    """What a run was begun with.

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
    """Type and nullability of every column."""
    found = {}
    for column in inspect(table).columns:
        kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
        found[column.key] = kind.python_type, bool(column.nullable)
    return found


def of_columns(found: Iterable[Row[Any]]) -> list[Any]:
    """Rows of single columns and figures, which no table vouches for."""
    told = list(found)
    if odd := next((value for row in told for value in row if isinstance(value, bytes)), None):
        raise StoreError(f"{odd[:40]!r} stands where text should; `culturepark doctor` lists all damage")
    return told


def paged(session: Session, table: Any, column: Any, ids: Sequence[str]) -> Iterator[Any]:
    """Rows whose column is one of many ids, in the order of their own ids."""
    for start in range(0, len(ids), PAGE):
        query = select(table).where(col(column).in_(ids[start : start + PAGE]))
        yield from session.exec(query.order_by(func.length(table.id), col(table.id)))


def sound(session: Session, table: type[SQLModel], query: Any) -> Iterator[dict[str, Any]]:
    """Some columns of a table, with figures beside them, looked at as every row is.

    Not as objects: those take more than twice as long.
    """
    for found in session.execute(query).mappings():
        row = dict(found)
        for fault in faults(table, row):
            raise StoreError(f"{named(table, row)} is damaged: {fault}; `culturepark doctor` lists all damage")
        if odd := next((value for value in row.values() if isinstance(value, bytes)), None):
            raise StoreError(
                f"{named(table, row)}: {odd[:40]!r} stands where text should; `culturepark doctor` lists all damage"
            )
        yield row


def hangs_on(column: Any, row_id: str) -> Any:
    """Whether an id is that of a row below another. Not by LIKE: in SQLite `Demo.d1` would be below `demo`."""
    return func.substr(column, 1, len(row_id) + 1) == f"{row_id}."


def named(table: type[SQLModel], values: Mapping[str, Any]) -> str:
    """How to speak of a row."""
    key = ", ".join(str(values.get(column.key)) for column in inspect(table).primary_key)
    return f"{table.__tablename__} {key[:120]!r}"


@event.listens_for(SQLModel, "load", propagate=True)
def on_load(row: SQLModel, _: Any) -> None:
    values = row.__dict__
    for fault in faults(type(row), values):
        raise StoreError(f"{named(type(row), values)} is damaged: {fault}; `culturepark doctor` lists all damage")
