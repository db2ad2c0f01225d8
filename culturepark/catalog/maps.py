"""The map language: how rows of somebody else's file become items of a suite.

On a command line `--map question=Question,options=A|B|C|D,answer=Answer,language:en`; in a file

    map: {question: Question, options: "A|B|C|D", answer: Answer}
    constants: {language: en}
    where: {split: test}
    recode: {answer: {OFFENSE: 1, OTHER: 0}}

`=` names a column and `:` says a value that is the same for all rows. `KEYS` says what each key means. A row that does
not say what its map needs is `Unusable`; nothing is guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from culturepark.catalog.cells import (
    Unusable,
    as_key,
    below,
    cell,
    code_in,
    group_name,
    language_code,
    number,
    structured,
    words,
)
from culturepark.catalog.suites import MOST_OPTIONS
from culturepark.domain import Noun, Text, is_empty
from culturepark.errors import UsageError
from culturepark.files import clipped

KEYS = {
    "key": "name of the item; without it, the rows are numbered",
    "question": "what is asked: a column, or a text with {columns} in it",
    "options": "the options: a column with a list or with codes and words, several columns (`A|B|C|D`), or a constant "
    "(`options:yes|no`, `options:0=no|1=yes`)",
    "min": "the least code, where the row has no words for its options",
    "max": "the greatest code",
    "ends": "how the question names some codes, as `'{code}' being '{label}'`",
    "scale": "`ordinal` or `nominal`",
    "answer": "the right option of all: its letter, its words or its code",
    "answer_is": "how `answer`, `answers` and `ratings` name an option, where words could be letters or numbers count "
    "places: `letter`, `text`, `code`, `from0`, `from1`",
    "answers": "the right option of each group: a column with group and option, or several (`CODE:column|CODE:column`)",
    "shares": "shares of answers: a column with group -> shares, with the shares of `group` alone, or several columns",
    "shares_are": "`fraction`, `percent` or `count`; without it, the sum tells fractions from percents",
    "n": "how many were asked: a number, or a column with group and number",
    "ratings": "a list of single ratings, of which shares are made: a column with a list, or several columns",
    "rating_group": "place or name of the group in a rating, where ratings have several parts",
    "rating_value": "place or name of the option in a rating",
    "missing": "codes that are no answer (`missing:-1|2`), taken out of shares and ratings",
    "votes": "how many of `voters` chose the option 1 of 0 and 1",
    "voters": "how many voted",
    "reference": "an answer in free text that somebody who knows would give",
    "free": "a list of answers in free text that people gave; the commonest becomes the `reference`",
    "free_text": "place or name of the text in such an answer",
    "free_count": "place or name of the number of those who gave it",
    "options_from": "a column that names the question: options become the commonest answers of each group to it",
    "language": "BCP 47, or a language's English name",
    "group": "the culture, country or community that the item is about; countries become ISO 3166 codes",
    "topic": "what it is about",
    "signals": "what a good answer takes up: a column with a list",
    "avoid": "what it does not do: a column with a list",
    "split": "the part of the file, as `test`",
    "head": "names of the columns of a table that has no head line (`head:text|label`)",
    "each": "one item for each entry of a list or map, or for each of several columns; `_each.key` and `_each.value`",
    "join": "the column that a second file (`--with`) has too; its rows are `_rows`, the first of them `_with`",
    "mask": "what fillers take the place of in the question, as `[MASK]`",
    "filler": "fillers for the mask: a column of the second file, or of this one with `pair_by`",
    "filler_side": "the column that says whether a filler is near or far",
    "filler_type": "the column that says which questions a filler fits",
    "type": "which fillers fit this question; compared with `filler_type` by its letters",
    "near": "the value of `filler_side` for what is near: option 1",
    "far": "the value for what is far: option 2",
    "pairs": "at most so many pairs for each question, drawn with the seed (3)",
    "pair_by": "the column that a near and a far row have in common, where both are rows of this file",
}
"""Key of a map -> what it is. Also the table in the documentation."""
CONSTANT_ONLY = frozenset({
    "answer_is", "shares_are", "missing", "voters", "ends", "mask", "near", "far", "pairs", "rating_group",
    "rating_value", "free_text", "free_count", "filler", "filler_side", "filler_type", "head",
})  # fmt: skip
"""Keys that say the same of all rows, whichever sign stands before their value."""
STRUCTURES = ("options", "answers", "shares", "ratings", "free", "each")
"""Keys whose value may be made of several columns."""
ANSWER_IS = ("letter", "text", "code", "from0", "from1")
SHARES_ARE = ("fraction", "percent", "count")
HOLE = re.compile(r"\{([^{}]+)\}")
NEXT = re.compile(r",(?=\s*[a-z_0-9]+\s*[=:])")
TOLERANCE = 0.02
"""How far a sum of shares may be from 1 for the rest to be rounding; they are scaled to 1."""


def as_words(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Column = Annotated[Text, BeforeValidator(as_words)]
Value = Text | int | float | list[Text] | dict[Annotated[str, BeforeValidator(as_words)], Text]
Wanted = Annotated[Text | list[Text], BeforeValidator(as_words)]


class Map(Noun):
    """How a row becomes an item, or several."""

    map: Annotated[dict[str, Column], Field(max_length=60)] = {}  # noqa: RUF012 - frozen
    """Key -> column. `a.b.0` is the first of `b` in the column `a`; `A|B` are several; {column} in a text is filled"""
    constants: Annotated[dict[str, Value], Field(max_length=60, exclude_if=is_empty)] = {}  # noqa: RUF012
    """Key -> the value for all rows."""
    where: Annotated[dict[str, Wanted], Field(max_length=20, exclude_if=is_empty)] = {}  # noqa: RUF012
    """Column -> value, or values, of the rows that are taken. `!value` takes the others."""
    recode: Annotated[
        dict[str, dict[Annotated[str, BeforeValidator(as_words)], Text | int]],
        Field(max_length=20, exclude_if=is_empty),
    ] = {}  # noqa: RUF012
    """Key -> cell -> what it means, as a code for an answer or a culture for a group."""

    @model_validator(mode="before")
    @classmethod
    def _constants_in_their_place(cls, values: Any) -> Any:
        """Move keys that say the same of all rows out of the columns, wherever they were written."""
        if not isinstance(values, dict) or not isinstance(values.get("map"), dict):
            return values
        moved = {key: value for key, value in values["map"].items() if key in CONSTANT_ONLY}
        constants = values.get("constants")
        if not moved or not isinstance(constants, dict | None):
            return values
        rest = {key: value for key, value in values["map"].items() if key not in moved}
        return values | {"map": rest, "constants": moved | (constants or {})}

    @model_validator(mode="after")
    def _known(self) -> Map:
        for key in (*self.map, *self.constants, *self.recode):
            if key not in KEYS:
                raise ValueError(f"{clipped(key)} is no key of a map; there are {', '.join(KEYS)}")
        for key in self.map:
            if key in self.constants:
                raise ValueError(f"{key} has both a column and a constant")
        for key, allowed in (("answer_is", ANSWER_IS), ("shares_are", SHARES_ARE), ("scale", ("ordinal", "nominal"))):
            if key in self.constants and self.constants[key] not in allowed:
                raise ValueError(f"{key} must be one of {', '.join(allowed)}, not {clipped(self.constants[key])!r}")
        for key in ("voters", "pairs"):
            if key in self.constants and not str(self.constants[key]).isdigit():
                raise ValueError(f"{key} must be a whole number, not {clipped(self.constants[key])!r}")
        return self

    def __or__(self, other: Map) -> Map:
        """Return this map with another one over it: its columns and constants take the place of those here."""
        said = {*other.map, *other.constants}
        return Map(
            map={key: value for key, value in self.map.items() if key not in said} | other.map,
            constants={key: value for key, value in self.constants.items() if key not in said} | other.constants,
            where=self.where | other.where,
            recode={key: value for key, value in self.recode.items() if key not in said} | other.recode,
        )

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the columns, where a table has no head line."""
        head = self.constants.get("head", [])
        return tuple(head) if isinstance(head, list) else (str(head),)

    def has(self, key: str) -> bool:
        return key in self.map or key in self.constants

    def columns(self) -> set[str]:
        """Return the columns that the map reads from a row itself, each without what stands behind a dot."""
        names: set[str] = set(self.where)
        for key, column in self.map.items():
            names.update(HOLE.findall(column) if HOLE.search(column) else parts(column, key in STRUCTURES).values())
        for key in ("filler", "filler_side"):
            if self.has("pair_by") and key in self.constants:
                names.add(str(self.constants[key]))
        return {name for name in names if not name.startswith("_")}


