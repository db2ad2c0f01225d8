"""Judges too small for JSON: yes or no, one claim at a time.

Such a model cannot say what "contradict" means. It can say whether a speech speaks for a claim. So it is asked that of
each side of the question, put as a plain sentence; the difference of the two log-odds says which side the speech is on.
Two more questions ask whether the speech is about the matter at all. Their log-odds count from the model's answers to
a speech that says nothing (contextual calibration: Zhao et al. 2021, arXiv:2102.09690). docs/quality.md measures what
each question is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from culturepark.distill.ask import Asker
from culturepark.distill.heads import SHARED, shared
from culturepark.distill.judgement import Case, Judgement, Judgements
from culturepark.distill.logprobs import as_data, log_odds, one_token
from culturepark.distill.sides import Sides, sides_of
from culturepark.domain import Relation, Stance

if TYPE_CHECKING:
    from culturepark.distill.heads import Encode

SIDE, SIDE_OF_ANSWERS = 5.5, 1.8
RELEVANCE = (-2.2, 3.8, 3.6)
"""Logistic weights, fitted on the development rows with a model of 1.5 billion parameters. `SIDE` weighs the difference
between the two sides where the survey has them as sentences, `SIDE_OF_ANSWERS` where it does not. `RELEVANCE` weighs a
constant, the question about the matter, and the answer that the speech supports more."""
TELLS_APART = 0.4
"""Log-odds by which a judge must tell the two sides' own sentences apart. A model of 1.5 billion parameters did so by
.5 to 3.0 on sixteen questions, one of 135 million by -.1 to .25."""
CHANCE = 1 / 3
"""Confidence of a guess among three relations."""


@dataclass(frozen=True)
class Leaning:
    """A model's answers about a speech, as log-odds.

    `about` and `answer` are differences from those of a speech that says nothing.
    """

    own: float
    """The speech speaks for the stance's own side."""
    other: float
    """The speech speaks for the other side."""
    about: float
    """The speech is about what the two sides disagree on."""
    answer: float
    """The speech speaks for one answer to the question; the likelier of the two."""
    call_id: str

    def relations(self, *, neutral: bool = False, in_sentences: bool = True) -> dict[Relation, float]:
        """Return the probability of each relation to the stance."""
        constant, about, answer = RELEVANCE
        relevant = logistic(constant + about * self.about + answer * self.answer)
        if neutral:
            undecided = 1 - abs(2 * logistic(self.own - self.other) - 1)
            return {"entail": relevant * undecided, "contradict": 0.0, "irrelevant": 1 - relevant * undecided}
        with_it = logistic((SIDE if in_sentences else SIDE_OF_ANSWERS) * (self.own - self.other))
        return {"entail": relevant * with_it, "contradict": relevant * (1 - with_it), "irrelevant": 1 - relevant}


async def judge_by_leaning(asker: Asker, cases: Sequence[Case], encode: Encode | None = None) -> Judgements:
    """Judge each criterion of each statement by itself.

    A statement that is the speaker's own sentence, whole and word by word, is faithful by construction: extraction has
    left out reports of others' views, and a small model's answer would be noise.
    """
    judged: Judgements = {}
    for case in cases:
        judged[case.statement.id, "faithful"] = (
            Judgement("entail", None, None) if case.verbatim else await faithful(asker, case, encode)
        )
        if case.stance:
            judged[case.statement.id, "stance"] = await in_line(asker, case, case.stance)
        if case.line:
            judged[case.statement.id, "carried"] = carried(case.statement.quote, case.line)
    return judged


def carried(quote: str, line: str) -> Judgement:
    """Judge by shared words whether a line of the card carries a statement, as the lines of clauses are found."""
    return Judgement("entail" if shared(quote, line) >= SHARED else "irrelevant", None, None)


async def faithful(asker: Asker, case: Case, encode: Encode | None) -> Judgement:
    """Judge whether the quote is the speaker's own, and whether the turn speaks for the statement as a claim."""
    if encode:
        from culturepark.distill.heads import QUOTE_AT_LEAST, own

        statement = case.statement
        chance = await own(encode, case.turn.text, statement.quote_start, statement.quote_end)
        if chance < QUOTE_AT_LEAST:
            return Judgement("irrelevant", 1 - chance, None)
    odds, call_id = await yes(asker, "speaks-for", case.turn.text, claim=as_data(case.statement.first_person))
    if odds is None:
        return Judgement("unparsable", None, call_id)
    chance = logistic(odds)
    return Judgement("entail" if odds > 0 else "irrelevant", max(chance, 1 - chance), call_id)


async def in_line(asker: Asker, case: Case, stance: Stance) -> Judgement:
    """Return the likeliest relation of the statement to its speaker's stance."""
    seed, speech = asker.casting.seed, case.statement.first_person
    sides = sides_of(seed, stance, asker.language)
    leaning = await lean(asker, sides, speech)
    if isinstance(leaning, str):
        return Judgement("unparsable", None, leaning)
    relations = leaning.relations(neutral=sides.neutral, in_sentences=sides.in_sentences)
    best = max(relations, key=lambda relation: relations[relation])
    able = await tells_apart(asker, sides)
    return Judgement(best, relations[best] if able else CHANCE, leaning.call_id)


async def lean(asker: Asker, sides: Sides, speech: str) -> Leaning | str:
    """Return the model's leaning, or only a call's id if an answer is neither yes nor no.

    The questions about a speech that says nothing are sent once in a dialogue: an answered request is not sent again.
    """
    own, call_id = await yes(asker, "speaks-for", speech, claim=sides.own)
    other, _ = await yes(asker, "speaks-for", speech, claim=sides.other)
    odds = await relevance(asker, sides, speech)
    baseline = await relevance(asker, sides, asker.language.phrases["says_nothing"][0])
    if own is None or other is None or odds is None or baseline is None:
        return call_id
    answer = max(odds[1:]) - sum(baseline[1:]) / len(baseline[1:])
    return Leaning(own, other, odds[0] - baseline[0], answer, call_id)


async def relevance(asker: Asker, sides: Sides, speech: str) -> list[float] | None:
    """Return the log-odds that a speech is about the matter, and that it speaks for each of the two answers."""
    about, _ = await yes(asker, "about", speech, own=sides.own, other=sides.other)
    answers = [(await yes(asker, "speaks-for", speech, claim=answer))[0] for answer in sides.answers]
    known = [odds for odds in (about, *answers) if odds is not None]
    return known if len(known) == 1 + len(answers) else None


async def tells_apart(asker: Asker, sides: Sides) -> bool:
    """Return whether the judge finds each side's own sentence to speak for that side, and not for the other.

    A judge that does not is no use on other sentences. Asked once in a dialogue, the same for every stance.
    """
    difference = 0.0
    for sentence, opposite in ((sides.own, sides.other), (sides.other, sides.own)):
        for_itself, _ = await yes(asker, "speaks-for", sentence, claim=sentence)
        for_opposite, _ = await yes(asker, "speaks-for", sentence, claim=opposite)
        if for_itself is None or for_opposite is None:
            return False
        difference += (for_itself - for_opposite) / 2
    return difference >= TELLS_APART


async def yes(asker: Asker, name: str, speech: str, **claims: str) -> tuple[float | None, str]:
    """Return the log-odds of yes, and the call's id."""
    template = asker.language.prompt(name)
    words = asker.language.phrases
    reply = await one_token(asker, template, template.render(said=as_data(speech), **claims))
    return log_odds(reply, words["yes"][0], words["no"][0]), reply.call_id


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))
