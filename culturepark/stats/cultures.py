"""What a report tells beside `stats`: what cultures spoke of, how long models took, what people typed. Read-only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from sqlmodel import col, func

from culturepark.domain import Edition
from culturepark.store.integrity import of_columns
from culturepark.store.lineage import of_run
from culturepark.store.store import Store, counting
from culturepark.store.tables import CallRow, DialogueRow, RunRow, SampleRow, StatementRow, TurnRow


@dataclass
class Told:
    """What came of the speeches of one culture's people."""

    statements: Counter[str] = field(default_factory=Counter)
    """By kind."""
    topics: Counter[str] = field(default_factory=Counter)
    """Statements, by the topic of the question that was talked about."""
    kept: Counter[str] = field(default_factory=Counter)
    """Kept samples, by shape."""
    kept_topics: Counter[str] = field(default_factory=Counter)


def by_culture(store: Store, run: RunRow, edition: Edition) -> dict[str, Told]:
    topics = {seed.key: seed.topic for seed in edition.scenario.seeds}
    by: tuple[Any, ...] = (col(StatementRow.culture), col(StatementRow.kind), col(DialogueRow.seed_key))
    mine = col(DialogueRow.run_id) == run.id
    statements = (
        sqlalchemy.select(*by, func.count())
        .select_from(StatementRow)
        .join(TurnRow, col(StatementRow.turn_id) == col(TurnRow.id))
        .join(DialogueRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
        .where(mine, counting(run))
        .group_by(*by)
    )
    shaped: tuple[Any, ...] = (col(SampleRow.culture), col(SampleRow.kind), col(DialogueRow.seed_key))
    samples = of_run(sqlalchemy.select(*shaped, func.count())).where(mine, col(SampleRow.status) == "kept")
    found: dict[str, Told] = {}
    with store.database.reading() as session:
        for culture, kind, seed, count in of_columns(session.execute(statements)):
            told = found.setdefault(culture, Told())
            told.statements[kind] += count
            told.topics[topics.get(seed, seed)] += count
        for culture, shape, seed, count in of_columns(session.execute(samples.group_by(*shaped))):
            told = found.setdefault(culture, Told())
            told.kept[shape] += count
            told.kept_topics[topics.get(seed, seed)] += count
    return dict(sorted(found.items()))


def typed(store: Store, run: RunRow) -> int:
    """How many turns are what a real person wrote."""
    query = sqlalchemy.select(func.count()).select_from(TurnRow)
    query = query.join(DialogueRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
    with store.database.reading() as session:
        by_hand = col(TurnRow.origin).in_(("typed", "edited"))
        return int(session.execute(query.where(col(DialogueRow.run_id) == run.id, by_hand)).scalar_one())


def seconds_by_stage(store: Store, run: RunRow) -> dict[str, float]:
    """How long the calls of each stage took together; they may have been made side by side."""
    took = func.sum(col(CallRow.duration_ms))
    query = sqlalchemy.select(col(CallRow.stage), took).where(col(CallRow.run_id) == run.id).group_by(CallRow.stage)
    with store.database.reading() as session:
        return {stage: float(ms or 0) / 1000 for stage, ms in of_columns(session.execute(query))}
