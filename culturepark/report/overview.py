"""The values of the page's overview, computed from `stats` in the order of a reader's questions. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Any

from culturepark import interface
from culturepark.dialogue.casting import Skip
from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import JUDGES, Edition, JsonObject, Scenario
from culturepark.glossary import (
    CRITERIA,
    DROPPED,
    GROUNDS_SHORT,
    KINDS_TOGETHER,
    METHODS,
    REFUSED,
    REJECTED,
    ROLES,
    SHAPES_TOGETHER,
    SLIPS,
    STAGES,
    STATUSES,
    STOPS,
    TALKS,
    VARIETY,
    counted,
    in_words,
)
from culturepark.interface import language, tr
from culturepark.languages.countries import country_name
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.stats.figures import (
    Answered,
    Group,
    Measured,
    Origins,
    OriginsBy,
    Representation,
    ReviewCounts,
    RunStats,
    SlipCounts,
    StanceAnswer,
    StanceCell,
    SurveyDistance,
    Talks,
)
from culturepark.stats.run_stats import CultureCounts
from culturepark.stats.text import check_lines, measured, review_lines, talk_figure, told_beside_chance, verdict_of
from culturepark.store.dialogue_view import Mined, Scene, Spoken
from culturepark.store.tables import RunRow
from culturepark.terminal.linebreak import whole

KINDS = ("opinion", "norm", "custom")
FURTHEST = 3
"""Questions whose stances are shown when the page opens."""
SEARCHED = 20
"""Dialogues that are searched for examples."""
ROWS = 2
"""Example rows, each of another culture."""
AROUND = 80
"""Characters of a speech that are shown before and after a quote."""
LONGEST = 200
"""Characters that are shown of a quote, or of a message of a row."""


@dataclass(frozen=True)
class Example:
    """A quote in its speech, and the messages of a row made from it."""

    turn_id: str
    speaker: str
    culture: str
    question: str
    language: str | None
    """Of what was said; None where nobody noted it."""
    before: str
    quote: str
    after: str
    messages: Sequence[Mapping[str, str]]
    """Empty if there is no row."""
    rendering: str = ""
    """The statement, or without a row the speech, in the reader's language, if it was said in another one."""


@dataclass(frozen=True)
class Step:
    """A step from turns to kept samples, with a bar."""

    what: str
    count: int
    figure: str | None = None
    """Path of the count in `stats`; None if it is computed."""
    lost: int = 0
    """Number of the step before minus this one."""


@dataclass(frozen=True)
class Question:
    """The stances on one survey item, by country."""

    seed: str
    text: str
    cells: Sequence[StanceCell]

    @property
    def drawn(self) -> int:
        return sum(cell.drawn for cell in self.cells)

    @property
    def beyond_chance(self) -> float:
        return max(cell.fit.beyond_chance for cell in self.cells)


