"""Whole runs through the command line against a local endpoint: what is kept, what fails, and what a resume does."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog.surveys import load_items
from culturepark.cli.app import explain, run
from culturepark.distill.ask import Asker
from culturepark.domain import JsonObject
from culturepark.models import scripted
from culturepark.models.chat import ChatModel
from culturepark.models.ledger import ATTEMPTS, Ledger
from culturepark.models.pace import Pace
from culturepark.models.prices import table as price_table
from culturepark.run.pipeline import GATES
from culturepark.store import lineage
from culturepark.store.store import Store
from tests.support.endpoint import NULL_CONTENT, RESET, Endpoint, Fault, Hook, finish, raw, status, too_long
from tests.support.fakes import mined
from tests.support.processes import Forked

ROOT = Path(__file__).parents[2]
CANARY = "sk-canary-0123456789"
GUESTS = "What do you do when a guest arrives without notice?"
MONEY = "Whom do you ask when you are short of money?"
JOBS = "wvs7/Q33"
ITEMS = tuple(f"wvs7/Q{n}" for n in range(27, 42))
"""All asked in Turkey. Many cases go into one run, each into the dialogue about an item of its own."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, and no key, no proxy, no pauses, whatever the machine has."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CULTUREPARK_PRICES", "CULTUREPARK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CULTUREPARK_STORE", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setattr("culturepark.models.ledger.pause_before", lambda attempt, error: 0.0)
    return tmp_path / "runs.db"


def culturepark(*arguments: str) -> int:
    """One command, as `main` does it; its exit code."""
    try:
        return run(list(arguments))
    except Exception as error:
        return explain(error)


def simulate(scenario: str | Path, endpoint: Endpoint, *more: str) -> int:
    return culturepark(
        "simulate", str(scenario), "--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", *more
    )


def scenario(folder: Path, *seeds: str, turns: int = 4, mine: str = "delegate") -> Path:
    """One culture; each seed a question or a survey item; so many persona turns, of which these roles' are mined."""
    entries = [f"survey: {s}" if "/" in s else f"{{key: q{n}, question: '{s}'}}" for n, s in enumerate(seeds, 1)]
    lines = ["name: small", "title: Small", "setting: cross-cultural", "cultures: [turkish]", "protocol: free-chat"]
    lines += [f"max_turns: {turns}", f"mine: [{mine}]", "seeds:", *(f"  - {entry}" for entry in entries)]
    path = folder / "small.yaml"
    path.write_text("\n".join(lines), "utf-8")
    return path


def rows(store: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query, values).fetchall()


def only(store: Path, query: str) -> Any:
    """The one value that the query gives."""
    ((value,),) = rows(store, query)
    return value


