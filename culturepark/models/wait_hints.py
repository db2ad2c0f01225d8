"""Reads from an answer how long the endpoint wants to be left alone, in every header and form of words in use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

from culturepark.models.error_bodies import Evidence

LONGEST = 400 * 24 * 3600.0
"""Seconds. A wish for more than a year is a mistake."""

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NUMBER = r"\d+(?:\.\d+)?"
UNIT = r"(?:milliseconds?|msecs?|ms|minutes?|mins?|seconds?|secs?|hours?|hrs?|days?|[smhd])"
SPAN = rf"{NUMBER}\s*{UNIT}(?![a-z])(?:\s*(?:and|,)?\s*{NUMBER}\s*{UNIT}(?![a-z]))*|(?:{NUMBER}[hmd])+{NUMBER}s"
PART = re.compile(rf"({NUMBER})\s*({UNIT})", re.IGNORECASE)
WORDS = re.compile(
    r"(?:again|retry(?:ing)?|wait(?:ing)?|resets?|available|refreshe?s?|back off|cool ?down)\b"
    r"(?:\s+(?:your request|the request|it|again|will|be|is|a|an|another|for|in|after|at least|about|approximately|"
    r"until))*"
    rf"[\s:~=]*({SPAN})",
    re.IGNORECASE,
)
CHINESE = re.compile(rf"({NUMBER})\s*(秒|分钟|小时)\s*[后後]")
FIELD = re.compile(
    r"(retry_?-?after(?:_?-?(?:ms|seconds|secs|s))?|retry_?delay|estimated_?time|retry_?in|wait_?(?:time|seconds|for)?)"
    rf"\\*[\"']?\s*[:=]\s*\\*[\"']?({NUMBER})(ms|s|m)?(?![\w:-])",
    re.IGNORECASE,
)


def wait_of(headers: Mapping[str, str], text: str = "", evidence: Evidence | None = None) -> float | None:
    """Return the seconds that an endpoint wants us to wait; None if it does not say.

    Args:
        headers: of its answer.
        text: of its answer.
        evidence: of the text, if it was read already: a gateway may repeat the headers that it got.
    """
    sources: list[Mapping[str, str]] = [{str(name).lower(): str(value) for name, value in dict(headers).items()}]
    sources += evidence.headers if evidence else []
    wishes = [wish for source in sources for wish in of_headers(source) if wish is not None]
    wishes += [wish for wish in of_words(text) if wish is not None]
    resets = [wish for source in sources for wish in of_used_up_limits(source) if wish is not None]
    if resets:
        wishes.append(max(resets))  # all limits that are used up must be free again
    # A server that says nought in one place and a time in another means the time.
    return next((wish for wish in wishes if wish > 0), 0.0 if wishes else None)


def of_headers(headers: Mapping[str, str]) -> Iterator[float | None]:
    """Yield the wishes of the headers that are for nothing else, the finest first."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if name in headers:
            milliseconds = number(headers[name])
            yield None if milliseconds is None else sane(milliseconds / 1000)
    for name in ("retry-after", "x-retry-after", "x-ms-retry-after", "x-ratelimit-retry-after"):
        if name in headers:
            yield span(headers[name])


def of_used_up_limits(headers: Mapping[str, str]) -> Iterator[float | None]:
    """Yield the times until rate limits are free again of which nothing remains; headers tell all limits."""
    for name, value in headers.items():
        if "reset" in name and "rate" in name and "limit" in name:
            left = number(headers.get(name.replace("reset", "remaining"), "0"))
            if left is None or left <= 0:
                yield span(value)
        elif name == "ratelimit" and (match := re.search(r"\br=0\b.*?\bt=(\d+)|\bt=(\d+).*?\br=0\b", value)):
            yield span(match[1] or match[2])


def of_words(text: str) -> Iterator[float | None]:
    """Yield the wishes of a body: fields of JSON, however deep and however quoted, then words."""
    text = text[:20_000]
    for match in FIELD.finditer(text):
        unit = "ms" if match[1].lower().endswith("ms") else match[3] or "s"
        yield sane(float(match[2]) * UNITS[unit.lower()])
    for match in WORDS.finditer(text):
        yield span(match[1])
    for match in CHINESE.finditer(text):
        yield sane(float(match[1]) * {"秒": 1, "分钟": 60, "小时": 3600}[match[2]])


def span(value: str) -> float | None:
    """Return the seconds in a number, in `1m30s`, or until an instant in any usual form; None if it makes no sense."""
    value = value.strip()
    seconds = number(value)
    if seconds is not None:
        if seconds > 1e11:
            seconds = seconds / 1000 - time()  # milliseconds since 1970
        elif seconds > 1e9:
            seconds -= time()  # seconds since 1970
        return sane(seconds)
    if re.fullmatch(rf"(?:{NUMBER}\s*{UNIT}[\s,]*(?:and\s+)?)+", value, re.IGNORECASE):
        return sane(sum(float(amount) * seconds_of(unit) for amount, unit in PART.findall(value)))
    try:
        return sane(datetime.fromisoformat(value).astimezone(UTC).timestamp() - time())
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return sane(parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError, OverflowError, OSError, IndexError):
        return None


def seconds_of(unit: str) -> float:
    unit = unit.lower()
    return UNITS["ms" if unit.startswith(("ms", "mil")) else unit[0]]


def number(value: str) -> float | None:
    try:
        result = float(value)
    except ValueError:
        return None
    return result if value.isascii() and math.isfinite(result) else None


def sane(seconds: float) -> float | None:
    """Return the seconds if anybody can wait so long; nought for the past."""
    return max(0.0, seconds) if math.isfinite(seconds) and seconds < LONGEST else None
