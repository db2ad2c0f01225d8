"""An evaluation: a run that puts the items of a suite to a model, and keeps answers, scores and figures.

Its calls are those of any other run: kept, counted against its budget, never sent again once answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from culturepark.catalog.cultures import Known
from culturepark.catalog.personas import load_all
from culturepark.catalog.suites import Item, Suite
from culturepark.domain import Culture, Edition, LanguageCode, Persona, Scenario, Status, shipped_cultures, storable
from culturepark.errors import ModelError, OutOfCredit, StoreError, Unreachable, UsageError
from culturepark.evaluate.answers import Answer, Sheet
from culturepark.evaluate.elicit import prompt_digest, read, request_for
from culturepark.evaluate.figures import Figure, Score
from culturepark.evaluate.plan import LEAST_RESPONDENTS, Ask, Plan, Settings
from culturepark.evaluate.scorers import scorer_of
from culturepark.models.chat import ChatModel, Reply, canonical, digest
from culturepark.models.ledger import DOWN_AFTER
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings as RunSettings
from culturepark.run.plan import models_column, pending
from culturepark.shortage import shortages_named
from culturepark.store import evaluations as kept
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import AnswerRow, EvaluationRow, FigureRow, RunRow, ScoreRow

STAGE = "evaluate"
NAMES_PLACE = re.compile(r"\{\{(country|culture)\}\}")
MOST_ASKS = 1_000_000
"""Questions in one evaluation."""


# --- making and finding ------------------------------------------------------------------------------


def edition_for(suite: Suite, settings: Settings, people: Sequence[Persona], known: Known) -> Edition:
    """Return the edition of the run: the cultures that are asked for, and the people who answer."""
    everything = {**shipped_cultures(), **known}
    cultures = settings.cultures or tuple(sorted(shipped_cultures()))
    scenario = Scenario(
        name=suite.name,
        title=suite.title,
        setting="in-cultural",
        cultures=cultures,
        protocol="evaluation",
        seeds=(),
    )
    return Edition(scenario=scenario, personas=tuple(people), cultures=tuple(everything[key] for key in cultures))


def respondents(settings: Settings, extra: Sequence[Path], known: Known) -> tuple[Persona, ...]:
    """Return the people of the catalogue who answer: those of the cultures that are asked for."""
    if not settings.conditions.respondents:
        return ()
    cultures = settings.cultures or tuple(key for key, c in shipped_cultures().items() if c.role == "delegate")
    spoken = {tongue.language for key in cultures for tongue in {**shipped_cultures(), **known}[key].languages}
    everybody = load_all(list(extra), set(cultures), known, lambda _: sorted(code for code in spoken if code != "en"))
    people = tuple(person for person in everybody if person.culture in cultures and person.role == "delegate")
    if lacking := [key for key in cultures if not any(p.culture == key for p in people)]:
        raise UsageError(f"--respondents: there is no card of {lacking[0]}; --personas names a folder with some")
    return people


def new_evaluation(
    store: Store,
    suite: Suite,
    settings: Settings,
    edition: Edition,
    *,
    seed: int,
    model: ModelSpec,
    run_settings: RunSettings,
    evaluation_id: str | None,
) -> tuple[RunRow, bool]:
    """Make an evaluation and return its run, or the one that asks the same; and whether it was there before.

    Raises:
        UsageError: if an evaluation of this id exists and is another.
    """
    suite_id = kept.put_suite(store, suite.name, suite.definition, new_items(suite))
    # The suite is part of what the digest is over, so another version of it is another evaluation.
    scenario = canonical(edition.model_dump(mode="json"))
    wanted = canonical({"suite": suite_id, "settings": settings.model_dump(mode="json", exclude={"method"})})
    models = models_column({"speaker": model})
    row = find(store, suite_id, wanted, scenario, seed, models) if evaluation_id is None else None
    if evaluation_id and (there := store.find_run(evaluation_id)):
        if find(store, suite_id, wanted, scenario, seed, models, there.id) is None:
            raise UsageError(
                f"{there.id} exists with another suite, model, --seed or conditions; name another --run-id"
            )
        row = there
    if row:
        store.set_plan(row.id, vars(run_settings), row.models)
        return store.run(row.id), True
    run_id = evaluation_id or kept.free_evaluation_id(store)
    run = pending(run_id, suite.name, scenario, seed, models, vars(run_settings))
    evaluation = EvaluationRow(
        id=run_id,
        suite_id=suite_id,
        run_id=run_id,
        model=str(model),
        adapter=model.adapter or None,
        settings=canonical(settings.model_dump(mode="json")),
        seed=seed,
        status=run.status,
        created_at=run.created_at,
    )
    kept.create_evaluation(store, evaluation, run)
    return store.run(run_id), False


def find(
    store: Store, suite_id: str, wanted: str, scenario: str, seed: int, models: str, run_id: str | None = None
) -> RunRow | None:
    """Return the newest evaluation that asks this very thing of this very model; None if there is none."""
    for evaluation in kept.evaluations(store):
        if evaluation.suite_id != suite_id or evaluation.seed != seed or run_id not in (None, evaluation.id):
            continue
        run = store.run(evaluation.run_id)
        asked = Settings.model_validate_json(evaluation.settings).model_dump(mode="json", exclude={"method"})
        same = canonical({"suite": suite_id, "settings": asked}) == wanted
        if same and run.models == models and run.scenario_digest == digest(scenario):
            return run
    return None


def new_items(suite: Suite) -> list[kept.NewItem]:
    """Return a suite's items as the store takes them."""
    return [(row["key"], row["language"], row["payload"], row["target"], row["split"]) for row in suite.rows]


