"""The behaviours as a program: see `tests/quirks/__init__.py`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.quirks import QUIRKS
from tests.quirks.server import Server


def shown() -> None:
    """All behaviours by kind."""
    kind = ""
    for quirk in QUIRKS.values():
        if quirk.kind != kind:
            kind = quirk.kind
            print(f"\n{kind}")
        print(f"  {quirk.name:36} {quirk.imitates}\n  {'':36} {quirk.source}{'  [torture]' if quirk.slow else ''}")
    print(f"\n{len(QUIRKS)} behaviours")


def serve(name: str, port: int) -> None:
    with Server(QUIRKS[name], port) as server:
        print(server.spec, flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(f"{len(server.requests)} requests")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.quirks", description="Endpoints that behave as real ones do."
    )
    parser.add_argument("what", choices=["list", "serve", "check"])
    parser.add_argument(
        "--case", action="append", choices=list(QUIRKS), metavar="NAME", help="only this behaviour; may be repeated"
    )
    parser.add_argument(
        "--kind", action="append", choices=sorted({q.kind for q in QUIRKS.values()}), help="only this kind"
    )
    parser.add_argument("--port", type=int, default=0, help="for serve; any free one unless given")
    parser.add_argument("--keep", metavar="FOLDER", help="for check: where each run's store and output stay")
    parser.add_argument("--json", metavar="FILE", help="for check: all that was found, as JSON")
    options = parser.parse_args()
    if options.what == "list":
        shown()
        return 0
    if options.what == "serve":
        serve((options.case or ["plain"])[0], options.port)
        return 0
    from tests.quirks.trial import check

    names = options.case or [q.name for q in QUIRKS.values() if not options.kind or q.kind in options.kind]
    return check(names, options.keep, options.json)


if __name__ == "__main__":
    sys.exit(main())
