"""Which seeds train and which validate: whole questions, so that none is seen on both sides. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from culturepark.dialogue.stance import unit


def held_out(rows: Mapping[str, int], questions: Iterable[tuple[str, str]], train_share: float) -> frozenset[str]:
    """The seeds that validate.

    Args:
        rows: seed key -> how many rows it has, over all runs.
        questions: seed key and question of every seed of every run.
        train_share: the share of rows that should train, 0-1.
    """
    group = groups(questions)
    by_group: Counter[str] = Counter()
    for seed_key, count in rows.items():
        by_group[group[seed_key]] += count
    held = validation_seeds(by_group, train_share)
    return frozenset(seed_key for seed_key in rows if group[seed_key] in held)


def groups(questions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Seed key -> the first key of those that must stand on one side with it: two runs may give one question two keys,
    and one key two questions."""
    from culturepark.distill.paraphrase import key

    above: dict[str, str] = {}

    def top(node: str) -> str:
        while above.setdefault(node, node) != node:
            node = above[node]
        return node

    seed_keys = set()
    for seed_key, question in questions:
        seed_keys.add(seed_key)
        one, other = sorted((top(seed_key), top(f"?{key(question)}")))
        above[other] = one
    first: dict[str, str] = {}
    for seed_key in sorted(seed_keys):
        first.setdefault(top(seed_key), seed_key)
    return {seed_key: first[top(seed_key)] for seed_key in seed_keys}


def validation_seeds(rows: Mapping[str, int], train_share: float) -> frozenset[str]:
    """
    Args:
        rows: seed key -> how many rows it has.
        train_share: the share of rows that should train, 0-1.
    Returns:
        Seeds held out; one at least stays in training, so with a single seed none is held out.
    """
    wanted = (1 - train_share) * sum(rows.values())
    held: set[str] = set()
    reached = 0
    for seed in sorted(rows, key=lambda key: unit("split", key)):
        if len(held) + 1 == len(rows) or reached >= wanted:
            break
        if reached and abs(reached + rows[seed] - wanted) > abs(reached - wanted):
            continue
        held.add(seed)
        reached += rows[seed]
    return frozenset(held)
