"""What a filter learns from and looks at: rated rows of a file or a store, and texts of files of any export format."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from culturepark.catalog.files import read_lines, shown
from culturepark.catalog.scales import Scale, find_scale, shipped_scales
from culturepark.domain import PERSON
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.figures import Score
from culturepark.evaluate.ratings import PANELS, rated, together
from culturepark.files import clipped, is_folder, some_of
from culturepark.models.filter import Text
from culturepark.models.kinds import kind_of

LABEL = "label"
"""The name of the scale of a file that has labels and no ratings."""
OTHERS = (".index.jsonl",)
"""Ends of the files of an export folder that hold no rows."""
LONGEST_TEXT = 200_000
"""Characters of a text."""


@dataclass(frozen=True)
class Measured:
    """What rows are rated on."""

    name: str
    kind: str
    """`label` or `rating`."""
    least: float
    most: float
    bar: float
    """People object below it; to a label if more than this share of them give it."""
    panel: str = "mean"
    """How the ratings of several judges become one."""

    def objects(self, target: float) -> bool:
        """Whether people object to a row of this mean rating, or of this share of a label."""
        return target > self.bar if self.kind == "label" else target < self.bar


@dataclass(frozen=True)
class Row:
    """A rated text."""

    id: str
    text: Text
    group: str
    """Rows of a group stand on one side of every split: a template, an item, a dialogue."""
    people: Mapping[str, Mapping[str, float]]
    """Scale -> person -> rating."""
    judges: Mapping[str, Mapping[str, float]]
    """The same of models."""

    def target(self, scale: Measured) -> float | None:
        """Return the mean of people's ratings, of the judges' where no person rated it; None where nobody did."""
        if people := self.people.get(scale.name):
            return fmean(people.values())
        if judges := self.judges.get(scale.name):
            return PANELS[scale.panel](list(judges.values()))
        return None


@dataclass(frozen=True)
class Rated:
    """All rows, with what the card says of where they are from."""

    rows: tuple[Row, ...]
    scales: tuple[Measured, ...]
    source: str
    """A file's name, or the id of an evaluation."""
    licence: str = ""
    """Empty where nobody has said."""
    of_store: bool = False
    """Whether they are answers of an evaluation, whose groups are keys of items: of a run's rows, their ids."""


# --- from a file -------------------------------------------------------------------------------------


def rated_rows(
    path: Path,
    *,
    flag: Sequence[str] = (),
    scales: Sequence[str] = (),
    bars: Mapping[str, float] | None = None,
    licence: str = "",
) -> Rated:
    """Read rated rows of a file of JSON lines.

    A line has the text (as `text`, as `prompt` and `response`, or as a row of any export), `label`, `labels` by rater,
    `ratings` by scale (a number, or numbers by rater), and perhaps `id`, `language`, `culture` and `group`.

    Args:
        flag: labels that a filter has to find; needed where labels are words.
        scales: names or files of the scales that rows are rated on, beside the shipped ones.
        bars: scale -> the rating below which people object. The middle of the scale where it is not named.
        licence: of the rows.
    Raises:
        CatalogError: for the first wrong line.
        UsageError: if nothing can be learnt from the file.
    """
    rows: list[Row] = []
    labels: Counter[object] = Counter()
    for number, found in objects(path):
        where = Problems(path, number)
        text = text_of(found, where)
        ratings = ratings_in(found, where)
        people = {rater: value for rater, value in labels_in(found, where).items() if value is not None}
        labels.update(people.values())
        if people:
            flagged = {rater: float(flags(value, flag)) for rater, value in people.items()}
            ratings = ratings | {LABEL: flagged}
        if not ratings:
            where.wrong("label", "a label, `labels` by rater or `ratings` by scale is wanted")
        key = str(found.get("id") or f"{path.name}:{number}")
        rows.append(
            Row(
                id=key,
                text=text,
                group=str(found.get("group") or (text.prompt + "\n" + text.text).casefold()),
                people=divided(ratings, judges=False),
                judges=divided(ratings, judges=True),
            )
        )
    check_labels(labels, flag, path)
    named = list(dict.fromkeys(name for row in rows for name in (*row.people, *row.judges)))
    known = {scale.scale: scale for scale in map(find_scale, scales)}
    return Rated(
        rows=tuple(rows),
        scales=tuple(measured(name, known, bars or {}, path) for name in named),
        source=path.name,
        licence=licence,
    )


