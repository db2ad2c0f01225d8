"""A secret stays where it was given: in no row, no file, no line on a screen, whatever an endpoint does with it."""

import base64
import html
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from culturepark.cli import export
from culturepark.errors import CultureparkError
from culturepark.export.files import create
from culturepark.models import scripted, weights
from culturepark.redact import KNOWN, redact, remember, spellings, without_secrets
from culturepark.store.database import Database
from culturepark.terminal.safe import show_origin
from tests.cli.test_cli import Done, away, cli, closed_port, place_store, rows_of  # noqa: F401 - `away` is for all
from tests.models.test_local import address, running, start_embedded
from tests.models.test_wire import FAULTS, wire
from tests.support import endpoint as faults
from tests.support.endpoint import Endpoint, Fault, event, raw, status

KEY = "sk-canary/+0123(4)[5]*&.$9"
"""With all that means something in URLs, JSON, HTML, base64 and regular expressions."""
PASSWORD = "pw-canary-987"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test's process knows is nothing to the next one."""
    known = dict(KNOWN)
    yield
    KNOWN.clear()
    KNOWN.update(known)


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


def spelled(secret: str) -> dict[str, str]:
    """The secret as it may come back, by the way it is written."""
    return {
        "plain": secret,
        "header": f"Authorization: Bearer {secret}",
        "url": f"/v1?key={quote(secret)}",
        "url, all of it": quote(secret, safe=""),
        "json": json.dumps({"authorization": secret}),
        "html": f"<p>{html.escape(secret)}</p>",
        "basic": f"Basic {base64.b64encode(f':{secret}'.encode()).decode()}",
        "basic with a user": f"Basic {base64.b64encode(f'me:{secret}'.encode()).decode()}",
        "base64": base64.urlsafe_b64encode(f"Bearer {secret} and more".encode()).decode(),
        "at the edge": "x" * 190 + secret,
    }


