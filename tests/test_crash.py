"""A share of the deaths that `make torture` goes through in full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_run_that_dies_at_any_moment_ends_as_if_nothing_had_happened() -> None:
    command = [sys.executable, "-m", "tests.crash", "--commits", "7", "--instants", "10"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    figures = json.loads(done.stdout)
    assert figures["wrong"] == []
    assert figures["survived"] == figures["tried"]
    assert sum(figures["tried"].values()) == 24
    assert figures["deaths"] >= 16  # it was killed, and not over before
    assert (figures["rows_lost"], figures["rows_doubled"], figures["asked_again"]) == (0, 0, 0)
