"""The command line as users and scripts meet it: outputs, exit codes, repeatability, the terminal."""

import fcntl
import io
import json
import os
import pty
import re
import resource
import shlex
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from rich.cells import cell_len

from culturepark import __version__
from culturepark.cli.app import app, main
from tests.support import hypernetworks, people, tiny
from tests.support.cultures import GROUNDS
from tests.support.endpoint import Endpoint
from tests.support.filters import by_hand
from tests.support.processes import Forked
from tests.support.scratch import made_once

TINY = """\
name: tiny
title: A short talk
setting: cross-cultural
cultures: [turkish, german]
seeds:
  - survey: wvs7/Q33
  - key: guests
    question: What do you do when a guest comes without notice?
max_turns: 6
"""
SHORT = """\
name: short
title: A shorter talk
setting: cross-cultural
cultures: [turkish]
seeds:
  - survey: wvs7/Q33
max_turns: 4
"""
COMMANDS = dict(typer.main.get_command(app).commands.items())  # type: ignore[attr-defined]
STAGES = ("dialogue", "extract", "verify", "dedup", "samples")
TIMES = {"created_at", "started_at", "finished_at", "duration_ms", "attempt"}
"""Columns in which two runs with the same id and seed may differ."""


@dataclass(frozen=True)
class Done:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which must be one JSON document on one line."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def cli(*arguments: object, encoding: str = "utf-8", typed: bytes = b"") -> Done:
    """One command through `main`, in this process, with pipes for stdin, stdout and stderr."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding, errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    )
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(mock.patch.object(sys, "argv", ["culturepark", *map(str, arguments)]))
        stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8")))
        ended = stack.enter_context(pytest.raises(SystemExit))
        main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Done(ended.value.code, *said)  # type: ignore[arg-type]


def dump(path: str | Path = "runs/culturepark.db", without: set[str] = TIMES) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables as they are read, each table's in the order of its keys; `call` is a view.

    `tally` has figures of the others, with times.
    """
    with closing(sqlite3.connect(path)) as db:
        what = "type IN ('table', 'view') AND name NOT IN ('call_log', 'piece')"
        tables = [row[0] for row in db.execute(f"SELECT name FROM sqlite_master WHERE {what}")]
    return {
        table: []
        if table == "tally"
        else [{k: v for k, v in row.items() if k not in without} for row in sorted(rows_of(table, path), key=by_key)]
        for table in tables
    }


def rows_of(table: str, path: str | Path = "runs/culturepark.db") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f'SELECT * FROM "{table}"')]


def by_key(row: dict[str, Any]) -> list[str]:
    """Every table's primary key stands first, in one or two columns."""
    return [str(value) for value in list(row.values())[:2]]


def counts(path: str | Path = "runs/culturepark.db") -> dict[str, int]:
    return {table: len(found) for table, found in dump(path).items()}


@cache
@made_once
def tiny_store() -> bytes:
    """A database with one finished run `a` of the tiny scenario."""
    with tempfile.TemporaryDirectory() as folder:
        scenario, path, copy = (Path(folder, name) for name in ("tiny.yaml", "made.db", "copy.db"))
        scenario.write_text(TINY)
        done = cli("simulate", scenario, "--model", "scripted", "--run-id", "a", "--store", f"sqlite:///{path}")
        assert done.code == 0, done.err
        with closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        return copy.read_bytes()


def place_store(path: str = "runs/culturepark.db") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(tiny_store())


def untouched(path: str = "runs/culturepark.db") -> bool:
    """Whether a store placed here is byte for byte as it was."""
    log = Path(f"{path}-wal")
    return Path(path).read_bytes() == tiny_store() and not (log.exists() and log.stat().st_size)


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small scenarios, a cache of its own, and nothing of the user's settings."""
    for name in list(os.environ):
        if name.startswith(("CULTUREPARK_", "OPENAI_")) or name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "no-wheels"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("tiny.yaml").write_text(TINY)
    Path("short.yaml").write_text(SHORT)
    return folder


@pytest.fixture
def finished() -> None:
    """The default store, with the finished run `a`."""
    place_store()


# --- help ------------------------------------------------------------------------------------------


def test_the_commands_of_the_contract_are_there() -> None:
    contract = "simulate resume distill runs stats replay trace export check personas scenarios doctor"
    assert set(contract.split()) <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_parses(name: str) -> None:
    done = cli(name, "--help")
    assert done.code == 0
    assert not done.err
    text = " ".join(done.out.split())
    _, found, example = text.rpartition(f"Example: culturepark {name}")
    assert found
    arguments = shlex.split(re.split("[|>]", example)[0])
    command = COMMANDS[name]
    while arguments and (own := getattr(command, "commands", {}).get(arguments[0])):  # `mine` is nothing by itself
        command, name = own, arguments.pop(0)
    with command.make_context(name, arguments) as context:
        assert context.params


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments: list[str]) -> None:
    done = cli(*arguments)
    assert done.code in ((0, 2) if not arguments else (0,))
    assert set(re.findall(r"(?m)^  ([a-z-]+)  ", done.out + done.err)) >= set(COMMANDS)
    assert "a bug" not in done.err


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom culturepark.cli.app import run\nrun(['--help'])\n"
        "heavy = {'openai', 'sqlmodel', 'sqlalchemy', 'autogen_agentchat', 'numpy', 'pydantic', 'rich'}\n"
        "heavy |= {'genai_prices'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("arguments", [["check"], ["check", "scenarios/quickstart.yaml"]])
