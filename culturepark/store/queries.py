"""Questions to the store: what is in it, how a run went, where a sample comes from. Read-only."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import sqlalchemy
from sqlalchemy.orm import defer
from sqlmodel import SQLModel, col, func, or_, select

from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.store.rows import edition_of, of_columns
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    ReviewRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

UNHEARD = ("interrupted:", "cancelled:")
"""How the error of a call begins that left, and whose answer nobody heard; it may have been billed."""


def runs(store: Store) -> list[JsonObject]:
    """All runs, newest first, with how many dialogues are done and samples kept."""
    with store.database.reading() as session:
        done = dict(
            session.exec(
                select(DialogueRow.run_id, func.count())
                .where(DialogueRow.status == "done")
                .group_by(DialogueRow.run_id)
            ).all()
        )
        total = dict(session.exec(select(DialogueRow.run_id, func.count()).group_by(DialogueRow.run_id)).all())
        kept = dict(
            session.exec(
                of_run(select(DialogueRow.run_id, func.count()))
                .where(SampleRow.status == "kept")
                .group_by(DialogueRow.run_id)
            ).all()
        )
        newest_first = select(RunRow).order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())
        without_scenario = defer(RunRow.scenario)  # type: ignore[arg-type]  # long, and nobody reads it here
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
            }
            for row in rows
        ]


def spent_by_stage(store: Store, run_id: str) -> dict[str, tuple[float, float, float]]:
    """Answered calls, prompt tokens and completion tokens of each stage."""
    with store.database.reading() as session:
        sums: list[Any] = [func.coalesce(func.sum(c), 0) for c in (CallRow.prompt_tokens, CallRow.completion_tokens)]
        query = sqlalchemy.select(CallRow.stage, func.count(), *sums)  # type: ignore[call-overload]
        query = query.where(col(CallRow.run_id) == run_id, col(CallRow.response).is_not(None)).group_by(CallRow.stage)
        return {row[0]: (float(row[1]), float(row[2]), float(row[3])) for row in session.execute(query)}


def completed(store: Store, models: str) -> list[RunRow]:
    """Runs on these models that went through all stages once, newest first."""
    with store.database.reading() as session:
        query = select(RunRow).where(RunRow.models == models, RunRow.stop_reason == "completed")
        query = query.where(RunRow.extract_round == 1, RunRow.verify_round == 1)
        return list(session.exec(query.order_by(col(RunRow.created_at).desc())))


def of_run(query: Any) -> Any:
    """A query over samples, joined up to their dialogue."""
    return (
        query.select_from(SampleRow)
        .join(StatementRow, col(SampleRow.statement_id) == col(StatementRow.id))
        .join(TurnRow, col(StatementRow.turn_id) == col(TurnRow.id))
        .join(DialogueRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
    )


def stats(store: Store, run: RunRow) -> JsonObject:
    """The funnel of one run, its cost, its stop reasons, and its stances against the survey."""
    edition = edition_of(run)
    with store.database.reading() as session:
        dialogues = session.exec(select(DialogueRow).where(DialogueRow.run_id == run.id)).all()
        statements = store.statements(run)
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
        drawn = session.exec(
            select(DialogueRow.seed_key, ParticipantRow)
            .join(DialogueRow, col(ParticipantRow.dialogue_id) == col(DialogueRow.id))
            .where(DialogueRow.run_id == run.id, col(ParticipantRow.stance_code).is_not(None))
        ).all()
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
        "stances": stances(edition, drawn),
    }


def counted(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))


def stances(edition: Edition, drawn: Any) -> list[JsonObject]:
    """For each item and country: how often each answer was drawn, beside the survey's share of it."""
    cells: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for seed_key, person in drawn:
        cells[seed_key, person.country][person.stance_code] += 1
    out = []
    for (seed_key, country), counts in sorted(cells.items(), key=str):
        item = edition.seed(seed_key).item
        if item is None or country not in item.shares:  # a stance is only drawn where there are shares
            raise StoreError(f"a stance on {seed_key!r} in {country!r}, where nobody was asked, is damage")
        total, shares = sum(counts.values()), item.shares[country]
        out.append(
            {
                "seed": seed_key,
                "country": country,
                "drawn": total,
                "answers": [
                    {
                        "code": option.code,
                        "label": option.label,
                        "drawn": counts.get(option.code, 0),
                        "expected": round(total * shares.get(option.code, 0.0), 2),
                        "share": shares.get(option.code, 0.0),
                    }
                    for option in item.options
                ],
            }
        )
    return out


