"""One OpenAI-compatible address for a local model and its adapters: a request's `model` says which answers.

It stands in front of llama.cpp, which chooses adapters by number and in a field of its own. It checks who asks, puts
that field in, and passes on what llama.cpp answers as it comes.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx2

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable, UsageError
from culturepark.files import clipped, some_of
from culturepark.models.local import LocalModel, start_together
from culturepark.models.spec import ModelSpec
from culturepark.models.weights import Progress
from culturepark.redact import remember
from culturepark.terminal.safe import show_origin, tell

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HERE = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
"""Names by which this machine is asked for; the port may be a tunnel's."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
ASKED = ("/v1/chat/completions", "/v1/completions")
LARGEST = 8 * 1024 * 1024
"""Bytes of a request's body."""
PATIENCE_SECONDS = 60.0
"""For a request that was begun and does not come."""
KEY_LENGTH = 16
"""Characters of a key at least, where others can try some."""
SLOTS = 4
"""Requests that are answered at once; more wait."""
READ = httpx2.Timeout(600, connect=10)
OURS = ("lora", "id_slot")
"""Fields of a request by which somebody could have an answer of another adapter than the one that they name."""


class Denied(Exception):
    """A request that is not passed on."""

    def __init__(self, status: HTTPStatus, why: str, code: str = "invalid_request") -> None:
        super().__init__(why)
        self.status, self.why, self.code = status, why, code


class Gateway(ThreadingHTTPServer):
    """Passes requests on to the models of one llama.cpp until it is shut down."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, models: Mapping[str, LocalModel], base: str, host: str, port: int, key: str = "") -> None:
        """
        Args:
            models: by the names that requests use.
            base: the name of the one without an adapter, which answers where a request names none.
            port: 0 for any that is free.
            key: wanted of whoever asks; empty for nobody.
        Raises:
            UsageError: if the port cannot be had.
        """
        self.models, self.base, self.key, self.host = models, base, key, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.server_of_models = models[base].server
        self.client = httpx2.Client(
            base_url=self.server_of_models.url,
            headers={"Authorization": f"Bearer {self.server_of_models.token}"},
            timeout=READ,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),  # llama.cpp hangs up when one has been idle for seconds
        )
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"--host {clipped(host)} --port {port}: {why}; name another, or no port") from None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/v1"

    def server_close(self) -> None:
        super().server_close()
        self.client.close()

    def handle_error(self, *_: Any) -> None:
        """Name a bug; somebody who goes away in the middle is no trouble."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            show_origin(error)
            tell(f"a bug, sorry: a request ended with {type(error).__name__}; CULTUREPARK_DEBUG=1 shows where")

    def passed_on(self, sent: JsonObject) -> JsonObject:
        """Return the request as llama.cpp gets it.

        Raises:
            Denied: if it names a model that is not served.
        """
        name = sent.get("model") or self.base
        if not isinstance(name, str) or name not in self.models:
            known = some_of(list(self.models), 20)
            raise Denied(HTTPStatus.NOT_FOUND, f"no model {clipped(name)}; there are {known}", "model_not_found")
        kept = {key: value for key, value in sent.items() if key not in OURS}
        return kept | {"model": name} | self.models[name].choice


class Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS
    server_version, sys_version = "culturepark", ""

    def do_GET(self) -> None:
        self._guarded(self._listed)

    def do_POST(self) -> None:
        self._guarded(self._asked)

    def log_message(self, *_: Any) -> None:
        """Log nothing: questions and answers are nobody else's."""

    def _guarded(self, answer: Callable[[], None]) -> None:
        try:
            self._check_who_asks()
            answer()
        except Denied as no:
            self.close_connection = True  # its body may not have been read
            said = {"message": no.why, "type": "invalid_request_error", "param": None, "code": no.code}
            self._send(no.status, {"error": said})

    def _check_who_asks(self) -> None:
        """
        Raises:
            Denied: without the key; and where there is none, if a page from elsewhere asks by this machine's browser.
        """
        if self.server.key:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if not compare_digest(given.encode(), self.server.key.encode()):
                raise Denied(HTTPStatus.UNAUTHORIZED, "the key is wrong or missing", "invalid_api_key")
            return
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if not HERE.fullmatch(host):
            raise Denied(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this machine")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Denied(HTTPStatus.FORBIDDEN, "from another page")

    def _listed(self) -> None:
        match urlsplit(self.path).path:
            case "/v1/models":
                rows = [{"id": name, "object": "model", "owned_by": "culturepark"} for name in self.server.models]
                self._send(HTTPStatus.OK, {"object": "list", "data": rows})
            case "/health":
                self._send(HTTPStatus.OK, {"status": "ok"})
            case _:
                raise Denied(HTTPStatus.NOT_FOUND, f"GET /v1/models, or POST {' or '.join(ASKED)}")

    def _asked(self) -> None:
        path = urlsplit(self.path).path
        if path not in ASKED:
            raise Denied(HTTPStatus.NOT_FOUND, f"GET /v1/models, or POST {' or '.join(ASKED)}")
        body = self.server.passed_on(self._body())
        try:
            with self.server.client.stream("POST", path, json=body) as answer:
                self._pass_back(answer, str(body["model"]))
        except (httpx2.HTTPError, ValueError) as error:
            raise Denied(
                HTTPStatus.BAD_GATEWAY, f"llama.cpp gave no answer: {type(error).__name__}", "server"
            ) from None

    def _body(self) -> JsonObject:
        if self.headers.get_content_type() != "application/json":  # which a page from elsewhere cannot send unasked
            raise Denied(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is wanted")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            raise Denied(HTTPStatus.LENGTH_REQUIRED, "a length is wanted")
        if int(length) > LARGEST:
            raise Denied(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{LARGEST} bytes are the most")
        try:
            sent = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Denied(HTTPStatus.BAD_REQUEST, "no JSON") from None
        if not isinstance(sent, dict):
            raise Denied(HTTPStatus.BAD_REQUEST, "an object is wanted")
        return sent

    def _pass_back(self, answer: httpx2.Response, name: str) -> None:
        """Send on what llama.cpp sends, as it comes. If whoever asked is gone, llama.cpp hears of it.

        Args:
            name: of the model that answers; llama.cpp gives the path of its file in place of it.
        """
        kind = answer.headers.get("content-type", "application/json")
        if not kind.startswith("text/event-stream"):
            self._send(HTTPStatus(answer.status_code), named(json.loads(answer.read()), name))
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        in_pieces = self.request_version != "HTTP/1.0"  # which knows only an end by hanging up
        self.send_header(*(("Transfer-Encoding", "chunked") if in_pieces else ("Connection", "close")))
        self.end_headers()
        try:
            for line in answer.iter_lines():
                word, _, data = line.partition(" ")
                if word == "data:" and data.startswith("{"):
                    line = f"data: {json.dumps(named(json.loads(data), name))}"
                piece = f"{line}\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if in_pieces else piece)
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n" if in_pieces else b"")
        except (httpx2.HTTPError, ValueError):  # the head is sent; an answer without its end is seen to be broken
            self.close_connection = True

    def _send(self, status: HTTPStatus, shown: JsonObject) -> None:
        body = json.dumps(shown).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def named(answer: Any, name: str) -> Any:
    return answer | {"model": name} if isinstance(answer, dict) and "model" in answer else answer


def check_address(host: str, key: str) -> None:
    """
    Raises:
        UsageError: if others could reach the model and no key is wanted of them.
    """
    if key and len(key) < KEY_LENGTH:
        raise UsageError(f"CULTUREPARK_SERVE_KEY: at least {KEY_LENGTH} characters are wanted")
    if host not in LOOPBACK and not key:
        raise UsageError(
            f"--host {clipped(host)}: others could use the model; set CULTUREPARK_SERVE_KEY to a key that they have to "
            "send, or serve on 127.0.0.1"
        )


def named_specs(base: ModelSpec, adapters: list[str]) -> dict[str, ModelSpec]:
    """Return what is served by its name: the base, and `NAME=PATH` of each adapter over it.

    Raises:
        UsageError: if it cannot be.
    """
    if not base.of.adapts:
        raise UsageError(f"{base}: only a model on this machine is served: embedded, gguf:PATH or hf:REPO/FILE")
    if base.adapter:
        raise UsageError(f"{base}: name adapters by --adapter NAME={base.adapter}")
    specs = {name_of(base): base}
    for text in adapters:
        name, _, path = text.partition("=")
        if not NAME.fullmatch(name) or not path:
            raise UsageError(
                f"--adapter {clipped(text, 100)}: must be NAME=PATH, the name of letters, digits, . - and _"
            )
        if name in specs:
            raise UsageError(f"--adapter {clipped(text, 100)}: {name} names another model already")
        specs[name] = ModelSpec(base.kind, base.name, base.where, path)
    for spec in specs.values():
        spec.of.check(spec)
    return specs


def name_of(base: ModelSpec) -> str:
    """Return the name under which a base is served: `embedded`, or its file's without the ending."""
    file = re.split(r"[/\\]", base.name)[-1]
    return file.removesuffix(".gguf") or base.kind


async def serve(
    specs: Mapping[str, ModelSpec], host: str, port: int, key: str, progress: Progress, ready: Callable[[Gateway], None]
) -> None:
    """Serve until Ctrl-C.

    Args:
        specs: by name, all over one base, which comes first.
        ready: called when requests are taken.
    Raises:
        CultureparkError: if a model cannot be had.
        Unreachable: if llama.cpp ends by itself.
    """
    remember(key)
    models = await start_together(list(specs.values()), SLOTS, progress)
    try:
        gateway = Gateway({name: models[spec] for name, spec in specs.items()}, next(iter(specs)), host, port, key)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError, RuntimeError):  # not in a thread, and not on Windows
                loop.add_signal_handler(number, stop.set)
        serving = loop.run_in_executor(None, gateway.serve_forever, 0.1)
        try:
            ready(gateway)
            asked_to_stop = asyncio.ensure_future(stop.wait())
            ended = asyncio.ensure_future(gateway.server_of_models.child.wait())
            await asyncio.wait((asked_to_stop, ended), return_when=asyncio.FIRST_COMPLETED)
            if not asked_to_stop.done():
                raise Unreachable(f"llama.cpp has ended by itself, with {ended.result()}")
            ended.cancel()
        finally:
            gateway.shutdown()
            await serving
            gateway.server_close()
    finally:
        for model in models.values():
            await model.close()
