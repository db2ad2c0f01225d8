"""What `culturepark judge` does: finds the answers, has them rated, and prints what models and people say of them."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import wrap

from culturepark.catalog.scales import Scale, find_scale, shipped_scales
from culturepark.catalog.suites import find_suite, shipped_suites
from culturepark.cli.execution import ended_by, protocol_in
from culturepark.cli.options import Limits, store_option
from culturepark.cli.progress import Quiet, counting
from culturepark.cli.table import print_lines
from culturepark.dialogue.stance import shuffled
from culturepark.domain import JUDGES, PERSON, JsonObject, ModelRole, Status
from culturepark.errors import BudgetReached, CultureparkError, UsageError
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.arms import power_lines, studies, study_figures, study_lines
from culturepark.evaluate.evaluation import keep_figures, record_of, score_of, score_row, sheet_of
from culturepark.evaluate.families import panel_notes
from culturepark.evaluate.figures import Figure, Score
from culturepark.evaluate.given import Given, evaluation_of_given, references_of, rows_of, stored_already
from culturepark.evaluate.judging import (
    REFERENCE,
    TEMPLATE,
    Judging,
    Subject,
    Task,
    check_rubric,
    check_scales,
    judges_named,
    material,
    missing,
    most_tokens,
    rubric_digest,
    subjects_of,
    wanted,
)
from culturepark.evaluate.ratings import (
    GIVEN_TO_OTHERS,
    is_rating,
    rated,
    rating_figures,
    rating_notes,
    scale_of,
)
from culturepark.evaluate.scorers.support import arms_of, gains
from culturepark.evaluate.sheets import lines_of, read_sheet, write_sheet
from culturepark.evaluate.text import WIDTH, number, tables
from culturepark.files import clipped, exists, some_of
from culturepark.glossary import counted
from culturepark.languages import for_judges, judging
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.models.trust import Trust
from culturepark.run.plan import Settings as RunSettings
from culturepark.store import evaluations as kept
from culturepark.store.runs import cost_of, spent_by_stage
from culturepark.store.store import Store
from culturepark.terminal.safe import safe, show_origin, tell, write

SAMPLE = 60
"""Ratings of which the tokens are counted for a forecast."""
FEWEST_TOKENS, FEWEST_TOKENS_A_LINE = 40, 15


# --- what is rated -----------------------------------------------------------------------------------


@dataclass
class Found:
    """The answers that are named on the command line."""

    url: str
    given: Given | None
    """Texts that are no evaluation yet, or perhaps not."""
    evaluation: str | None
    """Id of the evaluation; None for `given` until it is stored."""
    sheet: Sheet
    model: str
    name: str
    """As the command line has it."""

    @property
    def stored(self) -> tuple[Store, str]:
        """The store and the evaluation's id; texts that are none yet become one."""
        store = Store(self.url)
        if self.evaluation is None:
            assert self.given is not None
            self.evaluation = evaluation_of_given(store, self.given)
            self.sheet = sheet_of(store, self.evaluation)
        return store, self.evaluation

    def scores(self) -> list[Score]:
        """Return what the store has of the evaluation."""
        if self.evaluation is None:
            return []
        return [score_of(row) for row in kept.scores(Store(self.url), self.evaluation)]


def find(url: str, name: str) -> Found:
    """Return the answers of an evaluation, the kept samples of a run, or the reference texts of a suite.

    Raises:
        UsageError: if there is none of these by that name.
    """
    path = Path(name)
    if name in shipped_suites() or path.suffix in (".yaml", ".yml") or (exists(path) and path.is_file()):
        return found_given(url, references_of(find_suite(name)), name)
    store = Store(url, must_exist=True)
    row = store.run(name)
    protocol = protocol_in(row)
    if protocol.evaluates:
        if row.status != Status.DONE:
            tell(f"note: {row.id} is {row.status}; what it has answered so far is rated")
        return Found(url, None, row.id, sheet_of(store, row.id), record_of(store, row.id).model, name)
    if not protocol.holds_dialogues:
        raise UsageError(f"{row.id} {protocol.did}: it has no answers to rate")
    return found_given(url, rows_of(store, row), name)


