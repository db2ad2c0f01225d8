"""Where a model's spec leads, and with which key.

A key comes from the user's own files, from the variable of a known service, or from `OPENAI_API_KEY`. Whether a spec
may be followed at all is for `models.trust` to say.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from culturepark.domain import JsonObject
from culturepark.errors import Lacking, UsageError
from culturepark.files import clipped, home, readable, user_folder
from culturepark.models.base_url import check_url, is_host
from culturepark.models.providers import OPENAI, OPENAI_URL, Provider, is_azure, provider_of
from culturepark.models.proxies import Proxy, is_loopback, proxy_for
from culturepark.models.spec import ModelSpec
from culturepark.redact import remember

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
SECRET_HEADER = re.compile(r"(?i)key|token|secret|auth|cookie|passw|credential|signature|session")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
OURS = {
    "model", "messages", "input", "n", "stream", "stream_options", "seed", "stop", "max_tokens", "response_format",
    "max_completion_tokens", "logprobs", "top_logprobs", "grammar", "tools", "functions", "encoding_format",
}  # fmt: skip
"""Parts of a request that the program decides on; the rest may be added by `extra`."""
NO_KEY = "no key"
V1_VERSIONS = {"v1", "preview", "latest"}
"""Values of `api-version` that belong to Azure's newer API; all others are dates, and belong to the classic one."""
DATED = re.compile(r"\d{4}-\d\d-\d\d(-[a-z]+)?")
"""Versions of the classic API."""


@dataclass(frozen=True)
class Connection:
    """One endpoint, as it is asked."""

    url: str
    """Base URL, without query; what the store calls the endpoint."""
    key: str = field(default="", repr=False)
    """Empty if there is none."""
    key_from: str = NO_KEY
    """Where the key comes from, in words."""
    header: str = ""
    """Name of the header that holds the key; empty for `Authorization: Bearer`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further headers."""
    query: Mapping[str, str] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)
    """Added to the body of every chat request."""
    azure: bool = False
    proxy: Proxy | None = None

    @property
    def key_advice(self) -> str:
        """What to do where the endpoint wants a key, or another one."""
        if self.key:
            return f"check {self.key_from}: the endpoint does not accept the key that it got"
        if self.key_from != NO_KEY:
            return f"check the {self.key_from}: the endpoint does not accept what it got"
        host = urlsplit(self.url).netloc
        provider = provider_of(host_of(self.url)) or OPENAI
        return f"no key was set for {host}; this server wants one: {advice(provider)}"

    @property
    def bearer(self) -> str:
        """The key as far as it goes into `Authorization`; a server that wants none takes any word."""
        return self.key if self.key and not self.header else "none"

    def all_headers(self) -> dict[str, str]:
        """Return all that the client library is to send beyond its own."""
        headers = {"Authorization": f"Bearer {self.bearer}"}
        if self.header and self.key:
            headers[self.header] = self.key
        return headers | dict(self.headers)

    def hooks(self) -> dict[str, list[Any]]:
        """Return hooks for the HTTP client; where the key has a header of its own, `Authorization` does not leave."""
        if not self.header or any(name.lower() == "authorization" for name in self.headers):
            return {}

        async def drop(request: Any) -> None:
            del request.headers["Authorization"]

        return {"request": [drop]}


def connection(spec: ModelSpec) -> Connection:
    """Return where a spec of the kind `openai` leads.

    Raises:
        UsageError: if an address, a key, a proxy or one of the user's files is wrong.
    """
    url, query = address(spec)
    entry = best(endpoints(), url) or Entry()
    key, key_from = key_for(url, entry)
    if not key and any(SECRET_HEADER.search(name) for name in entry.headers):
        key_from = f"headers of {entry.place}"
    azure = is_azure(host_of(url))
    header = entry.header or ("api-key" if azure else "")
    if not key and azure and (token := key_in("AZURE_OPENAI_AD_TOKEN")):
        key, key_from, header = token, "AZURE_OPENAI_AD_TOKEN", ""
    return Connection(
        url, key, key_from, header, entry.headers, {**query, **entry.query}, entry.extra, azure, proxy_for(url)
    )


# --- the address -----------------------------------------------------------------------------------


