"""The database: schema, migrations, transactions, ids, and what is kept when things are done again."""

import importlib
import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

from culturepark.catalog.scenarios import load_edition
from culturepark.dialogue.casting import Plan, plan
from culturepark.domain import Casting, Duplicate, Edition, Sample, Statement, Status, Turn
from culturepark.errors import StoreError, UsageError
from culturepark.models.chat import Usage, digest
from culturepark.models.ledger import Call, Outcome, now
from culturepark.stats.run_stats import stats
from culturepark.store import lineage, migrations, runs
from culturepark.store.database import REVISIONS, Database
from culturepark.store.questions import replace_rows
from culturepark.store.store import Store
from culturepark.store.tables import RunRow, SampleRow, StatementRow, TurnRow
from tests.cli.test_cli import TINY, dump, rows_of, tiny_store

MIGRATIONS = Path(migrations.__file__).parent / "versions"
TABLES = [
    "run",
    "dialogue",
    "participant",
    "turn",
    "call",
    "batch",
    "batched",
    "statement",
    "verdict",
    "duplicate",
    "sample",
    "review",
    "vector",
    "ability",
    "fit",
    "slip",
    "probe",
    "selection",
    "selected",
    "draw",
    "drawn",
    "rendering",
    "statement_rendering",
    "suite",
    "item",
    "evaluation",
    "answer",
    "score",
    "figure",
    "artefact",
    "trained",
    "worker",
    "claim",
    "paced",
    "call_log",
    "piece",
    "tally",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mine.db"


@pytest.fixture
def store(path: Path) -> Any:
    opened = Store(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def finished(path: Path) -> Any:
    """A store with the finished run `a`."""
    path.parent.mkdir()
    path.write_bytes(tiny_store())
    opened = Store(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def edition() -> Edition:
    return tiny_edition()


def tiny_edition() -> Edition:
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "tiny.yaml")
        scenario.write_text(TINY)
        return load_edition(scenario)


def run_row(run_id: str, edition: Edition) -> RunRow:
    return RunRow(
        id=run_id,
        scenario_name="tiny",
        scenario_digest=digest(edition.model_dump_json()),
        scenario=edition.model_dump_json(),
        seed=1,
        status=Status.PENDING,
        version="0",
        created_at=now(),
        models="{}",
        settings="{}",
    )


def add_run(store: Store, run_id: str, edition: Edition) -> list[Casting]:
    made = plan(edition, 1)
    store.create_run(run_row(run_id, edition), made, edition)
    return list(made.castings)


def a_call(run_id: str, subject_id: str, request: str = "{}") -> Call:
    return Call(
        run_id=run_id,
        stage="dialogue",
        subject_id=subject_id,
        model="m",
        endpoint="e",
        prompt_digest="p",
        request_digest=request,
        request=json.dumps({"say": request}),
        seed=2**31,
        attempt=1,
        started_at=now(),
    )


def an_outcome(response: str | None, **given: Any) -> Outcome:
    values = {"usage": Usage(), "cost_usd": None, "finish_reason": "stop", "error": None, "duration_ms": 1}
    return Outcome(response=response, **(values | given))


def a_turn(position: int) -> Turn:
    return Turn(
        position=position, slot=position, speaker="elif", role="delegate", phase="opening", text="Good.", origin="model"
    )


# --- schema ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("migrations")
def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.database.engine.connect() as connection:
        opts = {"compare_type": True, "compare_server_default": True, "include_object": is_table}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, SQLModel.metadata) == []
    assert set(SQLModel.metadata.tables) == set(TABLES)


def is_table(item: Any, *_: Any) -> bool:
    return not item.info.get("view")


def test_the_program_knows_exactly_the_migrations_that_there_are() -> None:
    names = sorted(file.stem for file in MIGRATIONS.glob("[0-9]*.py"))
    modules = [importlib.import_module(f"culturepark.store.migrations.versions.{name}") for name in names]
    assert tuple(module.revision for module in modules) == REVISIONS
    assert [module.down_revision for module in modules] == [None, *REVISIONS[:-1]]
    assert [name.partition("_")[0] for name in names] == list(REVISIONS)


@pytest.mark.usefixtures("migrations")
def test_every_migration_can_be_taken_back(store: Store) -> None:
    with store.database.engine.connect() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            for name in sorted((file.stem for file in MIGRATIONS.glob("[0-9]*.py")), reverse=True):
                importlib.import_module(f"culturepark.store.migrations.versions.{name}").downgrade()
        left = connection.execute(text("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")).scalars().all()
    assert left == ["alembic_version"]


def test_the_schema_holds_nothing_that_only_sqlite_has() -> None:
    dialect = postgresql.dialect()
    for table in SQLModel.metadata.sorted_tables:
        created = str(CreateTable(table).compile(dialect=dialect))
        assert created.split()[:2] == ["CREATE", "TABLE"]
        assert "SERIAL" not in created, f"{table}: ids are made by us, so that stores can be merged"
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect)).startswith("CREATE INDEX")


