"""What is behind a sample or a statement, read from an SQLite file without SQLAlchemy, whose import takes longer.

Every row is found by its key. `trace` returns None if anything is unexpected, or if there are reviews, which count by
rules of their own: `lineage` is then asked as always.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from culturepark.domain import DEFAULT_LANGUAGE, Edition, Noun, Slip, Statement, Turn
from culturepark.ids import kind_of, original_of
from culturepark.store import first_look
from culturepark.store.grounds import card_line
from culturepark.store.traced import Trace

N = TypeVar("N", bound=Noun)
ID = re.compile(r"[\w-]+(\.[a-z]\d+){3,4}(@en)?")
"""Ids of statements and samples."""
KINDS: dict[str, tuple[type, ...]] = {
    "VARCHAR": (str,), "TEXT": (str,), "INTEGER": (int,), "BIGINT": (int,), "FLOAT": (int, float), "BOOLEAN": (int,),
    "": (str, int, float),
}  # fmt: skip
"""Declared type of a column -> types of its values; what a view computes has no declared type."""
NOUNS: dict[str, type[Noun]] = {"statement": Statement, "turn": Turn}
WITHOUT: dict[str, tuple[str, ...]] = {"call": ("request", "response"), "run": ()}
"""Long columns that no text shows."""


class Row:
    """One row, with its columns as attributes."""

    def __init__(self, table: str, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        self._noun = NOUNS.get(table)

    def model_dump(self, *, exclude: Any = ()) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in exclude and name != "_noun"}

    def noun(self) -> Noun:
        assert self._noun is not None
        return noun_of(vars(self), self._noun)


def noun_of(values: dict[str, Any], kind: type[N]) -> N:
    return kind.model_validate({name: values[name] for name in kind.model_fields if name in values})


def trace(url: str, subject_id: str, *, bodies: bool) -> Trace | None:
    """Return what is behind a sample or statement.

    Args:
        bodies: whether requests and responses are wanted too.
    """
    if not ID.fullmatch(subject_id) or Path(subject_id).exists():
        return None
    return first_look.look(url, partial(trace_in, subject_id=original_of(subject_id), bodies=bodies))


def trace_in(db: sqlite3.Connection, subject_id: str, bodies: bool) -> Trace | None:
    if db.execute("SELECT version_num FROM alembic_version").fetchone() != (first_look.schema(),):
        return None
    look = Look(db, bodies)
    sample = look.first("sample", "id", subject_id) if kind_of(subject_id) == "sample" else None
    statement = look.first("statement", "id", sample.statement_id if sample else subject_id)
    if statement is None or (sample is None and kind_of(subject_id) == "sample"):
        return None
    below = f"{statement.turn_id}.", f"{statement.turn_id}/"
    if db.execute("SELECT 1 FROM review WHERE id > ? AND id < ?", below).fetchone():
        return None
    turn = look.one("turn", "id", statement.turn_id)
    dialogue = look.one("dialogue", "id", turn.dialogue_id)
    run = look.one("run", "id", dialogue.run_id)
    if hashlib.sha256(run.scenario.encode()).hexdigest() != run.scenario_digest or look.first(
        "evaluation", "id", run.id
    ):
        return None
    people = look.rows("participant", "dialogue_id", dialogue.id)
    (participant,) = (person for person in people if person.persona_key == statement.persona_key)
    verdicts = sorted(look.rows("verdict", "statement_id", statement.id), key=lambda row: (len(row.id), row.id))
    in_english = look.rows("statement_rendering", "statement_id", statement.id)
    rendering = next((row for row in in_english if row.language == DEFAULT_LANGUAGE), None)
    call_ids = [turn.call_id, statement.call_id, *(verdict.call_id for verdict in verdicts)]
    call_ids += [rendering.call_id, rendering.checked_by] if rendering else []
    edition = Edition.model_validate_json(run.scenario)
    persona, seed = edition.persona(statement.persona_key), edition.seed(dialogue.seed_key)
    statement.noun(), turn.noun()  # checked
    beside = look.first("statement", "id", sample.beside) if sample and sample.beside else None
    return Trace(
        sample=sample,
        samples=tuple(sorted(row.id for row in look.rows("sample", "statement_id", statement.id))),
        statement=statement,
        line=card_line(statement.source, persona, participant.stance_text, seed.item) if statement.source else None,
        unlike=look.first("statement", "id", statement.unlike) if statement.unlike else None,
        rewritten_from=look.first("statement", "id", statement.rewritten_from) if statement.rewritten_from else None,
        rendering=rendering,
        verdicts=tuple(verdicts),
        duplicate=look.first("duplicate", "statement_id", statement.id),
        reviews=(),
        slips=tuple(noun_of(vars(row), Slip) for row in sorted(look.rows("slip", "turn_id", turn.id), key=by_kind)),
        turn=turn,
        calls={name: look.one("call", "id", name) for name in dict.fromkeys(call_ids) if name},
        persona=persona,
        participant=participant,
        seed=seed,
        dialogue=dialogue,
        run=run,
        edition=edition,
        beside=trace_in(db, beside.id, bodies) if beside else None,
    )


def by_kind(slip: Any) -> str:
    return str(slip.kind)


class Look:
    """Reads rows of an SQLite file by one column, and checks the types of their values."""

    def __init__(self, db: sqlite3.Connection, bodies: bool) -> None:
        self.db = db
        self.bodies = bodies

    def rows(self, table: str, column: str, value: str) -> Sequence[Any]:
        """
        Raises:
            ValueError: if a value has another type than its column.
        """
        without = () if self.bodies else WITHOUT.get(table, ())
        columns = [
            (name, KINDS[kind], kind == "BOOLEAN", bool(wanted) or bool(key))
            for _, name, kind, wanted, _, key in self.db.execute(f"PRAGMA table_info({table})")
            if name not in without
        ]
        names = ", ".join(f'"{name}"' for name, *_ in columns)
        found = self.db.execute(f'SELECT {names} FROM "{table}" WHERE "{column}" = ?', (value,))  # noqa: S608
        rows = []
        for values in found:
            row: dict[str, Any] = {}
            for (name, kinds, is_flag, wanted), one in zip(columns, values, strict=True):
                if not isinstance(one, kinds) and (one is not None or wanted):
                    raise ValueError(f"{table}.{name}")
                row[name] = bool(one) if is_flag and one is not None else one
            rows.append(Row(table, row))
        return rows

    def first(self, table: str, column: str, value: str) -> Any:
        return next(iter(self.rows(table, column, value)), None)

    def one(self, table: str, column: str, value: str) -> Any:
        (row,) = self.rows(table, column, value)
        return row
