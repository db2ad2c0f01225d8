"""What speakers of one culture said that speakers of another said too, under the same question. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from culturepark.distill.nearest import near
from culturepark.distill.paraphrase import Likeness, Reading, compare, key, read
from culturepark.languages import Language
from culturepark.models.embedder import Vectors

NEAREST = 20
"""Nearest statements that are looked at. All are compared; of more than these that only differ in a word that turns
the meaning, none is taken to be the same."""


def echoes(
    texts: Sequence[str],
    seeds: Sequence[str],
    cultures: Sequence[str],
    vectors: Vectors,
    threshold: float,
    language: Language,
) -> tuple[dict[str, NDArray[np.bool_]], Vectors]:
    """Exact search inside each seed, culture by culture.

    Args:
        vectors: shape (n, d), unit rows.
        threshold: cosine from which two statements may say the same: the run's own, from deduplication.

    Returns:
        for each culture: which statements its speakers made too (never its own), shape (n,);
        and for each statement the cosine with the nearest of any other culture, NaN where there is none, shape (n,).
    """
    found = {culture: np.zeros(len(texts), np.bool_) for culture in dict.fromkeys(cultures)}
    nearest = np.full(len(texts), np.nan, np.float32)
    said, about = np.array(cultures, object), np.array(seeds, object)

    @cache
    def reading(index: int) -> Reading:
        return read(key(texts[index]), language)

    def same(one: int, other: int) -> bool:
        if texts[one] == texts[other]:
            return True
        return compare(reading(one), reading(other)) in (Likeness.SAME, Likeness.OPEN)

    for seed in dict.fromkeys(seeds):
        here = np.flatnonzero(about == seed)
        for culture in dict.fromkeys(said[here]):
            own, others = here[said[here] == culture], here[said[here] != culture]
            if not len(others):
                continue
            close = near(vectors[others], vectors[own], threshold)
            nearest[others] = np.fmax(nearest[others], close.best)
            for row, other in enumerate(others):
                found[culture][other] = any(same(other, own[i]) for _, i in islice(close.of(row), NEAREST))
    return found, nearest
