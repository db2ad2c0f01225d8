"""Whether a text may stand as a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.quality.rows import Row
from bench.quality.shares import majority, share
from culturepark.dialogue.guards import may_stand
from culturepark.domain import JsonObject
from culturepark.languages import load_language

Found = Mapping[str, bool]
SPEAKER, OTHER = "Elif", "Terrence"
"""Who sits there where a row does not say it."""


def ours(rows: Sequence[Row]) -> Found:
    """What the guards of a run say of a bare text."""
    english = load_language("en")
    return {row["id"]: may_stand(row["text"], english, row.get("speaker") or SPEAKER, (OTHER,)) for row in rows}


def baseline(rows: Sequence[Row]) -> Found:
    """Every text stands."""
    return {row["id"]: True for row in rows}


def score(rows: Sequence[Row], found: Found) -> JsonObject:
    """`good_refused`, `bad_accepted`: shares of the good and of the bad texts."""
    gold = [row["good"] for row in rows]
    said = [found[row["id"]] for row in rows]
    return {
        "rows": len(rows),
        **share("good_refused", sum(g and not s for g, s in zip(gold, said, strict=True)), gold.count(True)),
        **share("bad_accepted", sum(s and not g for g, s in zip(gold, said, strict=True)), gold.count(False)),
        **share("accuracy", sum(g == s for g, s in zip(gold, said, strict=True)), len(rows)),
        "majority": majority(gold),
    }
