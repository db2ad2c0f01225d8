"""One call in words: its figures, its messages by role, and the reply. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from culturepark.glossary import REFUSED, in_words
from culturepark.interface import grouped, tr
from culturepark.store.tables import CallRow
from culturepark.terminal.blocks import Look, Para, Stop
from culturepark.terminal.safe import safe


def overview(row: CallRow) -> Stop:
    sign, outcome, look = outcome_of(row)
    line = Para(f"{row.id}  {row.stage}, {outcome}", head=f"{sign} ", head_look=look, one_line=True)
    return Stop(row.id, (line,), apart=False)


def in_parts(row: CallRow) -> list[Stop]:
    """Return the figures of an attempt, its messages by role, and the reply."""
    request: dict[str, Any] = json.loads(row.request)
    asked = [
        Stop(row.id, tuple(message_of(message, tr("Asked as")))) for message in listed(request.pop("messages", None))
    ]
    return [Stop(row.id, tuple(facts(row, request))), *asked, Stop(row.id, tuple(reply_of(row)))]


def exactly(row: CallRow) -> list[Stop]:
    return [
        Stop(
            row.id,
            (Para(tr("Call {id}", id=row.id), "title"), Para(tr("JSON exactly as sent and as it came"), "muted")),
        ),
        Stop(row.id, (Para(tr("Request"), "label"), Para(row.request, indent=2))),
        Stop(row.id, (Para(tr("Reply"), "label"), Para(row.response or no_answer(row), indent=2))),
    ]


def facts(row: CallRow, parameters: dict[str, Any]) -> Iterator[Para]:
    sign, outcome, look = outcome_of(row)
    yield Para(tr("Call {id}", id=row.id), "title")
    yield Para(outcome, head=f"{sign} ", look=look)
    seed = tr("none") if row.seed is None else str(row.seed)
    known = {
        tr("Made for"): tr("{subject}, stage {stage}", subject=row.subject_id, stage=row.stage),
        tr("Model"): tr("{model} at {endpoint}", model=row.model, endpoint=row.endpoint),
        tr("Attempt"): tr("{attempt} of this request; seed {seed}", attempt=row.attempt, seed=seed),
        tr("Tokens"): tokens(row),
        tr("Cost"): tr("unknown: no price is known, or nothing was counted")
        if row.cost_usd is None
        else dollars(row.cost_usd),
        tr("Started"): moment(row.started_at),
        tr("Took"): tr("unknown") if row.duration_ms is None else f"{row.duration_ms / 1000:,.2f} s",
        tr("Prompt"): tr("templates {digest}…", digest=row.prompt_digest[:16])
        if row.prompt_digest
        else tr("without a template"),
        tr("Asked with"): json.dumps(parameters, ensure_ascii=False, sort_keys=True),
    }
    for name, value in known.items():
        yield Para(value, head=f"{name:12}", head_look="label")


def message_of(message: Any, how: str) -> Iterator[Para]:
    role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else ("?", message)
    yield Para(f"{how} {safe(role)}", "label", "── ")
    yield Para(readable(content), indent=2)


def readable(content: Any) -> str:
    """Return the content of a message; JSON is indented."""
    try:
        content = json.loads(content) if isinstance(content, str) and content.lstrip()[:1] in ("{", "[") else content
        return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return str(content)


def reply_of(row: CallRow) -> Iterator[Para]:
    if row.response is None:
        yield Para("Reply", "label", "── ")
        yield Para(no_answer(row), "muted", indent=2)
        return
    choices = listed(json.loads(row.response).get("choices"))
    message = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        yield Para(tr("Reply, of a form that is not known"), "label", "── ")
        yield Para(row.response, indent=2)
        return
    yield from message_of(message, tr("Answered as"))
    for name, value in message.items():
        if name not in ("role", "content") and value:
            yield Para(f"{safe(name)}", "label", "── ")
            yield Para(readable(value), indent=2)


def outcome_of(row: CallRow) -> tuple[str, str, Look]:
    """Return a sign, words and a look for the outcome of an attempt."""
    finish = tr(", finish reason {reason}", reason=safe(row.finish_reason)) if row.finish_reason else ""
    if row.error:
        return "✗", tr("failed: {error}", error=safe(row.error)), "bad"
    if row.refused:
        return "✗", tr("answered, and turned down: {why}", why=safe(in_words(REFUSED, row.refused))) + finish, "bad"
    if row.response is None:
        return "·", tr("no answer yet, or broken off before there was one"), "muted"
    return "✓", tr("answered") + finish, "good"


def no_answer(row: CallRow) -> str:
    return tr("None came.") if row.error else tr("None has come.")


def tokens(row: CallRow) -> str:
    if row.prompt_tokens is None and row.completion_tokens is None:
        return tr("unknown")
    cached = "" if row.cached_tokens is None else tr(" ({count} of them cached)", count=grouped(row.cached_tokens))
    by = {
        "server": tr("counted by the server"),
        "tiktoken": tr("counted with tiktoken"),
        "estimate": tr("an estimate: characters / 4"),
    }.get(row.tokens_from or "", tr("counted by nobody knows whom"))
    return tr(
        "{prompt} prompt{cached}, {completion} completion; {by}",
        prompt=number(row.prompt_tokens),
        cached=cached,
        completion=number(row.completion_tokens),
        by=by,
    )


def number(value: int | None) -> str:
    return tr("unknown") if value is None else grouped(value)


def dollars(value: float) -> str:
    return f"${value:.6f}"


def moment(text: str) -> str:
    """Return an ISO time as date and time in UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{(when.astimezone(UTC) if when.tzinfo else when):%Y-%m-%d %H:%M:%S} UTC"


def listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
