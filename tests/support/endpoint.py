"""An OpenAI-compatible endpoint for tests: real HTTP on loopback, the scripted model's answers, faults on demand.

    with Endpoint(latency=0.05) as endpoint:
        run(["simulate", "quickstart", "--model", f"openai:test@{endpoint.url}"])
        assert endpoint.most_in_flight > 1

`reply` decides about single requests: it is given the body and the request's number (from 1) and returns the text to
answer with, a `Fault`, or None for the scripted answer. It is called on the server's own thread.

Also a program: `python -m tests.support.endpoint [--port N] [--latency SECONDS] [--reference]`.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Self

from culturepark.domain import JsonObject
from culturepark.models import scripted

LOGPROB = -0.05
"""Log-probability of every token."""


class Received(NamedTuple):
    """One request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: JsonObject


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer."""

    what: Literal[
        "status",  # `status` and an error body
        "html",  # a page with status 200
        "hang",  # no answer at all
        "drop",  # the connection is closed before the answer
        "reset",  # the connection breaks in mid-stream
        "no-finish",  # the stream ends in good order, but without finish_reason
        "bad-chunk",  # a chunk that is not JSON
        "error-in-stream",  # an error object in place of a chunk
        "null-content",  # every delta's content is null
        "no-choices",  # chunks without choices
        "refusal",  # the text comes as refusal, not as content
        "finish",  # another `finish_reason`
        "plain",  # one JSON document, not a stream
        "raw",  # `text` is the body, of the type in `headers`
        "weighed",  # no fault: the first token has the probabilities in `masses`
    ]
    text: str | None = None
    """In place of the scripted answer."""
    finish_reason: str = "stop"
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    masses: Mapping[str, float] = field(default_factory=dict)
    """Token -> probability, of the first token of the answer."""


WORDLESS = ("status", "html", "hang", "drop", "raw", "no-choices")
HTML, HANG, DROP, RESET = Fault("html"), Fault("hang"), Fault("drop"), Fault("reset")
NO_FINISH, BAD_CHUNK, ERROR_IN_STREAM = Fault("no-finish"), Fault("bad-chunk"), Fault("error-in-stream")
NULL_CONTENT, NO_CHOICES, REFUSAL = Fault("null-content"), Fault("no-choices"), Fault("refusal")
NOT_STREAMED = Fault("plain")


def status(
    number: int, message: str = "the test wants it so", *, headers: Mapping[str, str] = {}, **error: Any
) -> Fault:
    """An error status with OpenAI's error body; `error` adds its `type`, `param` and `code`."""
    body = {"message": message, "type": "test_error", "param": None, "code": None} | error
    return Fault("status", status=number, error=body, headers=headers)


def unsupported(param: str) -> Fault:
    """What OpenAI says to a parameter that a model does not take."""
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return status(400, message, type="invalid_request_error", param=param, code="unsupported_parameter")


def too_long() -> Fault:
    """What OpenAI says to a prompt beyond the context."""
    message = "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."
    return status(400, message, type="invalid_request_error", param="messages", code="context_length_exceeded")


def finish(reason: str, text: str | None = None) -> Fault:
    """An answer that ends for another reason than `stop`: `length`, `content_filter`."""
    return Fault("finish", text=text, finish_reason=reason)


def weighed(masses: Mapping[str, float], text: str | None = None) -> Fault:
    """An answer whose first token has these probabilities; its text is the likeliest token unless another is given."""
    return Fault("weighed", text=max(masses, key=lambda token: masses[token]) if text is None else text, masses=masses)


def raw(payload: str, kind: str = "application/json") -> Fault:
    """Status 200 and this very body."""
    return Fault("raw", text=payload, headers={"Content-Type": kind})


def event(payload: str) -> Fault:
    """A stream with this one event."""
    return raw(f"data: {payload}\n\ndata: [DONE]\n\n", "text/event-stream")


Hook = Callable[[JsonObject, int], "str | Fault | None"]


