"""The tables. Names and meanings are a contract with other people's scripts; see docs/store.md.

Ids spell the path to a row: run `20261121-quickstart-7f3a`, then `.d3` (dialogue), `.t5` (turn), `.s2` (statement),
`.v1` (verdict), `.x1` (sample), `.c4` (call). An evaluation is a run: `e7f3a9`, then `.a12` (answer), `.s1` (score) and
`.f3` (figure). Times are ISO 8601 in UTC. JSON is ASCII text. Nothing here is particular to SQLite.
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from culturepark.domain import Noun, Rendering, Review, Slip, Statement, StatementRendering, Turn
from culturepark.errors import StoreError


class Key(TypeDecorator[str]):
    """A primary key that is never NULL; for a damaged row with NULL a query would give None in place of the row."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: str | None, _: Dialect) -> str:
        if value is None:
            raise StoreError("a row without its id; `culturepark doctor` lists all damage")
        return value


class Bytes(TypeDecorator[bytes]):
    """Bytes as the driver gives them; SQLAlchemy would turn a number n in a damaged row into n zeros."""

    impl = LargeBinary
    cache_ok = True

    def result_processor(self, *_: object) -> Any:
        return None


class Number(TypeDecorator[float]):
    """A finite number; SQLite would store NaN as NULL, and PostgreSQL as greater than all others."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, _: Dialect) -> float | None:
        return storable_number(value)


def storable_number(value: float | None) -> float | None:
    """
    Raises:
        StoreError: if it is not finite.
    """
    if value is not None and not math.isfinite(value):
        raise StoreError(f"{value} is no number that can be kept; please report it")
    return value


class Json(TypeDecorator[str]):
    """Standard JSON; `NaN` and `Infinity`, which Python writes and no database reads, become null."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        return value and standard_json(value)


def standard_json(text: str) -> str:
    """Return JSON text with null for `NaN` and `Infinity`; the same text if it has none outside strings."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    constants: list[str] = []
    try:
        value = json.loads(text, parse_constant=constants.append, parse_float=finite)
    except (ValueError, RecursionError):  # no JSON, which is reported when it is read
        return text
    return json.dumps(value, ensure_ascii=True, allow_nan=False) if constants else text


def finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


N = TypeVar("N", bound=Noun)


def noun_of(row: SQLModel, kind: type[N]) -> N:
    """Return the domain object of a row, without the columns that only the store has."""
    return kind.model_validate({name: getattr(row, name) for name in shared_fields(type(row), kind)})


@cache
def shared_fields(table: type[SQLModel], kind: type[Noun]) -> tuple[str, ...]:
    return tuple(name for name in table.model_fields if name in kind.model_fields)


class RunRow(SQLModel, table=True):
    """One `simulate`. It holds the whole edition it ran on, so it needs no files."""

    __tablename__ = "run"
    id: str = Field(primary_key=True, sa_type=Key)
    scenario_name: str
    scenario_digest: str
    """sha256 of `scenario`."""
    scenario: str = Field(sa_type=Text)
    """The whole edition as canonical JSON: scenario, questions with shares, persona cards."""
    seed: int = Field(sa_type=BigInteger)
    status: str
    stop_reason: str | None = None
    version: str
    """Version of culturepark that made the run."""
    created_at: str
    finished_at: str | None = None
    models: str = Field(sa_type=Json)
    """JSON: model role -> spec. Never a key."""
    settings: str = Field(sa_type=Json)
    """JSON: concurrency, until, max_cost_usd, max_tokens, rpm, tpm."""
    extract_round: int = 1
    """Round of the extraction that counts; `distill --from extract` starts the next."""
    verify_round: int = 1
    """Round of the verification that counts; `distill --from extract|verify` starts the next."""
    skipped: str | None = Field(default=None, sa_type=Json)
    """JSON: what the plan had to leave out, a list of seed_key, culture, dialogues and why; null until it is planned,
    and in runs of version 0.1."""
    name: str | None = None
    """What its user calls it; commands take it in place of the id."""
    note: str | None = Field(default=None, sa_type=Text)
    """The user's remark on it."""