def contents(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, but for times, durations and call attempts."""
    volatile = {"created_at", "finished_at", "started_at", "duration_ms", "attempt"}
    found = {}
    what = "type IN ('table', 'view') AND name NOT IN ('call_log', 'piece', 'tally')"  # the last holds times, too
    for (table,) in rows(store, f"SELECT name FROM sqlite_master WHERE {what}"):
        columns = [row[1] for row in rows(store, f"PRAGMA table_info({table})") if row[1] not in volatile]
        found[table] = sorted(rows(store, f'SELECT {", ".join(columns)} FROM "{table}"'), key=repr)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wants(body: JsonObject) -> str:
    """What a request is for: `speech`, `follow-up`, `statements`, `verdicts`, `rewording`, `rows`."""
    if "response_format" in body:
        return str(body["response_format"]["json_schema"]["name"])
    return "follow-up" if body["messages"][0]["content"].startswith("You moderate") else "speech"


def material(body: JsonObject) -> JsonObject:
    found: JsonObject = json.loads(body["messages"][-1]["content"])
    return found


@cache
def questions() -> list[str]:
    items = load_items([])
    return [items[key].question for key in ITEMS]


def case(body: JsonObject) -> int:
    """Which of the items a request is about; 0 for the first. Rows are judged without their talk, so of them not."""
    if "response_format" in body:
        return questions().index(material(body)["question"])
    return next(n for n, question in enumerate(questions()) if question in body["messages"][0]["content"])


# --- a run that goes well ----------------------------------------------------------------------------


def test_the_quickstart_keeps_samples_and_every_sample_is_traced(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint() as endpoint:
        model = f"openai:test@{endpoint.url}"
        code = culturepark("simulate", "quickstart", "--model", model, "--role", f"embedder={model}", "--json")
        assert code == 0
        stats = json.loads(capsys.readouterr().out)
        assert stats["calls"]["total"] == len(endpoint.requests)
        assert stats["tokens"]["prompt"] == sum(prompt for prompt, _ in endpoint.tokens)
        assert stats["tokens"]["completion"] == sum(completion for _, completion in endpoint.tokens)
    kept = [row[0] for row in rows(store, "SELECT id FROM sample WHERE status = 'kept'")]
    assert stats["samples"]["kept"] == len(kept) > 5
    assert stats["cost_usd"] is None
    assert culturepark("trace", kept[0]) == 0
    assert kept[0].rpartition(".x")[0] in capsys.readouterr().out
    opened = Store(f"sqlite:///{store}")
    for sample_id in kept:
        trace = lineage.trace_statement(opened, sample_id).as_json()
        statement, turn = trace["statement"], trace["turn"]
        assert turn["text"][statement["quote_start"] : statement["quote_end"]] == statement["quote"]
        assert turn["text"] in trace["calls"]["turn"]["response"]["choices"][0]["message"]["content"]
        assert trace["calls"]["statement"]["stage"] == ("verify" if trace["rewritten_from"] else "extract")
        assert trace["persona"]["key"] == turn["speaker"] == statement["persona_key"]
        assert trace["survey_item"]["key"] == JOBS
        assert {one["decision"] for one in trace["verdicts"] if one["criterion"] in GATES} == {"keep"}
        assert {one["criterion"] for one in trace["verdicts"]} >= {"faithful", "stands-alone", "distinctive"}
        assert {call["stage"] for call in trace["calls"]["verdicts"]} == {"verify"}
        said = trace["sample"]["messages"][-1]["content"]
        if sample_id.endswith(".x1") and trace["sample"]["kind"] == "survey":  # it may do without a reason
            continue
        assert statement["first_person"] in said
    opened.close()


def test_a_large_model_is_asked_for_no_log_probabilities_and_its_verdicts_count_without(
    store: Path, tmp_path: Path
) -> None:
    with Endpoint() as endpoint:
        assert simulate(scenario(tmp_path, JOBS), endpoint) == 0
        assert not any("logprobs" in body or "top_logprobs" in body for body in endpoint.chats)
    verdicts = rows(store, "SELECT confidence, decision FROM verdict")
    assert {confidence for confidence, _ in verdicts} == {None}
    assert "keep" in {decision for _, decision in verdicts}


def test_dialogues_overlap_up_to_the_limit(tmp_path: Path) -> None:
    with Endpoint(latency=0.02) as endpoint:
        path = scenario(tmp_path, GUESTS)
        assert simulate(path, endpoint, "--dialogues", "3", "--concurrency", "2", "--until", "dialogue") == 0
        assert endpoint.most_in_flight == 2


def test_a_busy_endpoint_costs_attempts_but_no_turn(store: Path, tmp_path: Path) -> None:
    busy = status(429, headers={"Retry-After": "0"})
    with Endpoint(reply=lambda body, n: (busy, None, RESET)[n % 3]) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint, "--until", "dialogue") == 0
    assert only(store, "SELECT count(*) FROM turn WHERE role != 'moderator'") == 4
    errors = Counter(row[0] for row in rows(store, "SELECT substr(error, 1, 8) FROM call WHERE error IS NOT NULL"))
    assert set(errors) == {"http-429", "broken-s"}


def test_an_endpoint_of_the_environment_without_a_known_price_is_said_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The price of OpenAI's own endpoint says nothing about another that `OPENAI_BASE_URL` names."""
    with Endpoint() as endpoint:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        limits = ("--max-cost", "0.50", "--until", "dialogue")
        assert culturepark("simulate", str(scenario(tmp_path, GUESTS)), "--model", "openai:gpt-4o-mini", *limits) == 0
        assert endpoint.requests
    assert "no price is known for openai:gpt-4o-mini" in capsys.readouterr().err


# --- failures and resumes ----------------------------------------------------------------------------


def test_a_dialogue_fails_alone_and_a_resume_asks_for_it_alone(store: Path, tmp_path: Path) -> None:
    faults = [None, too_long(), status(500), RESET]

    def fault(body: JsonObject, _: int) -> Fault | None:
        return None if wants(body) == "rows" else faults[case(body)]  # rows are those of the dialogue that went well

    with Endpoint(reply=fault) as endpoint:
        assert simulate(scenario(tmp_path, *ITEMS[:4]), endpoint) == 1
        states = rows(store, "SELECT status, stop_reason FROM dialogue ORDER BY number")
        kinds = ("context-overflow", "http-500", "broken-stream")
        assert states == [("done", "completed"), *(("failed", kind) for kind in kinds)]
        assert all(endpoint.url in row[0] for row in rows(store, "SELECT error FROM dialogue WHERE number > 1"))
        assert only(store, "SELECT count(*) FROM sample WHERE status = 'kept'") > 0
        asked = Counter(case(body) for body in endpoint.chats if wants(body) != "rows")
        assert [asked[number] for number in (1, 2, 3)] == [1, ATTEMPTS, ATTEMPTS]
        endpoint.requests.clear()
        endpoint.reply = None
        assert culturepark("resume", "last") == 0
        assert {case(body) for body in endpoint.chats if wants(body) != "rows"} == {1, 2, 3}
    assert rows(store, "SELECT DISTINCT status, error FROM dialogue") == [("done", None)]
    assert only(store, "SELECT status FROM run") == "done"


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"prompt_tokens": 2**62, "completion_tokens": 10**30}},
        {"usage": {"prompt_tokens": 3 * 10**9, "completion_tokens": 1}},
    ],
    ids=["beyond a column", "beyond sense"],
)
def test_counts_that_no_call_can_have_are_taken_for_none(store: Path, tmp_path: Path, odd: JsonObject) -> None:
    def reply(body: JsonObject, number: int) -> Fault:
        message = {"role": "assistant", "content": scripted.answer(body)}
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **odd}
        return raw(json.dumps(whole))

    with Endpoint(reply=reply) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint, "--run-id", "r") == 0
    assert rows(store, "SELECT DISTINCT tokens_from FROM call WHERE stage != 'dedup'") == [("estimate",)]
    assert culturepark("stats", "r") == 0


