"""What the items of a suite take for granted, as a model sees it: a list for a person to confirm.

A model that lists assumptions has its own; nothing here changes a suite or a score. The calls are kept with a run of
their own, so an audit that was stopped goes on, and one that is asked for again costs nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel

from culturepark.catalog.files import MAX_PROBLEMS, shown
from culturepark.catalog.item_files import rows_of
from culturepark.catalog.suites import Item, Suite
from culturepark.distill.ask import Item as Numbered
from culturepark.distill.ask import SubjectAsker, as_reason, each
from culturepark.domain import DEFAULT_LANGUAGE, JsonObject, Status
from culturepark.errors import CatalogError, ModelError, OutOfCredit, Problem, Unreachable, UsageError
from culturepark.evaluate.evaluation import new_items
from culturepark.evaluate.given import Given, create, find
from culturepark.evaluate.judging import SideWork
from culturepark.evaluate.sheets import harmless
from culturepark.files import clipped
from culturepark.languages import load_language
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.plan import Settings as RunSettings
from culturepark.shortage import shortages_named
from culturepark.store import evaluations as kept
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

Kind = Literal["family", "holiday", "currency", "name", "place", "faith", "west", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STAGE = "audit"
ITEMS_A_CALL = 5
TOKENS_AN_ITEM = 300
COLUMNS = ("item", "assumption", "quote", "kind", "confirmed")
CONFIRMED = {
    **dict.fromkeys(("yes", "y", "x", "1", "true"), True),
    **dict.fromkeys(("no", "n", "0", "false"), False),
}
"""What somebody may write into the last column."""


class Found(BaseModel):
    kind: Kind
    quote: str
    assumption: str


class Audited(Numbered):
    assumptions: list[Found]


@dataclass(frozen=True)
class Assumption:
    """One thing that an item takes for granted."""

    item: str
    assumption: str
    quote: str
    """Words of the item; empty where the model gave others."""
    kind: str
    confirmed: str = ""
    """For a person: `yes`, `no`, or empty."""

    def as_json(self) -> JsonObject:
        return dict(vars(self))


def material_of(item: Item) -> JsonObject:
    held = {
        "question": item.question,
        "options": [option.label for option in item.options],
        "reference": item.reference,
        "about": item.group,
    }
    return {name: value for name, value in held.items() if value}


def assumptions_of(item: Item, audited: Audited) -> list[Assumption]:
    """Return what was found in an item; words that do not stand in it are no quote."""
    text = folded(" ".join([item.question, *(option.label for option in item.options), item.reference or ""]))
    return [
        Assumption(
            item.key,
            as_reason(found.assumption) or "",
            as_reason(found.quote) or "" if folded(found.quote) and folded(found.quote) in text else "",
            found.kind,
        )
        for found in audited.assumptions
        if found.assumption.strip()
    ]


def folded(text: str) -> str:
    return " ".join(text.casefold().split())


class Audit(SideWork):
    """An audit at work; `found` and `unread` hold what came of it."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust,
        spec: ModelSpec,
        settings: RunSettings,
        items: Sequence[Item],
        progress: Callable[[int, int], None],
    ) -> None:
        super().__init__(store, row, watcher, trust, {"judge": spec}, settings)
        self.items, self.progress = list(items), progress
        self.by_item: dict[str, list[Assumption]] = {}
        self.unread: list[str] = []
        """Keys of items of which no answer could be read."""

    @property
    def found(self) -> list[Assumption]:
        """The assumptions in the order of the items."""
        return [one for item in self.items for one in self.by_item.get(item.key, [])]

    async def _stages(self) -> None:
        model = await self.models.get("judge")
        batches = [self.items[start : start + ITEMS_A_CALL] for start in range(0, len(self.items), ITEMS_A_CALL)]

        async def ask(batch: Sequence[Item]) -> None:
            asker = SubjectAsker(
                language=load_language(DEFAULT_LANGUAGE),
                subject_id=self.row.id,
                model=model,
                ledger=self.ledger,
                stage=STAGE,
                spoken=tuple(dict.fromkeys(item.language for item in batch)),
            )
            try:
                with shortages_named():
                    answers = await each(
                        asker,
                        asker.language.prompt("audit"),
                        [material_of(item) for item in batch],
                        Audited,
                        name="assumptions",
                        items_a_call=ITEMS_A_CALL,
                        tokens_an_item=TOKENS_AN_ITEM,
                    )
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self._fail(", ".join(item.key for item in batch), error)
                return
            for item, (answer, _) in zip(batch, answers, strict=True):
                if answer is None:
                    self.unread.append(item.key)
                else:
                    self.by_item[item.key] = assumptions_of(item, answer)
            self.progress(len(self.by_item), len(self.items))

        await self.engine.map(ask, batches, at_once=self.settings.concurrency, halt=self._halt)


