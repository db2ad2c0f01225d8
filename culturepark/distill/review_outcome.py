"""What follows from the judgements of several reviewers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from culturepark.domain import Review


@dataclass(frozen=True)
class Outcome:
    """What reviewers together make of a sample, or of a turn."""

    rejected: bool = False
    wording: Review | None = None
    """The one whose wording counts."""


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
    """Of reviews on one subject, each reviewer's newest that was not withdrawn, oldest first.

    A reviewer's newest is that reviewer's whole judgement: nothing is carried over from the ones before.
    """
    newest: dict[str, G] = {}
    for review in sorted(reviews, key=lambda one: (one.created_at, one.id)):
        if review.withdrawn_at is None:
            newest.pop(review.reviewer, None)
            newest[review.reviewer] = review
    return list(newest.values())


def outcome(levels: Sequence[Sequence[Review]]) -> Outcome:
    """
    Each reviewer's most specific acceptance or rejection counts. Rejected is what has at least as many rejections as
    acceptances: where people differ, the doubt is enough. The wording is the newest of those who do not reject.

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
    worded = (
        [one for one in level if one.wording is not None and decided.get(one.reviewer) != "reject"] for level in levels
    )
    return Outcome(
        rejected=0 < decisions.count("reject") >= decisions.count("accept"),
        wording=next((max(some, key=lambda one: (one.created_at, one.id)) for some in worded if some), None),
    )
