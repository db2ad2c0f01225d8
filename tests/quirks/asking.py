"""One request, what a good model would say to it, and the ways in which servers put that."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from culturepark.domain import JsonObject
from culturepark.models import scripted
from tests.quirks.kinds import STAIN
from tests.support.endpoint import Received, in_pieces, logprobs, vector

STREAM, JSON = "text/event-stream; charset=utf-8", "application/json"
TOLD_BY = {
    ("items", "turns"): "verdicts", ("items",): "rows", ("quote",): "rewording", ("moves",): "move",
    ("judge",): "slips", ("turns",): "statements",
}  # fmt: skip
"""What the material of a request holds -> what is asked for; the first of which it holds all counts."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    parts: Iterable[bytes | float]
    """Of the body; a number is a pause, in seconds."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Literal["length", "chunked", "bare"] = "length"
    """`bare` writes the parts as they are, without a status line."""
    breaks: bool = False
    """The connection is reset after the last part."""


@dataclass
class Memory:
    """What a server remembers from one request to the next."""

    began: float | None = None
    until: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def count(self, what: str) -> int:
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]


@dataclass
class Ask:
    """One request."""

    received: Received
    number: int
    memory: Memory
    here: str
    """Origin of this server."""
    elsewhere: tuple[str, str] = ("", "")
    """Two other origins: one of the same host, one of another."""

    @property
    def path(self) -> str:
        return self.received.path

    @property
    def body(self) -> JsonObject:
        return self.received.body

    @property
    def messages(self) -> list[JsonObject]:
        found: list[JsonObject] = self.body["messages"]
        return found

    @property
    def all(self) -> str:
        """All that was said, by whomever."""
        return "\n".join(str(message["content"]) for message in self.messages)

    @property
    def material(self) -> JsonObject:
        """The JSON that a stage hands to its model; empty where people talk."""
        last = str(self.messages[-1]["content"])
        for match in re.finditer(r"(?m)^\{", last):
            try:
                found = json.loads(last[match.start() :])
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
        return {}

    @property
    def wanted(self) -> str:
        """`statements`, `verdicts`, `rewording` and so on; empty where people talk."""
        material = self.material
        return next((name for keys, name in TOLD_BY.items() if all(key in material for key in keys)), "")

    @property
    def follow_up(self) -> bool:
        return not self.wanted and str(self.messages[0]["content"]).startswith("You moderate")

    @property
    def speech(self) -> bool:
        return not self.wanted and not self.follow_up

    @property
    def limit(self) -> int:
        return int(self.body.get("max_tokens") or self.body.get("max_completion_tokens") or 10**6)

    @property
    def age(self) -> float:
        """Seconds since the first request."""
        return monotonic() - (self.memory.began or monotonic())

    def wait_left(self, seconds: float, after: int = 4) -> float:
        """Seconds for which this server turns requests away, `seconds` in all, once it has answered some."""
        if self.number > after and self.memory.until is None:
            self.memory.until = monotonic() + seconds
        return max(0.0, (self.memory.until or 0.0) - monotonic())

    # --- what a good model would say

    def text(self) -> str:
        """The scripted model's answer, whichever way the request was put."""
        body, wanted = dict(self.body), self.wanted
        body.pop("response_format", None)
        if wanted:
            system = str(self.messages[0]["content"])
            body["messages"] = [{"content": system}, {"content": json.dumps(self.material)}]
            body["response_format"] = {"json_schema": {"name": wanted}}
        return scripted.answer(body)

    def value(self) -> JsonObject:
        found: JsonObject = json.loads(self.text())
        return found

    def as_told(self) -> str:
        """What a model writes that never saw the schema: all of it if the prompt names its key, else what is in it."""
        value = self.value()
        key = next(iter(value))
        if re.search(rf"[\"'`]{key}[\"'`]", self.all):
            return json.dumps(value)
        return json.dumps(value[key] if len(value) == 1 else value)

    def thought(self) -> str:
        """What a model mutters; other words each time, so that no guard against repetition hides it."""
        words = re.findall(r"[a-z]{5,}", self.all)[-300:] or ["nothing"]
        draw = random.Random(f"{self.number} {len(self.all)}")
        about = " ".join(draw.choice(words) for _ in range(9))
        return f"Hmm, {STAIN} the others went on about {about}. The reply ought to come from {{this}} card, then."

    # --- ways to put it

    def usage(self, text: str, **more: Any) -> JsonObject:
        prompt, made = len(self.all) // 4, max(1, len(text) // 4)
        return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made} | more

    @property
    def head(self) -> JsonObject:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": "chat.completion.chunk",
            "created": 1_760_000_000,
            "model": self.body.get("model"),
        }

    def chunk(self, delta: Any, finish: Any = None, **more: Any) -> JsonObject:
        return {**self.head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}

    def counts(self, text: str, **more: Any) -> JsonObject:
        """The chunk that holds nothing but usage."""
        return {**self.head, "choices": [], "usage": self.usage(text, **more)}

    def contents(self, text: str, **more: Any) -> list[JsonObject]:
        """The chunks of a text."""
        return [self.chunk({"content": "".join(tokens)}, **more) for tokens in in_pieces(text)]

    def stream(
        self,
        text: str | None = None,
        finish: Any = "stop",
        *,
        before: Sequence[JsonObject] = (),
        after: Sequence[JsonObject] = (),
        usage: bool = True,
        **extra: Any,
    ) -> Answer:
        """The ordinary stream, with chunks `before` the text and `after` its end."""
        text = self.text() if text is None else text
        chunks = [self.chunk({"role": "assistant", "content": ""}), *before]
        for tokens in in_pieces(text):
            said = self.chunk({"content": "".join(tokens)})
            said["choices"][0]["logprobs"] = logprobs(tokens, self.body)
            chunks.append(said)
        chunks += [self.chunk({}, finish), *after]
        if usage and (self.body.get("stream_options") or {}).get("include_usage"):
            chunks.append(self.counts(text, **extra))
        return self.events(chunks)

    def events(self, payloads: Sequence[JsonObject | str], *, done: bool = True, kind: str | None = STREAM) -> Answer:
        """Server-sent events, as they should be."""
        lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in payloads]
        return raw([f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])]], kind)

    def whole(self, message: JsonObject | None = None, finish: Any = "stop", **more: Any) -> Answer:
        """One JSON document, streamed or not."""
        message = {"role": "assistant", "content": self.text()} if message is None else message
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        text = str(message.get("content") or "")
        return jsoned({**self.head, "object": "chat.completion", "choices": [choice], "usage": self.usage(text)} | more)

    def vectors(self, texts: Sequence[str] | None = None) -> list[JsonObject]:
        """Embeddings in their order."""
        given = self.body["input"]
        texts = texts if texts is not None else [given] if isinstance(given, str) else given
        return [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]

    def embedded(self, data: Any) -> Answer:
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return jsoned({"object": "list", "model": self.body["model"], "data": data, "usage": usage})


