"""`culturepark backup`: one sound file of one moment, or none. And what a deleted run leaves behind."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from culturepark.store.backup import backup
from culturepark.store.store import Store
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli, dump, place_store

pytestmark = pytest.mark.usefixtures("away")
STORE = Path("runs/culturepark.db")


def test_a_copy_holds_the_same_rows_in_one_file_and_can_be_used_as_a_store() -> None:
    place_store()
    done = cli("backup", "copy.db", "--json").json
    assert done["file"] == os.path.abspath("copy.db")
    assert done["bytes"] == os.path.getsize("copy.db")
    assert dump("copy.db", set()) == dump(STORE, set())
    assert [path.name for path in sorted(Path().glob("copy.db*"))] == ["copy.db"]
    runs = cli("runs", "--json", "--store", "sqlite:///copy.db").json
    assert [run["run"] for run in runs] == ["a"]
    assert done["runs"] == 1
    kept = [row for row in dump(STORE)["sample"] if row["status"] == "kept"]
    assert done["samples"] == len(kept) > 0


def test_without_a_name_the_copy_stands_beside_the_store_and_is_as_private() -> None:
    place_store()
    STORE.chmod(0o600)
    done = cli("backup")
    file = Path(done.out.strip())
    assert file.parent == STORE.parent.absolute()
    assert file.name.startswith("culturepark-20")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "copied 1 run and" in done.err


def test_nothing_is_ever_overwritten() -> None:
    place_store()
    Path("mine.txt").write_text("My own words.")
    done = cli("backup", "mine.txt")
    assert (done.code, done.out) == (2, "")
    assert "exists already" in done.err
    assert Path("mine.txt").read_text() == "My own words."
    assert cli("backup", str(STORE)).code == 2
    assert cli("backup", "nowhere/copy.db").code == 5


def test_what_a_run_has_not_committed_is_in_no_copy_and_the_run_goes_on() -> None:
    place_store()
    with closing(sqlite3.connect(STORE, isolation_level=None)) as run:
        run.execute("BEGIN IMMEDIATE")
        run.execute("UPDATE run SET note = 'not yet'")
        backup(f"sqlite:///{STORE}", Path("copy.db"))
        run.execute("COMMIT")
    assert [row["note"] for row in dump("copy.db")["run"]] == [None]
    assert [row["note"] for row in dump(STORE)["run"]] == ["not yet"]


WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
print("ready", flush=True)
number = 0
while True:
    number += 1
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE run SET note = ?", (str(number),))
    db.execute("UPDATE dialogue SET error = ?", (str(number),))
    db.execute("COMMIT")
"""


def test_a_copy_taken_while_another_process_writes_is_of_one_moment() -> None:
    place_store()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(STORE)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for number in range(3):
            backup(f"sqlite:///{STORE}", Path(f"copy{number}.db"))
        writer.kill()
    for number in range(3):
        rows = dump(f"copy{number}.db")
        assert len({row["note"] for row in rows["run"]} | {row["error"] for row in rows["dialogue"]}) == 1


@pytest.mark.parametrize("damage", ["DELETE FROM call_log", "UPDATE alembic_version SET version_num = '0001'"])
def test_of_a_damaged_store_no_copy_is_left(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place_store()
    store = Store(f"sqlite:///{STORE}")
    with monkeypatch.context() as patch, closing(sqlite3.connect(STORE)) as db, db:
        db.execute(damage)
        patch.setattr("culturepark.store.backup.Database", lambda *_, **__: store.database)
        db.commit()
        done = cli("backup", "copy.db")
    assert done.code == 5
    assert "the copy is damaged, and most likely the store too" in done.err
    assert not Path("copy.db").exists()


def test_a_store_on_a_server_is_left_to_its_own_tool_and_no_password_is_shown() -> None:
    done = cli("backup", "--store", "postgresql+psycopg://me:marigold@host/park")
    assert done.code == 2
    assert "pg_dump --format=custom --file=FILE postgresql://me:***@host/park" in done.err
    assert "marigold" not in done.err
    done = cli("backup", "--store", "sqlite:///nowhere.db")
    assert (done.code, Path("nowhere.db").exists()) == (2, False)


def test_what_a_deleted_run_leaves_behind_is_named() -> None:
    place_store()
    with closing(sqlite3.connect(STORE)) as db, db:
        (sample,) = db.execute("SELECT min(id) FROM sample").fetchone()
        db.execute("INSERT INTO artefact VALUES ('adapter-1', 'adapter', 'p', 's', 'b', NULL, '{}', '{}', 'now')")
        db.execute("INSERT INTO trained VALUES ('adapter-1', 1, ?, 'x')", (sample,))
        (pieces,) = db.execute("SELECT count(*) FROM piece").fetchone()
    done = cli("runs", "--delete", "a", "--yes")
    assert done.code == 0
    assert "adapter-1 keeps 1 row of it, which then lead" in done.err
    assert f"{pieces:,} pieces of its requests that no other call has went along" in done.err
    assert "left behind: vectors of its texts" in done.err
    assert dump(STORE)["trained"]
    with closing(sqlite3.connect(STORE)) as db:
        assert db.execute("SELECT count(*) FROM piece").fetchone() == (0,)
