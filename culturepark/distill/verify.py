"""Checks every statement by two criteria: faithful to its quote, and in line with its speaker's stance.

`stance` is asked only of opinions whose speaker has one. A verdict that cannot be read is `unparsable` and never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from culturepark.distill.ask import Asker
from culturepark.distill.judge_json import judge_in_batches
from culturepark.distill.judge_logprobs import judge_by_leaning
from culturepark.distill.judgement import Case, Judgement, criteria
from culturepark.domain import Criterion, DistillPolicy, Verdict

if TYPE_CHECKING:
    from culturepark.distill.heads import Encode
    from culturepark.models.chat import Traits

SURE_ENOUGH = 0.8
"""The least confidence of a verdict that counts: the lowest at which the lower end of the interval of precision is .80,
for a model of 1.5 billion parameters on rows of writers whom it was not fitted on (docs/quality.md)."""


async def verify(
    asker: Asker, cases: Sequence[Case], policy: DistillPolicy, encode: Encode | None = None
) -> list[Verdict]:
    """Return a `faithful` verdict on each case, and a `stance` verdict where the speaker has a stance.

    Args:
        encode: for models too small to be asked for JSON; None where the encoder cannot be had.
    """
    if by_claims(asker.model.traits, policy):
        judged = await judge_by_leaning(asker, cases, encode)
    else:
        judged = await judge_in_batches(asker, cases)
    verdicts = []
    for case in cases:
        for criterion in criteria(case):
            judgement = judged[case.statement.id, criterion]
            verdicts.append(
                Verdict(
                    statement_id=case.statement.id,
                    criterion=criterion,
                    relation=judgement.relation,
                    confidence=judgement.confidence,
                    decision="keep" if passes(criterion, judgement, policy) else "drop",
                    call_id=judgement.call_id,
                )
            )
    return verdicts


def by_claims(traits: Traits, policy: DistillPolicy) -> bool:
    """Return whether the model is asked by yes or no, and not for JSON."""
    return policy.verify == "claims" or (policy.verify == "auto" and traits.labels)


def passes(criterion: Criterion, judgement: Judgement, policy: DistillPolicy) -> bool:
    """Return whether a statement passes. The policy's `keep` is about stance alone."""
    if judgement.confidence is not None and judgement.confidence < SURE_ENOUGH:
        return False
    return judgement.relation == "entail" if criterion == "faithful" else judgement.relation in policy.keep
