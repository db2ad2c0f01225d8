"""The lineage of a row: from a sample, statement, turn or dialogue to its words, calls, people and survey item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import Session, col, func, select

from culturepark.distill.review_outcome import standing
from culturepark.domain import DEFAULT_LANGUAGE, Slip
from culturepark.errors import UsageError
from culturepark.ids import by_number, kind_of, last_part, original_of, parent_of
from culturepark.store.grounds import card_line
from culturepark.store.integrity import edition_of, of_columns, pages
from culturepark.store.standing import with_same_words
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    ReviewRow,
    RunRow,
    SampleRow,
    SlipRow,
    StatementRenderingRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)
from culturepark.store.traced import (
    TalkTrace,
    Trace,
    TracedReview,
    TurnTrace,
)


def trace(store: Store, subject_id: str) -> Trace | TalkTrace:
    """Return the lineage of a sample, statement, turn, dialogue or participant's view of a dialogue.

    Args:
        subject_id: of a row in English, that of its original with `@en` behind it.
    Raises:
        UsageError: if no row has this id.
    """
    subject_id = store.full_id(original_of(subject_id))
    kind = kind_of(subject_id)
    if kind == "turn":
        return trace_turn(store, subject_id)
    return trace_talk(store, subject_id) if kind in ("dialogue", "participant") else trace_statement(store, subject_id)


def trace_statement(store: Store, subject_id: str) -> Trace:
    """
    Args:
        subject_id: of a statement or a sample.
    Raises:
        UsageError: if there is no such row.
    """
    with store.database.reading() as session:
        sample = session.get(SampleRow, subject_id)
        statement = session.get(StatementRow, sample.statement_id if sample else subject_id)
        if statement is None:
            if subject_id.endswith(".jsonl"):
                raise UsageError(f"{subject_id[:120]}: which line? trace takes FILE:LINE")
            raise UsageError(
                f"no sample or statement {subject_id[:120]!r} in this store; an id looks like RUN.d1.t6.s1.x1, "
                "and `culturepark runs` lists the runs"
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
        rendering = session.get(StatementRenderingRow, (statement.id, DEFAULT_LANGUAGE))
        call_ids = [turn.call_id, statement.call_id, *(verdict.call_id for verdict in verdicts)]
        call_ids += [rendering.call_id, rendering.checked_by] if rendering else []
        samples = session.exec(select(SampleRow).where(SampleRow.statement_id == statement.id)).all()
        edition = edition_of(run)
        persona, seed = edition.persona(statement.persona_key), edition.seed(dialogue.seed_key)
        traced = Trace(
            sample=sample,
            samples=tuple(row.id for row in samples),
            statement=statement,
            line=card_line(statement.source, persona, participant.stance_text, seed.item) if statement.source else None,
            unlike=session.get(StatementRow, statement.unlike) if statement.unlike else None,
            rewritten_from=session.get(StatementRow, statement.rewritten_from) if statement.rewritten_from else None,
            rendering=rendering,
            verdicts=tuple(verdicts),
            duplicate=session.get(DuplicateRow, statement.id),
            reviews=reviews_of(session, [turn.id, statement.id, *(row.id for row in samples)]),
            slips=slips_of(session, [turn.id]),
            turn=turn,
            calls={name: session.get_one(CallRow, name) for name in dict.fromkeys(call_ids) if name},
            persona=persona,
            participant=participant,
            seed=seed,
            dialogue=dialogue,
            run=run,
            edition=edition,
        )
        other = session.get(StatementRow, sample.beside) if sample and sample.beside else None
    return replace(traced, beside=trace_statement(store, other.id)) if other else traced


def trace_talk(store: Store, subject_id: str) -> TalkTrace:
    """
    Args:
        subject_id: of a dialogue or a participant.
    Raises:
        UsageError: if there is no such row.
    """
    is_view = kind_of(subject_id) == "participant"
    dialogue_id = parent_of(subject_id) if is_view else subject_id
    with store.database.reading() as session:
        dialogue = session.get(DialogueRow, dialogue_id)
        participants = session.exec(
            select(ParticipantRow)
            .where(ParticipantRow.dialogue_id == dialogue_id)
            .order_by(col(ParticipantRow.position))
        ).all()
        people = [person for person in participants if not is_view or f"p{person.position}" == last_part(subject_id)]
        if dialogue is None or not people:
            raise UsageError(f"no dialogue {subject_id[:120]!r} in this store; an id looks like RUN.d1 or RUN.d1.p2")
        run = session.get_one(RunRow, dialogue.run_id)
        turns = session.exec(
            select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
        ).all()
        edition = edition_of(run)
        return TalkTrace(
            dialogue=dialogue,
            participants=tuple((person, edition.persona(person.persona_key)) for person in people),
            seed=edition.seed(dialogue.seed_key),
            turns=tuple(turns),
            reviews=reviews_of(session, [turn.id for turn in turns]),
            slips=slips_of(session, [turn.id for turn in turns]),
            run=run,
            edition=edition,
        )


def trace_turn(store: Store, turn_id: str) -> TurnTrace:
    """
    Raises:
        UsageError: if there is no such turn.
    """
    turn = store.turn(turn_id)[0]
    talk = trace_talk(store, turn.dialogue_id)
    speaker = tuple((row, persona) for row, persona in talk.participants if row.persona_key == turn.speaker)
    with store.database.reading() as session:
        query = select(StatementRow).where(StatementRow.turn_id == turn_id)
        statements = sorted(session.exec(query), key=lambda statement: by_number(statement.id))
        return TurnTrace(
            dialogue=talk.dialogue,
            participants=speaker,
            seed=talk.seed,
            turns=(turn,),
            reviews=reviews_of(session, [turn_id, *(statement.id for statement in statements)]),
            slips=slips_of(session, [turn_id]),
            run=talk.run,
            edition=talk.edition,
            call=session.get(CallRow, turn.call_id) if turn.call_id else None,
            statements=tuple(statements),
        )


def reviews_of(session: Session, subject_ids: Sequence[str]) -> tuple[TracedReview, ...]:
    """Return all reviews of some rows and of rows with the same words in other rounds, oldest first."""
    same = with_same_words(session, subject_ids)
    query = select(ReviewRow).where(col(ReviewRow.subject_id).in_({name for names in same.values() for name in names}))
    rows = session.exec(query.order_by(col(ReviewRow.created_at), col(ReviewRow.id))).all()
    counting = {row.id for names in same.values() for row in standing(row for row in rows if row.subject_id in names)}
    return tuple(TracedReview(row, row.id in counting) for row in rows)


def slips_of(session: Session, turn_ids: Sequence[str]) -> tuple[Slip, ...]:
    return tuple(
        row.noun()
        for page in pages(turn_ids)
        for row in session.exec(select(SlipRow).where(col(SlipRow.turn_id).in_(page)).order_by(col(SlipRow.kind)))
    )


def parents(store: Store, run_id: str | None = None) -> dict[str, str]:
    """Return run id -> id of the dialogue it branched off, for all branches or for one run."""
    query = select(DialogueRow.run_id, DialogueRow.parent_id).where(col(DialogueRow.parent_id).is_not(None))
    if run_id:
        query = query.where(DialogueRow.run_id == run_id)
    with store.database.reading() as session:
        return dict(map(tuple, of_columns(session.execute(query))))


def of_run(query: Any) -> Any:
    """Join a query over samples with their statements, turns and dialogues."""
    return query.select_from(SampleRow).join(StatementRow).join(TurnRow).join(DialogueRow)
