"""The assignment problem, without the rest of scipy."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from culturepark.dialogue import assignment


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (0, 4)])
@pytest.mark.parametrize("maximize", [False, True])
def test_it_is_what_scipy_finds(shape: tuple[int, int], maximize: bool) -> None:
    costs = np.random.default_rng(3).integers(0, 4, shape).astype(float)  # with ties
    ours, theirs = (
        assignment.assigned(costs, maximize=maximize),
        scipy.optimize.linear_sum_assignment(costs, maximize),
    )
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(own, other)


def test_no_other_module_of_scipy_is_imported() -> None:
    script = (
        "import sys, numpy\nfrom culturepark.dialogue.assignment import assigned\nassigned(numpy.eye(3))\n"
        "print([name for name in sys.modules if name.startswith('scipy')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_where_the_compiled_module_is_not_found_scipy_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(PathFinder, "find_spec", nothing)
    assert assignment.solver.__wrapped__() is scipy.optimize.linear_sum_assignment
