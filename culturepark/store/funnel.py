"""How a run went, in figures: from dialogues to samples, calls, tokens, cost. Read-only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlmodel import col, func, or_, select

from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, JsonObject
from culturepark.store.checks import checked
from culturepark.store.queries import of_run
from culturepark.store.rows import of_columns, threshold_of
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, DialogueRow, DuplicateRow, RunRow, SampleRow, StatementRow, TurnRow

UNHEARD = ("interrupted:", "cancelled:")
"""How the error of a call begins that left, and whose answer nobody heard; it may have been billed."""


def funnel(store: Store, run: RunRow, edition: Edition, statements: Sequence[StatementRow]) -> JsonObject:
    """How a run went from dialogues to samples, what it cost and why it stopped.

    Args:
        edition, statements: of the run; whoever wants this has them.
    """
    with store.database.reading() as session:
        dialogues = session.exec(select(DialogueRow).where(DialogueRow.run_id == run.id)).all()
        current = {row.id for row in statements}
        verdicts = [v for v in store.verdicts(run.id, run.verify_round) if v.statement_id in current]
        samples = session.exec(of_run(select(SampleRow)).where(DialogueRow.run_id == run.id)).all()
        figures = (CallRow.prompt_tokens, CallRow.cached_tokens, CallRow.completion_tokens, CallRow.cost_usd)
        columns: list[Any] = [CallRow.stage, func.count(), *(func.sum(figure) for figure in figures)]
        by_stage = sqlalchemy.select(*columns)
        calls = of_columns(session.execute(by_stage.where(col(CallRow.run_id) == run.id).group_by(CallRow.stage)))
        by_guard = (
            sqlalchemy.select(col(CallRow.refused), func.count())
            .where(col(CallRow.run_id) == run.id, col(CallRow.refused).is_not(None))
            .group_by(col(CallRow.refused))
        )
        refused = of_columns(session.execute(by_guard))
        failed = session.exec(
            select(func.count()).where(CallRow.run_id == run.id, col(CallRow.error).is_not(None))
        ).one()
        of_this_run = select(func.count()).where(CallRow.run_id == run.id)
        unpriced = session.exec(
            of_this_run.where(
                col(CallRow.endpoint).startswith("http"),
                col(CallRow.response).is_not(None),
                col(CallRow.cost_usd).is_(None),
            )
        ).one()
        unheard = session.exec(of_this_run.where(or_(*(col(CallRow.error).startswith(e) for e in UNHEARD)))).one()
        by_role = (
            sqlalchemy.select(col(TurnRow.role), col(TurnRow.origin), func.count())
            .join(DialogueRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
            .where(col(DialogueRow.run_id) == run.id)
            .group_by(col(TurnRow.role), col(TurnRow.origin))
        )
        turns = of_columns(session.execute(by_role))
        repeats = select(DuplicateRow).where(col(DuplicateRow.statement_id).startswith(f"{run.id}.", autoescape=True))
        duplicates = [row.method for row in session.exec(repeats)]
    rejected: Counter[str] = Counter()
    for dialogue in dialogues:
        rejected.update(json.loads(dialogue.rejected))
    costs = [row[5] for row in calls if row[5] is not None]
    return {
        "run": run.id,
        "scenario": run.scenario_name,
        "status": run.status,
        "stop_reason": run.stop_reason,
        "models": json.loads(run.models),
        "seed": run.seed,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "dialogues": counted(d.status for d in dialogues),
        "skipped": [vars(skip) for skip in plan(edition, run.seed).skipped],
        "dialogue_stop_reasons": counted(d.stop_reason for d in dialogues if d.stop_reason),
        "turns": {
            "personas": sum(n for role, _, n in turns if role != "moderator"),
            "moderator": {origin: n for role, origin, n in turns if role == "moderator"},
        },
        "statements": {
            "total": len(statements),
            "by_kind": counted(s.kind for s in statements),
            "reworded": sum(s.rewritten_from is not None for s in statements),
            "rejected": dict(sorted(rejected.items())),
        },
        "verdicts": {
            criterion: counted(v.relation for v in verdicts if v.criterion == criterion)
            for criterion in dict.fromkeys(v.criterion for v in verdicts)
        },
        "checks": checked(statements, verdicts, edition.scenario.distill),
        "duplicates": {"threshold": threshold_of(run, edition), "by_method": counted(duplicates)},
        "samples": {
            "kept": sum(s.status == "kept" for s in samples),
            "dropped": counted(s.drop_reason or "no reason" for s in samples if s.status != "kept"),
            "kept_by_kind": counted(s.kind for s in samples if s.status == "kept"),
            "kept_by_culture": counted(s.culture for s in samples if s.status == "kept"),
        },
        "calls": {
            "total": sum(row[1] for row in calls),
            "failed": failed,
            "unheard": unheard,
            "refused_by_guard": dict(refused),
            "by_stage": {row[0]: row[1] for row in calls},
        },
        "tokens": {
            "prompt": sum(row[2] or 0 for row in calls),
            "cached": sum(row[3] or 0 for row in calls),
            "completion": sum(row[4] or 0 for row in calls),
        },
        "cost_usd": sum(costs) if costs else None,
        "unpriced_calls": unpriced,
    }


def counted(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))
