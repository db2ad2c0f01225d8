"""The scorers, by the names that suites give them."""

from __future__ import annotations

from culturepark.errors import UsageError
from culturepark.evaluate.figures import Scorer
from culturepark.evaluate.scorers.bias import BiasScorer
from culturepark.evaluate.scorers.choice import ChoiceScorer
from culturepark.evaluate.scorers.judged import JudgedScorer
from culturepark.evaluate.scorers.moderation import ModerationScorer
from culturepark.evaluate.scorers.support import SupportScorer
from culturepark.evaluate.scorers.survey import SurveyScorer
from culturepark.evaluate.scorers.sva import SvaScorer
from culturepark.evaluate.scorers.vsm13 import Vsm13Scorer
from culturepark.files import clipped
from culturepark.plugins import Registry


def of_plugin(name: str, scorer: object) -> Scorer:
    """
    Raises:
        TypeError: if it is no scorer.
    """
    made = scorer() if isinstance(scorer, type) else scorer
    lacking = [part for part in ("name", "judged", "problem", "scores", "figures") if not hasattr(made, part)]
    if lacking:
        raise TypeError(f"{name} has no {lacking[0]!r}; it must be a Scorer (docs/extending.md)")
    return made  # type: ignore[return-value]


SCORERS: Registry[Scorer] = Registry("culturepark.suites", of_plugin)
OWN: tuple[Scorer, ...] = (
    SurveyScorer(),
    ChoiceScorer(),
    ModerationScorer(),
    BiasScorer(),
    SvaScorer(),
    Vsm13Scorer(),
    JudgedScorer(),
    SupportScorer(),
)
for own in OWN:
    SCORERS.add(own.name, own)


def scorer_of(name: str) -> Scorer:
    """
    Raises:
        UsageError: if there is none of that name.
    """
    if name not in SCORERS:
        raise UsageError(f"there is no scorer {clipped(name)!r}, only: {', '.join(SCORERS.names())}")
    return SCORERS[name]
