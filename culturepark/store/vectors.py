"""Vectors of texts, kept by embedder and text, so that no run or command makes one twice.

A vector is rounded to two bytes a number before it is kept or used, so that results do not depend on what was kept. A
damaged one is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, func, select

from culturepark.errors import BadAnswer
from culturepark.models.embedder import Embedder, Endpoint, Vectors
from culturepark.store import integrity
from culturepark.store.store import Store
from culturepark.store.tables import VectorRow

AT_ONCE = 500
"""Rows in a query; SQLite takes 999 values at least."""
EMBEDDED_AT_ONCE = 1024
"""Texts between two commits: what was embedded outlives a kill. A multiple of every embedder's batch, so that
an endpoint is asked for the same batches again and the ledger knows their answers."""


async def vectors_of(store: Store, embedder: Embedder, texts: Sequence[str], *, keep: bool = True) -> Vectors:
    """Return the vectors of texts; only texts whose vectors are not kept yet are embedded.

    Args:
        keep: whether to keep the new ones.
    Returns:
        shape (len(texts), d), rows of length 1 within rounding.
    """
    different = list(dict.fromkeys(texts))
    if not different:
        return np.zeros((0, 1), np.float32)
    if embedder.identity is None:
        found = dict(zip(different, await embedder.embed(different), strict=True))
    else:
        identity, found = best_known(store, embedder.identity, different)
        kept = {identity: found}
        at_once = EMBEDDED_AT_ONCE
        if embedder.method == "endpoint":  # each answer is of one model
            at_once = min(at_once, Endpoint.batch)
        while missing := [text for text in different if text not in found][:at_once]:
            new = dict(zip(missing, await embedder.embed(missing), strict=True))
            if not all(np.isfinite(row).all() for row in new.values()):
                raise BadAnswer(f"{embedder.identity}: vectors that hold no numbers")
            if embedder.identity != identity:  # an endpoint has another model behind the same name
                identity = embedder.identity
                found = kept.setdefault(identity, known(store, identity, different))
            size = len(new[missing[0]])
            for text in [text for text, row in found.items() if len(row) != size]:
                del found[text]
            found.update(remember(store, identity, new) if keep else rounded(new))
    return np.stack([found[text] for text in texts])


def best_known(store: Store, embedder: str, texts: Sequence[str]) -> tuple[str, dict[str, Vectors]]:
    """Return the kept vectors of one model. If an endpoint's name has stood for several models, it is the one that has
    most of these texts, since vectors of two models are not to be compared.

    Returns:
        the whole identity, and the vectors, each of shape (d,).
    """
    names = [name for name in embedders(store) if name == embedder or name.startswith(f"{embedder} ")]
    choice = [(name, known(store, name, texts)) for name in names]
    return max(choice, key=lambda named: len(named[1]), default=(embedder, {}))


def embedders(store: Store) -> list[str]:
    """Return all embedders with kept vectors, by steps along the index, which reads no rows."""
    names: list[str] = []
    with store.database.reading() as session:
        while name := session.exec(
            select(func.min(VectorRow.embedder)).where(col(VectorRow.embedder) > (names[-1] if names else ""))
        ).one():
            names.append(str(name))
    return names


def known(store: Store, embedder: str, texts: Sequence[str]) -> dict[str, Vectors]:
    """Return the kept and undamaged vectors of one embedder, each of shape (d,)."""
    vectors: dict[str, Vectors] = {}
    text_of = {digest_of(text): text for text in texts}
    digests = list(text_of)
    with store.database.reading() as session:
        for start in range(0, len(digests), AT_ONCE):
            query = select(VectorRow.text_sha256, VectorRow.vector, VectorRow.checksum)
            query = query.where(
                VectorRow.embedder == embedder, col(VectorRow.text_sha256).in_(digests[start : start + AT_ONCE])
            )
            for digest, blob, checksum in session.exec(query):
                if checksum == integrity.checksum({"embedder": embedder, "text_sha256": digest, "vector": blob}):
                    vector = unpacked(blob)
                    if np.isfinite(vector).all():
                        vectors[text_of[digest]] = vector
    return vectors


def remember(store: Store, embedder: str, vectors: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """Store vectors, in place of damaged ones if there are any.

    Returns:
        The vectors as `known` will return them.
    """
    values: list[dict[str, Any]] = []
    for text, vector in vectors.items():
        row = {"embedder": embedder, "text_sha256": digest_of(text), "vector": packed(vector)}
        values.append(row | {"checksum": integrity.checksum(row)})
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[store.database.engine.dialect.name]
    insert = dialect.insert(VectorRow)
    anew = {"vector": insert.excluded.vector, "checksum": insert.excluded.checksum}
    with store.database.writing() as session:  # another process may have kept the same text meanwhile
        session.execute(insert.on_conflict_do_update(index_elements=["embedder", "text_sha256"], set_=anew), values)
    return rounded(vectors)


def rounded(vectors: Mapping[str, Vectors]) -> dict[str, Vectors]:
    return {text: unpacked(packed(vector)) for text, vector in vectors.items()}


def packed(vector: Vectors) -> bytes:
    return vector.astype("<f2").tobytes()


def unpacked(blob: bytes) -> Vectors:
    return np.frombuffer(blob, "<f2").astype(np.float32)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
