"""Runs copied from another store into this one: each whole, in one transaction, or not at all.

The other store may be damaged, or made by somebody who means harm. It is read from a copy; every row of it is checked
as `culturepark doctor` checks it, and must hang on the run that it comes with. What it has learnt of endpoints is left.
An evaluation brings its suite, which has the same id in every store and is written once.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, col, delete, inspect, select

from culturepark.domain import JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.files import some_of
from culturepark.glossary import counted
from culturepark.ids import hangs_on as is_below
from culturepark.ids import is_artefact_id, is_run_id, run_of
from culturepark.store.database import exists, parsed
from culturepark.store.integrity import (
    REVIEWED,
    TABLES,
    Checkup,
    edition_of,
    faults,
    faults_of_suite,
    hangs_on,
    items_in_order,
    named,
    pages,
)
from culturepark.store.locks import inode_of
from culturepark.store.names import holder_of, sound_name
from culturepark.store.pieces import packed, view_sql
from culturepark.store.standing import settle, standing_reviews
from culturepark.store.store import Store, called
from culturepark.store.tables import (
    READ_AS,
    AnswerRow,
    ArtefactRow,
    BatchedRow,
    BatchRow,
    CallLogRow,
    CallRow,
    DialogueRow,
    DrawnRow,
    DrawRow,
    DuplicateRow,
    EvaluationRow,
    FigureRow,
    FitRow,
    ItemRow,
    ParticipantRow,
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
    TrainedRow,
    TurnRow,
    VectorRow,
    VerdictRow,
)
from culturepark.store.vectors import digest_of
from culturepark.store.watches import is_watch

Row = dict[str, Any]
Progress = Callable[[int, int], None]
MOST_NAMED = 3
"""Rows that a refusal names."""
AT_ONCE = 200
"""Rows written at a time."""
IDS: dict[type[SQLModel], str] = {SelectionRow: r"sel-\d{8}-[0-9a-f]{4}", DrawRow: r"draw-\d{8}-[0-9a-f]{4}"}
OF_RUN: dict[type[SQLModel], str] = {
    CallRow: "subject_id",
    BatchRow: "run_id",
    BatchedRow: "call_id",
    DialogueRow: "run_id",
    ParticipantRow: "dialogue_id",
    TurnRow: "dialogue_id",
    RenderingRow: "turn_id",
    SlipRow: "turn_id",
    ProbeRow: "dialogue_id",
    StatementRow: "turn_id",
    StatementRenderingRow: "statement_id",
    VerdictRow: "statement_id",
    DuplicateRow: "statement_id",
    SampleRow: "statement_id",
    EvaluationRow: "run_id",
    AnswerRow: "evaluation_id",
    ScoreRow: "answer_id",
    FigureRow: "evaluation_id",
}
"""Tables of a run, each after those that its rows refer to, with the column by which they hang on it."""
BY_THE_RUNS_ID: dict[type[SQLModel], str] = {
    CallRow: "run_id",
    BatchRow: "run_id",
    DialogueRow: "run_id",
    EvaluationRow: "run_id",
    AnswerRow: "evaluation_id",
    FigureRow: "evaluation_id",
}
"""Tables with a column that holds the id of the run itself."""
SHARED: tuple[type[SQLModel], ...] = (SuiteRow, ItemRow)
"""Tables whose rows are of no run."""
LASTING: dict[type[SQLModel], tuple[tuple[str, ...], ...]] = {
    CallRow: (("request_digest", "started_at"), ("response", "error"), ("refused",)),
    BatchRow: (("name",), ("remote_id",), ("finished_at",)),
    TurnRow: (("position", "speaker", "text", "origin"),),
    RenderingRow: (("text",),),
    StatementRow: (("kind", "first_person", "quote", "round"),),
    VerdictRow: (("criterion", "relation", "decision", "round", "score", "reason"),),
    ProbeRow: (("choice", "truth", "options"),),
    AnswerRow: (("item_id", "text", "choice", "abstained"),),
    ScoreRow: (("judge", "scorer", "value"),),
}
"""Columns that are written once and together. What a run has more of them than its copy, it has gone on further.
Scores last if somebody gave them; those that are computed can be had again."""
REPLACED = (DuplicateRow, SlipRow, StatementRenderingRow, ScoreRow, FigureRow)
"""Tables whose rows a run replaces as it goes on; nothing refers to them."""
IDENTITY = {"scenario_digest": "another scenario", "seed": "another seed", "created_at": "another time of its making"}


class Unlike(UsageError):
    """A run of the same id is here, and is another one."""


class Damaged(StoreError):
    """A row of the other store is not what it should be."""


@dataclass
class MergedRun:
    """What became of one run."""

    run: str
    outcome: str
    """`added`, `updated`, `same` (nothing was newer), or `refused`."""
    why: str | None = None
    """Why it was refused."""
    dialogues: int = 0
    """Dialogues of the other store's run."""
    answers: int = 0
    """Answers of the other store's evaluation."""
    reviews: int = 0
    """Reviews that were not here before, or were taken back there since."""
    notes: list[str] = field(default_factory=list)
    damaged: bool = False

    def as_json(self) -> JsonObject:
        return dict(vars(self))


