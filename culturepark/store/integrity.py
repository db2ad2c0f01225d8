"""Checks of stored rows. SQLite stores any value in any column, and disks fail.

Every row is checked when it is read, so that all other code can rely on its values.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args

import sqlalchemy
from pydantic import ValidationError
from sqlalchemy import Boolean, Row, TypeDecorator, event, exists, func, inspect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, SQLModel, col, select

from culturepark.catalog import Framing
from culturepark.catalog.suite_digest import suite_digest
from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import (
    Duplicate,
    Edition,
    JsonObject,
    Measure,
    Noun,
    Provenance,
    Rendering,
    Review,
    Slip,
    Statement,
    StatementRendering,
    Status,
    Turn,
    Verdict,
)
from culturepark.errors import StoreError
from culturepark.ids import SUITE_NAME, dialogue_of, last_part, parent_of, run_of, suite_id_of
from culturepark.models.chat import digest
from culturepark.store.database import DAMAGED, Database
from culturepark.store.pieces import digest_of
from culturepark.store.tables import (
    ARTEFACTS,
    BATCH_STATES,
    AbilityRow,
    AnswerRow,
    ArtefactRow,
    BatchedRow,
    BatchRow,
    CallRow,
    ClaimRow,
    DialogueRow,
    DrawnRow,
    DrawRow,
    DuplicateRow,
    EvaluationRow,
    FigureRow,
    FitRow,
    ItemRow,
    PacedRow,
    ParticipantRow,
    PieceRow,
    ProbeRow,
    RenderingRow,
    ReviewRow,
    RunRow,
    SampleRow,
    ScoreRow,
    SelectedRow,
    SelectionRow,
    SlipRow,
    StatementRenderingRow,
    StatementRow,
    SuiteRow,
    TallyRow,
    TrainedRow,
    TurnRow,
    VectorRow,
    VerdictRow,
    WorkerRow,
)

Value = TypeVar("Value")
PAGE = 500
"""Ids in one query."""

JSON: dict[type[SQLModel], dict[str, type | tuple[type, ...]]] = {
    AbilityRow: {"value": (str, bool, int, list, dict)},
    FitRow: {"ratings": list},
    RunRow: {"models": dict, "settings": dict, "skipped": list},
    DialogueRow: {"rejected": dict},
    CallRow: {"request": dict, "response": dict},
    SampleRow: {"messages": list},
    TurnRow: {"mark": dict},
    SelectionRow: {"runs": list, "wanted": dict, "funnel": list, "unfilled": list},
    SelectedRow: {"cell": dict},
    SuiteRow: {"definition": dict},
    ItemRow: {"payload": dict, "target": object},
    EvaluationRow: {"settings": dict},
    AnswerRow: {"shown": list, "probabilities": dict},
    ScoreRow: {"detail": (str, bool, int, float, list, dict)},
    ArtefactRow: {"settings": dict, "figures": dict},
    TallyRow: {"document": dict, "lines": dict},
}
"""Columns that hold JSON, and the type it unpacks to."""

NOUNS: dict[type[SQLModel], type[Noun]] = {
    TurnRow: Turn,
    RenderingRow: Rendering,
    SlipRow: Slip,
    StatementRenderingRow: StatementRendering,
    StatementRow: Statement,
    VerdictRow: Verdict,
    DuplicateRow: Duplicate,
    ReviewRow: Review,
}
"""Tables whose rows must be valid values of a domain class."""
FIELDS = {
    noun: tuple(name for name, field in noun.model_fields.items() if not field.exclude) for noun in NOUNS.values()
}

REMOTE_ID = r"[A-Za-z0-9_-]{1,200}"
"""The form of a batch's id at its service; it becomes a part of an address."""
MOST_MASS = 1 + 1e-6
"""A probability of 1, as sums of floating-point numbers come out."""
ONE_OF: dict[type[SQLModel], dict[str, tuple[str, ...]]] = {
    RunRow: {"status": tuple(Status)},
    DialogueRow: {"status": tuple(Status)},
    SampleRow: {
        "status": ("kept", "dropped", "rejected"),
        "provenance": get_args(Provenance),
    },
    ParticipantRow: {"role": ("main", "delegate", "moderator")},
    ProbeRow: {"kind": get_args(Measure), "moment": ("own", "before", "after")},
    EvaluationRow: {"status": tuple(Status)},
    ArtefactRow: {"kind": ARTEFACTS},
    BatchRow: {"status": BATCH_STATES},
    AnswerRow: {"framing": get_args(Framing)},
}
"""Columns with few allowed values."""


