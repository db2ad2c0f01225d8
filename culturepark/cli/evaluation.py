"""What `culturepark evaluate` does: reads its options, carries the evaluation on, and prints what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from culturepark.catalog.files import read_text
from culturepark.catalog.suites import PLAIN, Arm, Suite
from culturepark.cli.consent import check_used
from culturepark.cli.execution import ended_by, tell_failure
from culturepark.cli.options import Limits, store_option
from culturepark.cli.progress import Quiet, counting
from culturepark.cli.roles import warn_of_unknown_prices
from culturepark.cli.table import print_lines
from culturepark.domain import Edition, JsonObject, Key, Status
from culturepark.errors import UsageError
from culturepark.evaluate.document import document
from culturepark.evaluate.elicit import request_for
from culturepark.evaluate.evaluation import Evaluation, plan_of, record_of, stored_suite
from culturepark.evaluate.norms_arm import NAME as NORMS
from culturepark.evaluate.norms_arm import norms_arm
from culturepark.evaluate.plan import Settings
from culturepark.evaluate.scorers import scorer_of
from culturepark.evaluate.text import document_lines
from culturepark.files import clipped
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run.plan import models_of, settings_of
from culturepark.store import evaluations as kept
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell, write

SAMPLE = 60
"""Questions of which the tokens are counted for a forecast."""
ANSWER_TOKENS = {"option": (1, 4), "reasoning": (60, 200), "text": (80, 250)}
"""Completion tokens of an answer, low and high."""


# --- options -----------------------------------------------------------------------------------------


def arms_of(texts: Sequence[str]) -> tuple[Arm, ...] | None:
    """Return the arms of `--arm NAME[=FILE]`; None if there are none.

    Raises:
        UsageError: if a name cannot be an arm's, or a file cannot be read.
    """
    arms = []
    for text in texts:
        name, equals, file = text.partition("=")
        try:
            TypeAdapter(Key).validate_python(name)
        except ValidationError:
            raise UsageError(f"--arm {clipped(text)!r}: NAME=FILE, with small letters, digits and - as name") from None
        prompt = read_text(Path(file)).strip() if equals else None
        if equals and not prompt:
            raise UsageError(f"--arm {clipped(text)!r}: the file is empty")
        arms.append(Arm(name=name, prompt=prompt))
    return tuple(arms) or None


def with_norms(arms: Sequence[Arm] | None, run_id: str, store_url: str, suite: Suite) -> tuple[Arm, ...]:
    """Return the arms with one more, of the norms that a run has mined; the plain one too where none was named."""
    store = Store(store_url, must_exist=True)
    named = tuple(arms) if arms else (Arm(name=PLAIN),)
    if any(arm.name == NORMS for arm in named):
        raise UsageError(f"--arm {NORMS}: is what --norms calls its own; give the other one another name")
    return (*named, norms_arm(store, store.run(run_id), suite))


# --- beforehand --------------------------------------------------------------------------------------


def forecast_lines(
    suite: Suite, settings: Settings, edition: Edition, spec: ModelSpec, seed: int, as_json: bool
) -> int:
    """Print what an evaluation will take: calls, tokens and cost, low and high."""
    figures = forecast(suite, settings, edition, spec, seed)
    if as_json:
        write(json.dumps(figures))
        return 0
    calls, prompt, completion, cost = (figures[n] for n in ("calls", "prompt_tokens", "completion_tokens", "cost_usd"))
    write(f"{safe(suite.title)}: {figures['items']:,} items, {spec}")
    write(f"calls              {between(calls)}")
    write(f"prompt tokens      {between(prompt)}")
    write(f"completion tokens  {between(completion)}")
    write("cost               unknown" if cost is None else f"cost               ${cost[0]:.4f} to ${cost[1]:.4f}")
    return 0


def between(pair: Sequence[int]) -> str:
    return f"{pair[0]:,}" if pair[0] == pair[1] else f"{pair[0]:,} to {pair[1]:,}"


def forecast(suite: Suite, settings: Settings, edition: Edition, spec: ModelSpec, seed: int) -> JsonObject:
    """Return calls, tokens and cost, each as low and high; the cost is None if a price is unknown.

    An endpoint without log-probabilities takes more calls; which it is shows only when it is asked.
    """
    people = {person.key: person for person in edition.personas}
    ends: list[tuple[int, int, int, float | None]] = []
    for end, method in enumerate(("probabilities", "samples")):
        tried = settings.elicitation.method
        settled = settings.model_copy(update={"method": method if tried == "auto" else tried})
        asks = plan_of(suite, settled, edition, seed).asks
        some = asks[:: max(1, len(asks) // SAMPLE)]
        read = written = 0
        for ask in some:
            request = request_for(ask, settings.elicitation, people.get(ask.respondent), seed=seed, probabilities=False)
            read += tokens.count("\n".join(m["content"] for m in request.messages), spec.name)
            kind = "text" if not ask.shown else "reasoning" if ask.condition.reasoning else "option"
            written += ANSWER_TOKENS[kind][end]
        calls = len(asks) + (tried == "auto" and not settings.conditions.respondents)
        usage = Usage(round(len(asks) * read / len(some)), 0, round(len(asks) * written / len(some)), "estimate")
        cost = prices.cost(spec.endpoint, spec.name, usage) if spec.paid else 0.0
        ends.append((calls, usage.prompt_tokens or 0, usage.completion_tokens or 0, cost))
    low, high = sorted(ends, key=lambda end: end[0])
    pairs: JsonObject = {
        name: [low[i], high[i]] for i, name in enumerate(("calls", "prompt_tokens", "completion_tokens", "cost_usd"))
    }
    return (
        {"items": len({ask.item.key for ask in asks})}
        | pairs
        | ({"cost_usd": None} if None in pairs["cost_usd"] else {})
    )


# --- carrying on -------------------------------------------------------------------------------------


def unasked(suite: Suite, settings: Settings, edition: Edition, seed: int) -> str | None:
    """Return how many items are not asked because nobody has written them in a language that is wanted."""
    plan = plan_of(suite, settings, edition, seed)
    wanted = {item.key for item in plan.items if plan.places(item)}
    left = wanted - {ask.item.key for ask in plan.asks}
    if not left:
        return None
    spoken = ", ".join(settings.conditions.languages)
    first = ", ".join(sorted(left)[:3])
    return (
        f"{len(left)} of {len(wanted)} items are not asked, since there are no words of them in {spoken} ({first}); "
        "--language names another, and `native` each culture's own"
    )


def carry_on(store: Store, row: RunRow, as_json: bool, trust: Trust) -> int:
    """Carry an evaluation on, print its figures, and return the exit code."""
    warn_of_unknown_prices(store, row)
    with counting("answers") as progress:
        evaluation = Evaluation(store, row, Quiet(), trust, progress)
        failure = None if store.run(row.id).status == Status.DONE else ended_by(evaluation)
    show(store, row.id, as_json)
    option = store_option(store)
    if failure:
        tell_failure(failure, row.id, option)
        show_origin(failure)
        return failure.exit_code
    if store.run(row.id).status == Status.FAILED:
        tell(f"{len(evaluation.failed)} answers failed; go on with: culturepark resume {row.id}{option}")
        return 1
    if waits_for_judges(store, row.id):
        tell(f"nobody has rated these answers yet: culturepark judge {row.id} --model SPEC{option}")
        return 0
    tell(f"next: culturepark report {row.id}{option}, or culturepark compare {row.id} OTHER{option}")
    return 0


def waits_for_judges(store: Store, run_id: str) -> bool:
    """Return whether the suite's scorers need ratings, and there are none."""
    names = stored_suite(store, record_of(store, run_id).suite_id).scorers
    return any(scorer_of(name).judged for name in names) and not any(row.judge for row in kept.scores(store, run_id))


def resume_evaluation(store: Store, row: RunRow, limits: Limits, trust: Trust, as_json: bool) -> int:
    """Go on with an evaluation that was stopped or killed."""
    specs = models_of(row)
    if not specs:  # texts that were there already
        show(store, row.id, as_json)
        tell(f"{row.id} asks no model; culturepark judge {row.id}{store_option(store)} shows its ratings")
        return 0
    check_used(trust, specs.values(), row.id)
    check_specs(specs, ["speaker"], trust)
    store.set_plan(row.id, vars(replace(settings_of(row), **limits.given)), row.models)
    return carry_on(store, store.run(row.id), as_json, trust)


def show(store: Store, run_id: str, as_json: bool) -> None:
    """Print an evaluation as it stands."""
    told = document(store, run_id)
    if as_json:
        write(json.dumps(told.as_json()))
        return
    print_lines(partial(document_lines, told))
