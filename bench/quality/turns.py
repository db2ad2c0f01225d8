"""What a run keeps of a turn: extraction, then the check that each statement is faithful to its quote."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import cache
from typing import Protocol

from bench.quality.rows import Row
from culturepark.catalog.personas import load_all
from culturepark.distill.ask import Asker
from culturepark.distill.extract import by_heads_alone, extract
from culturepark.distill.heads import Encode
from culturepark.distill.judgement import case
from culturepark.distill.verify import verify
from culturepark.domain import Casting, DistillPolicy, Participant, Persona, Seed, Statement, Turn, shipped_cultures
from culturepark.languages import Language
from culturepark.models.chat import ChatModel
from culturepark.models.embedder import MultilingualE5
from culturepark.models.ledger import Ledger

POLICY = DistillPolicy()
SPEAKER = "speaker"
QUESTION = "How do people live where you come from, and what do you think of it?"
"""What is asked where a row does not say it."""


@cache
def homes() -> dict[str, str]:
    """Return for each language the culture that its speakers are given where a row names none."""
    return {culture.languages[0].language.partition("-")[0]: key for key, culture in shipped_cultures().items()}


class Asks(Protocol):
    """What it takes to ask a model."""

    model: ChatModel
    ledger: Ledger


@cache
def cut_as(code: str) -> Language:
    """Return English prompts with the sentence rules of another language."""
    return Language(code, "culturepark.languages.en")


def encode_of(model: ChatModel) -> Encode | None:
    """Return the encoder whose heads read for a model too small to be asked; None for others."""
    return encoder().embed if by_heads_alone(model.traits, POLICY.extract) else None


@cache
def encoder() -> MultilingualE5:
    return MultilingualE5(lambda *_: None)


@cache
def cards() -> tuple[Persona, ...]:
    return load_all([])


async def kept(rows: Sequence[Row], ask: Asks) -> dict[str, list[Statement]]:
    """Return what a run would keep of each row's turn, by the row's id."""
    found = await asyncio.gather(*[kept_of(row, ask) for row in rows])
    return {row["id"]: statements for row, statements in zip(rows, found, strict=True)}


async def kept_of(row: Row, ask: Asks) -> list[Statement]:
    casting, turns = seated(row), talk(row)
    extraction = await extract(asker(ask, "extract", casting, row), turns, POLICY.extract, {}, encode_of(ask.model))
    statements = [
        one.as_statement(f"{row['id']}.s{number}", row["id"], casting, row.get("language") or "en")
        for number, one in enumerate(extraction.proposals, start=1)
    ]
    verifier = asker(ask, "verify", casting, row)
    before = turns[-2] if len(turns) > 1 else None
    cases = [case(one, turns[-1], casting, verifier.language, before) for one in statements]
    verdicts = await verify(verifier, cases, POLICY, encode_of(ask.model))
    faithful = {v.statement_id for v in verdicts if v.criterion == "faithful" and v.decision == "keep"}
    return [statement for statement in statements if statement.id in faithful]


def asker(ask: Asks, stage: str, casting: Casting, row: Row) -> Asker:
    language = cut_as(row.get("language") or "en")
    return Asker(
        casting=casting, language=language, subject_id=row["id"], model=ask.model, ledger=ask.ledger, stage=stage
    )


def seated(row: Row) -> Casting:
    """The speaker alone: a row does not say who else sits there, so extraction has to do without."""
    seed = Seed(key="row", topic="row", question=row.get("question") or QUESTION)
    return Casting(number=1, seed=seed, participants=(Participant(persona=speaker_of(row)),))


def speaker_of(row: Row) -> Persona:
    """Somebody of the row's culture, and no card: its lines would be those of another person."""
    home = row.get("culture") or homes().get((row.get("language") or "en").partition("-")[0], homes()["en"])
    card = next((one for one in cards() if one.culture == home), cards()[0])
    name = row.get("speaker") or SPEAKER.capitalize()
    called = re.sub(r"[^\w'’.-]", "-", name)[:40]
    nothing = {"values": (), "norms": (), "sayings": (), "episodes": None}
    place = {"place": card.country_name, "region": card.country_name}
    return card.model_copy(update={"key": SPEAKER, "name": name, "called": called, **place, **nothing})


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
