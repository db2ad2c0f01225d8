"""Every exception of the client library, and of the HTTP library under it, as one of ours that says what to do."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx2
import openai

from culturepark.errors import BadAnswer, ModelError, Overloaded, Unreachable, WrongRequest
from culturepark.redact import redact

OPTIONAL = {"seed", "stop", "temperature", "response_format", "logprobs", "top_logprobs", "stream_options"}
"""Parameters that some models refuse and that we can do without."""


def error_in_body(value: Any, endpoint: str, body: Any = None) -> ModelError:
    return Overloaded(f"{endpoint} broke off: {short(value)}", kind="broken-stream")


def map_error(error: Exception, endpoint: str, body: Any = None) -> ModelError:
    """Every exception of the client library, or of the HTTP library under it, as one of ours."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
        return Overloaded(f"{endpoint} did not answer in time", kind="timeout")
    if isinstance(error, (openai.APIConnectionError, httpx2.ConnectError)):
        cause = error.__cause__ or error
        if isinstance(cause, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)):  # it had been made
            return Overloaded(f"{endpoint} broke off: {short(cause)}", kind="broken-stream")
        return Overloaded(f"no connection to {endpoint}: {short(cause)}", kind="no-connection")
    if isinstance(error, openai.APIStatusError):
        return map_status(error, endpoint)
    if isinstance(error, openai.APIError):  # an error object inside the stream
        return Overloaded(f"{endpoint} broke off: {short(error.message)}", kind="broken-stream")
    if isinstance(error, (httpx2.HTTPError, httpx2.StreamError)):
        return Overloaded(f"{endpoint} broke off: {type(error).__name__}", kind="broken-stream")
    return BadAnswer(f"{endpoint} answered outside the protocol: {short(error)}")


def map_status(error: openai.APIStatusError, endpoint: str) -> ModelError:
    status = error.status_code
    message = re.sub(r"^Error code: \d+ - ", "", str(error.message))
    said = f"{endpoint} answered {status}: {short(message)}"
    code = str(getattr(error, "code", "") or "")
    if status in (401, 403):
        return Unreachable(f"{said} (check OPENAI_API_KEY)", kind=f"http-{status}")
    if code == "insufficient_quota":
        return Unreachable(said, kind="no-quota")
    if status in (408, 409, 425, 429) or status >= 500:
        return Overloaded(said, kind=f"http-{status}", retry_after=retry_after(error.response.headers))
    if status == 404:
        hint = "" if endpoint.endswith("/v1") else " (most base URLs end in /v1)"
        # No model of this name, or no endpoint at this URL: no other request would fare better.
        return Unreachable(f"{said}{hint}", kind="http-404")
    param = str(getattr(error, "param", None) or "")  # whatever JSON an endpoint put there
    if param not in OPTIONAL and ("context" in code or "context" in error.message.lower()):
        return WrongRequest(said, kind="context-overflow")
    if status in (400, 422):
        from culturepark.errors import Refused

        return Refused(said, param)
    return WrongRequest(said, kind=f"http-{status}", param=param)


def retry_after(headers: Any) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110 10.2.3: seconds, or a date)."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None


def short(said: object) -> str:
    """What an endpoint said, on one line and not long; it may be a whole HTML page."""
    # First of all, since half a key is no longer known for one; but not all of what may be megabytes.
    line = " ".join(redact(str(said)[:10_000]).split())
    return "".join(c for c in line if c.isprintable())[:200] or type(said).__name__
