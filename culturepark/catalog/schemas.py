"""JSON Schemas of the files that users write, for editors. `docs/generate.py` writes them from the nouns."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "schemas"


def kinds() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def schema_text(kind: str) -> str:
    """Return the schema of a kind of file, as JSON."""
    return FOLDER.joinpath(f"{kind}.json").read_text("utf-8")
