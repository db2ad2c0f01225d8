"""A panel of judges who give scores from 1 to 5, each with a brief of its own.

The same model asked the same thing again would only repeat itself. So judges differ in whom they are told to be, in the
end of the scale and of the list that they see first, and in their models if several are named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from culturepark.dialogue.guards import storable
from culturepark.distill import logprobs
from culturepark.distill.ask import Asker, Item, each
from culturepark.domain import Scored, Statement
from culturepark.languages import Prompt
from culturepark.models.chat import Reply

BRIEFS = ("neighbour", "anthropologist", "editor")
ITEMS_A_CALL = 4
"""A weak judge carries its score from one item of a call to the next; with eight it was seen to do so throughout."""
TOKENS_AN_ITEM = 90
LONGEST_REASON = 300
DIGITS = "12345"


@dataclass(frozen=True)
class Score:
    value: float | None
    """1 to 5; None if the answer cannot be read."""
    reason: str | None
    call_id: str | None


class GivenScore(Item):
    # In this order: a score that comes after its reason follows from it.
    reason: str
    score: Literal[1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Judge:
    name: str
    """The heading of its brief."""
    asker: Asker
    backwards: bool
    """Sees scale and list from the other end."""

    async def scores(self, criterion: Scored, statements: Sequence[Statement]) -> list[Score]:
        """One for each statement.

        Raises:
            CultureparkError: as the ledger does.
        """
        ordered = list(reversed(statements)) if self.backwards else list(statements)
        by_digit = self.asker.model.traits.labels
        given = await (self._by_digit if by_digit else self._with_reasons)(criterion, ordered)
        return given[::-1] if self.backwards else given

    async def _with_reasons(self, criterion: Scored, statements: Sequence[Statement]) -> list[Score]:
        template = Prompt(self.asker.prompt("score").render(**self._parts(criterion)))
        items = [{"country": self._country(one), "kind": one.kind, "text": one.trained_on} for one in statements]
        found = await each(
            self.asker,
            template,
            items,
            GivenScore,
            name="scores",
            items_a_call=ITEMS_A_CALL,
            tokens_an_item=TOKENS_AN_ITEM,
        )
        return [
            Score(float(one.score), fit(one.reason), call_id) if one else Score(None, None, call_id)
            for one, call_id in found
        ]

    async def _by_digit(self, criterion: Scored, statements: Sequence[Statement]) -> list[Score]:
        """For models too small for JSON: one token, and of its rivals the probability of each score."""
        template, parts = self.asker.prompt("score-small"), self._parts(criterion)
        question = Prompt(parts.pop("question"))
        prompts = [
            template.render(
                **parts,
                question=question.render(country=self._country(one)),
                country=self._country(one),
                text=logprobs.as_data(one.trained_on),
            )
            for one in statements
        ]
        replies = await logprobs.replies_to(self.asker, template, [("", prompt) for prompt in prompts])
        return [Score(read(reply), None, reply.call_id) for reply in replies]

    def _parts(self, criterion: Scored) -> dict[str, str]:
        def part(name: str) -> str:
            return self.asker.language.section("scales", criterion, name).text

        scale = part("scale").splitlines()
        return {
            "brief": self.asker.language.section("judges", self.name, "brief").text,
            "what": part("what"),
            "scale": "\n".join(reversed(scale) if self.backwards else scale),
            "question": part("question"),
        }

    def _country(self, statement: Statement) -> str:
        return self.asker.casting.by_key(statement.persona_key).persona.country_name


def panel(askers: Sequence[Asker], size: int) -> list[Judge]:
    """
    Args:
        askers: one for each model; they take turns.
    """
    return [Judge(BRIEFS[n], askers[n % len(askers)], backwards=n % 2 == 1) for n in range(size)]


def read(reply: Reply) -> float | None:
    """The score that a digit stands for: with log-probabilities the expected one, else the digit itself."""
    scores = logprobs.letter_scores(reply, DIGITS)
    if scores is not None:
        return expected(scores)
    said = "" if reply.withheld else reply.text.strip()[:1]
    return float(said) if said and said in DIGITS else None


def expected(logprobs: Mapping[str, float]) -> float:
    """Mean over 1 to 5, weighted with their probabilities.

    Not calibrated over the batch, as letters are: scores are held against a fixed bound, and that all statements of a
    dialogue are harmless is no favour of the model.
    """
    most = max(logprobs.values())
    weights = {digit: math.exp(logprob - most) for digit, logprob in logprobs.items()}
    mean = math.fsum(int(digit) * weight for digit, weight in weights.items()) / math.fsum(weights.values())
    return round(mean, 4)


def fit(words: str) -> str | None:
    """A reason as it is stored: on one line, and not long."""
    line = " ".join(storable(words).split())
    return (line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…") or None
