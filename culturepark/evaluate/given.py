"""Evaluations of texts that are there already, and for which no model is asked: so that they can be rated like answers.

The kept rows of a run become a suite `run-ID` with an answer to each item; the reference texts of a suite become
answers to its own items. What they hold decides the suite's id, so the same rows are the same evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.catalog.suites import Card, Item, Suite
from culturepark.domain import DEFAULT_LANGUAGE, Culture, Edition, Scenario, Status, shipped_cultures, storable
from culturepark.errors import UsageError
from culturepark.evaluate.answers import Answer
from culturepark.evaluate.evaluation import new_items
from culturepark.evaluate.judging import REFERENCE
from culturepark.evaluate.plan import Settings
from culturepark.ids import SUITE_NAME, dialogue_of
from culturepark.languages import PACKAGES
from culturepark.models.chat import canonical
from culturepark.run.plan import models_of, pending
from culturepark.store import evaluations as kept
from culturepark.store.evidence import stored_messages
from culturepark.store.integrity import edition_of
from culturepark.store.runs import kept_rows
from culturepark.store.store import Store
from culturepark.store.tables import AnswerRow, EvaluationRow, RunRow

NO_MODEL = "drawn"
"""In place of a model where answers were drawn from a survey, and nobody was asked."""
SEED = 1
LONGEST = 20_000
"""Characters of a row's prompt that an item can hold."""


@dataclass(frozen=True)
class Given:
    """Texts with the items that they are answers to."""

    suite: Suite
    model: str
    """Spec of the model that wrote them, or `reference`."""
    texts: tuple[tuple[int, str], ...]
    """Number of the item in the suite, from 1, and the text."""
    cultures: tuple[Culture, ...]

    @property
    def answers(self) -> list[Answer]:
        """The texts as answers, whose ids are those of no store."""
        return [
            Answer(
                id=f"new.a{number}",
                item=(item := self.suite.items[number - 1]).key,
                framing="neutral",
                language=item.language,
                reasoning=False,
                arm="plain",
                culture=item.group or None,
                group=item.group,
                respondent="",
                repeat=1,
                shown=(),
                text=text,
                choice=None,
                probabilities=None,
                outside=None,
                abstained=False,
            )
            for number, text in self.texts
        ]


def references_of(suite: Suite) -> Given:
    """Return the reference texts of a suite as answers to its items.

    Raises:
        UsageError: if there are none.
    """
    texts = tuple((number, item.reference) for number, item in enumerate(suite.items, start=1) if item.reference)
    if not texts:
        raise UsageError(
            f"the suite {suite.name} has no reference texts to rate; `culturepark evaluate {suite.name} --model SPEC` "
            "asks a model, and its evaluation can be rated"
        )
    cultures = tuple(culture for key, culture in sorted(shipped_cultures().items()) if culture.role == "delegate")
    return Given(suite, REFERENCE, texts, cultures)


def rows_of(store: Store, row: RunRow) -> Given:
    """Return the kept rows of a run as answers: what stands before the answer is the item.

    Raises:
        UsageError: if the run kept none.
    """
    samples = [sample for sample in kept_rows(store, row.id) if sample.id]
    messages = stored_messages(store, [sample.id for sample in samples])
    seeds = {dialogue.id: dialogue for dialogue in store.dialogues(row.id)}
    items, texts = [], []
    for sample in samples:
        said = messages[sample.id]
        if not said or said[-1]["role"] != "assistant" or not said[-1]["content"].strip():
            continue
        asked = "\n\n".join(message["content"].strip() for message in said[:-1]).strip()
        dialogue = seeds[dialogue_of(sample.id)]
        items.append(
            Item(
                key=sample.id,
                question=asked[:LONGEST] or "(nothing was asked)",
                language=language_of(dialogue.language),
                group=sample.culture,
                topic=dialogue.seed_key,
            )
        )
        texts.append((len(items), said[-1]["content"]))
    if not items:
        raise UsageError(f"{row.id} has no kept samples to rate")
    suite = Suite(
        name=suite_name(row.id),
        title=f"Kept samples of {row.id}",
        card=Card(
            by=f"culturepark, from the dialogues of {row.id}",
            written_for="rating these samples; the prompts are those of the samples",
            language="as the run's",
            correct="nothing: answers are rated, not held against a target",
            not_asked="real people: everybody in these dialogues is simulated",
            licence="as the run's",
            source=row.id,
        ),
        scorers=("judged",),
        items=tuple(items),
    )
    edition = edition_of(row)
    cultures = {culture.culture: culture for culture in edition.cultures} or shipped_cultures()
    named = dict.fromkeys(item.group for item in items)
    known = {**shipped_cultures(), **cultures}
    return Given(
        suite,
        str(models_of(row).get("speaker", NO_MODEL)),
        tuple(texts),
        tuple(known[key] for key in named if key in known),
    )


