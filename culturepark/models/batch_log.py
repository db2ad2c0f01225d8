"""The batches of a run, as `batch` wants a store to keep them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from culturepark.domain import JsonObject


@dataclass(frozen=True)
class Kept:
    """A batch that a store holds and that has not ended."""

    id: str
    endpoint: str
    model: str
    name: str
    remote_id: str | None
    created_at: str
    size: int
    """Requests that it was submitted with."""
    items: tuple[tuple[str, str, str], ...]
    """Call id, subject and digest of each request that has no answer yet."""


class BatchLog(Protocol):
    """The batches of one run that the store keeps."""

    def open_batches(self) -> list[Kept]: ...
    def begin_batch(self, endpoint: str, model: str, kind: str, name: str, call_ids: Collection[str]) -> str: ...
    def set_batch(self, batch_id: str, **values: object) -> None: ...
    def request_of(self, call_id: str) -> JsonObject: ...
