"""Reads one YAML file and validates it against a pydantic model, with errors that name file:line: key.

Line numbers are looked up only for errors: the file is then read again, as nodes with their places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    MappingStartEvent,
    ScalarEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, readable
from culturepark.files import package_dir as package_dir

MAX_BYTES = 8_000_000
MAX_DEPTH = 50
MAX_VALUES = 300_000
"""Enough for a whole wave of the World Values Survey in all its countries; the parser takes a dozen seconds."""
MAX_LINE = 1_000_000
"""Bytes of a line in a file that is read by lines."""
MAX_PROBLEMS = 20
Loc = tuple[int | str, ...]
"""A place in a file: keys of mappings and indices of lists, from nought."""
# The parser raises plain exceptions for some wrong YAML.
SLIPS = (YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError, LookupError)
Model = TypeVar("Model", bound=BaseModel)


def shown(path: Path) -> str:
    """Return the path as a user would type it from here."""
    # A path elsewhere stays as it is, and so does one that no file can have.
    with suppress(ValueError, OSError, RuntimeError):
        path = path.resolve().relative_to(Path.cwd())
    return clipped(path, 400)


def read_text(path: Path, most: int = MAX_BYTES) -> str:
    """
    Args:
        most: bytes of a file that is still read.
    """

    def wrong(what: str) -> NoReturn:
        raise CatalogError([Problem(shown(path), None, "", what)])

    try:
        if path.is_dir():
            wrong("is a folder; a YAML file is wanted")
        if readable(path).stat().st_size > most:
            wrong(f"is larger than {most // 1_000_000} MB")
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        wrong("no such file")
    except UnicodeDecodeError as error:
        wrong(f"is not UTF-8 (byte {error.start})")
    except (OSError, ValueError) as error:
        wrong(f"cannot be read: {getattr(error, 'strerror', None) or error}")


def read_lines(path: Path, longest: int = MAX_LINE, *, strip: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are not blank, each with its number from 1.

    Args:
        longest: bytes of a line that is still read.
        strip: take away blanks around a line.
    Raises:
        CatalogError: if a line is too long or no UTF-8, or the file cannot be read.
    """

    def wrong(what: str, line: int | None = None) -> NoReturn:
        raise CatalogError([Problem(shown(path), line, "", what)])

    number = 0
    try:
        if path.is_dir():
            wrong("is a folder; a file is wanted")
        with readable(path).open("rb") as file:
            while line := file.readline(longest + 1):
                number += 1
                if len(line) > longest:
                    wrong(f"is longer than {longest // 1_000_000} MB", number)
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, text.strip() if strip else text
    except FileNotFoundError:
        wrong("no such file")
    except UnicodeDecodeError as error:
        wrong(f"is not UTF-8 (byte {error.start} of the line)", number)
    except (OSError, ValueError) as error:
        wrong(f"cannot be read: {getattr(error, 'strerror', None) or error}", number or None)


HINTS = {
    "did not find expected ',' or '}'": "a text with ? : , or brackets in it wants quotes",
    "mapping values are not allowed": "a text with a colon in it wants quotes",
    "cannot start any token": "is there a tab? YAML is indented with spaces",
}
"""Messages of the parser, and the most frequent cause of each."""


