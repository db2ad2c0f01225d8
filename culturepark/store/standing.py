"""Standing reviews, and the status they give to samples. Functions run inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from culturepark.distill.review_outcome import Outcome, outcome, standing
from culturepark.domain import Review
from culturepark.ids import kind_of, statement_of, turn_of
from culturepark.store.integrity import hangs_on, paged
from culturepark.store.tables import ReviewRow, RunRow, SampleRow, StatementRow

Standing = Mapping[str, Sequence[Review]]
"""Subject id -> each reviewer's newest review that was not withdrawn."""


def one_at_a_time(session: Session, run_id: str) -> None:
    """Lock the reviews of a run, by the run's row, until the transaction ends. SQLite has only one writer anyway."""
    session.exec(select(RunRow.id).where(RunRow.id == run_id).with_for_update(key_share=True)).all()


def given_reviews(session: Session, run_id: str) -> dict[str, list[Review]]:
    """Return the standing reviews by the subject they were given on, even if that statement no longer counts."""
    by_subject: dict[str, list[Review]] = defaultdict(list)
    for row in session.exec(not_withdrawn(run_id)):
        by_subject[row.subject_id].append(row.noun())
    return {subject: standing(reviews) for subject, reviews in by_subject.items()}


def standing_reviews(session: Session, below: str) -> dict[str, list[Review]]:
    """Return `standing_rows` as nouns; each has the subject it is filed under, not the one it was given on."""
    return {
        subject: [row.noun().model_copy(update={"subject_id": subject}) for row in rows]
        for subject, rows in standing_rows(session, below).items()
    }


def standing_rows(session: Session, below: str) -> dict[str, list[ReviewRow]]:
    """Return the reviews that count, by subject, for the rows below an id.

    A review is about words. A statement that is extracted or verified again gets another id; its reviews still count
    if its words are the same.
    """
    by_subject: dict[str, list[ReviewRow]] = defaultdict(list)
    rows = session.exec(not_withdrawn(below)).all()
    same = with_same_words(session, {row.subject_id for row in rows})
    for row in rows:
        for subject in same[row.subject_id]:
            by_subject[subject].append(row)
    return {subject: standing(reviews) for subject, reviews in by_subject.items()}


def not_withdrawn(below: str) -> Any:
    return select(ReviewRow).where(col(ReviewRow.withdrawn_at).is_(None), hangs_on(col(ReviewRow.id), below))


def with_same_words(session: Session, subjects: Collection[str]) -> dict[str, list[str]]:
    """Return for each turn, statement or sample the ids of all rows with the same words, its own included.

    Two statements have the same words if kind, quote and trained form are equal, and both were proposed or both
    reworded; rounds do not matter. Two samples have the same words if their statements do and they have one shape,
    which always has the same number in the id.
    """
    turns = sorted({turn_of(subject) for subject in subjects if statement_of(subject) != turn_of(subject)})
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    group: dict[str, list[str]] = {}
    for row in paged(session, StatementRow, StatementRow.turn_id, turns):
        words, proposed = row.first_person, row.rewritten_from is None
        group[row.id] = alike[row.turn_id, row.kind, row.quote_start, row.quote_end, proposed, words]
        group[row.id].append(row.id)
    same = {}
    for subject in subjects:
        statement = statement_of(subject)
        same[subject] = [name + subject[len(statement) :] for name in group.get(statement, [statement])]
    return same


def idle(reviews: Standing, counting: Collection[str]) -> int:
    """Count the reviews of statements and samples whose words no current statement has.

    Args:
        counting: ids of the current statements.
    """
    counting_ids = {r.id for name, given in reviews.items() if statement_of(name) in counting for r in given}
    counting_ids |= {r.id for name, given in reviews.items() if turn_of(name) == name for r in given}
    return len({r.id for given in reviews.values() for r in given} - counting_ids)


def of_sample(reviews: Standing, sample_id: str) -> Outcome:
    """Return the outcome for a sample; its own reviews come before those of its statement and its turn."""
    path = (sample_id, statement_of(sample_id), turn_of(sample_id))
    return outcome([reviews.get(subject, ()) for subject in path])


def found_wrong(reviews: Standing, sample_id: str) -> bool | None:
    """Return whether people found a row wrong as the model made it; None where nobody has judged the row.

    A row that was worded anew is one that would have been trained on wrong. Who accepts a statement or a turn has not
    seen the row; who rejects it, or words the statement anew, has found the row wrong.
    """
    found = of_sample(reviews, sample_id)
    if found.rejected or (found.wording and kind_of(found.wording.subject_id) != "turn"):
        return True
    return False if any(review.decision != "comment" for review in reviews.get(sample_id, ())) else None


def settle(reviews: Standing, samples: Iterable[SampleRow]) -> None:
    """Set the status of samples by their reviews; samples that were dropped stay dropped."""
    for row in samples:
        if row.status == "dropped":
            continue
        rejected = of_sample(reviews, row.id).rejected
        row.status, row.drop_reason = ("rejected", "review") if rejected else ("kept", None)
