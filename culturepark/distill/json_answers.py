"""Reads JSON of a wanted shape out of what a model wrote, and believes nothing that does not validate. Pure.

Endpoints that ignore a schema send JSON in a fence, with prose around it, as a bare list, or under another key. All of
these are read. JSON that was cut off is never read, not even in part, because nobody can tell what is missing; for the
same reason no library repairs it here: such libraries close what is open.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from culturepark.models.chat import as_said
from culturepark.models.thoughts import answer_in, heard

Answer = TypeVar("Answer", bound=BaseModel)

DEEPEST = 3
"""Wrappings that are looked into, of keys around keys and of JSON inside strings."""
BEGINS = re.compile(r"\{\s*(?:[\"'}“]|//|/\*|\w+\s*:)|\[\s*(?:[\[{\"'\]“]|-?\d|//|/\*)")
"""Where JSON begins; `{turns}` and `[see above]` in prose are none."""
STRING = r'"(?:\\.|[^"\\])*"'
EITHER_STRING = rf"{STRING}|'(?:\\.|[^'\\])*'"
TRIMMED = re.compile(rf"({EITHER_STRING})|(,)(?=\s*(?:(?://[^\n]*|/\*.*?\*/)\s*)*[\]}}])|//[^\n]*|/\*.*?\*/", re.S)
"""Commas before an end, and comments."""
NAMES = re.compile(rf"({EITHER_STRING})|\b(true|false|null)\b")
IN_PYTHON = {"true": "True", "false": "False", "null": "None"}
FENCE = re.compile(r"\A\s*```[\w-]*[ \t]*\n(.*?)(?:\n\s*```\s*)?\Z", re.S)
WRAPPERS = {
    "result", "results", "data", "answer", "answers", "item", "items", "output", "outputs",
    "response", "responses", "list", "json", "statement", "statements", "verdict", "verdicts", "score",
    "scores", "content", "value", "values",
}  # fmt: skip
"""Keys under which an empty list means that there is nothing, and not something else."""
PLACEHOLDER = frozenset(("…", "..."))
"""What the examples in the prompts hold in place of words."""


class CutOffError(ValueError):
    """Some JSON begins in a text and does not end."""


def parse(content: str, shape: type[Answer]) -> Answer | None:
    """The answer in what a model wrote, or None.

    Where several values would do, the last one counts: a model writes drafts before its answer. Empty ones, and copies
    of a prompt's example, count only if there is nothing else. Single items, one after the other, are one list.
    """
    for text, whole in sources(content):
        try:
            found = [loaded(text)] if whole else list(values(text))
        except CutOffError:
            continue
        except ValueError:
            if not whole:
                continue
            found = []
        if answer := chosen(found, shape, alone=whole):
            return answer
    return None


def sources(content: str) -> Iterator[tuple[str, bool]]:
    """Texts in which the answer may stand, and whether they must be JSON as a whole.

    The content as a whole comes first, because in JSON a tag of thoughts may stand inside a string.
    """
    text = as_said(content).lstrip("\ufeff")
    yield text.strip(), True
    if fence := FENCE.match(text):
        yield fence[1].strip(), True
    yield as_said(heard(content).text), False
    yield as_said(answer_in(content)), False


def chosen(found: Sequence[object], shape: type[Answer], *, alone: bool) -> Answer | None:
    """Of several values, the answer."""
    item = item_of(shape)
    if item and len(found) > 1:
        model = item[1]
        singles = [value for value in found if isinstance(value, dict) and validated(renamed(value, model), model)]
        if len(singles) > 1 and not any(fit(value, shape, alone=False) for value in found if value not in singles):
            return fit(singles, shape, alone=alone)
    answers = [answer for value in found if (answer := fit(value, shape, alone=alone))]
    said = [answer for answer in answers if not is_example(answer)]
    full = [answer for answer in said if any(getattr(answer, field) for field in type(answer).model_fields)]
    counting = full or said
    return counting[-1] if counting else None


def is_example(answer: BaseModel) -> bool:
    """Whether it is the example of a prompt, given back."""

    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from strings(inner)

    words = set(strings(answer.model_dump()))
    return bool(words) and words <= PLACEHOLDER


# --- of a value, the shape ----------------------------------------------------------------------------------


def fit(value: object, shape: type[Answer], *, alone: bool, depth: int = 0) -> Answer | None:
    """The value in the wanted shape, if it is that in some wrapping.

    Args:
        alone: nothing else was answered, so that an empty list is an answer too.
    """
    if depth > DEEPEST:
        return None
    if isinstance(value, str):  # JSON inside a string
        try:
            return (
                fit(loaded(value.strip()), shape, alone=alone, depth=depth + 1) if value.strip()[:1] in "{[" else None
            )
        except ValueError:
            return None
    if isinstance(value, dict) and (answer := validated(renamed(value, shape), shape)):
        return answer
    if item := item_of(shape):
        name, model = item
        if isinstance(value, list) and (value or alone):
            return validated({name: [renamed(one, model) if isinstance(one, dict) else one for one in value]}, shape)
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
        for key, one in value.items()
        if isinstance(one, (dict, list, str))
        and (answer := fit(one, shape, alone=folded(key) in WRAPPERS, depth=depth + 1))
    ]
    return inner[0] if len(inner) == 1 else None


def item_of(shape: type[BaseModel]) -> tuple[str, type[BaseModel]] | None:
    """Name and model of the items, if the shape is a list of items and nothing else."""
    if len(shape.model_fields) != 1:
        return None
    ((name, field),) = shape.model_fields.items()
    inner = get_args(field.annotation) if get_origin(field.annotation) is list else ()
    return (name, inner[0]) if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel) else None


def numbered(value: dict[str, Any], model: type[BaseModel]) -> list[dict[str, Any]]:
    """The items of an object that has them under their numbers; none, if it is something else."""
    numbers = [re.fullmatch(r"\D{0,12}(\d{1,6})", str(key)) for key in value]
    if not value or not all(numbers) or not all(isinstance(one, dict) for one in value.values()):
        return []
    ids = [int(number[1]) for number in numbers if number]
    with_id = "id" in model.model_fields
    return [
        ({"id": number} if with_id else {}) | renamed(one, model)
        for number, one in zip(ids, value.values(), strict=True)
    ]


def renamed(value: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The object with its keys spelled as the model has them: `First-Person` is `first_person`."""
    names = {folded(name): name for name in model.model_fields}
    out: dict[str, Any] = {}
    for key, one in value.items():
        name = key if key in model.model_fields else names.get(folded(key), key)
        if name in out and key != name:
            continue
        item = item_of(model)
        if item and name == item[0] and isinstance(one, list):
            one = [renamed(inner, item[1]) if isinstance(inner, dict) else inner for inner in one]
        out[name] = one
    return out


