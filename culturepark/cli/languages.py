"""Tries languages on the development rows in their folders, for `culturepark check --language`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from culturepark.errors import UsageError

if TYPE_CHECKING:
    from culturepark.distill.language_rows import Trial

ALL = "all"
WORDS = (
    ("found", "of what must be mined is", "gold"),
    ("wrong", "of what must not be mined is", "not_own"),
    ("kinds", "of what is found has the right kind", None),
    ("paraphrases", "of pairs that say the same are merged", "pairs"),
    ("opposites", "of opposites are merged", None),
    ("unrelated", "of unrelated pairs are merged", None),
    ("refused", "of good turns are refused", "speeches"),
    ("accepted", "of bad turns may stand", None),
)
"""Field of a trial, what its share is of, and the field with the number of rows where that is worth telling."""


def check_languages(codes: Sequence[str]) -> None:
    """Print what can be done in some languages.

    Args:
        codes: codes or names; `ALL` for every one.
    Raises:
        UsageError: if one is not there or has no rows, or may not be mined.
    """
    from culturepark.distill.language_rows import refusal_of, rows_of, trial
    from culturepark.languages import PACKAGES, code_meant, load_language
    from culturepark.models.embedder import MultilingualE5
    from culturepark.terminal.safe import write

    wanted = sorted(PACKAGES.names()) if ALL in codes else list(dict.fromkeys(map(code_meant, codes)))
    languages = [load_language(code) for code in wanted]
    rows = {language.code: rows_of(language) for language in languages}
    encoder = MultilingualE5(lambda *_: None)
    refused = []
    for language in languages:
        found = asyncio.run(trial(language, rows[language.code], encoder.embed))
        write(f"{language.code} ({language.name}): {in_words(found)}")
        if why := refusal_of(language, found):
            refused.append(why)
    if refused:
        raise UsageError("; ".join(refused))


def in_words(found: Trial) -> str:
    told = []
    for name, what, count in WORDS:
        value = getattr(found, name)
        if value is not None:
            told.append(f"{value:.2f} {what}" + (f" (of {getattr(found, count)})" if count else ""))
    return "; ".join(told)
