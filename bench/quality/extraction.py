"""Four ways to find what a speaker thinks and does in a turn: ours, the published one, by lists, and by nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.quality.lists import mining
from bench.quality.overlap import Row, score
from bench.quality.turns import Asks, kept, seated, talk
from culturepark.dialogue.guards import content_words
from culturepark.distill import quotes
from culturepark.domain import JsonObject
from culturepark.languages import load_language
from culturepark.models.chat import Request

__all__ = ["baseline", "lists", "ours", "reference", "score"]

ENGLISH = load_language("en")
BARE = """\
{name} said: "{turn}"
What opinions does {name} express about "{question}"? Give them as a numbered list, one sentence each."""
GREETING = re.compile(
    r"\W*(?:hello|hi|good (?:morning|afternoon|evening)|thanks?|thank you|welcome|sorry|well|so)\b", re.I
)


async def ours(rows: Sequence[Row], ask: Asks) -> dict[str, list[JsonObject]]:
    """What a run keeps of each turn."""
    return {
        row_id: [{"kind": s.kind, "statement": s.text, "quote": s.quote} for s in statements]
        for row_id, statements in (await kept(rows, ask)).items()
    }


def lists(rows: Sequence[Row]) -> dict[str, list[JsonObject]]:
    """By the English word lists that the product once had."""
    found = {}
    for row in rows:
        casting, text = seated(row), row["turn"]
        candidates, _ = mining.candidates(text, mining.speaker_of(casting, talk(row)))
        found[row["id"]] = [
            {"kind": one.kind, "statement": quotes.as_sentence(quote), "quote": quote}
            for one in candidates
            for quote in [text[one.start : one.end]]
        ]
    return found


async def reference(rows: Sequence[Row], ask: Asks) -> dict[str, list[JsonObject]]:
    """As the published code goes about it: each turn by itself into a numbered list, every line of which counts.

    It gives no quotes and no kinds. So that it can be scored at all, each line is lent the sentence of the turn that
    it shares most words with, and is an opinion.
    """
    found = {}
    for row in rows:
        prompt = BARE.format(name=row["speaker"], turn=row["turn"], question=row["question"])
        request = Request(({"role": "user", "content": prompt},), 300, temperature=0.0, seed=1)
        reply = await ask.ledger.ask(
            ask.model, request, stage="extract", subject_id=row["id"], prompt_digest="reference"
        )
        lines = [re.sub(r"^\s*\d+[.)]\s*", "", line).strip() for line in reply.text.split("\n")]
        found[row["id"]] = [
            {"kind": "opinion", "statement": line, "quote": nearest(line, row["turn"]), "lent": True} for line in lines
        ]
    return found


def nearest(line: str, turn: str) -> str:
    """The sentence with most of the line's words; nothing if it shares none."""
    words = content_words(line, ENGLISH)
    sentences = [turn[start:end] for start, end in ENGLISH.sentences(turn)]
    best = max(sentences, key=lambda s: len(words & content_words(s, ENGLISH)), default="")
    return best if words & content_words(best, ENGLISH) else ""


def baseline(rows: Sequence[Row]) -> dict[str, list[JsonObject]]:
    """No model: every sentence that neither asks nor greets is an opinion."""
    found: Mapping[str, list[JsonObject]] = {
        row["id"]: [
            {"kind": "opinion", "statement": sentence, "quote": sentence}
            for start, end in ENGLISH.sentences(row["turn"])
            if not (sentence := row["turn"][start:end]).endswith("?") and not GREETING.match(sentence)
        ]
        for row in rows
    }
    return dict(found)
