"""The outcome of several people's reviews of one thing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from culturepark.domain import Review


@dataclass(frozen=True)
class Outcome:
    """The outcome for a sample or a turn."""

    rejected: bool = False
    wording: Review | None = None
    """The review whose wording counts."""


NOTHING = Outcome()


class Given(Protocol):
    """A review, as a noun or as a row."""

    @property
    def id(self) -> Any: ...
    @property
    def reviewer(self) -> Any: ...
    @property
    def created_at(self) -> Any: ...
    @property
    def withdrawn_at(self) -> Any: ...


G = TypeVar("G", bound=Given)


def standing(reviews: Iterable[G]) -> list[G]:
    """Return each reviewer's newest review of one subject that was not withdrawn, the oldest first.

    It is the reviewer's whole judgement: nothing is carried over from earlier reviews.
    """
    newest: dict[str, G] = {}
    for review in sorted(reviews, key=lambda review: (review.created_at, review.id)):
        if review.withdrawn_at is None:
            newest.pop(review.reviewer, None)
            newest[review.reviewer] = review
    return list(newest.values())


def outcome(levels: Sequence[Sequence[Review]]) -> Outcome:
    """Count each reviewer's most specific acceptance or rejection. As many rejections as acceptances reject.

    The wording is the newest by a reviewer who does not reject.

    Args:
        levels: standing reviews, most specific first: of a sample, of its statement, of its turn.
    """
    if not any(levels):  # as nearly always
        return NOTHING
    decided: dict[str, str] = {}
    for review in (review for level in levels for review in level):
        if review.decision != "comment":
            decided.setdefault(review.reviewer, review.decision)
    decisions = list(decided.values())
    worded = ([r for r in level if r.wording is not None and decided.get(r.reviewer) != "reject"] for level in levels)
    return Outcome(
        rejected=0 < decisions.count("reject") >= decisions.count("accept"),
        wording=next((max(some, key=lambda review: (review.created_at, review.id)) for some in worded if some), None),
    )
