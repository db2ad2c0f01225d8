"""Everything that a run must survive: `make torture`, or `python -m tests.torture --help`.

Prints one JSON document; docs/reliability.md says what its figures mean. With the same seed it is the same document:
instants to die at are counted in commits, statements, files and calls, and not in seconds; sets and dictionaries have
one order; what a run leaves behind is compared without its times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support import faults
from tests.torture import crash, fuzz
from tests.torture.damage import damage
from tests.torture.mutants import MUTATIONS
from tests.torture.mutations import mutate

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
    parser.add_argument("--commits", type=int, help="instants of each kind at which each command dies (default: all)")
    parser.add_argument("--instants", type=int, default=200, help="deaths at calls and on an endpoint (default: 200)")
    parser.add_argument("--inputs", type=int, default=10_000, help="wild files and command lines (default: 10,000)")
    parser.add_argument("--stores", type=int, default=400, help="damaged stores (default: 400)")
    parser.add_argument("--mutations", type=int, help="mutations of the program (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    options = parser.parse_args()
    in_one_order(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    commits, instants = (1, 4) if options.share else (options.commits, options.instants)
    deaths = crash.torture(
        new(folder / "deaths"), commits=commits, instants=instants, seed=options.seed, share=options.share
    )
    ills = faults.endure(new(folder / "faults"), SHARE if options.share else faults.ALL)
    wrong = deaths.wrong + ills.wrong
    figures = {
        "seed": options.seed,
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
            wrong.append(f"{inputs['crashed']} inputs crashed; see inputs")
        if stores["survived"] != stores["tried"]:
            wrong.append(f"{stores['tried'] - stores['survived']} damaged stores crashed; see stores")
        mutated = mutate(MUTATIONS[: options.mutations])
        figures["mutations"] = {"tried": len(MUTATIONS[: options.mutations]), "red": len(mutated.red)}
        wrong += [f"no test sees the mutation: {name}" for name in mutated.green]
        wrong += [f"a mutation that could not be made: {name}" for name in mutated.broken]
    print(json.dumps(figures | {"wrong": wrong}, indent=2))
    if wrong:
        print(f"what is wrong lies in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return bool(wrong)


def in_one_order(seed: int) -> None:
    """Begins this process again where sets would have another order than next time."""
    wanted = str(seed % 2**32)
    if os.environ.get("PYTHONHASHSEED") != wanted:
        os.environ["PYTHONHASHSEED"] = wanted
        os.execv(sys.executable, [sys.executable, "-m", "tests.torture", *sys.argv[1:]])


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder
