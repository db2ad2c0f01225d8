"""The tables of a new store without its migrations, which take 80 ms of processor time: the tests make many stores."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection, create_engine

from culturepark.store import database

MIGRATE = database.migrate
SHIPPED = database.MIGRATIONS


@cache
def statements() -> tuple[str, ...]:
    """What makes an empty database into a store of the current schema."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        MIGRATE(connection)
        made = tables(connection)
    engine.dispose()
    return (*made, f"INSERT INTO alembic_version VALUES ('{database.REVISIONS[-1]}')")


def write_tables(connection: Connection) -> None:
    """Stand for `migrate`, which still does what is more than making a new store."""
    if connection.dialect.name == "sqlite" and database.MIGRATIONS == SHIPPED and not tables(connection):
        for statement in statements():
            connection.exec_driver_sql(statement)
    else:
        MIGRATE(connection)


def tables(connection: Connection) -> list[str]:
    """Return the statements that make what a database holds."""
    made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    return [sql for (sql,) in made]
