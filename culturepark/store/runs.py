"""The runs of a store as a list, what hangs on one, and the dialogues that an id stands for. Read-only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy
from sqlalchemy.orm import defer
from sqlmodel import col, exists, func, select

from culturepark.domain import PERSON, JsonObject
from culturepark.errors import UsageError
from culturepark.ids import dialogue_of, parent_of, run_of
from culturepark.languages.words import folded, terms
from culturepark.store.exports import in_order
from culturepark.store.integrity import hangs_on, of_columns
from culturepark.store.lineage import of_run, parents
from culturepark.store.store import Store, check_branches
from culturepark.store.tables import (
    AnswerRow,
    CallRow,
    DialogueRow,
    DrawnRow,
    DrawRow,
    EvaluationRow,
    ParticipantRow,
    ReviewRow,
    RunRow,
    SampleRow,
    ScoreRow,
    SelectedRow,
    StatementRow,
    TrainedRow,
)


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


@dataclass(frozen=True)
class Wanted:
    """Conditions on runs; None, empty or no words is no condition."""

    scenario: str | None = None
    status: str | None = None
    culture: str | None = None
    """Somebody of this culture takes part; or an evaluation asks for it, or has answers of it."""
    model: str = ""
    """Part of the spec of one of the models; case does not count."""
    since: str | None = None
    """ISO time in UTC, or its beginning."""
    named: str = ""
    """Words of name and note, which may be quoted."""
    limit: int | None = None
    """Most runs, the newest."""

    def conditions(self, asking: Collection[str]) -> list[Any]:
        """Return what the database looks for.

        Args:
            asking: ids of the evaluations that ask for the culture by name.
        """
        of_culture = col(ParticipantRow.culture) == self.culture
        taking_part = select(DialogueRow.run_id).join(ParticipantRow).where(of_culture)
        answering = select(AnswerRow.evaluation_id).where(col(AnswerRow.culture) == self.culture)
        run_id = col(RunRow.id)
        wanted = (
            (self.scenario, col(RunRow.scenario_name) == self.scenario),
            (self.status, col(RunRow.status) == self.status),
            (self.culture, run_id.in_(taking_part) | run_id.in_(answering) | run_id.in_(asking)),
            (self.since, col(RunRow.created_at) >= (self.since or "")),
        )
        return [condition for value, condition in wanted if value is not None]

    def passes(self, row: RunRow) -> bool:
        """Return whether a run meets the other conditions."""
        words = folded(f"{row.name or ''} {row.note or ''}")
        specs = "\n".join(map(str, json.loads(row.models).values())).casefold()
        return self.model.casefold() in specs and all(term in words for term in terms(self.named))


def runs(store: Store, wanted: Wanted = Wanted()) -> list[JsonObject]:
    """Return runs, newest first, with counts of dialogues and kept samples, and the parent of a branch.

    An evaluation has its suite and its number of answers too; of other runs both are None.
    """
    parent_by_run = parents(store)
    by_run = select(DialogueRow.run_id, func.count()).group_by(DialogueRow.run_id)
    with store.database.reading() as session:
        done = dict(session.exec(by_run.where(DialogueRow.status == "done")).all())
        total = dict(session.exec(by_run).all())
        kept = dict(session.exec(of_run(by_run).where(SampleRow.status == "kept")).all())
        evaluations = session.exec(select(EvaluationRow.id, EvaluationRow.suite_id, EvaluationRow.settings)).all()
        suites = {evaluation_id: suite_id for evaluation_id, suite_id, _ in evaluations}
        asking = [one for one, _, settings in evaluations if wanted.culture in json.loads(settings).get("cultures", ())]
        newest_first = (
            select(RunRow)
            .where(*wanted.conditions(asking))
            .order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())
        )
        answers = dict(
            session.exec(select(AnswerRow.evaluation_id, func.count()).group_by(AnswerRow.evaluation_id)).all()
        )
        without_scenario = defer(RunRow.scenario)  # type: ignore[arg-type]  # long, and not needed here
        rows = session.exec(newest_first.options(without_scenario)).all()
        return [
            {
                "run": row.id,
                "name": row.name,
                "note": row.note,
                "scenario": row.scenario_name,
                "status": row.status,
                "stop_reason": row.stop_reason,
                "dialogues": total.get(row.id, 0),
                "dialogues_done": done.get(row.id, 0),
                "samples_kept": kept.get(row.id, 0),
                "suite": suites.get(row.id),
                "answers": answers.get(row.id, 0) if row.id in suites else None,
                "models": json.loads(row.models),
                "seed": row.seed,
                "created_at": row.created_at,
                "finished_at": row.finished_at,
                "parent": parent_by_run.get(row.id),
            }
            for row in islice(filter(wanted.passes, rows), wanted.limit)
        ]


def cultures_in(store: Store) -> set[str]:
    """Return the cultures of all people who ever sat at a table, and of all answers of evaluations."""
    with store.database.reading() as session:
        at_tables = session.exec(select(ParticipantRow.culture).distinct()).all()
        of_answers = session.exec(select(AnswerRow.culture).distinct()).all()
        return {culture for culture in (*at_tables, *of_answers) if culture}


@dataclass(frozen=True)
class Hanging:
    """What goes with a run that is deleted, and what would lead nowhere then."""

    dialogues: int
    statements: int
    samples_kept: int
    calls: int
    answers: int
    """Answers of an evaluation."""
    ratings: Mapping[str, int]
    """Person -> number of scores that the person gave to its answers."""
    reviews: Mapping[str, int]
    """Reviewer -> number of reviews."""
    draws: int
    """Draws of its samples for people to judge; they go with it."""
    held: Mapping[str, int]
    """Selection, draw over a selection, or what was trained -> number of its samples that it holds. These rows stay."""


def hanging(store: Store, run_id: str) -> Hanging:
    """Return what hangs on a run.

    Raises:
        UsageError: if a branch holds turns of it, so that it cannot be deleted.
    """

    def below(column: Any) -> Any:
        return hangs_on(col(column), run_id)

    def number(*conditions: Any) -> Any:
        return session.exec(select(func.count()).where(*conditions)).one()

    with store.database.reading() as session:
        check_branches(session, run_id)
        by_reviewer = select(ReviewRow.reviewer, func.count()).where(below(ReviewRow.subject_id))
        selected = select(SelectedRow.selection_id, func.count()).where(below(SelectedRow.sample_id))
        trained = select(TrainedRow.artefact_id, func.count()).where(below(TrainedRow.row_id))
        drawn = select(DrawnRow.draw_id, func.count()).join(DrawRow).where(below(DrawnRow.sample_id))
        drawn = drawn.where(DrawRow.over_id != run_id)
        by_person = select(ScoreRow.judge, func.count()).join(AnswerRow).where(AnswerRow.evaluation_id == run_id)
        by_person = by_person.where(col(ScoreRow.judge).startswith(PERSON, autoescape=True))
        rated = session.exec(by_person.group_by(col(ScoreRow.judge)).order_by(col(ScoreRow.judge))).all()
        return Hanging(
            dialogues=number(DialogueRow.run_id == run_id),
            statements=number(below(StatementRow.id)),
            samples_kept=number(below(SampleRow.id), SampleRow.status == "kept"),
            calls=number(CallRow.run_id == run_id),
            answers=number(AnswerRow.evaluation_id == run_id),
            ratings={str(judge).removeprefix(PERSON): count for judge, count in rated},
            reviews=dict(session.exec(by_reviewer.group_by(ReviewRow.reviewer).order_by(ReviewRow.reviewer)).all()),
            draws=number(DrawRow.over_id == run_id),
            held={
                **dict(session.exec(selected.group_by(SelectedRow.selection_id)).all()),
                **dict(session.exec(drawn.group_by(DrawnRow.draw_id)).all()),
                **dict(session.exec(trained.group_by(TrainedRow.artefact_id)).all()),
            },
        )


def spent_by_stage(store: Store, run_id: str) -> dict[str, tuple[float, float, float]]:
    """Return answered calls, prompt tokens and completion tokens of each stage."""
    with store.database.reading() as session:
        sums: list[Any] = [func.coalesce(func.sum(c), 0) for c in (CallRow.prompt_tokens, CallRow.completion_tokens)]
        query = sqlalchemy.select(CallRow.stage, func.count(), *sums)  # type: ignore[call-overload]
        query = query.where(col(CallRow.run_id) == run_id, col(CallRow.response).is_not(None)).group_by(CallRow.stage)
        return {row[0]: (float(row[1]), float(row[2]), float(row[3])) for row in session.execute(query)}


def cost_of(store: Store, run_id: str, stages: Collection[str]) -> float | None:
    """Return what the calls of some stages have cost; None if no price is known."""
    query = sqlalchemy.select(func.sum(CallRow.cost_usd)).where(col(CallRow.run_id) == run_id)
    with store.database.reading() as session:
        cost: float | None = session.execute(query.where(col(CallRow.stage).in_(stages))).scalar_one()
        return cost


def kept_rows(store: Store, run_id: str) -> list[Any]:
    """Return id, statement_id, shape, culture, persona_key and provenance of a run's kept samples, in their order."""
    columns: tuple[Any, ...] = (
        SampleRow.id,
        SampleRow.statement_id,
        col(SampleRow.kind).label("shape"),
        SampleRow.culture,
        StatementRow.persona_key,
        SampleRow.provenance,
    )
    query = of_run(sqlalchemy.select(*columns)).where(col(SampleRow.status) == "kept")
    with store.database.reading() as session:
        return of_columns(session.execute(in_order(query, run_id)))


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
    run_or_dialogue = store.full_id(run_or_dialogue)
    with store.database.reading() as session:
        row = session.get(DialogueRow, dialogue_of(run_or_dialogue))
    if row is None and parent_of(run_or_dialogue) and (run := store.find_run(run_of(run_or_dialogue))):
        raise UsageError(f"no such dialogue: {run_or_dialogue[:100]!r}; {run.id} has {len(store.dialogues(run.id))}")
    return [row] if row else store.dialogues(store.run(run_or_dialogue).id)


def participants(store: Store, dialogue_id: str) -> list[ParticipantRow]:
    query = select(ParticipantRow).where(ParticipantRow.dialogue_id == dialogue_id)
    return store.database.rows(query.order_by(col(ParticipantRow.position)))
