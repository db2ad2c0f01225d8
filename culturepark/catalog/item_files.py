"""Files of rows: CSV, TSV, JSON lines, JSON arrays and Parquet, with errors that name file:line: key."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_origin

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from culturepark.catalog.cells import structured
from culturepark.catalog.files import MAX_PROBLEMS, dotted, explain, read_lines, read_text, shown
from culturepark.domain import Text
from culturepark.errors import CatalogError, Lacking, Problem
from culturepark.files import clipped, readable

Columns = Annotated[dict[str, Text], Field(max_length=100)]
"""Key of an item -> column of the file."""
Row = dict[str, Any]
MAX_ARRAY = 200_000_000
"""Bytes of a JSON array or object, which is read as a whole; JSON lines have no such limit."""
DELIMITERS = (",", ";", "\t")
"""What divides the cells of CSV files; spreadsheets write semicolons where the comma is the decimal sign."""
BETWEEN = re.compile(r"[\s,:]*")
Model = TypeVar("Model", bound=BaseModel)


def read_rows(path: Path, columns: Mapping[str, str], model: type[Model]) -> list[tuple[int, Model]]:
    """Read a file of items, each with the line on which it begins.

    Args:
        columns: key of the model -> column of the file; keys that it does not name are columns of their own name.
    Raises:
        CatalogError: with the first problems of the file, each with its line.
    """
    found: list[tuple[int, Model]] = []
    problems: list[Problem] = []
    for line, row in rows_of(path):
        if row and all(value in (None, "") for value in row.values()):
            continue  # spreadsheets write empty lines behind the last row
        try:
            values = from_cells(mapped(row, columns, model), model)
        except Unreadable as error:
            problems.append(Problem(shown(path), line, error.key, str(error)))
        else:
            try:
                found.append((line, model.model_validate(values)))
            except ValidationError as error:
                problems += [
                    Problem(shown(path), line, dotted(what["loc"], values), in_words(what, model))
                    for what in error.errors(include_url=False)
                ]
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise CatalogError(problems[:MAX_PROBLEMS])
    return found


def mapped(row: Row, columns: Mapping[str, str], model: type[BaseModel]) -> Row:
    """Return a row's cells under the keys of the model, without those that are empty.

    Without `columns`, all columns are taken. With them, the named ones, and others that are called like a key.
    """
    filled = {name: value for name, value in row.items() if value not in (None, "")}
    if not columns:
        return filled
    taken = {key.partition(".")[0] for key in columns}
    own = {
        name: value
        for name, value in filled.items()
        if (key := name.partition(".")[0]) in model.model_fields and key not in taken and name not in columns.values()
    }
    return own | {key: filled[column] for key, column in columns.items() if column in filled}


# --- cells -----------------------------------------------------------------------------------------

TYPES = {
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a map of keys to values",
    "model_type": "must be a map of keys to values",
    "model_attributes_type": "must be a map of keys to values",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be a text",
}
"""Kinds of pydantic's errors that rows make most often -> what to say of them."""
OPTIONS_ARE = "as yes|no, as a JSON list, or in columns options.1, options.2"


class Unreadable(Exception):
    """A cell that is no value of its key. The message says what is wanted there."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def in_words(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Return a pydantic error in words for people who do not know pydantic."""
    told = TYPES.get(detail["type"])
    if told is None:
        return clipped(explain(detail, model), 300)
    return f"{told}, not {clipped(detail['input'])!r}" if isinstance(detail["input"], (str, int, float)) else told


def shape_of(model: type[BaseModel], key: str) -> type | None:
    """Return `tuple` for a key that holds a list, `dict` for one that holds a map; None for others and unknown keys."""
    field = model.model_fields.get(key)
    origin = get_origin(field.annotation) if field else None
    return origin if origin in (tuple, dict) else None


def from_cells(row: Row, model: type[BaseModel]) -> Row:
    """Return a row with its lists and maps, which a cell may spell out in JSON and columns such as `n.GROUP` divide.

    Raises:
        Unreadable: for a cell that spells out neither.
    """
    values: Row = {}
    for name, cell in row.items():
        key, *path = name.split(".") if name not in model.model_fields else [name]
        shape = shape_of(model, key)
        if not path:
            if name in values:
                raise Unreadable(name, f"{name} has columns as {name}.1 too; give one or the other")
            values[name] = cell if shape is None else spelled_out(name, cell, shape)
        elif shape is None:
            values[name] = cell  # an unknown key, which the model refuses
        else:
            put(values, name, [key, *path], cell)
    if "options" in values and shape_of(model, "options"):
        values["options"] = options_in(values["options"])
    return values


