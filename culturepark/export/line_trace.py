"""Traces a line of an exported file to its ids, by the index."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.export.files import UNREADABLE, index_of, need_parquet
from culturepark.export.formats import line
from culturepark.files import clipped, exists, readable


def find_line(place: str) -> dict[str, str] | None:
    """Return the ids behind `FILE:LINE`, from the index of an exported JSONL, JSON or Parquet file.

    Returns:
        What each id is to the line -> the id: `chosen` alone, or for a pair `rejected` too; for an entry of a registry
        `told` or `told 1`, `told 2`, `varied`, `denied` ... None if `place` has another form.
    Raises:
        UsageError: if the file, its index or the line is missing, or if the line was changed after the export.
    """
    name, colon, number = place.rpartition(":")
    path = Path(name)
    is_export = name.endswith((".jsonl", ".json", ".parquet"))
    if not colon or not number.isdecimal() or not path.name or not (exists(path) or is_export):
        return None
    wanted = int(number[:20])  # more digits than any file has lines
    index = path.with_name(index_of(path.name)) if is_export else path.with_name(f"{path.stem}.index.jsonl")
    if not exists(path):
        raise UsageError(f"{clipped(path, 400)}: no such file")
    try:
        entry = nth(index, wanted)
        row = nth_of_table(path, wanted) if path.suffix == ".parquet" else nth(path, wanted)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: {error.strerror}; trace needs the file and its index side by side"
        ) from None
    if entry is None or row is None:
        raise UsageError(f"{path} has no line {wanted}")
    try:
        data: JsonObject = json.loads(entry)
        ids, sha256 = ids_in(data), data["sha256"]
        what = "told in" if "statements" in data else "sample"
    except UNREADABLE:
        raise UsageError(f"{index}:{wanted}: not an index line") from None
    if path.suffix == ".json":
        row = row.strip(b"[],")  # of the array, of which each line holds an element
    if hashlib.sha256(row).hexdigest() != sha256:
        first = next(iter(ids.values()))[:120]
        raise UsageError(f"{path}:{wanted} was changed since it was exported (it was {what} {first})")
    return ids


def ids_in(entry: JsonObject) -> dict[str, str]:
    """Return what each id of an index line is to the row -> the id.

    Raises:
        KeyError, TypeError: if it is no index line.
    """
    if "statements" not in entry:
        return {"chosen": str(entry["id"])} | ({"rejected": str(entry["rejected"])} if "rejected" in entry else {})
    sides: dict[str, str] = {}
    for side, ids in dict(entry["statements"]).items():
        sides |= {
            f"{side} {number}" if len(ids) > 1 else str(side): str(id_) for number, id_ in enumerate(ids, start=1)
        }
    if not sides:
        raise KeyError("statements")
    return sides


def nth(path: Path, number: int) -> bytes | None:
    with readable(path).open("rb") as handle:
        for count, row in enumerate(handle, start=1):
            if count == number:
                return row.rstrip(b"\n")
    return None


def nth_of_table(path: Path, number: int) -> bytes | None:
    """Return a row of a Parquet file as the same line in JSONL; only its row group is read."""
    need_parquet()
    import pyarrow
    import pyarrow.parquet

    with readable(path).open("rb") as handle:
        try:
            file, before = pyarrow.parquet.ParquetFile(handle), 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if before < number <= before + rows:
                    (row,) = file.read_row_group(group).slice(number - before - 1, 1).to_pylist()
                    return line(row).encode("utf-8")
                before += rows
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError):
            raise UsageError(f"{clipped(path, 400)}: not a Parquet file, or a damaged one") from None
    return None
