"""The two sides of a question in words: that of a stance, and the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.distill.logprobs import as_data
from culturepark.domain import Option, Seed, Stance, SurveyItem
from culturepark.languages import Language


@dataclass(frozen=True)
class Sides:
    """The two sides of a question as sentences."""

    own: str
    """The stance's own side; for a stance in the middle, the side of +1."""
    other: str
    neutral: bool
    """The stance stands in the middle: nothing contradicts it, and nothing that takes a side supports it."""
    in_sentences: bool
    """The survey has both sides as sentences (`poles`)."""


def sides_of(seed: Seed, stance: Stance, language: Language) -> Sides:
    """Return both sides in the survey's own sentences, or else as answers to the question."""
    item = item_of(seed)
    side = option_of(item, stance).side
    ends = (outermost(item, 1) or stance.text, outermost(item, -1) or stance.text)
    answers = (as_claim(seed, ends[0], language), as_claim(seed, ends[1], language))
    plus, minus = item.poles or answers
    own, other = (minus, plus) if side < 0 else (plus, minus)
    return Sides(own, other, neutral=side == 0, in_sentences=item.poles is not None)


def item_of(seed: Seed) -> SurveyItem:
    assert seed.item is not None  # a stance is drawn from an item's shares
    return seed.item


def option_of(item: SurveyItem, stance: Stance) -> Option:
    return next(option for option in item.options if option.code == stance.code)


def outermost(item: SurveyItem, side: int) -> str | None:
    """Return the answer farthest out on a side of the scale, without a bracket after it; None if the side is empty."""
    middle = (len(item.options) - 1) / 2
    labels = [(abs(at - middle), option.label) for at, option in enumerate(item.options) if option.side == side]
    return max(labels)[1].partition(" (")[0] if labels else None


def as_claim(seed: Seed, answer: str, language: Language) -> str:
    return language.prompt("answer-as-claim").render(question=as_data(seed.question), answer=as_data(answer))
