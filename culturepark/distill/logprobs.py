"""One-token answers for models too small for JSON: letters, or yes and no, with log-probabilities."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.distill.ask import SubjectAsker
from culturepark.languages import Prompt
from culturepark.models.chat import Reply, Request

SAID = 2.0
"""Log-odds that an answer counts for where the endpoint sends no log-probabilities."""


@dataclass(frozen=True)
class Choice:
    letter: str | None
    """None if the answer is none of the letters."""
    confidence: float | None
    """Probability among the letters; None without log-probabilities."""
    call_id: str


async def replies_to(asker: SubjectAsker, template: Prompt, questions: Sequence[tuple[str, str]]) -> list[Reply]:
    """Ask each question for one token, one after the other: so calls have the same ids in every run."""
    return [await one_token(asker, template, user, system) for system, user in questions]


async def one_token(asker: SubjectAsker, template: Prompt, user: str, system: str = "") -> Reply:
    """Ask for an answer of one token, with its rivals."""
    messages = [{"role": "system", "content": system}] if system else []
    request = Request(
        messages=(*messages, {"role": "user", "content": user}),
        max_tokens=1,
        temperature=0.0,
        seed=1,
        top_logprobs=20,
    )
    return await asker.send(request, template)


def as_data(text: str) -> str:
    """Return a text as a JSON string, so that no line end or label in it can pose as a part of the prompt."""
    return json.dumps(text, ensure_ascii=False)


def log_odds(reply: Reply, yes: str, no: str) -> float | None:
    """Return the log-odds of `yes` against `no` as the first token, in any case; None if the answer is neither."""
    if reply.withheld:
        return None
    if not reply.tokens:
        word = re.match(r"\w*", reply.text.strip().casefold())
        return {yes.casefold(): SAID, no.casefold(): -SAID}.get(word[0] if word else "")
    rivals = reply.tokens[0].rivals | {reply.tokens[0].text: reply.tokens[0].logprob}
    unlisted = math.exp(min(rivals.values()) - 1.0)
    chance = {
        word: sum(math.exp(logprob) for token, logprob in rivals.items() if token.strip().casefold() == word.casefold())
        for word in (yes, no)
    }
    if not any(chance.values()):
        return None
    return math.log(chance[yes] or unlisted) - math.log(chance[no] or unlisted)


def letter_scores(reply: Reply, letters: str) -> dict[str, float] | None:
    """Return each letter's log-probability as the first token; an unlisted one gets less than any rival."""
    if reply.withheld or not reply.tokens:
        return None
    rivals = reply.tokens[0].rivals | {reply.tokens[0].text: reply.tokens[0].logprob}
    floor = min(rivals.values()) - 1.0
    scores = dict.fromkeys(letters, floor)
    for token, logprob in rivals.items():
        letter = token.strip()
        if letter in scores:
            scores[letter] = max(scores[letter], logprob)
    return scores


def decide(scores: dict[str, float] | None, reply: Reply, letters: str) -> Choice:
    if scores is None:
        letter = "" if reply.withheld else reply.text.strip()[:1]
        return Choice(letter if letter and letter in letters else None, None, reply.call_id)
    best = max(letters, key=lambda letter: scores[letter])
    total = math.fsum(math.exp(scores[letter] - scores[best]) for letter in letters)
    return Choice(best, 1 / total, reply.call_id)
