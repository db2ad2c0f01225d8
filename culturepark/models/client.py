"""The wire: one streaming client for every OpenAI-compatible endpoint.

Always streams (a server notices a closed stream, but goes on computing a closed plain request), always sets a limit
on tokens, never retries by itself: the ledger does, and logs it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, ModelError, Overloaded, Unreachable, UsageError, WrongRequest
from culturepark.models import tokens
from culturepark.models.chat import Reply, Request, Traits, Usage, first_choice, spelled_out
from culturepark.models.spec import ModelSpec, check_url
from culturepark.redact import redact, remember, without_secrets

# Their debug logs hold addresses and headers just as an endpoint sent them, and would pass by all redaction.
for name in ("openai", "httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)

OPENAI_URL = "https://api.openai.com/v1"
TIMEOUT = httpx2.Timeout(300, connect=10)
"""Seconds. A slow local model may take minutes to read a long prompt before its first token."""


class OpenAIModel:
    """A chat model behind an OpenAI-compatible endpoint."""

    def __init__(
        self,
        spec: ModelSpec,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        traits: Traits | None = None,
        loopback: bool = False,
        name: str | None = None,
    ) -> None:
        self.spec = spec
        self.name = name or spec.name
        self.traits = traits or Traits()
        self.endpoint = base_url or base_url_of(spec)
        if spec.kind == "openai":
            require_key(spec)
        key = api_key or api_key_of_the_environment()
        remember(key)
        self._unsupported: set[str] = set()
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self.endpoint,
            max_retries=0,
            timeout=TIMEOUT,
            # A proxy set for the outside world must not get the talk with our own child process.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False) if loopback else None,
        )

    def body(self, request: Request) -> JsonObject:
        official = self.endpoint.startswith(OPENAI_URL)
        body: JsonObject = {
            "model": self.name,
            "messages": [{**message, "content": spelled_out(message["content"])} for message in request.messages],
            # OpenAI's reasoning models refuse the older name; most other servers know only that.
            "max_completion_tokens" if official else "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.schema:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": request.schema.name, "strict": True, "schema": request.schema.schema},
            }
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.grammar and self.traits.grammar and not request.schema:
            body["grammar"] = request.grammar
        if self.traits.grammar and not request.schema and request.max_tokens > 1:
            body |= {"dry_multiplier": 0.5, "dry_allowed_length": 3}
        return {key: value for key, value in body.items() if key not in self._unsupported}

    async def send(self, body: JsonObject) -> Reply:
        extra = {key: value for key, value in body.items() if key in LLAMA_ONLY}
        named = {key: value for key, value in body.items() if key not in LLAMA_ONLY}
        create: Any = self._client.chat.completions.with_streaming_response.create
        try:
            async with create(**named, extra_body=extra or None) as raw:
                content_type = raw.headers.get("content-type", "")
                if "event-stream" in content_type:
                    response = await assemble(await raw.parse(), longest(body))
                elif "json" in content_type:  # a server that does not know how to stream
                    response = as_object(await raw.json())
                    check_length(characters(response), longest(body))
                else:
                    raise BadAnswer(f"{self.endpoint} answered {short(content_type or 'without a type')}, not JSON")
            response = scrubbed(response)
        except (
            openai.OpenAIError,
            httpx2.HTTPError,
            httpx2.StreamError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,  # JSON of a shape that neither the library nor we expect
            RecursionError,  # or nested too deeply
        ) as error:
            mapped = map_error(error, self.endpoint)
            if isinstance(mapped, WrongRequest) and mapped.param in OPTIONAL and mapped.param in body:
                self._unsupported.add(mapped.param)
                mapped.retryable = True  # next time without it
            raise mapped from error
        return read(response, body, self.endpoint)

    async def close(self) -> None:
        await self._client.close()


def require_key(spec: ModelSpec) -> None:
    """
    Raises:
        UsageError: if the spec is OpenAI's own endpoint and there is no key for it.
    """
    if not spec.where and not api_key_of_the_environment():
        raise UsageError(
            f"{spec} needs a key: set OPENAI_API_KEY, or name an endpoint that needs none (openai:NAME@BASE_URL)"
        )


def api_key_of_the_environment() -> str:
    """Without the white space that comes with a key read from a file.

    Raises:
        UsageError: if no header can hold it.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("OPENAI_API_KEY holds characters that no key has")
    return key


def base_url_of(spec: ModelSpec) -> str:
    """
    Raises:
        UsageError: if `OPENAI_BASE_URL` is no URL, or holds a secret.
    """
    own = os.environ.get("OPENAI_BASE_URL")
    if spec.where or not own:
        return spec.where or OPENAI_URL
    return check_url(own, "OPENAI_BASE_URL")


