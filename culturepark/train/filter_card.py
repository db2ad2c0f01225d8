"""The model card of a filter: what it learnt from, what it is worth beside knowing nothing and beside people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from culturepark import __version__
from culturepark.evaluate.figures import Figure
from culturepark.export.card import markdown
from culturepark.models.filter import Settings

if TYPE_CHECKING:
    from culturepark.train.filter import FilterFigures

TEMPLATE = "filter_card.md.jinja"
ENCODERS = {
    "e5": "multilingual-e5-small (MIT, Microsoft; 4 bits)",
    "minilm": "all-MiniLM-L6-v2 (Apache-2.0, sentence-transformers; int8)",
}


def card(result: FilterFigures, settings: Settings, licence: str) -> str:
    """Return the card as Markdown with a head in YAML, as the Hugging Face hub reads it."""
    environment = markdown(Path(__file__).parent)  # names are escaped by `cell`
    environment.filters["cell"] = cell
    return environment.get_template(TEMPLATE).render(
        result=result,
        settings=settings,
        licence=licence,
        version=__version__,
        encoders=[ENCODERS[kind] for kind in settings.encoders],
        languages=[(cell(code or "not said"), count) for code, count in result.by_language.items()],
        cultures=[(cell(key), count) for key, count in result.by_culture.items() if key],
        figures=list(figure_rows(result.figures)),
        alone=list(alone_rows(result.figures)),
        people=list(people_rows(result.figures)),
    )


def cell(text: object) -> str:
    """Return a name as it can stand in a cell of a Markdown table."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    for sign in ("\\", "|", "<", "`", "*", "_", "[", "]"):
        plain = plain.replace(sign, f"\\{sign}")
    return plain[:100]


def parts_of(figure: Figure) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in figure.group.split(","))


def figure_rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield scale, part of the rows, metric, value, interval, null and number of groups."""
    for figure in figures:
        parts = parts_of(figure)
        if "rater" in parts or "features" in parts:
            continue
        where = next((f"{name} {value}" for name, value in parts.items() if name != "scale"), "all rows")
        yield (
            cell(parts["scale"]), cell(where), METRICS[figure.metric], number(figure.value), interval(figure),
            f"{number(figure.null_value)} ({figure.null_name})" if figure.null_name else "", str(figure.n),
        )  # fmt: skip


METRICS = {
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
    "brier": "Brier score",
    "r": "Pearson's r",
    "off": "mean distance",
}


def alone_rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield scale, set of features, part of the rows, metric, value and interval."""
    for figure in figures:
        parts = parts_of(figure)
        if "features" in parts:
            where = f"language {parts['language']}" if "language" in parts else "all rows"
            yield (
                cell(parts["scale"]), parts["features"], cell(where), METRICS[figure.metric], number(figure.value),
                interval(figure),
            )  # fmt: skip


def people_rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    """Yield scale, rater, correlation and distance on the same targets, and the number of comparisons."""
    off = {figure.group: figure for figure in figures if figure.metric == "off_people"}
    for figure in figures:
        if figure.metric == "as_people":
            parts = parts_of(figure)
            distance = off[figure.group]
            yield (
                cell(parts["scale"]), cell(parts["rater"]), number(figure.value), number(distance.value), str(figure.n)
            )  # fmt: skip


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def interval(figure: Figure) -> str:
    return "-" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f}"
