"""What came of a loop, typed: `loop.json`, and what README and screen are written from. Made anew from the store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from culturepark import __version__
from culturepark.domain import JsonObject, Noun, Status
from culturepark.errors import UsageError
from culturepark.evaluate.figures import rounded
from culturepark.evaluate.measures import skill
from culturepark.evaluate.scorers.survey import CONSTANTS
from culturepark.loop import arms as arming
from culturepark.loop.doing import export_manifest, seeds_asked
from culturepark.loop.plan import Plan, Training, arms_made, record_of_training, seconds_between
from culturepark.loop.values import SPLITS, Measured, Split, Values, measured, metric_of, split_items
from culturepark.loop.verdict import (
    ALL,
    BASE,
    SOME_SEEDS,
    Cell,
    Contrast,
    Trained,
    contrasts,
    matrix,
    only,
    own_people,
    reading,
    sided,
)
from culturepark.models.kinds import is_scripted
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow


class Adapter(Noun):
    """One adapter of the loop."""

    arm: str
    culture: str
    seed: int
    share: float
    path: str
    artefact: str
    evaluation: str | None
    """None where it has not been asked yet."""
    rows: int
    rows_left_out: int
    """Longer than `train.max_length`."""
    steps: int
    tokens_a_row: float
    first_loss: float | None
    last_loss: float | None
    seconds: float
    cpu_seconds: float
    device: str


class Level(Noun):
    """Who has which value on the items of a split, about one culture."""

    split: str
    culture: str
    who: str
    """`base`, an arm, or `null: NAME`."""
    metric: str
    value: float
    """Of an arm the mean over its seeds."""
    by_seed: dict[int, float]
    skill: float | None
    """(value - null) / (ceiling - null), with the strongest constant as null: 0 knows as little as it, 1 is as near as
    another sample of the same people; None where there is no null."""
    n: int


class Reading(Noun):
    """What the contrasts of a culture come to, on held-out items."""

    culture: str
    says: str
    base_skill: float | None = None
    """Skill of the base beside the stronger constant; None for all cultures together, and where there are no nulls."""
    talk_skill: float | None = None


class Point(Noun):
    """One point of the curve over parts of the rows."""

    share: float
    rows: int
    culture: str
    difference: float
    low: float | None
    high: float | None


class Cost(Noun):
    trainings: int
    training_seconds: float
    training_cpu_seconds: float
    evaluations: int
    answers: int
    evaluation_seconds: float
    """From the beginning of each to its end, pauses included."""


class Document(Noun):
    """What `culturepark loop --json` prints."""

    loop: str
    title: str
    culturepark: str
    file: JsonObject
    """The loop file, with all that it leaves open."""
    out: str
    base: str
    base_evaluation: str | None
    cultures: tuple[str, ...]
    runs: tuple[str, ...]
    selection: str | None
    scripted: bool
    """True if a script wrote the rows."""
    rows_of_cultures: dict[str, int]
    """Culture -> rows of the export."""
    arms: dict[str, int]
    """Arm -> its rows of each culture."""
    seeds_of_rows: tuple[str, ...]
    """Keys of the questions behind the rows."""
    splits: dict[str, tuple[str, ...]]
    """Split -> keys of its items."""
    metric: str | None
    """The measure that verdicts are given of."""
    smaller_is_better: bool
    readings: tuple[Reading, ...]
    contrasts: tuple[Contrast, ...]
    levels: tuple[Level, ...]
    matrix: tuple[Cell, ...]
    curve: tuple[Point, ...]
    adapters: tuple[Adapter, ...]
    outside_mass: dict[str, float]
    """Arm, or the base -> mean probability of everything that is no option, 0-1; empty without probabilities."""
    missing: tuple[str, ...]
    """What is not trained or not asked yet."""
    cost: Cost
    limits: tuple[str, ...]
    """What these figures cannot say."""
    notes: tuple[str, ...]

    def as_json(self) -> JsonObject:
        return self.model_dump(mode="json")


MAIN, OF_SHAPES, OF_SHARES, OF_OWN = "arms", "shapes", "shares", "own people"
"""Families of tests."""


def document(plan: Plan, store: Store) -> Document:
    """Return what can be said of a loop as far as it is done.

    Raises:
        UsageError: if there are no rows yet, or the base has not been asked.
    """
    record = seeds_asked(plan)
    arms = arms_made(plan) or {}
    trainings = plan.trainings(arms)
    base_row = plan.evaluation_of(store, None)
    if base_row is None:
        raise UsageError(f"nothing to say of {plan.file.loop} yet: the base has not been asked")
    base = measured(store, base_row.id, nulls_too=True)
    metric = metric_of(plan.file.evaluate.metric, base.values)
    if metric is None:
        there = ", ".join(base.values) or "none of single items"
        raise UsageError(f"evaluate.metric: {base_row.id} has no such measure; it has {there}")
    rows = {training: plan.evaluation_of(store, training) for training in trainings}
    asked = {training: measured(store, row.id) for training, row in rows.items() if row is not None}
    trained = by_arm(asked, metric)
    runs = [store.run(run_id) for run_id in record["runs"]]
    questions = {
        seed.question for run in runs for seed in edition_of(run).scenario.seeds if seed.key in record["seeds"]
    }
    splits = split_items(plan.suite.items, set(record["seeds"]), questions)
    smaller = base.smaller_is_better[metric]
    outside = outside_masses(base, asked)
    found = every_contrast(plan, trained, base.values[metric], splits, metric, smaller)
    held = splits["held-out"]
    level_lines = [line for name in SPLITS for line in levels(plan, base, trained, metric, name, splits[name])]
    cells = [
        cell
        for arm in dict.fromkeys(who[0] for who in trained)
        if "-share-" not in arm
        for cell in matrix(arm, trained, base.values[metric], plan.cultures, held)
    ]
    adapters = [adapter_line(plan, store, training, rows[training]) for training in trainings]
    made = [adapter for adapter in adapters if adapter is not None]
    evaluated = [base_row, *(row for row in rows.values() if row is not None)]
    return Document(
        loop=plan.file.loop,
        title=plan.file.title,
        culturepark=__version__,
        file=plan.file.model_dump(mode="json"),
        out=str(plan.out),
        base=plan.file.train.base,
        base_evaluation=base_row.id,
        cultures=plan.cultures,
        runs=tuple(record["runs"]),
        selection=record["selection"],
        scripted=wrote_by_script(plan),
        rows_of_cultures=record["rows_of_cultures"],
        arms=arms,
        seeds_of_rows=tuple(record["seeds"]),
        splits={name: tuple(sorted(keys)) for name, keys in splits.items()},
        metric=metric,
        smaller_is_better=smaller,
        readings=tuple(
            Reading(
                culture=culture,
                says=reading(found, culture),
                base_skill=skill_in(level_lines, BASE, culture),
                talk_skill=skill_in(level_lines, arming.TALK, culture),
            )
            for culture in (*plan.cultures, *([ALL] if len(plan.cultures) > 1 else []))
        ),
        contrasts=tuple(found),
        levels=tuple(level_lines),
        matrix=tuple(cells),
        curve=tuple(curve(plan, found, arms)),
        adapters=tuple(made),
        outside_mass=outside,
        missing=tuple(missing(plan, store, trainings, rows, base_row)),
        cost=cost(store, made, evaluated),
        limits=tuple(limits(plan, splits, found, outside)),
        notes=tuple(record["notes"]),
    )


def by_arm(asked: Mapping[Training, Measured], metric: str) -> dict[tuple[str, str], dict[int, Values]]:
    found: dict[tuple[str, str], dict[int, Values]] = defaultdict(dict)
    for training, of in asked.items():
        if metric in of.values:
            found[training.called, training.culture][training.seed] = of.values[metric]
    return dict(found)


# --- tests -------------------------------------------------------------------------------------------


def every_contrast(
    plan: Plan,
    trained: Trained,
    base: Values,
    splits: Mapping[Split, frozenset[str]],
    metric: str,
    smaller: bool,
) -> list[Contrast]:
    """Return all contrasts: those of the arms in each split, those of shapes, shares and own people on held-out items.

    Each family of tests in each split has one error rate of 5%.
    """
    controls = list(plan.file.controls)
    pairs = [(arming.TALK, BASE), *((c, BASE) for c in controls), *((arming.TALK, c) for c in controls)]
    found: list[Contrast] = []
    for split in SPLITS:
        tests = sided(pairs, trained, base, plan.cultures, split, splits[split])
        found += contrasts(tests, metric, smaller, MAIN)
    held = splits["held-out"]
    shapes = [arm for arm in dict.fromkeys(who[0] for who in trained) if arm.startswith("shape-")]
    if shapes:
        pairs = [(shape, BASE) for shape in shapes] + [(shape, arming.MIXED) for shape in shapes]
        tests = sided([(arming.MIXED, BASE), *pairs], trained, base, plan.cultures, "held-out", held)
        found += contrasts(tests, metric, smaller, OF_SHAPES)
    shares = [arm for arm in dict.fromkeys(who[0] for who in trained) if "-share-" in arm]
    if shares:
        tests = sided([(arm, BASE) for arm in shares], trained, base, plan.cultures, "held-out", held)
        found += contrasts(tests, metric, smaller, OF_SHARES)
    if len(plan.cultures) > 1 and plan.file.evaluate.cross:
        own = contrasts(own_people(arming.TALK, trained, base, plan.cultures, held), metric, smaller, OF_OWN)
        found += [contrast.model_copy(update={"verdict": whose(contrast)}) for contrast in own]
    return found


def whose(contrast: Contrast) -> str:
    """Return in words whose people an adapter moved towards."""
    if contrast.word in ("no difference", "too few"):
        return contrast.verdict
    is_own = contrast.word in ("nearer", "better", "higher")
    sides = ("its own people", "the others") if is_own else ("the others", "its own people")
    doubt = contrast.verdict.partition(SOME_SEEDS)[1]
    return f"moved towards {sides[0]} more than towards {sides[1]}{doubt}"


def levels(plan: Plan, base: Measured, trained: Trained, metric: str, split: str, items: frozenset[str]) -> list[Level]:
    """Return the values of base, arms and nulls on the items of a split, about each culture."""
    found: list[Level] = []
    nulls, ceilings = base.nulls.get(metric, {}), base.ceilings.get(metric, {})
    larger = not base.smaller_is_better[metric]
    for culture in plan.cultures:
        own = only(base.values[metric], [culture], items)
        if not own:
            continue
        beside = {name: only(of, [culture], items) for name, of in nulls.items()}
        constants = [fmean(of.values()) for name, of in beside.items() if name in CONSTANTS and of.keys() >= own.keys()]
        strongest = (max if larger else min)(constants, default=None)
        ceiling = only(ceilings, [culture], items)

        def skilled(value: float, strongest: float | None = strongest, top: Values = ceiling) -> float | None:
            return None if strongest is None or not top else rounded(
                skill(value, strongest, fmean(top.values()), larger)
            )  # fmt: skip

        def line(who: str, value: float, n: int, seeds: Mapping[int, float], culture: str = culture) -> Level:
            return Level(
                split=split, culture=culture, who=who, metric=metric, value=rounded(value) or 0.0,
                by_seed=dict(seeds), skill=None if who.startswith("null") else skilled(value), n=n,
            )  # fmt: skip

        found.append(line(BASE, fmean(own.values()), len(own), {}))
        for (arm, trained_on), by_seed in trained.items():
            if trained_on != culture:
                continue
            means = {
                seed: fmean(of.values()) for seed, values in by_seed.items() if (of := only(values, [culture], items))
            }
            if means:
                n = len(only(next(iter(by_seed.values())), [culture], items))
                found.append(line(arm, fmean(means.values()), n, {s: rounded(v) or 0.0 for s, v in means.items()}))
        found += [line(f"null: {name}", fmean(of.values()), len(of), {}) for name, of in beside.items() if of]
    return found


def skill_in(lines: Sequence[Level], who: str, culture: str) -> float | None:
    """Return the skill of somebody on held-out items."""
    found = (line.skill for line in lines if (line.who, line.culture, line.split) == (who, culture, "held-out"))
    return next(found, None)


def curve(plan: Plan, found: Sequence[Contrast], arms: Mapping[str, int]) -> list[Point]:
    """Return the curve over parts of the rows, with all of them at its end; nothing without `shares`."""
    if not plan.file.shares:
        return []
    rows = arms[arming.TALK]
    named = {Training(arming.TALK, "", 0, share).called: share for share in (*plan.file.shares, 1.0)}
    points = [
        Point(
            share=named[c.a],
            rows=max(1, round(rows * named[c.a])),
            culture=c.culture,
            difference=c.difference,
            low=c.low,
            high=c.high,
        )
        for c in found
        if c.b == BASE and c.split == "held-out" and c.a in named and c.family in (MAIN, OF_SHARES)
    ]
    return sorted(points, key=lambda point: (point.culture == ALL, point.culture, point.share))


# --- what was done -----------------------------------------------------------------------------------


def adapter_line(plan: Plan, store: Store, training: Training, row: RunRow | None) -> Adapter | None:
    """Return what is known of an adapter; None if it is not made."""
    made = plan.artefact_of(store, training)
    if made is None:
        return None
    figures: dict[str, Any] = record_of_training(plan.adapter_folder(training))["figures"]
    names = ("rows", "rows_left_out", "steps", "tokens_a_row", "first_loss", "last_loss", "seconds", "cpu_seconds")
    return Adapter(
        arm=training.arm,
        culture=training.culture,
        seed=training.seed,
        share=training.share,
        path=str(plan.adapter_folder(training)),
        artefact=made.id,
        evaluation=row.id if row else None,
        device=str(figures["device"]),
        **{name: figures[name] for name in names},
    )


def missing(
    plan: Plan,
    store: Store,
    trainings: Sequence[Training],
    rows: Mapping[Training, RunRow | None],
    base: RunRow,
) -> list[str]:
    found = [] if base.status == Status.DONE else ["the base is not asked to the end"]
    for training in trainings:
        if plan.artefact_of(store, training) is None:
            found.append(f"{training.name} is not trained")
        elif (row := rows[training]) is None:
            found.append(f"{training.name} is not asked")
        elif row.status != Status.DONE:
            found.append(f"{training.name} is not asked to the end")
    return found


def cost(store: Store, adapters: Sequence[Adapter], evaluated: Sequence[RunRow]) -> Cost:
    from culturepark.store import evaluations as kept

    done = [row for row in evaluated if row.finished_at]
    return Cost(
        trainings=len(adapters),
        training_seconds=round(sum(adapter.seconds for adapter in adapters), 1),
        training_cpu_seconds=round(sum(adapter.cpu_seconds for adapter in adapters), 1),
        evaluations=len(evaluated),
        answers=sum(len(kept.answer_ids(store, row.id)) for row in evaluated),
        evaluation_seconds=round(sum(seconds_between(row.created_at, row.finished_at or "") for row in done), 1),
    )


def wrote_by_script(plan: Plan) -> bool:
    """Return whether a scripted model wrote some of the rows."""
    specs = [
        str(spec)
        for run in export_manifest(plan).get("runs", [])
        for role, spec in run.get("models", {}).items()
        if role in ("speaker", "extractor")
    ]
    return any(is_scripted(spec) for spec in specs)


def outside_masses(base: Measured, asked: Mapping[Training, Measured]) -> dict[str, float]:
    by: dict[str, list[float]] = {BASE: [] if base.outside_mass is None else [base.outside_mass]}
    for training, found in asked.items():
        if found.outside_mass is not None:
            by.setdefault(training.called, []).append(found.outside_mass)
    return {who: round(fmean(masses), 4) for who, masses in by.items() if masses}


NOTABLE_MASS = 0.05
"""Difference in `outside_mass` from the base that a reader is told of."""


def limits(
    plan: Plan,
    splits: Mapping[Split, frozenset[str]],
    found: Sequence[Contrast],
    outside: Mapping[str, float],
) -> list[str]:
    """Return what the figures of this loop cannot say."""
    seeds = len(plan.file.seeds)
    said = [
        "Simulated people spoke the rows. A model that is nearer to a survey's shares on these questions is no voice "
        "of anybody, and is not known to be nearer on others, in other words, or in what it does.",
        "Intervals are over the items of the suite. They speak of these trainings"
        + (", of which there is one of each arm: " if seeds == 1 else f", {seeds} of each arm: ")
        + "another seed may come out elsewhere, as the figures of single seeds show.",
    ]
    if BASE in outside and any(abs(mass - outside[BASE]) >= NOTABLE_MASS for mass in outside.values()):
        masses = ", ".join(f"{who} {mass:.2f}" for who, mass in outside.items())
        said.append(
            f"Probability that goes to no option: {masses}. Where it differs, so does the distance from the people, "
            "whatever the model would choose among the options."
        )
    if len(plan.cultures) < 5:
        said.append(
            f"With {len(plan.cultures)} cultures nothing can be said of others; an interval over cultures wants five."
        )
    if splits["asked"]:
        said.append(
            f"{len(splits['asked'])} of the items are questions behind the rows: a difference on these is no evidence "
            "of more than memory, and they are kept apart from the others."
        )
    if not splits["other-topics"]:
        said.append("There is no item on a topic that no row is about, so nothing is said of other topics.")
    contaminated = [c for c in found if c.family == MAIN and c.split == "held-out" and c.a == arming.SEEDS]
    if contaminated:
        said.append(
            f"{arming.SEEDS} saw answers drawn from the very shares that the suite measures against, if only those of "
            "the asked questions: it is a strong rival, and needs a survey of the people, which talk needs too."
        )
    if plan.file.evaluate.framing == "persona":
        said.append("The base was asked in the name of somebody from the country; in its own name it may differ.")
    if wrote_by_script(plan):
        said.append("A script wrote the rows: this shows how the loop works, and is good for nothing else.")
    return said


def written(plan: Plan, store: Store) -> Document:
    """Write `loop.json` and `README.md` into the folder of a loop, and return what they say."""
    from culturepark.loop.text import readme

    made = document(plan, store)
    for name, text in (
        ("loop.json", json.dumps(made.as_json(), indent=1, ensure_ascii=False) + "\n"),
        ("README.md", readme(made)),
    ):
        aside = plan.out / f".{name}"
        aside.write_text(text, "utf-8")
        aside.replace(plan.out / name)
    return made
