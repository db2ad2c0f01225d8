"""The dialogues of a run as a list in pages, filtered, and a search over all turns. Read-only."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy
from sqlmodel import Session, and_, col, exists, func, or_, select

from culturepark.domain import Status
from culturepark.store.first_look import Line
from culturepark.store.integrity import edition_of, of_columns
from culturepark.store.store import Store, counting
from culturepark.store.tables import DialogueRow, ParticipantRow, RunRow, SampleRow, StatementRow, TurnRow, VerdictRow

PAGE = 500
"""Dialogues in one page at most; a search reads the turns of a fifth as many at a time."""


@dataclass(frozen=True)
class Filters:
    """Conditions on dialogues; None is no condition."""

    culture: str | None = None
    """Somebody of this culture sits there."""
    kind: str | None = None
    """A statement of this kind came of it."""
    stop: str | None = None
    """Its stop reason up to the colon (`completed`, `refused-turns`), or its status if it has none."""
    verdict: str | None = None
    """A statement has this relation (`entail`, `contradict`, `irrelevant`, `unparsable`), to its speaker's
    stance or to its quote."""


@dataclass(frozen=True)
class Found:
    """A turn in which a search found its words."""

    dialogue_id: str
    turn_id: str
    position: int
    speaker: str
    text: str


class Lists:
    """The dialogues of one run. Any thread may ask; every question is a look of its own."""

    def __init__(self, store: Store, run_id: str) -> None:
        """
        Raises:
            UsageError: if there is no such run.
        """
        self.store = store
        self.run = store.run(run_id)

    @cached_property
    def questions(self) -> dict[str, str]:
        """Seed key -> question."""
        return {seed.key: seed.question for seed in edition_of(self.run).scenario.seeds}

    def find(self, filters: Filters = Filters()) -> list[str]:
        """Return the ids of the dialogues that meet the conditions, in order: at most 100,000."""
        query = select(DialogueRow.id).where(DialogueRow.run_id == self.run.id, *self._conditions(filters))
        with self.store.database.reading() as session:
            return list(session.exec(query.order_by(col(DialogueRow.number))))

    def choices(self) -> dict[str, dict[str, int]]:
        """Return for each field of `Filters` the values that would find something, with the number of dialogues."""
        of_statements = counting(self.run)
        queries: dict[str, Any] = {
            "culture": self._counted(ParticipantRow.culture).join(
                ParticipantRow, col(ParticipantRow.dialogue_id) == col(DialogueRow.id)
            ),
            "kind": self._counted(StatementRow.kind)
            .join(TurnRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
            .join(StatementRow, col(StatementRow.turn_id) == col(TurnRow.id))
            .where(of_statements),
            "stop": self._counted(STOP),
            "verdict": self._counted(VerdictRow.relation)
            .join(TurnRow, col(TurnRow.dialogue_id) == col(DialogueRow.id))
            .join(StatementRow, col(StatementRow.turn_id) == col(TurnRow.id))
            .join(VerdictRow, col(VerdictRow.statement_id) == col(StatementRow.id))
            .where(of_statements, *judged(self.run)),
        }
        by_field: dict[str, dict[str, int]] = {}
        with self.store.database.reading() as session:
            for name, query in queries.items():
                counts: dict[str, int] = defaultdict(int)
                for value, count in of_columns(session.execute(query)):
                    counts[cause(value) if name == "stop" else value] += count
                by_field[name] = dict(sorted(counts.items()))
        return by_field

    def lines(self, ids: Sequence[str]) -> list[Line]:
        """Return the lines of some dialogues, in this order; at most `PAGE`. A dialogue that is gone is left out."""
        inside = col(DialogueRow.id).in_(ids)
        with self.store.database.reading() as session:
            dialogues = {row.id: row for row in session.exec(select(DialogueRow).where(inside))}
            people: dict[str, list[tuple[str, str]]] = defaultdict(list)
            sitting = sqlalchemy.select(*columns(ParticipantRow, "dialogue_id", "name", "culture"))
            sitting = sitting.where(col(ParticipantRow.dialogue_id).in_(ids)).order_by(col(ParticipantRow.position))
            for dialogue_id, name, culture in of_columns(session.execute(sitting)):
                people[dialogue_id].append((name, culture))
            turns = tally(session, col(TurnRow.dialogue_id), col(TurnRow.dialogue_id).in_(ids))
            statements = sqlalchemy.select(col(TurnRow.dialogue_id), func.count(col(StatementRow.id))).join(
                StatementRow, col(StatementRow.turn_id) == col(TurnRow.id)
            )
            statements = statements.where(col(TurnRow.dialogue_id).in_(ids), counting(self.run))
            mined = pairs(session, statements.group_by(col(TurnRow.dialogue_id)))
            samples = (
                sqlalchemy.select(col(TurnRow.dialogue_id), func.count(col(SampleRow.id)))
                .join(StatementRow, col(StatementRow.turn_id) == col(TurnRow.id))
                .join(SampleRow, col(SampleRow.statement_id) == col(StatementRow.id))
                .where(col(TurnRow.dialogue_id).in_(ids), col(SampleRow.status) == "kept")
            )
            kept = pairs(session, samples.group_by(col(TurnRow.dialogue_id)))
            branches = tally(session, col(DialogueRow.parent_id), col(DialogueRow.parent_id).in_(ids))
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
        """Return the ids of the dialogues that are going on just now."""
        query = select(DialogueRow.id).where(DialogueRow.run_id == self.run.id, DialogueRow.status == Status.RUNNING)
        with self.store.database.reading() as session:
            return list(session.exec(query.order_by(col(DialogueRow.number))))

    def branches(self, dialogue_id: str) -> list[DialogueRow]:
        """Return the dialogues that branched off one, oldest first; each is in a run of its own."""
        with self.store.database.reading() as session:
            query = select(DialogueRow).join(RunRow, col(RunRow.id) == col(DialogueRow.run_id))
            query = query.where(DialogueRow.parent_id == dialogue_id)
            return list(session.exec(query.order_by(col(RunRow.created_at), col(DialogueRow.id))))

    def search(self, words: str, unwanted: Callable[[], bool] = lambda: False) -> Iterator[Found]:
        """Yield the turns in which all words occur, in the order of the talk; case and width do not count.

        Words in double quotes must stand together. The run is read page by page as turns are asked for.

        Args:
            unwanted: asked before every page; a search that finds little would otherwise have to be waited for.
        """
        wanted_terms = terms(words)
        ids = self.find() if wanted_terms else []
        for start in range(0, len(ids), PAGE // 5):
            if unwanted():
                return
            places = {name: place for place, name in enumerate(ids[start : start + PAGE // 5])}
            query = sqlalchemy.select(*columns(TurnRow, "dialogue_id", "id", "position", "speaker", "text"))
            with self.store.database.reading() as session:
                page = of_columns(session.execute(query.where(col(TurnRow.dialogue_id).in_(places))))
            for row in sorted(page, key=lambda row: (places[row.dialogue_id], row.position)):
                text = folded(row.text)
                if all(term in text for term in wanted_terms):
                    yield Found(row.dialogue_id, row.id, row.position, row.speaker, row.text)

    def _counted(self, value: Any) -> Any:
        query = sqlalchemy.select(value, func.count(func.distinct(DialogueRow.id))).select_from(DialogueRow)
        return query.where(col(DialogueRow.run_id) == self.run.id).group_by(value)

    def _conditions(self, filters: Filters) -> list[Any]:
        conditions: list[Any] = []
        if filters.culture:
            sits = and_(
                col(ParticipantRow.dialogue_id) == col(DialogueRow.id), col(ParticipantRow.culture) == filters.culture
            )
            conditions.append(exists().where(sits))
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


MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
"""Accents, and what Arabic and Hebrew are written without. `report/js/search.js` has the same."""

STOP = func.coalesce(DialogueRow.stop_reason, DialogueRow.status)


def judged(run: RunRow) -> tuple[Any, ...]:
    """Return the conditions for verdicts of `faithful` and `stance` that count."""
    return col(VerdictRow.criterion).in_(("faithful", "stance")), col(VerdictRow.round) == run.verify_round


def cause(stop: str) -> str:
    """`refused-turns` of `refused-turns: same-words`."""
    return stop.partition(":")[0]


def folded(text: str) -> str:
    """Return a text on one line, without case, width, and the marks on letters that people leave out when they type."""
    line = text.upper() if text.isascii() else folded_letters(text)
    return " ".join(line.split())


def folded_letters(text: str) -> str:
    # Small letters first, or ẞ would stay; capitals last, in which ı and i are one, and both of the Greek sigmas.
    return MARKS.sub("", unicodedata.normalize("NFKD", text)).lower().upper()


def folded_with_places(text: str) -> tuple[str, list[int]]:
    """Return `folded(text)`, and for each of its letters the place in the text that it comes from."""
    line, places = " ", [0]
    for at, letter in enumerate(text):
        for folded_letter in folded_letters(letter):
            space = folded_letter.isspace()
            if not (space and line[-1] == " "):
                line += " " if space else folded_letter
                places.append(at)
    return line[1:], places[1:]


def terms(words: str) -> list[str]:
    """Return the terms of a search: words, and whatever stands in double quotes as one."""
    parts = enumerate(folded(words).split('"'))
    return [term for at, part in parts for term in ([part.strip()] if at % 2 else part.split()) if term]


def columns(table: Any, *names: str) -> list[Any]:
    return [col(getattr(table, name)) for name in names]


def pairs(session: Session, query: Any) -> dict[str, int]:
    return dict(map(tuple, of_columns(session.execute(query))))


def tally(session: Session, by: Any, condition: Any) -> dict[str, int]:
    return pairs(session, sqlalchemy.select(by, func.count()).where(condition).group_by(by))
