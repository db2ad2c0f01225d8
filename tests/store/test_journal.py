"""The journal: calls and turns in plain SQL, many in one commit, each waited for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Rendering, Turn
from culturepark.errors import StoreError
from culturepark.models.chat import Usage
from culturepark.models.ledger import Call, Outcome
from culturepark.store import database
from culturepark.store.store import Store
from tests.store.test_store import a_call, a_turn, add_run, an_outcome, tiny_edition


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mine.db"


@pytest.fixture
def held(path: Path) -> Iterator[Store]:
    """A store with a run `a` that nobody has begun."""
    opened = Store(f"sqlite:///{path}")
    add_run(opened, "a", tiny_edition())
    yield opened
    opened.close()


def outside(path: Path, query: str) -> list[Any]:
    """What another program reads."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


async def speak(store: Store, path: Path, dialogue: str, turns: int) -> None:
    """As a dialogue does: each step waits for the one before, and looks whether it is there for others."""
    for number in range(1, turns + 1):
        subject = f"{dialogue}.t{number}"
        call_id = await store.journal.begin(a_call("a", subject))
        assert outside(path, f"SELECT count(*) FROM call WHERE id = '{call_id}' AND response IS NULL") == [(1,)]
        await asyncio.sleep(0.001)
        await store.journal.finish(call_id, an_outcome('{"said": 1}'))
        await store.journal.add_turn(dialogue, a_turn(number).model_copy(update={"call_id": call_id}))
        assert outside(path, f"SELECT count(*) FROM turn WHERE id = '{subject}'") == [(1,)]


def test_many_dialogues_share_commits_and_each_waits_for_its_own(held: Store, path: Path) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*(speak(held, path, f"a.d{number}", 5) for number in range(1, 5)))

    asyncio.run(all_at_once())
    writes = 4 * 5 * 3
    assert held.journal.commits < writes
    assert outside(path, "SELECT count(*) FROM call WHERE response IS NOT NULL") == [(20,)]
    assert outside(path, "SELECT count(*) FROM turn") == [(20,)]


def test_calls_of_one_subject_are_numbered_on_within_one_commit(held: Store) -> None:
    async def together() -> list[str]:
        return await asyncio.gather(*(held.journal.begin(a_call("a", "a.d1.t1")) for _ in range(3)))

    assert asyncio.run(together()) == ["a.d1.t1.c1", "a.d1.t1.c2", "a.d1.t1.c3"]
    assert held.journal.commits == 1
    assert held.begin(a_call("a", "a.d1.t1")) == "a.d1.t1.c4"


def test_a_write_that_fails_takes_no_other_along(held: Store, path: Path) -> None:
    async def together() -> Any:
        writes = (
            held.journal.begin(a_call("a", "a.d1")),
            held.journal.add_turn("nobody.d1", a_turn(1)),
            held.journal.finish("a.d9.c9", an_outcome("{}")),
            held.journal.add_turn("a.d1", a_turn(1)),
        )
        return await asyncio.gather(*writes, return_exceptions=True)

    begun, no_dialogue, no_call, done = asyncio.run(together())
    assert (begun, done) == ("a.d1.c1", None)
    assert isinstance(no_dialogue, StoreError)
    assert isinstance(no_call, StoreError)
    assert outside(path, "SELECT id FROM call") == [("a.d1.c1",)]
    assert outside(path, "SELECT id FROM turn") == [("a.d1.t1",)]
    asyncio.run(speak(held, path, "a.d2", 2))  # and the journal goes on


def test_what_was_cancelled_while_it_was_written_is_written(held: Store, path: Path) -> None:
    async def work() -> None:
        call_id = await held.journal.begin(a_call("a", "a.d1"))
        answer = asyncio.ensure_future(held.journal.finish(call_id, an_outcome('{"paid": 1}')))
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)

    asyncio.run(work())
    held.close()
    assert outside(path, "SELECT response FROM call") == [('{"paid": 1}',)]


