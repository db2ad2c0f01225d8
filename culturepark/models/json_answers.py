"""Reads JSON of a wanted shape out of a model's text, and accepts only what validates. Pure.

Endpoints that ignore a schema send JSON in a fence, with prose around it, as a bare list, or under another key. All of
these are read. JSON that was cut off is never read, not even in part, because nobody can tell what is missing. For the
same reason no library that repairs JSON is used: such libraries close open brackets.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from html import unescape
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from culturepark.models.chat import Reply, as_said, first_choice
from culturepark.models.thoughts import answer_in, heard, without_citations

Answer = TypeVar("Answer", bound=BaseModel)

DEEPEST = 3
"""Levels of wrapping that are looked into: keys around keys, JSON inside strings."""
BEGINS = re.compile(r"\{\s*(?:[\"'}“]|//|/\*|\w+\s*:)|\[\s*(?:[\[{\"'\]“]|-?\d|//|/\*)")
"""The beginning of JSON; `{turns}` and `[see above]` in prose do not match."""
STRING = r'"(?:\\.|[^"\\])*"'
EITHER_STRING = rf"{STRING}|'(?:\\.|[^'\\])*'"
TRIMMED = re.compile(rf"({EITHER_STRING})|(,)(?=\s*(?:(?://[^\n]*|/\*.*?\*/)\s*)*[\]}}])|//[^\n]*|/\*.*?\*/", re.S)
"""Commas before a closing bracket, and comments."""
NAMES = re.compile(rf"({EITHER_STRING})|\b(true|false|null)\b")
IN_PYTHON = {"true": "True", "false": "False", "null": "None"}
TYPESET = re.compile(rf"(?P<string>{STRING})|[“”„](?P<inside>[^“”„]*)[“”]|(?P<sign>[：，｛｝［］])")
FULL_WIDTH = str.maketrans("：，｛｝［］", ":,{}[]")
NUMBER = re.compile(r"[^\d-]{0,12}(\d{1,6})[^\d-]{0,3}")
"""A number among words: `turn 2`, `#2.`"""
FENCE = re.compile(r"\A\s*```[\w-]*[ \t]*\n(.*?)(?:\n\s*```\s*)?\Z", re.S)
WRAPPERS = {
    "result", "results", "data", "answer", "answers", "item", "items", "output", "outputs",
    "response", "responses", "list", "json", "statement", "statements", "verdict", "verdicts", "score",
    "scores", "content", "value", "values",
}  # fmt: skip
"""Keys under which an empty list is an empty answer."""
PLACEHOLDER = frozenset(("…", "..."))
"""Stand in the prompts' examples in place of words."""


class CutOffError(ValueError):
    """Some JSON in a text begins and does not end."""


def parse(content: str, shape: type[Answer]) -> Answer | None:
    """Return the answer in a model's text, or None.

    Of several values that fit, the last one counts: models write drafts before the answer. Empty values, and copies of
    a prompt's example, count only if there is nothing else. Single items, one after the other, are one list.
    """
    for text, whole in sources(content):
        with suppress(ValueError):
            if answer := chosen([loaded(text)] if whole else list(values(text)), shape, alone=whole):
                return answer
    return None


def sources(content: str) -> Iterator[tuple[str, bool]]:
    """Yield texts that may hold the answer, and whether the whole text must be JSON.

    The whole content comes first, because in JSON a tag of thoughts may stand inside a string.
    """
    text = as_said(without_citations(content)).lstrip("\ufeff")
    yield text.strip(), True
    if fence := FENCE.match(text):
        yield fence[1].strip(), True
    yield as_said(heard(content).text), False
    answer = as_said(answer_in(content))
    yield answer, False
    if (plain := in_plain_signs(unescape(answer))) != answer:
        yield plain, False


