"""Draws people to quotas: shares of one culture by age, gender, region, settlement, faith and schooling. Pure.

The shares of all combinations come from those of each by iterative proportional fitting (Deming & Stephan 1940, Annals
of Mathematical Statistics 11). The package `ipfn` does the same with pandas, which would be the heaviest dependency of
all, and takes no single cells; here it is some lines of numpy. Whole people are drawn by systematic sampling over the
combinations, and then moved until every margin is met.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from culturepark.catalog.cultures import NONE, Known, beside, delegates, no_culture
from culturepark.catalog.files import Loc, load, placed
from culturepark.dialogue.seating import dice
from culturepark.dialogue.stance import unit
from culturepark.domain import Country, CultureKey, Draft, Noun, Source, Text
from culturepark.errors import CatalogError
from culturepark.files import clipped
from culturepark.people import drafts
from culturepark.people.mapping import text_of, with_text_keys

QuotaKey = Literal["age", "gender", "region", "settlement", "faith", "schooling"]
MOST_CELLS = 500_000
ROUNDS = 2000
CLOSE = 1e-7
"""Shares that differ by less are the same."""
SLACK = 1.0
"""Percent by which the shares of a margin may miss 100."""
BRACKET = re.compile(r"(\d{1,3})\s*[-–]\s*(\d{1,3})")
Share = Annotated[float, Field(ge=0, le=100)]
Array = np.ndarray[Any, np.dtype[np.float64]]


class Joint(Noun):
    """The share of a combination."""

    share: Share
    """Percent of all people, not of those in one of the categories."""
    age: Annotated[str | None, BeforeValidator(lambda value: value if value is None else text_of(value))] = None
    gender: str | None = None
    region: str | None = None
    settlement: str | None = None
    faith: str | None = None
    schooling: str | None = None

    @property
    def cell(self) -> dict[str, str]:
        return {key: str(value) for key, value in self.model_dump(exclude={"share"}, exclude_none=True).items()}

    @model_validator(mode="after")
    def of_two(self) -> Joint:
        if len(self.cell) < 2:
            raise ValueError("names a share and two categories at least; that of one category stands in `margins`")
        return self


class Quotas(Noun):
    """The keys of a quotas file."""

    culture: CultureKey
    """A culture of delegates, shipped or of a file in this folder; all people of a file are of one."""
    country: Country | None = None
    """One of the culture's countries; the first if it is not given."""
    source: Text
    """Where the shares come from, with the year; it goes into every card."""
    licence: Text
    """The licence of the source."""
    margins: Annotated[
        dict[QuotaKey, Annotated[dict[str, Share], BeforeValidator(with_text_keys), Field(min_length=1)]],
        Field(min_length=1),
    ]
    """Key of a card -> category -> percent; those of each key sum to 100. Ages are brackets such as `16-24`."""
    joint: tuple[Joint, ...] = ()
    """Shares of combinations, where they are known: `{age: 65-90, schooling: university, share: 0.9}`."""

    _cultures: Known = PrivateAttr(default=NONE)
    """Those whose files lie by the quotas."""

    @property
    def cultures(self) -> Known:
        return self._cultures

    @cached_property
    def dimensions(self) -> list[tuple[str, list[str]]]:
        return [(key, list(shares)) for key, shares in self.margins.items()]

    @cached_property
    def targets(self) -> list[Array]:
        """The share of each category, for each dimension; they sum to 1."""
        return [np.array(list(shares.values())) / sum(shares.values()) for shares in self.margins.values()]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(categories) for _, categories in self.dimensions)


def load_quotas(path: Path) -> Quotas:
    """
    Raises:
        CatalogError: with all problems found.
    """
    quotas = load(path, Quotas)
    quotas._cultures = beside(path)
    if problems := list(contradictions(quotas)):
        raise CatalogError(placed(path, problems))
    return quotas


