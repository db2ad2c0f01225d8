"""Gathers what an error body says, whatever its form: JSON of any shape, JSON in strings, HTML, plain text.

Servers and the gateways before them have no form of error body in common. So nothing here knows a server: names of
parameters, codes, statuses, numbers and sentences are gathered from wherever they stand, and `refusals` and
`wire_errors` decide what they mean. Echoes of our own request are left out: they say nothing about the error.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from itertools import takewhile
from typing import Any

from culturepark.domain import JsonObject
from culturepark.redact import shortened

LONGEST_BODY = 100_000
"""Characters of a body that are read."""
LONGEST_REMARK = 4_000
DEEPEST = 12
"""Levels of nesting, JSON in strings included."""
MOST_VALUES = 3_000

NAMES = {
    "param", "params", "parameter", "parameters", "loc", "location", "field", "field_name", "path", "property",
    "pointer", "property_name", "argument", "attribute", "instance_path", "json_pointer", "json_path",
    "failing_property", "key",
}  # fmt: skip
"""Keys under which servers name the wrong part of a request."""
CODES = {
    "code", "type", "status", "reason", "error_code", "error_type", "err_code", "errcode", "status_code",
    "http_status", "statuscode", "__type", "error_name", "name", "finish_reason", "errtype",
    "amazon_bedrock_guardrail_action",
}  # fmt: skip
ECHOES = {
    "input", "failed_generation", "request", "request_body", "prompt", "received", "input_value", "payload",
    "messages",
}  # fmt: skip
"""Keys under which servers repeat the request, or what the model wrote."""
NOISE = {
    "id", "object", "url", "doc_url", "request_id", "requestid", "trace_id", "user_id", "provider_name", "model",
    "links", "timestamp", "@type", "domain", "stack", "trace", "method", "documentation_url", "event_id",
    "account_id", "org_id", "organization", "remedy_hint", "limit_source", "created", "service", "previous_errors",
    "quota_id", "quota_metric",
}  # fmt: skip
ORDINARY = {"model", "messages", "stop", "stream", "user", "n", "metadata", "input", "store", "tools"}
"""Parts of a request that are ordinary words. As a key of an error body, such a word means nothing by itself."""
TELLING = {
    "error", "errors", "message", "msg", "detail", "details", "code", "type", "status", "loc", "param",
    "description", "raw",
}  # fmt: skip
"""Keys that mark JSON within a text as a part of the error. Without one of them it is an example or a value."""


@dataclass(frozen=True)
class Remark:
    """One sentence of an error body, with the names that stand beside it."""

    text: str
    names: tuple[str, ...] = ()


@dataclass
class Evidence:
    """Everything that an error body says."""

    remarks: list[Remark] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    """Codes and types, letters and digits alone: `content_filter` and `ContentFilter` are `contentfilter`."""
    statuses: list[int] = field(default_factory=list)
    """HTTP statuses in the body, the innermost last."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Numbers by key in snake case."""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Headers of an answer that a gateway got and repeats."""
    raw: str = ""
    """The body as text, without secrets."""

    @property
    def text(self) -> str:
        """All remarks, one a line, cut to a length that patterns can be searched in."""
        return "\n".join(remark.text for remark in self.remarks)[:20_000]

    @property
    def said(self) -> str:
        """The remarks in their order, each once; the body as it came if there are none."""
        texts: list[str] = []
        for text in sorted({remark.text for remark in self.remarks if remark.text}, key=len, reverse=True):
            if not any(text in longer for longer in texts):
                texts.append(text)
        order = {remark.text: place for place, remark in reversed(list(enumerate(self.remarks)))}
        texts.sort(key=lambda text: order[text])
        return "; ".join(texts) or self.raw


def gather(body: object, sent: JsonObject) -> Evidence:
    """Read an error body.

    Args:
        body: its text, or the JSON that it holds.
        sent: the JSON of our request, by which an echo of it is recognised.
    """
    reader = Reader(sent)
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    # Secrets go first: half a key, where the text is cut, would no longer be recognised.
    text = body if isinstance(body, str) else dumped(body)
    reader.evidence.raw = shortened(text, 10 * LONGEST_BODY)[:LONGEST_BODY].strip()
    if isinstance(body, str):
        reader.text(reader.evidence.raw, (), 0)
    else:
        reader.value(body, "", (), 0)
    return reader.evidence


def dumped(value: object) -> str:
    try:
        return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return f"({type(value).__name__})"


def squashed(code: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(code).lower())[:80]


def snake(key: object) -> str:
    """Return `response_schema` for `responseSchema`, `response-schema` and `Response Schema`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)[:200])
    return re.sub(r"[\s-]+", "_", spaced).lower()