def leaks(text: str | bytes, secret: str = KEY) -> list[str]:
    """The spellings of a secret that stand in a text, and the beginning of it, as left by a cut."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    wanted = {*spellings(secret), *spelled(secret).values(), secret[:12]}
    wanted |= {json.dumps(one)[1:-1] for one in wanted}
    return sorted(one for one in wanted if one.encode() in data)


def chunks(*deltas: Any, **more: Any) -> Fault:
    """A stream with these deltas."""
    head = {"id": "c", "object": "chat.completion.chunk", "model": "test", "created": 1} | more
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    sent = "".join(f"data: {json.dumps(head | {'choices': [choice]})}\n\n" for choice in choices)
    return raw(f"{sent}data: [DONE]\n\n", "text/event-stream")


def whole(content: str, **more: Any) -> Fault:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return raw(json.dumps({"object": "chat.completion", "choices": [choice]} | more))


def echoes(secret: str) -> dict[str, Fault]:
    """Every way in which an endpoint may give back what it was sent."""
    half = len(secret) // 2
    said = "Tea comes first, and then the bread"
    token = {"token": secret, "logprob": -0.1, "bytes": list(secret.encode()), "top_logprobs": []}
    letters = [{"token": c, "logprob": -0.1, "bytes": list(c.encode()), "top_logprobs": []} for c in f"{said} {secret}"]
    stop = {"index": 0, "delta": {"content": f"{said} {secret}."}, "finish_reason": "stop"}
    out = {f"{code}": status(code, f"no: {secret}") for code in (400, 401, 403, 404, 408, 409, 422, 429, 500, 503)}
    out |= {f"message {how}": status(500, f"no: {text}") for how, text in spelled(secret).items()}
    out |= {f"content {how}": whole(f"{said}: {text}.") for how, text in spelled(secret).items()}
    out |= {
        f"stream error {how}": event(json.dumps({"error": {"message": text}})) for how, text in spelled(secret).items()
    }
    return out | {
        "headers": status(500, headers={"X-Request-Id": secret, "WWW-Authenticate": secret, "Retry-After": secret}),
        "code and param": status(400, type=secret, param=secret, code=secret),
        "body of another shape": Fault("status", status=500, error={secret: [secret]}),
        "page": raw(f"<html>{secret}</html>", "text/html"),
        "content type": raw("{}", f"text/{secret.replace(chr(34), '')}"),
        "redirect here": status(307, headers={"Location": f"/v1/{quote(secret)}"}),
        "redirect to nowhere": status(308, headers={"Location": f"http://127.0.0.1:{closed_port()}/?{quote(secret)}"}),
        "redirect to a password": status(302, headers={"Location": f"ftp://me:{quote(secret, safe='')}@127.0.0.1/"}),
        "redirect that is no URL": status(307, headers={"Location": f"http://[{secret}"}),
        "broken event": event(f'{{"choices": [{secret}'),
        "broken JSON": raw(f'{{"choices": {secret}'),
        "error in a plain answer": raw(json.dumps({"error": {"message": secret}})),
        "two chunks": chunks({"content": f"{said}: {secret[:half]}"}, {"content": f"{secret[half:]}."}),
        "refusal": chunks({"refusal": secret}),
        "thoughts": chunks({"reasoning_content": secret, "content": said}),
        "a key of an object": chunks({secret: secret, "content": said}),
        "names": chunks({"content": said}, id=secret, model=secret, system_fingerprint=secret),
        "plain names": whole(said, id=secret, model=secret, usage={secret: secret}),
        "finish reason": raw(json.dumps({"choices": [{"message": {"content": said}, "finish_reason": secret}]})),
        "log-probabilities": event(json.dumps({"choices": [stop | {"logprobs": {"content": [token]}}]})),
        "letter by letter": event(json.dumps({"choices": [stop | {"logprobs": {"content": letters}}]})),
    }


def faults_of_all_kinds() -> dict[str, Fault]:
    return {name: fault for name, fault, *_ in FAULTS} | {
        "drop": faults.DROP,
        "null": faults.NULL_CONTENT,
        "refusal": Fault("refusal", text="No."),
        "finish": faults.finish("length"),
        "filter": faults.finish("content_filter"),
    }


# --- the key, through all commands -------------------------------------------------------------------


def left_behind() -> dict[str, bytes]:
    """Every file under the folder that a test runs in."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def everywhere(done: list[Done], secret: str = KEY) -> dict[str, list[str]]:
    """Where a secret got to."""
    places: dict[str, str | bytes] = {f"output {n}": one.out + one.err for n, one in enumerate(done)}
    return {place: found for place, text in (places | left_behind()).items() if (found := leaks(text, secret))}


