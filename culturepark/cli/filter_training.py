"""What `culturepark train --method filter` does: reads rated rows, trains a filter, and prints what it is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from culturepark.cli.progress import Quiet, counting
from culturepark.cli.table import print_table
from culturepark.errors import UsageError
from culturepark.evaluate.evaluation import score_of, sheet_of
from culturepark.files import clipped, exists, put_json
from culturepark.models.chat import digest
from culturepark.models.filter import WEIGHTS
from culturepark.models.weights import sha256_of
from culturepark.store import evaluations as kept
from culturepark.store.artefacts import TrainedOn, put_artefact
from culturepark.store.store import Store
from culturepark.terminal.safe import tell, write
from culturepark.train.filter import TRAINING, FilterFigures, train
from culturepark.train.filter_card import METRICS, interval, number, parts_of
from culturepark.train.filter_rows import Rated, bars_of, rated_answers, rated_rows


def train_filter(
    pairs: str,
    out: Path,
    *,
    store_url: str,
    seed: int = 1,
    features: Sequence[str] = (),
    flag: Sequence[str] = (),
    scales: Sequence[str] = (),
    bars: Sequence[str] = (),
    licence: str = "",
    as_json: bool = False,
) -> int:
    """Train a filter on the ratings of a file or an evaluation, and print its figures.

    Args:
        pairs: a file of JSON lines, or the id of an evaluation whose answers `judge` has had rated.
        out: a new folder.
        features: sets of features among which one is chosen; all of them where none is named.
        flag: labels that the filter has to find.
        scales: names or files of scales that a file's rows are rated on.
        bars: `SCALE=NUMBER`, below which people object.
        licence: of the rows.
    """
    data = rows_named(pairs, store_url, flag=flag, scales=scales, bars=bars, licence=licence)
    with counting("settings") as progress:
        result = train(data, out, seed=seed, features=list(features) or None, progress=Quiet().fetching, tell=progress)
    store = Store(store_url)
    artefact_id = put_artefact(
        store, "filter", str(out), sha256_of(out / WEIGHTS), base="", export_manifest_sha256=None,
        settings={"source": data.source, "seed": seed, "features": result.features, "licence": licence},
        figures={"rows": result.rows, "choices": result.choices}
        | {f"{figure.metric} {figure.group}": figure.value for figure in result.figures},
        rows=[
            # A kept row of a run was rated as an item of its own id: by that `trace` leads to it.
            TrainedOn(row.group if data.of_store else row.id, digest(row.text.prompt, row.text.text))
            for row in data.rows
        ],
    )  # fmt: skip
    record = {"artefact": artefact_id} | result.as_json()
    put_json(out / TRAINING, record)
    show(result, out, as_json)
    return 0


def rows_named(
    pairs: str, store_url: str, *, flag: Sequence[str], scales: Sequence[str], bars: Sequence[str], licence: str
) -> Rated:
    """
    Raises:
        UsageError: if there is neither such a file nor such an evaluation.
    """
    path = Path(pairs)
    if path.suffix in (".jsonl", ".ndjson") or (exists(path) and path.is_file()):
        return rated_rows(path, flag=flag, scales=scales, bars=bars_of(bars), licence=licence)
    if exists(path):
        raise UsageError(
            f"{clipped(pairs, 400)}: is a folder, or no file of JSON lines; a filter learns from a file of rated rows "
            "(text with `label` or `ratings`), or from an evaluation whose answers `culturepark judge` has had rated"
        )
    if flag or scales:
        raise UsageError("--flag and --scale are for files; an evaluation knows its scales")
    store = Store(store_url, must_exist=True)
    row = store.run(pairs)
    if kept.evaluation_of(store, row.id) is None:
        raise UsageError(
            f"{clipped(pairs)} is no evaluation; `culturepark judge {clipped(pairs)}` makes one of a run's rows"
        )
    scores = [score_of(score) for score in kept.scores(store, row.id)]
    return rated_answers(sheet_of(store, row.id), scores, row.id, bars=bars_of(bars), licence=licence)


def show(result: FilterFigures, out: Path, as_json: bool) -> None:
    if as_json:
        write(json.dumps(result.as_json() | {"path": str(out)}))
        return
    for note in result.notes:
        tell(f"note: {note}")
    rows = []
    for figure in result.figures:
        parts = parts_of(figure)
        if "rater" in parts:
            name = "r with people" if figure.metric == "as_people" else "distance from people"
            where = parts["rater"]
        else:
            name = METRICS[figure.metric]
            where = " ".join(value for key, value in parts.items() if key != "scale") or "all rows"
        null = f"{number(figure.null_value)} ({figure.null_name})" if figure.null_name else ""
        rows.append([parts["scale"], where, name, number(figure.value), interval(figure), null, figure.n])
    print_table(["scale", "rows", "measure", "value", "interval", "null", "n"], rows)
    tell(f"{result.rows:,} rows, features {result.features}; its card is {out / 'README.md'}")
    tell(f"next: culturepark filter FILE --model filter:{out}")
