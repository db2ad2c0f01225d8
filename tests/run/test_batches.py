"""Whole runs whose requests go in batches, against a local stand-in of both formats."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.cli.app import explain, run
from culturepark.models import prices
from tests.support.batches import BatchEndpoint, Trouble
from tests.support.endpoint import Endpoint, Fault, unsupported
from tests.support.processes import Forked

ROOT = Path(__file__).parents[2]
CANARY = "sk-canary-0123456789"

GUESTS = "What do you do when a guest arrives without notice?"
MONEY = "Whom do you ask when you are short of money?"
JOBS = "wvs7/Q33"
VOLATILE = {"created_at", "finished_at", "started_at", "duration_ms", "attempt"}
OF_BATCHES = {"batch", "batched", "ability", "call_log", "piece", "tally"}
"""Tables that tell how requests were sent; `call` is read as the view that it is."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CULTUREPARK_PRICES", "CULTUREPARK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CULTUREPARK_STORE", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setattr("culturepark.models.ledger.pause_before", lambda attempt, error: 0.0)
    for name, seconds in {"SETTLE": 0.1, "FIRST_LOOK": 0.01, "LONGEST_LOOK": 0.05}.items():
        monkeypatch.setattr(f"culturepark.models.batch.{name}", seconds)
    return tmp_path / "runs.db"


def culturepark(*arguments: str) -> int:
    try:
        return run(list(arguments))
    except Exception as error:
        return explain(error)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_scenario(tmp_path)


def small_scenario(folder: Path) -> Path:
    """Four dialogues of two cultures about two questions."""
    lines = ["name: small", "title: Small", "setting: cross-cultural", "cultures: [turkish, german]"]
    lines += ["protocol: free-chat", "max_turns: 4", "seeds:"]
    lines += [f"  - {{key: q1, question: '{GUESTS}'}}", f"  - survey: {JOBS}"]
    path = folder / "small.yaml"
    path.write_text("\n".join(lines), "utf-8")
    return path


def simulate(scenario: Path, endpoint: Endpoint, *more: str, run_id: str = "r") -> int:
    model = f"openai:test@{endpoint.url}"
    return culturepark(
        "simulate", str(scenario), "--model", model, "--role", "embedder=lexical", "--run-id", run_id, *more
    )


def rows(store: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query, values).fetchall()


