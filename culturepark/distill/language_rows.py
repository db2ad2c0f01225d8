"""Tries what the program can do in a language without a model: on the development rows in the language's folder.

What a model decides is not tried here. The encoder's heads mine the turns, the guards of form judge the speeches, and
the guards of deduplication the pairs, as in a run with a model too small to be asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from culturepark.dialogue.guards import Hearing, objection
from culturepark.distill.dedup import pair_alone
from culturepark.distill.heads import OWN_AT_LEAST, Encode, flaw_of, read
from culturepark.domain import JsonObject, Kind
from culturepark.errors import UsageError
from culturepark.languages import Language, load_language
from culturepark.models.chat import Reply

FILE = "dev.jsonl"
LEAST_FOUND, MOST_WRONG = 0.6, 0.2
"""The least share of what must be mined, and the largest of what must not be, of a language that may be mined so."""


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Own(Row):
    cue: str
    """Words inside the sentence."""
    kind: Kind


class Turn(Row):
    """A turn of ordinary talk."""

    turn: str
    gold: tuple[Own, ...]
    """What is the speaker's own view, rule or practice."""
    not_own: tuple[str, ...]
    """Words in sentences that must not be mined."""

    @model_validator(mode="after")
    def cues_stand_in_it(self) -> Turn:
        for cue in (*(own.cue for own in self.gold), *self.not_own):
            if self.turn.count(cue) != 1:
                raise ValueError(f"{cue[:60]!r} must stand in the turn once")
        return self


class Pair(Row):
    """Two statements."""

    a: str
    b: str
    what: Literal["paraphrase", "opposite", "unrelated"]


class Speech(Row):
    """A turn as a model might send it."""

    speech: str
    good: bool
    why: str | None = None


@dataclass(frozen=True)
class Rows:
    turns: Sequence[Turn]
    pairs: Sequence[Pair]
    speeches: Sequence[Speech]


@dataclass(frozen=True)
class Trial:
    """Shares from 0 to 1; None where there are no such rows."""

    found: float | None
    """Of what must be mined, the share that is."""
    wrong: float | None
    """Of what must not be mined, the share that is."""
    kinds: float | None
    """Of what is found, the share with the right kind."""
    paraphrases: float | None
    """Of pairs that say the same, the share that is merged."""
    opposites: float | None
    """Of opposites, the share that is merged."""
    unrelated: float | None
    """Of pairs that have nothing to do with each other, the share that is merged."""
    refused: float | None
    """Of turns that may stand, the share that is refused."""
    accepted: float | None
    """Of turns that may not, the share that may."""
    gold: int
    not_own: int
    pairs: int
    speeches: int

    @property
    def may_be_mined(self) -> bool:
        """Whether a model too small to be asked may be mined in the language."""
        return (self.found or 0) >= LEAST_FOUND and (self.wrong or 0) <= MOST_WRONG

    def as_json(self) -> JsonObject:
        return {field.name: getattr(self, field.name) for field in fields(self)}


async def refusal(code: str, encode: Encode) -> str | None:
    """Return why a model too small to be asked may not be mined in a language; None if it may."""
    language = load_language(code)
    return refusal_of(language, await trial(language, rows_of(language), encode))


def refusal_of(language: Language, found: Trial) -> str | None:
    if found.may_be_mined:
        return None
    return (
        f"{language.name}: what a model this small says is mined by an encoder, which finds {found.found or 0:.2f} of "
        f"what must be mined (at least {LEAST_FOUND}) and {found.wrong or 0:.2f} of what must not be (at most "
        f"{MOST_WRONG}); take a larger extractor: --role extractor=SPEC"
    )


def rows_of(language: Language) -> Rows:
    """Return the development rows of a language.

    Raises:
        UsageError: if there are none, or a line is wrong.
    """
    file = language.folder.joinpath(FILE)
    if not file.is_file():
        raise UsageError(f"the language {language.code!r} has no {FILE}: nothing is known of how it is mined")
    turns: list[Turn] = []
    pairs: list[Pair] = []
    speeches: list[Speech] = []
    kinds: dict[str, tuple[type[Row], list[Any]]] = {
        "turn": (Turn, turns), "a": (Pair, pairs), "speech": (Speech, speeches)
    }  # fmt: skip
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        kind = next((name for name in kinds if line.lstrip("{ ").startswith(f'"{name}"')), None)
        try:
            if kind is None:
                raise ValueError("begins with none of turn, a, speech")
            model, into = kinds[kind]
            into.append(model.model_validate_json(line))
        except (ValidationError, ValueError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise UsageError(f"{file}:{number}: {told}") from None
    return Rows(turns, pairs, speeches)


async def trial(language: Language, rows: Rows, encode: Encode) -> Trial:
    mined = [await of_turn(language, turn, encode) for turn in rows.turns]
    gold = [one for turn in mined for one in turn[0]]
    wrong = [one for turn in mined for one in turn[1]]
    merged = await of_pairs(language, rows.pairs, encode)
    stands = [(speech.good, may_stand(language, speech)) for speech in rows.speeches]

    def merged_of(what: str) -> float | None:
        return share(found for pair, found in zip(rows.pairs, merged, strict=True) if pair.what == what)

    return Trial(
        found=share(kind is not None for kind, _ in gold),
        wrong=share(wrong),
        kinds=share(kind == own.kind for kind, own in gold if kind),
        paraphrases=merged_of("paraphrase"),
        opposites=merged_of("opposite"),
        unrelated=merged_of("unrelated"),
        refused=share(not stood for good, stood in stands if good),
        accepted=share(stood for good, stood in stands if not good),
        gold=len(gold),
        not_own=len(wrong),
        pairs=len(rows.pairs),
        speeches=len(rows.speeches),
    )


async def of_turn(language: Language, turn: Turn, encode: Encode) -> tuple[list[tuple[Kind | None, Own]], list[bool]]:
    """Return what is mined of a turn: of each cue its kind, or None; of each that must not be, whether it is."""
    clauses = [
        (clause.start, clause.end, clause.kind)
        for clause in await read(encode, turn.turn, language)
        if clause.own >= OWN_AT_LEAST and flaw_of(turn.turn[clause.start : clause.end]) is None
    ]

    def kind_at(cue: str) -> Kind | None:
        start = turn.turn.index(cue)
        middle = start + len(cue) // 2
        return next((kind for begin, end, kind in clauses if begin <= middle < end), None)

    return [(kind_at(own.cue), own) for own in turn.gold], [kind_at(cue) is not None for cue in turn.not_own]


async def of_pairs(language: Language, pairs: Sequence[Pair], encode: Encode) -> list[bool]:
    """Return for each pair whether it is merged where nobody is asked."""
    if not pairs:
        return []
    vectors = await encode([text for pair in pairs for text in (pair.a, pair.b)])
    both = (np.ascontiguousarray(vectors[[2 * n, 2 * n + 1]]) for n in range(len(pairs)))
    return [
        bool(pair_alone(pair.a, pair.b, two, "e5", language.code).duplicates)
        for pair, two in zip(pairs, both, strict=True)
    ]


def may_stand(language: Language, speech: Speech) -> bool:
    hearing = Hearing(called="", others=(), earlier=(), instruction="", language=language)
    return objection(Reply(speech.speech, "stop", {}), speech.speech, hearing) is None


def share(found: Iterable[object]) -> float | None:
    given: Collection[object] = list(found)
    return sum(map(bool, given)) / len(given) if given else None
