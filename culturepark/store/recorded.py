"""The recorded run that comes with the program: `demo`, real answers of a large language model, never edited.

It is shipped as a compressed store, which is unpacked into the cache folder and opened there like any other.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from pathlib import Path

from culturepark.errors import Unreachable
from culturepark.ids import run_of
from culturepark.models.weights import cache_dir
from culturepark.store.database import exists
from culturepark.store.store import Store

DEMO = "demo"
"""Id of the recorded run."""
PACKED = Path(__file__).parent / "demo.db.gz"


def store_with(url: str, *names: str | None) -> str:
    """Return the URL of the store that holds what is named: the recorded one for `demo` and all below it.

    A run of that name in the user's store comes first.

    Args:
        url: the user's store.
        names: runs, or rows below them; None and `last` are the user's own.
    """
    if not names or any(name is None or run_of(name) != DEMO for name in names):
        return url
    if exists(url):
        store = Store(url, must_exist=True)
        try:
            if store.find_run(DEMO):
                return url
        finally:
            store.close()
    return f"sqlite:///{unpacked()}"


def is_recorded(shown: str) -> bool:
    """Return whether the URL of a store is that of the recorded run."""
    return Path(shown).name.startswith(f"{DEMO}-") and Path(shown).parent.name == DEMO


def unpacked() -> Path:
    """Return the path of the recorded run's store, unpacked once for each version of it."""
    packed = PACKED.read_bytes()
    name = f"demo-{hashlib.sha256(packed).hexdigest()[:12]}.db"
    try:
        folder = cache_dir() / DEMO
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            write(folder / name, gzip.decompress(packed))
    except (OSError, Unreachable):  # no home, or one that cannot be written
        folder = Path(tempfile.mkdtemp(prefix="culturepark-")) / DEMO
        folder.mkdir()
        write(folder / name, gzip.decompress(packed))
    return folder / name


def write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