def in_plain_signs(text: str) -> str:
    """Return a text with JSON's own signs in place of typographic quotes around strings, and of full-width ones."""

    def plain(match: re.Match[str]) -> str:
        if match["inside"] is not None:
            return json.dumps(match["inside"].replace('\\"', '"'), ensure_ascii=False)
        return match["string"] or match["sign"].translate(FULL_WIDTH)

    return TYPESET.sub(plain, text)


def chosen(candidates: Sequence[object], shape: type[Answer], *, alone: bool) -> Answer | None:
    """Return the answer among several values."""
    item = item_of(shape)
    if item and len(candidates) > 1:
        model = item[1]
        singles = [value for value in candidates if isinstance(value, dict) and validated(renamed(value, model), model)]
        if len(singles) > 1 and not any(fit(value, shape, alone=False) for value in candidates if value not in singles):
            return fit(singles, shape, alone=alone)
    answers = [answer for value in candidates if (answer := fit(value, shape, alone=alone))]
    own = [answer for answer in answers if not is_example(answer)]
    full = [answer for answer in own if any(getattr(answer, field) for field in type(answer).model_fields)]
    return next(reversed(full or own), None)


def is_example(answer: BaseModel) -> bool:
    """Return whether an answer repeats the example of a prompt."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from strings(inner)

    words = set(strings(answer.model_dump()))
    return bool(words) and words <= PLACEHOLDER


# --- from a value to the shape ----------------------------------------------------------------------------------


def fit(value: object, shape: type[Answer], *, alone: bool, depth: int = 0) -> Answer | None:
    """Return the value in the wanted shape, without any wrapping; None if it does not fit.

    Args:
        alone: the value is the whole answer, so that an empty list counts.
    """
    if depth > DEEPEST:
        return None
    if isinstance(value, str):  # JSON inside a string
        with suppress(ValueError):
            if value.strip()[:1] in "{[":
                return fit(loaded(value.strip()), shape, alone=alone, depth=depth + 1)
        return None
    if isinstance(value, dict) and (answer := validated(renamed(value, shape), shape)):
        return answer
    if item := item_of(shape):
        name, model = item
        if isinstance(value, list) and (value or alone):
            items = [renamed(entry, model) if isinstance(entry, dict) else entry for entry in value]
            return validated({name: items}, shape)
        if isinstance(value, dict):
            if answer := validated({name: [renamed(value, model)]}, shape):
                return answer
            if (listed := numbered(value, model)) and (answer := validated({name: listed}, shape)):
                return answer
    elif isinstance(value, list):
        return fit(value[0], shape, alone=alone, depth=depth + 1) if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    inner = [
        answer
        for key, entry in value.items()
        if isinstance(entry, (dict, list, str))
        and (answer := fit(entry, shape, alone=folded(key) in WRAPPERS, depth=depth + 1))
    ]
    return inner[0] if len(inner) == 1 else None


def item_of(shape: type[BaseModel]) -> tuple[str, type[BaseModel]] | None:
    """Return name and model of the items, if the shape needs a list of items and nothing else."""
    needed = [name for name, field in shape.model_fields.items() if field.is_required()]
    lists = lists_of(shape)
    return (needed[0], lists[needed[0]]) if len(needed) == 1 and needed[0] in lists else None


def lists_of(shape: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the parts of a shape that are lists of items, each with the model of its items."""
    found = {}
    for name, field in shape.model_fields.items():
        inner = get_args(field.annotation) if get_origin(field.annotation) is list else ()
        if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
            found[name] = inner[0]
    return found


