"""The names of reviewers. It needs no database, so that a name can be refused before anything is opened."""

from __future__ import annotations

import unicodedata

from culturepark.errors import UsageError

LONGEST_NAME = 80
JOINERS = "\u200c\u200d"
"""Characters that join letters in Bengali and Persian: invisible, yet part of names."""


def named(reviewer: str) -> str:
    """Return a reviewer's name in one spelling for all that look the same.

    Raises:
        UsageError: if it is not one that can be told from others.
    """
    name = unicodedata.normalize("NFC", reviewer).strip()
    if not (0 < len(name) <= LONGEST_NAME and name.translate({ord(c): None for c in JOINERS}).isprintable()):
        raise UsageError(f"a reviewer's name has 1 to {LONGEST_NAME} printable characters")
    return name
