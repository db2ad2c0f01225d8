"""Every answer has a bound, in bytes and in time; no redirect leads a prompt away; streams are read as they come."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, Interrupted, ModelError, Unreachable
from culturepark.models import client, transport
from culturepark.models.chat import Reply
from culturepark.models.client import EmbeddingModel, OpenAIModel
from culturepark.models.replies import assemble
from culturepark.models.spec import parse
from culturepark.models.transport import loads, payloads
from tests.models.test_wire import ASKED, plain_surroundings, wire  # noqa: F401 - a fixture for all tests here

CHUNK = json.dumps({"choices": [{"index": 0, "delta": {"content": "Good morning."}, "finish_reason": None}]})
LAST = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
STREAM = f"data: {CHUNK}\n\ndata: {LAST}\n\ndata: [DONE]\n\n".encode()


class Raw:
    """A server on a socket that writes what it is told to, byte by byte if need be, and counts what it got rid of."""

    def __init__(self, answer: Callable[[Raw, socket.socket], None]) -> None:
        self.answer, self.sent, self.heard = answer, 0, list[bytes]()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += connection.recv(65536)
                before, _, body = heard.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", before)
                while length and len(body) < int(length[1]):  # what is left unread would reset the connection
                    body += connection.recv(65536)
                self.heard.append(before + b"\r\n\r\n" + body)
                self.answer(self, connection)
            except OSError:
                pass

    def write(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)


@contextmanager
def serving(answer: Callable[[Raw, socket.socket], None]) -> Iterator[Raw]:
    server = Raw(answer)
    try:
        yield server
    finally:
        server.listener.close()


def head(status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join([*lines, "Connection: close", "", ""])).encode()


async def outcome(server: Raw) -> Reply | ModelError:
    model = OpenAIModel(parse(f"openai:test@http://127.0.0.1:{server.port}/v1"))
    try:
        return await model.send(model.body(ASKED))
    except ModelError as error:
        return error
    finally:
        await model.close()


@pytest.mark.parametrize("said", [CHUNK, LAST])
async def test_an_answer_is_whole_once_it_gave_its_reason_to_end(said: str) -> None:
    """The body has fewer bytes than promised."""

    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(Content_Length="9999") + f"data: {CHUNK}\n\ndata: {said}\n\n".encode())

    with serving(answer) as server:
        found = await outcome(server)
    assert isinstance(found, Reply) == (said == LAST), found


# --- bounds ----------------------------------------------------------------------------------------------


def endless(line: bytes, kind: str = "text/event-stream", status: str = "200 OK") -> Any:
    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(status, Content_Type=kind))
        while server.sent < 200_000_000:
            server.write(connection, line * 1000)

    return answer


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"data: {CHUNK}\n\n".encode(), "text/event-stream"),
        (b": still here\n\n", "text/event-stream"),
        (b"x" * 100, "text/event-stream"),
        (b'{"a": 1, ', "application/json"),
    ],
    ids=["answer", "comments", "one line", "json"],
)
async def test_an_answer_without_an_end_is_not_read_on(line: bytes, kind: str) -> None:
    with serving(endless(line, kind)) as server:
        found = await outcome(server)
        assert isinstance(found, ModelError)
        assert "more than" in str(found)
        assert server.sent < 20_000_000


async def test_an_error_without_an_end_is_told_by_its_beginning() -> None:
    with serving(endless(b"The kitchen is on fire. ", "text/plain", "500 Oops")) as server:
        found = await outcome(server)
        assert isinstance(found, ModelError)
        assert "The kitchen is on fire" in str(found)
        assert server.sent < 20_000_000


def compressed(encoding: str, status: str, whole: Callable[[bytes], bytes]) -> Any:
    bomb = whole(b"data: " + b"0" * 150_000_000)

    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(status, Content_Type="text/event-stream", Content_Encoding=encoding) + bomb)

    return answer


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.sampled
async def test_a_small_answer_that_unpacks_into_a_huge_one_is_not_unpacked(encoding: str, status: str) -> None:
    import resource

    whole = {"gzip": lambda data: gzip.compress(data, 1), "deflate": lambda data: zlib.compress(data, 1)}[encoding]
    answer = compressed(encoding, status, whole)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(answer) as server:
        found = await outcome(server)
    assert isinstance(found, ModelError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


def trickle(server: Raw, connection: socket.socket) -> None:
    server.write(connection, head(Content_Type="text/event-stream"))
    for _ in range(1000):
        server.write(connection, b": wait\n\n")
        time.sleep(0.05)


async def test_a_trickle_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "seconds_for", lambda body: 0.3)
    with serving(trickle) as server:
        found = await outcome(server)
    assert isinstance(found, ModelError)
    assert found.kind == "timeout"


async def test_one_ctrl_c_ends_a_trickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.models.ledger.GRACE", 0.2)
    with serving(trickle) as server:
        async with wire(tmp_path, url=f"http://127.0.0.1:{server.port}/v1") as w:
            asked = asyncio.ensure_future(w.ask())
            while not w.ledger.in_flight:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            w.ledger.halt(Interrupted("stopped by Ctrl-C"))
            with pytest.raises(Interrupted):
                await asyncio.wait_for(asked, 5)
            assert w.errors == ["cancelled"]


# --- redirects ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect", "302 Found"])
async def test_no_redirect_carries_a_prompt_to_another_origin(status: str) -> None:
    def stolen(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(Content_Type="text/event-stream") + STREAM)

    with serving(stolen) as other:
        target = f"http://localhost:{other.port}/v1/chat/completions"

        def away(server: Raw, connection: socket.socket) -> None:
            server.write(connection, head(status, Location=target, Content_Length="0"))

        with serving(away) as server:
            found = await outcome(server)
        assert isinstance(found, Unreachable)
        assert f"localhost:{other.port}" in str(found)
        assert other.heard == []


async def test_a_redirect_within_one_origin_is_followed() -> None:
    def moved(server: Raw, connection: socket.socket) -> None:
        if b"/v2/" in server.heard[-1]:
            server.write(connection, head(Content_Type="text/event-stream") + STREAM)
        else:
            there = head("307 Temporary Redirect", Location="/v2/chat/completions", Content_Length="0")
            server.write(connection, there)

    with serving(moved) as server:
        found = await outcome(server)
    assert isinstance(found, Reply)
    assert found.text == "Good morning."


# --- reading ---------------------------------------------------------------------------------------------------


async def read(data: bytes, step: int) -> list[Any]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return [value async for value in payloads(pieces(), 10_000)]


GREETING = {"text": "çok güzel 你好 🙂 \u2028 \x85"}
SAID = json.dumps(GREETING, ensure_ascii=False)
FORMS = {
    "events": f"data: {SAID}\n\ndata: {SAID}\n\ndata: [DONE]\n\n",
    "crlf": f"data:{SAID}\r\n\r\ndata:{SAID}\r\n\r\ndata:[DONE]\r\n\r\n",
    "cr": f"data: {SAID}\r\rdata: {SAID}\r\r",
    "comments": f": hello\n\n: ping\ndata: {SAID}\n\n:\n\ndata: : OPEN\n\ndata: {SAID}\n\n",
    "fields": f"id: 1\nevent: message\nretry: 5\ndata: {SAID}\n\nid: 2\ndata: {SAID}\n\n",
    "no blank lines": f"data: {SAID}\ndata: {SAID}\n",
    "no last line end": f"data: {SAID}\n\ndata: {SAID}",
    "byte order mark": f"\ufeffdata: {SAID}\n\ndata: {SAID}\n\n",
    "wrapped": f"data: data: {SAID}\n\ndata:data:{SAID}\n\ndata: data: [DONE]\n\n",
    "wrapped twice": f"data: data: data: {SAID}\n\ndata: data: data: {SAID}\n\n",
    "wrapped line by line": "".join(
        f"data: {line}\n\n" for line in ("event: message", "id: 1", f"data: {SAID}", "", ": ping", f"data: {SAID}", "")
    ),
    "lines of json": f"{SAID}\n{SAID}\n",
    "list": f"[{SAID}\n,\r\n{SAID}]",
    "what follows the end": f"data: {SAID}\n\ndata: {SAID}\n\ndata: [DONE]\n\ndata: {{broken",
}


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
@pytest.mark.parametrize("form", FORMS)
async def test_streams_are_read_in_all_their_forms(form: str, step: int) -> None:
    assert await read(FORMS[form].encode(), step) == [GREETING, GREETING]


async def test_one_document_is_read_over_many_lines() -> None:
    assert await read(json.dumps([GREETING], indent=2).encode(), 5) == [[GREETING]]
    two = b'data: {"a":\ndata: 1}\n\n'
    assert await read(two, 3) == [{"a": 1}]


@pytest.mark.parametrize("text", [STREAM, f": OK\n\n{STREAM.decode()}".encode(), f"\ufeff{STREAM.decode()}".encode()])
@pytest.mark.parametrize(
    ("named", "packed"),
    [
        ("gzip", bytes),
        ("br", bytes),
        ("deflate", bytes),
        ("zstd", bytes),
        ("UTF-8", bytes),
        ("gzip, identity", gzip.compress),
        ("x-gzip", gzip.compress),
        ("", gzip.compress),
        ("deflate", zlib.compress),
        ("", bytes),
    ],
)
@pytest.mark.parametrize("step", [1, 100_000])
async def test_an_answer_is_decompressed_only_where_it_is_compressed(
    text: bytes, named: str, packed: Callable[[bytes], bytes], step: int
) -> None:
    data = packed(text)

    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(**({"Content_Encoding": named} if named else {})))
        for start in range(0, len(data), step):
            server.write(connection, data[start : start + step])

    with serving(answer) as server:
        found = await outcome(server)
    assert isinstance(found, Reply), found
    assert found.text == "Good morning."


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
@pytest.mark.parametrize("named", ["gzip", "deflate", "br", "compress"])
async def test_bytes_that_are_neither_text_nor_what_their_header_says_are_told_at_once(named: str, status: str) -> None:
    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head(status, Content_Encoding=named) + bytes(range(256)))

    with serving(answer) as server:
        found = await outcome(server)
        embedder = EmbeddingModel(parse(f"openai:test@http://127.0.0.1:{server.port}/v1"))
        with pytest.raises(BadAnswer, match=f"Content-Encoding: {named}"):
            await embedder.send(embedder.body(ASKED))
        await embedder.close()
    assert isinstance(found, BadAnswer)
    assert found.attempts_at_first == 1
    assert f"Content-Encoding: {named}" in str(found)


async def test_an_error_is_read_that_is_not_compressed_as_its_header_says() -> None:
    def answer(server: Raw, connection: socket.socket) -> None:
        server.write(connection, head("401 No", Content_Encoding="gzip") + b"Incorrect API key provided")

    with serving(answer) as server:
        assert "Incorrect API key" in str(await outcome(server))


async def test_what_looks_like_a_field_within_a_value_stays() -> None:
    said = {"content": "data: data: id: 1"}
    assert await read(f"data: {json.dumps(said)}\n\n".encode(), 9) == [said]


async def test_an_event_called_error_is_an_error() -> None:
    assert await read(b'event: error\ndata: {"message": "no"}\n\n', 9) == [{"error": {"message": "no"}}]


@pytest.mark.parametrize("text", ["<html>", "  <!doctype html>", '{"a": 1', "data: {half\n\n", "hello there\n\n"])
async def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(transport.Unreadable):
        await read(text.encode(), 4)


async def test_a_page_is_quoted_by_its_words() -> None:
    page = b"<!doctype html>\n<style>p {}</style><p title='a'>Please\n<b>sign in</b></p>"
    with pytest.raises(transport.Page, match=r"^a page, not JSON: Please sign in$"):
        await read(page, 1_000)
    with pytest.raises(transport.Page, match=r"^a page, not JSON: <!doctype html>$"):
        await read(b"<!doctype html>", 1_000)


def test_what_is_no_number_is_null() -> None:
    assert loads('{"a": NaN, "b": -Infinity, "c": 1e999, "d": 0.5}') == {"a": None, "b": None, "c": None, "d": 0.5}


# --- chunks that are alike ---------------------------------------------------------------------------------------

WORDS = [f"word{number} " for number in range(200)]


def said_in(pieces: list[str], **more: Any) -> list[str]:
    """Chunks with a piece of content each, as most servers write them."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return [
        json.dumps(
            {**head, "choices": [{"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None}]}
            | more
        )
        for piece in pieces
    ]


async def assembled(chunks: list[str], step: int = 700) -> JsonObject:
    data = "".join(f"data: {chunk}\n\n" for chunk in [*chunks, LAST, "[DONE]"]).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return await assemble(payloads(pieces(), 10_000_000), 1_000_000, "here", {"messages": []})


def content(response: JsonObject) -> str:
    return str(response["choices"][0]["message"]["content"])


async def test_what_is_alike_in_all_chunks_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    monkeypatch.setattr(transport, "loads", lambda text: decoded.append(text) or loads(text))  # type: ignore[func-returns-value]
    assert content(await assembled(said_in(WORDS), step=100_000)) == "".join(WORDS)
    assert len(decoded) == 2  # the first chunk, and the one with the finish reason
    decoded.clear()
    await assembled(said_in(WORDS))
    assert len(decoded) < 2 + len(said_in(WORDS)) * 250 / 700  # and those that a read cut in two


@pytest.mark.parametrize("step", [1, 3, 64, 700, 100_000])
@pytest.mark.parametrize(
    "pieces",
    [
        ['"', "\\", "\n", "\t", "\0", "}", '"},', "\u2028", "🙂", "çok", "", " "],
        ["\ud83d", "\ude42", "a", "\ud83d\ude42"],  # halves of a character
        ['"}, "finish_reason": "stop"}]}', '{"content":"x"}', '"content": "', "[DONE]", "data: [DONE]", "\r\n\r\n"],
        ["data: ", ": comment", "\ufeff", "event: error", "Hello", "Hello there", "Hello there, friend"],
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
async def test_chunks_that_are_alike_say_what_each_says_by_itself(
    pieces: list[str], step: int, ascii_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = said_in(["Well, "] + [piece for piece in pieces for _ in range(3)] + ["."])
    if not ascii_only:
        chunks = [json.dumps(json.loads(chunk), ensure_ascii=False) for chunk in chunks]
        chunks = [chunk.encode("utf-8", "replace").decode() for chunk in chunks]
    quick = await assembled(chunks, step)
    monkeypatch.setattr(transport.Mould, "of", lambda *_: None)
    assert quick == await assembled(chunks, step)


async def test_a_chunk_that_says_more_is_heard() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    plain, counted = said_in(["a", "b", "c"]), said_in(["d"], usage=usage)
    other = said_in(["e", "f"], id="chatcmpl-2")
    thought = json.dumps({"choices": [{"index": 0, "delta": {"reasoning_content": "hm", "content": "g"}}]})
    found = await assembled([*plain, *counted, *other, thought, *plain], step=100_000)
    assert content(found) == "abcdefgabc"
    assert found["usage"] == usage
    assert found["choices"][0]["message"]["reasoning_content"] == "hm"
    broken = '{"error": {"message": "out of memory", "type": "server_error"}}'
    with pytest.raises(ModelError):
        await assembled([*plain, broken, *plain], step=100_000)
    second = [chunk.replace('"index": 0', '"index": 1') for chunk in plain]
    assert content(await assembled([*plain, *second, *plain], step=100_000)) == "abcabc"


async def test_an_answer_of_like_chunks_has_an_end() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield "".join(f"data: {chunk}\n\n" for chunk in said_in(WORDS)).encode()

    with pytest.raises(transport.Unreadable, match="more than 5,000 characters"):
        await assemble(payloads(pieces(), 100_000_000), 5000, "here", {"messages": []})
