"""Reads one YAML file and validates it against a pydantic model, with errors that name file:line: key.

A file is read by the fast parser; only when something is wrong is it read again by the one that keeps line
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from culturepark.errors import CatalogError, Problem

MAX_BYTES = 8_000_000
Model = TypeVar("Model", bound=BaseModel)


def package_dir(name: str) -> Path:
    """Where the shipped `personas` or `scenarios` are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def shown(path: Path) -> str:
    """The path as a user would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_text(path: Path) -> str:
    def wrong(what: str) -> NoReturn:
        raise CatalogError([Problem(shown(path), None, "", what)])

    try:
        if path.is_dir():
            wrong("is a folder; a YAML file is wanted")
        if path.stat().st_size > MAX_BYTES:
            wrong(f"is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        wrong("no such file")
    except UnicodeDecodeError as error:
        wrong(f"is not UTF-8 (byte {error.start})")
    except (OSError, ValueError) as error:
        wrong(f"cannot be read: {getattr(error, 'strerror', None) or error}")


def read_mapping(path: Path) -> dict[str, Any]:
    """The file's top-level mapping."""
    text = read_text(path)
    try:
        data = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise CatalogError(
            [Problem(shown(path), mark.line + 1 if mark else None, "", f"not valid YAML: {problem[:200]}")]
        ) from None
    except (YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError) as error:
        # The parser lets a few of its own slips through as plain exceptions; to a user all are wrong YAML.
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0][:200]
        raise CatalogError([Problem(shown(path), None, "", f"not valid YAML: {what}")]) from None
    if not isinstance(data, dict):
        raise CatalogError([Problem(shown(path), 1, "", "must be a mapping of keys to values")])
    return {str(key): value for key, value in data.items()}


def load(path: Path, model: type[Model], **given: Any) -> Model:
    """Reads and validates one file. `given` are values that do not stand in the file, such as its key.

    Raises:
        CatalogError: with every problem of the file, in the order of its lines.
    """
    data = read_mapping(path)
    try:
        return model.model_validate({**data, **given})
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
    lines = Lines(path)
    problems = [Problem(shown(path), lines.of(d["loc"]), dotted(d["loc"]), explain(d, model)) for d in details]
    raise CatalogError(sorted(set(problems), key=lambda p: (p.line or 0, p.key))[:20])


class Lines:
    """Line numbers of a file's keys, looked up only when an error must be placed."""

    def __init__(self, path: Path) -> None:
        try:
            self.root: Any = YAML(typ="rt").load(read_text(path))
        except (YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError):
            self.root = None

    def of(self, loc: Iterable[int | str]) -> int | None:
        """1-based line of the innermost part of `loc` that stands in the file."""
        node, line = self.root, 1
        for part in loc:
            try:
                line = (node.lc.item(part) if isinstance(part, int) else node.lc.key(part))[0] + 1
                node = node[part]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
        return line if self.root is not None else None


def dotted(loc: Iterable[int | str]) -> str:
    """`('seeds', 2, 'key')` as `seeds[3].key`: people count from one."""
    out = ""
    for part in loc:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{clipped(part)}" if out else clipped(part)
    return out


def clipped(value: object, width: int = 60) -> str:
    """Something a file holds, made fit to stand in a message of one line."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: width + 1])
    return text if len(text) <= width else text[: width - 1] + "…"


def explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One pydantic error in words for somebody who has never heard of pydantic."""
    context: dict[str, Any] = detail.get("ctx") or {}
    got = f"not {clipped(detail['input'])!r}" if isinstance(detail["input"], (str, int, float)) else ""
    match detail["type"]:
        case "extra_forbidden":
            return "unknown key; allowed here: " + ", ".join(allowed_keys(model, detail["loc"][:-1]))
        case "missing":
            return "is missing"
        case "literal_error" | "enum":
            return f"must be one of {context['expected'].replace(' or ', ', ')}, {got}".rstrip(", ")
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}, {got}"
        case "value_error":
            return str(context["error"])
        case "too_short" | "too_long":
            return f"{detail['msg'][0].lower()}{detail['msg'][1:]}".replace("Tuple", "the list")
    return ", ".join(
        part for part in (detail["msg"].replace("Input", "the value").replace("tuple", "list"), got) if part
    )


def allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that stands at `loc` inside `model`."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = nested_model(field.annotation) if field else None
        if inner is None:
            return ["(none)"]
        model = inner
    return [name for name, field in model.model_fields.items() if field.json_schema_extra != {"given": True}]


def nested_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := nested_model(argument):
            return found
    return None
