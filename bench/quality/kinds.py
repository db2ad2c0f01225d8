"""The kinds of labelled rows: how each is judged, by whom else, how it is scored, and what is predicted of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.quality import answers, deduplication, extraction, guarded, measures, pairs, quotes, verification, whose
from bench.quality.harness import Ask
from bench.quality.rows import Row
from culturepark.domain import JsonObject
from culturepark.models.embedder import Embedder

Found = Mapping[str, Any]
"""What was found about each row, by its id."""


@dataclass(frozen=True)
class At:
    """Those who may be asked."""

    ask: Ask
    embedder: Embedder


Judge = Callable[[At, Sequence[Row]], Awaitable[Found]]


@dataclass(frozen=True)
class Way:
    """A kind of rows. Judges see rows without their gold."""

    ours: Judge
    score: Callable[[Sequence[Row], Any], JsonObject]
    line: Callable[[Any], JsonObject]
    """What `PREDICT` writes of a row, beside its id."""
    others: Mapping[str, Judge] = field(default_factory=dict)
    """`reference`: as the published code; `lists`: as this program did it once; `encoder`: with no model asked;
    `baseline`: by next to nothing."""


def asked(judge: Callable[[Ask, Sequence[Row]], Awaitable[Found]]) -> Judge:
    return lambda at, rows: judge(at.ask, rows)


def embedded(judge: Callable[[Sequence[Row], Embedder], Awaitable[Found]]) -> Judge:
    return lambda at, rows: judge(rows, at.embedder)


def unasked(judge: Callable[[Sequence[Row]], Found]) -> Judge:
    async def judged(_: At, rows: Sequence[Row]) -> Found:
        return judge(rows)

    return judged


def named(name: str) -> Callable[[Any], JsonObject]:
    return lambda found: {name: found}


WAYS: dict[str, Way] = {
    "verify": Way(
        asked(verification.ours),
        measures.verification,
        lambda judged: dict(vars(judged)),
        {"reference": asked(verification.reference), "baseline": unasked(verification.baseline)},
    ),
    "extract": Way(
        asked(lambda ask, rows: extraction.ours(rows, ask)),
        extraction.score,
        named("statements"),
        {
            "reference": asked(lambda ask, rows: extraction.reference(rows, ask)),
            "lists": unasked(extraction.lists),
            "baseline": unasked(extraction.baseline),
        },
    ),
    "dedup": Way(
        embedded(deduplication.ours),
        measures.deduplication,
        named("cluster"),
        {"reference": embedded(deduplication.reference), "baseline": unasked(deduplication.baseline)},
    ),
    "whose": Way(
        asked(whose.ours),
        whose.score,
        named("pieces"),
        {"lists": unasked(whose.lists), "baseline": unasked(whose.baseline)},
    ),
    "languages": Way(asked(whose.ours), whose.score, named("pieces"), {"baseline": unasked(whose.baseline)}),
    "quotes": Way(
        asked(quotes.ours),
        quotes.score,
        named("own"),
        {"lists": unasked(quotes.lists), "baseline": unasked(quotes.baseline)},
    ),
    "rows": Way(asked(answers.ours), answers.score, dict, {"baseline": unasked(answers.baseline)}),
    "pairs": Way(
        lambda at, rows: pairs.ours(at.ask, rows, at.embedder),
        pairs.score,
        named("same"),
        {"encoder": embedded(pairs.encoder), "baseline": unasked(pairs.baseline)},
    ),
    "guards": Way(unasked(guarded.ours), guarded.score, named("good"), {"baseline": unasked(guarded.baseline)}),
}