def language_of(code: str | None) -> str:
    """Return the language of a dialogue; English for one that is held in several."""
    return code if code and code in PACKAGES else DEFAULT_LANGUAGE


def suite_name(run_id: str) -> str:
    """Return the name of a run's suite: `run-` and its id in small letters."""
    name = f"run-{run_id.casefold().replace('_', '-')}"[:80]
    return name if re.fullmatch(SUITE_NAME, name) else "run"


def evaluation_of_given(store: Store, given: Given) -> str:
    """Store texts as an evaluation unless they are there, and return its id."""
    suite = given.suite
    suite_id = kept.put_suite(store, suite.name, suite.definition, new_items(suite))
    found = find(store, suite_id, given.model) or create(store, given, suite_id)
    done = kept.answer_ids(store, found)
    for number, text in given.texts:
        if f"{found}.a{number}" not in done:
            kept.add_answer(store, answer_row(found, suite_id, number, suite.items[number - 1], text, given.cultures))
    if store.run(found).status != Status.DONE:
        store.set_run(found, Status.DONE, "completed")
    return found


def stored_already(store: Store, given: Given) -> str | None:
    """Return the evaluation that texts are in a store; None if they are in none."""
    suite, _ = kept.suite_of(given.suite.name, given.suite.definition, new_items(given.suite))
    return find(store, suite["id"], given.model)


def find(store: Store, suite_id: str, model: str) -> str | None:
    return next(
        (
            row.id
            for row in kept.evaluations(store)
            if row.suite_id == suite_id and row.model == model and asks_nobody(store.run(row.run_id))
        ),
        None,
    )


def asks_nobody(row: RunRow) -> bool:
    """Whether an evaluation is one of texts that were there already."""
    return row.models == kept.NOBODY


def create(store: Store, given: Given, suite_id: str) -> str:
    scenario = Scenario(
        name=given.suite.name,
        title=given.suite.title,
        setting="in-cultural",
        cultures=tuple(culture.culture for culture in given.cultures) or tuple(sorted(shipped_cultures())),
        protocol="evaluation",
        seeds=(),
    )
    edition = Edition(scenario=scenario, personas=(), cultures=given.cultures)
    new = kept.free_evaluation_id(store)
    run = pending(new, given.suite.name, canonical(edition.model_dump(mode="json")), SEED, kept.NOBODY, {})
    settings = Settings(conditions=given.suite.conditions, elicitation=given.suite.elicitation)
    evaluation = EvaluationRow(
        id=new,
        suite_id=suite_id,
        run_id=new,
        model=given.model,
        settings=canonical(settings.model_dump(mode="json")),
        seed=SEED,
        status=run.status,
        created_at=run.created_at,
    )
    kept.create_evaluation(store, evaluation, run)
    return new


def answer_row(
    evaluation_id: str, suite_id: str, number: int, item: Item, text: str, cultures: Sequence[Culture]
) -> AnswerRow:
    owner = next((culture for culture in cultures if item.group in (culture.culture, *culture.countries)), None)
    return AnswerRow(
        id=f"{evaluation_id}.a{number}",
        evaluation_id=evaluation_id,
        item_id=f"{suite_id}.i{number}",
        culture=owner.culture if owner else None,
        country=owner.countries[0] if owner else item.group or None,
        framing="neutral",
        language=item.language,
        reasoning=False,
        arm="plain",
        respondent="",
        repeat=1,
        text=storable(text),
        abstained=False,
    )
