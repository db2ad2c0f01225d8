"""The linear assignment problem, solved by scipy's compiled function without the rest of `scipy.optimize`.

That package imports 320 modules, which take 40 MB and a third of a second, and the function needs none of them.
"""

from __future__ import annotations

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def assigned(costs: NDArray[Any], *, maximize: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which row is given which column, so that the sum of the costs is the least: rows, and their columns.

    Args:
        costs: one row for each that is given something, one column for each thing to give.
        maximize: make the sum the greatest.
    """
    rows, columns = solver()(costs, maximize)
    return rows, columns


@cache
def solver() -> Any:
    """Return scipy's `linear_sum_assignment`, by its compiled module alone if that can be found."""
    package = find_spec("scipy")  # which does not import it
    folders = [str(Path(folder) / "optimize") for folder in (package and package.submodule_search_locations) or ()]
    try:
        spec = PathFinder.find_spec("_lsap", folders)
        if spec and spec.loader:
            compiled = module_from_spec(spec)
            spec.loader.exec_module(compiled)
            return compiled.linear_sum_assignment
    except (ImportError, AttributeError):
        pass  # another version of scipy, where it lies elsewhere
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment
