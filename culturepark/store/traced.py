"""What is behind a row: the classes of traces and their JSON. They know rows by their columns, wherever they are read.

`lineage` fills them from any store, `quick_trace` from an SQLite file without SQLAlchemy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from culturepark.domain import Edition, JsonObject, Persona, Seed, Slip, SurveyItem
from culturepark.interface import tr
from culturepark.store.grounds import CardLine, Fact, facts

if TYPE_CHECKING:
    from culturepark.store.tables import (
        CallRow,
        DialogueRow,
        DuplicateRow,
        ParticipantRow,
        ReviewRow,
        RunRow,
        SampleRow,
        StatementRenderingRow,
        StatementRow,
        TurnRow,
        VerdictRow,
    )


class Stored(Protocol):
    """A row, as an object with its columns."""

    def model_dump(self, *, exclude: Any) -> dict[str, Any]: ...


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
    edition: Edition
    beside: Trace | None = None
    """Everything behind the other statement, where the sample is made of two."""

    @property
    def questions_shown(self) -> list[str]:
        """The keys of the questions on which a mined norm rests; empty for whatever else."""
        scenario = self.edition.scenario
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
    edition: Edition

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


def whole(row: Stored, decode: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()) -> JsonObject:
    """Return a row as JSON; columns named in `decode` hold JSON and are unpacked."""
    data = row.model_dump(exclude=set(leave_out))
    # Columns come in the order of the file, which an older store has otherwise, or in that of the ORM, which has none.
    data = {name: data[name] for name in sorted(data, key=lambda name: (name != "id", name))}
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