def folded(key: str) -> str:
    return re.sub(r"[\W_]+", "", key.casefold())


def validated(value: object, shape: type[Answer]) -> Answer | None:
    """The value as the shape has it; a word of a closed list counts in whatever case it is written."""
    text = json.dumps(value)
    for _ in range(2):
        try:
            return shape.model_validate_json(text)
        except ValidationError as error:
            text = in_lower_case(text, error)
        except (ValueError, RecursionError):
            return None
    return None


def in_lower_case(text: str, error: ValidationError) -> str:
    """The JSON with the words in lower case that are on no list as they stand."""
    whole = json.loads(text)
    for wrong in error.errors(include_url=False, include_context=False):
        if wrong["type"] == "literal_error" and isinstance(wrong["input"], str):
            *way, last = wrong["loc"]
            place = whole
            for key in way:
                place = place[key]
            place[last] = wrong["input"].strip().casefold()
    return json.dumps(whole)


# --- of a text, the values ----------------------------------------------------------------------------------


def values(text: str) -> Iterator[object]:
    """All JSON values in a text, in their order.

    Raises:
        CutOffError: if one begins and does not end.
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
    """A text that is one JSON value, also with comments, commas too many, or as Python would write it.

    Raises:
        ValueError: if it is none.
    """
    try:
        return DECODER.decode(text)
    except ValueError:
        pass
    except RecursionError:
        raise ValueError("nested too deeply") from None
    trimmed = TRIMMED.sub(lambda found: found[1] or "", text)
    try:
        return DECODER.decode(trimmed)
    except ValueError:
        pass
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not BEGINS.match(trimmed):
        raise ValueError("no JSON")
    try:
        value: object = ast.literal_eval(NAMES.sub(lambda found: found[1] or IN_PYTHON[found[2]], trimmed))
        return json.loads(json.dumps(value, allow_nan=False))
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("no JSON") from None


def end_of(text: str, start: int) -> int | None:
    """Where the brackets that open at `start` are closed again; None if they are not."""
    python = re.compile(r"[\[{\s]*'").match(text, start)
    depth = 0
    for found in re.compile(rf"{EITHER_STRING if python else STRING}|[\[\]{{}}\"]").finditer(text, start):
        if found[0] == '"':  # a string without an end
            return None
        if len(found[0]) == 1:
            depth += 1 if found[0] in "[{" else -1
            if depth == 0:
                return found.end()
    return None


def constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(strict=False, parse_constant=constant)
"""Takes line ends inside strings, which models write, and no NaN."""