@pytest.mark.usefixtures("no_pauses")
async def test_a_key_that_an_endpoint_repeats_is_in_no_row_no_answer_and_no_error(
    canary: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every kind of fault, and every way of repeating the key; each error is shown with all its causes."""
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    for embeds in (False, True):
        given: list[Fault] = []
        async with wire(tmp_path, lambda body, n: given[-1], embeds=embeds) as w:  # noqa: B023
            answers = echoes(canary) | faults_of_all_kinds()
            for name, answer in list(answers.items())[:: 5 if embeds else 1]:
                given.append(answer)
                asked = len(w.endpoint.requests)
                try:
                    reply = await w.ask(subject=f"r.{name}")
                    assert leaks(repr(reply)) == [], name
                except CultureparkError as error:
                    show_origin(error)
                    said = capsys.readouterr().err
                    told = leaks(said + str(error) + repr(error))
                    assert (told, "Traceback" in said) == ([], True), name
                assert len(w.endpoint.requests) > asked
            assert all(canary in received.headers["authorization"] for received in w.endpoint.requests)
            assert leaks(w.dump()) == []
            assert "[key]" in w.dump()
    assert leaks(caplog.text) == []


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("debug", ["", "1"], ids=["quiet", "debug"])
@pytest.mark.sampled
def test_a_key_that_an_endpoint_repeats_is_in_no_file_and_on_no_screen(
    canary: str, debug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULTUREPARK_DEBUG", debug)
    answers = echoes(canary)
    names = ("401", "message at the edge", "redirect to a password")
    done: list[Done] = []
    given: list[Fault] = []
    with Endpoint(reply=lambda *_: given[-1]) as endpoint:
        spec = f"openai:test@{endpoint.url}"
        for name in names:
            given.append(answers[name])
            options = ("--model", spec, "--until", "dialogue", "--run-id", f"e{len(given)}")
            done += [cli("simulate", "short.yaml", *options), cli("doctor", "--model", spec)]
        done.append(cli("resume", "e1", "--json"))
        given.append(answers["content plain"])
        done.append(cli("doctor", "--model", spec, "--json"))
        assert endpoint.requests[0].headers["authorization"] == f"Bearer {canary}"
    done += [cli("runs"), cli("runs", "--json"), cli("replay", "e1"), cli("stats", "e2"), cli("stats", "e3", "--json")]
    assert "a bug" not in "".join(one.err for one in done)
    assert ("Traceback" in done[0].err) == bool(debug)
    assert "[key]" in done[0].err
    assert everywhere(done) == {}


def test_a_key_in_what_people_say_is_taken_out_before_anything_is_made_of_it(canary: str) -> None:
    def reply(body: Any, number: int) -> str | None:
        if "messages" not in body or "response_format" in body:
            return None
        said, *mark = scripted.answer(body).split("\n[")  # a mark stands behind all that is said
        return "\n[".join([f"{said[:-1]}, and my number is {canary}.", *mark])

    with Endpoint(reply=reply) as endpoint:
        spec = f"openai:test@{endpoint.url}"
        done = [cli("simulate", "tiny.yaml", "--model", spec, "--role", f"embedder={spec}", "--run-id", "a")]
        done.append(cli("distill", "a", "--from", "extract"))
        assert not any(leaks(json.dumps(received.body)) for received in endpoint.requests)
    samples = [row["id"] for row in rows_of("sample") if row["status"] == "kept"]
    for form in ("trl", "openai"):
        done.append(cli("export", "a", "--format", form, "--out", f"out-{form}"))
    done += [cli("stats", "a"), cli("replay", "a"), cli("runs")]
    done += [cli("trace", samples[0]), cli("trace", samples[0], "--json"), cli("trace", "out-trl/all.jsonl:1")]
    assert {one.code for one in done} == {0}
    assert everywhere(done) == {}
    assert "my number is [key]" in cli("replay", "a").out
    assert "my number is [key]" in Path("out-trl/all.jsonl").read_text("utf-8")
    for row in rows_of("turn"):
        if row["call_id"]:
            (response,) = (call["response"] for call in rows_of("call") if call["id"] == row["call_id"])
            assert row["text"] in json.loads(response)["choices"][0]["message"]["content"]


ASK = """
import sys
from culturepark.cli import main
sys.argv = ["culturepark", *sys.argv[1:]]
main()
"""


@pytest.mark.torture
def test_the_debug_log_of_the_libraries_shows_no_header() -> None:
    with Endpoint(reply=lambda *_: status(401, headers={"X-Request-Id": KEY})) as endpoint:
        environment = os.environ | {"OPENAI_LOG": "debug", "OPENAI_API_KEY": KEY, "CULTUREPARK_DEBUG": "1"}
        command = [sys.executable, "-c", ASK, "doctor", "--model", f"openai:test@{endpoint.url}"]
        done = subprocess.run(command, capture_output=True, env=environment)
        assert endpoint.requests
    assert done.returncode == 3
    assert leaks(done.stdout + done.stderr) == []


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nothing_is_sent_on_to_where_an_endpoint_points(canary: str, code: int) -> None:
    with Endpoint() as other, Endpoint(reply=lambda *_: status(code, headers={"Location": other.url})) as endpoint:
        cli("doctor", "--model", f"openai:test@{endpoint.url}")
        assert endpoint.requests[0].headers["authorization"] == f"Bearer {canary}"
        assert other.connections == 0  # neither the key nor the talk


# --- what counts as a secret, and in which spellings -------------------------------------------------


@pytest.mark.parametrize("how", spelled(KEY))
def test_every_spelling_is_known(how: str) -> None:
    remember(KEY)
    text = spelled(KEY)[how]
    assert leaks(f"before {text} after")
    assert leaks(json.dumps(without_secrets({text: [text, 1, None, {"a": text}]}))) == []
    assert "[key]" in redact(text)


def test_of_two_secrets_the_longer_one_goes_whole() -> None:
    for keys in (["sk-test-123456", "sk-test-123456-789"], ["sk-test-123456-789", "sk-test-123456"]):
        KNOWN.clear()
        for key in keys:
            remember(key)
        assert redact("a sk-test-123456-789, b sk-test-123456.") == "a [key], b [key]."


@pytest.mark.parametrize("key", ["x", "none", "EMPTY", "ollama", "anything", "abc.123", "", None])
def test_a_word_for_a_server_that_wants_any_is_no_secret(key: str | None) -> None:
    """What is short or of letters alone also stands in what people say; taking it out would garble that."""
    KNOWN.clear()
    remember(key)
    assert redact(f"x none anything {key}") == f"x none anything {key}"


URLS = {
    "postgresql+psycopg://me:{}@db.example/park": "postgresql+psycopg://me:***@db.example/park",
    "postgresql+psycopg://me:{}/+@db.example/park": "postgresql+psycopg://me:***@db.example/park",
    "postgresql://db.example/park?user=me&password={}&sslmode=require":
        "postgresql://db.example/park?user=me&password=***&sslmode=require",
    "https://{}@index.example/simple": "https://***@index.example/simple",
    "https://index.example/simple?api_key={}": "https://index.example/simple?api_key=***",
    "'http://:{}@proxy.example:8080'": "'http://:***@proxy.example:8080'",
}  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_a_message_shows_no_password_of_a_url(url: str) -> None:
    shown = str(CultureparkError(f"cannot reach {url.format(PASSWORD)} today"))
    assert shown == f"cannot reach {URLS[url]} today"
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text", ["sqlite:///runs/a@b.db", "openai:x@http://127.0.0.1:80/v1 and a@b", "see https://h/?q=1&page=2", "me@home"]
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redact(text) == text


# --- other secrets ------------------------------------------------------------------------------------

COMMANDS = ("runs", "doctor", "simulate short.yaml --model scripted --until dialogue")


def test_a_password_in_the_url_of_a_store_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    urls = [url.format(PASSWORD) for url in URLS if "postgresql" in url]
    urls += [f"mysql+nothing://me:{PASSWORD}@h/db"]
    done = [cli(*command.split(), "--store", url) for command in COMMANDS for url in urls]
    assert not {one.code for one in done} - {2, 3, 5}
    assert everywhere(done, PASSWORD) == {}


def test_an_export_does_not_tell_how_its_store_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """`manifest.json` holds the command; a store may be named with a password there."""
    place_store()
    arguments = ["export", "a", "--format", "trl", "--out", "out"]
    monkeypatch.setattr(sys, "argv", ["culturepark", *arguments, f"--store=postgresql://me:{PASSWORD}@h/db"])
    export.export(["a"], "trl", Path("out"))
    assert "postgresql://me:***@h/db" in json.loads(Path("out/manifest.json").read_text())["command"]
    assert everywhere([], PASSWORD) == {}


@pytest.mark.parametrize(
    "url", [f"http://me:{PASSWORD}@127.0.0.1:9/v1", f"http://127.0.0.1:9/v1?x={PASSWORD}", f"http://h/v1#{PASSWORD}"]
)
def test_a_secret_in_the_url_of_an_endpoint_is_refused_and_not_repeated(
    canary: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    scenario = ("simulate", "short.yaml", "--model")
    done = [cli(*scenario, f"openai:test@{url}"), cli("doctor", "--model", f"openai:test@{url}", "--json")]
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    done.append(cli(*scenario, "openai:test"))
    assert {one.code for one in done} == {2}
    assert everywhere(done, PASSWORD) == {}


def test_a_token_for_the_hub_that_comes_back_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError(f"bad token: {PASSWORD}")

    monkeypatch.setenv("HF_TOKEN", PASSWORD)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    done = [cli("simulate", "short.yaml", "--model", "hf:a/b/c.gguf", "--run-id", "a"), cli("stats", "a"), cli("runs")]
    assert done[0].code == 3
    assert "bad token: [key]" in done[0].err
    assert everywhere(done, PASSWORD) == {}


def test_a_password_in_the_url_of_an_index_that_pip_repeats_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(f"ERROR: cannot reach https://me:{PASSWORD}@index.example/simple")

    monkeypatch.setattr(weights, "download", refuse)
    monkeypatch.setenv("CULTUREPARK_DEBUG", "1")
    done = [cli("simulate", "short.yaml", "--run-id", "a"), cli("stats", "a")]
    assert done[0].code == 3
    assert "https://me:***@index.example/simple" in done[0].err
    assert everywhere(done, PASSWORD) == {}


# --- files ------------------------------------------------------------------------------------------


def modes(folder: str) -> dict[str, int]:
    return {str(p): stat.S_IMODE(p.stat().st_mode) for p in [Path(folder), *Path(folder).rglob("*")]}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(("mask", "file", "folder"), [(0, 0o640, 0o750), (0o022, 0o640, 0o750), (0o077, 0o600, 0o700)])
def test_files_are_nobody_elses(mask: int, file: int, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    aside: list[dict[str, int]] = []

    def watch(path: Path) -> Any:
        made = create(path)
        aside.append(modes(str(path.parent.parent)))
        return made

    monkeypatch.setattr("culturepark.export.files.create", watch)
    before = os.umask(mask)
    try:
        assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "a").code == 0
        assert cli("export", "a", "--format", "trl", "--out", "out").code == 0
        database = Database("sqlite:///runs/culturepark.db")
        with database.writing() as session:
            session.connection().exec_driver_sql("UPDATE run SET seed = 2")
            assert {mode for path, mode in modes("runs").items() if path != "runs"} == {0o600}
        database.close()
    finally:
        os.umask(before)
    assert modes("out") == {path: folder if path == "out" else file for path in modes("out")}
    assert len(modes("out")) == 7
    assert {mode for seen in aside for mode in list(seen.values())[:1]} == {0o700}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_was_there_keeps_its_mode() -> None:
    place_store()
    Path("runs/culturepark.db").chmod(0o660)
    assert cli("export", "a", "--format", "trl", "--out", "out").code == 0
    wanted = {"out": 0o755, "out/all.jsonl": 0o600, "out/README.md": 0o644, "runs/culturepark.db": 0o660}
    for name, mode in wanted.items():
        Path(name).chmod(mode)
    assert cli("export", "a", "--format", "openai", "--out", "out").code == 0
    assert {name: (modes("out") | modes("runs"))[name] for name in wanted} == wanted
    assert modes("out")["out/manifest.json"] == 0o640


# --- the server in a child ------------------------------------------------------------------------------


@pytest.mark.embedded
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.torture
async def test_the_token_of_the_local_server_is_seen_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a command line or environment, which others on the machine may read, nor in any file or row."""
    monkeypatch.delenv("CULTUREPARK_CACHE")  # the user's own, where the weights are
    import httpx2

    from culturepark.models.chat import Request

    model = await start_embedded()
    try:
        child, token = Path(f"/proc/{model.server.child.pid}"), model._client.api_key
        assert len(token) >= 32
        question = Request(({"role": "user", "content": "Say good morning."},), max_tokens=4, temperature=0.0, seed=1)
        reply = await model.send(model.body(question))
        async with httpx2.AsyncClient(trust_env=False) as stranger:
            refused = await stranger.get(f"{address(model)}/models/x", headers={"Authorization": "Bearer none"})
        seen = [
            (folder / name).read_bytes() for folder in (child, Path("/proc/self")) for name in ("cmdline", "environ")
        ]
        # Its log is a file without a name, which only its owner can open.
        seen += [path.read_bytes() for path in child.glob("fd/*") if path.is_file()]
        seen += [json.dumps([reply.response, refused.text, model.body(question), model.endpoint]).encode()]
        assert not any(token.encode() in one for one in seen)
        assert running(model.server.child.pid)
    finally:
        await model.close()
    again = await start_embedded()
    try:
        assert again._client.api_key != token
        assert address(again) != address(model)
    finally:
        await again.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://park@db/park", "postgresql+psycopg://park@db/park"),
        ("postgresql+psycopg://park:pw@db/park", "postgresql+psycopg://park:***@db/park"),
        ("postgresql://park@pw@db/park", "postgresql://***@db/park"),
        ("https://token@host/v1", "https://***@host/v1"),
    ],
)
def test_a_database_without_a_password_is_shown_as_it_can_be_used(url: str, shown: str) -> None:
    assert redact(f"--store {url} and more") == f"--store {shown} and more"