def test_check_imports_no_more_than_it_reads_with(arguments: list[str]) -> None:
    script = (
        f"import sys\nfrom culturepark.cli.app import run\ntry:\n    run({arguments})\nexcept Exception: pass\n"
        "heavy = {'openai', 'sqlmodel', 'sqlalchemy', 'autogen_agentchat', 'numpy', 'rich', 'asyncio'}\n"
        "heavy |= {f'culturepark.{name}' for name in ('catalog.suites', 'catalog.imports', 'store', 'evaluate')}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stderr.strip() == "[]"
    assert ("fine" in done.stdout) == (len(arguments) > 1)


def test_the_version_is_that_of_the_package() -> None:
    assert cli("--version") == Done(0, f"culturepark {__version__}\n", "")
    assert __version__ == version("culturepark")


# --- wrong use -------------------------------------------------------------------------------------


def wrong_files() -> None:
    Path("yaml.yaml").write_text(TINY.replace("[turkish, german]", "[turkish, german"))
    Path("key.yaml").write_text(TINY + "protocoll: free-chat\n")
    Path("culture.yaml").write_text(TINY.replace("german", "klingon"))
    Path("notes.gguf").write_text("these are notes")


WRONG = [
    ("check yaml.yaml", "yaml.yaml:5: not valid YAML"),
    ("simulate yaml.yaml --model scripted", "yaml.yaml:5: not valid YAML"),
    ("check key.yaml", "key.yaml:10: protocoll: unknown key; allowed here: name, title,"),
    ("simulate key.yaml --model scripted", "key.yaml:10: protocoll: unknown key"),
    ("check culture.yaml", "culture.yaml:4: cultures[2]: must be one of arabic, bengali"),
    ("simulate culture.yaml --model scripted", "not 'klingon'"),
    ("simulate nowhere", "(everyday-norms, quickstart, wvs7)"),
    ("simulate nowhere.yaml", "nowhere.yaml: no such file"),
    ("check nowhere.yaml", "nowhere.yaml: no such file"),
    ("resume b", "no such run: 'b'"),
    ("stats b", "no such run: 'b'"),
    ("replay b", "no such run: 'b'"),
    ("distill b --from verify", "no such run: 'b'"),
    ("export b --format trl --out out", "no such run: 'b'"),
    ("trace b.d1.t2.s1.x1", "no sample or statement 'b.d1.t2.s1.x1'"),
    ("trace nowhere.jsonl:1", "nowhere.jsonl: no such file"),
    ("simulate tiny.yaml --model gpt-4o", "must be embedded, gguf:PATH, hf:REPO/FILE"),
    ("simulate tiny.yaml --model openai:", "must be embedded, gguf:PATH, hf:REPO/FILE"),
    ("simulate tiny.yaml --model hf:name", "hf: takes ORGANISATION/NAME/FILE.gguf"),
    ("simulate tiny.yaml --model openai:x@ftp://y", "must start with http:// or https://"),
    ("simulate tiny.yaml --role chief=scripted", "must be ROLE=SPEC with ROLE one of speaker, moderator"),
    ("simulate tiny.yaml --role embedder=scripted", "must be e5, minilm, lexical or openai:NAME"),
    ("simulate tiny.yaml --model openai:gpt-4o-mini", "set OPENAI_API_KEY"),
    ("simulate tiny.yaml --model scripted --role verifier=openai:gpt-4o", "set OPENAI_API_KEY"),
    ("distill a --from verify --role verifier=openai:gpt-4o", "set OPENAI_API_KEY"),
    ("simulate tiny.yaml --model gguf:nowhere.gguf", "nowhere.gguf: No such file or directory"),
    ("simulate tiny.yaml --model gguf:notes.gguf", "notes.gguf is not a GGUF file"),
    ("simulate tiny.yaml --until end", "'dialogue', 'extract', 'verify', 'dedup', 'samples'"),
    ("simulate tiny.yaml --dialogues 0", "--dialogues"),
    ("simulate", "Missing"),
    ("frobnicate", "No such command 'frobnicate'"),
    ("stats a --frob", "No such option"),
    ("distill a --from samples", "'extract', 'verify', 'dedup'"),
    ("export a --format csv --out out", "must be one of openai, trl"),
    ("export a --format trl --out out --culture klingon", "must be one of american, arabic, bengali, chinese"),
    ("export a --format trl --out out --culture korean", "no kept samples of korean in a"),
    ("export a --format trl --out out --split 1", "between 0 and 1"),
    ("export a --format trl --out out --split 0", "between 0 and 1"),
    ("export a --format trl --out out --split half", "--split"),
    ("simulate tiny.yaml --model scripted --run-id a.b", "--run-id: letters, digits, - and _"),
    ("simulate tiny.yaml --model scripted --run-id last", "not `last`"),
    ("simulate tiny.yaml --model scripted --run-id a --seed 2", "the run a exists with another --seed"),
    ("simulate quickstart --model scripted --run-id a", "the run a exists with another scenario"),
    ("simulate tiny.yaml --model scripted --run-id a --dialogues 2", "the run a exists with another scenario"),
    ("simulate tiny.yaml --model openai:x@http://127.0.0.1:1/v1 --run-id a", "the run a exists with other models"),
    ("runs --store nonsense", "for a file write sqlite:///path/to/file.db"),
    ("runs --store mysql://host/name", "SQLite's or PostgreSQL's"),
    ("runs --store postgresql+nothing://host/name", "no driver for it"),
    ("simulate tiny.yaml --model scripted --store sqlite://", "name a database file"),
    ("stats a --store sqlite:///nowhere.db", "there is no store at nowhere.db yet"),
    ("doctor --model nonsense", "must be embedded"),
    ("doctor --model gguf:nowhere.gguf", None),
]


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(("command", "message"), WRONG, ids=[command for command, _ in WRONG])
def test_wrong_use_is_told_in_clear_lines_and_changes_nothing(command: str, message: str | None) -> None:
    wrong_files()
    files = sorted(Path().rglob("*"))
    done = cli(*command.split())
    assert done.code == 2
    if message is None:
        assert "nowhere.gguf: No such file or directory" in done.out
        return
    assert message in done.err
    assert not done.out
    assert_clear(done.err)
    assert untouched()
    assert [path for path in sorted(Path().rglob("*")) if path.suffix not in (".db-wal", ".db-shm")] == files


def assert_clear(err: str) -> None:
    """A line, or a few; nothing that only a developer of the program understands."""
    assert "Traceback" not in err
    assert "a bug" not in err
    assert 'File "' not in err
    assert 1 <= len(err.strip().splitlines()) <= 5


def test_all_errors_of_all_files_are_told_at_once() -> None:
    Path("two.yaml").write_text(TINY.replace("german", "klingon").replace("max_turns: 6", "max_turns: none"))
    done = cli("check", "tiny.yaml", "two.yaml", "nowhere.yaml")
    assert done.code == 2
    assert done.out == "tiny.yaml: scenario, fine\n"
    places = [line.removeprefix("culturepark: ").split(": ")[0] for line in done.err.splitlines()]
    assert places == ["two.yaml:4", "two.yaml:9", "nowhere.yaml"]


@pytest.mark.parametrize("command", ["stats last", "replay", "resume last", "distill last --from dedup"])
def test_a_store_without_runs_says_how_to_make_one(command: str) -> None:
    place_store()
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        for table in (
            "duplicate",
            "sample",
            "verdict",
            "statement",
            "turn",
            "participant",
            "dialogue",
            "call_log",
            "run",
        ):
            db.execute(f"DELETE FROM {table}")
        db.commit()
    done = cli(*command.split())
    assert done.code == 2
    assert done.err.startswith("culturepark: the store holds no runs yet")
    assert "culturepark simulate" in done.err


@pytest.mark.parametrize("command", ["stats last", "replay", "resume last", "trace a.d1.t2.s1"])
def test_no_store_yet_says_how_to_make_one(command: str) -> None:
    done = cli(*command.split())
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "culturepark: there is no store at runs/culturepark.db yet; `culturepark simulate quickstart` makes one\n"
    )
    assert not Path("runs").exists()


