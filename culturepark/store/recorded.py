"""The recorded runs that come with the program: real answers of a large language model, never edited.

`demo` holds two dialogues in English; `demo-ar`, `demo-ko-de` and others one each, in other languages. They are shipped
as compressed stores, which are unpacked into the cache folder and opened there like any other.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from pathlib import Path

from sqlmodel import select

from culturepark.errors import Unreachable, UsageError
from culturepark.ids import DEMO, run_of
from culturepark.models.weights import cache_dir
from culturepark.store.database import exists
from culturepark.store.selections import PREFIX, find_selection
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

PACKED = {DEMO: "demo.db.gz", f"{DEMO}-": "languages.db.gz"}
"""Beginning of a run's id -> the store that holds it."""


def is_demo(name: str) -> bool:
    """Whether an id is that of a recorded run, or of a row of it."""
    return run_of(name) == DEMO or name.startswith(f"{DEMO}-")


def store_with(url: str, *names: str | None) -> str:
    """Return the URL of the store that holds what is named: the recorded one for `demo`, all below it, and selections
    of it.

    What the user's store has of that name comes first.

    Args:
        url: the user's store.
        names: runs, rows below them, or selections; None and `last` are the user's own.
    Raises:
        UsageError: if there is no store of the user's, and none of the recorded ones has what is named.
    """
    if not names or any(name is None or not (is_demo(name) or name.startswith(PREFIX)) for name in names):
        return url
    wanted = {run_of(name) if is_demo(name) else name for name in names if name}
    recorded = f"sqlite:///{unpacked(DEMO if DEMO in wanted or not any(map(is_demo, wanted)) else f'{DEMO}-')}"
    own = exists(url)
    if own and any(has(url, name) for name in wanted):
        return url
    lacking = [name for name in sorted(wanted) if name != DEMO and not has(recorded, name)]
    if lacking and not own and is_demo(lacking[0]):
        raise UsageError(elsewhere(lacking[0]))
    return url if lacking else recorded


def elsewhere(run_id: str) -> str:
    """Return where a recorded run is that a store lacks, or that there is none of that id."""
    known = [one for which in PACKED for one in runs_in(f"sqlite:///{unpacked(which)}")]
    if run_id in known:
        return f"`{run_id}` is in a store of its own; `culturepark merge {run_id}` copies it into yours"
    return (
        f"no such run: {run_id[:100]!r}; `culturepark runs` lists yours, and those that come with the program are "
        f"{', '.join(known)}"
    )


def runs_in(url: str) -> list[str]:
    """Return the ids of a store's runs, in their order."""
    store = Store(url, must_exist=True)
    try:
        with store.database.reading() as session:
            return sorted(session.exec(select(RunRow.id)))
    finally:
        store.close()


def has(url: str, name: str) -> bool:
    """Tell whether a store has a run or a selection."""
    store = Store(url, must_exist=True)
    try:
        return bool(store.find_run(name) or find_selection(store, name))
    finally:
        store.close()


def is_recorded(shown: str) -> bool:
    """Return whether the URL of a store is that of the recorded run."""
    return Path(shown).name.startswith(f"{DEMO}-") and Path(shown).parent.name == DEMO


def unpacked(which: str = DEMO) -> Path:
    """Return the path of a recorded store, unpacked once for each version of it.

    Args:
        which: a key of `PACKED`.
    """
    packed = (Path(__file__).parent / PACKED[which]).read_bytes()
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