def base_url_of(spec: ModelSpec) -> str:
    """Return the endpoint of a spec, as the store calls it.

    Raises:
        UsageError: if `OPENAI_BASE_URL` is no URL, or holds a secret.
    """
    return address(spec)[0]


def address(spec: ModelSpec) -> tuple[str, dict[str, str]]:
    """Return base URL and query; Azure's are completed from what people know of it, a name and perhaps a version."""
    whole = spec.where or url_of_the_environment() or OPENAI_URL
    url, _, query = whole.partition("?")
    if not is_azure(host_of(url)):
        return url, {}
    named = query.partition("=")[2]
    version, said_by = named, "api-version"
    for variable in ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"):
        if not version:
            version, said_by = from_environment(variable), variable
    if version and version not in V1_VERSIONS and not DATED.fullmatch(version):
        raise UsageError(f"{said_by} holds no version, which is a date, as 2024-10-21")
    classic = version and version not in V1_VERSIONS
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    if parts.path in ("", "/openai"):
        url = f"{root}/openai/deployments/{quote(spec.name, safe='')}" if classic else f"{root}/openai/v1"
    if "/deployments/" in url and not classic:
        raise UsageError(
            f"{url} needs a version: add ?api-version=2024-10-21 to it, set AZURE_OPENAI_API_VERSION, or name "
            f"{root}/openai/v1, which needs none"
        )
    if url.endswith("/openai/v1") and named not in V1_VERSIONS:
        return url, {}
    return url, {"api-version": version} if version else {}


def url_of_the_environment() -> str:
    """Return `OPENAI_BASE_URL`, checked; empty if it is not set."""
    own = os.environ.get("OPENAI_BASE_URL")
    return check_url(own, "OPENAI_BASE_URL") if own else ""


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


# --- the key ---------------------------------------------------------------------------------------


def key_for(url: str, entry: Entry) -> tuple[str, str]:
    """Return the key for a base URL and where it comes from; empty if there is none.

    Raises:
        UsageError: if a file or a variable with keys is wrong, or the variable that an endpoint names is not set.
    """
    bound = keys()
    if key := best(bound, url):
        return key, f"{shown(keys_file()[0])} ({pattern_of(bound, url)})"
    if entry.key_env:
        if not (key := key_in(entry.key_env)):
            raise UsageError(f"{entry.place}: key_env: {entry.key_env} is not set")
        return key, entry.key_env
    provider = provider_of(host_of(url))
    for variable in (*(provider.variables if provider else ()), *OPENAI.variables):
        if key := key_in(variable):
            return key, variable
    return "", NO_KEY


def require_key(spec: ModelSpec) -> None:
    """
    Raises:
        Lacking: if a spec leads to a service that answers nobody without a key, and there is none.
        UsageError: if an address, a key, a proxy or one of the user's files is wrong.
    """
    found = connection(spec)
    provider = provider_of(host_of(found.url)) or (None if spec.where else OPENAI)
    if provider and found.key_from == NO_KEY:
        raise Lacking(f"{spec} needs a key: {advice(provider)}{other(spec)}")


def advice(provider: Provider) -> str:
    return f"set {provider.variables[0]}, or put it into {shown(keys_file()[0])}"


def other(spec: ModelSpec) -> str:
    return "" if spec.where else "; or name an endpoint that needs none (openai:NAME@BASE_URL)"


def key_in(variable: str) -> str:
    """
    Raises:
        UsageError: if the variable holds what is no key.
    """
    key = from_environment(variable)
    if " " in key:
        also = "; leave out the word `Bearer`" if key.lower().startswith("bearer ") else ""
        raise UsageError(f"{variable} holds a space, which no key has{also}")
    return key


def from_environment(variable: str) -> str:
    """Return a variable's value without the white space that comes with a key read from a file.

    Raises:
        UsageError: if no header can hold it.
    """
    value = os.environ.get(variable, "").strip()
    if not fits_a_header(value):
        raise UsageError(f"{variable} holds characters that no key has")
    remember(value)
    return value


def fits_a_header(value: str) -> bool:
    return value.isascii() and (value.isprintable() or not value)


