"""Files of items: JSON lines or CSV, one item a row, with errors that name file:line: key."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from culturepark.catalog.files import MAX_PROBLEMS, read_lines, read_text, shown
from culturepark.domain import Text
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped

Columns = Annotated[dict[str, Text], Field(max_length=100)]
"""Key of an item -> column of the file."""
Row = dict[str, Any]
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
    """Return what a map names of a row, under the keys of the item; the whole row without a map."""
    if not columns:
        return {name: value for name, value in row.items() if value not in (None, "")}
    return {key: row[column] for key, column in columns.items() if row.get(column) not in (None, "")}


def rows_of(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file, each with its line.

    Raises:
        CatalogError: at a line that is no row.
    """
    if path.suffix.lower() in (".csv", ".tsv"):
        text = read_text(path)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        for row in reader:
            yield reader.line_num, {str(name): value for name, value in row.items() if name is not None}
        return
    for line, text in read_lines(path):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CatalogError([Problem(shown(path), line, "", f"is no JSON: {clipped(error, 200)}")]) from None
        if not isinstance(row, dict):
            raise CatalogError([Problem(shown(path), line, "", "must be an object of keys and values")])
        yield line, row
