"""The two batch formats: OpenAI's files of lines, and Anthropic's message batches.

Sources: https://platform.openai.com/docs/guides/batch and
https://platform.claude.com/docs/en/build-with-claude/batch-processing, both as of 2026.
"""

from __future__ import annotations

import json
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Literal

import httpx2
import openai

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, Lacking, ModelError, Unreachable, UsageError
from culturepark.models.anthropic_messages import body_of, completion_of, params_of
from culturepark.models.chat import ChatModel, canonical, digest
from culturepark.models.client import NOT_OURS, EmbeddingModel, OpenAIModel
from culturepark.models.transport import loads
from culturepark.models.wire_errors import map_error
from culturepark.redact import shortened

ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""The form of an id that a service gives; it becomes a part of an address."""
LISTED = 100
"""Batches of an account that are looked through for one whose submission was cut short."""
VERSION = "2023-06-01"
"""Of Anthropic's API."""


@dataclass(frozen=True)
class Remote:
    """A batch as its service describes it."""

    id: str
    state: Literal["open", "ended", "failed"]
    """`failed`: the service took it back as a whole, and nothing of it was answered."""
    word: str = ""
    """The service's own word for the state."""
    finished: int = 0
    """Requests that are answered or have failed so far."""
    expires_at: str | None = None
    files: tuple[str, ...] = ()
    """Ids of the files with results, answers first."""
    faults: tuple[JsonObject, ...] = ()
    """Why it failed; each may name the `line` that is at fault, from 1."""


@dataclass(frozen=True)
class Result:
    """What became of one request."""

    custom_id: str
    status: int
    """The HTTP status that the request got; 0 if it got none."""
    body: Any
    """The answer, or an error."""
    unprocessed: str = ""
    """`expired` or `cancelled` if it was never given to the model."""


class BatchFormat(ABC):
    """One service's way of taking batches from one model's client. All methods that ask raise `ModelError`."""

    kind: str
    most_items: int
    most_bytes: int
    """Of all lines together."""

    def __init__(self, model: OpenAIModel) -> None:
        self.model = model
        self.endpoint = model.endpoint

    @abstractmethod
    def wire(self, body: JsonObject) -> JsonObject:
        """Return the request as it stands in a batch."""

    @abstractmethod
    def body_of(self, wire: JsonObject) -> JsonObject:
        """Return the chat request that `wire` was made of, as far as an answer is read by it."""

    @abstractmethod
    def custom_id(self, call_id: str) -> str:
        """Return the name of a request within its batch."""

    @abstractmethod
    def line(self, custom_id: str, wire: JsonObject) -> str: ...

    @abstractmethod
    async def check(self) -> None:
        """
        Raises:
            UsageError: if the endpoint has no batches.
        """

    @abstractmethod
    async def submit(self, name: str, lines: Iterable[str]) -> Remote: ...

    @abstractmethod
    async def find(self, name: str, since: str, items: int) -> Remote | None:
        """Return a batch that was submitted although no answer came back; None if there is none.

        Args:
            since: when it was about to be submitted, in UTC.
            items: how many requests it has.
        """

    @abstractmethod
    async def look(self, remote_id: str) -> Remote: ...

    @abstractmethod
    def results(self, remote: Remote) -> AsyncIterator[Result]:
        """Yield the results that can be read, in any order; lines that cannot are left out."""

    @abstractmethod
    def completion(self, body: Any) -> Any:
        """Return the chat completion in an answer."""

    async def _asking(self, ask: Callable[[], Any]) -> Any:
        try:
            return await ask()
        except NOT_OURS as error:
            raise map_error(error, self.endpoint, {}) from error

    async def _look_for_batches(self, path: str, headers: JsonObject) -> None:
        """Ask for the account's newest batch, which costs nothing."""
        try:
            answer = await self._asking(
                lambda: self.model.client.get(
                    path,
                    cast_to=httpx2.Response,
                    options={"params": {"limit": 1}, "headers": headers},
                )
            )
            listed = loads(answer.text)
            if isinstance(listed, dict) and isinstance(listed.get("data"), list):
                return
            said = f"at {path} it answered {shortened(answer.text, 100)}"
        except ModelError as error:
            status = error.__cause__.status_code if isinstance(error.__cause__, openai.APIStatusError) else None
            if status not in (404, 405, 501):
                if error.retryable:  # whoever starts a command can start it again
                    raise Unreachable(str(error), kind=error.kind) from error
                raise
            said = f"it answered {status} at {path}"
        except ValueError:
            said = f"at {path} it answered no JSON"
        raise UsageError(f"{self.endpoint} has no batches: {said}; leave out --batch for its models")


