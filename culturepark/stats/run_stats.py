"""Computes the figures of a run: `stats`, and a few more for the report page. Read-only.

Nothing is embedded here. Meaning is compared by the vectors that deduplication has stored; if one is missing, the
figures that need it are None.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from sys import intern
from typing import Any

import sqlalchemy
from pydantic import ValidationError
from sqlmodel import col, func, select

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.tongues import languages_of
from culturepark.distill.dedup import band
from culturepark.distill.samples import AFTER_VERIFYING
from culturepark.domain import Edition, Status, SurveyItem
from culturepark.errors import StoreError, UsageError
from culturepark.ids import dialogue_of
from culturepark.languages import load_language
from culturepark.models.embedder import identity_of, method_of
from culturepark.models.spec import parse
from culturepark.stats import representation
from culturepark.stats.figures import (
    Collapse,
    Duplicates,
    Representation,
    RunStats,
    StanceAnswer,
    StanceCell,
    VectorsKnown,
)
from culturepark.stats.funnel import calls_of, checks_of, endpoints_of, funnel, repeats, stop_reasons
from culturepark.stats.representation import AcceptedStatement, Meaning, survey_distance
from culturepark.stats.reviews import review_counts
from culturepark.stats.run_talks import talk_figures
from culturepark.stats.slips import slips_of
from culturepark.stats.survey_fit import Fit, drawn_fit, kept_fit, pooled
from culturepark.stats.text import stats_lines
from culturepark.stats.warranty import warranty_of
from culturepark.store import tallies, vectors
from culturepark.store.castings import skipped
from culturepark.store.draws import Over
from culturepark.store.first_look import WHERE
from culturepark.store.integrity import edition_of, hangs_on, of_columns, threshold_of
from culturepark.store.lineage import of_run
from culturepark.store.standing import given_reviews
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
)

MANY = 5000
"""Samples of which figures take some seconds."""


def stats(store: Store, run: RunRow, note: Callable[[str], object] = lambda _: None) -> RunStats:
    """Return the figures of a run: as they were kept, or reckoned where a row has changed since.

    Args:
        note: told beforehand if reckoning will take seconds.
    Raises:
        StoreError: if the run's rows are damaged.
    """
    if kept := tallies.kept(store, run.id):
        with suppress(ValidationError):
            return RunStats.model_validate_json(kept.document or "")
    # Of a run that is held rows change all the time.
    token = None if run.status in (Status.RUNNING, Status.PENDING) else tallies.begin(store, run.id)
    with store.database.reading() as session:  # as it is now, and not as it was when `run` was read
        run = session.get(RunRow, run.id) or run
        count = session.exec(select(func.count()).where(hangs_on(col(SampleRow.id), run.id))).one()
    if count >= MANY:
        note(f"reckoning the figures of {count:,} samples{', which are kept then' if token else ''}")
    try:
        figures = run_stats(store, run, edition_of(run))
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise StoreError(
            f"run {run.id} is damaged: {place}: {wrong['msg']}; `culturepark doctor` lists all damage"
        ) from None
    if token:
        known = figures.representation.vectors
        lines = {"short": [*stats_lines(figures, False, WHERE)], "all": [*stats_lines(figures, True, WHERE)]}
        document = json.dumps(figures.as_json())
        tallies.keep(store, run.id, token, document, json.dumps(lines), known.known == known.of)
    return figures


def run_stats(store: Store, run: RunRow, edition: Edition) -> RunStats:
    variety, stances = variety_and_stances(store, run, edition)
    with store.database.reading() as session:
        steps = funnel(session, run)
        stops = stop_reasons(session, run)
        slips = slips_of(session, run)
        calls, tokens, cost, unpriced = calls_of(session, run)
        by_method = repeats(session, run.id)
        reviews = review_counts(given_reviews(session, run.id))
        warranty = warranty_of(session, Over(run.id, (run.id,)))
    return RunStats(
        run=run.id,
        scenario=run.scenario_name,
        status=run.status,
        stop_reason=run.stop_reason,
        models=json.loads(run.models),
        seed=run.seed,
        created_at=run.created_at,
        finished_at=run.finished_at,
        **dict(steps),
        skipped=list(skipped(run)),
        dialogue_stop_reasons=stops,
        slips=slips,
        checks=checks_of(store, run, edition),
        duplicates=Duplicates(threshold=threshold_of(run, edition), by_method=by_method),
        reviews=reviews,
        warranty=warranty,
        calls=calls,
        tokens=tokens,
        endpoints=endpoints_of(store, run),
        cost_usd=cost,
        unpriced_calls=unpriced,
        stances=stances,
        representation=variety,
        talks=talk_figures(store, run, edition),
    )


# --- variety, and stances against the survey -------------------------------------------------------


@dataclass
class Cell:
    """The stances of one country's delegates on one item."""

    seed: str
    country: str
    item: SurveyItem
    cultures: set[str] = field(default_factory=set)
    drawn: Counter[int] = field(default_factory=Counter)
    kept: list[tuple[int, int]] = field(default_factory=list)
    """For each delegate with kept samples of opinions: code of the stance, and number of these samples."""

    def fits(self, run_seed: int) -> tuple[Fit, Fit | None]:
        """Return the fit of the drawn stances, and of those behind kept samples."""
        shares, parts = self.item.shares[self.country], (run_seed, self.seed, self.country)
        return drawn_fit(shares, self.drawn, *parts), kept_fit(shares, self.kept, *parts) if self.kept else None


