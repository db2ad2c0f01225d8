"""The wire against a local endpoint: streaming, usage, errors, retries, the call log, the memo, the budget, specs."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import httpx2
import openai
import pytest

from culturepark.domain import Edition, Scenario, Seed
from culturepark.errors import (
    BadAnswer,
    BudgetReached,
    CultureparkError,
    Interrupted,
    ModelError,
    Overloaded,
    Refused,
    Unreachable,
    UsageError,
    WrongRequest,
)
from culturepark.models import client, ledger, prices, scripted, tokens
from culturepark.models.budget import Budget
from culturepark.models.chat import Reply, Request, Schema, Usage
from culturepark.models.client import EmbeddingModel, OpenAIModel
from culturepark.models.embedder import Endpoint as Embedder
from culturepark.models.ledger import ATTEMPTS, Ledger, pause_before
from culturepark.models.spec import parse, parse_roles
from culturepark.models.transport import Page
from culturepark.models.wait_hints import wait_of
from culturepark.models.wire_errors import map_error
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from tests.support import endpoint as faults
from tests.support.endpoint import Endpoint, Fault, Hook, event, finish, raw, status, too_long, unsupported

CANARY = "sk-canary-0123456789"
CARD = "You are Ada Lovelace, and you live in London, England."
ASKED = Request(({"role": "system", "content": CARD}, {"role": "user", "content": "Who are you?"}), 60, 0.7, 11)
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no proxy, no pauses, whatever the machine has."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CULTUREPARK_PRICES", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("culturepark.models.ledger.pause_before", lambda attempt, error: 0.0)
    prices.table.cache_clear()


class Wire:
    """A model at an endpoint, and a ledger over a real store that holds one run."""

    def __init__(self, folder: Path, endpoint: Endpoint, model: OpenAIModel, budget: Budget, most: int) -> None:
        self.folder, self.endpoint, self.model, self.budget, self.most = folder, endpoint, model, budget, most

    @cached_property
    def store(self) -> Store:
        path = self.folder / "calls.db"
        if not path.exists():
            path.write_bytes(store_with_a_run())
        return Store(f"sqlite:///{path}")

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger("r", self.store.journal, self.budget, self.most)

    async def send(self, request: Request = ASKED) -> Reply:
        """Past the ledger: one request, no retries, no rows."""
        return await self.model.send(self.model.body(request))

    async def ask(self, request: Request = ASKED, subject: str = "r.d1.t1") -> Reply:
        return await self.ledger.ask(self.model, request, stage="dialogue", subject_id=subject, prompt_digest="d")

    def restart(self) -> None:
        """The same store, opened by another process."""
        self.store.close()
        del self.store, self.ledger

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The call rows, in the order in which they were begun."""
        with closing(sqlite3.connect(self.folder / "calls.db")) as connection:
            connection.row_factory = sqlite3.Row
            query = "SELECT call.* FROM call JOIN call_log USING (id) ORDER BY call_log.rowid"
            return [dict(row) for row in connection.execute(query)]

    @property
    def errors(self) -> list[str]:
        """The first word of each call's error; empty where there is none."""
        return [(row["error"] or "").partition(":")[0] for row in self.calls]

    def dump(self) -> str:
        """The whole database as text."""
        with closing(sqlite3.connect(self.folder / "calls.db")) as connection:
            return "\n".join(connection.iterdump())


@cache
def store_with_a_run() -> bytes:
    """A database file; made once, because migrations take their time."""
    question = Seed(key="guests", topic="guests", question="What do you do when a guest comes?")
    scenario = Scenario(
        name="wire",
        title="Wire",
        setting="cross-cultural",
        cultures=("turkish",),
        protocol="free-chat",
        seeds=(question,),
    )
    texts = dict.fromkeys(("scenario_name", "scenario_digest", "scenario", "version", "created_at"), "")
    row = RunRow(id="r", seed=1, status="running", models="{}", settings="{}", **texts)
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/r.db")
        store.create_run(row, None, Edition(scenario=scenario, personas=()))
        store.close()
        return Path(folder, "r.db").read_bytes()


@asynccontextmanager
async def wire(
    folder: Path,
    reply: Hook | str | Fault | None = None,
    *,
    name: str = "test",
    url: str | None = None,
    budget: Budget | None = None,
    most: int = 4,
    embeds: bool = False,
    **options: Any,
) -> AsyncIterator[Wire]:
    """
    Args:
        reply: a hook, or what every request is answered with.
        url: somewhere else than the test endpoint.
        options: the endpoint's.
    """
    hook = reply if callable(reply) else lambda body, n: reply
    with Endpoint(reply=hook, **options) as endpoint:
        spec = parse(f"openai:{name}@{url or endpoint.url}")
        model = EmbeddingModel(spec) if embeds else OpenAIModel(spec)
        one = Wire(folder, endpoint, model, budget or Budget(), most)
        try:
            yield one
        finally:
            await model.close()
            if "store" in vars(one):
                one.store.close()


# --- what is sent, and what comes back -----------------------------------------------------------