def found_given(url: str, given: Given, name: str) -> Found:
    """Return texts as the evaluation that they are in the store, or can become."""
    evaluation = None
    with suppress(CultureparkError):  # a store that is not there yet
        evaluation = stored_already(store := Store(url, must_exist=True), given)
    sheet = sheet_of(store, evaluation) if evaluation else Sheet(given.suite, given.answers, 1)
    return Found(url, given, evaluation, sheet, given.model, name)


def scales_of(found: Found, names: Sequence[str]) -> list[Scale]:
    """Return the scales that are named, or else those of the suite.

    Raises:
        UsageError: if there is none, or nothing can be rated on one.
    """
    wanted_names = list(names or found.sheet.suite.scales)
    if not wanted_names:
        raise UsageError(
            f"the suite {found.sheet.suite.name} names no scales; --scale NAME does: a file, or one of "
            f"{', '.join(shipped_scales()) or 'none shipped'}"
        )
    scales = list({scale.scale: scale for scale in map(find_scale, wanted_names)}.values())
    check_scales(scales, found.sheet.suite, subjects_of(found.sheet), found.model, found.name)
    return scales


def some(subjects: Sequence[Subject], items: int | None, seed: int) -> list[Subject]:
    """Return the answers to so many items, drawn at random; all of them without a number."""
    keys = list(dict.fromkeys(subject.item.key for subject in subjects))
    if items is None or items >= len(keys):
        return list(subjects)
    drawn = {keys[place] for place in shuffled(len(keys), "rated items", seed)[:items]}
    return [subject for subject in subjects if subject.item.key in drawn]


# --- judges ------------------------------------------------------------------------------------------


def judges_of(model: str | None, roles: Sequence[str]) -> dict[ModelRole, ModelSpec]:
    """Return the panel that a command line names; empty without `--model` and `--role`.

    Raises:
        UsageError: if another role is named.
    """
    if not model and not roles:
        return {}
    if odd := [text for text in roles if text.partition("=")[0].strip() != JUDGES[0]]:
        raise UsageError(f"--role {clipped(odd[0])}: only judges are asked here, --role judge=SPEC")
    specs = parse_roles(None, [*roles] or [f"{JUDGES[0]}={model}"])
    return judges_named([specs[role] for role in JUDGES if role in specs])


def notes(found: Found, judges: Mapping[ModelRole, ModelSpec]) -> list[str]:
    return list(panel_notes(list(judges.values()), None if found.model == REFERENCE else found.model))


@dataclass(frozen=True)
class Asked:
    """What a panel is asked for."""

    judges: dict[ModelRole, ModelSpec]
    scales: list[Scale]
    passes: int
    nulls: int
    items: int | None
    seed: int
    names: Sequence[str] = ()
    """Of the scales, as the command line has them; none for those of the suite."""

    def tasks(self, sheet: Sheet) -> list[Task]:
        subjects = some(subjects_of(sheet), self.items, self.seed)
        return wanted(
            subjects, sheet.suite, self.scales, self.judges, passes=self.passes, nulls=self.nulls, seed=self.seed
        )


def forecast_lines(found: Found, ask: Asked, as_json: bool) -> int:
    """Print what the ratings that are missing will take."""
    every = ask.tasks(found.sheet)
    tasks = missing(every, found.scores(), ask.judges, ask.scales)
    figures = forecast(tasks, ask.judges, with_reference=found.model != REFERENCE)
    if as_json:
        write(json.dumps(figures | {"ratings": len(every)}))
        return 0
    there = f", {len(every) - len(tasks):,} of them there" if len(tasks) < len(every) else ""
    write(f"ratings            {len(every):,}{there}")
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = figures[name]
        write(f"{name.replace('_', ' '):<19}{low:,}" + (f" to {high:,}" if high != low else ""))
    cost = figures["cost_usd"]
    write("cost               unknown" if cost is None else f"cost               ${cost[0]:.4f} to ${cost[1]:.4f}")
    return 0


