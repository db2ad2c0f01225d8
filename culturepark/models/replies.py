"""Makes a reply of an endpoint's answer: puts its chunks together, bounds its length, takes out secrets."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from itertools import dropwhile, pairwise
from typing import Any

import httpx2

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, ModelError, Overloaded
from culturepark.models import tokens
from culturepark.models.chat import Reply, broke_off, first_choice, token_limit
from culturepark.models.thoughts import heard
from culturepark.models.transport import Pieces, Unreadable
from culturepark.models.wire_errors import error_in_body
from culturepark.redact import shortened, without_secrets

WORD = re.compile(r"[\w.:/-]{1,40}(?:_*[ ][^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200})?", re.ASCII)
"""A finish reason: a word, perhaps with a detail (`content_filter: RECITATION`)."""
THOUGHT = {"thinking", "reasoning", "reasoning_content", "thought"}
"""Types of content parts that hold no speech, and fields of a message that hold thoughts."""


def longest(body: JsonObject) -> int:
    """Return the characters that an answer may have, log-probabilities included.

    That is far more than its limit on tokens lets through, which an endpoint need not keep to.
    """
    return 100_000 + 200 * token_limit(body)


def most_bytes(body: JsonObject) -> int:
    """Return the bytes that an answer may have on the wire: each token may come in its own event, with its rivals."""
    return 1_000_000 + 8_000 * token_limit(body)


def characters(value: Any) -> int:
    """Return the number of characters of all text in some JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(characters, value)) if isinstance(value, list) else 0


def scrubbed(response: JsonObject) -> JsonObject:
    """Return the answer without secrets. Log-probabilities that spell one token by token go as well."""
    cleaned: JsonObject = without_secrets(response)
    for choice in cleaned.get("choices") or []:
        if cleaned != response or spells_a_secret(choice):
            choice.pop("logprobs", None)
    return cleaned


def spells_a_secret(choice: Any) -> bool:
    """Return whether tokens spell a secret; servers also send tokens of text that they leave out of the answer."""
    logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
    for part in logprobs.values() if isinstance(logprobs, dict) else ():
        tokens = part if isinstance(part, list) else ()
        text = "".join(str(token.get("token", "") if isinstance(token, dict) else token) for token in tokens)
        if without_secrets(text) != text:
            return True
    return False


