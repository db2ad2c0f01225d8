"""Reviews of turns, statements and samples. None is ever deleted; one that is taken back is marked as withdrawn.

An id is `SUBJECT.r` and eight random hexadecimal digits, so that reviews in two copies of a store can be merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from pydantic import ValidationError
from sqlmodel import Session, col, func, select

from culturepark.distill.review_outcome import standing
from culturepark.domain import Decision, Review
from culturepark.errors import StoreError, UsageError
from culturepark.ids import run_of, turn_of
from culturepark.models.ledger import moment, now
from culturepark.store.integrity import paged
from culturepark.store.reviewer import named
from culturepark.store.standing import one_at_a_time, settle, standing_reviews, standing_rows
from culturepark.store.store import Store
from culturepark.store.tables import ReviewRow, SampleRow, StatementRow, TurnRow


@dataclass(frozen=True)
class Given:
    """A review that was given elsewhere, as in a labelling tool."""

    subject_id: str
    """Id of a sample."""
    reviewer: str
    decision: Decision
    rating: int | None = None
    wording: str | None = None
    note: str | None = None
    at: str | None = None
    """When it was given; None where that is not known."""
    formerly: tuple[str, ...] = ()
    """Other names under which an earlier import can have taken in what this person said."""

    @property
    def says_nothing(self) -> bool:
        return self.decision == "comment" and self.rating is None and not (self.wording or self.note)

    def is_in(self, rows: Sequence[ReviewRow]) -> bool:
        """Tell whether it is one of its reviewer's reviews of the subject: with the same time, or without one at all;
        or the very one that stands."""
        same = [row for row in rows if self._as(row)]
        stands = {row.id for row in standing(rows)}
        return any(self.at in (None, row.created_at) or row.id in stands for row in same)

    def _as(self, row: ReviewRow) -> bool:
        values = ("decision", "rating", "wording", "note")
        return all(getattr(row, name) == getattr(self, name) for name in values)


def take_in(store: Store, given: Sequence[Given]) -> tuple[list[Given], int]:
    """Add reviews that were given elsewhere, and set the status of their samples; all in one transaction.

    What their reviewers said before them under a former name is withdrawn, so that nobody counts twice.

    Args:
        given: valid ones, of one reviewer and sample at most one.
    Returns:
        Those that were added, for the store had the others already; and the number of those that were withdrawn.
    Raises:
        StoreError: if a sample is missing; then none is added.
    """
    subjects = sorted({one.subject_id for one in given})
    with store.database.writing() as session:
        for run_id in sorted({run_of(subject) for subject in subjects}):
            one_at_a_time(session, run_id)
        there = {row.id for row in paged(session, SampleRow, SampleRow.id, subjects)}
        if gone := next((subject for subject in subjects if subject not in there), None):
            raise StoreError(f"no sample {gone[:120]!r} in this store any more")
        earlier: dict[tuple[str, str], list[ReviewRow]] = defaultdict(list)
        for row in paged(session, ReviewRow, ReviewRow.subject_id, subjects):
            earlier[row.subject_id, row.reviewer].append(row)
        added = [one for one in given if not one.is_in(earlier[one.subject_id, one.reviewer])]
        for one in added:
            values = asdict(one)
            del values["formerly"]
            at = values.pop("at") or now()
            session.add(ReviewRow(id=f"{one.subject_id}.r{token_hex(4)}", created_at=at, **values))
        doubled = [
            row
            for one in given
            for name in one.formerly
            for row in earlier[one.subject_id, name]
            if name != one.reviewer and not row.withdrawn_at and row.created_at <= (one.at or now())
        ]
        for row in doubled:
            row.withdrawn_at = now()
        changed = [*(one.subject_id for one in added), *(row.subject_id for row in doubled)]
        for turn_id in sorted(set(map(turn_of, changed))):
            settle_turn(session, turn_id)
        return added, len(doubled)


class Reviews:
    """The reviews of one reviewer. Every method is one transaction, and any thread may call it."""

    def __init__(self, store: Store, reviewer: str) -> None:
        """
        Raises:
            UsageError: if the name is too long or cannot be printed.
        """
        self.store = store
        self.reviewer = named(reviewer)

    def add(
        self,
        subject_id: str,
        decision: Decision,
        *,
        rating: int | None = None,
        wording: str | None = None,
        note: str | None = None,
    ) -> ReviewRow:
        """Add a review, which replaces this reviewer's earlier ones on the subject, and set the status of its samples.

        Args:
            subject_id: of a turn, statement or sample.
            rating: 1 (poor) to 5.
            wording: corrected words: the text of a turn, the trained form of a statement, the answer of a sample.
        Raises:
            UsageError: if there is no such subject, or the review is not well formed.
        """
        wording, note = (wording or "").strip() or None, (note or "").strip() or None
        if decision == "comment" and rating is None and not (wording or note):
            raise UsageError("a comment needs a rating, a wording or a note")
        with self.store.database.writing() as session:
            one_at_a_time(session, run_of(subject_id))
            if not any(session.get(table, subject_id) for table in (SampleRow, StatementRow, TurnRow)):
                raise UsageError(f"no turn, statement or sample {subject_id[:120]!r} in this store")
            try:
                review = Review(
                    id=f"{subject_id}.r{token_hex(4)}",
                    subject_id=subject_id,
                    reviewer=self.reviewer,
                    decision=decision,
                    rating=rating,
                    wording=wording,
                    note=note,
                    created_at=self._later(session),
                )
            except ValidationError as error:
                wrong = error.errors()[0]
                raise UsageError(f"the review's {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
            row = ReviewRow(**review.model_dump())
            session.add(row)
            settle_turn(session, turn_of(subject_id))
        return row

    def undo(self, within: str = "") -> ReviewRow | None:
        """Take back this reviewer's newest review; the one before it on that subject counts again.

        Args:
            within: how the review's id must begin: the whole id, or that of a dialogue with a full stop.
        Returns:
            The review that was taken back; None if there is none.
        """
        with self.store.database.writing() as session:
            mine = select(ReviewRow).where(ReviewRow.reviewer == self.reviewer, col(ReviewRow.withdrawn_at).is_(None))
            mine = mine.where(func.substr(ReviewRow.id, 1, len(within)) == within) if within else mine
            newest = mine.order_by(col(ReviewRow.created_at).desc(), col(ReviewRow.id).desc()).limit(1)
            row = session.exec(newest.with_for_update()).first()
            if row:
                one_at_a_time(session, run_of(row.subject_id))
                row.withdrawn_at = now()
                settle_turn(session, turn_of(row.subject_id))
        return row

    def standing(self, subject_id: str) -> ReviewRow | None:
        """Return this reviewer's review of a subject that counts, if there is one."""
        with self.store.database.reading() as session:
            rows = standing_rows(session, turn_of(subject_id)).get(subject_id, ())
        return next((row for row in rows if row.reviewer == self.reviewer), None)

    def _later(self, session: Session) -> str:
        """Return the present time, or one after this reviewer's newest review, so that reviews keep their order.

        Clocks are set back, and two reviews can come in one millisecond.
        """
        mine = select(ReviewRow.created_at).where(ReviewRow.reviewer == self.reviewer)
        last = session.exec(mine.order_by(col(ReviewRow.created_at).desc()).limit(1)).first()
        at = now()
        if last is None or at > last:
            return at
        return moment(datetime.fromisoformat(last) + timedelta(milliseconds=1))


def settle_turn(session: Session, turn_id: str) -> None:
    """Set the status of all samples of a turn."""
    session.flush()
    statements = select(StatementRow.id).where(StatementRow.turn_id == turn_id)
    samples = session.exec(select(SampleRow).where(col(SampleRow.statement_id).in_(statements))).all()
    settle(standing_reviews(session, turn_id), samples)