class DialogueRow(SQLModel, table=True):
    """One conversation about one question."""

    __tablename__ = "dialogue"
    __table_args__ = (UniqueConstraint("run_id", "number"), Index("ix_dialogue_run_id_status", "run_id", "status"))
    id: str = Field(primary_key=True, sa_type=Key)
    run_id: str = Field(foreign_key="run.id", index=True)
    number: int
    seed_key: str
    setting: str
    protocol: str
    language: str
    status: str
    stop_reason: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    extracted: int = 0
    """Last finished round of extraction; 0 for none."""
    verified: int = 0
    """Last finished round of verification; 0 for none."""
    examined: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """1 once slips were looked for in its turns; 2 where the verifier's model is too small for that; 3 where its answer
    about some of them could not be read."""
    rejected: str = Field(default="{}", sa_type=Json)
    """JSON: reason -> number of proposed statements that were rejected."""
    parent_id: str | None = Field(default=None, index=True)
    """The dialogue that this one branched off. It may be missing: runs are deleted, and copied into other stores."""
    branched_at: int | None = None
    """Number of turns that were copied from the parent."""


class ParticipantRow(SQLModel, table=True):
    """One persona in a dialogue, with the stance drawn for it."""

    __tablename__ = "participant"
    dialogue_id: str = Field(foreign_key="dialogue.id", primary_key=True)
    position: int = Field(primary_key=True)
    persona_key: str
    name: str
    role: str
    culture: str
    country: str | None = None
    stance_code: int | None = None
    stance_text: str | None = None
    fit: int | None = None
    """How well the stance fits the persona's card, 0 (ruled out) to 3 (expected); null where nobody has rated it."""


Number64: Any = BigInteger().with_variant(Integer, "sqlite")
"""SQLite takes a key for the number of the row only if its type is this word."""


class CallColumns(SQLModel):
    """The columns of a call."""

    id: str = Field(primary_key=True, sa_type=Key)
    run_id: str = Field(foreign_key="run.id")
    stage: str
    subject_id: str
    """Id of the dialogue, turn or run for which it was made."""
    model: str
    endpoint: str
    prompt_digest: str
    """sha256 of the prompt templates it was rendered from."""
    request_digest: str
    """sha256 of endpoint and request: an answered call is never sent again."""
    request: str = Field(sa_type=Json)
    """The exact body that was sent. In `call_log` it is empty where `pieces` has it."""
    response: str | None = Field(default=None, sa_type=Json)
    """The answer as it came; of log-probabilities, tokens and their rivals alone."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    """Tokens of the completion that were thoughts; null if the server does not report them."""
    tokens_from: str | None = None
    """`server`, `tiktoken`, or `estimate` (characters / 4)."""
    cost_usd: float | None = Field(default=None, sa_type=Number)
    finish_reason: str | None = None
    seed: int | None = Field(default=None, sa_type=BigInteger)
    attempt: int
    error: str | None = Field(default=None, sa_type=Text)
    refused: str | None = None
    """The guard that refused the answer, if one did."""
    started_at: str
    duration_ms: int | None = None


class CallRow(CallColumns, table=True):
    """One request that left for a model, failed or not, with the exact body and the answer. A view of `call_log`."""

    __tablename__ = "call"
    __table_args__ = {"info": {"view": True}}


UNPACKED = text("pieces IS NULL")


class CallLogRow(CallColumns, table=True):
    """The rows of `call`, each request in the pieces that it has in common with others (`store/pieces`)."""

    __tablename__ = "call_log"
    __table_args__ = (
        Index("ix_call_run_id", "run_id"),
        Index("ix_call_subject_id", "subject_id"),
        Index("ix_call_log_unpacked", "id", sqlite_where=UNPACKED, postgresql_where=UNPACKED),
    )
    pieces: str | None = Field(default=None, sa_type=Text)
    """JSON: a list of numbers, each 64 times the id of a piece, plus how many of those that follow it belong here too;
    empty where `request` has the body, and null in a row of an older version that has not been looked at."""


class PieceRow(SQLModel, table=True):
    """A part of requests, about a sentence long, that is stored once."""

    __tablename__ = "piece"
    id: int = Field(primary_key=True, sa_type=Number64, sa_column_kwargs={"autoincrement": False})
    digest: int = Field(sa_type=BigInteger, unique=True)
    """The first six bytes of the text's sha256, as a number."""
    text: str = Field(sa_type=Text)


READ_AS = {"call_log": "call"}
"""Table that other rows point at -> the view by which it is read."""


BATCH_STATES = ("sending", "open", "done", "failed")
"""Of a batch: about to be submitted, under way, ended (answered or expired), taken back as a whole."""


