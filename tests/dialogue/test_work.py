"""The work of a turn follows from what is new in it, and not from all that was said. It is counted, not timed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import culturepark
from culturepark.dialogue import autogen, guards, memory, phrasing
from culturepark.dialogue.casting import plan
from culturepark.dialogue.loop import Ending, converse
from culturepark.domain import JsonObject, Turn
from culturepark.models import chat, ledger, tokens
from culturepark.models.budget import Budget
from culturepark.models.chat import Reply, Request, Traits, Usage
from culturepark.models.ledger import Ledger
from culturepark.models.spec import parse
from tests.support.endpoint import reference_answer

SCENARIO = """\
name: work
title: What a turn takes
setting: cross-cultural
cultures: [turkish]
protocol: self-guidance
seeds:
  - survey: wvs7/Q33
  - survey: wvs7/Q28
dialogues_per_seed: 2
max_turns: {turns}
moderation: scripted
"""


class Answering:
    """A model with a token for each four characters, as the prompts' real count has it, nearly."""

    def __init__(self) -> None:
        self.spec, self.endpoint, self.traits = parse("scripted"), "here", Traits()
        self.asked = 0

    def body(self, request: Request) -> JsonObject:
        return {"model": "test", "messages": list(request.messages), "seed": request.seed}

    async def send(self, body: JsonObject) -> Reply:
        self.asked += 1
        message = {"role": "assistant", "content": reference_answer(body)}
        prompt = sum(len(one["content"]) for one in body["messages"]) // 4
        return Reply.of({"choices": [{"message": message, "finish_reason": "stop"}]}, Usage(prompt, 0, 100, "server"))

    async def close(self) -> None: ...


class Nothing:
    """A log that keeps nothing."""

    def answered(self, *_: str) -> None: ...
    def lately(self, *_: str) -> list[Any]:
        return []

    async def begin(self, *_: Any) -> str:
        return "call"

    async def finish(self, *_: Any) -> None: ...
    async def refuse(self, *_: str) -> None: ...
    def abilities(self, *_: str) -> JsonObject:
        return {}

    def learn(self, *_: Any) -> None: ...


async def held(folder: Path, turns: int, count: int = 1) -> tuple[list[list[Turn]], Answering]:
    """Hold some dialogues of so many turns of people, one after the other."""
    path = folder / "work.yaml"
    path.write_text(SCENARIO.format(turns=turns), "utf-8")
    edition, model, talks = culturepark.load_scenario(path), Answering(), []
    asks = Ledger("work", Nothing(), Budget(), 4)
    for casting in plan(edition, 1).castings[:count]:
        course = converse(
            casting,
            edition.scenario,
            f"w.d{casting.number}",
            [],
            run_seed=1,
            speaker=model,
            moderator=model,
            ledger=asks,
        )
        talk = [one async for one in course]
        assert isinstance(talk[-1], Ending)
        assert talk[-1].status == "done", talk[-1]
        talks.append([one for one in talk if isinstance(one, Turn)])
    return talks, model


KEPT = (guards.words, memory.words, autogen.message, tokens.measure)
"""What is done with a text once."""


def done() -> Counter[str]:
    """Return how often each was done, and not only looked up."""
    return Counter({one.__qualname__ + one.__module__: one.cache_info().misses for one in KEPT})


async def test_twice_the_turns_take_twice_the_work(tmp_path: Path) -> None:
    await held(tmp_path, 32)  # so that what all dialogues have in common is there
    made = {}
    for turns in (8, 16, 32):
        for one in KEPT:
            one.cache_clear()
        _, model = await held(tmp_path, turns)
        made[turns] = done()
        assert model.asked > turns
    for name in made[8]:
        first, second = made[16][name] - made[8][name], made[32][name] - made[16][name]
        assert 0 < second <= 2.3 * first, (name, made)


async def test_a_card_is_rendered_once_in_a_dialogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards: list[str] = []
    rendered = phrasing.card

    def card(casting: Any, participant: Any, *rest: Any, **more: Any) -> tuple[str, str]:
        cards.append(f"{casting.number} {participant.persona.key}")
        return rendered(casting, participant, *rest, **more)

    monkeypatch.setattr(phrasing, "card", card)
    await held(tmp_path, 8, count=2)
    assert len(cards) == len(set(cards)) == 4


async def test_a_request_is_put_into_its_one_spelling_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spelled: list[str] = []

    def canonical(value: Any) -> str:
        text = chat.canonical(value)
        if isinstance(value, dict) and "messages" in value:
            spelled.append(text)
        return text

    monkeypatch.setattr(ledger, "canonical", canonical)
    _, model = await held(tmp_path, 8)
    assert len(spelled) == len(set(spelled)) == model.asked
    assert all(json.loads(text)["model"] == "test" for text in spelled)


async def test_patterns_are_compiled_once_however_many_people_there_are(tmp_path: Path) -> None:
    from culturepark.languages.words import compiled

    await held(tmp_path, 8)
    before = compiled.cache_info().misses
    await held(tmp_path, 8)
    assert compiled.cache_info().misses == before
    assert compiled.cache_info().hits > 100


def test_a_schema_is_made_once() -> None:
    from pydantic import BaseModel

    from culturepark.models.json_answers import strict

    class Answer(BaseModel):
        yes: bool

    assert strict(Answer) is strict(Answer)
    assert strict(Answer)["required"] == ["yes"]
