"""The files of an export: rows as JSONL, an index with the digest of each line, and optionally the rows as Parquet."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.export.formats import FORMATS, Column, Format, line
from culturepark.export.metadata import COLUMN, kinds
from culturepark.files import exists, is_folder, readable
from culturepark.stats.figures import Figures

if TYPE_CHECKING:
    import pyarrow

MANIFEST, CARD, DUPLICATES = "manifest.json", "README.md", "duplicates.jsonl"
CROISSANT, DATASET_INFO = "croissant.json", "dataset_info.json"
ROW_GROUP = 2_000
"""Rows in one group of a Parquet file, which is held in memory."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""Errors of reading JSON that another program may have written."""


def index_of(name: str) -> str:
    return f"{name.rpartition('.')[0]}.index.jsonl"


class File(Figures):
    """A file of rows, as the manifest names it."""

    name: str
    rows: int
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


class RowsFile(File):
    """A JSONL file of rows with its index."""

    index: str
    index_sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, self.index


class Lines:
    """One JSONL file being written."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self.count = 0
        self._digest = hashlib.sha256()
        self._file = stack.enter_context(create(path))

    def add(self, data: JsonObject) -> str:
        """Write a row and return its sha256."""
        text = line(data).encode("utf-8")
        self._put(self.around(text))
        self.count += 1
        return hashlib.sha256(text).hexdigest()

    def around(self, text: bytes) -> bytes:
        """Return a row as it is written."""
        return text + b"\n"

    def end(self) -> None:
        """Write what stands after the last row."""

    def _put(self, text: bytes) -> None:
        self._digest.update(text)
        self._file.write(text)

    def facts(self) -> File:
        return File(name=self.path.name, rows=self.count, sha256=self._digest.hexdigest())


class Array(Lines):
    """One JSON array being written, of which line N holds element N."""

    def around(self, text: bytes) -> bytes:
        return (b",\n" if self.count else b"[") + text

    def end(self) -> None:
        self._put(b"]\n")


class Table:
    """One Parquet file being written, in groups of rows."""

    def __init__(self, path: Path, columns: pyarrow.Schema, stack: ExitStack) -> None:
        import pyarrow.parquet

        self.path = path
        self.count = 0
        self._held: list[JsonObject] = []
        self._schema = columns
        file = stack.enter_context(create(path))
        self._writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, self._schema, compression="zstd"))

    def add(self, data: JsonObject) -> None:
        self.count += 1
        self._held.append(data)
        if len(self._held) == ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow

        if self._held:
            self._writer.write_table(pyarrow.Table.from_pylist(self._held, schema=self._schema))
            self._held = []

    def facts(self) -> File:
        """Return name, rows and digest of the closed file."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return File(name=self.path.name, rows=self.count, sha256=digest)


@dataclass
class Sink:
    """The files of one name: rows, index, and optionally the rows as Parquet."""

    rows: Lines
    index: Lines
    table: Table | None = None

    def add(self, data: JsonObject, ids: JsonObject) -> None:
        """
        Args:
            ids: for the index, with what else it says of the row.
        """
        sha256 = self.rows.add(data)
        self.index.add({"line": self.rows.count, **ids, "sha256": sha256})
        if self.table:
            self.table.add(data)

    def facts(self) -> list[File]:
        rows, index = self.rows.facts(), self.index.facts()
        jsonl = RowsFile(**rows.as_json(), index=index.name, index_sha256=index.sha256)
        return [jsonl, self.table.facts()] if self.table else [jsonl]


@dataclass
class Sinks:
    """All files of an export by name; each is opened for its first row."""

    folder: Path
    format: Format
    parquet: bool
    metadata: bool
    stack: ExitStack
    made: dict[str, Sink] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Sink:
        if name not in self.made:
            kind, end = (Array, ".json") if self.format.bundle else (Lines, ".jsonl")
            rows = kind(self.folder / f"{name}{end}", self.stack)
            index = Lines(self.folder / f"{name}.index.jsonl", self.stack)
            columns = schema(self.format, self.metadata) if self.parquet else None
            table = Table(self.folder / f"{name}.parquet", columns, self.stack) if self.parquet else None
            self.made[name] = Sink(rows, index, table)
        return self.made[name]

    def end(self) -> None:
        """Write what is held back; no row comes after it."""
        for sink in self.made.values():
            sink.rows.end()
            if sink.table:
                sink.table.flush()


