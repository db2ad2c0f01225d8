"""What a list shows, one line each. Nothing here needs a database, so that a screen can be there before one is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunLine:
    """One run in a list."""

    id: str
    scenario: str
    status: str
    stop_reason: str | None
    created_at: str
    dialogues: int | None = None
    """None where nobody has counted yet, as in the two below."""
    done: int | None = None
    kept: int | None = None
    """Samples."""


@dataclass(frozen=True)
class Line:
    """One dialogue in a list."""

    id: str
    number: int
    seed_key: str
    question: str
    status: str
    stop_reason: str | None
    people: tuple[tuple[str, str], ...]
    """Name and culture of each, in the order they sit."""
    turns: int | None
    """None where nobody has counted yet, as in the two below."""
    statements: int | None
    kept: int | None
    """Samples."""
    parent_id: str | None
    branches: int
    """How many dialogues branched off it."""
