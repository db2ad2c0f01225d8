"""Nothing that only a store names is asked: no prompt and no key leaves without a word from the user."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer

from culturepark.cli.app import app
from culturepark.domain import ModelRole
from culturepark.errors import UsageError
from culturepark.models.registry import Models
from culturepark.models.spec import ModelSpec, parse
from culturepark.models.trust import Trust, earlier, place_of, places_file
from culturepark.replay.branch_form import BranchScreen
from tests.cli.test_cli import cli
from tests.replay.test_branch_screens import WIDE, Stage, scene, until, word
from tests.support.endpoint import Endpoint
from tests.support.fakes import FakeModel, Held, edition, hold
from tests.support.scratch import config
from tests.support.terminal import Terminal

KEY = "sk-mine-0123456789"
SCENARIO = """\
name: small
title: Small
setting: cross-cultural
cultures: [turkish]
protocol: free-chat
max_turns: 4
seeds:
  - {key: q1, question: 'What do you do when a guest comes?'}
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with a key who has named nothing so far, in an empty folder."""
    become(tmp_path / "me", monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO, "utf-8")


def become(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user, with folders of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))


def their_store(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody else's runs, made on an endpoint of theirs: `a` is done, `b` half done, and the talk `t` not over."""
    become(tmp_path / "them", monkeypatch)
    on = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical")
    assert cli("simulate", "small.yaml", *on, "--run-id", "a").code == 0
    assert cli("simulate", "small.yaml", *on, "--run-id", "b", "--until", "dialogue").code == 0
    assert cli("talk", "turkish-elif", *on, "--run-id", "t", typed=b"Hello\n").code == 0
    with closing(sqlite3.connect("runs/culturepark.db")) as connection, connection:
        connection.execute("UPDATE run SET status = 'stopped' WHERE id = 't'")
        connection.execute("UPDATE dialogue SET status = 'running', extracted = 0 WHERE run_id = 't'")
        connection.execute("UPDATE call_log SET request_digest = ''")  # or all had been answered already
    become(tmp_path / "me", monkeypatch)
    endpoint.requests.clear()


ASK: dict[str, list[str]] = {
    "resume": ["resume", "b"],
    "distill": ["distill", "a", "--from", "extract"],
    "branch": ["branch", "a.d1.t3"],
    "talk": ["talk", "--run-id", "t"],
}
"""Commands that ask models which a store names, each so that it would ask something."""
NAMED_BY_THE_USER = {"serve", "simulate", "people", "doctor", "evaluate", "judge", "suites", "filter", "loop", "mine"}
"""Commands whose models the command line names."""
ON_A_SERVER = {"work"}
"""Commands that ask models which a store on a server names; tested in `tests/run/test_workers`."""
NONE = {
    "runs", "calls", "merge", "backup", "stats", "trace", "select", "selections", "queue", "review", "export", "views",
    "report", "import-reviews", "compare", "check", "new", "schema", "personas", "scenarios", "train",
    "adapter",
}  # fmt: skip
"""Commands that ask no model."""


def test_every_command_is_known_to_ask_models_or_not_to() -> None:
    """A new command that carries a run on belongs into `ASK`, and is tested below. `replay` is tested by its form."""
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == {*ASK, "replay", *NAMED_BY_THE_USER, *ON_A_SERVER, *NONE}