UNDER_WAY = BATCH_STATES[:2]
"""States of a batch whose calls may still be answered."""


class BatchRow(SQLModel, table=True):
    """Requests that were sent together, at half the price; its items are calls."""

    __tablename__ = "batch"
    id: str = Field(primary_key=True, sa_type=Key)
    """`RUN.b1`, `RUN.b2`, ..."""
    run_id: str = Field(foreign_key="run.id", index=True)
    endpoint: str
    model: str
    kind: str
    """The format: `openai` or `anthropic`."""
    name: str
    """By which it is looked for at the service if its submission was cut short."""
    remote_id: str | None = None
    """Its id at the service; null until that is known."""
    status: str
    items: int
    """Number of its requests."""
    created_at: str
    expires_at: str | None = None
    """When the service gives up on it; null if it did not say."""
    finished_at: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    """What was wrong with it; null if nothing was."""


class BatchedRow(SQLModel, table=True):
    """The batch that a call was sent in; calls without such a row were sent by themselves."""

    __tablename__ = "batched"
    call_id: str = Field(foreign_key="call_log.id", primary_key=True, sa_type=Key)
    batch_id: str = Field(foreign_key="batch.id", index=True)


class TurnRow(SQLModel, table=True):
    """One speech."""

    __tablename__ = "turn"
    __table_args__ = (UniqueConstraint("dialogue_id", "position"), UniqueConstraint("dialogue_id", "slot"))
    id: str = Field(primary_key=True, sa_type=Key)
    dialogue_id: str = Field(foreign_key="dialogue.id", index=True)
    position: int
    slot: int
    speaker: str
    role: str
    phase: str
    text: str = Field(sa_type=Text)
    origin: str
    """`model`, `picked` (from the card, by a small model), `cue`, `fallback` (a fixed follow-up in place of one that
    was refused twice), `typed` or `edited`."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id")
    act: str | None = None
    """What the moderator did with it; null for others' turns and in scripted dialogues."""
    addressee: str | None = None
    """Key of the persona whom it asks; null where it asks nobody."""
    reason: str | None = Field(default=None, sa_type=Text)
    """Why the moderator chose this act."""
    mark: str | None = Field(default=None, sa_type=Json)
    """JSON: what the speaker says of the turn: told, grounds, asks; null where the speaker said nothing of it."""
    language: str | None = None
    """The one in which it was said (BCP 47); null where the dialogue has but one."""

    @classmethod
    def of(cls, dialogue_id: str, turn: Turn) -> TurnRow:
        return cls(**turn_values(dialogue_id, turn))

    def noun(self) -> Turn:
        return noun_of(self, Turn)


def turn_values(dialogue_id: str, turn: Turn) -> dict[str, Any]:
    """Return the columns of a turn."""
    mark = turn.mark and turn.mark.model_dump_json()
    return {"id": f"{dialogue_id}.t{turn.position}", "dialogue_id": dialogue_id, **turn.model_dump(), "mark": mark}


class RenderingRow(SQLModel, table=True):
    """What those heard of a turn who do not speak its language."""

    __tablename__ = "rendering"
    turn_id: str = Field(foreign_key="turn.id", primary_key=True, sa_type=Key)
    language: str = Field(primary_key=True)
    text: str = Field(sa_type=Text)
    call_id: str | None = Field(default=None, foreign_key="call_log.id")
    """The interpreter's call; null for fixed words, which there are in each language."""

    def noun(self) -> Rendering:
        return noun_of(self, Rendering)


def renderings_of(dialogue_id: str, turn: Turn) -> list[RenderingRow]:
    """Return the rows of what the interpreter made of a turn."""
    return [RenderingRow(turn_id=f"{dialogue_id}.t{turn.position}", **one.model_dump()) for one in turn.renderings]


