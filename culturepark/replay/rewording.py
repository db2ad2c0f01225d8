"""Which words a rewording took out and put in. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from culturepark.terminal.layout import Mark

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""What has no spaces between words is compared character by character."""
MOST = 1000
"""Words; where there are more, nothing is marked: comparing takes their product."""


def compared(before: str, after: str) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Marks in the first text for what was taken out (`cut`), and in the second for what was put in (`put`)."""
    old, new = list(WORD.finditer(before)), list(WORD.finditer(after))
    if max(len(old), len(new)) > MOST:
        return (), ()
    matcher = SequenceMatcher(None, [word[0] for word in old], [word[0] for word in new], autojunk=False)
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    cut = tuple((old[i].start(), old[j - 1].end(), "cut") for _, i, j, _, _ in changes if i < j)
    put = tuple((new[i].start(), new[j - 1].end(), "put") for _, _, _, i, j in changes if i < j)
    return cut, put
