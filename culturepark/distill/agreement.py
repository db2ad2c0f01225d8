"""How far the judges of a panel agree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations


def alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for interval data (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    1 is full agreement, 0 what chance would bring, below 0 is worse than chance. Written out here since the one library
    that is kept well has a licence that this project's could not take in, and the formula is this short.

    Args:
        units: the scores that each statement was given; those with fewer than two say nothing about agreement.
    Returns:
        None if no statement has two scores, or if all scores are the same: there is then nothing to agree about.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    scores = [score for unit in pairable for score in unit]
    count = len(scores)
    # Over all pairs of scores, of twice as many squared differences as there are pairs.
    expected = 2 * (count * sum(s * s for s in scores) - sum(scores) ** 2)
    if len(set(scores)) < 2:
        return None
    observed = sum(sum((a - b) ** 2 for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in pairable)
    return 1 - (count - 1) * observed / expected