@pytest.mark.parametrize("command", ASK)
@pytest.mark.sampled
def test_an_endpoint_that_only_the_store_names_gets_neither_talk_nor_key(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    typed = b"How are you?\n"
    with Endpoint() as endpoint:
        their_store(endpoint, monkeypatch, tmp_path)
        refused = cli(*ASK[command], typed=typed)
        assert refused.code == 2, refused.err
        (line,) = refused.err.splitlines()
        assert f"--endpoint {endpoint.url}" in line
        assert "127.0.0.1" in line
        assert "OPENAI_API_KEY" in line  # that the key would go there too
        assert KEY not in line
        assert endpoint.requests == []
        wrong = cli(*ASK[command], "--endpoint", "http://127.0.0.1:9/v1", typed=typed)
        assert (wrong.code, endpoint.requests) == (2, [])
        assert "--endpoint http://127.0.0.1:9/v1: no model of" in wrong.err
        done = cli(*ASK[command], "--endpoint", endpoint.url, typed=typed)
        assert done.code == 0, done.err
        assert {r.headers["authorization"] for r in endpoint.requests} == {f"Bearer {KEY}"}
        assert endpoint.url in earlier()


def test_a_run_that_the_user_has_begun_is_taken_up_without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as endpoint:
        on = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical")
        assert cli("simulate", "small.yaml", *on, "--run-id", "a", "--until", "dialogue").code == 0
        assert cli("resume", "a").code == 0
    path = places_file()
    assert path is not None
    assert path.read_text() == f"{endpoint.url}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with Endpoint() as other:  # of a model that is named here
        assert cli("branch", "a.d1.t3", "--model", f"openai:test@{other.url}").code == 0
        assert len(other.requests) > 0
        others = ("--role", f"verifier=openai:x@{other.url}")
        assert cli("distill", "a", "--from", "verify", *others).code == 0
    assert path.read_text().splitlines() == [endpoint.url, other.url]


def test_a_dry_run_and_a_wrong_command_remember_nothing() -> None:
    spec = "openai:test@http://127.0.0.1:9/v1"
    assert cli("simulate", "small.yaml", "--model", spec, "--dry-run").code == 0
    assert cli("simulate", "nowhere.yaml", "--model", spec).code == 2
    assert earlier() == set()


WAYS = ["variable", "keys by host", "keys by port", "keys by url", "endpoints", "endpoints by url", "host", "origin"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.sampled
def test_an_endpoint_of_the_environment_or_of_the_users_files_is_known(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more: list[str] = []
    with Endpoint() as endpoint:
        their_store(endpoint, monkeypatch, tmp_path)
        if way == "variable":
            monkeypatch.setenv("OPENAI_BASE_URL", f"{endpoint.url}/")
        elif way == "host":
            more = ["--endpoint", "127.0.0.1"]
        elif way == "origin":
            more = ["--endpoint", endpoint.url.removesuffix("/v1")]
        else:
            kind, _, by = way.partition(" by ")
            name = {"": "127.0.0.1", "host": "127.0.0.1", "port": endpoint.url[7:-3], "url": endpoint.url}[by]
            config(f"{kind}.toml", f'"{name}" = "k-bound-0123456789"' if kind == "keys" else f'["{name}"]')
        done = cli("resume", "b", *more)
        assert done.code == 0, done.err
        key = "k-bound-0123456789" if way.startswith("keys") else KEY
        assert {r.headers["authorization"] for r in endpoint.requests} == {f"Bearer {key}"}


@pytest.mark.parametrize(
    ("pattern", "url", "known"),
    [
        ("api.example.org", "https://api.example.org/v1", True),
        ("api.example.org", "http://api.example.org/v1", False),  # whoever sits in between
        ("api.example.org:8000", "http://api.example.org:8000/v1", True),
        ("http://api.example.org/v1", "http://api.example.org/v1", True),
        ("api.example.org", "https://api.example.org.evil.com/v1", False),
        ("api.example.org", "https://evil.com/api.example.org", False),
        ("https://gateway.org/mine", "https://gateway.org/mine/v1", True),
        ("https://gateway.org/mine", "https://gateway.org/mine2/v1", False),
        ("https://gateway.org/mine", "https://gateway.org/theirs/v1", False),
        ("localhost", "http://localhost:8000/v1", True),
    ],
)
def test_what_an_entry_of_the_users_file_stands_for(pattern: str, url: str, known: bool) -> None:
    config("endpoints.toml", f'["{pattern}"]')
    assert Trust().covers(parse(f"openai:x@{url}")) == known


@pytest.mark.parametrize("spec", ["embedded", "scripted", "openai:gpt-4o", "openai:x@https://api.openai.com/v1"])
def test_what_needs_no_naming(spec: str) -> None:
    assert Trust().covers(parse(spec))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com.evil.com/v1", "http://api.openai.com/v1", "https://api.openai.com:8443/v1",
        "https://api.openai.com/v1/../evil", "https://api.mistral.ai/v1", "http://127.0.0.1:1/v1",
    ],
)  # fmt: skip
def test_what_looks_like_a_known_endpoint_is_not_one(url: str) -> None:
    assert not Trust().covers(parse(f"openai:x@{url}"))


def test_the_models_themselves_refuse_what_nobody_has_named() -> None:
    """Whatever a command forgets: this is the one way to a model."""
    import asyncio

    spec = parse("openai:x@http://127.0.0.1:9/v1")
    specs: dict[ModelRole, ModelSpec] = {"verifier": spec}
    with pytest.raises(UsageError, match=r"--endpoint http://127\.0\.0\.1:9/v1"):
        asyncio.run(Models(specs, 1, lambda *_: None, Trust()).get("verifier"))
    assert asyncio.run(Models(specs, 1, lambda *_: None, Trust([spec])).get("verifier")).name == "x"


# --- weights that a store names ----------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["gguf:theirs.gguf", "gguf:/tmp/theirs.gguf", "hf:them/repo/file.gguf"])
@pytest.mark.sampled
def test_weights_that_only_the_store_names_are_not_loaded(
    spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    become(tmp_path / "them", monkeypatch)
    assert cli("simulate", "small.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue").code == 0
    with closing(sqlite3.connect("runs/culturepark.db")) as connection, connection:
        connection.execute(
            'UPDATE run SET models = replace(models, \'"verifier": "scripted"\', ?)', (f'"verifier": "{spec}"',)
        )
    become(tmp_path / "me", monkeypatch)
    opened: list[ModelSpec] = []
    monkeypatch.setattr("culturepark.models.local.weights_of", lambda spec, progress: opened.append(spec) or 1 / 0)
    refused = cli("resume", "a")
    assert refused.code == 2
    assert f"add --role verifier={spec}" in refused.err
    assert opened == []
    named = cli("resume", "a", "--role", f"verifier={spec}")
    assert "which you have not named" not in named.err


def test_a_file_is_known_by_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("here").mkdir()
    known = Trust([parse("gguf:here/x.gguf")])
    assert known.covers(parse(f"gguf:{tmp_path}/here/x.gguf"))
    monkeypatch.chdir("here")
    assert known.covers(parse("gguf:x.gguf"))
    assert not known.covers(parse("gguf:here/x.gguf"))


# --- the question ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
@pytest.mark.torture
def test_on_a_terminal_the_user_is_asked_and_told_where_talk_and_key_would_go(
    answer: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Endpoint() as endpoint:
        their_store(endpoint, monkeypatch, tmp_path)
        with Terminal("resume", "b") as terminal:
            shown = terminal.wait("[y/N]")
            assert endpoint.requests == []
            terminal.press(*answer, "enter")
            assert terminal.ended() == code
        flat = " ".join(shown.split())
        assert "OPENAI_API_KEY" in flat
        assert (len(endpoint.requests) > 0) == (code == 0)
        assert (endpoint.url in earlier()) == (code == 0)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return hold(tmp_path, edition(), FakeModel(), run_id="held")


async def test_in_the_app_a_branch_is_run_once_its_user_has_said_so_twice(held: Held) -> None:
    with Endpoint() as endpoint:
        with closing(sqlite3.connect(held.store.database.url.database or "")) as connection, connection:
            connection.execute("UPDATE run SET models = replace(models, 'scripted', ?)", (f"openai:x@{endpoint.url}",))
        stage = Stage(BranchScreen(scene(held.store, "held.d1"), 4, held.store, Trust()))
        async with stage.run_test(size=WIDE) as pilot:
            await pilot.press("ctrl+r")
            await until(pilot, lambda: word(stage).startswith("!"))
            assert "127.0.0.1" in word(stage)
            assert "OPENAI_API_KEY" in word(stage)
            assert (endpoint.requests, stage.shown.has_class("-going")) == ([], False)
            await pilot.press("ctrl+r")
            await until(pilot, lambda: stage.shown.has_class("-over"))
            assert len(endpoint.requests) > 0


async def test_in_the_app_a_model_that_is_written_there_is_named(held: Held) -> None:
    with Endpoint() as endpoint:
        stage = Stage(BranchScreen(scene(held.store, "held.d1"), 4, held.store, Trust()))
        async with stage.run_test(size=WIDE) as pilot:
            stage.shown.query_one("#model").text = f"openai:x@{endpoint.url}"  # type: ignore[attr-defined]
            await pilot.press("ctrl+r")
            await until(pilot, lambda: stage.shown.has_class("-over"))
            assert len(endpoint.requests) > 0


# --- what is remembered ------------------------------------------------------------------------------


def test_without_a_home_nothing_is_remembered_and_the_user_is_told_where_it_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "")
    with Endpoint() as endpoint:
        on = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical")
        made = cli("simulate", "small.yaml", *on, "--run-id", "a", "--until", "dialogue")
        assert made.code == 0, made.err
        assert "remember" not in made.err
        refused = cli("resume", "a")
        assert (refused.code, "there is no home folder" in refused.err) == (2, True)
        assert cli("resume", "a", "--endpoint", endpoint.url).code == 0


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_memory_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    spec = parse("openai:x@http://127.0.0.1:9/v1")
    Trust([spec]).admit({"speaker": spec})
    assert Trust().covers(spec)
    path = places_file()
    assert path is not None
    path.chmod(0o666)
    with pytest.raises(UsageError, match="is not yours alone"):
        Trust().admit({"speaker": spec})
    Trust([spec]).admit({"speaker": spec})
    assert path.read_text().count("\n") == 1


def test_a_place_whose_writing_was_broken_off_is_not_believed() -> None:
    path = places_file()
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text("http://a/v1\nhttp://127.0.0.1:9/v1")
    assert not Trust().covers(parse("openai:x@http://127.0.0.1:9/v1"))
    assert Trust().covers(parse("openai:x@http://a/v1"))


@pytest.mark.parametrize("what", ["folder", "file in the way", "read-only"])
def test_a_memory_that_cannot_be_written_stops_nothing(
    what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = places_file()
    assert path is not None
    if what == "folder":
        path.mkdir(parents=True)
    elif what == "file in the way":
        path.parent.parent.mkdir(parents=True)
        path.parent.write_text("x")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    spec = parse("openai:x@http://127.0.0.1:9/v1")
    Trust([spec]).admit({"speaker": spec})
    with pytest.raises(UsageError, match=r"--endpoint http://127\.0\.0\.1:9/v1"):
        Trust().admit({"speaker": spec})


@pytest.mark.parametrize(
    "text", ["", "://", "http://", "a b", "http://me:s3cret@h/v1", "host:port", "[::1", "a/b", "*"]
)
def test_an_endpoint_that_is_none_is_a_usage_error(text: str) -> None:
    done = cli("resume", "last", "--endpoint", text)
    assert done.code == 2
    assert "--endpoint" in done.err
    assert "s3cret" not in done.err


def test_endpoints_where_they_mean_nothing_are_refused() -> None:
    assert "--run-id" in cli("talk", "turkish-elif", "--endpoint", "localhost").err
    assert "plain text" in cli("replay", "--plain", "--endpoint", "localhost").err


def test_places_of_specs() -> None:
    assert place_of(parse("openai:gpt-4o")) == ""
    assert place_of(parse("openai:x@http://h/v1/chat/completions")) == "http://h/v1"
    assert place_of(parse("hf:a/b/c.gguf@r")) == "hf:a/b/c.gguf@r"
