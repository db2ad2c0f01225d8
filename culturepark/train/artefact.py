"""Finishes what was trained: adapter as GGUF, card and curve beside it, a row in the store with all rows behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from culturepark.errors import UsageError
from culturepark.files import clipped, put_json, readable
from culturepark.models.weights import sha256_of
from culturepark.store.artefacts import TrainedOn, put_artefact
from culturepark.store.store import Store
from culturepark.train.adapter import TRAINING, Outcome
from culturepark.train.base import Base
from culturepark.train.examples import Examples

WEIGHTS, GGUF, MERGED, CARD, ROWS = (
    "adapter_model.safetensors",
    "adapter.gguf",
    "merged.gguf",
    "README.md",
    "rows.jsonl",
)


def keep(store: Store, base: Base, examples: Examples, outcome: Outcome, out: Path) -> str:
    """Store an adapter with its rows; return its id, which is written into its folder too."""
    record = json.loads((out / TRAINING).read_bytes())
    rows = [TrainedOn(example.id, example.sha256) for example in outcome.used]
    artefact_id = put_artefact(
        store,
        "adapter",
        str(out),
        sha256_of(out / WEIGHTS),
        base=base.given,
        export_manifest_sha256=examples.manifest_sha256,
        settings=record["settings"] | {"culture": examples.culture, "base_name": base.name},
        figures=outcome.figures,
        rows=rows,
    )
    (out / ROWS).write_text("".join(json.dumps(row._asdict()) + "\n" for row in rows), "utf-8")
    put_json(out / TRAINING, {"artefact": artefact_id} | record)
    return artefact_id


def id_in(folder: Path) -> str:
    """Return the id of the artefact in a folder.

    Raises:
        UsageError: if there is none.
    """
    try:
        record = json.loads(readable(folder / TRAINING).read_bytes())
        return str(record["artefact"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{clipped(folder, 400)}: no artefact of `culturepark train` is in this folder") from None


def convert(base: Base, out: Path, *, merge: bool) -> Sequence[str]:
    """Write an adapter as GGUF too, and on request the base with the adapter in it; return what could not be had."""
    from culturepark.train import gguf

    source = base.gguf or Path(base.source)
    if not source.exists():
        return [f"no {GGUF}: the base is not on this disk as files of its own; {WEIGHTS} serves with vLLM"]
    try:
        gguf.write_adapter(out, source, out / GGUF)
    except UsageError as error:
        return [f"no {GGUF}: {error}"]
    if merge and base.gguf:
        gguf.merge(base.gguf, out / GGUF, out / MERGED)
    elif merge:
        return ["no merged.gguf: only a base that is a GGUF is merged; PEFT's merge_and_unload merges the others"]
    return []