class Problems:
    """Names the file and line of what is wrong."""

    def __init__(self, path: Path, line: int) -> None:
        self.path, self.line = path, line

    def wrong(self, key: str, what: str) -> None:
        """
        Raises:
            CatalogError: always.
        """
        raise CatalogError([Problem(shown(self.path), self.line, key, what)])


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the JSON objects of a file of lines, each with the number of its line."""
    for number, line in read_lines(path):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise CatalogError([Problem(shown(path), number, "", "is no JSON object; one a line is wanted")])
        yield number, found


def labels_in(found: Mapping[str, Any], where: Problems) -> dict[str, object]:
    """Return the labels of a row by rater; a single one is nobody's in particular."""
    if (several := found.get("labels")) is not None:
        if not isinstance(several, dict) or not all(isinstance(value, str | int | None) for value in several.values()):
            where.wrong("labels", "a map of raters to labels is wanted")
        return dict(several)
    label = found.get("label")
    if not isinstance(label, str | int | None):
        where.wrong("label", "a word, 0, 1, true or false is wanted")
    return {} if label is None else {f"{PERSON}all": label}


def flags(label: object, flag: Sequence[str]) -> bool:
    """Whether a label is one that a filter has to find."""
    return str(label) in flag if flag else label in (1, True, "1")


def check_labels(labels: Mapping[object, int], flag: Sequence[str], path: Path) -> None:
    """
    Raises:
        UsageError: if it is not clear which labels are to be found, or none of them is there.
    """
    words = sorted({str(label) for label in labels})
    if not words:
        if flag:
            raise UsageError(f"--flag {clipped(flag[0])}: no row has a label; {shown(path)} has ratings alone")
        return
    if not flag and not set(labels) <= {0, 1, "0", "1"}:
        raise UsageError(
            f"{shown(path)}: the labels are {some_of([clipped(word) for word in words], 8)}; --flag LABEL says which "
            "of them a filter has to find"
        )
    if strange := [label for label in flag if label not in words]:
        raise UsageError(f"--flag {clipped(strange[0])}: no row has that label, only {some_of(words, 8)}")


def ratings_in(found: Mapping[str, Any], where: Problems) -> dict[str, dict[str, float]]:
    """Return ratings by scale and rater."""
    given = found.get("ratings")
    if given is None:
        return {}
    if not isinstance(given, dict):
        where.wrong("ratings", "a map of scales to ratings is wanted")
        raise AssertionError
    by_scale: dict[str, dict[str, float]] = {}
    for scale, value in given.items():
        raters = value if isinstance(value, dict) else {f"{PERSON}all": value}
        own = {rater: number for rater, number in raters.items() if number is not None}
        if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in own.values()):
            where.wrong(f"ratings.{clipped(scale)}", "a number, or numbers by rater, are wanted")
        if own:
            by_scale[str(scale)] = {rater: float(number) for rater, number in own.items()}
    return by_scale


def divided(ratings: Mapping[str, Mapping[str, float]], *, judges: bool) -> dict[str, dict[str, float]]:
    """Return the ratings of models (raters called like a model's spec, `openai:NAME`) or of people."""
    parts = {
        scale: {rater: value for rater, value in own.items() if is_model(rater) == judges}
        for scale, own in ratings.items()
    }
    return {scale: own for scale, own in parts.items() if own}


def is_model(rater: str) -> bool:
    return not rater.startswith(PERSON) and kind_of(rater) is not None


def measured(name: str, known: Mapping[str, Scale], bars: Mapping[str, float], path: Path) -> Measured:
    """
    Raises:
        UsageError: if the ends of a scale are not known.
    """
    if name == LABEL:
        return Measured(LABEL, "label", 0.0, 1.0, bars.get(LABEL, 0.5))
    scale = known.get(name) or (find_scale(name) if name in shipped_scales() else None)
    if scale is None:
        raise UsageError(f"{shown(path)}: rows are rated on {clipped(name)!r}; --scale FILE says what its ends are")
    return Measured(
        name,
        "rating",
        float(scale.least),
        float(scale.most),
        bars.get(name, (scale.least + scale.most) / 2),
        scale.panel,
    )


# --- from a store ------------------------------------------------------------------------------------


def rated_answers(
    sheet: Sheet, scores: Iterable[Score], source: str, *, bars: Mapping[str, float] | None = None, licence: str = ""
) -> Rated:
    """Return the rated answers of an evaluation: ratings by the judges of `judge`, and by people.

    Answers to one item stand on one side of every split.

    Raises:
        UsageError: if nothing was rated.
    """
    people: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    judges: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    scales = []
    by_id = {answer.id: answer for answer in sheet.answers if answer.item in sheet.items}
    for ratings in rated(score for score in scores if score.answer_id in by_id):
        scales.append(
            Measured(
                ratings.scale,
                "rating",
                float(ratings.least),
                float(ratings.most),
                (bars or {}).get(ratings.scale, (ratings.least + ratings.most) / 2),
                ratings.panel,
            )
        )
        for side, raters in ((people, ratings.people), (judges, ratings.judges)):
            for rater, own in raters.items():
                for answer_id, value in own.items():
                    side[answer_id].setdefault(ratings.scale, {})[rater] = value
    rows = []
    for answer_id in sorted({*people, *judges}):
        answer = by_id[answer_id]
        item = sheet.items[answer.item].in_language(answer.language) or sheet.items[answer.item]
        culture = answer.culture or sheet.culture_of.get(answer.group) or ""
        rows.append(
            Row(
                id=answer_id,
                text=Text(answer.text, item.question, answer.language, culture),
                group=answer.item,
                people=people.get(answer_id, {}),
                judges=judges.get(answer_id, {}),
            )
        )
    if not rows:
        raise UsageError(f"{source} has no ratings; `culturepark judge {source}` has its answers rated")
    return Rated(tuple(rows), tuple(scales), source, licence, of_store=True)