class SlipRow(SQLModel, table=True):
    """What the verifier found wrong in a turn, after the talk."""

    __tablename__ = "slip"
    turn_id: str = Field(foreign_key="turn.id", primary_key=True, sa_type=Key)
    kind: str = Field(primary_key=True)
    """`contradiction`, `addressee`, `task`, `unanswered` or `unfounded`."""
    quote: str = Field(sa_type=Text)
    """The words in question, as they stand in the turn."""
    note: str = Field(sa_type=Text)
    """The model's reason."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id")

    def noun(self) -> Slip:
        return noun_of(self, Slip)


class ProbeRow(SQLModel, table=True):
    """One answer to a question that measures a talk."""

    __tablename__ = "probe"
    dialogue_id: str = Field(foreign_key="dialogue.id", primary_key=True, sa_type=Key)
    kind: str = Field(primary_key=True)
    """`stance` or `understanding`."""
    moment: str = Field(primary_key=True)
    """`before` (from the introductions alone) or `after` the talk; `own`: the person's own answer, by which predictions
    are scored."""
    about: str = Field(primary_key=True)
    """Key of the persona whose answer it is about."""
    by: str = Field(primary_key=True)
    """`judge` (of stances) or `reader` (who predicts): models that see what was said and nothing else; for `own`, the
    persona's key."""
    choice: int | None = None
    """The chosen answer: a code of the survey item, or the number of a choice from 1; null if none could be read."""
    truth: int | None = None
    """The right one; null for `own`, and where the person's own answer could not be read."""
    options: int
    """Number of answers to choose from."""
    chance: float | None = Field(default=None, sa_type=Number)
    """Probability (0-1) of being right without the talk: of a stance, the share of the commonest answer in the person's
    country; of a choice, and where there are no shares, one of all options. Null for `own`."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id")


class StatementRow(SQLModel, table=True):
    """One opinion, norm or custom, and the exact quote it rests on."""

    __tablename__ = "statement"
    id: str = Field(primary_key=True, sa_type=Key)
    turn_id: str = Field(foreign_key="turn.id", index=True)
    persona_key: str
    culture: str = Field(index=True)
    kind: str
    text: str = Field(sa_type=Text)
    first_person: str = Field(sa_type=Text)
    quote: str = Field(sa_type=Text)
    quote_start: int
    quote_end: int
    rewritten_from: str | None = Field(default=None, foreign_key="statement.id")
    round: int
    call_id: str | None = Field(default=None, foreign_key="call_log.id")
    """The extraction or rewording that proposed it."""
    question: str | None = Field(default=None, sa_type=Text)
    """A question that it answers, by the model that extracted it. Null where none was made, and in older runs; so are
    the columns that follow."""
    about: str | None = None
    """`seed` (its question), `case` (the one at the table) or `else`."""
    reach: str | None = None
    """`general` (people around the speaker) or `personal`."""
    exception: str | None = Field(default=None, sa_type=Text)
    """For whom or when it is not so, in the speaker's voice."""
    hangs_on: str = Field(default="[]", sa_type=Json, sa_column_kwargs={"server_default": "[]"})
    """JSON: what of the person the answer hangs on, such as `age` or `faith`."""
    provenance: str | None = None
    """`card`, `episode`, or `model`: no card carries it."""
    source: str | None = None
    """The line of the card that carries it, such as `norm 2` or `scene 1`."""
    unlike: str | None = None
    """Id of the statement from another country that its speaker says is not so at home."""
    language: str | None = None
    """The one that it is worded in (BCP 47); null in older runs, where it is the dialogue's."""

    @classmethod
    def of(cls, statement: Statement, round_number: int, call_id: str | None) -> StatementRow:
        return cls(**statement_values(statement, round_number, call_id))

    def noun(self) -> Statement:
        return noun_of(self, Statement)


def statement_values(statement: Statement, round_number: int, call_id: str | None) -> dict[str, Any]:
    """Return the columns of a statement."""
    values = {**dict(statement), "hangs_on": json.dumps(statement.hangs_on)}
    return {**values, "round": round_number, "call_id": call_id}


class StatementRenderingRow(SQLModel, table=True):
    """A statement in another language than the one that it is worded in."""

    __tablename__ = "statement_rendering"
    statement_id: str = Field(foreign_key="statement.id", primary_key=True, sa_type=Key)
    language: str = Field(primary_key=True)
    text: str = Field(sa_type=Text)
    first_person: str = Field(sa_type=Text)
    question: str | None = Field(default=None, sa_type=Text)
    exception: str | None = Field(default=None, sa_type=Text)
    call_id: str | None = Field(default=None, foreign_key="call_log.id")
    agrees: bool | None = None
    """Whether a second call found that it says the same as the original; null where none was made."""
    difference: str | None = Field(default=None, sa_type=Text)
    """In that call's words."""
    checked_by: str | None = Field(default=None, foreign_key="call_log.id")
    """That call."""

    def noun(self) -> StatementRendering:
        return noun_of(self, StatementRendering)


