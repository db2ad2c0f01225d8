"""The dialogues of a run as a list in pages, with filters, and the search over all turns. Read-only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy
from sqlmodel import Session, and_, col, exists, func, or_, select

from culturepark.domain import Status
from culturepark.languages.words import folded, terms
from culturepark.store.first_look import Line
from culturepark.store.integrity import edition_of, of_columns, pages
from culturepark.store.store import Store, counting
from culturepark.store.tables import (
    DialogueRow,
    ParticipantRow,
    RenderingRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

PAGE = 500
"""Dialogues in one page at most."""
SEARCHED_AT_ONCE = 100
"""Dialogues whose turns a search reads at a time."""


@dataclass(frozen=True)
class Filters:
    """Conditions on dialogues; None is no condition."""

    culture: str | None = None
    """A participant has this culture."""
    kind: str | None = None
    """A statement has this kind."""
    stop: str | None = None
    """The stop reason up to the colon (`completed`, `refused-turns`), or the status of a dialogue without one."""
    verdict: str | None = None
    """A statement has this relation (`entail`, `contradict`, `irrelevant`, `unparsable`) to its speaker's stance or to
    its quote."""


@dataclass(frozen=True)
class Hit:
    """A turn in which a search found its words."""

    dialogue_id: str
    turn_id: str
    position: int
    speaker: str
    text: str
    """In which they were found: what was said, or a rendering of it."""


class Lists:
    """The dialogues of one run. Any thread may ask; every method is one transaction."""

    def __init__(self, store: Store, run_id: str) -> None:
        """
        Raises:
            UsageError: if there is no such run.
        """
        self.store = store
        self.run = store.run(run_id)

    @cached_property
    def questions(self) -> dict[str, str]:
        return {seed.key: seed.question for seed in edition_of(self.run).scenario.seeds}

    def find(self, filters: Filters = Filters()) -> list[str]:
        """Return the ids of the dialogues that meet the conditions, in the order of their numbers."""
        query = select(DialogueRow.id).where(DialogueRow.run_id == self.run.id, *self._conditions(filters))
        return self.store.database.rows(query.order_by(col(DialogueRow.number)))

    def choices(self) -> dict[str, dict[str, int]]:
        """Return for each field of `Filters` the values that occur, each with the number of dialogues."""

        def count_by(value: Any, *joined: Any) -> Any:
            query = sqlalchemy.select(value, func.count(func.distinct(DialogueRow.id))).select_from(DialogueRow)
            for table in joined:
                query = query.join(table)
            return query.where(col(DialogueRow.run_id) == self.run.id).group_by(value)

        kinds = count_by(StatementRow.kind, TurnRow, StatementRow)
        verdicts = count_by(VerdictRow.relation, TurnRow, StatementRow, VerdictRow)
        queries = {
            "culture": count_by(ParticipantRow.culture, ParticipantRow),
            "kind": kinds.where(counting(self.run)),
            "stop": count_by(STOP),
            "verdict": verdicts.where(counting(self.run), *judged(self.run)),
        }
        by_field: dict[str, dict[str, int]] = {}
        with self.store.database.reading() as session:
            for name, query in queries.items():
                by_value: dict[str, int] = defaultdict(int)
                for value, count in of_columns(session.execute(query)):
                    by_value[cause(value) if name == "stop" else value] += count
                by_field[name] = dict(sorted(by_value.items()))
        return by_field

    def lines(self, ids: Sequence[str]) -> list[Line]:
        """Return the lines of some dialogues, in this order; at most `PAGE`. Deleted dialogues are left out."""
        by_dialogue, parent_id = col(TurnRow.dialogue_id), col(DialogueRow.parent_id)
        turn_query = sqlalchemy.select(by_dialogue, func.count()).where(by_dialogue.in_(ids)).group_by(by_dialogue)
        statement_query = turn_query.join(StatementRow)
        branch_query = sqlalchemy.select(parent_id, func.count()).where(parent_id.in_(ids)).group_by(parent_id)
        with self.store.database.reading() as session:
            dialogues = {row.id: row for row in session.exec(select(DialogueRow).where(col(DialogueRow.id).in_(ids)))}
            people: dict[str, list[tuple[str, str]]] = defaultdict(list)
            participants = sqlalchemy.select(*columns(ParticipantRow, "dialogue_id", "name", "culture"))
            participants = participants.where(col(ParticipantRow.dialogue_id).in_(ids))
            for dialogue_id, name, culture in of_columns(
                session.execute(participants.order_by(col(ParticipantRow.position)))
            ):
                people[dialogue_id].append((name, culture))
            turns = counts(session, turn_query)
            mined = counts(session, statement_query.where(counting(self.run)))
            kept = counts(session, statement_query.join(SampleRow).where(col(SampleRow.status) == "kept"))
            branches = counts(session, branch_query)
        return [
            Line(
                id=row.id,
                number=row.number,
                seed_key=row.seed_key,
                question=self.questions.get(row.seed_key, row.seed_key),
                status=row.status,
                stop_reason=row.stop_reason,
                people=tuple(people[row.id]),
                turns=turns.get(row.id, 0),
                statements=mined.get(row.id, 0),
                kept=kept.get(row.id, 0),
                parent_id=row.parent_id,
                branches=branches.get(row.id, 0),
            )
            for row in (dialogues[name] for name in ids if name in dialogues)
        ]

    def alive(self) -> list[str]:
        """Return the ids of the dialogues that are held now."""
        query = select(DialogueRow.id).where(DialogueRow.run_id == self.run.id, DialogueRow.status == Status.RUNNING)
        return self.store.database.rows(query.order_by(col(DialogueRow.number)))

    def branches(self, dialogue_id: str) -> list[DialogueRow]:
        """Return the branches of a dialogue, oldest first; each is in a run of its own."""
        query = select(DialogueRow).join(RunRow).where(DialogueRow.parent_id == dialogue_id)
        return self.store.database.rows(query.order_by(col(RunRow.created_at), col(DialogueRow.id)))

    def search(self, words: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[Hit]:
        """Yield the turns in which all words occur, in the order of the talk; `words.folded` says what does not count.

        Where they do not occur in what was said, a rendering in which they do is a hit too. Words in double quotes must
        stand together. The run is read page by page as turns are asked for.

        Args:
            stopped: asked before every page whether to give up; a search with few hits reads many pages for each.
        """
        wanted_terms = terms(words)
        for ids in pages(self.find() if wanted_terms else [], SEARCHED_AT_ONCE):
            if stopped():
                return
            order = {name: place for place, name in enumerate(ids)}
            in_page = col(TurnRow.dialogue_id).in_(ids)
            said = sqlalchemy.select(*columns(TurnRow, "dialogue_id", "id", "position", "speaker", "text", "language"))
            heard = sqlalchemy.select(*columns(RenderingRow, "turn_id", "text")).join(TurnRow).where(in_page)
            renderings: dict[str, list[str]] = defaultdict(list)
            with self.store.database.reading() as session:
                rows = list(of_columns(session.execute(said.where(in_page))))
                if any(row.language for row in rows):  # else nobody interpreted
                    for turn_id, text in of_columns(session.execute(heard.order_by(col(RenderingRow.language)))):
                        renderings[turn_id].append(text)
            for row in sorted(rows, key=lambda row: (order[row.dialogue_id], row.position)):
                for text in (row.text, *renderings.get(row.id, ())):
                    line = folded(text)
                    if all(term in line for term in wanted_terms):
                        yield Hit(row.dialogue_id, row.id, row.position, row.speaker, text)
                        break

    def _conditions(self, filters: Filters) -> list[Any]:
        conditions: list[Any] = []
        if filters.culture:
            of_culture = col(ParticipantRow.culture) == filters.culture
            conditions.append(exists().where(col(ParticipantRow.dialogue_id) == col(DialogueRow.id), of_culture))
        if filters.stop:
            conditions.append(or_(filters.stop == STOP, STOP.startswith(f"{filters.stop}:", autoescape=True)))
        mined = and_(
            col(TurnRow.dialogue_id) == col(DialogueRow.id),
            col(StatementRow.turn_id) == col(TurnRow.id),
            counting(self.run),
        )
        if filters.kind:
            conditions.append(exists().where(mined, col(StatementRow.kind) == filters.kind))
        if filters.verdict:
            about = col(VerdictRow.statement_id) == col(StatementRow.id)
            relation = col(VerdictRow.relation) == filters.verdict
            conditions.append(exists().where(mined, about, relation, *judged(self.run)))
        return conditions


STOP = func.coalesce(DialogueRow.stop_reason, DialogueRow.status)


def judged(run: RunRow) -> tuple[Any, ...]:
    """Return the conditions for verdicts of `faithful` and `stance` that count."""
    return col(VerdictRow.criterion).in_(("faithful", "stance")), col(VerdictRow.round) == run.verify_round


def cause(stop: str) -> str:
    """Return `refused-turns` of `refused-turns: same-words`."""
    return stop.partition(":")[0]


def columns(table: Any, *names: str) -> list[Any]:
    return [col(getattr(table, name)) for name in names]


def counts(session: Session, query: Any) -> dict[str, int]:
    return dict(map(tuple, of_columns(session.execute(query))))
