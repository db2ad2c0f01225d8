"""Whether an answer answers its question, stands alone, and would not pass for most other countries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.quality.rows import GOLD, Row
from bench.quality.shares import majority, share
from bench.quality.turns import Asks, asker, encode_of, seated
from culturepark.catalog.cultures import default_names
from culturepark.distill.row_checks import RowCase, judge
from culturepark.domain import Criterion, JsonObject

LABELS: dict[str, Criterion] = {
    "answers": "answers-seed", "stands_alone": "stands-alone", "distinctive": "distinctive"
}  # fmt: skip
"""The labels of a row, with the criteria that decide them."""
assert LABELS.keys() == GOLD["rows"].keys()
Found = Mapping[str, Mapping[str, bool]]
"""By row and label."""
GUESSED = 0.25
"""Share of answers whose country a guess among four finds."""


async def ours(ask: Asks, rows: Sequence[Row]) -> Found:
    """What a run's checks of rows say; what cannot be read does not pass."""
    if not rows:
        return {}
    judged = await judge(
        asker(ask, "verify", seated({}), rows[0]), [as_case(row) for row in rows], encode_of(ask.model)
    )
    return {
        row["id"]: {name: relations.get(criterion, NOTHING)[0] == "entail" for name, criterion in LABELS.items()}
        for row, (relations, _) in zip(rows, judged, strict=True)
    }


NOTHING = ("unparsable", None)


def as_case(row: Row) -> RowCase:
    """The country's name as runs have it. Names of towns, which runs mask too, are not known of a row."""
    known = {name.removeprefix("the ").casefold(): name for name in default_names()}
    country: str = known.get(row["country"].removeprefix("the ").casefold()) or row["country"]
    return RowCase(row["id"], row["answer"], {"answers-seed": row["question"]}, country, (row["country"],))


def baseline(rows: Sequence[Row]) -> Found:
    """Everything passes."""
    return {row["id"]: dict.fromkeys(LABELS, True) for row in rows}


def score(rows: Sequence[Row], found: Found) -> JsonObject:
    """
    precision, recall, accuracy: of each label, beside `majority`, which says the commoner of the two always.
    by_country: recall and false alarms of `distinctive`.
    all_three: of rows that pass all of them, which are those that a run would keep as norm or custom.
    """
    whole = [{"id": row["id"], "all": all(row[name] for name in LABELS)} for row in rows]
    passed = {row["id"]: {"all": all(found[row["id"]].values())} for row in rows}
    scores: JsonObject = {"rows": len(rows), **{name: of_label(name, rows, found) for name in LABELS}}
    scores["all_three"] = of_label("all", whole, passed)
    scores["distinctive"] |= {"guessed": GUESSED, "by_country": by_country(rows, found)}
    return scores


def of_label(name: str, rows: Sequence[Row], found: Found) -> JsonObject:
    gold = [row[name] for row in rows]
    said = [found[row["id"]][name] for row in rows]
    both = sum(g and s for g, s in zip(gold, said, strict=True))
    return {
        **share("precision", both, sum(said)),
        **share("recall", both, sum(gold)),
        **share("accuracy", sum(g == s for g, s in zip(gold, said, strict=True)), len(rows)),
        "majority": majority(gold),
    }


def by_country(rows: Sequence[Row], found: Found) -> JsonObject:
    countries: JsonObject = {}
    for country in sorted({row["country"] for row in rows}):
        said = [(row["distinctive"], found[row["id"]]["distinctive"]) for row in rows if row["country"] == country]
        countries[country] = {
            "rows": len(said),
            **share("recall", sum(g and s for g, s in said), sum(g for g, _ in said)),
            **share("false_alarms", sum(s and not g for g, s in said), sum(not g for g, _ in said)),
        }
    return countries
