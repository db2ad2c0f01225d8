"""Request and reply of a model, and the interface of every kind of model."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from culturepark.domain import JsonObject
from culturepark.models.spec import ModelSpec
from culturepark.models.thoughts import after_thoughts, heard


@dataclass(frozen=True)
class Schema:
    """A JSON schema that the answer must satisfy."""

    name: str
    schema: JsonObject


@dataclass(frozen=True)
class Request:
    """A chat request, in terms that every kind of model understands."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float
    seed: int
    stop: tuple[str, ...] = ()
    schema: Schema | None = None
    grammar: str | None = None
    """A grammar in GBNF, sent only to servers that take it (llama.cpp)."""
    top_logprobs: int = 0
    """Alternatives to report for each token; 0 asks for no log-probabilities."""


@dataclass(frozen=True)
class Token:
    """One generated token with its log-probability and those of its rivals."""

    text: str
    logprob: float
    rivals: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    source: str | None = None
    """`server`, `tiktoken` or `estimate`."""
    reasoning_tokens: int | None = None
    """Tokens of the completion that were thoughts; None if the server does not say."""

    @property
    def total(self) -> int:
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


Ending = Literal["ended", "cut-off", "withheld"]
ENDED = {"stop", "eos", "eos_token", "end_turn", "end", "complete", "completed", "done", "finish", "finished"} | {
    "stop_sequence", "stop_string", "stop_token", "stop_eos", "stop_str", "end_of_turn", "end_of_text", "natural_stop"
}  # fmt: skip
"""Finish reasons of an answer that came to its end."""
WITHHELD = re.compile(
    r"filter|safety|recitation|prohibit|block|spii|sensitive|refus|guardrail|moderat|policy|toxic|unsafe|harm|violat|"
    r"inappropriate|copyright"
)
"""Words in the finish reason of an answer that was kept back."""
LIMIT = re.compile(r"length|max|limit|token|window")
"""Words in the finish reason of an answer that reached the limit on tokens."""
BROKEN = re.compile(r"error|abort|cancel|resource|time_?out|fail|interrupt|malformed|unavailable|overload|disconnect")
"""Words in the finish reason of an answer that broke off for a reason that lies with the server."""


CALLED = re.compile(r"tools?_?(calls?|use)|functions?_?calls?")
"""Finish reasons of an answer that calls a tool. Some servers send one after a text that calls none."""


def word_of(finish_reason: str) -> str:
    """Return a finish reason in one spelling: `end_turn` for `FinishReason.END-TURN`.

    A detail that follows a known word is left out: `content_filter` for `content_filter: RECITATION`.
    """
    word = re.sub(r"^finish_?reason[._:]_*", "", re.sub(r"[-\s]", "_", finish_reason.strip().casefold()))
    first = re.split(r"_*[:;,(\[]", word, maxsplit=1)[0]
    known = first in ENDED or any(words.search(first) for words in (WITHHELD, LIMIT, BROKEN, CALLED))
    return first if known else word


def ending_of(finish_reason: str | None) -> Ending:
    """Return how an answer ended. An unknown word means that it was cut off."""
    word = word_of(finish_reason or "")
    if word in ENDED:
        return "ended"
    return "withheld" if WITHHELD.search(word) else "cut-off"


def hit_the_limit(finish_reason: str | None) -> bool:
    """Return whether an answer ended for want of tokens."""
    return ending_of(finish_reason) == "cut-off" and bool(LIMIT.search(word_of(finish_reason or "")))


def broke_off(finish_reason: str) -> bool:
    """Return whether the server failed, so that the same request may fare better."""
    word = word_of(finish_reason)
    return word not in ENDED and not WITHHELD.search(word) and bool(BROKEN.search(word))


THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message that hold thoughts."""


@dataclass(frozen=True)
class Reply:
    """An answer: the model's text without its thoughts, and the completion as it came."""

    text: str
    """One contiguous piece of the completion's content, without citations."""
    finish_reason: str | None
    response: JsonObject
    """The assembled chat completion."""
    usage: Usage = Usage()
    call_id: str = ""
    leak: str | None = None
    """The form in which thoughts or control tokens stood in the content; None if there were none."""
    unclear: str | None = None
    """Reason why the text may not be the answer and nothing else; None if it can be trusted."""

    @classmethod
    def of(cls, response: JsonObject, usage: Usage, call_id: str = "") -> Reply:
        """Return the reply in a completion whose content is text or null."""
        choice = first_choice(response)
        message = choice.get("message", {})
        content = message.get("content") or ""
        answer = after_thoughts(content, [message.get(field) for field in THOUGHT_FIELDS])
        said = heard(answer)
        leak = said.leak or ("thoughts-twice" if answer != content else None)
        return cls(said.text, choice.get("finish_reason"), response, usage, call_id, leak, said.unclear)

    @property
    def thoughts(self) -> str:
        """The model's thoughts, from a field of their own or from the content."""
        message = first_choice(self.response).get("message", {})
        for key in THOUGHT_FIELDS:
            if isinstance(message.get(key), str) and message[key].strip():
                return str(message[key])
        content = message.get("content")
        return heard(content).thoughts if isinstance(content, str) else ""

    @property
    def refusal(self) -> str:
        """The text of the field that is only for refusing."""
        return str(first_choice(self.response).get("message", {}).get("refusal") or "")

    @property
    def ending(self) -> Ending:
        if self.refusal:
            return "withheld"
        if CALLED.fullmatch(word_of(self.finish_reason or "")):
            message = first_choice(self.response).get("message", {})
            calls = message.get("tool_calls") or message.get("function_call")
            return "ended" if self.text.strip() and not calls else "cut-off"
        return ending_of(self.finish_reason)

    @property
    def withheld(self) -> bool:
        """Whether a filter or the model itself kept the answer back; its text is then no answer."""
        return self.ending == "withheld"

    @property
    def cut_off(self) -> bool:
        """Whether the answer stops before its end."""
        return self.ending == "cut-off"

    @property
    def tokens(self) -> list[Token]:
        """Generated tokens with log-probabilities; empty where the endpoint sends none, or nonsense."""
        tokens = []
        try:
            for item in (first_choice(self.response).get("logprobs") or {}).get("content") or []:
                rivals = {r["token"]: logprob_of(r["logprob"]) for r in item.get("top_logprobs") or []}
                tokens.append(Token(str(item["token"]), logprob_of(item["logprob"]), rivals))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return []
        return tokens


