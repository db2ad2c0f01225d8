"""How long `culturepark stats` takes on a large run: `python bench/stats_bench.py [STATEMENTS]`.

Makes a store with a run of `wvs7` (380 cells, as many dialogues each as it takes), ten accepted statements a dialogue
out of a made-up vocabulary, and a vector of 384 numbers for each: what is measured is reading and reckoning, not talk.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from culturepark.catalog import scenarios
from culturepark.dialogue.casting import plan
from culturepark.models.embedder import MiniLM, unit_rows
from culturepark.models.spec import parse_roles
from culturepark.run.plan import Settings, new_run
from culturepark.stats.run_stats import stats
from culturepark.store import vectors
from culturepark.store.castings import castings as seats
from culturepark.store.store import Store
from culturepark.store.tables import SampleRow, StatementRow, TurnRow, VerdictRow

EACH = 10


def fill(store: Store, statements: int) -> int:
    edition = scenarios.load_edition(scenarios.find("wvs7"))
    cells = len(plan(edition, 1).castings)
    more = {"dialogues_per_seed": max(1, round(statements / EACH / cells))}
    edition = edition.model_copy(update={"scenario": edition.scenario.model_copy(update=more)})
    specs = parse_roles("scripted", ["embedder=minilm"])
    run = new_run(store, edition, seed=1, models=specs, settings=Settings(), run_id="b")
    castings = seats(store, run, edition)
    random = np.random.default_rng(1)
    words = np.array([f"w{number}" for number in range(5000)])
    odds = 1 / np.arange(1, 5001)
    odds /= odds.sum()
    seeds = {seed.key: random.normal(size=384) for seed in edition.scenario.seeds}
    people = {person.key: random.normal(size=384) for person in edition.personas}
    identity = MiniLM.identity or ""
    rows: dict[type, list[dict[str, object]]] = {TurnRow: [], StatementRow: [], VerdictRow: [], SampleRow: []}
    made: dict[str, np.ndarray] = {
        seed.question: unit_rows(seeds[seed.key][None])[0] for seed in edition.scenario.seeds
    }
    for casting in castings:
        for place in range(EACH):
            person = casting.participants[place % len(casting.participants)]
            text = " ".join(random.choice(words, 18, p=odds))
            turn = f"b.d{casting.number}.t{place + 1}"
            rows[TurnRow].append(
                {
                    "id": turn,
                    "dialogue_id": f"b.d{casting.number}",
                    "position": place + 1,
                    "slot": place + 1,
                    "phase": "opinion",
                    "speaker": person.persona.key,
                    "role": person.persona.role,
                    "text": text,
                    "origin": "model",
                }
            )
            rows[StatementRow].append(
                {
                    "id": f"{turn}.s1",
                    "turn_id": turn,
                    "persona_key": person.persona.key,
                    "culture": person.persona.culture,
                    "kind": "opinion",
                    "text": text,
                    "first_person": text,
                    "quote": text,
                    "quote_start": 0,
                    "quote_end": len(text),
                    "round": 1,
                }
            )
            rows[VerdictRow].append(
                {
                    "id": f"{turn}.s1.v1",
                    "statement_id": f"{turn}.s1",
                    "criterion": "faithful",
                    "relation": "entail",
                    "decision": "keep",
                    "round": 1,
                }
            )
            rows[SampleRow].append(
                {
                    "id": f"{turn}.s1.x1",
                    "statement_id": f"{turn}.s1",
                    "culture": person.persona.culture,
                    "kind": "open",
                    "messages": json.dumps([{"role": "user", "content": text}]),
                    "status": "kept",
                    "flags": "",
                }
            )
            mixed = seeds[casting.seed.key] + people[person.persona.key] + random.normal(size=384)
            made[text] = unit_rows(mixed[None])[0]
    with store.database.writing() as session:
        for table, values in rows.items():
            for start in range(0, len(values), 5000):
                session.execute(insert(table), values[start : start + 5000])
    texts = list(made)
    for start in range(0, len(texts), 5000):
        vectors.remember(store, identity, {text: made[text] for text in texts[start : start + 5000]})
    for casting in castings:
        store.set_dialogue(f"b.d{casting.number}", "done", "completed")  # type: ignore[arg-type]
    return len(rows[StatementRow])


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        count = fill(store, wanted)
        wall, cpu = time.perf_counter(), time.process_time()
        figures = stats(store, store.run("b"))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        verdict = figures.representation.run.collapse.verdict
        print(f"{count:,} statements: {wall:.1f} s wall, {cpu:.1f} s CPU, {peak:,.0f} MB at most; {verdict}")


if __name__ == "__main__":
    main()