def view(
    run: RunRow,
    edition: Edition,
    stats: RunStats,
    cultures: Mapping[str, CultureCounts],
    seconds: Mapping[str, float],
    scenes: Iterable[Scene],
) -> dict[str, Any]:
    """Return the values for `page.html`.

    Args:
        seconds: stage -> duration of its calls.
        scenes: dialogues for the examples.
    """
    scenario, models = edition.scenario, by_model(stats, edition.scenario)
    surveyed = any(seed.item for seed in scenario.seeds)
    shapes = [shape for shape in scenario.samples if shape != "survey" or surveyed]
    return {
        "run": run,
        "scenario": scenario,
        "user_sits": protocol_of(scenario.protocol).user_sits,
        "stats": stats,
        "status": in_words(STATUSES, run.status),
        "stop": "" if run.status == "done" or not run.stop_reason else run.stop_reason,
        "took": between(run.created_at, run.finished_at),
        "examples": examples(scenes),
        "models": models,
        "scripted": next((roles for spec, roles in models if is_scripted(spec)), None),
        "scripted_talk": is_scripted(stats.models.get("speaker", "")),
        "embedded": any(is_tiny(spec) for spec, _ in models),
        "seated": seated(stats.representation.cultures, edition),
        "verifier_asked": "verify" in stats.calls.by_stage,
        "stops": worded(stats.dialogue_stop_reasons, STOPS),
        "skipped": by_reason(stats.skipped),
        "funnel": funnel(stats),
        "rejected": worded(stats.statements.rejected, REJECTED),
        "dropped": worded(stats.samples.dropped, DROPPED),
        "repeats": worded(stats.duplicates.by_method, METHODS),
        "criteria": {name: tr(words) for name, words in CRITERIA.items() if name not in stats.row_questions},
        "row_questions": [(name, in_words(CRITERIA, name)) for name in stats.row_questions],
        "told": told_beside_chance(stats.row_questions["distinctive"]) if "distinctive" in stats.row_questions else "",
        "generic": generic(stats),
        "grounds": {name: tr(words) for name, words in GROUNDS_SHORT.items()},
        "kinds_in_words": {kind: in_words(KINDS_TOGETHER, kind) for kind in KINDS},
        "origins": origins(stats),
        "looked_up": stats.provenance.statements.all.unknown < stats.provenance.statements.all.total,
        "checks": [line.strip() for name, check in stats.checks.items() for line in check_lines(name, check)],
        "slips": slips_in_words(stats.slips),
        "reviews": [line.strip() for line in review_lines(stats.reviews)] if stats.reviews.total else [],
        "questions": questions(stats.stances, edition),
        "furthest": FURTHEST,
        "fits": {name: group.stances for name, group in stats.representation.cultures.items() if group.stances.drawn},
        "cultures": cultures,
        "kinds": KINDS,
        "shapes": [(name, tr(words)) for name, words in SHAPES_TOGETHER.items() if name in shapes],
        "topics": topics(cultures),
        "voices": voices(stats.representation),
        "columns": VARIETY,
        "verdict": verdict_of(stats.representation.run),
        "talks": talk_rows(stats.talks) if stats.talks else [],
        "refused": worded(stats.calls.refused_by_guard, REFUSED),
        "stages": [
            {"name": name, "words": in_words(STAGES, name), "calls": count, "seconds": seconds.get(name)}
            for name, count in stats.calls.by_stage.items()
        ],
        "seconds": sum(seconds.values()),
        "sources": sorted({seed.item.source for seed in scenario.seeds if seed.item}),
    }


def examples(scenes: Iterable[Scene]) -> list[Example]:
    """Return a row of each of the first few cultures with rows; without rows the first speech of a persona."""
    rows: dict[str, Example] = {}
    speech = None
    for scene in islice(scenes, SEARCHED):
        for turn in scene.turns:
            if not turn.turn.is_own:
                continue
            speech = speech or Example(
                turn.id,
                turn.name,
                turn.culture,
                scene.seed.question,
                scene.language_of(turn.turn),
                "",
                clipped(turn.turn.text),
                "",
                (),
                clipped(heard.text) if (heard := turn.read_in(language())) else "",
            )
            for statement in turn.statements:
                if turn.culture not in rows and (example := example_of(scene, turn, statement)):
                    rows[turn.culture] = example
        if len(rows) >= ROWS:
            break
    return list(rows.values())[:ROWS] or ([speech] if speech else [])


def example_of(scene: Scene, turn: Spoken, statement: Mined) -> Example | None:
    kept = next((sample for sample in statement.samples if sample.status == "kept"), None)
    if kept is None:
        return None
    text, start, end = turn.turn.text, statement.row.quote_start, statement.row.quote_end
    messages = [
        {"role": str(message.get("role")), "content": clipped(str(message.get("content")))}
        for message in json.loads(kept.messages)
    ]
    before, after = text[whole(text, start - AROUND) : start], text[end : whole(text, end + AROUND)]
    told = statement.read_in(language())
    return Example(
        turn.id,
        turn.name,
        turn.culture,
        scene.seed.question,
        scene.language_of(turn.turn),
        f"… {before.partition(' ')[2] or before}" if start > AROUND else before,
        clipped(text[start:end]),
        f"{after.rpartition(' ')[0] or after} …" if end + AROUND < len(text) else after,
        messages,
        clipped(told.first_person or told.text) if told else "",
    )


def clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: whole(text, LONGEST)]} …"


def seated(cultures: Collection[str], edition: Edition) -> str:
    """Name the participants of a run by number of cultures; main contacts count apart."""
    known = [edition.culture(key) for key in cultures]
    own = sum(culture.role == "delegate" for culture in known)
    sides = [counted(own, "culture")] if own else []
    sides += [tr("{people} main contacts", people=c.adjective) for c in known if c.role == "main"]
    return tr(" and ").join(sides) or tr("nobody")


