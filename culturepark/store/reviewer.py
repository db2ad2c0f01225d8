"""The names of reviewers, checked without the database library, so that a wrong name is refused at once."""

from __future__ import annotations

import unicodedata

from culturepark.errors import UsageError

LONGEST_NAME = 80
JOINERS = "\u200c\u200d"
"""Characters that join letters in Bengali and Persian: invisible, yet part of names."""


def named(reviewer: str) -> str:
    """Return a reviewer's name in Unicode's composed form, so that names that look alike are one.

    Raises:
        UsageError: if the name is empty, too long, or cannot be printed.
    """
    name = unicodedata.normalize("NFC", reviewer).strip()
    if not (0 < len(name) <= LONGEST_NAME and name.translate({ord(c): None for c in JOINERS}).isprintable()):
        raise UsageError(f"a reviewer's name has 1 to {LONGEST_NAME} printable characters")
    return name
