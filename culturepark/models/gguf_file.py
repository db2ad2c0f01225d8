"""What the head of a GGUF file says: what it is, for which architecture, and the shapes of its tensors.

llama.cpp would find out too, minutes later and in its own words. The layout is llama.cpp's, version 2 and 3:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The package `gguf` reads the same, in a second for a large
vocabulary, and is not part of the extra `local`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from culturepark.errors import UsageError
from culturepark.files import clipped, readable

MAGIC = b"GGUF"
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Number of a type -> its format."""
STRING, ARRAY = 8, 9
MOST = 1 << 20
"""Keys, tensors, and characters of a name that are read. Real files have thousands."""
DIMENSIONS = 4
TYPE, ARCHITECTURE, ADAPTER_TYPE = "general.type", "general.architecture", "adapter.type"

Scalar = int | float | bool | str


@dataclass(frozen=True)
class GgufFile:
    """The head of a file."""

    path: Path
    values: Mapping[str, Scalar]
    """Its metadata, without arrays."""
    shapes: Mapping[str, tuple[int, ...]]
    """Tensor -> its extents, the fastest first: a matrix of m rows and n columns has (n, m)."""

    @property
    def architecture(self) -> str:
        return str(self.values.get(ARCHITECTURE, ""))

    @property
    def is_adapter(self) -> bool:
        return self.values.get(TYPE) == "adapter"

    def number(self, key: str) -> int:
        """Return a whole number of the architecture's own keys, as `attention.head_count`; 0 without."""
        value = self.values.get(f"{self.architecture}.{key}", 0)
        return value if isinstance(value, int) else 0


def check_magic(path: Path) -> None:
    """
    Raises:
        UsageError: if it is no GGUF file.
    """
    try:
        with readable(path).open("rb") as handle:
            if handle.read(len(MAGIC)) != MAGIC:
                raise UsageError(f"{path} is not a GGUF file")
    except (OSError, ValueError) as error:
        raise UsageError(f"{clipped(path, 400)}: {getattr(error, 'strerror', None) or error}") from None


def read_head(path: Path) -> GgufFile:
    """Return the head of a file.

    Raises:
        UsageError: if it is no GGUF file, or damaged.
    """
    check_magic(path)
    try:
        with path.open("rb") as handle:
            return Reader(handle, path.stat().st_size).head(path)
    except (OSError, ValueError, struct.error, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{clipped(path, 400)} is damaged: its head cannot be read ({clipped(said, 100)})") from None


def type_of(path: Path) -> str:
    """Return what a file says that it is: `model`, `adapter`, `mmproj`; empty if it does not say or cannot be read."""
    try:
        with path.open("rb") as handle:
            return Reader(handle, path.stat().st_size).type_alone()
    except (OSError, ValueError, struct.error, UnicodeDecodeError):
        return ""


class Reader:
    """Reads a file from its beginning."""

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self._handle = handle
        self._size = size

    def head(self, path: Path) -> GgufFile:
        tensors, keys = self._counts()
        values: dict[str, Scalar] = {}
        for _ in range(keys):
            name, value = self._key()
            if value is not None:
                values[name] = value
        shapes = {}
        for _ in range(tensors):
            name, number = self._text(), self._one("I")
            if number > DIMENSIONS:
                raise ValueError(f"a tensor of {number} dimensions")
            shapes[name] = tuple(self._one("Q") for _ in range(number))
            self._skip(4 + 8)  # type and offset
        return GgufFile(path, values, shapes)

    def type_alone(self) -> str:
        """Return the type; writers put it among the first keys, before the vocabulary."""
        for _ in range(self._counts()[1]):
            name, value = self._key(before=("tokenizer.",))
            if name == TYPE:
                return str(value)
            if name.startswith("tokenizer."):
                break
        return ""

    def _counts(self) -> tuple[int, int]:
        """Return the numbers of tensors and keys."""
        if self._handle.read(len(MAGIC)) != MAGIC:
            raise ValueError("not a GGUF file")
        if (version := self._one("I")) not in (2, 3):
            raise ValueError(f"version {version}")
        tensors, keys = self._one("Q"), self._one("Q")
        if max(tensors, keys) > MOST:
            raise ValueError(f"{max(tensors, keys)} entries")
        return tensors, keys

    def _key(self, before: tuple[str, ...] = ()) -> tuple[str, Scalar | None]:
        """Return name and value of the next key; the value is None for an array, and for names that begin so."""
        name, kind = self._text(), self._one("I")
        if before and name.startswith(before):
            return name, None
        if kind == ARRAY:
            self._skip_array()
            return name, None
        return name, self._text() if kind == STRING else self._scalar(kind)

    def _skip_array(self) -> None:
        kind, number = self._one("I"), self._one("Q")
        if kind == STRING:
            for _ in range(number):
                self._skip(self._one("Q"))
        elif kind in SCALARS:
            self._skip(number * struct.calcsize(f"<{SCALARS[kind]}"))
        else:
            raise ValueError(f"an array of type {kind}")

    def _scalar(self, kind: int) -> Scalar:
        if kind not in SCALARS:
            raise ValueError(f"a value of type {kind}")
        value: Scalar = self._one(SCALARS[kind])
        return value

    def _text(self) -> str:
        length = self._one("Q")
        if length > MOST:
            raise ValueError(f"a text of {length} bytes")
        data = self._handle.read(length)
        if len(data) < length:
            raise ValueError("it ends too early")
        return data.decode("utf-8")

    def _one(self, form: str) -> int:
        """Return one number; those of `SCALARS` that are no whole numbers are typed where they are read."""
        size = struct.calcsize(f"<{form}")
        (value,) = struct.unpack(f"<{form}", self._handle.read(size))
        number: int = value
        return number

    def _skip(self, size: int) -> None:
        if size > self._size - self._handle.tell():  # also more than `seek` takes
            raise ValueError("it ends too early")
        self._handle.seek(size, os.SEEK_CUR)