def trace(store: Store, subject_id: str) -> JsonObject:
    """Everything behind a sample or a statement, back to the words, the call, the persona and the survey item.

    Raises:
        UsageError: if there is no such sample or statement.
    """
    with store.database.reading() as session:
        sample = session.get(SampleRow, subject_id)
        statement = session.get(StatementRow, sample.statement_id if sample else subject_id)
        if statement is None:
            if subject_id.endswith(".jsonl"):
                raise UsageError(f"{subject_id[:120]}: which line? trace takes FILE:LINE")
            raise UsageError(
                f"no sample or statement {subject_id[:120]!r} in this store; an id looks like RUN.d1.t6.s1.x1"
            )
        turn = session.get_one(TurnRow, statement.turn_id)
        dialogue = session.get_one(DialogueRow, turn.dialogue_id)
        run = session.get_one(RunRow, dialogue.run_id)
        participant = session.exec(
            select(ParticipantRow).where(
                ParticipantRow.dialogue_id == dialogue.id, ParticipantRow.persona_key == statement.persona_key
            )
        ).one()
        verdicts = session.exec(
            select(VerdictRow).where(VerdictRow.statement_id == statement.id).order_by(col(VerdictRow.id))
        ).all()
        duplicate = session.get(DuplicateRow, statement.id)
        call_ids = [turn.call_id, statement.call_id, *(v.call_id for v in verdicts)]
        calls = {c: session.get_one(CallRow, c) for c in dict.fromkeys(call_ids) if c}
        before = session.get(StatementRow, statement.rewritten_from) if statement.rewritten_from else None
        samples = session.exec(select(SampleRow).where(SampleRow.statement_id == statement.id)).all()
        reviews = session.exec(
            select(ReviewRow).where(col(ReviewRow.subject_id).in_([turn.id, statement.id, *(s.id for s in samples)]))
        ).all()
    edition = edition_of(run)
    seed = edition.seed(dialogue.seed_key)
    item = None
    if seed.item:
        item = seed.item.model_dump(mode="json", exclude={"shares"})
        item["shares"] = seed.item.shares.get(participant.country or "", {})
    return {
        "sample": whole(sample, decode=("messages",)) if sample else None,
        "samples": [s.id for s in samples],
        "statement": whole(statement),
        "rewritten_from": whole(before) if before else None,
        "verdicts": [whole(v) for v in verdicts],
        "duplicate": whole(duplicate) if duplicate else None,
        "reviews": [whole(r) for r in reviews],
        "turn": whole(turn),
        "calls": {
            "turn": call_of(calls, turn.call_id),
            "statement": call_of(calls, statement.call_id),
            "verdicts": [call_of(calls, v.call_id) for v in verdicts if v.call_id],
        },
        "persona": edition.persona(statement.persona_key).model_dump(mode="json"),
        "participant": whole(participant),
        "seed": seed.model_dump(mode="json", exclude={"item"}),
        "survey_item": item,
        "dialogue": whole(dialogue, decode=("rejected",)),
        "run": whole(run, decode=("models", "settings"), leave_out=("scenario",)),
    }


def trace_talk(store: Store, subject_id: str) -> JsonObject:
    """Everything behind a dialogue (`RUN.d1`) or one participant's view of it (`RUN.d1.p2`), but the calls' own texts.

    Raises:
        UsageError: if there is no such dialogue or participant.
    """
    dialogue_id, dot, position = subject_id.rpartition(".p")
    dialogue_id = dialogue_id if dot else subject_id
    with store.database.reading() as session:
        dialogue = session.get(DialogueRow, dialogue_id)
        people = session.exec(
            select(ParticipantRow)
            .where(ParticipantRow.dialogue_id == dialogue_id)
            .order_by(col(ParticipantRow.position))
        ).all()
        told = [person for person in people if not dot or str(person.position) == position]
        if dialogue is None or not told:
            raise UsageError(f"no dialogue {subject_id[:120]!r} in this store; an id looks like RUN.d1 or RUN.d1.p2")
        run = session.get_one(RunRow, dialogue.run_id)
        turns = session.exec(
            select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
        ).all()
    edition = edition_of(run)
    seed = edition.seed(dialogue.seed_key)
    return {
        "dialogue": whole(dialogue, decode=("rejected",)),
        "participants": [
            whole(person) | {"persona": edition.persona(person.persona_key).model_dump(mode="json")} for person in told
        ],
        "seed": seed.model_dump(mode="json", exclude={"item"}),
        "survey_item": seed.item.model_dump(mode="json", exclude={"shares"}) if seed.item else None,
        "turns": [whole(turn) for turn in turns],
        "run": whole(run, decode=("models", "settings"), leave_out=("scenario",)),
    }


def call_of(calls: dict[str, CallRow], call_id: str | None) -> JsonObject | None:
    return whole(calls[call_id], decode=("request", "response")) if call_id else None


def whole(row: SQLModel, decode: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()) -> JsonObject:
    """A row as JSON, with the columns that hold JSON unpacked."""
    data = row.model_dump(exclude=set(leave_out))
    for name in decode:
        data[name] = json.loads(data[name]) if data[name] else data[name]
    return data


def dialogue(store: Store, run_or_dialogue: str) -> list[DialogueRow]:
    """The dialogues that a run's or a dialogue's id names.

    Raises:
        UsageError: if there are none.
    """
    with store.database.reading() as session:
        row = session.get(DialogueRow, run_or_dialogue)
    run_id, dot, _ = run_or_dialogue.partition(".")
    if row is None and dot and (run := store.find_run(run_id)):
        raise UsageError(f"no such dialogue: {run_or_dialogue[:100]!r}; {run.id} has {len(store.dialogues(run.id))}")
    return [row] if row else store.dialogues(store.run(run_or_dialogue).id)


def participants(store: Store, dialogue_id: str) -> list[ParticipantRow]:
    with store.database.reading() as session:
        query = select(ParticipantRow).where(ParticipantRow.dialogue_id == dialogue_id)
        return list(session.exec(query.order_by(col(ParticipantRow.position))))
