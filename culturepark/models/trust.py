"""Which models a user has named, so that nothing a store names is asked without a word from its user.

A store may come from anywhere. If it could name where a run is carried on, whoever wrote it would get the talk and the
user's key; and if it could name a file of weights, llama.cpp would read a file of theirs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    """What a user has named: on this command line, in the environment, in files of their own, or earlier."""

    def __init__(self, named: Iterable[ModelSpec] = (), endpoints: Iterable[str] = (), ask: Ask | None = None) -> None:
        """
        Args:
            named: specs of this command line.
            endpoints: hosts and base URLs of `--endpoint`.
            ask: where there is a user to ask.
        Raises:
            UsageError: if one of `endpoints` is neither.
        """
        self.options = [as_pattern(text.strip(), f"--endpoint {shortened(text.strip(), 100)!r}") for text in endpoints]
        self._named = {place_of(spec) for spec in named}
        self._ask = ask

    def covers(self, spec: ModelSpec) -> bool:
        """Return whether the user has named where a spec leads."""
        place = place_of(spec)
        if not place or self._names(place) or place in earlier():
            return True
        if not spec.needs_key:
            return False
        if place == OPENAI_URL:
            return True
        with suppress(UsageError):  # a wrong variable is told where it is needed
            if place == url_of_the_environment().partition("?")[0]:
                return True
        return any(names(pattern, place) for pattern in (*keys(), *endpoints()))

    def check(self, spec: ModelSpec) -> None:
        """
        Raises:
            UsageError: if a spec leads where the user has not said that anything may go.
        """
        if not self.covers(spec):
            raise UsageError(refusal({"": spec}))

    def admit(self, specs: Mapping[str, ModelSpec]) -> None:
        """Ask the user about every place that only the store names; what is allowed is as if it had been named.

        Args:
            specs: by role, those that are about to be asked.
        Raises:
            UsageError: if there is nobody to ask, or the answer is no.
        """
        for place, there in self.strangers(specs).items():
            if self._ask is None:
                raise UsageError(refusal(there))
            if not self._ask(question(there)):
                raise UsageError(f"nothing was sent to {place}" if "://" in place else f"{place} was not loaded")
            self.name(there.values())
        remember_places(place for place in map(place_of, specs.values()) if self._names(place))

    def strangers(self, specs: Mapping[str, ModelSpec]) -> dict[str, dict[str, ModelSpec]]:
        """Return the places that the user has not named, each with the specs that lead there, by role."""
        strange: dict[str, dict[str, ModelSpec]] = {}
        for role, spec in specs.items():
            if not self.covers(spec):
                strange.setdefault(place_of(spec), {})[role] = spec
        return strange

    def name(self, specs: Iterable[ModelSpec]) -> None:
        """Take specs as named by the user."""
        self._named |= {place_of(spec) for spec in specs}

    def _names(self, place: str) -> bool:
        """Return whether this command line names a place, or its user has said yes to it."""
        return place in self._named or ("://" in place and any(fit(option, place) for option in self.options))

    def unused(self, specs: Iterable[ModelSpec]) -> list[str]:
        """Return those of `--endpoint` to which none of these specs leads."""
        places = [place_of(spec) for spec in specs if spec.needs_key]
        return [option for option in self.options if not any(fit(option, place) for place in places)]


def place_of(spec: ModelSpec) -> str:
    """Return the base URL, file or hub file that a spec leads to; empty where nothing has to be named."""
    return spec.of.place(spec)


# --- what the user is told ---------------------------------------------------------------------------


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
    """Return what is told where there is nobody to ask, with the option that allows it."""
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
    """Return why nothing named earlier is known, where that is so."""
    path = places_file()
    if path is None:
        return " (there is no home folder, so what you named before is not remembered)"
    if exists(path) and not is_own(path):
        return f" ({path} is not yours alone to write, so what it says is not believed)"
    if not exists(path) and not writable(path):
        return f" ({path} cannot be written, so what you named before is not remembered)"
    return ""


# --- what was named earlier ----------------------------------------------------------------------------


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
            # A last line without its end was broken off, and may name another place than was meant.
            return set(file.read(MOST).decode("utf-8", "replace").rpartition("\n")[0].split("\n"))
    except OSError:
        return set()


def is_own(path: Path) -> bool:
    """Return whether it is a file that nobody else could have written."""
    try:
        status = path.stat()
    except OSError:
        return False
    if os.name != "posix":
        return stat.S_ISREG(status.st_mode)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def writable(path: Path) -> bool:
    """Return whether a file could be made there, folders included."""
    near = next((folder for folder in path.parents if exists(folder)), None)
    return near is not None and os.access(near, os.W_OK | os.X_OK)


def remember_places(places: Iterable[str]) -> None:
    """Add places to the file of those that this user has named; where it cannot be written, they are forgotten."""
    path = places_file()
    new = list(new_lines(places))
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


def new_lines(places: Iterable[str]) -> Iterator[str]:
    known = earlier()
    for place in dict.fromkeys(places):
        if place and place not in known and place.isprintable():
            yield place
