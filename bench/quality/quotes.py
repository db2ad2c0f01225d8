"""Whether a quote may stand as the speaker's own view or practice, or that of the speaker's own people."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bench.quality.lists import mining
from bench.quality.rows import Row
from bench.quality.shares import majority, share
from bench.quality.turns import POLICY, Asks, asker, encode_of, seated, talk
from culturepark.distill.heads import QUOTE_AT_LEAST, Encode, own
from culturepark.distill.judgement import Case
from culturepark.distill.verify import verify
from culturepark.domain import Casting, JsonObject, Statement

Found = Mapping[str, bool]


async def ours(ask: Asks, rows: Sequence[Row]) -> Found:
    """Whether the verifier finds each quote faithful. Those of one culture are as of one dialogue.

    For a small model heads say whose words they are.
    """
    if encode := encode_of(ask.model):
        return {row["id"]: await may_stand(encode, row) for row in rows}
    groups: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.get("culture"), row.get("speaker"), row.get("question")].append(row)
    judged = await asyncio.gather(*[in_batches(ask, group) for group in groups.values()])
    passed = frozenset[str]().union(*judged)
    return {row["id"]: row["id"] in passed for row in rows}


async def may_stand(encode: Encode, row: Row) -> bool:
    start = row["turn"].find(row["quote"])
    return start >= 0 and await own(encode, row["turn"], start, start + len(row["quote"])) >= QUOTE_AT_LEAST


async def in_batches(ask: Asks, rows: Sequence[Row]) -> frozenset[str]:
    """Return the ids of those that pass."""
    casting = seated(rows[0])
    cases = [as_case(row, casting, position) for position, row in enumerate(rows, start=1)]
    verdicts = await verify(asker(ask, "verify", casting, rows[0]), cases, POLICY)
    return frozenset(verdict.statement_id for verdict in verdicts if verdict.decision == "keep")


def as_case(row: Row, casting: Casting, position: int) -> Case:
    """The quote is its own first person. Of a quote that does not stand in its turn nothing is known."""
    (persona,) = (participant.persona for participant in casting.participants)
    start = max(row["turn"].find(row["quote"]), 0)
    statement = Statement(
        id=row["id"],
        turn_id=row["id"],
        persona_key=persona.key,
        culture=persona.culture,
        kind="custom",
        text=row["quote"],
        first_person=row["quote"],
        quote=row["quote"],
        quote_start=start,
        quote_end=start + len(row["quote"]),
    )
    said = talk(row)[-1].model_copy(update={"position": position, "slot": position})
    return Case(statement, said, None)


def lists(rows: Sequence[Row]) -> Found:
    """By the English word lists that the product once had."""
    found = {}
    for row in rows:
        start = row["turn"].find(row["quote"])
        speaker = mining.speaker_of(seated(row), talk(row))
        found[row["id"]] = (
            start >= 0 and mining.objection(start, start + len(row["quote"]), row["turn"], speaker) is None
        )
    return found


def baseline(rows: Sequence[Row]) -> Found:
    """Every quote is its speaker's own."""
    return {row["id"]: True for row in rows}


def score(rows: Sequence[Row], found: Found) -> JsonObject:
    """
    wrong_passed: share of the quotes that are not the speaker's own, and are taken for it.
    right_vetoed: share of the speaker's own quotes that are not.
    precision: share of the speaker's own among those that pass.
    """
    gold = [row["own"] for row in rows]
    said = [found[row["id"]] for row in rows]
    both = sum(g and s for g, s in zip(gold, said, strict=True))
    return {
        "rows": len(rows),
        **share("wrong_passed", sum(said) - both, gold.count(False)),
        **share("right_vetoed", sum(gold) - both, gold.count(True)),
        **share("precision", both, sum(said)),
        **share("accuracy", sum(g == s for g, s in zip(gold, said, strict=True)), len(rows)),
        "majority": majority(gold),
    }
