"""A store on a PostgreSQL server: made by two at once, and as good as one in a file, with every command."""

from __future__ import annotations

import os
import re
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from culturepark.errors import StoreError
from culturepark.store import database
from culturepark.store.store import Store
from tests.cli.test_cli import SHORT, TIMES, TINY, cli, dump
from tests.support.postgres import Server, rows_in
from tests.support.processes import Forked

RUN = ("--model", "scripted", "--role", "embedder=lexical", "--run-id", "a", "--seed", "3")
READING = (
    "runs --json", "stats a", "stats a --json", "trace a.d1.t2", "trace a.d1.t2.s1 --json", "calls a --json",
    "replay a --plain", "export a --format trl --out out --split 0.5", "export a --format sharegpt --out two",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    Path("short.yaml").write_text(SHORT)
    return tmp_path


@pytest.mark.usefixtures("migrations")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_first_starts_at_once_make_one_store(
    kind: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/new/made.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    look = database.Database._version

    def look_together(self: Any, connection: Any) -> str | None:
        """Both see an empty database before either makes a table."""
        seen = look(self, connection)
        (tmp_path / f"seen-{os.getpid()}").touch()
        until = time.monotonic() + 30
        while len(list(tmp_path.glob("seen-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        return seen

    monkeypatch.setattr(database.Database, "_version", look_together)
    starts = [Forked("simulate", "short.yaml", *RUN[:4], "--run-id", name, "--store", url) for name in "ab"]
    said = [start.communicate(timeout=120) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], said
    assert cli("stats", "a", "--store", url).code == cli("stats", "b", "--store", url).code == 0


def test_a_run_on_a_server_has_the_rows_and_says_the_words_of_one_in_a_file(postgres_url: str) -> None:
    said: dict[str, list[str]] = {}
    lines: dict[str, list[bytes]] = {}
    for url in (postgres_url, "sqlite:///file.db"):
        done = cli("simulate", "tiny.yaml", *RUN, "--store", url)
        assert done.code == 0, done.err
        said[url], lines[url] = [], []
        for command in READING:
            done = cli(*command.split(), "--store", url)
            assert done.code == 0, done.err
            said[url].append(without_moments(done.out))
        lines[url] = [path.read_bytes() for folder in ("out", "two") for path in sorted(Path(folder).glob("*.jsonl"))]
        assert cli("distill", "a", "--from", "verify", "--store", url).code == 0
        assert cli("report", "a", "--out", "page.html", "--store", url).code == 0
    server, file = said
    for one, other in zip(said[server], said[file], strict=True):
        assert one == other
    assert lines[server] == lines[file]
    assert len(lines[file]) >= 6
    rows = rows_in(postgres_url, TIMES)
    del rows["tally"]  # figures, with times
    assert rows == {table: found for table, found in dump("file.db").items() if table in rows}
    assert len(rows["sample"]) > 5
    assert cli("runs", "--delete", "a", "--yes", "--store", postgres_url).code == 0
    assert not rows_in(postgres_url, TIMES)["call"]


def test_a_server_that_is_not_there_is_named_without_its_password(postgres: Server) -> None:
    done = cli("runs", "--store", f"postgresql+psycopg://me:hunter2@/nowhere?host={postgres.folder}/none")
    assert done.code == 5
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err


def test_a_database_with_another_programs_tables_is_left_alone(postgres: Server, postgres_url: str) -> None:
    with postgres.connect(postgres_url.partition("@/")[2].partition("?")[0]) as connection:
        connection.execute("CREATE TABLE shopping (item text)")
    done = cli("runs", "--store", postgres_url)
    assert done.code == 5
    assert "holds another program's tables" in done.err


def test_a_lock_of_a_run_keeps_others_out_and_is_shared_where_it_may_be(postgres_url: str) -> None:
    first, second, third = (Store(postgres_url).database for _ in range(3))
    with first.hold("a"):
        assert_taken(second.hold("a"))
        assert_taken(second.share("a"))
        with first.share("a"), second.share("a"):
            assert_taken(third.hold("a"))
        assert_taken(second.hold("a"))  # `first` shares it to the end
    with second.hold("a"):
        pass


def assert_taken(lock: AbstractContextManager[None]) -> None:
    with pytest.raises(StoreError, match="another process is at work on a"), lock:
        pass


def without_moments(text: str) -> str:
    """Return what a command said without times and durations, which differ between two runs."""
    text = re.sub(r" --store [^`\s]+", "", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "WHEN", text)
    text = re.sub(r'("(?:[a-z_]*ms|[a-z_]*seconds|took|attempt)": )[\d.]+', r"\1N", text)
    return re.sub(r"\s+\d+(\.\d+)? ?(s|ms|min|minutes)\b", " N s", text)
