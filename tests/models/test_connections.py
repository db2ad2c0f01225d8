"""Where a spec leads and with which key: base URLs as people write them, Azure, keys, headers, proxies."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from culturepark.errors import CultureparkError, Unreachable, UsageError
from culturepark.models.chat import Request
from culturepark.models.client import EmbeddingModel, OpenAIModel
from culturepark.models.connections import Connection, connection
from culturepark.models.providers import PROVIDERS
from culturepark.models.proxies import is_exempt, proxy_for
from culturepark.models.spec import parse, parse_roles
from culturepark.redact import redact
from tests.cli.test_cli import cli
from tests.support.endpoint import Endpoint, Received, status
from tests.support.scratch import config

KEY, OTHER = "sk-mine-0123456789", "k-other-0123456789"
ASKED = Request(({"role": "user", "content": "Who are you?"},), 20, 0.5, 1)
PROXIES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [*PROXIES, *map(str.upper, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def at(url: str, name: str = "m") -> Connection:
    return connection(parse(f"openai:{name}@{url}"))


def sent(model: OpenAIModel, endpoint: Endpoint) -> Received:
    """What reaches an endpoint that stands where the model's own is."""
    model._client.base_url = endpoint.url

    async def ask() -> None:
        try:
            await model.send(model.body(ASKED))
        finally:
            await model.close()

    asyncio.run(ask())
    return endpoint.requests[-1]


