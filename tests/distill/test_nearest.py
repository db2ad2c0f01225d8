"""The exact search: all pairs at least so similar, the same to the bit however they are computed."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from culturepark.distill import nearest
from culturepark.distill.nearest import near
from culturepark.models.embedder import Vectors, unit_rows


def crowd(rows: int, size: int, spread: float, seed: int = 3) -> Vectors:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(2, rows // 8), size))
    noise = spread * draw.normal(size=(rows, size))
    return unit_rows((centres[draw.integers(0, len(centres), rows)] + noise).astype(np.float32))


def by_hand(rows: Vectors, columns: Vectors, threshold: float) -> list[list[tuple[float, int]]]:
    """The same without any of its ways: products of Python's own whole numbers."""
    found = []
    one, other = ([[round(x * 2**26) for x in v] for v in some.astype(np.float64).tolist()] for some in (rows, columns))
    for a in one:
        close = [round(float(Fraction(sum(x * y for x, y in zip(a, b, strict=True)), 2**52)), 6) for b in other]
        found.append(sorted(((c, n) for n, c in enumerate(close) if c >= threshold), key=lambda it: (-it[0], it[1])))
    return found


@pytest.mark.parametrize("spread", [0.2, 0.6, 2.0], ids=["dense", "some", "sparse"])
@pytest.mark.parametrize("tile", [64, 400, 1 << 22], ids=["many tiles", "some tiles", "one tile"])
def test_it_finds_what_counting_by_hand_finds_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch, spread: float, tile: int
) -> None:
    monkeypatch.setattr(nearest, "TILE", tile)
    rows, columns = crowd(40, 16, spread), crowd(57, 16, spread, seed=4)
    for threshold in (0.3, 0.7, 0.95):
        found = near(rows, columns, threshold)
        wanted = by_hand(rows, columns, threshold)
        assert [[(c, n) for c, n in found.of(row)] for row in range(40)] == wanted
    best = [one[0][0] for one in by_hand(rows, columns, -2.0)]
    assert near(rows, columns, 0.99).best.tolist() == best  # also where nothing is near enough


@pytest.mark.parametrize("many", [1, 10**9])
def test_one_by_one_and_all_together_give_the_same_bits(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    vectors = crowd(300, 384, 0.8)
    usual = near(vectors, vectors, 0.6)
    monkeypatch.setattr(nearest, "MANY", many)
    other = near(vectors, vectors, 0.6)
    assert usual.similarities.tobytes() == other.similarities.tobytes()
    assert (usual.places == other.places).all()
    assert usual.limits == other.limits


def test_neither_threads_nor_what_stands_beside_a_row_change_a_decision() -> None:
    script = (
        "import hashlib, sys; from tests.distill.test_nearest import crowd\n"
        "from culturepark.distill.nearest import near\n"
        "f = near(v := crowd(700, 384, 0.8), v, 0.6)\n"
        "print(hashlib.sha256(f.similarities.tobytes() + f.places.tobytes()).hexdigest())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "OPENBLAS_NUM_THREADS": str(count), "OPENBLAS_CORETYPE": core},
            capture_output=True,
            check=True,
        ).stdout
        for count, core in ((1, "Haswell"), (2, "Nehalem"))
    }
    assert len(said) == 1
    vectors = crowd(300, 384, 0.8)
    whole, part = near(vectors, vectors, 0.6), near(vectors[17:90], vectors, 0.6)
    assert [list(part.of(row)) for row in range(73)] == [list(whole.of(row + 17)) for row in range(73)]


def test_a_similarity_at_the_threshold_is_enough_whatever_float32_makes_of_it() -> None:
    angles = np.arccos(np.linspace(0.55, 0.95, 81))
    others = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    for row, threshold in enumerate(np.linspace(0.55, 0.95, 81)):
        found = [n for _, n in near(np.array([[1, 0]], np.float32), others, float(threshold)).of(0)]
        assert sorted(found) == list(range(row, 81))


def test_equal_vectors_are_wholly_similar() -> None:
    vectors = crowd(50, 384, 1.0)
    found = near(vectors, vectors, 1.0)
    assert [list(found.of(row)) for row in range(50)] == [[(1.0, row)] for row in range(50)]


def test_nothing_beside_nothing() -> None:
    nobody, some = np.zeros((0, 8), np.float32), crowd(3, 8, 1.0)
    assert near(nobody, some, 0.5).limits == [0]
    alone = near(some, nobody, 0.5)
    assert [list(alone.of(row)) for row in range(3)] == [[], [], []]
    assert (alone.best == -np.inf).all()
