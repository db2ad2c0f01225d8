"""Compares the talks of runs: what differs between them, and the figures of each beside those of the first. Read-only.

Dialogues are paired by question, people and dealt answers; where no two have all of these in common, by question and
people. A difference of paired dialogues is theirs alone, since the people and the question are the same. Runs without
pairs are compared as wholes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import sqlalchemy
from sqlmodel import col, func

from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import Casting, Edition
from culturepark.errors import UsageError
from culturepark.files import some_of
from culturepark.ids import dialogue_of
from culturepark.stats.figures import ComparedRun, Comparison, Difference, PairedBy, Talks, Verdict
from culturepark.stats.run_talks import (
    FEWEST,
    MeasuredTalks,
    averaged,
    ends,
    interval,
    measured_talks,
    pairing,
    resampled,
    summary,
    told_apart,
)
from culturepark.stats.talks import Score
from culturepark.store.integrity import edition_of, hangs_on, of_columns
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, RunRow, SampleRow

COSTS = ("prompt_tokens", "completion_tokens", "calls")
MOST_NAMED = 3
Scores = Mapping[str, Score]
"""Name of a measure -> figure of one dialogue."""


@dataclass(frozen=True)
class Side:
    """A run that is compared."""

    run: RunRow
    edition: Edition
    measured: MeasuredTalks
    scores: Sequence[Scores]
    """Of each measured dialogue."""
    rows: Mapping[str, int]
    """Status of a sample -> how many there are."""

    @property
    def castings(self) -> list[Casting]:
        return [talk.casting for talk in self.measured.talks]


def compare(runs: Sequence[tuple[Store, RunRow]]) -> Comparison:
    """
    Raises:
        UsageError: if there are fewer than two runs, one stands there twice, or one has no finished dialogue.
    """
    if len(runs) < 2:
        raise UsageError("compare takes two runs or more; `culturepark runs` lists them")
    for place, (store, run) in enumerate(runs):
        if any(run.id == other.id and store.database.url == s.database.url for s, other in runs[:place]):
            raise UsageError(f"the run {run.id} stands there twice")
    return compare_sides([side(store, run) for store, run in runs])


def compare_sides(sides: Sequence[Side]) -> Comparison:
    protocols = {one.edition.scenario.protocol for one in sides}
    facts = [facts_of(one, protocols) for one in sides]
    names = dict.fromkeys(name for fact in facts for name in fact)
    shown = {name: [fact.get(name, ("-", None))[0] for fact in facts] for name in names}
    alike = {name: len({fact.get(name, ("-", None))[1] for fact in facts}) == 1 for name in shown}
    return Comparison(
        differ={name: values for name, values in shown.items() if not alike[name]},
        alike={name: values[0] for name, values in shown.items() if alike[name]},
        runs=[compared(one, sides[0]) for one in sides],
    )


def side(store: Store, run: RunRow) -> Side:
    edition = edition_of(run)
    measured = measured_talks(store, run, edition)
    if not measured.talks and not protocol_of(edition.scenario.protocol).mines:
        raise UsageError(f"the run {run.id} has no finished dialogue that could be compared")
    costs = costs_of(store, run)
    return Side(run, edition, measured, list(scores_of(measured, costs)), rows_of(store, run))


def scores_of(measured: MeasuredTalks, costs: Mapping[str, tuple[int, int, int]]) -> Sequence[Scores]:
    """Return the figures of each dialogue, with what it cost."""
    found = []
    for talk, one in zip(measured.talks, measured.measures, strict=True):
        scores = {name: score for name, score in one.scores().items() if score}
        made = sum(turn.call_id is not None for turn in talk.turns)
        if talk.key in costs and made:
            prompt, completion, calls = costs[talk.key]
            per = (prompt / made, completion / made, calls / len(talk.speeches))
            scores |= {name: Score(value) for name, value in zip(COSTS, per, strict=True)}
        found.append(scores)
    return found


def rows_of(store: Store, run: RunRow) -> dict[str, int]:
    """Return status -> number of the run's samples."""
    query = sqlalchemy.select(col(SampleRow.status), func.count()).where(hangs_on(col(SampleRow.id), run.id))
    with store.database.reading() as session:
        return {str(status): int(count) for status, count in session.execute(query.group_by(col(SampleRow.status)))}


