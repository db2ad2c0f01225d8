"""Respondent-level files of surveys: a CSV file with a codebook, read row by row into a compact table."""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, count
from operator import getitem, itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from culturepark.catalog.codebook import FEWEST, GroupColumn, RespondentsFile, SexColumn, number, plain
from culturepark.catalog.files import MAX_PROBLEMS, Loc, placed, shown
from culturepark.domain import GroupShares, Respondents
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, expanded, readable

MAX_LINE = 1_000_000
MAX_BYTES = 4_000_000_000
"""Of the text, unpacked."""
MAX_KEPT = 100_000_000
"""Answers and groups that are kept, at two bytes each."""
MAX_SHARES = 10_000_000
"""Shares of one item in one grouping, in all countries."""
MAX_CODES = 10_000
DRAWN = 200
"""Respondents of a country that a run may draw from."""
DELIMITERS = ",;\t|"
REMEMBERED = 5_000
"""Different cells of a column whose reading is kept."""

Codes = NDArray[np.int16]


@dataclass(frozen=True)
class RespondentTable:
    """Respondents with a country and a weight above 0. Codes are indices; -1 is none."""

    sha256: str
    """Of the file's bytes."""
    countries: tuple[str, ...]
    country: Codes
    weights: NDArray[np.float64]
    groups: dict[str, tuple[str, ...]]
    """Grouping -> its groups."""
    in_groups: Codes
    """A row for each respondent, a column for each grouping."""
    items: tuple[str, ...]
    codes: tuple[tuple[int, ...], ...]
    """The codes on each item's scale."""
    answers: Codes
    """A row for each respondent, a column for each item."""
    elsewhere: int
    """Respondents of other countries, who were left out."""
    weightless: int
    """Respondents without a weight above 0, who were left out."""

    @property
    def respondents(self) -> dict[str, int]:
        """The number of respondents in each country."""
        return dict(zip(self.countries, np.bincount(self.country).tolist(), strict=True))


@dataclass(frozen=True)
class ItemFigures:
    """An item's weighted figures."""

    n: dict[str, int]
    """Country -> number of answers."""
    shares: dict[str, dict[int, float]]
    by: GroupShares
    small: int
    """Number of groups with too few answers for shares."""
    missing: float
    """Share of the respondents without an answer, in the countries where the item was asked."""


class Cells(dict[str, int]):
    """What the cells of a column mean, as indices; each different cell is read once."""

    def __init__(self, read: Callable[[str], int]) -> None:
        self.read = read

    def __missing__(self, cell: str) -> int:
        index = self.read(cell)
        if len(self) < REMEMBERED:
            self[cell] = index
        return index


# --- the file ------------------------------------------------------------------------------------