def test_a_run_without_kept_samples_says_why_there_is_no_export() -> None:
    assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue").code == 0
    done = cli("export", "a", "--format", "trl", "--out", "out")
    assert (done.code, done.out) == (2, "")
    assert done.err == "culturepark: no kept samples in a; `culturepark stats a` says why\n"
    assert not Path("out").exists()


# --- the model, the store, the budget --------------------------------------------------------------


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_model_stops_the_run_so_that_it_can_be_resumed() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    done = cli("simulate", "tiny.yaml", "--model", f"openai:x@{url}", "--run-id", "a")
    assert (done.code, done.out) == (3, "a\n")
    assert f"no connection to {url}" in done.err
    assert "culturepark resume a" in done.err
    assert_clear(done.err)
    (run,) = rows_of("run")
    assert run["status"] == "stopped"
    assert run["stop_reason"].startswith("unreachable: no connection to")
    calls = rows_of("call")
    assert calls
    assert all(call["response"] is None and "no connection" in call["error"] for call in calls)


@pytest.mark.usefixtures("no_pauses")
def test_doctor_says_that_a_model_is_unreachable() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    done = cli("doctor", "--model", f"openai:x@{url}", "--json")
    assert done.code == 3
    (model,) = [finding for finding in done.json if finding["what"] == "model"]
    assert model["state"] == "bad"
    assert f"no connection to {url}" in model["detail"]


