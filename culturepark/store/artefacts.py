"""What was trained on rows of a store, and on which rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlmodel import col, delete, func, select

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.models.chat import canonical
from culturepark.models.ledger import now
from culturepark.store.store import MOST_NAMED, Store
from culturepark.store.tables import ArtefactRow, TrainedRow

AT_ONCE = 500
"""Rows in one statement."""


class TrainedOn(NamedTuple):
    """One row that an artefact was trained on."""

    row_id: str
    """Empty if no index of the export named it."""
    sha256: str


def put_artefact(
    store: Store,
    kind: str,
    path: str,
    sha256: str,
    *,
    base: str,
    export_manifest_sha256: str | None,
    settings: JsonObject,
    figures: JsonObject,
    rows: Iterable[TrainedOn],
) -> str:
    """Store an artefact with the rows that it was trained on, and return its id.

    Equal weights have one id: what is known of them is replaced.
    """
    artefact_id = f"{kind}-{sha256[:8]}"
    values: dict[str, Any] = {
        "kind": kind, "path": path, "sha256": sha256, "base": base, "export_manifest_sha256": export_manifest_sha256,
        "settings": canonical(settings), "figures": canonical(figures),
    }  # fmt: skip
    trained = [
        {"artefact_id": artefact_id, "position": position, **row._asdict()} for position, row in enumerate(rows, 1)
    ]
    with store.database.writing() as session:
        session.exec(delete(TrainedRow).where(col(TrainedRow.artefact_id) == artefact_id))
        if here := session.get(ArtefactRow, artefact_id):
            if here.sha256 != sha256:
                raise UsageError(f"the store has other weights of the id {artefact_id}; name another --store")
            for name, value in values.items():
                setattr(here, name, value)
        else:
            session.add(ArtefactRow(id=artefact_id, created_at=now(), **values))
        session.flush()
        for start in range(0, len(trained), AT_ONCE):
            session.execute(sqlalchemy.insert(TrainedRow), trained[start : start + AT_ONCE])
    return artefact_id


def artefacts(store: Store) -> list[ArtefactRow]:
    """Return all, the newest first."""
    with store.database.reading() as look:
        return list(look.exec(select(ArtefactRow).order_by(col(ArtefactRow.created_at).desc(), col(ArtefactRow.id))))


def artefact(store: Store, name: str) -> ArtefactRow:
    """Return an artefact by its id or the beginning of it.

    Raises:
        UsageError: if there is none, or if several ids begin like that.
    """
    with store.database.reading() as look:
        matching = select(ArtefactRow).where(func.substr(ArtefactRow.id, 1, len(name)) == name)
        rows = look.exec(matching.order_by(ArtefactRow.id).limit(MOST_NAMED + 1)).all()
    if len(rows) > 1:
        names = ", ".join(row.id for row in rows[:MOST_NAMED])
        raise UsageError(f"the id of more than one artefact begins with {name[:100]!r}: {names}")
    if not rows:
        raise UsageError(f"no such artefact in this store: {name[:100]!r}; `culturepark train` makes one")
    return rows[0]


def trained_on(store: Store, artefact_id: str) -> list[TrainedOn]:
    """Return the rows that an artefact was trained on, in their order."""
    with store.database.reading() as look:
        query = select(TrainedRow.row_id, TrainedRow.sha256).where(TrainedRow.artefact_id == artefact_id)
        return [TrainedOn(*found) for found in look.exec(query.order_by(col(TrainedRow.position)))]


def trained_with(store: Store, row_ids: Sequence[str]) -> list[str]:
    """Return the ids of the artefacts that were trained on one of these rows at least."""
    with store.database.reading() as look:
        query = select(TrainedRow.artefact_id).where(col(TrainedRow.row_id).in_(row_ids)).distinct()
        return sorted(look.exec(query))


def as_json(row: ArtefactRow) -> JsonObject:
    return {
        "artefact": row.id,
        "kind": row.kind,
        "path": row.path,
        "sha256": row.sha256,
        "base": row.base,
        "export_manifest_sha256": row.export_manifest_sha256,
        "settings": json.loads(row.settings),
        "figures": json.loads(row.figures),
        "created_at": row.created_at,
    }
