"""Lets models rate answers in free text on scales: which ratings are wanted, how each is asked for, and the asking.

Each rating is a call of its own: one that rates several scales, or several answers, at once lets one colour the other.
A judge sees the material in one order in the first pass and in another in the second. A rating that cannot be read, or
that is no step of the scale, is missing and never a value.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, create_model

from culturepark.catalog.scales import Scale, find_scale, shipped_scales
from culturepark.catalog.suites import Item, Suite
from culturepark.dialogue.stance import shuffled
from culturepark.distill.ask import SubjectAsker, TooMuch, as_reason
from culturepark.domain import DEFAULT_LANGUAGE, JUDGES, PERSON, SWAPPED, JsonObject, LanguageCode, ModelRole, Status
from culturepark.errors import Interrupted, ModelError, OutOfCredit, Unreachable, UsageError
from culturepark.evaluate.answers import Answer, Sheet
from culturepark.evaluate.evaluation import score_row
from culturepark.evaluate.figures import Score
from culturepark.evaluate.ratings import detail_of, is_rating, scale_of
from culturepark.files import clipped
from culturepark.languages import load_language
from culturepark.models.chat import canonical, digest
from culturepark.models.filter import Text, load
from culturepark.models.filter_judge import ratings_in, request_for, scales_of
from culturepark.models.ledger import Ledger
from culturepark.models.registry import Models
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings as RunSettings
from culturepark.shortage import shortages_named
from culturepark.store import evaluations as kept
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

STAGE = "judge"
TEMPLATE = "rate"
PASSES = 2
NULLS = 10
"""Answers to other items that each judge rates on each scale."""
TOKENS, TOKENS_A_LINE = 250, 70
"""Of a judge's answer: its reason and rating, and what it says of each line."""
NAMED = 3
"""Failures that are named while others are counted."""
REFERENCE = "reference"
"""In place of a model: the answers are the reference texts of a suite."""


@dataclass(frozen=True)
class Subject:
    """An answer that is to be rated, with its item."""

    id: str
    item: Item
    """In the language in which it was put."""
    text: str
    language: LanguageCode
    condition: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Task:
    """One rating that is wanted of one judge."""

    subject: Subject
    scale: Scale
    judge: ModelRole
    number: int
    """Of the pass, from 1."""
    put_to: Item | None = None
    """The item to whose question the answer is put; None for its own."""

    @property
    def scorer(self) -> str:
        return self.scale.scale + (SWAPPED if self.put_to else "")

    @property
    def item(self) -> Item:
        return self.put_to or self.subject.item


def rubric_digest(scale: Scale) -> str:
    """Return twelve digits of the digest of all that a judge is shown of a scale."""
    return digest(canonical(rubric(scale)))[:12]


# --- what is wanted ----------------------------------------------------------------------------------


def subjects_of(sheet: Sheet) -> list[Subject]:
    """Return the answers in free text, in the order of their ids."""
    return [
        Subject(answer.id, worded(sheet.items[answer.item], answer), answer.text, answer.language, answer.condition)
        for answer in sheet.answers
        if answer.item in sheet.items and not answer.shown and answer.text.strip() and not answer.abstained
    ]


def worded(item: Item, answer: Answer) -> Item:
    return item.in_language(answer.language) or item


def applies(scale: Scale, item: Item, suite: Suite) -> bool:
    """Whether an item's answers are rated on a scale.

    Of a suite's own scales, an item whose topic is called like one of them is rated on that one alone.
    """
    if item.topic in suite.scales and scale.scale in suite.scales and item.topic != scale.scale:
        return False
    return not scale.needs_reference or item.reference is not None