# --- base URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://localhost:11434/v1/", "http://localhost:11434/v1"),
        ("http://localhost:11434/v1/chat/completions", "http://localhost:11434/v1"),
        ("http://localhost:8000/v1/chat/completions/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/embeddings", "http://localhost:8000/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("HTTP://LocalHost:80/v1", "http://localhost/v1"),
        ("https://api.mistral.ai", "https://api.mistral.ai/v1"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1"),
        ("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://api.deepseek.com/v1", "https://api.deepseek.com/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_base_urls_as_people_write_them(written: str, meant: str) -> None:
    assert at_url(written) == meant


def at_url(url: str) -> str:
    return parse(f"openai:m@{url}").where


@pytest.mark.parametrize(
    ("written", "suggested"),
    [
        ("localhost:11434", "http://localhost:11434/v1"), ("api.mistral.ai", "https://api.mistral.ai/v1"),
        ("127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"), ("gpu7.example.org:8000", "https://gpu7.example.org:8000/v1"),
        ("nonsense", "http://localhost:8000/v1"),
    ],
)  # fmt: skip
def test_a_url_without_http_is_a_clear_error_with_what_was_meant(written: str, suggested: str) -> None:
    with pytest.raises(UsageError, match="must start with http:// or https://") as caught:
        parse(f"openai:m@{written}")
    assert str(caught.value).endswith(f"as in {suggested}")


@pytest.mark.parametrize(
    "url",
    [
        "https://@h/v1", "https://a\\@evil.com/v1", "https://evil.com\\.openai.azure.com", "https://h/v1?api-version=1",
        "https://x.openai.azure.com?api-version=1&api-key=s3cret", "https://x.openai.azure.com?api-key=s3cret",
        "https://x.openai.azure.com?api-version=s3cret%20", "https://h/v1#s3cret", "https://h^/v1", "https://{h}/v1",
    ],
)  # fmt: skip
def test_a_url_that_could_hold_a_secret_or_two_hosts_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(f"openai:m@{url}")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:99999/v1", "port 99999 is out of range"),
        ("http://h:0/v1", "port 0 is out of range"),
        ("http://h:abc/v1", "holds a port that is no number"),
        ("http://", "names no host"),
        ("http:///v1", "names no host"),
        ("http://[::1/v1", "names no host"),
        ("http://my host/v1", "holds a space"),
        ("https://name.openai.azure.com?api-version=", "the value of api-version is empty"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(f"openai:m@{url}")


def test_a_port_of_letters_may_be_a_password_and_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse("openai:m@http://h:s3cret/v1")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("written", ["openai:m @http://h/v1", "openai: m@http://h/v1 ", "openai:m@ http://h/v1"])
def test_spaces_around_a_name_or_a_url_are_no_part_of_them(written: str) -> None:
    assert str(parse(written)) == "openai:m@http://h/v1"
    assert str(parse_roles(None, [f"speaker = {written}"])["speaker"]) == "openai:m@http://h/v1"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gpt-4o", "openai:gpt-4o"),
        ("qwen3:8b", "openai:qwen3:8b"),
        ("gpt-4o@https://h/v1", "openai:gpt-4o@https://h/v1"),
        ("http://localhost:8000/v1", "openai:NAME@http://localhost:8000/v1"),
        ("models/small.gguf", "gguf:models/small.gguf"),
        ("embeded", "embedded"),
    ],
)
def test_a_spec_that_is_none_is_told_with_what_was_probably_meant(written: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written)
    assert str(caught.value).endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("written", ["", "openai:", "gguf:", "hf:x", "what is this"])
def test_nothing_is_suggested_where_nothing_suggests_itself(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written)
    assert "did you mean" not in str(caught.value)


def test_a_name_may_hold_an_at_sign() -> None:
    spec = parse("openai:@cf/meta/llama@https://api.cloudflare.com/client/v4/accounts/1/ai/v1")
    assert (spec.name, spec.where) == ("@cf/meta/llama", "https://api.cloudflare.com/client/v4/accounts/1/ai/v1")
    assert parse(str(spec)) == spec


# --- Azure ---------------------------------------------------------------------------------------------

AZURE = "https://name.openai.azure.com"


@pytest.mark.parametrize(
    ("written", "url", "query"),
    [
        (AZURE, f"{AZURE}/openai/v1", {}),
        (f"{AZURE}/", f"{AZURE}/openai/v1", {}),
        (f"{AZURE}/openai/v1/", f"{AZURE}/openai/v1", {}),
        (f"{AZURE}/openai/v1?api-version=preview", f"{AZURE}/openai/v1", {"api-version": "preview"}),
        (f"{AZURE}?api-version=2024-10-21", f"{AZURE}/openai/deployments/gpt%2Fx", {"api-version": "2024-10-21"}),
        (
            f"{AZURE}/openai/deployments/other/chat/completions?api-version=2025-01-01-preview",
            f"{AZURE}/openai/deployments/other",
            {"api-version": "2025-01-01-preview"},
        ),
        (
            "https://r.services.ai.azure.com/models?api-version=2024-05-01-preview",
            "https://r.services.ai.azure.com/models",
            {"api-version": "2024-05-01-preview"},
        ),
        ("https://r.cognitiveservices.azure.com", "https://r.cognitiveservices.azure.com/openai/v1", {}),
    ],
)
def test_azure_in_both_of_its_forms(written: str, url: str, query: dict[str, str]) -> None:
    found = at(written, "gpt/x")
    assert (found.url, found.query, found.azure, found.header) == (url, query, True, "api-key")


@pytest.mark.parametrize("variable", ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"])
def test_the_version_may_stand_in_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "2024-10-21")
    assert at(AZURE, "gpt").url == f"{AZURE}/openai/deployments/gpt"
    assert at(f"{AZURE}/openai/v1", "gpt").query == {}


def test_a_version_that_is_no_date_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="api-version holds no version, which is a date"):
        at(f"{AZURE}?api-version=banana")
    monkeypatch.setenv("OPENAI_API_VERSION", "banana")
    with pytest.raises(UsageError, match="OPENAI_API_VERSION holds no version"):
        at(AZURE)


def test_a_deployment_without_a_version_is_told() -> None:
    with pytest.raises(UsageError, match="AZURE_OPENAI_API_VERSION"):
        at(f"{AZURE}/openai/deployments/gpt")


@pytest.mark.parametrize("url", [AZURE, f"{AZURE}?api-version=2024-10-21"])
def test_the_key_goes_to_azure_in_its_own_header_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", OTHER)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint:
        got = sent(OpenAIModel(parse(f"openai:gpt@{url}")), endpoint)
    assert got.headers["api-key"] == OTHER
    assert "authorization" not in got.headers
    assert KEY not in str(got)
    assert got.path.endswith("?api-version=2024-10-21") == ("?" in url)


def test_a_token_of_entra_goes_to_azure_as_a_bearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", OTHER)
    with Endpoint() as endpoint:
        got = sent(OpenAIModel(parse(f"openai:gpt@{AZURE}")), endpoint)
    assert got.headers["authorization"] == f"Bearer {OTHER}"
    assert "api-key" not in got.headers


# --- keys ----------------------------------------------------------------------------------------------

REMOTE = [(provider, host) for provider in PROVIDERS for host in provider.hosts if not host.startswith(".")]


@pytest.mark.parametrize(("provider", "host"), REMOTE, ids=lambda one: one if isinstance(one, str) else "")
def test_a_known_service_has_its_own_variable(provider: Any, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for variable in reversed(provider.variables):
        monkeypatch.setenv(variable, f"{variable}-0123456789")
        found = at(f"https://{host}")
        assert (found.key, found.key_from) == (f"{variable}-0123456789", variable)
    assert at(f"https://{host}.evil.com").key == os.environ["OPENAI_API_KEY"]  # which its user named with this URL


def test_the_precedence_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://api.mistral.ai/v1"
    assert at(url).key == ""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert at(url).key == KEY
    monkeypatch.setenv("MISTRAL_API_KEY", "k-provider-0123456789")
    assert at(url).key == "k-provider-0123456789"
    config("endpoints.toml", '["api.mistral.ai"]\nkey_env = "MINE"')
    with pytest.raises(UsageError, match="MINE is not set"):
        at(url)
    monkeypatch.setenv("MINE", "k-named-0123456789")
    assert at(url).key == "k-named-0123456789"
    config("keys.toml", f'"api.mistral.ai" = "{OTHER}"')
    found = at(url)
    assert found.key == OTHER
    assert "keys.toml" in found.key_from
    assert OTHER not in repr(found)
    assert redact(f"x {OTHER} x") == "x [key] x"


@pytest.mark.parametrize(
    ("name", "url", "fits"),
    [
        ("localhost", "http://localhost:8000/v1", True),
        ("localhost:8000", "http://localhost:8000/v1", True),
        ("localhost:8001", "http://localhost:8000/v1", False),
        ("h.org:443", "https://h.org/v1", True),
        ("H.org", "https://h.ORG/v1", True),
        ("h.org", "https://x.h.org/v1", False),
        ("https://h.org/a", "https://h.org/a/v1", True),
        ("https://h.org/a", "https://h.org/ab", False),
        ("[::1]:8000", "http://[::1]:8000/v1", True),
    ],
)
def test_a_key_is_bound_to_its_host(name: str, url: str, fits: bool) -> None:
    config("keys.toml", f'"{name}" = "{OTHER}"')
    assert (at(url).key == OTHER) == fits


def test_the_closest_entry_counts_and_a_host_needs_no_quotes() -> None:
    config("keys.toml", f'h.org = "{KEY}"\n"https://h.org/mine" = "{OTHER}"')
    assert (at("https://h.org/v1").key, at("https://h.org/mine/v1").key) == (KEY, OTHER)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_keys_that_others_can_read_are_refused(mode: int) -> None:
    path = config("keys.toml", f'localhost = "{OTHER}"', mode)
    with pytest.raises(UsageError, match="others can read") as caught:
        at("http://localhost:8000/v1")
    assert str(caught.value).endswith(f"run: chmod 600 {path}")


def refused(url: str = "") -> str:
    """What is said of an endpoint that answers 401."""
    with Endpoint(reply=lambda *_: status(401, "who are you")) as endpoint:
        model = OpenAIModel(parse(f"openai:m@{url or endpoint.url}"))
        model._client.base_url = endpoint.url

        async def ask() -> None:
            try:
                await model.send(model.body(ASKED))
            finally:
                await model.close()

        with pytest.raises(Unreachable) as caught:
            asyncio.run(ask())
    assert caught.value.kind == "http-401"
    return str(caught.value)


def test_a_key_that_is_refused_is_told_with_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "(check OPENAI_API_KEY: the endpoint does not accept the key that it got)" in refused()
    monkeypatch.setenv("MISTRAL_API_KEY", OTHER)
    assert "(check MISTRAL_API_KEY: " in refused("https://api.mistral.ai")


def test_a_server_that_wants_a_key_where_none_was_set_says_so() -> None:
    said = refused()
    assert re.search(r"\(no key was set for 127.0.0.1:\d+; this server wants one: set OPENAI_API_KEY, or put", said)
    config("endpoints.toml", '["127.0.0.1"]\nheaders = {"x-api-key" = "abc-0123456789"}')
    assert "endpoints.toml: 127.0.0.1: the endpoint does not accept what it got" in refused()


@pytest.mark.parametrize("key", ["sk-mine 0123456789", "Bearer sk-mine-0123456789"])
def test_a_key_with_a_space_is_refused_without_repeating_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match=r"^OPENAI_API_KEY holds a space, which no key has") as caught:
        at(FAR)
    assert "mine" not in str(caught.value)
    assert ("leave out the word `Bearer`" in str(caught.value)) == key.startswith("Bearer")


WRONG_KEYS = [
    "x", "localhost = 5", 'localhost = ""', 'localhost = "a\\nb"', 'localhost = "кл"', '"a b" = "secret-01234"',
    '"http://" = "secret-01234"', 'localhost = "secret-01234', '[localhost]\nx = ["secret-01234"]',
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG_KEYS)
def test_a_wrong_file_of_keys_is_told_without_what_it_holds(text: str) -> None:
    path = config("keys.toml", text)
    with pytest.raises(UsageError) as caught:
        at("http://localhost:8000/v1")
    assert str(caught.value).startswith(str(path))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variable", ["CULTUREPARK_KEYS", "CULTUREPARK_ENDPOINTS"])
@pytest.mark.sampled
def test_a_file_that_is_named_must_be_there(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("nowhere.toml", str(tmp_path), "~nobody-here/x", "/dev/null/x"):
        monkeypatch.setenv(variable, name)
        done = cli("doctor", "--model", "openai:x@http://127.0.0.1:9/v1")
        assert (done.code, done.err) == (2, "")
        assert name.rpartition("/")[2] in done.out
    monkeypatch.setenv(variable, "")
    assert at("http://localhost:8000/v1").key == ""


@pytest.mark.parametrize("value", ["", "/dev/null", "relative"])
def test_without_a_home_there_are_no_files(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", value)
    assert at("http://localhost:8000/v1").key == ""


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("https://api.mistral.ai", "MISTRAL_API_KEY"),
        (AZURE, "AZURE_OPENAI_API_KEY"),
        ("https://api.x.ai", "XAI_API_KEY"),
    ],
)
def test_a_service_that_wants_a_key_is_not_asked_without(url: str, variable: str) -> None:
    done = cli("simulate", "quickstart", "--model", f"openai:m@{url}")
    assert done.code == 2
    assert f"set {variable}" in done.err


# --- headers, query, extra -----------------------------------------------------------------------------


def test_the_users_file_adds_headers_query_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY", "tok-en-0123456789")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint() as endpoint:
        config(
            "endpoints.toml",
            f'["{endpoint.url}"]\nheader = "x-api-key"\nquery = {{"api-version" = "7"}}\n'
            'headers = {"X-Title" = "culturepark", "cf-aig-authorization" = "Bearer ${GATEWAY}"}\n'
            'extra = {reasoning_effort = "low", chat_template_kwargs = {enable_thinking = false}, think = false}',
        )
        got = sent(OpenAIModel(parse(f"openai:m@{endpoint.url}")), endpoint)
    assert got.path.endswith("?api-version=7")
    assert got.headers["x-api-key"] == KEY
    assert got.headers["x-title"] == "culturepark"
    assert got.headers["cf-aig-authorization"] == "Bearer tok-en-0123456789"
    assert "authorization" not in got.headers
    assert got.body["reasoning_effort"] == "low"
    assert got.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert got.body["think"] is False
    assert redact("tok-en-0123456789") == "[key]"


def test_fields_for_chat_are_not_sent_with_texts_to_embed() -> None:
    config("endpoints.toml", '["localhost"]\nextra = {reasoning_effort = "low"}')
    assert "reasoning_effort" not in EmbeddingModel(parse("openai:m@http://localhost/v1", "embedder")).body(ASKED)


WRONG_ENDPOINTS = {
    "x": "", '["localhost"]\nheader = 5': "header", '["localhost"]\nnonsense = 1': "nonsense",
    '["localhost"]\nheaders = "x"': "headers", '["localhost"]\nheaders = {"a b" = "x"}': "a b",
    '["localhost"]\nheaders = {"X" = 5}': "headers: X", '["localhost"]\nheaders = {"X" = "a\\nb"}': "headers: X",
    '["localhost"]\nheaders = {"X" = "${NOT_SET}"}': "NOT_SET", '["localhost"]\nextra = {messages = []}': "messages",
    '["localhost"]\nextra = {a = inf}': "extra", '["localhost"]\nextra = {a = 2020-01-01}': "extra",
    '["localhost"]\nkey_env = "not a name"': "key_env", '["localhost"]\nheader = "a b"': "header",
    '["localhost"]\nquery = {x = 1}': "query: x", "[api.example.com]\nheader = 'x'": "in quotes",
    "localhost = 1": "quotes", '["a b"]\nheader = "x"': "a b", '["http://u:s3cret@h"]\nheader = "x"': "",
    '["localhost:x"]\nheader = "x"': "localhost:x",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG_ENDPOINTS)
def test_a_wrong_file_of_endpoints_is_told_with_file_and_key(text: str) -> None:
    path = config("endpoints.toml", text)
    with pytest.raises(UsageError) as caught:
        at("http://localhost:8000/v1")
    assert str(caught.value).startswith(str(path))
    assert WRONG_ENDPOINTS[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_library_takes_from_the_environment_goes_to_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("OPENAI_ORG_ID", "org-1"), ("OPENAI_PROJECT_ID", "proj-1"), ("OPENAI_API_KEY", KEY)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: abc\nAuthorization: Bearer zzz")
    extra = {"openai-organization", "openai-project", "x-mine"}
    with Endpoint() as endpoint:
        official = sent(OpenAIModel(parse("openai:gpt-4o")), endpoint)
        other = sent(OpenAIModel(parse("openai:m@http://h/v1")), endpoint)
    assert extra <= official.headers.keys()
    assert not extra & other.headers.keys()
    assert official.headers["authorization"] == other.headers["authorization"] == f"Bearer {KEY}"


def test_a_server_without_a_key_gets_the_word_none() -> None:
    with Endpoint() as endpoint:
        got = sent(OpenAIModel(parse(f"openai:m@{endpoint.url}")), endpoint)
    assert got.headers["authorization"] == "Bearer none"


GUIDE = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text("utf-8")


def test_every_example_in_the_guide_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs, files of keys and of endpoints as docs/endpoints.md shows them are taken as they are."""
    for name in ("CF_TOKEN", "GATEWAY_KEY", *(variable for one in PROVIDERS for variable in one.variables)):
        monkeypatch.setenv(name, OTHER)
    specs = re.findall(r"--model '?(openai:[^\s']+)", GUIDE)
    assert len(specs) >= 17
    for block in re.findall(r"(?m)^((?:    .*\n|\n)*    \[\".*\n(?:    .*\n|\n)*)", GUIDE):
        config("endpoints.toml", textwrap.dedent(block))
        assert connection(parse("openai:m@http://h/v1"))
    config("keys.toml", "\n".join(re.findall(r'(?m)^ +("\S+" = "\.\.\.")$', GUIDE)))
    assert at("http://localhost:8000/v1").key == "..."
    for text in specs:
        assert connection(parse(text.replace("BASE_URL", "http://h/v1"))).url.startswith("http")


@pytest.mark.parametrize("name", [one.name for one in PROVIDERS[:10]])
def test_the_guide_names_the_variable_of_each_service(name: str) -> None:
    (provider,) = (one for one in PROVIDERS if one.name == name)
    recipe = GUIDE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert all(variable in recipe for variable in provider.variables)
    assert provider.hosts[0].strip(".") in recipe or name == "OpenAI"


# --- proxies -------------------------------------------------------------------------------------------

FAR = "https://api.example.org/v1"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:3128"}, FAR, "http://p:3128"),
        ({"https_proxy": "p:3128"}, FAR, "http://p:3128"),
        ({"HTTPS_PROXY": "https://p"}, FAR, "https://p"),
        ({"HTTP_PROXY": "http://p"}, FAR, None),
        ({"HTTP_PROXY": "nonsense://"}, FAR, None),  # a wrong one that does not apply
        ({"HTTP_PROXY": "http://p"}, "http://h/v1", "http://p"),
        ({"ALL_PROXY": "http://p"}, FAR, "http://p"),
        ({"ALL_PROXY": "http://p", "HTTPS_PROXY": "http://q"}, FAR, "http://q"),
        ({"ALL_PROXY": "socks4://p"}, "http://127.0.0.1:8000/v1", None),
        ({"ALL_PROXY": "http://p"}, "http://localhost:8000/v1", None),
        ({"ALL_PROXY": "http://p"}, "http://[::1]:8000/v1", None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "example.org"}, FAR, None),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "*"}, FAR, None),
        ({"ALL_PROXY": "", "HTTPS_PROXY": ""}, FAR, None),
    ],
)
def test_which_proxy_applies(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(url)
    assert (found and found.url) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "exempt"),
    [
        ("example.org", "example.org", 443, True), ("example.org", "a.example.org", 443, True),
        (".example.org", "a.example.org", 443, True), ("*.example.org", "a.example.org", 443, True),
        ("example.org", "notexample.org", 443, False), ("example.org:8000", "example.org", 443, False),
        ("example.org:443", "example.org", 443, True), ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False), ("10.1.2.3", "10.1.2.3", 80, True), ("[::2]", "::2", 80, True),
        ("::2", "::2", 80, True), ("a, b ,, example.org", "example.org", 80, True), ("", "h", 80, False),
        (",", "h", 80, False), ("http://example.org", "example.org", 80, True), ("[::2]:80", "::2", 80, True),
    ],
)  # fmt: skip
def test_hosts_without_a_proxy(no_proxy: str, host: str, port: int, exempt: bool) -> None:
    assert is_exempt(host, port, no_proxy) == exempt


ODD_PROXIES = [
    "socks4://p:1", "socks4a://p", "ftp://p", "http://", "://", "http://p:99999", "http://p:0", "http://[::1", "a b",
    "http://p q", "\u00e9\u00e8 x", "socks5://", "http://me:s3cret-0123@", "x" * 5000, "banana",
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_PROXIES, ids=range(len(ODD_PROXIES)))
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_named_in_one_line(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    done = cli("simulate", "quickstart", "--model", f"openai:m@{FAR}", "--until", "dialogue")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert variable in done.err
    assert "NO_PROXY" in done.err
    assert "s3cret" not in done.err
    assert len(done.err) < 400


@contextmanager
def listener(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A port at which something answers every connection with these bytes."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connected, _ = server.accept()
                except OSError:
                    return
                with connected:
                    heard.append(connected.recv(65536))
                    connected.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], heard


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves sockets open
@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        ("http", b"nonsense\r\n"),
        ("http", b""),
        ("socks5", b"\x05\xff"),
        ("socks5", b"nonsense"),
        ("socks5", b""),
        ("socks5h", b"\x05"),
    ],
)
@pytest.mark.sampled
def test_a_proxy_that_does_not_let_through_is_an_error_and_no_bug(
    kind: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener(answer) as (port, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"{kind}://me:s3cret-0123@127.0.0.1:{port}")
        model = OpenAIModel(parse(f"openai:m@{FAR}"))

        async def ask() -> None:
            try:
                await model.send(model.body(ASKED))
            finally:
                await model.close()

        with pytest.raises(CultureparkError) as caught:
            asyncio.run(ask())
        assert heard
    said = str(caught.value)
    del caught  # its traceback holds the socket
    gc.collect()
    assert "s3cret" not in said
    assert "\n" not in said


def through_socks(port: int) -> Iterator[bytes]:
    """What a SOCKS5 proxy says that lets everything through to a port of this machine (RFC 1928)."""
    yield b"\x05\x00"
    yield b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big")


def test_a_socks_proxy_carries_a_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint() as endpoint, socket.create_server(("127.0.0.1", 0)) as server:
        port = int(endpoint.url.rpartition(":")[2].partition("/")[0])
        asked: list[bytes] = []

        def serve() -> None:
            front, _ = server.accept()
            with front, socket.create_connection(("127.0.0.1", port)) as back:
                for answer in through_socks(port):
                    asked.append(front.recv(65536))
                    front.sendall(answer)
                pump = threading.Thread(target=copy, args=(back, front), daemon=True)
                pump.start()
                copy(front, back)

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{server.getsockname()[1]}")
        model = OpenAIModel(parse("openai:m@http://far.example.org/v1"))

        async def ask() -> str:
            try:
                return (await model.send(model.body(ASKED))).text
            finally:
                await model.close()

        assert asyncio.run(ask())
        assert b"far.example.org" in asked[1]  # the proxy looks the name up
        assert len(endpoint.requests) == 1


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.sampled
def test_certificates_that_are_not_there_are_told_in_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere")
    done = cli("doctor", "--model", "openai:m@https://127.0.0.1:9/v1")
    assert done.code in (2, 3)
    assert "Traceback" not in done.err + done.out
    assert "a bug" not in done.err + done.out