class Message:
    """The one message of an answer, put together from its chunks."""

    def __init__(self) -> None:
        self.out: JsonObject = {"object": "chat.completion"}
        self.source = Source()
        self.begun_anew = False
        """Whether another server took over, of which nothing has come so far."""
        self.repeated = 0
        """Characters that came once more at the beginning of the next piece."""
        self.answered = False
        self._begin()

    def _begin(self) -> None:
        """Forget what was said so far."""
        self.begun_anew = False
        self.fields: dict[str, list[str]] = {}
        """Field of the message, content aside -> pieces of its text."""
        self.calls: dict[int, Calls] = {}
        """Index of a choice -> its calls of tools."""
        self.parts: dict[int, list[str]] = {}
        """Index of a choice -> pieces of its content."""
        self.streamed: set[int] = set()
        """Indices of choices whose content came in deltas."""
        self.logprobs: list[JsonObject] = []
        self.finish_reason: Any = None

    def add(self, chunk: JsonObject) -> None:
        origin = {key: chunk[key] for key in ("id", "model", "created", "system_fingerprint") if chunk.get(key)}
        self.out = origin | self.out
        if isinstance(chunk.get("usage"), dict):
            self.out["usage"] = chunk["usage"]
        if blocked(chunk) and not self.answered:
            self.answered, self.finish_reason = True, "content_filter"
        choices = chunk.get("choices")
        for part in choices if isinstance(choices, list) else []:
            if isinstance(part, dict):
                self.answered = True
                if self.source.changes(chunk.get("id"), part):
                    self.begun_anew = True
                    self.out |= origin
                self._add_choice(part)

    def add_pieces(self, pieces: Pieces) -> None:
        """Add pieces of content that came in chunks like the one before."""
        known = self.parts.setdefault(pieces.choice, [])
        for piece in pieces:
            if piece:
                self._add_piece(known, piece)
        self.source.chunks += len(pieces)

    def _add_choice(self, part: JsonObject) -> None:
        index = part.get("index")
        index = index if isinstance(index, int) else 0
        delta, whole, logprobs = part.get("delta"), part.get("message"), part.get("logprobs")
        for field, kinds in ((delta, dict), (whole, dict), (logprobs, (dict, list))):
            if not isinstance(field, (kinds, type(None))):
                raise Unreadable(f"a choice of an unknown shape: {shortened(json.dumps(part), 200)}")
        if isinstance(delta, dict):
            self._add_fields(delta, index)
            if self.parts.get(index):
                self.streamed.add(index)
        if isinstance(whole, dict) and index not in self.streamed:  # a last chunk may repeat what was streamed
            self._add_fields(whole, index, anew=True)
        if isinstance(part.get("text"), str) and delta is None and whole is None:  # as the older completions have it
            self._add_piece(self.parts.setdefault(index, []), part["text"])
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        self.logprobs += [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []
        self.finish_reason = part.get("finish_reason") or self.finish_reason

    def _add_fields(self, delta: JsonObject, index: int, *, anew: bool = False) -> None:
        for key, value in delta.items():
            if key == "content":
                speech, thoughts = speech_and_thoughts(value)
                if (speech or thoughts) and self.begun_anew:
                    self._begin()
                if speech:
                    self._add_piece(self.parts.setdefault(index, []), speech, anew)
                if thoughts:
                    self._add_piece(self.fields.setdefault("reasoning_content", []), thoughts, anew)
            elif isinstance(value, str) and key != "role":
                if value and key in THOUGHT and self.begun_anew:
                    self._begin()
                self._add_piece(self.fields.setdefault(key, []), value, anew)
            elif key in ("tool_calls", "function_call") and value:
                if self.begun_anew:
                    self._begin()
                calls = self.calls.setdefault(index, Calls())
                calls.add([{"function": value}] if key == "function_call" else value, anew)

    def _add_piece(self, pieces: list[str], piece: str, anew: bool = False) -> None:
        """Add a piece, in place of those before if it may say all of it `anew` and begins with them."""
        if pieces and len(piece) > len(pieces[-1]) and piece.startswith(pieces[-1]):
            self.repeated += len(pieces[-1])
        if anew and pieces and piece.startswith(pieces[0]) and piece.startswith("".join(pieces)):
            pieces.clear()
        pieces.append(piece)

    def whole(self) -> JsonObject:
        """Return the chat completion that all chunks add up to."""
        fields = {key: paired(joined(pieces)) for key, pieces in self.fields.items()}
        message: JsonObject = {"role": "assistant", "content": paired(self.content)} | fields
        if self.calls:
            message["tool_calls"] = self.calls[min(self.calls)].whole()
        choice: JsonObject = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        if self.logprobs:
            choice["logprobs"] = {"content": self.logprobs}
        return self.out | {"choices": [choice] if self.answered else []}

    @property
    def content(self) -> str:
        """The text of the first choice. Where each index comes once, TGI counts tokens by it, and not choices."""
        if len(self.parts) > 2 and all(len(pieces) == 1 for pieces in self.parts.values()):
            return joined([pieces[0] for _, pieces in sorted(self.parts.items())])
        return joined(next((pieces for _, pieces in sorted(self.parts.items())), []))


class Calls:
    """The calls of tools in one message, put together from their pieces."""

    def __init__(self) -> None:
        self.calls: dict[int, JsonObject] = {}
        self.arguments: dict[int, list[str]] = {}

    def add(self, pieces: Any, anew: bool) -> None:
        """Add pieces of calls. Those of one call have one index; without any, a name begins the next call."""
        if anew:
            self.calls, self.arguments = {}, {}
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            call = piece if isinstance(piece, dict) else {}
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            last = max(self.calls, default=-1)
            index = call.get("index")
            if not isinstance(index, int):
                index = last + 1 if function.get("name") or not self.calls else last
            known = self.calls.setdefault(index, {"type": "function", "function": {}})
            known |= {key: call[key] for key in ("id", "type") if call.get(key)}
            known["function"] |= {"name": function["name"]} if function.get("name") else {}
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
            self.arguments.setdefault(index, []).append(text)

    def whole(self) -> list[JsonObject]:
        for index, call in self.calls.items():
            call["function"]["arguments"] = paired(joined(self.arguments[index]))
        return [call for _, call in sorted(self.calls.items())]


class Source:
    """The server that chunks come from, as far as their ids show it."""

    def __init__(self) -> None:
        self.id: Any = None
        self.chunks, self.without_role = 0, False

    def changes(self, chunk_id: Any, choice: JsonObject) -> bool:
        """Return whether another server begins here (a gateway's second host), with an id and a role of its own.

        Servers that send a new id, a role or both in each chunk do not change.
        """
        delta = choice.get("delta")
        role = isinstance(delta, dict) and bool(delta.get("role"))
        if not chunk_id or chunk_id == self.id:
            self.chunks += 1
            self.without_role |= not role
            return False
        changed = role and self.chunks > 1 and self.without_role and not choice.get("finish_reason")
        self.id, self.chunks, self.without_role = chunk_id, 1, not role
        return changed


UNFINISHED = "\ufffd" + "".join(map(chr, range(0xD800, 0xDC00)))
"""What stands at the end of a text that breaks off within a character."""


LONG = 12
"""Characters of a text that a last piece may repeat. Shorter ones people say twice: "ha" and "ha"."""
LONGER = 40
"""The same if it came in one piece, which may be a sentence."""


def joined(pieces: list[str]) -> str:
    """Return the text of pieces, each of which is the next part or all of the text so far (DashScope).

    A last piece, or several, may hold the whole text once more.
    """
    pieces = [piece for piece in pieces if piece]
    if len(set(pieces)) > 2 and all(after.startswith(piece.rstrip(UNFINISHED)) for piece, after in pairwise(pieces)):
        return pieces[-1]
    whole = pieces[-1].strip() if pieces else ""
    before = list(dropwhile(lambda piece: piece.strip() == whole, reversed(pieces)))[::-1]
    if (len(whole) >= LONGER and not before) or (len(whole) >= LONG and "".join(before).strip() == whole):
        return pieces[-1]
    return "".join(pieces)


def blocked(chunk: JsonObject) -> bool:
    """Return whether a chunk says that the prompt was blocked (Gemini)."""
    feedback = chunk.get("promptFeedback") or chunk.get("prompt_feedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason") or feedback.get("block_reason"))