class VerdictRow(SQLModel, table=True):
    """One criterion's answer on one statement; of a panel, one judge's."""

    __tablename__ = "verdict"
    id: str = Field(primary_key=True, sa_type=Key)
    statement_id: str = Field(foreign_key="statement.id", index=True)
    criterion: str
    relation: str
    confidence: float | None = Field(default=None, sa_type=Number)
    decision: str
    """For scores of a panel, the decision by all of them together."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id")
    round: int
    score: float | None = Field(default=None, sa_type=Number)
    """Score of a judge, 1 to 5: whole if given with a reason, an expected value if computed from probabilities."""
    answer: str | None = None
    """Answer of a second persona: `shared`, `varies`, `unknown` or `denied`."""
    reason: str | None = Field(default=None, sa_type=Text)
    """The model's reason."""
    judge: str | None = None
    """The judge of a panel, or the second persona's key."""


class DuplicateRow(SQLModel, table=True):
    """One statement that another one stands for."""

    __tablename__ = "duplicate"
    statement_id: str = Field(foreign_key="statement.id", primary_key=True, sa_type=Key)
    cluster_id: str = Field(index=True)
    representative_id: str = Field(foreign_key="statement.id")
    method: str
    similarity: float = Field(sa_type=Number)


class SampleRow(SQLModel, table=True):
    """One statement in one shape: a row to train on, if it is kept."""

    __tablename__ = "sample"
    __table_args__ = (Index("ix_sample_status_id", "status", "id"),)
    id: str = Field(primary_key=True, sa_type=Key)
    statement_id: str = Field(foreign_key="statement.id", index=True)
    culture: str = Field(index=True)
    kind: str
    messages: str = Field(sa_type=Json)
    """JSON: [{"role": ..., "content": ...}, ...]."""
    status: str
    drop_reason: str | None = None
    split: str | None = None
    flags: str = ""
    """Words with a space between them: `as-published` if the rewrite policy of that name kept it unchecked;
    `unfounded` if its turn tells a rule or custom as a fact that is on no card; `generic` if it would pass for most
    other countries."""
    provenance: str | None = None
    """Where its content comes from: `card`, `episode` or `model`; null in older runs."""
    beside: str | None = None
    """Id of the other statement, where it is made of two."""
    language: str | None = None
    """The one that it is worded in (BCP 47); null in older runs, where it is the dialogue's."""


class ReviewRow(SQLModel, table=True):
    """One reviewer's judgement of a turn, a statement or a sample."""

    __tablename__ = "review"
    id: str = Field(primary_key=True, sa_type=Key)
    subject_id: str = Field(index=True)
    reviewer: str
    decision: str
    """`accept`, `reject` or `comment`."""
    rating: int | None = None
    """1 (poor) to 5."""
    note: str | None = Field(default=None, sa_type=Text)
    created_at: str
    wording: str | None = Field(default=None, sa_type=Text)
    """Corrected words: the text of a turn, `first_person` of a statement, the answer of a sample."""
    withdrawn_at: str | None = None
    """Time at which its reviewer took it back. Of the others, each reviewer's newest on a subject counts."""

    def noun(self) -> Review:
        return noun_of(self, Review)


class SelectionRow(SQLModel, table=True):
    """A set of samples that was picked out of runs, and how."""

    __tablename__ = "selection"
    id: str = Field(primary_key=True, sa_type=Key)
    """`sel-DATE-` and four hexadecimal digits."""
    name: str | None = None
    """What its user calls it; commands take it in place of the id."""
    created_at: str
    version: str
    """Version of culturepark that made it."""
    runs: str = Field(sa_type=Json)
    """JSON: the ids of the runs, sorted."""
    wanted: str = Field(sa_type=Json)
    """JSON: size, quotas, gates and seed of the draw."""
    funnel: str = Field(sa_type=Json)
    """JSON: a list of steps in their order, each with the gate's name and the samples left after it."""
    unfilled: str = Field(sa_type=Json)
    """JSON: a list of cells of which there were too few samples, each with wanted and found."""
    extends: str | None = None
    """Id of the selection whose samples it holds too. It may be missing: selections are deleted."""


