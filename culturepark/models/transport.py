"""Bounds every answer below the client library, follows no redirect to another origin, and parses what comes.

The library reads error bodies and whole JSON answers into memory by itself, so bounds on them have to stand below it.
"""

from __future__ import annotations

import asyncio
import json
import re
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, NamedTuple

import httpx2

from culturepark.errors import Unreachable
from culturepark.models.error_bodies import plain
from culturepark.models.patience import Connecting
from culturepark.redact import shortened

MOST_BYTES = 64_000_000
"""Bytes of any answer, as sent and as decompressed. A chat's answer has a closer bound (`replies.most_bytes`)."""
MOST_OF_RESULTS = 4_000_000_000
"""Bytes of a file with the results of a batch, which is read line by line."""
RESULTS = re.compile(r"/files/[^/]+/content$")
MOST_OF_AN_ERROR = 1_000_000
"""Bytes of an error's body that are read. Its beginning says what is wrong, and the rest is left out."""
DRAIN_SECONDS = 1.0
CONNECT_SECONDS = 10.0
"""For a connection. While a loop is busy they do not count, as they would in a timeout of the library."""


class Unreadable(ValueError):
    """An answer that is no chat completion; the message follows words on who answered."""


class Page(Unreadable):
    """A web page in place of an answer."""


class Garbled(Unreadable):
    """Bytes that are not compressed in the way that their header names."""


