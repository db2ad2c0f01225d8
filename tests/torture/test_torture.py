"""A share of what `make torture` goes through in full: deaths, and faults of the endpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torture
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.torture", "--share"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_went_wrong(figures: dict[str, Any]) -> None:
    assert figures["wrong"] == []
    assert (figures["rows_lost"], figures["rows_doubled"], figures["asked_again"]) == (0, 0, 0)


def test_a_run_that_dies_at_any_moment_ends_as_if_nothing_had_happened(figures: dict[str, Any]) -> None:
    kills = figures["kills"]
    assert kills["survived"] == kills["tried"]
    commands = {"", "distill", "export over another", "branch", "talk", "review", "migration"}
    for kind in ("after a commit", "inside a commit"):
        assert {f"{kind} of {name}" if name else kind for name in commands} <= kills["tried"].keys()
    assert {"at a file of export over another", "at a file of report over another"} <= kills["tried"].keys()
    assert kills["tried"]["after a commit"] >= 10  # transactions of a run, of all sorts
    assert kills["processes_killed"] >= sum(kills["tried"].values())  # and none was over before


def test_a_run_survives_every_fault_of_its_endpoint(figures: dict[str, Any]) -> None:
    assert figures["faults"]["survived"] == figures["faults"]["tried"]
    assert len(figures["faults"]["tried"]) >= 7
