"""Learns from refusals which parts of a request an endpoint takes, and adapts later requests to it. Pure.

A request is made in full (`ChatModel.body`) and adapted just before it leaves. Its digest is that of the full request,
so that a stored answer stays found when more is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from culturepark.domain import JsonObject
from culturepark.errors import Refused

REFUSED, NONE = "refused", "none"
LIMITS = ("max_tokens", "max_completion_tokens")
NEEDED = ("model", "messages", "input", *LIMITS)
"""Parts of a request that are always sent."""
DEPENDENT = {"logprobs": ("top_logprobs",), "stream": ("stream_options",)}
"""Part of a request -> parts that make no sense without it."""
ROOM = (2_000, 8_000, 32_000)
"""Tokens for thoughts that are added, step by step, to those that an answer needs."""
LEAST_TEMPERATURE = 0.01
"""Temperature for servers that refuse 0."""
FEWER_RIVALS = 5
"""Rivals of a token for servers that refuse 20 (Azure, xAI)."""
ANSWERS = {"dialogue": "speech", "extract": "extraction", "verify": "verdict", "check": "score"}
"""Stage -> the word for its answer."""


class Learnt(NamedTuple):
    """An ability of a model at an endpoint: a row of the table `ability`."""

    name: str
    value: Any

    def __str__(self) -> str:
        """Return the ability in words that follow the model's name."""
        name, value = self
        if name == "bare":
            return "takes nothing but the messages and a limit on tokens"
        if name == "system":
            return "takes no system message; it now stands at the beginning of the first user message"
        if name == "response_format":
            instead = "it is asked for any JSON" if value == "json_object" else "the prompt alone asks for JSON"
            return f"takes no JSON schema; {instead}"
        if name == "limit":
            return "takes no limit on tokens" if value == NONE else f"takes its limit on tokens as {value}"
        if name == "leaks":
            return f"mixes hidden reasoning or control tokens into its answers ({', '.join(value)}); they are taken out"
        if name.startswith("room."):
            answer = ANSWERS.get(name[5:], f"answer of the stage {name[5:]}")
            return f"spends tokens on hidden reasoning; each {answer} may now use {value:,} tokens more"
        if isinstance(value, dict):
            bounds = [f"at {word} {value[word]:g}" for word in ("least", "most") if value.get(word) is not None]
            return f"takes {name} only {' and '.join(bounds)}"
        return f"takes no {name}"


@dataclass(frozen=True)
class Abilities:
    """All abilities of one model at one endpoint."""

    known: Mapping[str, Any] = field(default_factory=dict)
    """Rows of `ability`: name -> value."""

    def adapt(self, body: JsonObject, stage: str = "") -> JsonObject:
        """Return the request as this endpoint takes it."""
        adapted = dict(body)
        if self.known.get("bare"):
            adapted = {key: value for key, value in body.items() if key in (*NEEDED, "stream")}
        for name, value in self.known.items():
            if name == "system":
                adapted["messages"] = folded(adapted["messages"])
            elif name == "response_format" and name in adapted:
                adapted[name] = {"type": "json_object"}
                if value != "json_object":
                    del adapted[name]
            elif value == REFUSED and name not in NEEDED:
                for part in (name, *DEPENDENT.get(name, ())):
                    adapted.pop(part, None)
        room = self.known.get(f"room.{stage}", 0)
        for name in LIMITS:
            if name in adapted:
                limit = adapted.pop(name) + room
                if self.known.get("limit") != NONE:
                    adapted[self.known.get("limit", name)] = limit
                break
        for name, value in self.known.items():
            if isinstance(value, dict) and isinstance(adapted.get(name), (int, float)):
                adapted[name] = within(adapted[name], value)
        return adapted

    def learn(self, error: Refused, sent: JsonObject) -> Learnt | None:
        """Return the lesson of a refusal of `sent`; None if there is nothing left to leave out."""
        name = "limit" if error.feature in LIMITS and error.least is error.most is None else error.feature
        if name == "":
            return None if set(sent) <= {*NEEDED, "stream"} else Learnt("bare", True)
        if name == "system":
            return Learnt(name, REFUSED) if any(m["role"] == "system" for m in sent["messages"]) else None
        if name == "limit":
            if error.feature not in sent:
                return None
            other = LIMITS[1 - LIMITS.index(error.feature)]
            return Learnt(name, NONE if self.known.get("limit") == error.feature else other)
        if name not in sent or name in ("model", "messages", "input"):
            return None
        value = sent[name]
        if name == "response_format":
            return Learnt(name, "json_object" if value.get("type") == "json_schema" else REFUSED)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            named = {"least": error.least, "most": error.most}
            bounds = guess(name, value) | {word: bound for word, bound in named.items() if bound is not None}
            known = self.known.get(name)
            bounded = (known if isinstance(known, dict) else {}) | bounds
            if bounds and within(value, bounded) != value:
                return Learnt(name, bounded)
        return None if name in LIMITS else Learnt(name, REFUSED)

    def more_room(self, stage: str) -> Learnt | None:
        """Return the next step of room for thoughts; None after the last."""
        room = self.known.get(f"room.{stage}", 0)
        return next((Learnt(f"room.{stage}", step) for step in ROOM if step > room), None)

    def knowing(self, learnt: Learnt) -> Abilities:
        return Abilities({**self.known, learnt.name: learnt.value})


def guess(name: str, value: float) -> dict[str, float]:
    """Return bounds to try where a value was refused without a reason."""
    if name == "temperature" and value > 1:
        return {"most": 1.0}
    if name == "temperature" and value == 0:
        return {"least": LEAST_TEMPERATURE}
    if name == "top_logprobs" and value > FEWER_RIVALS:
        return {"most": FEWER_RIVALS}
    return {}


def within(value: float, bounds: Mapping[str, float]) -> float:
    """Return the value, or the bound that it violates; an integer stays one."""
    nearest = min(value, bounds.get("most", value))
    nearest = max(nearest, bounds.get("least", nearest))
    return int(nearest) if isinstance(value, int) else nearest


def folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the messages with the system's text at the beginning of the user's first message."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    rest = [message for message in messages if message["role"] != "system"]
    if not system:
        return rest
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system}, *rest]
    return [{"role": "user", "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]
