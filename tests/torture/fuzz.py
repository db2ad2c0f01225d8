"""Wild files and command lines through the command line itself: `python -m tests.torture.fuzz --cases 10000 --seed 1`.

Whatever a user can write ends in one of the documented exit codes and in lines that name what is wrong: never in a
traceback, never in a wait without end. What `check` accepts can be planned; a few of those are run and exported.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, chdir, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import hypothesis
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.configuration import set_hypothesis_home_dir

from culturepark.catalog import personas, surveys
from culturepark.catalog.files import package_dir
from culturepark.models import ledger, prices
from culturepark.terminal.safe import BIDI
from tests.cli.test_cli import SHORT, Done, cli, place_store
from tests.torture.wild import DEVICE, FIFO, FOLDER, KINDS, LINK, LOOP, Case

# Hypothesis keeps tables of its own even where it keeps no examples; they are not to lie in the tree.
set_hypothesis_home_dir(Path(tempfile.gettempdir(), "culturepark-hypothesis"))
CODES = (0, 1, 2, 3, 4, 5, 130)
PATIENCE = 60
"""Seconds after which a command is said to hang; none takes a tenth of it."""
CONTROL = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *BIDI, *range(0xD800, 0xE000))} - {"\n", "\t"}
COLOURED = {"FORCE_COLOR", "TTY_COMPATIBLE"}
"""Variables by which a user asks for control sequences."""
LONGEST = 1200
"""Characters that a line of an error may have."""


class Hangs(BaseException):
    """Not an Exception: `main` is not to explain it."""


def fuzz(cases: int, seed: int, keep: Path | None = None) -> dict[str, int]:
    """Tries `cases` inputs, and goes on after a crash.

    Args:
        keep: a folder for the inputs that crashed, each with its files and what was wrong.
    Returns:
        How many inputs were tried, by kind, and `crashed`.
    """
    counts = Counter(dict.fromkeys([*KINDS, "crashed"], 0))

    def tried(kind: str, case: Case) -> None:
        counts[kind] += 1
        if wrong := faults(case):
            counts["crashed"] += 1
            if keep:
                kept(keep / f"{kind}-{counts[kind]}", case, wrong)

    for kind, (share, _) in KINDS.items():
        explore(kind, tried, cases * share // 100, seed, shrink=False)
    return dict(counts)


def explore(kind: str, tried: Callable[[str, Case], None], cases: int, seed: int, *, shrink: bool) -> None:
    """Calls `tried` with that many cases of a kind, the same ones for the same seed; leaves nothing in the tree."""

    def one(case: Case) -> None:
        tried(kind, case)

    how = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with shipped_files_read_once(), built_once(), mock.patch.object(ledger, "pause_before", return_value=0.0):
        hypothesis.seed(seed)(how(given(KINDS[kind][1])(one)))()


def built_once() -> AbstractContextManager[Any]:
    """Building the tree of commands takes longer than most of them."""
    return mock.patch.object(typer.main, "get_command", cache(typer.main.get_command))


@contextmanager
def shipped_files_read_once() -> Iterator[None]:
    """Reading what ships takes forty times as long as reading a case."""
    known: dict[Path, Any] = {}
    shipped = (package_dir("personas"), Path(surveys.__file__).parent / "data")

    def reader(read: Any) -> Any:
        def once(path: Path, *cultures: Any) -> Any:
            if path.parent not in shipped:
                return read(path, *cultures)
            if path not in known:
                known[path] = read(path, *cultures)
            return known[path]

        return once

    with (
        mock.patch.object(personas, "load_persona", reader(personas.load_persona)),
        mock.patch.object(surveys, "load_survey", reader(surveys.load_survey)),
    ):
        yield


# --- one case --------------------------------------------------------------------------------------


def faults(case: Case) -> list[str]:
    """What is wrong with how the program took the case; nothing, if all is well."""
    with in_its_place(case):
        return [*(wrong for line in case.commands for wrong in blunders(line, done(line))), *of_subject(case)]


@contextmanager
def in_its_place(case: Case) -> Iterator[None]:
    """A folder of its own with the case's files, and nothing of the user's settings."""
    hidden = ("CULTUREPARK_", "OPENAI_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, clean, clear=True):
        here = Path(folder, "here")
        here.mkdir()
        os.environ.update(CULTUREPARK_CACHE=f"{folder}/cache", HF_HUB_OFFLINE="1", PIP_NO_INDEX="1", **case.environment)
        with chdir(here):
            for name, content in case.files.items():
                lay(Path(name), content, next(iter(case.files)))
            if case.store:
                place_store()
                Path("short.yaml").write_text(SHORT)
                place_export()
            prices.table.cache_clear()
            yield
    prices.table.cache_clear()


def lay(path: Path, content: bytes | str, first: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == FOLDER:
        path.mkdir()
    elif content == FIFO:
        os.mkfifo(path)
    else:
        path.symlink_to({DEVICE: "/dev/null", LOOP: path.name, LINK: first}[content])


EXPORTED: dict[str, bytes] = {}


def place_export() -> None:
    """The finished run's export in `out`, written once and copied from then on."""
    if not EXPORTED:
        store = "sqlite:///runs/culturepark.db"
        assert done(("export", "a", "--format", "trl", "--out", "out", "--store", store)).code == 0
        EXPORTED.update({path.name: path.read_bytes() for path in Path("out").iterdir()})
    for name, data in EXPORTED.items():
        lay(Path("out", name), data, "")


