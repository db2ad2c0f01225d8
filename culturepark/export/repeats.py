"""Statements that repeat those of another run. They are found when several runs are exported together, and not stored.

Samples in the store depend only on their own run. Here the kept statements of all runs are compared, in blocks of the
same question, culture, language, kind (opinion or norm) and side of the scale. The run whose id comes first keeps the
statement.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from culturepark.dialogue.stance import side_taken
from culturepark.distill.dedup import SIDES, THRESHOLDS, Entry, deduplicate, portions
from culturepark.distill.paraphrase import key
from culturepark.domain import Duplicate
from culturepark.errors import StoreError, Unreachable, UsageError
from culturepark.ids import by_number, run_of
from culturepark.models.embedder import Embedder, Lexical, Method, MiniLM, Vectors
from culturepark.models.spec import LEXICAL, MINILM, ModelSpec, parse
from culturepark.store import exports
from culturepark.store.integrity import edition_of, threshold_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.store.vectors import vectors_of


def repeats_across(store: Store, run_ids: Iterable[str], warn: Callable[[str], None]) -> list[Duplicate]:
    """Return the kept statements that repeat one of another run, in the order of their ids.

    Args:
        warn: called if the weights are missing and the statements are compared by words.
    Raises:
        UsageError: if vectors of an endpoint are missing in the store; no endpoint is asked here.
    """
    runs = [store.run(run_id) for run_id in sorted(set(run_ids))]
    entries = [entry for run in runs for entry in entries_of(store, run)]
    comparable = in_shared_blocks(entries)
    if not comparable:
        return []
    spec = embedder_of(runs)
    try:
        duplicates = asyncio.run(compare(store, comparable, Lexical() if spec == LEXICAL else Stored(spec), runs))
    except (Unreachable, ImportError) as error:
        warn(f"comparing the runs by words, not by meaning: {str(error).splitlines()[0]}")
        duplicates = asyncio.run(compare(store, comparable, Lexical(), runs))
    order = {entry.statement_id: number for number, entry in enumerate(entries)}
    return sorted(duplicates, key=lambda duplicate: order[duplicate.statement_id])


async def compare(
    store: Store, entries: Sequence[Entry], embedder: Embedder, runs: Sequence[RunRow]
) -> list[Duplicate]:
    threshold = max(threshold_for(run, embedder.method) for run in runs)  # the strictest one
    duplicates: list[Duplicate] = []
    for portion in portions(entries):
        texts = [entry.text for entry in portion]
        try:
            vectors = await vectors_of(store, embedder, texts)
        except StoreError:  # the store is read-only
            vectors = await vectors_of(store, embedder, texts, keep=False)
        duplicates += deduplicate(portion, vectors, embedder.method, threshold, across_runs=True)
    return duplicates


def threshold_for(run: RunRow, method: Method) -> float:
    """Return a run's own threshold if it is one for this method, else the method's default."""
    own = threshold_of(run, edition_of(run)) if method_of(spec_of(run)) == method else None
    return own or THRESHOLDS[method]


def entries_of(store: Store, run: RunRow) -> Iterator[Entry]:
    """Yield the statements of a run with a kept sample, each with its block.

    Questions of two scenarios are the same if both text and key are the same.
    """
    edition = edition_of(run)
    with store.database.reading() as look:
        statements = exports.kept_statements(look, run)
    for row in sorted(statements, key=lambda row: by_number(row.id)):
        seed = edition.seed(row.seed_key)
        side = SIDES[side_taken(seed.item, row.stance_code, row.relation)]
        kind = "opinion" if row.kind == "opinion" else "norm"  # norms and customs share a shape
        block = (row.seed_key, key(seed.question), row.culture, row.language, kind, side)
        yield Entry(row.id, block, row.first_person, row.language)


def in_shared_blocks(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of the blocks with statements of more than one run."""
    runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for entry in entries:
        runs[entry.block].add(run_of(entry.statement_id))
    return [entry for entry in entries if len(runs[entry.block]) > 1]


def embedder_of(runs: Sequence[RunRow]) -> ModelSpec:
    """Return the embedder of the runs; if they differ, MiniLM, which needs no endpoint."""
    specs = {spec_of(run) for run in runs}
    return specs.pop() if len(specs) == 1 else MINILM


def spec_of(run: RunRow) -> ModelSpec:
    return parse(str(json.loads(run.models).get("embedder")), "embedder")


def method_of(spec: ModelSpec) -> Method:
    return "lexical" if spec == LEXICAL else "minilm" if spec == MINILM else "endpoint"


class Stored:
    """An embedder whose vectors are in the store. MiniLM is opened only if one is missing; an endpoint is an error."""

    def __init__(self, spec: ModelSpec) -> None:
        self.method = method_of(spec)
        self.identity: str | None = MiniLM.identity if spec == MINILM else str(spec)
        self._minilm: MiniLM | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self.method == "endpoint":
            raise UsageError(
                f"{len(texts)} statements have no stored vector of {self.identity}; "
                "`culturepark distill RUN --from dedup` makes them, for each of the runs"
            )
        self._minilm = self._minilm or MiniLM(lambda *_: None)
        return await self._minilm.embed(texts)
