"""Checks every statement by two criteria: faithful to its quote, and in line with its speaker's stance.

`stance` is asked only of opinions whose speaker has one. A verdict that cannot be read is `unparsable`, a state of its
own that is never kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.distill import letters, quotes
from culturepark.distill.answers import Asker, CutOff
from culturepark.distill.extract import attributed, told
from culturepark.distill.letters import as_data
from culturepark.domain import (
    Casting,
    Criterion,
    DistillPolicy,
    Relation,
    Stance,
    Statement,
    Turn,
    Verdict,
)
from culturepark.models.chat import Reply

ITEMS_A_CALL = 10
TOKENS_AN_ITEM = 40
EVEN_CHANCE = 0.5


@dataclass(frozen=True)
class Case:
    """One statement to be judged, with all that the judge may know."""

    statement: Statement
    turn: Turn
    stance: Stance | None
    """Only where the criterion `stance` is to be asked."""
    verbatim: bool = False
    """The statement is the speaker's whole sentence, word by word."""


@dataclass(frozen=True)
class Judgement:
    relation: Relation
    confidence: float | None
    call_id: str | None


class Judged(BaseModel):
    id: int
    faithful: Literal["entail", "contradict", "irrelevant"]
    stance: Literal["entail", "contradict", "irrelevant", "none"]


class VerdictsAnswer(BaseModel):
    verdicts: list[Judged]


def case(statement: Statement, turn: Turn, casting: Casting) -> Case:
    stance = casting.by_key(statement.persona_key).stance if statement.kind == "opinion" else None
    # Only a statement that adds nothing at all to the quote but who said it is faithful without being asked.
    own_words = attributed(casting.by_key(statement.persona_key).persona, statement.quote)
    verbatim = statement.first_person == quotes.as_sentence(statement.quote) and statement.text == own_words
    return Case(statement, turn, stance, verbatim)


async def verify(asker: Asker, cases: Sequence[Case], policy: DistillPolicy) -> list[Verdict]:
    """One `faithful` verdict for each case, and a `stance` verdict where there is one to hold it against.

    Raises:
        CultureparkError: as the ledger does.
    """
    by_letter = policy.verify == "letters" or (policy.verify == "auto" and asker.model.traits.labels)
    judge = judge_by_letter if by_letter else judge_in_batches
    judged = await judge(asker, cases)
    verdicts = []
    for one in cases:
        for criterion in criteria(one):
            judgement = judged[one.statement.id, criterion]
            verdicts.append(
                Verdict(
                    statement_id=one.statement.id,
                    criterion=criterion,
                    relation=judgement.relation,
                    confidence=judgement.confidence,
                    decision="keep" if passes(criterion, judgement, policy) else "drop",
                    call_id=judgement.call_id,
                )
            )
    return verdicts


def criteria(one: Case) -> tuple[Criterion, ...]:
    return ("faithful", "stance") if one.stance else ("faithful",)


def passes(criterion: Criterion, judgement: Judgement, policy: DistillPolicy) -> bool:
    """Whether a verdict lets its statement through; `keep` speaks of stance alone.

    A judge that gives its own answer less than an even chance does not know, and what it does not know is not kept.
    """
    if judgement.confidence is not None and judgement.confidence < EVEN_CHANCE:
        return False
    return judgement.relation == "entail" if criterion == "faithful" else judgement.relation in policy.keep


Judgements = dict[tuple[str, Criterion], Judgement]


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
        "turns": [told(turn, asker.casting) for turn in turns.values()],
        "items": [
            {
                "id": number,
                "turn": one.turn.position,
                "quote": one.statement.quote,
                "statement": one.statement.text,
                "first_person": one.statement.first_person,
                **({"stance": one.stance.text} if one.stance else {}),
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
            top_logprobs=1,
        )
    except CutOff as cut_off:
        if len(batch) == 1:
            lost = Judgement("unparsable", None, cut_off.reply.call_id)
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


def only_once(verdicts: Sequence[Judged]) -> dict[int, Judged]:
    """Verdicts by item; an item judged twice has not been judged."""
    by_id: dict[int, Judged] = {}
    twice: set[int] = set()
    for verdict in verdicts:
        if verdict.id in by_id:
            twice.add(verdict.id)
        by_id[verdict.id] = verdict
    return {number: verdict for number, verdict in by_id.items() if number not in twice}


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


async def judge_by_letter(asker: Asker, cases: Sequence[Case]) -> Judgements:
    """One criterion and one statement a call, answered with a letter and calibrated over the dialogue.

    A statement that is the speaker's own sentence, whole and word by word, is faithful by construction: extraction has
    left out what only reports another's view, and a small model's opinion on it would be noise.
    """
    judged: Judgements = {
        (one.statement.id, "faithful"): Judgement("entail", None, None) for one in cases if one.verbatim
    }
    meanings: dict[str, Relation] = {"A": "entail", "B": "contradict", "C": "irrelevant"}
    asked: list[tuple[Criterion, list[Case]]] = [
        ("faithful", [one for one in cases if not one.verbatim]),
        ("stance", [one for one in cases if one.stance]),
    ]
    for criterion, some in asked:
        template = asker.prompt(f"letters-{criterion}")
        questions = [
            (
                "",
                template.render(
                    turn=as_data(one.turn.text),
                    # The form that would be trained on is the one to judge.
                    statement=as_data(
                        one.statement.first_person if one.statement.kind == "opinion" else one.statement.text
                    ),
                    question=as_data(asker.casting.seed.question),
                    stance=as_data(one.stance.text) if one.stance else "",
                ),
            )
            for one in some
        ]
        choices = await letters.choose(asker, template, questions, "ABC")
        for one, choice in zip(some, choices, strict=True):
            relation = meanings[choice.letter] if choice.letter else "unparsable"
            judged[one.statement.id, criterion] = Judgement(relation, choice.confidence, choice.call_id)
    return judged
