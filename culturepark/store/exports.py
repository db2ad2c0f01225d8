"""The rows behind an export, read page by page: counts, kept samples, answers to one question, whole dialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import or_ as or_bits
from typing import Any, NamedTuple, cast

import sqlalchemy
from sqlmodel import Session, and_, case, col, func, or_, select

from culturepark.dialogue.protocol import PROTOCOLS
from culturepark.domain import SEVERAL_LANGUAGES, Relation, Statement, Status, Turn
from culturepark.store.integrity import PAGE, columns, hangs_on, of_columns, pages, sound
from culturepark.store.lineage import of_run
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    SelectedRow,
    StatementRenderingRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)
from culturepark.store.turns import with_renderings

Look = Session
"""One transaction, which sees the store as it was when the transaction began."""

AGAINST = "contradicts-stance"
"""The reason for which samples are dropped whose statement contradicts the speaker's stance, be the judge sure of it or
not."""

ANSWERS = ("survey", "open", "reasoned")
"""Shapes of samples that ask the seed's question."""

SAMPLE = [getattr(SampleRow, name) for name in columns(SampleRow)]


def kept_counts(
    look: Look, run_id: str, cultures: Sequence[str], shapes: Sequence[str] = (), selection: str | None = None
) -> Counter[str]:
    """Count the kept samples of a run by seed, in some cultures and shapes (none: all), and of one selection."""
    query = of_run(sqlalchemy.select(col(DialogueRow.seed_key), func.count()))
    return by_seed(look, only(query, run_id, "kept", cultures, shapes, selection))


def half_distilled(look: Look, run: RunRow) -> int:
    """Count the dialogues that still have samples of an earlier round, because `distill` was interrupted."""
    extracted, verified = col(DialogueRow.extracted), col(DialogueRow.verified)
    behind = or_(
        and_(extracted > 0, extracted < run.extract_round),
        and_(verified > 0, verified < run.verify_round),
    )
    return look.exec(select(func.count()).select_from(DialogueRow).where(DialogueRow.run_id == run.id, behind)).one()


def kept_shapes(look: Look, statement_ids: Iterable[str]) -> set[tuple[str, str]]:
    """Return statement id and shape of every kept sample of some statements."""
    query = sqlalchemy.select(col(SampleRow.statement_id), col(SampleRow.kind)).where(col(SampleRow.status) == "kept")
    return {
        (statement_id, shape)
        for page in pages(sorted(statement_ids))
        for statement_id, shape in look.execute(query.where(col(SampleRow.statement_id).in_(page)))
    }


def only(
    query: Any,
    run_id: str,
    status: str,
    cultures: Sequence[str],
    shapes: Sequence[str] = (),
    selection: str | None = None,
) -> Any:
    """Restrict a query over samples to a run, a status, some cultures and shapes (none: all), and one selection."""
    query = query.where(col(DialogueRow.run_id) == run_id, col(SampleRow.status) == status)
    if cultures:
        query = query.where(col(SampleRow.culture).in_(cultures))
    if shapes:
        query = query.where(col(SampleRow.kind).in_(shapes))
    if selection:
        picked = sqlalchemy.select(col(SelectedRow.sample_id)).where(col(SelectedRow.selection_id) == selection)
        query = query.where(col(SampleRow.id).in_(picked))
    return query


def rejected_count(
    look: Look, run_id: str, cultures: Sequence[str], shapes: Sequence[str] = (), selection: str | None = None
) -> int:
    """Count the samples that reviewers rejected, in some cultures and shapes (none: all), and of one selection."""
    query = only(of_run(sqlalchemy.select(func.count())), run_id, "rejected", cultures, shapes, selection)
    return int(look.execute(query).scalar_one())


def words_of(look: Look, statement_id: str) -> tuple[str, str]:
    """Return the words of a statement, in the first person and in the third, which norms had in version 0.1."""
    row = look.get_one(StatementRow, statement_id)
    return row.first_person, row.text


def statement(look: Look, statement_id: str) -> Statement:
    return look.get_one(StatementRow, statement_id).noun()


def phase_of(look: Look, turn_id: str) -> str:
    return look.get_one(TurnRow, turn_id).phase


def verdicts_on(look: Look, run: RunRow, statement_id: str) -> list[tuple[str, Relation, str]]:
    """Return criterion, relation and decision of the verdicts that count on a statement."""
    query = select(VerdictRow).where(VerdictRow.statement_id == statement_id, VerdictRow.round == run.verify_round)
    return [(row.criterion, cast("Relation", row.relation), row.decision) for row in look.exec(query)]


def renderings(look: Look, run_id: str, language: str) -> dict[str, StatementRenderingRow]:
    """Return what a run's statements are in another language, by statement id."""
    below = hangs_on(col(StatementRenderingRow.statement_id), run_id)
    query = select(StatementRenderingRow).where(below, StatementRenderingRow.language == language)
    return {row.statement_id: row for row in look.exec(query)}


