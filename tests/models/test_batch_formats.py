"""What the two batch formats make of requests, and of what a service sends."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer
from culturepark.models import prices
from culturepark.models.anthropic_messages import body_of, completion_of, params_of
from culturepark.models.batch_formats import (
    FORMATS,
    AnthropicFormat,
    OpenAIFormat,
    checked,
    format_of,
    instant,
    moment_of,
)
from culturepark.models.chat import Reply, Request, Schema, Usage
from culturepark.models.client import EmbeddingModel, OpenAIModel
from culturepark.models.connections import BATCHES, batches_at
from culturepark.models.spec import parse
from culturepark.models.transport import MOST_BYTES, RESULTS

SCHEMA = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
TALK = (
    {"role": "system", "content": "You are Ada."},
    {"role": "user", "content": "Good day."},
    {"role": "user", "content": "What do you do?"},
)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> OpenAIModel:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")
    return OpenAIModel(parse("openai:claude-x@https://api.anthropic.com/v1"))


def body(model: OpenAIModel, **more: Any) -> JsonObject:
    return model.body(Request(TALK, 200, 1.3, 7, stop=("\n", "END"), **more))


def test_a_request_becomes_a_message_and_nothing_that_the_api_refuses(model: OpenAIModel) -> None:
    params = params_of(body(model, top_logprobs=5))
    assert params == {
        "model": "claude-x",
        "max_tokens": 200,
        "system": "You are Ada.",
        "messages": [{"role": "user", "content": "Good day.\n\nWhat do you do?"}],
        "temperature": 1.0,
        "stop_sequences": ["END"],
    }


def test_a_schema_becomes_a_tool_and_its_call_becomes_the_answer(model: OpenAIModel) -> None:
    request = body(model, schema=Schema("verdict", SCHEMA))
    params = params_of(request)
    assert params["tools"] == [{"name": "verdict", "description": "Gives the answer.", "input_schema": SCHEMA}]
    assert params["tool_choice"] == {"type": "tool", "name": "verdict"}
    again = body_of(params)
    assert again["response_format"]["json_schema"]["schema"] == SCHEMA
    assert again["messages"][0] == {"role": "system", "content": "You are Ada."}
    content = [{"type": "tool_use", "id": "t", "name": "verdict", "input": {"yes": True}}]
    completion = completion_of({"content": content, "stop_reason": "tool_use", "usage": {}})
    (call,) = completion["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"yes": True}
    assert completion["choices"][0]["finish_reason"] == "stop"


def test_a_message_becomes_a_completion_with_its_thoughts_and_counts() -> None:
    blocks = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "I "}, {"type": "text", "text": "sew."}]
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 5,
        "output_tokens": 4,
    }
    message = {"id": "msg_1", "model": "claude-x", "content": blocks, "stop_reason": "end_turn", "usage": usage}
    completion = completion_of(message)
    reply = Reply.of(completion, Usage())
    assert (reply.text, reply.thoughts, reply.ending) == ("I sew.", "Hm.", "ended")
    assert completion["usage"]["prompt_tokens"] == 115
    assert completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 100}


@pytest.mark.parametrize(("reason", "ending"), [("max_tokens", "cut-off"), ("refusal", "withheld"), (None, "cut-off")])
def test_why_a_message_ended_is_understood(reason: str | None, ending: str) -> None:
    completion = completion_of({"content": [{"type": "text", "text": "I"}], "stop_reason": reason})
    assert Reply.of(completion, Usage()).ending == ending


@pytest.mark.parametrize("message", [None, [], "text", {}, {"content": None}, {"content": ["text"]}])
def test_what_is_no_message_is_a_bad_answer(message: Any) -> None:
    with pytest.raises(BadAnswer):
        completion_of(message)


def test_names_of_requests_fit_into_both_formats(model: OpenAIModel) -> None:
    call_id = f"{'r' * 100}.d1000.t14.c3"
    name = AnthropicFormat(model).custom_id(call_id)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
    assert AnthropicFormat(model).custom_id(call_id + "1") != name
    assert OpenAIFormat(model).custom_id(call_id) == call_id


@pytest.mark.parametrize("name", ["", "../files", "a/b", "a?b", "a b", "ä", "x" * 201, None, 3, ".."])
def test_an_id_that_could_lead_elsewhere_is_refused(name: object) -> None:
    with pytest.raises(BadAnswer):
        checked(name, "https://api.example.org/v1")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"custom_id": 3, "response": {"status_code": 200}}',
        '{"custom_id": "a"}',
        '{"custom_id": "a", "response": {"status_code": "200"}}',
        '{"custom_id": "a", "response": [], "error": null}',
    ],
)
def test_lines_that_cannot_be_read_are_left_out(line: str, model: OpenAIModel) -> None:
    assert OpenAIFormat(model)._result(line) is None


def test_the_format_follows_from_the_host(model: OpenAIModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(BATCHES) == set(FORMATS)
    assert isinstance(format_of(model), AnthropicFormat)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    assert isinstance(format_of(OpenAIModel(parse("openai:gpt-4o-mini"))), OpenAIFormat)
    assert format_of(EmbeddingModel(parse("openai:text-embedding-3-small", "embedder"))) is None
    found = {url: batches_at(url) for url in ("https://me.openai.azure.com/openai/v1", "http://localhost:8000/v1")}
    assert list(found.values()) == ["", "openai"]


def test_only_a_file_of_results_may_be_long() -> None:
    assert RESULTS.search("/v1/files/file-abc/content")
    assert not RESULTS.search("/v1/chat/completions")
    assert not RESULTS.search("/v1/files/content/completions")
    assert MOST_BYTES == 64_000_000


def test_times_of_services_are_read() -> None:
    assert moment_of(1_700_000_000) == "2023-11-14T22:13:20Z"
    assert moment_of("soon") is None
    assert moment_of(10**30) is None
    assert instant("2026-12-01T00:00:00Z") == instant("2026-12-01T00:00:00.000+00:00")
    assert instant("yesterday") is None


def test_a_batch_has_its_listed_price_or_half() -> None:
    usage = Usage(1_000_000, 0, 1_000_000)
    for endpoint, name in (
        ("https://api.openai.com/v1", "gpt-4o-mini"),
        ("https://api.anthropic.com/v1", "claude-haiku-4-5"),  # listed
        ("https://api.anthropic.com/v1", "claude-3-haiku-20240307"),  # not listed for batches
    ):
        full, batched = (prices.cost(endpoint, name, usage, batched=batched) for batched in (False, True))
        assert full
        assert batched == pytest.approx(full / 2)
    assert prices.cost("http://localhost/v1", "x", usage, batched=True) is None