async def test_an_answer_is_assembled_from_its_chunks(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        reply = await w.send()
        expected = scripted.answer(w.endpoint.chats[0])
    assert reply.text == expected
    assert len(expected.split()) > 10
    assert reply.finish_reason == "stop"
    assert reply.response["choices"][0]["message"] == {"role": "assistant", "content": expected}
    assert reply.response["model"] == "test"


async def test_an_answer_that_is_not_streamed_is_read_all_the_same(tmp_path: Path) -> None:
    async with wire(tmp_path, Fault("plain", text="All in one piece.")) as w:
        reply = await w.send()
    assert (reply.text, reply.finish_reason) == ("All in one piece.", "stop")
    assert reply.usage.source == "server"


async def test_every_request_is_streamed_and_limited_and_seeded(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        await w.send()
        (body,) = w.endpoint.chats
    assert (body["max_tokens"], body["seed"], body["temperature"]) == (60, 11, 0.7)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["messages"] == list(ASKED.messages)
    assert not {"grammar", "dry_multiplier", "response_format", "logprobs"} & set(body)


async def test_what_is_sent_is_the_body_to_the_letter(tmp_path: Path) -> None:
    schema = Schema("verdicts", {"type": "object", "properties": {}, "additionalProperties": False, "required": []})
    request = Request(ASKED.messages, 5, 0.0, 3, stop=("\n",), schema=schema, top_logprobs=2)
    async with wire(tmp_path, "{}") as w:
        body = w.model.body(request)
        await w.model.send(body)
        assert w.endpoint.chats == [body]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


async def test_openai_itself_gets_the_newer_name_for_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    model = OpenAIModel(parse("openai:gpt-4o-mini"))
    body = model.body(ASKED)
    await model.close()
    assert body["max_completion_tokens"] == 60
    assert "max_tokens" not in body


async def test_grammars_are_never_sent_to_other_peoples_servers(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        assert "grammar" not in w.model.body(Request(ASKED.messages, 5, 0.0, 3, grammar='root ::= "x"'))


async def test_log_probabilities_come_with_every_token(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        reply = await w.send(Request(ASKED.messages, 60, 0.0, 3, top_logprobs=2))
    assert "".join(token.text for token in reply.tokens) == reply.text
    assert {token.logprob for token in reply.tokens} == {faults.LOGPROB}
    assert all(token.rivals["other"] < token.rivals[token.text] for token in reply.tokens)


async def test_the_key_goes_into_the_header_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with wire(tmp_path) as w:
        await w.send()
        (received,) = w.endpoint.requests
    assert received.headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in json.dumps(received.body)


async def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    """The published code, 7: a fresh client for each request costs 44 ms of CPU."""
    async with wire(tmp_path) as w:
        for _ in range(5):
            await w.send()
        assert len(w.endpoint.requests) == 5
        assert w.endpoint.connections == 1


# --- usage -----------------------------------------------------------------------------------------


async def test_usage_is_what_the_server_says(tmp_path: Path) -> None:
    async with wire(tmp_path, cached_tokens=3) as w:
        reply = await w.send()
        assert w.endpoint.tokens == [(reply.usage.prompt_tokens, reply.usage.completion_tokens)]
    assert (reply.usage.cached_tokens, reply.usage.source) == (3, "server")
    assert reply.usage.completion_tokens == len(reply.text) // 4


async def test_without_usage_openais_models_are_counted_by_tiktoken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # given back afterwards, though the program sets it
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)  # no way out: the tables must come with the package
    tokens.encoding.cache_clear()
    async with wire(tmp_path, "antidisestablishmentarianism", name="gpt-4o-mini", usage=False) as w:
        reply = await w.send()
    tokens.encoding.cache_clear()
    assert reply.usage.source == "tiktoken"
    assert reply.usage.completion_tokens == 6  # o200k_base; characters / 4 would be 7
    assert reply.usage.prompt_tokens is not None
    assert reply.usage.prompt_tokens > 15


async def test_without_usage_other_models_are_estimated_and_said_to_be(tmp_path: Path) -> None:
    async with wire(tmp_path, "x" * 41, usage=False) as w:
        reply = await w.send()
    assert (reply.usage.completion_tokens, reply.usage.source) == (11, "estimate")
    assert reply.usage.cached_tokens is None


# --- faults ----------------------------------------------------------------------------------------

FAULTS = [
    ("429", status(429), Overloaded, "http-429", ATTEMPTS),
    ("500", status(500), Overloaded, "http-500", ATTEMPTS),
    ("503", status(503), Overloaded, "http-503", ATTEMPTS),
    ("408", status(408), Overloaded, "http-408", ATTEMPTS),
    ("409", status(409), Overloaded, "http-409", ATTEMPTS),
    ("401", status(401), Unreachable, "http-401", 1),
    ("403", status(403), Unreachable, "http-403", 1),
    ("no quota", status(429, code="insufficient_quota"), Unreachable, "no-quota", 1),
    ("404", status(404), Unreachable, "http-404", 1),
    ("400", status(400), WrongRequest, "http-400", 2),  # once more, as the bare text
    ("422", status(422), WrongRequest, "http-422", 2),
    ("context", too_long(), WrongRequest, "context-overflow", 1),
    ("needed parameter", unsupported("messages"), Refused, "unsupported", 1),
    ("reset in mid-stream", faults.RESET, Overloaded, "broken-stream", ATTEMPTS),
    ("no finish_reason", faults.NO_FINISH, Overloaded, "broken-stream", ATTEMPTS),
    ("error in stream", faults.ERROR_IN_STREAM, Overloaded, "broken-stream", ATTEMPTS),
    ("invalid chunk", faults.BAD_CHUNK, BadAnswer, "bad-answer", ATTEMPTS),
    ("html", faults.HTML, Unreachable, "bad-answer", 1),
    ("no choices", faults.NO_CHOICES, BadAnswer, "bad-answer", ATTEMPTS),
    ("empty body", raw(""), BadAnswer, "bad-answer", ATTEMPTS),
]


@pytest.mark.parametrize(("fault", "error", "kind", "requests"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
async def test_each_fault_has_its_name_and_is_tried_again_only_where_that_helps(
    tmp_path: Path, fault: Fault, error: type[ModelError], kind: str, requests: int
) -> None:
    async with wire(tmp_path, fault) as w:
        with pytest.raises(error) as caught:
            await w.ask()
        assert len(w.endpoint.requests) == requests
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)
    assert w.endpoint.url in str(caught.value)
    assert [row["attempt"] for row in w.calls] == list(range(1, requests + 1))
    assert w.errors == [kind] * requests
    assert all(row["response"] is None and row["prompt_tokens"] is None and row["cost_usd"] is None for row in w.calls)


async def test_a_server_that_does_not_answer_runs_into_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx2.Timeout(0.1, connect=5))
    async with wire(tmp_path, faults.HANG) as w:
        with pytest.raises(Overloaded, match="did not answer in time"):
            await w.ask()
        assert len(w.endpoint.requests) == ATTEMPTS
    assert w.errors == ["timeout"] * ATTEMPTS


SHAPES = [
    '[]', '5', 'null', '"x"', '{}', '{"choices": null}', '{"choices": [null]}', '{"choices": {"a": 1}}',
    '{"choices": "xy"}', '{"error": "no"}', '{"error": 5}', '{"error": {"message": {"a": 1}}}',
    '{"choices": [{"delta": "x", "message": "x", "finish_reason": "stop"}]}',
    '{"choices": [{"delta": {}, "message": null, "logprobs": "no", "finish_reason": "stop"}]}',
    '{"choices": [{"delta": {}, "message": {"content": [1]}, "logprobs": {"content": 5}, "finish_reason": "stop"}]}',
]  # fmt: skip


@pytest.mark.parametrize("form", [event, raw], ids=["streamed", "whole"])
async def test_json_of_a_shape_nobody_expects_is_one_of_our_errors(tmp_path: Path, form: Any) -> None:
    found = await outcomes(tmp_path, [form(payload) for payload in SHAPES])
    assert {s: found for s, found in zip(SHAPES, found, strict=True) if not isinstance(found, ModelError)} == {}


async def outcomes(folder: Path, answers: Sequence[str | Fault], **options: Any) -> list[Reply | Exception]:
    """What comes of each of these answers, all of one client."""
    async with wire(folder, lambda body, n: answers[n - 1], **options) as w:
        return [await outcome(w) for _ in answers]


async def outcome(w: Wire) -> Reply | Exception:
    try:
        return await w.send()
    except Exception as error:
        return error


def completion(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"} | choice]}


async def test_a_finish_reason_that_is_no_word_is_one_of_our_errors(tmp_path: Path) -> None:
    reasons = [{"a": 1}, 5, True, ["stop"]]
    found = await outcomes(tmp_path, [raw(json.dumps(completion(finish_reason=reason))) for reason in reasons])
    assert [type(one).__name__ for one in found] == ["BadAnswer"] * len(reasons)


def spoken(*pieces: str, key: str = "delta", last: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Chunks, each with a piece of a text, and a last one."""
    chunks = [{"index": 0, key: {"role": "assistant", "content": piece}, "finish_reason": None} for piece in pieces]
    chunks.append({"index": 0, key: {}, "finish_reason": "stop"} | (last or {}))
    return [{"id": "chatcmpl-1", "choices": [chunk]} for chunk in chunks]


async def texts_of(folder: Path, streams: Sequence[Sequence[dict[str, Any]]]) -> list[Any]:
    """The text of each of these streams, or what was raised."""
    faults = [raw("".join(f"data: {json.dumps(c)}\n\n" for c in chunks), "text/event-stream") for chunks in streams]
    return [getattr(found, "text", found) for found in await outcomes(folder, faults)]


CREW = "I run a ramp crew at the airport."


@pytest.mark.parametrize("key", ["delta", "message"])
async def test_chunks_that_hold_all_of_the_text_so_far_are_not_joined(tmp_path: Path, key: str) -> None:
    long = "a speech of many words " * 52
    sofar = {
        CREW: [CREW[:end] for end in (1, 5, 7, 17, 17, 33, 33)],
        "café 🙂 au": ["caf\ufffd", "café \ud83d", "café 🙂 au"],
        long[:-2]: [long[:end] for end in range(2, len(long), 2)],
    }
    assert await texts_of(tmp_path, [spoken("", *pieces, key=key) for pieces in sofar.values()]) == list(sofar)


async def test_pieces_that_are_alike_are_joined(tmp_path: Path) -> None:
    streams = [["ha", "ha", "ha"], ["no", "no", " ", "no"], ["1", "10", "2"], ["[", "[1", "]]"], ["I", "It", " is"]]
    assert await texts_of(tmp_path, [spoken(*pieces) for pieces in streams]) == ["".join(pieces) for pieces in streams]
    assert await texts_of(tmp_path, [spoken("I", " run", " a crew", key="message")]) == ["I run a crew"]
    assert await texts_of(tmp_path, [spoken("Yes.", "Yes.", key="message")]) == ["Yes."]


async def test_a_last_piece_that_holds_the_whole_text_again_is_not_joined_to_it(tmp_path: Path) -> None:
    pieces, again = [f" {word}" for word in CREW.split()], {"delta": {"role": "assistant", "content": CREW}}
    streams = [
        spoken(*pieces, last=again),
        [*spoken(*pieces), *spoken(last=again), *spoken(last=again)],
        [*spoken(*pieces), *spoken(last=again | {"finish_reason": None}), *spoken()],
        spoken(CREW + " " + CREW, last={"delta": {"content": CREW + " " + CREW}}),
        spoken('{"a":', ' "b c"}', last={"delta": {"content": '{"a": "b c"}'}}),
    ]
    assert await texts_of(tmp_path, streams) == [CREW, CREW, CREW, f"{CREW} {CREW}", '{"a": "b c"}']
    streams = [
        ["No way! ", "No way! "],
        ["so", " ", "so "],
        ["I don't know. ", "I don't know. "],
        ["A", "h", "Ah", "!"],
    ]
    assert await texts_of(tmp_path, [spoken(*said) for said in streams]) == ["".join(said).strip() for said in streams]


def as_from(chunks: Sequence[dict[str, Any]], name: str = "", *, roles: Sequence[int] = (0,)) -> list[dict[str, Any]]:
    """Chunks under an id, or each under one of its own; only some of them with a role."""
    made = []
    for number, chunk in enumerate(chunks):
        choice = chunk["choices"][0]
        delta = choice["delta"] if number in roles else choice["delta"] | {"role": None}
        made.append({"id": name or f"gen-{number}", "choices": [choice | {"delta": delta}]})
    return made


async def test_a_server_that_takes_over_begins_anew(tmp_path: Path) -> None:
    words = [f"{word} " for word in CREW.split()]
    whole, half = spoken("", *words), spoken("", *words)[:4]
    ends = spoken(last={"delta": {"role": "assistant", "content": ""}})
    streams = [
        [*as_from(half, "chatcmpl-1"), *as_from(whole, "gen-2")],
        [*as_from(half, "chatcmpl-1"), *as_from(half, "gen-2"), *as_from(spoken(*words), "gen-3")],
        as_from(whole),
        as_from(whole, roles=range(99)),
        as_from(whole, "chatcmpl-1", roles=range(99)),
        [*as_from(whole[:5], "chatcmpl-1"), *as_from(whole[5:], "gen-2", roles=())],
        [*as_from(whole[:-1], "chatcmpl-1"), *as_from(ends, "gen-2")],
        [*as_from(whole, "chatcmpl-1"), *as_from(spoken("")[:1], "gen-2")],
    ]
    assert await texts_of(tmp_path, streams) == [CREW] * len(streams)


USAGES = [
    "many", {"prompt_tokens": "5"}, {"prompt_tokens": None}, {"prompt_tokens": 5, "completion_tokens": "x"},
    {"prompt_tokens": 5, "prompt_tokens_details": [1]}, {"prompt_tokens": -5},
    {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": "x"}},
    {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}},
]  # fmt: skip


async def test_a_usage_that_makes_no_sense_costs_neither_the_answer_nor_the_count(tmp_path: Path) -> None:
    found = await outcomes(tmp_path, [raw(json.dumps(completion() | {"usage": usage})) for usage in USAGES])
    counts = [getattr(one, "usage", one) for one in found]
    assert [c for c in counts if not (isinstance(c, Usage) and sensible(c))] == []


def sensible(usage: Usage) -> bool:
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0)
    return all(type(count) is int and count >= 0 for count in counts) and counts[0] != 0


async def test_log_probabilities_that_make_no_sense_count_as_none(tmp_path: Path) -> None:
    contents = ["x", [1], [{}], [{"token": None}], [{"token": "x", "logprob": None}]]
    replies = await outcomes(tmp_path, [raw(json.dumps(completion(logprobs={"content": c}))) for c in contents])
    found: list[Any] = []
    for reply in replies:
        try:
            found.append(reply.tokens if isinstance(reply, Reply) else reply)
        except Exception as error:
            found.append(error)
    assert found == [[]] * len(contents)


async def test_an_answer_cut_off_or_filtered_says_so(tmp_path: Path) -> None:
    async with wire(tmp_path, lambda body, n: finish("length" if n == 1 else "content_filter", "Half a")) as w:
        cut, filtered = await w.send(), await w.send()
    assert (cut.text, cut.finish_reason) == ("Half a", "length")
    assert filtered.finish_reason == "content_filter"


async def test_a_finish_reason_may_give_a_detail(tmp_path: Path) -> None:
    endings = {
        "ERROR_TOXIC": "withheld", "harm_detected": "withheld", "error: no harm": "broke off",
        "content_filter: RECITATION": "withheld", "SAFETY: the answer was blocked (hate), 不安全": "withheld",
        "content_filter (SAFETY)": "withheld", "OTHER: SAFETY": "withheld", "content filter": "withheld",
        "stop: </s>": "ended", "stop: max_tokens was not reached": "ended", "FinishReason: STOP": "ended",
        "tool_calls: none": "ended", "length: no error": "cut-off", "MAX_TOKENS: 60": "cut-off",
        "odd: stop": "cut-off", "error: upstream": "broke off", "": "broke off", "stop\n": "no word",
        ": : :": "cut-off", "stop " + "x" * 300: "no word",
    }  # fmt: skip
    found = await outcomes(tmp_path, [raw(json.dumps(completion(finish_reason=reason))) for reason in endings])
    told = [getattr(one, "ending", str(one)) for one in found]
    assert [ending for ending, words in zip(endings.values(), told, strict=True) if ending not in words] == [], told


@pytest.mark.parametrize(("reason", "told"), [("unknown", 1), ("stop", 0), ("length", 0), ("content_filter", 0)])
async def test_a_word_that_ends_no_answer_is_told_once(tmp_path: Path, reason: str, told: int) -> None:
    async with wire(tmp_path, raw(json.dumps(completion(finish_reason=reason)))) as w:
        notices: list[str] = []
        w.ledger.notice = notices.append
        for subject in ("r.d1.t1", "r.d1.t2"):
            await w.ask(subject=subject)
    assert len(notices) == told, notices
    assert all(repr(reason) in notice for notice in notices)


@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "TOOL_CALLS", "FinishReason.TOOL_CALL", "tool_use"])
async def test_an_answer_that_calls_no_tool_has_ended_whatever_it_says(tmp_path: Path, reason: str) -> None:
    call = {"name": "look", "arguments": "{}"}
    messages: list[dict[str, Any]] = [
        {"content": "Fine.", "tool_calls": None, "function_call": None}, {"content": "Fine.", "tool_calls": []},
        {"content": "Fine.", "tool_calls": [{"index": 0, "function": call}]},
        {"content": "Fine.", "function_call": call}, {"content": ""},
    ]  # fmt: skip
    answers = [raw(json.dumps(completion(message=said, finish_reason=reason))) for said in messages]
    found = [getattr(reply, "ending", reply) for reply in await outcomes(tmp_path, answers)]
    assert found == ["ended", "ended", "cut-off", "cut-off", "cut-off"]


VERDICT = '{"verdicts": [{"id": 1, "faithful": "entail"}]}'


def calling(*pieces: str | dict[str, Any], said: str | None = None, reason: str = "tool_calls") -> list[dict[str, Any]]:
    """Chunks, each with a piece of calls of tools."""
    calls = [{"index": 0, "function": {"arguments": piece}} if isinstance(piece, str) else piece for piece in pieces]
    deltas = [{"role": "assistant", "content": said}, *({"tool_calls": [call]} for call in calls)]
    last = {"index": 0, "delta": {}, "finish_reason": reason}
    return [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas] + [{"choices": [last]}]


NAMED = {"index": 0, "id": "tooluse_1", "type": "function", "function": {"name": "json_tool_call", "arguments": ""}}
BARE = {"function": {"name": "json_tool_call", "arguments": VERDICT}}
CALLING: list[tuple[list[dict[str, Any]], str]] = [
    (calling(NAMED, VERDICT[:9], VERDICT[9:]), "ended"),
    (calling(NAMED, VERDICT[:9], VERDICT[9:], reason="stop"), "ended"),
    (calling(NAMED, VERDICT, reason="length"), "cut-off"),
    (calling(BARE, said="I call the tool now."), "ended"),
    (calling({"function": {"name": "x", "arguments": json.loads(VERDICT)}}, said=""), "ended"),
    ([completion(message={"content": None, "tool_calls": [BARE]}, finish_reason="tool_calls")], "ended"),
    ([completion(message={"content": "", "function_call": BARE["function"]}, finish_reason="function_call")], "ended"),
    ([*calling(NAMED, VERDICT), completion(message={"tool_calls": [BARE]}, finish_reason="tool_calls")], "ended"),
    ([{"choices": [{"index": n, "delta": {"tool_calls": [BARE]}, "finish_reason": "stop"}]} for n in (0, 1)], "ended"),
]
"""Answers whose JSON is the arguments of one call."""


@pytest.mark.parametrize(("chunks", "ending"), CALLING)
async def test_arguments_of_a_call_are_the_answer_only_where_json_was_asked_for(
    tmp_path: Path, chunks: list[dict[str, Any]], ending: str
) -> None:
    answer = raw("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "text/event-stream")
    async with wire(tmp_path, answer) as w:
        answered, spoken = await w.send(replace(ASKED, schema=Schema("verdicts", {}))), await w.send()
    assert (answered.text, answered.ending) == (VERDICT, ending)
    assert VERDICT not in spoken.text
    assert json.loads(spoken.response["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])


@pytest.mark.parametrize(
    "chunks",
    [
        calling(BARE, BARE),
        calling(NAMED, VERDICT, {"index": 1, "function": {"name": "look", "arguments": VERDICT}}),
        calling(NAMED, VERDICT, said='{"verdicts": []}'),
        calling(NAMED, " "),
        calling({"index": 0, "function": None}, said=None),
    ],
)
async def test_several_calls_or_json_beside_one_leave_the_content_alone(
    tmp_path: Path, chunks: list[dict[str, Any]]
) -> None:
    answer = raw("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "text/event-stream")
    async with wire(tmp_path, answer) as w:
        reply = await w.send(replace(ASKED, schema=Schema("verdicts", {})))
    assert VERDICT not in reply.text
    assert reply.cut_off


async def test_a_refusal_is_told_from_a_text(tmp_path: Path) -> None:
    async with wire(tmp_path, Fault("refusal", text="I would rather not.")) as w:
        reply = await w.send()
    assert (reply.text, reply.refusal) == ("", "I would rather not.")


@pytest.mark.parametrize("answer", ["", faults.NULL_CONTENT], ids=["empty", "null"])
async def test_an_empty_answer_is_an_answer(tmp_path: Path, answer: str | Fault) -> None:
    async with wire(tmp_path, answer) as w:
        reply = await w.send()
    assert (reply.text, reply.finish_reason) == ("", "stop")


async def test_what_no_text_column_can_hold_is_stored_as_it_came(tmp_path: Path) -> None:
    text = "NUL \0, half a pair \ud800, escape \x1b[31m, ünï 漢"
    async with wire(tmp_path, text) as w:
        reply = await w.ask()
        (row,) = w.calls
    assert reply.text == text
    assert row["response"].isascii()
    assert json.loads(row["response"])["choices"][0]["message"]["content"] == text


# --- every exception has its name ------------------------------------------------------------------


def offspring(cls: type[Exception]) -> set[type[Exception]]:
    return {cls}.union(*(offspring(child) for child in cls.__subclasses__()))


def exceptions() -> list[type[Exception]]:
    """All exception classes of the client library and of the HTTP library under it."""
    roots = offspring(openai.OpenAIError) | offspring(httpx2.HTTPError) | offspring(httpx2.StreamError)
    loners = {openai.InvalidWebhookSignatureError, httpx2.InvalidURL, httpx2.CookieConflict}
    theirs = (cls for cls in roots | loners if cls.__module__.partition(".")[0] in ("openai", "httpx2"))
    return sorted(theirs, key=lambda cls: cls.__qualname__)


def test_no_exception_is_forgotten() -> None:
    public = {cls for _, cls in inspect.getmembers(httpx2, inspect.isclass) if issubclass(cls, Exception)}
    public |= {getattr(openai, name) for name in openai.__all__ if name.endswith("Error")}
    assert public <= set(exceptions())
    assert len(public) > 35


def made(cls: type[Exception]) -> Exception:
    """One of them, with what its signature asks for."""
    request = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
    code = getattr(cls, "status_code", 418)
    given: dict[str, Any] = {
        "message": "said",
        "request": request,
        "response": httpx2.Response(code if isinstance(code, int) else 418, request=request),
        "body": None,
        "completion": openai.types.chat.ChatCompletion.model_construct(usage=None),
        "unsent_messages": [],
    }
    wanted = list(inspect.signature(cls.__init__).parameters.values())[1:]
    needed = [p for p in wanted if p.name in given or (p.default is p.empty and "VAR" not in p.kind.name)]
    before = [given.get(p.name, "said") for p in needed if p.kind is not p.KEYWORD_ONLY]
    return cls(*before, **{p.name: given.get(p.name, "said") for p in needed if p.kind is p.KEYWORD_ONLY})


def test_every_exception_of_the_libraries_has_a_name_of_ours() -> None:
    for error in map(made, exceptions()):
        mapped = map_error(error, NOWHERE, {})
        assert isinstance(mapped, (BadAnswer, Overloaded, Unreachable, WrongRequest)), error
        assert mapped.kind != ModelError.kind
        assert NOWHERE in str(mapped)


async def test_no_exception_of_the_libraries_gets_past_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised while the stream is read: the one place where the library wraps nothing for us."""
    raised = [made(cls) for cls in exceptions() if cls not in (httpx2.CookieConflict, httpx2.InvalidURL)]
    errors = iter(raised)

    async def fails(*_: Any) -> Any:
        raise next(errors)

    monkeypatch.setattr("culturepark.models.client.assemble", fails)
    found = await outcomes(tmp_path, ["Never read."] * len(raised))
    assert [repr(error) for error in found if not isinstance(error, ModelError)] == []


def test_an_error_keeps_to_one_short_printable_line() -> None:
    page = openai.APIError("<html>\n\x1b[31m" + "x" * 5000, httpx2.Request("POST", "http://x"), body=None)
    said = str(map_error(page, NOWHERE, {}))
    assert len(said) < 300
    assert said.isprintable()


# --- trying again ----------------------------------------------------------------------------------


async def test_a_request_that_failed_twice_goes_through_and_all_three_are_logged(tmp_path: Path) -> None:
    async with wire(tmp_path, lambda body, n: status(503) if n < 3 else "Here I am.") as w:
        reply = await w.ask()
    assert reply.text == "Here I am."
    assert [row["id"] for row in w.calls] == ["r.d1.t1.c1", "r.d1.t1.c2", "r.d1.t1.c3"]
    assert w.errors == ["http-503", "http-503", ""]
    assert reply.call_id == "r.d1.t1.c3"
    assert len({row["request"] for row in w.calls}) == 1


@pytest.mark.parametrize("fault", [faults.DROP, faults.RESET], ids=["before", "within"])
async def test_a_connection_lost_before_or_within_the_answer_is_made_again(tmp_path: Path, fault: Fault) -> None:
    async with wire(tmp_path, lambda body, n: fault if n < 3 else "Here I am.") as w:
        assert (await w.ask()).text == "Here I am."
        assert len(w.endpoint.requests) == 3


async def test_the_client_library_tries_nothing_again_on_its_own(tmp_path: Path) -> None:
    async with wire(tmp_path, status(503)) as w:
        with pytest.raises(Overloaded):
            await w.send()
        assert len(w.endpoint.requests) == 1


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime.now(UTC)
    assert wait_of({"retry-after": "7"}) == 7
    assert wait_of({"retry-after": "0.5"}) == 0.5
    soon = wait_of({"retry-after": format_datetime(now + timedelta(seconds=3600), usegmt=True)})
    assert soon is not None
    assert 3000 < soon <= 3600
    assert wait_of({"retry-after": format_datetime(now - timedelta(hours=1), usegmt=True)}) == 0
    assert wait_of({"retry-after": "-3"}) == 0
    assert wait_of({"retry-after": "when it suits you"}) is None
    assert wait_of({"retry-after": "Mon, 1 Jan 99999999999999 0:0:0 GMT"}) is None
    assert wait_of({}) is None


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_the_servers_wish_to_wait_is_heard(tmp_path: Path, form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    async with wire(tmp_path, status(429, headers={"Retry-After": "3600" if form == "seconds" else date})) as w:
        with pytest.raises(Overloaded) as caught:
            await w.send()
    assert caught.value.retry_after is not None
    assert 3000 < caught.value.retry_after <= 3600
    assert 3000 < pause_before(2, caught.value) <= 3601


async def test_an_endpoint_that_wants_a_long_rest_stops_the_run_at_once(tmp_path: Path) -> None:
    async with wire(tmp_path, status(429, headers={"Retry-After": "3600"})) as w:
        with pytest.raises(Unreachable, match="left alone for 3,600 s"):
            await w.ask()
    assert w.errors == ["http-429"]


def test_without_a_wish_pauses_grow_up_to_a_limit() -> None:
    error = Overloaded("busy")
    assert all(0 <= pause_before(2, error) <= 1 for _ in range(50))
    assert all(0 <= pause_before(30, error) <= ledger.LONGEST_PAUSE for _ in range(50))
    assert max(pause_before(5, error) for _ in range(200)) > 1


@pytest.mark.parametrize("kind", sorted(ledger.BUSY))
def test_an_endpoint_with_too_much_to_do_is_left_alone_for_a_quarter_of_a_minute(kind: str) -> None:
    error = Overloaded("busy", kind=kind)
    for _ in range(200):
        pauses = [pause_before(attempt, error) for attempt in range(2, ATTEMPTS + 1)]
        assert sum(pauses) >= 15
        assert max(pauses) <= 16


@pytest.mark.parametrize("param", ["seed", "stop", "temperature", "stream_options", "logprobs"])
async def test_a_parameter_the_model_does_not_take_is_left_out(tmp_path: Path, param: str) -> None:
    request = Request(ASKED.messages, 60, 0.7, 11, stop=("\n",), schema=Schema("x", {}), top_logprobs=1)
    async with wire(tmp_path, lambda body, n: unsupported(param) if param in body else "Without it, then.") as w:
        assert (await w.ask(request)).text == "Without it, then."
        await w.ask(request, "r.d1.t2")
        assert [param in body for body in w.endpoint.chats] == [True, False, False]
    assert w.errors == ["unsupported", "", ""]


async def test_several_parameters_are_left_out_one_after_the_other(tmp_path: Path) -> None:
    def picky(body: dict[str, Any], n: int) -> str | Fault:
        return next((unsupported(param) for param in ("temperature", "seed") if param in body), "Now.")

    async with wire(tmp_path, picky) as w:
        assert (await w.ask()).text == "Now."
        assert len(w.endpoint.requests) == 3


async def test_a_parameter_is_left_out_even_if_the_server_speaks_of_a_context(tmp_path: Path) -> None:
    refusal = status(400, "'seed' cannot be used in this context", param="seed", code="unsupported_parameter")
    async with wire(tmp_path, lambda body, n: refusal if "seed" in body else "Without it, then.") as w:
        assert (await w.ask()).text == "Without it, then."


async def test_an_endpoint_that_fails_three_requests_in_a_row_counts_as_down(tmp_path: Path) -> None:
    async with wire(tmp_path, status(500)) as w:
        for number, error in ((1, Overloaded), (2, Overloaded), (3, Unreachable)):
            with pytest.raises(error):
                await w.ask(subject=f"r.d{number}")
        assert len(w.endpoint.requests) == 3 * ATTEMPTS


async def test_a_success_in_between_shows_that_the_endpoint_is_up(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        for number in range(4):
            w.endpoint.reply = lambda body, n: status(500)
            with pytest.raises(Overloaded):
                await w.ask(subject=f"r.d{number}")
            w.endpoint.reply = None
            await w.ask(subject=f"r.d{number}")


async def test_where_nobody_listens_on_this_machine_is_unreachable_after_one_short_wait(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but not listened to
        async with wire(tmp_path, url=f"http://127.0.0.1:{closed.getsockname()[1]}/v1") as w:
            with pytest.raises(Unreachable, match="no connection to") as caught:
                await w.ask()
    assert caught.value.exit_code == 3
    assert w.errors == ["no-connection"] * 2


async def test_a_name_that_does_not_exist_is_unreachable_after_one_short_wait(tmp_path: Path) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    async with wire(tmp_path, url="http://nowhere.invalid/v1") as w:
        lookup = mock.patch("asyncio.base_events.BaseEventLoop.getaddrinfo", side_effect=unknown)
        with lookup, pytest.raises(Unreachable, match=r"no address is known for nowhere\.invalid"):
            await w.ask()
    assert w.errors == ["no-connection"] * 2


async def test_a_resolver_that_fails_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    busy = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    async with wire(tmp_path, url="http://nowhere.invalid/v1") as w:
        lookup = mock.patch("asyncio.base_events.BaseEventLoop.getaddrinfo", side_effect=busy)
        with lookup, pytest.raises(Unreachable):
            await w.ask()
    assert w.errors == ["no-connection"] * ATTEMPTS


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://h:8000", " (most base URLs end in /v1)"),
        ("http://h:8000/v1/chat", " (a base URL ends before /chat/completions)"),
        ("http://h:8000/v1", ""),
    ],
)
def test_a_page_says_what_is_wrong_with_the_url(url: str, hint: str) -> None:
    told = str(map_error(Page("a page, not JSON: <html>"), url, {}))
    assert told == f"{url} answered outside the protocol: a page, not JSON: <html>{hint}"


async def test_a_page_after_answers_came_is_a_fault_that_passes(tmp_path: Path) -> None:
    async with wire(tmp_path, lambda body, n: faults.HTML if n == 2 else None) as w:
        await w.ask(subject="r.d1")
        await w.ask(subject="r.d2")
    assert w.errors == ["", "bad-answer", ""]


async def test_a_page_after_the_run_has_had_answers_in_another_process_is_a_fault_that_passes(tmp_path: Path) -> None:
    async with wire(tmp_path, lambda body, n: faults.HTML if n == 1 else None, budget=Budget(tokens=5)) as w:
        await w.ask()
    assert w.errors == ["bad-answer", ""]


# --- how many at once ------------------------------------------------------------------------------


async def test_requests_overlap_up_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    async with wire(tmp_path, most=3, latency=0.03) as w:
        await asyncio.gather(*(w.ask(subject=f"r.d{n}") for n in range(9)))
        assert w.endpoint.most_in_flight == 3
        assert len(w.endpoint.requests) == 9


# --- the call log ----------------------------------------------------------------------------------


async def test_a_call_row_holds_the_request_and_the_answer_whole(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        reply = await w.ask()
        (row,) = w.calls
        assert json.loads(row["request"]) == w.endpoint.chats[0]
    assert json.loads(row["response"]) == reply.response
    assert (row["model"], row["endpoint"], row["seed"]) == ("test", w.endpoint.url, 11)
    assert (row["stage"], row["subject_id"], row["prompt_digest"]) == ("dialogue", "r.d1.t1", "d")
    assert (row["prompt_tokens"], row["completion_tokens"]) == w.endpoint.tokens[0]
    assert (row["finish_reason"], row["tokens_from"], row["error"]) == ("stop", "server", None)


async def test_a_call_has_its_row_while_it_is_under_way(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    async with wire(tmp_path) as w:
        w.endpoint.reply = lambda body, n: seen.extend(w.calls)
        await w.ask()
    assert [(row["id"], row["response"], row["error"]) for row in seen] == [("r.d1.t1.c1", None, None)]


async def test_a_cancelled_call_says_so_in_its_row(tmp_path: Path) -> None:
    async with wire(tmp_path, faults.HANG) as w:
        task = asyncio.create_task(w.ask())
        while not w.endpoint.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert w.errors == ["cancelled"]


@pytest.mark.parametrize("form", ["answered", "refused", "echoed"])
async def test_no_row_and_no_error_holds_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    # Some endpoints repeat in their error what they were sent.
    message = f"Incorrect API key provided: {CANARY}" if form == "echoed" else "Incorrect API key provided"
    said = ""
    async with wire(tmp_path, None if form == "answered" else status(401, message)) as w:
        try:
            await w.ask()
        except ModelError as error:
            said = str(error)
        assert CANARY in w.endpoint.requests[0].headers["authorization"]
    assert w.errors == ["" if form == "answered" else "http-401"]
    assert CANARY not in said
    assert CANARY not in w.dump()


@pytest.mark.parametrize("ending", ["\n", "\u00e9"], ids=["newline", "accent"])
async def test_a_key_that_no_header_can_hold_is_not_told_to_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """A key read from a file often ends in a newline: it works, or the error says so without showing the key."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY + ending)
    told = []
    try:
        async with wire(tmp_path) as w:
            try:
                await w.ask()
            finally:
                told.append(w.dump())
    except CultureparkError as error:
        told.append(str(error))
    assert told
    assert CANARY not in "".join(told)


async def test_a_password_in_the_base_url_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OPENAI_BASE_URL` becomes the endpoint column of every call; in a spec the same URL is refused."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:s3cret@127.0.0.1:9/v1")
    with pytest.raises(UsageError) as caught:
        await OpenAIModel(parse("openai:test")).close()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "nonsense", "ftp://127.0.0.1/v1"])
async def test_a_wrong_base_url_of_the_environment_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(UsageError, match="OPENAI_BASE_URL"):
        await OpenAIModel(parse("openai:test")).close()


# --- nothing is asked twice ------------------------------------------------------------------------


async def test_an_answered_call_is_never_sent_again(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        first, again = await w.ask(), await w.ask()
        w.restart()
        later = await w.ask()
        assert len(w.endpoint.requests) == 1
        assert len(w.calls) == 1
    assert first == again == later


async def test_another_subject_or_another_seed_is_another_call(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        await w.ask()
        await w.ask(subject="r.d2.t1")
        await w.ask(Request(ASKED.messages, 60, 0.7, 12))
        assert len(w.endpoint.requests) == 3


async def test_a_failed_call_is_sent_again_and_numbered_on(tmp_path: Path) -> None:
    async with wire(tmp_path, lambda body, n: status(404) if n == 1 else None) as w:
        with pytest.raises(Unreachable):
            await w.ask()
        w.restart()
        assert (await w.ask()).call_id == "r.d1.t1.c2"


async def test_after_a_halt_nothing_more_is_asked(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        w.ledger.halt(Interrupted("stopped"))
        with pytest.raises(Interrupted):
            await w.ask()
        assert w.endpoint.requests == []
        assert w.calls == []


# --- money -----------------------------------------------------------------------------------------


def price_file(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """US dollars a million: prompt 1000, cached prompt 100, completion 2000."""
    path = folder / "prices.toml"
    path.write_text(f'[[price]]\nendpoint = "{url}/"\n[price.models]\n"test" = [1000, 100, 2000]\n', "utf-8")
    monkeypatch.setenv("CULTUREPARK_PRICES", str(path))
    prices.table.cache_clear()


async def test_a_budget_of_tokens_stops_before_the_next_call(tmp_path: Path) -> None:
    async with wire(tmp_path, budget=Budget(max_tokens=10)) as w:
        reply = await w.ask()
        with pytest.raises(BudgetReached, match="10 tokens"):
            await w.ask(subject="r.d1.t2")
        assert len(w.endpoint.requests) == 1
        assert len(w.calls) == 1
        assert w.budget.tokens == reply.usage.total == w.store.spent("r").tokens


async def test_a_budget_of_money_stops_before_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(tmp_path, budget=Budget(max_cost_usd=0.01), cached_tokens=4) as w:
        price_file(tmp_path, monkeypatch, w.endpoint.url)
        await w.ask()
        with pytest.raises(BudgetReached, match=r"\$0\.01"):
            await w.ask(subject="r.d1.t2")
        ((prompt, completion),) = w.endpoint.tokens
        (row,) = w.calls
        assert row["cost_usd"] == pytest.approx(((prompt - 4) * 1000 + 4 * 100 + completion * 2000) / 1e6)
        assert w.budget.cost_usd == pytest.approx(row["cost_usd"])
        assert w.store.spent("r").cost_usd == pytest.approx(row["cost_usd"])


async def test_an_answer_from_the_memo_is_free_even_when_the_budget_is_spent(tmp_path: Path) -> None:
    async with wire(tmp_path, budget=Budget(max_tokens=10)) as w:
        first = await w.ask()
        assert await w.ask() == first
        assert w.budget.tokens == first.usage.total


async def test_an_unknown_price_is_none_and_never_zero(tmp_path: Path) -> None:
    async with wire(tmp_path, budget=Budget(max_cost_usd=0.01)) as w:
        await w.ask()
        (row,) = w.calls
        assert row["cost_usd"] is None
        assert w.budget.cost_usd is None
        assert w.store.spent("r").cost_usd is None


def test_a_dated_version_costs_what_its_family_does() -> None:
    family = prices.price(client.OPENAI_URL, "gpt-4o-mini")
    assert family is not None
    assert prices.price(client.OPENAI_URL, "gpt-4o-mini-2024-07-18") == family
    assert prices.price(client.OPENAI_URL, "gpt-4o-mini-of-mine") is None
    assert prices.price(NOWHERE, "gpt-4o-mini") is None


def test_more_cached_than_sent_is_never_a_gain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    price_file(tmp_path, monkeypatch, NOWHERE)
    assert prices.cost(NOWHERE, "test", Usage(10, 99, 0, "server")) == pytest.approx(0.001)
    assert prices.cost(NOWHERE, "test", Usage()) is None


@pytest.mark.parametrize(
    "text", ["no toml", "[[price]]\n", 'price = "x"', "[[price]]\nendpoint=1\nmodels={x=[1,2,3]}", None]
)
def test_a_wrong_price_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text, "utf-8")
    monkeypatch.setenv("CULTUREPARK_PRICES", str(path))
    prices.table.cache_clear()
    with pytest.raises(UsageError, match=r"mine\.toml"):
        prices.price(NOWHERE, "test")


# --- embeddings ------------------------------------------------------------------------------------


async def test_embeddings_go_through_the_same_log(tmp_path: Path) -> None:
    texts = ["bread and salt", "tea at the door", "bread and salt"]
    async with wire(tmp_path, embeds=True) as w:
        vectors = await Embedder(lambda request: w.ask(request, "r")).embed(texts)
        (received,) = w.endpoint.requests
        (row,) = w.calls
        assert (row["prompt_tokens"], row["completion_tokens"]) == w.endpoint.tokens[0]
    assert (received.path, received.body["input"]) == ("/v1/embeddings", texts)
    assert vectors.shape == (3, 256)
    assert vectors[0] @ vectors[2] == pytest.approx(1)
    assert vectors[0] @ vectors[1] < 0.5


def vectors(*two: Any, **more: Any) -> Fault:
    """An answer to two texts."""
    return raw(json.dumps({"data": [{"index": i, "embedding": v} for i, v in enumerate(two)]} | more))


async def test_vectors_that_are_none_are_a_bad_answer(tmp_path: Path) -> None:
    wrong = ["AAAA", ["a", "b"], {"a": 1}, [], None, [None], [[1]], [float("nan")], [float("inf")], [1, 1e60]]
    answers = [raw("[]"), raw("{}"), raw("<html>"), raw('{"data": [null, null]}'), vectors(), vectors([1, 2])]
    answers += [vectors(one, one) for one in wrong] + [vectors([1, 2], [1])]
    found = await outcomes(tmp_path, answers, embeds=True)
    assert {a.text: one for a, one in zip(answers, found, strict=True) if not isinstance(one, BadAnswer)} == {}


async def test_vectors_with_a_usage_that_makes_no_sense_are_vectors(tmp_path: Path) -> None:
    (reply,) = await outcomes(tmp_path, [vectors([1, 2], [2, 1], usage=5)], embeds=True)
    assert isinstance(reply, Reply), reply
    assert [row["embedding"] for row in reply.response["data"]] == [[1, 2], [2, 1]]


# --- specs -----------------------------------------------------------------------------------------

SPECS = [
    "embedded", "scripted", "gguf:models/tiny.gguf", "hf:org/name/file.gguf", "hf:org/name/file.gguf@main",
    "openai:gpt-4o-mini", "openai:gpt-4o-mini@http://localhost:8000/v1", "openai:org/name@https://example.org/v1",
    "openai:qwen2.5:7b@http://[::1]:11434/v1",
]  # fmt: skip
WRONG_SPECS = [
    "", "gpt-4o", "openai", "openai:", "openai:@http://localhost/v1", "openai:x@", "openai:x@localhost:8000",
    "openai:x@ftp://localhost/v1", "openai:x@http://", "openai:x@http://localhost:99999/v1", "gguf:", "hf:",
    "openai:x@http://[::1/v1", "openai:x@http://localhost:0/v1", "hf:org/name", "hf:org/name/file.bin", "embedded:x",
    "Scripted", "minilm", "openai:x@http://ho\nst/v1", "openai:x@http://lo cal/v1",
]  # fmt: skip


@pytest.mark.parametrize("text", SPECS)
def test_a_spec_is_read_and_written_back_as_it_was(text: str) -> None:
    assert str(parse(text)) == text


def test_the_parts_of_a_spec_are_told_apart() -> None:
    spec = parse("openai:org/name:7b@https://example.org:8443/v1/")
    assert (spec.kind, spec.name, spec.where) == ("openai", "org/name:7b", "https://example.org:8443/v1")
    assert not spec.local
    assert parse("hf:org/name/file.gguf@abc").where == "abc"
    assert parse("embedded").local


@pytest.mark.parametrize("text", WRONG_SPECS)
def test_a_wrong_spec_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "url",
    ["http://me:s3cret@host/v1", "http://s3cret@host/v1", "http://host/v1?key=s3cret", "http://host/v1#s3cret"],
)
def test_a_secret_in_a_base_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as caught:
        parse(f"openai:x@{url}")
    assert "s3cret" not in str(caught.value)


def test_each_role_can_have_a_model_of_its_own() -> None:
    specs = parse_roles("scripted", ["verifier=openai:judge@http://localhost/v1", "embedder=lexical"])
    assert str(specs["speaker"]) == str(specs["extractor"]) == "scripted"
    assert specs["verifier"].name == "judge"
    assert specs["embedder"].kind == "lexical"
    assert parse_roles(None, [])["speaker"].kind == "embedded"
    assert parse_roles(f"openai:x@{NOWHERE}", [])["embedder"].kind == "e5"


@pytest.mark.parametrize("role", ["verifier", "cook=scripted", "=scripted", "verifier=", "embedder=scripted"])
def test_a_wrong_role_is_a_usage_error(role: str) -> None:
    with pytest.raises(UsageError):
        parse_roles("scripted", [role])


@pytest.mark.parametrize("key", [None, ""])
def test_openai_itself_without_a_key_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        OpenAIModel(parse("openai:gpt-4o-mini"))


async def test_any_other_endpoint_needs_no_key(tmp_path: Path) -> None:
    async with wire(tmp_path) as w:
        assert (await w.send()).text