def numbered(value: dict[str, Any], model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the items of an object whose keys are their numbers; none for any other object."""
    with_id = "id" in model.model_fields
    items = []
    for key, item in value.items():
        number = re.fullmatch(r"\D{0,12}(\d{1,6})", str(key))
        if not number or not isinstance(item, dict):
            return []
        items.append(({"id": int(number[1])} if with_id else {}) | renamed(item, model))
    return items


def renamed(value: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return the object with its keys spelled as in the model: `First-Person` becomes `first_person`."""
    names = {folded(name): name for name in model.model_fields}
    lists = lists_of(model)
    out: dict[str, Any] = {}
    for key, entry in value.items():
        name = key if key in model.model_fields else names.get(folded(key), key)
        if name in out and key != name:
            continue
        if name in lists and isinstance(entry, list):
            entry = [renamed(inner, lists[name]) if isinstance(inner, dict) else inner for inner in entry]
        out[name] = entry
    return out


def folded(key: str) -> str:
    return re.sub(r"[\W_]+", "", key.casefold())


def validated(value: object, shape: type[Answer]) -> Answer | None:
    """Return the value as the shape; None if it does not validate.

    Words of closed lists may be in any case, and numbers may have words around them.
    """
    text = json.dumps(value)
    for _ in range(2):
        try:
            return shape.model_validate_json(text)
        except ValidationError as error:
            text = plainer(text, error)
        except (ValueError, RecursionError):
            return None
    return None


def plainer(text: str, error: ValidationError) -> str:
    """Return the JSON with wrong words in lower case and without full stops, and the number alone for wrong numbers."""
    whole = json.loads(text)
    for wrong in error.errors(include_url=False, include_context=False):
        said = wrong["input"]
        if not isinstance(said, str):
            continue
        value: object = said
        if wrong["type"] == "literal_error":
            value = said.strip(" \t\n.!*").casefold()
        elif wrong["type"] == "int_parsing" and (number := NUMBER.fullmatch(said)):
            value = int(number[1])
        *way, last = wrong["loc"]
        place = whole
        for key in way:
            place = place[key]
        place[last] = value
    return json.dumps(whole)


# --- from a text to values ----------------------------------------------------------------------------------


def values(text: str) -> Iterator[object]:
    """
    Raises:
        CutOffError: if a value begins and does not end.
    """
    at = 0
    while match := BEGINS.search(text, at):
        start = match.start()
        try:
            value, at = DECODER.raw_decode(text, start)
            yield value
            continue
        except (ValueError, RecursionError):
            pass
        end = end_of(text, start)
        if end is None:
            raise CutOffError("some JSON begins and does not end")
        with suppress(ValueError):
            yield loaded(text[start:end])
        at = end


def loaded(text: str) -> object:
    """Read a text that is one JSON value; comments, extra commas and Python's spelling are accepted.

    Raises:
        ValueError: if it is none.
    """
    trimmed = TRIMMED.sub(lambda match: match[1] or "", text)
    for attempt in (text, trimmed):
        try:
            return DECODER.decode(attempt)
        except ValueError:
            pass
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if not BEGINS.match(trimmed):
        raise ValueError("no JSON")
    try:
        value: object = ast.literal_eval(NAMES.sub(lambda match: match[1] or IN_PYTHON[match[2]], trimmed))
        return json.loads(json.dumps(value, allow_nan=False))
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("no JSON") from None


def end_of(text: str, start: int) -> int | None:
    """Return the place behind the bracket that closes the one at `start`; None if none does."""
    python = re.compile(r"[\[{\s]*'").match(text, start)
    depth = 0
    for token in re.compile(rf"{EITHER_STRING if python else STRING}|[\[\]{{}}\"]").finditer(text, start):
        if token[0] == '"':  # a string without an end
            return None
        if len(token[0]) == 1:
            depth += 1 if token[0] in "[{" else -1
            if depth == 0:
                return token.end()
    return None


def constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(strict=False, parse_constant=constant)
"""Accepts line ends inside strings, which models write, and refuses NaN."""


def content_of(reply: Reply) -> str:
    """Return all that the model wrote, thoughts included: the parser finds the JSON in it by itself."""
    content = first_choice(reply.response).get("message", {}).get("content")
    return content if isinstance(content, str) else reply.text


@lru_cache(maxsize=256)
def strict(shape: type[BaseModel]) -> dict[str, object]:
    """Return a JSON schema for strict modes: inlined, everything required, nothing else allowed.

    It is made once for each shape, and part of each request that asks for it: do not change it.
    """
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
