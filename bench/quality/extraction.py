"""Three ways to find what a speaker thinks and does in a turn: ours, the published one, and one without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from bench.quality.overlap import Row, score
from culturepark.catalog.personas import load_all
from culturepark.dialogue.guards import content_words
from culturepark.distill.ask import Asker
from culturepark.distill.extract import Speaker, extract, speakers_of
from culturepark.distill.judgement import case
from culturepark.distill.verify import verify
from culturepark.domain import Casting, DistillPolicy, JsonObject, Participant, Seed, Turn
from culturepark.languages import load_language
from culturepark.models.chat import ChatModel, Request
from culturepark.models.ledger import Ledger

__all__ = ["baseline", "ours", "reference", "score"]

ENGLISH = load_language("en")
POLICY = DistillPolicy()
SPEAKER = "speaker"
BARE = """\
{name} said: "{turn}"
What opinions does {name} express about "{question}"? Give them as a numbered list, one sentence each."""
GREETING = re.compile(
    r"\W*(?:hello|hi|good (?:morning|afternoon|evening)|thanks?|thank you|welcome|sorry|well|so)\b", re.I
)


class Asks(Protocol):
    """What it takes to ask a model."""

    model: ChatModel
    ledger: Ledger


async def ours(rows: Sequence[Row], ask: Asks) -> dict[str, list[JsonObject]]:
    """What a run keeps of each turn: extraction, then the check that each statement is faithful to its quote."""
    found = {}
    for row in rows:
        casting = seated(row)
        turns = talk(row)
        asker = Asker(
            casting=casting, language=ENGLISH, subject_id=row["id"], model=ask.model, ledger=ask.ledger, stage="extract"
        )
        extraction = await extract(asker, turns, POLICY.extract)
        statements = [
            one.as_statement(f"{row['id']}.s{number}", row["id"], casting)
            for number, one in enumerate(extraction.proposals, start=1)
        ]
        verifier = Asker(
            casting=casting, language=ENGLISH, subject_id=row["id"], model=ask.model, ledger=ask.ledger, stage="verify"
        )
        verdicts = await verify(verifier, [case(s, turns[-1], casting, ENGLISH) for s in statements], POLICY)
        kept = {verdict.statement_id for verdict in verdicts if verdict.decision == "keep"}
        found[row["id"]] = [{"kind": s.kind, "statement": s.text, "quote": s.quote} for s in statements if s.id in kept]
    return found


def speaker_of(row: Row) -> Speaker:
    """Who speaks, as extraction knows it."""
    return speakers_of(seated(row), talk(row), ENGLISH)[len(talk(row))]


def seated(row: Row) -> Casting:
    """The speaker alone: a row does not say who else sits there, so extraction has to do without."""
    cards = load_all([])
    card = next((p for p in cards if p.culture == row.get("culture")), cards[0])
    called = re.sub(r"[^\w'’.-]", "-", row["speaker"])[:40]
    persona = card.model_copy(update={"key": SPEAKER, "name": row["speaker"], "called": called})
    seed = Seed(key="row", topic="row", question=row["question"])
    return Casting(number=1, seed=seed, participants=(Participant(persona=persona),))


def talk(row: Row) -> list[Turn]:
    """The moderator's cue, if there is one, and the turn."""
    said = [("moderator", row.get("moderator_cue")), (SPEAKER, row["turn"])]
    return [
        Turn(
            position=position,
            slot=position,
            speaker=who,
            role="moderator" if who == "moderator" else "delegate",
            phase="opinion",
            text=text,
            origin="cue" if who == "moderator" else "model",
        )
        for position, (who, text) in enumerate([(who, text) for who, text in said if text], start=1)
    ]


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
