"""Finds all pairs of unit vectors that are similar enough. Exact, with numpy, in tiles of bounded memory. Pure.

BLAS adds in an order that depends on its build, its threads and the shape of the matrices. A similarity near a
threshold could be above it on one machine and below it on another. So vectors are rounded to whole multiples of 2^-26:
all products and partial sums of two of them are whole numbers below 2^53, which float64 holds exactly in any order of
addition. A similarity is the same to the bit on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from culturepark.models.embedder import Vectors

FINENESS = 26
"""Bits after the point. The sum over |a||b| is at most 2^52 for unit vectors (Cauchy and Schwarz)."""
PLACES = 6
"""Decimals of a similarity that count: vectors come as float32, which holds seven."""
TILE = 1 << 22
"""Numbers in the largest intermediate array (32 MB)."""
MANY = 64
"""If more than one pair in so many is near, one product of the whole tile is quicker than one for each pair."""
MOST = 16
"""Neighbours of a row in the band. In a large block about one theme nearly all texts are in each other's."""
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Near:
    """The neighbours of each row, the most similar first, equally similar ones in their order; as arrays."""

    limits: list[int]
    """The neighbours of row i stand from limits[i] to limits[i + 1]."""
    similarities: NDArray[np.float64]
    places: Indices
    best: NDArray[np.float64]
    """Each row's highest similarity with any column, shape (rows,); -inf where there is no column."""

    def of(self, row: int) -> Iterator[tuple[float, int]]:
        there = slice(self.limits[row], self.limits[row + 1])
        return zip(self.similarities[there].tolist(), self.places[there].tolist(), strict=True)


def near(rows: Vectors, columns: Vectors, threshold: float, sure: float | None = None) -> Near:
    """
    Args:
        rows: shape (n, d), of length 1.
        columns: shape (m, d), of length 1.
        threshold: the least cosine, compared to six decimals.
        sure: the cosine below which each row keeps only its `MOST` nearest neighbours; None to keep all.
    """
    if not len(columns):
        return Near([0] * (len(rows) + 1), np.zeros(0), np.zeros(0, np.int64), np.full(len(rows), -np.inf))
    tile = max(1, min(TILE // max(1, rows.shape[1]), 4096))
    best = np.full(len(rows), -np.inf)
    limits, similarities, places = [0], [np.zeros(0)], [np.zeros(0, np.int64)]
    for top in range(0, len(rows), step := max(1, TILE // tile)):
        strip = rows[top : top + step]
        parts = [cosines(strip, columns[left : left + tile], threshold) for left in range(0, len(columns), tile)]
        down = np.concatenate([part[0] for part in parts])
        along = np.concatenate([part[1] + n * tile for n, part in enumerate(parts)])
        close = np.concatenate([part[2] for part in parts])
        np.maximum.at(best, down + top, close)
        enough = np.flatnonzero(close >= round(threshold, PLACES))
        if len(parts) > 1:  # one part comes in the order of its rows
            enough = enough[np.argsort(down[enough], kind="stable")]
        along, close = along[enough], close[enough]
        ends = np.cumsum(np.bincount(down[enough], minlength=len(strip))).tolist()
        for start, end in pairwise((0, *ends)):
            order = np.argsort(-close[start:end], kind="stable")
            if sure is not None:
                order = order[: max(MOST, int((close[start:end] >= round(sure, PLACES)).sum()))]
            similarities.append(close[start:end][order])
            places.append(along[start:end][order])
            limits.append(limits[-1] + len(order))
    return Near(limits, np.concatenate(similarities), np.concatenate(places), best)


def cosines(rows: Vectors, columns: Vectors, threshold: float) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Return row, column and cosine of the pairs of one tile that may be near, and of each row's nearest; by rows.

    All pairs are looked through in float32, which is wrong by less than d * 2^-23 on unit vectors (Higham 2002, section
    3.1). Pairs that may lie above the threshold are computed again: one by one, or all together if they are many.
    """
    rough = rows @ columns.T
    wrong = (rows.shape[1] + 8) * 2.0**-23
    floor = np.minimum(rough.max(axis=1), threshold) - 2 * wrong - 10.0**-PLACES
    down, along = np.nonzero(rough >= floor[:, None].astype(np.float32))
    whole, others = on_lattice(rows), on_lattice(columns)
    if len(down) > rough.size // MANY:
        exact = (whole @ others.T)[down, along]
    else:
        size = max(1, TILE // max(1, rows.shape[1]))
        parts = range(0, len(down), size)
        each = [np.einsum("ij,ij->i", whole[down[i : i + size]], others[along[i : i + size]]) for i in parts]
        exact = np.concatenate(each) if each else np.zeros(0)
    return down, along, np.round(exact * 2.0 ** (-2 * FINENESS), PLACES)


def on_lattice(vectors: Vectors) -> NDArray[np.float64]:
    """Return vectors as whole numbers, 2^26 for 1."""
    return np.rint(vectors.astype(np.float64) * 2.0**FINENESS)