SPOKEN: tuple[Any, ...] = tuple(
    col(getattr(StatementRow, name)) for name in ("id", "turn_id", "persona_key", "culture", "kind", "first_person")
)


def variety_and_stances(store: Store, run: RunRow, edition: Edition) -> tuple[Representation, list[StanceCell]]:
    with store.database.reading() as session:
        of_this_run = col(DialogueRow.run_id) == run.id
        participants = select(DialogueRow.status, DialogueRow.seed_key, ParticipantRow).join(DialogueRow)
        cast: Sequence[Any] = session.exec(participants.where(of_this_run)).all()
        samples = of_run(select(SampleRow.statement_id, SampleRow.kind, SampleRow.status, SampleRow.drop_reason))
        outcomes = of_columns(session.execute(samples.where(of_this_run)))
        duplicates = select(DuplicateRow.statement_id, DuplicateRow.cluster_id).where(
            hangs_on(col(DuplicateRow.statement_id), run.id)
        )
        clusters = dict(of_columns(session.execute(duplicates)))
        # As columns: the statements of 10,000 dialogues are 300 MB as objects.
        statements = sqlalchemy.select(*SPOKEN).join(TurnRow, col(TurnRow.id) == col(StatementRow.turn_id))
        statements = statements.join(DialogueRow, col(DialogueRow.id) == col(TurnRow.dialogue_id))
        statements = statements.where(of_this_run, counting(run)).order_by(
            col(DialogueRow.number), col(TurnRow.position), func.length(StatementRow.id), col(StatementRow.id)
        )
        rows = of_columns(session.execute(statements))
    kept = Counter(statement for statement, _, status, _ in outcomes if status == "kept")
    accepted = {s for s, _, status, reason in outcomes if status == "kept" or reason in AFTER_VERIFYING}
    accepted |= clusters.keys()
    seeds = {person.dialogue_id: seed for _, seed, person in cast}
    spoken, opinions = list[AcceptedStatement](), Counter[tuple[str, str]]()
    for row in rows:
        dialogue = dialogue_of(row.turn_id)
        if dialogue not in seeds:
            raise StoreError(f"statement {row.id[:120]!r} hangs on no dialogue of its run; that is damage")
        if row.kind == "opinion":
            opinions[dialogue, row.persona_key] += kept[row.id]
        if row.id in accepted:
            seed, persona, text = seeds[dialogue], row.persona_key, row.first_person
            spoken.append(
                AcceptedStatement(
                    intern(dialogue), seed, intern(row.culture), intern(persona), text,
                    row.id in kept, clusters.get(row.id, row.id),
                )
            )  # fmt: skip
    cells = cells_of(edition, [(seed, person) for _, seed, person in cast], opinions)
    fits = {(cell.seed, cell.country): cell.fits(run.seed) for cell in cells}
    seats: dict[str, Counter[str]] = defaultdict(Counter)
    for status, _, person in cast:
        seats[person.culture][person.persona_key] += status == Status.DONE
    by_culture = {}
    for culture in seats:
        of_culture = [fits[cell.seed, cell.country] for cell in cells if culture in cell.cultures]
        by_culture[culture] = pooled([drawn for drawn, _ in of_culture]), pooled([fit for _, fit in of_culture if fit])
    meaning, known = meaning_of(store, run, edition, [statement.text for statement in spoken])
    people = {culture: +seated for culture, seated in seats.items()}
    variety = representation.representation(spoken, people, by_culture, meaning, known, run.seed)
    if protocol_of(edition.scenario.protocol).mines:
        variety = voiceless(variety)
    return variety, [stance_cell(cell, *fits[cell.seed, cell.country]) for cell in cells]


def voiceless(variety: Representation) -> Representation:
    """Return the variety of a mine, in which nobody has a voice that could be told from others'."""
    why = "nobody speaks in it, so there are no voices to tell apart"
    none = Collapse(verdict="unknown", too_few=False, reasons=[], open=[why], checks=[])
    groups = {name: group.model_copy(update={"collapse": none}) for name, group in variety.cultures.items()}
    return variety.model_copy(update={"run": variety.run.model_copy(update={"collapse": none}), "cultures": groups})


def cells_of(
    edition: Edition, drawn: Sequence[tuple[str, ParticipantRow]], opinions: Mapping[tuple[str, str], int]
) -> list[Cell]:
    """
    Args:
        drawn: seed keys and participants.
        opinions: (dialogue id, persona key) -> number of kept samples of the persona's opinions there.
    """
    cells: dict[tuple[str, str], Cell] = {}
    for seed_key, person in drawn:
        code, country = person.stance_code, person.country
        if code is None:
            continue
        item = edition.seed(seed_key).item
        if item is None or country is None or not item.shares.get(country, {}).get(code):
            raise StoreError(f"a stance on {seed_key!r} in {country!r} that nobody there took is damage")
        cell = cells.setdefault((seed_key, country), Cell(seed_key, country, item))
        cell.cultures.add(person.culture)
        samples = opinions.get((person.dialogue_id, person.persona_key), 0)
        if edition.scenario.mining:  # answers sit there, not people: each is drawn as often as it has rows
            cell.drawn[code] += samples
            cell.kept += [(code, 1)] * samples
            continue
        cell.drawn[code] += 1
        if samples:
            cell.kept.append((code, samples))
    return [cells[key] for key in sorted(cells) if cells[key].drawn.total()]


