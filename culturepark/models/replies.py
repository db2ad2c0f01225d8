"""What an endpoint answered, as a reply: put together from its chunks, held to a length, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, Overloaded
from culturepark.models import tokens
from culturepark.models.chat import Reply, broke_off, first_choice, token_limit
from culturepark.models.transport import Unreadable
from culturepark.models.wire_errors import error_in_body
from culturepark.redact import shortened, without_secrets

WORD = re.compile(r"[\w.:/-]{1,40}", re.ASCII)
THOUGHT = {"thinking", "reasoning", "reasoning_content", "thought"}
"""Types of content parts that hold no speech, and fields of a message that hold thoughts."""


def longest(body: JsonObject) -> int:
    """Characters that an answer may have: far beyond what its limit on tokens lets through, log-probabilities included.

    An endpoint need not keep to that limit; what nobody can have asked for is neither read nor kept.
    """
    return 100_000 + 200 * token_limit(body)


def most_bytes(body: JsonObject) -> int:
    """Bytes that an answer may have on the wire: each token may come in an event of its own, with its rivals."""
    return 1_000_000 + 8_000 * token_limit(body)


def characters(value: Any) -> int:
    """Of all text in some JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(characters, value)) if isinstance(value, list) else 0


def check_length(length: int, limit: int) -> None:
    if length > limit:
        raise Unreadable(f"more than {limit:,} characters, whatever the limit on tokens")


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


class Message:
    """An answer's one message, put together from what came of it."""

    def __init__(self) -> None:
        self.out: JsonObject = {"object": "chat.completion"}
        self.fields: JsonObject = {"role": "assistant"}
        self.parts: dict[int, list[str]] = {}
        """Pieces of the content by the index of their choice."""
        self.logprobs: list[JsonObject] = []
        self.finish_reason: Any = None
        self.answered = False

    def add(self, chunk: JsonObject) -> None:
        for key in ("id", "model", "created", "system_fingerprint"):
            if chunk.get(key):
                self.out.setdefault(key, chunk[key])
        if isinstance(chunk.get("usage"), dict):
            self.out["usage"] = chunk["usage"]
        if blocked(chunk) and not self.answered:
            self.answered, self.finish_reason = True, "content_filter"
        choices = chunk.get("choices")
        for part in choices if isinstance(choices, list) else []:
            if isinstance(part, dict):
                self.answered = True
                self._add_choice(part)

    def _add_choice(self, part: JsonObject) -> None:
        index = part.get("index")
        index = index if isinstance(index, int) else 0
        delta, whole, told = part.get("delta"), part.get("message"), part.get("logprobs")
        for field, kinds in ((delta, dict), (whole, dict), (told, (dict, list))):
            if not isinstance(field, (kinds, type(None))):
                raise Unreadable(f"a choice of an unknown shape: {shortened(json.dumps(part), 200)}")
        if isinstance(delta, dict):
            self._add_fields(delta, index)
        if isinstance(whole, dict) and not self.parts.get(index):  # a last chunk may repeat what was streamed
            self._add_fields(whole, index)
        if isinstance(part.get("text"), str) and delta is None and whole is None:  # as the older completions have it
            self.parts.setdefault(index, []).append(part["text"])
        content = told.get("content") if isinstance(told, dict) else None
        self.logprobs += [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []
        self.finish_reason = part.get("finish_reason") or self.finish_reason

    def _add_fields(self, delta: JsonObject, index: int) -> None:
        for key, value in delta.items():
            if key == "content":
                said, thought = spoken(value)
                if said:
                    self.parts.setdefault(index, []).append(said)
                if thought:
                    self.fields["reasoning_content"] = self.fields.get("reasoning_content", "") + thought
            elif isinstance(value, str) and key != "role":
                self.fields[key] = self.fields.get(key, "") + value
            elif key == "tool_calls" and value:
                self.fields[key] = value

    def whole(self) -> JsonObject:
        """The chat completion that it all adds up to."""
        fields = {key: paired(value) if isinstance(value, str) else value for key, value in self.fields.items()}
        message = {"role": "assistant", "content": paired(self.content)} | fields
        choice: JsonObject = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        if self.logprobs:
            choice["logprobs"] = {"content": self.logprobs}
        return self.out | {"choices": [choice] if self.answered else []}

    @property
    def content(self) -> str:
        """Of the first choice. We ask for one: where each index comes once, it counts tokens (TGI), not choices."""
        if len(self.parts) > 2 and all(len(pieces) == 1 for pieces in self.parts.values()):
            return "".join(pieces[0] for _, pieces in sorted(self.parts.items()))
        return "".join(next((pieces for _, pieces in sorted(self.parts.items())), []))


def blocked(chunk: JsonObject) -> bool:
    """Whether it says that the prompt was blocked, in place of an answer (Gemini)."""
    feedback = chunk.get("promptFeedback") or chunk.get("prompt_feedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason") or feedback.get("block_reason"))


