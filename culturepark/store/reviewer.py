"""What a reviewer may be called. Needs no database, so that it can be said before anything is opened."""

from __future__ import annotations

import unicodedata

from culturepark.errors import UsageError

LONGEST_NAME = 80
JOINERS = "\u200c\u200d"
"""What Bengali and Persian write some of their letters with; invisible, but no control of anything."""


def named(reviewer: str) -> str:
    """A reviewer's name, with the same letters for what looks the same.

    Raises:
        UsageError: if it is not one that can be told from others.
    """
    name = unicodedata.normalize("NFC", reviewer).strip()
    if not (0 < len(name) <= LONGEST_NAME and name.translate({ord(c): None for c in JOINERS}).isprintable()):
        raise UsageError(f"a reviewer's name has 1 to {LONGEST_NAME} printable characters")
    return name