def schema(form: Format, metadata: bool) -> pyarrow.Schema:
    import pyarrow

    text = pyarrow.string()
    types = {str: text, int: pyarrow.int64(), float: pyarrow.float64()}

    def column(kind: Column) -> Any:
        if isinstance(kind, type):
            return pyarrow.bool_()
        return pyarrow.list_(pyarrow.struct([(key, text) for key in kind])) if kind else text

    def typed(kind: Any) -> Any:
        return pyarrow.struct([(key, typed(of)) for key, of in kind.items()]) if isinstance(kind, dict) else types[kind]

    columns = [(name, column(kind)) for name, kind in form.columns.items()]
    return pyarrow.schema([*columns, *([(COLUMN, typed(kinds(form.pairs)))] if metadata else [])])


def need_parquet() -> None:
    """
    Raises:
        UsageError: if the package that writes Parquet is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError("Parquet needs a package more: pip install 'culturepark[parquet]'") from None


# --- where they go -----------------------------------------------------------------------------


def put_in_place(aside: Path, out: Path, names: list[str], old: set[str]) -> None:
    """Move an export to its folder: as a whole, or over an older export file by file.

    The manifest comes first. If this is interrupted, the folder is known as an export and the next one may replace it.
    """
    if not exists(out):
        os.replace(aside, out)
        return
    for name in old - set(names):
        (out / name).unlink(missing_ok=True)
    for name in names:
        (out / name).parent.mkdir(exist_ok=True)
        keep_mode(out / name, aside / name)
        os.replace(aside / name, out / name)


def files_of_an_export(out: Path) -> set[str]:
    """Return the names of the files of the export in a folder, which a new export replaces.

    Raises:
        UsageError: if the folder holds other files, or is no folder.
    """
    if exists(out) and not is_folder(out):
        raise UsageError(f"--out {out} is a file; a folder is wanted")
    aside = f".{out.resolve().name}."  # the beginning of folders that killed exports leave behind
    if not is_folder(out) or all(path.name.startswith(aside) for path in out.iterdir()):
        return set()
    try:
        text = readable(out / MANIFEST).read_bytes()
    except OSError:
        text = b""
    if (names := files_named_by(text)) is None:
        raise UsageError(f"--out {out} holds other files; name a new folder")
    return names


def files_named_by(text: bytes) -> set[str] | None:
    """Return the names of the files of an export that its manifest names, but for itself and the card.

    Returns:
        None if the text is no manifest of an export.
    """
    try:
        manifest = json.loads(text)
        names = [str(file["name"]) for file in manifest["files"] if manifest["culturepark"]]
        names += [DUPLICATES] if manifest.get("duplicates") else []
        card = [CARD] if manifest.get("card") else []  # logs have none
        names += [str(file["name"]) for file in manifest.get("beside", ())]
    except UNREADABLE:
        return None
    # A manifest may name any file; only files with the names of an export are deleted.
    data_files = [name for name in names if re.fullmatch(r"[a-z][a-z.]*\.(jsonl|parquet)", name)]
    logs = [name for name in names if re.fullmatch(r"[0-9]{4}-[\w+-]+\.eval", name)]
    indexes = [index_of(name) for name in data_files if name.endswith(".jsonl") and name != DUPLICATES]
    bundles = [known.bundle for known in FORMATS.values() if known.bundle and known.bundle.file in names]
    of_bundles = (name for bundle in bundles for name in bundle.files)
    return {*card, *logs, *data_files, *indexes, *of_bundles, *({CROISSANT, DATASET_INFO} & {*names})}


def create(path: Path) -> IO[bytes]:
    """Open a new file that its owner and the owner's group may read."""
    path.parent.mkdir(mode=0o750, exist_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o640), "wb")


def put(path: Path, text: str) -> str:
    """Write a whole file and return its sha256."""
    # Names of folders can hold bytes that are not UTF-8; JSON has the same escape for them.
    data = text.encode("utf-8", "backslashreplace")
    with create(path) as handle:
        handle.write(data)
    return hashlib.sha256(data).hexdigest()


def keep_mode(old: Path, new: Path) -> None:
    """Give a new file the permissions of the one it replaces."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(mode := old.lstat().st_mode):
            new.chmod(stat.S_IMODE(mode))