def test_a_turn_and_its_renderings_are_one_write(held: Store, path: Path) -> None:
    heard = Rendering(language="de", text="Guten Tag.")
    turn = a_turn(1).model_copy(update={"language": "en", "renderings": (heard, heard)})  # twice: that cannot be stored
    with pytest.raises(StoreError):
        asyncio.run(written(held, turn))
    assert outside(path, "SELECT count(*) FROM turn") == [(0,)]
    asyncio.run(written(held, turn.model_copy(update={"renderings": (heard,)})))
    assert held.turns("a.d1")[0].heard_in("de") == "Guten Tag."


async def written(store: Store, turn: Turn) -> None:
    await store.journal.add_turn("a.d1", turn)


def test_a_store_that_another_process_holds_for_long_is_told_to_all_who_wait_and_goes_on_later(
    path: Path, held: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    again = Store(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def two() -> list[Any]:
            calls = (again.journal.begin(a_call("a", subject)) for subject in ("a.d1", "a.d2"))
            return await asyncio.gather(*calls, return_exceptions=True)

        told = asyncio.run(two())
        assert ["another process held it" in str(error) for error in told] == [True, True]
        other.execute("ROLLBACK")
    assert asyncio.run(two()) == ["a.d1.c1", "a.d2.c1"]
    again.close()


def test_a_store_that_was_moved_gets_no_commit(held: Store, path: Path) -> None:
    async def begin() -> str:
        return await held.journal.begin(a_call("a", "a.d1"))

    assert asyncio.run(begin()) == "a.d1.c1"
    path.parent.rename(path.parent.with_name("moved"))
    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        asyncio.run(begin())
    held.close()
    assert outside(path.parent.with_name("moved") / path.name, "SELECT count(*) FROM call") == [(1,)]


def test_what_is_no_number_is_refused_before_it_is_written(held: Store) -> None:
    async def finish() -> None:
        await held.journal.finish("a.d1.c1", an_outcome("{}", cost_usd=float("nan")))

    with pytest.raises(StoreError, match="no number"):
        asyncio.run(finish())


def test_an_answer_is_found_as_it_was_stored(held: Store) -> None:
    usage = Usage(7, 5, 3, "server", 1)
    outcome = Outcome('{"x": [NaN, "NaN"]}', usage, 0.5, "stop", None, 12)

    async def work() -> str:
        call_id = await held.journal.begin(a_call("a", "a.d1", "digest"))
        await held.journal.finish(call_id, outcome)
        return call_id

    call_id = asyncio.run(work())
    answered = held.journal.answered("a.d1", "digest")
    assert answered is not None
    assert (answered.call_id, answered.response, answered.usage) == (call_id, '{"x": [null, "NaN"]}', usage)
    assert held.journal.answered("a.d1", "another") is None


def test_the_columns_of_a_call_and_an_outcome_are_all_written(held: Store, path: Path) -> None:
    call = Call("a", "dialogue", "a.d1", "m", "e", "p", "r", '{"q": 1}', 7, 2, "now")
    call_id = held.begin(call)
    held.finish(call_id, Outcome("{}", Usage(1, 2, 3, "server", 4), 0.1, "stop", "http-500: no", 5))
    held.refuse(call_id, "guard")
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        (row,) = map(dict, db.execute("SELECT * FROM call"))
    assert row == {
        "id": "a.d1.c1", "run_id": "a", "stage": "dialogue", "subject_id": "a.d1", "model": "m", "endpoint": "e",
        "prompt_digest": "p", "request_digest": "r", "request": '{"q": 1}', "seed": 7, "attempt": 2,
        "started_at": "now", "response": "{}", "prompt_tokens": 1, "cached_tokens": 2, "completion_tokens": 3,
        "tokens_from": "server", "reasoning_tokens": 4, "cost_usd": 0.1, "finish_reason": "stop",
        "error": "http-500: no", "duration_ms": 5, "refused": "guard",
    }  # fmt: skip
