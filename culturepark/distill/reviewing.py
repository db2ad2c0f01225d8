"""What follows from the judgements of several reviewers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol, TypeVar

from culturepark.distill.agreement import Judged, Scale, alpha, kappa, shared
from culturepark.domain import JsonObject, Review


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


def figures(reviews: Mapping[str, Sequence[Review]]) -> JsonObject:
    """How much was reviewed by whom, and how far reviewers agree; `agreement` is None where there are not two of them.

    Args:
        reviews: standing ones by subject.
    """
    given = [review for some in reviews.values() for review in some]
    by_reviewer = Counter(review.reviewer for review in given)
    decisions = [(r.reviewer, r.subject_id, str(r.decision)) for r in given if r.decision != "comment"]
    ratings = [(r.reviewer, r.subject_id, r.rating) for r in given if r.rating is not None]
    return {
        "total": len(given),
        "subjects": len(reviews),
        "by_reviewer": dict(sorted(by_reviewer.items())),
        "by_decision": dict(sorted(Counter(review.decision for review in given).items())),
        "corrections": sum(review.wording is not None for review in given),
        "agreement": {"decisions": agreed(decisions, "nominal"), "ratings": agreed(ratings, "ordinal")}
        if len(by_reviewer) > 1
        else None,
    }


def agreed(judged: Sequence[Judged], scale: Scale) -> JsonObject:
    names = sorted({who for who, _, _ in judged})
    return {
        "krippendorff_alpha": alpha(judged, scale),
        "subjects": subjects(judged),
        "pairs": [
            {
                "reviewers": [one, other],
                "cohen_kappa": kappa(judged, one, other, scale),
                "subjects": subjects([by for by in judged if by[0] in (one, other)]),
            }
            for one, other in combinations(names, 2)
        ],
    }


def subjects(judged: Sequence[Judged]) -> int:
    """How many were judged twice or more."""
    return len({what for _, what, _ in shared(judged)})
