"""How much of a run was reviewed, by whom, and how far reviewers agree. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from culturepark.domain import JsonObject, Review
from culturepark.stats.agreement import Judged, Scale, alpha, kappa, shared


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
