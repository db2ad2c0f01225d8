"""Scores every kind of labelled rows, or predicts rows that others score: `make quality MODEL=SPEC`.

stdout: one JSON document. stderr: how far it has come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Never

from bench.quality.harness import Ask, Memory
from bench.quality.kinds import WAYS, At
from bench.quality.rows import KINDS, Row, blind, file_of, read_all, write
from culturepark import __version__
from culturepark.domain import JsonObject
from culturepark.errors import CultureparkError, UsageError
from culturepark.models.embedder import open_embedder
from culturepark.models.registry import Models, check_specs
from culturepark.models.spec import parse, parse_roles
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
    parser.add_argument("--data", type=Path, default=ROWS, help=f"folder with some of {', '.join(map(file_of, KINDS))}")
    parser.add_argument("--predict", type=Path, help="folder for predictions; no gold is needed, nothing is scored")
    parser.add_argument("--keep", type=Path, help="file that keeps answers, so that the next bench need not ask again")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def bench(wanted: argparse.Namespace) -> JsonObject:
    spec = parse(wanted.model, "verifier")
    rows = read_all(wanted.data, gold=wanted.predict is None)
    for kind in KINDS:
        said = f"{len(rows[kind])} rows" if kind in rows else f"not there, so nothing about {kind}"
        say(f"{file_of(kind)}: {said}")
    if wanted.predict:
        empty(wanted.predict)
    trust = Trust([spec])
    check_specs({"verifier": spec}, ["verifier"], trust)
    models = Models({"verifier": spec}, 4, lambda *_: None, trust)
    try:
        ask = Ask(await models.get("verifier"), Memory(wanted.keep), say)
        embedder = open_embedder(parse_roles(wanted.model, [])["embedder"], lambda *_: None, say, never)
        if wanted.predict:
            return {"predicted": await predict(wanted.predict, At(ask, embedder), rows)}
        about = {"culturepark": __version__, "model": str(spec), "embedder": embedder.method}
        found = await scores(At(ask, embedder), rows)
        return {**about, "tokens": ask.memory.tokens, **found}
    finally:
        await models.close()


async def scores(at: At, rows: Mapping[str, list[Row]]) -> JsonObject:
    """Ours at the top; the others hold the same keys, as far as there is such a way."""
    ours: JsonObject = {}
    others: JsonObject = {"reference": {}, "lists": {}, "encoder": {}, "baseline": {}}
    for kind, some in rows.items():
        way = WAYS[kind]
        say(f"{kind} …")
        ours[kind] = way.score(some, await way.ours(at, blind(kind, some)))
        for name, other in way.others.items():
            others[name][kind] = way.score(some, await other(at, blind(kind, some)))
    return {**ours, **others}


def empty(folder: Path) -> None:
    """A folder without predictions of another time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            (folder / f"{kind}.jsonl").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; a folder for predictions is wanted") from None


async def predict(folder: Path, at: At, rows: Mapping[str, list[Row]]) -> JsonObject:
    """What a run would make of the rows, one file a kind; gold in the rows, if any, is not looked at."""
    written: JsonObject = {}
    for kind, some in rows.items():
        way = WAYS[kind]
        say(f"{kind} …")
        found = await way.ours(at, blind(kind, some))
        lines = [{"id": row["id"], **way.line(found[row["id"]])} for row in some]
        written[kind] = write(folder / f"{kind}.jsonl", lines)
    return written


async def never(_: object) -> Never:
    raise AssertionError("an encoder asks nobody")


if __name__ == "__main__":
    sys.exit(main())
