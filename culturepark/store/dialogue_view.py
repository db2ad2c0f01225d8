"""One dialogue with the statements, verdicts, samples, reviews and calls behind each turn. Read-only.

The terminal app and the report page both show it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

from sqlmodel import Session, col, func, select

from culturepark.domain import (
    SEVERAL_LANGUAGES,
    Casting,
    Edition,
    Participant,
    Persona,
    Rendering,
    Seed,
    Shape,
    Slip,
    Stance,
    StatementRendering,
    Turn,
)
from culturepark.errors import UsageError
from culturepark.ids import hangs_on
from culturepark.interface import tr
from culturepark.store.grounds import Fact, card_line, facts
from culturepark.store.integrity import edition_of, paged, pages
from culturepark.store.standing import standing_rows
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    RenderingRow,
    ReviewRow,
    RunRow,
    SampleRow,
    StatementRenderingRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

MEMBERS = 50
"""Members of a cluster that are read at most; a cluster can have thousands."""


class InALanguage(Protocol):
    @property
    def language(self) -> str: ...


R = TypeVar("R", bound=InALanguage)


def read_in(renderings: Iterable[R], language: str) -> R | None:
    """Return what a reader of a language can read: `pt-BR` and `pt` will do for each other."""
    there = list(renderings)
    kin = language.partition("-")[0]
    exact = next((one for one in there if one.language == language), None)
    return exact or next((one for one in there if one.language.partition("-")[0] == kin), None)


@dataclass(frozen=True)
class Seated:
    """One persona in a dialogue."""

    persona: Persona
    stance_code: int | None
    stance_text: str | None
    shares: tuple[tuple[int, str, float], ...]
    """Code, label and share (0-1) of each answer in the persona's country; empty if its stance was not drawn."""


@dataclass(frozen=True)
class Cluster:
    """Duplicates of one statement, the representative, as one of them sees the cluster."""

    representative_id: str
    representative: str
    """Text of the representative."""
    method: str
    similarity: float | None
    """Cosine of this statement and its representative; None for the representative itself."""
    members: tuple[tuple[str, str, float], ...]
    """Id, text and similarity of the nearest duplicates, at most `MEMBERS`."""
    size: int
    """Number of statements, with the representative."""


@dataclass(frozen=True)
class Mined:
    """A statement with its verdicts, its cluster and its samples."""

    row: StatementRow
    verdicts: tuple[VerdictRow, ...]
    """Verdicts of all rounds, in the order they were given; those of `Scene.run.verify_round` count."""
    before: StatementRow | None
    """The statement of which this one is a rewording."""
    after: str | None
    """Id of the rewording of this statement."""
    cluster: Cluster | None
    samples: tuple[SampleRow, ...]
    renderings: tuple[StatementRendering, ...] = ()

    @property
    def kept(self) -> int:
        """Number of kept samples."""
        return sum(sample.status == "kept" for sample in self.samples)

    def read_in(self, language: str) -> StatementRendering | None:
        return read_in(self.renderings, language)


@dataclass(frozen=True)
class Spoken:
    """A turn with its statements."""

    id: str
    turn: Turn
    name: str
    """Name of the speaker; `Moderator` or `You` for a speaker without a card."""
    culture: str
    """Culture of the speaker; empty for a speaker without a card."""
    statements: tuple[Mined, ...] = ()
    slips: tuple[Slip, ...] = ()

    def read_in(self, language: str) -> Rendering | None:
        return read_in(self.turn.renderings, language)


@dataclass(frozen=True)
class Scene:
    """One dialogue with everything behind it except calls."""

    run: RunRow
    dialogue: DialogueRow
    seed: Seed
    people: tuple[Seated, ...]
    turns: tuple[Spoken, ...]
    reviews: Mapping[str, tuple[ReviewRow, ...]]
    """Id of a turn, statement or sample -> its standing reviews, those of the same words in earlier rounds included."""
    shapes: Collection[Shape]
    """Shapes of the run's samples."""

    @property
    def finished(self) -> bool:
        return self.dialogue.status in ("done", "failed", "stopped")

    def language_of(self, words: Turn | StatementRow | SampleRow) -> str | None:
        """Return the language of a turn, statement or sample; None where nobody noted it in a talk of several."""
        whole = self.dialogue.language
        return words.language or (None if whole == SEVERAL_LANGUAGES else whole)

    @property
    def statements(self) -> list[Mined]:
        return [mined for spoken in self.turns for mined in spoken.statements]

    @property
    def called(self) -> dict[str, str]:
        """By persona's key, the word by which the others address the person."""
        return {seated.persona.key: seated.persona.called for seated in self.people}

    def facts(self, statement: StatementRow) -> list[Fact]:
        """Return what is known of a statement beside its words, in words."""
        line, unlike = None, None
        seated = next((seated for seated in self.people if seated.persona.key == statement.persona_key), None)
        if statement.source and seated:
            line = card_line(statement.source, seated.persona, seated.stance_text, self.seed.item)
        if statement.unlike:
            unlike = next((m.row.first_person for m in self.statements if m.row.id == statement.unlike), None)
        return list(facts(statement.noun(), line, unlike))

    @property
    def casting(self) -> Casting:
        def stance_of(seated: Seated) -> Stance | None:
            code = seated.stance_code
            return None if code is None else Stance(code=code, text=seated.stance_text or "")

        participants = (Participant(persona=seated.persona, stance=stance_of(seated)) for seated in self.people)
        return Casting(number=self.dialogue.number, seed=self.seed, participants=tuple(participants))