def foreign_headers(url: str) -> Iterator[str]:
    """Yield the headers that the client library takes from the environment for OpenAI, and other hosts must not get."""
    own = {OPENAI_URL, url_of_the_environment()}
    custom = dict(line.partition(":")[::2] for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines())
    for value in custom.values():
        remember(value.strip())
    if url in own or host_of(url) in OPENAI.hosts:
        return
    yield from ("OpenAI-Organization", "OpenAI-Project")
    yield from (name.strip() for name in custom if name.strip() and name.strip().lower() != "authorization")


# --- the user's own files ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What the user's endpoints file says of one host or base URL."""

    place: str = ""
    """File and key, for errors."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)
    key_env: str = ""
    header: str = ""


def keys_file() -> tuple[Path | None, bool]:
    return own_file("CULTUREPARK_KEYS", "keys.toml")


def endpoints_file() -> tuple[Path | None, bool]:
    return own_file("CULTUREPARK_ENDPOINTS", "endpoints.toml")


def own_file(variable: str, name: str) -> tuple[Path | None, bool]:
    """Return the path, None for a user without a home, and whether it was named, so that it must be there."""
    if named := os.environ.get(variable):
        try:
            return Path(named).expanduser(), True
        except RuntimeError:  # no such user, or no home
            return Path(named), True
    folder = user_folder("XDG_CONFIG_HOME", ".config")
    return (folder / "culturepark" / name if folder else None), False


def shown(path: Path | None) -> str:
    """Return a path as people write it."""
    if path is None:
        return "the file that CULTUREPARK_KEYS names"
    at_home = home()
    return f"~/{path.relative_to(at_home)}" if at_home and path.is_relative_to(at_home) else clipped(path, 400)


def keys() -> dict[str, str]:
    """Return the keys of the user's file, by host or base URL.

    Raises:
        UsageError: if others can read the file, or it is no such file.
    """
    path, named = keys_file()
    table = dict(flat(read_toml(path, must_exist=named, private=True)))
    found = {}
    for name, key in table.items():
        pattern = as_pattern(name, f"{path}: {clipped(name)}")
        if not isinstance(key, str) or not key.strip() or not fits_a_header(key.strip()):
            raise UsageError(f'{path}: {clipped(name)}: a line must be HOST = "KEY", with a key that a header can hold')
        remember(key.strip())
        found[pattern] = key.strip()
    return found


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values; `api.mistral.ai = "..."` without quotes is a table in a table to TOML, and a host to people."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


FIELDS = {"headers": dict, "query": dict, "extra": dict, "key_env": str, "header": str}


def endpoints() -> dict[str, Entry]:
    """Return what the user's file says of endpoints, by host or base URL.

    Raises:
        UsageError: naming file and key.
    """
    path, named = endpoints_file()
    found = {}
    for name, table in read_toml(path, must_exist=named).items():
        place = f"{path}: {clipped(name)}"
        if not isinstance(table, dict) or not (
            "." in name or ":" in name or name == "localhost" or table.keys() & FIELDS
        ):
            raise UsageError(f'{place}: a table must be named for a host or base URL in quotes, as ["localhost:8000"]')
        found[as_pattern(name, place)] = entry_of(table, place)
    return found


def entry_of(table: Mapping[str, Any], place: str) -> Entry:
    for name, value in table.items():
        if name not in FIELDS:
            raise UsageError(f"{place}: {clipped(name)}: unknown; known are {', '.join(FIELDS)}")
        if not isinstance(value, FIELDS[name]):
            raise UsageError(f"{place}: {name}: must be {'a table' if FIELDS[name] is dict else 'text'}")
    headers = {}
    for name, value in table.get("headers", {}).items():
        headers[name] = header_value(name, value, f"{place}: headers: {clipped(name)}")
    header, key_env = table.get("header", ""), table.get("key_env", "")
    if header and not HEADER.fullmatch(header):
        raise UsageError(f"{place}: header: must be the name of a header, as x-api-key")
    if key_env and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key_env):
        raise UsageError(f"{place}: key_env: must be the name of a variable, and not the key itself")
    query = {str(name): value for name, value in table.get("query", {}).items()}
    if wrong := next((name for name, value in query.items() if not isinstance(value, str)), None):
        raise UsageError(f"{place}: query: {clipped(wrong)}: must be text")
    for name, value in query.items():
        if SECRET_HEADER.search(name):
            remember(value)
    extra = table.get("extra", {})
    if ours := sorted(OURS & extra.keys()):
        raise UsageError(f"{place}: extra: {ours[0]}: is the program's own to say")
    if not is_json(extra):
        raise UsageError(f"{place}: extra: must be what JSON can hold; no dates, nan or inf")
    return Entry(place, headers, query, extra, key_env, "" if header.lower() == "authorization" else header)


def header_value(name: str, value: object, place: str) -> str:
    """Return a header's value, with `${NAME}` replaced by that variable; what may be a secret is remembered."""
    if not HEADER.fullmatch(name) or not isinstance(value, str) or not fits_a_header(value.strip()):
        raise UsageError(f"{place}: must be a header's name, and text that it can hold")

    def filled(match: re.Match[str]) -> str:
        if not (inner := from_environment(match[1])):
            raise UsageError(f"{place}: {match[1]} is not set")
        return inner

    whole = VARIABLE.sub(filled, value.strip())
    if SECRET_HEADER.search(name):
        remember(whole)
        remember(whole.rpartition(" ")[2])  # what stands behind `Bearer`
    return whole


