"""A small suite with two arms, a scale for it, and judges that rate as a test wants it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from culturepark.domain import JsonObject
from tests.support.endpoint import Hook

CULTURAL = "Think of {{country}} first."
SUITE = """
suite: letters
title: Letters of a few people
card: {by: tests, written_for: tests, language: English, correct: nothing, not_asked: everybody, licence: CC0-1.0, source: own}
scorers: [support]
scales: [SCALE]
conditions: {arms: [{name: plain}, {name: cultural, prompt: "Think of {{country}} first."}]}
items:
"""  # noqa: E501
SCALE = """
scale: warmth
title: Warmth of an answer
question: How warm is the answer?
least: 1
most: 5
steps: {1: cold, 5: warm}
lines: [Whom it speaks to., What it takes up.]
panel: mean
by: tests
source: own
"""
MESSAGES = tuple(f"I am person {number}, and my {thing} is gone." for number, thing in enumerate(
    ("dog", "job", "ring", "garden", "brother", "shop", "faith", "house"), start=1
))  # fmt: skip


def suite(folder: Path, **more: str) -> Path:
    """Write the suite and its scale, and return the path of the suite. `more` goes into every item."""
    (folder / "warmth.yaml").write_text(SCALE.lstrip())
    lines = [
        json.dumps({"key": f"q{n}", "group": "turkish" if n % 2 else "german", "topic": "loss", "question": m} | more)
        for n, m in enumerate(MESSAGES, start=1)
    ]
    path = folder / "letters.yaml"
    path.write_text(SUITE.lstrip().replace("scales: [SCALE]\n", "") + "".join(f"  - {line}\n" for line in lines))
    return path


def answers(body: JsonObject, _: int) -> str | None:
    """An answer that takes up the message, a longer one in the cultural arm."""
    if "response_format" in body:
        return None
    said = str(body["messages"][-1]["content"])
    cultural = "Think of" in str(body["messages"][0]["content"])
    return f"I hear you: {said}" + (" Who else lost it with you?" if cultural else "")


def judge(rate: Callable[[JsonObject], Any], **more: Any) -> Hook:
    """A judge who rates by what it is shown; `rate` returns a rating, or a whole text."""

    def reply(body: JsonObject, number: int) -> str | None:
        if "response_format" not in body:
            return answers(body, number)
        given = rate(json.loads(body["messages"][-1]["content"]))
        if isinstance(given, str):
            return given
        return json.dumps(
            {"line_1": "to one person", "line_2": "the loss", "reason": "because", "rating": given} | more
        )

    return reply


def is_swapped(material: JsonObject) -> bool:
    """Whether the answer is one to another message."""
    return str(material["message"]) not in str(material["answer"])


def answer_first(material: JsonObject) -> bool:
    """Whether this is the second pass."""
    shown = list(material)
    return shown.index("answer") < shown.index("scale")
