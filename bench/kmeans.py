"""Lloyd's k-means with numpy, for comparisons with the published method; nothing in the package uses it.

Lloyd 1982, "Least Squares Quantization in PCM". Start and repair are those of FAISS's `Kmeans` (Douze et al. 2024, "The
Faiss library"), with which earlier figures were made: different rows by lot to begin with, and a cluster that is left
without rows takes half of one that has many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from culturepark.models.embedder import Vectors

APART = 1 / 1024
"""By how much the two halves of a cluster are moved apart."""


def k_means(vectors: Vectors, count: int, rounds: int = 25, seed: int = 1) -> NDArray[np.intp]:
    """The cluster of each row, shape (n,).

    Args:
        vectors: shape (n, d), n at least `count`.
    """
    draw = np.random.default_rng(seed)
    centres = vectors[draw.permutation(len(vectors))[:count]].copy()
    for _ in range(rounds):
        nearest = assign(vectors, centres)
        sizes = np.bincount(nearest, minlength=count).astype(np.float64)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        filled = sizes > 0
        centres[filled] = sums[filled] / sizes[filled, None].astype(np.float32)
        for empty in np.flatnonzero(~filled):
            large = draw.choice(count, p=np.maximum(sizes - 1, 0) / np.maximum(sizes - 1, 0).sum())
            signs = np.where(np.arange(centres.shape[1]) % 2, 1 - APART, 1 + APART).astype(np.float32)
            centres[empty], centres[large] = centres[large] * signs, centres[large] * (2 - signs)
            sizes[empty], sizes[large] = sizes[large] / 2, sizes[large] / 2
    return assign(vectors, centres)


def assign(vectors: Vectors, centres: Vectors) -> NDArray[np.intp]:
    """The nearest centre of each row."""
    half = (centres**2).sum(axis=1) / 2
    parts = range(0, len(vectors), 1024)
    return np.concatenate([(half - vectors[i : i + 1024] @ centres.T).argmin(axis=1) for i in parts])