def several_judges(rows: Iterable[Row], scale: Measured) -> dict[str, dict[str, float]]:
    """Return the ratings of each judge by row, and of all of them together as `panel` where there are several."""
    by_judge: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        for judge, value in row.judges.get(scale.name, {}).items():
            by_judge[judge][row.id] = value
    if len(by_judge) > 1:
        by_judge["panel"] = together(dict(by_judge), PANELS[scale.panel])
    return dict(by_judge)


# --- texts to look at --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A text of a file."""

    id: str
    """The row's own id, or its file and line."""
    text: Text


def lines_in(path: Path, *, language: str = "", culture: str = "") -> Iterator[Line]:
    """Yield the texts of a file or an export folder: JSON lines of any format, else each line that is not blank.

    Args:
        path: `-` for stdin.
        language, culture: of the texts that do not say it themselves.
    Raises:
        CatalogError: for a line that cannot be read, or holds no text.
    """
    if str(path) == "-":
        for number, line in enumerate(sys.stdin, start=1):
            if line.strip():
                yield Line(f"-:{number}", Text(line.strip()[:LONGEST_TEXT], "", language, culture))
        return
    if is_folder(path):
        files = sorted(file for file in path.glob("*.jsonl") if not file.name.endswith(OTHERS))
        if not files:
            raise CatalogError([Problem(shown(path), None, "", "holds no .jsonl file")])
        for file in files:
            yield from lines_in(file, language=language, culture=culture)
        return
    if path.suffix in (".jsonl", ".ndjson", ".json"):
        for number, found in objects(path):
            text = text_of(found, Problems(path, number), language, culture)
            yield Line(str(found.get("id") or f"{path.name}:{number}"), text)
        return
    for number, line in read_lines(path):
        yield Line(f"{path.name}:{number}", Text(line[:LONGEST_TEXT], "", language, culture))


ANSWER_KEYS = ("response", "answer", "completion", "output", "chosen")
PROMPT_KEYS = ("prompt", "question", "instruction")
SAYS = ("assistant", "gpt", "model")
"""Roles of whoever answers, in several formats."""


def text_of(found: Mapping[str, Any], where: Problems, language: str = "", culture: str = "") -> Text:
    """Return the text of a row in any of the shapes that exports and rated files have.

    Raises:
        CatalogError: if there is none.
    """
    known = found.get("metadata")
    metadata: Mapping[str, Any] = known if isinstance(known, dict) else {}
    text, prompt = words_in(found)
    if not text.strip():
        where.wrong("text", "no text: `text`, `prompt` and `response`, or a row of an export is wanted")
    named = {}
    for key, default in (("language", language), ("culture", culture)):
        value = found.get(key) or metadata.get(key) or default
        if not isinstance(value, str):
            where.wrong(key, "a word is wanted")
        named[key] = str(value)
    return Text(text[:LONGEST_TEXT], prompt[:LONGEST_TEXT], named["language"], named["culture"])


def words_in(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return a row's text and its prompt, which is empty where there is none."""
    if isinstance(text := found.get("text"), str):
        return text, said(found.get("prompt"))
    for key in ("messages", "conversations"):
        if isinstance(turns := found.get(key), list) and turns:
            spoken = [turn for turn in turns if isinstance(turn, dict)]
            last = next((n for n in reversed(range(len(spoken))) if role_of(spoken[n]) in SAYS), len(spoken) - 1)
            return (said(spoken[last:][:1]), said(spoken[:last])) if spoken else ("", "")
    answer = next((found[key] for key in ANSWER_KEYS if key in found), None)
    prompt = next((found[key] for key in PROMPT_KEYS if key in found), None)
    more = found.get("input")
    asked = "\n".join(part for part in (said(prompt), said(more)) if part)
    return said(answer), asked


def role_of(turn: Mapping[str, Any]) -> str:
    return str(turn.get("role") or turn.get("from") or "")


def said(value: object) -> str:
    """Return words that are a string, or a list of messages."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [turn.get("content") or turn.get("value") for turn in value if isinstance(turn, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def bars_of(options: Sequence[str]) -> dict[str, float]:
    """Return the bars of `--bar SCALE=NUMBER`.

    Raises:
        UsageError: if one is written otherwise.
    """
    bars = {}
    for option in options:
        name, equals, number = option.partition("=")
        if not equals or not re.fullmatch(r"-?\d{1,6}(\.\d{1,6})?", number.strip()):
            raise UsageError(f"--bar {clipped(option)}: must be SCALE=NUMBER")
        bars[name.strip()] = float(number)
    return bars
