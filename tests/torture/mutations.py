"""Breaks the program in one place after the other; do its tests see it? `python -m tests.torture.mutations`.

Each mutation takes back one guarantee of docs/reliability.md, docs/architecture.md or docs/export.md, in a copy of the
tree. A test that stays green then tests nothing, and the mutation is reported as `green`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.torture.mutants import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
COPIED = ("culturepark", "bench", "tests")
"""Folders that a mutation may change or that write beside themselves; of all others a link is enough."""
RED, GREEN = 1, 0
"""How pytest ends where a test failed, and where all passed."""


@dataclass(frozen=True)
class Found:
    """What came of all of them."""

    red: list[str]
    green: list[str]
    """Mutations that no named test has seen."""
    broken: list[str]
    """Mutations that could not be made, or tests that could not be run; each with the reason."""


class Gone(Exception):
    """What a mutation replaces is not there, or there twice."""


def text_of(mutation: Mutation, root: Path = ROOT) -> dict[str, str]:
    """The mutated files.

    Raises:
        Gone: if what is to be replaced does not stand in its file exactly once.
    """
    made: dict[str, str] = {}
    for file, old, new in mutation.changes:
        text = made.get(file) or (root / file).read_text("utf-8")
        if text.count(old) != 1:
            raise Gone(f"{mutation.name}: {file} holds {text.count(old)} times, and not once: {old!r}")
        made[file] = text.replace(old, new)
    return made


def copy_of_the_tree(folder: Path) -> Path:
    """The project, in a place where it may be broken."""
    for path in ROOT.iterdir():
        if path.name in COPIED:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif not path.name.startswith(".") or path.name == ".venv":
            (folder / path.name).symlink_to(path)
    return folder


def run(tests: Iterable[str], tree: Path) -> subprocess.CompletedProcess[str]:
    """Those tests, in a tree."""
    options = ("-q", "-x", "-n0", "-p", "no:cacheprovider")
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *dict.fromkeys(tests)]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=900)


def try_out(mutation: Mutation) -> tuple[str, str]:
    """What becomes of the tests (`red`, `green`, `broken`), and why."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = copy_of_the_tree(Path(folder))
        try:
            for file, text in text_of(mutation, tree).items():
                (tree / file).write_text(text, "utf-8")
        except Gone as gone:
            return "broken", str(gone)
        try:
            done = run(mutation.tests, tree)
        except subprocess.TimeoutExpired as over:
            return "broken", f"no end after {over.timeout:.0f} s"
    said = "\n".join(done.stdout.splitlines()[-30:])
    if done.returncode == RED and "FAILED" in said and "SyntaxError" not in said:
        return "red", said
    return ("green" if done.returncode == GREEN else "broken"), said


def mutate(mutations: Sequence[Mutation] = MUTATIONS, *, jobs: int = 2, verbose: bool = False) -> Found:
    """All of them, each alone; and first the tests on the tree as it is, since a red test shows nothing."""
    found = Found([], [], [])
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        before = run([test for mutation in mutations for test in mutation.tests], copy_of_the_tree(Path(folder)))
    if before.returncode != GREEN:
        found.broken.append(f"without any mutation: {before.stdout[-2000:]}")
        return found
    with ThreadPoolExecutor(jobs) as pool:
        for mutation, (what, why) in zip(mutations, pool.map(try_out, mutations), strict=True):
            {"red": found.red, "green": found.green, "broken": found.broken}[what].append(
                mutation.name if what != "broken" else f"{mutation.name}: {why}"
            )
            if verbose:
                print(f"{what:6} {mutation.name}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutations", description="Tests that can fail.")
    parser.add_argument("names", nargs="*", help="words of the names of mutations (default: all)")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    chosen = [one for one in MUTATIONS if not asked.names or any(name in one.name for name in asked.names)]
    found = mutate(chosen, jobs=asked.jobs, verbose=True)
    print(json.dumps({"tried": len(chosen), "red": len(found.red), "green": found.green, "broken": found.broken}))
    return 1 if found.green or found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
