"""Scale files: what judges and people rate an answer for, with what each step means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from culturepark.catalog.files import load
from culturepark.domain import Key, Noun, Text, is_empty
from culturepark.errors import UsageError
from culturepark.files import clipped, exists

FOLDER = Path(__file__).parent / "data" / "scales"


class Scale(Noun):
    """A scale with a rubric."""

    scale: Key
    """Its name."""
    title: Text
    question: Text
    """What the rater is asked of an answer, in one sentence."""
    least: int = 1
    most: int = 10
    steps: Annotated[dict[int, Text], Field(min_length=2)]
    """What some of its steps mean: at least both ends."""
    lines: Annotated[tuple[Text, ...], Field(max_length=12, exclude_if=is_empty)] = ()
    """What is looked at, one after the other; the judge says something of each before it rates."""
    panel: Literal["mean", "median", "minimum"] = "mean"
    """How the ratings of several judges become one."""
    needs_reference: bool = False
    """Only answers to items with a reference can be rated on it."""
    by: Text
    """Who wrote the rubric."""
    source: Text
    """On what it rests."""

    @model_validator(mode="after")
    def _is_a_scale(self) -> Scale:
        if self.least >= self.most or self.most - self.least > 99:
            raise ValueError("least must be below most, by 99 at the most")
        if odd := [step for step in self.steps if not self.least <= step <= self.most]:
            raise ValueError(f"the step {odd[0]} is not between {self.least} and {self.most}")
        if not {self.least, self.most} <= self.steps.keys():
            raise ValueError("steps must say what both ends mean")
        return self


def shipped_scales() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_scale(name: str) -> Scale:
    """
    Raises:
        UsageError: if there is none of that name, or the file is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or exists(path):
        return load(path, Scale)
    if name in shipped_scales():
        return load(FOLDER / f"{name}.yaml", Scale)
    raise UsageError(
        f"no scale {clipped(name)!r}: neither a file nor one of the shipped ones ({', '.join(shipped_scales())})"
    )
