"""What standing reviews mean for the rows they are about. Inside a transaction of whoever asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from culturepark.distill.review_outcome import Outcome, outcome, standing
from culturepark.domain import Review, trained_form
from culturepark.ids import statement_of, turn_of
from culturepark.store.integrity import hangs_on, paged
from culturepark.store.tables import ReviewRow, RunRow, SampleRow, StatementRow

Standing = Mapping[str, Sequence[Review]]
"""By subject: each reviewer's newest review that was not withdrawn."""


def one_at_a_time(session: Session, run_id: str) -> None:
    """From here to the end of the transaction, nobody else changes what the reviews of a run mean.

    SQLite has one writer at a time as it is; PostgreSQL locks the run's row.
    """
    session.exec(select(RunRow.id).where(RunRow.id == run_id).with_for_update(key_share=True)).all()


def given_reviews(session: Session, run_id: str) -> dict[str, list[Review]]:
    """By what they were given on, whether that still counts or not: how much has been reviewed."""
    found: dict[str, list[Review]] = defaultdict(list)
    for row in session.exec(not_withdrawn(run_id)):
        found[row.subject_id].append(row.noun())
    return {subject: standing(reviews) for subject, reviews in found.items()}


def standing_reviews(session: Session, below: str) -> dict[str, list[Review]]:
    """As nouns that are about the subject they stand under; see `standing_rows`."""
    return {
        subject: [row.noun().model_copy(update={"subject_id": subject}) for row in rows]
        for subject, rows in standing_rows(session, below).items()
    }


def standing_rows(session: Session, below: str) -> dict[str, list[ReviewRow]]:
    """What counts, by subject: on a row and on what hangs on it.

    A judgement is about words. Extracted or verified again, a statement has another id; what was said of it holds on,
    as long as its words are the same.
    """
    found: dict[str, list[ReviewRow]] = defaultdict(list)
    rows = session.exec(not_withdrawn(below)).all()
    same = same_said(session, {row.subject_id for row in rows})
    for row in rows:
        for subject in same[row.subject_id]:
            found[subject].append(row)
    return {subject: standing(reviews) for subject, reviews in found.items()}


def not_withdrawn(below: str) -> Any:
    return select(ReviewRow).where(col(ReviewRow.withdrawn_at).is_(None), hangs_on(col(ReviewRow.id), below))


def same_said(session: Session, subjects: Collection[str]) -> dict[str, list[str]]:
    """Of each turn, statement or sample all that are the same words, itself included.

    Statements are, of whatever round, if kind, quote and trained form are, and both were proposed or both reworded;
    samples, if their statements are: of these a shape has always the same number.
    """
    turns = sorted({turn_of(subject) for subject in subjects if statement_of(subject) != turn_of(subject)})
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    group: dict[str, list[str]] = {}
    for row in paged(session, StatementRow, StatementRow.turn_id, turns):
        words, proposed = getattr(row, trained_form(row.kind)), row.rewritten_from is None
        group[row.id] = alike[row.turn_id, row.kind, row.quote_start, row.quote_end, proposed, words]
        group[row.id].append(row.id)
    found = {}
    for subject in subjects:
        statement = statement_of(subject)
        found[subject] = [name + subject[len(statement) :] for name in group.get(statement, [statement])]
    return found


def idle(reviews: Standing, counting: Collection[str]) -> int:
    """How many reviews are about statements, or samples of statements, of which none counts any more."""
    live = {r.id for name, some in reviews.items() if statement_of(name) in counting for r in some}
    live |= {r.id for name, some in reviews.items() if turn_of(name) == name for r in some}
    return len({r.id for some in reviews.values() for r in some} - live)


def of_sample(reviews: Standing, sample_id: str) -> Outcome:
    """Its own reviews first, then those of its statement and of its turn; ids spell the path to both."""
    path = (sample_id, statement_of(sample_id), turn_of(sample_id))
    return outcome([reviews.get(subject, ()) for subject in path])


def settle(reviews: Standing, samples: Iterable[SampleRow]) -> None:
    """Gives samples the status that follows from reviews; what is dropped for another reason stays as it is."""
    for row in samples:
        if row.status == "dropped":
            continue
        rejected = of_sample(reviews, row.id).rejected
        row.status, row.drop_reason = ("rejected", "review") if rejected else ("kept", None)