def parse(texts: Iterable[str], where: Iterable[str] = ()) -> Map:
    """Return the map of a command line.

    Args:
        texts: `key=column,key:value` each; a comma divides where a key and its sign follow.
        where: `column=value` or `column!=value` each; `a|b` is either.
    Raises:
        UsageError: for what is no such text.
    """
    columns: dict[str, str] = {}
    constants: dict[str, Any] = {}
    for part in (part.strip() for text in texts for part in NEXT.split(text)):
        found = re.match(r"([a-z_0-9]+)\s*([=:])\s*(.*)", part, re.DOTALL)
        if not found or not found[3]:
            raise UsageError(
                f"--map {clipped(part)!r}: write key=column or key:value, as question=Question,language:en"
            )
        key, sign, value = found.groups()
        if key not in KEYS:
            raise UsageError(f"--map {clipped(part)!r}: {key} is no key; there are {', '.join(KEYS)}")
        if sign == ":" or key in CONSTANT_ONLY:
            constants[key] = constant(key, value)
        else:
            columns[key] = value
    wanted: dict[str, Any] = {}
    for text in where:
        column, sign, value = text.partition("=")
        if not sign or not column.rstrip("!"):
            raise UsageError(f"--where {clipped(text)!r}: write column=value, or column!=value")
        values = value.split("|")
        wanted[column.rstrip("!").strip()] = [f"!{one}" for one in values] if column.endswith("!") else values
    try:
        return Map(map=columns, constants=constants, where=wanted)
    except ValueError as error:
        raise UsageError(f"--map: {first_reason(error)}") from None


