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

from tests import crash, faults, fuzz
from tests.damage import damage

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
    parser.add_argument("--share", action="store_true", help="a few deaths and faults, as the tests do")
    parser.add_argument("--instants", type=int, default=200, help="random instants to die at (default: 200)")
    parser.add_argument("--inputs", type=int, default=10_000, help="wild files and command lines (default: 10,000)")
    parser.add_argument("--stores", type=int, default=400, help="damaged stores (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
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
    }
    if not options.share:  # they have tests of their own
        figures["bad_inputs"] = inputs = fuzz.fuzz(options.inputs, options.seed, new(folder / "inputs"))
        figures["damaged_stores"] = stores = damage(options.stores, options.seed, new(folder / "stores"))
        if inputs["crashed"]:
            wrong.append(f"{inputs['crashed']} inputs crashed; see {folder / 'inputs'}")
        if stores["survived"] != stores["tried"]:
            wrong.append(f"{stores['tried'] - stores['survived']} damaged stores crashed; see {folder / 'stores'}")
    print(json.dumps(figures | {"wrong": wrong}, indent=2))
    if not wrong:
        shutil.rmtree(folder)
    return bool(wrong)


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
