"""How a run went: its funnel, and beside it what was repeated, checked, called and paid. Read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlmodel import col, func, or_, select

from culturepark.domain import Edition, JsonObject
from culturepark.stats.checks import checked
from culturepark.stats.funnel import funnel, repeats, summed
from culturepark.stats.reviews import figures as figures_of
from culturepark.store.castings import skipped
from culturepark.store.integrity import of_columns, threshold_of
from culturepark.store.standing import given_reviews
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, DialogueRow, RunRow, StatementRow

UNHEARD = ("interrupted:", "cancelled:")
"""How the error of a call begins that left, and whose answer nobody heard; it may have been billed."""


def course(store: Store, run: RunRow, edition: Edition, statements: Sequence[StatementRow]) -> JsonObject:
    """How a run went from dialogues to samples, what it cost and why it stopped.

    Args:
        edition, statements: of the run; whoever wants this has them.
    """
    with store.database.reading() as session:
        found = funnel(session, run)
        why = sqlalchemy.select(col(DialogueRow.stop_reason), func.count()).where(
            col(DialogueRow.run_id) == run.id, col(DialogueRow.stop_reason).is_not(None)
        )
        stops = of_columns(session.execute(why.group_by(col(DialogueRow.stop_reason))))
        figures = (
            CallRow.prompt_tokens,
            CallRow.cached_tokens,
            CallRow.completion_tokens,
            CallRow.cost_usd,
            CallRow.reasoning_tokens,
        )
        columns: list[Any] = [CallRow.stage, func.count(), *(func.sum(figure) for figure in figures)]
        by_stage = sqlalchemy.select(*columns)
        calls = of_columns(session.execute(by_stage.where(col(CallRow.run_id) == run.id).group_by(CallRow.stage)))
        by_guard = (
            sqlalchemy.select(col(CallRow.refused), func.count())
            .where(col(CallRow.run_id) == run.id, col(CallRow.refused).is_not(None))
            .group_by(col(CallRow.refused))
        )
        refused = of_columns(session.execute(by_guard))
        of_this_run = select(func.count()).where(CallRow.run_id == run.id)
        failed = session.exec(of_this_run.where(col(CallRow.error).is_not(None))).one()
        unpriced = session.exec(
            of_this_run.where(
                col(CallRow.endpoint).startswith("http"),
                col(CallRow.response).is_not(None),
                col(CallRow.cost_usd).is_(None),
            )
        ).one()
        unheard = session.exec(of_this_run.where(or_(*(col(CallRow.error).startswith(e) for e in UNHEARD)))).one()
        duplicates = repeats(session, run.id)
        reviews = figures_of(given_reviews(session, run.id))
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
        "dialogues": found["dialogues"],
        "skipped": [vars(skip) for skip in skipped(store, run, edition)],
        "dialogue_stop_reasons": summed(stops),
        "turns": found["turns"],
        "statements": found["statements"],
        "verdicts": found["verdicts"],
        "checks": checks_of(store, run, edition, statements),
        "duplicates": {"threshold": threshold_of(run, edition), "by_method": duplicates},
        "samples": found["samples"],
        "reviews": reviews,
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
            "reasoning": sum(row[6] or 0 for row in calls),
        },
        "endpoints": endpoints_of(store, run),
        "cost_usd": sum(costs) if costs else None,
        "unpriced_calls": unpriced,
    }


def endpoints_of(store: Store, run: RunRow) -> list[JsonObject]:
    """What was learnt of the endpoints that a run asked, one entry for each model there of which anything was."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in store.abilities_of_run(run.id):
        found.setdefault((row.endpoint, row.model), {})[row.name] = json.loads(row.value)
    return [{"endpoint": endpoint, "model": model, "takes": known} for (endpoint, model), known in found.items()]


def checks_of(
    store: Store, run: RunRow, edition: Edition, statements: Sequence[StatementRow] | None = None
) -> JsonObject:
    """What a run's checks found; see `checked`. Nothing is read where none is on."""
    if edition.scenario.distill.checks is None:
        return {}
    statements = store.statements(run) if statements is None else statements
    current = {row.id for row in statements}
    verdicts = [v for v in store.verdicts(run.id, run.verify_round) if v.statement_id in current]
    return checked(statements, verdicts, edition.scenario.distill)
