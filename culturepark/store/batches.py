"""The batches of runs as the store keeps them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import sqlalchemy
from sqlmodel import col, func, select, update

from culturepark.domain import JsonObject
from culturepark.models.batch_log import Kept
from culturepark.models.ledger import now
from culturepark.store.store import Store
from culturepark.store.tables import UNDER_WAY, BatchedRow, BatchRow, CallRow


class StoredBatches:
    """The batches of one run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id

    def open_batches(self) -> list[Kept]:
        """Return the batches under way, in the order in which they were submitted, with their open calls."""
        with self.store.database.reading() as session:
            query = select(BatchRow).where(BatchRow.run_id == self.run_id, col(BatchRow.status).in_(UNDER_WAY))
            rows = session.exec(query.order_by(func.length(BatchRow.id), col(BatchRow.id))).all()
            items: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
            columns: list[Any] = [BatchedRow.batch_id, CallRow.id, CallRow.subject_id, CallRow.request_digest]
            calls = sqlalchemy.select(*columns).join(CallRow, col(CallRow.id) == col(BatchedRow.call_id))
            calls = calls.where(col(BatchedRow.batch_id).in_([row.id for row in rows]))
            calls = calls.where(col(CallRow.response).is_(None), col(CallRow.error).is_(None))
            for batch_id, *call in session.execute(calls.order_by(func.length(CallRow.id), col(CallRow.id))):
                items[batch_id].append((call[0], call[1], call[2]))
            return [
                Kept(r.id, r.endpoint, r.model, r.name, r.remote_id, r.created_at, r.items, tuple(items[r.id]))
                for r in rows
            ]

    def begin_batch(self, endpoint: str, model: str, kind: str, name: str, call_ids: Collection[str]) -> str:
        """Add a batch of calls that is about to be submitted, and return its id."""
        with self.store.database.writing() as session:
            count = session.exec(select(func.count()).where(BatchRow.run_id == self.run_id)).one()
            batch_id = f"{self.run_id}.b{count + 1}"
            session.add(
                BatchRow(
                    id=batch_id,
                    run_id=self.run_id,
                    endpoint=endpoint,
                    model=model,
                    kind=kind,
                    name=name,
                    status="sending",
                    items=len(call_ids),
                    created_at=now(),
                )
            )
            session.flush()
            rows = [{"call_id": call_id, "batch_id": batch_id} for call_id in call_ids]
            session.execute(sqlalchemy.insert(BatchedRow), rows)
        return batch_id

    def set_batch(self, batch_id: str, **values: object) -> None:
        with self.store.database.writing() as session:
            session.execute(update(BatchRow).where(col(BatchRow.id) == batch_id).values(**values))

    def request_of(self, call_id: str) -> JsonObject:
        """Return the request that was sent for a call."""
        with self.store.database.reading() as session:
            request: JsonObject = json.loads(session.exec(select(CallRow.request).where(CallRow.id == call_id)).one())
        return request


def has_open_batches(store: Store, run_id: str) -> bool:
    with store.database.reading() as session:
        query = select(BatchRow.id).where(BatchRow.run_id == run_id, col(BatchRow.status).in_(UNDER_WAY))
        return session.exec(query.limit(1)).first() is not None


def batches_of(store: Store, run_id: str) -> list[BatchRow]:
    """Return all batches of a run, in the order in which they were submitted."""
    query = select(BatchRow).where(BatchRow.run_id == run_id)
    return store.database.rows(query.order_by(func.length(BatchRow.id), col(BatchRow.id)))