class Endpoint:
    """Listens on loopback from `with` to the end of the block, on a thread with an event loop of its own."""

    def __init__(
        self,
        *,
        latency: float = 0.0,
        usage: bool = True,
        cached_tokens: int = 0,
        reply: Hook | None = None,
        reference: bool = False,
        a_chunk: int = 0,
        port: int = 0,
    ) -> None:
        """
        Args:
            latency: seconds between a request and its answer.
            a_chunk: tokens in each chunk of a stream, as most servers send one; 0 for about six chunks an answer.
            usage: whether token counts are sent.
            cached_tokens: how many of the prompt's tokens are said to be cached.
            reference: behave as the endpoint did on which the published code was measured.
            port: 0 takes any that is free.
        """
        self.latency = 0.05 if reference and not latency else latency
        self.usage = usage
        self.cached_tokens = cached_tokens
        self.reply = reply
        self.reference = reference
        self.a_chunk = a_chunk
        self.port = port
        self.requests: list[Received] = []
        self.tokens: list[tuple[int, int]] = []
        """(prompt, completion) of each answer, characters / 4."""
        self.in_flight = self.most_in_flight = 0
        self.connections = 0
        """How many were opened."""
        self._failure: Exception | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="endpoint", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[JsonObject]:
        """Bodies of the chat requests."""
        return [received.body for received in self.requests if received.path == "/v1/chat/completions"]

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the test endpoint does not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if self._failure and kind is None:
            raise self._failure

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while received := await read(reader):
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    await self._answer(received, writer)
                finally:
                    self.in_flight -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the endpoint closes
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        path, body = received.path.partition("?")[0], received.body
        if path == "/v1/models":
            await send_json(writer, 200, {"object": "list", "data": [{"id": "test", "object": "model"}]})
            return
        self.requests.append(received)
        if path not in ("/v1/chat/completions", "/v1/embeddings"):
            await send_json(writer, 404, {"error": dict(status(404, f"no such path: {path}").error)})
            return
        try:
            said = self.reply(body, len(self.requests)) if self.reply else None
            embeds = path.endswith("embeddings")
            fault = said if isinstance(said, Fault) else None
            text = fault.text if fault else said
            if text is None and not embeds and not (fault and fault.what in WORDLESS):
                text = reference_answer(body) if self.reference else scripted.answer(body)
        except Exception as error:  # a hook's own, or a body that the script cannot read: the test must hear of it
            self._failure = self._failure or error
            await send_json(writer, 500, {"error": {"message": f"the endpoint's hook failed: {error!r}"}})
            return
        await asyncio.sleep(self.latency)
        if fault and fault.what == "status":
            await send_json(writer, fault.status, {"error": dict(fault.error)}, fault.headers)
        elif fault and fault.what == "html":
            await send(writer, 200, "text/html; charset=utf-8", b"<html><body>Please sign in</body></html>")
        elif fault and fault.what == "raw":
            await send(writer, 200, fault.headers["Content-Type"], (fault.text or "").encode())
        elif fault and fault.what == "hang":
            await asyncio.sleep(3600)
        elif fault and fault.what == "drop":
            raise ConnectionAbortedError
        elif embeds:
            await self._embed(body, writer)
        else:
            await self._chat(body, text or "", fault, writer)

    async def _embed(self, body: JsonObject, writer: asyncio.StreamWriter) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
        prompt = sum(map(len, texts)) // 4
        self.tokens.append((prompt, 0))
        usage = {"prompt_tokens": prompt, "total_tokens": prompt}
        await send_json(writer, 200, {"object": "list", "model": body["model"], "data": data, "usage": usage})

    async def _chat(self, body: JsonObject, text: str, fault: Fault | None, writer: asyncio.StreamWriter) -> None:
        what = fault.what if fault else None
        prompt, completion = sum(len(str(m["content"])) for m in body["messages"]) // 4, len(text) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }
        self.tokens.append((prompt, completion))
        head = {"id": f"chatcmpl-{scripted.number(body)}", "created": 1_700_000_000, "model": body["model"]}
        finish_reason = fault.finish_reason if fault else "stop"
        if what == "plain" or not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish_reason}
            whole = {**head, "object": "chat.completion", "choices": [choice]}
            await send_json(writer, 200, whole | ({"usage": usage} if self.usage else {}))
            return
        stream = Stream(writer, {**head, "object": "chat.completion.chunk"})
        stream.begin()
        if what == "no-choices":
            stream.chunk([])
            await stream.end()
            return
        channel = "refusal" if what == "refusal" else "content"
        stream.delta({"role": "assistant", "content": None if what in ("refusal", "null-content") else ""})
        pieces = list(in_pieces(text, self.a_chunk))
        for number, tokens in enumerate(pieces):
            if what in ("reset", "bad-chunk", "error-in-stream") and number == len(pieces) // 2:
                await self._break(stream, what)
                return
            said = None if what == "null-content" else "".join(tokens)
            masses = fault.masses if fault and number == 0 else {}
            stream.delta({channel: said}, logprobs(tokens, body, masses) if channel == "content" else None)
        if what != "no-finish":
            stream.delta({}, finish_reason=finish_reason)
        if self.usage and (body.get("stream_options") or {}).get("include_usage"):
            stream.chunk([], usage)
        await stream.end()

    async def _break(self, stream: Stream, what: str) -> None:
        if what == "reset":
            await stream.writer.drain()
            await asyncio.sleep(0.01)  # what was sent arrives before the break does
            raise ConnectionResetError
        if what == "bad-chunk":
            stream.event('{"choices": [{"index": 0, "delta": {"content": "half a')
        else:
            stream.event(json.dumps({"error": {"message": "the server ran out of memory", "type": "server_error"}}))
        await stream.end()


