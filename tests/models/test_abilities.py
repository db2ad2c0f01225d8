"""What an endpoint takes: learnt from its refusals one by one, kept in the store, and never asked again."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import JsonObject
from culturepark.errors import Refused, Unreachable, WrongRequest
from culturepark.models.abilities import Abilities, Learnt
from culturepark.models.chat import Request, Schema
from tests.models.test_wire import ASKED, plain_surroundings, wire  # noqa: F401 - a fixture for all tests here
from tests.support.endpoint import finish, raw, status

SCHEMA = Schema("said", {"type": "object", "properties": {}, "additionalProperties": False, "required": []})
FULL = Request(ASKED.messages, 60, 0.0, 11, stop=("\n",), schema=SCHEMA, top_logprobs=20)
BODY: JsonObject = {
    "model": "m",
    "messages": [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "Hello."}],
    "max_tokens": 60,
    "temperature": 0.8,
    "seed": 1,
    "stop": ["\n"],
    "stream": True,
    "stream_options": {"include_usage": True},
    "response_format": {"type": "json_schema", "json_schema": {}},
    "logprobs": True,
    "top_logprobs": 20,
}


def refused(feature: str, **bounds: float) -> Refused:
    return Refused("no", feature=feature, **bounds)


def after(*errors: Refused, body: JsonObject = BODY) -> JsonObject:
    """What is sent after these refusals, each of what was sent before it."""
    known = Abilities()
    for error in errors:
        learnt = known.learn(error, known.adapt(body))
        assert learnt is not None, error.feature
        known = known.knowing(learnt)
    return known.adapt(body)


@pytest.mark.parametrize("name", ["seed", "stop", "stream_options", "temperature", "some_extra"])
def test_what_is_refused_and_not_needed_is_left_out(name: str) -> None:
    body = BODY | {"some_extra": 1}
    assert after(refused(name), body=body) == {key: value for key, value in body.items() if key != name}


def test_a_schema_becomes_any_json_and_then_a_prompt_alone() -> None:
    assert after(refused("response_format"))["response_format"] == {"type": "json_object"}
    assert "response_format" not in after(refused("response_format"), refused("response_format"))


def test_rivals_become_fewer_and_then_none_and_go_with_their_token() -> None:
    assert after(refused("top_logprobs"))["top_logprobs"] == 5
    assert after(refused("top_logprobs", most=3))["top_logprobs"] == 3
    assert "logprobs" in after(refused("top_logprobs"), refused("top_logprobs"))
    assert not {"logprobs", "top_logprobs"} & set(after(refused("logprobs")))


def test_the_temperature_stays_within_what_is_taken() -> None:
    warm, cold = BODY | {"temperature": 1.1}, BODY | {"temperature": 0.0}
    assert after(refused("temperature"), body=warm)["temperature"] == 1.0
    assert after(refused("temperature", most=0.9), body=warm)["temperature"] == 0.9
    assert 0 < after(refused("temperature"), body=cold)["temperature"] < 0.1
    assert "temperature" not in after(refused("temperature"), refused("temperature"), body=cold)
    assert Abilities({"temperature": {"most": 1.0}}).adapt(BODY)["temperature"] == 0.8


def test_a_system_message_becomes_the_beginning_of_the_users() -> None:
    sent = after(refused("system"))
    assert sent["messages"] == [{"role": "user", "content": "You are Ada.\n\nHello."}]
    alone = BODY | {"messages": [{"role": "system", "content": "Ask."}]}
    assert after(refused("system"), body=alone)["messages"] == [{"role": "user", "content": "Ask."}]


def test_the_limit_goes_by_its_other_name_and_within_bounds() -> None:
    sent = after(refused("max_tokens"))
    assert sent["max_completion_tokens"] == 60
    assert "max_tokens" not in sent
    official = {key: value for key, value in BODY.items() if key != "max_tokens"} | {"max_completion_tokens": 60}
    assert after(refused("max_completion_tokens"), body=official)["max_tokens"] == 60
    assert after(refused("max_tokens", most=16))["max_tokens"] == 16
    assert after(refused("max_tokens", least=16), body=BODY | {"max_tokens": 1})["max_tokens"] == 16


def test_an_endpoint_that_refuses_both_names_is_asked_without_a_limit() -> None:
    sent = after(refused("max_tokens"), refused("max_completion_tokens"))
    assert not {"max_tokens", "max_completion_tokens"} & set(sent)
    assert Abilities({"limit": "none"}).learn(refused("max_tokens"), sent) is None


@pytest.mark.parametrize("name", ["model", "messages", "never-sent"])
def test_what_cannot_be_left_out_teaches_nothing(name: str) -> None:
    assert Abilities().learn(refused(name), BODY) is None


def test_whatever_is_refused_in_whatever_order_there_is_an_end() -> None:
    features = [
        "",
        "temperature",
        "seed",
        "top_logprobs",
        "logprobs",
        "response_format",
        "system",
        "max_tokens",
        "stop",
    ]
    for order in itertools.islice(itertools.permutations(features), 0, 300_000, 3_001):
        known, steps = Abilities(), 0
        for feature in order:
            while learnt := known.learn(refused(feature), known.adapt(BODY)):
                assert known.knowing(learnt).adapt(BODY) != known.adapt(BODY), (order, learnt)
                known, steps = known.knowing(learnt), steps + 1
        assert steps < 20
        assert known.adapt(BODY)["messages"]


def test_room_for_thoughts_is_added_to_one_stage() -> None:
    known = Abilities()
    steps = []
    while more := known.more_room("extract"):
        known = known.knowing(more)
        steps.append(known.adapt(BODY, "extract")["max_tokens"])
    assert steps == sorted(set(steps))
    assert 3 <= len(steps) <= 5
    assert known.adapt(BODY, "dialogue")["max_tokens"] == 60


def test_each_thing_learnt_has_words() -> None:
    learnt = [
        Learnt("bare", True),
        Learnt("system", "refused"),
        Learnt("seed", "refused"),
        Learnt("limit", "max_tokens"),
    ]
    learnt += [Learnt("response_format", "json_object"), Learnt("room.extract", 2000), Learnt("leaks", ["think-tags"])]
    words = [str(one) for one in [*learnt, Learnt("temperature", {"most": 1.0})]]
    assert len(set(words)) == len(words)
    assert "takes temperature only at most 1" in words
    assert "spends tokens on hidden reasoning; each extraction may now use 2,000 tokens more" in words


# --- against a server ----------------------------------------------------------------------------------


def picky(*names: str) -> Any:
    """A server that refuses these parts of a request, one at a time."""

    def reply(body: JsonObject, _: int) -> Any:
        for name in names:
            if name in body:
                return status(400, f"Unsupported parameter: '{name}'", param=name, code="unsupported_parameter")
        return "{}" if "response_format" in body else "Good morning to you all."

    return reply


async def test_many_refusals_are_no_attempts_and_later_runs_start_from_there(tmp_path: Path) -> None:
    names = ("temperature", "seed", "stop", "logprobs", "top_logprobs", "stream_options", "response_format")
    async with wire(tmp_path, picky(*names)) as w:
        await w.ask(FULL)
        first = len(w.endpoint.requests)
        w.restart()
        await w.ask(FULL, "r.d1.t2")
        assert len(w.endpoint.requests) == first + 1
        assert not set(names) & set(w.endpoint.chats[-1])
        found = w.store.journal.abilities(w.model.endpoint, "test")
    assert {"temperature", "seed", "stop", "logprobs", "stream_options", "response_format"} <= set(found)


async def test_an_answer_stays_found_when_more_is_learnt(tmp_path: Path) -> None:
    def reply(body: JsonObject, number: int) -> Any:
        return picky("seed")(body, number) if number > 1 else "Without a word against it."

    async with wire(tmp_path, reply) as w:
        one = await w.ask()
        await w.ask(ASKED, "r.d1.t2")  # refused once, and learnt
        w.restart()
        assert (await w.ask()).call_id == one.call_id
        assert len(w.endpoint.requests) == 3


async def test_who_refuses_without_a_word_is_asked_for_the_bare_text(tmp_path: Path) -> None:
    def reply(body: JsonObject, _: int) -> Any:
        return status(400, "Bad Request") if {"seed", "temperature"} & set(body) else "A plain answer, then."

    async with wire(tmp_path, reply) as w:
        assert (await w.ask()).text == "A plain answer, then."
        assert (await w.ask(ASKED, "r.d1.t2")).text == "A plain answer, then."
        assert len(w.endpoint.requests) == 3


async def test_a_bare_text_that_is_refused_too_teaches_nothing(tmp_path: Path) -> None:
    async with wire(tmp_path, status(400, "Bad Request")) as w:
        with pytest.raises(WrongRequest):
            await w.ask()
        assert len(w.endpoint.requests) == 2
        assert w.store.journal.abilities(w.model.endpoint, "test") == {}


# --- thoughts ---------------------------------------------------------------------------------------------


def thinker(needs: int) -> Any:
    """A server whose model thinks for so many tokens before it says anything."""

    def reply(body: JsonObject, _: int) -> Any:
        return "Yes, my aunt does." if body["max_tokens"] > needs else finish("length", "")

    return reply


async def test_a_model_that_thinks_gets_more_room_once_for_its_stage(tmp_path: Path) -> None:
    said: list[str] = []
    async with wire(tmp_path, thinker(1500)) as w:
        w.ledger.notice = said.append
        assert (await w.ask()).text == "Yes, my aunt does."
        assert (await w.ask(ASKED, "r.d1.t2")).text == "Yes, my aunt does."
        limits = [body["max_tokens"] for body in w.endpoint.chats]
        assert limits[0] == 60
        assert limits[1] == limits[2] > 1500
        assert [error for error in w.errors if error] == ["starved"]
        assert w.calls[0]["completion_tokens"] is not None  # what was thought is paid for
    assert any("each speech may now use 2,000 tokens more" in note for note in said)


async def test_a_starved_answer_is_not_remembered_as_an_answer(tmp_path: Path) -> None:
    async with wire(tmp_path, thinker(1500)) as w:
        one = await w.ask()
        w.restart()
        assert (await w.ask()).call_id == one.call_id
        assert len(w.endpoint.requests) == 2


async def test_a_model_that_only_ever_thinks_is_given_up_in_words(tmp_path: Path) -> None:
    async with wire(tmp_path, thinker(10**9)) as w:
        w.ledger.down_after = 1
        with pytest.raises(Unreachable, match="thinking"):
            await w.ask()
        assert len(w.endpoint.requests) <= 5


async def test_an_answer_that_came_as_reasoning_alone_is_none(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": None, "reasoning_content": "I would say that I agree."}
    whole = raw(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    async with wire(tmp_path, whole) as w:
        w.ledger.down_after = 1
        with pytest.raises(Unreachable, match="reasoning"):
            await w.ask()
        assert len(w.endpoint.requests) == 2
