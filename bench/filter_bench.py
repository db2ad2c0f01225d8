"""How well a trained filter tells what people objected to, on data sets of others: `DATA=FOLDER python -m
bench.filter_bench [SET ...]`.

FOLDER has a folder for each pack, with its rows in `dev.jsonl`; docs/filter.md says where the packs are from. Rows stay
where they are: only figures are printed. Every row is judged by a filter that was trained without its group, and all
that is chosen (features, strength, calibration, thresholds) is chosen without it too. Beside each figure stand the
majority class and character n-grams alone, in the same run and on the same folds.

HateCheck's rows are made of templates. `--split template` (the default) has no template on both sides; `translations`
none that says the same in another language either; `functionality` none that tests the same; `random` divides single
rows, and shows what that would have pretended.

`--zero-shot SPEC` asks a chat model about a sample of each set instead, and trains nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from culturepark.dialogue.stance import shuffled
from culturepark.distill.logprobs import letter_scores
from culturepark.errors import Overloaded
from culturepark.models import embedder
from culturepark.models.chat import ChatModel, Reply, Request
from culturepark.models.embedder import Vectors
from culturepark.models.filter import Encoders
from culturepark.models.ledger import ATTEMPTS
from culturepark.models.registry import Models
from culturepark.models.spec import parse
from culturepark.models.trust import Trust
from culturepark.train.filter import macro_f1, train
from culturepark.train.filter_card import parts_of
from culturepark.train.filter_rows import LABEL, Rated, Row, rated_rows

SAME = 0.6
"""Cosine of centred vectors from which two rows of HateCheck in different languages count as translations. The nearest
row in another language lies at .41 for half of all rows; of pairs above .6, 71% test the same function."""
SPLITS = ("template", "translations", "functionality", "random")
VECTORS: dict[tuple[str, str], Any] = {}
"""Vectors of this run by encoder and text."""


def encode(kind: Encoders, texts: Sequence[str]) -> Vectors:
    missing = [text for text in texts if (kind, text) not in VECTORS]
    if missing:
        encoder = embedder.open_encoder(kind, lambda *_: None)
        for text, vector in zip(missing, asyncio.run(encoder.embed(missing)), strict=True):
            VECTORS[kind, text] = vector
    return np.stack([VECTORS[kind, text] for text in texts])


# --- the sets ----------------------------------------------------------------------------------------


def pack(name: str) -> Iterator[dict[str, Any]]:
    path = Path(os.environ["DATA"]) / name / "dev.jsonl"
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def hatecheck(split: str) -> list[dict[str, Any]]:
    rows = list(pack("hatecheck"))
    if split == "translations":
        same = translations(rows)
    groups = {
        "template": lambda row: row["template"],
        "translations": lambda row: same[row["template"]],
        "functionality": lambda row: row["functionality"],
        "random": lambda row: row["id"],
    }[split]
    return [
        {"id": r["id"], "text": r["text"], "language": r["language"], "group": groups(r), "label": r["label"]}
        for r in rows
    ]


def translations(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return a name for each template that it shares with those that say about the same in another language."""
    vectors = encode("e5", [row["text"] for row in rows])
    vectors = embedder.unit_rows(vectors - vectors.mean(0))
    near = vectors @ vectors.T >= SAME
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        if rows[i]["language"] != rows[j]["language"]:
            parent[root(rows[i]["template"])] = root(rows[j]["template"])
    return {row["template"]: root(row["template"]) for row in rows}


def crehate() -> Iterator[dict[str, Any]]:
    """The ratings of all people; who did not understand a text has not rated it."""
    for row in pack("crehate-sa"):
        labels = {f"{place} {person}": value for person, place, value in row["ratings"] if value < 2}
        yield {"id": row["id"], "text": row["text"], "labels": labels}


def crehate_by_country() -> Iterator[dict[str, Any]]:
    """The same text once for each country, with the ratings of its people."""
    for row in pack("crehate-sa"):
        by_place: dict[str, dict[str, int]] = defaultdict(dict)
        for person, place, value in row["ratings"]:
            if value < 2:
                by_place[place][person] = value
        for place, labels in by_place.items():
            key = f"{row['id']} {place}"
            yield {"id": key, "group": row["id"], "text": row["text"], "culture": place, "labels": labels}


def plain(name: str, flag: Any) -> Iterator[dict[str, Any]]:
    for row in pack(name):
        yield {"id": row["id"], "text": row["text"], "language": row["language"], "label": int(flag(row))}


