"""An evaluation as lines of text. Pure.

The first lines say whether the model beats a constant; every figure stands beside what knowing nothing would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from culturepark.domain import JsonObject
from culturepark.evaluate.document import AgainstConstant, Document, parts_of
from culturepark.evaluate.scorers.survey import CONSTANTS
from culturepark.glossary import counted
from culturepark.terminal.safe import safe

NAMES = {
    "nvas": "means alike, 0-100",
    "jsd": "shares apart, 0-1",
    "wasserstein": "shares apart along the scale",
    "top": "same commonest answer",
}
"""What scores are called in sentences."""
WIDTH = 78
FIXED = "\xa0"
"""A space at which no line breaks."""


def document_lines(document: Document, width: int = WIDTH) -> Iterator[str]:
    """
    Args:
        width: columns of the terminal.
    """
    for line in (*head(document), "", *against(document.against_constant), *noted(document.notes)):
        yield from wrap(line, width, subsequent_indent="    ", drop_whitespace=True) if line else [""]
    yield ""
    yield from tables(document.figures, width)


def head(document: Document) -> Iterator[str]:
    answers = document.answers
    spent = "" if document.cost_usd is None else f", ${document.cost_usd:.4f}"
    yield f"{document.evaluation}: {safe(str(document.suite['title']))}"
    yield (
        f"  {safe(document.model)} on {document.suite['name']}, {asked_of(document)}; "
        f"{counted(int(answers['given']), 'answer')}{without_option(document)}; "
        f"{document.prompt_tokens + document.completion_tokens:,} tokens{spent}"
    )
    if document.status != "done":
        yield f"  {document.status}: {safe(document.stop_reason or '')}; figures are of what is answered so far"


def without_option(document: Document) -> str:
    """Return how many answers to questions with options chose none."""
    answers = document.answers
    return f", {answers['abstained']} of them no option" if answers["with_options"] else ""


def asked_of(document: Document) -> str:
    """Return how many items were asked."""
    asked, items = int(document.answers["items"]), int(document.suite["items"])
    return counted(items, "item") if asked == items else f"{asked:,} of {counted(items, 'item')}"


def against(rows: Sequence[AgainstConstant]) -> Iterator[str]:
    """Yield a sentence for each culture and condition: by which scores the model beats a constant."""
    if not rows:
        return
    yield "Does it beat a constant?"
    for culture, condition in dict.fromkeys((row.culture, row.condition) for row in rows):
        own = [row for row in rows if (row.culture, row.condition) == (culture, condition)]
        nearer = [row for row in own if row.verdict == "nearer"]
        answer = f"by {len(nearer)} of {len(own)} scores"
        if len(nearer) == len(own):
            answer = "yes"
        elif not nearer:
            answer = "no" if all(row.verdict == "farther" for row in own) else "not shown"
        shown = parts_of(condition)
        where = "/".join(name if value == "yes" else value for name, value in shown.items() if name != "culture")
        yield f"  {safe(culture)} {safe(where)}: {answer}. " + "; ".join(map(told, own))


def told(row: AgainstConstant) -> str:
    places = 1 if row.metric == "nvas" else 3
    return (
        f"{row.metric} {number(row.value, places)} ({row.constant} {number(row.constant_value, places)}): {row.verdict}"
    )


def noted(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        yield f"  note: {safe(note)}"


def tables(figures: Sequence[JsonObject], width: int) -> Iterator[str]:
    """Yield the figures by condition; those with several nulls on one line."""
    rows = merged(figures)
    for title in dict.fromkeys(title for title, _ in rows):
        yield f"{title}"
        own = [row for name, row in rows if name == title]
        lines = list(columns(own))
        yield from lines if max(map(len, lines)) <= width else stacked(own, width)
        yield ""


def merged(figures: Sequence[JsonObject]) -> list[tuple[str, dict[str, str]]]:
    """Return a row of cells for each score of a group, under the title of its condition."""
    by_key: dict[tuple[str, str], list[JsonObject]] = {}
    for figure in figures:
        by_key.setdefault((str(figure["metric"]), str(figure["group"])), []).append(figure)
    rows = []
    large = {
        str(figure["metric"])
        for figure in figures
        if any(is_large(figure[name]) for name in ("value", "null_value", "ceiling"))
    }
    for (metric, group), own in by_key.items():
        parts = dict(parts_of(group))
        who = [parts.pop(name) for name in ("culture", "country", "topic", "options") if name in parts]
        title = " ".join(f"{name} {value}" for name, value in parts.items()) or "all"
        first = own[0]
        places = 1 if metric in large else 3
        nulls = {str(f["null_name"]): f for f in own if f["null_name"] is not None}
        best = next((name for name in nulls if name in CONSTANTS), next(iter(nulls), None))
        row = {
            "of": safe(" ".join(who)) or "all",
            "score": metric,
            "value": number(first["value"], places),
            "95%": interval(first["low"], first["high"], places),
            "null": f"{number(nulls[best]['null_value'], places)} {best}" if best else "",
            "others": number(nulls["others"]["null_value"], places) if "others" in nulls else "",
            "own mode": number(nulls["own mode"]["null_value"], places) if "own mode" in nulls else "",
            "ceiling": number(first["ceiling"], places),
            "skill": number(nulls[best]["skill"], 2) if best else "",
            "n": f"{first['n']:,}",
        }
        rows.append((safe(title), row))
    return rows


def is_large(value: object) -> bool:
    """Whether a figure is on a scale on which the third decimal says nothing."""
    return isinstance(value, float) and abs(value) > 2


def columns(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    used = [name for name in rows[0] if any(row[name] for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in used}
    left = ("of", "score", "null")
    for row in [dict(zip(used, used, strict=True)), *rows]:
        cells = (f"{row[n]:<{widths[n]}}" if n in left else f"{row[n]:>{widths[n]}}" for n in used)
        yield ("  " + "  ".join(cells)).rstrip()


def stacked(rows: Sequence[dict[str, str]], width: int) -> Iterator[str]:
    """Yield each row over several lines, for a narrow terminal. A name stays on one line with its figure."""
    apart = ("of", "score", "value", "95%", "null")
    for row in rows:
        parts = [f"null {row['null']}"] if row["null"] else []
        parts += [f"{name} {value}" for name, value in row.items() if value and name not in apart]
        first = f"  {row['of']}: {row['score']} {row['value']} {row['95%']}".rstrip()
        yield from wrap(first, width, subsequent_indent="    ")
        rest = ", ".join(part.replace(" ", FIXED) for part in parts)
        for line in wrap(rest, width, initial_indent="    ", subsequent_indent="    "):
            yield line.replace(FIXED, " ")


def number(value: object, places: int) -> str:
    return f"{value:.{places}f}" if isinstance(value, int | float) else ""


def interval(low: object, high: object, places: int) -> str:
    return f"[{number(low, places)}, {number(high, places)}]" if low is not None and high is not None else ""