@pytest.mark.parametrize("word", ["\\ud800", "\\u0000", "x" * 41, "two words"])
@pytest.mark.sampled
def test_a_reason_to_end_that_is_no_word_is_no_answer(store: Path, tmp_path: Path, word: str) -> None:
    odd = raw(f'{{"choices": [{{"index": 0, "message": {{"content": "Hello."}}, "finish_reason": "{word}"}}]}}')
    with Endpoint(reply=lambda body, number: odd if number == 2 else None) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint) == 0
    assert [error for (error,) in rows(store, "SELECT error FROM call WHERE error IS NOT NULL")] == [
        f"bad-answer: {endpoint.url} answered with a finish_reason that is no word"
    ]


def test_what_looks_like_a_control_token_is_quoted_as_it_was_said(store: Path, tmp_path: Path) -> None:
    said = "My neighbours must never ask anybody of the [NATO] base for money in a year without rain."

    def reply(body: JsonObject, number: int) -> str | None:
        return said if wants(body) == "speech" and len(body["messages"]) > 3 else None

    with Endpoint(reply=reply) as endpoint:
        simulate(scenario(tmp_path, GUESTS), endpoint, "--run-id", "r")
        sent = [message["content"] for body in endpoint.chats for message in body["messages"]]
    assert any("[ NATO]" in content for content in sent)
    assert not any("[NATO]" in content for content in sent)
    quotes = rows(store, "SELECT quote, text, first_person FROM statement WHERE quote LIKE '%NATO%'")
    assert quotes
    assert all("[NATO] base for money" in text for row in quotes for text in row)


