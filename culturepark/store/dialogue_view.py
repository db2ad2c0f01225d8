"""One dialogue whole, with the statements, verdicts, samples, reviews and calls behind each turn. Read-only.

The terminal app and the report page both read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlmodel import Session, col, func, select

from culturepark.domain import Casting, Edition, Participant, Persona, Seed, Shape, Stance, Turn
from culturepark.errors import UsageError
from culturepark.ids import hangs_on
from culturepark.store.integrity import PAGE, edition_of, paged
from culturepark.store.standing import standing_rows
from culturepark.store.store import Store
from culturepark.store.tables import (
    CallRow,
    DialogueRow,
    DuplicateRow,
    ParticipantRow,
    ReviewRow,
    RunRow,
    SampleRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

MEMBERS = 50
"""Members of a cluster that are read; it may have thousands."""


@dataclass(frozen=True)
class Seated:
    """One persona in a dialogue."""

    persona: Persona
    stance_code: int | None
    stance_text: str | None
    shares: tuple[tuple[int, str, float], ...]
    """Code, label and share (0-1) of each answer in the persona's country; empty where nothing was drawn from."""


@dataclass(frozen=True)
class Cluster:
    """Statements of which one stands for all."""

    id: str
    representative_id: str
    representative: str
    """Its text."""
    method: str
    similarity: float | None
    """Cosine of this statement and its representative; None for the representative itself."""
    members: tuple[tuple[str, str, float], ...]
    """Id, text and similarity of each that is represented; of the nearest fifty."""
    size: int
    """The representative included."""


@dataclass(frozen=True)
class Mined:
    """A statement with its verdicts, its cluster and its samples."""

    row: StatementRow
    verdicts: tuple[VerdictRow, ...]
    """Of all rounds, in the order they were given; those of `Scene.run.verify_round` count."""
    before: StatementRow | None
    """The statement that this one was rewritten from."""
    after: str | None
    """Id of the statement that was written in its place."""
    cluster: Cluster | None
    samples: tuple[SampleRow, ...]


@dataclass(frozen=True)
class Spoken:
    """A turn with its statements."""

    id: str
    turn: Turn
    name: str
    """The speaker's; `Moderator` or `You` for a speaker without a card."""
    culture: str
    """The speaker's; empty for one without a card."""
    statements: tuple[Mined, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One dialogue, whole."""

    run: RunRow
    dialogue: DialogueRow
    seed: Seed
    people: tuple[Seated, ...]
    turns: tuple[Spoken, ...]
    reviews: Mapping[str, tuple[ReviewRow, ...]]
    """Id of a turn, statement or sample -> each reviewer's newest review that was not withdrawn.

    Reviews of the same words of an earlier extraction are among them."""
    shapes: tuple[Shape, ...]
    """Shapes of the run's samples."""

    @property
    def finished(self) -> bool:
        return self.dialogue.status in ("done", "failed", "stopped")

    @property
    def casting(self) -> Casting:
        return Casting(
            number=self.dialogue.number,
            seed=self.seed,
            participants=tuple(
                Participant(
                    persona=one.persona,
                    stance=None
                    if one.stance_code is None
                    else Stance(code=one.stance_code, text=one.stance_text or ""),
                )
                for one in self.people
            ),
        )


class Scenes:
    """The dialogues of one run. Any thread may ask; every question is a look of its own."""

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
        """Read the run anew: one that is going on has another status and other rounds by now."""
        self.run = self.store.run(self.run.id)

    # --- one dialogue ----------------------------------------------------------------------------------

    def scene(self, dialogue_id: str) -> Scene:
        """
        Raises:
            UsageError: if the run has no such dialogue.
        """
        with self.store.database.reading() as session:
            dialogue = session.get(DialogueRow, dialogue_id)
            if dialogue is None or dialogue.run_id != self.run.id:
                raise UsageError(f"no such dialogue: {dialogue_id[:100]!r}; {self.run.id} does not have it")
            sitting = session.exec(
                select(ParticipantRow)
                .where(ParticipantRow.dialogue_id == dialogue_id)
                .order_by(col(ParticipantRow.position))
            ).all()
            turns = session.exec(
                select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
            ).all()
            mined = self._mined(session, dialogue_id)
            subjects = [turn.id for turn in turns]
            subjects += [one.row.id for those in mined.values() for one in those]
            subjects += [x.id for those in mined.values() for one in those for x in one.samples]
            given = standing_rows(session, dialogue_id)
            reviews = {subject: tuple(given[subject]) for subject in subjects if subject in given}
        seed = self.edition.seed(dialogue.seed_key)
        people = tuple(self._seated(row, seed) for row in sitting)
        names = {one.persona.key: (one.persona.name, one.persona.culture) for one in people}
        return Scene(
            run=self.run,
            dialogue=dialogue,
            seed=seed,
            people=people,
            turns=tuple(
                Spoken(
                    row.id,
                    row.noun(),
                    *names.get(row.speaker, ({"user": "You"}.get(row.speaker, row.speaker.capitalize()), "")),
                    statements=tuple(mined.get(row.id, ())),
                )
                for row in turns
            ),
            reviews=reviews,
            shapes=self.edition.scenario.samples,
        )

    def calls(self, scene: Scene, subject_id: str) -> list[CallRow]:
        """Return the calls for a turn, refused and failed ones too; for a copied turn, the one that it came of.

        For a statement or a sample: the calls that proposed and judged it.
        """
        with self.store.database.reading() as session:
            rows = list(paged(session, CallRow, CallRow.subject_id, [subject_id]))
            return rows or list(paged(session, CallRow, CallRow.id, behind(scene, subject_id)))

    def all_calls(self, scene: Scene) -> dict[str, list[CallRow]]:
        """Return the calls of a dialogue by the row they were made for, be it a turn that never came about.

        A copied turn was asked for in another dialogue; of those calls only the one that it came of is there.
        """
        name = scene.dialogue.id
        subjects = [name, *(f"{name}.t{number}" for number in range(1, len(scene.turns) + 2))]
        calls_by_subject: dict[str, list[CallRow]] = defaultdict(list)
        with self.store.database.reading() as session:
            for row in paged(session, CallRow, CallRow.subject_id, subjects):
                calls_by_subject[row.subject_id].append(row)
            known_ids = {row.id for rows in calls_by_subject.values() for row in rows}
            elsewhere = {turn.turn.call_id: turn.id for turn in scene.turns if turn.turn.call_id}
            missing = [call_id for call_id in elsewhere if call_id not in known_ids]
            for row in paged(session, CallRow, CallRow.id, missing):
                calls_by_subject[elsewhere[row.id]].append(row)
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
                )
            )
        return by_turn