@dataclass
class Merged:
    """What a merge took."""

    runs: list[MergedRun]
    selections: list[str] = field(default_factory=list)
    """Ids of the selections that were added."""
    draws: list[str] = field(default_factory=list)
    """Ids of the draws that were added."""
    left_out: list[str] = field(default_factory=list)
    """Selections and draws that were not added, each with the reason."""
    vectors: int = 0
    fits: int = 0
    artefacts: int = 0

    def as_json(self) -> JsonObject:
        return vars(self) | {"runs": [run.as_json() for run in self.runs]}


# --- the other store ---------------------------------------------------------------------------------


@contextmanager
def opened(place: str, mine: str) -> Iterator[Store]:
    """Open another store for reading: an SQLite file as a copy, which is upgraded if it is older.

    Args:
        place: its path or URL.
        mine: URL of the store that is merged into.
    Raises:
        UsageError: if there is none, or it is the same store.
        StoreError: if it cannot be read.
    """
    url = place if "://" in place else f"sqlite:///{place}"
    made = parsed(url)
    if made.get_backend_name() != "sqlite":
        if made == parsed(mine):
            raise UsageError("this is the store itself; name another one")
        store = Store(url, must_exist=True, upgrade=False)
        try:
            yield store
        finally:
            store.close()
        return
    path = Path(made.database or "")
    if not exists(url) or not path.is_file():
        raise UsageError(f"there is no store at {place}")
    if inode_of(path) == inode_of(parsed(mine).database or ""):
        raise UsageError(f"{place} is the store itself; name another one")
    with tempfile.TemporaryDirectory(prefix="culturepark-") as folder:
        copy = Path(folder, "other.db")
        try:
            copy_to(copy, path)
            check_schema(copy)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StoreError(f"{place} cannot be read: {error}") from None
        except OSError as error:
            raise StoreError(f"{place} cannot be copied: {error.strerror}") from None
        store = Store(f"sqlite:///{copy}", must_exist=True)
        store.database.shown = place
        try:
            yield store
        finally:
            store.close()


def copy_to(copy: Path, path: Path) -> None:
    """Copy an SQLite database without changing it or leaving anything beside it.

    A file that a process has open in WAL mode has a `-shm` beside it: it is read by SQLite, which waits for writers.
    Opening another one would make such files; nobody has it open, so it is copied as a file, with its log.
    """
    with path.open("rb") as file:
        in_wal_mode = file.read(20)[18:19] == b"\x02"
    if in_wal_mode != Path(f"{path}-shm").exists() or Path(f"{path}-journal").exists():
        for side in ("", "-wal", "-journal"):
            if Path(f"{path}{side}").exists():
                shutil.copyfile(f"{path}{side}", f"{copy}{side}")
        return
    source = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def check_schema(path: Path) -> None:
    """
    Raises:
        StoreError: if one of our tables is something else, or the file would do something as it is written.
    """
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        ours = {str(table.__tablename__) for table in TABLES}
        for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
            odd = kind != "table" or not str(sql).upper().startswith("CREATE TABLE")
            odd = odd and not (name == "call" and sql == view_sql(sqlite=True))
            strange = kind == "trigger" and not is_watch(str(name), str(sql))
            if strange or (kind not in ("index", "trigger") and name in ours and odd):
                raise StoreError(
                    f"the other store has a {kind} {str(name)[:60]!r}, which no store has; it was not read"
                )