def test_a_model_that_is_gone_can_be_replaced_by_another_but_for_the_talk(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = status(404, "The model `gone` does not exist", code="model_not_found")
    with Endpoint(reply=lambda body, number: gone if body["model"] == "gone" else None) as endpoint:
        roles = ("--role", f"verifier=openai:gone@{endpoint.url}", "--run-id", "r")
        assert simulate(scenario(tmp_path, JOBS), endpoint, *roles) == 3
        assert culturepark("resume", "r") == 3
        assert culturepark("resume", "r", "--role", "speaker=scripted") == 2
        assert "a run's talk is one model's" in capsys.readouterr().err
        assert culturepark("resume", "r", "--role", f"verifier=openai:test@{endpoint.url}") == 0
    models = json.loads(only(store, "SELECT models FROM run"))
    assert models["verifier"] == f"openai:test@{endpoint.url}"


def test_a_bug_in_one_dialogue_costs_that_one_alone_and_is_said_to_be_one(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from culturepark.distill import extract

    real = extract.extract

    async def buggy(asker: Asker, *arguments: Any, **named: Any) -> extract.Extraction:
        if asker.casting.number == 1:
            raise KeyError(f"unforeseen {CANARY} \ud800")
        return await real(asker, *arguments, **named)

    with Endpoint() as endpoint:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.setattr(extract, "extract", buggy)
        assert simulate(scenario(tmp_path, JOBS, GUESTS), endpoint, "--run-id", "r") == 1
        assert "dialogue 1 failed by a bug, sorry, please report it: KeyError" in capsys.readouterr().err
        assert rows(store, "SELECT status, verified FROM dialogue ORDER BY number") == [("failed", 0), ("done", 1)]
        assert CANARY not in only(store, "SELECT error FROM dialogue WHERE number = 1")
        monkeypatch.setattr(extract, "extract", real)
        assert culturepark("resume", "r") == 0


def test_a_bug_at_the_end_leaves_a_run_that_can_go_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint() as endpoint:
        with monkeypatch.context() as patched:
            patched.setattr("culturepark.distill.dedup.portions", lambda *_: {}["unforeseen"])
            assert simulate(scenario(tmp_path, GUESTS), endpoint, "--run-id", "r") == 1
        assert rows(store, "SELECT status, stop_reason FROM run") == [("stopped", "bug: KeyError: 'unforeseen'")]
        assert culturepark("resume", "r") == 0


def test_an_endpoint_that_is_down_is_exit_3_and_the_run_finishes_when_it_is_up(store: Path, tmp_path: Path) -> None:
    endpoint = Endpoint(port=free_port())
    assert simulate(scenario(tmp_path, GUESTS, MONEY), endpoint, "--concurrency", "1") == 3
    assert only(store, "SELECT status FROM run") == "stopped"
    assert only(store, "SELECT stop_reason FROM run").startswith("unreachable: ")
    assert only(store, "SELECT count(*) FROM call") == 2
    with endpoint:
        assert culturepark("resume", "last") == 0
    assert rows(store, "SELECT DISTINCT status FROM dialogue") == [("done",)]
    assert only(store, "SELECT count(*) FROM sample WHERE status = 'kept'") > 0


def test_where_all_dialogues_fail_the_reason_is_said_once_and_how_to_go_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = {"prompt_tokens": 300, "completion_tokens": 9, "total_tokens": 309}

    def reply(body: JsonObject, number: int) -> Fault:
        message = {"role": "assistant", "content": scripted.answer(body)}
        return raw(json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": cut}))

    with Endpoint(reply=reply) as endpoint:
        path = scenario(tmp_path, GUESTS, MONEY, JOBS, mine="delegate, main")
        assert simulate(path, endpoint, "--run-id", "r") == 1
    said = capsys.readouterr().err
    assert only(store, "SELECT count(*) FROM dialogue WHERE status = 'failed' AND stop_reason = 'prompt-cut'") == 3
    assert said.count("dropped the rest without a word") == 1
    assert said.count("failed for the same reason") == 3
    assert f"3 dialogues failed; go on with: culturepark resume r --store sqlite:///{store}" in said


@pytest.mark.parametrize("code", [401, 403])
def test_an_endpoint_that_lets_nobody_in_is_exit_3_after_one_request(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with Endpoint(reply=lambda body, n: status(code, "Incorrect API key provided")) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS, MONEY), endpoint, "--concurrency", "1") == 3
        assert len(endpoint.requests) == 1
    said = capsys.readouterr().err
    assert "OPENAI_API_KEY" in said
    assert "culturepark resume" in said
    assert CANARY not in said
    assert CANARY not in repr(contents(store))


def test_a_limit_on_tokens_is_exit_4_and_a_higher_one_finishes(store: Path, tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        path = scenario(tmp_path, JOBS, turns=8)
        assert simulate(path, endpoint, "--max-tokens", "3000", "--run-id", "r") == 4
        assert only(store, "SELECT stop_reason FROM run").startswith("budget: ")
        spent = only(store, "SELECT sum(prompt_tokens + completion_tokens) FROM call")
        before = only(store, "SELECT max(prompt_tokens + completion_tokens) FROM call")
        assert 3000 <= spent < 3000 + before
        asked = len(endpoint.requests)
        assert culturepark("resume", "r") == 4
        assert len(endpoint.requests) == asked
        assert culturepark("resume", "r", "--max-tokens", "1000000") == 0
        assert len({json.dumps(body, sort_keys=True) for body in endpoint.chats}) == len(endpoint.chats)
    assert only(store, "SELECT status FROM run") == "done"
    assert only(store, "SELECT count(*) FROM sample WHERE status = 'kept'") > 0


def test_a_forecast_knows_what_a_run_like_it_has_cost(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint(cached_tokens=300) as endpoint:
        prices = tmp_path / "prices.toml"
        prices.write_text(f'[[price]]\nendpoint = "{endpoint.url}"\nmodels = {{ test = [100.0, 10.0, 400.0] }}\n')
        monkeypatch.setenv("CULTUREPARK_PRICES", str(prices))
        price_table.cache_clear()
        path = scenario(tmp_path, JOBS, GUESTS)
        assert simulate(path, endpoint, "--seed", "1") == 0
        capsys.readouterr()
        assert simulate(path, endpoint, "--seed", "2", "--dry-run", "--json") == 0
        low, high = json.loads(capsys.readouterr().out)["cost_usd"]
        assert simulate(path, endpoint, "--seed", "2") == 0
    cost = only(store, "SELECT sum(cost_usd) FROM call JOIN run ON run.id = run_id WHERE run.seed = 2")
    price_table.cache_clear()
    assert low <= cost <= high < 1.5 * low


@pytest.mark.parametrize("option", ["--max-tokens", "--max-cost"])
def test_a_budget_is_overshot_by_the_calls_in_flight_at_most(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    with Endpoint(latency=0.02) as endpoint:
        prices = tmp_path / "prices.toml"
        prices.write_text(f'[[price]]\nendpoint = "{endpoint.url}"\nmodels = {{ test = [1.0, 1.0, 1.0] }}\n')
        monkeypatch.setenv("CULTUREPARK_PRICES", str(prices))
        price_table.cache_clear()
        limit = 6000
        given = str(limit if option == "--max-tokens" else limit / 1e6)  # a dollar for a million tokens
        path = scenario(tmp_path, *ITEMS[:8])
        assert simulate(path, endpoint, option, given, "--concurrency", "4", "--run-id", "r") == 4
        price_table.cache_clear()
    calls = rows(store, "SELECT prompt_tokens + completion_tokens, started_at, rowid FROM call_log ORDER BY rowid")
    spent = sum(tokens for tokens, _, _ in calls)
    assert spent >= limit
    assert spent - sum(sorted(tokens for tokens, _, _ in calls)[-4:]) < limit
    assert len(endpoint.requests) == len(calls)


def test_limits_a_minute_come_from_the_scenario_and_the_command_line_for_remote_endpoints_alone(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: dict[str, tuple[Any, ...]] = {}
    real = Ledger._pace_of

    def pace_of(ledger: Ledger, model: ChatModel) -> Pace:
        pace = real(ledger, model)
        paces[model.endpoint] = (pace.rpm, pace.tpm, pace.patient)
        return pace

    monkeypatch.setattr(Ledger, "_pace_of", pace_of)
    with Endpoint() as endpoint:
        path = scenario(tmp_path, GUESTS)
        path.write_text(path.read_text("utf-8") + "\nlimits: {rpm: 6000, tpm: 5000000}\n", "utf-8")
        roles = ("--role", "moderator=scripted", "--run-id", "r", "--until", "dialogue")
        assert simulate(path, endpoint, "--rpm", "9000", *roles) == 0
    assert paces == {endpoint.url: (9000, 5_000_000, False), "scripted": (None, None, True)}
    assert {"rpm": 9000, "tpm": 5_000_000}.items() <= json.loads(only(store, "SELECT settings FROM run")).items()


def test_a_limit_on_cost_is_never_let_go_without_a_word(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where prices were known and no longer are, the run does not go on; where they never were, it says so."""
    with Endpoint() as endpoint:
        prices = tmp_path / "prices.toml"
        prices.write_text(f'[[price]]\nendpoint = "{endpoint.url}"\nmodels = {{ test = [1.0, 1.0, 1.0] }}\n')
        path = scenario(tmp_path, JOBS, GUESTS)
        monkeypatch.setenv("CULTUREPARK_PRICES", str(prices))
        price_table.cache_clear()
        assert simulate(path, endpoint, "--max-cost", "0.001", "--run-id", "r") == 4
        monkeypatch.delenv("CULTUREPARK_PRICES")
        price_table.cache_clear()
        asked = len(endpoint.requests)
        assert culturepark("resume", "r", "--max-cost", "0.5") == 2
        assert "had a price before and has none now" in capsys.readouterr().err
        assert len(endpoint.requests) == asked
        assert simulate(path, endpoint, "--max-cost", "0.5", "--run-id", "s", "--until", "dialogue") == 0
        assert culturepark("resume", "s") == 0
        assert capsys.readouterr().err.count("cannot be watched") == 2
        with_other = ("--role", f"verifier=openai:other@{endpoint.url}")
        monkeypatch.setenv("CULTUREPARK_PRICES", str(prices))
        price_table.cache_clear()
        assert simulate(path, endpoint, *with_other, "--run-id", "t") == 0
        assert ", at least $0." in capsys.readouterr().err
        assert culturepark("stats", "t") == 0
        assert re.search(r"cost +at least \(\d calls have no known price\) \$0\.", capsys.readouterr().out)
        price_table.cache_clear()


def test_what_was_asked_a_moment_ago_counts_for_the_limit_a_minute(store: Path, tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint, "--until", "dialogue") == 0
        past = Store(f"sqlite:///{store}").journal.lately(endpoint.url)
    assert len(past) == len(endpoint.chats)
    assert sum(tokens for _, tokens in past) == sum(sum(pair) for pair in endpoint.tokens)
    assert all(0 <= age < 60 for age, _ in past)
    assert [age for age, _ in past] == sorted((age for age, _ in past), reverse=True)
    pace = Pace(4, rpm=len(past) + 1)
    pace.remember(past)
    assert pace._wait(0) == 0
    pace.remember([(0.0, 0)])
    assert 50 < (pace._wait(0) or 0) <= 60


def test_a_missing_key_is_exit_2_before_anything_is_stored(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert culturepark("simulate", "quickstart", "--model", "openai:gpt-4o-mini") == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    assert not store.exists()


# --- guards ------------------------------------------------------------------------------------------


def at_speech(said: dict[int, list[str | Fault]]) -> Hook:
    """What the speeches of the only dialogue get at their first attempts, by the number of the speech."""
    prompts: list[str] = []

    def reply(body: JsonObject, n: int) -> str | Fault | None:
        if wants(body) != "speech":
            return None
        prompt = json.dumps(body["messages"])
        prompts.append(prompt)
        answers = said.get(list(dict.fromkeys(prompts)).index(prompt) + 1, [])
        attempt = prompts.count(prompt)
        return answers[attempt - 1] if attempt <= len(answers) else None

    return reply


FIRST = "When somebody rings at our door in Ohio, my wife puts the coffee on before anybody has sat down."


BAD: list[tuple[str, str | Fault]] = [
    ("empty", ""),
    ("empty", "… !"),
    ("empty", NULL_CONTENT),
    ("cut-off", finish("length", "When a guest arrives we put the kettle on, and then my mother")),
    ("cut-off", " ".join(f"Word{n} follows upon word{n * 7}." for n in range(200))),
    ("refusal", "I'm sorry, but I can’t help with that."),
    ("refusal", Fault("refusal", text="No.")),
    ("content-filter", finish("content_filter", "We put the")),
    ("repeat", FIRST),
    (
        "wrong-language",
        "Wenn bei uns ein Gast kommt, setzen wir sofort Wasser auf und holen den Kuchen aus der Kammer.",
    ),
    (
        "wrong-language",
        "客人来的时候,我们先倒茶,再请他坐下吃饭,然后大家一起慢慢聊天,谁也不着急回家,这就是我们家的规矩。" * 2,
    ),
    (
        "spoken-for-another",
        "Moderator: Thank you both for coming.\nNow let us hear something about tea and about bread.",
    ),
    ("out-of-role", "As an AI, I have no home, but people in Anatolia put the kettle on when somebody rings."),
]


@pytest.mark.torture
def test_a_turn_that_may_not_stand_is_asked_again_at_most_twice_and_never_invented(store: Path, tmp_path: Path) -> None:
    """The second speech is refused twice and then fine; the third is refused for good, and its place stays empty."""
    hooks = [at_speech({1: [FIRST], 2: [bad, bad], 3: [bad, bad, bad]}) for _, bad in BAD]
    with Endpoint(reply=lambda body, n: hooks[case(body)](body, n)) as endpoint:
        assert simulate(scenario(tmp_path, *ITEMS[: len(BAD)]), endpoint, "--until", "dialogue") == 0
    assert rows(store, "SELECT DISTINCT status, stop_reason FROM dialogue") == [("done", "completed")]
    for number, (reason, _) in enumerate(BAD, start=1):
        query = "SELECT id, refused, request, response FROM call WHERE subject_id LIKE ? AND max_tokens > 200"
        query = query.replace("max_tokens", "json_extract(request, '$.max_tokens')")
        calls = rows(store, f"{query} ORDER BY started_at, id", f"%.d{number}.%")
        assert [refused for _, refused, _, _ in calls] == [None, reason, reason, None, reason, reason, reason, None]
        bodies = [json.loads(request) for _, _, request, _ in calls]
        assert list(Counter(json.dumps(body["messages"]) for body in bodies).values()) == [1, 3, 3, 1]
        assert len({body["seed"] for body in bodies}) == len(bodies)
        query = "SELECT call_id, text FROM turn WHERE dialogue_id LIKE ? AND role != 'moderator' ORDER BY position"
        spoken = rows(store, query, f"%.d{number}")
        assert [call_id for call_id, _ in spoken] == [call_id for call_id, refused, _, _ in calls if not refused]
        assert [text for _, text in spoken] == [FIRST, *(scripted.answer(bodies[n]) for n in (3, 7))]


def test_a_dialogue_in_which_nothing_may_stand_ends_with_the_reason(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint(reply=lambda body, n: "As an AI, I can say nothing about tea.") as endpoint:
        assert simulate(scenario(tmp_path, GUESTS, turns=12), endpoint) == 0
    assert rows(store, "SELECT status, stop_reason FROM dialogue") == [("stopped", "refused-turns: out-of-role")]
    assert only(store, "SELECT count(*) FROM turn WHERE role != 'moderator'") == 0
    assert only(store, "SELECT count(*) FROM statement") == 0
    assert rows(store, "SELECT DISTINCT refused FROM call") == [("out-of-role",)]
    assert "no samples came of it: no answer could stand as a turn (out-of-role " in capsys.readouterr().err


def test_a_run_whose_verdicts_cannot_be_read_ends_with_the_reason(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint(reply=lambda body, n: "- id: 1" if "response_format" in body else None) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint) == 0
    refused = only(store, "SELECT count(*) FROM call WHERE refused = 'unparsable'")
    said = capsys.readouterr().err
    assert "0 rows, 0 distinct answers" in said
    assert f"no samples came of it: {refused} answers held no JSON" in said


def test_a_turn_is_one_piece_of_its_answer_and_holds_no_thoughts_labels_or_broken_characters(
    store: Path, tmp_path: Path
) -> None:
    def decorated(body: JsonObject, n: int) -> str | None:
        if wants(body) != "speech":
            return None
        called = body["messages"][-1]["content"].rpartition("\n\n(")[2].partition(",")[0]
        return f"<think>Who am I?</think>\n\n**{called}:** “{scripted.answer(body)}” \0\ud800\n"

    with Endpoint(reply=decorated) as endpoint:
        assert simulate(scenario(tmp_path, JOBS, GUESTS), endpoint) == 0
    found = rows(
        store,
        "SELECT text, response FROM turn JOIN call ON call.id = call_id WHERE turn.role != 'moderator'",
    )
    assert len(found) == 8
    for text, response in found:
        content = json.loads(response)["choices"][0]["message"]["content"]
        assert "\0" in content
        assert "\ud800" in content
        assert text in content
        assert content.partition(text)[2].endswith("” \0\ud800\n")
        assert "told:" not in text
        assert not {"<", "*", "“", "”", ":"} & set(text[:12])
    assert only(store, "SELECT count(*) FROM sample WHERE status = 'kept'") > 0


FOLLOW_UPS: list[tuple[str, str | Fault]] = [
    ("not-a-question", "Tell us more about how you live."),
    ("takes-nothing-up", "Zebra, quark, xylophone?"),
    ("empty", ""),
    ("cut-off", finish("length", "And what would you")),
    ("refusal", "I cannot help with that."),
]


def test_a_follow_up_refused_twice_falls_back_to_the_cue_and_says_so(store: Path, tmp_path: Path) -> None:
    with Endpoint(reply=lambda body, n: FOLLOW_UPS[case(body)][1] if wants(body) == "follow-up" else None) as endpoint:
        assert simulate(scenario(tmp_path, *ITEMS[: len(FOLLOW_UPS)]), endpoint, "--until", "dialogue") == 0
        assert Counter(map(wants, endpoint.chats)) == {"speech": 4 * len(FOLLOW_UPS), "follow-up": 4 * len(FOLLOW_UPS)}
    for number, (reason, _) in enumerate(FOLLOW_UPS, start=1):
        query = "SELECT origin, call_id, text FROM turn WHERE dialogue_id LIKE ? AND role = 'moderator'"
        moderated = rows(store, f"{query} ORDER BY position", f"%.d{number}")
        assert [origin for origin, _, _ in moderated] == ["cue", "fallback", "cue", "fallback"]
        assert {call_id for _, call_id, _ in moderated} == {None}
        assert all(text.endswith("?") for origin, _, text in moderated if origin == "fallback")
        query = "SELECT refused, subject_id, seed FROM call WHERE subject_id LIKE ? AND refused IS NOT NULL"
        refused = rows(store, query, f"%.d{number}.%")
        assert [row[0] for row in refused] == [reason] * 4
        assert len({row[1] for row in refused}) == 2
        assert len({row[1:] for row in refused}) == 4


def test_a_follow_up_refused_once_is_asked_again(store: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def reply(body: JsonObject, n: int) -> str | None:
        asked.append(json.dumps(body["messages"]))
        return "Mm." if wants(body) == "follow-up" and asked.count(asked[-1]) == 1 else None

    with Endpoint(reply=reply) as endpoint:
        assert simulate(scenario(tmp_path, GUESTS), endpoint, "--until", "dialogue") == 0
    found = rows(store, "SELECT origin, substr(call_id, -3) FROM turn WHERE role = 'moderator' AND call_id IS NOT NULL")
    assert found == [("model", ".c2"), ("model", ".c2")]


# --- distillation ------------------------------------------------------------------------------------


def test_an_extraction_that_is_cut_off_is_split_until_it_fits(store: Path, tmp_path: Path) -> None:
    """Pairs of turns and the first turn alone are too much: that turn is given up, the others are not."""
    shown: list[list[int]] = []

    def cut(body: JsonObject, n: int) -> Fault | None:
        if wants(body) != "statements":
            return None
        shown.append([turn["turn"] for turn in mined(material(body))])
        return finish("length", '{"statements": [{"turn": 2,') if len(shown[-1]) > 1 or shown[-1] == [2] else None

    with Endpoint(reply=cut) as endpoint:
        assert simulate(scenario(tmp_path, JOBS, mine="delegate, main"), endpoint, "--until", "extract") == 0
    every = [row[0] for row in rows(store, "SELECT position FROM turn WHERE role != 'moderator' ORDER BY position")]
    a, b, c, d = every
    assert shown == [every, [a, b], [a], [b], [c, d], [c], [d]]
    found = rows(store, "SELECT DISTINCT position FROM statement JOIN turn ON turn.id = turn_id ORDER BY position")
    assert [row[0] for row in found] == [b, c, d]
    refused = [row[0] for row in rows(store, "SELECT refused FROM call_log WHERE stage = 'extract' ORDER BY rowid")]
    assert refused == ["cut-off", "cut-off", "cut-off", None, "cut-off", None, None]
    assert json.loads(only(store, "SELECT rejected FROM dialogue"))["cut-off"] == 1


def verdicts(*judged: object) -> str:
    return json.dumps({"verdicts": list(judged)})


YES = {"id": 1, "faithful": "entail", "stance": "entail", "carried": "entail"}
Judge = str | Fault | Callable[[JsonObject], str]
UNPARSABLE: dict[str, Judge] = {
    "prose": "All of them are entailed, I should think.",
    "empty": "",
    "none at all": verdicts(),
    "another word": verdicts(YES | {"faithful": "probably"}),
    "does not contradict": verdicts(YES | {"faithful": "does not contradict", "stance": "does not contradict"}),
    "another id": verdicts(YES | {"id": 999}),
    "twice": lambda body: verdicts(*({**YES, "id": i["id"]} for i in material(body)["items"] for _ in range(2))),
    "cut off": finish("length", '{"verdicts": [{"id": 1, "faithful": "entail", "stance": "ent'),
}


def test_a_verdict_that_cannot_be_read_is_unparsable_and_never_kept(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(body: JsonObject, n: int) -> str | Fault | None:
        if wants(body) != "verdicts":
            return None
        answer = list(UNPARSABLE.values())[case(body)]
        return answer(body) if callable(answer) else answer

    with Endpoint(reply=reply) as endpoint:
        assert simulate(scenario(tmp_path, *ITEMS[: len(UNPARSABLE)]), endpoint, "--json") == 0
    for number, form in enumerate(UNPARSABLE, start=1):
        query = "SELECT criterion, relation, decision, confidence FROM verdict WHERE statement_id LIKE ?"
        found = set(rows(store, query, f"%.d{number}.%"))
        assert found == {(c, "unparsable", "drop", None) for c in ("faithful", "stance", "carried")}, form
    assert rows(store, "SELECT DISTINCT status, drop_reason FROM sample") == [("dropped", "unparsable")]
    stats = json.loads(capsys.readouterr().out)
    assert stats["samples"]["kept"] == 0
    assert stats["verdicts"]["faithful"] == {"unparsable": only(store, "SELECT count(*) FROM statement")}


def test_one_verdict_that_is_missing_costs_only_its_own_statement(store: Path, tmp_path: Path) -> None:
    def reply(body: JsonObject, n: int) -> str | None:
        if wants(body) != "verdicts":
            return None
        return verdicts(*({**YES, "id": item["id"]} for item in material(body)["items"][1:]))

    with Endpoint(reply=reply) as endpoint:
        assert simulate(scenario(tmp_path, JOBS, mine="delegate, main"), endpoint, "--until", "verify") == 0
    found = rows(store, "SELECT relation FROM verdict WHERE criterion = 'faithful' ORDER BY statement_id")
    assert Counter(row[0] for row in found)["unparsable"] == 1
    assert Counter(row[0] for row in found)["entail"] == len(found) - 1 > 1


# --- Ctrl-C ------------------------------------------------------------------------------------------


def press_ctrl_c(
    endpoint: Endpoint, arguments: list[str], after: int, times: int = 1
) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, interrupted when it has made so many requests."""
    with Forked(*arguments, cwd=ROOT) as process:
        for press in range(times):
            wait_for(lambda: len(endpoint.requests) >= after or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            if press < times - 1:
                time.sleep(0.2)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_interrupted_run_resumes_to_the_rows_of_an_undisturbed_one(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint(latency=0.03) as endpoint:
        arguments = ["simulate", str(scenario(tmp_path, JOBS, GUESTS)), "--run-id", "r", "--concurrency", "2"]
        arguments += ["--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical"]
        stopped = press_ctrl_c(endpoint, arguments, after=6)
        assert stopped.returncode == 130, stopped.stderr
        assert "culturepark resume r" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert rows(store, "SELECT status, stop_reason FROM run") == [("stopped", "interrupted: stopped by Ctrl-C")]
        assert 0 < only(store, "SELECT count(*) FROM turn") < 16
        assert only(store, "SELECT count(*) FROM call WHERE response IS NULL") == 0  # calls in flight have finished
        asked = len(endpoint.requests)
        assert culturepark("resume", "r") == 0
        resumed = len(endpoint.requests)
        monkeypatch.setenv("CULTUREPARK_STORE", f"sqlite:///{tmp_path}/undisturbed.db")
        assert culturepark(*arguments) == 0
        assert len(endpoint.requests) - resumed == resumed  # nothing was asked twice
        assert asked < resumed
    assert contents(store) == contents(tmp_path / "undisturbed.db")


@pytest.mark.torture
def test_a_second_ctrl_c_stops_at_once_and_the_run_can_still_be_resumed(store: Path, tmp_path: Path) -> None:
    with Endpoint(latency=30) as endpoint:
        arguments = ["simulate", str(scenario(tmp_path, GUESTS)), "--run-id", "r", "--until", "dialogue"]
        arguments += ["--model", f"openai:test@{endpoint.url}"]
        stopped = press_ctrl_c(endpoint, arguments, after=1, times=2)
        assert stopped.returncode == 130, stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert only(store, "SELECT error FROM call").startswith("cancelled: ")
        endpoint.latency = 0
        assert culturepark("resume", "r") == 0
    assert only(store, "SELECT count(*) FROM turn WHERE role != 'moderator'") == 4


@pytest.mark.torture
def test_ctrl_c_gets_a_word_in_where_answers_take_no_time(tmp_path: Path) -> None:
    store = ["--store", f"sqlite:///{tmp_path}/runs.db"]
    with Forked("simulate", "everyday-norms", "--model", "scripted", *store, cwd=ROOT) as process:
        wait_for(lambda: (tmp_path / "runs.db").exists() and turns_in(tmp_path / "runs.db") > 5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert turns_in(tmp_path / "runs.db") < 2000  # of about 7000


def turns_in(path: Path) -> int:
    try:
        return int(only(path, "SELECT count(*) FROM turn"))
    except sqlite3.OperationalError:  # not made yet
        return 0


# --- two at once -------------------------------------------------------------------------------------


def test_a_run_that_is_going_on_cannot_be_carried_on_by_another_process(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Endpoint(latency=0.05) as endpoint:
        arguments = ["simulate", str(scenario(tmp_path, GUESTS)), "--run-id", "r"]
        arguments += ["--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical"]
        with Forked(*arguments, cwd=ROOT) as process:
            wait_for(lambda: len(endpoint.requests) >= 1)
            for command in (arguments, ["resume", "last"], ["distill", "r", "--from", "dedup"]):
                assert culturepark(*command) == 5
                assert "another process is at work on r" in capsys.readouterr().err
            assert culturepark(*arguments[:3], "other", *arguments[4:]) == 0  # another run is no matter
            assert process.wait() == 0
        assert not list(tmp_path.glob("*.lock"))
        assert only(store, "SELECT count(*) FROM run WHERE status = 'done'") == 2
        assert only(store, "SELECT count(*) FROM call WHERE attempt > 1 OR error IS NOT NULL") == 0


@pytest.mark.torture
def test_a_run_whose_process_was_killed_is_free_at_once(store: Path, tmp_path: Path) -> None:
    with Endpoint(latency=30) as endpoint:
        arguments = ["simulate", str(scenario(tmp_path, GUESTS)), "--run-id", "r", "--until", "dialogue"]
        arguments += ["--model", f"openai:test@{endpoint.url}"]
        with Forked(*arguments, cwd=ROOT) as process:
            wait_for(lambda: len(endpoint.requests) >= 1)
            process.kill()
        endpoint.latency = 0
        assert culturepark("resume", "r") == 0
