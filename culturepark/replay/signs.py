"""Signs that stand beside a word, and their colour: neither is ever alone."""

from __future__ import annotations

STATUS = {
    "pending": ("·", "quiet"),
    "running": ("▸", "busy"),
    "done": ("✓", "good"),
    "failed": ("✗", "bad"),
    "stopped": ("■", "busy"),
}
"""Of a run or dialogue: its sign, and in which ink."""

DECISION = {"accept": ("✓", "accepted", "good"), "reject": ("✗", "rejected", "bad"), "comment": ("✎", "noted", "quiet")}
"""Of a review: its sign, its word, and in which ink."""


def status(word: str) -> tuple[str, str]:
    """Sign with word, and ink."""
    sign, ink = STATUS.get(word, ("?", "quiet"))
    return f"{sign} {word}", ink


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
