"""Map files: which columns of a table become which keys of a card."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, create_model, model_validator

from culturepark.catalog.cultures import NONE, Known, beside
from culturepark.catalog.files import Loc, load, placed
from culturepark.domain import Draft, Noun, Persona, Source, Text
from culturepark.errors import CatalogError
from culturepark.files import clipped
from culturepark.people import drafts
from culturepark.people.tables import Row, Table, check_columns
from culturepark.terminal.safe import BIDI

MOST_ABOUT = 4000
"""Characters of one cell that are shown to the model that writes."""


class BadRow(ValueError):
    """A row cannot become a person."""


def as_words(value: Any) -> Any:
    """Return numbers and truths of YAML as the text that a cell has."""
    return text_of(value) if isinstance(value, int | float) else value


def with_text_keys(table: Any) -> Any:
    return {text_of(key): value for key, value in table.items()} if isinstance(table, dict) else table


def plain_template(text: Any) -> Any:
    """Refuse a template with anything but names of columns in its braces."""
    try:
        parts = list(Formatter().parse(str(text)))
    except ValueError as error:
        raise ValueError(f"is no template: {error}; a brace that is meant is written twice") from None
    for _, column, form, conversion in parts:
        if column is not None and (not column or form or conversion or re.search(r"[.\[\]]", column)):
            raise ValueError(f"is no template: in the braces stands the name of a column, not {clipped(column)!r}")
    return text


class Rule(Noun):
    """Where one key of a card comes from. A text alone is a `template`, and a list alone a `constant`."""

    column: Annotated[str | None, BeforeValidator(as_words)] = None
    """The column whose cell is taken."""
    values: Annotated[dict[str, Any] | None, BeforeValidator(with_text_keys)] = None
    """Cell -> value; a cell that does not stand here makes the row a bad one."""
    split: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    """What stands between the entries of a list in the cell."""
    template: Annotated[str | None, BeforeValidator(plain_template)] = None
    """A text with columns in braces: `{city}, {district}`."""
    constant: Any = None
    """The value for everybody."""

    @model_validator(mode="before")
    @classmethod
    def spelled_out(cls, data: Any) -> Any:
        if isinstance(data, list | tuple):
            return {"constant": list(data)}
        return {"template": as_words(data)} if isinstance(data, str | int | float) else data

    @model_validator(mode="after")
    def one_of_three(self) -> Rule:
        if sum(part is not None for part in (self.column, self.template, self.constant)) != 1:
            raise ValueError("must be a text with columns in braces, `column: NAME`, or `constant: VALUE`")
        if self.column is None and (self.values is not None or self.split is not None):
            raise ValueError("`values` and `split` go with `column`")
        return self

    @cached_property
    def parts(self) -> list[tuple[str, str | None]]:
        """The template's texts, each with the column behind it."""
        return [(before, column) for before, column, _, _ in Formatter().parse(self.template or "")]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for _, column in [*self.parts, ("", self.column)] if column is not None)

    def value(self, cells: Mapping[str, Any]) -> Any:
        """Return the value for a row; None if a cell that it needs is empty.

        Raises:
            BadRow: if the cell cannot be used.
        """
        if self.constant is not None:
            return self.constant
        if self.column is None:
            text = ""
            for before, column in self.parts:
                filled = "" if column is None else text_of(clean(cells.get(column), column))
                if column is not None and not filled:
                    return None
                text += before + filled
            return text
        cell = clean(cells.get(self.column), self.column)
        if is_blank(cell):
            return None
        if self.split is not None and isinstance(cell, str):
            return [self._looked_up(part.strip()) for part in cell.split(self.split) if part.strip()]
        return self._looked_up(cell)

    def _looked_up(self, cell: Any) -> Any:
        if self.values is None:
            return cell
        if (text := text_of(cell)) not in self.values:
            raise BadRow(f"{clipped(self.column)}: {clipped(text)!r} does not stand in `values`")
        return self.values[text]


class Range(Noun):
    least: float | None = None
    most: float | None = None

    def holds(self, cell: Any) -> bool:
        try:
            number = float(cell)
        except (TypeError, ValueError):
            return False
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)


def as_wanted(wanted: Any) -> Any:
    if isinstance(wanted, dict):
        return wanted
    several = wanted if isinstance(wanted, list | tuple) else [wanted]
    return tuple(text_of(value) for value in several)


CARD_KEYS = [name for name in Persona.model_fields if name not in ("source", "episodes")]
CardRules: type[Noun] = create_model(
    "CardRules", __base__=Noun, **{name: (Annotated[Rule | None, Field()], None) for name in CARD_KEYS}
)  # type: ignore[call-overload]
"""A rule for each key of a card."""