class Source:
    """The rows of one run of another store, each checked as it is read."""

    def __init__(self, store: Store, run: RunRow, session: Session) -> None:
        self.store, self.run, self.session = store, run, session

    def rows(self) -> Iterator[tuple[type[SQLModel], Row]]:
        """Yield the run's suite, and all rows below the run, each after those to which it refers.

        Raises:
            Damaged: for a row that is not what it should be, or does not hang on the run.
        """
        checkup = Checkup(self.store.database)
        self._sound(checkup, RunRow, self.run.model_dump())
        seen: dict[str, set[str]] = {str(table.__tablename__): set() for table in chain(SHARED, OF_RUN)}
        for table, row in self._suite(checkup):
            seen[str(table.__tablename__)].add(row["id"])
            yield table, row
        branched: dict[str, int] = {}
        for table in OF_RUN:
            for row in self._read(table):
                self._sound(checkup, table, row)
                self._refers(table, row, seen, branched)
                if "id" in row:
                    seen[str(table.__tablename__)].add(row["id"])
                if table is DialogueRow and row["parent_id"]:
                    branched[row["id"]] = row["branched_at"] or 0
                yield table, row
        if checkup.unevaluated:
            raise Damaged(f"run {self.run.id!r} is damaged: it has no evaluation")

    def _suite(self, checkup: Checkup) -> Iterator[tuple[type[SQLModel], Row]]:
        """Yield the suite that the run puts to a model, if it does, and its items.

        Raises:
            Damaged: if they are not what the suite's id stands for.
        """
        suite_ids = [evaluation["suite_id"] for evaluation in self._read(EvaluationRow)]
        suites = self._selected(sqlalchemy.select(*inspect(SuiteRow).columns).where(col(SuiteRow.id).in_(suite_ids)))
        for suite in list(suites):
            self._sound(checkup, SuiteRow, suite)
            items = list(self._selected(items_in_order(suite["id"])))
            for item in items:
                self._sound(checkup, ItemRow, item)
            for fault in faults_of_suite(suite, items):
                raise Damaged(f"{named(SuiteRow, suite)} is damaged: {fault}")
            yield SuiteRow, suite
            yield from ((ItemRow, item) for item in items)

    def reviews(self) -> Iterator[Row]:
        checkup = Checkup(self.store.database)
        for row in self._read(ReviewRow):
            self._sound(checkup, ReviewRow, row)
            yield row

    def turns_of_a_parent(self) -> Iterator[Row]:
        """Yield the turns that name calls of another run."""
        return (row for row in self._read(TurnRow) if row["call_id"] and run_of(row["call_id"]) != self.run.id)

    def _read(self, table: Any) -> Iterator[Row]:
        query = sqlalchemy.select(*inspect(table).columns).where(below(table, self.run.id))
        if table is StatementRow:  # a rewording comes after what it rewords
            query = query.order_by(sqlalchemy.func.length(table.id), col(table.id))
        return self._selected(query)

    def _selected(self, query: Any) -> Iterator[Row]:
        try:
            with self.store.database.guard():
                yield from map(dict, self.session.execute(query, execution_options={"yield_per": 500}).mappings())
        except StoreError as error:
            raise Damaged(str(error)) from error

    def _sound(self, checkup: Checkup, table: type[SQLModel], row: Row) -> None:
        for fault in checkup.faults(table, row):
            raise Damaged(f"{named(table, row)} is damaged: {fault}")

    def _refers(
        self, table: type[SQLModel], row: Row, seen: Mapping[str, set[str]], branched: Mapping[str, int]
    ) -> None:
        """
        Raises:
            Damaged: if a row refers to one that the run does not have.
        """
        for key in inspect(table).local_table.foreign_keys:
            value, target = row[key.parent.key], READ_AS.get(key.column.table.name, key.column.table.name)
            if value is None or (value == self.run.id if target == "run" else value in seen[target]):
                continue
            copied = table is TurnRow and row["position"] <= branched.get(row["dialogue_id"], 0)
            if not (copied and target == "call" and run_of(value) != self.run.id):
                raise Damaged(f"{named(table, row)} points at a missing {target} {str(value)[:120]!r}")


