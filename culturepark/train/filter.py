"""Trains a moderation filter on rated rows, measures it on rows that it has not seen, and writes it with its card.

`train` is what `culturepark train --method filter` calls. The figures come from a nested cross-validation: the rows are
divided into folds by group, and each fold is judged by a filter for which everything was chosen and fitted on the other
folds. The filter that is written is fitted to all rows in the same way.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.evaluate import classification
from culturepark.evaluate.answers import group_key
from culturepark.evaluate.figures import Figure, rounded
from culturepark.evaluate.intervals import bootstrap
from culturepark.evaluate.scorers.aggregate import ends_of, resampled_sums
from culturepark.evaluate.scorers.moderation import statistics_of
from culturepark.files import put_json
from culturepark.glossary import counted
from culturepark.models import embedder, extras
from culturepark.models import filter as kept
from culturepark.models.embedder import Vectors
from culturepark.models.filter import Encoders, Floats
from culturepark.models.spec import ModelSpec
from culturepark.models.weights import Progress
from culturepark.train import filter_fit
from culturepark.train.filter_fit import FEATURES, Fitted, Fitter, Ints, Seen, Task, best_of, fit_all, learnt, rows_of
from culturepark.train.filter_rows import Measured, Rated, several_judges

OUTER = 5
"""Folds of which each is judged by a filter of the others."""
FEWEST = 40
"""Rows from which on a scale is learnt."""
FEWEST_IN_GROUP = 30
"""Rows of a language or culture from which on it has figures of its own."""
TRAINING = "training.json"
CHOSEN = ""
"""In place of the name of a set of features: the one that cross-validation chooses."""
Encode = Callable[[Encoders, Sequence[str]], Vectors]


@dataclass(frozen=True)
class FilterFigures:
    """What was measured, and what was chosen."""

    source: str
    rows: int
    groups: int
    seed: int
    features: str
    figures: tuple[Figure, ...]
    choices: JsonObject
    """Scale -> what was chosen, and the loss of each set of features."""
    notes: tuple[str, ...]
    """What a reader has to know before any figure."""
    by_language: Mapping[str, int]
    by_culture: Mapping[str, int]
    scales: tuple[Measured, ...]
    digest: str = ""
    """Of the filter's files."""

    def as_json(self) -> JsonObject:
        return {
            "source": self.source,
            "rows": self.rows,
            "groups": self.groups,
            "seed": self.seed,
            "features": self.features,
            "choices": self.choices,
            "languages": dict(self.by_language),
            "cultures": dict(self.by_culture),
            "scales": [vars(scale) for scale in self.scales],
            "notes": list(self.notes),
            "figures": [figure.as_json() for figure in self.figures],
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Unseen:
    """What filters said of the rows of a task that they had not seen."""

    task: Task
    values: Floats
    chances: Floats
    flagged: NDArray[np.bool_]
    null: Floats
    """The mean target of the rows that the filter was fitted to, for each row."""
    majority: NDArray[np.bool_]
    """Whether most of them are objected to."""

    @classmethod
    def blank(cls, task: Task) -> Unseen:
        def column(kind: type) -> Any:
            return np.zeros(len(task.rows), kind)

        return cls(task, column(float), column(float), column(bool), column(float), column(bool))

    def put(self, places: Ints, head: Fitted, seen: Seen, part: Task) -> None:
        """Note what a head that was fitted to `part` says of rows outside it."""
        values, chances, flagged = head.said(seen, self.task.rows[places])
        self.values[places], self.chances[places], self.flagged[places] = values, chances, flagged
        self.null[places], self.majority[places] = part.targets.mean(), part.events.mean() > 0.5


def train(
    data: Rated,
    out: Path,
    *,
    seed: int = 1,
    features: Sequence[str] | None = None,
    own_weights: bool = True,
    encode: Encode | None = None,
    progress: Progress = lambda *_: None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> FilterFigures:
    """Train a filter, measure it, and write it into a new folder, with a card and `training.json`.

    Args:
        features: names in `FEATURES` among which cross-validation chooses; all by default.
        own_weights: whether cultures may have weights of their own, where that predicts better.
        encode: in place of the encoders of this machine.
        progress: called while the weights of encoders are fetched.
        tell: called with the settings tried so far, and how many will be at most.
    Raises:
        Lacking: if scikit-learn or an encoder's packages are not installed.
        UsageError: if there is too little to learn from, or the folder is not empty.
    """
    from culturepark.train.filter_card import card

    filter_fit.require()
    check_folder(out)
    names = chosen_features(features)
    seen, identities = seeing(data, names, encode, progress)
    if not own_weights:
        seen = replace(seen, cultures=[""] * len(seen.cultures))
    tasks = tasks_of(data)
    count = Counting(tell, settings_tried(tasks, names))
    unseen, alone = nested(seen, tasks, seed, names, count.tick)
    fitted = fit_all(seen, tasks, seed, features=names, tick=count.tick)
    rows = rows_of(tasks)
    made = filter_fit.filter_of(fitted, seen, rows, identities)
    shown = replace(seen, cultures=[row.text.culture for row in data.rows])
    figures = [figure for own in unseen for figure in figures_of(data, shown, own, seed)]
    figures += [
        figure for name, each in alone.items() for own in each for figure in alone_figures(seen, own, name, seed)
    ]
    result = FilterFigures(
        source=data.source,
        rows=len(rows),
        groups=len({seen.groups[row] for row in rows.tolist()}),
        seed=seed,
        features=fitted[0].choice.features,
        figures=tuple(figures),
        choices={head.head.name: choice_of(head) for head in fitted},
        notes=tuple(notes_of(data, unseen, figures)),
        by_language=dict(sorted(Counter(seen.languages[row] for row in rows.tolist()).items())),
        by_culture=dict(sorted(Counter(shown.cultures[row] for row in rows.tolist()).items())),
        scales=tuple(task.scale for task in tasks),
    )
    out.mkdir(parents=True, exist_ok=True)
    kept.save(made.settings, made.weights, out)
    result = replace(result, digest=kept.load(out).digest)
    put_json(out / TRAINING, result.as_json())
    (out / "README.md").write_text(card(result, made.settings, data.licence), "utf-8")
    return result


def check_folder(out: Path) -> None:
    """
    Raises:
        UsageError: if a filter cannot be written there.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out}: is there already, and not empty; name a new folder")
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from None


def chosen_features(features: Sequence[str] | None) -> list[str]:
    """
    Raises:
        UsageError: if one is unknown.
    """
    names = list(dict.fromkeys(features or FEATURES))
    if strange := [name for name in names if name not in FEATURES]:
        raise UsageError(f"--features {strange[0]}: must be among {', '.join(FEATURES)}")
    return names


@dataclass
class Counting:
    tell: Callable[[int, int], None]
    total: int
    done: int = 0

    def tick(self) -> None:
        self.done += 1
        self.tell(min(self.done, self.total), self.total)


def settings_tried(tasks: Sequence[Task], names: Sequence[str]) -> int:
    """Return how many settings are tried at most."""
    rest = len(filter_fit.STRENGTHS) + len(filter_fit.OWN) - 2
    return len(tasks) * (OUTER * len(names) * (1 + rest) + len(names) + rest)


# --- what is seen ------------------------------------------------------------------------------------


def seeing(data: Rated, names: Sequence[str], encode: Encode | None, progress: Progress) -> tuple[Seen, dict[str, str]]:
    """Return the vectors and n-grams of all rows, and the identities of the encoders."""
    from scipy import sparse

    kinds: list[Encoders] = list(dict.fromkeys(kind for name in names for kind in FEATURES[name][0]))
    identities: dict[str, str] = {kind: str(embedder.ENCODERS[kind].identity) for kind in kinds}
    if encode is None:
        for kind in kinds:
            extras.require(ModelSpec(kind))
            identities[kind] = str(embedder.open_encoder(kind, progress).identity)
        encode = encode_here
    texts = [row.text for row in data.rows]
    prompts = any(text.prompt.strip() for text in texts)
    blocks: dict[Encoders, tuple[Vectors, Vectors | None]] = {}
    for kind in kinds:
        of_texts = once(encode, kind, [text.text for text in texts])
        blocks[kind] = of_texts, once(encode, kind, [text.prompt for text in texts]) if prompts else None
    places: list[int] = []
    values: list[float] = []
    starts = [0]
    for text in texts:
        counts = kept.grams(text.text)
        places += counts.keys()
        values += counts.values()
        starts.append(len(places))
    shape = (len(texts), kept.PLACES)
    counted_grams = sparse.csr_matrix((np.array(values), np.array(places), np.array(starts)), shape)
    return Seen(
        blocks=blocks,
        there=(
            np.array([bool(text.text.strip()) for text in texts]),
            np.array([bool(text.prompt.strip()) for text in texts]),
        ),
        counts=counted_grams,
        groups=[row.group for row in data.rows],
        languages=[text.language for text in texts],
        cultures=[text.culture for text in texts],
    ), identities


def encode_here(kind: Encoders, texts: Sequence[str]) -> Vectors:
    return asyncio.run(embedder.open_encoder(kind, lambda *_: None).embed(texts))


def once(encode: Encode, kind: Encoders, texts: Sequence[str]) -> Vectors:
    """Encode each different text once."""
    different = list(dict.fromkeys(texts))
    vectors = encode(kind, different)
    place = {text: n for n, text in enumerate(different)}
    return vectors[[place[text] for text in texts]]


def tasks_of(data: Rated) -> list[Task]:
    """Return a task for each scale with enough rows.

    Raises:
        UsageError: if there is none, or people object to none of the rows, or to all.
    """
    tasks, few = [], []
    for scale in data.scales:
        rated = [(n, target) for n, row in enumerate(data.rows) if (target := row.target(scale)) is not None]
        if strange := [(n, t) for n, t in rated if not scale.least <= t <= scale.most]:
            row = data.rows[strange[0][0]]
            raise UsageError(
                f"{row.id}: {strange[0][1]:g} on {scale.name}, which goes from {scale.least:g} to {scale.most:g}"
            )
        task = Task(scale, np.array([n for n, _ in rated], np.intp), np.array([t for _, t in rated], np.float64))
        objected = int(task.events.sum())
        if len(rated) < FEWEST or not 0 < objected < len(rated):
            few.append(f"{scale.name} has {counted(len(rated), 'row')}, and people object to {objected} of them")
        else:
            tasks.append(task)
    if not tasks:
        raise UsageError(
            f"{data.source}: too little to learn from: {'; '.join(few) or 'no ratings'}; a scale needs {FEWEST} rows, "
            "some that people object to and some that they do not (--bar SCALE=NUMBER says from where on)"
        )
    return tasks


# --- nested cross-validation -------------------------------------------------------------------------


def nested(
    seen: Seen, tasks: Sequence[Task], seed: int, names: Sequence[str], tick: filter_fit.Tick
) -> tuple[list[Unseen], dict[str, list[Unseen]]]:
    """Return for each task what filters of the other folds say of its rows; and the same with each set of features
    alone, where there are several to choose from."""
    fold = fold_of_groups(seen, tasks, rows_of(tasks), seed)
    alone = list(names) if len(names) > 1 else []
    results = {name: [Unseen.blank(task) for task in tasks] for name in (CHOSEN, *alone)}
    for number in sorted(set(fold.values())):
        inside = [np.array([fold[seen.groups[row]] == number for row in task.rows.tolist()]) for task in tasks]
        parts = [task.part(np.flatnonzero(~own)) for task, own in zip(tasks, inside, strict=True)]
        fitters = [Fitter(seen, part, seed, tick) for part in parts]
        scaler, best = learnt(seen, rows_of(parts)), best_of(fitters, names)
        of_features = {name: [fitter.fit(name, scaler) for fitter in fitters] for name in dict.fromkeys((best, *alone))}
        for name, columns in results.items():
            for head, part, own, column in zip(
                of_features.get(name, of_features[best]), parts, inside, columns, strict=True
            ):
                if own.any():
                    column.put(np.flatnonzero(own), head, seen, part)
    return results[CHOSEN], {name: results[name] for name in alone}


def fold_of_groups(seen: Seen, tasks: Sequence[Task], rows: Ints, seed: int) -> dict[str, int]:
    """Return the fold of each group, the same for all tasks."""
    largest = max(tasks, key=lambda task: len(task.rows))
    fold = {}
    for number, (_, test) in enumerate(filter_fit.folds_of(largest, seen.groups, OUTER, seed)):
        for place in test.tolist():
            fold[seen.groups[int(largest.rows[place])]] = number
    others = sorted({seen.groups[row] for row in rows.tolist()} - fold.keys())
    return fold | {group: n % OUTER for n, group in enumerate(others)}


# --- figures -----------------------------------------------------------------------------------------


def figures_of(data: Rated, seen: Seen, unseen: Unseen, seed: int) -> Iterator[Figure]:
    """Yield all figures of one scale: of all rows, by language and by culture; then how near people it is."""
    rows = unseen.task.rows.tolist()
    yield from part_figures(seen, unseen, np.arange(len(rows)), seed, ())
    for name, values in (("language", seen.languages), ("culture", seen.cultures)):
        for value, places in parts_of_rows([values[row] for row in rows]):
            yield from part_figures(seen, unseen, places, seed, ((name, value),))
    yield from people_figures(data, unseen)


def part_figures(
    seen: Seen, unseen: Unseen, places: Ints, seed: int, parts: tuple[tuple[str, str], ...]
) -> Iterator[Figure]:
    task = unseen.task
    group = group_key(("scale", task.scale.name), *parts)
    groups = [seen.groups[row] for row in task.rows[places].tolist()]
    events, flagged = task.events[places], unseen.flagged[places]
    yield macro_f1(events, flagged, groups, seed, group).beside(
        "majority class", rounded(macro_f1_of(events, unseen.majority[places]))
    )
    chances, soft = unseen.chances[places], task.soft[places]
    rate = np.full(len(places), task.soft.mean())
    ece = classification.expected_calibration_error(chances, soft)
    yield Figure("calibration_error", group, rounded(ece), len(places))
    brier = bootstrap(((chances - soft) ** 2).tolist(), seed, "brier", group, clusters=groups)
    assert brier is not None
    null = float(((rate - soft) ** 2).mean())
    yield Figure("brier", group, rounded(brier.value), brier.clusters, rounded(brier.low), rounded(brier.high)).beside(
        "base rate", rounded(null), larger_is_better=False
    )
    values, targets = unseen.values[places], task.targets[places]
    if len(set(targets.tolist())) > 2:
        yield pearson(values, targets, groups, seed, group)
        off = bootstrap(np.abs(values - targets).tolist(), seed, "off", group, clusters=groups)
        assert off is not None
        alone = float(np.abs(unseen.null[places] - targets).mean())
        yield Figure("off", group, rounded(off.value), off.clusters, rounded(off.low), rounded(off.high)).beside(
            "global mean", rounded(alone), larger_is_better=False
        )


def macro_f1_of(events: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float | None:
    labels = {False: "passes", True: "objected"}
    return classification.macro_f1(
        (labels[right], labels[given]) for right, given in zip(events.tolist(), flagged.tolist(), strict=True)
    )


def macro_f1(
    events: NDArray[np.bool_], flagged: NDArray[np.bool_], groups: Sequence[str], seed: int, group: str
) -> Figure:
    """Return the macro-F1 with an interval over groups of rows."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(groups))}
    totals = np.zeros((len(numbers), 2, 3))  # right label by given label, of which the last is none at all
    for name, right, given in zip(groups, events.tolist(), flagged.tolist(), strict=True):
        totals[numbers[name], int(right), int(given)] += 1
    drawn = resampled_sums(totals.reshape(len(numbers), -1), seed, "macro_f1", group)
    spread = None if drawn is None else np.nanmean(statistics_of(drawn.reshape(len(drawn), 2, 3))["f1"], axis=1)
    low, high = ends_of(spread)
    return Figure("macro_f1", group, rounded(macro_f1_of(events, flagged)), len(numbers), low, high, ceiling=1.0)


def pearson(values: Floats, targets: Floats, groups: Sequence[str], seed: int, group: str) -> Figure:
    """Return Pearson's r of values and targets with an interval over groups of rows. That of a constant is 0."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(groups))}
    x, y = values - values.mean(), targets - targets.mean()
    columns = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    totals = np.zeros((len(numbers), columns.shape[1]))
    np.add.at(totals, [numbers[name] for name in groups], columns)
    drawn = resampled_sums(totals, seed, "r", group)
    low, high = ends_of(None if drawn is None else correlations(drawn))
    value = float(correlations(totals.sum(0, keepdims=True))[0])
    return Figure("r", group, None if np.isnan(value) else rounded(value), len(numbers), low, high).beside(
        "constant", 0.0
    )


def correlations(sums: Floats) -> Floats:
    """Return Pearson's r of sums of 1, x, y, xx, yy and xy, one a row; NaN where a side does not vary."""
    n, x, y, xx, yy, xy = sums.T
    spread = (n * xx - x * x) * (n * yy - y * y)
    r: Floats = np.where(spread > 1e-18, (n * xy - x * y) / np.sqrt(np.maximum(spread, 1e-18)), np.nan)
    return r


def alone_figures(seen: Seen, unseen: Unseen, features: str, seed: int) -> Iterator[Figure]:
    """Yield what one set of features comes to alone, of all rows and by language, all else chosen as ever."""
    task = unseen.task
    rows = task.rows.tolist()
    groups, languages = [seen.groups[row] for row in rows], [seen.languages[row] for row in rows]
    parts = ("scale", task.scale.name), ("features", features)
    yield macro_f1(task.events, unseen.flagged, groups, seed, group_key(*parts))
    if len(set(task.targets.tolist())) > 2:
        yield pearson(unseen.values, task.targets, groups, seed, group_key(*parts))
    for language, places in parts_of_rows(languages):
        own = [groups[place] for place in places.tolist()]
        key = group_key(*parts, ("language", language))
        yield macro_f1(task.events[places], unseen.flagged[places], own, seed, key)


def parts_of_rows(values: Sequence[str]) -> Iterator[tuple[str, Ints]]:
    """Yield the values that stand at enough rows for figures of their own, each with its places; none where all rows
    have the same."""
    if len(set(values)) > 1:
        for value in sorted(set(values) - {""}):
            places = np.flatnonzero(np.array([one == value for one in values]))
            if len(places) >= FEWEST_IN_GROUP:
                yield value, places


def people_figures(data: Rated, unseen: Unseen) -> Iterator[Figure]:
    """Yield how near the filter, the judges, a constant and single people are to the mean of the other people.

    Whoever is compared, the target is the same: for each person and row the mean of the other people's ratings.
    """
    scale = unseen.task.scale
    rows = [data.rows[row] for row in unseen.task.rows.tolist()]
    people: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        for person, value in row.people.get(scale.name, {}).items():
            people[person][row.id] = value
    if len(people) < 2:
        return
    others = {
        "filter": {row.id: float(value) for row, value in zip(rows, unseen.values, strict=True)},
        "constant": {row.id: float(value) for row, value in zip(rows, unseen.null, strict=True)},
        **several_judges(rows, scale),
    }
    for rater, near in classification.pooled(people, others).items():
        group = group_key(("scale", scale.name), ("rater", rater.replace(",", ";").replace("=", ":")))
        yield Figure("as_people", group, rounded(near.correlation), near.n)
        yield Figure("off_people", group, rounded(near.difference), near.n)


def choice_of(head: Fitted) -> JsonObject:
    return {
        "features": head.choice.features,
        "strength": head.choice.strength,
        "own_weights_of_cultures": list(head.cultures),
        "losses": {name: rounded(loss) for name, loss in head.losses.items()},
        "calibration": "platt" if head.head.curve.slope is not None else "isotonic",
        "threshold": head.head.thresholds.all,
        "thresholds": dict(head.head.thresholds.languages),
    }


def notes_of(data: Rated, unseen: Sequence[Unseen], figures: Sequence[Figure]) -> Iterator[str]:
    """Yield what a reader has to know before any figure."""
    for figure in figures:
        if figure.metric == "macro_f1" and figure.null_value is not None and figure.value is not None:
            low = figure.value if figure.low is None else figure.low
            if low <= figure.null_value:
                yield f"{figure.group}: no better than always saying the same, as far as these rows can tell"
    for each in unseen:
        rows = [data.rows[row] for row in each.task.rows.tolist()]
        if not any(row.people.get(each.task.scale.name) for row in rows):
            yield (
                f"{each.task.scale.name}: rated by models alone; that the filter agrees with them says nothing of "
                "people"
            )
        if sum(len(row.people.get(each.task.scale.name, {})) > 1 for row in rows) == 0:
            yield f"{each.task.scale.name}: no row has two people's ratings, so how people agree is not known"