class Reader:
    """Walks through a body once and gathers the evidence in it."""

    def __init__(self, sent: JsonObject) -> None:
        self.evidence = Evidence()
        self.sent = sent
        self.own_texts = texts_of_request(sent)
        self.values = 0

    def value(self, value: Any, key: str, names: tuple[str, ...], depth: int) -> None:
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES or key in ECHOES:
            return
        if isinstance(value, str):
            if key not in NOISE:
                self.text(value, names, depth)
        elif isinstance(value, Mapping):
            self.object(value, names, depth)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.value(item, key, names, depth + 1)

    def object(self, value: Mapping[Any, Any], names: tuple[str, ...], depth: int) -> None:
        if self.is_echo(value):
            return
        keys = {key: snake(key) for key in value}
        here = tuple(name for key in value if keys[key] in NAMES for name in named(value[key])) or names
        limits = constraints(value.get("ctx"))
        remarks_before = len(self.evidence.remarks)
        for key, item in value.items():
            known = keys[key]
            if known in CODES and isinstance(item, (str, int)) and not isinstance(item, bool):
                self.code(item, here)
            elif isinstance(item, (int, float)) and not isinstance(item, bool):
                if abs(item) < 1e15 and math.isfinite(item):
                    self.evidence.numbers[known] = float(item)
            elif known == "headers" and isinstance(item, Mapping):
                self.evidence.headers.append({str(name).lower(): str(text) for name, text in item.items()})
            elif known in NAMES and not isinstance(item, Mapping) and any(named(item)):
                continue
            elif self.is_parameter(known):
                for text in item if isinstance(item, (list, tuple)) else [item]:
                    if isinstance(text, str):
                        self.remark(f"{known}: {text}", (known,))
            elif isinstance(item, str) and limits:
                self.text(f"{item} ({limits})", here, depth + 1)
            else:
                self.value(item, known, here, depth + 1)
        if here and here != names and len(self.evidence.remarks) == remarks_before:
            self.remark(str(value.get("type", "")), here)

    def code(self, value: str | int, names: tuple[str, ...]) -> None:
        if len(code := squashed(value)) > 1:
            self.evidence.codes.add(code)
        if re.fullmatch(r"[45]\d\d", str(value)):
            self.evidence.statuses.append(int(value))
        elif isinstance(value, str) and " " in value.strip():
            self.text(value, names, DEEPEST - 1)

    def text(self, text: str, names: tuple[str, ...], depth: int) -> None:
        values, rest = embedded(text) if depth < DEEPEST else ([], text)
        self.remark(rest, names)
        for value in values:
            self.value(value, "", names, depth + 1)

    def remark(self, text: str, names: tuple[str, ...]) -> None:
        text = " ".join(self.without_echo(plain(text)).split())[:LONGEST_REMARK].strip(" \"',;:|").rstrip(".")
        if names or re.search(r"\w\w", text):
            self.evidence.remarks.append(Remark(text, names))

    def without_echo(self, text: str) -> str:
        """Return the text without repetitions of our own messages, whole or cut short."""
        text = re.sub(r"input_value=.*?(?=, input_type=|$)", "input_value=…", text)
        for own in self.own_texts:
            start = text.find(own[:24])
            if start >= 0:
                pairs = zip(text[start:], own, strict=False)
                same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
                text = f"{text[:start]}…{text[start + same :]}"
            elif len(text) >= 12 and text.rstrip(" .…") in own:
                return "…"
        return text

    def is_echo(self, value: Mapping[Any, Any]) -> bool:
        """Return whether an object repeats our request."""
        if isinstance(value.get("messages"), list) and "error" not in value and "model" in value:
            return True
        return len(value.keys() & self.sent.keys()) >= 3

    def is_parameter(self, key: str) -> bool:
        """Return whether a key names a part of our request, as in {"temperature": ["must be at most 1"]}."""
        return key in self.sent and key not in ORDINARY | CODES | NAMES


