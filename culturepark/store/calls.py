"""The log of calls: listed newest first, and searched for words in what was asked and answered. Read-only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlmodel import col, or_, select

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.ids import kind_of, run_of
from culturepark.languages.words import folded, folded_with_places
from culturepark.store.integrity import hangs_on, pages, sound
from culturepark.store.store import Store
from culturepark.store.tables import CallRow

AT_ONCE = 100
"""Calls read at a time; one can hold a hundred thousand characters."""
AROUND = 40
"""Characters shown on either side of what was found."""
PLACES = 3
"""Places of one call that are shown at most."""
LISTED = (
    "id", "run_id", "subject_id", "stage", "model", "endpoint", "attempt", "started_at", "duration_ms", "prompt_tokens",
    "completion_tokens", "cost_usd", "finish_reason", "error", "refused",
)  # fmt: skip
"""Columns of a line; request and answer are long."""
ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """Conditions on calls; None is no condition."""

    subject: str | None = None
    """Id of a run, or of a dialogue, turn or call in one."""
    stage: str | None = None
    model: str | None = None
    """Part of the model's name; case does not count."""
    failed: bool = False
    refused: bool = False
    """With both, calls of either sort."""


@dataclass(frozen=True)
class Place:
    """A place in a call where words were found."""

    where: str
    """`asked as ROLE`, `asked` (any other part of the request), or `answered`."""
    before: str
    words: str
    after: str


@dataclass(frozen=True)
class Line:
    """One call in a list."""

    row: JsonObject
    """Its columns `LISTED`."""
    found: tuple[Place, ...] = ()
    """The first places where the words stand."""

    def as_json(self) -> JsonObject:
        return self.row | {"found": [vars(place) for place in self.found]}


def calls(
    store: Store,
    wanted: Wanted,
    words: str | None = None,
    limit: int | None = None,
    progress: Progress = lambda *_: None,
) -> Iterator[Line]:
    """Yield calls, newest first, of a search only those in which the words stand.

    Only ids are held in memory; requests and answers are read a few at a time.

    Args:
        words: to be found as they stand here; case, accents, and the length of spaces do not count.
        limit: most calls.
        progress: is told the number of calls looked at, and of all.
    Raises:
        UsageError: if there are no words to search for.
    """
    term = None if words is None else folded(words).strip()
    if term == "":
        raise UsageError("--grep: nothing to search for")
    newest_first = col(CallRow.started_at).desc(), col(CallRow.id).desc()
    with store.database.reading() as session:
        query = select(CallRow.id).where(*conditions(wanted)).order_by(*newest_first)
        ids = list(session.exec(query.limit(limit) if term is None else query))
    read = LISTED if term is None else (*LISTED, "request", "response")
    yielded = looked_at = 0
    for page in pages(ids, AT_ONCE):
        with store.database.reading() as session:
            columns = [col(getattr(CallRow, name)) for name in read]
            whole = sqlalchemy.select(*columns).where(col(CallRow.id).in_(page)).order_by(*newest_first)
            rows = list(sound(session, CallRow, whole))
        for row in rows:
            request, response = row.pop("request", ""), row.pop("response", None)
            found = () if term is None else tuple(places(request, response, term))
            if term is None or found:
                yield Line(row, found)
                yielded += 1
                if yielded == limit:
                    return
        looked_at += len(page)
        progress(looked_at, len(ids))


def conditions(wanted: Wanted) -> list[Any]:
    made: list[Any] = []
    if wanted.subject:
        made.append(col(CallRow.run_id) == run_of(wanted.subject))
        if kind_of(wanted.subject):
            made.append(or_(CallRow.subject_id == wanted.subject, hangs_on(CallRow.subject_id, wanted.subject)))
    if wanted.stage:
        made.append(col(CallRow.stage) == wanted.stage)
    if wanted.model:
        made.append(col(CallRow.model).icontains(wanted.model, autoescape=True))
    either = [
        column.is_not(None)
        for column, asked_for in ((col(CallRow.error), wanted.failed), (col(CallRow.refused), wanted.refused))
        if asked_for
    ]
    return [*made, or_(*either)] if either else made


def call(store: Store, call_id: str) -> CallRow:
    """
    Raises:
        UsageError: if there is no such call.
    """
    with store.database.reading() as session:
        if row := session.get(CallRow, call_id):
            return row
    raise UsageError(f"no such call: {call_id[:120]!r}; `culturepark calls` lists them")


def places(request: str, response: str | None, term: str) -> Iterator[Place]:
    """Yield the first places of a request and its answer where a term stands.

    Args:
        request, response: JSON.
        term: folded.
    """
    left = PLACES
    for where, text in (*asked(json.loads(request)), *answered(response)):
        shown = next((shown for shown in readings(text) if term in folded(shown)), None) if left else None
        if shown is not None:
            yield place(where, shown, term)
            left -= 1


def asked(body: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield all texts of a request; those of messages with their role."""
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else [messages]:
        role = message.get("role") if isinstance(message, dict) else None
        yield from ((f"asked as {role}" if role else "asked", text) for text in texts(message) if text != role)
    yield from (("asked", text) for key, value in body.items() if key != "messages" for text in texts(value))


def answered(response: str | None) -> Iterator[tuple[str, str]]:
    return (("answered", text) for text in texts(json.loads(response) if response else None))


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in JSON, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            waiting += reversed(list(value.values()) if isinstance(value, dict) else value)


def readings(text: str) -> Iterator[str]:
    r"""Yield a text with the letters for which JSON inside it has `\u00fc`; of one that is JSON, its texts too."""
    yield ESCAPED.sub(unescaped, text) if "\\u" in text else text
    if "\\" in text and text.lstrip()[:1] in ("{", "["):
        try:
            yield "\n".join(texts(json.loads(text)))
        except (ValueError, RecursionError):  # no JSON after all
            return


def unescaped(match: re.Match[str]) -> str:
    return str(json.loads(f'"{match[0]}"')).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def place(where: str, text: str, term: str) -> Place:
    """Return the first place of a term in a text that holds it, with a few words around it."""
    line, origins = folded_with_places(text)
    at = line.find(term)
    if at < 0:  # folded letter by letter some texts differ, as where an accent stands before another one
        return Place(where, "", text[: 2 * AROUND], "")
    start, end = origins[at], origins[at + len(term) - 1] + 1
    return Place(where, text[max(0, start - AROUND) : start], text[start:end], text[end : end + AROUND])


def subject_of(store: Store, named: str) -> str:
    """Return the id of a run, or of a row in one, for what a user names.

    Raises:
        UsageError: if there is no such run, or no calls can hang on such a row.
    """
    kind = kind_of(named)
    if kind is None:
        return store.run(named).id
    if kind not in ("dialogue", "turn", "answer", "call"):
        where = "runs, dialogues, turns and answers"
        raise UsageError(f"{named[:120]!r}: calls are made for {where}; `culturepark trace` leads on")
    full_id = store.full_id(named)
    if store.find_run(run_of(full_id)) is None:
        raise UsageError(f"no such run: {run_of(named)[:100]!r}; `culturepark runs` lists them")
    return full_id
