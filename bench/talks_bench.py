"""What happens in the talks of runs: `python bench/talks_bench.py STORE [STORE ...] [--run ID ...]`.

A store is a file or a database URL; without `--run` all its runs with finished dialogues are measured. What comes out
is one JSON document. For each run it says what it was made with, and has each measure beside its null, with intervals
(`culturepark/stats/talks.py` says how each is counted), tokens and calls among them; for all runs after the first the
differences to it, as in `culturepark compare`. No model is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from culturepark.stats.compare import compare_sides, facts_of, side, with_costs
from culturepark.store.runs import runs
from culturepark.store.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stores", nargs="+", metavar="STORE")
    parser.add_argument("--run", action="append", metavar="ID", help="only runs with this id; repeatable")
    wanted = parser.parse_args()
    began = time.process_time()
    sides, named = [], []
    for name in wanted.stores:
        store = Store(name if "://" in name else f"sqlite:///{name}", must_exist=True)
        for listed in reversed(runs(store)):
            if listed["dialogues_done"] and (not wanted.run or listed["run"] in wanted.run):
                sides.append(side(store, store.run(listed["run"])))
                named.append(name)
    if not sides:
        raise SystemExit("no finished dialogue in these stores")
    compared = compare_sides(sides).runs if len(sides) > 1 else []
    found = [
        {
            "store": name,
            "run": one.run.id,
            "made_with": {fact: shown for fact, (shown, _) in facts_of(one).items()},
            **with_costs(one).as_json(),
            "to_the_first": compared[place].model_dump(include={"paired_by", "pairs", "differences"})
            if place
            else None,
        }
        for place, (name, one) in enumerate(zip(named, sides, strict=True))
    ]
    print(
        json.dumps({"cpu_seconds": round(time.process_time() - began, 1), "runs": found}, ensure_ascii=False, indent=1)
    )


if __name__ == "__main__":
    main()
