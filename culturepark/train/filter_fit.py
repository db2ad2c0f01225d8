"""Fits the linear heads of a filter: features, regression, calibration and thresholds. Needs scikit-learn.

Whatever is chosen (features, regularisation, calibration, thresholds) is chosen by cross-validation inside the rows
that a fit is given, on predictions by models that have not seen the row. Rows of a group never stand on both sides.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from culturepark.errors import Lacking
from culturepark.evaluate.classification import brier
from culturepark.models import filter as kept
from culturepark.models.embedder import Vectors
from culturepark.models.extras import how_to_install
from culturepark.models.filter import Curve, Encoders, Floats, Head, Thresholds, Weights
from culturepark.train.filter_rows import Measured

Ints = NDArray[np.intp]
FEATURES: Mapping[str, tuple[tuple[Encoders, ...], bool]] = {
    "e5": (("e5",), False),
    "grams": ((), True),
    "e5+grams": (("e5",), True),
    "e5+minilm": (("e5", "minilm"), False),
    "e5+minilm+grams": (("e5", "minilm"), True),
}
"""Name of a set of features -> its encoders, and whether n-grams are among it."""
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Inverse strength of the penalty (scikit-learn's C), from strong to weak."""
FIRST = 10.0
"""The strength at which sets of features are compared."""
OWN = (0.0, 0.5)
"""How freely a culture's weights may leave the common ones; 0: not at all."""
FOLDS = 4
FEWEST_OF_CULTURE = 60
"""Rows of a culture from which on it may have weights of its own."""
FEWEST_OF_LANGUAGE, FEWEST_EACH = 100, 20
"""Rows of a language, and among them rows that people object to and others, from which on it has its own threshold."""
LENT = 100
"""A language's threshold is drawn towards that of all as if so many rows more stood behind the latter."""
FEWEST_FOR_STEPS = 500
"""Rows from which on isotonic steps are tried beside Platt's curve, which needs less."""
GRID = np.linspace(0.02, 0.98, 97)
"""Thresholds that are tried."""


def require() -> None:
    """
    Raises:
        Lacking: with the command that installs it, if scikit-learn is not there.
    """
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise Lacking(f"training a filter needs the extra `filter`: {how_to_install('filter')}")


@dataclass(frozen=True)
class Seen:
    """What there is to see of all rows; a fit sees its own part of it."""

    blocks: Mapping[Encoders, tuple[Vectors, Vectors | None]]
    """Encoder -> vectors of the texts, and of their prompts (None where no row has one), shape (n, 384) each."""
    there: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    """Which rows have a text, and which a prompt."""
    counts: Any
    """Counts of n-grams, 1 + log of each: a sparse matrix of shape (n, PLACES)."""
    groups: Sequence[str]
    languages: Sequence[str]
    cultures: Sequence[str]


@dataclass(frozen=True)
class Task:
    """One scale, with the rows that are rated on it."""

    scale: Measured
    rows: Ints
    targets: Floats
    """Of these rows: means on the scale, or shares of a label."""

    @property
    def events(self) -> NDArray[np.bool_]:
        """Whether people object to each row."""
        return np.array([self.scale.objects(target) for target in self.targets.tolist()], bool)

    @property
    def soft(self) -> Floats:
        """How much people object to each row: the share of a label, else 0 or 1."""
        return self.targets if self.scale.kind == "label" else self.events.astype(np.float64)

    def part(self, places: Ints) -> Task:
        return Task(self.scale, self.rows[places], self.targets[places])


@dataclass(frozen=True)
class Choice:
    features: str
    strength: float
    own: float


@dataclass(frozen=True)
class Scaler:
    """What is learnt of texts without their ratings: means of vectors, and how rare n-grams are."""

    means: Mapping[Encoders, tuple[Vectors, Vectors | None]]
    rarity: Floats


