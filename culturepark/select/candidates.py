"""The rows that can be selected, and what quotas and gates ask of them.

A candidate is a row that an export of the same runs would write. So all that an export leaves out has fallen before the
first gate: rows that reviewers rejected, repetitions of another run, and text that no model should learn from.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from culturepark.export import rows
from culturepark.export.formats import format_named
from culturepark.export.leaks import answer_key
from culturepark.export.rows import Source
from culturepark.ids import statement_of, turn_of
from culturepark.stats.talk_words import length, tokens
from culturepark.store import selections
from culturepark.store.selections import Facts
from culturepark.store.store import Store
from culturepark.store.tables import RunRow, SelectionRow

AXES: dict[str, str] = {
    "culture": "the speaker's culture",
    "country": "the speaker's country (ISO 3166 alpha-3)",
    "shape": "the shape of the row",
    "kind": "opinion, norm or custom",
    "stance": "the speaker's answer to the survey item, as wvs7/Q33/2",
    "topic": "the topic of the question that was talked about",
    "seed": "the key of that question",
    "persona": "the key of the speaker's card",
    "provenance": "where the answer's content comes from: card, episode or model",
    "model": "the model that spoke",
}
"""What rows can be told apart by, and what each is."""
FIXES: dict[str, tuple[str, ...]] = {
    "persona": ("culture", "country"),
    "culture": ("country",),
    "country": ("culture",),
    "seed": ("topic",),
    "stance": ("seed", "topic"),
}
"""Axis -> the axes whose value follows from its own: no Turk speaks from Korea. Only pairs that occur make cells."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that can be selected."""

    id: str
    axes: Mapping[str, str]
    """Axis -> value, for the axes on which it has one."""
    said: str
    """What is answered, without the words of a template: the same in whatever shape."""
    text: str
    """The whole answer, as a model learns it."""
    flags: frozenset[str]
    confidence: float | None
    """The least of the verdicts that keep its statement; None where none has one."""
    scores: Mapping[str, float]
    """Criterion -> median of the judges' scores."""
    decisions: frozenset[str]
    """What reviewers said of it, its statement or its turn: `accept`, `reject`."""

    @property
    def answer(self) -> str:
        """Key of what is said; equal where the same is said."""
        return answer_key(self.said)

    @property
    def words(self) -> int:
        """Number of words of the answer; two characters of a script without spaces count as one."""
        return int(length(tokens(self.text)))


def candidates(source: Source) -> Iterator[Candidate]:
    """Yield the rows of an export in the order of the talk; `source.left_without` then says why others have none."""
    by_run = {run.id: Known(source, run) for run in source.runs}
    for row in rows.single(source):
        (run_id, persona), row_id = row.people[0], str(row.ids["id"])
        known = by_run[run_id]
        facts = known.facts[row_id]
        seed = source.editions[run_id].seed(row.seed_key)
        stance = f"{seed.item.key}/{facts.stance_code}" if seed.item and facts.stance_code is not None else None
        axes = {
            "culture": row.culture,
            "country": facts.country,
            "shape": row.shape,
            "kind": facts.kind,
            "stance": stance,
            "topic": seed.topic,
            "seed": seed.key,
            "persona": persona,
            "provenance": row.provenance,
            "model": known.model,
        }
        yield Candidate(
            id=row_id,
            axes={axis: value for axis, value in axes.items() if value is not None},
            said=row.answers[0],
            text=row.data["messages"][-1]["content"],
            flags=frozenset(facts.flags.split()),
            confidence=known.confidences.get(facts.statement_id),
            scores=known.scores.get(facts.statement_id, {}),
            decisions=decisions(source, row_id),
        )


class Known:
    """What the store knows of a run's samples beside their words."""

    def __init__(self, source: Source, run: RunRow) -> None:
        self.facts: Mapping[str, Facts] = selections.facts(source.look, run)
        self.confidences = selections.confidences(source.look, run)
        self.model = json.loads(run.models).get("speaker")
        given: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for statement_id, criterion, score in selections.scores(source.look, run):
            given[statement_id][criterion].append(score)
        self.scores = {
            statement_id: {criterion: median(scores) for criterion, scores in by_criterion.items()}
            for statement_id, by_criterion in given.items()
        }


def decisions(source: Source, sample_id: str) -> frozenset[str]:
    reviews = source.corrections.reviews
    path = (sample_id, statement_of(sample_id), turn_of(sample_id)) if reviews else ()
    return frozenset(str(review.decision) for subject in path for review in reviews.get(subject, ()))


def counts_of(store: Store, selection: SelectionRow) -> dict[str, dict[str, int]]:
    """Return axis -> value -> number of kept samples of a selection, each axis with its commonest value first."""
    found: dict[str, Counter[str]] = {axis: Counter() for axis in AXES}
    if there := [run for run in map(store.find_run, json.loads(selection.runs)) if run]:
        with store.database.reading() as look:
            source = Source(look, there, (), format_named("trl"), {}, selection=selection.id)
            for candidate in candidates(source):
                for axis, value in candidate.axes.items():
                    found[axis][value] += 1
    return {axis: dict(counts.most_common()) for axis, counts in found.items()}