class Scenes:
    """The dialogues of one run. Any thread may ask; every method is one transaction."""

    def __init__(self, store: Store, run_id: str) -> None:
        """
        Raises:
            UsageError: if there is no such run.
        """
        self.store = store
        self.run = store.run(run_id)

    @cached_property
    def edition(self) -> Edition:
        return edition_of(self.run)

    def look_again(self) -> None:
        """Read the run's row again, whose status and rounds may have changed."""
        self.run = self.store.run(self.run.id)

    def scene(self, dialogue_id: str) -> Scene:
        """
        Raises:
            UsageError: if the run has no such dialogue.
        """
        with self.store.database.reading() as session:
            dialogue = session.get(DialogueRow, dialogue_id)
            if dialogue is None or dialogue.run_id != self.run.id:
                raise UsageError(f"no such dialogue: {dialogue_id[:100]!r}; {self.run.id} does not have it")
            participants = session.exec(
                select(ParticipantRow)
                .where(ParticipantRow.dialogue_id == dialogue_id)
                .order_by(col(ParticipantRow.position))
            ).all()
            turns = session.exec(
                select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
            ).all()
            renderings: dict[str, list[Rendering]] = defaultdict(list)
            for heard in in_order(session, RenderingRow, RenderingRow.turn_id, [turn.id for turn in turns]):
                renderings[heard.turn_id].append(heard.noun())
            by_turn = self._mined(session, dialogue_id)
            slips: dict[str, list[Slip]] = defaultdict(list)
            for slip in self.store.slips(dialogue_id):
                slips[slip.turn_id].append(slip)
            statements = [mined for of_turn in by_turn.values() for mined in of_turn]
            subjects = [turn.id for turn in turns] + [mined.row.id for mined in statements]
            subjects += [sample.id for mined in statements for sample in mined.samples]
            standing = standing_rows(session, dialogue_id)
            reviews = {subject: tuple(standing[subject]) for subject in subjects if subject in standing}
        seed = self.edition.seed(dialogue.seed_key)
        people = tuple(self._seated(row, seed) for row in participants)
        names = {"user": (tr("You"), "")}
        names |= {seated.persona.key: (seated.persona.name, seated.persona.culture) for seated in people}
        return Scene(
            run=self.run,
            dialogue=dialogue,
            seed=seed,
            people=people,
            turns=tuple(
                Spoken(
                    row.id,
                    row.noun().model_copy(update={"renderings": tuple(renderings.get(row.id, ()))}),
                    *names.get(row.speaker, (tr(row.speaker.capitalize()), "")),
                    statements=tuple(by_turn.get(row.id, ())),
                    slips=tuple(slips.get(row.id, ())),
                )
                for row in turns
            ),
            reviews=reviews,
            shapes=self.edition.scenario.samples,
        )

    def calls(self, scene: Scene, subject_id: str) -> list[CallRow]:
        """Return the calls behind a turn, statement or sample.

        For a turn these are all attempts; for a copied turn only the call whose answer it is; for a statement or a
        sample the calls that proposed and judged it.
        """
        with self.store.database.reading() as session:
            rows = list(paged(session, CallRow, CallRow.subject_id, [subject_id]))
            return rows or list(paged(session, CallRow, CallRow.id, call_ids_of(scene, subject_id)))

    def all_calls(self, scene: Scene) -> dict[str, list[CallRow]]:
        """Return the calls of a dialogue by the row they were made for, which may be a turn that never came about.

        Of a copied turn only the call whose answer it is belongs to them; the others are in the parent's run.
        """
        name = scene.dialogue.id
        subjects = [name, *(f"{name}.t{number}" for number in range(1, len(scene.turns) + 2))]
        calls_by_subject: dict[str, list[CallRow]] = defaultdict(list)
        with self.store.database.reading() as session:
            for row in paged(session, CallRow, CallRow.subject_id, subjects):
                calls_by_subject[row.subject_id].append(row)
            known_ids = {row.id for rows in calls_by_subject.values() for row in rows}
            turn_by_call = {spoken.turn.call_id: spoken.id for spoken in scene.turns if spoken.turn.call_id}
            missing = [call_id for call_id in turn_by_call if call_id not in known_ids]
            for row in paged(session, CallRow, CallRow.id, missing):
                calls_by_subject[turn_by_call[row.id]].append(row)
        return {subject: calls_by_subject[subject] for subject in subjects if subject in calls_by_subject}

    def _seated(self, row: ParticipantRow, seed: Seed) -> Seated:
        shares: tuple[tuple[int, str, float], ...] = ()
        if seed.item and row.country in seed.item.shares and row.role == "delegate":
            shares_there = seed.item.shares[row.country]
            shares = tuple(
                (option.code, option.label, shares_there.get(option.code, 0.0)) for option in seed.item.options
            )
        return Seated(self.edition.persona(row.persona_key), row.stance_code, row.stance_text, shares)

    def _mined(self, session: Session, dialogue_id: str) -> dict[str, list[Mined]]:
        """Return the statements that count, by turn."""
        rows = self.store.statements(self.run, dialogue_id)
        ids = [row.id for row in rows]
        by_id = {row.id: row for row in rows}
        after = {row.rewritten_from: row.id for row in rows if row.rewritten_from}
        verdicts: dict[str, list[VerdictRow]] = defaultdict(list)
        samples: dict[str, list[SampleRow]] = defaultdict(list)
        renderings: dict[str, list[StatementRendering]] = defaultdict(list)
        for told in in_order(session, StatementRenderingRow, StatementRenderingRow.statement_id, ids):
            renderings[told.statement_id].append(told.noun())
        for verdict in paged(session, VerdictRow, VerdictRow.statement_id, ids):
            verdicts[verdict.statement_id].append(verdict)
        for sample in paged(session, SampleRow, SampleRow.statement_id, ids):
            samples[sample.statement_id].append(sample)
        clusters = clusters_of(session, ids)
        by_turn: dict[str, list[Mined]] = defaultdict(list)
        for row in rows:
            by_turn[row.turn_id].append(
                Mined(
                    row,
                    tuple(verdicts[row.id]),
                    by_id.get(row.rewritten_from or ""),
                    after.get(row.id),
                    clusters.get(row.id),
                    tuple(samples[row.id]),
                    tuple(renderings[row.id]),
                )
            )
        return by_turn