def done(line: tuple[str, ...]) -> Done:
    """The command's end; a hang is one with the exit code -1."""

    def hangs(*_: object) -> NoReturn:
        raise Hangs

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(PATIENCE)
    try:
        return cli(*line, encoding="ascii" if os.environ.get("LANG") == "C" else "utf-8")
    except Hangs:
        return Done(-1, "", "")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def blunders(line: tuple[str, ...], end: Done) -> list[str]:
    """What no command may do, whatever it is given."""
    found = []
    if end.code not in CODES:
        found.append("hangs" if end.code == -1 else f"ends with {end.code}")
    if "Traceback" in end.err or "a bug, sorry" in end.err:
        found.append("is a bug")
    shown = end.err if line[:1] == ("export",) else end.err + end.out  # a file's name is data, and goes out as it is
    if not COLOURED & {*os.environ} and (control := CONTROL & {*shown}):
        found.append(f"sends {control} to a terminal")
    if end.code in (2, 3, 4, 5) and not end.err.strip() and not end.out.strip():
        found.append("fails in silence")
    asks_json = "--json" in line and not {"-h", "--help", "--version"} & {*line}
    if asks_json and end.code == 0 and not one_document(end.out):
        found.append("gives something that is not one JSON document")
    return [f"{clip_line(line)}: {what}: {end.err[-600:]}" for what in found]


def one_document(text: str) -> bool:
    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return text.count("\n") == 1


def of_subject(case: Case) -> list[str]:
    """What `check` says of the file, and whether the other commands agree with it."""
    if not case.subject:
        return []
    check, plan = ("check", case.subject), ("simulate", case.subject, "--model", "scripted", "--dry-run", "--json")
    checked, planned = done(check), done(plan)
    found = [*blunders(check, checked), *blunders(plan, planned)]
    kind = checked.out.removesuffix(", fine\n").rpartition(": ")[2]
    if checked.code == 2:
        found += misplaced(checked, case)
        if planned.code != 2:
            found.append(f"check refuses what simulate takes: {checked.err}")
    elif kind == "scenario":
        if planned.code != 0 and "nothing to talk about" not in planned.err:
            found.append(f"check accepts what simulate does not: {planned.err}")
        if case.whole and planned.code == 0 and json.loads(planned.out)["persona_turns"] <= 60:
            found += of_run(case.subject)
    elif planned.code != 2:
        found.append(f"a {kind} is taken for a scenario")
    return found


PLACE = re.compile(r"(?:culturepark: )?(?P<file>.+?)(?::(?P<line>\d+))?: (?P<rest>.+)")


def misplaced(end: Done, case: Case) -> list[str]:
    """Lines that do not name the file, or name a line that it does not have, or go on and on."""
    found = []
    for said in end.err.splitlines():
        if len(said) > LONGEST:
            found.append(f"says a line of {len(said)} characters: {said[:200]}")
        place = PLACE.fullmatch(said)
        if not place:
            found.append(f"not of the form file:line: key: what: {said!r}")
            continue
        path = Path(place["file"])
        if place["file"] != case.subject and len(case.files) == 1:
            found.append(f"speaks of {place['file']!r} and not of {case.subject!r}")
        if place["line"] and path.is_file():
            lines = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", path.read_text("utf-8-sig", "replace")))
            if int(place["line"]) > lines:
                found.append(f"line {place['line']} of {lines}: {said}")
    return found


def of_run(scenario: str) -> list[str]:
    """A whole run, its export, and the way back from the first line."""
    found = []
    for line in (
        ("simulate", scenario, "--model", "scripted", "--run-id", "whole", "--json"),
        ("stats", "whole", "--json"),
        ("export", "whole", "--format", "trl", "--out", "rows"),
        ("trace", "rows/all.jsonl:1", "--json"),
    ):
        end = done(line)
        found += blunders(line, end)
        if end.code == 2 and "no kept samples" in end.err:
            break
        if end.code not in (0, 4):
            found.append(f"{clip_line(line)} ends with {end.code}: {end.err}")
            break
    return found


def clip_line(line: tuple[str, ...]) -> str:
    return " ".join(repr(word if len(word) < 100 else f"{word[:100]}…") for word in line)


# --- as a program ----------------------------------------------------------------------------------


def kept(folder: Path, case: Case, wrong: list[str]) -> None:
    """The case as it can be tried again by hand."""
    for name, content in case.files.items():
        lay(folder / name, content, next(iter(case.files)))
    told = [*wrong, f"commands {case.commands}", f"environment {dict(case.environment)}", f"subject {case.subject!r}"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wrong.txt").write_text("\n\n".join(told) + "\n", "utf-8", "backslashreplace")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.fuzz", description="Wild files and command lines.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="a folder for inputs that crashed")
    asked = parser.parse_args()
    counts = fuzz(asked.cases, asked.seed, asked.keep)
    print(json.dumps(counts))
    return 1 if counts["crashed"] else 0


if __name__ == "__main__":
    sys.exit(main())
