"""Asks a model about a dialogue, for JSON of a given shape, and believes nothing it cannot parse."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from culturepark.domain import Casting, Language
from culturepark.models.chat import ChatModel, Reply, Request, Schema, as_said
from culturepark.models.ledger import Ledger
from culturepark.prompts import Prompt, prompt

Answer = TypeVar("Answer", bound=BaseModel)


class Item(BaseModel):
    """What was said of one item of several, which it names."""

    id: int


One = TypeVar("One", bound=Item)
ATTEMPTS = 2


class CutOff(Exception):
    """The answer did not fit into the limit on tokens."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("cut off")
        self.reply = reply


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
        return prompt(name, self.language)

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
            CutOff: if the answer ended at the limit.
            CultureparkError: as the ledger does.
        """
        reply = None
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
            reply = await self.send(request, template)
            if reply.finish_reason == "length":
                self.ledger.refuse(reply, "cut-off")
                raise CutOff(reply)
            if reply.withheld:
                self.ledger.refuse(reply, "withheld")
            elif parsed := parse(reply.text, shape):
                return parsed, reply
            else:
                self.ledger.refuse(reply, "unparsable")
        return None, reply


def only_once(answers: Sequence[One]) -> dict[int, One]:
    """Answers by item; an item that was answered twice has not been answered."""
    ids = [one.id for one in answers]
    return {one.id: one for one in answers if ids.count(one.id) == 1}


def parse(text: str, shape: type[Answer]) -> Answer | None:
    """The answer in `text`: JSON, perhaps after a model's thoughts or inside a fence."""
    body = as_said(re.sub(r"^\s*<think>.*?</think>", "", text, flags=re.DOTALL))
    start, end = body.find("{"), body.rfind("}")
    if start < 0:
        return None
    try:
        return shape.model_validate_json(body[start : end + 1])
    except (ValidationError, ValueError):
        return None


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