class EmbeddingModel(OpenAIModel):
    """The same endpoint's embeddings: a request's messages are the texts."""

    def body(self, request: Request) -> JsonObject:
        texts = [message["content"] for message in request.messages]
        return {"model": self.spec.name, "input": texts, "encoding_format": "float"}

    async def send(self, body: JsonObject) -> Reply:
        try:
            answer = await self._client.embeddings.create(**body)
            response = scrubbed(answer.model_dump(warnings=False))
            rows = [[float(number) for number in row["embedding"]] for row in response["data"]]
            complete = len(rows) == len(body["input"]) and len({len(row) for row in rows}) == 1 and bool(rows[0])
        except (
            openai.OpenAIError,
            httpx2.HTTPError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            raise map_error(error, self.endpoint) from error
        if not complete:
            raise BadAnswer(f"{self.endpoint} answered with another number of vectors than texts")
        usage = response.get("usage")
        prompt = tokens.whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        return Reply("", "stop", response, Usage(prompt, None, 0, "server" if prompt is not None else None))


WORD = re.compile(r"[\w.-]{1,40}", re.ASCII)
LLAMA_ONLY = {"grammar", "dry_multiplier", "dry_allowed_length"}
"""Parameters that llama.cpp's server takes beyond the protocol. DRY keeps a model that speaks from going in circles."""

OPTIONAL = {"seed", "stop", "temperature", "response_format", "logprobs", "top_logprobs", "stream_options"}
"""Parameters that some models refuse and that we can do without."""


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
    if cleaned != response:
        for choice in cleaned.get("choices") or []:
            choice.pop("logprobs", None)
    return cleaned


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


def map_error(error: Exception, endpoint: str) -> ModelError:
    """Every exception of the client library, or of the HTTP library under it, as one of ours."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException)):
        return Overloaded(f"{endpoint} did not answer in time", kind="timeout")
    if isinstance(error, (openai.APIConnectionError, httpx2.ConnectError)):
        cause = error.__cause__ or error
        if isinstance(cause, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)):  # it had been made
            return Overloaded(f"{endpoint} broke off: {short(cause)}", kind="broken-stream")
        return Overloaded(f"no connection to {endpoint}: {short(cause)}", kind="no-connection")
    if isinstance(error, openai.APIStatusError):
        return map_status(error, endpoint)
    if isinstance(error, openai.APIError):  # an error object inside the stream
        return Overloaded(f"{endpoint} broke off: {short(error.message)}", kind="broken-stream")
    if isinstance(error, (httpx2.HTTPError, httpx2.StreamError)):
        return Overloaded(f"{endpoint} broke off: {type(error).__name__}", kind="broken-stream")
    return BadAnswer(f"{endpoint} answered outside the protocol: {short(error)}")


def map_status(error: openai.APIStatusError, endpoint: str) -> ModelError:
    status = error.status_code
    message = re.sub(r"^Error code: \d+ - ", "", str(error.message))
    said = f"{endpoint} answered {status}: {short(message)}"
    code = str(getattr(error, "code", "") or "")
    if status in (401, 403):
        return Unreachable(f"{said} (check OPENAI_API_KEY)", kind=f"http-{status}")
    if code == "insufficient_quota":
        return Unreachable(said, kind="no-quota")
    if status in (408, 409, 425, 429) or status >= 500:
        return Overloaded(said, kind=f"http-{status}", retry_after=retry_after(error.response.headers))
    if status == 404:
        hint = "" if endpoint.endswith("/v1") else " (most base URLs end in /v1)"
        # No model of this name, or no endpoint at this URL: no other request would fare better.
        return Unreachable(f"{said}{hint}", kind="http-404")
    param = str(getattr(error, "param", None) or "")  # whatever JSON an endpoint put there
    if param not in OPTIONAL and ("context" in code or "context" in error.message.lower()):
        return WrongRequest(said, kind="context-overflow")
    return WrongRequest(said, kind=f"http-{status}", param=param)


def retry_after(headers: Any) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110 10.2.3: seconds, or a date)."""
    from email.utils import parsedate_to_datetime
    from time import time

    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None


def short(said: object) -> str:
    """What an endpoint said, on one line and not long; it may be a whole HTML page."""
    # First of all, since half a key is no longer known for one; but not all of what may be megabytes.
    line = " ".join(redact(str(said)[:10_000]).split())
    return "".join(c for c in line if c.isprintable())[:200] or type(said).__name__
