"""The lineage of a row: from a sample, statement, turn or dialogue to its words, calls, people and survey item."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, SQLModel, col, func, select

from culturepark.distill.review_outcome import standing
from culturepark.domain import DEFAULT_LANGUAGE, JsonObject, Persona, Seed, Slip, SurveyItem
from culturepark.errors import UsageError
from culturepark.ids import by_number, kind_of, last_part, original_of, parent_of
from culturepark.interface import tr
from culturepark.store.grounds import CardLine, Fact, card_line, facts
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


@dataclass(frozen=True)
class TracedReview:
    """A review of one of the traced rows."""

    row: ReviewRow
    standing: bool
    """True if the review counts: it was not withdrawn, and is its reviewer's newest on the subject."""

    def as_json(self) -> JsonObject:
        return whole(self.row) | {"standing": self.standing}


@dataclass(frozen=True)
class Trace:
    """Everything behind a sample or a statement. `culturepark trace --json` prints `as_json()`."""

    sample: SampleRow | None
    """None if the trace begins at a statement."""
    samples: tuple[str, ...]
    """Ids of all samples of the statement."""
    statement: StatementRow
    line: CardLine | None
    """The line of the card that the statement comes from; None where it names none, or none that the card has."""
    unlike: StatementRow | None
    """The statement from another country that this one says is not so at home."""
    rewritten_from: StatementRow | None
    rendering: StatementRenderingRow | None
    """The statement in English; None where it is in English itself, or nobody has rendered it."""
    verdicts: tuple[VerdictRow, ...]
    """Verdicts of all rounds, in the order they were given."""
    duplicate: DuplicateRow | None
    """Names the statement that represents this one; None if this one is no duplicate."""
    reviews: tuple[TracedReview, ...]
    """Reviews of the turn, the statement and its samples, oldest first."""
    slips: tuple[Slip, ...]
    """What was found wrong in the turn."""
    turn: TurnRow
    calls: Mapping[str, CallRow]
    """By id: the calls that the turn, the statement, its rendering and the verdicts name."""
    persona: Persona
    participant: ParticipantRow
    seed: Seed
    dialogue: DialogueRow
    run: RunRow
    beside: Trace | None = None
    """Everything behind the other statement, where the sample is made of two."""

    @property
    def questions_shown(self) -> list[str]:
        """The keys of the questions on which a mined norm rests; empty for whatever else."""
        scenario = edition_of(self.run).scenario
        return [seed.key for seed in scenario.questions_shown(self.seed.key, self.participant.country or "")]

    @property
    def item(self) -> SurveyItem | None:
        return self.seed.item

    @property
    def facts(self) -> list[Fact]:
        """What is known of the statement beside its words, in words."""
        known = list(facts(self.statement.noun(), self.line, self.unlike.first_person if self.unlike else None))
        if shown := self.questions_shown:
            known.append(Fact(tr("rests on"), ", ".join(shown)))
        return known

    @property
    def shares(self) -> Mapping[int, float]:
        """Survey code -> share (0-1) of this answer in the speaker's country; empty if unknown."""
        return self.item.shares.get(self.participant.country or "", {}) if self.item else {}

    @property
    def messages(self) -> list[dict[str, str]]:
        return json.loads(self.sample.messages) if self.sample else []

    def as_json(self) -> JsonObject:
        item = item_json(self.item)
        return {
            "sample": whole(self.sample, decode=("messages",)) if self.sample else None,
            "samples": list(self.samples),
            "statement": statement_json(self.statement),
            "card_line": self.line.as_json() if self.line else None,
            "unlike": statement_json(self.unlike) if self.unlike else None,
            "rewritten_from": statement_json(self.rewritten_from) if self.rewritten_from else None,
            "rendering": whole(self.rendering) if self.rendering else None,
            "verdicts": [whole(verdict) for verdict in self.verdicts],
            "duplicate": whole(self.duplicate) if self.duplicate else None,
            "reviews": [review.as_json() for review in self.reviews],
            "turn": whole(self.turn, decode=("mark",)),
            "slips": [slip.model_dump() for slip in self.slips],
            "calls": {
                "turn": self._call(self.turn.call_id),
                "statement": self._call(self.statement.call_id),
                "rendering": self._call(self.rendering.call_id) if self.rendering else None,
                "comparison": self._call(self.rendering.checked_by) if self.rendering else None,
                "verdicts": [self._call(verdict.call_id) for verdict in self.verdicts if verdict.call_id],
            },
            "persona": self.persona.model_dump(mode="json"),
            "participant": whole(self.participant),
            "seed": self.seed.model_dump(mode="json", exclude={"item"}),
            **({"questions_shown": self.questions_shown} if self.questions_shown else {}),
            "survey_item": item | {"shares": dict(self.shares)} if item else None,
            "dialogue": whole(self.dialogue, decode=("rejected",)),
            "run": run_json(self.run),
            "beside": self.beside.as_json() if self.beside else None,
        }

    def _call(self, call_id: str | None) -> JsonObject | None:
        return whole(self.calls[call_id], decode=("request", "response")) if call_id else None


@dataclass(frozen=True)
class TalkTrace:
    """Everything behind a dialogue (`RUN.d1`) or one participant's view of it (`RUN.d1.p2`), except calls."""

    dialogue: DialogueRow
    participants: tuple[tuple[ParticipantRow, Persona], ...]
    """All participants, or the one whose view it is."""
    seed: Seed
    turns: tuple[TurnRow, ...]
    reviews: tuple[TracedReview, ...]
    """Reviews of the turns, oldest first."""
    slips: tuple[Slip, ...]
    """What was found wrong in the turns."""
    run: RunRow

    @property
    def item(self) -> SurveyItem | None:
        return self.seed.item

    def as_json(self) -> JsonObject:
        return {
            "dialogue": whole(self.dialogue, decode=("rejected",)),
            "participants": [
                whole(row) | {"persona": persona.model_dump(mode="json")} for row, persona in self.participants
            ],
            "seed": self.seed.model_dump(mode="json", exclude={"item"}),
            "survey_item": item_json(self.item),
            "turns": [whole(turn, decode=("mark",)) for turn in self.turns],
            "slips": [slip.model_dump() for slip in self.slips],
            "reviews": [review.as_json() for review in self.reviews],
            "run": run_json(self.run),
        }


@dataclass(frozen=True)
class TurnTrace(TalkTrace):
    """A turn (`RUN.d1.t6`) with its call and statements; `participants` has only the speaker, `turns` only the turn."""

    call: CallRow | None
    """The call whose answer it is; None for fixed, typed and edited turns."""
    statements: tuple[StatementRow, ...]
    """Statements of all rounds."""

    def as_json(self) -> JsonObject:
        return super().as_json() | {
            "call": whole(self.call, decode=("request", "response")) if self.call else None,
            "statements": [statement_json(statement) for statement in self.statements],
        }


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


def whole(row: SQLModel, decode: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()) -> JsonObject:
    """Return a row as JSON; columns named in `decode` hold JSON and are unpacked."""
    data = row.model_dump(exclude=set(leave_out))
    for name in decode:
        data[name] = json.loads(data[name]) if data[name] else data[name]
    return data


def statement_json(row: StatementRow) -> JsonObject:
    return whole(row, decode=("hangs_on",))


def run_json(run: RunRow) -> JsonObject:
    return whole(run, decode=("models", "settings"), leave_out=("scenario",))


def item_json(item: SurveyItem | None) -> JsonObject | None:
    """Return a survey item without its shares, which cover all countries."""
    return item.model_dump(mode="json", exclude={"shares", "by"}) if item else None


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
