"""A PostgreSQL server for the tests of one process: in memory where there is some, behind a socket in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from itertools import count
from pathlib import Path
from typing import Any

import pytest

HOW_TO_INSTALL = "PostgreSQL's server is not installed: apt-get install postgresql"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": "",
    "autovacuum": "off",
}


@dataclass
class Server:
    """A running server."""

    folder: Path
    """Holds the socket."""
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def connect(self, database: str = "postgres"):  # type: ignore[no-untyped-def]
        """Open a connection that commits each statement."""
        import psycopg

        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)

    def database(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"park{next(self.names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"


def program(name: str) -> str | None:
    """Return the path of one of the server's programs, the newest; Debian keeps them outside of PATH."""
    found = glob(f"/usr/lib/postgresql/*/bin/{name}")
    return shutil.which(name) or max(found, key=lambda path: float(path.split("/")[4]), default=None)


def missing() -> str | None:
    """Return why no server can be started here; None if one can."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "the driver is not installed: pip install 'culturepark[postgres]'"
    return None if program("initdb") and program("postgres") else HOW_TO_INSTALL


def as_nobody() -> tuple[list[str], str | None]:
    """Return the words before a command that has to run as another user than root, and that user's name.

    It ends when the process of the tests does, however that ends.
    """
    prefix = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    if os.getuid():
        return prefix, None
    names = {user.pw_name for user in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    found = pwd.getpwnam(user)
    return [*prefix, f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups"], user


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    prefix, user = as_nobody()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    data = folder / "data"
    if user:
        shutil.chown(folder, user)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    try:
        made = subprocess.run(
            [*prefix, program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            capture_output=True, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, program("postgres"), "-D", data, "-k", folder, *settings],
                stdout=log, stderr=log, env=environment, cwd=folder,
            )  # fmt: skip
        try:
            wait_for(Server(folder), process)
            yield Server(folder)
        finally:
            process.send_signal(2)  # ends all connections
            process.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            log = (server.folder / "log").read_text("utf-8", "replace")
            assert process.poll() is None, log
            assert time.monotonic() < until, log
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for all tests of this process."""
    if why := missing():
        pytest.skip(why)
    from psycopg._connection_base import BaseConnection

    # A command leaves its connections to the end of its process, and here that is the tests': no word about each.
    BaseConnection.__del__ = lambda _: None
    with running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """The URL of an empty database."""
    return postgres.database()


def rows_in(url: str, without: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables of a store as they are read, in the order of their keys, as SQLite would give them.

    `call` is a view.
    """
    from sqlalchemy import create_engine, inspect

    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table: [
                {name: plain(value) for name, value in row.items() if name not in without}
                for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"').mappings()
            ]
            for table in (*inspect(connection).get_table_names(), "call")
            if table not in ("call_log", "piece")
        }
    engine.dispose()
    return {
        table: sorted(found, key=lambda row: [str(value) for value in list(row.values())[:2]])
        for table, found in rows.items()
    }


def plain(value: Any) -> Any:
    """Return a value as SQLite keeps it."""
    return int(value) if isinstance(value, bool) else bytes(value) if isinstance(value, memoryview) else value
