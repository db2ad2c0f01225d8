"""Pairs of answers to one question, of which one is preferred. Pure.

*Chosen* is a kept answer. *Rejected* is a real answer to the same question, in the same shape, from the other side:
an answer of the same culture that contradicts its own speaker's stance, or a kept answer of another culture. The sides
are those of the question's scale; an answer in the middle, or of a speaker without a stance, is in no pair. If the
question has no scale, any answer of another culture is on the other side. Rejected does not mean wrong: it means that
somebody of *this* culture with *this* answer would not say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from culturepark.dialogue.stance import side_taken, unit
from culturepark.domain import DEFAULT_LANGUAGE, SurveyItem

Side = tuple[str, ...]
"""The labels on one side of a scale, in the scale's order; empty for the middle, and if the side is not known."""


@dataclass(frozen=True)
class Answer:
    """One sample that answers a question."""

    sample_id: str
    seed_key: str
    culture: str
    persona_key: str
    shape: str
    kept: bool
    side: Side
    other_side: Side
    words: str
    """In the first person, without the words of a template."""
    text_key: str
    """Equal for answers with the same words."""
    origin: str
    """Id of the statement behind the answer; for a rewording, of the original statement."""
    messages: tuple[dict[str, str], ...]
    label: str | None = None
    """The option of the survey item that its speaker was dealt."""
    provenance: str | None = None
    """Where its content comes from; None where it is not known."""
    language: str = DEFAULT_LANGUAGE
    """Both answers of a pair are in one."""


def sides_of(item: SurveyItem | None, stance_code: int | None, relation: str | None) -> tuple[Side, Side]:
    """Return the side of an answer, and the other side.

    Args:
        stance_code: stance of the speaker.
        relation: relation of the answer to that stance.
    """
    side = side_taken(item, stance_code, relation)
    if item is None or side == 0:
        return (), ()
    labels = {at: tuple(option.label for option in item.options if option.side == at) for at in (side, -side)}
    return labels[side], labels[-side]


class Ring:
    """Answers that may be rejected, used in turns so that all are used about equally often."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.at = 0

    def take(self, chosen: Answer) -> Answer | None:
        """Return the next answer that differs from `chosen` in text, message and origin; None if there is none.

        Two answers with different statements can have the same message, in a reviewer's wording.
        """
        for _ in self.answers:
            candidate = self.answers[self.at]
            self.at = (self.at + 1) % len(self.answers)
            same = candidate.text_key == chosen.text_key or candidate.messages[-1:] == chosen.messages[-1:]
            if not same and candidate.origin != chosen.origin:
                return candidate
        return None


def pairs(answers: Sequence[Answer], has_scale: bool) -> Iterator[tuple[Answer, Answer | None]]:
    """Yield every kept answer to one question, in the given order, with a rejected answer or None if there is none."""
    by_hash = sorted(answers, key=lambda answer: (unit("pair", answer.sample_id), answer.sample_id))
    pool: dict[tuple[str, Side, str], list[Answer]] = defaultdict(list)
    for answer in by_hash:
        if answer.side or not has_scale:
            pool[answer.shape, answer.side, answer.language].append(answer)
    rings: dict[tuple[str, str, Side, str], Ring] = {}
    for chosen in answers:
        if not chosen.kept:
            continue
        if has_scale and not chosen.other_side:
            yield chosen, None
            continue
        place = (chosen.culture, chosen.shape, chosen.other_side, chosen.language)
        if place not in rings:
            opposite = pool[chosen.shape, chosen.other_side, chosen.language]
            own = [answer for answer in opposite if not answer.kept and answer.culture == chosen.culture]
            others = [answer for answer in opposite if answer.kept and answer.culture != chosen.culture]
            rings[place] = Ring(own + others)
        yield chosen, rings[place].take(chosen)