def test_the_migrations_are_sql_that_postgresql_takes_too() -> None:
    said = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said})
    with Operations.context(context):
        for file in sorted(MIGRATIONS.glob("[0-9]*.py")):
            importlib.import_module(f"culturepark.store.migrations.versions.{file.stem}").upgrade()
    assert set(re.findall(r"CREATE TABLE \"?(\w+)", said.getvalue())) == set(TABLES) - {"call_log"}
    assert "ALTER TABLE call RENAME TO call_log" in said.getvalue()
    assert "PRAGMA" not in said.getvalue()


def test_a_second_opening_changes_nothing(path: Path, store: Store) -> None:
    before = dump(path)
    again = Store(f"sqlite:///{path}")
    again.close()
    assert dump(path) == before
    assert before["alembic_version"] == [{"version_num": REVISIONS[-1]}]


@pytest.mark.usefixtures("migrations")
def test_a_migration_that_breaks_off_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = importlib.import_module("culturepark.store.migrations.versions.0001_first")
    original = first.op.create_index

    def break_off(name: str, *given: Any, **options: Any) -> None:
        if name == "ix_turn_dialogue_id":
            raise KeyboardInterrupt
        original(name, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", break_off)
        with pytest.raises(KeyboardInterrupt):
            Database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    Store(f"sqlite:///{path}").close()
    assert set(dump(path)) >= set(TABLES) - {"call_log", "piece"}


# --- the file --------------------------------------------------------------------------------------


def test_readers_do_not_wait_for_writers_and_references_are_enforced(path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store.database.reading() as session:
        assert session.connection().execute(text("PRAGMA foreign_keys")).scalar() == 1
    with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
        store.add_turn("nobody.d1", a_turn(1))
    assert rows_of("turn", path) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_file_is_its_owners_alone_and_its_folder_is_made(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "some" / "where" / "mine.db"
    old = os.umask(mask)
    try:
        store = Store(f"sqlite:///{path}")
    finally:
        os.umask(old)
    files = sorted(path.parent.iterdir())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    store.close()
    assert "mine.db" in modes
    assert set(modes.values()) == {0o600}


def test_a_store_that_must_exist_is_not_made(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store at"):
        Store(f"sqlite:///{path}", must_exist=True)
    assert not path.parent.exists()


def test_an_integrity_check_finds_a_row_that_points_nowhere(path: Path, finished: Store) -> None:
    assert finished.database.problems() == []
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM statement")
        db.commit()
    assert any("points at a missing statement" in problem for problem in finished.database.problems())


# --- transactions ----------------------------------------------------------------------------------


def test_a_run_exists_with_its_whole_plan(store: Store, path: Path, edition: Edition) -> None:
    castings = add_run(store, "a", edition)
    rows = dump(path)
    assert [row["id"] for row in rows["dialogue"]] == [f"a.d{casting.number}" for casting in castings]
    assert {row["status"] for row in rows["dialogue"]} == {"pending"}
    assert len(rows["participant"]) == sum(len(casting.participants) for casting in castings)


def test_a_run_whose_plan_cannot_be_written_does_not_exist(store: Store, path: Path, edition: Edition) -> None:
    castings = plan(edition, 1).castings
    with pytest.raises(StoreError):  # two dialogues of one number
        store.create_run(run_row("a", edition), Plan((*castings, castings[0]), ()), edition)
    assert not any(dump(path)[table] for table in TABLES if table not in ("call_log", "piece"))


def test_a_run_that_is_broken_off_while_it_is_written_does_not_exist(
    store: Store, path: Path, edition: Edition
) -> None:
    class BreaksOff(list[Casting]):
        """Can be gone through once, for the dialogues, but not again for who sits there."""

        times = 0

        def __iter__(self) -> Any:
            self.times += 1
            if self.times == 2:
                raise KeyboardInterrupt
            return super().__iter__()

    with pytest.raises(KeyboardInterrupt):
        store.create_run(run_row("a", edition), Plan(BreaksOff(plan(edition, 1).castings), ()), edition)  # type: ignore[arg-type]
    assert not any(dump(path)[table] for table in TABLES if table not in ("call_log", "piece"))
    add_run(store, "a", edition)
    assert len(rows_of("run", path)) == 1


def test_a_run_is_not_made_twice(store: Store, path: Path, edition: Edition) -> None:
    add_run(store, "a", edition)
    before = dump(path)
    with pytest.raises(UsageError, match="a run a exists already"):
        add_run(store, "a", edition)
    assert dump(path) == before


def test_statements_that_cannot_all_be_written_are_not_written(finished: Store, path: Path) -> None:
    before = dump(path)
    run = finished.run("a")
    first = finished.statements(run)[0]
    new = Statement.model_validate(first.model_dump(exclude={"round", "call_id"}))
    fresh = new.model_copy(update={"id": f"{first.turn_id}.s90"})
    with pytest.raises(StoreError):
        finished.add_extraction(first.turn_id.rpartition(".")[0], [(fresh, None), (new, None)], {}, 9)
    assert dump(path) == before


def test_ids_spell_the_path(finished: Store, path: Path) -> None:
    rows = dump(path)
    wanted = {
        "dialogue": ("run_id", "d"),
        "turn": ("dialogue_id", "t"),
        "call": ("subject_id", "c"),
        "statement": ("turn_id", "s"),
        "verdict": ("statement_id", "v"),
        "sample": ("statement_id", "x"),
    }
    for table, (parent, letter) in wanted.items():
        assert rows[table]
        for row in rows[table]:
            assert re.fullmatch(rf"{re.escape(row[parent])}\.{letter}[1-9]\d*", row["id"])
    ids = {row["id"] for table in TABLES for row in rows.get(table, []) if "id" in row}
    # What every answer was refused for was never written.
    assert {row["subject_id"] for row in rows["call"] if not row["refused"]} <= ids


def test_last_is_the_newest_run(store: Store, edition: Edition) -> None:
    for run_id, made in (("b", "2026-01-02T00:00:00.000Z"), ("a", "2026-01-01T00:00:00.000Z")):
        row = run_row(run_id, edition)
        row.created_at = made
        store.create_run(row, None, edition)
    assert store.run("last").id == "b"
    assert [row["run"] for row in runs.runs(store)] == ["b", "a"]


# --- several at once -------------------------------------------------------------------------------

WRITER = """
import sys
from types import SimpleNamespace
from culturepark.models.chat import Usage
from culturepark.models.ledger import Call, Outcome
from culturepark.stats.run_stats import stats
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
name, url = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
store = Store(url)
columns = "scenario_name scenario_digest scenario status version created_at models settings".split()
store.create_run(RunRow(id=name, seed=1, **dict.fromkeys(columns, "")), None, SimpleNamespace(scenario=None))
for number in range(1, 41):
    call_id = store.begin(Call(name, "dialogue", f"{name}.d1", "m", "e", "p", "r", "{}", None, 1, "now"))
    store.finish(call_id, Outcome("{}", Usage(), None, "stop", None, 1))
"""


@pytest.mark.torture
def test_processes_that_begin_at_once_on_a_new_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "shared.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name, f"sqlite:///{path}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    said = [child.communicate("go\n") for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert {row["id"] for row in rows_of("run", path)} == {"a", "b"}
    calls = {row["id"]: row["response"] for row in rows_of("call", path)}
    assert calls == {f"{name}.d1.c{number}": "{}" for name in "ab" for number in range(1, 41)}


def test_threads_with_a_store_each_lose_nothing(path: Path, store: Store, edition: Edition) -> None:
    add_run(store, "a", edition)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        mine = Store(f"sqlite:///{path}")
        try:
            for _ in range(25):
                mine.finish(mine.begin(a_call("a", f"a.d{number}")), an_outcome("{}"))
        except BaseException as error:
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row["id"] for row in rows_of("call", path)} == {f"a.d{d}.c{c}" for d in range(1, 5) for c in range(1, 26)}


def test_a_reader_sees_what_was_there_before_a_write_that_goes_on(path: Path, store: Store, edition: Edition) -> None:
    add_run(store, "a", edition)
    reader = Store(f"sqlite:///{path}")
    with store.database.writing() as session:
        row = session.get_one(RunRow, "a")
        row.status = "done"
        session.add(row)
        session.flush()
        assert reader.run("a").status == "pending"
        assert reader.dialogues("a")
    assert reader.run("a").status == "done"
    reader.close()


# --- calls -----------------------------------------------------------------------------------------


def test_calls_are_numbered_for_each_subject_and_on_after_reopening(path: Path, store: Store, edition: Edition) -> None:
    add_run(store, "a", edition)
    subjects = ["a.d1.t2", "a.d1.t2", "a.d1", "a.d1.t2", "a.d1.t20", "a.d1"]
    assert [store.begin(a_call("a", subject)) for subject in subjects] == [
        "a.d1.t2.c1", "a.d1.t2.c2", "a.d1.c1", "a.d1.t2.c3", "a.d1.t20.c1", "a.d1.c2",
    ]  # fmt: skip
    again = Store(f"sqlite:///{path}")
    assert again.begin(a_call("a", "a.d1.t2")) == "a.d1.t2.c4"
    again.close()


def test_only_an_answered_call_of_the_same_subject_is_an_answer(store: Store, edition: Edition) -> None:
    add_run(store, "a", edition)
    failed, open_one, good = (store.begin(a_call("a", "a.d1", request)) for request in ("one", "one", "one"))
    store.finish(failed, an_outcome(None, error="http-500: no"))
    assert store.answered("a.d1", "one") is None
    store.finish(good, an_outcome('{"ok": 1}', usage=Usage(7, None, 3, "server")))
    found = store.answered("a.d1", "one")
    assert found is not None
    assert (found.call_id, found.response, found.usage) == (good, '{"ok": 1}', Usage(7, None, 3, "server"))
    assert store.answered("a.d1", "two") is None
    assert store.answered("a.d2", "one") is None
    store.close_open_calls("a")
    errors = {row["id"]: row["error"] for row in rows_of("call", str(store.database.url.database))}
    assert errors[failed] == "http-500: no"
    assert errors[open_one] == "interrupted: the process ended before an answer came"
    assert errors[good] is None


def test_an_unknown_price_is_null_and_never_zero(path: Path, store: Store, edition: Edition) -> None:
    add_run(store, "a", edition)
    store.finish(store.begin(a_call("a", "a.d1")), an_outcome("{}", usage=Usage(5, 0, 5, "server")))
    assert rows_of("call", path)[0]["cost_usd"] is None
    assert store.spent("a").cost_usd is None
    assert stats(store, store.run("a")).cost_usd is None
    store.finish(store.begin(a_call("a", "a.d1", "two")), an_outcome("{}", cost_usd=0.25))
    assert store.spent("a").cost_usd == 0.25
    assert store.spent("a").tokens == 10
    assert stats(store, store.run("a")).cost_usd == 0.25


def test_a_scripted_run_has_no_price(finished: Store, path: Path) -> None:
    assert {row["cost_usd"] for row in rows_of("call", path)} == {None}


# --- distilling again ------------------------------------------------------------------------------


def samples_of(store: Store, run_id: str) -> list[tuple[str, Sample]]:
    with store.database.reading() as session:
        rows = session.exec(
            lineage.of_run(lineage.select(SampleRow)).where(SampleRow.id.startswith(f"{run_id}."))
        ).all()
    return [
        (
            row.id,
            Sample(
                **row.model_dump(include=set(Sample.model_fields) - {"messages"}),
                messages=tuple(json.loads(row.messages)),
            ),
        )
        for row in rows
    ]


def test_a_sample_that_is_not_made_again_is_superseded_and_comes_back_when_it_is(finished: Store, path: Path) -> None:
    before = dump(path)
    shaped = samples_of(finished, "a")
    kept = [pair for pair in shaped if pair[1].status == "kept"]
    assert len(kept) > 5
    replace_rows(finished, "a", [], kept[5:])
    rows = {row["id"]: row for row in rows_of("sample", path)}
    assert len(rows) == len(before["sample"])
    gone = {sample_id for sample_id, _ in shaped} - {sample_id for sample_id, _ in kept[5:]}
    for sample_id, row in rows.items():
        wanted = ("dropped", "superseded") if sample_id in gone else ("kept", None)
        assert (row["status"], row["drop_reason"]) == wanted
    assert rows_of("duplicate", path) == []
    replace_rows(finished, "a", [Duplicate.model_validate(row) for row in before["duplicate"]], shaped)
    assert dump(path) == before


def test_distilling_one_run_leaves_runs_with_a_like_name_alone(store: Store, path: Path, edition: Edition) -> None:
    for run_id in ("r_1", "rx1", "r_12"):
        add_run(store, run_id, edition)
        store.add_turn(f"{run_id}.d1", a_turn(1))
        statements = []
        for number in (1, 2):
            values = {"culture": "turkish", "kind": "norm", "text": "One eats.", "first_person": "I eat."}
            where = {"quote": "Good", "quote_start": 0, "quote_end": 4}
            ids = {"id": f"{run_id}.d1.t1.s{number}", "turn_id": f"{run_id}.d1.t1", "persona_key": "elif"}
            statements.append((Statement.model_validate(ids | values | where), None))
        store.add_extraction(f"{run_id}.d1", statements, {}, 1)
        first, second = (statement.id for statement, _ in statements)
        duplicate = Duplicate(
            statement_id=second, cluster_id=first, representative_id=first, method="exact", similarity=1.0
        )
        sample = Sample(
            statement_id=first,
            culture="turkish",
            kind="norm",
            messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}),
            status="kept",
        )
        replace_rows(store, run_id, [duplicate], [(f"{first}.x1", sample)])
    replace_rows(store, "r_1", [], [])
    rows = dump(path)
    assert {row["id"]: row["status"] for row in rows["sample"]} == {
        "r_1.d1.t1.s1.x1": "dropped",
        "r_12.d1.t1.s1.x1": "kept",
        "rx1.d1.t1.s1.x1": "kept",
    }
    assert sorted(row["statement_id"] for row in rows["duplicate"]) == ["r_12.d1.t1.s2", "rx1.d1.t1.s2"]


def test_the_statements_that_count_are_those_of_the_current_round(finished: Store) -> None:
    old = [row.id for row in finished.statements(finished.run("a"))]
    finished.set_plan("a", {}, "{}", verify=True)
    run = finished.run("a")
    assert (run.extract_round, run.verify_round) == (1, 2)
    originals = [row.id for row in finished.statements(run)]
    assert originals == [statement_id for statement_id in old if statement_id in set(originals)]
    finished.set_plan("a", {}, "{}", extract=True, verify=True)
    run = finished.run("a")
    assert (run.extract_round, run.verify_round) == (3, 3)
    assert finished.statements(run) == []
    with finished.database.reading() as session:
        assert session.get(StatementRow, old[0]) is not None
        assert session.get(TurnRow, old[0].rpartition(".")[0]) is not None
