"""Plugins, and the examples of docs/extending.md, run as that page has them: in a folder, by the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from culturepark.models import scripted
from tests.support.processes import completed

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def install(folder: Path) -> None:
    """Write what `pip install -e` would: the entry points, beside the code."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in of.items()) for group, of in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of the page, with the rest of the language copied from English, as the page says."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(ROOT / "culturepark" / "languages" / "en", folder / "workshop" / "turkish")
    files = BLOCK.findall((ROOT / "docs" / "extending.md").read_text("utf-8"))
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    assert len(files) == 10
    install(folder)
    return folder


def run(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = completed(*arguments, path=[folder], cwd=folder)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def ollama() -> Iterator[str]:
    """A server that speaks Ollama's protocol, and answers as the scripted model does."""

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = scripted.answer({"messages": body["messages"], "seed": body["options"]["seed"]})
            counts = {"prompt_eval_count": 11, "eval_count": 7, "done_reason": "stop"}
            answer = json.dumps({"message": {"role": "assistant", "content": content}, **counts}).encode()
            self.send_response(200 if self.path == "/api/chat" else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_examples_of_the_page_on_extending_work_together(workshop: Path, ollama: str) -> None:
    checked = run(workshop, "check", "neighbours.yaml", "street.yaml", "german-uwe.yaml")
    assert checked.stdout.count(", fine") == 3
    spec = f"ollama:tiny@{ollama}"
    held = run(workshop, "simulate", "neighbours.yaml", "--model", "scripted", "--role", f"speaker={spec}", "--json")
    figures = json.loads(held.stdout)
    assert figures["status"] == "done"
    assert figures["models"]["speaker"] == spec
    assert figures["samples"]["kept"] > 0
    run(workshop, "export", "last", "--format", "text", "--out", "out")
    rows = [json.loads(line) for line in (workshop / "out" / "all.jsonl").read_text("utf-8").splitlines()]
    assert {tuple(row) for row in rows} == {("id", "text")}
    assert all(row["text"].splitlines()[-1].startswith("ASSISTANT: ") for row in rows)


def test_doctor_lists_plugins_and_names_those_that_cannot_be_imported(workshop: Path, tmp_path: Path) -> None:
    found = [f for f in json.loads(run(workshop, "doctor", "--json").stdout) if f["what"] == "plugin"]
    of = "of culturepark-workshop 0.1.0"
    assert [(f["state"], f["detail"]) for f in found] == [
        ("ok", f"the plugin 'ollama' {of} (culturepark.models)"),
        ("ok", f"the plugin 'text' {of} (culturepark.formats)"),
        ("ok", f"the plugin 'tr-CY' {of} (culturepark.languages)"),
        ("ok", f"the plugin 'brevity' {of} (culturepark.suites)"),
    ]
    folder = shutil.copytree(workshop, tmp_path / "broken")
    (folder / "workshop" / "models.py").write_text("import no_such_module\n", "utf-8")
    (folder / "workshop" / "formats.py").write_text("TEXT = 'text'\n", "utf-8")
    shutil.rmtree(folder / "runs", ignore_errors=True)
    broken = {
        "ollama": f"'ollama' {of} (culturepark.models) cannot be used: ModuleNotFoundError: No module named",
        "text": f"'text' {of} (culturepark.formats) cannot be used: TypeError: a Format is wanted, not str",
    }
    said = run(folder, "doctor", code=2).stdout
    assert [line for line in said.splitlines() if line.startswith("bad")] == [
        line for line in said.splitlines() if any(text in line for text in broken.values())
    ]
    held = run(folder, "simulate", "quickstart", "--model", "scripted")  # no command that does not name them is harmed
    assert "plugin" not in held.stderr
    named = run(folder, "simulate", "quickstart", "--model", "ollama:tiny@http://127.0.0.1:9", code=2)
    assert broken["ollama"] in named.stderr
    assert named.stderr.count("\n") == 1
    assert broken["text"] in run(folder, "export", "last", "--format", "text", "--out", "out", code=2).stderr


def test_a_scorer_of_a_plugin_scores(workshop: Path) -> None:
    document = json.loads(run(workshop, "evaluate", "doors.yaml", "--model", "scripted", "--json").stdout)
    (figure,) = document["figures"]
    assert (figure["metric"], figure["n"], figure["null_name"]) == ("characters", 2, "the longest")
    assert 0 < figure["value"] <= figure["null_value"]


def test_a_language_of_a_plugin_is_spoken(workshop: Path) -> None:
    scenario = (workshop / "neighbours.yaml").read_text("utf-8")
    (workshop / "komsu.yaml").write_text(f"{scenario}language: tr-CY\n", "utf-8")
    (workshop / "nowhere.yaml").write_text(f"{scenario}language: xx\n", "utf-8")
    assert json.loads(run(workshop, "simulate", "komsu.yaml", "--dry-run", "--json").stdout)["dialogues"] == 2
    told = run(workshop, "check", "nowhere.yaml", code=2).stderr
    assert "tr-CY (Cypriot Turkish), zh (Chinese), not 'xx'" in told
    ask = (
        "from culturepark.languages import load_language as of; print(of('tr-CY').prompt('stance').render(stance='x'))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(workshop), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Bir ankete göre görüşün: x. Bu sözleri kullanma; ne yapacağından belli olsun."


def test_what_a_language_lacks_is_named(workshop: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(workshop, tmp_path / "lacking")
    scenario = (folder / "neighbours.yaml").read_text("utf-8")
    (folder / "komsu.yaml").write_text(f"{scenario}language: tr-CY\n", "utf-8")
    about = folder / "workshop" / "turkish" / "language.toml"
    about.write_text(re.sub(r"(?m)^saying = .*\n", "", about.read_text("utf-8")), "utf-8")
    said = run(folder, "simulate", "komsu.yaml", "--dry-run", "--json", code=2).stderr
    assert said == "culturepark: the language 'tr-CY' has no 'saying' among the frames of its language.toml\n"


def test_a_store_does_not_decide_that_a_plugin_is_asked(workshop: Path, ollama: str, tmp_path: Path) -> None:
    store, state = f"sqlite:///{tmp_path}/theirs.db", {"XDG_STATE_HOME": str(tmp_path / "state")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", state["XDG_STATE_HOME"])
        model = ["--role", f"speaker=ollama:tiny@{ollama}", "--max-tokens", "100"]
        run(workshop, "simulate", "neighbours.yaml", "--model", "scripted", *model, "--store", store, code=4)
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody-else"))
        refused = run(workshop, "resume", "last", "--store", store, "--max-tokens", "1000000", code=2)
    assert f"the store names the model ollama:tiny@{ollama} (speaker), which you have not named" in refused.stderr
    assert f"add --role speaker=ollama:tiny@{ollama}" in refused.stderr
