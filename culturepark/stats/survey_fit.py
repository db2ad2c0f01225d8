"""The distance of stances from a survey's shares, and the distance that chance alone brings. Pure.

A few draws cannot match shares: three answers out of ten options always look skewed. So every distance comes with the
expected distance of the same number of draws, made in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culturepark.dialogue.stance import unit

Floats = NDArray[np.float64]
TRIALS = 500
"""Simulated surveys behind an expectation and a chance."""


@dataclass(frozen=True)
class Fit:
    """A distance from the survey, and the distances that chance alone brings."""

    weight: float
    """Number of answers."""
    jsd: float
    """Jensen-Shannon divergence, base 2: 0 the same, 1 nothing in common."""
    expected: float
    """Mean divergence if nothing but sampling is at work."""
    trials: Floats
    """Shape (TRIALS,): the divergence of each simulated survey."""

    @property
    def chance(self) -> float:
        """p-value: how often chance alone leads at least as far (0-1; never 0, since the observed draw is counted)."""
        return float((1 + np.count_nonzero(self.trials >= self.jsd - 1e-9)) / (1 + len(self.trials)))


def jsd(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the Jensen-Shannon divergence of histograms, or of rows of them: H((P+Q)/2) - (H(P)+H(Q))/2, in bits.

    Symmetric, 0 for equal shares, 1 for shares with nothing in common. Counts are scaled to shares. (Lin 1991,
    doi:10.1109/18.61115; the divergence itself, not its square root.)

    Args:
        first, second: not negative, with a sum above 0; shape (k,) or (n, k).
    """
    p, q = shares_of(first), shares_of(second)
    divergence: Floats = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.clip(divergence, 0.0, 1.0)


def entropy(shares: Floats) -> Floats:
    """Return the entropy in bits along the last axis."""
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    bits: Floats = -(shares * logs).sum(axis=-1)
    return bits


def shares_of(counts: ArrayLike) -> Floats:
    values = np.asarray(counts, np.float64)
    shares: Floats = values / values.sum(axis=-1, keepdims=True)
    return shares


def drawn_fit(shares: Mapping[int, float], counts: Mapping[int, int], *parts: object) -> Fit:
    """Compare stances as drawn with the shares they were drawn from.

    The draw is systematic (`stance.draw_codes`): only its start u is random, uniform on [0, 1). The counts change
    where u passes the fractional part of n times a cumulated share. So the expectation is exact: a sum over the
    intervals between these points, weighted by their length.

    Args:
        parts: seed of the simulated starts.
    """
    codes, wanted = positive(shares)
    if odd := set(counts) - set(codes):
        raise ValueError(f"drawn without a share: {sorted(odd)}")
    n = sum(counts.values())
    edges = n * np.cumsum(wanted)[:-1]
    breaks = np.unique(np.concatenate([[0.0], edges % 1.0]))
    middles = (breaks + np.append(breaks[1:], 1.0)) / 2
    below = np.ceil(edges[None, :] - middles[:, None])  # number of the points u, 1 + u, 2 + u ... under an edge
    cumulated = np.concatenate([np.zeros((len(middles), 1)), below, np.full((len(middles), 1), n)], axis=1)
    pieces = jsd(np.diff(cumulated, axis=1), wanted[None, :])
    expected = float(pieces @ np.diff(np.append(breaks, 1.0)))
    starts = generator("starts", *parts).random(TRIALS)
    trials = pieces[np.searchsorted(breaks, starts, side="right") - 1]
    return Fit(n, float(jsd([counts.get(code, 0) for code in codes], wanted)), expected, trials)


def kept_fit(shares: Mapping[int, float], speakers: Sequence[tuple[int, int]], *parts: object) -> Fit:
    """Compare the stances behind kept samples with the survey.

    All samples of a speaker come from one answer, so chance is simulated by speaker: each gets an answer by the
    shares, and all samples of that speaker go with it. This has a little more noise than the systematic draw, which
    makes it less likely that a run is called skewed.

    Args:
        speakers: for each speaker with kept samples, the code of the stance and the number of samples.
    """
    codes, wanted = positive(shares)
    places = {code: place for place, code in enumerate(codes)}
    weights = np.array([samples for _, samples in speakers], np.float64)
    histogram = np.zeros(len(codes))
    for (code, _), weight in zip(speakers, weights, strict=True):
        histogram[places[code]] += weight
    edges = np.cumsum(wanted)[:-1]
    dealt = np.searchsorted(edges, generator("kept", *parts).random((TRIALS, len(speakers))), side="right")
    simulated = np.stack([(dealt == place) @ weights for place in range(len(codes))], axis=1)
    trials = jsd(simulated, wanted[None, :])
    return Fit(float(weights.sum()), float(jsd(histogram, wanted)), float(trials.mean()), trials)


def pooled(fits: Sequence[Fit]) -> Fit | None:
    """Average the distances of several items, weighted by answers; None without answers.

    If items have the same weight in both, this is the divergence of the joint histograms over (item, answer).
    """
    total = sum(fit.weight for fit in fits)
    if not total:
        return None
    weights = np.array([fit.weight for fit in fits]) / total
    return Fit(
        total,
        float(weights @ [fit.jsd for fit in fits]),
        float(weights @ [fit.expected for fit in fits]),
        weights @ np.stack([fit.trials for fit in fits]),
    )


def positive(shares: Mapping[int, float]) -> tuple[list[int], Floats]:
    """Return the codes with a share above 0, in order, and their shares scaled to a sum of 1."""
    codes = sorted(code for code, share in shares.items() if share > 0)
    return codes, shares_of([shares[code] for code in codes])


def generator(*parts: object) -> np.random.Generator:
    """Return a random generator seeded by the parts."""
    return np.random.default_rng(int(unit(*parts) * 2**53))
