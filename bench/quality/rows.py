"""Labelled rows, and rows stripped of their gold: read, checked, blinded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from culturepark.domain import JsonObject
from culturepark.errors import UsageError

Row = JsonObject

FILES = {"verify": "verify_dev.jsonl", "extract": "extract_dev.jsonl", "dedup": "dedup_dev.jsonl"}
GIVEN: dict[str, dict[str, type]] = {
    "verify": {"culture": str, "question": str, "stance": str, "statement": str},
    "extract": {"culture": str, "speaker": str, "question": str, "turn": str},
    "dedup": {"seed": str, "culture": str, "text": str},
}
"""What a row must hold beside its id; `item` (verify), `moderator_cue` (extract), `relation` (dedup) may be there."""
GOLD: dict[str, dict[str, type]] = {
    "verify": {"relation": str},
    "extract": {"gold": list},
    "dedup": {"cluster": str},
}
"""What is to be found out."""
REMARKS: dict[str, dict[str, type]] = {
    "verify": {"hard": list},
    "extract": {"not_statements": list},
    "dedup": {"note": str},
}
"""What may be said of the gold besides."""
RELATIONS = ("entail", "contradict", "irrelevant")


def read_all(folder: Path, *, gold: bool) -> dict[str, list[Row]]:
    """The rows of each stage whose file the folder holds.

    Raises:
        UsageError: with file, line and what is wrong there.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    rows = {stage: read(folder / name, stage, gold=gold) for stage, name in FILES.items() if (folder / name).exists()}
    if not any(rows.values()):
        raise UsageError(f"{folder} holds no rows; its files are called {', '.join(FILES.values())}")
    return rows


def read(path: Path, stage: str, *, gold: bool) -> list[Row]:
    rows: list[Row] = []
    seen: set[str] = set()
    wanted = {"id": str} | GIVEN[stage] | (GOLD[stage] if gold else {})
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        row = parsed(line, f"{path}:{number}")
        there = {name: kind for name, kind in REMARKS[stage].items() if name in row}
        for name, kind in (wanted | there).items():
            if name not in row and name in GOLD[stage]:
                raise UsageError(f"{path}:{number}: no {name!r}; rows without gold can be predicted: PREDICT=folder")
            if not isinstance(row.get(name), kind):
                raise UsageError(f"{path}:{number}: {name!r} must be a {kind.__name__}")
        if gold and stage == "verify" and row["relation"] not in RELATIONS:
            raise UsageError(f"{path}:{number}: 'relation' must be one of {', '.join(RELATIONS)}")
        if row["id"] in seen:
            raise UsageError(f"{path}:{number}: the id {row['id']!r} stands in this file already")
        seen.add(row["id"])
        rows.append(row)
    return rows


def lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def parsed(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{where}: no JSON: {error}") from None
    if not isinstance(row, dict):
        raise UsageError(f"{where}: a JSON object is wanted")
    return row


def blind(stage: str, rows: Sequence[Row]) -> list[Row]:
    """Rows as those see them who do not know the answers."""
    hidden = GOLD[stage] | REMARKS[stage]
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]


def write(path: Path, rows: Sequence[Row]) -> int:
    """Returns how many rows it wrote."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return len(rows)
