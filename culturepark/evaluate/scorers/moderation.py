"""How well a model labels texts as people of each culture do: labels are options, texts are questions.

Where an item has one right label (`answer`, or `answers` by culture), the figures are macro-F1, and precision, recall
and F1 of each label. Where it has the shares of raters who gave each label (`shares`), no label alone is right, and the
figures are `soft_agreement` and `cross_entropy`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from culturepark.catalog.suites import Item, Suite
from culturepark.domain import DEFAULT_LANGUAGE
from culturepark.evaluate import classification, measures
from culturepark.evaluate.answers import Pool, Sheet, group_key
from culturepark.evaluate.classification import Labelled
from culturepark.evaluate.figures import Figure, Headline, Score, rounded
from culturepark.evaluate.scorers.aggregate import (
    Cell,
    Parts,
    beside_all,
    by_condition,
    ends_of,
    figures_of,
    labels_in,
    plain,
    resampled_sums,
    slices,
)
from culturepark.evaluate.scorers.choice import right_code
from culturepark.evaluate.scorers.conduct import coverage
from culturepark.stats.survey_fit import Floats, generator

SMALLER = ("cross_entropy",)
SAMPLES = 200
"""Samples of raters behind the ceiling of an item."""
PER_LABEL = ("precision", "recall", "f1")


class ModerationScorer:
    """Agreement with people's labels."""

    name = "moderation"
    judged = False
    headline: Headline = (("macro_f1", "larger"),)

    def problem(self, suite: Suite) -> str | None:
        if not any(item.options and item.target_kind in ("answer", "answers", "shares") for item in suite.items):
            return "no item has labels as options, and people's label (`answer` or `answers`) or their `shares`"
        return None

    def scores(self, sheet: Sheet) -> Iterable[Score]:
        """Return for each answer whether its label is right, or the share of raters who gave it too."""
        for pool in sheet.pools:
            right, shares = right_code(pool), pool.item.shares.get(pool.group)
            for answer in pool.answers:
                if answer.choice is None:
                    continue
                if right is not None:
                    yield Score(answer.id, self.name, float(answer.choice == right), {"group": pool.group})
                elif shares is not None:
                    yield Score(answer.id, self.name, rounded(shares.get(answer.choice, 0.0)), {"group": pool.group})

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:  # noqa: ARG002 - the interface
        ceilings: dict[tuple[str, str], float] = {}
        for condition, pools in by_condition(sheet.pools, sheet).items():
            hard = [pool for pool in pools if right_code(pool) is not None]
            shares = shares_of([right for pool in hard for right, _ in pairs_of(pool)])
            for parts, rows in slices(hard, condition, lambda pool: pool):
                yield from label_figures(parts, rows, sheet, shares)
            soft = [pool for pool in pools if pool.group in pool.item.shares]
            yield from figures_of(list(soft_cells(soft, sheet, ceilings)), condition, sheet, SMALLER)
        yield from coverage(sheet, self.name)


# --- hard labels -------------------------------------------------------------------------------------


def label_figures(parts: Parts, pools: Sequence[Pool], sheet: Sheet, shares: Mapping[str, float]) -> Iterator[Figure]:
    """Yield macro-F1, and where the slice is no topic precision, recall and F1 of each label.

    An answer without a readable label lowers the recall of the right one. The nulls are the commonest label always, and
    labels drawn as often as they are right. Where one label is right for all of a slice, as in tests of one function
    each, there is only its recall: its commonest label would always be right.

    Args:
        shares: of all answers under the condition, how many each label is right for.
    """
    pairs = [pair for pool in pools for pair in pairs_of(pool)]
    scores = classification.label_scores(pairs)
    labels = list(scores)
    group, items = group_key(*parts), len({pool.item.key for pool in pools})
    drawn = resampled_sums(confusions(pools, labels), sheet.seed, "labels", group)
    each = None if drawn is None else statistics_of(drawn.reshape(len(drawn), len(labels), len(labels) + 1))

    def figure_of(metric: str, label: str, nulls: Mapping[str, float]) -> Iterator[Figure]:
        low, high = ends_of(None if each is None else each[metric][:, labels.index(label)])
        value = rounded(getattr(scores[label], metric))
        of_label = group_key(*parts, ("label", plain(label)))
        yield from beside_all(Figure(metric, of_label, value, items, low, high), nulls)

    rights = [right for right, _ in pairs]
    own = shares_of(rights)
    if len(own) == 1:
        label = rights[0]
        nulls = {"majority": float(label == commonest(shares)), "stratified": shares[label]}
        yield from figure_of("recall", label, nulls)
        return
    low, high = ends_of(None if each is None else np.nanmean(each["f1"], axis=1))
    figure = Figure("macro_f1", group, rounded(classification.macro_f1(pairs)), items, low, high, ceiling=1.0)
    constants = {"majority": classification.majority(rights), "stratified": classification.stratified(rights)}
    yield from beside_all(figure, {name: null.macro_f1 for name, null in constants.items() if null is not None})
    if any(name == "topic" for name, _ in parts):
        return
    for label in labels:
        share = own.get(label, 0.0)
        always = {"precision": share, "recall": 1.0, "f1": 2 * share / (1 + share)}
        for metric in PER_LABEL:
            nulls = {"majority": always[metric] if label == commonest(own) else 0.0, "stratified": share}
            yield from figure_of(metric, label, nulls)


def shares_of(rights: Sequence[str]) -> dict[str, float]:
    """Return for how much of some answers each label is right."""
    return {label: times / len(rights) for label, times in Counter(rights).items()}