def read_mapping(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        data = parsed(text)
    except TooMuch as error:
        raise CatalogError([Problem(shown(path), error.line, "", str(error))]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The end of a file counts as one more line.
        line = min(mark.line + 1, len(text.splitlines())) if mark else None
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        hint = next((f"; {hint}" for said, hint in HINTS.items() if said in problem), "")
        raise CatalogError([Problem(shown(path), line, "", f"not valid YAML: {clipped(problem, 200)}{hint}")]) from None
    except SLIPS as error:
        what = clipped(str(error).split("\n")[0], 200)
        raise CatalogError([Problem(shown(path), None, "", f"not valid YAML: {what}")]) from None
    if not isinstance(data, dict):
        raise CatalogError([Problem(shown(path), 1, "", "must be a mapping of keys to values")])
    return {key if isinstance(key, str) else clipped(key): value for key, value in data.items()}


def begins_with(path: Path, key: str) -> bool:
    """Whether a file's first key is this one.

    Raises:
        CatalogError: if the file is no mapping.
    """
    return next(iter(read_mapping(path)), None) == key


def concerns_suites(path: Path) -> bool:
    """Whether a file may be a suite, a scale or a map, by its keys; `suite_checks.kind_of` says which.

    Raises:
        CatalogError: if the file is no mapping.
    """
    return not {"suite", "scale", "map", "imports"}.isdisjoint(read_mapping(path))


class TooMuch(Exception):
    """A text is too large to be built."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@lru_cache(maxsize=256)
def parsed(text: str) -> Any:
    """Return what the YAML text holds. The cache serves the shipped cards, which every run reads and few people change.

    It must hold all of them: read in turn, the last would drive out the first.

    Raises:
        TooMuch: if it would be nested too deeply, or hold too many values.
    """
    try:
        return built(text)
    except Unusual:
        check_size(text)
        return YAML(typ="safe").load(text)


class Unusual(Exception):
    """A text holds what `built` leaves to the library."""


def built(text: str) -> Any:
    """Return what the YAML text holds, built out of the parser's events: a third of the library's time.

    What is seldom written is left to the library: aliases, tags, merged or repeated keys, several documents, and all
    that is too much to be built.

    Raises:
        Unusual: at the first such thing.
    """
    yaml = YAML(typ="safe")
    document: list[Any] = []
    inside: list[Any] = [document]
    """The open lists and mappings."""
    keys: list[Any] = [NO_KEY]
    """For each of them, the key of a mapping whose value comes next, or else `NO_KEY`."""
    values = 0
    for event in yaml.parse(text):
        if isinstance(event, ScalarEvent):
            if event.anchor or event.tag:
                raise Unusual
            value = plain_value(event.value) if event.implicit[0] else event.value
        elif isinstance(event, CollectionStartEvent):
            if event.anchor or event.tag:
                raise Unusual
            value = {} if isinstance(event, MappingStartEvent) else []
        elif isinstance(event, CollectionEndEvent):
            inside.pop()
            keys.pop()
            continue
        elif isinstance(event, (StreamStartEvent, StreamEndEvent, DocumentEndEvent)):
            continue
        else:
            if isinstance(event, AliasEvent) or document or event.version or event.tags:
                raise Unusual
            continue  # the beginning of the only document
        values += 1
        within = inside[-1]
        if isinstance(within, list):
            within.append(value)
        elif keys[-1] is NO_KEY:
            if isinstance(value, (dict, list)) or value in within:
                raise Unusual
            keys[-1] = value
        else:
            within[keys[-1]] = value
            keys[-1] = NO_KEY
        if isinstance(event, CollectionStartEvent):
            inside.append(value)
            keys.append(NO_KEY)
        if len(inside) > MAX_DEPTH or values > MAX_VALUES:
            raise Unusual
    return document[0] if document else None


NO_KEY = object()
NO_TEXT = frozenset("+-.0123456789~<=tTfFnNyYoO")
"""First characters of what may stand for something else than a text."""
LONGEST_WORD = 5
"""Letters of the longest word that does: `false`."""


@lru_cache(maxsize=4096)
def plain_value(text: str) -> Any:
    """Return what a text without quotes stands for: itself, a number, a truth value, a date or nothing.

    Raises:
        Unusual: if it is the sign of a merged key, or of a default value.
    """
    if text and (text[0] not in NO_TEXT or (text[0].isalpha() and len(text) > LONGEST_WORD)):
        return text  # most of them; the library looks longer
    yaml = of_scalars()
    tag = yaml.resolver.resolve(ScalarNode, text, (True, False))
    if str(tag) == "tag:yaml.org,2002:str":
        return text
    if text in ("<<", "="):
        raise Unusual
    return yaml.constructor.construct_object(ScalarNode(tag, text), deep=True)


@cache
def of_scalars() -> YAML:
    return YAML(typ="safe")


def check_size(text: str) -> None:
    """Refuse a text that is too large to be built.

    The library builds values by recursion in C, which no exception stops, and copies merged aliases. Its events come
    one by one.

    Raises:
        TooMuch: with the 1-based line at which it becomes too large.
    """
    values = 0
    inside: list[tuple[str | None, int]] = []
    """Anchors of the open lists and mappings, each with the number of values before it."""
    behind: dict[str | None, int] = {}
    """The number of values behind an alias."""
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, CollectionEndEvent):
            anchor, before = inside.pop()
            behind[anchor] = values - before
            continue
        if isinstance(event, CollectionStartEvent):
            inside.append((event.anchor, values))
        if isinstance(event, (CollectionStartEvent, ScalarEvent)):
            values += 1
        elif isinstance(event, AliasEvent):
            values += behind.get(event.anchor, 1)
        line = int(event.start_mark.line) + 1
        if len(inside) > MAX_DEPTH:
            raise TooMuch(line, f"is nested more than {MAX_DEPTH} levels deep")
        if values > MAX_VALUES:
            raise TooMuch(line, f"holds more than {MAX_VALUES:,} values, aliases counted out")


def load(path: Path, model: type[Model], **from_name: Any) -> Model:
    """Read and validate one file.

    Args:
        from_name: values that the file's name gives; the file may not hold them.
    Raises:
        CatalogError: with every problem of the file, in the order of its lines.
    """
    data = read_mapping(path)
    details: list[ErrorDetails] = []
    try:
        noun = model.model_validate({**data, **from_name})
    except ValidationError as error:
        details = without_consequences(
            [detail | {"loc": without_tags(detail["loc"])} for detail in error.errors(include_url=False)]
        )
    both = [key for key in from_name if key in data]
    if not details and not both:
        return noun
    known = [name for name in model.model_fields if name not in from_name]
    problems: list[tuple[Loc, str]] = [((key,), unknown_key(known)) for key in both]
    for detail in details:
        top, what = detail["loc"][:1], explain(detail, model)
        if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
            what = unknown_key(known)
        elif top and top[0] in from_name:
            what = f"the file's name {what.removeprefix('the text ')}"
        # pydantic marks that the key is wrong, and not what stands behind it; the message says which words are meant.
        problems.append((detail["loc"][:-1] if detail["loc"][-1:] == ("[key]",) else detail["loc"], what))
    raise CatalogError(placed(path, problems, data))


def without_tags(loc: Loc) -> Loc:
    """Return a place without the names that pydantic gives to the forms of a value, as `<list>`; no file has them."""
    return tuple(part for part in loc if not (isinstance(part, str) and part[:1] == "<" and part[-1:] == ">"))


def without_consequences(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short, if it is so only because some of its entries are wrong."""
    parents = {d["loc"][:end] for d in details for end in range(len(d["loc"]))}

    def counted_out(detail: ErrorDetails) -> bool:
        least = (detail.get("ctx") or {}).get("min_length", 0)
        return detail["type"] == "too_short" and detail["loc"] in parents and len(detail["input"]) >= least

    return [d for d in details if not counted_out(d)]


def placed(path: Path, mistakes: Sequence[tuple[Loc, str]], data: Any = None) -> list[Problem]:
    """Return mistakes as problems with their lines, in the order of the lines.

    Args:
        data: the content of the file.
    """
    lines, file = Lines(path), shown(path)
    problems = {Problem(file, lines.of(loc), dotted(loc, data), what) for loc, what in mistakes}
    return sorted(problems, key=lambda p: (p.line or 0, p.key))[:MAX_PROBLEMS]


class Lines:
    """Line numbers of a file's keys."""

    def __init__(self, path: Path) -> None:
        self.yaml = YAML(typ="safe")
        self.mappings: dict[int, dict[str, tuple[Node, Node]]] = {}
        try:
            self.root: Any = self.yaml.compose(read_text(path))
        except SLIPS:
            self.root = None

    def of(self, loc: Loc) -> int | None:
        """Return the 1-based line of the innermost part of `loc` that the file has."""
        node, line = self.root, 1
        for part in loc:
            try:
                if isinstance(node, MappingNode):
                    place, node = self.entries(node)[clipped(part, 400)]
                elif isinstance(node, SequenceNode) and isinstance(part, int):
                    place = node = node.value[part]
                else:
                    break
            except LookupError:
                break
            line = place.start_mark.line + 1
        return line if self.root is not None else None

    def entries(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """Return a mapping's keys and values, those that it merges included, by the keys as text."""
        if id(node) not in self.mappings:
            self.mappings[id(node)] = {self.name(key): (key, value) for key, value in node.value}
            merged = next((value for key, value in node.value if key.value == "<<"), None)
            for other in merged.value if isinstance(merged, SequenceNode) else [merged]:
                if isinstance(other, MappingNode):
                    self.mappings[id(node)] = self.entries(other) | self.mappings[id(node)]
        return self.mappings[id(node)]

    def name(self, key: Node) -> str:
        try:
            return clipped(self.yaml.constructor.construct_object(key, deep=True), 400)
        except SLIPS:
            return ""


def dotted(loc: Loc, data: Any = None) -> str:
    """Return `('seeds', 2, 'key')` as `seeds[3].key`: people count from one. A number that is a key in `data` stays."""
    out = ""
    for part in loc:
        if isinstance(part, int) and not isinstance(data, dict):
            out += f"[{part + 1}]"
        else:
            out += f".{clipped(part)}" if out else clipped(part)
        try:
            data = data[part]
        except (LookupError, TypeError):
            data = None
    return out


def unknown_key(known: Iterable[str]) -> str:
    return "unknown key; allowed here: " + ", ".join(known)


def explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Return a pydantic error in words for people who do not know pydantic."""
    context: dict[str, Any] = detail.get("ctx") or {}
    got = f"not {clipped(detail['input'])!r}" if isinstance(detail["input"], (str, int, float)) else ""
    match detail["type"]:
        case "extra_forbidden":
            return unknown_key(allowed_keys(model, detail["loc"][:-1]))
        case "missing":
            return "is missing"
        case "literal_error" | "enum":
            return f"must be one of {context['expected'].replace(' or ', ', ')}, {got}".rstrip(", ")
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}, {got}"
        case "value_error":
            return str(context["error"])
        case "too_short" | "too_long":
            said = detail["msg"].replace("Tuple", "the list").replace("Dictionary", "the map")
            return said.replace(" after validation", "")
    return ", ".join(
        part
        for part in (
            detail["msg"].replace("Input", "the value").replace("String", "the text").replace("tuple", "list"),
            got,
        )
        if part
    )


def allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model at `loc` inside `model`."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = nested_model(field.annotation) if field else None
        if inner is None:
            return ["(none)"]
        model = inner
    return list(model.model_fields)


def nested_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if inner := nested_model(argument):
            return inner
    return None
