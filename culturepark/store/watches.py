"""The triggers by which a database forgets the figures of a run when a row changes that they rest on.

It does so whoever makes the change: this program, another one, or somebody at a prompt of `sqlite3`. Ids spell the path
to a row, so each names its run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Inspector, inspect, text

SQLITE_PREFIX = "substr({row}.{column}, 1, instr({row}.{column}, '.') - 1)"
POSTGRESQL_PREFIX = "split_part({row}.{column}, '.', 1)"


@dataclass(frozen=True)
class Watch:
    """How a table's rows name the run whose figures rest on them."""

    column: str
    is_run: bool = False
    """Whether the column holds the run's id; else an id below it."""
    without: Sequence[str] = ()
    """Columns that no figure rests on."""


WATCHED: Mapping[str, Watch] = {
    "run": Watch("id", True, ("name", "note")),
    "dialogue": Watch("run_id", True),
    "participant": Watch("dialogue_id"),
    "call": Watch("run_id", True),
    "call_log": Watch("run_id", True),
    "batch": Watch("run_id", True),
    "batched": Watch("call_id"),
    "turn": Watch("id"),
    "rendering": Watch("turn_id"),
    "slip": Watch("turn_id"),
    "statement": Watch("id"),
    "statement_rendering": Watch("statement_id"),
    "verdict": Watch("id"),
    "duplicate": Watch("statement_id"),
    "sample": Watch("id", without=("split",)),
    "review": Watch("id"),
    "probe": Watch("dialogue_id"),
    "draw": Watch("over_id", True),
}
"""Table -> how its rows name their run. A view is not watched; the table behind it is."""
DRAWN = "(SELECT over_id FROM draw WHERE id = {row}.draw_id)"
ALL, INCOMPLETE = "DELETE FROM tally", "DELETE FROM tally WHERE complete = 0"
SHARED: Mapping[str, Mapping[str, str]] = {
    "ability": {"INSERT": ALL, "UPDATE": ALL, "DELETE": ALL},
    "vector": {"INSERT": INCOMPLETE, "UPDATE": ALL, "DELETE": ALL},
}
"""Tables whose rows belong to no run -> what a change forgets. A new vector matters where one was missing."""


def watch(connection: Connection) -> None:
    """Make the triggers that are not there yet. Tables that are made anew lose theirs, so this follows a migration."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if "tally" not in tables:
        return
    make = {"sqlite": watch_sqlite, "postgresql": watch_postgresql}[connection.dialect.name]
    for table, columns in columns_of(inspector, tables).items():
        for event in ("INSERT", "UPDATE", "DELETE"):
            make(connection, table, event, forgetting(connection.dialect.name, table, event), columns)


def is_watch(name: str, sql: str) -> bool:
    """Return whether a trigger of an SQLite file is one of these, word for word, and does nothing else."""
    match = re.fullmatch(r"tally_(\w+)_(insert|update|delete)", name)
    if match is None or match[1] not in {*WATCHED, *SHARED, "drawn"}:
        return False
    table, event = match[1], match[2].upper()
    body = re.escape(f'ON "{table}" BEGIN {forgetting("sqlite", table, event)}; END')
    return re.fullmatch(rf"CREATE TRIGGER {name} AFTER {event}( OF \w+(, \w+)*)? {body}", sql) is not None


def unwatch(connection: Connection) -> None:
    """Drop the triggers: without the table of figures nothing could be written any more."""
    tables = set(inspect(connection).get_table_names())
    for table in sorted({*WATCHED, *SHARED, "drawn"} & tables):
        for event in ("insert", "update", "delete"):
            name = f"tally_{table}_{event}"
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"DROP FUNCTION IF EXISTS {name}() CASCADE"))
            else:
                connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))


def columns_of(inspector: Inspector, tables: set[str]) -> dict[str, Sequence[str]]:
    """Return the watched tables that there are, each with the columns an update of which matters; none for all."""
    found: dict[str, Sequence[str]] = {}
    for table in sorted({*WATCHED, *SHARED, "drawn"} & tables):
        without = WATCHED[table].without if table in WATCHED else ()
        names = [column["name"] for column in inspector.get_columns(table)] if without else []
        found[table] = [name for name in names if name not in without]
    return found


def forgetting(dialect: str, table: str, event: str) -> str:
    """Return the statement that forgets what rests on a changed row."""
    if table in SHARED:
        return SHARED[table][event]
    rows = {"INSERT": ("NEW",), "UPDATE": ("NEW", "OLD"), "DELETE": ("OLD",)}[event]
    prefix = SQLITE_PREFIX if dialect == "sqlite" else POSTGRESQL_PREFIX
    if table == "drawn":
        runs = [DRAWN.format(row=row) for row in rows]
    elif WATCHED[table].is_run:
        runs = [f"{row}.{WATCHED[table].column}" for row in rows]
    else:
        runs = [prefix.format(row=row, column=WATCHED[table].column) for row in rows]
    return f"DELETE FROM tally WHERE run_id IN ({', '.join(runs)})"  # noqa: S608 - names of our own


def watch_sqlite(connection: Connection, table: str, event: str, statement: str, columns: Sequence[str]) -> None:
    which = f"UPDATE OF {', '.join(columns)}" if event == "UPDATE" and columns else event
    name = f"tally_{table}_{event.lower()}"
    connection.execute(text(f'CREATE TRIGGER IF NOT EXISTS {name} AFTER {which} ON "{table}" BEGIN {statement}; END'))


def watch_postgresql(connection: Connection, table: str, event: str, statement: str, columns: Sequence[str]) -> None:
    which = f"UPDATE OF {', '.join(columns)}" if event == "UPDATE" and columns else event
    name = f"tally_{table}_{event.lower()}"
    connection.execute(
        text(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {statement}; RETURN NULL; END $$"
        )
    )
    connection.execute(text(f'DROP TRIGGER IF EXISTS {name} ON "{table}"'))
    connection.execute(text(f'CREATE TRIGGER {name} AFTER {which} ON "{table}" FOR EACH ROW EXECUTE FUNCTION {name}()'))
