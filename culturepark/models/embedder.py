"""Makes unit vectors of sentences, for deduplication and diversity."""

from __future__ import annotations

import asyncio
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from culturepark.errors import Unreachable, WrongRequest
from culturepark.models import e5, extras, weights
from culturepark.models.chat import Reply, Request
from culturepark.models.spec import LEXICAL, ModelSpec

Vectors = NDArray[np.float32]
Method = Literal["e5", "minilm", "lexical", "endpoint"]
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
    at_once = 500
    """Texts between which Ctrl-C is heard."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        loop = asyncio.get_running_loop()
        parts = [np.zeros((0, self.places), np.float32)]
        for start in range(0, len(texts), self.at_once):
            parts.append(await loop.run_in_executor(None, self._embed, texts[start : start + self.at_once]))
        return np.concatenate(parts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
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


def identity_with(method: Method, *sha256: str) -> str:
    """Return the identity of a sentence encoder with files of those digests."""
    return " ".join((method, *(digest[:16] for digest in sha256)))


class Encoder(ABC):
    """A network in this process, through onnxruntime.

    Every text is embedded alone, on one core, so its vector does not depend on other texts, to the bit. Two cores are
    no slower so than with padded batches.
    """

    method: Method
    identity: str | None
    width = 384
    """Numbers of a vector."""
    longest = 256
    """Pieces of a text that are read."""
    batch = 64

    def __init__(self, network: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.width), np.float32)
        loop = asyncio.get_running_loop()
        for start in range(0, len(texts), self.batch):  # between batches Ctrl-C is heard
            part = texts[start : start + self.batch]
            # In the loop's own threads: an encoder outlives a fork, and threads do not.
            rows = [loop.run_in_executor(None, self._embed, text) for text in part]
            vectors[start : start + len(part)] = await asyncio.gather(*rows)
        return unit_rows(vectors)

    @abstractmethod
    def _embed(self, text: str) -> Vectors:
        """Return a text's vector, of any length but 0."""


class MultilingualE5(Encoder):
    """multilingual-e5-small in 4 bits: mean of the pieces' vectors. Knows all nine languages of the cultures."""

    method: Method = "e5"
    identity: str | None = identity_with("e5", weights.E5.sha256)
    ASKED = "query: "
    """The model was trained with a word before each text that says what it is for; this one is for likeness."""

    def __init__(self, progress: weights.Progress) -> None:
        data = weights.open_bytes(weights.E5, progress)
        self.identity = identity_with("e5", hashlib.sha256(data).hexdigest())
        model = e5.read(data)
        super().__init__(e5.network(model))
        self._model, self._tokenizer = model, e5.tokenizer(model)
        self._pieces, self._places = e5.words(model)

    def _embed(self, text: str) -> Vectors:
        words = (self.ASKED + text).translate(self._model.rewritten)
        inner = self._tokenizer.encode(words).ids[: self.longest - 2]
        ids = [self._model.first, *inner, self._model.last]
        x = e5.unpacked(self._pieces[ids]).reshape(len(ids), -1) + self._places[: len(ids)]
        mean: Vectors = self._session.run(None, {"x": x[None]})[0][0]
        return mean


class MiniLM(Encoder):
    """all-MiniLM-L6-v2, int8: mean of the token vectors. English. The default until version 0.1; runs in older stores
    name it."""

    method: Method = "minilm"
    identity: str | None = identity_with("minilm", weights.MINILM.sha256, weights.MINILM_TOKENIZER.sha256)

    def __init__(self, progress: weights.Progress) -> None:
        from tokenizers import Tokenizer

        model = weights.open_bytes(weights.MINILM, progress)
        tokenizer = weights.open_bytes(weights.MINILM_TOKENIZER, progress)
        self.identity = identity_with("minilm", *(hashlib.sha256(data).hexdigest() for data in (model, tokenizer)))
        super().__init__(model)
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.enable_truncation(self.longest)
        self._tokenizer.no_padding()

    def _embed(self, text: str) -> Vectors:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, feed)
        mean: Vectors = hidden[0].mean(0)
        return mean


ENCODERS: dict[str, type[MultilingualE5] | type[MiniLM]] = {"e5": MultilingualE5, "minilm": MiniLM}
"""Kind of a spec -> the encoder that it names."""


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
    return ENCODERS[spec.kind].identity if spec.kind in ENCODERS else Lexical.identity


def method_of(name: str) -> Method:
    """Return the method of the embedder that a spec names, without opening it."""
    return ENCODERS[name].method if name in ENCODERS else "lexical" if name == str(LEXICAL) else "endpoint"


OPENED: dict[tuple[str, Path], Embedder] = {}
"""The encoders of this process, by kind and the folder of their weights."""


def open_embedder(spec: ModelSpec, progress: weights.Progress, warn: Callable[[str], None], ask: Asker) -> Embedder:
    """Return the embedder of a spec. Where an encoder cannot be had, warn and return the lexical one."""
    if spec.remote:
        return Endpoint(ask, identity_of(spec))
    if spec == LEXICAL:
        return Lexical()
    if extras.missing(spec.kind):
        warn(f"deduplicating by words, not by meaning: that needs the extra `local`: {extras.how_to_install('local')}")
        return Lexical()
    try:
        return open_encoder(spec.kind, progress)
    except (Unreachable, ImportError) as error:
        warn(f"deduplicating by words, not by meaning: {str(error).splitlines()[0]}")
        return Lexical()


def open_encoder(kind: str, progress: weights.Progress) -> Embedder:
    """Return an encoder of this process, which is opened once: it takes seconds, and 400 MB.

    Raises:
        Unreachable: if its weights cannot be had.
        ImportError: if a package is missing.
    """
    place = (kind, weights.cache_dir())
    if place not in OPENED:
        OPENED[place] = ENCODERS[kind](progress)
    return OPENED[place]
