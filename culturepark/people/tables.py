"""Reads tables of people row by row: CSV, JSONL and Parquet. No table is ever held in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from culturepark.catalog.files import shown
from culturepark.errors import CatalogError, Lacking, Problem, UsageError
from culturepark.files import clipped, readable

MOST_IN_A_CELL = 10_000_000
"""Characters beyond which a CSV file is not read on: a quote was probably never closed."""
SEPARATORS = ",;\t|"
FIRST_ROWS = 100
"""Rows of JSONL in which a column must occur, if it is to count as one."""


@dataclass(frozen=True)
class Row:
    number: int
    """From 1; a header does not count."""
    cells: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    """The reason why the row cannot be read; empty if it can."""


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: Iterator[Row]


def open_table(path: Path) -> Table:
    """
    Raises:
        UsageError: for another kind of file, or if a package is missing.
        CatalogError: if the file cannot be read. Reading the rows can raise it too.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"--from {clipped(path, 200)}: a table ends with {', '.join(KINDS)}")
    try:
        if readable(path).is_dir():
            wrong(path, "is a folder; a table is wanted")
    except FileNotFoundError:
        wrong(path, "no such file")
    except (OSError, ValueError) as error:
        wrong(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return kind(path)


def wrong(path: Path, what: str, line: int | None = None) -> NoReturn:
    raise CatalogError([Problem(shown(path), line, "", what)])


def open_csv(path: Path) -> Table:
    csv.field_size_limit(MOST_IN_A_CELL)
    with path.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as file:
        head = file.readline(100_000)
    separator = max(SEPARATORS, key=head.count)
    header = next(csv.reader([head], delimiter=separator), [])
    if not header:
        wrong(path, "is empty; the first line of a table names its columns")
    columns = tuple(name.strip() for name in header)
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        wrong(path, f"two columns are called {clipped(twice[0])!r}", 1)

    def rows() -> Iterator[Row]:
        reader = None
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=separator)
                next(reader)
                filled = (cells for cells in reader if any(cells))
                for number, cells in enumerate(filled, start=1):
                    if len(cells) == len(columns):
                        yield Row(number, dict(zip(columns, cells, strict=True)))
                    else:
                        yield Row(number, fault=f"has {len(cells)} cells, and the header {len(columns)}")
        except UnicodeDecodeError as error:
            wrong(path, f"is not UTF-8 (byte {error.start} of a block)", reader.line_num if reader else None)
        except (csv.Error, OSError) as error:
            wrong(path, f"cannot be read on: {error}", reader.line_num if reader else None)

    return Table(columns, rows())


def open_jsonl(path: Path) -> Table:
    columns: dict[str, None] = {}
    for row in first_of(jsonl_rows(path), FIRST_ROWS):
        columns |= dict.fromkeys(row.cells)
    if not columns:
        wrong(path, f"has no JSON object in its first {FIRST_ROWS} lines; each line of a table is one")
    return Table(tuple(columns), jsonl_rows(path))


def jsonl_rows(path: Path) -> Iterator[Row]:
    number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.strip():
                    continue
                number += 1
                try:
                    cells = json.loads(line.decode("utf-8-sig"))
                except UnicodeDecodeError:
                    yield Row(number, fault="is not UTF-8")
                except (ValueError, RecursionError):
                    yield Row(number, fault="is no JSON")
                else:
                    is_row = isinstance(cells, dict)
                    yield Row(number, cells if is_row else {}, "" if is_row else "is no JSON object")
    except OSError as error:
        wrong(path, f"cannot be read on: {error}")


def first_of(rows: Iterator[Row], most: int) -> Iterator[Row]:
    for row in rows:
        yield row
        if row.number >= most:
            return


def open_parquet(path: Path) -> Table:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        from culturepark.models.extras import how_to_install

        raise Lacking(f"{clipped(path, 200)}: Parquet needs the extra `parquet`: {how_to_install('parquet')}") from None
    try:
        file = parquet.ParquetFile(path)
        columns = tuple(file.schema_arrow.names)
    except (arrow.ArrowException, OSError, ValueError) as error:
        wrong(path, f"is no Parquet that can be read: {clipped(error, 200)}")

    def rows() -> Iterator[Row]:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=1000):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, cells)
        except (arrow.ArrowException, OSError, ValueError) as error:
            wrong(path, f"cannot be read on after row {number}: {clipped(error, 200)}")

    return Table(columns, rows())


KINDS: dict[str, Callable[[Path], Table]] = {
    ".csv": open_csv,
    ".tsv": open_csv,
    ".jsonl": open_jsonl,
    ".ndjson": open_jsonl,
    ".parquet": open_parquet,
}


def check_columns(columns: Sequence[str], wanted: Mapping[str, tuple[int | str, ...]]) -> list[tuple[Any, str]]:
    """Return a problem for each wanted column that the table lacks.

    Args:
        wanted: column -> the place in the map that names it.
    """
    known = ", ".join(clipped(name, 40) for name in columns[:40]) + (", ..." if len(columns) > 40 else "")
    return [
        (place, f"the table has no column {clipped(name)!r}; it has {known}")
        for name, place in wanted.items()
        if name not in columns
    ]