def raw(parts: Sequence[str | bytes], kind: str | None = STREAM, status: int = 200, **headers: str) -> Answer:
    """A body in these pieces; `headers` with underscores."""
    encoded = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(encoded, status, ({"Content-Type": kind} if kind else {}) | named, "chunked")


def jsoned(value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Answer:
    return Answer([json.dumps(value).encode()], status, {"Content-Type": JSON, **headers})


def error(status: int, message: str, headers: Mapping[str, str] = {}, **more: Any) -> Answer:
    """An error as OpenAI puts it; `more` in place of its `type`, `param` and `code`."""
    what = {"message": message, "type": "invalid_request_error", "param": None, "code": None} | more
    return jsoned({"error": what}, status, headers)


def text(status: int, said: str, kind: str = "text/plain; charset=utf-8", headers: Mapping[str, str] = {}) -> Answer:
    return Answer([said.encode()], status, {"Content-Type": kind, **headers})


def bytes_of(answer: Answer) -> bytes:
    """A body that has an end, without its pauses."""
    return b"".join(part for part in answer.parts if isinstance(part, bytes))


def endless(piece: bytes, *, first: bytes = b"", pause: float = 0.0) -> Iterator[bytes | float]:
    """A body without end."""
    yield first
    while True:
        if pause:
            yield pause
        yield piece
