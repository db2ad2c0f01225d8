"""Measures the dialogues of a run (`talks`), and averages the figures. Read-only.

Of a run with many dialogues some are drawn, by question and people, so that runs with the same plan are measured by the
same dialogues.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from sqlmodel import col, select

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.stance import unit
from culturepark.dialogue.tongues import as_spoken, tongues_of
from culturepark.domain import Casting, Edition, Slip, Status
from culturepark.ids import dialogue_of
from culturepark.stats.diversity import wilson
from culturepark.stats.figures import Measured, ProbeFigures, Talks
from culturepark.stats.survey_fit import Floats, generator
from culturepark.stats.talks import NAMES, Background, Measures, Probed, Score, Talk, measure
from culturepark.store.castings import castings
from culturepark.store.lineage import of_run
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, ProbeRow, RunRow, SampleRow

MOST_TALKS = 200
"""Dialogues of a run that are measured; a figure's interval is narrow by then."""
DRAWS = 1000
FEWEST = 5
"""Dialogues that an interval needs at least."""
LEVEL = (2.5, 97.5)
"""Percentiles of an interval."""


@dataclass(frozen=True)
class MeasuredTalks:
    """The dialogues of a run that were measured, with their figures."""

    talks: Sequence[Talk]
    measures: Sequence[Measures]
    finished: int
    """Finished dialogues of the run."""
    probes: Sequence[Probed]
    """Of all dialogues of the run."""


def talk_figures(store: Store, run: RunRow, edition: Edition) -> Talks | None:
    measured = measured_talks(store, run, edition)
    return summary(measured, run.seed) if measured.talks else None


def measured_talks(store: Store, run: RunRow, edition: Edition, most: int = MOST_TALKS) -> MeasuredTalks:
    """
    Args:
        most: dialogues that are measured at most.
    """
    if protocol_of(edition.scenario.protocol).mines:
        return MeasuredTalks([], [], 0, [])
    rows = [row for row in store.dialogues(run.id) if row.status == Status.DONE]
    chosen, seats = rows, {casting.number: casting for casting in castings(store, run, edition)} if rows else {}
    # Cards and questions in the languages that were spoken, with which the words of a talk are compared.
    seats = {number: as_spoken(plan, tongues_of(edition.scenario, plan)) for number, plan in seats.items()}
    if len(rows) > most:
        chosen = sorted(rows, key=lambda row: (unit("talks", *pairing(seats[row.number])), row.number))[:most]
        chosen.sort(key=lambda row: row.number)
    kept = kept_statements(store, run)
    slips: dict[str, list[Slip]] = defaultdict(list)
    for slip in store.slips(run.id):
        slips[dialogue_of(slip.turn_id)].append(slip)
    probes = probes_of(store, run)
    talks = [
        Talk(
            key=row.id,
            casting=seats[row.number],
            turns=store.turns(row.id),
            slips=slips[row.id] if row.examined == 1 else None,
            statements=kept.get(row.id, 0) if row.extracted and kept else None,
            probes=probes.get(row.id, ()),
        )
        for row in chosen
    ]
    talks = [talk for talk in talks if talk.speeches]
    behind = Background(talks, run.seed)
    answers = [probe for of_dialogue in probes.values() for probe in of_dialogue]
    return MeasuredTalks(talks, [measure(talk, behind) for talk in talks], len(rows), answers)


def pairing(casting: Casting) -> tuple[str, ...]:
    """Return what two dialogues of different runs share that can be compared: the question and the people."""
    return casting.seed.key, *sorted(person.persona.key for person in casting.participants)


def kept_statements(store: Store, run: RunRow) -> Mapping[str, int]:
    """Return dialogue id -> distinct statements with a kept sample; empty where the run has no samples."""
    query = of_run(select(SampleRow.statement_id, SampleRow.status)).where(col(DialogueRow.run_id) == run.id)
    with store.database.reading() as session:
        rows = session.exec(query).all()
    counts = Counter({dialogue_of(statement): 0 for statement, _ in rows})
    counts.update(dialogue_of(statement) for statement in {s for s, status in rows if status == "kept"})
    return counts


def probes_of(store: Store, run: RunRow) -> dict[str, list[Probed]]:
    """Return dialogue id -> answers that measure it, of those whose right answer is known."""
    found: dict[str, list[Probed]] = defaultdict(list)
    for row in store.probes(run.id):
        if row.moment != "own" and row.truth is not None:
            found[row.dialogue_id].append(probed(row))
    return found


def probed(row: ProbeRow) -> Probed:
    chance = row.chance if row.chance is not None else 1 / row.options if row.options else None
    return Probed(row.kind, row.moment, row.choice == row.truth, chance, row.choice is not None)


# --- averages --------------------------------------------------------------------------------------


def summary(measured: MeasuredTalks, *seed: object) -> Talks:
    """
    Args:
        seed: of the bootstrap.
    """
    found = {name: [score for one in measured.measures if (score := one.scores()[name])] for name in NAMES}
    return Talks(
        dialogues=len(measured.talks),
        of=measured.finished,
        speeches=sum(len(talk.speeches) for talk in measured.talks),
        questions=sum(len(talk.questions) for talk in measured.talks),
        examined=sum(talk.slips is not None for talk in measured.talks),
        measures={name: averaged(scores, name, *seed) for name, scores in found.items() if scores},
        probes=list(probe_figures(measured.probes)),
    )


def averaged(scores: Sequence[Score], *seed: object) -> Measured:
    values = np.array([score.value for score in scores], np.float64)
    nulls = [score.null for score in scores if score.null is not None]
    low, high = interval(values, *seed)
    apart = interval(np.array([s.value - s.null for s in scores if s.null is not None], np.float64), "null", *seed)
    return Measured(
        value=float(values.mean()),
        low=low,
        high=high,
        null=fmean(nulls) if nulls else None,
        beyond_null=told_apart(apart),
        dialogues=len(scores),
    )


Interval = tuple[float, float] | tuple[None, None]


def interval(values: Floats, *seed: object) -> Interval:
    """Return the 95% interval of a mean, by bootstrap (percentiles); nothing for fewer than `FEWEST` values."""
    return ends(resampled(values, *seed)) if len(values) >= FEWEST else (None, None)


def resampled(values: Floats, *seed: object) -> Floats:
    """Return the means of values drawn again with replacement, shape (DRAWS,)."""
    n = len(values)
    means: Floats = generator("bootstrap", *seed).multinomial(n, np.full(n, 1 / n), size=DRAWS) @ values / n
    return means


def ends(means: Floats) -> tuple[float, float]:
    low, high = np.percentile(means, LEVEL)
    return float(low), float(high)


def told_apart(between: Interval) -> bool | None:
    """Whether an interval leaves out 0; None where there is none."""
    low, high = between
    return None if low is None or high is None else low > 0 or high < 0


def probe_figures(probes: Sequence[Probed]) -> Iterable[ProbeFigures]:
    groups: dict[tuple[str, str], list[Probed]] = defaultdict(list)
    for probe in probes:
        groups[probe.kind, probe.moment].append(probe)
    for (kind, moment), found in sorted(groups.items(), key=lambda group: (group[0][0], group[0][1] != "before")):
        right = sum(probe.right for probe in found)
        low, high = wilson(right, len(found))
        chances = [probe.chance for probe in found if probe.chance is not None]
        yield ProbeFigures(
            kind=kind,
            moment=moment,
            asked=len(found),
            right=right,
            unread=sum(not probe.read for probe in found),
            share=right / len(found),
            low=low,
            high=high,
            chance=fmean(chances) if chances else None,
        )