# --- runs ----------------------------------------------------------------------------------------------


def merge(
    mine: Store, theirs: Store, names: Sequence[str], *, dry_run: bool, progress: Progress = lambda *_: None
) -> Merged:
    """Copy runs of another store into this one, with what hangs on them.

    Args:
        names: ids or names of the runs; all if empty.
        dry_run: write nothing, and say what would be done.
    Raises:
        UsageError: if the other store has no such run.
        StoreError: if this store cannot be written, or the other one not be read.
    """
    with theirs.database.reading() as session:
        by_age = select(RunRow.id).order_by(col(RunRow.created_at), col(RunRow.id))
        ids = list(session.exec(by_age))  # a branch comes after its parent
    if names:
        wanted = {theirs.run(name).id for name in names}
        ids = [run_id for run_id in ids if run_id in wanted]
    merged = Merged([])
    for number, run_id in enumerate(ids):
        progress(number, len(ids))
        merged.runs.append(merge_run(mine, theirs, run_id, dry_run))
    taken = {run.run for run in merged.runs if run.outcome != "refused"}
    with theirs.database.reading() as source:
        take_sets(mine, source, taken, merged, dry_run)
        merged.artefacts = take_artefacts(mine, source, taken, dry_run)
        take_caches(mine, source, taken, merged, dry_run)
    return merged


def merge_run(mine: Store, theirs: Store, run_id: str, dry_run: bool) -> MergedRun:
    """Take one run, or say why not. A refusal leaves this store as it was."""
    done = MergedRun(run_id, "refused")
    try:
        if not is_run_id(run_id):
            raise Damaged(f"{run_id[:100]!r} cannot be the id of a run")
        with ExitStack() as stack:
            source = stack.enter_context(reading(theirs, run_id))
            if dry_run:
                session = stack.enter_context(mine.database.reading())
            else:
                stack.enter_context(mine.database.hold(run_id))
                session = stack.enter_context(mine.database.writing())
            take_run(session, source, done, dry_run)
    except (Unlike, Damaged) as error:
        return MergedRun(run_id, "refused", str(error), damaged=isinstance(error, Damaged))
    except StoreError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
        return MergedRun(run_id, "refused", f"its rows do not fit together: {error}", damaged=True)
    return done


@contextmanager
def reading(store: Store, run_id: str) -> Iterator[Source]:
    """Give one run of another store as it is now, whatever is written there meanwhile."""
    try:
        run = store.find_run(run_id)
    except StoreError as error:
        raise Damaged(str(error)) from error
    if run is None:
        raise Damaged(f"the run {run_id} is gone from the other store")
    engine = store.database.engine
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with Session(engine) as session:
        yield Source(store, run, session)


def take_run(session: Session, source: Source, done: MergedRun, dry_run: bool) -> None:
    """Take what is newer in the other store's run.

    Raises:
        Unlike: if this store has another run of that id.
    """
    run = source.run
    here = session.get(RunRow, run.id)
    newer = here is None or goes_on(session, source, here)
    done.outcome = "added" if here is None else "updated" if newer else "same"
    if here is None and (holder := session.exec(called(run.id)).first()):
        raise Unlike(f"{run.id} is the name of your run {holder.id}; give that another name first")
    if newer:
        put_run(session, source, here, done, dry_run)
    elif not dry_run:
        link_again(session, source)
    take_reviews(session, source, done, dry_run)


