"""A filter as an endpoint on this machine: `POST /v1/moderations`, as OpenAI's has it, and `GET /v1/models`.

Clients of OpenAI's API need its address alone: `OpenAI(base_url="http://127.0.0.1:PORT/v1", api_key="none")`. A request
may also name `culture`, `language` and `prompt` (what the text answers), which that API does not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.loopback import LoopbackHandler, LoopbackServer, Refused
from culturepark.models.filter import Filter, Text, Verdict, verdicts_now

MOST = 1_000
"""Texts of a request."""
LONGEST = 200_000
"""Characters of a text."""
LARGEST = 8_000_000


class ModerationServer(LoopbackServer):
    """Serves the verdicts of a filter."""

    def __init__(self, filter_: Filter, port: int = 0, threshold: float | None = None, culture: str = "") -> None:
        """
        Args:
            threshold: in place of the filter's own.
            culture: of texts of which a request says none.
            port: 0 for any that is free.
        Raises:
            StoreError: if the port cannot be had.
        """
        self.filter, self.threshold, self.culture = filter_, threshold, culture
        super().__init__(port, ModerationHandler)


class ModerationHandler(LoopbackHandler):
    server: ModerationServer
    largest = LARGEST

    def error_body(self, why: str) -> bytes:
        return json.dumps({"error": {"message": why, "type": "invalid_request_error", "code": None}}).encode()

    def get(self) -> tuple[str, bytes]:
        if self.path.partition("?")[0] != "/v1/models":
            raise Refused(HTTPStatus.NOT_FOUND, "POST /v1/moderations, or GET /v1/models")
        model = {"id": name_of(self.server.filter), "object": "model", "owned_by": "culturepark"}
        return "application/json", json.dumps({"object": "list", "data": [model]}).encode()

    def post(self) -> tuple[str, bytes]:
        if self.path.partition("?")[0] != "/v1/moderations":
            raise Refused(HTTPStatus.NOT_FOUND, "POST /v1/moderations, or GET /v1/models")
        texts = texts_in(self.sent(), self.server.culture)
        verdicts = verdicts_now(self.server.filter, texts, threshold=self.server.threshold)
        return "application/json", json.dumps(moderation(self.server.filter, texts, verdicts)).encode()


def name_of(filter_: Filter) -> str:
    return f"{filter_.name}-{filter_.digest}"


def texts_in(sent: Mapping[str, Any], culture: str = "") -> list[Text]:
    """Return the texts of a request.

    Raises:
        UsageError: if it is not as it has to be.
    """
    given = sent.get("input")
    parts: Sequence[Any] = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else part
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise UsageError(f"input: texts of 1 to {LONGEST:,} characters are wanted; it reads no pictures")
        texts.append(text)
    if not 0 < len(texts) <= MOST:
        raise UsageError(f"input: a text, or a list of at most {MOST:,} texts, is wanted")
    known = {"prompt": "", "language": "", "culture": culture}
    for name, default in known.items():
        value = sent.get(name, default)
        if not isinstance(value, str) or len(value) > LONGEST:
            raise UsageError(f"{name}: a text is wanted")
        known[name] = value
    return [Text(text, **known) for text in texts]


def moderation(filter_: Filter, texts: Sequence[Text], verdicts: Sequence[Verdict]) -> JsonObject:
    """Return the answer: scores are the calibrated chances that people would object."""
    seen = hashlib.sha256("\0".join([filter_.digest, *(text.text for text in texts)]).encode("utf-8", "surrogatepass"))
    return {
        "id": f"modr-{seen.hexdigest()[:24]}",
        "model": name_of(filter_),
        "results": [
            {
                "flagged": verdict.flagged,
                "categories": {name: said.flagged for name, said in verdict.said.items()},
                "category_scores": {name: round(said.chance, 6) for name, said in verdict.said.items()},
                "category_applied_input_types": {name: ["text"] for name in verdict.said},
            }
            for verdict in verdicts
        ],
    }