class Stream:
    """Server-sent events in HTTP chunks."""

    def __init__(self, writer: asyncio.StreamWriter, head: JsonObject) -> None:
        self.writer = writer
        self.head = head

    def begin(self) -> None:
        self.writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, data: str) -> None:
        payload = f"data: {data}\n\n".encode()
        self.writer.write(b"%x\r\n%s\r\n" % (len(payload), payload))

    def chunk(self, choices: list[JsonObject], usage: JsonObject | None = None) -> None:
        self.event(json.dumps({**self.head, "choices": choices, "usage": usage}))

    def delta(self, delta: JsonObject, logprobs: JsonObject | None = None, *, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        self.chunk([choice])

    async def end(self) -> None:
        self.event("[DONE]")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


async def read(reader: asyncio.StreamReader) -> Received | None:
    """The next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    kind = headers.get("content-type", "")
    data = {"raw": body} if kind.startswith("multipart/") else json.loads(body) if body else {}
    return Received(head[0].split()[1], headers, data)


async def send(
    writer: asyncio.StreamWriter, code: int, kind: str, payload: bytes, headers: Mapping[str, str] = {}
) -> None:
    lines = [f"HTTP/1.1 {code} Status", f"Content-Type: {kind}", f"Content-Length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
    await writer.drain()


async def send_json(writer: asyncio.StreamWriter, code: int, data: JsonObject, headers: Mapping[str, str] = {}) -> None:
    await send(writer, code, "application/json", json.dumps(data).encode(), headers)


def in_pieces(text: str, size: int = 0) -> Iterator[list[str]]:
    """The text's tokens (words, and what is between them), so many in each chunk; 0 for about six chunks."""
    tokens = re.findall(r"\w+|\W+", text)
    size = size or max(1, -(-len(tokens) // 6))
    for start in range(0, len(tokens), size):
        yield tokens[start : start + size]


def logprobs(tokens: list[str], body: JsonObject, masses: Mapping[str, float] = {}) -> JsonObject | None:
    if not body.get("logprobs"):
        return None
    if masses:
        weights = {token: math.log(mass) for token, mass in masses.items() if mass > 0}
        first = [{"token": token, "logprob": weight, "bytes": None} for token, weight in weights.items()]
        return {"content": [{**max(first, key=itemgetter("logprob")), "top_logprobs": first}]}
    rivals = [{"token": "other", "logprob": -4.0, "bytes": None}][: max(0, body.get("top_logprobs", 0) - 1)]
    return {
        "content": [
            {
                "token": token,
                "logprob": LOGPROB,
                "bytes": list(token.encode("utf-8", "surrogatepass")),
                "top_logprobs": [{"token": token, "logprob": LOGPROB, "bytes": None}, *rivals],
            }
            for token in tokens
        ]
    }


def vector(text: str, places: int = 256) -> list[float]:
    """Words counted into places by hash: like texts get like vectors."""
    found = [0.0] * places
    for word in re.findall(r"\w+", text.casefold()) or [""]:
        found[scripted.number("vector", word) % places] += 1.0
    return found


# --- the endpoint on which the published code was measured -----------------------------------------

MATTERS = (
    "an honest day of work", "the word of a grandfather", "a full pot on the stove", "a place at somebody's table",
    "the school of the children", "a quiet street at night", "the patience of a mother", "money put aside in spring",
    "the help of a neighbour", "a visit to the graveyard", "the first bread of the morning", "a loan between brothers",
    "the song at a wedding", "a seat offered on the bus", "the opinion of an older sister", "a letter from abroad",
    "the price of rent downtown", "a promise made at the door", "the advice of a teacher", "a week without telephones",
    "the garden behind the house", "a shop that gives credit", "the silence after dinner", "a cousin who lost his job",
)  # fmt: skip
DOES = (
    "tells you more about fairness than any speech", "weighs heavier than what the newspapers print",
    "should count before somebody's title does", "keeps a family from falling apart in winter",
    "decides quietly who is trusted later", "has nothing to do with being rich or poor",
    "gets forgotten as soon as wages rise", "belongs to women exactly as much as to men",
    "cannot be bought back once it is gone", "makes strangers into friends within a week",
    "ought to be taught before mathematics", "becomes clear only when trouble arrives",
    "protects young people from bad bargains", "divides our building into two camps",
    "saves more marriages than any lawyer", "goes wrong whenever pride walks in",
    "needs neither a law nor a policeman", "costs little and repays itself slowly",
)  # fmt: skip
BECAUSE = (
    "my uncle once paid dearly for learning it late", "we lived through two hungry years without it",
    "I watched my father lose a shop over this", "nobody at our factory ever explained it better",
    "that is how three generations kept one roof", "a stranger showed me so in a hospital corridor",
    "our village council argued about it all summer", "I have raised children on very little income",
    "the old baker near us lived exactly that way", "my first employer taught me by doing otherwise",
    "even the mayor had to admit it last autumn", "I still remember the winter when it failed",
    "my neighbours proved it during the great flood", "those who doubted it came asking for help",
    "our street did well whenever people followed it", "I have seen the opposite end in court twice",
)  # fmt: skip
BEGINNINGS = ("I think that", "In my view,", "If you ask me, I think", "What matters most to me is that")


def reference_answer(body: JsonObject) -> str:
    """The script, but with a persona's turn of four opinions, about 120 tokens, none like another."""
    messages = body["messages"]
    system = str(messages[0]["content"])
    if body.get("response_format") or system.startswith("You moderate"):
        return scripted.answer(body)
    # How many turns of personas there were: each ends in other words, or follow-ups that quote them would repeat.
    heard = [re.findall(r"(?m)^(?!Moderator)[^\s:(]+: ", str(m["content"])) for m in messages if m["role"] == "user"]
    nth = sum(m["role"] == "assistant" for m in messages) + sum(map(len, heard))
    reasons = list(BECAUSE)
    random.Random(scripted.first_group(r"The subject today: (.+)", system)).shuffle(reasons)
    last = reasons.pop(nth % len(reasons))
    draw = random.Random(scripted.number(system, nth, body.get("seed")))
    drawn = draw.sample(BEGINNINGS, 4), draw.sample(MATTERS, 4), draw.sample(DOES, 4), [*draw.sample(reasons, 3), last]
    return " ".join(f"{begins} {one} {does}, because {why}." for begins, one, does, why in zip(*drawn, strict=True))


def main() -> None:
    import argparse
    import time

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()
    with Endpoint(port=options.port, latency=options.latency, reference=options.reference) as endpoint:
        print(f"openai:test@{endpoint.url}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(f"{len(endpoint.requests)} requests, at most {endpoint.most_in_flight} at once")


if __name__ == "__main__":
    main()