def costs_of(store: Store, run: RunRow) -> dict[str, tuple[int, int, int]]:
    """Return dialogue id -> prompt tokens, completion tokens and number of the calls that made its turns, those in vain
    among them."""
    columns = (col(CallRow.subject_id), CallRow.prompt_tokens, CallRow.completion_tokens)
    query = sqlalchemy.select(columns[0], *(func.coalesce(func.sum(c), 0) for c in columns[1:]), func.count())
    query = query.where(col(CallRow.run_id) == run.id, col(CallRow.stage) == "dialogue").group_by(columns[0])
    sums: dict[str, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    with store.database.reading() as session:
        for subject, *counts in of_columns(session.execute(query)):
            key = dialogue_of(subject)
            prompt, completion, calls = (a + int(b) for a, b in zip(sums[key], counts, strict=True))
            sums[key] = prompt, completion, calls
    return dict(sums)


# --- what differs ----------------------------------------------------------------------------------


def facts_of(one: Side, protocols: Collection[str] = ()) -> dict[str, tuple[str, object]]:
    """Return what a run was made with: name -> words, and what is compared.

    Args:
        protocols: of all runs that are compared. Where one is a mine, which has no talks, rows are counted too.
    """
    scenario, models = one.edition.scenario, json.loads(one.run.models)
    plain: dict[str, object] = {
        "scenario": one.run.scenario_name,
        "setting": scenario.setting,
        "protocol": scenario.protocol,
        "moderation": scenario.moderation,
        "memory": scenario.memory,
        "stances": scenario.stances,
        "measure": ", ".join(scenario.measure) or "nothing",
        "cultures": ", ".join(scenario.cultures),
        "people": scenario.people,
        "turns at most": scenario.max_turns,
        "language": scenario.language,
        "seed": one.run.seed,
        "speaker": models.get("speaker", "none"),
        "moderator": models.get("moderator", "none"),
        "verifier": models.get("verifier", "none"),
        "version": one.run.version,
    }
    if mining := scenario.mining:
        plain |= {"mines": mining.what, "how": mining.how, "of each": mining.rows}
    if any(protocol_of(name).mines for name in protocols):
        plain["rows kept"] = one.rows.get("kept", 0)
    keys = [seed.key for seed in scenario.seeds]
    named = some_of(keys, MOST_NAMED)
    cards = {persona.key: persona.model_dump_json() for persona in one.edition.personas}
    listed: dict[str, tuple[str, object]] = {
        "questions": (named, tuple(keys)),
        "cards": (f"{len(cards)} cards", tuple(sorted(cards.items()))),
    }
    return {name: (str(value), str(value)) for name, value in plain.items()} | listed


# --- pairs -----------------------------------------------------------------------------------------


def compared(one: Side, first: Side) -> ComparedRun:
    by, pairs = pairs_of(first.castings, one.castings)
    differences = {}
    for name in measures_of(one) if one is not first else ():
        if found := difference(name, first, one, pairs):
            differences[name] = found
    return ComparedRun(run=one.run.id, paired_by=by, pairs=len(pairs), talks=with_costs(one), differences=differences)


def measures_of(one: Side) -> list[str]:
    return list(dict.fromkeys(name for scores in one.scores for name in scores))


def with_costs(one: Side) -> Talks:
    talks = summary(one.measured, one.run.seed)
    costs = {name: [scores[name] for scores in one.scores if name in scores] for name in COSTS}
    more = {name: averaged(scores, name, one.run.seed) for name, scores in costs.items() if scores}
    return talks.model_copy(update={"measures": talks.measures | more})


def pairs_of(first: Sequence[Casting], second: Sequence[Casting]) -> tuple[PairedBy, list[tuple[int, int]]]:
    """Return by what the dialogues of two runs are paired, and the places of each pair.

    Where several dialogues have all of it in common, the first goes with the first. Fewer pairs than an interval needs
    are none, unless a run has no more dialogues.
    """
    keys: tuple[tuple[PairedBy, Callable[[Casting], object]], ...] = (
        ("question, people and answers", with_answers),
        ("question and people", pairing),
    )
    for by, key in keys:
        waiting: dict[object, list[int]] = defaultdict(list)
        for place, casting in enumerate(first):
            waiting[key(casting)].append(place)
        pairs = [(waiting[key(c)].pop(0), place) for place, c in enumerate(second) if waiting.get(key(c))]
        if len(pairs) >= min(FEWEST, len(first), len(second)):
            return by, pairs
    return "nothing", []


def with_answers(casting: Casting) -> object:
    people = ((p.persona.key, p.stance.code if p.stance else None) for p in casting.participants)
    return casting.seed.key, tuple(sorted(people, key=str))


def difference(name: str, first: Side, second: Side, pairs: Sequence[tuple[int, int]]) -> Difference | None:
    """Return the difference of a measure; None where one of the runs does not have it."""
    seed = ("compare", name, first.run.seed, second.run.seed)
    if pairs:
        both = [(first.scores[one].get(name), second.scores[other].get(name)) for one, other in pairs]
        values = np.array([other.value - one.value for one, other in both if one and other], np.float64)
        if not len(values):
            return None
        mean, between = float(values.mean()), interval(values, *seed)
    else:
        sides = [[scores[name].value for scores in side.scores if name in scores] for side in (first, second)]
        if not all(sides):
            return None
        mean, between, values = fmean(sides[1]) - fmean(sides[0]), (None, None), np.array([])
        if min(map(len, sides)) >= FEWEST:
            one, other = (resampled(np.array(v), place, *seed) for place, v in enumerate(sides))
            between = ends(other - one)
    low, high = between
    return Difference(value=mean, low=low, high=high, pairs=len(values), verdict=verdict(mean, told_apart(between)))


def verdict(difference: float, apart: bool | None) -> Verdict:
    if apart is None:
        return "too few to say"
    return "not told apart" if not apart else "higher" if difference > 0 else "lower"
