"""One streaming client for every OpenAI-compatible endpoint.

It always streams: a server notices a closed stream, but goes on computing a closed plain request. It always sets a
limit on tokens. It never retries by itself: the ledger does, and logs it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import ssl
from array import array
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import openai

from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, ModelError, Unreachable, UsageError
from culturepark.models import tokens
from culturepark.models.chat import Reply, Request, Traits, Usage, spelled_out, token_limit
from culturepark.models.connections import Connection, connection, foreign_headers, require_key
from culturepark.models.providers import OPENAI_URL
from culturepark.models.replies import as_object, assemble, longest, most_bytes, read, scrubbed
from culturepark.models.spec import ModelSpec
from culturepark.models.transport import Bounded, loads, payloads
from culturepark.models.wire_errors import error_in_body, map_error
from culturepark.redact import remember

# Debug logs of these libraries hold addresses and headers as an endpoint sent them, without redaction.
for name in ("openai", "httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)

TIMEOUT = httpx2.Timeout(300, connect=None)
"""Seconds. A slow local model may take minutes to read a long prompt before its first token. How long a connection may
take is bound by the transport."""
WHOLE, A_TOKEN = 600.0, 1.0
"""Seconds that a whole call may take, and for each token asked for. A slower endpoint sends a trickle."""
LOOK = 5.0
"""Seconds for an answer that nothing depends on."""


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
        if spec.needs_key:
            require_key(spec)
        self.connection = Connection(base_url, api_key or "") if base_url else connection(spec)
        self.endpoint = self.connection.url
        remember(self.connection.key)
        proxy = self.connection.proxy
        headers: dict[str, Any] = dict.fromkeys(foreign_headers(self.endpoint), openai.Omit())
        headers |= self.connection.all_headers()
        self._client = openai.AsyncOpenAI(
            api_key=self.connection.bearer,
            base_url=self.endpoint,
            default_headers=headers,
            default_query=self.connection.query,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=openai.DefaultAsyncHttpxClient(
                transport=Bounded(http_transport(proxy.url if proxy else None, trust_env=not loopback)),
                event_hooks=self.connection.hooks(),
            ),
        )

    @property
    def client(self) -> openai.AsyncOpenAI:
        """The library's client, for other addresses of the same endpoint than that of chats."""
        return self._client

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
        return body | self.connection.extra

    async def send(self, body: JsonObject) -> Reply:
        try:
            async with asyncio.timeout(seconds_for(body)):
                # The body is posted as it is, with parameters that only some servers take. Not `completions.create`:
                # it looks at each of its parameters by the types of them all, and makes an object of each chunk.
                stream = openai.AsyncStream[Any]  # of no effect where a response is asked for
                posted = self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=body, stream=True, stream_cls=stream
                )
                raw = cast("httpx2.Response", await posted)
                try:
                    chunks = payloads(raw.aiter_raw(), most_bytes(body))  # decompressed by `Bounded` already
                    response = scrubbed(await assemble(chunks, longest(body), self.endpoint, body))
                    return read(response, body, self.endpoint)
                finally:
                    await raw.aclose()
        except Unreachable as error:
            raise self._with_key_advice(error) from None
        except NOT_OURS as error:
            raise self._with_key_advice(map_error(error, self.endpoint, body)) from error

    def _with_key_advice(self, error: ModelError) -> ModelError:
        """Return an error; one about the key also says where the key comes from."""
        if isinstance(error, Unreachable) and error.about_key:
            return Unreachable(f"{error} ({self.connection.key_advice})", kind=error.kind)
        return error

    async def look(self, url: str, body: Any = None) -> Any:
        """Return the JSON at an address of this endpoint, of whatever shape; None where there is none.

        Args:
            url: with scheme and host, which must be the endpoint's own: the key goes there.
            body: posted as JSON; None for a GET.
        """
        if urlsplit(url)[:2] != urlsplit(self.connection.url)[:2]:
            return None
        try:
            async with asyncio.timeout(LOOK):
                if body is None:
                    answer = await self._client.get(url, cast_to=httpx2.Response)
                else:
                    answer = await self._client.post(url, cast_to=httpx2.Response, body=body)
                return loads(answer.text)
        except (ModelError, *NOT_OURS):
            return None

    async def close(self) -> None:
        await self._client.close()