def forecast(tasks: Sequence[Task], judges: Mapping[ModelRole, ModelSpec], *, with_reference: bool) -> JsonObject:
    """Return calls, tokens and cost, each as low and high; the cost is None if a price is unknown.

    At the high end every answer has to be asked for twice.
    """
    low_prompt = low_completion = high_completion = 0
    costs: list[float | None] = [0.0, 0.0]
    for role, spec in judges.items():
        own = [task for task in tasks if task.judge == role]
        if not own:
            continue
        sample = own[:: max(1, len(own) // SAMPLE)]
        read = 0
        for task in sample:
            shown = json.dumps(material(task, with_reference=with_reference), ensure_ascii=False)
            template = for_judges(judging().prompt(TEMPLATE), (task.subject.language,))
            read += tokens.count(f"{template.text}\n{shown}", spec.name)
        prompt = round(len(own) * read / len(sample))
        short = sum(FEWEST_TOKENS + FEWEST_TOKENS_A_LINE * len(task.scale.lines) for task in own)
        long = sum(most_tokens(task.scale) for task in own)
        for end, usage in enumerate((Usage(prompt, 0, short, "estimate"), Usage(2 * prompt, 0, long, "estimate"))):
            cost = prices.cost(spec.endpoint, spec.name, usage) if spec.paid else 0.0
            before = costs[end]
            costs[end] = None if cost is None or before is None else before + cost
        low_prompt, low_completion, high_completion = (
            low_prompt + prompt, low_completion + short, high_completion + long
        )  # fmt: skip
    return {
        "calls": [len(tasks), 2 * len(tasks)],
        "prompt_tokens": [low_prompt, 2 * low_prompt],
        "completion_tokens": [low_completion, high_completion],
        "cost_usd": None if None in costs else costs,
    }


def carry_on(found: Found, ask: Asked, limits: Limits, concurrency: int | None, trust: Trust, as_json: bool) -> int:
    """Ask for the ratings that are missing, print all of them, and return the exit code."""
    store, evaluation = found.stored
    warn_of_prices(ask.judges.values(), limits)
    remote = any(spec.remote for spec in ask.judges.values())
    settings = replace(RunSettings(concurrency=concurrency or (16 if remote else 4)), **limits.given)
    with store.database.hold(evaluation), counting("ratings") as progress:
        every = ask.tasks(found.sheet)
        tasks = missing(every, found.scores(), ask.judges, ask.scales)
        run = Judging(
            store, store.run(evaluation), Quiet(), trust, ask.judges, settings, tasks, progress,
            total=len(every), with_reference=found.model != REFERENCE,
        )  # fmt: skip
        failure = ended_by(run) if tasks else None
        keep_figures(store, evaluation)
    show(found, as_json, notes(found, ask.judges))
    if failure:
        more = f" with {failure.option}" if isinstance(failure, BudgetReached) else ""
        tell(f"{safe(failure)}\nthe same command{more} goes on; nothing that was rated is asked again")
        show_origin(failure)
        return failure.exit_code
    if run.failed:
        tell(f"{counted(len(run.failed), 'rating')} failed; the same command asks for them again")
        return 1
    named = scale_options(ask.names)
    tell(f"next: culturepark judge {evaluation}{named} --sheet FILE.html{store_option(store)} asks people the same")
    return 0


def scale_options(names: Sequence[str]) -> str:
    """Return the scales as the next command has to name them."""
    return "".join(f" --scale {shlex.quote(name)}" for name in names)


def warn_of_prices(specs: Iterable[ModelSpec], limits: Limits) -> None:
    """Say that a limit on cost cannot be watched where a price is unknown."""
    if limits.max_cost_usd is None:
        return
    unknown = [str(s) for s in specs if s.paid and prices.price(s.endpoint, s.name) is None]
    if unknown:
        tell(
            f"no price is known for {', '.join(unknown)}: the limit of ${limits.max_cost_usd:,.2f} cannot be watched; "
            "set CULTUREPARK_PRICES or --max-tokens"
        )


# --- people ------------------------------------------------------------------------------------------


def write_out(
    found: Found,
    scales: Sequence[Scale],
    path: Path,
    items: int | None,
    seed: int,
    as_json: bool,
    names: Sequence[str] = (),
) -> int:
    """Write a blinded sheet, and say what a study of its size can find.

    Args:
        names: of the scales, as the command line has them.
    """
    store, evaluation = found.stored
    subjects = some(subjects_of(found.sheet), items, seed)
    lines = lines_of(evaluation, found.sheet.suite, subjects, scales, seed)
    files = write_sheet(path, lines, scales)
    ratings = sum(len(line.scales) for line in lines)
    if as_json:
        write(json.dumps({
            "evaluation": evaluation, "files": list(map(str, files)), "answers": len(lines), "ratings": ratings,
        }))  # fmt: skip
    else:
        for file in files:
            write(str(file))
    tell(f"{counted(len(lines), 'answer')}, {counted(ratings, 'rating')} for each rater; arms and models are not in it")
    if len(arms_of(found.sheet)) > 1:
        for note in power_lines(paired_inputs(found.sheet, subjects)):
            tell(note)
    tell(f"next: culturepark judge {evaluation}{scale_options(names)} --import FILLED.csv{store_option(store)}")
    return 0


def paired_inputs(sheet: Sheet, subjects: Sequence[Subject]) -> int:
    """Return the number of inputs that are answered in the first arm and in another."""
    by_id = {answer.id: answer for answer in sheet.answers}
    arms: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for subject in subjects:
        answer = by_id[subject.id]
        arms[answer.item, answer.culture or answer.group, answer.respondent].add(answer.arm)
    first = arms_of(sheet)[0]
    return sum(first in own and len(own) > 1 for own in arms.values())


def take_in(found: Found, scales: Sequence[Scale], files: Sequence[Path], rater: str | None, as_json: bool) -> int:
    """Read filled-in sheets, and keep their ratings in place of what the same people said of the same answers before.

    Raises:
        UsageError: with all that is wrong with a file; then nothing of it is kept.
    """
    store, evaluation = found.stored
    suite, subjects = found.sheet.suite, subjects_of(found.sheet)
    with store.database.hold(evaluation):
        for file in files:
            scores = read_sheet(file, evaluation, suite, subjects, scales, rater)
            replaced = keep_people(store, evaluation, scores, scales)
            people = sorted({str(score.judge).removeprefix(PERSON) for score in scores})
            tell(
                f"{safe(file)}: {counted(len(scores), 'rating')} by {safe(some_of(people, 5))} taken in"
                + (f", {replaced} in place of earlier ones" if replaced else "")
            )
        keep_figures(store, evaluation)
    return show(found, as_json, [])


def keep_people(store: Store, evaluation: str, scores: Sequence[Score], scales: Sequence[Scale]) -> int:
    """Keep people's ratings, and return how many replace an earlier one of the same person.

    Raises:
        UsageError: if there are ratings by another rubric.
    """
    rubrics = {scale.scale: rubric_digest(scale) for scale in scales}
    stored = kept.scores(store, evaluation)
    for score in map(score_of, stored):
        if is_rating(score):
            check_rubric(scale_of(score), str((score.detail or {}).get("rubric")), rubrics)
    replaced = 0
    for scorer, judge in sorted({(score.scorer, str(score.judge)) for score in scores}):
        own = [score for score in scores if (score.scorer, score.judge) == (scorer, judge)]
        again = {score.answer_id for score in own}
        earlier = [row for row in stored if (row.scorer, row.judge) == (scorer, judge)]
        rest = [row for row in earlier if row.answer_id not in again]
        replaced += len(earlier) - len(rest)
        kept.replace_scores(store, evaluation, scorer, [*rest, *map(score_row, own)], judge)
    return replaced


# --- showing -----------------------------------------------------------------------------------------


def show(found: Found, as_json: bool, more_notes: Sequence[str]) -> int:
    """Print all ratings of an evaluation.

    Raises:
        UsageError: if there are none.
    """
    scores = [score for score in found.scores() if is_rating(score)]
    if not scores and not more_notes:
        name = found.evaluation or found.sheet.suite.name
        raise UsageError(
            f"{name} has no ratings yet: --model SPEC or --role judge=SPEC names a judge, and --sheet FILE.html writes "
            "a sheet for people"
        )
    store, _ = found.stored
    told = document(store, found, scores, more_notes)
    if as_json:
        write(json.dumps(told))
        return 0
    print_lines(partial(document_lines, told | {"notes": list(rating_notes(scores))}))
    return 0


def document(store: Store, found: Found, scores: Sequence[Score], more_notes: Sequence[str]) -> JsonObject:
    """Return the ratings of an evaluation as JSON."""
    evaluation = found.evaluation or ""
    figures = figures_of(found.sheet, scores)
    by = Counter(str(score.judge) for score in scores if score.value is not None)
    calls, prompt, completion = spent_by_stage(store, evaluation).get("judge", (0, 0, 0))
    return {
        "evaluation": evaluation,
        "suite": found.sheet.suite.name,
        "model": found.model,
        "scales": {
            ratings.scale: {"least": ratings.least, "most": ratings.most, "panel": ratings.panel}
            for ratings in rated(scores)
        },
        "judges": {name: count for name, count in sorted(by.items()) if not name.startswith(PERSON)},
        "people": {name.removeprefix(PERSON): n for name, n in sorted(by.items()) if name.startswith(PERSON)},
        "calls": round(calls),
        "prompt_tokens": round(prompt),
        "completion_tokens": round(completion),
        "cost_usd": cost_of(store, evaluation, ["judge"]),
        "notes": [*more_notes, *rating_notes(scores)],
        "studies": [
            {**study.as_json(), "in_words": list(study_lines(study))} for study in studies(found.sheet, scores)
        ],
        "figures": [figure.as_json() for figure in figures],
    }


def figures_of(sheet: Sheet, scores: Sequence[Score]) -> list[Figure]:
    """Return the figures of the ratings; where there are several arms, the differences between them first."""
    known = {answer.id for answer in sheet.answers}
    own = [score for score in scores if score.answer_id in known]
    if len(arms_of(sheet)) < 2:
        return list(rating_figures(sheet, own))
    differences = [figure for ratings in rated(own) for figure in gains(ratings, sheet)]
    return [*differences, *study_figures(sheet, own), *rating_figures(sheet, own)]


def document_lines(told: JsonObject, width: int) -> Iterator[str]:
    for line in head(told):
        yield from wrap(line, min(width, WIDTH), subsequent_indent="    ", drop_whitespace=True) if line else [""]
    yield ""
    yield from tables(told["figures"], width)


def head(told: JsonObject) -> Iterator[str]:
    by = [f"{counted(len(told['judges']), 'judge')}, {counted(sum(told['judges'].values()), 'rating')}"]
    by.append(f"{counted(len(told['people']), 'person', 'people')}, {counted(sum(told['people'].values()), 'rating')}")
    cost = "" if told["cost_usd"] is None else f"; ${told['cost_usd']:.4f}"
    yield f"{told['evaluation']}: answers of {safe(told['model'])} to {told['suite']}; {'; '.join(by)}{cost}"
    for name, scale in told["scales"].items():
        yield from above_null(name, scale, told["figures"])
    yield from (f"  note: {safe(note)}" for note in told["notes"])
    for study in told["studies"]:
        yield ""
        yield from map(safe, study["in_words"])


def above_null(name: str, scale: JsonObject, figures: Sequence[JsonObject]) -> Iterator[str]:
    """Yield for each condition what a scale's mean is, beside what answers to other items get.

    They are told apart where the intervals do not meet, which asks for more than 95%.
    """
    others = next((figure for figure in figures if figure["metric"] == name + GIVEN_TO_OTHERS), None)
    for figure in figures:
        if figure["metric"] != name or "culture=" in figure["group"] or "topic=" in figure["group"]:
            continue
        beside = ""
        if others is not None:
            beside = f"; answers to other items get {with_ends(others)}"
            if None in (figure["low"], others["high"]):
                beside += ", too few to say more"
            elif figure["low"] <= others["high"]:
                beside += ": not told apart"
        on = f"on {scale['least']} to {scale['most']}, {counted(figure['n'], 'item')}"
        yield f"  {name} ({figure['group']}): {with_ends(figure)} {on}{beside}"


def with_ends(figure: JsonObject) -> str:
    ends = f" [{number(figure['low'], 2)}, {number(figure['high'], 2)}]" if figure["low"] is not None else ""
    return number(figure["value"], 2) + ends
