"""What deduplication costs at 10,000 to 1,000,000 statements: `python bench/dedup_bench.py [--quick]`.

Statements are made up, with no model: words by their usual frequencies, vectors with the similarities that the default
encoder was seen to give (unrelated statements .80 to .87, paraphrases .90 to .97, other wordings .95 and more).
Of every ten, three repeat another: word for word, lightly edited, or in other words; one differs from another in a
single word. Making them up is not counted. Every size is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.kmeans import k_means
from culturepark.distill import dedup
from culturepark.distill.dedup import Entry, deduplicate
from culturepark.models.embedder import MultilingualE5, Vectors, unit_rows
from culturepark.store.store import Store
from culturepark.store.vectors import remember, vectors_of

SIZES = ((10_000, 1_000), (100_000, 1_000), (300_000, 1_000), (1_000_000, 1_000), (100_000, 10_000), (100_000, 100_000))
QUICK = ((2_000, 1_000), (10_000, 1_000), (10_000, 5_000))
DIMENSIONS = 384
GRAMMAR = "the of a to in and our we is for at who when it on my with because their they be as from should not".split()


@dataclass
class Made:
    entries: list[Entry]
    vectors: Vectors


@cache
def stems() -> list[str]:
    """Words that nobody knows, the common ones first."""
    draw = np.random.default_rng(7)
    letters = "bcdfghjklmnprstvwz", "aeiou"
    return ["".join(draw.choice(list(letters[n % 2])) for n in range(draw.integers(4, 9))) for _ in range(3_000)]


def block(number: int, size: int) -> Made:
    """One block of statements; the same for the same numbers."""
    draw = np.random.default_rng((number, size))
    common = 1 / np.arange(2, len(stems()) + 2)
    common_words = iter(draw.choice(stems(), size * 13, p=common / common.sum()).tolist())
    grammar = iter(draw.choice(GRAMMAR, size * 13).tolist())
    noises = iter(draw.normal(size=(size + 1, DIMENSIONS)).astype(np.float32))

    def sentence() -> list[str]:
        told = [next(common_words) for _ in range(draw.integers(6, 13))]
        return [w for word in told for w in ((next(grammar), word) if draw.random() < 0.8 else (word,))]

    def near(vector: Vectors, cosine: float) -> Vectors:
        noise = next(noises)
        noise = noise - (noise @ vector) * vector
        made: Vectors = cosine * vector + (1 - cosine**2) ** 0.5 * noise / np.linalg.norm(noise)
        return made

    topic = unit_rows(next(noises)[None])[0]
    texts: list[list[str]] = []
    vectors: list[Vectors] = []
    for _ in range(size):
        kind = (
            draw.choice(["own", "exact", "light", "paraphrase", "rival"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
            if texts
            else "own"
        )
        old = int(draw.integers(len(texts))) if texts else 0
        if kind == "own":
            texts.append(sentence())
            vectors.append(near(topic, float(draw.uniform(0.895, 0.93))))
        elif kind == "paraphrase":
            texts.append(sentence())
            vectors.append(near(vectors[old], float(draw.uniform(0.90, 0.97))))
        else:
            words = list(texts[old])
            if kind == "light":
                words.insert(int(draw.integers(len(words))), "also")
            if kind == "rival":
                words[-1] = next(common_words)
            texts.append(words)
            vectors.append(near(vectors[old], 1.0 if kind == "exact" else float(draw.uniform(0.95, 0.995))))
    entries = [
        Entry(f"r.d{number}.t{n}.s1", (f"q{number}", "turkish", "en", "plus"), " ".join(w), "en")
        for n, w in enumerate(texts)
    ]
    return Made(entries, unit_rows(np.array(vectors, np.float32)))


def one(statements: int, size: int) -> dict[str, Any]:
    """What a size costs in this process."""
    spent = {"reading words": 0.0, "search": 0.0, "deciding": 0.0}
    real_read, real_near = dedup.read, dedup.near

    def timed(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            done = function(*arguments)
            spent[name] += time.perf_counter() - began
            return done

        return call

    dedup.read, dedup.near = timed("reading words", real_read), timed("search", real_near)
    found, wall, cpu = 0, 0.0, 0.0
    for number in range(statements // size):
        made = block(number, size)
        began, used = time.perf_counter(), time.process_time()
        found += len(deduplicate(made.entries, made.vectors, "e5"))
        wall += time.perf_counter() - began
        cpu += time.process_time() - used
    spent["deciding"] = wall - sum(spent.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "statements": statements,
        "block": size,
        "found": found,
        "wall": wall,
        "cpu": cpu,
        "memory": memory,
        "spent": spent,
    }


# --- ways that were not taken ----------------------------------------------------------------------


def all_at_once(statements: int, size: int) -> dict[str, Any]:
    """Exact search over all statements, without blocks."""
    vectors = np.concatenate([block(n, size).vectors for n in range(statements // size)])
    began, used = time.perf_counter(), time.process_time()
    dedup.near(vectors, vectors, *dedup.band("e5", "en"))
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - used}


def clusters(statements: int, size: int) -> dict[str, Any]:
    """k-means with the right number of clusters, 20 rounds, over all statements."""
    vectors = np.concatenate([block(n, size).vectors for n in range(statements // size)])
    began, used = time.perf_counter(), time.process_time()
    k_means(vectors, int(statements * 0.7), rounds=20, seed=1)
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - used}


# --- with the store and the real embedder ----------------------------------------------------------


class Nobody:
    """An embedder that must not be asked."""

    method: dedup.Method = "e5"
    identity: str | None = "bench"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError(f"{len(texts)} texts are embedded again")


def again(statements: int, size: int) -> dict[str, Any]:
    """Deciding once more, with vectors out of the store: reading them, and deciding."""
    reading = deciding = 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        for number in range(statements // size):
            made = block(number, size)
            remember(store, "bench", {e.text: v for e, v in zip(made.entries, made.vectors, strict=True)})
        store.close()
        store = Store(f"sqlite:///{folder}/bench.db")
        each = Path(folder, "bench.db").stat().st_size / statements
        for number in range(statements // size):
            entries = block(number, size).entries
            began = time.perf_counter()
            vectors = asyncio.run(vectors_of(store, Nobody(), [entry.text for entry in entries]))
            reading += time.perf_counter() - began
            began = time.perf_counter()
            deduplicate(entries, vectors, "e5")
            deciding += time.perf_counter() - began
        store.close()
    return {"reading": reading, "deciding": deciding, "bytes": each}


def embedded(statements: int, more: int) -> dict[str, Any]:
    """Real embedding of statements, and then of more in a second run, both into one store."""
    made = [entry.text for n in range((statements + more) // 1_000 + 1) for entry in block(n, 1_000).entries]
    texts = list(dict.fromkeys(made))[: statements + more]
    embedder = MultilingualE5(lambda *_: None)
    spent, cpu = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        for name, some in (("first", texts[:statements]), ("the same again", texts[:statements]), ("more", texts)):
            began, used = time.perf_counter(), time.process_time()
            asyncio.run(vectors_of(store, embedder, some))
            spent[name], cpu[name] = time.perf_counter() - began, time.process_time() - used
        store.close()
    return {"statements": statements, "more": more, "spent": spent, "cpu": cpu}


# --- the report ------------------------------------------------------------------------------------


def alone(what: str, *numbers: int) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", what, *map(str, numbers)]
    told: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return told


def exponent(measured: Sequence[dict[str, Any]]) -> float:
    """Of CPU time against the number of blocks, by least squares over the logarithms; 1 is linear."""
    counts, times = zip(*((m["statements"] / m["block"], m["cpu"]) for m in measured), strict=True)
    return float(np.polyfit(np.log(counts), np.log(times), 1)[0])


def report(quick: bool) -> Iterator[str]:
    sizes = QUICK if quick else SIZES
    stages = ("reading words", "search", "deciding")
    heads = ("statements", "in blocks of", "repetitions found", "wall s", "CPU s", *stages, "peak memory MB")
    yield f"| {' | '.join(heads)} |"
    yield "|---:" * len(heads) + "|"
    measured = []
    for statements, size in sizes:
        m = alone("one", statements, size)
        measured.append(m)
        shares = " | ".join(f"{m['spent'][stage] / m['wall']:.0%}" for stage in stages)
        cells = f"{m['found']:,} | {m['wall']:.1f} | {m['cpu']:.1f} | {shares} | {m['memory']:.0f}"
        yield f"| {statements:,} | {size:,} | {cells} |"
    same = [m for m in measured if m["block"] == sizes[0][1]]
    yield f"\nCPU time grows with the number of blocks to the power of {exponent(same):.3f}."
    statements, size = 10_000, 1_000
    base = next(m for m in measured if (m["statements"], m["block"]) == (statements, size))
    whole, means = alone("all_at_once", statements, size), alone("clusters", statements, size)
    yield (
        f"At {statements:,}: exact search without blocks takes {whole['cpu']:.1f} CPU s, "
        f"{whole['cpu'] / base['cpu']:.1f} times as much as everything with them; "
        f"k-means takes {means['cpu']:.1f} CPU s, {means['cpu'] / base['cpu']:.0f} times."
    )
    once = alone("again", statements, size)
    rate = statements / (once["reading"] + once["deciding"])
    yield (
        f"Deciding again with stored vectors: {once['reading']:.2f} s to read {statements:,} of them, "
        f"{once['deciding']:.2f} s to decide: {rate:,.0f} a second; {once['bytes']:,.0f} bytes each in the file."
    )
    real = alone("embedded", 500 if quick else 5_000, 50 if quick else 500)
    spent, cpu, count = real["spent"], real["cpu"], real["statements"]
    yield (
        f"Embedding: {count:,} statements in {spent['first']:.1f} s and {cpu['first']:.1f} CPU s, "
        f"that is {cpu['first'] / count * 100_000 / 120:.1f} min for 100,000 on two free cores; the same again "
        f"{spent['the same again']:.2f} s; with {real['more']} more {spent['more']:.2f} s."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--one", nargs="+", metavar=("WHAT", "NUMBER"), help="one measurement, as JSON")
    given = parser.parse_args()
    if given.one:
        what, *numbers = given.one
        print(json.dumps(globals()[what](*map(int, numbers))))
    else:
        for line in report(given.quick):
            print(line, flush=True)


if __name__ == "__main__":
    main()