def in_order(session: Session, table: Any, subject: Any, ids: Sequence[str]) -> Iterator[Any]:
    """Yield the renderings of some subjects, by language."""
    for page in pages(ids):
        yield from session.exec(select(table).where(col(subject).in_(page)).order_by(col(table.language)))


def call_ids_of(scene: Scene, subject_id: str) -> list[str]:
    """Return the ids of the calls that a turn, statement or sample names."""
    for spoken in scene.turns:
        if spoken.id == subject_id:
            return [spoken.turn.call_id] if spoken.turn.call_id else []
        for mined in spoken.statements:
            if hangs_on(subject_id, mined.row.id):
                call_ids = (mined.row.call_id, *(verdict.call_id for verdict in mined.verdicts))
                return list(dict.fromkeys(call_id for call_id in call_ids if call_id))
    return []


def clusters_of(session: Session, ids: Sequence[str]) -> dict[str, Cluster]:
    """Return statement id -> cluster, for statements that are in one. A cluster's id is that of its representative."""
    duplicates: dict[str, DuplicateRow] = {}
    for page in pages(ids):
        query = select(DuplicateRow).where(col(DuplicateRow.statement_id).in_(page))
        duplicates |= {row.statement_id: row for row in session.exec(query)}
    sizes: dict[str, int] = {}
    texts: dict[str, str] = {}
    for page in pages(list({*ids, *(row.cluster_id for row in duplicates.values())})):
        counts = select(DuplicateRow.cluster_id, func.count()).where(col(DuplicateRow.cluster_id).in_(page))
        sizes |= dict(session.exec(counts.group_by(col(DuplicateRow.cluster_id))).all())
        texts |= texts_of(session, page)
    members = {cluster_id: members_of(session, cluster_id) for cluster_id in sizes}
    by_statement: dict[str, Cluster] = {}
    for statement_id in ids:
        row = duplicates.get(statement_id)
        cluster_id = row.cluster_id if row else statement_id
        if cluster_id in sizes and cluster_id in texts:
            nearest, method = members[cluster_id]
            method, similarity = (row.method, row.similarity) if row else (method, None)
            by_statement[statement_id] = Cluster(
                cluster_id, texts[cluster_id], method, similarity, nearest, sizes[cluster_id] + 1
            )
    return by_statement


def members_of(session: Session, cluster_id: str) -> tuple[tuple[tuple[str, str, float], ...], str]:
    """Return the nearest members of a cluster, and the method by which the nearest one was found."""
    columns = (DuplicateRow.statement_id, DuplicateRow.similarity, DuplicateRow.method)
    nearest = select(*columns).where(DuplicateRow.cluster_id == cluster_id)
    nearest = nearest.order_by(col(DuplicateRow.similarity).desc(), col(DuplicateRow.statement_id)).limit(MEMBERS)
    rows = session.exec(nearest).all()
    texts = texts_of(session, [name for name, _, _ in rows])
    return tuple((name, texts[name], similarity) for name, similarity, _ in rows if name in texts), rows[0][2]


def texts_of(session: Session, statement_ids: Sequence[str]) -> dict[str, str]:
    query = select(StatementRow.id, StatementRow.text).where(col(StatementRow.id).in_(statement_ids))
    return dict(session.exec(query).all())
