"""Prints evaluations as the tables of docs/evaluation.md: scores beside nulls, and what a thousand answers cost.

python -m bench.evaluation_bench STORE ID [ID...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from statistics import median

from sqlmodel import col, select

from culturepark.evaluate.document import Document, document, parts_of
from culturepark.store.store import Store
from culturepark.store.tables import CallRow

SCORES = {"nvas": 1, "jsd": 3, "top": 2}
"""Score -> decimals."""


def rows(told: Document, condition: str) -> Iterator[str]:
    """Yield a line for each culture under a condition: each score with its interval, a constant and other countries."""
    cultures: dict[str, dict[tuple[str, str | None], dict[str, object]]] = {}
    for figure in told.figures:
        parts = dict(parts_of(str(figure["group"])))
        culture = parts.pop("culture", "")
        if ",".join(f"{name}={value}" for name, value in parts.items()) == condition and culture:
            cultures.setdefault(culture, {})[str(figure["metric"]), figure["null_name"]] = figure
    yield "| culture | " + " | ".join(f"{score} | constant; others" for score in SCORES) + " | beats a constant by |"
    yield "|---" * (2 * len(SCORES) + 2) + "|"
    for culture, figures in cultures.items():
        cells = []
        for score, places in SCORES.items():
            own = {null: figure for (metric, null), figure in figures.items() if metric == score}
            if not own:
                cells += ["", ""]
                continue
            first = next(iter(own.values()))
            cells.append(f"{first['value']:.{places}f} [{first['low']:.{places}f}, {first['high']:.{places}f}]")
            others = f"; {own['others']['null_value']:.{places}f}" if "others" in own else ""
            cells.append(f"{first['null_value']:.{places}f}{others}")
        nearer = [r.metric for r in told.against_constant if r.culture == culture and r.condition == condition
                  and r.verdict == "nearer"]  # fmt: skip
        yield f"| {culture} | " + " | ".join(cells) + f" | {', '.join(nearer) or 'none'} |"


def spent(store: Store, told: Document) -> str:
    """Return tokens and cost of a thousand answers, and how long a call took at the median."""
    query = select(CallRow.duration_ms).where(CallRow.run_id == told.evaluation, col(CallRow.response).is_not(None))
    calls = store.database.rows(query)
    took = median(duration for duration in calls if duration is not None) if calls else 0
    cost = "" if told.cost_usd is None else f", ${1000 * told.cost_usd / max(1, int(told.answers['given'])):.4f}"
    answers = max(1, int(told.answers["given"]))
    return (
        f"{told.evaluation}: {answers:,} answers; of a thousand: {1000 * told.prompt_tokens / answers:,.0f} prompt and "
        f"{1000 * told.completion_tokens / answers:,.0f} completion tokens{cost}; a call takes {took:,.0f} ms"
    )


def main(arguments: Sequence[str]) -> None:
    store = Store(arguments[0], must_exist=True)
    for name in arguments[1:]:
        told = document(store, name)
        print(f"\n## {told.model}\n\n{spent(store, told)}\n")
        print("\n".join(f"- {note}" for note in told.notes))
        for condition in dict.fromkeys(row.condition for row in told.against_constant):
            print(f"\n{condition}\n")
            print("\n".join(rows(told, condition)))
        rest = [f for f in told.figures if str(f["metric"]) in ("fcs", "spd", "clcs", "differentiation", "abstained",
                "leakage", "outside_mass", "first_place", "always_first")]  # fmt: skip
        for figure in rest:
            print(json.dumps(figure))


if __name__ == "__main__":
    main(sys.argv[1:])
