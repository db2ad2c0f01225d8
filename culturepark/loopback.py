"""A server on this machine's own address: one request, one answer, in JSON or a page.

Every request needs a loopback name as its host, so that a page from elsewhere whose name was pointed here gets nothing,
and none comes from another page. What is sent is JSON in a POST, which a page from elsewhere cannot send without being
asked first, and is answered in no such case.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from culturepark.errors import CultureparkError, StoreError, UsageError
from culturepark.terminal.safe import safe, show_origin, tell

ADDRESS = "127.0.0.1"
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
"""Names by which a client may have found this machine; the port may be a tunnel's."""
LARGEST = 64 * 1024
"""Bytes of a request's body, where a handler does not take more."""
PATIENCE_SECONDS = 20.0
"""For a request that was begun and does not come."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING = "default-src 'none'"
"""The policy of what is no page."""


class Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class LoopbackServer(ThreadingHTTPServer):
    """Serves until it is shut down."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int, handler: type[LoopbackHandler]) -> None:
        """
        Args:
            port: 0 for any that is free.
        Raises:
            StoreError: if the port cannot be had.
        """
        try:
            super().__init__((ADDRESS, port), handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"--port {port}: {why}; another one, or none for one that is free") from None

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    def handle_error(self, *_: Any) -> None:
        """Name a bug; a client that goes away in the middle is no trouble."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            show_origin(error)
            tell(f"a bug, sorry: a request ended with {type(error).__name__}; CULTUREPARK_DEBUG=1 shows where")

    def serve(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()


class LoopbackHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS
    server_version, sys_version = "culturepark", ""
    largest = LARGEST

    def do_GET(self) -> None:
        self.reply(self.get)

    def do_POST(self) -> None:
        self.reply(self.post)

    def get(self) -> tuple[str, bytes]:
        """Return the type and the body of the answer to a GET."""
        raise Refused(HTTPStatus.NOT_FOUND, "nothing here")

    def post(self) -> tuple[str, bytes]:
        """Return the type and the body of the answer to a POST."""
        raise Refused(HTTPStatus.NOT_FOUND, "nothing here")

    def log_message(self, *_: Any) -> None:
        """Log nothing: a path may hold a token."""

    def policy(self, kind: str) -> str:  # noqa: ARG002 - pages have their own
        """Return the content security policy of an answer of this type."""
        return NOTHING

    def error_body(self, why: str) -> bytes:
        return json.dumps({"error": why}).encode()

    def reply(self, made: Callable[[], tuple[str, bytes]]) -> None:
        """Answer with what is made, which is a type and a body, or with the error that it raises."""
        status, kind, body = HTTPStatus.OK, "application/json", b""
        try:
            self.check_host()
            kind, body = made()
        except Refused as no:
            status, body = no.status, self.error_body(no.why)
            self.close_connection = True  # its body may not have been read
        except CultureparkError as error:
            wrong = isinstance(error, UsageError)
            status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.SERVICE_UNAVAILABLE
            body = self.error_body(safe(error))
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", self.policy(kind))
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def check_host(self) -> None:
        host = self.headers.get("Host", "")
        if not HOST.fullmatch(host):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this machine")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(HTTPStatus.FORBIDDEN, "from another page")

    def sent(self) -> Mapping[str, Any]:
        """Return the JSON object of a request.

        Raises:
            Refused: if there is none.
        """
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is wanted")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a length is wanted")
        if int(length) > self.largest:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{self.largest} bytes are the most")
        try:
            sent = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "no JSON") from None
        if not isinstance(sent, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "an object is wanted")
        return sent
