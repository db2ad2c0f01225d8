"""One-token answers for models too small for JSON: letters, or yes and no, with log-probabilities."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.distill.ask import Asker
from culturepark.languages import Prompt
from culturepark.models.chat import Reply, Request

SAID = 2.0
"""Log-odds of an answer that comes without any."""


@dataclass(frozen=True)
class Choice:
    letter: str | None
    """None if the answer is none of the letters."""
    confidence: float | None
    """Probability among the letters; None without log-probabilities."""
    call_id: str


async def replies_to(asker: Asker, template: Prompt, questions: Sequence[tuple[str, str]]) -> list[Reply]:
    """One token each.

    Raises:
        CultureparkError: as the ledger does.
    """
    # One after the other: the order of the calls, and so their ids, is the same in every run.
    return [await one_token(asker, template, user, system) for system, user in questions]


async def one_token(asker: Asker, template: Prompt, user: str, system: str = "") -> Reply:
    """An answer of one token, with its rivals."""
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
    """As a JSON string: neither a line end nor a label in it can pose as a part of the prompt."""
    return json.dumps(text, ensure_ascii=False)


def log_odds(reply: Reply, yes: str, no: str) -> float | None:
    """Of `yes` against `no` as the first token, in whatever case; None if it is neither, or nothing is known.

    Without log-probabilities the answer itself is all there is, and counts as `SAID`.
    """
    if reply.withheld:
        return None
    if not reply.tokens:
        said = re.match(r"\w*", reply.text.strip().casefold())
        return {yes.casefold(): SAID, no.casefold(): -SAID}.get(said[0] if said else "")
    rivals = reply.tokens[0].rivals | {reply.tokens[0].text: reply.tokens[0].logprob}
    out_of_sight = math.exp(min(rivals.values()) - 1.0)
    chance = {
        word: sum(math.exp(logprob) for token, logprob in rivals.items() if token.strip().casefold() == word.casefold())
        for word in (yes, no)
    }
    if not any(chance.values()):
        return None
    return math.log(chance[yes] or out_of_sight) - math.log(chance[no] or out_of_sight)


def letter_scores(reply: Reply, letters: str) -> dict[str, float] | None:
    """Log-probability of each letter as the first token; one out of sight gets just less than the last in sight."""
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
        said = "" if reply.withheld else reply.text.strip()[:1]
        return Choice(said if said and said in letters else None, None, reply.call_id)
    best = max(letters, key=lambda letter: scores[letter])
    total = math.fsum(math.exp(scores[letter] - scores[best]) for letter in letters)
    return Choice(best, 1 / total, reply.call_id)
