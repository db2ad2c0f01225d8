"""The queue in a browser: one page and four requests, on this machine's own address, for whoever has the link.

Every request needs the token in its path and a loopback name as its host, so that neither another user's program nor a
page from elsewhere whose name was pointed here gets anything. What changes something is a POST of JSON, which a page
from elsewhere cannot send without being asked first, and is answered in no such case.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from culturepark.domain import SEVERAL_LANGUAGES, JsonObject
from culturepark.errors import CultureparkError, StoreError, UsageError
from culturepark.interface import language, tr
from culturepark.interface.pages import tr_html, words_for, words_script
from culturepark.report.page import digest
from culturepark.review.desk import Desk
from culturepark.review.row import RowView
from culturepark.store.reviewer import named
from culturepark.terminal.blocks import Para
from culturepark.terminal.safe import editable, safe, show_origin, tell

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
"""Names by which a browser may have found this machine; the port may be a tunnel's."""
LARGEST = 64 * 1024
"""Bytes of a request's body."""
LONGEST = 4000
"""Characters of a wording and of a note."""
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


class Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class ReviewServer(ThreadingHTTPServer):
    """Serves the rows of a desk until it is shut down."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, desk: Desk, title: str, port: int = 0, languages: Sequence[str] = ()) -> None:
        """
        Args:
            languages: codes of those of which rows are handed out; none for all.
            port: 0 for any that is free.
        Raises:
            StoreError: if the port cannot be had.
        """
        self.desk, self.title, self.languages = desk, title, tuple(languages) or tuple(desk.languages)
        self.token = token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"--port {port}: {why}; another one, or none for one that is free") from None

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, *_: Any) -> None:
        """Name a bug; a browser that goes away in the middle is no trouble."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            show_origin(error)
            tell(f"a bug, sorry: a request ended with {type(error).__name__}; CULTUREPARK_DEBUG=1 shows where")

    def serve(self) -> None:
        """Serve until Ctrl-C; what was being stored then is stored."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()
            self.desk.settle()


class Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS
    server_version, sys_version = "culturepark", ""

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._called)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the path holds the token."""

    def _answer(self, made: Callable[[], tuple[str, bytes]]) -> None:
        status, kind, body = HTTPStatus.OK, "application/json", b""
        try:
            self._check_host()
            kind, body = made()
        except Refused as no:
            status, body = no.status, json.dumps({"error": no.why}).encode()
            self.close_connection = True  # its body may not have been read
        except CultureparkError as error:
            wrong = isinstance(error, UsageError)
            status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.SERVICE_UNAVAILABLE
            body = json.dumps({"error": safe(error)}).encode()
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", policy() if kind == "text/html" else "default-src 'none'")
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _check_host(self) -> None:
        host = self.headers.get("Host", "")
        if not HOST.fullmatch(host):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this machine")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(HTTPStatus.FORBIDDEN, "from another page")

    def _place(self) -> str:
        """Return the path below the token."""
        _, token, place = (*self.path.split("/", 2), "", "")[:3]
        if not compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the link is not whole, or of an earlier sitting")
        return place

    def _page(self) -> tuple[str, bytes]:
        if self._place():
            raise Refused(HTTPStatus.NOT_FOUND, "there is one page here")
        return "text/html", page(self.server.title, self.server.languages, language()).encode("utf-8", "replace")

    def _called(self) -> tuple[str, bytes]:
        place = self._place()
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is wanted")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a length is wanted")
        if int(length) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{LARGEST} bytes are the most")
        try:
            sent = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "no JSON") from None
        if not isinstance(sent, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "an object is wanted")
        return "application/json", json.dumps(answer(self.server.desk, place, sent, self.server.languages)).encode()


def answer(desk: Desk, place: str, sent: Mapping[str, Any], offered: Collection[str] = ()) -> JsonObject:
    """Do what a reviewer asks, and return the row that is then in front of them.

    Args:
        offered: codes of languages of which rows are handed out; none for all.
    Raises:
        UsageError: if the request is not well formed.
        Refused: if there is no such request.
    """
    reviewer = named(text(sent, "reviewer"))
    languages = sent.get("languages", [])
    if not (isinstance(languages, list) and all(isinstance(code, str) for code in languages)):
        raise UsageError("languages: a list of codes is wanted")
    languages = [code for code in languages if not offered or code in offered] or list(offered)
    word = ""
    if place == "judge":
        decision = text(sent, "decision")
        if decision not in ("accept", "reject"):
            raise UsageError("decision: accept or reject")
        desk.judge(
            reviewer,
            text(sent, "id"),
            "accept" if decision == "accept" else "reject",
            wording=editable(text(sent, "wording", "")),
            note=editable(text(sent, "note", "")),
        )
    elif place == "skip":
        desk.skip(reviewer, text(sent, "id"))
    elif place == "unskip":
        desk.unskip(reviewer)
    elif place == "undo":
        word = "" if desk.undo(reviewer) else tr("there is nothing to take back")
    elif place != "next":
        raise Refused(HTTPStatus.NOT_FOUND, "no such request")
    row = desk.here(reviewer, languages)
    progress = desk.progress(reviewer, languages)
    return {
        "row": row_json(row) if row else None,
        "progress": vars(progress),
        "line": progress.line(reviewer),
        "said": word,
    }


def text(sent: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = sent.get(name, default)
    if not isinstance(value, str) or len(value) > LONGEST:
        raise UsageError(f"{name}: text of at most {LONGEST} characters is wanted")
    return value


def row_json(row: RowView) -> JsonObject:
    return {
        "id": row.id,
        "about": row.about,
        "language": None if row.language == SEVERAL_LANGUAGES else row.language,
        "rendering": para_json(row.rendering) if row.rendering else None,
        "prompt": [{"role": safe(role), "content": safe(content, lines=True)} for role, content in row.prompt],
        "answer": safe(row.answer, lines=True),
        "behind": [{"title": section.title, "paras": [*map(para_json, section.paras)]} for section in row.behind],
    }


def para_json(para: Para) -> JsonObject:
    """Return head, look and text of a paragraph; the text is cut where a mark begins and ends."""
    start, end = next(((start, end) for start, end, _ in para.marks), (0, 0))
    parts = [safe(part, lines=True) for part in (para.text[:start], para.text[start:end], para.text[end:])]
    return {"head": para.head.strip(), "look": para.look, "text": parts, "language": para.language}


@cache
def part(name: str) -> str:
    return (HERE / name).read_text("utf-8").strip()


@cache
def script() -> str:
    return f"{words_script()}\n{part('page.js')}"


@cache
def policy() -> str:
    """Return the policy of the page: nothing runs and nothing is styled but what is its own; it talks to us alone."""
    ours, style = digest(script()), digest(part("page.css"))
    return (
        f"default-src 'none'; img-src data:; script-src '{ours}'; style-src '{style}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def page(title: str, languages: tuple[str, ...], shown: str) -> str:
    """
    Args:
        languages: of rows.
        shown: the language of the page's own words, which is the one that is shown now.
    """
    made = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    made.globals.update(tr=tr_html, language=shown, words=words_for("culturepark/review/page.js"))
    template = made.get_template("page.html")
    return template.render(title=title, languages=languages, style=part("page.css"), script=script())