class Bounded(httpx2.AsyncBaseTransport):
    """Passes on the bounded answers of another transport."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """
        Raises:
            Unreachable: if the answer is a redirect to another origin.
            ConnectTimeout: if there is no connection within `CONNECT_SECONDS`.
        """
        async with Connecting(CONNECT_SECONDS, request) as connecting:
            request.extensions = {**request.extensions, "trace": connecting.trace}
            answer = await self._inner.handle_async_request(request)
        if answer.has_redirect_location:
            target = request.url.join(answer.headers["location"])
            if origin(target) != origin(request.url):
                await answer.aclose()
                raise Unreachable(
                    f"{origin(request.url)} redirects to {origin(target)}, where nothing was sent; "
                    "name that address in the model's spec if it is the right one",
                    kind="redirect",
                )
        # The body that is passed on is decompressed already, and its length not known.
        headers = [
            (name, value)
            for name, value in answer.headers.multi_items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx2.Response(
            answer.status_code, headers=headers, stream=Body(answer, request), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class Body(httpx2.AsyncByteStream):
    """The decompressed body of an answer, up to a bound."""

    def __init__(self, answer: httpx2.Response, request: httpx2.Request) -> None:
        self._answer = answer
        self._asked = request.headers.get("accept-encoding", "")
        self._most = MOST_OF_RESULTS if RESULTS.search(request.url.path) else MOST_BYTES

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """
        Raises:
            Unreadable: if it is longer than anybody can have asked for.
        """
        read, is_error = 0, self._answer.is_error
        async for piece in decompressed(self._answer, self._asked):
            read += len(piece)
            if is_error and read > MOST_OF_AN_ERROR:
                yield piece[: MOST_OF_AN_ERROR - read] if read - len(piece) < MOST_OF_AN_ERROR else b""
                return
            check_size(max(read, self._answer.num_bytes_downloaded), self._most)
            yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


ENOUGH = 16
"""Bytes that show whether an answer is text: compressed ones hold bytes that no text begins with."""
CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")
GZIPPED = b"\x1f\x8b"


async def decompressed(answer: httpx2.Response, asked: str) -> AsyncIterator[bytes]:
    """Yield the text of an answer by what its bytes are: proxies add and drop `Content-Encoding` at will.

    Args:
        asked: the codings that the HTTP library asked for, which are those that it can undo.
    Raises:
        Garbled: if it can be read neither as it is nor as its header says.
    """
    named = answer.headers.get("content-encoding", "").strip().lower().replace("x-gzip", "gzip")
    beginning = b""
    async with aclosing(answer.aiter_raw()) as raw:
        async for piece in raw:
            beginning += piece
            if len(beginning) >= (ENOUGH if named else len(GZIPPED)):
                break
        coding = "gzip" if not named and beginning.startswith(GZIPPED) else named
        if not coding or is_text(beginning[: 4 * ENOUGH]):
            yield beginning
            async for piece in raw:
                yield piece
            return
        if not set(re.findall(r"[\w-]+", coding)) <= {"identity", *re.findall(r"[\w-]+", asked)}:
            raise Garbled(f"bytes in an encoding that was not asked for (Content-Encoding: {shortened(coding, 40)})")
        whole = httpx2.Response(200, headers={"content-encoding": coding}, content=chained(beginning, raw))
        try:
            async for piece in whole.aiter_bytes():
                yield piece
        except httpx2.DecodingError:
            raise Garbled(f"bytes that are not what their header says (Content-Encoding: {coding})") from None


async def chained(beginning: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield beginning
    async for piece in rest:
        yield piece


def is_text(beginning: bytes) -> bool:
    """Return whether bytes are UTF-8 without control characters; the last character may be cut."""
    try:
        return not CONTROL.search(getincrementaldecoder("utf-8")().decode(beginning))
    except UnicodeDecodeError:
        return False


def check_size(read: int, most: int) -> None:
    if read > most:
        raise Unreadable(f"more than {most:,} bytes, whatever the limit on tokens")


def origin(url: httpx2.URL) -> str:
    """Return scheme, host and port (RFC 6454)."""
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{url.host}:{port}"


# --- from bytes to JSON ----------------------------------------------------------------------------


async def payloads(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[Any]:
    """Yield the JSON values of an answer as they come, up to `[DONE]`: events of a stream, lines, or one document.

    The answer's content type is ignored: servers send event streams as JSON and as plain text. `Pieces` stand for
    chunks that differ from the one before them by nothing but a piece of content, as most do.

    Args:
        most: bytes that may be read.
    Raises:
        Unreadable: if it is none of these, or too long.
    """
    decode = getincrementaldecoder("utf-8-sig")("replace")
    read, waiting, kind, event = 0, "", "", Event()
    mould: Mould | None = None
    async for piece in pieces:
        read += len(piece)
        check_size(read, most)
        waiting += decode.decode(piece)
        kind = kind or kind_of(waiting)
        if kind == "json":
            continue  # only the end shows whether it is one document or many
        if "\r" in waiting:
            *lines, waiting = LINE_END.split(waiting)
        else:
            *lines, waiting = waiting.split("\n")
        alike, number = Pieces(mould.choice if mould else 0), 0
        while number < len(lines):
            line, whole = lines[number], event.is_empty and lines[number + 1 : number + 2] == [""]
            if whole and mould and (text := mould.piece_in(line)) is not None:
                alike.append(text)
                number += 2
                continue
            if alike:
                yield alike
            found = event.add(line)
            if whole:
                found += event.add("")
                number += 1
            number += 1
            mould = Mould.of(line, found[0]) if whole and len(found) == 1 else mould if not found else None
            alike = Pieces(mould.choice if mould else 0)
            for value in found:
                if value is DONE:
                    await drain(pieces)
                    return
                yield value
        if alike:
            yield alike
    waiting += decode.decode(b"", final=True)
    if kind == "json":
        for value in documents(waiting):
            yield value
        return
    for line in (waiting.rstrip("\r"), ""):
        for value in event.add(line):
            if value is DONE:
                return
            yield value


LINE_END = re.compile(r"\r\n|\n|\r(?!$)")
"""A last carriage return may be half of a line's end."""


class Pieces(list[str]):
    """Pieces of content of one choice; each was all that was new in its chunk."""

    def __init__(self, choice: int) -> None:
        super().__init__()
        self.choice = choice
        """Index of the choice."""


class Mould(NamedTuple):
    """What stands around the content in the line of a chunk that holds nothing else that is new."""

    before: str
    after: str
    choice: int
    """Index of the choice."""

    @classmethod
    def of(cls, line: str, chunk: Any) -> Mould | None:
        """Return the mould of a chunk; None if it says more than a piece of content."""
        choices = chunk.get("choices") if isinstance(chunk, dict) and not chunk.get("error") else None
        choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
        if not isinstance(choice, dict) or any(choice[key] for key in choice.keys() - {"index", "delta"}):
            return None
        delta, index, begins = choice.get("delta"), choice.get("index"), CONTENT.search(line)
        said = delta.get("content") if isinstance(delta, dict) and len(delta) == 1 else None
        if not said or not isinstance(said, str) or not begins or not isinstance(index, int | None):
            return None
        text, end = DECODER.raw_decode(line, begins.end() - 1)
        alone = text == said and line.count('"content"') == 1
        return cls(line[: begins.end()], line[end - 1 :], index or 0) if alone else None

    def piece_in(self, line: str) -> str | None:
        """Return the piece of content in a line that this mould fits; None if it does not fit."""
        if not line.startswith(self.before):
            return None
        try:
            text, end = DECODER.raw_decode(line, len(self.before) - 1)
        except ValueError:
            return None
        return str(text) if line[end - 1 :] == self.after else None