def unusable_stores() -> None:
    Path("notes.db").write_text("These are notes, and no database. " * 40)
    with closing(sqlite3.connect("other.db")) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
        db.commit()
    place_store("newer.db")
    with closing(sqlite3.connect("newer.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    Path("damaged.db").write_bytes(tiny_store()[:4096] + b"\xff" * 40_000)


UNUSABLE = [
    ("sqlite:///notes.db", "not a database"),
    ("sqlite:///other.db", "holds another program's tables"),
    ("sqlite:///newer.db", "was written by a newer culturepark"),
    ("sqlite:///damaged.db", "malformed"),
    ("sqlite:///tiny.yaml/new.db", "cannot make the store tiny.yaml/new.db"),
    ("sqlite:////proc/culturepark/new.db", "cannot make the store /proc/culturepark/new.db"),
    ("sqlite:///folder.db", "unable to open database file"),
]


@pytest.mark.parametrize(("url", "message"), UNUSABLE, ids=[url for url, _ in UNUSABLE])
def test_a_store_that_cannot_be_used_is_left_as_it_is(url: str, message: str) -> None:
    unusable_stores()
    Path("folder.db").mkdir()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    done = cli("simulate", "tiny.yaml", "--model", "scripted", "--store", url)
    assert (done.code, done.out) == (5, "")
    assert message in done.err
    assert_clear(done.err)
    after = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if path.suffix == ".db" or path in before} == before


def test_doctor_says_that_a_store_cannot_be_used() -> None:
    unusable_stores()
    done = cli("doctor", "--store", "sqlite:///newer.db")
    assert done.code == 5
    assert re.search(r"(?m)^bad +store: .*newer culturepark", done.out)


def test_a_password_in_the_url_of_a_store_is_never_shown() -> None:
    for url in ("postgresql+psycopg://me:hunter2@127.0.0.1:1/x", "nothing+atall://me:hunter2@host/x"):
        done = cli("runs", "--store", url)
        assert done.code in (2, 5)
        assert "hunter2" not in done.err + done.out


@pytest.mark.torture
def test_without_space_the_run_ends_in_a_clear_line_and_goes_on_later() -> None:
    command = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        done = cli(*command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.code == 5
    assert "disk" in done.err
    assert_clear(done.err)
    assert cli(*command).code == 0
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_budget_stops_the_run_and_a_higher_one_lets_it_go_on() -> None:
    command = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a")
    done = cli(*command, "--max-tokens", "9000")
    assert (done.code, done.out) == (4, "a\n")
    assert "the budget of 9,000 tokens is spent" in done.err
    assert "culturepark resume a" in done.err
    asked = counts()["call"]
    assert cli("resume", "a").code == 4
    assert counts()["call"] == asked
    assert cli("resume", "a", "--max-tokens", "1000000").code == 0
    place_store("whole.db")
    assert dump(without=TIMES | {"settings"}) == dump("whole.db", without=TIMES | {"settings"})


# --- tracebacks ------------------------------------------------------------------------------------

FAILING = [
    ("check key.yaml", 2),
    ("stats nope", 2),
    ("stats last --store sqlite:///notes.db", 5),
    ("simulate tiny.yaml --model openai:gpt-4o-mini", 2),
]


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(("command", "code"), FAILING, ids=[command for command, _ in FAILING])
def test_debug_shows_where_it_happened_and_changes_nothing_else(
    command: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_files()
    unusable_stores()
    plain = cli(*command.split())
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    debug = cli(*command.split())
    assert plain.code == debug.code == code
    assert plain.out == debug.out == ""
    assert "Traceback" not in plain.err
    assert debug.err.startswith("Traceback")
    assert debug.err.endswith(plain.err)


@pytest.mark.usefixtures("no_pauses")
def test_debug_shows_where_a_run_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    url = f"http://127.0.0.1:{closed_port()}/v1"
    done = cli("simulate", "tiny.yaml", "--model", f"openai:x@{url}", "--run-id", "a")
    assert (done.code, done.out) == (3, "a\n")
    assert "Traceback" in done.err


@pytest.mark.usefixtures("finished")
def test_a_process_of_its_own_never_shows_a_traceback() -> None:
    wrong_files()
    unusable_stores()
    commands = {"check key.yaml": 2, "stats last --store sqlite:///notes.db": 5, "simulate tiny.yaml --until end": 2}
    running = [Forked(*command.split()) for command in commands]
    said = [child.communicate() for child in running]
    for child, (out, err), (command, code) in zip(running, said, commands.items(), strict=True):
        assert_clear(err.decode())
        assert (child.returncode, out) == (code, b""), command


# --- stdout and stderr -----------------------------------------------------------------------------


def test_a_run_puts_its_id_on_stdout_and_a_summary_on_stderr() -> None:
    done = cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "a")
    assert (done.code, done.out) == (0, "a\n")
    begins, repeats, summary, following, warning = done.err.splitlines()
    assert re.fullmatch(
        r"\d+ of \d+ verified statements repeat another one \(similarity 0\.60 and more, by lexical\)", repeats
    )
    assert begins.startswith("run a: ")
    assert "no evidence of what real people think" in begins
    assert re.fullmatch(
        r"a: done; \d+ rows, \d+ distinct answers, \d+ samples dropped; [\d,]+ prompt and [\d,]+ completion tokens",
        summary,
    )
    assert following == "next: culturepark export a --format trl --out runs/a"
    assert warning.startswith("the model was scripted")


def test_talk_and_progress_go_to_stderr_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich takes what it writes to for a terminal
    done = cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue")
    assert (done.code, done.out) == (0, "a\n")
    assert "── dialogue 1: " in done.err
    assert "1/1 dialogues" in done.err


def test_a_run_without_a_name_gets_one_with_its_day_and_scenario() -> None:
    done = cli("simulate", "short.yaml", "--model", "scripted", "--until", "dialogue")
    assert re.fullmatch(r"\d{8}-short-[0-9a-f]{4}\n", done.out)
    assert cli("stats", "last", "--json").json["run"] == done.out.strip()


JSON = {
    "simulate": "simulate short.yaml --model scripted --run-id b --until dialogue",
    "resume": "resume a",
    "distill": "distill a --from dedup",
    "branch": "branch a.d1.t4 --text Hello.",
    "people": "people --from people.csv --map map.yaml --out folk",
    "mine": "mine seeds --how none --scenario short.yaml --culture turkish --run-id mined",
    "runs": "runs",
    "suites": "suites",
    "calls": "calls a",
    "merge": "merge theirs.db --dry-run",
    "backup": "backup copy.db",
    "stats": "stats a",
    "evaluate": "evaluate survey --culture german --framing persona --items 3 --samples 2 --model scripted",
    "judge": "judge a --scale competence --items 2 --passes 1 --null 0 --model scripted",
    "filter": "filter texts.txt --model filter:FILTER",
    "compare": "compare a b",
    "adapter": "adapter hyper --mean --out adapter",
    "queue": "queue a",
    "review": "review a",
    "select": "select a",
    "selections": "selections",
    "train": "train rows --dry-run",
    "loop": "loop loop --dry-run",
    "import-reviews": "import-reviews judged.json",
    "trace": "trace SAMPLE",
    "personas": "personas",
    "scenarios": "scenarios",
    "doctor": "doctor",
}
"""A command line for every command that takes --json, but `work`, which needs a server (`tests/run/test_workers`)."""

STORE = {
    "simulate": "simulate short.yaml --model scripted --run-id b --until dialogue",
    "resume": "resume a",
    "talk": "talk turkish-elif --model scripted --run-id c",
    "distill": "distill a --from dedup",
    "branch": "branch a.d1.t4 --text Hello.",
    "people": "people --from people.csv --map map.yaml --out folk --model MODEL --run-id d",
    "mine": "mine seeds --how none --scenario short.yaml --culture turkish --run-id mined",
    "runs": "runs",
    "calls": "calls a",
    "merge": "merge theirs.db",
    "backup": "backup copy.db",
    "stats": "stats a",
    "evaluate": "evaluate survey --culture german --framing persona --items 3 --samples 2 --model scripted --run-id e",
    "judge": "judge a --scale competence --items 2 --passes 1 --null 0 --model scripted",
    "compare": "compare a b",
    "replay": "replay a",
    "report": "report a -o -",
    "queue": "queue a",
    "review": "review a --sample 3 --json",
    "select": "select a",
    "selections": "selections",
    "import-reviews": "import-reviews judged.json --json",
    "trace": "trace SAMPLE",
    "export": "export a --format trl --out out",
    "train": "train rows --base base --max-steps 1 --out adapter",
    "loop": "loop loop --until simulate --out looped",
    "views": "views --datasette",
    "doctor": "doctor",
}
"""A command line for every command that takes --store."""


def takers(option: str) -> set[str]:
    """The commands that have an option, by themselves or, of a group, in one of its own."""
    return {
        name
        for name, command in COMMANDS.items()
        if any(option in p.opts for one in (command, *getattr(command, "commands", {}).values()) for p in one.params)
    }


def kept_sample(path: str = "runs/culturepark.db") -> str:
    return str(next(row["id"] for row in rows_of("sample", path) if row["status"] == "kept"))


def judged(*more: str) -> None:
    """Leave `judged.json`: the tasks of the run `a`, one of them accepted."""
    from tests.export.test_labelling import annotation

    assert cli("export", "a", "--format", "label-studio", "--out", "tasks", *more).code == 0
    tasks = json.loads(Path("tasks/tasks.json").read_bytes())
    tasks[0]["annotations"] = [annotation(decision=["yes"])]
    Path("judged.json").write_text(json.dumps(tasks), "utf-8")


@pytest.mark.usefixtures("finished")
def test_json_is_one_document_on_stdout() -> None:
    assert set(JSON) == takers("--json") - {"work"}
    judged()
    place_store("theirs.db")
    people.table(Path(), text=people.WHOLE)
    tiny.rows(Path("rows"))
    by_hand(Path("FILTER"))
    Path("texts.txt").write_text("A text.\n")
    hypernetworks.place(Path("hyper"))
    for command in JSON.values():
        done = cli(*command.replace("SAMPLE", kept_sample()).split(), "--json")
        assert done.code == 0
        assert done.json


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.torture
def test_json_is_one_document_when_the_run_is_stopped_too() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    done = cli("simulate", "tiny.yaml", "--model", f"openai:x@{url}", "--run-id", "a", "--json")
    assert done.code == 3
    assert done.json["status"] == "stopped"
    assert "no connection" in done.err


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.sampled
def test_every_command_that_takes_a_store_uses_the_one_it_is_given(
    variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of `suites` only `audit` takes one, by a model; `work` takes a server's.
    assert set(STORE) == takers("--store") - {"suites", "work"}
    url, path = "sqlite:///deep/er/mine.db", "deep/er/mine.db"
    place_store(path)
    place_store("theirs.db")
    people.table(Path())
    judged("--store", url)
    tiny.rows(Path("rows"))
    tiny.make(Path("base"))
    if variable:
        monkeypatch.setenv("CULTUREPARK_STORE", url)
    with Endpoint(reply=people.writes) as endpoint:
        for name, command in STORE.items():
            filled = command.replace("SAMPLE", kept_sample(path)).replace("MODEL", f"openai:t@{endpoint.url}")
            done = cli(*filled.split(), *([] if variable else ["--store", url]))
            assert done.code == 0, (name, done.err)
            assert done.out
            assert not Path("runs").exists(), name
    made = {row["id"] for row in rows_of("run", path)}
    given = {row["run_id"] for row in rows_of("evaluation", path)} - {"e"}  # the rows of `a`, as `judge` rates them
    made -= given
    assert len(given) == 1
    named = {"a", "b", "c", "d", "e", "mined", "loop-loop"}
    assert named < made
    assert [name[:3] for name in made - named] == ["a-b"]


@pytest.mark.usefixtures("finished")
def test_the_option_beats_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTUREPARK_STORE", "sqlite:///nowhere.db")
    assert cli("stats", "a").code == 2
    assert cli("stats", "a", "--store", "sqlite:///runs/culturepark.db").code == 0


# --- repeating, stopping, going on -----------------------------------------------------------------

SIMULATE = ("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("command", [SIMULATE, ("resume", "last")])
def test_a_finished_run_carried_on_asks_nothing_and_changes_nothing(command: Sequence[str]) -> None:
    calls, before = [row["started_at"] for row in rows_of("call")], dump()
    done = cli(*command)
    assert (done.code, done.out) == (0, "a\n")
    assert [row["started_at"] for row in rows_of("call")] == calls
    assert dump() == before


EMPTY = {"tally", "ability", "fit", "review", "vector", "slip", "probe", "selection", "selected", "draw", "drawn"} | {
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
    "batch",
    "batched",
}
"""Tables in which a run of the scripted model leaves nothing."""


def test_the_same_id_and_seed_make_the_same_rows_and_the_same_files() -> None:
    Path("all.yaml").write_text(
        TINY + "mine: [delegate, main]\ndialogues_per_seed: 4\n"
    )  # so that duplicates are found
    for name in ("one", "two"):
        store = ("--store", f"sqlite:///{name}.db")
        assert cli("simulate", "all.yaml", "--model", "scripted", "--run-id", "a", *store).code == 0
        assert cli("export", "a", "--format", "trl", "--out", name, *store).code == 0
    assert dump("one.db") == dump("two.db")
    assert {table for table, number in counts("one.db").items() if not number} == EMPTY
    for file in ("all.jsonl", "all.index.jsonl"):
        assert Path("one", file).read_bytes() == Path("two", file).read_bytes()


@pytest.mark.usefixtures("finished")
def test_concurrency_changes_nothing_but_the_settings() -> None:
    assert cli(*SIMULATE, "--concurrency", 1, "--store", "sqlite:///slow.db").code == 0
    assert dump(without=TIMES | {"settings"}) == dump("slow.db", without=TIMES | {"settings"})
    assert dump() != dump("slow.db")


@pytest.mark.usefixtures("finished")
def test_another_seed_makes_another_run() -> None:
    assert cli(*SIMULATE, "--seed", 2, "--until", "dialogue", "--store", "sqlite:///other.db").code == 0
    mine, other = dump(), dump("other.db")
    assert [row["stance_code"] for row in mine["participant"]] != [row["stance_code"] for row in other["participant"]]
    assert [row["text"] for row in mine["turn"]] != [row["text"] for row in other["turn"]]


@pytest.mark.parametrize("stage", STAGES[:-1])
@pytest.mark.sampled
def test_a_run_until_any_stage_goes_on_to_the_same_end(stage: str) -> None:
    assert cli(*SIMULATE, "--until", stage).code == 0
    (run,) = rows_of("run")
    assert (run["status"], run["stop_reason"]) == ("done", f"until {stage}")
    found = counts()
    tables = dict(zip(STAGES, ("turn", "statement", "verdict", "duplicate", "sample"), strict=True))
    done = STAGES[: STAGES.index(stage) + 1]
    assert {name for name, table in tables.items() if found[table]} == set(done)
    assert cli("resume", "a").code == 0
    place_store("whole.db")
    assert dump() == dump("whole.db")


def test_dialogues_sets_how_often_each_seed_is_talked_about_in_each_culture() -> None:
    often = 2
    assert cli(*SIMULATE, "--until", "dialogue", "--dialogues", often).code == 0
    seeds = [row["seed_key"] for row in rows_of("dialogue")]
    assert sorted(seeds) == ["guests"] * 2 * often + ["wvs7/Q33"] * 2 * often
    delegates = [row["culture"] for row in rows_of("participant") if row["role"] == "delegate"]
    assert sorted(delegates) == ["german"] * 2 * often + ["turkish"] * 2 * often


def test_a_dry_run_writes_nothing_and_prints_ranges_that_hold() -> None:
    before = sorted(Path("..").rglob("*"))
    done = cli("simulate", "tiny.yaml", "--model", "scripted", "--dry-run", "--json")
    figures = done.json
    assert done.code == 0
    text = cli("simulate", "tiny.yaml", "--model", "scripted", "--dry-run")
    assert text.code == 0
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = figures[name]
        assert 0 < low < high
        assert re.search(rf"{name.replace('_', ' ')} +{low:,} to {high:,}\n", text.out)
    assert figures["cost_usd"] is None
    assert "no known price" in text.out
    assert sorted(Path("..").rglob("*")) == before

    place_store()
    stats = cli("stats", "a", "--json").json
    assert figures["dialogues"] == stats["dialogues"]["done"]
    assert stats["turns"]["personas"] <= figures["persona_turns"]  # a turn that is refused three times is not taken
    assert figures["calls"][0] <= stats["calls"]["total"] <= figures["calls"][1]


@pytest.mark.usefixtures("finished")
@pytest.mark.torture
def test_a_dry_run_learns_from_past_runs_with_the_same_models() -> None:
    place_store()
    plain = cli("simulate", "tiny.yaml", "--model", "openai:gpt-4o-mini", "--dry-run", "--json").json
    assert plain["past_runs"] == []
    more = ("tiny.yaml", "--model", "scripted", "--seed", "3", "--dialogues", "3")
    learned = cli("simulate", *more, "--dry-run", "--json").json
    assert learned["past_runs"] == ["a"]
    assert "judged by  a\n" in cli("simulate", *more, "--dry-run").out
    assert cli("simulate", *more, "--run-id", "more").code == 0
    took = cli("stats", "more", "--json").json
    actual = {"calls": took["calls"]["total"]} | {f"{name}_tokens": n for name, n in took["tokens"].items()}
    for name in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = learned[name]
        assert low <= actual[name] <= high
        assert high < 1.5 * low
    assert plain["completion_tokens"][1] > 2 * plain["completion_tokens"][0]


@pytest.mark.usefixtures("finished")
def test_a_dry_run_does_without_past_runs_that_cannot_be_read() -> None:
    place_store()
    with closing(sqlite3.connect("runs/culturepark.db")) as db, db:
        db.execute("UPDATE run SET settings = '{'")
    done = cli("simulate", "tiny.yaml", "--model", "scripted", "--dry-run", "--json")
    assert done.code == 0
    assert done.json["past_runs"] == []
    assert "not all past runs can be learnt from" in done.err


def test_a_forecast_counts_an_embedder_that_is_an_endpoint() -> None:
    prices = {"text-embedding-3-small": True, "some-embedder@http://127.0.0.1:1/v1": False}
    plain = cli("simulate", "tiny.yaml", "--model", "openai:gpt-4o-mini", "--dry-run", "--json").json
    for name, known in prices.items():
        role = ("--role", f"embedder=openai:{name}")
        more = cli("simulate", "tiny.yaml", "--model", "openai:gpt-4o-mini", *role, "--dry-run", "--json").json
        assert more["prompt_tokens"][0] > plain["prompt_tokens"][0]
        assert (more["cost_usd"] is not None) == known


def test_a_dry_run_knows_what_openai_costs_and_needs_no_key() -> None:
    done = cli("simulate", "tiny.yaml", "--model", "openai:gpt-4o-mini", "--dry-run", "--json")
    assert done.code == 0
    low, high = done.json["cost_usd"]
    assert 0 < low < high
    assert done.err.startswith("note: the run itself would end at once: openai:gpt-4o-mini needs a key: ")


@pytest.mark.parametrize(
    ("spec", "variable", "value", "said"),
    [
        ("openai:m@http://127.0.0.1:1/v1", "CULTUREPARK_KEYS", "nowhere.toml", "nowhere.toml: no such file"),
        ("openai:m@https://n.openai.azure.com?api-version=soon", "X", "", "api-version holds no version"),
        ("openai:m@https://h.example.org/v1", "HTTPS_PROXY", "banana", "HTTPS_PROXY holds no proxy's address"),
    ],
)
def test_a_dry_run_finds_what_is_wrong_as_the_run_does(
    spec: str, variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    told = [cli("simulate", "tiny.yaml", "--model", spec, *more) for more in ([], ["--dry-run"])]
    assert {done.code for done in told} == {2}
    assert said in told[0].err
    assert told[0].err == told[1].err


# --- distilling again ------------------------------------------------------------------------------


def kept_words() -> list[str]:
    return sorted(row["messages"] for row in rows_of("sample") if row["status"] == "kept")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("stage", ["extract", "verify", "dedup"])
@pytest.mark.sampled
def test_distilling_again_keeps_what_was_found_and_gives_the_same_samples(stage: str) -> None:
    words = kept_words()
    for _ in range(2):
        before = dump()
        done = cli("distill", "a", "--from", stage)
        assert (done.code, done.out) == (0, "a\n")
        after = dump()
        assert kept_words() == words
        for table in ("turn", "call", "statement", "verdict"):
            assert [row for row in before[table] if row not in after[table]] == []
        assert after["turn"] == before["turn"]
        assert len(after["statement"]) >= len(before["statement"]) + (1 if stage == "extract" else 0)
        assert (len(after["verdict"]) > len(before["verdict"])) == (stage != "dedup")
        assert (len(after["sample"]) > len(before["sample"])) or stage != "extract"
        statuses = {row["id"]: row["drop_reason"] for row in after["sample"]}
        original = {row["id"] for row in before["statement"] if row["rewritten_from"] is None}
        for row in before["sample"]:
            if row["status"] == "kept" and row["statement_id"] in original:
                assert statuses[row["id"]] == ("superseded" if stage == "extract" else None)


@pytest.mark.usefixtures("finished")
def test_distilling_with_another_model_is_written_down() -> None:
    assert cli("distill", "a", "--from", "dedup", "--role", "embedder=e5").code == 0
    assert cli("stats", "a", "--json").json["models"]["embedder"] == "e5"


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("stage", "role", "counts"),
    [
        ("dedup", "speaker", "only embedder, verifier"),
        ("dedup", "judge", "only embedder, verifier"),
        ("verify", "speaker", "only extractor, verifier, embedder"),
        ("extract", "judge", "only extractor, verifier, embedder"),  # the scenario has no checks
    ],
)
def test_a_model_for_a_role_that_is_not_asked_again_is_refused(stage: str, role: str, counts: str) -> None:
    before = dump()
    done = cli("distill", "a", "--from", stage, "--role", f"{role}=embedded")
    assert (done.code, done.out) == (2, "")
    assert f"--role {role}: nobody is asked as that from {stage} on; {counts}" in done.err
    assert dump() == before


def test_a_run_with_open_dialogues_is_finished_before_it_is_distilled_again() -> None:
    assert cli(*SIMULATE, "--max-tokens", 9000).code == 4
    before = dump(without=set())
    for where in ("", f" --store sqlite:///{Path.cwd()}/runs/culturepark.db"):
        done = cli(*f"distill a --from verify{where}".split())
        assert (done.code, done.out) == (2, "")
        assert f"unfinished dialogues; `culturepark resume a{where}` first" in done.err
    assert dump(without=set()) == before


# --- looking ---------------------------------------------------------------------------------------


def test_runs_of_an_empty_folder_are_none() -> None:
    assert cli("runs", "--json") == Done(0, "[]\n", "")
    done = cli("runs")
    assert (done.code, done.out) == (0, "")
    assert "culturepark simulate quickstart" in done.err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("finished")
def test_runs_lists_the_newest_first() -> None:
    assert cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "b", "--until", "dialogue").code == 0
    newest, first = cli("runs", "--json").json
    assert (newest["run"], newest["status"], newest["samples_kept"]) == ("b", "done", 0)
    assert (first["run"], first["dialogues"], first["dialogues_done"]) == ("a", 4, 4)
    assert first["samples_kept"] == len(kept_words())
    assert first["models"]["speaker"] == "scripted"
    rows = [line.split("\t") for line in cli("runs").out.splitlines()]
    assert [row[:5] for row in rows] == [
        ["b", "short", "done", "1/1", "0"],
        ["a", "tiny", "done", "4/4", str(len(kept_words()))],
    ]


@pytest.mark.usefixtures("finished")
def test_stats_count_what_is_in_the_store() -> None:
    stats, rows = cli("stats", "a", "--json").json, dump()
    assert (stats["run"], stats["scenario"], stats["status"], stats["seed"]) == ("a", "tiny", "done", 1)
    assert stats["dialogues"] == {"done": 4}
    assert stats["turns"]["personas"] + sum(stats["turns"]["moderator"].values()) == len(rows["turn"])
    assert stats["statements"]["total"] == len(rows["statement"])
    assert sum(sum(relations.values()) for relations in stats["verdicts"].values()) == len(rows["verdict"])
    samples = stats["samples"]
    assert samples["kept"] == len(kept_words()) == sum(samples["kept_by_kind"].values())
    assert samples["kept"] + sum(samples["dropped"].values()) == len(rows["sample"])
    assert stats["calls"]["total"] == len(rows["call"])
    assert stats["tokens"]["prompt"] == sum(row["prompt_tokens"] for row in rows["call"])
    assert stats["cost_usd"] is None
    cells = {(cell["seed"], cell["country"]): cell for cell in stats["stances"]}
    assert set(cells) == {("wvs7/Q33", "TUR"), ("wvs7/Q33", "DEU")}
    for cell in cells.values():
        assert sum(answer["drawn"] for answer in cell["answers"]) == cell["drawn"] == 1
        assert sum(answer["share"] for answer in cell["answers"]) == pytest.approx(1, abs=0.02)


@pytest.mark.usefixtures("finished")
def test_stats_read_as_text() -> None:
    stats, text = cli("stats", "a", "--json").json, cli("stats", "a").out
    assert text.startswith("a  done: completed\n")
    assert f"samples     {stats['samples']['kept']} kept" in text
    assert f"calls       {stats['calls']['total']} (" in text
    assert "cost        no known price" in text
    assert re.search(r"stance +wvs7/Q33 TUR: ", text)


@pytest.mark.usefixtures("finished")
def test_replay_tells_every_turn_of_what_it_is_given() -> None:
    whole = cli("replay", "a").out
    assert cli("replay").out == cli("replay", "last", "--plain", "--follow").out == whole
    at = 0
    for number in range(1, 5):
        one = cli("replay", f"a.d{number}").out
        said = [row for row in rows_of("turn") if row["dialogue_id"] == f"a.d{number}"]
        for turn in sorted(said, key=lambda row: row["position"]):
            at = whole.index(f"\n{turn['text']}\n", at)
            assert f"\n{turn['text']}\n" in one
    assert whole.startswith("A conversation between simulated people")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("command", ["runs", "stats a", "replay a", "personas", "doctor", "check evil.yaml"])
def test_an_output_that_knows_no_unicode_is_no_error(command: str) -> None:
    Path("evil.yaml").write_text("name: çay\n", "utf-8")
    done = cli(*command.split(), encoding="ascii")
    assert "a bug" not in done.err
    assert done.code == (2 if command.startswith("check") else 0)


def test_personas_are_listed_with_their_cards() -> None:
    people, rows = cli("personas", "--json").json, cli("personas").out.splitlines()
    assert [row.split("\t")[0] for row in rows] == [person["key"] for person in people]
    cultures = [person["culture"] for person in people]
    assert set(cultures) == {*GROUNDS, "american"}
    assert min(map(cultures.count, GROUNDS)) >= 6
    assert all(person["scope"] and person["norms"] for person in people)


def test_scenarios_are_listed_with_their_seeds() -> None:
    found, rows = cli("scenarios", "--json").json, cli("scenarios").out.splitlines()
    seeds = {scenario["name"]: scenario["seeds"] for scenario in found}
    assert set(seeds) >= {"quickstart", "wvs7", "everyday-norms"}
    assert (seeds["quickstart"], seeds["wvs7"]) == (1, 50)
    assert seeds["everyday-norms"] >= 40
    assert [row.split("\t")[0] for row in rows] == list(seeds)
    assert [int(row.split("\t")[-1]) for row in rows] == list(seeds.values())


@pytest.mark.usefixtures("finished")
def test_doctor_says_what_is_here_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    done, text = cli("doctor", "--model", "scripted", "--json"), cli("doctor", "--model", "scripted")
    assert (done.code, text.code) == (0, 0)
    found = {finding["what"]: finding for finding in done.json}
    assert found["store"]["state"] == found["model"]["state"] == found["key"]["state"] == "ok"
    assert found["SmolLM2-135M-Instruct.Q4_1.gguf"]["state"] == "note"
    assert found["terminal"]["state"] == "note"
    assert "hunter2" not in done.out + text.out
    assert [line.split(": ")[0].split() for line in text.out.splitlines()] == [
        [finding["state"], *finding["what"].split()] for finding in done.json
    ]


def test_doctor_makes_no_store() -> None:
    assert "the first run makes it" in cli("doctor").out
    assert not Path("runs").exists()


# --- pipes and terminals ---------------------------------------------------------------------------


@pytest.mark.usefixtures("finished")
def test_a_reader_that_has_read_enough_is_no_error() -> None:
    commands = ["replay a", "personas --json"]
    read, written = os.pipe()
    os.close(read)
    running = [Forked(*command.split(), stdout=written) for command in commands]
    os.close(written)
    ended = [(child.communicate()[1], child.returncode) for child in running]
    assert dict(zip(commands, ended, strict=True)) == dict.fromkeys(commands, (b"", 0))


@pytest.mark.usefixtures("finished")
@pytest.mark.torture
def test_head_gets_its_line() -> None:
    line = f"set -o pipefail; {shlex.quote(sys.executable)} -m culturepark stats a | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a  done: completed\n", b"")


class Screen:
    """As much of a terminal as a run uses; anything else is an error."""

    def __init__(self, columns: int, received: str) -> None:
        self.columns = columns
        self.lines = [""]
        self.row = self.column = 0
        self.too_wide: list[str] = []
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x00-\x1f\x7f-\x9f]+|.", received, re.DOTALL):
            if part == "\r":
                self.column = 0
            elif part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part == "\x1b[2K":
                self.lines[self.row] = ""
            elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
                self.row -= int(up[1])
                assert self.row >= 0
            elif re.fullmatch(r"\x1b\[(\d+(;\d+)*m|\?25[hl]|8[hl])", part):  # 8: who orders text of both directions
                continue
            else:
                assert part.isprintable(), f"what does {part!r} do on a terminal?"
                line = self.lines[self.row].ljust(self.column)
                line = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)
                self.lines[self.row] = line
                if cell_len(line.rstrip()) > self.columns:
                    self.too_wide.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def on_a_terminal(columns: int, *arguments: str) -> tuple[int, str]:
    """A command with a pseudo-terminal for stdin, stdout and stderr: its exit code, and what reaches the terminal."""
    front, back = pty.openpty()
    fcntl.ioctl(back, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    received: list[bytes] = []

    def watch() -> None:
        while True:
            try:
                data = os.read(front, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                return
            if not data:
                return
            received.append(data)

    watcher = threading.Thread(target=watch)
    watcher.start()
    mine = [os.dup(number) for number in range(3)]
    try:
        for number in range(3):
            os.dup2(back, number)
        os.close(back)
        with ExitStack() as stack:
            stack.enter_context(mock.patch.dict(os.environ, {"TERM": "xterm-256color"}))
            stack.enter_context(redirect_stdout(stack.enter_context(open(1, "w", encoding="utf-8", closefd=False))))
            stack.enter_context(redirect_stderr(stack.enter_context(open(2, "w", encoding="utf-8", closefd=False))))
            stack.enter_context(mock.patch.object(sys, "argv", ["culturepark", *arguments]))
            ended = stack.enter_context(pytest.raises(SystemExit))
            main()
    finally:
        for number, old in enumerate(mine):
            os.dup2(old, number)
            os.close(old)
        watcher.join()
        os.close(front)
    return int(ended.value.code or 0), b"".join(received).decode()


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.sampled
def test_on_a_terminal_one_dialogue_is_shown_after_the_other(columns: int) -> None:
    command = ("simulate", "quickstart", "--model", "scripted", "--dialogues", "2", "--run-id", "a")
    code, received = on_a_terminal(columns, *command)
    assert code == 0
    screen = Screen(columns, received)
    assert screen.too_wide == []
    shown = "".join(screen.text.split())
    turns = rows_of("turn")
    at = 0
    for number in range(1, 5):
        at = shown.index(f"──dialogue{number}:", at)
        said = [turn for turn in turns if turn["dialogue_id"] == f"a.d{number}"]
        for turn in sorted(said, key=lambda turn: turn["position"]):
            at = shown.index("".join(turn["text"].split()), at)
        at = shown.index(f"──dialogue{number}:done,completed", at)
    assert shown.count("──dialogue") == 8
    assert not re.search(r"\d/4 dialogues", screen.text), "the progress line is gone at the end"
    lines = [line.rstrip() for line in screen.lines]
    summary = next(row for row, line in enumerate(lines) if line.startswith("a: done;"))
    assert lines[summary - 1] == "a"


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("command", ["runs", "stats a", "replay a", "queue a", "personas"])
def test_on_a_narrow_terminal_what_is_read_fits_too(command: str) -> None:
    code, received = on_a_terminal(60, *command.split())
    assert code == 0
    screen = Screen(60, received)
    assert len(screen.lines) > 2
    assert screen.too_wide == []


def test_an_interrupt_that_came_where_nothing_can_be_raised_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from culturepark.cli.app import heed_interrupts

    others: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", heed_interrupts(others.append))

    class Fragile:
        def __init__(self, error: type[BaseException]) -> None:
            self.error = error

        def __del__(self) -> None:
            raise self.error

    Fragile(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        time.sleep(5)
    assert not others
    Fragile(OSError)
    assert len(others) == 1
