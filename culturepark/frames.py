"""Samples, statements and dialogues of runs as data frames of pandas.

A frame has one row for each, and a column for each field of its class below: names, order and dtypes are a contract
with other people's scripts. Ids have the same name in all frames, so that frames can be merged.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import sqlalchemy
from sqlmodel import col, func, select

from culturepark.distill.checks import panel_score
from culturepark.distill.samples import Judged, by_criterion, why_dropped
from culturepark.errors import Lacking, StoreError
from culturepark.evaluate.document import parts_of
from culturepark.evaluate.figures import Figure
from culturepark.ids import dialogue_of, run_of, statement_of
from culturepark.models.extras import how_to_install
from culturepark.run.pipeline import given_by
from culturepark.store.castings import sitting_in
from culturepark.store.exports import Look, in_order
from culturepark.store.integrity import edition_of, hangs_on
from culturepark.store.lineage import of_run
from culturepark.store.runs import Speaker
from culturepark.store.store import Store, counting
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

if TYPE_CHECKING:
    import pandas

Id = Annotated[str, "string"]
Text = Annotated[str, "string"]
MaybeText = Annotated[str | None, "string"]
Word = Annotated[str | None, "category"]
"""One of a few."""
Count = Annotated[int | None, "Int64"]
Number = Annotated[float | None, "Float64"]
Things = Annotated[Sequence[Any], "object"]
"""A list, unpacked from JSON."""


@dataclass(frozen=True)
class SampleLine:
    """One sample, as it is stored: an export puts reviewers' wordings in."""

    sample_id: Id
    statement_id: Id
    turn_id: Id
    dialogue_id: Id
    run_id: Id
    culture: Word
    country: Word
    """ISO 3166 alpha-3."""
    persona: Word
    """Key of the speaker's card."""
    seed: Word
    """Key of the question that the dialogue was about."""
    topic: Word
    kind: Word
    """Of the statement: `opinion`, `norm` or `custom`."""
    shape: Word
    """How the statement is put as a row: `own`, `norm`, `survey` ..."""
    stance_code: Count
    """The survey answer that the speaker was given."""
    stance: MaybeText
    """The same in words."""
    provenance: Word
    """Where the content comes from: `card`, `episode` or `model`."""
    source: MaybeText
    """The line of the card, such as `norm 2`."""
    model: Word
    """Name of the model that spoke."""
    prompt: Text
    """The user's last message."""
    answer: Text
    """The assistant's last message."""
    messages: Things
    """All messages, each with `role` and `content`."""
    status: Word
    """`kept`, `dropped` or `rejected` (by reviewers)."""
    drop_reason: Word
    """A word of the store; missing for kept samples."""
    split: Word
    """`train` or `validation` in the newest export with a split."""
    flags: Text
    """Words with a space between them, mostly none."""
    beside: MaybeText
    """The other statement's id, where it is made of two."""
    confidence: Number
    """The least of the verifier's probabilities (0-1) of the verdicts that kept the statement."""
    harmlessness: Number
    """The panel's score, 1 to 5; missing where that check was not made, and so below."""
    awareness: Number
    cross_check: Word
    """What a second persona said."""


