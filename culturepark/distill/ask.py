"""Asks a model about a dialogue for JSON of a given shape. An answer that does not parse counts as none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from culturepark.domain import Casting, JsonObject, storable
from culturepark.errors import Missed, TooLong
from culturepark.languages import Language, Prompt, for_judges
from culturepark.models.chat import ChatModel, Reply, Request, Schema
from culturepark.models.json_answers import content_of, parse, strict
from culturepark.models.ledger import Ledger

Answer = TypeVar("Answer", bound=BaseModel)
Material = TypeVar("Material")
Result = TypeVar("Result")


class Item(BaseModel):
    """An answer about one of several numbered items."""

    id: int


One = TypeVar("One", bound=Item)
ATTEMPTS = 2
AT_ONCE = 16
"""Parts that are asked about side by side. It does not hang on what may be in flight: calls have the same ids."""
LONGEST_REASON = 300


class TooMuch(Exception):
    """The material cannot be asked about at once; a part of it perhaps can.

    `reason` is a stable word: `cut-off` (the answer did not fit into the limit on tokens), `too-long` (the material did
    not fit into the model's context), or `withheld` (a filter objects to something in it).
    """

    def __init__(self, reason: str, call_id: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.call_id = call_id


@dataclass(frozen=True, kw_only=True)
class SubjectAsker:
    """Asks one model about one subject, under whose id every call is stored.

    All that ask with it raise what the ledger raises.
    """

    language: Language
    subject_id: str
    model: ChatModel
    ledger: Ledger
    stage: str
    spoken: tuple[str, ...] = ()
    """The languages of what it asks about, where there are several."""

    async def send(self, request: Request, template: Prompt) -> Reply:
        return await self.ledger.ask(
            self.model, request, stage=self.stage, subject_id=self.subject_id, prompt_digest=template.digest
        )

    async def json(
        self,
        template: Prompt,
        material: object,
        shape: type[Answer],
        *,
        name: str,
        max_tokens: int,
        top_logprobs: int = 0,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> tuple[Answer | None, Reply | None]:
        """Return the parsed answer, or None if two attempts gave nothing that parses.

        Args:
            material: sent as JSON, so that no text in it can pass for an instruction or for the end of the material.
            temperature, seed: of the first attempt, where many answers are right.
        Raises:
            TooMuch: if it has to be asked in parts.
        """
        template = for_judges(template, self.spoken or (self.language.code,))
        reply = None
        withheld = 0
        for attempt in range(1, ATTEMPTS + 1):
            request = Request(
                messages=(
                    {"role": "system", "content": template.text},
                    {"role": "user", "content": json.dumps(material, ensure_ascii=False)},
                ),
                max_tokens=max_tokens,
                temperature=temperature if attempt == 1 else max(temperature, 0.4),
                seed=seed + attempt,
                schema=Schema(name, strict(shape)),
                top_logprobs=top_logprobs,
            )
            try:
                reply = await self.send(request, template)
            except TooLong as error:
                raise TooMuch("too-long", None) from error
            except Missed:  # the server itself has checked the answer against the schema
                continue
            if reply.cut_off:
                await self.ledger.refuse(reply, "cut-off")
                raise TooMuch("cut-off", reply.call_id)
            if reply.withheld:
                await self.ledger.refuse(reply, "withheld")
                withheld += 1
            elif parsed := parse(content_of(reply), shape):
                return parsed, reply
            else:
                await self.ledger.refuse(reply, "unparsable")
        if reply and withheld == ATTEMPTS:
            raise TooMuch("withheld", reply.call_id)
        return None, reply


@dataclass(frozen=True, kw_only=True)
class Asker(SubjectAsker):
    """Asks about one dialogue."""

    casting: Casting


async def in_parts(
    material: Sequence[Material],
    ask: Callable[[Sequence[Material]], Awaitable[Result]],
    give_up: Callable[[TooMuch, Sequence[Material]], Result],
) -> list[Result]:
    """Ask about all of the material; where that is too much, about each half of it, and so on.

    Args:
        give_up: gives the result for a single piece that is too much by itself.
    """
    try:
        return [await ask(material)]
    except TooMuch as much:
        if len(material) == 1:
            return [give_up(much, material)]
        middle = len(material) // 2
        first = await in_parts(material[:middle], ask, give_up)
        return first + await in_parts(material[middle:], ask, give_up)


async def side_by_side(
    parts: Sequence[Material], ask: Callable[[Material], Awaitable[Result]], at_once: int = AT_ONCE
) -> list[Result]:
    """Return the result for each part, in their order, and ask about several at a time.

    If one fails, no more are begun. Those under way go on to their end: they are paid for.
    """
    results: dict[int, Result] = {}
    left = iter(enumerate(parts))

    async def work() -> None:
        for number, part in left:
            try:
                results[number] = await ask(part)
            except BaseException:
                for _ in left:
                    pass
                raise

    workers = (work() for _ in range(min(at_once, len(parts))))
    for outcome in await asyncio.gather(*workers, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return [results[number] for number in range(len(parts))]


def as_reason(words: str) -> str | None:
    """Return a model's reason as it is stored: on one line, and not long."""
    line = " ".join(storable(words).split())
    return (line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…") or None


def only_once(answers: Sequence[One]) -> dict[int, One]:
    """Return the answers by item. An item that was answered twice counts as not answered."""
    ids = [answer.id for answer in answers]
    return {answer.id: answer for answer in answers if ids.count(answer.id) == 1}


# --- many items ---------------------------------------------------------------------------------------

Answered = tuple[One | None, str | None]
"""The answer about an item, None if none can be read; and the call's id."""


class Items(BaseModel, Generic[One]):
    items: list[One]


async def each(
    asker: SubjectAsker,
    template: Prompt,
    items: Sequence[JsonObject],
    shape: type[One],
    *,
    name: str,
    items_a_call: int,
    tokens_an_item: int,
    above: Callable[[Sequence[JsonObject]], tuple[JsonObject, Sequence[JsonObject]]] | None = None,
    at_once: int = 1,
) -> list[Answered[One]]:
    """Return an answer for each item, in their order. Items that a call left out are asked about once more.

    Args:
        above: gives what stands once above the items of a call, and the items without it.
        at_once: calls that are made side by side.
    """

    async def asked(batch: Sequence[JsonObject]) -> tuple[bool, list[Answered[One]]]:
        """Return the answers about a batch, and whether the last call had one that could be read."""
        readable = False

        async def ask(part: Sequence[JsonObject]) -> list[Answered[One]]:
            nonlocal readable
            around, shown = above(part) if above else ({}, part)
            numbered = {**around, "items": [{"id": number, **item} for number, item in enumerate(shown, start=1)]}
            limit = 100 + tokens_an_item * len(part)
            answer, reply = await asker.json(template, numbered, Items[shape], name=name, max_tokens=limit)  # type: ignore[valid-type]
            readable = answer is not None
            by_id = only_once(answer.items if answer else [])
            return [(by_id.get(number), reply.call_id if reply else None) for number in range(1, len(part) + 1)]

        parts = await in_parts(batch, ask, give_up)
        return readable, [answer for part in parts for answer in part]

    def give_up(much: TooMuch, _: Sequence[JsonObject]) -> list[Answered[One]]:
        return [(None, much.call_id)]

    async def each_of(batch: Sequence[JsonObject]) -> list[Answered[One]]:
        readable, given = await asked(batch)
        missed = [number for number, (answer, _) in enumerate(given) if answer is None]
        if missed and (readable or len(missed) < len(batch)):  # an unreadable batch has been asked twice already
            _, again = await asked([batch[number] for number in missed])
            for number, answer in zip(missed, again, strict=True):
                given[number] = answer
        return given

    batches = [items[start : start + items_a_call] for start in range(0, len(items), items_a_call)]
    return [answer for given in await side_by_side(batches, each_of, at_once) for answer in given]
