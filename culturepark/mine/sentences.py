"""Survey questions in other words: asked of a model, held against the original by likeness and by meaning.

Likeness alone lets through what turns a question round: `How far do you disagree that ...` is as near to the original
as a question can be. So a verifier is asked of each sentence, with both ends of the scale and in both orders, whether
two people who answered the one and the other hold the same view. docs/mine.md says what either of the two catches.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.dialogue.stance import shuffled
from culturepark.distill import quotes
from culturepark.distill.ask import Item, SubjectAsker, TooMuch, each
from culturepark.distill.paraphrase import key
from culturepark.distill.sides import outermost
from culturepark.domain import JsonObject, Relation, Seed, storable
from culturepark.models.chat import Reply
from culturepark.models.embedder import Method, Vectors
from culturepark.models.thoughts import unfit

SENTENCES, SYNONYMS, AS_ASKED = "sentences", "synonyms", "as-asked"
"""The phases of the turns: other sentences; the same with synonyms; the question as it stands."""
TOKENS_A_SENTENCE = 70
DRAWN_AT = 0.8
"""Temperature: many answers are right."""
LIKENESS: dict[Method, float] = {"e5": 0.91, "minilm": 0.65, "lexical": 0.30, "endpoint": 0.80}
"""The least cosine similarity of a sentence and the question, by embedding method. The published .80 is for a large
encoder. The others lie below all fifteen paraphrases that were written for it (.927, .704 and .343 at the least), and
above 99% of the pairs of questions from different parts of the survey, the lexical one above 90% (docs/mine.md)."""
ITEMS_A_CALL, TOKENS_AN_ITEM = 12, 90


class Sentences(BaseModel):
    questions: list[str]


class Compared(Item):
    one: str
    other: str
    views: Literal["same", "opposite", "other"]


@dataclass(frozen=True)
class Sentence:
    """A question in other words."""

    text: str
    start: int
    """Where it stands in its turn's text, in code points, as the turn spells it; so does the end."""
    end: int


# --- asking --------------------------------------------------------------------------------------------


async def ask_sentences(asker: SubjectAsker, seed: Seed, count: int) -> Reply | None:
    """Ask for other sentences for a question; None if no readable answer came."""
    material = about(seed) | {"count": count}
    return await ask(asker, "mine-sentences", material, count)


async def ask_synonyms(asker: SubjectAsker, seed: Seed, sentences: Sequence[str]) -> Reply | None:
    """Ask for each sentence with synonyms in their places; None if no readable answer came."""
    material = about(seed) | {"questions": list(sentences)}
    return await ask(asker, "mine-synonyms", material, len(sentences))


def about(seed: Seed) -> JsonObject:
    labels = [option.label for option in seed.item.options] if seed.item else []
    return {"question": seed.question, "answers": labels}


async def ask(asker: SubjectAsker, prompt: str, material: JsonObject, count: int) -> Reply | None:
    try:
        answer, reply = await asker.json(
            asker.language.prompt(prompt),
            material,
            Sentences,
            name="sentences",
            max_tokens=150 + TOKENS_A_SENTENCE * count,
            temperature=DRAWN_AT,
        )
    except TooMuch:
        return None
    return reply if answer is not None else None


# --- reading -------------------------------------------------------------------------------------------


def place_of(words: str, text: str) -> tuple[int, int] | None:
    """Return where words stand in a turn that may be JSON, and so spell marks and letters in its own way."""
    spelled = (words, json.dumps(words, ensure_ascii=False)[1:-1], json.dumps(words)[1:-1])
    return next((place for one in spelled if (place := quotes.locate(one, text))), None)


def read_sentences(proposed: Sequence[str], text: str) -> tuple[list[Sentence], dict[str, int]]:
    """Return the questions of an answer with their places in it, and how many were rejected for which reason. Pure."""
    fit: list[Sentence] = []
    rejected: dict[str, int] = {}
    for words in (storable(question.strip()) for question in proposed):
        place = place_of(words, text)
        if not words or unfit(words) or not quotes.readable(words):
            why = "no-statement"
        elif place is None:
            why = "quote-not-in-turn"
        else:
            fit.append(Sentence(words, *place))
            continue
        rejected[why] = rejected.get(why, 0) + 1
    return fit, rejected


def without_repeats(question: str, texts: Sequence[str]) -> list[bool]:
    """Return of each text whether it differs from the question and from all before it, marks and case aside. Pure."""
    known = {alike(question)}
    new = []
    for text in texts:
        new.append(alike(text) not in known)
        known.add(alike(text))
    return new


def alike(text: str) -> str:
    return key(text) or text


def near(vectors: Vectors, method: Method) -> list[bool]:
    """Return of each text whether it is near enough to the question.

    Args:
        vectors: shape (1 + n, d), unit rows; the question's first.
    """
    return [bool(cosine >= LIKENESS[method]) for cosine in vectors[1:] @ vectors[0]]


# --- meaning -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meaning:
    relation: Relation
    """`entail`: every answer means the same under both; `contradict`: it is turned round; `irrelevant`: it asks
    something else, or more, or less."""
    call_id: str | None


Pair = tuple[JsonObject, Literal["same", "opposite"]]
"""Two answered questions, and what holds of the views behind them if the questions ask the same."""


def pairs_of(seed: Seed, text: str) -> list[Pair]:
    """Return the four comparisons of a sentence: each end of the scale with the same and with the other, either first.

    One whom everything seems the same fails on two of them, and so does one whom everything seems opposite. Pure.
    """
    assert seed.item is not None
    plus, minus = outermost(seed.item, 1), outermost(seed.item, -1)
    labels = [option.label for option in seed.item.options]
    plus, minus = plus or labels[0], minus or labels[-1]

    def answered(question: str, answer: str) -> JsonObject:
        return {"question": question, "answer": answer}

    own, other = seed.question, text
    return [
        ({"one": answered(own, plus), "other": answered(other, plus)}, "same"),
        ({"one": answered(other, plus), "other": answered(own, minus)}, "opposite"),
        ({"one": answered(other, minus), "other": answered(own, minus)}, "same"),
        ({"one": answered(own, plus), "other": answered(other, minus)}, "opposite"),
    ]


async def compare(asker: SubjectAsker, seed: Seed, texts: Sequence[str]) -> list[Meaning]:
    """Ask the verifier of each sentence whether its answers mean what they mean under the question."""
    asked = [pair for text in texts for pair in pairs_of(seed, text)]
    # In their own order the comparisons would follow a pattern, which a model goes on with and reads no longer.
    order = shuffled(len(asked), "views", seed.key, len(asked))
    mixed = await each(
        asker,
        asker.language.prompt("mine-same-view"),
        [asked[place][0] for place in order],
        Compared,
        name="views",
        items_a_call=ITEMS_A_CALL,
        tokens_an_item=TOKENS_AN_ITEM,
    )
    answers = [answer for _, answer in sorted(zip(order, mixed, strict=True), key=lambda one: one[0])]
    size = len(asked) // len(texts) if texts else 1
    found = []
    for start in range(0, len(asked), size):
        part = answers[start : start + size]
        wanted = [right for _, right in asked[start : start + size]]
        found.append(Meaning(meaning([answer.views if answer else None for answer, _ in part], wanted), part[0][1]))
    return found


def meaning(views: Sequence[str | None], wanted: Sequence[str]) -> Relation:
    """Return what the comparisons of one sentence say together. Pure."""
    if None in views:
        return "unparsable"
    if list(views) == list(wanted):
        return "entail"
    turned = {"same": "opposite", "opposite": "same"}
    return "contradict" if list(views) == [turned[view] for view in wanted] else "irrelevant"