def spoken(content: Any) -> tuple[str, str]:
    """Speech and thoughts in a piece of content, which is text or a list of typed parts.

    Raises:
        Unreadable: if it is neither.
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise Unreadable("content that is not text")
    said, thought = "", ""
    for part in content:
        if isinstance(part, str):
            said += part
        elif not isinstance(part, dict):
            raise Unreadable("content that is not text")
        elif part.get("type") in THOUGHT or THOUGHT & part.keys():
            thought += "".join(texts(part))
        else:
            said += "".join(texts(part))
    return said, thought


def texts(part: Any) -> list[str]:
    """All text in a part, without the names of its type."""
    if isinstance(part, str):
        return [part]
    if isinstance(part, list):
        return [text for item in part for text in texts(item)]
    if isinstance(part, dict):
        return [text for key in ("text", "content", *sorted(THOUGHT)) for text in texts(part.get(key))]
    return []


PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def paired(text: str) -> str:
    """The text with the two halves of a character (UTF-16 surrogates) put together that came in two chunks."""
    return PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)


async def assemble(chunks: AsyncIterator[Any], limit: int, endpoint: str, body: JsonObject) -> JsonObject:
    """What came, as the chat completion it adds up to.

    Raises:
        ModelError: if an error came in place of a chunk.
        Unreadable: as soon as there are more than `limit` characters, or something came that is no chunk.
    """
    message, length = Message(), 0
    async for chunk in chunks:
        data = as_object(chunk)
        choices = data.get("choices")
        for part in (data, *(choices if isinstance(choices, list) else ())):
            if isinstance(part, dict) and part.get("error"):
                raise error_in_body(part["error"], endpoint, body)
        length += characters(data.get("choices"))
        check_length(length, limit)
        message.add(data)
    return message.whole()


def as_object(data: Any) -> JsonObject:
    """
    Raises:
        Unreadable: if it is something else; a list with one object in it is that object (Gemini's errors).
    """
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise Unreadable(f"JSON that is no object: {shortened(json.dumps(data), 200)}")
    return data


def read(response: JsonObject, body: JsonObject, endpoint: str) -> Reply:
    """The reply inside a completion.

    Raises:
        BadAnswer: if it has no choice.
        Overloaded: if it broke off, without saying why or for a reason that lies with the server.
    """
    if not response.get("choices"):
        raise BadAnswer(f"{endpoint} answered without a choice")
    choice = first_choice(response)
    finish_reason = choice.get("finish_reason")
    if finish_reason is None:
        raise Overloaded(f"{endpoint} broke off: the answer ends without a finish_reason", kind="broken-stream")
    if not (isinstance(finish_reason, str) and WORD.fullmatch(finish_reason)):
        raise BadAnswer(f"{endpoint} answered with a finish_reason that is no word")
    if broke_off(finish_reason):
        raise Overloaded(f"{endpoint} broke off: finish_reason {finish_reason}", kind="broken-stream")
    usage = tokens.usage(response.get("usage"), body, choice["message"]["content"])
    return Reply.of(response, usage)
