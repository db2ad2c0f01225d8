"""Vectors are kept by embedder and text, are the same to the bit whether kept or new, and are made anew if damaged."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from culturepark.errors import StoreError
from culturepark.models.embedder import Lexical, Method, MiniLM, Vectors, unit_rows
from culturepark.store import vectors
from culturepark.store.database import MIGRATIONS, REVISIONS, Database
from culturepark.store.integrity import Checkup
from culturepark.store.store import Store
from culturepark.store.vectors import vectors_of
from tests.torture.damage import ODD

TEXTS = [f"We pour tea for guest number {number}." for number in range(40)]


class Counting:
    """Vectors that look like noise and hang on the text alone; counts what it is asked for."""

    method: Method = "endpoint"

    def __init__(self, identity: str | None = "counting 1", size: int = 16) -> None:
        self.identity = identity
        self.size = size
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        rows = [np.random.default_rng(seed).normal(size=self.size) for seed in seeds]
        return unit_rows(np.array(rows, np.float32))


def want(store: Store, embedder: Any, texts: Sequence[str] = TEXTS) -> Vectors:
    return asyncio.run(vectors_of(store, embedder, texts))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{path}")
    yield made
    made.close()


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


def test_no_text_is_embedded_twice_and_kept_vectors_are_those_that_were_new(store: Store) -> None:
    embedder = Counting()
    fresh = want(store, embedder)
    assert embedder.asked == TEXTS
    again = want(store, embedder, TEXTS[::-1])
    assert embedder.asked == TEXTS
    assert again.tobytes() == fresh[::-1].tobytes()
    assert fresh.dtype == np.float32
    assert np.linalg.norm(fresh, axis=1) == pytest.approx(1, abs=1e-3)


def test_a_text_that_comes_twice_is_embedded_once_and_only_what_is_missing_is(store: Store) -> None:
    embedder = Counting()
    want(store, embedder, TEXTS[:5])
    mixed = want(store, embedder, [TEXTS[7], TEXTS[2], TEXTS[7]])
    assert embedder.asked == [*TEXTS[:5], TEXTS[7]]
    assert mixed[0].tobytes() == mixed[2].tobytes()
    assert mixed.tobytes() == want(Store(f"{store.database.shown}2"), embedder)[[7, 2, 7]].tobytes()


def test_vectors_of_another_embedder_or_of_other_weights_are_not_taken(store: Store) -> None:
    want(store, Counting("minilm 1"))
    other = Counting("minilm 2")
    want(store, other)
    assert other.asked == TEXTS


def test_what_costs_less_to_make_than_to_read_is_not_kept(path: Path, store: Store) -> None:
    assert want(store, Lexical()).shape == (40, 4096)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM vector").fetchone() == (0,)


def test_nothing_is_wanted_for_no_texts(store: Store) -> None:
    embedder = Counting()
    assert len(want(store, embedder, [])) == 0
    assert embedder.asked == []


def test_what_was_embedded_before_a_kill_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(Counting):
        async def embed(self, texts: Sequence[str]) -> Vectors:
            if len(self.asked) == 20:
                raise KeyboardInterrupt
            return await super().embed(texts)

    monkeypatch.setattr(vectors, "EMBEDDED_AT_ONCE", 10)
    with pytest.raises(KeyboardInterrupt):
        want(store, Dying())
    after = Counting()
    want(store, after)
    assert after.asked == TEXTS[20:]


def test_an_endpoint_that_has_changed_the_size_of_its_vectors_is_asked_for_all_again(store: Store) -> None:
    want(store, Counting(size=16), TEXTS[:10])
    larger = Counting(size=24)
    assert want(store, larger, TEXTS[:20]).shape == (20, 24)
    assert sorted(larger.asked) == sorted(TEXTS[:20])


# --- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["vector", "checksum"])
@pytest.mark.parametrize("value", [odd for odd in ODD if odd not in (None, "\ud800")], ids=str)
@pytest.mark.sampled
def test_a_damaged_vector_is_made_anew_and_doctor_names_it(path: Path, store: Store, column: str, value: Any) -> None:
    embedder = Counting()
    fresh = want(store, embedder)
    digest = vectors.digest_of(TEXTS[3])
    change(path, f"UPDATE vector SET {column} = ? WHERE text_sha256 = ?", value, digest)
    problems = list(Checkup(store.database).problems())
    assert problems
    assert all(digest[:20] in problem for problem in problems)
    assert want(store, embedder).tobytes() == fresh.tobytes()
    assert embedder.asked == [*TEXTS, TEXTS[3]]
    assert list(Checkup(store.database).problems()) == []  # and it stands there mended


def test_what_the_driver_cannot_read_ends_in_a_clear_line(path: Path, store: Store) -> None:
    want(store, Counting())
    change(
        path, "UPDATE vector SET vector = CAST(x'7bff7d' AS TEXT) WHERE text_sha256 = ?", vectors.digest_of(TEXTS[3])
    )
    with pytest.raises(StoreError, match="UTF-8"):
        want(store, Counting())
    assert any("UTF-8" in problem for problem in Checkup(store.database).problems())


def test_one_flipped_bit_of_a_vector_is_noticed(path: Path, store: Store) -> None:
    embedder = Counting()
    fresh = want(store, embedder)
    digest = vectors.digest_of(TEXTS[3])
    with closing(sqlite3.connect(path)) as db:
        (blob,) = db.execute("SELECT vector FROM vector WHERE text_sha256 = ?", (digest,)).fetchone()
    change(path, "UPDATE vector SET vector = ? WHERE text_sha256 = ?", bytes([blob[0] ^ 1, *blob[1:]]), digest)
    assert want(store, embedder).tobytes() == fresh.tobytes()
    assert embedder.asked[40:] == [TEXTS[3]]


def test_a_vector_that_stands_under_another_text_is_not_taken(path: Path, store: Store) -> None:
    embedder = Counting()
    fresh = want(store, embedder)
    take = "UPDATE vector SET (vector, checksum) = (SELECT vector, checksum FROM vector WHERE text_sha256 = ?)"
    change(path, f"{take} WHERE text_sha256 = ?", vectors.digest_of(TEXTS[1]), vectors.digest_of(TEXTS[2]))
    assert want(store, embedder).tobytes() == fresh.tobytes()
    assert embedder.asked[40:] == [TEXTS[2]]


# --- the schema ------------------------------------------------------------------------------------


def test_a_store_of_the_first_schema_is_brought_up_to_date_with_its_rows(path: Path) -> None:
    path.touch()
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    row = ("old.d1.t1.r01234567", "old.d1.t1", "me", "accept", "2026-01-01T00:00:00+00:00")
    change(path, "INSERT INTO review (id, subject_id, reviewer, decision, created_at) VALUES (?, ?, ?, ?, ?)", *row)
    store = Store(f"sqlite:///{path}")
    with store.database.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == REVISIONS[-1]
    assert want(store, Counting()).tobytes() == want(store, Counting()).tobytes()
    assert list(Checkup(store.database).problems()) == ["review 'old.d1.t1.r01234567': there is no 'old.d1.t1'"]
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT id, subject_id FROM review").fetchall() == [row[:2]]
    Database(f"sqlite:///{path}").close()  # and a second time there is nothing to do


# --- the real embedder -------------------------------------------------------------------------------


@pytest.mark.embedded
def test_minilm_gives_the_same_bits_whatever_a_text_is_embedded_with(store: Store) -> None:
    embedder = MiniLM(lambda *_: None)
    texts = [*TEXTS[:3], "Tea.", "A guest who comes late at night " * 20]
    together = want(store, embedder, texts)
    alone = np.concatenate([asyncio.run(embedder.embed([text])) for text in texts])
    assert alone.astype("<f2").astype(np.float32).tobytes() == together.tobytes()
