"""What was mined on one question of a run, and the rows that come of it: read and written one question at a time.

A run of 10,000 dialogues has more statements, verdicts and samples than should be in memory at once. Rows are read as
columns and checked like all others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, get_args

import sqlalchemy
from sqlalchemy import bindparam, delete, func, insert, inspect, select, update
from sqlmodel import Session, SQLModel, col

from culturepark.domain import SLIP_OUTCOMES, Duplicate, Relation, Sample, Statement
from culturepark.errors import StoreError
from culturepark.store.integrity import hangs_on, of_columns, pages, sound
from culturepark.store.standing import Standing, idle, of_sample, one_at_a_time, standing_reviews
from culturepark.store.store import Store, counting
from culturepark.store.tables import (
    DialogueRow,
    RunRow,
    SlipRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

STATEMENT = tuple(inspect(StatementRow).columns)
NOUN = tuple(name for name in Statement.model_fields if name in StatementRow.model_fields)
SAMPLES: Any = SQLModel.metadata.tables["sample"]
DUPLICATES: Any = SQLModel.metadata.tables["duplicate"]
WRITTEN = ("kind", "messages", "status", "drop_reason", "flags", "provenance", "beside", "language")
"""Columns of a sample that distilling decides."""
RELATIONS = get_args(Relation)
FLAGGED = [kind for kind, outcome in SLIP_OUTCOMES.items() if outcome == "flagged"]


@dataclass(frozen=True)
class Mined:
    """A statement that counts, with what is known of it."""

    statement: Statement
    dialogue: int
    """Number of its dialogue."""
    phase: str
    """Of its turn."""
    origin: str
    """Of its turn."""
    slips: bool
    """Its turn tells a rule or custom as a fact that is on no card."""
    verdicts: Sequence[tuple[str, Relation, str]]
    """Criterion, relation and decision of each verdict of the current round."""


def questions_of(store: Store, run_id: str) -> list[str]:
    """Return the keys of the seeds of a run, in the order of its dialogues."""
    first = func.min(col(DialogueRow.number))
    query = select(col(DialogueRow.seed_key)).where(col(DialogueRow.run_id) == run_id)
    with store.database.reading() as look:
        return [key for (key,) in of_columns(look.execute(query.group_by(col(DialogueRow.seed_key)).order_by(first)))]


def mined_of(store: Store, run: RunRow, seed_key: str) -> list[Mined]:
    """Return what `mined_on` does."""
    with store.database.reading() as look:
        return mined_on(look, run, seed_key)


def mined_on(look: Session, run: RunRow, seed_key: str) -> list[Mined]:
    """Return the statements that count of one question, in the order of the talks.

    Raises:
        StoreError: if a row is damaged.
    """
    on_it = col(DialogueRow.run_id) == run.id, col(DialogueRow.seed_key) == seed_key
    below = (col(TurnRow.id) == col(StatementRow.turn_id), col(DialogueRow.id) == col(TurnRow.dialogue_id), *on_it)
    beside: tuple[Any, ...] = (col(DialogueRow.number).label("of_dialogue"), col(TurnRow.phase), col(TurnRow.origin))
    statements = select(*STATEMENT, *beside).where(*below, counting(run))
    statements = statements.order_by(
        col(DialogueRow.number), col(TurnRow.position), func.length(StatementRow.id), col(StatementRow.id)
    )
    judged = select(
        col(VerdictRow.statement_id), col(VerdictRow.criterion), col(VerdictRow.relation), col(VerdictRow.decision)
    )
    of_round = col(VerdictRow.round) == run.verify_round, col(StatementRow.id) == col(VerdictRow.statement_id)
    verdicts: dict[str, list[tuple[str, Relation, str]]] = defaultdict(list)
    for statement_id, criterion, relation, decision in of_columns(
        look.execute(judged.where(*of_round, *below).order_by(col(VerdictRow.id)))
    ):
        if relation not in RELATIONS:
            raise StoreError(
                f"a verdict on {statement_id[:120]!r} is damaged: relation is {str(relation)[:40]!r}; "
                "`culturepark doctor` lists all damage"
            )
        verdicts[statement_id].append((criterion, cast("Relation", relation), decision))
    slipped = select(col(SlipRow.turn_id)).where(
        col(SlipRow.kind).in_(FLAGGED), col(TurnRow.id) == col(SlipRow.turn_id)
    )
    flagged = {
        turn
        for (turn,) in of_columns(look.execute(slipped.where(col(DialogueRow.id) == col(TurnRow.dialogue_id), *on_it)))
    }
    return [
        Mined(
            Statement.model_validate({name: row[name] for name in NOUN}),
            row["of_dialogue"],
            row["phase"],
            row["origin"],
            row["turn_id"] in flagged,
            verdicts.get(row["id"], ()),
        )
        for row in sound(look, StatementRow, statements)
    ]


class Rows:
    """Writes duplicates and samples of a run inside one transaction, question by question.

    A sample that only an earlier round made stays in the store with the status `dropped` and the reason `superseded`,
    so that exported lines can always be traced. Samples that reviewers rejected stay rejected.
    """

    def __init__(self, session: Session, run_id: str) -> None:
        self.session = session
        self.run_id = run_id
        self.reviews: Standing = standing_reviews(session, run_id)

    def mined_on(self, run: RunRow, seed_key: str) -> list[Mined]:
        return mined_on(self.session, run, seed_key)

    def replace_duplicates(self, duplicates: Iterable[Duplicate]) -> None:
        self.session.execute(delete(DUPLICATES).where(hangs_on(DUPLICATES.c.statement_id, self.run_id)))
        rows = [duplicate.model_dump() for duplicate in duplicates]
        for page in pages(rows):
            self.session.execute(insert(DUPLICATES), list(page))

    def write(self, samples: Sequence[tuple[str, Sample]], known: Mapping[str, Mapping[str, Any]]) -> None:
        """Write samples with their status.

        Args:
            known: by id, the samples that there are of the same statements; those not made again are superseded.
        """
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        left = dict(known)
        for sample_id, sample in samples:
            values = {
                "kind": sample.kind,
                "messages": json.dumps(list(sample.messages), ensure_ascii=True),
                **self._outcome(sample_id, sample),
                "flags": sample.flags,
                "provenance": sample.provenance,
                "beside": sample.beside,
                "language": sample.language,
            }
            if (old := left.pop(sample_id, None)) is None:
                whose = {"statement_id": sample.statement_id, "culture": sample.culture, "split": None}
                new.append({"id": sample_id, **whose, **values})
            elif any(old[name] != value for name, value in values.items()):
                changed.append({"key": sample_id, **values})
        if new:
            self.session.execute(insert(SAMPLES), new)
        gone = {"status": "dropped", "drop_reason": "superseded"}
        superseded = [
            {"key": name, **{column: row[column] for column in WRITTEN}, **gone}
            for name, row in left.items()
            if any(row[column] != value for column, value in gone.items())
        ]
        if rows := changed + superseded:
            change = update(SAMPLES).where(SAMPLES.c.id == bindparam("key"))
            self.session.connection().execute(change.values({name: bindparam(name) for name in WRITTEN}), rows)

    def _outcome(self, sample_id: str, sample: Sample) -> dict[str, str | None]:
        """Return status and reason of a sample by its reviews; one that was dropped stays dropped."""
        if sample.status == "dropped" or not self.reviews:
            return {"status": sample.status, "drop_reason": sample.drop_reason}
        rejected = of_sample(self.reviews, sample_id).rejected
        return {"status": "rejected", "drop_reason": "review"} if rejected else {"status": "kept", "drop_reason": None}

    def known(self, *conditions: Any) -> dict[str, Mapping[str, Any]]:
        """Return by id what is stored of the samples that meet some conditions."""
        query = select(SAMPLES.c.id, *(SAMPLES.c[name] for name in WRITTEN)).where(*conditions)
        return {row["id"]: row for row in map(dict, self.session.execute(query).mappings())}

    def known_on(self, seed_key: str) -> dict[str, Mapping[str, Any]]:
        """Return by id what is stored of the samples of one question."""
        return self.known(
            SAMPLES.c.statement_id == col(StatementRow.id),
            col(StatementRow.turn_id) == col(TurnRow.id),
            col(TurnRow.dialogue_id) == col(DialogueRow.id),
            col(DialogueRow.run_id) == self.run_id,
            col(DialogueRow.seed_key) == seed_key,
        )

    def drop(self, sample_ids: Iterable[str], reason: str) -> None:
        """Drop samples that are kept."""
        change = update(SAMPLES).where(SAMPLES.c.id == bindparam("key"), SAMPLES.c.status != "dropped")
        rows = [{"key": name, "reason": reason} for name in sample_ids]
        change = change.values(status="dropped", drop_reason=bindparam("reason"))
        for page in pages(rows):
            self.session.connection().execute(change, list(page))

    def idle_reviews(self) -> int:
        """Return the number of reviews that no longer count, because no statement has their words any more."""
        if not self.reviews:
            return 0
        of_run = hangs_on(col(StatementRow.id), self.run_id)
        current = sqlalchemy.select(col(StatementRow.id)).where(
            of_run, counting(self.session.get_one(RunRow, self.run_id))
        )
        return idle(self.reviews, {name for (name,) in self.session.execute(current)})


@contextmanager
def writing_rows(store: Store, run_id: str) -> Iterator[Rows]:
    """Open one transaction in which duplicates and samples of a run are replaced; all of it is stored, or nothing."""
    with store.database.writing() as session:
        one_at_a_time(session, run_id)
        yield Rows(session, run_id)


def replace_rows(
    store: Store, run_id: str, duplicates: Sequence[Duplicate], samples: Sequence[tuple[str, Sample]]
) -> int:
    """Replace duplicates and samples of a run whose samples are all at hand.

    Returns:
        The number of reviews that no longer count.
    """
    with writing_rows(store, run_id) as rows:
        rows.replace_duplicates(duplicates)
        rows.write(samples, rows.known(hangs_on(SAMPLES.c.statement_id, run_id)))
        return rows.idle_reviews()
