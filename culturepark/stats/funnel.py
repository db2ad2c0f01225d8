"""A run in figures that the database adds up, so that a run of any size can be told of: from turns to samples."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import sqlalchemy
from sqlmodel import col, func, select

from culturepark.domain import JsonObject
from culturepark.store.exports import PAGE, Look, branches
from culturepark.store.integrity import hangs_on, of_columns
from culturepark.store.lineage import of_run
from culturepark.store.store import counting
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)


def prompts(look: Look, run_id: str) -> dict[str, list[str]]:
    """Digests of the prompts that were rendered in each stage of a run."""
    query = sqlalchemy.select(col(CallRow.stage), col(CallRow.prompt_digest)).where(col(CallRow.run_id) == run_id)
    found: dict[str, list[str]] = {}
    for stage, digest in sorted(of_columns(look.execute(query.distinct()))):
        found.setdefault(stage, []).append(digest)
    return found


def branched(look: Look, run_id: str) -> list[JsonObject]:
    """Of the dialogues of a run that branched off another: from which, after how many turns, and who wrote these."""
    found = []
    for dialogue in branches(look, run_id):
        of_call = col(CallRow.id) == col(TurnRow.call_id)
        query = sqlalchemy.select(col(TurnRow.role), col(CallRow.stage), col(CallRow.prompt_digest), col(RunRow.models))
        query = query.select_from(TurnRow).join(CallRow, of_call).join(RunRow, col(RunRow.id) == col(CallRow.run_id))
        copied = (col(TurnRow.dialogue_id) == dialogue.id) & (col(TurnRow.position) <= (dialogue.branched_at or 0))
        models: dict[str, set[str]] = {}
        digests: dict[str, set[str]] = {}
        for role, stage, digest, specs in of_columns(look.execute(query.where(copied).distinct())):
            wrote = "moderator" if role == "moderator" else "speaker"
            models.setdefault(wrote, set()).add(str(json.loads(specs).get(wrote)))
            digests.setdefault(stage, set()).add(digest)
        found.append(
            {
                "dialogue": dialogue.id,
                "parent": dialogue.parent_id,
                "branched_at": dialogue.branched_at,
                "models": {role: sorted(specs) for role, specs in sorted(models.items())},
                "prompts": {stage: sorted(those) for stage, those in sorted(digests.items())},
            }
        )
    return found


def repeats(look: Look, run_id: str) -> dict[str, int]:
    """How many statements of a run repeat another of it, by what found that out."""
    by_method = sqlalchemy.select(col(DuplicateRow.method), func.count()).where(
        hangs_on(col(DuplicateRow.statement_id), run_id)
    )
    return summed(of_columns(look.execute(by_method.group_by(col(DuplicateRow.method)))))


def funnel(look: Look, run: RunRow) -> JsonObject:
    """From turns to samples, in figures: `dialogues`, `turns`, `statements`, `verdicts` and `samples` of a run."""

    def tally(query: Any) -> list[Any]:
        return of_columns(look.execute(query))

    of_turns = col(TurnRow.dialogue_id) == col(DialogueRow.id)
    mine = col(DialogueRow.run_id) == run.id
    is_reworded = col(StatementRow.rewritten_from).is_not(None)

    def of_statements(*figures: Any) -> Any:
        query = sqlalchemy.select(*figures, func.count()).select_from(StatementRow)
        query = query.join(TurnRow, col(StatementRow.turn_id) == col(TurnRow.id)).join(DialogueRow, of_turns)
        return query.where(mine, counting(run))

    dialogues: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for row in look.exec(select(DialogueRow).where(mine).execution_options(yield_per=PAGE)):
        dialogues[row.status] += 1
        rejected.update(json.loads(row.rejected))
    by_role = (col(TurnRow.role), col(TurnRow.origin))
    turns = tally(
        sqlalchemy.select(*by_role, func.count())
        .select_from(TurnRow)
        .join(DialogueRow, of_turns)
        .where(mine)
        .group_by(*by_role)
    )
    kinds = tally(of_statements(col(StatementRow.kind)).group_by(col(StatementRow.kind)))
    ((reworded,),) = tally(of_statements().where(is_reworded))
    judged = (col(VerdictRow.criterion), col(VerdictRow.relation))
    verdicts = tally(
        of_statements(*judged)
        .join(VerdictRow, col(VerdictRow.statement_id) == col(StatementRow.id))
        .where(col(VerdictRow.round) == run.verify_round)
        .group_by(*judged)
    )
    fate = (col(SampleRow.status), col(SampleRow.drop_reason), col(SampleRow.kind), col(SampleRow.culture))
    samples = tally(of_run(sqlalchemy.select(*fate, func.count())).where(mine).group_by(*fate))
    kept = [row for row in samples if row[0] == "kept"]
    return {
        "dialogues": summed(dialogues.items()),
        "turns": {
            "personas": sum(n for role, _, n in turns if role not in ("moderator", "user")),
            "moderator": {origin: n for role, origin, n in turns if role == "moderator"},
            "user": sum(n for role, _, n in turns if role == "user"),
        },
        "statements": {
            "total": sum(n for _, n in kinds),
            "by_kind": summed(kinds),
            "reworded": reworded,
            "rejected": dict(sorted(rejected.items())),
        },
        "verdicts": {
            criterion: summed((relation, n) for c, relation, n in verdicts if c == criterion)
            for criterion in sorted({row[0] for row in verdicts})
        },
        "samples": {
            "kept": sum(row[-1] for row in kept),
            "dropped": summed((row[1] or "no reason", row[-1]) for row in samples if row[0] != "kept"),
            "kept_by_kind": summed((row[2], row[-1]) for row in kept),
            "kept_by_culture": summed((row[3], row[-1]) for row in kept),
        },
    }


def summed(counts: Any) -> dict[str, int]:
    """Counts by name, the highest first."""
    found: Counter[str] = Counter()
    for name, count in counts:
        found[name] += count
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], str(pair[0]))))
