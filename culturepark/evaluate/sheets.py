"""Rating sheets for people: answers in a shuffled order under codes, without what would tell which model or arm it was.

A sheet is a CSV file for a spreadsheet, or a web page that keeps its ratings in the browser and saves them as CSV. A
code is made of the evaluation's, the answer's id and the answer's words, so a sheet is read back without a key file,
and what was said of other words is not taken in.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from culturepark.catalog.files import MAX_PROBLEMS, read_text, shown
from culturepark.catalog.scales import Scale
from culturepark.catalog.suites import Suite
from culturepark.dialogue.stance import shuffled
from culturepark.domain import PERSON
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.evaluate.figures import Score
from culturepark.evaluate.judging import Subject, applies, rubric_digest
from culturepark.evaluate.ratings import detail_of
from culturepark.files import clipped
from culturepark.store.reviewer import named

HERE = Path(__file__).parent
CODE, RATER, MESSAGE, REFERENCE, ANSWER, NOTE = "code", "rater", "message", "reference", "answer", "note"
NOT_ASKED = "-"
"""Stands in a cell of a scale on which an answer is not rated."""
LONGEST_NOTE = 2000
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""
MARK = "<!doctype html>\n<!-- a culturepark rating sheet -->\n"
"""The beginning of every page; a file that begins otherwise is not overwritten."""


@dataclass(frozen=True)
class Line:
    """One answer on a sheet."""

    code: str
    message: str
    answer: str
    reference: str
    scales: tuple[str, ...]
    """Those on which it is rated."""
    language: str


def code_of(evaluation_id: str, subject: Subject) -> str:
    """Return eight letters and digits that tell nothing of the answer's place, arm or model."""
    taken = hashlib.sha256(f"{evaluation_id}\x1f{subject.id}\x1f{subject.text}".encode("utf-8", "surrogatepass"))
    return base64.b32encode(taken.digest()).decode()[:8]


def lines_of(
    evaluation_id: str, suite: Suite, subjects: Sequence[Subject], scales: Sequence[Scale], seed: int
) -> list[Line]:
    """Return the lines of a sheet in their shuffled order: those of answers that are rated on any of the scales.

    Raises:
        UsageError: if two answers have one code.
    """
    lines = []
    for subject in subjects:
        own = tuple(scale.scale for scale in scales if applies(scale, subject.item, suite))
        reference = subject.item.reference if any(s.needs_reference for s in scales if s.scale in own) else None
        line = Line(
            code_of(evaluation_id, subject), subject.item.question, subject.text, reference or "", own,
            subject.language,
        )  # fmt: skip
        lines += [line] if own else []
    if len({line.code for line in lines}) < len(lines):
        raise UsageError("two answers would have the same code; please report it")
    # By code first: the order of the answers is that of their arms, and would shine through a shuffle that is known.
    lines.sort(key=lambda line: line.code)
    return [lines[place] for place in shuffled(len(lines), "sheet", seed)]


