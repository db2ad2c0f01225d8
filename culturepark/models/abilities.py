"""What an endpoint takes of a request, as far as it has refused things: learnt once, kept, and never asked again. Pure.

A request is made in full (`ChatModel.body`) and adapted just before it leaves; its digest is made of the full request,
so that what was answered stays found when more is learnt.
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
HANGS_ON = {"logprobs": ("top_logprobs",), "stream": ("stream_options",)}
"""What makes no sense without another part."""
ROOM = (2_000, 8_000, 32_000)
"""Tokens for thoughts that are added, step by step, to what an answer needs."""
LEAST_TEMPERATURE = 0.01
"""For servers that take a temperature and not 0."""
FEWER_RIVALS = 5
"""Of a token; the most that servers take which do not take 20 (Azure, xAI)."""


ANSWERS = {"dialogue": "speech", "extract": "extraction", "verify": "verdict", "check": "score"}
"""What an answer of a stage is called."""


class Learnt(NamedTuple):
    """One thing learnt: a row of the table `ability`."""

    name: str
    value: Any

    def __str__(self) -> str:
        """What the model does, to go on from its name."""
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
            what = ANSWERS.get(name[5:], f"answer of the stage {name[5:]}")
            return f"spends tokens on hidden reasoning; each {what} may now use {value:,} tokens more"
        if isinstance(value, dict):
            bounds = [f"at {word} {value[word]:g}" for word in ("least", "most") if value.get(word) is not None]
            return f"takes {name} only {' and '.join(bounds)}"
        return f"takes no {name}"


@dataclass(frozen=True)
class Abilities:
    """What is known of one model at one endpoint."""

    known: Mapping[str, Any] = field(default_factory=dict)
    """Rows of `ability`: name -> value."""

    def adapt(self, body: JsonObject, stage: str = "") -> JsonObject:
        """The request as this endpoint takes it."""
        out = dict(body)
        if self.known.get("bare"):
            out = {key: value for key, value in out.items() if key in (*NEEDED, "stream")}
        for name, value in self.known.items():
            if name == "system":
                out["messages"] = folded(out["messages"])
            elif name == "response_format" and name in out:
                out[name] = {"type": "json_object"}
                if value != "json_object":
                    del out[name]
            elif value == REFUSED and name not in NEEDED:
                for part in (name, *HANGS_ON.get(name, ())):
                    out.pop(part, None)
        room = self.known.get(f"room.{stage}", 0)
        for name in LIMITS:
            if name in out:
                limit = out.pop(name) + room
                if self.known.get("limit") != NONE:
                    out[self.known.get("limit", name)] = limit
                break
        for name, value in self.known.items():
            if isinstance(value, dict) and isinstance(out.get(name), (int, float)):
                out[name] = within(out[name], value)
        return out

    def learn(self, error: Refused, sent: JsonObject) -> Learnt | None:
        """What follows from a refusal of `sent`; None if nothing is left that could be done without."""
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
            told = {"least": error.least, "most": error.most}
            bounds = guess(name, value) | {word: bound for word, bound in told.items() if bound is not None}
            if bounds and within(value, bounded := self.bounds(name) | bounds) != value:
                return Learnt(name, bounded)
        return None if name in LIMITS else Learnt(name, REFUSED)

    def bounds(self, name: str) -> dict[str, float]:
        value = self.known.get(name)
        return dict(value) if isinstance(value, dict) else {}

    def more_room(self, stage: str) -> Learnt | None:
        """More tokens for thoughts; None if there were already as many as anybody gets."""
        room = self.known.get(f"room.{stage}", 0)
        return next((Learnt(f"room.{stage}", step) for step in ROOM if step > room), None)

    def knowing(self, learnt: Learnt) -> Abilities:
        return Abilities({**self.known, learnt.name: learnt.value})


def guess(name: str, value: float) -> dict[str, float]:
    """Bounds to try where a value was refused and nothing was said of why."""
    if name == "temperature" and value > 1:
        return {"most": 1.0}
    if name == "temperature" and value == 0:
        return {"least": LEAST_TEMPERATURE}
    if name == "top_logprobs" and value > FEWER_RIVALS:
        return {"most": FEWER_RIVALS}
    return {}


def within(value: float, bounds: Mapping[str, float]) -> float:
    """The value, or the bound that it is beyond; whole where it was whole."""
    near = min(value, bounds.get("most", value))
    near = max(near, bounds.get("least", near))
    return int(near) if isinstance(value, int) else near


def folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with what was said as system at the beginning of the first message of the user's."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    rest = [message for message in messages if message["role"] != "system"]
    if not system:
        return rest
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system}, *rest]
    return [{"role": "user", "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]
