"""Where something is, by its id, which spells the path to it. Pure."""

from __future__ import annotations


def place_of(subject_id: str) -> tuple[str, int | None]:
    """The dialogue that a turn, statement or sample is in, and the turn's position."""
    parts = subject_id.split(".")
    turn = parts[2] if len(parts) > 2 else ""
    return ".".join(parts[:2]), int(turn[1:]) if turn[1:].isdigit() else None


def run_of(subject_id: str) -> str:
    return subject_id.partition(".")[0]


def short(subject_id: str) -> str:
    """`t5.s2` of `RUN.d3.t5.s2`."""
    return ".".join(subject_id.split(".")[2:]) or subject_id
