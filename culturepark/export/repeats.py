"""Statements that repeat those of another run. They are found when several runs are exported together, and not stored.

Samples in the store depend only on their own run. Here the kept statements of all runs are compared: opinions in
blocks of the same question, culture, language and side of the scale, norms and customs in blocks of the same culture
and language. Nobody is asked here, so only what is surely the same counts. The run whose id comes first keeps the
statement.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from culturepark.dialogue.stance import side_taken
from culturepark.distill.dedup import SIDES, Entry, band, deduplicate, portions
from culturepark.distill.paraphrase import key
from culturepark.domain import Duplicate
from culturepark.errors import StoreError, Unreachable, UsageError
from culturepark.ids import by_number, run_of
from culturepark.models.embedder import ENCODERS, Embedder, Lexical, Method, Vectors, identity_of, method_of
from culturepark.models.spec import E5, LEXICAL, ModelSpec, parse
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
    own = [threshold for run in runs if (threshold := own_threshold(run, embedder.method))]
    duplicates: list[Duplicate] = []
    for portion in portions(entries):
        texts = [entry.text for entry in portion]
        try:
            vectors = await vectors_of(store, embedder, texts)
        except StoreError:  # the store is read-only
            vectors = await vectors_of(store, embedder, texts, keep=False)
        for language in sorted({entry.language for entry in portion}):
            some = [place for place, entry in enumerate(portion) if entry.language == language]
            default = band(embedder.method, language)[1]
            # The strictest one: a run without a threshold of its own has the method's.
            threshold = max([*own, default] if len(own) < len(runs) else own)
            duplicates += deduplicate(
                [portion[place] for place in some], vectors[some], embedder.method, threshold, across_runs=True
            )
    return duplicates


def own_threshold(run: RunRow, method: Method) -> float | None:
    """Return a run's own threshold if it is one for this method."""
    return threshold_of(run, edition_of(run)) if method_of(str(spec_of(run))) == method else None


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
        block = (row.seed_key, key(seed.question), row.culture, row.language, "opinion", side)
        if row.kind != "opinion":  # norms and customs share a shape, and say the same whatever was asked
            block = ("", "", row.culture, row.language, "norm", SIDES[0])
        yield Entry(row.id, block, row.first_person, row.language)


def in_shared_blocks(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of the blocks with statements of more than one run."""
    runs: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for entry in entries:
        runs[entry.block].add(run_of(entry.statement_id))
    return [entry for entry in entries if len(runs[entry.block]) > 1]


def embedder_of(runs: Sequence[RunRow]) -> ModelSpec:
    """Return the embedder of the runs; if they differ, the default one, which needs no endpoint."""
    specs = {spec_of(run) for run in runs}
    return specs.pop() if len(specs) == 1 else E5


def spec_of(run: RunRow) -> ModelSpec:
    return parse(str(json.loads(run.models).get("embedder")), "embedder")


class Stored:
    """An embedder whose vectors are in the store. One of this process is opened only if a vector is missing; an
    endpoint is an error."""

    def __init__(self, spec: ModelSpec) -> None:
        self.method = method_of(str(spec))
        self.identity = identity_of(spec)
        self._spec = spec
        self._encoder: Embedder | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self._spec.remote:
            raise UsageError(
                f"{len(texts)} statements have no stored vector of {self.identity}; "
                "`culturepark distill RUN --from dedup` makes them, for each of the runs"
            )
        self._encoder = self._encoder or ENCODERS[self._spec.kind](lambda *_: None)
        return await self._encoder.embed(texts)
