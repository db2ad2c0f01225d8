"""The norms that are nearest to a question, by shared words. Pure.

Shared words are crude beside an embedder, but give the same prompt on every machine; a prompt that changes is asked
anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from culturepark.dialogue.memory import words
from culturepark.dialogue.stance import unit
from culturepark.domain import Seed

stems = lru_cache(maxsize=65_536)(words)
"""The same norms come again before every question."""


def nearest(seed: Seed, texts: Sequence[str], most: int) -> list[int]:
    """Return the indices of the texts that are nearest to a question, nearest first."""
    return ranked(f"{seed.topic} {seed.question}", texts)[:most]


def ranked(about: str, texts: Sequence[str]) -> list[int]:
    """Return the indices of texts by their nearness to some words: shared ones, the rarer among them the heavier.

    Chance breaks ties, hashed from the words.
    """
    wanted, own = stems(about), [stems(text) for text in texts]
    spread = Counter(word for text in own for word in text & wanted)
    near = [sum(math.log(1 + len(texts) / spread[word]) for word in text & wanted) for text in own]
    return sorted(range(len(texts)), key=lambda i: (-near[i], unit("norm", about, texts[i]), i))
