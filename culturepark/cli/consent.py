"""The user's consent to models that only the store names."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.terminal.safe import safe


def trust_in(named: Iterable[ModelSpec], endpoints: list[str]) -> Trust:
    """Return the models that a command may ask: those it names, and those its user agrees to."""
    return Trust(named, endpoints, ask if may_ask() else None)


def check_used(trust: Trust, specs: Iterable[ModelSpec], run_id: str) -> None:
    """
    Raises:
        UsageError: if `--endpoint` names an endpoint of no model of the run.
    """
    specs = list(specs)
    if unused := trust.unused(specs):
        there = dict.fromkeys(str(spec) for spec in specs)
        raise UsageError(f"--endpoint {unused[0]}: no model of {run_id} is there; it has {', '.join(there)}")


def may_ask() -> bool:
    """Tell whether the user can read a question on a terminal and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask a question on stderr; any answer but yes is no."""
    print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