CONTENT = re.compile(r'"content"\s*:\s*"')


async def drain(pieces: AsyncIterator[bytes]) -> None:
    """Read the little that may follow the end, so that the connection can be used again."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in pieces:
                pass


DONE = object()
FIELD = re.compile(r"(data|event|id|retry|error)(?::[ ]?|$)(.*)", re.DOTALL)
WRAPPED = re.compile(r"(?:data:[ ]?)+(?=(?:data|event|id|retry):)")
"""What precedes a field of a stream that a proxy took for text and wrote into another (`data: data: {}`)."""


class Event:
    """One server-sent event being read, line by line (WHATWG HTML, 9.2.6)."""

    def __init__(self) -> None:
        self.name, self.data = "", list[str]()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of an event has come."""
        return not self.name and not self.data

    def add(self, line: str) -> list[Any]:
        """Return the values that are complete with this line."""
        if line:
            wrapped = WRAPPED.match(line)
            line = line[wrapped.end() :] if wrapped else line
            field = FIELD.match(line)
            if field is None and not line.startswith(":"):
                self.data.append(line)  # a value without the name of its field: some gateways send errors so
            elif field and field[1] == "data":
                self.data.append(field[2])
            elif field and field[1] == "event":
                self.name = field[2]
            elif field and field[1] == "error":  # the format has no such field; llama-server sends it
                self.name, self.data = "error", [*self.data, field[2]]
            return []
        name, data = self.name, self.data
        self.name, self.data = "", []
        return [as_error(value) if name == "error" else value for value in values(data)]


def values(data: list[str]) -> list[Any]:
    """Return the values in an event's lines: one over all lines, or one on each if a server left out blank lines."""
    data = [line for line in data if line.strip() and not line.lstrip().startswith(":")]  # comments sent as data
    if len(data) > 1:
        with suppress(ValueError):
            return [loads("\n".join(data))]
    return [value_of(line) for line in data]


def value_of(line: str) -> Any:
    if line.strip() == "[DONE]":
        return DONE
    try:
        return loads(line)
    except ValueError:
        raise Unreadable(f"a chunk is not JSON: {shortened(line, 200)}") from None


def as_error(value: Any) -> Any:
    """Return the value of an event called `error`, marked as an error."""
    return value if isinstance(value, dict) and value.get("error") else {"error": value}


def kind_of(beginning: str) -> str:
    """Return `json` or `events`, by the first character that is no white space; empty as long as there is none.

    Raises:
        Page: with its first words, if the character begins a web page.
    """
    first = beginning.lstrip()[:1]
    if first == "<":
        words = " ".join(plain(beginning).split())
        raise Page(f"a page, not JSON: {shortened(words or beginning.strip(), 200)}")
    return "" if not first else "json" if first in "{[" else "events"


def documents(text: str) -> list[Any]:
    """Return one JSON document, all in a list of several (Gemini's own streams), or one from each line.

    Raises:
        Unreadable: if it is neither.
    """
    with suppress(ValueError):
        whole = loads(text)
        return whole if isinstance(whole, list) and len(whole) > 1 else [whole]
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line.strip() and not line.startswith(":")]
    try:
        return [loads(line.removeprefix("data:")) for line in lines if line.strip() != "data: [DONE]"]
    except ValueError:
        raise Unreadable(f"JSON that breaks off, or none: {shortened(text, 200)}") from None


def loads(text: str) -> Any:
    """Return JSON as a store can keep it: NaN, Infinity and 1e999 become null.

    Raises:
        ValueError: if it is not JSON.
    """
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark within the text")
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def finite(digits: str) -> float | None:
    number = float(digits)
    return number if abs(number) < float("inf") else None


DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=finite)