def stance_cell(cell: Cell, drawn: Fit, kept: Fit | None) -> StanceCell:
    shares, total = cell.item.shares[cell.country], sum(cell.drawn.values())
    samples = Counter[int]()
    for code, count in cell.kept:
        samples[code] += count
    return StanceCell(
        seed=cell.seed,
        country=cell.country,
        drawn=total,
        answers=[
            StanceAnswer(
                code=option.code,
                label=option.label,
                drawn=cell.drawn[option.code],
                expected=round(total * shares.get(option.code, 0.0), 2),
                share=shares.get(option.code, 0.0),
                kept=samples[option.code],
            )
            for option in cell.item.options
        ],
        kept=sum(samples.values()),
        fit=survey_distance(drawn),
        kept_fit=survey_distance(kept) if kept else None,
    )


def meaning_of(
    store: Store, run: RunRow, edition: Edition, texts: Sequence[str]
) -> tuple[Meaning | None, VectorsKnown]:
    """Return the vectors of the texts if the store has all of them, and the number it has."""
    name = str(json.loads(run.models).get("embedder", "lexical"))
    try:
        identity = identity_of(parse(name, "embedder"))
    except UsageError as error:
        raise StoreError(f"run {run.id} is damaged: {error}; `culturepark doctor` lists all damage") from None
    available = VectorsKnown(embedder=name, known=0, of=len(texts))
    if not identity or not texts:
        return None, available
    made, known = vectors.matrix(store, identity, texts)
    available = available.model_copy(update={"known": known})
    if made is None:
        return None, available
    questions, _ = vectors.matrix(store, identity, [seed.question for seed in edition.scenario.seeds])
    if questions is not None and questions.shape[1] != made.shape[1]:
        questions = None
    return (
        Meaning(
            made,
            questions,
            threshold_of(run, edition) or band(method_of(name), languages_of(edition)[0])[1],
            load_language(languages_of(edition)[0]),
        ),
        available,
    )


# --- for the report page ---------------------------------------------------------------------------


@dataclass
class CultureCounts:
    """Counts of the statements and samples of one culture."""

    statements: Counter[str] = field(default_factory=Counter)
    """Statements by kind."""
    topics: Counter[str] = field(default_factory=Counter)
    """Statements by topic of the question."""
    kept: Counter[str] = field(default_factory=Counter)
    """Kept samples by shape."""


def culture_counts(store: Store, run: RunRow, edition: Edition) -> dict[str, CultureCounts]:
    topics = {seed.key: seed.topic for seed in edition.scenario.seeds}
    by: tuple[Any, ...] = (col(StatementRow.culture), col(StatementRow.kind), col(DialogueRow.seed_key))
    of_this_run = col(DialogueRow.run_id) == run.id
    statements = sqlalchemy.select(*by, func.count()).select_from(StatementRow).join(TurnRow).join(DialogueRow)
    statements = statements.where(of_this_run, counting(run)).group_by(*by)
    shapes: tuple[Any, ...] = (col(SampleRow.culture), col(SampleRow.kind))
    samples = of_run(sqlalchemy.select(*shapes, func.count())).where(of_this_run, col(SampleRow.status) == "kept")
    counts: dict[str, CultureCounts] = defaultdict(CultureCounts)
    with store.database.reading() as session:
        for culture, kind, seed, count in of_columns(session.execute(statements)):
            counts[culture].statements[kind] += count
            counts[culture].topics[topics.get(seed, seed)] += count
        for culture, shape, count in of_columns(session.execute(samples.group_by(*shapes))):
            counts[culture].kept[shape] += count
    return dict(sorted(counts.items()))


def turns_by_hand(store: Store, run: RunRow) -> int:
    """Count the turns that a real person wrote."""
    query = sqlalchemy.select(func.count()).select_from(TurnRow).join(DialogueRow)
    by_hand = col(TurnRow.origin).in_(("typed", "edited"))
    with store.database.reading() as session:
        return int(session.execute(query.where(col(DialogueRow.run_id) == run.id, by_hand)).scalar_one())


def seconds_by_stage(store: Store, run: RunRow) -> dict[str, float]:
    """Add up the durations of each stage's calls, which may have overlapped."""
    took = func.sum(col(CallRow.duration_ms))
    query = sqlalchemy.select(col(CallRow.stage), took).where(col(CallRow.run_id) == run.id).group_by(CallRow.stage)
    with store.database.reading() as session:
        return {stage: float(ms or 0) / 1000 for stage, ms in of_columns(session.execute(query))}
