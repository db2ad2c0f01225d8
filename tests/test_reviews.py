"""What reviewers say of turns, statements and samples, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from culturepark.errors import UsageError
from culturepark.store.reviews import Reviews
from culturepark.store.tables import SampleRow
from tests.fakes import FakeModel, Held, hold, shipped


@pytest.fixture
def reviewed(tmp_path: Path) -> Held:
    return hold(tmp_path, shipped("quickstart"), FakeModel())


def status(held: Held, sample_id: str) -> tuple[str, str | None]:
    (row,) = held.of(SampleRow, id=sample_id)
    return row.status, row.drop_reason


def test_an_undone_review_lets_the_one_before_it_count_again(reviewed: Held) -> None:
    sample = reviewed.of(SampleRow, status="kept")[0]
    ann = Reviews(reviewed.store, "Ann")
    first = ann.add(sample.id, "accept", rating=4)
    ann.add(sample.id, "reject")
    assert status(reviewed, sample.id) == ("rejected", "review")
    taken = ann.undo()
    assert taken is not None
    assert taken.decision == "reject"
    assert ann.standing(sample.id).id == first.id
    assert status(reviewed, sample.id) == ("kept", None)
    assert ann.undo().id == first.id
    assert ann.undo() is None


def test_whatever_cannot_be_kept_is_wrong_use(reviewed: Held) -> None:
    ann = Reviews(reviewed.store, "Ann")
    sample = reviewed.of(SampleRow, status="kept")[0].id
    for bad in ({"rating": 6}, {"rating": 0}, {"wording": "a\0"}, {"note": "x" * 4001}, {"note": "\ud800"}):
        with pytest.raises(UsageError):
            ann.add(sample, "accept", **bad)
    for subject in ("", "nobody", "a\0b", reviewed.run_id, f"{reviewed.run_id}.d1"):
        with pytest.raises(UsageError):
            ann.add(subject, "accept")
