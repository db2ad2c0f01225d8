"""`culturepark serve`: one address for a model and its adapters, for whoever may ask and nobody else."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from culturepark.models.chat import Request
from culturepark.models.client import OpenAIModel
from culturepark.models.gateway import KEY_LENGTH
from culturepark.models.spec import parse
from tests.cli.test_cli import away, cli  # noqa: F401 - `away` is a fixture for all
from tests.models.test_adapters import distribution, tiny  # noqa: F401 - `tiny` is a fixture
from tests.models.test_local import running
from tests.support.processes import Forked
from tests.support.tiny_models import VOCABULARY, TinyAdapter, TinyModel, tokens_of

QUESTION = {"role": "user", "content": "What do you do when a guest comes?"}
NEAR = 0.05
KEY = "k" * KEY_LENGTH


@contextmanager
def serving(*arguments: object, **environment: str) -> Iterator[tuple[str, Forked]]:
    """The command with these arguments, and the URL that it has written."""
    process = Forked("serve", *arguments, env={**os.environ, **environment})
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        url = process.stdout.readline().decode().strip()
        assert url, process.stderr.read().decode()
        yield url, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
        process.stderr.close()


def post(url: str, body: Any, **headers: str) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=60) as client:
        return client.post(f"{url}/chat/completions", json=body, headers=headers)


def asked(model: str | None, **more: Any) -> dict[str, Any]:
    body = {"messages": [QUESTION], "max_tokens": 1, "temperature": 0, "logprobs": True, **more}
    return body | {"top_logprobs": len(VOCABULARY)} | ({"model": model} if model else {})


def far(answer: dict[str, Any], seed: int) -> float:
    """How far an answer is from that of the adapter of this seed; 0 is the base."""
    change = TinyAdapter(seed).changes() if seed else {}
    by_hand = TinyModel().log_probabilities(tokens_of(QUESTION), change)[-1]
    (token,) = answer["choices"][0]["logprobs"]["content"]
    return max(abs(float(by_hand[rival["id"]]) - rival["logprob"]) for rival in token["top_logprobs"])


def test_a_requests_model_says_which_adapter_answers(tiny: Path) -> None:  # noqa: F811
    adapters = ("--adapter", f"turkish={tiny}/a", "--adapter", f"german={tiny}/b/adapter.gguf")
    with serving(f"gguf:{tiny}/base.gguf", *adapters) as (url, process):
        with httpx2.Client(trust_env=False) as client:
            listed = client.get(f"{url}/models").json()
            assert [row["id"] for row in listed["data"]] == ["base", "turkish", "german"]
            assert client.get(url.removesuffix("/v1") + "/health").json() == {"status": "ok"}
            assert client.get(url.removesuffix("/v1") + "/slots").status_code == 404
        for name, seed in (("turkish", 1), ("german", 2), ("base", 0), (None, 0), ("turkish", 1)):
            answer = post(url, asked(name)).json()
            assert answer["model"] == (name or "base")
            assert far(answer, seed) < NEAR

        # Nobody gets another adapter than the one that they name.
        answer = post(url, asked("turkish", lora=[{"id": 1, "scale": 1.0}], id_slot=0)).json()
        assert far(answer, 1) < NEAR
        unknown = post(url, asked("french"))
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "model_not_found"
        assert "there are base, turkish, german" in unknown.json()["error"]["message"]
        assert post(url, {"model": "turkish"}).status_code == 400  # llama.cpp's own answer

        with httpx2.Client(trust_env=False, timeout=60) as client:
            body = {**asked("german"), "stream": True}
            with client.stream("POST", f"{url}/chat/completions", json=body) as stream:
                assert stream.headers["content-type"].startswith("text/event-stream")
                lines = [line for line in stream.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        assert {chunk["model"] for chunk in chunks} == {"german"}
        (chunk,) = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0].get("logprobs")]
        assert far(chunk, 2) < NEAR

        child = child_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read().decode().splitlines() == [
            "Serving base, turkish, german until Ctrl-C. For culturepark one is openai:NAME@URL, with this URL:"
        ]
        until = time.monotonic() + 10
        while running(child) and time.monotonic() < until:
            time.sleep(0.05)
        assert not running(child)


def child_of(parent: int) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        if int(fields[1]) == parent:
            return int(folder.name)
    raise AssertionError("no child")


async def test_culturepark_itself_names_an_adapter_as_a_model_of_an_endpoint(tiny: Path) -> None:  # noqa: F811
    with serving(f"gguf:{tiny}/base.gguf", "--adapter", f"turkish={tiny}/a") as (url, _):
        model = OpenAIModel(parse(f"openai:turkish@{url}"))
        request = Request((QUESTION,), 1, 0.0, 1, top_logprobs=len(VOCABULARY))
        reply = await model.send(model.body(request))
        await model.close()
    by_hand = TinyModel().log_probabilities(tokens_of(QUESTION), TinyAdapter(1).changes())[-1]
    assert max(abs(by_hand[token] - value) for token, value in distribution(reply).items()) < NEAR


def test_pages_from_elsewhere_and_broken_requests_get_nothing(tiny: Path) -> None:  # noqa: F811
    with serving(f"gguf:{tiny}/base.gguf") as (url, _), httpx2.Client(trust_env=False) as client:
        chat, body = f"{url}/chat/completions", asked("base")
        whole = {"content-type": "application/json"}
        for status, headers, content in (
            (421, {**whole, "host": "evil.example"}, json.dumps(body)),
            (403, {**whole, "origin": "https://evil.example"}, json.dumps(body)),
            (415, {"content-type": "text/plain"}, json.dumps(body)),
            (400, whole, "{"),
            (400, whole, "[" * 100_000),
            (400, whole, "[1]"),
            (404, whole, json.dumps({**body, "model": 7})),
        ):
            answer = client.post(chat, content=content, headers=headers)
            assert answer.status_code == status
            assert answer.json()["error"]["message"]
        assert client.post(f"{url}/embeddings", json={}).status_code == 404
        for status, length in ((413, "99999999"), (411, "-1")):
            raw = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=30)
            raw.putrequest("POST", "/v1/chat/completions")
            raw.putheader("Content-Type", "application/json")
            raw.putheader("Content-Length", length)
            raw.endheaders()
            assert raw.getresponse().status == status
            raw.close()
        assert client.post(chat, json=body).status_code == 200


def test_others_need_a_key(tiny: Path) -> None:  # noqa: F811
    on = (f"gguf:{tiny}/base.gguf", "--host", "0.0.0.0")
    refused = cli("serve", *on)
    assert refused.code == 2
    assert "set CULTUREPARK_SERVE_KEY" in refused.err
    with serving(*on, CULTUREPARK_SERVE_KEY=KEY) as (url, _):
        url = url.replace("0.0.0.0", "127.0.0.1")
        assert post(url, asked("base")).status_code == 401
        assert post(url, asked("base"), authorization="Bearer none").json()["error"]["code"] == "invalid_api_key"
        assert post(url, asked("base"), authorization=f"Bearer {KEY}").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("scripted", "only a model on this machine is served"),
        ("openai:x", "only a model on this machine is served"),
        ("gguf:BASE+ADAPTER", "name adapters by --adapter NAME="),
        ("gguf:none.gguf", "none.gguf: No such file"),
        ("gguf:BASE --adapter ADAPTER", "must be NAME=PATH"),
        ("gguf:BASE --adapter a=", "must be NAME=PATH"),
        ("gguf:BASE --adapter a/b=ADAPTER", "must be NAME=PATH"),
        ("gguf:BASE --adapter a=none.gguf", "none.gguf: No such file"),
        ("gguf:BASE --adapter a=BASE", "is a model and no adapter"),
        ("gguf:BASE --adapter a=ADAPTER --adapter a=ADAPTER", "names another model already"),
        ("gguf:BASE --adapter base=ADAPTER", "names another model already"),
        ("gguf:BASE --port TAKEN", "Address already in use"),
        ("gguf:BASE --host 127.0.0.1.example", "others could use the model"),
    ],
)
def test_wrong_use_is_one_line_before_anything_is_served(arguments: str, words: str, tiny: Path) -> None:  # noqa: F811
    whole = arguments.replace("BASE", f"{tiny}/base.gguf").replace("ADAPTER", f"{tiny}/a/adapter.gguf")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = cli("serve", *whole.replace("TAKEN", str(listener.getsockname()[1])).split())
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert words in line


def test_a_server_that_ends_by_itself_ends_the_command(tiny: Path) -> None:  # noqa: F811
    with serving(f"gguf:{tiny}/base.gguf") as (_, process):
        os.kill(child_of(process.pid), signal.SIGKILL)
        assert process.wait(30) == 3
        assert process.stderr is not None
        assert "llama.cpp has ended by itself" in process.stderr.read().decode()
