"""Tries languages on the development rows in their folders, for `culturepark check --language`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from culturepark.errors import UsageError

if TYPE_CHECKING:
    from culturepark.distill.language_rows import Trial

ALL = "all"
COLUMNS = {
    "found": "mined",
    "wrong": "wrongly mined",
    "kinds": "right kind",
    "paraphrases": "paraphrases merged",
    "opposites": "opposites merged",
    "unrelated": "unrelated merged",
    "refused": "good turns refused",
    "accepted": "bad turns accepted",
}
"""Field of a trial -> what the column of its shares is called."""


def check_languages(codes: Sequence[str]) -> None:
    """Print what can be done in some languages.

    Args:
        codes: codes or names; `ALL` for every one.
    Raises:
        UsageError: if one is not there or has no rows, or may not be mined.
    """
    from culturepark.cli.table import print_table
    from culturepark.distill.language_rows import LEAST_FOUND, MOST_WRONG, refusal_of, rows_of, trial
    from culturepark.languages import PACKAGES, code_meant, load_language
    from culturepark.models.embedder import MultilingualE5
    from culturepark.terminal.safe import tell

    wanted = sorted(PACKAGES.names()) if ALL in codes else list(dict.fromkeys(map(code_meant, codes)))
    languages = [load_language(code) for code in wanted]
    rows = {language.code: rows_of(language) for language in languages}
    encoder = MultilingualE5(lambda *_: None)
    found = {each.code: asyncio.run(trial(each, rows[each.code], encoder.embed)) for each in languages}
    print_table(
        ("language", *COLUMNS.values(), "verdict"),
        [(f"{each.code} ({each.name})", *shares(found[each.code]), verdict(found[each.code])) for each in languages],
    )
    tell(
        f"mined by the encoder, as for models too small to be asked: at least {LEAST_FOUND} of what must be mined and "
        f"at most {MOST_WRONG} of what must not"
    )
    if refused := [why for each in languages if (why := refusal_of(each, found[each.code]))]:
        raise UsageError("; ".join(refused))


def shares(found: Trial) -> list[str]:
    values = (getattr(found, name) for name in COLUMNS)
    return ["-" if value is None else f"{value:.2f}" for value in values]


def verdict(found: Trial) -> str:
    return "may be mined" if found.may_be_mined else "refused"
