"""Checks base URLs that users write, and brings them into one spelling without secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from culturepark.errors import UsageError
from culturepark.models.providers import OPENAI, is_azure, provider_of

TAILS = ("/chat/completions", "/embeddings")
"""Ends that the client library appends to a base URL, and people paste with it."""
EXAMPLE = "http://localhost:8000/v1"
API_VERSION = re.compile(r"api-version=([A-Za-z0-9.-]{1,40})")


def check_url(url: str, what: str) -> str:
    """Return the base URL as it is stored and shown: no last slash, no `/chat/completions`, no default port.

    A URL of a known service without a path gets the path of its API.

    Args:
        what: names the URL in an error.
    Raises:
        UsageError: if it is no URL, or holds a secret. The message does not repeat it.
    """
    if fault := fault_of(url):
        raise UsageError(f"{what} {fault}")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    version = API_VERSION.fullmatch(parts.query) if parts.query and is_azure(host) else None
    if parts.query == "api-version=" and is_azure(host):
        raise UsageError(f"{what}: the value of api-version is empty; write ?api-version=2024-10-21, or leave it out")
    if "@" in parts.netloc or (parts.query and not version) or parts.fragment:
        variable = (provider_of(host) or OPENAI).variables[0]
        raise UsageError(f"{what} may hold no user, password or query; the key goes into {variable}")
    at = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    path = parts.path.rstrip("/")
    for tail in TAILS:
        path = path.removesuffix(tail).rstrip("/")
    if not path and parts.scheme == "https" and (provider := provider_of(host)):
        path = provider.path
    query = f"?{parts.query}" if version else ""
    return f"{parts.scheme}://{at}{f':{port}' if port and port != default else ''}{path}{query}"


def fault_of(url: str) -> str:
    """Return the fault of a base URL, in words that follow its name in an error; empty if it has none."""
    if not re.match(r"(?i)https?://", url):
        return f"must start with http:// or https://, as in {suggestion(url)}"
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        return f"holds a space or another character that no URL has, unlike {EXAMPLE}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"names no host, as in {EXAMPLE}"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        if digits := re.search(r":(\d{1,9})$", parts.netloc):
            return f"port {digits[1]} is out of range (1 to 65535)"
        return f"holds a port that is no number, unlike {EXAMPLE}"
    return "" if is_host(host) else f"names no host, as in {EXAMPLE}"


def is_host(host: str) -> bool:
    """Return whether a host is a plain name or address, in which all libraries read the same host."""
    return 0 < len(host) <= 253 and all(c.isalnum() or c in ("-._:%" if ":" in host else "-._") for c in host)


def suggestion(url: str) -> str:
    """Return an example of a base URL: the user's own text with its scheme, if only that was missing."""
    bare = re.fullmatch(r"(localhost|127(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)+)(:\d{1,5})?((?:/[\w.-]+)*)/?", url)
    if not bare:
        return EXAMPLE
    here = bare[1] == "localhost" or bare[1].startswith("127.")
    provider = provider_of(bare[1])
    path = bare[3] or (provider.path if provider else "/v1")
    return f"{'http' if here else 'https'}://{bare[1]}{bare[2] or ''}{path}"
