"""A cache of sentence vectors by embedder and text, so that no run or command embeds a text twice.

Every vector is rounded to two bytes a number before it is used, so that results do not depend on the cache. A damaged
vector is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, func, select

from culturepark.errors import BadAnswer
from culturepark.models.embedder import Embedder, Endpoint, Vectors, unit_rows
from culturepark.store import integrity
from culturepark.store.store import Store
from culturepark.store.tables import VectorRow

AT_ONCE = 500
"""Rows in a query; SQLite takes 999 values at least."""
EMBEDDED_AT_ONCE = 1024
"""Texts between two commits, so that a kill loses few vectors. A multiple of every embedder's batch, so that a resumed
run asks an endpoint for the same batches and the ledger finds their answers."""


async def vectors_of(store: Store, embedder: Embedder, texts: Sequence[str], *, keep: bool = True) -> Vectors:
    """Return the vectors of texts, and embed those that are not cached.

    Args:
        keep: whether to cache new vectors.
    Returns:
        shape (len(texts), d), rows of length 1 within rounding.
    """
    different = list(dict.fromkeys(texts))
    if not different:
        return np.zeros((0, 1), np.float32)
    if embedder.identity is None:
        made = await embedder.embed(different)
        places = {text: place for place, text in enumerate(different)}
        return made if len(different) == len(texts) else made[[places[text] for text in texts]]
    identity, vectors = best_known(store, embedder.identity, different)
    by_identity = {identity: vectors}
    at_once = EMBEDDED_AT_ONCE
    if embedder.method == "endpoint":  # each answer comes from one model
        at_once = min(at_once, Endpoint.batch)
    while missing := [text for text in different if text not in vectors][:at_once]:
        new = dict(zip(missing, await embedder.embed(missing), strict=True))
        if not all(np.isfinite(row).all() for row in new.values()):
            raise BadAnswer(f"{embedder.identity}: vectors that hold no numbers")
        if embedder.identity != identity:  # the endpoint now has another model under the same name
            identity = embedder.identity
            vectors = by_identity.setdefault(identity, known(store, identity, different))
        size = len(new[missing[0]])
        for text in [text for text, vector in vectors.items() if len(vector) != size]:
            del vectors[text]
        vectors.update(remember(store, identity, new) if keep else rounded(new))
    return np.stack([vectors[text] for text in texts])


def best_known(store: Store, embedder: str, texts: Sequence[str]) -> tuple[str, dict[str, Vectors]]:
    """Return the cached vectors of one embedder, and its whole identity.

    The name of an endpoint can have stood for several models, whose vectors cannot be compared. Then the model with
    the most of these texts is chosen.
    """
    names = [name for name in embedders(store) if name == embedder or name.startswith(f"{embedder} ")]
    choice = [(name, known(store, name, texts)) for name in names]
    return max(choice, key=lambda pair: len(pair[1]), default=(embedder, {}))


def matrix(store: Store, embedder: str, texts: Sequence[str]) -> tuple[Vectors | None, int]:
    """Return the cached vectors of texts, and how many texts have one.

    The model is chosen as `best_known` does, and each vector is read into its row: many texts are in memory once.

    Returns:
        shape (len(texts), d), unit rows, or None if one is missing or they are of different sizes.
    """
    rows: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        rows.setdefault(digest_of(text), []).append(place)
    names = [name for name in embedders(store) if name == embedder or name.startswith(f"{embedder} ")]
    best: tuple[Vectors | None, int] = None, 0
    for name in names:
        made: Vectors | None = None
        found, sizes = 0, set()
        for digest, vector in each_known(store, name, list(rows)):
            if made is None:
                made = np.zeros((len(texts), len(vector)), np.float32)
            sizes.add(len(vector))
            found += len(rows[digest])
            if len(vector) == made.shape[1]:
                made[rows[digest]] = unit_rows(vector[None])[0]
        if found > best[1]:
            whole = found == len(texts) and len(sizes) == 1
            best = (made if whole else None), (0 if found == len(texts) and not whole else found)
    return best


def embedders(store: Store) -> list[str]:
    """Return all embedders with cached vectors. Each query reads one entry of the index, and no rows."""
    names: list[str] = []
    with store.database.reading() as session:
        while name := session.exec(
            select(func.min(VectorRow.embedder)).where(col(VectorRow.embedder) > (names[-1] if names else ""))
        ).one():
            names.append(str(name))
    return names


def known(store: Store, embedder: str, texts: Sequence[str]) -> dict[str, Vectors]:
    """Return the cached and undamaged vectors of one embedder, each of shape (d,)."""
    text_of = {digest_of(text): text for text in texts}
    return {text_of[digest]: vector for digest, vector in each_known(store, embedder, list(text_of))}


def each_known(store: Store, embedder: str, digests: Sequence[str]) -> Iterator[tuple[str, Vectors]]:
    """Yield digests of texts with the cached and undamaged vectors of one embedder, each of shape (d,)."""
    query = select(VectorRow.text_sha256, VectorRow.vector, VectorRow.checksum).where(VectorRow.embedder == embedder)
    with store.database.reading() as session:
        for page in integrity.pages(digests, AT_ONCE):
            for digest, blob, checksum in session.exec(query.where(col(VectorRow.text_sha256).in_(page))):
                if checksum == integrity.checksum({"embedder": embedder, "text_sha256": digest, "vector": blob}):
                    vector = unpacked(blob)
                    if np.isfinite(vector).all():
                        yield digest, vector


def remember(store: Store, embedder: str, vectors: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """Cache vectors, in place of damaged ones if there are any, and return them as `known` will."""
    values: list[dict[str, Any]] = []
    for text, vector in vectors.items():
        row = {"embedder": embedder, "text_sha256": digest_of(text), "vector": packed(vector)}
        values.append(row | {"checksum": integrity.checksum(row)})
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[store.database.engine.dialect.name]
    insert = dialect.insert(VectorRow)
    replaced = {"vector": insert.excluded.vector, "checksum": insert.excluded.checksum}
    with store.database.writing() as session:  # another process may have stored the same text meanwhile
        session.execute(insert.on_conflict_do_update(index_elements=["embedder", "text_sha256"], set_=replaced), values)
    return rounded(vectors)


def rounded(vectors: Mapping[str, Vectors]) -> dict[str, Vectors]:
    return {text: unpacked(packed(vector)) for text, vector in vectors.items()}


def packed(vector: Vectors) -> bytes:
    return vector.astype("<f2").tobytes()


def unpacked(blob: bytes) -> Vectors:
    return np.frombuffer(blob, "<f2").astype(np.float32)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