def commonest(shares: Mapping[str, float]) -> str:
    return max(shares, key=lambda label: (shares[label], label))


def pairs_of(pool: Pool) -> Iterator[Labelled]:
    """Yield the right label beside that of each answer; None for an answer that gives none.

    Labels go by their English words, so that they are the same in items of several languages; where an item has none in
    English, by its own.
    """
    labels = labels_in(pool.item, DEFAULT_LANGUAGE)
    right = right_code(pool)
    assert right is not None
    for answer in pool.answers:
        yield labels[right], None if answer.choice is None else labels.get(answer.choice)


def confusions(pools: Sequence[Pool], labels: Sequence[str]) -> Floats:
    """Return how often each label was given where each was right, by item.

    Returns:
        Shape (items, labels * (labels + 1)): right label by given label, of which the last is no label at all.
    """
    numbers: dict[str | None, int] = {label: number for number, label in enumerate(labels)}
    numbers[None] = len(labels)
    items = {key: number for number, key in enumerate(dict.fromkeys(pool.item.key for pool in pools))}
    totals = np.zeros((len(items), len(labels), len(labels) + 1))
    for pool in pools:
        for right, given in pairs_of(pool):
            totals[items[pool.item.key], numbers[right], numbers[given]] += 1
    return totals.reshape(len(items), -1)


def statistics_of(counts: Floats) -> dict[str, Floats]:
    """Return precision, recall and F1 by draw and label, as `classification.label_scores` has them for one sample.

    Args:
        counts: shape (draws, right label, given label or none).

    Returns:
        Each of shape (draws, labels). The F1 of a label that is neither right nor given in a draw is no number.
    """
    hits = np.diagonal(counts, axis1=1, axis2=2)
    support, given = counts.sum(axis=2), counts[:, :, :-1].sum(axis=1)
    either = support + given
    return {
        "precision": hits / np.where(given > 0, given, 1),
        "recall": hits / np.where(support > 0, support, 1),
        "f1": np.where(either > 0, 2 * hits / np.where(either > 0, either, 1), np.nan),
    }


# --- soft labels -------------------------------------------------------------------------------------


def soft_cells(pools: Sequence[Pool], sheet: Sheet, ceilings: dict[tuple[str, str], float]) -> Iterator[Cell]:
    """Yield how near the probabilities of the labels are to the shares of raters who gave them.

    The null `pooled share` gives every text the mean share of each label in its group, and `uniform` each label the
    same. The ceiling is another sample of as many raters, where their number is known, and for `cross_entropy` the
    shares themselves. `one_person_agreement` is what one of the raters has with the mean of the others.

    Args:
        ceilings: of item and group, as far as they are known; filled here.
    """
    pooled = pooled_shares(pools)
    for pool in pools:
        codes, people = pool.item.codes, pool.item.shares[pool.group]
        if pool.distribution is None:
            continue
        given = [min(1.0, pool.distribution.shares.get(code, 0.0)) for code in codes]
        wanted = [min(1.0, people.get(code, 0.0)) for code in codes]
        constant = [min(1.0, pooled[pool.group, codes][code]) for code in codes]
        same = [1 / len(codes)] * len(codes)
        n, key = pool.item.n.get(pool.group), (pool.item.key, pool.group)
        if n is not None and key not in ceilings:
            ceilings[key] = another_sample(pool.item, pool.group, n, sheet.seed)
        nulls, agreement = {"pooled share": constant, "uniform": same}, {}
        for metric, score, ceiling in (
            ("soft_agreement", classification.soft_agreement, ceilings.get(key)),
            ("cross_entropy", classification.cross_entropy, classification.cross_entropy(wanted, wanted)),
        ):
            value = score(given, wanted)
            beside = {name: null for name, guess in nulls.items() if (null := score(guess, wanted)) is not None}
            if metric == "soft_agreement":
                agreement = beside
            if value is not None:
                yield Cell(metric, pool, value, beside, ceiling)
        if n is not None and n > 1:
            yield Cell("one_person_agreement", pool, one_person(wanted, n), agreement)


def pooled_shares(pools: Iterable[Pool]) -> Mapping[tuple[str, tuple[int, ...]], dict[int, float]]:
    """Return the mean share of each label by group, over the items with the same labels."""
    by_group: dict[tuple[str, tuple[int, ...]], list[Mapping[int, float]]] = defaultdict(list)
    for pool in pools:
        by_group[pool.group, pool.item.codes].append(pool.item.shares[pool.group])
    return {
        (group, codes): {code: sum(shares.get(code, 0.0) for shares in every) / len(every) for code in codes}
        for (group, codes), every in by_group.items()
    }


def another_sample(item: Item, group: str, n: int, seed: int) -> float:
    """Return the mean soft agreement of samples of n raters, drawn by the shares, with the shares."""
    shares = dict.fromkeys(item.codes, 0.0) | dict(item.shares[group])
    samples = measures.resampled(shares, n, SAMPLES, generator("raters", seed, item.key, group))
    wanted = np.array([shares[code] for code in sorted(shares)])
    return float(1 - np.abs(samples - wanted).mean())


def one_person(shares: Sequence[float], n: int) -> float:
    """Return the mean soft agreement of one of n raters with the mean of the others, each rater left out in turn.

    Of the s * n raters who gave a label each is 1 - (s * n - 1) / (n - 1) away from the others, and of the rest each
    s * n / (n - 1); the mean of both is 2 * s * (1 - s) * n / (n - 1).
    """
    away = [2 * share * (1 - share) * n / (n - 1) for share in shares]
    return 1 - sum(away) / len(away)
