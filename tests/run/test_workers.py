"""Several workers on one run: the rows and bytes of one process, nothing asked twice, limits that hold for all."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from culturepark.store import crew as crews
from culturepark.store.crew import Crew, LeaseLost, Work
from culturepark.store.pacing import SharedWindow, until_it_fits
from culturepark.store.store import INTERRUPTED, Store
from tests.cli.test_cli import TIMES, TINY, cli, dump
from tests.support.endpoint import Endpoint
from tests.support.postgres import Server, rows_in
from tests.support.processes import Forked

SIMULATE = ("simulate", "tiny.yaml", "--role", "embedder=lexical", "--run-id", "a", "--dialogues", "2")
AT_ONCE = 2
SCRIPTED = ("--model", "scripted")
LATENCY = 0.02
WHO_TOOK_WHAT = """
CREATE TABLE took (worker text, subject text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO took VALUES (NEW.worker_id, NEW.subject_id); RETURN NEW; END $$;
CREATE TRIGGER claimed AFTER UPDATE ON claim FOR EACH ROW
WHEN (NEW.worker_id IS DISTINCT FROM OLD.worker_id AND NEW.worker_id IS NOT NULL) EXECUTE FUNCTION note();
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Path("tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(latency=LATENCY) as endpoint:
        yield endpoint


@pytest.fixture
def park(postgres: Server, postgres_url: str) -> Iterator[Any]:
    """A connection to a store in which claims are noted down."""
    Store(postgres_url).close()
    with postgres.connect(postgres_url.partition("@/")[2].partition("?")[0]) as connection:
        connection.execute(WHO_TOOK_WHAT)
        yield connection


def asked(endpoint: Endpoint) -> Counter[str]:
    """What was asked, and how often."""
    return Counter(json.dumps(body, sort_keys=True) for body in endpoint.chats)


def start(*command: object, url: str, **options: Any) -> Forked:
    return Forked(*command, "--concurrency", AT_ONCE, "--store", url, **options)


def ended(*workers: Forked) -> list[str]:
    """Wait for workers, and return what they said."""
    said = [worker.communicate(timeout=240)[1].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), said
    return said


def until(what: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.01)


def alone(*models: object) -> tuple[dict[str, list[dict[str, Any]]], bytes]:
    """Rows and lines of the same run by one process into a file."""
    done = cli(*SIMULATE, *models, "--store", "sqlite:///alone.db")
    assert done.code == 0, done.err
    return dump("alone.db"), lines("sqlite:///alone.db")


def lines(url: str) -> bytes:
    done = cli("export", "a", "--format", "trl", "--out", f"out-{url.partition(':')[0][:6]}", "--store", url)
    assert done.code == 0, done.err
    return Path(f"out-{url.partition(':')[0][:6]}", "all.jsonl").read_bytes()


def settled(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What has to be the same, however many were at work and whatever became of them: all but calls and their ids."""
    kept = ("dialogue", "participant", "turn", "statement", "verdict", "duplicate", "sample", "slip")
    return {
        table: [{name: value for name, value in row.items() if name != "call_id"} for row in rows[table]]
        for table in kept
    }


def test_two_workers_make_the_rows_and_lines_of_one_and_ask_nothing_twice(
    park: Any, postgres_url: str, endpoint: Endpoint
) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    rows, made = alone(*model)
    once = asked(endpoint)
    endpoint.requests.clear()
    ended(start(*SIMULATE, *model, url=postgres_url), start("work", "a", "--idle", 60, url=postgres_url))
    both = rows_in(postgres_url, TIMES)
    assert asked(endpoint) == once
    claims = park.execute("SELECT * FROM took").fetchall()
    assert len({worker for worker, subject in claims if subject.startswith("a.d")}) == 2
    assert sorted(subject for _, subject in claims) == ["a", *(f"a.d{n}" for n in range(1, 9)), "a.q1", "a.q2"]
    for row in (*both["run"], *rows["run"]):
        row["settings"] = json.loads(row["settings"]) | {"concurrency": AT_ONCE}
    derived = {"tally"}  # figures, with times
    assert {table: both[table] for table in rows if table not in derived} == {
        table: found for table, found in rows.items() if table not in derived
    }
    assert not both["worker"]
    assert lines(postgres_url) == made


@pytest.mark.parametrize("victim", [0, 1], ids=["who began it", "who joined"])
def test_what_a_killed_worker_had_claimed_is_done_by_the_other(
    victim: int, park: Any, postgres_url: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "LEASE", 1.5)
    model = ("--model", f"openai:test@{endpoint.url}")
    rows, made = alone(*model)
    once = asked(endpoint)
    endpoint.requests.clear()
    workers = [start(*SIMULATE, *model, url=postgres_url), start("work", "a", "--idle", 60, url=postgres_url)]
    until(lambda: park.execute("SELECT count(DISTINCT worker) FROM took").fetchone() == (2,))
    until(lambda: len(endpoint.chats) > 40)
    workers[victim].kill()
    workers[victim].communicate()
    ended(workers[1 - victim])
    after = rows_in(postgres_url, TIMES)
    assert settled(after) == settled(rows)
    assert lines(postgres_url) == made
    lost = [row for row in after["call"] if row["error"]]
    assert {row["error"] for row in lost} <= {INTERRUPTED}
    assert len(lost) <= AT_ONCE
    # Only what was under way is asked again.
    assert not once - asked(endpoint)
    assert sum((asked(endpoint) - once).values()) <= AT_ONCE
    assert not after["worker"]
    assert not after["claim"]


def test_a_worker_that_slept_through_its_lease_writes_nothing_more_and_begins_again(
    park: Any, postgres_url: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "LEASE", 1.5)
    model = ("--model", f"openai:test@{endpoint.url}")
    rows, made = alone(*model)
    first = start(*SIMULATE, *model, url=postgres_url)
    second = start("work", "a", "--idle", 60, url=postgres_url)
    until(lambda: park.execute("SELECT count(DISTINCT worker) FROM took").fetchone() == (2,))
    second.send_signal(signal.SIGSTOP)
    until(lambda: bool(park.execute("SELECT 1 FROM worker WHERE ended = 1 AND id NOT LIKE '%.w0'").fetchone()))
    second.send_signal(signal.SIGCONT)
    _, said = ended(first, second)
    assert "this worker was not heard of for 1.5 s" in said
    after = rows_in(postgres_url, TIMES)
    assert settled(after) == settled(rows)
    assert lines(postgres_url) == made


def test_ctrl_c_takes_one_worker_away_and_the_run_goes_on(park: Any, postgres_url: str, endpoint: Endpoint) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    first = start(*SIMULATE, *model, url=postgres_url)
    second = start("work", "a", "--idle", 60, url=postgres_url)
    until(lambda: park.execute("SELECT count(DISTINCT worker) FROM took").fetchone() == (2,))
    first.send_signal(signal.SIGINT)
    assert first.communicate(timeout=120) is not None
    assert first.returncode == 130
    ended(second)
    assert [row["status"] for row in rows_in(postgres_url, set())["run"]] == ["done"]


def test_a_budget_holds_for_all_workers_together(park: Any, postgres_url: str, endpoint: Endpoint) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    most = 60_000
    workers = [
        start(*SIMULATE, *model, "--max-tokens", most, url=postgres_url),
        start("work", "a", "--idle", 60, url=postgres_url),
    ]
    for worker in workers:
        worker.communicate(timeout=240)
    assert 4 in {worker.returncode for worker in workers}
    calls = rows_in(postgres_url, set())["call"]
    sizes = sorted((row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0) for row in calls)
    assert most <= sum(sizes) <= most + 2 * AT_ONCE * sizes[-1]
    (run,) = rows_in(postgres_url, set())["run"]
    assert (run["status"], run["stop_reason"].partition(":")[0]) == ("stopped", "budget")
    done = cli("resume", "a", "--max-tokens", 10**9, "--store", postgres_url)
    assert done.code == 0, done.err


def test_a_run_that_was_left_is_taken_up_by_a_worker_and_a_finished_one_needs_none(postgres_url: str) -> None:
    assert cli(*SIMULATE, *SCRIPTED, "--max-tokens", 50_000, "--store", postgres_url).code == 4
    done = cli("work", "a", "--store", postgres_url)
    assert done.code == 4  # the run's limit is everybody's
    assert cli("resume", "a", "--max-tokens", 10**9, "--until", "dialogue", "--store", postgres_url).code == 0
    done = cli("work", "a", "--json", "--store", postgres_url)
    assert done.code == 0
    assert "a is done; nothing is left to work on" in done.err
    assert done.json["run"] == "a"


def test_a_run_whose_only_worker_was_killed_is_resumed_at_once_and_with_what_is_new(
    postgres_url: str, endpoint: Endpoint
) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    rows, _ = alone(*model)
    endpoint.requests.clear()
    only = start(*SIMULATE, *model, "--until", "dialogue", url=postgres_url)
    until(lambda: len(endpoint.chats) > 20)
    only.kill()
    only.communicate()
    done = cli("resume", "a", "--until", "samples", "--store", postgres_url)  # its lease would last for half a minute
    assert done.code == 0, done.err
    assert settled(rows_in(postgres_url, TIMES)) == settled(rows)


def test_who_needs_a_run_alone_waits_until_its_workers_are_gone(postgres_url: str, endpoint: Endpoint) -> None:
    first = start(*SIMULATE, "--model", f"openai:test@{endpoint.url}", url=postgres_url)
    until(lambda: len(endpoint.chats) > 5)
    for command in ("distill a --from dedup", "resume a", "runs --delete a --yes"):
        done = cli(*command.split(), "--store", postgres_url)
        assert done.code == 5
        assert "another process is at work on a" in done.err
    ended(first)
    assert cli("distill", "a", "--from", "dedup", "--store", postgres_url).code == 0


def test_a_file_has_one_process_and_a_worker_says_so() -> None:
    assert cli(*SIMULATE, *SCRIPTED, "--until", "dialogue", "--store", "sqlite:///x.db").code == 0
    done = cli("work", "a", "--store", "sqlite:///x.db")
    assert done.code == 2
    assert "several workers need a store on a PostgreSQL server" in done.err


def test_an_endpoint_that_only_the_store_names_is_not_asked_by_a_worker(
    postgres_url: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    model = ("--model", f"openai:test@{endpoint.url}")
    assert cli(*SIMULATE, *model, "--max-tokens", 9000, "--store", postgres_url).code == 4
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    before = len(endpoint.requests)
    refused = cli("work", "a", "--store", postgres_url)
    assert refused.code == 2
    assert f"--endpoint {endpoint.url}" in refused.err
    wrong = cli("work", "a", "--endpoint", "http://127.0.0.1:9/v1", "--store", postgres_url)
    assert wrong.code == 2
    assert "no model of a is there" in wrong.err
    assert len(endpoint.requests) == before
    named = cli("work", "a", "--endpoint", endpoint.url, "--store", postgres_url)
    assert named.code == 4  # for it goes on now, up to the run's limit


# --- claims --------------------------------------------------------------------------------------------


def workers_of(url: str, count: int, **options: Any) -> list[Crew]:
    crew = [Crew(Store(url), "a", **options) for _ in range(count)]
    work = [Work(f"a.d{number}", number) for number in range(1, 31)]
    assert [one.enter(lambda: work) for one in crew] == [True] + [False] * (count - 1)
    return crew


@pytest.fixture
def run_a(postgres_url: str) -> str:
    """A store with a run `a`, of which nothing but its row matters."""
    assert cli(*SIMULATE, *SCRIPTED, "--until", "dialogue", "--store", postgres_url).code == 0
    return postgres_url


def test_no_two_workers_claim_the_same(run_a: str) -> None:
    crew = workers_of(run_a, 4)
    took: list[tuple[str, str]] = []

    def claim(one: Crew) -> None:
        while subject := one.take_next():
            took.append((one.id, subject))

    threads = [Thread(target=claim, args=(one,)) for one in crew]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(subject for _, subject in took) == sorted(f"a.d{number}" for number in range(1, 31))
    assert [one.take_rest() for one in crew] == [True, False, False, False]
    assert [one.leave() for one in crew] == [False, False, False, True]
    assert crew[0].standing().ended


def test_a_lease_that_ran_out_frees_the_claims_and_bars_its_worker(run_a: str) -> None:
    first, second = workers_of(run_a, 2)
    assert first.take_next() == "a.d1"
    first._over.set()  # its heartbeat stands still
    with second.store.database.writing() as session:
        second._run(session.connection(), "UPDATE worker SET until = 0 WHERE id = :other", other=first.id)
    assert second.standing().left == 30
    assert second.take_next() == "a.d1"
    with pytest.raises(LeaseLost):
        first.take_next()
    with pytest.raises(LeaseLost), first.store.database.writing():
        pass
    second.done("a.d1")
    assert second.standing().left == 29
    assert second.leave()
    first.rest()


def test_a_write_that_has_begun_is_not_overtaken(run_a: str) -> None:
    """A worker that is late, but in the middle of a write, ends it before its claims are free."""
    first, second = workers_of(run_a, 2)
    assert first.take_next() == "a.d1"
    first._over.set()
    with first.store.database.writing():
        with second.store.database.engine.begin() as connection:
            second._run(connection, "UPDATE worker SET until = 0 WHERE id = :other", other=first.id)
        second.standing()
        assert second.take_next() == "a.d2"
    second.standing()
    assert second.take_next() == "a.d1"
    second.leave()
    first.rest()


# --- limits of an endpoint ---------------------------------------------------------------------------


def test_workers_keep_to_one_number_of_requests_a_minute(park: Any, postgres_url: str, endpoint: Endpoint) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    most = 30
    workers = [
        start(*SIMULATE, *model, "--rpm", most, url=postgres_url),
        start("work", "a", "--idle", 60, url=postgres_url),
    ]
    until(lambda: park.execute("SELECT count(DISTINCT worker) FROM took").fetchone() == (2,))
    until(lambda: len(endpoint.chats) >= most)
    time.sleep(1)
    assert len(endpoint.chats) == most
    for worker in workers:
        worker.send_signal(signal.SIGINT)
    for worker in workers:
        worker.communicate(timeout=120)
    assert [worker.returncode for worker in workers] == [130, 130]
    (run,) = rows_in(postgres_url, set())["run"]
    assert (run["status"], run["stop_reason"].partition(":")[0]) == ("stopped", "interrupted")


def test_no_two_take_the_last_place_of_a_minute(run_a: str) -> None:
    windows = [SharedWindow(Store(run_a).database, "http://there/v1", 10, None) for _ in range(4)]
    waits: list[float] = []

    def ask(window: SharedWindow) -> None:
        waits.extend(window.take(100)[0] for _ in range(5))

    threads = [Thread(target=ask, args=(window,)) for window in windows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0.0) == 10
    assert all(0 < wait <= 60 for wait in waits if wait)
    assert SharedWindow(Store(run_a).database, "http://elsewhere/v1", 10, None).take(100)[0] == 0


def test_tokens_of_a_minute_are_those_that_were_used_once_they_are_known(run_a: str) -> None:
    window = SharedWindow(Store(run_a).database, "http://there/v1", None, 1000)
    window.remember([(30.0, 300)])
    other = SharedWindow(Store(run_a).database, "http://there/v1", None, 1000)
    other.remember([(30.0, 300)])  # what another worker has counted already
    wait, booked = window.take(600)
    assert (wait, other.take(200)[1]) == (0.0, None)
    assert booked is not None
    booked.settle(400)
    assert other.take(200)[0] == 0
    wait, _ = other.take(200)
    assert 0 < wait <= 30  # until the first is a minute old


def test_a_request_larger_than_the_limit_goes_when_the_minute_is_empty() -> None:
    assert until_it_fits([], 5000, 10, 1000) == 0
    assert until_it_fits([(12.0, 10), (50.0, 20)], 5000, None, 1000) == 50
    assert until_it_fits([(12.0, 10), (50.0, 20)], 970, 2, 1000) == 12
    assert until_it_fits([(12.0, 10), (50.0, 20)], 1, None, None) == 0
