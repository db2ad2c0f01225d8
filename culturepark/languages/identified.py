"""Tells which language a text is in, by py3langid's model.

The library keeps its two tables in memory, 70 MB, and needs twice as much while it reads them. A text touches a small
part of them. Here they lie in a file without a name, and the system brings in the pages that are asked for.
"""

from __future__ import annotations

import lzma
import math
import mmap
import shutil
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

MAPPED: list[mmap.mmap] = []
"""The file with the tables, if it has been opened."""


def ranked(text: str) -> list[tuple[str, float]]:
    """Return all languages that are known with their scores, unnormalised log-probabilities; the best first."""
    found: list[tuple[str, float]] = identifier().rank(text)
    return found


def language_in(text: str) -> str:
    """Return the code of the language that a text is most likely in."""
    return ranked(text)[0][0]


def let_go() -> None:
    """Give back the pages of the tables that were read, some 40 MB; they are read again when they are asked for."""
    for whole in MAPPED:
        if hasattr(whole, "madvise"):  # not on Windows
            whole.madvise(mmap.MADV_DONTNEED)


@cache
def identifier() -> Any:
    """Return py3langid's identifier with its tables left in a file, or as the library makes it if that fails."""
    from py3langid import langid

    try:
        return of_file(Path(langid.__file__).parent / langid.MODEL_FILE, langid.LanguageIdentifier)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile, lzma.LZMAError):
        # Another version may keep its model in another form.
        return langid._get_identifier()


def of_file(path: Path, maker: Any) -> Any:
    """Return an identifier whose tables are read from a file as they are needed.

    Args:
        path: an archive of numpy's inside LZMA.
        maker: the identifier's class.
    Raises:
        ValueError: if the archive is compressed itself, or not of numpy's first format.
    """
    import numpy as np

    def array(name: str) -> Any:
        kind, shape, begin = places[name]
        return np.frombuffer(whole, kind, math.prod(shape), begin).reshape(shape)

    # The mapping holds the file open, which has no name and goes with the process.
    with tempfile.TemporaryFile() as file:
        with lzma.open(path) as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
        file.flush()
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        MAPPED.append(whole)
        with zipfile.ZipFile(file) as archive:
            places = {info.filename.removesuffix(".npy"): place_of(info, archive, whole) for info in archive.infolist()}

    def view(name: str) -> memoryview:
        """Return an array out of which one number is taken much faster than out of one of numpy's."""
        kind, shape, begin = places[name]
        return memoryview(whole)[begin : begin + kind.itemsize * math.prod(shape)].cast(kind.char)

    known: list[str] = array("classes").tolist()
    return maker(array("ptc"), array("pc"), known, view("nextmove"), view("out_feat"), tk_row=view("nextmove_row"))


def place_of(info: zipfile.ZipInfo, archive: zipfile.ZipFile, whole: mmap.mmap) -> tuple[Any, tuple[int, ...], int]:
    """Return the type and the shape of an array in an archive, and the byte of the archive's file at which it begins.

    Raises:
        ValueError: if it is compressed, or not of numpy's first format.
    """
    from numpy.lib import format as npy

    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as member:
        if npy.read_magic(member) != (1, 0):
            raise ValueError(f"{info.filename} is of another format")
        shape, by_columns, kind = npy.read_array_header_1_0(member)
        if by_columns and len(shape) > 1:
            raise ValueError(f"{info.filename} is written by columns")
        own = member.tell()
    # A file's own header, of 30 bytes, is followed by its name and by more.
    of_name, of_more = struct.unpack_from("<HH", whole, info.header_offset + 26)
    return kind, shape, info.header_offset + 30 + of_name + of_more + own