def speech_and_thoughts(content: Any) -> tuple[str, str]:
    """Return speech and thoughts in a piece of content, which is text or a list of typed parts.

    Raises:
        Unreadable: if it is neither.
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise Unreadable("content that is not text")
    speech, thoughts = "", ""
    for part in content:
        if not isinstance(part, (str, dict)):
            raise Unreadable("content that is not text")
        if isinstance(part, dict) and (part.get("type") in THOUGHT or THOUGHT & part.keys()):
            thoughts += "".join(texts(part))
        else:
            speech += "".join(texts(part))
    return speech, thoughts


def texts(part: Any) -> list[str]:
    """Return all text in a part, without the names of its type."""
    if isinstance(part, str):
        return [part]
    if isinstance(part, list):
        return [text for item in part for text in texts(item)]
    if isinstance(part, dict):
        return [text for key in ("text", "content", *sorted(THOUGHT)) for text in texts(part.get(key))]
    return []


PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def paired(text: str) -> str:
    """Join the halves of characters (UTF-16 surrogates) that came in two chunks."""
    return PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)


async def assemble(chunks: AsyncIterator[Any], limit: int, endpoint: str, body: JsonObject) -> JsonObject:
    """Return the chat completion that chunks add up to.

    Raises:
        ModelError: if an error came in place of a chunk.
        Unreadable: as soon as there are more than `limit` characters, or something comes that is no chunk.
    """
    message, length = Message(), 0
    stray: JsonObject = {}
    """The last chunk without a choice: if there is none in the whole answer, it may say why."""
    try:
        async for chunk in chunks:
            if isinstance(chunk, Pieces):
                length += sum(map(len, chunk))
                message.add_pieces(chunk)
                if length - message.repeated > limit:
                    raise too_long(limit)
                continue
            data = as_object(chunk)
            stray = stray if data.get("choices") else data
            choices = data.get("choices")
            for part in (data, *(choices if isinstance(choices, list) else ())):
                if isinstance(part, dict) and part.get("error"):
                    raise error_in_body(part["error"], endpoint, body)
            length += characters(data.get("choices"))
            message.add(data)
            if length - message.repeated > limit:
                raise too_long(limit)
    except httpx2.TransportError:
        if message.finish_reason is None:  # else all has come, and only the stream's end is missing
            raise
    if not message.answered and stray:
        raise reason_in(stray, endpoint, body)
    return message.whole()


def too_long(limit: int) -> Unreadable:
    return Unreadable(f"more than {limit:,} characters, whatever the limit on tokens")


def reason_in(stray: JsonObject, endpoint: str, body: JsonObject) -> ModelError:
    """Return our error for an answer without a choice, by what stands in it instead (`base_resp`, `error_msg`, ...)."""
    error = error_in_body(stray, endpoint, body, how="answered without a choice")
    known = not isinstance(error, Overloaded) or error.kind != "broken-stream"
    return error if known else BadAnswer(str(error))


def as_object(data: Any) -> JsonObject:
    """Return a JSON object, also out of a list that holds nothing else (Gemini's errors).

    Raises:
        Unreadable: if it is something else.
    """
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise Unreadable(f"JSON that is no object: {shortened(json.dumps(data), 200)}")
    return data


def read(response: JsonObject, body: JsonObject, endpoint: str) -> Reply:
    """Return the reply in a completion.

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
        raise Overloaded(f"{endpoint} broke off: finish_reason {shortened(finish_reason, 60)}", kind="broken-stream")
    if "response_format" in body:
        take_arguments(choice["message"])
    usage = tokens.usage(response.get("usage"), body, choice["message"]["content"])
    return Reply.of(response, usage)


def take_arguments(message: JsonObject) -> None:
    """Make the arguments of a single tool call the content, if that holds no JSON itself.

    Gateways ask models that know no JSON mode to call a tool (LiteLLM, Bedrock), and some pass on the call.
    """
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or len(calls) != 1 or re.search(r"[\[{]", heard(message["content"]).text):
        return
    if calls[0]["function"]["arguments"].strip():
        message["content"] = calls[0]["function"]["arguments"]
        del message["tool_calls"]
