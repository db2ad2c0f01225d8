"""The wire: one streaming client for every OpenAI-compatible endpoint.

Always streams (a server notices a closed stream, but goes on computing a closed plain request), always sets a limit
on tokens, never retries by itself: the ledger does, and logs it.
"""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import openai

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, WrongRequest
from culturepark.models import tokens
from culturepark.models.answers import as_object, assemble, characters, check_length, longest, read, scrubbed
from culturepark.models.chat import Reply, Request, Traits, Usage, spelled_out
from culturepark.models.connections import Connection, connection, require_key
from culturepark.models.mapping import OPTIONAL, map_error, short
from culturepark.models.providers import OPENAI_URL
from culturepark.models.spec import ModelSpec
from culturepark.redact import remember

# Their debug logs hold addresses and headers just as an endpoint sent them, and would pass by all redaction.
for name in ("openai", "httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)

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
        if spec.kind == "openai":
            require_key(spec)
        self.connection = Connection(base_url, api_key or "") if base_url else connection(spec)
        self.endpoint = self.connection.url
        remember(self.connection.key)
        self._unsupported: set[str] = set()
        proxy = self.connection.proxy
        self._client = openai.AsyncOpenAI(
            api_key=self.connection.bearer,
            base_url=self.endpoint,
            default_headers=self.connection.all_headers(),
            default_query=self.connection.query,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=openai.DefaultAsyncHttpxClient(
                transport=httpx2.AsyncHTTPTransport(
                    proxy=proxy.url if proxy else None, trust_env=not loopback, limits=openai.DEFAULT_CONNECTION_LIMITS
                ),
                event_hooks=self.connection.hooks(),
            ),
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
        body |= self.connection.extra
        return {key: value for key, value in body.items() if key not in self._unsupported}

    async def send(self, body: JsonObject) -> Reply:
        beyond = {*LLAMA_ONLY, *self.connection.extra}
        extra = {key: value for key, value in body.items() if key in beyond}
        named = {key: value for key, value in body.items() if key not in beyond}
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


LARGEST = 1e15
"""Its square, and the sum of thousands of those, fits into 32 bits."""


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
            numbers = all(abs(number) < LARGEST for row in rows for number in row)  # NaN is not, either
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
        if not numbers:
            raise BadAnswer(f"{self.endpoint} answered with vectors that hold no numbers")
        usage = response.get("usage")
        prompt = tokens.whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        return Reply("", "stop", response, Usage(prompt, None, 0, "server" if prompt is not None else None))


LLAMA_ONLY = {"grammar", "dry_multiplier", "dry_allowed_length"}
"""Parameters that llama.cpp's server takes beyond the protocol. DRY keeps a model that speaks from going in circles."""
