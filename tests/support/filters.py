"""Filters whose verdicts are known, and rated rows whose truth is."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from culturepark.models import filter as kept
from culturepark.models.embedder import Vectors, unit_rows
from culturepark.models.filter import PLACES, Curve, Head, Settings, Thresholds, Weights

CALM = ("river", "bread", "morning", "garden", "letter", "window", "harvest", "market", "cousin", "wedding", "tailor")
RUDE = "grob"
"""The four letters by which a filter made by hand flags a text."""


def by_hand(folder: Path, *heads: str, bad: str = RUDE) -> Path:
    """Write a filter that flags every text with these four letters in it, and needs no encoder.

    Args:
        heads: names of scales from 1 to 5 that it rates on; none for a filter of labels.
    """
    assert len(bad) == 4
    weights = np.zeros((1, PLACES))
    weights[0, zlib.crc32(bad.encode()) % PLACES] = 60.0
    made = [
        Head(name=name, kind="rating", least=1, most=5, bar=3, line=(4.5, -1.0), curve=Curve(slope=1.0))
        for name in heads
    ]
    label = Head(name="label", kind="label", bar=0.5, curve=Curve(slope=1.0), thresholds=Thresholds(all=0.5))
    settings = Settings(
        format=1,
        encoders=(),
        identities={},
        grams=True,
        prompts=False,
        cultures=(),
        languages=("en",),
        heads=tuple(made) or (label,),
    )
    folder.mkdir(parents=True, exist_ok=True)
    kept.save(settings, Weights((), np.ones(PLACES), ((np.full(1, -1.0), weights),) * len(settings.heads)), folder)
    return folder


def text(rng: random.Random, *more: str) -> str:
    words = [rng.choice(CALM) for _ in range(8)]
    for word in more:
        words.insert(rng.randrange(len(words)), word)
    return " ".join(words)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def labelled(path: Path, count: int = 160, seed: int = 1, **more: Any) -> Path:
    """Rows of which half hold the word, and are labelled so; every row has words of its own."""
    rng = random.Random(seed)
    return write(
        path,
        [
            {"text": text(rng, *([RUDE] if n % 2 else []), f"w{n}"), "label": "rude" if n % 2 else "fine"} | more
            for n in range(count)
        ],
    )


def hashed(_: str, texts: Sequence[str]) -> Vectors:
    """Stands for an encoder: texts that share words are near."""
    vectors = np.zeros((len(texts), 384), np.float32)
    for row, words in enumerate(texts):
        for word in words.split():
            direction = np.random.default_rng(zlib.crc32(word.encode())).normal(size=384)
            vectors[row] += (3 if word == RUDE else 1) * direction
    return unit_rows(vectors + 0.01)


class Hashed:
    """The same as an encoder of this process."""

    method, identity = "e5", "hashed 1"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return hashed("e5", texts)