def worded(counts: Mapping[str, int], words: dict[str, str]) -> list[tuple[str, str, int]]:
    """Return word, meaning and count, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(name, in_words(words, name), count) for name, count in ranked]


def by_model(stats: RunStats, scenario: Scenario) -> list[tuple[str, str]]:
    """Return spec and roles of each model that was asked."""
    models, stages = stats.models, stats.calls.by_stage
    asked: dict[str, bool] = {
        "speaker": "dialogue" in stages,
        "moderator": "dialogue" in stages and scenario.setting != "one-to-one",
        "extractor": "extract" in stages,
        "verifier": bool({"examine", "verify", "measure"} & set(stages)),
        "embedder": stats.representation.run.statements.accepted > 0,  # embedders on this machine make no calls
        # A panel asks all judges; only the first plays second personas.
        **{
            role: "check" in stages and (role == JUDGES[0] or {*stats.checks} - {"cross-check"} != set())
            for role in JUDGES
        },
    }
    roles = [role for role in ROLES if role in models and asked[role]]
    return [
        (spec, ", ".join(in_words(ROLES, role) for role in roles if models[role] == spec))
        for spec in dict.fromkeys(models[role] for role in roles)
    ]


def slips_in_words(slips: SlipCounts) -> list[str]:
    """Return a line on what was looked through, and one for each model that spoke."""
    dialogues = counted(slips.dialogues, "dialogue")
    lines = [
        tr("{some} of {dialogues} looked through for slips after the talk", some=slips.examined, dialogues=dialogues)
    ]
    if slips.too_small:
        lines[0] += tr("; for {count} the verifier's model was too small", count=slips.too_small)
    if slips.unread:
        lines[0] += tr("; of {count} an answer could not be read", count=slips.unread)
    for model, of_model in slips.by_model.items():
        found = ", ".join(f"{count} × {in_words(SLIPS, kind)}" for kind, count in of_model.by_kind.items())
        speeches = counted(of_model.speeches, "speech", "speeches")
        counts = tr("{model}: a slip in {some} of {speeches}", model=model, some=of_model.with_slips, speeches=speeches)
        lines.append(counts + (f" ({found})" if found else ""))
    return lines


def anonymous(reviews: ReviewCounts, names: Mapping[str, str]) -> ReviewCounts:
    """Replace the names of reviewers in the figures."""
    data = reviews.as_json()
    data["by_reviewer"] = {f"{names[name]}:": count for name, count in reviews.by_reviewer.items()}
    for agreement in (data["agreement"] or {}).values():
        for pair in agreement["pairs"]:
            pair["reviewers"] = [names[name] for name in pair["reviewers"]]
    return ReviewCounts.model_validate(data)


def by_reason(skipped: Sequence[Skip]) -> dict[str, str]:
    """Return reason -> the questions and cultures that were left out of the plan."""
    places: dict[str, list[str]] = {}
    for skip in skipped:
        places.setdefault(skip.why, []).append(f"{skip.seed_key} {skip.culture}")
    return {why: ", ".join(cells) for why, cells in places.items()}


def funnel(stats: RunStats) -> list[tuple[Step, float]]:
    """Return the steps from turns to kept samples, each with the length of its bar in percent."""
    total, accepted = stats.statements.total, stats.representation.run.statements.accepted
    decided = stats.samples.kept or stats.samples.dropped  # before that, no statement is accepted or lost
    repeats = sum(stats.duplicates.by_method.values())
    steps = [
        Step(tr("turns spoken"), stats.turns.personas, "turns.personas"),
        Step(tr("statements found in them"), total, "statements.total"),
        Step(
            tr("accepted"), accepted, "representation.run.statements.accepted", lost=total - accepted if decided else 0
        ),
        Step(tr("distinct"), accepted - repeats, lost=repeats),
        Step(tr("samples kept"), stats.samples.kept, "samples.kept"),
    ]
    widest = max(step.count for step in steps) or 1
    return [(step, 100 * step.count / widest) for step in steps]


def generic(stats: RunStats) -> list[tuple[str, Answered]]:
    """Return the speakers' countries with what a judge made of their statements, the most generic first."""
    one = stats.row_questions.get("distinctive")
    found = [(country, counts) for country, counts in one.by_country.items() if counts.share is not None] if one else []
    found.sort(key=lambda pair: (pair[1].share, pair[0]))
    return [(country_name(country), counts) for country, counts in found]


