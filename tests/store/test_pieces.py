"""Requests in pieces: what is read is what was sent, whatever was stored before, deleted, or broken off."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.models.chat import Reply, Usage, canonical
from culturepark.models.ledger import as_stored
from culturepark.store import pieces
from culturepark.store.integrity import Checkup
from culturepark.store.merge import merge, opened
from culturepark.store.pieces import cut, digest_of, ids_in, listed, pack_old_rows, unpacked
from culturepark.store.store import Store
from tests.store.test_store import a_call, add_run, an_outcome, tiny_edition

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A store with the runs `a` and `b`, which nobody has begun."""
    opened = Store(f"sqlite:///{path}")
    for run_id in ("a", "b"):
        add_run(opened, run_id, tiny_edition())
    yield opened
    opened.close()


def ask(store: Store, run_id: str, number: int, request: str) -> str:
    call = a_call(run_id, f"{run_id}.d1.t{number}")
    return store.begin(type(call)(**vars(call) | {"request": request}))


def outside(path: Path, query: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


def talk(turns: int, speaker: str = "Elif") -> str:
    said = [f'{speaker}: In turn {n} I said that guests are fed first. Then we speak, "slowly".' for n in range(turns)]
    return canonical({"messages": [{"role": "user", "content": "\n".join(said)}], "seed": turns})


WORDS = [
    "Guests first. ", "\\n", '\\"', "},", "],", "ü \\u00fc", "çay", "🙂", "a" * 70, ": ", "? ", "! ", "{", "[1,2]", "'",
    "%s", ":id",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_what_is_read_is_what_was_sent_to_the_byte(store: Store, path: Path, seed: int) -> None:
    draw = random.Random(seed)
    sent = {}
    for number in range(1, 12):
        body = "".join(draw.choices(WORDS, k=draw.randrange(0, 120)))
        request = body if draw.random() < 0.3 else json.dumps({"say": body}, ensure_ascii=draw.random() < 0.5)
        sent[ask(store, "a", number, request)] = request
    assert dict(outside(path, "SELECT id, request FROM call")) == sent
    for request in sent.values():
        assert "".join(cut(request)) == request


def test_ids_are_listed_in_few_numbers_and_read_back(store: Store) -> None:
    for seed in range(50):
        draw = random.Random(seed)
        ids: list[int] = []
        while len(ids) < 300:
            start, many = draw.randrange(1, 10**7), draw.choice([1, 1, 2, 63, 64, 65, 200])
            ids += range(start, start + many)
        read = [number for numbers in ids_in(listed(ids)) for number in numbers]
        assert read == ids
    assert listed(range(1, 65)) == "[127]"


def test_a_talk_that_grows_is_stored_once(store: Store, path: Path) -> None:
    requests = [talk(turns) for turns in range(5, 40)]
    for number, request in enumerate(requests, start=1):
        ask(store, "a", number, request)
    ((kept,),) = outside(path, "SELECT sum(length(text)) FROM piece")
    assert kept < 2 * len(requests[-1])
    assert [row[0] for row in outside(path, "SELECT request FROM call ORDER BY length(id), id")] == requests


def test_two_pieces_with_one_digest_are_never_taken_for_each_other(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "digest_of", lambda piece: len(piece) % 3)
    requests = [talk(turns, speaker) for turns in (5, 9) for speaker in ("Elif", "Hans", "Ana")]
    for number, request in enumerate(requests, start=1):
        ask(store, "a", number, request)
    assert sorted(row[0] for row in outside(path, "SELECT request FROM call")) == sorted(requests)


def test_pieces_go_with_the_last_call_that_has_them_and_a_writer_elsewhere_forgets_them(
    store: Store, path: Path
) -> None:
    import asyncio

    async def begin(run_id: str, number: int, request: str) -> None:
        call = a_call(run_id, f"{run_id}.d1.t{number}")
        await store.journal.begin(type(call)(**vars(call) | {"request": request}))

    asyncio.run(begin("a", 1, talk(9)))
    asyncio.run(begin("b", 1, talk(9)))
    other = Store(f"sqlite:///{path}")
    ((before,),) = outside(path, "SELECT count(*) FROM piece")
    other.delete_run("a")
    assert outside(path, "SELECT count(*) FROM piece") == [(before,)]
    other.delete_run("b")
    assert outside(path, "SELECT count(*) FROM piece") == [(0,)]
    add_run(other, "c", tiny_edition())
    other.close()
    asyncio.run(begin("c", 1, talk(9)))  # by the writer that has known all its pieces
    assert outside(path, "SELECT request FROM call") == [(talk(9),)]


def test_a_write_that_is_rolled_back_leaves_no_ids_behind(store: Store, path: Path) -> None:
    import asyncio

    async def together() -> Any:
        call = a_call("a", "a.d1.t1")
        good = type(call)(**vars(call) | {"request": talk(9)})
        writes = (store.journal.begin(good), store.journal.finish("nothing", an_outcome("{}")))
        return await asyncio.gather(*writes, return_exceptions=True)

    asyncio.run(together())
    assert outside(path, "SELECT request FROM call") == [(talk(9),)]


# --- older stores ------------------------------------------------------------------------------------


def old_store(path: Path, calls: int) -> dict[str, str]:
    """A store of the schema before, with that many more calls; id -> request."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript((SCHEMAS / "0012.sql").read_text("utf-8"))
        columns = [row[1] for row in db.execute("PRAGMA table_info(call)")]
        (first,) = db.execute("SELECT * FROM call LIMIT 1")
        for number in range(calls):
            row = dict(zip(columns, first, strict=True)) | {
                "id": f"old.d1.t99.c{number + 1}",
                "subject_id": "old.d1.t99",
            }
            row["request"] = talk(5 + number % 30, f"Speaker {number % 7}")
            db.execute(f"INSERT INTO call VALUES ({', '.join('?' * len(columns))})", [row[name] for name in columns])
        return dict(db.execute("SELECT id, request FROM call"))


def test_an_older_store_is_taken_apart_as_it_is_opened_and_reads_the_same(path: Path) -> None:
    requests = old_store(path, 450)
    Store(f"sqlite:///{path}").close()
    assert dict(outside(path, "SELECT id, request FROM call")) == requests
    assert outside(path, "SELECT count(*) FROM call_log WHERE pieces IS NULL") == [(0,)]
    ((kept,),) = outside(path, "SELECT sum(length(text)) FROM piece")
    assert kept < sum(map(len, requests.values())) / 4
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


KILLED = """
import os, signal, sys
from culturepark.store import pieces
from culturepark.store.database import Driver
portions, commit = int(sys.argv[2]), Driver.commit
done = []
def dying(self):
    if len(done) == portions and sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self)
    done.append(1)
    if len(done) == portions and sys.argv[3] == "after":
        os.kill(os.getpid(), signal.SIGKILL)
Driver.commit = dying
pieces.PORTION = 100
from culturepark.store.store import Store
Store(sys.argv[1])
"""


@pytest.mark.parametrize(("portions", "when"), [(1, "before"), (2, "after"), (3, "before")])
def test_killed_between_or_within_portions_the_store_is_whole_and_goes_on(path: Path, portions: int, when: str) -> None:
    requests = old_store(path, 450)
    command = [sys.executable, "-c", KILLED, f"sqlite:///{path}", str(portions), when]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    ((left,),) = outside(path, "SELECT count(*) FROM call_log WHERE pieces IS NULL")
    assert left == len(requests) - 100 * portions
    assert dict(outside(path, "SELECT id, request FROM call")) == requests  # read by others meanwhile
    size = os.path.getsize(path)
    Store(f"sqlite:///{path}").close()
    assert dict(outside(path, "SELECT id, request FROM call")) == requests
    assert outside(path, "SELECT count(*) FROM call_log WHERE pieces IS NULL") == [(0,)]
    assert os.path.getsize(path) < 1.3 * size


def test_progress_is_told_and_every_row_is_done_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_store(path, 450)
    with monkeypatch.context() as patch:
        patch.setattr("culturepark.store.database.Database._take_old_rows_apart", lambda self: None)
        store = Store(f"sqlite:///{path}")
    clock = iter(range(1000))
    monkeypatch.setattr("culturepark.store.pieces.time.monotonic", lambda: 2.0 * next(clock))
    told: list[str] = []
    ((calls,),) = outside(path, "SELECT count(*) FROM call")
    assert unpacked(store.database)
    assert pack_old_rows(store.database, told.append) == calls
    assert told[0] == f"storing older requests in pieces: 200 of {calls}; Ctrl-C is safe, it goes on later"
    assert not unpacked(store.database)
    assert pack_old_rows(store.database, told.append) == 0
    store.close()


def test_who_may_not_write_reads_an_older_store_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = old_store(path, 3)
    with monkeypatch.context() as patch:
        patch.setattr("culturepark.store.database.Database._take_old_rows_apart", lambda self: None)
        Store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("culturepark.store.database.BUSY_SECONDS", 0.01)
        Store(f"sqlite:///{path}").close()  # nothing is told: the next one does it
        other.execute("ROLLBACK")
    assert dict(outside(path, "SELECT id, request FROM call")) == requests
    assert outside(path, "SELECT count(*) FROM call_log WHERE pieces IS NULL") == [(len(requests),)]


# --- other doors -------------------------------------------------------------------------------------


def test_a_merge_carries_requests_over(store: Store, path: Path, tmp_path: Path) -> None:
    ask(store, "a", 1, talk(20))
    theirs, mine = f"sqlite:///{path}", Store(f"sqlite:///{tmp_path / 'other.db'}")
    with opened(str(path), str(mine.database.url)) as other:
        merged = merge(mine, other, ["a"], dry_run=False)
    assert [run.outcome for run in merged.runs] == ["added"], theirs
    mine.close()
    assert outside(tmp_path / "other.db", "SELECT request FROM call") == [(talk(20),)]
    assert outside(tmp_path / "other.db", "SELECT count(*) > 3 FROM piece") == [(1,)]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE piece SET text = 'x' || text WHERE id = 3", "its digest is that of another text"),
        ("DELETE FROM piece WHERE id = 1", "request is no JSON"),
        ("UPDATE call_log SET pieces = '[' WHERE pieces <> ''", "malformed JSON"),
        ("DROP VIEW call", "there is no table call"),
    ],
)
def test_damage_to_pieces_is_found(store: Store, path: Path, damage: str, found: str) -> None:
    ask(store, "a", 1, talk(9))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)
    assert any(found in problem for problem in Checkup(store.database).problems())


def test_a_view_of_another_making_is_not_read(store: Store, path: Path, tmp_path: Path) -> None:
    from culturepark.errors import StoreError

    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP VIEW call")
        db.execute("CREATE VIEW call AS SELECT * FROM call_log")
    with pytest.raises(StoreError, match="has a view 'call'"), opened(str(path), f"sqlite:///{tmp_path}/other.db"):
        pass


# --- log-probabilities -------------------------------------------------------------------------------


def a_token(text: str, rivals: int) -> dict[str, Any]:
    listed = [{"token": f"{text}{n}", "logprob": -n / 7, "bytes": list(text.encode())} for n in range(rivals)]
    return {"token": text, "logprob": -0.12345678901234, "bytes": list(text.encode()), "top_logprobs": listed, "id": 7}


@pytest.mark.parametrize("asked", [1, 20])
def test_of_log_probabilities_what_is_read_again_is_kept_and_gives_the_same(asked: int) -> None:
    tokens = [a_token(text, asked) for text in (" yes", ".")]
    choice = {"index": 0, "message": {"content": " yes."}, "finish_reason": "stop", "logprobs": {"content": tokens}}
    response = {"choices": [choice], "usage": {"total_tokens": 3}}
    kept = as_stored(response, {"top_logprobs": asked})
    assert len(kept) < 0.7 * len(json.dumps(response))
    before, after = Reply.of(response, Usage()), Reply.of(json.loads(kept), Usage())
    assert after.text == before.text
    assert [(t.text, t.logprob) for t in after.tokens] == [(t.text, t.logprob) for t in before.tokens]
    assert [t.rivals for t in after.tokens] == ([t.rivals for t in before.tokens] if asked > 1 else [{}, {}])
    whole = json.loads(kept)
    assert whole["usage"] == response["usage"]
    assert whole["choices"][0] | {"logprobs": 0} == choice | {"logprobs": 0}


@pytest.mark.parametrize("odd", [None, [], {}, {"content": None}, {"content": ["x", 3]}, "x"])
def test_log_probabilities_of_an_odd_form_are_kept_as_they_came(odd: Any) -> None:
    response = {"choices": [{"message": {"content": "x"}, "logprobs": odd}]}
    assert json.loads(as_stored(response, {"top_logprobs": 5})) == response
    assert as_stored({}, {}) == "{}"


def test_the_digest_is_a_number_of_six_bytes() -> None:
    assert 0 <= digest_of("Guests first.") < 2**48
