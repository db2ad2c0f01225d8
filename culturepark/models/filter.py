"""A moderation filter as it is kept in a folder, read and served. It needs numpy, and an encoder of sentences.

A filter is linear: what it says of a text is a weighted sum over the text's sentence vectors (`models/embedder`) and
its hashed character n-grams. `filter.json` holds its settings and thresholds, `weights.npz` its numbers. Neither can
run anything, since a filter may come from anybody; both are checked before they are used.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from culturepark.errors import UsageError
from culturepark.files import clipped, expanded, readable
from culturepark.languages.identified import language_in
from culturepark.models import embedder, extras
from culturepark.models.embedder import Vectors, unit_rows
from culturepark.models.spec import ModelSpec
from culturepark.models.weights import Progress

SETTINGS, WEIGHTS = "filter.json", "weights.npz"
FORMAT = 1
PLACES = 1 << 16
"""Places into which n-grams are hashed."""
SHORTEST, LONGEST = 2, 4
"""Characters of an n-gram."""
READ = 20_000
"""Characters of a text whose n-grams are counted. Encoders read 256 pieces."""
LARGEST_SETTINGS = 4_000_000
LARGEST_WEIGHTS = 1_000_000_000
"""Bytes of the files that are read; of the weights, unpacked."""
MOST_HEADS, MOST_CULTURES = 20, 500
Encoders = Literal["e5", "minilm"]
Floats = NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True)
class Text:
    """A text that is looked at, with what is known of it."""

    text: str
    prompt: str = ""
    """What it answers; empty for a text that stands alone."""
    language: str = ""
    """Its code; empty where nobody has said, and it is guessed."""
    culture: str = ""
    """Key of the culture of those who would read it; empty for none in particular."""


@dataclass(frozen=True)
class Said:
    """What a filter says of a text on one scale."""

    value: float
    """What people would rate it on average, in points of the scale; of a label the share of people who would give
    it."""
    chance: float
    """The calibrated probability that people would object to it."""
    threshold: float
    flagged: bool


@dataclass(frozen=True)
class Verdict:
    flagged: bool
    """Whether any scale flags it."""
    language: str
    """The one whose thresholds were used; empty for those of all languages."""
    culture: str
    said: Mapping[str, Said]
    """By the name of the scale."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Curve(Part):
    """How a score becomes a probability: by Platt's sigmoid of `slope` and `offset`, or by steps between points."""

    slope: float | None = None
    offset: float = 0.0
    at: Annotated[tuple[float, ...], Field(max_length=10_000)] = ()
    chance: Annotated[tuple[Share, ...], Field(max_length=10_000)] = ()

    @model_validator(mode="after")
    def _is_a_curve(self) -> Curve:
        if self.slope is None and (not self.at or len(self.at) != len(self.chance)):
            raise ValueError("needs a slope, or as many chances as points")
        if any(b < a for a, b in zip(self.at, self.at[1:], strict=False)):
            raise ValueError("points must rise")
        return self

    def __call__(self, scores: Floats) -> Floats:
        if self.slope is None:
            return np.interp(scores, self.at, self.chance)
        return sigmoid(self.slope * scores + self.offset)


class Thresholds(Part):
    """Chances from which a text is flagged. The one of a language holds where the filter saw enough of it."""

    all: Share = 0.5
    languages: dict[str, Share] = {}


