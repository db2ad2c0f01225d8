"""Everything at once that a run must survive: `make torture`, or `python -m tests.torture --help`.

Prints one JSON document; docs/reliability.md says what its figures mean.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests import crash


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commits", type=int, help="die at so many commits (default: at every one)")
    parser.add_argument("--instants", type=int, default=200, help="die at so many random instants (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    (folder / "crash").mkdir()
    deaths = crash.torture(folder / "crash", commits=options.commits, instants=options.instants, seed=options.seed)
    print(json.dumps(vars(deaths), indent=2))
    if not deaths.wrong:
        shutil.rmtree(folder)
    return bool(deaths.wrong)


if __name__ == "__main__":
    sys.exit(main())
