"""Scores every stage on labelled rows, or predicts rows that others score: `make quality MODEL=SPEC`.

stdout: one JSON document. stderr: how far it has come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Never

from bench.quality import deduplication, extraction, measures, verification
from bench.quality.harness import Ask, Memory
from bench.quality.rows import FILES, Row, blind, read_all, write
from culturepark import __version__
from culturepark.domain import JsonObject
from culturepark.errors import CultureparkError, UsageError
from culturepark.models.embedder import Embedder, open_embedder
from culturepark.models.registry import Models, check_specs
from culturepark.models.spec import parse
from culturepark.models.trust import Trust

ROWS = Path(__file__).parents[2] / "tests" / "data"


def main() -> int:
    wanted = arguments()
    try:
        print(json.dumps(asyncio.run(bench(wanted)), indent=2, ensure_ascii=False))
    except CultureparkError as error:
        say(f"quality: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("quality: stopped; with KEEP=FILE what was answered is not asked again")
        return 130
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("--model", required=True, help="a model spec: embedded, gguf:PATH, openai:NAME@URL, ...")
    parser.add_argument("--data", type=Path, default=ROWS, help="folder with verify_dev, extract_dev, dedup_dev .jsonl")
    parser.add_argument("--predict", type=Path, help="folder for predictions; no gold is needed, nothing is scored")
    parser.add_argument("--keep", type=Path, help="file that keeps answers, so that the next bench need not ask again")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def bench(wanted: argparse.Namespace) -> JsonObject:
    spec = parse(wanted.model, "verifier")
    rows = read_all(wanted.data, gold=wanted.predict is None)
    for stage, name in FILES.items():
        say(f"{name}: {len(rows[stage])} rows" if stage in rows else f"{name}: not there, so nothing about {stage}")
    if wanted.predict:
        empty(wanted.predict)
    trust = Trust([spec])
    check_specs({"verifier": spec}, ["verifier"], trust)
    models = Models({"verifier": spec}, 4, lambda *_: None, trust)
    try:
        ask = Ask(await models.get("verifier"), Memory(wanted.keep), say)
        embedder = open_embedder(parse("minilm", "embedder"), lambda *_: None, say, never)
        if wanted.predict:
            return await predict(wanted.predict, ask, embedder, rows)
        return await scores(str(spec), ask, embedder, rows)
    finally:
        await models.close()


async def scores(spec: str, ask: Ask, embedder: Embedder, rows: Mapping[str, list[Row]]) -> JsonObject:
    """Ours at the top; `reference` and `baseline` hold the same keys."""
    ours: JsonObject = {}
    reference: JsonObject = {}
    baseline: JsonObject = {}
    if some := rows.get("verify"):
        score = partial(measures.verification, some)
        ours["verify"] = score(await verification.ours(ask, blind("verify", some)))
        reference["verify"] = score(await verification.reference(ask, blind("verify", some)))
        baseline["verify"] = score(verification.baseline(blind("verify", some)))
    if some := rows.get("extract"):
        ours["extract"] = extraction.score(some, await extraction.ours(blind("extract", some), ask))
        reference["extract"] = extraction.score(some, await extraction.reference(blind("extract", some), ask))
        baseline["extract"] = extraction.score(some, extraction.baseline(blind("extract", some)))
    if some := rows.get("dedup"):
        ours["dedup"] = measures.deduplication(some, await deduplication.ours(blind("dedup", some), embedder))
        reference["dedup"] = measures.deduplication(some, await deduplication.reference(blind("dedup", some), embedder))
        baseline["dedup"] = measures.deduplication(some, deduplication.baseline(blind("dedup", some)))
    about = {"culturepark": __version__, "model": spec, "embedder": embedder.method, "tokens": ask.memory.tokens}
    return {**about, **ours, "reference": reference, "baseline": baseline}


def empty(folder: Path) -> None:
    """A folder without predictions of another time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stage in FILES:
            (folder / f"{stage}.jsonl").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; a folder for predictions is wanted") from None


async def predict(folder: Path, ask: Ask, embedder: Embedder, rows: Mapping[str, list[Row]]) -> JsonObject:
    """What a run would make of the rows, one file a stage; gold in the rows, if any, is not looked at."""
    written: JsonObject = {}
    if some := rows.get("verify"):
        judged = await verification.ours(ask, blind("verify", some))
        lines = [{"id": row["id"], **vars(judged[row["id"]])} for row in some]
        written["verify"] = write(folder / "verify.jsonl", lines)
    if some := rows.get("extract"):
        statements = await extraction.ours(blind("extract", some), ask)
        lines = [{"id": row["id"], "statements": statements[row["id"]]} for row in some]
        written["extract"] = write(folder / "extract.jsonl", lines)
    if some := rows.get("dedup"):
        clusters = await deduplication.ours(blind("dedup", some), embedder)
        lines = [{"id": row["id"], "cluster": clusters[row["id"]]} for row in some]
        written["dedup"] = write(folder / "dedup.jsonl", lines)
    return {"predicted": written}


async def never(_: object) -> Never:
    raise AssertionError("MiniLM asks nobody")


if __name__ == "__main__":
    sys.exit(main())
