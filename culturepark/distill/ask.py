"""Asks a model about a dialogue, for JSON of a given shape, and believes nothing it cannot parse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from culturepark.distill.json_answers import parse
from culturepark.domain import Casting, JsonObject
from culturepark.errors import Missed, TooLong
from culturepark.languages import Language, Prompt
from culturepark.models.chat import ChatModel, Reply, Request, Schema, first_choice
from culturepark.models.ledger import Ledger

Answer = TypeVar("Answer", bound=BaseModel)


class Item(BaseModel):
    """What was said of one item of several, which it names."""

    id: int


One = TypeVar("One", bound=Item)
ATTEMPTS = 2


class TooMuch(Exception):
    """All of it at once cannot be asked, and a part of it perhaps can.

    `reason` is a stable word: `cut-off` (the answer did not fit into the limit on tokens), `too-long` (the material did
    not fit into the model's context), or `withheld` (a filter objects to something in it).
    """

    def __init__(self, reason: str, call_id: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.call_id = call_id


@dataclass(frozen=True)
class Asker:
    """Asks one model about one dialogue; every call is written down under the dialogue's id."""

    casting: Casting
    language: Language
    dialogue_id: str
    model: ChatModel
    ledger: Ledger
    stage: str

    def prompt(self, name: str) -> Prompt:
        return self.language.prompt(name)

    async def send(self, request: Request, template: Prompt) -> Reply:
        """
        Raises:
            CultureparkError: as the ledger does.
        """
        return await self.ledger.ask(
            self.model, request, stage=self.stage, subject_id=self.dialogue_id, prompt_digest=template.digest
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
    ) -> tuple[Answer | None, Reply | None]:
        """The parsed answer, or None if two attempts gave nothing that parses.

        Args:
            material: what the prompt speaks about. It goes in as JSON, so that no text in it can pass for an
                instruction or for the end of the material.
        Raises:
            TooMuch: if it has to be asked in parts.
            CultureparkError: as the ledger does.
        """
        reply = None
        withheld = 0
        for attempt in range(1, ATTEMPTS + 1):
            request = Request(
                messages=(
                    {"role": "system", "content": template.text},
                    {"role": "user", "content": json.dumps(material, ensure_ascii=False)},
                ),
                max_tokens=max_tokens,
                temperature=0.0 if attempt == 1 else 0.4,
                seed=attempt,
                schema=Schema(name, strict(shape)),
                top_logprobs=top_logprobs,
            )
            try:
                reply = await self.send(request, template)
            except TooLong as error:
                raise TooMuch("too-long", None) from error
            except Missed:  # the server has looked for the shape itself, and found another
                continue
            if reply.cut_off:
                self.ledger.refuse(reply, "cut-off")
                raise TooMuch("cut-off", reply.call_id)
            if reply.withheld:
                self.ledger.refuse(reply, "withheld")
                withheld += 1
            elif parsed := parse(content_of(reply), shape):
                return parsed, reply
            else:
                self.ledger.refuse(reply, "unparsable")
        if reply and withheld == ATTEMPTS:
            raise TooMuch("withheld", reply.call_id)
        return None, reply


def content_of(reply: Reply) -> str:
    """All that the model wrote; which of it is JSON and which is thought, its reader knows better than a listener."""
    content = first_choice(reply.response).get("message", {}).get("content")
    return content if isinstance(content, str) else reply.text


def only_once(answers: Sequence[One]) -> dict[int, One]:
    """Answers by item; an item that was answered twice has not been answered."""
    ids = [one.id for one in answers]
    return {one.id: one for one in answers if ids.count(one.id) == 1}


def strict(shape: type[BaseModel]) -> dict[str, object]:
    """A JSON schema as strict modes want it: inlined, everything required, nothing else allowed."""
    schema = shape.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: object) -> object:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(definitions[node["$ref"].rsplit("/", 1)[-1]])
        out = {key: inline(value) for key, value in node.items() if key not in ("title", "description", "default")}
        if out.get("type") == "object":
            out["additionalProperties"] = False
            out["required"] = list(out.get("properties", {}))  # type: ignore[call-overload]
        return out

    return inline(schema)  # type: ignore[return-value]


# --- many items ---------------------------------------------------------------------------------------

Found = tuple[One | None, str | None]
"""What was said of an item, None if nothing that can be read; and the call."""


class Items(BaseModel, Generic[One]):
    items: list[One]


async def each(
    asker: Asker,
    template: Prompt,
    items: Sequence[JsonObject],
    shape: type[One],
    *,
    name: str,
    items_a_call: int,
    tokens_an_item: int,
) -> list[Found[One]]:
    """An answer for each item, in their order.

    Raises:
        CultureparkError: as the ledger does.
    """

    heard = False
    """Whether the last answer could be read."""

    async def ask(batch: Sequence[JsonObject]) -> list[Found[One]]:
        nonlocal heard
        numbered = {"items": [{"id": number, **item} for number, item in enumerate(batch, start=1)]}
        limit = 100 + tokens_an_item * len(batch)
        try:
            answer, reply = await asker.json(template, numbered, Items[shape], name=name, max_tokens=limit)  # type: ignore[valid-type]
        except TooMuch as much:
            if len(batch) == 1:
                return [(None, much.call_id)]
            middle = len(batch) // 2
            return await ask(batch[:middle]) + await ask(batch[middle:])
        heard = answer is not None
        by_id = only_once(answer.items if answer else [])
        return [(by_id.get(number), reply.call_id if reply else None) for number in range(1, len(batch) + 1)]

    found: list[Found[One]] = []
    for start in range(0, len(items), items_a_call):
        batch = items[start : start + items_a_call]
        said = await ask(batch)
        missed = [number for number, (one, _) in enumerate(said) if one is None]
        if heard or len(missed) < len(batch):  # what nothing could be read of has been asked for twice already
            for number, again in zip(missed, await ask([batch[n] for n in missed]) if missed else [], strict=True):
                said[number] = again
        found += said
    return found