def texts_of_request(sent: JsonObject) -> list[str]:
    """Return the texts that we sent, as they are and as they stand in JSON, the longest first."""
    messages = sent.get("messages") or sent.get("input")
    contents = [message.get("content") if isinstance(message, dict) else message for message in messages or ()]
    own = {content[:LONGEST_BODY] for content in contents if isinstance(content, str)}
    own |= {json.dumps(content)[1:-1] for content in own} | {" ".join(content.split()) for content in own}
    return sorted((content for content in own if len(content) >= 12), key=len, reverse=True)


def named(value: Any) -> Iterator[str]:
    """Yield the names under a key for names, which holds a name, a path in parts, or several paths."""
    if isinstance(value, str) and value and len(value) < 200 and " " not in value.strip():
        yield value
    elif isinstance(value, (list, tuple)) and value:
        if all(isinstance(part, (str, int)) for part in value):
            yield ".".join(map(str, value))
        else:
            for item in value[:20]:
                yield from named(item)


def constraints(context: Any) -> str:
    """Return the bounds of a validator (pydantic's `ctx`) in words."""
    if not isinstance(context, dict):
        return ""
    known = ("le", "lt", "ge", "gt", "max_length", "min_length", "limit_value", "expected")
    return ", ".join(f"{key}={context[key]}" for key in known if isinstance(context.get(key), (int, float, str)))


def plain(text: str) -> str:
    """Return the words of an HTML page; any other text as it is."""
    if not re.search(r"(?i)<(!doctype|html|head|body|h1|title|center|pre)\b", text):
        return text
    text = re.sub(r"(?is)<(script|style|svg)\b.*?(</\1>|$)", " ", text)
    return unescape(re.sub(r"(?s)<[^<>]*>", " ", text))


def embedded(text: str) -> tuple[list[Any], str]:
    """Return JSON values (or Python's spelling of them) within a text, and the text around them."""
    if "{" not in text:
        return [], text
    try:
        whole = json.loads(text, strict=False)
        return ([whole], "") if isinstance(whole, (dict, list, str)) else ([], text)
    except (ValueError, RecursionError):
        pass
    values: list[Any] = []
    around, at = "", 0
    for start in opening(text):
        if start < at:
            continue
        value, end = decoded(text, start)
        if is_telling(value):
            values.append(value)
            around, at = f"{around} {text[at:start]}", end
    if not values and '\\"' in text:  # JSON that was quoted once too often
        return embedded(text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\"))
    return values, f"{around} {text[at:]}"


def opening(text: str) -> list[int]:
    """Return the first places where JSON may begin; each attempt may read to the end, so there is a limit to them."""
    return [match.start() for match in re.finditer(r"\[\s*(?=[{\[])|\{(?=\s*[\"'\\])", text)][:40]


def is_telling(value: Any) -> bool:
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    return isinstance(first, dict) and bool(TELLING & {snake(key) for key in first})


def decoded(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON or Python literal that begins at a place, and its end; None if there is no such literal."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    end = closing(text, start)
    if end is None or end - start > 20_000:
        return None, start
    try:
        return ast.literal_eval(text[start:end]), end
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None, start


def closing(text: str, start: int) -> int | None:
    """Return the place behind the bracket that closes the one at `start`."""
    depth, quote = 0, ""
    for match in re.finditer(r"\\.|[\[\]{}()\"']", text[start : start + 20_001], re.DOTALL):
        sign = match[0]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{(":
            depth += 1
        elif sign in ")}]":
            depth -= 1
            if depth == 0:
                return start + match.end()
    return None
