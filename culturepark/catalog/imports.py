"""Import other people's files as suites: a YAML file with the card, and the items beside it in their own form.

`data/imports` holds the maps of well-known data sets. What a user gives over one of them counts more.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML

from culturepark.catalog.cells import Unusable, as_key, cell, letters, words
from culturepark.catalog.files import load, shown
from culturepark.catalog.item_files import Row, rows_of
from culturepark.catalog.maps import Map, Reader, first_reason, parse
from culturepark.catalog.suites import Card, Conditions, Elicitation, Item, SuiteFile
from culturepark.domain import DEFAULT_LANGUAGE, Key, Noun, Text, is_empty
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.files import clipped, exists, some_of
from culturepark.languages import PACKAGES

FOLDER = Path(__file__).parent / "data" / "imports"
EXAMPLES = 3
"""Places that are named for each reason for which rows are left out."""
CARD_OPTIONS = {
    "by": "--by",
    "written_for": "--written-for",
    "language": "--written-in",
    "correct": "--correct",
    "not_asked": "--not-asked",
    "licence": "--licence",
    "source": "--source",
}
"""Field of the card -> the option that gives it."""
MOST_OPTIONS = 4
"""Options of a question that is made of people's answers: the right one and those of other groups."""


class Form(Map):
    """One form in which a data set is given away, and its map."""

    of: Text
    """Which file this is."""


class NamedMap(Noun):
    """How a well-known data set becomes a suite."""

    imports: Key
    """Its name."""
    title: Text
    note: Annotated[Text | None, Field(exclude_if=lambda value: value is None)] = None
    get: Text
    """Where a user gets the file."""
    checked: Text
    """Against what the names of columns were checked."""
    card: dict[str, Text]
    scorers: Annotated[tuple[Key, ...], Field(min_length=1)]
    scales: Annotated[tuple[Key, ...], Field(exclude_if=is_empty)] = ()
    elicitation: Annotated[Elicitation, Field(exclude_if=lambda value: value == Elicitation())] = Elicitation()
    conditions: Annotated[Conditions, Field(exclude_if=lambda value: value == Conditions())] = Conditions()
    forms: Annotated[tuple[Form, ...], Field(min_length=1)]


@dataclass
class ImportResult:
    """What an import wrote, and what it left out."""

    path: Path
    """The suite's YAML file."""
    rows: int = 0
    """Rows in the files."""
    filtered: int = 0
    """Rows that `where` did not want."""
    items: int = 0
    beyond_limit: int = 0
    """Items that were not drawn."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> how many rows, or items of a row, could not be used."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the first places, as file:line."""
    notes: Counter[str] = field(default_factory=Counter)
    """What was done to values that were used."""
    form: str = ""
    """Which form of a named map fits; empty for one's own map."""

    def as_json(self) -> dict[str, Any]:
        reasons = [
            {"reason": reason, "count": count, "examples": self.examples[reason]}
            for reason, count in self.left_out.most_common()
        ]
        return {
            "path": str(self.path), "rows": self.rows, "items": self.items, "filtered": self.filtered,
            "beyond_limit": self.beyond_limit, "form": self.form, "left_out": reasons, "notes": dict(self.notes),
        }  # fmt: skip


@cache
def named_maps() -> Mapping[str, NamedMap]:
    """Return the shipped maps by their names."""
    found = [load(path, NamedMap) for path in sorted(FOLDER.glob("*.yaml"))]
    return {each.imports: each for each in found}