def contradictions(quotas: Quotas) -> Iterator[tuple[Loc, str]]:
    known = {**delegates(), **quotas.cultures}
    culture = known.get(quotas.culture)
    if culture is None:
        yield ("culture",), no_culture(quotas.culture, known)
    elif quotas.country and quotas.country not in culture.countries:
        yield ("country",), f"{quotas.culture} has no country {quotas.country}, only {', '.join(culture.countries)}"
    for key, shares in quotas.margins.items():
        if abs((total := sum(shares.values())) - 100) > SLACK:
            yield ("margins", key), f"the shares sum to {total:g}, and must to 100"
        for category in shares:
            if key == "age" and not bracket(category):
                yield ("margins", key, category), "must be ages as `16-24`, of 16 to 110 years"
            elif key != "age":
                yield from ((("margins", key, category), what) for _, what in drafts.mistakes({key: category}))
    if math.prod(quotas.shape) > MOST_CELLS:
        yield ("margins",), f"have {math.prod(quotas.shape):,} combinations, and at most {MOST_CELLS:,} can be fitted"
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number, joint in enumerate(quotas.joint):
        for name, category in joint.cell.items():
            if category not in dict(quotas.dimensions).get(name, []):
                yield ("joint", number, name), f"{clipped(category)!r} does not stand in the margins of `{name}`"
        cell = tuple(sorted(joint.cell.items()))
        if cell in seen:
            yield ("joint", number), "this combination stands here twice"
        seen.add(cell)


def bracket(text: str) -> tuple[int, int] | None:
    """Return the least and the highest age of a bracket; None if it is none."""
    match = BRACKET.fullmatch(text.strip())
    least, most = (int(match[1]), int(match[2])) if match else (0, 0)
    return (least, most) if 16 <= least <= most <= 110 else None


# --- the shares of all combinations ----------------------------------------------------------------------


def constraints(quotas: Quotas) -> list[tuple[str, list[Any], Array]]:
    """Return what must hold, each as a name, the parts into which it divides all combinations, and their shares.

    A part is an index into the array of combinations.
    """
    found: list[tuple[str, list[Any], Array]] = []
    for axis, (key, categories) in enumerate(quotas.dimensions):
        parts: list[Any] = [(*[slice(None)] * axis, index) for index in range(len(categories))]
        found.append((f"margins.{key}", parts, quotas.targets[axis]))
    for keys, group in itertools.groupby(sorted(quotas.joint, key=lambda j: sorted(j.cell)), lambda j: sorted(j.cell)):
        rest = np.ones(quotas.shape, dtype=bool)
        parts, shares_of = [], list[float]()
        for joint in group:
            index = tuple(
                categories.index(joint.cell[name]) if name in joint.cell else slice(None)
                for name, categories in quotas.dimensions
            )
            parts.append(index)
            shares_of.append(joint.share / 100)
            rest[index] = False
        if rest.any():
            parts.append(rest)
            shares_of.append(1 - sum(shares_of))
        found.append((f"joint {' x '.join(keys)}", parts, np.array(shares_of)))
    return found


def fitted(quotas: Quotas) -> tuple[Array, list[str]]:
    """Return the share of each combination, and what contradicts: shares that cannot all hold at once."""
    shares = np.full(quotas.shape, 1 / math.prod(quotas.shape))
    wanted = constraints(quotas)
    for _ in range(ROUNDS):
        before = shares.copy()
        for _, parts, targets in wanted:
            for part, target in zip(parts, targets, strict=True):
                total = shares[part].sum()
                shares[part] *= max(target, 0) / total if total > 0 else 0
        if np.abs(shares - before).max() < CLOSE / shares.size:
            break
    off = [
        f"{name} misses by up to {miss:.1%}"
        for name, parts, targets in wanted
        if (miss := max(abs(shares[part].sum() - target) for part, target in zip(parts, targets, strict=True))) > 1e-4
    ]
    return shares / (shares.sum() or 1), off


# --- whole people ----------------------------------------------------------------------------------------