@dataclass(frozen=True)
class Fitted:
    """A head with its weights, and the losses by which its settings were chosen."""

    head: Head
    choice: Choice
    scaler: Scaler
    cultures: tuple[str, ...]
    offsets: Floats
    weights: Floats
    losses: Mapping[str, float]
    """Set of features -> cross-validated loss: cross-entropy of a label in nats, squared error of a rating."""

    def scores(self, seen: Seen, rows: Ints) -> Floats:
        features = matrix(seen, self.scaler, self.choice.features, rows)
        return scored(seen, features, rows, self.cultures, self.offsets, self.weights)

    def for_cultures(self, cultures: Sequence[str]) -> Fitted:
        """Return the same head with a row of weights for each of these cultures."""
        places = {culture: n for n, culture in enumerate(self.cultures, start=1)}
        rows = [0, *(places.get(culture, 0) for culture in cultures)]
        return replace(self, cultures=tuple(cultures), offsets=self.offsets[rows], weights=self.weights[rows])

    def said(self, seen: Seen, rows: Ints) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return values, chances, and whether rows are flagged."""
        scores = self.scores(seen, rows)
        chances = self.head.curve(scores)
        own, common = self.head.thresholds.languages, self.head.thresholds.all
        bounds = np.array([own.get(seen.languages[row], common) for row in rows.tolist()])
        return self.head.values(scores, chances), chances, chances >= bounds


# --- features ----------------------------------------------------------------------------------------


def learnt(seen: Seen, rows: Ints) -> Scaler:
    """Return means and rarities over some rows."""
    text, prompt = seen.there
    means: dict[Encoders, tuple[Vectors, Vectors | None]] = {}
    for kind, (own, asked) in seen.blocks.items():
        having = rows[prompt[rows]]
        of_prompts = None
        if asked is not None:
            of_prompts = asked[having].mean(0) if len(having) else np.zeros(asked.shape[1], np.float32)
        means[kind] = (own[rows[text[rows]]].mean(0), of_prompts)
    documents = np.asarray((seen.counts[rows] > 0).sum(0)).ravel()
    rarity = np.log((1 + len(rows)) / (1 + documents)) + 1
    return Scaler(means, rarity.astype(np.float64))


def blocks_of(seen: Seen, scaler: Scaler, encoders: Sequence[Encoders]) -> tuple[list[Vectors], list[Vectors], bool]:
    """Return the vectors of the texts and then of the prompts, by encoder; their means; and whether prompts are in."""
    blocks, means = [], []
    prompts = any(asked is not None for _, asked in seen.blocks.values())
    for side in (0, 1) if prompts else (0,):
        for kind in encoders:
            vectors, mean = seen.blocks[kind][side], scaler.means[kind][side]
            assert vectors is not None
            assert mean is not None
            blocks.append(vectors)
            means.append(mean)
    return blocks, means, prompts


def matrix(seen: Seen, scaler: Scaler, features: str, rows: Ints) -> Any:
    """Return the features of rows: dense where there are only vectors, else sparse; as `models/filter` makes them."""
    from scipy import sparse

    encoders, with_grams = FEATURES[features]
    parts = []
    if encoders:
        blocks, means, _ = blocks_of(seen, scaler, encoders)
        there = [seen.there[n // len(encoders)][rows].tolist() for n in range(len(blocks))]
        parts.append(kept.dense([block[rows] for block in blocks], means, there))
    if not with_grams:
        return parts[0]
    counted = seen.counts[rows].multiply(scaler.rarity[None, :]).tocsr()
    lengths = np.sqrt(np.asarray(counted.multiply(counted).sum(1)).ravel())
    counted = sparse.diags(1 / np.maximum(lengths, 1e-12)) @ counted
    return sparse.hstack([*map(sparse.csr_matrix, parts), counted]).tocsr()


def of_cultures(features: Any, which: Ints, count: int, own: float) -> Any:
    """Put a copy of the features beside them for each culture, which is 0 for rows of others (Daumé 2007).

    Args:
        which: number of each row's culture from 1; 0 for none.
    """
    from scipy import sparse

    plain = sparse.csr_matrix(features)
    copies = [own * (sparse.diags((which == n).astype(np.float64)) @ plain) for n in range(1, count + 1)]
    offsets = sparse.csr_matrix(own * np.eye(count + 1)[which][:, 1:])
    return sparse.hstack([plain, *copies, offsets]).tocsr()


# --- one regression ----------------------------------------------------------------------------------


def regression(features: Any, task: Task, strength: float, seed: int) -> tuple[float, Floats]:
    """Return offset and weights: of a logistic regression on shares of a label, or of a ridge on ratings."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if task.scale.kind == "rating":
        middle = (task.scale.least + task.scale.most) / 2
        ridge = Ridge(alpha=10 / strength, solver="sparse_cg" if hasattr(features, "tocsr") else "auto", tol=1e-5)
        ridge.fit(features, task.targets - middle)
        return float(ridge.intercept_) + middle, np.asarray(ridge.coef_, np.float64).ravel()
    shares = task.targets
    twice = np.concatenate([np.flatnonzero(shares > 0), np.flatnonzero(shares < 1)])
    labels = np.concatenate([np.ones(int((shares > 0).sum())), np.zeros(int((shares < 1).sum()))])
    masses = np.concatenate([shares[shares > 0], 1 - shares[shares < 1]])
    if len(set(labels.tolist())) < 2:  # everybody says the same of every row
        return (30.0 if labels[0] else -30.0), np.zeros(features.shape[1])
    model = LogisticRegression(
        C=strength, solver="liblinear", intercept_scaling=10.0, max_iter=1000, tol=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not quite converged
        model.fit(features[twice], labels, sample_weight=masses)
    return float(model.intercept_[0]), np.asarray(model.coef_, np.float64).ravel()


def with_cultures(
    seen: Seen, features: Any, task: Task, choice: Choice, cultures: Sequence[str], seed: int
) -> tuple[Floats, Floats]:
    """Return offsets and weights, each with a row for everybody and one for each culture."""
    places = {culture: n for n, culture in enumerate(cultures, start=1)}
    if not choice.own or not cultures:
        offset, weights = regression(features, task, choice.strength, seed)
        return np.full(1 + len(cultures), offset), np.tile(weights, (1 + len(cultures), 1))
    which = np.array([places.get(seen.cultures[row], 0) for row in task.rows.tolist()], np.intp)
    wide = of_cultures(features, which, len(cultures), choice.own)
    offset, weights = regression(wide, task, choice.strength, seed)
    width = features.shape[1]
    table = weights[: width * (1 + len(cultures))].reshape(1 + len(cultures), width).copy()
    table[1:] = table[0] + choice.own * table[1:]
    offsets = np.full(1 + len(cultures), offset)
    offsets[1:] += choice.own * weights[width * (1 + len(cultures)) :]
    return offsets, table


# --- a fit -------------------------------------------------------------------------------------------


def folds_of(task: Task, groups: Sequence[str], count: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Return train and test places of folds, with groups whole and about as many objections in each."""
    from sklearn.model_selection import StratifiedGroupKFold

    own = [groups[row] for row in task.rows.tolist()]
    count = min(count, len(set(own)))
    if count < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class has fewer rows than there are folds
        split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        return [(train, test) for train, test in split.split(np.zeros(len(own)), task.events, own) if len(train)]


Tick = Callable[[], None]


class Fitter:
    """Tries settings on one task, and fits a head with the best."""

    def __init__(self, seen: Seen, task: Task, seed: int, tick: Tick = lambda: None) -> None:
        """
        Args:
            tick: called after each setting that was tried.
        """
        self.seen, self.task, self.seed, self.tick = seen, task, seed, tick
        self.folds = folds_of(task, seen.groups, FOLDS, seed)
        self.scalers = [learnt(seen, task.rows[train]) for train, _ in self.folds]
        counts = Counter(seen.cultures[row] for row in task.rows.tolist())
        self.cultures = tuple(sorted(c for c, n in counts.items() if c and n >= FEWEST_OF_CULTURE))
        self._made: dict[tuple[str, int], tuple[Any, Any]] = {}
        self._tried: dict[Choice, tuple[float, Floats]] = {}

    def loss(self, choice: Choice) -> float:
        """Return the cross-validated loss: cross-entropy of a label in nats, squared error of a rating."""
        if choice not in self._tried:
            scores = self._unseen(choice)
            self._tried[choice] = (loss_of(self.task, scores), scores)
            self.tick()
        return self._tried[choice][0]

    def share(self, features: str) -> float:
        """Return the loss with a set of features as a share of that of a constant."""
        null = loss_of(self.task, constant_scores(self.task))
        return self.loss(Choice(features, FIRST, 0.0)) / max(null, 1e-12)

    def best(self, features: str) -> Choice:
        """Return the best strength, and whether cultures have weights of their own."""
        if not self.folds:
            return Choice(features, FIRST, 0.0)
        choice = min((Choice(features, strength, 0.0) for strength in STRENGTHS), key=self.loss)
        if len(self.cultures) > 1:
            choice = min((Choice(features, choice.strength, own) for own in OWN), key=self.loss)
        return choice

    def fit(self, features: str, scaler: Scaler) -> Fitted:
        """Return the head, fitted to all rows of the task."""
        task, seen = self.task, self.seen
        choice = self.best(features)
        scores = self._tried[choice][1] if choice in self._tried else constant_scores(task)
        rows = task.rows.tolist()
        head = head_of(task, scores, [seen.languages[r] for r in rows], [seen.groups[r] for r in rows], self.seed)
        own = self.cultures if choice.own else ()
        whole = matrix(seen, scaler, features, task.rows)
        offsets, weights = with_cultures(seen, whole, task, choice, own, self.seed)
        losses = {c.features: loss for c, (loss, _) in self._tried.items() if c.strength == FIRST and not c.own}
        return Fitted(head, choice, scaler, own, offsets, weights, losses)

    def _unseen(self, choice: Choice) -> Floats:
        """Return scores of all rows by models that have not seen them."""
        scores, task, seen = np.zeros(len(self.task.rows)), self.task, self.seen
        for n, (train, test) in enumerate(self.folds):
            key = choice.features, n
            if key not in self._made:
                self._made[key] = (
                    matrix(seen, self.scalers[n], choice.features, task.rows[train]),
                    matrix(seen, self.scalers[n], choice.features, task.rows[test]),
                )
            known, other = self._made[key]
            own = self.cultures if choice.own else ()
            offsets, weights = with_cultures(seen, known, task.part(train), choice, own, self.seed)
            scores[test] = scored(seen, other, task.rows[test], own, offsets, weights)
        return scores


def scored(seen: Seen, features: Any, rows: Ints, cultures: Sequence[str], offsets: Floats, weights: Floats) -> Floats:
    """Return the scores of rows, each by the weights of its culture."""
    places = {culture: n for n, culture in enumerate(cultures, start=1)}
    which = [places.get(seen.cultures[row], 0) for row in rows.tolist()]
    scores: Floats = np.asarray(features @ weights.T)[np.arange(len(rows)), which] + offsets[which]
    return scores


def constant_scores(task: Task) -> Floats:
    """Return the scores of saying the same of every row."""
    mean = float(task.targets.mean())
    if task.scale.kind == "rating":
        return np.full(len(task.rows), mean)
    mean = min(max(mean, 1e-6), 1 - 1e-6)
    return np.full(len(task.rows), math.log(mean / (1 - mean)))


def fit_all(
    seen: Seen,
    tasks: Sequence[Task],
    seed: int,
    *,
    features: Sequence[str] = tuple(FEATURES),
    tick: Tick = lambda: None,
) -> list[Fitted]:
    """Return a head for each task, all on the same features: those with the least loss over all tasks.

    Args:
        features: sets among which one is chosen.
    """
    fitters = [Fitter(seen, task, seed, tick) for task in tasks]
    best, scaler = best_of(fitters, features), learnt(seen, rows_of(tasks))
    return [fitter.fit(best, scaler) for fitter in fitters]


def best_of(fitters: Sequence[Fitter], features: Sequence[str]) -> str:
    """Return the set of features with the least loss over all tasks, each as a share of that of a constant."""
    if len(features) < 2 or not all(fitter.folds for fitter in fitters):
        return features[0]
    return min(features, key=lambda name: sum(fitter.share(name) for fitter in fitters))


def rows_of(tasks: Sequence[Task]) -> Ints:
    return np.unique(np.concatenate([task.rows for task in tasks]))


def loss_of(task: Task, scores: Floats) -> float:
    if task.scale.kind == "rating":
        return float(((scores - task.targets) ** 2).mean())
    # log(1 + e^x) without overflow
    return float((np.logaddexp(0, scores) - task.targets * scores).mean())


# --- calibration -------------------------------------------------------------------------------------


def head_of(task: Task, scores: Floats, languages: Sequence[str], groups: Sequence[str], seed: int) -> Head:
    """Return a head whose curve and thresholds fit scores of rows that were not seen when they were made."""
    scale = task.scale
    line = (0.0, 1.0)
    if scale.kind == "rating" and np.ptp(scores) > 1e-9:
        slope = float(np.cov(scores, task.targets, bias=True)[0, 1] / scores.var())
        line = (float(task.targets.mean() - slope * scores.mean()), slope)
    curve = curve_of(scores, task.soft, groups, seed)
    chances = curve(scores)
    bounds = thresholds_of(chances, task.events, languages)
    return Head(
        name=scale.name,
        kind="label" if scale.kind == "label" else "rating",
        least=scale.least,
        most=scale.most,
        bar=scale.bar,
        line=line,
        curve=curve,
        thresholds=bounds,
        flagged=round(float((chances >= bounds.all).mean()), 4),
    )


def curve_of(scores: Floats, soft: Floats, groups: Sequence[str], seed: int) -> Curve:
    """Return Platt's curve, or isotonic steps where there is enough and they have the smaller Brier score.

    (Platt 1999; Zadrozny & Elkan 2002.)
    """
    if len(scores) < FEWEST_FOR_STEPS:
        return platt(scores, soft)
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups))}
    order = np.random.default_rng(seed).permutation(len(numbers))
    part = order[[numbers[group] for group in groups]] % FOLDS
    losses = []
    for way in (platt, steps):
        guessed = np.zeros(len(scores))
        for n in range(FOLDS):
            guessed[part == n] = way(scores[part != n], soft[part != n])(scores[part == n])
        losses.append(cast("float", brier(guessed, soft)))
    return (platt if losses[0] <= losses[1] else steps)(scores, soft)


def platt(scores: Floats, soft: Floats) -> Curve:
    """Return the sigmoid of scores with the least cross-entropy, with Platt's targets, which keep it from 0 and 1."""
    from scipy.optimize import minimize

    positive, count = float(soft.sum()), len(soft)
    high, low = (positive + 1) / (positive + 2), 1 / (count - positive + 2)
    wanted = low + (high - low) * soft
    width = float(scores.std()) if np.ptp(scores) > 1e-9 else 0.0
    if not width:
        rate = float(wanted.mean())
        return Curve(slope=0.0, offset=math.log(rate / (1 - rate)))
    middle = float(scores.mean())
    plain = (scores - middle) / width

    def cost(p: Floats) -> tuple[float, Floats]:
        x = p[0] * plain + p[1]
        error = kept.sigmoid(x) - wanted
        return float((np.logaddexp(0, x) - wanted * x).mean()), np.array([(error * plain).mean(), error.mean()])

    slope, offset = minimize(cost, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return Curve(slope=float(slope / width), offset=float(offset - slope * middle / width))


def steps(scores: Floats, soft: Floats) -> Curve:
    """Return the isotonic regression of objections on scores."""
    from sklearn.isotonic import IsotonicRegression

    rising = bool(np.corrcoef(scores, soft)[0, 1] >= 0) if np.ptp(scores) > 1e-9 and np.ptp(soft) > 1e-9 else True
    # It falls for a scale on which low ratings are objections.
    model = IsotonicRegression(increasing=rising, out_of_bounds="clip").fit(scores, soft)
    at, chance = np.asarray(model.X_thresholds_), np.asarray(model.y_thresholds_).clip(0, 1)
    return Curve(at=tuple(map(float, at)), chance=tuple(map(float, chance)))


def thresholds_of(chances: Floats, events: NDArray[np.bool_], languages: Sequence[str]) -> Thresholds:
    """Return the chances from which on flagging has the largest macro-F1, of all rows and by language."""
    common = best_threshold(chances, events)
    own = {}
    for language, count in Counter(languages).items():
        inside = np.array([spoken == language for spoken in languages])
        objected = int(events[inside].sum())
        if language and count >= FEWEST_OF_LANGUAGE and FEWEST_EACH <= objected <= count - FEWEST_EACH:
            best = best_threshold(chances[inside], events[inside])
            own[language] = round((count * best + LENT * common) / (count + LENT), 4)
    return Thresholds(all=round(common, 4), languages=own)


def best_threshold(chances: Floats, events: NDArray[np.bool_]) -> float:
    """Return the threshold with the largest macro-F1; of several the one nearest to .5."""
    if events.all() or not events.any():
        return 0.5
    flagged = chances[None, :] >= GRID[:, None]
    hits = (flagged & events).sum(1)
    given, right = flagged.sum(1), int(events.sum())
    rejected = ((~flagged) & ~events).sum(1)
    f1 = (2 * hits / (given + right) + 2 * rejected / ((len(events) - given) + (len(events) - right))) / 2
    near = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(GRID[near[np.abs(GRID[near] - 0.5).argmin()]])


def filter_of(fitted: Sequence[Fitted], seen: Seen, rows: Ints, identities: Mapping[str, str]) -> kept.Filter:
    """Return the filter of heads that were fitted together.

    Args:
        rows: those that it was trained on.
        identities: encoder -> its identity.
    """
    encoders, with_grams = FEATURES[fitted[0].choice.features]
    scaler = fitted[0].scaler
    cultures = tuple(sorted({culture for head in fitted for culture in head.cultures}))
    _, means, prompts = blocks_of(seen, scaler, encoders)
    settings = kept.Settings(
        format=1,
        encoders=encoders,
        identities={kind: identities[kind] for kind in encoders},
        grams=with_grams,
        prompts=prompts and bool(encoders),
        cultures=cultures,
        languages=tuple(sorted({seen.languages[row] for row in rows.tolist()} - {""})),
        heads=tuple(head.head for head in fitted),
    )
    weights = Weights(
        means=tuple(means),
        rarity=scaler.rarity if with_grams else np.zeros(0),
        heads=tuple((own.offsets, own.weights) for own in (head.for_cultures(cultures) for head in fitted)),
    )
    return kept.Filter(settings, weights)