def rows_of(name: str, split: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of a set, and the labels to find where they are words."""
    if name.startswith("hatecheck"):
        language = name.partition("-")[2]
        rows = [row for row in hatecheck(split) if not language or row["language"] == language]
        return rows, ["hateful"]
    made = {
        "germeval": lambda: plain("germeval2018", lambda row: row["label"] == "OFFENSE"),
        "korean": lambda: plain("korean-hate-sa", lambda row: row["label"] != "none"),
        "toldbr": lambda: plain("toldbr-sa", lambda row: max(row["votes"].values()) > 0),
        "crehate": crehate,
        "crehate-by-country": crehate_by_country,
    }
    return list(made[name]()), []


ALONE = ("en", "ar", "de", "es", "pt", "zh")
SETS = (
    "hatecheck", *(f"hatecheck-{code}" for code in ALONE), "germeval", "korean", "toldbr", "crehate",
    "crehate-by-country",
)  # fmt: skip


def rated(name: str, split: str, folder: Path) -> Rated:
    rows, flag = rows_of(name, split)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return rated_rows(path, flag=flag)


# --- what is printed ---------------------------------------------------------------------------------


def trained(name: str, data: Rated, folder: Path, features: Sequence[str] | None, seed: int, own_weights: bool) -> None:
    start = time.process_time()
    out = folder / f"{name}-filter"
    result = train(data, out, seed=seed, features=features, encode=encode, own_weights=own_weights)
    print(f"\n## {name}: {result.rows} rows, {result.groups} groups, {time.process_time() - start:.0f} CPU s")
    print(f"chosen for all rows: {json.dumps(result.choices[LABEL])}")
    for figure in result.figures:
        parts = {key: value for key, value in parts_of(figure).items() if key != "scale"}
        where = " ".join(parts.values()) or "all"
        ends = f" [{figure.low:.3f}, {figure.high:.3f}]" if figure.low is not None else ""
        null = f", null {figure.null_value:.3f} ({figure.null_name})" if figure.null_value is not None else ""
        print(f"{figure.metric:<18} {where:<24} {figure.value:.3f}{ends}{null}, n {figure.n}", flush=True)
    for note in result.notes:
        print(f"note: {note}")


QUESTION = (
    "Here is a text, between quotation marks.\n\n“{text}”\n\nIs it hateful or offensive to somebody, so that most "
    "people who read it would object to it?\n\nA. {first}\nB. {second}\n\nAnswer with one letter."
)


async def answered(model: ChatModel, request: Request) -> Reply:
    """Ask again where a server broke off, as a run would."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await model.send(model.body(request))
        except Overloaded:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(attempt)
    raise AssertionError


async def zero_shot(spec: str, data: Rated, sample: int, seed: int) -> None:
    """Ask a chat model, with the options in both orders; it objects where yes is the likelier of the two."""
    scale = data.scales[0]
    rows: list[Row] = [data.rows[place] for place in shuffled(len(data.rows), "zero-shot", seed)[:sample]]
    model_spec = parse(spec)
    models = Models({"judge": model_spec}, 2, lambda *_: None, Trust([model_spec]))
    try:
        model = await models.get("judge")
        odds = []
        for row in rows:
            both = []
            for first, second in (("Yes", "No"), ("No", "Yes")):
                asked = QUESTION.format(text=row.text.text[:1500], first=first, second=second)
                request = Request(({"role": "user", "content": asked},), 1, 0.0, 1, top_logprobs=20)
                scores = letter_scores(await answered(model, request), "AB")
                if scores:
                    both.append((scores["A"] - scores["B"]) * (1 if first == "Yes" else -1))
            odds.append(float(np.mean(both)) if both else 0.0)
    finally:
        await models.close()
    targets = [row.target(scale) for row in rows]
    events = np.array([scale.objects(target) for target in targets if target is not None])
    scores_ = np.array(odds)
    groups = [row.group for row in rows]
    at_nought = macro_f1(events, scores_ > 0, groups, seed, "zero-shot")
    best = max((macro_f1(events, scores_ >= bound, groups, seed, "best").value or 0.0) for bound in set(odds))
    low = "" if at_nought.low is None else f" [{at_nought.low:.3f}, {at_nought.high:.3f}]"
    r = np.corrcoef(scores_, np.array(targets, float))[0, 1]
    print(
        f"zero-shot {spec}: n {len(rows)}, macro-F1 {at_nought.value:.3f}{low}; with the best bound, chosen on these "
        f"very rows, {best:.3f}; r with people {r:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all by default")
    parser.add_argument("--split", choices=SPLITS, default="template", help="of HateCheck")
    parser.add_argument("--features", help="names with commas between, among which one is chosen")
    parser.add_argument("--common", action="store_true", help="no culture has weights of its own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zero-shot", metavar="SPEC", help="ask this chat model instead")
    parser.add_argument("--sample", type=int, default=100, help="rows of a set that it is asked about")
    options = parser.parse_args()
    if "DATA" not in os.environ:
        sys.exit("DATA=FOLDER is missing: the folder of the packs")
    features = options.features.split(",") if options.features else None
    for name in options.sets or SETS:
        with TemporaryDirectory() as folder:
            data = rated(name, options.split, Path(folder))
            if options.zero_shot:
                print(f"\n## {name}")
                asyncio.run(zero_shot(options.zero_shot, data, options.sample, options.seed))
            else:
                trained(name, data, Path(folder), features, options.seed, not options.common)


if __name__ == "__main__":
    main()