class Head(Part):
    """One scale."""

    name: Name
    kind: Literal["label", "rating"]
    """`label`: the share of people who would call it so. `rating`: a mean on a scale from `least` to `most`."""
    least: float = 0.0
    most: float = 1.0
    bar: float
    """People object to a text whose mean rating is below the bar; to one that more than this share would label."""
    line: tuple[float, float] = (0.0, 1.0)
    """Offset and slope that make a rating of a score."""
    curve: Curve
    """Makes the chance of a score."""
    thresholds: Thresholds = Thresholds()
    flagged: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the rows that it was trained on and that it flags without having seen them; None where nobody knows."""

    @model_validator(mode="after")
    def _is_a_head(self) -> Head:
        if not self.least < self.most or not self.least <= self.bar <= self.most:
            raise ValueError("least must be below most, and the bar between them")
        return self

    def values(self, scores: Floats, chances: Floats) -> Floats:
        if self.kind == "label":
            return chances
        return np.clip(self.line[0] + self.line[1] * scores, self.least, self.most)

    def as_rating(self, value: float, least: float, most: float) -> float:
        """Return a value in points of another scale. What nobody would label gets the highest of them."""
        share = (value - self.least) / (self.most - self.least)
        return least + (most - least) * (1 - share if self.kind == "label" else share)


class Settings(Part):
    format: Literal[1]
    encoders: Annotated[tuple[Encoders, ...], Field(max_length=2)]
    identities: dict[str, str]
    """Encoder -> its identity when the filter was trained: with other weights its numbers mean nothing."""
    grams: bool
    """Whether it counts n-grams."""
    prompts: bool
    """Whether it was trained on answers to prompts, and looks at the prompt too."""
    cultures: Annotated[tuple[str, ...], Field(max_length=MOST_CULTURES)]
    """Cultures that have weights of their own; all others have the common ones."""
    languages: Annotated[tuple[str, ...], Field(max_length=500)]
    """Codes of the languages that it was trained on."""
    heads: Annotated[tuple[Head, ...], Field(min_length=1, max_length=MOST_HEADS)]

    @model_validator(mode="after")
    def _is_whole(self) -> Settings:
        if not self.encoders and not self.grams:
            raise ValueError("it looks at nothing: neither encoders nor grams")
        for names in (self.encoders, self.cultures, tuple(head.name for head in self.heads)):
            if len(set(names)) != len(names):
                raise ValueError(f"named twice: {clipped(names)}")
        return self

    @property
    def width(self) -> int:
        """Numbers of a text's dense part."""
        return embedder.Encoder.width * len(self.encoders) * (2 if self.prompts else 1)

    @property
    def features(self) -> int:
        return self.width + (PLACES if self.grams else 0)


def sigmoid(x: Floats) -> Floats:
    # By way of tanh, which does not overflow.
    half: Floats = 0.5 * (1 + np.tanh(x / 2))
    return half


# --- what is seen of a text --------------------------------------------------------------------------


def grams(text: str) -> dict[int, float]:
    """Return the places of a text's character n-grams, each with 1 + log of its count.

    (Feature hashing: Weinberger et al. 2009. Upper and lower case are one, and so are compatible forms of a letter.)
    """
    words = unicodedata.normalize("NFKC", text[:READ]).casefold().split()
    plain = f" {' '.join(words)} " if words else ""
    counts: Counter[int] = Counter()
    for size in range(SHORTEST, LONGEST + 1):
        for start in range(len(plain) - size + 1):
            counts[zlib.crc32(plain[start : start + size].encode("utf-8", "surrogatepass")) % PLACES] += 1
    return {place: 1 + math.log(count) for place, count in counts.items()}