def whole(shares: Array, count: int) -> list[int]:
    """Return whole numbers with a sum of `count`, each within one of its share, by largest remainders."""
    exact = shares / shares.sum() * count
    numbers = np.floor(exact + 1e-9).astype(int)
    most_left = sorted(range(len(exact)), key=lambda i: (numbers[i] - exact[i], i))
    for i in most_left[: count - int(numbers.sum())]:
        numbers[i] += 1
    return [int(number) for number in numbers]


def drawn(quotas: Quotas, shares: Array, count: int, seed: int) -> list[tuple[int, ...]]:
    """Return the combination of each person, as an index for each dimension, in the order of the combinations.

    Systematic sampling (Madow & Madow 1944) gives each combination its share within one. Then people change one
    category at a time, drawn by how likely the new combination is beside the old, until all margins are whole numbers
    by largest remainders.
    """
    points = (unit("people", seed, quotas.source) + np.arange(count)) / count
    cells = np.minimum(np.searchsorted(np.cumsum(shares.ravel()), points, side="right"), shares.size - 1)
    people = np.array(np.unravel_index(cells, quotas.shape)).T
    chance = dice("moves", seed, quotas.source)
    for axis, (_, categories) in enumerate(quotas.dimensions):
        target: Any = np.array(whole(quotas.targets[axis], count))
        surplus = np.bincount(people[:, axis], minlength=len(categories)) - target
        others = tuple(np.delete(people, axis, axis=1).T)
        rows = np.broadcast_to(np.moveaxis(shares, axis, -1)[others], (count, len(categories)))
        with np.errstate(divide="ignore"):
            # The largest of these is a draw by the shares (Gumbel 1954); no share, no draw.
            draws = np.log(rows) - np.log(rows[np.arange(count), people[:, axis]])[:, None]
        draws += chance.gumbel(size=draws.shape)
        while (surplus > 0).any():
            able = (surplus[people[:, axis]] > 0)[:, None] & (surplus < 0)[None, :]
            person, to = np.unravel_index(np.argmax(np.where(able, draws, -np.inf)), draws.shape)
            if not able[person, to] or draws[person, to] == -np.inf:
                break  # the joint shares leave no other place
            surplus[people[person, axis]] -= 1
            surplus[to] += 1
            people[person, axis] = to
    return [tuple(int(i) for i in person) for person in people]


def misses(quotas: Quotas, people: Sequence[tuple[int, ...]]) -> list[str]:
    """Return where the people drawn are not as many as a margin asks for."""
    off = []
    for axis, (key, categories) in enumerate(quotas.dimensions):
        goal = whole(quotas.targets[axis], len(people))
        for index, category in enumerate(categories):
            if (got := sum(person[axis] == index for person in people)) != goal[index]:
                off.append(f"{key} {category}: {got} in place of {goal[index]}")
    return off


def quota_drafts(quotas: Quotas, people: Sequence[tuple[int, ...]], seed: int) -> list[Draft]:
    """Return what is settled of each person: the categories, and an age within its bracket."""
    made = []
    for number, person in enumerate(people, start=1):
        given: dict[str, Any] = {"culture": quotas.culture}
        if quotas.country:
            given["country"] = quotas.country
        for (key, categories), index in zip(quotas.dimensions, person, strict=True):
            given[key] = categories[index]
        if ages := bracket(str(given.get("age", ""))):
            given["age"] = ages[0] + int(unit("age", seed, number) * (ages[1] - ages[0] + 1))
        source = Source(name=quotas.source, licence=quotas.licence, row=number)
        made.append(Draft(number=number, given=drafts.completed(given, source, quotas.cultures), source=source))
    return made


def counted(quotas: Quotas, people: Sequence[tuple[int, ...]]) -> Mapping[str, dict[str, int]]:
    """Return key -> category -> number of people drawn."""
    return {
        key: {category: sum(person[axis] == index for person in people) for index, category in enumerate(categories)}
        for axis, (key, categories) in enumerate(quotas.dimensions)
    }