class SelectedRow(SQLModel, table=True):
    """One sample of a selection."""

    __tablename__ = "selected"
    selection_id: str = Field(foreign_key="selection.id", primary_key=True, sa_type=Key)
    sample_id: str = Field(primary_key=True, index=True, sa_type=Key)
    """It may be missing: runs are deleted, and distilled again."""
    position: int
    """Place in the selection, from 1."""
    cell: str = Field(sa_type=Json)
    """JSON: axis -> value, of the cell that it fills."""


class DrawRow(SQLModel, table=True):
    """A random sample of rows for people to judge."""

    __tablename__ = "draw"
    id: str = Field(primary_key=True, sa_type=Key)
    """`draw-DATE-` and four hexadecimal digits."""
    over_id: str = Field(index=True)
    """Id of the run or selection that it was drawn from."""
    created_at: str
    seed: int = Field(sa_type=BigInteger)
    population: int
    """Number of kept samples that it was drawn from."""


class DrawnRow(SQLModel, table=True):
    """One sample of a draw."""

    __tablename__ = "drawn"
    draw_id: str = Field(foreign_key="draw.id", primary_key=True, sa_type=Key)
    sample_id: str = Field(primary_key=True, sa_type=Key)
    """It may be missing: runs are deleted, and distilled again."""
    position: int
    """Place in which it was drawn, from 1: every beginning of a draw is a random sample too."""


class SuiteRow(SQLModel, table=True):
    """A set of items with what is asked of them, shared by all evaluations that use it."""

    __tablename__ = "suite"
    id: str = Field(primary_key=True, sa_type=Key)
    """Its name and the first eight digits of `digest`, such as `survey-1f3a9c02`."""
    name: str
    digest: str
    """sha256 of `definition` and all items; equal suites have one id in every store."""
    definition: str = Field(sa_type=Json)
    """JSON: everything about it but the items."""
    created_at: str
    """Time at which it came into this store."""


class ItemRow(SQLModel, table=True):
    """One thing to put to a model, and what it is held against."""

    __tablename__ = "item"
    id: str = Field(primary_key=True, sa_type=Key)
    """`.i12` is the twelfth of its suite."""
    suite_id: str = Field(foreign_key="suite.id", index=True)
    key: str
    """What the suite's file calls it."""
    language: str
    """The one that it is worded in (BCP 47)."""
    payload: str = Field(sa_type=Json)
    """JSON: an object with what is shown, such as question and options."""
    target: str = Field(sa_type=Json)
    """JSON: one answer, shares of answers, a reference text, a label or ratings; `null` if there is none."""
    split: str | None = None
    """Part of the suite, such as `dev`; null where there are no parts."""


class EvaluationRow(SQLModel, table=True):
    """One model's answers to a suite. It is a run, so its calls, its name and its note are the run's."""

    __tablename__ = "evaluation"
    id: str = Field(primary_key=True, sa_type=Key)
    """The same as `run_id`."""
    suite_id: str = Field(foreign_key="suite.id", index=True)
    run_id: str = Field(foreign_key="run.id")
    model: str
    """Spec of the model that answers."""
    adapter: str | None = None
    """The adapter that is laid over the model; null without."""
    settings: str = Field(sa_type=Json)
    """JSON: conditions, elicitation, respondents and scorers."""
    seed: int = Field(sa_type=BigInteger)
    status: str
    """That of the run."""
    created_at: str
    finished_at: str | None = None


