"""What is told again in another run: decided when several runs are exported together, and stored nowhere.

A run's own statuses hang on that run alone. Here the statements that each run has kept meet in blocks of the same
question, culture, language, kind (opinion or norm) and side taken; of a repetition the run whose id comes first keeps
it.
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
    """Kept statements of runs that a kept statement of another of these runs stands for, in the order of their ids.

    Args:
        run_ids: in any order.
        warn: told where the comparison is by words, for want of weights.
    Raises:
        UsageError: if vectors of an endpoint are wanted that are not in the store: nobody is asked here.
    """
    runs = [store.run(run_id) for run_id in sorted(set(run_ids))]
    entries = [entry for run in runs for entry in entries_of(store, run)]
    shared = met_again(entries)
    if not shared:
        return []
    spec = embedder_of(runs)
    try:
        found = asyncio.run(compare(store, shared, Lexical() if spec == LEXICAL else Stored(spec), runs))
    except (Unreachable, ImportError) as error:
        warn(f"comparing the runs by words, not by meaning: {str(error).splitlines()[0]}")
        found = asyncio.run(compare(store, shared, Lexical(), runs))
    place = {entry.statement_id: number for number, entry in enumerate(entries)}
    return sorted(found, key=lambda one: place[one.statement_id])


async def compare(
    store: Store, entries: Sequence[Entry], embedder: Embedder, runs: Sequence[RunRow]
) -> list[Duplicate]:
    threshold = max(threshold_for(run, embedder.method) for run in runs)  # the strictest holds
    found: list[Duplicate] = []
    for some in portions(entries):
        texts = [entry.text for entry in some]
        try:
            vectors = await vectors_of(store, embedder, texts)
        except StoreError:  # it may be read, and not written
            vectors = await vectors_of(store, embedder, texts, keep=False)
        found += deduplicate(some, vectors, embedder.method, threshold, across_runs=True)
    return found


def threshold_for(run: RunRow, method: Method) -> float:
    """A run's own threshold, if it has one and it was meant for similarities of this method."""
    own = threshold_of(run, edition_of(run)) if method_of(spec_of(run)) == method else None
    return own or THRESHOLDS[method]


def entries_of(store: Store, run: RunRow) -> Iterator[Entry]:
    """The statements of which a run has kept a sample. One question is the same in two scenarios if its key is too."""
    edition = edition_of(run)
    with store.database.reading() as look:
        statements = exports.kept_statements(look, run)
    for row in sorted(statements, key=lambda row: by_number(row.id)):
        seed = edition.seed(row.seed_key)
        side = SIDES[side_taken(seed.item, row.stance_code, row.relation)]
        told = "opinion" if row.kind == "opinion" else "norm"  # customs are told as norms are
        block = (row.seed_key, key(seed.question), row.culture, row.language, told, side)
        yield Entry(row.id, block, row.first_person)


def met_again(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of those blocks in which there is more than one run."""
    runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for entry in entries:
        runs[entry.block].add(run_of(entry.statement_id))
    return [entry for entry in entries if len(runs[entry.block]) > 1]


def embedder_of(runs: Sequence[RunRow]) -> ModelSpec:
    """What made the vectors of all of them; where they differ, MiniLM, which every machine can have."""
    specs = {spec_of(run) for run in runs}
    return specs.pop() if len(specs) == 1 else MINILM


def spec_of(run: RunRow) -> ModelSpec:
    return parse(str(json.loads(run.models).get("embedder")), "embedder")


def method_of(spec: ModelSpec) -> Method:
    """What a spec's embedder is, with all its weights."""
    return "lexical" if spec == LEXICAL else "minilm" if spec == MINILM else "endpoint"


class Stored:
    """An embedder whose vectors are in the store; MiniLM is opened only where one is missing after all."""

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
