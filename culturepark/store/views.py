"""Views of a store for people who look at it in Datasette, DuckDB or SQLite, and what its tables and columns mean."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from culturepark.domain import JsonObject
from culturepark.store import tables

SQL = Path(__file__).with_name("views.sql")
VIEW = re.compile(r"-- (?P<title>.+)\n(?P<about>(?:-- .+\n)+)CREATE TEMP VIEW (?P<name>\w+) AS\n(?P<sql>[^;]+);")
SORTED: dict[str, JsonObject] = {
    "run": {"sort_desc": "created_at", "label_column": "id", "facets": ["status", "scenario_name"]},
    "dialogue": {"facets": ["status", "seed_key", "setting"]},
    "participant": {"facets": ["culture", "country", "persona_key"]},
    "turn": {"facets": ["role", "phase", "origin"]},
    "slip": {"facets": ["kind"]},
    "call": {"sort_desc": "started_at", "facets": ["stage", "model", "refused"]},
    "statement": {"facets": ["culture", "kind", "provenance"]},
    "verdict": {"facets": ["criterion", "relation", "decision"]},
    "sample": {"facets": ["status", "culture", "kind", "provenance", "drop_reason"]},
    "review": {"sort_desc": "created_at", "facets": ["reviewer", "decision"]},
    "selection": {"sort_desc": "created_at"},
    "draw": {"sort_desc": "created_at"},
    "suite": {"sort_desc": "created_at"},
    "item": {"facets": ["suite_id", "language", "split"]},
    "evaluation": {"sort_desc": "created_at", "facets": ["suite_id", "model", "status"]},
    "answer": {"facets": ["evaluation_id", "culture", "framing", "language", "arm"]},
    "score": {"facets": ["scorer", "judge"]},
    "figure": {"facets": ["evaluation_id", "metric"]},
    "artefact": {"sort_desc": "created_at", "facets": ["kind", "base"]},
    "trained": {"facets": ["artefact_id"]},
}
"""Table -> how Datasette sorts it, and by what it can be narrowed down."""


@dataclass(frozen=True)
class View:
    name: str
    title: str
    about: str
    sql: str
    """The query, without a semicolon."""


def views() -> list[View]:
    return [
        View(found["name"], found["title"], prose(found["about"].replace("-- ", "")), found["sql"].strip())
        for found in VIEW.finditer(SQL.read_text("utf-8"))
    ]


def datasette_metadata(database: str) -> JsonObject:
    """Return the metadata of Datasette for a store, with each view as a canned query.

    Args:
        database: its name in Datasette, which is that of the file.
    """
    return {
        "title": "A store of culturepark",
        "description": "Conversations of simulated people, and what was distilled from them. Nobody in them exists: "
        "they are no evidence of what people of any culture think, do or want.",
        "databases": {
            database: {
                "queries": {
                    view.name: {"title": view.title, "description": view.about, "sql": view.sql} for view in views()
                },
                "tables": {
                    row.__tablename__: {"description": prose(row.__doc__), "columns": field_docs(row)}
                    | SORTED.get(row.__tablename__, {})
                    for row in table_rows()
                },
            }
        },
    }


def table_rows() -> Iterator[Any]:
    """Yield the class of each table, in the order of the module."""
    return (row for row in vars(tables).values() if inspect.isclass(row) and hasattr(row, "__table__"))


def field_docs(model: type) -> dict[str, str]:
    """Return the docstring under each field of a class and of our classes that it is made of."""
    docs: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if not owner.__module__.startswith("culturepark"):
            continue
        body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
        for statement, following in pairwise(body):
            if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
                target, value = statement.target, following.value
                if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    docs[target.id] = prose(value.value)
    return docs


def prose(text: str | None) -> str:
    """Return a docstring on one line."""
    return " ".join((text or "").split())