class Reader:
    """Reads the respondents that a survey file names."""

    def __init__(
        self,
        survey: Path,
        file: RespondentsFile,
        items: Mapping[str, tuple[str, Sequence[int]]],
        country_codes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            items: key -> column, and the codes on the item's scale.
            country_codes: cell -> ISO 3166 alpha-3, for cells of which the survey file says nothing.
        """
        self.country_codes = {plain(code): country for code, country in country_codes.items()}
        self.survey, self.file, self.items = survey, file, items
        self.path = survey.parent / expanded(file.file)
        self.missing = {plain(code) for code in file.missing}
        self.problems: list[Problem] = []
        self.line = 0

    def read(self) -> RespondentTable:
        """
        Raises:
            CatalogError: if the file cannot be read, or is not as the survey file says.
        """
        try:
            with readable(self.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                packed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                return self.table(cast(IO[bytes], gzip.open(file)) if packed else file, digest)
        except FileNotFoundError:
            self.misplaced(("respondents", "file"), f"no such file: {shown(self.path)}")
        except (OSError, ValueError, EOFError, zlib.error) as error:
            self.wrong(f"cannot be read: {clipped(getattr(error, 'strerror', None) or error, 200)}", self.line)

    def wrong(self, what: str, line: int | None, column: str = "") -> NoReturn:
        raise CatalogError([*self.problems, Problem(shown(self.path), line, column, what)])

    def misplaced(self, *mistakes: Any) -> NoReturn:
        """Refuse the survey file, which does not fit the respondents: either one place and reason, or many."""
        pairs = [mistakes] if len(mistakes) == 2 and isinstance(mistakes[1], str) else list(mistakes)
        raise CatalogError(placed(self.survey, pairs))

    def lines(self, file: IO[bytes]) -> Iterator[str]:
        size = 0
        for self.line in count(1):
            line = file.readline(MAX_LINE + 1)
            size += len(line)
            if not line:
                return
            if len(line) > MAX_LINE:
                self.wrong(f"a line of more than {MAX_LINE:,} bytes is no row of a table", self.line)
            if size > MAX_BYTES:
                self.wrong(f"is larger than {MAX_BYTES // 10**9} GB, unpacked", None)
            if self.line == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                self.wrong("is UTF-16; save it as UTF-8", None)
            if b"\0" in line:
                self.wrong("holds the character NUL, which no table of text has", self.line)
            try:
                yield line.decode("utf-8-sig" if self.line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                self.wrong(f"is not UTF-8 (byte {error.start} of the line); save it as UTF-8", self.line)

    def table(self, file: IO[bytes], digest: str) -> RespondentTable:
        for key, (_, codes) in self.items.items():
            if len(codes) > MAX_CODES:
                self.misplaced(("items", key, "scale"), f"has more than {MAX_CODES:,} answers")
        lines = self.lines(file)
        first = next(lines, "")
        if not first.strip():
            self.wrong("is empty; a head line with the columns' names is wanted", None)
        wanted = dict(self.wanted())
        names = set(wanted.values())
        try:
            heads = {d: [name.strip() for name in next(csv.reader([first], delimiter=d), [])] for d in DELIMITERS}
            delimiter = max(DELIMITERS, key=lambda d: (len(names.intersection(heads[d])), len(heads[d])))
            self.check_head(heads[delimiter], wanted)
            self.comma = delimiter != ","
            reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
            return self.rows(reader, heads[delimiter], digest)
        except csv.Error as error:
            self.wrong(f"is no CSV here: {clipped(error, 200)}", self.line)

    def wanted(self) -> Iterator[tuple[Loc, str]]:
        """Yield the place in the survey file and the name of each column that it names."""
        file = self.file
        if file.country.column:
            yield ("respondents", "country", "column"), file.country.column
        if file.weight:
            yield ("respondents", "weight"), file.weight
        if file.sex:
            yield ("respondents", "sex", "column"), file.sex.column
        if file.age:
            yield ("respondents", "age", "column"), file.age.column
        for name, group in file.groups.items():
            yield ("respondents", "groups", name, "column"), group.column
        for key, (column, _) in self.items.items():
            yield ("items", key, "column"), column

    def check_head(self, head: Sequence[str], wanted: Mapping[Loc, str]) -> None:
        absent = []
        for loc, name in wanted.items():
            if name not in head:
                near = get_close_matches(name, head, n=3) or head[:8]
                hint = ", ".join(clipped(column, 40) for column in near)
                absent.append((loc, f"no column {clipped(name)!r} in {shown(self.path)}; there are {hint}"))
        if absent:
            self.misplaced(*absent)
        if twice := sorted({name for name in wanted.values() if head.count(name) > 1}):
            self.wrong("two columns have this name, so that it is not clear which is meant", 1, clipped(twice[0]))

    def country(self, countries: dict[str, int], cell: str) -> int:
        """Return a country's index, a new one if need be; -1 for a respondent who is to be left out."""
        name = self.file.country.only or ""
        if not name:
            code = plain(cell)
            if self.country_values:
                name = self.country_values.get(code, "")
            elif code and code not in self.missing:
                name = self.country_codes.get(code, code)
                if not (len(name) == 3 and name.isascii() and name.isalpha() and name.isupper()):
                    what = f"{clipped(name)!r} is no ISO 3166 alpha-3 code; `respondents.country.values` can say"
                    self.note(f"{what} which country it is", self.file.country.column or "")
                    return -1
        return countries.setdefault(name, len(countries)) if name else -1

    def note(self, what: str, column: str) -> None:
        self.problems.append(Problem(shown(self.path), self.line, clipped(column), what))
        if len(self.problems) >= MAX_PROBLEMS:
            raise CatalogError(self.problems)

    def weight(self, cell: str) -> float:
        code = plain(cell)
        if not code or code in self.missing:
            return 0.0
        value = number(code, comma=self.comma)
        if value is None or not 0 <= value <= 1e9:
            self.note(f"{clipped(code)!r} is no weight; a number from 0 is wanted", self.file.weight or "")
            return 0.0
        return value

    def readers(self) -> Iterator[tuple[str, tuple[str, ...], Callable[[str], int]]]:
        """Yield for each grouping its column, its groups, and the function that reads a cell."""
        columns: dict[str, SexColumn | GroupColumn] = {"sex": self.file.sex} if self.file.sex else {}
        for name, column in (columns | self.file.groups).items():
            groups = tuple(dict.fromkeys(column.values.values()))
            meaning = {plain(code): groups.index(group) for code, group in column.values.items()}
            yield name, groups, self.reads(meaning)
        if self.file.age:
            bands = self.file.age_bands

            def band(cell: str) -> int:
                age = None if plain(cell) in self.missing else number(cell, comma=self.comma)
                if age is None:
                    return -1
                return next((i for i, (first, last) in enumerate(bands) if first <= int(age) <= last), -1)

            yield "age", tuple(f"{first}-{last}" for first, last in bands), band

    def reads(self, meaning: Mapping[str, int]) -> Callable[[str], int]:
        def read(cell: str) -> int:
            code = plain(cell)
            return -1 if code in self.missing else meaning.get(code, -1)

        return read

    def rows(self, reader: Iterator[list[str]], head: Sequence[str], digest: str) -> RespondentTable:
        file = self.file
        self.country_values = {plain(code): country for code, country in file.country.values.items()}
        place = {name: index for index, name in enumerate(head)}
        countries: dict[str, int] = {}
        country_of = Cells(lambda cell: self.country(countries, cell))
        country_at = place[file.country.column] if file.country.column else None
        weight_at = place[file.weight] if file.weight else None
        groupings = list(self.readers())
        columns = {"sex": file.sex, "age": file.age} | dict(file.groups)
        wanted = [(place[columns[name].column], Cells(read)) for name, _, read in groupings]  # type: ignore[union-attr]
        for column, codes in self.items.values():
            wanted.append((place[column], Cells(self.reads({str(code): i for i, code in enumerate(codes)}))))
        meanings, picked = [cells for _, cells in wanted], itemgetter(*(index for index, _ in wanted), 0, 0)
        kept, country, weights = array("h"), array("h"), array("d")
        weights_read: dict[str, float] = {}
        elsewhere = weightless = 0
        next(reader)
        for row in reader:
            if len(row) != len(head):
                if not row:
                    continue
                if len(row) < len(head) or any(row[len(head) :]):
                    self.note(f"has {len(row)} cells, and the head line has {len(head)}", "")
                    continue
            own = country_of[row[country_at] if country_at is not None else ""]
            if own < 0:
                elsewhere += 1
                continue
            weight = 1.0
            if weight_at is not None:
                cell = row[weight_at]
                known = weights_read.get(cell)
                weight = self.weight(cell) if known is None else known
                if known is None and len(weights_read) < REMEMBERED:
                    weights_read[cell] = weight
            if weight <= 0:
                weightless += 1
                continue
            country.append(own)
            weights.append(weight)
            kept.extend(map(getitem, meanings, picked(row)))
            if len(kept) > MAX_KEPT:
                self.wrong(f"has more than {MAX_KEPT:,} answers to keep; name fewer items", self.line)
        if self.problems:
            raise CatalogError(self.problems)
        if not country:
            what = f"no respondent of {shown(self.path)} has a country and a weight above 0"
            self.misplaced(("respondents", "country"), what)
        most_groups = max((len(groups) for _, groups, _ in groupings), default=0)
        most_codes = max(len(codes) for _, codes in self.items.values())
        if len(countries) * (1 + most_groups) * (1 + most_codes) > MAX_SHARES:
            what = (
                f"{len(countries):,} countries, {most_groups:,} groups and {most_codes:,} answers are too many together"
            )
            self.misplaced(("respondents", "country"), what)
        # By column in memory, since figures read whole columns.
        values = np.asfortranarray(np.frombuffer(kept, np.int16).reshape(len(country), len(wanted)))
        table = RespondentTable(
            sha256=digest,
            countries=tuple(countries),
            country=np.frombuffer(country, np.int16),
            weights=np.frombuffer(weights, np.float64),
            groups={name: groups for name, groups, _ in groupings},
            in_groups=values[:, : len(groupings)],
            items=tuple(self.items),
            codes=tuple(tuple(codes) for _, codes in self.items.values()),
            answers=values[:, len(groupings) :],
            elsewhere=elsewhere,
            weightless=weightless,
        )
        self.check_use(table, wanted)
        return table

    def check_use(self, table: RespondentTable, wanted: Sequence[tuple[int, Cells]]) -> None:
        """Refuse a codebook of which a column knows nothing."""
        unknown: list[tuple[Loc, str]] = []
        locs: list[Loc] = [
            ("respondents", name) if name in ("sex", "age") else ("respondents", "groups", name)
            for name in table.groups
        ]
        locs += [("items", key, "column") for key in table.items]
        for loc, (_, cells), values in zip(locs, wanted, [*table.in_groups.T, *table.answers.T], strict=True):
            if (values < 0).all():
                seen = ", ".join(repr(clipped(cell, 20)) for cell in list(cells)[:6])
                what = "is on the item's scale" if loc[0] == "items" else "is in a group"
                unknown.append((loc, f"no cell of this column {what}; it holds {seen}"))
        if unknown:
            self.misplaced(*unknown)


# --- figures -------------------------------------------------------------------------------------


def figures(table: RespondentTable, key: str) -> ItemFigures:
    """Return an item's weighted shares, as a whole and by group."""
    place = table.items.index(key)
    codes, answers = table.codes[place], table.answers[:, place]
    numbers, weights = tallied(table, answers, np.zeros_like(answers), 1, len(codes))
    given = numbers[:, 1, 1:].sum(axis=1)
    asked = np.flatnonzero(given).tolist()
    by: GroupShares = {}
    small = 0
    for column, (grouping, groups) in enumerate(table.groups.items()):
        of_groups, sums = tallied(table, answers, table.in_groups[:, column], len(groups), len(codes))
        for c in asked:
            counts = of_groups[c, 1:, 1:].sum(axis=1)
            small += int(((counts > 0) & (counts < FEWEST)).sum())
            enough = np.flatnonzero(counts >= FEWEST).tolist()
            if enough:
                shares = {groups[i]: shares_of(sums[c, i + 1, 1:], codes) for i in enough}
                by.setdefault(table.countries[c], {})[grouping] = shares
    missing = numbers[asked, 1, 0].sum()
    return ItemFigures(
        n={table.countries[c]: int(given[c]) for c in asked},
        shares={table.countries[c]: shares_of(weights[c, 1, 1:], codes) for c in asked},
        by=by,
        small=small,
        missing=float(missing / (missing + given.sum())),
    )


def tallied(
    table: RespondentTable, answers: Codes, groups: Codes, most_groups: int, most_codes: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return numbers and weights of respondents, each of the shape (countries, 1 + groups, 1 + codes).

    Place 0 is for those without a group or an answer.
    """
    shape = (len(table.countries), 1 + most_groups, 1 + most_codes)
    index = (table.country.astype(np.intp) * shape[1] + groups + 1) * shape[2] + answers + 1
    size = math.prod(shape)
    numbers = np.bincount(index, minlength=size).reshape(shape)
    return numbers, np.bincount(index, table.weights, minlength=size).astype(np.float64).reshape(shape)


def shares_of(weights: NDArray[np.float64], codes: Sequence[int]) -> dict[int, float]:
    """Return shares, of six digits each, so that no answer that was given has a share of 0."""
    total = weights.sum()
    return {code: float(f"{weight / total:.6g}") for code, weight in zip(codes, weights, strict=True)}


def sample(table: RespondentTable, survey: str, country: str, keys: Sequence[str]) -> Respondents | None:
    """Draw respondents with an answer to any of the items by systematic sampling over their weights.

    The start is hashed from the file's bytes. Where weights differ much, a respondent may be drawn more than once.

    Returns:
        None if nobody there has answered any of the items.
    """
    places = [table.items.index(key) for key in keys]
    here = table.country == (table.countries.index(country) if country in table.countries else -2)
    rows = np.flatnonzero(here & (table.answers[:, places] >= 0).any(axis=1))
    if not len(rows):
        return None
    weights = table.weights[rows]
    if len(rows) > DRAWN or weights.min() < weights.max():
        seed = hashlib.sha256(f"{table.sha256} {survey} {country}".encode()).digest()
        points = (int.from_bytes(seed[:8], "big") / 2**64 + np.arange(DRAWN)) / DRAWN
        reached = np.cumsum(weights) / weights.sum()
        rows = rows[np.minimum(np.searchsorted(reached, points, side="right"), len(rows) - 1)]
    return Respondents(
        survey=survey,
        country=country,
        items=tuple(f"{survey}/{key}" for key in keys),
        groupings=tuple(table.groups),
        bands=table.groups.get("age", ()),
        answers=tuple(
            tuple(table.codes[p][table.answers[row, p]] if table.answers[row, p] >= 0 else None for p in places)
            for row in rows
        ),
        groups=tuple(
            tuple(
                groups[i] if i >= 0 else None
                for i, groups in zip(table.in_groups[row], table.groups.values(), strict=True)
            )
            for row in rows
        ),
    )
