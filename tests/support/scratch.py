"""Where tests keep what they need for a moment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = "/dev/shm"
"""Where Linux keeps files in memory. Stores wait there for no disk, at each of some 150 commits a run."""


def memory() -> str | None:
    """Return a folder in memory; None where there is none, or less than 4 GB of it."""
    return MEMORY if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30 else None


def config(name: str, text: str, mode: int = 0o600) -> Path:
    """Write a file of the user's settings."""
    path = Path(os.environ["XDG_CONFIG_HOME"], "culturepark", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path
