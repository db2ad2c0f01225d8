"""A chat request as Anthropic's Messages API takes it, and its message as a chat completion. Pure.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import json
from typing import Any

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer
from culturepark.models.chat import token_limit
from culturepark.redact import shortened

NAME = 64
"""Characters of a tool's name, at most."""


def params_of(body: JsonObject) -> JsonObject:
    """Return the parameters of a message for an OpenAI-compatible chat request.

    A JSON schema becomes a tool that has to be called, which every model knows; `replies.take_arguments` reads it back.
    What that API has no word for (`seed`, log-probabilities) is left out.
    """
    messages: list[JsonObject] = []
    system: list[str] = []
    for message in body["messages"]:
        if message["role"] == "system":
            system.append(message["content"])
        elif messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += "\n\n" + message["content"]
        else:
            messages.append({"role": message["role"], "content": message["content"]})
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": "Begin."})
    params: JsonObject = {"model": body["model"], "max_tokens": token_limit(body) or 1024, "messages": messages}
    if system:
        params["system"] = "\n\n".join(system)
    if isinstance(body.get("temperature"), int | float):
        params["temperature"] = min(1.0, max(0.0, body["temperature"]))
    if body.get("stop"):
        params["stop_sequences"] = [word for word in body["stop"] if word.strip()]
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        name = str(form["json_schema"]["name"])[:NAME]
        tool = {"name": name, "description": "Gives the answer.", "input_schema": form["json_schema"]["schema"]}
        params |= {"tools": [tool], "tool_choice": {"type": "tool", "name": name}}
    return params


def body_of(params: JsonObject) -> JsonObject:
    """Return the chat request that `params_of` made these parameters of, as far as an answer is read by it."""
    system = [{"role": "system", "content": params["system"]}] if "system" in params else []
    kept: JsonObject = {key: params[key] for key in ("model", "max_tokens", "temperature") if key in params}
    body: JsonObject = {**kept, "messages": system + params["messages"]}
    if tools := params.get("tools"):
        schema = {"name": tools[0]["name"], "schema": tools[0]["input_schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def completion_of(message: Any) -> JsonObject:
    """Return a message as the chat completion that the OpenAI-compatible address would have sent.

    Raises:
        BadAnswer: if it is no message.
    """
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise BadAnswer(f"a batch holds an answer that is no message: {shortened(json.dumps(message), 200)}")
    said: JsonObject = {"role": "assistant", "content": joined(blocks, "text")}
    if thoughts := joined(blocks, "thinking"):
        said["reasoning_content"] = thoughts
    calls = [
        {
            "id": str(block.get("id")),
            "type": "function",
            "function": {"name": str(block.get("name")), "arguments": json.dumps(block.get("input"))},
        }
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    if calls:
        said["tool_calls"] = calls
    reason = message.get("stop_reason")
    choice = {"index": 0, "message": said, "finish_reason": "stop" if calls and reason == "tool_use" else reason}
    whole: JsonObject = {"object": "chat.completion", "choices": [choice]}
    whole |= {key: message[key] for key in ("id", "model") if isinstance(message.get(key), str)}
    if isinstance(usage := message.get("usage"), dict):
        whole["usage"] = usage_of(usage)
    return whole


def joined(blocks: list[JsonObject], kind: str) -> str:
    return "".join(block[kind] for block in blocks if block.get("type") == kind and isinstance(block.get(kind), str))


def usage_of(usage: JsonObject) -> JsonObject:
    """Return counts of tokens under OpenAI's names, where the prompt's include those read from a cache."""

    def count(name: str) -> int:
        return usage[name] if isinstance(usage.get(name), int) and usage[name] > 0 else 0

    cached = count("cache_read_input_tokens")
    prompt = count("input_tokens") + count("cache_creation_input_tokens") + cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": count("output_tokens"),
        "total_tokens": prompt + count("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": cached},
    }
