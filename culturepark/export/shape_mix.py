"""Reads which shapes of samples an export should hold, and in which shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from culturepark.domain import Shape, Shapes
from culturepark.errors import UsageError
from culturepark.files import clipped

FORM = (
    f"--shape-mix: shapes, as own,survey, or their shares, as own=3,survey=1; shapes are {', '.join(get_args(Shape))}"
)
SHAPES: TypeAdapter[Any] = TypeAdapter(Shapes)


def shape_mix_of(text: str) -> Collection[Shape]:
    """Return the shapes, or a map of shapes to their shares.

    Raises:
        UsageError: if the text is neither.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not any("=" in part for part in parts):
        return checked_mix(parts)
    try:
        pairs = [(shape.strip(), float(share)) for shape, _, share in (part.partition("=") for part in parts)]
    except ValueError:
        raise UsageError(f"{FORM}; not {clipped(text)!r}") from None
    if len(dict(pairs)) < len(pairs):
        raise UsageError(f"{FORM}; {clipped(text)!r} names a shape twice")
    return checked_mix(dict(pairs))


def checked_mix(mix: Any) -> Collection[Shape]:
    """Return the mix as it was given; an empty tuple means all rows.

    Raises:
        UsageError: if it names no shape, or no share above zero.
    """
    if isinstance(mix, tuple) and not mix:
        return ()
    try:
        shapes: Collection[Shape] = SHAPES.validate_python(dict(mix) if isinstance(mix, Mapping) else list(mix))
    except ValidationError:
        raise UsageError(f"{FORM}; not {clipped(mix)}") from None
    return shapes