def goes_on(session: Session, source: Source, here: RunRow) -> bool:
    """Return whether the other store's run is this one, carried on further.

    Raises:
        Unlike: if it is another run, or each went on by itself.
    """
    run = source.run
    if others := [what for name, what in IDENTITY.items() if getattr(run, name) != getattr(here, name)]:
        raise Unlike(f"the run {run.id} of this store is another one: {' and '.join(others)}")
    theirs, mine = marks(source.rows()), marks(own_rows(session, run.id))
    if changed := [key for key in theirs.keys() & mine.keys() if theirs[key] != mine[key]]:
        raise Unlike(f"the run {run.id} has other words here: {in_short(changed)}")
    there, only_here = theirs.keys() - mine.keys(), mine.keys() - theirs.keys()
    if there and only_here:
        raise Unlike(f"{run.id} was carried on in both stores: there {in_short(there)}; here {in_short(only_here)}")
    return bool(there) or (not only_here and (run.finished_at or "") > (here.finished_at or ""))


Mark = tuple[str, tuple[Any, ...], int]
"""Table, key, and number of the group of columns."""


def marks(rows: Iterable[tuple[type[SQLModel], Row]]) -> dict[Mark, bytes]:
    """Return a digest for each group of `LASTING` columns that is not empty."""
    found = {}
    for table, row in rows:
        if table is ScoreRow and row["judge"] is None:
            continue
        for number, columns in enumerate(LASTING.get(table, ())):
            values = [row[column] for column in columns]
            if any(value is not None for value in values):
                mark = (str(table.__tablename__), key_of(table, row), number)
                found[mark] = hashlib.sha256(json.dumps(values).encode()).digest()
    return found


def key_of(table: type[SQLModel], row: Row) -> tuple[Any, ...]:
    return tuple(row[column.key] for column in inspect(table).primary_key)


def in_short(found: Collection[Mark]) -> str:
    """Name a few rows."""
    names = [f"{table} {' '.join(map(str, key))}" for table, key, _ in sorted(found)]
    return some_of(list(dict.fromkeys(names)), MOST_NAMED)


def own_rows(session: Session, run_id: str) -> Iterator[tuple[type[SQLModel], Row]]:
    for table in LASTING:
        query = sqlalchemy.select(*inspect(table).columns).where(below(table, run_id))
        for row in session.execute(query, execution_options={"yield_per": AT_ONCE}).mappings():
            yield table, dict(row)


def below(table: Any, run_id: str) -> Any:
    """Return the condition for a table's rows of a run."""
    if table in BY_THE_RUNS_ID:
        return col(getattr(table, BY_THE_RUNS_ID[table])) == run_id
    return hangs_on(col(getattr(table, OF_RUN.get(table, "subject_id"))), run_id)


def put_run(session: Session, source: Source, here: RunRow | None, done: MergedRun, dry_run: bool) -> None:
    """Write a run with all its rows, in place of what was here."""
    run = source.run.model_dump()
    if here:
        run |= {"name": here.name, "note": here.note}
    else:
        run["name"] = free_name(session, run["name"], done)
    rows: Iterable[tuple[type[SQLModel], Row]] = chain([(RunRow, run)], source.rows())
    if not dry_run:
        for table in REPLACED:
            session.exec(delete(table).where(below(table, source.run.id)))
    lost = 0
    for table, group in groupby(rows, key=itemgetter(0)):
        while page := [row for _, row in islice(group, AT_ONCE)]:
            if table in SHARED:
                page = missing_of_suite(session, table, page)
            done.dialogues += len(page) if table is DialogueRow else 0
            done.answers += len(page) if table is AnswerRow else 0
            if table is TurnRow:
                lost += without_lost_calls(session, source.run.id, page)
            if page and not dry_run:
                put(session, table, page)
    if lost:
        done.notes.append(
            f"{counted(lost, 'turn')} copied from a parent that is not here lead to no call; merge the parent too"
        )


def missing_of_suite(session: Session, table: Any, page: Sequence[Row]) -> list[Row]:
    """Return the rows of a suite that are not here.

    Raises:
        Unlike: if the suite of this id is another one here: eight digits of a digest can be alike.
    """
    known = existing(session, table, [row["id"] for row in page])
    for row in page if table is SuiteRow else ():
        if row["id"] in known and session.get_one(SuiteRow, row["id"]).digest != row["digest"]:
            raise Unlike(f"the suite {row['id']} of this store is another one")
    return [row for row in page if row["id"] not in known]


