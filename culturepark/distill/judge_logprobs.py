"""Judges too small for JSON: yes or no, one claim at a time.

Such a model cannot say what "contradict" means. It can say whether a speech speaks for a claim. So it is asked that of
each side of the question, put as a plain sentence; the difference of the two log-odds says which side the speech is on.
Whether the speech is about the matter at all a head over an encoder says (`distill/heads`). docs/quality.md measures
both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from culturepark.distill.ask import Asker
from culturepark.distill.heads import QUOTE_AT_LEAST, SHARED, relevance, shared
from culturepark.distill.heads import own as own_words
from culturepark.distill.judgement import Case, Judgement, Judgements
from culturepark.distill.logprobs import as_data, log_odds, one_token
from culturepark.distill.sides import Sides, sides_of
from culturepark.domain import Relation, Stance

if TYPE_CHECKING:
    from culturepark.distill.heads import Encode

SIDE, SIDE_OF_ANSWERS = 4.0, 1.8
"""Weights of the difference between the two sides, fitted with a model of 1.5 billion parameters: where the survey has
the sides as sentences, and where it does not."""
TELLS_APART = 0.4
"""Log-odds by which a judge must tell the two sides' own sentences apart. A model of 1.5 billion parameters did so by
.5 to 3.0 on sixteen questions, one of 135 million by -.1 to .25."""
CHANCE = 1 / 3
"""Confidence of a guess among three relations."""


def relations(lean: float, relevant: float, *, neutral: bool, in_sentences: bool) -> dict[Relation, float]:
    """Return the probability of each relation to a stance.

    Args:
        lean: log-odds that the speech speaks for the stance's own side, less those for the other side.
        relevant: probability that it is about the matter.
        neutral: the stance stands in the middle; nothing contradicts it.
        in_sentences: the survey has both sides as sentences.
    """
    if neutral:
        undecided = 1 - abs(2 * logistic(lean) - 1)
        return {"entail": relevant * undecided, "contradict": 0.0, "irrelevant": 1 - relevant * undecided}
    with_it = logistic((SIDE if in_sentences else SIDE_OF_ANSWERS) * lean)
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
            judged[case.statement.id, "stance"] = await in_line(asker, case, case.stance, encode)
        if case.line:
            judged[case.statement.id, "carried"] = carried(case.statement.quote, case.line)
    return judged


def carried(quote: str, line: str) -> Judgement:
    """Judge by shared words whether a line of the card carries a statement, as the lines of clauses are found."""
    return Judgement("entail" if shared(quote, line) >= SHARED else "irrelevant", None, None)


async def faithful(asker: Asker, case: Case, encode: Encode | None) -> Judgement:
    """Judge whether the quote is the speaker's own, and whether the turn speaks for the statement as a claim."""
    if encode:
        statement = case.statement
        chance = await own_words(encode, case.turn.text, statement.quote_start, statement.quote_end)
        if chance < QUOTE_AT_LEAST:
            return Judgement("irrelevant", 1 - chance, None)
    odds, call_id = await yes(asker, "speaks-for", case.turn.text, claim=as_data(case.statement.first_person))
    if odds is None:
        return Judgement("unparsable", None, call_id)
    chance = logistic(odds)
    return Judgement("entail" if odds > 0 else "irrelevant", max(chance, 1 - chance), call_id)


async def in_line(asker: Asker, case: Case, stance: Stance, encode: Encode | None) -> Judgement:
    """Return the likeliest relation of the statement to its speaker's stance.

    Without an encoder nobody can say whether the statement is about the matter, and nothing is sure.
    """
    seed, speech = asker.casting.seed, case.statement.first_person
    sides = sides_of(seed, stance, asker.language)
    own, call_id = await yes(asker, "speaks-for", speech, claim=sides.own)
    other, _ = await yes(asker, "speaks-for", speech, claim=sides.other)
    if own is None or other is None:
        return Judgement("unparsable", None, call_id)
    relevant = await relevance(encode, speech, sides.own, sides.other, seed.question) if encode else CHANCE
    found = relations(own - other, relevant, neutral=sides.neutral, in_sentences=sides.in_sentences)
    best = max(found, key=lambda relation: found[relation])
    able = encode is not None and await tells_apart(asker, sides)
    return Judgement(best, found[best] if able else CHANCE, call_id)


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
    reply = await one_token(asker, template, template.render(said=as_data(speech), **claims))
    return log_odds(reply, *asker.language.yes_and_no(name)), reply.call_id


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))
