"""A filter in the place of a model that judges: it gives ratings on the scales that it knows, and cannot chat.

It is asked through the ledger like any other model, so each rating has its row. A request names the scale; the answer
is JSON with a rating for each text, in points of that scale, and the chance that people would object to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from culturepark.domain import JsonObject
from culturepark.errors import WrongRequest
from culturepark.files import clipped
from culturepark.models.chat import Reply, Request, Schema, Traits, Usage
from culturepark.models.filter import Filter, Head, Text
from culturepark.models.spec import ModelSpec

SCHEMA = "filter"
"""The name of the schema of requests to filters; it marks them, and is nowhere sent."""
LABELLED = "harmlessness"
"""The scale for which a filter of labels stands: what nobody would label is harmless."""


def request_for(scale: str, least: float, most: float, texts: Sequence[Text]) -> Request:
    """Return the request for ratings of texts on a scale."""
    asked = {"scale": scale, "least": least, "most": most, "texts": [vars(text) for text in texts]}
    message = {"role": "user", "content": json.dumps(asked, ensure_ascii=False)}
    return Request((message,), max_tokens=12 * len(texts), temperature=0.0, seed=0, schema=Schema(SCHEMA, {}))


def ratings_in(reply: Reply) -> list[float]:
    return [float(rating) for rating in json.loads(reply.text)["ratings"]]


def scales_of(heads: Mapping[str, Head]) -> tuple[str, ...]:
    """Return the names of the scales that a filter can rate on."""
    rated = [head.name for head in heads.values() if head.kind == "rating"]
    labelled = [LABELLED] if LABELLED not in rated and len(rated) < len(heads) else []
    return (*rated, *labelled)


class FilterJudge:
    """A filter as a `ChatModel`."""

    endpoint = "filter"

    def __init__(self, spec: ModelSpec, filter_: Filter) -> None:
        self.spec, self.filter = spec, filter_
        self.traits = Traits(rates=scales_of(filter_.scales))

    def body(self, request: Request) -> JsonObject:
        # With its digest: an answer of a filter that was trained anew is not taken for this one's.
        schema = request.schema.name if request.schema else None
        return {"model": f"{self.spec} {self.filter.digest}", "messages": list(request.messages), "schema": schema}

    async def send(self, body: JsonObject) -> Reply:
        """
        Raises:
            WrongRequest: if it is asked for anything but ratings, or on a scale that it does not know.
        """
        if body.get("schema") != SCHEMA:
            raise WrongRequest(f"{self.spec} is a filter: it rates texts and cannot chat; name it as a judge alone")
        asked = json.loads(body["messages"][-1]["content"])
        head = self._head(asked["scale"])
        verdicts = await self.filter.verdicts([Text(**text) for text in asked["texts"]])
        said = [verdict.said[head.name] for verdict in verdicts]
        content = json.dumps(
            {
                "ratings": [round(head.as_rating(one.value, asked["least"], asked["most"]), 4) for one in said],
                "chances": [round(one.chance, 4) for one in said],
                "flagged": [one.flagged for one in said],
            }
        )
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        response: JsonObject = {"object": "chat.completion", "model": body["model"], "choices": [choice]}
        return Reply(content, "stop", response, Usage(0, 0, 0, "estimate"))

    async def close(self) -> None:
        pass

    def _head(self, scale: str) -> Head:
        if scale not in self.traits.rates:
            known = ", ".join(self.traits.rates)
            raise WrongRequest(f"{self.spec} gives no {clipped(scale)}: it was trained on {known} alone")
        heads = self.filter.scales
        return heads[scale] if scale in heads else next(head for head in heads.values() if head.kind == "label")