def check_scales(scales: Sequence[Scale], suite: Suite, subjects: Sequence[Subject], model: str, name: str) -> None:
    """
    Args:
        name: of what is rated, as the command line has it.
    Raises:
        UsageError: if nothing can be rated on a scale.
    """
    if not subjects:
        raise UsageError("there are no answers in free text to rate: judges rate words, not options")
    for scale in scales:
        if scale.needs_reference and model == REFERENCE:
            raise UsageError(
                f"{scale.scale} holds an answer against the reference, which is what would be rated here; "
                f"{without_reference(name)}"
            )
        if not any(applies(scale, subject.item, suite) for subject in subjects):
            why = (
                f"no item has a reference; {without_reference(name)}"
                if scale.needs_reference
                else "the suite's topics name other scales"
            )
            raise UsageError(f"no answer can be rated on {scale.scale}: {why}")


def without_reference(name: str) -> str:
    """Say which of the shipped scales need no reference, with a command that takes one of them."""
    scales = [scale for scale in shipped_scales() if not find_scale(scale).needs_reference]
    ready = f"culturepark judge {shlex.quote(name)} --scale {scales[-1]} --model SPEC"
    return f"scales that need none are {', '.join(scales)}, as in `{ready}`"


def wanted(
    subjects: Sequence[Subject],
    suite: Suite,
    scales: Sequence[Scale],
    judges: Mapping[ModelRole, ModelSpec],
    *,
    passes: int = PASSES,
    nulls: int = NULLS,
    seed: int = 1,
) -> list[Task]:
    """Return all ratings that are wanted, in the order in which they are asked for.

    Args:
        passes: 1 or 2 for each answer, scale and judge.
        nulls: answers that each judge rates on each scale as if they were answers to another item.
    """
    tasks = []
    for scale in scales:
        own = [subject for subject in subjects if applies(scale, subject.item, suite)]
        for judge in judges:
            # A filter sees no order, and would only repeat itself.
            times = 1 if judges[judge].of.filters else passes
            tasks += [Task(subject, scale, judge, n) for n in range(1, times + 1) for subject in own]
            tasks += [
                Task(subject, scale, judge, 1 + n % times, item)
                for n, (subject, item) in enumerate(mismatched(own, nulls, seed, scale.scale))
            ]
    return tasks


def mismatched(subjects: Sequence[Subject], count: int, seed: int, *parts: str) -> list[tuple[Subject, Item]]:
    """Return answers drawn at random, each with another item in its own language; none if there is a single item."""
    pairs: list[tuple[Subject, Item]] = []
    for place in shuffled(len(subjects), "swapped", seed, *parts):
        subject = subjects[place]
        others = [
            other.item
            for other in subjects
            if other.item.key != subject.item.key and other.language == subject.language
        ]
        if others and len(pairs) < count:
            pairs.append((subject, others[shuffled(len(others), "swapped item", seed, subject.id, *parts)[0]]))
    return pairs


def missing(
    tasks: Sequence[Task], scores: Sequence[Score], judges: Mapping[ModelRole, ModelSpec], scales: Sequence[Scale]
) -> list[Task]:
    """Return the tasks of which the store has no score.

    Raises:
        UsageError: if ratings are there that were given on another scale of the same name.
    """
    rubrics = {scale.scale: rubric_digest(scale) for scale in scales}
    done = set()
    for score in scores:
        if not is_rating(score):
            continue
        detail = score.detail or {}
        check_rubric(scale_of(score), str(detail.get("rubric")), rubrics)
        if not str(score.judge).startswith(PERSON):
            done.add((score.answer_id, score.scorer, score.judge, int(detail.get("pass", 1))))
    return [t for t in tasks if (t.subject.id, t.scorer, str(judges[t.judge]), t.number) not in done]


def check_rubric(scale: str, stored: str, rubrics: Mapping[str, str]) -> None:
    """
    Raises:
        UsageError: if a scale has changed since it was rated on.
    """
    if scale in rubrics and rubrics[scale] != stored:
        raise UsageError(
            f"there are ratings on {scale} by another rubric, and the two cannot be averaged: give the changed scale "
            "a name of its own (`scale:` in its file)"
        )


# --- how it is asked for -----------------------------------------------------------------------------


