"""What is behind the rows of an export, samples and participants' views of dialogues, a page of them at a time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlmodel import and_, col, func, select

from culturepark.domain import Edition, Persona, Seed
from culturepark.errors import StoreError
from culturepark.ids import kind_of, parent_of
from culturepark.store.exports import Look
from culturepark.store.grounds import CardLine, card_line
from culturepark.store.integrity import of_columns, paged, pages
from culturepark.store.lineage import of_run
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)


def stored_messages(store: Store, sample_ids: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """Return the messages of those of some samples that the store has, whatever their status is."""
    with store.database.reading() as look:
        rows = paged(look, SampleRow, SampleRow.id, sorted(sample_ids))
        return {row.id: json.loads(row.messages) for row in rows}


@dataclass(frozen=True)
class Spoken:
    """What is behind a sample alone."""

    sample: SampleRow
    statement: StatementRow
    line: CardLine | None
    """The line of the card that the statement comes from."""
    before: str | None
    """The turn before, behind its speaker's name; None where there is none."""
    verdicts: tuple[VerdictRow, ...]
    """Of the round that counts."""


@dataclass(frozen=True)
class Behind:
    """What is behind a row."""

    id: str
    """Of the sample, or of the participant's view of a dialogue."""
    run: RunRow
    dialogue: DialogueRow
    participant: ParticipantRow
    persona: Persona
    seed: Seed
    models: tuple[str, ...]
    """Names of the models that spoke for the person."""
    spoken: Spoken | None
    """None for a whole dialogue."""

    @property
    def language(self) -> str:
        """The one that the row is in, where it stands as it was said."""
        return (self.spoken and self.spoken.sample.language) or self.dialogue.language


def behind(
    look: Look, runs: Sequence[RunRow], editions: Mapping[str, Edition], ids: Sequence[str]
) -> dict[str, Behind]:
    """Return what is behind some samples, and views of dialogues, by id.

    Args:
        runs: those that the rows are of.
        editions: run id -> its edition.
    Raises:
        StoreError: if a row's turn, speaker or dialogue is missing.
    """
    by_id = {run.id: run for run in runs}
    views = [name for name in ids if kind_of(name) == "participant"]
    samples = [name for name in ids if kind_of(name) != "participant"]
    found = {one.id: one for page in pages(samples) for one in behind_samples(look, by_id, editions, page)} | {
        one.id: one for page in pages(views) for one in behind_views(look, by_id, editions, page)
    }
    if lost := next((name for name in ids if name not in found), None):
        raise StoreError(
            f"{lost[:120]}: its turn, speaker or dialogue is missing; `culturepark doctor` lists all damage"
        )
    return found


SPEAKER = and_(
    col(ParticipantRow.dialogue_id) == col(DialogueRow.id),
    col(ParticipantRow.persona_key) == col(StatementRow.persona_key),
)


def behind_samples(
    look: Look, runs: Mapping[str, RunRow], editions: Mapping[str, Edition], ids: Sequence[str]
) -> list[Behind]:
    entities: list[Any] = [SampleRow, StatementRow, TurnRow.position, DialogueRow, ParticipantRow, CallRow.model]
    query = of_run(sqlalchemy.select(*entities)).join(ParticipantRow, SPEAKER)
    query = query.join(CallRow, col(CallRow.id) == col(TurnRow.call_id), isouter=True)
    rows = look.execute(query.where(col(SampleRow.id).in_(ids))).all()
    heard = turns_before(look, editions, [(row.DialogueRow, row.position) for row in rows])
    given: dict[str, list[VerdictRow]] = defaultdict(list)
    of_statements = select(VerdictRow).where(col(VerdictRow.statement_id).in_({row.StatementRow.id for row in rows}))
    for verdict in look.exec(of_statements.order_by(func.length(VerdictRow.id), col(VerdictRow.id))):
        given[verdict.statement_id].append(verdict)
    found = []
    for sample, statement, position, dialogue, participant, model in rows:
        run, edition = runs[dialogue.run_id], editions[dialogue.run_id]
        persona, seed = edition.persona(statement.persona_key), edition.seed(dialogue.seed_key)
        line = card_line(statement.source, persona, participant.stance_text, seed.item) if statement.source else None
        verdicts = tuple(one for one in given[statement.id] if one.round == run.verify_round)
        spoken = Spoken(sample, statement, line, heard.get((dialogue.id, position)), verdicts)
        models = (model,) if model else ()
        found.append(Behind(sample.id, run, dialogue, participant, persona, seed, models, spoken))
    return found


def turns_before(
    look: Look, editions: Mapping[str, Edition], places: Sequence[tuple[DialogueRow, int]]
) -> dict[tuple[str, int], str]:
    """Return for turns (dialogue and position) the text of the turn before, behind its speaker's name."""
    runs = {dialogue.id: dialogue.run_id for dialogue, _ in places}
    wanted = {f"{dialogue.id}.t{position - 1}" for dialogue, position in places}
    found = {}
    for turn in look.exec(select(TurnRow).where(col(TurnRow.id).in_(wanted))):
        people = editions[runs[turn.dialogue_id]].personas
        called = next((one.called for one in people if one.key == turn.speaker), turn.speaker.capitalize())
        found[turn.dialogue_id, turn.position + 1] = f"{called}: {turn.text}"
    return found


def behind_views(
    look: Look, runs: Mapping[str, RunRow], editions: Mapping[str, Edition], ids: Sequence[str]
) -> list[Behind]:
    wanted, dialogues = set(ids), {parent_of(name) for name in ids}
    spoke: dict[tuple[str, str], set[str]] = defaultdict(set)
    facts: list[Any] = [TurnRow.dialogue_id, TurnRow.speaker, CallRow.model]
    models = sqlalchemy.select(*facts).select_from(TurnRow).join(CallRow, col(CallRow.id) == col(TurnRow.call_id))
    models = models.where(col(TurnRow.dialogue_id).in_(dialogues)).distinct()
    for dialogue_id, speaker, model in of_columns(look.execute(models)):
        spoke[dialogue_id, speaker].add(model)
    seated = col(ParticipantRow.dialogue_id) == col(DialogueRow.id)
    entities: list[Any] = [DialogueRow, ParticipantRow]
    query = sqlalchemy.select(*entities).select_from(DialogueRow).join(ParticipantRow, seated)
    found = []
    for dialogue, person in look.execute(query.where(col(DialogueRow.id).in_(dialogues))):
        if (name := f"{dialogue.id}.p{person.position}") in wanted:
            edition = editions[dialogue.run_id]
            persona, seed = edition.persona(person.persona_key), edition.seed(dialogue.seed_key)
            names = tuple(sorted(spoke[dialogue.id, person.persona_key]))
            found.append(Behind(name, runs[dialogue.run_id], dialogue, person, persona, seed, names, None))
    return found