def find_map(name: str) -> NamedMap | Map:
    """Return a shipped map by its name, or the map in a YAML file.

    Raises:
        UsageError: if there is none, or the file is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or exists(path):
        from culturepark.catalog.files import read_mapping

        return load(path, NamedMap) if "imports" in read_mapping(path) else load(path, Map)
    if found := named_maps().get(name):
        return found
    near = get_close_matches(name, named_maps(), n=2)
    hint = f"; did you mean {' or '.join(near)}" if near else ""
    raise UsageError(
        f"--map {clipped(name)!r} is neither key=column, nor a file, nor a shipped map "
        f"({', '.join(named_maps())}){hint}"
    )


def map_of(texts: Sequence[str], where: Sequence[str] = ()) -> tuple[NamedMap | Map, Map]:
    """Return the map of a command line: a shipped one or a file if it is named, and what counts more.

    Args:
        texts: names of maps, files, or `key=column,key:value`.
        where: `column=value` each.
    Raises:
        UsageError: if a text is none of them, or two maps are named.
    """
    names = [text for text in texts if not re.match(r"\s*[a-z_0-9]+\s*[=:]", text)]
    over = parse((text for text in texts if text not in names), where)
    if len(names) > 1:
        raise UsageError(
            f"--map names both {clipped(names[0])} and {clipped(names[1])}; one map is wanted, and key=column"
        )
    if not names and not over.map:
        raise UsageError(
            f"--map is lacking: name a shipped map ({', '.join(named_maps())}), a YAML file, or columns, "
            "as question=Question,answer=Answer"
        )
    return (find_map(names[0]), over) if names else (over, Map())


def import_suite(
    files: Path | Sequence[Path],
    how: NamedMap | Map,
    *,
    out: Path,
    over: Map | None = None,
    name: str | None = None,
    title: str | None = None,
    card: Mapping[str, str] | None = None,
    scorers: Sequence[str] = (),
    with_file: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> ImportResult:
    """Write NAME.yaml and NAME.jsonl, a suite of the rows of one file or several.

    Args:
        how: a shipped map or one's own.
        out: the folder for both files.
        over: columns, constants and filters that count more than those of `how`.
        name: of the suite; None for that of the map, or of the first file.
        card: fields of the card, which count more than those of the map.
        scorers: None of them for those of the map.
        with_file: fillers for masks, or further columns of the rows.
        limit: at most so many items, drawn with the seed.
    Raises:
        UsageError: if the card lacks fields, a file is there already, or no row can be used.
        CatalogError: if a file cannot be read.
    """
    paths = [files] if isinstance(files, Path) else list(files)
    named = how if isinstance(how, NamedMap) else None
    name = as_name(name, named, paths[0])
    yaml_path, items_path = out / f"{name}.yaml", out / f"{name}.jsonl"
    for path in (yaml_path, items_path):
        if exists(path):
            raise UsageError(f"{shown(path)} is there already, and stays as it is; take another --name or --out")
    head = header(name, named, title, card or {}, scorers)
    chosen = form_of(named, paths[0]) if named else how
    assert isinstance(chosen, Map)
    complete = Map(map=chosen.map, constants=chosen.constants, where=chosen.where, recode=chosen.recode)
    complete = complete if over is None else complete | over
    check_columns(complete, paths[0])
    result = ImportResult(yaml_path, form=chosen.of if isinstance(chosen, Form) else "")
    work = Import(complete, with_file, seed, result)
    try:
        out.mkdir(parents=True, exist_ok=True)
        part = items_path.with_suffix(".jsonl.part")
        with part.open("w", encoding="utf-8") as file:
            for line in drawn(work.lines(paths), limit, seed, result):
                file.write(line + "\n")
                result.items += 1
        if not result.items:
            part.unlink()
            raise UsageError(nothing_left(paths[0], result))
        head["items"] = items_path.name
        if asked := languages_of(work.languages):
            head["conditions"] = {**head.get("conditions", {}), "languages": asked}
        with yaml_path.open("x", encoding="utf-8") as file:
            file.write(
                f"# Imported by `culturepark suites import` from {', '.join(clipped(p.name) for p in paths[:3])}.\n"
            )
            yaml = YAML()
            yaml.width, yaml.allow_unicode = 110, True
            yaml.dump(head, file)
        os.replace(part, items_path)
    except OSError as error:
        raise UsageError(f"{shown(out)} cannot be written: {error.strerror}; name another folder with --out") from None
    finally:
        with suppress(OSError):
            items_path.with_suffix(".jsonl.part").unlink()
    result.notes += work.reader.notes
    if unasked := sorted(set(work.languages) - set(PACKAGES)):
        count = sum(work.languages[code] for code in unasked)
        result.notes[f"items in {', '.join(unasked)} are asked by nobody: there are no prompts in it"] = count
    return result


def as_name(name: str | None, named: NamedMap | None, path: Path) -> str:
    if name is None:
        name = named.imports if named else re.sub(r"[^a-z0-9]+", "-", path.stem.casefold()).strip("-") or "suite"
    try:
        TypeAdapter(Key).validate_python(name)
    except ValidationError:
        raise UsageError(f"--name {clipped(name)!r}: a suite is called in a-z, 0-9 and -, as food-customs") from None
    return name


def header(
    name: str, named: NamedMap | None, title: str | None, given: Mapping[str, str], scorers: Sequence[str]
) -> dict[str, Any]:
    """Return the suite's file without its items.

    Raises:
        UsageError: if the card, the title or the scorers are wanting.
    """
    card = {**(named.card if named else {}), **{key: text for key, text in given.items() if text}}
    lacking = [option for key, option in CARD_OPTIONS.items() if key not in card]
    if named is None:
        lacking += ["--title"] * (not title) + ["--scorer"] * (not scorers)
    if lacking:
        raise UsageError(
            f"a suite needs a full card, and the map does not give it: {', '.join(lacking)}. "
            "`culturepark suites import --help` says what each of them is"
        )
    head: dict[str, Any] = {
        "suite": name,
        "title": title or (named.title if named else name),
        "card": {key: card[key] for key in CARD_OPTIONS},
        "items": [],
        "scorers": list(scorers or (named.scorers if named else ())),
    }
    if named:
        rest = named.model_dump(
            mode="json", include={"note", "scales", "elicitation", "conditions"}, exclude_defaults=True
        )
        head |= rest
    try:
        Card.model_validate(head["card"])
        SuiteFile.model_validate(head | {"items": "items.jsonl"})
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        raise UsageError(f"the suite's {'.'.join(map(str, what['loc']))}: {first_reason(error)}") from None
    return head


def first_row(path: Path, head: Sequence[str] = ()) -> Row:
    for _, row in rows_with_names(path, head):
        return row
    raise CatalogError([Problem(shown(path), None, "", "holds no rows")])


def form_of(named: NamedMap, path: Path) -> Form:
    """Return the form of a data set whose columns a file has.

    Raises:
        UsageError: if it is none of them.
    """
    columns = {str(name) for name in first_row(path)} if path.suffix != ".txt" else set[str]()
    for form in named.forms:
        if form.head and fits_head(form, path):
            return form
        if not form.head and not lacking_columns(form, columns):
            return form
    told = "; ".join(
        f"{form.of} has {len(form.head)} cells a line" if form.head
        else f"{form.of} lacks {some_of(lacking_columns(form, columns), 4)}"
        for form in named.forms
    )  # fmt: skip
    raise UsageError(
        f"{shown(path)} is no file that the map {named.imports} knows: as {told}. Its columns are "
        f"{some_of([clipped(name) for name in columns if not name.startswith('_')], 20)}; --map key=column names others"
    )


def fits_head(form: Form, path: Path) -> bool:
    """Return whether a file without a head line has as many cells as the form names, and its answer means something."""
    row = {name: cell for name, cell in first_row(path, form.head).items() if not name.startswith("_")}
    said = form.recode.get("answer", {})
    return len(row) == len(form.head) and (not said or words(row.get(form.map.get("answer", ""))) in said)


def lacking_columns(how: Map, columns: set[str]) -> list[str]:
    return sorted(
        name
        for name in how.columns()
        if name not in columns and not any(name.startswith(f"{column}.") for column in columns)
    )


def check_columns(how: Map, path: Path) -> None:
    """
    Raises:
        UsageError: if the map names a column that the first row lacks.
    """
    if not how.map:
        raise UsageError("the map names no column; write --map question=COLUMN, or a shipped map's name")
    columns = {str(name) for name in first_row(path, how.head)}
    # JSON lines may leave a key out of some rows, so optional keys are let pass there.
    needed = Map(
        map={key: column for key, column in how.map.items() if key in ("question", "answer", "options", "shares")}
    )
    lacking = lacking_columns(how if path.suffix in (".csv", ".tsv", ".parquet") else needed, columns)
    if lacking:
        real = [clipped(name) for name in columns if not name.startswith("_")]
        raise UsageError(f"{shown(path)} has no column {clipped(lacking[0])!r}; it has {some_of(sorted(real), 20)}")


def rows_with_names(path: Path, head: Sequence[str] = ()) -> Iterator[tuple[int, Row]]:
    for line, row in rows_of(path, head):
        yield line, row | {"_file": path.stem, "_line": line}


def drawn(lines: Iterator[str], limit: int | None, seed: int, result: ImportResult) -> Iterator[str]:
    """Yield all lines, or as many as the limit, drawn evenly and in their order."""
    if limit is None:
        yield from lines
        return
    random_ = random.Random(seed)
    kept: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        if index < limit:
            kept.append((index, line))
            continue
        result.beyond_limit += 1
        if (place := random_.randrange(index + 1)) < limit:
            kept[place] = (index, line)
    yield from (line for _, line in sorted(kept))


def languages_of(found: Mapping[str, int]) -> list[str]:
    """Return the languages in which a suite is put, so that each item is in its own; none of them for English alone."""
    known = sorted(code for code in found if code in PACKAGES)
    return [] if known in ([], [DEFAULT_LANGUAGE]) else known


def nothing_left(path: Path, result: ImportResult) -> str:
    why = "; ".join(
        f"{count} x {reason} ({result.examples[reason][0]})" for reason, count in result.left_out.most_common(3)
    )
    if not why:
        why = f"--where took none of {result.rows}" if result.rows else "it holds no rows"
    return f"{shown(path)}: no row can be used: {why}"


class Import:
    """One import: makes items of rows, and counts what it leaves out."""

    def __init__(self, how: Map, with_file: Path | None, seed: int, result: ImportResult) -> None:
        self.how, self.seed, self.result = how, seed, result
        self.reader = Reader(how)
        self.keys: set[str] = set()
        self.languages: Counter[str] = Counter()
        """Language -> items that are written in it."""
        self.fillers: dict[str, dict[str, list[str]]] = {}
        self.joined: dict[str, list[Row]] = {}
        needs = [key for key in ("join", "mask") if how.has(key)]
        if needs and with_file is None and not how.has("pair_by"):
            what = "the fillers of its masks" if needs[-1] == "mask" else "rows to join"
            raise UsageError(f"the map takes {what} from a second file; name it with --with FILE")
        if with_file is not None and not needs:
            raise UsageError("--with FILE goes with a map that has `join` or `mask`")
        if with_file is not None:
            self.read_second(with_file)

    def read_second(self, path: Path) -> None:
        how = self.how
        if how.has("join"):
            column = how.map.get("join") or str(how.constants["join"])
            for _, row in rows_of(path):
                self.joined.setdefault(words(cell(row, column)), []).append(row)
            if set(self.joined) <= {""}:
                raise UsageError(f"{shown(path)} has no column {clipped(column)!r}, by which rows are joined")
            return
        filler, side = str(how.constants.get("filler", "filler")), str(how.constants.get("filler_side", "side"))
        kind = str(how.constants.get("filler_type", ""))
        wanted = {str(how.constants.get(end, end)): end for end in ("near", "far")}
        for _, row in rows_of(path):
            end, text = wanted.get(words(cell(row, side))), words(cell(row, filler))
            if end and text:
                of_type = self.fillers.setdefault(
                    letters(words(cell(row, kind))) if kind else "", {"near": [], "far": []}
                )
                of_type[end].append(text)
        if not self.fillers:
            raise UsageError(
                f"{shown(path)} has no fillers: no row has `{filler}`, and in `{side}` {' or '.join(wanted)}"
            )

    def lines(self, paths: Sequence[Path]) -> Iterator[str]:
        """Yield the items as lines of JSON."""
        source = self.all_rows(paths)
        if self.how.has("options_from"):
            items = self.of_answers(source)
        elif self.how.has("pair_by"):
            items = self.of_pairs(source)
        else:
            items = self.of_rows(source)
        for where, values in items:
            try:
                item = Item.model_validate(values)
            except ValidationError as error:
                what = error.errors(include_url=False)[0]
                place = ".".join(str(part) for part in what["loc"] if not isinstance(part, int))
                self.leave_out(where, clipped(f"{place}: {first_reason(error)}".removeprefix(": "), 200))
                continue
            if item.key in self.keys:
                self.leave_out(where, "its key is that of an item before it")
                continue
            self.keys.add(item.key)
            self.languages[item.language] += 1
            yield json.dumps(written(item), ensure_ascii=False)

    def leave_out(self, where: str, reason: str) -> None:
        self.result.left_out[reason] += 1
        places = self.result.examples.setdefault(reason, [])
        if len(places) < EXAMPLES:
            places.append(where)

    def all_rows(self, paths: Sequence[Path]) -> Iterator[tuple[str, str, Row]]:
        """Yield the wanted rows with their places and numbers, each with what the second file has of it."""
        number = 0
        for path in paths:
            file = shown(path)
            for line, row in rows_with_names(path, self.how.head):
                number += 1
                self.result.rows += 1
                if self.joined:
                    rows = self.joined.get(self.reader.text(row, "join"))
                    if rows is None:
                        self.leave_out(f"{file}:{line}", "the second file has no row of it")
                        continue
                    row |= {"_with": rows[0], "_rows": rows}
                if not self.reader.takes(row):
                    self.result.filtered += 1
                    continue
                yield f"{file}:{line}", str(number), row

    def of_rows(self, rows: Iterator[tuple[str, str, Row]]) -> Iterator[tuple[str, dict[str, Any]]]:
        for where, number, whole in rows:
            try:
                for row in self.reader.expand(whole):
                    try:
                        item = self.reader.item(row, number)
                        if "_each" in row:
                            item["key"] = f"{item['key']}.{as_key(row['_each']['key'])}"[:120]
                        if self.fillers:
                            yield from ((where, pair) for pair in self.pairs(row, item))
                        else:
                            yield where, item
                    except Unusable as error:
                        self.leave_out(where, str(error))
            except Unusable as error:
                self.leave_out(where, str(error))

    def pairs(self, row: Row, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a masked question with pairs of fillers as its options: 1 is near, 2 far."""
        mask = str(self.how.constants["mask"])
        if item["question"].count(mask) != 1:
            raise Unusable(f"the question does not have one {mask}")
        kind = self.reader.text(row, "type") if self.how.has("type") else ""
        ends = self.fillers.get(letters(kind) if self.how.has("filler_type") else "")
        if ends is None or not ends["near"] or not ends["far"]:
            raise Unusable("the second file has no near and far fillers of its type")
        most = int(self.how.constants.get("pairs", 3))  # type: ignore[arg-type]  # digits, as checked
        order = self.random(item["key"])
        near, far = (order.sample(ends[end], min(most, len(ends[end]))) for end in ("near", "far"))
        for number, (one, other) in enumerate(zip(near, far, strict=False), 1):
            yield pair_of(item, f"{item['key']}.{number}", one, other)

    def of_pairs(self, rows: Iterator[tuple[str, str, Row]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield pairs of rows of one file, as a sentence and its contrast."""
        constants = self.how.constants
        filler, side = str(constants.get("filler", "filler")), str(constants.get("filler_side", "side"))
        near, far = str(constants.get("near", "near")), str(constants.get("far", "far"))
        groups: dict[str, list[tuple[str, str, Row]]] = {}
        for where, number, row in rows:
            groups.setdefault(self.reader.text(row, "pair_by"), []).append((where, number, row))
        for rows_of_group in groups.values():
            first = next((each for each in rows_of_group if words(cell(each[2], side)) == near), None)
            others = [each for each in rows_of_group if words(cell(each[2], side)) in far.split("|")]
            for where, number, row in [first] if first else rows_of_group[:1]:
                try:
                    one = words(cell(row, filler))
                    if first is None or not others:
                        raise Unusable(f"there is no row that is {'far' if first else 'near'} beside it")
                    item = self.reader.common(row, number)
                    item["question"] = item["question"] or str(constants.get("mask", "[MASK]"))
                    for count, (place, _, other) in enumerate(others, 1):
                        text = words(cell(other, filler))
                        if not one or not text or one == text:
                            self.leave_out(place, "one of the two is empty, or they are the same")
                            continue
                        yield place, pair_of(item, f"{item['key']}.{count}", one, text)
                except Unusable as error:
                    self.leave_out(where, str(error))

    def of_answers(self, rows: Iterator[tuple[str, str, Row]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield questions whose options are the commonest answers of their own and of other groups."""
        held: dict[str, list[tuple[str, dict[str, Any], dict[str, float]]]] = {}
        for where, number, row in rows:
            try:
                item = self.reader.common(row, number)
                if not item.get("group"):
                    raise Unusable("its group is empty")
                answers = self.reader.free(row)
            except Unusable as error:
                self.leave_out(where, str(error))
                continue
            held.setdefault(self.reader.text(row, "options_from"), []).append((where, item, answers))
        for asked in held.values():
            for where, item, answers in asked:
                right = max(answers, key=lambda text, said=answers: said[text])  # type: ignore[misc]
                taken = {letters(text) for text in answers}
                others: list[str] = []
                for _, other, theirs in asked:
                    text = max(theirs, key=lambda text, said=theirs: said[text])  # type: ignore[misc]
                    if other["group"] != item["group"] and letters(text) not in taken:
                        taken.add(letters(text))
                        others.append(text)
                if not others:
                    self.leave_out(where, "no other group has another commonest answer")
                    continue
                order = self.random(item["key"])
                options = [right, *order.sample(others, min(MOST_OPTIONS - 1, len(others)))]
                order.shuffle(options)
                yield (
                    where,
                    item
                    | {
                        "options": [{"code": code, "label": text} for code, text in enumerate(options, 1)],
                        "answer": options.index(right) + 1,
                    },
                )

    def random(self, key: str) -> random.Random:
        """Return what draws for one item: the same whatever other rows there are."""
        return random.Random(hashlib.sha256(f"{self.seed}/{key}".encode()).hexdigest())


def pair_of(item: dict[str, Any], key: str, near: str, far: str) -> dict[str, Any]:
    options = [{"code": 1, "label": near}, {"code": 2, "label": far}]
    return item | {"key": key[:120], "options": options, "answer": 1}


def written(item: Item) -> dict[str, Any]:
    """Return an item as a line of its file, without what says nothing."""
    values = item.model_dump(mode="json")
    return {
        key: value for key, value in values.items() if value not in ("", None) and (key, value) != ("scale", "nominal")
    }
