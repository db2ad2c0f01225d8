"""Forecasts the calls, tokens and cost of a mine as a range, from its plan. Asks nothing."""

from __future__ import annotations

from collections.abc import Mapping

from culturepark.dialogue.casting import Plan
from culturepark.domain import JsonObject, ModelRole, Scenario
from culturepark.languages import judging
from culturepark.mine.norms import MOST_SHOWN, TOKENS_A_NORM, TOKENS_A_REASONING
from culturepark.mine.plan import mining_of
from culturepark.mine.sentences import ITEMS_A_CALL, TOKENS_A_SENTENCE
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.spec import ModelSpec

WRITTEN = (0.35, 0.8)
"""Completion tokens of an answer, of those that it may have: low and high."""
ASKED_AGAIN = (0.0, 0.2)
PASSING = (0.5, 1.0)
"""Share of the sentences, norms and reasonings that get as far as the verifier."""
SENTENCE_TOKENS, NORM_TOKENS, REASONING_TOKENS = 25, 45, 80
"""Of one of each, in a prompt."""
QUESTION_TOKENS = 45
"""Of a question with its answers, in a prompt."""
VIEW_TOKENS = 45
"""Of a comparison of two answers, with what either holds."""
JUDGED_TOKENS, VERDICT_TOKENS = 110, 25
"""Of a statement that is verified, sent and answered."""
ROW_CHECK_TOKENS = 130


def forecast(planned: Plan, scenario: Scenario, models: Mapping[ModelRole, ModelSpec], asked: bool) -> JsonObject:
    """Return dialogues, calls, tokens and cost, each but the first as low and high; the cost is None if unknown.

    Args:
        asked: whether any model is asked.
    """
    figures: JsonObject = {"dialogues": len(planned.castings), "skipped": [str(skip) for skip in planned.skipped]}
    ends = [of_end(planned, scenario, models, end) if asked else (0, 0, 0, 0.0) for end in (0, 1)]
    for index, name in enumerate(("calls", "prompt_tokens", "completion_tokens", "cost_usd")):
        pair = [end[index] for end in ends]
        figures[name] = None if None in pair else pair
    return figures


def of_end(
    planned: Plan, scenario: Scenario, models: Mapping[ModelRole, ModelSpec], end: int
) -> tuple[int, int, int, float | None]:
    """Return calls, prompt tokens, completion tokens and cost at one end of the range."""
    mining = mining_of(scenario)
    speaker, verifier = models["speaker"], models["verifier"]
    heads = {
        name: tokens.count(judging().prompt(name).text, speaker.name)
        for name in ("mine-sentences", "mine-synonyms", "mine-same-view", "mine-norms", "mine-reasons", "verify",
                     "row-checks")
    }  # fmt: skip
    spent: dict[ModelRole, list[float]] = {"speaker": [0.0, 0.0, 0.0], "verifier": [0.0, 0.0, 0.0]}

    def add(role: ModelRole, calls: float, sent: float, written: float) -> None:
        again = 1 + ASKED_AGAIN[end]
        for index, amount in enumerate((calls, sent, written)):
            spent[role][index] += amount * again

    if mining.what == "seeds":
        for _ in {casting.seed.key for casting in planned.castings}:
            for prompt in ("mine-sentences", "mine-synonyms")[: 1 + mining.synonyms]:
                material = QUESTION_TOKENS + (SENTENCE_TOKENS * mining.rows if prompt == "mine-synonyms" else 0)
                add("speaker", 1, heads[prompt] + material, WRITTEN[end] * TOKENS_A_SENTENCE * mining.rows)
            items = 4 * mining.rows * (1 + mining.synonyms) * PASSING[end]
            calls = max(1, round(items / ITEMS_A_CALL))
            add("verifier", calls, calls * heads["mine-same-view"] + items * 2 * QUESTION_TOKENS, items * VIEW_TOKENS)
    else:
        for casting in planned.castings:
            country = casting.participants[0].persona.home
            if scenario.topic(casting.seed.key):
                seen = len(scenario.questions_shown(casting.seed.key, country)) * QUESTION_TOKENS
                add("speaker", 1, heads["mine-norms"] + seen, WRITTEN[end] * TOKENS_A_NORM * mining.rows)
                told = mining.rows * PASSING[end]
                add("verifier", 1, heads["row-checks"] + told * ROW_CHECK_TOKENS, told * VERDICT_TOKENS)
            else:
                answers = mining.reasons
                sent = heads["mine-reasons"] + QUESTION_TOKENS + MOST_SHOWN * NORM_TOKENS
                add("speaker", 2, 2 * sent, 2 * WRITTEN[end] * TOKENS_A_REASONING * answers)
                judged = 2 * answers * PASSING[end]
                add(
                    "verifier",
                    1,
                    heads["verify"] + judged * (JUDGED_TOKENS + REASONING_TOKENS),
                    judged * VERDICT_TOKENS,
                )
    cost: float | None = 0.0
    for role, spec in (("speaker", speaker), ("verifier", verifier)):
        usage = Usage(round(spent[role][1]), 0, round(spent[role][2]), "estimate")  # type: ignore[index]
        price = prices.cost(spec.endpoint, spec.name, usage) if spec.paid else 0.0
        cost = None if cost is None or price is None else cost + price
    calls, sent, written = (round(sum(amounts[index] for amounts in spent.values())) for index in range(3))
    return calls, sent, written, cost
