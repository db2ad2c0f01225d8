"""The two sides of a question in words: what a stance holds, and what the other side does. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from culturepark.distill.logprobs import as_data
from culturepark.domain import Option, Relation, Seed, Stance, SurveyItem
from culturepark.languages import Language
from culturepark.languages.words import contains


@dataclass(frozen=True)
class Sides:
    """The two sides of a question as sentences."""

    own: str
    """The stance's own; where it stands in the middle, the side of the scale's +1."""
    other: str
    answers: tuple[str, str]
    """The two ends of the scale, each as an answer to the question."""
    neutral: bool
    """The stance stands in the middle, where nothing contradicts it; what takes a side does not express it either."""
    in_sentences: bool
    """The survey itself says what either side holds."""


def sides_of(seed: Seed, stance: Stance, language: Language) -> Sides:
    """The stance's side and the other: in the survey's own sentences, or else as answers to the question."""
    item = item_of(seed)
    side = option_of(item, stance).side
    ends = (outermost(item, 1) or stance.text, outermost(item, -1) or stance.text)
    answers = (as_claim(seed, ends[0], language), as_claim(seed, ends[1], language))
    plus, minus = item.poles or answers
    own, other = (minus, plus) if side < 0 else (plus, minus)
    return Sides(own, other, answers, neutral=side == 0, in_sentences=item.poles is not None)


def relation_as_named(seed: Seed, stance: Stance, said: str, language: Language) -> Relation | None:
    """How words stand to the stance that give an answer of the scale as theirs: `my answer is "disagree"`.

    None if they give none, or several, or if somebody else may be meant: those have to be judged.
    """
    item, lists = item_of(seed), language.phrases
    gives = "|".join(map(re.escape, lists["gives_answer"]))
    found = list(re.finditer(rf"\b(?:{gives}):? [“\"‘'«]([^“”\"‘’«»]{{2,80}})[”\"’'»]", said, re.I))
    by_label = {option.label.casefold(): option for option in item.options}
    named = {by_label[match[1].casefold()] for match in found if match[1].casefold() in by_label}
    if len(named) != 1 or len(found) != 1 or contains(said[: found[0].start()], lists["reports"]):
        return None
    (option,), own = named, option_of(item, stance)
    if option == own or option.side == own.side != 0:
        return "entail"
    return "contradict" if option.side == -own.side != 0 else "irrelevant"


def item_of(seed: Seed) -> SurveyItem:
    assert seed.item is not None  # a stance is drawn from an item's shares
    return seed.item


def option_of(item: SurveyItem, stance: Stance) -> Option:
    return next(option for option in item.options if option.code == stance.code)


def outermost(item: SurveyItem, side: int) -> str | None:
    """The answer of that side that stands farthest out on the scale, without what is put after it in brackets."""
    middle = (len(item.options) - 1) / 2
    there = [(abs(at - middle), option.label) for at, option in enumerate(item.options) if option.side == side]
    return max(there)[1].partition(" (")[0] if there else None


def as_claim(seed: Seed, answer: str, language: Language) -> str:
    return language.prompt("answer-as-claim").render(question=as_data(seed.question), answer=as_data(answer))
