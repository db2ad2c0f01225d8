"""Asks a model for JSON of a given shape, and believes nothing it cannot parse."""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from culturepark.models.chat import ChatModel, Reply, Request, Schema, as_said
from culturepark.models.ledger import Ledger
from culturepark.prompts import Prompt

Answer = TypeVar("Answer", bound=BaseModel)
ATTEMPTS = 2


class CutOff(Exception):
    """The answer did not fit into the limit on tokens."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("cut off")
        self.reply = reply


async def ask_json(
    ledger: Ledger,
    model: ChatModel,
    prompt: Prompt,
    material: object,
    shape: type[Answer],
    *,
    name: str,
    stage: str,
    subject_id: str,
    max_tokens: int,
    top_logprobs: int = 0,
) -> tuple[Answer | None, Reply | None]:
    """The parsed answer, or None if two attempts gave nothing that parses.

    Args:
        material: what the prompt speaks about. It goes in as JSON, so that no text in it can pass for an instruction
            or for the end of the material.
    Raises:
        CutOff: if the answer ended at the limit.
        CultureparkError: as the ledger does.
    """
    reply = None
    for attempt in range(1, ATTEMPTS + 1):
        request = Request(
            messages=(
                {"role": "system", "content": prompt.text},
                {"role": "user", "content": json.dumps(material, ensure_ascii=False)},
            ),
            max_tokens=max_tokens,
            temperature=0.0 if attempt == 1 else 0.4,
            seed=attempt,
            schema=Schema(name, strict(shape)),
            top_logprobs=top_logprobs,
        )
        reply = await ledger.ask(model, request, stage=stage, subject_id=subject_id, prompt_digest=prompt.digest)
        if reply.finish_reason == "length":
            ledger.refuse(reply, "cut-off")
            raise CutOff(reply)
        if reply.withheld:
            ledger.refuse(reply, "withheld")
        elif parsed := parse(reply.text, shape):
            return parsed, reply
        else:
            ledger.refuse(reply, "unparsable")
    return None, reply


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
