"""What `evaluate --json` prints, and the sentences with which every table begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from culturepark.domain import JsonObject, Noun, Status
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.evaluation import (
    answers_planned,
    few_respondents,
    figures_of,
    record_of,
    sheet_of,
    stored_figures,
)
from culturepark.evaluate.figures import Figure
from culturepark.evaluate.intervals import paired_difference
from culturepark.evaluate.plan import Settings
from culturepark.evaluate.scorers import scorer_of
from culturepark.evaluate.scorers.survey import CONSTANTS, METRICS, SMALLER_IS_NEARER, SurveyScorer, distances_of
from culturepark.store.evaluations import suite_row
from culturepark.store.runs import spent_by_stage
from culturepark.store.store import Store

Verdict = Literal["nearer", "no difference seen", "farther", "too few to tell"]
FEWEST = 6
"""Questions below which no interval is held against a null."""


class AgainstConstant(Noun):
    """Whether the model is nearer to the people than the best answer that knows nothing of them."""

    culture: str
    condition: str
    """As in the group of a figure."""
    metric: str
    value: float
    constant: str
    """The strongest null that knows nothing: of a survey `midpoint` or `uniform`."""
    constant_value: float
    difference: float
    """Above 0: the model is nearer. In the metric's units."""
    low: float | None
    high: float | None
    p: float | None
    """Of a sign-flip test over questions; None where the figure is no mean of questions."""
    n: int
    """Questions."""
    verdict: Verdict


class Document(Noun):
    """One evaluation as JSON."""

    evaluation: str
    suite: JsonObject
    model: str
    status: str
    stop_reason: str | None
    created_at: str
    finished_at: str | None
    seed: int
    settings: JsonObject
    answers: JsonObject
    """Numbers: items that were answered, answers given, those with a choice, with probabilities, abstained."""
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    against_constant: tuple[AgainstConstant, ...]
    notes: tuple[str, ...]
    figures: tuple[JsonObject, ...]

    def as_json(self) -> JsonObject:
        return self.model_dump(mode="json")


def document(store: Store, run_id: str) -> Document:
    """Return an evaluation with its figures, as far as it is answered.

    Raises:
        UsageError: if the run evaluates nothing.
    """
    run, record, sheet = store.run(run_id), record_of(store, run_id), sheet_of(store, run_id)
    settings = Settings.model_validate_json(record.settings)
    figures = stored_figures(store, run_id) if run.status == Status.DONE else figures_of(store, run_id, sheet)
    row = suite_row(store, record.suite_id)
    planned = len(sheet.answers) if run.status == Status.DONE else answers_planned(store, run_id)
    spent = [*spent_by_stage(store, run_id).values()]
    return Document(
        evaluation=record.id,
        suite={
            "id": record.suite_id,
            "name": sheet.suite.name,
            "title": sheet.suite.title,
            "digest": row.digest if row else None,
            "items": len(sheet.suite.items),
            "card": sheet.suite.card.model_dump(mode="json"),
        },
        model=record.model,
        status=run.status,
        stop_reason=run.stop_reason,
        created_at=record.created_at,
        finished_at=run.finished_at,
        seed=record.seed,
        settings=settings.model_dump(mode="json"),
        answers={"planned": planned} | counts(sheet),
        calls=round(sum(calls for calls, _, _ in spent)),
        prompt_tokens=round(sum(prompt for _, prompt, _ in spent)),
        completion_tokens=round(sum(completion for _, _, completion in spent)),
        cost_usd=store.spent(run_id).cost_usd,
        against_constant=(*against_constants(sheet), *by_figures(sheet, figures)),
        notes=tuple(notes_on(sheet, settings, figures)),
        figures=tuple(figure.as_json() for figure in figures),
    )


def counts(sheet: Sheet) -> JsonObject:
    asked = [answer for answer in sheet.answers if answer.shown]
    return {
        "items": len({answer.item for answer in sheet.answers}),
        "given": len(sheet.answers),
        "with_options": len(asked),
        "with_a_choice": sum(answer.choice is not None for answer in asked),
        "abstained": sum(answer.abstained for answer in sheet.answers),
        "with_probabilities": sum(answer.probabilities is not None for answer in asked),
    }