def has_row(role: Any, protocol: Any) -> Any:
    """Tell whether a participant's view of a dialogue is a row: every delegate's, and a main contact's in a talk with a
    user. Other dialogues have a delegate, and would be in the file twice.

    Args:
        role, protocol: values, or columns in a query.
    """
    talks_with_user = (protocol == known.name for known in PROTOCOLS.values() if known.user_sits)
    return reduce(or_bits, talks_with_user, role == "delegate")


def done_counts(look: Look, run_id: str, cultures: Sequence[str]) -> Counter[str]:
    """Count the rows of whole dialogues of a run by seed, in some cultures (none: all)."""
    query = sqlalchemy.select(col(DialogueRow.seed_key), func.count()).join(ParticipantRow)
    query = query.where(col(DialogueRow.run_id) == run_id, col(DialogueRow.status) == Status.DONE)
    query = query.where(has_row(col(ParticipantRow.role), col(DialogueRow.protocol)))
    if cultures:
        query = query.where(col(ParticipantRow.culture).in_(cultures))
    return by_seed(look, query)


def branches(look: Look, run_id: str) -> list[DialogueRow]:
    """Return the dialogues of a run that branched off another."""
    query = select(DialogueRow).where(DialogueRow.run_id == run_id, col(DialogueRow.parent_id).is_not(None))
    return list(look.exec(query.order_by(col(DialogueRow.number))))


def copied_from(look: Look, branch: DialogueRow) -> Iterator[tuple[str, int]]:
    """Yield the dialogues whose first turns a branch has copied, and how many turns of each; its parent comes first."""
    shared, dialogue = branch.branched_at or 0, branch
    seen_ids = {branch.id}
    while dialogue.parent_id and dialogue.parent_id not in seen_ids:
        seen_ids.add(dialogue.parent_id)
        shared = min(shared, dialogue.branched_at or 0)
        yield dialogue.parent_id, shared
        parent = look.get(DialogueRow, dialogue.parent_id)
        if parent is None:  # deleted, or in another store
            return
        dialogue = parent


def copied_calls(look: Look, branch: DialogueRow) -> Sequence[Any]:
    """Return role, stage, prompt digest and models (JSON) of the calls behind the turns that a branch has copied."""
    query = sqlalchemy.select(col(TurnRow.role), col(CallRow.stage), col(CallRow.prompt_digest), col(RunRow.models))
    query = query.select_from(TurnRow).join(CallRow, col(CallRow.id) == col(TurnRow.call_id))
    query = query.join(RunRow, col(RunRow.id) == col(CallRow.run_id))
    copied = (col(TurnRow.dialogue_id) == branch.id) & (col(TurnRow.position) <= (branch.branched_at or 0))
    return of_columns(look.execute(query.where(copied).distinct()))


def prompt_digests(look: Look, run_id: str) -> dict[str, list[str]]:
    """Return stage -> digests of the prompts behind a run's calls."""
    query = sqlalchemy.select(col(CallRow.stage), col(CallRow.prompt_digest)).where(col(CallRow.run_id) == run_id)
    digests: dict[str, list[str]] = {}
    for stage, digest in sorted(of_columns(look.execute(query.distinct()))):
        digests.setdefault(stage, []).append(digest)
    return digests


class KeptStatement(NamedTuple):
    """The columns by which a statement with a kept sample is compared across runs."""

    id: str
    first_person: str
    culture: str
    kind: str
    seed_key: str
    language: str
    relation: str | None
    """Relation of the statement to its speaker's stance; None if that was not asked."""
    stance_code: int | None
    """The survey answer that its speaker was given."""


def kept_statements(look: Look, run: RunRow) -> list[KeptStatement]:
    """Return the statements of a run with a kept sample, in no order."""
    facts: list[Any] = [StatementRow.id, StatementRow.first_person, StatementRow.culture, StatementRow.kind]
    language = func.coalesce(StatementRow.language, DialogueRow.language)
    facts += [DialogueRow.seed_key, language, VerdictRow.relation, ParticipantRow.stance_code]
    stance = and_(
        col(VerdictRow.statement_id) == col(StatementRow.id),
        col(VerdictRow.criterion) == "stance",
        col(VerdictRow.round) == run.verify_round,
    )
    speaker = and_(
        col(ParticipantRow.dialogue_id) == col(DialogueRow.id),
        col(ParticipantRow.persona_key) == col(StatementRow.persona_key),
    )
    query = of_run(sqlalchemy.select(*facts)).join(VerdictRow, stance, isouter=True)
    query = query.join(ParticipantRow, speaker, isouter=True).distinct()
    query = query.where(col(DialogueRow.run_id) == run.id, col(SampleRow.status) == "kept")
    return [KeptStatement(*row) for row in of_columns(look.execute(query))]


def by_seed(look: Look, query: Any) -> Counter[str]:
    return Counter(dict(map(tuple, of_columns(look.execute(query.group_by(col(DialogueRow.seed_key)))))))