# --- writing -----------------------------------------------------------------------------------------


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; an apostrophe before it is what they do themselves."""
    return f"'{cell}" if cell.startswith(RISKY) else cell


def as_csv(lines: Sequence[Line], scales: Sequence[Scale]) -> str:
    with_reference = any(line.reference for line in lines)
    texts = [MESSAGE, *([REFERENCE] if with_reference else []), ANSWER]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([CODE, RATER, *texts, *(scale.scale for scale in scales), NOTE])
    for line in lines:
        held = {MESSAGE: line.message, REFERENCE: line.reference, ANSWER: line.answer}
        cells = ["" if scale.scale in line.scales else NOT_ASKED for scale in scales]
        writer.writerow([line.code, "", *(harmless(held[name]) for name in texts), *cells, ""])
    return out.getvalue()


def rubric_text(scales: Sequence[Scale]) -> str:
    """Return the rubric that goes with a sheet in CSV, as Markdown."""
    parts = [
        "# How to rate\n\n"
        "Rate each answer by itself, in the order of the sheet. Write a whole number into the column of each scale; "
        "leave a cell empty where you cannot say, and do not touch cells with a `-`. Write your name, or a made-up one "
        "that you keep, into the column `rater`. You do not know who or what wrote an answer, and need not guess.\n"
    ]
    for scale in scales:
        steps = "\n".join(f"- **{step}**: {scale.steps[step]}" for step in sorted(scale.steps))
        look = "".join(f"- {line}\n" for line in scale.lines)
        parts.append(
            f"## {scale.scale}: {scale.title}\n\n{scale.question} From {scale.least} to {scale.most}.\n\n{steps}\n"
            + (f"\nLook at:\n\n{look}" if look else "")
        )
    return "\n".join(parts)


def as_page(lines: Sequence[Line], scales: Sequence[Scale], name: str) -> str:
    """Return a web page that needs no network and no other file.

    Args:
        name: of the file with the ratings, without its ending.
    """
    folder = FileSystemLoader(HERE)
    made = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script, style = ((HERE / f"sheet.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return MARK + made.get_template("sheet.html").render(
        lines=lines,
        scales=scales,
        steps={scale.scale: list(range(scale.least, scale.most + 1)) for scale in scales},
        digest=hashlib.sha256("".join(line.code for line in lines).encode()).hexdigest()[:12],
        name=name,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def write_sheet(path: Path, lines: Sequence[Line], scales: Sequence[Scale]) -> list[Path]:
    """Write a sheet by the ending of its name, and return the files that were written.

    Raises:
        UsageError: if the ending is another, or a file is there that is no sheet, or cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".csv":
        files = {path: as_csv(lines, scales), path.with_suffix(".rubric.md"): rubric_text(scales)}
    elif kind in (".html", ".htm"):
        files = {path: as_page(lines, scales, path.stem)}
    else:
        raise UsageError(f"--sheet {clipped(path)}: a name that ends in .csv or .html is wanted")
    try:
        check_free(path, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, text in files.items():
            # A byte order mark, without which spreadsheets read UTF-8 as something else.
            with place.open("w", encoding="utf-8-sig" if place.suffix == ".csv" else "utf-8", newline="") as file:
                file.write(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--sheet {clipped(path)}: {getattr(error, 'strerror', None) or error}") from None
    return list(files)


def check_free(path: Path, kind: str) -> None:
    """
    Raises:
        UsageError: if a file is there that is no sheet, or one that somebody has begun to fill in.
    """
    if not path.exists():
        return
    if kind != ".csv" and path.read_text("utf-8", errors="replace").startswith(MARK):
        return
    raise UsageError(f"--sheet {clipped(path)}: the file exists, and may hold ratings; name another")


# --- reading -----------------------------------------------------------------------------------------


def read_sheet(
    path: Path,
    evaluation_id: str,
    suite: Suite,
    subjects: Sequence[Subject],
    scales: Sequence[Scale],
    rater: str | None,
) -> list[Score]:
    """Return the ratings of a filled-in sheet.

    Args:
        scales: those that may be columns.
        rater: who filled it in; None if the column `rater` says so.
    Raises:
        CatalogError: with all problems, each with its line. Then nothing of the file counts.
    """
    text = read_text(path)
    # Spreadsheets in many countries save with semicolons.
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [str(name) for name in reader.fieldnames or ()]
        check_columns(path, columns, scales, rater)
        rows = []
        before = reader.line_num
        for row in reader:  # a cell may hold several lines; a row is named by its first
            rows.append((before + 1, {str(name): value for name, value in row.items()}))
            before = reader.line_num
    except csv.Error as error:
        raise CatalogError([Problem(shown(path), reader.line_num, "", f"is no CSV: {clipped(error, 100)}")]) from None
    by_code = {code_of(evaluation_id, subject): subject for subject in subjects}
    read = Reading(path, suite, by_code, [scale for scale in scales if scale.scale in columns], rater)
    scores = [score for line, row in rows for score in read.scores(line, row)]
    if read.problems:
        raise CatalogError(read.problems[:MAX_PROBLEMS])
    if not scores:
        raise CatalogError([Problem(shown(path), None, "", "nobody has filled in a rating")])
    return scores


def check_columns(path: Path, columns: Sequence[str], scales: Sequence[Scale], rater: str | None) -> None:
    def refuse(key: str, what: str) -> None:
        raise CatalogError([Problem(shown(path), 1, key, what)])

    if CODE not in columns:
        refuse(CODE, "there is no such column: a sheet of `culturepark judge --sheet` is wanted")
    names = [scale.scale for scale in scales]
    if not any(name in columns for name in names):
        refuse(", ".join(names), "there is no such column; the scales of the sheet are named with --scale")
    if rater is None and RATER not in columns:
        refuse(RATER, "there is no such column; --rater NAME says who filled it in")


@dataclass
class Reading:
    """Reads the rows of one sheet, and gathers what is wrong with them."""

    path: Path
    suite: Suite
    by_code: Mapping[str, Subject]
    scales: Sequence[Scale]
    rater: str | None

    def __post_init__(self) -> None:
        self.problems: list[Problem] = []
        self._lines: dict[tuple[str, str], int] = {}
        """Rater and code -> line."""

    def _refuse(self, line: int, key: str, what: str) -> None:
        self.problems.append(Problem(shown(self.path), line, key, what))

    def scores(self, line: int, row: Mapping[str, object]) -> Iterator[Score]:
        cells = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
        given = [(s, cell) for s in self.scales if (cell := cells.get(s.scale, "")) not in ("", NOT_ASKED)]
        if not given:
            return
        code, who = cells.get(CODE, ""), self.rater or cells.get(RATER, "")
        subject = self.by_code.get(code)
        if subject is None:
            self._refuse(line, CODE, f"{clipped(code)!r} is no answer of this evaluation, or one of other words")
            return
        try:
            person = f"{PERSON}{named(who)}"
        except UsageError as error:
            self._refuse(line, RATER, f"{error}; --rater NAME says who filled it in")
            return
        if (first := self._lines.setdefault((person, code), line)) != line:
            self._refuse(line, CODE, f"{code} was rated in line {first} already by the same rater")
            return
        note = cells.get(NOTE, "")[:LONGEST_NOTE] or None
        for scale, cell in given:
            if not applies(scale, subject.item, self.suite):
                self._refuse(line, scale.scale, "this answer is not rated on this scale")
            elif (value := step_of(cell, scale)) is None:
                self._refuse(
                    line, scale.scale, f"{clipped(cell)!r} is no whole number from {scale.least} to {scale.most}"
                )
            else:
                detail = detail_of(scale.least, scale.most, scale.panel, rubric_digest(scale), reason=note)
                yield Score(subject.id, scale.scale, value, detail, person)


def step_of(cell: str, scale: Scale) -> float | None:
    """Return a step of a scale; None for anything else. Spreadsheets write 4 as `4.0` or `4,0`."""
    try:
        number = float(cell.replace(",", ".")) if cell.isascii() else float("nan")
    except ValueError:
        return None
    return number if number == round_or_none(number) and scale.least <= number <= scale.most else None


def round_or_none(number: float) -> float | None:
    try:
        return float(round(number))
    except (ValueError, OverflowError):
        return None
