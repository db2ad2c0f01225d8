"""Duplicates and samples are made one question after the other, and a question may be compared ahead of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import delete

from culturepark.models.spec import LEXICAL
from culturepark.run.pipeline import Run
from culturepark.store.questions import questions_of
from culturepark.store.store import Store
from culturepark.store.tables import DuplicateRow, SampleRow
from tests.cli.test_cli import dump, tiny_store
from tests.support.fakes import Cast, FakeModel, Listener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.db"
    path.write_bytes(tiny_store())
    return path


@pytest.fixture
def run(path: Path) -> Iterator[Run]:
    """A finished run that is taken up again, with a model that nobody should ask."""
    store = Store(f"sqlite:///{path}")
    run = Run(store, store.run("a"), Listener([]))
    run.models = Cast(FakeModel(), LEXICAL)  # type: ignore[assignment]
    yield run
    store.close()


def questions(run: Run) -> list[str]:
    return questions_of(run.store, "a")


def test_it_makes_the_rows_that_there_were_however_often_and_in_whatever_order_questions_were_compared(
    run: Run, path: Path
) -> None:
    before = dump(path)
    assert len(questions(run)) > 1

    async def distil() -> None:
        for key in (*reversed(questions(run)), *questions(run)):
            await run.distil_question(key)
        await run._distil()

    asyncio.run(distil())
    assert dump(path) == before


def test_a_question_is_compared_again_only_if_its_statements_have_changed(run: Run) -> None:
    first, other = questions(run)[:2]

    async def compare() -> list[int]:
        known = [await run.distil_question(key) for key in (first, other)]
        changed = run.store.statements(run.row)[0]
        with run.store.database.writing() as session:
            row = session.merge(changed)
            row.first_person += " And so do my neighbours."
        again = [await run.distil_question(key) for key in (first, other)]
        return [old is new for old, new in zip(known, again, strict=True)]

    assert asyncio.run(compare()) == [False, True]


def test_nothing_is_stored_if_it_stops_between_two_questions(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump(Path(run.store.database.path))
    with run.store.database.writing() as session:
        session.execute(delete(DuplicateRow))
        session.execute(delete(SampleRow))
    judged = Run._judged

    def stopped_at_the_last(self: Run, key: str, rows: object = None) -> object:
        if rows is not None and key == questions(run)[-1]:
            raise KeyboardInterrupt
        return judged(self, key, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "_judged", stopped_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run._distil())
    assert not dump(Path(run.store.database.path))["sample"]
    monkeypatch.undo()
    asyncio.run(run._distil())
    assert dump(Path(run.store.database.path)) == before
