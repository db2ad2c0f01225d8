"""How far answers lie from a survey's shares, and how far chance alone would take them. Pure.

A few draws cannot match shares: three answers out of ten options always look skewed. So every distance comes with the
one that sampling alone leads to, for just as many draws, drawn just so.
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
    """A distance from the survey, beside what chance makes of it."""

    weight: float
    """Answers behind it; 0 where there are none."""
    jsd: float
    """Jensen-Shannon divergence, base 2: 0 the same, 1 nothing in common."""
    expected: float
    """Its mean where sampling is all that is at work."""
    trials: Floats
    """Shape (TRIALS,): what it was each time that chance alone was at work."""

    @property
    def chance(self) -> float:
        """How often chance alone leads at least as far (0-1, never 0: the observed draw is counted as one)."""
        return float((1 + np.count_nonzero(self.trials >= self.jsd - 1e-9)) / (1 + len(self.trials)))


def jsd(first: ArrayLike, second: ArrayLike) -> Floats:
    """Jensen-Shannon divergence of two histograms, or of rows of histograms: H((P+Q)/2) - (H(P)+H(Q))/2, in bits.

    Symmetric, 0 for equal shares, 1 for shares with nothing in common. Counts are scaled to shares. (Lin 1991,
    doi:10.1109/18.61115; the divergence itself, not its square root.)

    Args:
        first, second: not negative, with a sum above 0; shape (k,) or (n, k).
    """
    p, q = shares_of(first), shares_of(second)
    found: Floats = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.clip(found, 0.0, 1.0)


def entropy(shares: Floats) -> Floats:
    """In bits, along the last axis; nothing is added for a share of 0."""
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    found: Floats = -(shares * logs).sum(axis=-1)
    return found


def shares_of(counts: ArrayLike) -> Floats:
    values = np.asarray(counts, np.float64)
    shares: Floats = values / values.sum(axis=-1, keepdims=True)
    return shares


def drawn_fit(shares: Mapping[int, float], counts: Mapping[int, int], *parts: object) -> Fit:
    """The stances that were dealt, against the shares they were dealt from.

    They were drawn systematically (`stance.draw_codes`): the only chance is the start u, uniform on [0, 1). The
    counts change where u passes the fraction of n times a cumulated share, so the expectation is exact: a sum over
    the pieces between, each as long as it is likely.

    Args:
        parts: what the simulated starts hang on.
    """
    codes, wanted = positive(shares)
    if odd := set(counts) - set(codes):
        raise ValueError(f"drawn without a share: {sorted(odd)}")
    n = sum(counts.values())
    edges = n * np.cumsum(wanted)[:-1]
    breaks = np.unique(np.concatenate([[0.0], edges % 1.0]))
    middles = (breaks + np.append(breaks[1:], 1.0)) / 2
    below = np.ceil(edges[None, :] - middles[:, None])  # how many of the points u, 1 + u, 2 + u ... lie under an edge
    cumulated = np.concatenate([np.zeros((len(middles), 1)), below, np.full((len(middles), 1), n)], axis=1)
    pieces = jsd(np.diff(cumulated, axis=1), wanted[None, :])
    expected = float(pieces @ np.diff(np.append(breaks, 1.0)))
    starts = generator("starts", *parts).random(TRIALS)
    trials = pieces[np.searchsorted(breaks, starts, side="right") - 1]
    return Fit(n, float(jsd([counts.get(code, 0) for code in codes], wanted)), expected, trials)


def kept_fit(shares: Mapping[int, float], told: Sequence[tuple[int, int]], *parts: object) -> Fit:
    """The stances behind kept samples, against the survey.

    What several samples of one speaker say of the survey is one answer, so chance is simulated by speakers: each gets
    an answer by the shares and takes all their samples with them. That is a little more noise than systematic draws
    have, so a mark for skew is not given lightly.

    Args:
        told: for each speaker with kept samples, the stance's code and how many samples.
    """
    codes, wanted = positive(shares)
    places = {code: place for place, code in enumerate(codes)}
    weights = np.array([samples for _, samples in told], np.float64)
    histogram = np.zeros(len(codes))
    for (code, _), weight in zip(told, weights, strict=True):
        histogram[places[code]] += weight
    edges = np.cumsum(wanted)[:-1]
    dealt = np.searchsorted(edges, generator("kept", *parts).random((TRIALS, len(told))), side="right")
    simulated = np.stack([(dealt == place) @ weights for place in range(len(codes))], axis=1)
    trials = jsd(simulated, wanted[None, :])
    return Fit(float(weights.sum()), float(jsd(histogram, wanted)), float(trials.mean()), trials)


def pooled(fits: Sequence[Fit]) -> Fit | None:
    """Several items as one: the mean of their distances, weighted by answers.

    That is the divergence of the joint histograms over (item, answer) where items have the same weight in both.
    None where there is no answer.
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
    """The codes that somebody chose, in order, and their shares, which sum to 1."""
    codes = sorted(code for code, share in shares.items() if share > 0)
    return codes, shares_of([shares[code] for code in codes])


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that hang on the parts alone."""
    return np.random.default_rng(int(unit(*parts) * 2**53))