def without_lost_calls(session: Session, run_id: str, turns: Sequence[Row]) -> int:
    """Take calls of other runs that are not here out of turns; return the number of such turns."""
    lost = [row for row in turns if row["call_id"] and not is_below(row["call_id"], run_id)]
    known = existing(session, CallRow, {row["call_id"] for row in lost})
    lost = [row for row in lost if row["call_id"] not in known]
    for row in lost:
        row["call_id"] = None
    return len(lost)


def link_again(session: Session, source: Source) -> None:
    """Give turns that were copied from a parent their calls, where the parent has come after its branch."""
    for row in source.turns_of_a_parent():
        turn = session.get(TurnRow, row["id"])
        if turn and turn.call_id is None and existing(session, CallRow, [row["call_id"]]):
            turn.call_id = row["call_id"]


def existing(session: Session, table: Any, ids: Collection[str]) -> set[str]:
    """Return those of some ids that a table has."""
    return {
        name for page in pages(sorted(ids)) for name in session.exec(select(table.id).where(col(table.id).in_(page)))
    }


def put(session: Session, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Write rows, in place of those with the same key."""
    if table is CallRow:
        table, rows = CallLogRow, packed(session, rows)
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[session.get_bind().dialect.name]
    insert = dialect.insert(table)
    keys = [column.key for column in inspect(table).primary_key]
    others = {column.key: insert.excluded[column.key] for column in inspect(table).columns if column.key not in keys}
    session.connection().execute(insert.on_conflict_do_update(index_elements=keys, set_=others), list(rows))


def free_name(session: Session, name: str | None, done: MergedRun) -> str | None:
    """Return the name of a run or selection that comes from elsewhere, if it can have it here."""
    if name is None:
        return None
    try:
        name = sound_name(name)
    except UsageError:
        return None
    if holder := holder_of(session, name, done.run):
        done.notes.append(f"its name {name!r} was left out: here it stands for {holder}")
        return None
    return name


def take_reviews(session: Session, source: Source, done: MergedRun, dry_run: bool) -> None:
    """Take reviews that are not here, and those that were taken back since; set the status of samples by them all.

    Raises:
        Unlike: if a review of the same id says something else.
    """
    given = list(source.reviews())
    subjects = {row["subject_id"] for row in given}
    known = subjects if dry_run else {name for table in REVIEWED for name in existing(session, table, subjects)}
    for row in given:
        here = session.get(ReviewRow, row["id"])
        if here and any(getattr(here, name) != row[name] for name in row if name != "withdrawn_at"):
            raise Unlike(f"the review {row['id']} says something else here")
        if here and (here.withdrawn_at or not row["withdrawn_at"]):
            continue
        if row["subject_id"] not in known:
            done.notes.append(f"the review {row['id']} was left out: there is no {row['subject_id']}")
            continue
        done.reviews += 1
        if not dry_run:
            session.merge(ReviewRow(**row))
    if done.reviews and not dry_run:
        session.flush()
        samples = session.exec(select(SampleRow).where(hangs_on(col(SampleRow.statement_id), source.run.id)))
        settle(standing_reviews(session, source.run.id), samples.all())


# --- selections, draws, vectors, ratings -----------------------------------------------------------------


def take_sets(mine: Store, source: Session, taken: Collection[str], merged: Merged, dry_run: bool) -> None:
    """Take the selections and draws whose runs and samples are all here now."""
    here: set[str] = set(taken)
    kinds: tuple[tuple[Any, Any, str, list[str]], ...] = (
        (SelectionRow, SelectedRow, "selection_id", merged.selections),
        (DrawRow, DrawnRow, "draw_id", merged.draws),
    )
    for table, part, key, added in kinds:
        query = sqlalchemy.select(*inspect(table).columns).order_by(col(table.created_at), col(table.id))
        for head in map(dict, source.execute(query).mappings().all()):
            members = sqlalchemy.select(*inspect(part).columns).where(col(getattr(part, key)) == head["id"])
            rows = list(map(dict, source.execute(members).mappings()))
            ids = {row["sample_id"] for row in rows}
            try:
                why = unsound_set(table, part, head, rows) or missing(source, head, ids, here)
            except (ValueError, TypeError) as error:
                why = f"damaged: {error}"
            if why is None:
                with mine.database.reading() as session:
                    before = set(session.exec(select(part.sample_id).where(getattr(part, key) == head["id"])))
                    known = session.get(table, head["id"]) is not None
                if not before <= ids:
                    why = "there is another one of that id here"
            if why is not None:
                if why:
                    merged.left_out.append(f"{str(head['id'])[:60]}: {why}")
                continue
            here.add(head["id"])
            if known and before == ids:
                continue
            added.append(head["id"])
            if not dry_run:
                with mine.database.writing() as session:
                    if "name" in head:
                        head["name"] = free_name(session, head["name"], MergedRun(head["id"], "added"))
                    put(session, table, [head])
                    session.exec(delete(part).where(col(getattr(part, key)) == head["id"]))
                    for page in pages(rows, AT_ONCE):
                        put(session, part, page)


def unsound_set(table: Any, part: Any, head: Row, rows: Sequence[Row]) -> str | None:
    """Return the first fault of a selection or draw."""
    if not re.fullmatch(IDS[table], str(head["id"])):
        return "this is no id of a selection or a draw"
    found = chain(faults(table, head), (fault for row in rows for fault in faults(part, row)))
    return next((f"damaged: {fault}" for fault in found), None)


def missing(source: Session, head: Row, ids: set[str], here: Collection[str]) -> str | None:
    """Return what of a selection or draw is not here; empty if nothing of it is, so that nobody need be told."""
    over = json.loads(head["runs"]) if "runs" in head else [head["over_id"]]
    absent = [name for name in over if name not in here]
    if absent and len(absent) == len(over):
        return ""
    if absent:
        return f"{str(absent[0])[:100]} is not here"
    gone = [name for name in ids if run_of(name) not in here] or sorted(ids - existing(source, SampleRow, ids))
    return f"{counted(len(gone), 'sample')} of it are gone" if gone else None


def take_caches(mine: Store, source: Session, taken: Collection[str], merged: Merged, dry_run: bool) -> None:
    """Take ratings and vectors that belong to the runs, and are not here. None of this store is replaced."""
    fits = sqlalchemy.select(*inspect(FitRow).columns)
    rated = [dict(row) for row in source.execute(fits).mappings() if run_of(str(row["call_id"])) in taken]
    merged.fits = add_missing(mine, FitRow, rated, dry_run)
    for run_id in sorted(taken):
        texts = select(StatementRow.text, StatementRow.first_person).where(hangs_on(col(StatementRow.id), run_id))
        said = {str(text) for pair in source.exec(texts) for text in pair}
        asked = {seed.question for seed in edition_of(source.get_one(RunRow, run_id)).scenario.seeds}
        digests = set(map(digest_of, said | asked))
        for page in pages(sorted(digests)):
            query = sqlalchemy.select(*inspect(VectorRow).columns).where(col(VectorRow.text_sha256).in_(page))
            merged.vectors += add_missing(
                mine, VectorRow, [dict(row) for row in source.execute(query).mappings()], dry_run
            )


def take_artefacts(mine: Store, source: Session, taken: Collection[str], dry_run: bool) -> int:
    """Take what was trained on rows of the runs and is not here; return its number."""
    count = 0
    for head in map(dict, source.execute(sqlalchemy.select(*inspect(ArtefactRow).columns)).mappings().all()):
        of_it = sqlalchemy.select(*inspect(TrainedRow).columns).where(col(TrainedRow.artefact_id) == head["id"])
        rows = list(map(dict, source.execute(of_it).mappings()))
        if not is_artefact_id(str(head["id"])) or not {run_of(str(row["row_id"])) for row in rows} & set(taken):
            continue
        if added := add_missing(mine, ArtefactRow, [head], dry_run):
            count += added
            add_missing(mine, TrainedRow, rows, dry_run)
    return count


def add_missing(mine: Store, table: type[SQLModel], rows: Sequence[Row], dry_run: bool) -> int:
    """Add the sound rows whose keys are not here; return their number."""
    with mine.database.reading() if dry_run else mine.database.writing() as session:
        new = [row for row in rows if not any(faults(table, row)) and session.get(table, key_of(table, row)) is None]
        if new and not dry_run:
            put(session, table, new)
    return len(new)
