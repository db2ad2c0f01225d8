"""Suites, and the evaluations of models on them: what was answered, how it was scored, and the figures over all of it.

An evaluation is a run with one more row. Its id is the run's, and its status follows the run's.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, delete, func, or_, select

from culturepark.catalog.suite_digest import suite_digest
from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import Status, storable
from culturepark.errors import StoreError, UsageError
from culturepark.files import clipped
from culturepark.ids import SUITE_NAME, by_number, is_run_id, last_part, run_of, suite_id_of
from culturepark.models.chat import canonical
from culturepark.models.ledger import now
from culturepark.store.integrity import edition_of, faults, named
from culturepark.store.store import Store, add_run
from culturepark.store.tables import (
    AnswerRow,
    EvaluationRow,
    FigureRow,
    ItemRow,
    RunRow,
    ScoreRow,
    SuiteRow,
    standard_json,
)

NewItem = tuple[str, str, str, str, str | None]
"""Key, language, payload and target as JSON, and split of an item."""
NOBODY = "{}"
"""`run.models` of an evaluation that asks no model: of texts that were there already."""
AT_ONCE = 500
"""Rows in one statement."""


# --- suites ----------------------------------------------------------------------------------------


def put_suite(store: Store, name: str, definition: str, items: Sequence[NewItem]) -> str:
    """Store a suite unless it is there, and return its id.

    Args:
        definition: JSON object with everything about the suite but its items.
        items: in their order, which is part of the suite.
    Raises:
        UsageError: if this cannot be a suite's name, or another suite has the same id.
    """
    suite, rows = suite_of(name, definition, items)
    with store.database.writing() as session:
        if here := session.get(SuiteRow, suite["id"]):
            if here.digest != suite["digest"]:
                raise UsageError(f"the store has another suite of the id {here.id}; give this one another name")
            return here.id
        session.execute(sqlalchemy.insert(SuiteRow), suite)
        for start in range(0, len(rows), AT_ONCE):
            session.execute(sqlalchemy.insert(ItemRow), rows[start : start + AT_ONCE])
    return str(suite["id"])


def suite_of(name: str, definition: str, items: Sequence[NewItem]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the columns of a suite and of its items; the suite's id follows from what it holds.

    Raises:
        UsageError: if this cannot be a suite's name.
    """
    if not re.fullmatch(SUITE_NAME, name):
        raise UsageError(f"{clipped(name)!r} cannot be a suite's name: small letters, digits and -, at most 80 of them")
    definition = one_spelling(definition)
    rows: list[dict[str, Any]] = [
        {
            "key": storable(key),
            "language": language,
            "payload": one_spelling(payload),
            "target": one_spelling(target),
            "split": split,
        }
        for key, language, payload, target, split in items
    ]
    digest = suite_digest(definition, rows)
    suite = {
        "id": suite_id_of(name, digest),
        "name": name,
        "digest": digest,
        "definition": definition,
        "created_at": now(),
    }
    for number, row in enumerate(rows, start=1):
        row.update(id=f"{suite['id']}.i{number}", suite_id=suite["id"])
    check(SuiteRow, suite)
    for row in rows:
        check(ItemRow, row)
    return suite, rows


def one_spelling(text: str) -> str:
    """Return JSON as the store writes it, so that equal values are equal texts."""
    return canonical(json.loads(standard_json(text)))


def suite_row(store: Store, suite_id: str) -> SuiteRow | None:
    with store.database.reading() as session:
        return session.get(SuiteRow, suite_id)


def item_rows(store: Store, suite_id: str) -> list[ItemRow]:
    """Return the items of a suite in their order."""
    return store.database.rows(select(ItemRow).where(ItemRow.suite_id == suite_id).order_by(*numerically(ItemRow)))


def numerically(table: Any) -> tuple[Any, Any]:
    """Return what orders the rows below one id by their numbers."""
    return func.length(table.id), col(table.id)


# --- evaluations -----------------------------------------------------------------------------------


def free_evaluation_id(store: Store) -> str:
    """Return an id like `e7f3a9` that no run has, neither as its id nor as its name."""
    with store.database.reading() as session:
        while True:
            new = f"e{secrets.token_hex(3)}"
            if not session.exec(select(RunRow.id).where(or_(RunRow.id == new, RunRow.name == new))).first():
                return new