def stored_suite(store: Store, suite_id: str) -> Suite:
    """Return a suite as an evaluation was made with it.

    Raises:
        StoreError: if the store has it no more.
    """
    row = kept.suite_row(store, suite_id)
    if row is None:
        raise StoreError(f"the suite {suite_id} of the evaluation is not in the store; `culturepark doctor` says more")
    return Suite.of_rows(row.definition, [vars(item) for item in kept.item_rows(store, suite_id)])


# --- carrying on -------------------------------------------------------------------------------------


class Evaluation(Run):
    """An evaluation being carried on."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> None:
        super().__init__(store, row, watcher, trust)
        self.progress = progress
        self.record = record_of(store, row.id)
        self.suite = stored_suite(store, self.record.suite_id)
        self.asked_for = Settings.model_validate_json(self.record.settings)
        self.failed: dict[str, str] = {}
        """Id of an answer -> the error of its request; another try may help."""
        self.answered = 0
        self.ledger.down_after = DOWN_AFTER

    async def _stages(self) -> None:
        model = await self.models.get("speaker")
        if self.asked_for.method == "auto":
            await self._settle_method(model)
        plan = plan_of(self.suite, self.asked_for, self.edition, self.row.seed)
        done = kept.answer_ids(self.store, self.row.id)
        missing = [ask for ask in plan.asks if answer_id(self.row.id, ask) not in done]
        total, people = len(plan.asks), {person.key: person for person in self.edition.personas}
        numbers = {item.key: number for number, item in enumerate(self.suite.items, start=1)}
        self.progress(total - len(missing), total)

        async def put(ask: Ask) -> None:
            try:
                with shortages_named():
                    reply = await self._put(model, ask, people.get(ask.respondent), answer_id(self.row.id, ask))
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self.failed[answer_id(self.row.id, ask)] = str(error)
                if len(self.failed) <= 3:
                    self.watcher.note(f"{ask.item.key} failed: {error}")
            else:
                item_id = f"{self.record.suite_id}.i{numbers[ask.item.key]}"
                kept.add_answer(self.store, answer_row(self.row.id, item_id, ask, reply, self.asked_for))
            self.answered += 1
            self.progress(self.answered, total)

        self.answered = total - len(missing)
        await self.engine.map(put, missing, at_once=self.settings.concurrency, halt=self._halt)
        keep_figures(self.store, self.row.id)

    async def _put(self, model: ChatModel, ask: Ask, person: Persona | None, subject_id: str) -> Reply:
        how = self.asked_for.elicitation
        weighs = self.asked_for.method == "probabilities" and not ask.sampled
        request = request_for(ask, how, person, seed=self.row.seed, probabilities=weighs)
        return await self.ledger.ask(
            model, request, stage=STAGE, subject_id=subject_id, prompt_digest=prompt_digest(ask)
        )

    async def _settle_method(self, model: ChatModel) -> None:
        """Find out by one question whether the endpoint gives the options' probabilities, and keep it."""
        settings = self.asked_for.model_copy(update={"method": "probabilities"})
        how = settings.elicitation
        first = next((a for a in plan_of(self.suite, settings, self.edition, self.row.seed).asks if a.shown), None)
        method = how.method
        if how.marks == "labels":
            method = "samples"
        if method != "samples" and first is not None and not first.sampled:
            self.asked_for = settings
            reply = await self._put(model, first, None, self.row.id)
            without = read(reply, first, how).probabilities is None
            if without and method == "probabilities":
                self.asked_for = self.asked_for.model_copy(update={"method": "auto"})
                raise UsageError(
                    f"--method probabilities: {model.spec} sends no log-probabilities; leave the option out"
                )
            method = "samples" if without else "probabilities"
            if method == "samples":
                self.watcher.note(
                    f"{model.spec} sends no log-probabilities: each question is answered {how.samples} times instead"
                )
        elif method == "auto":
            method = "samples"
        self.asked_for = self.asked_for.model_copy(update={"method": method})
        kept.set_settings(self.store, self.row.id, canonical(self.asked_for.model_dump(mode="json")))

    def _outcome(self) -> tuple[Status, str]:
        if self.failed:
            return Status.FAILED, f"{len(self.failed)} answers failed"
        return Status.DONE, "completed"