def put(values: Row, name: str, path: Sequence[str], cell: Any) -> None:
    """Set the cell of a column `key.a.b` inside the map `key`.

    Raises:
        Unreadable: if another column says what the whole of `key` is.
    """
    *above, last = path
    for part in above:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise Unreadable(name, f"{above[0]} has a column of its own; give one or the other")
    if last in values:
        raise Unreadable(name, "stands there twice")
    values[last] = cell


def spelled_out(key: str, cell: Any, shape: type) -> Any:
    """Return the list or map in a cell; what is no text stays as it is.

    Raises:
        Unreadable: for a text that is neither.
    """
    value = structured(cell)
    if not isinstance(value, str):
        return value
    if key == "options":
        return value  # labels between |
    if value.lstrip()[:1] in ("[", "{"):
        raise Unreadable(key, f"is no JSON: {clipped(value)!r}")
    if shape is dict:
        raise Unreadable(
            key, f'must be a map in JSON, as {{"GROUP": ...}}, or have columns as {key}.GROUP, not {clipped(value)!r}'
        )
    return [part.strip() for part in value.split("|")]


def options_in(value: Any) -> Any:
    """Return options as a list of codes and labels; a value of any other form stays as it is.

    Args:
        value: a list of labels, whose codes are their places from 1; a map of codes to labels; or a text, as `yes|no`
            or `0=no|1=yes`.
    Raises:
        Unreadable: for a text without `|`, and for a code that is no whole number.
    """
    if isinstance(value, str):
        entries = [part.strip() for part in value.split("|")]
        if value.lstrip()[:1] in ("[", "{") or len(entries) < 2:
            raise Unreadable("options", f"must be options {OPTIONS_ARE}, not {clipped(value)!r}")
        coded = [re.fullmatch(r"([0-9]+)\s*=\s*(.+)", entry, re.DOTALL) for entry in entries]
        if all(coded):
            return [{"code": found[1], "label": found[2]} for found in coded if found]
        value = entries
    if isinstance(value, Mapping):
        if odd := [code for code in value if not re.fullmatch(r"[0-9]+", str(code))]:
            raise Unreadable("options", f"{clipped(odd[0])!r} is no code of an option, which is a whole number")
        return [{"code": code, "label": label} for code, label in value.items()]
    if isinstance(value, list) and not any(isinstance(entry, Mapping) for entry in value):
        return [
            {"code": place, "label": str(label) if isinstance(label, (int, float)) else label}
            for place, label in enumerate(value, 1)
        ]
    return value


# --- rows ------------------------------------------------------------------------------------------


def rows_of(path: Path, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file, each with the line on which it begins; a Parquet file's rows with their number from 1.

    Args:
        path: CSV or TSV with a head line, JSON lines, a JSON array or object of objects, or Parquet. Only JSON that is
            not in lines is read as a whole. The cells of a CSV file are divided by commas, semicolons or tabs.
        head: names of the columns of a table without a head line, which is read as CSV whatever the file's name.
    Raises:
        CatalogError: at a line that is no row.
        Lacking: for Parquet without pyarrow.
    """
    if head:
        yield from cells_of(path, delimiter_of(path, len(head)), head)
        return
    match path.suffix.lower():
        case ".csv":
            yield from cells_of(path, delimiter_of(path))
        case ".tsv" | ".tab":
            yield from cells_of(path, "\t")
        case ".parquet":
            yield from parquet_rows(path)
        case ".json" if not is_json_lines(path):
            yield from whole_json(path)
        case _:
            yield from json_rows(path)


def delimiter_of(path: Path, columns: int | None = None) -> str:
    """Return what divides the cells of a table: the character that makes the most cells of its first line.

    A character that makes as many cells of the second line comes first, so that `a;b` in the name of a column does not
    divide it.

    Args:
        columns: number of cells of a line, where that is known; a delimiter that makes as many of them wins.
    """
    lines = [text for _, text in islice(read_lines(path, strip=False), 2)]

    def cells(delimiter: str) -> tuple[bool, bool, int]:
        try:
            first, second = (len(next(csv.reader([text], delimiter=delimiter), [])) for text in [*lines, "", ""][:2])
        except csv.Error:  # a cell that is longer than the module reads
            return False, False, 0
        return first == columns, first == second > 1, first

    # Of equals the first wins: a table of one column has no delimiter, and is read as any other.
    return max(DELIMITERS, key=cells)


def cells_of(path: Path, delimiter: str, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    if delimiter == "\t" and lines_are_rows(path):
        yield from tabbed_rows(path, head)
    else:
        yield from csv_rows(path, delimiter, head)


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