class Proxied(httpx2.AsyncHTTPTransport):
    """Sends through a proxy, and translates the errors of the library for SOCKS, which nobody above knows."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except (httpx2.HTTPError, OSError):
            raise
        except Exception as error:
            said = str(error) or type(error).__name__
            raise httpx2.ProxyError(f"the proxy answered outside the protocol: {said}", request=request) from error


def http_transport(proxy: str | None, *, trust_env: bool) -> httpx2.AsyncBaseTransport:
    """
    Args:
        trust_env: whether the environment may name certificates.
    Raises:
        UsageError: if these cannot be read.
    """
    try:
        kind = Proxied if proxy else httpx2.AsyncHTTPTransport
        named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")) if trust_env else ()
        certificates = certificates_of(named)
        return kind(verify=certificates, proxy=proxy, trust_env=trust_env, limits=openai.DEFAULT_CONNECTION_LIMITS)
    except OSError as error:
        raise UsageError(f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names: {error.strerror}") from error


@cache
def certificates_of(named: tuple[str | None, ...]) -> ssl.SSLContext:
    """Return the certificates that are trusted; `named` is what the environment says. Reading them takes 30 ms."""
    return httpx2.create_ssl_context(trust_env=bool(named))


NOT_OURS = (
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.StreamError,
    OSError,  # TimeoutError among them
    ValueError,
    TypeError,
    KeyError,
    AttributeError,  # JSON of a shape that neither the library nor we expect
    RecursionError,  # or nested too deeply
)
"""Exceptions of the libraries at an unforeseen answer."""


def seconds_for(body: JsonObject) -> float:
    """Return the seconds that the whole call may take."""
    return WHOLE + A_TOKEN * token_limit(body)


LARGEST = 1e15
"""Bound on the numbers of a vector: the sum of thousands of their squares fits into 32 bits."""


def numbers_of(embedding: Any) -> list[float]:
    """Return a vector's numbers; some servers send them as base64 of four bytes each, whatever was asked for."""
    if isinstance(embedding, str):
        return list(array("f", base64.b64decode(embedding, validate=True)))
    return [float(number) for number in embedding]


class EmbeddingModel(OpenAIModel):
    """An endpoint's embeddings. The messages of a request are the texts."""

    def body(self, request: Request) -> JsonObject:
        texts = [message["content"] for message in request.messages]
        return {"model": self.spec.name, "input": texts, "encoding_format": "float"}

    async def send(self, body: JsonObject) -> Reply:
        try:
            async with asyncio.timeout(WHOLE):
                # Not `embeddings.create`: without `encoding_format`, which a server may refuse, it asks for base64.
                answer = await self._client.post("/embeddings", cast_to=httpx2.Response, body=body)
            response = scrubbed(as_object(loads(answer.text)))
            if response.get("error"):
                raise error_in_body(response["error"], self.endpoint, body)
            rows = [numbers_of(row["embedding"]) for row in response["data"]]
            for number, row in enumerate(response["data"]):
                row.setdefault("index", number)
                row["embedding"] = rows[number]
            complete = len(rows) == len(body["input"]) and len({len(row) for row in rows}) == 1 and bool(rows[0])
            numeric = all(abs(number) < LARGEST for row in rows for number in row)  # false for NaN, too
        except Unreachable as error:
            raise self._with_key_advice(error) from None
        except NOT_OURS as error:
            raise self._with_key_advice(map_error(error, self.endpoint, body)) from error
        if not complete:
            raise BadAnswer(f"{self.endpoint} answered with another number of vectors than texts")
        if not numeric:
            raise BadAnswer(f"{self.endpoint} answered with vectors that hold no numbers")
        usage = response.get("usage")
        prompt = tokens.whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        return Reply("", "stop", response, Usage(prompt, None, 0, "server" if prompt is not None else None))