def rubric(scale: Scale, *, downwards: bool = False) -> JsonObject:
    steps = sorted(scale.steps, reverse=downwards)
    return {
        "question": scale.question,
        "lowest": scale.least,
        "highest": scale.most,
        "steps": {str(step): scale.steps[step] for step in steps},
        "lines": list(scale.lines),
    }


def material(task: Task, *, with_reference: bool = True) -> JsonObject:
    """Return what a judge sees: in the second pass the answer before the reference, and the scale last and reversed.

    Args:
        with_reference: False where the answer is the reference.
    """
    item = task.item
    shown = item.reference if with_reference else None
    known = {"reference": shown, "takes_up": list(item.signals), "avoids": list(item.avoid)}
    held = {name: value for name, value in known.items() if value}
    about = {"about": item.group} if item.group else {}
    asked = {**about, "message": item.question}
    if task.number == 1:
        return {"scale": rubric(task.scale), **asked, **held, "answer": task.subject.text}
    return {**asked, "answer": task.subject.text, **held, "scale": rubric(task.scale, downwards=True)}


def shape_of(scale: Scale) -> type[BaseModel]:
    """Return the shape of an answer: what was found on each line, the reason, and a step of the scale.

    Each line has a key of its own. In a list, a model of 1.5B went on with ever more lines until its tokens were spent,
    in 3 of 8 ratings.
    """
    fields: dict[str, Any] = dict.fromkeys(line_keys(scale), (str, ...))
    return create_model("Rating", **fields, reason=(str, ...), rating=(int, Field(ge=scale.least, le=scale.most)))


def line_keys(scale: Scale) -> list[str]:
    return [f"line_{number}" for number in range(1, len(scale.lines) + 1)]


def most_tokens(scale: Scale) -> int:
    return TOKENS + TOKENS_A_LINE * len(scale.lines)


async def rate(asker: SubjectAsker, task: Task, *, with_reference: bool = True) -> Score:
    """Ask one judge for one rating; what the ledger raises passes through."""
    scale, value, why, call_id = task.scale, None, None, None
    if asker.model.traits.rates:
        return await rate_by_filter(asker, task)
    answer: Any = None
    try:
        answer, reply = await asker.json(
            asker.language.prompt(TEMPLATE),
            material(task, with_reference=with_reference),
            shape_of(scale),
            name="rating",
            max_tokens=most_tokens(scale),
            seed=task.number,
        )
        call_id = reply.call_id if reply else None
    except TooMuch as much:
        why, call_id = much.reason, much.call_id
    if answer is not None:
        value = float(answer.rating)
    elif why is None:
        why = "unparsable"
    said = [getattr(answer, key) for key in line_keys(scale)] if answer else []
    detail = detail_of(
        scale.least, scale.most, scale.panel, rubric_digest(scale),
        **{"pass": task.number},
        reason=as_reason(answer.reason) if answer else None,
        lines=[as_reason(words) for words in said] or None,
        missing=why,
        put_to=task.put_to.key if task.put_to else None,
    )  # fmt: skip
    return Score(task.subject.id, task.scorer, value, detail, str(asker.model.spec), call_id or None)


async def rate_by_filter(asker: SubjectAsker, task: Task) -> Score:
    """Ask a filter for one rating, which need not be a whole number."""
    scale, subject = task.scale, task.subject
    text = Text(subject.text, task.item.question, subject.language, task.item.group)
    reply = await asker.send(request_for(scale.scale, scale.least, scale.most, [text]), asker.language.prompt(TEMPLATE))
    (value,) = ratings_in(reply)
    detail = detail_of(
        scale.least, scale.most, scale.panel, rubric_digest(scale),
        **{"pass": task.number},
        put_to=task.put_to.key if task.put_to else None,
    )  # fmt: skip
    return Score(subject.id, task.scorer, value, detail, str(asker.model.spec), reply.call_id or None)