class AnswerRow(SQLModel, table=True):
    """What a model said to one item, under one condition, as one respondent, one time."""

    __tablename__ = "answer"
    id: str = Field(primary_key=True, sa_type=Key)
    evaluation_id: str = Field(foreign_key="evaluation.id", index=True)
    item_id: str = Field(foreign_key="item.id", index=True)
    culture: str | None = None
    """The culture that the answer is to be for; null where none is named."""
    country: str | None = None
    """The country whose answers it is held against; null where there is none."""
    framing: str
    """In whose name the model answers: `neutral` (its own), `persona` (somebody from the place) or `observer` (one who
    knows the place)."""
    language: str
    """The one in which the item was put (BCP 47)."""
    reasoning: bool
    """Whether the model thought aloud before it answered."""
    arm: str
    """Name of the prompt that went before everything else; `plain` is none."""
    respondent: str
    """Key of the persona as whom the model answers; empty for the bare model."""
    repeat: int
    """Number of the answer among those of the same item, condition and respondent, from 0."""
    shown: str | None = Field(default=None, sa_type=Json)
    """JSON: the codes of the options in the order in which they were shown, -1 for the option not to answer; null for
    free text."""
    text: str = Field(sa_type=Text)
    """The answer in the model's words, without its thoughts."""
    choice: int | None = None
    """Code of the chosen option; null for free text, and where none could be read. Missing is never a value."""
    probabilities: str | None = Field(default=None, sa_type=Json)
    """JSON: code of an option -> its probability (0-1) at the answer token, as the endpoint gave it. They add up to 1
    less `outside_mass`. Null where the endpoint gives none."""
    outside_mass: float | None = Field(default=None, sa_type=Number)
    """Probability (0-1) of everything that is no option. Null where `probabilities` is."""
    abstained: bool
    """Whether the model refused to choose, or said that it has no view."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id", index=True)


ARTEFACTS = ("adapter", "filter", "hyper")
"""Kinds of what is trained."""


class ScoreRow(SQLModel, table=True):
    """One scorer's value for one answer; of a panel, one judge's."""

    __tablename__ = "score"
    id: str = Field(primary_key=True, sa_type=Key)
    answer_id: str = Field(foreign_key="answer.id", index=True)
    scorer: str
    """The scorer, or the scale that judges and people rate on."""
    value: float | None = Field(default=None, sa_type=Number)
    """In the scorer's unit; null where the answer has none."""
    detail: str | None = Field(default=None, sa_type=Json)
    """JSON: what the value is made of, or a judge's reason."""
    judge: str | None = None
    """Spec of the model that judged, or `person:NAME`; null where the value was computed."""
    call_id: str | None = Field(default=None, foreign_key="call_log.id", index=True)
    """The judge's call."""


class FigureRow(SQLModel, table=True):
    """One aggregate over the answers of an evaluation, beside what knowing nothing would give."""

    __tablename__ = "figure"
    id: str = Field(primary_key=True, sa_type=Key)
    evaluation_id: str = Field(foreign_key="evaluation.id", index=True)
    metric: str
    group_key: str
    """The answers that it is over, such as `culture=german,framing=persona`; `all` for all of them."""
    value: float | None = Field(default=None, sa_type=Number)
    """In the metric's unit; null where there is nothing to compute it from."""
    n: int
    """Number of items, or of pairs, that it is over."""
    low: float | None = Field(default=None, sa_type=Number)
    """Lower end of the interval; null where there is none."""
    high: float | None = Field(default=None, sa_type=Number)
    null_name: str | None = None
    """The strongest answer that knows nothing, such as `midpoint`."""
    null_value: float | None = Field(default=None, sa_type=Number)
    """What that answer scores on the same items."""
    ceiling: float | None = Field(default=None, sa_type=Number)
    """What another sample of the same people would score."""
    skill: float | None = Field(default=None, sa_type=Number)
    """(value - null_value) / (ceiling - null_value): 0 for knowing nothing, 1 for the ceiling."""


class ArtefactRow(SQLModel, table=True):
    """What was trained on rows of this store: an adapter, a filter, or a hypernetwork."""

    __tablename__ = "artefact"
    id: str = Field(primary_key=True, sa_type=Key)
    """Its kind and the first eight digits of `sha256`, such as `adapter-1f3a9c02`."""
    kind: str
    """`adapter`, `filter` or `hyper`."""
    path: str
    """The folder that it was written to, as its user named it; it may have been moved since."""
    sha256: str
    """Of the file with its weights."""
    base: str
    """The model that it was trained on, as its user named it; empty if it needs none."""
    export_manifest_sha256: str | None = None
    """Of the `manifest.json` beside the rows; null if there was none."""
    settings: str = Field(sa_type=Json)
    """JSON: how it was trained."""
    figures: str = Field(sa_type=Json)
    """JSON: rows, losses, time, and what else was measured."""
    created_at: str


class TrainedRow(SQLModel, table=True):
    """One row that an artefact was trained on."""

    __tablename__ = "trained"
    artefact_id: str = Field(foreign_key="artefact.id", primary_key=True, sa_type=Key)
    position: int = Field(primary_key=True)
    """Place among the rows that it was trained on, from 1."""
    row_id: str = Field(index=True)
    """Id of the sample, or whatever the export's index names; it may be missing from this store."""
    sha256: str
    """Of the line in the export."""


