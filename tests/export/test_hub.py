"""Exports that are sent to the hub, here a stand-in on loopback: what arrives, what is asked, what is never shown."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from culturepark import export_runs, open_store
from culturepark.errors import Unreachable
from culturepark.export.hub import before_it_is_sent
from culturepark.export.manifest import ByHand
from tests.cli.test_cli import Done, away, place_store  # noqa: F401 - `away` is used by every test
from tests.export.test_export import export, names
from tests.support.hub import DataSet, Hub

TOKEN = "hf_" + "0Secret9" * 4
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    place_store()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with Hub(TOKEN) as hub:
        # As HF_ENDPOINT and HF_HUB_DISABLE_XET set them where the package is imported.
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield hub
    assert not shown(TOKEN)


def shown(secret: str) -> list[Path]:
    """The files of this test, the store among them, that hold a secret."""
    return [path for path in Path().rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def push(*more: object, to: str = "ada/talk", **options: str) -> Done:
    done = export("--push", to, *more, **options)
    assert TOKEN not in done.out + done.err
    return done


def test_the_whole_folder_arrives_in_one_commit_and_is_private(hub: Hub) -> None:
    done = push("--yes", "--license", "cc-by-4.0")
    assert done.code == 0, done.err
    found = hub.sets["ada/talk"]
    assert found.private
    assert {name: data for name, data in found.files.items() if name != ".gitattributes"} == {
        name: Path("out", name).read_bytes() for name in names()
    }
    (commit,) = found.commits
    assert commit["added"] == names()
    assert f"sent to {hub.url}/datasets/ada/talk" in done.err
    assert [Path(line).name for line in done.out.splitlines()][-1] == "README.md"
    assert json.loads(found.files["manifest.json"])["made_for"] == "ada/talk"
    assert json.loads(found.files["croissant.json"])["url"] == "https://huggingface.co/datasets/ada/talk"
    assert "names no licence" not in done.err


def test_a_command_of_its_own_sends_large_files_too(hub: Hub) -> None:
    """Parquet goes through LFS on the hub. HF_ENDPOINT names the hub, as for all tools."""
    command = [sys.executable, "-m", "culturepark", "export", "a", "--format", "trl", "--out", "out", "--parquet"]
    done = subprocess.run(
        [*command, "--push", "ada/talk", "--yes"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert hub.sets["ada/talk"].files["all.parquet"] == Path("out/all.parquet").read_bytes()
    assert list(hub.stored.values()) == [Path("out/all.parquet").read_bytes()]


def test_public_is_said_and_changed_only_when_asked(hub: Hub) -> None:
    done = push("--yes", "--public")
    assert done.code == 0, done.err
    assert not hub.sets["ada/talk"].private
    assert "the card names no licence" in done.err
    assert "everybody will read them" in done.err
    again = push("--yes")
    assert (again.code, len(hub.sets["ada/talk"].commits)) == (2, 1)
    assert "ada/talk is public already" in again.err
    hub.sets["ada/talk"].private = True
    assert push("--yes", "--public").code == 0
    assert not hub.sets["ada/talk"].private


def test_a_newer_export_replaces_an_older_one_and_nothing_else(hub: Hub) -> None:
    assert push("--yes", "--split", "0.5").code == 0
    assert push("--yes").code == 0
    found = hub.sets["ada/talk"]
    assert set(found.files) == names() | {".gitattributes"}
    assert found.commits[1]["deleted"] == {
        f"all.{half}{end}" for half in ("train", "validation") for end in (".jsonl", ".index.jsonl")
    }
    hub.sets["ada/photos"] = DataSet(private=True, files={"cat.png": b"x", "all.jsonl": b"mine"})
    done = push("--yes", to="ada/photos")
    assert done.code == 2
    assert "holds other files than an export" in done.err
    assert hub.sets["ada/photos"].files == {"cat.png": b"x", "all.jsonl": b"mine"}


def test_nothing_leaves_before_a_yes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    done = push()
    assert done.code == 2
    assert "--yes sends it unasked" in done.err
    assert not Path("out").exists()
    asked: list[str] = []
    monkeypatch.setattr("culturepark.cli.consent.may_ask", lambda: True)
    monkeypatch.setattr("culturepark.cli.consent.ask", lambda question: bool(asked.append(question)))
    done = push()
    assert done.code == 2
    assert "nothing was sent to the hub" in done.err
    assert hub.requests == []
    assert "private" in asked[0]
    assert f"ada/talk at {hub.url}" in asked[0]
    assert "manifest.json" in names()
    monkeypatch.setattr("culturepark.cli.consent.ask", lambda _: True)
    assert push().code == 0


def test_who_gives_it_away_is_told_what_is_in_it() -> None:
    with open_store() as store:
        manifest = export_runs([store.run("a")], "trl", "out").manifest
    typed = manifest.by_hand.model_copy(update={"typed": ByHand(rows=2, turns=5)})
    reviews = manifest.reviews.model_copy(update={"reviewers": ["ada", "bo"]})
    told = list(before_it_is_sent(manifest.model_copy(update={"by_hand": typed, "reviews": reviews}), public=False))
    assert told[1:] == [
        "2 rows hold what a real person typed in a talk, word for word",
        "manifest.json names the reviewers: ada, bo",
    ]
    assert not list(before_it_is_sent(manifest.model_copy(update={"licence": "mit"}), public=False))


@pytest.mark.parametrize(
    ("part", "status", "said"),
    [
        ("whoami", 401, "does not take the token"),
        ("repos/create", 403, "needs write access to ada"),
        ("repos/create", 404, "is ada spelled right"),
        ("commit", 403, "may not write there"),
        ("whoami", 429, "too many requests"),
        ("repos/create", 500, "(HTTP 500)"),
    ],
)
def test_what_the_hub_refuses_is_said_plainly(part: str, status: int, said: str, hub: Hub) -> None:
    hub.refuses = {part: status}
    done = push("--yes")
    assert done.code == 3
    assert said in done.err
    assert "not sent to ada/talk" in done.err
    assert "Traceback" not in done.err
    assert "manifest.json" in names()


def test_no_network_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    done = push("--yes")
    assert done.code == 3
    assert f"http://127.0.0.1:{port} cannot be reached" in done.err


@pytest.mark.parametrize(
    "name", ["talk", "ada/talk/more", "https://huggingface.co/ada/talk", "../x", "ada/", "ada/a b"]
)
def test_what_is_no_name_of_a_data_set_is_refused_before_anything_is_written(name: str, hub: Hub) -> None:
    done = push("--yes", to=name)
    assert done.code == 2
    assert "ORGANISATION/NAME" in done.err
    assert not Path("out").exists()
    assert hub.requests == []


def test_without_a_token_or_a_place_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert export("--public").code == 2
    assert export("--yes").code == 2
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    done = push("--yes")
    assert done.code == 2
    assert "hf auth login" in done.err
    assert not Path("out").exists()


def test_the_library_sends_too(hub: Hub) -> None:
    told: list[str] = []
    with open_store() as store:
        export_runs([store.run("a")], "trl", "out", push="ada/talk", tell=told.append)
        assert hub.sets["ada/talk"].private
        assert any("no licence" in note for note in told)
        hub.refuses = {"commit": 403}
        with pytest.raises(Unreachable, match="may not write"):
            export_runs([store.run("a")], "trl", "out", push="ada/talk", licence="mit")
