"""The queue in a browser: one page and four requests, on this machine's own address, for whoever has the link.

Every request needs the token in its path, so that another user's program gets nothing; `loopback` keeps pages from
elsewhere out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from hmac import compare_digest
from http import HTTPStatus
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from culturepark.domain import SEVERAL_LANGUAGES, JsonObject
from culturepark.errors import UsageError
from culturepark.interface import language, tr
from culturepark.interface.pages import tr_html, words_for, words_script
from culturepark.loopback import LoopbackHandler, LoopbackServer, Refused
from culturepark.report.page import digest
from culturepark.review.desk import Desk
from culturepark.review.row import RowView
from culturepark.store.reviewer import named
from culturepark.terminal.blocks import Para
from culturepark.terminal.safe import editable, safe

HERE = Path(__file__).parent
LONGEST = 4000
"""Characters of a wording and of a note."""


class ReviewServer(LoopbackServer):
    """Serves the rows of a desk until it is shut down."""

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
        super().__init__(port, Handler)

    @property
    def url(self) -> str:
        return f"{super().url}{self.token}/"

    def serve(self) -> None:
        """Serve until Ctrl-C; what was being stored then is stored."""
        try:
            super().serve()
        finally:
            self.desk.settle()


class Handler(LoopbackHandler):
    server: ReviewServer

    def policy(self, kind: str) -> str:
        return policy() if kind == "text/html" else super().policy(kind)

    def _place(self) -> str:
        """Return the path below the token."""
        _, token, place = (*self.path.split("/", 2), "", "")[:3]
        if not compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the link is not whole, or of an earlier sitting")
        return place

    def get(self) -> tuple[str, bytes]:
        if self._place():
            raise Refused(HTTPStatus.NOT_FOUND, "there is one page here")
        return "text/html", page(self.server.title, self.server.languages, language()).encode("utf-8", "replace")

    def post(self) -> tuple[str, bytes]:
        place = self._place()
        made = answer(self.server.desk, place, self.sent(), self.server.languages)
        return "application/json", json.dumps(made).encode()


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