def behind(scene: Scene, subject_id: str) -> list[str]:
    """Return the ids of the calls that a turn, statement or sample names as its own."""
    for spoken in scene.turns:
        if spoken.id == subject_id:
            return [spoken.turn.call_id] if spoken.turn.call_id else []
        for one in spoken.statements:
            if hangs_on(subject_id, one.row.id):
                named = (one.row.call_id, *(verdict.call_id for verdict in one.verdicts))
                return list(dict.fromkeys(name for name in named if name))
    return []


def clusters_of(session: Session, ids: Sequence[str]) -> dict[str, Cluster]:
    """Return statement -> its cluster, for those that are in one. A cluster has the id of its representative."""
    near: dict[str, DuplicateRow] = {}
    for start in range(0, len(ids), PAGE):
        query = select(DuplicateRow).where(col(DuplicateRow.statement_id).in_(ids[start : start + PAGE]))
        near |= {row.statement_id: row for row in session.exec(query)}
    names = list({*ids, *(row.cluster_id for row in near.values())})
    others: dict[str, int] = {}
    texts: dict[str, str] = {}
    for start in range(0, len(names), PAGE):
        page = names[start : start + PAGE]
        counts = select(DuplicateRow.cluster_id, func.count()).where(col(DuplicateRow.cluster_id).in_(page))
        others |= dict(session.exec(counts.group_by(col(DuplicateRow.cluster_id))).all())
        texts |= dict(
            session.exec(select(StatementRow.id, StatementRow.text).where(col(StatementRow.id).in_(page))).all()
        )
    members = {name: members_of(session, name) for name in others}
    by_statement: dict[str, Cluster] = {}
    for name in ids:
        row = near.get(name)
        cluster = row.cluster_id if row else name
        if cluster in others and cluster in texts:
            shown, method = members[cluster]
            similarity = row.similarity if row else None
            text, size = texts[cluster], others[cluster] + 1
            by_statement[name] = Cluster(cluster, cluster, text, row.method if row else method, similarity, shown, size)
    return by_statement


def members_of(session: Session, cluster_id: str) -> tuple[tuple[tuple[str, str, float], ...], str]:
    """Return the nearest members of a cluster, and the method that found the nearest of them."""
    columns = (DuplicateRow.statement_id, DuplicateRow.similarity, DuplicateRow.method)
    nearest = select(*columns).where(DuplicateRow.cluster_id == cluster_id)
    nearest = nearest.order_by(col(DuplicateRow.similarity).desc(), col(DuplicateRow.statement_id)).limit(MEMBERS)
    rows = session.exec(nearest).all()
    their_texts = select(StatementRow.id, StatementRow.text).where(
        col(StatementRow.id).in_([name for name, _, _ in rows])
    )
    texts = dict(session.exec(their_texts).all())
    return tuple((name, texts[name], similarity) for name, similarity, _ in rows if name in texts), rows[0][2]
