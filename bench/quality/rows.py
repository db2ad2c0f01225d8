"""Labelled rows, and rows stripped of their gold: read, checked, blinded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from culturepark.domain import JsonObject, Kind
from culturepark.errors import UsageError

Row = JsonObject

KINDS = (
    "verify", "extract", "dedup", "whose", "languages", "quotes", "rows", "pairs", "guards",
)  # fmt: skip
"""The kinds of rows. Those of a kind stand in `<kind>_dev.jsonl`, predictions in `<kind>.jsonl`."""
GIVEN: dict[str, dict[str, type]] = {
    "verify": {"culture": str, "question": str, "stance": str, "statement": str},
    "extract": {"culture": str, "speaker": str, "question": str, "turn": str},
    "dedup": {"seed": str, "culture": str, "text": str},
    "whose": {"turn": str},
    "languages": {"language": str, "turn": str},
    "quotes": {"turn": str, "quote": str},
    "rows": {"country": str, "question": str, "answer": str},
    "pairs": {"language": str, "a": str, "b": str},
    "guards": {"text": str},
}
"""What a row must hold beside its id."""
ALSO: dict[str, dict[str, type]] = {
    "verify": {"item": str},
    "extract": {"moderator_cue": str},
    "dedup": {"relation": str, "language": str},
    "whose": {"culture": str, "speaker": str, "question": str},
    "languages": {"speaker": str, "question": str},
    "quotes": {"culture": str, "speaker": str, "question": str},
    "guards": {"speaker": str, "language": str},
}
"""What it may hold besides; null is as good as nothing."""
GOLD: dict[str, dict[str, type]] = {
    "verify": {"relation": str},
    "extract": {"gold": list},
    "dedup": {"cluster": str},
    "whose": {"gold": list},
    "languages": {"gold": list},
    "quotes": {"own": bool},
    "rows": {"answers": bool, "stands_alone": bool, "distinctive": bool},
    "pairs": {"what": str},
    "guards": {"good": bool},
}
"""What is to be found out."""
REMARKS: dict[str, dict[str, type]] = {
    "verify": {"hard": list},
    "extract": {"not_statements": list},
    "dedup": {"note": str},
    "whose": {"not_own": list},
    "languages": {"not_own": list},
}
"""What may be said of the gold besides."""
RELATIONS = ("entail", "contradict", "irrelevant")
STATEMENTS: tuple[str, ...] = get_args(Kind)
PAIRS = ("paraphrase", "opposite", "unrelated")
WORDS: dict[tuple[str, str], tuple[str, ...]] = {("verify", "relation"): RELATIONS, ("pairs", "what"): PAIRS}
"""The words that a label may be."""


def file_of(kind: str) -> str:
    return f"{kind}_dev.jsonl"


def read_all(folder: Path, *, gold: bool) -> dict[str, list[Row]]:
    """The rows of each kind whose file the folder holds.

    Raises:
        UsageError: with file, line and what is wrong there.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    rows = {kind: read(folder / file_of(kind), kind, gold=gold) for kind in KINDS if (folder / file_of(kind)).exists()}
    if not any(rows.values()):
        raise UsageError(f"{folder} holds no rows; its files are called {', '.join(map(file_of, KINDS))}")
    return rows


def read(path: Path, kind: str, *, gold: bool) -> list[Row]:
    rows: list[Row] = []
    seen: set[str] = set()
    wanted = {"id": str} | GIVEN[kind] | (GOLD[kind] if gold else {})
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = parsed(line, where)
        more = ALSO.get(kind, {}) | (REMARKS.get(kind, {}) if gold else {})
        there = {name: type_ for name, type_ in more.items() if row.get(name) is not None}
        for name, type_ in (wanted | there).items():
            if name not in row and name in GOLD[kind]:
                raise UsageError(f"{where}: no {name!r}; rows without gold can be predicted: PREDICT=folder")
            if not isinstance(row.get(name), type_):
                raise UsageError(f"{where}: {name!r} must be a {type_.__name__}")
        if gold:
            check_gold(row, kind, where)
        if row["id"] in seen:
            raise UsageError(f"{where}: the id {row['id']!r} stands in this file already")
        seen.add(row["id"])
        rows.append(row)
    return rows


def check_gold(row: Row, kind: str, where: str) -> None:
    """
    Raises:
        UsageError: if a label is none that is scored.
    """
    for (of, name), words in WORDS.items():
        if of == kind and row[name] not in words:
            raise UsageError(f"{where}: {name!r} must be one of {', '.join(words)}")
    if kind not in ("whose", "languages"):
        return
    cues = [gold.get("cue") if isinstance(gold, dict) else None for gold in row["gold"]]
    for piece in (*cues, *row.get("not_own", [])):
        if not isinstance(piece, str) or not piece or piece not in row["turn"]:
            raise UsageError(f"{where}: {piece!r} does not stand in the turn")
    for gold in row["gold"]:
        if gold.get("kind") not in STATEMENTS:
            raise UsageError(f"{where}: the kind of a statement must be one of {', '.join(STATEMENTS)}")


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


def blind(kind: str, rows: Sequence[Row]) -> list[Row]:
    """Rows as those see them who do not know the answers."""
    hidden = GOLD[kind] | REMARKS.get(kind, {})
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]


def write(path: Path, rows: Sequence[Row]) -> int:
    """Returns how many rows it wrote."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return len(rows)