def record_of(store: Store, run_id: str) -> EvaluationRow:
    """
    Raises:
        UsageError: if the run evaluates nothing.
    """
    record = kept.evaluation_of(store, run_id)
    if record is None:
        raise UsageError(f"{run_id} is no evaluation; `culturepark evaluate SUITE --model SPEC` makes one")
    return record


def plan_of(suite: Suite, settings: Settings, edition: Edition, seed: int) -> Plan:
    """Return the plan of an evaluation.

    Raises:
        UsageError: if nothing is to be asked, or far too much.
    """
    plan = Plan(suite, settings, cultures_of(edition), edition.personas, seed)
    for ask in plan.asks:
        if ask.condition.arm.prompt and not ask.place.group and NAMES_PLACE.search(ask.condition.arm.prompt):
            raise UsageError(
                f"the arm {ask.condition.arm.name} speaks of {{{{country}}}} or {{{{culture}}}}, and a neutral framing "
                "names nobody; take --framing persona or observer, or another prompt"
            )
        if ask.condition.arm.norms and not ask.place.culture:
            raise UsageError(
                f"the arm {ask.condition.arm.name} gives norms of a culture, and a neutral framing names nobody; take "
                "--framing persona or observer"
            )
    if not plan.asks:
        wanted = ", ".join(settings.cultures) or "any culture"
        spoken = ", ".join(settings.conditions.languages)
        raise UsageError(f"the suite {suite.name} has no item for {wanted} in {spoken}")
    if len(plan.asks) > MOST_ASKS:
        raise UsageError(f"{len(plan.asks):,} questions are too many for one evaluation; --items N asks some at random")
    return plan


def cultures_of(edition: Edition) -> Mapping[str, Culture]:
    return {**shipped_cultures(), **{culture.culture: culture for culture in edition.cultures}}


def answer_id(run_id: str, ask: Ask) -> str:
    return f"{run_id}.a{ask.number}"


def answer_row(run_id: str, item_id: str, ask: Ask, reply: Reply, settings: Settings) -> AnswerRow:
    """Return what is kept of an answer."""
    reading = read(reply, ask, settings.elicitation)
    return AnswerRow(
        id=answer_id(run_id, ask),
        evaluation_id=run_id,
        item_id=item_id,
        culture=ask.place.culture,
        country=ask.place.country or (None if ask.place.group == ask.place.culture else ask.place.group or None),
        framing=ask.condition.framing,
        language=ask.condition.language,
        reasoning=ask.condition.reasoning,
        arm=ask.condition.arm.name,
        respondent=ask.respondent,
        repeat=ask.repeat,
        shown=json.dumps(list(ask.shown)) if ask.shown else None,
        text=storable(reading.text),
        choice=reading.choice,
        probabilities=None if reading.probabilities is None else json.dumps(dict(reading.probabilities)),
        outside_mass=reading.outside,
        abstained=reading.abstained,
        call_id=reply.call_id or None,
    )


# --- figures -----------------------------------------------------------------------------------------


