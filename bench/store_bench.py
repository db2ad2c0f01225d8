"""CPU of the call log, and bytes of a store: `python -m bench.store_bench [calls] [concurrency]`.

With a store's file in place of the figures (`python -m bench.store_bench FILE`) it copies the store, and prints its
bytes a sample with whole requests, as older versions kept them, and as it is kept now; both after VACUUM.

Prints CPU milliseconds a call (row before, outcome after, turn; a quick loopback disk is enough, since waiting is no
CPU): plain SQL with sqlite3, the journal as a run uses it, and the store's methods outside an event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from culturepark.catalog.scenarios import find, load_edition
from culturepark.domain import Turn
from culturepark.models.chat import Usage, canonical, digest
from culturepark.models.ledger import Call, Outcome, now
from culturepark.models.spec import parse_roles
from culturepark.run.plan import Settings, new_run
from culturepark.store.store import Store

SPEECH = "In my family the eldest speaks first, and nobody would think of doing it in another way. " * 3
REQUEST = {
    "model": "m",
    "messages": [{"role": "system", "content": "You are somebody. " * 60}, {"role": "user", "content": SPEECH * 12}],
    "max_tokens": 400,
    "stream": True,
}
RESPONSE = canonical({"choices": [{"message": {"role": "assistant", "content": SPEECH}, "finish_reason": "stop"}]})
OUTCOME = Outcome(RESPONSE, Usage(900, 500, 80, "server"), 0.001, "stop", None, 1500)


def call_of(subject: str) -> Call:
    request = canonical(REQUEST | {"seed": subject})
    return Call("a", "dialogue", subject, "m", "http://e", "p" * 64, digest("e", request), request, 1, 1, now())


def turn_of(number: int, call_id: str | None) -> Turn:
    return Turn(
        position=number, slot=number, speaker="x", role="delegate", phase="opening", text=SPEECH, origin="model",
        call_id=call_id,
    )  # fmt: skip


def plain(path: Path, calls: int) -> None:
    """Three transactions a call with nothing around them, over the tables as they were up to version 0.12."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE call (id PRIMARY KEY, subject, digest, request, response, tokens, error)")
        db.execute("CREATE INDEX s ON call (subject)")
        db.execute("CREATE INDEX d ON call (digest)")
        db.execute("CREATE TABLE turn (id PRIMARY KEY, text, call_id)")
        for number in range(1, calls + 1):
            call = call_of(f"a.d1.t{number}")
            db.execute("SELECT id FROM call WHERE subject = ? AND digest = ?", (call.subject_id, call.request_digest))
            db.execute("BEGIN IMMEDIATE")
            row = (f"{call.subject_id}.c1", call.subject_id, call.request_digest, call.request)
            db.execute("INSERT INTO call (id, subject, digest, request) VALUES (?, ?, ?, ?)", row)
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE call SET response = ?, tokens = ? WHERE id = ?", (RESPONSE, 900, row[0]))
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO turn VALUES (?, ?, ?)", (f"a.d1.t{number}", SPEECH, row[0]))
            db.execute("COMMIT")


def journal(store: Store, calls: int, concurrency: int) -> None:
    async def dialogue(number: int) -> None:
        for position in range(1, calls // concurrency + 1):
            call = call_of(f"a.d{number}.t{position}")
            store.journal.answered(call.subject_id, call.request_digest)
            call_id = await store.journal.begin(call)
            await asyncio.sleep(0)
            await store.journal.finish(call_id, OUTCOME)
            await store.journal.add_turn(f"a.d{number}", turn_of(position, call_id))

    async def all_at_once() -> None:
        await asyncio.gather(*(dialogue(number) for number in range(1, concurrency + 1)))

    asyncio.run(all_at_once())


def at_once(store: Store, calls: int) -> None:
    for number in range(1, calls + 1):
        call = call_of(f"a.d1.t{number}")
        store.answered(call.subject_id, call.request_digest)
        call_id = store.begin(call)
        store.finish(call_id, OUTCOME)
        store.add_turn("a.d1", turn_of(number, call_id))


def new_store(path: Path, dialogues: int) -> Store:
    store = Store(f"sqlite:///{path}")
    edition = load_edition(find("quickstart"), dialogues)
    models = parse_roles("scripted", [])
    new_run(store, edition, seed=1, models=models, settings=Settings(), run_id="a")
    return store


def measured(name: str, calls: int, work: Callable[[], None]) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:40} {1000 * cpu / calls:7.2f} ms CPU  {1000 * wall / calls:7.2f} ms wall a call", flush=True)


def sizes(file: Path) -> None:
    """Print the bytes of a store with whole requests and with pieces, with and without what runs hold once."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        whole, now_kept = Path(folder, "whole.db"), Path(folder, "now.db")
        with (
            closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
            closing(sqlite3.connect(now_kept)) as copy,
        ):
            db.backup(copy)
        Store(f"sqlite:///{now_kept}").close()
        with closing(sqlite3.connect(now_kept, isolation_level=None)) as db:
            db.execute("VACUUM INTO ?", (str(whole),))
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (samples,) = db.execute("SELECT count(*) FROM sample").fetchone()
            (editions,) = db.execute("SELECT coalesce(sum(length(CAST(scenario AS BLOB))), 0) FROM run").fetchone()
        with closing(sqlite3.connect(whole, isolation_level=None)) as db:
            db.execute(
                "UPDATE call_log SET request = (SELECT request FROM call WHERE call.id = call_log.id), pieces = ''"
            )
            db.execute("DELETE FROM piece")
            db.execute("CREATE INDEX ix_call_request_digest ON call_log (request_digest)")
            db.execute("VACUUM")
        before, after = whole.stat().st_size, now_kept.stat().st_size
        print(
            f"{file}: {samples:,} samples; {before:,} bytes with whole requests, {after:,} now ({after / before:.2f})"
        )
        for name, left_out in (("all", 0), ("without the editions of runs", editions)):
            a, b = (before - left_out) / max(samples, 1), (after - left_out) / max(samples, 1)
            print(f"  a sample, {name}: {a:,.0f} before, {b:,.0f} now ({b / a:.2f})")


def main() -> None:
    if sys.argv[1:] and not sys.argv[1].isdigit():
        for name in sys.argv[1:]:
            sizes(Path(name))
        return
    calls, concurrency = (int(sys.argv[1]) if sys.argv[1:] else 512), (int(sys.argv[2]) if sys.argv[2:] else 16)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        measured("plain sqlite3, a commit each", calls, lambda: plain(Path(folder, "plain.db"), calls))
        store = new_store(Path(folder, "at-once.db"), 4)
        measured("store's methods, a commit each", calls, lambda: at_once(store, calls))
        store.close()
        store = new_store(Path(folder, "journal.db"), concurrency)
        measured(f"journal, {concurrency} dialogues", calls, lambda: journal(store, calls, concurrency))
        print(f"{'':40} {store.journal.commits / calls:7.2f} commits a call")
        store.close()


if __name__ == "__main__":
    main()
