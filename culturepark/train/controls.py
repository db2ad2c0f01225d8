"""What a description is worth: the losses of held-out rows under it, and under all that could explain them without it.

Pure. A description that helps has to beat the adapter that ignores it (the mean one); a low loss alone says only that
something was learnt. "No gain over the mean adapter" is a result like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from culturepark.evaluate.intervals import FEWEST_CLUSTERS, bootstrap, holm, paired_difference
from culturepark.stats.figures import Figures
from culturepark.train.communities import Row
from culturepark.train.hyper import Shape

Arm = Literal["base", "right", "reworded", "wrong", "garbage", "mean", "one", "separate", "unseen", "unseen-mean"]
ARMS: dict[Arm, str] = {
    "base": "no adapter",
    "right": "the right description",
    "reworded": "the right description in other sentences",
    "wrong": "another community's description",
    "garbage": "random letters as a description",
    "mean": "the mean adapter",
    "one": "one plain adapter for all, of equal rank",
    "separate": "an adapter of its own, of equal rank",
    "unseen": "the right description, its community never seen",
    "unseen-mean": "the mean adapter of the others",
}
"""Under what the held-out rows are read, in the order in which it is told. `right` is the description that was trained
with; `reworded` are sentences about the same community that were not."""
AGAINST: tuple[tuple[Arm, Arm], ...] = (
    ("right", "mean"), ("right", "wrong"), ("right", "garbage"), ("right", "one"), ("right", "separate"),
    ("right", "base"), ("reworded", "mean"), ("unseen", "unseen-mean"), ("unseen", "base"),
)  # fmt: skip
"""What is compared with what; the first pair decides whether a description is worth anything."""
ALPHA = 0.05
LEAST_GAIN = 0.001
"""Nats a token that an interval must clear to be a gain or a loss: a tenth of a percent of perplexity. Two adapters of
which one is the mean of what was trained differ by less than that in every row, so surely, and to no effect."""
Outcome = Literal["gain", "loss", "none", "too-few"]

Losses = Mapping[Arm, Sequence[float]]
"""For each arm, the mean loss of each held-out row in nats a token, in the order of the rows."""


class ArmFigures(Figures):
    """The loss of held-out rows under one adapter, in nats a token of the answers."""

    arm: Arm
    loss: float
    low: float | None
    """Of the 95% interval over statements; None with fewer than five."""
    high: float | None
    by_community: dict[str, float]


class Comparison(Figures):
    """How much lower the loss is under the first than under the second: above 0, the first is better."""

    first: Arm
    second: Arm
    gain: float
    low: float | None
    high: float | None
    p: float
    """Of sign flips by statement, adjusted for the number of comparisons (Holm)."""
    outcome: Outcome
    by_community: dict[str, float]


class Parameters(Figures):
    """Trained numbers: of the hypernetwork's, and of as many separate adapters as there are communities."""

    shared: int
    """A and B, once for all communities."""
    network: int
    hyper: int
    """Both together."""
    one_adapter: int
    separate: int
    """Of one adapter for each community."""
    of_a_description: int
    """Numbers of z: all that differs between communities."""

    @classmethod
    def of(cls, shape: Shape, communities: int) -> Parameters:
        one, network = shape.adapter_parameters, shape.network_parameters
        return cls(
            shared=one, network=network, hyper=one + network, one_adapter=one, separate=communities * one,
            of_a_description=len(shape.modules) * shape.rank,
        )  # fmt: skip


@dataclass(frozen=True)
class Controls:
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> str:
        """The result in words. A description has helped only if no other description helps as much."""
        mean = self.comparisons[0]
        wrong = next((c for c in self.comparisons if (c.first, c.second) == ("right", "wrong")), None)
        if mean.outcome == "gain" and wrong and wrong.outcome != "gain":
            return f"{sentence_of(mean)} It is not the description: {lower_first(sentence_of(wrong))}"
        return sentence_of(mean)