def check_filters(judges: Mapping[ModelRole, ModelSpec], scales: Sequence[Scale]) -> None:
    """
    Raises:
        UsageError: if a filter among the judges does not know a scale.
    """
    for spec in judges.values():
        if not spec.of.filters:
            continue
        known = scales_of(load(spec.name).scales)
        if strange := [scale.scale for scale in scales if scale.scale not in known]:
            raise UsageError(
                f"{clipped(str(spec))} gives no {strange[0]}: it was trained on {', '.join(known)}, of which --scale "
                "names one"
            )


# --- asking ------------------------------------------------------------------------------------------


class SideWork(Run):
    """Work whose calls are kept with a run that stays as it is: its status does not change, its costs grow."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust,
        models: Mapping[ModelRole, ModelSpec],
        settings: RunSettings,
    ) -> None:
        """
        Args:
            settings: limits and concurrency; limits are over all calls of the run.
        """
        super().__init__(store, row, watcher, trust)
        self.settings = settings
        self.models = Models(models, settings.concurrency, watcher.fetching, trust)
        budget = store.spent(row.id)
        budget.max_cost_usd, budget.max_tokens = settings.max_cost_usd, settings.max_tokens
        self.ledger = Ledger(
            row.id,
            store.journal,
            budget,
            most_in_flight=settings.concurrency,
            rpm=settings.rpm,
            tpm=settings.tpm,
            notice=watcher.note,
        )
        self.failed: dict[str, str] = {}
        """What could not be asked -> the error; another try may help."""

    async def carry_on(self) -> Status:
        """Do all that is missing.

        Raises:
            CultureparkError: it was stopped; the same command goes on with it.
        """
        self.store.close_open_calls(self.row.id)
        try:
            with shortages_named():
                await self._while_the_store_stands()
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise Interrupted("stopped at once") from None
        finally:
            await self.models.close()
        return Status.FAILED if self.failed else Status.DONE

    def _fail(self, what: str, error: ModelError) -> None:
        self.failed[what] = str(error)
        if len(self.failed) <= NAMED:
            self.watcher.note(f"{what} failed: {error}")


class Judging(SideWork):
    """The judges of an evaluation at work."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust,
        judges: Mapping[ModelRole, ModelSpec],
        settings: RunSettings,
        tasks: Sequence[Task],
        progress: Callable[[int, int], None],
        *,
        total: int,
        with_reference: bool,
    ) -> None:
        """
        Args:
            tasks: those that are still missing.
            total: number of all tasks.
        """
        super().__init__(store, row, watcher, trust, judges, settings)
        self.tasks, self.progress, self.total, self.with_reference = list(tasks), progress, total, with_reference

    async def _stages(self) -> None:
        done = self.total - len(self.tasks)
        self.progress(done, self.total)

        async def ask(task: Task) -> None:
            nonlocal done
            model = await self.models.get(task.judge)
            asker = SubjectAsker(
                language=load_language(DEFAULT_LANGUAGE),
                subject_id=task.subject.id,
                model=model,
                ledger=self.ledger,
                stage=STAGE,
                spoken=(task.subject.language,),
            )
            try:
                with shortages_named():
                    score = await rate(asker, task, with_reference=self.with_reference)
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self._fail(f"{task.subject.id} on {task.scorer} by {task.judge}, pass {task.number},", error)
            else:
                kept.add_scores(self.store, [score_row(score)])
            done += 1
            self.progress(done, self.total)

        await self.engine.map(ask, self.tasks, at_once=self.settings.concurrency, halt=self._halt)


def judges_named(specs: Sequence[ModelSpec]) -> dict[ModelRole, ModelSpec]:
    """Return the panel by role.

    Raises:
        UsageError: if there are too many, or one is named twice.
    """
    if len(specs) > len(JUDGES):
        raise UsageError(f"--role judge: a panel has at most {len(JUDGES)} judges")
    if twice := next((spec for spec in specs if specs.count(spec) > 1), None):
        raise UsageError(
            f"--role judge: {clipped(str(twice))} is named twice, and a judge is no panel with itself; name another "
            "model, or leave it out (--passes asks each judge twice)"
        )
    return dict(zip(JUDGES, specs, strict=False))
