"""What a run will ask for: calls, tokens and cost as a range, from its plan alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from culturepark.dialogue import words
from culturepark.dialogue.casting import Plan
from culturepark.dialogue.protocol import schedule
from culturepark.domain import JsonObject, ModelRole, Scenario
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.client import base_url_of
from culturepark.models.spec import ModelSpec
from culturepark.prompts import prompt


@dataclass(frozen=True)
class Guess:
    """What one end of the range assumes."""

    turn_tokens: int
    statements_a_turn: float
    asked_again: float
    """Extra requests per speech."""


LOW = Guess(turn_tokens=45, statements_a_turn=1.0, asked_again=0.0)
HIGH = Guess(turn_tokens=110, statements_a_turn=4.0, asked_again=0.3)
STATEMENT_TOKENS = 95
VERDICT_TOKENS = 25
ITEM_TOKENS = 130


def forecast(plan: Plan, scenario: Scenario, specs: Mapping[ModelRole, ModelSpec]) -> JsonObject:
    """Counts for the whole run; `calls`, `prompt_tokens`, `completion_tokens` and `cost_usd` are [low, high].

    `cost_usd` is None where a model's price is not known.
    """
    low, high = (one_end(plan, scenario, specs, guess) for guess in (LOW, HIGH))
    known = low["cost_usd"] is not None
    return {
        "dialogues": len(plan.castings),
        "persona_turns": sum(
            slot.act == "speech"
            for casting in plan.castings
            for slot in schedule(scenario.protocol, len(casting.participants), scenario.max_turns)
        ),
        "skipped": [str(skip) for skip in plan.skipped],
        **{name: [low[name], high[name]] for name in ("calls", "prompt_tokens", "completion_tokens")},
        "cost_usd": [low["cost_usd"], high["cost_usd"]] if known else None,
    }


def one_end(plan: Plan, scenario: Scenario, specs: Mapping[ModelRole, ModelSpec], guess: Guess) -> JsonObject:
    totals = dict.fromkeys(("speaker", "moderator", "extractor", "verifier"), (0.0, 0.0, 0.0))

    def add(role: str, calls: float, prompt_tokens: float, completion_tokens: float) -> None:
        old = totals[role]
        totals[role] = (old[0] + calls, old[1] + prompt_tokens, old[2] + completion_tokens)

    fixed = {
        name: tokens.count(prompt(name, scenario.language).text, "") for name in ("extract", "verify", "follow-up")
    }
    for casting in plan.castings:
        cards = [tokens.count(words.card(casting, p, scenario, small=False)[0], "") for p in casting.participants]
        said = 0
        speeches = 0
        for slot in schedule(scenario.protocol, len(casting.participants), scenario.max_turns):
            if slot.act == "speech":
                again = 1 + guess.asked_again
                add("speaker", again, again * (cards[slot.person] + said + 60), again * guess.turn_tokens)
                speeches += 1
            elif slot.act == "follow-up":
                add("moderator", 1, fixed["follow-up"] + 2 * guess.turn_tokens, 30)
            said += guess.turn_tokens if slot.act == "speech" else 35
        statements = speeches * guess.statements_a_turn
        extractions = -(-speeches // 8)
        turns = speeches * (guess.turn_tokens + 25)
        add("extractor", extractions, extractions * fixed["extract"] + turns, statements * STATEMENT_TOKENS)
        batches = max(1.0, statements / 10)
        add(
            "verifier",
            batches,
            batches * fixed["verify"] + turns + statements * ITEM_TOKENS,
            statements * VERDICT_TOKENS,
        )
    costs = [cost_of(specs[role], total) for role, total in totals.items()]  # type: ignore[index]
    return {
        "calls": round(sum(total[0] for total in totals.values())),
        "prompt_tokens": round(sum(total[1] for total in totals.values())),
        "completion_tokens": round(sum(total[2] for total in totals.values())),
        "cost_usd": None if None in costs else round(sum(c for c in costs if c is not None), 4),
    }


def cost_of(spec: ModelSpec, total: tuple[float, float, float]) -> float | None:
    if spec.kind != "openai":
        return None
    return prices.cost(base_url_of(spec), spec.name, Usage(round(total[1]), 0, round(total[2])))