def is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return isinstance(value, (str, int))


def read_toml(path: Path | None, *, must_exist: bool, private: bool = False) -> dict[str, Any]:
    """Return what a file holds; nothing if it is not there.

    Args:
        must_exist: it is an error if it is not there.
        private: refuse a file that others than its user can read.
    """
    if path is None:
        return {}
    try:
        with readable(path).open("rb") as file:
            if private and os.name == "posix":
                check_private(path, os.fstat(file.fileno()))
            return tomllib.loads(file.read().decode())
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise UsageError(f"{clipped(path, 400)}: no such file") from None
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # What TOML's parser says may repeat a part of the file.
        why = getattr(error, "strerror", None) or (place_in(error) if private else clipped(error, 200))
        raise UsageError(f"{clipped(path, 400)}: {why}") from None


def place_in(error: Exception) -> str:
    at = re.search(r"\(at [^()]{1,60}\)$", str(error))
    return f"is not TOML {at[0] if at else ''}".strip()


def check_private(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise UsageError(f"{path}: belongs to another user, and keys are read from one's own files only")
    if status.st_mode & 0o077:
        raise UsageError(f"{path}: others can read the keys in it; run: chmod 600 {path}")


# --- hosts and base URLs -----------------------------------------------------------------------------


def as_pattern(text: str, place: str) -> str:
    """Return a host, `host:port` or base URL in one spelling.

    Raises:
        UsageError: if it is none of them.
    """
    if "://" in text:
        return check_url(text, place).partition("?")[0]
    host, colon, port = text.lower().rpartition(":") if not text.endswith("]") else (text.lower(), "", "")
    host, port = (host, port) if colon else (text.lower(), "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not is_host(bare) or (":" in bare and bare == host) or (colon and not port.isdecimal()):
        raise UsageError(f"{place}: must be a host, as localhost:8000, or a base URL, as https://api.mistral.ai/v1")
    return text.lower()


def fit(pattern: str, url: str) -> int:
    """Return how closely a pattern names a base URL: 0 if not at all, more for a port, and most for a path."""
    parts = urlsplit(url)
    if "://" in pattern:
        return 2 + len(pattern) if url == pattern or url.startswith(f"{pattern}/") else 0
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return 2 if pattern == f"{host}:{port}" else int(pattern == host)


def pattern_of(table: Mapping[str, Any], url: str) -> str | None:
    """Return the name in a table of hosts and base URLs that fits a URL best."""
    closest = max(table, key=lambda name: fit(name, url), default=None)
    return closest if closest is not None and fit(closest, url) else None


def best(table: Mapping[str, Any], url: str) -> Any:
    """Return the value under that name, or None."""
    pattern = pattern_of(table, url)
    return None if pattern is None else table[pattern]


def names(pattern: str, url: str) -> bool:
    """Return whether a pattern in the user's files says that this very endpoint is the user's.

    A host alone names no endpoint without encryption, unless it is this machine: whoever sits between could be anybody.
    """
    if not fit(pattern, url):
        return False
    return "://" in pattern or url.startswith("https://") or is_loopback(host_of(url)) or fit(pattern, url) > 1