def contents(store: Path) -> dict[str, list[str]]:
    """All rows that do not tell how they were sent, without times and durations."""
    found = {}
    for (table,) in rows(store, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"):
        if table in OF_BATCHES:
            continue
        left_out = VOLATILE | ({"request", "settings"} if table in ("call", "run") else set())
        if table == "call":
            left_out |= {"request_digest", "response"}
        columns = [row[1] for row in rows(store, f"PRAGMA table_info({table})") if row[1] not in left_out]
        lines = rows(store, f'SELECT {", ".join(columns)} FROM "{table}"')
        found[table] = sorted((re.sub(r"127\.0\.0\.1:\d+", "HOST", json.dumps(line)) for line in lines), key=repr)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the same run without batches."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch, Endpoint() as endpoint:
        patch.setenv("CULTUREPARK_STORE", f"sqlite:///{folder}/runs.db")
        patch.setenv("NO_PROXY", "127.0.0.1")
        assert simulate(small_scenario(folder), endpoint) == 0
    return folder / "runs.db"


@pytest.mark.parametrize("stages", ["extract,verify", "all"])
def test_a_run_in_batches_has_the_rows_of_one_without(stages: str, store: Path, small: Path, alone: Path) -> None:
    with BatchEndpoint() as endpoint:
        assert simulate(small, endpoint, "--batch", stages) == 0
        assert contents(store) == contents(alone)
        batched = rows(store, "SELECT count(*) FROM batched")[0][0]
        assert batched == len(endpoint.asked_in_batches)
        assert batched > 2 * len(endpoint.batches)
    assert {row[0] for row in rows(store, "SELECT status FROM batch")} == {"done"}


@pytest.mark.parametrize(
    "trouble", ["expired", "cancelled", "shuffled", "doubled", "broken", "missing", "refused-items", "queue-full"]
)
def test_trouble_in_a_batch_costs_its_requests_another_one_and_no_answer(
    trouble: Trouble, store: Path, small: Path, alone: Path
) -> None:
    with BatchEndpoint(troubles=[trouble]) as endpoint:
        assert simulate(small, endpoint, "--batch", "dialogue") == 0
        first = endpoint.batches["batch_1"]
        kept = answered_of(store, "r.b1")
        again = rows(store, "SELECT count(*) FROM batched WHERE batch_id = 'r.b1'")[0][0] - kept
        assert turns_of(store) == turns_of(alone)
    assert kept + again == len(first.items)
    lost = {"shuffled": 0, "doubled": 0, "queue-full": len(first.items)}.get(trouble)
    assert again == lost if lost is not None else 0 < again < len(first.items)
    errors = {row[0].partition(":")[0] for row in rows(store, "SELECT error FROM call WHERE error IS NOT NULL")}
    words = {"refused-items": "http-429", "queue-full": "batch-refused"}
    word = words.get(trouble, f"batch-{trouble if trouble in ('expired', 'cancelled') else 'missing'}")
    assert errors == ({word} if again else set())
    # No answer was paid for twice: what came is in the ledger once.
    digests = rows(store, "SELECT subject_id, request_digest FROM call WHERE response IS NOT NULL")
    assert len(digests) == len(set(digests))


def until(met: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def answered_of(store: Path, batch_id: str) -> int:
    query = "SELECT count(*) FROM batched JOIN call ON call.id = call_id WHERE batch_id = ? AND response IS NOT NULL"
    return int(rows(store, query, batch_id)[0][0])


def turns_of(store: Path) -> list[tuple[Any, ...]]:
    return rows(store, "SELECT id, speaker, text FROM turn ORDER BY id")


def test_a_line_that_a_service_refuses_is_learnt_from_and_the_others_go_again(store: Path, small: Path) -> None:
    with BatchEndpoint(troubles=["failed"]) as endpoint:
        assert simulate(small, endpoint, "--batch", "dialogue", "--until", "dialogue") == 0
        assert all("seed" not in body for batch in list(endpoint.batches.values())[1:] for _, body in batch.items)
    assert rows(store, "SELECT name, value FROM ability") == [("seed", '"refused"')]
    assert rows(store, "SELECT status, error FROM batch ORDER BY id LIMIT 1") == [
        ("failed", "Unsupported value: 'seed'")
    ]


def test_a_parameter_that_is_refused_costs_one_request_and_no_batch(store: Path, small: Path) -> None:
    def reply(body: Any, _: int) -> Fault | None:
        return unsupported("seed") if "seed" in body else None

    with BatchEndpoint(reply=reply) as endpoint:
        assert simulate(small, endpoint, "--batch", "dialogue", "--until", "dialogue") == 0
        assert endpoint.batches
        assert not any("seed" in body for body in endpoint.asked_in_batches)
        assert sum("seed" in body for body in endpoint.chats) == 1


def test_a_few_left_over_go_by_themselves(store: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.models.batch.STRAGGLERS", 0.5)
    with BatchEndpoint(troubles=["refused-items"]) as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        assert [len(batch.items) for batch in endpoint.batches.values()] == [3, 3]
    assert answered_of(store, "r.b1") == 2  # and the third, one of a largest batch of three, went by itself
    assert rows(store, "SELECT count(*) FROM call WHERE stage = 'examine' AND response IS NOT NULL") == [(4,)]
    assert rows(store, "SELECT count(*) FROM call WHERE stage = 'extract' AND response IS NOT NULL") == [(4,)]


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_run_that_ends_while_a_batch_is_under_way_gets_its_answers_later(
    how: str, store: Path, small: Path, alone: Path
) -> None:
    with BatchEndpoint(looks=10**6) as endpoint:
        model = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "r")
        with Forked("simulate", small, *model, "--batch", "dialogue,extract", cwd=ROOT) as process:
            until(lambda: bool(endpoint.batches) and bool(next(iter(endpoint.batches.values())).looked))
            process.send_signal(signal.SIGINT if how == "stopped" else signal.SIGKILL)
            _, said = process.communicate(timeout=60)
        assert process.returncode == (130 if how == "stopped" else -signal.SIGKILL)
        if how == "stopped":
            assert b"4 requests in batches go on at the service" in said
        assert rows(store, "SELECT count(*) FROM call WHERE response IS NULL AND error IS NULL") == [(4,)]
        chats, submitted = len(endpoint.chats), len(endpoint.batches)
        assert submitted == 1
        endpoint.looks = 1
        assert culturepark("resume", "r") == 0
        first = next(iter(endpoint.batches.values()))
        asked = [json.dumps(body, sort_keys=True) for body in endpoint.asked_in_batches]
        assert all(asked.count(json.dumps(body, sort_keys=True)) == 1 for _, body in first.items)
        assert len(asked) == len(set(asked))
        assert not any(body.get("stream") is None for body in endpoint.chats[chats:])
    assert contents(store) == contents(alone)
    assert rows(store, "SELECT count(*) FROM call WHERE response IS NULL") == [(0,)]


def test_an_answer_that_nobody_asks_for_any_more_is_kept(store: Path, small: Path) -> None:
    """Of a batch under way, by a run that goes on with another model for the stage: it is paid for all the same."""
    with BatchEndpoint(looks=10**6) as endpoint:
        model = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "r")
        with Forked("simulate", small, *model, "--batch", "extract", cwd=ROOT) as process:
            until(lambda: bool(endpoint.batches) and bool(next(iter(endpoint.batches.values())).looked))
            process.kill()
        endpoint.looks = 1
        assert culturepark("resume", "r", "--role", "verifier=scripted", "--batch", "none") == 0
        count = len(next(iter(endpoint.batches.values())).items)
        assert len(endpoint.batches) == 1
    assert answered_of(store, "r.b1") == count
    assert rows(store, "SELECT status FROM batch") == [("done",)]


@pytest.mark.parametrize("how", ["drop", "drop-after"])
def test_a_submission_without_an_answer_is_looked_for_before_it_is_made_again(
    how: Any, store: Path, small: Path
) -> None:
    with BatchEndpoint(submit=lambda number: how if number == 1 else None) as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        assert endpoint.submissions == len(endpoint.batches) + (how == "drop")
        bodies = [json.dumps(body, sort_keys=True) for body in endpoint.asked_in_batches]
        assert len(bodies) == len(set(bodies))


def test_a_service_that_is_busy_gets_the_batch_later(store: Path, small: Path) -> None:
    with BatchEndpoint(submit=lambda number: (429, {"Retry-After": "0.01"}) if number < 4 else None) as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        assert endpoint.submissions == len(endpoint.batches) + 3
    assert rows(store, "SELECT count(*) FROM call WHERE error IS NOT NULL") == [(0,)]


def test_a_service_that_takes_no_batch_stops_the_run_which_can_be_resumed(
    store: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BatchEndpoint(submit=lambda _: (400, {})) as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 3
        assert "no batch can be had there" in capsys.readouterr().err
        endpoint.submit = lambda _: None
        assert culturepark("resume", "r") == 0
    assert rows(store, "SELECT status FROM batch WHERE id = 'r.b1'") == [("failed",)]


def test_nothing_is_begun_where_an_endpoint_has_no_batches(
    store: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BatchEndpoint(has_batches=False) as endpoint:
        assert simulate(small, endpoint, "--batch", "all") == 2
        assert "has no batches" in capsys.readouterr().err
        assert not endpoint.chats
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--batch", "extract"), "embedded (extractor) has no batches"),
        (("--batch", "all"), "has no batches"),
        (("--batch", "talk"), "--batch: talk: unknown; name seat, dialogue"),
        (("--batch", "all,verify"), "--batch: seat, dialogue"),
        (("--batch", ""), "--batch: seat, dialogue"),
    ],
)
def test_what_cannot_be_asked_in_batches_is_said_at_once(
    arguments: tuple[str, ...], words: str, store: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert culturepark("simulate", str(small), *arguments) == 2
    assert words in capsys.readouterr().err
    assert not store.exists()


def test_a_budget_is_reserved_before_a_batch_is_submitted(
    store: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BatchEndpoint() as endpoint:
        assert simulate(small, endpoint, "--until", "dialogue") == 0
        (talk,) = rows(store, "SELECT sum(prompt_tokens + completion_tokens) FROM call")[0]
        limit = talk + 14_000
        assert culturepark("resume", "r", "--until", "extract", "--batch", "extract", "--max-tokens", str(limit)) == 4
        assert "the next request in a batch may take" in capsys.readouterr().err
        ((spent, largest),) = rows(
            store, "SELECT sum(prompt_tokens + completion_tokens), max(prompt_tokens + completion_tokens) FROM call"
        )
        assert talk < spent <= limit + largest  # by the request that goes ahead, as of any call in flight
        assert culturepark("resume", "r", "--until", "extract", "--max-tokens", "10000000") == 0
    assert rows(store, "SELECT count(*) FROM dialogue WHERE extracted > 0") == [(4,)]


def test_a_request_in_a_batch_costs_half(
    store: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with BatchEndpoint() as endpoint:
        path = tmp_path / "prices.toml"
        path.write_text(f'[[price]]\nendpoint = "{endpoint.url}"\nmodels.test = [2.0, 1.0, 8.0]\n')
        monkeypatch.setenv("CULTUREPARK_PRICES", str(path))
        prices.table.cache_clear()
        ends = {}
        for batch in ("none", "all"):
            assert simulate(small, endpoint, "--dry-run", "--json", "--batch", batch) == 0
            ends[batch] = json.loads(capsys.readouterr().out)
        assert ends["all"]["cost_usd"] == pytest.approx([dollars / 2 for dollars in ends["none"]["cost_usd"]], abs=1e-3)
        assert ends["none"]["batches"] is None
        assert ends["all"]["batches"][0] > 4
        assert simulate(small, endpoint, "--batch", "extract") == 0
        prices.table.cache_clear()
    query = "SELECT prompt_tokens * 2e-6 + completion_tokens * 8e-6, cost_usd, call_id FROM call LEFT JOIN batched"
    for full, cost, batched in rows(store, f"{query} ON call_id = call.id"):
        assert cost == pytest.approx(full / 2 if batched else full)
    stats = json.loads(said(capsys, "stats", "r", "--json"))
    assert stats["calls"]["batched"] == rows(store, "SELECT count(*) FROM batched")[0][0]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert culturepark(*arguments) == 0
    return capsys.readouterr().out


def test_stages_that_are_done_again_go_in_batches_too(store: Path, small: Path) -> None:
    with BatchEndpoint() as endpoint:
        assert simulate(small, endpoint) == 0
        model = f"openai:other@{endpoint.url}"
        roles = ("--role", f"extractor={model}", "--role", f"verifier={model}")
        assert culturepark("distill", "r", "--from", "extract", *roles, "--batch", "extract,verify") == 0
        assert endpoint.batches
        assert {body["model"] for body in endpoint.asked_in_batches} == {"other"}


# --- Anthropic's format --------------------------------------------------------------------------------


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Endpoint], None]:
    """Make an endpoint one whose batches are Anthropic's, in the user's own file; it has a key."""

    def name(endpoint: Endpoint) -> None:
        path = tmp_path / "endpoints.toml"
        path.write_text(f'["{endpoint.url}"]\nbatches = "anthropic"\nkey_env = "ANTHROPIC_API_KEY"\n')
        monkeypatch.setenv("CULTUREPARK_ENDPOINTS", str(path))
        monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)

    return name


@pytest.mark.parametrize("trouble", ["none", "expired", "shuffled", "doubled", "broken", "refused-items"])
def test_message_batches_make_the_same_rows(
    trouble: Trouble, messages: Callable[[Endpoint], None], store: Path, small: Path, alone: Path
) -> None:
    with BatchEndpoint(troubles=[trouble]) as endpoint:
        messages(endpoint)
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        assert endpoint.batches
        about_batches = endpoint.headers
    assert all(headers["x-api-key"] == CANARY for headers in about_batches)
    assert all(headers["anthropic-version"] == "2023-06-01" for headers in about_batches)
    assert not any("authorization" in headers for headers in about_batches)
    query = "SELECT id, kind, text, quote FROM statement ORDER BY id"
    assert rows(store, query) == rows(alone, query)
    assert len(rows(store, query)) > 4
    assert CANARY not in store.read_bytes().decode("latin-1")


def test_a_message_batch_whose_submission_broke_is_found(
    messages: Callable[[Endpoint], None], store: Path, small: Path
) -> None:
    with BatchEndpoint(submit=lambda number: "drop-after" if number == 1 else None) as endpoint:
        messages(endpoint)
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        assert endpoint.submissions == len(endpoint.batches)


# --- what a store may not do -----------------------------------------------------------------------------


def test_a_batch_at_an_endpoint_that_the_run_does_not_ask_is_left_alone(
    store: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BatchEndpoint(looks=10**6) as endpoint, BatchEndpoint() as other:
        model = ("--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "r")
        with Forked("simulate", small, *model, "--batch", "extract", "--until", "extract", cwd=ROOT) as process:
            until(lambda: bool(endpoint.batches) and bool(next(iter(endpoint.batches.values())).looked))
            process.kill()
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE batch SET endpoint = ?", (other.url,))
        endpoint.looks = 1
        assert culturepark("resume", "r") == 0
        assert "wait until this run asks that model again" in capsys.readouterr().err
        assert not other.headers
        assert not other.requests


def test_an_id_that_could_lead_elsewhere_is_damage(store: Path, small: Path) -> None:
    with BatchEndpoint() as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE batch SET remote_id = '../../files', status = 'open'")
        assert culturepark("resume", "r") == 5
    assert culturepark("resume", "r") == 3


def test_doctor_says_whether_there_are_batches(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for has_batches, words in ((True, "taken; `--batch all` asks at half the price"), (False, "none there")):
        with BatchEndpoint(has_batches=has_batches) as endpoint:
            culturepark("doctor", "--model", f"openai:test@{endpoint.url}")
            printed = capsys.readouterr()
            assert words in printed.out + printed.err


def test_a_run_that_is_deleted_takes_its_batches_with_it(store: Path, small: Path) -> None:
    with BatchEndpoint() as endpoint:
        assert simulate(small, endpoint, "--batch", "extract", "--until", "extract") == 0
    assert culturepark("runs", "--delete", "r", "--yes") == 0
    assert rows(store, "SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM batched)") == [(0, 0)]
