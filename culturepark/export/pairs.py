"""Pairs of answers to one question, of which one is preferred. Pure.

*Chosen* is a kept answer. *Rejected* is a real answer to the very same question, in the same shape, that takes the
other side: a statement of the same culture that was found to go against its own speaker's stance, or a kept one of
another culture. Where the question has a scale, the other side is the scale's: who is in the middle, or has no known
stance, contrasts with nobody. Where it has none, any answer of another culture counts. Rejected does not mean wrong: it
means that somebody from *this* culture, with *this* answer, would not say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from culturepark.dialogue.stance import side_taken, unit
from culturepark.domain import SurveyItem

Side = tuple[str, ...]
"""The answers on one side of a scale, in the scale's order; empty where the side is not known, or is the middle."""


@dataclass(frozen=True)
class Answer:
    """One sample that answers a question."""

    sample_id: str
    seed_key: str
    culture: str
    persona_key: str
    shape: str
    kept: bool
    takes: Side
    """The side it takes."""
    against: Side
    """The side across from it."""
    text_key: str
    """Answers with the same one say the same."""
    origin: str
    """The statement it rests on; a rewording rests on that of the original."""
    messages: tuple[dict[str, str], ...]


def sides_of(item: SurveyItem | None, stance_code: int | None, relation: str | None) -> tuple[Side, Side]:
    """Return the side that an answer takes, and the one across.

    Args:
        stance_code: of its speaker's stance.
        relation: of the answer to that stance.
    """
    side = side_taken(item, stance_code, relation)
    if item is None or side == 0:
        return (), ()
    labels = {at: tuple(option.label for option in item.options if option.side == at) for at in (side, -side)}
    return labels[side], labels[-side]


class Ring:
    """Answers that may be rejected, handed out in turns so that none is used much more often than another."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.at = 0

    def take(self, chosen: Answer) -> Answer | None:
        """Return the next answer that neither says the same as `chosen` nor rests on the same words.

        Reviewers may give two answers one wording, whatever their statements say.
        """
        for _ in self.answers:
            candidate = self.answers[self.at]
            self.at = (self.at + 1) % len(self.answers)
            same = candidate.text_key == chosen.text_key or candidate.messages[-1:] == chosen.messages[-1:]
            if not same and candidate.origin != chosen.origin:
                return candidate
        return None


def pairs(answers: Sequence[Answer], has_scale: bool) -> Iterator[tuple[Answer, Answer | None]]:
    """Yield every kept answer to one question with an answer it is preferred to, or with None if there is none.

    Args:
        answers: in the order in which the kept ones are to come.
    """
    by_hash = sorted(answers, key=lambda answer: (unit("pair", answer.sample_id), answer.sample_id))
    pool: dict[tuple[str, Side], list[Answer]] = defaultdict(list)
    for answer in by_hash:
        if answer.takes or not has_scale:
            pool[answer.shape, answer.takes].append(answer)
    rings: dict[tuple[str, str, Side], Ring] = {}
    for chosen in answers:
        if not chosen.kept:
            continue
        if has_scale and not chosen.against:
            yield chosen, None
            continue
        place = (chosen.culture, chosen.shape, chosen.against)
        if place not in rings:
            across = pool[chosen.shape, chosen.against]
            own = [answer for answer in across if not answer.kept and answer.culture == chosen.culture]
            rings[place] = Ring(own + [answer for answer in across if answer.kept and answer.culture != chosen.culture])
        yield chosen, rings[place].take(chosen)
