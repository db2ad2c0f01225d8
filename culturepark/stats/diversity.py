"""Measures of the variety of statements, in speakers, words and meaning. Pure.

They do not grow with the number of statements unless their docstring says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from math import exp, lgamma, log, sqrt

import numpy as np
from numpy.typing import NDArray

from culturepark.models.embedder import Vectors
from culturepark.stats.survey_fit import generator

HDD_WORDS = 42
"""Sample size of HD-D, as its authors chose it."""
BIGRAMS = 500
"""Sample size of distinct-2, in pairs of words: some thirty sentences."""
VENDI_MOST, VENDI_INSIDE = 200, 50
"""Sample sizes of the Vendi score, over all questions and inside one. The score grows with the number of statements, so
sets above this size are sampled down to it."""
UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han and kana
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"  # Thai and Lao, Burmese, Khmer
)
"""Scripts that are written without spaces between words."""


class Letters(dict[int, str]):
    """A table for `str.translate` that leaves words with spaces between them.

    Letters, marks, digits and apostrophes stay, everything else becomes a space. Each character of a script without
    spaces is a word.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if UNSPACED.match(char):
            self[code] = f" {char} "
        elif char in "'’":
            self[code] = "'"
        else:
            self[code] = char if unicodedata.category(char)[0] in "LMN" else " "
        return self[code]


LETTERS = Letters()


def words(text: str) -> list[str]:
    """Return the words of a text in any script, without case; without spaces (as in Chinese) each character is one."""
    parts = unicodedata.normalize("NFKC", text).casefold().translate(LETTERS).split()
    return [word for part in parts if (word := part.strip("'"))]


# --- who ---------------------------------------------------------------------------------------


def effective_number(counts: Iterable[int]) -> float:
    """Return exp of the entropy of the shares: the number of equally frequent speakers with the same entropy.

    1 to the number of counts; 0 without counts. (Hill number of order 1: Hill 1973,
    doi:10.2307/1934352; Jost 2006, doi:10.1111/j.2006.0030-1299.14714.x.)
    """
    positive = [count for count in counts if count > 0]
    total = sum(positive)
    return exp(-sum(count / total * log(count / total) for count in positive)) if positive else 0.0


def surely_above(count: int, total: int) -> float:
    """Return the lower end of the 95% interval of a share; 0 if `total` is 0."""
    return wilson(count, total)[0]


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927, doi:10.2307/2276774); 0 to 1 if `total` is 0."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, count / total
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    middle, scale = share + z * z / (2 * total), 1 + z * z / total
    return (middle - spread) / scale, (middle + spread) / scale


# --- words -------------------------------------------------------------------------------------


def rarefied(counts: Collection[int], size: int) -> float | None:
    """Return the expected share of different things in a random sample of `size` without replacement, exactly.

    1/size (all the same) to 1 (all different); None if there are fewer than `size` things. (Hurlbert 1971,
    doi:10.2307/1934145.)
    """
    total = sum(counts)
    if total < size:
        return None
    every = log_choose(total, size)
    # Expected number of missed things; a thing with c copies is missed if the sample has none of them.
    missed = sum(
        times * exp(log_choose(total - count, size) - every)
        for count, times in Counter(counts).items()
        if total - count >= size
    )
    return (len(counts) - missed) / size


def hdd(texts: Iterable[Sequence[str]]) -> float | None:
    """Return HD-D, the expected type-token ratio of 42 words drawn at random: 1/42 to 1; None below 42 words.

    Unlike the plain ratio, it does not fall with length. (McCarthy & Jarvis 2010,
    doi:10.3758/BRM.42.2.381.)
    """
    return rarefied(Counter(word for text in texts for word in text).values(), HDD_WORDS)


def distinct_2(texts: Iterable[Sequence[str]]) -> float | None:
    """Return the expected share of different word pairs among 500 drawn at random; low if phrases are repeated.

    distinct-n (Li et al. 2016, doi:10.18653/v1/N16-1014) on a sample of fixed size, because it falls with length. None
    below 500 pairs.
    """
    return rarefied(Counter(pair for text in texts for pair in pairwise(text)).values(), BIGRAMS)


