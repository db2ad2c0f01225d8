"""Norms of a topic, asked of a model; and reasonings from norms to the answers of a survey question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.dialogue.stance import draw_codes, stance
from culturepark.distill import quotes
from culturepark.distill.ask import Item, SubjectAsker, TooMuch
from culturepark.domain import How, JsonObject, Kind, Seed, storable
from culturepark.mine.sentences import DRAWN_AT, place_of
from culturepark.models.chat import Reply
from culturepark.models.thoughts import unfit

NORMS, DRAWN, ACROSS = "norms", "drawn", "across"
"""The phases of the turns: norms; reasonings to drawn answers; reasonings to the answers across the scale."""
TOKENS_A_NORM, TOKENS_A_REASONING = 130, 170
MOST_SHOWN = 12
"""Norms from which a reasoning may be made: the nearest to the question."""


class ProposedNorm(BaseModel):
    kind: Literal["rule", "practice"]
    statement: str
    first_person: str


class Norms(BaseModel):
    norms: list[ProposedNorm]


class Reasoning(Item):
    norms: list[int]
    reasoning: str


class Reasonings(BaseModel):
    items: list[Reasoning]


KINDS: dict[str, Kind] = {"rule": "norm", "practice": "custom"}


@dataclass(frozen=True)
class Norm:
    """A norm or custom, with its place in the text of its turn, in code points."""

    kind: Kind
    text: str
    first_person: str
    start: int
    end: int


@dataclass(frozen=True)
class Reasoned:
    """A reasoning, with its place in the text of its turn, in code points."""

    number: int
    """Of the answer that it was asked for, from 0."""
    text: str
    norms: tuple[int, ...]
    """Numbers of the norms that it names, from 1."""
    start: int
    end: int


# --- norms ---------------------------------------------------------------------------------------------


def norm_material(
    how: How, topic: str, country: str, code: str, questions: Sequence[Seed], *, count: int, answers: int, run_seed: int
) -> JsonObject:
    """Return what the model is shown: the topic, and with `top` and `sampled` questions with people's answers. Pure.

    Args:
        country: its name; `code` is ISO 3166 alpha-3.
        answers: how many answers to each question `sampled` draws.
    """
    material: JsonObject = {"country": country, "topic": topic, "count": count}
    if how == "top":
        material["questions"] = [{"question": s.question, "commonest_answer": commonest(s, code)} for s in questions]
    elif how == "sampled":
        material["questions"] = [
            {"question": s.question, "answers_of_some_people": some_answers(s, code, answers, run_seed)}
            for s in questions
        ]
    return material


def commonest(seed: Seed, country: str) -> str:
    assert seed.item is not None
    shares = seed.item.shares[country]
    return stance(seed.item, max(shares, key=lambda code: (shares[code], -code))).text


def some_answers(seed: Seed, country: str, count: int, run_seed: int) -> list[str]:
    assert seed.item is not None
    codes = draw_codes(seed.item.shares[country], count, run_seed, seed.key, country, "shown")
    return [stance(seed.item, code).text for code in codes]


async def ask_norms(asker: SubjectAsker, material: JsonObject) -> Reply | None:
    """Ask for norms; None if no readable answer came."""
    try:
        answer, reply = await asker.json(
            asker.language.prompt("mine-norms"),
            material,
            Norms,
            name="norms",
            max_tokens=200 + TOKENS_A_NORM * int(material["count"]),
            temperature=DRAWN_AT,
        )
    except TooMuch:
        return None
    return reply if answer is not None else None


def read_norms(answer: Norms, text: str) -> tuple[list[Norm], Counter[str]]:
    """Return the norms of an answer with their places in it, and how many were rejected for which reason. Pure."""
    found: list[Norm] = []
    rejected: Counter[str] = Counter()
    for proposed in answer.norms:
        told, own = storable(proposed.statement.strip()), storable(proposed.first_person.strip())
        place = place_of(own, text)
        if not (told and own) or unfit(told) or unfit(own) or not (quotes.readable(told) and quotes.readable(own)):
            rejected["no-statement"] += 1
        elif place is None:
            rejected["quote-not-in-turn"] += 1
        else:
            found.append(Norm(KINDS[proposed.kind], told, own, *place))
    return found, rejected


# --- reasonings ----------------------------------------------------------------------------------------


def reason_material(seed: Seed, country: str, norms: Sequence[str], answers: Sequence[str]) -> JsonObject:
    """Return what the model is shown that reasons from norms to answers. Pure."""
    assert seed.item is not None
    return {
        "country": country,
        "question": seed.question,
        "options": [option.label for option in seed.item.options],
        "norms": [{"number": number, "norm": text} for number, text in enumerate(norms, start=1)],
        "items": [{"id": number, "answer": answer} for number, answer in enumerate(answers, start=1)],
    }


async def ask_reasonings(asker: SubjectAsker, material: JsonObject) -> Reply | None:
    """Ask for a reasoning to each answer; None if no readable answer came."""
    try:
        answer, reply = await asker.json(
            asker.language.prompt("mine-reasons"),
            material,
            Reasonings,
            name="reasonings",
            max_tokens=200 + TOKENS_A_REASONING * len(material["items"]),
            temperature=DRAWN_AT,
        )
    except TooMuch:
        return None
    return reply if answer is not None else None


def read_reasonings(answer: Reasonings, text: str, asked: int, norms: int) -> tuple[list[Reasoned], Counter[str]]:
    """Return the reasonings of an answer with their places in it, and how many were rejected for which reason. Pure.

    Args:
        asked, norms: how many answers were asked about, and how many norms were shown.
    """
    found: list[Reasoned] = []
    rejected: Counter[str] = Counter()
    numbers = [item.id for item in answer.items]
    for item in answer.items:
        words = storable(item.reasoning.strip())
        place = place_of(words, text)
        if numbers.count(item.id) > 1 or not 1 <= item.id <= asked:
            rejected["unparsable"] += 1
        elif not words or unfit(words) or not quotes.readable(words):
            rejected["no-statement"] += 1
        elif not item.norms or not all(1 <= number <= norms for number in item.norms):
            rejected["no-norm"] += 1
        elif place is None:
            rejected["quote-not-in-turn"] += 1
        else:
            found.append(Reasoned(item.id - 1, words, tuple(item.norms), *place))
    return found, rejected
