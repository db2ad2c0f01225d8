"""`doctor --model`: what a model can do, asked as a run asks it, before anything is paid for."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.dialogue.agents import SPEECH_TOKENS
from culturepark.domain import JsonObject
from culturepark.models import tokens
from culturepark.models.context import context_of
from culturepark.models.weights import SMOLLM2
from culturepark.run.trial import ENOUGH, LONG_TOKENS, UNSEEN
from tests.cli.test_cli import Done, cli
from tests.support import endpoint as faults
from tests.support.endpoint import Endpoint, Fault, Hook, raw, status, too_long, unsupported

KEY = "sk-mine-0123456789"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("culturepark.models.ledger.pause_before", lambda attempt, error: 0.0)
    monkeypatch.chdir(tmp_path)


def examine(reply: Hook | None = None, *more: str, **options: Any) -> tuple[dict[str, JsonObject], Done, Endpoint]:
    """The findings on a model at an endpoint, by what they are about."""
    with Endpoint(reply=reply, **options) as endpoint:
        done = cli("doctor", "--model", f"openai:test@{endpoint.url}", "--json", *more)
    return {finding["what"]: finding for finding in done.json}, done, endpoint


def is_json(body: JsonObject) -> bool:
    return "JSON alone" in str(body["messages"][0]["content"])


def test_a_model_that_can_do_everything() -> None:
    found, done, endpoint = examine()
    assert done.code == 0, done.out
    assert found["model"]["detail"].startswith(f"openai:test@{endpoint.url} answers: 'I am Ada Lovelace")
    for what in ("system message", "temperature", "seed", "json", "logprobs", "usage", "thoughts", "reasoning"):
        assert found[what]["state"] == "ok", found[what]
    assert found["roles"]["detail"].startswith("speaker, moderator, extractor, verifier, judge;")
    assert found["token limit"]["detail"] == "sent as max_tokens"
    assert found["key source"]["detail"] == "no key"
    assert found["price"]["state"] == "note"
    assert found["context"]["state"] == "note"


def test_it_asks_what_a_run_asks() -> None:
    _, _, endpoint = examine()
    speech, verdict, second, long = [
        request.body for request in endpoint.requests if request.path.endswith("completions")
    ]
    assert speech["messages"][0]["role"] == "system"
    assert (speech["temperature"], speech["max_tokens"]) == (0.8, 300)
    assert "seed" in speech
    assert verdict["response_format"]["json_schema"]["name"] == "verdicts"
    assert verdict["logprobs"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    (question,) = long["messages"]
    assert 0.8 * LONG_TOKENS < tokens.count(question["content"], "gpt-4o") < ENOUGH - SPEECH_TOKENS


@pytest.mark.parametrize(
    ("param", "what", "words"),
    [
        ("temperature", "temperature", "refused; the model's own is used"),
        ("seed", "seed", "refused"),
        ("logprobs", "logprobs", "refused; not needed"),
        ("max_tokens", "token limit", "sent as max_completion_tokens"),
    ],
)
@pytest.mark.sampled
def test_what_is_refused_is_told(param: str, what: str, words: str) -> None:
    found, done, _ = examine(lambda body, number: unsupported(param) if param in body else None)
    assert done.code == 0
    assert words in found[what]["detail"]
    assert "verifier" in found["roles"]["detail"]


def test_what_is_learnt_is_kept_for_later_runs_where_there_is_a_store() -> None:
    found, _, _ = examine(lambda body, number: unsupported("seed") if "seed" in body else None)
    assert found["seed"]["state"] == "note"
    assert not Path("runs").exists()
    Path("small.yaml").write_text(
        "name: small\ntitle: Small\nsetting: cross-cultural\ncultures: [turkish]\nprotocol: free-chat\nmax_turns: 4\n"
        "seeds:\n  - {key: q1, question: 'What do you do when a guest comes?'}\n"
    )
    assert cli("simulate", "small.yaml", "--model", "scripted", "--run-id", "a").code == 0
    _, _, endpoint = examine(lambda body, number: unsupported("seed") if "seed" in body else None)
    with closing(sqlite3.connect("runs/culturepark.db")) as connection:
        learnt = connection.execute("SELECT endpoint, model, name, value FROM ability").fetchall()
        calls = connection.execute("SELECT count(*) FROM call WHERE run_id != 'a'").fetchone()
    assert learnt == [(endpoint.url, "test", "seed", '"refused"')]
    assert calls == (0,)


@pytest.mark.parametrize(
    ("text", "leak"), [("<think>Who am I?</think>I am Ada.", "think"), ("I am Ada.<|im_end|>", "token")]
)
def test_thoughts_and_tokens_that_leak_are_told_with_how_to_start_the_server(text: str, leak: str) -> None:
    found, done, _ = examine(lambda body, number: None if is_json(body) else text)
    assert done.code == 0
    assert found["thoughts"]["state"] == "note"
    assert leak in found["thoughts"]["detail"]
    assert "server" in found["thoughts"]["detail"]


def test_a_model_whose_json_cannot_be_read_may_speak_and_no_more() -> None:
    found, done, _ = examine(lambda body, number: "I would say it does." if is_json(body) else None)
    assert done.code == 0
    assert found["json"]["state"] == "note"
    assert found["cannot"]["detail"].startswith("extract or verify: ")
    assert found["roles"]["detail"].startswith("speaker, moderator;")


FILTERED = status(400, "The prompt triggered the content management policy.", code="content_filter")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_question_that_a_filter_refuses_shows_nothing_against_the_model(number: int) -> None:
    found, done, _ = examine(lambda body, n: FILTERED if n == number else None)
    assert done.code == 0
    assert "the endpoint's filter refused one of doctor's questions" in found["filter"]["detail"]
    assert found["usage"]["detail"] == "reported"
    assert found["roles"]["detail"].startswith("speaker, moderator, extractor, verifier, judge;")
    assert "cannot" not in found
    assert "answers: 'I am" in found["model"]["detail"] or number == 1
    if number == 2:
        assert found["json"]["detail"] == found["logprobs"]["detail"] == UNSEEN
    if number == 1:
        assert found["system message"]["detail"] == UNSEEN


def test_a_filter_that_refuses_everything_leaves_all_open() -> None:
    found, done, _ = examine(lambda body, n: FILTERED)
    assert done.code == 0
    assert found["usage"]["detail"] == UNSEEN
    assert "refused 3 of doctor's questions" in found["filter"]["detail"]


def test_json_among_prose_is_said_to_be_not_held_to_the_schema() -> None:
    verdict = json.dumps({"verdicts": [{"id": 1, "faithful": "entail", "stance": "none", "carried": "none"}]})
    found, _, _ = examine(lambda body, n: f"From {{the turns}}:\n{verdict}\nas {{...}}." if is_json(body) else None)
    assert found["json"]["state"] == "note"
    assert "asked by schema, answered in JSON, but not held to the schema" in found["json"]["detail"]
    assert "verifier" in found["roles"]["detail"]


def is_long(body: JsonObject) -> bool:
    return len(body["messages"][0]["content"]) > 4 * LONG_TOKENS


def cut_to(window: int) -> Fault:
    """An answer of a server that read only so many tokens."""
    message = {"role": "assistant", "content": "Which word do you mean?"}
    usage = {"prompt_tokens": window, "completion_tokens": 6}
    return raw(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}))


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ("Marigold.", "ok", "was read from its beginning"),
        ("Which word?", "note", "does not show that its beginning was read"),
        (cut_to(600), "note", "long prompts are cut; a run wants 8,192 tokens or more: "),
        (too_long(), "note", "too small for 7,000 tokens"),
        (FILTERED, "note", "does not show in short questions"),
    ],
)
@pytest.mark.sampled
def test_one_long_question_shows_whether_long_prompts_are_cut(answer: str | Fault, state: str, words: str) -> None:
    found, done, endpoint = examine(lambda body, number: answer if is_long(body) else None)
    assert done.code == 0
    assert found["context"]["state"] == state
    assert words in found["context"]["detail"]
    assert sum(is_long(body) for body in endpoint.chats) == 1


def test_a_long_question_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.run.trial.LONG_SECONDS", 0.2)
    found, _, _ = examine(lambda body, number: faults.HANG if is_long(body) else None)
    assert "failed: no answer within" in found["context"]["detail"]


def test_a_proxy_that_cannot_be_used_is_told_before_a_model_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "banana")
    found = {finding["what"]: finding for finding in cli("doctor", "--json").json}
    assert found["proxy"]["state"] == "note"
    assert "HTTPS_PROXY holds no proxy's address" in found["proxy"]["detail"]


def test_weights_that_could_not_be_kept_are_bad_and_leave_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the place of a folder")
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "file" / "cache"))
    done = cli("doctor", "--json")
    found = {finding["what"]: finding for finding in done.json}
    assert done.code == 3
    assert found[SMOLLM2.name]["state"] == "bad"
    assert "cannot be written; name another one with CULTUREPARK_CACHE=" in found[SMOLLM2.name]["detail"]
    run = cli("simulate", "quickstart")
    assert (run.code, run.err.count("\n")) == (3, 1)
    assert "cannot be written" in run.err
    assert not list(tmp_path.rglob("*.db"))


def test_a_schema_that_is_refused_is_done_without() -> None:
    def refuse(body: JsonObject, number: int) -> str | Fault | None:
        if (body.get("response_format") or {}).get("type") == "json_schema":
            return unsupported("response_format")
        verdict = {"verdicts": [{"id": 1, "faithful": "entail", "stance": "none", "carried": "none"}]}
        return json.dumps(verdict) if is_json(body) else None

    found, _, _ = examine(refuse)
    assert found["json"]["detail"] == "readable, asked as any JSON object; the prompt says the shape"


def test_usage_that_is_not_reported_is_told() -> None:
    assert examine(usage=False)[0]["usage"]["state"] == "note"


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (status(401, "who are you"), 3, "401: who are you (no key was set for 127.0.0.1:"),
        (status(402, "pay first"), 4, "402: pay first (no credit: top it up)"),
        (faults.HTML, 3, "a page, not JSON"),
        (status(404, "no such model"), 3, "404"),
    ],
)
@pytest.mark.sampled
def test_what_cannot_work_is_told_in_one_line(fault: Fault, code: int, words: str) -> None:
    found, done, _ = examine(lambda *_: fault)
    assert done.code == code
    assert found["model"]["state"] == "bad"
    assert words in found["model"]["detail"]
    assert "\n" not in found["model"]["detail"]
    assert "roles" not in found


def test_the_key_and_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    found, done, _ = examine()
    assert found["key source"]["detail"] == "OPENAI_API_KEY"
    assert KEY not in done.out + done.err


def test_wrong_files_of_the_users_own_are_findings(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "culturepark"
    folder.mkdir(parents=True)
    (folder / "keys.toml").write_text('localhost = "secret-0123456789"')
    (folder / "keys.toml").chmod(0o644)
    (folder / "endpoints.toml").write_text('["localhost:8000"]\nextra = {think = false}')
    done = cli("doctor", "--json")
    found = {finding["what"]: finding for finding in done.json}
    assert done.code == 2
    assert "chmod 600" in found["keys file"]["detail"]
    assert found["endpoints file"]["state"] == "ok"
    assert "secret-0123" not in done.out + done.err


# --- context -------------------------------------------------------------------------------------------

SERVERS: dict[str, tuple[dict[str, Any], int]] = {
    "llama-server": (
        {
            "/props": {"default_generation_settings": {"n_ctx": 4096}},
            "/v1/models": {"data": [{"id": "x.gguf", "meta": {"n_ctx_train": 131072}}]},
        },
        4096,
    ),
    "vLLM": ({"/v1/models": {"data": [{"id": "m", "max_model_len": 32768}]}}, 32768),
    "Ollama, loaded": (
        {"/api/ps": {"models": [{"name": "m", "context_length": 4096}]}, "/v1/models": {"data": [{"id": "m"}]}},
        4096,
    ),
    "Ollama, by its file": ({"/api/show": {"parameters": 'stop "<|im_end|>"\nnum_ctx    8192'}}, 8192),
    "OpenRouter": (
        {"/v1/models": {"data": [{"id": "n", "context_length": 1}, {"id": "m", "context_length": 200000}]}},
        200000,
    ),
    "Together": ({"/v1/models": [{"id": "m", "context_length": 131072}, {"id": "n"}]}, 131072),
    "LM Studio": ({"/api/v0/models/m": {"max_context_length": 131072, "loaded_context_length": 4096}}, 4096),
    "TGI": ({"/info": {"max_total_tokens": 2048}}, 2048),
}


@pytest.mark.parametrize("server", SERVERS)
async def test_the_context_is_read_wherever_a_server_tells_it(server: str) -> None:
    answers, tokens = SERVERS[server]

    async def look(url: str, body: Any) -> Any:
        return answers.get(url.removeprefix("http://h:1"))

    found = await context_of("http://h:1/v1", "m", look)
    assert found is not None
    assert found.tokens == tokens


ODD: list[Any] = [
    None, [], {}, "x", {"data": None}, {"data": [None, 1]}, {"models": [{"context_length": "4k"}]},
    {"data": [{"id": "m", "max_model_len": -1}]}, {"default_generation_settings": 5},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
async def test_odd_answers_tell_no_context(odd: Any) -> None:
    async def look(url: str, body: Any) -> Any:
        return odd

    assert await context_of("http://h:1/v1", "m", look) is None


async def test_a_known_service_is_not_asked_for_what_other_servers_have() -> None:
    asked = []

    async def look(url: str, body: Any) -> Any:
        asked.append(url)

    await context_of("https://api.mistral.ai/v1", "m", look)
    assert asked == ["https://api.mistral.ai/v1/models"]


@pytest.mark.embedded
@pytest.mark.torture
def test_the_embedded_model() -> None:
    done = cli("doctor", "--model", "embedded", "--json")
    found = {finding["what"]: finding for finding in done.json}
    assert done.code == 0
    assert found["context"]["detail"].startswith("4,096 tokens (by /props")
    assert found["logprobs"]["state"] == "ok"
    assert "verifier" in found["roles"]["detail"]
