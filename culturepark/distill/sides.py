"""The two sides of a question in words: that of a stance, and the other. Pure."""

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
    """The stance's own side; for a stance in the middle, the side of +1."""
    other: str
    answers: tuple[str, str]
    """The two ends of the scale, each as an answer to the question."""
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
    return Sides(own, other, answers, neutral=side == 0, in_sentences=item.poles is not None)


def relation_as_named(seed: Seed, stance: Stance, speech: str, language: Language) -> Relation | None:
    """Return the relation to the stance of a speech that names an answer of the scale: `my answer is "disagree"`.

    None if it names none or several, or if the answer may be somebody else's: then it has to be judged.
    """
    item, lists = item_of(seed), language.phrases
    gives = "|".join(map(re.escape, lists["gives_answer"]))
    quoted = list(re.finditer(rf"\b(?:{gives}):? [“\"‘'«]([^“”\"‘’«»]{{2,80}})[”\"’'»]", speech, re.I))
    by_label = {option.label.casefold(): option for option in item.options}
    named = {by_label[match[1].casefold()] for match in quoted if match[1].casefold() in by_label}
    if len(named) != 1 or len(quoted) != 1 or contains(speech[: quoted[0].start()], lists["reports"]):
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
    """Return the answer farthest out on a side of the scale, without a bracket after it; None if the side is empty."""
    middle = (len(item.options) - 1) / 2
    labels = [(abs(at - middle), option.label) for at, option in enumerate(item.options) if option.side == side]
    return max(labels)[1].partition(" (")[0] if labels else None


def as_claim(seed: Seed, answer: str, language: Language) -> str:
    return language.prompt("answer-as-claim").render(question=as_data(seed.question), answer=as_data(answer))