def first_reason(error: ValueError) -> str:
    """Return what is wrong with a value in one line, without pydantic's own words around it."""
    errors = getattr(error, "errors", None)
    told = str(errors()[0]["msg"]) if callable(errors) else str(error)
    return clipped(told.removeprefix("Value error, "), 300)


def constant(key: str, text: str) -> Any:
    """Return a constant of a command line: a list of options, codes with words, or the text itself."""
    if key in ("signals", "avoid", "missing", "head"):
        return text.split("|")
    if key != "options":
        return text
    entries = text.split("|")
    coded = [re.fullmatch(r"\s*(\d+)\s*=\s*(.+)", entry) for entry in entries]
    return {found[1]: found[2] for found in coded if found} if all(coded) else entries


def parts(column: str, may_be_several: bool = True) -> dict[str, str]:
    """Return the columns of `A|B` or `x:A|y:B`, each by its name there."""
    if not may_be_several or "|" not in column:
        return {column: column}
    named = (entry.rpartition(":") for entry in column.split("|"))
    return {(name or rest).strip(): rest.strip() for name, _, rest in named}


@cache
def pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of `'{code}' being '{label}'`. A label ends before the character behind it in the template."""
    behind = re.search(r"\{label\}(.)", template, re.DOTALL)
    label = f"[^{re.escape(behind[1])}\n]{{1,200}}" if behind else r"[^\n]{1,200}"
    text = re.escape(template).replace(r"\{code\}", r"(?P<code>\d{1,5})", 1)
    return re.compile(text.replace(r"\{label\}", f"(?P<label>{label})", 1))


# --- a row -----------------------------------------------------------------------------------------


class Reader:
    """Reads rows by a map."""

    def __init__(self, how: Map) -> None:
        self.how = how
        self.missing = {words(code) for code in self.listed(how.constants.get("missing", []))}
        self.answer_is = str(how.constants.get("answer_is", ""))
        ends = self.listed(how.constants.get("ends", []))
        self.ends = [pattern(str(template)) for template in ends]
        self.has_coded_options = False
        """Whether the options of the row came with codes."""
        self.notes: Counter[str] = Counter()
        """What was done to values that were used."""

    @staticmethod
    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is one of those that are wanted."""
        for column, wanted in self.how.where.items():
            value, values = words(cell(row, column)), self.listed(wanted)
            refused = [one[1:] for one in values if one.startswith("!")]
            taken = [one for one in values if not one.startswith("!")]
            if value in refused or (taken and value not in taken):
                return False
        return True

    def expand(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a row for each entry of what `each` names, or the row itself."""
        if not self.how.has("each"):
            yield row
            return
        value = structured(self.value(row, "each"))
        if isinstance(value, list):
            value = {str(place): entry for place, entry in enumerate(value, 1)}
        if not isinstance(value, Mapping) or not value:
            raise Unusable("there is nothing in what `each` names")
        for key, entry in value.items():
            yield row | {"_each": {"key": key, "value": entry}}

    def value(self, row: Mapping[str, Any], key: str) -> Any:
        """Return what a row says under a key: of a constant, a column, several columns or a filled text."""
        if key in self.how.constants:
            return self.how.constants[key]
        column = self.how.map.get(key)
        if column is None:
            return None
        if holes := HOLE.findall(column):
            said = {name: words(cell(row, name)) for name in holes}
            if empty := [name for name, text in said.items() if not text]:
                raise Unusable(f"{empty[0]} is empty")
            return HOLE.sub(lambda found: said[found[1]], column)
        if key in STRUCTURES and "|" in column and column not in row:
            return {name: cell(row, path) for name, path in parts(column).items()}
        return self.recoded(key, cell(row, column))

    def recoded(self, key: str, value: Any) -> Any:
        """Return what a cell means, where the map says so for its key."""
        meanings = self.how.recode.get(key)
        return meanings.get(words(value), value) if meanings and not isinstance(value, (list, dict)) else value

    def text(self, row: Mapping[str, Any], key: str) -> str:
        return words(self.value(row, key))

    def texts(self, row: Mapping[str, Any], key: str) -> list[str]:
        value = structured(self.value(row, key))
        entries = value if isinstance(value, list) else [value]
        return [text for entry in entries if (text := words(entry))]

    def group(self, name: Any, key: str = "group") -> str:
        return group_name(words(self.recoded(key, name)))

    def common(self, row: Mapping[str, Any], number: str) -> dict[str, Any]:
        """Return what items of every kind have: key, question, language, group, topic and so on."""
        item: dict[str, Any] = {
            "key": as_key(self.text(row, "key") or number)[:110],
            "question": self.text(row, "question"),
        }
        if not item["question"] and not self.how.has("pair_by"):
            raise Unusable("the question is empty")
        if language := self.text(row, "language"):
            item["language"] = language_code(language)
        if group := self.text(row, "group"):
            item["group"] = group_name(group)[:60]
        item |= {key: text[:200] for key in ("topic", "split") if (text := self.text(row, key))}
        item |= {key: texts for key in ("signals", "avoid") if self.how.has(key) and (texts := self.texts(row, key))}
        if scale := self.text(row, "scale"):
            item["scale"] = scale if scale in ("ordinal", "nominal") else "nominal"
        return item

    def item(self, row: Mapping[str, Any], number: str) -> dict[str, Any]:
        """Return a row as an item.

        Args:
            number: the key of an item that has none of its own.
        Raises:
            Unusable: if the row does not say what the map needs.
        """
        item = self.common(row, number)
        options = self.options(row, item["question"])
        if options:
            item["options"] = [{"code": code, "label": label} for code, label in options.items()]
            item |= self.target(row, options, item.get("group", ""))
        elif self.how.has("free"):
            answers = self.free(row)
            item["reference"] = max(answers, key=lambda text: answers[text])
        elif reference := self.text(row, "reference"):
            item["reference"] = reference
        elif self.how.has("reference"):
            raise Unusable("the reference is empty")
        return item

    # options

    def options(self, row: Mapping[str, Any], question: str) -> dict[int, str]:
        """Return code -> label; empty for a question in free text."""
        if self.how.has("votes") and not self.how.has("options"):
            return {0: "no", 1: "yes"}
        value = structured(self.value(row, "options"))
        self.has_coded_options = isinstance(value, Mapping) and all(code_in(key) is not None for key in value)
        if isinstance(value, Mapping) and "|" not in self.how.map.get("options", ""):
            found = self.coded(value, question)
        elif isinstance(value, (list, Mapping)):
            entries = list(value.values()) if isinstance(value, Mapping) else value
            found = {place: text for place, entry in enumerate(entries, 1) if (text := words(entry))}
        elif self.how.has("min") and self.how.has("max"):
            found = self.spanned(row, question)
        elif self.how.has("options"):
            raise Unusable("the options are no list")
        else:
            return {}
        if len(found) < 2:
            raise Unusable("it has fewer than two options")
        if len(found) > MOST_OPTIONS:
            raise Unusable(f"it has more than {MOST_OPTIONS} options")
        return found

    def coded(self, value: Mapping[str, Any], question: str) -> dict[int, str]:
        said = self.said(question)
        codes = {code: label for key, label in value.items() if (code := code_in(key)) is not None and code >= 0}
        if len(codes) == len(value):
            return {code: words(label) or said.get(code, str(code)) for code, label in sorted(codes.items())}
        return {place: text for place, label in enumerate(value.values(), 1) if (text := words(label))}

    def spanned(self, row: Mapping[str, Any], question: str) -> dict[int, str]:
        least, most = code_in(self.value(row, "min")), code_in(self.value(row, "max"))
        if least is None or most is None or not 0 <= least < most:
            raise Unusable("min and max span no scale")
        said = self.said(question)
        return {code: said.get(code, str(code)) for code in range(least, min(most, least + 30) + 1)}

    def said(self, question: str) -> dict[int, str]:
        """Return the labels of the codes that the question names."""
        found = (match for template in self.ends for match in template.finditer(question))
        return {int(match["code"]): match["label"].strip() for match in found if match["label"].strip()}

    # targets

    def target(self, row: Mapping[str, Any], options: dict[int, str], group: str) -> dict[str, Any]:
        if self.how.has("shares"):
            return self.shares(row, options, group)
        if self.how.has("ratings"):
            return self.ratings(row, options, group)
        if self.how.has("votes"):
            return self.votes(row, group)
        if self.how.has("answers"):
            value = structured(self.value(row, "answers"))
            if not isinstance(value, Mapping):
                raise Unusable("the answers of groups are no map")
            said = {name: answer for name, answer in value.items() if words(answer) not in ("", *self.missing)}
            if not said:
                raise Unusable("no group has an answer")
            return {
                "answers": {self.group(name): self.code(answer, options, "answers") for name, answer in said.items()}
            }
        if self.how.has("answer"):
            return {"answer": self.code(self.value(row, "answer"), options, "answer")}
        return {}

    def code(self, value: Any, options: dict[int, str], key: str) -> int:
        """Return the code of the option that an answer names.

        Raises:
            Unusable: if it names none, or could name two.
        """
        value = self.recoded(key, value)
        text, places = words(value), list(options)
        if not text:
            raise Unusable("the answer is empty")
        by_text = [code for code, label in options.items() if label.casefold() == text.casefold()]
        letter = text.upper().rstrip(".)") if len(text.rstrip(".)")) == 1 and text[0].isascii() else ""
        by_letter = self.lettered(letter, options)
        whole = code_in(value)
        has_codes = self.codes_are_said()
        match self.answer_is:
            case "letter":
                found = by_letter
            case "text":
                found = by_text[0] if len(by_text) == 1 else None
            case "code":
                found = whole
            case "from0":
                found = places[whole] if whole is not None and 0 <= whole < len(places) else None
            case "from1":
                found = places[whole - 1] if whole is not None and 0 < whole <= len(places) else None
            case _ if len(by_text) > 1:
                raise Unusable("the answer's words are those of two options")
            case _ if by_text and by_letter is not None and by_text[0] != by_letter:
                raise Unusable("the answer is the letter of one option and the words of another: say answer_is")
            case _ if by_text and whole is not None and self.counts_elsewhere(whole, by_text[0], options, has_codes):
                raise Unusable("the answer is the words of one option and the number of another: say answer_is")
            case _ if whole is not None and not by_text and not has_codes:
                raise Unusable("the answer is a number: say answer_is:from0 or answer_is:from1")
            case _:
                found = by_text[0] if by_text else by_letter if by_letter is not None else whole
        if found not in options:
            raise Unusable("the answer is none of the options")
        return found

    @staticmethod
    def counts_elsewhere(whole: int, named: int, options: Mapping[int, str], has_codes: bool) -> bool:
        """Return whether a number that is an option's words is the code or the place of another option.

        Options that are the numbers of their own places (`1, 2, 3` or `0, 1, 2`) mean the same either way.

        Args:
            named: code of the option whose words the number is.
            has_codes: the options have codes of their own, so their places say nothing.
        """
        if has_codes:
            return whole in options and whole != named
        labels, places = list(options.values()), list(options)
        if any(labels == [str(place) for place in range(first, first + len(labels))] for first in (0, 1)):
            return False
        return any(0 <= place < len(places) and places[place] != named for place in (whole, whole - 1))

    def lettered(self, letter: str, options: dict[int, str]) -> int | None:
        """Return the code of the option of a letter. Options of a list have their places as codes, gaps counted."""
        if not letter.isalpha():
            return None
        place = ord(letter) - 64
        if not self.has_coded_options:
            return place if place in options else None
        return list(options)[place - 1] if place <= len(options) else None

    def codes_are_said(self) -> bool:
        """Return whether the codes of options stand in the file or the map, and are not counted from their places."""
        tables = (self.how.recode.get(key, {}) for key in ("answer", "answers"))
        recoded = any(isinstance(code, int) for table in tables for code in table.values())
        return recoded or self.has_coded_options or any(self.how.has(key) for key in ("min", "votes"))

    def shares(self, row: Mapping[str, Any], options: dict[int, str], group: str) -> dict[str, Any]:
        value = structured(self.value(row, "shares"))
        if (
            isinstance(value, Mapping)
            and value
            and not any(isinstance(structured(entry), (Mapping, list)) for entry in value.values())
        ) or isinstance(value, list):
            if not group:
                raise Unusable("the shares are of nobody: say group")
            value = {group: value}
        if not isinstance(value, Mapping) or not value:
            raise Unusable("there are no shares")
        asked = structured(self.value(row, "n"))
        shares: dict[str, dict[int, float]] = {}
        n: dict[str, int] = {}
        for name, entry in value.items():
            who = self.group(name)
            counts = self.counts(structured(entry), options)
            if not counts:
                continue
            total = sum(counts.values())
            shares[who] = self.scaled(counts, total)
            given = code_in(asked.get(name)) if isinstance(asked, Mapping) else code_in(asked)
            if self.how.constants.get("shares_are") == "count":
                given = round(total)
            if given and given > 0:
                n[who] = given
        if not shares:
            raise Unusable("nobody has shares")
        return {"shares": shares} | ({"n": n} if n else {})

    def counts(self, entry: Any, options: dict[int, str]) -> dict[int, float]:
        """Return code -> what stands there, without declared missing codes."""
        if isinstance(entry, list):
            entry = dict(zip((str(place) for place in range(1, len(entry) + 1)), entry, strict=True))
            if len(entry) != len(options):
                raise Unusable("there are not as many shares as options")
        if not isinstance(entry, Mapping):
            raise Unusable("the shares are neither a list nor a map")
        found: dict[int, float] = {}
        labels = {label.casefold(): code for code, label in options.items()}
        for key, value in entry.items():
            if words(key) in self.missing or value is None:
                continue
            share = number(value)
            code = code_in(key) if code_in(key) is not None else labels.get(words(key).casefold())
            if share is None or share < 0:
                raise Unusable("a share is no number from 0")
            if code not in options:
                if share == 0:
                    continue
                raise Unusable("a share is of an option that the row does not have")
            found[code] = found.get(code, 0.0) + share
        return found

    def scaled(self, counts: dict[int, float], total: float) -> dict[int, float]:
        unit = str(self.how.constants.get("shares_are", ""))
        whole = {"fraction": 1.0, "percent": 100.0, "count": total}.get(unit)
        if whole is None:
            whole = 1.0 if abs(total - 1) <= TOLERANCE else 100.0
        if total <= 0:
            raise Unusable("the shares sum to 0")
        if abs(total / whole - 1) > TOLERANCE and not self.missing:
            raise Unusable(
                "the shares sum neither to 1 nor to 100" if not unit else f"the shares sum to no {unit} of all"
            )
        if abs(total / whole - 1) > 0.002:
            self.notes["groups whose shares were scaled to sum to 1"] += 1
        return {code: round(value / total, 6) for code, value in counts.items() if value}

    def ratings(self, row: Mapping[str, Any], options: dict[int, str], group: str) -> dict[str, Any]:
        value = structured(self.value(row, "ratings"))
        entries = list(value.values()) if isinstance(value, Mapping) else value
        if not isinstance(entries, list):
            raise Unusable("the ratings are no list")
        by = str(self.how.constants.get("rating_group", ""))
        at = str(self.how.constants.get("rating_value", ""))
        tallies: dict[str, Counter[int]] = {}
        for entry in entries:
            said = below(entry, at) if at else entry
            if words(said) in ("", *self.missing):
                continue
            who = self.group(below(entry, by)) if by else group or "raters"
            tallies.setdefault(who, Counter())[self.code(said, options, "answer")] += 1
        if not tallies:
            raise Unusable("there is no rating")
        return {
            "shares": {who: {code: round(count / tally.total(), 6) for code, count in sorted(tally.items())}
                       for who, tally in tallies.items()},
            "n": {who: tally.total() for who, tally in tallies.items()},
        }  # fmt: skip

    def votes(self, row: Mapping[str, Any], group: str) -> dict[str, Any]:
        count, voters = number(self.value(row, "votes")), code_in(self.value(row, "voters"))
        if count is None or not voters or not 0 <= count <= voters:
            raise Unusable("the votes are no number from 0 to that of voters")
        share = round(count / voters, 6)
        who = group or "raters"
        return {
            "shares": {who: {code: part for code, part in ((0, 1 - share), (1, share)) if part}},
            "n": {who: voters},
        }

    # free text

    def free(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the answers in free text that people gave -> how many gave them, the first of equals first."""
        value = structured(self.value(row, "free"))
        if not isinstance(value, list):
            raise Unusable("the answers of people are no list")
        at = str(self.how.constants.get("free_text", ""))
        by = str(self.how.constants.get("free_count", ""))
        found: dict[str, float] = {}
        for entry in value:
            said = structured(below(entry, at) if at else entry)
            text = words(next((one for one in said if words(one)), "") if isinstance(said, list) else said)
            count = number(below(entry, by)) if by else 1.0
            if text and count:
                found[text] = found.get(text, 0.0) + count
        if not found:
            raise Unusable("nobody gave an answer")
        return found
