"""Makes unit vectors of sentences, for deduplication and diversity."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from culturepark.errors import Unreachable, WrongRequest
from culturepark.models import extras, weights
from culturepark.models.chat import Reply, Request
from culturepark.models.spec import LEXICAL, MINILM, ModelSpec

Vectors = NDArray[np.float32]
Method = Literal["minilm", "lexical", "endpoint"]
Asker = Callable[[Request], Awaitable[Reply]]


class Embedder(Protocol):
    method: Method
    identity: str | None
    """The name under which vectors are kept: of the embedder and its weights. None where it costs less to make them
    again."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return rows of length 1, in the shape (len(texts), d)."""
        ...


def unit_rows(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return rows


class Lexical:
    """Word and character n-grams hashed into 4,096 places, weighted by the square root of their count.

    Needs no weights; knows words, not meanings. (Feature hashing: Weinberger et al. 2009.)
    """

    method: Method = "lexical"
    identity: str | None = None
    places = 4096

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.places), np.float32)
        for row, text in enumerate(texts):
            words = re.findall(r"\w+", text.casefold())
            grams = words + [" ".join(pair) for pair in pairwise(words)]
            grams += [word[i : i + 4] for word in words for i in range(max(1, len(word) - 3))]
            for gram in grams:
                place = int.from_bytes(
                    hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big"
                )
                vectors[row, place % self.places] += 1
        return unit_rows(np.sqrt(vectors))


def minilm(model_sha256: str, tokenizer_sha256: str) -> str:
    """Return the identity of MiniLM with those bytes."""
    return f"minilm {model_sha256[:16]} {tokenizer_sha256[:16]}"


class MiniLM:
    """all-MiniLM-L6-v2, int8, through onnxruntime: mean of the token vectors, 384 numbers. English.

    Every text is embedded alone, on one core, so its vector does not depend on other texts, to the bit. Two cores are
    no slower so than with padded batches (303 and 261 texts a second).
    """

    method: Method = "minilm"
    identity: str | None = minilm(weights.MINILM.sha256, weights.MINILM_TOKENIZER.sha256)
    batch = 64

    def __init__(self, progress: weights.Progress) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        model = weights.open_bytes(weights.MINILM, progress)
        tokenizer = weights.open_bytes(weights.MINILM_TOKENIZER, progress)
        self.identity = minilm(*(hashlib.sha256(data).hexdigest() for data in (model, tokenizer)))
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.enable_truncation(256)
        self._tokenizer.no_padding()
        self._cores = ThreadPoolExecutor(min(8, os.cpu_count() or 2))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), 384), np.float32)
        loop = asyncio.get_running_loop()
        for start in range(0, len(texts), self.batch):  # between batches Ctrl-C is heard
            part = texts[start : start + self.batch]
            rows = [loop.run_in_executor(self._cores, self._embed, text) for text in part]
            vectors[start : start + len(part)] = await asyncio.gather(*rows)
        return unit_rows(vectors)

    def _embed(self, text: str) -> Vectors:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, feed)
        mean: Vectors = hidden[0].mean(0)
        return mean


class Endpoint:
    """An OpenAI-compatible embeddings endpoint, asked through the ledger."""

    method: Method = "endpoint"
    batch = 128

    def __init__(self, ask: Asker, identity: str | None = None) -> None:
        self._ask = ask
        self._spec = self.identity = identity
        """Until the first answer the model behind the name is not known: `identity` is then the spec alone."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        rows: list[list[float]] = []
        while part := texts[len(rows) : len(rows) + self.batch]:
            try:
                reply = await self._ask(Request(tuple({"content": text} for text in part), 0, 0.0, 0))
            except WrongRequest:  # too many at once, or too long together: servers take from 2048 down to one
                if len(part) == 1:
                    raise
                self.batch = len(part) // 2
                continue
            rows += [item["embedding"] for item in sorted(reply.response["data"], key=lambda item: item["index"])]
            self.identity = self._spec and served(self._spec, reply.response.get("model"), len(rows[-1]))
        return unit_rows(np.array(rows, np.float32))


def served(spec: str, model: object, size: int) -> str:
    """Return an endpoint's identity: its spec, the name that the server gives its model, and the size of vectors."""
    name = "".join(c for c in model if c.isprintable() and c != " ") if isinstance(model, str) else ""
    return f"{spec} {name[:200] or '-'} {size}"


def identity_of(spec: ModelSpec) -> str | None:
    """Return the `identity` of a spec's embedder without opening it; of an endpoint's, the beginning."""
    if spec.remote:
        return str(spec)
    return MiniLM.identity if spec == MINILM else Lexical.identity


def open_embedder(spec: ModelSpec, progress: weights.Progress, warn: Callable[[str], None], ask: Asker) -> Embedder:
    """Return the embedder of a spec. Where MiniLM cannot be had, warn and return the lexical one."""
    if spec.remote:
        return Endpoint(ask, identity_of(spec))
    if spec == LEXICAL:
        return Lexical()
    if extras.missing(spec.kind):
        warn(f"deduplicating by words, not by meaning: that needs the extra `local`: {extras.how_to_install('local')}")
        return Lexical()
    try:
        return MiniLM(progress)
    except (Unreachable, ImportError) as error:
        warn(f"deduplicating by words, not by meaning: {str(error).splitlines()[0]}")
        return Lexical()
