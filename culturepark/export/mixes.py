"""The shapes and the cultures that an export should hold, and in which shares. Pure.

Shares hold exactly, within rounding: the scarcest kind of row keeps all its rows, and every other is thinned to its
share beside it, so no larger export has these shares. A hash of their ids decides which rows stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from culturepark.distill.shares import scarcest, thinned
from culturepark.domain import Shape, Shapes
from culturepark.errors import UsageError
from culturepark.files import clipped

OTHERS = "others"
"""Stands in a mix of cultures for all that it does not name."""
SHAPE_FORM = (
    f"--shape-mix: shapes, as own,survey, or their shares, as own=3,survey=1; shapes are {', '.join(get_args(Shape))}"
)
CULTURE_FORM = f"--culture-mix: cultures with their shares, as NAME=3,{OTHERS}=1"
SHAPES: TypeAdapter[Any] = TypeAdapter(Shapes)
LEAST = 0.5
"""A culture whose share of the rows is less than this many rows cannot have its share."""

Cell = tuple[str, str]
"""Culture and shape of a row, each empty where it has no share of its own."""


def shape_mix_of(text: str) -> Collection[Shape]:
    """Return the shapes, or a map of shapes to their shares.

    Raises:
        UsageError: if the text is neither.
    """
    parts = parts_of(text)
    return checked_mix(shares_of(parts, text, SHAPE_FORM) if any("=" in part for part in parts) else parts)


def checked_mix(mix: Any) -> Collection[Shape]:
    """Return the mix of shapes as it was given; an empty tuple means all rows.

    Raises:
        UsageError: if it names no shape, or no share above zero.
    """
    if isinstance(mix, tuple) and not mix:
        return ()
    try:
        shapes: Collection[Shape] = SHAPES.validate_python(dict(mix) if isinstance(mix, Mapping) else list(mix))
    except ValidationError:
        raise UsageError(f"{SHAPE_FORM}; not {clipped(mix)}") from None
    return shapes


def culture_mix_of(text: str, known: Callable[[list[str]], Sequence[str]] = list) -> dict[str, float]:
    """Return a map of cultures to their shares.

    Args:
        known: called with the cultures that are named; returns them in their own spelling.
    Raises:
        UsageError: if the text is none.
    """
    named = shares_of(parts_of(text), text, CULTURE_FORM)
    cultures = [name for name in named if name != OTHERS]
    spelled = {**dict(zip(cultures, known(cultures), strict=True)), OTHERS: OTHERS}
    return checked_culture_mix({spelled[name]: share for name, share in named.items()})


def checked_culture_mix(mix: Mapping[str, float]) -> dict[str, float]:
    """Return the mix of cultures as it was given; an empty one means all rows.

    Raises:
        UsageError: if a share is not above zero, or if one culture alone has one.
    """
    if any(not (isfinite(share) and share > 0) for share in mix.values()):
        raise UsageError(f"{CULTURE_FORM}; shares above zero are wanted, not {clipped(dict(mix))}")
    if len(mix) == 1:
        raise UsageError(f"{CULTURE_FORM}; {clipped(dict(mix))} mixes nothing: `--culture NAME` exports one alone")
    return dict(mix)


def parts_of(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def shares_of(parts: Iterable[str], text: str, form: str) -> dict[str, float]:
    """
    Raises:
        UsageError: if a part is no name with a number, or a name is there twice.
    """
    try:
        pairs = [(name.strip(), float(share)) for name, _, share in (part.partition("=") for part in parts)]
    except ValueError:
        raise UsageError(f"{form}; not {clipped(text)!r}") from None
    if not pairs:
        raise UsageError(f"{form}; not {clipped(text)!r}")
    if len(dict(pairs)) < len(pairs):
        raise UsageError(f"{form}; {clipped(text)!r} names one twice")
    return dict(pairs)


@dataclass(frozen=True)
class Mix:
    """The rows that an export should hold by shape and by culture."""

    shapes: Collection[Shape] = ()
    """The shapes of the rows, or a map of shapes to their shares; empty: all as they come."""
    cultures: Mapping[str, float] | None = None
    """Culture, or `others`, -> share; None or empty: all as they come."""

    def __bool__(self) -> bool:
        return bool(self.shapes or self.cultures)

    @property
    def of_shapes(self) -> Mapping[Shape, float]:
        """The shares of shapes; empty where they have none."""
        return self.shapes if isinstance(self.shapes, Mapping) else {}

    @property
    def of_cultures(self) -> Mapping[str, float]:
        return self.cultures or {}

    @property
    def thins(self) -> bool:
        return bool(self.of_shapes or self.of_cultures)

    @property
    def axes(self) -> str:
        """What has shares, in words."""
        return " and ".join(name for name, on in (("culture", self.of_cultures), ("shape", self.of_shapes)) if on)

    def named(self, culture: str) -> str | None:
        """Return the name under which a culture has a share; None if it has none."""
        if culture in self.of_cultures:
            return culture
        return OTHERS if OTHERS in self.of_cultures else None

    def has_shape(self, shape: str | None) -> bool:
        return not self.shapes or shape in self.shapes

    def has_culture(self, culture: str) -> bool:
        return not self.of_cultures or self.named(culture) is not None

    def cell(self, shape: Shape | None, culture: str) -> Cell:
        return self.named(culture) or "", (shape or "") if self.of_shapes else ""

    def surplus(self, rows: Sequence[tuple[str, Cell]]) -> set[str]:
        """Return the ids of the rows that the shares leave no room for.

        With shares of both, each culture has the shapes in the same shares.

        Raises:
            UsageError: if a culture has no rows, or too few for its share.
        """
        counts = Counter(cell for _, cell in rows)
        shapes = list(dict.fromkeys(shape for _, shape in counts))
        cultures = list(self.of_cultures) or [""]
        of_shapes = {str(shape): share for shape, share in self.of_shapes.items()}
        shares = {
            (culture, shape): self.of_cultures.get(culture, 1.0) * of_shapes.get(shape, 1.0)
            for culture in cultures
            for shape in shapes
        }
        if self.of_cultures and rows:
            self._check(counts, shares)
        return thinned(rows, shares, exact=True)

    def _check(self, counts: Counter[Cell], shares: Mapping[Cell, float]) -> None:
        there = Counter[str]()
        for (culture, shape), count in counts.items():
            there[" ".join(part for part in (culture, shape) if part)] += count
        found = ", ".join(f"{name} {count}" for name, count in sorted(there.items()))
        asked = ",".join(f"{name}={share:g}" for name, share in self.of_cultures.items())
        if empty := [cell for cell in shares if not counts[cell]]:
            culture, shape = empty[0]
            of = f"{culture} in the shape {shape}" if shape else culture
            raise UsageError(f"--culture-mix {clipped(asked)}: there are no rows of {of}; there are {found}")
        measure = scarcest(counts, shares)
        if few := [cell for cell, share in shares.items() if measure * share < LEAST]:
            name = " ".join(part for part in few[0] if part)
            raise UsageError(
                f"--culture-mix {clipped(asked)}: with these shares there would be less than one row of {name}; "
                f"there are {found}"
            )
