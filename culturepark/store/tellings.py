"""Norms and customs as people told them, with what the store knows of each: who told it, who was asked about it later,
and what reviewers said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import sqlalchemy
from sqlmodel import col, select

from culturepark.distill.review_outcome import outcome
from culturepark.domain import Edition, Heard, Kind, Persona, Review, Statement, SurveyItem
from culturepark.ids import dialogue_of, kind_of, statement_of, turn_of
from culturepark.store.grounds import CardLine, card_line
from culturepark.store.integrity import edition_of, hangs_on
from culturepark.store.standing import Standing
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, ParticipantRow, RunRow, StatementRow, VerdictRow

KINDS: tuple[Kind, ...] = ("norm", "custom")
MUST_PASS = ("faithful", "harmlessness", "awareness")
"""Criteria that must not turn a statement down. A cross-check may: a registry tells who denies a norm."""
CROSS_CHECK = "cross-check"


@dataclass(frozen=True)
class SecondWord:
    """What a second persona, who had not heard it told, said about a norm or custom."""

    verdict_id: str
    persona_key: str
    country: str | None
    answer: Heard
    words: str | None


@dataclass(frozen=True)
class Telling:
    """One statement of a norm or custom, with its speaker."""

    statement: Statement
    run_id: str
    speaker: Persona
    language: str
    item: SurveyItem | None
    """The survey item of the question at whose table it was told; None where there is none, or it tells of something
    else."""
    line: CardLine | None
    """The line of the speaker's card that carries it."""
    second_words: tuple[SecondWord, ...] = ()
    reviews: tuple[Review, ...] = ()
    """Those that count, of the statement, its turn and its rows."""
    rejected: bool = False
    """Whether the reviewers, taken together, reject it."""
    not_so: tuple[Statement, ...] = ()
    """Statements of people of other countries who say of it that it is not so at home."""

    @property
    def id(self) -> str:
        return self.statement.id

    @property
    def dialogue_id(self) -> str:
        return dialogue_of(self.statement.id)

    @property
    def by_nobody(self) -> bool:
        """Whether a model was asked without a talk, so that no person told it."""
        return self.speaker.nobody

    @property
    def reach(self) -> str:
        """`general` (people around the speaker) or `personal`; older stores do not say, and only mined the former."""
        return self.statement.reach or "general"


@dataclass
class Told:
    """All tellings of some runs, and how many statements were left out for which reason."""

    tellings: list[Telling] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def told(store: Store, runs: Sequence[RunRow], cultures: Collection[str] = ()) -> Told:
    """Return the norms and customs of some runs that are faithful to what was said.

    Args:
        cultures: only those of these; none for all.
    """
    found = Told()
    unlike: dict[str, list[Statement]] = defaultdict(list)
    for run in runs:
        reader = Reader(store, run, edition_of(run))
        for row in store.statements(run):
            if row.unlike:
                unlike[row.unlike].append(row.noun())
            if row.kind in KINDS and (not cultures or row.culture in cultures):
                if why := reader.unfit(row.id):
                    found.left_out[why] += 1
                else:
                    found.tellings.append(reader.telling(row))
    found.tellings = [with_contradictions(telling, unlike) for telling in found.tellings]
    return found


def with_contradictions(telling: Telling, unlike: Mapping[str, Sequence[Statement]]) -> Telling:
    others = tuple(unlike.get(telling.id, ()))
    return replace(telling, not_so=others) if others else telling


class Reader:
    """Reads the tellings of one run."""

    def __init__(self, store: Store, run: RunRow, edition: Edition) -> None:
        self.run, self.edition = run, edition
        self.people = {persona.key: persona for persona in edition.personas}
        self.verdicts: dict[str, list[VerdictRow]] = defaultdict(list)
        for verdict in store.verdicts(run.id, run.verify_round):
            self.verdicts[verdict.statement_id].append(verdict)
        self.reviews = store.reviews(run.id)
        self.samples = samples_with_reviews(self.reviews)
        self.dialogues = {row.id: row for row in store.dialogues(run.id)}
        query = select(ParticipantRow).where(hangs_on(col(ParticipantRow.dialogue_id), run.id))
        self.seats = {(row.dialogue_id, row.persona_key): row for row in store.database.rows(query)}

    def unfit(self, statement_id: str) -> str | None:
        """Return the reason why a statement is left out; None if it is not."""
        verdicts = {v.criterion: v.decision for v in self.verdicts[statement_id] if v.criterion in MUST_PASS}
        if "faithful" not in verdicts:
            return "not verified"
        return next((f"failed {criterion}" for criterion, decision in verdicts.items() if decision == "drop"), None)

    def telling(self, row: StatementRow) -> Telling:
        statement, dialogue = row.noun(), self.dialogues[dialogue_of(row.id)]
        speaker = self.edition.persona(row.persona_key)
        seed, seat = self.edition.seed(dialogue.seed_key), self.seats.get((dialogue.id, speaker.key))
        stance = seat.stance_text if seat else None
        line = card_line(statement.source, speaker, stance, seed.item) if statement.source else None
        levels = (self.samples.get(row.id, ()), self.reviews.get(row.id, ()), self.reviews.get(turn_of(row.id), ()))
        return Telling(
            statement=statement,
            run_id=self.run.id,
            speaker=speaker,
            language=statement.language or dialogue.language,
            item=None if statement.about == "else" else seed.item,
            line=line,
            second_words=tuple(self.asked(row.id)),
            reviews=tuple(review for level in levels for review in level),
            rejected=outcome(levels).rejected,
        )

    def asked(self, statement_id: str) -> Iterator[SecondWord]:
        for verdict in self.verdicts[statement_id]:
            if verdict.criterion == CROSS_CHECK and verdict.answer and verdict.judge:
                person = self.people.get(verdict.judge)
                answer = cast("Heard", verdict.answer)
                country = person.country if person else None
                yield SecondWord(verdict.id, verdict.judge, country, answer, verdict.reason)


def samples_with_reviews(reviews: Standing) -> dict[str, list[Review]]:
    """Return statement id -> the reviews of its rows."""
    found: dict[str, list[Review]] = defaultdict(list)
    for subject, given in reviews.items():
        if kind_of(subject) == "sample":
            found[statement_of(subject)] += given
    return found


def every_run(store: Store) -> list[RunRow]:
    """Return all runs of the store, by their ids."""
    return store.database.rows(select(RunRow).order_by(col(RunRow.id)))


def answered_calls(store: Store, stage: str, models: str, prompts: Collection[str]) -> list[tuple[str, str]]:
    """Return request and response, each as JSON, of the answered calls of a stage, in all runs with some models.

    Args:
        models: as the runs' column has them.
        prompts: digests of the prompts that they were made from.
    """
    query = (
        sqlalchemy.select(col(CallRow.request), col(CallRow.response))
        .join(RunRow)
        .where(
            col(CallRow.stage) == stage,
            col(RunRow.models) == models,
            col(CallRow.prompt_digest).in_(sorted(prompts)),
            col(CallRow.response).is_not(None),
            col(CallRow.error).is_(None),
            col(CallRow.refused).is_(None),
        )
    )
    with store.database.reading() as look:
        found = look.execute(query.order_by(col(CallRow.started_at), col(CallRow.id))).all()
    return [(str(request), str(response)) for request, response in found]
