"""Ratings of answers, by people and by models, and the prompts that the answers were given to. Read-only.

A rating is a score with a judge, on the scale that its detail names. Rows of a run are rated as answers of an
evaluation of their own, whose items have the ids of the rows as keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlmodel import col

from culturepark.domain import SWAPPED, JsonObject
from culturepark.store.evaluations import NOBODY
from culturepark.store.exports import Look
from culturepark.store.integrity import hangs_on, of_columns, pages
from culturepark.store.tables import AnswerRow, CallRow, EvaluationRow, ItemRow, RunRow, ScoreRow

Prompt = tuple[dict[str, str], ...]


class Rating(NamedTuple):
    """One rating of one answer by one rater; of a judge who rated it twice, one pass."""

    subject_id: str
    """Of the answer, or of the row that was rated as one."""
    text: str
    """The words that were rated."""
    scale: str
    rubric: str
    """Digest of what the scale asks, which ratings that are compared have in common; empty where none is stored."""
    least: float
    most: float
    rater: str
    """`person:NAME`, or the spec of a model."""
    value: float


class RatedAnswer(NamedTuple):
    """An answer of an evaluation, with what it was given to."""

    id: str
    evaluation_id: str
    item_id: str
    question: str
    culture: str | None
    language: str
    respondent: str
    """Key of the persona as whom the model answered; empty for the bare model."""
    text: str
    prompt: Prompt | None
    """The messages that were sent; None where the call is gone, or sent something else than texts that end with a
    user's."""


def ratings_of_answers(look: Look, evaluation_id: str) -> Iterator[Rating]:
    """Yield the ratings of the answers of an evaluation."""
    query = judged(col(AnswerRow.id)).where(col(AnswerRow.evaluation_id) == evaluation_id)
    return read(of_columns(look.execute(query)))


def ratings_of_rows(look: Look, run_id: str) -> Iterator[Rating]:
    """Yield the ratings of the rows of a run, that were rated as the answers of an evaluation."""
    query = judged(col(ItemRow.key)).join(ItemRow, col(ItemRow.id) == col(AnswerRow.item_id))
    query = query.join(RunRow, col(RunRow.id) == col(AnswerRow.evaluation_id))
    query = query.where(col(RunRow.models) == NOBODY, hangs_on(col(ItemRow.key), run_id))
    return read(of_columns(look.execute(query)))


def judged(subject: Any) -> Any:
    """Return the query for all values that a judge gave, by answers."""
    facts: list[Any] = [subject, AnswerRow.text, ScoreRow.scorer, ScoreRow.judge, ScoreRow.value, ScoreRow.detail]
    query = sqlalchemy.select(*facts).select_from(ScoreRow).join(AnswerRow)
    return query.where(col(ScoreRow.judge).is_not(None), col(ScoreRow.value).is_not(None)).order_by(ScoreRow.id)


def read(rows: Iterable[Sequence[Any]]) -> Iterator[Rating]:
    """Yield the ratings among scores. A score whose detail names no scale is none, nor is that of a swapped answer."""
    for subject_id, text, scorer, judge, value, detail in rows:
        said = json.loads(detail or "{}")
        ends = said.get("of") if isinstance(said, dict) else None
        if isinstance(ends, list) and len(ends) == 2 and not scorer.endswith(SWAPPED):
            least, most = map(float, ends)
            yield Rating(subject_id, text, scorer, str(said.get("rubric") or ""), least, most, judge, value)


def languages_asked(look: Look, evaluation_id: str) -> list[str]:
    """Return the languages in which an evaluation put its items, sorted."""
    query = sqlalchemy.select(col(AnswerRow.language)).where(col(AnswerRow.evaluation_id) == evaluation_id)
    return sorted(row[0] for row in look.execute(query.distinct()))


def rows_behind(look: Look, evaluation_id: str) -> str | None:
    """Return the id of a row that an evaluation's items are; None where its items are those of a suite."""
    query = sqlalchemy.select(col(ItemRow.key)).join(AnswerRow, col(AnswerRow.item_id) == col(ItemRow.id))
    query = query.join(RunRow, col(RunRow.id) == col(AnswerRow.evaluation_id))
    query = query.where(col(AnswerRow.evaluation_id) == evaluation_id, col(RunRow.models) == NOBODY)
    key: str | None = look.execute(query.limit(1)).scalar()
    return key if key and "." in key and look.get(RunRow, key.partition(".")[0]) else None


def rated_answers(look: Look, answer_ids: Sequence[str]) -> Iterator[RatedAnswer]:
    """Yield answers of evaluations with their prompts, in the order in which they are named."""
    entities: list[Any] = [AnswerRow, ItemRow.payload, CallRow.request, EvaluationRow.id, RunRow.models]
    query = sqlalchemy.select(*entities).select_from(AnswerRow).join(ItemRow, col(ItemRow.id) == col(AnswerRow.item_id))
    query = query.join(EvaluationRow, col(EvaluationRow.id) == col(AnswerRow.evaluation_id))
    query = query.join(RunRow, col(RunRow.id) == col(AnswerRow.evaluation_id))
    query = query.join(CallRow, col(CallRow.id) == col(AnswerRow.call_id), isouter=True)
    for page in pages(answer_ids):
        found = {row[0].id: row for row in look.execute(query.where(col(AnswerRow.id).in_(page)))}
        for name in page:
            answer, payload, request, evaluation_id, models = found[name]
            question = str(json.loads(payload).get("question") or "")
            asked: Prompt | None = ({"role": "user", "content": question},) if models == NOBODY and question else None
            yield RatedAnswer(
                id=answer.id,
                evaluation_id=evaluation_id,
                item_id=answer.item_id,
                question=question,
                culture=answer.culture,
                language=answer.language,
                respondent=answer.respondent,
                text=answer.text,
                prompt=prompt_of(json.loads(request)) if request else asked,
            )
        look.expunge_all()


def prompt_of(request: JsonObject) -> Prompt | None:
    """Return the messages of a request, each with its role and its text; None if one has anything else."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    prompt = []
    for message in messages:
        role, text = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if not (isinstance(role, str) and isinstance(text, str)):
            return None
        prompt.append({"role": role, "content": text})
    return tuple(prompt) if prompt[-1]["role"] == "user" else None
