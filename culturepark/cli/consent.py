"""The question whether a command may ask a model that the store names and its user does not."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.terminal.safe import safe


def trust_in(named: Iterable[ModelSpec], endpoints: list[str]) -> Trust:
    """Return which models a command may ask: those that it names, and those that its user says yes to."""
    return Trust(named, endpoints, ask if may_ask() else None)


def check_used(trust: Trust, specs: Iterable[ModelSpec], run_id: str) -> None:
    """
    Raises:
        UsageError: if `--endpoint` names something to which no model of the run leads.
    """
    specs = list(specs)
    if unused := trust.unused(specs):
        there = dict.fromkeys(str(spec) for spec in specs)
        raise UsageError(f"--endpoint {unused[0]}: no model of {run_id} is there; it has {', '.join(there)}")


def may_ask() -> bool:
    """Return whether somebody is there to read a question and to answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Put a question on stderr; all but a yes is a no."""
    print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
