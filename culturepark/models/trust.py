"""Keeps the models that a user has named, so that no model that only a store names is asked.

A store may come from anywhere. If it could decide where a run is carried on, its author would get the talk and the
user's key; and if it could name a file of weights, llama.cpp would read a file of the author's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from culturepark.errors import UsageError
from culturepark.files import exists, user_folder
from culturepark.models.connections import (
    NO_KEY,
    as_pattern,
    base_url_of,
    connection,
    endpoints,
    fit,
    host_of,
    keys,
    names,
    url_of_the_environment,
)
from culturepark.models.providers import OPENAI_URL
from culturepark.models.spec import ModelSpec
from culturepark.redact import shortened

Ask = Callable[[str], bool]
"""Puts a question to the user; False is no."""
MOST = 1_000_000
"""Bytes of the file of endpoints that are read."""


class Trust:
    """The models that a user has named: on this command line, in the environment, in their own files, or earlier."""

    def __init__(self, named: Iterable[ModelSpec] = (), endpoints: Iterable[str] = (), ask: Ask | None = None) -> None:
        """
        Args:
            named: specs of this command line.
            endpoints: hosts and base URLs of `--endpoint`.
            ask: None if there is no user to ask.
        Raises:
            UsageError: if one of `endpoints` is neither.
        """
        self.options = [as_pattern(text.strip(), f"--endpoint {shortened(text.strip(), 100)!r}") for text in endpoints]
        self._named = {place_of(spec) for spec in named}
        self._ask = ask

    def covers(self, spec: ModelSpec) -> bool:
        """Return whether the user has named the place that a spec leads to."""
        place = place_of(spec)
        if not place or self._names(place) or place in earlier():
            return True
        if not spec.needs_key:
            return False
        if place == OPENAI_URL:
            return True
        with suppress(UsageError):  # a wrong variable is an error where it is needed
            if place == url_of_the_environment().partition("?")[0]:
                return True
        return any(names(pattern, place) for pattern in (*keys(), *endpoints()))

    def check(self, spec: ModelSpec) -> None:
        """
        Raises:
            UsageError: if the user has not named the place that a spec leads to.
        """
        if not self.covers(spec):
            raise UsageError(refusal({"": spec}))

    def admit(self, specs: Mapping[str, ModelSpec]) -> None:
        """Ask the user about every place that only the store names. A place that is allowed counts as named.

        Args:
            specs: by role, those that are about to be asked.
        Raises:
            UsageError: if there is nobody to ask, or the answer is no.
        """
        for place, by_role in self.strangers(specs).items():
            if self._ask is None:
                raise UsageError(refusal(by_role))
            if not self._ask(question(by_role)):
                named = next(iter(by_role.values()))
                raise UsageError(f"nothing was sent to {place}" if named.needs_key else f"{named} was not loaded")
            self.name(by_role.values())
        remember_places(place for place in map(place_of, specs.values()) if self._names(place))

    def strangers(self, specs: Mapping[str, ModelSpec]) -> dict[str, dict[str, ModelSpec]]:
        """Return the places that the user has not named, each with the specs that lead there, by role."""
        by_place: dict[str, dict[str, ModelSpec]] = {}
        for role, spec in specs.items():
            if not self.covers(spec):
                by_place.setdefault(place_of(spec), {})[role] = spec
        return by_place

    def name(self, specs: Iterable[ModelSpec]) -> None:
        """Take specs as named by the user."""
        self._named |= {place_of(spec) for spec in specs}

    def _names(self, place: str) -> bool:
        """Return whether this command line names a place, or its user has said yes to it."""
        return place in self._named or ("://" in place and any(fit(option, place) for option in self.options))

    def unused(self, specs: Iterable[ModelSpec]) -> list[str]:
        """Return the values of `--endpoint` to which none of these specs leads."""
        places = [place_of(spec) for spec in specs if spec.needs_key]
        return [option for option in self.options if not any(fit(option, place) for place in places)]


def place_of(spec: ModelSpec) -> str:
    """Return the base URL, file or hub file that a spec leads to, with its adapter; empty where nobody need name it."""
    return spec.of.place(spec)


# --- messages to the user ----------------------------------------------------------------------------


def question(specs: Mapping[str, ModelSpec]) -> str:
    """
    Args:
        specs: by role, all with the same place.
    """
    (first, *_), roles = specs.values(), ", ".join(specs)
    if not first.needs_key:
        into = " into llama.cpp" if first.local else ""
        return f"This store names the model {first} ({roles}), which would be loaded{into}. Load it?"
    key_from = connection(first).key_from
    key = "without a key" if key_from == NO_KEY else f"and the key from {key_from} with it"
    return (
        f"This store names the endpoint {base_url_of(first)} ({roles}), which you have not named so far. "
        f"The talk would go to {host_of(base_url_of(first))}, {key}. Send it?"
    )


def refusal(specs: Mapping[str, ModelSpec]) -> str:
    """Return the message where there is nobody to ask, with the option that allows the specs."""
    first, roles = next(iter(specs.values())), ", ".join(filter(None, specs))
    who = f" ({roles})" if roles else ""
    if not first.needs_key:
        into = " into llama.cpp" if first.local else ""
        options = " ".join(f"--role {role}={first}" for role in specs if role)
        return (
            f"the store names the model {first}{who}, which you have not named, and nothing was loaded; if it is to be "
            f"loaded{into}, add {options or f'--role ROLE={first}'}{forgetful()}"
        )
    url = base_url_of(first)
    with_key = "" if connection(first).key_from == NO_KEY else f" with the key from {connection(first).key_from}"
    return (
        f"the store names the endpoint {url}{who}, which you have not named, and nothing was sent; if the talk may go "
        f"to {host_of(url)}{with_key}, add --endpoint {url}{forgetful()}"
    )


def forgetful() -> str:
    """Return the reason, in brackets, why places named earlier are not known; empty if they are."""
    path = places_file()
    if path is None:
        return " (there is no home folder, so what you named before is not remembered)"
    if exists(path) and not is_own(path):
        return f" ({path} is not yours alone to write, so what it says is not believed)"
    if not exists(path) and not writable(path):
        return f" ({path} cannot be written, so what you named before is not remembered)"
    return ""


# --- places named earlier ----------------------------------------------------------------------------


def places_file() -> Path | None:
    folder = user_folder("XDG_STATE_HOME", ".local/state")
    return folder / "culturepark" / "endpoints" if folder else None


def earlier() -> set[str]:
    """Return the places that this user has named in earlier commands; none if they cannot be read."""
    path = places_file()
    try:
        if path is None or not is_own(path):
            return set()
        with path.open("rb") as file:
            # A last line without its end was broken off, and may name a wrong place.
            return set(file.read(MOST).decode("utf-8", "replace").rpartition("\n")[0].split("\n"))
    except OSError:
        return set()


def is_own(path: Path) -> bool:
    """Return whether a path is a file that nobody else could have written."""
    try:
        status = path.stat()
    except OSError:
        return False
    if os.name != "posix":
        return stat.S_ISREG(status.st_mode)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def writable(path: Path) -> bool:
    """Return whether a file could be made at a path, with its folders."""
    near = next((folder for folder in path.parents if exists(folder)), None)
    return near is not None and os.access(near, os.W_OK | os.X_OK)


def remember_places(places: Iterable[str]) -> None:
    """Add places to the file of those that this user has named. If it cannot be written, they are forgotten."""
    path = places_file()
    known = earlier()
    new = [place for place in dict.fromkeys(places) if place and place not in known and place.isprintable()]
    if path is None or not new or (exists(path) and not is_own(path)):
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write at the end of the file: two commands at once do not lose each other's lines.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, "".join(f"{line}\n" for line in new).encode("utf-8", "replace"))
        finally:
            os.close(handle)