class OpenAIFormat(BatchFormat):
    """A file with one request a line, and files with results; also of services that copy OpenAI's API."""

    kind = "openai"
    most_items = 50_000
    most_bytes = 190_000_000  # of 200 MB; the rest is for their way of counting

    def wire(self, body: JsonObject) -> JsonObject:
        return {key: value for key, value in body.items() if key not in ("stream", "stream_options")}

    def body_of(self, wire: JsonObject) -> JsonObject:
        return wire

    def custom_id(self, call_id: str) -> str:
        return call_id

    def line(self, custom_id: str, wire: JsonObject) -> str:
        return canonical({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": wire})

    async def check(self) -> None:
        await self._look_for_batches("/batches", {})

    async def submit(self, name: str, lines: Iterable[str]) -> Remote:
        client = self.model.client
        with written(lines) as file:
            upload = await self._asking(lambda: client.files.create(file=(f"{name}.jsonl", file), purpose="batch"))
        batch = await self._asking(
            lambda: client.batches.create(
                input_file_id=checked(upload.id, self.endpoint),
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"culturepark": name},
            )
        )
        return self._remote(batch)

    async def find(self, name: str, since: str, items: int) -> Remote | None:  # noqa: ARG002 - the name tells
        page = await self._asking(lambda: self.model.client.batches.list(limit=LISTED))
        for batch in page.data or []:
            if (getattr(batch, "metadata", None) or {}).get("culturepark") == name:
                return self._remote(batch)
        return None

    async def look(self, remote_id: str) -> Remote:
        there = checked(remote_id, self.endpoint)
        return self._remote(await self._asking(lambda: self.model.client.batches.retrieve(there)))

    def _remote(self, batch: Any) -> Remote:
        """Read a batch; the client library checks nothing of what came."""
        word = str(getattr(batch, "status", None) or "")
        counts = getattr(batch, "request_counts", None)
        finished = sum(number_of(getattr(counts, name, 0)) for name in ("completed", "failed"))
        files = [getattr(batch, name, None) for name in ("output_file_id", "error_file_id")]
        faults = getattr(getattr(batch, "errors", None), "data", None)
        over: dict[str, Literal["open", "ended", "failed"]] = {
            "failed": "failed",
            "completed": "ended",
            "expired": "ended",
            "cancelled": "ended",
        }
        return Remote(
            checked(getattr(batch, "id", None), self.endpoint),
            over.get(word, "open"),
            word,
            finished,
            moment_of(getattr(batch, "expires_at", None)),
            tuple(checked(name, self.endpoint) for name in files if name),
            tuple(
                {key: getattr(fault, key, None) for key in ("code", "message", "line", "param")}
                for fault in (faults if isinstance(faults, list) else ())
            ),
        )

    async def results(self, remote: Remote) -> AsyncIterator[Result]:
        for file_id in remote.files:
            try:
                async with self.model.client.files.with_streaming_response.content(file_id) as answer:
                    async for line in answer.iter_lines():
                        if result := self._result(line):
                            yield result
            except NOT_OURS as error:
                raise map_error(error, self.endpoint, {}) from error

    def _result(self, line: str) -> Result | None:
        item = object_in(line)
        custom_id = item.get("custom_id")
        if not isinstance(custom_id, str):
            return None
        answer, error = item.get("response"), item.get("error")
        if isinstance(answer, dict) and isinstance(answer.get("status_code"), int):
            return Result(custom_id, answer["status_code"], answer.get("body"))
        if isinstance(error, dict):
            code = str(error.get("code"))
            word = next((word for word in ("expired", "cancelled") if word in code), "")
            return Result(custom_id, 0, error, word)
        return None

    def completion(self, body: Any) -> Any:
        return body


class AnthropicFormat(BatchFormat):
    """Requests to the Messages API, and one stream of results."""

    kind = "anthropic"
    most_items = 5_000  # of 100,000, since one answer holds the results of all
    most_bytes = 32_000_000  # of 256 MB, since the body is made in memory

    def wire(self, body: JsonObject) -> JsonObject:
        return params_of(body)

    def body_of(self, wire: JsonObject) -> JsonObject:
        return body_of(wire)

    def custom_id(self, call_id: str) -> str:
        """Return 64 hex digits: only letters, digits, - and _ are taken, and no more than 64 of them."""
        return digest(call_id)

    def line(self, custom_id: str, wire: JsonObject) -> str:
        return canonical({"custom_id": custom_id, "params": wire})

    @property
    def _headers(self) -> JsonObject:
        """The native API takes the key in a header of its own, and no other beside it."""
        key = self.model.connection.key
        if not key:
            raise Lacking(f"{self.endpoint}: batches need the key itself: set ANTHROPIC_API_KEY")
        return {"x-api-key": key, "anthropic-version": VERSION, "Authorization": openai.Omit()}

    async def _json(self, method: Literal["get", "post"], path: str, **options: Any) -> Any:
        async def ask() -> Any:
            given: Any = {"headers": self._headers, **({"params": options["params"]} if "params" in options else {})}
            if method == "get":
                return await self.model.client.get(path, cast_to=httpx2.Response, options=given)
            return await self.model.client.post(path, cast_to=httpx2.Response, body=options["body"], options=given)

        return await self._asking(ask)

    async def check(self) -> None:
        await self._look_for_batches("/messages/batches", self._headers)

    async def submit(self, name: str, lines: Iterable[str]) -> Remote:  # noqa: ARG002 - a batch has no name there
        body = {"requests": [json.loads(line) for line in lines]}
        return self._remote(loads((await self._json("post", "/messages/batches", body=body)).text))

    async def find(self, name: str, since: str, items: int) -> Remote | None:  # noqa: ARG002
        """Return the newest batch of as many requests that was made since: no batch has a name there.

        That it is the right one shows when its results come: they have the digests of our own calls.
        """
        answer = await self._json("get", "/messages/batches", params={"limit": LISTED})
        listed = object_in(answer.text).get("data")
        for batch in listed if isinstance(listed, list) else []:
            if not isinstance(batch, dict):
                continue
            counts = batch.get("request_counts")
            total = sum(map(number_of, counts.values())) if isinstance(counts, dict) else 0
            created = str(batch.get("created_at") or "")
            if total == items and instant(created) is not None and (instant(created) or 0) >= (instant(since) or 0) - 1:
                return self._remote(batch)
        return None

    async def look(self, remote_id: str) -> Remote:
        there = checked(remote_id, self.endpoint)
        return self._remote(loads((await self._json("get", f"/messages/batches/{there}")).text))

    def _remote(self, batch: Any) -> Remote:
        if not isinstance(batch, dict):
            raise BadAnswer(f"{self.endpoint} described a batch in a way that cannot be read")
        word = str(batch.get("processing_status") or "")
        counts = batch.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        finished = sum(number_of(count) for name, count in counts.items() if name != "processing")
        expires = batch.get("expires_at")
        return Remote(
            checked(batch.get("id"), self.endpoint),
            "ended" if word == "ended" else "open",
            word,
            finished,
            expires if isinstance(expires, str) and instant(expires) is not None else None,
        )

    async def results(self, remote: Remote) -> AsyncIterator[Result]:
        # Not `results_url`: the key goes to no address that an answer names.
        answer = await self._json("get", f"/messages/batches/{remote.id}/results")
        for line in answer.text.splitlines():
            item = object_in(line)
            custom_id, result = item.get("custom_id"), item.get("result")
            if not isinstance(custom_id, str) or not isinstance(result, dict):
                continue
            kind = result.get("type")
            if kind == "succeeded":
                yield Result(custom_id, 200, result.get("message"))
            elif kind in ("expired", "canceled"):
                yield Result(custom_id, 0, {}, "expired" if kind == "expired" else "cancelled")
            elif kind == "errored":
                error = result.get("error")
                inner = error.get("error") if isinstance(error, dict) else None
                yield Result(custom_id, 0, inner or error)

    def completion(self, body: Any) -> Any:
        return completion_of(body)


FORMATS: dict[str, type[BatchFormat]] = {form.kind: form for form in (OpenAIFormat, AnthropicFormat)}
"""Name of a format, as `endpoints.toml` has it -> its class."""


def format_of(model: ChatModel) -> BatchFormat | None:
    """Return how a model takes batches; None for one that takes none."""
    if not model.spec.of.batches:
        return None
    if not isinstance(model, OpenAIModel) or isinstance(model, EmbeddingModel):
        return None
    name = model.connection.batches
    return FORMATS[name](model) if name in FORMATS else None


# --- what came -----------------------------------------------------------------------------------------


def written(lines: Iterable[str]) -> IO[bytes]:
    """Return a temporary file with these lines, at its beginning; it is gone once it is closed."""
    file = tempfile.SpooledTemporaryFile(max_size=8_000_000)  # noqa: SIM115 - the caller closes it
    for line in lines:
        file.write(line.encode("ascii") + b"\n")
    file.seek(0)
    return file


def checked(name: object, endpoint: str) -> str:
    """Return an id that may stand in an address.

    Raises:
        BadAnswer: if it is none; it may come from a store, too.
    """
    if isinstance(name, str) and ID.fullmatch(name):
        return name
    raise BadAnswer(f"{endpoint}: {shortened(str(name), 60)!r} is no id of a batch or a file")


def object_in(line: str) -> JsonObject:
    """Return the JSON object in a text; an empty one if there is none."""
    try:
        value = loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def number_of(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def moment_of(seconds: object) -> str | None:
    """Return a Unix time as ISO 8601 in UTC; None if it is none."""
    if not isinstance(seconds, int):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def instant(moment: str) -> float | None:
    """Return a time in ISO 8601 as seconds since 1970; None if it is none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        return None


def fault_lines(faults: Sequence[JsonObject]) -> dict[int, JsonObject]:
    """Return the faults that name a line, by its number from 1."""
    return {fault["line"]: fault for fault in faults if isinstance(fault.get("line"), int)}
