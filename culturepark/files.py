"""Paths that users name, the user's own folders, and values from files in messages."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from culturepark.redact import shortened


def package_dir(name: str) -> Path:
    """Return the folder of the shipped `personas` or `scenarios`: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def exists(path: Path) -> bool:
    """Return whether anything is there; False also for a name that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def readable(path: Path) -> Path:
    """Return the path of a file or folder, and refuse pipes and devices, which may have no end.

    Raises:
        OSError: for a pipe or device, and if nothing is there.
        ValueError: for a name that no file can have.
    """
    if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        raise OSError(errno.EINVAL, "is a pipe or a device; a file is wanted", str(path))
    return path


def expanded(path: str) -> Path:
    """Expand a leading `~`; a path whose user has no home stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def put_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object for people to read; a kill leaves the old file or the new one, whole."""
    part(path).write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", "utf-8", "backslashreplace")
    part(path).replace(path)


def part(path: Path) -> Path:
    """Return the place at which a file is written before it takes its name."""
    return path.with_name(f"{path.name}.part")


def clipped(value: object, width: int = 60) -> str:
    """Return a value from a file as it can stand in a message of one line."""
    try:
        whole = str(value)
    except ValueError:  # Python does not spell out integers of more than 4300 digits
        return "a huge number"
    text = "".join(c if c.isprintable() else "?" for c in shortened(whole, width + 1))
    return text if len(text) <= width else text[: width - 1] + "…"


def some_of(names: Sequence[str], most: int) -> str:
    """Return the first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


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
        variable: the environment variable with its path (`XDG_CONFIG_HOME`); a relative path is ignored, as its
            specification asks.
        below_home: its default place (`.config`).
    """
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    home = home_folder()
    return home / below_home if home else None
