"""Judges that can be trusted with JSON: both criteria, many statements a call."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from culturepark.distill.ask import Asker, Item, TooMuch, only_once
from culturepark.distill.extract import as_shown
from culturepark.distill.judgement import Case, Judgement, Judgements, criteria
from culturepark.distill.sides import sides_of
from culturepark.domain import Criterion, Relation, Stance
from culturepark.models.chat import Reply

ITEMS_A_CALL = 10
TOKENS_AN_ITEM = 40


class Judged(Item):
    faithful: Literal["entail", "contradict", "irrelevant"]
    stance: Literal["entail", "contradict", "irrelevant", "none"]


class VerdictsAnswer(BaseModel):
    verdicts: list[Judged]


async def judge_in_batches(asker: Asker, cases: Sequence[Case]) -> Judgements:
    """Both criteria, many statements a call, as JSON."""
    judged: Judgements = {}
    for start in range(0, len(cases), ITEMS_A_CALL):
        batch = cases[start : start + ITEMS_A_CALL]
        judged |= await judge_batch(asker, batch)
    return judged


async def judge_batch(asker: Asker, batch: Sequence[Case]) -> Judgements:
    turns = {one.turn.position: one.turn for one in batch}
    material = {
        "question": asker.casting.seed.question,
        "turns": [as_shown(turn, asker.casting) for turn in turns.values()],
        "items": [
            {
                "id": number,
                "turn": one.turn.position,
                "quote": one.statement.quote,
                "statement": one.statement.text,
                "first_person": one.statement.first_person,
                **(in_words(asker, one.stance) if one.stance else {}),
            }
            for number, one in enumerate(batch, start=1)
        ],
    }
    try:
        answer, reply = await asker.json(
            asker.prompt("verify"),
            material,
            VerdictsAnswer,
            name="verdicts",
            max_tokens=100 + TOKENS_AN_ITEM * len(batch),
            # What a large model says of its own sureness is worth little, and many endpoints refuse to tell.
            top_logprobs=1 if asker.model.traits.labels else 0,
        )
    except TooMuch as much:
        if len(batch) == 1:
            lost = Judgement("unparsable", None, much.call_id)
            return {(batch[0].statement.id, c): lost for c in criteria(batch[0])}
        middle = len(batch) // 2
        first = await judge_batch(asker, batch[:middle])
        return first | await judge_batch(asker, batch[middle:])
    answers: Mapping[int, Judged] = only_once(answer.verdicts if answer else [])
    judged: Judgements = {}
    for number, one in enumerate(batch, start=1):
        for criterion in criteria(one):
            said: Relation | Literal["none"] = getattr(answers.get(number), criterion, "none")
            relation: Relation = "unparsable" if said == "none" else said
            sure = confidence(reply, number, criterion) if reply and relation != "unparsable" else None
            judged[one.statement.id, criterion] = Judgement(relation, sure, reply.call_id if reply else None)
    return judged


def in_words(asker: Asker, stance: Stance) -> dict[str, str]:
    """The stance as the survey has it, and what it and the other side mean as sentences."""
    sides = sides_of(asker.casting.seed, stance, asker.language)
    if sides.neutral:
        return {"stance": stance.text, "one_side": sides.own, "other_side": sides.other}
    return {"stance": stance.text, "own_side": sides.own, "other_side": sides.other}


def confidence(reply: Reply, number: int, criterion: Criterion) -> float | None:
    """Probability of the words that spell the answer, from the tokens' log-probabilities."""
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