class WorkerRow(SQLModel, table=True):
    """A process at work on a run, while several may be; all rows of a run go when it is done or stopped."""

    __tablename__ = "worker"
    id: str = Field(primary_key=True, sa_type=Key)
    """The run's id and `.w` with eight hexadecimal digits; `.w0` holds what the run had spent before."""
    run_id: str = Field(index=True)
    host: str
    process: int
    joined_at: str
    until: float = Field(sa_type=Number)
    """Until when it holds what it has claimed: seconds since 1970, by the server's clock."""
    tokens: int = Field(sa_type=BigInteger)
    """What it has used since it joined."""
    cost_usd: float | None = Field(default=None, sa_type=Number)
    ended: int
    """1 if it left, or was not heard of until `until`."""


class ClaimRow(SQLModel, table=True):
    """Something to be done in a run while several workers may be at it."""

    __tablename__ = "claim"
    subject_id: str = Field(primary_key=True, sa_type=Key)
    """A dialogue; or the run, for what comes before or after all dialogues."""
    run_id: str = Field(index=True)
    number: int
    """They are claimed in this order."""
    worker_id: str | None = None
    """Who has claimed it; null while nobody has."""
    done: int
    """1 once it needs nothing more, whatever came of it."""


class PacedRow(SQLModel, table=True):
    """A request of the last minute, where several workers keep to one limit of an endpoint."""

    __tablename__ = "paced"
    id: str = Field(primary_key=True, sa_type=Key)
    endpoint: str = Field(index=True)
    at: float = Field(sa_type=Number)
    """When it was made: seconds since 1970, by the server's clock."""
    tokens: int = Field(sa_type=BigInteger)
    """What it used; until it is answered, an estimate."""


class TallyRow(SQLModel, table=True):
    """The figures of a run as they were last reckoned. Triggers delete it when a row changes that they rest on."""

    __tablename__ = "tally"
    run_id: str = Field(primary_key=True, sa_type=Key)
    complete: int = Field(index=True)
    """1 if nothing was missing that may still come, such as a vector; else 0."""
    made_by: str
    """The version of culturepark that reckoned them, and a digest of its modules; another one reckons them anew."""
    token: str
    """Drawn when reckoning began, so that figures are kept only if no row has changed since; empty once they are."""
    document: str | None = Field(default=None, sa_type=Json)
    """JSON: what `culturepark stats --json` prints. Null while it is reckoned, or where that was interrupted."""
    lines: str | None = Field(default=None, sa_type=Json)
    """JSON: the lines that `culturepark stats` prints, short and with all stances."""


class VectorRow(SQLModel, table=True):
    """The cached vector of a text; a missing one is computed again."""

    __tablename__ = "vector"
    embedder: str = Field(primary_key=True)
    """Embedder with its weights: `e5 SHA`, or `openai:NAME@BASE_URL MODEL SIZE` with MODEL as in the endpoint's
    answers."""
    text_sha256: str = Field(primary_key=True)
    """sha256 of the text in UTF-8."""
    vector: bytes = Field(sa_type=Bytes)
    """Numbers of two bytes (IEEE 754 binary16, little-endian); its length is 1 within rounding."""
    checksum: int = Field(sa_type=BigInteger)
    """CRC-32 of `embedder`, `text_sha256` and `vector`, one after the other."""


class FitRow(SQLModel, table=True):
    """A model's ratings of one item's answers for one persona; later runs with the same three use them."""

    __tablename__ = "fit"
    persona_sha256: str = Field(primary_key=True)
    """Of the card as canonical JSON."""
    item_sha256: str = Field(primary_key=True)
    """Of question and options as canonical JSON."""
    model: str = Field(primary_key=True)
    """The spec of the model that gave them."""
    ratings: str = Field(sa_type=Json)
    """JSON: a rating (0-3) for each option, in the order of the options."""
    call_id: str
    """The call that gave them. Its run may have been deleted."""
    rated_at: str


class AbilityRow(SQLModel, table=True):
    """One thing that an endpoint was found to take or to refuse; later runs use it."""

    __tablename__ = "ability"
    endpoint: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    """A part of a request (`seed`, `temperature`, `response_format`, `system` ...), `limit`, `leaks`, `room.STAGE`, or
    `bare`."""
    value: str = Field(sa_type=Json)
    """JSON: `"refused"`, a value that is sent instead, or limits."""
    said: str = Field(default="", sa_type=Text)
    """The server's message."""
    learned_at: str
