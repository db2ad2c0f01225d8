"""Questions to the store: what is in it, how a run went, where a sample comes from. Read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy.orm import defer
from sqlmodel import Session, SQLModel, and_, col, exists, func, select

from culturepark.distill.review_outcome import standing
from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.ids import dialogue_of, kind_of, last_part, parent_of, run_of
from culturepark.store.integrity import edition_of, of_columns
from culturepark.store.standing import same_said
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


def runs(store: Store) -> list[JsonObject]:
    """All runs, newest first, with how many dialogues are done and samples kept, and what a branch branched off."""
    parent_of = parents(store)
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
                "parent": parent_of.get(row.id),
            }
            for row in rows
        ]


def parents(store: Store, run_id: str | None = None) -> dict[str, str]:
    """Of the runs that are branches, or of one: the dialogue that each branched off."""
    query = select(DialogueRow.run_id, DialogueRow.parent_id).where(col(DialogueRow.parent_id).is_not(None))
    if run_id:
        query = query.where(DialogueRow.run_id == run_id)
    with store.database.reading() as session:
        return dict(map(tuple, of_columns(session.execute(query))))


def spent_by_stage(store: Store, run_id: str) -> dict[str, tuple[float, float, float]]:
    """Answered calls, prompt tokens and completion tokens of each stage."""
    with store.database.reading() as session:
        sums: list[Any] = [func.coalesce(func.sum(c), 0) for c in (CallRow.prompt_tokens, CallRow.completion_tokens)]
        query = sqlalchemy.select(CallRow.stage, func.count(), *sums)  # type: ignore[call-overload]
        query = query.where(col(CallRow.run_id) == run_id, col(CallRow.response).is_not(None)).group_by(CallRow.stage)
        return {row[0]: (float(row[1]), float(row[2]), float(row[3])) for row in session.execute(query)}


def completed(store: Store, models: str) -> list[RunRow]:
    """Runs on these models that went through all stages once, newest first; a branch began in the middle."""
    branched = exists().where(col(DialogueRow.run_id) == col(RunRow.id), col(DialogueRow.parent_id).is_not(None))
    with store.database.reading() as session:
        query = select(RunRow).where(RunRow.models == models, RunRow.stop_reason == "completed")
        query = query.where(RunRow.extract_round == 1, RunRow.verify_round == 1, ~branched)
        return list(session.exec(query.order_by(col(RunRow.created_at).desc())))


def of_run(query: Any) -> Any:
    """A query over samples, joined up to their dialogue."""
    return (
        query.select_from(SampleRow)
        .join(StatementRow, col(SampleRow.statement_id) == col(StatementRow.id))
        .join(TurnRow, col(StatementRow.turn_id) == col(TurnRow.id))
        .join(DialogueRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
    )


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
            select(VerdictRow)
            .where(VerdictRow.statement_id == statement.id)
            .order_by(func.length(VerdictRow.id), col(VerdictRow.id))
        ).all()
        duplicate = session.get(DuplicateRow, statement.id)
        call_ids = [turn.call_id, statement.call_id, *(v.call_id for v in verdicts)]
        calls = {c: session.get_one(CallRow, c) for c in dict.fromkeys(call_ids) if c}
        before = session.get(StatementRow, statement.rewritten_from) if statement.rewritten_from else None
        samples = session.exec(select(SampleRow).where(SampleRow.statement_id == statement.id)).all()
        reviews = reviews_of(session, [turn.id, statement.id, *(s.id for s in samples)])
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
        "reviews": reviews,
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
    position = last_part(subject_id)[1:] if kind_of(subject_id) == "participant" else None
    dialogue_id = parent_of(subject_id) if position else subject_id
    with store.database.reading() as session:
        dialogue = session.get(DialogueRow, dialogue_id)
        people = session.exec(
            select(ParticipantRow)
            .where(ParticipantRow.dialogue_id == dialogue_id)
            .order_by(col(ParticipantRow.position))
        ).all()
        told = [person for person in people if position in (None, str(person.position))]
        if dialogue is None or not told:
            raise UsageError(f"no dialogue {subject_id[:120]!r} in this store; an id looks like RUN.d1 or RUN.d1.p2")
        run = session.get_one(RunRow, dialogue.run_id)
        turns = session.exec(
            select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
        ).all()
        reviews = reviews_of(session, [turn.id for turn in turns])
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
        "reviews": reviews,
        "run": whole(run, decode=("models", "settings"), leave_out=("scenario",)),
    }


def reviews_of(session: Session, subject_ids: Sequence[str]) -> list[JsonObject]:
    """All reviews of some rows and of the same words of other rounds, oldest first; `standing`: whether one counts."""
    same = same_said(session, subject_ids)
    query = select(ReviewRow).where(col(ReviewRow.subject_id).in_({name for names in same.values() for name in names}))
    rows = session.exec(query.order_by(col(ReviewRow.created_at), col(ReviewRow.id))).all()
    counting = {one.id for names in same.values() for one in standing(row for row in rows if row.subject_id in names)}
    return [whole(row) | {"standing": row.id in counting} for row in rows]


def call_of(calls: dict[str, CallRow], call_id: str | None) -> JsonObject | None:
    return whole(calls[call_id], decode=("request", "response")) if call_id else None


def whole(row: SQLModel, decode: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()) -> JsonObject:
    """A row as JSON, with the columns that hold JSON unpacked."""
    data = row.model_dump(exclude=set(leave_out))
    for name in decode:
        data[name] = json.loads(data[name]) if data[name] else data[name]
    return data


class KeptStatement(NamedTuple):
    """What there is to know of a statement that has a kept sample."""

    id: str
    first_person: str
    culture: str
    kind: str
    seed_key: str
    language: str
    relation: str | None
    """To the stance of its speaker, if it was asked."""
    stance_code: int | None
    """Of its speaker."""


def kept_statements(store: Store, run: RunRow) -> list[KeptStatement]:
    """The statements of which a run has kept a sample, in no order."""
    told: list[Any] = [StatementRow.id, StatementRow.first_person, StatementRow.culture, StatementRow.kind]
    told += [DialogueRow.seed_key, DialogueRow.language, VerdictRow.relation, ParticipantRow.stance_code]
    stance = and_(
        col(VerdictRow.statement_id) == col(StatementRow.id),
        col(VerdictRow.criterion) == "stance",
        col(VerdictRow.round) == run.verify_round,
    )
    speaker = and_(
        col(ParticipantRow.dialogue_id) == col(DialogueRow.id),
        col(ParticipantRow.persona_key) == col(StatementRow.persona_key),
    )
    query = of_run(sqlalchemy.select(*told)).join(VerdictRow, stance, isouter=True)
    query = query.join(ParticipantRow, speaker, isouter=True).distinct()
    query = query.where(col(DialogueRow.run_id) == run.id, col(SampleRow.status) == "kept")
    with store.database.reading() as session:
        return [KeptStatement(*row) for row in of_columns(session.execute(query))]


def dialogue(store: Store, run_or_dialogue: str) -> list[DialogueRow]:
    """The dialogues of a run, or the one that an id of anything in it (`RUN.d3`, `RUN.d3.t5.s2`) leads to.

    Raises:
        UsageError: if there are none.
    """
    with store.database.reading() as session:
        row = session.get(DialogueRow, dialogue_of(run_or_dialogue))
    if row is None and parent_of(run_or_dialogue) and (run := store.find_run(run_of(run_or_dialogue))):
        raise UsageError(f"no such dialogue: {run_or_dialogue[:100]!r}; {run.id} has {len(store.dialogues(run.id))}")
    return [row] if row else store.dialogues(store.run(run_or_dialogue).id)


def participants(store: Store, dialogue_id: str) -> list[ParticipantRow]:
    with store.database.reading() as session:
        query = select(ParticipantRow).where(ParticipantRow.dialogue_id == dialogue_id)
        return list(session.exec(query.order_by(col(ParticipantRow.position))))
