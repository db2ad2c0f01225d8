"""A sample as one line of a training file. Pure."""

from __future__ import annotations

import json
from typing import Literal

from culturepark.domain import JsonObject

Format = Literal["openai", "trl"]
ROLES = ("system", "user", "assistant")
OPENAI_FEWEST = 10
"""OpenAI's fine-tuning API refuses files with fewer examples."""


def record(form: Format, sample_id: str, messages: list[dict[str, str]]) -> JsonObject:
    """`openai`: `messages` alone, as its fine-tuning API wants it. `trl`: conversational SFT, with the sample's id."""
    return {"messages": messages} if form == "openai" else {"id": sample_id, "messages": messages}


def line(data: JsonObject) -> str:
    """JSON on one line; U+2028 and U+2029 escaped, because some readers take them for line ends."""
    text = json.dumps(data, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\u0085", "\\u0085")


def problem(messages: list[dict[str, str]]) -> str | None:
    """What OpenAI's documented checks would say against a row; None if it is fine."""
    if not messages or any(set(m) != {"role", "content"} for m in messages):
        return "a message without role and content"
    if any(m["role"] not in ROLES for m in messages):
        return "an unknown role"
    if any(not m["content"].strip() for m in messages):
        return "empty content"
    if messages[-1]["role"] != "assistant":
        return "no assistant message at the end"
    return None
