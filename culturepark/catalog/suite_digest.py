"""The digest of a suite, which is the same for the same items wherever it is taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """Return JSON in one spelling, ASCII."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def suite_digest(definition: str, items: Iterable[Mapping[str, Any]]) -> str:
    """Return the sha256, as hex, over the canonical JSON of a suite's definition and of its items in their order.

    Args:
        definition: as JSON.
        items: columns of `item`; payload and target as JSON.
    """
    taken = hashlib.sha256(canonical_json(json.loads(definition)).encode())
    for item in items:
        contents = [item["key"], item["language"], json.loads(item["payload"]), json.loads(item["target"])]
        taken.update(f"\x1f{canonical_json([*contents, item['split']])}".encode())
    return taken.hexdigest()
