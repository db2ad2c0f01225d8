"""Finds the address and the key that a model's spec leads to.

A key comes from the user's own files, from the variable of a known service, or from `OPENAI_API_KEY`. Whether a spec
may be asked at all is for `models.trust` to say.
"""

from __future__ import annotations

import json
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
from culturepark.files import clipped, home_folder, readable, user_folder
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
"""Parts of a request that only the program decides on; others may be added by `extra`."""
NO_KEY = "no key"
V1_VERSIONS = {"v1", "preview", "latest"}
"""Values of `api-version` that belong to Azure's newer API; all others are dates, and belong to the classic one."""
DATED = re.compile(r"\d{4}-\d\d-\d\d(-[a-z]+)?")
"""Versions of the classic API."""


@dataclass(frozen=True)
class Connection:
    """Everything that is needed to ask one endpoint."""

    url: str
    """Base URL, without query; the store's name of the endpoint."""
    key: str = field(default="", repr=False)
    """Empty if there is none."""
    key_from: str = NO_KEY
    """The source of the key, in words."""
    header: str = ""
    """Name of the header that holds the key; empty for `Authorization: Bearer`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further headers."""
    query: Mapping[str, str] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)
    """Added to the body of every chat request."""
    azure: bool = False
    proxy: Proxy | None = None
    batches: str = ""
    """The format of its batches (`models/batch_formats`), if it has any; empty if it has none."""

    @property
    def key_advice(self) -> str:
        """Advice where the endpoint wants a key, or another one."""
        if self.key:
            return f"check {self.key_from}: the endpoint does not accept the key that it got"
        if self.key_from != NO_KEY:
            return f"check the {self.key_from}: the endpoint does not accept what it got"
        host = urlsplit(self.url).netloc
        provider = provider_of(host_of(self.url)) or OPENAI
        return f"no key was set for {host}; this server wants one: {advice(provider)}"

    @property
    def bearer(self) -> str:
        """The key in `Authorization`; a server that wants none takes any word."""
        return self.key if self.key and not self.header else "none"

    def all_headers(self) -> dict[str, str]:
        """Return the headers that the client library sends beyond its own."""
        headers = {"Authorization": f"Bearer {self.bearer}"}
        if self.header and self.key:
            headers[self.header] = self.key
        return headers | dict(self.headers)

    def hooks(self) -> dict[str, list[Any]]:
        """Return hooks for the HTTP client, which drop `Authorization` where the key has a header of its own."""
        if not self.header or any(name.lower() == "authorization" for name in self.headers):
            return {}

        async def drop(request: Any) -> None:
            del request.headers["Authorization"]

        return {"request": [drop]}


def connection(spec: ModelSpec) -> Connection:
    """Return the connection of a spec of the kind `openai`.

    Raises:
        UsageError: if an address, a key, a proxy or one of the user's files is wrong.
    """
    url, query = address(spec)
    entries = endpoints()
    entry = entries.get(pattern_of(entries, url) or "", Entry())
    key, key_from = key_for(url, entry)
    if not key and any(SECRET_HEADER.search(name) for name in entry.headers):
        key_from = f"headers of {entry.place}"
    azure = is_azure(host_of(url))
    header = entry.header or ("api-key" if azure else "")
    if not key and azure and (token := key_in("AZURE_OPENAI_AD_TOKEN")):
        key, key_from, header = token, "AZURE_OPENAI_AD_TOKEN", ""
    return Connection(
        url,
        key,
        key_from,
        header,
        entry.headers,
        {**query, **entry.query},
        entry.extra,
        azure,
        proxy_for(url),
        entry.batches or batches_at(url),
    )


# --- the address -----------------------------------------------------------------------------------


def base_url_of(spec: ModelSpec) -> str:
    """Return the base URL of a spec, without query.

    Raises:
        UsageError: if `OPENAI_BASE_URL` is no URL, or holds a secret.
    """
    return address(spec)[0]


def address(spec: ModelSpec) -> tuple[str, dict[str, str]]:
    """Return base URL and query. Azure's are completed from the resource's name and perhaps a version."""
    whole = spec.where or url_of_the_environment() or OPENAI_URL
    url, _, query = whole.partition("?")
    if not is_azure(host_of(url)):
        return url, {}
    named = query.partition("=")[2]
    version, source = named, "api-version"
    for variable in ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"):
        if not version:
            version, source = from_environment(variable), variable
    if version and version not in V1_VERSIONS and not DATED.fullmatch(version):
        raise UsageError(f"{source} holds no version, which is a date, as 2024-10-21")
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
    url = os.environ.get("OPENAI_BASE_URL")
    return check_url(url, "OPENAI_BASE_URL") if url else ""


def batches_at(url: str) -> str:
    """Return the format of a service's batches; empty where its addresses for them are others than OpenAI's."""
    provider = provider_of(host_of(url))
    return provider.batches if provider else "openai"


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


# --- the key ---------------------------------------------------------------------------------------


def key_for(url: str, entry: Entry) -> tuple[str, str]:
    """Return the key for a base URL, and its source in words; an empty key if there is none.

    Raises:
        UsageError: if a file or a variable with keys is wrong, or the variable that an endpoint names is not set.
    """
    own_keys = keys()
    if pattern := pattern_of(own_keys, url):
        return own_keys[pattern], f"{shown(keys_file()[0])} ({pattern})"
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
    there = connection(spec)
    provider = provider_of(host_of(there.url)) or (None if spec.where else OPENAI)
    if provider and there.key_from == NO_KEY:
        way_out = "" if spec.where else "; or name an endpoint that needs none (openai:NAME@BASE_URL)"
        raise Lacking(f"{spec} needs a key: {advice(provider)}{way_out}")


def advice(provider: Provider) -> str:
    return f"set {provider.variables[0]}, or put it into {shown(keys_file()[0])}"


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
    """Yield the headers that the client library takes from the environment for OpenAI, if the host is another one."""
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
    """Settings of one host or base URL in the user's endpoints file."""

    place: str = ""
    """File and key, for errors."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)
    key_env: str = ""
    header: str = ""
    batches: str = ""


def keys_file() -> tuple[Path | None, bool]:
    return own_file("CULTUREPARK_KEYS", "keys.toml")


def endpoints_file() -> tuple[Path | None, bool]:
    return own_file("CULTUREPARK_ENDPOINTS", "endpoints.toml")


def own_file(variable: str, name: str) -> tuple[Path | None, bool]:
    """Return the path, None for a user without a home; and whether a variable names it, so that it must be there."""
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
    home = home_folder()
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else clipped(path, 400)


def keys() -> dict[str, str]:
    """Return the keys of the user's file, by host or base URL.

    Raises:
        UsageError: if others can read the file, or it is no such file.
    """
    path, named = keys_file()
    by_pattern = {}
    for name, key in flat(read_toml(path, must_exist=named, private=True)):
        pattern = as_pattern(name, f"{path}: {clipped(name)}")
        if not isinstance(key, str) or not key.strip() or not fits_a_header(key.strip()):
            raise UsageError(f'{path}: {clipped(name)}: a line must be HOST = "KEY", with a key that a header can hold')
        remember(key.strip())
        by_pattern[pattern] = key.strip()
    return by_pattern


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all values with their dotted names: to TOML, `api.mistral.ai = "..."` without quotes is nested tables."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


FIELDS = {"headers": dict, "query": dict, "extra": dict, "key_env": str, "header": str, "batches": str}
BATCHES = ("openai", "anthropic")
"""Formats of batches that an entry may name."""


def endpoints() -> dict[str, Entry]:
    """Return the entries of the user's endpoints file, by host or base URL.

    Raises:
        UsageError: naming file and key.
    """
    path, named = endpoints_file()
    by_pattern = {}
    for name, table in read_toml(path, must_exist=named).items():
        place = f"{path}: {clipped(name)}"
        if not isinstance(table, dict) or not (
            "." in name or ":" in name or name == "localhost" or table.keys() & FIELDS
        ):
            raise UsageError(f'{place}: a table must be named for a host or base URL in quotes, as ["localhost:8000"]')
        by_pattern[as_pattern(name, place)] = entry_of(table, place)
    return by_pattern


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
    batches = table.get("batches", "")
    if batches and batches not in BATCHES:
        raise UsageError(f"{place}: batches: must be one of {', '.join(BATCHES)}")
    query = table.get("query", {})
    for name, value in query.items():
        if not isinstance(value, str):
            raise UsageError(f"{place}: query: {clipped(name)}: must be text")
        if SECRET_HEADER.search(name):
            remember(value)
    extra = table.get("extra", {})
    if ours := sorted(OURS & extra.keys()):
        raise UsageError(f"{place}: extra: {ours[0]}: is the program's own to say")
    try:
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError):
        raise UsageError(f"{place}: extra: must be what JSON can hold; no dates, nan or inf") from None
    header = "" if header.lower() == "authorization" else header
    return Entry(place, headers, query, extra, key_env, header, batches)


def header_value(name: str, value: object, place: str) -> str:
    """Return a header's value, with `${NAME}` replaced by that variable. A possible secret is remembered."""
    if not HEADER.fullmatch(name) or not isinstance(value, str) or not fits_a_header(value.strip()):
        raise UsageError(f"{place}: must be a header's name, and text that it can hold")

    def filled(match: re.Match[str]) -> str:
        if not (inner := from_environment(match[1])):
            raise UsageError(f"{place}: {match[1]} is not set")
        return inner

    whole = VARIABLE.sub(filled, value.strip())
    if SECRET_HEADER.search(name):
        remember(whole)
        remember(whole.rpartition(" ")[2])  # the key behind `Bearer`
    return whole


def read_toml(path: Path | None, *, must_exist: bool, private: bool = False) -> dict[str, Any]:
    """Return a file's content; empty if there is no such file.

    Args:
        must_exist: whether it is an error if there is no such file.
        private: whether to refuse a file that other users can read.
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
        # The words of TOML's parser may repeat a part of the file.
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
    host = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+)(?::\d+)?", text.lower())
    if not host or not is_host(host[1].removeprefix("[").removesuffix("]")):
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
    """Return the host or base URL in a table that fits a URL best; None if none fits."""
    closest = max(table, key=lambda name: fit(name, url), default=None)
    return closest if closest is not None and fit(closest, url) else None


def names(pattern: str, url: str) -> bool:
    """Return whether a pattern in the user's files says that this very endpoint is the user's.

    A host alone names no endpoint without encryption, unless it is this machine: somebody between could answer for it.
    """
    if not fit(pattern, url):
        return False
    return "://" in pattern or url.startswith("https://") or is_loopback(host_of(url)) or fit(pattern, url) > 1