def faults(table: type[SQLModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults of one row, of which some columns may not have been read."""
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
                data = json.loads(str(value), parse_constant=refuse)
            except (ValueError, RecursionError):
                yield f"{name} is no JSON"
            else:
                if not isinstance(data, json_columns[name]):
                    yield f"{name} holds JSON of another kind"
        elif name in one_of and value not in one_of[name]:
            yield f"{name} is {str(value)[:40]!r}"
    scenario = values.get("scenario") if table is RunRow else None
    if isinstance(scenario, str) and digest(scenario) != values.get("scenario_digest"):
        yield "scenario is not what scenario_digest was taken of"
    if table is VectorRow and values.get("checksum") != checksum(values):
        yield "its checksum is another; it will be made anew where it is wanted"
    if table is PieceRow and isinstance(values.get("text"), str) and values.get("digest") != digest_of(values["text"]):
        yield "its digest is that of another text, and requests that hold it are not what was sent"
    if table is BatchRow and not re.fullmatch(REMOTE_ID, str(values.get("remote_id") or "-")):
        yield "remote_id is none that a service gives"
    if table is AnswerRow:
        yield from faults_of_masses(values)
    if noun := NOUNS.get(table):
        try:
            noun.model_validate({name: values.get(name) for name in FIELDS[noun]})
        except ValidationError as error:
            yield "; ".join(f"{wrong['loc'][0]}: {wrong['msg']}" for wrong in error.errors())


def faults_of_masses(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is no probability in an answer."""
    outside = answer.get("outside_mass")
    if isinstance(outside, (int, float)) and not 0 <= outside <= MOST_MASS:
        yield f"outside_mass is {outside}, and no probability"
    try:
        masses = json.loads(answer.get("probabilities") or "{}")
    except (ValueError, TypeError, RecursionError):  # named already
        return
    for code, mass in masses.items() if isinstance(masses, dict) else ():
        if isinstance(mass, bool) or not isinstance(mass, (int, float)) or not 0 <= mass <= MOST_MASS:
            yield f"probabilities: {str(mass)[:40]} of {code[:40]!r} is no probability"


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def checksum(vector: Mapping[str, Any]) -> int | None:
    """Return the checksum that a `vector` row should have; None if it holds no vector."""
    named = f"{vector.get('embedder')}{vector.get('text_sha256')}".encode("utf-8", "surrogatepass")
    blob = vector.get("vector")
    return zlib.crc32(blob, zlib.crc32(named)) if isinstance(blob, bytes) else None


def items_in_order(suite_id: str) -> Any:
    """Return the query for the items of a suite, as columns, in the order in which its digest was taken."""
    query = sqlalchemy.select(*inspect(ItemRow).columns).where(col(ItemRow.suite_id) == suite_id)
    return query.order_by(func.length(ItemRow.id), col(ItemRow.id))


def faults_of_suite(suite: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with a sound row of `suite`, given its sound items in their order."""
    if not re.fullmatch(SUITE_NAME, suite["name"]):
        yield f"name is {suite['name'][:40]!r}"
    if suite["id"] != suite_id_of(suite["name"], suite["digest"]):
        yield "the id does not spell its name and digest"
    numbers: list[int] = []

    def counted() -> Iterator[Mapping[str, Any]]:
        for item in items:
            numbers.append(int(last_part(item["id"])[1:]))
            yield item

    if suite_digest(suite["definition"], counted()) != suite["digest"]:
        yield "definition and items are not what digest was taken of"
    elif numbers != [*range(1, len(numbers) + 1)]:
        yield "its items are not numbered from 1 on"


def threshold_of(run: RunRow, edition: Edition) -> float | None:
    """Return the similarity from which two statements of a run are duplicates; None for the method's default.

    `distill --threshold` comes before the scenario.
    """
    given = json.loads(run.settings).get("threshold")
    return float(given) if given else edition.scenario.distill.dedup.threshold


def edition_of(run: RunRow) -> Edition:
    """Return the scenario and persona cards with which a run was made.

    Raises:
        StoreError: if this version of the program cannot read them.
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
    """Return column -> Python type and nullability."""
    by_name = {}
    for column in inspect(table).columns:
        kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
        by_name[column.key] = kind.python_type, bool(column.nullable)
    return by_name


def of_columns(result: Iterable[Row[Any]]) -> list[Any]:
    """Return rows of single columns and figures, which `faults` does not cover, if none has bytes in place of text."""
    rows = list(result)
    if odd := next((value for row in rows for value in row if isinstance(value, bytes)), None):
        raise StoreError(f"{odd[:40]!r} stands where text should; `culturepark doctor` lists all damage")
    return rows


def pages(values: Sequence[Value], size: int = PAGE) -> Iterator[Sequence[Value]]:
    """Divide values into parts that fit into one query."""
    return (values[start : start + size] for start in range(0, len(values), size))


def paged(session: Session, table: Any, column: Any, ids: Sequence[str]) -> Iterator[Any]:
    """Yield rows whose column is one of many ids, in the order of their own ids."""
    for page in pages(ids):
        query = select(table).where(col(column).in_(page))
        yield from session.exec(query.order_by(func.length(table.id), col(table.id)))


def sound(session: Session, table: type[SQLModel], query: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a query as dictionaries, with their columns of `table` checked.

    Rows as objects take more than twice as long.
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


class below(FunctionElement[bool]):  # noqa: N801 - a function of SQL
    """The condition that an id is below another one: of a column, that id with a dot, and the same with a slash."""

    type = Boolean()
    inherit_cache = True


@compiles(below)
def below_anywhere(condition: below, compiler: Any, **how: Any) -> str:
    # How text is sorted hangs on the database. LIKE ignores case in SQLite.
    column, prefix, _ = condition.clauses
    return str(compiler.process(func.substr(column, 1, func.length(prefix)) == prefix, **how))


@compiles(below, "sqlite")
def below_in_sqlite(condition: below, compiler: Any, **how: Any) -> str:
    # SQLite sorts ids by their bytes, and finds a part of them in an index; "/" is the byte after ".".
    column, first, last = (compiler.process(clause, **how) for clause in condition.clauses)
    return f"({column} > {first} AND {column} < {last})"


def hangs_on(column: Any, row_id: str) -> Any:
    """Return the condition that an id is below another one."""
    return below(column, sqlalchemy.literal(f"{row_id}."), sqlalchemy.literal(f"{row_id}/"))


def named(table: type[SQLModel], values: Mapping[str, Any]) -> str:
    """Return table and primary key of a row, for messages."""
    key = ", ".join(str(values.get(column.key)) for column in inspect(table).primary_key)
    return f"{table.__tablename__} {key[:120]!r}"


@event.listens_for(SQLModel, "load", propagate=True)
def on_load(row: SQLModel, _: Any) -> None:
    values = row.__dict__
    for fault in faults(type(row), values):
        raise StoreError(f"{named(type(row), values)} is damaged: {fault}; `culturepark doctor` lists all damage")


# --- all of a database: for `culturepark doctor` ----------------------------------------------------

TABLES: tuple[type[SQLModel], ...] = (
    RunRow, DialogueRow, ParticipantRow, CallRow, BatchRow, BatchedRow, TurnRow, RenderingRow, StatementRow,
    StatementRenderingRow, VerdictRow, DuplicateRow, SampleRow, ReviewRow, SlipRow, ProbeRow, VectorRow, AbilityRow,
    FitRow, SelectionRow, SelectedRow, DrawRow, DrawnRow, SuiteRow, ItemRow, EvaluationRow, AnswerRow, ScoreRow,
    FigureRow, ArtefactRow, TrainedRow, WorkerRow, ClaimRow, PacedRow, PieceRow, TallyRow,
)  # fmt: skip
"""Each table comes after those that its rows refer to."""

PATHS: dict[type[SQLModel], tuple[str, str]] = {
    DialogueRow: ("run_id", r"d\d+"),
    CallRow: ("subject_id", r"c\d+"),
    BatchRow: ("run_id", r"b[1-9]\d*"),
    TurnRow: ("dialogue_id", r"t\d+"),
    StatementRow: ("turn_id", r"s\d+"),
    VerdictRow: ("statement_id", r"v\d+"),
    SampleRow: ("statement_id", r"x\d+"),
    ReviewRow: ("subject_id", r"r[0-9a-f]{8}"),
    ItemRow: ("suite_id", r"i[1-9]\d*"),
    AnswerRow: ("evaluation_id", r"a\d+"),
    ScoreRow: ("answer_id", r"s\d+"),
    FigureRow: ("evaluation_id", r"f\d+"),
}
"""The column with the id that a row's id begins with, and the form of its last part."""
REVIEWED = (TurnRow, StatementRow, SampleRow)


class Checkup:
    """A check of every row of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counts: dict[str, int] = {}
        self.running: list[str] = []
        """Runs with the status `running`; they can be resumed if no process carries them on."""
        self._known: dict[tuple[str, str], set[str | None]] = {}
        """Run id and `seed`, `persona`, `culture` or `country` -> the keys in the run's scenario."""
        self._run_of: dict[str, str] = {}
        """Dialogue id -> run id."""
        self._status: dict[str, str] = {}
        """Run id -> its status."""
        self.unevaluated: set[str] = set()
        """Runs that evaluate, and whose row in `evaluation` has not been seen."""
        self._suite_of: dict[str, str] = {}
        """Evaluation id -> suite id."""

    def problems(self) -> Iterator[str]:
        """Yield all faults; an error in one step does not hide those of the others."""
        last = (self._orphaned_reviews(), self._suites(), self._unevaluated())
        for step in (self._integrity(), self._schema(), *map(self._rows, TABLES), *last):
            try:
                yield from step
            except StoreError as error:
                yield str(error)

    def _integrity(self) -> Iterator[str]:
        yield from self.database.problems()

    def _schema(self) -> Iterator[str]:
        """Yield the tables and columns that are missing."""
        with self.database.guard(), self.database.engine.connect() as connection:
            schema = inspect(connection)
            for table in TABLES:
                name = str(table.__tablename__)
                if not schema.has_table(name):
                    yield f"there is no table {name}; {DAMAGED}"
                    continue
                missing = set(columns(table)) - {column["name"] for column in schema.get_columns(name)}
                yield from (f"the table {name} has no column {column}; {DAMAGED}" for column in sorted(missing))

    def _rows(self, table: type[SQLModel]) -> Iterator[str]:
        """Check every row by itself, and its references that are no foreign keys."""
        name = str(table.__tablename__)
        with self.database.guard(), self.database.engine.connect() as connection:
            query = sqlalchemy.select(*inspect(table).columns)
            self.counts[name] = 0
            for row in map(dict, connection.execution_options(yield_per=PAGE).execute(query).mappings()):
                self.counts[name] += 1
                yield from (f"{named(table, row)}: {fault}" for fault in self.faults(table, row))

    def faults(self, table: type[SQLModel], row: JsonObject) -> list[str]:
        """Return the faults of a row, and its references that lead nowhere; rows come in the order of `TABLES`."""
        return [*faults(table, row)] or [*self._dangling(table, row)]

    def _dangling(self, table: type[SQLModel], row: JsonObject) -> Iterator[str]:
        """Yield the references of a row that lead nowhere or elsewhere."""
        if path := PATHS.get(table):
            parent, form = path
            if parent_of(row["id"]) != row[parent] or not re.fullmatch(form, last_part(row["id"])):
                yield f"the id does not spell its {parent} {row[parent]!r}"
        if table is RunRow:
            try:
                self._take_run(row)
            except StoreError as error:
                yield str(error)
        elif table is DialogueRow:
            self._run_of[row["id"]] = row["run_id"]
            yield from self._unknown(row["run_id"], "seed", row["seed_key"])
        elif table is ParticipantRow:
            run_id = self._run_of.get(row["dialogue_id"], "")
            yield from self._unknown(run_id, "persona", row["persona_key"])
            yield from self._unknown(run_id, "country", row["country"])
            yield from self._unknown(run_id, "culture", row["culture"])
        elif table is StatementRow:
            dialogue_id = dialogue_of(row["turn_id"])
            yield from self._unknown(self._run_of.get(dialogue_id, ""), "persona", row["persona_key"])
            yield from self._unknown(self._run_of.get(dialogue_id, ""), "culture", row["culture"])
        elif table is SampleRow:
            yield from self._unknown(run_of(row["id"]), "culture", row["culture"])
        elif table is CallRow and run_of(row["subject_id"]) != row["run_id"]:
            yield f"it was made for {row['subject_id'][:120]!r}, which is not of its run {row['run_id']!r}"
        elif table is EvaluationRow:
            yield from self._take_evaluation(row)
        elif table is AnswerRow:
            suite_id = self._suite_of.get(row["evaluation_id"])
            if suite_id is not None and parent_of(row["item_id"]) != suite_id:
                yield f"it answers {row['item_id'][:120]!r}, which is not of its evaluation's suite {suite_id!r}"
            if row["choice"] is not None and row["choice"] not in json.loads(row["shown"] or f"[{row['choice']}]"):
                yield f"choice is {row['choice']}, which was not shown"

    def _orphaned_reviews(self) -> Iterator[str]:
        """Yield the reviews whose subject is missing; it can be in one of three tables, so it is no foreign key."""
        missing = [~exists().where(col(table.id) == col(ReviewRow.subject_id)) for table in REVIEWED]
        query = sqlalchemy.select(col(ReviewRow.id), col(ReviewRow.subject_id)).where(*missing)
        with self.database.guard(), self.database.engine.connect() as connection:
            for review_id, subject_id in connection.execute(query):
                yield f"review {str(review_id)[:120]!r}: there is no {str(subject_id)[:120]!r}"

    def _suites(self) -> Iterator[str]:
        """Yield the suites that are not what their digests were taken of."""
        query = sqlalchemy.select(*inspect(SuiteRow).columns)
        with self.database.guard(), self.database.engine.connect() as connection:
            for suite in map(dict, connection.execute(query).mappings().all()):
                items = connection.execution_options(yield_per=PAGE).execute(items_in_order(suite["id"])).mappings()
                rows = list(map(dict, items))
                named_already = self.faults(SuiteRow, suite) or any(self.faults(ItemRow, row) for row in rows)
                if not named_already:
                    found = faults_of_suite(suite, rows)
                    yield from (f"{named(SuiteRow, suite)}: {fault}" for fault in found)

    def _unevaluated(self) -> Iterator[str]:
        yield from (f"run {run_id[:120]!r}: it has no evaluation" for run_id in sorted(self.unevaluated))

    def _take_evaluation(self, row: JsonObject) -> Iterator[str]:
        """Take up an evaluation, and yield where it differs from its run."""
        self._suite_of[row["id"]] = row["suite_id"]
        if row["id"] != row["run_id"]:
            yield f"its run is {row['run_id'][:120]!r}; the two have one id"
        elif row["id"] in self._status and row["id"] not in self.unevaluated:
            yield "its run evaluates nothing"
        elif row["status"] != self._status.get(row["id"], row["status"]):
            yield f"status is {row['status']!r}, and that of its run {self._status[row['id']]!r}"
        self.unevaluated.discard(row["id"])

    def _take_run(self, row: JsonObject) -> None:
        if row["status"] == Status.RUNNING:
            self.running.append(row["id"])
        edition = edition_of(RunRow(**row))
        self._status[row["id"]] = row["status"]
        if protocol_of(edition.scenario.protocol).evaluates:
            self.unevaluated.add(row["id"])
        self._known[row["id"], "seed"] = {seed.key for seed in edition.scenario.seeds}
        self._known[row["id"], "persona"] = {persona.key for persona in edition.personas}
        self._known[row["id"], "culture"] = {persona.culture for persona in edition.personas} | {None}
        self._known[row["id"], "country"] = {persona.country for persona in edition.personas}

    def _unknown(self, run_id: str, what: str, key: str | None) -> Iterator[str]:
        if key not in self._known.get((run_id, what), {key}):
            yield f"its run knows no {what} {str(key)[:120]!r}"