def log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


# --- meaning -----------------------------------------------------------------------------------


def distances(vectors: Vectors) -> tuple[float, int]:
    """Return the sum of the cosine distances of all pairs, and the number of pairs; by the sum vector, in O(n d).

    Args:
        vectors: shape (n, d), rows of length 1.
    """
    n = len(vectors)
    total = vectors.sum(axis=0, dtype=np.float64)
    own = float(np.einsum("ij,ij->", vectors, vectors, dtype=np.float64, casting="safe"))
    pairs = n * (n - 1) // 2
    return pairs - (float(total @ total) - own) / 2, pairs


def mean_distance(groups: Iterable[Vectors]) -> float | None:
    """Return the mean cosine distance (1 - cosine, 0 to 2) of all pairs within groups; None without pairs.

    With one group for each question, different topics do not count as variety.
    """
    sums = [distances(group) for group in groups]
    pairs = sum(count for _, count in sums)
    return min(2.0, max(0.0, sum(far for far, _ in sums) / pairs)) if pairs else None


Places = NDArray[np.int_]
AT_ONCE = 4096
"""Statements whose vectors are copied at a time."""


def parts_of(places: Places) -> Iterator[Places]:
    return (places[start : start + AT_ONCE] for start in range(0, len(places), AT_ONCE))


def distance_of_all(vectors: Vectors, places: Places) -> float | None:
    """Return the mean cosine distance of all pairs of some rows, without copying them; None without pairs."""
    n = len(places)
    if not (pairs := n * (n - 1) // 2):
        return None
    total, own = np.zeros(vectors.shape[1]), 0.0
    for part in parts_of(places):
        some = vectors[part]
        total += some.sum(axis=0, dtype=np.float64)
        own += float(np.einsum("ij,ij->", some, some, dtype=np.float64, casting="safe"))
    return min(2.0, max(0.0, (pairs - (float(total @ total) - own) / 2) / pairs))


def vendi_of(vectors: Vectors, places: Places, most: int, *parts: object) -> float | None:
    """Return the Vendi score of some rows; see `vendi`."""
    if len(places) > most:
        places = places[np.sort(generator("vendi", *parts).permutation(len(places))[:most])]
    return vendi(vectors[places], most, *parts)


def vendi(vectors: Vectors, most: int, *parts: object) -> float | None:
    """Return the Vendi score, exp of the entropy of the eigenvalues of the cosine matrix over n: 1 (all the same) to n.

    It is the number of statements with nothing in common that are equally varied, and grows with n. So of more than
    `most` statements a sample of `most` is taken, seeded by `parts`. (Friedman & Dieng 2023, arXiv:2210.02410.)

    Args:
        vectors: shape (n, d), rows of length 1.
    """
    if len(vectors) > most:
        vectors = vectors[np.sort(generator("vendi", *parts).permutation(len(vectors))[:most])]
    n, d = vectors.shape
    if not n:
        return None
    small = vectors.astype(np.float64)
    # The n by n matrix and the d by d matrix have the same positive eigenvalues.
    values = np.linalg.eigvalsh((small @ small.T if n <= d else small.T @ small) / n)
    values = values[values > 1e-12]
    values /= values.sum()
    return float(np.exp(-(values * np.log(values)).sum()))


def diversity_gain(nearest: Vectors) -> float | None:
    """Return the diversity gain of new statements over a base: the mean squared distance of each to its nearest there.

    d = 1/M * sum over new x of min over base y of |f(x) - f(y)|^2, with f of length 1: 2 - 2 cosine, 0 (all in the
    base) to 4. This is the diversity gain of MetaMath (Yu et al. 2023, arXiv:2309.12284; it rests on Bilmes 2022,
    arXiv:2202.00132), written from knowledge of that paper. Its difference from CulturePark's own figure is not known
    (docs/stats.md): compare runs with each other, not with the numbers of that paper.

    Args:
        nearest: shape (M,), the cosine of each new statement with its nearest in the base.
    """
    return float(np.clip(2 - 2 * nearest.astype(np.float64), 0, 4).mean()) if len(nearest) else None
