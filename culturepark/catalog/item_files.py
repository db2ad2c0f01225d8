"""Files of rows: CSV, TSV, JSON lines, JSON arrays and Parquet, with errors that name file:line: key."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, Field, ValidationError

from culturepark.catalog.files import MAX_PROBLEMS, read_lines, read_text, shown
from culturepark.domain import Text
from culturepark.errors import CatalogError, Lacking, Problem
from culturepark.files import clipped, readable

Columns = Annotated[dict[str, Text], Field(max_length=100)]
"""Key of an item -> column of the file."""
Row = dict[str, Any]
MAX_ARRAY = 200_000_000
"""Bytes of a JSON array or object, which is read as a whole; JSON lines have no such limit."""
BETWEEN = re.compile(r"[\s,:]*")
Model = TypeVar("Model", bound=BaseModel)


def read_rows(path: Path, columns: Mapping[str, str], model: type[Model]) -> list[Model]:
    """Read a file of items.

    Args:
        columns: key of the model -> column of the file; keys that it does not name are columns of their own name.
    Raises:
        CatalogError: with the first problems of the file, each with its line.
    """
    found: list[Model] = []
    problems: list[Problem] = []
    for line, row in rows_of(path):
        try:
            found.append(model.model_validate(mapped(row, columns)))
        except ValidationError as error:
            problems += [
                Problem(shown(path), line, ".".join(map(str, what["loc"])), clipped(what["msg"], 300))
                for what in error.errors(include_url=False)
            ]
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise CatalogError(problems[:MAX_PROBLEMS])
    return found


def mapped(row: Row, columns: Mapping[str, str]) -> Row:
    """Return a row with the columns that a map names under the item's keys; without a map, all of them."""
    if not columns:
        return {name: value for name, value in row.items() if value not in (None, "")}
    return {key: row[column] for key, column in columns.items() if row.get(column) not in (None, "")}


def rows_of(path: Path, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file, each with the line on which it begins; a Parquet file's rows with their number from 1.

    Args:
        path: CSV or TSV with a head line, JSON lines, a JSON array or object of objects, or Parquet. Only JSON that is
            not in lines is read as a whole.
        head: names of the columns of a table without a head line. Whatever the file's name, its cells are divided by
            tabs if its first line has one, and by commas if not.
    Raises:
        CatalogError: at a line that is no row.
        Lacking: for Parquet without pyarrow.
    """
    if head:
        yield from cells_of(path, is_tabbed(path), head)
        return
    match path.suffix.lower():
        case ".csv":
            yield from cells_of(path, False)
        case ".tsv" | ".tab":
            yield from cells_of(path, True)
        case ".parquet":
            yield from parquet_rows(path)
        case ".json" if not is_json_lines(path):
            yield from whole_json(path)
        case _:
            yield from json_rows(path)


def is_tabbed(path: Path) -> bool:
    return next(("\t" in text for _, text in read_lines(path)), False)


def cells_of(path: Path, tabs: bool, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    if tabs and lines_are_rows(path):
        yield from tabbed_rows(path, head)
    else:
        yield from csv_rows(path, "\t" if tabs else ",", head)


def lines_are_rows(path: Path) -> bool:
    """Return whether all lines have as many tabs, so that a quotation mark in them is one and holds no row together."""
    return len({text.count("\t") for _, text in read_raw_lines(path)}) <= 1


def read_raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with the tabs at their ends, which are cells."""
    for number, text in read_lines(path, strip=False):
        yield number, text.rstrip("\r\n")


def tabbed_rows(path: Path, head: Sequence[str]) -> Iterator[tuple[int, Row]]:
    names = list(head)
    for line, text in read_raw_lines(path):
        cells = [unquoted(cell) for cell in text.split("\t")]
        if names:
            yield line, dict(zip(names, cells, strict=False))
        else:
            names = cells
    if not names:
        raise CatalogError([Problem(shown(path), None, "", "is empty; a head line is wanted")])


def unquoted(cell: str) -> str:
    """Return a cell without the quotation marks that some programs put around it."""
    inner = cell[1:-1].replace('""', "")
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner else cell


def csv_rows(path: Path, delimiter: str, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    def wrong(what: str, line: int | None = None) -> NoReturn:
        raise CatalogError([Problem(shown(path), line, "", what)])

    before = 0
    try:
        if path.is_dir():
            wrong("is a folder; a file is wanted")
        with readable(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, head or None, delimiter=delimiter, strict=True)
            if not reader.fieldnames:
                wrong("is empty; a head line is wanted")
            before = reader.line_num
            for row in reader:
                yield before + 1, {str(name): value for name, value in row.items() if name is not None}
                before = reader.line_num
    except FileNotFoundError:
        wrong("no such file")
    except UnicodeDecodeError as error:
        wrong(f"is not UTF-8 (byte {error.start})", before + 1)
    except csv.Error as error:
        wrong(f"is no row of cells: {clipped(error, 200)}", before + 1)
    except (OSError, ValueError) as error:
        wrong(f"cannot be read: {getattr(error, 'strerror', None) or clipped(error, 200)}", before or None)


def json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    for line, text in read_lines(path):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CatalogError([Problem(shown(path), line, "", f"is no JSON: {clipped(error, 200)}")]) from None
        yield line, as_row(path, line, row)


def whole_json(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the objects of a JSON array, or of an object of objects (with their keys as `_key`), each with its line."""
    text = read_text(path, MAX_ARRAY)
    decoder, line, counted = json.JSONDecoder(), 1, 0
    place = BETWEEN.match(text).end()  # type: ignore[union-attr]  # it matches nothing too
    is_array = text[place : place + 1] == "["
    place += 1
    while True:
        place = BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, place), place
        if text[place : place + 1] == ("]" if is_array else "}"):
            return
        try:
            key = None
            if not is_array:
                key, place = decoder.raw_decode(text, place)
                place = BETWEEN.match(text, place).end()  # type: ignore[union-attr]
            row, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise CatalogError([Problem(shown(path), line, "", f"is no JSON: {clipped(error, 200)}")]) from None
        yield line, as_row(path, line, row) | ({} if is_array else {"_key": key})


def parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Lacking(f"{shown(path)}: Parquet needs the package pyarrow: pip install 'culturepark[parquet]'") from None
    number = 0
    try:
        if not path.exists():
            raise CatalogError([Problem(shown(path), None, "", "no such file")])
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise CatalogError([Problem(shown(path), None, "", f"is no Parquet: {clipped(error, 200)}")]) from None


def is_json_lines(path: Path) -> bool:
    """Return whether the first line of a file is a row of its own, and no object of rows."""
    for _, text in read_lines(path, MAX_ARRAY):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(row, dict) and not (row and all(isinstance(value, dict) for value in row.values()))
    return True


def as_row(path: Path, line: int, value: Any) -> Row:
    if not isinstance(value, dict):
        raise CatalogError([Problem(shown(path), line, "", "must be an object of keys and values")])
    return value
