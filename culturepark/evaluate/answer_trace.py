"""The lineage of an answer: from what a model said to the item, the condition, the respondent, the call and the scores.

A score is traced as its answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlmodel import select

from culturepark.catalog.suites import Item, Suite
from culturepark.domain import JsonObject, Persona
from culturepark.errors import UsageError
from culturepark.evaluate.elicit import marks_of
from culturepark.evaluate.evaluation import answer_of, record_of, stored_suite
from culturepark.evaluate.plan import DECLINED, Settings
from culturepark.ids import kind_of, parent_of, run_of
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import AnswerRow, CallRow, EvaluationRow, RunRow, ScoreRow
from culturepark.store.traced import run_json, whole


@dataclass(frozen=True)
class ShownOption:
    """An option as it stood before the model."""

    mark: str
    """Letter or number before it; empty where an option is named by its words."""
    code: int
    """-1 for the option not to answer."""
    label: str
    probability: float | None
    """What the model gave it, out of everything; None where it was sampled."""
    share: float | None
    """The share of people who chose it; None where nobody was asked."""


@dataclass(frozen=True)
class AnswerTrace:
    """Everything behind an answer. `culturepark trace --json` prints `as_json()`."""

    answer: AnswerRow
    group: str
    """The group of the item's target; empty where nobody is named."""
    item: Item
    """In the language in which it was put."""
    item_id: str
    options: tuple[ShownOption, ...]
    """In the order in which they were shown; none for free text."""
    scores: tuple[ScoreRow, ...]
    call: CallRow | None
    """None where the call is gone."""
    respondent: Persona | None
    """Who answered in place of the model; None for the model itself."""
    suite: Suite
    evaluation: EvaluationRow
    run: RunRow

    def as_json(self) -> JsonObject:
        suite = self.suite.model_dump(mode="json", include={"name", "title", "card", "scorers"})
        return {
            "answer": whole(self.answer, decode=("shown", "probabilities")),
            "item": self.item.model_dump(mode="json", exclude={"words"}) | {"id": self.item_id},
            "options": [vars(option) for option in self.options],
            "scores": [whole(score, decode=("detail",)) for score in self.scores],
            "call": whole(self.call, decode=("request", "response")) if self.call else None,
            "respondent": self.respondent.model_dump(mode="json") if self.respondent else None,
            "suite": suite | {"id": self.evaluation.suite_id},
            "evaluation": whole(self.evaluation, decode=("settings",)),
            "run": run_json(self.run),
        }


def is_of_evaluation(subject_id: str) -> bool:
    """Return whether an id is that of an answer, a score or a figure."""
    return kind_of(subject_id) in ("answer", "score", "figure")


def trace_answer(store: Store, subject_id: str) -> AnswerTrace:
    """
    Args:
        subject_id: of an answer, or of a score.
    Raises:
        UsageError: if there is no such row.
    """
    subject_id = store.full_id(subject_id)
    kind = kind_of(subject_id)
    if kind == "figure":
        run_id = run_of(subject_id)
        raise UsageError(
            f"{subject_id[:120]} is a figure over many answers: `culturepark stats {run_id}` shows it; "
            f"trace takes an answer, such as {run_id}.a1"
        )
    answer_id = parent_of(subject_id) if kind == "score" else subject_id
    with store.database.reading() as session:
        row = session.get(AnswerRow, answer_id)
        if row is None:
            raise UsageError(f"no answer {answer_id[:120]!r} in this store; an id looks like e7f3a9.a12")
        call = session.get(CallRow, row.call_id) if row.call_id else None
        scores = session.exec(select(ScoreRow).where(ScoreRow.answer_id == answer_id).order_by(ScoreRow.id)).all()
    record, run = record_of(store, row.evaluation_id), store.run(row.evaluation_id)
    suite = stored_suite(store, record.suite_id)
    item = next(
        item for number, item in enumerate(suite.items, start=1) if row.item_id == f"{record.suite_id}.i{number}"
    )
    settings = Settings.model_validate_json(record.settings)
    group = answer_of(row, item).group
    people = {person.key: person for person in edition_of(run).personas}
    worded = item.in_language(row.language) or item
    masses = {int(code): float(mass) for code, mass in json.loads(row.probabilities or "{}").items()}
    shares = item.shares.get(group)
    labels = {option.code: option.label for option in worded.options} | {DECLINED: "(not to answer)"}
    shown = json.loads(row.shown) if row.shown else []
    marks = marks_of(settings.elicitation.marks, shown)
    return AnswerTrace(
        answer=row,
        group=group,
        item=worded,
        item_id=row.item_id,
        options=tuple(
            ShownOption(
                mark=marks[code],
                code=code,
                label=labels.get(code, str(code)),
                probability=masses.get(code, 0.0) if row.probabilities else None,
                share=None if shares is None or code == DECLINED else shares.get(code, 0.0),
            )
            for code in shown
        ),
        scores=tuple(scores),
        call=call,
        respondent=people.get(row.respondent),
        suite=suite,
        evaluation=record,
        run=run,
    )