def create_evaluation(store: Store, row: EvaluationRow, run: RunRow) -> None:
    """Add an evaluation and its run, which is pending and has no dialogues, in one transaction.

    Args:
        run: its scenario is an edition of the protocol `evaluation`, and its id that of the evaluation.
    Raises:
        UsageError: if a run of this id exists.
        StoreError: if the suite is not in the store.
    """
    edition = edition_of(run)
    if not (row.id == row.run_id == run.id and is_run_id(run.id) and row.status == run.status):
        raise ValueError(f"the evaluation {row.id!r} and its run {run.id!r} must have one id and one status")
    if not protocol_of(edition.scenario.protocol).evaluates:
        raise ValueError(f"a run of the protocol {edition.scenario.protocol} evaluates nothing")
    run.skipped = "[]"
    with store.database.writing() as session:
        if session.get(SuiteRow, row.suite_id) is None:
            raise StoreError(f"the suite {row.suite_id} is gone: its last evaluation was deleted meanwhile; try again")
        add_run(session, run, (), edition.scenario)
        session.add(row)


def evaluation_of(store: Store, run_id: str) -> EvaluationRow | None:
    """Return the evaluation that a run is; None for a run that is none, or is not there."""
    with store.database.reading() as session:
        return session.get(EvaluationRow, run_id)


def evaluation_named(store: Store, target: str) -> EvaluationRow | None:
    """Return the evaluation that an id leads to: its own, its name, the beginning of it, `last`, or one below it.

    Returns:
        None for a run of talks, a selection, and what is not there.
    """
    try:
        row = store.run(run_of(target))
    except UsageError:
        return None
    return evaluation_of(store, row.id)


def refuse_evaluation(store: Store, target: str) -> None:
    """
    Raises:
        UsageError: if it is an evaluation, which has neither dialogues nor rows to train on.
    """
    if found := evaluation_named(store, target):
        raise UsageError(
            f"{found.id} is an evaluation of {found.model}, without dialogues or rows: `culturepark stats {found.id}` "
            f"shows its figures, `report` writes a page, `trace {found.id}.a1` leads behind an answer"
        )


def evaluations(store: Store) -> list[EvaluationRow]:
    """Return all evaluations, the newest first."""
    newest = col(EvaluationRow.created_at).desc(), col(EvaluationRow.id).desc()
    return store.database.rows(select(EvaluationRow).order_by(*newest))


def set_evaluation(store: Store, evaluation_id: str, status: Status, finished_at: str | None) -> None:
    """Set the status of an evaluation and of its run. `Store.set_run` does the same, with the present as the end."""
    with store.database.writing() as session:
        for table in (EvaluationRow, RunRow):
            row = session.get_one(table, evaluation_id)
            row.status, row.finished_at = status, finished_at


def set_settings(store: Store, evaluation_id: str, settings: str) -> None:
    """Keep the settings of an evaluation, as JSON."""
    with store.database.writing() as session:
        session.get_one(EvaluationRow, evaluation_id).settings = settings


# --- answers ---------------------------------------------------------------------------------------


def answer_ids(store: Store, evaluation_id: str) -> set[str]:
    return set(store.database.rows(select(AnswerRow.id).where(AnswerRow.evaluation_id == evaluation_id)))


def add_answer(store: Store, row: AnswerRow) -> None:
    """Add an answer; one of the same id that is there already stays as it is."""
    add_answers(store, [row])


def add_answers(store: Store, rows: Sequence[AnswerRow]) -> None:
    """Add answers in one transaction, each as `add_answer` does."""
    values = [row.model_dump() | {"text": storable(row.text)} for row in rows]
    with store.database.writing() as session:
        add_missing(session, AnswerRow, values)


def answers(store: Store, evaluation_id: str) -> list[AnswerRow]:
    """Return the answers of an evaluation in the order of their numbers."""
    query = select(AnswerRow).where(AnswerRow.evaluation_id == evaluation_id)
    return store.database.rows(query.order_by(*numerically(AnswerRow)))


# --- scores ----------------------------------------------------------------------------------------


def add_scores(store: Store, rows: Sequence[ScoreRow]) -> None:
    """Add scores; one of the same id that is there already stays as it is.

    A row whose id is empty gets the lowest number that is free below its answer.
    """
    with store.database.writing() as session:
        put_scores(session, rows)


