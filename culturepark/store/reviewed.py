"""What standing reviews mean for the rows they are about. Inside a transaction of whoever asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, col, select

from culturepark.distill.reviewing import Outcome, outcome, standing
from culturepark.domain import Review
from culturepark.store.tables import ReviewRow, RunRow, SampleRow

Standing = Mapping[str, Sequence[Review]]
"""By subject: each reviewer's newest review that was not withdrawn."""


def held(session: Session, run_id: str) -> None:
    """From here to the end of the transaction, nobody else changes what the reviews of a run mean.

    SQLite has one writer at a time as it is; PostgreSQL locks the run's row.
    """
    session.exec(select(RunRow.id).where(RunRow.id == run_id).with_for_update(key_share=True)).all()


def standing_reviews(session: Session, run_id: str, below: str | None = None) -> dict[str, list[Review]]:
    """
    Args:
        below: only those on this row and on what hangs on it.
    """
    found: dict[str, list[Review]] = defaultdict(list)
    query = select(ReviewRow).where(col(ReviewRow.withdrawn_at).is_(None))
    for row in session.exec(query.where(col(ReviewRow.id).startswith(f"{below or run_id}.", autoescape=True))):
        found[row.subject_id].append(noun(row))
    return {subject: standing(reviews) for subject, reviews in found.items()}


def noun(row: ReviewRow) -> Review:
    return Review.model_validate(row.model_dump())


def of_sample(reviews: Standing, sample_id: str) -> Outcome:
    """Its own reviews first, then those of its statement and of its turn; ids spell the path to both."""
    statement_id = sample_id.rpartition(".")[0]
    turn_id = statement_id.rpartition(".")[0]
    return outcome([reviews.get(subject, ()) for subject in (sample_id, statement_id, turn_id)])


def settle(reviews: Standing, samples: Iterable[SampleRow]) -> None:
    """Gives samples the status that follows from reviews; what is dropped for another reason stays as it is."""
    for row in samples:
        if row.status == "dropped":
            continue
        rejected = of_sample(reviews, row.id).rejected
        row.status, row.drop_reason = ("rejected", "review") if rejected else ("kept", None)
