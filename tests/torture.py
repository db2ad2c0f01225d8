"""Everything that a run must survive: `make torture`, or `python -m tests.torture --help`.

Prints one JSON document; docs/reliability.md says what its figures mean.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests import crash, faults

SHARE = (
    "429, Retry-After in seconds",
    "connection reset in mid-stream",
    "truncated JSON",
    "wrong or expired key (401)",
    "context overflow (400)",
    "finish_reason=length",
    "null content",
)
"""The faults that stand for all of them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", action="store_true", help="a few of each, as the tests do")
    parser.add_argument("--instants", type=int, default=200, help="random instants to die at (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the random instants (default: 1)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    commits, instants = (3, 6) if options.share else (None, options.instants)
    deaths = crash.torture(new(folder / "deaths"), commits=commits, instants=instants, seed=options.seed)
    ills = faults.endure(new(folder / "faults"), SHARE if options.share else faults.ALL)
    wrong = deaths.wrong + ills.wrong
    figures = {
        "kills": {"tried": deaths.tried, "survived": deaths.survived, "processes_killed": deaths.deaths},
        "faults": {"tried": ills.tried, "survived": ills.survived},
        "rows_lost": deaths.rows_lost + ills.rows_lost,
        "rows_doubled": deaths.rows_doubled + ills.rows_doubled,
        "asked_again": deaths.asked_again,
        "wrong": wrong,
    }
    print(json.dumps(figures, indent=2))
    if not wrong:
        shutil.rmtree(folder)
    return bool(wrong)


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
