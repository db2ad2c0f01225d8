"""Paths that users name: whether something is there, and can be read to an end; and how to speak of what files hold."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from culturepark.redact import shortened


def exists(path: Path) -> bool:
    """Whether anything is there; a name that no file can have is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def readable(path: Path) -> Path:
    """The path, if there is an end to what can be read from it.

    Raises:
        OSError: for a pipe or a device, and if nothing is there.
        ValueError: for a name that no file can have.
    """
    if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        raise OSError(errno.EINVAL, "is a pipe or a device; a file is wanted", str(path))
    return path


def expanded(path: str) -> Path:
    """With a leading `~` as the home folder; as it stands where nobody has such a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def clipped(value: object, width: int = 60) -> str:
    """Something a file holds, made fit to stand in a message of one line."""
    try:
        whole = str(value)
    except ValueError:  # Python does not spell out integers of more than 4300 digits
        return "a huge number"
    text = "".join(c if c.isprintable() else "?" for c in shortened(whole, width + 1))
    return text if len(text) <= width else text[: width - 1] + "…"


def home_folder() -> Path | None:
    """Return the user's home folder; None if there is none, as for a user id without a passwd entry."""
    if os.environ.get("HOME") == "":  # which Python takes for the root of all files
        return None
    try:
        path = Path.home()
    except (RuntimeError, OSError):
        return None
    return path if path.is_absolute() else None


def user_folder(variable: str, below_home: str) -> Path | None:
    """Return the user's own folder for a kind of files; None for a user without a home.

    Args:
        variable: names the folder (`XDG_CONFIG_HOME`); a relative path is ignored, as its specification asks.
        below_home: where it is otherwise (`.config`).
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    home = home_folder()
    return home / below_home if home else None