def weighed(counts: Mapping[int, float], rarity: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return places and weights of n-grams, with length 1: counts times the rarity of each place."""
    places = np.fromiter(counts.keys(), np.intp, len(counts))
    values = np.fromiter(counts.values(), np.float64, len(counts)) * rarity[places]
    return places, values / max(float(np.linalg.norm(values)), 1e-12)


def centred(vectors: Vectors, mean: Vectors) -> Vectors:
    """Return vectors without what all texts share, of length 1."""
    return unit_rows(vectors - mean)


def dense(blocks: Sequence[Vectors], means: Sequence[Vectors], there: Sequence[Sequence[bool]]) -> Floats:
    """Return the dense part of texts: the vectors of each encoder side by side, and behind them those of prompts.

    Args:
        there: for each block, which rows have a text; the others are 0.
    """
    parts = [
        centred(block, mean) * np.array(own, np.float32)[:, None]
        for block, mean, own in zip(blocks, means, there, strict=True)
    ]
    return np.concatenate(parts, axis=1).astype(np.float64)


# --- a filter ----------------------------------------------------------------------------------------

Encode = Callable[[Encoders, Sequence[str]], Awaitable[Vectors]]
"""Returns unit vectors of texts by an encoder, shape (len(texts), 384)."""


@dataclass(frozen=True)
class Weights:
    """The numbers of a filter."""

    means: tuple[Vectors, ...]
    """Of each dense block, shape (384,): what all texts share."""
    rarity: Floats
    """Inverse document frequency by place, shape (PLACES,); of length 0 without n-grams."""
    heads: tuple[tuple[Floats, Floats], ...]
    """For each head: offsets, shape (1 + cultures,), and weights, shape (1 + cultures, features). The first row holds
    for everybody, the others for one culture each."""

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        named: dict[str, NDArray[Any]] = {f"mean{n}": mean for n, mean in enumerate(self.means)}
        named["rarity"] = self.rarity
        for n, (offsets, weights) in enumerate(self.heads):
            named |= {f"head{n}.offsets": offsets, f"head{n}.weights": weights}
        return {name: array.astype(np.float32) for name, array in named.items()}


@dataclass(frozen=True)
class Filter:
    """A filter that can be asked."""

    settings: Settings
    weights: Weights
    name: str = "filter"
    digest: str = ""
    """The first digits of the sha256 of its files."""
    _encoders: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def scales(self) -> dict[str, Head]:
        return {head.name: head for head in self.settings.heads}

    def open(self, progress: Progress) -> None:
        """Read the encoders.

        Raises:
            UsageError: if a package is missing, or the encoder is another than the one that it was trained with.
            Unreachable: if its weights cannot be had.
        """
        for kind in self.settings.encoders:
            extras.require(ModelSpec(kind))
            encoder = embedder.open_encoder(kind, progress)
            trained = self.settings.identities.get(kind)
            if encoder.identity != trained:
                raise UsageError(
                    f"{self.name}: was trained with the encoder {clipped(trained)}, and here is {encoder.identity}; "
                    "train it again"
                )
            self._encoders[kind] = encoder

    async def encode(self, kind: Encoders, texts: Sequence[str]) -> Vectors:
        vectors: Vectors = await self._encoders[kind].embed(texts)
        return vectors

    async def verdicts(
        self, texts: Sequence[Text], encode: Encode | None = None, *, threshold: float | None = None
    ) -> list[Verdict]:
        """Return a verdict on each text.

        Args:
            encode: in place of the encoders of `open`.
            threshold: a chance from which texts are flagged, in place of the filter's own.
        """
        if not texts:
            return []
        scores = await self.scores(texts, encode or self.encode)
        languages = [self.language_of(text) for text in texts]
        columns: dict[str, list[Said]] = {}
        for head, own in zip(self.settings.heads, scores, strict=True):
            chances = head.curve(own)
            values = head.values(own, chances)
            column = columns[head.name] = []
            for value, chance, language in zip(values.tolist(), chances.tolist(), languages, strict=True):
                bound = head.thresholds.languages.get(language, head.thresholds.all) if threshold is None else threshold
                column.append(Said(value, chance, bound, chance >= bound))
        return [
            Verdict(
                flagged=any(column[row].flagged for column in columns.values()),
                language=languages[row],
                culture=text.culture if text.culture in self.settings.cultures else "",
                said={name: column[row] for name, column in columns.items()},
            )
            for row, text in enumerate(texts)
        ]

    async def scores(self, texts: Sequence[Text], encode: Encode) -> list[Floats]:
        """Return the raw scores of texts, one row of numbers for each head."""
        blocks, there = [], []
        sides = [[text.text for text in texts]] + ([[text.prompt for text in texts]] if self.settings.prompts else [])
        for side in sides:
            for kind in self.settings.encoders:
                blocks.append(await encode(kind, side))
                there.append([bool(words.strip()) for words in side])
        seen = dense(blocks, self.weights.means, there) if blocks else np.zeros((len(texts), 0))
        counted = [weighed(grams(text.text), self.weights.rarity) for text in texts] if self.settings.grams else []
        places = {culture: row for row, culture in enumerate(self.settings.cultures, start=1)}
        rows = [places.get(text.culture, 0) for text in texts]
        scores = []
        for offsets, weights in self.weights.heads:
            own = offsets[rows] + np.einsum("nd,nd->n", seen, weights[rows, : self.settings.width])
            for n, (at, values) in enumerate(counted):
                own[n] += weights[rows[n], self.settings.width + at] @ values
            scores.append(own)
        return scores

    def language_of(self, text: Text) -> str:
        """Return the language whose thresholds hold for a text; empty if it is none that the filter was trained on."""
        known = self.settings.languages
        if text.language:
            return text.language if text.language in known else text.language.partition("-")[0]
        if len(known) < 2 or not any(head.thresholds.languages for head in self.settings.heads):
            return known[0] if len(known) == 1 else ""
        first = language_in(text.text[:2000])
        return first if first in known else ""


# --- files -------------------------------------------------------------------------------------------


def save(settings: Settings, weights: Weights, folder: Path) -> None:
    """Write the two files of a filter into a folder, which is there."""
    (folder / SETTINGS).write_text(settings.model_dump_json(indent=2) + "\n", "utf-8")
    # Equal numbers make equal bytes: an archive of numpy's has the time of its writing in it.
    with zipfile.ZipFile(folder / WEIGHTS, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in weights.arrays().items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def load(path: str | Path) -> Filter:
    """
    Raises:
        UsageError: if there is no filter, or a file of it is not as it has to be.
    """
    folder = expanded(str(path))
    shown = clipped(folder, 200)
    try:
        if not folder.is_dir():
            raise UsageError(f"{shown}: no such folder; a filter is one that `train --method filter` has written")
        text = limited(folder / SETTINGS, LARGEST_SETTINGS)
        packed = limited(folder / WEIGHTS, LARGEST_WEIGHTS)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown}: is no filter: {clipped(why, 200)}") from None
    try:
        settings = Settings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UsageError(f"{shown}/{SETTINGS}: {clipped(key)}: {clipped(first['msg'], 200)}") from None
    weights = weights_of(settings, folder / WEIGHTS, f"{shown}/{WEIGHTS}")
    return Filter(settings, weights, folder.name, hashlib.sha256(text + packed).hexdigest()[:12])


def limited(path: Path, most: int) -> bytes:
    """
    Raises:
        OSError: if there is no such file, or it is a pipe or a device.
        ValueError: if it is too large.
    """
    if not path.is_file():
        raise ValueError(f"it has no {path.name}")
    if readable(path).stat().st_size > most:
        raise ValueError(f"{path.name} is larger than {most // 1_000_000} MB")
    return path.read_bytes()


def weights_of(settings: Settings, path: Path, shown: str) -> Weights:
    """Read the numbers of a filter.

    Raises:
        UsageError: if one is missing, is no number, or has another shape than the settings say.
    """
    rows, width = 1 + len(settings.cultures), embedder.Encoder.width
    blocks = settings.width // width
    shapes: dict[str, tuple[int, ...]] = {f"mean{n}": (width,) for n in range(blocks)}
    shapes["rarity"] = (PLACES if settings.grams else 0,)
    for n in range(len(settings.heads)):
        shapes |= {f"head{n}.offsets": (rows,), f"head{n}.weights": (rows, settings.features)}
    # Counted before anything is unpacked: a small archive can hold very much.
    if 4 * sum(math.prod(shape) for shape in shapes.values()) > LARGEST_WEIGHTS:
        raise UsageError(f"{shown}: would take more than {LARGEST_WEIGHTS // 1_000_000} MB")
    arrays: dict[str, NDArray[np.float32]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, shape in shapes.items():
                with archive.open(f"{name}.npy") as file:
                    arrays[name] = array_in(file, name, shape)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise UsageError(f"{shown}: {clipped(str(error).strip(chr(39)), 200)}") from None
    except RuntimeError as error:  # what zipfile raises for an archive under a password
        raise UsageError(f"{shown}: {clipped(error, 200)}") from None
    return Weights(
        means=tuple(arrays[f"mean{n}"] for n in range(blocks)),
        rarity=arrays["rarity"].astype(np.float64),
        heads=tuple(
            (arrays[f"head{n}.offsets"].astype(np.float64), arrays[f"head{n}.weights"].astype(np.float64))
            for n in range(len(settings.heads))
        ),
    )


def array_in(file: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Read an array whose header says what it has to say.

    Raises:
        ValueError: if it does not, or holds what is no number.
    """
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{name}: not of numpy's format 1.0")
    found, fortran, kind = np.lib.format.read_array_header_1_0(file)
    if found != shape or fortran or kind != np.dtype("<f4"):
        raise ValueError(f"{name}: {kind} of shape {found} where float32 of shape {shape} is wanted")
    size = 4 * math.prod(shape)
    data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{name}: {len(data)} bytes where {size} are wanted")
    array = np.frombuffer(data, "<f4").reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: holds what is no finite number")
    return array


def verdicts_now(filter_: Filter, texts: Sequence[Text], *, threshold: float | None = None) -> list[Verdict]:
    """Return verdicts from a thread that runs no event loop."""
    return asyncio.run(filter_.verdicts(texts, threshold=threshold))