@dataclass(frozen=True)
class StatementLine:
    """One statement of the rounds that count."""

    statement_id: Id
    turn_id: Id
    dialogue_id: Id
    run_id: Id
    culture: Word
    country: Word
    """ISO 3166 alpha-3."""
    persona: Word
    """Key of the speaker's card."""
    seed: Word
    """Key of the question that the dialogue was about."""
    topic: Word
    kind: Word
    """`opinion`, `norm` or `custom`."""
    text: Text
    """In the third person."""
    first_person: Text
    """In the speaker's own voice, as samples have it."""
    quote: Text
    """The words in the turn on which it rests."""
    question: MaybeText
    """A question that it answers."""
    about: Word
    """`seed`, `case` or `else`."""
    reach: Word
    """`general` or `personal`."""
    exception: MaybeText
    """For whom or when it is not so."""
    hangs_on: Things
    """What of the person the answer hangs on."""
    provenance: Word
    """Where the content comes from: `card`, `episode` or `model`."""
    source: MaybeText
    """The line of the card, such as `norm 2`."""
    unlike: MaybeText
    """Id of the statement from another country that is not so at home."""
    rewritten_from: MaybeText
    """Id of the statement of which it is a rewording."""
    stance_code: Count
    """The survey answer that the speaker was given."""
    stance: MaybeText
    """The same in words."""
    model: Word
    """Name of the model that spoke."""
    drop_reason: Word
    """Why no sample may come of it, `duplicate` among the reasons; missing where one may."""
    confidence: Number
    """The least of the verifier's probabilities (0-1) of the verdicts that kept it."""
    harmlessness: Number
    """The panel's score, 1 to 5; missing where that check was not made, and so below."""
    awareness: Number
    cross_check: Word
    """What a second persona said."""
    repeats: MaybeText
    """Id of the statement that says the same and stands for it."""
    similarity: Number
    """Of the two, 0-1."""
    samples: Count
    """Number of kept samples."""


@dataclass(frozen=True)
class DialogueLine:
    """One dialogue."""

    dialogue_id: Id
    run_id: Id
    number: Count
    seed: Word
    """Key of the question."""
    topic: Word
    question: Text
    setting: Word
    protocol: Word
    language: Word
    status: Word
    stop_reason: Word
    error: MaybeText
    people: Things
    """Each with `persona`, `name`, `role`, `culture`, `country`, `stance_code` and `stance`."""
    turns: Count
    """Number of turns, and so below."""
    statements: Count
    samples: Count
    """Kept ones alone."""
    parent_id: MaybeText
    """The dialogue that it branched off."""
    branched_at: Count
    """Number of turns that were copied from the parent."""


@dataclass(frozen=True)
class FigureLine:
    """One figure of an evaluation, beside one null."""

    evaluation_id: Id
    suite_id: Id
    model: Word
    """Spec of the model that answered."""
    metric: Word
    group: Text
    """`culture=german,framing=persona,language=en`; the columns below are its parts."""
    culture: Word
    """`all` for all cultures together; missing where the figure is not by culture."""
    country: Word
    topic: Word
    framing: Word
    language: Word
    reasoning: Word
    """`yes`; missing without reasoning."""
    arm: Word
    """Missing for the plain arm."""
    value: Number
    n: Count
    """Items that it rests on."""
    low: Number
    """Ends of the interval of 95% over items."""
    high: Number
    null_name: Word
    """Who knows nothing of the people and yet scores `null_value`."""
    null_value: Number
    ceiling: Number
    """What another sample of the same people would score."""
    skill: Number
    """0 knows as little as the null, 1 is as near as the people themselves."""


Line = TypeVar("Line", SampleLine, StatementLine, DialogueLine, FigureLine)


def samples(runs: Iterable[tuple[Store, RunRow]], dropped: bool) -> pandas.DataFrame:
    """
    Args:
        dropped: with those that were dropped or rejected.
    """
    return frame(SampleLine, runs, lambda look, run: sample_lines(look, run, dropped))


def statements(runs: Iterable[tuple[Store, RunRow]]) -> pandas.DataFrame:
    return frame(StatementLine, runs, statement_lines)


def dialogues(runs: Iterable[tuple[Store, RunRow]]) -> pandas.DataFrame:
    return frame(DialogueLine, runs, dialogue_lines)


def figures(store: Store, run: RunRow, suite_id: str, model: str, found: Iterable[Figure]) -> pandas.DataFrame:
    """
    Args:
        found: the figures of one evaluation.
    """
    names = ("culture", "country", "topic", "framing", "language", "reasoning", "arm")
    lines = []
    for figure in found:
        parts: dict[str, Any] = {name: parts_of(figure.group).get(name) for name in names}
        lines.append(FigureLine(run.id, suite_id, model, **parts, **vars(figure)))
    return frame(FigureLine, [(store, run)], lambda _look, _run: iter(lines))