def controls(rows: Sequence[Row], losses: Losses, seed: int) -> Controls:
    """
    Args:
        rows: those held out, in the order of the losses.
        losses: of `right` and `mean` at least.
        seed: of the intervals' draws.
    """
    arms = tuple(arm_figures(arm, rows, losses[arm], seed) for arm in ARMS if arm in losses)
    pairs = [pair for pair in AGAINST if pair[0] in losses and pair[1] in losses]
    clusters = [row.cluster for row in rows]
    found = [paired_difference(losses[b], losses[a], seed, a, b, clusters=clusters) for a, b in pairs]
    adjusted = holm([difference.p if difference else 1.0 for difference in found])
    made = []
    for (first, second), difference, p in zip(pairs, found, adjusted, strict=True):
        if difference is None:
            raise ValueError("no rows are held out")
        outcome: Outcome = "none"
        if difference.low is None or difference.high is None:
            outcome = "too-few"
        elif p <= ALPHA and difference.low > LEAST_GAIN:
            outcome = "gain"
        elif p <= ALPHA and difference.high < -LEAST_GAIN:
            outcome = "loss"
        gains = [b - a for a, b in zip(losses[first], losses[second], strict=True)]
        made.append(
            Comparison(
                first=first, second=second, gain=difference.value, low=difference.low, high=difference.high, p=p,
                outcome=outcome, by_community=by_community(rows, gains),
            )
        )  # fmt: skip
    return Controls(arms, tuple(made))


def arm_figures(arm: Arm, rows: Sequence[Row], losses: Sequence[float], seed: int) -> ArmFigures:
    interval = bootstrap(losses, seed, arm, clusters=[row.cluster for row in rows])
    if interval is None:
        raise ValueError("no rows are held out")
    return ArmFigures(
        arm=arm, loss=interval.value, low=interval.low, high=interval.high, by_community=by_community(rows, losses)
    )


def by_community(rows: Sequence[Row], values: Sequence[float]) -> dict[str, float]:
    names = sorted({row.community for row in rows})
    return {name: fmean(v for row, v in zip(rows, values, strict=True) if row.community == name) for name in names}


# --- in words ------------------------------------------------------------------------------------


def sentence_of(comparison: Comparison) -> str:
    """Return a comparison's result in words, with its interval."""
    second = ARMS[comparison.second]
    unseen = " for a community never seen" if comparison.first == "unseen" else ""
    by = f"{comparison.gain:+.4f} nats a token{between(comparison.low, comparison.high)}"
    if comparison.first == "unseen":  # rows say nothing of how other communities would fare; their number does
        better = sum(gain > 0 for gain in comparison.by_community.values())
        by += f"; lower in {better} of {len(comparison.by_community)} communities"
    match comparison.outcome:
        case "gain":
            return f"Gain over {second}{unseen}: {by}."
        case "loss":
            return f"Worse than {second}{unseen}: {by}."
        case "too-few":
            return f"No gain over {second}{unseen} could be seen: fewer than {FEWEST_CLUSTERS} statements are held out."
    return f"No gain over {second}{unseen} ({by})."


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f", 95% {low:+.4f} to {high:+.4f}"


def control_lines(found: Controls, parameters: Parameters, rows: Sequence[Row]) -> Iterator[str]:
    """Yield all controls as text: losses, comparisons, verdicts, parameters."""
    statements = len({row.cluster for row in rows})
    communities = sorted({row.community for row in rows})
    yield (
        f"Held out: {len(rows)} rows of {statements} statements, {len(communities)} communities. Loss in nats a token "
        "of the answers; intervals are over statements, so they speak of these communities, not of others."
    )
    width = max(len(ARMS[arm.arm]) for arm in found.arms)
    for arm in found.arms:
        shares = "  ".join(f"{name} {loss:.3f}" for name, loss in arm.by_community.items())
        yield f"  {ARMS[arm.arm]:{width}}  {arm.loss:.4f}{between_losses(arm)}  {shares}"
    yield "What a description gains (above 0: the first has the lower loss; p is Holm-adjusted):"
    for comparison in found.comparisons:
        interval = between(comparison.low, comparison.high)
        first, second = ARMS[comparison.first], ARMS[comparison.second]
        yield f"  {first} against {second}: {comparison.gain:+.4f}{interval}, p {comparison.p:.4f}"
    yield (
        f"Parameters: {parameters.hyper:,} ({parameters.shared:,} shared, {parameters.network:,} in the network) "
        f"beside {parameters.separate:,} of {len(communities)} separate adapters of {parameters.one_adapter:,}; "
        f"a community is {parameters.of_a_description:,} numbers."
    )
    unseen = next((c for c in found.comparisons if c.first == "unseen"), None)
    if unseen:
        yield sentence_of(unseen)
    yield f"Verdict: {found.verdict}"


def between_losses(arm: ArmFigures) -> str:
    return "" if arm.low is None or arm.high is None else f" ({arm.low:.4f} to {arm.high:.4f})"