def against_constants(sheet: Sheet) -> list[AgainstConstant]:
    """Return for each culture and condition whether the model beats a constant, by each score of the survey."""
    found: list[AgainstConstant] = []
    if SurveyScorer.name not in sheet.suite.scorers:
        return found
    for condition, pools in sheet.by_condition().items():
        by_culture: dict[str, list[object]] = {}
        every = distances_of([pool for pool in pools if pool.item.shares], sheet)
        for distance in every:
            by_culture.setdefault(distance.culture or distance.group, []).append(distance)
        shown = ",".join(f"{name}={value}" for name, value in condition)
        for culture in by_culture:
            own = [d for d in every if (d.culture or d.group) == culture]
            for metric in METRICS:
                rows = [d for d in own if metric in d.values]
                known = [name for name in CONSTANTS if rows and all(metric in d.nulls.get(name, {}) for d in rows)]
                if not known:
                    continue
                sign = -1 if metric in SMALLER_IS_NEARER else 1
                best = max(known, key=lambda name: sign * sum(d.nulls[name][metric] for d in rows))
                model = [sign * d.values[metric] for d in rows]
                null = [sign * d.nulls[best][metric] for d in rows]
                apart = paired_difference(model, null, sheet.seed, metric, culture, clusters=[d.item for d in rows])
                if apart is None:
                    continue
                # Not even the people themselves would be nearer than a constant, were they asked so seldom.
                reachable = sign * sum(d.ceiling(metric) for d in rows) > sum(null)
                found.append(
                    AgainstConstant(
                        culture=culture,
                        condition=shown,
                        metric=metric,
                        value=sign * sum(model) / len(model),
                        constant=best,
                        constant_value=sign * sum(null) / len(null),
                        difference=apart.value,
                        low=apart.low,
                        high=apart.high,
                        p=apart.p,
                        n=len(rows),
                        verdict=verdict_of(apart.low, apart.high, len(rows)) if reachable else "too few to tell",
                    )
                )
    return found


def by_figures(sheet: Sheet, figures: Sequence[Figure]) -> list[AgainstConstant]:
    """Return for each culture and condition whether a scorer's main figure lies clear of its first null."""
    found: dict[tuple[str, str], AgainstConstant] = {}
    headlines = {m: way for name in sheet.suite.scorers for m, way in getattr(scorer_of(name), "headline", ())}
    for figure in figures:
        parts = dict(parts_of(figure.group))
        culture = parts.pop("culture", "all")
        way = headlines.get(figure.metric)
        known = figure.value is not None and figure.null_value is not None and figure.null_name is not None
        if way is None or not known or {"topic", "country", "context", "label"} & parts.keys():
            continue
        sign = 1 if way == "larger" else -1
        value, null = float(figure.value or 0.0), float(figure.null_value or 0.0)
        ends = sorted(sign * (end - null) for end in (figure.low, figure.high) if end is not None)
        low, high = ends if len(ends) == 2 else (None, None)
        row = AgainstConstant(
            culture=culture,
            condition=",".join(f"{name}={part}" for name, part in parts.items()),
            metric=figure.metric,
            value=value,
            constant=str(figure.null_name),
            constant_value=null,
            difference=sign * (value - null),
            low=low,
            high=high,
            p=None,
            n=figure.n,
            verdict=verdict_of(low, high, figure.n),
        )
        found.setdefault((figure.metric, figure.group), row)
    return [*found.values()]


def verdict_of(low: float | None, high: float | None, n: int) -> Verdict:
    """Return what an interval of a difference says; above 0 the first is nearer."""
    if low is None or high is None or n < FEWEST:
        return "too few to tell"
    if low <= 0 <= high:
        return "no difference seen"
    return "nearer" if low > 0 else "farther"


def notes_on(sheet: Sheet, settings: Settings, figures: Sequence[Figure]) -> list[str]:
    """Return what a reader has to know before any figure."""
    notes = []
    for figure in figures:
        if figure.metric.startswith("always_"):
            place = figure.metric.removeprefix("always_").replace("_", " ")
            notes.append(
                f"the model takes the {place} option whatever it is ({figure.value:.0%} of its mass, {figure.group}): "
                "its answers say nothing"
            )
    outside = [f for f in figures if f.metric == "outside_mass" and (f.value or 0) > 0.5]
    notes += [f"{f.value:.0%} of the mass is on no option ({f.group}); means are missing there" for f in outside]
    declined = [f for f in figures if f.metric == "abstained" and (f.value or 0) > 0.2]
    notes += [f"{f.value:.0%} of the answers choose no option ({f.group})" for f in declined]
    few = few_respondents(settings)
    scorers = [scorer_of(name) for name in sheet.suite.scorers]
    own = [note for scorer in scorers if hasattr(scorer, "notes") for note in scorer.notes(sheet)]
    return [*notes, *own, *([few] if few else []), *people_behind(sheet, settings)]


def people_behind(sheet: Sheet, settings: Settings) -> list[str]:
    """Say from how many cards the respondents come."""
    if not settings.conditions.respondents:
        return []
    cards: dict[str, set[str]] = {}
    for answer in sheet.answers:
        if answer.respondent:
            cards.setdefault(answer.culture or "", set()).add(answer.respondent)
    told = ", ".join(f"{culture} {len(people)}" for culture, people in sorted(cards.items()))
    return [f"respondents are people that the model plays, from so many cards: {told}; they are no sample of a people"]


def parts_of(group: str) -> Mapping[str, str]:
    """Return the parts of a figure's group by name."""
    return dict(part.split("=", 1) for part in group.split(",") if "=" in part)
