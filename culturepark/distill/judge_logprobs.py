"""Judges too small for JSON: yes or no, one claim at a time.

Such a model cannot say what "contradict" means. It can say whether some words speak for a claim. So it is shown the two
sides of the question as plain sentences, one after the other, and asked that of each; the difference of the two
log-odds says which side the words are on. Whether they are about the matter at all it is asked in two more ways. Those
log-odds count from what the model answers to words that say nothing (contextual calibration: Zhao et al. 2021,
arXiv:2102.09690). docs/quality.md has what each question is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.distill.ask import Asker
from culturepark.distill.judgement import Case, Judgement, Judgements
from culturepark.distill.logprobs import as_data, log_odds, one_token
from culturepark.distill.sides import Sides, relation_as_named, sides_of
from culturepark.domain import Relation, Stance

SIDE, SIDE_OF_ANSWERS = 5.5, 1.8
RELEVANCE = (-2.2, 3.8, 3.6)
"""Logistic weights, fitted on the development rows with a model of 1.5 billion parameters. Of the difference between
the two sides, where the survey has them as sentences and where it does not; and of a constant, the question about the
matter, and the answer that is spoken for more."""


TELLS_APART = 0.4
"""Log-odds by which a judge must tell the two sides' own sentences apart. A model of 1.5 billion parameters did so by
.5 to 3.0 on sixteen questions, one of 135 million by -.1 to .25."""
CHANCE = 1 / 3
"""Confidence in one of three relations of a judge that knows nothing."""


@dataclass(frozen=True)
class Leaning:
    """What a model makes of some words, as log-odds."""

    own: float
    """That they speak for the stance's own side, and for the other."""
    other: float
    about: float
    """That they are about what the two sides disagree on; more than words that say nothing."""
    answer: float
    """That they speak for the one or the other answer to the question; more than words that say nothing."""
    call_id: str

    def relations(self, *, neutral: bool = False, in_sentences: bool = True) -> dict[Relation, float]:
        """Probability of each relation to the stance."""
        constant, about, answer = RELEVANCE
        relevant = logistic(constant + about * self.about + answer * self.answer)
        if neutral:
            undecided = 1 - abs(2 * logistic(self.own - self.other) - 1)
            return {"entail": relevant * undecided, "contradict": 0.0, "irrelevant": 1 - relevant * undecided}
        with_it = logistic((SIDE if in_sentences else SIDE_OF_ANSWERS) * (self.own - self.other))
        return {"entail": relevant * with_it, "contradict": relevant * (1 - with_it), "irrelevant": 1 - relevant}


async def judge_by_leaning(asker: Asker, cases: Sequence[Case]) -> Judgements:
    """Each criterion of each statement by itself.

    A statement that is the speaker's own sentence, whole and word by word, is faithful by construction: extraction has
    left out what only reports another's view, and a small model's opinion on it would be noise.
    """
    judged: Judgements = {}
    for one in cases:
        judged[one.statement.id, "faithful"] = (
            Judgement("entail", None, None) if one.verbatim else await faithful(asker, one)
        )
        if one.stance:
            judged[one.statement.id, "stance"] = await in_line(asker, one, one.stance)
    return judged


async def faithful(asker: Asker, one: Case) -> Judgement:
    """Whether the turn speaks for the statement, taken as a claim."""
    odds, call_id = await yes(asker, "speaks-for", one.turn.text, claim=as_data(one.statement.trained_on))
    if odds is None:
        return Judgement("unparsable", None, call_id)
    chance = logistic(odds)
    return Judgement("entail" if odds > 0 else "irrelevant", max(chance, 1 - chance), call_id)


async def in_line(asker: Asker, one: Case, stance: Stance) -> Judgement:
    """The likeliest relation of the statement to its speaker's stance."""
    seed = asker.casting.seed
    if relation := relation_as_named(seed, stance, one.statement.trained_on, asker.language):
        return Judgement(relation, None, None)
    sides = sides_of(seed, stance, asker.language)
    leaning = await lean(asker, sides, one.statement.trained_on)
    if isinstance(leaning, str):
        return Judgement("unparsable", None, leaning)
    relations = leaning.relations(neutral=sides.neutral, in_sentences=sides.in_sentences)
    best = max(relations, key=lambda relation: relations[relation])
    able = await tells_apart(asker, sides)
    return Judgement(best, relations[best] if able else CHANCE, leaning.call_id)


async def lean(asker: Asker, sides: Sides, said: str) -> Leaning | str:
    """A call's id alone if an answer is neither yes nor no.

    What is asked about words that say nothing is asked once in a dialogue: an answered request is not sent again.
    """
    own, call_id = await yes(asker, "speaks-for", said, claim=sides.own)
    other, _ = await yes(asker, "speaks-for", said, claim=sides.other)
    found = await matter(asker, sides, said)
    nothing = await matter(asker, sides, asker.language.phrases["says_nothing"][0])
    if own is None or other is None or found is None or nothing is None:
        return call_id
    answer = max(found[1:]) - sum(nothing[1:]) / len(nothing[1:])
    return Leaning(own, other, found[0] - nothing[0], answer, call_id)


async def matter(asker: Asker, sides: Sides, said: str) -> list[float] | None:
    """Log-odds that some words are about the matter, and that they speak for each of the two answers."""
    about, _ = await yes(asker, "about", said, own=sides.own, other=sides.other)
    answers = [(await yes(asker, "speaks-for", said, claim=answer))[0] for answer in sides.answers]
    known = [odds for odds in (about, *answers) if odds is not None]
    return known if len(known) == 1 + len(answers) else None


async def tells_apart(asker: Asker, sides: Sides) -> bool:
    """Whether the judge finds each side's own sentence to speak for that side, and not for the other.

    One that does not cannot know what others' sentences speak for. Asked once in a dialogue, whoever's stance it is.
    """
    told = 0.0
    for said, against in ((sides.own, sides.other), (sides.other, sides.own)):
        for_it, _ = await yes(asker, "speaks-for", said, claim=said)
        for_other, _ = await yes(asker, "speaks-for", said, claim=against)
        if for_it is None or for_other is None:
            return False
        told += (for_it - for_other) / 2
    return told >= TELLS_APART


async def yes(asker: Asker, name: str, said: str, **claims: str) -> tuple[float | None, str]:
    """Log-odds of yes, and the call that gave them."""
    template = asker.prompt(name)
    words = asker.language.phrases
    reply = await one_token(asker, template, template.render(said=as_data(said), **claims))
    return log_odds(reply, words["yes"][0], words["no"][0]), reply.call_id


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - 1 / (1 + math.exp(x))
