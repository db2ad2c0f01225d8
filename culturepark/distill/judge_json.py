"""Judges that can be trusted with JSON: all criteria, and the statements of a whole dialogue in one call as a rule.

So the turns are sent once. They stand before the items, and the words of each stance before both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from culturepark.distill.ask import Asker, Item, TooMuch, in_parts, only_once
from culturepark.distill.extract import as_shown
from culturepark.distill.judgement import Case, Judgement, Judgements, criteria
from culturepark.distill.sides import sides_of
from culturepark.domain import Criterion, Relation, Stance
from culturepark.models.chat import Reply

ITEMS_A_CALL = 30
"""A dialogue of fourteen speeches gives about twenty statements."""
TOKENS_AN_ITEM = 40


class Judged(Item):
    faithful: Literal["entail", "contradict", "irrelevant"]
    stance: Literal["entail", "contradict", "irrelevant", "none"]
    carried: Literal["entail", "irrelevant", "none"]


class VerdictsAnswer(BaseModel):
    verdicts: list[Judged]


async def judge_in_batches(asker: Asker, cases: Sequence[Case]) -> Judgements:
    async def ask(batch: Sequence[Case]) -> Judgements:
        return await judge_batch(asker, batch)

    def give_up(much: TooMuch, batch: Sequence[Case]) -> Judgements:
        unread = Judgement("unparsable", None, much.call_id)
        return {(case.statement.id, criterion): unread for case in batch for criterion in criteria(case)}

    judged: Judgements = {}
    for start in range(0, len(cases), ITEMS_A_CALL):
        for part in await in_parts(cases[start : start + ITEMS_A_CALL], ask, give_up):
            judged |= part
    return judged


async def judge_batch(asker: Asker, batch: Sequence[Case]) -> Judgements:
    """
    Raises:
        TooMuch: if it has to be asked in parts.
    """
    turns = {turn.position: turn for case in batch for turn in (case.before, case.turn) if turn}
    situation = asker.casting.situation
    stances = {case.stance.text: sides(asker, case.stance) for case in batch if case.stance}
    material = {
        "question": asker.casting.seed.question,
        **({"case": situation.told} if situation else {}),
        **({"stances": stances} if stances else {}),
        "turns": [as_shown(turns[at], asker.casting, asker.language) for at in sorted(turns)],
        "items": [
            {
                "id": number,
                "turn": case.turn.position,
                "quote": case.statement.quote,
                "first_person": case.statement.first_person,
                **({"exception": case.statement.exception} if case.statement.exception else {}),
                **({"stance": case.stance.text} if case.stance else {}),
                **({"line": case.line} if case.line else {}),
            }
            for number, case in enumerate(batch, start=1)
        ],
    }
    answer, reply = await asker.json(
        asker.language.prompt("verify"),
        material,
        VerdictsAnswer,
        name="verdicts",
        max_tokens=100 + TOKENS_AN_ITEM * len(batch),
        # A large model's own probabilities are worth little, and many endpoints refuse to tell them.
        top_logprobs=1 if asker.model.traits.labels else 0,
    )
    answers: Mapping[int, Judged] = only_once(answer.verdicts if answer else [])
    judged: Judgements = {}
    for number, case in enumerate(batch, start=1):
        for criterion in criteria(case):
            given: Relation | Literal["none"] = getattr(answers.get(number), criterion, "none")
            relation: Relation = "unparsable" if given == "none" else given
            probability = confidence(reply, number, criterion) if reply and relation != "unparsable" else None
            judged[case.statement.id, criterion] = Judgement(relation, probability, reply.call_id if reply else None)
    return judged


def sides(asker: Asker, stance: Stance) -> dict[str, str]:
    """Return both sides of the question as sentences, as somebody with a stance sees them."""
    of_question = sides_of(asker.casting.seed, stance, asker.language)
    return {"one_side" if of_question.neutral else "own_side": of_question.own, "other_side": of_question.other}


def confidence(reply: Reply, number: int, criterion: Criterion) -> float | None:
    """Return the probability of the word that answers, from the log-probabilities of the tokens that spell it."""
    tokens = reply.tokens
    text = "".join(token.text for token in tokens)
    match = re.search(rf'"id"\s*:\s*{number}\b[^}}]*?"{criterion}"\s*:\s*"(\w+)"', text)
    if match is None:
        return None
    logprob, at = 0.0, 0
    for token in tokens:
        if at < match.end(1) and at + len(token.text) > match.start(1):
            logprob += token.logprob
        at += len(token.text)
    return math.exp(min(0.0, logprob))