def origins(stats: RunStats) -> list[tuple[str, str, Origins]]:
    """Return for all statements and kept samples, and for each kind and culture of them, where the content is from.

    The second value is the path of the figures in `stats`.
    """
    rows = []
    for what, name in ((tr("statements"), "statements"), (tr("samples kept"), "samples")):
        by: OriginsBy = getattr(stats.provenance, name)
        rows.append((what, f"provenance.{name}.all", by.all))
        rows += [
            (f"{what}: {in_words(KINDS_TOGETHER, kind)}", f"provenance.{name}.by_kind.{kind}", one)
            for kind, one in by.by_kind.items()
        ]
        rows += [(f"{what}: {of}", f"provenance.{name}.by_culture.{of}", one) for of, one in by.by_culture.items()]
    return rows


def questions(cells: Sequence[StanceCell], edition: Edition) -> list[Question]:
    """Group stances by survey item; items whose stances are furthest from the survey, beyond chance, come first."""
    texts = {seed.key: seed.question for seed in edition.scenario.seeds}
    by_seed: dict[str, list[StanceCell]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell)
    asked = [Question(seed, texts.get(seed, seed), of_seed) for seed, of_seed in by_seed.items()]
    return sorted(asked, key=lambda question: (-question.beyond_chance, question.seed))


def country(cell: StanceCell) -> str:
    return country_name(cell.country)


def drawn_share(answer: StanceAnswer, cell: StanceCell) -> float:
    return answer.drawn / (cell.drawn or 1)


def how_far(distance: SurveyDistance) -> str:
    further = tr("further than chance would lead") if distance.skewed else tr("no further than chance leads")
    return tr(
        "distance {distance}, by chance {chance}: {further}",
        distance=decimal(distance.jsd),
        chance=decimal(distance.expected),
        further=further,
    )


def topics(cultures: Mapping[str, CultureCounts]) -> list[JsonObject]:
    """Return topics by number of statements, with a cell for each culture, shaded relative to the largest."""
    totals = Counter[str]()
    for counts in cultures.values():
        totals.update(counts.topics)
    widest = max((count for counts in cultures.values() for count in counts.topics.values()), default=0) or 1
    ranked = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        {
            "topic": topic,
            "total": total,
            "cells": {
                culture: {"count": counts.topics[topic], "shade": shade(counts.topics[topic], widest)}
                for culture, counts in cultures.items()
            },
        }
        for topic, total in ranked
    ]


def shade(count: int, widest: int) -> int:
    """Return the darkness of a cell, 0 to 4."""
    return 0 if not count else 1 + min(3, 4 * count // (widest + 1))


def voices(representation: Representation) -> list[tuple[str, Group, str]]:
    """Return each culture and the whole run with the verdict on its voices."""
    groups: list[tuple[str, Group]] = [*representation.cultures.items(), (tr("together"), representation.run)]
    return [(name, group, verdict_of(group)) for name, group in groups]


@dataclass(frozen=True)
class TalkRow:
    """A measure of talks in words."""

    name: str
    words: str
    value: str
    interval: str
    """Empty where there are too few dialogues."""
    null: str
    """Empty where there is no such thing."""
    apart: str
    """Whether figure and null can be told apart; empty where that is not known."""


def talk_rows(talks: Talks) -> list[TalkRow]:
    """Return the measures of talks in the order of `TALKS`."""
    rows = []
    for name in TALKS:
        if one := talks.measures.get(name):
            value, _ = measured(name, one)
            null = "" if one.null is None else talk_figure(name, one.null)
            apart = {True: tr("yes"), False: tr("no"), None: ""}[one.beyond_null]
            rows.append(TalkRow(name, tr(TALKS[name]), value, talk_interval(name, one), null, apart))
    return rows


def talk_interval(name: str, one: Measured) -> str:
    return (
        ""
        if one.low is None
        else tr("{low} to {high}", low=talk_figure(name, one.low), high=talk_figure(name, one.high))
    )


def between(start: str, end: str | None) -> float | None:
    """Return the seconds from one time to another; None if either is not known."""
    try:
        return (datetime.fromisoformat(end or "") - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return None


def figure(stats: RunStats, path: str) -> Any:
    """Return the figure under a path such as `samples.kept`."""
    return attrgetter(path)(stats)


def grouped(number: float | None) -> str:
    return "–" if number is None else interface.grouped(round(number))


def decimal(number: float | None) -> str:
    return "–" if number is None else interface.decimal(number)


def percent(part: float | None) -> str:
    return "–" if part is None else f"{part:.0%}"


def points(part: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    number = round(100 * part)
    return "±0" if not number else f"{number:+d}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """Return a duration as `1 h 05 min`, `12 min 03 s` or `4.2 s`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def money(usd: float | None) -> str:
    return tr("no known price") if usd is None else f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"
