"""Where tests keep what they need for a moment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from filelock import FileLock

SHARED: list[Path] = []
"""The folder of a session, in which all its workers find what one of them has made; `conftest` says where it is."""

MEMORY = "/dev/shm"
"""Where Linux keeps files in memory. Stores wait there for no disk, at each of some 150 commits a run."""


def memory() -> str | None:
    """Return a folder in memory; None where there is none, or less than 4 GB of it."""
    return MEMORY if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30 else None


def made_once(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Decorate what makes a store of many tests: the first worker that asks makes it for all."""

    @wraps(make)
    def made() -> bytes:
        if not SHARED:  # outside of pytest
            return make()
        path = SHARED[0] / make.__name__
        with FileLock(f"{path}.lock"):
            if not path.exists():
                path.write_bytes(make())
            return path.read_bytes()

    return made


def config(name: str, text: str, mode: int = 0o600) -> Path:
    """Write a file of the user's settings."""
    path = Path(os.environ["XDG_CONFIG_HOME"], "culturepark", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path
