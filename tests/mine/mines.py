"""Mines held on a model that answers from a function of the request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from culturepark.domain import Edition, JsonObject, Mining
from culturepark.errors import CultureparkError
from culturepark.mine.mining import MinedRun, new_mine
from culturepark.mine.plan import Questions, edition_for, questions_of
from culturepark.models.spec import LEXICAL
from culturepark.run import Until
from culturepark.run.plan import Settings
from culturepark.store.store import Store
from culturepark.store.tables import SampleRow, StatementRow
from tests.support.fakes import Cast, FakeModel, Held, Listener, material, shape_of

Function = Callable[[JsonObject], Any]


@cache
def wvs() -> Questions:
    return questions_of("wvs7", None)


def some(*keys: str) -> Questions:
    """The questions of these keys; all of the survey if none is named."""
    whole = wvs()
    seeds = tuple(seed for seed in whole.seeds if not keys or seed.key.partition("/")[2] in keys)
    return Questions(whole.name, whole.title, seeds, whole.sections)


def seeds_edition(questions: Questions, *cultures: str, **mining: Any) -> Edition:
    """A plan for questions in other words."""
    wanted = Mining(**{"what": "seeds", "how": "paraphrase", "rows": 1, **mining})
    return edition_for(questions, wanted, cultures or ("turkish",), {})


def norms_edition(questions: Questions, *cultures: str, **mining: Any) -> Edition:
    """A plan for norms of the questions' topics."""
    wanted = Mining(**{"what": "norms", "how": "top", "rows": 2, "topics": questions.topics(), **mining})
    return edition_for(questions, wanted, cultures or ("turkish",), {})


def model(**by_shape: Function) -> FakeModel:
    """Answers each shape from its material; whatever has no function is a failure of the test."""

    def answer(body: JsonObject) -> str:
        return json.dumps(by_shape[shape_of(body) or "text"](material(body)))

    return FakeModel(answer)


@dataclass
class Mined(Held):
    """A mine that has been held."""

    failure: CultureparkError | None = None
    order: list[str] = field(default_factory=list)

    def carry_on(self) -> Mined:
        mine = MinedRun(self.store, self.row, Listener(self.notes))
        mine.models = Cast(self.model, self.embedder)  # type: ignore[assignment]
        asyncio.run(mine.carry_on())
        bugs = [row.error for row in self.store.dialogues(self.run_id) if row.stop_reason == "bug"]
        assert not bugs, bugs
        return self

    def told(self, status: str = "kept", kind: str | None = None) -> list[tuple[SampleRow, StatementRow]]:
        """Samples of a status and shape, each with its statement."""
        by_id = {row.id: row for row in self.rows(StatementRow)}
        rows = [row for row in self.rows(SampleRow) if row.status == status and kind in (None, row.kind)]
        return [(row, by_id[row.statement_id]) for row in rows]


def mined(
    tmp_path: Path, edition: Edition, fake: FakeModel, *, run_id: str = "m", until: Until = "samples", seed: int = 1
) -> Mined:
    store = Store(f"sqlite:///{tmp_path}/runs.db")
    settings = Settings(concurrency=2, until=until)
    new_mine(store, edition, seed=seed, models=dict(Cast(fake, LEXICAL).specs), settings=settings, run_id=run_id)
    return Mined(store, run_id, fake).carry_on()


def answers_by_cell(held: Mined) -> dict[tuple[str, str], Counter[int]]:
    """Question and culture -> code of the drawn answer -> number of kept rows."""
    seeds = {row.id: row.seed_key for row in held.store.dialogues(held.run_id)}
    edition = MinedRun(held.store, held.row, Listener([])).castings
    codes = {
        (f"{held.run_id}.d{n}", p.persona.key): p.stance.code
        for n, casting in edition.items()
        for p in casting.participants
        if p.stance
    }
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for _, statement in held.told(kind="survey"):
        dialogue = statement.turn_id.rpartition(".")[0]
        found[seeds[dialogue], statement.culture][codes[dialogue, statement.persona_key]] += 1
    return found


def say(*texts: str) -> Function:
    """Answers every request for other sentences with these."""
    return lambda _: {"questions": list(texts)}


def views(right: Callable[[str], bool | None]) -> Function:
    """A verifier that knows which way each question is put.

    Args:
        right: whether a question claims what the original does; None where it asks something else.
    """

    def compare(asked: JsonObject) -> JsonObject:
        items = []
        for item in asked["items"]:
            held = []
            for side in ("one", "other"):
                way = right(item[side]["question"])
                held.append(None if way is None else way == agrees(item[side]["answer"]))
            view = "other" if None in held else "same" if held[0] == held[1] else "opposite"
            items.append({"id": item["id"], "one": str(held[0]), "other": str(held[1]), "views": view})
        return {"items": items}

    return compare


@cache
def sides() -> dict[str, int]:
    return {o.label.partition(" (")[0]: o.side for s in wvs().seeds if s.item for o in s.item.options}


def agrees(answer: str) -> bool:
    return sides()[answer.partition(" (")[0]] > 0


def always(view: str) -> Function:
    """A verifier to whom all views stand in one relation."""
    return lambda asked: {
        "items": [{"id": item["id"], "one": "", "other": "", "views": view} for item in asked["items"]]
    }


def good_rows(asked: JsonObject) -> JsonObject:
    """A judge that finds every row good: eldest sons are Türkiye's, and youngest daughters Germany's."""
    rows: Sequence[JsonObject] = asked["items"]
    return {
        "items": [
            {
                "id": item["id"],
                **{name: "yes" if name in item["questions"] else "none" for name in ("own", "seed", "case", "other")},
                "alone": "yes",
                "country": next(
                    letter for letter, name in item["countries"].items() if name == home_told(item["answer"])
                ),
            }
            for item in rows
        ]
    }


def home_told(answer: str) -> str:
    return "Germany" if "youngest daughter" in answer else "Türkiye"