def without_unused_logprobs(response: JsonObject, body: JsonObject) -> JsonObject:
    """Return a completion with the log-probabilities that are read again: tokens, and rivals where several were asked.

    Servers send the bytes of each token and more, up to ten times the answer itself. A single rival is asked only
    because endpoints want a number, and nothing reads it.
    """
    choices = response.get("choices")
    if not isinstance(choices, list) or not any(isinstance(c, dict) and c.get("logprobs") for c in choices):
        return response
    several = int(body.get("top_logprobs") or 0) > 1
    kept = []
    for choice in choices:
        logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        if isinstance(content, list):
            tokens = [reduced(token, rivals=several) for token in content]
            choice = choice | {"logprobs": {"content": tokens}}
        kept.append(choice)
    return response | {"choices": kept}


def reduced(token: Any, *, rivals: bool) -> Any:
    """Return a token of an answer with its log-probability and, if wanted, those of its rivals."""
    if not isinstance(token, dict):
        return token
    kept = {key: token[key] for key in ("token", "logprob") if key in token}
    if rivals and isinstance(token.get("top_logprobs"), list):
        kept["top_logprobs"] = [reduced(rival, rivals=False) for rival in token["top_logprobs"]]
    return kept


LEAST = -100.0
"""Log-probability that stands for never. Servers write -9999 or -Infinity, of which no odds can be computed."""
ROUNDING = 1e-3


def logprob_of(number: Any) -> float:
    """
    Raises:
        ValueError: if it is no log-probability: NaN, or above nought by more than rounding.
    """
    value = float(number)
    if not value <= ROUNDING:
        raise ValueError(f"{value} is no log-probability")
    return max(LEAST, min(0.0, value))


def first_choice(response: JsonObject) -> JsonObject:
    choices = response.get("choices") or [{}]
    choice: JsonObject = choices[0]
    return choice


CONTROL = re.compile(r"<(?=[^\s<>]{1,64}>)|\[(?=/?\w*[A-Z]{2}\w*\])")
"""The first bracket of a possible control token of a chat template: `<|im_end|>`, `</s>`, `[INST]`, `<eos>`."""


def spelled_out(text: str) -> str:
    """Put a space into everything that looks like a control token.

    Servers look for such tokens in the whole rendered prompt: within a speech one would end the message, and another
    begin a system message.
    """
    return CONTROL.sub(lambda match: f"{match[0]} ", text)


SPELLED = re.compile(r"(<) (?=[^\s<>]{1,64}>)|(\[) (?=/?\w*[A-Z]{2}\w*\])")


def as_said(text: str) -> str:
    """Take the spaces of `spelled_out` out of a text that a model copied from a prompt."""
    return SPELLED.sub(lambda match: match[1] or match[2], text)


@dataclass(frozen=True)
class Traits:
    """Abilities of a model that decide how the pipeline asks it."""

    small: bool = False
    """Under a billion parameters: speaks in given forms, since its free speech holds next to nothing."""
    labels: bool = False
    """Under three billion parameters: answers with letters, since it often fails to copy a quote or to keep to JSON."""
    grammar: bool = False
    """Takes GBNF."""
    rates: tuple[str, ...] = ()
    """A filter, which reads no prompt: the scales that it rates on (`models/filter_judge`). Empty for all others."""


class ChatModel(Protocol):
    """A model that can be asked. `body` is pure; only `send` leaves the process."""

    spec: ModelSpec
    endpoint: str
    """Base URL without secrets, or the kind of model if nothing is sent anywhere."""
    traits: Traits

    def body(self, request: Request) -> JsonObject:
        """Return the exact JSON body that `send` will post."""
        ...

    async def send(self, body: JsonObject) -> Reply:
        """
        Raises:
            ModelError: for every failure.
        """
        ...

    async def close(self) -> None: ...


def token_limit(body: JsonObject) -> int:
    """Return the limit on an answer's tokens, under either name; 0 if there is none."""
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


def canonical(value: Any) -> str:
    """Return JSON in one spelling, ASCII, for digests and storage."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def digest(*parts: str) -> str:
    """Return the sha256 over the parts, as hex."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
