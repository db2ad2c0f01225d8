"""A small evaluation in a store, written by hand: no model is asked."""

from __future__ import annotations

import json
from typing import Any

from culturepark.domain import Edition, Scenario, Status
from culturepark.models.chat import Usage, canonical, digest
from culturepark.models.ledger import Call, Outcome, now
from culturepark.run.plan import pending
from culturepark.store import evaluations
from culturepark.store.evaluations import NewItem
from culturepark.store.store import Store
from culturepark.store.tables import AnswerRow, EvaluationRow, FigureRow, RunRow, ScoreRow

DEFINITION = json.dumps({"title": "Guests", "scorers": ["choice"]})
SHARES = {"TUR": {"1": 0.7, "2": 0.3}}
TARGETS = (json.dumps({"shares": SHARES}), "null", "1")
OPTIONS = {"1": "yes", "2": "no"}
ITEMS: tuple[NewItem, ...] = tuple(
    (f"q{number}", "en", json.dumps({"question": f"Question {number}?", "options": OPTIONS}), target, None)
    for number, target in enumerate(TARGETS, start=1)
)


def rows_of(evaluation_id: str, suite_id: str) -> tuple[EvaluationRow, RunRow]:
    """An evaluation that begins now, and its run."""
    scenario = Scenario(
        name="evaluation", title="Guests", setting="in-cultural", cultures=("turkish",), protocol="evaluation", seeds=()
    )
    edition = canonical(Edition(scenario=scenario, personas=()).model_dump(mode="json"))
    run = pending(evaluation_id, "guests", edition, 7, '{"speaker": "scripted"}', {"until": "samples"})
    row = EvaluationRow(
        id=evaluation_id,
        suite_id=suite_id,
        run_id=evaluation_id,
        model="scripted",
        settings="{}",
        seed=7,
        status=Status.PENDING,
        created_at=now(),
    )
    return row, run


def an_answer(evaluation_id: str, suite_id: str, number: int, **changes: Any) -> AnswerRow:
    """The answer of the bare model to the item of the same number."""
    values: dict[str, Any] = {
        "id": f"{evaluation_id}.a{number}",
        "evaluation_id": evaluation_id,
        "item_id": f"{suite_id}.i{number}",
        "culture": "turkish",
        "country": "TUR",
        "framing": "observer",
        "language": "en",
        "reasoning": False,
        "arm": "plain",
        "respondent": "",
        "repeat": 0,
        "shown": "[2, 1]",
        "text": "B",
        "choice": 1,
        "probabilities": '{"1": 0.5, "2": 0.25}',
        "outside_mass": 0.25,
        "abstained": False,
    }
    return AnswerRow(**values | changes)


def a_score(answer_id: str, scorer: str = "choice", value: float | None = 1.0, judge: str | None = None) -> ScoreRow:
    """A score that gets its number when it is stored."""
    return ScoreRow(id="", answer_id=answer_id, scorer=scorer, value=value, judge=judge)


def a_figure(metric: str, value: float | None = 0.5) -> FigureRow:
    """A figure that gets its number and its evaluation when it is stored."""
    return FigureRow(id="", evaluation_id="", metric=metric, group_key="culture=turkish", value=value, n=3)


def put_evaluation(store: Store, evaluation_id: str, items: tuple[NewItem, ...] = ITEMS) -> str:
    """Store a finished evaluation with a call, and return the id of its suite."""
    suite_id = evaluations.put_suite(store, "guests", DEFINITION, items)
    evaluations.create_evaluation(store, *rows_of(evaluation_id, suite_id))
    request = canonical({"messages": []})
    call = Call(evaluation_id, "answer", evaluation_id, "m", "e", "p", digest(request), request, 1, 1, now())
    call_id = store.begin(call)
    store.finish(call_id, Outcome("{}", Usage(10, None, 1, "server"), None, "stop", None, 1))
    numbers = range(1, len(items) + 1)
    evaluations.add_answers(store, [an_answer(evaluation_id, suite_id, n, call_id=call_id) for n in numbers])
    evaluations.add_scores(store, [a_score(row.id) for row in evaluations.answers(store, evaluation_id)])
    evaluations.set_figures(store, evaluation_id, [a_figure("nvas"), a_figure("accuracy")])
    store.set_run(evaluation_id, Status.DONE, "completed")
    return suite_id