def frame(
    kind: type[Line], runs: Iterable[tuple[Store, RunRow]], lines: Callable[[Look, RunRow], Iterator[Line]]
) -> pandas.DataFrame:
    """
    Raises:
        Lacking: if pandas is not installed.
        StoreError: if a row is damaged.
    """
    try:
        import pandas
    except ImportError:
        raise Lacking(f"a data frame needs the extra `frames`: {how_to_install('frames')}") from None

    found: list[Line] = []
    for store, run in runs:
        with store.database.reading() as look, damage_told(run):
            found += lines(look, run)
    columns = {name: [getattr(line, name) for line in found] for name, _ in dtypes(kind)}
    return pandas.DataFrame({name: pandas.Series(columns[name], dtype=dtype) for name, dtype in dtypes(kind)})


def dtypes(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield the columns of a frame, each with its dtype."""
    hints = get_type_hints(kind, include_extras=True)
    return ((field.name, hints[field.name].__metadata__[0]) for field in fields(kind))


@contextmanager
def damage_told(run: RunRow) -> Iterator[None]:
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = (str(error).splitlines() or [""])[0]
        raise StoreError(
            f"run {run.id} is damaged: {type(error).__name__}: {what}; `culturepark doctor` lists all damage"
        ) from None


class Known:
    """What is looked up for each row of a run."""

    def __init__(self, look: Look, run: RunRow) -> None:
        self.edition = edition_of(run)
        self.castings = {one.number: one for one in sitting_in(look, col(DialogueRow.run_id) == run.id, self.edition)}
        self.verdicts: dict[str, list[VerdictRow]] = defaultdict(list)
        """Statement id -> verdicts of the round that counts."""
        query = select(VerdictRow).join(StatementRow).join(TurnRow).join(DialogueRow)
        for row in look.exec(query.where(DialogueRow.run_id == run.id, VerdictRow.round == run.verify_round)):
            self.verdicts[row.statement_id].append(row)

    def facts(self, statement: StatementRow, number: int) -> dict[str, Any]:
        """Return the columns that samples and statements share.

        Args:
            number: of the dialogue.
        """
        casting, verdicts = self.castings[number], self.verdicts[statement.id]
        speaker = casting.by_key(statement.persona_key)
        sure = [one.confidence for one in verdicts if one.decision == "keep" and one.confidence is not None]
        return {
            "statement_id": statement.id,
            "turn_id": statement.turn_id,
            "dialogue_id": dialogue_of(statement.id),
            "run_id": run_of(statement.id),
            "culture": statement.culture,
            "country": speaker.persona.country,
            "persona": statement.persona_key,
            "seed": casting.seed.key,
            "topic": casting.seed.topic,
            "kind": statement.kind,
            "stance_code": speaker.stance.code if speaker.stance else None,
            "stance": speaker.stance.text if speaker.stance else None,
            "source": statement.source,
            "confidence": min(sure, default=None),
            "harmlessness": panel_score([one.score for one in verdicts if one.criterion == "harmlessness"]),
            "awareness": panel_score([one.score for one in verdicts if one.criterion == "awareness"]),
            "cross_check": next((one.answer for one in verdicts if one.criterion == "cross-check"), None),
        }

    def drop_reason(self, statement: StatementRow, number: int, phase: str, repeated: bool) -> str | None:
        given = given_by(self.verdicts[statement.id])[statement.id]
        judged = Judged(statement.noun(), by_criterion(given), self.castings[number], phase)
        return why_dropped(judged, self.edition.scenario, repeated)


BY_CALL = col(CallRow.id) == col(TurnRow.call_id)


def sample_lines(look: Look, run: RunRow, dropped: bool) -> Iterator[SampleLine]:
    known = Known(look, run)
    entities: list[Any] = [SampleRow, StatementRow, DialogueRow.number, CallRow.model]
    query = of_run(sqlalchemy.select(*entities)).join(CallRow, BY_CALL, isouter=True)
    if not dropped:
        query = query.where(col(SampleRow.status) == "kept")
    for sample, statement, number, model in look.execute(in_order(query, run.id)):
        messages = json.loads(sample.messages)
        last = {message["role"]: message["content"] for message in messages}
        yield SampleLine(
            sample_id=sample.id,
            shape=sample.kind,
            provenance=sample.provenance,
            model=model,
            prompt=last["user"],
            answer=last["assistant"],
            messages=messages,
            status=sample.status,
            drop_reason=sample.drop_reason,
            split=sample.split,
            flags=sample.flags,
            beside=sample.beside,
            **known.facts(statement, number),
        )


def statement_lines(look: Look, run: RunRow) -> Iterator[StatementLine]:
    known, kept = Known(look, run), kept_by(look, run, statement_of)
    of_run = select(DuplicateRow).where(hangs_on(col(DuplicateRow.statement_id), run.id))
    duplicates = {row.statement_id: row for row in look.exec(of_run)}
    entities: list[Any] = [StatementRow, TurnRow.phase, DialogueRow.number, CallRow.model]
    query = sqlalchemy.select(*entities).select_from(StatementRow).join(TurnRow).join(DialogueRow)
    query = query.join(CallRow, BY_CALL, isouter=True).where(col(DialogueRow.run_id) == run.id, counting(run))
    order: list[Any] = [DialogueRow.number, TurnRow.position, func.length(StatementRow.id), StatementRow.id]
    for statement, phase, number, model in look.execute(query.order_by(*order)):
        repeated = duplicates.get(statement.id)
        yield StatementLine(
            text=statement.text,
            first_person=statement.first_person,
            quote=statement.quote,
            question=statement.question,
            about=statement.about,
            reach=statement.reach,
            exception=statement.exception,
            hangs_on=json.loads(statement.hangs_on),
            provenance=statement.provenance,
            unlike=statement.unlike,
            rewritten_from=statement.rewritten_from,
            model=model,
            drop_reason=known.drop_reason(statement, number, phase, repeated is not None),
            repeats=repeated.representative_id if repeated else None,
            similarity=repeated.similarity if repeated else None,
            samples=kept[statement.id],
            **known.facts(statement, number),
        )


def dialogue_lines(look: Look, run: RunRow) -> Iterator[DialogueLine]:
    edition, kept = edition_of(run), kept_by(look, run, dialogue_of)
    seated: dict[str, list[ParticipantRow]] = defaultdict(list)
    of_people = select(ParticipantRow).where(hangs_on(col(ParticipantRow.dialogue_id), run.id))
    for person in look.exec(of_people.order_by(col(ParticipantRow.position))):
        seated[person.dialogue_id].append(person)
    per_dialogue = select(TurnRow.dialogue_id, func.count()).join(DialogueRow).where(DialogueRow.run_id == run.id)
    per_dialogue = per_dialogue.group_by(TurnRow.dialogue_id)
    turns = dict(look.exec(per_dialogue).all())
    statements = dict(look.exec(per_dialogue.join(StatementRow).where(counting(run))).all())
    query = select(DialogueRow).where(DialogueRow.run_id == run.id).order_by(col(DialogueRow.number))
    for dialogue in look.exec(query):
        seed = edition.seed(dialogue.seed_key)
        yield DialogueLine(
            dialogue_id=dialogue.id,
            run_id=run.id,
            number=dialogue.number,
            seed=seed.key,
            topic=seed.topic,
            question=seed.question,
            setting=dialogue.setting,
            protocol=dialogue.protocol,
            language=dialogue.language,
            status=dialogue.status,
            stop_reason=dialogue.stop_reason,
            error=dialogue.error,
            people=[asdict(Speaker.of(person)) for person in seated[dialogue.id]],
            turns=turns.get(dialogue.id, 0),
            statements=statements.get(dialogue.id, 0),
            samples=kept[dialogue.id],
            parent_id=dialogue.parent_id,
            branched_at=dialogue.branched_at,
        )


def kept_by(look: Look, run: RunRow, above: Callable[[str], str]) -> Counter[str]:
    """Count the kept samples of a run by the id of the row above them."""
    query = of_run(sqlalchemy.select(col(SampleRow.id)))
    query = query.where(col(DialogueRow.run_id) == run.id, col(SampleRow.status) == "kept")
    return Counter(above(sample_id) for (sample_id,) in look.execute(query))