class PeopleMap(Noun):
    """The keys of a map file."""

    table: Text
    """The name of the table, as it goes into every card and into data cards of exports."""
    licence: Text
    """The licence of the table: what may be done with people from it."""
    where: dict[str, Annotated[Range | tuple[str, ...], BeforeValidator(as_wanted)]] = {}  # noqa: RUF012 - frozen
    """Rows that are wanted: column -> a value, a list of values, or `{least: 18, most: 90}`."""
    about: tuple[str, ...] = ()
    """Columns that the model which writes the rest is shown, such as a description in a sentence."""
    card: CardRules
    """Key of a card -> where it comes from."""

    _cultures: Known = PrivateAttr(default=NONE)
    """Those whose files lie by the map."""

    @property
    def cultures(self) -> Known:
        return self._cultures

    @cached_property
    def rules(self) -> dict[str, Rule]:
        return {name: rule for name in CARD_KEYS if (rule := getattr(self.card, name)) is not None}

    @property
    def columns(self) -> dict[str, Loc]:
        """The columns that are named, each with its first place."""
        named: dict[str, Loc] = {}
        places: list[tuple[str, Loc]] = [
            *((column, ("where", column)) for column in self.where),
            *((column, ("about", number)) for number, column in enumerate(self.about)),
            *((column, ("card", key)) for key, rule in self.rules.items() for column in rule.columns),
        ]
        for column, place in places:
            named.setdefault(column, place)
        return named

    def wants(self, row: Row) -> bool:
        return all(
            wanted.holds(row.cells.get(column)) if isinstance(wanted, Range) else said(row.cells.get(column)) in wanted
            for column, wanted in self.where.items()
        )

    def draft(self, row: Row) -> Draft:
        """Return what a row says of its person; the draft's number is the row's.

        Raises:
            BadRow: with the reason.
        """
        if row.fault:
            raise BadRow(row.fault)
        given = {name: value for name, rule in self.rules.items() if (value := rule.value(row.cells)) is not None}
        about = "\n".join(told for column in self.about if (told := shortened(said(row.cells.get(column)))))
        source = Source(name=self.table, licence=self.licence, row=row.number)
        given, faults = drafts.checked(drafts.completed(given, source, self.cultures), self.cultures)
        if faults:
            raise BadRow(faults[0])
        return Draft(number=row.number, given=given, about=about, source=source)


def load_map(path: Path, table: Table) -> PeopleMap:
    """Read a map file, and check it against the columns of its table.

    Raises:
        CatalogError: with all problems found.
    """
    people_map = load(path, PeopleMap)
    people_map._cultures = beside(path)
    if problems := check_columns(table.columns, people_map.columns):
        raise CatalogError(placed(path, problems))
    constants = {name: rule.constant for name, rule in people_map.rules.items() if rule.constant is not None}
    constants |= {n: r.template for n, r in people_map.rules.items() if r.template is not None and not r.columns}
    if mistakes := list(drafts.mistakes(constants, people_map.cultures)):
        raise CatalogError(placed(path, [(("card", key), what) for key, what in mistakes]))
    return people_map


# --- cells ------------------------------------------------------------------------------------------


def is_blank(cell: Any) -> bool:
    return cell is None or cell == "" or cell == [] or (isinstance(cell, float) and cell != cell)


def text_of(cell: Any) -> str:
    """Return a cell as text; whole numbers without a point, since tables with gaps hold them as fractions."""
    if is_blank(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, bool):
        return str(cell).lower()
    return ", ".join(map(text_of, cell)) if isinstance(cell, list | tuple) else str(cell)


def said(cell: Any) -> str:
    """Return a cell as text on one line, with U+FFFD for characters that control something."""
    text = " ".join(text_of(cell).split())
    return text if text.isprintable() else "".join("\ufffd" if controls(c) else c for c in text)


def clean(cell: Any, column: str) -> Any:
    """Return a cell with its white space made single, also inside lists and objects.

    Raises:
        BadRow: if there are characters that control a terminal or the direction of writing.
    """
    if isinstance(cell, str):
        text = " ".join(cell.split())
        if not text.isprintable() and any(map(controls, text)):
            raise BadRow(f"{clipped(column)}: holds control characters")
        return text
    if isinstance(cell, list):
        return [clean(inner, column) for inner in cell]
    return {key: clean(inner, column) for key, inner in cell.items()} if isinstance(cell, dict) else cell


def controls(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or ord(char) in BIDI - {0x200E, 0x200F}


def shortened(text: str) -> str:
    return text if len(text) <= MOST_ABOUT else text[: MOST_ABOUT - 1] + "…"


def drafted(table: Table, people_map: PeopleMap) -> Iterator[tuple[int, Draft | str | None]]:
    """Yield for each row its number, and its draft, the reason why it is bad, or None if it is not wanted."""
    for row in table.rows:
        if not row.fault and not people_map.wants(row):
            yield row.number, None
            continue
        try:
            yield row.number, people_map.draft(row)
        except BadRow as error:
            yield row.number, str(error)
