"""All that `stats` tells of a run: the funnel, stances against the survey, and how varied its voices are. Read-only.

Nothing is embedded here: meaning is compared where deduplication has left vectors, and is not known elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlmodel import col, select

from culturepark.distill.dedup import THRESHOLDS
from culturepark.distill.samples import AFTER_VERIFYING
from culturepark.domain import Edition, JsonObject, Status, SurveyItem
from culturepark.errors import StoreError, UsageError
from culturepark.ids import dialogue_of
from culturepark.languages import load_language
from culturepark.models.embedder import Vectors, identity_of, unit_rows
from culturepark.models.spec import parse
from culturepark.stats import representation
from culturepark.stats.course import course
from culturepark.stats.representation import Meaning, Spoken
from culturepark.stats.survey_fit import Fit, drawn_fit, kept_fit, pooled
from culturepark.store import vectors
from culturepark.store.integrity import edition_of, hangs_on, of_columns, threshold_of
from culturepark.store.lineage import of_run
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, DuplicateRow, ParticipantRow, RunRow, SampleRow


@dataclass
class Cell:
    """The stances of one country's delegates on one item."""

    seed: str
    country: str
    item: SurveyItem
    cultures: set[str] = field(default_factory=set)
    drawn: Counter[int] = field(default_factory=Counter)
    told: list[tuple[int, int]] = field(default_factory=list)
    """Of each delegate of whom a sample is kept that tells an opinion: stance, and how many such samples."""

    def fits(self, run_seed: int) -> tuple[Fit, Fit | None]:
        """Of the stances as drawn, and of those behind kept samples."""
        shares, where = self.item.shares[self.country], (run_seed, self.seed, self.country)
        return drawn_fit(shares, self.drawn, *where), kept_fit(shares, self.told, *where) if self.told else None


def stats(store: Store, run: RunRow) -> JsonObject:
    """The funnel, `stances` and `representation`; docs/stats.md tells what each key holds."""
    edition = edition_of(run)
    with store.database.reading() as session:
        of_this = DialogueRow.run_id == run.id
        seated = select(DialogueRow.status, DialogueRow.seed_key, ParticipantRow).join(
            DialogueRow, col(ParticipantRow.dialogue_id) == col(DialogueRow.id)
        )
        cast: Sequence[Any] = session.exec(seated.where(of_this)).all()
        told = of_run(select(SampleRow.statement_id, SampleRow.kind, SampleRow.status, SampleRow.drop_reason))
        outcomes = of_columns(session.execute(told.where(of_this)))
        repeats = select(DuplicateRow.statement_id, DuplicateRow.cluster_id).where(
            hangs_on(col(DuplicateRow.statement_id), run.id)
        )
        clusters = dict(of_columns(session.execute(repeats)))
    kept = Counter(statement for statement, _, status, _ in outcomes if status == "kept")
    accepted = {s for s, _, status, reason in outcomes if status == "kept" or reason in AFTER_VERIFYING}
    accepted |= clusters.keys()
    seeds = {person.dialogue_id: seed for _, seed, person in cast}
    spoken, opinions = [], Counter[tuple[str, str]]()
    statements = store.statements(run)
    for row in statements:
        dialogue = dialogue_of(row.turn_id)
        if dialogue not in seeds:
            raise StoreError(f"statement {row.id[:120]!r} hangs on no dialogue of its run; that is damage")
        if row.kind == "opinion":
            opinions[dialogue, row.persona_key] += kept[row.id]
        if row.id in accepted:
            seed, voice, text = seeds[dialogue], row.persona_key, row.first_person
            spoken.append(
                Spoken(dialogue, seed, row.culture, voice, text, row.id in kept, clusters.get(row.id, row.id))
            )
    cells = cells_of(edition, [(seed, person) for _, seed, person in cast], opinions)
    fits = {(cell.seed, cell.country): cell.fits(run.seed) for cell in cells}
    seats: dict[str, Counter[str]] = defaultdict(Counter)
    for status, _, person in cast:
        seats[person.culture][person.persona_key] += status == Status.DONE
    by_culture = {}
    for culture in seats:
        of_it = [fits[cell.seed, cell.country] for cell in cells if culture in cell.cultures]
        by_culture[culture] = pooled([drawn for drawn, _ in of_it]), pooled([fit for _, fit in of_it if fit])
    meaning, known = meaning_of(store, run, edition, [one.text for one in spoken])
    figures = representation.figures(spoken, {c: +people for c, people in seats.items()}, by_culture, meaning, run.seed)
    return course(store, run, edition, statements) | {
        "stances": [told_of(cell, *fits[cell.seed, cell.country]) for cell in cells],
        "representation": figures | {"vectors": known},
    }


def cells_of(
    edition: Edition, drawn: Sequence[tuple[str, ParticipantRow]], opinions: Mapping[tuple[str, str], int]
) -> list[Cell]:
    """
    Args:
        drawn: a seed's key and who sits there.
        opinions: (dialogue, persona) -> kept samples of the persona's opinions there.
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
        cell.drawn[code] += 1
        if samples := opinions.get((person.dialogue_id, person.persona_key)):
            cell.told.append((code, samples))
    return [cells[key] for key in sorted(cells)]


def told_of(cell: Cell, drawn: Fit, kept: Fit | None) -> JsonObject:
    """How often each answer was drawn and is told by kept samples, beside the survey's share of it."""
    shares, total = cell.item.shares[cell.country], sum(cell.drawn.values())
    samples = Counter[int]()
    for code, count in cell.told:
        samples[code] += count
    return {
        "seed": cell.seed,
        "country": cell.country,
        "drawn": total,
        "answers": [
            {
                "code": option.code,
                "label": option.label,
                "drawn": cell.drawn[option.code],
                "expected": round(total * shares.get(option.code, 0.0), 2),
                "share": shares.get(option.code, 0.0),
                "kept": samples[option.code],
            }
            for option in cell.item.options
        ],
        "kept": sum(samples.values()),
        "fit": representation.rounded(representation.of_fit(drawn)),
        "kept_fit": representation.rounded(representation.of_fit(kept)),
    }


def meaning_of(store: Store, run: RunRow, edition: Edition, texts: Sequence[str]) -> tuple[Meaning | None, JsonObject]:
    """The vectors that deduplication has kept; and how many of how many, by which embedder."""
    name = str(json.loads(run.models).get("embedder", "lexical"))
    try:
        identity = identity_of(parse(name, "embedder"))
    except UsageError as error:
        raise StoreError(f"run {run.id} is damaged: {error}; `culturepark doctor` lists all damage") from None
    questions = [seed.question for seed in edition.scenario.seeds]
    wanted = [*texts, *questions] if identity and texts else []
    found = {
        text: vector for text, vector in vectors.best_known(store, identity or "", wanted)[1].items() if whole(vector)
    }
    known = sum(text in found for text in texts)
    told = {"embedder": name, "known": known, "of": len(texts)}
    if not texts or known < len(texts):
        return None, told
    if len({len(vector) for vector in found.values()}) > 1:  # of two models under one name: not to be compared
        return None, told | {"known": 0}
    asked = [found[text] for text in questions if text in found]
    return (
        Meaning(
            unit_rows(np.stack([found[text] for text in texts])),
            unit_rows(np.stack(asked)) if len(asked) == len(questions) else None,
            threshold_of(run, edition) or THRESHOLDS["minilm" if name == "minilm" else "endpoint"],
            load_language(edition.scenario.language),
        ),
        told,
    )


def whole(vector: Vectors) -> bool:
    return bool(np.isfinite(vector).all())
