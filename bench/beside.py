"""Whether the project can be installed beside other tools: `python bench/beside.py [TOOL...] [--json]`.

Each tool's newest release is resolved together with the project and all its extras, by uv, for each Python;
nothing is installed. A tool that resolves only in an older release counts as a conflict. Exit 1 if
there is one. Where the index cannot be reached, it says so and exits with 0: that tells nothing about the project.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
TOOLS = ("vllm", "trl", "inspect-ai", "lm-eval", "data-designer", "deepeval", "litellm", "datasette")
PYTHONS = ("3.11", "3.12")
EXTRAS = "local,hub,parquet,frames,postgres,evaluate,filter,train"
SECONDS = 300
NO_INDEX = re.compile(
    r"(?i)failed to fetch|could not connect|connection|dns error|timed out|network|certificate|"
    r"was not found in the (?:package registry|cache)|HTTP status (?:server|client) error"
)


@dataclass(frozen=True)
class Beside:
    """One tool beside the project, for one Python."""

    tool: str
    python: str
    version: str
    """The tool's newest release for this Python; empty if the index did not tell."""
    outcome: str
    """`resolved`, `conflict` or `not known`."""
    because: str = ""


def compiled(requirements: Sequence[str], python: str, *more: str) -> str:
    """What uv resolves requirements to.

    Raises:
        OSError: with uv's words, if it does not.
    """
    with TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.in")
        wanted.write_text("\n".join(requirements) + "\n", "utf-8")
        command = [uv(), "pip", "compile", str(wanted), "--python-version", python, "--quiet", "--no-header", *more]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise OSError(f"timed out after {SECONDS} s") from None
    if done.returncode:
        raise OSError(" ".join(done.stderr.split()) or f"uv ended with {done.returncode}")
    return done.stdout


def uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise SystemExit("beside: needs uv (it is in the extra `dev`)")
    return found


def beside(tool: str, python: str) -> Beside:
    newest, because = "", ""
    try:
        newest = version_in(compiled([tool], python, "--no-deps"), tool)
        compiled([f"{ROOT}[{EXTRAS}]", f"{tool}=={newest}"], python)
        return Beside(tool, python, newest, "resolved")
    except OSError as error:
        because = str(error)
    if not newest or NO_INDEX.search(because):
        return Beside(tool, python, newest, "not known", because)
    try:
        compiled([f"{tool}=={newest}"], python)
    except OSError as error:
        return Beside(tool, python, newest, "not known", f"not even alone: {error}")
    return Beside(tool, python, newest, "conflict", because)


def version_in(resolved: str, name: str) -> str:
    found = re.search(rf"(?mi)^{re.escape(name)}==([^\s;]+)", resolved)
    if not found:
        raise OSError(f"{name} is not in what was resolved")
    return found[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tools", nargs="*", default=TOOLS, help=f"default: {' '.join(TOOLS)}")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pair: beside(*pair), product(given.tools, PYTHONS)))
    if given.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print("| tool | newest | Python | beside culturepark |\n|---|---|---|---|")
        for one in found:
            why = f": {one.because[:300]}" if one.because else ""
            print(f"| {one.tool} | {one.version or '?'} | {one.python} | {one.outcome}{why} |")
    if any(one.outcome == "not known" for one in found):
        print("beside: the package index does not answer for all tools; those say nothing", file=sys.stderr)
    return int(any(one.outcome == "conflict" for one in found))


if __name__ == "__main__":
    sys.exit(main())
