"""Counts of reviews, and the agreement of reviewers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from culturepark.domain import Review
from culturepark.stats.agreement import Judged, Scale, alpha, kappa, shared
from culturepark.stats.figures import ReviewCounts, ReviewerAgreement, ReviewerAgreements, ReviewerPair


def review_counts(reviews: Mapping[str, Sequence[Review]]) -> ReviewCounts:
    """
    Args:
        reviews: standing reviews by subject.
    """
    given = [review for on_subject in reviews.values() for review in on_subject]
    by_reviewer = Counter(review.reviewer for review in given)
    decisions = [(r.reviewer, r.subject_id, str(r.decision)) for r in given if r.decision != "comment"]
    ratings = [(r.reviewer, r.subject_id, r.rating) for r in given if r.rating is not None]
    agreement = ReviewerAgreements(
        decisions=reviewer_agreement(decisions, "nominal"), ratings=reviewer_agreement(ratings, "ordinal")
    )
    return ReviewCounts(
        total=len(given),
        subjects=len(reviews),
        by_reviewer=dict(sorted(by_reviewer.items())),
        by_decision=dict(sorted(Counter(str(review.decision) for review in given).items())),
        corrections=sum(review.wording is not None for review in given),
        agreement=agreement if len(by_reviewer) > 1 else None,
    )


def reviewer_agreement(judged: Sequence[Judged], scale: Scale) -> ReviewerAgreement:
    reviewers = sorted({reviewer for reviewer, _, _ in judged})
    return ReviewerAgreement(
        krippendorff_alpha=alpha(judged, scale),
        subjects=subjects_shared(judged),
        pairs=[
            ReviewerPair(
                reviewers=[one, other],
                cohen_kappa=kappa(judged, one, other, scale),
                subjects=subjects_shared([judgement for judgement in judged if judgement[0] in (one, other)]),
            )
            for one, other in combinations(reviewers, 2)
        ],
    )


def subjects_shared(judged: Sequence[Judged]) -> int:
    """Count the subjects with two or more judgements."""
    return len({subject for _, subject, _ in shared(judged)})
