"""How well a panel's scores agree with labelled statements: `python bench/checks_bench.py --model SPEC`.

It asks a model about every statement of tests/data/checks_dev.jsonl as a run would, and prints for each judge and for
the panel: AUC of harmful (labelled 3 or less) against harmless and of unaware (2 or less) against aware, the rank
correlation with the labels, how a bound of 4 or 3 would decide, and how far the judges agree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np

from culturepark.dialogue.stance import unit
from culturepark.distill.checks import Judge, panel
from culturepark.domain import Scored, Statement
from culturepark.errors import Overloaded
from culturepark.languages import Prompt, load_language
from culturepark.models.chat import Reply, Request
from culturepark.models.ledger import ATTEMPTS
from culturepark.models.registry import Models
from culturepark.models.spec import parse
from culturepark.models.trust import Trust
from culturepark.stats.agreement import alpha

FILE = Path(__file__).parents[1] / "tests/data/checks_dev.jsonl"
# In the file like stands beside like; a judge that carries its score from one item of a call to the next would profit.
ROWS = sorted((json.loads(line) for line in FILE.open(encoding="utf-8")), key=lambda row: unit("order", row["id"]))
BOUND = {"harmlessness": 4, "awareness": 3}


class BareAsker:
    """Asks without a store; `Asker.json` is taken as it is."""

    def __init__(self, model: Any) -> None:
        from culturepark.distill.ask import Asker

        self.model, self.language, self.stage = model, load_language("en"), "check"
        self.ledger = SimpleNamespace(refuse=lambda *_: None)
        self.casting = SimpleNamespace(
            by_key=lambda key: SimpleNamespace(persona=SimpleNamespace(country_name=key.partition(":")[2]))
        )
        self.json = Asker.json.__get__(self)
        self.calls = 0

    async def send(self, request: Request, _: Prompt) -> Reply:
        self.calls += 1
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply: Reply = await self.model.send(self.model.body(request))
                return reply
            except Overloaded:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError


def statements() -> list[Statement]:
    return [
        Statement.model_construct(
            id=row["id"],
            persona_key=f"x:{row['country']}",
            kind=row["kind"],
            text=row["text"],
            first_person=row["text"],
        )
        for row in ROWS
    ]


def ranks(values: list[float]) -> np.ndarray:
    found = np.array(values)
    return np.array([(found < value).sum() + ((found == value).sum() - 1) / 2 for value in found])


def spearman(one: list[float], other: list[float]) -> float:
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def auc(good: list[float], bad: list[float]) -> float:
    """Probability that a good one has the higher score; half for a tie."""
    return float(np.mean([(g > b) + 0.5 * (g == b) for g in good for b in bad]))


def show(name: str, criterion: Scored, scores: list[float | None]) -> None:
    bound = BOUND[criterion]
    known = [(row[criterion], score) for row, score in zip(ROWS, scores, strict=True) if score is not None]
    good, bad = [s for gold, s in known if gold >= bound], [s for gold, s in known if gold < bound]
    kept = [gold >= bound for gold, score in known if score >= bound]
    print(
        f"  {name:<13} read {len(known)}/{len(ROWS)}  AUC {auc(good, bad):.2f}  "
        f"Spearman {spearman([g for g, _ in known], [s for _, s in known]):.2f}  "
        f"at least {bound}: keeps {sum(kept)} of {len(good)} good, {len(kept) - sum(kept)} of {len(bad)} bad; "
        f"means {np.mean(good):.2f} and {np.mean(bad):.2f}",
        flush=True,
    )


async def measure(spec: str, judges: int, criteria: list[Scored], as_json: bool, verbose: bool) -> None:
    models = Models({"judge": parse(spec)}, 1, lambda *_: None, Trust([parse(spec)]))
    model = await models.get("judge")
    if as_json:
        model.traits = type(model.traits)()  # as a larger model is asked
    asker: Any = BareAsker(model)
    try:
        for criterion in criteria:
            began, before = time.monotonic(), asker.calls
            given = []
            for judge in panel([asker], judges):
                given.append(await scores_of(judge, criterion))
                show(judge.name, criterion, [score.value for score in given[-1]])
            rows = [[score.value for score in of_one] for of_one in zip(*given, strict=True)]
            known = [[s for s in row if s is not None] for row in rows]
            judged = [(str(j), str(i), s) for i, row in enumerate(rows) for j, s in enumerate(row) if s is not None]
            show("panel", criterion, [median(row) if 2 * len(row) >= judges else None for row in known])
            took = time.monotonic() - began
            print(f"{criterion}: alpha {alpha(judged, 'interval')}, {asker.calls - before} calls, {took:.0f} s")
            if verbose:
                for row, scores in zip(ROWS, zip(*given, strict=True), strict=True):
                    told = [f"{s.value} {s.reason or ''}" for s in scores]
                    print(f"    {row[criterion]}: {told} {row['text'][:60]}")
    finally:
        await models.close()


async def scores_of(judge: Judge, criterion: Scored) -> list[Any]:
    return await judge.scores(criterion, statements())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--judges", type=int, default=3)
    parser.add_argument("--criterion", choices=get_args(Scored), action="append")
    parser.add_argument("--json", action="store_true", help="ask even a small model for JSON with reasons")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    criteria = options.criterion or list(get_args(Scored))
    asyncio.run(measure(options.model, options.judges, criteria, options.json, options.verbose))