def replace_scores(
    store: Store, evaluation_id: str, scorer: str, rows: Sequence[ScoreRow], judge: str | None = None
) -> None:
    """Store the scores of one scorer in place of those that it gave before.

    Args:
        rows: as for `add_scores`.
        judge: replace only the scores of this judge; None for all of the scorer's.
    Raises:
        ValueError: if a row is of another scorer or judge, or of another evaluation.
    """
    for row in rows:
        other = row.scorer != scorer or (judge is not None and row.judge != judge)
        if other or not row.answer_id.startswith(f"{evaluation_id}."):
            raise ValueError(f"a score of {row.answer_id} by {row.scorer} does not belong to {scorer} {evaluation_id}")
    answers = select(AnswerRow.id).where(AnswerRow.evaluation_id == evaluation_id)
    before = delete(ScoreRow).where(col(ScoreRow.answer_id).in_(answers), col(ScoreRow.scorer) == scorer)
    if judge is not None:
        before = before.where(col(ScoreRow.judge) == judge)
    with store.database.writing() as session:
        session.exec(before)
        put_scores(session, rows)


def put_scores(session: Session, rows: Sequence[ScoreRow]) -> None:
    """Write scores, and number those that have no id yet."""
    taken: dict[str, set[int]] = defaultdict(set)
    wanted = sorted({row.answer_id for row in rows if not row.id})
    for start in range(0, len(wanted), AT_ONCE):
        query = select(ScoreRow.id).where(col(ScoreRow.answer_id).in_(wanted[start : start + AT_ONCE]))
        for score_id in session.exec(query):
            answer_id, _, part = score_id.rpartition(".")
            taken[answer_id].add(int(part[1:]))
    for row in rows:
        if row.id:
            taken[row.answer_id].add(int(last_part(row.id)[1:]))
    lowest: dict[str, int] = {}
    for row in rows:
        if not row.id:
            number = lowest.get(row.answer_id, 1)
            while number in taken[row.answer_id]:
                number += 1
            lowest[row.answer_id] = number + 1
            row.id = f"{row.answer_id}.s{number}"
    add_missing(session, ScoreRow, [row.model_dump() for row in rows])


def scores(store: Store, evaluation_id: str, scorer: str | None = None) -> list[ScoreRow]:
    """Return the scores of an evaluation in the order of answers and numbers.

    Args:
        scorer: only the scores of this one; None for all.
    """
    query = select(ScoreRow).join(AnswerRow).where(AnswerRow.evaluation_id == evaluation_id)
    if scorer is not None:
        query = query.where(ScoreRow.scorer == scorer)
    return sorted(store.database.rows(query), key=lambda row: by_number(row.id))


# --- figures ---------------------------------------------------------------------------------------


def set_figures(store: Store, evaluation_id: str, rows: Sequence[FigureRow]) -> None:
    """Store the figures of an evaluation in place of all that it had; they are numbered in their order."""
    for number, row in enumerate(rows, start=1):
        row.id, row.evaluation_id = f"{evaluation_id}.f{number}", evaluation_id
    with store.database.writing() as session:
        session.exec(delete(FigureRow).where(col(FigureRow.evaluation_id) == evaluation_id))
        add_missing(session, FigureRow, [row.model_dump() for row in rows])


def figures(store: Store, evaluation_id: str) -> list[FigureRow]:
    """Return the figures of an evaluation in their order."""
    query = select(FigureRow).where(FigureRow.evaluation_id == evaluation_id)
    return store.database.rows(query.order_by(*numerically(FigureRow)))


# --- writing ---------------------------------------------------------------------------------------


def add_missing(session: Session, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows whose ids are not there.

    Raises:
        StoreError: if a row would be refused when it is read.
    """
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[session.get_bind().dialect.name]
    insert = dialect.insert(table).on_conflict_do_nothing(index_elements=["id"])
    for page in in_pages(rows):
        for row in page:
            check(table, row)
        session.connection().execute(insert, page)


def in_pages(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    waiting = list(rows)
    return (waiting[start : start + AT_ONCE] for start in range(0, len(waiting), AT_ONCE))


def check(table: type[SQLModel], row: Mapping[str, Any]) -> None:
    """
    Raises:
        StoreError: if a row would be refused when it is read.
    """
    for fault in faults(table, row):
        raise StoreError(f"{named(table, row)} cannot be kept: {fault}; please report it")
