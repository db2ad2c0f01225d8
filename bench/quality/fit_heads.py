"""Fits the heads of `distill/heads` on labelled rows and writes `culturepark/distill/heads.npz`: `make heads`.

Rows of the writers a to d, of one for each of eight languages, and the development rows are fitted on; bounds
are chosen on those rows too, of which each writer's are read by heads that were fitted without them. The writers e and
f, and the rows in the folders of the languages, are for reporting, and are not looked at.

stdout: one JSON document with what each bound would give.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.rows import lines, parsed
from bench.quality.shares import interval
from bench.quality.turns import cut_as
from culturepark.catalog.surveys import load_items
from culturepark.distill import heads
from culturepark.distill.heads import Matrix
from culturepark.distill.pieces import Spans, clauses
from culturepark.distill.row_checks import RowCase, masked
from culturepark.distill.sides import sides_of
from culturepark.domain import Seed, Stance
from culturepark.languages import load_language
from culturepark.models.embedder import MultilingualE5, Vectors

DATA = Path(__file__).parents[2] / "tests" / "data"
OUT = Path(heads.__file__).with_name("heads.npz")
OF_LANGUAGES = ("ar", "bn", "de", "es", "ko", "pt", "tr", "zh")
"""Writers of turns in one language each."""
FITTED = ("dev", "a", "b", "c", "d", *OF_LANGUAGES)
"""The development rows, and writers."""
STEPS = {"piece": 300, "quote": 150, "alone": 150, "distinctive": 150, "relevant": 150}
RATE = 0.05
"""Of Adam (Kingma & Ba 2015) over all rows at once."""
RIDGE = {"piece": 3.0, "quote": 1.0, "alone": 1.0, "distinctive": 1.0, "relevant": 1.0}
"""Weight of the squared weights, divided by the number of rows."""
BOUNDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)


@dataclass(frozen=True)
class Labelled:
    """Texts with all that a head sees of them."""

    features: Matrix
    classes: np.ndarray[Any, np.dtype[np.int64]]
    writers: np.ndarray[Any, np.dtype[np.str_]]


def rows_of(kind: str) -> list[dict[str, Any]]:
    """Return the rows of a kind by those who are fitted on, each with its `writer`."""
    rows = []
    for writer in FITTED:
        path = DATA / f"{kind}_dev.jsonl" if writer == "dev" else DATA / "writers" / writer / f"{kind}_dev.jsonl"
        if writer in OF_LANGUAGES and not path.exists():
            continue
        rows += [parsed(line, str(path)) | {"writer": writer} for line in lines(path) if line.strip()]
    return rows


# --- what the rows are ---------------------------------------------------------------------------------


def label(row: dict[str, Any], start: int, end: int, sentences: Spans) -> int:
    """Return the class of a clause: that of a cue which it holds for the greater part; else that of its sentence.

    A sentence has the class of its first cue, if nothing in it must not be mined.
    """
    for gold in row["gold"]:
        at = row["turn"].find(gold["cue"])
        shared = min(end, at + len(gold["cue"])) - max(start, at)
        if shared > min(end - start, len(gold["cue"])) / 2:
            return heads.KINDS.index(gold["kind"])
    begin, stop = next((span for span in sentences if span[0] <= start < span[1]), (start, end))
    sentence = row["turn"][begin:stop]
    kinds = [gold["kind"] for gold in row["gold"] if gold["cue"] in sentence]
    if not kinds or any(cue in sentence for cue in row.get("not_own", ())):
        return len(heads.KINDS)
    return heads.KINDS.index(kinds[0])


def pieces(encode: Callable[[Sequence[str]], Vectors], mean: Matrix) -> Labelled:
    features, classes, writers = [], [], []
    for row in rows_of("whose") + rows_of("languages"):
        language = cut_as(row.get("language") or "en")
        sentences, spans = language.sentences(row["turn"]), clauses(row["turn"], language.sentences)
        texts = [row["turn"][start:end] for start, end in spans]
        here = heads.centred(encode(texts), mean)
        nothing = np.zeros((1, here.shape[1]))
        before, after = np.concatenate([nothing, here[:-1]]), np.concatenate([here[1:], nothing])
        features.append(heads.piece_features(texts, here, before, after))
        classes += [label(row, *span, sentences) for span in spans]
        writers += [row["writer"]] * len(spans)
    return Labelled(np.concatenate(features), np.array(classes), np.array(writers))


def quotes(encode: Callable[[Sequence[str]], Vectors], mean: Matrix) -> Labelled:
    features, rows = [], rows_of("quotes")
    for row in rows:
        start = row["turn"].find(row["quote"])
        texts = heads.around(row["turn"], start, start + len(row["quote"]))
        vectors = heads.centred(encode([text or heads.NOTHING_SAID for text in texts]), mean)
        features.append(heads.quote_features(texts, vectors))
    classes = np.array([int(row["own"]) for row in rows])
    return Labelled(np.concatenate(features), classes, np.array([row["writer"] for row in rows]))


def answers(encode: Callable[[Sequence[str]], Vectors], mean: Matrix, name: str) -> Labelled:
    rows = rows_of("rows")
    texts = [masked(row["answer"], RowCase(row["id"], row["answer"], {}, row["country"])) for row in rows]
    features = heads.row_features(texts, heads.centred(encode(texts), mean))
    return Labelled(features, np.array([int(row[name]) for row in rows]), np.array([row["writer"] for row in rows]))


def relevance(encode: Callable[[Sequence[str]], Vectors], mean: Matrix) -> Labelled:
    rows, items, language = rows_of("verify"), load_items([]), load_language("en")
    texts: list[str] = []
    for row in rows:
        item = items[f"wvs7/{row['item']}"]
        code = next(option.code for option in item.options if option.label == row["stance"])
        seed = Seed(key=item.key, topic=item.topic, question=item.question, item=item)
        sides = sides_of(seed, Stance(code=code, text=row["stance"]), language)
        texts += [row["statement"], sides.own, sides.other, row["question"]]
    vectors = heads.centred(encode(texts), mean).reshape(len(rows), 4, -1)
    features = heads.relevance_features(*(vectors[:, n] for n in range(4)))
    classes = np.array([int(row["relation"] != "irrelevant") for row in rows])
    return Labelled(features, classes, np.array([row["writer"] for row in rows]))


# --- the fit -------------------------------------------------------------------------------------------


def fit(rows: Labelled, some: np.ndarray[Any, np.dtype[np.bool_]], name: str) -> Matrix:
    """Return the weights of a multinomial logistic fit, shape (1 + features, classes)."""
    features = np.concatenate([np.ones((some.sum(), 1)), rows.features[some]], axis=1)
    wanted = np.eye(int(rows.classes.max()) + 1)[rows.classes[some]]
    weights = np.zeros((features.shape[1], wanted.shape[1]))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS[name] + 1):
        logits = features @ weights
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        slope = features.T @ (shares / shares.sum(axis=1, keepdims=True) - wanted) / len(features)
        slope[1:] += RIDGE[name] * weights[1:] / len(features)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope * slope
        weights -= RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def by_others(rows: Labelled, name: str) -> Matrix:
    """Return the chances of every row by a head that was fitted without its writer."""
    found = np.zeros((len(rows.classes), int(rows.classes.max()) + 1))
    for writer in np.unique(rows.writers):
        of_writer = rows.writers == writer
        found[of_writer] = heads.chances(rows.features[of_writer], fit(rows, ~of_writer, name))
    return found


def bounds(rows: Labelled, found: Matrix, name: str) -> list[dict[str, Any]]:
    """Return for each bound how many rows it keeps, and how many of them rightly."""
    positive = rows.classes < found.shape[1] - 1 if name == "piece" else rows.classes == 1
    sure = 1 - found[:, -1] if name == "piece" else found[:, 1]
    table = []
    for bound in BOUNDS:
        kept = sure >= bound
        right, count = int(positive[kept].sum()), int(kept.sum())
        table.append(
            {
                "bound": bound,
                "kept": count,
                "precision": round(right / count, 4) if count else None,
                "precision_95": interval(right, count),
                "recall": round(right / int(positive.sum()), 4),
            }
        )
    return table


def main() -> int:
    encoder = MultilingualE5(lambda *_: None)

    def encode(texts: Sequence[str]) -> Vectors:
        return asyncio.run(encoder.embed(texts))

    everything = [row[name] for kind, name in (("whose", "turn"), ("rows", "answer")) for row in rows_of(kind)]
    mean: Matrix = encode(everything).astype(np.float64).mean(axis=0)
    labelled = {
        "piece": pieces(encode, mean),
        "quote": quotes(encode, mean),
        "alone": answers(encode, mean, "stands_alone"),
        "distinctive": answers(encode, mean, "distinctive"),
        "relevant": relevance(encode, mean),
    }
    arrays: dict[str, Matrix] = {"mean": mean}
    report: dict[str, Any] = {}
    for name, rows in labelled.items():
        print(f"{name}: {len(rows.classes)} rows", file=sys.stderr, flush=True)
        found = by_others(rows, name)
        report[name] = {"rows": len(rows.classes), "bounds": bounds(rows, found, name)}
        if name == "piece":
            own = rows.classes < len(heads.KINDS)
            right = int((found[own, :-1].argmax(axis=1) == rows.classes[own]).sum())
            report[name]["kind"] = round(right / int(own.sum()), 4)
        arrays[name] = fit(rows, np.ones(len(rows.classes), bool), name)
    np.savez_compressed(OUT, **{name: array.astype(np.float16) for name, array in arrays.items()})  # type: ignore[arg-type]
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