def sheet_of(store: Store, run_id: str) -> Sheet:
    """Return an evaluation's suite and answers."""
    record, run = record_of(store, run_id), store.run(run_id)
    suite, edition = stored_suite(store, record.suite_id), edition_of(run)
    settings = Settings.model_validate_json(record.settings)
    plan = Plan(suite, settings, cultures_of(edition), edition.personas, record.seed)
    items = {f"{record.suite_id}.i{number}": item for number, item in enumerate(suite.items, start=1)}
    places = {place.group: place for item in plan.items for place in plan.places(item)}
    cultures = cultures_of(edition)
    return Sheet(
        suite=suite,
        answers=tuple(
            answer_of(row, items[row.item_id]) for row in kept.answers(store, run_id) if row.item_id in items
        ),
        seed=record.seed,
        cultures=settings.cultures,
        culture_of={group: place.culture for group, place in places.items()},
        language_of={key: own_language(culture) for key, culture in cultures.items()},
        settings=settings.model_dump(mode="json"),
    )


def answers_planned(store: Store, run_id: str) -> int:
    """Return the number of answers of an evaluation when it is done."""
    record, edition = record_of(store, run_id), edition_of(store.run(run_id))
    settings = Settings.model_validate_json(record.settings)
    suite = stored_suite(store, record.suite_id)
    return len(Plan(suite, settings, cultures_of(edition), edition.personas, record.seed).asks)


def own_language(culture: Culture) -> LanguageCode:
    return culture.languages[0].language.partition("-")[0]


def group_of(row: AnswerRow, item: Item) -> str:
    """Return the group of the item's target that an answer was asked about; empty where nobody was named."""
    named = [name for name in (row.country, row.culture) if name]
    known = item.shares or item.answers or [item.group]
    return next((name for name in named if name in known), (item.group or named[0]) if named else "")


def answer_of(row: AnswerRow, item: Item) -> Answer:
    masses = None if row.probabilities is None else json.loads(row.probabilities)
    return Answer(
        id=row.id,
        item=item.key,
        framing=row.framing,
        language=row.language,
        reasoning=row.reasoning,
        arm=row.arm,
        culture=row.culture,
        group=group_of(row, item),
        respondent=row.respondent,
        repeat=row.repeat,
        shown=tuple(json.loads(row.shown)) if row.shown else (),
        text=row.text,
        choice=row.choice,
        probabilities=None if masses is None else {int(code): float(mass) for code, mass in masses.items()},
        outside=row.outside_mass,
        abstained=row.abstained,
    )


def keep_figures(store: Store, run_id: str) -> list[Figure]:
    """Compute scores and figures from the answers, keep them, and return the figures."""
    sheet = sheet_of(store, run_id)
    for name in sheet.suite.scorers:
        scorer = scorer_of(name)
        if not scorer.judged:
            kept.replace_scores(store, run_id, scorer.name, [score_row(score) for score in scorer.scores(sheet)])
    figures = figures_of(store, run_id, sheet)
    kept.set_figures(store, run_id, [figure_row(figure) for figure in figures])
    return figures


def figure_row(figure: Figure) -> FigureRow:
    """Return the row of a figure; the store numbers it."""
    values = dict(vars(figure))
    return FigureRow(id="", evaluation_id="", group_key=values.pop("group"), **values)


def figures_of(store: Store, run_id: str, sheet: Sheet) -> list[Figure]:
    """Return the figures of an evaluation as far as it is answered; computed anew, and not kept."""
    scores = [score_of(row) for row in kept.scores(store, run_id)]
    return [figure for name in sheet.suite.scorers for figure in scorer_of(name).figures(sheet, scores)]


def score_row(score: Score) -> ScoreRow:
    """Return the row of a score; the store numbers it."""
    detail = None if score.detail is None else json.dumps(score.detail)
    return ScoreRow(
        id="",
        answer_id=score.answer_id,
        scorer=score.scorer,
        value=score.value,
        detail=detail,
        judge=score.judge,
        call_id=score.call_id,
    )


def stored_figures(store: Store, run_id: str) -> list[Figure]:
    """Return the figures as they were kept when the evaluation was last carried on."""
    names = ("metric", "value", "n", "low", "high", "null_name", "null_value", "ceiling", "skill")
    rows = kept.figures(store, run_id)
    return [Figure(group=row.group_key, **{name: getattr(row, name) for name in names}) for row in rows]


def score_of(row: ScoreRow) -> Score:
    detail = None if row.detail is None else json.loads(row.detail)
    return Score(row.answer_id, row.scorer, row.value, detail, row.judge, row.call_id)


def few_respondents(settings: Settings) -> str | None:
    """Return what a reader has to know of too few respondents."""
    number = settings.conditions.respondents
    if not 0 < number < LEAST_RESPONDENTS:
        return None
    return f"{number} respondents a culture are few: the mean of fewer than {LEAST_RESPONDENTS} is mostly noise"