def kept_samples(
    look: Look, run_id: str, cultures: Sequence[str], selection: str | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the kept samples of a run, or those of one selection, in the order of the talk.

    Each has `seed_key`, and of its statement `persona_key` and `first_person`.
    """
    of_statement = (col(StatementRow.persona_key), col(StatementRow.first_person))
    query = of_run(sqlalchemy.select(*SAMPLE, *of_statement, col(DialogueRow.seed_key)))
    query = only(query, run_id, "kept", cultures, selection=selection)
    return sound(look, SampleRow, in_order(query, run_id))


def answers(look: Look, run: RunRow, seed_keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the samples that answer some seeds of a run, in the order of the talk.

    These are kept samples in the shapes `ANSWERS`, and open and reasoned ones that were dropped because they
    contradict their speaker's stance. Each has the columns of its statement, turn, dialogue and speaker that pairs
    need, and of the verdicts on its stance `relation` (None if there is none, or if they differ) and the least
    `confidence`.
    """
    about_stance = (
        (col(VerdictRow.statement_id) == col(SampleRow.statement_id))
        & (col(VerdictRow.criterion) == "stance")
        & (col(VerdictRow.round) == run.verify_round)
    )

    def of_verdicts(figure: Any) -> Any:
        return sqlalchemy.select(figure).where(about_stance).correlate(SampleRow).scalar_subquery()

    relation = col(VerdictRow.relation)
    agreed = case((func.min(relation) == func.max(relation), func.min(relation)))
    query = spoken(
        of_verdicts(agreed).label("relation"), of_verdicts(func.min(VerdictRow.confidence)).label("confidence")
    )
    mined = [known.name for known in PROTOCOLS.values() if known.mines]
    # What a talk has against a stance ends with no option; what was reasoned without one does.
    reasoned = and_(col(SampleRow.kind) == "reasoned", col(DialogueRow.protocol).in_(mined))
    is_against = and_(col(SampleRow.drop_reason) == AGAINST, or_(col(SampleRow.kind) == "open", reasoned))
    query = query.where(col(DialogueRow.seed_key).in_(seed_keys), col(SampleRow.kind).in_(ANSWERS))
    return sound(look, SampleRow, in_order(query.where(or_(col(SampleRow.status) == "kept", is_against)), run.id))


def every_sample(look: Look, run: RunRow, cultures: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the samples of a run, in some cultures (none: all), whatever their status is, in the order of the talk.

    Each has the columns of its statement, turn, dialogue and speaker that `answers` has, but for those of verdicts.
    """
    query = spoken()
    if cultures:
        query = query.where(col(SampleRow.culture).in_(cultures))
    return sound(look, SampleRow, in_order(query, run.id))


def spoken(*more: Any) -> Any:
    """Return the query for samples with what is known of how they were spoken, and with more columns."""
    return of_run(
        sqlalchemy.select(
            *SAMPLE,
            col(StatementRow.persona_key),
            col(StatementRow.first_person),
            col(StatementRow.rewritten_from),
            col(TurnRow.phase),
            col(DialogueRow.protocol),
            col(DialogueRow.seed_key),
            col(ParticipantRow.stance_code),
            *more,
        )
    ).join(
        ParticipantRow,
        and_(
            col(ParticipantRow.dialogue_id) == col(DialogueRow.id),
            col(ParticipantRow.persona_key) == col(StatementRow.persona_key),
        ),
    )


def in_order(query: Any, run_id: str) -> Any:
    """Restrict a query over samples to one run, and sort it by dialogue, turn, statement and shape.

    The order of the ids of several runs would depend on the database's collation.
    """
    return (
        query.where(col(DialogueRow.run_id) == run_id)
        .order_by(
            DialogueRow.number, TurnRow.position, func.length(StatementRow.id), col(StatementRow.id), col(SampleRow.id)
        )
        .execution_options(yield_per=PAGE)
    )


def talks(look: Look, run_id: str) -> Iterator[tuple[DialogueRow, list[ParticipantRow], list[Turn]]]:
    """Yield the finished dialogues of a run, each with its participants and turns."""
    last = 0
    while True:
        page = select(DialogueRow).where(DialogueRow.run_id == run_id, DialogueRow.status == Status.DONE)
        page = page.where(DialogueRow.number > last).order_by(col(DialogueRow.number)).limit(PAGE)
        dialogues = look.exec(page).all()
        if not dialogues:
            return
        last, ids = dialogues[-1].number, [row.id for row in dialogues]
        people = look.exec(
            select(ParticipantRow)
            .where(col(ParticipantRow.dialogue_id).in_(ids))
            .order_by(col(ParticipantRow.dialogue_id), col(ParticipantRow.position))
        )
        participants = {key: list(rows) for key, rows in groupby(people, lambda row: row.dialogue_id)}
        turn_rows = look.exec(
            select(TurnRow)
            .where(col(TurnRow.dialogue_id).in_(ids))
            .order_by(col(TurnRow.dialogue_id), col(TurnRow.position))
        )
        turns = {key: [row.noun() for row in rows] for key, rows in groupby(turn_rows, lambda row: row.dialogue_id)}
        for row in dialogues:
            if row.language == SEVERAL_LANGUAGES:
                turns[row.id] = with_renderings(look, row.id, turns.get(row.id, []))
        for row in dialogues:
            yield row, participants.get(row.id, []), turns.get(row.id, [])
        look.expunge_all()
