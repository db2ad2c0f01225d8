"""Finds the proxy to an endpoint in the environment's variables.

The HTTP library reads the same variables, but makes a client for each of them: a wrong one fails even where it is not
needed, and with a traceback.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from culturepark.errors import UsageError
from culturepark.models.base_url import is_host
from culturepark.redact import remember

SCHEMES = ("http", "https", "socks5", "socks5h")
"""Schemes of the proxies that the HTTP library knows."""


@dataclass(frozen=True)
class Proxy:
    """A proxy that the environment names."""

    url: str = field(repr=False)
    """With user and password, if there are any."""
    variable: str
    """The environment variable that names it."""

    @property
    def shown(self) -> str:
        """The proxy without user and password, and the variable that names it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} ({self.variable})"


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy through which an endpoint is asked; None if there is none.

    There is never one to this machine itself: a talk with a local server is not for others.

    Raises:
        UsageError: if a variable that applies names no proxy that can be used.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    named = getproxies()
    kind = next((kind for kind in (parts.scheme, "all") if named.get(kind)), None)
    if kind is None or is_loopback(host) or is_exempt(host, port, named.get("no", "")):
        return None
    variable = variable_of(kind)
    return Proxy(checked_address(named[kind].strip(), variable), variable)


def unusable() -> Iterator[str]:
    """Yield the fault of each wrong proxy that the environment names, whether an endpoint needs it or not."""
    for kind, value in getproxies().items():
        if kind in ("http", "https", "all") and value:
            try:
                checked_address(value.strip(), variable_of(kind))
            except UsageError as error:
                yield str(error)


def variable_of(kind: str) -> str:
    """Return the name of the variable that is set; without one, the proxy comes from the system's settings."""
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), "the system's proxy settings")


def checked_address(value: str, variable: str) -> str:
    """Return a proxy's address with its scheme, `http://` where none is named.

    Raises:
        UsageError: naming the variable, but not its value, which may hold a password.
    """
    bare_word = not re.search(r"[.:]", value)  # no scheme, port or dot: hardly the name of a host
    value = value if "://" in value else f"http://{value}"
    way_out = f"change or unset {variable}, or name the endpoint's host in NO_PROXY"
    try:
        parts = urlsplit(value)
        if parts.password:
            remember(parts.password)
            remember(unquote(parts.password))
        fine = not bare_word and is_host(parts.hostname or "") and parts.port != 0
        fine = fine and value.isprintable() and " " not in value
    except ValueError:
        fine = False
    if not fine:
        raise UsageError(f"{variable} holds no proxy's address, as http://host:3128; {way_out}")
    if parts.scheme not in SCHEMES:
        raise UsageError(
            f"{variable} names a proxy of the kind {parts.scheme}://; known are {', '.join(SCHEMES)}; {way_out}"
        )
    return value


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Return whether `NO_PROXY` names a host, as curl reads it.

    It lists names, each for its subdomains too (with or without a dot in front), addresses, and networks as
    `192.168.0.0/16`, all with a port or without; or `*` for all hosts.
    """
    return any(fits(entry.strip().lower(), host, port) for entry in no_proxy.split(",") if entry.strip())


def fits(entry: str, host: str, port: int) -> bool:
    entry = entry.rpartition("://")[2]
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        return fits(name, host, port)
    name = entry.strip("[]").removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))
