"""What the user of a command has named, and the question whether a store may name something else."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from culturepark.domain import JUDGES, ModelRole
from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.models.trust import Trust
from culturepark.terminal.safe import safe


def trust_in(named: Iterable[ModelSpec], endpoints: list[str]) -> Trust:
    """Return what this command may ask: what it names, and what its user says yes to."""
    return Trust(named, endpoints, ask if sys.stdin.isatty() and sys.stderr.isatty() else None)


def named_in(roles: list[str], model: str | None = None) -> dict[ModelRole, ModelSpec]:
    """Return the models that a command line names, `judge` for all judges.

    Args:
        model: for all chat roles that are not named.
    """
    words = {text.partition("=")[0] for text in roles}
    specs = parse_roles(model, roles)
    return {
        role: spec
        for role, spec in specs.items()
        if (JUDGES[0] if role in JUDGES else role) in words or (model and role != "embedder")
    }


def check_used(trust: Trust, specs: Iterable[ModelSpec], run_id: str) -> None:
    """
    Raises:
        UsageError: if `--endpoint` names something to which no model of the run leads.
    """
    specs = list(specs)
    if unused := trust.unused(specs):
        there = dict.fromkeys(str(spec) for spec in specs)
        raise UsageError(f"--endpoint {unused[0]}: no model of {run_id} is there; it has {', '.join(there)}")


def ask(question: str) -> bool:
    """Put a question on stderr; all but a yes is a no."""
    print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