def run_of_audit(store: Store, suite: Suite, spec: ModelSpec) -> RunRow:
    """Return the run that holds the calls of a suite's audit by a model; it is made if it is not there."""
    suite_id = kept.put_suite(store, suite.name, suite.definition, new_items(suite))
    given = Given(suite, str(spec), (), ())
    run_id = find(store, suite_id, given.model) or create(store, given, suite_id)
    if store.run(run_id).status != Status.DONE:
        store.set_run(run_id, Status.DONE, "completed")  # it answers nothing, so nothing of it can be resumed
    return store.run(run_id)


def forecast(items: Sequence[Item], spec: ModelSpec) -> JsonObject:
    """Return calls, tokens and cost of an audit, each as low and high; the cost is None if a price is unknown."""
    batches = [items[start : start + ITEMS_A_CALL] for start in range(0, len(items), ITEMS_A_CALL)]
    template = load_language(DEFAULT_LANGUAGE).prompt("audit").text
    prompt = sum(
        tokens.count(template + json.dumps([material_of(item) for item in batch], ensure_ascii=False), spec.name)
        for batch in batches
    )
    ends = (
        Usage(prompt, 0, 40 * len(items), "estimate"),
        Usage(2 * prompt, 0, TOKENS_AN_ITEM * len(items), "estimate"),
    )
    costs = [prices.cost(spec.endpoint, spec.name, usage) if spec.paid else 0.0 for usage in ends]
    return {
        "items": len(items),
        "calls": [len(batches), 2 * len(batches)],
        "prompt_tokens": [usage.prompt_tokens for usage in ends],
        "completion_tokens": [usage.completion_tokens for usage in ends],
        "cost_usd": None if None in costs else costs,
    }


# --- files -------------------------------------------------------------------------------------------


def written(found: Sequence[Assumption], path: Path) -> None:
    """Write a list for a person to confirm, as CSV or JSON.

    Raises:
        UsageError: if the name ends otherwise, a file is there already, or it cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".json"):
        raise UsageError(f"--out {clipped(path)}: a name that ends in .csv or .json is wanted")
    out = io.StringIO(newline="")
    if kind == ".csv":
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows([harmless(str(getattr(one, name))) for name in COLUMNS] for one in found)
    else:
        out.write("".join(json.dumps(one.as_json(), ensure_ascii=False) + "\n" for one in found))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8-sig" if kind == ".csv" else "utf-8", newline="") as file:
            file.write(out.getvalue())
    except FileExistsError:
        raise UsageError(f"--out {clipped(path)}: the file exists, and may hold what was confirmed") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"--out {clipped(path)}: {getattr(error, 'strerror', None) or error}") from None


@dataclass(frozen=True)
class Confirmed:
    """What a person says of a list."""

    yes: tuple[Assumption, ...]
    no: int
    open: int

    def as_json(self) -> JsonObject:
        return {
            "confirmed": len(self.yes),
            "rejected": self.no,
            "open": self.open,
            "kinds": dict(sorted(Counter(one.kind for one in self.yes).items())),
            "items": sorted({one.item for one in self.yes}),
        }

    def lines(self) -> Iterator[str]:
        yield f"{len(self.yes)} confirmed, {self.no} rejected, {self.open} not looked at"
        judged = len(self.yes) + self.no
        if judged:
            yield f"of those looked at, {len(self.yes) / judged:.0%} are what an item takes for granted"
        for one in self.yes:
            yield f"{one.item}: {one.kind}: {one.assumption}"


def read_confirmed(path: Path, suite: Suite) -> Confirmed:
    """Read a list that a person has gone through.

    Raises:
        CatalogError: with all that is wrong in it, each with its line.
    """
    keys = {item.key for item in suite.items}
    problems: list[Problem] = []
    yes: list[Assumption] = []
    counts = Counter[bool | None]()

    def refuse(line: int, key: str, what: str) -> None:
        problems.append(Problem(shown(path), line, key, what))

    for line, row in rows_of(path):
        cells = {name: str(row.get(name) or "").strip() for name in COLUMNS}
        said = cells["confirmed"].casefold()
        if cells["item"].removeprefix("'") not in keys:
            refuse(line, "item", f"{clipped(cells['item'])!r} is no item of {suite.name}")
        elif said and said not in CONFIRMED:
            refuse(line, "confirmed", f"{clipped(said)!r} is neither yes nor no")
        elif cells["kind"] not in KINDS:
            refuse(line, "kind", f"{clipped(cells['kind'])!r} is none of {', '.join(KINDS)}")
        else:
            counts[CONFIRMED.get(said)] += 1
            if CONFIRMED.get(said):
                yes.append(Assumption(**cells))
    if problems:
        raise CatalogError(problems[:MAX_PROBLEMS])
    return Confirmed(tuple(yes), counts[False], counts[None])
