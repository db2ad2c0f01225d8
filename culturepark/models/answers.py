"""What an endpoint answered, as a reply: put together from its chunks, held to a length, without secrets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, Overloaded
from culturepark.models import tokens
from culturepark.models.chat import Reply, first_choice
from culturepark.models.mapping import short
from culturepark.redact import without_secrets

WORD = re.compile(r"[\w.-]{1,40}", re.ASCII)


def longest(body: JsonObject) -> int:
    """Characters that an answer may have: far beyond what its limit on tokens lets through, log-probabilities included.

    An endpoint need not keep to that limit; what nobody can have asked for is neither read nor kept.
    """
    return 100_000 + 200 * int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


def characters(value: Any) -> int:
    """Of all text in some JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(characters, value)) if isinstance(value, list) else 0


def check_length(length: int, limit: int) -> None:
    if length > limit:
        raise BadAnswer(f"the endpoint's answer has more than {limit:,} characters, whatever the limit on tokens")


def scrubbed(response: JsonObject) -> JsonObject:
    """The answer without secrets. Where one was in it, log-probabilities spell it token by token and go as well."""
    cleaned: JsonObject = without_secrets(response)
    for choice in cleaned.get("choices") or []:
        if cleaned != response or spells_a_secret(choice):
            choice.pop("logprobs", None)
    return cleaned


def spells_a_secret(choice: Any) -> bool:
    """Whether tokens do that no text of the answer holds; servers give those of what they leave out, too."""
    logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
    for part in logprobs.values() if isinstance(logprobs, dict) else ():
        tokens = part if isinstance(part, list) else ()
        said = "".join(str(token.get("token", "") if isinstance(token, dict) else token) for token in tokens)
        if without_secrets(said) != said:
            return True
    return False


async def assemble(stream: AsyncIterator[Any], limit: int) -> JsonObject:
    """Chunks of a stream as the chat completion they add up to.

    Raises:
        BadAnswer: as soon as there are more than `limit` characters.
    """
    out: JsonObject = {"object": "chat.completion"}
    message: JsonObject = {"role": "assistant", "content": ""}
    choice: JsonObject = {"index": 0, "message": message, "finish_reason": None}
    logprobs: list[JsonObject] = []
    answered, length = False, 0
    async for chunk in stream:
        data = as_object(chunk.model_dump(exclude_unset=True, warnings=False))
        for key in ("id", "model", "created", "system_fingerprint"):
            if data.get(key):
                out.setdefault(key, data[key])
        if data.get("usage"):
            out["usage"] = data["usage"]
        length += characters(data.get("choices"))
        check_length(length, limit)
        for part in data.get("choices") or []:
            if part.get("index", 0) != 0:
                continue
            answered = True
            for key, value in (part.get("delta") or {}).items():
                if isinstance(value, str) and key != "role":
                    message[key] = (message.get(key) or "") + value
            logprobs += (part.get("logprobs") or {}).get("content") or []
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
    if logprobs:
        choice["logprobs"] = {"content": logprobs}
    out["choices"] = [choice] if answered else []
    return out


def as_object(data: Any) -> JsonObject:
    if not isinstance(data, dict):
        raise BadAnswer("the endpoint's answer is not a JSON object")
    return data


def read(response: JsonObject, body: JsonObject, endpoint: str) -> Reply:
    """The reply inside a completion.

    Raises:
        BadAnswer: if it has no choice, or broke off without saying why it ended.
    """
    if not response.get("choices"):
        error = response.get("error")
        raise BadAnswer(f"{endpoint} answered without a choice" + (f": {short(error)}" if error else ""))
    try:
        choice = first_choice(response)
        content = choice["message"].get("content") or ""
        finish_reason = choice.get("finish_reason")
        usage = tokens.usage(response.get("usage"), body, content)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise BadAnswer(f"{endpoint} answered with a completion of an unknown shape") from None
    if not isinstance(content, str):
        raise BadAnswer(f"{endpoint} answered with content that is not text")
    if finish_reason is not None and not (isinstance(finish_reason, str) and WORD.fullmatch(finish_reason)):
        raise BadAnswer(f"{endpoint} answered with a finish_reason that is no word")
    if finish_reason is None:
        raise Overloaded(f"{endpoint} broke off in the middle of an answer", kind="broken-stream")
    return Reply(content, finish_reason, response, usage)
