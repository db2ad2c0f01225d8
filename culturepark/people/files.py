"""Writes cards: a folder with a YAML file for each person, or one JSONL file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from culturepark.catalog.personas import LINES
from culturepark.domain import Persona
from culturepark.errors import UsageError
from culturepark.files import clipped, exists, is_folder

MOST_FILES = 10_000
"""Cards in a folder; more go into one file."""


def check_out(out: Path, people: int, *, again: bool) -> None:
    """Check before anything is asked that cards can be written to this place.

    Args:
        people: their number at the most.
        again: the same people may have been written there before.
    Raises:
        UsageError: with what to do.
    """
    shown = f"--out {clipped(out, 200)}"
    if out.suffix == LINES:
        if is_folder(out):
            raise UsageError(f"{shown}: is a folder")
        if exists(out) and not again:
            raise UsageError(f"{shown}: is there already; name another file")
    elif out.suffix in (".yaml", ".yml", ".json", ".csv", ".parquet"):
        raise UsageError(f"{shown}: cards go into a folder, or into a file that ends with {LINES}")
    elif people > MOST_FILES:
        raise UsageError(
            f"{shown}: {people:,} files are too many for a folder; write one file: --out {out.name}{LINES}"
        )
    elif exists(out) and not is_folder(out):
        raise UsageError(f"{shown}: is a file; a folder is wanted, or a name that ends with {LINES}")
    elif is_folder(out) and not again and any(out.iterdir()):
        raise UsageError(f"{shown}: holds files already; name another folder")
    parent = out.resolve().parent if out.suffix == LINES else out
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{shown}: cannot be made: {error.strerror}") from None


def write_cards(out: Path, people: Iterable[Persona]) -> int:
    """Write all cards, each file whole or not at all, and return their number.

    Raises:
        UsageError: if a file cannot be written.
    """
    try:
        return write_lines(out, people) if out.suffix == LINES else write_folder(out, people)
    except OSError as error:
        raise UsageError(f"--out {clipped(out, 200)}: cannot be written: {error.strerror}") from None


def write_lines(out: Path, people: Iterable[Persona]) -> int:
    count = 0
    with NamedTemporaryFile(
        "w", dir=out.resolve().parent, prefix=f".{out.name}.", encoding="utf-8", delete=False
    ) as file:
        try:
            for persona in people:
                file.write(persona.model_dump_json() + "\n")
                count += 1
            file.close()
            put(Path(file.name), out)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise
    return count


def write_folder(out: Path, people: Iterable[Persona]) -> int:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # in the order of the card
    count = 0
    for persona in people:
        card = {"country": None} | persona.model_dump(mode="json", exclude={"key"}, exclude_none=True)
        in_order = {name: card[name] for name in Persona.model_fields if name in card}
        with NamedTemporaryFile("w", dir=out, prefix=".card.", encoding="utf-8", delete=False) as file:
            yaml.dump(in_order, file)
        put(Path(file.name), out / f"{persona.key}.yaml")
        count += 1
    return count


def put(written: Path, at: Path) -> None:
    """Put a temporary file in its place, readable as any other file of the user."""
    mask = os.umask(0)
    os.umask(mask)
    written.chmod(0o666 & ~mask)
    os.replace(written, at)
