"""The runs of a store as a list, and the dialogues that an id stands for. Read-only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.orm import defer
from sqlmodel import col, exists, func, select

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.ids import dialogue_of, parent_of, run_of
from culturepark.store.lineage import of_run, parents
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, DialogueRow, ParticipantRow, RunRow, SampleRow


@dataclass(frozen=True)
class Speaker:
    """Somebody at the table, who does not exist."""

    persona: str
    """Key of the card."""
    name: str
    role: str
    culture: str
    country: str | None
    stance_code: int | None
    stance: str | None
    """The survey answer that the person was given."""

    @classmethod
    def of(cls, row: ParticipantRow) -> Speaker:
        return cls(row.persona_key, row.name, row.role, row.culture, row.country, row.stance_code, row.stance_text)


def runs(store: Store) -> list[JsonObject]:
    """Return all runs, newest first, with counts of dialogues and kept samples, and the parent of a branch."""
    parent_by_run = parents(store)
    by_run = select(DialogueRow.run_id, func.count()).group_by(DialogueRow.run_id)
    with store.database.reading() as session:
        done = dict(session.exec(by_run.where(DialogueRow.status == "done")).all())
        total = dict(session.exec(by_run).all())
        kept = dict(session.exec(of_run(by_run).where(SampleRow.status == "kept")).all())
        newest_first = select(RunRow).order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())
        without_scenario = defer(RunRow.scenario)  # type: ignore[arg-type]  # long, and not needed here
        rows = session.exec(newest_first.options(without_scenario)).all()
        return [
            {
                "run": row.id,
                "scenario": row.scenario_name,
                "status": row.status,
                "stop_reason": row.stop_reason,
                "dialogues": total.get(row.id, 0),
                "dialogues_done": done.get(row.id, 0),
                "samples_kept": kept.get(row.id, 0),
                "models": json.loads(row.models),
                "seed": row.seed,
                "created_at": row.created_at,
                "finished_at": row.finished_at,
                "parent": parent_by_run.get(row.id),
            }
            for row in rows
        ]


def spent_by_stage(store: Store, run_id: str) -> dict[str, tuple[float, float, float]]:
    """Return answered calls, prompt tokens and completion tokens of each stage."""
    with store.database.reading() as session:
        sums: list[Any] = [func.coalesce(func.sum(c), 0) for c in (CallRow.prompt_tokens, CallRow.completion_tokens)]
        query = sqlalchemy.select(CallRow.stage, func.count(), *sums)  # type: ignore[call-overload]
        query = query.where(col(CallRow.run_id) == run_id, col(CallRow.response).is_not(None)).group_by(CallRow.stage)
        return {row[0]: (float(row[1]), float(row[2]), float(row[3])) for row in session.execute(query)}


def completed(store: Store, models: str) -> list[RunRow]:
    """Return the runs on these models that went through all stages once, newest first; no branches."""
    branched = exists().where(col(DialogueRow.run_id) == col(RunRow.id), col(DialogueRow.parent_id).is_not(None))
    query = select(RunRow).where(RunRow.models == models, RunRow.stop_reason == "completed")
    query = query.where(RunRow.extract_round == 1, RunRow.verify_round == 1, ~branched)
    return store.database.rows(query.order_by(col(RunRow.created_at).desc()))


def dialogues_of(store: Store, run_or_dialogue: str) -> list[DialogueRow]:
    """Return the dialogues of a run, or the one dialogue of a row such as `RUN.d3` or `RUN.d3.t5.s2`.

    Raises:
        UsageError: if there is no such run or dialogue.
    """
    with store.database.reading() as session:
        row = session.get(DialogueRow, dialogue_of(run_or_dialogue))
    if row is None and parent_of(run_or_dialogue) and (run := store.find_run(run_of(run_or_dialogue))):
        raise UsageError(f"no such dialogue: {run_or_dialogue[:100]!r}; {run.id} has {len(store.dialogues(run.id))}")
    return [row] if row else store.dialogues(store.run(run_or_dialogue).id)


def participants(store: Store, dialogue_id: str) -> list[ParticipantRow]:
    query = select(ParticipantRow).where(ParticipantRow.dialogue_id == dialogue_id)
    return store.database.rows(query.order_by(col(ParticipantRow.position)))
