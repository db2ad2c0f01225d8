"""A sample, a dialogue or a pair as one line of a training file. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, get_args

from culturepark.domain import JsonObject

Format = Literal["openai", "trl", "sharegpt", "alpaca", "preference"]
FORMATS: tuple[Format, ...] = get_args(Format)
MULTI_TURN: tuple[Format, ...] = ("openai", "trl", "sharegpt")
"""Formats that hold a talk of several turns."""

Messages = Sequence[dict[str, str]]
ROLES = ("system", "user", "assistant")
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
ENCODED = json.JSONEncoder(ensure_ascii=False).encode
"""One encoder for all rows; `json.dumps` would make one for each."""
OPENAI_FEWEST = 10
"""OpenAI's fine-tuning API refuses files with fewer examples."""

FIELDS: dict[Format, dict[str, tuple[str, ...]]] = {
    "openai": {"messages": ("role", "content")},
    "trl": {"id": (), "messages": ("role", "content")},
    "sharegpt": {"id": (), "conversations": ("from", "value")},
    "alpaca": dict.fromkeys(("id", "instruction", "input", "output", "system"), ()),
    "preference": dict.fromkeys(("prompt", "chosen", "rejected"), ("role", "content")),
}
"""The columns of each format, in their order: a text where nothing is named, else a list of objects with these keys."""


SHAPES: dict[Format, str] = {
    "openai": "`messages` for OpenAI's fine-tuning",
    "trl": "`id` and `messages`: conversational, for TRL's SFTTrainer and whatever reads OpenAI-style messages",
    "sharegpt": "`id` and `conversations` of `from` (system, human, gpt) and `value`",
    "alpaca": "`id`, `instruction`, `input` (empty), `output` and `system`",
    "preference": "`prompt`, `chosen` and `rejected`: conversational, for TRL's DPOTrainer and its kin",
}
"""What the columns are, and who reads them."""


def record(form: Format, row_id: str, messages: Messages) -> JsonObject:
    """One row of any format but `preference`.

    `openai`: `messages` alone, as its fine-tuning API wants it. `trl`: TRL's conversational language modelling, with
    the id. `sharegpt`: `conversations` of `from` and `value`. `alpaca`: one question and its answer.
    """
    if form == "openai":
        return {"messages": list(messages)}
    if form == "trl":
        return {"id": row_id, "messages": list(messages)}
    if form == "sharegpt":
        said = [{"from": SHAREGPT[message["role"]], "value": message["content"]} for message in messages]
        return {"id": row_id, "conversations": said}
    said_by = {message["role"]: message["content"] for message in messages}
    return {
        "id": row_id,
        "instruction": said_by.get("user", ""),
        "input": "",
        "output": said_by["assistant"],
        "system": said_by.get("system", ""),
    }


def preference(chosen: Messages, rejected: Messages) -> JsonObject:
    """TRL's conversational preference with an explicit prompt: both answers are to what `chosen` was asked."""
    return {"prompt": list(chosen[:-1]), "chosen": [chosen[-1]], "rejected": [rejected[-1]]}


def line(data: JsonObject) -> str:
    """JSON on one line; U+2028 and U+2029 escaped, because some readers take them for line ends."""
    text = ENCODED(data)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\u0085", "\\u0085")


def problem(messages: Messages, form: Format = "openai") -> str | None:
    """What OpenAI's documented checks, or the format, would say against a row; None if it is fine."""
    if not messages or any(set(m) != {"role", "content"} for m in messages):
        return "a message without role and content"
    if any(m["role"] not in ROLES for m in messages):
        return "an unknown role"
    if any(not m["content"].strip() for m in messages):
        return "empty content"
    if messages[-1]["role"] != "assistant":
        return "no assistant message at the end"
    if form == "preference" and len(messages) < 2:
        return "an answer to nothing"
    if form == "alpaca" and len({m["role"] for m in messages}) != len(messages):
        return "more than one question and answer"
    return None
